/* SPDX-License-Identifier: ISC */

/* Bodies to facts: what is read, what is refused, the same at every cut. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxyd/worker/fact.h"

static int
run(struct fact *f, enum fact_shape shape, const char *s, size_t a)
{
	size_t n;

	n = strlen(s);
	fact_init(f, shape);
	if (fact_feed(f, s, a) == -1 || fact_feed(f, s + a, n - a) == -1)
		return -1;
	return fact_end(f);
}

static void
same_span(const struct fact_span *a, const struct fact_span *b)
{
	assert_int_equal(a->off, b->off);
	assert_int_equal(a->len, b->len);
}

/* Runs s cut everywhere, leaves the result of the last in *f. */
static int
every(struct fact *f, const char *s)
{
	struct fact one;
	size_t a;
	int rv;

	rv = run(&one, FACT_CHAT, s, 0);
	for (a = 0; a <= strlen(s); a++) {
		assert_int_equal(run(f, FACT_CHAT, s, a), rv);
		if (rv == -1) {
			assert_string_equal(f->error, one.error);
			assert_true(strlen(f->error) < 128);
			continue;
		}
		assert_string_equal(f->model, one.model);
		assert_string_equal(f->session, one.session);
		assert_int_equal(f->stream, one.stream);
		assert_int_equal(f->options, one.options);
		assert_int_equal(f->include_usage, one.include_usage);
		assert_int_equal(f->max_tokens, one.max_tokens);
		assert_int_equal(f->n, one.n);
		same_span(&f->model_span, &one.model_span);
		same_span(&f->options_span, &one.options_span);
		same_span(&f->include_span, &one.include_span);
		same_span(&f->object, &one.object);
	}
	return rv;
}

static void
test_read(void **state)
{
	static const char s[] = " {\"mod\\u0065l\" : \"openai\\/gpt-4o\","
	    "\"messages\":[{\"model\":\"x\",\"stream\":1}],\"stream\":true,"
	    "\"stream_options\":{\"x\":{\"include_usage\":3},"
	    "\"include_usage\":false},\"max_tokens\":16,"
	    "\"max_completion_tokens\":1e3,\"n\":2,\"x\":1,\"x\":2,"
	    "\"metadata\":{\"user_id\":\"{\\\"device_id\\\":\\\"d\\\","
	    "\\\"session_id\\\":\\\"abc-1\\\"}\"}} \n";
	struct fact f;

	(void)state;
	assert_int_equal(every(&f, s), 0);
	assert_string_equal(f.model, "openai/gpt-4o");
	assert_int_equal(f.modellen, 13);
	assert_int_equal(f.model_escaped, 1);
	assert_int_equal(f.model_span.off, 17);
	assert_int_equal(f.model_span.len, 16);
	assert_int_equal(f.stream, 1);
	assert_int_equal(f.options, FACT_OBJECT);
	assert_memory_equal(s + f.options_span.off, "{\"x\"", 4);
	assert_memory_equal(s + f.options_span.off + f.options_span.len - 2,
	    "e}", 2);
	assert_int_equal(f.include_usage, FACT_FALSE);
	assert_memory_equal(s + f.include_span.off, "false", 5);
	assert_int_equal(f.include_span.len, 5);
	assert_int_equal(f.max_tokens, 1000);
	assert_int_equal(f.n, 2);
	assert_string_equal(f.session, "abc-1");
	assert_int_equal(f.object.off, 1);
	assert_int_equal(f.object.len, sizeof(s) - 1 - 3);
	assert_int_equal(f.total, sizeof(s) - 1);
}

static void
test_least(void **state)
{
	struct fact f;

	(void)state;
	assert_int_equal(every(&f, "{\"model\":\"m\"}"), 0);
	assert_int_equal(f.stream, 0);
	assert_int_equal(f.options, FACT_ABSENT);
	assert_int_equal(f.max_tokens, 0);
	assert_string_equal(f.session, "");
	assert_int_equal(every(&f, "{\"stream\":null,\"model\":\"m\","
	    "\"stream_options\":null,\"max_tokens\":null,\"n\":-3}"), 0);
	assert_int_equal(f.options, FACT_NULL);
	assert_int_equal(f.options_span.len, 4);
	assert_int_equal(f.n, 0);
	assert_int_equal(every(&f, "{\"stream_options\":{ },\"model\":\"m\"}"),
	    0);
	assert_int_equal(f.options_empty, 1);
	assert_int_equal(f.options_span.len, 3);
}

