/* SPDX-License-Identifier: ISC */
/*
 * The signing key of the log.  The vault record "epoch-seed" holds the number
 * of the epoch in force, seed 0, from which every key follows, and the pin,
 * under which all public keys lie.  The tops of that tree are a public row: a
 * roll derives the keys of one block only (5 ms; all of them take 0.65 s, and
 * service would wait for it after each crash).  Destroying the seeds of past epochs comes with the
 * audit issue; until then this file is the only one that sees seed 0.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/text.h"
#include "keybrokerd/broker/broker.h"

#define RECORD		(4 + EPOCH_SEED + EPOCH_HASH)
#define RECORD_BARE	(4 + EPOCH_SEED)	/* before the tops were kept */
#define ORIGIN_PREFIX	"proxyd.local/"

/* Key pair of epoch e into *sk (a new secret) and pk. */
static void
derive(const uint8_t seed0[EPOCH_SEED], uint32_t e, uint8_t pk[32],
    struct secret **sk)
{
	struct secret	*seed;
	uint32_t	 i;

	seed = secret_new(EPOCH_SEED);
	*sk = secret_new(EPOCH_SK);
	if (seed == NULL || *sk == NULL)
		fatal("epoch key");
	memcpy(secret_bytes(seed), seed0, EPOCH_SEED);
	for (i = 0; i < e; i++)
		epoch_next(secret_bytes(seed), secret_bytes(seed));
	epoch_key(secret_bytes(seed), pk, secret_bytes(*sk));
	secret_free(&seed);
}

/* The record {number, seed 0, pin}; rec has the seed and is used up. */
static void
store(struct broker *b, struct secret **rec, uint32_t e)
{
	uint8_t	*p;

	p = secret_bytes(*rec);
	p[0] = (uint8_t)(e >> 24);
	p[1] = (uint8_t)(e >> 16);
	p[2] = (uint8_t)(e >> 8);
	p[3] = (uint8_t)e;
	memcpy(p + RECORD_BARE, b->epoch.pin, EPOCH_HASH);
	if (vault_put(&b->vault, &b->env.rng, VAULT_EPOCH, rec, batch_emit,
	    b) == -1)
		fatal("epoch record");
}

/* All leaves under the pin, and their tops, which are kept; 0.65 s. */
static size_t
ceremony(struct broker *b, const uint8_t seed0[EPOCH_SEED], uint32_t e,
    uint8_t pin[32], uint8_t proof[EPOCH_PROOF * EPOCH_HASH])
{
	uint8_t	*leaves;
	int	 n;

	leaves = calloc(EPOCH_COUNT, EPOCH_HASH);
	if (leaves == NULL)
		fatal("epoch ceremony");
	if (epoch_ceremony(seed0, EPOCH_COUNT, leaves, NULL, NULL, pin) == -1)
		fatal("epoch ceremony");
	n = epoch_prove(leaves, EPOCH_COUNT, e, proof);
	epoch_tops(leaves, EPOCH_COUNT, b->epoch.tops);
	free(leaves);
	if (n == -1)
		fatal("epoch proof");
	batch_state(b, ST_META, "tops", 4, b->epoch.tops,
	    sizeof(b->epoch.tops));
	return (size_t)n;
}

static void
set_origin(struct broker *b, const char *origin)
{
	strlcpy(b->epoch.origin, origin, sizeof(b->epoch.origin));
	if (!note_origin_ok(origin, strlen(origin)))
		fatalx("audit origin \"%s\": it must be printable, without "
		    "blanks and '+'", origin);
	chain_origin(origin, strlen(origin), b->epoch.origin_hash);
}

void
seed_origin(struct broker *b)
{
	char	 origin[sizeof(ORIGIN_PREFIX) + 16];
	uint8_t	 r[8];
	size_t	 n;

	if (b->epoch.origin[0] != '\0')
		return;
	if (b->origin[0] != '\0') {
		set_origin(b, b->origin);
		return;
	}
	b->env.rng.fill(b->env.rng.arg, r, sizeof(r));
	n = strlcpy(origin, ORIGIN_PREFIX, sizeof(origin));
	hex_encode(origin + n, sizeof(origin) - n, r, sizeof(r));
	set_origin(b, origin);
}

