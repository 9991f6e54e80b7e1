/* SPDX-License-Identifier: ISC */
/*
 * Layout of an exported log: C2SP tlog-tiles.  Names and bytes only; who
 * opens files is somebody else.
 */
#ifndef COMMON_AUDIT_TILE_H
#define COMMON_AUDIT_TILE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define TILE_WIDTH	256
#define TILE_HASH	32
#define TILE_LEVEL_MAX	7	/* 8 bits a level, 63-bit sizes */
#define TILE_PATH	64	/* longest name and its NUL */
#define TILE_BUNDLE_MAX	(TILE_WIDTH * (2 + 65535))

#define TILE_CHECKPOINT		"checkpoint"	/* the newest note */
#define TILE_CHECKPOINTS	"checkpoints"	/* all, in order of size */

/*
 * "tile/<level>/<index>[.p/<width>]" and "tile/entries/<index>[.p/<width>]";
 * the index in groups of three digits, all but the last with an 'x'.  width
 * is 1-256; 256 is the full tile without suffix.  Length, or -1 (EINVAL,
 * ENOSPC).
 */
ssize_t	tile_path(char *buf, size_t size, unsigned int level,
	    uint64_t index, unsigned int width);
ssize_t	tile_entries_path(char *buf, size_t size, uint64_t index,
	    unsigned int width);
/*
 * Width of tile index at level in a tree of this size: 256 full, 0 not
 * there.
 */
unsigned int
	tile_width(uint64_t size, unsigned int level, uint64_t index);

/* Entry bundle: each entry behind its length (u16). */
ssize_t	tile_bundle_put(void *buf, size_t size, size_t off,
	    const void *entry, size_t len);	/* new offset or -1 (ENOSPC) */
/*
 * Entry at *off, which moves behind it.  1 an entry, 0 the end, -1 (EINVAL)
 * the bundle ends within an entry or the entry is empty.
 */
int	tile_bundle_next(const void *buf, size_t size, size_t *off,
	    const uint8_t **entry, size_t *len);

#endif
