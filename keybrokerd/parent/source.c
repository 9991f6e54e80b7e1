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
	char	*list, *item;

	src->n = 0;
	if ((list = getenv(FDS_VAR)) == NULL)
		return 0;
	if ((list = strdup(list)) == NULL)
		return -1;
	unsetenv(FDS_VAR);
	unsetenv("KEYBROKERD_STAGE");
	while ((item = strsep(&list, ",")) != NULL)
		if (*item != '\0' && inherit_one(src, item) == -1)
			return -1;
	return 0;
}

static const char *const special[] = {
	"TAPPASS_VAULT_KEY", "TAPPASS_VAULT_KEY_KMS", "TAPPASS_ADMIN_API_KEY",
	"TAPPASS_ADMIN_KEY"
};

static int
claimed(const struct kconf *c, const char *name)
{
	size_t	 i;

	for (i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (strcmp(special[i], name) == 0)
			return 1;
	for (i = 0; i < c->nproviders; i++)
		if (strcmp(c->providers[i].key, name) == 0)
			return 1;
	return 0;
}

/* Variables that no "key env" and no built-in name claims are closed (M3). */
void
source_claim(struct sources *src, const struct kconf *c)
{
	size_t	 i, keep;

	for (i = keep = 0; i < src->n; i++) {
		if (!claimed(c, src->s[i].name)) {
			close(src->s[i].fd);
			continue;
		}
		src->s[keep++] = src->s[i];
	}
	src->n = keep;
}

/*
 * A secrets file: no link, a regular file, not readable by others outside
 * development mode.  The descriptor is passed on unread.
 */
static int
open_file(struct keyd *k, uint8_t kind, const char *path)
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
	s->size = (uint64_t)st.st_size;
	strlcpy(s->name, path, sizeof(s->name));
	return 0;
}

int
source_open_files(struct keyd *k)
{
	if (access(k->conf.vaultkey, F_OK) == 0 &&
	    open_file(k, SRC_VAULTKEY_FILE, k->conf.vaultkey) == -1) {
		log_warn("%s", k->conf.vaultkey);
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
		send_one(to, &k->sources.s[i]);
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
