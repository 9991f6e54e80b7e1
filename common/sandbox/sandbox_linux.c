/* SPDX-License-Identifier: ISC */
/*
 * Confinement on Linux: no_new_privs, not dumpable, Landlock, a system call
 * filter made from the role's table by libseccomp.  Nothing at run time can
 * weaken the filter.  A build with -DSANDBOX_TRAP prints the number of a
 * forgotten call and ends with status 159; it is for finding such calls only.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/sandbox/landlock.h"
#include "common/sandbox/sandbox.h"

#ifdef SANDBOX_TRAP
#define DEFAULT_ACTION	SCMP_ACT_TRAP
#else
#define DEFAULT_ACTION	SCMP_ACT_KILL_PROCESS
#endif

#define VALUES_MAX	32	/* SB_ARGn lines of one call */
#define GAP_MAX		256	/* values spelled out between them */

struct soft {
	int	 nr, error;
};

/*
 * What a library may try on its own: it gets an answer that makes it go on.
 * The numbers are calls younger than libseccomp 2.5.4, the same on all systems.
 */
static const struct soft	soft_denials[] = {
	{ SCMP_SYS(openat), EACCES },
	{ SCMP_SYS(open), EACCES },
	{ SCMP_SYS(stat), EACCES },
	{ SCMP_SYS(lstat), EACCES },
	{ SCMP_SYS(newfstatat), EACCES },
	{ SCMP_SYS(statx), EACCES },
	{ SCMP_SYS(readlink), EACCES },
	{ SCMP_SYS(readlinkat), EACCES },
	{ SCMP_SYS(access), EACCES },
	{ SCMP_SYS(faccessat), EACCES },
	{ SCMP_SYS(faccessat2), EACCES },
	{ SCMP_SYS(ioctl), ENOTTY },
	{ SCMP_SYS(clone3), ENOSYS },
	{ SCMP_SYS(openat2), ENOSYS },
	{ SCMP_SYS(epoll_pwait2), ENOSYS },
	{ SCMP_SYS(close_range), ENOSYS },
	{ SCMP_SYS(rseq), ENOSYS },
	{ SCMP_SYS(memfd_create), ENOSYS },
	{ 444, ENOSYS },	/* landlock_create_ruleset */
	{ 445, ENOSYS },	/* landlock_add_rule */
	{ 446, ENOSYS },	/* landlock_restrict_self */
	{ 447, ENOSYS },	/* memfd_secret */
	{ 449, ENOSYS },	/* futex_waitv */
	{ 451, ENOSYS },	/* cachestat */
	{ 452, ENOSYS },	/* fchmodat2 */
	{ 453, ENOSYS },	/* map_shadow_stack */
	{ 454, ENOSYS },	/* futex_wake */
	{ 455, ENOSYS },	/* futex_wait */
	{ 456, ENOSYS },	/* futex_requeue */
	{ 462, ENOSYS }		/* mseal */
};

/* How every process ends, aborts, and comes back from a signal. */
static const int	always[] = {
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigprocmask), SCMP_SYS(getpid),
	SCMP_SYS(gettid)
};

static const char	*trap_role = "?";

/* Only in a build with SANDBOX_TRAP; async-signal-safe, two calls. */
static void
on_sigsys(int sig, siginfo_t *si, void *context)
{
	char	 line[96], digits[12];
	size_t	 d, n;
	int	 nr;

	(void)sig;
	(void)context;
	n = strlcpy(line, "sandbox: syscall ", sizeof(line));
	nr = si->si_syscall;
	d = 0;
	do {
		digits[d++] = '0' + nr % 10;
		nr /= 10;
	} while (nr > 0 && d < sizeof(digits));
	while (d > 0)
		line[n++] = digits[--d];
	line[n] = '\0';
	strlcat(line, " (", sizeof(line));
	strlcat(line, trap_role, 64);
	n = strlcat(line, ")\n", sizeof(line));
	if (write(STDERR_FILENO, line, n) == -1)
		_exit(158);
	_exit(159);
}

static int
trap_install(const char *role)
{
	struct sigaction	 sa;

	if (DEFAULT_ACTION != SCMP_ACT_TRAP)
		return 0;
	trap_role = role;
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_sigsys;
	sa.sa_flags = SA_SIGINFO;
	return sigaction(SIGSYS, &sa, NULL);
}

