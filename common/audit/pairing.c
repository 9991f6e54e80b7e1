/* SPDX-License-Identifier: ISC */
/*
 * Open intents: a hash table with linear probing that only ever holds what
 * is open.  Bounded, so that a made-up log cannot eat the auditor's memory.
 */
#include <stdlib.h>
#include <string.h>

#include "common/audit/judge.h"

#define SLOTS_MIN	256	/* powers of two */
#define SLOTS_MAX	(2 * PAIRING_MAX)

/* seq 0 = empty: entry 0 is the genesis entry. */
struct slot {
	uint64_t	 seq;
	uint8_t		 id[16];
};

struct pairing {
	uint64_t	 count;
	size_t		 mask;		/* slots - 1 */
	struct slot	*slot;
};

static size_t
home(const struct pairing *p, uint64_t seq)
{
	return (size_t)(seq * UINT64_C(0x9e3779b97f4a7c15) >> 40) & p->mask;
}

/* Slot of seq, or the empty one where it would go. */
static size_t
find(const struct pairing *p, uint64_t seq)
{
	size_t	 i;

	for (i = home(p, seq); p->slot[i].seq != 0 && p->slot[i].seq != seq;
	    i = (i + 1) & p->mask)
		continue;
	return i;
}

struct pairing *
pairing_new(void)
{
	struct pairing	*p;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->mask = SLOTS_MIN - 1;
	p->slot = calloc(SLOTS_MIN, sizeof(*p->slot));
	if (p->slot == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

void
pairing_free(struct pairing *p)
{
	if (p == NULL)
		return;
	free(p->slot);
	free(p);
}

/* Twice as many slots. */
static int
grow(struct pairing *p)
{
	struct pairing	 q;
	size_t		 i;

	q = *p;
	q.mask = p->mask * 2 + 1;
	q.slot = calloc(q.mask + 1, sizeof(*q.slot));
	if (q.slot == NULL)
		return -1;
	for (i = 0; i <= p->mask; i++)
		if (p->slot[i].seq != 0)
			q.slot[find(&q, p->slot[i].seq)] = p->slot[i];
	free(p->slot);
	p->slot = q.slot;
	p->mask = q.mask;
	return 0;
}

enum pairing_fault
pairing_open(struct pairing *p, uint64_t seq, const uint8_t id[16])
{
	size_t	 i;

	if (p->count == PAIRING_MAX)
		return PAIRING_FULL;
	if (p->count * 2 > p->mask && p->mask < SLOTS_MAX - 1 &&
	    grow(p) == -1)
		return PAIRING_FULL;
	i = find(p, seq);
	p->slot[i].seq = seq;
	memcpy(p->slot[i].id, id, sizeof(p->slot[i].id));
	p->count++;
	return PAIRING_OK;
}

/* Empties a slot and moves up what had been pushed past it. */
static void
vacate(struct pairing *p, size_t hole)
{
	size_t	 i, h;

	p->slot[hole].seq = 0;
	for (i = (hole + 1) & p->mask; p->slot[i].seq != 0;
	    i = (i + 1) & p->mask) {
		h = home(p, p->slot[i].seq);
		if (((i - h) & p->mask) < ((i - hole) & p->mask))
			continue;
		p->slot[hole] = p->slot[i];
		p->slot[i].seq = 0;
		hole = i;
	}
}

enum pairing_fault
pairing_close(struct pairing *p, uint64_t seq, const uint8_t *id)
{
	size_t	 i;

	if (seq == 0)
		return PAIRING_UNKNOWN;
	i = find(p, seq);
	if (p->slot[i].seq == 0)
		return PAIRING_UNKNOWN;
	if (id != NULL && memcmp(p->slot[i].id, id,
	    sizeof(p->slot[i].id)) != 0)
		return PAIRING_OTHER;
	vacate(p, i);
	p->count--;
	return PAIRING_OK;
}

uint64_t
pairing_count(const struct pairing *p)
{
	return p->count;
}

uint64_t
pairing_first(const struct pairing *p)
{
	uint64_t	 low;
	size_t		 i;

	low = 0;
	for (i = 0; i <= p->mask; i++)
		if (p->slot[i].seq != 0 && (low == 0 || p->slot[i].seq < low))
			low = p->slot[i].seq;
	return low;
}
