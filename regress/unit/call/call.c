/* SPDX-License-Identifier: ISC */
/*
 * Every cell of appendix A against cells.txt: a call is brought into the
 * state by messages, gets the event, and state and outbox are compared with
 * what stands in the file.  A cell without a line fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "regress/unit/call/rig.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))

static const char *const states[CS_MAX] = {
	"FREE", "ADMITTED", "AMENDING", "COMMITTING", "WAITCRED", "RELEASED",
	"SETTLING", "CLOSING",
};

static const char *const events[CE_MAX] = {
	"ADMIT", "CALL", "AMEND", "CANCEL", "COMMITTED", "CREDENTIAL",
	"DEADLINE", "REVOKED", "DONE", "OUTCOME", "WORKER_LOST",
	"EGRESS_LOST", "REFUSED", "REOPENED",
};

static struct rig	*r;
static enum verdict	 verdict;
static char		 got[512];	/* tokens, each after a blank */
static uint64_t		 watch[2];	/* numbers of the call under test */
static int		 nasked;	/* ASK of a worker's replacement */

/* A governance step that does what the test wants. */
static enum verdict
step(void *arg, const struct ask *a, struct verdict_span *s, size_t *n)
{
	(void)arg;
	(void)a;
	s[0].off = 10;
	s[0].len = 4;
	strlcpy(s[0].text, "xxxx", sizeof(s[0].text));
	*n = 1;
	return verdict;
}

static const struct step	the_step = { "test", step, NULL };

