/* SPDX-License-Identifier: ISC */
/*
 * What a terminal shows and does not obey.  Believes no byte: names, models and
 * reasons of clients and providers end in logs and tables.  Beside the control
 * characters of ASCII there are those of U+0080 to U+009F (U+009B begins what
 * ESC [ begins), and characters that turn or hide the text around them.
 */
#include <stdint.h>
#include <string.h>

#include "common/text/text.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* Obeyed, or not seen; ascending. */
static const struct {
	uint32_t	 first, last;
} hidden[] = {
	{ 0x000000, 0x00001f },
	{ 0x00007f, 0x00009f },
	{ 0x0000ad, 0x0000ad },		/* soft hyphen */
	{ 0x00061c, 0x00061c },		/* Arabic letter mark */
	{ 0x00200b, 0x00200f },		/* zero width, marks of direction */
	{ 0x002028, 0x00202e },		/* line ends, overrides of direction */
	{ 0x002060, 0x00206f },		/* invisible, isolates */
	{ 0x00feff, 0x00feff },
	{ 0x00fff9, 0x00fffb },
	{ 0x0e0000, 0x0e007f },		/* tags */
};

/* One code point of strict UTF-8 (RFC 3629); its bytes, 0: none. */
static size_t
decode(const uint8_t *p, size_t n, uint32_t *out)
{
	static const uint32_t	 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t			 i, k;
	uint32_t		 v;

	if (n == 0)
		return 0;
	*out = p[0];
	if (p[0] < 0x80)
		return 1;
	k = p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 :
	    p[0] < 0xf5 ? 4 : 0;
	if (k == 0 || k > n)
		return 0;
	v = p[0] & (0x7fU >> k);
	for (i = 1; i < k; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3f);
	}
	if (v < least[k] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 0;
	*out = v;
	return k;
}

size_t
show_char(const void *buf, size_t len)
{
	uint32_t	 c;
	size_t		 i, k;

	k = decode(buf, len, &c);
	for (i = 0; k > 0 && i < NITEMS(hidden) && c >= hidden[i].first; i++)
		if (c <= hidden[i].last)
			return 0;
	return k;
}

void
show_mask(char *s, char keep)
{
	size_t	 k, n;

	for (n = strlen(s); n > 0; s += k, n -= k) {
		k = show_char(s, n);
		if (k > 0)
			continue;
		k = 1;
		if (*s != keep)
			*s = '?';
	}
}
