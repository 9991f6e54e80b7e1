/* SPDX-License-Identifier: ISC */
/*
 * Egress processes and the provider behind each.  The rule that binds a body
 * to its record is the real one (tail.c); frames, hold, DROP and the end of a
 * call follow lane.c and exchange.c.  The provider keeps the bytes it got and
 * is looked at when a request is complete.
 */
#include <string.h>

#include "common/text/sha256.h"
#include "regress/sim/sim.h"

static struct mlane *
find(struct eg *g, uint32_t id)
{
	int	 i;

	for (i = 0; i < NLANES; i++)
		if (g->lane[i].used && g->lane[i].id == id)
			return &g->lane[i];
	return NULL;
}

static uint32_t
row_of(const struct eg *g)
{
	return (uint32_t)(g - sim->eg);
}

static void
discard(struct mlane *l)
{
	l->offer = 0;
	if (l->body == BODY_OPEN)
		l->skip = 1;
	else
		l->body = BODY_NONE;
}

static void
report(struct eg *g, uint16_t type, const struct release *r,
    const struct mlane *l, int end, uint16_t status)
{
	struct msgw	 w;
	uint8_t		 none[32];

	memset(none, 0, sizeof(none));
	msg_open(&w, type);
	msg_put_u32(&w, r->link);
	msg_put_u64(&w, r->no);
	msg_put_raw(&w, r->id, CALL_ID);
	msg_put_u8(&w, (uint8_t)end);
	msg_put_u16(&w, status);
	msg_put_u64(&w, l == NULL ? 0 : l->gotlen);
	msg_put_u64(&w, end == END_OK ? 100 : 0);
	msg_put_raw(&w, l == NULL ? none : l->tail.want, 32);
	msg_put_raw(&w, none, 32);
	msg_put_u64(&w, end == END_OK ? sim->now : 0);
	msg_put_u64(&w, sim->now);
	msg_put_u8(&w, CLOSER_PROVIDER);
	msg_put_u8(&w, 0);
	msg_put_str(&w, "");
	msg_put_str(&w, "");
	conn_send(g->conn, &w);
}

static void
send_done(struct eg *g, const struct release *r, const struct mlane *l,
    int end, uint16_t status)
{
	if (end == END_MISMATCH)
		fault(F_MISMATCH);
	report(g, M_DONE, r, l, end, status);
}

static void
frame(struct mlane *l, enum link_type type, uint64_t no)
{
	struct slink	*s;
	struct ev	*e;

	s = &sim->slink[l->slink];
	if (!s->eopen)
		return;
	s->ew = sim->now + pause_ns() > s->ew ? sim->now + pause_ns() : s->ew;
	e = later(s->ew, EV_EW, l->slink, 0, NULL, 0);
	e->type = (uint16_t)type;
	e->no = no;
}

static void
finish(struct eg *g, struct mlane *l, int end, uint16_t status)
{
	int	 i;

	frame(l, end == END_OK ? LF_END : LF_ERROR, l->rel.no);
	send_done(g, &l->rel, l, end, status);
	if (l->rel.no > l->settled)
		l->settled = l->rel.no;
	l->live = 0;
	if (l->matched)
		discard(l);
	l->matched = l->answering = l->parked = 0;
	/* without a broker: the last call ends the process */
	for (i = 0; g->orphan && i < NLANES; i++)
		if (g->lane[i].used && g->lane[i].live)
			return;
	if (g->orphan)
		egress_kill(row_of(g));
}

static void
close_lane(struct eg *g, struct mlane *l, int told)
{
	struct slink	*s;
	struct msgw	 w;

	if (!l->used)
		return;
	l->used = 0;
	s = &sim->slink[l->slink];
	s->eopen = 0;
	if (!told) {
		s->ew = sim->now + pause_ns() > s->ew ?
		    sim->now + pause_ns() : s->ew;
		(void)later(s->ew, EV_EW_LOST, l->slink, 0, NULL, 0);
	}
	if (l->live) {
		l->live = 0;
		send_done(g, &l->rel, l, END_ABORTED, 0);
	}
	/* the broker's row of the link is free from here on only */
	msg_open(&w, M_UPSTREAM);
	msg_put_u32(&w, l->id);
	msg_put_u8(&w, 2);
	msg_put_u8(&w, END_ABORTED);
	msg_put_str(&w, "");
	conn_send(g->conn, &w);
}

