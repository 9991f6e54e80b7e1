/* SPDX-License-Identifier: ISC */
/*
 * What tlskey may ask of the kernel: read the descriptors it is given, speak
 * over links it is given.  No file, no socket, no connection.
 */
#include <sys/socket.h>

#include <seccomp.h>

#include "keybrokerd/tlskey/tlskey.h"

#define ALLOW(name, why)	{ SCMP_SYS(name), SB_ALLOW, 0, why }

static const struct sandbox_rule rules[] = {
	ALLOW(poll, "loop"),
	ALLOW(recvmsg, "messages, descriptors"),
	{ SCMP_SYS(sendmsg), SB_CLEAR2, MSG_FASTOPEN, "messages" },
	ALLOW(lseek, "start of a key file"),
	ALLOW(read, "a key file"),
	ALLOW(fstat, "size of a certificate"),
	ALLOW(fcntl, "O_NONBLOCK of a passed link"),
	ALLOW(close, "links, key files"),
	ALLOW(write, "log"),
	{ SCMP_SYS(mmap), SB_MMAP, 0, "certificates; malloc over 128 KiB" },
	ALLOW(munmap, "the same"),
	ALLOW(mremap, "realloc"),
	ALLOW(madvise, "free"),
	ALLOW(brk, "malloc"),
	ALLOW(getrandom, "ECDSA nonces, RSA blinding"),
	ALLOW(getpid, "libcrypto's fork check; abort"),
	ALLOW(futex, "locks of libcrypto"),
	ALLOW(clock_gettime, "where the vDSO asks the kernel"),
	ALLOW(gettimeofday, "the same"),
	ALLOW(restart_syscall, "the kernel's own"),
	ALLOW(rt_sigreturn, "the kernel's own"),
	ALLOW(rt_sigprocmask, "abort"),
	ALLOW(exit_group, "end"),
	{ 0, SB_ALLOW, 0, NULL }
};

const struct sandbox	 tlskey_sandbox = {
	.role = "tlskey",
	.rules = rules,
	.netns = 1,
	.promises = "stdio recvfd",
};
