/* SPDX-License-Identifier: ISC */

/*
 * Calls through a real egress and a real dial: what the provider gets, what
 * the worker sees, what the broker is told, for good and for bad ends.
 */

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
#include "regress/unit/egress/rig.h"

#define HEAD	"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
#define ANSWER	HEAD "content-length: 2\r\n\r\nok"
#define TEXT(s)	(s), sizeof(s) - 1

static const char	body[] = "{\"model\":\"m\",\"messages\":[{\"role\":"
    "\"user\",\"content\":\"a body that is longer than sixty-four bytes\"}]}";
#define BODY	(sizeof(body) - 1)

static struct rig	 rig;
static char		 raw[4 * 1024 * 1024];

static int
start(void **state)
{
	(void)state;
	rig_start(&rig, RIG_PLAIN, "");
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

/* One good call on an accepted connection. */
static void
good(int w, int p, uint32_t id, uint64_t no, int ndone)
{
	struct call	 c;
	struct seen	 s;
	uint8_t		 d[32];

	broker_call(&rig, &c, id, no, body, BODY);
	worker_open(w, no, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	provider_request(p, raw, sizeof(raw), BODY);
	provider_write(p, TEXT(ANSWER));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	assert_int_equal(s.no, no);
	assert_int_equal(s.status, 200);
	assert_string_equal((char *)s.body, "ok");
	worker_forget(&s);
	broker_done(&rig, ndone);
	assert_int_equal(rig.done.end, END_OK);
	assert_int_equal(rig.done.link, id);
	assert_int_equal(rig.done.no, no);
	assert_int_equal(rig.done.status, 200);
	assert_int_equal(rig.done.up, BODY);
	assert_int_equal(rig.done.down, 2);
	assert_memory_equal(rig.done.shaup, c.digest, 32);
	sha256_buf("ok", 2, d);
	assert_memory_equal(rig.done.shadown, d, 32);
	assert_true(rig.done.first > 0 && rig.done.first <= rig.done.end_at);
}

static void
exact_bytes(void **state)
{
	char		 want[1024];
	uint32_t	 id;
	int		 w, p, n;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);		/* ahead of need */
	good(w, p, id, 1, 1);
	n = snprintf(want, sizeof(want), "POST /v1/chat/completions HTTP/1.1"
	    "\r\nhost: 127.0.0.1:%u\r\ncontent-type: application/json\r\n"
	    "content-length: %zu\r\naccept: application/json, "
	    "text/event-stream\r\naccept-encoding: identity\r\n"
	    "user-agent: proxyd/1.0.0\r\nauthorization: Bearer " RIG_KEY
	    "\r\n\r\n%s", rig.port, BODY, body);
	assert_string_equal(raw, want);
	assert_int_equal(strlen(raw), n);
	/* The connection serves the next calls of its link. */
	good(w, p, id, 2, 2);
	good(w, p, id, 9, 3);
	assert_true(rig_quiet(&rig, 50));
	close(p);
	close(w);
}

static void
release_first(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 5, body, BODY);
	broker_release(&rig, &c);
	usleep(30000);
	worker_open(w, 5, BODY);
	worker_body(w, body, BODY);
	provider_request(p, raw, sizeof(raw), BODY);
	provider_write(p, TEXT(ANSWER));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	worker_forget(&s);
	broker_done(&rig, 1);
	close(p);
	close(w);
}

/* GET: the head is the whole request, it waits for END. */
static void
no_body(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, "", 0);
	broker_release(&rig, &c);
	worker_open(w, 1, 0);
	assert_false(provider_closed(p, 50));
	worker_frame(w, LF_END, NULL, 0);
	provider_request(p, raw, sizeof(raw), 0);
	assert_memory_equal(raw, "GET ", 4);
	provider_write(p, TEXT(ANSWER));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	worker_forget(&s);
	broker_done(&rig, 1);
	close(p);
	close(w);
}

