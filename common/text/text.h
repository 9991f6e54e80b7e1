/* SPDX-License-Identifier: ISC */
/*
 * Text forms of bytes.  Each character is computed with arithmetic, no
 * table is indexed by a secret and no branch depends on one, so that keys
 * may pass through here.  Decoders are strict: one text for one value.
 */
#ifndef COMMON_TEXT_TEXT_H
#define COMMON_TEXT_TEXT_H

#include <sys/types.h>

#include <stddef.h>

/* Alphabet of RFC 4648: 4 with padding, 5 (url) without. */
enum b64_kind {
	B64_STD,
	B64_URL
};

/* Room for the text and its NUL. */
#define HEX_SIZE(n)	((n) * 2 + 1)
#define B64_SIZE(n)	(((n) + 2) / 3 * 4 + 1)

/* hex.c */

/*
 * Writes len bytes as 2 * len lower-case digits and a NUL.  Returns the
 * number of digits, or -1 (ENOSPC) when size < HEX_SIZE(len).
 */
ssize_t	hex_encode(char *dst, size_t size, const void *src, size_t len);

/*
 * Reads exactly len characters, lower-case digits only.  Returns the number
 * of bytes, or -1: EINVAL odd length or another character, ENOSPC.  dst is
 * unspecified after an error.
 */
ssize_t	hex_decode(void *dst, size_t size, const char *src, size_t len);

/* b64.c */

/*
 * Writes the text and a NUL.  Returns the length of the text, or -1
 * (ENOSPC).  B64_SIZE(len) always suffices.
 */
ssize_t	b64_encode(char *dst, size_t size, const void *src, size_t len,
	    enum b64_kind kind);

/*
 * Reads exactly len characters: B64_STD with the padding that belongs there,
 * B64_URL without any; unused bits must be zero; no white space.  Returns
 * the number of bytes, or -1: EINVAL, ENOSPC.  dst is unspecified after an
 * error.
 */
ssize_t	b64_decode(void *dst, size_t size, const char *src, size_t len,
	    enum b64_kind kind);

/* show.c */

/*
 * Length of the character of UTF-8 at buf, if a terminal shows it; 0 if its
 * first byte is to be escaped (or len is 0): a control character, one that hides
 * or turns text, or no UTF-8.
 */
size_t	show_char(const void *buf, size_t len);

/* Each byte of s that is not to be shown becomes '?', except keep. */
void	show_mask(char *s, char keep);

#endif
