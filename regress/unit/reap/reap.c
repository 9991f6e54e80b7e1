/* SPDX-License-Identifier: ISC */
/* Back-off and the end of a role that violates its sandbox. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/proc/reap.h"

#define MS	1000000ULL
#define S	(1000 * MS)
#define SIGNALED(n)	(n)
#define EXITED(n)	((n) << 8)

static char	text[200];

static void
test_backoff(void **state)
{
	static const uint64_t	 want[] = { 0, 100, 200, 400, 800, 1600, 3200,
		6400, 12800, 25600, 51200, 60000, 60000, 60000 };
	struct reap		 r;
	uint64_t		 now, next;
	size_t			 i;

	(void)state;
	memset(&r, 0, sizeof(r));
	now = 1000 * S;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		reap_started(&r, now);
		now += 10 * MS;
		next = reap_died(&r, EXITED(1), now, text, sizeof(text));
		assert_true(next == now + want[i] * MS);
		now = next;
	}
	assert_int_equal(r.deaths, i);
	assert_string_equal(text, "exited with status 1");
	/* A minute of life forgets it all. */
	reap_started(&r, now);
	now += 60 * S;
	assert_true(reap_died(&r, EXITED(0), now, text, sizeof(text)) == now);
}

static void
test_backoff_kept(void **state)
{
	struct reap	 r;
	uint64_t	 now;

	(void)state;
	memset(&r, 0, sizeof(r));
	now = 1000 * S;
	reap_started(&r, now);
	reap_died(&r, EXITED(1), now, text, sizeof(text));
	reap_started(&r, now);
	now += 4999 * MS;
	assert_true(reap_died(&r, EXITED(1), now, text, sizeof(text)) ==
	    now + 100 * MS);
	/* Two deaths are remembered: 5 s of life forget one of them. */
	reap_started(&r, now);
	now += 5 * S;
	assert_true(reap_died(&r, EXITED(1), now, text, sizeof(text)) ==
	    now + 100 * MS);
}

/* Lives of 6 s on average are enough, however uneven they are. */
static void
test_uneven(void **state)
{
	static const uint64_t	 lives[] = { 4900, 7100, 4500, 8000, 4999, 6501 };
	struct reap		 r;
	uint64_t		 now, next;
	size_t			 i;

	(void)state;
	memset(&r, 0, sizeof(r));
	now = 1000 * S;
	for (i = 0; i < 600; i++) {
		reap_started(&r, now);
		now += lives[i % 6] * MS;
		next = reap_died(&r, SIGNALED(SIGKILL), now, text,
		    sizeof(text));
		assert_true(next <= now + 100 * MS);
		now = next;
	}
}

/* A role may have a shorter longest wait. */
static void
test_most(void **state)
{
	struct reap	 r;
	uint64_t	 now, next;
	int		 i;

	(void)state;
	memset(&r, 0, sizeof(r));
	r.most = 3 * S;
	now = next = 1000 * S;
	for (i = 0; i < 10; i++) {
		reap_started(&r, next);
		now = next;
		next = reap_died(&r, SIGNALED(SIGABRT), now, text,
		    sizeof(text));
		assert_true(next <= now + 3 * S);
	}
	assert_true(next == now + 3 * S);
}

/* Ends that are no fault do not take away the life that forgives. */
static void
test_excused(void **state)
{
	struct reap	 r;
	uint64_t	 now;
	int		 i;

	(void)state;
	memset(&r, 0, sizeof(r));
	now = 1000 * S;
	for (i = 0; i < 20; i++) {
		reap_started(&r, now);
		now += 3 * S;
		reap_excused(&r);
		reap_started(&r, now);
		now += 3 * S;
		assert_true(reap_died(&r, SIGNALED(SIGKILL), now, text,
		    sizeof(text)) <= now + 100 * MS);
	}
}

/* Deaths by SIGSYS at these seconds; 1 if the last one stops the role. */
static int
stops(const int *at, size_t n)
{
	struct reap	 r;
	uint64_t	 next;
	size_t		 i;

	memset(&r, 0, sizeof(r));
	next = 0;
	for (i = 0; i < n; i++) {
		assert_int_equal(r.stopped, 0);
		reap_started(&r, (1000 + at[i]) * S);
		next = reap_died(&r, SIGNALED(SIGSYS), (1000 + at[i]) * S,
		    text, sizeof(text));
	}
	assert_int_equal(r.stopped, next == UINT64_MAX);
	return r.stopped;
}

static void
test_sigsys(void **state)
{
	(void)state;
	assert_int_equal(stops((int[]){ 0, 1 }, 2), 0);
	assert_non_null(strstr(text, "killed by signal 31: sandbox violation"));
	assert_non_null(strstr(text, "ausearch -m SECCOMP"));
	assert_int_equal(stops((int[]){ 0, 1, 2 }, 3), 1);
	assert_non_null(strstr(text, "not started again"));
	assert_int_equal(stops((int[]){ 0, 30, 60 }, 3), 1);
	assert_int_equal(stops((int[]){ 0, 30, 61 }, 3), 0);
	/* any minute, not one that began with the first */
	assert_int_equal(stops((int[]){ 0, 50, 70, 100 }, 4), 1);
	assert_int_equal(stops((int[]){ 0, 61, 122, 183, 244 }, 5), 0);
}

static void
test_other_signals(void **state)
{
	struct reap	 r;
	uint64_t	 now;
	int		 i;

	(void)state;
	memset(&r, 0, sizeof(r));
	now = 1000 * S;
	for (i = 0; i < 10; i++) {
		reap_started(&r, now);
		assert_true(reap_died(&r, SIGNALED(SIGSEGV), now, text,
		    sizeof(text)) != UINT64_MAX);
	}
	assert_non_null(strstr(text, "killed by signal 11"));
	assert_int_equal(r.stopped, 0);
	/* core flag */
	reap_died(&r, SIGSYS | 0x80, now, text, sizeof(text));
	assert_int_equal(r.sigsys, 1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_backoff_kept),
		cmocka_unit_test(test_uneven),
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_excused),
		cmocka_unit_test(test_sigsys),
		cmocka_unit_test(test_other_signals)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
