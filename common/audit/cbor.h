/* SPDX-License-Identifier: ISC */
/*
 * The CBOR subset of AE1 (RFC 8949 section 4.2.1, narrowed): unsigned
 * integers, byte strings, UTF-8 text, arrays, maps with strictly ascending
 * unsigned keys; definite lengths, shortest heads, at most CBOR_DEPTH
 * containers deep.  The reader refuses all else, so that what it accepts has
 * exactly one encoding.  No allocation, no I/O.
 */
#ifndef COMMON_AUDIT_CBOR_H
#define COMMON_AUDIT_CBOR_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define CBOR_DEPTH	4
/* Items in one container; writer and reader refuse more. */
#define CBOR_ITEMS	255

enum cbor_type {
	CBOR_UINT = 0,
	CBOR_BYTES = 2,
	CBOR_TEXT = 3,
	CBOR_ARRAY = 4,
	CBOR_MAP = 5
};

/* One head; for strings the payload as well. */
struct cbor_item {
	enum cbor_type	 type;
	uint64_t	 val;	/* value, length in bytes, items or pairs */
	const uint8_t	*data;	/* strings: val bytes inside the input */
};

/* A position in bytes that the caller keeps. */
struct cbor_r {
	const uint8_t	*buf;
	size_t		 len;
	size_t		 off;
};

/* A writer; err is sticky, so that only the last call needs a check. */
struct cbor_w {
	uint8_t		*buf;
	size_t		 size;
	size_t		 len;
	int		 err;
	unsigned int	 depth;
	struct {
		size_t	 at;	/* offset of the one-byte head */
		uint64_t last;	/* last key of a map */
		uint32_t n;	/* items or pairs so far */
		uint8_t	 map;
		uint8_t	 keyed;	/* a key is written, its value is due */
	} st[CBOR_DEPTH];
};

/* Writer.  Each returns 0, or -1 with errno EINVAL or ENOSPC. */
void	cbor_init(struct cbor_w *, void *buf, size_t size);
int	cbor_key(struct cbor_w *, uint64_t key);
int	cbor_uint(struct cbor_w *, uint64_t);
int	cbor_bytes(struct cbor_w *, const void *, size_t);
int	cbor_text(struct cbor_w *, const void *, size_t);
int	cbor_open(struct cbor_w *, enum cbor_type);	/* ARRAY or MAP */
int	cbor_close(struct cbor_w *);
/* Length of the whole, everything closed; or -1. */
ssize_t	cbor_done(struct cbor_w *);

/*
 * Reader.  cbor_next reads one head (and the payload of a string); -1
 * (EINVAL) if it is not of the subset or runs over the end.  cbor_skip
 * passes over one item with all that it contains, inside of depth open
 * containers.  cbor_valid: is buf[0..len) exactly one item of the subset?
 */
int	cbor_next(struct cbor_r *, struct cbor_item *);
int	cbor_skip(struct cbor_r *, unsigned int depth);
int	cbor_valid(const void *buf, size_t len);

/*
 * Well-formed UTF-8 (RFC 3629: no surrogates, no overlong form)?  The broker
 * asks it before it takes a worker's text into an entry.
 */
int	cbor_utf8(const void *, size_t);

#endif
