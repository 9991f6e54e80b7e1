/* SPDX-License-Identifier: ISC */

/*
 * One request and its one bounded answer.  The URL's host must be a row of the
 * list; what is no byte of a header goes into none; the answer's head and
 * framing are judged by common/http as an upstream's are.  No redirect is
 * followed: Location is told to the back end, which has to ask again by name.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <sys/socket.h>

#include "common/compat/compat.h"
#include "common/http/http1.h"
#include "common/proc/poll.h"
#include "keybrokerd/kms/kms.h"

static const struct http1_limits	limits = {
	.head = 32768, .line = 16384, .target = 0, .fields = 64,
	.body = KMS_REPLY_MAX
};

/* Made once, used by each request in turn; a body stays with its reply. */
static char	*scratch_head, *scratch_in, *scratch_chunks;

static int
scratch(void)
{
	if (scratch_head == NULL) {
		scratch_head = arena_new(KMS_REQUEST_MAX);
		scratch_in = arena_new(KMS_REPLY_MAX);
		scratch_chunks = arena_new(KMS_REPLY_MAX);
	}
	return scratch_chunks == NULL ? -1 : 0;
}

/* Plain for loopback and metadata, else TLS. */
struct wire {
	struct https	*tls;
	int		 fd;
	uint64_t	 deadline;
};

void
fetch_header(struct fetch *f, const char *name, const char *value)
{
	if (f->n == FETCH_HEADERS)
		return;
	f->names[f->n] = name;
	f->values[f->n++] = value;
}

static int
printable(const char *s)
{
	if (s == NULL)
		return 0;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s > 126)
			return 0;
	return 1;
}

/* "host", "host:port", "[v6]:port": the port only if it is not usual. */
static void
host_field(const struct kms_url *u, char *out, size_t size)
{
	int	 literal;

	literal = strchr(u->host, ':') != NULL;
	if (u->port == (u->tls ? 443 : 80))
		snprintf(out, size, "%s%s%s", literal ? "[" : "", u->host,
		    literal ? "]" : "");
	else
		snprintf(out, size, "%s%s%s:%u", literal ? "[" : "", u->host,
		    literal ? "]" : "", (unsigned int)u->port);
}

long
fetch_head(const struct fetch *f, const struct kms_url *u, char *out,
    size_t size)
{
	char	 host[HOST_MAX + 16];
	size_t	 i, len;
	int	 n;

	host_field(u, host, sizeof(host));
	n = snprintf(out, size, "%s %s HTTP/1.1\r\nHost: %s\r\n", f->method,
	    u->path, f->host != NULL ? f->host : host);
	for (i = 0; i < f->n && n >= 0 && (size_t)n < size; i++) {
		if (!printable(f->values[i]))
			return -1;
		n += snprintf(out + n, size - (size_t)n, "%s: %s\r\n",
		    f->names[i], f->values[i]);
	}
	if (n >= 0 && (size_t)n < size && (f->body != NULL ||
	    strcmp(f->method, "GET") != 0)) {
		len = f->body == NULL ? 0 : strlen(f->body);
		n += snprintf(out + n, size - (size_t)n,
		    "Content-Length: %zu\r\n", len);
	}
	if (n >= 0 && (size_t)n < size)
		n += snprintf(out + n, size - (size_t)n,
		    "User-Agent: proxyd-kms\r\nConnection: close\r\n\r\n");
	return n < 0 || (size_t)n >= size ? -1 : n;
}

/* ---- the wire ------------------------------------------------------------ */

