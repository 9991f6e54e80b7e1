/* SPDX-License-Identifier: ISC */
/*
 * SHA-256 for every role.  libcrypto's EVP layer costs a method fetch and an
 * allocation for each state (five times the hash itself on small inputs), so
 * the block interface below it is used; OpenSSL 3 calls that deprecated, and
 * this is the one file that knows.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "common/text/sha256.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256),
    "libcrypto's state does not fit");

void
sha256_init(struct sha256 *h)
{
	SHA256_Init((SHA256_CTX *)h->state);
}

void
sha256_update(struct sha256 *h, const void *buf, size_t len)
{
	SHA256_Update((SHA256_CTX *)h->state, buf, len);
}

void
sha256_final(struct sha256 *h, uint8_t out[SHA256_LEN])
{
	SHA256_Final(out, (SHA256_CTX *)h->state);
	OPENSSL_cleanse(h, sizeof(*h));
}

void
sha256_buf(const void *buf, size_t len, uint8_t out[SHA256_LEN])
{
	struct sha256	 h;

	sha256_init(&h);
	sha256_update(&h, buf, len);
	sha256_final(&h, out);
}
