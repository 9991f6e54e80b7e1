/* SPDX-License-Identifier: ISC */
/*
 * The database.  One connection, every statement prepared at the start, no
 * other SQL afterwards.  Knows rows, not what they mean.  Never retries
 * anything: a failure is the caller's to end on.
 */
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/be.h"
#include "keybrokerd/ledger/ledger.h"

#define ROW	4048	/* bytes of entries that a leaf page holds */

static const char *const	sql[SS_MAX] = {
	[SS_BEGIN] = "BEGIN IMMEDIATE",
	[SS_COMMIT] = "COMMIT",
	[SS_ROLLBACK] = "ROLLBACK",
	[SS_ENTRY_PUT] = "INSERT INTO entry(seq, leaves) VALUES(?1, ?2)",
	[SS_NOTE_PUT] = "INSERT INTO checkpoint(size, note) VALUES(?1, ?2) "
	    "ON CONFLICT DO NOTHING",
	[SS_STATE_PUT] = "INSERT INTO state(kind, id, value) "
	    "VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE "
	    "SET value = excluded.value",
	[SS_STATE_DEL] = "DELETE FROM state WHERE kind = ?1 AND id = ?2",
	[SS_META_PUT] = "INSERT INTO meta(key, value) VALUES(?1, ?2) "
	    "ON CONFLICT DO UPDATE SET value = excluded.value",
	[SS_META_GET] = "SELECT value FROM meta WHERE key = ?1",
	[SS_ENTRIES] = "SELECT seq, NULL, leaves FROM entry WHERE seq >= ?1 "
	    "ORDER BY seq",
	[SS_NOTES] = "SELECT size, NULL, note FROM checkpoint WHERE size > ?1 "
	    "ORDER BY size",
	[SS_STATES] = "SELECT kind, id, value FROM state WHERE kind < 128 "
	    "ORDER BY kind, id",
	[SS_PAGE] = "SELECT kind, id, value FROM state "
	    "WHERE kind = ?1 AND id > ?2 ORDER BY id",
	[SS_ROW] = "SELECT kind, id, value FROM state "
	    "WHERE kind = ?1 AND id = ?2",
	[SS_COUNT] = "SELECT count(*), NULL, NULL FROM state WHERE kind = ?1",
	[SS_VALUE_SET] = "UPDATE state SET value = ?3 "
	    "WHERE kind = ?1 AND id = ?2",
	[SS_TRIM_ENTRY] = "DELETE FROM entry WHERE seq < ?1",
	[SS_TRIM_NOTE] = "DELETE FROM checkpoint WHERE size <= ?1",
	[SS_CHECK] = "PRAGMA integrity_check(1)"
};

/* What an operator can do something about; the first match counts. */
static const struct {
	int		 code;		/* extended or primary */
	int		 broken;	/* the storage's fault */
	const char	*text;
} causes[] = {
	{ SQLITE_FULL, 1, "no space is left on its file system" },
	{ SQLITE_IOERR_FSYNC, 1, "data could not be flushed to the device" },
	{ SQLITE_IOERR_DIR_FSYNC, 1,
	    "the directory could not be flushed to the device" },
	{ SQLITE_IOERR_WRITE, 1, "the device refused a write" },
	{ SQLITE_IOERR_READ, 1, "the device refused a read" },
	{ SQLITE_IOERR_SHORT_READ, 1, "a file is shorter than it was" },
	{ SQLITE_IOERR_NOMEM, 1, "memory is used up" },
	{ SQLITE_IOERR, 1, "input or output failed" },
	{ SQLITE_CORRUPT, 1, "the database file is damaged" },
	{ SQLITE_NOTADB, 1, "the file is no database" },
	{ SQLITE_READONLY, 1, "its file system is read-only" },
	{ SQLITE_NOMEM, 1, "memory is used up" },
	{ SQLITE_BUSY, 0, "another process uses the database" },
	{ SQLITE_LOCKED, 0, "another process uses the database" },
	{ SQLITE_CANTOPEN, 0, "a file cannot be opened" },
	{ SQLITE_PERM, 0, "permission denied" },
	{ SQLITE_AUTH, 0, "a statement that is not allowed" },
	{ SQLITE_MISUSE, 0, "a setting was refused" }
};

