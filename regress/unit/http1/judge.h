/* SPDX-License-Identifier: ISC */

/*
 * Judges a run of messages as a connection would: head, body, next head.
 * For tests against foreign vectors, most of which lack a Host field: one is
 * put in where its absence is all that is wrong.
 */

#ifndef REGRESS_UNIT_HTTP1_JUDGE_H
#define REGRESS_UNIT_HTTP1_JUDGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http1.h"

#define JUDGE_MAX	65536

enum judge_verdict { JUDGE_GOOD, JUDGE_SHORT, JUDGE_BAD };

struct judge {
	char		 b[JUDGE_MAX];
	size_t		 len;
	bool		 answer;
	const char	*reason;	/* with JUDGE_BAD */
	int		 status;
};

static inline void
judge_add(struct judge *j, const char *p, size_t n)
{
	if (n > sizeof(j->b) / 2 - j->len)
		abort();
	memcpy(j->b + j->len, p, n);
	j->len += n;
}

/* Puts a Host field behind the first line at `at`. */
static inline void
judge_host(struct judge *j, size_t at)
{
	static const char	 host[] = "Host: a\r\n";
	char			*nl;
	size_t			 n;

	nl = memchr(j->b + at, '\n', j->len - at);
	if (nl == NULL || j->len + sizeof(host) > sizeof(j->b))
		abort();
	n = (size_t)(nl + 1 - j->b);
	memmove(j->b + n + sizeof(host) - 1, j->b + n, j->len - n);
	memcpy(j->b + n, host, sizeof(host) - 1);
	j->len += sizeof(host) - 1;
}

/* The body at *at; moves *at behind it. */
static inline enum judge_verdict
judge_body(struct judge *j, const struct http1_head *h, size_t *at)
{
	const uint8_t		*data;
	struct chunk		 c;
	enum chunk_verdict	 v;
	size_t			 used, n;

	switch (h->body) {
	case HTTP1_BODY_LENGTH:
		if ((uint64_t)h->content_length > j->len - *at)
			return JUDGE_SHORT;
		*at += (size_t)h->content_length;
		return JUDGE_GOOD;
	case HTTP1_BODY_CLOSE:
		*at = j->len;
		return JUDGE_GOOD;
	case HTTP1_BODY_CHUNKED:
		chunk_init(&c, j->answer ? CHUNK_RESPONSE : CHUNK_REQUEST,
		    j->answer ? CHUNK_RESPONSE_DIGITS : CHUNK_REQUEST_DIGITS,
		    HTTP1_BODY_MAX);
		do {
			v = chunk_read(&c, (const uint8_t *)j->b + *at,
			    j->len - *at, &used, &data, &n);
			*at += used;
		} while (v == CHUNK_DATA);
		j->reason = c.reason;
		j->status = c.status;
		return v == CHUNK_END ? JUDGE_GOOD :
		    v == CHUNK_MORE ? JUDGE_SHORT : JUDGE_BAD;
	default:
		return JUDGE_GOOD;
	}
}

static inline enum judge_verdict
judge(struct judge *j)
{
	static struct http1_head	 h;
	enum judge_verdict		 r;
	const uint8_t			*p;
	size_t				 at;
	int				 v;

	at = 0;
	while (at < j->len) {
		http1_init(&h);
		p = (const uint8_t *)j->b + at;
		v = j->answer ? http1_response(p, j->len - at,
		    &http1_response_limits, &h, false) :
		    http1_request(p, j->len - at, &http1_request_limits, &h);
		if (v == HTTP1_MORE)
			return JUDGE_SHORT;
		if (v == HTTP1_REJECT && strcmp(h.reject.reason,
		    "The Host field is missing.") == 0) {
			judge_host(j, at);
			continue;
		}
		j->reason = h.reject.reason;
		j->status = h.reject.status;
		if (v == HTTP1_REJECT)
			return JUDGE_BAD;
		at += h.head_len;
		r = judge_body(j, &h, &at);
		if (r != JUDGE_GOOD)
			return r;
		if (!h.keep_alive && at < j->len) {
			j->reason = "Data follows the last message.";
			return JUDGE_BAD;
		}
	}
	return JUDGE_GOOD;
}

/* Reads a file of the public test data; NULL if there is none. */
static inline char *
judge_file(const char *name)
{
	char	 path[1024], *text;
	FILE	*f;
	long	 size;
	int	 n;

	n = snprintf(path, sizeof(path), "%s/%s",
	    getenv("TESTDATA") != NULL ? getenv("TESTDATA") :
	    "../shared/testdata", name);
	if (n < 0 || (size_t)n >= sizeof(path))
		abort();
	f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0)
		abort();
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	if (text == NULL || fread(text, 1, (size_t)size, f) != (size_t)size)
		abort();
	fclose(f);
	return text;
}

#endif /* REGRESS_UNIT_HTTP1_JUDGE_H */
