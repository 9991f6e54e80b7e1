/* SPDX-License-Identifier: ISC */
/*
 * The latest entries as they were signed, so that administration can read the
 * log without a file.  A ring of bytes; an entry never wraps.  Memory is taken
 * once and touched as it is used.
 */
#include <stdlib.h>
#include <string.h>

#include "keybrokerd/broker/broker.h"

struct place {
	uint32_t	 off, len;
};

struct ring {
	uint64_t	 first, end;	/* indexes held: first..end - 1 */
	size_t		 at;		/* where the next one goes */
	struct place	 place[RING_ENTRIES];
	uint8_t		 mem[RING_BYTES];
};

struct ring *
ring_new(void)
{
	return calloc(1, sizeof(struct ring));
}

void
ring_free(struct ring *r)
{
	free(r);
}

static const struct place *
place_of(const struct ring *r, uint64_t index)
{
	return &r->place[index % RING_ENTRIES];
}

/* Lets go of what lies in off..off + len. */
static void
evict(struct ring *r, size_t off, size_t len)
{
	const struct place	*p;

	while (r->first < r->end) {
		p = place_of(r, r->first);
		if (r->end - r->first < RING_ENTRIES &&
		    (p->off >= off + len || p->off + p->len <= off))
			return;
		r->first++;
	}
}

void
ring_push(struct ring *r, uint64_t index, const void *p, size_t len)
{
	struct place	*pl;

	if (r == NULL || len > RING_BYTES)
		return;
	if (index != r->end) {
		r->first = r->end = index;
		r->at = 0;
	}
	if (r->at + len > RING_BYTES) {
		evict(r, r->at, RING_BYTES - r->at);
		r->at = 0;
	}
	evict(r, r->at, len);
	pl = &r->place[index % RING_ENTRIES];
	pl->off = (uint32_t)r->at;
	pl->len = (uint32_t)len;
	memcpy(r->mem + r->at, p, len);
	r->at += len;
	r->end = index + 1;
}

const uint8_t *
ring_get(const struct ring *r, uint64_t index, size_t *len)
{
	const struct place	*p;

	if (index < r->first || index >= r->end)
		return NULL;
	p = place_of(r, index);
	*len = p->len;
	return r->mem + p->off;
}

uint64_t
ring_first(const struct ring *r)
{
	return r->first;
}

uint64_t
ring_end(const struct ring *r)
{
	return r->end;
}
