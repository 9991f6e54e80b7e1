/* SPDX-License-Identifier: ISC */
/*
 * Merkle tree of the log: right edge, proofs and their checks.  No
 * allocation; the checkers believe nothing about the proof they are given.
 */
#include <errno.h>
#include <string.h>

#include "common/audit/tree.h"
#include "common/text/sha256.h"

_Static_assert(TREE_HASH == SHA256_LEN, "RFC 6962 with SHA-256");

void
tree_node(const uint8_t left[TREE_HASH], const uint8_t right[TREE_HASH],
    uint8_t out[TREE_HASH])
{
	static const uint8_t	 one = 1;
	struct sha256		 h;

	sha256_init(&h);
	sha256_update(&h, &one, 1);
	sha256_update(&h, left, TREE_HASH);
	sha256_update(&h, right, TREE_HASH);
	sha256_final(&h, out);
}

void
tree_init(struct tree *t)
{
	memset(t, 0, sizeof(*t));
}

/* Like adding one to a binary number: each carry joins two subtrees. */
int
tree_append_each(struct tree *t, const uint8_t leaf[TREE_HASH],
    void (*full)(void *, unsigned int, uint64_t, const uint8_t *), void *arg)
{
	uint8_t		 h[TREE_HASH];
	unsigned int	 i;

	if (t->size >= (uint64_t)TREE_SIZE_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	memcpy(h, leaf, TREE_HASH);
	for (i = 0; (t->size >> i & 1) != 0; i++) {
		if (full != NULL)
			full(arg, i, t->size >> i, h);
		tree_node(t->edge[i], h, h);
	}
	if (full != NULL)
		full(arg, i, t->size >> i, h);
	memcpy(t->edge[i], h, TREE_HASH);
	t->size++;
	return 0;
}

int
tree_append(struct tree *t, const uint8_t leaf[TREE_HASH])
{
	return tree_append_each(t, leaf, NULL, NULL);
}

int
tree_join(struct tree *t, unsigned int level, const uint8_t root[TREE_HASH])
{
	uint8_t		 h[TREE_HASH];
	unsigned int	 i;

	if ((t->size & ((UINT64_C(1) << level) - 1)) != 0 ||
	    t->size > (uint64_t)TREE_SIZE_MAX - (UINT64_C(1) << level)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(h, root, TREE_HASH);
	for (i = level; (t->size >> i & 1) != 0; i++)
		tree_node(t->edge[i], h, h);
	memcpy(t->edge[i], h, TREE_HASH);
	t->size += UINT64_C(1) << level;
	return 0;
}

void
tree_root(const struct tree *t, uint8_t root[TREE_HASH])
{
	unsigned int	 i, any;

	if (t->size == 0) {
		sha256_buf("", 0, root);
		return;
	}
	any = 0;
	for (i = 0; i < TREE_LEVELS; i++) {
		if ((t->size >> i & 1) == 0)
			continue;
		if (any)
			tree_node(t->edge[i], root, root);
		else
			memcpy(root, t->edge[i], TREE_HASH);
		any = 1;
	}
}

static size_t
packed(uint64_t size)
{
	size_t	 n;

	for (n = 8; size != 0; size >>= 1)
		n += (size & 1) * TREE_HASH;
	return n;
}

ssize_t
tree_pack(const struct tree *t, void *buf, size_t size)
{
	uint8_t	*p;
	size_t	 len;
	int	 i;

	p = buf;
	len = packed(t->size);
	if (size < len) {
		errno = ENOSPC;
		return -1;
	}
	for (i = 0; i < 8; i++)
		*p++ = (uint8_t)(t->size >> (56 - 8 * i));
	for (i = TREE_LEVELS - 1; i >= 0; i--) {
		if ((t->size >> i & 1) == 0)
			continue;
		memcpy(p, t->edge[i], TREE_HASH);
		p += TREE_HASH;
	}
	return (ssize_t)len;
}

int
tree_unpack(struct tree *t, const void *buf, size_t len)
{
	const uint8_t	*p;
	int		 i;

	p = buf;
	tree_init(t);
	errno = EINVAL;
	if (len < 8)
		return -1;
	for (i = 0; i < 8; i++)
		t->size = t->size << 8 | *p++;
	if (t->size > (uint64_t)TREE_SIZE_MAX || len != packed(t->size)) {
		t->size = 0;
		return -1;
	}
	for (i = TREE_LEVELS - 1; i >= 0; i--) {
		if ((t->size >> i & 1) == 0)
			continue;
		memcpy(t->edge[i], p, TREE_HASH);
		p += TREE_HASH;
	}
	return 0;
}

/* --- proofs: making --------------------------------------------------- */

/* Largest power of two below n (n > 1): where RFC 6962 splits n leaves. */
static uint64_t
split(uint64_t n)
{
	uint64_t	 k;

	for (k = 1; k < n - k; k <<= 1)
		continue;
	return k;
}

/*
 * Root of leaves [lo, hi).  lo is a multiple of the largest power of two
 * that fits, so that the range is a run of full subtrees, each smaller than
 * the one before.
 */
static int
range(const struct tree_source *src, uint64_t lo, uint64_t hi,
    uint8_t out[TREE_HASH])
{
	uint8_t		 h[TREE_LEVELS][TREE_HASH];
	unsigned int	 n;
	int		 level;

	n = 0;
	for (level = TREE_LEVELS - 2; level >= 0; level--) {
		if (((hi - lo) >> level) == 0)
			continue;
		if (src->hash(src->arg, (unsigned int)level, lo >> level,
		    h[n++]) == -1)
			return -1;
		lo += UINT64_C(1) << level;
	}
	if (n == 0) {
		errno = EINVAL;
		return -1;
	}
	memcpy(out, h[--n], TREE_HASH);
	while (n > 0)
		tree_node(h[--n], out, out);
	return 0;
}

/* A proof under construction, from the root downwards. */
struct path {
	const struct tree_source	*src;
	uint8_t				*proof;
	size_t				 max;
	size_t				 n;
};

static int
sibling(struct path *p, uint64_t lo, uint64_t hi)
{
	if (p->n == p->max) {
		errno = ENOSPC;
		return -1;
	}
	if (range(p->src, lo, hi, p->proof + p->n * TREE_HASH) == -1)
		return -1;
	p->n++;
	return 0;
}

/* Proofs are written from the leaf upwards. */
static int
finish(struct path *p)
{
	uint8_t	 tmp[TREE_HASH], *a, *b;
	size_t	 i;

	for (i = 0; i < p->n / 2; i++) {
		a = p->proof + i * TREE_HASH;
		b = p->proof + (p->n - 1 - i) * TREE_HASH;
		memcpy(tmp, a, TREE_HASH);
		memcpy(a, b, TREE_HASH);
		memcpy(b, tmp, TREE_HASH);
	}
	return (int)p->n;
}

int
tree_prove_inclusion(uint64_t index, uint64_t size,
    const struct tree_source *src, uint8_t *proof, size_t max)
{
	struct path	 p = { src, proof, max, 0 };
	uint64_t	 lo, hi, k;

	if (size > (uint64_t)TREE_SIZE_MAX || index >= size) {
		errno = EINVAL;
		return -1;
	}
	lo = 0;
	hi = size;
	while (hi - lo > 1) {
		k = split(hi - lo);
		if (index - lo < k) {
			if (sibling(&p, lo + k, hi) == -1)
				return -1;
			hi = lo + k;
		} else {
			if (sibling(&p, lo, lo + k) == -1)
				return -1;
			lo += k;
		}
	}
	return finish(&p);
}

int
tree_prove_consistency(uint64_t old, uint64_t size,
    const struct tree_source *src, uint8_t *proof, size_t max)
{
	struct path	 p = { src, proof, max, 0 };
	uint64_t	 lo, hi, k;

	if (size > (uint64_t)TREE_SIZE_MAX || old == 0 || old > size) {
		errno = EINVAL;
		return -1;
	}
	lo = 0;
	hi = size;
	while (hi != old) {
		k = split(hi - lo);
		if (old - lo <= k) {
			if (sibling(&p, lo + k, hi) == -1)
				return -1;
			hi = lo + k;
		} else {
			if (sibling(&p, lo, lo + k) == -1)
				return -1;
			lo += k;
		}
	}
	/* from lo == 0 on the verifier has this hash: it is the old root */
	if (lo != 0 && sibling(&p, lo, hi) == -1)
		return -1;
	return finish(&p);
}

/* --- proofs: checking ------------------------------------------------- */

/* Up to where the path turns: both numbers lose the same bits. */
static void
climb(uint64_t *fn, uint64_t *sn)
{
	while (*fn != 0 && (*fn & 1) == 0) {
		*fn >>= 1;
		*sn >>= 1;
	}
}

/* RFC 9162 section 2.1.3.2. */
int
tree_check_inclusion(uint64_t index, uint64_t size,
    const uint8_t leaf[TREE_HASH], const uint8_t *proof, size_t n,
    const uint8_t root[TREE_HASH])
{
	uint8_t		 r[TREE_HASH];
	uint64_t	 fn, sn;
	size_t		 i;

	if (index >= size || size > (uint64_t)TREE_SIZE_MAX)
		return -1;
	fn = index;
	sn = size - 1;
	memcpy(r, leaf, TREE_HASH);
	for (i = 0; i < n; i++, proof += TREE_HASH) {
		if (sn == 0)
			return -1;
		if ((fn & 1) != 0 || fn == sn) {
			tree_node(proof, r, r);
			climb(&fn, &sn);
		} else
			tree_node(r, proof, r);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(r, root, TREE_HASH) == 0 ? 0 : -1;
}

/* RFC 9162 section 2.1.4.2.  From an empty tree there is nothing to prove. */
int
tree_check_consistency(uint64_t old, uint64_t size,
    const uint8_t oldroot[TREE_HASH], const uint8_t root[TREE_HASH],
    const uint8_t *proof, size_t n)
{
	uint8_t		 fr[TREE_HASH], sr[TREE_HASH];
	uint64_t	 fn, sn;
	size_t		 i;

	if (old == 0 || old > size || size > (uint64_t)TREE_SIZE_MAX)
		return -1;
	if (old == size)
		return n == 0 && memcmp(oldroot, root, TREE_HASH) == 0 ?
		    0 : -1;
	fn = old - 1;
	sn = size - 1;
	while ((fn & 1) != 0) {
		fn >>= 1;
		sn >>= 1;
	}
	i = 0;
	if (fn == 0)
		memcpy(fr, oldroot, TREE_HASH);
	else if (n > 0)
		memcpy(fr, proof + i++ * TREE_HASH, TREE_HASH);
	else
		return -1;
	memcpy(sr, fr, TREE_HASH);
	for (; i < n; i++) {
		if (sn == 0)
			return -1;
		if ((fn & 1) != 0 || fn == sn) {
			tree_node(proof + i * TREE_HASH, fr, fr);
			tree_node(proof + i * TREE_HASH, sr, sr);
			climb(&fn, &sn);
		} else
			tree_node(sr, proof + i * TREE_HASH, sr);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(fr, oldroot, TREE_HASH) == 0 &&
	    memcmp(sr, root, TREE_HASH) == 0 ? 0 : -1;
}
