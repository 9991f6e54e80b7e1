/* SPDX-License-Identifier: ISC */
/*
 * Text of checkpoints: building and strict parsing (C2SP signed-note,
 * tlog-checkpoint).  No keys here, see notesig.c; so the ledger can read
 * sizes without linking a signature library.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/audit/note.h"
#include "common/audit/cbor.h"
#include "common/text/sha256.h"
#include "common/text/text.h"

/* "-- " of a signature line is an em dash and a blank. */
#define DASH	"\xe2\x80\x94 "

int
note_origin_ok(const char *s, size_t len)
{
	size_t	 i;

	if (len == 0 || len > NOTE_ORIGIN)
		return 0;
	for (i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~' || s[i] == '+')
			return 0;
	return 1;
}

ssize_t
note_body(char *buf, size_t size, const char *origin, uint64_t treesize,
    const uint8_t root[32])
{
	char	 b64[B64_SIZE(32)];
	int	 n;

	if (!note_origin_ok(origin, strlen(origin))) {
		errno = EINVAL;
		return -1;
	}
	if (b64_encode(b64, sizeof(b64), root, 32, B64_STD) == -1)
		return -1;
	n = snprintf(buf, size, "%s\n%" PRIu64 "\n%s\n", origin, treesize,
	    b64);
	if (n < 0 || (size_t)n >= size) {
		errno = ENOSPC;
		return -1;
	}
	return n;
}

/* The next line of buf without its newline; 0, or -1 if there is none. */
static int
line(const char *buf, size_t len, size_t *off, const char **p, size_t *n)
{
	const char	*nl;

	nl = memchr(buf + *off, '\n', len - *off);
	if (nl == NULL)
		return -1;
	*p = buf + *off;
	*n = (size_t)(nl - *p);
	*off += *n + 1;
	return *n <= NOTE_LINE ? 0 : -1;
}

/* Decimal without sign or leading zero, at most 2^63 - 1. */
static int
decimal(const char *p, size_t n, uint64_t *val)
{
	uint64_t	 v;
	size_t		 i;

	if (n == 0 || n > 19 || (n > 1 && p[0] == '0'))
		return -1;
	for (v = 0, i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	if (v > INT64_MAX)
		return -1;
	*val = v;
	return 0;
}

static int
body(struct note *n, const char *buf, size_t len, size_t *off)
{
	uint8_t		 empty[SHA256_LEN];
	const char	*p;
	size_t		 l;

	if (line(buf, len, off, &n->origin, &n->originlen) == -1 ||
	    !note_origin_ok(n->origin, n->originlen))
		return -1;
	if (line(buf, len, off, &p, &l) == -1 ||
	    decimal(p, l, &n->size) == -1)
		return -1;
	if (line(buf, len, off, &p, &l) == -1 ||
	    b64_decode(n->root, sizeof(n->root), p, l, B64_STD) != 32)
		return -1;
	n->body = buf;
	n->bodylen = *off;
	sha256_buf("", 0, empty);
	if (n->size == 0 && memcmp(n->root, empty, sizeof(empty)) != 0)
		return -1;
	/* the empty line; so there are no extension lines */
	return line(buf, len, off, &p, &l) == -1 || l != 0 ? -1 : 0;
}

/* "- name base64(keyid, signature)" */
static int
signature(struct note_sig *s, const char *p, size_t len)
{
	uint8_t		 raw[6];
	const char	*blank;
	size_t		 i;

	if (len < 4 || memcmp(p, DASH, 4) != 0)
		return -1;
	p += 4;
	len -= 4;
	blank = memchr(p, ' ', len);
	if (blank == NULL || blank == p)
		return -1;
	s->name = p;
	s->namelen = (size_t)(blank - p);
	for (i = 0; i < s->namelen; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f || p[i] == '+')
			return -1;
	s->b64 = blank + 1;
	s->b64len = len - s->namelen - 1;
	/* key id, and at least one byte of signature behind it */
	if (s->b64len < 8 || memchr(s->b64, ' ', s->b64len) != NULL ||
	    b64_decode(raw, sizeof(raw), s->b64, 8, B64_STD) < 5)
		return -1;
	memcpy(s->keyid, raw, NOTE_KEYID);
	return 0;
}

/* Signature bytes are base64 whoever wrote them: check all of them. */
static int
base64(const char *p, size_t len)
{
	uint8_t	 raw[NOTE_LINE];

	return b64_decode(raw, sizeof(raw), p, len, B64_STD) == -1 ? -1 : 0;
}

int
note_parse(struct note *n, const char *buf, size_t len)
{
	const char	*p;
	size_t		 off, l;

	memset(n, 0, sizeof(*n));
	errno = EINVAL;
	if (len == 0 || len > NOTE_MAX || buf[len - 1] != '\n' ||
	    !cbor_utf8(buf, len))
		return -1;
	off = 0;
	if (body(n, buf, len, &off) == -1)
		return -1;
	while (off < len) {
		if (n->nsig == NOTE_SIGS ||
		    line(buf, len, &off, &p, &l) == -1 ||
		    signature(&n->sig[n->nsig], p, l) == -1 ||
		    base64(n->sig[n->nsig].b64, n->sig[n->nsig].b64len) == -1)
			return -1;
		n->nsig++;
	}
	return n->nsig == 0 ? -1 : 0;
}

ssize_t
note_span(const char *buf, size_t len)
{
	const char	*p;
	size_t		 max, off;

	max = len > NOTE_MAX ? NOTE_MAX : len;
	p = memmem(buf, max, "\n\n", 2);
	if (p != NULL) {
		off = (size_t)(p - buf) + 2;
		p = memmem(buf + off, max - off, "\n\n", 2);
	}
	if (p != NULL)
		return p - buf + 1;
	if (len > NOTE_MAX) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}
