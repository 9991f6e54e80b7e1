/* SPDX-License-Identifier: ISC */
/*
 * Reads an exported log (C2SP tlog-tiles): bundles in order, each behind its
 * tile, checkpoints where their size is reached.  The directory may be made
 * up: only regular files are opened, by names made here, never through a
 * link, and each is bounded.  What exists decides how far it reads, not what
 * a checkpoint claims.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/audit/judge.h"

#define NOTES	(2 * NOTE_MAX)

enum step {
	STEP_CHECKPOINT,	/* those that are due */
	STEP_TILES,		/* higher tiles that the last entry filled */
	STEP_ENTRY,
	STEP_PARTIAL,		/* partial tiles of the higher levels */
	STEP_REST,		/* checkpoints that nothing covers */
	STEP_HEAD,
	STEP_END
};

struct exportdir {
	int		 fd;
	enum step	 step;
	unsigned int	 level;
	uint64_t	 entries;
	/* the bundle */
	uint64_t	 bundle;
	unsigned int	 width;		/* 0: none is open */
	unsigned int	 taken;
	int		 last;		/* it is the partial one */
	uint8_t		*buf;
	size_t		 len;
	size_t		 off;
	uint8_t		 tile[TILE_WIDTH * TILE_HASH];
	/* checkpoints: a window of the file */
	int		 notesfd;
	char		*notes;
	size_t		 have;
	size_t		 at;
	int		 eof;
	char		*head;
	size_t		 headlen;	/* 0: it is read when all else was */
	uint64_t	 limit;		/* entries that belong to this run */
};

static void	bad(struct rec *, enum fault, const char *, ...)
		    __attribute__((__format__(printf, 3, 4)));
static void	fail(struct rec *, const char *);

