/* SPDX-License-Identifier: ISC */
/*
 * The exported log: bundles of 256 entries and tiles of hashes in the C2SP
 * layout, partial ones at the end, every checkpoint, the newest one on its
 * own.  First all files are durable, then one transaction says so and deletes
 * from the database what full bundles hold.  A crash in between writes the
 * same bytes again.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/audit/entry.h"
#include "common/compat/compat.h"
#include "keybrokerd/ledger/ledger.h"

/* A failure of the directory, in words; -1. */
static int
failed(struct bundle *b, const char *name)
{
	snprintf(b->why, sizeof(b->why), "export/%s: %s", name,
	    strerror(errno));
	return -1;
}

/* The same of the database. */
static int
storefailed(struct bundle *b, const struct store *s)
{
	snprintf(b->why, sizeof(b->why), "%s", s->why);
	return -1;
}

/* ---- start ---- */
static int
load_partial(struct bundle *b, unsigned int level, uint64_t size)
{
	char		 path[TILE_PATH];
	uint64_t	 n;
	size_t		 want;

	n = size >> (8 * level);
	b->index[level] = n / TILE_WIDTH;
	b->width[level] = (unsigned int)(n % TILE_WIDTH);
	if (b->width[level] == 0)
		return 0;
	tile_path(path, sizeof(path), level, b->index[level], b->width[level]);
	want = (size_t)b->width[level] * TILE_HASH;
	errno = EINVAL;
	if (outfile_load(b->dir, path, b->tile[level], want) != (ssize_t)want)
		return failed(b, path);
	return 0;
}

