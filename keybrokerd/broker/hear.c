/* SPDX-License-Identifier: ISC */
/*
 * Messages of workers and egresses about calls: parsed and bounded here, then
 * run through the table of call.c.  A worker's numbers are strictly increasing
 * over all its links; a link carries one call at a time and serves its own
 * worker only.  Also the events that concern many calls at once.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text/sha256.h"
#include "keybrokerd/broker/broker.h"

static void
bad(struct broker *b, uint16_t worker, uint64_t no, uint16_t type,
    const char *text, struct outbox *o)
{
	struct broker_from	 from;

	memset(&from, 0, sizeof(from));
	from.kind = FROM_WORKER;
	from.index = worker;
	broker_error(b, &from, no, type, text, o);
}

/* ---- parsing ----------------------------------------------------------- */
static int
parse_admit(struct msgr *m, struct ask *a)
{
	memset(a, 0, sizeof(*a));
	a->no = msg_get_u64(m);
	a->token = msg_get_strv(m, TOKEN_MAX, &a->tokenlen);
	a->flags = msg_get_u32(m);
	a->route = msg_get_u16(m);
	a->length = msg_get_u64(m);
	msg_get_str(m, a->source, sizeof(a->source));
	return msg_end(m);
}

static int
parse_call(struct msgr *m, struct ask *a)
{
	memset(a, 0, sizeof(*a));
	a->no = msg_get_u64(m);
	a->link = msg_get_u32(m);
	a->token = msg_get_strv(m, TOKEN_MAX, &a->tokenlen);
	a->flags = msg_get_u32(m);
	a->kind = msg_get_u8(m);
	a->dialect = msg_get_u8(m);
	a->route = msg_get_u16(m);
	a->provider = msg_get_u16(m);
	msg_get_str(m, a->model, sizeof(a->model));
	msg_get_str(m, a->method, sizeof(a->method));
	msg_get_str(m, a->path, sizeof(a->path));
	msg_get_str(m, a->query, sizeof(a->query));
	msg_get_str(m, a->ctype, sizeof(a->ctype));
	a->length = msg_get_u64(m);
	msg_get_raw(m, a->sha256, sizeof(a->sha256));
	a->edits = msg_get_u16(m);
	msg_get_str(m, a->session, sizeof(a->session));
	msg_get_str(m, a->source, sizeof(a->source));
	a->max_tokens = msg_get_u64(m);
	a->deadline = msg_get_u64(m);
	return msg_end(m);
}

static int
parse_outcome(struct msgr *m, uint64_t *no, struct outcome *u)
{
	memset(u, 0, sizeof(*u));
	*no = msg_get_u64(m);
	u->end = msg_get_u8(m);
	u->status = msg_get_u16(m);
	u->grade = msg_get_u8(m);
	u->in = msg_get_u64(m);
	u->out = msg_get_u64(m);
	u->cached = msg_get_u64(m);
	u->bytes = msg_get_u64(m);
	if (msg_end(m) == -1)
		return -1;
	return u->end < END_MAX && u->grade <= GRADE_ESTIMATED &&
	    u->status <= 999 ? 0 : -1;
}

static int
parse_done(struct msgr *m, uint32_t *link, uint64_t *no, uint8_t id[CALL_ID],
    struct done *d)
{
	size_t	 n;

	memset(d, 0, sizeof(*d));
	*link = msg_get_u32(m);
	*no = msg_get_u64(m);
	msg_get_raw(m, id, CALL_ID);
	d->end = msg_get_u8(m);
	d->status = msg_get_u16(m);
	d->up = msg_get_u64(m);
	d->down = msg_get_u64(m);
	msg_get_raw(m, d->sha_up, sizeof(d->sha_up));
	msg_get_raw(m, d->sha_down, sizeof(d->sha_down));
	d->first = msg_get_u64(m);
	d->ended = msg_get_u64(m);
	d->closer = msg_get_u8(m);
	d->echoes = msg_get_u8(m);
	(void)msg_get_strv(m, 256, &n);
	(void)msg_get_strv(m, REASON_MAX, &n);
	if (msg_end(m) == -1)
		return -1;
	return d->end < END_MAX && d->closer <= CLOSER_BROKER &&
	    d->status <= 999 ? 0 : -1;
}

/* ---- workers ----------------------------------------------------------- */
/* A call for a new number; NULL: the worker was told. */
static struct call *
open_call(struct broker *b, uint16_t worker, const struct ask *a,
    uint8_t dialect, struct outbox *o)
{
	struct msgw	 w UNSET;
	struct call	*c;
	enum refusal	 r;
	uint8_t		 id[CALL_ID];

	b->env.rng.fill(b->env.rng.arg, id, sizeof(id));
	r = REFUSE_WORKER;
	c = NULL;
	if (b->workers[worker].ncalls < WORKER_CALLS) {
		r = REFUSE_CALLS;
		c = table_new(b, worker, a->no);
	}
	if (c == NULL) {
		b->count.denied++;
		decide_compose(&w, M_DENY, a->no, id, dialect, r, NULL, NULL);
		outbox_send(o, FROM_WORKER, worker, &w);
		return NULL;
	}
	memcpy(c->id, id, sizeof(id));
	return c;
}

