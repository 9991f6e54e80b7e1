/* SPDX-License-Identifier: ISC */
/*
 * Links to egresses.  The broker makes one on LINK and hands an end to each
 * side.  A link carries one call at a time with ever greater numbers and is
 * used again after a complete exchange, last in first out, since the connection
 * behind it is then the warmest.
 */
#include <sys/socket.h>

#include <errno.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

/* An idle link that speaks or ends is of no use. */
static int
quiet(struct wlink *l)
{
	uint8_t	 c;

	if (l->in != NULL && l->in->have != l->in->used)
		return 0;
	if (l->readable && (recv(l->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) != -1 ||
	    (errno != EAGAIN && errno != EWOULDBLOCK)))
		return 0;
	l->readable = 0;
	return 1;
}

/* What a link read is an answer's text: wiped. */
static void
slim(struct wlink *l)
{
	struct linkr	*in;

	in = l->in;
	l->in = NULL;
	if (in == NULL)
		return;
	link_wipe(in);
	if (in != &l->worker->frames)
		free(in);
}

struct linkr *
pool_reader(struct wlink *l)
{
	if (l->in == NULL) {
		l->in = &l->worker->frames;
		link_reset(l->in);
	}
	return l->in;
}

int
pool_slim(struct wlink *l)
{
	struct linkr	*kept;
	uint8_t		*p;
	size_t		 n;

	if (l->in == NULL || l->in->have == l->in->used || l->dead) {
		slim(l);
		return 0;
	}
	if (l->in != &l->worker->frames)
		return 0;
	kept = malloc(sizeof(*kept));
	if (kept == NULL) {
		slim(l);
		return -1;
	}
	link_reset(kept);
	p = link_room(kept, &n);
	n = l->in->have - l->in->used;
	memcpy(p, l->in->buf + l->in->used, n);
	link_got(kept, n);
	slim(l);
	l->in = kept;
	return 0;
}

static void
on_link(evutil_socket_t fd, short what, void *arg)
{
	struct wlink	*l;
	struct conn	*c;

	(void)fd;
	l = arg;
	if (l->dead)
		return;
	if ((what & EV_READ) != 0)
		l->readable = 1;
	if ((what & EV_WRITE) != 0)
		l->writable = 1;
	c = l->owner;
	if (c != NULL) {
		stream_run(c);
		conn_run(c);
	} else if (!quiet(l))
		pool_kill(l);
	pool_watch(l);
}

/*
 * Level-triggered: bytes, an end or an error are told until they are taken.
 * Where bytes must wait nothing is asked for, and room is asked for only when
 * there was none, since each read of the other side makes some.
 */
void
pool_watch(struct wlink *l)
{
	short	 want;

	want = (l->readable ? 0 : EV_READ) | (l->writable ? 0 : EV_WRITE);
	if (l->dead || want == l->watched)
		return;
	if (l->watched != 0)
		event_del(&l->ev);
	l->watched = want;
	if (want == 0)
		return;
	event_assign(&l->ev, l->worker->base, l->fd, want | EV_PERSIST,
	    on_link, l);
	if (event_add(&l->ev, NULL) == -1)
		fatalx("event_add of a link");
}

static struct wlink *
link_make(struct worker *w, int fd, uint32_t id, uint16_t provider)
{
	struct wlink	*l;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->worker = w;
	l->fd = fd;
	l->id = id;
	l->provider = provider;
	l->writable = 1;
	l->since = poll_now();
	l->watched = EV_READ;
	if (event_assign(&l->ev, w->base, fd, EV_READ | EV_PERSIST, on_link,
	    l) == -1 || event_add(&l->ev, NULL) == -1) {
		free(l);
		return NULL;
	}
	TAILQ_INSERT_HEAD(&w->idle, l, entry);
	return l;
}

/* c's call gets the link. */
static void
give(struct wlink *l, struct conn *c)
{
	struct worker	*w;

	w = l->worker;
	TAILQ_REMOVE(&w->idle, l, entry);
	TAILQ_INSERT_HEAD(&w->busy, l, entry);
	l->owner = c;
	c->call->link = l;
}

static int
ask_link(struct worker *w, struct conn *c)
{
	static struct msgw m;
	struct call	*k;

	k = c->call;
	if (++w->cookie == 0)
		w->cookie = 1;
	msg_open(&m, M_LINK);
	msg_put_u32(&m, w->cookie);
	msg_put_u16(&m, k->provider);
	if (wire_send(w, &m) == -1)
		return -1;
	worker_wait(w, &k->bycookie, WAIT_COOKIE | w->cookie, c);
	w->nlinks++;
	return 0;
}

/*
 * A link for c's call.  NULL with *err 0: LINK was sent, intake_linked comes
 * later; with *err 1: no more links; -1: the broker is lost.
 */
