/* SPDX-License-Identifier: ISC */
/* The worker's loop, driven from outside: each row of what clients need. */
#include <sys/socket.h>

#include "rig.h"

#define CHAT	"/v1/chat/completions"
#define BODY	"{\"model\":\"gpt-a\",\"messages\":[]}"
#define STREAM	"{\"model\":\"gpt-a\",\"stream\":true,\"messages\":[]}"
#define CLAUDE	"{\"model\":\"claude-a\",\"stream\":true,\"max_tokens\":9}"

static void
outcome(struct rig *g, uint64_t no, uint8_t end)
{
	static struct rig_msg m;
	struct msgr	 r;

	rig_take(g, M_OUTCOME, &m, &r);
	assert_int_equal(msg_get_u64(&r), no);
	assert_int_equal(msg_get_u8(&r), end);
	assert_false(rig_has(g, M_OUTCOME));
}

static void
plain(void **state)
{
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	struct eg	 e;
	uint8_t		 sha[32], want[32];
	char		 text[1100];
	uint64_t	 no;
	uint16_t	 status;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_post(g, &c, CHAT, "{\"model\":\"openai/gpt-a\",\"messages\":[]}");
	rig_linked(g, &e);
	rig_take(g, M_CALL, &m, &r);
	no = msg_get_u64(&r);
	assert_int_equal(msg_get_u32(&r), 1);
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, g->token);
	assert_int_equal(msg_get_u32(&r), CF_PREFIX);
	assert_int_equal(msg_get_u8(&r), KIND_GENERATE);
	assert_int_equal(msg_get_u8(&r), DIALECT_OPENAI);
	assert_int_equal(msg_get_u16(&r), ROUTE_CHAT);
	assert_int_equal(msg_get_u16(&r), 1);
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "gpt-a");
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "POST");
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "/v1/chat/completions");
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "");
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "application/json");
	assert_int_equal(msg_get_u64(&r), strlen(BODY));
	msg_get_raw(&r, sha, 32);
	/* The body is at the egress before anybody decided. */
	eg_until(g, &e, &e.end);
	assert_int_equal(e.no, no);
	assert_int_equal(e.length, strlen(BODY));
	assert_int_equal(e.nbody, strlen(BODY));
	assert_memory_equal(e.body, BODY, e.nbody);
	sha256_buf(e.body, e.nbody, want);
	assert_memory_equal(sha, want, 32);
	rig_allow(g, no);
	eg_head(g, &e, 200, 0, 60);
	eg_data(g, &e, "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\""
	    ":4},\"x\":\"12\"}");
	eg_end(g, &e, END_OK);
	cl_want(g, &c, "\"x\":\"12\"}");
	cl_want(g, &c, "HTTP/1.1 200 OK\r\n");
	cl_want(g, &c, "x-request-id: req_abababababababababababababababab\r\n");
	cl_want(g, &c, "request-id: req_abab");
	cl_want(g, &c, "x-audit: 0102030405060708/42/abab");
	cl_want(g, &c, "content-length: 60\r\n");
	cl_want(g, &c, "cache-control: no-store\r\n");
	cl_none(g, &c, "evil");
	cl_none(g, &c, "connection: close");
	rig_take(g, M_OUTCOME, &m, &r);
	assert_int_equal(msg_get_u64(&r), no);
	assert_int_equal(msg_get_u8(&r), END_OK);
	status = msg_get_u16(&r);
	assert_int_equal(status, 200);
	assert_int_equal(msg_get_u8(&r), GRADE_FINAL);
	assert_int_equal(msg_get_u64(&r), 3);
	assert_int_equal(msg_get_u64(&r), 4);
	assert_int_equal(msg_get_u64(&r), 0);
	assert_int_equal(msg_get_u64(&r), 60);
	assert_false(rig_has(g, M_CANCEL));
	/* Same connection, same link. */
	c.n = 0;
	rig_call(g, &c, &e, CHAT, BODY);
	eg_head(g, &e, 200, 0, 2);
	eg_data(g, &e, "{}");
	eg_end(g, &e, END_OK);
	cl_want(g, &c, "\r\n\r\n{}");
	assert_int_equal(g->link, 1);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

