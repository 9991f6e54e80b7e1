/* SPDX-License-Identifier: ISC */

/*
 * What dial may ask of Linux: internet sockets, and to read the resolver's
 * five files.  The rules are made for the files that are there now; the parent
 * starts dial anew when one is replaced (decisions X3).
 */

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <string.h>

#include <seccomp.h>

#include "keybrokerd/dial/dial.h"

#define ALLOW(name, why)	{ SCMP_SYS(name), SB_ALLOW, 0, why }
#define NITEMS(a)		(sizeof(a) / sizeof((a)[0]))

static const struct sandbox_rule	rules[] = {
	{ SCMP_SYS(socket), SB_ARG0, AF_INET, "connections, name servers" },
	{ SCMP_SYS(socket), SB_ARG0, AF_INET6, "connections, name servers" },
	{ SCMP_SYS(socket), SB_ARG0, AF_NETLINK,
	    "getaddrinfo: which families have an address" },
	{ SCMP_SYS(socket), SB_ERRNO, EACCES,
	    "all others: getaddrinfo asks nscd by AF_UNIX first" },
	ALLOW(connect, "connections, name servers"),
	ALLOW(bind, "getaddrinfo: its netlink socket"),
	ALLOW(getsockname, "getaddrinfo: netlink, order of addresses"),
	ALLOW(getpeername, "resolver"),
	ALLOW(setsockopt, "keep-alive; resolver: IP_RECVERR"),
	ALLOW(getsockopt, "SO_ERROR of a connect"),
	ALLOW(poll, "loop, resolver"),
	ALLOW(ppoll, "resolver"),
	ALLOW(sendto, "resolver, netlink"),
	ALLOW(sendmmsg, "resolver: A and AAAA at once"),
	ALLOW(recvfrom, "resolver"),
	ALLOW(recvmsg, "messages, netlink"),
	ALLOW(sendmsg, "messages, descriptors"),
	{ SCMP_SYS(ioctl), SB_ARG1, FIONREAD, "resolver: size of an answer" },
	ALLOW(openat, "the resolver's files (Landlock)"),
	ALLOW(newfstatat, "stdio of the resolver, resolv.conf changed?"),
	ALLOW(fstat, "stdio of the resolver"),
	ALLOW(lseek, "stdio of the resolver"),
	ALLOW(read, "the resolver's files"),
	ALLOW(write, "log; resolver over TCP"),
	ALLOW(writev, "resolver over TCP"),
	ALLOW(fcntl, "resolver: O_NONBLOCK"),
	ALLOW(close, "connections, files"),
	ALLOW(getpid, "resolver"),
	ALLOW(uname, "resolver: the host's own name"),
	ALLOW(futex, "resolver: its locks"),
	ALLOW(getrandom, "resolver: query numbers"),
	ALLOW(clock_gettime, "where the vDSO has none"),
	ALLOW(gettimeofday, "where the vDSO has none"),
	{ SCMP_SYS(mmap), SB_MMAP, 0, "malloc over 128 KiB" },
	ALLOW(munmap, "free"),
	ALLOW(mremap, "realloc"),
	ALLOW(madvise, "free"),
	ALLOW(brk, "malloc"),
	ALLOW(restart_syscall, "the kernel's own"),
	ALLOW(rt_sigreturn, "the kernel's own"),
	ALLOW(rt_sigprocmask, "abort"),
	ALLOW(exit, "end"),
	ALLOW(exit_group, "end"),
	{ 0, SB_ALLOW, 0, NULL }
};

static const char	*const files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
	"/etc/gai.conf", "/etc/host.conf",
};

static struct sandbox_path	paths[NITEMS(files)];
static size_t			npaths;

void
dial_prepare(void)
{
	size_t	 i;
	int	 fd;

	/*
	 * Files and name servers only: no other module is loaded, and no
	 * daemon (nscd, resolved) is asked over a local socket.
	 */
	(void)__nss_configure_lookup("hosts", "files dns");
	for (i = 0; i < NITEMS(files); i++) {
		fd = open(files[i], O_PATH | O_CLOEXEC);
		if (fd != -1)
			paths[npaths++].fd = fd;
	}
}

/* The resolver once, and what a name server's absence makes of it. */
static int
probe(void)
{
	struct resolved	 r = { .n = 0 };

	(void)resolve_get(&r, "localhost", 1, 0);
	memset(&r, 0, sizeof(r));
	return resolve_get(&r, "127.0.0.1", 1, 0);
}

const struct sandbox *
dial_sandbox(void)
{
	static struct sandbox	 s = {
		.role = "dial",
		.rules = rules,
		.paths = paths,
		.promises = "stdio inet dns sendfd recvfd",
		.probe = probe,
	};

	s.npaths = npaths;
	return &s;
}
