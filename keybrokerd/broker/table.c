/* SPDX-License-Identifier: ISC */
/*
 * The fixed table of calls: a free list, and two hash tables that find a call
 * by its worker and number or by its link and number.  No allocation.
 */
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/broker/broker.h"

/* Bucket of (what, no); numbers are dense, so a multiplication spreads them. */
static uint32_t
bucket(const struct broker *b, uint32_t what, uint64_t no)
{
	uint64_t	 h;

	h = (no ^ (uint64_t)what << 40) * 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 32) & (b->nbuckets - 1);
}

uint32_t
table_index(const struct broker *b, const struct call *c)
{
	return (uint32_t)(c - b->calls);
}

/* Takes call at out of the chain that starts at *head. */
static void
unchain(struct broker *b, uint32_t *head, uint32_t at, int link)
{
	uint32_t	*p, *next;

	for (p = head; *p != 0; p = next) {
		next = link ? &b->calls[*p - 1].next_link :
		    &b->calls[*p - 1].next_no;
		if (*p == at + 1) {
			*p = *next;
			*next = 0;
			return;
		}
	}
	fatalx("table: call %u is not in its chain", at);
}

/*
 * A free call for a worker's number, in state CS_FREE; NULL if all are in use.
 * The number must not be in the table.
 */
struct call *
table_new(struct broker *b, uint16_t worker, uint64_t no)
{
	struct call	*c;
	uint32_t	*head;

	if (b->free != 0) {
		c = &b->calls[b->free - 1];
		b->free = c->next_free;
	} else if (b->high < b->ncalls)
		c = &b->calls[b->high++];
	else
		return NULL;
	c->next_free = 0;	/* all else is zero, from calloc or table_free */
	c->worker = worker;
	c->worker_gen = b->workers[worker].p.gen;
	c->deadline = NEVER;
	c->expires = NEVER;
	c->latest = NEVER;
	c->began = b->now;
	c->ask.no = no;
	head = &b->by_no[bucket(b, worker, no)];
	c->next_no = *head;
	*head = table_index(b, c) + 1;
	b->workers[worker].ncalls++;
	b->live++;
	return c;
}

/* Makes the call findable by its link; ask.no is its number from now on. */
void
table_link(struct broker *b, struct call *c, uint32_t link)
{
	uint32_t	*head;

	if (c->ask.link != 0)
		fatalx("table: call is linked twice");
	c->ask.link = link;
	if (link == 0)
		return;
	head = &b->by_link[bucket(b, link, c->ask.no)];
	c->next_link = *head;
	*head = table_index(b, c) + 1;
}

/* Same call, next number (AMEND). */
void
table_renumber(struct broker *b, struct call *c, uint64_t no)
{
	uint32_t	*head, at, link;

	at = table_index(b, c);
	link = c->ask.link;
	unchain(b, &b->by_no[bucket(b, c->worker, c->ask.no)], at, 0);
	if (link != 0)
		unchain(b, &b->by_link[bucket(b, link, c->ask.no)], at, 1);
	c->ask.link = 0;
	c->ask.no = no;
	head = &b->by_no[bucket(b, c->worker, no)];
	c->next_no = *head;
	*head = at + 1;
	table_link(b, c, link);
}

void
table_free(struct broker *b, struct call *c)
{
	uint32_t	 at;

	at = table_index(b, c);
	fair_deadline(b, c, NEVER);
	unchain(b, &b->by_no[bucket(b, c->worker, c->ask.no)], at, 0);
	if (c->ask.link != 0)
		unchain(b, &b->by_link[bucket(b, c->ask.link, c->ask.no)],
		    at, 1);
	if (b->workers[c->worker].p.gen == c->worker_gen)
		b->workers[c->worker].ncalls--;
	b->live--;
	secret_wipe(c, sizeof(*c));
	c->next_free = b->free;
	b->free = at + 1;
}

/* Calls of an earlier holder of the row are not found. */
struct call *
table_find(struct broker *b, uint16_t worker, uint64_t no)
{
	struct call	*c;
	uint32_t	 at;

	for (at = b->by_no[bucket(b, worker, no)]; at != 0; at = c->next_no) {
		c = &b->calls[at - 1];
		if (c->worker == worker && c->ask.no == no &&
		    c->worker_gen == b->workers[worker].p.gen)
			return c;
	}
	return NULL;
}

struct call *
table_find_link(struct broker *b, uint32_t link, uint64_t no)
{
	struct call	*c;
	uint32_t	 at;

	if (link == 0)
		return NULL;
	for (at = b->by_link[bucket(b, link, no)]; at != 0;
	    at = c->next_link) {
		c = &b->calls[at - 1];
		if (c->ask.link == link && c->ask.no == no)
			return c;
	}
	return NULL;
}
