/* SPDX-License-Identifier: ISC */
/*
 * Every refusal of a CALL, one thing wrong at a time, and what the worker is
 * told; protocol errors beside it (numbers, links, ADMIT that differs).
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

static struct rig	*r;
static uint16_t		 last_type, last_status;
static char		 last_text[REASON_MAX + 1], last_code[64];
static unsigned int	 drops;

static void
seen(struct rig *rig, const struct out *it, const uint8_t *p)
{
	struct msgr	 m;
	uint8_t		 id[16];
	char		 text[512];

	(void)rig;
	if (it->act != OUT_SEND)
		return;
	drops += it->type == M_DROP;
	if (it->to.kind != FROM_WORKER || it->type == M_READY)
		return;
	last_type = it->type;
	if (it->type != M_DENY)
		return;
	msg_read(&m, it->type, p, it->len);
	(void)msg_get_u64(&m);
	msg_get_raw(&m, id, sizeof(id));
	last_status = msg_get_u16(&m);
	msg_get_str(&m, text, sizeof(text));
	msg_get_str(&m, last_code, sizeof(last_code));
	msg_get_str(&m, text, sizeof(text));
	msg_get_str(&m, last_text, sizeof(last_text));
	(void)msg_get_u32(&m);
	(void)msg_get_u8(&m);
	assert_int_equal(msg_end(&m), 0);
}

static void
send_call(const struct ask *a)
{
	struct msgw	 w;

	last_type = 0;
	last_status = 0;
	last_text[0] = last_code[0] = '\0';
	rig_put_call(&w, M_CALL, a);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
}

/* ---- one thing wrong --------------------------------------------------- */
static void	 none(struct ask *a) { (void)a; }
static void	 no_token(struct ask *a) { a->tokenlen = 0; }
static void	 path(struct ask *a) { a->path[3] = 'x'; }
static void	 route(struct ask *a) { a->route = 99; }
static void	 kind(struct ask *a) { a->kind = KIND_EMBED; }
static void	 dialect(struct ask *a) { a->dialect = 7; }
static void	 empty(struct ask *a) { a->length = 0; }
static void	 length(struct ask *a) { a->length = BODY_MAX + 1; }
static void	 other(struct ask *a) { a->provider = RIG_LOCAL; }
static void	 unknown(struct ask *a) { a->provider = 77; }
static void	 link_(struct ask *a) { a->link ^= 1 << 20; }
static void	 late(struct ask *a) { a->deadline = RIG_NOW; }

static void
method(struct ask *a)
{
	strlcpy(a->method, "DELETE", sizeof(a->method));
}

static void
foreign(struct ask *a)
{
	a->token = (const uint8_t *)"sk-proj-0123456789abcdef";
	a->tokenlen = 24;
}

static void
sum(struct ask *a)
{
	static char	 token[TOKEN_SIZE];

	strlcpy(token, r->token, sizeof(token));
	token[30] = token[30] == 'a' ? 'b' : 'a';
	a->token = (const uint8_t *)token;
}

static void
nokey(struct ask *a)
{
	a->provider = RIG_OTHER;
	a->dialect = DIALECT_ANTHROPIC;
	a->route = ROUTE_MESSAGES;
	a->link = 0;
	strlcpy(a->path, "/v1/messages", sizeof(a->path));
}

static void
wrong_dialect(struct ask *a)
{
	a->provider = RIG_OTHER;
}

static void
control(struct ask *a)
{
	strlcpy(a->query, "beta=\ntrue", sizeof(a->query));
}

static void
blank(struct ask *a)
{
	strlcpy(a->ctype, "text/\x01", sizeof(a->ctype));
}

static void
utf8(struct ask *a)
{
	strlcpy(a->model, "gpt-\xff\xfe", sizeof(a->model));
}

/* What the worker refuses in a body is no model's name here either. */
static void
c1(struct ask *a)
{
	strlcpy(a->model, "gpt-\xc2\x9b" "31m", sizeof(a->model));
}

static const struct {
	const char	*name;
	void		 (*fn)(struct ask *);
	uint16_t	 status;	/* 0: it goes into a batch */
	const char	*code, *text;	/* text: part of the sentence */
} rows[] = {
	{ "all right", none, 0, "", "" },
	{ "no token", no_token, 401, "invalid_api_key", "" },
	{ "provider's key", foreign, 401, "invalid_api_key", "" },
	{ "wrong checksum", sum, 401, "invalid_api_key", "" },
	{ "unknown route", route, 404, "unknown_route", "" },
	{ "kind of another route", kind, 400, "wrong_kind", "" },
	{ "no such dialect", dialect, 400, "wrong_kind", "" },
	{ "method", method, 405, "wrong_method", "" },
	{ "unknown provider", unknown, 404, "model_not_found", "" },
	{ "provider of the other dialect", wrong_dialect, 404,
	    "model_not_found", "dialect" },
	{ "path", path, 400, "wrong_path", "" },
	{ "no credential", nokey, 503, "no_provider_key",
	    "provider anthropic has no key: set ANTHROPIC_API_KEY" },
	{ "somebody's link", link_, 503, "no_link", "" },
	{ "link of another provider", other, 503, "no_link", "" },
	{ "too long", length, 413, "request_too_large", "32 MiB" },
	{ "no body", empty, 400, "empty_body", "no body" },
	{ "its time is over", late, 503, "late", "" },
	{ "newline in the query", control, 400, "bad_text", "" },
	{ "control in the type", blank, 400, "bad_text", "" },
	{ "model is no UTF-8", utf8, 400, "bad_text", "" },
	{ "model moves a cursor", c1, 400, "bad_text", "" },
};

