/* SPDX-License-Identifier: ISC */

/* What kms may do on OpenBSD; by inspection, not run. */

#include "keybrokerd/kms/kms.h"

const struct sandbox *
kms_sandbox(void)
{
	static const struct sandbox	 s = {
		.role = "kms",
		.promises = "stdio inet recvfd",
	};

	return &s;
}