/* Whatever the worker does to the body, its end never leaves. */
static void
mismatch(const void *sent, size_t nsent, uint64_t announced, int ndone)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	size_t		 n;
	char		*end;
	int		 w, p;

	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, body, BODY);
	broker_release(&rig, &c);
	worker_open(w, 1, announced);
	worker_body(w, sent, nsent);
	worker_read(w, &s);
	assert_int_equal(s.error, END_MISMATCH + 1);
	assert_int_equal(s.status, 502);
	worker_forget(&s);
	broker_done(&rig, ndone);
	assert_int_equal(rig.done.end, END_MISMATCH);
	close(w);
	n = provider_read(p, raw, sizeof(raw));
	end = strstr(raw, "\r\n\r\n");
	n -= end == NULL ? n : (size_t)(end + 4 - raw);
	assert_true(n + 64 <= BODY);
	close(p);
}

static void
mismatches(void **state)
{
	char	 other[BODY + 100];

	(void)state;
	memcpy(other, body, BODY);
	memset(other + BODY, 'x', 100);
	other[3] ^= 1;
	mismatch(other, BODY, BODY, 1);
	other[3] ^= 1;
	other[BODY - 1] ^= 1;
	mismatch(other, BODY, BODY, 2);
	other[BODY - 1] ^= 1;
	mismatch(other, BODY - 1, BODY, 3);
	mismatch(other, BODY + 1, BODY, 4);
	mismatch(other, BODY, BODY - 1, 5);
	mismatch(other, 0, BODY, 6);
}

static void
dropped(void **state)
{
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	/* before its OPEN, after its END, in its middle */
	broker_drop(&rig, id, 1);
	usleep(20000);
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	worker_open(w, 2, BODY);
	worker_body(w, body, BODY);
	usleep(20000);
	broker_drop(&rig, id, 2);
	worker_open(w, 3, BODY);
	worker_frame(w, LF_DATA, body, 10);
	usleep(20000);
	broker_drop(&rig, id, 3);
	worker_frame(w, LF_DATA, body, 10);
	good(w, p, id, 4, 1);
	/* a denial that the worker hears of first */
	worker_open(w, 5, BODY);
	worker_body(w, body, BODY);
	good(w, p, id, 6, 2);
	close(p);
	close(w);
}

/* A stream that runs; ends by what `how` does. */
static int
stream(int *w, uint32_t *id)
{
	struct call	 c;
	char		 frame[512];
	int		 p;

	*w = rig_link(&rig, id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, *id, 1, body, BODY);
	worker_open(*w, 1, BODY);
	worker_body(*w, body, BODY);
	broker_release(&rig, &c);
	provider_request(p, raw, sizeof(raw), BODY);
	provider_write(p, TEXT(HEAD "transfer-encoding: chunked\r\n\r\n"
	    "6\r\ndata: \r\n"));
	assert_true(read(*w, frame, sizeof(frame)) > 0);
	return p;
}

static void
cut(void **state)
{
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	p = stream(&w, &id);
	broker_cut(&rig, id, 1, CUT_REVOKED);
	assert_true(provider_closed(p, 100));
	worker_read(w, &s);
	assert_int_equal(s.error, END_CUT + 1);
	broker_done(&rig, 1);
	assert_int_equal(rig.done.end, END_CUT);
	assert_int_equal(rig.done.closer, CLOSER_BROKER);
	close(p);
	/* the link survives */
	worker_open(w, 2, BODY);
	p = rig_accept(&rig);
	close(w);
	close(p);
}

static void
cancelled(void **state)
{
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	p = stream(&w, &id);
	broker_cut(&rig, id, 1, CUT_CANCELLED);
	assert_true(provider_closed(p, 100));
	worker_read(w, &s);
	broker_done(&rig, 1);
	assert_int_equal(rig.done.end, END_CANCELLED);
	broker_cut(&rig, id, 1, CUT_CANCELLED);	/* late: nothing */
	close(p);
	close(w);
	p = stream(&w, &id);
	worker_frame(w, LF_ABORT, NULL, 0);
	assert_true(provider_closed(p, 100));
	worker_read(w, &s);
	assert_int_equal(s.error, END_ABORTED + 1);
	broker_done(&rig, 2);
	assert_int_equal(rig.done.end, END_ABORTED);
	close(p);
	close(w);
	p = stream(&w, &id);
	close(w);
	assert_true(provider_closed(p, 100));
	broker_done(&rig, 3);
	assert_int_equal(rig.done.end, END_ABORTED);
	close(p);
}

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

