/* SPDX-License-Identifier: ISC */
/*
 * Untested: no such machine in CI.  No directory events: files are looked at
 * every 30 s and at SIGHUP.  A file that is a link is refused altogether.
 */
#include <errno.h>
#include <fcntl.h>

#include "keybrokerd/parent/watch.h"

int
notify_open(void)
{
	errno = ENOTSUP;
	return -1;
}

int
notify_add(int fd, const char *dir)
{
	(void)fd;
	(void)dir;
	errno = ENOTSUP;
	return -1;
}

void
notify_drain(int fd)
{
	(void)fd;
}

int
notify_beneath(int at, const char *name, int path)
{
	(void)path;
	return openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOFOLLOW);
}
