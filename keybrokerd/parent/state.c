/* SPDX-License-Identifier: ISC */
/*
 * Directories, the lock and the CA bundle.  Opens what roles need and passes
 * descriptors.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/priv.h"
#include "common/secret/secret.h"
#include "keybrokerd/parent/keybrokerd.h"

#define CA_MAX	(4 * 1024 * 1024)

/* flock on state/lock before anything else is touched (decisions X1). */
static int
lock(struct keyd *k)
{
	char	 path[PATH_MAX + 8], pid[32];
	ssize_t	 n;

	if ((size_t)snprintf(path, sizeof(path), "%s/lock",
	    k->args.statedir) >= sizeof(path))
		return -1;
	k->lockfd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->lockfd == -1) {
		log_warn("%s", path);
		return -1;
	}
	if (flock(k->lockfd, LOCK_EX | LOCK_NB) == -1) {
		n = read(k->lockfd, pid, sizeof(pid) - 1);
		pid[n > 0 ? n : 0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		log_warnx("state %s is used by proxyd, pid %s: stop it, or give "
		    "this one another state (-s, RUN=)", k->args.statedir,
		    *pid != '\0' ? pid : "unknown");
		return -1;
	}
	/* The pid that an operator knows is proxyd's, our parent. */
	snprintf(pid, sizeof(pid), "%d\n", (int)(k->init ? getpid() :
	    getppid()));
	if (ftruncate(k->lockfd, 0) == -1 ||
	    pwrite(k->lockfd, pid, strlen(pid), 0) == -1)
		log_warn("%s", path);
	return 0;
}

/* A directory below the state, owned by a role's uid (0700) or root. */
static int
subdir(struct keyd *k, const char *name, int mode, int role)
{
	struct stat	 st;
	uid_t		 uid;
	gid_t		 gid;

	if (mkdirat(k->statefd, name, (mode_t)mode) == -1 && errno != EEXIST) {
		log_warn("%s/%s", k->args.statedir, name);
		return -1;
	}
	if (fstatat(k->statefd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISDIR(st.st_mode)) {
		log_warnx("%s/%s is no directory", k->args.statedir, name);
		return -1;
	}
	if (geteuid() != 0 || role < 0)
		return 0;
	if (priv_uid(role, &uid, &gid) == -1)
		return -1;
	/* Files inside follow: the ledger may have had another uid before. */
	if (st.st_uid != uid && fchownat(k->statefd, name, uid, gid,
	    AT_SYMLINK_NOFOLLOW) == -1) {
		log_warn("%s/%s", k->args.statedir, name);
		return -1;
	}
	return 0;
}

/*
 * The exported log is the ledger's to write and, by its group, the role
 * export's to read; what is made in it inherits the group.
 */
static int
export_dir(struct keyd *k)
{
	struct stat	 st;
	uid_t		 uid;
	gid_t		 gid;

	if (subdir(k, "export", 0750, ROLE_LEDGER) == -1)
		return -1;
	/* Only a place: a service's root may not look inside (X2). */
	k->exportfd = openat(k->statefd, "export", O_PATH | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
	if (k->exportfd == -1 || fstat(k->exportfd, &st) == -1) {
		log_warn("%s/export", k->args.statedir);
		return -1;
	}
	if (geteuid() != 0)
		return 0;
	if (priv_uid(ROLE_EXPORT, &uid, &gid) == -1)
		return -1;
	if ((st.st_gid != gid && fchownat(k->statefd, "export", (uid_t)-1, gid,
	    AT_SYMLINK_NOFOLLOW) == -1) || ((st.st_gid != gid ||
	    (st.st_mode & 07777) != 02750) &&
	    fchmodat(k->statefd, "export", 02750, 0) == -1)) {
		log_warn("%s/export", k->args.statedir);
		return -1;
	}
	return 0;
}

int
state_open(struct keyd *k)
{
	struct stat	 st;
	int		 mode;

	/* Root: searchable by the ledger's uid after its chroot (X2). */
	mode = geteuid() == 0 ? 0711 : 0700;
	if (args_mkdirs(k->args.statedir, 0755) == -1 ||
	    stat(k->args.statedir, &st) == -1) {
		log_warn("%s", k->args.statedir);
		return -1;
	}
	if (st.st_uid != geteuid()) {
		log_warnx("%s belongs to uid %u, not to %u", k->args.statedir,
		    (unsigned)st.st_uid, (unsigned)geteuid());
		return -1;
	}
	if ((st.st_mode & 07777) != (mode_t)mode &&
	    chmod(k->args.statedir, (mode_t)mode) == -1) {
		log_warn("%s", k->args.statedir);
		return -1;
	}
	k->statefd = open(k->args.statedir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->statefd == -1) {
		log_warn("%s", k->args.statedir);
		return -1;
	}
	if (lock(k) == -1 || subdir(k, "empty", 0711, -1) == -1 ||
	    subdir(k, "ledger", 0700, ROLE_LEDGER) == -1 ||
	    export_dir(k) == -1)
		return -1;
	snprintf(k->root_empty, sizeof(k->root_empty), "%s/empty",
	    k->args.statedir);
	return 0;
}

int
state_first_run(struct keyd *k)
{
	return faccessat(k->statefd, "ledger/ledger.db", F_OK,
	    AT_SYMLINK_NOFOLLOW) == -1;
}

/* The CA bundle, read whole into a sealed memfd for the egress roles. */
int
state_ca(struct keyd *k)
{
	struct stat	 st;
	char		*buf;
	ssize_t		 n;
	int		 fd;

	k->cafd = -1;
	fd = open(k->conf.cafile, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		log_warn("%s: no provider over TLS can be verified", k->conf.cafile);
		if (fd != -1)
			close(fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > CA_MAX) {
		log_warnx("%s: no regular file of at most 4 MiB",
		    k->conf.cafile);
		close(fd);
		return -1;
	}
	if ((buf = malloc((size_t)st.st_size + 1)) == NULL)
		fatal("ca file");
	n = read(fd, buf, (size_t)st.st_size);
	close(fd);
	if (n != (ssize_t)st.st_size ||
	    (k->cafd = secret_sealed("ca", buf, (size_t)n)) == -1) {
		log_warn("%s", k->conf.cafile);
		free(buf);
		return -1;
	}
	free(buf);
	return 0;
}

/* Changes when one of the resolver's files does; dial is then respawned. */
uint64_t
state_resolver_stamp(void)
{
	static const char *const files[] = {
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
		"/etc/gai.conf"
	};
	struct stat	 st;
	uint64_t	 stamp;
	size_t		 i;

	stamp = 0;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		stamp = stamp * 1099511628211ULL + 1;
		if (stat(files[i], &st) == 0)
			stamp ^= (uint64_t)st.st_ino * 31 +
			    (uint64_t)st.st_mtim.tv_sec * 1000000007ULL +
			    (uint64_t)st.st_mtim.tv_nsec;
	}
	return stamp;
}
