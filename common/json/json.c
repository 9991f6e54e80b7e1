/* SPDX-License-Identifier: ISC */

/*
 * The tokenizer of json.h.  Two layers: structure() between tokens, and one
 * function a token kind that can stop and go on at any byte.  Whatever ends
 * a piece is remembered in struct json, so the pieces do not matter.
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/json/json.h"

enum {				/* json.state */
	S_VALUE,		/* a value must come */
	S_FIRST,		/* a value or ] */
	S_KEY,			/* a key must come */
	S_KEY_FIRST,		/* a key or } */
	S_COLON,
	S_AFTER,		/* , or the end of the container */
	S_END,			/* the one value is complete */
	S_BAD,
	S_STRING,		/* inside a token from here on */
	S_NUMBER,
	S_LITERAL
};

enum {				/* json.sub of S_STRING */
	STR_RUN,
	STR_UTF8,
	STR_ESC,
	STR_HEX
};

enum {				/* json.sub of S_NUMBER */
	N_MINUS,
	N_ZERO,
	N_INT,
	N_DOT,
	N_FRAC,
	N_E,
	N_SIGN,
	N_EXP,
	N_STOP			/* this byte is not the number's any more */
};

#define AGAIN	100		/* internal: go round once more */

#define ONES	0x0101010101010101ULL
#define TOPS	0x8080808080808080ULL

static const struct {
	const char	*word;
	enum json_kind	 kind;
} literals[] = {
	{ "true",	JSON_TRUE },
	{ "false",	JSON_FALSE },
	{ "null",	JSON_NULL }
};

/* Starts at offset 0; the struct may be on the stack, nothing to free. */
void
json_init(struct json *j, uint8_t *room, size_t size)
{
	memset(j, 0, sizeof(*j));
	j->carry = room;
	j->room = (uint16_t)size;
	j->state = S_VALUE;
}

/*
 * The next n bytes; they must stay where they are until json_next returned
 * JSON_MORE (or BAD).  Not to be called before.
 */
void
json_input(struct json *j, const void *p, size_t n)
{
	if (n == 0)
		return;
	j->base += (uint64_t)(j->end - j->start);
	j->start = j->p = p;
	j->end = j->start + n;
}

/* No more input: json_next then says DONE or BAD. */
void
json_finish(struct json *j)
{
	j->finished = 1;
}

/* Why JSON_BAD, a few words without any byte of the input; else NULL. */
const char *
json_error(const struct json *j)
{
	return j->error;
}

/* Bytes read so far; after JSON_BAD: where the wrong byte stands. */
uint64_t
json_offset(const struct json *j)
{
	return j->base + (uint64_t)(j->p - j->start);
}

static int
bad(struct json *j, const char *why)
{
	if (j->state != S_BAD) {
		j->error = why;
		j->state = S_BAD;
	}
	return JSON_BAD;
}

/* Keeps what this piece holds of the open token. */
static void
carry(struct json *j)
{
	const uint8_t *from;
	size_t n;

	from = j->start;
	if (j->tok > j->base)
		from += j->tok - j->base;
	n = (size_t)(j->p - from);
	if (j->overlong || n > (size_t)(j->room - j->ncarry)) {
		j->overlong = 1;
		return;
	}
	if (n > 0)
		memcpy(j->carry + j->ncarry, from, n);
	j->ncarry += (uint16_t)n;
}

/* The piece is used up. */
static int
more(struct json *j)
{
	if (j->finished) {
		if (j->state == S_END)
			return JSON_DONE;
		return bad(j, "it ends too early");
	}
	if (j->state > S_BAD)
		carry(j);
	j->base += (uint64_t)(j->end - j->start);
	j->start = j->end = j->p = NULL;
	return JSON_MORE;
}

static int
token_begin(struct json *j, int state, int sub)
{
	j->tok = json_offset(j);
	j->ncarry = 0;
	j->overlong = 0;
	j->flags = 0;
	j->high = 0;
	j->state = (uint8_t)state;
	j->sub = (uint8_t)sub;
	return AGAIN;
}

/* A value is complete: what may follow. */
static void
value_end(struct json *j)
{
	j->state = j->depth == 0 ? S_END : S_AFTER;
}

