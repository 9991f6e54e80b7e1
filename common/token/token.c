/* SPDX-License-Identifier: ISC */
/*
 * Form of tokens, see token.h.  The secret's characters are computed by
 * arithmetic, no table is indexed by them, in the CRC neither.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/ipc/proto.h"
#include "common/token/token.h"

/*
 * CRC-32 of ISO-HDLC (as in zlib), reflected, polynomial 0xedb88320.  It is
 * linear: each bit of the byte that leaves adds its own constant, and all
 * eight are looked at.
 */
#define BIT(k, c)	((c) & (0 - (b >> (k) & 1)))

static uint32_t
crc32(const char *p, size_t len)
{
	uint32_t	 b, crc;
	size_t		 i;

	crc = 0xffffffff;
	for (i = 0; i < len; i++) {
		b = crc ^ (uint8_t)p[i];
		crc = crc >> 8 ^ BIT(0, 0x77073096) ^ BIT(1, 0xee0e612c) ^
		    BIT(2, 0x076dc419) ^ BIT(3, 0x0edb8832) ^
		    BIT(4, 0x1db71064) ^ BIT(5, 0x3b6e20c8) ^
		    BIT(6, 0x76dc4190) ^ BIT(7, 0xedb88320);
	}
	return ~crc;
}

/* 0-9 A-Z a-z of v < 62, without a branch on v. */
static char
digit62(uint32_t v)
{
	uint32_t	 c;

	c = v + '0';
	c += ((9 - v) >> 31) * ('A' - '0' - 10);
	c += ((35 - v) >> 31) * ('a' - 'A' - 26);
	return (char)c;
}

static int
is62(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z');
}

static int
istoken(unsigned char c)
{
	return is62(c) || (c != '\0' && strchr("-._~+/=", c) != NULL);
}

/* The checksum of len characters as six digits, most significant first. */
static void
checksum(const char *p, size_t len, char out[TOKEN_SUM])
{
	uint32_t	 crc;
	int		 i;

	crc = crc32(p, len);
	for (i = TOKEN_SUM - 1; i >= 0; i--) {
		out[i] = digit62(crc % 62);
		crc /= 62;
	}
}

/* Length of the prefix if these bytes have our form, else 0. */
static size_t
shaped(const char *p, size_t len)
{
	size_t	 off, i;

	if (len == TOKEN_DEV_LEN && memcmp(p, "tp_dev_", 7) == 0)
		off = 7;
	else if (len == TOKEN_LEN && memcmp(p, "tp_", 3) == 0)
		off = 3;
	else
		return 0;
	for (i = off; i < len; i++) {
		if (i == off + TOKEN_ID) {
			if (p[i] != '_')
				return 0;
		} else if (!is62((unsigned char)p[i]))
			return 0;
	}
	return off;
}

/* *off: length of the prefix, if it is TOKEN_OK. */
static enum token_shape
look(const char *p, size_t len, size_t *off)
{
	char	 sum[TOKEN_SUM];
	size_t	 i;

	if (len < 3 || memcmp(p, "tp_", 3) != 0)
		return TOKEN_FOREIGN;
	*off = shaped(p, len);
	if (*off != 0) {
		checksum(p, len - TOKEN_SUM, sum);
		return memcmp(sum, p + len - TOKEN_SUM, TOKEN_SUM) == 0 ?
		    TOKEN_OK : TOKEN_BADSUM;
	}
	if (len < TOKEN_SHORTEST || len > TOKEN_MAX)
		return TOKEN_MALFORMED;
	for (i = 0; i < len; i++)
		if (!istoken((unsigned char)p[i]))
			return TOKEN_MALFORMED;
	return TOKEN_UNSHAPED;
}

enum token_shape
token_check(const char *p, size_t len)
{
	size_t	 off;

	return look(p, len, &off);
}

enum token_shape
token_parse(const char *p, size_t len, char id[TOKEN_ID + 1])
{
	enum token_shape shape;
	size_t		 off;

	shape = look(p, len, &off);
	if (shape == TOKEN_OK) {
		memcpy(id, p + off, TOKEN_ID);
		id[TOKEN_ID] = '\0';
	}
	return shape;
}

int
token_base62(const uint8_t *random, size_t len, char *out, size_t n)
{
	size_t	 i, o;

	for (i = o = 0; i < len && o < n; i++)
		if (random[i] < 248)
			out[o++] = digit62(random[i] % 62);
	out[o] = '\0';
	if (o < n) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

int
token_make(const uint8_t random[TOKEN_RANDOM], int dev, char out[TOKEN_SIZE])
{
	char	*p;

	strcpy(out, dev ? "tp_dev_" : "tp_");
	p = out + strlen(out);
	if (token_base62(random, TOKEN_RANDOM, p,
	    TOKEN_ID + TOKEN_SECRET) == -1)
		return -1;
	memmove(p + TOKEN_ID + 1, p + TOKEN_ID, TOKEN_SECRET);
	p[TOKEN_ID] = '_';
	p += TOKEN_ID + 1 + TOKEN_SECRET;
	checksum(out, (size_t)(p - out), p);
	p[TOKEN_SUM] = '\0';
	return (int)(p - out) + TOKEN_SUM;
}

int
token_public_id(const char *p, size_t len, char out[TOKEN_ID + 1], int *dev)
{
	size_t	 off;

	if (look(p, len, &off) != TOKEN_OK) {
		errno = EINVAL;
		return -1;
	}
	memcpy(out, p + off, TOKEN_ID);
	out[TOKEN_ID] = '\0';
	if (dev != NULL)
		*dev = off == 7;
	return 0;
}