/* ---- towards the provider ------------------------------------------------ */
static void
answer_later(struct eg *g, struct mlane *l)
{
	struct ev	*e;
	uint64_t	 t;

	l->answering = 1;
	t = often(90) ? chance(400) * NS_MS : chance(40000) * NS_MS;
	if (!sim->draining && often(1))
		t = 700 * NS_S;
	e = later(sim->now + t, EV_ANSWERED, row_of(g), l->id, NULL, 0);
	e->no = l->rel.no;
	e->extra = g->inst;
}

/*
 * The first byte's deadline.  It is needed where an egress lied: DROP after a
 * false REFUSED throws away the OPEN of what was released; after a false DONE
 * nobody decides about what is parked.
 */
static void
starve(struct eg *g, struct mlane *l)
{
	struct ev	*e;

	if (l->answering)
		return;
	l->answering = 1;
	e = later(sim->now + DL_FIRST_BYTE, EV_ANSWERED, row_of(g), l->id,
	    NULL, 0);
	e->no = l->rel.no;
	e->extra = g->inst;
}

static void
pump(struct eg *g, struct mlane *l)
{
	uint64_t	 n;

	if (!l->live || !l->matched || l->complete || l->parked)
		return;
	if (tail_check(&l->tail) == -1) {
		finish(g, l, END_MISMATCH, 0);
		return;
	}
	n = tail_may(&l->tail);
	if (l->gotlen + n > sizeof(l->got) || l->gotlen + n > l->tail.seen)
		finding("the egress sends what it does not have");
	memcpy(l->got + l->gotlen, l->hold + l->gotlen, (size_t)n);
	l->gotlen += (size_t)n;
	tail_pass(&l->tail, n);
	if (l->gotlen != l->rel.length || !l->tail.ok)
		return;
	l->complete = 1;
	totals.completes++;
	check_provider(l);
	answer_later(g, l);
}

static void
match(struct eg *g, struct mlane *l)
{
	l->matched = 1;
	l->gotlen = 0;
	l->complete = 0;
	tail_bind(&l->tail, l->rel.length, l->rel.digest);
	if (sim->now >= l->rel.deadline) {
		finish(g, l, END_TIMEOUT, 0);
		return;
	}
	if (l->offered != l->rel.length) {
		finish(g, l, END_MISMATCH, 0);
		return;
	}
	pump(g, l);
}

/* 401: the whole body stays, the broker says how it goes on. */
static void
park(struct eg *g, struct mlane *l)
{
	fault(F_REFUSED);
	l->parked = 1;
	l->answering = 0;
	starve(g, l);
	report(g, M_REFUSED, &l->rel, l, END_AUTH, 401);
}

/* RELEASE for what is parked: the same request, another credential. */
static void
again(struct eg *g, struct mlane *l, const struct release *r)
{
	if (r->length != l->rel.length ||
	    memcmp(r->digest, l->rel.digest, 32) != 0)
		finding("the second RELEASE names another request");
	l->rel = *r;
	l->parked = l->complete = l->answering = 0;
	l->second = 1;
	l->gotlen = 0;
	tail_rewind(&l->tail);
	pump(g, l);
}

