/* SPDX-License-Identifier: ISC */
/*
 * Epoch seeds, keys and the tree over the keys (audit-chain(5), "EPOCHS").
 * Seeds and secret keys belong to the caller; copies on this stack are wiped.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/audit/epoch.h"
#include "common/audit/tree.h"
#include "common/text/hmac.h"

#define PROGRESS	256	/* epochs between two calls */

/* HKDF-SHA256 (RFC 5869): empty salt, 32 bytes out. */
static void
derive(const uint8_t seed[EPOCH_SEED], const char *info,
    uint8_t out[EPOCH_SEED])
{
	static const uint8_t	 zero[32], one = 1;
	struct hmac		 h;
	uint8_t			 prk[32];

	hmac_init(&h, zero, sizeof(zero));
	hmac_update(&h, seed, EPOCH_SEED);
	hmac_final(&h, prk);
	hmac_init(&h, prk, sizeof(prk));
	hmac_update(&h, info, strlen(info));
	hmac_update(&h, &one, 1);
	hmac_final(&h, out);
	sodium_memzero(prk, sizeof(prk));
}

void
epoch_next(const uint8_t seed[EPOCH_SEED], uint8_t next[EPOCH_SEED])
{
	derive(seed, "next", next);
}

void
epoch_key(const uint8_t seed[EPOCH_SEED], uint8_t pk[EPOCH_PK],
    uint8_t sk[EPOCH_SK])
{
	uint8_t	 s[EPOCH_SEED];

	derive(seed, "sign", s);
	crypto_sign_seed_keypair(pk, sk, s);
	sodium_memzero(s, sizeof(s));
}

void
epoch_leaf(uint32_t epoch, const uint8_t pk[EPOCH_PK],
    uint8_t out[EPOCH_HASH])
{
	struct sha256	 h;
	uint8_t		 head[5];

	head[0] = 0;
	head[1] = (uint8_t)(epoch >> 24);
	head[2] = (uint8_t)(epoch >> 16);
	head[3] = (uint8_t)(epoch >> 8);
	head[4] = (uint8_t)epoch;
	sha256_init(&h);
	sha256_update(&h, head, sizeof(head));
	sha256_update(&h, pk, EPOCH_PK);
	sha256_final(&h, out);
}

int
epoch_ceremony(const uint8_t seed0[EPOCH_SEED], uint32_t count,
    uint8_t *leaves, void (*progress)(void *, uint32_t, uint32_t), void *arg,
    uint8_t root[EPOCH_HASH])
{
	struct tree	 t;
	uint8_t		 seed[EPOCH_SEED], sk[EPOCH_SK], pk[EPOCH_PK];
	uint8_t		 leaf[EPOCH_HASH];
	uint32_t	 e;

	if (count == 0 || count > EPOCH_COUNT_MAX) {
		errno = EINVAL;
		return -1;
	}
	tree_init(&t);
	memcpy(seed, seed0, sizeof(seed));
	for (e = 0; e < count; e++) {
		epoch_key(seed, pk, sk);
		epoch_leaf(e, pk, leaf);
		if (leaves != NULL)
			memcpy(leaves + (size_t)e * EPOCH_HASH, leaf,
			    EPOCH_HASH);
		tree_append(&t, leaf);
		epoch_next(seed, seed);
		if (progress != NULL &&
		    ((e + 1) % PROGRESS == 0 || e + 1 == count))
			progress(arg, e + 1, count);
	}
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(sk, sizeof(sk));
	tree_root(&t, root);
	return 0;
}

/* Full subtrees are computed from the flat array; 16,384 hashes take 2 ms. */
static int
subtree(void *arg, unsigned int level, uint64_t index, uint8_t out[32])
{
	const uint8_t	*leaves;
	struct tree	 t;
	uint64_t	 i;

	leaves = arg;
	tree_init(&t);
	for (i = index << level; i < (index + 1) << level; i++)
		tree_append(&t, leaves + i * EPOCH_HASH);
	tree_root(&t, out);
	return 0;
}

int
epoch_prove(const uint8_t *leaves, uint32_t count, uint32_t epoch,
    uint8_t proof[EPOCH_PROOF * EPOCH_HASH])
{
	struct tree_source	 src;

	if (count > EPOCH_COUNT_MAX) {
		errno = EINVAL;
		return -1;
	}
	src.hash = subtree;
	src.arg = (void *)(uintptr_t)leaves;
	return tree_prove_inclusion(epoch, count, &src, proof, EPOCH_PROOF);
}

