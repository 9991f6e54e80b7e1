/* SPDX-License-Identifier: ISC */
/* Which file this process is: not known to a process here. */
#include <stddef.h>

#include "common/proc/spawn.h"

/* See spawn.h. */
const char *
spawn_self(void)
{
	return NULL;
}
