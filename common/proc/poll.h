/* SPDX-License-Identifier: ISC */
#ifndef COMMON_PROC_POLL_H
#define COMMON_PROC_POLL_H

#include <signal.h>
#include <stdint.h>

/*
 * The small loop of every role but worker and egress: poll(2) over a fixed
 * table, one callback a descriptor, no allocation after poll_init.
 */
struct pollset;
typedef void (*poll_fn)(void *arg, int fd, short revents);

struct pollset	*poll_new(int maxfds);		/* fatal when out of memory */
int		 poll_add(struct pollset *, int fd, short events, poll_fn, void *);
void		 poll_events(struct pollset *, int fd, short events);
void		 poll_del(struct pollset *, int fd);
/*
 * From now on these signals are handled only while poll_turn waits, so that
 * none comes between the look at what a handler noted and the wait: that one
 * would sleep on.  A child must unblock them before it executes anything.
 */
void		 poll_signals(struct pollset *, const sigset_t *);
/* Wait until a descriptor is ready or deadline (ns; UINT64_MAX never), then
 * run the callbacks; safe against add/del inside callbacks.  Returns the number
 * of callbacks run, -1 with errno (EINTR is 0). */
int		 poll_turn(struct pollset *, uint64_t deadline);
/* CLOCK_BOOTTIME in ns; wall clock in ms. */
uint64_t	 poll_now(void);
uint64_t	 poll_wall(void);

#endif