/*
 * A number is used.  They rise by at least one a call, so the highest is no
 * less than the calls made: at the end of a life the parent is asked, once, for
 * another worker.  It is not this one's to say.
 */
static void
count_no(struct worker *w, uint64_t no, struct outbox *o)
{
	struct msgw	 m UNSET;

	w->last_no = no;
	if (w->spent || w->life == 0 || no < w->life)
		return;
	w->spent = 1;
	msg_open(&m, M_ASK);
	msg_put_u8(&m, 4);
	msg_put_u16(&m, w->slot);
	msg_put_u32(&m, w->generation);
	outbox_send(o, FROM_PARENT, 0, &m);
}

/* Strictly increasing over all links of the worker. */
static int
next_no(struct broker *b, uint16_t worker, uint64_t no, uint16_t type,
    struct outbox *o)
{
	struct worker	*w;

	w = &b->workers[worker];
	if (no <= w->last_no) {
		bad(b, worker, no, type, "number is not higher than the last",
		    o);
		return -1;
	}
	count_no(w, no, o);
	return 0;
}

static void
on_admit(struct broker *b, uint16_t worker, struct msgr *m, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	struct ask	 a UNSET;

	if (parse_admit(m, &a) == -1) {
		bad(b, worker, 0, m->type, "malformed", o);
		return;
	}
	c = table_find(b, worker, a.no);
	memset(&arg, 0, sizeof(arg));
	arg.ask = &a;
	arg.out = o;
	if (c != NULL) {
		call_event(b, c, CE_ADMIT, &arg);
		return;
	}
	if (next_no(b, worker, a.no, m->type, o) == -1)
		return;
	c = open_call(b, worker, &a, DIALECT_OPENAI, o);
	if (c == NULL)
		return;
	if (a.token != NULL)
		sha256_buf(a.token, a.tokenlen, c->token);
	call_event(b, c, CE_ADMIT, &arg);
}

/* The latest call of this worker on its link, if it is still there. */
static struct call *
on_link(struct broker *b, uint16_t worker, uint32_t link)
{
	struct broker_link	*l;
	struct call		*c;

	l = peers_find(b, worker, link);
	if (l == NULL || l->call == 0)
		return NULL;
	c = &b->calls[l->call - 1];
	return c->state != CS_FREE && c->ask.link == link ? c : NULL;
}

/*
 * A call that still has the link: not answered, not cancelled, not settled, and
 * the worker's last word is not here (COMMITTING of a second attempt that its
 * egress asked for although the answer had gone to the worker).
 */
static int
link_busy(const struct call *c)
{
	switch (c->state) {
	case CS_AMENDING:
	case CS_COMMITTING:
	case CS_WAITCRED:
	case CS_RELEASED:
		return (c->marks & (CM_ANSWERED | CM_CANCELLED |
		    CM_CUT)) == 0 && (c->here & CH_OUTCOME) == 0;
	default:
		return 0;
	}
}

/* CALL after ADMIT: same token, route and length, else it is another call. */
static int
same(const struct call *c, const struct ask *a)
{
	uint8_t	 digest[32];

	memset(digest, 0, sizeof(digest));
	if (a->token != NULL)
		sha256_buf(a->token, a->tokenlen, digest);
	return c->state != CS_ADMITTED || (a->route == c->ask.route &&
	    a->length == c->ask.length &&
	    secret_equal(digest, c->token, sizeof(digest)));
}

/* The body may be at the egress already: a CALL without answer drops it. */
static void
drop_stray(struct broker *b, uint16_t worker, const struct ask *a,
    struct outbox *o)
{
	const struct broker_link	*l;
	const struct egress		*e;
	struct msgw			 w UNSET;

	l = peers_find(b, worker, a->link);
	e = l == NULL ? NULL : peers_egress(b, l->provider);
	if (e == NULL || !e->p.up)
		return;
	msg_open(&w, M_DROP);
	msg_put_u32(&w, a->link);
	msg_put_u64(&w, a->no);
	outbox_send(o, FROM_EGRESS, (uint16_t)(e - b->egress), &w);
}

