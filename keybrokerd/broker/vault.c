/* SPDX-License-Identifier: ISC */
/*
 * Ciphertexts and records of the vault, see vault.h.  Keys derived from the
 * vault key live on the stack of one function and are wiped before it returns;
 * libcrypto's context is reset (and thereby wiped) after each use.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/text/hmac.h"
#include "common/text/text.h"
#include "keybrokerd/broker/vault.h"

#define AAD_MAX		512
#define BLOB_MAX	(VAULT_PLAIN + VAULT_FIXED)
#define LEGACY_FIXED	(VAULT_NONCE + VAULT_TAG)

static const char	product[] = "tappass-vault", version[] = "v1";
static const char	info_kid[] = "tappass kid v1";
static const char	info_rec[] = "tappass rec v1";

static EVP_CIPHER	*aes;		/* fetched once, never freed */

/* ---- AES-256-GCM -------------------------------------------------------- */

int
vault_prepare(void)
{
	if (aes != NULL)
		return 0;
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1)
		aes = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (aes == NULL) {
		errno = EIO;
		return -1;
	}
	return 0;
}

int
vault_gcm_seal(struct vault *v, const uint8_t *key, const uint8_t *nonce,
    const void *aad, size_t aadlen, const uint8_t *in, size_t len,
    uint8_t *out, uint8_t tag[VAULT_TAG])
{
	uint8_t	 none[16];
	int	 n, ok;

	ok = EVP_EncryptInit_ex2(v->ctx, aes, key, nonce, NULL) == 1;
	if (ok && aadlen > 0)
		ok = EVP_EncryptUpdate(v->ctx, NULL, &n, aad,
		    (int)aadlen) == 1;
	if (ok && len > 0)
		ok = EVP_EncryptUpdate(v->ctx, out, &n, in, (int)len) == 1 &&
		    (size_t)n == len;
	ok = ok && EVP_EncryptFinal_ex(v->ctx, none, &n) == 1 && n == 0 &&
	    EVP_CIPHER_CTX_ctrl(v->ctx, EVP_CTRL_GCM_GET_TAG, VAULT_TAG,
	    tag) == 1;
	EVP_CIPHER_CTX_reset(v->ctx);
	if (!ok) {
		errno = EIO;
		return -1;
	}
	return 0;
}

