/* SPDX-License-Identifier: ISC */
/*
 * System calls of export, each with its reason.  Paths are bounded by
 * Landlock: what lies below the export directory, to read.
 */
#include <sys/socket.h>

#include <dirent.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/proc/role.h"
#include "keybrokerd/export/export.h"

static const struct sandbox_rule	rules[] = {
	/* links */
	{ SCMP_SYS(recvmsg), SB_ALLOW, 0, "QUERY, CHECK, PEER" },
	{ SCMP_SYS(sendmsg), SB_CLEAR2, MSG_FASTOPEN, "ROW, CHECKED" },
	{ SCMP_SYS(poll), SB_ALLOW, 0, "the loop" },
	{ SCMP_SYS(ppoll), SB_ALLOW, 0, "the loop: arm64 has no poll" },
	{ SCMP_SYS(clock_gettime), SB_ALLOW, 0, "the loop, without vDSO" },
	{ SCMP_SYS(close), SB_ALLOW, 0, "files, links" },
	/* memory */
	{ SCMP_SYS(brk), SB_ALLOW, 0, "malloc" },
	{ SCMP_SYS(mmap), SB_MMAP, 0, "malloc of more than 128 KiB" },
	{ SCMP_SYS(munmap), SB_ALLOW, 0, "free of it" },
	{ SCMP_SYS(mremap), SB_ALLOW, 0, "realloc of it" },
	{ SCMP_SYS(madvise), SB_ALLOW, 0, "malloc gives pages back" },
	{ SCMP_SYS(getrandom), SB_ALLOW, 0, "malloc's seed" },
	/* the log */
	{ SCMP_SYS(openat), SB_ALLOW, 0, "bundles, tiles (Landlock)" },
	{ SCMP_SYS(read), SB_ALLOW, 0, "the same" },
	{ SCMP_SYS(fstat), SB_ALLOW, 0, "is it a regular file" },
	{ SCMP_SYS(newfstatat), SB_ALLOW, 0, "fstat of a newer libc" },
	{ SCMP_SYS(getdents64), SB_ALLOW, 0, "width of the newest bundle" },
	{ SCMP_SYS(fcntl), SB_ARG1, F_GETFL, "fdopendir" },
	{ SCMP_SYS(fcntl), SB_ARG1, F_SETFD, "the same" },
	{ SCMP_SYS(write), SB_ALLOW, 0, "the log pipe" },
	{ 0, SB_ALLOW, 0, NULL }
};

/* The directory can be listed. */
static int
probe(void)
{
	DIR	*d;
	int	 fd;

	fd = openat(ROLE_FD_EXTRA, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd == -1 ? NULL : fdopendir(fd);
	if (d == NULL)
		return -1;
	(void)readdir(d);
	closedir(d);
	return 0;
}

void
export_sandbox(struct sandbox *sb, struct sandbox_path *path, int dir)
{
	memset(sb, 0, sizeof(*sb));
	path->fd = dir;
	path->write = 0;
	sb->role = "export";
	sb->rules = rules;
	sb->paths = path;
	sb->npaths = 1;
	sb->probe = probe;
}