void
seed_found(struct broker *b)
{
	struct secret	*rec;
	uint8_t		 proof[EPOCH_PROOF * EPOCH_HASH];
	size_t		 n;

	seed_origin(b);
	rec = secret_new(RECORD);
	if (rec == NULL)
		fatal("epoch seed");
	b->env.rng.fill(b->env.rng.arg, secret_bytes(rec) + 4, EPOCH_SEED);
	derive(secret_bytes(rec) + 4, 0, b->epoch.pk, &b->epoch.sk);
	n = ceremony(b, secret_bytes(rec) + 4, 0, b->epoch.pin, proof);
	b->epoch.number = 0;
	store(b, &rec, 0);
	batch_state(b, ST_META, "origin", 6, b->epoch.origin,
	    strlen(b->epoch.origin));
	batch_state(b, ST_META, "pin", 3, b->epoch.pin, sizeof(b->epoch.pin));
	audit_genesis(b);
	audit_roll(b, proof, n);
}

static const uint8_t *
record(struct broker *b)
{
	struct secret	*rec;

	rec = vault_get(&b->vault, VAULT_EPOCH);
	if (rec == NULL || (secret_len(rec) != RECORD &&
	    secret_len(rec) != RECORD_BARE))
		fatalx("the log has entries, but the vault has no epoch seed: "
		    "the database is not whole");
	/* the rows beside it are the ledger's word */
	if (secret_len(rec) == RECORD && memcmp(secret_bytes(rec) +
	    RECORD_BARE, b->epoch.pin, EPOCH_HASH) != 0)
		fatalx("the pin in the database is not that of the vault");
	return secret_bytes(rec);
}

void
seed_load(struct broker *b)
{
	const uint8_t	*p;

	p = record(b);
	b->epoch.number = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
	if (b->epoch.number >= EPOCH_COUNT)
		fatalx("epoch %u is past the last one", b->epoch.number);
	set_origin(b, b->epoch.origin);
	derive(p + 4, b->epoch.number, b->epoch.pk, &b->epoch.sk);
}

/*
 * The proof of epoch e.  A log that was begun before the tops were kept goes
 * through the ceremony once more.
 */
static size_t
prove(struct broker *b, const uint8_t seed0[EPOCH_SEED], uint32_t e,
    uint8_t proof[EPOCH_PROOF * EPOCH_HASH])
{
	uint8_t	 pin[EPOCH_HASH];
	size_t	 len;
	int	 n;

	if (b->epoch.have_tops) {
		n = epoch_prove_block(seed0, EPOCH_COUNT, e, b->epoch.tops,
		    b->epoch.pin, proof);
		if (n == -1)
			fatalx("the keys of this log do not belong to its pin");
		return (size_t)n;
	}
	len = ceremony(b, seed0, e, pin, proof);
	if (memcmp(pin, b->epoch.pin, sizeof(pin)) != 0)
		fatalx("the epoch seed does not belong to the pin of this log");
	return len;
}

/* Both keys sign the checkpoint that covers the roll (batch.c). */
void
seed_roll(struct broker *b)
{
	const uint8_t	*seed0;
	struct secret	*rec;
	uint8_t		 proof[EPOCH_PROOF * EPOCH_HASH];
	size_t		 n;
	uint32_t	 e;

	e = b->epoch.number + 1;
	if (e >= EPOCH_COUNT)
		fatalx("all %d epochs are used: the log needs a new root",
		    EPOCH_COUNT);
	audit_clock(b);
	seed0 = record(b) + 4;
	b->epoch.old_sk = b->epoch.sk;
	memcpy(b->epoch.old_pk, b->epoch.pk, sizeof(b->epoch.old_pk));
	derive(seed0, e, b->epoch.pk, &b->epoch.sk);
	n = prove(b, seed0, e, proof);
	rec = secret_new(RECORD);
	if (rec == NULL)
		fatal("epoch roll");
	memcpy(secret_bytes(rec) + 4, seed0, EPOCH_SEED);
	b->epoch.number = e;
	store(b, &rec, e);
	audit_roll(b, proof, n);
}
