/* SPDX-License-Identifier: ISC */
/* How a connection or a worker ends: slow, quiet and lost peers, DRAIN. */
#include <poll.h>

#include "rig.h"

#define CHAT	"/v1/chat/completions"
#define BODY	"{\"model\":\"gpt-a\"}"

/* Slow head, slow body, idle connection; a broker that does not answer. */
static void
slow(void **state)
{
	struct wlimits	 lim;
	struct rig	*g;
	struct cl	 c;

	(void)state;
	rig_limits(&lim);
	lim.head = 50 * NS_MS;
	lim.idle = 80 * NS_MS;
	lim.grace = 60 * NS_MS;
	lim.ask = 60 * NS_MS;
	lim.linger = 50 * NS_MS;
	g = rig_new(&lim);
	cl_open(g, &c);
	cl_send(g, &c, "GET /health HTT");
	cl_want(g, &c, "HTTP/1.1 400 ");
	cl_want(g, &c, "took too long");
	cl_eof(g, &c);
	cl_close(&c);
	cl_open(g, &c);
	cl_eof(g, &c);
	assert_int_equal(c.n, 0);
	cl_close(&c);
	cl_open(g, &c);
	cl_send(g, &c, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &c, "healthy");
	cl_eof(g, &c);
	cl_close(&c);
	cl_open(g, &c);
	cl_send(g, &c, "POST " CHAT " HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\n"
	    "content-length: 5000\r\n\r\n{", g->token);
	cl_want(g, &c, "came too slowly");
	cl_eof(g, &c);
	cl_close(&c);
	cl_open(g, &c);
	cl_send(g, &c, "GET /nope HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\n\r\n",
	    g->token);
	cl_want(g, &c, "HTTP/1.1 503 ");
	cl_want(g, &c, "retry-after: 1\r\n");
	assert_true(rig_has(g, M_CANCEL));
	cl_close(&c);
	rig_free(g);
}

