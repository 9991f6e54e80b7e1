/* SPDX-License-Identifier: ISC */

/* What dial may do on OpenBSD; by inspection, not run. */

#include "keybrokerd/dial/dial.h"

void
dial_prepare(void)
{
}

const struct sandbox *
dial_sandbox(void)
{
	static const struct sandbox	 s = {
		.role = "dial",
		.promises = "stdio inet dns sendfd recvfd",
	};

	return &s;
}
