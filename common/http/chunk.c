/* SPDX-License-Identifier: ISC */

/*
 * Chunked bodies, RFC 9112 7.1.  Holds counters only.  Believes nobody.  Must
 * never give out a byte that is not data, nor end at a place where another
 * reader would go on.
 */

#include <string.h>

#include "common/http/field.h"
#include "common/http/http1.h"

/* RATIO: framing bytes that one data byte pays for; see chunk_read. */
#define REQUEST_RATIO	1
#define RESPONSE_RATIO	6

enum state {
	SIZE,			/* hexadecimal digits */
	EXT_NAME,		/* at least one byte of a name must follow */
	EXT_NAME_MORE,
	EXT_VALUE,		/* token or quoted string must follow */
	EXT_VALUE_MORE,
	EXT_QUOTED,
	EXT_QUOTED_PAIR,
	EXT_QUOTED_END,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,		/* beginning of a line after the last chunk */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	ENDED,
	REJECTED
};

void
chunk_init(struct chunk *c, enum chunk_side side, unsigned int maxdigits,
    uint64_t limit)
{
	memset(c, 0, sizeof(*c));
	c->side = (uint8_t)side;
	c->maxdigits = (uint8_t)(maxdigits < 16 ? maxdigits : 16);
	c->limit = limit;
	c->state = SIZE;
}

/* Returns the state that follows, so that callers can return it. */
static uint8_t
reject(struct chunk *c, uint16_t status, const char *reason)
{
	c->status = c->side == CHUNK_RESPONSE ? 502 : status;
	c->reason = reason;
	return REJECTED;
}

static int
hex(uint8_t b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 0x20;
	if (b >= 'a' && b <= 'f')
		return b - 'a' + 10;
	return -1;
}

/* The value cannot overflow: 16 digits are 64 bits. */
static uint8_t
in_size(struct chunk *c, uint8_t b)
{
	int	 d;

	d = hex(b);
	if (d >= 0) {
		if (c->digits == c->maxdigits)
			return reject(c, 400, "A chunk size is too long.");
		c->digits++;
		c->left = c->left << 4 | (uint64_t)d;
		return SIZE;
	}
	if (c->digits == 0 || (b != ';' && b != '\r'))
		return reject(c, 400, "A chunk size is malformed.");
	if (c->left > c->limit - c->data)
		return reject(c, 413, "The body is larger than allowed.");
	if (b == '\r')
		return SIZE_LF;
	if (++c->ext > CHUNK_EXT_MAX)
		return reject(c, 400, "Chunk extensions are too long.");
	return EXT_NAME;
}

/* Bytes of a quoted string, RFC 9110 5.6.4. */
static bool
is_quotable(uint8_t b)
{
	return b == '\t' || (b >= ' ' && b != 0x7f);
}

static uint8_t
in_quoted(struct chunk *c, uint8_t b)
{
	if (!is_quotable(b))
		return reject(c, 400, "A chunk extension is malformed.");
	if (c->state == EXT_QUOTED_PAIR)
		return EXT_QUOTED;
	if (b == '"')
		return EXT_QUOTED_END;
	return b == '\\' ? EXT_QUOTED_PAIR : EXT_QUOTED;
}

/* *( ";" token [ "=" ( token / quoted-string ) ] ) up to CR. */
static uint8_t
in_ext(struct chunk *c, uint8_t b)
{
	if (b != '\r' && ++c->ext > CHUNK_EXT_MAX)
		return reject(c, 400, "Chunk extensions are too long.");
	if (c->state == EXT_QUOTED || c->state == EXT_QUOTED_PAIR)
		return in_quoted(c, b);
	if (c->state != EXT_QUOTED_END && field_tchar(b))
		return c->state == EXT_NAME || c->state == EXT_NAME_MORE ?
		    EXT_NAME_MORE : EXT_VALUE_MORE;
	if (c->state == EXT_VALUE && b == '"')
		return EXT_QUOTED;
	if (c->state == EXT_NAME_MORE && b == '=')
		return EXT_VALUE;
	if (c->state == EXT_NAME || c->state == EXT_VALUE)
		return reject(c, 400, "A chunk extension is malformed.");
	if (b == ';')
		return EXT_NAME;
	if (b == '\r')
		return SIZE_LF;
	return reject(c, 400, "A chunk extension is malformed.");
}

