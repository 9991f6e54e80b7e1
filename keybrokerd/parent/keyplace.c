/* SPDX-License-Identifier: ISC */
/*
 * Where the vault key comes from: one place, or no start.  A key file is opened
 * and passed on unread; the URI of a KMS, the wrapped key and the other public
 * variables of kms_vars are the only values that are read here.  The file is
 * written by `broker -i`; a key of a KMS is never made here.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/priv.h"
#include "common/proc/spawn.h"
#include "keybrokerd/parent/keybrokerd.h"

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

/* ---- a KMS ----------------------------------------------------------------- */

static const char *
public_value(void *arg, const char *name)
{
	const struct kms_var	*v;
	struct source		*s;

	v = kmsvar_find(name);
	if (v == NULL || v->kind == KV_SECRET)
		return NULL;
	s = source_find(arg, name);
	return s == NULL ? NULL : source_text(s);
}

/* A public variable's text into out; 0 it is not set, 1, -1 it is no text. */
static int
copy_text(struct keyd *k, const char *name, char *out, size_t size)
{
	struct source	*s;
	const char	*text;

	if ((s = source_find(&k->sources, name)) == NULL)
		return 0;
	text = source_text(s);
	if (text == NULL || strlcpy(out, text, size) >= size) {
		log_warnx("%s is longer than %zu bytes, or no text", name,
		    size - 1);
		return -1;
	}
	return 1;
}

int
keyplace_read(struct keyd *k)
{
	struct kms_uri	 u;
	char		 why[256];
	int		 r;

	r = copy_text(k, "TAPPASS_VAULT_KEY_KMS", k->kmsuri,
	    sizeof(k->kmsuri));
	if (r == -1 || copy_text(k, "TAPPASS_VAULT_DEK", k->dek,
	    sizeof(k->dek)) == -1)
		return -1;
	if (r == 0 && k->dek[0] != '\0') {
		log_warnx("TAPPASS_VAULT_DEK is set, but no "
		    "TAPPASS_VAULT_KEY_KMS that could unwrap it");
		return -1;
	}
	if (r == 0)
		return 0;
	if (kmsuri_parse(&u, k->kmsuri, why, sizeof(why)) == -1) {
		log_warnx("%s", why);
		return -1;
	}
	if (k->dek[0] != '\0' && !kmsuri_envelope(&u))
		log_warnx("TAPPASS_VAULT_DEK is not used: %s has the key "
		    "itself", k->kmsuri);
	k->kmsback = 1u << u.back;
	return 0;
}

/* The hosts that dial may connect kms to, once for this life. */
static int
list_hosts(struct keyd *k)
{
	static struct kms_targets	 hosts;
	char				 why[256];

	if (kmstarget_list(&hosts, k->kmsuri, public_value, &k->sources, why,
	    sizeof(why)) == -1) {
		log_warnx("%s: %s", k->kmsuri, why);
		return -1;
	}
	k->kmshostslen = kmstarget_encode(&hosts, k->kmshosts,
	    sizeof(k->kmshosts));
	if (k->kmshostslen == 0) {
		log_warnx("%s: too many hosts", k->kmsuri);
		return -1;
	}
	return 0;
}

static void
say_kms(const struct keyd *k)
{
	char	 stale[64], start[64];

	strlcpy(stale, "never", sizeof(stale));
	strlcpy(start, "for ever", sizeof(start));
	if (k->conf.kmsstale != 0)
		snprintf(stale, sizeof(stale), "after %u s",
		    k->conf.kmsstale);
	if (k->conf.kmsstart != 0)
		snprintf(start, sizeof(start), "for %u s", k->conf.kmsstart);
	log_info("vault key from %s: the start waits for it %s, it is checked "
	    "every %u s, and is stale %s", k->kmsuri, start, k->conf.kmscheck,
	    stale);
}

/* ---- the choice ------------------------------------------------------------ */

/* systemd's credential of that name; 1 it is there. */
static int
credential_path(const char *name, char *out, size_t size)
{
	const char	*dir;

	dir = getenv("CREDENTIALS_DIRECTORY");
	if (dir == NULL || *dir != '/' || snprintf(out, size, "%s/%s", dir,
	    name) >= (int)size)
		return 0;
	return access(out, F_OK) == 0;
}

/* The key before this one, for a rotation at the start. */
static int
previous_key(struct keyd *k)
{
	static const char	 name[] = "TAPPASS_VAULT_KEY_PREVIOUS";
	char			 path[PATH_MAX];

	if (!credential_path("vault-key-previous", path, sizeof(path)))
		return 0;
	if (source_find(&k->sources, name) != NULL) {
		log_warnx("the previous vault key comes from one place only, "
		    "but there are %s and %s: take one away", name, path);
		return -1;
	}
	strlcpy(k->previousfile, path, sizeof(k->previousfile));
	return 0;
}

/* No place has it: it may be made, or the operator is told what to do. */
static int
missing_key(struct keyd *k, int create)
{
	if (!state_first_run(k)) {
		log_warnx("%s is missing, but %s/ledger holds a database: put "
		    "the key file back or set TAPPASS_VAULT_KEY or "
		    "TAPPASS_VAULT_KEY_KMS; a new key could not read it",
		    k->conf.vaultkey, k->args.statedir);
		return -1;
	}
	if (!create) {
		log_warnx("no vault key: run \"keybrokerd init\" once (it writes "
		    "%s), or set TAPPASS_VAULT_KEY or TAPPASS_VAULT_KEY_KMS",
		    k->conf.vaultkey);
		return -1;
	}
	if (vault_key_make(k) == -1)
		return -1;
	strlcpy(k->keyfile, k->conf.vaultkey, sizeof(k->keyfile));
	return 0;
}

int
keyplace_choose(struct keyd *k, int create)
{
	char		 credential[PATH_MAX];
	const char	*there[4];
	size_t		 n;

	n = 0;
	if (k->kmsuri[0] != '\0')
		there[n++] = "TAPPASS_VAULT_KEY_KMS";
	if (source_find(&k->sources, "TAPPASS_VAULT_KEY") != NULL)
		there[n++] = "TAPPASS_VAULT_KEY";
	if (credential_path("vault-key", credential, sizeof(credential)))
		there[n++] = credential;
	if (access(k->conf.vaultkey, F_OK) == 0)
		there[n++] = k->conf.vaultkey;
	if (n > 1) {
		log_warnx("the vault key comes from one place only, but there "
		    "are %s and %s: take one away", there[0], there[1]);
		return -1;
	}
	if (previous_key(k) == -1)
		return -1;
	if (n == 0)
		return missing_key(k, create);
	if (there[0][0] == '/')
		strlcpy(k->keyfile, there[0], sizeof(k->keyfile));
	if (k->kmsuri[0] == '\0')
		return 0;
	if (list_hosts(k) == -1)
		return -1;
	say_kms(k);
	return 0;
}
