/* SPDX-License-Identifier: ISC */
/* What the broker may ask of OpenBSD; by inspection, not run. */
#include "common/sandbox/sandbox.h"
#include "keybrokerd/broker/broker.h"

const struct sandbox broker_sandbox = {
	.role = "broker",
	.promises = "stdio sendfd recvfd",
};
