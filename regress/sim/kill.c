/* SPDX-License-Identifier: ISC */
/*
 * What dies next: a process, or the link between two.  Chosen by the seed
 * only; each is counted as its kind of fault.
 */
#include "regress/sim/sim.h"

/* A process, if the one that was chosen is there. */
void
kill_process(void)
{
	uint32_t	 i;

	switch (chance(5)) {
	case 0:
		fault(F_LEDGER_DIES_IDLE);
		ledger_kill();
		break;
	case 1:
		i = chance(NWORKERS);
		if (sim->wk[i].alive) {
			fault(F_WORKER_DIES);
			worker_kill(i);
		}
		break;
	case 2:
	case 3:
		for (i = 0; i < NEGRESS; i++)
			if (sim->eg[i].alive && !sim->eg[i].orphan &&
			    sim->eg[i].conn != 0 && often(50))
				break;
		if (i < NEGRESS) {
			fault(F_EGRESS_DIES);
			egress_kill(i);
		}
		break;
	case 4:
		if (often(40))
			parent_kill_broker();
		break;
	}
}

/* The link from a worker to an egress breaks. */
void
kill_slink(void)
{
	struct wk	*w;
	uint32_t	 i;

	w = &sim->wk[chance(NWORKERS)];
	i = chance(NLINKS);
	if (!w->alive || w->link[i].used != 1)
		return;
	fault(F_LINK_CUT);
	worker_slink_close(w->link[i].slink);
	sim->slink[w->link[i].slink].wopen = 1;
	worker_slink_lost(w->link[i].slink);
}
