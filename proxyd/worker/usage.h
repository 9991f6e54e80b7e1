/* SPDX-License-Identifier: ISC */

/*
 * What an answer cost, read while it passes: both dialects, JSON and event
 * stream, in bounded memory.  Bytes go to the client as they came; the one
 * exception is the usage chunk that we asked for and the client did not.
 * What is read here is the provider's word as this worker saw it: a claim.
 *
 *	usage_init(&u, shape, USAGE_SSE or USAGE_JSON, withhold, pass, arg);
 *	for each burst: if (usage_feed(&u, p, n) == -1) cut the stream
 *	usage_end(&u);	the upstream body ended (or broke off)
 *	usage_count(&u, bodylen, &count) gives numbers and grade;
 *	usage_clean(&u) tells a clean end of a stream from a cut one
 *	usage_free(&u);
 */

#ifndef PROXYD_WORKER_USAGE_H
#define PROXYD_WORKER_USAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/json/json.h"
#include "proxyd/worker/fact.h"
#include "proxyd/worker/sse.h"

#define USAGE_TYPE	48	/* event or error type, with its NUL */
#define USAGE_TOKEN	320	/* longest name or type that is read, raw */
#define USAGE_PATH	6	/* depth up to which keys are told apart */

enum usage_form {
	USAGE_JSON,
	USAGE_SSE
};

/* Evidence, weakest first. */
enum usage_grade {
	USAGE_ESTIMATED,	/* no usage seen: counted from bytes */
	USAGE_PARTIAL,		/* some, but not the provider's last word */
	USAGE_FINAL
};

struct usage_count {
	enum usage_grade grade;
	uint64_t	 in;		/* all input tokens, cached included */
	uint64_t	 in_cached;	/* of these read from a cache */
	uint64_t	 in_stored;	/* of these written to a cache */
	uint64_t	 out;		/* all output tokens */
	uint64_t	 out_hidden;	/* of these reasoning */
};

/* Holds pointers to itself, so it must not be moved. */
struct usage {
	/* readable at any time */
	uint8_t		 started;	/* keep-alives are allowed from here:
					 * Anthropic: from message_start */
	uint8_t		 terminated;	/* [DONE], message_stop, response.* */
	uint8_t		 error;		/* an error object or event passed */
	uint8_t		 malformed;	/* JSON that could not be read */
	uint32_t	 withheld;	/* chunks withheld */
	uint64_t	 events;	/* events with data */
	char		 error_type[USAGE_TYPE];

	/* private to usage.c */
	enum fact_shape	 shape;
	enum usage_form	 form;
	uint8_t		 withhold;
	uint8_t		 seen;		/* some usage was read */
	uint8_t		 final;		/* ... and it was the last word */
	uint8_t		 ended;
	/* of the open document: an event's data, or the JSON answer */
	uint8_t		 broken;	/* it cannot be read */
	uint8_t		 choices;	/* 1: an empty array, 2: a filled one */
	uint8_t		 has_usage;	/* it has a usage object */
	uint8_t		 has_error;
	uint8_t		 text_key;	/* last key names answer text */
	uint8_t		 done_match;	/* bytes of [DONE] that matched */
	uint8_t		 path[USAGE_PATH]; /* by depth: what the key means */
	char		 type[USAGE_TYPE]; /* its "type" */
	/* sums */
	uint64_t	 in, in_cached, in_stored, out, out_hidden;
	uint64_t	 text;		/* bytes of answer text: estimates */
	struct sse	 sse;
	struct json	 json;
	uint8_t		 room[USAGE_TOKEN];	/* of json */
	void		(*pass)(void *, const uint8_t *, size_t);
	void		*arg;
};

void	usage_init(struct usage *, enum fact_shape, enum usage_form, int,
	    void (*)(void *, const uint8_t *, size_t), void *);
int	usage_feed(struct usage *, const uint8_t *, size_t);
void	usage_end(struct usage *);
void	usage_free(struct usage *);
int	usage_clean(const struct usage *);
int	usage_between(const struct usage *);
void	usage_count(const struct usage *, uint64_t, struct usage_count *);

#endif