void
egress_answered(struct ev *e)
{
	static const struct {
		int		 end;
		uint16_t	 status;
	} bad[] = {
		{ END_TRUNCATED, 200 }, { END_AUTH, 401 }, { END_TIMEOUT, 0 },
		{ END_FRAMING, 0 }, { END_OK, 500 }, { END_TLS, 0 },
	};
	struct eg	*g;
	struct mlane	*l;
	uint32_t	 i;

	g = &sim->eg[e->a];
	if (!g->alive || g->inst != e->extra)
		return;
	l = find(g, e->b);
	if (l == NULL || !l->live || l->rel.no != e->no || !l->answering)
		return;
	if (!l->matched || l->parked) {
		finish(g, l, END_TIMEOUT, 0);
		return;
	}
	if (!often(l->second ? 30 : 15)) {
		finish(g, l, END_OK, 200);
		return;
	}
	fault(F_BAD_ANSWER);
	i = chance(sizeof(bad) / sizeof(bad[0]));
	if ((bad[i].status == 401 || often(30)) && !l->second) {
		park(g, l);
		return;
	}
	finish(g, l, bad[i].end, bad[i].status);
}

/* ---- frames of a worker -------------------------------------------------- */
static int
on_open(struct eg *g, struct mlane *l, const struct ev *e)
{
	if ((l->live && l->matched) || e->no <= l->no)
		return -1;
	if (l->live && l->rel.no < e->no)
		finish(g, l, END_ABORTED, 0);
	discard(l);
	l->no = e->no;
	l->offered = (uint64_t)e->extra;
	l->offer = 1;
	l->body = BODY_OPEN;
	l->skip = 0;
	tail_init(&l->tail);
	if (e->no <= l->dropped || e->no <= l->settled ||
	    (l->live && l->rel.no != e->no)) {
		discard(l);
		return 0;
	}
	if (l->live)
		match(g, l);
	return 0;
}

static int
on_data(struct eg *g, struct mlane *l, const struct ev *e)
{
	if (l->body != BODY_OPEN)
		return -1;
	if (l->skip || e->len == 0)
		return 0;
	if (l->tail.seen + e->len > sizeof(l->hold))
		return -1;
	memcpy(l->hold + l->tail.seen, e->data, e->len);
	tail_add(&l->tail, e->data, e->len);
	pump(g, l);
	return 0;
}

static int
on_end(struct eg *g, struct mlane *l)
{
	if (l->body != BODY_OPEN)
		return -1;
	if (l->skip) {
		l->body = BODY_NONE;
		l->skip = 0;
		return 0;
	}
	l->body = BODY_END;
	tail_end(&l->tail);
	pump(g, l);
	return 0;
}

void
egress_frame(struct ev *e)
{
	struct slink	*s;
	struct mlane	*l;
	struct eg	*g;
	int		 rc;

	s = &sim->slink[e->a];
	g = &sim->eg[s->egress];
	if (!s->eopen || !g->alive)
		return;
	l = find(g, s->id);
	if (l == NULL)
		finding("a frame before its link");
	switch (e->type) {
	case LF_OPEN: rc = on_open(g, l, e); break;
	case LF_DATA: rc = on_data(g, l, e); break;
	case LF_END: rc = on_end(g, l); break;
	case LF_ABORT:
		rc = 0;
		if (l->live && l->matched)
			finish(g, l, END_ABORTED, 0);
		discard(l);
		l->body = BODY_NONE;
		l->skip = 0;
		break;
	default: rc = -1;
	}
	if (rc == -1)
		close_lane(g, l, 0);
}

void
egress_slink_lost(uint32_t slink)
{
	struct slink	*s;
	struct mlane	*l;
	struct eg	*g;

	s = &sim->slink[slink];
	g = &sim->eg[s->egress];
	if (!s->eopen || !g->alive)
		return;
	l = find(g, s->id);
	if (l != NULL)
		close_lane(g, l, 1);
	s->eopen = 0;
}

/* ---- messages of the broker ---------------------------------------------- */
static void
on_linked(struct eg *g, struct msgr *m, uint32_t slink)
{
	struct mlane	*l;
	int		 i;

	for (i = 0; i < NLANES && g->lane[i].used; i++)
		;
	if (i == NLANES)
		finding("too many lanes");
	l = &g->lane[i];
	memset(l, 0, sizeof(*l));
	l->used = 1;
	l->slink = slink;
	l->id = msg_get_u32(m);
	if (!sim->slink[slink].eopen)
		finding("a link that was closed before it was there");
}