static void
ends(void **state)
{
	static const struct {
		const char	*answer;
		int		 error, end, status, real;
		const char	*text;
	} rows[] = {
		{ "HTTP/1.1 401 No\r\ncontent-length: 50\r\n\r\nbad key "
		    RIG_KEY, END_AUTH, -1, 502, 401, "refused the gateway's" },
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

static void
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

static void
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
static void
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

static void
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

static void
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

/* 3 MB up through a hold of 256 KiB, while the provider takes its time. */
static void
big_upload(void **state)
{
	static char	 big[3000000];
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	size_t		 i, head;
	pid_t		 pid;
	int		 w, p;

	(void)state;
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 23);
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, big, sizeof(big));
	pid = fork();
	if (pid == 0) {
		worker_open(w, 1, sizeof(big));
		worker_body(w, big, sizeof(big));
		_exit(0);
	}
	usleep(100000);
	broker_release(&rig, &c);
	usleep(100000);
	head = provider_request(p, raw, sizeof(raw), sizeof(big));
	assert_memory_equal(raw + head, big, sizeof(big));
	provider_write(p, TEXT(ANSWER));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	worker_forget(&s);
	broker_done(&rig, 1);
	assert_int_equal(rig.done.up, sizeof(big));
	close(p);
	close(w);
}

/* 3 MB down to a worker that sleeps first. */
static void
big_answer(void **state)
{
	static char	 big[3000000];
	struct call	 c;
	struct seen	 s;
	char		 head[128];
	uint32_t	 id;
	size_t		 i;
	pid_t		 pid;
	int		 w, p;

	(void)state;
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 29);
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, body, BODY);
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	provider_request(p, raw, sizeof(raw), BODY);
	pid = fork();
	if (pid == 0) {
		snprintf(head, sizeof(head), HEAD "content-length: %zu\r\n"
		    "\r\n", sizeof(big));
		provider_write(p, head, strlen(head));
		provider_write(p, big, sizeof(big));
		_exit(0);
	}
	usleep(200000);
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	assert_int_equal(s.len, sizeof(big));
	assert_memory_equal(s.body, big, sizeof(big));
	worker_forget(&s);
	broker_done(&rig, 1);
	assert_int_equal(rig.done.down, sizeof(big));
	close(p);
	close(w);
}

/* An answer before the request is complete: passed on, connection closed. */
static void
early_answer(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, body, BODY);
	broker_release(&rig, &c);
	worker_open(w, 1, BODY);
	worker_frame(w, LF_DATA, body, 80);
	provider_request(p, raw, sizeof(raw), BODY - 64 < 80 ? BODY - 64 : 80);
	provider_write(p, TEXT("HTTP/1.1 413 Large\r\ncontent-length: 3\r\n"
	    "\r\nbig"));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	assert_int_equal(s.status, 413);
	worker_forget(&s);
	broker_done(&rig, 1);
	assert_true(provider_closed(p, 1000));
	close(p);
	worker_body(w, body + 80, BODY - 80);
	worker_open(w, 2, BODY);
	p = rig_accept(&rig);
	worker_frame(w, LF_ABORT, NULL, 0);
	good(w, p, id, 3, 2);
	close(p);
	close(w);
}

/* Dies before the tail was sent: once more; a second time: no. */
static void
replayed(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		w = rig_link(&rig, &id);
		p = rig_accept(&rig);
		broker_call(&rig, &c, id, 1, body, BODY);
		broker_release(&rig, &c);
		worker_open(w, 1, BODY);
		worker_frame(w, LF_DATA, body, BODY - 1);
		provider_request(p, raw, sizeof(raw), BODY - 64);
		close(p);
		p = rig_accept(&rig);
		provider_request(p, raw, sizeof(raw), BODY - 64);
		if (i == 1)
			close(p);
		else {
			worker_body(w, body + BODY - 1, 1);
			provider_write(p, TEXT(ANSWER));
		}
		worker_read(w, &s);
		assert_int_equal(s.end, i == 0 ? END_OK + 1 : 0);
		assert_int_equal(s.error, i == 0 ? 0 : END_CONNECT + 1);
		worker_forget(&s);
		broker_done(&rig, i + 1);
		if (i == 0)
			close(p);
		close(w);
	}
}