static void
test_refusals(void **state)
{
	struct call	*c;
	struct ask	 a;
	size_t		 i;

	(void)state;
	for (i = 0; i < N(rows); i++) {
		rig_make_link(r, RIG_PROVIDER);
		rig_ask(r, &a);
		rows[i].fn(&a);
		send_call(&a);
		c = table_find(r->b, r->worker, a.no);
		if (rows[i].status == 0) {
			assert_non_null(c);
			assert_int_equal(c->state, CS_COMMITTING);
			continue;
		}
		if (c != NULL || last_type != M_DENY ||
		    last_status != rows[i].status ||
		    strcmp(last_code, rows[i].code) != 0 ||
		    strstr(last_text, rows[i].text) == NULL ||
		    strstr(last_text, "Request req_") == NULL)
			fail_msg("%s: %u %s %s", rows[i].name, last_status,
			    last_code, last_text);
	}
	rig_settle(r);
	assert_int_equal(r->b->workers[r->worker].p.errors, 0);
}

/* Outside the scope of key or agent: 403 with the part that objected. */
static void
test_scope(void **state)
{
	static const struct {
		const char	*key, *agent, *text;	/* text NULL: it goes */
	} cases[] = {
		{ "", "", NULL },
		{ "p=openai m=gpt-* k=generate n=10.0.0.0/8", "", NULL },
		{ "p=anthropic", "", "(key_scope) Blocked by policy: the "
		    "provider openai" },
		{ "m=o1*", "", "the model gpt-" },
		{ "k=embed", "", "the kind of call generate" },
		{ "n=192.0.2.0/24", "", "the source network 10." },
		{ "p=openai", "m=o1", "(agent_scope) Blocked by policy: the "
		    "model" },
	};
	struct key	*k;
	struct ask	 a;
	char		 id[TOKEN_ID + 1];
	size_t		 i;

	(void)state;
	assert_int_equal(token_public_id(r->token, strlen(r->token), id,
	    NULL), 0);
	k = key_find(r->b->keys, id, TOKEN_ID);
	for (i = 0; i < N(cases); i++) {
		k->scope = cases[i].key;
		k->agent->scope = cases[i].agent;
		rig_make_link(r, RIG_PROVIDER);
		rig_ask(r, &a);
		strlcpy(a.source, "10.1.2.3", sizeof(a.source));
		send_call(&a);
		if (cases[i].text == NULL) {
			assert_non_null(table_find(r->b, r->worker, a.no));
			continue;
		}
		assert_int_equal(last_status, 403);
		assert_string_equal(last_code, "policy_block");
		if (strstr(last_text, cases[i].text) == NULL)
			fail_msg("case %zu: %s", i, last_text);
	}
	k->scope = k->agent->scope = "";
	rig_settle(r);
}

/* The body may be at the egress: a refusal drops it there. */
static void
test_drop(void **state)
{
	struct ask	 a;

	(void)state;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	path(&a);
	drops = 0;
	send_call(&a);
	assert_int_equal(drops, 1);
}

static void
test_revoked(void **state)
{
	struct call	*c;
	struct key	*k;
	struct ask	 a;

	(void)state;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	send_call(&a);
	rig_settle(r);
	c = table_find(r->b, r->worker, a.no);
	assert_int_equal(c->state, CS_RELEASED);
	k = key_find(r->b->keys, r->key, strlen(r->key));
	assert_non_null(k);
	last_type = 0;
	assert_true(call_revoke(r->b, MATCH_KEY, r->key, CUT_REVOKED, r->o) >=
	    1);
	rig_take(r);
	assert_int_equal(last_type, M_CUT);
	k->revoked = r->wall;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	send_call(&a);
	assert_int_equal(last_status, 401);
	k->revoked = 0;
	k->expires = r->wall;
	rig_ask(r, &a);
	send_call(&a);
	assert_int_equal(last_status, 401);
	k->expires = r->wall + KEY_DAY_MS;
}

/* A running call of a key that expires is cut at that moment. */
static void
test_expiry(void **state)
{
	struct call	*c;
	struct key	*k;
	struct ask	 a;

	(void)state;
	k = key_find(r->b->keys, r->key, strlen(r->key));
	k->expires = r->wall + 5000;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	send_call(&a);
	rig_settle(r);
	c = table_find(r->b, r->worker, a.no);
	assert_int_equal(c->state, CS_RELEASED);
	rig_tick(r, 4998 * NS_MS);
	assert_int_equal(c->marks & CM_CUT, 0);
	rig_tick(r, NS_MS);	/* the wall clock is rounded down */
	assert_int_equal(c->marks & CM_CUT, CM_CUT);
	assert_int_equal(c->cut, CUT_EXPIRED);
	k->expires = r->wall + KEY_DAY_MS;
	rig_tick(r, DL_SETTLING);
	rig_settle(r);
}

