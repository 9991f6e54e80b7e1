/* SPDX-License-Identifier: ISC */
/*
 * The ledger: makes durable what the broker ordered and signed.  Holds the
 * database and the export directory, no key.  Believes its parent and the
 * broker; never says COMMITTED for what is not on the device, and never
 * writes again after the first error of the storage below it.
 */
#ifndef KEYBROKERD_LEDGER_H
#define KEYBROKERD_LEDGER_H

#include <sys/types.h>

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "common/audit/chain.h"
#include "common/audit/note.h"
#include "common/audit/tile.h"
#include "common/audit/tree.h"
#include "common/ipc/msg.h"
#include "common/ipc/proto.h"

/*
 * The control of the proofs: a ledger that acknowledges what is not on the
 * device (make nosync).  keybrokerd -V says so of such a build.
 */
#ifdef NOT_FOR_SERVICE
#define LEDGER_SYNC	"PRAGMA synchronous=OFF"
#define LEDGER_SYNCED	"0"
#define LEDGER_GATHER	0	/* no flush: nothing may be held back for it */
#else
#define LEDGER_SYNC	"PRAGMA synchronous=FULL"
#define LEDGER_SYNCED	"2"
#define LEDGER_GATHER	1
#endif

#define LEDGER_DB	"ledger/ledger.db"	/* below the state directory */
#define LEDGER_RUN	(1024 * 1024)	/* bytes of one batch */
#define LEDGER_NOTE	8192		/* bytes of a note that we keep */
#define LEDGER_WAL	1024		/* frames: 4 MiB, then it is reset */
#define LEDGER_IDLE_WAL	256		/* frames that are worth it when idle */
#define LEDGER_BUSY	4096		/* entries that wait for their bundle */
#define LEDGER_LATE	6144		/* ... of 8192 that the broker keeps */
#define LEDGER_TRIM	1024		/* entries that are deleted at a time */
#define LEDGER_PAGE	(PAGE_BYTES + STATE_VALUE + 512)
#define STATE_ID	255
#define STATE_VALUE	65535

/* Where the log stands; all of it is in the table meta. */
struct head {
	uint64_t	 batch;		/* last committed batch */
	struct tree	 tree;		/* after it */
	uint8_t		 root[TREE_HASH];
	uint8_t		 leaf[TREE_HASH];	/* of the last entry */
	/* the export directory */
	uint64_t	 exported;	/* size when it was last written */
	uint64_t	 notebytes;	/* length of its "checkpoints" */
	uint64_t	 notes;		/* how many they are */
	struct tree	 base;		/* at its last full bundle */
	uint8_t		 baseleaf[TREE_HASH];	/* last leaf below base */
	uint8_t		 bundle[TREE_HASH];	/* root of that bundle */
	/* last, so that what is long is not copied with the rest */
	size_t		 notelen;
	char		 note[LEDGER_NOTE];	/* last signed checkpoint */
};
#define HEAD_PLAIN	offsetof(struct head, note)

struct ledger;

/* ---- gather.c: SQLite's writes, fewer ---- */
#define GATHER_VFS	"gather"
/* Anew in front of what is SQLite's default now; an SQLite code. */
int	gather_register(void);

/* ---- schema.c: settings, tables, who may do what ---- */
enum schema_phase {
	SCHEMA_SETUP,		/* settings and tables */
	SCHEMA_PREPARE,		/* the statements of store.c */
	SCHEMA_TRIM,		/* the one statement that deletes entries */
	SCHEMA_SERVICE		/* nothing is prepared any more */
};

/*
 * Before the first read: exclusive, WAL, FULL and every switch of audit.md
 * 6.2, each read back.  Returns an SQLite code.
 */
int	schema_settings(sqlite3 *);
/* Makes the four tables if the database is new; an SQLite code. */
int	schema_make(sqlite3 *);
/* Authorizer that looks at *phase, which stays the caller's. */
int	schema_guard(sqlite3 *, enum schema_phase *phase);

/* ---- store.c: SQLite behind a few verbs ---- */
enum store_stmt {
	SS_BEGIN, SS_COMMIT, SS_ROLLBACK, SS_ENTRY_PUT, SS_NOTE_PUT,
	SS_STATE_PUT, SS_STATE_DEL, SS_META_PUT, SS_META_GET, SS_ENTRIES,
	SS_NOTES, SS_STATES, SS_PAGE, SS_ROW, SS_COUNT, SS_VALUE_SET,
	SS_TRIM_ENTRY, SS_TRIM_NOTE, SS_CHECK, SS_MAX
};

