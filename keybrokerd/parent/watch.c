/* SPDX-License-Identifier: ISC */
/*
 * Files that hold provider secrets: .env files, key files, the files of a
 * secrets directory, rendered files.  This process opens them and passes the
 * descriptors on unread; it judges names, types and modes only.  A file is
 * passed once it has been the same in two looks, since a half-written one is
 * best not seen at all.  Looks come from the directories' events (where the
 * system has them), every 30 s (2 s while something is wrong), and at SIGHUP.
 *
 * For each file two descriptors are kept: the last one that the broker found
 * good, and the one it has not judged yet or found bad.  A new broker gets
 * both, so that its crash costs nothing even while the file is broken.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/parent/keybrokerd.h"
#include "keybrokerd/parent/watch.h"

#define FILE_MAX	(64 * 1024)
#define SETTLE		(60 * NS_MS)	/* between two looks at a change */
#define NOTICED		(20 * NS_MS)	/* from an event to the first look */
#define MENDING		(2 * NS_S)	/* while something is wrong */
#define ALONE		(30 * NS_S)

/* What tells one content of a file from the next. */
struct stamp {
	dev_t		 dev;
	ino_t		 ino;
	off_t		 size;
	struct timespec	 mtime, ctime;
};

struct watched {
	uint8_t		 kind;			/* enum proto_source */
	char		 var[65];		/* "" a file of variables */
	char		 path[256];
	int		 good, latest;		/* descriptors, -1 none */
	uint64_t	 goodsize, latestsize;
	int		 pending;		/* the broker has yet to judge */
	int		 sent;			/* stamp "was" was passed on */
	struct stamp	 was, seen;
	char		 trouble[160];
	int		 keep;			/* mark of watch_configure */
};

static struct {
	struct watched	 row[WATCHED];
	size_t		 n;
	int		 notify;		/* descriptor, -1 none */
	int		 off;			/* configuration: poll alone */
	int		 added;			/* it is in the poll set */
	int		 full;			/* said that watches ran out */
	uint64_t	 due;
} w = { .notify = -1 };

/* ---- messages to the broker ---------------------------------------------- */

static struct msglink *
broker_link(struct keyd *k)
{
	struct kid	*broker;

	broker = roles_find(k, ROLE_BROKER, 0);
	return broker != NULL && broker->pid != 0 && broker->up ?
	    &broker->channel : NULL;
}

static void
name_of(const struct watched *r, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", r->var, r->var[0] != '\0' ? ":" : "",
	    r->path);
}

static void
send_source(struct msglink *to, const struct watched *r, int fd,
    uint64_t size)
{
	struct msgw	 m;
	char		 name[330];
	int		 copy;

	copy = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd != -1 && copy == -1) {
		log_warn("source %s", r->path);
		return;
	}
	name_of(r, name, sizeof(name));
	msg_open(&m, M_SOURCE);
	msg_put_u8(&m, r->kind);
	msg_put_u8(&m, SRC_READ);
	msg_put_u64(&m, size);
	msg_put_str(&m, name);
	if (msg_send(to, &m, copy) == -1)
		log_warn("source %s", r->path);
}

static void
send_trouble(struct msglink *to, const struct watched *r)
{
	struct msgw	 m;
	char		 name[330];

	name_of(r, name, sizeof(name));
	msg_open(&m, M_SOURCE_BAD);
	msg_put_u8(&m, r->kind);
	msg_put_str(&m, name);
	msg_put_str(&m, r->trouble);
	if (msg_send(to, &m, -1) == -1)
		log_warn("source %s", r->path);
}

/* A broker has come up: all that it needs, in order. */
void
watch_send(struct keyd *k, struct msglink *to)
{
	struct watched	*r;
	size_t		 i;

	(void)k;
	for (i = 0; i < w.n; i++) {
		r = &w.row[i];
		r->pending = r->latest != -1;
		if (r->good != -1)
			send_source(to, r, r->good, r->goodsize);
		if (r->latest != -1)
			send_source(to, r, r->latest, r->latestsize);
		if (r->trouble[0] != '\0')
			send_trouble(to, r);
	}
}

