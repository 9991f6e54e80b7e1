/* SPDX-License-Identifier: ISC */
/*
 * The whole log as a stream for auditverify: bundles and tiles of the export
 * directory, then the entries that are still in the database; checkpoints
 * where their size is reached; compact range; totals.  Judges nothing: a
 * changed row goes out as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/audit/dump.h"
#include "common/audit/entry.h"
#include "common/compat/compat.h"
#include "keybrokerd/ledger/ledger.h"

struct stream {
	struct store		*store;
	const struct head	*head;
	int			 dir, out;	/* dir -1: there is none */
	/* checkpoints of the export directory, a window of the file */
	int			 notesfd;
	char			*notes;
	size_t			 have, at;
	int			 eof;
	uint64_t		 left;		/* bytes the database knows */
	/* one of them, or of the database's, that waits */
	const uint8_t		*note;
	size_t			 notelen;
	uint64_t		 notesize;
	int			 indb;		/* cursor is open */
	uint8_t			*bundle;
	size_t			 have_out;
	char			*why;
	size_t			 size;
	uint8_t			 buf[65536];
};

static int	wrong(struct stream *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));

static int
wrong(struct stream *s, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(s->why, s->size, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- output ---- */
static int
flush(struct stream *s)
{
	size_t	 at;
	ssize_t	 n;

	for (at = 0; at < s->have_out; at += (size_t)n) {
		n = write(s->out, s->buf + at, s->have_out - at);
		if (n == -1 && errno == EINTR)
			n = 0;
		if (n == -1)
			return wrong(s, "output: %s", strerror(errno));
	}
	s->have_out = 0;
	return 0;
}

static int
put(struct stream *s, const void *data, size_t len)
{
	const uint8_t	*p;
	size_t		 n;

	for (p = data; len > 0; p += n, len -= n) {
		if (s->have_out == sizeof(s->buf) && flush(s) == -1)
			return -1;
		n = sizeof(s->buf) - s->have_out;
		if (n > len)
			n = len;
		memcpy(s->buf + s->have_out, p, n);
		s->have_out += n;
	}
	return 0;
}

static int
record(struct stream *s, enum dump_kind kind, const void *p, size_t len)
{
	uint8_t	 h[DUMP_HEAD];

	dump_head(h, kind, (uint32_t)len);
	return put(s, h, sizeof(h)) == -1 ? -1 : put(s, p, len);
}

/* ---- checkpoints ---- */
/* 1: the next note of the file is in s->note, 0: there is none any more. */
static int
file_note(struct stream *s)
{
	ssize_t	 n;

	while (s->notesfd != -1) {
		n = note_span(s->notes + s->at, s->have - s->at);
		if (n == 0 && s->eof)
			n = (ssize_t)(s->have - s->at);
		if (n == -1 || (n == 0 && s->eof))
			return 0;
		if (n > 0) {
			s->note = (const uint8_t *)s->notes + s->at;
			s->notelen = (size_t)n;
			s->at += (size_t)n;
			if (s->at < s->have)
				s->at++;	/* the empty line */
			return 1;
		}
		memmove(s->notes, s->notes + s->at, s->have - s->at);
		s->have -= s->at;
		s->at = 0;
		n = (ssize_t)(2 * NOTE_MAX - s->have);
		if ((uint64_t)n > s->left)
			n = (ssize_t)s->left;
		n = n == 0 ? 0 : read(s->notesfd, s->notes + s->have,
		    (size_t)n);
		if (n == -1)
			return wrong(s, "export/%s: %s", TILE_CHECKPOINTS,
			    strerror(errno));
		s->eof = n == 0;
		s->have += (size_t)n;
		s->left -= (uint64_t)n;
	}
	return 0;
}

/* The next checkpoint from either place into s->note, NULL at the end. */
static int
next_note(struct stream *s)
{
	struct store_row	 r;
	struct note		 n;
	int			 got;

	s->note = NULL;
	got = s->indb ? 0 : file_note(s);
	if (got == 0) {
		s->indb = 1;
		got = store_next(s->store, SS_NOTES, &r);
		if (got == -1)
			return wrong(s, "%s", s->store->why);
		if (got == 1) {
			s->note = r.data;
			s->notelen = r.len;
		}
	}
	if (got == -1)
		return -1;
	/* what is no note is for the verifier to refuse, at once */
	s->notesize = s->note != NULL && note_parse(&n,
	    (const char *)s->note, s->notelen) == 0 ? n.size : 0;
	return 0;
}

/* Every checkpoint of a log that is as long as this. */
static int
put_notes(struct stream *s, uint64_t size)
{
	while (s->note != NULL && s->notesize <= size) {
		if (record(s, DUMP_CHECKPOINT, s->note, s->notelen) == -1 ||
		    next_note(s) == -1)
			return -1;
	}
	return 0;
}

/* ---- entries ---- */
static int
put_entry(struct stream *s, uint64_t index, const uint8_t *p, size_t len)
{
	if (len == 0 || len > ENTRY_MAX)
		return wrong(s, "entry %llu is of impossible length",
		    (unsigned long long)index);
	if (record(s, DUMP_ENTRY, p, len) == -1)
		return -1;
	return 0;
}

/* A full tile, if it is there. */
static int
put_tile(struct stream *s, unsigned int level, uint64_t index)
{
	uint8_t	 h[DUMP_TILE_HEAD], tile[TILE_WIDTH * TILE_HASH];
	char	 path[TILE_PATH];

	tile_path(path, sizeof(path), level, index, TILE_WIDTH);
	if (outfile_load(s->dir, path, tile, sizeof(tile)) !=
	    (ssize_t)sizeof(tile))
		return 0;
	dump_tile(h, level, index, TILE_WIDTH);
	return put(s, h, sizeof(h)) == -1 ? -1 : put(s, tile, sizeof(tile));
}

/* One bundle with its tile before and the tiles that it fills behind. */
static int
put_bundle(struct stream *s, uint64_t index)
{
	char		 path[TILE_PATH];
	const uint8_t	*entry;
	uint64_t	 seq, n;
	unsigned int	 level;
	size_t		 elen, off;
	ssize_t		 len;

	seq = index * TILE_WIDTH;
	tile_entries_path(path, sizeof(path), index, TILE_WIDTH);
	len = outfile_load(s->dir, path, s->bundle, TILE_BUNDLE_MAX);
	if (len == -1 && errno != ENOENT)
		return wrong(s, "export/%s: %s", path, strerror(errno));
	if (len == -1)
		return 0;
	if (put_tile(s, 0, index) == -1)
		return -1;
	off = 0;
	while (tile_bundle_next(s->bundle, (size_t)len, &off, &entry, &elen) ==
	    1) {
		if (put_entry(s, seq++, entry, elen) == -1)
			return -1;
		if (seq % TILE_WIDTH != 0 && put_notes(s, seq) == -1)
			return -1;
	}
	n = index + 1;
	for (level = 1; n % TILE_WIDTH == 0 && level <= TILE_LEVEL_MAX;
	    level++) {
		n /= TILE_WIDTH;
		if (put_tile(s, level, n - 1) == -1)
			return -1;
	}
	return put_notes(s, index * TILE_WIDTH + TILE_WIDTH);
}

static int
put_rows(struct stream *s)
{
	struct store_row	 r;
	int			 n;

	if (store_each(s->store, SS_ENTRIES, s->head->base.size) == -1)
		return wrong(s, "%s", s->store->why);
	while ((n = store_next(s->store, SS_ENTRIES, &r)) == 1)
		if (put_entry(s, r.n, r.data, r.len) == -1 ||
		    put_notes(s, r.n + 1) == -1)
			return -1;
	return n == -1 ? wrong(s, "%s", s->store->why) : 0;
}

static int
put_end(struct stream *s)
{
	uint8_t		 range[TREE_PACKED], end[DUMP_END_LEN];
	uint64_t	 notes;
	struct store_row r;
	ssize_t		 len;
	int		 n;

	/* checkpoints beyond the last entry, for the verifier to see */
	if (put_notes(s, UINT64_MAX) == -1)
		return -1;
	len = tree_pack(&s->head->tree, range, sizeof(range));
	if (record(s, DUMP_RANGE, range, (size_t)len) == -1)
		return -1;
	notes = s->head->notes;
	(void)store_each(s->store, SS_NOTES, s->head->exported);
	while ((n = store_next(s->store, SS_NOTES, &r)) == 1)
		notes++;
	if (n == -1)
		return wrong(s, "%s", s->store->why);
	dump_end(end, s->head->tree.size, notes);
	return put(s, end, sizeof(end)) == -1 ? -1 : flush(s);
}

static int
all(struct stream *s)
{
	uint64_t	 i;

	if (store_each(s->store, SS_NOTES, s->head->exported) == -1 ||
	    next_note(s) == -1)
		return -1;
	if (s->dir == -1 && s->head->exported > 0)
		return wrong(s, "the export directory is not there, but it "
		    "holds %llu of the entries",
		    (unsigned long long)s->head->base.size);
	for (i = 0; i < s->head->base.size / TILE_WIDTH; i++)
		if (put_bundle(s, i) == -1)
			return -1;
	return put_rows(s) == -1 ? -1 : put_end(s);
}

int
stream_all(struct store *store, const struct head *h, int exportdir, int out,
    char *why, size_t size)
{
	struct stream	*s;
	int		 r;

	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		snprintf(why, size, "memory for the stream");
		return -1;
	}
	s->store = store;
	s->head = h;
	s->dir = exportdir;
	s->out = out;
	s->why = why;
	s->size = size;
	s->left = h->notebytes;
	s->notes = malloc(2 * NOTE_MAX);
	s->bundle = malloc(TILE_BUNDLE_MAX);
	s->notesfd = exportdir == -1 ? -1 : openat(exportdir, TILE_CHECKPOINTS,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s->notes == NULL || s->bundle == NULL)
		r = wrong(s, "memory for the stream");
	else
		r = all(s);
	store_done(store, SS_NOTES);
	store_done(store, SS_ENTRIES);
	if (s->notesfd != -1)
		close(s->notesfd);
	free(s->bundle);
	free(s->notes);
	free(s);
	return r;
}
