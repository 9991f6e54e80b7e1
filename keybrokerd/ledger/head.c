/* SPDX-License-Identifier: ISC */
/*
 * Where the log stands, in the rows of meta: "commit" {batch u64, root,
 * leaf}, "range" and "base" (tree_pack), "note", "export" {size u64, bytes of
 * checkpoints u64, their number u64, leaf, root of the newest bundle}.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/text/be.h"
#include "keybrokerd/ledger/ledger.h"

#define COMMIT	(8 + 2 * TREE_HASH)
#define EXPORT	(24 + 2 * TREE_HASH)

static int
put_tree(struct store *s, const char *key, const struct tree *t)
{
	uint8_t	 buf[TREE_PACKED];
	ssize_t	 len;

	len = tree_pack(t, buf, sizeof(buf));
	return store_meta_put(s, key, buf, (size_t)len);
}

/* Exactly len bytes of a row, or -1. */
static int
fixed(struct store *s, const char *key, void *out, size_t len)
{
	ssize_t	 n;

	n = store_meta_get(s, key, out, len);
	if (n == (ssize_t)len)
		return 0;
	if (n != -1)
		snprintf(s->why, sizeof(s->why), "%s: %zd bytes in meta, not "
		    "%zu", key, n, len);
	return -1;
}

static int
get_tree(struct store *s, const char *key, struct tree *t)
{
	uint8_t	 buf[TREE_PACKED];
	ssize_t	 len;

	len = store_meta_get(s, key, buf, sizeof(buf));
	if (len == -1)
		return -1;
	if (tree_unpack(t, buf, (size_t)len) == 0)
		return 0;
	snprintf(s->why, sizeof(s->why), "%s: no compact range", key);
	return -1;
}

int
head_put_commit(struct store *s, const struct head *h)
{
	uint8_t	 v[COMMIT];

	be_put64(v, h->batch);
	memcpy(v + 8, h->root, TREE_HASH);
	memcpy(v + 8 + TREE_HASH, h->leaf, TREE_HASH);
	if (store_meta_put(s, "commit", v, sizeof(v)) == -1 ||
	    put_tree(s, "range", &h->tree) == -1)
		return -1;
	return store_meta_put(s, "note", h->note, h->notelen);
}

int
head_put_export(struct store *s, const struct head *h)
{
	uint8_t	 v[EXPORT];

	be_put64(v, h->exported);
	be_put64(v + 8, h->notebytes);
	be_put64(v + 16, h->notes);
	memcpy(v + 24, h->baseleaf, TREE_HASH);
	memcpy(v + 24 + TREE_HASH, h->bundle, TREE_HASH);
	if (store_meta_put(s, "export", v, sizeof(v)) == -1)
		return -1;
	return put_tree(s, "base", &h->base);
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
	uint8_t	 c[COMMIT], e[EXPORT];
	ssize_t	 n;

	memset(h, 0, sizeof(*h));
	if (fixed(s, "commit", c, sizeof(c)) == -1)
		return s->rc == SQLITE_NOTFOUND ? begin(s, h) : -1;
	if (fixed(s, "export", e, sizeof(e)) == -1 ||
	    get_tree(s, "range", &h->tree) == -1 ||
	    get_tree(s, "base", &h->base) == -1)
		return -1;
	n = store_meta_get(s, "note", h->note, sizeof(h->note));
	if (n == -1)
		return -1;
	h->notelen = (size_t)n;
	h->batch = be_get64(c);
	memcpy(h->root, c + 8, TREE_HASH);
	memcpy(h->leaf, c + 8 + TREE_HASH, TREE_HASH);
	h->exported = be_get64(e);
	h->notebytes = be_get64(e + 8);
	h->notes = be_get64(e + 16);
	memcpy(h->baseleaf, e + 24, TREE_HASH);
	memcpy(h->bundle, e + 24 + TREE_HASH, TREE_HASH);
	if (h->exported <= h->tree.size &&
	    h->base.size == h->exported / TILE_WIDTH * TILE_WIDTH)
		return 0;
	snprintf(s->why, sizeof(s->why), "export: impossible sizes");
	return -1;
}
