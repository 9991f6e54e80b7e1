/* SPDX-License-Identifier: ISC */
/*
 * Counts connections, in all and by address.  Pure: no clock, no input or
 * output, memory only at limit_new.  A fixed table with linear probing whose
 * load never passes one half, so a stranger who picks addresses costs a few
 * steps and no memory.
 */
#include <string.h>

#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

struct cell {
	uint8_t		 addr[LIMIT_ADDR];
	uint32_t	 n;		/* 0: free */
};

struct limit {
	uint32_t	 total, max, peraddr;
	uint32_t	 size;		/* max of limit_new */
	uint32_t	 mask;		/* cells - 1 */
	struct cell	 cells[];
};

/* NULL: out of memory, or more than 2^20 connections. */
struct limit *
limit_new(uint32_t max, uint32_t peraddr)
{
	struct limit	*l;
	uint32_t	 n;

	if (max == 0 || max > 1 << 20)
		return NULL;
	for (n = 16; n < 2 * max; n *= 2)
		;
	l = calloc(1, sizeof(*l) + n * sizeof(struct cell));
	if (l == NULL)
		return NULL;
	l->max = l->size = max;
	l->peraddr = peraddr;
	l->mask = n - 1;
	return l;
}

/* Other bounds; the total never above what limit_new was given. */
void
limit_bound(struct limit *l, uint32_t max, uint32_t peraddr)
{
	if (max < l->size)
		l->max = max;
	else
		l->max = l->size;
	l->peraddr = peraddr;
}

void
limit_free(struct limit *l)
{
	free(l);
}

/* FNV-1a: a bad spread costs time within one half full table only. */
static uint32_t
home(const struct limit *l, const uint8_t *addr)
{
	uint32_t	 h;
	size_t		 i;

	h = 2166136261U;
	for (i = 0; i < LIMIT_ADDR; i++)
		h = (h ^ addr[i]) * 16777619U;
	return (h ^ h >> 15) & l->mask;
}

/* The address's cell, or the free one where it belongs. */
static uint32_t
find(const struct limit *l, const uint8_t *addr)
{
	uint32_t	 i;

	for (i = home(l, addr); l->cells[i].n > 0; i = (i + 1) & l->mask)
		if (memcmp(l->cells[i].addr, addr, LIMIT_ADDR) == 0)
			break;
	return i;
}

/* LIMIT_OK counts it; the caller drops it once. */
enum limit_verdict
limit_take(struct limit *l, const uint8_t addr[LIMIT_ADDR], int exempt)
{
	struct cell	*c;

	if (l->total >= l->max)
		return LIMIT_FULL;
	if (!exempt) {
		c = &l->cells[find(l, addr)];
		if (c->n >= l->peraddr)
			return LIMIT_ADDRESS;
		memcpy(c->addr, addr, LIMIT_ADDR);
		c->n++;
	}
	l->total++;
	return LIMIT_OK;
}

/* Closes the gap, so that a probe never stops too early. */
static void
vacate(struct limit *l, uint32_t i)
{
	uint32_t	 h, j;

	for (j = (i + 1) & l->mask; l->cells[j].n > 0; j = (j + 1) & l->mask) {
		h = home(l, l->cells[j].addr);
		if (((j - h) & l->mask) < ((j - i) & l->mask))
			continue;
		l->cells[i] = l->cells[j];
		i = j;
	}
	l->cells[i].n = 0;
}

void
limit_drop(struct limit *l, const uint8_t addr[LIMIT_ADDR], int exempt)
{
	uint32_t	 i;

	if (l->total > 0)
		l->total--;
	if (exempt)
		return;
	i = find(l, addr);
	if (l->cells[i].n > 0 && --l->cells[i].n == 0)
		vacate(l, i);
}

uint32_t
limit_total(const struct limit *l)
{
	return l->total;
}
