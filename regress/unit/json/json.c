/* SPDX-License-Identifier: ISC */

/*
 * The tokenizer against tables typed from RFC 8259: verdict and event trace,
 * each text fed whole, byte by byte and cut at every place.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json/json.h"

struct text {
	const char	*s;
	size_t		 n;
};

#define T(x)	{ x, sizeof(x) - 1 }

static const struct text good[] = {
	T("{}"), T("[]"), T("0"), T("-0"), T("-0.0e-0"), T("1E+2"), T("1e5"),
	T("123.456e78"), T("\"\""), T("true"), T("false"), T("null"),
	T(" \t\r\n[ 1 , 2 ] \n"), T("{\"a\":{\"b\":[{}]}}"),
	T("{\"a\":1,\"a\":2}"), T("{\"\":0}"),
	T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""),
	T("\"\\ud83d\\ude00\""), T("\"\\ud83d\""), T("\"\\ude00x\""),
	T("\"\\u0000\""), T("\"\x7f\""), T("\"\xc2\x80\xdf\xbf\""),
	T("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""),
	T("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), T("[[],[[]]]"),
	T("[1,\"x\",null,true,false,{\"k\":-1.5E-3}]"),
	T("\"0123456701234567\xe2\x80\x99 0123456701234567\"")
};

static const struct text wrong[] = {
	T(""), T(" "), T("{"), T("["), T("}"), T("]"), T("[1,]"), T("[,1]"),
	T("{,}"), T("{\"a\"}"), T("{\"a\":}"), T("{\"a\":1,}"), T("{1:2}"),
	T("{\"a\" 1}"), T("[1 2]"), T("[1}"), T("{\"a\":1]"), T("1 2"),
	T("{}{}"), T("{}x"), T("[]\0"), T("01"), T("-"), T("+1"), T("1."),
	T(".5"), T("1e"), T("1e+"), T("-a"), T("0x1"), T("1.e1"), T("--1"),
	T("Infinity"), T("NaN"), T("tru"), T("trux"), T("True"), T("nulll"),
	T("\""), T("\"\\"), T("\"\\x\""), T("\"\\u12\""), T("\"\\u12g4\""),
	T("\"\\U0041\""), T("\"a\nb\""), T("\"\t\""), T("\"\0\""), T("'a'"),
	T("\"\x80\""), T("\"\xc0\xaf\""), T("\"\xc1\xbf\""), T("\"\xc2\""),
	T("\"\xe0\x9f\xbf\""), T("\"\xed\xa0\x80\""), T("\"\xf0\x8f\xbf\xbf\""),
	T("\"\xf4\x90\x80\x80\""), T("\"\xf5\x80\x80\x80\""), T("\"\xff\""),
	T("\"\xe2\x28\xa1\""), T("\xef\xbb\xbf{}"), T("[1]//x"), T("/**/1"),
	T("{a:1}"), T("{'a':1}"), T("[\"a\",\n4\n,1,"), T("\xc2\xa0" "1"),
	T("\"abcdefgh\x01\""), T("\"abcdefghabcdefg\x1f\"")
};

/* The trace: "kind@off+len/depth" and the text of each event. */
static int
trace(const char *s, size_t n, size_t a, size_t b, char *out, size_t size)
{
	struct json_event ev;
	struct json j;
	static uint8_t room[JSON_TEXT];
	size_t cut[4], i, len, m;
	int k;

	cut[0] = 0;
	cut[1] = a;
	cut[2] = b;
	cut[3] = n;
	json_init(&j, room, sizeof(room));
	len = 0;
	out[0] = '\0';
	for (i = 0, k = JSON_MORE; i <= 3; i++) {
		if (i == 3)
			json_finish(&j);
		else
			json_input(&j, s + cut[i], cut[i + 1] - cut[i]);
		while ((k = json_next(&j, &ev)) > JSON_DONE) {
			m = ev.text == NULL ? 0 : (size_t)ev.len;
			assert_true(ev.text == NULL || ev.len <= JSON_TEXT);
			if (m > 0)
				assert_memory_equal(ev.text, s + ev.off, m);
			len += (size_t)snprintf(out + len, size - len,
			    "%d@%llu+%llu/%d.%d ", k,
			    (unsigned long long)ev.off,
			    (unsigned long long)ev.len, ev.depth, ev.flags);
			assert_true(len < size);
		}
		if (k == JSON_BAD) {
			assert_non_null(json_error(&j));
			assert_int_equal(json_next(&j, &ev), JSON_BAD);
			break;
		}
	}
	len += (size_t)snprintf(out + len, size - len, "=%d@%llu", k,
	    (unsigned long long)json_offset(&j));
	return k;
}

