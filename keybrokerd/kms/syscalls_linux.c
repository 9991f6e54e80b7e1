/* SPDX-License-Identifier: ISC */

/*
 * What the kms role may ask of Linux: to use descriptors that it was given,
 * and memory.  No socket, no name, no file.
 */

#include <sys/socket.h>

#include <netinet/tcp.h>

#include <errno.h>

#include <seccomp.h>

#include "keybrokerd/kms/kms.h"

#define ALLOW(name, why)	{ SCMP_SYS(name), SB_ALLOW, 0, why }

static const struct sandbox_rule	rules[] = {
	ALLOW(poll, "every wait"),
	ALLOW(read, "sources"),
	ALLOW(write, "log"),
	ALLOW(writev, "glibc: last words before abort"),
	ALLOW(lseek, "sources"),
	ALLOW(fstat, "sources: their size"),
	ALLOW(recvfrom, "the service"),
	{ SCMP_SYS(sendto), SB_CLEAR3, MSG_FASTOPEN,
	    "the service; a send that connects is none" },
	ALLOW(recvmsg, "messages, descriptors"),
	{ SCMP_SYS(sendmsg), SB_CLEAR2, MSG_FASTOPEN, "messages" },
	ALLOW(close, "connections, sources"),
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
	{ SCMP_SYS(mmap), SB_MMAP, 0, "malloc over 128 KiB, memfd_secret" },
	ALLOW(munmap, "free, sources"),
	ALLOW(mremap, "realloc"),
	ALLOW(madvise, "free"),
	ALLOW(brk, "malloc"),
	ALLOW(restart_syscall, "the kernel's own"),
	ALLOW(rt_sigreturn, "the kernel's own"),
	ALLOW(rt_sigprocmask, "abort, libcurl"),
	ALLOW(rt_sigaction, "libcurl: SIGPIPE around a send"),
	ALLOW(exit, "end"),
	ALLOW(exit_group, "end"),
	{ 0, SB_ALLOW, 0, NULL }
};

/* Arena, JSON, text code once under the filter. */
static int
probe(void)
{
	json_t	*j;
	char	*s;

	j = json_loads("{\"a\":\"b\"}", JSON_REJECT_DUPLICATES, NULL);
	s = arena_printf("%s", "probe");
	if (j == NULL || s == NULL || text_crc32c(s, 5) == 0)
		return -1;
	json_decref(j);
	return text_iso("2026-01-01T00:00:00Z") == -1 ? -1 : 0;
}

const struct sandbox *
kms_sandbox(void)
{
	static const struct sandbox	 s = {
		.role = "kms",
		.rules = rules,
		.netns = 1,
		.promises = "stdio inet recvfd",
		.probe = probe,
	};

	return &s;
}
