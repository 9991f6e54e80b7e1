/* SPDX-License-Identifier: ISC */

/*
 * Heads: a table of bytes and verdicts, each row fed whole, byte by byte and at
 * every split, with the same outcome down to the last member of the struct.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "regress/unit/http1/feed.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define B(s)		s, sizeof(s) - 1
#define H		"Host: a\r\n"
#define GET		"GET / HTTP/1.1\r\n"
#define POST		"POST /v1/messages HTTP/1.1\r\n" H
#define OK		"HTTP/1.1 200 OK\r\n"

struct row {
	const char	*name;
	const char	*bytes;
	size_t		 len;
	int		 verdict;
	int		 status;
};

static const struct row requests[] = {
	/* accepted */
	{ "least", B(GET H "\r\n"), HTTP1_DONE, 0 },
	{ "rest follows", B(GET H "\r\nGET"), HTTP1_DONE, 0 },
	{ "HTTP/1.0", B("GET / HTTP/1.0\r\n" H "\r\n"), HTTP1_DONE, 0 },
	{ "length", B(POST "Content-Length: 5\r\n\r\nhello"), HTTP1_DONE, 0 },
	{ "length, blanks", B(POST "content-length: \t 5 \t\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "length 0 of GET", B(GET H "Content-Length: 0\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "chunked", B(POST "Transfer-Encoding: chunked\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "Chunked", B(POST "TRANSFER-ENCODING:Chunked\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "obs-text value", B(GET H "X: \x80\xff\r\n\r\n"), HTTP1_DONE, 0 },
	{ "empty value", B(GET H "X:\r\n\r\n"), HTTP1_DONE, 0 },
	{ "host port", B(GET "Host: a-b.c_d:9620\r\n\r\n"), HTTP1_DONE, 0 },
	{ "host v6", B(GET "Host: [::1]:9620\r\n\r\n"), HTTP1_DONE, 0 },
	{ "host v6 bare", B(GET "Host: [::ffff:1.2.3.4]\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "identity", B(POST "Content-Encoding: identity\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "two keys", B(POST "Authorization: Bearer a\r\nX-Api-Key: b\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "query", B("GET /v1/models?limit=3 HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_DONE, 0 },
	/* incomplete */
	{ "nothing", B(""), HTTP1_MORE, 0 },
	{ "half a line", B("GET / HT"), HTTP1_MORE, 0 },
	{ "last CR", B(GET H "\r"), HTTP1_MORE, 0 },
	/* CL and TE */
	{ "CL and TE", B(POST "Content-Length: 5\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "TE and CL", B(POST "Transfer-Encoding: chunked\r\n"
	    "Content-Length: 5\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "TE list", B(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE twice", B(POST "Transfer-Encoding: chunked\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "TE chunked, chunked", B(POST
	    "Transfer-Encoding: chunked, chunked\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "TE parameter", B(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE identity", B(POST "Transfer-Encoding: identity\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE xchunked", B(POST "Transfer-Encoding: xchunked\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE quoted", B(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE empty", B(POST "Transfer-Encoding:\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "TE VT", B(POST "Transfer-Encoding: \vchunked\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE FF", B(POST "Transfer-Encoding: chunked\f\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE nbsp", B(POST "Transfer-Encoding: chunked\xa0\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE in 1.0", B("POST / HTTP/1.0\r\n" H
	    "Transfer-Encoding: chunked\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL twice, equal", B(POST "Content-Length: 5\r\n"
	    "Content-Length: 5\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL list", B(POST "Content-Length: 5, 5\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "CL +5", B(POST "Content-Length: +5\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL -5", B(POST "Content-Length: -5\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL 0x5", B(POST "Content-Length: 0x5\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL 5 5", B(POST "Content-Length: 5 5\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL VT", B(POST "Content-Length: \v5\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL empty", B(POST "Content-Length: \r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CL 2^64", B(POST "Content-Length: 18446744073709551616\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "CL over the cap", B(POST "Content-Length: 33554433\r\n\r\n"),
	    HTTP1_REJECT, 413 },
	{ "CL of GET", B(GET H "Content-Length: 5\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "TE of HEAD", B("HEAD / HTTP/1.1\r\n" H
	    "Transfer-Encoding: chunked\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "content_length", B(POST "Content_Length: 5\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "transfer--encoding", B(POST "Transfer--Encoding: chunked\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	/* lines and bytes */
	{ "LF request line", B("GET / HTTP/1.1\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "LF field", B(GET "Host: a\n\r\n"), HTTP1_REJECT, 400 },
	{ "LF longer field", B(GET H "X: ab\n\r\n"), HTTP1_REJECT, 400 },
	{ "LF end", B(GET H "\n"), HTTP1_REJECT, 400 },
	{ "bare CR", B(GET H "X: a\rb\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CR CR LF", B(GET H "X: a\r\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "obs-fold", B(GET H "X: a\r\n b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "obs-fold tab", B(GET H "X: a\r\n\tb\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "blank before first", B(GET " Host: a\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "blank line only", B(GET H " \r\n\r\n"), HTTP1_REJECT, 400 },
	{ "NUL value", B(GET H "X: a\0b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "CTL value", B(GET H "X: \x01\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "DEL value", B(GET H "X: \x7f\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "space before colon", B(GET H "X : a\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "tab before colon", B(GET H "X\t: a\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "empty name", B(GET H ": a\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "no colon", B(GET H "Xa\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "non-token name", B(GET H "X(a): a\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "obs-text name", B(GET H "X\x80: a\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "leading CRLF", B("\r\n" GET H "\r\n"), HTTP1_REJECT, 400 },
	{ "TLS hello", B("\x16\x03\x01"), HTTP1_REJECT, 400 },
	/* Host */
	{ "no host", B(GET "\r\n"), HTTP1_REJECT, 400 },
	{ "no host 1.0", B("GET / HTTP/1.0\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "two hosts", B(GET H H "\r\n"), HTTP1_REJECT, 400 },
	{ "empty host", B(GET "Host:\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host userinfo", B(GET "Host: u@a\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host /", B(GET "Host: a/b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host ?", B(GET "Host: a?b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host #", B(GET "Host: a#b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host ,", B(GET "Host: a,b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host \\", B(GET "Host: a\\b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host %", B(GET "Host: a%2eb\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host blank", B(GET "Host: a b\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host port empty", B(GET "Host: a:\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host port big", B(GET "Host: a:65536\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host port twice", B(GET "Host: a:1:2\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host no name", B(GET "Host: :80\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host v6 open", B(GET "Host: [::1\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host v6 empty", B(GET "Host: []\r\n\r\n"), HTTP1_REJECT, 400 },
	{ "host v6 tail", B(GET "Host: [::1]a\r\n\r\n"), HTTP1_REJECT, 400 },
	/* target, method, version */
	{ "absolute form", B("GET http://a/ HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "authority form", B("GET a:80 HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "asterisk", B("OPTIONS * HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "empty target", B("GET  HTTP/1.1\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	{ "fragment", B("GET /#a HTTP/1.1\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	{ "CTL target", B("GET /\x01 HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "NUL target", B("GET /\0 HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "tab target", B("GET /\ta HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "non-ASCII target", B("GET /\xc0\xaf HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "two spaces", B("GET /  HTTP/1.1\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	{ "space after version", B("GET / HTTP/1.1 \r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "space before method", B(" GET / HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 400 },
	{ "CONNECT", B("CONNECT a:443 HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 501 },
	{ "TRACE", B("TRACE / HTTP/1.1\r\n" H "\r\n"), HTTP1_REJECT, 501 },
	{ "unknown method", B("BREW / HTTP/1.1\r\n" H "\r\n"),
	    HTTP1_REJECT, 501 },
	{ "get", B("get / HTTP/1.1\r\n" H "\r\n"), HTTP1_REJECT, 501 },
	{ "bad method", B("G(T / HTTP/1.1\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	{ "HTTP/0.9", B("GET /\r\n"), HTTP1_REJECT, 400 },
	{ "said 0.9", B("GET / HTTP/0.9\r\n" H "\r\n"), HTTP1_REJECT, 505 },
	{ "HTTP/1.2", B("GET / HTTP/1.2\r\n" H "\r\n"), HTTP1_REJECT, 505 },
	{ "HTTP/2.0", B("GET / HTTP/2.0\r\n" H "\r\n"), HTTP1_REJECT, 505 },
	{ "PRI", B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP1_REJECT, 505 },
	{ "http/1.1", B("GET / http/1.1\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	{ "HTTP/01.1", B("GET / HTTP/01.1\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	{ "HTTP/1", B("GET / HTTP/1\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	{ "HTTP/1.10", B("GET / HTTP/1.10\r\n" H "\r\n"), HTTP1_REJECT, 400 },
	/* Expect, Content-Encoding, Connection, doubles */
	{ "expect", B(POST "Expect: 100-continue-not\r\n\r\n"),
	    HTTP1_REJECT, 417 },
	{ "expect list", B(POST "Expect: 100-continue, a\r\n\r\n"),
	    HTTP1_REJECT, 417 },
	{ "gzip", B(POST "Content-Encoding: gzip\r\n\r\n"),
	    HTTP1_REJECT, 415 },
	{ "identity, gzip", B(POST "Content-Encoding: identity, gzip\r\n\r\n"),
	    HTTP1_REJECT, 415 },
	{ "connection", B(GET H "Connection: a b\r\n\r\n"),
	    HTTP1_REJECT, 400 },
	{ "two tokens", B(POST "Authorization: Bearer a\r\n"
	    "authorization: Bearer b\r\n\r\n"), HTTP1_REJECT, 400 },
};

static const struct row answers[] = {
	{ "length", B(OK "Content-Length: 2\r\n\r\nok"), HTTP1_DONE, 0 },
	{ "chunked", B(OK "Transfer-Encoding: chunked\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "until close", B(OK "\r\n"), HTTP1_DONE, 0 },
	{ "no phrase", B("HTTP/1.1 200 \r\n\r\n"), HTTP1_DONE, 0 },
	{ "no space", B("HTTP/1.1 200\r\n\r\n"), HTTP1_DONE, 0 },
	{ "obs-text phrase", B("HTTP/1.1 200 \xc3\xa4\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "obs-text value", B(OK "Server: \xe4\r\n\r\n"), HTTP1_DONE, 0 },
	{ "1.0", B("HTTP/1.0 200 OK\r\n\r\n"), HTTP1_DONE, 0 },
	{ "100", B("HTTP/1.1 100 Continue\r\n\r\n"), HTTP1_DONE, 0 },
	{ "103", B("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "204", B("HTTP/1.1 204 No Content\r\n\r\n"), HTTP1_DONE, 0 },
	{ "204, 0", B("HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "304", B("HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "h2c offer", B(OK "Upgrade: h2,h2c\r\nContent-Length: 0\r\n\r\n"),
	    HTTP1_DONE, 0 },
	{ "two hosts", B(OK H H "\r\n"), HTTP1_DONE, 0 },
	{ "half", B("HTTP/1.1 2"), HTTP1_MORE, 0 },
	{ "101", B("HTTP/1.1 101 Switching\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "099", B("HTTP/1.1 099 A\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "600", B("HTTP/1.1 600 A\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "20", B("HTTP/1.1 20 OK\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "2000", B("HTTP/1.1 2000 OK\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "2x0", B("HTTP/1.1 2x0 OK\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "two spaces", B("HTTP/1.1  200 OK\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "HTTP/2", B("HTTP/2 200\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "HTTP/1.2", B("HTTP/1.2 200 OK\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "ICY", B("ICY 200 OK\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "CTL phrase", B("HTTP/1.1 200 \x01\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "CTL value", B(OK "X: \x01\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "NUL value", B(OK "X: \0\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "LF", B("HTTP/1.1 200 OK\n\n"), HTTP1_REJECT, 502 },
	{ "obs-fold", B(OK "X: a\r\n b\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "space before colon", B(OK "X : a\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "CL and TE", B(OK "Content-Length: 2\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "CL twice", B(OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\n"),
	    HTTP1_REJECT, 502 },
	{ "CL sign", B(OK "Content-Length: +2\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "TE gzip", B(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	    HTTP1_REJECT, 502 },
	{ "TE in 1.0", B("HTTP/1.0 200 OK\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), HTTP1_REJECT, 502 },
	{ "100 with body", B("HTTP/1.1 100 C\r\nContent-Length: 2\r\n\r\n"),
	    HTTP1_REJECT, 502 },
	{ "204 with body", B("HTTP/1.1 204 N\r\nContent-Length: 2\r\n\r\n"),
	    HTTP1_REJECT, 502 },
	{ "204 chunked", B("HTTP/1.1 204 N\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), HTTP1_REJECT, 502 },
};

/* All ways to split `len` bytes give the same struct and verdict. */
static void
check_splits(const char *name, const char *p, size_t len, enum feed_side side,
    const struct http1_head *want, int verdict)
{
	struct http1_head	 h;
	size_t			 i;

	if (feed(p, len, 1 % (len + 1), 1, side, &h) != verdict ||
	    memcmp(&h, want, sizeof(h)) != 0)
		fail_msg("%s: byte by byte differs", name);
	for (i = 0; i <= len; i++)
		if (feed(p, len, i, len, side, &h) != verdict ||
		    memcmp(&h, want, sizeof(h)) != 0)
			fail_msg("%s: split at %zu differs", name, i);
}

static void
check_rows(const struct row *rows, size_t n, enum feed_side side)
{
	struct http1_head	 h;
	const struct row	*r;
	size_t			 i;
	int			 v;

	for (i = 0; i < n; i++) {
		r = &rows[i];
		v = feed(r->bytes, r->len, r->len, 1, side, &h);
		if (v != r->verdict || h.reject.status != r->status)
			fail_msg("%s: verdict %d status %d (%s)", r->name, v,
			    h.reject.status, h.reject.reason);
		if ((v == HTTP1_REJECT) != (h.reject.reason != NULL))
			fail_msg("%s: reason", r->name);
		check_splits(r->name, r->bytes, r->len, side, &h, v);
	}
}

static void
test_requests(void **state)
{
	(void)state;
	check_rows(requests, NITEMS(requests), FEED_REQUEST);
}

static void
test_answers(void **state)
{
	(void)state;
	check_rows(answers, NITEMS(answers), FEED_RESPONSE);
}

/* What a complete head says. */
static void
test_members(void **state)
{
	static const char req[] = "POST /v1/messages?beta=true HTTP/1.1\r\n"
	    "Host: localhost:9620\r\nX-API-Key:\t tp_a \r\n"
	    "Content-Length: 12\r\nExpect: 100-continue\r\n"
	    "Connection: keep-alive, X-Drop\r\nX-Drop: 1\r\nX-Drop: 2\r\n\r\n";
	const struct http1_field *f;
	const uint8_t		*b;
	struct http1_head	 h;
	uint8_t			 low[sizeof(req)];

	(void)state;
	b = (const uint8_t *)req;
	assert_int_equal(feed(req, sizeof(req) - 1, sizeof(req) - 1, 1,
	    FEED_REQUEST, &h), HTTP1_DONE);
	assert_int_equal(h.head_len, sizeof(req) - 1);
	assert_int_equal(h.method, HTTP1_POST);
	assert_int_equal(h.method_len, 4);
	assert_int_equal(h.target_len, 22);
	assert_memory_equal(req + h.target_off, "/v1/messages?beta=true", 22);
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.content_length, 12);
	assert_int_equal(h.body, HTTP1_BODY_LENGTH);
	assert_true(h.expect_continue);
	assert_true(h.keep_alive);
	assert_int_equal(h.upgrade, HTTP1_UPGRADE_NONE);
	assert_int_equal(h.nfields, 7);
	f = http1_find(&h, b, "x-api-key");
	assert_non_null(f);
	assert_int_equal(f->value_len, 4);
	assert_memory_equal(req + f->value_off, "tp_a", 4);
	assert_null(http1_find_next(&h, b, f, "x-api-key"));
	assert_null(http1_find(&h, b, "x-api-ke"));
	assert_null(http1_find(&h, b, "x-api-key2"));
	f = http1_find(&h, b, "x-drop");
	f = http1_find_next(&h, b, f, "x-drop");
	assert_non_null(f);
	assert_int_equal(req[f->value_off], '2');
	assert_true(http1_named(&h, b, "x-drop"));
	assert_false(http1_named(&h, b, "x-api-key"));
	memcpy(low, req, sizeof(req));
	http1_lower(&h, low);
	f = http1_find(&h, low, "x-api-key");
	assert_memory_equal(low + f->name_off, "x-api-key", 9);
	assert_memory_equal(low, "POST ", 5);
}

static void
test_connection(void **state)
{
	static const struct {
		const char	*version, *value;
		bool		 keep;
	} t[] = {
		{ "1.1", "x", true }, { "1.1", "close", false },
		{ "1.1", "Keep-Alive, CLOSE", false },
		{ "1.1", ", ,keep-alive,", true },
		{ "1.0", "x", false }, { "1.0", "keep-alive", true },
	};
	struct http1_head	 h;
	char			 b[256];
	size_t			 i;
	int			 n;

	(void)state;
	for (i = 0; i < NITEMS(t); i++) {
		n = snprintf(b, sizeof(b), "GET / HTTP/%s\r\n" H
		    "Connection: %s\r\n\r\n", t[i].version, t[i].value);
		assert_int_equal(feed(b, (size_t)n, (size_t)n, 1, FEED_REQUEST,
		    &h), HTTP1_DONE);
		assert_int_equal(h.keep_alive, t[i].keep);
	}
}

static void
test_upgrade(void **state)
{
	static const struct {
		const char		*value;
		enum http1_upgrade	 kind;
	} t[] = {
		{ "", HTTP1_UPGRADE_NONE }, { "h2c", HTTP1_UPGRADE_H2C },
		{ "WebSocket", HTTP1_UPGRADE_WEBSOCKET },
		{ "h2c, websocket", HTTP1_UPGRADE_WEBSOCKET },
		{ "websocket, h2c", HTTP1_UPGRADE_WEBSOCKET },
		{ "TLS/1.0", HTTP1_UPGRADE_OTHER },
		{ "websocket, x", HTTP1_UPGRADE_OTHER },
	};
	struct http1_head	 h;
	char			 b[256];
	size_t			 i;
	int			 n;

	(void)state;
	for (i = 0; i < NITEMS(t); i++) {
		n = snprintf(b, sizeof(b), GET H "Upgrade: %s\r\n\r\n",
		    t[i].value);
		assert_int_equal(feed(b, (size_t)n, (size_t)n, 1, FEED_REQUEST,
		    &h), HTTP1_DONE);
		assert_int_equal(h.upgrade, t[i].kind);
	}
}

/* Expect without a body, and from HTTP/1.0, asks for nothing. */
static void
test_expect(void **state)
{
	static const char *const	 t[] = {
		POST "Expect: 100-continue\r\n\r\n",
		POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
		"POST / HTTP/1.0\r\n" H "Expect: 100-continue\r\n"
		    "Content-Length: 3\r\n\r\n",
	};
	struct http1_head		 h;
	size_t				 i, n;

	(void)state;
	for (i = 0; i < NITEMS(t); i++) {
		n = strlen(t[i]);
		assert_int_equal(feed(t[i], n, n, 1, FEED_REQUEST, &h),
		    HTTP1_DONE);
		assert_false(h.expect_continue);
	}
}

/* Body framing of answers. */
static void
test_answer_body(void **state)
{
	static const struct {
		const char	*bytes;
		enum feed_side	 side;
		enum http1_body	 body;
		bool		 keep, encoded;
	} t[] = {
		{ OK "\r\n", FEED_RESPONSE, HTTP1_BODY_CLOSE, false, false },
		{ OK "\r\n", FEED_RESPONSE_HEAD, HTTP1_BODY_NONE, true,
		    false },
		{ OK "Content-Length: 0\r\n\r\n", FEED_RESPONSE,
		    HTTP1_BODY_NONE, true, false },
		{ OK "Content-Length: 9\r\n\r\n", FEED_RESPONSE_HEAD,
		    HTTP1_BODY_NONE, true, false },
		{ OK "Content-Length: 9\r\nContent-Encoding: br\r\n\r\n",
		    FEED_RESPONSE, HTTP1_BODY_LENGTH, true, true },
		{ OK "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
		    FEED_RESPONSE, HTTP1_BODY_CHUNKED, false, false },
		{ "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n", FEED_RESPONSE,
		    HTTP1_BODY_NONE, true, false },
		{ "HTTP/1.1 100 C\r\n\r\n", FEED_RESPONSE, HTTP1_BODY_NONE,
		    true, false },
	};
	struct http1_head	 h;
	size_t			 i, n;

	(void)state;
	for (i = 0; i < NITEMS(t); i++) {
		n = strlen(t[i].bytes);
		assert_int_equal(feed(t[i].bytes, n, n, 1, t[i].side, &h),
		    HTTP1_DONE);
		assert_int_equal(h.body, t[i].body);
		assert_int_equal(h.keep_alive, t[i].keep);
		assert_int_equal(h.encoded, t[i].encoded);
	}
}

/*
 * A request of known sizes: target of `target` bytes, one field line of `line`
 * bytes, `n` further fields, and padding fields up to `head` bytes in all.
 */
static size_t
build(char *b, size_t target, size_t line, size_t n, size_t head)
{
	size_t	 at, i, pad;

	at = (size_t)sprintf(b, "GET /");
	memset(b + at, 'a', target - 1);
	at += target - 1;
	at += (size_t)sprintf(b + at, " HTTP/1.1\r\n" H);
	if (line > 0) {
		at += (size_t)sprintf(b + at, "L: ");
		memset(b + at, 'x', line - 3);
		at += line - 3;
		at += (size_t)sprintf(b + at, "\r\n");
	}
	for (i = 0; i < n; i++)
		at += (size_t)sprintf(b + at, "F: 1\r\n");
	while (head > at + 2) {
		pad = head - at - 2;
		if (pad > 4000)
			pad = pad < 4020 ? 2000 : 4000;
		at += (size_t)sprintf(b + at, "P: ");
		memset(b + at, 'p', pad - 5);
		at += pad - 5;
		at += (size_t)sprintf(b + at, "\r\n");
	}
	at += (size_t)sprintf(b + at, "\r\n");
	return at;
}

static void
test_limits(void **state)
{
	static const struct {
		size_t	 target, line, n, head;
		int	 status;
	} t[] = {
		{ 2048, 0, 0, 0, 0 }, { 2049, 0, 0, 0, 414 },
		{ 5000, 0, 0, 0, 414 }, { 40000, 0, 0, 0, 414 },
		{ 1, 8192, 0, 0, 0 }, { 1, 8193, 0, 0, 431 },
		{ 1, 0, 99, 0, 0 }, { 1, 0, 100, 0, 431 },
		{ 1, 0, 0, 32768, 0 }, { 1, 0, 0, 32769, 431 },
	};
	struct http1_head	 h, part;
	char			*b;
	size_t			 i, len;
	int			 v;

	(void)state;
	b = malloc(128 * 1024);
	assert_non_null(b);
	for (i = 0; i < NITEMS(t); i++) {
		len = build(b, t[i].target, t[i].line, t[i].n, t[i].head);
		if (t[i].head != 0)
			assert_int_equal(len, t[i].head);
		v = feed(b, len, len, 1, FEED_REQUEST, &h);
		assert_int_equal(v, t[i].status == 0 ? HTTP1_DONE :
		    HTTP1_REJECT);
		assert_int_equal(h.reject.status, t[i].status);
		assert_int_equal(feed(b, len, 0, 61, FEED_REQUEST, &part), v);
		assert_memory_equal(&part, &h, sizeof(h));
		/* An endless one is refused at the same byte. */
		if (v == HTTP1_REJECT)
			assert_int_equal(feed(b, h.scan + 1, 0, 7, FEED_REQUEST,
			    &part), HTTP1_REJECT);
	}
	free(b);
}

/* A caller's own limits count. */
static void
test_own_limits(void **state)
{
	static const char	 b[] = GET H "X: 1\r\n\r\n";
	struct http1_limits	 lim;
	struct http1_head	 h;

	(void)state;
	lim = http1_request_limits;
	for (lim.fields = 1; lim.fields <= 2; lim.fields++) {
		http1_init(&h);
		assert_int_equal(http1_request((const uint8_t *)b,
		    sizeof(b) - 1, &lim, &h),
		    lim.fields == 1 ? HTTP1_REJECT : HTTP1_DONE);
	}
}

/* After a verdict the parser reads nothing more. */
static void
test_final(void **state)
{
	struct http1_head	 h;

	(void)state;
	assert_int_equal(feed(B("BAD\r\n"), 5, 1, FEED_REQUEST, &h),
	    HTTP1_REJECT);
	assert_int_equal(feed_once(B(GET H "\r\n"), FEED_REQUEST, &h),
	    HTTP1_REJECT);
	http1_init(&h);
	assert_int_equal(feed_once(B(GET H "\r\n"), FEED_REQUEST, &h),
	    HTTP1_DONE);
	assert_int_equal(feed_once(B(GET H "\r\n\x01"), FEED_REQUEST, &h),
	    HTTP1_DONE);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_expect),
		cmocka_unit_test(test_answer_body),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_own_limits),
		cmocka_unit_test(test_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
