/* SPDX-License-Identifier: ISC */
#ifndef COMMON_PROC_REAP_H
#define COMMON_PROC_REAP_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Respawn policy of one role instance: back-off 0, 100 ms, doubling to 60 s.
 * A death costs 5 s of life, and life pays it to the millisecond: whoever dies
 * less often than that comes back at once.  A minute pays for all of them;
 * three deaths by SIGSYS in a minute stop it.
 */
struct reap {
	uint32_t	 deaths;	/* in all */
	uint32_t	 sigsys;	/* in the last minute */
	uint64_t	 sigsys_at[2];	/* the last two, newest first */
	uint64_t	 debt;		/* life owed, ns; drives the back-off */
	uint64_t	 started;
	uint64_t	 most;		/* longest back-off, ns; 0: 60 s */
	int		 excused;	/* its next start continues this life */
	int		 stopped;	/* no respawn any more */
};

void	 reap_started(struct reap *, uint64_t now);
/* An end that was no fault: the time that it lived still forgives. */
void	 reap_excused(struct reap *);
/*
 * A death with this wait status.  Writes a sentence ("killed by signal 31:
 * sandbox violation, see ausearch -m SECCOMP or the kernel log").  Returns the
 * time (CLOCK_BOOTTIME ns) of the next start, UINT64_MAX if stopped.
 */
uint64_t reap_died(struct reap *, int status, uint64_t now, char *text,
	    size_t size);

#endif
