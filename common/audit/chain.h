/* SPDX-License-Identifier: ISC */
/*
 * The linear structure over entries: each holds the leaf hash of the one
 * before (key 7), entry 0 holds zeros.  The verifier checks chain and tree
 * for every entry, never one instead of the other.
 */
#ifndef COMMON_AUDIT_CHAIN_H
#define COMMON_AUDIT_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "common/audit/entry.h"

#define CHAIN_HASH	32
#define CHAIN_ORIGIN	8

/* Where the chain stands: the next entry's number and its key 7. */
struct chain {
	uint64_t	 next;
	uint8_t		 prev[CHAIN_HASH];
};

enum chain_fault {
	CHAIN_OK,
	CHAIN_GAP,	/* number higher than expected: something is gone */
	CHAIN_REPEAT,	/* number lower than expected */
	CHAIN_BROKEN	/* does not hold the hash of its predecessor */
};

/* SHA-256(0x00 || entry), RFC 6962 section 2.1. */
void	chain_leaf(const void *entry, size_t len, uint8_t out[CHAIN_HASH]);
/* SHA-256(origin)[0..8), key 8 of each entry. */
void	chain_origin(const char *origin, size_t len,
	    uint8_t out[CHAIN_ORIGIN]);

void	chain_init(struct chain *);
/* Number and predecessor of a parsed entry; moves nothing. */
enum chain_fault
	chain_check(const struct chain *, const struct entry *);
/* The entry with this leaf hash is in. */
void	chain_push(struct chain *, const uint8_t leaf[CHAIN_HASH]);

#endif
