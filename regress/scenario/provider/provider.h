/* SPDX-License-Identifier: ISC */

/*
 * A provider of both dialects for tests: loopback only, one process, one
 * poll loop, honest by default and hostile on request (mode.c).  It writes
 * down what it received, on its own clock, so that tests need not believe
 * the gateway.  Not a part of the product.
 */

#ifndef PROVIDER_H
#define PROVIDER_H

#include <sys/types.h>

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/sha256.h"

struct tls;

#define MAX_HEAD	(64 * 1024)
#define MAX_BODY	(34U * 1024 * 1024)

/* --- buf.c: a growing byte string; out of memory ends the process */
struct buf {
	char	*p;
	size_t	 n;
	size_t	 cap;
};

void	buf_add(struct buf *, const void *, size_t);
void	buf_str(struct buf *, const char *);
void	buf_fmt(struct buf *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
void	buf_json(struct buf *, const char *, size_t);
void	buf_drop(struct buf *, size_t);
void	buf_free(struct buf *);

/* --- ask.c: what the request wants */
enum route {
	R_CHAT,
	R_COMPLETIONS,
	R_EMBEDDINGS,
	R_RESPONSES,
	R_MESSAGES,
	R_COUNT,
	R_MODELS,
	R_OTHER
};

struct ask {
	enum route	 route;
	char		 model[320];
	char		 tool[128];	/* first declared tool */
	int		 stream;
	int		 include_usage;
	int		 base64;
	int		 tool_result;	/* last message brings one */
	unsigned	 ninput;	/* embeddings asked for */
	struct buf	 text;		/* last user text, decoded */
	int		 bad;		/* body is no JSON object */
};

enum route
	ask_route(const char *);
void	ask_read(struct ask *, const char *, size_t);
void	ask_free(struct ask *);

/* --- plan.c: bytes and acts, one after the other */
enum act {
	ACT_NONE,
	ACT_CLOSE,	/* orderly */
	ACT_RESET,	/* RST */
	ACT_HANG	/* nothing more, until the peer goes */
};

struct step {
	unsigned	 delay;	/* ms after the step before */
	enum act	 act;	/* after the bytes */
	struct buf	 out;
};

struct plan {
	struct step	*s;
	size_t		 n;
};

struct step
	*plan_step(struct plan *, unsigned);
void	plan_act(struct plan *, unsigned, enum act);
void	plan_free(struct plan *);

/* --- answer.c: an honest answer */
struct reply {
	int		 status;
	int		 stream;
	const char	*type;		/* content type */
	struct buf	 head;		/* further fields, each with CRLF */
	struct buf	*item;		/* body, or the events of a stream */
	size_t		 nitem;
	unsigned	 interval;	/* ms between events */
	int		 close;
};

struct call {
	struct ask	*ask;
	const char	*key;		/* credential as received */
	size_t		 bodylen;
	unsigned	 number;	/* of all calls */
	struct reply	 reply;
	struct plan	*plan;
	unsigned	 a, b;		/* numbers of the mode */
	/* what modes ask of answer.c */
	const char	*text;		/* say this instead */
	unsigned	 ndeltas;	/* cut the text in so many */
	int		 whole;		/* one delta */
	int		 nousage;
	int		 errevent;	/* error event in mid-stream */
};

extern const char *tool_name, *tool_args;

struct buf
	*answer_item(struct call *);
void	 answer_say(const struct call *, struct buf *);
int	 answer_wants_tool(const struct call *);
const char
	*answer_tool(const struct call *);
void	 answer_arguments(struct buf *);
size_t	 answer_tokens_in(const struct call *);
size_t	 answer_tokens_out(const struct call *);
void	 answer_model(struct call *, struct buf *);
size_t	 answer_delta(const struct call *, const char *, size_t, size_t);
void	answer_make(struct call *);
void	answer_error(struct call *, int, const char *, const char *);
void	answer_head(struct call *, struct buf *, int, size_t);
void	answer_plan(struct call *);
void	answer_free(struct reply *);

/* --- events.c */
void	messages_json(struct call *);
void	messages_stream(struct call *);
void	responses_json(struct call *);
void	responses_stream(struct call *);

/* --- mode.c: dishonest ones */
void	mode_plan(struct call *);
int	mode_early(const char *, size_t);

/* --- conn.c */
struct conn;

struct conn
	*conn_new(int, struct tls *);
void	conn_free(struct conn *);
int	conn_fd(const struct conn *);
short	conn_want(const struct conn *);
int	conn_turn(struct conn *, short, uint64_t);
uint64_t conn_due(const struct conn *);

/* --- main.c */
int	key_allowed(const char *);
uint64_t now_ns(void);
void	log_line(struct buf *);

#endif
