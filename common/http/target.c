/* SPDX-License-Identifier: ISC */

/*
 * Paths and queries.  Holds no state.  Believes nobody: the client wrote the
 * target.  Must never turn one path into another, nor hand a client's query
 * bytes to anyone.
 */

#include <string.h>

#include "common/http/target.h"

#define NUMBER_DIGITS	9

static int
refuse(struct target *g, const char *reason)
{
	g->reason = reason;
	return -1;
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* A-Z a-z 0-9 . _ - */
static bool
is_word(uint8_t c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
}

static bool
is_hex(uint8_t c)
{
	return is_digit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* Checks the path, segment by segment. */
static int
check_path(const uint8_t *p, size_t n, struct target *g)
{
	size_t	 i, start;

	if (n == 0 || p[0] != '/')
		return refuse(g, "The path does not begin with a slash.");
	start = 1;
	for (i = 1; i <= n; i++) {
		if (i < n && p[i] != '/') {
			if (!is_word(p[i]) && p[i] != '~' && p[i] != ':')
				return refuse(g, "The path contains a byte "
				    "that no route has.");
			continue;
		}
		if (i == start && i < n)
			return refuse(g, "The path has an empty segment.");
		if ((i - start == 1 && p[start] == '.') ||
		    (i - start == 2 && memcmp(p + start, "..", 2) == 0))
			return refuse(g, "The path has a dot segment.");
		start = i + 1;
	}
	return 0;
}

/* pchar, "/", "?" of RFC 3986 3.4; every escape must be complete. */
static int
check_query(const uint8_t *p, size_t n, struct target *g)
{
	size_t	 i;

	for (i = 0; i < n; i++) {
		if (p[i] == '%') {
			if (n - i < 3 || !is_hex(p[i + 1]) ||
			    !is_hex(p[i + 2]))
				return refuse(g, "The query has a broken "
				    "percent escape.");
		} else if (!is_word(p[i]) && (p[i] == '\0' ||
		    strchr("~!$&'()*+,;=:@/?", p[i]) == NULL))
			return refuse(g, "The query contains a byte that must "
			    "be escaped.");
	}
	return 0;
}

int
target_split(const uint8_t *t, size_t len, struct target *g)
{
	const uint8_t	*q;

	memset(g, 0, sizeof(*g));
	if (len > UINT32_MAX)
		return refuse(g, "The request target is too long.");
	q = len > 0 ? memchr(t, '?', len) : NULL;
	g->path_len = (uint32_t)(q != NULL ? (size_t)(q - t) : len);
	if (q != NULL) {
		g->query_off = g->path_len + 1;
		g->query_len = (uint32_t)(len - g->query_off);
	}
	if (check_path(t, g->path_len, g) == -1)
		return -1;
	return check_query(t + g->query_off, g->query_len, g);
}

bool
target_match(const uint8_t *t, const struct target *g, const char *pattern,
    uint32_t *off, uint32_t *len)
{
	uint32_t	 at, start, hole, holelen;
	bool		 rest;

	at = hole = holelen = 0;
	while (*pattern != '\0') {
		if (*pattern != '{') {
			if (at == g->path_len || t[at] != (uint8_t)*pattern)
				return false;
			at++;
			pattern++;
			continue;
		}
		rest = strcmp(pattern, "{rest}") == 0;
		start = at;
		while (at < g->path_len && (rest || t[at] != '/'))
			at++;
		hole = start;
		holelen = at - start;
		if (holelen == 0 || holelen > TARGET_ID_MAX)
			return false;
		pattern += strcspn(pattern, "}");
		if (*pattern == '}')
			pattern++;
	}
	if (at != g->path_len)
		return false;
	if (off != NULL)
		*off = hole;
	if (len != NULL)
		*len = holelen;
	return true;
}

/* 1 to NUMBER_DIGITS digits from *pos on; moves *pos behind them. */
static int
digits(const uint8_t *p, size_t n, size_t *pos, uint64_t *v)
{
	size_t	 start;

	*v = 0;
	for (start = *pos; *pos < n && is_digit(p[*pos]); (*pos)++) {
		if (*pos - start == NUMBER_DIGITS)
			return -1;
		*v = *v * 10 + (uint64_t)(p[*pos] - '0');
	}
	return *pos > start ? 0 : -1;
}

static bool
is_true(const uint8_t *p, size_t n, uint64_t *v)
{
	*v = 1;
	return n == 4 && memcmp(p, "true", 4) == 0;
}

static bool
is_uint(const uint8_t *p, size_t n, uint64_t *v)
{
	size_t	 pos;

	pos = 0;
	return digits(p, n, &pos, v) == 0 && pos == n;
}

static bool
is_float(const uint8_t *p, size_t n, uint64_t *v)
{
	uint64_t	 frac;
	size_t		 pos, start, places;

	pos = 0;
	if (digits(p, n, &pos, v) == -1)
		return false;
	*v *= 1000;
	if (pos == n)
		return true;
	if (p[pos++] != '.')
		return false;
	start = pos;
	if (digits(p, n, &pos, &frac) == -1 || pos != n)
		return false;
	for (places = n - start; places < 3; places++)
		frac *= 10;
	for (; places > 3; places--)
		frac /= 10;
	*v += frac;
	return true;
}

static bool
is_id(const uint8_t *p, size_t n, uint64_t *v)
{
	size_t	 i;

	*v = 0;
	for (i = 0; i < n; i++)
		if (!is_word(p[i]))
			return false;
	return n > 0 && n <= TARGET_ID_MAX;
}

static bool
is_text(const uint8_t *p, size_t n, uint64_t *v)
{
	(void)p;
	*v = 0;
	return n <= TARGET_ID_MAX;
}

static bool	(*const classes[])(const uint8_t *, size_t, uint64_t *) = {
	[TARGET_TRUE] = is_true,
	[TARGET_UINT] = is_uint,
	[TARGET_FLOAT] = is_float,
	[TARGET_ID] = is_id,
	[TARGET_TEXT] = is_text,
};

/* One "name=value" at `off`, `len` bytes. */
static int
read_pair(const uint8_t *t, uint32_t off, uint32_t len, struct target *g,
    const struct target_query *names, size_t n, struct target_value *values)
{
	const uint8_t	*eq;
	uint32_t	 namelen;
	size_t		 i;

	if (len == 0)
		return 0;
	eq = memchr(t + off, '=', len);
	namelen = eq == NULL ? len : (uint32_t)(eq - (t + off));
	for (i = 0; i < n; i++)
		if (strlen(names[i].name) == namelen &&
		    memcmp(names[i].name, t + off, namelen) == 0)
			break;
	if (i == n)
		return 0;
	if (values[i].set)
		return refuse(g, "A query parameter stands twice.");
	values[i].set = true;
	values[i].off = off + namelen + (eq != NULL);
	values[i].len = len - namelen - (eq != NULL);
	if (!classes[names[i].cls](t + values[i].off, values[i].len,
	    &values[i].number))
		return refuse(g, "A query parameter has a bad value.");
	return 0;
}

int
target_read(const uint8_t *t, struct target *g,
    const struct target_query *names, size_t n, struct target_value *values)
{
	uint32_t	 at, start, end;

	memset(values, 0, n * sizeof(*values));
	end = g->query_off + g->query_len;
	start = g->query_off;
	for (at = start; at <= end; at++) {
		if (at < end && t[at] != '&')
			continue;
		if (read_pair(t, start, at - start, g, names, n, values) == -1)
			return -1;
		start = at + 1;
	}
	return 0;
}

int
target_write(const struct target_query *names, size_t n,
    const struct target_value *values, char *out, size_t size)
{
	size_t	 i, len, at;

	if (size == 0)
		return -1;
	at = 0;
	for (i = 0; i < n; i++) {
		if (!values[i].set || names[i].cls != TARGET_TRUE)
			continue;
		len = strlen(names[i].name);
		if (len > size || size - len < at + sizeof("&=true"))
			return -1;
		if (at > 0)
			out[at++] = '&';
		memcpy(out + at, names[i].name, len);
		at += len;
		memcpy(out + at, "=true", 5);
		at += 5;
	}
	out[at] = '\0';
	return (int)at;
}
