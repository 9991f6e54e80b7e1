/* SPDX-License-Identifier: ISC */
/*
 * Workers that keep to the rules: links, calls with bodies that travel early
 * or late, ADMIT for some, AMEND when asked, clients that go away, deadlines,
 * OUTCOME at the end.  An honest worker is never told ERROR and never left
 * without an answer.
 */
#include <string.h>

#include "common/text/sha256.h"
#include "regress/sim/sim.h"

static const char *const	models[] = { "m-ok", "m-redact", "m-deny" };

/* ---- links to egresses --------------------------------------------------- */
void
worker_frame_send(uint32_t slink, enum link_type type, uint64_t no,
    uint64_t length, const void *p, size_t len)
{
	struct slink	*s;
	struct ev	*e;
	uint64_t	 t;

	s = &sim->slink[slink];
	if (!s->wopen)
		return;
	t = sim->now + pause_ns();
	s->we = t > s->we ? t : s->we;
	e = later(s->we, EV_WE, slink, 0, p, len);
	e->type = (uint16_t)type;
	e->no = no;
	e->extra = (uint32_t)length;
}

void
worker_slink_close(uint32_t slink)
{
	struct slink	*s;

	s = &sim->slink[slink];
	if (!s->wopen)
		return;
	s->wopen = 0;
	if (sim->now > s->we)
		s->we = sim->now;
	(void)later(s->we, EV_WE_LOST, slink, 0, NULL, 0);
}

static void
forget_link(struct wk *w, int i)
{
	if (w->link[i].used == 1)
		worker_slink_close(w->link[i].slink);
	w->link[i].used = 0;
}

void
worker_link(struct wk *w, uint16_t provider)
{
	struct wlink	*l;
	struct msgw	 m;
	int		 i;

	for (i = 0; i < NLINKS && w->link[i].used; i++)
		;
	if (i == NLINKS)
		return;
	l = &w->link[i];
	memset(l, 0, sizeof(*l));
	l->used = 2;
	l->cookie = ++w->cookie;
	l->provider = provider;
	l->call = -1;
	msg_open(&m, M_LINK);
	msg_put_u32(&m, l->cookie);
	msg_put_u16(&m, provider);
	conn_send(w->conn, &m);
}

/* ---- messages ------------------------------------------------------------ */
void
worker_ask(struct wk *w, struct ask *a, int key, uint16_t provider,
    uint32_t link, const uint8_t *body, size_t len)
{
	memset(a, 0, sizeof(*a));
	a->no = ++w->no;
	a->link = link;
	a->kind = KIND_GENERATE;
	a->dialect = provider == 2 ? DIALECT_ANTHROPIC : DIALECT_OPENAI;
	a->route = parent_route(provider);
	a->provider = provider;
	a->length = len;
	sha256_buf(body, len, a->sha256);
	strlcpy(a->model, models[0], sizeof(a->model));
	strlcpy(a->method, "POST", sizeof(a->method));
	strlcpy(a->path, parent_path(provider), sizeof(a->path));
	strlcpy(a->ctype, "application/json", sizeof(a->ctype));
	strlcpy(a->source, "127.0.0.1", sizeof(a->source));
	a->token = (const uint8_t *)sim->token[key];
	a->tokenlen = strlen(sim->token[key]);
}

void
worker_put(struct msgw *w, uint16_t type, const struct ask *a)
{
	msg_open(w, type);
	msg_put_u64(w, a->no);
	if (type == M_ADMIT) {
		msg_put_strn(w, a->token, a->tokenlen);
		msg_put_u32(w, a->flags);
		msg_put_u16(w, a->route);
		msg_put_u64(w, a->length);
		msg_put_str(w, a->source);
		return;
	}
	msg_put_u32(w, a->link);
	msg_put_strn(w, a->token, a->tokenlen);
	msg_put_u32(w, a->flags);
	msg_put_u8(w, a->kind);
	msg_put_u8(w, a->dialect);
	msg_put_u16(w, a->route);
	msg_put_u16(w, a->provider);
	msg_put_str(w, a->model);
	msg_put_str(w, a->method);
	msg_put_str(w, a->path);
	msg_put_str(w, a->query);
	msg_put_str(w, a->ctype);
	msg_put_u64(w, a->length);
	msg_put_raw(w, a->sha256, sizeof(a->sha256));
	msg_put_u16(w, a->edits);
	msg_put_str(w, a->session);
	msg_put_str(w, a->source);
	msg_put_u64(w, a->max_tokens);
	msg_put_u64(w, a->deadline);
}