/* What a crash left behind the known length was not acknowledged by us. */
static int
cut_notes(struct bundle *b, uint64_t len)
{
	struct stat	 st;
	int		 fd, r;

	fd = openat(b->dir, TILE_CHECKPOINTS, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT && len == 0 ? 0 :
		    failed(b, TILE_CHECKPOINTS);
	r = 0;
	if (fstat(fd, &st) == -1 || st.st_size < (off_t)len) {
		errno = EINVAL;
		r = failed(b, TILE_CHECKPOINTS);
	} else if (st.st_size > (off_t)len && (ftruncate(fd, (off_t)len) ==
	    -1 || fsync(fd) == -1))
		r = failed(b, TILE_CHECKPOINTS);
	close(fd);
	return r;
}

/* Level 0 is made from the entries again, they are still in the database. */
int
bundle_init(struct bundle *b, int dir, const struct head *h)
{
	unsigned int	 level;

	memset(b, 0, sizeof(*b));
	b->dir = dir;
	b->out.fd = -1;
	b->index[0] = h->base.size / TILE_WIDTH;
	for (level = 1; level <= TILE_LEVEL_MAX; level++)
		if (load_partial(b, level, h->base.size) == -1)
			return -1;
	return cut_notes(b, h->notebytes);
}

/* ---- writing ---- */
/* Names that appeared become durable, a directory at a time. */
static int
flush_names(struct bundle *b)
{
	while (b->nfresh > 0)
		if (outfile_sync(b->dir, b->fresh[--b->nfresh]) == -1)
			return failed(b, b->fresh[b->nfresh]);
	return 0;
}

/* A name appeared: one of each directory is remembered until flush_names. */
static int
named(struct bundle *b, const char *path)
{
	size_t	 i, len;

	len = (size_t)(strrchr(path, '/') - path) + 1;
	for (i = 0; i < b->nfresh; i++)
		if (strncmp(b->fresh[i], path, len) == 0 &&
		    strchr(b->fresh[i] + len, '/') == NULL)
			return 0;
	if (b->nfresh == BUNDLE_DIRS && flush_names(b) == -1)
		return -1;
	strlcpy(b->fresh[b->nfresh++], path, sizeof(b->fresh[0]));
	return 0;
}

static int
put_tile(struct bundle *b, unsigned int level)
{
	char	 path[TILE_PATH];

	tile_path(path, sizeof(path), level, b->index[level], b->width[level]);
	if (outfile_put(b->dir, path, b->tile[level],
	    (size_t)b->width[level] * TILE_HASH) == -1)
		return failed(b, path);
	return named(b, path);
}

/* A hash into the tile of its level; full ones are written and go up. */
static int
push(struct bundle *b, unsigned int level, const uint8_t hash[TREE_HASH])
{
	struct tree	 t;
	uint8_t		 root[TREE_HASH];
	unsigned int	 i;

	memcpy(b->tile[level] + b->width[level]++ * TILE_HASH, hash,
	    TREE_HASH);
	if (b->width[level] < TILE_WIDTH)
		return 0;
	if (put_tile(b, level) == -1)
		return -1;
	/* 256 hashes fold to a full subtree, whatever they are hashes of */
	tree_init(&t);
	for (i = 0; i < TILE_WIDTH; i++)
		(void)tree_append(&t, b->tile[level] + i * TILE_HASH);
	tree_root(&t, root);
	b->index[level]++;
	b->width[level] = 0;
	return level == TILE_LEVEL_MAX ? 0 : push(b, level + 1, root);
}

/* Entries of one bundle end: at width the file gets its name. */
static int
close_bundle(struct bundle *b)
{
	if (outfile_close(&b->out) == -1)
		return failed(b, b->out.path);
	return named(b, b->out.path);
}

static int
open_bundle(struct bundle *b, uint64_t index, uint64_t size)
{
	char		 path[TILE_PATH];
	uint64_t	 left;

	left = size - index * TILE_WIDTH;
	tile_entries_path(path, sizeof(path), index,
	    left < TILE_WIDTH ? (unsigned int)left : TILE_WIDTH);
	if (outfile_open(&b->out, b->dir, path) == -1)
		return failed(b, path);
	return 0;
}

/* One entry of the log, number r->n, towards a log of this size. */
static int
put_entry(struct bundle *b, struct head *h, struct tree *t,
    const struct store_row *r, uint64_t size)
{
	uint8_t	 leaf[TREE_HASH], len[2];

	if (r->n % TILE_WIDTH == 0 &&
	    open_bundle(b, r->n / TILE_WIDTH, size) == -1)
		return -1;
	len[0] = (uint8_t)(r->len >> 8);
	len[1] = (uint8_t)r->len;
	if (outfile_write(&b->out, len, sizeof(len)) == -1 ||
	    outfile_write(&b->out, r->data, r->len) == -1)
		return failed(b, b->out.path);
	chain_leaf(r->data, r->len, leaf);
	(void)tree_append(t, leaf);
	if (t->size % TILE_WIDTH != 0)
		return push(b, 0, leaf);
	if (close_bundle(b) == -1 || push(b, 0, leaf) == -1)
		return -1;
	h->base = *t;
	memcpy(h->baseleaf, leaf, TREE_HASH);
	/* index is behind it; the hash that went up is the bundle's root */
	memcpy(h->bundle, b->tile[1] + (b->index[0] - 1) % TILE_WIDTH *
	    TILE_HASH, TREE_HASH);
	return 0;
}

/* All entries from the last full bundle on. */
static int
put_entries(struct bundle *b, struct store *s, struct head *h)
{
	struct store_row	 r;
	struct tree		 t;
	uint64_t		 size;
	int			 n;

	t = h->base;
	size = h->tree.size;
	b->width[0] = 0;
	if (store_each(s, SS_ENTRIES, t.size) == -1)
		return storefailed(b, s);
	while ((n = store_next(s, SS_ENTRIES, &r)) == 1) {
		if (r.n != t.size || r.n >= size || r.len == 0 ||
		    r.len > ENTRY_MAX) {
			errno = EINVAL;
			n = failed(b, "entries");
			store_done(s, SS_ENTRIES);
			return n;
		}
		if (put_entry(b, h, &t, &r, size) == -1) {
			store_done(s, SS_ENTRIES);
			return -1;
		}
	}
	if (n == -1)
		return storefailed(b, s);
	if (t.size % TILE_WIDTH != 0 && close_bundle(b) == -1)
		return -1;
	if (t.size == size)
		return 0;
	errno = ENOENT;
	return failed(b, "entries");
}

/* Partial tiles of every level that has changed since the size before. */
static int
put_partial(struct bundle *b, uint64_t before, uint64_t size)
{
	unsigned int	 level;

	for (level = 0; level <= TILE_LEVEL_MAX; level++) {
		if (b->width[level] == 0 ||
		    before >> (8 * level) == size >> (8 * level))
			continue;
		if (put_tile(b, level) == -1)
			return -1;
	}
	return 0;
}

/* Appends to the one file that grows in place; h learns its length. */
static int
append_notes(struct bundle *b, struct store *s, struct head *h, int fd)
{
	char			 buf[LEDGER_NOTE + 1];
	struct store_row	 r;
	int			 n;

	if (store_each(s, SS_NOTES, h->exported) == -1)
		return storefailed(b, s);
	while ((n = store_next(s, SS_NOTES, &r)) == 1) {
		if (r.len > LEDGER_NOTE)
			break;
		memcpy(buf, r.data, r.len);
		buf[r.len] = '\n';
		if (pwrite(fd, buf, r.len + 1, (off_t)h->notebytes) !=
		    (ssize_t)(r.len + 1))
			break;
		h->notebytes += r.len + 1;
		h->notes++;
	}
	if (n == -1)
		return storefailed(b, s);
	store_done(s, SS_NOTES);
	return n == 1 || fsync(fd) == -1 ? failed(b, TILE_CHECKPOINTS) : 0;
}

static int
put_notes(struct bundle *b, struct store *s, struct head *h)
{
	int	 fd, r;

	fd = openat(b->dir, TILE_CHECKPOINTS, O_WRONLY | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC, 0644);
	if (fd == -1)
		return failed(b, TILE_CHECKPOINTS);
	r = append_notes(b, s, h, fd);
	close(fd);
	if (r == -1)
		return -1;
	/* one flush of the directory makes both names durable */
	if (outfile_put(b->dir, TILE_CHECKPOINT, h->note, h->notelen) == -1 ||
	    outfile_sync(b->dir, TILE_CHECKPOINT) == -1)
		return failed(b, TILE_CHECKPOINT);
	return 0;
}

/* ---- what is superseded ---- */
static void
drop(struct bundle *b, const char *path)
{
	char	 dir[TILE_PATH];

	(void)unlinkat(b->dir, path, 0);
	strlcpy(dir, path, sizeof(dir));
	*strrchr(dir, '/') = '\0';
	(void)unlinkat(b->dir, dir, AT_REMOVEDIR);
}

/* Partial bundle and tiles of the size before; a leftover does no harm. */
static void
drop_partial(struct bundle *b, uint64_t before, uint64_t size)
{
	char		 path[TILE_PATH];
	uint64_t	 n;
	unsigned int	 level, width;

	for (level = 0; level <= TILE_LEVEL_MAX; level++) {
		n = before >> (8 * level);
		width = (unsigned int)(n % TILE_WIDTH);
		if (width == 0 || n == size >> (8 * level))
			continue;
		tile_path(path, sizeof(path), level, n / TILE_WIDTH, width);
		drop(b, path);
		if (level > 0)
			continue;
		tile_entries_path(path, sizeof(path), n / TILE_WIDTH, width);
		drop(b, path);
	}
}

int
bundle_export(struct bundle *b, struct store *s, struct head *h)
{
	struct head	 next;

	if (h->exported == h->tree.size)
		return 0;
	next = *h;
	if (put_entries(b, s, &next) == -1 ||
	    put_partial(b, h->exported, h->tree.size) == -1 ||
	    /* no checkpoint before what it is a checkpoint of */
	    flush_names(b) == -1 || put_notes(b, s, &next) == -1)
		return -1;
	next.exported = h->tree.size;
	if (store_begin(s) == -1 || head_put_export(s, &next) == -1 ||
	    store_trim(s, next.base.size, next.exported) == -1 ||
	    store_commit(s) == -1)
		return storefailed(b, s);
	drop_partial(b, h->exported, next.exported);
	*h = next;
	return 0;
}
