/* SPDX-License-Identifier: ISC */
/* The same honest logs that auditverify is tested with. */
#include "regress/unit/auditverify/model.c"