static void
send_no(struct wk *w, uint16_t type, uint64_t no)
{
	struct msgw	 m;

	msg_open(&m, type);
	msg_put_u64(&m, no);
	conn_send(w->conn, &m);
}

static void
send_body(struct wk *w, struct wcall *c)
{
	size_t	 at, n;
	uint32_t slink;

	if (c->link == -1)
		return;
	slink = w->link[c->link].slink;
	worker_frame_send(slink, LF_OPEN, c->no, c->len, NULL, 0);
	for (at = 0; at < c->len; at += n) {
		n = 1 + chance(200);
		if (n > c->len - at)
			n = c->len - at;
		worker_frame_send(slink, LF_DATA, 0, 0, c->body + at, n);
	}
	worker_frame_send(slink, LF_END, 0, 0, NULL, 0);
}

static void
over(struct wk *w, struct wcall *c)
{
	if (c->link != -1 && w->link[c->link].call == (int)(c - w->call))
		w->link[c->link].call = -1;
	c->stage = W_NONE;
}

static void
outcome_later(struct wcall *c, uint32_t row)
{
	struct ev	*e;
	uint64_t	 t;

	if (c->ended)
		return;
	c->ended = 1;
	t = pause_ns();
	if (!sim->draining && often(4)) {
		fault(F_SLOW_OUTCOME);
		t = (4000 + chance(4000)) * NS_MS;
	}
	e = later(sim->now + t, EV_OUTCOME, row, c->conn, NULL, 0);
	e->no = c->no;
	e->type = c->cancelled ? END_CANCELLED : END_OK;
}

/* ---- a call -------------------------------------------------------------- */
static void
send_call(struct wk *w, struct wcall *c, uint16_t type)
{
	struct msgw	 m;

	worker_put(&m, type, &c->ask);
	conn_send(w->conn, &m);
	c->stage = W_SENT;
	if (c->early)
		send_body(w, c);
}

static int
pick_link(struct wk *w, uint16_t provider)
{
	int	 i;

	for (i = 0; i < NLINKS; i++)
		if (w->link[i].used == 1 && w->link[i].call == -1 &&
		    w->link[i].provider == provider)
			return i;
	return -1;
}

static void
start_list(struct wk *w, struct wcall *c, int key)
{
	worker_ask(w, &c->ask, key, 1, 0, NULL, 0);
	c->ask.kind = KIND_LIST;
	c->ask.route = ROUTE_MODELS;
	strlcpy(c->ask.method, "GET", sizeof(c->ask.method));
	strlcpy(c->ask.path, "/v1/models", sizeof(c->ask.path));
	memset(c->ask.sha256, 0, sizeof(c->ask.sha256));
	c->link = -1;
	c->no = c->ask.no;
	send_call(w, c, M_CALL);
}

