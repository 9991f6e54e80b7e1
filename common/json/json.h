/* SPDX-License-Identifier: ISC */

/*
 * Strict JSON (RFC 8259) in one pass: a pull tokenizer over bytes that may
 * arrive in any number of pieces.  It allocates nothing, copies nothing but
 * a token that straddles two pieces, and says the same whatever the pieces
 * are.  It believes nobody: UTF-8 is validated, numbers follow the grammar,
 * nesting is bounded, nothing may follow the one value.  It builds no tree
 * and judges no content; that is its caller's work.
 *
 *	json_init(&j, room, sizeof(room));
 *	json_input(&j, p, n);
 *	while ((k = json_next(&j, &ev)) > JSON_MORE)
 *		... use ev, k == JSON_DONE cannot come before json_finish ...
 *	k == JSON_MORE: next json_input, or json_finish when there is no more
 *	k == JSON_BAD: json_error(&j), json_offset(&j)
 */

#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH	64	/* open objects and arrays */
#define JSON_TEXT	2048	/* most that json_init takes */

enum json_kind {
	JSON_BAD = -1,		/* sticky */
	JSON_MORE = 0,		/* input used up */
	JSON_DONE,		/* after json_finish: it was one value */
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL
};

#define JSON_ESCAPED	0x01	/* string or key holds a backslash escape */
#define JSON_LONE	0x02	/* ... an unpaired \uD800-\uDFFF */
#define JSON_NONASCII	0x04	/* ... raw bytes of 0x80 and above */
#define JSON_NUL	0x08	/* ... \u0000 */

struct json_event {
	enum json_kind	 kind;
	uint8_t		 flags;	/* JSON_ESCAPED... of strings and keys */
	uint8_t		 depth;	/* containers open around it: 0 = the value,
				 * END has the depth of its BEGIN */
	uint64_t	 off;	/* of its first byte, from the first input */
	uint64_t	 len;	/* of the token, quotes included */
	const uint8_t	*text;	/* its len raw bytes, quotes included; NULL if
				 * there are more than json_init was given
				 * room for; valid until the next call */
};

/* Private to json.c; needs no release. */
struct json {
	const uint8_t	*p;		/* next byte */
	const uint8_t	*end;
	const uint8_t	*start;		/* of the current piece */
	uint64_t	 base;		/* offset of start */
	uint64_t	 objects;	/* bit d: container d is an object */
	uint64_t	 tok;		/* offset of the open token */
	const char	*error;
	uint8_t		 state;
	uint8_t		 sub;		/* of a string, number or literal */
	uint8_t		 depth;
	uint8_t		 flags;
	uint8_t		 finished;
	uint8_t		 key;		/* the open string is a key */
	uint8_t		 lo, hi;	/* bounds of next UTF-8 byte */
	uint8_t		 left;		/* UTF-8 bytes or hex digits to come */
	uint8_t		 literal;	/* which of true false null */
	uint16_t	 unit;		/* \uXXXX so far */
	uint16_t	 high;		/* high surrogate that waits, or 0 */
	uint16_t	 ncarry, room;
	uint8_t		 overlong;	/* open token is over room */
	uint8_t		*carry;		/* the caller's, room bytes */
};

/*
 * room: size (at most JSON_TEXT) bytes that live as long as j.  The text of
 * tokens that are no longer is handed out, however the input is cut.
 */
void	 json_init(struct json *, uint8_t *room, size_t size);
void	 json_input(struct json *, const void *, size_t);
void	 json_finish(struct json *);
enum json_kind
	 json_next(struct json *, struct json_event *);
const char
	*json_error(const struct json *);
uint64_t json_offset(const struct json *);

ssize_t	 json_decode(const struct json_event *, char *, size_t);
int	 json_equal(const struct json_event *, const char *);
int	 json_u64(const struct json_event *, uint64_t *);

/* unescape.c */
ssize_t	 unescape_string(const uint8_t *, size_t, char *, size_t);

#endif
