/* SPDX-License-Identifier: ISC */
/*
 * Frames of a worker-egress link: an incremental reader over a fixed buffer.
 * Neither end is believed: type, reserved bytes and length are checked as soon
 * as the head is there, so that a peer can never make the other wait for more
 * than the buffer holds.  No allocation, no input or output.
 */
#include "common/compat/compat.h"
#include "common/ipc/link.h"

/* Forgets everything; also how a reader starts. */
void
link_reset(struct linkr *r)
{
	r->have = r->used = r->top = 0;
}

void
link_wipe(struct linkr *r)
{
	explicit_bzero(r->buf, r->top);
	link_reset(r);
}

/* Moves what is unread to the front, then offers the rest of the buffer. */
uint8_t *
link_room(struct linkr *r, size_t *room)
{
	if (r->used > 0) {
		memmove(r->buf, r->buf + r->used, r->have - r->used);
		r->have -= r->used;
		r->used = 0;
	}
	*room = sizeof(r->buf) - r->have;
	return r->buf + r->have;
}

/* n bytes were written where link_room said. */
void
link_got(struct linkr *r, size_t n)
{
	if (n > sizeof(r->buf) - r->have)
		n = sizeof(r->buf) - r->have;
	r->have += n;
	if (r->top < r->have)
		r->top = r->have;
}

/* A bad head is never consumed: every later call says -1 again. */
int
link_next(struct linkr *r, struct link_frame *f)
{
	const uint8_t	*p;
	size_t		 left, len;

	left = r->have - r->used;
	if (left < LINK_HEAD)
		return 0;
	p = r->buf + r->used;
	len = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];
	if (p[0] < LF_OPEN || p[0] > LF_ERROR || p[2] != 0 || p[3] != 0)
		return -1;
	if (len > (p[0] == LF_DATA ? LINK_DATA : LINK_CTRL))
		return -1;
	if (left - LINK_HEAD < len)
		return 0;
	f->type = p[0];
	f->flags = p[1];
	f->len = len;
	f->data = p + LINK_HEAD;
	r->used += LINK_HEAD + len;
	return 1;
}

/* The caller keeps to LINK_DATA and LINK_CTRL. */
void
link_head(uint8_t *out, enum link_type type, uint8_t flags, size_t len)
{
	out[0] = type;
	out[1] = flags;
	out[2] = out[3] = 0;
	out[4] = len >> 24 & 0xff;
	out[5] = len >> 16 & 0xff;
	out[6] = len >> 8 & 0xff;
	out[7] = len & 0xff;
}
