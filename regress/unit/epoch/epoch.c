/* SPDX-License-Identifier: ISC */
/*
 * Epoch keys: derivation against HKDF done by libcrypto, ceremony, proofs of
 * every epoch for small and odd counts.
 */
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/audit/epoch.h"

static void
hkdf(const uint8_t seed[32], const char *info, uint8_t out[32])
{
	EVP_PKEY_CTX	*c;
	size_t		 len;

	len = 32;
	c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	assert_non_null(c);
	assert_int_equal(EVP_PKEY_derive_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_hkdf_key(c, seed, 32), 1);
	assert_int_equal(EVP_PKEY_CTX_add1_hkdf_info(c,
	    (const unsigned char *)info, (int)strlen(info)), 1);
	assert_int_equal(EVP_PKEY_derive(c, out, &len), 1);
	EVP_PKEY_CTX_free(c);
}

static void
derivation(void **state)
{
	uint8_t	 seed[32], a[32], b[32], pk[32], pk2[32], sk[64], sk2[64];

	(void)state;
	memset(seed, 0x42, sizeof(seed));
	epoch_next(seed, a);
	hkdf(seed, "next", b);
	assert_memory_equal(a, b, 32);
	epoch_key(seed, pk, sk);
	hkdf(seed, "sign", b);
	crypto_sign_seed_keypair(pk2, sk2, b);
	assert_memory_equal(pk, pk2, 32);
	assert_memory_equal(sk, sk2, 64);
	/* in place */
	memcpy(b, seed, 32);
	epoch_next(b, b);
	assert_memory_equal(a, b, 32);
}

static unsigned int	calls;
static uint32_t		last;

static void
progress(void *arg, uint32_t done, uint32_t count)
{
	(void)arg;
	(void)count;
	calls++;
	last = done;
}

static void
ceremony(void **state)
{
	static const uint32_t	 counts[] = { 1, 2, 3, 16, 21, 300 };
	static uint8_t		 leaves[300 * 32];
	uint8_t			 seed0[32], seed[32], pk[32], sk[64];
	uint8_t			 root[32], again[32];
	uint8_t			 proof[(EPOCH_PROOF + 1) * 32];
	uint32_t		 e;
	size_t			 i;
	int			 n;

	(void)state;
	memset(seed0, 9, sizeof(seed0));
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		calls = 0;
		assert_int_equal(epoch_ceremony(seed0, counts[i], leaves,
		    progress, NULL, root), 0);
		assert_true(last == counts[i]);
		assert_int_equal(calls, counts[i] / 256 + 1);
		assert_int_equal(epoch_ceremony(seed0, counts[i], NULL, NULL,
		    NULL, again), 0);
		assert_memory_equal(root, again, 32);
		memcpy(seed, seed0, 32);
		for (e = 0; e < counts[i]; e++) {
			epoch_key(seed, pk, sk);
			epoch_next(seed, seed);
			memset(proof, 0, sizeof(proof));
			n = epoch_prove(leaves, counts[i], e, proof);
			assert_true(n >= 0);
			assert_int_equal(epoch_check(e, counts[i], pk, proof,
			    (size_t)n, root), 0);
			assert_int_equal(epoch_check(e + 1, counts[i], pk,
			    proof, (size_t)n, root), -1);
			assert_int_equal(epoch_check(e, counts[i], pk, proof,
			    (size_t)n + 1, root), -1);
			pk[0] ^= 1;
			assert_int_equal(epoch_check(e, counts[i], pk, proof,
			    (size_t)n, root), -1);
		}
	}
	assert_int_equal(epoch_ceremony(seed0, 0, NULL, NULL, NULL, root),
	    -1);
	assert_int_equal(epoch_ceremony(seed0, EPOCH_COUNT_MAX + 1, NULL,
	    NULL, NULL, root), -1);
	assert_int_equal(epoch_prove(leaves, 16, 16, proof), -1);
	assert_int_equal(epoch_check(0, 0, pk, proof, 0, root), -1);
}

/* The short way gives the same bytes; what does not belong together fails. */
static void
blocks(void **state)
{
	static const uint32_t	 counts[] = { 128, 256, 384, 1152 };
	static uint8_t		 leaves[1152 * 32];
	uint8_t			 seed0[32], root[32], tops[9 * 32];
	uint8_t			 a[EPOCH_PROOF * 32], b[EPOCH_PROOF * 32];
	uint32_t		 e;
	size_t			 i;
	int			 n;

	(void)state;
	memset(seed0, 7, sizeof(seed0));
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		assert_int_equal(epoch_ceremony(seed0, counts[i], leaves,
		    NULL, NULL, root), 0);
		epoch_tops(leaves, counts[i], tops);
		for (e = 0; e < counts[i]; e += e % 128 == 1 ? 61 : 1) {
			n = epoch_prove(leaves, counts[i], e, a);
			assert_int_equal(epoch_prove_block(seed0, counts[i],
			    e, tops, root, b), n);
			assert_memory_equal(a, b, (size_t)n * 32);
		}
		assert_int_equal(epoch_prove_block(seed0, counts[i],
		    counts[i], tops, root, b), -1);
	}
	tops[8 * 32] ^= 1;
	assert_int_equal(epoch_prove_block(seed0, 1152, 3, tops, root, b), -1);
	tops[8 * 32] ^= 1;
	root[0] ^= 1;
	assert_int_equal(epoch_prove_block(seed0, 1152, 3, tops, root, b), -1);
	root[0] ^= 1;
	seed0[0] ^= 1;
	assert_int_equal(epoch_prove_block(seed0, 1152, 3, tops, root, b), -1);
	seed0[0] ^= 1;
	assert_true(epoch_prove_block(seed0, 1152, 3, tops, root, b) > 0);
	assert_int_equal(epoch_prove_block(seed0, 1150, 3, tops, root, b), -1);
	assert_int_equal(epoch_prove_block(seed0, 0, 0, tops, root, b), -1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(derivation),
		cmocka_unit_test(ceremony),
		cmocka_unit_test(blocks),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