/* The tail is out: whatever happens, the request is never sent again. */
static void
not_replayed(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, body, BODY);
	broker_release(&rig, &c);
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	provider_request(p, raw, sizeof(raw), BODY);
	close(p);
	worker_read(w, &s);
	assert_int_equal(s.error, END_CONNECT + 1);
	broker_done(&rig, 1);
	assert_true(rig_quiet(&rig, 100));
	close(w);
}

/* More links than dial connects at one time. */
static void
many(void **state)
{
	static int	 w[300], p[300];
	struct call	 c;
	struct seen	 s;
	uint32_t	 id[300];
	int		 i, n;

	(void)state;
	n = (int)(sizeof(w) / sizeof(w[0]));
	for (i = 0; i < n; i++)
		w[i] = rig_link(&rig, &id[i]);
	for (i = 0; i < n; i++)
		p[i] = rig_accept(&rig);
	for (i = 0; i < n; i++) {
		broker_call(&rig, &c, id[i], (uint64_t)i + 1, body, BODY);
		worker_open(w[i], (uint64_t)i + 1, BODY);
		worker_body(w[i], body, BODY);
		broker_release(&rig, &c);
	}
	/* Which connection belongs to which link is dial's secret. */
	for (i = 0; i < n; i++) {
		provider_request(p[i], raw, sizeof(raw), BODY);
		provider_write(p[i], TEXT(ANSWER));
	}
	for (i = 0; i < n; i++) {
		worker_read(w[i], &s);
		assert_int_equal(s.end, END_OK + 1);
		assert_int_equal(s.no, i + 1);
		worker_forget(&s);
	}
	while (rig.ndone < n)
		broker_done_some(&rig);
	assert_int_equal(rig.ndone, n);
	for (i = 0; i < n; i++) {
		close(w[i]);
		close(p[i]);
	}
}

/* RELEASE that can find no body; each has its one DONE. */
static void
unmatched(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	broker_call(&rig, &c, 4711, 1, body, BODY);
	broker_release(&rig, &c);
	broker_done(&rig, 1);
	assert_int_equal(rig.done.end, END_LOST);
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	/* aborted before */
	worker_open(w, 1, BODY);
	worker_frame(w, LF_ABORT, NULL, 0);
	usleep(20000);
	broker_call(&rig, &c, id, 1, body, BODY);
	broker_release(&rig, &c);
	broker_done(&rig, 2);
	assert_int_equal(rig.done.end, END_ABORTED);
	/* skipped by the worker */
	broker_call(&rig, &c, id, 2, body, BODY);
	broker_release(&rig, &c);
	usleep(20000);
	worker_open(w, 3, BODY);
	broker_done(&rig, 3);
	assert_int_equal(rig.done.end, END_ABORTED);
	assert_int_equal(rig.done.no, 2);
	/* a second one while the first lives */
	broker_call(&rig, &c, id, 3, body, BODY);
	broker_release(&rig, &c);
	broker_call(&rig, &c, id, 4, body, BODY);
	broker_release(&rig, &c);
	broker_done(&rig, 4);
	assert_int_equal(rig.done.no, 4);
	worker_body(w, body, BODY);
	provider_request(p, raw, sizeof(raw), BODY);
	provider_write(p, TEXT(ANSWER));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	worker_forget(&s);
	broker_done(&rig, 5);
	assert_int_equal(rig.done.no, 3);
	/* never opened */
	broker_call(&rig, &c, id, 7, body, BODY);
	c.deadline = poll_now() + 50 * NS_MS;
	broker_release(&rig, &c);
	broker_done(&rig, 6);
	assert_int_equal(rig.done.end, END_TIMEOUT);
	close(p);
	close(w);
}

