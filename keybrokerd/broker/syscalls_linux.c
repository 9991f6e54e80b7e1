/* SPDX-License-Identifier: ISC */
/*
 * What the broker may ask of the kernel: messages, descriptors that it makes
 * or passes on, memory, time, randomness.  No file, no socket of its own.
 */
#include <sys/socket.h>

#include <seccomp.h>

#include "common/sandbox/sandbox.h"
#include "keybrokerd/broker/broker.h"

#define CALL(name)	SCMP_SYS(name)

static const struct sandbox_rule rules[] = {
	{ CALL(recvmsg), SB_ALLOW, 0, "messages" },
	{ CALL(sendmsg), SB_CLEAR2, MSG_FASTOPEN, "messages" },
	{ CALL(poll), SB_ALLOW, 0, "the loop" },
	{ CALL(socketpair), SB_ARG0, AF_UNIX, "worker-egress links" },
	{ CALL(dup), SB_ALLOW, 0, "the policy's descriptor for a worker" },
	{ CALL(close), SB_ALLOW, 0, "descriptors" },
	{ CALL(pread64), SB_ALLOW, 0, "a secret source that is a file" },
	{ CALL(read), SB_ALLOW, 0, "the same" },
	{ CALL(lseek), SB_ALLOW, 0, "the same" },
	{ CALL(fstat), SB_ALLOW, 0, "size of a policy or source" },
	{ CALL(write), SB_ALLOW, 0, "log pipe" },
	{ CALL(mmap), SB_MMAP, 0, "policy, memfd_secret sources, malloc" },
	{ CALL(mprotect), SB_MMAP, 0, "glibc malloc" },
	{ CALL(munmap), SB_ALLOW, 0, "the same" },
	{ CALL(mremap), SB_ALLOW, 0, "rows at recovery: realloc" },
	{ CALL(brk), SB_ALLOW, 0, "glibc malloc" },
	{ CALL(madvise), SB_ALLOW, 0, "glibc trims" },
	{ CALL(clock_gettime), SB_ALLOW, 0, "where the vDSO asks the kernel" },
	{ CALL(getrandom), SB_ALLOW, 0, "ids, tokens, nonces" },
	{ CALL(futex), SB_ALLOW, 0, "locks of libcrypto" },
	{ CALL(getpid), SB_ALLOW, 0, "libcrypto's fork check; abort" },
	{ CALL(gettid), SB_ALLOW, 0, "abort" },
	{ CALL(tgkill), SB_ALLOW, 0, "abort" },
	{ CALL(rt_sigprocmask), SB_ALLOW, 0, "abort; vDSO getrandom" },
	{ CALL(rt_sigreturn), SB_ALLOW, 0, "signal handlers" },
	{ CALL(restart_syscall), SB_ALLOW, 0, "after SIGSTOP, SIGCONT" },
	{ CALL(exit), SB_ALLOW, 0, "the end" },
	{ CALL(exit_group), SB_ALLOW, 0, "the end" },
	{ 0, SB_ALLOW, 0, NULL },
};

const struct sandbox broker_sandbox = {
	.role = "broker",
	.rules = rules,
	.netns = 1,
	.promises = "stdio sendfd recvfd",
};
