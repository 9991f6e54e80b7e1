/* SPDX-License-Identifier: ISC */
/* OpenBSD: SQLite needs flock, bundles cpath. */
#include "common/sandbox/sandbox.h"
#include "keybrokerd/ledger/ledger.h"

void
ledger_sandbox(struct sandbox *sb)
{
	sb->promises = "stdio rpath wpath cpath flock recvfd";
}
