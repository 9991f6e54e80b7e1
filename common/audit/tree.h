/* SPDX-License-Identifier: ISC */
/*
 * Merkle tree of RFC 6962 section 2.1 over leaf hashes (chain_leaf), as its
 * right edge ("compact range"), and the proofs of RFC 9162 section 2.1.3-4.
 */
#ifndef COMMON_AUDIT_TREE_H
#define COMMON_AUDIT_TREE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define TREE_HASH	32
#define TREE_LEVELS	64
#define TREE_PROOF	64	/* hashes of the longest proof */
#define TREE_SIZE_MAX	INT64_MAX
/* Longest serialised edge. */
#define TREE_PACKED	(8 + (TREE_LEVELS - 1) * TREE_HASH)

/* edge[i] is the root of a full subtree of 2^i leaves iff size has bit i. */
struct tree {
	uint64_t	 size;
	uint8_t		 edge[TREE_LEVELS][TREE_HASH];
};

/*
 * Gives the root of the full subtree of leaves [index << level,
 * (index + 1) << level); 0, or -1 when it cannot.
 */
struct tree_source {
	int	(*hash)(void *arg, unsigned int level, uint64_t index,
		    uint8_t out[TREE_HASH]);
	void	*arg;
};

/* SHA-256(0x01 || left || right); out may be left or right. */
void	tree_node(const uint8_t left[TREE_HASH],
	    const uint8_t right[TREE_HASH], uint8_t out[TREE_HASH]);

void	tree_init(struct tree *);
/* 0, or -1 (EOVERFLOW) at TREE_SIZE_MAX. */
int	tree_append(struct tree *, const uint8_t leaf[TREE_HASH]);
/*
 * The same, and full() is told of every full subtree that this leaf
 * completes, the leaf itself (level 0) first: what belongs into tiles.
 */
int	tree_append_each(struct tree *, const uint8_t leaf[TREE_HASH],
	    void (*full)(void *arg, unsigned int level, uint64_t index,
	    const uint8_t hash[TREE_HASH]), void *arg);
/*
 * 2^level leaves at once, whose root this is.  0, or -1 (EINVAL): the size is
 * no multiple of that, or too large.
 */
int	tree_join(struct tree *, unsigned int level,
	    const uint8_t root[TREE_HASH]);
/* Root; of the empty tree SHA-256(""). */
void	tree_root(const struct tree *, uint8_t root[TREE_HASH]);

/*
 * Size (u64) and the present edge hashes, largest subtree first.  Pack
 * returns the length, or -1 (ENOSPC).  Unpack wants exactly the length that
 * the size demands: 0, or -1 (EINVAL).
 */
ssize_t	tree_pack(const struct tree *, void *buf, size_t size);
int	tree_unpack(struct tree *, const void *buf, size_t len);

/*
 * Proofs are flat: n * TREE_HASH bytes; max counts hashes.  The makers
 * return the number of hashes (0 is a proof), or -1 (EINVAL numbers, ENOSPC
 * max too small, or the source's errno).
 */
int	tree_prove_inclusion(uint64_t index, uint64_t size,
	    const struct tree_source *, uint8_t *proof,
	    size_t max);
int	tree_prove_consistency(uint64_t old, uint64_t size,
	    const struct tree_source *, uint8_t *proof,
	    size_t max);
/* 0 proved, -1 not. */
int	tree_check_inclusion(uint64_t index, uint64_t size,
	    const uint8_t leaf[TREE_HASH],
	    const uint8_t *proof, size_t n,
	    const uint8_t root[TREE_HASH]);
int	tree_check_consistency(uint64_t old, uint64_t size,
	    const uint8_t oldroot[TREE_HASH], const uint8_t root[TREE_HASH],
	    const uint8_t *proof, size_t n);

#endif
