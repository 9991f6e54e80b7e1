/* SPDX-License-Identifier: ISC */
/*
 * Sources of secrets.  This file moves descriptors.  The one moment in which
 * keybrokerd has secret bytes is stage one, before anything is parsed: each
 * variable of its environment that is not on the kept list goes into a memfd of
 * its own, then the process image is replaced.  Afterwards no secret byte is
 * mapped here again: files are opened and passed unread.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/spawn.h"
#include "common/secret/secret.h"
#include "keybrokerd/parent/keybrokerd.h"

#define FDS_VAR		"KEYBROKERD_FDS"
#define VALUE_MAX	(64 * 1024)
#define PREVIOUS	"TAPPASS_VAULT_KEY_PREVIOUS"

extern char	**environ;

/*
 * Stage one.  Every secret variable becomes "fd:map:size:NAME" in FDS_VAR.
 * Returns only on failure.
 */
int
source_stage_one(int argc, char **argv)
{
	static char	 list[32768];
	char		*extra[3], *eq, name[256];
	size_t		 used, n, len;
	int		 fd, map, i, r;

	(void)argc;
	used = (size_t)snprintf(list, sizeof(list), FDS_VAR "=");
	for (i = 0, n = 0; environ[i] != NULL; i++) {
		if ((eq = strchr(environ[i], '=')) == NULL ||
		    (size_t)(eq - environ[i]) >= sizeof(name))
			continue;
		memcpy(name, environ[i], (size_t)(eq - environ[i]));
		name[eq - environ[i]] = '\0';
		if (spawn_env_kept(name) || strncmp(name, "KEYBROKERD_",
		    11) == 0 || strpbrk(name, ":,") != NULL)
			continue;
		len = strlen(eq + 1);
		if (len == 0)
			continue;
		if (len > VALUE_MAX || n++ == KEYD_SOURCES - ARGS_ENVFILES - 2) {
			fprintf(stderr, "keybrokerd: the environment has more "
			    "than %d variables, or %s is over 64 KiB: start it "
			    "with fewer\n", KEYD_SOURCES, name);
			return -1;
		}
		if ((fd = secret_memfd(eq + 1, len, &map)) == -1) {
			fprintf(stderr, "keybrokerd: no memory descriptor for "
			    "%s: %s\n", name, strerror(errno));
			return -1;
		}
		/* It has to survive the exec below, not any later one. */
		if (fcntl(fd, F_SETFD, 0) == -1)
			return -1;
		r = snprintf(list + used, sizeof(list) - used, "%d:%d:%zu:%s,",
		    fd, map, len, name);
		if (r < 0 || (size_t)r >= sizeof(list) - used) {
			fprintf(stderr, "keybrokerd: too many variables\n");
			return -1;
		}
		used += (size_t)r;
	}
	extra[0] = list;
	extra[1] = "KEYBROKERD_STAGE=2";
	extra[2] = NULL;
	spawn_reexec(argv, extra);
	fprintf(stderr, "keybrokerd: cannot execute itself: %s\n",
	    strerror(errno));
	return -1;
}