/* The broker judged what it was sent last. */
void
watch_taken(struct msgr *m)
{
	struct watched	*r;
	char		 name[330], mine[330];
	size_t		 i;
	uint8_t		 kind, ok;

	kind = msg_get_u8(m);
	msg_get_str(m, name, sizeof(name));
	ok = msg_get_u8(m);
	if (msg_end(m) == -1) {
		log_warnx("malformed TAKEN");
		return;
	}
	for (i = 0; i < w.n; i++) {
		r = &w.row[i];
		name_of(r, mine, sizeof(mine));
		if (r->kind != kind || strcmp(name, mine) != 0 || !r->pending)
			continue;
		r->pending = 0;
		if (!ok || r->latest == -1)
			continue;
		if (r->good != -1)
			close(r->good);
		r->good = r->latest;
		r->goodsize = r->latestsize;
		r->latest = -1;
	}
}

/* ---- looking ------------------------------------------------------------- */

static void
trouble(struct keyd *k, struct watched *r, const char *why)
{
	struct msglink	*to;

	if (strcmp(r->trouble, why) == 0)
		return;
	strlcpy(r->trouble, why, sizeof(r->trouble));
	if ((to = broker_link(k)) != NULL)
		send_trouble(to, r);
}

static void
stamp_of(struct stamp *s, const struct stat *st)
{
	memset(s, 0, sizeof(*s));
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->size = st->st_size;
	s->mtime = st->st_mtim;
	s->ctime = st->st_ctim;
}

static const char *
why_not(const struct keyd *k, const struct watched *r, const struct stat *st)
{
	mode_t	 others;

	if (!S_ISREG(st->st_mode))
		return S_ISFIFO(st->st_mode) ? "it is a fifo, not a file" :
		    S_ISDIR(st->st_mode) ? "it is a directory, not a file" :
		    S_ISSOCK(st->st_mode) ? "it is a socket, not a file" :
		    "it is a device, not a file";
	if (st->st_size > FILE_MAX)
		return "it is larger than 64 KiB";
	others = r->kind == SRC_ENVFILE ? 077 : 027;
	if ((st->st_mode & others) == 0 || k->conf.development)
		return NULL;
	return r->kind == SRC_ENVFILE ?
	    "it can be read by others: chmod 600 it" :
	    "it can be read by others, or changed by its group: mode 0440 or "
	    "0400 is wanted (defaultMode of a Kubernetes volume, perms of a "
	    "template)";
}

static const char *
open_error(void)
{
	switch (errno) {
	case EXDEV:
	case ELOOP:
		return "it is a link that leads out of its directory";
	case ENOENT:
	case ENOTDIR:
		return "it is not there";
	case EACCES:
	case EPERM:
		return "it may not be read";
	default:
		return "it cannot be opened";
	}
}

/*
 * The file, beneath its directory: type and mode are looked at before it is
 * opened, since opening a fifo or a device may do something.  -1: *why.
 */
