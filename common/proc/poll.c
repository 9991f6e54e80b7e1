/* SPDX-License-Identifier: ISC */
/*
 * The loop of the small roles: poll(2), a fixed table, one callback a
 * descriptor.  Holds no descriptor of its own and closes none.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/poll.h"

#define WAIT_MAX	(3600 * 1000)	/* ms; the caller comes again anyway */

struct handler {
	poll_fn		 fn;
	void		*arg;
};

struct pollset {
	struct pollfd	*fds;		/* fd -1: free */
	struct handler	*handlers;
	int		 used, max;
	int		 turning;
	int		 signals;	/* handled during the wait only */
};

/* A set for at most maxfds descriptors; lives as long as the process. */
struct pollset *
poll_new(int maxfds)
{
	struct pollset	*ps;

	ps = calloc(1, sizeof(*ps));
	if (ps == NULL)
		fatal("poll: %d descriptors", maxfds);
	ps->fds = calloc(maxfds, sizeof(ps->fds[0]));
	ps->handlers = calloc(maxfds, sizeof(ps->handlers[0]));
	if (ps->fds == NULL || ps->handlers == NULL)
		fatal("poll: %d descriptors", maxfds);
	ps->max = maxfds;
	return ps;
}

static int
find(const struct pollset *ps, int fd)
{
	int	 i;

	for (i = 0; i < ps->used; i++)
		if (ps->fds[i].fd == fd)
			return i;
	return -1;
}

/*
 * 0, or -1: EINVAL negative, EEXIST already there, ENOSPC full.  A descriptor
 * added inside a callback is first looked at in the next turn, even if it has
 * the number of one that was deleted in this turn.
 */
int
poll_add(struct pollset *ps, int fd, short events, poll_fn fn, void *arg)
{
	int	 i;

	errno = 0;
	if (fd < 0)
		errno = EINVAL;
	else if (find(ps, fd) != -1)
		errno = EEXIST;
	if (errno != 0)
		return -1;
	i = find(ps, -1);
	if (i == -1) {
		if (ps->used == ps->max) {
			errno = ENOSPC;
			return -1;
		}
		i = ps->used++;
	}
	ps->fds[i].fd = fd;
	ps->fds[i].events = events;
	ps->fds[i].revents = 0;
	ps->handlers[i].fn = fn;
	ps->handlers[i].arg = arg;
	return 0;
}

/* Changes what a descriptor waits for; unknown ones are ignored. */
void
poll_events(struct pollset *ps, int fd, short events)
{
	int	 i;

	i = fd < 0 ? -1 : find(ps, fd);
	if (i != -1)
		ps->fds[i].events = events;
}

/* Forgets a descriptor, before it is closed; unknown ones are ignored. */
void
poll_del(struct pollset *ps, int fd)
{
	int	 i;

	i = fd < 0 ? -1 : find(ps, fd);
	if (i == -1)
		return;
	ps->fds[i].fd = -1;
	ps->fds[i].revents = 0;
	while (!ps->turning && ps->used > 0 && ps->fds[ps->used - 1].fd == -1)
		ps->used--;
}

/* Rounded up, so that a deadline has passed when the wait for it ends. */
static int
wait_ms(uint64_t deadline)
{
	uint64_t	 ms, now;

	if (deadline == UINT64_MAX)
		return -1;
	now = poll_now();
	if (deadline <= now)
		return 0;
	ms = (deadline - now - 1) / 1000000 + 1;
	return ms > WAIT_MAX ? WAIT_MAX : (int)ms;
}

/* See poll.h. */
void
poll_signals(struct pollset *ps, const sigset_t *handled)
{
	if (sigprocmask(SIG_BLOCK, handled, NULL) == -1)
		fatal("sigprocmask");
	ps->signals = 1;
}

/*
 * ppoll lets a signal in only if it has to wait.  With something ready, or a
 * deadline that has passed, it comes afterwards, or a busy loop would never
 * see one.
 */
static int
wait_ready(struct pollset *ps, int ms)
{
	struct timespec	 ts;
	sigset_t	 none, handled;
	int		 error, ready;

	if (!ps->signals)
		return poll(ps->fds, ps->used, ms);
	sigemptyset(&none);
	ts.tv_sec = ms / 1000;
	ts.tv_nsec = ms % 1000 * 1000000L;
	ready = ppoll(ps->fds, ps->used, ms == -1 ? NULL : &ts, &none);
	error = errno;
	if (sigprocmask(SIG_SETMASK, &none, &handled) == -1 ||
	    sigprocmask(SIG_SETMASK, &handled, NULL) == -1)
		fatal("sigprocmask");
	errno = error;
	return ready;
}

/* See poll.h; not to be called from a callback. */
int
poll_turn(struct pollset *ps, uint64_t deadline)
{
	short	 revents;
	int	 count, i, ready, used;

	ready = wait_ready(ps, wait_ms(deadline));
	if (ready == -1)
		return errno == EINTR ? 0 : -1;
	ps->turning = 1;
	used = ps->used;
	for (count = i = 0; ready > 0 && i < used; i++) {
		revents = ps->fds[i].revents;
		if (ps->fds[i].fd == -1 || revents == 0)
			continue;
		ps->fds[i].revents = 0;
		ps->handlers[i].fn(ps->handlers[i].arg, ps->fds[i].fd, revents);
		count++;
	}
	ps->turning = 0;
	while (ps->used > 0 && ps->fds[ps->used - 1].fd == -1)
		ps->used--;
	return count;
}

/* Goes on while the machine sleeps: deadlines are about the world. */
uint64_t
poll_now(void)
{
	struct timespec	 ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) == -1)
		fatal("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Wall clock, ms since 1970. */
uint64_t
poll_wall(void)
{
	struct timespec	 ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) == -1)
		fatal("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
