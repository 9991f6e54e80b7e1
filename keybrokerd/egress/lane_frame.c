/* SPDX-License-Identifier: ISC */

/*
 * Frames towards a worker: queued, then written as far as its socket takes
 * them.  A lane without a worker (lane_probe) drops them.
 */

#include <errno.h>
#include <unistd.h>

#include "keybrokerd/egress/egress.h"

void
lane_frame(struct lane *l, enum link_type type, const void *p, size_t n)
{
	uint8_t	 h[LINK_HEAD];

	if (l->dead || l->fd == -1)
		return;
	link_head(h, type, 0, n);
	buf_add(&l->out, h, sizeof(h));
	buf_add(&l->out, p, n);
}

void
lane_flush(struct lane *l)
{
	ssize_t	 n;

	while (!l->dead && buf_left(&l->out) > 0) {
		n = write(l->fd, l->out.p + l->out.off, buf_left(&l->out));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			buf_compact(&l->out);
			event_add(l->writable, NULL);
			return;
		}
		if (n == -1) {
			lane_close(l, "the worker closed its link");
			return;
		}
		l->out.off += (size_t)n;
	}
	buf_reset(&l->out);
}
