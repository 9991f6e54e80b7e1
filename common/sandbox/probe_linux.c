/* SPDX-License-Identifier: ISC */
/*
 * The self-test under the own filter: what a libc of tomorrow, a large body or
 * an abort would call, by the system calls themselves, since today's vDSO may
 * hide them.  A call that the table forgot kills the process here.
 */
#include <sys/syscall.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/sandbox/sandbox.h"

#define LARGE	(4 * 1024 * 1024)
#define SMALL	4000
#define SMALLS	256

/* mmap and munmap, then enough small pieces to move the break both ways. */
static int
probe_memory(void)
{
	volatile char	*p;
	char		*small[SMALLS];
	int		 i, r;

	p = malloc(LARGE);
	if (p == NULL)
		return -1;
	p[0] = p[LARGE - 1] = 1;
	free((void *)(uintptr_t)p);
	r = 0;
	for (i = 0; i < SMALLS; i++) {
		small[i] = malloc(SMALL);
		if (small[i] == NULL)
			r = -1;
	}
	for (i = SMALLS; i-- > 0;)
		free(small[i]);
	return r;
}

/* See sandbox.h: 0, or -1 with errno. */
int
sandbox_probe(const struct sandbox *sb)
{
	struct timespec	 ts;
	sigset_t	 set;
	char		 rnd[16];

	if (probe_memory() == -1)
		return -1;
	if (syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &ts) == -1 ||
	    syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts) == -1 ||
	    syscall(SYS_getrandom, rnd, sizeof(rnd), 0) != sizeof(rnd))
		return -1;
	/* abort(): signal 0 in the place of the last step. */
	if (sigprocmask(SIG_BLOCK, NULL, &set) == -1 ||
	    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0) == -1)
		return -1;
	return sb->probe == NULL ? 0 : sb->probe();
}
