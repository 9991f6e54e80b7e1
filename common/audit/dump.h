/* SPDX-License-Identifier: ISC */
/*
 * The stream from ledgerdump to auditverify: a whole log on a pipe.  Records
 * are {kind (u8), length of the payload (u32), payload}, big-endian:
 *
 *  'E' an entry, in order from 0: its stored bytes
 *  'C' a signed checkpoint: its stored bytes.  It stands right after the
 *      entry that makes the log as long as the checkpoint says; every
 *      checkpoint of the log, one for each commit, in order of size
 *  'T' a stored tile: level (u8), index (u64), width (u16), width * 32 bytes
 *      of hashes.  Level 0: before the entries that it covers.  Higher
 *      levels: after the entry that fills it; partial ones before 'X'.
 *      Optional; with level 0 the verifier can name the changed entry exactly
 *  'R' the stored compact range (tree_pack) of the whole log, after the last
 *      entry; optional
 *  'X' the end: number of entries (u64), number of checkpoints (u64).  The
 *      last record; a stream without it was cut off
 *
 * No I/O here: the caller reads and writes.
 */
#ifndef COMMON_AUDIT_DUMP_H
#define COMMON_AUDIT_DUMP_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "common/audit/note.h"

enum dump_kind {
	DUMP_ENTRY = 'E',
	DUMP_CHECKPOINT = 'C',
	DUMP_TILE = 'T',
	DUMP_RANGE = 'R',
	DUMP_END = 'X'
};

#define DUMP_HEAD	5
#define DUMP_TILE_HEAD	(DUMP_HEAD + 11)
#define DUMP_END_LEN	(DUMP_HEAD + 16)
#define DUMP_PAYLOAD	NOTE_MAX	/* the longest is a note */
#define DUMP_RECORD	(DUMP_HEAD + DUMP_PAYLOAD)

/* One record; data points into the reader's bytes. */
struct dump_rec {
	enum dump_kind	 kind;
	const uint8_t	*data;		/* E C R: payload; T: hashes */
	size_t		 len;
	unsigned int	 level;		/* T */
	uint64_t	 index;		/* T */
	unsigned int	 width;		/* T */
	uint64_t	 entries;	/* X */
	uint64_t	 checkpoints;	/* X */
};

/* Head of 'E', 'C' or 'R'; the payload of len bytes follows. */
void	dump_head(uint8_t out[DUMP_HEAD], enum dump_kind, uint32_t len);
/* Head and fixed part of 'T'; width * 32 bytes of hashes follow. */
void	dump_tile(uint8_t out[DUMP_TILE_HEAD], unsigned int level,
	    uint64_t index, unsigned int width);
/* The whole 'X' record. */
void	dump_end(uint8_t out[DUMP_END_LEN], uint64_t entries,
	    uint64_t checkpoints);

/*
 * The record at the start of buf.  Returns its whole length, 0 if more bytes
 * are needed (never more than DUMP_RECORD in all), or -1 (EINVAL).
 */
ssize_t	dump_next(const void *buf, size_t len, struct dump_rec *);

#endif
