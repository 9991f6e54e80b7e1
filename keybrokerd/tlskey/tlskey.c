/* SPDX-License-Identifier: ISC */
/*
 * The keys and the one thing that is done with them.  A parsed key lies in the
 * heap of this process, which no other can read and which leaves no core.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/tlskey/tlskey.h"

#define ROUNDS	2		/* good ones that are kept */

struct pair {
	EVP_PKEY	*key;		/* NULL: free */
	uint8_t		 name[TLSKEY_NAME];
	int		 rsa;
	size_t		 size;		/* of a signature, at most */
};

struct round {
	uint32_t	 no;
	int		 used, bad;
	unsigned int	 n;
	struct pair	 pairs[CERTS_MAX];
};

struct tlskey {
	struct round	 good[ROUNDS];	/* newest first */
	struct round	 next;
};

struct tlskey *
tlskey_new(void)
{
	return calloc(1, sizeof(struct tlskey));
}

static void
round_clear(struct round *r)
{
	size_t	 i;

	for (i = 0; i < CERTS_MAX; i++)
		EVP_PKEY_free(r->pairs[i].key);
	memset(r, 0, sizeof(*r));
}

void
tlskey_free(struct tlskey *k)
{
	size_t	 i;

	if (k == NULL)
		return;
	for (i = 0; i < ROUNDS; i++)
		round_clear(&k->good[i]);
	round_clear(&k->next);
	free(k);
}

/* The arriving round of that number. */
static struct round *
arriving(struct tlskey *k, uint32_t no)
{
	if (!k->next.used || k->next.no != no) {
		round_clear(&k->next);
		k->next.used = 1;
		k->next.no = no;
	}
	return &k->next;
}

void
tlskey_bad(struct tlskey *k, uint32_t no)
{
	arriving(k, no)->bad = 1;
}

/* An encrypted key has no one here to type its password. */
static int
no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static const char *
read_cert(const uint8_t *pem, size_t len, X509 **cert)
{
	BIO	*bio;

	*cert = NULL;
	if ((bio = BIO_new_mem_buf(pem, (int)len)) != NULL)
		*cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
	BIO_free(bio);
	return *cert == NULL ? "the certificate is no X.509 in PEM" : NULL;
}

static const char *
read_key(const uint8_t *pem, size_t len, EVP_PKEY **key)
{
	BIO	*bio;

	*key = NULL;
	if ((bio = BIO_new_mem_buf(pem, (int)len)) != NULL)
		*key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	return *key == NULL ? "the key is no private key in PEM, or has a "
	    "password" : NULL;
}

/* Which keys, and what a signature of them may take. */
static const char *
measure(struct pair *p)
{
	char	 group[32];
	size_t	 n;
	int	 bits;

	p->size = (size_t)EVP_PKEY_get_size(p->key);
	if (EVP_PKEY_get_base_id(p->key) == EVP_PKEY_RSA) {
		bits = EVP_PKEY_get_bits(p->key);
		p->rsa = 1;
		return bits == 2048 || bits == 3072 || bits == 4096 ? NULL :
		    "an RSA key has to have 2048, 3072 or 4096 bits";
	}
	if (EVP_PKEY_get_base_id(p->key) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(p->key, group, sizeof(group), &n) == 1 &&
	    strcmp(group, "prime256v1") == 0)
		return NULL;
	return "the key is neither RSA nor EC P-256";
}

static const char *
read_pair(struct pair *p, const uint8_t *cert, size_t certlen,
    const uint8_t *key, size_t keylen)
{
	const char	*why;
	X509		*x;

	if ((why = read_cert(cert, certlen, &x)) == NULL &&
	    (why = read_key(key, keylen, &p->key)) == NULL &&
	    (why = measure(p)) == NULL) {
		if (X509_check_private_key(x, p->key) != 1)
			why = "key and certificate do not belong together";
		else if (X509_digest(x, EVP_sha256(), p->name, NULL) != 1)
			why = "out of memory";
	}
	X509_free(x);
	ERR_clear_error();
	if (why != NULL) {
		EVP_PKEY_free(p->key);
		memset(p, 0, sizeof(*p));
	}
	return why;
}

