/* SPDX-License-Identifier: ISC */
/*
 * Open intents: a hash table with linear probing that only ever holds what
 * is open.  Bounded, so that a made-up log cannot eat the auditor's memory.
 */
#include <stdlib.h>
#include <string.h>

#include "keybrokerd/auditverify/auditverify.h"

#define SLOTS	(2 * PAIRING_MAX)	/* power of two */

/* seq 0 = empty: entry 0 is the genesis entry. */
struct pairing {
	uint64_t	 count;
	struct {
		uint64_t seq;
		uint8_t	 id[16];
	} slot[SLOTS];
};

static size_t
home(uint64_t seq)
{
	return (size_t)(seq * UINT64_C(0x9e3779b97f4a7c15) >> 40) &
	    (SLOTS - 1);
}

/* Slot of seq, or the empty one where it would go. */
static size_t
find(const struct pairing *p, uint64_t seq)
{
	size_t	 i;

	for (i = home(seq); p->slot[i].seq != 0 && p->slot[i].seq != seq;
	    i = (i + 1) & (SLOTS - 1))
		continue;
	return i;
}

struct pairing *
pairing_new(void)
{
	return calloc(1, sizeof(struct pairing));
}

void
pairing_free(struct pairing *p)
{
	free(p);
}

enum pairing_fault
pairing_open(struct pairing *p, uint64_t seq, const uint8_t id[16])
{
	size_t	 i;

	if (p->count == PAIRING_MAX)
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
	for (i = (hole + 1) & (SLOTS - 1); p->slot[i].seq != 0;
	    i = (i + 1) & (SLOTS - 1)) {
		h = home(p->slot[i].seq);
		if (((i - h) & (SLOTS - 1)) < ((i - hole) & (SLOTS - 1)))
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
	for (i = 0; i < SLOTS; i++)
		if (p->slot[i].seq != 0 && (low == 0 || p->slot[i].seq < low))
			low = p->slot[i].seq;
	return low;
}