/* The first line of the table for a call; NULL none. */
static const struct sandbox_rule *
rule_for(const struct sandbox_rule *r, int nr)
{
	for (; r->why != NULL; r++)
		if (r->nr == nr)
			return r;
	return NULL;
}

static int
is_arg(enum sandbox_act act)
{
	return act == SB_ARG0 || act == SB_ARG1 || act == SB_ARG2;
}

/* One rule with one condition on an argument, all 64 bits of it. */
static int
add_if(scmp_filter_ctx ctx, uint32_t action, int nr, unsigned int arg,
    enum scmp_compare op, uint64_t a, uint64_t b)
{
	struct scmp_arg_cmp	 cmp;

	cmp.arg = arg;
	cmp.op = op;
	cmp.datum_a = a;
	cmp.datum_b = b;
	return seccomp_rule_add_array(ctx, action, nr, 1, &cmp);
}

/* Values of the SB_ARGn lines of a call, ascending; -1 too many or mixed n. */
static int
arg_values(const struct sandbox_rule *rules, int nr, enum sandbox_act *act,
    uint64_t *v)
{
	const struct sandbox_rule	*r;
	int				 i, n;

	n = 0;
	for (r = rules; r->why != NULL; r++) {
		if (r->nr != nr || !is_arg(r->act))
			continue;
		if (n == VALUES_MAX || (n > 0 && r->act != *act))
			return -1;
		*act = r->act;
		for (i = n++; i > 0 && v[i - 1] > r->arg; i--)
			v[i] = v[i - 1];
		v[i] = r->arg;
	}
	return n;
}

/*
 * SB_ERRNO beside SB_ARGn: all values but those.  libseccomp lets a rule
 * without arguments swallow the others, so the rest is spelled out: below,
 * above, and each value in between.
 */
static int
add_rest(scmp_filter_ctx ctx, const struct sandbox_rule *rules,
    const struct sandbox_rule *r)
{
	enum sandbox_act	 act;
	uint64_t		 v[VALUES_MAX], x;
	uint32_t		 action;
	unsigned int		 arg;
	int			 i, n, rc;

	act = SB_ARG0;
	n = arg_values(rules, r->nr, &act, v);
	if (n == -1 || (n > 0 && v[n - 1] - v[0] > GAP_MAX))
		return -EINVAL;
	action = SCMP_ACT_ERRNO(r->arg);
	if (n == 0)
		return seccomp_rule_add(ctx, action, r->nr, 0);
	arg = act - SB_ARG0;
	rc = add_if(ctx, action, r->nr, arg, SCMP_CMP_GT, v[n - 1], 0);
	if (rc == 0 && v[0] > 0)
		rc = add_if(ctx, action, r->nr, arg, SCMP_CMP_LT, v[0], 0);
	for (i = 0; i + 1 < n; i++)
		for (x = v[i] + 1; rc == 0 && x < v[i + 1]; x++)
			rc = add_if(ctx, action, r->nr, arg, SCMP_CMP_EQ, x,
			    0);
	return rc;
}

/* One line of the table; 0 or a negative errno. */
static int
add_rule(scmp_filter_ctx ctx, const struct sandbox_rule *rules,
    const struct sandbox_rule *r)
{
	enum sandbox_act	 act;

	if (r->nr < 0)
		return 0;	/* not on this machine */
	act = r->act;
	if (act == SB_ALLOW && (r->nr == SCMP_SYS(mmap) ||
	    r->nr == SCMP_SYS(mprotect) || r->nr == SCMP_SYS(pkey_mprotect)))
		act = SB_MMAP;
	switch (act) {
	case SB_ALLOW:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, r->nr, 0);
	case SB_ERRNO:
		return add_rest(ctx, rules, r);
	case SB_MMAP:
		return add_if(ctx, SCMP_ACT_ALLOW, r->nr, 2,
		    SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	case SB_ARG0:
	case SB_ARG1:
	case SB_ARG2:
		return add_if(ctx, SCMP_ACT_ALLOW, r->nr, act - SB_ARG0,
		    SCMP_CMP_EQ, r->arg, 0);
	case SB_CLEAR2:
	case SB_CLEAR3:
		return add_if(ctx, SCMP_ACT_ALLOW, r->nr,
		    act == SB_CLEAR2 ? 2 : 3, SCMP_CMP_MASKED_EQ, r->arg, 0);
	}
	return -EINVAL;
}

