/* SPDX-License-Identifier: ISC */
/*
 * The clock, chance, what is under way, and the broker's one place to be
 * called from.  Each direction of a link keeps its order; between links
 * anything may overtake anything.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ipc/permit.h"
#include "regress/sim/sim.h"

static void	 turn_soon(void);

/* ---- chance -------------------------------------------------------------- */
static uint64_t
next(uint64_t *s)
{
	uint64_t	 z;

	z = *s += 0x9e3779b97f4a7c15ULL;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint32_t
chance(uint32_t n)
{
	return (uint32_t)((next(&sim->rng) >> 32) % n);
}

int
often(uint32_t percent)
{
	return chance(100) < percent;
}

uint64_t
pause_ns(void)
{
	uint32_t	 r;

	r = chance(1000);
	if (r < 600)
		return chance(200) * 1000ULL;
	if (r < 900)
		return chance(5000) * 1000ULL;
	if (r < 990)
		return chance(200) * NS_MS;
	return chance(3000) * NS_MS;
}

void
fault(enum fault_kind f)
{
	totals.fault[f]++;
	trace("fault: %s", fault_name(f));
}

void
trace(const char *fmt, ...)
{
	va_list	 ap;

	if (!sim->verbose)
		return;
	printf("# %llu.%06llu %llu ", (unsigned long long)(sim->now / NS_S),
	    (unsigned long long)(sim->now % NS_S / 1000),
	    (unsigned long long)sim->step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void
finding(const char *fmt, ...)
{
	va_list	 ap;

	printf("not ok - seed %llu step %llu: ",
	    (unsigned long long)sim->seed, (unsigned long long)sim->step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n# replay: out/sim/sim -s %llu -v\n",
	    (unsigned long long)sim->seed);
	fflush(stdout);
	_exit(1);
}

/* ---- what is under way --------------------------------------------------- */
static int
before(const struct ev *a, const struct ev *b)
{
	return a->t != b->t ? a->t < b->t : a->seq < b->seq;
}

static void
push(struct ev *e)
{
	size_t	 i;

	if (sim->nheap == sim->room) {
		sim->room = sim->room == 0 ? 1024 : 2 * sim->room;
		sim->heap = realloc(sim->heap,
		    sim->room * sizeof(sim->heap[0]));
		if (sim->heap == NULL)
			finding("out of memory");
	}
	for (i = sim->nheap++; i > 0 && before(e, sim->heap[(i - 1) / 2]);
	    i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = e;
}

static struct ev *
pop(void)
{
	struct ev	*top, *e;
	size_t		 i, c;

	top = sim->heap[0];
	e = sim->heap[--sim->nheap];
	for (i = 0; (c = 2 * i + 1) < sim->nheap; i = c) {
		if (c + 1 < sim->nheap &&
		    before(sim->heap[c + 1], sim->heap[c]))
			c++;
		if (before(e, sim->heap[c]))
			break;
		sim->heap[i] = sim->heap[c];
	}
	sim->heap[i] = e;
	return top;
}

struct ev *
later(uint64_t at, enum ev_kind kind, uint32_t a, uint32_t b, const void *p,
    size_t len)
{
	struct ev	*e;

	e = malloc(sizeof(*e) + len);
	if (e == NULL || len > UINT16_MAX)
		finding("out of memory");
	memset(e, 0, sizeof(*e));
	e->t = at;
	e->seq = sim->seq++;
	e->kind = kind;
	e->a = a;
	e->b = b;
	e->len = (uint16_t)len;
	if (len > 0)
		memcpy(e->data, p, len);
	push(e);
	return e;
}

void
world_clear(void)
{
	while (sim->nheap > 0)
		free(pop());
}

/* ---- control links ------------------------------------------------------- */
uint32_t
conn_new(enum from_kind kind, uint32_t peer)
{
	struct conn	*c;
	uint32_t	 i;

	/* never again in this seed: what is under way names it */
	i = ++sim->nconns;
	if (i >= NCONNS)
		finding("no connection left");
	c = &sim->conn[i];
	memset(c, 0, sizeof(*c));
	c->used = c->popen = 1;
	c->kind = kind;
	c->peer = peer;
	c->life = sim->life;
	return i;
}

static uint64_t
in_order(uint64_t *last)
{
	uint64_t	 t;

	t = sim->now + pause_ns();
	if (t < *last)
		t = *last;
	*last = t;
	return t;
}

void
conn_send(uint32_t conn, const struct msgw *w)
{
	struct conn	*c;

	c = &sim->conn[conn];
	if (conn == 0 || !c->used || !c->popen)
		return;
	later(in_order(&c->up), EV_UP, conn, 0, w->buf, w->len)->type =
	    w->type;
}

void
conn_lost(uint32_t conn)
{
	struct conn	*c;

	c = &sim->conn[conn];
	if (conn == 0 || !c->popen)
		return;
	c->popen = 0;
	(void)later(in_order(&c->up), EV_UP_LOST, conn, 0, NULL, 0);
}

void
conn_drop(uint32_t conn)
{
	struct conn	*c;

	c = &sim->conn[conn];
	c->bopen = 0;
	(void)later(in_order(&c->down), EV_DOWN_LOST, conn, 0, NULL, 0);
}

static uint32_t
conn_of(enum from_kind kind, uint16_t index)
{
	uint32_t	 i;

	for (i = 1; i <= sim->nconns; i++)
		if (sim->conn[i].used && sim->conn[i].bopen &&
		    sim->conn[i].life == sim->life &&
		    sim->conn[i].kind == kind && sim->conn[i].index == index)
			return i;
	return 0;
}

uint32_t
world_peer(enum from_kind kind, uint16_t index)
{
	return sim->conn[conn_of(kind, index)].peer;
}

/* ---- what the broker wants done ------------------------------------------ */
static uint32_t	 message_conn;	/* rides with the message at hand */

static void
down(uint32_t conn, uint16_t type, const void *p, size_t len, uint32_t extra)
{
	struct ev	*e;

	e = later(in_order(&sim->conn[conn].down), EV_DOWN, conn, 0, p, len);
	e->type = type;
	e->extra = extra;
}

static void
make_slink(const struct out *it)
{
	struct slink	*s;
	struct msgw	 w;
	uint32_t	 wc, ec;

	wc = conn_of(FROM_WORKER, it->to.index);
	ec = conn_of(FROM_EGRESS, it->egress);
	if (wc == 0 || ec == 0)
		finding("a link for a peer that is not there");
	if (sim->nslinks == NSLINKS)
		finding("no link left");
	s = &sim->slink[sim->nslinks];
	memset(s, 0, sizeof(*s));
	s->id = it->link;
	s->provider = it->provider;
	s->worker = sim->conn[wc].peer;
	s->winst = sim->wk[s->worker].inst;
	s->egress = sim->conn[ec].peer;
	s->wopen = s->eopen = 1;
	msg_open(&w, M_EG_LINKED);
	msg_put_u32(&w, it->link);
	msg_put_u64(&w, it->instance);
	down(ec, w.type, w.buf, w.len, sim->nslinks);
	msg_open(&w, M_LINKED);
	msg_put_u32(&w, it->cookie);
	msg_put_u32(&w, it->link);
	msg_put_u16(&w, it->provider);
	down(wc, w.type, w.buf, w.len, sim->nslinks);
	/* frames come after the descriptor that brings them */
	s->we = sim->conn[ec].down;
	s->ew = sim->conn[wc].down;
	sim->nslinks++;
}

static void
deliver(const struct outbox *o, const struct out *it)
{
	const uint8_t	*p;
	uint32_t	 conn;

	p = o->data + it->off;
	if (it->to.kind == FROM_PARENT) {
		parent_down(it, p);
		return;
	}
	conn = conn_of(it->to.kind, it->to.index);
	if (conn != 0)
		down(conn, it->type, p, it->len, 0);
}

/* Transfers the outbox, in order; also when it is full. */
static void
move(struct outbox *o, void *arg)
{
	const struct out	*it;
	struct conn		*c;
	uint32_t		 conn;
	size_t			 i;

	(void)arg;
	for (i = 0; i < o->n; i++) {
		it = &o->item[i];
		check_out(it, o->data + it->off);
		switch (it->act) {
		case OUT_SEND:
		case OUT_BLOB:
			deliver(o, it);
			break;
		case OUT_LINK:
			make_slink(it);
			break;
		case OUT_ADOPT:
			c = &sim->conn[message_conn];
			if (message_conn == 0)
				finding("a descriptor that was not sent");
			c->bopen = 1;
			c->index = it->to.index;
			message_conn = 0;
			break;
		case OUT_CLOSE:
			conn = conn_of(it->to.kind, it->to.index);
			if (conn != 0)
				conn_drop(conn);
			break;
		}
	}
	outbox_clear(o);
}

void
world_step(enum from_kind kind, uint16_t index, int lost, struct msgr *m,
    int fd)
{
	struct broker_from	 from;

	sim->step++;
	totals.steps++;
	memset(&from, 0, sizeof(from));
	from.kind = kind;
	from.index = index;
	from.lost = lost;
	message_conn = fd > FD_BASE && fd < FD_BASE + NCONNS ?
	    (uint32_t)(fd - FD_BASE) : 0;
	trace("step %d/%u %s %llu", (int)kind, index, lost ? "LOST" :
	    permit_name(m->type), lost || m->len < 8 ? 0ULL :
	    (unsigned long long)m->p[6] << 8 | m->p[7]);
	check_before(kind, index, lost, m);
	sim->o->drain = move;
	broker_step(sim->b, sim->now, sim->wall, &from, m, fd, sim->o);
	move(sim->o, NULL);
	if (message_conn != 0)
		conn_drop(message_conn);
	message_conn = 0;
	check_after();
	turn_soon();
}

void
world_parent(const struct msgw *w, int fd)
{
	struct msgr	 m;

	msg_read(&m, w->type, w->buf, w->len);
	world_step(FROM_PARENT, 0, 0, &m, fd);
}

void
world_tick(void)
{
	sim->step++;
	check_before(FROM_MAX, 0, 0, NULL);
	broker_tick(sim->b, sim->now, sim->wall, sim->o);
	move(sim->o, NULL);
	check_after();
}

void
world_flush(void)
{
	batch_flush(sim->b, sim->o);
	move(sim->o, NULL);
	if (broker_next(sim->b) <= sim->now)
		finding("a turn leaves something due");
}

/* The end of a turn of the broker's loop: at once or a little later. */
static void
turn_soon(void)
{
	if (sim->turn)
		return;
	sim->turn = 1;
	(void)later(sim->now + (often(50) ? 0 : chance(300) * 1000ULL),
	    EV_TURN, sim->life, 0, NULL, 0);
}

/* ---- the loop ------------------------------------------------------------ */
static void
up(struct ev *e)
{
	struct conn	*c;
	struct msgr	 m;

	c = &sim->conn[e->a];
	if (c->bopen && c->life == sim->life && sim->b != NULL) {
		msg_read(&m, e->type, e->data, e->len);
		if (e->kind == EV_UP_LOST)
			c->bopen = 0;
		world_step(c->kind, c->index, e->kind == EV_UP_LOST, &m, -1);
	}
	if (e->kind == EV_UP_LOST && !c->bopen)
		c->used = c->popen;
}

/* A descriptor that its receiver did not live to see. */
static void
undelivered(const struct ev *e)
{
	if (e->type == M_EG_LINKED && sim->slink[e->extra].eopen) {
		sim->slink[e->extra].eopen = 0;
		(void)later(sim->slink[e->extra].ew > sim->now ?
		    sim->slink[e->extra].ew : sim->now, EV_EW_LOST, e->extra,
		    0, NULL, 0);
	}
	if (e->type == M_LINKED)
		worker_slink_close(e->extra);
}

static void
peer_down(struct ev *e)
{
	struct conn	*c;

	c = &sim->conn[e->a];
	if (!c->popen) {
		undelivered(e);
		return;
	}
	if (c->kind == FROM_LEDGER && e->a == ledger_conn())
		ledger_down(e);
	else if (c->kind == FROM_EGRESS)
		egress_down(c->peer, e);
	else if (c->kind == FROM_WORKER)
		worker_down(c->peer, e);
	else if (c->kind == FROM_CONTROL)
		parent_control_down(e);
}

static void
peer_lost(struct ev *e)
{
	struct conn	*c;

	c = &sim->conn[e->a];
	if (!c->popen) {
		c->used = 0;
		return;
	}
	c->popen = c->used = 0;
	if (c->kind == FROM_LEDGER && e->a == ledger_conn())
		ledger_gone();
	else if (c->kind == FROM_EGRESS)
		egress_broker_lost(c->peer);
	else if (c->kind == FROM_WORKER && sim->wk[c->peer].conn == e->a)
		worker_broker_lost(c->peer);
	else if (c->kind == FROM_CONTROL && sim->control == e->a)
		sim->control = 0;
}

static void
act(void)
{
	if (sim->draining || sim->actions == 0)
		return;
	sim->actions--;
	parent_act();
	(void)later(sim->now + (often(70) ? chance(5000) * 1000ULL :
	    often(66) ? chance(500) * NS_MS : often(80) ?
	    chance(6000) * NS_MS : chance(25000) * NS_MS), EV_ACTION, 0, 0,
	    NULL, 0);
}

static void
happen(struct ev *e)
{
	switch (e->kind) {
	case EV_UP: case EV_UP_LOST: up(e); break;
	case EV_DOWN: peer_down(e); break;
	case EV_DOWN_LOST: peer_lost(e); break;
	case EV_WE: egress_frame(e); break;
	case EV_WE_LOST: egress_slink_lost(e->a); break;
	case EV_EW: worker_frame(e); break;
	case EV_EW_LOST: worker_slink_lost(e->a); break;
	case EV_TURN:
		sim->turn = 0;
		if (sim->b != NULL && e->a == sim->life) {
			world_tick();
			world_flush();
		}
		break;
	case EV_ACTION: act(); break;
	case EV_COMMIT: ledger_commit(e->a); break;
	case EV_LEDGER_SPAWN: ledger_start(); break;
	case EV_LEDGER_PEER: ledger_connect(); break;
	case EV_EGRESS_SPAWN:
		if (e->b == sim->life)
			egress_spawned((uint16_t)e->a);
		break;
	case EV_EGRESS_PEER: egress_connect(e->a, e->b); break;
	case EV_WORKER_SPAWN: worker_spawned(e->a); break;
	case EV_LINKUP: worker_connect(e->a, e->b); break;
	case EV_BROKER_BOOT: parent_boot(); break;
	case EV_ANSWERED: egress_answered(e); break;
	case EV_OUTCOME: worker_outcome(e); break;
	case EV_STARVE: parent_starve(e->a); break;
	case EV_REOPEN: parent_reopen(e); break;
	default: break;
	}
}

static void
set_now(uint64_t t)
{
	if (t > sim->now)
		sim->now = t;
	sim->wall = SIM_WALL + (sim->now - SIM_NOW) / NS_MS - sim->back;
}

/* One thing, or a deadline of the broker; 0: nothing is left to happen. */
static int
one(void)
{
	struct ev	*e;
	uint64_t	 t, due;

	t = sim->nheap > 0 ? sim->heap[0]->t : NEVER;
	due = sim->b == NULL ? NEVER : broker_next(sim->b);
	if (t == NEVER && (due == NEVER || (sim->b->live == 0 &&
	    batch_idle(sim->b))))
		return 0;
	if (due <= t) {
		set_now(due);
		world_tick();
		world_flush();
		return 1;
	}
	e = pop();
	set_now(e->t);
	happen(e);
	free(e);
	return 1;
}

void
world_run(void)
{
	uint64_t	 n;

	for (n = 0; one(); n++) {
		if (sim->b != NULL && sim->b->finished)
			break;
		if (n > 200000)
			finding("it does not come to rest");
	}
}