/* A worker's nonsense ends its link and nothing else. */
static void
bad_frames(void **state)
{
	static const uint8_t	 zeros[64];
	uint32_t		 id, good_id;
	char			 c;
	int			 w, p, g, gp, i;

	(void)state;
	g = rig_link(&rig, &good_id);
	gp = rig_accept(&rig);
	for (i = 0; i < 6; i++) {
		w = rig_link(&rig, &id);
		p = rig_accept(&rig);
		switch (i) {
		case 0:
			(void)!write(w, zeros, sizeof(zeros));
			break;
		case 1:
			worker_frame(w, LF_DATA, "x", 1);
			break;
		case 2:
			worker_frame(w, LF_OPEN, zeros, 16);
			break;
		case 3:
			worker_open(w, 5, 1);
			worker_open(w, 5, 1);
			break;
		case 4:
			worker_frame(w, LF_HEAD, zeros, 20);
			break;
		default:
			worker_frame(w, LF_END, NULL, 0);
		}
		assert_true(provider_closed(p, 1000));
		assert_true(read(w, &c, 1) <= 0);
		close(p);
		close(w);
	}
	good(g, gp, good_id, 1, 1);
	close(g);
	close(gp);
}

static void
other_destination(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	broker_call(&rig, &c, id, 1, body, BODY);
	c.provider = RIG_TLS;
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	worker_read(w, &s);
	assert_int_equal(s.error, END_CONNECT + 1);
	broker_done(&rig, 1);
	close(p);
	close(w);
}

/* The broker goes: the call that runs is finished, then the egress ends. */
static void
broker_lost(void **state)
{
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	p = stream(&w, &id);
	msglink_close(&rig.broker);
	usleep(50000);
	assert_int_equal(kill(rig.egress, 0), 0);
	provider_write(p, TEXT("2\r\nok\r\n0\r\n\r\n"));
	worker_read(w, &s);
	assert_int_equal(s.end, END_OK + 1);
	worker_forget(&s);
	assert_true(provider_closed(p, 1000));
	close(p);
	close(w);
}

/* ---- TLS, proxies, names -------------------------------------------------------------- */

static void
over_tls(void **state)
{
	char		 pem[4096];
	struct call	 c;
	struct seen	 s;
	SSL_CTX		*ctx;
	SSL		*ssl;
	uint32_t	 id;
	size_t		 got, one;
	int		 w, p, n;

	(void)state;
	raw[0] = '\0';
	ctx = rig_tls(pem, sizeof(pem));
	rig_start(&rig, RIG_TLS, pem);
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, p);
	assert_int_equal(SSL_accept(ssl), 1);
	assert_string_equal(SSL_get_servername(ssl,
	    TLSEXT_NAMETYPE_host_name), "localhost");
	for (n = 1; n <= 2; n++) {
		broker_call(&rig, &c, id, (uint64_t)n, body, BODY);
		c.provider = RIG_TLS;
		worker_open(w, (uint64_t)n, BODY);
		worker_body(w, body, BODY);
		broker_release(&rig, &c);
		for (got = 0; strstr(raw, "}]}") == NULL; got += one) {
			assert_int_equal(SSL_read_ex(ssl, raw + got,
			    sizeof(raw) - got - 1, &one), 1);
			raw[got + one] = '\0';
		}
		assert_non_null(strstr(raw, "Bearer " RIG_KEY));
		SSL_write(ssl, TEXT(ANSWER));
		worker_read(w, &s);
		assert_int_equal(s.end, END_OK + 1);
		worker_forget(&s);
		broker_done(&rig, n);
		raw[0] = '\0';
	}
	SSL_free(ssl);
	close(p);
	close(w);
	SSL_CTX_free(ctx);
	rig_stop(&rig);
}

