/* SPDX-License-Identifier: ISC */
/* Which file this process is; /proc is not there in a bare chroot. */
#include <sys/auxv.h>

#include <stdint.h>

#include "common/proc/spawn.h"

/* See spawn.h. */
const char *
spawn_self(void)
{
	return (const char *)(uintptr_t)getauxval(AT_EXECFN);
}