static void
test_session(void **state)
{
	static const struct {
		const char	*user;
		const char	*is;
	} t[] = {
		{ "\"user_ab_account__session_11-22\"", "11-22" },
		{ "\"me\"", "" },
		{ "7", "" },
		{ "\"{\\\"session_id\\\":7}\"", "" },
		{ "\"{\\\"session_id\\\":\\\"a b\\\"}\"", "" },
		{ "\"{\\\"session_id\\\":\\\"\\\"}\"", "" },
		{ "\"{broken\"", "" },
		{ "\"{\\\"x\\\":{\\\"session_id\\\":\\\"q\\\"}}\"", "" },
		{ "{\"session_id\":\"q\"}", "" }
	};
	char s[256];
	struct fact f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(s, sizeof(s), "{\"model\":\"m\","
		    "\"metadata\":{\"a\":1,\"user_id\":%s}}", t[i].user);
		assert_int_equal(every(&f, s), 0);
		assert_string_equal(f.session, t[i].is);
	}
}

static void
test_refused(void **state)
{
	static const struct {
		const char	*s;
		const char	*why;
	} t[] = {
		{ "", "empty" },
		{ " ", "ends too early" },
		{ "[]", "must be a JSON object" },
		{ "\"model\"", "must be a JSON object" },
		{ "{}", "names no" },
		{ "{\"messages\":[{\"model\":\"x\"}]}", "names no" },
		{ "{\"model\":\"a\",\"model\":\"a\"}", "twice" },
		{ "{\"model\":\"a\",\"m\\u006fdel\":\"b\"}", "twice" },
		{ "{\"model\":\"a\",\"stream\":true,\"stream\":true}",
		    "twice" },
		{ "{\"stream_options\":{},\"model\":\"a\","
		    "\"stream_options\":{}}", "twice" },
		{ "{\"stream_options\":{\"include_usage\":true,"
		    "\"include_usag\\u0065\":true},\"model\":\"a\"}",
		    "twice" },
		{ "{\"model\":\"a\",\"max_tokens\":1,\"max_tokens\":2}",
		    "twice" },
		{ "{\"model\":\"a\",\"Model\":\"b\"}", "lower case" },
		{ "{\"model\":\"a\",\"\\u017ftream\":true}", "lower case" },
		{ "{\"model\":\"a\",\"\xc5\xbftream\":true}", "lower case" },
		{ "{\"model\":\"a\",\"max_to\xe2\x84\xaa" "ens\":1}",
		    "lower case" },
		{ "{\"model\":\"a\",\"model\\u0000\":1}", "NUL" },
		{ "{\"model\":7}", "must be a string" },
		{ "{\"model\":[\"a\"]}", "must be a string" },
		{ "{\"model\":\"\"}", "empty" },
		{ "{\"model\":\"a\\nb\"}", "no model name" },
		{ "{\"model\":\"a\\u00e9\"}", "no model name" },
		{ "{\"model\":\"a\",\"stream\":1}", "true or false" },
		{ "{\"model\":\"a\",\"stream\":\"true\"}", "true or false" },
		{ "{\"model\":\"a\",\"stream\":{}}", "true or false" },
		{ "{\"model\":\"a\",\"stream_options\":true}", "an object" },
		{ "{\"model\":\"a\",\"stream_options\":[]}", "an object" },
		{ "{\"model\":\"a\",\"stream_options\":{\"include_usage\":"
		    "1}}", "true or false" },
		{ "{\"model\":\"a\"", "ends too early (byte 12)" },
		{ "{\"model\":\"a\"}x", "follows the value (byte 13)" },
		{ "{\"model\":\"a\",}", "member name" },
		{ "{\"model\":\"a\",\"x\":\"\xff\"}", "not UTF-8" }
	};
	char s[600];
	struct fact f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (every(&f, t[i].s) != -1)
			fail_msg("accepted: %s", t[i].s);
		if (strstr(f.error, t[i].why) == NULL)
			fail_msg("%s: %s", t[i].s, f.error);
	}
	for (i = 0; i < 2; i++) {
		snprintf(s, sizeof(s), "{\"model\":\"%0*d\"}",
		    (int)(FACT_MODEL + i), 0);
		assert_int_equal(every(&f, s), i == 0 ? 0 : -1);
	}
	assert_non_null(strstr(f.error, "too long"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_refused)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
