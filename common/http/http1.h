/* SPDX-License-Identifier: ISC */

/*
 * Strict HTTP/1.1: heads of requests (worker) and of answers (egress), and
 * chunked bodies both ways.  RFC 9110, RFC 9112.
 *
 * Pure functions over a byte range: no allocation, no I/O, no callback.  Input
 * may end anywhere; the verdict depends on the bytes alone, never on where a
 * read happened to split them.  A rejected message is answered and its
 * connection closed; nobody looks for the next message after an error.
 */

#ifndef COMMON_HTTP_HTTP1_H
#define COMMON_HTTP_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP1_MAXFIELDS		100
#define HTTP1_HEAD_MAX		32768	/* bytes of a request's head */
#define HTTP1_LINE_MAX		8192	/* bytes of one of its lines */
#define HTTP1_TARGET_MAX	2048	/* bytes of its target */
#define HTTP1_ANSWER_HEAD_MAX	65536	/* an answer's head and line: some */
#define HTTP1_ANSWER_LINE_MAX	16384	/* CDNs add long policy fields */
#define HTTP1_BODY_MAX		(UINT64_C(32) << 20)

enum http1_verdict {
	HTTP1_MORE,		/* head is good so far and not complete */
	HTTP1_DONE,		/* complete; head_len bytes belong to it */
	HTTP1_REJECT		/* see reject; answer, close */
};

enum http1_method {
	HTTP1_GET,
	HTTP1_HEAD,
	HTTP1_POST,
	HTTP1_PUT,
	HTTP1_PATCH,
	HTTP1_DELETE,
	HTTP1_OPTIONS
};

/*
 * WEBSOCKET: caller answers 426 on a known path, else 501.  H2C: ignored, the
 * request is served in HTTP/1.1.  OTHER: caller answers 501.
 */
enum http1_upgrade {
	HTTP1_UPGRADE_NONE,
	HTTP1_UPGRADE_H2C,
	HTTP1_UPGRADE_WEBSOCKET,
	HTTP1_UPGRADE_OTHER
};

/* How the end of the body is found. */
enum http1_body {
	HTTP1_BODY_NONE,
	HTTP1_BODY_LENGTH,	/* content_length bytes, at least 1 */
	HTTP1_BODY_CHUNKED,
	HTTP1_BODY_CLOSE	/* answers only: until the peer closes */
};

struct http1_limits {
	uint32_t	 head;		/* bytes, all lines with their CRLF */
	uint32_t	 line;		/* bytes of one line, without CRLF */
	uint32_t	 target;	/* bytes */
	uint32_t	 fields;	/* at most HTTP1_MAXFIELDS */
	uint64_t	 body;		/* greatest content-length */
};

extern const struct http1_limits http1_request_limits;
extern const struct http1_limits http1_response_limits;

/* Offsets into the buffer that was parsed; the value is without blanks. */
struct http1_field {
	uint32_t	 name_off;
	uint32_t	 name_len;
	uint32_t	 value_off;
	uint32_t	 value_len;
};

struct http1_head {
	/* request line */
	enum http1_method	 method;
	uint32_t		 method_len;	/* it begins at offset 0 */
	uint32_t		 target_off;	/* begins with '/' */
	uint32_t		 target_len;
	/* status line */
	uint16_t		 status;	/* 100 to 599, never 101 */
	uint32_t		 phrase_off;
	uint32_t		 phrase_len;
	/* both */
	uint8_t			 minor;		/* HTTP/1.minor: 0 or 1 */
	struct http1_field	 fields[HTTP1_MAXFIELDS];
	uint32_t		 nfields;
	uint32_t		 head_len;	/* set with HTTP1_DONE */
	enum http1_body		 body;		/* set with HTTP1_DONE */
	int64_t			 content_length; /* as declared; -1 none */
	bool			 chunked;
	bool			 keep_alive;
	bool			 encoded;	/* answer: content-encoding is
						   not identity */
	bool			 expect_continue; /* and there is a body */
	enum http1_upgrade	 upgrade;
	struct {
		uint16_t	 status;	/* answers: always 502 */
		const char	*reason;	/* one human sentence, static */
	} reject;
	/* progress, private to http1.c */
	uint32_t		 scan;		/* next byte to look at */
	uint32_t		 line;		/* where its line began */
	uint32_t		 seen;		/* rules that were applied */
	uint8_t			 phase;
	bool			 answer;	/* response side */
	bool			 cr;		/* the last byte was CR */
	bool			 close;		/* Connection: close */
	bool			 persist;	/* Connection: keep-alive */
};

/* Must precede the first call for each message. */
void	http1_init(struct http1_head *);

