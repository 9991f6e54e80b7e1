/* SPDX-License-Identifier: ISC */
/*
 * Life of a worker: load, prepare, confine, ready, loop.  The event base is
 * made before the sandbox, since making one needs calls that serving does not.
 */
#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/role.h"
#include "proxyd/worker/worker.h"

int
main(void)
{
	static struct role_exec facts;
	static struct msglink channel;
	static char	 missing[256];
	struct wlimits	 lim;
	struct worker	*w;
	uint32_t	 bits;

	role_load("worker", &facts);
	worker_limits(&lim, facts.nofile);
	w = worker_new(&lim);
	role_confine(&facts, &worker_sandbox, missing, sizeof(missing), &bits);
	role_ready(&channel, bits, missing);
	worker_parent(w, &channel);
	while (!worker_done(w))
		worker_turn(w, 1);
	return 0;
}
