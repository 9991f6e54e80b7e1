/* SPDX-License-Identifier: ISC */
/* The clock of the benches that run a module in their own process. */
#include <time.h>

/* ns of CPU that this process has used. */
static inline double
cpu_spent(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}
