/* SPDX-License-Identifier: ISC */
/*
 * System calls of the ledger, each with its reason.  Paths are bounded by
 * Landlock (and the chroot): ledger/ and export/ only.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <seccomp.h>

#include "common/compat/compat.h"
#include "common/proc/role.h"
#include "keybrokerd/ledger/ledger.h"

static const struct sandbox_rule	rules[] = {
	/* links */
	{ SCMP_SYS(recvmsg), SB_ALLOW, 0, "BATCH, PEER" },
	{ SCMP_SYS(sendmsg), SB_CLEAR2, MSG_FASTOPEN, "COMMITTED, HELLO, DELTA" },
	{ SCMP_SYS(poll), SB_ALLOW, 0, "the loop" },
	{ SCMP_SYS(ppoll), SB_ALLOW, 0, "the loop: arm64 has no poll" },
	{ SCMP_SYS(clock_gettime), SB_ALLOW, 0, "the loop, without vDSO" },
	{ SCMP_SYS(gettimeofday), SB_ALLOW, 0, "SQLite's seed, no vDSO" },
	{ SCMP_SYS(getrandom), SB_ALLOW, 0, "SQLite's and malloc's seed" },
	/* memory */
	{ SCMP_SYS(brk), SB_ALLOW, 0, "malloc" },
	{ SCMP_SYS(mmap), SB_MMAP, 0, "malloc of more than 128 KiB" },
	{ SCMP_SYS(munmap), SB_ALLOW, 0, "free of it" },
	{ SCMP_SYS(mremap), SB_ALLOW, 0, "realloc of it" },
	{ SCMP_SYS(madvise), SB_ALLOW, 0, "malloc gives pages back" },
	/* the database */
	{ SCMP_SYS(openat), SB_ALLOW, 0, "SQLite's files, bundles, tiles" },
	{ SCMP_SYS(close), SB_ALLOW, 0, "the same" },
	{ SCMP_SYS(fstat), SB_ALLOW, 0, "SQLite, length of checkpoints" },
	{ SCMP_SYS(newfstatat), SB_ALLOW, 0, "SQLite: is it there, a link" },
	{ SCMP_SYS(getcwd), SB_ALLOW, 0, "SQLite: full path" },
	{ SCMP_SYS(fchdir), SB_ARG0, ROLE_FD_EXTRA, "state directory, once" },
	{ SCMP_SYS(geteuid), SB_ALLOW, 0, "SQLite: root chowns its files" },
	{ SCMP_SYS(fcntl), SB_ARG1, F_SETLK, "SQLite's locks" },
	{ SCMP_SYS(fcntl), SB_ARG1, F_GETLK, "hot journal: writer alive" },
	{ SCMP_SYS(pread64), SB_ALLOW, 0, "SQLite's pages" },
	{ SCMP_SYS(pwrite64), SB_ALLOW, 0, "the same, checkpoints" },
	{ SCMP_SYS(fdatasync), SB_ALLOW, 0, "commit" },
	{ SCMP_SYS(fsync), SB_ALLOW, 0, "directories, bundles" },
	{ SCMP_SYS(ftruncate), SB_ALLOW, 0, "WAL, checkpoints" },
	{ SCMP_SYS(fchmod), SB_ALLOW, 0, "SQLite: a WAL as its database" },
	{ SCMP_SYS(unlink), SB_ALLOW, 0, "SQLite's journal and WAL" },
	/* bundles */
	{ SCMP_SYS(read), SB_ALLOW, 0, "newest bundle, tiles" },
	{ SCMP_SYS(write), SB_ALLOW, 0, "bundles, the log pipe" },
	{ SCMP_SYS(mkdirat), SB_ALLOW, 0, "their directories" },
	{ SCMP_SYS(renameat), SB_ALLOW, 0, "a file gets its name" },
	{ SCMP_SYS(unlinkat), SB_ALLOW, 0, "superseded partial files" },
	{ SCMP_SYS(fstatfs), SB_ALLOW, 0, "space that is left" },
	{ 0, SB_ALLOW, 0, NULL }
};

void
ledger_sandbox(struct sandbox *sb)
{
	sb->rules = rules;
}
