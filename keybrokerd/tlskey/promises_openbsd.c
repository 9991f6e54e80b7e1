/* SPDX-License-Identifier: ISC */
/* What tlskey may do on OpenBSD; by inspection, not run. */
#include "keybrokerd/tlskey/tlskey.h"

static const struct sandbox_rule rules[] = {
	{ 0, SB_ALLOW, 0, NULL }
};

const struct sandbox	 tlskey_sandbox = {
	.role = "tlskey",
	.rules = rules,
	.promises = "stdio recvfd",
};
