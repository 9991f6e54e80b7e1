/* SPDX-License-Identifier: ISC */
/* The broker, egress and clients of the rig. */
#include <sys/socket.h>

#include <netinet/in.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "common/secret/secret.h"
#include "common/token/token.h"
#include "rig.h"

#define TRIES	5000

void
rig_limits(struct wlimits *l)
{
	worker_limits(l, 4096);
}

static const struct policy_route route_rows[] = {
	{ ROUTE_CHAT, DIALECT_OPENAI, KIND_GENERATE, "/v1/chat/completions" },
	{ ROUTE_COMPLETIONS, DIALECT_OPENAI, KIND_GENERATE, "/v1/completions" },
	{ ROUTE_EMBEDDINGS, DIALECT_OPENAI, KIND_EMBED, "/v1/embeddings" },
	{ ROUTE_RESPONSES, DIALECT_OPENAI, KIND_GENERATE, "/v1/responses" },
	{ ROUTE_MESSAGES, DIALECT_ANTHROPIC, KIND_GENERATE, "/v1/messages" },
	{ ROUTE_COUNT_TOKENS, DIALECT_ANTHROPIC, KIND_COUNT,
	    "/v1/messages/count_tokens" },
	{ ROUTE_MODELS, DIALECT_OPENAI, KIND_LIST, "/v1/models" },
	{ ROUTE_MODEL, DIALECT_OPENAI, KIND_LIST, "/v1/models/" },
};

static const struct policy_model model_rows[] = {
	{ "gpt-a", 1, 1, 1700000000 },
	{ "gpt-b", 1, 1, 1700000001 },
	{ "claude-a", 2, 1, 1700000002 },
	{ "gpt-*", 1, 0, 0 },
	{ "claude-*", 2, 0, 0 },
};

static uint8_t *
policy_blob(size_t *len)
{
	struct policy_provider p;
	struct policy_w	*w;
	uint8_t		*blob;
	size_t		 i;

	w = policy_w_new();
	memset(&p, 0, sizeof(p));
	p.host = "127.0.0.1";
	p.port = 1;
	p.proxy = "";
	p.base = "/v1";
	p.id = 1;
	p.name = "openai";
	p.key = "OPENAI_API_KEY";
	p.auth = AUTH_BEARER;
	assert_int_equal(policy_w_provider(w, &p), 0);
	p.id = 2;
	p.dialect = DIALECT_ANTHROPIC;
	p.name = "anthropic";
	p.key = "ANTHROPIC_API_KEY";
	p.base = "";
	p.auth = AUTH_XAPIKEY;
	assert_int_equal(policy_w_provider(w, &p), 0);
	for (i = 0; i < sizeof(model_rows) / sizeof(model_rows[0]); i++)
		assert_int_equal(policy_w_model(w, &model_rows[i]), 0);
	for (i = 0; i < sizeof(route_rows) / sizeof(route_rows[0]); i++)
		assert_int_equal(policy_w_route(w, &route_rows[i]), 0);
	blob = policy_w_blob(w, len);
	assert_non_null(blob);
	policy_w_free(w);
	return blob;
}

static int
listener(int *port)
{
	struct sockaddr_in sin;
	socklen_t	 len;
	int		 fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 64), 0);
	len = sizeof(sin);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	*port = ntohs(sin.sin_port);
	return fd;
}

/* A listening socket of that class for the worker. */
static void
slot(struct rig *g, uint8_t class)
{
	struct msgw	 m;

	msg_open(&m, M_SLOT);
	msg_put_u16(&m, 7);
	msg_put_u8(&m, class);
	msg_put_u8(&m, 0);
	msg_put_u8(&m, 1);
	msg_put_str(&m, "127.0.0.1");
	assert_int_equal(msg_send(&g->parent, &m, listener(&g->port)), 0);
}

void
rig_ready(struct rig *g, int gate, int nokey)
{
	struct msgw	 m;
	uint8_t		 zero[32] = { 0 };
	uint8_t		*blob;
	size_t		 len;
	int		 fd;

	blob = policy_blob(&len);
	fd = secret_sealed("policy", blob, len);
	assert_true(fd != -1);
	free(blob);
	msg_open(&m, M_READY);
	msg_put_u8(&m, gate);
	msg_put_u8(&m, 1);
	msg_put_u8(&m, 1);
	msg_put_raw(&m, "\1\2\3\4\5\6\7\10", 8);
	msg_put_raw(&m, zero, 32);
	msg_put_u16(&m, 2);
	msg_put_u16(&m, 1);
	msg_put_u8(&m, PROV_UP);
	msg_put_u16(&m, 2);
	msg_put_u8(&m, nokey ? PROV_NOKEY : PROV_UP);
	msg_put_u8(&m, g->kms);
	assert_int_equal(msg_send(&g->broker, &m, fd), 0);
}

