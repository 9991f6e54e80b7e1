/* SPDX-License-Identifier: ISC */
#ifndef COMMON_PROC_PRIV_H
#define COMMON_PROC_PRIV_H

#include <stddef.h>

#include "common/proc/role.h"

/*
 * As root: chroot(root) + chdir("/") if root is not empty, namespaces where
 * CAP_SYS_ADMIN is there (missing ones are named), setgroups, setresgid,
 * setresuid, then read back and compare.  Always: RLIMIT_NOFILE, FSIZE 0 unless
 * fsize, NPROC 0 unless threads, CORE 0, MEMLOCK.  Fatal on failure.
 */
void	 priv_drop(const struct role_exec *, const struct sandbox *,
	    char *missing, size_t size);
/* Parents: bounding set SETUID SETGID SYS_CHROOT NET_BIND_SERVICE KILL (+
 * CHOWN, DAC_OVERRIDE only until files are made). */
void	 priv_parent(void);
/*
 * The uid and gid of a role: its named user if all of them exist, else 60800 + n
 * (decisions M14).  -1: no such role, or that number belongs to somebody.
 */
int	 priv_uid(int role, uid_t *, gid_t *);

/* priv_<system>.c: an own, empty network; capabilities that are not listed. */
int	 priv_netns(void);
int	 priv_limit_caps(void);

#endif