struct wlink *
pool_take(struct worker *w, struct conn *c, int *err)
{
	struct wlink	*l;
	struct call	*k;

	k = c->call;
	*err = 0;
	TAILQ_FOREACH(l, &w->idle, entry)
		if (l->provider == k->provider &&
		    (k->no == 0 || l->last < k->no)) {
			give(l, c);
			return l;
		}
	if (w->nlinks >= WORKER_LINKS && !TAILQ_EMPTY(&w->idle))
		pool_kill(TAILQ_LAST(&w->idle, wlinks));
	if (w->nlinks >= WORKER_LINKS)
		*err = 1;
	else if (ask_link(w, c) == -1)
		*err = -1;
	return NULL;
}

/* LINKED: for whom it was asked, or for the next one. */
void
pool_linked(struct worker *w, struct msgr *r, int fd)
{
	struct wlink	*l;
	struct conn	*c;
	uint32_t	 cookie, id;
	uint16_t	 provider;

	cookie = msg_get_u32(r);
	id = msg_get_u32(r);
	provider = msg_get_u16(r);
	if (msg_end(r) == -1 || fd == -1)
		fatalx("broker: malformed LINKED");
	c = worker_waiting(w, WAIT_COOKIE | cookie);
	l = link_make(w, fd, id, provider);
	if (l == NULL) {
		close(fd);
		w->nlinks--;
		if (c != NULL)
			ask_lost(c, "The gateway is out of memory.");
	} else if (c != NULL && c->state == C_LINK &&
	    c->call->provider == provider) {
		worker_unwait(w, &c->call->bycookie);
		give(l, c);
		intake_linked(c, l);
	}
	if (c != NULL)
		conn_run(c);
}

/* NOLINK: no credential, or no egress just now. */
void
pool_nolink(struct worker *w, struct msgr *r)
{
	struct problem	 p;
	struct conn	*c;
	struct call	*k;
	char		 text[REASON_MAX + 1];
	uint32_t	 cookie;
	uint16_t	 provider, status;

	cookie = msg_get_u32(r);
	provider = msg_get_u16(r);
	status = msg_get_u16(r);
	msg_get_str(r, text, sizeof(text));
	if (msg_end(r) == -1)
		fatalx("broker: malformed NOLINK");
	if (w->nlinks > 0)
		w->nlinks--;
	c = worker_waiting(w, WAIT_COOKIE | cookie);
	if (c == NULL || c->state != C_LINK)
		return;
	k = c->call;
	worker_unwait(w, &k->bycookie);
	strlcpy(k->text, text, sizeof(k->text));
	reply_problem(&p, worker_provider(w, provider) == PROV_NOKEY ?
	    RC_NOKEY : RC_BUSY, k->text);
	if (status >= 400 && status <= 599)
		p.status = status;
	intake_refuse(c, &p);
	conn_run(c);
}

/* The exchange is complete on both sides. */
void
pool_idle(struct wlink *l)
{
	struct worker	*w;

	w = l->worker;
	l->owner = NULL;
	l->since = poll_now();
	TAILQ_REMOVE(&w->busy, l, entry);
	TAILQ_INSERT_HEAD(&w->idle, l, entry);
	(void)pool_slim(l);
	if (!quiet(l))
		pool_kill(l);
	pool_watch(l);
}

/* Closed now, freed at the end of the turn. */
void
pool_kill(struct wlink *l)
{
	struct worker	*w;

	if (l->dead)
		return;
	w = l->worker;
	l->dead = 1;
	event_del(&l->ev);
	close(l->fd);
	l->fd = -1;
	if (l->owner == NULL)
		TAILQ_REMOVE(&w->idle, l, entry);
	else
		TAILQ_REMOVE(&w->busy, l, entry);
	TAILQ_INSERT_HEAD(&w->deadlinks, l, entry);
	if (w->nlinks > 0)
		w->nlinks--;
}

void
pool_free(struct wlink *l)
{
	wbuf_free(&l->out);
	slim(l);
	free(l);
}

/* Links unused for too long; the oldest stand at the end. */
void
pool_sweep(struct worker *w, uint64_t now)
{
	struct wlink	*l;

	while ((l = TAILQ_LAST(&w->idle, wlinks)) != NULL &&
	    l->since + w->lim.linkidle <= now)
		pool_kill(l);
}

/* The broker is lost: its links are worth nothing. */
void
pool_clear(struct worker *w)
{
	struct wlink	*l;

	while ((l = TAILQ_FIRST(&w->idle)) != NULL)
		pool_kill(l);
	while ((l = TAILQ_FIRST(&w->busy)) != NULL) {
		if (l->owner != NULL && l->owner->call != NULL &&
		    l->owner->call->link == l)
			l->owner->call->link = NULL;
		pool_kill(l);
	}
	w->nlinks = 0;
}
