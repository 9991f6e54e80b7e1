/* SPDX-License-Identifier: ISC */
/*
 * The life of a call: appendix A of the design, cell by cell.  A handler is a
 * cell or a few that read alike; the table at the end is the appendix.  A "-"
 * there is a protocol error of that peer: counted, answered, state unchanged.
 *
 * Beyond the appendix: a call that was settled without one side's word expects
 * that word late, once, without calling it an error (call.owed).  A call that
 * was cut gets 5 s for DONE and OUTCOME, then is settled on what is here.
 * REFUSED: the provider answered 401 and nothing of that went to the worker; the
 * call goes back to COMMITTING with a second intent (attempt 2, the first has
 * its outcome), once, and is released without another ALLOW.  REOPENED: the
 * sources were read again, which a refused RELEASED call waits for.  A last word
 * in a second attempt's COMMITTING is settled then; in WAITCRED at once.
 */
#include <errno.h>
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/broker/broker.h"

#define DEAD	(CM_CANCELLED | CM_LATE | CM_REVOKED | CM_EXPIRED | \
		CM_EGRESS_LOST | CM_WORKER_LOST)

typedef void (*cell_fn)(struct broker *, struct call *, enum call_event,
    struct call_arg *);

static const uint16_t	message_of[CE_MAX] = {
	[CE_ADMIT] = M_ADMIT, [CE_CALL] = M_CALL, [CE_AMEND] = M_AMEND,
	[CE_CANCEL] = M_CANCEL, [CE_DONE] = M_DONE, [CE_OUTCOME] = M_OUTCOME,
	[CE_REFUSED] = M_REFUSED,
};

/* ---- telling the peers ------------------------------------------------- */
/*
 * The worker's one answer: DENY or FAIL; not twice, not to nobody.  What was
 * allowed is not denied any more (second attempt): it fails.
 */
static void
tell(struct broker *b, struct call *c, uint16_t type, enum refusal r,
    const char *step, const char *detail, struct outbox *o)
{
	struct msgw	 w UNSET;

	if (c->marks & CM_ANSWERED)
		return;
	c->marks |= CM_ANSWERED;
	if (c->allowed)
		type = M_FAIL;
	if (type == M_DENY)
		b->count.denied++;
	else
		b->count.failed++;
	meter_call(b, c, decide_row(r)->status);
	if (!tell_worker_there(b, c))
		return;
	decide_compose(&w, type, c->ask.no, c->id, c->ask.dialect, r, step,
	    detail);
	outbox_send(o, FROM_WORKER, c->worker, &w);
}

static void
deny(struct broker *b, struct call *c, enum refusal r, struct outbox *o)
{
	tell(b, c, M_DENY, r, NULL, NULL, o);
}

static void
fail(struct broker *b, struct call *c, enum refusal r, struct outbox *o)
{
	tell(b, c, M_FAIL, r, NULL, NULL, o);
}

/* ---- moving ------------------------------------------------------------ */
static void
enter(struct broker *b, struct call *c, enum call_state state,
    uint64_t deadline)
{
	c->state = state;
	fair_deadline(b, c, deadline);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
release_row(struct broker *b, struct call *c)
{
	budget_settle(b, c);
	if (c->state != CS_FREE)
		peers_unref(b, c->policy);
	enter(b, c, CS_FREE, NEVER);
}

/* Settles, once: the outcome goes into a batch, the reservation back. */
static void
settle(struct broker *b, struct call *c)
{
	if (c->released != 0 || c->attempt > 1)
		c->owed = (CH_DONE | CH_OUTCOME) & ~c->here;
	audit_outcome(b, c);
	batch_then_call(b, c);
	budget_settle(b, c);
	if (c->ask.kind == KIND_PROBE)
		admin_secret_probed(b, c);
	enter(b, c, CS_CLOSING, NEVER);
}

/* Which words fit what was remembered. */
static enum refusal
why_dead(const struct broker *b, const struct call *c)
{
	if (c->marks & CM_REVOKED)
		return decide_revoked(b, c);
	if (c->marks & CM_EXPIRED)
		return REFUSE_CUT_EXPIRED;
	if (c->marks & CM_EGRESS_LOST)
		return REFUSE_EGRESS;
	if (c->marks & CM_LATE)
		return REFUSE_LATE;
	return REFUSE_CANCELLED;
}

/* ---- cells ------------------------------------------------------------- */
static void
ignore(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)b;
	(void)c;
	(void)ev;
	(void)arg;
}

