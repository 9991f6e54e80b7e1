/* SPDX-License-Identifier: ISC */
/*
 * Base64 of RFC 4648, both alphabets.  May hold secrets while it works: no
 * table, no branch on a value.  It allocates nothing and logs nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include "common/text/text.h"

/* What the last two places of each alphabet add, and their characters. */
static const struct {
	int	 sub62, add63;
	int	 c62, c63;
} alphabet[] = {
	[B64_STD] = { 15, 3, '+', '/' },
	[B64_URL] = { 13, 49, '-', '_' },
};

static char
letter(int v, enum b64_kind kind)
{
	int	 c;

	c = 'A' + v;
	c += ((25 - v) >> 8) & 6;		/* 'a' - 'Z' - 1 */
	c -= ((51 - v) >> 8) & 75;		/* 'z' + 1 - '0' */
	c -= ((61 - v) >> 8) & alphabet[kind].sub62;
	c += ((62 - v) >> 8) & alphabet[kind].add63;
	return (char)c;
}

/* -1 if lo <= c <= hi, else 0. */
static int
within(int c, int lo, int hi)
{
	return ((lo - 1 - c) & (c - (hi + 1))) >> 8;
}

/* Value of a letter, or -1. */
static int
value(int c, enum b64_kind kind)
{
	int	 v, c62, c63;

	c62 = alphabet[kind].c62;
	c63 = alphabet[kind].c63;
	v = within(c, 'A', 'Z') & (c - 'A' + 1);
	v |= within(c, 'a', 'z') & (c - 'a' + 27);
	v |= within(c, '0', '9') & (c - '0' + 53);
	v |= within(c, c62, c62) & 63;
	v |= within(c, c63, c63) & 64;
	return v - 1;
}

ssize_t
b64_encode(char *dst, size_t size, const void *src, size_t len,
    enum b64_kind kind)
{
	const uint8_t	*p;
	size_t		 i, o, n;
	uint32_t	 w;

	p = src;
	if (len > SIZE_MAX / 4) {
		errno = ENOSPC;
		return -1;
	}
	n = len / 3 * 4;
	if (len % 3 != 0)
		n += kind == B64_STD ? 4 : len % 3 + 1;
	if (size < n + 1) {
		errno = ENOSPC;
		return -1;
	}
	for (i = o = 0; i < len; i += 3) {
		w = (uint32_t)p[i] << 16;
		if (i + 1 < len)
			w |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < len)
			w |= p[i + 2];
		dst[o++] = letter(w >> 18, kind);
		dst[o++] = letter((w >> 12) & 63, kind);
		if (i + 1 < len)
			dst[o++] = letter((w >> 6) & 63, kind);
		if (i + 2 < len)
			dst[o++] = letter(w & 63, kind);
	}
	while (o < n)
		dst[o++] = '=';
	dst[n] = '\0';
	return (ssize_t)n;
}

/*
 * Letters of the text without its padding, or -1 if the padding is not what
 * this length demands.
 */
static ssize_t
letters(const char *src, size_t len, enum b64_kind kind)
{
	if (kind == B64_STD) {
		if (len % 4 != 0)
			return -1;
		if (len > 0 && src[len - 1] == '=')
			len--;
		if (len % 4 == 3 && src[len - 1] == '=')
			len--;
	}
	return len % 4 == 1 ? -1 : (ssize_t)len;
}

ssize_t
b64_decode(void *dst, size_t size, const char *src, size_t len,
    enum b64_kind kind)
{
	uint8_t		*out;
	uint32_t	 w;
	ssize_t		 n;
	size_t		 i, o, olen;
	unsigned int	 bits;
	int		 v, bad;

	out = dst;
	n = len > SSIZE_MAX ? -1 : letters(src, len, kind);
	if (n == -1) {
		errno = EINVAL;
		return -1;
	}
	olen = (size_t)n / 4 * 3 + ((size_t)n % 4 * 3) / 4;
	if (size < olen) {
		errno = ENOSPC;
		return -1;
	}
	w = 0;
	bits = 0;
	bad = 0;
	for (i = o = 0; i < (size_t)n; i++) {
		v = value((unsigned char)src[i], kind);
		bad |= v;
		w = (w << 6) | ((uint32_t)v & 63);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[o++] = (uint8_t)(w >> bits);
			w &= (1U << bits) - 1;
		}
	}
	/* what is left over must be zero, or one value had several texts */
	if (bad < 0 || w != 0) {
		errno = EINVAL;
		return -1;
	}
	return (ssize_t)olen;
}
