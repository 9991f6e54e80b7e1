/* SPDX-License-Identifier: ISC */

/*
 * Heads of HTTP/1.1 messages.  Holds offsets only.  Believes nobody: a client
 * chose every byte of a request, a provider every byte of an answer.  Must
 * never accept a head that another reader could take for a different one.
 *
 * The bytes are walked once, in order, and each line is judged when its CRLF
 * is there; so a verdict falls at a certain byte, however reads split them.
 */

#include <string.h>

#include "common/http/field.h"
#include "common/http/http1.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* Method, two spaces and version beside the longest target. */
#define LINE_SLACK	64

/* More digits of a content-length are not read; 18 fit an int64_t. */
#define LENGTH_DIGITS	18

enum phase { START, FIELDS, DONE, REJECTED };

/* Where a rule applies, and whether its field may stand only once. */
#define REQUEST		0x1
#define RESPONSE	0x2
#define ONCE		0x4

const struct http1_limits http1_request_limits = {
	.head = HTTP1_HEAD_MAX,
	.line = HTTP1_LINE_MAX,
	.target = HTTP1_TARGET_MAX,
	.fields = HTTP1_MAXFIELDS,
	.body = HTTP1_BODY_MAX,
};

const struct http1_limits http1_response_limits = {
	.head = HTTP1_ANSWER_HEAD_MAX,
	.line = HTTP1_ANSWER_LINE_MAX,
	.target = 0,
	.fields = HTTP1_MAXFIELDS,
	.body = INT64_MAX,
};

static const struct {
	const char		*name;
	enum http1_method	 method;
} methods[] = {
	{ "GET", HTTP1_GET },
	{ "HEAD", HTTP1_HEAD },
	{ "POST", HTTP1_POST },
	{ "PUT", HTTP1_PUT },
	{ "PATCH", HTTP1_PATCH },
	{ "DELETE", HTTP1_DELETE },
	{ "OPTIONS", HTTP1_OPTIONS },
};

struct range {
	const uint8_t	*p;
	size_t		 n;
};

static int	apply_host(struct http1_head *, struct range);
static int	apply_length(struct http1_head *, struct range);
static int	apply_coding(struct http1_head *, struct range);
static int	apply_connection(struct http1_head *, struct range);
static int	apply_upgrade(struct http1_head *, struct range);
static int	apply_expect(struct http1_head *, struct range);
static int	apply_encoding(struct http1_head *, struct range);

/*
 * Fields with a meaning for us.  Credentials and the content type have no
 * handler here, but two of a kind would leave the choice to the reader.
 */
static const struct rule {
	const char	*name;
	unsigned int	 flags;
	int		(*apply)(struct http1_head *, struct range);
} rules[] = {
#define RULE_HOST	0
	{ "host", REQUEST | ONCE, apply_host },
	{ "content-length", REQUEST | RESPONSE | ONCE, apply_length },
	{ "transfer-encoding", REQUEST | RESPONSE | ONCE, apply_coding },
	{ "connection", REQUEST | RESPONSE, apply_connection },
	{ "upgrade", REQUEST, apply_upgrade },
	{ "expect", REQUEST | ONCE, apply_expect },
	{ "content-encoding", REQUEST | RESPONSE, apply_encoding },
	{ "content-type", REQUEST | ONCE, NULL },
	{ "authorization", REQUEST | ONCE, NULL },
	{ "x-api-key", REQUEST | ONCE, NULL },
	{ "api-key", REQUEST | ONCE, NULL },
	{ "anthropic-version", REQUEST | ONCE, NULL },
};

static int
reject(struct http1_head *h, uint16_t status, const char *reason)
{
	h->phase = REJECTED;
	h->reject.status = h->answer ? 502 : status;
	h->reject.reason = reason;
	return HTTP1_REJECT;
}

void
http1_init(struct http1_head *h)
{
	memset(h, 0, sizeof(*h));
	h->content_length = -1;
}

/* Takes blanks off both ends; RFC 9110 5.6.3 OWS, nothing wider. */
static struct range
trim(struct range r)
{
	while (r.n > 0 && (r.p[0] == ' ' || r.p[0] == '\t')) {
		r.p++;
		r.n--;
	}
	while (r.n > 0 && (r.p[r.n - 1] == ' ' || r.p[r.n - 1] == '\t'))
		r.n--;
	return r;
}