/* "-" */
static void
wrong(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	struct broker_from	 from;
	int			 egress;

	memset(&from, 0, sizeof(from));
	if (message_of[ev] == M_NONE) {
		b->count.errors++;
		return;
	}
	egress = ev == CE_DONE || ev == CE_REFUSED;
	from.kind = egress ? FROM_EGRESS : FROM_WORKER;
	from.index = egress ? c->egress : c->worker;
	broker_error(b, &from, egress || arg->ask == NULL ?
	    c->ask.no : arg->ask->no, message_of[ev],
	    "not in this state of the call", arg->out);
}

/* The caller, as decide found it. */
static void
identify(struct broker *b, struct call *c, const struct decision *d)
{
	uint64_t	 left;

	if (d->who.role == 0)
		return;
	if (d->who.key == NULL) {
		strlcpy(c->key, "admin", sizeof(c->key));
		c->org = KEY_ORG;
		c->role = ROLE_K_ADMIN;
		return;
	}
	strlcpy(c->key, d->who.key->id, sizeof(c->key));
	c->org = d->who.key->org;
	c->role = d->who.role;
	if (d->who.agent != NULL) {
		strlcpy(c->agent, d->who.agent->id, sizeof(c->agent));
		c->agent_no = d->who.agent->no;
	}
	left = d->who.key->expires > b->wall ?	/* wall is rounded down */
	    d->who.key->expires - b->wall - 1 : 0;
	c->expires = left < (NEVER - b->now) / NS_MS ?
	    b->now + left * NS_MS : NEVER;
}

static void
refuse(struct broker *b, struct call *c, const struct decision *d,
    struct outbox *o)
{
	deny_call(b, c, d->refusal, d->authn, d->step);
	tell(b, c, M_DENY, d->refusal, d->step, d->detail, o);
	tell_drop(b, c, o);
	release_row(b, c);
}

static void
admit(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	struct decision	 d UNSET;
	struct msgw	 w UNSET;

	(void)ev;
	c->ask = *arg->ask;
	c->ask.token = NULL;
	c->ask.link = 0;
	decide_admit(b, c->worker, arg->ask, &d);
	c->ask.dialect = d.route.dialect;
	identify(b, c, &d);
	if (d.refusal != REFUSE_NONE) {
		refuse(b, c, &d, arg->out);
		return;
	}
	c->policy = peers_ref(b);
	enter(b, c, CS_ADMITTED, b->now + DL_ADMITTED);
	msg_open(&w, M_ADMITTED);
	msg_put_u64(&w, c->ask.no);
	outbox_send(arg->out, FROM_WORKER, c->worker, &w);
}

static void
redact(struct broker *b, struct call *c, const struct decision *d,
    struct outbox *o)
{
	struct msgw	 w UNSET;
	size_t		 i;

	msg_open(&w, M_REDACT);
	msg_put_u64(&w, c->ask.no);
	msg_put_u16(&w, (uint16_t)d->nspans);
	for (i = 0; i < d->nspans; i++) {
		msg_put_u32(&w, d->span[i].off);
		msg_put_u32(&w, d->span[i].len);
		msg_put_str(&w, d->span[i].text);
	}
	outbox_send(o, FROM_WORKER, c->worker, &w);
	tell_drop(b, c, o);
	c->redacted = 1;
	enter(b, c, CS_AMENDING, sooner(b->now + DL_AMENDING, c->latest));
}

/* What is asked becomes the call's; its link only if it is the worker's. */
static void
adopt(struct broker *b, struct call *c, const struct ask *a)
{
	struct broker_link	*l;
	struct egress		*e;
	uint32_t		 linked;

	if (a->no != c->ask.no)
		table_renumber(b, c, a->no);
	linked = c->ask.link;
	c->ask = *a;
	c->ask.token = NULL;
	c->ask.link = linked;
	c->latest = a->deadline == 0 ? NEVER : a->deadline;
	l = peers_find(b, c->worker, a->link);
	if (linked != 0 || l == NULL)
		return;
	e = peers_egress(b, l->provider);
	if (e == NULL)
		return;
	c->egress = (uint16_t)(e - b->egress);
	c->egress_gen = e->p.gen;
	l->call = table_index(b, c) + 1;
	table_link(b, c, a->link);
}

