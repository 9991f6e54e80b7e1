/* SPDX-License-Identifier: ISC */

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

static void
grow(struct buf *b, size_t n)
{
	if (b->cap - b->n > n)
		return;
	b->cap = (b->n + n + 1) * 2;
	b->p = realloc(b->p, b->cap);
	if (b->p == NULL)
		err(1, NULL);
}

/* Appends; a NUL always follows the last byte. */
void
buf_add(struct buf *b, const void *p, size_t n)
{
	grow(b, n);
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	char *s;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1)
		err(1, NULL);
	buf_add(b, s, (size_t)n);
	free(s);
}

/* Appends p as a JSON string; bytes that are not ASCII stay as they are. */
void
buf_json(struct buf *b, const char *p, size_t n)
{
	size_t i;

	buf_add(b, "\"", 1);
	for (i = 0; i < n; i++) {
		if (p[i] == '"' || p[i] == '\\')
			buf_fmt(b, "\\%c", p[i]);
		else if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			buf_fmt(b, "\\u%04x", (unsigned)p[i]);
		else
			buf_add(b, p + i, 1);
	}
	buf_add(b, "\"", 1);
}

/* Takes the first n bytes off. */
void
buf_drop(struct buf *b, size_t n)
{
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
	b->p[b->n] = '\0';
}

void
buf_free(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}
