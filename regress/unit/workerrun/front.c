/* SPDX-License-Identifier: ISC */
/* What needs no egress: routes, keys, refusals, limits, models, console. */
#include <poll.h>

#include "rig.h"

#define CHAT	"/v1/chat/completions"
#define BODY	"{\"model\":\"gpt-a\"}"

static void
health(void **state)
{
	struct rig	*g;
	struct cl	 c;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_send(g, &c, "HEAD / HTTP/1.1\r\nhost: x\r\n\r\n"
	    "GET / HTTP/1.1\r\nhost: x\r\n\r\n"
	    "GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
	    "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
	    "GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n"
	    "GET /health/startup HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &c, "\"version\":\"1.0.0\"");
	cl_want(g, &c, "{\"status\":\"ok\",\"checks\":{\"ledger\":\"ok\","
	    "\"broker\":\"ok\",\"dial\":\"ok\",\"providers\":\"ok\"}}");
	assert_int_equal(g->n, 0);
	c.n = 0;
	rig_ready(g, 0, 0);
	rig_pump(g);
	cl_send(g, &c, "GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &c, "HTTP/1.1 503 ");
	cl_want(g, &c, "\"broker\":\"down\"");
	/* Waiting for a KMS; then one that is away while the gate is open. */
	g->kms = KC_UNAVAILABLE;
	rig_ready(g, 0, 0);
	rig_pump(g);
	c.n = 0;
	cl_send(g, &c, "GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &c, "HTTP/1.1 503 ");
	cl_want(g, &c, ",\"vault_key\":\"unavailable\"},\"detail\":\"waits "
	    "for the KMS");
	g->kms = KC_STATE;
	rig_ready(g, 1, 0);
	rig_pump(g);
	c.n = 0;
	cl_send(g, &c, "GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &c, "HTTP/1.1 200 ");
	cl_want(g, &c, ",\"vault_key\":\"state\"}}");
	cl_close(&c);
	rig_free(g);
}

/* Refused by the worker alone, in the client's dialect. */
static void
keys(void **state)
{
	static const struct {
		const char	*fields, *want;
	} rows[] = {
		{ "", "No API key was sent" },
		{ "authorization: Bearer sk-secret\r\n",
		    "This is a provider key, not a tp_ key" },
		{ "authorization: Bearer nothing\r\n", "This is not a tp_" },
		{ "authorization: Basic dXNlcg==\r\n", "No API key" },
		{ "authorization: Bearer tp_aaaaaaaaaaaaaaaaaaaaaaaa\r\n"
		    "x-api-key: tp_bbbbbbbbbbbbbbbbbbbbbbbb\r\n",
		    "Two different tp_ keys" },
		{ "x-api-key: tp_short\r\n", "This tp_ key is damaged" },
		{ "x-api-key: tp_dev_AAAAAAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		    "AAAAAAAAAAAAAAAAAAAAA\r\n", "This tp_ key is damaged" },
	};
	static const char *const paths[] = { CHAT, "/v1/messages", "/nope",
	    "/v1/models" };
	struct rig	*g;
	struct cl	 c;
	size_t		 i, k;

	(void)state;
	g = rig_new(NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (k = 0; k < 4; k++) {
			cl_open(g, &c);
			cl_send(g, &c, "POST %s HTTP/1.1\r\nhost: x\r\n%s"
			    "content-length: 2\r\n\r\n{}", paths[k],
			    rows[i].fields);
			cl_want(g, &c, "HTTP/1.1 401 Unauthorized\r\n");
			cl_want(g, &c, "x-should-retry: false\r\n");
			cl_want(g, &c, rows[i].want);
			cl_want(g, &c, k == 1 ? "{\"type\":\"error\",\"error\":"
			    "{\"type\":\"authentication_error\"" : "error");
			cl_none(g, &c, "secret");
			cl_eof(g, &c);
			cl_close(&c);
		}
	assert_false(rig_has(g, M_ADMIT));
	assert_false(rig_has(g, M_CALL));
	rig_free(g);
}

/* A provider's key beside ours is fine, and an unshaped tp_ goes on. */
static void
unshaped(void **state)
{
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	char		 text[129];

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_send(g, &c, "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: "
	    "Bearer sk-real\r\nx-api-key: tp_admin_0123456789abcdef\r\n\r\n");
	rig_take(g, M_CALL, &m, &r);
	msg_get_u64(&r);
	assert_int_equal(msg_get_u32(&r), 0);
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "tp_admin_0123456789abcdef");
	assert_int_equal(msg_get_u32(&r), CF_UNSHAPED);
	assert_int_equal(msg_get_u8(&r), KIND_LIST);
	cl_close(&c);
	rig_free(g);
}

/* Refusals that wait for the caller to be known. */
static void
refusals(void **state)
{
	static const struct {
		const char	*request, *body, *status, *want;
	} rows[] = {
		{ "GET " CHAT, "", "405", "allow: POST\r\n" },
		{ "PUT /v1/messages", "", "405", "\"type\":\"error\"" },
		{ "POST /v1/models", "", "405", "allow: GET\r\n" },
		{ "DELETE /agents", "", "405", "allow: GET, POST\r\n" },
		{ "GET /nope", "", "404", "There is no such route" },
		{ "GET /v1/responses", "upgrade: websocket\r\nconnection: "
		    "upgrade\r\n", "426", "upgrade: HTTP/1.1" },
		{ "POST /v1/messages?beta=no", "", "400", "" },
		{ "GET /v1/models?limit=x", "", "400", "" },
		{ "POST " CHAT, "content-length: 0\r\n", "400",
		    "The request has no body" },
	};
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	char		 want[32], text[129];
	uint64_t	 no;
	size_t		 i, k;

	(void)state;
	g = rig_new(NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (k = 0; k < 3; k++) {
			cl_open(g, &c);
			cl_send(g, &c, "%s HTTP/1.1\r\nhost: x\r\n"
			    "authorization: Bearer %s\r\n%s\r\n",
			    rows[i].request, g->token, rows[i].body);
			rig_take(g, M_ADMIT, &m, &r);
			no = msg_get_u64(&r);
			msg_get_str(&r, text, sizeof(text));
			msg_get_u32(&r);
			assert_int_equal(msg_get_u16(&r), 0);
			assert_int_equal(msg_get_u64(&r), 0);
			cl_none(g, &c, "HTTP");
			snprintf(want, sizeof(want), "HTTP/1.1 %s ",
			    k == 0 ? "401" : rows[i].status);
			if (k == 0)
				rig_deny(g, no, 401, "Unknown key.");
			else if (k == 1)
				rig_deny(g, no, 403, "Not for this role.");
			else
				rig_admitted(g, no);
			cl_want(g, &c, want);
			cl_want(g, &c, k == 0 ? "Unknown key." : rows[i].want);
			if (k == 2) {
				rig_take(g, M_CANCEL, &m, &r);
				assert_int_equal(msg_get_u64(&r), no);
			}
			cl_close(&c);
		}
	assert_false(rig_has(g, M_CANCEL));
	rig_free(g);
}

/* Bodies that cannot go out, known caller. */
static void
bodies(void **state)
{
	static const struct {
		const char	*path, *body, *status, *want;
	} rows[] = {
		{ CHAT, "{\"model\":", "400", "" },
		{ CHAT, "{\"model\":\"gpt-a\",\"model\":\"gpt-b\"}", "400", "" },
		{ CHAT, "{}", "400", "model" },
		{ CHAT, "{\"model\":\"llama\"}", "404", "gpt-*, claude-*" },
		{ CHAT, "{\"model\":\"llama\"}", "404", "model_not_found" },
		{ CHAT, "{\"model\":\"claude-a\"}", "404",
		    "use POST /v1/messages." },
		{ "/v1/messages", "{\"model\":\"gpt-a\"}", "404",
		    "use POST /v1/chat/completions." },
		{ "/v1/messages", "{\"model\":\"x/y\"}", "404",
		    "not_found_error" },
	};
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	char		 want[32];
	size_t		 i;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (c.eof) {
			cl_close(&c);
			cl_open(g, &c);
		}
		c.n = 0;
		cl_post(g, &c, rows[i].path, rows[i].body);
		rig_take(g, M_ADMIT, &m, &r);
		cl_none(g, &c, "HTTP");
		rig_admitted(g, msg_get_u64(&r));
		snprintf(want, sizeof(want), "HTTP/1.1 %s ", rows[i].status);
		cl_want(g, &c, want);
		cl_want(g, &c, rows[i].want);
		/* The body was read, so the connection stays. */
		cl_none(g, &c, "connection: close");
		rig_take(g, M_CANCEL, &m, &r);
	}
	cl_close(&c);
	rig_free(g);
}

static void
nolink(void **state)
{
	static struct rig_msg m;
	struct rig	*g;
	struct msgw	 w;
	struct msgr	 r;
	struct cl	 c;
	uint32_t	 cookie;

	(void)state;
	g = rig_new(NULL);
	rig_ready(g, 1, 1);
	rig_pump(g);
	cl_open(g, &c);
	cl_post(g, &c, "/v1/messages", "{\"model\":\"claude-a\"}");
	rig_take(g, M_LINK, &m, &r);
	cookie = msg_get_u32(&r);
	assert_int_equal(msg_get_u16(&r), 2);
	msg_open(&w, M_NOLINK);
	msg_put_u32(&w, cookie);
	msg_put_u16(&w, 2);
	msg_put_u16(&w, 503);
	msg_put_str(&w, "provider anthropic has no key: set "
	    "ANTHROPIC_API_KEY");
	msg_send(&g->broker, &w, -1);
	rig_take(g, M_ADMIT, &m, &r);
	cl_none(g, &c, "HTTP");
	rig_admitted(g, msg_get_u64(&r));
	cl_want(g, &c, "HTTP/1.1 503 ");
	cl_want(g, &c, "x-should-retry: false\r\n");
	cl_want(g, &c, "set ANTHROPIC_API_KEY");
	cl_close(&c);
	rig_free(g);
}

static void
models(void **state)
{
	static const struct {
		const char	*query, *want, *none;
	} rows[] = {
		{ "", "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-a\","
		    "\"object\":\"model\",\"created\":1700000000,"
		    "\"owned_by\":\"openai\",\"type\":\"model\","
		    "\"display_name\":\"gpt-a\",\"created_at\":"
		    "\"2023-11-14T22:13:20Z\"}", "gpt-*" },
		{ "", "\"has_more\":false,\"first_id\":\"gpt-a\",\"last_id\":"
		    "\"claude-a\"", "zz" },
		{ "?limit=1", "\"has_more\":true,\"first_id\":\"gpt-a\","
		    "\"last_id\":\"gpt-a\"", "gpt-b" },
		{ "?limit=1&after_id=gpt-a", "\"first_id\":\"gpt-b\"",
		    "claude-a" },
		{ "?limit=1&before_id=claude-a", "\"first_id\":\"gpt-b\"",
		    "\"gpt-a\"" },
		{ "?after_id=no", "HTTP/1.1 400 ", "data" },
		{ "/gpt-whatever", "{\"id\":\"gpt-whatever\"", "list" },
		{ "/openai/gpt-b", "\"created\":1700000001", "list" },
		{ "/llama", "HTTP/1.1 404 ", "list" },
	};
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	size_t		 i;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		c.n = 0;
		cl_send(g, &c, "GET /v1/models%s HTTP/1.1\r\nhost: x\r\n"
		    "x-api-key: %s\r\n\r\n", rows[i].query, g->token);
		rig_take(g, M_CALL, &m, &r);
		cl_none(g, &c, "HTTP");
		rig_allow(g, msg_get_u64(&r));
		cl_want(g, &c, rows[i].want);
		cl_want(g, &c, "x-audit: ");
		cl_none(g, &c, rows[i].none);
	}
	rig_ready(g, 1, 1);
	rig_pump(g);
	c.n = 0;
	cl_send(g, &c, "GET /v1/models HTTP/1.1\r\nhost: x\r\n"
	    "x-api-key: %s\r\n\r\n", g->token);
	rig_take(g, M_CALL, &m, &r);
	rig_allow(g, msg_get_u64(&r));
	cl_want(g, &c, "gpt-b");
	cl_none(g, &c, "claude-a");
	assert_false(rig_has(g, M_OUTCOME));
	cl_close(&c);
	rig_free(g);
}

/* Two requests in one packet: one after the other. */
static void
pipelined(void **state)
{
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	struct eg	 e = { 0 };
	int		 i;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_send(g, &c, "POST " CHAT " HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\n"
	    "content-length: 17\r\n\r\n" BODY "POST " CHAT " HTTP/1.1\r\n"
	    "host: x\r\nx-api-key: %s\r\ncontent-length: 17\r\n\r\n" BODY
	    "GET /health HTTP/1.1\r\nhost: x\r\n\r\n",
	    g->token, g->token);
	for (i = 0; i < 2; i++) {
		c.n = 0;
		if (i == 0)
			rig_linked(g, &e);
		rig_take(g, M_CALL, &m, &r);
		assert_false(rig_has(g, M_CALL));
		eg_until(g, &e, &e.end);
		rig_allow(g, msg_get_u64(&r));
		eg_head(g, &e, 200, 0, 1);
		eg_data(g, &e, "7");
		e.end = 0;
		eg_end(g, &e, END_OK);
		cl_want(g, &c, "\r\n\r\n7");
	}
	cl_want(g, &c, "healthy");
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

/* Malformed heads: answered, closed, nobody asked. */
static void
malformed(void **state)
{
	static const struct {
		const char	*text, *want;
	} rows[] = {
		{ "GET /health HTTP/1.1\r\n\r\n", "HTTP/1.1 400 " },
		{ "GET /health HTTP/1.1\nhost: x\n\n", "HTTP/1.1 400 " },
		{ "GET //health HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 400 " },
		{ "POST " CHAT " HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n"
		    "transfer-encoding: chunked\r\n\r\n", "HTTP/1.1 400 " },
		{ "POST " CHAT " HTTP/1.1\r\nhost: x\r\ncontent-length: "
		    "99999999\r\n\r\n", "HTTP/1.1 413 " },
		{ "POST " CHAT " HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip"
		    "\r\ncontent-length: 1\r\n\r\n", "HTTP/1.1 415 " },
		{ "GET /health HTTP/2.0\r\nhost: x\r\n\r\n", "HTTP/1.1 505 " },
	};
	struct rig	*g;
	struct cl	 c;
	size_t		 i;

	(void)state;
	g = rig_new(NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cl_open(g, &c);
		cl_send(g, &c, "%s", rows[i].text);
		cl_want(g, &c, rows[i].want);
		cl_want(g, &c, "connection: close\r\n");
		cl_eof(g, &c);
		cl_close(&c);
	}
	assert_int_equal(g->n, 0);
	rig_free(g);
}

static void
answer(struct rig *g, uint32_t cookie, uint16_t status, int more, unsigned int n,
    const char *const *s)
{
	struct msgw	 w;
	unsigned int	 i;

	msg_open(&w, M_ANSWER);
	msg_put_u32(&w, cookie);
	msg_put_u16(&w, status);
	msg_put_u8(&w, more);
	msg_put_u16(&w, n);
	for (i = 0; i < n; i++)
		msg_put_str(&w, s[i]);
	msg_send(&g->broker, &w, -1);
	rig_pump(g);
}

static void
console(void **state)
{
	static const char *const made[] = { "tp_dev_x", "dk_1", "bot",
	    "a@b", "2027-01-01T00:00:00Z", "0", "developer" };
	static const char *const refused[] = { "unknown_agent",
	    "No agent \"bot\"." };
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	char		 text[300];
	uint32_t	 cookie;
	int		 i;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	for (i = 0; i < 2; i++) {
		c.n = 0;
		cl_post(g, &c, i == 0 ? "/agents/bot/developer-keys" :
		    "/v1/agents/bot/developer-keys",
		    i == 0 ? "{\"developer_email\":\"a@b\","
		    "\"expires_days\":90}" : "{\"developer_email\":\"a@b\","
		    "\"expires_days\":90,\"scope\":{\"models\":[\"gpt-*\","
		    "\"o1\"],\"providers\":[\"openai\"],"
		    "\"source_networks\":[\"10.0.0.0/8\"]}}");
		rig_take(g, M_ADMIN_KEY_CREATE, &m, &r);
		cookie = msg_get_u32(&r);
		msg_get_str(&r, text, sizeof(text));
		assert_string_equal(text, g->token);
		msg_get_str(&r, text, sizeof(text));
		assert_string_equal(text, "127.0.0.1");
		msg_get_str(&r, text, sizeof(text));
		assert_string_equal(text, "bot");
		msg_get_str(&r, text, sizeof(text));
		assert_string_equal(text, "a@b");
		msg_get_str(&r, text, sizeof(text));
		assert_int_equal(msg_get_u32(&r), 90);
		assert_int_equal(msg_get_u64(&r), 0);
		assert_int_equal(msg_get_u8(&r), 0);
		msg_get_str(&r, text, sizeof(text));
		assert_string_equal(text, "");
		msg_get_str(&r, text, sizeof(text));
		assert_string_equal(text, i == 0 ? "" : "p=openai "
		    "m=gpt-*,o1 n=10.0.0.0/8");
		assert_int_equal(msg_end(&r), 0);
		if (i == 1) {
			answer(g, cookie, 404, 0, 2, refused);
			cl_want(g, &c, "HTTP/1.1 404 ");
			cl_want(g, &c, "{\"detail\":\"No agent \\\"bot\\\".\","
			    "\"code\":\"unknown_agent\"");
			continue;
		}
		answer(g, cookie, 200, 1, 7, made);
		answer(g, cookie, 200, 0, 0, NULL);
		cl_want(g, &c, "HTTP/1.1 201 ");
		cl_want(g, &c, "{\"api_key\":\"tp_dev_x\",\"key_id\":\"dk_1\","
		    "\"agent_id\":\"bot\",\"developer_email\":\"a@b\","
		    "\"expires_at\":\"2027-01-01T00:00:00Z\","
		    "\"role\":\"developer\"}");
	}
	c.n = 0;
	cl_send(g, &c, "DELETE /agents/bot/developer-keys/dk_1 HTTP/1.1\r\n"
	    "host: x\r\nauthorization: Bearer %s\r\n\r\n", g->token);
	rig_take(g, M_ADMIN_KEY_REVOKE, &m, &r);
	cookie = msg_get_u32(&r);
	msg_get_str(&r, text, sizeof(text));
	msg_get_str(&r, text, sizeof(text));
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "bot");
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "dk_1");
	answer(g, cookie, 200, 1, 2, (const char *const[]){ "dk_1", "T" });
	answer(g, cookie, 200, 0, 0, NULL);
	cl_want(g, &c, "HTTP/1.1 200 ");
	cl_want(g, &c, "{\"key_id\":\"dk_1\",\"revoked_at\":\"T\"}");
	c.n = 0;
	cl_send(g, &c, "GET /agents HTTP/1.1\r\nhost: x\r\n"
	    "authorization: Bearer %s\r\n\r\n", g->token);
	rig_take(g, M_ADMIN_AGENT_LIST, &m, &r);
	cookie = msg_get_u32(&r);
	answer(g, cookie, 200, 1, 10, (const char *const[]){ "a", "", "T", "2",
	    "", "", "m=x*,y k=embed", "", "", "1" });
	answer(g, cookie, 200, 1, 10, (const char *const[]){ "b", "", "T", "0",
	    "o@p", "f", "", "", "S", "0" });
	answer(g, cookie, 200, 0, 2, (const char *const[]){ "2", "9" });
	cl_want(g, &c, "{\"data\":[{\"id\":\"a\",\"slug\":\"a\","
	    "\"agent_id\":\"a\",\"agent_uuid\":\"a\",\"org_id\":"
	    "\"default\",\"description\":\"\",\"created_at\":\"T\","
	    "\"registered_at\":\"T\",\"developer_keys\":2,"
	    "\"owner_email\":null,\"framework\":\"\",\"scope\":"
	    "{\"models\":[\"x*\",\"y\"],\"kinds\":[\"embed\"]},"
	    "\"active\":true,\"suspended_at\":null},{\"id\":\"b\"");
	cl_want(g, &c, "\"scope\":{},\"active\":false,"
	    "\"suspended_at\":\"S\"}],\"page\":"
	    "{\"cursor_next\":\"2\",\"total\":9}}");
	/* Unknown members, duplicates, wrong types: known callers learn it. */
	c.n = 0;
	cl_post(g, &c, "/agents", "{\"agent_id\":\"x\",\"agent\":1}");
	rig_take(g, M_ADMIT, &m, &r);
	rig_admitted(g, msg_get_u64(&r));
	cl_want(g, &c, "HTTP/1.1 400 ");
	assert_false(rig_has(g, M_ADMIN_AGENT_CREATE));
	cl_close(&c);
	rig_free(g);
}

/*
 * A client that asks on and reads nothing: its next head has had its time, and
 * still the worker sleeps until the stall is due.
 */
static void
unread(void **state)
{
	struct wlimits	 lim;
	struct rig	*g;
	struct conn	*k;
	struct cl	 c;

	(void)state;
	rig_limits(&lim);
	lim.stall = 3600 * NS_S;
	g = rig_new(&lim);
	cl_open(g, &c);
	k = TAILQ_FIRST(&g->w->conns);
	assert_non_null(k);
	assert_int_equal(k->state, C_HEAD);
	wbuf_str(&k->out, "an answer");
	k->writable = 0;
	k->deadline = 1;
	k->armed = 0;
	conn_run(k);
	assert_true(k->stall != 0);
	assert_int_equal(k->armed, k->stall);
	cl_close(&c);
	rig_free(g);
}

const struct CMUnitTest front_tests[] = {
	cmocka_unit_test(health),
	cmocka_unit_test(keys),
	cmocka_unit_test(unshaped),
	cmocka_unit_test(refusals),
	cmocka_unit_test(bodies),
	cmocka_unit_test(nolink),
	cmocka_unit_test(models),
	cmocka_unit_test(pipelined),
	cmocka_unit_test(malformed),
	cmocka_unit_test(unread),
	cmocka_unit_test(console),
};
const size_t front_count = sizeof(front_tests) / sizeof(front_tests[0]);
