/* SPDX-License-Identifier: ISC */
/* The loop: readiness, deadlines, and changes from inside callbacks. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"

static struct pollset	*ps, *sets[8];	/* a set is never freed */
static int		 ran, last_fd, other;
static short		 last_events;

static void
count(void *arg, int fd, short revents)
{
	(void)arg;
	ran++;
	last_fd = fd;
	last_events = revents;
}

/* Deletes the other one of two, which is ready too. */
static void
delete_other(void *arg, int fd, short revents)
{
	int	*fds;

	(void)revents;
	fds = arg;
	ran++;
	poll_del(ps, fd == fds[0] ? fds[1] : fds[0]);
}

/* Replaces itself: same number, other handler. */
static void
replace(void *arg, int fd, short revents)
{
	(void)revents;
	ran++;
	poll_del(ps, fd);
	assert_int_equal(poll_add(ps, fd, POLLIN, count, arg), 0);
	assert_int_equal(poll_add(ps, other, POLLIN, count, arg), 0);
}

static int
setup(void **state)
{
	static int	 n;

	(void)state;
	ps = sets[n++] = poll_new(4);
	ran = 0;
	return 0;
}

static void
test_ready(void **state)
{
	int	 p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(poll_add(ps, p[0], POLLIN, count, NULL), 0);
	assert_int_equal(poll_add(ps, p[1], 0, count, NULL), 0);
	assert_int_equal(poll_turn(ps, 0), 0);
	poll_events(ps, p[1], POLLOUT);
	assert_int_equal(poll_turn(ps, UINT64_MAX), 1);
	assert_int_equal(last_fd, p[1]);
	assert_int_equal(last_events, POLLOUT);
	poll_events(ps, p[1], 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(poll_turn(ps, UINT64_MAX), 1);
	assert_int_equal(last_fd, p[0]);
	poll_del(ps, p[1]);
	close(p[1]);
	assert_int_equal(poll_turn(ps, UINT64_MAX), 1);
	assert_true((last_events & POLLHUP) != 0);
	close(p[0]);
}

static void
test_bounds(void **state)
{
	int	 i;

	(void)state;
	assert_int_equal(poll_add(ps, -1, POLLIN, count, NULL), -1);
	assert_int_equal(errno, EINVAL);
	for (i = 0; i < 4; i++)
		assert_int_equal(poll_add(ps, 100 + i, 0, count, NULL), 0);
	assert_int_equal(poll_add(ps, 101, 0, count, NULL), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(poll_add(ps, 110, 0, count, NULL), -1);
	assert_int_equal(errno, ENOSPC);
	poll_del(ps, 101);
	poll_del(ps, 101);
	poll_del(ps, -1);
	assert_int_equal(poll_add(ps, 110, 0, count, NULL), 0);
}

static void
test_deadline(void **state)
{
	uint64_t	 begin, end;

	(void)state;
	begin = poll_now();
	end = begin + 20 * 1000000;
	assert_int_equal(poll_turn(ps, end), 0);
	assert_true(poll_now() >= end);
	assert_true(poll_now() < begin + 5000000000ULL);
	assert_int_equal(poll_turn(ps, begin), 0);
	assert_true(poll_wall() > 1600000000000ULL);
}

static void
test_delete_inside(void **state)
{
	int	 fds[2], p[2], q[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	fds[0] = p[0];
	fds[1] = q[0];
	poll_add(ps, p[0], POLLIN, delete_other, fds);
	poll_add(ps, q[0], POLLIN, delete_other, fds);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(q[1], "x", 1), 1);
	assert_int_equal(poll_turn(ps, UINT64_MAX), 1);
	assert_int_equal(ran, 1);
	assert_int_equal(poll_add(ps, q[0], POLLIN, count, NULL), 0);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

/* What is added in a turn waits for the next one. */
static void
test_replace_inside(void **state)
{
	int	 p[2], q[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	other = q[0];
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(q[1], "x", 1), 1);
	poll_add(ps, p[0], POLLIN, replace, NULL);
	assert_int_equal(poll_turn(ps, UINT64_MAX), 1);
	assert_int_equal(ran, 1);
	assert_int_equal(poll_turn(ps, UINT64_MAX), 2);
	assert_int_equal(ran, 3);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static volatile sig_atomic_t	 noted;

static void
note(int sig)
{
	(void)sig;
	noted = 1;
}

/*
 * A signal between the look at what its handler notes and the wait: the wait
 * ends at once, instead of with the next message.
 */
static void
test_signals(void **state)
{
	struct sigaction	 sa;
	sigset_t		 set;
	uint64_t		 start;

	(void)state;
	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = note;
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	poll_signals(ps, &set);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(noted, 0);
	start = poll_now();
	assert_int_equal(poll_turn(ps, start + 10000000000ULL), 0);
	assert_int_equal(noted, 1);
	assert_true(poll_now() - start < 5000000000ULL);
	/* Even if there is nothing to wait for. */
	noted = 0;
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(poll_turn(ps, 0), 0);
	assert_int_equal(noted, 1);
	/* And deadlines are as they were. */
	start = poll_now();
	assert_int_equal(poll_turn(ps, start + 20000000), 0);
	assert_true(poll_now() - start >= 20000000);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup(test_ready, setup),
		cmocka_unit_test_setup(test_bounds, setup),
		cmocka_unit_test_setup(test_deadline, setup),
		cmocka_unit_test_setup(test_delete_inside, setup),
		cmocka_unit_test_setup(test_replace_inside, setup),
		cmocka_unit_test_setup(test_signals, setup)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
