/* SPDX-License-Identifier: ISC */

/* dial: lifecycle only; see dial.h for what it believes and must never do. */

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/role.h"
#include "keybrokerd/dial/dial.h"

int
main(void)
{
	struct role_exec	 exec;
	static struct msglink	 channel;
	char			 missing[256];
	uint32_t		 bits;

	role_load("dial", &exec);
	if (dial_configure(ROLE_FD_BLOB) == -1)
		fatal("policy blob");
	close(ROLE_FD_BLOB);
	dial_prepare();
	resolve_init();
	role_confine(&exec, dial_sandbox(), missing, sizeof(missing), &bits);
	role_ready(&channel, bits, missing);
	return dial_loop(&channel);
}
