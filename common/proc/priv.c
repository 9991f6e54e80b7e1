/* SPDX-License-Identifier: ISC */
/*
 * Leaving root: chroot, namespace, groups, ids, each read back; limits.  Any
 * step that root could take and that fails is fatal.  Without root the steps
 * that need it are named, not taken.
 */
#include <sys/resource.h>
#include <sys/types.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/log/log.h"
#include "common/proc/priv.h"

#define UID_FIRST	60800		/* decisions M14 */
#define MEMLOCK_ROLES	(64 * 1024 * 1024)
#define NOFILE_ROLES	65536

struct user {
	int		 role;
	const char	*name;
};

static const struct user	users[] = {
	{ ROLE_WORKER, "_proxyd" },
	{ ROLE_BROKER, "_kbroker" },
	{ ROLE_LEDGER, "_kledger" },
	{ ROLE_EGRESS, "_kegress" },
	{ ROLE_DIAL, "_kdial" },
	{ ROLE_KMS, "_kkms" },
	{ ROLE_TLSKEY, "_ktlskey" },
	{ ROLE_EXPORT, "_kexport" }
};

static void
name_missing(char *missing, size_t size, const char *what)
{
	if (missing[0] != '\0')
		strlcat(missing, ",", size);
	strlcat(missing, what, size);
}

static void
limit(int resource, const char *name, rlim_t value)
{
	struct rlimit	 rl;

	rl.rlim_cur = rl.rlim_max = value;
	if (setrlimit(resource, &rl) == -1)
		fatal("%s %llu", name, (unsigned long long)value);
}

/* Every check is made again by asking the kernel, and by trying to go back. */
static void
become(uid_t uid, gid_t gid)
{
	gid_t	 groups[2], eg, rg, sg;
	uid_t	 eu, ru, su;

	if (setgroups(1, &gid) == -1)
		fatal("setgroups");
	if (setresgid(gid, gid, gid) == -1)
		fatal("setresgid %u", gid);
	if (setresuid(uid, uid, uid) == -1)
		fatal("setresuid %u", uid);
	if (getresuid(&ru, &eu, &su) == -1 || getresgid(&rg, &eg, &sg) == -1)
		fatal("getresuid");
	if (ru != uid || eu != uid || su != uid || rg != gid || eg != gid ||
	    sg != gid || getgroups(2, groups) != 1 || groups[0] != gid)
		fatalx("ids are not %u, %u", uid, gid);
	if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
		fatalx("root came back");
}

static void
limits(const struct role_exec *x, const struct sandbox *sb)
{
	struct rlimit	 rl;

	limit(RLIMIT_CORE, "RLIMIT_CORE", 0);
	if (x->nofile > 0) {
		if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
			fatal("RLIMIT_NOFILE");
		if (rl.rlim_max < x->nofile && geteuid() != 0)
			fatalx("%llu descriptors are needed, the hard limit is "
			    "%llu: raise it (ulimit -Hn, LimitNOFILE)",
			    (unsigned long long)x->nofile,
			    (unsigned long long)rl.rlim_max);
		limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", x->nofile);
	}
	if (!sb->fsize)
		limit(RLIMIT_FSIZE, "RLIMIT_FSIZE", 0);
}

/* See priv.h; MEMLOCK was raised by role_load, before the secrets' pool. */
void
priv_drop(const struct role_exec *x, const struct sandbox *sb, char *missing,
    size_t size)
{
	limits(x, sb);
	if (geteuid() != 0) {
		if (x->uid != 0 && x->uid != getuid())
			fatalx("uid %u is wanted, without root", x->uid);
		name_missing(missing, size, "uid");
		if (x->root[0] != '\0')
			name_missing(missing, size, "chroot");
		if (sb->netns)
			name_missing(missing, size, "netns");
	} else {
		if (x->uid == 0 || x->gid == 0)
			fatalx("%s would stay root", sb->role);
		if (sb->netns && priv_netns() == -1)
			name_missing(missing, size, "netns");
		if (x->root[0] != '\0' && chroot(x->root) == -1)
			fatal("chroot %s", x->root);
	}
	if (chdir("/") == -1)
		fatal("chdir");
	if (x->uid != 0 && geteuid() == 0)
		become(x->uid, x->gid);
	if (!sb->threads)
		limit(RLIMIT_NPROC, "RLIMIT_NPROC", 0);
}

/* Raises hard limits that the roles inherit, if this process may. */
static void
raise_limit(int resource, rlim_t want)
{
	struct rlimit	 rl;

	if (getrlimit(resource, &rl) == -1 || rl.rlim_max >= want)
		return;
	rl.rlim_max = want;
	if (resource == RLIMIT_MEMLOCK)
		rl.rlim_cur = want;
	(void)setrlimit(resource, &rl);
}

/*
 * See priv.h.  Called once all files are made; afterwards neither this process
 * nor what it executes can have any other capability.  The roles' limits are
 * raised first, since raising is one of those.
 */
void
priv_parent(void)
{
	if (geteuid() != 0)
		return;
	raise_limit(RLIMIT_MEMLOCK, MEMLOCK_ROLES);
	raise_limit(RLIMIT_NOFILE, NOFILE_ROLES);
	if (priv_limit_caps() == -1)
		fatal("capabilities");
}

/* 1 if each role has a user of its own name. */
static int
named(int role, uid_t *uid, gid_t *gid)
{
	struct passwd	*pw;
	size_t		 i;

	for (i = 0; i < nitems(users); i++) {
		pw = getpwnam(users[i].name);
		if (pw == NULL || pw->pw_uid == 0 || pw->pw_gid == 0)
			return 0;
		if (users[i].role == role) {
			*uid = pw->pw_uid;
			*gid = pw->pw_gid;
		}
	}
	return 1;
}

/* See priv.h.  -1: EINVAL no such role, EEXIST the number belongs to somebody. */
int
priv_uid(int role, uid_t *uid, gid_t *gid)
{
	size_t	 i;

	for (i = 0; i < nitems(users) && users[i].role != role; i++)
		continue;
	if (i == nitems(users)) {
		errno = EINVAL;
		return -1;
	}
	if (named(role, uid, gid))
		return 0;
	*uid = UID_FIRST + role;
	*gid = UID_FIRST + role;
	if (getpwuid(*uid) != NULL || getgrgid(*gid) != NULL) {
		errno = EEXIST;
		return -1;
	}
	return 0;
}
