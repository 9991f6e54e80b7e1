/* SPDX-License-Identifier: ISC */
/* Operations of tlskey: what it signs, what it refuses, which keys it holds. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/tlskey/tlskey.h"

struct made {
	EVP_PKEY	*pkey;
	char		 cert[8192], key[8192];
	uint8_t		 name[TLSKEY_NAME];
};

static struct made	 rsa, ec, other, small, p384;

static void
pem_of(BIO *bio, char out[8192])
{
	char	*p;
	long	 n;

	n = BIO_get_mem_data(bio, &p);
	assert_in_range(n, 1, 8191);
	memcpy(out, p, (size_t)n);
	out[n] = '\0';
	BIO_free(bio);
}

static void
make(struct made *m, EVP_PKEY *pkey)
{
	X509	*x;
	BIO	*bio;

	m->pkey = pkey;
	assert_non_null(pkey);
	x = X509_new();
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_ASC, (const unsigned char *)"t", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, pkey);
	assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
	assert_int_equal(X509_digest(x, EVP_sha256(), m->name, NULL), 1);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	pem_of(bio, m->cert);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0,
	    NULL, NULL), 1);
	pem_of(bio, m->key);
	X509_free(x);
}

static int
setup(void **state)
{
	(void)state;
	make(&rsa, EVP_RSA_gen(2048));
	make(&ec, EVP_EC_gen("P-256"));
	make(&other, EVP_EC_gen("P-256"));
	make(&small, EVP_RSA_gen(1024));
	make(&p384, EVP_EC_gen("P-384"));
	return 0;
}

static int
add2(struct tlskey *k, uint32_t round, const char *cert, const char *key,
    char why[200])
{
	why[0] = '\0';
	return tlskey_add(k, round, 1, (const uint8_t *)cert, strlen(cert),
	    (const uint8_t *)key, strlen(key), why, 200);
}

/* One key, committed as a round. */
static void
hold(struct tlskey *k, uint32_t round, const struct made *m)
{
	char	 why[200];

	assert_int_equal(add2(k, round, m->cert, m->key, why), 0);
	assert_int_equal(tlskey_done(k, round, 1, why, sizeof(why)), 0);
}

static const uint8_t	 der[3][19] = {
	"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
	    "\x04\x20",
	"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00"
	    "\x04\x30",
	"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00"
	    "\x04\x40",
};

static const EVP_MD *
md_of(size_t i)
{
	return i == 0 ? EVP_sha256() : i == 1 ? EVP_sha384() : EVP_sha512();
}

static int
verifies(EVP_PKEY *p, int pad, const EVP_MD *md, const uint8_t *digest,
    size_t len, const uint8_t *sig, size_t siglen)
{
	EVP_PKEY_CTX	*c;
	int		 r;

	c = EVP_PKEY_CTX_new(p, NULL);
	assert_int_equal(EVP_PKEY_verify_init(c), 1);
	if (pad != 0)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(c, pad), 1);
	if (md != NULL)
		assert_int_equal(EVP_PKEY_CTX_set_signature_md(c, md), 1);
	if (pad == RSA_PKCS1_PSS_PADDING)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(c,
		    RSA_PSS_SALTLEN_DIGEST), 1);
	r = EVP_PKEY_verify(c, sig, siglen, digest, len);
	EVP_PKEY_CTX_free(c);
	return r == 1;
}

/* What libssl's worker hands over for PSS: encoded by libcrypto, not signed. */
static void
pss_encode(const EVP_MD *md, int saltlen, const uint8_t *digest, size_t len,
    uint8_t em[256])
{
	EVP_PKEY_CTX	*c;
	uint8_t		 sig[256];
	size_t		 n;

	/* sign, then undo the private operation with the public key */
	c = EVP_PKEY_CTX_new(rsa.pkey, NULL);
	assert_int_equal(EVP_PKEY_sign_init(c), 1);
	EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_signature_md(c, md);
	EVP_PKEY_CTX_set_rsa_pss_saltlen(c, saltlen);
	n = sizeof(sig);
	assert_int_equal(EVP_PKEY_sign(c, sig, &n, digest, len), 1);
	EVP_PKEY_CTX_free(c);
	c = EVP_PKEY_CTX_new(rsa.pkey, NULL);
	assert_int_equal(EVP_PKEY_encrypt_init(c), 1);
	EVP_PKEY_CTX_set_rsa_padding(c, RSA_NO_PADDING);
	n = 256;
	assert_int_equal(EVP_PKEY_encrypt(c, em, &n, sig, 256), 1);
	EVP_PKEY_CTX_free(c);
}

