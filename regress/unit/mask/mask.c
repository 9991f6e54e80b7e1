/* SPDX-License-Identifier: ISC */

/* Echoes of a credential at every split, and what only looks like one. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/egress/egress.h"

static const char	key[] = "sk-proj-aaabaaabsk-proj-0123456789abcdefXYZ";
#define LEN		(sizeof(key) - 1)

static struct mask_key	k;

static int
setup(void **state)
{
	(void)state;
	if (k.secret == NULL)
		assert_int_equal(mask_key_set(&k, secret_dup(key, LEN)), 0);
	return 0;
}

/* Feeds in pieces that end at the given places. */
static size_t
feed(const uint8_t *in, size_t n, const size_t *cut, size_t ncut,
    uint8_t *out, uint32_t *count)
{
	struct mask	 m;
	size_t		 w, at, i, end;

	mask_init(&m, &k);
	w = at = 0;
	for (i = 0; i <= ncut; i++) {
		end = i < ncut ? cut[i] : n;
		w += mask_feed(&m, in + at, end - at, out + w);
		at = end;
	}
	w += mask_end(&m, out + w);
	*count = m.count;
	return w;
}

static void
check(const char *before, const char *after, const size_t *cut, size_t ncut)
{
	uint8_t		 in[512], want[512], out[1024];
	uint32_t	 count;
	size_t		 n;

	n = (size_t)snprintf((char *)in, sizeof(in), "%s%s%s", before, key,
	    after);
	memcpy(want, in, n);
	memset(want + strlen(before), '*', LEN);
	assert_int_equal(feed(in, n, cut, ncut, out, &count), n);
	assert_memory_equal(out, want, n);
	assert_int_equal(count, 1);
}

static void
every_split(void **state)
{
	size_t	 cut, pre;

	(void)state;
	pre = strlen("data: {\"x\":\"");
	for (cut = pre + 1; cut < pre + LEN; cut++)
		check("data: {\"x\":\"", "\"}\n\n", &cut, 1);
}

static void
two_splits(void **state)
{
	size_t	 cut[2];

	(void)state;
	for (cut[0] = 1; cut[0] < LEN; cut[0]++)
		for (cut[1] = cut[0]; cut[1] <= LEN; cut[1]++)
			check("", "tail", cut, 2);
}

static void
byte_by_byte(void **state)
{
	size_t	 cut[200], i;

	(void)state;
	for (i = 0; i < LEN + 10; i++)
		cut[i] = i + 1;
	check("sk-pr", "sk-pr", cut, LEN + 10);
}

/* The beginning of one right before one. */
static void
overlap(void **state)
{
	size_t	 i, cut;
	char	 before[64];

	(void)state;
	for (i = 1; i < LEN; i++) {
		memcpy(before, key, i);
		before[i] = '\0';
		cut = i;
		check(before, "", &cut, 1);
	}
}

static void
repeated(void **state)
{
	uint8_t		 in[LEN * 3], out[LEN * 4], want[LEN * 3];
	uint32_t	 count;
	size_t		 i, cut;

	(void)state;
	for (i = 0; i < 3; i++)
		memcpy(in + i * LEN, key, LEN);
	memset(want, '*', sizeof(want));
	for (cut = 1; cut < sizeof(in); cut++) {
		assert_int_equal(feed(in, sizeof(in), &cut, 1, out, &count),
		    sizeof(in));
		assert_memory_equal(out, want, sizeof(in));
		assert_int_equal(count, 3);
	}
}

/* The stream must not wait for more than what may be an echo. */
static void
holds_little(void **state)
{
	struct mask	 m;
	uint8_t		 out[256];

	(void)state;
	mask_init(&m, &k);
	assert_int_equal(mask_feed(&m, (const uint8_t *)"hello\n\n", 7, out),
	    7);
	assert_int_equal(m.held, 0);
	assert_int_equal(mask_feed(&m, (const uint8_t *)"x sk-p", 6, out), 2);
	assert_int_equal(m.held, 4);
	assert_int_equal(mask_feed(&m, (const uint8_t *)"!", 1, out), 5);
	assert_memory_equal(out, "sk-p!", 5);
}

/* 10,000 strings that differ from the credential in one place. */
static void
near_misses(void **state)
{
	uint8_t		 in[LEN + 16], out[2 * LEN + 32];
	uint32_t	 count, seed;
	size_t		 cut, at, n;
	int		 i;

	(void)state;
	seed = 1;
	for (i = 0; i < 10000; i++) {
		seed = seed * 1664525u + 1013904223u;
		memcpy(in, "ab ", 3);
		memcpy(in + 3, key, LEN);
		memcpy(in + 3 + LEN, " end", 4);
		n = LEN + 7;
		at = (seed >> 8) % LEN;
		if (i % 2)
			in[3 + at] ^= (uint8_t)(1 + (seed >> 24) % 31);
		else {
			memmove(in + 3 + at, in + 4 + at, n - 4 - at);
			n--;
		}
		if (memmem(in, n, key, LEN) != NULL)
			continue;
		cut = (seed >> 4) % n;
		assert_int_equal(feed(in, n, &cut, 1, out, &count), n);
		assert_memory_equal(out, in, n);
		assert_int_equal(count, 0);
	}
}

/* Against the plain search, on a tiny alphabet where borders matter. */
static void
against_search(void **state)
{
	struct mask_key	 small;
	struct mask	 m;
	uint8_t		 in[64], want[64], out[128];
	const char	*pat;
	uint32_t	 seed;
	size_t		 i, n, w, len;
	int		 round;

	(void)state;
	seed = 7;
	pat = "aabaa";
	len = strlen(pat);
	assert_int_equal(mask_key_set(&small, secret_dup(pat, len)), 0);
	for (round = 0; round < 20000; round++) {
		n = 40;
		for (i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			in[i] = (seed >> 28) < 11 ? 'a' : 'b';
		}
		memcpy(want, in, n);
		for (i = 0; i + len <= n;) {
			if (memcmp(in + i, pat, len) == 0) {
				memset(want + i, '*', len);
				i += len;
			} else
				i++;
		}
		mask_init(&m, &small);
		w = 0;
		for (i = 0; i < n; i += 3)
			w += mask_feed(&m, in + i, i + 3 > n ? n - i : 3,
			    out + w);
		w += mask_end(&m, out + w);
		assert_int_equal(w, n);
		assert_memory_equal(out, want, n);
	}
	mask_key_wipe(&small);
}

static void
no_credential(void **state)
{
	struct mask_key	 none;
	struct mask	 m;
	uint8_t		 out[16];

	(void)state;
	assert_int_equal(mask_key_set(&none, NULL), 0);
	mask_init(&m, &none);
	assert_int_equal(mask_feed(&m, (const uint8_t *)"abc", 3, out), 3);
	assert_int_equal(mask_end(&m, out), 0);
	mask_key_wipe(&none);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup(every_split, setup),
		cmocka_unit_test_setup(two_splits, setup),
		cmocka_unit_test_setup(byte_by_byte, setup),
		cmocka_unit_test_setup(overlap, setup),
		cmocka_unit_test_setup(repeated, setup),
		cmocka_unit_test_setup(holds_little, setup),
		cmocka_unit_test_setup(near_misses, setup),
		cmocka_unit_test_setup(against_search, setup),
		cmocka_unit_test(no_credential),
	};

	if (secret_pool(8) == -1) {
		printf("1..0 # SKIP no lockable memory\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
