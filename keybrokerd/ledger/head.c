/* SPDX-License-Identifier: ISC */
/*
 * Where the log stands, in two rows of meta: "commit" {batch u64, root, leaf,
 * length of the note u16, note, compact range}, "export" {size u64, bytes of
 * checkpoints u64, their number u64, leaf, root of the newest bundle, range up
 * to it}; ranges as tree_pack makes them.
 */
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/be.h"
#include "keybrokerd/ledger/ledger.h"

#define COMMIT	(8 + 2 * TREE_HASH + 2)
#define EXPORT	(24 + 2 * TREE_HASH)

int
head_put_commit(struct store *s, const struct head *h)
{
	uint8_t	 v[COMMIT + LEDGER_NOTE + TREE_PACKED] UNSET;
	size_t	 len;

	be_put64(v, h->batch);
	memcpy(v + 8, h->root, TREE_HASH);
	memcpy(v + 8 + TREE_HASH, h->leaf, TREE_HASH);
	be_put16(v + COMMIT - 2, (uint16_t)h->notelen);
	memcpy(v + COMMIT, h->note, h->notelen);
	len = COMMIT + h->notelen;
	len += (size_t)tree_pack(&h->tree, v + len, sizeof(v) - len);
	return store_meta_put(s, "commit", v, len);
}

int
head_put_export(struct store *s, const struct head *h)
{
	uint8_t	 v[EXPORT + TREE_PACKED];
	ssize_t	 len;

	be_put64(v, h->exported);
	be_put64(v + 8, h->notebytes);
	be_put64(v + 16, h->notes);
	memcpy(v + 24, h->baseleaf, TREE_HASH);
	memcpy(v + 24 + TREE_HASH, h->bundle, TREE_HASH);
	len = tree_pack(&h->base, v + EXPORT, TREE_PACKED);
	return store_meta_put(s, "export", v, EXPORT + (size_t)len);
}

/* ---- reading ---- */
static int
get_commit(struct head *h, const uint8_t *v, size_t len)
{
	if (len < COMMIT)
		return -1;
	h->batch = be_get64(v);
	memcpy(h->root, v + 8, TREE_HASH);
	memcpy(h->leaf, v + 8 + TREE_HASH, TREE_HASH);
	h->notelen = (size_t)v[COMMIT - 2] << 8 | v[COMMIT - 1];
	if (h->notelen > sizeof(h->note) || h->notelen > len - COMMIT)
		return -1;
	memcpy(h->note, v + COMMIT, h->notelen);
	v += COMMIT + h->notelen;
	return tree_unpack(&h->tree, v, len - COMMIT - h->notelen);
}

static int
get_export(struct head *h, const uint8_t *v, size_t len)
{
	if (len < EXPORT)
		return -1;
	h->exported = be_get64(v);
	h->notebytes = be_get64(v + 8);
	h->notes = be_get64(v + 16);
	memcpy(h->baseleaf, v + 24, TREE_HASH);
	memcpy(h->bundle, v + 24 + TREE_HASH, TREE_HASH);
	return tree_unpack(&h->base, v + EXPORT, len - EXPORT);
}

/*
 * The empty log of a database that has just been made; not of one that lost
 * its head.
 */
static int
begin(struct store *s, struct head *h)
{
	struct store_row	 r;
	int			 n;

	n = store_each(s, SS_ENTRIES, 0);
	if (n == 0)
		n = store_next(s, SS_ENTRIES, &r);
	store_done(s, SS_ENTRIES);
	if (n == 1)
		snprintf(s->why, sizeof(s->why), "commit: missing in meta, but "
		    "there are entries");
	if (n != 0)
		return -1;
	tree_init(&h->tree);
	tree_init(&h->base);
	tree_root(&h->tree, h->root);
	if (store_begin(s) == -1 || head_put_commit(s, h) == -1 ||
	    head_put_export(s, h) == -1)
		return -1;
	return store_commit(s);
}

int
head_load(struct store *s, struct head *h)
{
	uint8_t	 v[COMMIT + LEDGER_NOTE + TREE_PACKED];
	ssize_t	 n;
	int	 r;

	memset(h, 0, sizeof(*h));
	n = store_meta_get(s, "commit", v, sizeof(v));
	if (n == -1)
		return s->rc == SQLITE_NOTFOUND ? begin(s, h) : -1;
	r = get_commit(h, v, (size_t)n);
	if (r == 0) {
		n = store_meta_get(s, "export", v, sizeof(v));
		if (n == -1)
			return -1;
		r = get_export(h, v, (size_t)n);
	}
	if (r == 0 && h->exported <= h->tree.size &&
	    h->base.size == h->exported / TILE_WIDTH * TILE_WIDTH)
		return 0;
	snprintf(s->why, sizeof(s->why), "a row of meta is damaged");
	return -1;
}
