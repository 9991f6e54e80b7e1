/* SPDX-License-Identifier: ISC */

/*
 * A provider's answer: head and framing, nothing of the body.  Pure, without
 * input or output.  Believes no byte of it: whatever has two readings ends the
 * call and the connection.  Must never let a field pass that field.h does not
 * name, nor a credential in a value.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keybrokerd/egress/egress.h"

enum { HEAD, NONE, LENGTH, CHUNKED, CLOSE, ENDED, FAILED };

/* More than a head can have, so that the parser itself refuses it. */
#define HEAD_ROOM	(HTTP1_ANSWER_HEAD_MAX + 1)

void
answer_init(struct answer *a, int head_request, uint64_t limit)
{
	memset(a, 0, sizeof(*a));
	a->head_request = head_request;
	a->limit = limit;
	http1_init(&a->head);
}

void
answer_wipe(struct answer *a)
{
	buf_reset(&a->buf);
}

static enum answer_event
bad(struct answer *a, const char *text)
{
	a->state = FAILED;
	a->text = text;
	return ANSWER_BAD;
}

static enum answer_event
large(struct answer *a)
{
	a->state = FAILED;
	a->text = "The provider's answer is longer than the limit.";
	return ANSWER_LARGE;
}

/* An interim answer ends where it ends; what follows is looked at again. */
static enum answer_event
interim(struct answer *a)
{
	buf_reset(&a->buf);
	http1_init(&a->head);
	if (++a->interim > ANSWER_INTERIM)
		return bad(a, "The provider sent too many interim answers.");
	return ANSWER_MORE;
}

static enum answer_event
final(struct answer *a)
{
	if (a->head.encoded)
		return bad(a, "The provider compressed its answer in spite of "
		    "identity.");
	switch (a->head.body) {
	case HTTP1_BODY_NONE:
		a->state = NONE;
		break;
	case HTTP1_BODY_LENGTH:
		a->state = LENGTH;
		a->left = (uint64_t)a->head.content_length;
		if (a->left > a->limit)
			return large(a);
		break;
	case HTTP1_BODY_CHUNKED:
		a->state = CHUNKED;
		chunk_init(&a->chunk, CHUNK_RESPONSE, CHUNK_RESPONSE_DIGITS,
		    a->limit);
		break;
	case HTTP1_BODY_CLOSE:
		a->state = CLOSE;
		break;
	}
	return ANSWER_HEAD;
}

static enum answer_event
head(struct answer *a, const uint8_t *in, size_t n, size_t *used)
{
	size_t	 before, take;
	int	 v;

	before = a->buf.len;
	take = HEAD_ROOM - before;
	if (take > n)
		take = n;
	buf_add(&a->buf, in, take);
	v = http1_response(a->buf.p, a->buf.len, &http1_response_limits,
	    &a->head, a->head_request != 0);
	if (v == HTTP1_REJECT)
		return bad(a, a->head.reject.reason);
	if (v == HTTP1_MORE) {
		*used = take;
		if (a->buf.len == HEAD_ROOM)
			return bad(a, "The provider's head is too large.");
		return ANSWER_MORE;
	}
	*used = a->head.head_len - before;
	return a->head.status < 200 ? interim(a) : final(a);
}

static enum answer_event
chunks(struct answer *a, const uint8_t *in, size_t n, size_t *used,
    const uint8_t **data, size_t *len)
{
	switch (chunk_read(&a->chunk, in, n, used, data, len)) {
	case CHUNK_DATA:
		a->body += *len;
		return ANSWER_DATA;
	case CHUNK_MORE:
		return ANSWER_MORE;
	case CHUNK_END:
		a->state = ENDED;
		return ANSWER_END;
	case CHUNK_REJECT:
		break;
	}
	if (a->chunk.data + a->chunk.left > a->limit)
		return large(a);
	return bad(a, a->chunk.reason);
}

/* The body as it stands, until its length or the connection's end. */
static enum answer_event
plain(struct answer *a, const uint8_t *in, size_t n, size_t *used,
    const uint8_t **data, size_t *len)
{
	if (a->state == LENGTH && n > a->left)
		n = (size_t)a->left;
	if (n > a->limit - a->body)
		return large(a);
	*used = *len = n;
	*data = in;
	a->body += n;
	if (a->state == LENGTH)
		a->left -= n;
	return ANSWER_DATA;
}

enum answer_event
answer_read(struct answer *a, const uint8_t *in, size_t n, size_t *used,
    const uint8_t **data, size_t *len)
{
	enum answer_event	 ev;
	size_t			 took;

	*used = *len = 0;
	if (a->state == NONE || (a->state == LENGTH && a->left == 0))
		a->state = ENDED;
	if (a->state == ENDED)
		return ANSWER_END;
	if (a->state == FAILED)
		return ANSWER_BAD;
	while (a->state == HEAD && *used < n) {
		took = 0;
		ev = head(a, in + *used, n - *used, &took);
		*used += took;
		if (ev != ANSWER_MORE)
			return ev;
	}
	if (*used == n)
		return ANSWER_MORE;
	if (a->state == CHUNKED)
		return chunks(a, in, n, used, data, len);
	return plain(a, in, n, used, data, len);
}