static int
token_end(struct json *j, struct json_event *ev, enum json_kind kind)
{
	ev->kind = kind;
	ev->flags = j->flags;
	ev->depth = j->depth;
	ev->off = j->tok;
	ev->len = json_offset(j) - j->tok;
	if (j->tok >= j->base)
		ev->text = j->start + (j->tok - j->base);
	else {
		carry(j);
		ev->text = j->carry;
	}
	if (ev->len > j->room)
		ev->text = NULL;
	if (kind == JSON_KEY)
		j->state = S_COLON;
	else
		value_end(j);
	return kind;
}

static int
container(struct json *j, struct json_event *ev, enum json_kind kind)
{
	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->off = json_offset(j);
	ev->len = 1;
	ev->text = j->p;
	j->p++;
	if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
		if (j->depth == JSON_DEPTH)
			return bad(j, "it is nested too deeply");
		ev->depth = j->depth;
		j->objects &= ~(1ULL << j->depth);
		if (kind == JSON_OBJECT)
			j->objects |= 1ULL << j->depth;
		j->depth++;
		j->state = kind == JSON_OBJECT ? S_KEY_FIRST : S_FIRST;
	} else {
		ev->depth = --j->depth;
		value_end(j);
	}
	return kind;
}

static int
value_begin(struct json *j, struct json_event *ev, int c)
{
	size_t i;

	if (c == '"') {
		j->key = 0;
		token_begin(j, S_STRING, STR_RUN);
		j->p++;
		return AGAIN;
	}
	if (c == '{')
		return container(j, ev, JSON_OBJECT);
	if (c == '[')
		return container(j, ev, JSON_ARRAY);
	if (c == '-' || (c >= '0' && c <= '9')) {
		token_begin(j, S_NUMBER,
		    c == '-' ? N_MINUS : c == '0' ? N_ZERO : N_INT);
		j->p++;
		return AGAIN;
	}
	for (i = 0; i < sizeof(literals) / sizeof(literals[0]); i++)
		if (c == literals[i].word[0]) {
			j->literal = (uint8_t)i;
			token_begin(j, S_LITERAL, 1);
			j->p++;
			return AGAIN;
		}
	return bad(j, "a value is expected");
}

static int
after_value(struct json *j, struct json_event *ev, int c)
{
	int object;

	object = (j->objects >> (j->depth - 1) & 1) != 0;
	if (c == ',') {
		j->p++;
		j->state = object ? S_KEY : S_VALUE;
		return AGAIN;
	}
	if (c == (object ? '}' : ']'))
		return container(j, ev,
		    object ? JSON_OBJECT_END : JSON_ARRAY_END);
	return bad(j, "a comma or the end of a container is expected");
}

/* One step between tokens. */
static int
structure(struct json *j, struct json_event *ev)
{
	int c;

	while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' ||
	    *j->p == '\r' || *j->p == '\t'))
		j->p++;
	if (j->p == j->end)
		return more(j);
	c = *j->p;
	switch (j->state) {
	case S_COLON:
		if (c != ':')
			return bad(j, "a colon is expected");
		j->p++;
		j->state = S_VALUE;
		return AGAIN;
	case S_AFTER:
		return after_value(j, ev, c);
	case S_KEY_FIRST:
		if (c == '}')
			return container(j, ev, JSON_OBJECT_END);
		/* FALLTHROUGH */
	case S_KEY:
		if (c != '"')
			return bad(j, "a member name is expected");
		j->key = 1;
		token_begin(j, S_STRING, STR_RUN);
		j->p++;
		return AGAIN;
	case S_FIRST:
		if (c == ']')
			return container(j, ev, JSON_ARRAY_END);
		/* FALLTHROUGH */
	case S_VALUE:
		return value_begin(j, ev, c);
	default:
		return bad(j, "something follows the value");
	}
}

/* First byte at or after p that is not plain: quote, backslash, < 20, >= 80. */
static const uint8_t *
plain(const uint8_t *p, const uint8_t *end)
{
	uint64_t q, s, w;

	while (end - p >= 8) {
		memcpy(&w, p, sizeof(w));
		q = w ^ ONES * '"';
		s = w ^ ONES * '\\';
		/* a false hit in a higher byte only ends the fast part */
		if ((((q - ONES) & ~q) | ((s - ONES) & ~s) |
		    (w - ONES * 0x20) | w) & TOPS)
			break;
		p += 8;
	}
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* First byte of a multi-byte sequence: what must follow (RFC 3629). */
static int
utf8_lead(struct json *j, int c)
{
	j->lo = 0x80;
	j->hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf)
		j->left = 1;
	else if (c >= 0xe0 && c <= 0xef)
		j->left = 2;
	else if (c >= 0xf0 && c <= 0xf4)
		j->left = 3;
	else
		return -1;
	if (c == 0xe0)
		j->lo = 0xa0;
	else if (c == 0xed)
		j->hi = 0x9f;
	else if (c == 0xf0)
		j->lo = 0x90;
	else if (c == 0xf4)
		j->hi = 0x8f;
	j->flags |= JSON_NONASCII;
	j->sub = STR_UTF8;
	return 0;
}