static void
signs(void **state)
{
	struct tlskey	*k;
	uint8_t		 digest[64], info[83], em[256], out[SIGN_BYTES];
	size_t		 i, len, n;
	char		 why[200];

	(void)state;
	k = tlskey_new();
	assert_int_equal(add2(k, 1, rsa.cert, rsa.key, why), 0);
	assert_int_equal(add2(k, 1, ec.cert, ec.key, why), 0);
	assert_int_equal(tlskey_done(k, 1, 2, why, sizeof(why)), 0);
	memset(digest, 0x5a, sizeof(digest));
	for (i = 0; i < 3; i++) {
		len = 32 + 16 * i;
		assert_int_equal(tlskey_sign(k, ec.name, SIGN_ECDSA, digest,
		    len, out, &n), SIGNERR_NONE);
		assert_true(verifies(ec.pkey, 0, NULL, digest, len, out, n));
		memcpy(info, der[i], 19);
		memcpy(info + 19, digest, len);
		assert_int_equal(tlskey_sign(k, rsa.name, SIGN_RSA_PKCS1, info,
		    19 + len, out, &n), SIGNERR_NONE);
		assert_int_equal(n, 256);
		assert_true(verifies(rsa.pkey, RSA_PKCS1_PADDING, md_of(i),
		    digest, len, out, n));
		pss_encode(md_of(i), RSA_PSS_SALTLEN_DIGEST, digest, len, em);
		assert_int_equal(tlskey_sign(k, rsa.name, SIGN_RSA_PSS, em,
		    256, out, &n), SIGNERR_NONE);
		assert_int_equal(n, 256);
		assert_true(verifies(rsa.pkey, RSA_PKCS1_PSS_PADDING, md_of(i),
		    digest, len, out, n));
	}
	tlskey_free(k);
}

static void
refused(struct tlskey *k, const uint8_t *name, uint8_t what, const void *p,
    size_t len, enum proto_signerror error)
{
	uint8_t	 out[SIGN_BYTES];
	size_t	 n;

	n = 1;
	assert_int_equal(tlskey_sign(k, name, what, p, len, out, &n), error);
	assert_int_equal(n, 0);
}

static void
refuses(void **state)
{
	struct tlskey	*k;
	uint8_t		 d[SIGN_BYTES], em[256], info[51], none[32];
	size_t		 i;
	char		 why[200];

	(void)state;
	k = tlskey_new();
	assert_int_equal(add2(k, 1, rsa.cert, rsa.key, why), 0);
	assert_int_equal(add2(k, 1, ec.cert, ec.key, why), 0);
	assert_int_equal(tlskey_done(k, 1, 2, why, sizeof(why)), 0);
	memset(none, 0, sizeof(none));
	memset(d, 1, sizeof(d));
	refused(k, none, SIGN_ECDSA, d, 32, SIGNERR_NOKEY);
	/* lengths that no digest of TLS has */
	for (i = 0; i <= SIGN_BYTES; i++)
		if (i != 32 && i != 48 && i != 64)
			refused(k, ec.name, SIGN_ECDSA, d, i, SIGNERR_FORM);
	/* the other key's operation, and none */
	refused(k, rsa.name, SIGN_ECDSA, d, 32, SIGNERR_FORM);
	refused(k, ec.name, SIGN_RSA_PKCS1, d, 51, SIGNERR_FORM);
	refused(k, ec.name, SIGN_RSA_PSS, d, 256, SIGNERR_FORM);
	for (i = 0; i < 256; i++)
		if (i < SIGN_ECDSA || i > SIGN_RSA_PSS)
			refused(k, rsa.name, (uint8_t)i, d, 256, SIGNERR_FORM);
	/* raw blocks of any length: no decryption, no foreign padding */
	for (i = 0; i <= SIGN_BYTES; i++) {
		refused(k, rsa.name, SIGN_RSA_PSS, d, i, SIGNERR_FORM);
		refused(k, rsa.name, SIGN_RSA_PKCS1, d, i, SIGNERR_FORM);
	}
	memset(em, 0xff, sizeof(em));
	memcpy(em, "\x00\x01", 2);
	em[255 - 51] = 0;
	refused(k, rsa.name, SIGN_RSA_PSS, em, 256, SIGNERR_FORM);
	/* a DigestInfo with any byte of its head changed, or SHA-1's */
	for (i = 0; i < 19; i++) {
		memset(info, 3, sizeof(info));
		memcpy(info, der[0], 19);
		info[i] ^= 1;
		refused(k, rsa.name, SIGN_RSA_PKCS1, info, 51, SIGNERR_FORM);
	}
	refused(k, rsa.name, SIGN_RSA_PKCS1, "\x30\x21\x30\x09\x06\x05\x2b\x0e"
	    "\x03\x02\x1a\x05\x00\x04\x14" "01234567890123456789", 35,
	    SIGNERR_FORM);
	/* PSS with another salt, and with a bit changed anywhere but in H */
	pss_encode(EVP_sha256(), 20, d, 32, em);
	refused(k, rsa.name, SIGN_RSA_PSS, em, 256, SIGNERR_FORM);
	for (i = 0; i < 256; i++) {
		pss_encode(EVP_sha256(), RSA_PSS_SALTLEN_DIGEST, d, 32, em);
		em[i] ^= 0x80;
		/* the salt is random: those 32 bytes are still a form */
		if (i >= 191 && i < 223)
			continue;
		refused(k, rsa.name, SIGN_RSA_PSS, em, 256, SIGNERR_FORM);
	}
	tlskey_free(k);
}

