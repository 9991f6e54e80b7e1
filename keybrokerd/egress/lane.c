/* SPDX-License-Identifier: ISC */

/*
 * One link from a worker and the connection behind it.  The worker is believed
 * for nothing: a bad frame ends its link, never the process; what it sends
 * waits in a bounded hold, behind which its link is not read.  OPEN and RELEASE
 * find each other here by their number, in whichever order they come.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "keybrokerd/egress/egress.h"

#define BUCKETS	1024

LIST_HEAD(lanes, lane);

static struct lanes	 table[BUCKETS];
static struct lanes	 graves;
static size_t		 nlinks;	/* lanes with a descriptor */

static void	on_writable(int, short, void *);
static void	on_timer(int, short, void *);

/* ---- the table --------------------------------------------------------- */

struct lane *
lane_find(uint32_t id)
{
	struct lane	*l;

	LIST_FOREACH(l, &table[id % BUCKETS], entry)
		if (l->id == id)
			return l;
	return NULL;
}

void
lane_new(uint32_t id, uint64_t instance, int fd)
{
	struct lane	*l;

	l = lane_find(id);
	if (l != NULL)
		lane_close(l, "its number was given again");
	if (nlinks >= EGRESS_LANES) {
		close(fd);
		egress_upstream(id, 2, END_OK, "");
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		fatalx("out of memory");
	l->id = id;
	l->instance = instance;
	l->fd = fd;
	nlinks++;
	l->armed = UINT64_MAX;
	l->readable = egress_event(fd, EV_READ | EV_PERSIST, lane_readable,
	    l);
	l->writable = egress_event(fd, EV_WRITE, on_writable, l);
	l->timer = egress_event(-1, 0, on_timer, l);
	event_add(l->readable, NULL);
	LIST_INSERT_HEAD(&table[id % BUCKETS], l, entry);
	lane_connect(l);
}

/* What OPEN and END of a worker would have said. */
struct lane *
lane_probe(uint32_t id, uint64_t no)
{
	uint8_t		 open[17];
	struct lane	*l;
	int		 i;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		fatalx("out of memory");
	memset(open, 0, sizeof(open));
	for (i = 0; i < 8; i++)
		open[i] = (uint8_t)(no >> (56 - 8 * i));
	l->id = id;
	l->fd = -1;
	l->no = no;
	l->armed = UINT64_MAX;
	l->timer = egress_event(-1, 0, on_timer, l);
	l->offer = offer_new(open, sizeof(open));
	l->body = BODY_END;
	tail_init(&l->tail);
	tail_end(&l->tail);
	LIST_INSERT_HEAD(&table[id % BUCKETS], l, entry);
	return l;
}

void
lane_close(struct lane *l, const char *why)
{
	if (l->dead)
		return;
	l->dead = 1;
	log_debug("link %u: %s", l->id, why);
	LIST_REMOVE(l, entry);
	LIST_INSERT_HEAD(&graves, l, entry);
	if (l->x != NULL)
		exchange_end(l, END_ABORTED, CLOSER_CLIENT, 0, 0, why);
	if (l->up != NULL || l->state != LANE_DOWN)
		lane_disconnect(l, END_ABORTED, why);
	lane_discard(l);
	if (l->fd != -1) {
		event_free(l->readable);
		event_free(l->writable);
		close(l->fd);
		nlinks--;
	}
	event_free(l->timer);
	l->fd = -1;
	egress_upstream(l->id, 2, END_OK, "");
}

void
lane_reap(void)
{
	struct lane	*l;

	while ((l = LIST_FIRST(&graves)) != NULL) {
		LIST_REMOVE(l, entry);
		buf_reset(&l->out);
		free(l->in);
		free(l);
	}
}

void
lane_orphans(void)
{
	struct lane	*l, *next;
	size_t		 i;

	for (i = 0; i < BUCKETS; i++)
		for (l = LIST_FIRST(&table[i]); l != NULL; l = next) {
			next = LIST_NEXT(l, entry);
			if (l->x == NULL)
				lane_close(l, "the broker is gone");
		}
}

void
lane_redial(void)
{
	struct lane	*l;
	size_t		 i;

	for (i = 0; i < BUCKETS; i++)
		LIST_FOREACH(l, &table[i], entry)
			if (l->state == LANE_DIALLING)
				(void)egress_dial(l->id);
}

static int
is_live(const struct lane *l)
{
	return l->x != NULL && l->x->matched;
}

/* ---- the body that waits ----------------------------------------------- */

static void
hold_reset(struct lane *l)
{
	egress_held -= l->hold.len;
	buf_reset(&l->hold);
}

static void
hold_add(struct lane *l, const uint8_t *p, size_t n)
{
	size_t	 before;

	before = l->hold.len;
	if (l->hold.len + n > HOLD_CAP && l->hold.off > 0) {
		buf_compact(&l->hold);
		if (l->x != NULL)
			l->x->noreplay = 1;
	}
	buf_add(&l->hold, p, n);
	egress_held += l->hold.len;
	egress_held -= before;
}

void
lane_discard(struct lane *l)
{
	hold_reset(l);
	free(l->offer);
	l->offer = NULL;
	if (l->body == BODY_OPEN)
		l->skip = 1;
	else
		l->body = BODY_NONE;
}

void
lane_rewind(struct lane *l)
{
	l->hold.off = 0;
	tail_rewind(&l->tail);
}

/* Then the worker has to wait. */
static int
is_full(const struct lane *l)
{
	size_t	 n;

	n = buf_left(&l->hold);
	if (l->body != BODY_OPEN || l->skip || n == 0)
		return 0;
	if (!is_live(l) && egress_held > EGRESS_HELD)
		return 1;
	return n >= EGRESS_HOLD;
}

/* ---- frames of the worker ---------------------------------------------- */

static int
on_open(struct lane *l, const struct link_frame *f)
{
	struct offer	*o;

	if (is_live(l))
		return -1;
	o = offer_new(f->data, f->len);
	if (o == NULL || o->no <= l->no) {
		free(o);
		return -1;
	}
	if (l->x != NULL && l->x->rel.no < o->no)
		exchange_end(l, END_ABORTED, CLOSER_CLIENT, 0, 0,
		    "the worker went on to another call");
	lane_discard(l);
	l->no = o->no;
	l->offer = o;
	l->body = BODY_OPEN;
	l->skip = 0;
	tail_init(&l->tail);
	if (o->no <= l->dropped || o->no <= l->settled ||
	    (l->x != NULL && l->x->rel.no != o->no)) {
		lane_discard(l);
		return 0;
	}
	lane_connect(l);
	if (l->x != NULL)
		exchange_match(l);
	return 0;
}

/* The record and the body are compared as soon as both are known. */
static void
compare(struct lane *l)
{
	if (!is_live(l) || tail_check(&l->tail) != -1)
		return;
	log_warnx("ALARM: link %u, worker instance %llu, call %llu: the body "
	    "differs from its record", l->id, (unsigned long long)l->instance,
	    (unsigned long long)l->no);
	exchange_end(l, END_MISMATCH, CLOSER_EGRESS, 0, 502,
	    "the request body differs from the recorded one");
}

static int
on_data(struct lane *l, const struct link_frame *f)
{
	if (l->body != BODY_OPEN)
		return -1;
	if (l->skip || f->len == 0)
		return 0;
	tail_add(&l->tail, f->data, f->len);
	hold_add(l, f->data, f->len);
	compare(l);
	return 0;
}

static int
on_end(struct lane *l, const struct link_frame *f)
{
	if (l->body != BODY_OPEN || f->len != 0)
		return -1;
	if (l->skip) {
		l->body = BODY_NONE;
		l->skip = 0;
		return 0;
	}
	l->body = BODY_END;
	tail_end(&l->tail);
	compare(l);
	return 0;
}

static int
on_abort(struct lane *l, const struct link_frame *f)
{
	if (f->len != 0)
		return -1;
	if (is_live(l))
		exchange_end(l, END_ABORTED, CLOSER_CLIENT, 0, 502,
		    "the worker ended the call");
	lane_discard(l);
	l->body = BODY_NONE;
	l->skip = 0;
	return 0;
}

static const struct {
	int	(*fn)(struct lane *, const struct link_frame *);
} handlers[] = {
	[LF_OPEN] = { on_open },
	[LF_DATA] = { on_data },
	[LF_END] = { on_end },
	[LF_ABORT] = { on_abort },
	[LF_HEAD] = { NULL },
	[LF_ERROR] = { NULL },
};

/* Takes frames; 1 if more may wait because the hold is full. */
static int
frames(struct lane *l)
{
	struct link_frame	 f;
	int			 r;

	while (l->in != NULL && !is_full(l)) {
		r = link_next(l->in, &f);
		if (r == 0)
			return 0;
		if (r == -1 || handlers[f.type].fn == NULL ||
		    handlers[f.type].fn(l, &f) == -1) {
			log_warnx("link %u, worker instance %llu: bad frame",
			    l->id, (unsigned long long)l->instance);
			lane_close(l, "bad frame");
			return 0;
		}
		if (l->dead)
			return 0;
	}
	return is_full(l);
}

void
lane_pump(struct lane *l)
{
	int	 blocked;

	do {
		blocked = frames(l);
		if (l->dead)
			return;
		if (is_live(l) && l->state == LANE_UP && !l->x->started)
			exchange_start(l);
		if (!l->dead && is_live(l))
			exchange_send(l);
		if (l->dead)
			return;
	} while (blocked && !is_full(l));
	if (blocked && !l->paused)
		event_del(l->readable);
	else if (!blocked && l->paused)
		event_add(l->readable, NULL);
	l->paused = blocked;
	lane_slim(l);
	lane_arm(l);
}

/* ---- frames to the worker ---------------------------------------------- */

static void
on_writable(int fd, short what, void *arg)
{
	struct lane	*l;

	(void)fd;
	(void)what;
	l = arg;
	lane_flush(l);
	if (!l->dead && is_live(l) && l->x->stalled)
		exchange_recv(l);
	if (!l->dead)
		lane_pump(l);
}

/* ---- the broker says --------------------------------------------------- */

/* Its OPEN came and went, or never can come any more. */
static int
is_past(const struct lane *l, uint64_t no)
{
	return no <= l->dropped || no <= l->settled || l->no > no ||
	    (l->no == no && l->offer == NULL);
}

void
lane_release(struct lane *l, const struct release *r, struct mask_key *key)
{
	static const uint8_t	 none[SHA256_LEN];

	if (l->x != NULL && l->x->parked && l->x->rel.no == r->no &&
	    memcmp(l->x->rel.id, r->id, sizeof(r->id)) == 0) {
		exchange_again(l, r, key);
		if (!l->dead)
			lane_pump(l);
		return;
	}
	if (l->x != NULL || is_past(l, r->no)) {
		egress_done(r, NULL, END_ABORTED, CLOSER_CLIENT, 0, none,
		    l->x != NULL ? "the link has another call" :
		    "the worker ended the call");
		egress_unkey(key);
		if (r->no > l->settled && l->x == NULL)
			l->settled = r->no;
		return;
	}
	l->x = exchange_new(r, key);
	egress_count(1);
	if (l->offer != NULL && l->offer->no != r->no)
		lane_discard(l);
	if (l->offer != NULL)
		exchange_match(l);
	if (!l->dead)
		lane_pump(l);
}

void
lane_drop(struct lane *l, uint64_t no)
{
	if (no > l->dropped)
		l->dropped = no;
	if (is_live(l) && l->x->parked && l->x->rel.no == no) {
		exchange_refused(l);
		if (!l->dead)
			lane_pump(l);
		return;
	}
	if (l->offer == NULL || l->offer->no > no || is_live(l))
		return;
	lane_discard(l);
	lane_pump(l);
}

void
lane_cut(struct lane *l, uint64_t no, int cut)
{
	int	 end, closer;

	if (l->x == NULL || l->x->rel.no != no)
		return;
	end = cut == CUT_CANCELLED ? END_CANCELLED : END_CUT;
	closer = cut == CUT_CANCELLED ? CLOSER_CLIENT : CLOSER_BROKER;
	exchange_end(l, end, closer, 0, 503, "the call was cut");
	if (!l->dead)
		lane_pump(l);
}

/* ---- the connection ---------------------------------------------------- */

static void
on_opened(void *arg, int end, const char *text)
{
	struct lane	*l;
	char		 why[EGRESS_TEXT];

	l = arg;
	if (end != END_OK) {
		snprintf(why, sizeof(why), "%s", text);	/* goes with up */
		upstream_close(&l->up);
		lane_failed(l, end, why);
		return;
	}
	l->state = LANE_UP;
	l->born = l->used = poll_now();
	egress_upstream(l->id, 1, END_OK, "");
	if (is_live(l))
		exchange_start(l);
	if (!l->dead)
		lane_pump(l);
}

/* Idle: whatever the provider says now is not an answer. */
static void
on_ready(void *arg, int writable)
{
	struct lane	*l;
	uint8_t		 byte;
	size_t		 n;

	l = arg;
	if (is_live(l) && l->x->started) {
		if (writable)
			exchange_send(l);
		if (is_live(l) && l->x->started)
			exchange_recv(l);
		if (!l->dead)
			lane_pump(l);
		return;
	}
	if (is_live(l) && !l->x->parked) {
		exchange_look(l);	/* counts its attempts */
		if (!l->dead)
			lane_pump(l);
		return;
	}
	if (upstream_recv(l->up, &byte, sizeof(byte), &n) == UPSTREAM_AGAIN)
		return;
	lane_disconnect(l, END_OK, "closed while idle");
	if (is_live(l))
		lane_connect(l);
	lane_pump(l);
}

/* Frames that wait are the caller's. */
static void
no_connection(struct lane *l, int end, const char *text)
{
	l->state = LANE_DOWN;
	egress_upstream(l->id, 0, end, text);
	if (is_live(l))
		exchange_nocon(l, end, text);
}

void
lane_connect(struct lane *l)
{
	if (l->dead || l->state != LANE_DOWN)
		return;
	l->state = LANE_DIALLING;
	l->born = poll_now();
	/* Without a dial it waits for the next one, see lane_redial. */
	(void)egress_dial(l->id);
	lane_arm(l);
}

void
lane_connected(struct lane *l, int fd)
{
	if (l->state != LANE_DIALLING) {
		close(fd);
		return;
	}
	l->state = LANE_OPENING;
	l->up = upstream_open(&egress_conf.target, fd, on_opened, on_ready, l);
	if (l->up == NULL)
		lane_failed(l, END_CONNECT, "out of memory");
}

void
lane_failed(struct lane *l, int end, const char *text)
{
	if (l->state == LANE_DOWN || l->state == LANE_UP)
		return;
	no_connection(l, end, text);
	if (!l->dead)
		lane_pump(l);
}

void
lane_disconnect(struct lane *l, int end, const char *text)
{
	int	 was;

	was = l->state == LANE_UP;
	upstream_close(&l->up);
	l->state = LANE_DOWN;
	if (was)
		egress_upstream(l->id, 0, end, text);
}

/* ---- time -------------------------------------------------------------- */

static uint64_t
due(const struct lane *l)
{
	uint64_t	 t, d;

	t = l->x != NULL ? exchange_due(l) : UINT64_MAX;
	d = UINT64_MAX;
	if (l->state == LANE_DIALLING)
		d = l->born + EGRESS_DIAL;
	else if (l->state == LANE_UP && l->x == NULL) {
		d = l->used + EGRESS_IDLE;
		if (d > l->born + EGRESS_LIFE)
			d = l->born + EGRESS_LIFE;
	}
	return t < d ? t : d;
}

void
lane_arm(struct lane *l)
{
	struct timeval	 tv;
	uint64_t	 at, now;

	if (l->dead)
		return;
	at = due(l);
	if (at >= l->armed)
		return;
	now = poll_now();
	l->armed = at;
	at = at > now ? (at - now) / 1000 + 1 : 0;
	tv.tv_sec = (time_t)(at / 1000000);
	tv.tv_usec = (suseconds_t)(at % 1000000);
	event_add(l->timer, &tv);
}

static void
on_timer(int fd, short what, void *arg)
{
	struct lane	*l;
	uint64_t	 now;

	(void)fd;
	(void)what;
	l = arg;
	l->armed = UINT64_MAX;
	now = poll_now();
	if (l->state == LANE_DIALLING && now >= l->born + EGRESS_DIAL)
		lane_failed(l, END_TIMEOUT, egress_dials() ?
		    "no connection in time" : "nothing can be dialled");
	else if (l->state == LANE_UP && l->x == NULL && now >= due(l))
		lane_disconnect(l, END_OK, "retired");
	if (!l->dead && l->x != NULL)
		exchange_late(l, now);
	if (!l->dead)
		lane_pump(l);
}
