/* SPDX-License-Identifier: ISC */
/*
 * A queue of bytes in one piece of memory.  Running out of memory is sticky,
 * so that a composer checks once, at the end.  Whoever fills one bounds it.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

#define WBUF_FIRST	1024

/* Room for n more bytes behind the last one. */
static int
reserve(struct wbuf *b, size_t n)
{
	uint8_t	*p;
	size_t	 cap;

	if (b->bad)
		return -1;
	if (b->off > 0 && (b->len == 0 || b->cap - b->off - b->len < n)) {
		memmove(b->p, b->p + b->off, b->len);
		b->off = 0;
	}
	if (b->cap - b->off - b->len >= n)
		return 0;
	cap = b->cap == 0 ? WBUF_FIRST : b->cap;
	while (cap - b->len < n) {
		if (cap > SIZE_MAX / 4) {
			b->bad = 1;
			return -1;
		}
		cap *= 2;
	}
	p = realloc(b->p, cap);
	if (p == NULL) {
		b->bad = 1;
		return -1;
	}
	b->p = p;
	b->cap = cap;
	return 0;
}

/* Appends a copy.  -1: out of memory now or earlier. */
int
wbuf_add(struct wbuf *b, const void *p, size_t n)
{
	if (reserve(b, n) == -1)
		return -1;
	if (n > 0)
		memcpy(b->p + b->off + b->len, p, n);
	b->len += n;
	return 0;
}

int
wbuf_str(struct wbuf *b, const char *s)
{
	return wbuf_add(b, s, strlen(s));
}

/* Decimal. */
int
wbuf_u64(struct wbuf *b, uint64_t v)
{
	char	 digits[20];
	size_t	 n;

	n = sizeof(digits);
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return wbuf_add(b, digits + n, sizeof(digits) - n);
}

/* At most 1,023 bytes; longer is an error of ours and sticks as bad. */
int
wbuf_fmt(struct wbuf *b, const char *fmt, ...)
{
	char	 line[1024] UNSET;
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line)) {
		b->bad = 1;
		return -1;
	}
	return wbuf_add(b, line, n);
}

/* Bytes of 0x80 and above are passed on: our texts and names are UTF-8. */
int
wbuf_json(struct wbuf *b, const char *s)
{
	const char	*from;

	for (from = s; *s != '\0'; s++) {
		if (*s != '"' && *s != '\\' && (uint8_t)*s >= ' ')
			continue;
		wbuf_add(b, from, s - from);
		if (*s == '"' || *s == '\\')
			wbuf_fmt(b, "\\%c", *s);
		else
			wbuf_fmt(b, "\\u%04x", (unsigned int)(uint8_t)*s);
		from = s + 1;
	}
	return wbuf_add(b, from, s - from);
}

/* Valid until the next change. */
const uint8_t *
wbuf_bytes(const struct wbuf *b)
{
	return b->p + b->off;
}

/* Takes n bytes off the front; an empty queue keeps no memory. */
void
wbuf_drain(struct wbuf *b, size_t n)
{
	b->off += n;
	b->len -= n;
	if (b->len == 0 && !b->bad)
		wbuf_free(b);
}

void
wbuf_free(struct wbuf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	free(b->p);
	memset(b, 0, sizeof(*b));
}
