/* SPDX-License-Identifier: ISC */
/*
 * Clients, egresses and a broker that do at random what each of them may, at
 * any moment: halves of requests, broken frames, answers that cross, links that
 * end.  Whatever they do, the worker lives, gives back what it holds, settles
 * each call it was allowed exactly once, and sends each client answers that
 * can be read in one way, of which only a connection's last may end early.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <poll.h>

#include "rig.h"

#define CLIENTS		6
#define EGRESSES	64
#define CALLS		4096
#define STEPS		250

enum { ASKED = 1, ALLOWED, LISTED, GIVEN, SETTLED };

static struct rig	*g;
static struct cl	 cl[CLIENTS];
static struct eg	 eg[EGRESSES];
static uint8_t		 state[CALLS];		/* of a call number */
static uint64_t		 last;
static uint32_t		 seed;

static uint32_t
dice(uint32_t n)
{
	seed = seed * 1664525U + 1013904223U;
	return (uint32_t)((uint64_t)(seed >> 8) * n >> 24);
}

static void
tell(struct msgw *m, int fd)
{
	(void)msg_send(&g->broker, m, fd);
}

/* ---- the broker ------------------------------------------------------------ */
static void
linked(struct msgr *r)
{
	struct msgw	 m;
	uint32_t	 cookie;
	uint16_t	 provider;
	int		 i, pair[2];

	cookie = msg_get_u32(r);
	provider = msg_get_u16(r);
	for (i = 0; i < EGRESSES && eg[i].fd != -1; i++)
		;
	if (i == EGRESSES || dice(8) == 0) {
		msg_open(&m, M_NOLINK);
		msg_put_u32(&m, cookie);
		msg_put_u16(&m, provider);
		msg_put_u16(&m, 503);
		msg_put_str(&m, "no");
		tell(&m, -1);
		return;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, pair), 0);
	memset(&eg[i], 0, sizeof(eg[i]));
	eg[i].fd = pair[0];
	msg_open(&m, M_LINKED);
	msg_put_u32(&m, cookie);
	msg_put_u32(&m, ++g->link);
	msg_put_u16(&m, provider);
	tell(&m, pair[1]);
}

static void
refuse(uint64_t no)
{
	static const uint16_t codes[] = { 400, 401, 403, 429, 503 };
	struct msgw	 m;
	uint8_t		 id[16] = { 1 };
	uint32_t	 how;

	/* what was cut is settled as before; of the others nothing is due */
	how = dice(3);
	if (how > 0 && state[no] == ALLOWED)
		state[no] = GIVEN;
	switch (how) {
	case 0:
		msg_open(&m, M_CUT);
		msg_put_u64(&m, no);
		msg_put_u8(&m, CUT_DEADLINE + dice(CUT_SHUTDOWN));
		msg_put_str(&m, dice(2) ? "cut" : "");
		break;
	case 1:
		msg_open(&m, M_ERROR);
		msg_put_u64(&m, no);
		msg_put_u16(&m, M_CALL);
		msg_put_str(&m, "not in this state");
		break;
	default:
		msg_open(&m, dice(2) ? M_DENY : M_FAIL);
		msg_put_u64(&m, no);
		msg_put_raw(&m, id, 16);
		msg_put_u16(&m, codes[dice(5)]);
		msg_put_str(&m, "api_error");
		msg_put_str(&m, dice(2) ? "code" : "");
		msg_put_str(&m, dice(2) ? "step" : "");
		msg_put_str(&m, "no");
		msg_put_u32(&m, dice(3));
		msg_put_u8(&m, dice(2));
	}
	tell(&m, -1);
}

static void
allow(uint64_t no)
{
	struct msgw	 m;

	rig_allow_put(&m, no);
	tell(&m, -1);
	state[no] = state[no] == LISTED ? GIVEN : ALLOWED;
}

static void
asked(struct msgr *r)
{
	struct msgw	 m;
	uint64_t	 no;
	size_t		 n;

	no = msg_get_u64(r);
	assert_true(no > 0 && no < CALLS);
	if (no > last)
		last = no;
	if (r->type == M_CALL) {
		(void)msg_get_u32(r);
		(void)msg_get_strv(r, TOKEN_MAX, &n);
		(void)msg_get_u32(r);
		state[no] = msg_get_u8(r) == KIND_LIST ? LISTED : ASKED;
		if (dice(4) > 0)
			allow(no);
		else if (dice(4) > 0)
			refuse(no);
		return;
	}
	if (dice(4) > 0) {
		msg_open(&m, M_ADMITTED);
		msg_put_u64(&m, no);
		tell(&m, -1);
	} else
		refuse(no);
}