static uint64_t
be64(const uint8_t *p)
{
	uint64_t	 v;
	int		 i;

	for (v = 0, i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static void
note(const char *what)
{
	strlcat(got, " ", sizeof(got));
	strlcat(got, what, sizeof(got));
}

/* Messages about the watched call, by name. */
static void
seen(struct rig *rig, const struct out *it, const uint8_t *p)
{
	static const struct {
		uint16_t	 type;
		size_t		 at;
		const char	*name;
	} names[] = {
		{ M_ADMITTED, 0, "ADMITTED" }, { M_ALLOW, 0, "ALLOW" },
		{ M_REDACT, 0, "REDACT" }, { M_DENY, 0, "DENY" },
		{ M_FAIL, 0, "FAIL" }, { M_CUT, 0, "CUT" },
		{ M_ERROR, 0, "ERROR" }, { M_RELEASE, 4, "RELEASE" },
		{ M_DROP, 4, "DROP" }, { M_EG_CUT, 4, "EG_CUT" },
	};
	size_t	 i;

	(void)rig;
	if (it->act == OUT_SEND && it->type == M_ASK) {
		assert_int_equal(it->to.kind, FROM_PARENT);
		nasked++;
		/* what, slot, generation */
		assert_memory_equal(p, "\4\0\0\0\0\0\1", 7);
	}
	for (i = 0; i < N(names); i++)
		if (it->act == OUT_SEND && it->type == names[i].type &&
		    (be64(p + names[i].at) == watch[0] ||
		    be64(p + names[i].at) == watch[1]))
			note(names[i].name);
}

/* ---- bringing a call into a state -------------------------------------- */
static void
put_admit(struct msgw *w, const struct ask *a)
{
	msg_open(w, M_ADMIT);
	msg_put_u64(w, a->no);
	msg_put_strn(w, a->token, a->tokenlen);
	msg_put_u32(w, 0);
	msg_put_u16(w, a->route);
	msg_put_u64(w, a->length);
	msg_put_str(w, a->source);
}

static void
put_outcome(struct msgw *w, uint64_t no)
{
	msg_open(w, M_OUTCOME);
	msg_put_u64(w, no);
	msg_put_u8(w, END_OK);
	msg_put_u16(w, 200);
	msg_put_u8(w, GRADE_FINAL);
	msg_put_u64(w, 10);
	msg_put_u64(w, 20);
	msg_put_u64(w, 0);
	msg_put_u64(w, 500);
}

static void
put_done(struct msgw *w, const struct call *c)
{
	uint8_t	 z[32];

	memset(z, 0, sizeof(z));
	msg_open(w, M_DONE);
	msg_put_u32(w, c->ask.link);
	msg_put_u64(w, c->ask.no);
	msg_put_raw(w, c->id, CALL_ID);
	msg_put_u8(w, END_OK);
	msg_put_u16(w, 200);
	msg_put_u64(w, 1000);
	msg_put_u64(w, 2000);
	msg_put_raw(w, z, 32);
	msg_put_raw(w, z, 32);
	msg_put_u64(w, r->now);
	msg_put_u64(w, r->now);
	msg_put_u8(w, CLOSER_NONE);
	msg_put_u8(w, 0);
	msg_put_str(w, "");
	msg_put_str(w, "");
}

static void
report(struct call *c, const char *variant)
{
	struct msgw	 w;

	if (strcmp(variant, "outcome") == 0)
		put_outcome(&w, c->ask.no);
	else
		put_done(&w, c);
	rig_send(r, strcmp(variant, "outcome") == 0 ? FROM_WORKER :
	    FROM_EGRESS, strcmp(variant, "outcome") == 0 ? r->worker :
	    r->egress, &w, -1);
}

/* RELEASED by a real commit, and from there on. */
static void
past_commit(struct call *c, enum call_state want, const char *variant)
{
	struct call_arg	 arg;

	if (want == CS_WAITCRED) {
		rig_credential(r, "");
		rig_settle(r);
		rig_credential(r, RIG_CANARY);
		/* The source's return released it: wait again. */
		assert_int_equal(c->state, CS_RELEASED);
		c->state = CS_WAITCRED;
		c->released = 0;
		c->allowed = 0;
		return;
	}
	rig_settle(r);
	assert_int_equal(c->state, CS_RELEASED);
	if (want == CS_SETTLING)
		report(c, variant);
	if (want != CS_CLOSING)
		return;
	if (strcmp(variant, "owed") == 0) {
		memset(&arg, 0, sizeof(arg));
		arg.out = r->o;
		call_event(r->b, c, CE_EGRESS_LOST, &arg);
		rig_take(r);
		return;
	}
	report(c, "done");
	report(c, "outcome");
}

/* A fresh call in that state; a is what it asked. */
static struct call *
bring(enum call_state want, const char *variant, struct ask *a)
{
	struct msgw	 w;
	struct call	*c;

	verdict = VERDICT_PASS;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, a);
	if (want == CS_FREE) {
		c = table_new(r->b, r->worker, a->no);
		assert_non_null(c);
		memset(c->id, 0x5a, sizeof(c->id));
		return c;
	}
	if (want == CS_ADMITTED)
		put_admit(&w, a);
	else
		rig_put_call(&w, M_CALL, a);
	if (want == CS_AMENDING)
		verdict = VERDICT_REDACT;
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
	verdict = VERDICT_PASS;
	c = table_find(r->b, r->worker, a->no);
	assert_non_null(c);
	if (want > CS_COMMITTING)
		past_commit(c, want, variant);
	assert_int_equal(c->state, want);
	return c;
}

/* ---- the event --------------------------------------------------------- */
/* What the variant of a CALL, AMEND or ADMIT makes of it. */
static void
vary(struct ask *a, const char *variant)
{
	verdict = strcmp(variant, "redact") == 0 ? VERDICT_REDACT :
	    VERDICT_PASS;
	if (strcmp(variant, "deny") == 0)
		strlcpy(a->path, "/v1/other", sizeof(a->path));
	if (strcmp(variant, "stranger") == 0) {
		a->token = (const uint8_t *)"sk-foreign-key-0123456789";
		a->tokenlen = 25;
	}
}

static void
set_marks(struct call *c, const char *variant)
{
	static const struct {
		const char	*name;
		uint8_t		 marks;
	} table[] = {
		{ "cancelled", CM_CANCELLED },
		{ "answered", CM_LATE | CM_ANSWERED },
		{ "revoked", CM_REVOKED }, { "expired", CM_EXPIRED },
		{ "egress", CM_EGRESS_LOST },
		{ "worker", CM_CANCELLED | CM_WORKER_LOST | CM_ANSWERED },
	};
	size_t	 i;

	for (i = 0; i < N(table); i++)
		if (strcmp(variant, table[i].name) == 0)
			c->marks |= table[i].marks;
	if (strcmp(variant, "passed") == 0)
		c->latest = r->now;
	if (strcmp(variant, "egress") == 0)
		r->b->egress[r->egress].p.up = 0;
	if (strcmp(variant, "nokey") == 0)
		rig_credential(r, "");
}

/*
 * A second attempt: with another value or without one; the minute's reading of
 * the sources is spent but for "reread".
 */
static void
credentials(struct call *c, const char *variant)
{
	struct creds	*old;

	old = r->b->creds;
	r->b->creds = credential_new();
	assert_non_null(r->b->creds);
	credential_free(old);
	credential_vault(r->b->creds, &r->b->vault);
	if (strcmp(variant, "none") != 0) {
		rig_credential(r, "sk-older-0123456789abcdef");
		(void)peers_has_key(r->b, &(struct policy_provider){
		    .auth = AUTH_BEARER, .key = "OPENAI_API_KEY" });
	}
	rig_credential(r, RIG_CANARY);
	if (strcmp(variant, "reread") != 0) {
		assert_int_equal(credential_reread(r->b->creds,
		    "OPENAI_API_KEY", r->now), 1);
		credential_reread_done(r->b->creds, "OPENAI_API_KEY");
	}
	assert_string_equal(c->state > CS_COMMITTING ? c->credential :
	    "OPENAI_API_KEY", "OPENAI_API_KEY");
}

static void
commit(struct call *c, const char *variant)
{
	set_marks(c, variant);
	if (strncmp(variant, "second", 6) == 0) {
		c->attempt = 2;
		c->allowed = 1;
		c->here = strcmp(variant, "second-done") == 0 ? CH_DONE :
		    strcmp(variant, "second-outcome") == 0 ? CH_OUTCOME : 0;
	}
	watch[0] = c->ask.no;
	rig_flush(r);
	assert_int_equal(rig_commit(r), 1);
	r->b->egress[r->egress].p.up = 1;
	if (strcmp(variant, "nokey") == 0) {
		watch[0] = 0;
		assert_int_equal(c->state, CS_WAITCRED);
		rig_credential(r, RIG_CANARY);
		c->state = CS_WAITCRED;
	}
}

static void
inject(struct call *c, enum call_event ev, const char *variant,
    struct ask *a)
{
	struct call_arg	 arg;
	struct done	 d;
	struct outcome	 u;

	if (ev == CE_COMMITTED && c->state == CS_COMMITTING) {
		commit(c, variant);
		return;
	}
	memset(&arg, 0, sizeof(arg));
	memset(&d, 0, sizeof(d));
	memset(&u, 0, sizeof(u));
	arg.out = r->o;
	arg.done = &d;
	arg.outcome = &u;
	arg.ok = strcmp(variant, "ready") == 0;
	arg.cut = CUT_REVOKED;
	if (ev <= CE_AMEND) {
		vary(a, variant);
		arg.ask = a;
		if (ev == CE_AMEND && c->state == CS_AMENDING)
			a->no = ++r->no;
	}
	if (strcmp(variant, "again") == 0)
		call_event(r->b, c, CE_DEADLINE, &arg);
	if (c->state == CS_RELEASED && (ev == CE_REFUSED ||
	    ev == CE_REOPENED))
		credentials(c, variant);
	if (ev == CE_REFUSED)
		d.status = 401;
	if (ev == CE_REOPENED)
		c->refused = strcmp(variant, "-") != 0;
	if (strcmp(variant, "second") == 0 && c->state == CS_COMMITTING)
		c->attempt = 2;
	rig_take(r);
	watch[0] = c->ask.no;
	watch[1] = a->no;
	r->b->egress[r->egress].p.up = ev != CE_EGRESS_LOST;
	call_event(r->b, c, ev, &arg);
	r->b->egress[r->egress].p.up = 1;
	rig_take(r);
}

/* ---- comparing --------------------------------------------------------- */
static void
marks(const struct call *c)
{
	if (c->state != CS_COMMITTING)
		return;
	if (c->marks & CM_CANCELLED)
		note("mark=cancelled");
	if (c->marks & CM_LATE)
		note("mark=late");
	if (c->marks & CM_REVOKED)
		note("mark=revoked");
	if (c->marks & CM_EGRESS_LOST)
		note("mark=egress-lost");
}

/* Intents and outcomes of this call among what waits in the batch. */
static void
entries(size_t from, const uint8_t id[CALL_ID])
{
	struct entry	 e;
	const uint8_t	*p, *q, *got_id;
	size_t		 at, len, n;

	q = r->b->batch.mem;
	for (at = from; at < r->b->batch.tail; at += 5 + len) {
		p = q + at;
		len = (size_t)p[1] << 24 | (size_t)p[2] << 16 |
		    (size_t)p[3] << 8 | p[4];
		if (p[0] != 'E' || entry_parse(p + 5, len, &e, NULL) == -1 ||
		    entry_get_bytes(&e, EK_REQUEST_ID, &got_id, &n) == -1 ||
		    memcmp(got_id, id, CALL_ID) != 0)
			continue;
		if (e.type == ET_CALL_INTENT)
			note("intent");
		if (e.type == ET_CALL_OUTCOME)
			note("append");
	}
}

static int
count(const char *set, const char *token)
{
	char	 word[64];
	int	 n, len;

	for (n = 0; sscanf(set, " %63s%n", word, &len) == 1; set += len)
		n += strcmp(word, token) == 0;
	return n;
}

static int
same_set(const char *a, const char *b)
{
	const char	*s;
	char		 word[64];
	int		 len, pass;

	for (pass = 0; pass < 2; pass++)
		for (s = pass ? a : b; sscanf(s, " %63s%n", word, &len) == 1;
		    s += len)
			if (count(a, word) != count(b, word))
				return 0;
	return 1;
}

static int
find(const char *const *names, size_t n, const char *name)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	fail_msg("unknown name %s", name);
	return -1;
}

