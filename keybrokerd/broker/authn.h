/* SPDX-License-Identifier: ISC */
/*
 * Who holds this token?  The public id finds the row; a keyed BLAKE2b digest
 * of the whole token under the row's pepper is compared in constant time.  An
 * unknown id costs the same digest.  A token that is not of our form is only
 * ever compared with the digest of the bootstrap admin key (decisions K4).
 * Pure: the clock comes as an argument.
 */
#ifndef KEYBROKERD_BROKER_AUTHN_H
#define KEYBROKERD_BROKER_AUTHN_H

#include <stddef.h>
#include <stdint.h>

#include "keybrokerd/broker/key.h"
#include "keybrokerd/broker/vault.h"

#define AUTHN_SOURCE	64		/* of a source address, with NUL */
#define AUTHN_TOP	16		/* sources named in an entry */
#define AUTHN_SLOTS	64		/* sources watched */
#define AUTHN_PERIOD	60000		/* ms */

enum authn_result {
	AUTHN_OK,
	AUTHN_NONE,		/* no token at all */
	AUTHN_MALFORMED,	/* tp_ but not a token */
	AUTHN_FOREIGN,		/* a key of somebody else (sk-...) */
	AUTHN_BADSUM,		/* typing error */
	AUTHN_UNKNOWN,		/* no such key, or its secret is wrong */
	AUTHN_GUESS,		/* unshaped and not the admin key */
	AUTHN_EXPIRED,		/* our key: key and agent are set */
	AUTHN_REVOKED,		/* our key: key and agent are set */
	AUTHN_MAX
};

struct authn_who {
	uint8_t		 role;		/* enum key_role, 0 if nobody */
	struct key	*key;		/* NULL: bootstrap admin key */
	struct agent	*agent;		/* NULL likewise */
};

/* Sets key->used on success. */
enum authn_result authn_check(const struct keys *, const struct vault *,
	    const char *token, size_t len, uint64_t wall, struct authn_who *);
/* Digest under a pepper (0 the newest; *no its number).  -1: no pepper. */
int	 authn_digest(const struct vault *, uint32_t pepper, uint32_t *no,
	    const char *token, size_t len, uint8_t out[KEY_DIGEST]);
/*
 * Keeps the digest of the admin key as a vault record.  1 replaced or made,
 * 0 it is that key already, -1 (EINVAL: not tp_ and 20-128 token bytes, or of
 * the form of other keys).  *first: there was none before.
 */
int	 authn_admin_set(struct vault *, const struct rng *,
	    const char *token, size_t len, vault_emit, void *arg, int *first);
int	 authn_admin_known(const struct vault *);
/* A new admin key, tp_admin_ + 43 base62; the caller's.  NULL: ENOMEM. */
struct secret	*authn_admin_make(const struct rng *);
/* Short code for entries ("unknown-key"), sentence for the client. */
const char *authn_code(enum authn_result);
const char *authn_text(enum authn_result);

/* ---- failures of strangers: one auth.fail entry a minute ---------------- */
struct authn_source {
	char		 name[AUTHN_SOURCE];
	uint64_t	 n;
};

/*
 * Counts by source are Misra-Gries lower bounds: nobody can push a loud source
 * out of the list, and a named count is never too high.
 */
struct authn_fails {
	uint64_t	 from, to;	/* wall ms */
	uint64_t	 total;
	uint64_t	 reasons[AUTHN_MAX];
	size_t		 nsources;
	struct authn_source sources[AUTHN_SLOTS];
	uint64_t	 more;		/* total less the named, after drain */
};

/* One failure.  source: of the worker's claim; bad bytes become '?'. */
void	 authn_fail(struct authn_fails *, enum authn_result,
	    const char *source, uint64_t wall);
/* When the next drain is due, UINT64_MAX: nothing is waiting. */
uint64_t authn_due(const struct authn_fails *);
/*
 * If something waits and the minute is over (or force): 1, *out gets it with at
 * most AUTHN_TOP sources, most first, and the counting starts again.
 */
int	 authn_drain(struct authn_fails *, uint64_t wall, int force,
	    struct authn_fails *out);

#endif