/* Root of n hashes, n a power of two or the number of blocks. */
static void
fold(const uint8_t *hashes, uint64_t n, uint8_t out[EPOCH_HASH])
{
	struct tree	 t;
	uint64_t	 i;

	tree_init(&t);
	for (i = 0; i < n; i++)
		tree_append(&t, hashes + i * EPOCH_HASH);
	tree_root(&t, out);
}

void
epoch_tops(const uint8_t *leaves, uint32_t count, uint8_t *tops)
{
	uint32_t	 i;

	for (i = 0; i < count / EPOCH_BLOCK; i++)
		fold(leaves + (size_t)i * EPOCH_BLOCK * EPOCH_HASH,
		    EPOCH_BLOCK, tops + (size_t)i * EPOCH_HASH);
}

/* What a roll knows of the tree: every top, the leaves of one block. */
struct block {
	uint32_t	 first;
	const uint8_t	*tops;
	uint8_t		 leaves[EPOCH_BLOCK * EPOCH_HASH];
};

static int
block_hash(void *arg, unsigned int level, uint64_t index, uint8_t out[32])
{
	struct block	*k;
	uint64_t	 at, n;

	k = arg;
	n = (uint64_t)1 << level;
	at = index << level;
	if (n >= EPOCH_BLOCK)
		fold(k->tops + at / EPOCH_BLOCK * EPOCH_HASH, n / EPOCH_BLOCK,
		    out);
	else if (at < k->first || at + n > k->first + EPOCH_BLOCK) {
		errno = EINVAL;
		return -1;
	} else
		fold(k->leaves + (at - k->first) * EPOCH_HASH, n, out);
	return 0;
}

static void
block_derive(struct block *k, const uint8_t seed0[EPOCH_SEED])
{
	uint8_t		 seed[EPOCH_SEED], sk[EPOCH_SK], pk[EPOCH_PK];
	uint32_t	 e;

	memcpy(seed, seed0, sizeof(seed));
	for (e = 0; e < k->first + EPOCH_BLOCK; e++) {
		if (e >= k->first) {
			epoch_key(seed, pk, sk);
			epoch_leaf(e, pk, k->leaves + (e - k->first) *
			    EPOCH_HASH);
		}
		epoch_next(seed, seed);
	}
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(sk, sizeof(sk));
}

int
epoch_prove_block(const uint8_t seed0[EPOCH_SEED], uint32_t count,
    uint32_t epoch, const uint8_t *tops, const uint8_t root[EPOCH_HASH],
    uint8_t proof[EPOCH_PROOF * EPOCH_HASH])
{
	struct tree_source	 src;
	struct block		 k;
	uint8_t			 all[EPOCH_HASH], one[EPOCH_HASH];

	errno = EINVAL;
	if (count == 0 || count > EPOCH_COUNT_MAX || epoch >= count ||
	    count % EPOCH_BLOCK != 0)
		return -1;
	k.first = epoch / EPOCH_BLOCK * EPOCH_BLOCK;
	k.tops = tops;
	block_derive(&k, seed0);
	fold(k.leaves, EPOCH_BLOCK, one);
	fold(tops, count / EPOCH_BLOCK, all);
	if (memcmp(all, root, sizeof(all)) != 0 || memcmp(one, tops +
	    (size_t)k.first / EPOCH_BLOCK * EPOCH_HASH, sizeof(one)) != 0)
		return -1;
	src.hash = block_hash;
	src.arg = &k;
	return tree_prove_inclusion(epoch, count, &src, proof, EPOCH_PROOF);
}

int
epoch_check(uint32_t epoch, uint32_t count, const uint8_t pk[EPOCH_PK],
    const uint8_t *proof, size_t n, const uint8_t root[EPOCH_HASH])
{
	uint8_t	 leaf[EPOCH_HASH];

	if (count == 0 || count > EPOCH_COUNT_MAX)
		return -1;
	epoch_leaf(epoch, pk, leaf);
	return tree_check_inclusion(epoch, count, leaf, proof, n, root);
}
