/* SPDX-License-Identifier: ISC */

/*
 * Names and values of HTTP fields: character classes, and the two allow-lists
 * that decide which fields cross the gateway.  A field that no list names does
 * not cross.  Pure functions over byte ranges; nothing is allocated or kept.
 */

#ifndef COMMON_HTTP_FIELD_H
#define COMMON_HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest Retry-After that a client is asked to bear, seconds. */
#define FIELD_RETRY_MAX		60

/* Longest value that any list below lets pass, bytes. */
#define FIELD_VALUE_MAX		2048

/*
 * Request fields that reach the provider as the client wrote them.  Everything
 * else in an upstream head is generated.  The worker sends (index, value), the
 * egress looks the index up again and repeats the check.
 */
enum field_pass {
	FIELD_ANTHROPIC_VERSION,
	FIELD_ANTHROPIC_BETA,
	FIELD_OPENAI_BETA,
	FIELD_NPASS
};

/* What becomes of a field in a provider's answer. */
enum field_fate {
	FIELD_DROP,		/* not for the client */
	FIELD_KEEP		/* goes on, under the name that was returned */
};

/* RFC 9110 5.6.2: true for one byte of a token. */
bool	field_tchar(uint8_t);

/* True for 1*tchar. */
bool	field_is_token(const uint8_t *, size_t);

/*
 * RFC 9110 5.5: true if the bytes are a field value without folding: HTAB, SP,
 * VCHAR or obs-text, no blank at either end.  The empty value is one.
 */
bool	field_is_value(const uint8_t *, size_t);

/* Compares bytes with a lower-case name, ASCII case ignored. */
bool	field_equal(const uint8_t *, size_t, const char *);

/*
 * Takes the next element of a comma list (RFC 9110 5.6.1) from `v`, `n` bytes,
 * beginning at *pos, blanks trimmed, empty elements skipped.  Returns false at
 * the end of the list.
 */
bool	field_element(const uint8_t *v, size_t n, size_t *pos,
	    const uint8_t **element, size_t *len);

/*
 * Retry-After in whole seconds.  Returns 0 and the seconds if the value is
 * 1*DIGIT and at most FIELD_RETRY_MAX; else -1 (a date is refused as well).
 */
int	field_retry_after(const uint8_t *, size_t, unsigned int *);

/* Index of a request field that may pass, name in any case; else -1. */
int	field_pass(const uint8_t *name, size_t len);

/* Lower-case name of index `which`; NULL if there is no such index. */
const char *field_pass_name(unsigned int which);

/* True if `value` may be sent on as field `which`.  Bounded per field. */
bool	field_pass_ok(unsigned int which, const uint8_t *value, size_t len);

/*
 * Judges one field of a provider's answer.  FIELD_KEEP sets *as to the name
 * (static storage) under which the client gets it.  A field that the answer's
 * own Connection field names must be dropped by the caller (http1_named).
 */
enum field_fate field_answer(const uint8_t *name, size_t namelen,
	    const uint8_t *value, size_t len, const char **as);

#endif /* COMMON_HTTP_FIELD_H */
