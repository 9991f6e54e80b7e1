/* SPDX-License-Identifier: ISC */
/*
 * SHA-256 by libcrypto's block function (SHA-NI where there is one), without
 * a method fetch and without an allocation: a state is a plain value that
 * may be copied to fork a hash and needs no free.
 */
#ifndef COMMON_TEXT_SHA256_H
#define COMMON_TEXT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN	32

/* Opaque; sha256.c asserts that libcrypto's state fits. */
struct sha256 {
	uint64_t	 state[16];
};

void	sha256_init(struct sha256 *);
void	sha256_update(struct sha256 *, const void *, size_t);

/* Writes the digest and wipes the state. */
void	sha256_final(struct sha256 *, uint8_t out[SHA256_LEN]);

/* Digest of one buffer. */
void	sha256_buf(const void *, size_t, uint8_t out[SHA256_LEN]);

#endif
