/* SPDX-License-Identifier: ISC */
/*
 * Directory events by inotify(7), and openat2(2) for names that may not lead
 * out of their directory.  Kubernetes replaces the link ..data of a volume, so
 * events are never filtered by name.
 */
#include <sys/inotify.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "keybrokerd/parent/watch.h"

#define EVENTS	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | \
		IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | \
		IN_ONLYDIR)

int
notify_open(void)
{
	return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

int
notify_add(int fd, const char *dir)
{
	return inotify_add_watch(fd, dir, EVENTS) == -1 ? -1 : 0;
}

void
notify_drain(int fd)
{
	char	 buf[4096];
	int	 i;

	for (i = 0; i < 64 && read(fd, buf, sizeof(buf)) > 0; i++)
		;
}

int
notify_beneath(int at, const char *name, int path)
{
	struct open_how	 how;
	int		 flags;

	flags = path ? O_PATH | O_CLOEXEC :
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	memset(&how, 0, sizeof(how));
	how.flags = (unsigned int)flags;
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	at = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
	return at;
}
