/* SPDX-License-Identifier: ISC */
/* The log of the verifier's tests, here as an export that is read. */
#include "regress/unit/auditverify/model.c"
