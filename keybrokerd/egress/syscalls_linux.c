/* SPDX-License-Identifier: ISC */

/*
 * What an egress may ask of Linux: to use descriptors that it has, and memory.
 * No socket, no name, no file.
 */

#include <sys/socket.h>

#include <netinet/tcp.h>

#include <errno.h>

#include <seccomp.h>

#include "keybrokerd/egress/egress.h"

#define ALLOW(name, why)	{ SCMP_SYS(name), SB_ALLOW, 0, why }

static const struct sandbox_rule	rules[] = {
	ALLOW(epoll_wait, "libevent"),
	ALLOW(epoll_pwait, "libevent, where epoll_wait is none"),
	ALLOW(epoll_ctl, "libevent"),
	ALLOW(read, "links of workers"),
	ALLOW(write, "links of workers, log"),
	ALLOW(writev, "glibc: last words before abort"),
	ALLOW(recvfrom, "provider"),
	{ SCMP_SYS(sendto), SB_CLEAR3, MSG_FASTOPEN,
	    "provider; a send that connects is none" },
	ALLOW(recvmsg, "messages, descriptors"),
	{ SCMP_SYS(sendmsg), SB_CLEAR2, MSG_FASTOPEN, "messages" },
	ALLOW(close, "links, connections"),
	ALLOW(poll, "libcurl looks at a socket before it is used"),
	ALLOW(fcntl, "libcurl: O_NONBLOCK; links too"),
	{ SCMP_SYS(setsockopt), SB_ARG2, TCP_NODELAY, "libcurl" },
	{ SCMP_SYS(setsockopt), SB_ERRNO, ENOPROTOOPT,
	    "all others: no filter, no other device" },
	ALLOW(getsockopt, "libcurl: SO_ERROR"),
	ALLOW(getsockname, "libcurl: connection data"),
	ALLOW(getpeername, "libcurl: connection data"),
	{ SCMP_SYS(connect), SB_ERRNO, EINPROGRESS,
	    "libcurl 7.88 connects what is connected (decisions X6)" },
	ALLOW(futex, "OpenSSL locks"),
	ALLOW(getpid, "OpenSSL: was there a fork"),
	ALLOW(getrandom, "OpenSSL seeds"),
	ALLOW(clock_gettime, "where the vDSO has none"),
	ALLOW(gettimeofday, "where the vDSO has none"),
	{ SCMP_SYS(mmap), SB_MMAP, 0, "malloc over 128 KiB" },
	ALLOW(munmap, "free"),
	ALLOW(mremap, "realloc"),
	ALLOW(madvise, "free"),
	ALLOW(brk, "malloc"),
	ALLOW(restart_syscall, "the kernel's own"),
	ALLOW(rt_sigreturn, "the kernel's own"),
	ALLOW(rt_sigprocmask, "abort, libcurl"),
	ALLOW(exit, "end"),
	ALLOW(exit_group, "end"),
	{ 0, SB_ALLOW, 0, NULL }
};

/* A turn of the memory, hash and secret code under the filter. */
static int
probe(void)
{
	struct mask_key	*k;
	struct tail	 t;
	static const uint8_t	 key[] = "probe-probe";

	tail_init(&t);
	tail_add(&t, key, sizeof(key));
	k = egress_key(key, sizeof(key) - 1);
	if (k == NULL)
		return -1;
	egress_unkey(k);
	return 0;
}

const struct sandbox *
egress_sandbox(void)
{
	static const struct sandbox	 s = {
		.role = "egress",
		.rules = rules,
		.netns = 1,
		.promises = "stdio inet recvfd",
		.probe = probe,
	};

	return &s;
}
