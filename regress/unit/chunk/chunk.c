/* SPDX-License-Identifier: ISC */

/*
 * Chunked bodies: bytes, verdict, data and length of the body; each row fed
 * whole, byte by byte and at every split.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/http/http1.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define B(s)		s, sizeof(s) - 1
#define END		"0\r\n\r\n"
#define X16		"xxxxxxxxxxxxxxxx"
#define X64		X16 X16 X16 X16
#define LIMIT		1000

static const struct row {
	const char		*name;
	enum chunk_side		 side;
	const char		*bytes;
	size_t			 len;
	enum chunk_verdict	 verdict;
	int			 status;
	const char		*data;
	size_t			 rest;		/* bytes after the end */
} rows[] = {
	{ "empty", CHUNK_REQUEST, B(END), CHUNK_END, 0, "", 0 },
	{ "two", CHUNK_REQUEST, B("3\r\nabc\r\nA\r\n0123456789\r\n" END),
	    CHUNK_END, 0, "abc0123456789", 0 },
	{ "next request", CHUNK_REQUEST, B("1\r\na\r\n" END "GET /"),
	    CHUNK_END, 0, "a", 5 },
	{ "lower hex", CHUNK_REQUEST, B("a\r\n0123456789\r\n" END),
	    CHUNK_END, 0, "0123456789", 0 },
	{ "leading zeros", CHUNK_REQUEST, B("00000001\r\na\r\n00\r\n\r\n"),
	    CHUNK_END, 0, "a", 0 },
	{ "CR LF as data", CHUNK_REQUEST, B("5\r\n\r\n0\r\n\r\n" END),
	    CHUNK_END, 0, "\r\n0\r\n", 0 },
	{ "extension", CHUNK_REQUEST, B("1;a\r\na\r\n0;b=c;d=\"\\\" ;\"\r\n"
	    "\r\n"), CHUNK_END, 0, "a", 0 },
	{ "half", CHUNK_REQUEST, B("5\r\nab"), CHUNK_MORE, 0, "ab", 0 },
	{ "no last line", CHUNK_REQUEST, B("1\r\na\r\n0\r\n"), CHUNK_MORE, 0,
	    "a", 0 },
	{ "last CR", CHUNK_REQUEST, B("0\r\n\r"), CHUNK_MORE, 0, "", 0 },
	/* sizes */
	{ "no size", CHUNK_REQUEST, B("\r\n"), CHUNK_REJECT, 400, "", 0 },
	{ "no size, extension", CHUNK_REQUEST, B(";a\r\n"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "+1", CHUNK_REQUEST, B("+1\r\na\r\n"), CHUNK_REJECT, 400, "", 0 },
	{ "-1", CHUNK_REQUEST, B("-1\r\na\r\n"), CHUNK_REJECT, 400, "", 0 },
	{ "0x1", CHUNK_REQUEST, B("0x1\r\na\r\n"), CHUNK_REJECT, 400, "", 0 },
	{ "blank before", CHUNK_REQUEST, B(" 1\r\na\r\n"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "blank after", CHUNK_REQUEST, B("1 \r\na\r\n"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "tab after", CHUNK_REQUEST, B("1\t\r\na\r\n"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "1g", CHUNK_REQUEST, B("1g\r\na\r\n"), CHUNK_REJECT, 400, "", 0 },
	{ "9 digits", CHUNK_REQUEST, B("000000001\r\na\r\n"), CHUNK_REJECT,
	    400, "", 0 },
	{ "over the cap", CHUNK_REQUEST, B("3e9\r\n"), CHUNK_REJECT, 413, "",
	    0 },
	{ "sum over the cap", CHUNK_REQUEST, B("1\r\na\r\n3e8\r\n"),
	    CHUNK_REJECT, 413, "a", 0 },
	{ "8 digits", CHUNK_REQUEST, B("ffffffff\r\n"), CHUNK_REJECT, 413,
	    "", 0 },
	{ "16 digits", CHUNK_RESPONSE, B("ffffffffffffffff\r\n"),
	    CHUNK_REJECT, 502, "", 0 },
	{ "17 digits", CHUNK_RESPONSE, B("00000000000000001\r\n"),
	    CHUNK_REJECT, 502, "", 0 },
	{ "16 digits, small", CHUNK_RESPONSE,
	    B("0000000000000001\r\na\r\n" END), CHUNK_END, 0, "a", 0 },
	/* line ends */
	{ "LF size", CHUNK_REQUEST, B("1\na\r\n"), CHUNK_REJECT, 400, "", 0 },
	{ "CR size", CHUNK_REQUEST, B("1\ra\r\n"), CHUNK_REJECT, 400, "", 0 },
	{ "CR CR LF", CHUNK_REQUEST, B("1\r\r\na"), CHUNK_REJECT, 400, "",
	    0 },
	{ "LF after data", CHUNK_REQUEST, B("1\r\na\n"), CHUNK_REJECT, 400,
	    "a", 0 },
	{ "nothing after data", CHUNK_REQUEST, B("1\r\na0\r\n"),
	    CHUNK_REJECT, 400, "a", 0 },
	{ "CR after data", CHUNK_REQUEST, B("1\r\na\r0\r\n"), CHUNK_REJECT,
	    400, "a", 0 },
	{ "LF end", CHUNK_REQUEST, B("0\r\n\n"), CHUNK_REJECT, 400, "", 0 },
	/* extensions */
	{ "no name", CHUNK_REQUEST, B("1;\r\na"), CHUNK_REJECT, 400, "", 0 },
	{ "no value", CHUNK_REQUEST, B("1;a=\r\na"), CHUNK_REJECT, 400, "",
	    0 },
	{ "blank", CHUNK_REQUEST, B("1;a =b\r\na"), CHUNK_REJECT, 400, "",
	    0 },
	{ "blank before ;", CHUNK_REQUEST, B("1 ;a\r\na"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "LF in one", CHUNK_REQUEST, B("1;a\nb\r\na"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "CR in one", CHUNK_REQUEST, B("1;a\rb\r\na"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "LF quoted", CHUNK_REQUEST, B("1;a=\"\n\"\r\na"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "CR quoted", CHUNK_REQUEST, B("1;a=\"\r\n"), CHUNK_REJECT, 400, "",
	    0 },
	{ "NUL quoted", CHUNK_REQUEST, B("1;a=\"\0\"\r\na"), CHUNK_REJECT,
	    400, "", 0 },
	{ "after quote", CHUNK_REQUEST, B("1;a=\"b\"c\r\na"), CHUNK_REJECT,
	    400, "", 0 },
	{ "256 bytes", CHUNK_REQUEST, B("0;" X64 X64 X64 X16 X16 X16
	    "xxxxxxxxxxxxxxx\r\n\r\n"), CHUNK_END, 0, "", 0 },
	{ "257 bytes", CHUNK_REQUEST, B("0;" X64 X64 X64 X64 "\r\n\r\n"),
	    CHUNK_REJECT, 400, "", 0 },
	{ "257 in two", CHUNK_REQUEST, B("1;" X64 X64 "\r\na\r\n0;" X64 X64
	    "\r\n\r\n"), CHUNK_REJECT, 400, "a", 0 },
	/* trailers */
	{ "trailer", CHUNK_REQUEST, B("0\r\nX: a\r\n\r\n"), CHUNK_REJECT, 400,
	    "", 0 },
	{ "trailer of an answer", CHUNK_RESPONSE,
	    B("1\r\na\r\n0\r\nX: a\r\nY:\t\x80\r\n\r\nH"), CHUNK_END, 0, "a",
	    1 },
	{ "trailer fold", CHUNK_RESPONSE, B("0\r\nX: a\r\n b\r\n\r\n"),
	    CHUNK_REJECT, 502, "", 0 },
	{ "trailer blank", CHUNK_RESPONSE, B("0\r\nX : a\r\n\r\n"),
	    CHUNK_REJECT, 502, "", 0 },
	{ "trailer without colon", CHUNK_RESPONSE, B("0\r\nX\r\n\r\n"),
	    CHUNK_REJECT, 502, "", 0 },
	{ "trailer without name", CHUNK_RESPONSE, B("0\r\n: a\r\n\r\n"),
	    CHUNK_REJECT, 502, "", 0 },
	{ "trailer LF", CHUNK_RESPONSE, B("0\r\nX: a\n\r\n"), CHUNK_REJECT,
	    502, "", 0 },
	{ "trailer NUL", CHUNK_RESPONSE, B("0\r\nX: \0\r\n\r\n"),
	    CHUNK_REJECT, 502, "", 0 },
};

struct outcome {
	enum chunk_verdict	 verdict;
	uint8_t			 data[LIMIT + 1];
	size_t			 datalen;
	size_t			 consumed;
};

/* Feeds one piece, in an allocation of its own. */
static void
piece(struct chunk *c, const char *p, size_t n, struct outcome *o)
{
	const uint8_t	*data;
	uint8_t		*copy;
	size_t		 at, used, len;

	copy = malloc(n + (n == 0));
	assert_non_null(copy);
	memcpy(copy, p, n);
	at = 0;
	do {
		o->verdict = chunk_read(c, copy + at, n - at, &used, &data,
		    &len);
		at += used;
		if (o->verdict == CHUNK_DATA) {
			assert_true(len > 0 && o->datalen + len <= LIMIT);
			memcpy(o->data + o->datalen, data, len);
			o->datalen += len;
		} else
			assert_int_equal(len, 0);
	} while (o->verdict == CHUNK_DATA);
	if (o->verdict == CHUNK_MORE)
		assert_int_equal(at, n);
	o->consumed += at;
	free(copy);
}

/* First `from` bytes, then pieces of `step`. */
static void
run(const struct row *r, size_t from, size_t step, struct chunk *c,
    struct outcome *o)
{
	size_t	 at, n;

	memset(o, 0, sizeof(*o));
	chunk_init(c, r->side, r->side == CHUNK_REQUEST ?
	    CHUNK_REQUEST_DIGITS : CHUNK_RESPONSE_DIGITS, LIMIT);
	piece(c, r->bytes, from, o);
	for (at = from; at < r->len && o->verdict == CHUNK_MORE; at += n) {
		n = r->len - at < step ? r->len - at : step;
		piece(c, r->bytes + at, n, o);
	}
}

static void
test_rows(void **state)
{
	const struct row	*r;
	struct chunk		 c, d;
	struct outcome		 whole, o;
	size_t			 i, k;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		r = &rows[i];
		run(r, r->len, 1, &c, &whole);
		if (whole.verdict != r->verdict || c.status != r->status ||
		    (c.reason != NULL) != (r->status != 0))
			fail_msg("%s: verdict %d status %d (%s)", r->name,
			    (int)whole.verdict, c.status, c.reason);
		if (whole.datalen != strlen(r->data) ||
		    memcmp(whole.data, r->data, whole.datalen) != 0)
			fail_msg("%s: data", r->name);
		if (whole.verdict == CHUNK_END &&
		    whole.consumed != r->len - r->rest)
			fail_msg("%s: consumed %zu", r->name, whole.consumed);
		for (k = 0; k <= r->len; k++) {
			run(r, k, r->len, &d, &o);
			if (memcmp(&c, &d, sizeof(c)) != 0 ||
			    memcmp(&o, &whole, sizeof(o)) != 0)
				fail_msg("%s: split at %zu", r->name, k);
		}
		run(r, 0, 1, &d, &o);
		if (memcmp(&c, &d, sizeof(c)) != 0 ||
		    memcmp(&o, &whole, sizeof(o)) != 0)
			fail_msg("%s: byte by byte", r->name);
	}
}

/* Chunks of `size` bytes until refused or 1 MiB of data; data bytes taken. */
static uint64_t
stream(enum chunk_side side, const char *line, size_t size)
{
	static const uint8_t	 zeros[4096];
	const uint8_t		*data;
	struct chunk		 c;
	enum chunk_verdict	 v;
	size_t			 used, len;

	chunk_init(&c, side, 8, UINT64_C(1) << 30);
	v = CHUNK_MORE;
	while (v == CHUNK_MORE && c.data < 1 << 20) {
		v = chunk_read(&c, (const uint8_t *)line, strlen(line), &used,
		    &data, &len);
		if (v != CHUNK_MORE)
			break;
		v = chunk_read(&c, zeros, size, &used, &data, &len);
		assert_int_equal(v, CHUNK_DATA);
		v = chunk_read(&c, (const uint8_t *)"\r\n", 2, &used, &data,
		    &len);
	}
	if (v == CHUNK_REJECT)
		assert_string_equal(c.reason,
		    "The body consists mostly of chunk framing.");
	return c.data;
}

static void
test_overhead(void **state)
{
	(void)state;
	/* 5 bytes of framing for 1 of data: 64 KiB of slack pay for 16 Ki */
	assert_in_range(stream(CHUNK_REQUEST, "1\r\n", 1), 16380, 16390);
	assert_true(stream(CHUNK_REQUEST, "5\r\n", 5) >= 1 << 20);
	assert_true(stream(CHUNK_RESPONSE, "1\r\n", 1) >= 1 << 20);
	assert_true(stream(CHUNK_RESPONSE, "00000001\r\n", 1) < 20000);
}

/* A verdict is final. */
static void
test_final(void **state)
{
	static const uint8_t	 end[] = "0\r\n\r\nx", bad[] = "x\r\n";
	const uint8_t		*data;
	struct chunk		 c;
	size_t			 used, len;
	int			 i;

	(void)state;
	chunk_init(&c, CHUNK_REQUEST, 8, 10);
	for (i = 0; i < 3; i++) {
		assert_int_equal(chunk_read(&c, end, 6, &used, &data, &len),
		    CHUNK_END);
		assert_int_equal(used, i == 0 ? 5 : 0);
	}
	chunk_init(&c, CHUNK_REQUEST, 8, 10);
	for (i = 0; i < 3; i++)
		assert_int_equal(chunk_read(&c, bad, 3, &used, &data, &len),
		    CHUNK_REJECT);
	assert_int_equal(used, 0);
}

static void
test_trailer_cap(void **state)
{
	char		 big[CHUNK_TRAILER_MAX + 16];
	const uint8_t	*data;
	struct chunk	 c;
	size_t		 used, len, n;

	(void)state;
	for (n = CHUNK_TRAILER_MAX - 1; n <= CHUNK_TRAILER_MAX; n++) {
		memset(big, 'a', sizeof(big));
		memcpy(big, "0\r\nX:", 5);
		memcpy(big + 3 + n, "\r\n\r\n", 4);
		chunk_init(&c, CHUNK_RESPONSE, 16, 10);
		assert_int_equal(chunk_read(&c, (const uint8_t *)big, n + 7,
		    &used, &data, &len),
		    n < CHUNK_TRAILER_MAX ? CHUNK_END : CHUNK_REJECT);
	}
}

static void
test_head(void **state)
{
	char	 b[CHUNK_HEAD_MAX];

	(void)state;
	assert_int_equal(chunk_head(b, 0), 0);
	assert_int_equal(chunk_head(b, 1), 3);
	assert_memory_equal(b, "1\r\n", 3);
	assert_int_equal(chunk_head(b, 0xabc0), 6);
	assert_memory_equal(b, "abc0\r\n", 6);
	assert_int_equal(chunk_head(b, SIZE_MAX), 18);
	assert_memory_equal(b, "ffffffffffffffff\r\n", 18);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_overhead),
		cmocka_unit_test(test_final),
		cmocka_unit_test(test_trailer_cap),
		cmocka_unit_test(test_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
