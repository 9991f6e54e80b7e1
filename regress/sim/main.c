/* SPDX-License-Identifier: ISC */
/*
 * sim [-v] [-s seed | -f first -n count] [-c faults,cells]: runs seeds, stops
 * at the first finding (exit 1).  -c: also demands that each kind of fault
 * and each cell of appendix A was reached so often.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log/log.h"
#include "regress/sim/sim.h"

#define ACTIONS	110

struct sim	*sim;

/* What lasts from seed to seed: memory and the keys of the genesis. */
static void
reset(uint64_t seed)
{
	struct ev	**heap;
	struct outbox	*o;
	size_t		 room;
	int		 verbose;

	world_clear();
	heap = sim->heap;
	room = sim->room;
	o = sim->o;
	verbose = sim->verbose;
	memset(sim, 0, offsetof(struct sim, token));
	sim->heap = heap;
	sim->room = room;
	sim->o = o;
	sim->verbose = verbose;
	memset(sim->revoked, 0, sizeof(sim->revoked));
	sim->seed = seed;
	sim->rng = seed * 0xd1342543de82ef95ULL + 1;
	sim->fill = seed * 0x2545f4914f6cdd1dULL + 7;
	sim->now = SIM_NOW;
	sim->wall = SIM_WALL;
}

/* All comes to rest, everything is settled, the log ends well. */
static void
end(void)
{
	uint32_t	 i;

	sim->draining = 1;
	world_run();
	/* told to stop before it had recovered: the next start does that */
	while (sim->b != NULL && sim->b->finished &&
	    sim->b->recover.phase != RC_DONE) {
		parent_kill_broker();
		world_run();
	}
	if (sim->b == NULL)
		finding("no broker at the end");
	if (!sim->closing) {
		if (!gate_open(sim->b))
			finding("the gate does not open again: %s",
			    gate_reason(sim->b));
		worker_check_end();
		parent_closing();
		world_run();
	}
	if (!sim->b->finished)
		finding("it does not shut down: %u calls live",
		    sim->b->live);
	if (sim->b->live != 0)
		finding("%u calls are left", sim->b->live);
	for (i = 0; i < sim->b->nbudget; i++)
		if (sim->b->budget[i].calls != 0)
			finding("a reservation is left");
	totals.calls += sim->b->count.calls;
	disk_verify_end();
	broker_free(sim->b);
	sim->b = NULL;
	if (secret_in_use() != 0)
		finding("%zu secrets are left", secret_in_use());
}

static void
run(uint64_t seed)
{
	reset(seed);
	disk_reset();
	sim->actions = ACTIONS;
	parent_begin();
	(void)later(sim->now + 20 * NS_MS, EV_ACTION, 0, 0, NULL, 0);
	world_run();
	if (sim->b != NULL && sim->b->finished)
		sim->closing = 1;
	end();
	totals.seeds++;
}

static int
report_cells(uint64_t want)
{
	uint64_t	 n, least;
	unsigned int	 e, s, reached, cells, seen;

	least = UINT64_MAX;
	reached = cells = seen = 0;
	for (e = 0; e < CE_MAX; e++)
		for (s = 0; s < CS_MAX; s++) {
			if (s == CS_FREE && e != CE_ADMIT && e != CE_CALL)
				continue;
			n = totals.cell[e][s] + totals.seen[e][s];
			cells++;
			reached += n >= want;
			seen += totals.cell[e][s] == 0 && n > 0;
			if (n < least)
				least = n;
			printf("# cell %-11s %-10s %9llu%s\n", event_name(e),
			    state_name(s), (unsigned long long)n,
			    totals.cell[e][s] == 0 ? " seen, no effect" : "");
		}
	printf("# cells of appendix A: %u of %u reached at least %llu times, "
	    "%u of them as events without effect; least %llu\n", reached,
	    cells, (unsigned long long)want, seen, (unsigned long long)least);
	return reached == cells;
}

static int
report_faults(uint64_t want)
{
	unsigned int	 i, ok;

	for (i = ok = 0; i < F_MAX; i++) {
		printf("# fault %-46s %9llu\n", fault_name(i),
		    (unsigned long long)totals.fault[i]);
		ok += totals.fault[i] >= want;
	}
	printf("# kinds of fault: %u of %d reached at least %llu times\n", ok,
	    F_MAX, (unsigned long long)want);
	return ok == F_MAX;
}

static void
report_sums(double seconds)
{
	printf("# %llu seeds in %.1f s: %llu steps, %llu calls, %llu releases, "
	    "%llu complete requests, %llu outcomes, %llu orphans, %llu "
	    "entries in %llu batches, %llu epochs\n",
	    (unsigned long long)totals.seeds, seconds,
	    (unsigned long long)totals.steps,
	    (unsigned long long)totals.calls,
	    (unsigned long long)totals.releases,
	    (unsigned long long)totals.completes,
	    (unsigned long long)totals.outcomes,
	    (unsigned long long)totals.orphans,
	    (unsigned long long)totals.entries,
	    (unsigned long long)totals.batches,
	    (unsigned long long)totals.rolls);
}

static void
prepare(int verbose)
{
	int	 fd;

	fd = verbose ? STDOUT_FILENO : open("/dev/null", O_WRONLY);
	log_role("sim", fd);
	if (sodium_init() == -1 || vault_prepare() == -1 ||
	    secret_pool(256) == -1)
		fatal("libraries");
	sim = calloc(1, sizeof(*sim));
	if (sim == NULL)
		fatal("memory");
	sim->o = outbox_new();
	reset(0);
	parent_genesis();
	memset(&totals, 0, sizeof(totals));
}

int
main(int argc, char **argv)
{
	struct timespec	 a, z;
	uint64_t	 first, n, i, faults, cells;
	int		 ch, verbose, ok;

	first = 1;
	n = 100;
	faults = cells = 0;
	verbose = 0;
	while ((ch = getopt(argc, argv, "c:f:n:s:v")) != -1)
		switch (ch) {
		case 'c':
			if (sscanf(optarg, "%lu,%lu", &faults, &cells) != 2)
				return 2;
			break;
		case 'f': first = strtoull(optarg, NULL, 10); break;
		case 'n': n = strtoull(optarg, NULL, 10); break;
		case 's':
			first = strtoull(optarg, NULL, 10);
			n = 1;
			break;
		case 'v': verbose = 1; break;
		default: return 2;
		}
	clock_gettime(CLOCK_MONOTONIC, &a);
	prepare(verbose);
	sim->verbose = verbose;
	for (i = 0; i < n; i++)
		run(first + i);
	clock_gettime(CLOCK_MONOTONIC, &z);
	ok = report_faults(faults) & report_cells(cells);
	report_sums((double)(z.tv_sec - a.tv_sec) +
	    (double)(z.tv_nsec - a.tv_nsec) / 1e9);
	printf("ok - %llu seeds without a finding\n", (unsigned long long)n);
	if (faults != 0)
		printf("%s - faults and cells reached often enough\n",
		    ok ? "ok" : "not ok");
	return faults != 0 && !ok;
}
