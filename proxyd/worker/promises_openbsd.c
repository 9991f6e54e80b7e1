/* SPDX-License-Identifier: ISC */
/*
 * Confinement of a worker on OpenBSD: sockets it was given, nothing else.
 * Kept compiling by inspection; untested.
 */
#include "proxyd/worker/worker.h"

static const struct sandbox_rule rules[] = {
	{ 0, SB_ALLOW, 0, NULL },
};

const struct sandbox worker_sandbox = {
	.role = "worker",
	.rules = rules,
	.promises = "stdio inet recvfd",
};