struct store {
	sqlite3			*db;
	sqlite3_stmt		*stmt[SS_MAX];
	enum schema_phase	 phase;
	int			 frames;	/* in the WAL */
	uint64_t		 cold;		/* rows of ST_VALUE */
	/* exported: entries below, checkpoints up to; gone up to trimmed */
	uint64_t		 gone_entry, gone_note, trimmed;
	/* the row that is being filled, the one that is being read */
	uint64_t		 seq, rowseq;
	size_t			 rowlen, pendlen, rowoff;
	const uint8_t		*row;
	uint8_t			 pend[2 + 65535];
	int			 rc;		/* of the last failure */
	char			 why[256];	/* it, in plain words */
};

/* A row of a cursor; blobs live until the next step. */
struct store_row {
	uint64_t	 n;		/* seq, size, kind */
	const uint8_t	*id;
	size_t		 idlen;
	const uint8_t	*data;
	size_t		 len;
};

/*
 * Opens or makes the database and prepares every statement.  All functions
 * return 0 (cursors 1 or 0), or -1 with rc and why set; after -1 the store is
 * good for store_close only.
 */
int	store_open(struct store *, const char *path);
void	store_close(struct store *);
/* Is rc the storage's fault?  Then nothing may be tried again. */
int	store_broken(const struct store *);
int	store_begin(struct store *);
int	store_commit(struct store *);
void	store_rollback(struct store *);
/* Entries in ascending order; several go into a row, store_commit ends it. */
int	store_entry(struct store *, uint64_t seq, const void *, size_t);
/* The first checkpoint of a size is kept. */
int	store_note(struct store *, uint64_t size, const void *, size_t);
int	store_state(struct store *, uint8_t kind, const void *id, size_t idlen,
	    const void *value, size_t len);
int	store_forget(struct store *, uint8_t kind, const void *id,
	    size_t idlen);
/* Entries below seq and checkpoints up to size are exported: they may go. */
void	store_release(struct store *, uint64_t seq, uint64_t size);
/* Are there any left of those? */
int	store_stale(const struct store *);
/* Deletes the next so many of them, in the caller's transaction. */
int	store_trim(struct store *, uint64_t entries);
/*
 * Cursors: entries from seq (a multiple of TILE_WIDTH) on, checkpoints above size, state rows.  open,
 * then next until 0, or stop early by store_done.
 */
int	store_each(struct store *, enum store_stmt, uint64_t from);
int	store_next(struct store *, enum store_stmt, struct store_row *);
void	store_done(struct store *, enum store_stmt);
/* The same for rows of one kind behind an id, or that row alone (SS_ROW). */
int	store_page(struct store *, enum store_stmt, uint8_t kind,
	    const void *id, size_t idlen);
int	store_meta_put(struct store *, const char *key, const void *, size_t);
/* Length, or -1; an absent or longer row is an error. */
ssize_t	store_meta_get(struct store *, const char *key, void *, size_t);
/* integrity_check; -1 with its first finding. */
int	store_integrity(struct store *);
/* Copies the WAL into the database; truncate: and empties it. */
int	store_reset(struct store *, int truncate);

/* ---- head.c: struct head in the table meta ---- */
/* A new database has no head: then an empty log is written. */
int	head_load(struct store *, struct head *);
int	head_put_commit(struct store *, const struct head *);
int	head_put_export(struct store *, const struct head *);

/* ---- apply.c: one batch, one transaction ---- */
enum apply {
	APPLY_OK,
	APPLY_MALFORMED,	/* text in store.why; nothing was written */
	APPLY_STORAGE
};

/*
 * The item run of proto.h.  Sizes, chain of leaves and root are computed here
 * and compared with what the batch claims.  On APPLY_OK the head is the new
 * one.
 */
enum apply
	apply_batch(struct store *, struct head *, uint64_t batch,
	    const uint8_t *run, size_t len);
/* Is this the batch that was committed last?  0 yes. */
int	apply_same(const struct head *, const uint8_t *run, size_t len);

/* ---- outfile.c: files of the export directory ---- */
struct outfile {
	int	 dir;			/* the export directory */
	int	 fd;
	size_t	 have;
	char	 path[TILE_PATH];
	uint8_t	 buf[65536];
};

/* Written beside its name, which appears when all bytes are durable. */
int	outfile_open(struct outfile *, int dir, const char *path);
int	outfile_write(struct outfile *, const void *, size_t);
int	outfile_close(struct outfile *);
int	outfile_put(int dir, const char *path, const void *, size_t);
/* Makes the names in the directory of path durable. */
int	outfile_sync(int dir, const char *path);
/* Whole file; its length, -1 with errno (EFBIG). */
ssize_t	outfile_load(int dir, const char *path, void *, size_t);

