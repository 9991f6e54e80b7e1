/* SPDX-License-Identifier: ISC */
#ifndef COMMON_SANDBOX_SANDBOX_H
#define COMMON_SANDBOX_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

/*
 * Confinement of a role.  The table stands beside the role in
 * <role>/syscalls_linux.c, a reason per line; callers have no #if.
 * Every table gets, without naming them: the soft denials of hardening.md 3.2
 * (openat open stat newfstatat statx readlink access faccessat* -> EACCES,
 * ioctl -> ENOTTY, clone3 openat2 epoll_pwait2 close_range futex_waitv
 * landlock_* memfd_create and other newer twins -> ENOSYS), and how a process
 * ends (exit exit_group rt_sigreturn restart_syscall; abort's rt_sigprocmask
 * getpid gettid, tgkill of itself); a line of the table for the same call wins.
 * Everything else kills the process.  mmap and mprotect never with PROT_EXEC,
 * whatever the table says.  For one call there may be several SB_ARGn lines of
 * one n, and beside them one SB_ERRNO: the answer for all other values.
 * SB_CLEARn compares the bits that are named and no other: a role that may
 * send but not connect names MSG_FASTOPEN, which makes a send a connect.
 */
enum sandbox_act {
	SB_ALLOW,
	SB_ERRNO,		/* arg0 = errno */
	SB_MMAP,		/* allowed without PROT_EXEC (arg 2) */
	SB_ARG0,		/* allowed if the first argument is arg0 */
	SB_ARG1,		/* ... the second */
	SB_ARG2,		/* ... the third */
	SB_CLEAR2,		/* allowed if no bit of arg0 is in the third */
	SB_CLEAR3		/* ... in the fourth */
};

struct sandbox_rule {
	int		 nr;		/* SCMP_SYS number; negative pseudo = skipped */
	enum sandbox_act act;
	uint64_t	 arg;
	const char	*why;
};

struct sandbox_path {			/* Landlock; beneath an open descriptor */
	int		 fd;		/* O_PATH or directory */
	int		 write;		/* 0 read, 1 read + write + make + remove */
};

struct sandbox {
	const char		*role;
	const struct sandbox_rule *rules;	/* ends with why == NULL */
	const struct sandbox_path *paths;	/* NULL: no file access at all */
	size_t			 npaths;
	int			 fsize;		/* may write files */
	int			 threads;	/* RLIMIT_NPROC is left alone */
	int			 netns;		/* wants its own network namespace */
	const char		*promises;	/* OpenBSD */
	int			(*probe)(void);	/* the role's own self-test, or NULL */
};

/* What was reached: bits of UP. */
#define SBX_NNP		0x01
#define SBX_SECCOMP	0x02
#define SBX_LANDLOCK	0x04
#define SBX_CHROOT	0x08
#define SBX_UID		0x10
#define SBX_NETNS	0x20
#define SBX_RLIMIT	0x40
#define SBX_UNDUMPABLE	0x80

/*
 * no_new_privs, not dumpable, Landlock, seccomp filter.  permissive: a kernel
 * without Landlock is logged instead of fatal.  0 with *bits set, or -1 (text
 * in why).
 */
int	 sandbox_enter(const struct sandbox *, int permissive, uint32_t *bits,
	    char *why, size_t size);
/*
 * Under the own filter: large malloc and free, the real clock and random
 * system calls, rt_sigprocmask and what abort() needs short of dying, then
 * sandbox->probe.  A forgotten call kills the process here and not in service.
 */
int	 sandbox_probe(const struct sandbox *);
/* Memory that only starting needed goes back; once, after sandbox_probe. */
void	 sandbox_trim(void);

#endif