/*
 * Parses a request's head from the `len` bytes that have arrived so far; `buf`
 * begins with the first byte of the request, may have moved since the last
 * call, and may hold more than the head.  Call again with more bytes after
 * HTTP1_MORE; bytes that were looked at are not looked at again.  Returns an
 * enum http1_verdict.
 *
 * Refused here: everything of the head that has two readings, or none.  Left
 * to the caller: routes, permissions, body caps per route, the answer to an
 * upgrade.
 */
int	http1_request(const uint8_t *buf, size_t len,
	    const struct http1_limits *, struct http1_head *);

/*
 * The same for a provider's answer.  `head_request`: the request was HEAD, so
 * no body follows.  A 1xx answer is returned like any other, with its status
 * and without body; the caller counts it, drops head_len bytes, calls
 * http1_init and goes on.  101 is refused.
 */
int	http1_response(const uint8_t *buf, size_t len,
	    const struct http1_limits *, struct http1_head *,
	    bool head_request);

/* First field of that name, NULL if there is none.  Case is ignored. */
const struct http1_field *http1_find(const struct http1_head *,
	    const uint8_t *buf, const char *lowercase_name);

/* The next field of the same name after `f`; NULL if it was the last. */
const struct http1_field *http1_find_next(const struct http1_head *,
	    const uint8_t *buf, const struct http1_field *f,
	    const char *lowercase_name);

/* True if a Connection field names `lowercase_name`: hop-by-hop, not sent on */
bool	http1_named(const struct http1_head *, const uint8_t *buf,
	    const char *lowercase_name);

/* Lower-cases all field names of a complete head in its buffer. */
void	http1_lower(const struct http1_head *, uint8_t *buf);

/* chunk.c */

#define CHUNK_EXT_MAX		256	/* bytes of extensions in a message */
#define CHUNK_TRAILER_MAX	8192	/* bytes of trailers in an answer */
#define CHUNK_SLACK		65536	/* framing bytes that are always fine */
#define CHUNK_REQUEST_DIGITS	8	/* of a size; enough for 32 MiB */
#define CHUNK_RESPONSE_DIGITS	16
#define CHUNK_HEAD_MAX		20	/* room that chunk_head needs */
#define CHUNK_LAST		"0\r\n\r\n"

enum chunk_verdict {
	CHUNK_DATA,		/* data, datalen: bytes of the body */
	CHUNK_MORE,		/* all input consumed, the body goes on */
	CHUNK_END,		/* the body is complete */
	CHUNK_REJECT		/* see status and reason; close */
};

enum chunk_side {
	CHUNK_REQUEST,		/* trailers refused */
	CHUNK_RESPONSE		/* trailers parsed, bounded, dropped */
};

/* Decoder of one body.  Members but status, reason and data are private. */
struct chunk {
	uint64_t	 left;		/* of this chunk's data; its size */
	uint64_t	 data;		/* body bytes given out so far */
	uint64_t	 framing;	/* all other bytes so far */
	uint64_t	 limit;		/* greatest body */
	uint32_t	 ext;		/* bytes of extensions */
	uint32_t	 trailer;	/* bytes of trailers */
	uint8_t		 state;
	uint8_t		 side;
	uint8_t		 digits;	/* of the size being read */
	uint8_t		 maxdigits;
	uint16_t	 status;	/* request: 400 or 413; answer: 502 */
	const char	*reason;	/* one human sentence, static */
};

/* `maxdigits` 1 to 16, `limit` the greatest body in bytes. */
void	chunk_init(struct chunk *, enum chunk_side, unsigned int maxdigits,
	    uint64_t limit);

/*
 * Reads on in a chunked body (RFC 9112 7.1), at most up to the end of one run
 * of data, and sets *consumed.  CHUNK_DATA: *data points into `in`; call again
 * with the rest.  After CHUNK_END what follows `consumed` is the next message.
 * After CHUNK_END or CHUNK_REJECT every further call returns the same and
 * consumes nothing.
 *
 * Extensions are parsed without the optional blanks and dropped.  Framing
 * bytes may not exceed CHUNK_SLACK plus the data (request), or plus six times
 * the data (answer: providers do stream chunks of one byte, which cost five).
 */
enum chunk_verdict chunk_read(struct chunk *, const uint8_t *in, size_t inlen,
	    size_t *consumed, const uint8_t **data, size_t *datalen);

/*
 * Writes the line that precedes `n` bytes of data, without NUL, and returns
 * its length; the data and "\r\n" follow.  Returns 0 for n = 0, since an empty
 * chunk would end the body: CHUNK_LAST says that on purpose.
 */
size_t	chunk_head(char out[CHUNK_HEAD_MAX], size_t n);

#endif /* COMMON_HTTP_HTTP1_H */
