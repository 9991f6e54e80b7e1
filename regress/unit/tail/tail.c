/* SPDX-License-Identifier: ISC */

/* The last 64 bytes leave only if digest and length are the recorded ones. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/egress/egress.h"

/*
 * Sends `sent` bytes against a record of `length` bytes with that digest, in
 * pieces, taking at each step all that may leave.  Returns what left, -1 once
 * a difference was seen.
 */
static int
run(uint64_t length, const uint8_t *digest, const uint8_t *body, size_t sent,
    size_t step, int bindlate, uint64_t *left)
{
	struct tail	 t;
	size_t		 at, n;
	uint64_t	 may;
	int		 r;

	tail_init(&t);
	*left = 0;
	if (!bindlate)
		tail_bind(&t, length, digest);
	for (at = 0; at < sent; at += n) {
		n = sent - at < step ? sent - at : step;
		tail_add(&t, body + at, n);
		if (bindlate && at + n == sent)
			tail_bind(&t, length, digest);
		r = tail_check(&t);
		if (r == -1)
			return -1;
		assert_int_equal(r, 0);
		may = tail_may(&t);
		tail_pass(&t, may);
		*left += may;
		assert_true(*left <= at + n);
		assert_true(*left + TAIL_HOLD <= length || *left == 0);
	}
	if (sent == 0)
		tail_bind(&t, length, digest);
	tail_end(&t);
	r = tail_check(&t);
	may = tail_may(&t);
	if (r == 1)
		assert_true(tail_final(&t, may));
	*left += may;
	return r;
}

static const size_t	sizes[] = { 0, 1, 63, 64, 65, 66, 127, 128, 129, 1000,
	16384, 100000 };
static const size_t	steps[] = { 1, 7, 63, 64, 65, 4096, 100001 };
#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static uint8_t	body[100064];

static int
fill(void **state)
{
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 31 + (i >> 8));
	return 0;
}

static void
equal(void **state)
{
	uint8_t		 digest[SHA256_LEN];
	uint64_t	 left;
	size_t		 i, k;
	int		 late;

	(void)state;
	for (i = 0; i < NITEMS(sizes); i++)
		for (k = 0; k < NITEMS(steps); k++)
			for (late = 0; late < 2; late++) {
				if (sizes[i] > 1000 && steps[k] == 1)
					continue;
				sha256_buf(body, sizes[i], digest);
				assert_int_equal(run(sizes[i], digest, body,
				    sizes[i], steps[k], late, &left), 1);
				assert_int_equal(left, sizes[i]);
			}
}

/* Whatever differs: the last 64 bytes of the recorded length stay. */
static void
differs(uint64_t length, const uint8_t *digest, size_t sent)
{
	uint64_t	 left;
	size_t		 k;

	for (k = 1; k < NITEMS(steps); k++) {
		assert_int_equal(run(length, digest, body, sent, steps[k], 0,
		    &left), -1);
		assert_true(left == 0 || left + TAIL_HOLD <= length);
	}
}

static void
other_digest(void **state)
{
	uint8_t	 digest[SHA256_LEN];
	size_t	 i;

	(void)state;
	for (i = 0; i < NITEMS(sizes); i++) {
		sha256_buf(body, sizes[i], digest);
		digest[i % SHA256_LEN] ^= 1;
		differs(sizes[i], digest, sizes[i]);
	}
}

static void
short_and_long(void **state)
{
	uint8_t	 digest[SHA256_LEN];
	size_t	 i;

	(void)state;
	for (i = 1; i < NITEMS(sizes); i++) {
		sha256_buf(body, sizes[i], digest);
		differs(sizes[i], digest, sizes[i] - 1);
		differs(sizes[i], digest, sizes[i] + 1);
		differs(sizes[i], digest, sizes[i] + 64);
		differs(sizes[i], digest, sizes[i] / 2);
	}
}

/* A digest of what was sent does not help if the length is another. */
static void
own_digest(void **state)
{
	uint8_t	 digest[SHA256_LEN];

	(void)state;
	sha256_buf(body, 999, digest);
	differs(1000, digest, 999);
	sha256_buf(body, 1001, digest);
	differs(1000, digest, 1001);
}

static void
nothing_before_release(void **state)
{
	struct tail	 t;

	(void)state;
	tail_init(&t);
	tail_add(&t, body, 1000);
	tail_end(&t);
	assert_int_equal(tail_check(&t), 0);
	assert_int_equal(tail_may(&t), 0);
	assert_false(tail_final(&t, 1000));
}

static void
rewound(void **state)
{
	struct tail	 t;
	uint8_t		 digest[SHA256_LEN];

	(void)state;
	sha256_buf(body, 1000, digest);
	tail_init(&t);
	tail_bind(&t, 1000, digest);
	tail_add(&t, body, 1000);
	assert_int_equal(tail_may(&t), 936);
	tail_pass(&t, 936);
	assert_int_equal(tail_may(&t), 0);
	tail_rewind(&t);
	assert_int_equal(tail_may(&t), 936);
	assert_false(tail_final(&t, 936));
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(equal),
		cmocka_unit_test(other_digest),
		cmocka_unit_test(short_and_long),
		cmocka_unit_test(own_digest),
		cmocka_unit_test(nothing_before_release),
		cmocka_unit_test(rewound),
	};

	return cmocka_run_group_tests(tests, fill, NULL);
}
