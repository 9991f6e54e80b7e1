/* SPDX-License-Identifier: ISC */
/*
 * HMAC-SHA-256 (RFC 2104, FIPS 198-1) on sha256.h.
 */
#ifndef COMMON_TEXT_HMAC_H
#define COMMON_TEXT_HMAC_H

#include "common/text/sha256.h"

/* As secret as the key that made it. */
struct hmac {
	struct sha256	 inner, outer;
};

/* A key of any length; one of more than 64 bytes is hashed first. */
void	hmac_init(struct hmac *, const void *key, size_t);
void	hmac_update(struct hmac *, const void *, size_t);

/* Writes the code and wipes the state. */
void	hmac_final(struct hmac *, uint8_t out[SHA256_LEN]);

#endif
