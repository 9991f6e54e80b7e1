/* SPDX-License-Identifier: ISC */
/*
 * The check at start: everything in the database and the newest bundle, so
 * that nothing is continued that was changed while nobody looked.  Older
 * bundles are auditverify's.  Signatures are the broker's to check.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit/entry.h"
#include "keybrokerd/ledger/ledger.h"

struct check {
	struct store		*store;
	const struct head	*head;
	struct bundle		*bundle;
	struct chain		 chain;
	struct tree		 tree;
	/* cursor over checkpoints */
	struct store_row	 note;
	int			 more;		/* note is one to compare */
	/* what export/checkpoint says, to be met on the way */
	char			 latest[LEDGER_NOTE];
	struct note		 ln;
	char			*why;
	size_t			 size;
};

static int	wrong(struct check *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));

/* Sets the line, unless one is there; always -1. */
static int
wrong(struct check *c, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(c->why, c->size, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- export directory ---- */
/* Partial tiles of the higher levels against the right edge of the tree. */
static int
tiles(struct check *c)
{
	const struct tree	*base;
	struct tree		 t;
	uint8_t			 root[TREE_HASH];
	unsigned int		 at, bit, i, level, w;

	base = &c->head->base;
	for (level = 1; level <= TILE_LEVEL_MAX; level++) {
		w = c->bundle->width[level];
		for (bit = 8, at = 0; bit-- > 0;) {
			if ((w & 1U << bit) == 0)
				continue;
			tree_init(&t);
			for (i = 0; i < 1U << bit; i++)
				(void)tree_append(&t,
				    c->bundle->tile[level] + at++ * TREE_HASH);
			tree_root(&t, root);
			if (memcmp(root, base->edge[8 * level + bit],
			    TREE_HASH) != 0)
				return wrong(c, "the exported tile of level "
				    "%u was changed", level);
		}
	}
	return 0;
}

static int
entries_of(struct check *c, const uint8_t *buf, size_t len)
{
	struct tree	 t;
	const uint8_t	*entry;
	uint8_t		 leaf[TREE_HASH], root[TREE_HASH];
	size_t		 elen, off;

	tree_init(&t);
	memset(leaf, 0, sizeof(leaf));
	off = 0;
	while (tile_bundle_next(buf, len, &off, &entry, &elen) == 1) {
		chain_leaf(entry, elen, leaf);
		(void)tree_append(&t, leaf);
	}
	tree_root(&t, root);
	if (t.size != TILE_WIDTH || off != len ||
	    memcmp(leaf, c->head->baseleaf, TREE_HASH) != 0 ||
	    memcmp(root, c->head->bundle, TREE_HASH) != 0)
		return wrong(c, "the newest exported bundle was changed");
	return 0;
}

/* The last full bundle: its entries, and its root where the edge shows it. */
static int
newest(struct check *c)
{
	char		 path[TILE_PATH];
	const uint8_t	*up;
	uint8_t		*buf;
	uint64_t	 n;
	ssize_t		 len;
	int		 r;

	n = c->head->base.size / TILE_WIDTH;
	if (n == 0)
		return 0;
	up = NULL;
	if (c->bundle->width[1] > 0)
		up = c->bundle->tile[1] + (c->bundle->width[1] - 1) * TREE_HASH;
	if (up != NULL && memcmp(up, c->head->bundle, TREE_HASH) != 0)
		return wrong(c, "the root of the newest bundle was changed");
	tile_entries_path(path, sizeof(path), n - 1, TILE_WIDTH);
	buf = malloc(TILE_BUNDLE_MAX);
	if (buf == NULL)
		return wrong(c, "memory for a bundle");
	len = outfile_load(c->bundle->dir, path, buf, TILE_BUNDLE_MAX);
	if (len == -1)
		r = wrong(c, "export/%s: %s", path, strerror(errno));
	else
		r = entries_of(c, buf, (size_t)len);
	free(buf);
	return r;
}

/*
 * export/checkpoint: never newer than the database, which is then an old
 * copy, and never older than what the database says was exported.
 */
static int
latest(struct check *c)
{
	ssize_t	 len;

	len = outfile_load(c->bundle->dir, TILE_CHECKPOINT, c->latest,
	    sizeof(c->latest));
	if (len == -1 && errno == ENOENT && c->head->exported == 0)
		return 0;
	if (len == -1)
		return wrong(c, "export/%s: %s", TILE_CHECKPOINT,
		    strerror(errno));
	if (note_parse(&c->ln, c->latest, (size_t)len) == -1)
		return wrong(c, "export/%s is no signed checkpoint",
		    TILE_CHECKPOINT);
	if (c->ln.size > c->head->tree.size)
		return wrong(c, "the database has %" PRIu64 " entries, but %"
		    PRIu64 " were exported already: it is an old copy, with "
		    "which revoked keys would come back",
		    c->head->tree.size, c->ln.size);
	if (c->ln.size < c->head->exported)
		return wrong(c, "export/%s is of size %" PRIu64 ", the "
		    "database exported %" PRIu64 ": the directory is an old "
		    "copy", TILE_CHECKPOINT, c->ln.size, c->head->exported);
	return 0;
}

/* ---- database ---- */
static int
next_note(struct check *c)
{
	c->more = store_next(c->store, SS_NOTES, &c->note);
	return c->more == -1 ? wrong(c, "%s", c->store->why) : 0;
}

/* All checkpoints of the tree as it is. */
static int
reached(struct check *c)
{
	struct note	 n;
	uint8_t		 root[TREE_HASH];

	tree_root(&c->tree, root);
	if (c->ln.origin != NULL && c->ln.size == c->tree.size &&
	    memcmp(c->ln.root, root, TREE_HASH) != 0)
		return wrong(c, "export/%s is not of this log",
		    TILE_CHECKPOINT);
	while (c->more == 1 && c->note.n <= c->tree.size) {
		if (note_parse(&n, (const char *)c->note.data, c->note.len) ==
		    -1 || n.size != c->note.n || n.size != c->tree.size ||
		    memcmp(n.root, root, TREE_HASH) != 0)
			return wrong(c, "the checkpoint of size %" PRIu64
			    " is not of these entries", c->note.n);
		if (next_note(c) == -1)
			return -1;
	}
	return 0;
}

static int
entry(struct check *c, const struct store_row *r)
{
	struct entry	 e;
	const char	*why;
	uint8_t		 leaf[TREE_HASH];

	if (r->n != c->chain.next)
		return wrong(c, "entry %" PRIu64 " is missing", c->chain.next);
	if (entry_parse(r->data, r->len, &e, &why) == -1)
		return wrong(c, "entry %" PRIu64 ": %s", r->n, why);
	if (chain_check(&c->chain, &e) != CHAIN_OK)
		return wrong(c, "entry %" PRIu64 " does not follow the one "
		    "before it: one of them was changed", r->n);
	chain_leaf(r->data, r->len, leaf);
	chain_push(&c->chain, leaf);
	(void)tree_append(&c->tree, leaf);
	return reached(c);
}

static int
scan(struct check *c)
{
	struct store_row	 r;
	int			 n;

	c->tree = c->head->base;
	c->chain.next = c->tree.size;
	memcpy(c->chain.prev, c->head->baseleaf, CHAIN_HASH);
	/* what is below is exported, and may not be deleted yet */
	if (store_each(c->store, SS_NOTES, c->tree.size) == -1 ||
	    store_each(c->store, SS_ENTRIES, c->tree.size) == -1 ||
	    next_note(c) == -1 ||
	    reached(c) == -1)
		return -1;
	while ((n = store_next(c->store, SS_ENTRIES, &r)) == 1)
		if (entry(c, &r) == -1)
			return -1;
	if (n == -1)
		return wrong(c, "%s", c->store->why);
	return c->more == 1 ? wrong(c, "a checkpoint of size %" PRIu64 ", but "
	    "entries end at %" PRIu64, c->note.n, c->tree.size) : 0;
}

static int
compare(struct check *c)
{
	const struct head	*h;
	struct note		 n;
	uint8_t			 a[TREE_PACKED], b[TREE_PACKED];
	uint8_t			 root[TREE_HASH];
	ssize_t			 la, lb;

	h = c->head;
	tree_root(&c->tree, root);
	la = tree_pack(&c->tree, a, sizeof(a));
	lb = tree_pack(&h->tree, b, sizeof(b));
	if (c->tree.size != h->tree.size)
		return wrong(c, "entries end at %" PRIu64 ", the log at %"
		    PRIu64, c->tree.size, h->tree.size);
	if (memcmp(root, h->root, TREE_HASH) != 0 || la != lb ||
	    memcmp(a, b, (size_t)la) != 0 ||
	    memcmp(c->chain.prev, h->leaf, CHAIN_HASH) != 0)
		return wrong(c, "the entries do not have the root of the log: "
		    "one was changed");
	if (h->batch == 0 && h->tree.size == 0)
		return 0;
	if (note_parse(&n, h->note, h->notelen) == -1 ||
	    n.size != h->tree.size || memcmp(n.root, root, TREE_HASH) != 0)
		return wrong(c, "the last checkpoint is not of these entries");
	return 0;
}

int
check_all(struct store *s, const struct head *h, struct bundle *b, char *why,
    size_t size)
{
	struct check	 c;
	int		 r;

	memset(&c, 0, sizeof(c));
	c.store = s;
	c.head = h;
	c.bundle = b;
	c.why = why;
	c.size = size;
	if (store_integrity(s) == -1)
		return wrong(&c, "%s", s->why);
	r = latest(&c);
	if (r == 0)
		r = tiles(&c);
	if (r == 0)
		r = newest(&c);
	if (r == 0)
		r = scan(&c);
	store_done(s, SS_NOTES);
	store_done(s, SS_ENTRIES);
	return r == 0 ? compare(&c) : -1;
}
