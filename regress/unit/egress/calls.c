/* SPDX-License-Identifier: ISC */

/* Good calls, bodies that differ, calls that are dropped, cut, cancelled. */

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

/* One good call on an accepted connection. */
void
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

void
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

void
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
void
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

void
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

void
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
int
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

void
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

void
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
