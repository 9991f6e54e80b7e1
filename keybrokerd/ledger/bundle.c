/* SPDX-License-Identifier: ISC */
/*
 * The exported log: bundles of 256 entries and tiles of hashes in the C2SP
 * layout, partial ones at the end, every checkpoint, the newest one on its
 * own.  First all files are durable, then one transaction says so; what full
 * bundles hold is deleted from the database after that.  A crash in between
 * writes the same bytes again.  An export goes in steps of one file or one
 * flush, so that a batch never waits for more than that.
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
/* 256 hashes fold to a full subtree, whatever they are hashes of. */
static void
fold(const uint8_t *hashes, uint8_t root[TREE_HASH])
{
	struct tree	 t;
	unsigned int	 i;

	tree_init(&t);
	for (i = 0; i < TILE_WIDTH; i++)
		(void)tree_append(&t, hashes + i * TREE_HASH);
	tree_root(&t, root);
}

/* A partial tile that an export in a hurry left out: the full ones below. */
static int
rebuild(struct bundle *b, unsigned int level)
{
	uint8_t		 below[TILE_WIDTH * TILE_HASH];
	char		 path[TILE_PATH];
	unsigned int	 i;

	for (i = 0; i < b->width[level]; i++) {
		tile_path(path, sizeof(path), level - 1,
		    b->index[level] * TILE_WIDTH + i, TILE_WIDTH);
		errno = EINVAL;
		if (outfile_load(b->dir, path, below, sizeof(below)) !=
		    (ssize_t)sizeof(below))
			return failed(b, path);
		fold(below, b->tile[level] + i * TILE_HASH);
	}
	return 0;
}

static int
load_partial(struct bundle *b, unsigned int level, uint64_t size)
{
	char		 path[TILE_PATH];
	uint64_t	 n;
	size_t		 want;
	ssize_t		 len;

	n = size >> (8 * level);
	b->index[level] = n / TILE_WIDTH;
	b->width[level] = (unsigned int)(n % TILE_WIDTH);
	if (b->width[level] == 0)
		return 0;
	tile_path(path, sizeof(path), level, b->index[level], b->width[level]);
	want = (size_t)b->width[level] * TILE_HASH;
	errno = EINVAL;
	len = outfile_load(b->dir, path, b->tile[level], want);
	if (len == -1 && errno == ENOENT)
		return rebuild(b, level);
	errno = EINVAL;
	return len == (ssize_t)want ? 0 : failed(b, path);
}

