/* SPDX-License-Identifier: ISC */
/* OpenBSD has neither; pledge takes their place. */
#include <errno.h>

#include "common/proc/priv.h"

/* See priv.h. */
int
priv_netns(void)
{
	errno = ENOSYS;
	return -1;
}

/* See priv.h. */
int
priv_limit_caps(void)
{
	return 0;
}