static void
ping(void **state)
{
	struct wlimits	 lim;
	struct rig	*g;
	struct cl	 c;
	struct eg	 e = { 0 }, f = { 0 };

	(void)state;
	rig_limits(&lim);
	lim.ping = 30 * NS_MS;
	g = rig_new(&lim);
	cl_open(g, &c);
	rig_call(g, &c, &e, CHAT, "{\"model\":\"gpt-a\",\"stream\":true,"
	    "\"stream_options\":{\"include_usage\":true}}");
	eg_head(g, &e, 200, 1, UINT64_MAX);
	cl_want(g, &c, "8\r\n: ping\n\n\r\n");
	eg_data(g, &e, "data: {\"a\"");
	cl_want(g, &c, "{\"a\"");
	c.n = 0;
	poll(NULL, 0, 80);
	cl_none(g, &c, "ping");
	cl_close(&c);
	cl_open(g, &c);
	rig_call(g, &c, &f, "/v1/messages",
	    "{\"model\":\"claude-a\",\"stream\":true}");
	eg_head(g, &f, 200, 1, UINT64_MAX);
	poll(NULL, 0, 80);
	cl_none(g, &c, "ping");
	eg_data(g, &f, "event: message_start\ndata: {\"type\":"
	    "\"message_start\"}\n\n");
	cl_want(g, &c, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
	cl_close(&c);
	eg_close(&e);
	eg_close(&f);
	rig_free(g);
}

/* The broker dies: calls end with 503 or an error event; a new one serves. */
static void
lost(void **state)
{
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 a, b, c;
	struct eg	 e = { 0 }, f = { 0 };

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &a);
	rig_call(g, &a, &e, CHAT, "{\"model\":\"gpt-a\",\"stream\":true}");
	eg_head(g, &e, 200, 1, UINT64_MAX);
	eg_data(g, &e, "data: {}\n\n");
	cl_open(g, &b);
	cl_post(g, &b, CHAT, BODY);
	rig_linked(g, &f);
	rig_take(g, M_CALL, &m, &r);
	msglink_close(&g->broker);
	g->broker.fd = -1;
	cl_want(g, &a, "data: {\"error\":{");
	cl_eof(g, &a);
	cl_none(g, &a, "\r\n0\r\n");
	cl_want(g, &b, "HTTP/1.1 503 ");
	cl_want(g, &b, "retry-after: 1\r\n");
	eg_until(g, &e, &e.eof);
	cl_open(g, &c);
	cl_post(g, &c, CHAT, BODY);
	cl_want(g, &c, "HTTP/1.1 503 ");
	eg_close(&e);
	eg_close(&f);
	g->n = 0;
	rig_broker(g, 1, 0);
	c.n = 0;
	memset(&e, 0, sizeof(e));
	rig_call(g, &c, &e, CHAT, BODY);
	eg_head(g, &e, 200, 0, 1);
	eg_data(g, &e, "1");
	eg_end(g, &e, END_OK);
	cl_want(g, &c, "\r\n\r\n1");
	cl_close(&a);
	cl_close(&b);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

/* DRAIN: no new connection, idle ones close, STOPPED at the last one. */
static void
drained(void **state)
{
	struct rig	*g;
	struct cl	 a, b, d;
	struct eg	 e = { 0 };

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &a);
	cl_open(g, &b);
	cl_open(g, &d);
	cl_send(g, &b, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &b, "healthy");
	rig_call(g, &a, &e, CHAT, BODY);
	rig_parent(g, M_DRAIN);
	cl_eof(g, &b);
	assert_false(g->stopped);
	/* One that has not said anything yet is still served. */
	cl_send(g, &d, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &d, "healthy");
	cl_eof(g, &d);
	cl_close(&d);
	eg_head(g, &e, 200, 0, 1);
	eg_data(g, &e, "1");
	eg_end(g, &e, END_OK);
	cl_want(g, &a, "connection: close\r\n");
	cl_eof(g, &a);
	cl_close(&a);
	rig_pump(g);
	rig_pump(g);
	assert_true(g->stopped);
	cl_close(&b);
	eg_close(&e);
	rig_free(g);
}

/*
 * DRAIN of a replacement: no new connection, but an idle one may wait for its
 * next answer, so that no close crosses a request.  A stop closes it after all.
 */
static void
replaced(void **state)
{
	struct rig	*g;
	struct cl	 a, b;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &a);
	cl_open(g, &b);
	cl_send(g, &a, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &a, "healthy");
	cl_send(g, &b, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &b, "healthy");
	g->drain = DRAIN_REPLACED;
	rig_parent(g, M_DRAIN);
	rig_pump(g);
	assert_false(a.eof || b.eof);
	a.n = 0;
	cl_send(g, &a, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
	cl_want(g, &a, "connection: close\r\n");
	cl_eof(g, &a);
	cl_close(&a);
	assert_false(g->stopped);
	g->drain = DRAIN_STOP;
	rig_parent(g, M_DRAIN);
	cl_eof(g, &b);
	cl_close(&b);
	rig_pump(g);
	rig_pump(g);
	assert_true(g->stopped);
	rig_free(g);
}

/* Head and n bytes of a body; 1 if the broker was asked before the rest. */
static int
long_post(struct rig *g, struct cl *c, const char *token, size_t n)
{
	static struct rig_msg m;
	static char	 body[400000];
	struct msgr	 r;
	int		 asked;

	memset(body, ' ', n);
	memcpy(body, "{\"model\":\"gpt-a\"", 16);
	body[n - 1] = '}';
	c->n = 0;
	cl_send(g, c, "POST " CHAT " HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\n"
	    "content-length: %zu\r\n\r\n", token, n);
	cl_bytes(g, c, body, 1000);
	asked = rig_has(g, M_ADMIT);
	if (asked) {
		rig_take(g, M_ADMIT, &m, &r);
		rig_admitted(g, msg_get_u64(&r));
	}
	cl_bytes(g, c, body + 1000, n - 1000);
	return asked;
}

