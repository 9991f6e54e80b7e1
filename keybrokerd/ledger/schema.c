/* SPDX-License-Identifier: ISC */
/*
 * Settings, tables and permissions of the database (audit.md 6.2).  The
 * authorizer is asked when a statement is prepared, so that no statement can
 * exist which changes an entry, and one only which deletes any.
 */
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/ledger/ledger.h"

struct pragma {
	const char	*sql;
	const char	*want;		/* answer, NULL: none */
};

/* EXCLUSIVE before WAL: then there is no -shm file and no second opener. */
static const struct pragma	pragmas[] = {
	{ "PRAGMA page_size=4096", NULL },
	{ "PRAGMA temp_store=MEMORY", NULL },
	{ "PRAGMA mmap_size=0", "0" },
	{ "PRAGMA locking_mode=EXCLUSIVE", "exclusive" },
	{ "PRAGMA journal_mode=WAL", "wal" },
	{ LEDGER_SYNC, NULL },
	{ "PRAGMA synchronous", LEDGER_SYNCED },
	{ "PRAGMA locking_mode", "exclusive" },
	{ "PRAGMA wal_autocheckpoint=0", "0" },
	{ "PRAGMA journal_size_limit=-1", "-1" },
	/* what waits for its bundle under load is not read again */
	{ "PRAGMA cache_size=-4096", NULL },
	{ "PRAGMA foreign_keys=ON", NULL },
	{ "PRAGMA trusted_schema=OFF", NULL },
	{ "PRAGMA cell_size_check=ON", NULL },
	{ "PRAGMA secure_delete=ON", "1" }
};

struct setting {
	int	 what, value;
};

static const struct setting	switches[] = {
	{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
	{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
	{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
	{ SQLITE_DBCONFIG_DQS_DML, 0 },
	{ SQLITE_DBCONFIG_DQS_DDL, 0 }
};

static const struct setting	limits[] = {
	{ SQLITE_LIMIT_LENGTH, 128 * 1024 },
	{ SQLITE_LIMIT_SQL_LENGTH, 4096 },
	{ SQLITE_LIMIT_ATTACHED, 0 },
	{ SQLITE_LIMIT_VARIABLE_NUMBER, 32 }
};

/* The tables; 1 if the service may also change rows. */
static const struct {
	const char	*name;
	int		 update;
} tables[] = {
	{ "entry", 0 },
	{ "checkpoint", 0 },
	{ "state", 1 },
	{ "meta", 1 }
};

/* leaves: entries from seq on, each behind its length, as in a bundle. */
static const char	ddl[] =
    "BEGIN;"
    "CREATE TABLE IF NOT EXISTS entry("
    "seq INTEGER PRIMARY KEY, leaves BLOB NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS checkpoint("
    "size INTEGER PRIMARY KEY, note BLOB NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS state("
    "kind INTEGER NOT NULL, id BLOB NOT NULL, value BLOB NOT NULL,"
    "PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS meta("
    "key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "COMMIT";

static int
pragma(sqlite3 *db, const struct pragma *p)
{
	sqlite3_stmt	*st;
	const char	*got;
	int		 rc;

	rc = sqlite3_prepare_v2(db, p->sql, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(st);
	got = rc == SQLITE_ROW ?
	    (const char *)sqlite3_column_text(st, 0) : NULL;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		rc = p->want == NULL || (got != NULL &&
		    strcmp(got, p->want) == 0) ? SQLITE_OK : SQLITE_MISUSE;
	sqlite3_finalize(st);
	return rc;
}

int
schema_settings(sqlite3 *db)
{
	size_t	 i;
	int	 on, rc;

	for (i = 0; i < nitems(switches); i++) {
		rc = sqlite3_db_config(db, switches[i].what,
		    switches[i].value, &on);
		if (rc != SQLITE_OK || on != switches[i].value)
			return SQLITE_MISUSE;
	}
	for (i = 0; i < nitems(limits); i++)
		sqlite3_limit(db, limits[i].what, limits[i].value);
	for (i = 0; i < nitems(pragmas); i++) {
		rc = pragma(db, &pragmas[i]);
		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

int
schema_make(sqlite3 *db)
{
	return sqlite3_exec(db, ddl, NULL, NULL, NULL);
}

/* One of our tables?  update: one whose rows may change. */
static int
ours(const char *name, int update)
{
	size_t	 i;

	for (i = 0; name != NULL && i < nitems(tables); i++)
		if (strcmp(name, tables[i].name) == 0)
			return !update || tables[i].update;
	return 0;
}

static int
may(enum schema_phase phase, int action, const char *a, const char *b)
{
	switch (action) {
	case SQLITE_TRANSACTION:
	case SQLITE_SELECT:
		return 1;
	case SQLITE_READ:
	case SQLITE_INSERT:
		return ours(a, 0);
	case SQLITE_UPDATE:
		return ours(a, 1);
	case SQLITE_DELETE:
		return phase == SCHEMA_TRIM ? ours(a, 0) :
		    a != NULL && strcmp(a, "state") == 0;
	case SQLITE_FUNCTION:
		return b != NULL && strcmp(b, "count") == 0;
	case SQLITE_PRAGMA:
		return a != NULL && strcmp(a, "integrity_check") == 0;
	}
	return 0;
}

static int
authorize(void *arg, int action, const char *a, const char *b, const char *db,
    const char *trigger)
{
	enum schema_phase	*phase;

	(void)db;
	(void)trigger;
	phase = arg;
	if (*phase == SCHEMA_SETUP)
		return SQLITE_OK;
	if (*phase == SCHEMA_SERVICE)
		return SQLITE_DENY;
	return may(*phase, action, a, b) ? SQLITE_OK : SQLITE_DENY;
}

int
schema_guard(sqlite3 *db, enum schema_phase *phase)
{
	return sqlite3_set_authorizer(db, authorize, phase);
}
