/* SPDX-License-Identifier: ISC */

/* How providers end calls. */

#include <sys/socket.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/proc/poll.h"
#include "common/secret/secret.h"
#include "common/text/sha256.h"
#include "regress/unit/egress/cases.h"

/* An answer of `n` bytes in pieces that end at `split`. */
static void
answered(const char *a, size_t n, size_t split, struct seen *s, int ndone)
{
	struct call	 c;
	uint32_t	 id;
	int		 w, p;

	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, body, BODY);
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	provider_request(p, raw, sizeof(raw), BODY);
	provider_write(p, a, split);
	if (split < n) {
		usleep(2000);
		provider_write(p, a + split, n - split);
	}
	shutdown(p, SHUT_WR);
	worker_read(w, s);
	broker_done(&rig, ndone);
	close(p);
	close(w);
}

void
ends(void **state)
{
	static const struct {
		const char	*answer;
		int		 error, end, status, real;
		const char	*text;
	} rows[] = {
		{ "HTTP/1.1 403 No\r\n\r\n" RIG_KEY, END_AUTH, -1, 502, 403,
		    "status 403" },
		{ "HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nno", -1,
		    END_OK, 500, 500, "" },
		{ HEAD "content-length: 9\r\n\r\nhalf", -1, END_TRUNCATED,
		    200, 200, "" },
		{ HEAD "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", -1,
		    END_TRUNCATED, 200, 200, "" },
		{ "HTTP/1.1 200 O", END_TRUNCATED, -1, 502, 0,
		    "in the middle of its answer" },
		{ "", END_CONNECT, -1, 502, 0, "without an answer" },
		{ "nonsense\r\n\r\n", END_FRAMING, -1, 502, 0, "provider" },
		{ HEAD "content-encoding: gzip\r\n\r\nxx", END_FRAMING, -1,
		    502, 0, "in spite of identity" },
		{ HEAD "transfer-encoding: chunked\r\n\r\nQ\r\n", END_FRAMING,
		    -1, 502, 200, "provider" },
		{ HEAD "content-length: 99999999999\r\n\r\nx", END_TOOLARGE,
		    -1, 502, 0, "limit" },
		{ HEAD "\r\nto the end", -1, END_OK, 200, 200, "" },
	};
	struct seen	 s;
	size_t		 i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = strlen(rows[i].answer);
		answered(rows[i].answer, n, n, &s, (int)i + 1);
		if (s.error != rows[i].error + 1 || s.end != rows[i].end + 1)
			fail_msg("row %zu: error %d end %d %s", i, s.error,
			    s.end, s.text);
		assert_int_equal(s.status, rows[i].status);
		assert_non_null(strstr(s.text, rows[i].text));
		assert_null(strstr(s.text, RIG_KEY));
		assert_int_equal(rig.done.end, rows[i].error == -1 ?
		    rows[i].end : rows[i].error);
		if (rows[i].real != 0)
			assert_int_equal(rig.done.status, rows[i].real);
		worker_forget(&s);
	}
}

void
echoes(void **state)
{
	static const char	 a[] = HEAD
	    "x-request-id: " RIG_KEY "\r\nset-cookie: x=" RIG_KEY "\r\n"
	    "content-length: 33\r\n\r\n[[[" RIG_KEY "]]]!";
	struct seen		 s;
	char			 stars[sizeof(RIG_KEY)];
	size_t			 at;
	int			 n;

	(void)state;
	memset(stars, '*', sizeof(stars));
	stars[sizeof(RIG_KEY) - 1] = '\0';
	n = 0;
	for (at = sizeof(a) - 1 - 34; at < sizeof(a) - 1; at++) {
		answered(a, sizeof(a) - 1, at, &s, ++n);
		assert_int_equal(s.end, END_OK + 1);
		assert_int_equal(s.len, 33);
		assert_memory_equal(s.body, "[[[", 3);
		assert_memory_equal(s.body + 3, stars, sizeof(RIG_KEY) - 1);
		assert_null(strstr(s.fields, RIG_KEY));
		assert_null(strstr(s.fields, "cookie"));
		assert_non_null(strstr(s.fields, stars));
		assert_int_equal(rig.done.echoes, 2);
		assert_string_equal(rig.done.reqid, stars);
		worker_forget(&s);
	}
}