/* Verdict of s, the same at every pair of cuts. */
static int
verdict(const char *s, size_t n)
{
	static char one[65536], two[65536];
	size_t a, b;
	int k;

	k = trace(s, n, 0, 0, one, sizeof(one));
	for (a = 0; a <= n; a++)
		for (b = a; b <= n && b < a + 40; b++) {
			assert_int_equal(trace(s, n, a, b, two, sizeof(two)),
			    k);
			assert_string_equal(one, two);
		}
	return k;
}

static void
test_good(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (verdict(good[i].s, good[i].n) != JSON_DONE)
			fail_msg("refused: %s", good[i].s);
}

static void
test_wrong(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (verdict(wrong[i].s, wrong[i].n) != JSON_BAD)
			fail_msg("accepted: %s", wrong[i].s);
}

static void
test_trace(void **state)
{
	static const char s[] = "{\"a\":[1,\"\\u0061\"],\"b\":null}";
	char out[1024];

	(void)state;
	trace(s, sizeof(s) - 1, 3, 9, out, sizeof(out));
	assert_string_equal(out, "2@0+1/0.0 6@1+3/1.0 4@5+1/1.0 8@6+1/2.0 "
	    "7@8+8/2.1 5@16+1/1.0 6@18+3/1.0 11@22+4/1.0 3@26+1/0.0 =1@27");
}

static void
test_depth(void **state)
{
	char s[2 * JSON_DEPTH + 2];

	(void)state;
	memset(s, '[', JSON_DEPTH);
	memset(s + JSON_DEPTH, ']', JSON_DEPTH);
	assert_int_equal(verdict(s, 2 * JSON_DEPTH), JSON_DONE);
	memset(s, '[', JSON_DEPTH + 1);
	memset(s + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
	assert_int_equal(verdict(s, 2 * JSON_DEPTH + 2), JSON_BAD);
}

/* First string or number of s, cut after a bytes. */
static void
first(struct json *j, struct json_event *ev, const char *s, size_t n,
    size_t a)
{
	static uint8_t room[JSON_TEXT];
	int k;

	json_init(j, room, sizeof(room));
	json_input(j, s, a);
	k = json_next(j, ev);
	if (k == JSON_MORE) {
		json_input(j, s + a, n - a);
		k = json_next(j, ev);
	}
	if (k == JSON_MORE) {
		json_finish(j);
		k = json_next(j, ev);
	}
	assert_true(k > JSON_DONE);
}

static void
test_decode(void **state)
{
	static const struct {
		const char	*raw;
		struct text	 is;
		uint8_t		 flags;
	} t[] = {
		{ "\"model\"", T("model"), 0 },
		{ "\"mod\\u0065l\"", T("model"), JSON_ESCAPED },
		{ "\"\\ud83d\\ude00\"", T("\xf0\x9f\x98\x80"), JSON_ESCAPED },
		{ "\"\\ud83dx\"", T("\xef\xbf\xbdx"),
		    JSON_ESCAPED | JSON_LONE },
		{ "\"\\ud83d\\n\"", T("\xef\xbf\xbd\n"),
		    JSON_ESCAPED | JSON_LONE },
		{ "\"\\ud83d\\ud83d\\ude00\"",
		    T("\xef\xbf\xbd\xf0\x9f\x98\x80"),
		    JSON_ESCAPED | JSON_LONE },
		{ "\"\\ude00\\u00E9\\u20ac\"",
		    T("\xef\xbf\xbd\xc3\xa9\xe2\x82\xac"),
		    JSON_ESCAPED | JSON_LONE },
		{ "\"a\\u0000b\"", T("a\0b"), JSON_ESCAPED | JSON_NUL },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", T("\"\\/\b\f\n\r\t"),
		    JSON_ESCAPED },
		{ "\"\xc3\xa9\"", T("\xc3\xa9"), JSON_NONASCII }
	};
	struct json_event ev;
	struct json j;
	char out[64];
	size_t a, i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (a = 0; a <= strlen(t[i].raw); a++) {
			first(&j, &ev, t[i].raw, strlen(t[i].raw), a);
			assert_int_equal(ev.flags, t[i].flags);
			assert_int_equal(json_decode(&ev, out, sizeof(out)),
			    t[i].is.n);
			assert_memory_equal(out, t[i].is.s, t[i].is.n);
			assert_int_equal(json_decode(&ev, out, t[i].is.n),
			    -1);
			assert_int_equal(errno, ENOBUFS);
			assert_int_equal(json_equal(&ev, "model"), i < 2);
			assert_int_equal(json_equal(&ev, "mode"), 0);
		}
}

