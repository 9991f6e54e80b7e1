/* SPDX-License-Identifier: ISC */

/*
 * Bytes that wait for a descriptor.  Bounds are the callers'; here is only the
 * memory, which an idle link does not keep.
 */

#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/egress/egress.h"

size_t
buf_left(const struct buf *b)
{
	return b->len - b->off;
}

uint8_t *
buf_room(struct buf *b, size_t n)
{
	uint8_t	*p;
	size_t	 cap;

	if (b->cap - b->len >= n)
		return b->p + b->len;
	cap = b->cap == 0 ? 1024 : b->cap;
	while (cap - b->len < n)
		cap *= 2;
	p = realloc(b->p, cap);
	if (p == NULL)
		fatalx("out of memory");
	b->p = p;
	b->cap = cap;
	return b->p + b->len;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_room(b, n), p, n);
	b->len += n;
}

void
buf_compact(struct buf *b)
{
	if (b->off == 0)
		return;
	memmove(b->p, b->p + b->off, b->len - b->off);
	b->len -= b->off;
	b->off = 0;
}

void
buf_reset(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}