static void
long_answer(struct rig *g, struct cl *c, struct eg *e, int deny)
{
	static struct rig_msg m;
	struct msgr	 r;
	uint64_t	 no;

	e->end = 0;
	e->nbody = 0;
	if (e->fd == 0)
		rig_linked(g, e);
	rig_take(g, M_CALL, &m, &r);
	no = msg_get_u64(&r);
	if (deny) {
		eg_until(g, e, &e->end);
		rig_deny(g, no, 403, "No.");
		cl_want(g, c, "HTTP/1.1 403 ");
		return;
	}
	rig_allow(g, no);
	eg_until(g, e, &e->end);
	eg_head(g, e, 200, 0, 2);
	eg_data(g, e, "{}");
	eg_end(g, e, END_OK);
	cl_want(g, c, "\r\n\r\n{}");
	rig_take(g, M_OUTCOME, &m, &r);
}

/*
 * A second long body of the same caller on the same connection needs no ADMIT;
 * one of another caller, one that the egress may not hold, one on another
 * connection, and one after a refusal do.
 */
static void
known(void **state)
{
	struct rig	*g;
	struct cl	 c, other;
	struct eg	 e = { 0 };
	char		 stranger[64];

	(void)state;
	g = rig_new(NULL);
	snprintf(stranger, sizeof(stranger), "tp_%s", "somebody_else_entirely");
	cl_open(g, &c);
	assert_true(long_post(g, &c, g->token, 100000));
	long_answer(g, &c, &e, 0);
	assert_false(long_post(g, &c, g->token, 200000));
	long_answer(g, &c, &e, 0);
	assert_int_equal(e.nbody, 200000);
	assert_true(long_post(g, &c, g->token, EGRESS_HOLD + 1));
	long_answer(g, &c, &e, 0);
	assert_false(long_post(g, &c, g->token, EGRESS_HOLD));
	long_answer(g, &c, &e, 1);
	assert_true(long_post(g, &c, g->token, 100000));
	long_answer(g, &c, &e, 0);
	assert_true(long_post(g, &c, stranger, 100000));
	long_answer(g, &c, &e, 0);
	assert_true(long_post(g, &c, g->token, 100000));
	long_answer(g, &c, &e, 0);
	cl_open(g, &other);
	assert_true(long_post(g, &other, g->token, 100000));
	long_answer(g, &other, &e, 0);
	cl_close(&other);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

/* Reset while the body is here and its caller is being asked for: no call. */
static void
reset_early(void **state)
{
	static struct rig_msg m;
	struct linger	 now = { 1, 0 };
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	uint64_t	 no;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_send(g, &c, "POST " CHAT " HTTP/1.1\r\nhost: x\r\nauthorization: "
	    "Bearer %s\r\ncontent-length: %zu\r\nexpect: 100-continue\r\n"
	    "\r\n%s", g->token, sizeof(BODY) - 1, BODY);
	rig_take(g, M_ADMIT, &m, &r);
	no = msg_get_u64(&r);
	setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c.fd);
	c.fd = -1;
	rig_pump(g);
	rig_admitted(g, no);
	rig_take(g, M_CANCEL, &m, &r);
	assert_int_equal(msg_get_u64(&r), no);
	assert_false(rig_has(g, M_CALL));
	assert_true(TAILQ_EMPTY(&g->w->conns));
	cl_close(&c);
	rig_free(g);
}

const struct CMUnitTest ends_tests[] = {
	cmocka_unit_test(known),
	cmocka_unit_test(slow),
	cmocka_unit_test(reset_early),
	cmocka_unit_test(ping),
	cmocka_unit_test(lost),
	cmocka_unit_test(drained),
	cmocka_unit_test(replaced),
};
const size_t ends_count = sizeof(ends_tests) / sizeof(ends_tests[0]);
