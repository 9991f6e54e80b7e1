/* SPDX-License-Identifier: ISC */

/*
 * One connection: requests in, plans out, and a line in the log for what
 * was received, what was answered and when the peer went away.
 */

#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <tls.h>
#include <unistd.h>

#include "common/text/sha256.h"
#include "provider.h"

#define IO_WAIT	(-2)		/* not now; conn.want says for what */

enum phase {
	P_HANDSHAKE,
	P_HEAD,			/* idle, or in a head */
	P_BODY,
	P_ANSWER
};

static const char *const phases[] = {
	"handshake", "idle", "upload", "answer"
};

struct conn {
	int		 fd;
	struct tls	*tls;
	unsigned	 id;
	unsigned	 requests;
	enum phase	 phase;
	short		 want;
	struct buf	 in;
	struct buf	 head;
	struct buf	 body;
	size_t		 length;	/* declared */
	char		 method[16];
	char		 target[512];
	char		 auth[1024];	/* value as received */
	const char	*key;		/* in auth, scheme taken off */
	struct ask	 ask;
	struct plan	 plan;
	size_t		 step;
	size_t		 sent;		/* of this step */
	uint64_t	 total;		/* of this answer */
	uint64_t	 due;		/* of this step */
	int		 dead;
};

static unsigned nconns, ncalls;

struct conn *
conn_new(int fd, struct tls *tls)
{
	struct conn *c;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		err(1, NULL);
	c->fd = fd;
	c->tls = tls;
	c->id = ++nconns;
	c->phase = tls != NULL ? P_HANDSHAKE : P_HEAD;
	c->want = POLLIN;
	return c;
}

static void
call_free(struct conn *c)
{
	ask_free(&c->ask);
	plan_free(&c->plan);
	buf_free(&c->head);
	buf_free(&c->body);
}

void
conn_free(struct conn *c)
{
	if (c->tls != NULL)
		tls_free(c->tls);
	if (c->fd != -1)
		close(c->fd);
	call_free(c);
	buf_free(&c->in);
	free(c);
}

int
conn_fd(const struct conn *c)
{
	return c->fd;
}

/* When conn_turn must run at the latest; 0: only on events. */
uint64_t
conn_due(const struct conn *c)
{
	return c->phase == P_ANSWER ? c->due : 0;
}

/* --- log */

static void
log_event(struct conn *c, const char *event, const char *more)
{
	struct buf b;

	memset(&b, 0, sizeof(b));
	buf_fmt(&b, "{\"event\":\"%s\",\"conn\":%u,\"n\":%u,\"phase\":\"%s\","
	    "\"t_ns\":%llu%s}", event, c->id, c->requests, phases[c->phase],
	    (unsigned long long)now_ns(), more);
	log_line(&b);
	buf_free(&b);
}

static void
log_request(struct conn *c, int complete)
{
	struct sha256 sha;
	struct timespec ts;
	struct buf b;
	uint8_t digest[32];
	size_t i;

	memset(&b, 0, sizeof(b));
	clock_gettime(CLOCK_REALTIME, &ts);
	sha256_init(&sha);
	sha256_update(&sha, c->body.p, c->body.n);
	sha256_final(&sha, digest);
	buf_fmt(&b, "{\"event\":\"request\",\"time\":%lld.%06ld,\"t_ns\":%llu,"
	    "\"conn\":%u,\"n\":%u,\"method\":", (long long)ts.tv_sec,
	    ts.tv_nsec / 1000, (unsigned long long)now_ns(), c->id,
	    c->requests);
	buf_json(&b, c->method, strlen(c->method));
	buf_str(&b, ",\"path\":");
	buf_json(&b, c->target, strlen(c->target));
	buf_str(&b, ",\"auth\":");
	buf_json(&b, c->auth, strlen(c->auth));
	buf_str(&b, ",\"sha256\":\"");
	for (i = 0; i < sizeof(digest); i++)
		buf_fmt(&b, "%02x", digest[i]);
	buf_fmt(&b, "\",\"length\":%zu,\"received\":%zu,\"complete\":%s,"
	    "\"model\":", c->length, c->body.n, complete ? "true" : "false");
	buf_json(&b, c->ask.model, strlen(c->ask.model));
	/* not cut inside a character */
	for (i = c->body.n < 200 ? c->body.n : 200; i > 0 &&
	    i < c->body.n && (c->body.p[i] & 0xc0) == 0x80; i--)
		continue;
	buf_str(&b, ",\"body\":");
	buf_json(&b, c->body.p, i);
	buf_str(&b, ",\"tool_result\":");
	buf_str(&b, c->ask.tool_result ? "true" : "false");
	buf_str(&b, ",\"text\":");
	buf_json(&b, c->ask.text.p, c->ask.text.n < 4096 ? c->ask.text.n : 0);
	buf_str(&b, ",\"head\":");
	buf_json(&b, c->head.p, c->head.n < 4096 ? c->head.n : 4096);
	buf_str(&b, "}");
	log_line(&b);
	buf_free(&b);
}

