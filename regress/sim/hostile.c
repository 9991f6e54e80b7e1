/* SPDX-License-Identifier: ISC */
/*
 * A worker that an intruder runs: it knows the tokens that were presented to
 * it, its own links and numbers, and guesses the rest well.
 */
#include <string.h>

#include "common/text/sha256.h"
#include "regress/sim/sim.h"

static const uint16_t	known[] = { M_ADMIT, M_CALL, M_AMEND, M_CANCEL,
	M_OUTCOME, M_LINK, M_ADMIN_STATUS, M_CTL_STOP, M_RELEASE, M_BATCH,
	M_COMMITTED, M_DONE, M_HELLO, M_ALLOW, 0x0000, 0xffff };

static int
my_link(const struct wk *w)
{
	int	 i, at;

	at = (int)chance(NLINKS);
	for (i = 0; i < NLINKS; i++)
		if (w->link[(at + i) % NLINKS].used == 1)
			return (at + i) % NLINKS;
	return -1;
}

static void
ask(struct wk *w, struct ask *a, int link, size_t len)
{
	uint8_t	 body[BODY];
	size_t	 i;

	for (i = 0; i < len; i++)
		body[i] = (uint8_t)chance(256);
	worker_ask(w, a, (int)chance(NKEYS), link == -1 ? 1 :
	    w->link[link].provider, link == -1 ? 0 : w->link[link].id, body,
	    len);
}

static void
say(struct wk *w, uint16_t type, const struct ask *a)
{
	struct msgw	 m;

	worker_put(&m, type, a);
	conn_send(w->conn, &m);
}

/* Any type, any bytes; or a good message cut short. */
static void
garbage(struct wk *w)
{
	struct ask	 a;
	struct msgw	 m;
	uint32_t	 i, n;

	fault(F_H_GARBAGE);
	if (often(50)) {
		ask(w, &a, my_link(w), 100);
		worker_put(&m, often(50) ? M_CALL : M_ADMIT, &a);
		if (often(50))
			m.len -= 1 + chance((uint32_t)m.len - 1);
		else
			m.buf[chance((uint32_t)m.len)] ^= (uint8_t)(1 <<
			    chance(8));
	} else {
		msg_open(&m, known[chance(sizeof(known) /
		    sizeof(known[0]))]);
		n = chance(80);
		for (i = 0; i < n; i++)
			msg_put_u8(&m, (uint8_t)chance(256));
	}
	conn_send(w->conn, &m);
}

/* A number that was used: the answer to it came, the call is over. */
static void
repeat(struct wk *w)
{
	struct ask	 a;
	int		 i;

	i = my_link(w);
	if (i == -1 || w->no == 0)
		return;
	fault(F_H_REPEAT);
	ask(w, &a, i, 80);
	w->no--;
	a.no = w->no - (w->no > 3 ? chance(3) : 0);
	say(w, M_CALL, &a);
}

/* One body in the record, another one, as long or not, to the egress. */
static void
digest(struct wk *w)
{
	struct ask	 a;
	uint8_t		 other[BODY];
	size_t		 len, i;
	int		 l;

	l = my_link(w);
	if (l == -1)
		return;
	fault(F_H_DIGEST);
	len = 1 + chance(300);
	ask(w, &a, l, len);
	for (i = 0; i < len; i++)
		other[i] = (uint8_t)chance(256);
	if (often(20))
		len--;
	if (often(50))
		say(w, M_CALL, &a);
	worker_frame_send(w->link[l].slink, LF_OPEN, a.no, a.length, NULL, 0);
	worker_frame_send(w->link[l].slink, LF_DATA, 0, 0, other, len);
	worker_frame_send(w->link[l].slink, LF_END, 0, 0, NULL, 0);
	if (often(50))
		say(w, M_CALL, &a);
}

/* A call on a link of somebody else, or with a provider that is not its. */
static void
foreign(struct wk *w)
{
	struct ask	 a;

	fault(F_H_FOREIGN);
	ask(w, &a, my_link(w), 60);
	if (sim->nslinks > 0 && often(80))
		a.link = sim->slink[chance(sim->nslinks)].id;
	else
		a.provider = (uint16_t)(1 + chance(NPROVIDERS + 1));
	if (often(20))
		strlcpy(a.path, "/v1/files", sizeof(a.path));
	say(w, M_CALL, &a);
}

static void
flood(struct wk *w)
{
	struct ask	 a;
	struct msgw	 m;
	uint32_t	 i, n, what;
	int		 l;

	fault(F_H_FLOOD);
	what = chance(4);
	n = often(10) ? 120 : 8 + chance(24);
	for (i = 0; i < n; i++) {
		l = my_link(w);
		ask(w, &a, l, 50);
		if (what == 0) {
			a.length = BODY_MAX;
			say(w, M_ADMIT, &a);
		} else if (what == 1) {
			a.length = BODY_MAX;
			say(w, M_CALL, &a);
		} else if (what == 2) {
			a.token = (const uint8_t *)sim->token[0];
			say(w, M_CALL, &a);
		} else {
			msg_open(&m, M_LINK);
			msg_put_u32(&m, 0xffff0000u + i);
			msg_put_u16(&m, (uint16_t)(1 + chance(NPROVIDERS)));
			conn_send(w->conn, &m);
			if (i > 12)
				break;
		}
	}
}

