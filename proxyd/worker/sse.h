/* SPDX-License-Identifier: ISC */

/*
 * Framing of a server-sent event stream (WHATWG HTML 9.2) as it passes.  It
 * knows lines, fields and event boundaries, not what events mean.  Bursts
 * pass as they come; in hold mode an event passes when it is complete and
 * the caller's judge did not withhold it.  Only what is held is copied.
 */

#ifndef PROXYD_WORKER_SSE_H
#define PROXYD_WORKER_SSE_H

#include <stddef.h>
#include <stdint.h>

#define SSE_LINE	(1024 * 1024)	/* longest line */
#define SSE_HOLD	(64 * 1024)	/* longest event that is held: a longer
					 * one passes unjudged */
#define SSE_NAME	32		/* event name, with its NUL */

struct sse_event {
	const char	*name;	/* of event:, "" if none or too long */
	uint64_t	 data;	/* bytes of data, joined lines */
	int		 cut;	/* stream ended before the empty line */
};

struct sse_ops {
	/* a run of the data of the open event; lines are joined by LF */
	void	(*data)(void *, const uint8_t *, size_t);
	/* an event with at least one field ended; in hold mode: return 1 =
	 * withhold it, 0 = pass it */
	int	(*event)(void *, const struct sse_event *);
	/* bytes for the client, in order */
	void	(*pass)(void *, const uint8_t *, size_t);
};

/* Private to sse.c; about 150 bytes, and a copy of what is held. */
struct sse {
	const struct sse_ops *ops;
	void		*arg;
	uint8_t		*held;		/* open event so far; NULL: nothing */
	size_t		 nheld;
	uint64_t	 data;
	size_t		 line;		/* bytes of the open line */
	uint8_t		 hold;		/* hold mode */
	uint8_t		 released;	/* open event: too long to hold */
	uint8_t		 state;
	uint8_t		 kind;		/* field of the open line */
	uint8_t		 cr;		/* last byte was CR */
	uint8_t		 after;		/* ... and what it ended */
	uint8_t		 bom;		/* bytes of a BOM at the start */
	uint8_t		 fields;	/* open event has one */
	uint8_t		 ndata;		/* ... has a data line */
	uint8_t		 nfield;
	uint8_t		 nname;
	char		 field[8];
	char		 name[SSE_NAME];
};

void	sse_init(struct sse *, const struct sse_ops *, void *, int);
void	sse_free(struct sse *);
int	sse_feed(struct sse *, const uint8_t *, size_t);
void	sse_end(struct sse *);
int	sse_between(const struct sse *);

#endif
