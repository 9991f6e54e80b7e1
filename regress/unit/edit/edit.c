/* SPDX-License-Identifier: ISC */

/*
 * Edited bodies: a table of cases, the list's own rules, and 1,000 generated
 * bodies whose expected form the generator writes beside the original.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxyd/worker/edit.h"

#define BODY	(256 * 1024)

static uint64_t seed;

static unsigned
rnd(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

/* The edited body into out, checked against edit_size. */
static size_t
apply(const struct edit *e, const char *s, size_t n, char *out)
{
	struct edit_iter it;
	struct edit_piece p;
	size_t len;

	len = 0;
	edit_begin(&it, e, n);
	while (edit_next(&it, &p)) {
		assert_true(p.len > 0);
		if (p.text == NULL)
			assert_true(p.off + p.len <= n);
		memcpy(out + len, p.text != NULL ? p.text : s + p.off, p.len);
		len += p.len;
	}
	assert_int_equal(len, edit_size(e, n));
	return len;
}

/* The same by splicing from the last edit to the first. */
static size_t
splice(const struct edit *e, const char *s, size_t n, char *out)
{
	const struct edit_item *it;
	int i;

	memcpy(out, s, n);
	for (i = e->nitems - 1; i >= 0; i--) {
		it = &e->item[i];
		memmove(out + it->off + it->textlen, out + it->off + it->len,
		    n - (it->off + it->len));
		memcpy(out + it->off, e->text + it->text, it->textlen);
		n = n - it->len + it->textlen;
	}
	return n;
}

static void
facts(struct fact *f, enum fact_shape shape, const char *s, size_t n)
{
	size_t k, pos;

	fact_init(f, shape);
	for (pos = 0; pos < n; pos += k) {
		k = 1 + rnd(40);
		if (k > n - pos)
			k = n - pos;
		if (fact_feed(f, s + pos, k) == -1)
			fail_msg("%s: %.*s", f->error, (int)n, s);
	}
	if (fact_end(f) == -1)
		fail_msg("%s: %.*s", f->error, (int)n, s);
}

static void
test_cases(void **state)
{
	static const struct {
		enum fact_shape	 shape;
		size_t		 prefix;
		int		 asked;	/* what edit_usage returns */
		const char	*s;
		const char	*is;
	} t[] = {
		{ FACT_CHAT, 0, 0, "{\"model\":\"m\"}", "{\"model\":\"m\"}" },
		{ FACT_CHAT, 7, 1, "{\"model\":\"openai/m\",\"stream\":true}",
		    "{\"stream_options\":{\"include_usage\":true},"
		    "\"model\":\"m\",\"stream\":true}" },
		{ FACT_COMPLETIONS, 0, 1, "{ \"model\":\"m\",\"stream\":true}",
		    "{\"stream_options\":{\"include_usage\":true}, "
		    "\"model\":\"m\",\"stream\":true}" },
		{ FACT_RESPONSES, 0, 0, "{\"model\":\"m\",\"stream\":true}",
		    "{\"model\":\"m\",\"stream\":true}" },
		{ FACT_MESSAGES, 10, 0,
		    "{\"model\":\"anthropic/c\",\"stream\":true}",
		    "{\"model\":\"c\",\"stream\":true}" },
		{ FACT_CHAT, 7, 0, "{\"model\":\"openai\\/m\"}",
		    "{\"model\":\"m\"}" },
		{ FACT_CHAT, 2, 0, "{\"model\":\"x/\\\"\\\\\\u0041\"}",
		    "{\"model\":\"\\\"\\\\A\"}" },
		{ FACT_CHAT, 0, 0, "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\":{\"include_usage\":true}}",
		    "{\"model\":\"m\",\"stream\":true,"
		    "\"stream_options\":{\"include_usage\":true}}" },
		{ FACT_CHAT, 0, 1, "{\"stream_options\":{\"include_usage\":"
		    "false},\"stream\":true,\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":"
		    "true},\"stream\":true,\"model\":\"m\"}" },
		{ FACT_CHAT, 0, 1, "{\"stream_options\":{\"include_usage\":"
		    "null},\"stream\":true,\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":"
		    "true},\"stream\":true,\"model\":\"m\"}" },
		{ FACT_CHAT, 0, 1, "{\"stream_options\": { } ,"
		    "\"stream\":true,\"model\":\"m\"}",
		    "{\"stream_options\": {\"include_usage\":true } ,"
		    "\"stream\":true,\"model\":\"m\"}" },
		{ FACT_CHAT, 0, 1, "{\"stream_options\":{\"a\":[{}]},"
		    "\"stream\":true,\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":true,\"a\":[{}]},"
		    "\"stream\":true,\"model\":\"m\"}" },
		{ FACT_CHAT, 0, 1, "{\"stream_options\":null,"
		    "\"stream\":true,\"model\":\"m\"}",
		    "{\"stream_options\":{\"include_usage\":true},"
		    "\"stream\":true,\"model\":\"m\"}" },
		{ FACT_CHAT, 0, 0, "{\"stream_options\":null,"
		    "\"stream\":false,\"model\":\"m\"}",
		    "{\"stream_options\":null,"
		    "\"stream\":false,\"model\":\"m\"}" }
	};
	char out[512];
	struct edit e;
	struct fact f;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		n = strlen(t[i].s);
		facts(&f, t[i].shape, t[i].s, n);
		edit_init(&e);
		assert_int_equal(edit_model(&e, &f, t[i].prefix), 0);
		assert_int_equal(edit_usage(&e, &f), t[i].asked);
		n = apply(&e, t[i].s, n, out);
		out[n] = '\0';
		assert_string_equal(out, t[i].is);
	}
}