static void
token(struct wk *w)
{
	static const char	*const bad[] = { "", "tp_", "sk-mine",
		"tp_dev_000000000000_"
		"0000000000000000000000000000000000000000000000000",
		"tp_unshaped-unshaped-unshaped-unshaped" };
	struct ask		 a;
	const char		*t;

	fault(F_H_TOKEN);
	ask(w, &a, my_link(w), 60);
	t = bad[chance(sizeof(bad) / sizeof(bad[0]))];
	a.token = (const uint8_t *)t;
	a.tokenlen = strlen(t);
	say(w, often(50) ? M_CALL : M_ADMIT, &a);
}

static void
administer(struct wk *w)
{
	static const uint16_t	 types[] = { M_ADMIN_AGENT_CREATE,
		M_ADMIN_KEY_CREATE, M_ADMIN_KEY_REVOKE, M_ADMIN_STATUS,
		M_CTL_STOP, M_CTL_ADMINKEY };
	struct msgw		 m;

	fault(F_H_ADMIN);
	msg_open(&m, types[chance(6)]);
	msg_put_u32(&m, 1);
	msg_put_str(&m, sim->token[0]);
	msg_put_str(&m, "");
	msg_put_str(&m, sim->key[1]);
	conn_send(w->conn, &m);
}

/* A call of its own; half of the time one in a rare state, if there is one. */
static struct call *
any_call(const struct wk *w)
{
	struct call	*c, *best;
	uint32_t	 i, at;
	int		 rare;

	best = NULL;
	rare = often(65);
	at = chance(sim->b->high);
	for (i = 0; i < sim->b->high; i++) {
		c = &sim->b->calls[(at + i) % sim->b->high];
		if (c->state == CS_FREE ||
		    c->worker != sim->conn[w->conn].index ||
		    c->worker_gen != sim->b->workers[c->worker].p.gen)
			continue;
		if (rare && (c->state == CS_WAITCRED ||
		    c->state == CS_AMENDING || c->state == CS_CLOSING))
			return c;
		if (best == NULL)
			best = c;
	}
	return best;
}

/* The wrong message at the wrong time: any, for a call of its own. */
void
hostile_poke(struct wk *w)
{
	static const uint16_t	 types[] = { M_ADMIT, M_CALL, M_AMEND,
		M_CANCEL, M_OUTCOME, M_CALL };
	struct call		*c;
	struct ask		 a;
	struct msgw		 m;
	uint16_t		 type;
	uint32_t		 i;

	if (sim->b == NULL || sim->b->high == 0 || w->conn == 0)
		return;
	c = any_call(w);
	if (c == NULL)
		return;
	fault(F_H_POKE);
	type = types[chance(6)];
	ask(w, &a, -1, 60);
	a.link = c->ask.link;
	a.provider = c->ask.provider;
	a.length = often(50) ? c->ask.length : 60;
	a.flags = often(50) ? CF_ADMITTED : 0;
	/* an AMEND with its own number is wrong as well */
	a.no = type == M_AMEND && often(70) ? w->no : c->ask.no;
	msg_open(&m, type);
	if (type == M_CANCEL)
		msg_put_u64(&m, a.no);
	else if (type == M_OUTCOME) {
		msg_put_u64(&m, a.no);
		msg_put_u8(&m, END_OK);
		msg_put_u16(&m, 200);
		msg_put_u8(&m, GRADE_FINAL);
		for (i = 0; i < 4; i++)
			msg_put_u64(&m, UINT64_MAX);
	} else
		worker_put(&m, type, &a);
	conn_send(w->conn, &m);
}

/* Frames out of order, of an old number, of none. */
static void
frames(struct wk *w)
{
	static const enum link_type	 types[] = { LF_OPEN, LF_DATA, LF_END,
		LF_ABORT, LF_HEAD, LF_ERROR };
	uint8_t				 some[64];
	uint32_t			 i, n;
	int				 l;

	l = my_link(w);
	if (l == -1)
		return;
	fault(F_H_FRAMES);
	memset(some, 'x', sizeof(some));
	n = 1 + chance(4);
	for (i = 0; i < n; i++)
		worker_frame_send(w->link[l].slink, types[chance(6)],
		    w->no + chance(3), chance(400), some,
		    chance(sizeof(some)));
}

/* A good call that never gets a body and never an OUTCOME. */
void
hostile_silent(struct wk *w)
{
	static const char	*const names[] = { "m-ok", "m-redact",
		"m-deny" };
	struct ask		 a;
	int			 l;

	l = my_link(w);
	if (l == -1)
		return;
	fault(F_H_SILENT);
	ask(w, &a, l, 1 + chance(200));
	strlcpy(a.model, names[often(50) ? 0 : 1], sizeof(a.model));
	if (often(40))
		a.deadline = sim->now + chance(20000) * NS_MS;
	say(w, often(70) ? M_CALL : M_ADMIT, &a);
}

void
hostile_act(struct wk *w)
{
	static void	(*const acts[])(struct wk *) = { garbage, repeat,
		digest, foreign, token, administer, hostile_poke, hostile_poke,
		hostile_poke, hostile_poke, frames, hostile_silent, hostile_silent };

	if (my_link(w) == -1 || often(15))
		worker_link(w, (uint16_t)(1 + chance(NPROVIDERS)));
	else if (often(25))
		worker_start(w, (uint16_t)(1 + chance(NPROVIDERS)));
	else if (often(4))
		flood(w);
	else
		acts[chance(sizeof(acts) / sizeof(acts[0]))](w);
}