static void
test_key_calls(void **state)
{
	struct ask	 a;
	unsigned int	 i;

	(void)state;
	for (i = budget_open(r->b, r->key); i < KEY_CALLS; i++) {
		rig_make_link(r, RIG_PROVIDER);
		rig_ask(r, &a);
		send_call(&a);
		assert_int_equal(last_type, 0);
	}
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	send_call(&a);
	assert_int_equal(last_status, 429);
	assert_string_equal(last_code, "too_many_calls");
	rig_settle(r);
	rig_lost(r, FROM_EGRESS, r->egress);
	rig_settle(r);
	assert_int_equal(budget_open(r->b, r->key), 0);
}

static void
test_list(void **state)
{
	struct ask	 a;

	(void)state;
	rig_ask(r, &a);
	a.kind = KIND_LIST;
	a.link = 0;
	a.length = 0;
	a.provider = 0;
	a.route = ROUTE_MODELS;
	a.model[0] = '\0';
	strlcpy(a.method, "GET", sizeof(a.method));
	strlcpy(a.path, "/v1/models", sizeof(a.path));
	send_call(&a);
	assert_int_equal(last_type, 0);
	rig_commit(r);
	assert_int_equal(last_type, M_ALLOW);
	assert_null(table_find(r->b, r->worker, a.no));
	assert_string_equal(r->led.types[r->led.size - 2], "call.intent");
	assert_string_equal(r->led.types[r->led.size - 1], "call.outcome");
}

/* ---- protocol errors --------------------------------------------------- */
static void
put_admit(const struct ask *a)
{
	struct msgw	 w;

	last_type = 0;
	msg_open(&w, M_ADMIT);
	msg_put_u64(&w, a->no);
	msg_put_strn(&w, a->token, a->tokenlen);
	msg_put_u32(&w, 0);
	msg_put_u16(&w, a->route);
	msg_put_u64(&w, a->length);
	msg_put_str(&w, a->source);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
}

static void
egress_back(void)
{
	struct msgw	 w;

	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_EGRESS);
	msg_put_u16(&w, RIG_PROVIDER);
	msg_put_u32(&w, 2);
	rig_send(r, FROM_PARENT, 0, &w, 5);
}

static void
test_numbers(void **state)
{
	struct ask	 a, b;

	(void)state;
	egress_back();
	r->b->workers[r->worker].p.errors = 0;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	send_call(&a);
	assert_int_equal(last_type, 0);
	rig_settle(r);
	b = a;
	send_call(&b);			/* the same number again */
	assert_int_equal(last_type, M_ERROR);
	b.no = ++r->no;			/* the link has a call */
	send_call(&b);
	assert_int_equal(last_type, M_ERROR);
	rig_make_link(r, RIG_PROVIDER);
	b.link = r->link;
	b.no = a.no - 1;		/* lower than the last */
	send_call(&b);
	assert_int_equal(last_type, M_ERROR);
	assert_int_equal(r->b->workers[r->worker].p.errors, 3);
}

static void
test_admit(void **state)
{
	struct ask	 a, b;

	(void)state;
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	put_admit(&a);
	assert_int_equal(last_type, M_ADMITTED);
	b = a;
	b.flags = CF_ADMITTED;
	b.length++;
	send_call(&b);
	assert_int_equal(last_type, M_ERROR);
	b.length = a.length;
	b.tokenlen--;
	send_call(&b);
	assert_int_equal(last_type, M_ERROR);
	b.tokenlen++;
	b.flags = 0;
	send_call(&b);
	assert_int_equal(last_type, M_ERROR);
	b.flags = CF_ADMITTED;
	send_call(&b);
	assert_int_equal(last_type, 0);
	assert_int_equal(table_find(r->b, r->worker, b.no)->state,
	    CS_COMMITTING);
	rig_settle(r);
}

/* Sixteen errors close the link; its calls settle as lost. */
static void
test_expelled(void **state)
{
	struct msgw	 w;
	unsigned int	 i;

	(void)state;
	r->b->workers[r->worker].p.errors = 0;
	for (i = 0; i < LINK_ERRORS; i++) {
		assert_int_equal(r->b->workers[r->worker].p.up, 1);
		msg_open(&w, M_CALL);
		msg_put_u64(&w, 1);
		rig_send(r, FROM_WORKER, r->worker, &w, -1);
	}
	assert_int_equal(r->b->workers[r->worker].p.up, 0);
	rig_tick(r, DL_SETTLING);
	rig_settle(r);
	rig_tick(r, DL_SETTLING);
	rig_settle(r);
	assert_int_equal(r->b->live, 0);
}

static int
setup(void **state)
{
	(void)state;
	r = rig_new();
	rig_peers(r);
	r->seen = seen;
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
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_key_calls),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_expelled),
	};

	return cmocka_run_group_tests_name("decide", tests, setup, teardown);
}