static void
test_rules(void **state)
{
	struct edit e;
	struct fact f;
	char big[EDIT_TEXT + 1];
	int i;

	(void)state;
	edit_init(&e);
	assert_int_equal(edit_add(&e, 10, 5, "x", 1), 0);
	assert_int_equal(edit_add(&e, 14, 1, "", 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(edit_add(&e, 8, 3, "", 0), -1);
	assert_int_equal(edit_add(&e, 10, 0, "y", 1), -1);
	assert_int_equal(edit_add(&e, 20, 0, "", 0), -1);
	assert_int_equal(edit_add(&e, UINT64_MAX, 2, "", 0), -1);
	assert_int_equal(edit_add(&e, 15, 0, "y", 1), 0);
	assert_int_equal(edit_add(&e, 8, 2, "", 0), 0);
	assert_int_equal(e.nitems, 3);
	assert_int_equal(e.item[0].off, 8);
	assert_int_equal(e.item[2].off, 15);
	memset(big, 'a', sizeof(big));
	assert_int_equal(edit_add(&e, 30, 1, big, sizeof(big)), -1);
	assert_int_equal(errno, ENOSPC);
	for (i = 3; i < EDIT_MAX; i++)
		assert_int_equal(edit_add(&e, 100U - 2U * (unsigned)i, 1,
		    "b", 1), 0);
	assert_int_equal(edit_add(&e, 200, 1, "b", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(e.nitems, EDIT_MAX);
	facts(&f, FACT_CHAT, "{\"model\":\"abc\"}", 15);
	assert_int_equal(edit_model(&e, &f, 3), -1);
	assert_int_equal(errno, EINVAL);
}

/* --- generated bodies -------------------------------------------------- */

struct gen {
	char		 in[BODY];	/* what the client sends */
	char		 is[BODY];	/* what the provider must get */
	size_t		 nin, nis;
};

static void
put(struct gen *g, const char *in, const char *is)
{
	size_t n;

	n = strlen(in);
	assert_true(g->nin + n < BODY);
	memcpy(g->in + g->nin, in, n);
	g->nin += n;
	n = strlen(is);
	memcpy(g->is + g->nis, is, n);
	g->nis += n;
}

static void
both(struct gen *g, const char *s)
{
	put(g, s, s);
}

static void
blank(struct gen *g)
{
	static const char *const b[] = { "", "", "", " ", "\n", "\t\r\n  " };

	both(g, b[rnd(6)]);
}

static void
value(struct gen *g, int depth)
{
	static const char *const v[] = {
		"null", "true", "-0.0", "1e400", "9007199254740993", "\"\"",
		"\"\\u0041\\ud83d\\ude00\\ud800\"", "\"\xe2\x82\xac\xc3\xa9\"",
		"\"}{][,:\\\"model\\\"\"", "\"\\\\\\\"\"", "[]", "{ }"
	};
	unsigned i, n;

	if (depth == 0 || rnd(3) > 0) {
		both(g, v[rnd(12)]);
		return;
	}
	n = rnd(4);
	if (rnd(2)) {
		both(g, "[");
		for (i = 0; i < n; i++) {
			if (i > 0)
				both(g, ",");
			blank(g);
			value(g, depth - 1);
		}
		both(g, "]");
		return;
	}
	both(g, "{");
	for (i = 0; i < n; i++) {
		both(g, i > 0 ? ",\"model\"" : "\"stream\"");
		blank(g);
		both(g, ":");
		value(g, depth - 1);
	}
	both(g, "}");
}

static const char *const models[][2] = {
	{ "\"openai/gpt-4o\"", "\"gpt-4o\"" },
	{ "\"openai/a/b c\"", "\"a/b c\"" },
	{ "\"openai\\/x\\\\y\"", "\"x\\\\y\"" },
	{ "\"\\u006fpenai/z\"", "\"z\"" }
};

static const char *const options[][2] = {
	{ "null", "{\"include_usage\":true}" },
	{ "{}", "{\"include_usage\":true}" },
	{ "{ \"x\" : 1 }", "{\"include_usage\":true, \"x\" : 1 }" },
	{ "{\"x\":[],\"include_usage\": false}",
	    "{\"x\":[],\"include_usage\": true}" },
	{ "{\"includ\\u0065_usage\":null,\"x\":{\"include_usage\":0}}",
	    "{\"includ\\u0065_usage\":true,\"x\":{\"include_usage\":0}}" },
	{ "{\"include_usage\":true}", "{\"include_usage\":true}" }
};

/* Known members in any order among unknown ones, some of them repeated. */
static void
body(struct gen *g, int has_options)
{
	static const char *const keys[] = {
		"\"x\"", "\"x\"", "\"mode\\u006c2\"", "\"messages\"",
		"\"\"", "\"\xc3\xa9\"", "\"tools\"", "\"stream \""
	};
	unsigned i, members, o, seen;

	seen = 0;
	blank(g);
	put(g, "{", has_options ? "{" :
	    "{\"stream_options\":{\"include_usage\":true},");
	members = 3 + rnd(8);
	for (i = 0; i < members || seen != (has_options ? 7 : 3); i++) {
		if (i > 0)
			both(g, ",");
		blank(g);
		o = rnd(6);
		if (o > 2 || (seen >> o & 1) || (o == 2 && !has_options)) {
			both(g, keys[rnd(8)]);
			blank(g);
			both(g, ":");
			value(g, 4);
			continue;
		}
		seen |= 1U << o;
		if (o == 0) {
			both(g, rnd(2) ? "\"model\":" : "\"\\u006dodel\" : ");
			o = rnd(4);
			put(g, models[o][0], models[o][1]);
		} else if (o == 1)
			both(g, rnd(2) ? "\"stream\":true" :
			    "\"str\\u0065am\"\n:true");
		else {
			both(g, "\"stream_options\":");
			o = rnd(6);
			put(g, options[o][0], options[o][1]);
		}
		blank(g);
	}
	both(g, "}");
	blank(g);
}

static void
test_generated(void **state)
{
	static char out[BODY];
	static struct gen g;
	struct edit e;
	struct fact f, again;
	size_t n;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		seed = (uint64_t)i * 7919 + 1;
		g.nin = g.nis = 0;
		body(&g, rnd(2));
		facts(&f, FACT_CHAT, g.in, g.nin);
		edit_init(&e);
		assert_int_equal(edit_model(&e, &f, 7), 0);
		assert_int_not_equal(edit_usage(&e, &f), -1);
		n = apply(&e, g.in, g.nin, out);
		if (n != g.nis || memcmp(out, g.is, n) != 0)
			fail_msg("body %d: %.*s\n%.*s", i, (int)g.nin, g.in,
			    (int)n, out);
		n = splice(&e, g.in, g.nin, out);
		assert_int_equal(n, g.nis);
		assert_memory_equal(out, g.is, n);
		facts(&again, FACT_CHAT, out, n);
		assert_int_equal(again.include_usage, FACT_TRUE);
		assert_string_equal(again.model, f.model + 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_generated)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
