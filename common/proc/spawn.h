/* SPDX-License-Identifier: ISC */
#ifndef COMMON_PROC_SPAWN_H
#define COMMON_PROC_SPAWN_H

#include <sys/types.h>

#include "common/ipc/msg.h"
#include "common/proc/role.h"

/*
 * fork + exec of a role by a parent.  path is below paths_libexec, e.g.
 * "keybrokerd/broker".  The child gets a clean environment (PATH LANG TZ) and
 * exactly the descriptors of role.h; blob and extra are -1 for none and stay
 * the caller's.  On success *channel (non-blocking, close-on-exec) and *logfd
 * (read end) are the caller's.  Returns the pid, or -1 with errno (an exec
 * failure is reported through a pipe, so it is seen here).
 */
pid_t	 spawn_role(const char *path, const char *name,
	    const struct role_exec *, int blob, int extra, int *channel,
	    int *logfd);
/* Environment that survives a re-exec (decisions M3), NULL-terminated names;
 * "LC_" and "XDG_" count as prefixes. */
int	 spawn_env_kept(const char *name);
/* Re-exec oneself by AT_EXECFN with argv and only the kept variables plus
 * extra "NAME=value" (NULL-terminated list).  Returns only on failure. */
int	 spawn_reexec(char *const argv[], char *const extra[]);
/* The path this process was executed by, spawn_<system>.c; NULL unknown. */
const char *spawn_self(void);

#endif
