/* SPDX-License-Identifier: ISC */
/*
 * What `broker -i` may ask of the kernel: write one file that was opened for
 * it, read it again, end.
 */
#include <seccomp.h>

#include "keybrokerd/broker/init.h"

#define CALL(name)	SCMP_SYS(name)

static const struct sandbox_rule rules[] = {
	{ CALL(write), SB_ALLOW, 0, "the key file, log pipe" },
	{ CALL(fsync), SB_ALLOW, 0, "the key file" },
	{ CALL(lseek), SB_ALLOW, 0, "the key file, to read it back" },
	{ CALL(read), SB_ALLOW, 0, "the same" },
	{ CALL(getrandom), SB_ALLOW, 0, "the key" },
	{ CALL(clock_gettime), SB_ALLOW, 0, "where the vDSO asks the kernel" },
	{ CALL(brk), SB_ALLOW, 0, "glibc malloc" },
	{ CALL(mmap), SB_MMAP, 0, "glibc malloc" },
	{ CALL(munmap), SB_ALLOW, 0, "the same" },
	{ CALL(madvise), SB_ALLOW, 0, "glibc trims" },
	{ CALL(futex), SB_ALLOW, 0, "locks of libcrypto" },
	{ CALL(getpid), SB_ALLOW, 0, "libcrypto's fork check; abort" },
	{ CALL(gettid), SB_ALLOW, 0, "abort" },
	{ CALL(tgkill), SB_ALLOW, 0, "abort" },
	{ CALL(rt_sigprocmask), SB_ALLOW, 0, "abort; vDSO getrandom" },
	{ CALL(rt_sigreturn), SB_ALLOW, 0, "signal handlers" },
	{ CALL(restart_syscall), SB_ALLOW, 0, "after SIGSTOP, SIGCONT" },
	{ CALL(exit_group), SB_ALLOW, 0, "the end" },
	{ 0, SB_ALLOW, 0, NULL },
};

const struct sandbox init_sandbox = {
	.role = "broker -i",
	.rules = rules,
	.fsize = 1,
	.netns = 1,
	.promises = "stdio",
};
