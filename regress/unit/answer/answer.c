/* SPDX-License-Identifier: ISC */

/* Provider answers: each whole, and split at every byte, read the same way. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/egress/egress.h"

struct seen {
	enum answer_event	 end;
	int			 status, heads;
	char			 body[4096];
	size_t			 len, left;
};

/* Reads `n` bytes in pieces of `step`, then the provider closes. */
static void
read_all(const char *in, size_t n, size_t step, uint64_t limit, int ishead,
    struct seen *s)
{
	struct answer	 a;
	const uint8_t	*data;
	size_t		 at, part, used, len;

	memset(s, 0, sizeof(*s));
	answer_init(&a, ishead, limit);
	s->end = ANSWER_MORE;
	for (at = 0; at < n && s->end <= ANSWER_DATA;) {
		part = n - at < step ? n - at : step;
		do {
			data = NULL;
			s->end = answer_read(&a, (const uint8_t *)in + at,
			    part, &used, &data, &len);
			at += used;
			part -= used;
			if (s->end == ANSWER_HEAD) {
				s->heads++;
				s->status = a.head.status;
			}
			if (s->end == ANSWER_DATA) {
				memcpy(s->body + s->len, data, len);
				s->len += len;
			}
		} while (s->end == ANSWER_HEAD || s->end == ANSWER_DATA ||
		    (s->end == ANSWER_MORE && part > 0));
	}
	if (s->end == ANSWER_MORE)
		s->end = answer_eof(&a);
	s->left = n - at;
	answer_wipe(&a);
}

#define OK	"HTTP/1.1 200 OK\r\n"

static const struct {
	const char		*in;
	enum answer_event	 end;
	int			 status;
	const char		*body;
	size_t			 left;	/* surplus bytes */
} rows[] = {
	{ OK "content-length: 5\r\n\r\nhello", ANSWER_END, 200, "hello", 0 },
	{ OK "content-length: 5\r\n\r\nhell", ANSWER_TRUNCATED, 200, "hell",
	    0 },
	{ OK "content-length: 0\r\n\r\n", ANSWER_END, 200, "", 0 },
	{ OK "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n"
	    "0\r\n\r\n", ANSWER_END, 200, "hello!", 0 },
	{ OK "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
	    ANSWER_TRUNCATED, 200, "hello", 0 },
	{ OK "\r\nuntil close", ANSWER_END, 200, "until close", 0 },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
	    OK "content-length: 2\r\n\r\nok", ANSWER_END, 200, "ok", 0 },
	{ "HTTP/1.1 204 No\r\n\r\n", ANSWER_END, 204, "", 0 },
	{ "HTTP/1.1 429 Slow\r\ncontent-length: 1\r\n\r\nx", ANSWER_END, 429,
	    "x", 0 },
	{ "HTTP/1.1 101 Switch\r\n\r\n", ANSWER_BAD, 0, "", 0 },
	{ "HTTP/1.1 2x0 OK\r\n\r\n", ANSWER_BAD, 0, "", 0 },
	{ "SSH-2.0-OpenSSH\r\n\r\n", ANSWER_BAD, 0, "", 0 },
	{ OK "content-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx",
	    ANSWER_BAD, 0, "", 0 },
	{ OK "content-encoding: identity\r\ncontent-length: 2\r\n\r\nxx",
	    ANSWER_END, 200, "xx", 0 },
	{ OK "content-length: 2\r\ncontent-length: 3\r\n\r\nxx", ANSWER_BAD,
	    0, "", 0 },
	{ OK "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\nxx",
	    ANSWER_BAD, 0, "", 0 },
	{ OK "transfer-encoding: chunked\r\n\r\nzz\r\n", ANSWER_BAD, 200, "",
	    0 },
	{ OK "content-length: 101\r\n\r\n", ANSWER_LARGE, 0, "", 0 },
	{ OK "transfer-encoding: chunked\r\n\r\n65\r\n", ANSWER_LARGE, 200,
	    "", 0 },
	{ "", ANSWER_TRUNCATED, 0, "", 0 },
	{ OK "content-le", ANSWER_TRUNCATED, 0, "", 0 },
};

static void
table(void **state)
{
	struct seen	 s;
	size_t		 i, step, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = strlen(rows[i].in);
		for (step = 1; step <= n + 1; step++) {
			read_all(rows[i].in, n, step, 100, 0, &s);
			if (s.end != rows[i].end || s.status != rows[i].status)
				fail_msg("row %zu step %zu: end %d status %d",
				    i, step, s.end, s.status);
			assert_int_equal(s.len, strlen(rows[i].body));
			assert_memory_equal(s.body, rows[i].body, s.len);
			assert_int_equal(s.heads, rows[i].status != 0);
			if (s.end == ANSWER_END)
				assert_int_equal(s.left, rows[i].left);
		}
	}
}

