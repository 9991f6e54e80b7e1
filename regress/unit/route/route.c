/* SPDX-License-Identifier: ISC */
/* Routes, typed from product.md 6 and clients.md: method, path, class. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxyd/worker/worker.h"

#define D	CLASS_DATA
#define A	CLASS_ADMIN
#define B	CLASS_BOTH

static const struct {
	enum http1_method	 method;
	const char		*path;
	int			 class;
	enum route_verdict	 want;
	int			 group, no;
	const char		*id;	/* or the allowed methods */
	const char		*key;
} rows[] = {
	{ HTTP1_GET, "/", D, RV_HIT, RG_OPEN, RO_ROOT, "", "" },
	{ HTTP1_HEAD, "/", D, RV_HIT, RG_OPEN, RO_ROOT, "", "" },
	{ HTTP1_HEAD, "/health", A, RV_HIT, RG_OPEN, RO_HEALTH, "", "" },
	{ HTTP1_GET, "/health/live", A, RV_HIT, RG_OPEN, RO_LIVE, "", "" },
	{ HTTP1_GET, "/health/ready", D, RV_HIT, RG_OPEN, RO_READY, "", "" },
	{ HTTP1_GET, "/health/startup", D, RV_HIT, RG_OPEN, RO_STARTUP, "",
	    "" },
	{ HTTP1_POST, "/health", D, RV_METHOD, 0, 0, "GET, HEAD", "" },
	{ HTTP1_GET, "/healthy", D, RV_NONE, 0, 0, "", "" },
	{ HTTP1_GET, "/health/", D, RV_NONE, 0, 0, "", "" },
	{ HTTP1_POST, "/v1/chat/completions", D, RV_HIT, RG_CALL, ROUTE_CHAT,
	    "", "" },
	{ HTTP1_POST, "/v1/chat/completions", A, RV_NONE, 0, 0, "", "" },
	{ HTTP1_POST, "/chat/completions", B, RV_NONE, 0, 0, "", "" },
	{ HTTP1_GET, "/v1/chat/completions", B, RV_METHOD, 0, 0, "POST", "" },
	{ HTTP1_HEAD, "/v1/chat/completions", B, RV_METHOD, 0, 0, "POST", "" },
	{ HTTP1_POST, "/v1/completions", B, RV_HIT, RG_CALL,
	    ROUTE_COMPLETIONS, "", "" },
	{ HTTP1_POST, "/v1/embeddings", B, RV_HIT, RG_CALL, ROUTE_EMBEDDINGS,
	    "", "" },
	{ HTTP1_POST, "/v1/responses", B, RV_HIT, RG_CALL, ROUTE_RESPONSES,
	    "", "" },
	{ HTTP1_POST, "/v1/messages", B, RV_HIT, RG_CALL, ROUTE_MESSAGES, "",
	    "" },
	{ HTTP1_POST, "/v1/messages/count_tokens", B, RV_HIT, RG_CALL,
	    ROUTE_COUNT_TOKENS, "", "" },
	{ HTTP1_GET, "/v1/models", B, RV_HIT, RG_LIST, ROUTE_MODELS, "", "" },
	{ HTTP1_HEAD, "/v1/models", B, RV_METHOD, 0, 0, "GET", "" },
	{ HTTP1_GET, "/v1/models/gpt-4o", B, RV_HIT, RG_LIST, ROUTE_MODEL,
	    "gpt-4o", "" },
	{ HTTP1_GET, "/v1/models/openai/gpt-4o", B, RV_HIT, RG_LIST,
	    ROUTE_MODEL, "openai/gpt-4o", "" },
	{ HTTP1_GET, "/agents", B, RV_HIT, RG_CONSOLE, M_ADMIN_AGENT_LIST, "",
	    "" },
	{ HTTP1_POST, "/v1/agents", A, RV_HIT, RG_CONSOLE,
	    M_ADMIN_AGENT_CREATE, "", "" },
	{ HTTP1_POST, "/v1/agents", D, RV_NONE, 0, 0, "", "" },
	{ HTTP1_PUT, "/agents", A, RV_METHOD, 0, 0, "GET, POST", "" },
	{ HTTP1_POST, "/agents/bot/developer-keys", B, RV_HIT, RG_CONSOLE,
	    M_ADMIN_KEY_CREATE, "bot", "" },
	{ HTTP1_GET, "/v1/agents/bot/developer-keys", B, RV_HIT, RG_CONSOLE,
	    M_ADMIN_KEY_LIST, "bot", "" },
	{ HTTP1_DELETE, "/agents/bot/developer-keys/dk_1", B, RV_HIT,
	    RG_CONSOLE, M_ADMIN_KEY_REVOKE, "bot", "dk_1" },
	{ HTTP1_DELETE, "/v1/agents/bot/developer-keys/dk_1", B, RV_HIT,
	    RG_CONSOLE, M_ADMIN_KEY_REVOKE, "bot", "dk_1" },
	{ HTTP1_DELETE, "/agents/bot/developer-keys/dk_1", D, RV_NONE, 0, 0,
	    "", "" },
	{ HTTP1_GET, "/agents/bot/developer-keys/dk_1", B, RV_METHOD, 0, 0,
	    "DELETE", "" },
	{ HTTP1_DELETE, "/agents/bot/developer-keys", B, RV_METHOD, 0, 0,
	    "GET, POST", "" },
	{ HTTP1_DELETE, "/agents/a/b/developer-keys/dk_1", B, RV_NONE, 0, 0,
	    "", "" },
	{ HTTP1_GET, "/v1/v1/agents", B, RV_NONE, 0, 0, "", "" },
	{ HTTP1_GET, "/v1/", B, RV_NONE, 0, 0, "", "" },
};

static void
table(void **state)
{
	struct route_hit hit;
	struct target	 g;
	const uint8_t	*t;
	char		 allow[64];
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		t = (const uint8_t *)rows[i].path;
		assert_int_equal(target_split(t, strlen(rows[i].path), &g), 0);
		assert_int_equal(route_find(rows[i].method, t, &g,
		    rows[i].class, &hit), rows[i].want);
		if (rows[i].want == RV_METHOD) {
			route_allow(hit.allow, allow, sizeof(allow));
			assert_string_equal(allow, rows[i].id);
		}
		if (rows[i].want != RV_HIT)
			continue;
		assert_int_equal(hit.route->group, rows[i].group);
		assert_int_equal(hit.route->no, rows[i].no);
		assert_int_equal(hit.len, strlen(rows[i].id));
		assert_memory_equal(t + hit.off, rows[i].id, hit.len);
		assert_int_equal(hit.keylen, strlen(rows[i].key));
		assert_memory_equal(t + hit.keyoff, rows[i].key, hit.keylen);
	}
	assert_string_equal(route_path(ROUTE_MESSAGES), "/v1/messages");
	assert_null(route_path(99));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
