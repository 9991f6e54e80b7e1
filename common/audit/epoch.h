/* SPDX-License-Identifier: ISC */
/*
 * Epoch keys: a chain of seeds, one Ed25519 key from each, and an RFC 6962
 * tree over all public keys whose root auditors pin.  Whoever holds seed e
 * can sign in epochs >= e and in none before.  All derivations are
 * HKDF-SHA256 with an empty salt.  Seeds and secret keys live in the
 * caller's guarded memory; what is needed between is wiped here.
 */
#ifndef COMMON_AUDIT_EPOCH_H
#define COMMON_AUDIT_EPOCH_H

#include <stddef.h>
#include <stdint.h>

#define EPOCH_COUNT	16384
#define EPOCH_COUNT_MAX	65536
#define EPOCH_SEED	32
#define EPOCH_PK	32
#define EPOCH_SK	64
#define EPOCH_HASH	32
#define EPOCH_PROOF	16	/* hashes at EPOCH_COUNT_MAX */
#define EPOCH_BLOCK	128	/* epochs below one top */
#define EPOCH_TOPS	(EPOCH_COUNT / EPOCH_BLOCK)

/* seed e+1 = HKDF(seed e, "next"); next may be seed. */
void	epoch_next(const uint8_t seed[EPOCH_SEED], uint8_t next[EPOCH_SEED]);
/* Key pair from HKDF(seed e, "sign"). */
void	epoch_key(const uint8_t seed[EPOCH_SEED], uint8_t pk[EPOCH_PK],
	    uint8_t sk[EPOCH_SK]);
/* SHA-256(0x00 || epoch (u32) || pk). */
void	epoch_leaf(uint32_t epoch, const uint8_t pk[EPOCH_PK],
	    uint8_t out[EPOCH_HASH]);

/*
 * Derives count epochs from seed 0 (40 us each) and computes the pin.
 * leaves (may be NULL) takes count * 32 bytes, which epoch_prove wants
 * later; progress (may be NULL) is called every 256 epochs and at the end.
 * 0, or -1 (EINVAL) if count is 0 or above EPOCH_COUNT_MAX.
 */
int	epoch_ceremony(const uint8_t seed0[EPOCH_SEED], uint32_t count,
	    uint8_t *leaves, void (*progress)(void *, uint32_t, uint32_t),
	    void *arg, uint8_t root[EPOCH_HASH]);

/*
 * Inclusion proof of an epoch from the flat array of count leaf hashes.
 * Returns the number of hashes, or -1 (EINVAL).
 */
int	epoch_prove(const uint8_t *leaves, uint32_t count, uint32_t epoch,
	    uint8_t proof[EPOCH_PROOF * EPOCH_HASH]);

/*
 * The tops of count leaf hashes, count a multiple of EPOCH_BLOCK: the roots
 * of their blocks, count / EPOCH_BLOCK * 32 bytes, public.  They are kept, so
 * that a roll need not derive every key again.
 */
void	epoch_tops(const uint8_t *leaves, uint32_t count, uint8_t *tops);
/*
 * The same proof as epoch_prove's, from seed 0 and the tops: only the block
 * of that epoch is derived (5 ms, and 1.5 us for each epoch before it).  -1
 * (EINVAL): the numbers, or tops, seed and root do not belong together.
 */
int	epoch_prove_block(const uint8_t seed0[EPOCH_SEED], uint32_t count,
	    uint32_t epoch, const uint8_t *tops,
	    const uint8_t root[EPOCH_HASH],
	    uint8_t proof[EPOCH_PROOF * EPOCH_HASH]);
/* 0: pk is the key of that epoch under the pin. */
int	epoch_check(uint32_t epoch, uint32_t count,
	    const uint8_t pk[EPOCH_PK], const uint8_t *proof, size_t n,
	    const uint8_t root[EPOCH_HASH]);

#endif
