/* SPDX-License-Identifier: ISC */
/*
 * Names and layout of tiles and entry bundles (C2SP tlog-tiles).  No I/O.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/audit/tile.h"

/* Groups of three digits: "x001/x234/067" for 1234067. */
static int
group(char *buf, size_t size, uint64_t index)
{
	unsigned int	 part[7], n;
	size_t		 off;
	int		 r;

	n = 0;
	do {
		part[n++] = (unsigned int)(index % 1000);
		index /= 1000;
	} while (index > 0 && n < 7);
	off = 0;
	while (n-- > 0) {
		r = snprintf(buf + off, size - off, n > 0 ? "x%03u/" : "%03u",
		    part[n]);
		if (r < 0 || (size_t)r >= size - off)
			return -1;
		off += (size_t)r;
	}
	return (int)off;
}

static ssize_t
path(char *buf, size_t size, const char *kind, uint64_t index,
    unsigned int width)
{
	char	 num[40], part[8];
	int	 n;

	if (width == 0 || width > TILE_WIDTH || index > INT64_MAX ||
	    group(num, sizeof(num), index) == -1) {
		errno = EINVAL;
		return -1;
	}
	part[0] = '\0';
	if (width < TILE_WIDTH)
		snprintf(part, sizeof(part), ".p/%u", width);
	n = snprintf(buf, size, "tile/%s/%s%s", kind, num, part);
	if (n < 0 || (size_t)n >= size) {
		errno = ENOSPC;
		return -1;
	}
	return n;
}

ssize_t
tile_path(char *buf, size_t size, unsigned int level, uint64_t index,
    unsigned int width)
{
	char	 kind[4];

	if (level > TILE_LEVEL_MAX) {
		errno = EINVAL;
		return -1;
	}
	snprintf(kind, sizeof(kind), "%u", level & 7);
	return path(buf, size, kind, index, width);
}

ssize_t
tile_entries_path(char *buf, size_t size, uint64_t index, unsigned int width)
{
	return path(buf, size, "entries", index, width);
}

unsigned int
tile_width(uint64_t size, unsigned int level, uint64_t index)
{
	uint64_t	 n;

	if (level > TILE_LEVEL_MAX)
		return 0;
	n = size >> (8 * level);
	if (index > n / TILE_WIDTH)
		return 0;
	n -= index * TILE_WIDTH;
	return n > TILE_WIDTH ? TILE_WIDTH : (unsigned int)n;
}

ssize_t
tile_bundle_put(void *buf, size_t size, size_t off, const void *entry,
    size_t len)
{
	uint8_t	*p;

	if (len == 0 || len > UINT16_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (off > size || size - off < len + 2) {
		errno = ENOSPC;
		return -1;
	}
	p = (uint8_t *)buf + off;
	p[0] = (uint8_t)(len >> 8);
	p[1] = (uint8_t)len;
	memcpy(p + 2, entry, len);
	return (ssize_t)(off + 2 + len);
}

int
tile_bundle_next(const void *buf, size_t size, size_t *off,
    const uint8_t **entry, size_t *len)
{
	const uint8_t	*p;

	if (*off == size)
		return 0;
	errno = EINVAL;
	if (*off > size || size - *off < 2)
		return -1;
	p = (const uint8_t *)buf + *off;
	*len = (size_t)p[0] << 8 | p[1];
	if (*len == 0 || size - *off - 2 < *len)
		return -1;
	*entry = p + 2;
	*off += 2 + *len;
	return 1;
}