/* A byte that is no escape ends the wait for the second half of a pair. */
static void
no_pair(struct json *j)
{
	if (j->high != 0) {
		j->flags |= JSON_LONE;
		j->high = 0;
	}
}

/* A \uXXXX is complete. */
static void
unit_end(struct json *j)
{
	if (j->unit >= 0xdc00 && j->unit < 0xe000) {
		if (j->high == 0)
			j->flags |= JSON_LONE;
		j->high = 0;
	} else {
		no_pair(j);
		if (j->unit >= 0xd800 && j->unit < 0xdc00)
			j->high = j->unit;
	}
	if (j->unit == 0)
		j->flags |= JSON_NUL;
	j->sub = STR_RUN;
}

static int
string_escape(struct json *j, int c)
{
	if (j->sub == STR_ESC) {
		if (c == 'u') {
			j->sub = STR_HEX;
			j->left = 4;
			j->unit = 0;
			return 0;
		}
		no_pair(j);
		j->sub = STR_RUN;
		return c != '\0' && strchr("\"\\/bfnrt", c) != NULL ? 0 : -1;
	}
	if (c >= '0' && c <= '9')
		c -= '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		c = (c | 0x20) - 'a' + 10;
	else
		return -1;
	j->unit = (uint16_t)(j->unit << 4 | c);
	if (--j->left == 0)
		unit_end(j);
	return 0;
}

static int
string(struct json *j, struct json_event *ev)
{
	const uint8_t *p;
	int c;

	while (j->p < j->end) {
		if (j->sub == STR_RUN) {
			p = plain(j->p, j->end);
			if (p != j->p)
				no_pair(j);
			j->p = p;
			if (p == j->end)
				break;
			c = *p;
			if (c == '"') {
				no_pair(j);
				j->p++;
				return token_end(j, ev,
				    j->key ? JSON_KEY : JSON_STRING);
			}
			if (c == '\\') {
				j->flags |= JSON_ESCAPED;
				j->sub = STR_ESC;
			} else if (c < 0x20)
				return bad(j, "a control character stands in "
				    "a string");
			else {
				no_pair(j);
				if (utf8_lead(j, c) == -1)
					return bad(j, "a string is not UTF-8");
			}
		} else if (j->sub == STR_UTF8) {
			if (*j->p < j->lo || *j->p > j->hi)
				return bad(j, "a string is not UTF-8");
			j->lo = 0x80;
			j->hi = 0xbf;
			if (--j->left == 0)
				j->sub = STR_RUN;
		} else if (string_escape(j, *j->p) == -1)
			return bad(j, "a string holds a bad escape");
		j->p++;
	}
	return more(j);
}

/* Where a number goes from sub with byte c (RFC 8259 section 6); -1 bad. */
static int
number_step(int sub, int c)
{
	int digit;

	digit = c >= '0' && c <= '9';
	switch (sub) {
	case N_MINUS:
		return c == '0' ? N_ZERO : digit ? N_INT : -1;
	case N_ZERO:
	case N_INT:
		if (digit)
			return sub == N_INT ? N_INT : -1;
		if (c == '.')
			return N_DOT;
		return c == 'e' || c == 'E' ? N_E : N_STOP;
	case N_DOT:
		return digit ? N_FRAC : -1;
	case N_FRAC:
		if (digit)
			return N_FRAC;
		return c == 'e' || c == 'E' ? N_E : N_STOP;
	case N_E:
		if (c == '+' || c == '-')
			return N_SIGN;
		/* FALLTHROUGH */
	case N_SIGN:
		return digit ? N_EXP : -1;
	default:
		return digit ? N_EXP : N_STOP;
	}
}

static int
number(struct json *j, struct json_event *ev)
{
	int next;

	for (; j->p < j->end; j->p++) {
		next = number_step(j->sub, *j->p);
		if (next == -1)
			return bad(j, "a number is malformed");
		if (next == N_STOP)
			return token_end(j, ev, JSON_NUMBER);
		j->sub = (uint8_t)next;
	}
	if (j->finished && number_step(j->sub, ' ') == N_STOP)
		return token_end(j, ev, JSON_NUMBER);
	return more(j);
}

