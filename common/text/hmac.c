/* SPDX-License-Identifier: ISC */
/*
 * HMAC-SHA-256, for rows, pseudonyms, fingerprints, derived keys and request
 * signatures.  Whatever of a key is on this stack is wiped.
 */
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/hmac.h"

#define BLOCK	64	/* bytes that SHA-256 takes at once */

void
hmac_init(struct hmac *h, const void *key, size_t len)
{
	uint8_t	 pad[BLOCK];
	size_t	 i;

	memset(pad, 0, sizeof(pad));
	if (len > sizeof(pad))
		sha256_buf(key, len, pad);
	else if (len > 0)
		memcpy(pad, key, len);
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	sha256_init(&h->inner);
	sha256_update(&h->inner, pad, sizeof(pad));
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha256_init(&h->outer);
	sha256_update(&h->outer, pad, sizeof(pad));
	explicit_bzero(pad, sizeof(pad));
}

void
hmac_update(struct hmac *h, const void *p, size_t len)
{
	sha256_update(&h->inner, p, len);
}

void
hmac_final(struct hmac *h, uint8_t out[SHA256_LEN])
{
	uint8_t	 digest[SHA256_LEN];

	sha256_final(&h->inner, digest);
	sha256_update(&h->outer, digest, sizeof(digest));
	sha256_final(&h->outer, out);
	explicit_bzero(digest, sizeof(digest));
}