void
worker_start(struct wk *w, uint16_t provider)
{
	struct wcall	*c;
	struct msgw	 m;
	int		 i, key;

	for (i = 0; i < NCALLS && w->call[i].stage != W_NONE; i++)
		;
	if (i == NCALLS)
		return;
	c = &w->call[i];
	memset(c, 0, sizeof(*c));
	c->conn = w->conn;
	/* two keys end soon */
	key = (int)(often(12) ? 3 + chance(2) : chance(NKEYS));
	if (often(5)) {
		start_list(w, c, key);
		return;
	}
	c->link = pick_link(w, provider);
	if (c->link == -1) {
		worker_link(w, provider);
		return;
	}
	w->link[c->link].call = i;
	c->len = often(10) ? 0 : 1 + chance(400);
	for (i = 0; i < (int)c->len; i++)
		c->body[i] = (uint8_t)chance(256);
	worker_ask(w, &c->ask, key, provider, w->link[c->link].id, c->body,
	    c->len);
	c->no = c->ask.no;
	c->key = key;
	c->early = often(70);
	strlcpy(c->ask.model, models[often(80) ? 0 : 1 + chance(2)],
	    sizeof(c->ask.model));
	if (often(50))
		c->ask.deadline = sim->now + (often(40) ?
		    chance(9000) * NS_MS : (30 + chance(600)) * NS_S);
	if (often(75)) {
		send_call(w, c, M_CALL);
		return;
	}
	c->stage = W_ADMITTING;
	worker_put(&m, M_ADMIT, &c->ask);
	c->ask.flags |= CF_ADMITTED;
	conn_send(w->conn, &m);
}

/* The client goes away. */
static void
cancel(struct wk *w)
{
	struct wcall	*c;
	uint32_t	 i, at;

	at = chance(NCALLS);
	for (i = 0; i < NCALLS; i++) {
		c = &w->call[(at + i) % NCALLS];
		if (c->stage != W_NONE && !c->cancelled && !c->ended)
			break;
	}
	if (i == NCALLS)
		return;
	fault(F_CANCEL);
	send_no(w, M_CANCEL, c->no);
	c->cancelled = 1;
	if (c->stage == W_ALLOWED) {
		if (often(30) && c->link != -1) {
			fault(F_ABANDONED);
			forget_link(w, c->link);
			outcome_later(c, (uint32_t)(w - sim->wk));
		}
		return;
	}
	if (c->link != -1) {
		/* the body may be there already: the link goes with it */
		fault(F_ABANDONED);
		forget_link(w, c->link);
		c->link = -1;
	}
	c->stage = W_OVER;	/* an ALLOW may still cross */
}

static void
amend(struct wk *w, struct wcall *c)
{
	size_t	 i;

	c->amended = 1;
	c->len = 1 + chance(300);
	for (i = 0; i < c->len; i++)
		c->body[i] = (uint8_t)chance(256);
	sha256_buf(c->body, c->len, c->ask.sha256);
	c->ask.length = c->len;
	c->ask.flags &= ~(uint32_t)CF_ADMITTED;
	c->ask.no = c->no = ++w->no;
	c->ask.edits++;
	strlcpy(c->ask.model, models[often(80) ? 0 : 1],
	    sizeof(c->ask.model));
	send_call(w, c, M_AMEND);
}

static struct wcall *
find(struct wk *w, uint64_t no)
{
	int	 i;

	for (i = 0; i < NCALLS; i++)
		if (w->call[i].stage != W_NONE && w->call[i].no == no)
			return &w->call[i];
	return NULL;
}

static void
on_allow(struct wk *w, struct wcall *c)
{
	uint32_t	 row;

	row = (uint32_t)(w - sim->wk);
	if (c->stage == W_OVER) {
		outcome_later(c, row);
		return;
	}
	if (c->stage != W_SENT && w->hostile)
		return;
	if (c->stage != W_SENT)
		finding("ALLOW for a call in stage %d", (int)c->stage);
	c->stage = W_ALLOWED;
	if (c->ask.kind == KIND_LIST) {
		over(w, c);
		return;
	}
	if (c->link == -1 || w->link[c->link].used != 1) {
		outcome_later(c, row);
		return;
	}
	if (!c->early)
		send_body(w, c);
}

static void
on_linked(struct wk *w, struct msgr *m, uint32_t slink, int linked)
{
	uint32_t	 cookie, id;
	int		 i;

	cookie = msg_get_u32(m);
	for (i = 0; i < NLINKS; i++)
		if (w->link[i].used == 2 && w->link[i].cookie == cookie)
			break;
	if (!linked) {
		if (i < NLINKS)
			w->link[i].used = 0;
		return;
	}
	id = msg_get_u32(m);
	if (i == NLINKS) {
		worker_slink_close(slink);
		return;
	}
	w->link[i].used = 1;
	w->link[i].id = id;
	w->link[i].slink = slink;
}