static int
literal(struct json *j, struct json_event *ev)
{
	const char *word;

	word = literals[j->literal].word;
	while (j->p < j->end && word[j->sub] != '\0') {
		if (*j->p != (uint8_t)word[j->sub])
			return bad(j, "a value is expected");
		j->p++;
		j->sub++;
	}
	if (word[j->sub] == '\0')
		return token_end(j, ev, literals[j->literal].kind);
	return more(j);
}

/*
 * The next event.  Fills *ev for kinds above JSON_DONE; ev->text points into
 * the input, or into *j for a token that two pieces share, until the next
 * call on j.
 */
enum json_kind
json_next(struct json *j, struct json_event *ev)
{
	int k;

	do {
		switch (j->state) {
		case S_BAD:
			return JSON_BAD;
		case S_STRING:
			k = string(j, ev);
			break;
		case S_NUMBER:
			k = number(j, ev);
			break;
		case S_LITERAL:
			k = literal(j, ev);
			break;
		default:
			k = structure(j, ev);
			break;
		}
	} while (k == AGAIN);
	return k;
}

/*
 * The decoded string or key into out[size], NUL added.  Returns its length;
 * -1 with EINVAL (no string), EMSGSIZE (longer than its reader had room for) or
 * ENOBUFS.
 */
ssize_t
json_decode(const struct json_event *ev, char *out, size_t size)
{
	if (ev->kind != JSON_STRING && ev->kind != JSON_KEY) {
		errno = EINVAL;
		return -1;
	}
	if (ev->text == NULL) {
		errno = EMSGSIZE;
		return -1;
	}
	return unescape_string(ev->text + 1, (size_t)ev->len - 2, out, size);
}

/*
 * 1 if the string or key, once decoded, is name (at most 63 bytes, no NUL);
 * so "mod\u0065l" equals model.
 */
int
json_equal(const struct json_event *ev, const char *name)
{
	char buf[64];
	ssize_t k;
	size_t n;

	n = strlen(name);
	if (ev->text == NULL || ev->len < n + 2)
		return 0;
	if ((ev->flags & JSON_ESCAPED) == 0)
		return ev->len == n + 2 && memcmp(ev->text + 1, name, n) == 0;
	k = json_decode(ev, buf, sizeof(buf));
	return k >= 0 && (size_t)k == n && memcmp(buf, name, n) == 0;
}

/* v * 10^e, rounded up, clamped. */
static uint64_t
scale(uint64_t v, long e)
{
	int up;

	for (; e > 0 && v != 0; e--) {
		if (v > UINT64_MAX / 10)
			return UINT64_MAX;
		v *= 10;
	}
	for (up = 0; e < 0 && v != 0; e++) {
		up |= v % 10 != 0;
		v /= 10;
	}
	return up && v != UINT64_MAX ? v + 1 : v;
}

/*
 * A number as an integer: exponent and fraction understood, rounded up,
 * clamped to 64 bits.  -1 with EINVAL if it is no number or is negative,
 * EMSGSIZE if there was no room for its text.
 */
int
json_u64(const struct json_event *ev, uint64_t *out)
{
	const uint8_t *end, *p;
	uint64_t v;
	long e, x;
	int frac, neg;

	if (ev->kind != JSON_NUMBER || ev->text == NULL ||
	    ev->text[0] == '-') {
		errno = ev->kind == JSON_NUMBER && ev->text == NULL ?
		    EMSGSIZE : EINVAL;
		return -1;
	}
	v = 0;
	e = x = 0;
	frac = neg = 0;
	end = ev->text + ev->len;
	for (p = ev->text; p < end && (*p | 0x20) != 'e'; p++) {
		if (*p == '.') {
			frac = 1;
			continue;
		}
		/* up to 19 digits count exactly, further ones as zeros */
		if (v <= (UINT64_MAX - 9) / 10) {
			v = v * 10 + (uint64_t)(*p - '0');
			e -= frac;
		} else
			e += !frac;
	}
	for (p += p < end; p < end; p++) {
		if (*p == '-')
			neg = 1;
		else if (*p != '+' && x < 10000)
			x = x * 10 + (*p - '0');
	}
	*out = scale(v, e + (neg ? -x : x));
	return 0;
}