/* CALL under the number of an ADMIT; NULL: nothing more to do. */
static struct call *
admitted(struct broker *b, uint16_t worker, const struct ask *a,
    uint16_t type, struct outbox *o)
{
	struct call	*c;

	c = table_find(b, worker, a->no);
	if (c == NULL && a->no <= b->workers[worker].last_no) {
		/* Its DENY crossed this message. */
		drop_stray(b, worker, a, o);
		return NULL;
	}
	if (c == NULL || !same(c, a)) {
		bad(b, worker, a->no, type, c == NULL ?
		    "no ADMIT under this number" :
		    "token, route or length differ from ADMIT", o);
		return NULL;
	}
	return c;
}

static void
on_call(struct broker *b, uint16_t worker, struct msgr *m, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c, *other;
	struct ask	 a UNSET;

	if (parse_call(m, &a) == -1) {
		bad(b, worker, 0, m->type, "malformed", o);
		return;
	}
	memset(&arg, 0, sizeof(arg));
	arg.ask = &a;
	arg.out = o;
	other = on_link(b, worker, a.link);
	if (other != NULL && other->ask.no != a.no && link_busy(other)) {
		bad(b, worker, a.no, m->type, "link has a call", o);
		return;
	}
	if (a.flags & CF_ADMITTED)
		c = admitted(b, worker, &a, m->type, o);
	else {
		c = table_find(b, worker, a.no);
		if (c == NULL) {
			if (next_no(b, worker, a.no, m->type, o) == -1)
				return;
			c = open_call(b, worker, &a, a.dialect, o);
			if (c == NULL)
				drop_stray(b, worker, &a, o);
		} else if (c->state == CS_ADMITTED) {
			bad(b, worker, a.no, m->type, "without its flag", o);
			return;
		}
	}
	if (c != NULL)
		call_event(b, c, CE_CALL, &arg);
}

/*
 * AMEND without a call.  On its own link and with a new number, the DENY of
 * that call crossed it: the worker is told, but it is not held against it, and
 * the body that travelled with it goes.
 */
static void
amend_late(struct broker *b, uint16_t worker, const struct ask *a,
    uint16_t type, struct outbox *o)
{
	struct worker	*w;

	w = &b->workers[worker];
	bad(b, worker, a->no, type, "no call on this link", o);
	if (a->no <= w->last_no)
		return;
	count_no(w, a->no, o);
	if (peers_find(b, worker, a->link) == NULL)
		return;
	w->p.errors--;
	drop_stray(b, worker, a, o);
}

/* Same call, next number; the link says which. */
static void
on_amend(struct broker *b, uint16_t worker, struct msgr *m, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	struct ask	 a UNSET;

	if (parse_call(m, &a) == -1) {
		bad(b, worker, 0, m->type, "malformed", o);
		return;
	}
	c = on_link(b, worker, a.link);
	if (c == NULL) {
		amend_late(b, worker, &a, m->type, o);
		return;
	}
	if (c->state == CS_AMENDING &&
	    next_no(b, worker, a.no, m->type, o) == -1)
		return;
	memset(&arg, 0, sizeof(arg));
	arg.ask = &a;
	arg.out = o;
	call_event(b, c, CE_AMEND, &arg);
}

/*
 * The call of a CANCEL or OUTCOME.  One that is over is no error: the
 * broker's last word may have crossed this message.
 */
static struct call *
known(struct broker *b, uint16_t worker, uint64_t no, uint16_t type,
    struct outbox *o)
{
	struct call	*c;

	c = table_find(b, worker, no);
	if (c == NULL && (no == 0 || no > b->workers[worker].last_no))
		bad(b, worker, no, type, "no such call", o);
	return c;
}

static void
on_cancel(struct broker *b, uint16_t worker, struct msgr *m, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	uint64_t	 no;

	no = msg_get_u64(m);
	if (msg_end(m) == -1) {
		bad(b, worker, 0, m->type, "malformed", o);
		return;
	}
	c = known(b, worker, no, m->type, o);
	memset(&arg, 0, sizeof(arg));
	arg.out = o;
	if (c != NULL)
		call_event(b, c, CE_CANCEL, &arg);
}

static void
on_outcome(struct broker *b, uint16_t worker, struct msgr *m,
    struct outbox *o)
{
	struct call_arg	 arg;
	struct outcome	 u;
	struct call	*c;
	uint64_t	 no;

	if (parse_outcome(m, &no, &u) == -1) {
		bad(b, worker, 0, m->type, "malformed", o);
		return;
	}
	c = known(b, worker, no, m->type, o);
	memset(&arg, 0, sizeof(arg));
	arg.outcome = &u;
	arg.out = o;
	if (c != NULL)
		call_event(b, c, CE_OUTCOME, &arg);
}