static void
on_answer(struct wk *w, uint16_t type, uint64_t no)
{
	struct wcall	*c;

	c = find(w, no);
	if (c == NULL)
		return;
	switch (type) {
	case M_ADMITTED:
		if (c->stage == W_ADMITTING)
			send_call(w, c, M_CALL);
		break;
	case M_ALLOW:
		on_allow(w, c);
		break;
	case M_REDACT:
		if (c->stage == W_SENT)
			amend(w, c);
		break;
	case M_DENY:
	case M_FAIL:
		if (c->stage == W_ALLOWED)
			outcome_later(c, (uint32_t)(w - sim->wk));
		else
			over(w, c);
		break;
	case M_CUT:
		if (c->stage == W_ALLOWED && often(50))
			outcome_later(c, (uint32_t)(w - sim->wk));
		break;
	default:
		break;
	}
}

/* ERROR for an AMEND: the DENY of the call crossed it; that is its end. */
static int
amended(struct wk *w, uint64_t no)
{
	struct wcall	*c;

	c = find(w, no);
	if (c == NULL || !c->amended)
		return 0;
	over(w, c);
	return 1;
}

void
worker_down(uint32_t row, struct ev *e)
{
	struct wk	*w;
	struct msgr	 m;

	w = &sim->wk[row];
	if (!w->alive || w->conn != e->a)
		return;
	msg_read(&m, e->type, e->data, e->len);
	if (e->type == M_LINKED || e->type == M_NOLINK)
		on_linked(w, &m, e->extra, e->type == M_LINKED);
	else if (e->type == M_ERROR && amended(w, msg_get_u64(&m)))
		;
	else if (e->type == M_ERROR && !w->hostile)
		finding("an honest worker is told ERROR: %.*s",
		    (int)e->len - 12, (const char *)e->data + 12);
	else if (e->type != M_READY && e->type != M_ERROR)
		on_answer(w, e->type, msg_get_u64(&m));
}

/* ---- the way back -------------------------------------------------------- */
static void
link_ended(struct wk *w, int i)
{
	struct wcall	*c;

	if (w->link[i].call == -1)
		return;
	c = &w->call[w->link[i].call];
	w->link[i].call = -1;
	if (c->link != i)
		return;
	c->link = -1;
	if (c->stage == W_ALLOWED)
		outcome_later(c, (uint32_t)(w - sim->wk));
}

void
worker_frame(struct ev *e)
{
	struct slink	*s;
	struct wk	*w;
	struct wcall	*c;

	s = &sim->slink[e->a];
	w = &sim->wk[s->worker];
	if (!s->wopen || !w->alive || s->winst != w->inst)
		return;
	c = find(w, e->no);
	if (c == NULL || c->link == -1)
		return;
	/* the end of an answer can overtake ALLOW: then it waits in the link */
	if (c->stage == W_SENT) {
		struct ev	*again;

		again = later(sim->now + 10 * NS_MS, EV_EW, e->a, 0, NULL, 0);
		again->type = e->type;
		again->no = e->no;
		return;
	}
	if (c->stage == W_ALLOWED)
		outcome_later(c, s->worker);
}

void
worker_slink_lost(uint32_t slink)
{
	struct slink	*s;
	struct wk	*w;
	int		 i;

	s = &sim->slink[slink];
	w = &sim->wk[s->worker];
	if (!s->wopen || !w->alive)
		return;
	s->wopen = 0;
	for (i = 0; i < NLINKS; i++)
		if (w->link[i].used == 1 && w->link[i].slink == slink) {
			link_ended(w, i);
			w->link[i].used = 0;
		}
}

void
worker_outcome(struct ev *e)
{
	struct wk	*w;
	struct wcall	*c;
	struct msgw	 m;

	w = &sim->wk[e->a];
	if (!w->alive || w->conn != e->b)
		return;
	msg_open(&m, M_OUTCOME);
	msg_put_u64(&m, e->no);
	msg_put_u8(&m, (uint8_t)e->type);
	msg_put_u16(&m, 200);
	msg_put_u8(&m, GRADE_FINAL);
	msg_put_u64(&m, chance(1000));
	msg_put_u64(&m, chance(1000));
	msg_put_u64(&m, 0);
	msg_put_u64(&m, 100);
	conn_send(w->conn, &m);
	c = find(w, e->no);
	if (c != NULL)
		over(w, c);
}

