/* SPDX-License-Identifier: ISC */

/*
 * Bytes of a link.  Frames towards the worker are queued, then written as far
 * as its socket takes them; a lane without a worker (lane_probe) drops them.
 * What the worker sends is read into one buffer of all links: most frames come
 * in one piece, and only a part of one gets memory of its own.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "keybrokerd/egress/egress.h"

#define READS	8		/* of a link in one turn */

static struct linkr	 reader;

void
lane_frame(struct lane *l, enum link_type type, const void *p, size_t n)
{
	uint8_t	 h[LINK_HEAD];

	if (l->dead || l->fd == -1)
		return;
	link_head(h, type, 0, n);
	buf_add(&l->out, h, sizeof(h));
	buf_add(&l->out, p, n);
}

void
lane_flush(struct lane *l)
{
	ssize_t	 n;

	while (!l->dead && buf_left(&l->out) > 0) {
		n = write(l->fd, l->out.p + l->out.off, buf_left(&l->out));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			buf_compact(&l->out);
			event_add(l->writable, NULL);
			return;
		}
		if (n == -1) {
			lane_close(l, "the worker closed its link");
			return;
		}
		l->out.off += (size_t)n;
	}
	buf_reset(&l->out);
}

void
lane_slim(struct lane *l)
{
	if (l->in != NULL && l->in != &reader && l->in->have == l->in->used) {
		free(l->in);
		l->in = NULL;
	}
}

/* Before others read: what is left in the common buffer goes to its own. */
static void
keep_rest(struct lane *l)
{
	uint8_t	*p;
	size_t	 n, room;

	if (l->in != &reader)
		return;
	l->in = NULL;
	n = reader.have - reader.used;
	if (l->dead || n == 0)
		return;
	l->in = malloc(sizeof(*l->in));
	if (l->in == NULL)
		fatalx("out of memory");
	link_reset(l->in);
	p = link_room(l->in, &room);
	memcpy(p, reader.buf + reader.used, n);
	link_got(l->in, n);
}

/* One read and what follows from it; 1 if there may be more. */
static int
take(struct lane *l)
{
	uint8_t	*p;
	size_t	 room;
	ssize_t	 n;

	if (l->in == NULL) {
		l->in = &reader;
		link_reset(l->in);
	}
	n = 0;
	p = link_room(l->in, &room);
	if (room > 0) {
		n = read(l->fd, p, room);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0) {
			lane_close(l, "the worker closed its link");
			return 0;
		}
		link_got(l->in, (size_t)n);
	}
	lane_pump(l);
	return room > 0 && (size_t)n == room;
}

void
lane_readable(int fd, short what, void *arg)
{
	struct lane	*l;
	int		 i;

	(void)fd;
	(void)what;
	l = arg;
	for (i = 0; i < READS && !l->dead && !l->paused; i++)
		if (!take(l))
			break;
	keep_rest(l);
}