/* RFC 9112 2.3; sets minor. */
static int
parse_version(struct http1_head *h, struct range v)
{
	if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[6] != '.' ||
	    v.p[5] < '0' || v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9')
		return reject(h, 400, "The HTTP version is malformed.");
	if (v.p[5] != '1' || v.p[7] > '1')
		return reject(h, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken "
		    "here.");
	h->minor = v.p[7] == '1';
	return HTTP1_MORE;
}

/* TRACE and CONNECT are unknown here like any other. */
static int
parse_method(struct http1_head *h, struct range m)
{
	size_t	 i;

	for (i = 0; i < NITEMS(methods); i++) {
		if (strlen(methods[i].name) == m.n &&
		    memcmp(methods[i].name, m.p, m.n) == 0) {
			h->method = methods[i].method;
			return HTTP1_MORE;
		}
	}
	return reject(h, 501, "The request method is not implemented.");
}

/* Origin form only: a target that names a host could contradict Host. */
static int
parse_target(struct http1_head *h, struct range t, uint32_t max)
{
	if (t.n > max)
		return reject(h, 414, "The request target is too long.");
	if (t.n == 0 || t.p[0] != '/')
		return reject(h, 400, "The request target must be a path that "
		    "begins with a slash.");
	if (memchr(t.p, '#', t.n) != NULL)
		return reject(h, 400, "The request target contains a "
		    "fragment.");
	return HTTP1_MORE;
}

static int
request_line(struct http1_head *h, struct range l,
    const struct http1_limits *lim)
{
	const uint8_t	*sp1, *sp2;
	struct range	 m, t, v;

	sp1 = memchr(l.p, ' ', l.n);
	if (sp1 == NULL)
		return reject(h, 400, "The request line is malformed.");
	m = (struct range){ l.p, (size_t)(sp1 - l.p) };
	if (!field_is_token(m.p, m.n))
		return reject(h, 400, "The request method is malformed.");
	t = (struct range){ sp1 + 1, l.n - m.n - 1 };
	sp2 = memchr(t.p, ' ', t.n);
	if (sp2 == NULL)
		return reject(h, 400, "The request line has no HTTP version.");
	v = (struct range){ sp2 + 1, t.n - (size_t)(sp2 - t.p) - 1 };
	t.n = (size_t)(sp2 - t.p);
	h->method_len = (uint32_t)m.n;
	h->target_off = h->method_len + 1;
	h->target_len = (uint32_t)t.n;
	if (parse_version(h, v) == HTTP1_REJECT ||
	    parse_method(h, m) == HTTP1_REJECT)
		return HTTP1_REJECT;
	return parse_target(h, t, lim->target);
}

/* RFC 9112 4; the phrase, or even the space before it, may be missing. */
static int
status_line(struct http1_head *h, struct range l)
{
	size_t	 i;

	if (l.n < 12 || l.p[8] != ' ' || (l.n > 12 && l.p[12] != ' '))
		return reject(h, 502, "The provider's status line is "
		    "malformed.");
	if (parse_version(h, (struct range){ l.p, 8 }) == HTTP1_REJECT)
		return HTTP1_REJECT;
	for (i = 9; i < 12; i++) {
		if (l.p[i] < '0' || l.p[i] > '9')
			return reject(h, 502, "The provider's status code is "
			    "malformed.");
		h->status = (uint16_t)(h->status * 10 + (l.p[i] - '0'));
	}
	if (h->status < 100 || h->status > 599)
		return reject(h, 502, "The provider's status code is out of "
		    "range.");
	if (h->status == 101)
		return reject(h, 502, "The provider switched protocols.");
	if (l.n > 13) {
		h->phrase_off = 13;
		h->phrase_len = (uint32_t)(l.n - 13);
	}
	return HTTP1_MORE;
}

