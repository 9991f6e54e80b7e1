/* SPDX-License-Identifier: ISC */

/* libcurl keeps a context a connection here; by inspection, not run. */

#include "common/compat/compat.h"
#include "keybrokerd/egress/upstream.h"

void
context_share(void)
{
}