static void
on_release(struct eg *g, struct msgr *m)
{
	struct release	 r;
	struct mlane	*l;

	if (release_read(m, &r) == -1)
		finding("RELEASE is malformed");
	if (r.provider != g->provider)
		finding("RELEASE for another provider");
	l = find(g, r.link);
	r.cred = NULL;
	if (l != NULL && l->live && l->parked && l->rel.no == r.no &&
	    memcmp(l->rel.id, r.id, CALL_ID) == 0) {
		again(g, l, &r);
		return;
	}
	if (l == NULL || l->live || r.no <= l->dropped ||
	    r.no <= l->settled || r.no < l->no ||
	    (r.no == l->no && !l->offer)) {
		send_done(g, &r, NULL, END_ABORTED, 0);
		if (l != NULL && !l->live && r.no > l->settled)
			l->settled = r.no;
		return;
	}
	l->rel = r;
	l->live = 1;
	l->matched = l->answering = l->complete = 0;
	l->parked = l->second = 0;
	l->gotlen = 0;
	if (l->offer && l->no != r.no)
		discard(l);
	if (l->offer)
		match(g, l);
}

void
egress_down(uint32_t row, struct ev *e)
{
	struct eg	*g;
	struct mlane	*l;
	struct msgr	 m;
	uint64_t	 no;

	g = &sim->eg[row];
	if (!g->alive || g->conn != e->a)
		return;
	msg_read(&m, e->type, e->data, e->len);
	if (e->type == M_EG_LINKED) {
		on_linked(g, &m, e->extra);
		return;
	}
	if (e->type == M_RELEASE) {
		on_release(g, &m);
		return;
	}
	l = find(g, msg_get_u32(&m));
	no = msg_get_u64(&m);
	if (l == NULL)
		return;
	if (e->type == M_DROP) {
		if (no > l->dropped)
			l->dropped = no;
		if (l->live && l->parked && l->rel.no == no)
			finish(g, l, END_AUTH, 401);
		else if (l->live && !l->matched && l->rel.no == no)
			starve(g, l);
		if (l->offer && l->no <= no && !(l->live && l->matched))
			discard(l);
	} else if (e->type == M_EG_CUT && l->live && l->rel.no == no)
		finish(g, l, END_CUT, 0);
}

/* ---- life ---------------------------------------------------------------- */
void
egress_spawned(uint16_t provider)
{
	struct eg	*g;
	uint32_t	 i;

	for (i = 0; i < NEGRESS && sim->eg[i].alive; i++)
		;
	if (i == NEGRESS)
		finding("too many egresses");
	g = &sim->eg[i];
	memset(g, 0, sizeof(*g));
	g->alive = 1;
	g->inst = ++sim->inst;
	g->provider = provider;
	(void)later(sim->now + pause_ns(), EV_EGRESS_PEER, i, g->inst, NULL,
	    0);
}

void
egress_connect(uint32_t row, uint32_t inst)
{
	struct eg	*g;
	struct msgw	 w;

	g = &sim->eg[row];
	if (!g->alive || g->inst != inst || sim->b == NULL)
		return;
	g->conn = conn_new(FROM_EGRESS, row);
	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_EGRESS);
	msg_put_u16(&w, g->provider);
	msg_put_u32(&w, g->inst);
	world_parent(&w, (int)(FD_BASE + g->conn));
}

void
egress_broker_lost(uint32_t row)
{
	struct eg	*g;
	int		 i, live;

	g = &sim->eg[row];
	if (!g->alive)
		return;
	g->orphan = 1;
	for (i = live = 0; i < NLANES; i++)
		if (g->lane[i].used && g->lane[i].live &&
		    !g->lane[i].parked)
			live = 1;
		else
			close_lane(g, &g->lane[i], 0);
	if (!live)
		egress_kill(row);
}

