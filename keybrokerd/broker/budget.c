/* SPDX-License-Identifier: ISC */
/*
 * What the open calls of a key hold: number and body bytes.  A reservation is
 * made once at the intent and given back once at the settlement.  Only keys
 * with an open call have a row, so the table cannot fill up: it has twice as
 * many rows as there are calls.
 */
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/broker/broker.h"

static uint32_t
place(const struct broker *b, const char *key)
{
	uint32_t	 h;

	h = 2166136261u;
	for (; *key != '\0'; key++)
		h = (h ^ (uint8_t)*key) * 16777619u;
	return h & (b->nbudget - 1);
}

/* Row of the key, or the free row where it would go. */
static struct budget_row *
row(const struct broker *b, const char *key)
{
	uint32_t	 i;

	for (i = place(b, key); b->budget[i].calls != 0;
	    i = (i + 1) & (b->nbudget - 1))
		if (strcmp(b->budget[i].key, key) == 0)
			break;
	return &b->budget[i];
}

/* Empties a row; rows behind it move up so that all are still found. */
static void
erase(struct broker *b, uint32_t hole)
{
	uint32_t	 i, home, mask;

	mask = b->nbudget - 1;
	memset(&b->budget[hole], 0, sizeof(b->budget[hole]));
	for (i = (hole + 1) & mask; b->budget[i].calls != 0;
	    i = (i + 1) & mask) {
		home = place(b, b->budget[i].key);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		b->budget[hole] = b->budget[i];
		memset(&b->budget[i], 0, sizeof(b->budget[i]));
		hole = i;
	}
}

uint32_t
budget_open(const struct broker *b, const char *key)
{
	return row(b, key)->calls;
}

/* May the key open one more call with a body of that size? */
enum refusal
budget_check(const struct broker *b, const char *key, uint64_t bytes)
{
	const struct budget_row	*r;

	r = row(b, key);
	if (r->calls >= KEY_CALLS)
		return REFUSE_KEY_CALLS;
	if (r->calls != 0 && r->bytes + bytes > KEY_BYTES)
		return REFUSE_KEY_BYTES;
	return REFUSE_NONE;
}

void
budget_reserve(struct broker *b, struct call *c)
{
	struct budget_row	*r;

	if (c->reserved)
		fatalx("budget: a call reserves twice");
	r = row(b, c->key);
	if (r->calls == 0)
		strlcpy(r->key, c->key, sizeof(r->key));
	r->calls++;
	r->bytes += c->ask.length;
	c->reserved = 1;
	if (b->workers[c->worker].p.gen == c->worker_gen)
		b->workers[c->worker].nreserved++;
}

/* Gives back; a call that holds nothing is left alone. */
void
budget_settle(struct broker *b, struct call *c)
{
	struct budget_row	*r;

	if (!c->reserved)
		return;
	c->reserved = 0;
	r = row(b, c->key);
	if (r->calls == 0 || r->bytes < c->ask.length)
		fatalx("budget: settled more than was reserved");
	r->bytes -= c->ask.length;
	if (--r->calls == 0)
		erase(b, (uint32_t)(r - b->budget));
	if (b->workers[c->worker].p.gen == c->worker_gen)
		b->workers[c->worker].nreserved--;
}