/* The errors of the egress, which has no ERROR message. */
static uint32_t
egress_errors(void)
{
	return r->b->egress[r->egress].p.errors;
}

/* Sum of the reservations = sum of the open calls. */
static void
reservations(void)
{
	uint32_t	 i, open;

	open = 0;
	for (i = 0; i < r->b->high; i++)
		open += r->b->calls[i].state >= CS_COMMITTING &&
		    r->b->calls[i].state <= CS_SETTLING;
	assert_int_equal(budget_open(r->b, r->key), open);
}

static void
cell(enum call_event ev, enum call_state st, const char *variant,
    enum call_state next, const char *want)
{
	struct call	*c;
	struct ask	 a;
	uint8_t		 id[CALL_ID];
	uint32_t	 errors;
	size_t		 from;

	r->b->workers[r->worker].p.errors = 0;
	r->b->egress[r->egress].p.errors = 0;
	rig_settle(r);
	watch[0] = watch[1] = 0;
	c = bring(st, variant, &a);
	memcpy(id, c->id, CALL_ID);
	got[0] = '\0';
	from = r->b->batch.tail;
	errors = egress_errors();
	inject(c, ev, variant, &a);
	if (ev == CE_COMMITTED && st == CS_COMMITTING)
		from = r->b->batch.head;
	entries(from, id);
	if (egress_errors() > errors)
		note("count");
	marks(c);
	if (c->state != next || !same_set(got, want))
		fail_msg("%s in %s (%s): %s,%s; wanted %s, %s", events[ev],
		    states[st], variant, states[c->state], got, states[next],
		    want);
	reservations();
	if (st == CS_FREE && c->state == CS_FREE && ev != CE_ADMIT &&
	    ev != CE_CALL)
		table_free(r->b, c);
}

