/* SPDX-License-Identifier: ISC */

/*
 * The bytes that a JSON string means.  Input is the raw inside of a string
 * that the tokenizer has accepted; it is checked again all the same where a
 * wrong byte would make us write wrongly.
 */

#include <errno.h>
#include <string.h>

#include "common/json/json.h"

static int
hex4(const uint8_t *p, const uint8_t *end, unsigned *out)
{
	unsigned v;
	int c, i;

	if (end - p < 4)
		return -1;
	v = 0;
	for (i = 0; i < 4; i++) {
		c = p[i];
		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (c | 0x20) - 'a' + 10;
		else
			return -1;
		v = v << 4 | (unsigned)c;
	}
	*out = v;
	return 0;
}

/* Encodes one scalar value, returns its 1-4 bytes. */
static size_t
utf8_put(uint8_t *o, unsigned v)
{
	if (v < 0x80) {
		o[0] = v;
		return 1;
	}
	if (v < 0x800) {
		o[0] = 0xc0 | v >> 6;
		o[1] = 0x80 | (v & 0x3f);
		return 2;
	}
	if (v < 0x10000) {
		o[0] = 0xe0 | v >> 12;
		o[1] = 0x80 | (v >> 6 & 0x3f);
		o[2] = 0x80 | (v & 0x3f);
		return 3;
	}
	o[0] = 0xf0 | v >> 18;
	o[1] = 0x80 | (v >> 12 & 0x3f);
	o[2] = 0x80 | (v >> 6 & 0x3f);
	o[3] = 0x80 | (v & 0x3f);
	return 4;
}

/* What stands after "\u"; an unpaired surrogate becomes U+FFFD. */
static int
unicode(const uint8_t **pp, const uint8_t *end, unsigned *out)
{
	const uint8_t *p;
	unsigned v, w;

	p = *pp;
	if (hex4(p, end, &v) == -1)
		return -1;
	p += 4;
	if (v >= 0xd800 && v < 0xdc00 && end - p >= 6 && p[0] == '\\' &&
	    p[1] == 'u' && hex4(p + 2, end, &w) == 0 && w >= 0xdc00 &&
	    w < 0xe000) {
		v = 0x10000 + ((v - 0xd800) << 10) + (w - 0xdc00);
		p += 6;
	} else if (v >= 0xd800 && v < 0xe000)
		v = 0xfffd;
	*pp = p;
	*out = v;
	return 0;
}

/* One escape, *pp just after the backslash; its bytes go to o[4]. */
static size_t
escape(const uint8_t **pp, const uint8_t *end, uint8_t *o)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *hit;
	unsigned v;

	if (*pp == end || **pp == '\0')
		return 0;
	if (**pp == 'u') {
		(*pp)++;
		if (unicode(pp, end, &v) == -1)
			return 0;
		return utf8_put(o, v);
	}
	hit = strchr(from, **pp);
	if (hit == NULL)
		return 0;
	(*pp)++;
	o[0] = to[hit - from];
	return 1;
}

/*
 * Decodes n raw bytes (without the quotes) into out[size] and ends it with a
 * NUL.  Returns the decoded length, which may include NULs of its own; -1
 * with ENOBUFS if length + 1 > size, EINVAL on a bad escape.
 */
ssize_t
unescape_string(const uint8_t *raw, size_t n, char *out, size_t size)
{
	const uint8_t *end, *hit, *p;
	uint8_t one[4];
	size_t k, len;

	end = raw + n;
	len = 0;
	for (p = raw;;) {
		hit = memchr(p, '\\', (size_t)(end - p));
		k = (size_t)((hit == NULL ? end : hit) - p);
		if (k >= size - len)
			break;
		memcpy(out + len, p, k);
		len += k;
		if (hit == NULL) {
			out[len] = '\0';
			return (ssize_t)len;
		}
		p = hit + 1;
		k = escape(&p, end, one);
		if (k == 0) {
			errno = EINVAL;
			return -1;
		}
		if (k >= size - len)
			break;
		memcpy(out + len, one, k);
		len += k;
	}
	errno = ENOBUFS;
	return -1;
}
