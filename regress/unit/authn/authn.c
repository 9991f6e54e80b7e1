/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/broker/authn.h"

#define ADMIN	"tp_admin_correct-horse-battery"
#define NOW	1700000000000ULL

struct fixture {
	struct vault	 v;
	struct keys	*keys;
	struct agent	*agent;
	struct key	*key;
	char		 token[TOKEN_SIZE];
	size_t		 len;
	int		 rows;
};

static void
fill(void *arg, void *buf, size_t len)
{
	uint64_t	*s = arg;
	uint8_t		*p = buf;

	while (len-- > 0) {
		*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
		*p++ = (uint8_t)(*s >> 33);
	}
}

static uint64_t		seed = 1;
static const struct rng	rng = { fill, &seed };

static int
emit(void *arg, uint8_t kind, const void *id, size_t idlen,
    const void *value, size_t len)
{
	struct fixture	*f = arg;

	(void)kind;
	(void)id;
	(void)idlen;
	(void)value;
	(void)len;
	f->rows++;
	return 0;
}

static int
setup(void **state)
{
	struct fixture	*f;
	struct secret	*dek;
	struct key_new	 n;
	uint8_t		 random[TOKEN_RANDOM], digest[KEY_DIGEST];
	char		 id[TOKEN_ID + 1];

	f = calloc(1, sizeof(*f));
	dek = secret_new(VAULT_KEY);
	if (f == NULL || dek == NULL)
		return -1;
	memset(&n, 0, sizeof(n));
	fill(&seed, secret_bytes(dek), VAULT_KEY);
	vault_init(&f->v, &dek);
	vault_get_or_make(&f->v, &rng, "pepper/1", 32, emit, f);
	f->keys = key_store_new();
	f->agent = key_agent_add(f->keys,
	    &(struct agent_new){ .id = "default", .description = "",
	    .created = NOW });
	fill(&seed, random, sizeof(random));
	f->len = (size_t)token_make(random, 1, f->token);
	token_public_id(f->token, f->len, id, NULL);
	n.id = id;
	n.digest = digest;
	authn_digest(&f->v, 0, &n.pepper, f->token, f->len, digest);
	n.role = ROLE_K_DEVELOPER;
	n.agent = f->agent;
	n.expires = NOW + 1000;
	n.email = n.name = "";
	f->key = key_add(f->keys, &n);
	*state = f;
	return f->key == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct fixture	*f = *state;

	vault_close(&f->v);
	key_store_free(f->keys);
	free(f);
	return secret_in_use() == 0 ? 0 : -1;
}

static enum authn_result
check(struct fixture *f, const char *token, uint64_t wall,
    struct authn_who *who)
{
	return authn_check(f->keys, &f->v, token, strlen(token), wall, who);
}

static void
test_known(void **state)
{
	struct fixture	*f = *state;
	struct authn_who who;

	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_OK);
	assert_ptr_equal(who.key, f->key);
	assert_ptr_equal(who.agent, f->agent);
	assert_int_equal(who.role, ROLE_K_DEVELOPER);
	assert_int_equal(f->key->used, NOW);
	/* Expiry is a limit, not the last good millisecond. */
	assert_int_equal(check(f, f->token, NOW + 999, &who), AUTHN_OK);
	assert_int_equal(check(f, f->token, NOW + 1000, &who),
	    AUTHN_EXPIRED);
	assert_ptr_equal(who.key, f->key);
	key_revoke(f->keys, f->key, NOW);
	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_REVOKED);
	assert_int_equal(check(f, f->token, NOW + 1000, &who),
	    AUTHN_REVOKED);
	assert_ptr_equal(who.agent, f->agent);
}

/* The right public id with another secret, and a right form nobody has. */
static void
test_unknown(void **state)
{
	struct fixture	*f = *state;
	struct authn_who who;
	char		 forged[TOKEN_SIZE];
	uint8_t		 random[TOKEN_RANDOM];

	fill(&seed, random, sizeof(random));
	token_make(random, 1, forged);
	assert_int_equal(check(f, forged, NOW, &who), AUTHN_UNKNOWN);
	assert_null(who.key);
	assert_int_equal(who.role, 0);
	/* The same public id: give the row of the forged one our id's row. */
	memcpy(f->key->digest, forged, KEY_DIGEST);
	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_UNKNOWN);
	assert_null(who.key);
	/* A pepper that is gone. */
	f->key->pepper = 9;
	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_UNKNOWN);
	/* An all-zero digest in the row opens nothing, pepper or not. */
	memset(f->key->digest, 0, KEY_DIGEST);
	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_UNKNOWN);
	f->key->pepper = 1;
	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_UNKNOWN);
	assert_int_equal(check(f, "", NOW, &who), AUTHN_NONE);
	assert_int_equal(check(f, "sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxx",
	    NOW, &who), AUTHN_FOREIGN);
	assert_int_equal(check(f, "tp_x", NOW, &who), AUTHN_MALFORMED);
	f->token[f->len - 1] = f->token[f->len - 1] == 'A' ? 'B' : 'A';
	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_BADSUM);
}