void
rig_broker(struct rig *g, int gate, int nokey)
{
	struct msgw	 m;
	int		 pair[2];

	assert_int_equal(msg_pair(pair), 0);
	if (g->broker.fd != -1)
		msglink_close(&g->broker);
	msglink_init(&g->broker, pair[0], 0);
	msg_open(&m, M_PEER);
	msg_put_u8(&m, ROLE_BROKER);
	msg_put_u16(&m, 0);
	msg_put_u32(&m, 1);
	assert_int_equal(msg_send(&g->parent, &m, pair[1]), 0);
	rig_ready(g, gate, nokey);
	rig_pump(g);
}

void
rig_parent(struct rig *g, uint16_t type)
{
	struct msgw	 m;

	msg_open(&m, type);
	if (type == M_DRAIN)
		msg_put_u16(&m, g->drain);
	assert_int_equal(msg_send(&g->parent, &m, -1), 0);
	rig_pump(g);
}

struct rig *
rig_new(const struct wlimits *lim)
{
	struct msglink	 channel;
	struct wlimits	 dfl;
	struct rig	*g;
	uint8_t		 random[TOKEN_RANDOM];
	size_t		 i;
	int		 pair[2];

	g = calloc(1, sizeof(*g));
	g->msg = calloc(RIG_MESSAGES, sizeof(*g->msg));
	for (i = 0; i < sizeof(random); i++)
		random[i] = 3 * i + 1;
	assert_true(token_make(random, 1, g->token) > 0);
	rig_limits(&dfl);
	g->w = worker_new(lim == NULL ? &dfl : lim);
	assert_int_equal(msg_pair(pair), 0);
	msglink_init(&g->parent, pair[0], 0);
	msglink_init(&channel, pair[1], 0);
	worker_parent(g->w, &channel);
	g->broker.fd = -1;
	slot(g, CLASS_BOTH);
	rig_broker(g, 1, 0);
	return g;
}

void
rig_free(struct rig *g)
{
	worker_free(g->w);
	msglink_close(&g->parent);
	if (g->broker.fd != -1)
		msglink_close(&g->broker);
	free(g->msg);
	free(g);
}

static int
on_msg(void *arg, struct msgr *r, int fd)
{
	struct rig	*g;
	struct rig_msg	*m;

	g = arg;
	assert_int_equal(fd, -1);
	assert_true(g->n < RIG_MESSAGES);
	m = &g->msg[g->n++];
	m->type = r->type;
	m->len = r->len;
	memcpy(m->data, r->p, r->len);
	return 0;
}

static int
on_channel(void *arg, struct msgr *r, int fd)
{
	struct rig	*g;

	(void)fd;
	g = arg;
	if (r->type == M_STOPPED)
		g->stopped = 1;
	return 0;
}

/* A few turns of the worker and all that its peers would read. */
void
rig_pump(struct rig *g)
{
	int	 i;

	msglink_flush(&g->parent);
	if (g->broker.fd != -1)
		msglink_flush(&g->broker);
	for (i = 0; i < 4 && !worker_done(g->w); i++)
		worker_turn(g->w, 0);
	msglink_read(&g->parent, 64, on_channel, g);
	if (g->broker.fd != -1)
		msglink_read(&g->broker, 64, on_msg, g);
}

static void
nap(void)
{
	poll(NULL, 0, 1);
}

int
rig_has(struct rig *g, uint16_t type)
{
	size_t	 i;

	rig_pump(g);
	for (i = 0; i < g->n; i++)
		if (g->msg[i].type == type)
			return 1;
	return 0;
}

void
rig_take(struct rig *g, uint16_t type, struct rig_msg *m, struct msgr *r)
{
	size_t	 i;
	int	 n;

	for (n = 0; n < TRIES && !rig_has(g, type); n++)
		nap();
	for (i = 0; i < g->n && g->msg[i].type != type; i++)
		;
	if (i == g->n)
		fail_msg("no message 0x%04x", type);
	*m = g->msg[i];
	memmove(&g->msg[i], &g->msg[i + 1],
	    (g->n - i - 1) * sizeof(g->msg[0]));
	g->n--;
	msg_read(r, type, m->data, m->len);
}

static void
out(struct rig *g, struct msgw *m, int fd)
{
	assert_int_equal(msg_send(&g->broker, m, fd), 0);
	rig_pump(g);
}

void
rig_admitted(struct rig *g, uint64_t no)
{
	struct msgw	 m;

	msg_open(&m, M_ADMITTED);
	msg_put_u64(&m, no);
	out(g, &m, -1);
}

