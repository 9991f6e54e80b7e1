/* SPDX-License-Identifier: ISC */
/*
 * CPU time of authn_check with 10 and with 100,000 keys (10,000 agents): keys
 * at random, so that the larger table is not warm.  Prints nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "common/compat/compat.h"
#include "common/secret/secret.h"
#include "keybrokerd/broker/authn.h"
#include "regress/bench/cpu.h"

#define NOW	1700000000000ULL
#define ROUNDS	400000

static int
emit(void *arg, uint8_t kind, const void *id, size_t idlen, const void *v,
    size_t len)
{
	(void)arg, (void)kind, (void)id, (void)idlen, (void)v, (void)len;
	return 0;
}

static void
fill(void *arg, void *p, size_t n)
{
	(void)arg;
	randombytes_buf(p, n);
}

static double
run(struct vault *v, size_t n, size_t agents)
{
	char		(*token)[TOKEN_SIZE], name[16];
	uint8_t		 random[TOKEN_RANDOM], digest[KEY_DIGEST];
	struct agent_new an = { .id = name, .created = NOW };
	struct authn_who who;
	struct key_new	 kn;
	struct keys	*k;
	double		 t;
	size_t		 i;
	char		 id[TOKEN_ID + 1];

	k = key_store_new();
	token = calloc(n, sizeof(*token));
	if (k == NULL || token == NULL)
		exit(1);
	for (i = 0; i < n; i++) {
		memset(&kn, 0, sizeof(kn));
		snprintf(name, sizeof(name), "bot-%zu", i % agents);
		kn.agent = key_agent_find(k, name);
		if (kn.agent == NULL)
			kn.agent = key_agent_add(k, &an);
		randombytes_buf(random, sizeof(random));
		if (token_make(random, 1, token[i]) == -1 ||
		    token_public_id(token[i], TOKEN_DEV_LEN, id, NULL) == -1 ||
		    authn_digest(v, 0, &kn.pepper, token[i], TOKEN_DEV_LEN,
		    digest) == -1)
			exit(1);
		kn.id = id;
		kn.digest = digest;
		kn.role = ROLE_K_DEVELOPER;
		kn.dev = 1;
		kn.created = NOW;
		kn.expires = NOW + KEY_DAY_MS;
		kn.email = "someone@example.com";
		if (key_add(k, &kn) == NULL)
			exit(1);
	}
	t = cpu_spent();
	for (i = 0; i < ROUNDS; i++)
		if (authn_check(k, v, token[randombytes_uniform((uint32_t)n)],
		    TOKEN_DEV_LEN, NOW + 1, &who) != AUTHN_OK)
			exit(1);
	t = (cpu_spent() - t) / ROUNDS;
	key_store_free(k);
	free(token);
	return t;
}

int
main(void)
{
	struct rng	 rng = { .fill = fill };
	struct secret	*dek;
	struct vault	 v;
	double		 few, many;

	if (sodium_init() == -1 || secret_pool(64) == -1)
		return 1;
	dek = secret_new(VAULT_KEY);
	randombytes_buf(secret_bytes(dek), VAULT_KEY);
	if (vault_init(&v, &dek) == -1 || vault_get_or_make(&v, &rng,
	    VAULT_PEPPER "/1", 32, emit, NULL) == NULL)
		return 1;
	few = run(&v, 10, 1);
	many = run(&v, 100000, 10000);
	printf("authentication: %.0f ns with 10 keys, %.0f ns with 100,000: "
	    "%.2f us more\n", few, many, (many - few) / 1000);
	vault_close(&v);
	return many - few <= 5000 ? 0 : 1;
}
