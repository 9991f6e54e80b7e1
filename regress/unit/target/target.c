/* SPDX-License-Identifier: ISC */

/* Targets: exact paths, typed queries, and what is sent on. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/http/target.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define B(s)		s, sizeof(s) - 1

/* The target in an allocation of its own size; the caller frees it. */
static uint8_t *
heap(const char *s, size_t n)
{
	uint8_t	*p;

	p = malloc(n + (n == 0));
	assert_non_null(p);
	memcpy(p, s, n);
	return p;
}

static void
test_split(void **state)
{
	static const struct {
		const char	*t;
		size_t		 len;
		int		 rv;
		size_t		 path;
	} r[] = {
		{ B("/"), 0, 1 },
		{ B("/v1/chat/completions"), 0, 20 },
		{ B("/v1/models/gpt-4.1_x~y"), 0, 22 },
		{ B("/v1/models/ft:gpt-4o:org::id"), 0, 28 },
		{ B("/v1/models/"), 0, 11 },
		{ B("/a/.b/..c/d.."), 0, 13 },
		{ B("/?beta=true"), 0, 1 },
		{ B("/a?"), 0, 2 },
		{ B("/a?b=%41%fF&c=/?:@"), 0, 2 },
		{ B(""), -1, 0 },
		{ B("a"), -1, 0 },
		{ B("?a"), -1, 0 },
		{ B("*"), -1, 0 },
		{ B("http://a/"), -1, 0 },
		{ B("//"), -1, 0 },
		{ B("//v1"), -1, 0 },
		{ B("/v1//models"), -1, 0 },
		{ B("/v1/models//"), -1, 0 },
		{ B("/."), -1, 0 },
		{ B("/.."), -1, 0 },
		{ B("/../v1"), -1, 0 },
		{ B("/v1/./a"), -1, 0 },
		{ B("/v1/../a"), -1, 0 },
		{ B("/v1/.."), -1, 0 },
		{ B("/v1/../"), -1, 0 },
		{ B("/%76"), -1, 0 },
		{ B("/%00"), -1, 0 },
		{ B("/%2e%2e/a"), -1, 0 },
		{ B("/%c0%af"), -1, 0 },
		{ B("/%zz"), -1, 0 },
		{ B("/\xc0\xaf"), -1, 0 },
		{ B("/\xc3\xa4"), -1, 0 },
		{ B("/a\0b"), -1, 0 },
		{ B("/a b"), -1, 0 },
		{ B("/a\tb"), -1, 0 },
		{ B("/a;b"), -1, 0 },
		{ B("/a\\b"), -1, 0 },
		{ B("/a#b"), -1, 0 },
		{ B("/a@b"), -1, 0 },
		{ B("/a?b=%"), -1, 0 },
		{ B("/a?b=%4"), -1, 0 },
		{ B("/a?b=%4g"), -1, 0 },
		{ B("/a?b=\xc3"), -1, 0 },
		{ B("/a?b#c"), -1, 0 },
		{ B("/a?\0"), -1, 0 },
		{ B("/a?b c"), -1, 0 },
		{ B("/a?b=\"c\""), -1, 0 },
	};
	struct target	 g;
	uint8_t		*p;
	size_t		 i;

	(void)state;
	for (i = 0; i < NITEMS(r); i++) {
		p = heap(r[i].t, r[i].len);
		if (target_split(p, r[i].len, &g) != r[i].rv ||
		    (g.reason != NULL) != (r[i].rv == -1))
			fail_msg("%s: %s", r[i].t, g.reason);
		if (r[i].rv == 0)
			assert_int_equal(g.path_len, r[i].path);
		free(p);
	}
}

static void
test_match(void **state)
{
	static const struct {
		const char	*t, *pattern, *hole;
	} r[] = {
		{ "/", "/", "" },
		{ "/v1/models?limit=1", "/v1/models", "" },
		{ "/v1/models/", "/v1/models", NULL },
		{ "/v1/models", "/v1/models/", NULL },
		{ "/v1/Models", "/v1/models", NULL },
		{ "/v1/model", "/v1/models", NULL },
		{ "/v1/models/a.b", "/v1/models/{id}", "a.b" },
		{ "/v1/models/", "/v1/models/{id}", NULL },
		{ "/v1/models/a/b", "/v1/models/{id}", NULL },
		{ "/v1/models/openai/b", "/v1/models/{rest}", "openai/b" },
		{ "/v1/models/", "/v1/models/{rest}", NULL },
		{ "/agents/x/developer-keys", "/agents/{id}/developer-keys",
		    "x" },
		{ "/agents//developer-keys", "/agents/{id}/developer-keys",
		    NULL },
		{ "/agents/x", "/agents/{id}/developer-keys", NULL },
	};
	char		 longest[300];
	struct target	 g;
	uint32_t	 off, len;
	size_t		 i;
	bool		 ok;

	(void)state;
	for (i = 0; i < NITEMS(r); i++) {
		(void)target_split((const uint8_t *)r[i].t, strlen(r[i].t),
		    &g);
		off = len = 0;
		ok = target_match((const uint8_t *)r[i].t, &g, r[i].pattern,
		    &off, &len);
		if (ok != (r[i].hole != NULL))
			fail_msg("%s %s", r[i].t, r[i].pattern);
		if (!ok)
			continue;
		assert_int_equal(len, strlen(r[i].hole));
		assert_memory_equal(r[i].t + off, r[i].hole, len);
	}
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	for (i = TARGET_ID_MAX; i <= TARGET_ID_MAX + 1; i++) {
		assert_int_equal(target_split((uint8_t *)longest, i + 1, &g),
		    0);
		assert_int_equal(target_match((uint8_t *)longest, &g, "/{id}",
		    NULL, NULL), i == TARGET_ID_MAX);
	}
}

