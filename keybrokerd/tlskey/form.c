/* SPDX-License-Identifier: ISC */
/*
 * The two forms in which TLS hands a message to RSA (RFC 8446 4.2.3, RFC 5246
 * 4.7).  A private operation on anything else could decrypt what an old client
 * sent, or sign for another protocol.  Pure; believes nothing.
 */
#include <openssl/evp.h>

#include <string.h>

#include "keybrokerd/tlskey/tlskey.h"

#define PSS_TRAILER	0xbc

/* DER of AlgorithmIdentifier and the OCTET STRING's head (RFC 8017 9.2). */
static const struct info {
	size_t	 digest;
	uint8_t	 head[19];
} infos[] = {
	{ 32, { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 } },
	{ 48, { 0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	    0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30 } },
	{ 64, { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	    0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40 } },
};

/* See tlskey.h. */
size_t
form_pkcs1(const uint8_t *p, size_t len, const uint8_t **digest)
{
	size_t	 i, head;

	for (i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
		head = sizeof(infos[i].head);
		if (len != head + infos[i].digest ||
		    memcmp(p, infos[i].head, head) != 0)
			continue;
		*digest = p + head;
		return infos[i].digest;
	}
	return 0;
}

/* out ^= MGF1(seed) (RFC 8017 B.2.1); 0, or -1 out of memory. */
static int
unmask(uint8_t *out, size_t len, const uint8_t *seed, size_t hlen,
    const EVP_MD *md)
{
	uint8_t	 in[EVP_MAX_MD_SIZE + 4], block[EVP_MAX_MD_SIZE];
	size_t	 i, off;
	uint32_t count;

	memcpy(in, seed, hlen);
	for (off = 0, count = 0; off < len; off += hlen, count++) {
		in[hlen] = (uint8_t)(count >> 24);
		in[hlen + 1] = (uint8_t)(count >> 16);
		in[hlen + 2] = (uint8_t)(count >> 8);
		in[hlen + 3] = (uint8_t)count;
		if (EVP_Digest(in, hlen + 4, block, NULL, md, NULL) != 1)
			return -1;
		for (i = 0; i < hlen && off + i < len; i++)
			out[off + i] ^= block[i];
	}
	return 0;
}

/* EM = maskedDB || H || 0xbc, DB = zeros || 0x01 || salt. */
static int
pss_of(const uint8_t *em, size_t len, const EVP_MD *md)
{
	uint8_t	 db[SIGN_BYTES];
	size_t	 dblen, hlen, i, pad;

	hlen = (size_t)EVP_MD_get_size(md);
	dblen = len - hlen - 1;
	pad = dblen - hlen - 1;
	memcpy(db, em, dblen);
	if (unmask(db, dblen, em + dblen, hlen, md) == -1)
		return 0;
	db[0] &= 0x7f;		/* the one bit above emBits */
	for (i = 0; i < pad; i++)
		if (db[i] != 0)
			return 0;
	return db[pad] == 0x01;
}

/* See tlskey.h. */
int
form_pss(const uint8_t *em, size_t len)
{
	if (len < 256 || len > SIGN_BYTES || em[len - 1] != PSS_TRAILER ||
	    (em[0] & 0x80) != 0)
		return 0;
	return pss_of(em, len, EVP_sha256()) || pss_of(em, len, EVP_sha384()) ||
	    pss_of(em, len, EVP_sha512());
}