/* ---- life ---------------------------------------------------------------- */
static void
forget_all(struct wk *w)
{
	int	 i;

	for (i = 0; i < NLINKS; i++)
		forget_link(w, i);
	for (i = 0; i < NCALLS; i++)
		w->call[i].stage = W_NONE;
}

void
worker_spawned(uint32_t row)
{
	struct wk	*w;
	uint32_t	 cookie;

	w = &sim->wk[row];
	if (w->alive)
		return;
	cookie = w->cookie;
	memset(w, 0, sizeof(*w));
	w->cookie = cookie;
	w->alive = 1;
	w->hostile = row == HOSTILE;
	w->inst = ++sim->inst;
	w->class = row == 0 ? CLASS_BOTH : CLASS_DATA;
	(void)later(sim->now + pause_ns(), EV_LINKUP, row, w->inst, NULL, 0);
}

/* The proxyd parent gives it a link, by way of the keybrokerd parent. */
void
worker_connect(uint32_t row, uint32_t inst)
{
	struct wk	*w;
	struct msgw	 m;

	w = &sim->wk[row];
	if (!w->alive || w->inst != inst || sim->b == NULL || (w->conn != 0 &&
	    sim->conn[w->conn].life == sim->life && sim->conn[w->conn].popen))
		return;
	if (w->conn != 0) {
		sim->conn[w->conn].popen = 0;
		forget_all(w);
	}
	w->conn = conn_new(FROM_WORKER, row);
	msg_open(&m, M_LINKUP);
	msg_put_u16(&m, (uint16_t)row);
	msg_put_u32(&m, w->inst);
	msg_put_u8(&m, w->class);
	msg_put_u64(&m, sim->wall);
	msg_put_u32(&m, 0);
	world_parent(&m, (int)(FD_BASE + w->conn));
}

void
worker_broker_lost(uint32_t row)
{
	struct wk	*w;

	w = &sim->wk[row];
	if (!w->alive)
		return;
	forget_all(w);
	if (!w->hostile && sim->conn[w->conn].life == sim->life &&
	    sim->b != NULL && !sim->b->finished)
		finding("an honest worker is disconnected");
	if (w->hostile && sim->conn[w->conn].life == sim->life)
		fault(F_H_EXPELLED);
	w->conn = 0;
	(void)later(sim->now + pause_ns(), EV_LINKUP, row, w->inst, NULL, 0);
}

void
worker_kill(uint32_t row)
{
	struct wk	*w;

	w = &sim->wk[row];
	if (!w->alive)
		return;
	forget_all(w);
	w->alive = 0;
	if (w->conn != 0)
		conn_lost(w->conn);
	(void)later(sim->now + pause_ns(), EV_WORKER_SPAWN, row, 0, NULL, 0);
}

void
worker_act(uint32_t row)
{
	struct wk	*w;

	w = &sim->wk[row];
	if (!w->alive || w->conn == 0)
		return;
	if (w->hostile)
		hostile_act(w);
	else if (often(12))
		cancel(w);
	else
		worker_start(w, (uint16_t)(1 + chance(NPROVIDERS)));
}

/* Nobody who kept to the rules waits for ever. */
void
worker_check_end(void)
{
	struct wcall	*c;
	struct wk	*w;
	int		 i, k;

	for (i = 0; i < HOSTILE; i++) {
		w = &sim->wk[i];
		for (k = 0; w->alive && w->conn != 0 && k < NCALLS; k++) {
			c = &w->call[k];
			if (c->stage != W_NONE && c->stage != W_OVER)
				finding("worker %d waits for ever for call "
				    "%llu (stage %d)", i,
				    (unsigned long long)c->no, (int)c->stage);
		}
	}
}
