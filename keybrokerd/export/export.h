/* SPDX-License-Identifier: ISC */
/*
 * export: the read side of the log.  Holds one descriptor, of the export
 * directory, and no key.  Believes its parent, answers the broker; the files
 * below the directory are the work of somebody who may have changed them, so
 * they are judged, never trusted.  Writes nothing.
 */
#ifndef KEYBROKERD_EXPORT_H
#define KEYBROKERD_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#include "common/audit/judge.h"
#include "common/ipc/msg.h"
#include "common/sandbox/sandbox.h"

#define EXPORT_QUEUE	(8 * 1024 * 1024)	/* towards the broker */
#define EXPORT_PERIOD	600	/* seconds between two runs nobody asked for */
#define EXPORT_SLICE	256	/* records judged before messages are read */
#define EXPORT_TRIES	3	/* of a run whose files moved under it */

/* ---- shelf.c: bundles, two of them in memory ---- */
struct shelf_bundle {
	int		 held;
	uint64_t	 index, used;	/* used: which was needed last */
	unsigned int	 width;
	uint8_t		*buf;
	size_t		 off[TILE_WIDTH], len[TILE_WIDTH];
};

struct shelf {
	int			 dir;
	uint64_t		 clock;
	struct shelf_bundle	 bundle[2];
};

/* dir stays the caller's.  Fatal without memory. */
void	shelf_init(struct shelf *, int dir);
void	shelf_free(struct shelf *);
/* Entry of that number, valid until the next call but one; NULL: errno, ENOENT
 * it is not exported (yet), EINVAL its bundle is none. */
const uint8_t *
	shelf_get(struct shelf *, uint64_t index, size_t *len);

/* ---- query.c: QUERY in, ROW and QUERIED out ---- */
/* -1: malformed. */
int	query_run(struct shelf *, struct msgr *, struct msglink *broker);

/* ---- walk.c: the whole log, verified again and again ---- */
struct walk {
	int		 dir;
	int		 pinned;
	uint8_t		 pin[TREE_HASH];
	struct source	 source;
	struct judge	*judge;		/* NULL: no run is under way */
	unsigned int	 tries;
	uint32_t	 cookie, next;	/* of this run, of the one after it */
	uint64_t	 begun;		/* wall ms */
	uint64_t	 due;		/* boot ns of a run nobody asks for */
};

void	walk_init(struct walk *, int dir);
/* A new broker: what the old one asked for is forgotten. */
void	walk_reset(struct walk *);
/* CHECK.  -1: malformed. */
int	walk_check(struct walk *, struct msgr *);
/*
 * A slice of the run, CHECKED at its end.  When it wants to be called next,
 * boot ns: 0 at once, UINT64_MAX nothing to do.
 */
uint64_t
	walk_turn(struct walk *, uint64_t now, struct msglink *broker);

/* ---- syscalls_linux.c, promises_openbsd.c ---- */
/* The sandbox of a role that reads below dir. */
void	export_sandbox(struct sandbox *, struct sandbox_path *, int dir);

#endif
