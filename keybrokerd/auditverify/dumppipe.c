/* SPDX-License-Identifier: ISC */
/*
 * Reads a state directory through ledgerdump, which opens the database so
 * that this program never does, and streams it (common/audit/dump.h).
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/audit/dump.h"
#include "keybrokerd/auditverify/auditverify.h"

#define ROOM	(2 * DUMP_RECORD)

struct dumppipe {
	int	 fd;
	pid_t	 pid;		/* 0: no child of ours */
	uint8_t	*buf;
	size_t	 have;
	size_t	 at;
};

static void
fail(struct rec *r, const char *why)
{
	r->kind = REC_FAIL;
	snprintf(r->why, sizeof(r->why), "%s", why);
}

/* More bytes into the window; 1, 0 at the end, -1. */
static int
fill(struct dumppipe *d)
{
	ssize_t	 n;

	memmove(d->buf, d->buf + d->at, d->have - d->at);
	d->have -= d->at;
	d->at = 0;
	do {
		n = read(d->fd, d->buf + d->have, ROOM - d->have);
	} while (n == -1 && errno == EINTR);
	if (n > 0)
		d->have += (size_t)n;
	return n > 0 ? 1 : (int)n;
}

static void
convert(const struct dump_rec *in, struct rec *r)
{
	switch (in->kind) {
	case DUMP_ENTRY:
		r->kind = REC_ENTRY;
		break;
	case DUMP_CHECKPOINT:
		r->kind = REC_CHECKPOINT;
		break;
	case DUMP_TILE:
		r->kind = REC_TILE;
		break;
	case DUMP_RANGE:
		r->kind = REC_RANGE;
		break;
	case DUMP_END:
		r->kind = REC_END;
		break;
	}
	r->data = in->data;
	r->len = in->len;
	r->level = in->level;
	r->index = in->index;
	r->width = in->width;
	r->counted = in->kind == DUMP_END;
	r->entries = in->entries;
	r->checkpoints = in->checkpoints;
}

/* How did the child end?  Its own message is on standard error. */
static int
reap(struct dumppipe *d)
{
	int	 status;

	if (d->pid == 0)
		return 0;
	while (waitpid(d->pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	d->pid = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void
next(void *arg, struct rec *r)
{
	struct dump_rec	 in;
	struct dumppipe	*d;
	ssize_t		 n;
	int		 more;

	d = arg;
	memset(r, 0, sizeof(*r));
	memset(&in, 0, sizeof(in));
	while ((n = dump_next(d->buf + d->at, d->have - d->at, &in)) == 0) {
		more = fill(d);
		if (more == 1)
			continue;
		fail(r, "the dump of the database ends early");
		return;
	}
	if (n == -1) {
		fail(r, "the dump of the database is no dump");
		return;
	}
	d->at += (size_t)n;
	convert(&in, r);
	if (r->kind != REC_END)
		return;
	if (d->at != d->have || fill(d) != 0)
		fail(r, "bytes after the end of the dump");
	else if (reap(d) == -1)
		fail(r, "ledgerdump failed");
}

static void
shut(void *arg)
{
	struct dumppipe	*d;

	d = arg;
	close(d->fd);
	/* closed pipe: a child that still writes ends by SIGPIPE */
	reap(d);
	free(d->buf);
	free(d);
}

static int
open_fd(struct source *s, int fd, pid_t pid)
{
	struct dumppipe	*d;

	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -1;
	d->buf = malloc(ROOM);
	if (d->buf == NULL) {
		free(d);
		return -1;
	}
	d->fd = fd;
	d->pid = pid;
	s->next = next;
	s->close = shut;
	s->arg = d;
	return 0;
}

int
dumppipe_fd(struct source *s, int fd)
{
	return open_fd(s, fd, 0);
}

int
dumppipe_open(struct source *s, const char *program, const char *dir)
{
	int	 fd[2];
	pid_t	 pid;

	if (access(program, X_OK) == -1 || pipe(fd) == -1)
		return -1;
	pid = fork();
	if (pid == -1) {
		close(fd[0]);
		close(fd[1]);
		return -1;
	}
	if (pid == 0) {
		close(fd[0]);
		if (dup2(fd[1], STDOUT_FILENO) == -1)
			_exit(126);
		if (fd[1] != STDOUT_FILENO)
			close(fd[1]);
		signal(SIGPIPE, SIG_DFL);
		execl(program, "ledgerdump", dir, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	if (open_fd(s, fd[0], pid) == -1) {
		close(fd[0]);
		return -1;
	}
	return 0;
}
