/* SPDX-License-Identifier: ISC */
/*
 * Linear hash chain over entries.  Pure arithmetic on the caller's bytes.
 */
#include <string.h>

#include "common/audit/chain.h"
#include "common/text/sha256.h"

_Static_assert(CHAIN_HASH == SHA256_LEN, "the leaf hash is SHA-256");

void
chain_leaf(const void *entry, size_t len, uint8_t out[CHAIN_HASH])
{
	static const uint8_t	 zero;
	struct sha256		 h;

	sha256_init(&h);
	sha256_update(&h, &zero, 1);
	sha256_update(&h, entry, len);
	sha256_final(&h, out);
}

void
chain_origin(const char *origin, size_t len, uint8_t out[CHAIN_ORIGIN])
{
	uint8_t	 h[SHA256_LEN];

	sha256_buf(origin, len, h);
	memcpy(out, h, CHAIN_ORIGIN);
}

void
chain_init(struct chain *c)
{
	memset(c, 0, sizeof(*c));
}

enum chain_fault
chain_check(const struct chain *c, const struct entry *e)
{
	if (e->seq > c->next)
		return CHAIN_GAP;
	if (e->seq < c->next)
		return CHAIN_REPEAT;
	if (memcmp(e->prev, c->prev, CHAIN_HASH) != 0)
		return CHAIN_BROKEN;
	return CHAIN_OK;
}

void
chain_push(struct chain *c, const uint8_t leaf[CHAIN_HASH])
{
	memcpy(c->prev, leaf, CHAIN_HASH);
	c->next++;
}