static void
test_cells(void **state)
{
	FILE	*f;
	char	 line[256], ev[32], st[32], variant[32], next[32];
	int	 done[CE_MAX][CS_MAX], e, s, len, n;

	(void)state;
	memset(done, 0, sizeof(done));
	f = fopen("regress/unit/call/cells.txt", "r");
	assert_non_null(f);
	n = 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		assert_int_equal(sscanf(line, "%31s %31s %31s %31s%n", ev, st,
		    variant, next, &len), 4);
		e = find(events, CE_MAX, ev);
		s = find(states, CS_MAX, st);
		cell(e, s, variant, find(states, CS_MAX, next), line + len);
		done[e][s] = 1;
		n++;
	}
	fclose(f);
	for (e = 0; e < CE_MAX; e++)
		for (s = 0; s < CS_MAX; s++)
			if (!done[e][s])
				fail_msg("no line for %s in %s", events[e],
				    states[s]);
	printf("# %d lines, %d cells\n", n, CE_MAX * CS_MAX);
}

/*
 * The life of a worker, counted by its numbers: the parent is asked once, and
 * the worker serves on.
 */
static void
test_life(void **state)
{
	struct ask	 a;
	struct msgw	 w;
	int		 i;

	(void)state;
	nasked = 0;
	r->b->workers[r->worker].life = (uint32_t)r->no + 3;
	for (i = 1; i <= 5; i++) {
		rig_ask(r, &a);
		put_admit(&w, &a);
		rig_send(r, FROM_WORKER, r->worker, &w, -1);
		assert_non_null(table_find(r->b, r->worker, a.no));
		assert_int_equal(nasked, i < 3 ? 0 : 1);
	}
	rig_tick(r, 700 * NS_S);
	rig_settle(r);
}