/* Bytes behind a complete answer are not part of it, nor of the next. */
static void
surplus(void **state)
{
	static const char	 one[] = OK "content-length: 2\r\n\r\nok"
	    "HTTP/1.1 200 OK\r\n";
	static const char	 two[] = OK "transfer-encoding: chunked\r\n\r\n"
	    "2\r\nok\r\n0\r\n\r\nx";
	struct seen		 s;

	(void)state;
	read_all(one, sizeof(one) - 1, 4096, 100, 0, &s);
	assert_int_equal(s.end, ANSWER_END);
	assert_int_equal(s.left, 17);
	read_all(two, sizeof(two) - 1, 4096, 100, 0, &s);
	assert_int_equal(s.end, ANSWER_END);
	assert_int_equal(s.left, 1);
}

static void
interim(void **state)
{
	char		 in[4096];
	struct seen	 s;
	int		 i;

	(void)state;
	in[0] = '\0';
	for (i = 0; i < ANSWER_INTERIM; i++)
		strcat(in, "HTTP/1.1 102 Processing\r\n\r\n");
	strcat(in, OK "content-length: 0\r\n\r\n");
	read_all(in, strlen(in), 7, 100, 0, &s);
	assert_int_equal(s.end, ANSWER_END);
	memmove(in + 27, in, strlen(in) + 1);
	memcpy(in, "HTTP/1.1 102 Processing\r\n\r\n", 27);
	read_all(in, strlen(in), 7, 100, 0, &s);
	assert_int_equal(s.end, ANSWER_BAD);
}

static void
large_head(void **state)
{
	struct answer	 a;
	const uint8_t	*data;
	uint8_t		*in;
	size_t		 n, used, len;
	enum answer_event ev;

	(void)state;
	n = HTTP1_ANSWER_HEAD_MAX + 4096;
	in = malloc(n);
	assert_non_null(in);
	memset(in, 'a', n);
	memcpy(in, OK, 17);
	for (len = 17; len + 100 < n; len += 100)
		memcpy(in + len + 96, "\r\n", 2);
	answer_init(&a, 0, 100);
	ev = answer_read(&a, in, n, &used, &data, &len);
	assert_int_equal(ev, ANSWER_BAD);
	answer_wipe(&a);
	free(in);
}

static void
head_request(void **state)
{
	static const char	 in[] = OK "content-length: 5\r\n\r\n";
	struct seen		 s;

	(void)state;
	read_all(in, sizeof(in) - 1, 4, 100, 1, &s);
	assert_int_equal(s.end, ANSWER_END);
}

/* ---- the HEAD frame ---------------------------------------------------- */

static void
frame(void **state)
{
	static const char	 in[] = OK
	    "content-type: text/event-stream; charset=utf-8\r\n"
	    "set-cookie: a=b\r\n"
	    "x-request-id: sk-secret-key-1\r\n"
	    "authorization: Bearer x\r\n"
	    "x-ratelimit-remaining-requests: 7\r\n"
	    "openai-version: 2020-10-01\r\n"
	    "retry-after: 5\r\n"
	    /* what was sent twice is told once, as it was judged */
	    "Content-Type: application/json\r\n"
	    "retry-after: 6\r\n"
	    "transfer-encoding: chunked\r\n\r\n";
	struct mask_key	 k;
	struct answer	 a;
	struct msgr	 r;
	const uint8_t	*data;
	uint8_t		 out[LINK_CTRL];
	char		 name[64], value[128], all[1024];
	size_t		 used, len, n;
	uint32_t	 echoes;
	int		 count;

	(void)state;
	assert_int_equal(mask_key_set(&k, secret_dup("sk-secret-key", 13)), 0);
	answer_init(&a, 0, 1000);
	assert_int_equal(answer_read(&a, (const uint8_t *)in, sizeof(in) - 1,
	    &used, &data, &len), ANSWER_HEAD);
	echoes = 0;
	n = answer_payload(&a, 42, &k, out, &echoes);
	assert_int_equal(echoes, 1);
	msg_read(&r, 1, out, n);
	assert_int_equal(msg_get_u64(&r), 42);
	assert_int_equal(msg_get_u16(&r), 200);
	assert_int_equal(msg_get_u8(&r), LF_UNKNOWN_LENGTH | LF_EVENTS);
	assert_true(msg_get_u64(&r) == UINT64_MAX);
	all[0] = '\0';
	for (count = msg_get_u8(&r); count > 0; count--) {
		msg_get_str(&r, name, sizeof(name));
		msg_get_str(&r, value, sizeof(value));
		snprintf(all + strlen(all), sizeof(all) - strlen(all),
		    "%s=%s;", name, value);
	}
	assert_int_equal(msg_end(&r), 0);
	assert_string_equal(all, "content-type=text/event-stream; "
	    "charset=utf-8;x-upstream-request-id=*************-1;"
	    "openai-version=2020-10-01;retry-after=5;");
	answer_id(&a, &k, value, sizeof(value));
	assert_string_equal(value, "*************-1");
	answer_wipe(&a);
	mask_key_wipe(&k);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(surplus),
		cmocka_unit_test(interim),
		cmocka_unit_test(large_head),
		cmocka_unit_test(head_request),
		cmocka_unit_test(frame),
	};

	if (secret_pool(4) == -1) {
		printf("1..0 # SKIP no lockable memory\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