/* A line after the last chunk: CR ends the body, a field is a trailer. */
static uint8_t
in_trailer(struct chunk *c, uint8_t b)
{
	if (c->state == TRAILER && b == '\r')
		return LAST_LF;
	if (c->side == CHUNK_REQUEST)
		return reject(c, 400, "Trailers are not accepted.");
	if (++c->trailer > CHUNK_TRAILER_MAX)
		return reject(c, 400, "Trailers are too long.");
	if (c->state == TRAILER_VALUE) {
		if (b == '\r')
			return TRAILER_LF;
		if (is_quotable(b))
			return TRAILER_VALUE;
	} else {
		if (field_tchar(b))
			return TRAILER_NAME;
		if (c->state == TRAILER_NAME && b == ':')
			return TRAILER_VALUE;
	}
	return reject(c, 400, "A trailer is malformed.");
}

/* CR after data, and every LF. */
static uint8_t
in_crlf(struct chunk *c, uint8_t b)
{
	if (b != (c->state == DATA_CR ? '\r' : '\n'))
		return reject(c, 400, c->state == DATA_CR ?
		    "A chunk is longer than its size." :
		    "A line does not end in CR LF.");
	switch (c->state) {
	case DATA_CR:
		return DATA_LF;
	case DATA_LF:
		c->digits = 0;
		return SIZE;
	case SIZE_LF:
		return c->left == 0 ? TRAILER : DATA;
	case TRAILER_LF:
		return TRAILER;
	default:
		return ENDED;
	}
}

/* One byte of framing. */
static void
step(struct chunk *c, uint8_t b)
{
	uint64_t	 ratio;

	ratio = c->side == CHUNK_REQUEST ? REQUEST_RATIO : RESPONSE_RATIO;
	if (++c->framing > CHUNK_SLACK &&
	    (c->framing - CHUNK_SLACK) / ratio > c->data) {
		c->state = reject(c, 400, "The body consists mostly of chunk "
		    "framing.");
		return;
	}
	switch (c->state) {
	case SIZE:
		c->state = in_size(c, b);
		break;
	case EXT_NAME:
	case EXT_NAME_MORE:
	case EXT_VALUE:
	case EXT_VALUE_MORE:
	case EXT_QUOTED:
	case EXT_QUOTED_PAIR:
	case EXT_QUOTED_END:
		c->state = in_ext(c, b);
		break;
	case TRAILER:
	case TRAILER_NAME:
	case TRAILER_VALUE:
		c->state = in_trailer(c, b);
		break;
	default:
		c->state = in_crlf(c, b);
	}
}

enum chunk_verdict
chunk_read(struct chunk *c, const uint8_t *in, size_t inlen, size_t *consumed,
    const uint8_t **data, size_t *datalen)
{
	size_t	 i, n;

	*data = NULL;
	*datalen = 0;
	i = 0;
	while (i < inlen && c->state < ENDED) {
		if (c->state != DATA) {
			step(c, in[i++]);
			continue;
		}
		n = inlen - i;
		if (n > c->left)
			n = (size_t)c->left;
		*data = in + i;
		*datalen = n;
		*consumed = i + n;
		c->data += n;
		c->left -= n;
		if (c->left == 0)
			c->state = DATA_CR;
		return CHUNK_DATA;
	}
	*consumed = i;
	if (c->state == REJECTED)
		return CHUNK_REJECT;
	return c->state == ENDED ? CHUNK_END : CHUNK_MORE;
}

size_t
chunk_head(char out[CHUNK_HEAD_MAX], size_t n)
{
	static const char	 digits[] = "0123456789abcdef";
	size_t			 len, i, rest;

	if (n == 0)
		return 0;
	len = 0;
	for (rest = n; rest != 0; rest >>= 4)
		len++;
	for (i = len, rest = n; i > 0; rest >>= 4)
		out[--i] = digits[rest & 15];
	out[len] = '\r';
	out[len + 1] = '\n';
	return len + 2;
}
