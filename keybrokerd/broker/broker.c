/* SPDX-License-Identifier: ISC */
/*
 * One step of the broker: a message of a peer or its loss, checked against
 * the permit table and handed on; then what every turn ends with: peers that
 * made too many errors go, the gate is worked out, shutdown proceeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/text/text.h"
#include "keybrokerd/broker/vaultkey.h"

#define SERVING_WAIT	(5 * NS_S)	/* for egresses that do not come up */

static uint32_t
power_of_two(uint32_t n)
{
	uint32_t	 p;

	for (p = 64; p < n; p *= 2)
		;
	return p;
}

struct broker *
broker_new(uint32_t ncalls, const struct broker_env *env)
{
	struct broker	*b;

	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return NULL;
	b->env = *env;
	b->ncalls = ncalls;
	b->nbuckets = power_of_two(2 * ncalls);
	b->nbudget = power_of_two(2 * ncalls);
	b->policy = -1;
	b->deny_due = NEVER;
	b->gate.dial = 1;
	b->gate.space = 1;
	b->workers = calloc(WORKERS_MAX + 1, sizeof(*b->workers));
	b->calls = calloc(ncalls, sizeof(*b->calls));
	b->by_no = calloc(b->nbuckets, sizeof(*b->by_no));
	b->by_link = calloc(b->nbuckets, sizeof(*b->by_link));
	b->heap = calloc(ncalls, sizeof(*b->heap));
	b->budget = calloc(b->nbudget, sizeof(*b->budget));
	b->tokens = grant_tokens(ncalls);
	b->keys = key_store_new();
	b->creds = credential_new();
	b->admin = admin_new();
	b->ring = ring_new();
	b->vk = vaultkey_new();
	b->kms = kmslink_new();
	if (b->workers == NULL || b->calls == NULL || b->by_no == NULL ||
	    b->by_link == NULL || b->heap == NULL || b->budget == NULL ||
	    b->tokens == NULL || b->keys == NULL || b->creds == NULL ||
	    b->admin == NULL || b->ring == NULL || b->vk == NULL ||
	    b->kms == NULL || batch_init(b) == -1 || cold_init(b) == -1 ||
	    sweep_init(b) == -1) {
		broker_free(b);
		return NULL;
	}
	b->workers[PROBE_WORKER].class = CLASS_ADMIN;
	env->rng.fill(env->rng.arg, b->instance, sizeof(b->instance));
	return b;
}

void
broker_free(struct broker *b)
{
	int	 i;

	if (b == NULL)
		return;
	batch_free(b);
	sweep_free(b);
	cold_free(b);
	recover_free(b);
	for (i = 0; i < POLICIES_MAX; i++)
		if (b->policies[i] != NULL)
			policy_close(b->policies[i]);
	secret_free(&b->epoch.sk);
	secret_free(&b->epoch.old_sk);
	if (b->vault_open)
		vault_close(&b->vault);
	vaultkey_free(b->vk);
	kmslink_free(b->kms);
	admin_free(b->admin);
	ring_free(b->ring);
	credential_free(b->creds);
	key_store_free(b->keys);
	free(b->tokens);
	free(b->budget);
	free(b->heap);
	free(b->by_link);
	free(b->by_no);
	free(b->calls);
	free(b->workers);
	free(b);
}

struct peer *
broker_peer(struct broker *b, const struct broker_from *from)
{
	switch (from->kind) {
	case FROM_WORKER:
		return from->index < WORKERS_MAX ?
		    &b->workers[from->index].p : NULL;
	case FROM_EGRESS:
		return from->index < PROVIDERS_MAX ?
		    &b->egress[from->index].p : NULL;
	case FROM_LEDGER:
		return &b->ledger;
	case FROM_EXPORT:
		return &b->export;
	case FROM_CONTROL:
		return from->index < CONTROLS_MAX ?
		    &b->control[from->index].p : NULL;
	case FROM_KMS:
		return kmslink_peer_of(b->kms);
	default:
		return NULL;
	}
}

/* The link itself is closed at the end of the step (turn), not from here. */
void
broker_error(struct broker *b, const struct broker_from *from, uint64_t no,
    uint16_t type, const char *text, struct outbox *o)
{
	struct peer	*p;
	struct msgw	 w UNSET;

	p = broker_peer(b, from);
	b->count.errors++;
	if (p == NULL)
		return;
	p->errors++;
	log_debug("peer %d/%u: %s: %s", (int)from->kind, from->index,
	    permit_name(type), text);
	if (from->kind != FROM_WORKER || !p->up)
		return;
	msg_open(&w, M_ERROR);
	msg_put_u64(&w, no);
	msg_put_u16(&w, type);
	msg_put_str(&w, text);
	outbox_send(o, FROM_WORKER, from->index, &w);
}

