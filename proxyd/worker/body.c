/* SPDX-License-Identifier: ISC */
/*
 * A request's body on its way in: declared length or chunks, a cap, and the
 * worker's budget for all bodies together.  Memory grows with what arrived,
 * never with what was declared.
 */
#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

/* From a complete head; a body of none is done at once. */
void
body_start(struct body *b, const struct http1_head *h)
{
	memset(b, 0, sizeof(*b));
	b->chunked = h->body == HTTP1_BODY_CHUNKED;
	if (b->chunked) {
		b->declared = WORKER_LENGTH_UNKNOWN;
		chunk_init(&b->chunk, CHUNK_REQUEST, CHUNK_REQUEST_DIGITS,
		    BODY_MAX);
	} else if (h->body == HTTP1_BODY_LENGTH)
		b->declared = h->content_length;
	else
		b->done = 1;
}

/* Counts the growth of b's memory against the budget. */
static int
charge(struct worker *w, struct body *b, size_t n)
{
	if (w->bodies + n > w->lim.budget)
		return -1;
	w->bodies += n;
	b->charged += n;
	return 0;
}

static enum body_verdict
take_plain(struct worker *w, struct body *b, const uint8_t *p, size_t n,
    size_t *used)
{
	uint64_t	 left;

	left = b->declared - b->buf.len;
	if (n > left)
		n = left;
	if (charge(w, b, n) == -1 || wbuf_add(&b->buf, p, n) == -1)
		return BODY_NOROOM;
	*used = n;
	b->done = b->buf.len == b->declared;
	return b->done ? BODY_DONE : BODY_MORE;
}

static enum body_verdict
take_chunks(struct worker *w, struct body *b, const uint8_t *p, size_t n,
    uint64_t cap, size_t *used, const char **reason)
{
	const uint8_t	*data;
	size_t		 eaten, len;

	for (;;) {
		switch (chunk_read(&b->chunk, p + *used, n - *used, &eaten,
		    &data, &len)) {
		case CHUNK_DATA:
			*used += eaten;
			if (b->buf.len + len > cap)
				return BODY_LARGE;
			if (charge(w, b, len) == -1 ||
			    wbuf_add(&b->buf, data, len) == -1)
				return BODY_NOROOM;
			break;
		case CHUNK_MORE:
			*used += eaten;
			return BODY_MORE;
		case CHUNK_END:
			*used += eaten;
			b->done = 1;
			return BODY_DONE;
		case CHUNK_REJECT:
			*reason = b->chunk.reason;
			return b->chunk.status == 413 ? BODY_LARGE : BODY_BAD;
		}
	}
}

/*
 * Takes what belongs to the body from the n bytes at p; *used says how many
 * were consumed.  *reason is set with BODY_BAD.
 */
enum body_verdict
body_take(struct worker *w, struct body *b, const uint8_t *p, size_t n,
    uint64_t cap, size_t *used, const char **reason)
{
	*used = 0;
	if (b->done)
		return BODY_DONE;
	if (b->chunked)
		return take_chunks(w, b, p, n, cap, used, reason);
	if (b->declared > cap)
		return BODY_LARGE;
	return take_plain(w, b, p, n, used);
}

/* Memory and budget go back; idempotent. */
void
body_free(struct worker *w, struct body *b)
{
	w->bodies -= b->charged;
	b->charged = 0;
	wbuf_free(&b->buf);
}
