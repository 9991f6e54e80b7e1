/* SPDX-License-Identifier: ISC */
/*
 * Guesses by address: slowed, then closed; others untouched, and forgotten with
 * time.  The ring of entries: the newest are held, whole, whatever their sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxyd/worker/worker.h"

/* The ring is the broker's: its header and the worker's do not meet. */
struct ring;
struct ring	*ring_new(void);
void		 ring_free(struct ring *);
void		 ring_push(struct ring *, uint64_t, const void *, size_t);
const uint8_t	*ring_get(const struct ring *, uint64_t, size_t *);
uint64_t	 ring_first(const struct ring *);
uint64_t	 ring_end(const struct ring *);

/* 10,000 a second from one address, one in a while from 200 others. */
static void
test_guess(void **state)
{
	uint8_t		 loud[LIMIT_ADDR] = { 1 }, quiet[LIMIT_ADDR] = { 2 };
	struct guess	*g;
	uint64_t	 t;
	size_t		 i, ok, slow, closed;

	(void)state;
	g = guess_new();
	assert_non_null(g);
	ok = slow = closed = 0;
	for (i = 0; i < 10000; i++) {
		t = NS_S + i * (NS_S / 10000);
		switch (guess_fail(g, loud, t)) {
		case GUESS_OK:
			ok++;
			break;
		case GUESS_SLOW:
			slow++;
			break;
		case GUESS_CLOSE:
			closed++;
			break;
		}
		if (i % 50 == 0) {
			quiet[1] = (uint8_t)(i / 50);
			assert_int_equal(guess_fail(g, quiet, t), GUESS_OK);
		}
	}
	assert_in_range(ok, GUESS_FREE, GUESS_FREE + 3);
	assert_in_range(slow, 170, 190);
	assert_int_equal(ok + slow + closed, 10000);
	/* It is forgiven in two minutes. */
	assert_int_equal(guess_fail(g, loud, 122 * NS_S), GUESS_OK);
	guess_free(g);
}

static void
test_ring(void **state)
{
	static uint8_t	 buf[65535];
	const uint8_t	*p;
	struct ring	*r;
	uint64_t	 i, k;
	size_t		 len, got;

	(void)state;
	r = ring_new();
	assert_non_null(r);
	assert_null(ring_get(r, 0, &got));
	srandom(5);
	for (i = 1000; i < 31000; i++) {
		len = (size_t)random() % (i % 97 == 0 ? sizeof(buf) : 900) + 1;
		memset(buf, (int)(i % 251), len);
		ring_push(r, i, buf, len);
		assert_int_equal(ring_end(r), i + 1);
		for (k = ring_first(r); i % 500 == 0 && k <= i; k++) {
			p = ring_get(r, k, &got);
			assert_non_null(p);
			assert_true(got > 0);
			assert_int_equal(p[0], k % 251);
			assert_int_equal(p[got - 1], k % 251);
		}
	}
	assert_true(ring_end(r) - ring_first(r) > 4000);
	assert_null(ring_get(r, ring_first(r) - 1, &got));
	/* A gap: what was before is no longer next to it. */
	ring_push(r, 99999, "x", 1);
	assert_int_equal(ring_first(r), 99999);
	ring_free(r);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_guess), cmocka_unit_test(test_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