static int
cause(int rc)
{
	int	 i;

	for (i = 0; i < (int)nitems(causes); i++)
		if (causes[i].code == rc || causes[i].code == (rc & 0xff))
			return i;
	return -1;
}

int
store_broken(const struct store *s)
{
	int	 i;

	i = cause(s->rc);
	return i != -1 && causes[i].broken;
}

/* Remembers a failure; always -1. */
static int
failed(struct store *s, const char *what, int rc)
{
	int	 i;

	s->rc = rc;
	i = cause(rc);
	snprintf(s->why, sizeof(s->why), "%s: %s (SQLite %d%s%s)", what,
	    i == -1 ? "unexpected" : causes[i].text, rc,
	    s->db == NULL || i != -1 ? "" : ", ",
	    s->db == NULL || i != -1 ? "" : sqlite3_errmsg(s->db));
	return -1;
}

static int
wal_grew(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct store	*s;

	(void)db;
	(void)name;
	s = arg;
	s->frames = frames;
	return SQLITE_OK;
}

static int
prepare_all(struct store *s)
{
	int	 i, rc;

	for (i = 0; i < SS_MAX; i++) {
		s->phase = i == SS_TRIM_ENTRY || i == SS_TRIM_NOTE ?
		    SCHEMA_TRIM : SCHEMA_PREPARE;
		rc = sqlite3_prepare_v3(s->db, sql[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
		if (rc != SQLITE_OK)
			return rc;
	}
	s->phase = SCHEMA_SERVICE;
	return SQLITE_OK;
}

/* How many rows PAGE can tell; kept in step by store_state and _forget. */
static int
count_cold(struct store *s)
{
	struct store_row	 r;

	memset(&r, 0, sizeof(r));
	if (store_each(s, SS_COUNT, ST_VALUE) == -1 ||
	    store_next(s, SS_COUNT, &r) != 1)
		return -1;
	s->cold = r.n;
	store_done(s, SS_COUNT);
	return 0;
}

int
store_open(struct store *s, const char *path)
{
	int	 rc;

	memset(s, 0, sizeof(*s));
	rc = gather_register();
	if (rc == SQLITE_OK)
		rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE |
		    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, GATHER_VFS);
	if (rc == SQLITE_OK)
		rc = schema_guard(s->db, &s->phase);
	if (rc == SQLITE_OK)
		rc = schema_settings(s->db);
	if (rc == SQLITE_OK)
		rc = schema_make(s->db);
	if (rc == SQLITE_OK)
		rc = prepare_all(s);
	if (rc != SQLITE_OK)
		return failed(s, path, rc);
	/* instead of the one that checkpoints behind our back */
	(void)sqlite3_wal_hook(s->db, wal_grew, s);
	return count_cold(s);
}

void
store_close(struct store *s)
{
	int	 i;

	for (i = 0; i < SS_MAX; i++)
		sqlite3_finalize(s->stmt[i]);
	(void)sqlite3_close(s->db);
	memset(s->stmt, 0, sizeof(s->stmt));
	s->db = NULL;
}

/* ---- statements ---- */
/* Runs a statement that gives no row, and makes it ready for the next time. */
static int
run(struct store *s, enum store_stmt i, const char *what)
{
	int	 rc;

	rc = sqlite3_step(s->stmt[i]);
	(void)sqlite3_reset(s->stmt[i]);
	(void)sqlite3_clear_bindings(s->stmt[i]);
	return rc == SQLITE_DONE ? 0 : failed(s, what, rc);
}

/* The caller's bytes stay where they are until run() is through. */
static void
blob(struct store *s, enum store_stmt i, int at, const void *p, size_t len)
{
	if (len == 0)
		(void)sqlite3_bind_zeroblob(s->stmt[i], at, 0);
	else
		(void)sqlite3_bind_blob(s->stmt[i], at, p, (int)len,
		    SQLITE_STATIC);
}

static void
number(struct store *s, enum store_stmt i, int at, uint64_t n)
{
	(void)sqlite3_bind_int64(s->stmt[i], at, (sqlite3_int64)n);
}

int
store_begin(struct store *s)
{
	return run(s, SS_BEGIN, "begin");
}

/* Entries that wait become a row. */
static int
put_entries(struct store *s)
{
	size_t	 len;

	len = s->pendlen;
	s->pendlen = 0;
	if (len == 0)
		return 0;
	number(s, SS_ENTRY_PUT, 1, s->seq);
	blob(s, SS_ENTRY_PUT, 2, s->pend, len);
	return run(s, SS_ENTRY_PUT, "entry");
}

int
store_commit(struct store *s)
{
	return put_entries(s) == -1 ? -1 : run(s, SS_COMMIT, "commit");
}

/* Keeps the cause of the failure that led here. */
void
store_rollback(struct store *s)
{
	(void)sqlite3_step(s->stmt[SS_ROLLBACK]);
	(void)sqlite3_reset(s->stmt[SS_ROLLBACK]);
	s->pendlen = 0;
	s->trimmed = 0;		/* it is there again, from wherever on */
}

/* A row is no longer than a page, unless one entry is; it ends with a bundle. */
int
store_entry(struct store *s, uint64_t seq, const void *p, size_t len)
{
	if ((s->pendlen + 2 + len > ROW || seq % TILE_WIDTH == 0) &&
	    put_entries(s) == -1)
		return -1;
	if (s->pendlen == 0)
		s->seq = seq;
	be_put16(s->pend + s->pendlen, (uint16_t)len);
	memcpy(s->pend + s->pendlen + 2, p, len);
	s->pendlen += 2 + len;
	return 0;
}

int
store_note(struct store *s, uint64_t size, const void *p, size_t len)
{
	number(s, SS_NOTE_PUT, 1, size);
	blob(s, SS_NOTE_PUT, 2, p, len);
	return run(s, SS_NOTE_PUT, "checkpoint");
}

static int
put_state(struct store *s, enum store_stmt i, uint8_t kind, const void *id,
    size_t idlen, const void *value, size_t len)
{
	number(s, i, 1, kind);
	blob(s, i, 2, id, idlen);
	blob(s, i, 3, value, len);
	return run(s, i, "state");
}

/* A row that is there already (most of them, in a sweep) is not counted. */
int
store_state(struct store *s, uint8_t kind, const void *id, size_t idlen,
    const void *value, size_t len)
{
	if (kind == ST_VALUE) {
		if (put_state(s, SS_VALUE_SET, kind, id, idlen, value,
		    len) == -1)
			return -1;
		if (sqlite3_changes(s->db) > 0)
			return 0;
		s->cold++;
	}
	return put_state(s, SS_STATE_PUT, kind, id, idlen, value, len);
}

int
store_forget(struct store *s, uint8_t kind, const void *id, size_t idlen)
{
	number(s, SS_STATE_DEL, 1, kind);
	blob(s, SS_STATE_DEL, 2, id, idlen);
	if (run(s, SS_STATE_DEL, "state") == -1)
		return -1;
	if (kind == ST_VALUE)
		s->cold -= (uint64_t)sqlite3_changes(s->db);
	return 0;
}

/* The least number that a cursor gives, or size. */
static uint64_t
first(struct store *s, enum store_stmt i, uint64_t size)
{
	struct store_row	 r;

	if (store_each(s, i, 0) == 0 && store_next(s, i, &r) == 1 &&
	    r.n < size)
		size = r.n;
	store_done(s, i);
	return size;
}

void
store_release(struct store *s, uint64_t seq, uint64_t size)
{
	s->gone_entry = seq;
	s->gone_note = size;
	if (s->trimmed == 0)
		s->trimmed = first(s, SS_NOTES, first(s, SS_ENTRIES, size));
}

int
store_stale(const struct store *s)
{
	return s->trimmed < s->gone_note;
}

int
store_trim(struct store *s, uint64_t entries)
{
	uint64_t	 to;

	if (!store_stale(s))
		return 0;
	to = s->trimmed + entries;
	if (to > s->gone_note)
		to = s->gone_note;
	number(s, SS_TRIM_ENTRY, 1, to < s->gone_entry ? to : s->gone_entry);
	if (run(s, SS_TRIM_ENTRY, "entries that are exported") == -1)
		return -1;
	number(s, SS_TRIM_NOTE, 1, to);
	if (run(s, SS_TRIM_NOTE, "checkpoints that are exported") == -1)
		return -1;
	s->trimmed = to;
	return 0;
}

/* ---- cursors ---- */
int
store_each(struct store *s, enum store_stmt i, uint64_t from)
{
	(void)sqlite3_reset(s->stmt[i]);
	if (i == SS_ENTRIES)
		s->rowoff = s->rowlen = 0;
	if (sqlite3_bind_parameter_count(s->stmt[i]) > 0)
		number(s, i, 1, from);
	return 0;
}

/* id stays where it is until store_done. */
int
store_page(struct store *s, enum store_stmt i, uint8_t kind, const void *id,
    size_t idlen)
{
	(void)sqlite3_reset(s->stmt[i]);
	number(s, i, 1, kind);
	blob(s, i, 2, id, idlen);
	return 0;
}

/* The next entry of the row, or whatever is left of it in its place. */
static int
entry_of(struct store *s, struct store_row *r)
{
	r->n = s->rowseq++;
	if (tile_bundle_next(s->row, s->rowlen, &s->rowoff, &r->data,
	    &r->len) == 1)
		return 1;
	r->data = s->row + s->rowoff;
	r->len = s->rowlen - s->rowoff;
	s->rowoff = s->rowlen;
	return 1;
}

int
store_next(struct store *s, enum store_stmt i, struct store_row *r)
{
	sqlite3_stmt	*st;
	int		 rc;

	if (i == SS_ENTRIES && s->rowoff < s->rowlen)
		return entry_of(s, r);
	st = s->stmt[i];
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		r->n = (uint64_t)sqlite3_column_int64(st, 0);
		r->id = sqlite3_column_blob(st, 1);
		r->idlen = (size_t)sqlite3_column_bytes(st, 1);
		r->data = sqlite3_column_blob(st, 2);
		r->len = (size_t)sqlite3_column_bytes(st, 2);
		if (r->len > 0 && r->data == NULL)
			return failed(s, "read", SQLITE_NOMEM);
		if (i != SS_ENTRIES)
			return 1;
		s->rowseq = r->n;
		s->row = r->data;
		s->rowlen = r->len;
		s->rowoff = 0;
		return entry_of(s, r);
	}
	(void)sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : failed(s, "read", rc);
}