/* ---- the end of a turn ------------------------------------------------- */
/* A peer with too many errors is treated as lost, and its link closed. */
static void
expel(struct broker *b, const struct broker_from *from, struct outbox *o)
{
	struct peer	*p;

	p = broker_peer(b, from);
	if (p == NULL || !p->up || p->errors < LINK_ERRORS)
		return;
	log_warnx("%s %u: %u protocol errors, its link is closed",
	    from->kind == FROM_WORKER ? "worker" :
	    from->kind == FROM_EGRESS ? "egress" :
	    from->kind == FROM_LEDGER ? "ledger" :
	    from->kind == FROM_KMS ? "kms" :
	    from->kind == FROM_EXPORT ? "export" : "control",
	    from->index, p->errors);
	peers_lost(b, from, o);
	outbox_act(o, OUT_CLOSE, from->kind, from->index);
}

/* CLOSING: when the last call is settled, `shutdown`; when that is durable,
 * the end. */
static void
closing(struct broker *b)
{
	static const uint8_t	 ended;

	if (!b->gate.closing || b->finished)
		return;
	if (b->recover.phase != RC_DONE) {
		b->finished = 1;
		return;
	}
	if (b->live > 0 || !batch_idle(b))
		return;
	if (b->gate.shutdown) {
		b->finished = 1;
		return;
	}
	deny_tick(b, 1);
	audit_shutdown(b);
	batch_state(b, ST_META, "life", 4, &ended, 1);
	b->gate.shutdown = 1;
}

/* Names of the providers with (or without) a key, for people. */
static void
put_names(struct broker *b, struct msgw *w, int with)
{
	struct policy_provider	 pr;
	char			 text[400];
	size_t			 i;

	text[0] = '\0';
	for (i = 0; i < policy_nproviders(b->policies[b->policy]); i++) {
		policy_provider(b->policies[b->policy], i, &pr);
		if (peers_has_key(b, &pr) != with)
			continue;
		if (text[0] != '\0')
			strlcat(text, " ", sizeof(text));
		strlcat(text, pr.name, sizeof(text));
	}
	msg_put_str(w, text);
}

/* Are all egresses up that were asked for? */
static int
egresses_up(const struct broker *b)
{
	size_t	 i;

	for (i = 0; i < PROVIDERS_MAX; i++)
		if (b->egress[i].asked && !b->egress[i].p.up)
			return 0;
	return 1;
}

/* SERVING to the parent: once, and when who has a key changes. */
static void
serving(struct broker *b, struct outbox *o)
{
	struct policy_provider	 pr;
	struct msgw		 w UNSET;
	char			 hex[HEX_SIZE(32)];
	size_t			 i;
	uint8_t			 n;

	if (!gate_open(b))
		return;
	if (b->gate.opened == 0)
		b->gate.opened = b->now;
	if (b->gate.servinglen == 0 && !egresses_up(b) &&
	    b->now < b->gate.opened + SERVING_WAIT)
		return;
	for (i = 0, n = 0; i < policy_nproviders(b->policies[b->policy]);
	    i++) {
		policy_provider(b->policies[b->policy], i, &pr);
		n += peers_has_key(b, &pr) ? 1 : 0;
	}
	msg_open(&w, M_SERVING);
	msg_put_u8(&w, b->first_run ? 1 : 0);
	msg_put_u8(&w, n);
	hex_encode(hex, sizeof(hex), b->policy_ids[b->policy], 32);
	msg_put_str(&w, hex);
	hex_encode(hex, sizeof(hex), b->epoch.pin, 32);
	msg_put_str(&w, hex);
	put_names(b, &w, 1);
	put_names(b, &w, 0);
	if (w.len > sizeof(b->gate.serving) ||
	    (w.len == b->gate.servinglen &&
	    memcmp(w.buf, b->gate.serving, w.len) == 0))
		return;
	memcpy(b->gate.serving, w.buf, w.len);
	b->gate.servinglen = w.len;
	outbox_send(o, FROM_PARENT, 0, &w);
}

/*
 * What most messages are.  They change nothing that READY or SERVING tell but
 * what gate_weigh sees, and composing those two costs as much as the message.
 */
static int
is_daily(uint16_t type)
{
	return type == M_ADMIT || type == M_CALL || type == M_OUTCOME ||
	    type == M_DONE || type == M_COMMITTED;
}