void
rig_allow_put(struct msgw *m, uint64_t no)
{
	uint8_t	 bytes[32];

	memset(bytes, 0xab, sizeof(bytes));
	msg_open(m, M_ALLOW);
	msg_put_u64(m, no);
	msg_put_raw(m, bytes, 16);
	msg_put_u64(m, 42);
	msg_put_raw(m, bytes, 32);
	msg_put_u64(m, 43);
	msg_put_raw(m, bytes, 32);
	msg_put_u64(m, 1 << 30);
	msg_put_u64(m, 0);
}

void
rig_allow(struct rig *g, uint64_t no)
{
	struct msgw	 m;

	rig_allow_put(&m, no);
	out(g, &m, -1);
}

void
rig_deny(struct rig *g, uint64_t no, uint16_t status, const char *text)
{
	struct msgw	 m;
	uint8_t		 bytes[16];

	memset(bytes, 0xcd, sizeof(bytes));
	msg_open(&m, M_DENY);
	msg_put_u64(&m, no);
	msg_put_raw(&m, bytes, 16);
	msg_put_u16(&m, status);
	msg_put_str(&m, status == 401 ? "authentication_error" :
	    status == 403 ? "policy_block" : "api_error");
	msg_put_str(&m, status == 401 ? "invalid_api_key" : "code");
	msg_put_str(&m, status == 403 ? "detect_pii" : "");
	msg_put_str(&m, text);
	msg_put_u32(&m, 0);
	msg_put_u8(&m, 1);
	out(g, &m, -1);
}

void
rig_cut(struct rig *g, uint64_t no, uint8_t cut)
{
	struct msgw	 m;

	msg_open(&m, M_CUT);
	msg_put_u64(&m, no);
	msg_put_u8(&m, cut);
	msg_put_str(&m, "This key was revoked.");
	out(g, &m, -1);
}

/* Answers the LINK that waits. */
void
rig_linked(struct rig *g, struct eg *e)
{
	static struct rig_msg msg;
	struct msgw	 m;
	struct msgr	 r;
	uint32_t	 cookie;
	uint16_t	 provider;
	int		 pair[2];

	rig_take(g, M_LINK, &msg, &r);
	cookie = msg_get_u32(&r);
	provider = msg_get_u16(&r);
	assert_int_equal(msg_end(&r), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, pair), 0);
	memset(e, 0, sizeof(*e));
	e->fd = pair[0];
	e->body = malloc(RIG_TEXT);
	link_reset(&e->in);
	msg_open(&m, M_LINKED);
	msg_put_u32(&m, cookie);
	msg_put_u32(&m, ++g->link);
	msg_put_u16(&m, provider);
	out(g, &m, pair[1]);
}

/* ---- egress ---------------------------------------------------------------- */
static void
take(struct eg *e, const struct link_frame *f)
{
	struct msgr	 r;

	switch (f->type) {
	case LF_OPEN:
		msg_read(&r, 0, f->data, f->len);
		e->no = msg_get_u64(&r);
		e->length = msg_get_u64(&r);
		e->open = 1;
		e->end = e->abort = 0;
		e->nbody = 0;
		break;
	case LF_DATA:
		assert_true(e->nbody + f->len <= RIG_TEXT);
		memcpy(e->body + e->nbody, f->data, f->len);
		e->nbody += f->len;
		break;
	case LF_END:
		e->end = 1;
		break;
	case LF_ABORT:
		e->abort = 1;
		break;
	default:
		fail_msg("frame %d", f->type);
	}
}

void
eg_read(struct rig *g, struct eg *e)
{
	struct link_frame f;
	uint8_t		*p;
	size_t		 room;
	ssize_t		 n;

	rig_pump(g);
	for (;;) {
		p = link_room(&e->in, &room);
		n = recv(e->fd, p, room, 0);
		if (n == 0 || (n == -1 && errno == ECONNRESET))
			e->eof = 1;
		if (n <= 0)
			return;
		link_got(&e->in, n);
		while (link_next(&e->in, &f) == 1)
			take(e, &f);
		rig_pump(g);
	}
}

void
eg_until(struct rig *g, struct eg *e, const int *flag)
{
	int	 n;

	for (n = 0; n < TRIES && !*flag; n++) {
		eg_read(g, e);
		if (!*flag)
			nap();
	}
	assert_true(*flag);
}

void
eg_frame(struct rig *g, struct eg *e, enum link_type type, const void *p,
    size_t n)
{
	uint8_t	 frame[LINK_HEAD + LINK_DATA];
	size_t	 done;
	ssize_t	 r;

	link_head(frame, type, 0, n);
	if (n > 0)
		memcpy(frame + LINK_HEAD, p, n);
	for (done = 0; done < LINK_HEAD + n; done += r) {
		r = send(e->fd, frame + done, LINK_HEAD + n - done,
		    MSG_NOSIGNAL);
		if (r == -1 && errno == EAGAIN) {
			rig_pump(g);
			r = 0;
		}
		assert_true(r >= 0);
	}
	rig_pump(g);
}

