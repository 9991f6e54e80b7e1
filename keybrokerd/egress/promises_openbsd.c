/* SPDX-License-Identifier: ISC */

/* What an egress may do on OpenBSD; by inspection, not run. */

#include "keybrokerd/egress/egress.h"

const struct sandbox *
egress_sandbox(void)
{
	static const struct sandbox	 s = {
		.role = "egress",
		.promises = "stdio inet recvfd",
	};

	return &s;
}
