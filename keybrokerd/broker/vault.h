/* SPDX-License-Identifier: ISC */
/*
 * The vault: what the vault key (DEK) wraps.  The key wraps and nothing else;
 * every other long-lived secret is an independent random value that the ledger
 * keeps as ciphertext and that is open here only.
 *
 * Ciphertext (decisions K6):
 *	v1:KID:b64url(commit 16, salt 32, nonce 12, ciphertext, tag 16)
 *	KID = 13 lower-case base32 of HKDF-SHA256(DEK, "tappass kid v1")[0..8)
 *	HKDF-Expand-SHA256(DEK, "tappass rec v1" salt, 48) = key 32, commit 16
 *	AES-256-GCM, AAD = {"tappass-vault", "v1", KID, type, org, id, column},
 *	each a u32 length and the bytes; org is a u32; big-endian
 * Legacy, opened but never made:
 *	v1:b64(nonce 12, ciphertext, tag 16) under the DEK itself, no AAD
 *	(tried with the current, then the previous keys)
 *
 * Plaintext is only ever in struct secret.  No I/O; randomness by callback.
 */
#ifndef KEYBROKERD_BROKER_VAULT_H
#define KEYBROKERD_BROKER_VAULT_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "common/secret/secret.h"
#include "keybrokerd/broker/rng.h"

#define VAULT_KEY	32
#define VAULT_KEY_TEXT	44		/* its standard base64 */
#define VAULT_KID	13
#define VAULT_COMMIT	16
#define VAULT_SALT	32
#define VAULT_NONCE	12
#define VAULT_TAG	16
#define VAULT_FIXED	(VAULT_COMMIT + VAULT_SALT + VAULT_NONCE + VAULT_TAG)
#define VAULT_PLAIN	3900		/* longest plaintext */
/* Text of a plaintext of n bytes, with its NUL. */
#define VAULT_TEXT(n)	\
	(3 + VAULT_KID + 1 + ((n) + VAULT_FIXED + 2) / 3 * 4 + 1)
#define VAULT_RECORDS	96
#define VAULT_NAME	80		/* with its NUL */

/* Names of the records. */
#define VAULT_PEPPER	"pepper"	/* pepper/1 ...: vault_pepper */
#define VAULT_PSEUDONYM	"pseudonym"	/* 32: principals in entries */
#define VAULT_COMMITKEY	"commitment"	/* 32: field commitments */
#define VAULT_EPOCH	"epoch-seed"	/* 4 + 32: u32 epoch, its seed */
#define VAULT_ADMIN	"admin"		/* 4 + 32: u32 pepper, keyed digest */
#define VAULT_FPRINT	"fingerprint"	/* 32: fingerprints of credentials */
#define VAULT_ROWMAC	"row-mac"	/* 32: tags of key and agent rows */

/* Callers show one text for all but OK; logs may name the class. */
enum vault_result {
	VAULT_OK,
	VAULT_FORM,		/* not the text of a ciphertext */
	VAULT_OTHERKEY,		/* well-formed, of a key that is not loaded */
	VAULT_CORRUPT,		/* of our key; changed, or another record's */
	VAULT_NOMEM		/* no secret slot, table full */
};

/* What a ciphertext belongs to: its AAD. */
struct vault_id {
	const char	*type;		/* "vault", "provider", ... */
	uint32_t	 org;
	const char	*id;
	const char	*column;
};

struct vault_record {
	char		 name[VAULT_NAME];
	struct secret	*value;
};

struct evp_cipher_ctx_st;

/* A vault key and its id.  Current first, then the ones before it. */
#define VAULT_RING	4
struct vault_key {
	struct secret	*dek;		/* owned */
	char		 kid[VAULT_KID + 1];
};

struct vault {
	struct vault_key	 key[VAULT_RING];
	size_t			 nkeys;
	size_t			 n;
	struct vault_record	 records[VAULT_RECORDS];
	struct evp_cipher_ctx_st *ctx;
};

/*
 * A changed state row: kind ST_VAULT, id = name, value = ciphertext text.
 * Returns 0, or -1 when the row could not be queued: the change is undone.
 */
typedef int (*vault_emit)(void *arg, uint8_t kind, const void *id,
    size_t idlen, const void *value, size_t len);

/*
 * The vault key from its text: exactly 44 characters of standard base64; from
 * a file one trailing newline is tolerated.  A new secret of 32 bytes, or NULL
 * (EINVAL, ENOMEM).  The text is left alone.
 */
struct secret	*vault_key_parse(struct secret *text, int file);