int
vault_gcm_open(struct vault *v, const uint8_t *key, const uint8_t *nonce,
    const void *aad, size_t aadlen, const uint8_t *in, size_t len,
    const uint8_t tag[VAULT_TAG], uint8_t *out)
{
	uint8_t	 copy[VAULT_TAG], none[16];
	int	 n, ok;

	memcpy(copy, tag, VAULT_TAG);
	ok = EVP_DecryptInit_ex2(v->ctx, aes, key, nonce, NULL) == 1;
	if (ok && aadlen > 0)
		ok = EVP_DecryptUpdate(v->ctx, NULL, &n, aad,
		    (int)aadlen) == 1;
	if (ok && len > 0)
		ok = EVP_DecryptUpdate(v->ctx, out, &n, in, (int)len) == 1 &&
		    (size_t)n == len;
	ok = ok && EVP_CIPHER_CTX_ctrl(v->ctx, EVP_CTRL_GCM_SET_TAG,
	    VAULT_TAG, copy) == 1 &&
	    EVP_DecryptFinal_ex(v->ctx, none, &n) == 1 && n == 0;
	EVP_CIPHER_CTX_reset(v->ctx);
	if (!ok) {
		secret_wipe(out, len);
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

/* ---- derivation --------------------------------------------------------- */

/* RFC 5869 HKDF-Expand with SHA-256; info and salt are its one info. */
static void
expand(const uint8_t prk[32], const char *info, const uint8_t *salt,
    size_t saltlen, uint8_t *out, size_t len)
{
	struct hmac	 h;
	uint8_t		 t[32], i;
	size_t		 n;

	for (i = 1; len > 0; i++) {
		hmac_init(&h, prk, 32);
		if (i > 1)
			hmac_update(&h, t, sizeof(t));
		hmac_update(&h, info, strlen(info));
		if (saltlen > 0)
			hmac_update(&h, salt, saltlen);
		hmac_update(&h, &i, 1);
		hmac_final(&h, t);
		n = len < sizeof(t) ? len : sizeof(t);
		memcpy(out, t, n);
		out += n;
		len -= n;
	}
	secret_wipe(t, sizeof(t));
}

/* First eight bytes of the full HKDF (empty salt), as 13 base32 characters. */
void
vault_key_kid(struct secret *dek, char kid[VAULT_KID + 1])
{
	static const uint8_t	 zeros[32];
	static const char	 abc[] = "abcdefghijklmnopqrstuvwxyz234567";
	struct hmac		 h;
	uint8_t			 prk[32], b[8];
	uint64_t		 v;
	int			 i;

	hmac_init(&h, zeros, sizeof(zeros));
	hmac_update(&h, secret_bytes(dek), VAULT_KEY);
	hmac_final(&h, prk);
	expand(prk, info_kid, NULL, 0, b, sizeof(b));
	for (v = 0, i = 0; i < 8; i++)
		v = v << 8 | b[i];
	for (i = 0; i < 12; i++)
		kid[i] = abc[v >> (59 - 5 * i) & 31];
	kid[12] = abc[v << 1 & 31];
	kid[13] = '\0';
	secret_wipe(prk, sizeof(prk));
}

/* ---- the vault key ------------------------------------------------------ */

struct secret *
vault_key_parse(struct secret *text, int file)
{
	struct secret	*dek;
	const char	*p;
	size_t		 len;

	p = (const char *)secret_bytes(text);
	len = secret_len(text);
	if (file && len == VAULT_KEY_TEXT + 1 && p[VAULT_KEY_TEXT] == '\n')
		len--;
	if (len != VAULT_KEY_TEXT) {
		errno = EINVAL;
		return NULL;
	}
	dek = secret_new(VAULT_KEY);
	if (dek == NULL)
		return NULL;
	if (b64_decode(secret_bytes(dek), VAULT_KEY, p, len, B64_STD) !=
	    VAULT_KEY) {
		secret_free(&dek);
		errno = EINVAL;
	}
	return dek;
}

int
vault_init(struct vault *v, struct secret **dek)
{
	memset(v, 0, sizeof(*v));
	if (vault_previous(v, dek) == -1)
		return -1;
	v->ctx = EVP_CIPHER_CTX_new();
	if (v->ctx == NULL || vault_prepare() == -1) {
		vault_close(v);
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

/* Behind the others; the first is the current one. */
int
vault_previous(struct vault *v, struct secret **dek)
{
	struct vault_key	*k;
	char			 kid[VAULT_KID + 1];

	if (*dek == NULL || secret_len(*dek) != VAULT_KEY) {
		secret_free(dek);
		errno = EINVAL;
		return -1;
	}
	vault_key_kid(*dek, kid);
	if (vault_key_of(v, kid) != NULL) {
		secret_free(dek);
		return 0;
	}
	if (v->nkeys == VAULT_RING) {
		secret_free(dek);
		errno = ENOSPC;
		return -1;
	}
	k = &v->key[v->nkeys++];
	k->dek = *dek;
	*dek = NULL;
	memcpy(k->kid, kid, sizeof(k->kid));
	return 0;
}

int
vault_turn(struct vault *v, struct secret **dek)
{
	struct vault_key	 last;
	size_t			 n;

	n = v->nkeys;
	if (vault_previous(v, dek) == -1)
		return -1;
	if (v->nkeys == n) {
		errno = EEXIST;
		return -1;
	}
	last = v->key[n];
	memmove(&v->key[1], &v->key[0], n * sizeof(v->key[0]));
	v->key[0] = last;
	return 0;
}

int
vault_forget(struct vault *v, const char *kid)
{
	size_t	 i;

	for (i = 1; i < v->nkeys; i++)
		if (strcmp(v->key[i].kid, kid) == 0)
			break;
	if (i >= v->nkeys)
		return 0;
	secret_free(&v->key[i].dek);
	v->nkeys--;
	memmove(&v->key[i], &v->key[i + 1],
	    (v->nkeys - i) * sizeof(v->key[0]));
	memset(&v->key[v->nkeys], 0, sizeof(v->key[0]));
	return 1;
}

void
vault_close(struct vault *v)
{
	size_t	 i;

	for (i = 0; i < v->n; i++)
		secret_free(&v->records[i].value);
	for (i = 0; i < v->nkeys; i++)
		secret_free(&v->key[i].dek);
	EVP_CIPHER_CTX_free(v->ctx);
	memset(v, 0, sizeof(*v));
}

const char *
vault_kid(const struct vault *v)
{
	return v->key[0].kid;
}

const char *
vault_kid_at(const struct vault *v, size_t i)
{
	return i < v->nkeys ? v->key[i].kid : NULL;
}

struct secret *
vault_key_of(const struct vault *v, const char *kid)
{
	size_t	 i;

	for (i = 0; i < v->nkeys; i++)
		if (memcmp(v->key[i].kid, kid, VAULT_KID) == 0)
			return v->key[i].dek;
	return NULL;
}

/* ---- seal and open ------------------------------------------------------ */

/* Appends {u32 length, bytes}; sticky -1 in *off when full. */
static void
aad_field(uint8_t buf[AAD_MAX], ssize_t *off, const void *p, size_t len)
{
	if (*off == -1 || len > 255 || (size_t)*off + 4 + len > AAD_MAX) {
		*off = -1;
		return;
	}
	buf[*off] = buf[*off + 1] = buf[*off + 2] = 0;
	buf[*off + 3] = (uint8_t)len;
	memcpy(buf + *off + 4, p, len);
	*off += 4 + (ssize_t)len;
}

static ssize_t
aad_make(uint8_t buf[AAD_MAX], const char *kid, const struct vault_id *id)
{
	uint8_t	 org[4];
	ssize_t	 n;

	org[0] = (uint8_t)(id->org >> 24);
	org[1] = (uint8_t)(id->org >> 16);
	org[2] = (uint8_t)(id->org >> 8);
	org[3] = (uint8_t)id->org;
	n = 0;
	aad_field(buf, &n, product, strlen(product));
	aad_field(buf, &n, version, strlen(version));
	aad_field(buf, &n, kid, strlen(kid));
	aad_field(buf, &n, id->type, strlen(id->type));
	aad_field(buf, &n, org, sizeof(org));
	aad_field(buf, &n, id->id, strlen(id->id));
	aad_field(buf, &n, id->column, strlen(id->column));
	return n;
}

ssize_t
vault_seal(struct vault *v, const struct rng *rng, const struct vault_id *id,
    struct secret *plain, char *out, size_t size)
{
	uint8_t	 aad[AAD_MAX], blob[BLOB_MAX], okm[32 + VAULT_COMMIT];
	uint8_t	*salt, *nonce, *ct;
	size_t	 len;
	ssize_t	 aadlen, n;

	len = secret_len(plain);
	aadlen = aad_make(aad, vault_kid(v), id);
	if (len == 0 || len > VAULT_PLAIN || aadlen == -1) {
		errno = EINVAL;
		return -1;
	}
	if (size < VAULT_TEXT(len)) {
		errno = ENOSPC;
		return -1;
	}
	salt = blob + VAULT_COMMIT;
	nonce = salt + VAULT_SALT;
	ct = nonce + VAULT_NONCE;
	rng->fill(rng->arg, salt, VAULT_SALT + VAULT_NONCE);
	expand(secret_bytes(v->key[0].dek), info_rec, salt, VAULT_SALT, okm,
	    sizeof(okm));
	memcpy(blob, okm + 32, VAULT_COMMIT);
	n = vault_gcm_seal(v, okm, nonce, aad, (size_t)aadlen,
	    secret_bytes(plain), len, ct, ct + len);
	secret_wipe(okm, sizeof(okm));
	if (n == -1)
		return -1;
	snprintf(out, size, "v1:%s:", vault_kid(v));
	n = b64_encode(out + 4 + VAULT_KID, size - 4 - VAULT_KID, blob,
	    VAULT_FIXED + len, B64_URL);
	return n == -1 ? -1 : n + 4 + VAULT_KID;
}

/* The layout of K6 under one key; n bytes of blob. */
static enum vault_result
open_blob(struct vault *v, struct secret *dek, const char *kid,
    const struct vault_id *id, const uint8_t *blob, size_t n,
    struct secret **out)
{
	uint8_t		 aad[AAD_MAX], okm[32 + VAULT_COMMIT];
	const uint8_t	*salt, *nonce, *ct;
	size_t		 len;
	ssize_t		 aadlen;
	int		 good;

	aadlen = aad_make(aad, kid, id);
	if (n <= VAULT_FIXED || aadlen == -1)
		return VAULT_FORM;
	len = n - VAULT_FIXED;
	salt = blob + VAULT_COMMIT;
	nonce = salt + VAULT_SALT;
	ct = nonce + VAULT_NONCE;
	*out = secret_new(len);
	if (*out == NULL)
		return VAULT_NOMEM;
	expand(secret_bytes(dek), info_rec, salt, VAULT_SALT, okm,
	    sizeof(okm));
	/* Commitment first: one ciphertext opens under one key only. */
	good = secret_equal(blob, okm + 32, VAULT_COMMIT) &&
	    vault_gcm_open(v, okm, nonce, aad, (size_t)aadlen, ct, len,
	    ct + len, secret_bytes(*out)) == 0;
	secret_wipe(okm, sizeof(okm));
	if (!good) {
		secret_free(out);
		return VAULT_CORRUPT;
	}
	return VAULT_OK;
}

/* v1: without a key id: current key, then the previous ones. */
static enum vault_result
open_legacy(struct vault *v, const char *text, size_t len,
    struct secret **out)
{
	uint8_t		 blob[BLOB_MAX];
	ssize_t		 n;
	size_t		 i, plain;

	n = b64_decode(blob, sizeof(blob), text, len, B64_STD);
	if (n == -1)
		n = b64_decode(blob, sizeof(blob), text, len, B64_URL);
	if (n <= LEGACY_FIXED)
		return VAULT_FORM;
	plain = (size_t)n - LEGACY_FIXED;
	if (plain > VAULT_PLAIN)
		return VAULT_FORM;
	*out = secret_new(plain);
	if (*out == NULL)
		return VAULT_NOMEM;
	for (i = 0; i < v->nkeys; i++)
		if (vault_gcm_open(v, secret_bytes(v->key[i].dek), blob, NULL,
		    0, blob + VAULT_NONCE, plain, blob + n - VAULT_TAG,
		    secret_bytes(*out)) == 0)
			return VAULT_OK;
	secret_free(out);
	return VAULT_CORRUPT;
}

static int
kid_ok(const char *p, size_t len)
{
	size_t	 i;

	if (len != VAULT_KID)
		return 0;
	for (i = 0; i < len; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') ||
		    (p[i] >= '2' && p[i] <= '7')))
			return 0;
	return 1;
}

int
vault_text_kid(const char *text, size_t len, char kid[VAULT_KID + 1])
{
	const char	*colon;

	if (len < 3 || memcmp(text, "v1:", 3) != 0)
		return -1;
	colon = memchr(text + 3, ':', len - 3);
	if (colon == NULL || !kid_ok(text + 3, (size_t)(colon - text) - 3))
		return -1;
	memcpy(kid, text + 3, VAULT_KID);
	kid[VAULT_KID] = '\0';
	return 0;
}

enum vault_result
vault_open(struct vault *v, const struct vault_id *id, const char *text,
    size_t len, struct secret **out)
{
	struct secret	*dek;
	uint8_t		 blob[BLOB_MAX];
	char		 kid[VAULT_KID + 1];
	ssize_t		 n;

	*out = NULL;
	if (len < 3 || memcmp(text, "v1:", 3) != 0)
		return VAULT_FORM;
	if (memchr(text + 3, ':', len - 3) == NULL)
		return open_legacy(v, text + 3, len - 3, out);
	if (vault_text_kid(text, len, kid) == -1)
		return VAULT_FORM;
	n = b64_decode(blob, sizeof(blob), text + 4 + VAULT_KID,
	    len - 4 - VAULT_KID, B64_URL);
	if (n <= VAULT_FIXED)
		return VAULT_FORM;
	dek = vault_key_of(v, kid);
	if (dek == NULL)
		return VAULT_OTHERKEY;
	return open_blob(v, dek, kid, id, blob, (size_t)n, out);
}

int
vault_prove(struct vault *v, const struct rng *rng)
{
	static const struct vault_id	 id = { "vault", 1, "proof", "value" };
	char				 text[VAULT_TEXT(32)];
	struct secret			*in, *back;
	ssize_t				 n;
	int				 rv;

	rv = -1;
	back = NULL;
	in = secret_new(32);
	if (in == NULL)
		return -1;
	rng->fill(rng->arg, secret_bytes(in), 32);
	n = vault_seal(v, rng, &id, in, text, sizeof(text));
	if (n != -1 && vault_open(v, &id, text, (size_t)n, &back) ==
	    VAULT_OK && secret_len(back) == 32 &&
	    secret_equal(secret_bytes(in), secret_bytes(back), 32))
		rv = 0;
	secret_free(&in);
	secret_free(&back);
	if (rv == -1)
		errno = EIO;
	return rv;
}

const char *
vault_text(enum vault_result r)
{
	static const char *const	 text[] = {
		[VAULT_OK] = "good",
		[VAULT_FORM] = "not a ciphertext of this vault",
		[VAULT_OTHERKEY] = "encrypted under another vault key",
		[VAULT_CORRUPT] = "damaged, or moved from another record",
		[VAULT_NOMEM] = "no room for another secret"
	};

	return text[r];
}