/* CALL, and AMEND likewise. */
static void
judge(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	struct decision	 d UNSET;

	(void)ev;
	if (c->state == CS_FREE && b->policy != -1)
		c->policy = peers_ref(b);
	decide_call(b, c->worker, b->policy == -1 ? -1 : c->policy, arg->ask,
	    &d);
	adopt(b, c, arg->ask);
	identify(b, c, &d);
	if (d.refusal == REFUSE_NONE && d.redact && c->redacted)
		d.refusal = REFUSE_TWICE;
	if (d.refusal != REFUSE_NONE) {
		if (c->state == CS_FREE && b->policy != -1)
			peers_unref(b, c->policy);
		refuse(b, c, &d, arg->out);
		return;
	}
	if (d.redact) {
		redact(b, c, &d, arg->out);
		return;
	}
	budget_reserve(b, c);
	c->attempt = 1;
	if (c->ask.kind != KIND_LIST)
		(void)policy_query(&d.provider, c->ask.query,
		    sizeof(c->ask.query));
	audit_intent(b, c, &d);
	if (c->ask.kind == KIND_LIST)
		audit_outcome(b, c);
	batch_then_call(b, c);
	b->count.calls++;
	enter(b, c, CS_COMMITTING, sooner(b->now + DL_COMMITTING, c->latest));
}

static void
end_free(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	tell_drop(b, c, arg->out);
	release_row(b, c);
}

static void
late_free(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	deny_call(b, c, REFUSE_LATE, AUTHN_OK, NULL);
	deny(b, c, REFUSE_LATE, arg->out);
	end_free(b, c, ev, arg);
}

static void
revoked_free(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	enum refusal	 r;

	r = arg->cut == CUT_EXPIRED ? REFUSE_CUT_EXPIRED : decide_revoked(b, c);
	deny_call(b, c, r, AUTHN_OK, NULL);
	deny(b, c, r, arg->out);
	end_free(b, c, ev, arg);
}

static void
egress_free(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	fail(b, c, REFUSE_EGRESS, arg->out);
	release_row(b, c);
}

/* COMMITTING: remember; act at COMMITTED. */
static void
mark(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	switch (ev) {
	case CE_CANCEL:
		c->marks |= CM_CANCELLED;
		break;
	case CE_WORKER_LOST:
		c->marks |= CM_CANCELLED | CM_WORKER_LOST | CM_ANSWERED;
		break;
	case CE_EGRESS_LOST:
		c->marks |= CM_EGRESS_LOST;
		break;
	case CE_REVOKED:
		c->marks |= arg->cut == CUT_EXPIRED ? CM_EXPIRED : CM_REVOKED;
		break;
	case CE_DEADLINE:
		c->marks |= CM_LATE;
		b->count.late++;
		deny(b, c, REFUSE_LATE, arg->out);
		break;
	default:
		break;
	}
}

static void
released(struct broker *b, struct call *c)
{
	enter(b, c, CS_RELEASED, sooner(c->expires,
	    sooner(c->latest, b->now + DL_RELEASED)));
}

/* The next attempt is under way to the log: 1, or 0 there is none. */
static int
again(struct broker *b, struct call *c)
{
	if (attempt_again(b, c) == -1)
		return 0;
	enter(b, c, CS_COMMITTING, sooner(b->now + DL_COMMITTING, c->latest));
	return 1;
}

/* The intent is durable. */
static void
committed(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	if (c->latest <= b->now)
		c->marks |= CM_LATE;
	if (c->expires <= b->now)
		c->marks |= CM_EXPIRED;
	if (c->marks & DEAD) {
		tell_drop(b, c, arg->out);
		fail(b, c, why_dead(b, c), arg->out);
		if (c->ask.kind == KIND_LIST)
			release_row(b, c);
		else
			settle(b, c);
		return;
	}
	if (c->ask.kind == KIND_LIST) {
		grant_allow(b, arg->token, c, arg->out);
		release_row(b, c);
		return;
	}
	if (c->here != 0) {
		tell_drop(b, c, arg->out);
		fail(b, c, REFUSE_CREDENTIAL, arg->out);
		settle(b, c);
		return;
	}
	if (grant_release(b, arg->token, c, arg->out) == 0) {
		released(b, c);
		return;
	}
	/* The value in its record is gone: on with the one that there is. */
	if (errno == ESTALE && again(b, c))
		return;
	grant_hold(b, arg->token, c);
	enter(b, c, CS_WAITCRED, sooner(b->now + DL_WAITCRED, c->latest));
}

