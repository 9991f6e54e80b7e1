/* SPDX-License-Identifier: ISC */
/* Connection counts against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxyd/worker/worker.h"

#define ADDRESSES	40
#define TOTAL		60
#define EACH		3

static void
addr(uint8_t out[LIMIT_ADDR], unsigned int i)
{
	memset(out, 0, LIMIT_ADDR);
	out[10] = out[11] = 0xff;
	out[15] = i * 16;	/* neighbours, so that homes collide */
	out[14] = i;
}

static void
bounds(void **state)
{
	struct limit	*l;
	uint8_t		 a[LIMIT_ADDR], b[LIMIT_ADDR];

	(void)state;
	l = limit_new(4, 2);
	addr(a, 1);
	addr(b, 2);
	assert_int_equal(limit_take(l, a, 0), LIMIT_OK);
	assert_int_equal(limit_take(l, a, 0), LIMIT_OK);
	assert_int_equal(limit_take(l, a, 0), LIMIT_ADDRESS);
	assert_int_equal(limit_take(l, a, 1), LIMIT_OK);
	assert_int_equal(limit_take(l, b, 0), LIMIT_OK);
	assert_int_equal(limit_take(l, b, 0), LIMIT_FULL);
	assert_int_equal(limit_total(l), 4);
	limit_drop(l, a, 1);
	limit_drop(l, a, 0);
	assert_int_equal(limit_take(l, a, 0), LIMIT_OK);
	limit_bound(l, 3, 1);
	assert_int_equal(limit_take(l, b, 0), LIMIT_FULL);
	limit_bound(l, 100, 9);
	assert_int_equal(limit_take(l, b, 0), LIMIT_OK);
	assert_int_equal(limit_take(l, b, 0), LIMIT_FULL);
	limit_free(l);
	assert_null(limit_new(0, 1));
	assert_null(limit_new(2000000, 1));
	limit_free(NULL);
}

/* 200,000 random takes and drops; every verdict is the model's. */
static void
model(void **state)
{
	struct limit	*l;
	uint8_t		 a[LIMIT_ADDR];
	unsigned int	 count[ADDRESSES] = { 0 }, i, n, total, x;
	enum limit_verdict want;

	(void)state;
	l = limit_new(TOTAL, EACH);
	x = 12345;
	total = 0;
	for (n = 0; n < 200000; n++) {
		x = x * 1103515245 + 12345;
		i = (x >> 16) % ADDRESSES;
		addr(a, i);
		if ((x >> 8 & 3) != 0) {
			want = total == TOTAL ? LIMIT_FULL :
			    count[i] == EACH ? LIMIT_ADDRESS : LIMIT_OK;
			assert_int_equal(limit_take(l, a, 0), want);
			if (want == LIMIT_OK) {
				count[i]++;
				total++;
			}
		} else if (count[i] > 0) {
			limit_drop(l, a, 0);
			count[i]--;
			total--;
		}
		assert_int_equal(limit_total(l), total);
	}
	limit_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds),
		cmocka_unit_test(model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
