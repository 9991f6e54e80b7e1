/* SPDX-License-Identifier: ISC */

/* What export may do on OpenBSD; by inspection, not run. */
#include <string.h>

#include "keybrokerd/export/export.h"

void
export_sandbox(struct sandbox *sb, struct sandbox_path *path, int dir)
{
	memset(sb, 0, sizeof(*sb));
	path->fd = dir;
	path->write = 0;
	sb->role = "export";
	sb->paths = path;
	sb->npaths = 1;
	sb->promises = "stdio rpath recvfd";
}
