/* SPDX-License-Identifier: ISC */

/*
 * What a request body says about itself, read in one pass while it arrives.
 * Only members that change what we do are looked at; all else passes.  A
 * body that two parsers could read in two ways is refused.
 *
 *	fact_init(&f, shape);
 *	for each piece: if (fact_feed(&f, p, n) == -1) 400 with f.error
 *	if (fact_end(&f) == -1) 400 with f.error
 */

#ifndef PROXYD_WORKER_FACT_H
#define PROXYD_WORKER_FACT_H

#include <stddef.h>
#include <stdint.h>

#include "common/json/json.h"

#define FACT_MODEL	256	/* bytes of a decoded model name */
#define FACT_SESSION	128	/* bytes of a session id */

/* Body of which route. */
enum fact_shape {
	FACT_CHAT,		/* /v1/chat/completions */
	FACT_COMPLETIONS,	/* /v1/completions */
	FACT_EMBEDDINGS,
	FACT_RESPONSES,
	FACT_MESSAGES,
	FACT_COUNT		/* /v1/messages/count_tokens */
};

/* Value of a member that may be absent. */
enum fact_bool {
	FACT_ABSENT,
	FACT_NULL,
	FACT_FALSE,
	FACT_TRUE,
	FACT_OBJECT
};

struct fact_span {
	uint64_t	 off;
	uint64_t	 len;
};

struct fact {
	/* results, valid after fact_end returned 0 */
	char		 model[FACT_MODEL + 1];	/* decoded, printable ASCII */
	uint16_t	 modellen;
	uint8_t		 model_escaped;		/* raw value holds escapes */
	struct fact_span model_span;		/* value with its quotes */
	uint8_t		 stream;		/* 1: "stream": true */
	enum fact_bool	 options;		/* stream_options */
	struct fact_span options_span;		/* whole value, {} included */
	uint8_t		 options_empty;		/* it has no member */
	enum fact_bool	 include_usage;
	struct fact_span include_span;		/* value of include_usage */
	uint64_t	 max_tokens;		/* largest of three; 0: none */
	uint64_t	 n;			/* 0: absent */
	char		 session[FACT_SESSION + 1]; /* "": none in the body */
	struct fact_span object;		/* top-level { ... } */
	uint8_t		 empty;			/* it has no member */
	uint8_t		 lone;			/* a lone surrogate somewhere */
	uint64_t	 total;			/* bytes of the body */

	/* one sentence for the client, never the body's own bytes */
	const char	*error;

	/* private to fact.c */
	enum fact_shape	 shape;
	uint32_t	 seen;			/* bit per known member */
	uint8_t		 member;		/* current top-level member */
	uint8_t		 inner;			/* current member inside it */
	char		 text[128];		/* what error may point at */
	struct json	 json;
	uint8_t		 room[JSON_TEXT];	/* of json */
};

void	fact_init(struct fact *, enum fact_shape);
int	fact_feed(struct fact *, const void *, size_t);
int	fact_end(struct fact *);

#endif