static void
administered(struct msgr *r)
{
	struct msgw	 m;
	uint32_t	 cookie;

	cookie = msg_get_u32(r);
	msg_open(&m, M_ANSWER);
	msg_put_u32(&m, cookie);
	if (dice(2)) {
		msg_put_u16(&m, 404);
		msg_put_u8(&m, 0);
		msg_put_u16(&m, 2);
		msg_put_str(&m, "unknown");
		msg_put_str(&m, "There is none.");
	} else {
		msg_put_u16(&m, 200);
		msg_put_u8(&m, 0);
		msg_put_u16(&m, 0);
	}
	tell(&m, -1);
}

static void
hear(void)
{
	struct msgr	 r;
	uint64_t	 no;
	size_t		 i;

	for (i = 0; i < g->n; i++) {
		msg_read(&r, g->msg[i].type, g->msg[i].data, g->msg[i].len);
		switch (r.type) {
		case M_LINK:
			linked(&r);
			break;
		case M_ADMIT:
		case M_CALL:
			asked(&r);
			break;
		case M_OUTCOME:
			no = msg_get_u64(&r);
			assert_true(no < CALLS);
			/* a list is settled by ALLOW, what failed by FAIL */
			if (state[no] == GIVEN)
				break;
			assert_int_equal(state[no], ALLOWED);
			state[no] = SETTLED;
			break;
		case M_CANCEL:
			break;
		default:
			administered(&r);
		}
	}
	g->n = 0;
}

