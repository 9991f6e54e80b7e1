/* SPDX-License-Identifier: ISC */
/* The broker between stand-ins; one text for all its unit tests. */
#include "regress/unit/call/rig.c"
