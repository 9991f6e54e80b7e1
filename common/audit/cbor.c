/* SPDX-License-Identifier: ISC */
/*
 * Writer and reader of the CBOR subset of AE1 (cbor.h).  The reader believes
 * nobody: it is what auditverify runs over bytes of unknown origin.
 */
#include <errno.h>
#include <string.h>

#include "common/audit/cbor.h"

static int
fail(struct cbor_w *w, int error)
{
	if (w->err == 0)
		w->err = error;
	errno = w->err;
	return -1;
}

static int
append(struct cbor_w *w, const void *src, size_t len)
{
	if (w->err != 0)
		return fail(w, w->err);
	if (len > w->size - w->len)
		return fail(w, ENOSPC);
	if (len > 0)
		memcpy(w->buf + w->len, src, len);
	w->len += len;
	return 0;
}

/* Shortest head of a type and number, at most 9 bytes. */
static int
head(struct cbor_w *w, enum cbor_type type, uint64_t val)
{
	uint8_t	*p;
	size_t	 n;

	n = val < 24 ? 0 : val <= UINT8_MAX ? 1 : val <= UINT16_MAX ? 2 :
	    val <= UINT32_MAX ? 4 : 8;
	if (n >= w->size - w->len)
		return fail(w, ENOSPC);
	p = w->buf + w->len;
	w->len += n + 1;
	*p = (uint8_t)(type << 5 | (n == 0 ? val : n == 1 ? 24 :
	    n == 2 ? 25 : n == 4 ? 26 : 27));
	for (; n > 0; n--, val >>= 8)
		p[n] = (uint8_t)val;
	return 0;
}

/* A value comes: is one due here?  Counts it. */
static int
due(struct cbor_w *w)
{
	if (w->err != 0)
		return fail(w, w->err);
	if (w->depth == 0)
		return w->len == 0 ? 0 : fail(w, EINVAL);
	if (w->st[w->depth - 1].map) {
		if (!w->st[w->depth - 1].keyed)
			return fail(w, EINVAL);
		w->st[w->depth - 1].keyed = 0;
	} else if (++w->st[w->depth - 1].n > CBOR_ITEMS)
		return fail(w, EINVAL);
	return 0;
}

static int
put(struct cbor_w *w, enum cbor_type type, uint64_t val, const void *data)
{
	if (due(w) == -1 || head(w, type, val) == -1)
		return -1;
	return data == NULL ? 0 : append(w, data, (size_t)val);
}

void
cbor_init(struct cbor_w *w, void *buf, size_t size)
{
	memset(w, 0, sizeof(*w));
	w->buf = buf;
	w->size = size;
}

int
cbor_key(struct cbor_w *w, uint64_t key)
{
	size_t	 top;

	if (w->err != 0 || w->depth == 0 || !w->st[w->depth - 1].map ||
	    w->st[w->depth - 1].keyed)
		return fail(w, EINVAL);
	top = w->depth - 1;
	if (w->st[top].n > 0 && key <= w->st[top].last)
		return fail(w, EINVAL);
	if (++w->st[top].n > CBOR_ITEMS)
		return fail(w, EINVAL);
	w->st[top].last = key;
	w->st[top].keyed = 1;
	return head(w, CBOR_UINT, key);
}

int
cbor_uint(struct cbor_w *w, uint64_t val)
{
	return put(w, CBOR_UINT, val, NULL);
}

int
cbor_bytes(struct cbor_w *w, const void *src, size_t len)
{
	if (src == NULL && len > 0)
		return fail(w, EINVAL);
	return put(w, CBOR_BYTES, len, src == NULL ? "" : src);
}

int
cbor_text(struct cbor_w *w, const void *src, size_t len)
{
	if ((src == NULL && len > 0) || !cbor_utf8(src, len))
		return fail(w, EINVAL);
	return put(w, CBOR_TEXT, len, src == NULL ? "" : src);
}

int
cbor_open(struct cbor_w *w, enum cbor_type type)
{
	if ((type != CBOR_ARRAY && type != CBOR_MAP) ||
	    w->depth == CBOR_DEPTH)
		return fail(w, EINVAL);
	if (due(w) == -1)
		return -1;
	memset(&w->st[w->depth], 0, sizeof(w->st[0]));
	w->st[w->depth].at = w->len;
	w->st[w->depth].map = type == CBOR_MAP;
	if (head(w, type, 0) == -1)
		return -1;
	w->depth++;
	return 0;
}