/* The peer is gone: how, and in the middle of what. */
static int
gone(struct conn *c, const char *how)
{
	char more[64];

	if (c->phase == P_BODY)
		log_request(c, 0);
	snprintf(more, sizeof(more), ",\"how\":\"%s\",\"sent\":%llu", how,
	    (unsigned long long)c->total);
	log_event(c, "peer_closed", more);
	return -1;
}

/* --- bytes */

static ssize_t
tls_result(struct conn *c, ssize_t n)
{
	if (n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT) {
		c->want |= n == TLS_WANT_POLLIN ? POLLIN : POLLOUT;
		return IO_WAIT;
	}
	return n;
}

static ssize_t
io_read(struct conn *c, void *p, size_t n)
{
	ssize_t k;

	if (c->tls != NULL)
		return tls_result(c, tls_read(c->tls, p, n));
	k = read(c->fd, p, n);
	if (k == -1 && (errno == EAGAIN || errno == EINTR)) {
		c->want |= POLLIN;
		return IO_WAIT;
	}
	return k;
}

static ssize_t
io_write(struct conn *c, const void *p, size_t n)
{
	ssize_t k;

	if (c->tls != NULL)
		return tls_result(c, tls_write(c->tls, p, n));
	k = send(c->fd, p, n, MSG_NOSIGNAL);
	if (k == -1 && (errno == EAGAIN || errno == EINTR)) {
		c->want |= POLLOUT;
		return IO_WAIT;
	}
	return k;
}

short
conn_want(const struct conn *c)
{
	return c->want;
}

/* --- request */

/* Value of a field in the head, copied; 0 if it is not there. */
static int
field(const struct conn *c, const char *name, char *out, size_t size)
{
	const char *line, *end;
	size_t n;

	n = strlen(name);
	for (line = strstr(c->head.p, "\r\n"); line != NULL;
	    line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " \t");
		end = strstr(line, "\r\n");
		if (end == NULL || (size_t)(end - line) >= size)
			return 0;
		memcpy(out, line, (size_t)(end - line));
		out[end - line] = '\0';
		return 1;
	}
	return 0;
}

static void
plan_refusal(struct conn *c, const char *line)
{
	struct step *s;

	s = plan_step(&c->plan, 0);
	buf_fmt(&s->out, "HTTP/1.1 %s\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n", line);
	s->act = ACT_CLOSE;
}

static void
plan_make(struct conn *c)
{
	struct call call;
	char msg[1200];

	memset(&call, 0, sizeof(call));
	call.ask = &c->ask;
	call.plan = &c->plan;
	call.key = c->key;
	call.bodylen = c->body.n;
	call.number = ++ncalls;
	if (!key_allowed(c->key)) {
		snprintf(msg, sizeof(msg), "Incorrect API key provided: %s.",
		    c->key);
		answer_error(&call, 401, "authentication_error", msg);
		answer_plan(&call);
	} else
		mode_plan(&call);
	answer_free(&call.reply);
}

/* The request is here (or enough of it): the answer begins. */
static void
answer_begin(struct conn *c, int complete)
{
	c->requests++;
	c->ask.route = ask_route(c->target);
	if (complete)
		ask_read(&c->ask, c->body.p == NULL ? "" : c->body.p,
		    c->body.n);
	else {
		snprintf(c->ask.model, sizeof(c->ask.model), "mode-early");
		buf_str(&c->ask.text, "");
	}
	log_request(c, complete);
	plan_make(c);
	c->phase = P_ANSWER;
	c->step = c->sent = 0;
	c->total = 0;
	c->due = now_ns() + (uint64_t)c->plan.s[0].delay * 1000000;
}

static void
refuse(struct conn *c, const char *line)
{
	c->requests++;
	plan_refusal(c, line);
	log_request(c, 0);
	c->phase = P_ANSWER;
	c->step = c->sent = 0;
	c->due = now_ns();
}