static void
stream(void **state)
{
	struct rig	*g;
	struct cl	 c;
	struct eg	 e = { 0 };
	uint64_t	 no;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	no = rig_call(g, &c, &e, CHAT, STREAM);
	assert_non_null(memmem(e.body, e.nbody, "include_usage", 13));
	eg_head(g, &e, 200, 1, UINT64_MAX);
	cl_want(g, &c, "transfer-encoding: chunked\r\n");
	eg_data(g, &e, "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}"
	    "\n\n");
	cl_want(g, &c, "hi");
	eg_data(g, &e, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
	    "\"completion_tokens\":6}}\n\n");
	eg_data(g, &e, "data: [DONE]\n\n");
	eg_end(g, &e, END_OK);
	cl_want(g, &c, "[DONE]\n\n\r\n0\r\n\r\n");
	cl_none(g, &c, "prompt_tokens");
	outcome(g, no, END_OK);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

/* Every way in which a stream may break: event, no end, outcome. */
static void
broken(void **state)
{
	static const struct {
		const char	*path, *body, *first, *want;
		int		 how, end;
	} rows[] = {
		{ CHAT, STREAM, "data: {\"choices\":[]}\n\n",
		    "data: {\"error\":{\"message\":", 0, END_TRUNCATED },
		{ CHAT, STREAM, "data: {\"choices\":[]}\n\n",
		    "data: {\"error\":{\"message\":", 1, END_TRUNCATED },
		{ CHAT, STREAM, "data: {\"choices\":[]}\n\n",
		    "data: {\"error\":{\"message\":\"reset by peer\"", 2,
		    END_TRUNCATED },
		{ CHAT, STREAM, "data: {\"choices\":[]}\n\n",
		    "data: {\"error\":{\"message\":", 3, END_LOST },
		{ CHAT, STREAM, "data: {\"choices\":[]}\n\n",
		    "data: {\"error\":{\"message\":\"This key was revoked.\"",
		    4, END_CUT },
		{ CHAT, STREAM, "data: {\"choices\":[]}\n\n",
		    "data: {\"error\":{\"message\":\"This key was revoked.\"",
		    5, END_CUT },
		{ CHAT, STREAM, "data: {\"cho",
		    "{\"cho\r\n", 0, END_TRUNCATED },
		{ "/v1/messages", CLAUDE,
		    "event: message_start\ndata: {\"type\":\"message_start\"}"
		    "\n\n", "event: error\ndata: {\"type\":\"error\",\"error\":"
		    "{\"type\":\"api_error\"", 0, END_TRUNCATED },
		{ "/v1/responses", STREAM, "event: response.created\ndata: "
		    "{\"type\":\"response.created\"}\n\n",
		    "event: response.failed\ndata: {\"type\":"
		    "\"response.failed\"", 0, END_TRUNCATED },
	};
	struct rig	*g;
	struct cl	 c;
	struct eg	 e;
	uint64_t	 no;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&e, 0, sizeof(e));
		g = rig_new(NULL);
		cl_open(g, &c);
		no = rig_call(g, &c, &e, rows[i].path, rows[i].body);
		eg_head(g, &e, 200, 1, UINT64_MAX);
		eg_data(g, &e, rows[i].first);
		switch (rows[i].how) {
		case 0:
			eg_end(g, &e, END_TRUNCATED);
			break;
		case 1:		/* clean at the framing, no terminator */
			eg_end(g, &e, END_OK);
			break;
		case 2:
			eg_error(g, &e, END_TRUNCATED, 502, "reset by peer");
			break;
		case 3:
			shutdown(e.fd, SHUT_RDWR);
			break;
		case 5:		/* the egress's word overtakes the broker's */
			eg_error(g, &e, END_CUT, 503, "the call was cut");
			rig_pump(g);
			/* FALLTHROUGH */
		case 4:
			rig_cut(g, no, CUT_REVOKED);
			break;
		}
		cl_want(g, &c, rows[i].want);
		cl_eof(g, &c);
		cl_none(g, &c, "\r\n0\r\n");
		outcome(g, no, rows[i].end);
		cl_close(&c);
		eg_close(&e);
		rig_free(g);
	}
}

