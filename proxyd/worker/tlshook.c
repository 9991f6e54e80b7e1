/* SPDX-License-Identifier: ISC */
/*
 * libcrypto's default methods for RSA and EC, replaced: the "private key" of a
 * certificate here is its public half, and what it should sign goes to tlskey.
 * libtls makes its keys with the default methods (reference: performance.md).
 */
#define OPENSSL_SUPPRESS_DEPRECATED	/* the methods have no successor */
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

/* RSA: the padded form for PSS, a DigestInfo for PKCS #1. */
static int
rsa_sign(int len, const unsigned char *from, unsigned char *to, RSA *rsa,
    int padding)
{
	int	 n;

	if (len <= 0 || len > SIGN_BYTES || RSA_size(rsa) > SIGN_BYTES)
		return -1;
	if (padding == RSA_NO_PADDING)
		n = signer_sign(SIGN_RSA_PSS, from, (size_t)len, to,
		    (size_t)RSA_size(rsa));
	else if (padding == RSA_PKCS1_PADDING)
		n = signer_sign(SIGN_RSA_PKCS1, from, (size_t)len, to,
		    (size_t)RSA_size(rsa));
	else
		return -1;
	return n == RSA_size(rsa) ? n : -1;
}

static int
ec_sign(int type, const unsigned char *digest, int len, unsigned char *sig,
    unsigned int *siglen, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
	int	 n;

	(void)type;
	(void)kinv;
	(void)r;
	if (len <= 0 || len > 64)
		return 0;
	n = signer_sign(SIGN_ECDSA, digest, (size_t)len, sig,
	    (size_t)ECDSA_size(key));
	if (n <= 0)
		return 0;
	*siglen = (unsigned int)n;
	return 1;
}

/* 0, or -1: out of memory. */
int
tlshook_init(void)
{
	EC_KEY_METHOD	*ec;
	RSA_METHOD	*rsa;
	int		(*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **);

	rsa = RSA_meth_dup(RSA_get_default_method());
	ec = EC_KEY_METHOD_new(EC_KEY_get_default_method());
	if (rsa == NULL || ec == NULL ||
	    RSA_meth_set_priv_enc(rsa, rsa_sign) != 1)
		return -1;
	EC_KEY_METHOD_get_sign(ec, NULL, &setup, NULL);
	EC_KEY_METHOD_set_sign(ec, ec_sign, setup, NULL);
	RSA_set_default_method(rsa);
	EC_KEY_set_default_method(ec);
	return 0;
}