/* ---- bundle.c: the body of the log ---- */
#define BUNDLE_DIRS	8

struct bundle {
	int		 dir;
	struct outfile	 out;
	unsigned int	 width[TILE_LEVEL_MAX + 1];
	uint64_t	 index[TILE_LEVEL_MAX + 1];
	uint8_t		 tile[TILE_LEVEL_MAX + 1][TILE_WIDTH * TILE_HASH];
	char		 fresh[BUNDLE_DIRS][TILE_PATH];	/* see named() */
	size_t		 nfresh;
	uint64_t	 tiled;		/* size whose partial tiles are there */
	/* the export under way */
	unsigned int	 step;		/* 0: none */
	unsigned int	 level;
	int		 lean;		/* without partial tiles */
	uint64_t	 before;	/* size of the last one */
	struct head	 to;		/* what it writes, as far as it is */
	char		 why[256];
};

/*
 * Loads the partial tiles of the exported size and cuts "checkpoints" to the
 * length that the database knows.  -1 with why.
 */
int	bundle_init(struct bundle *, int dir, const struct head *);
/* Is there anything that is not exported, partial tiles among it? */
int	bundle_due(const struct bundle *, const struct head *);
/*
 * Begins to write everything up to the head's size.  lean: without partial
 * tiles, which only matter to readers of a log that stands still.
 */
void	bundle_begin(struct bundle *, const struct head *, int lean);
/*
 * One file or one flush of an export that has begun; at last the database is
 * told and its rows are released.  1: there is more; 0: that was all; -1 with
 * why.
 */
int	bundle_step(struct bundle *, struct store *, struct head *);
/* All of it at once, what is released is deleted too.  -1 with why. */
int	bundle_export(struct bundle *, struct store *, struct head *);

/* ---- check.c: the whole database and the newest bundle, at start ---- */
/* 0, or -1 with a line in why. */
int	check_all(struct store *, const struct head *, struct bundle *,
	    char *why, size_t size);

/* ---- stream.c: the whole log as common/audit/dump.h says ---- */
/*
 * Exported bundles, then the database.  What is missing is left out, for the
 * verifier to see.  -1 with a line in why: it cannot be read or written.
 */
int	stream_all(struct store *, const struct head *, int exportdir, int out,
	    char *why, size_t size);

/* ---- page.c: rows that are not in DELTA ---- */
/* Answers PAGE; -1 once the broker's link is dead. */
int	page_answer(struct ledger *, struct msgr *);

/* ---- ledger.c: the role between its two links ---- */
struct ledger {
	struct store	 store;
	struct head	 head;
	struct bundle	 bundle;
	int		 dbdir;		/* descriptor of ledger/ */
	struct msglink	 broker;	/* fd -1: none */
	uint8_t		*run;		/* the batch that arrives, LEDGER_RUN */
	size_t		 runlen;
	uint64_t	 runbatch;
	uint16_t	 runindex;	/* of the next piece; 0: none is open */
	uint8_t		*page;		/* the rows of one PAGED */
	uint64_t	 last;		/* boot ns of the last batch */
	uint8_t		 fresh;		/* no turn since then */
	uint64_t	 exported;	/* ... of the last export */
	uint64_t	 looked;	/* ... when space was looked at */
	uint64_t	 spare;		/* bytes before that is due again */
	uint8_t		 low;		/* little space was left then */
};

/*
 * Opens, verifies, exports what a crash left over.  Fatal if the log is not
 * what it was, abort() if the storage fails; the same holds for all below.
 */
void	ledger_open(struct ledger *, const char *db, int dbdir, int exportdir);
/* A broker's link, which replaces any other: HELLO and DELTA.  Takes fd. */
void	ledger_peer(struct ledger *, int fd);
/* All of it goes out, however long the broker takes; -1 it is gone. */
int	ledger_send(struct ledger *, struct msgw *);
/* The storage failed: nothing may be tried once more. */
void	ledger_storage(const char *) __attribute__((noreturn));
/* What waits on the link; -1 once it is dead. */
int	ledger_read(struct ledger *);
/*
 * A step of housekeeping, if one is due; returns when the next one is, 0: as
 * soon as nothing waits on the link.
 */
uint64_t
	ledger_idle(struct ledger *, uint64_t now);
void	ledger_close(struct ledger *);

/* ---- syscalls_linux.c, promises_openbsd.c ---- */
struct sandbox;
void	ledger_sandbox(struct sandbox *);

#endif