/* Not a stream: the client sees less than was declared. */
/*
 * Answers that have no body, whatever an egress says and sends: its bytes would
 * be the client's next answer, in our name.
 */
static void
bodyless(void **state)
{
	static const char forged[] = "HTTP/1.1 200 OK\r\nx-audit: forged\r\n"
	    "content-length: 0\r\n\r\n";
	static const uint16_t status[] = { 204, 304 };
	struct rig	*g;
	struct cl	 c;
	struct eg	 e;
	size_t		 i;
	int		 how;

	(void)state;
	for (i = 0; i < 2; i++)
		for (how = 0; how < 3; how++) {
			memset(&e, 0, sizeof(e));
			g = rig_new(NULL);
			cl_open(g, &c);
			rig_call(g, &c, &e, CHAT, BODY);
			eg_head(g, &e, status[i], how == 2, how == 0 ?
			    sizeof(forged) - 1 : how == 1 ? UINT64_MAX : 0);
			if (how < 2)
				eg_data(g, &e, forged);
			else
				eg_end(g, &e, END_OK);
			cl_want(g, &c, i == 0 ? "HTTP/1.1 204 " :
			    "HTTP/1.1 304 ");
			if (how < 2)
				cl_eof(g, &c);
			else {
				cl_send(g, &c, "GET /health/live HTTP/1.1\r\n"
				    "host: x\r\n\r\n");
				cl_want(g, &c, "\r\n\r\nHTTP/1.1 200 OK");
				*strstr(c.text, "HTTP/1.1 200") = '\0';
			}
			assert_null(strstr(c.text, "forged"));
			assert_null(strstr(c.text, "content-length"));
			assert_null(strstr(c.text, "transfer-encoding"));
			assert_null(strstr(c.text, "data:"));
			eg_close(&e);
			cl_close(&c);
			rig_free(g);
		}
}

/* A control route: nothing larger is read, and 100 sent, for a stranger. */
static void
control_body(void **state)
{
	static const char body[] = "{\"developer_email\":\"a@b\","
	    "\"expires_days\":90}";
	static struct rig_msg m;
	struct rig	*g;
	struct cl	 c;
	struct msgr	 r;
	uint64_t	 no;
	int		 how;

	(void)state;
	for (how = 0; how < 3; how++) {
		g = rig_new(NULL);
		cl_open(g, &c);
		cl_send(g, &c, "POST /agents/bot/developer-keys HTTP/1.1\r\n"
		    "host: x\r\nauthorization: Bearer %s\r\n"
		    "content-length: %zu\r\nexpect: 100-continue\r\n\r\n",
		    g->token, how == 2 ? (size_t)BODY_CONTROL + 1 :
		    sizeof(body) - 1);
		rig_take(g, M_ADMIT, &m, &r);
		no = msg_get_u64(&r);
		cl_none(g, &c, "HTTP/1.1 ");
		if (how == 0) {
			rig_deny(g, no, 401, "Who?");
			cl_want(g, &c, "HTTP/1.1 401 ");
			cl_none(g, &c, "HTTP/1.1 100 ");
		} else {
			rig_admitted(g, no);
			rig_take(g, M_CANCEL, &m, &r);
			assert_int_equal(msg_get_u64(&r), no);
		}
		if (how == 1) {
			cl_want(g, &c, "HTTP/1.1 100 Continue\r\n\r\n");
			cl_bytes(g, &c, body, sizeof(body) - 1);
			rig_take(g, M_ADMIN_KEY_CREATE, &m, &r);
		} else if (how == 2) {
			cl_want(g, &c, "HTTP/1.1 413 ");
			cl_none(g, &c, "HTTP/1.1 100 ");
			cl_eof(g, &c);
		}
		cl_close(&c);
		rig_free(g);
	}
}