/* What every role gets; lines of its own table win. */
static int
add_base(scmp_filter_ctx ctx, const struct sandbox_rule *rules)
{
	const struct soft	*s;
	size_t			 i;
	int			 rc;

	rc = 0;
	for (i = 0; rc == 0 && i < nitems(soft_denials); i++) {
		s = &soft_denials[i];
		if (s->nr >= 0 && rule_for(rules, s->nr) == NULL)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(s->error),
			    s->nr, 0);
	}
	for (i = 0; rc == 0 && i < nitems(always); i++)
		if (rule_for(rules, always[i]) == NULL)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, always[i],
			    0);
	if (rc == 0 && rule_for(rules, SCMP_SYS(tgkill)) == NULL)
		rc = add_if(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 0,
		    SCMP_CMP_EQ, (uint64_t)getpid(), 0);
	return rc;
}

static int
filter_load(const struct sandbox *sb, char *why, size_t size)
{
	const struct sandbox_rule	*r;
	scmp_filter_ctx			 ctx;
	int				 rc;

	ctx = seccomp_init(DEFAULT_ACTION);
	if (ctx == NULL) {
		snprintf(why, size, "seccomp: no filter");
		return -1;
	}
	/* Its own default would kill the thread only. */
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = add_base(ctx, sb->rules);
	for (r = sb->rules; rc == 0 && r->why != NULL; r++) {
		rc = add_rule(ctx, sb->rules, r);
		if (rc != 0)
			snprintf(why, size, "seccomp: call %d (%s): %s",
			    r->nr, r->why, strerror(-rc));
	}
	if (rc != 0 && why[0] == '\0')
		snprintf(why, size, "seccomp: %s", strerror(-rc));
	if (rc == 0) {
		rc = seccomp_load(ctx);
		if (rc != 0)
			snprintf(why, size, "seccomp: load: %s", strerror(-rc));
	}
	seccomp_release(ctx);
	return rc == 0 ? 0 : -1;
}

/* 1 if the table lets the role make this call at all. */
static int
allows(const struct sandbox *sb, int nr)
{
	const struct sandbox_rule	*r;

	for (r = sb->rules; r->why != NULL; r++)
		if (r->nr == nr && r->act != SB_ERRNO)
			return 1;
	return 0;
}

static int
files_close(const struct sandbox *sb, int permissive, uint32_t *bits,
    char *why, size_t size)
{
	int	 r;

	r = landlock_enter(sb->paths, sb->paths == NULL ? 0 : sb->npaths,
	    allows(sb, SCMP_SYS(bind)), allows(sb, SCMP_SYS(connect)));
	if (r == 1) {
		*bits |= SBX_LANDLOCK;
		return 0;
	}
	if (r == 0 && permissive) {
		log_warnx("%s: this kernel has no landlock; going on, since "
		    "\"sandbox permissive\" is configured", sb->role);
		return 0;
	}
	snprintf(why, size, "landlock: %s", r == 0 ? "not in this kernel "
	    "(or write \"sandbox permissive\")" : strerror(errno));
	return -1;
}

/* See sandbox.h; call it with one thread only. */
int
sandbox_enter(const struct sandbox *sb, int permissive, uint32_t *bits,
    char *why, size_t size)
{
	why[0] = '\0';
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) {
		snprintf(why, size, "prctl: %s", strerror(errno));
		return -1;
	}
	*bits |= SBX_NNP | SBX_UNDUMPABLE;
	if (files_close(sb, permissive, bits, why, size) == -1)
		return -1;
	if (trap_install(sb->role) == -1) {
		snprintf(why, size, "sigaction: %s", strerror(errno));
		return -1;
	}
	if (filter_load(sb, why, size) == -1)
		return -1;
	*bits |= SBX_SECCOMP;
	return 0;
}