/* See tlskey.h. */
int
tlskey_add(struct tlskey *k, uint32_t no, uint8_t number, const uint8_t *cert,
    size_t certlen, const uint8_t *key, size_t keylen, char *why, size_t size)
{
	struct round	*r;
	const char	*text;

	r = arriving(k, no);
	if (r->n == CERTS_MAX)
		text = "too many";
	else if (certlen > CERT_BYTES || keylen > CERT_BYTES)
		text = "too long";
	else
		text = read_pair(&r->pairs[r->n], cert, certlen, key, keylen);
	if (text != NULL) {
		r->bad = 1;
		snprintf(why, size, "certificate %u: %s", number, text);
		return -1;
	}
	r->n++;
	return 0;
}

/* See tlskey.h. */
int
tlskey_done(struct tlskey *k, uint32_t no, unsigned int n, char *why,
    size_t size)
{
	struct round	*r;

	r = arriving(k, no);
	if (r->bad || r->n != n) {
		if (!r->bad)
			snprintf(why, size, "%u of %u pairs came", r->n, n);
		round_clear(r);
		return -1;
	}
	round_clear(&k->good[1]);
	k->good[1] = k->good[0];
	k->good[0] = *r;
	memset(r, 0, sizeof(*r));
	return 0;
}

static const struct pair *
find(const struct tlskey *k, const uint8_t name[TLSKEY_NAME])
{
	size_t	 i, j;

	for (i = 0; i < ROUNDS; i++)
		for (j = 0; j < k->good[i].n; j++)
			if (memcmp(k->good[i].pairs[j].name, name,
			    TLSKEY_NAME) == 0)
				return &k->good[i].pairs[j];
	return NULL;
}

static const EVP_MD *
digest_of(size_t len)
{
	return len == 32 ? EVP_sha256() : len == 48 ? EVP_sha384() :
	    len == 64 ? EVP_sha512() : NULL;
}

/* One private operation; pad 0: ECDSA.  The md is the digest's, if any. */
static int
private(const struct pair *p, int pad, const EVP_MD *md, const uint8_t *data,
    size_t len, uint8_t *out, size_t *outlen)
{
	EVP_PKEY_CTX	*c;
	int		 ok;

	*outlen = SIGN_BYTES;
	c = EVP_PKEY_CTX_new(p->key, NULL);
	ok = c != NULL && EVP_PKEY_sign_init(c) == 1 &&
	    (pad == 0 || EVP_PKEY_CTX_set_rsa_padding(c, pad) == 1) &&
	    (md == NULL || EVP_PKEY_CTX_set_signature_md(c, md) == 1) &&
	    EVP_PKEY_sign(c, out, outlen, data, len) == 1;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return ok;
}

/* See tlskey.h. */
enum proto_signerror
tlskey_sign(const struct tlskey *k, const uint8_t name[TLSKEY_NAME],
    uint8_t what, const uint8_t *data, size_t len, uint8_t *out, size_t *outlen)
{
	const struct pair	*p;
	const uint8_t		*digest;
	size_t			 n;
	int			 ok;

	*outlen = 0;
	if ((p = find(k, name)) == NULL)
		return SIGNERR_NOKEY;
	if (p->size > SIGN_BYTES)
		return SIGNERR_FAILED;
	if (what == SIGN_ECDSA && !p->rsa && digest_of(len) != NULL)
		ok = private(p, 0, NULL, data, len, out, outlen);
	else if (what == SIGN_RSA_PKCS1 && p->rsa &&
	    (n = form_pkcs1(data, len, &digest)) != 0)
		ok = private(p, RSA_PKCS1_PADDING, digest_of(n), digest, n,
		    out, outlen);
	else if (what == SIGN_RSA_PSS && p->rsa && len == p->size &&
	    form_pss(data, len))
		ok = private(p, RSA_NO_PADDING, NULL, data, len, out, outlen);
	else
		return SIGNERR_FORM;
	if (!ok) {
		*outlen = 0;
		return SIGNERR_FAILED;
	}
	return SIGNERR_NONE;
}
