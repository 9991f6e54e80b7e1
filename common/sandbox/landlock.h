/* SPDX-License-Identifier: ISC */
#ifndef COMMON_SANDBOX_LANDLOCK_H
#define COMMON_SANDBOX_LANDLOCK_H

#include <stddef.h>

#include "common/sandbox/sandbox.h"

/* Linux only, for sandbox_linux.c. */

/*
 * Denies every file right that the kernel knows but for paths, TCP bind and
 * connect unless allowed, signals and abstract sockets out of the role.
 * 1 enforced, 0 the kernel has no Landlock, -1 with errno.
 */
int	 landlock_enter(const struct sandbox_path *, size_t, int bind_ok,
	    int connect_ok);

#endif
