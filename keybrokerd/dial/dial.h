/* SPDX-License-Identifier: ISC */
#ifndef KEYBROKERD_DIAL_DIAL_H
#define KEYBROKERD_DIAL_DIAL_H

#include <sys/socket.h>

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/sandbox/sandbox.h"

/*
 * The one role on the key side that opens sockets.  Holds nothing.  Believes
 * its parent about destinations; an egress only for which moment to connect:
 * each link is bound to one provider of the blob, and names, ports and
 * addresses never come from it.  The kms role's link is bound to the rows of
 * its list (common/kms/kms.h), of which a row may leave one label open.  Must never hand out a descriptor to an
 * address that the policy does not allow.
 */
#define DIAL_ADDRS	8		/* addresses of a name that are tried */
#define DIAL_ACTIVE	64		/* connects at one time */
#define DIAL_EACH	16		/* ... of one egress */
#define DIAL_UNSENT	16		/* answers that it leaves unread */
#define DIAL_WAITING	8192		/* ... and waiting for their turn */
#define DIAL_TOTAL	(10 * NS_S)	/* all addresses of one connect */
#define DIAL_STAGGER	(250 * NS_MS)	/* then the next address as well */
#define DIAL_FRESH	(30 * NS_S)	/* a resolved name */
#define DIAL_STALE	(1 * NS_S)	/* ... after a connect failed */
#define DIAL_FAILED	(2 * NS_S)	/* a name that was not resolved */
#define DIAL_TEXT	256
#define DIAL_OPTIONS	"timeout:2 attempts:2"	/* of the resolver, seconds */

/* ---- address.c --------------------------------------------------------- */
/*
 * May this address be connected to?  plain: the connection carries no TLS and
 * the provider is not marked insecure, so that loopback alone is allowed.
 * NULL if so, else why not (static).
 */
const char *address_refused(const struct sockaddr *, int plain);
/*
 * For a row of the kms list that is a metadata service: is this the very
 * address that its host, a literal, says?  NULL if so, else why not.
 */
const char *address_not_metadata(const struct sockaddr *, const char *host);
/* "127.0.0.1:80", "[::1]:80". */
void	 address_text(const struct sockaddr *, char *, size_t);

/* ---- resolve.c --------------------------------------------------------- */
struct resolved {
	size_t			 n;
	uint64_t		 at;	/* when */
	uint64_t		 failed;	/* until when not to ask again */
	char			 why[DIAL_TEXT];
	struct sockaddr_storage	 addr[DIAL_ADDRS];
	socklen_t		 len[DIAL_ADDRS];
};

/* Bounds the resolver and loads its modules; before sealing. */
void	 resolve_init(void);
/*
 * Addresses of host:port, from *r if they are fresh; suspect: a connect to
 * them failed, so that they are asked for sooner.  Literals never ask the
 * resolver.  Blocks for a name, at most about as long as DIAL_OPTIONS says; a
 * failure is remembered, so that many calls wait only once.  0, or -1 with a
 * sentence in r->why.
 */
int	 resolve_get(struct resolved *r, const char *host, uint16_t port,
	    int suspect);

/* ---- dial.c ------------------------------------------------------------ */
/* Reads the targets from the policy blob; -1 if it is none. */
int	 dial_configure(int blob);
/* Runs until the parent goes; returns the exit code. */
int	 dial_loop(struct msglink *channel);

/* ---- syscalls_linux.c, promises_openbsd.c ------------------------------ */
/* Opens what the resolver reads and chooses its sources; before sealing. */
void	 dial_prepare(void);
const struct sandbox *dial_sandbox(void);

#endif
