/* SPDX-License-Identifier: ISC */
/*
 * Guesses of keys, by address: each 401 fills a bucket that leaks.  A full one
 * makes the answer wait, an overflowing one ends the connection; calls with a
 * good key from the same address are not touched.  Pure: the clock is an
 * argument.  An address that finds no row of its own takes the least filled of
 * its few, so that a loud one is not forgotten for quiet ones.
 */
#include <stdlib.h>
#include <string.h>

#include "proxyd/worker/worker.h"

#define ROWS		1024
#define WAYS		8
#define LEAK		(NS_S / 2)	/* one guess */

struct bucket {
	uint8_t		 addr[LIMIT_ADDR];
	uint64_t	 since;		/* of level */
	uint32_t	 level;
};

struct guess {
	struct bucket	 row[ROWS];
};

struct guess *
guess_new(void)
{
	return calloc(1, sizeof(struct guess));
}

void
guess_free(struct guess *g)
{
	free(g);
}

static void
leak(struct bucket *b, uint64_t now)
{
	uint64_t	 n;

	n = now > b->since ? (now - b->since) / LEAK : 0;
	b->level = n >= b->level ? 0 : b->level - (uint32_t)n;
	b->since = b->level == 0 ? now : b->since + n * LEAK;
}

enum guess_verdict
guess_fail(struct guess *g, const uint8_t addr[LIMIT_ADDR], uint64_t now)
{
	struct bucket	*b, *least;
	uint32_t	 h;
	size_t		 i;

	for (h = 5381, i = 0; i < LIMIT_ADDR; i++)
		h = h * 33 + addr[i];
	least = NULL;
	for (i = 0; i < WAYS; i++) {
		b = &g->row[(h + i) % ROWS];
		leak(b, now);
		if (b->level > 0 && memcmp(b->addr, addr, LIMIT_ADDR) == 0)
			break;
		if (least == NULL || b->level < least->level)
			least = b;
	}
	if (i == WAYS) {
		b = least;
		memcpy(b->addr, addr, LIMIT_ADDR);
		b->level = 0;
		b->since = now;
	}
	if (b->level < GUESS_CLOSES)
		b->level++;
	return b->level >= GUESS_CLOSES ? GUESS_CLOSE :
	    b->level > GUESS_FREE ? GUESS_SLOW : GUESS_OK;
}
