/* SPDX-License-Identifier: ISC */
/*
 * Deadlines of calls: a binary heap of call numbers, the nearest first.  A
 * call without a deadline is not in it.  call.heap is its place + 1.
 */
#include "keybrokerd/broker/broker.h"

static uint64_t
when(const struct broker *b, uint32_t place)
{
	return b->calls[b->heap[place]].deadline;
}

static void
put(struct broker *b, uint32_t place, uint32_t call)
{
	b->heap[place] = call;
	b->calls[call].heap = place + 1;
}

static void
swap(struct broker *b, uint32_t i, uint32_t j)
{
	uint32_t	 call;

	call = b->heap[i];
	put(b, i, b->heap[j]);
	put(b, j, call);
}

static void
up(struct broker *b, uint32_t i)
{
	while (i > 0 && when(b, i) < when(b, (i - 1) / 2)) {
		swap(b, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void
down(struct broker *b, uint32_t i)
{
	uint32_t	 child;

	while ((child = 2 * i + 1) < b->nheap) {
		if (child + 1 < b->nheap && when(b, child + 1) < when(b, child))
			child++;
		if (when(b, i) <= when(b, child))
			return;
		swap(b, i, child);
		i = child;
	}
}

static void
take(struct broker *b, struct call *c)
{
	uint32_t	 i;

	i = c->heap - 1;
	c->heap = 0;
	b->nheap--;
	if (i == b->nheap)
		return;
	put(b, i, b->heap[b->nheap]);
	up(b, i);
	down(b, i);
}

/* Sets the deadline of a call, boot ns; NEVER takes it out. */
void
fair_deadline(struct broker *b, struct call *c, uint64_t deadline)
{
	if (c->heap != 0)
		take(b, c);
	c->deadline = deadline;
	if (deadline == NEVER)
		return;
	put(b, b->nheap, table_index(b, c));
	up(b, b->nheap++);
}

/* A call whose deadline has come, taken out of the heap; or NULL. */
struct call *
fair_due(struct broker *b, uint64_t now)
{
	struct call	*c;

	if (b->nheap == 0 || when(b, 0) > now)
		return NULL;
	c = &b->calls[b->heap[0]];
	take(b, c);
	c->deadline = NEVER;
	return c;
}

/* The nearest deadline of any call, or NEVER. */
uint64_t
fair_next(const struct broker *b)
{
	return b->nheap == 0 ? NEVER : when(b, 0);
}
