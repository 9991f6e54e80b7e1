/* SPDX-License-Identifier: ISC */

/*
 * Rule R5: a body passes byte for byte except for a short list of named
 * spans.  Each edit is (offset, length, replacement); the record counts
 * them.  The body itself is never copied: the iterator names, in order, the
 * runs of original bytes and the replacements between them.
 */

#ifndef PROXYD_WORKER_EDIT_H
#define PROXYD_WORKER_EDIT_H

#include <stddef.h>
#include <stdint.h>

#include "proxyd/worker/fact.h"

#define EDIT_MAX	16	/* edits of one body */
#define EDIT_TEXT	1024	/* bytes of all replacements together */

struct edit_item {
	uint64_t	 off;		/* first original byte replaced */
	uint64_t	 len;		/* original bytes replaced, may be 0 */
	uint16_t	 text;		/* replacement: start in edit.text */
	uint16_t	 textlen;
};

struct edit {
	struct edit_item item[EDIT_MAX];	/* by offset, no overlap */
	uint16_t	 nitems;
	uint16_t	 used;
	char		 text[EDIT_TEXT];
};

/* A run of the edited body. */
struct edit_piece {
	const char	*text;	/* replacement bytes; NULL: original bytes */
	uint64_t	 off;	/* in the original, if text is NULL */
	uint64_t	 len;	/* never 0 */
};

struct edit_iter {
	const struct edit *edit;
	uint64_t	 total;
	uint64_t	 pos;		/* next original byte */
	uint16_t	 next;		/* next item */
};

void	 edit_init(struct edit *);
int	 edit_add(struct edit *, uint64_t, uint64_t, const char *, size_t);
uint64_t edit_size(const struct edit *, uint64_t);
void	 edit_begin(struct edit_iter *, const struct edit *, uint64_t);
int	 edit_next(struct edit_iter *, struct edit_piece *);

/* builders: from the facts of a body to the edits it needs */
int	 edit_model(struct edit *, const struct fact *, size_t);
int	 edit_usage(struct edit *, const struct fact *);

#endif
