/* SPDX-License-Identifier: ISC */
#ifndef COMMON_IPC_LINK_H
#define COMMON_IPC_LINK_H

#include <stddef.h>
#include <stdint.h>

/*
 * A worker-egress link: SOCK_STREAM, one call at a time, framed.
 * Frame: u8 type, u8 flags, u16 zero, u32 length, payload; big-endian.
 * Kernel back-pressure is the flow control.  Neither end trusts the other:
 * a bad frame closes the link, never the process.
 *
 * towards the egress:	OPEN  {u64 no, u64 body length, u8 n, n x {str name, str
 *			value}} (allow-listed pass-through headers only)
 *			DATA  bytes      END {}      ABORT {}
 * towards the worker:	HEAD  {u64 no, u16 status, u8 flags (1: body follows to an
 *			unknown length, 2: event stream), u64 length or ~0,
 *			u8 n, n x {str name, str value}}
 *			DATA  bytes      END {u8 proto_end: END_OK or END_TRUNCATED..}
 *			ERROR {u64 no, u8 proto_end, u16 status for the client, str text}
 * ERROR may come instead of HEAD or after it; it ends the call like END.
 * Every frame after OPEN/HEAD belongs to that call.
 */
#define LINK_HEAD	8
#define LINK_DATA	16384		/* payload of one DATA frame */
#define LINK_CTRL	12288		/* payload of any other frame */

enum link_type { LF_OPEN = 1, LF_DATA, LF_END, LF_ABORT, LF_HEAD, LF_ERROR };

#define LF_UNKNOWN_LENGTH	1
#define LF_EVENTS		2

struct link_frame {
	enum link_type	 type;
	uint8_t		 flags;
	size_t		 len;
	const uint8_t	*data;
};

/* Incremental reader: one per link, a fixed buffer, no allocation. */
struct linkr {
	size_t		 have, used;
	size_t		 top;		/* bytes of buf that were ever used */
	uint8_t		 buf[LINK_HEAD + LINK_DATA];
};

void	 link_reset(struct linkr *);
/* The same, and what was read is overwritten. */
void	 link_wipe(struct linkr *);
/* Where to read into next; *room is 0 only if a whole frame waits. */
uint8_t	*link_room(struct linkr *, size_t *room);
void	 link_got(struct linkr *, size_t n);
/* 1 a frame (valid until the next link_room), 0 needs more, -1 bad frame. */
int	 link_next(struct linkr *, struct link_frame *);
/* Frame head into out[LINK_HEAD]. */
void	 link_head(uint8_t *out, enum link_type, uint8_t flags, size_t len);

#endif