void
egress_kill(uint32_t row)
{
	struct eg	*g;
	int		 i;

	g = &sim->eg[row];
	if (!g->alive)
		return;
	g->alive = 0;
	for (i = 0; i < NLANES; i++) {
		g->lane[i].live = 0;
		if (g->lane[i].used) {
			g->lane[i].used = 0;
			sim->slink[g->lane[i].slink].eopen = 0;
			(void)later(sim->now + pause_ns(), EV_EW_LOST,
			    g->lane[i].slink, 0, NULL, 0);
		}
	}
	conn_lost(g->conn);
	if (!g->orphan)
		(void)later(sim->now + pause_ns(), EV_EGRESS_SPAWN,
		    g->provider, sim->life, NULL, 0);
}

/* Some call; half of the time one in a rare state, if there is one. */
static struct call *
some_call(void)
{
	struct call	*c, *best;
	uint32_t	 i, at;
	int		 rare;

	best = NULL;
	rare = often(65);
	at = chance(sim->b->high);
	for (i = 0; i < sim->b->high; i++) {
		c = &sim->b->calls[(at + i) % sim->b->high];
		if (c->state == CS_FREE || c->ask.kind == KIND_LIST)
			continue;
		if (rare && (c->state == CS_WAITCRED ||
		    c->state == CS_AMENDING))
			return c;
		if (best == NULL)
			best = c;
	}
	return best;
}

/* An egress gone wrong: DONE or REFUSED for a call in whatever state. */
void
egress_stray(void)
{
	struct release	 r;
	struct call	*c;
	struct eg	*g;
	uint32_t	 i;
	int		 refused;

	if (sim->b == NULL || sim->b->live == 0)
		return;
	c = some_call();
	if (c == NULL)
		return;
	for (i = 0; i < NEGRESS; i++) {
		g = &sim->eg[i];
		if (!g->alive || g->orphan || g->conn == 0 ||
		    (c->ask.link != 0 && g->provider != c->ask.provider))
			continue;
		refused = often(50);
		fault(refused ? F_STRAY_REFUSED : F_STRAY_DONE);
		memset(&r, 0, sizeof(r));
		r.link = c->ask.link;
		r.no = c->ask.no;
		memcpy(r.id, c->id, sizeof(r.id));
		if (refused)
			report(g, M_REFUSED, &r, NULL, END_AUTH, 401);
		else
			send_done(g, &r, NULL, END_OK, 200);
		return;
	}
}

/*
 * A body that waits for a call which is over has had its DROP, or it is under
 * way: nothing of it may be left once the link from the broker is empty.
 */
static void
check_lane(const struct eg *g, const struct mlane *l)
{
	const struct slink	*s;
	const struct worker	*bw;
	const struct call	*c;
	const struct wk		*w;

	s = &sim->slink[l->slink];
	w = &sim->wk[s->worker];
	if (!l->offer || (l->live && l->matched) || w->hostile ||
	    !w->alive || !s->wopen || !s->eopen || sim->b == NULL ||
	    w->conn == 0 || !sim->conn[w->conn].bopen ||
	    sim->conn[w->conn].life != sim->life ||
	    sim->conn[g->conn].life != sim->life ||
	    sim->conn[w->conn].up >= sim->now ||
	    sim->conn[g->conn].down >= sim->now)
		return;
	bw = &sim->b->workers[sim->conn[w->conn].index];
	if (l->no > bw->last_no)
		return;
	c = table_find(sim->b, sim->conn[w->conn].index, l->no);
	if (c == NULL || c->state == CS_CLOSING)
		finding("call %llu of link %u (worker %u) is over, its body "
		    "still waits", (unsigned long long)l->no, l->id,
		    sim->conn[w->conn].index);
}

void
egress_check(void)
{
	struct eg	*g;
	int		 i, k;

	for (i = 0; i < NEGRESS; i++) {
		g = &sim->eg[i];
		if (!g->alive || g->orphan || g->conn == 0)
			continue;
		for (k = 0; k < NLANES; k++)
			if (g->lane[k].used)
				check_lane(g, &g->lane[k]);
	}
}
