/* SPDX-License-Identifier: ISC */
/*
 * tlskey: the listeners' private keys, and nothing else.  A worker terminates
 * TLS without the key: it sends what a handshake has to sign and gets the
 * signature back.  Believes its parent; a worker is answered, never believed:
 * every size comes from the own key, and only what TLS signs is signed, so that
 * this is no oracle for decryption or for other protocols' signatures.
 */
#ifndef KEYBROKERD_TLSKEY_TLSKEY_H
#define KEYBROKERD_TLSKEY_TLSKEY_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/sandbox/sandbox.h"

#define TLSKEY_NAME	32	/* SHA-256 of the leaf certificate, DER */

/* ---- tlskey.c: the keys, by round of configuration; pure ------------------ */
/*
 * A round is one configuration's set of pairs.  Two good rounds are kept, since
 * workers of the previous one still finish handshakes, and one that is arriving.
 */
struct tlskey;

struct tlskey	*tlskey_new(void);		/* NULL: out of memory */
void		 tlskey_free(struct tlskey *);
/*
 * One pair of an arriving round: certificate (PEM, the leaf first) and private
 * key (PEM, not wiped here).  RSA of 2048, 3072 or 4096 bits, or EC P-256, and
 * they must belong together.  0; or -1 with a sentence in why, and the round is
 * bad.  Another round than the one arriving starts anew.
 */
int		 tlskey_add(struct tlskey *, uint32_t round, uint8_t number,
		    const uint8_t *cert, size_t certlen, const uint8_t *key,
		    size_t keylen, char *why, size_t size);
/* Marks an arriving round bad, e.g. a descriptor could not be read. */
void		 tlskey_bad(struct tlskey *, uint32_t round);
/* All n pairs were given: the round counts (0), or is dropped (-1). */
int		 tlskey_done(struct tlskey *, uint32_t round, unsigned int n,
		    char *why, size_t size);
/* See proto.h for data by what; out[SIGN_BYTES], *outlen its length. */
enum proto_signerror tlskey_sign(const struct tlskey *,
		    const uint8_t name[TLSKEY_NAME], uint8_t what,
		    const uint8_t *data, size_t len, uint8_t *out,
		    size_t *outlen);

/* ---- form.c: what TLS signs with RSA; pure ---------------------------------- */
/* The digest inside a DigestInfo: its length (32, 48, 64), or 0. */
size_t		 form_pkcs1(const uint8_t *, size_t len, const uint8_t **digest);
/*
 * 1 if em is an encoded message of EMSA-PSS (RFC 8017 9.1.1) for a modulus of
 * 8 * len bits: MGF1 and hash the same of SHA-256, 384, 512, salt as long as
 * the digest.  Its digest cannot be seen in it; all else is fixed.
 */
int		 form_pss(const uint8_t *em, size_t len);

/* ---- serve.c: channel and workers' links --------------------------------------- */
int		 serve_loop(struct tlskey *, const struct msglink *channel);

extern const struct sandbox	 tlskey_sandbox;

#endif