static void
bad(struct rec *r, enum fault f, const char *fmt, ...)
{
	va_list	 ap;

	r->kind = REC_BAD;
	r->fault = f;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

static void
fail(struct rec *r, const char *name)
{
	r->kind = REC_FAIL;
	snprintf(r->why, sizeof(r->why), "%s: %s", name, strerror(errno));
}

/*
 * Opens a path component by component, links refused: openat(2) alone would
 * refuse only the last.
 */
static int
regular(int dir, const char *path)
{
	char		 part[64];
	const char	*slash;
	struct stat	 st;
	int		 at, next;

	at = dir;
	for (;;) {
		slash = strchr(path, '/');
		if (slash == NULL)
			break;
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path),
		    path);
		next = openat(at, part,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (at != dir)
			close(at);
		if (next == -1)
			return -1;
		at = next;
		path = slash + 1;
	}
	next = openat(at, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (at != dir)
		close(at);
	if (next == -1)
		return -1;
	if (fstat(next, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(next);
		errno = EINVAL;
		return -1;
	}
	return next;
}

/* Whole file into buf; its length, -1 with errno (EFBIG above size). */
static ssize_t
load(int dir, const char *path, void *buf, size_t size)
{
	char	 more;
	size_t	 len;
	ssize_t	 n;
	int	 fd;

	fd = regular(dir, path);
	if (fd == -1)
		return -1;
	len = 0;
	n = 1;
	while (len < size &&
	    (n = read(fd, (char *)buf + len, size - len)) > 0)
		len += (size_t)n;
	if (n > 0 && read(fd, &more, 1) == 1) {
		errno = EFBIG;
		n = -1;
	}
	close(fd);
	return n == -1 ? -1 : (ssize_t)len;
}

/* --- bundles ----------------------------------------------------------- */

/* Widest partial bundle of this index; 0 none. */
static unsigned int
widest(int dir, uint64_t index)
{
	char		 path[TILE_PATH], *p;
	struct dirent	*e;
	unsigned long	 w, best;
	DIR		*dp;
	int		 fd;

	/* the directory is the name of a partial bundle without its width */
	if (tile_entries_path(path, sizeof(path), index, 1) == -1)
		return 0;
	*strrchr(path, '/') = '\0';
	fd = openat(dir, path,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dp = fd == -1 ? NULL : fdopendir(fd);
	if (dp == NULL) {
		if (fd != -1)
			close(fd);
		return 0;
	}
	best = 0;
	while ((e = readdir(dp)) != NULL) {
		w = strtoul(e->d_name, &p, 10);
		if (*p == '\0' && w < TILE_WIDTH && w > best)
			best = w;
	}
	closedir(dp);
	return (unsigned int)best;
}

/*
 * A log that is being written may replace a partial bundle between the look
 * and the read: then there is a wider one.
 */
ssize_t
exportdir_bundle(int dir, uint64_t index, void *buf, unsigned int *width)
{
	char	 path[TILE_PATH];
	ssize_t	 n;
	int	 try;

	n = 0;
	for (try = 0; try < 3; try++) {
		*width = TILE_WIDTH;
		if (tile_entries_path(path, sizeof(path), index,
		    TILE_WIDTH) == -1)
			return -1;
		n = load(dir, path, buf, TILE_BUNDLE_MAX);
		if (n != -1 || errno != ENOENT)
			return n;
		*width = widest(dir, index);
		if (*width == 0)
			return 0;
		tile_entries_path(path, sizeof(path), index, *width);
		n = load(dir, path, buf, TILE_BUNDLE_MAX);
		if (n != -1 || errno != ENOENT)
			return n;
	}
	return n;
}

/* The stored level 0 tile of the bundle just opened, if it must be there. */
static int
tile0(struct exportdir *d, struct rec *r)
{
	char	 path[TILE_PATH];
	ssize_t	 n;

	tile_path(path, sizeof(path), 0, d->bundle, d->width);
	n = load(d->fd, path, d->tile, sizeof(d->tile));
	if (n == -1 && errno == ENOENT && d->last)
		return 0;
	if (n == -1 && errno == ENOENT)
		bad(r, FAULT_INCOMPLETE, "%s is missing", path);
	else if (n == -1 && errno != EFBIG)
		fail(r, path);
	else if (n != (ssize_t)(d->width * TILE_HASH))
		bad(r, FAULT_MALFORMED, "%s has the wrong length", path);
	else {
		r->kind = REC_TILE;
		r->level = 0;
		r->index = d->bundle;
		r->width = d->width;
		r->data = d->tile;
		r->len = (size_t)n;
	}
	return 1;
}

/* Opens the next bundle.  1: r is filled; 0: it may be read. */
static int
bundle(struct exportdir *d, struct rec *r)
{
	char	 path[TILE_PATH];
	ssize_t	 n;

	n = exportdir_bundle(d->fd, d->bundle, d->buf, &d->width);
	d->last = d->width != TILE_WIDTH;
	if (d->width == 0)
		return 0;
	tile_entries_path(path, sizeof(path), d->bundle, d->width);
	if (n == -1 && errno == EFBIG) {
		bad(r, FAULT_MALFORMED, "%s is too long", path);
		return 1;
	}
	if (n == -1) {
		fail(r, path);
		return 1;
	}
	d->len = (size_t)n;
	d->off = 0;
	d->taken = 0;
	/* its tile has hashes of entries that are not of this run */
	if (d->limit - d->entries < d->width)
		return 0;
	return tile0(d, r);
}

/* An entry, the tile before it, or nothing (0) at the end of all bundles. */
static int
next_entry(struct exportdir *d, struct rec *r)
{
	int	 n;

	if (d->entries == d->limit)
		return 0;
	if (d->width == 0) {
		if (d->last)
			return 0;
		if (bundle(d, r))
			return 1;
		if (d->width == 0)
			return 0;
	}
	n = tile_bundle_next(d->buf, d->len, &d->off, &r->data, &r->len);
	if (n == -1 || (n == 0) != (d->taken == d->width)) {
		bad(r, FAULT_MALFORMED, "bundle %llu does not hold %u entries",
		    (unsigned long long)d->bundle, d->width);
		return 1;
	}
	if (n == 0) {
		d->bundle++;
		d->width = 0;
		return next_entry(d, r);
	}
	r->kind = REC_ENTRY;
	d->taken++;
	d->entries++;
	return 1;
}

/* --- higher tiles ------------------------------------------------------- */

/*
 * Tile of a level that ends with the last entry read: full ones must be
 * there; partial ones, at the end of the log, may.
 */
static int
higher(struct exportdir *d, struct rec *r, int partial)
{
	char		 path[TILE_PATH];
	uint64_t	 n, index;
	unsigned int	 width;
	ssize_t		 len;

	n = d->entries >> (8 * d->level);
	if (d->entries == 0 || n == 0)
		return 0;
	if (!partial && (d->entries & ((UINT64_C(1) <<
	    (8 * (d->level + 1))) - 1)) != 0)
		return 0;
	if (partial && n % TILE_WIDTH == 0)
		return 0;
	index = partial ? n / TILE_WIDTH : n / TILE_WIDTH - 1;
	width = partial ? (unsigned int)(n % TILE_WIDTH) : TILE_WIDTH;
	tile_path(path, sizeof(path), d->level, index, width);
	len = load(d->fd, path, d->tile, sizeof(d->tile));
	if (len == -1 && errno == ENOENT && partial)
		return 0;
	if (len == -1 && errno == ENOENT)
		bad(r, FAULT_INCOMPLETE, "%s is missing", path);
	else if (len == -1 && errno != EFBIG)
		fail(r, path);
	else if (len != (ssize_t)(width * TILE_HASH))
		bad(r, FAULT_MALFORMED, "%s has the wrong length", path);
	else {
		r->kind = REC_TILE;
		r->level = d->level;
		r->index = index;
		r->width = width;
		r->data = d->tile;
		r->len = (size_t)len;
	}
	return 1;
}

static int
higher_tiles(struct exportdir *d, struct rec *r, int partial)
{
	while (d->level < TILE_LEVEL_MAX) {
		d->level++;
		if (higher(d, r, partial))
			return 1;
	}
	d->level = 0;
	return 0;
}

/* --- checkpoints --------------------------------------------------------- */

/* Length of the note at the window's start, 0 none is left, -1 r is set. */
static ssize_t
peek(struct exportdir *d, struct rec *r)
{
	ssize_t	 n;

	for (;;) {
		n = note_span(d->notes + d->at, d->have - d->at);
		if (n > 0)
			return n;
		if (n == -1) {
			bad(r, FAULT_MALFORMED, "%s holds no note",
			    TILE_CHECKPOINTS);
			return -1;
		}
		if (d->eof)
			return d->headlen != 0 ? 0 :
			    (ssize_t)(d->have - d->at);
		memmove(d->notes, d->notes + d->at, d->have - d->at);
		d->have -= d->at;
		d->at = 0;
		n = read(d->notesfd, d->notes + d->have, NOTES - d->have);
		if (n == -1) {
			fail(r, TILE_CHECKPOINTS);
			return -1;
		}
		if (n == 0)
			d->eof = 1;
		d->have += (size_t)n;
	}
}

/* A checkpoint whose size is reached (or which is none); else 0. */
static int
next_checkpoint(struct exportdir *d, struct rec *r, int all)
{
	struct note	 note;
	ssize_t		 n;

	n = peek(d, r);
	if (n == -1)
		return 1;
	if (n == 0)
		return 0;
	if (!all && note_parse(&note, d->notes + d->at, (size_t)n) == 0 &&
	    note.size > d->entries)
		return 0;
	r->kind = REC_CHECKPOINT;
	r->data = (const uint8_t *)d->notes + d->at;
	r->len = (size_t)n;
	d->at += (size_t)n;
	if (d->at < d->have)
		d->at++;	/* the empty line */
	return 1;
}

static void
head(struct exportdir *d, struct rec *r)
{
	ssize_t	 n;

	n = (ssize_t)d->headlen;
	if (n == 0)
		n = load(d->fd, TILE_CHECKPOINT, d->head, NOTE_MAX);
	if (n == -1 && errno == ENOENT)
		bad(r, FAULT_INCOMPLETE, "%s is missing", TILE_CHECKPOINT);
	else if (n == -1 && errno == EFBIG)
		bad(r, FAULT_MALFORMED, "%s is too long", TILE_CHECKPOINT);
	else if (n == -1)
		fail(r, TILE_CHECKPOINT);
	else {
		r->kind = REC_CHECKPOINT;
		r->data = (const uint8_t *)d->head;
		r->len = (size_t)n;
	}
}

/* --- the source ----------------------------------------------------------- */

/* What this step has to give; 0: nothing (more). */
static int
give(struct exportdir *d, struct rec *r)
{
	switch (d->step) {
	case STEP_CHECKPOINT:
		return next_checkpoint(d, r, 0);
	case STEP_TILES:
		return higher_tiles(d, r, 0);
	case STEP_ENTRY:
		return next_entry(d, r);
	case STEP_PARTIAL:
		return higher_tiles(d, r, 1);
	case STEP_REST:
		/* those of a log that grows are of the next run */
		return d->headlen != 0 ? 0 : next_checkpoint(d, r, 1);
	case STEP_HEAD:
		head(d, r);
		return 1;
	case STEP_END:
		r->kind = REC_END;
		return 1;
	}
	return 0;
}

static void
next(void *arg, struct rec *r)
{
	struct exportdir	*d;

	d = arg;
	memset(r, 0, sizeof(*r));
	while (!give(d, r))
		d->step++;
	/* after an entry: tiles first, they end with it as well */
	if (r->kind == REC_ENTRY)
		d->step = STEP_CHECKPOINT;
	else if (d->step == STEP_HEAD)
		d->step = STEP_END;
}

static void
shut(void *arg)
{
	struct exportdir	*d;

	d = arg;
	if (d->fd != -1)
		close(d->fd);
	if (d->notesfd != -1)
		close(d->notesfd);
	free(d->buf);
	free(d->notes);
	free(d->head);
	free(d);
}

/* Takes fd, also when it fails; fd -1: errno says why. */
static int
start(struct source *s, int fd, int grows)
{
	struct exportdir	*d;
	struct note		 note;
	ssize_t			 n;
	int			 error;

	d = calloc(1, sizeof(*d));
	if (d == NULL) {
		close(fd);
		return -1;
	}
	d->notesfd = -1;
	d->fd = fd;
	d->limit = UINT64_MAX;
	d->buf = malloc(TILE_BUNDLE_MAX);
	d->notes = malloc(NOTES);
	d->head = malloc(NOTE_MAX);
	n = fd == -1 || !grows || d->head == NULL ? 0 :
	    load(fd, TILE_CHECKPOINT, d->head, NOTE_MAX);
	if (n > 0) {
		d->headlen = (size_t)n;
		if (note_parse(&note, d->head, d->headlen) == 0)
			d->limit = note.size;
	}
	if (n != -1 && d->fd != -1)
		d->notesfd = regular(d->fd, TILE_CHECKPOINTS);
	if (n == -1 || d->notesfd == -1 || d->buf == NULL ||
	    d->notes == NULL || d->head == NULL) {
		error = errno;
		shut(d);
		errno = error;
		return -1;
	}
	s->next = next;
	s->close = shut;
	s->arg = d;
	return 0;
}

int
exportdir_open(struct source *s, const char *dir)
{
	return start(s, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
}

int
exportdir_at(struct source *s, int dir)
{
	return start(s, openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    1);
}