static void
test_pepper_of_row(void **state)
{
	struct fixture	*f = *state;
	struct authn_who who;
	uint8_t		 d[KEY_DIGEST];
	uint32_t	 no;

	vault_get_or_make(&f->v, &rng, "pepper/2", 32, emit, f);
	assert_int_equal(authn_digest(&f->v, 0, &no, f->token, f->len, d), 0);
	assert_int_equal(no, 2);
	assert_memory_not_equal(d, f->key->digest, KEY_DIGEST);
	assert_int_equal(check(f, f->token, NOW, &who), AUTHN_OK);
}

static void
test_admin(void **state)
{
	struct fixture	*f = *state;
	struct authn_who who;
	struct secret	*s;
	int		 first, rows;

	assert_int_equal(check(f, ADMIN, NOW, &who), AUTHN_GUESS);
	assert_false(authn_admin_known(&f->v));
	rows = f->rows;
	assert_int_equal(authn_admin_set(&f->v, &rng, ADMIN, strlen(ADMIN),
	    emit, f, &first), 1);
	assert_int_equal(first, 1);
	assert_int_equal(f->rows, rows + 1);
	assert_int_equal(check(f, ADMIN, NOW, &who), AUTHN_OK);
	assert_int_equal(who.role, ROLE_K_ADMIN);
	assert_null(who.key);
	assert_null(who.agent);
	assert_int_equal(check(f, ADMIN "x", NOW, &who), AUTHN_GUESS);
	assert_int_equal(who.role, 0);
	assert_int_equal(authn_admin_set(&f->v, &rng, ADMIN, strlen(ADMIN),
	    emit, f, &first), 0);
	assert_int_equal(f->rows, rows + 1);
	/* The form of another key is refused, or it could never be used. */
	assert_int_equal(authn_admin_set(&f->v, &rng, f->token, f->len, emit,
	    f, &first), -1);
	assert_int_equal(authn_admin_set(&f->v, &rng, "sk-1234567890123456789",
	    22, emit, f, &first), -1);
	assert_int_equal(errno, EINVAL);
	s = authn_admin_make(&rng);
	assert_non_null(s);
	assert_int_equal(secret_len(s), 9 + TOKEN_SECRET);
	assert_int_equal(authn_admin_set(&f->v, &rng,
	    (char *)secret_bytes(s), secret_len(s), emit, f, &first), 1);
	assert_int_equal(first, 0);
	assert_int_equal(authn_check(f->keys, &f->v, (char *)secret_bytes(s),
	    secret_len(s), NOW, &who), AUTHN_OK);
	assert_int_equal(check(f, ADMIN, NOW, &who), AUTHN_GUESS);
	secret_free(&s);
}

static void
test_aggregate(void **state)
{
	struct authn_fails	*a, *out;
	char			 name[32];
	uint64_t		 sum;
	size_t			 i;

	(void)state;
	a = calloc(1, sizeof(*a));
	out = calloc(1, sizeof(*out));
	assert_true(a != NULL && out != NULL);
	assert_int_equal(authn_due(a), UINT64_MAX);
	assert_int_equal(authn_drain(a, NOW, 1, out), 0);
	/* A loud one among many quiet ones that try to push it out. */
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "10.1.%zu.%zu", i / 200 % 256,
		    i % 200);
		authn_fail(a, AUTHN_UNKNOWN, name, NOW + i);
		if (i % 4 == 0)
			authn_fail(a, AUTHN_GUESS, "192.0.2.1", NOW + i);
	}
	assert_int_equal(authn_drain(a, NOW + 59999, 0, out), 0);
	assert_int_equal(authn_due(a), NOW + 60000);
	assert_int_equal(authn_drain(a, NOW + 60000, 0, out), 1);
	assert_int_equal(out->total, 25000);
	assert_int_equal(out->reasons[AUTHN_UNKNOWN], 20000);
	assert_int_equal(out->reasons[AUTHN_GUESS], 5000);
	assert_true(out->nsources <= AUTHN_TOP);
	assert_string_equal(out->sources[0].name, "192.0.2.1");
	assert_true(out->sources[0].n <= 5000);
	/* Lower bound: off by at most total / (slots + 1). */
	assert_true(out->sources[0].n >= 5000 - 25000 / (AUTHN_SLOTS + 1));
	for (sum = out->more, i = 0; i < out->nsources; i++)
		sum += out->sources[i].n;
	assert_int_equal(sum, out->total);
	assert_int_equal(authn_drain(a, NOW + 120000, 0, out), 0);
	authn_fail(a, AUTHN_BADSUM, "a\nb\x80", NOW);
	authn_fail(a, AUTHN_NONE, "", NOW);
	/* The clock went back. */
	assert_int_equal(authn_drain(a, NOW - 5, 0, out), 1);
	assert_int_equal(out->nsources, 2);
	assert_string_equal(out->sources[0].name, "?");
	assert_string_equal(out->sources[1].name, "a?b?");
	assert_int_equal(out->more, 0);
	free(a);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(test_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pepper_of_row, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_admin, setup, teardown),
		cmocka_unit_test(test_aggregate)
	};

	if (secret_pool(32) == -1) {
		perror("secret_pool");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