static void
bad_pairs(void **state)
{
	struct tlskey	*k;
	char		 why[200];
	uint8_t		 d[32] = { 0 };

	static const char	 rubbish[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n"
	    "-----END PRIVATE KEY-----\n";

	(void)state;
	k = tlskey_new();
	hold(k, 1, &ec);
	assert_int_equal(add2(k, 2, other.cert, ec.key, why), -1);
	assert_non_null(strstr(why, "do not belong together"));
	/* a good pair does not mend the round */
	assert_int_equal(add2(k, 2, rsa.cert, rsa.key, why), 0);
	assert_int_equal(tlskey_done(k, 2, 1, why, sizeof(why)), -1);
	assert_int_equal(add2(k, 3, ec.cert, rubbish, why), -1);
	assert_non_null(strstr(why, "no private key"));
	assert_int_equal(add2(k, 4, ec.key, ec.key, why), -1);
	assert_non_null(strstr(why, "no X.509"));
	assert_int_equal(add2(k, 5, small.cert, small.key, why), -1);
	assert_non_null(strstr(why, "2048"));
	assert_int_equal(add2(k, 6, p384.cert, p384.key, why), -1);
	assert_non_null(strstr(why, "P-256"));
	assert_int_equal(add2(k, 7, rsa.cert, rsa.key, why), 0);
	assert_int_equal(tlskey_done(k, 7, 2, why, sizeof(why)), -1);
	tlskey_bad(k, 8);
	assert_int_equal(add2(k, 8, rsa.cert, rsa.key, why), 0);
	assert_int_equal(tlskey_done(k, 8, 1, why, sizeof(why)), -1);
	/* the good round is untouched, nothing of the bad ones is held */
	refused(k, rsa.name, SIGN_RSA_PKCS1, d, 32, SIGNERR_NOKEY);
	refused(k, ec.name, SIGN_ECDSA, d, 31, SIGNERR_FORM);
	tlskey_free(k);
}

static void
rounds(void **state)
{
	struct tlskey	*k;
	uint8_t		 d[32] = { 0 }, out[SIGN_BYTES];
	size_t		 n;

	(void)state;
	k = tlskey_new();
	hold(k, 1, &ec);
	hold(k, 2, &other);
	/* the previous round still signs, for workers that drain */
	assert_int_equal(tlskey_sign(k, ec.name, SIGN_ECDSA, d, 32, out, &n),
	    SIGNERR_NONE);
	assert_int_equal(tlskey_sign(k, other.name, SIGN_ECDSA, d, 32, out,
	    &n), SIGNERR_NONE);
	hold(k, 3, &other);
	refused(k, ec.name, SIGN_ECDSA, d, 32, SIGNERR_NOKEY);
	assert_int_equal(tlskey_sign(k, other.name, SIGN_ECDSA, d, 32, out,
	    &n), SIGNERR_NONE);
	tlskey_free(k);
}

static int
teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa.pkey);
	EVP_PKEY_free(ec.pkey);
	EVP_PKEY_free(other.pkey);
	EVP_PKEY_free(small.pkey);
	EVP_PKEY_free(p384.pkey);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(signs),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bad_pairs),
		cmocka_unit_test(rounds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
