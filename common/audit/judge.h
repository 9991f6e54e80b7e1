/* SPDX-License-Identifier: ISC */
/*
 * Says whether a log is what its signers signed, record by record: for
 * auditverify, and for the role that verifies a running log over and over.
 * Everything that a source hands over is the work of somebody who may have
 * changed it; the pin and the remembered checkpoint are the auditor's own.
 */
#ifndef COMMON_AUDIT_JUDGE_H
#define COMMON_AUDIT_JUDGE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "common/audit/chain.h"
#include "common/audit/entry.h"
#include "common/audit/note.h"
#include "common/audit/tile.h"
#include "common/audit/tree.h"

/* Classes of what can be wrong; auditverify(1) explains them. */
enum fault {
	FAULT_NONE,
	FAULT_TAMPER,
	FAULT_MALFORMED,
	FAULT_INCOMPLETE,
	FAULT_KEY,
	FAULT_TIME,
	FAULT_SEMANTIC,
	FAULT_ROLLBACK,
	FAULT_FORK
};

/* What a source hands over, in the order of common/audit/dump.h. */
enum rec_kind {
	REC_ENTRY,
	REC_CHECKPOINT,
	REC_TILE,
	REC_RANGE,
	REC_END,
	REC_BAD,	/* the log's own fault: fault and why are set */
	REC_FAIL	/* it cannot be read: why is set */
};

struct rec {
	enum rec_kind	 kind;
	const uint8_t	*data;		/* valid until the next call */
	size_t		 len;
	unsigned int	 level;		/* REC_TILE */
	uint64_t	 index;
	unsigned int	 width;
	int		 counted;	/* REC_END: totals are given */
	uint64_t	 entries;
	uint64_t	 checkpoints;
	enum fault	 fault;
	char		 why[160];
};

struct source {
	void	(*next)(void *arg, struct rec *);
	void	(*close)(void *arg);
	void	*arg;
};

/* exportdir.c: a C2SP directory.  -1 with errno if it cannot be opened. */
int	exportdir_open(struct source *, const char *dir);
/*
 * The same for a log that is being written: as far as the checkpoint says that
 * is there now.  dir stays the caller's.
 */
int	exportdir_at(struct source *, int dir);
/*
 * Bundle index into buf (TILE_BUNDLE_MAX bytes), the widest that there is;
 * its length and *width, 0 and width 0: there is none, or -1 with errno.
 */
ssize_t	exportdir_bundle(int dir, uint64_t index, void *buf,
	    unsigned int *width);

/* pairing.c: intents that wait for their outcome; at most PAIRING_MAX. */
#define PAIRING_MAX	262144

struct pairing;

enum pairing_fault {
	PAIRING_OK,
	PAIRING_UNKNOWN,	/* no such open intent */
	PAIRING_OTHER,		/* open, but of another request */
	PAIRING_FULL
};

struct pairing *
	pairing_new(void);
void	pairing_free(struct pairing *);
enum pairing_fault
	pairing_open(struct pairing *, uint64_t seq, const uint8_t id[16]);
/* id may be NULL: not compared. */
enum pairing_fault
	pairing_close(struct pairing *, uint64_t seq, const uint8_t *id);
uint64_t
	pairing_count(const struct pairing *);
/* Lowest open number; 0 if none is open (entry 0 is never an intent). */
uint64_t
	pairing_first(const struct pairing *);

/* The checkpoint that an earlier run kept for the auditor. */
struct remember {
	int		 known;
	uint64_t	 size;
	uint8_t		 root[TREE_HASH];
	char		 origin[NOTE_ORIGIN + 1];
};

/* judge.c: the checks, record by record. */
struct judge {
	/* what the auditor brings */
	int		 pinned;
	uint8_t		 pin[TREE_HASH];
	struct remember	 old;
	/* where the log stands */
	struct chain	 chain;
	struct tree	 tree;
	char		 origin[NOTE_ORIGIN + 1];
	size_t		 originlen;
	uint8_t		 originhash[CHAIN_ORIGIN];
	uint32_t	 epochs;	/* size of the tree under the pin */
	uint64_t	 epoch;
	int		 keys;		/* epoch keys known: 0, 1, 2 */
	uint8_t		 key[NOTE_PK];	/* of this epoch */
	uint8_t		 last[NOTE_PK];	/* of the one before */
	int		 rolled;	/* a roll waits for its checkpoint */
	uint64_t	 rollsize;	/* size that covered the last roll */
	uint64_t	 covered;	/* size of the last checkpoint */
	uint64_t	 wall;
	struct pairing	*pairing;
	/* stored tiles against computed hashes */
	uint64_t	 tileindex;	/* level 0, ahead of its entries */
	unsigned int	 tilewidth;
	uint8_t		 tile[TILE_WIDTH][TILE_HASH];
	uint8_t		 full[TILE_LEVEL_MAX + 1][TILE_WIDTH][TILE_HASH];
	int		 tiled;		/* the last entry is in its tile */
	/* after the first fault: what else must be read to place it */
	enum { AFTER_NONE, AFTER_GAP, AFTER_LINK, AFTER_TWIN } after;
	/* results */
	uint64_t	 intents, outcomes, orphans, checkpoints;
	uint64_t	 ignored;	/* fields that were not understood */
	uint64_t	 others;	/* entries of unknown type */
	enum fault	 fault;
	uint64_t	 bad;
	char		 why[256];
	uint8_t		 leaf[TREE_HASH];	/* of the last entry */
	struct entry	 entry;		/* the last entry, parsed */
	char		*note;		/* last checkpoint */
	size_t		 notelen;
	size_t		 noteroom;
};

/* NULL when memory is short.  pin may be NULL, old is copied. */
struct judge *
	judge_new(const uint8_t *pin, const struct remember *old);
void	judge_free(struct judge *);
/*
 * One record.  0: give the next; 1: the verdict stands (fault, bad, why; or
 * FAULT_NONE after REC_END).  REC_FAIL is not for the judge.
 */
int	judge_take(struct judge *, const struct rec *);
const char *
	judge_fault_name(enum fault);

#endif
