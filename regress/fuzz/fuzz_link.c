/* SPDX-License-Identifier: ISC */
/*
 * Frames of a link: cut at places that the first byte chooses, they must be
 * the same as read at once, and the reader must always make progress.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc/link.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A digest of all frames; *bad if the link was closed. */
static uint64_t
read_all(const uint8_t *p, size_t len, size_t step, int *bad)
{
	static struct linkr	 r;
	struct link_frame	 f;
	uint64_t		 h;
	uint8_t			*to;
	size_t			 i, n, room;
	int			 rc;

	link_reset(&r);
	h = 14695981039346656037ULL;
	*bad = 0;
	while (len > 0) {
		to = link_room(&r, &room);
		if (room == 0)
			abort();	/* everything readable was read */
		n = len < step ? len : step;
		n = n < room ? n : room;
		memcpy(to, p, n);
		link_got(&r, n);
		p += n;
		len -= n;
		while ((rc = link_next(&r, &f)) == 1) {
			h = (h ^ f.type ^ f.flags ^ f.len) * 1099511628211ULL;
			for (i = 0; i < f.len; i++)
				h = (h ^ f.data[i]) * 1099511628211ULL;
		}
		if (rc == -1) {
			*bad = 1;
			return h;
		}
	}
	return h;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t	 a, b;
	int		 bada, badb;

	if (size < 1)
		return 0;
	a = read_all(data + 1, size - 1, size, &bada);
	b = read_all(data + 1, size - 1, 1 + (size_t)data[0] * 7, &badb);
	if (a != b || bada != badb)
		abort();
	return 0;
}