static void
turn(struct broker *b, struct outbox *o, int daily)
{
	vaultkey_turn(b, o);
	batch_unit(b);
	cold_turn(b, o);
	if (gate_weigh(b) || !daily) {
		gate_turn(b, o);
		serving(b, o);
	}
	closing(b);
	batch_unit(b);
}

/* ---- steps ------------------------------------------------------------- */
static int
permitted(struct broker *b, const struct broker_from *from,
    const struct msgr *m, int fd)
{
	static const enum proto_link	 links[FROM_MAX] = {
		[FROM_PARENT] = PL_PR, [FROM_WORKER] = PL_WB,
		[FROM_EGRESS] = PL_BE, [FROM_LEDGER] = PL_BL,
		[FROM_CONTROL] = PL_CTL, [FROM_KMS] = PL_BK,
		[FROM_EXPORT] = PL_BX,
	};
	int				 admin;

	admin = 0;
	if (from->kind == FROM_WORKER)
		admin = (b->workers[from->index].class & CLASS_ADMIN) != 0;
	if (from->kind == FROM_CONTROL)
		admin = b->control[from->index].admin;
	return permit_check(m->type, links[from->kind],
	    from->kind == FROM_PARENT ? PD_DOWN : PD_UP, admin, m->len,
	    fd != -1) == 0;
}

static void
ledger(struct broker *b, struct msgr *m, struct outbox *o)
{
	if (m->type == M_HELLO)
		recover_hello(b, m, o);
	else if (m->type == M_DELTA)
		recover_delta(b, m, o);
	else if (m->type == M_PAGED)
		cold_paged(b, m, o);
	else
		batch_committed(b, m, o);
}

static void
heard(struct broker *b, const struct broker_from *from, struct msgr *m,
    int fd, struct outbox *o)
{
	if (!permitted(b, from, m, fd)) {
		if (from->kind == FROM_PARENT)
			fatalx("parent: message %#x is not permitted",
			    m->type);
		broker_error(b, from, 0, m->type, "not permitted on this link",
		    o);
		return;
	}
	switch (from->kind) {
	case FROM_PARENT:
		parent_message(b, m, fd, o);
		break;
	case FROM_WORKER:
		hear_worker(b, from->index, m, o);
		break;
	case FROM_EGRESS:
		hear_egress(b, from->index, m, o);
		break;
	case FROM_LEDGER:
		ledger(b, m, o);
		break;
	case FROM_CONTROL:
		admin_message(b, from, m, o);
		break;
	case FROM_KMS:
		kmslink_message(b, m, o);
		break;
	case FROM_EXPORT:
		trail_message(b, m, o);
		break;
	default:
		break;
	}
}

void
broker_step(struct broker *b, uint64_t now, uint64_t wall,
    const struct broker_from *from, struct msgr *m, int fd, struct outbox *o)
{
	struct peer	*p;

	b->now = now;
	b->wall = wall;
	credential_clock(b->creds, wall);
	p = broker_peer(b, from);
	if (from->kind != FROM_PARENT && (p == NULL || !p->up))
		return;
	if (from->lost)
		peers_lost(b, from, o);
	else
		heard(b, from, m, fd, o);
	expel(b, from, o);
	turn(b, o, !from->lost && p != NULL && p->up && is_daily(m->type));
}

void
broker_tick(struct broker *b, uint64_t now, uint64_t wall, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;

	b->now = now;
	b->wall = wall;
	credential_clock(b->creds, wall);
	memset(&arg, 0, sizeof(arg));
	arg.out = o;
	while ((c = fair_due(b, now)) != NULL) {
		call_event(b, c, CE_DEADLINE, &arg);
		batch_room(b);
	}
	admin_tick(b, o);
	sweep_tick(b);
	trail_tick(b, o);
	deny_tick(b, 0);
	vaultkey_tick(b, o);
	turn(b, o, 0);
}

uint64_t
broker_next(const struct broker *b)
{
	uint64_t	 t, next;

	next = fair_next(b);
	if ((t = gate_next(b)) < next)
		next = t;
	if ((t = deny_next(b)) < next)
		next = t;
	if ((t = admin_due(b)) < next)
		next = t;
	if ((t = cold_next(b)) < next)
		next = t;
	if ((t = sweep_next(b)) < next)
		next = t;
	if ((t = batch_next(b)) < next)
		next = t;
	if ((t = vaultkey_due(b)) < next)
		next = t;
	if ((t = trail_due(b)) < next)
		next = t;
	/* a gate that has closed again says nothing: nothing is due */
	if (b->gate.opened != 0 && b->gate.servinglen == 0 && gate_open(b) &&
	    (t = b->gate.opened + SERVING_WAIT) < next)
		next = t;
	return next;
}
