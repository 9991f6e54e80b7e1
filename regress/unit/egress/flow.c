/* SPDX-License-Identifier: ISC */

/* Large bodies, repetition, order of messages, nonsense. */

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

/* 3 MB up through a hold of 256 KiB, while the provider takes its time. */
void
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
void
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
void
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
void
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
void
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
void
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

/* Calls that need a connection wait for the next dial, in whatever order. */
void
undialled(void **state)
{
	struct call	 c;
	struct seen	 s;
	uint32_t	 id[3];
	int		 w[3], p, i;

	(void)state;
	/* One had a connection, one was never dialled, one comes later. */
	w[0] = rig_link(&rig, &id[0]);
	p = rig_accept(&rig);
	rig_undial(&rig);
	close(p);
	w[1] = rig_link(&rig, &id[1]);
	for (i = 0; i < 2; i++) {
		broker_call(&rig, &c, id[i], 1, body, BODY);
		broker_release(&rig, &c);
		worker_open(w[i], 1, BODY);
		worker_body(w[i], body, BODY);
	}
	assert_true(rig_quiet(&rig, 200));
	rig_dial(&rig);
	w[2] = rig_link(&rig, &id[2]);
	broker_call(&rig, &c, id[2], 1, body, BODY);
	broker_release(&rig, &c);
	worker_open(w[2], 1, BODY);
	worker_body(w[2], body, BODY);
	for (i = 0; i < 3; i++) {
		p = rig_accept(&rig);
		provider_request(p, raw, sizeof(raw), BODY);
		provider_write(p, TEXT(ANSWER));
		close(p);
	}
	for (i = 0; i < 3; i++) {
		worker_read(w[i], &s);
		assert_int_equal(s.end, END_OK + 1);
		worker_forget(&s);
		close(w[i]);
	}
	broker_done(&rig, 3);
}

/* RELEASE that can find no body; each has its one DONE. */
void
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
void
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

void
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
void
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