/* After all that: every intent has one outcome, nothing is reserved. */
static void
test_end(void **state)
{
	size_t		 i, intents, outcomes;
	uint32_t	 k;

	(void)state;
	rig_lost(r, FROM_WORKER, r->worker);
	rig_lost(r, FROM_EGRESS, r->egress);
	rig_settle(r);
	rig_tick(r, 20 * NS_S);
	rig_settle(r);
	rig_tick(r, 700 * NS_S);
	rig_settle(r);
	assert_int_equal(r->b->live, 0);
	assert_int_equal(r->b->nheap, 0);
	assert_int_equal(budget_open(r->b, r->key), 0);
	for (k = 0; k < r->b->nbudget; k++)
		assert_int_equal(r->b->budget[k].calls, 0);
	assert_int_equal(r->b->policy_refs[r->b->policy], 0);
	intents = outcomes = 0;
	for (i = 0; i < r->led.size; i++) {
		intents += strcmp(r->led.types[i], "call.intent") == 0;
		outcomes += strcmp(r->led.types[i], "call.outcome") == 0;
	}
	assert_true(intents > 30);
	assert_int_equal(intents, outcomes);
	for (i = 0; i < r->led.nrows; i++)
		assert_int_not_equal(r->led.rows[i].kind, ST_OPENCALL);
}

static int
setup(void **state)
{
	(void)state;
	r = rig_new();
	rig_peers(r);
	r->seen = seen;
	r->b->steps = &the_step;
	r->b->nsteps = 1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(r);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests_name("call", tests, setup, teardown);
}