static void
credential(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	if (arg->ok && grant_release(b, grant_held(b, c), c, arg->out) == 0) {
		released(b, c);
		return;
	}
	tell_drop(b, c, arg->out);
	fail(b, c, REFUSE_CREDENTIAL, arg->out);
	settle(b, c);
}

/* WAITCRED: nothing was released; answer, drop, close. */
static void
end_wait(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	if (ev != CE_DEADLINE)
		mark(b, c, ev, arg);
	tell_drop(b, c, arg->out);
	if (ev == CE_DEADLINE) {
		c->marks |= CM_LATE;
		deny(b, c, REFUSE_CREDENTIAL, arg->out);
	} else if (ev == CE_REVOKED)
		deny(b, c, why_dead(b, c), arg->out);
	else if (ev == CE_EGRESS_LOST)
		fail(b, c, REFUSE_EGRESS, arg->out);
	settle(b, c);
}

/* RELEASED: cut, and wait a little for the two reports. */
static void
cut(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	enum proto_cut	 why;

	if (c->marks & CM_CUT) {
		if (ev == CE_DEADLINE)
			settle(b, c);
		return;
	}
	why = ev == CE_CANCEL ? CUT_CANCELLED : ev == CE_REVOKED ? arg->cut :
	    c->expires <= b->now ? CUT_EXPIRED : CUT_DEADLINE;
	c->marks |= ev == CE_CANCEL ? CM_CANCELLED :
	    why == CUT_REVOKED ? CM_REVOKED :
	    why == CUT_EXPIRED ? CM_EXPIRED : CM_LATE;
	tell_cut_egress(b, c, why, arg->out);
	if (ev != CE_CANCEL)
		tell_cut_worker(b, c, why, arg->out);
	fair_deadline(b, c, b->now + DL_SETTLING);
}

/* RELEASED: the provider refused the credential; the egress waits. */
static void
refused(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	int	 r;

	(void)ev;
	if (c->marks & CM_CUT)
		return;			/* its DONE is under way */
	r = attempt_refused(b, c, arg->done, arg->out);
	if (r == 1 && again(b, c))
		return;
	if (r == 0)
		c->refused = 1;
	else
		tell_drop(b, c, arg->out);
}

/* ... and its sources were read again. */
static void
reopened(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	if (!c->refused || (c->marks & CM_CUT))
		return;
	c->refused = 0;
	if (!again(b, c))
		tell_drop(b, c, arg->out);
}

/* The worker's last word is here: no second attempt. */
static void
give_up(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	tell_drop(b, c, arg->out);
}

/* COMMITTING, second attempt: a last word is early. */
static void
early(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	uint8_t	 bit;

	bit = ev == CE_DONE ? CH_DONE : CH_OUTCOME;
	if (c->attempt < 2 || (c->here & bit) != 0) {
		wrong(b, c, ev, arg);
		return;
	}
	if (ev == CE_DONE)
		c->done = *arg->done;
	else
		c->outcome = *arg->outcome;
	c->here |= bit;
}

/* WAITCRED, second attempt: a last word ends the wait. */
static void
early_wait(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	early(b, c, ev, arg);
	if (c->here == 0)
		return;
	tell_drop(b, c, arg->out);
	fail(b, c, REFUSE_CREDENTIAL, arg->out);
	settle(b, c);
}

/* RELEASED: one of the two reports is here. */
static void
report(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	if (ev == CE_DONE) {
		c->done = *arg->done;
		c->here |= CH_DONE;
		b->egress[c->egress].done++;
		attempt_note(b, c, &c->done, arg->out);
		if (c->done.end == END_MISMATCH)
			b->count.mismatches++;
	} else {
		c->outcome = *arg->outcome;
		c->here |= CH_OUTCOME;
	}
	if (c->ask.kind == KIND_PROBE)
		settle(b, c);
	else
		enter(b, c, CS_SETTLING, b->now + DL_SETTLING);
}

