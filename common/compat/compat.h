/* SPDX-License-Identifier: ISC */
#ifndef COMMON_COMPAT_COMPAT_H
#define COMMON_COMPAT_COMPAT_H

/*
 * The one place that may ask which system this is.  Debian: libbsd in overlay
 * mode supplies strlcpy, strtonum, queue.h and setproctitle.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#ifndef nitems
#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef O_PATH
#define O_PATH	O_RDONLY
#endif
#ifndef CLOCK_BOOTTIME
#define CLOCK_BOOTTIME	CLOCK_MONOTONIC
#endif

#endif