static const struct target_query names[] = {
	{ "beta", TARGET_TRUE },
	{ "limit", TARGET_UINT },
	{ "timeout_seconds", TARGET_FLOAT },
	{ "after_id", TARGET_ID },
	{ "before_id", TARGET_ID },
};

static void
test_query(void **state)
{
	static const struct {
		const char	*query;
		int		 rv;
		int		 which;		/* value to look at; -1 none */
		uint64_t	 number;
		const char	*text, *out;
	} r[] = {
		{ "", 0, -1, 0, "", "" },
		{ "?", 0, -1, 0, "", "" },
		{ "?beta=true", 0, 0, 1, "true", "beta=true" },
		{ "?x=1&beta=true&y", 0, 0, 1, "true", "beta=true" },
		{ "?&&beta=true&", 0, 0, 1, "true", "beta=true" },
		{ "?b%65ta=true", 0, -1, 0, "", "" },
		{ "?Beta=true", 0, -1, 0, "", "" },
		{ "?betas=true&bet=true", 0, -1, 0, "", "" },
		{ "?limit=20", 0, 1, 20, "20", "" },
		{ "?limit=999999999", 0, 1, 999999999, "999999999", "" },
		{ "?timeout_seconds=1", 0, 2, 1000, "1", "" },
		{ "?timeout_seconds=0.5", 0, 2, 500, "0.5", "" },
		{ "?timeout_seconds=2.0019", 0, 2, 2001, "2.0019", "" },
		{ "?after_id=a-B_9.z", 0, 3, 0, "a-B_9.z", "" },
		{ "?before_id=b&after_id=c", 0, 4, 0, "b", "" },
		{ "?x=1&x=2", 0, -1, 0, "", "" },
		{ "?beta=false", -1, -1, 0, "", "" },
		{ "?beta=True", -1, -1, 0, "", "" },
		{ "?beta", -1, -1, 0, "", "" },
		{ "?beta=", -1, -1, 0, "", "" },
		{ "?beta=true=", -1, -1, 0, "", "" },
		{ "?beta=tru%65", -1, -1, 0, "", "" },
		{ "?beta=true&beta=true", -1, -1, 0, "", "" },
		{ "?limit=", -1, -1, 0, "", "" },
		{ "?limit=+1", -1, -1, 0, "", "" },
		{ "?limit=-1", -1, -1, 0, "", "" },
		{ "?limit=0x1", -1, -1, 0, "", "" },
		{ "?limit=1.0", -1, -1, 0, "", "" },
		{ "?limit=1000000000", -1, -1, 0, "", "" },
		{ "?timeout_seconds=.5", -1, -1, 0, "", "" },
		{ "?timeout_seconds=5.", -1, -1, 0, "", "" },
		{ "?timeout_seconds=1e3", -1, -1, 0, "", "" },
		{ "?timeout_seconds=nan", -1, -1, 0, "", "" },
		{ "?timeout_seconds=1.1.1", -1, -1, 0, "", "" },
		{ "?after_id=", -1, -1, 0, "", "" },
		{ "?after_id=a/b", -1, -1, 0, "", "" },
		{ "?after_id=a%20", -1, -1, 0, "", "" },
	};
	struct target_value	 v[NITEMS(names)];
	struct target		 g;
	char			 t[256], out[32];
	uint8_t			*p;
	size_t			 i, n;
	int			 w;

	(void)state;
	for (i = 0; i < NITEMS(r); i++) {
		n = strlen(r[i].query) + 2;
		memcpy(t, "/v", 2);
		memcpy(t + 2, r[i].query, n - 1);
		p = heap(t, n);
		assert_int_equal(target_split(p, n, &g), 0);
		if (target_read(p, &g, names, NITEMS(names), v) != r[i].rv ||
		    (g.reason != NULL) != (r[i].rv == -1))
			fail_msg("%s: %s", r[i].query, g.reason);
		w = r[i].which;
		if (w != -1) {
			assert_true(v[w].set);
			assert_int_equal(v[w].number, r[i].number);
			assert_int_equal(v[w].len, strlen(r[i].text));
			assert_memory_equal(p + v[w].off, r[i].text,
			    v[w].len);
		}
		if (r[i].rv == 0) {
			assert_int_equal(target_write(names, NITEMS(names), v,
			    out, sizeof(out)), strlen(r[i].out));
			assert_string_equal(out, r[i].out);
		}
		free(p);
	}
}

static void
test_write_room(void **state)
{
	static const struct target_query	 two[] = {
		{ "a", TARGET_TRUE }, { "b", TARGET_TRUE },
	};
	struct target_value			 v[2];
	char					 out[16];
	size_t					 n;

	(void)state;
	memset(v, 0, sizeof(v));
	v[0].set = v[1].set = true;
	assert_int_equal(target_write(two, 2, v, out, 16), 13);
	assert_string_equal(out, "a=true&b=true");
	for (n = 0; n < 14; n++)
		assert_int_equal(target_write(two, 2, v, out, n), -1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_write_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