/* SETTLING: the one that is missing, or an error. */
static void
missing(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	if (c->here & (ev == CE_DONE ? CH_DONE : CH_OUTCOME)) {
		wrong(b, c, ev, arg);
		return;
	}
	report(b, c, ev, arg);
	settle(b, c);
}

static void
settle_now(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	if (ev == CE_DEADLINE && !(c->here & CH_DONE) &&
	    !(c->marks & CM_CUT))
		tell_cut_egress(b, c, CUT_DEADLINE, arg->out);
	if (ev == CE_EGRESS_LOST)
		c->marks |= CM_EGRESS_LOST;
	if (ev == CE_WORKER_LOST)
		c->marks |= CM_WORKER_LOST;
	settle(b, c);
}

static void
worker_gone(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	c->marks |= CM_WORKER_LOST | CM_ANSWERED;
	if (!(c->marks & CM_CUT))
		tell_cut_egress(b, c, CUT_LOST, arg->out);
	enter(b, c, CS_SETTLING, b->now + DL_SETTLING);
}

static void
egress_gone(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	c->marks |= CM_EGRESS_LOST;
	b->count.settled_at_reservation++;
	fail(b, c, REFUSE_EGRESS, arg->out);
	settle(b, c);
}

/* CLOSING: the outcome is durable. */
static void
closed(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	(void)ev;
	(void)arg;
	release_row(b, c);
}

/* CLOSING: a report that was settled without, once. */
static void
owed(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	uint8_t	 bit;

	bit = ev == CE_DONE ? CH_DONE : CH_OUTCOME;
	if (c->owed & bit) {
		c->owed &= (uint8_t)~bit;
		b->count.late++;
		return;
	}
	wrong(b, c, ev, arg);
}

/* ---- appendix A -------------------------------------------------------- */
static const cell_fn	cells[CE_MAX][CS_MAX] = {
	/* FREE, ADMITTED, AMENDING, COMMITTING, WAITCRED, RELEASED,
	 * SETTLING, CLOSING */
	[CE_ADMIT] = { admit, wrong, wrong, wrong, wrong, wrong, wrong, wrong },
	[CE_CALL] = { judge, judge, wrong, wrong, wrong, wrong, wrong, wrong },
	[CE_AMEND] = { wrong, wrong, judge, wrong, wrong, wrong, wrong, wrong },
	[CE_CANCEL] = { wrong, end_free, end_free, mark, end_wait, cut,
	    ignore, ignore },
	[CE_COMMITTED] = { wrong, wrong, wrong, committed, wrong, wrong, wrong,
	    closed },
	[CE_CREDENTIAL] = { wrong, wrong, wrong, wrong, credential, wrong,
	    wrong, wrong },
	[CE_DEADLINE] = { wrong, late_free, late_free, mark, end_wait, cut,
	    settle_now, ignore },
	[CE_REVOKED] = { wrong, revoked_free, revoked_free, mark, end_wait,
	    cut, ignore, ignore },
	[CE_DONE] = { wrong, wrong, wrong, early, early_wait, report,
	    missing, owed },
	[CE_OUTCOME] = { wrong, wrong, wrong, early, early_wait, report,
	    missing, owed },
	[CE_WORKER_LOST] = { wrong, end_free, end_free, mark, end_wait,
	    worker_gone, settle_now, ignore },
	[CE_EGRESS_LOST] = { wrong, egress_free, egress_free, mark, end_wait,
	    egress_gone, settle_now, ignore },
	[CE_REFUSED] = { wrong, wrong, wrong, wrong, wrong, refused, give_up,
	    give_up },
	[CE_REOPENED] = { ignore, ignore, ignore, ignore, ignore, reopened,
	    ignore, ignore },
};

void
call_event(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	uint8_t	 before;

	before = c->state;
	cells[ev][before](b, c, ev, arg);
	if (c->state == CS_FREE && (before != CS_FREE || ev == CE_ADMIT ||
	    ev == CE_CALL))
		table_free(b, c);
}