static void
test_long(void **state)
{
	struct json_event ev;
	struct json j;
	char *s;
	size_t a, n;

	(void)state;
	s = malloc(JSON_TEXT + 1);
	assert_non_null(s);
	memset(s, 'x', JSON_TEXT + 1);
	s[0] = '"';
	for (n = JSON_TEXT; n <= JSON_TEXT + 1; n++) {
		s[n - 1] = '"';
		for (a = 0; a <= n; a += 61) {
			first(&j, &ev, s, n, a);
			assert_int_equal(ev.len, n);
			assert_int_equal(ev.text == NULL, n > JSON_TEXT);
		}
		s[n - 1] = 'x';
	}
	free(s);
}

/* The reader decides how long a text may be, and the cut changes nothing. */
static void
test_room(void **state)
{
	static const char *const raw[] = { "\"123456\"", "\"1234567\"" };
	struct json_event ev;
	struct json j;
	uint8_t room[9];
	size_t a, i, n;

	(void)state;
	room[8] = 0xee;
	for (i = 0; i < 2; i++) {
		n = strlen(raw[i]);
		for (a = 0; a <= n; a++) {
			json_init(&j, room, 8);
			json_input(&j, raw[i], a);
			if (json_next(&j, &ev) == JSON_MORE) {
				json_input(&j, raw[i] + a, n - a);
				assert_int_equal(json_next(&j, &ev),
				    JSON_STRING);
			}
			assert_int_equal(ev.text != NULL, n <= 8);
			assert_int_equal(room[8], 0xee);
		}
	}
}

static void
test_number(void **state)
{
	static const struct {
		const char	*raw;
		uint64_t	 is;
	} t[] = {
		{ "0", 0 }, { "4096", 4096 }, { "1e3", 1000 },
		{ "1.5", 2 }, { "100.0", 100 }, { "12.5e1", 125 },
		{ "1e-5", 1 }, { "0e99999", 0 }, { "1e99999", UINT64_MAX },
		{ "9007199254740991", 9007199254740991ULL },
		{ "18446744073709551615000", UINT64_MAX },
		{ "1E+2", 100 }, { "120e-1", 12 }
	};
	struct json_event ev;
	struct json j;
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		first(&j, &ev, t[i].raw, strlen(t[i].raw), 1);
		assert_int_equal(json_u64(&ev, &v), 0);
		assert_int_equal(v, t[i].is);
	}
	first(&j, &ev, "-1", 2, 0);
	assert_int_equal(json_u64(&ev, &v), -1);
	first(&j, &ev, "\"1\"", 3, 0);
	assert_int_equal(json_u64(&ev, &v), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_number)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
