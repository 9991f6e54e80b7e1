/* SPDX-License-Identifier: ISC */
/*
 * Directories, the lock, the vault key file and the CA bundle.  Opens what
 * roles need and passes descriptors; the vault key file is written by
 * `broker -i` and never read here.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/paths.h"
#include "common/proc/priv.h"
#include "common/proc/spawn.h"
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
	snprintf(pid, sizeof(pid), "%d\n", (int)getppid());
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
	    subdir(k, "export", 0755, ROLE_LEDGER) == -1)
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

/* `broker -i` writes the key into the file that is opened here, proves it. */
static int
vault_key_make(struct keyd *k)
{
	struct role_exec ex;
	char		 dir[PATH_MAX], *slash;
	pid_t		 pid;
	int		 fd, channel, logfd, status;

	strlcpy(dir, k->conf.vaultkey, sizeof(dir));
	if ((slash = strrchr(dir, '/')) != NULL && slash != dir) {
		*slash = '\0';
		if (args_mkdirs(dir, 0700) == -1) {
			log_warn("%s", dir);
			return -1;
		}
	}
	fd = open(k->conf.vaultkey, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1) {
		log_warn("%s", k->conf.vaultkey);
		return -1;
	}
	memset(&ex, 0, sizeof(ex));
	if (geteuid() == 0 && priv_uid(ROLE_BROKER, &ex.uid, &ex.gid) == -1)
		fatal("uid of the broker");
	ex.nofile = 32;
	ex.memlock = 8 * 1024 * 1024;
	ex.permissive = k->conf.permissive;
	pid = spawn_role("keybrokerd/broker", "broker -i", &ex, -1, fd,
	    &channel, &logfd);
	if (pid == -1) {
		log_warn("broker -i");
		goto bad;
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			goto bad;
	close(channel);
	close(logfd);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		log_warnx("broker -i failed (status %d): no vault key was made",
		    status);
		goto bad;
	}
	close(fd);
	/* The name must be as durable as the content. */
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		if (fsync(fd) == -1)
			log_warn("%s", dir);
		close(fd);
	}
	log_info("made the vault key %s: keep a copy elsewhere, without it "
	    "nothing in the vault can be read", k->conf.vaultkey);
	return 0;
bad:
	unlink(k->conf.vaultkey);
	close(fd);
	return -1;
}

static int
env_has(const struct keyd *k, const char *name)
{
	size_t	 i;

	for (i = 0; i < k->sources.n; i++)
		if (strcmp(k->sources.s[i].name, name) == 0)
			return 1;
	return 0;
}

/*
 * The vault key must come from exactly one place.  create: it may be made, and
 * only if there is no ciphertext (decisions M17, design 6).
 */
int
state_vault_key(struct keyd *k, int create)
{
	if (env_has(k, "TAPPASS_VAULT_KEY_KMS")) {
		log_warnx("TAPPASS_VAULT_KEY_KMS is set, but this version takes "
		    "the vault key from TAPPASS_VAULT_KEY or a file only");
		return -1;
	}
	if (env_has(k, "TAPPASS_VAULT_KEY"))
		return 0;
	if (access(k->conf.vaultkey, F_OK) == 0)
		return 0;
	if (!state_first_run(k)) {
		log_warnx("%s is missing, but %s/ledger holds a database: put "
		    "the key file back or set TAPPASS_VAULT_KEY; a new key could "
		    "not read it", k->conf.vaultkey, k->args.statedir);
		return -1;
	}
	if (!create) {
		log_warnx("no vault key: run \"keybrokerd init\" once (it writes "
		    "%s), or set TAPPASS_VAULT_KEY", k->conf.vaultkey);
		return -1;
	}
	return vault_key_make(k);
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