void
refused(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	char		 want[128];
	int		 w, p;

	(void)state;
	close(rig.listener);
	rig.listener = -1;
	w = rig_link(&rig, &id);
	broker_call(&rig, &c, id, 1, body, BODY);
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	worker_read(w, &s);
	assert_int_equal(s.error, END_CONNECT + 1);
	assert_int_equal(s.status, 502);
	snprintf(want, sizeof(want), "provider plain: connection refused by "
	    "127.0.0.1:%u", rig.port);
	assert_string_equal(s.text, want);
	broker_done(&rig, 1);
	assert_int_equal(rig.done.end, END_CONNECT);
	assert_string_equal(rig.done.text, want);
	/* it comes back, and so does the same link */
	rig_listen(&rig);
	broker_call(&rig, &c, id, 2, body, BODY);
	worker_open(w, 2, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), BODY);
	close(p);
	worker_read(w, &s);
	broker_done(&rig, 2);
	assert_int_equal(rig.done.end, END_CONNECT);
	close(w);
}

/* The provider closed while nothing was going on. */
void
stale(void **state)
{
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	good(w, p, id, 1, 1);
	close(p);
	usleep(20000);
	worker_open(w, 2, BODY);
	p = rig_accept(&rig);
	worker_frame(w, LF_ABORT, NULL, 0);
	good(w, p, id, 3, 2);
	close(p);
	close(w);
}

void
reuse(void **state)
{
	static const char	*const once[] = {
		HEAD "connection: close\r\ncontent-length: 2\r\n\r\nok",
		HEAD "content-length: 2\r\n\r\nokHTTP/1.1",
	};
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	size_t		 i;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	for (i = 0; i < 2; i++) {
		p = rig_accept(&rig);
		broker_call(&rig, &c, id, i * 2 + 1, body, BODY);
		worker_open(w, i * 2 + 1, BODY);
		worker_body(w, body, BODY);
		broker_release(&rig, &c);
		provider_request(p, raw, sizeof(raw), BODY);
		provider_write(p, once[i], strlen(once[i]));
		worker_read(w, &s);
		assert_int_equal(s.end, END_OK + 1);
		worker_forget(&s);
		broker_done(&rig, (int)i + 1);
		assert_true(provider_closed(p, 1000));
		close(p);
		worker_open(w, i * 2 + 2, BODY);
		worker_frame(w, LF_ABORT, NULL, 0);
	}
	p = rig_accept(&rig);
	good(w, p, id, 9, 3);
	close(p);
	close(w);
}

void
timeouts(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p, i;

	(void)state;
	for (i = 0; i < 4; i++) {
		w = rig_link(&rig, &id);
		p = rig_accept(&rig);
		broker_call(&rig, &c, id, 1, body, BODY);
		if (i == 0)
			c.first = poll_now() + 100 * NS_MS;
		else if (i == 1)
			c.between = 100 * NS_MS;
		else if (i == 2)
			c.deadline = poll_now() + 100 * NS_MS;
		else
			c.deadline = poll_now() - 1;
		worker_open(w, 1, BODY);
		worker_body(w, body, BODY);
		broker_release(&rig, &c);
		if (i < 3)
			provider_request(p, raw, sizeof(raw), BODY);
		if (i == 1)
			provider_write(p, TEXT(HEAD));
		worker_read(w, &s);
		assert_int_equal(s.error, END_TIMEOUT + 1);
		assert_int_equal(s.status, 504);
		broker_done(&rig, i + 1);
		assert_int_equal(rig.done.end, END_TIMEOUT);
		if (i < 3)
			assert_true(provider_closed(p, 100));
		close(p);
		close(w);
	}
}