static void
short_answer(void **state)
{
	struct rig	*g;
	struct cl	 c;
	struct eg	 e = { 0 };
	uint64_t	 no;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	no = rig_call(g, &c, &e, CHAT, BODY);
	eg_head(g, &e, 200, 0, 100);
	eg_data(g, &e, "{\"half\":");
	eg_end(g, &e, END_OK);
	cl_eof(g, &c);
	cl_none(g, &c, "error");
	outcome(g, no, END_TRUNCATED);
	cl_close(&c);
	/* An error before the head is an answer. */
	cl_open(g, &c);
	no = rig_call(g, &c, &e, CHAT, BODY);
	eg_error(g, &e, END_AUTH, 502, "The provider refused our key.");
	cl_want(g, &c, "HTTP/1.1 502 Bad Gateway\r\n");
	cl_want(g, &c, "x-should-retry: false\r\n");
	cl_want(g, &c, "x-audit: ");
	cl_want(g, &c, "The provider refused our key.");
	outcome(g, no, END_AUTH);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

static void
denial(void **state)
{
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	struct eg	 e = { 0 };

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_post(g, &c, CHAT, BODY);
	rig_linked(g, &e);
	rig_take(g, M_CALL, &m, &r);
	eg_until(g, &e, &e.end);
	rig_deny(g, msg_get_u64(&r), 403, "Blocked by policy (detect_pii).");
	cl_want(g, &c, "HTTP/1.1 403 Forbidden\r\n");
	cl_want(g, &c, "x-should-retry: false\r\n");
	cl_want(g, &c, "\"decision\":\"policy_block\",\"blocked_by\":"
	    "\"detect_pii\",\"reason\":\"Blocked by policy (detect_pii).\"");
	cl_want(g, &c, "req_cdcdcd");
	cl_none(g, &c, "x-audit");
	/* The link survives, the connection too. */
	c.n = 0;
	rig_call(g, &c, &e, CHAT, BODY);
	assert_int_equal(g->link, 1);
	assert_false(rig_has(g, M_OUTCOME));
	assert_false(rig_has(g, M_CANCEL));
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

static void
cancelled(struct rig *g, uint64_t no)
{
	static struct rig_msg m;
	struct msgr	 r;

	rig_take(g, M_CANCEL, &m, &r);
	assert_int_equal(msg_get_u64(&r), no);
}

/* Client gone: upload, deciding, before the answer, in a stream, in JSON. */
static void
gone(void **state)
{
	static struct rig_msg m;
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	struct eg	 e;
	uint64_t	 no;
	int		 how, phase;

	(void)state;
	for (phase = 0; phase < 5; phase++)
		for (how = 0; how < 3; how++) {
			memset(&e, 0, sizeof(e));
			g = rig_new(NULL);
			cl_open(g, &c);
			no = 0;
			switch (phase) {
			case 0:
				cl_send(g, &c, "POST " CHAT " HTTP/1.1\r\n"
				    "host: x\r\nx-api-key: %s\r\n"
				    "content-length: 100000\r\n\r\n{\"a\":1",
				    g->token);
				rig_take(g, M_ADMIT, &m, &r);
				no = msg_get_u64(&r);
				rig_admitted(g, no);
				break;
			case 1:
				cl_post(g, &c, CHAT, BODY);
				rig_linked(g, &e);
				rig_take(g, M_CALL, &m, &r);
				no = msg_get_u64(&r);
				eg_until(g, &e, &e.end);
				break;
			case 2:
				no = rig_call(g, &c, &e, CHAT, STREAM);
				break;
			case 3:
				no = rig_call(g, &c, &e, CHAT, STREAM);
				eg_head(g, &e, 200, 1, UINT64_MAX);
				eg_data(g, &e, "data: {}\n\n");
				break;
			case 4:
				no = rig_call(g, &c, &e, CHAT, BODY);
				eg_head(g, &e, 200, 0, 100);
				eg_data(g, &e, "{\"a\":");
				break;
			}
			if (how == 0) {
				struct linger now = { 1, 0 };

				setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &now,
				    sizeof(now));
				close(c.fd);
				c.fd = -1;
			} else if (how == 1) {
				close(c.fd);
				c.fd = -1;
			} else
				shutdown(c.fd, SHUT_WR);
			cancelled(g, no);
			if (phase > 0)
				eg_until(g, &e, &e.eof);
			if (phase > 1)
				outcome(g, no, END_CANCELLED);
			else
				assert_false(rig_has(g, M_OUTCOME));
			assert_true(TAILQ_EMPTY(&g->w->conns));
			assert_int_equal(g->w->bodies, 0);
			/* ALLOW that crossed: settled all the same. */
			if (phase == 1) {
				rig_allow(g, no);
				outcome(g, no, END_CANCELLED);
			}
			cl_close(&c);
			if (phase > 0)
				eg_close(&e);
			rig_free(g);
		}
}

/* 300 KB: ADMIT at the head, nothing past 64 KiB before ADMITTED, nothing to
 * the egress before ALLOW. */
static void
large(void **state)
{
	static struct rig_msg m;
	static char	 body[300001];
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	struct eg	 e = { 0 };
	uint64_t	 no;
	char		 text[128];

	(void)state;
	memset(body, ' ', sizeof(body) - 1);
	memcpy(body, "{\"model\":\"gpt-a\",\"messages\":[]", 30);
	body[299999] = '}';
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_send(g, &c, "POST " CHAT " HTTP/1.1\r\nhost: x\r\nauthorization: "
	    "Bearer %s\r\ncontent-length: 300000\r\n"
	    "expect: 100-continue\r\n\r\n", g->token);
	rig_take(g, M_ADMIT, &m, &r);
	no = msg_get_u64(&r);
	msg_get_str(&r, text, sizeof(text));
	assert_string_equal(text, g->token);
	assert_int_equal(msg_get_u32(&r), 0);
	assert_int_equal(msg_get_u16(&r), ROUTE_CHAT);
	assert_int_equal(msg_get_u64(&r), 300000);
	cl_none(g, &c, "100");
	cl_bytes(g, &c, body, 150000);
	assert_true(g->w->bodies <= ADMIT_ABOVE);
	rig_admitted(g, no);
	cl_bytes(g, &c, body + 150000, 150000);
	rig_linked(g, &e);
	rig_take(g, M_CALL, &m, &r);
	assert_int_equal(msg_get_u64(&r), no);
	msg_get_u32(&r);
	msg_get_str(&r, text, sizeof(text));
	assert_int_equal(msg_get_u32(&r), CF_ADMITTED);
	eg_read(g, &e);
	assert_false(e.open);
	rig_allow(g, no);
	eg_until(g, &e, &e.end);
	assert_int_equal(e.nbody, 300000);
	assert_memory_equal(e.body, body, 300000);
	assert_int_equal(g->w->bodies, 0);
	eg_head(g, &e, 200, 0, 2);
	eg_data(g, &e, "{}");
	eg_end(g, &e, END_OK);
	cl_want(g, &c, "\r\n\r\n{}");
	outcome(g, no, END_OK);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

/* Chunks past 64 KiB: ADMIT when they get there, CALL under a new number. */
static void
chunks(void **state)
{
	static struct rig_msg m;
	static char	 body[100000];
	struct rig	*g;
	struct msgr	 r;
	struct cl	 c;
	struct eg	 e = { 0 };
	uint64_t	 first, no;

	(void)state;
	memset(body, ' ', sizeof(body));
	memcpy(body, BODY, strlen(BODY));
	g = rig_new(NULL);
	cl_open(g, &c);
	cl_send(g, &c, "POST " CHAT " HTTP/1.1\r\nhost: x\r\nauthorization: "
	    "Bearer %s\r\ntransfer-encoding: chunked\r\n\r\n186a0\r\n",
	    g->token);
	cl_bytes(g, &c, body, 50000);
	assert_false(rig_has(g, M_ADMIT));
	cl_bytes(g, &c, body + 50000, 50000);
	rig_take(g, M_ADMIT, &m, &r);
	first = msg_get_u64(&r);
	assert_true(g->w->bodies <= ADMIT_ABOVE);
	rig_admitted(g, first);
	cl_send(g, &c, "\r\n0\r\n\r\n");
	rig_linked(g, &e);
	cancelled(g, first);
	rig_take(g, M_CALL, &m, &r);
	no = msg_get_u64(&r);
	assert_int_equal(no, first + 1);
	eg_until(g, &e, &e.end);
	assert_int_equal(e.nbody, 100000);
	assert_memory_equal(e.body, body, 100000);
	rig_deny(g, no, 401, "unknown key");
	cl_want(g, &c, "HTTP/1.1 401 ");
	cl_close(&c);
	/* A stranger's long body is not read. */
	cl_open(g, &c);
	cl_send(g, &c, "POST " CHAT " HTTP/1.1\r\nhost: x\r\nauthorization: "
	    "Bearer %s\r\ncontent-length: 20000000\r\n\r\n", g->token);
	cl_bytes(g, &c, body, 100000);
	rig_take(g, M_ADMIT, &m, &r);
	rig_deny(g, msg_get_u64(&r), 401, "unknown key");
	cl_want(g, &c, "HTTP/1.1 401 ");
	cl_want(g, &c, "connection: close\r\n");
	cl_eof(g, &c);
	assert_int_equal(g->w->bodies, 0);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

/* Slow client, fast provider: bounded memory, every byte in the end. */
static void
pressure(void **state)
{
	static char	 piece[LINK_DATA + 1];
	struct rig	*g;
	struct cl	 c;
	struct eg	 e = { 0 };
	struct conn	*conn;
	uint8_t		 head[LINK_HEAD];
	size_t		 sent, total;
	ssize_t		 n;
	uint64_t	 no;

	(void)state;
	g = rig_new(NULL);
	cl_open(g, &c);
	no = rig_call(g, &c, &e, CHAT, BODY);
	total = 200 * LINK_DATA;
	eg_head(g, &e, 200, 0, total);
	memset(piece, ' ', LINK_DATA);
	conn = TAILQ_FIRST(&g->w->conns);
	link_head(head, LF_DATA, 0, LINK_DATA);
	/* Nobody reads: the link must block before long. */
	for (sent = 0; sent < 200; sent++) {
		n = send(e.fd, head, LINK_HEAD, MSG_NOSIGNAL);
		if (n == -1)
			break;
		n = send(e.fd, piece, LINK_DATA, MSG_NOSIGNAL);
		rig_pump(g);
		assert_true(conn->out.len <= 65536 + 2 * LINK_DATA);
		if (n != LINK_DATA)
			break;
	}
	if (n != LINK_DATA && sent < 200 && n != -1) {
		size_t	 at;

		for (at = n; at < LINK_DATA; at += n) {
			n = send(e.fd, piece + at, LINK_DATA - at,
			    MSG_NOSIGNAL);
			if (n == -1)
				n = 0;
			cl_none(g, &c, "\r\n\r\n\r\n");
		}
		sent++;
	}
	for (; sent < 200; sent++) {
		cl_none(g, &c, "\r\n\r\n\r\n");
		eg_frame(g, &e, LF_DATA, piece, LINK_DATA);
	}
	eg_end(g, &e, END_OK);
	outcome(g, no, END_OK);
	cl_want(g, &c, "content-length: 3276800\r\n");
	cl_none(g, &c, "connection: close");
	assert_true(c.n > total);
	cl_close(&c);
	eg_close(&e);
	rig_free(g);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(plain),
	cmocka_unit_test(stream),
	cmocka_unit_test(broken),
	cmocka_unit_test(bodyless),
	cmocka_unit_test(control_body),
	cmocka_unit_test(short_answer),
	cmocka_unit_test(denial),
	cmocka_unit_test(gone),
	cmocka_unit_test(large),
	cmocka_unit_test(chunks),
	cmocka_unit_test(pressure),
};

#define NTESTS	(sizeof(tests) / sizeof(tests[0]))

/* One plan for all files. */
int
main(void)
{
	struct CMUnitTest all[64];

	memcpy(all, tests, sizeof(tests));
	memcpy(all + NTESTS, front_tests,
	    front_count * sizeof(front_tests[0]));
	memcpy(all + NTESTS + front_count, ends_tests,
	    ends_count * sizeof(ends_tests[0]));
	memcpy(all + NTESTS + front_count + ends_count, storm_tests,
	    sizeof(storm_tests));
	return _cmocka_run_group_tests("workerrun", all, NTESTS + front_count +
	    ends_count + 1, NULL, NULL);
}
