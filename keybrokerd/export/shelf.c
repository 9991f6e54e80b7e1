/* SPDX-License-Identifier: ISC */
/*
 * Single entries out of bundles.  Two are held: a call's outcome names its
 * intent, which lies in the same bundle or in one shortly before.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/export/export.h"

void
shelf_init(struct shelf *s, int dir)
{
	size_t	 i;

	memset(s, 0, sizeof(*s));
	s->dir = dir;
	for (i = 0; i < 2; i++) {
		s->bundle[i].buf = malloc(TILE_BUNDLE_MAX);
		if (s->bundle[i].buf == NULL)
			fatal("memory for a bundle");
	}
}

void
shelf_free(struct shelf *s)
{
	size_t	 i;

	for (i = 0; i < 2; i++) {
		free(s->bundle[i].buf);
		s->bundle[i].buf = NULL;
		s->bundle[i].held = 0;
	}
}

/* Where its entries lie; -1 (EINVAL) it is no bundle of that width. */
static int
parse(struct shelf_bundle *b, size_t size)
{
	const uint8_t	*entry;
	unsigned int	 n;
	size_t		 off, len;
	int		 r;

	off = 0;
	for (n = 0; (r = tile_bundle_next(b->buf, size, &off, &entry,
	    &len)) == 1 && n < TILE_WIDTH; n++) {
		b->off[n] = (size_t)(entry - b->buf);
		b->len[n] = len;
	}
	if (r == 0 && n == b->width)
		return 0;
	errno = EINVAL;
	return -1;
}

/* The bundle, in the place that was needed least lately; NULL: errno. */
static struct shelf_bundle *
fetch(struct shelf *s, uint64_t index)
{
	struct shelf_bundle	*b;
	ssize_t			 n;
	size_t			 i;

	b = &s->bundle[s->bundle[0].used > s->bundle[1].used];
	for (i = 0; i < 2; i++)
		if (s->bundle[i].held && s->bundle[i].index == index)
			b = &s->bundle[i];
	b->held = 0;
	n = exportdir_bundle(s->dir, index, b->buf, &b->width);
	if (n == -1)
		return NULL;
	if (b->width == 0) {
		errno = ENOENT;
		return NULL;
	}
	if (parse(b, (size_t)n) == -1)
		return NULL;
	b->index = index;
	b->held = 1;
	return b;
}

const uint8_t *
shelf_get(struct shelf *s, uint64_t index, size_t *len)
{
	struct shelf_bundle	*b;
	unsigned int		 at;
	size_t			 i;

	at = (unsigned int)(index % TILE_WIDTH);
	b = NULL;
	for (i = 0; i < 2; i++)
		if (s->bundle[i].held &&
		    s->bundle[i].index == index / TILE_WIDTH)
			b = &s->bundle[i];
	/* a partial one may have grown */
	if (b == NULL || b->width <= at)
		b = fetch(s, index / TILE_WIDTH);
	if (b == NULL)
		return NULL;
	b->used = ++s->clock;
	if (at >= b->width) {
		errno = ENOENT;
		return NULL;
	}
	*len = b->len[at];
	return b->buf + b->off[at];
}