void
hear_worker(struct broker *b, uint16_t worker, struct msgr *m,
    struct outbox *o)
{
	static const struct {
		uint16_t	 type;
		void		 (*fn)(struct broker *, uint16_t,
				    struct msgr *, struct outbox *);
	} table[] = {
		{ M_ADMIT, on_admit }, { M_CALL, on_call },
		{ M_AMEND, on_amend }, { M_CANCEL, on_cancel },
		{ M_OUTCOME, on_outcome }, { M_LINK, peers_link },
	};
	struct broker_from	 from;
	size_t			 i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].type == m->type) {
			table[i].fn(b, worker, m, o);
			return;
		}
	memset(&from, 0, sizeof(from));
	from.kind = FROM_WORKER;
	from.index = worker;
	admin_message(b, &from, m, o);
}

/* ---- egresses ---------------------------------------------------------- */
/* Nobody waits for this call any more: no second attempt. */
static void
refused_late(uint16_t egress, uint32_t link, uint64_t no, struct outbox *o)
{
	struct msgw	 w UNSET;

	msg_open(&w, M_DROP);
	msg_put_u32(&w, link);
	msg_put_u64(&w, no);
	outbox_send(o, FROM_EGRESS, egress, &w);
}

void
hear_egress(struct broker *b, uint16_t egress, struct msgr *m,
    struct outbox *o)
{
	struct broker_from	 from;
	struct call_arg		 arg;
	struct done		 d;
	struct call		*c;
	uint64_t		 no;
	uint32_t		 link;
	uint8_t			 id[CALL_ID];

	memset(&from, 0, sizeof(from));
	from.kind = FROM_EGRESS;
	from.index = egress;
	if (m->type == M_UPSTREAM) {
		peers_upstream(b, egress, m, o);
		return;
	}
	if (parse_done(m, &link, &no, id, &d) == -1) {
		broker_error(b, &from, 0, m->type, "malformed", o);
		return;
	}
	c = table_find_link(b, link, no);
	if (c == NULL) {
		b->count.late++;
		if (m->type == M_REFUSED)
			refused_late(egress, link, no, o);
		return;
	}
	if (c->egress != egress || c->egress_gen != b->egress[egress].p.gen ||
	    memcmp(id, c->id, CALL_ID) != 0) {
		broker_error(b, &from, no, m->type, "not its call", o);
		return;
	}
	memset(&arg, 0, sizeof(arg));
	arg.done = &d;
	arg.out = o;
	call_event(b, c, m->type == M_REFUSED ? CE_REFUSED : CE_DONE, &arg);
}

/* ---- many calls at once ------------------------------------------------ */
void
call_worker_lost(struct broker *b, uint16_t worker, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	uint32_t	 i;

	memset(&arg, 0, sizeof(arg));
	arg.out = o;
	for (i = 0; i < b->high; i++) {
		c = &b->calls[i];
		if (c->state == CS_FREE || c->worker != worker ||
		    c->worker_gen != b->workers[worker].p.gen)
			continue;
		call_event(b, c, CE_WORKER_LOST, &arg);
		batch_room(b);
	}
}

void
call_egress_lost(struct broker *b, uint16_t egress, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	uint32_t	 i;

	memset(&arg, 0, sizeof(arg));
	arg.out = o;
	for (i = 0; i < b->high; i++) {
		c = &b->calls[i];
		if (c->state == CS_FREE || c->ask.link == 0 ||
		    c->egress != egress ||
		    c->egress_gen != b->egress[egress].p.gen)
			continue;
		call_event(b, c, CE_EGRESS_LOST, &arg);
		batch_room(b);
	}
}

void
call_credential(struct broker *b, uint16_t provider, int ok, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	uint32_t	 i;

	memset(&arg, 0, sizeof(arg));
	arg.ok = ok;
	arg.out = o;
	for (i = 0; i < b->high; i++) {
		c = &b->calls[i];
		if (c->state != CS_WAITCRED || c->ask.provider != provider)
			continue;
		call_event(b, c, CE_CREDENTIAL, &arg);
		batch_room(b);
	}
}

static int
matches(const struct call *c, enum call_match how, const char *what)
{
	switch (how) {
	case MATCH_KEY:
		return strcmp(c->key, what) == 0;
	case MATCH_AGENT:
		return strcmp(c->agent, what) == 0;
	case MATCH_WORKER:
		return (unsigned long)c->worker == strtoul(what, NULL, 10);
	}
	return 0;
}

size_t
call_revoke(struct broker *b, enum call_match how, const char *what,
    enum proto_cut why, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	uint32_t	 i;
	size_t		 n;

	memset(&arg, 0, sizeof(arg));
	arg.cut = why;
	arg.out = o;
	n = 0;
	for (i = 0; i < b->high; i++) {
		c = &b->calls[i];
		if (c->state == CS_FREE || !matches(c, how, what))
			continue;
		call_event(b, c, CE_REVOKED, &arg);
		batch_room(b);
		n++;
	}
	return n;
}
