/* SPDX-License-Identifier: ISC */
/*
 * The text form of the tokens that clients hold (decisions K4):
 *
 *	tp_dev_ | tp_	12 base62 (public id)	_	43 base62 (256 bits)
 *	6 base62 (CRC-32 of all characters before)
 *
 * Form only: nobody is known by it.  The checksum lets a worker turn away
 * typing errors and cut copies without asking the broker.  No allocation, no
 * I/O, no library.  A made token is a secret: the caller wipes it.
 */
#ifndef COMMON_TOKEN_TOKEN_H
#define COMMON_TOKEN_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#define TOKEN_ID	12		/* characters of the public id */
#define TOKEN_SECRET	43
#define TOKEN_SUM	6
#define TOKEN_LEN	(3 + TOKEN_ID + 1 + TOKEN_SECRET + TOKEN_SUM)
#define TOKEN_DEV_LEN	(TOKEN_LEN + 4)
#define TOKEN_SIZE	(TOKEN_DEV_LEN + 1)	/* room for any, with its NUL */
#define TOKEN_SHORTEST	20		/* unshaped; longest TOKEN_MAX */
/*
 * Random bytes for one token.  55 characters by rejection (248 of 256 values
 * are used); that 128 bytes do not suffice has a probability below 2^-300.
 */
#define TOKEN_RANDOM	128

enum token_shape {
	TOKEN_OK,		/* our form, checksum right */
	TOKEN_BADSUM,		/* our form, checksum wrong */
	TOKEN_UNSHAPED,		/* other tp_..., 20-128: broker decides */
	TOKEN_FOREIGN,		/* does not begin with tp_ */
	TOKEN_MALFORMED		/* tp_ but too short, too long or odd bytes */
};

/*
 * The shape of exactly len bytes.  Token bytes are those of RFC 7235 token68:
 * letters, digits, - . _ ~ + / =.
 */
enum token_shape token_check(const char *, size_t len);
/* The same; and of a TOKEN_OK its public id with a NUL. */
enum token_shape token_parse(const char *, size_t len, char id[TOKEN_ID + 1]);
/*
 * Writes a token and its NUL; dev: a developer's.  Returns its length, or -1
 * (EINVAL: the random bytes are not random).
 */
int	token_make(const uint8_t random[TOKEN_RANDOM], int dev,
	    char out[TOKEN_SIZE]);
/*
 * The public id of a token of our form and a NUL; -1 (EINVAL) if it is not
 * TOKEN_OK.  *dev (may be NULL): it is a developer's.
 */
int	token_public_id(const char *, size_t len, char out[TOKEN_ID + 1],
	    int *dev);
/* n base62 characters and a NUL, from up to len random bytes; -1 as above. */
int	token_base62(const uint8_t *random, size_t len, char *out, size_t n);

#endif
