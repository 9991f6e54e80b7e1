/* SPDX-License-Identifier: ISC */
#ifndef COMMON_PROC_ROLE_H
#define COMMON_PROC_ROLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ipc/msg.h"
#include "common/sandbox/sandbox.h"

/*
 * The life of a role, the same words in every main.c:
 *	role_load -> (own preparation) -> role_confine -> role_ready -> loop
 *
 * Descriptors at exec (decisions M5): 3 channel to the parent, 4 policy blob
 * (or closed), 5 log pipe, 6 CA bundle (egress) or state directory (ledger),
 * 7 "exec facts": a sealed memfd with struct role_exec as text lines
 * "key=value": uid, gid, root (chroot directory, empty = none), nofile,
 * instance, generation, permissive, development, verbose, memlock.
 * 0 and 1 are /dev/null, 2 is the log pipe too (an abort's last words).
 * argv is the role name and the instance only.
 */
#define ROLE_FD_CHANNEL	3
#define ROLE_FD_BLOB	4
#define ROLE_FD_LOG	5
#define ROLE_FD_EXTRA	6
#define ROLE_FD_EXEC	7
#define ROLE_FD_FIRST	8	/* first descriptor that must not exist */

struct role_exec {
	uid_t		 uid;
	gid_t		 gid;		/* both 0: keep (not root) */
	char		 root[1024];
	uint64_t	 nofile;
	uint32_t	 instance;	/* slot or provider id */
	uint32_t	 generation;
	int		 permissive;	/* "sandbox permissive" configured */
	int		 development;
	int		 verbose;	/* debug lines are wanted */
	size_t		 memlock;	/* bytes wanted */
};

/*
 * Reads fd 7, checks that fd 3 is a socket, closes everything from 8 up, umask
 * 077, ignores SIGPIPE SIGINT SIGTERM SIGHUP, log_role(name, 5), RLIMIT_CORE 0,
 * tzset().  Fatal on anything odd: this is our parent's message.
 */
void	 role_load(const char *name, struct role_exec *);
/*
 * priv_drop (chroot, groups, uids, verified; rlimits), then sandbox_enter with
 * the role's own table, then sandbox_probe.  Fatal on any failure.  missing[]
 * gets what could not be had without root, comma separated.
 */
void	 role_confine(const struct role_exec *, const struct sandbox *,
	    char *missing, size_t size, uint32_t *bits);
/*
 * Its two halves, for a role that has to open what only its own uid may: first
 * priv_drop, then filter and self-test.
 */
void	 role_drop(const struct role_exec *, const struct sandbox *,
	    char *missing, size_t size, uint32_t *bits);
void	 role_seal(const struct role_exec *, const struct sandbox *,
	    char *missing, size_t size, uint32_t *bits);
/* Initialises the link on fd 3 (default queue), sends UP and flushes; the link
 * is the role's from then on. */
void	 role_ready(struct msglink *channel, uint32_t bits, const char *missing);

#endif
