/* SPDX-License-Identifier: ISC */
/*
 * Hexadecimal, lower case.  May hold secrets while it works: no table, no
 * branch on a value.  It allocates nothing and logs nothing.
 */
#include <errno.h>
#include <stdint.h>

#include "common/text/text.h"

static char
digit(int v)
{
	/* 39 leads from '0' + 10 to 'a' */
	return (char)('0' + v + (((9 - v) >> 8) & 39));
}

/* Value of a digit, or a negative number. */
static int
value(int c)
{
	int	 num, alpha, v;

	num = (('0' - 1 - c) & (c - ('9' + 1))) >> 8;
	alpha = (('a' - 1 - c) & (c - ('f' + 1))) >> 8;
	v = (num & (c - '0' + 1)) | (alpha & (c - 'a' + 11));
	return v - 1;
}

ssize_t
hex_encode(char *dst, size_t size, const void *src, size_t len)
{
	const uint8_t	*p;
	size_t		 i;

	p = src;
	if (len > SIZE_MAX / 4 || size < HEX_SIZE(len)) {
		errno = ENOSPC;
		return -1;
	}
	for (i = 0; i < len; i++) {
		dst[i * 2] = digit(p[i] >> 4);
		dst[i * 2 + 1] = digit(p[i] & 15);
	}
	dst[len * 2] = '\0';
	return (ssize_t)(len * 2);
}

ssize_t
hex_decode(void *dst, size_t size, const char *src, size_t len)
{
	uint8_t	*out;
	size_t	 i;
	int	 hi, lo, bad;

	out = dst;
	bad = 0;
	if (len % 2 != 0) {
		errno = EINVAL;
		return -1;
	}
	if (size < len / 2) {
		errno = ENOSPC;
		return -1;
	}
	for (i = 0; i < len / 2; i++) {
		hi = value((unsigned char)src[i * 2]);
		lo = value((unsigned char)src[i * 2 + 1]);
		bad |= hi | lo;
		out[i] = (uint8_t)(((hi & 15) << 4) | (lo & 15));
	}
	if (bad < 0) {
		errno = EINVAL;
		return -1;
	}
	return (ssize_t)(len / 2);
}