/* The size whose partial tiles are all there; 0: some may be missing. */
static uint64_t
tiled(struct bundle *b, uint64_t size)
{
	char		 path[TILE_PATH];
	unsigned int	 w;

	w = (unsigned int)(size % TILE_WIDTH);
	if (w == 0)
		return size;
	tile_path(path, sizeof(path), 0, size / TILE_WIDTH, w);
	return outfile_load(b->dir, path, b->tile[0], (size_t)w *
	    TILE_HASH) == -1 ? 0 : size;
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
	b->tiled = tiled(b, h->exported);
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

/* A full tile: written, and its root goes up. */
static int
lift(struct bundle *b, unsigned int level)
{
	uint8_t	 root[TREE_HASH];

	if (put_tile(b, level) == -1)
		return -1;
	fold(b->tile[level], root);
	b->index[level]++;
	b->width[level] = 0;
	if (level < TILE_LEVEL_MAX)
		memcpy(b->tile[level + 1] + b->width[level + 1]++ * TILE_HASH,
		    root, TREE_HASH);
	if (level > 0)
		return 0;
	/* the entries below are in a bundle now */
	(void)tree_join(&b->to.base, 8, root);
	memcpy(b->to.baseleaf, b->tile[0] + (TILE_WIDTH - 1) * TILE_HASH,
	    TREE_HASH);
	memcpy(b->to.bundle, root, TREE_HASH);
	return 0;
}

static int
write_entry(struct bundle *b, const struct store_row *r)
{
	uint8_t	 len[2];

	len[0] = (uint8_t)(r->len >> 8);
	len[1] = (uint8_t)r->len;
	if (outfile_write(&b->out, len, sizeof(len)) == -1 ||
	    outfile_write(&b->out, r->data, r->len) == -1)
		return failed(b, b->out.path);
	chain_leaf(r->data, r->len, b->tile[0] + b->width[0]++ * TILE_HASH);
	return 0;
}

/* So many entries from the last full bundle on, into the open file. */
static int
write_entries(struct bundle *b, struct store *s, unsigned int width)
{
	struct store_row	 r;
	int			 n;

	n = 0;
	b->width[0] = 0;
	if (store_each(s, SS_ENTRIES, b->to.base.size) == -1)
		return storefailed(b, s);
	while (b->width[0] < width &&
	    (n = store_next(s, SS_ENTRIES, &r)) != 0) {
		if (n == -1)
			return storefailed(b, s);
		errno = EINVAL;
		if (r.n != b->to.base.size + b->width[0] || r.len == 0 ||
		    r.len > ENTRY_MAX)
			n = failed(b, "entries");
		else
			n = write_entry(b, &r);
		if (n == -1)
			break;
	}
	store_done(s, SS_ENTRIES);
	if (b->width[0] == width)
		return 0;
	return n == -1 ? -1 : failed(b, "entries");
}

/* The bundle behind the last full one, with its tile in memory. */
static int
put_bundle(struct bundle *b, struct store *s, unsigned int width)
{
	char	 path[TILE_PATH];

	tile_entries_path(path, sizeof(path), b->index[0], width);
	if (outfile_open(&b->out, b->dir, path) == -1)
		return failed(b, path);
	if (write_entries(b, s, width) == -1)
		return -1;
	if (outfile_close(&b->out) == -1)
		return failed(b, path);
	return named(b, path);
}

static int
append(struct bundle *b, int fd, const void *p, size_t len)
{
	if (pwrite(fd, p, len, (off_t)b->to.notebytes) != (ssize_t)len)
		return -1;
	b->to.notebytes += len;
	return 0;
}

/* Appends to the one file that grows in place. */
static int
append_notes(struct bundle *b, struct store *s, int fd)
{
	char			 buf[4 * (LEDGER_NOTE + 1)];
	struct store_row	 r;
	size_t			 have;
	int			 n;

	if (store_each(s, SS_NOTES, b->to.exported) == -1)
		return storefailed(b, s);
	have = 0;
	while ((n = store_next(s, SS_NOTES, &r)) == 1 &&
	    r.n <= b->to.tree.size && r.len <= LEDGER_NOTE) {
		memcpy(buf + have, r.data, r.len);
		have += r.len;
		buf[have++] = '\n';
		b->to.notes++;
		if (sizeof(buf) - have > LEDGER_NOTE)
			continue;
		if (append(b, fd, buf, have) == -1)
			break;
		have = 0;
	}
	if (n == -1)
		return storefailed(b, s);
	store_done(s, SS_NOTES);
	if ((n == 1 && r.n <= b->to.tree.size) ||
	    append(b, fd, buf, have) == -1 || fsync(fd) == -1)
		return failed(b, TILE_CHECKPOINTS);
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

/* Partial files of the sizes before; a leftover does no harm. */
static void
drop_bundle(struct bundle *b, uint64_t before)
{
	char		 path[TILE_PATH];
	unsigned int	 width;

	width = (unsigned int)(before % TILE_WIDTH);
	if (width == 0 || before == b->to.tree.size)
		return;
	tile_entries_path(path, sizeof(path), before / TILE_WIDTH, width);
	drop(b, path);
}

static void
drop_tiles(struct bundle *b, uint64_t before)
{
	char		 path[TILE_PATH];
	uint64_t	 n;
	unsigned int	 level, width;

	for (level = 0; level <= TILE_LEVEL_MAX; level++) {
		n = before >> (8 * level);
		width = (unsigned int)(n % TILE_WIDTH);
		if (width == 0 || n == b->to.tree.size >> (8 * level))
			continue;
		tile_path(path, sizeof(path), level, n / TILE_WIDTH, width);
		drop(b, path);
	}
}

/* ---- one export, step by step: 1 the same step again, 0 the next one ---- */
static int
step_full(struct bundle *b, struct store *s, struct head *h)
{
	unsigned int	 level;

	(void)h;
	for (level = 0; level <= TILE_LEVEL_MAX; level++)
		if (b->width[level] == TILE_WIDTH)
			return lift(b, level) == -1 ? -1 : 1;
	if (b->to.tree.size - b->to.base.size < TILE_WIDTH)
		return 0;
	return put_bundle(b, s, TILE_WIDTH) == -1 ? -1 : 1;
}

static int
step_last(struct bundle *b, struct store *s, struct head *h)
{
	unsigned int	 width;

	(void)h;
	width = (unsigned int)(b->to.tree.size - b->to.base.size);
	b->width[0] = 0;
	b->level = 0;
	return width == 0 ? 0 : put_bundle(b, s, width);
}

/* Partial tiles of every level that has changed, one a step. */
static int
step_tiles(struct bundle *b, struct store *s, struct head *h)
{
	unsigned int	 level;

	(void)s;
	(void)h;
	while (!b->lean && b->level <= TILE_LEVEL_MAX) {
		level = b->level++;
		if (b->width[level] > 0 && b->tiled >> (8 * level) !=
		    b->to.tree.size >> (8 * level))
			return put_tile(b, level) == -1 ? -1 : 1;
	}
	return 0;
}

/* No checkpoint before what it is a checkpoint of. */
static int
step_names(struct bundle *b, struct store *s, struct head *h)
{
	(void)s;
	(void)h;
	return flush_names(b);
}

static int
step_notes(struct bundle *b, struct store *s, struct head *h)
{
	int	 fd, r;

	(void)h;
	if (b->to.exported == b->to.tree.size)
		return 0;
	fd = openat(b->dir, TILE_CHECKPOINTS, O_WRONLY | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC, 0644);
	if (fd == -1)
		return failed(b, TILE_CHECKPOINTS);
	r = append_notes(b, s, fd);
	close(fd);
	return r;
}

static int
step_head(struct bundle *b, struct store *s, struct head *h)
{
	(void)s;
	(void)h;
	if (b->to.exported == b->to.tree.size)
		return 0;
	/* one flush of the directory makes both names durable */
	if (outfile_put(b->dir, TILE_CHECKPOINT, b->to.note,
	    b->to.notelen) == -1 ||
	    outfile_sync(b->dir, TILE_CHECKPOINT) == -1)
		return failed(b, TILE_CHECKPOINT);
	return 0;
}

/* The database learns what is durable; the log has grown meanwhile. */
static int
step_tell(struct bundle *b, struct store *s, struct head *h)
{
	b->before = h->exported;
	if (b->before == b->to.tree.size)
		return 0;
	h->exported = b->to.tree.size;
	h->notebytes = b->to.notebytes;
	h->notes = b->to.notes;
	h->base = b->to.base;
	memcpy(h->baseleaf, b->to.baseleaf, TREE_HASH);
	memcpy(h->bundle, b->to.bundle, TREE_HASH);
	if (store_begin(s) == -1 || head_put_export(s, h) == -1 ||
	    store_commit(s) == -1)
		return storefailed(b, s);
	store_release(s, h->base.size, h->exported);
	return 0;
}

static int
step_drop(struct bundle *b, struct store *s, struct head *h)
{
	(void)s;
	(void)h;
	drop_bundle(b, b->before);
	if (b->lean)
		return 0;
	drop_tiles(b, b->tiled);
	b->tiled = b->to.tree.size;
	return 0;
}

static int	(*const steps[])(struct bundle *, struct store *,
		    struct head *) = {
	NULL, step_full, step_last, step_tiles, step_names, step_notes,
	step_head, step_tell, step_drop
};

int
bundle_due(const struct bundle *b, const struct head *h)
{
	return h->exported != h->tree.size || b->tiled != h->tree.size;
}

void
bundle_begin(struct bundle *b, const struct head *h, int lean)
{
	b->to = *h;
	b->lean = lean;
	b->step = 1;
}

int
bundle_step(struct bundle *b, struct store *s, struct head *h)
{
	int	 r;

	r = steps[b->step](b, s, h);
	if (r == 0)
		b->step = (b->step + 1) % nitems(steps);
	return r == -1 ? -1 : b->step != 0;
}

int
bundle_export(struct bundle *b, struct store *s, struct head *h)
{
	while (b->step != 0 || bundle_due(b, h)) {
		if (b->step == 0)
			bundle_begin(b, h, 0);
		if (bundle_step(b, s, h) == -1)
			return -1;
	}
	while (store_stale(s))
		if (store_begin(s) == -1 ||
		    store_trim(s, LEDGER_TRIM) == -1 || store_commit(s) == -1)
			return storefailed(b, s);
	return 0;
}