/* The number of items is known now: it goes into the head. */
int
cbor_close(struct cbor_w *w)
{
	size_t		 at;
	uint32_t	 n;

	if (w->err != 0 || w->depth == 0 || w->st[w->depth - 1].keyed)
		return fail(w, EINVAL);
	w->depth--;
	at = w->st[w->depth].at;
	n = w->st[w->depth].n;
	if (n < 24) {
		w->buf[at] |= (uint8_t)n;
		return 0;
	}
	if (w->len == w->size)
		return fail(w, ENOSPC);
	memmove(w->buf + at + 2, w->buf + at + 1, w->len - at - 1);
	w->len++;
	w->buf[at] |= 24;
	w->buf[at + 1] = (uint8_t)n;
	return 0;
}

ssize_t
cbor_done(struct cbor_w *w)
{
	if (w->err != 0 || w->depth != 0 || w->len == 0)
		return fail(w, EINVAL);
	return (ssize_t)w->len;
}

/* Number in a head's info bits and what follows; shortest form only. */
static int
number(struct cbor_r *r, unsigned int info, uint64_t *val)
{
	uint64_t	 v;
	size_t		 n, i;

	if (info < 24) {
		*val = info;
		return 0;
	}
	if (info > 27)
		return -1;
	n = (size_t)1 << (info - 24);
	if (r->len - r->off < n)
		return -1;
	for (v = 0, i = 0; i < n; i++)
		v = v << 8 | r->buf[r->off++];
	if (v < 24 || (n > 1 && v >> (4 * n) == 0))
		return -1;
	*val = v;
	return 0;
}

/* One item; -1, errno is the caller's to set. */
static int
next(struct cbor_r *r, struct cbor_item *it)
{
	unsigned int	 b;

	if (r->off >= r->len)
		return -1;
	b = r->buf[r->off++];
	it->type = b >> 5;
	it->data = NULL;
	if (number(r, b & 31, &it->val) == -1)
		return -1;
	switch (it->type) {
	case CBOR_UINT:
		return 0;
	case CBOR_BYTES:
	case CBOR_TEXT:
		if (it->val > r->len - r->off)
			return -1;
		it->data = r->buf + r->off;
		r->off += (size_t)it->val;
		if (it->type == CBOR_TEXT &&
		    !cbor_utf8(it->data, (size_t)it->val))
			return -1;
		return 0;
	case CBOR_ARRAY:
	case CBOR_MAP:
		return it->val > CBOR_ITEMS ? -1 : 0;
	}
	return -1;
}

int
cbor_next(struct cbor_r *r, struct cbor_item *it)
{
	if (next(r, it) == 0)
		return 0;
	errno = EINVAL;
	return -1;
}

int
cbor_skip(struct cbor_r *r, unsigned int depth)
{
	struct cbor_item	 it, key;
	uint64_t		 i, last;

	if (cbor_next(r, &it) == -1)
		return -1;
	if (it.type != CBOR_ARRAY && it.type != CBOR_MAP)
		return 0;
	if (depth == CBOR_DEPTH) {
		errno = EINVAL;
		return -1;
	}
	last = 0;
	for (i = 0; i < it.val; i++) {
		if (it.type == CBOR_MAP) {
			if (cbor_next(r, &key) == -1)
				return -1;
			if (key.type != CBOR_UINT ||
			    (i > 0 && key.val <= last)) {
				errno = EINVAL;
				return -1;
			}
			last = key.val;
		}
		if (cbor_skip(r, depth + 1) == -1)
			return -1;
	}
	return 0;
}

int
cbor_valid(const void *buf, size_t len)
{
	struct cbor_r	 r;

	r.buf = buf;
	r.len = len;
	r.off = 0;
	return cbor_skip(&r, 0) == 0 && r.off == len;
}

/*
 * RFC 3629 section 4.  The first byte says how many follow and what range
 * the second may have; that is where overlong forms and surrogates end.
 */
int
cbor_utf8(const void *buf, size_t len)
{
	const uint8_t	*p;
	uint64_t	 eight;
	size_t		 i, n;
	uint8_t		 lo, hi;

	p = buf;
	for (i = 0; i < len; i += n) {
		lo = 0x80;
		hi = 0xbf;
		if (p[i] < 0x80) {
			n = 1;
			if (len - i < sizeof(eight))
				continue;
			memcpy(&eight, p + i, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0)
				n = sizeof(eight);
			continue;
		}
		if (p[i] < 0xc2 || p[i] > 0xf4)
			return 0;
		n = p[i] < 0xe0 ? 2 : p[i] < 0xf0 ? 3 : 4;
		if (p[i] == 0xe0)
			lo = 0xa0;
		else if (p[i] == 0xed)
			hi = 0x9f;
		else if (p[i] == 0xf0)
			lo = 0x90;
		else if (p[i] == 0xf4)
			hi = 0x8f;
		if (len - i < n || p[i + 1] < lo || p[i + 1] > hi ||
		    (n > 2 && (p[i + 2] & 0xc0) != 0x80) ||
		    (n > 3 && (p[i + 3] & 0xc0) != 0x80))
			return 0;
	}
	return 1;
}
