/* SPDX-License-Identifier: ISC */
/*
 * Records of the stream from ledgerdump to auditverify (dump.h).  The reader
 * believes nothing about the bytes.
 */
#include <errno.h>

#include "common/audit/dump.h"
#include "common/audit/entry.h"
#include "common/audit/tile.h"
#include "common/audit/tree.h"

static void
put(uint8_t *p, uint64_t val, unsigned int n)
{
	while (n-- > 0)
		*p++ = (uint8_t)(val >> (8 * n));
}

static uint64_t
take(const uint8_t *p, unsigned int n)
{
	uint64_t	 v;

	for (v = 0; n > 0; n--)
		v = v << 8 | *p++;
	return v;
}

void
dump_head(uint8_t out[DUMP_HEAD], enum dump_kind kind, uint32_t len)
{
	out[0] = (uint8_t)kind;
	put(out + 1, len, 4);
}

void
dump_tile(uint8_t out[DUMP_TILE_HEAD], unsigned int level, uint64_t index,
    unsigned int width)
{
	dump_head(out, DUMP_TILE, 11 + width * TILE_HASH);
	put(out + 5, level, 1);
	put(out + 6, index, 8);
	put(out + 14, width, 2);
}

void
dump_end(uint8_t out[DUMP_END_LEN], uint64_t entries, uint64_t checkpoints)
{
	dump_head(out, DUMP_END, 16);
	put(out + 5, entries, 8);
	put(out + 13, checkpoints, 8);
}

/* Is this a length that the kind can have? */
static int
length_ok(unsigned int kind, uint32_t len)
{
	switch (kind) {
	case DUMP_ENTRY:
		return len >= 1 && len <= ENTRY_MAX;
	case DUMP_CHECKPOINT:
		return len >= 1 && len <= NOTE_MAX;
	case DUMP_TILE:
		return len >= 11 + TILE_HASH &&
		    len <= 11 + TILE_WIDTH * TILE_HASH;
	case DUMP_RANGE:
		return len >= 8 && len <= TREE_PACKED;
	case DUMP_END:
		return len == 16;
	}
	return 0;
}

ssize_t
dump_next(const void *buf, size_t size, struct dump_rec *rec)
{
	const uint8_t	*p;
	uint32_t	 len;

	p = buf;
	if (size < DUMP_HEAD)
		return 0;
	len = (uint32_t)take(p + 1, 4);
	errno = EINVAL;
	if (!length_ok(p[0], len))
		return -1;
	if (size - DUMP_HEAD < len)
		return 0;
	rec->kind = p[0];
	rec->data = p + DUMP_HEAD;
	rec->len = len;
	if (rec->kind == DUMP_TILE) {
		rec->level = p[5];
		rec->index = take(p + 6, 8);
		rec->width = (unsigned int)take(p + 14, 2);
		rec->data += 11;
		rec->len -= 11;
		if (rec->level > TILE_LEVEL_MAX ||
		    rec->len != (size_t)rec->width * TILE_HASH)
			return -1;
	} else if (rec->kind == DUMP_END) {
		rec->entries = take(p + 5, 8);
		rec->checkpoints = take(p + 13, 8);
	}
	return (ssize_t)(DUMP_HEAD + len);
}