void
eg_head(struct rig *g, struct eg *e, uint16_t status, int events,
    uint64_t length)
{
	struct msgw	 m;

	msg_open(&m, 0);
	msg_put_u64(&m, e->no);
	msg_put_u16(&m, status);
	msg_put_u8(&m, (events ? LF_EVENTS : 0) |
	    (length == UINT64_MAX ? LF_UNKNOWN_LENGTH : 0));
	msg_put_u64(&m, length);
	msg_put_u8(&m, 2);
	msg_put_str(&m, "content-type");
	msg_put_str(&m, events ? "text/event-stream" : "application/json");
	msg_put_str(&m, "set-cookie");
	msg_put_str(&m, "evil=1");
	eg_frame(g, e, LF_HEAD, m.buf, m.len);
}

void
eg_data(struct rig *g, struct eg *e, const char *s)
{
	eg_frame(g, e, LF_DATA, s, strlen(s));
}

void
eg_end(struct rig *g, struct eg *e, uint8_t end)
{
	eg_frame(g, e, LF_END, &end, 1);
}

void
eg_error(struct rig *g, struct eg *e, uint8_t end, uint16_t status,
    const char *text)
{
	struct msgw	 m;

	msg_open(&m, 0);
	msg_put_u64(&m, e->no);
	msg_put_u8(&m, end);
	msg_put_u16(&m, status);
	msg_put_str(&m, text);
	eg_frame(g, e, LF_ERROR, m.buf, m.len);
}

void
eg_close(struct eg *e)
{
	close(e->fd);
	free(e->body);
}

/* ---- client ---------------------------------------------------------------- */
void
cl_open(struct rig *g, struct cl *c)
{
	struct sockaddr_in sin;

	memset(c, 0, sizeof(*c));
	c->text = calloc(1, RIG_TEXT + 1);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(g->port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)),
	    0);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	rig_pump(g);
}

void
cl_bytes(struct rig *g, struct cl *c, const void *p, size_t n)
{
	const char	*s;
	ssize_t		 r;
	int		 tries;

	s = p;
	for (tries = 0; n > 0 && tries < TRIES; tries++) {
		r = send(c->fd, s, n, MSG_NOSIGNAL);
		rig_pump(g);
		if (r == -1) {
			assert_int_equal(errno, EAGAIN);
			nap();
			continue;
		}
		s += r;
		n -= r;
	}
	assert_int_equal(n, 0);
}

void
cl_send(struct rig *g, struct cl *c, const char *fmt, ...)
{
	static char	 text[16384];
	va_list		 ap;
	int		 n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	cl_bytes(g, c, text, n);
}

void
cl_post(struct rig *g, struct cl *c, const char *path, const char *body)
{
	cl_send(g, c, "POST %s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s"
	    "\r\ncontent-length: %zu\r\n\r\n%s", path, g->token, strlen(body),
	    body);
}

static void
soak(struct rig *g, struct cl *c)
{
	ssize_t	 n;

	rig_pump(g);
	while ((n = recv(c->fd, c->text + c->n, RIG_TEXT - c->n, 0)) > 0) {
		c->n += n;
		c->text[c->n] = '\0';
		rig_pump(g);
	}
	if (n == 0 || (n == -1 && errno == ECONNRESET))
		c->eof = 1;
}

void
cl_want(struct rig *g, struct cl *c, const char *s)
{
	int	 n;

	for (n = 0; n < TRIES; n++) {
		soak(g, c);
		if (memmem(c->text, c->n, s, strlen(s)) != NULL)
			return;
		if (c->eof)
			break;
		nap();
	}
	fail_msg("wanted \"%s\", got \"%s\"", s, c->text);
}

void
cl_eof(struct rig *g, struct cl *c)
{
	int	 n;

	for (n = 0; n < TRIES && !c->eof; n++) {
		soak(g, c);
		nap();
	}
	assert_true(c->eof);
}

void
cl_none(struct rig *g, struct cl *c, const char *s)
{
	soak(g, c);
	if (memmem(c->text, c->n, s, strlen(s)) != NULL)
		fail_msg("did not want \"%s\" in \"%s\"", s, c->text);
}

void
cl_close(struct cl *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	free(c->text);
	c->text = NULL;
}

uint64_t
rig_call(struct rig *g, struct cl *c, struct eg *e, const char *path,
    const char *body)
{
	static struct rig_msg m;
	struct msgr	 r;
	uint64_t	 no;

	e->end = 0;
	cl_post(g, c, path, body);
	if (e->fd == 0)
		rig_linked(g, e);
	rig_take(g, M_CALL, &m, &r);
	no = msg_get_u64(&r);
	eg_until(g, e, &e->end);
	assert_int_equal(e->no, no);
	rig_allow(g, no);
	return no;
}