/* Another certificate, or none that is trusted: nothing is ever sent. */
static void
untrusted(void **state)
{
	char		 pem[4096], other[4096];
	struct call	 c;
	struct seen	 s;
	SSL_CTX		*ctx, *ctx2;
	SSL		*ssl;
	uint32_t	 id;
	pid_t		 pid;
	int		 w, p, n, i;

	(void)state;
	ctx = rig_tls(pem, sizeof(pem));
	ctx2 = rig_tls(other, sizeof(other));
	for (n = 0; n < 2; n++) {
		rig_start(&rig, RIG_TLS, n == 0 ? other : "");
		pid = fork();
		if (pid == 0) {
			for (i = 0; i < 3; i++) {
				p = rig_accept(&rig);
				ssl = SSL_new(ctx);
				SSL_set_fd(ssl, p);
				if (SSL_accept(ssl) == 1 &&
				    SSL_read(ssl, raw, sizeof(raw)) > 0)
					_exit(1);
				close(p);
			}
			_exit(0);
		}
		w = rig_link(&rig, &id);
		broker_call(&rig, &c, id, 1, body, BODY);
		c.provider = RIG_TLS;
		worker_open(w, 1, BODY);
		worker_body(w, body, BODY);
		broker_release(&rig, &c);
		worker_read(w, &s);
		assert_int_equal(s.error, END_TLS + 1);
		assert_int_equal(s.status, 502);
		assert_non_null(strstr(s.text, "certificate"));
		broker_done(&rig, 1);
		assert_int_equal(rig.done.end, END_TLS);
		kill(pid, SIGKILL);
		close(w);
		rig_stop(&rig);
	}
	SSL_CTX_free(ctx);
	SSL_CTX_free(ctx2);
}

/* CONNECT to the proxy, by name; TLS with the provider behind it. */
static void
through_proxy(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w, p;

	(void)state;
	rig_start(&rig, RIG_PROXIED, "");
	w = rig_link(&rig, &id);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), 0);
	assert_memory_equal(raw, "CONNECT provider.test:443 HTTP/1.1\r\n", 36);
	assert_null(strstr(raw, RIG_KEY));
	provider_write(p, TEXT("HTTP/1.1 200 Go\r\n\r\n"));
	assert_int_equal(read(p, raw, 3), 3);
	assert_memory_equal(raw, "\x16\x03\x01", 3);	/* ClientHello */
	close(p);
	broker_call(&rig, &c, id, 1, body, BODY);
	c.provider = RIG_PROXIED;
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	p = rig_accept(&rig);
	provider_request(p, raw, sizeof(raw), 0);
	provider_write(p, TEXT("HTTP/1.1 403 Never\r\n\r\n"));
	worker_read(w, &s);
	assert_int_equal(s.error, END_CONNECT + 1);
	assert_non_null(strstr(s.text, "403"));
	broker_done(&rig, 1);
	close(p);
	close(w);
	rig_stop(&rig);
}

static void
unresolved(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id;
	int		 w;

	(void)state;
	rig_start(&rig, RIG_NAME, "");
	w = rig_link(&rig, &id);
	broker_call(&rig, &c, id, 1, body, BODY);
	c.provider = RIG_NAME;
	worker_open(w, 1, BODY);
	worker_body(w, body, BODY);
	broker_release(&rig, &c);
	worker_read(w, &s);
	assert_int_equal(s.error, END_CONNECT + 1);
	if (strstr(s.text, "cannot be resolved") == NULL)
		fail_msg("%s", s.text);
	broker_done(&rig, 1);
	close(w);
	rig_stop(&rig);
}

#define CASE(f)	cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		CASE(exact_bytes),
		CASE(release_first),
		CASE(no_body),
		CASE(mismatches),
		CASE(dropped),
		CASE(cut),
		CASE(cancelled),
		CASE(ends),
		CASE(echoes),
		CASE(refused),
		CASE(stale),
		CASE(reuse),
		CASE(timeouts),
		CASE(big_upload),
		CASE(big_answer),
		CASE(early_answer),
		CASE(replayed),
		CASE(not_replayed),
		CASE(many),
		CASE(unmatched),
		CASE(bad_frames),
		CASE(other_destination),
		CASE(broker_lost),
		cmocka_unit_test(over_tls),
		cmocka_unit_test(untrusted),
		cmocka_unit_test(through_proxy),
		cmocka_unit_test(unresolved),
	};

	signal(SIGPIPE, SIG_IGN);
	if (getenv("ONLY") != NULL)
		cmocka_set_test_filter(getenv("ONLY"));
	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
