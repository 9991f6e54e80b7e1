/* SPDX-License-Identifier: ISC */
/*
 * When a role that died starts again.  Pure: the clock is the caller's.
 */
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/proc/reap.h"

#define MS		1000000ULL
#define FIRST_DELAY	(100 * MS)
#define LAST_DELAY	(60000 * MS)
#define FORGIVEN	(5000 * MS)	/* of life forgets one death */
#define DEBT_MAX	(60000 * MS)	/* a minute forgets everything */
#define MINUTE		(60000 * MS)
#define SIGSYS_MAX	3

/* The role runs; nothing is forgiven yet. */
void
reap_started(struct reap *r, uint64_t now)
{
	if (!r->excused)
		r->started = now;
	r->excused = 0;
}

void
reap_excused(struct reap *r)
{
	r->excused = 1;
}

/* Counts the violations of the last minute; three stop the role for good. */
static void
violation(struct reap *r, uint64_t now)
{
	uint32_t	 i;

	for (i = 0; i < r->sigsys && i < SIGSYS_MAX - 1; i++)
		if (now - r->sigsys_at[i] > MINUTE)
			break;
	r->sigsys = i + 1;
	r->sigsys_at[1] = r->sigsys_at[0];
	r->sigsys_at[0] = now;
	if (r->sigsys >= SIGSYS_MAX)
		r->stopped = 1;
}

static void
describe(const struct reap *r, int status, char *text, size_t size)
{
	int	 sig;

	if (WIFEXITED(status)) {
		snprintf(text, size, "exited with status %d",
		    WEXITSTATUS(status));
		return;
	}
	sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (sig == SIGSYS)
		snprintf(text, size, "killed by signal %d: sandbox violation, "
		    "see ausearch -m SECCOMP or the kernel log%s", sig,
		    r->stopped ? "; three in a minute, not started again" : "");
	else
		snprintf(text, size, "killed by signal %d: %s", sig,
		    strsignal(sig));
}

/* See reap.h. */
uint64_t
reap_died(struct reap *r, int status, uint64_t now, char *text, size_t size)
{
	uint64_t	 delay, i, life, most, recent;

	life = now - r->started;
	r->debt -= life < r->debt ? life : r->debt;
	r->deaths++;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		violation(r, now);
	describe(r, status, text, size);
	if (r->stopped)
		return UINT64_MAX;
	recent = (r->debt + FORGIVEN - 1) / FORGIVEN;
	delay = recent == 0 ? 0 : FIRST_DELAY;
	most = r->most == 0 ? LAST_DELAY : r->most;
	for (i = 1; i < recent && delay < most; i++)
		delay *= 2;
	if (delay > most)
		delay = most;
	r->debt += FORGIVEN;
	if (r->debt > DEBT_MAX)
		r->debt = DEBT_MAX;
	return now + delay;
}