/* One "fd:map:size:NAME"; checked, since FDS_VAR could be anybody's. */
static int
inherit_one(struct sources *src, char *item)
{
	struct source	*s;
	char		*f[4], *p;
	const char	*errstr;
	int		 i;

	for (i = 0, p = item; i < 4; i++) {
		f[i] = p;
		if (i < 3) {
			if ((p = strchr(p, ':')) == NULL)
				return -1;
			*p++ = '\0';
		}
	}
	if (src->n == KEYD_SOURCES)
		return -1;
	s = &src->s[src->n];
	memset(s, 0, sizeof(*s));
	s->fd = (int)strtonum(f[0], 3, 65535, &errstr);
	if (errstr != NULL || fcntl(s->fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	s->map = f[1][0] == '1';
	s->size = (uint64_t)strtonum(f[2], 0, VALUE_MAX, &errstr);
	if (errstr != NULL || strlcpy(s->name, f[3], sizeof(s->name)) >=
	    sizeof(s->name))
		return -1;
	s->kind = SRC_ENV;
	src->n++;
	return 0;
}

int
source_inherit(struct sources *src)
{
	char	*list, *rest, *item;
	int	 r;

	src->n = 0;
	if ((list = getenv(FDS_VAR)) == NULL)
		return 0;
	if ((list = strdup(list)) == NULL)
		return -1;
	unsetenv(FDS_VAR);
	unsetenv("KEYBROKERD_STAGE");
	for (r = 0, rest = list; r == 0 &&
	    (item = strsep(&rest, ",")) != NULL;)
		if (*item != '\0')
			r = inherit_one(src, item);
	free(list);
	return r;
}

static const struct {
	const char	*name;
	uint8_t		 to;
} special[] = {
	{ "TAPPASS_VAULT_KEY", SOURCE_BROKER },
	{ PREVIOUS, SOURCE_BROKER },
	{ "TAPPASS_ADMIN_API_KEY", SOURCE_BROKER },
	{ "TAPPASS_ADMIN_KEY", SOURCE_BROKER },
};

static uint8_t
claimed(const struct keyd *k, const char *name)
{
	const struct kms_var	*v;
	uint8_t			 to;
	size_t			 i;

	to = 0;
	for (i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (strcmp(special[i].name, name) == 0)
			to |= special[i].to;
	for (i = 0; i < k->conf.nproviders; i++)
		if (strcmp(k->conf.providers[i].key, name) == 0)
			to |= SOURCE_BROKER;
	v = kmsvar_find(name);
	if (v != NULL && (v->backs & k->kmsback) != 0)
		to |= SOURCE_KMS;
	return to;
}

/*
 * Variables that no "key env", no built-in name and no KMS claims are closed
 * (M3).  A credential of the KMS goes to kms alone.
 */
void
source_claim(struct keyd *k)
{
	struct sources	*src;
	size_t		 i, keep;

	src = &k->sources;
	for (i = keep = 0; i < src->n; i++) {
		src->s[i].to = claimed(k, src->s[i].name);
		if (src->s[i].to == 0) {
			close(src->s[i].fd);
			free(src->s[i].text);
			continue;
		}
		src->s[keep++] = src->s[i];
	}
	src->n = keep;
}

struct source *
source_find(struct sources *src, const char *name)
{
	size_t	 i;

	for (i = 0; i < src->n; i++)
		if (src->s[i].kind == SRC_ENV &&
		    strcmp(src->s[i].name, name) == 0)
			return &src->s[i];
	return NULL;
}

/* The callers' names are public by kms_vars: never a secret's. */
const char *
source_text(struct source *s)
{
	void	*p;

	if (s->text != NULL)
		return s->text;
	if (s->size == 0)
		return "";
	p = mmap(NULL, (size_t)s->size, PROT_READ, s->map ? MAP_SHARED :
	    MAP_PRIVATE, s->fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (memchr(p, '\0', (size_t)s->size) == NULL &&
	    (s->text = malloc((size_t)s->size + 1)) != NULL) {
		memcpy(s->text, p, (size_t)s->size);
		s->text[s->size] = '\0';
	}
	munmap(p, (size_t)s->size);
	return s->text;
}

/*
 * A secrets file: no link, a regular file, not readable by others outside
 * development mode.  The descriptor is passed on unread.
 */
static int
open_file(struct keyd *k, uint8_t kind, const char *path, const char *name)
{
	struct source	*s;
	struct stat	 st;
	int		 fd;

	if (k->sources.n == KEYD_SOURCES) {
		errno = ENOSPC;
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > VALUE_MAX) {
		close(fd);
		errno = EFBIG;
		return -1;
	}
	if ((st.st_mode & 077) != 0 && !k->conf.development) {
		log_warnx("%s can be read by others (mode %o): chmod 600 it",
		    path, (unsigned)st.st_mode & 0777);
		close(fd);
		errno = EPERM;
		return -1;
	}
	s = &k->sources.s[k->sources.n++];
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->kind = kind;
	s->to = SOURCE_BROKER;
	s->size = (uint64_t)st.st_size;
	strlcpy(s->name, name, sizeof(s->name));
	return 0;
}

int
source_open_files(struct keyd *k)
{
	if (k->keyfile[0] != '\0' && open_file(k, SRC_VAULTKEY_FILE,
	    k->keyfile, k->keyfile) == -1) {
		log_warn("%s", k->keyfile);
		return -1;
	}
	if (k->previousfile[0] != '\0' && source_find(&k->sources,
	    PREVIOUS) == NULL && open_file(k, SRC_ENV, k->previousfile,
	    PREVIOUS) == -1) {
		log_warn("%s", k->previousfile);
		return -1;
	}
	return 0;
}

static void
send_one(struct msglink *to, const struct source *s)
{
	struct msgw	 w;
	int		 fd;

	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (fd == -1) {
		log_warn("source %s", s->name);
		return;
	}
	msg_open(&w, M_SOURCE);
	msg_put_u8(&w, s->kind);
	msg_put_u8(&w, s->map ? SRC_MAP : SRC_READ);
	msg_put_u64(&w, s->size);
	msg_put_str(&w, s->name);
	if (msg_send(to, &w, fd) == -1)
		log_warn("source %s", s->name);
}

void
source_send(struct keyd *k, struct msglink *to)
{
	size_t	 i;

	for (i = 0; i < k->sources.n; i++)
		if (k->sources.s[i].to & SOURCE_BROKER)
			send_one(to, &k->sources.s[i]);
}

/* ---- for kms ---------------------------------------------------------------- */

/* The path of a KV_FILE variable; 0 there is none.  named: the operator did. */
static int
kms_path(struct keyd *k, const struct kms_var *v, char *out, size_t size,
    int *named)
{
	const char	*path, *home;
	struct source	*s;
	int		 n;

	s = source_find(&k->sources, v->name);
	*named = s != NULL;
	path = s != NULL ? source_text(s) : v->deflt;
	if (path == NULL || *path == '\0')
		return 0;
	home = getenv("HOME");
	if (s != NULL || strncmp(path, "~/", 2) != 0)
		n = snprintf(out, size, "%s", path);
	else if (home != NULL && *home == '/')
		n = snprintf(out, size, "%s/%s", home, path + 2);
	else
		return 0;
	return n > 0 && (size_t)n < size;
}

/*
 * Looked at before it is opened, since opening a device may do something.  A
 * link is followed: a mounted token is one.  -1 with errno.
 */
static int
kms_open(const char *path, struct stat *st)
{
	struct stat	 before;
	int		 fd;

	if (stat(path, &before) == -1)
		return -1;
	if (!S_ISREG(before.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return -1;
	if (fstat(fd, st) == -1 || !S_ISREG(st->st_mode) ||
	    st->st_size > KMS_FILE_MAX) {
		close(fd);
		errno = EFBIG;
		return -1;
	}
	return fd;
}

static void
send_kms_file(struct keyd *k, struct msglink *to, const struct kms_var *v)
{
	struct source	 s;
	struct stat	 st;
	char		 path[PATH_MAX];
	int		 named;

	if (!kms_path(k, v, path, sizeof(path), &named))
		return;
	memset(&s, 0, sizeof(s));
	if ((s.fd = kms_open(path, &st)) == -1) {
		if (named || errno != ENOENT)
			log_warn("%s: %s", v->name, path);
		return;
	}
	s.kind = SRC_KMS_FILE;
	s.size = (uint64_t)st.st_size;
	strlcpy(s.name, v->name, sizeof(s.name));
	send_one(to, &s);
	close(s.fd);
}

void
source_send_kms(struct keyd *k, struct msglink *to)
{
	const struct kms_var	*v;
	size_t			 i;

	for (i = 0; i < k->sources.n; i++)
		if (k->sources.s[i].to & SOURCE_KMS)
			send_one(to, &k->sources.s[i]);
	for (v = kms_vars; v->name != NULL; v++)
		if (v->kind == KV_FILE && (v->backs & k->kmsback) != 0)
			send_kms_file(k, to, v);
}

/*
 * SIGHUP: files are opened anew and passed on; a file that cannot be opened
 * keeps what the broker has.  Variables cannot change.
 */
void
source_reopen(struct keyd *k)
{
	struct kid	*broker;
	size_t		 i, keep;

	for (i = keep = 0; i < k->sources.n; i++) {
		if (k->sources.s[i].kind == SRC_ENV) {
			k->sources.s[keep++] = k->sources.s[i];
			continue;
		}
		close(k->sources.s[i].fd);
	}
	k->sources.n = keep;
	if (source_open_files(k) == -1)
		log_warnx("a secrets file was not read again; the values in "
		    "use stay");
	broker = roles_find(k, ROLE_BROKER, 0);
	if (broker != NULL && broker->pid != 0)
		for (i = keep; i < k->sources.n; i++)
			send_one(&broker->channel, &k->sources.s[i]);
}
