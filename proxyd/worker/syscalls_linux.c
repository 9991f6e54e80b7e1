/* SPDX-License-Identifier: ISC */
/*
 * What a worker may ask of the kernel: serve sockets that it was given, speak
 * to parent, broker and egress, keep memory.  No socket, no connect, no file.
 * Found with strace over the unit test of the loop and over a busy gateway.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>

#include <seccomp.h>

#include "proxyd/worker/worker.h"

#define CALL(name)	SCMP_SYS(name)

static const struct sandbox_rule rules[] = {
	{ CALL(accept4), SB_ALLOW, 0, "clients of the slots" },
	{ CALL(recvfrom), SB_ALLOW, 0, "recv from clients and links" },
	{ CALL(sendto), SB_CLEAR3, MSG_FASTOPEN, "clients, links; no connect" },
	{ CALL(recvmsg), SB_ALLOW, 0, "messages of parent and broker" },
	{ CALL(sendmsg), SB_CLEAR2, MSG_FASTOPEN,
	    "messages to parent and broker; no connect" },
	{ CALL(shutdown), SB_ARG1, SHUT_WR,
	    "lingering close; the other ways end a listener" },
	{ CALL(close), SB_ALLOW, 0, "connections, links, slots" },
	{ CALL(setsockopt), SB_ARG2, TCP_NODELAY, "clients" },
	{ CALL(setsockopt), SB_ARG2, SO_LINGER, "a client that is cut" },
	{ CALL(getsockopt), SB_ALLOW, 0, "SO_ERROR of a silent client" },
	{ CALL(fcntl), SB_ALLOW, 0, "O_NONBLOCK of a passed descriptor" },
	{ CALL(epoll_wait), SB_ALLOW, 0, "libevent" },
	{ CALL(epoll_pwait), SB_ALLOW, 0, "libevent where epoll_wait is not" },
	{ CALL(epoll_ctl), SB_ALLOW, 0, "libevent" },
	{ CALL(poll), SB_ALLOW, 0, "UP, when the channel is full" },
	{ CALL(fstat), SB_ALLOW, 0, "size of the policy's memfd" },
	{ CALL(mmap), SB_MMAP, 0, "policy blob; glibc malloc over 128 KiB" },
	{ CALL(munmap), SB_ALLOW, 0, "the same" },
	{ CALL(mremap), SB_ALLOW, 0, "realloc of a large body" },
	{ CALL(madvise), SB_ALLOW, 0, "glibc trims" },
	{ CALL(brk), SB_ALLOW, 0, "glibc malloc" },
	{ CALL(clock_gettime), SB_ALLOW, 0, "where the vDSO asks the kernel" },
	{ CALL(gettimeofday), SB_ALLOW, 0, "the same" },
	{ CALL(getrandom), SB_ALLOW, 0, "ids of answers without a call" },
	{ CALL(write), SB_ALLOW, 0, "log pipe" },
	{ CALL(getpid), SB_ALLOW, 0, "libcrypto's fork check; abort" },
	{ CALL(gettid), SB_ALLOW, 0, "abort" },
	{ CALL(tgkill), SB_ALLOW, 0, "abort" },
	{ CALL(rt_sigprocmask), SB_ALLOW, 0, "abort; vDSO getrandom" },
	{ CALL(rt_sigreturn), SB_ALLOW, 0, "signal handlers" },
	{ CALL(restart_syscall), SB_ALLOW, 0, "after SIGSTOP, SIGCONT" },
	{ CALL(futex), SB_ALLOW, 0, "locks of libraries" },
	{ CALL(sysinfo), SB_ERRNO, EPERM,
	    "libssl's list of ciphers: qsort asks for the size of memory" },
	{ CALL(exit_group), SB_ALLOW, 0, "the end" },
	{ 0, SB_ALLOW, 0, NULL },
};

const struct sandbox worker_sandbox = {
	.role = "worker",
	.rules = rules,
	.netns = 1,
	.promises = "stdio inet recvfd",
};