/* 1 to 5 digits, at most 65535. */
static bool
is_port(struct range r)
{
	uint32_t	 v;
	size_t		 i;

	v = 0;
	for (i = 0; i < r.n && i < 6; i++) {
		if (r.p[i] < '0' || r.p[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(r.p[i] - '0');
	}
	return r.n >= 1 && r.n <= 5 && v <= 65535;
}

/* Bytes of a host name, or of an address within brackets. */
static bool
is_host_byte(uint8_t c, bool bracket)
{
	if (c >= '0' && c <= '9')
		return true;
	if (bracket)
		return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
		    c == ':' || c == '.';
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    c == '-' || c == '.' || c == '_' || c == '~';
}

/*
 * RFC 9110 7.2, without what RFC 3986 allows in a name and no host has: percent
 * escapes and sub-delimiters.  No userinfo.
 */
static int
apply_host(struct http1_head *h, struct range v)
{
	size_t	 i;
	bool	 bracket, ok;

	bracket = v.n > 0 && v.p[0] == '[';
	i = bracket;
	while (i < v.n && is_host_byte(v.p[i], bracket))
		i++;
	ok = i > (size_t)bracket && i <= 255;
	if (bracket) {
		ok = ok && i < v.n && v.p[i] == ']';
		i++;
	}
	if (ok && i < v.n)
		ok = v.p[i] == ':' && is_port((struct range){ v.p + i + 1,
		    v.n - i - 1 });
	if (!ok)
		return reject(h, 400, "The Host field is malformed.");
	return HTTP1_MORE;
}

/* RFC 9110 8.6: 1*DIGIT, no list, no sign. */
static int
apply_length(struct http1_head *h, struct range v)
{
	int64_t	 n;
	size_t	 i;

	n = 0;
	for (i = 0; i < v.n && i < LENGTH_DIGITS; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			break;
		n = n * 10 + (v.p[i] - '0');
	}
	if (v.n == 0 || i < v.n)
		return reject(h, 400, "Content-Length is not a number that "
		    "can be read in one way only.");
	h->content_length = n;
	return HTTP1_MORE;
}

/* RFC 9112 6.1: no list, no parameter, no other coding. */
static int
apply_coding(struct http1_head *h, struct range v)
{
	if (!field_equal(v.p, v.n, "chunked"))
		return reject(h, 400, "Transfer-Encoding must be exactly "
		    "chunked.");
	h->chunked = true;
	return HTTP1_MORE;
}

static int
apply_connection(struct http1_head *h, struct range v)
{
	struct range	 e;
	size_t		 pos;

	pos = 0;
	while (field_element(v.p, v.n, &pos, &e.p, &e.n)) {
		if (!field_is_token(e.p, e.n))
			return reject(h, 400, "The Connection field is "
			    "malformed.");
		if (field_equal(e.p, e.n, "close"))
			h->close = true;
		else if (field_equal(e.p, e.n, "keep-alive"))
			h->persist = true;
	}
	return HTTP1_MORE;
}

/* The least welcome protocol named counts; the enum is in that order. */
static int
apply_upgrade(struct http1_head *h, struct range v)
{
	struct range		 e;
	enum http1_upgrade	 u;
	size_t			 pos;

	pos = 0;
	while (field_element(v.p, v.n, &pos, &e.p, &e.n)) {
		if (field_equal(e.p, e.n, "h2c"))
			u = HTTP1_UPGRADE_H2C;
		else if (field_equal(e.p, e.n, "websocket"))
			u = HTTP1_UPGRADE_WEBSOCKET;
		else
			u = HTTP1_UPGRADE_OTHER;
		if (u > h->upgrade)
			h->upgrade = u;
	}
	return HTTP1_MORE;
}

static int
apply_expect(struct http1_head *h, struct range v)
{
	if (!field_equal(v.p, v.n, "100-continue"))
		return reject(h, 417, "Only the expectation 100-continue can "
		    "be met.");
	h->expect_continue = true;
	return HTTP1_MORE;
}

/* Nothing is decompressed, so a request must not be compressed. */
static int
apply_encoding(struct http1_head *h, struct range v)
{
	if (v.n == 0 || field_equal(v.p, v.n, "identity"))
		return HTTP1_MORE;
	if (!h->answer)
		return reject(h, 415, "Compressed request bodies are not "
		    "accepted; send the body without Content-Encoding.");
	h->encoded = true;
	return HTTP1_MORE;
}

/*
 * True if a name is Content-Length or Transfer-Encoding once everything but
 * letters and digits is taken out: "content_length" is the same variable to
 * some servers, and nobody sends it in good faith.
 */
static bool
is_lookalike(struct range name)
{
	char	 squeezed[sizeof("transferencoding")];
	size_t	 i, n;
	uint8_t	 c;

	n = 0;
	for (i = 0; i < name.n; i++) {
		c = name.p[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
			continue;
		if (n == sizeof(squeezed) - 1)
			return false;
		squeezed[n++] = (char)c;
	}
	squeezed[n] = '\0';
	return strcmp(squeezed, "transferencoding") == 0 ||
	    strcmp(squeezed, "contentlength") == 0;
}

/* Finds the rule for a field and applies it. */
static int
apply(struct http1_head *h, struct range name, struct range value)
{
	const struct rule	*r;
	unsigned int		 side;
	size_t			 i;

	side = h->answer ? RESPONSE : REQUEST;
	for (i = 0; i < NITEMS(rules); i++) {
		r = &rules[i];
		if ((r->flags & side) == 0 ||
		    !field_equal(name.p, name.n, r->name))
			continue;
		if ((r->flags & ONCE) != 0 && (h->seen & 1U << i) != 0)
			return reject(h, 400, "A field that may stand once "
			    "was sent twice.");
		h->seen |= 1U << i;
		return r->apply == NULL ? HTTP1_MORE : r->apply(h, value);
	}
	if (is_lookalike(name))
		return reject(h, 400, "A field name imitates Content-Length "
		    "or Transfer-Encoding.");
	return HTTP1_MORE;
}

static int
field_line(struct http1_head *h, const uint8_t *buf, struct range l,
    const struct http1_limits *lim)
{
	const uint8_t		*colon;
	struct http1_field	*f;
	struct range		 name, value;

	if (l.p[0] == ' ' || l.p[0] == '\t')
		return reject(h, 400, "A field line begins with a blank.");
	colon = memchr(l.p, ':', l.n);
	if (colon == NULL)
		return reject(h, 400, "A field line has no colon.");
	name = (struct range){ l.p, (size_t)(colon - l.p) };
	if (!field_is_token(name.p, name.n))
		return reject(h, 400, "A field name is malformed.");
	if (h->nfields == HTTP1_MAXFIELDS || h->nfields >= lim->fields)
		return reject(h, 431, "There are too many header fields.");
	value = trim((struct range){ colon + 1, l.n - name.n - 1 });
	f = &h->fields[h->nfields++];
	f->name_off = (uint32_t)(name.p - buf);
	f->name_len = (uint32_t)name.n;
	f->value_off = (uint32_t)(value.p - buf);
	f->value_len = (uint32_t)value.n;
	return apply(h, name, value);
}

static int
finish(struct http1_head *h)
{
	if (h->body == HTTP1_BODY_CLOSE)
		h->close = true;
	h->keep_alive = !h->close && (h->minor == 1 || h->persist);
	h->head_len = h->scan;
	h->phase = DONE;
	return HTTP1_DONE;
}

/* RFC 9112 6.3, for both sides: what the two framing fields say together. */
static int
check_framing(struct http1_head *h, const struct http1_limits *lim)
{
	if (h->chunked && h->content_length != -1)
		return reject(h, 400, "Content-Length and Transfer-Encoding "
		    "exclude each other.");
	if (h->chunked && h->minor == 0)
		return reject(h, 400, "HTTP/1.0 has no Transfer-Encoding.");
	if (h->content_length > 0 && (uint64_t)h->content_length > lim->body)
		return reject(h, 413, "The body is larger than allowed.");
	if (h->chunked)
		h->body = HTTP1_BODY_CHUNKED;
	else if (h->content_length > 0)
		h->body = HTTP1_BODY_LENGTH;
	return HTTP1_MORE;
}

static int
request_end(struct http1_head *h, const struct http1_limits *lim)
{
	if ((h->seen & 1U << RULE_HOST) == 0)
		return reject(h, 400, "The Host field is missing.");
	if (check_framing(h, lim) == HTTP1_REJECT)
		return HTTP1_REJECT;
	if ((h->method == HTTP1_GET || h->method == HTTP1_HEAD) &&
	    h->body != HTTP1_BODY_NONE)
		return reject(h, 400, "GET and HEAD carry no body.");
	/* RFC 9110 10.1.1: nothing to wait for, or nobody who would. */
	if (h->body == HTTP1_BODY_NONE || h->minor == 0)
		h->expect_continue = false;
	return finish(h);
}

static int
response_end(struct http1_head *h, const struct http1_limits *lim,
    bool head_request)
{
	bool	 bare;

	if (check_framing(h, lim) == HTTP1_REJECT)
		return HTTP1_REJECT;
	bare = h->status < 200 || h->status == 204;
	if (bare && h->body != HTTP1_BODY_NONE)
		return reject(h, 502, "The provider announced a body where "
		    "none can be.");
	if (bare || h->status == 304 || head_request)
		h->body = HTTP1_BODY_NONE;
	else if (h->body == HTTP1_BODY_NONE && h->content_length == -1)
		h->body = HTTP1_BODY_CLOSE;
	return finish(h);
}

/* Judges the line that ends before its CRLF at h->scan. */
static int
line(struct http1_head *h, const uint8_t *buf, const struct http1_limits *lim,
    bool head_request)
{
	struct range	 l;
	int		 v;

	l = (struct range){ buf + h->line, h->scan - h->line - 2 };
	if (h->phase == START) {
		v = h->answer ? status_line(h, l) : request_line(h, l, lim);
		if (v == HTTP1_MORE)
			h->phase = FIELDS;
		return v;
	}
	if (l.n > 0)
		return field_line(h, buf, l, lim);
	return h->answer ? response_end(h, lim, head_request) :
	    request_end(h, lim);
}

/* True for a byte that may stand in the current line, CR and LF excepted. */
static bool
is_allowed(const struct http1_head *h, uint8_t c)
{
	if (h->phase == START && !h->answer)
		return c >= ' ' && c <= '~';
	return (c >= ' ' && c != 0x7f) || c == '\t';
}

/* One byte, CR and LF excepted; counted against the line's limit. */
static int
step(struct http1_head *h, uint8_t c, const struct http1_limits *lim)
{
	uint32_t	 max;
	bool		 first;

	if (!is_allowed(h, c))
		return reject(h, 400, "The head contains a forbidden byte.");
	first = h->phase == START && !h->answer;
	max = first ? lim->target + LINE_SLACK : lim->line;
	if (h->scan - h->line <= max)
		return HTTP1_MORE;
	if (first)
		return reject(h, 414, "The request line is too long.");
	return reject(h, 431, "A header line is too long.");
}

static int
walk(const uint8_t *buf, size_t len, const struct http1_limits *lim,
    struct http1_head *h, bool head_request)
{
	uint8_t	 c;
	int	 v;

	if (h->phase == DONE)
		return HTTP1_DONE;
	if (h->phase == REJECTED)
		return HTTP1_REJECT;
	while (h->scan < len) {
		if (h->scan >= lim->head)
			return reject(h, 431, "The head is too large.");
		c = buf[h->scan++];
		if (h->cr != (c == '\n'))
			return reject(h, 400, "A line does not end in CR LF.");
		v = HTTP1_MORE;
		if (c == '\n') {
			v = line(h, buf, lim, head_request);
			h->line = h->scan;
		} else if (c != '\r')
			v = step(h, c, lim);
		h->cr = c == '\r';
		if (v != HTTP1_MORE)
			return v;
	}
	return HTTP1_MORE;
}

int
http1_request(const uint8_t *buf, size_t len, const struct http1_limits *lim,
    struct http1_head *h)
{
	return walk(buf, len, lim, h, false);
}

int
http1_response(const uint8_t *buf, size_t len, const struct http1_limits *lim,
    struct http1_head *h, bool head_request)
{
	h->answer = true;
	return walk(buf, len, lim, h, head_request);
}

static const struct http1_field *
find_from(const struct http1_head *h, const uint8_t *buf, size_t i,
    const char *name)
{
	const struct http1_field	*f;

	for (; i < h->nfields; i++) {
		f = &h->fields[i];
		if (field_equal(buf + f->name_off, f->name_len, name))
			return f;
	}
	return NULL;
}

const struct http1_field *
http1_find(const struct http1_head *h, const uint8_t *buf, const char *name)
{
	return find_from(h, buf, 0, name);
}

const struct http1_field *
http1_find_next(const struct http1_head *h, const uint8_t *buf,
    const struct http1_field *f, const char *name)
{
	return find_from(h, buf, (size_t)(f - h->fields) + 1, name);
}

bool
http1_named(const struct http1_head *h, const uint8_t *buf, const char *name)
{
	const struct http1_field	*f;
	struct range			 e;
	size_t				 pos;

	f = http1_find(h, buf, "connection");
	while (f != NULL) {
		pos = 0;
		while (field_element(buf + f->value_off, f->value_len, &pos,
		    &e.p, &e.n))
			if (field_equal(e.p, e.n, name))
				return true;
		f = http1_find_next(h, buf, f, "connection");
	}
	return false;
}

void
http1_lower(const struct http1_head *h, uint8_t *buf)
{
	uint8_t		*p;
	uint32_t	 i, k;

	for (i = 0; i < h->nfields; i++) {
		p = buf + h->fields[i].name_off;
		for (k = 0; k < h->fields[i].name_len; k++)
			if (p[k] >= 'A' && p[k] <= 'Z')
				p[k] |= 0x20;
	}
}