/* ---- an egress ------------------------------------------------------------- */
static const char *const pieces[] = {
	"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n",
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n",
	"data: [DONE]\n\n", "data: {\"cho", "\r", "\n", "\r\n\r\n", ": c\n",
	"event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	"{\"usage\":{\"prompt_tokens\":1}}", "\xef\xbb\xbf", "\0\xff",
	"HTTP/1.1 200 OK\r\nx-audit: forged\r\ncontent-length: 0\r\n\r\n",
};

static void
frame(struct eg *e, int type, const void *p, size_t n)
{
	uint8_t	 head[LINK_HEAD];

	link_head(head, type, 0, n);
	if (dice(200) == 0)
		head[dice(LINK_HEAD)] ^= 1 << dice(8);
	if (send(e->fd, head, sizeof(head), MSG_NOSIGNAL) != sizeof(head) ||
	    send(e->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
		shutdown(e->fd, SHUT_RDWR);
}

static void
speak(struct eg *e)
{
	static const uint16_t codes[] = { 200, 200, 200, 200, 204, 304, 400,
		500, 199, 600 };
	static const uint64_t lengths[] = { UINT64_MAX, 0, 5, 50, 1 << 20 };
	static uint8_t	 big[LINK_DATA];
	struct msgw	 m;
	const char	*s;
	uint8_t		 end, how;

	if (!e->end) {
		/* once, as a rule */
		e->end = 1;
		end = 0;
	} else
		end = 1 + dice(40);
	switch (end < 2 ? 0 : end % 8) {
	case 0:
		msg_open(&m, 0);
		msg_put_u64(&m, e->no + (dice(30) == 0));
		msg_put_u16(&m, codes[dice(10)]);
		how = dice(4);
		msg_put_u8(&m, how);
		msg_put_u64(&m, lengths[how == 0 ? dice(5) : 0]);
		msg_put_u8(&m, 1 + (dice(40) == 0));
		msg_put_str(&m, "content-type");
		msg_put_str(&m, dice(2) ? "text/event-stream" : "a/b");
		frame(e, LF_HEAD, m.buf, m.len);
		break;
	case 2:
		frame(e, LF_DATA, big, dice(sizeof(big) + 1));
		break;
	case 3:
		end = dice(3) ? END_OK : dice(END_MAX + 1);
		frame(e, LF_END, &end, 1);
		break;
	case 4:
		if (dice(3))
			break;
		msg_open(&m, 0);
		msg_put_u64(&m, e->no);
		msg_put_u8(&m, dice(END_MAX));
		msg_put_u16(&m, codes[dice(10)]);
		msg_put_str(&m, "reset by peer");
		frame(e, LF_ERROR, m.buf, m.len);
		break;
	default:
		s = pieces[dice(sizeof(pieces) / sizeof(pieces[0]))];
		frame(e, LF_DATA, s, strlen(s));
	}
}

static void
egress(struct eg *e)
{
	struct link_frame f;
	struct msgr	 r;
	uint8_t		*p;
	size_t		 room;
	ssize_t		 n;

	p = link_room(&e->in, &room);
	n = recv(e->fd, p, room, 0);
	if (n > 0)
		link_got(&e->in, n);
	if (n == 0 || (n == -1 && errno != EAGAIN) || dice(200) == 0) {
		close(e->fd);
		e->fd = -1;
		return;
	}
	while ((n = link_next(&e->in, &f)) == 1)
		if (f.type == LF_OPEN) {
			msg_read(&r, 0, f.data, f.len);
			e->no = msg_get_u64(&r);
			e->open = 1;
			e->end = 0;
		}
	assert_int_equal(n, 0);
	if (e->open)
		speak(e);
}

/* ---- a client -------------------------------------------------------------- */
static void
request(char *out, size_t size)
{
	static const char *const heads[] = {
		"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
		"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
		"POST /v1/messages?beta=true HTTP/1.1\r\nhost: x\r\n",
		"POST /v1/responses HTTP/1.0\r\nhost: x\r\n"
		    "connection: keep-alive\r\n",
		"POST /agents/a/developer-keys HTTP/1.1\r\nhost: x\r\n",
		"POST /nosuch HTTP/1.1\r\nhost: x\r\n",
	};
	static const char *const bodies[] = {
		"{\"model\":\"gpt-a\",\"stream\":true}",
		"{\"model\":\"gpt-a\"}", "{\"model\":\"claude-a\"}",
		"{\"model\":\"openai/gpt-b\",\"stream\":true}", "{}", "[",
		"{\"developer_email\":\"a@b\",\"expires_days\":9}",
	};
	const char	*body;

	body = bodies[dice(7)];
	switch (dice(8)) {
	case 0:
		snprintf(out, size, "GET %s HTTP/1.1\r\nhost: x\r\n"
		    "authorization: Bearer %s\r\n\r\n", dice(2) ? "/v1/models" :
		    "/agents", g->token);
		break;
	case 1:
		snprintf(out, size, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
		break;
	case 2:
		snprintf(out, size, "%sauthorization: Bearer %s\r\n"
		    "transfer-encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
		    heads[dice(6)], g->token, strlen(body), body);
		break;
	case 3:
		snprintf(out, size, "%sauthorization: Bearer %s\r\n"
		    "expect: 100-continue\r\ncontent-length: %zu\r\n\r\n%s",
		    heads[dice(6)], g->token, strlen(body), body);
		break;
	case 4:
		snprintf(out, size, "%sauthorization: Bearer %s\r\n"
		    "content-length: %u\r\n\r\n%s", heads[dice(6)], g->token,
		    dice(2) ? 100000 : 33554433, body);
		break;
	default:
		snprintf(out, size, "%sauthorization: Bearer %s\r\n"
		    "content-length: %zu\r\n\r\n%s", heads[dice(6)], g->token,
		    strlen(body), body);
	}
	if (dice(20) == 0)
		out[dice(strlen(out))] = dice(256);
}

/* All answers that came read in one way; the last may be cut by the end. */
static void
judge(const struct cl *c)
{
	struct http1_head h;
	struct chunk	 k;
	const uint8_t	*p, *data;
	size_t		 n, used, ate, len;
	int		 v;

	p = (const uint8_t *)c->text;
	for (n = c->n; n > 0; p += used, n -= used) {
		http1_init(&h);
		v = http1_response(p, n, &http1_response_limits, &h, false);
		assert_int_not_equal(v, HTTP1_REJECT);
		if (v == HTTP1_MORE || h.body == HTTP1_BODY_CLOSE)
			return;
		used = h.head_len;
		if (h.body == HTTP1_BODY_LENGTH) {
			if ((uint64_t)h.content_length > n - used)
				return;
			used += (size_t)h.content_length;
		}
		if (h.body != HTTP1_BODY_CHUNKED)
			continue;
		chunk_init(&k, CHUNK_RESPONSE, 16, INT64_MAX);
		do {
			v = chunk_read(&k, p + used, n - used, &ate, &data,
			    &len);
			used += ate;
		} while (v == CHUNK_DATA);
		assert_int_not_equal(v, CHUNK_REJECT);
		if (v == CHUNK_MORE)
			return;
	}
}

static void
leave(struct cl *c)
{
	struct linger	 now = { 1, 0 };

	if (dice(3) == 0)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	judge(c);
	cl_close(c);
}

static void
client(struct cl *c)
{
	char	 text[1024];
	size_t	 len;
	ssize_t	 n;

	if (c->fd == -1) {
		cl_open(g, c);
		return;
	}
	n = recv(c->fd, c->text + c->n, RIG_TEXT - c->n, 0);
	if (n > 0)
		c->n += n;
	if (n == 0 || (n == -1 && errno != EAGAIN) || dice(100) == 0) {
		leave(c);
		return;
	}
	if (dice(100) == 0)
		shutdown(c->fd, SHUT_WR);
	if (dice(4) > 0)
		return;
	request(text, sizeof(text));
	len = strlen(text);
	if (dice(6) == 0)
		len = dice(len + 1);
	(void)send(c->fd, text, len, MSG_NOSIGNAL);
}

/* ---- all together ---------------------------------------------------------- */
static void
turn(void)
{
	int	 i;

	for (i = 0; i < CLIENTS; i++)
		if (dice(2) == 0)
			client(&cl[i]);
	for (i = 0; i < EGRESSES; i++)
		if (eg[i].fd != -1 && dice(2) == 0)
			egress(&eg[i]);
	if (last > 0 && dice(100) == 0)
		refuse(1 + dice(last));
	if (dice(250) == 0) {
		/* its broker is lost: nothing is owed to the next */
		hear();
		memset(state, 0, sizeof(state));
		rig_broker(g, dice(4) > 0, dice(4) == 0);
	}
	if (dice(10) == 0)
		poll(NULL, 0, 1);
	rig_pump(g);
	hear();
}

static void
run(uint32_t first)
{
	struct wlimits	 lim;
	int		 i;

	seed = first;
	rig_limits(&lim);
	lim.head = lim.idle = lim.linger = 50 * NS_MS;
	lim.grace = lim.ping = lim.ask = lim.linkidle = 50 * NS_MS;
	lim.high = 4096;
	lim.low = 1024;
	g = rig_new(&lim);
	last = 0;
	memset(state, 0, sizeof(state));
	for (i = 0; i < CLIENTS; i++)
		cl[i].fd = -1;
	for (i = 0; i < EGRESSES; i++)
		eg[i].fd = -1;
	for (i = 0; i < STEPS; i++)
		turn();
	for (i = 0; i < CLIENTS; i++)
		if (cl[i].fd != -1)
			leave(&cl[i]);
	for (i = 0; i < 30000 && !TAILQ_EMPTY(&g->w->conns); i++) {
		poll(NULL, 0, 1);
		rig_pump(g);
		hear();
	}
	assert_true(TAILQ_EMPTY(&g->w->conns));
	assert_true(TAILQ_EMPTY(&g->w->busy));
	assert_int_equal(g->w->bodies, 0);
	rig_pump(g);
	hear();
	for (i = 0; i < CALLS; i++)
		assert_int_not_equal(state[i], ALLOWED);
	for (i = 0; i < EGRESSES; i++)
		if (eg[i].fd != -1)
			close(eg[i].fd);
	rig_free(g);
}

static void
storm(void **state_)
{
	const char	*s;
	uint32_t	 first, n, i;

	(void)state_;
	s = getenv("STORM_SEED");
	first = s == NULL ? 1 : (uint32_t)atoi(s);
	s = getenv("STORM_RUNS");
	n = s == NULL ? 25 : (uint32_t)atoi(s);
	for (i = first; i < first + n; i++) {
		print_message("seed %u\n", i);
		run(i);
	}
}

const struct CMUnitTest storm_tests[] = { cmocka_unit_test(storm) };