void
store_done(struct store *s, enum store_stmt i)
{
	(void)sqlite3_reset(s->stmt[i]);
}

int
store_meta_put(struct store *s, const char *key, const void *p, size_t len)
{
	(void)sqlite3_bind_text(s->stmt[SS_META_PUT], 1, key, -1,
	    SQLITE_STATIC);
	blob(s, SS_META_PUT, 2, p, len);
	return run(s, SS_META_PUT, key);
}

ssize_t
store_meta_get(struct store *s, const char *key, void *out, size_t size)
{
	sqlite3_stmt	*st;
	ssize_t		 len;
	int		 rc;

	st = s->stmt[SS_META_GET];
	(void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	len = -1;
	if (rc == SQLITE_ROW) {
		len = sqlite3_column_bytes(st, 0);
		if ((size_t)len > size)
			len = -1;
		else if (len > 0)
			memcpy(out, sqlite3_column_blob(st, 0), (size_t)len);
		if (len == -1)
			failed(s, key, SQLITE_CORRUPT);
	} else
		failed(s, key, rc == SQLITE_DONE ? SQLITE_NOTFOUND : rc);
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return len;
}

int
store_integrity(struct store *s)
{
	sqlite3_stmt	*st;
	const char	*text;
	int		 rc;

	st = s->stmt[SS_CHECK];
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(st, 0);
		rc = SQLITE_OK;
		if (text == NULL || strcmp(text, "ok") != 0) {
			rc = failed(s, "integrity check", SQLITE_CORRUPT);
			snprintf(s->why, sizeof(s->why), "integrity check: %s",
			    text == NULL ? "no answer" : text);
		}
	} else
		rc = failed(s, "integrity check", rc);
	(void)sqlite3_reset(st);
	return rc;
}

int
store_reset(struct store *s, int truncate)
{
	int	 rc;

	rc = sqlite3_wal_checkpoint_v2(s->db, NULL, truncate ?
	    SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	if (rc != SQLITE_OK)
		return failed(s, "write-ahead log", rc);
	s->frames = 0;
	return 0;
}
