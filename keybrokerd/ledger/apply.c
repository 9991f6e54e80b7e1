/* SPDX-License-Identifier: ISC */
/*
 * A batch becomes one transaction.  The broker is more trusted than we are;
 * its numbers are checked all the same, since a batch that does not add up
 * must not become durable.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/audit/entry.h"
#include "common/compat/compat.h"
#include "common/text/be.h"
#include "keybrokerd/ledger/ledger.h"

#define ITEM_HEAD	5
#define ROW_HEAD	3
#define CLAIM		(8 + TREE_HASH)
#define GONE		300	/* bytes of a batch for an entry that goes */

struct item {
	uint8_t		 tag;
	const uint8_t	*p;
	size_t		 len;
};

/* What one batch has brought so far. */
struct batchwork {
	struct store	*store;
	struct head	 head;
	int		 range, claim, note;	/* seen */
};

/* 1 an item, 0 the end, -1 it runs over the end. */
static int
next(const uint8_t *run, size_t len, size_t *at, struct item *it)
{
	if (*at == len)
		return 0;
	if (len - *at < ITEM_HEAD)
		return -1;
	it->tag = run[*at];
	it->len = be_get32(run + *at + 1);
	it->p = run + *at + ITEM_HEAD;
	if (it->len > len - *at - ITEM_HEAD)
		return -1;
	*at += ITEM_HEAD + it->len;
	return 1;
}

static enum apply
malformed(struct batchwork *w, const char *why)
{
	snprintf(w->store->why, sizeof(w->store->why), "%s", why);
	return APPLY_MALFORMED;
}

static enum apply
entry(struct batchwork *w, const struct item *it)
{
	struct head	*h;

	h = &w->head;
	if (it->len == 0 || it->len > ENTRY_MAX || w->range)
		return malformed(w, "an entry of impossible length or place");
	if (store_entry(w->store, h->tree.size, it->p, it->len) == -1)
		return APPLY_STORAGE;
	chain_leaf(it->p, it->len, h->leaf);
	if (tree_append(&h->tree, h->leaf) == -1)
		return malformed(w, "the tree is full");
	return APPLY_OK;
}

/* Kind and id of a state row; 0, or -1. */
static int
row(const struct item *it, size_t *idlen)
{
	if (it->len < ROW_HEAD)
		return -1;
	*idlen = (size_t)it->p[1] << 8 | it->p[2];
	if (*idlen > STATE_ID || *idlen > it->len - ROW_HEAD ||
	    it->len - ROW_HEAD - *idlen > STATE_VALUE)
		return -1;
	return 0;
}

static enum apply
state(struct batchwork *w, const struct item *it)
{
	const uint8_t	*id;
	size_t		 idlen;

	if (row(it, &idlen) == -1)
		return malformed(w, "a state row of impossible length");
	id = it->p + ROW_HEAD;
	return store_state(w->store, it->p[0], id, idlen, id + idlen,
	    it->len - ROW_HEAD - idlen) == -1 ? APPLY_STORAGE : APPLY_OK;
}

static enum apply
forget(struct batchwork *w, const struct item *it)
{
	size_t	 idlen;

	if (row(it, &idlen) == -1 || it->len != ROW_HEAD + idlen)
		return malformed(w, "a deleted row of impossible length");
	return store_forget(w->store, it->p[0], it->p + ROW_HEAD, idlen) ==
	    -1 ? APPLY_STORAGE : APPLY_OK;
}

/* The compact range is ours too: they must be the same. */
static enum apply
range(struct batchwork *w, const struct item *it)
{
	uint8_t	 buf[TREE_PACKED];
	ssize_t	 len;

	len = tree_pack(&w->head.tree, buf, sizeof(buf));
	if (w->range++ || len != (ssize_t)it->len ||
	    memcmp(buf, it->p, it->len) != 0)
		return malformed(w, "the compact range is not that of the "
		    "entries");
	return APPLY_OK;
}

static enum apply
claim(struct batchwork *w, const struct item *it)
{
	struct head	*h;
	uint64_t	 size;

	h = &w->head;
	if (it->len != CLAIM || !w->range || w->claim++)
		return malformed(w, "size and root are misplaced");
	size = be_get64(it->p);
	tree_root(&h->tree, h->root);
	if (size != h->tree.size || memcmp(it->p + 8, h->root, TREE_HASH) != 0)
		return malformed(w, "size or root is not that of the entries");
	return APPLY_OK;
}

static enum apply
note(struct batchwork *w, const struct item *it)
{
	struct head	*h;
	struct note	 n;

	h = &w->head;
	if (!w->claim || w->note++ || it->len > sizeof(h->note))
		return malformed(w, "a checkpoint is misplaced or too long");
	memcpy(h->note, it->p, it->len);
	h->notelen = it->len;
	if (note_parse(&n, h->note, h->notelen) == -1 ||
	    n.size != h->tree.size || memcmp(n.root, h->root, TREE_HASH) != 0)
		return malformed(w, "the checkpoint is not of this batch");
	return store_note(w->store, n.size, it->p, it->len) == -1 ?
	    APPLY_STORAGE : APPLY_OK;
}

static const struct {
	uint8_t		 tag;
	enum apply	 (*fn)(struct batchwork *, const struct item *);
} items[] = {
	{ 'E', entry },
	{ 'S', state },
	{ 'D', forget },
	{ 'R', range },
	{ 'H', claim },
	{ 'C', note }
};

static enum apply
one(struct batchwork *w, const struct item *it)
{
	size_t	 i;

	for (i = 0; i < nitems(items); i++)
		if (items[i].tag == it->tag)
			return items[i].fn(w, it);
	return malformed(w, "an item of unknown kind");
}

static enum apply
all(struct batchwork *w, const uint8_t *run, size_t len)
{
	struct item	 it;
	enum apply	 r;
	size_t		 at;
	int		 n;

	r = APPLY_OK;
	at = 0;
	n = 0;
	while (r == APPLY_OK && (n = next(run, len, &at, &it)) == 1)
		r = one(w, &it);
	if (r == APPLY_OK && (n == -1 || !w->note))
		r = malformed(w, "the batch ends early");
	return r;
}

enum apply
apply_batch(struct store *s, struct head *h, uint64_t batch,
    const uint8_t *run, size_t len)
{
	struct batchwork	 w UNSET;
	enum apply		 r;

	w.store = s;
	w.range = w.claim = w.note = 0;
	memcpy(&w.head, h, HEAD_PLAIN);
	w.head.batch = batch;
	/* about as much as comes goes, and its pages are used again */
	if (store_begin(s) == -1 || store_trim(s, len / GONE) == -1)
		return APPLY_STORAGE;
	r = all(&w, run, len);
	if (r == APPLY_OK && head_put_commit(s, &w.head) == -1)
		r = APPLY_STORAGE;
	if (r == APPLY_OK && store_commit(s) == -1)
		return APPLY_STORAGE;
	if (r == APPLY_OK)
		memcpy(h, &w.head, HEAD_PLAIN + w.head.notelen);
	else if (r == APPLY_MALFORMED)
		store_rollback(s);
	return r;
}

int
apply_same(const struct head *h, const uint8_t *run, size_t len)
{
	struct item	 it;
	size_t		 at;
	int		 found, n;

	at = 0;
	found = 0;
	while ((n = next(run, len, &at, &it)) == 1) {
		if (it.tag != 'C')
			continue;
		found = it.len == h->notelen &&
		    memcmp(it.p, h->note, it.len) == 0;
	}
	return n == 0 && found ? 0 : -1;
}