static int
wait_fd(int fd, short events, uint64_t deadline)
{
	struct pollfd	 p;
	uint64_t	 now;

	now = poll_now();
	p.fd = fd;
	p.events = events;
	if (now >= deadline ||
	    poll(&p, 1, (int)((deadline - now) / NS_MS) + 1) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return 0;
}

static int
put(struct wire *w, const char *p, size_t n)
{
	ssize_t	 r;

	if (w->tls != NULL)
		return https_send(w->tls, p, n, w->deadline);
	while (n > 0) {
		r = send(w->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r == -1 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (r == -1) {
			if (wait_fd(w->fd, POLLOUT, w->deadline) == -1)
				return -1;
			continue;
		}
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static long
get(struct wire *w, char *p, size_t n)
{
	ssize_t	 r;

	if (w->tls != NULL)
		return https_recv(w->tls, p, n, w->deadline);
	for (;;) {
		r = recv(w->fd, p, n, MSG_DONTWAIT);
		if (r >= 0 || (errno != EAGAIN && errno != EINTR))
			return r;
		if (wait_fd(w->fd, POLLIN, w->deadline) == -1)
			return -1;
	}
}

static void
hang_up(struct wire *w)
{
	if (w->tls != NULL)
		https_close(&w->tls);
	else if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
}

static enum proto_kms_class
reach(struct kms *k, const struct kms_url *u, struct wire *w,
    const struct fetch *f)
{
	enum proto_kms_class	 class;
	char			 label[64], why[256];
	uint64_t		 deadline, now;
	int			 row;

	row = kmstarget_find(&k->targets, u->tls, u->host, u->port, label);
	if (row == -1)
		return text_say(k, KC_CONFIG, "%s://%.128s:%u is not a host of "
		    "this KMS: name it in TAPPASS_KMS_HOSTS if it is",
		    u->tls ? "https" : "http", u->host, u->port);
	now = poll_now();
	deadline = now + (f->ms != 0 ? f->ms : KMS_CONNECT_MS) * NS_MS;
	if (deadline > w->deadline)
		deadline = w->deadline;
	w->fd = fetch_connect(k, row, label, deadline, why, sizeof(why));
	if (w->fd == -1)
		return text_say(k, KC_UNAVAILABLE, "%.200s", why);
	if (!u->tls)
		return KC_OK;
	/* A slow peer gets one more span for its handshake. */
	deadline = poll_now() + KMS_CONNECT_MS * NS_MS;
	w->tls = https_open(&k->targets.t[row], u->host, w->fd,
	    deadline < w->deadline ? deadline : w->deadline, &class, why,
	    sizeof(why));
	if (w->tls != NULL)
		return KC_OK;
	w->fd = -1;
	return text_say(k, class, "%.128s: %.200s", u->host, why);
}

/* ---- the answer ------------------------------------------------------------ */

static const char *
field(const struct http1_head *h, const char *buf, const char *name)
{
	const struct http1_field	*f;
	const char			*s;

	f = http1_find(h, (const uint8_t *)buf, name);
	if (f == NULL)
		return "";
	s = arena_dup(buf + f->value_off, f->value_len);
	return s == NULL || strlen(s) != f->value_len ? "" : s;
}

static void
fields(const struct http1_head *h, const char *buf, struct reply *r)
{
	const char	*err;
	int64_t		 t;

	r->status = h->status;
	r->challenge = field(h, buf, "www-authenticate");
	r->location = field(h, buf, "location");
	r->flavor = field(h, buf, "metadata-flavor");
	t = text_httpdate(field(h, buf, "date"));
	r->date = t == -1 ? 0 : t;
	/* Seconds; a date or zero says nothing.  AWS has its own, in ms. */
	t = strtonum(field(h, buf, "retry-after"), 1, 3600, &err);
	if (err == NULL)
		r->retry = (uint32_t)t * 1000;
	t = strtonum(field(h, buf, "x-amz-retry-after"), 1, 3600000, &err);
	if (err == NULL)
		r->retry = (uint32_t)t;
}

/* Reads up to one head, passing over 1xx; buf holds *have bytes afterwards. */
static const char *
read_head(struct wire *w, struct http1_head *h, char *buf, size_t *have)
{
	int	 v, interim;
	long	 n;

	*have = 0;
	interim = 0;
	http1_init(h);
	for (;;) {
		v = *have == 0 ? HTTP1_MORE : http1_response(
		    (const uint8_t *)buf, *have, &limits, h, false);
		if (v == HTTP1_REJECT)
			return h->reject.reason;
		if (v == HTTP1_DONE && h->status >= 200)
			return NULL;
		if (v == HTTP1_DONE) {
			if (++interim > 4)
				return "too many interim answers";
			*have -= h->head_len;
			memmove(buf, buf + h->head_len, *have);
			http1_init(h);
			continue;
		}
		if (*have == KMS_REPLY_MAX)
			return "its head is over 64 KiB";
		n = get(w, buf + *have, KMS_REPLY_MAX - *have);
		if (n <= 0)
			return n == 0 ? "it closed before an answer" : "";
		*have += (size_t)n;
	}
}

/* The rest of a chunked body is decoded in place. */
static const char *
chunked(struct wire *w, char *buf, size_t have, size_t *len)
{
	const uint8_t		*data;
	struct chunk		 c;
	char			*in;
	size_t			 at, used, n;
	enum chunk_verdict	 v;
	long			 got;

	chunk_init(&c, CHUNK_RESPONSE, CHUNK_RESPONSE_DIGITS, KMS_REPLY_MAX);
	in = scratch_chunks;
	memcpy(in, buf, have);
	for (*len = at = 0;;) {
		v = chunk_read(&c, (const uint8_t *)in + at, have - at, &used,
		    &data, &n);
		at += used;
		if (v == CHUNK_DATA) {
			if (n > KMS_REPLY_MAX - *len)
				return "it is over 64 KiB";
			memcpy(buf + *len, data, n);
			*len += n;
		} else if (v == CHUNK_END)
			return NULL;
		else if (v == CHUNK_REJECT)
			return c.reason;
		else {
			at = 0;
			got = get(w, in, KMS_REPLY_MAX);
			if (got <= 0)
				return got == 0 ? "it closed in the middle" :
				    "";
			have = (size_t)got;
		}
	}
}

/* buf has have bytes of the body and room for KMS_REPLY_MAX. */
static const char *
read_body(struct wire *w, const struct http1_head *h, char *buf, size_t have,
    size_t *len)
{
	size_t	 want;
	long	 n;

	*len = 0;
	if (h->body == HTTP1_BODY_NONE)
		return NULL;
	if (h->body == HTTP1_BODY_CHUNKED)
		return chunked(w, buf, have, len);
	want = h->body == HTTP1_BODY_LENGTH ? (size_t)h->content_length :
	    KMS_REPLY_MAX + 1;
	if (h->body == HTTP1_BODY_LENGTH && want > KMS_REPLY_MAX)
		return "it is over 64 KiB";
	while (have < want) {
		if (have > KMS_REPLY_MAX)
			return "it is over 64 KiB";
		n = get(w, buf + have, want - have > KMS_REPLY_MAX + 1 - have ?
		    KMS_REPLY_MAX + 1 - have : want - have);
		if (n == 0 && h->body == HTTP1_BODY_CLOSE) {
			want = have;
			break;
		}
		if (n <= 0)
			return n == 0 ? "it closed in the middle" : "";
		have += (size_t)n;
	}
	if (want > KMS_REPLY_MAX)
		return "it is over 64 KiB";
	*len = want;
	return NULL;
}

/* "" stands for errno: the network's fault, or the time is over. */
static enum proto_kms_class
broken(struct kms *k, const struct kms_url *u, const char *why)
{
	if (why[0] == '\0')
		return text_say(k, KC_UNAVAILABLE, "%.128s: %s", u->host,
		    errno == ETIMEDOUT ? "no answer in time" :
		    "the connection broke");
	if (strncmp(why, "it closed", 9) == 0)
		return text_say(k, KC_UNAVAILABLE, "%.128s: %s", u->host, why);
	return text_say(k, KC_PROTOCOL, "answer of %.128s refused: %.150s",
	    u->host, why);
}

static enum proto_kms_class
answer(struct kms *k, const struct kms_url *u, struct wire *w,
    struct reply *r)
{
	static struct http1_head	 h;
	const char			*why;
	char				*buf, *body;
	size_t				 have;

	buf = scratch_in;
	body = arena_new(KMS_REPLY_MAX + 2);
	if (body == NULL)
		return text_say(k, KC_PROTOCOL, "out of memory");
	why = read_head(w, &h, buf, &have);
	if (why == NULL) {
		fields(&h, buf, r);
		have -= h.head_len;
		memcpy(body, buf + h.head_len, have);
		why = read_body(w, &h, body, have, &r->len);
	}
	if (why != NULL)
		return broken(k, u, why);
	body[r->len] = '\0';
	r->body = body;
	if (r->len > 0 && body[strspn(body, " \t\r\n")] == '{')
		r->json = json_loadb(body, r->len, JSON_REJECT_DUPLICATES,
		    NULL);
	return KC_OK;
}

enum proto_kms_class
fetch_do(struct kms *k, const struct fetch *f, struct reply *r)
{
	enum proto_kms_class	 class;
	struct kms_url		 u;
	struct wire		 w;
	char			*head;
	long			 n;

	memset(r, 0, sizeof(*r));
	memset(&w, 0, sizeof(w));
	w.fd = -1;
	w.deadline = poll_now() + (f->ms != 0 ? f->ms : KMS_TOTAL_MS) * NS_MS;
	if (w.deadline > k->deadline)
		w.deadline = k->deadline;
	if (scratch() == -1)
		return text_say(k, KC_PROTOCOL, "out of memory");
	head = scratch_head;
	if (f->url == NULL || kmsurl_parse(&u, f->url) == -1)
		return text_say(k, KC_CONFIG, "not a URL that can be asked");
	n = fetch_head(f, &u, head, KMS_REQUEST_MAX);
	if (n == -1)
		return text_say(k, KC_CONFIG, "a value for %.128s is too long "
		    "or has a byte that no header may have", u.host);
	class = reach(k, &u, &w, f);
	if (class != KC_OK)
		return class;
	if (put(&w, head, (size_t)n) == -1 || (f->body != NULL &&
	    put(&w, f->body, strlen(f->body)) == -1))
		class = broken(k, &u, "");
	else
		class = answer(k, &u, &w, r);
	hang_up(&w);
	return class;
}