static void
head_read(struct conn *c)
{
	static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char v[64];

	c->method[0] = c->target[0] = c->auth[0] = '\0';
	c->length = 0;
	sscanf(c->head.p, "%15s %511s", c->method, c->target);
	if (!field(c, "authorization", c->auth, sizeof(c->auth)) &&
	    !field(c, "x-api-key", c->auth, sizeof(c->auth)) &&
	    !field(c, "api-key", c->auth, sizeof(c->auth)))
		field(c, "x-goog-api-key", c->auth, sizeof(c->auth));
	c->key = c->auth;
	if (strncasecmp(c->key, "Bearer ", 7) == 0)
		c->key += 7;
	if (field(c, "transfer-encoding", v, sizeof(v))) {
		refuse(c, "411 Length Required");
		return;
	}
	if (field(c, "content-length", v, sizeof(v)))
		c->length = strtoul(v, NULL, 10);
	if (c->length > MAX_BODY) {
		refuse(c, "413 Too Large");
		return;
	}
	if (field(c, "expect", v, sizeof(v)))
		(void)io_write(c, go, sizeof(go) - 1);
	c->phase = P_BODY;
}

/* Takes from c->in what the phase can use. */
static int
input(struct conn *c)
{
	char *end;
	size_t n;

	if (c->phase == P_HEAD) {
		end = c->in.n == 0 ? NULL :
		    memmem(c->in.p, c->in.n, "\r\n\r\n", 4);
		if (end == NULL)
			return c->in.n > MAX_HEAD ? -1 : 0;
		n = (size_t)(end - c->in.p) + 4;
		call_free(c);
		buf_add(&c->head, c->in.p, n);
		buf_drop(&c->in, n);
		head_read(c);
	}
	if (c->phase == P_BODY) {
		n = c->length - c->body.n;
		if (n > c->in.n)
			n = c->in.n;
		if (n > 0) {
			buf_add(&c->body, c->in.p, n);
			buf_drop(&c->in, n);
		}
		if (c->body.n == c->length)
			answer_begin(c, 1);
		else if (mode_early(c->body.p, c->body.n < 4096 ?
		    c->body.n : 4096))
			answer_begin(c, 0);
	}
	return 0;
}

static int
readable(struct conn *c)
{
	char chunk[65536];
	ssize_t n;

	while (c->in.n < 1024 * 1024) {
		n = io_read(c, chunk, sizeof(chunk));
		if (n == IO_WAIT)
			return 0;
		if (n == 0)
			return gone(c, "fin");
		if (n < 0)
			return gone(c, "rst");
		buf_add(&c->in, chunk, (size_t)n);
		if (input(c) == -1)
			return -1;
	}
	c->want &= ~POLLIN;	/* full: not before this answer is done */
	return 0;
}

/* --- answer */

static int
act(struct conn *c, enum act a)
{
	struct linger hard;

	switch (a) {
	case ACT_RESET:
		hard.l_onoff = 1;
		hard.l_linger = 0;
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		log_event(c, "reset", "");
		return -1;
	case ACT_CLOSE:
		if (c->tls != NULL)
			tls_close(c->tls);
		log_event(c, "closed", "");
		return -1;
	case ACT_HANG:
		c->due = 0;
		return 1;
	default:
		return 0;
	}
}

/* Sends what is due.  -1: the connection ends. */
static int
answer_turn(struct conn *c, uint64_t now)
{
	struct step *s;
	ssize_t n;
	int rv;

	while (c->phase == P_ANSWER && c->due != 0 && now >= c->due) {
		s = &c->plan.s[c->step];
		while (c->sent < s->out.n) {
			n = io_write(c, s->out.p + c->sent,
			    s->out.n - c->sent);
			if (n == IO_WAIT)
				return 0;
			if (n <= 0)
				return gone(c, "rst");
			c->sent += (size_t)n;
			c->total += (uint64_t)n;
		}
		rv = act(c, s->act);
		if (rv != 0)
			return rv == 1 ? 0 : -1;
		c->sent = 0;
		if (++c->step < c->plan.n) {
			c->due = now + (uint64_t)c->plan.s[c->step].delay *
			    1000000;
			continue;
		}
		log_event(c, "answered", "");
		c->phase = P_HEAD;
		c->want |= POLLIN;
		if (c->in.n > 0 && input(c) == -1)
			return -1;
	}
	return 0;
}

static int
handshake(struct conn *c)
{
	ssize_t n;

	n = tls_result(c, tls_handshake(c->tls));
	if (n == IO_WAIT)
		return 0;
	if (n != 0)
		return gone(c, "handshake");
	c->phase = P_HEAD;
	return 0;
}

/* One turn of the loop; now in ns.  -1: the connection is to be freed. */
int
conn_turn(struct conn *c, short revents, uint64_t now)
{
	if (revents != 0) {
		c->want = POLLIN;
		if (c->phase == P_HANDSHAKE && handshake(c) == -1)
			return -1;
		if (c->phase == P_HANDSHAKE)
			return 0;
		if (readable(c) == -1)
			return -1;
		now = now_ns();
	}
	return answer_turn(c, now);
}