static int
look(const struct keyd *k, struct watched *r, struct stat *st,
    const char **why)
{
	struct stat	 again;
	char		 dir[256], *slash;
	int		 at, fd;

	strlcpy(dir, r->path, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash != NULL)
		*slash = '\0';
	at = open(slash == NULL ? "." : dir[0] == '\0' ? "/" : dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*why = open_error();
	if (at == -1)
		return -1;
	slash = strrchr(r->path, '/');
	fd = notify_beneath(at, slash == NULL ? r->path : slash + 1, 1);
	*why = open_error();
	if (fd != -1) {
		*why = fstat(fd, st) == -1 ? "it cannot be looked at" :
		    why_not(k, r, st);
		close(fd);
		fd = *why != NULL ? -1 : notify_beneath(at, slash == NULL ?
		    r->path : slash + 1, 0);
		if (fd == -1 && *why == NULL)
			*why = open_error();
	}
	close(at);
	if (fd != -1 && (fstat(fd, &again) == -1 ||
	    again.st_ino != st->st_ino || again.st_dev != st->st_dev)) {
		close(fd);
		*why = NULL;		/* changed under our hands: once more */
		return -1;
	}
	return fd;
}

/* The descriptor is the row's; to the broker, if there is one. */
static void
pass(struct keyd *k, struct watched *r, int fd, const struct stat *st)
{
	struct msglink	*to;

	if (r->latest != -1)
		close(r->latest);
	r->latest = fd;
	r->latestsize = (uint64_t)st->st_size;
	r->trouble[0] = '\0';
	r->sent = 1;
	stamp_of(&r->was, st);
	r->seen = r->was;
	if ((to = broker_link(k)) == NULL)
		return;
	r->pending = 1;
	send_source(to, r, fd, r->latestsize);
}

/* One look; 1: look again soon. */
static int
look_row(struct keyd *k, struct watched *r, int force)
{
	struct stamp	 now;
	struct stat	 st;
	const char	*why;
	int		 fd;

	if ((fd = look(k, r, &st, &why)) == -1) {
		if (why == NULL)
			return 1;
		/* A directory need not have a file for each provider. */
		if (r->kind != SRC_DIRFILE || r->sent ||
		    strcmp(why, "it is not there") != 0)
			trouble(k, r, why);
		return 0;
	}
	stamp_of(&now, &st);
	if (!force && r->sent && r->trouble[0] == '\0' &&
	    memcmp(&now, &r->was, sizeof(now)) == 0) {
		close(fd);
		return 0;
	}
	if (!force && (r->pending ||
	    memcmp(&now, &r->seen, sizeof(now)) != 0)) {
		r->seen = now;
		close(fd);
		return 1;
	}
	pass(k, r, fd, &st);
	return 0;
}

static void
add_watch(struct watched *r)
{
	char	 dir[256], *slash;

	if (w.notify == -1)
		return;
	strlcpy(dir, r->path, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash != NULL)
		*slash = '\0';
	if (notify_add(w.notify, slash == NULL ? "." : dir[0] == '\0' ? "/" :
	    dir) == 0 || errno == ENOENT || errno == ENOTDIR || w.full)
		return;
	w.full = 1;
	log_warn("%s cannot be watched; it is looked at every 30 s", dir);
}

static void
look_all(struct keyd *k, int force, uint64_t now)
{
	struct watched	*r;
	uint64_t	 next;
	size_t		 i;

	next = ALONE;
	for (i = 0; i < w.n; i++) {
		r = &w.row[i];
		add_watch(r);
		if (look_row(k, r, force))
			next = SETTLE;
		else if (r->trouble[0] != '\0' && next > MENDING && !w.off)
			next = MENDING;
	}
	w.due = now + next;
}

static void
on_event(void *arg, int fd, short revents)
{
	uint64_t	 at;

	(void)arg;
	(void)revents;
	notify_drain(fd);
	at = poll_now() + NOTICED;
	if (at < w.due)
		w.due = at;
}

void
watch_turn(struct keyd *k, uint64_t now)
{
	if (w.notify != -1 && !w.added) {
		w.added = 1;
		poll_add(k->poll, w.notify, POLLIN, on_event, k);
	}
	if (w.n > 0 && now >= w.due)
		look_all(k, 0, now);
}

uint64_t
watch_deadline(void)
{
	return w.n == 0 ? UINT64_MAX : w.due;
}

/* ---- what is configured -------------------------------------------------- */

static struct watched *
want(uint8_t kind, const char *var, const char *path)
{
	struct watched	*r;
	size_t		 i;

	for (i = 0; i < w.n; i++) {
		r = &w.row[i];
		if (r->kind == kind && strcmp(r->var, var) == 0 &&
		    strcmp(r->path, path) == 0) {
			r->keep = 1;
			return r;
		}
	}
	if (w.n == WATCHED) {
		log_warnx("more than %d secrets files: %s is not read",
		    WATCHED, path);
		return NULL;
	}
	r = &w.row[w.n++];
	memset(r, 0, sizeof(*r));
	r->kind = kind;
	strlcpy(r->var, var, sizeof(r->var));
	strlcpy(r->path, path, sizeof(r->path));
	r->good = r->latest = -1;
	r->keep = 1;
	return r;
}

/* A row that is not wanted any more: the broker forgets what came from it. */
static void
forget(struct keyd *k, size_t i)
{
	struct msglink	*to;
	struct watched	*r;

	r = &w.row[i];
	if ((to = broker_link(k)) != NULL)
		send_source(to, r, -1, 0);
	if (r->good != -1)
		close(r->good);
	if (r->latest != -1)
		close(r->latest);
	w.n--;
	memmove(&w.row[i], &w.row[i + 1], (w.n - i) * sizeof(w.row[0]));
}

/* In the order in which they win or lose (credential.h). */
static void
want_all(struct keyd *k)
{
	const struct kconf	*c;
	char			 path[256 + 66];
	size_t			 i, j;

	c = &k->conf;
	for (i = 0; i < (size_t)k->args.nenv; i++)
		want(SRC_ENVFILE, "", k->args.envfile[i]);
	for (i = 0; i < c->nproviders; i++)
		if (c->providers[i].keyfile[0] != '\0')
			want(SRC_KEYFILE, c->providers[i].key,
			    c->providers[i].keyfile);
	for (i = 0; i < c->nsecretdirs; i++)
		for (j = 0; j < c->nproviders; j++) {
			if (c->providers[j].key[0] == '\0')
				continue;
			snprintf(path, sizeof(path), "%s/%s",
			    c->secretdir[i], c->providers[j].key);
			if (strlen(path) < 256)
				want(SRC_DIRFILE, c->providers[j].key, path);
		}
	for (i = 0; i < c->nsecretfiles; i++)
		want(SRC_EXPORT, "", c->secretfile[i]);
}

int
watch_configure(struct keyd *k, int first)
{
	size_t	 i;

	for (i = 0; i < w.n; i++)
		w.row[i].keep = 0;
	want_all(k);
	for (i = 0; i < w.n;)
		if (w.row[i].keep)
			i++;
		else
			forget(k, i);
	w.off = k->conf.nowatch;
	if (w.n > 0 && w.notify == -1 && !w.off &&
	    (w.notify = notify_open()) == -1)
		log_warn("secrets files are looked at every 30 s only");
	if (w.off && w.notify != -1) {
		if (w.added)
			poll_del(k->poll, w.notify);
		close(w.notify);
		w.notify = -1;
		w.added = 0;
	}
	look_all(k, 1, poll_now());
	/* A file that was named on the command line is there, or no start. */
	for (i = 0; first && i < w.n; i++) {
		if (w.row[i].kind != SRC_ENVFILE ||
		    w.row[i].trouble[0] == '\0')
			continue;
		log_warnx("%s: %s", w.row[i].path, w.row[i].trouble);
		return -1;
	}
	return 0;
}

void
watch_reopen(struct keyd *k, const char *var)
{
	struct msglink	*to;
	struct msgw	 m;
	size_t		 i;

	for (i = 0; i < w.n; i++)
		if (var[0] == '\0' || w.row[i].var[0] == '\0' ||
		    strcmp(w.row[i].var, var) == 0)
			(void)look_row(k, &w.row[i], 1);
	if (strcmp(var, "TAPPASS_VAULT_KEY") == 0)
		source_reopen(k);
	if ((to = broker_link(k)) == NULL)
		return;
	msg_open(&m, M_REOPENED);
	msg_put_str(&m, var);
	if (msg_send(to, &m, -1) == -1)
		log_warn("REOPENED");
}