enum answer_event
answer_eof(struct answer *a)
{
	switch (a->state) {
	case HEAD:
		return ANSWER_TRUNCATED;
	case CLOSE:
		a->state = ENDED;
		return ANSWER_END;
	case NONE:
	case ENDED:
		return ANSWER_END;
	case LENGTH:
		return a->left == 0 ? ANSWER_END : ANSWER_TRUNCATED;
	case CHUNKED:
		return ANSWER_TRUNCATED;
	}
	return ANSWER_BAD;
}

int
answer_untouched(const struct answer *a)
{
	return a->state == HEAD && a->buf.len == 0 && a->interim == 0;
}

/* ---- towards the worker ------------------------------------------------ */

static uint8_t *
put_int(uint8_t *p, uint64_t v, int n)
{
	while (n-- > 0)
		*p++ = (uint8_t)(v >> (8 * n));
	return p;
}

static uint8_t *
put_str(uint8_t *p, const void *s, size_t n)
{
	p = put_int(p, n, 2);
	memcpy(p, s, n);
	return p + n;
}

/* A value with echoes masked; out has room for len + the credential's. */
static size_t
masked(const struct mask_key *k, const uint8_t *v, size_t len, uint8_t *out,
    uint32_t *echoes)
{
	struct mask	 m;
	size_t		 n;

	mask_init(&m, k);
	n = mask_feed(&m, v, len, out);
	n += mask_end(&m, out + n);
	*echoes += m.count;
	return n;
}

static int
is_events(const struct answer *a)
{
	const struct http1_field	*f;
	static const char		 type[] = "text/event-stream";
	size_t				 n;

	n = sizeof(type) - 1;
	f = http1_find(&a->head, a->buf.p, "content-type");
	return f != NULL && f->value_len >= n &&
	    field_equal(a->buf.p + f->value_off, n, type);
}

/*
 * Has a field before this one its name?  The first is the one that was judged
 * (is_events): of two a client might take the other.
 */
static int
is_repeated(const struct answer *a, uint32_t at)
{
	const struct http1_field	*f, *g;
	uint32_t			 i;

	f = &a->head.fields[at];
	for (i = 0; i < at; i++) {
		g = &a->head.fields[i];
		if (g->name_len == f->name_len && strncasecmp(
		    (const char *)a->buf.p + g->name_off,
		    (const char *)a->buf.p + f->name_off, f->name_len) == 0)
			return 1;
	}
	return 0;
}

/* The fields that pass; returns where they end, *count how many. */
static uint8_t *
fields(const struct answer *a, const struct mask_key *k, uint8_t *p,
    const uint8_t *end, uint8_t *count, uint32_t *echoes)
{
	const struct http1_field	*f;
	const uint8_t			*name, *value;
	const char			*as;
	uint8_t				 out[FIELD_VALUE_MAX + CREDENTIAL_MAX] UNSET;
	size_t				 n;
	uint32_t			 i;

	for (i = 0; i < a->head.nfields && *count < UINT8_MAX; i++) {
		f = &a->head.fields[i];
		name = a->buf.p + f->name_off;
		value = a->buf.p + f->value_off;
		if (field_answer(name, f->name_len, value, f->value_len,
		    &as) != FIELD_KEEP || f->value_len > FIELD_VALUE_MAX ||
		    http1_named(&a->head, a->buf.p, as) || is_repeated(a, i))
			continue;
		n = masked(k, value, f->value_len, out, echoes);
		if ((size_t)(end - p) < strlen(as) + n + 4)
			continue;
		p = put_str(p, as, strlen(as));
		p = put_str(p, out, n);
		(*count)++;
	}
	return p;
}

size_t
answer_payload(const struct answer *a, uint64_t no, const struct mask_key *k,
    uint8_t *out, uint32_t *echoes)
{
	uint8_t		*p, *count;
	uint64_t	 length;
	uint8_t		 flags, n;

	flags = is_events(a) ? LF_EVENTS : 0;
	length = UINT64_MAX;
	if (a->state == CHUNKED || a->state == CLOSE)
		flags |= LF_UNKNOWN_LENGTH;
	else
		length = a->state == LENGTH ? a->left : 0;
	p = put_int(out, no, 8);
	p = put_int(p, a->head.status, 2);
	p = put_int(p, flags, 1);
	p = put_int(p, length, 8);
	count = p++;
	n = 0;
	p = fields(a, k, p, out + LINK_CTRL, &n, echoes);
	*count = n;
	return (size_t)(p - out);
}

void
answer_id(const struct answer *a, const struct mask_key *k, char *out,
    size_t size)
{
	const struct http1_field	*f;
	const char			*as;
	uint8_t				 v[FIELD_VALUE_MAX + CREDENTIAL_MAX] UNSET;
	size_t				 n;
	uint32_t			 echoes;

	out[0] = '\0';
	f = http1_find(&a->head, a->buf.p, "x-request-id");
	if (f == NULL)
		f = http1_find(&a->head, a->buf.p, "request-id");
	if (f == NULL || field_answer(a->buf.p + f->name_off, f->name_len,
	    a->buf.p + f->value_off, f->value_len, &as) != FIELD_KEEP)
		return;
	echoes = 0;
	n = masked(k, a->buf.p + f->value_off, f->value_len, v, &echoes);
	if (n >= size)
		return;
	memcpy(out, v, n);
	out[n] = '\0';
}