/*
 * Before the sandbox: libcrypto without its configuration file, the cipher
 * fetched (once a process).  0, or -1 (EIO).  vault_init does it if need be.
 */
int	 vault_prepare(void);
/*
 * Takes *dek (32 bytes) over, *dek becomes NULL, also on failure.  0, or -1
 * (EINVAL, ENOMEM).
 */
int	 vault_init(struct vault *, struct secret **dek);
/*
 * Takes a previous key over, also on failure: its ciphertexts open as well.
 * One that is here already is no error.  0, or -1 (EINVAL, ENOSPC: the ring is
 * full).
 */
int	 vault_previous(struct vault *, struct secret **dek);
/*
 * A new current key, taken over; the one before becomes a previous one.  What
 * is sealed from here on is sealed under it.  -1: nothing was changed (EINVAL,
 * EEXIST it is in the ring, ENOSPC three are waiting to be retired).
 */
int	 vault_turn(struct vault *, struct secret **dek);
/* Forgets and wipes a previous key: 1; 0 it is not here, or the current one. */
int	 vault_forget(struct vault *, const char *kid);
void	 vault_close(struct vault *);		/* wipes all */
const char *vault_kid(const struct vault *);	/* of the current key */
/* Kids of the ring: 0 the current one, then the previous; NULL no more. */
const char *vault_kid_at(const struct vault *, size_t i);
/* The key of the ring with that id (borrowed), NULL: not loaded. */
struct secret	*vault_key_of(const struct vault *, const char *kid);
/* The id of a key of 32 bytes. */
void	 vault_key_kid(struct secret *dek, char kid[VAULT_KID + 1]);
/* The id that a ciphertext names; -1: it is none, or a legacy one. */
int	 vault_text_kid(const char *text, size_t len, char kid[VAULT_KID + 1]);

/*
 * Text of the ciphertext and a NUL into out.  Returns its length, or -1
 * (EINVAL, ENOSPC; plaintext at most VAULT_PLAIN).
 */
ssize_t	 vault_seal(struct vault *, const struct rng *,
	    const struct vault_id *, struct secret *plain, char *out,
	    size_t size);
/* VAULT_OK: *out is a new secret, the caller's; else *out is NULL. */
enum vault_result vault_open(struct vault *, const struct vault_id *,
	    const char *text, size_t len, struct secret **out);
/* Seals and opens 32 random bytes: 0, or -1. */
int	 vault_prove(struct vault *, const struct rng *);
const char *vault_text(enum vault_result);

/* ---- records ------------------------------------------------------------ */
/* A state row of kind ST_VAULT, as DELTA brings it. */
enum vault_result vault_load(struct vault *, const void *id, size_t idlen,
	    const void *value, size_t len);
/* Borrowed, NULL if there is none. */
struct secret	*vault_get(const struct vault *, const char *name);
/* Borrowed; made of len random bytes if there is none.  NULL: ENOMEM, EIO. */
struct secret	*vault_get_or_make(struct vault *, const struct rng *,
	    const char *name, size_t len, vault_emit, void *arg);
/*
 * Stores or replaces a record; *value is taken over and becomes NULL, also on
 * failure.  0, or -1 with the old value still there.
 */
int	 vault_put(struct vault *, const struct rng *, const char *name,
	    struct secret **value, vault_emit, void *arg);
/* Seals record i (below vault_records) anew and emits its row; 0, or -1. */
int	 vault_reseal(struct vault *, const struct rng *, size_t i, vault_emit,
	    void *arg);
/* Forgets and wipes a record, the caller deletes its row: 1; 0 none such. */
int	 vault_drop(struct vault *, const char *name);
/* Pepper by number, 0 = the highest; *no gets the number (may be NULL). */
struct secret	*vault_pepper(const struct vault *, uint32_t want,
	    uint32_t *no);
size_t	 vault_records(const struct vault *);

/* ---- exposed to the vector tests ---------------------------------------- */
/*
 * Plain AES-256-GCM over the one cipher: in and out may be the same.  seal
 * writes len bytes and the tag.  open returns -1 (EBADMSG) and wipes out if the
 * tag is wrong.  key 32, nonce 12 bytes.
 */
int	 vault_gcm_seal(struct vault *, const uint8_t *key,
	    const uint8_t *nonce, const void *aad, size_t aadlen,
	    const uint8_t *in, size_t len, uint8_t *out,
	    uint8_t tag[VAULT_TAG]);
int	 vault_gcm_open(struct vault *, const uint8_t *key,
	    const uint8_t *nonce, const void *aad, size_t aadlen,
	    const uint8_t *in, size_t len, const uint8_t tag[VAULT_TAG],
	    uint8_t *out);

#endif
