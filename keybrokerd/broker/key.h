/* SPDX-License-Identifier: ISC */
/*
 * Agents and keys in the broker's memory, and their state rows.  The ledger
 * keeps the rows; this is the working copy.  A key row holds a keyed digest,
 * never a token.  Rows are only added and marked revoked, never removed, so
 * that pointers stay good for the life of the broker.  Memory is taken when
 * rows are loaded or made, nowhere else.  All times are wall ms since 1970.
 */
#ifndef KEYBROKERD_BROKER_KEY_H
#define KEYBROKERD_BROKER_KEY_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "common/token/token.h"
#include "keybrokerd/broker/scope.h"

#define KEY_MAX		200000		/* rows, revoked ones included */
#define KEY_AGENTS	20000
#define KEY_DIGEST	32
#define KEY_AGENT_ID	64		/* characters, all without their NUL */
#define KEY_DESCR	256
#define KEY_EMAIL	254
#define KEY_NAME	64
#define KEY_FRAMEWORK	32
#define KEY_ROW		2048		/* room for any row's value */
#define KEY_DAYS_MAX	365
#define KEY_DAY_MS	86400000ULL
#define KEY_ORG		1		/* the default organisation */
#define KEY_DKID	(3 + TOKEN_ID)	/* "dk_" + public id */

/* Each later one may do what the one before may not; key_role_name. */
enum key_role {
	ROLE_K_AGENT = 1,		/* calls only */
	ROLE_K_AUDITOR,			/* reads */
	ROLE_K_DEVELOPER,		/* calls, reads, makes keys */
	ROLE_K_ADMIN
};

/* What was done in this life of the broker; tokens as workers claimed them. */
struct key_use {
	uint32_t	 calls, denied, failed;
	uint64_t	 in, out, cached;
};

struct agent {
	uint32_t	 no;		/* row number, from 1 */
	uint32_t	 org;
	uint64_t	 created;
	uint64_t	 deleted;	/* 0: not; then all its keys are revoked */
	uint64_t	 suspended;	/* since; 0: not: its calls are refused */
	uint64_t	 entry;		/* of its deletion, + 1 */
	uint64_t	 used;		/* in this life; 0: not */
	uint32_t	 keys;		/* rows that name it, not revoked */
	struct key_use	 use;
	const char	*description, *owner, *framework, *scope;	/* in text */
	char		*edited;	/* instead of text; NULL */
	char		 id[KEY_AGENT_ID + 1];
	char		 text[];
};

struct key {
	char		 id[TOKEN_ID + 1];	/* public id */
	char		 from[TOKEN_ID + 1];	/* it replaces that one; "" */
	uint8_t		 digest[KEY_DIGEST];	/* keyed with pepper */
	uint8_t		 role;			/* enum key_role */
	uint8_t		 dev;
	uint32_t	 org;
	uint32_t	 pepper;
	struct agent	*agent;
	uint64_t	 created, expires;
	uint64_t	 ends;			/* of its grace; 0: none */
	uint64_t	 revoked;		/* 0: not */
	uint64_t	 used;			/* in this life; 0: not */
	uint64_t	 entry;			/* of its revocation, + 1 */
	struct key_use	 use;
	const char	*email, *name, *scope;	/* "" if none; in text */
	char		 text[];
};

/* Of a new row; key_add copies all of it. */
struct key_new {
	const char	*id;		/* public id, not in use */
	const char	*from;		/* public id, "" or NULL */
	const uint8_t	*digest;
	uint8_t		 role, dev;
	uint32_t	 pepper;
	struct agent	*agent;
	uint64_t	 created, expires, ends, revoked;
	const char	*email, *name, *scope;
};

/* Of a new agent; NULL is "". */
struct agent_new {
	const char	*id, *description, *owner, *framework, *scope;
	uint64_t	 created;
};

/* Is this key good at this time? */
enum key_state { KEY_LIVE, KEY_EXPIRED, KEY_REVOKED };

struct keys;

struct keys	*key_store_new(void);	/* NULL: ENOMEM */
void		 key_store_free(struct keys *);
/* After loading, which is in order of ids: back to the order of creation. */
void		 key_store_sort(struct keys *);
size_t		 key_count(const struct keys *);	/* all rows */
size_t		 key_live(const struct keys *, uint64_t wall);
size_t		 key_agents(const struct keys *);

/* ---- grammar: 0 or -1 --------------------------------------------------- */
/* [a-z0-9][a-z0-9._-]{0,63} */
int	 key_agent_id_ok(const char *);
/* At most 254 bytes, one @ inside, no blank, no control. */
int	 key_email_ok(const char *);
/* At most max bytes of printable UTF-8-free ASCII, may be empty. */
int	 key_text_ok(const char *, size_t max);
/* "dk_" + 12 base62, or the 12 alone: the public id, or -1. */
int	 key_id_parse(const char *, char out[TOKEN_ID + 1]);

/* ---- agents ------------------------------------------------------------- */
/* 0 and loaded, or -1: EBADMSG, ENOSPC, ENOMEM, EEXIST. */
int	 key_agent_load(struct keys *, const void *id, size_t idlen,
	    const void *value, size_t len);
struct agent	*key_agent_find(const struct keys *, const char *id);
/* Checked grammar is the caller's duty.  NULL: EEXIST ENOSPC ENOMEM EINVAL. */
struct agent	*key_agent_add(struct keys *, const struct agent_new *);
/* Other texts, NULL: stays.  -1: EINVAL ENOMEM, and nothing is changed. */
int	 key_agent_edit(struct agent *, const char *description,
	    const char *owner, const char *scope);
/* Marks it; 1 if it was deleted already.  Its name is never used again. */
int	 key_agent_delete(struct agent *, uint64_t wall);
/* The row's value (its id is agent->id); its length. */
size_t	 key_agent_row(const struct agent *, uint8_t out[KEY_ROW]);
/* Walk in order of creation; *at starts at 0.  NULL at the end. */
struct agent	*key_agent_next(const struct keys *, size_t *at);

/* ---- keys --------------------------------------------------------------- */
/* As key_agent_load; ENOENT: its agent is not loaded (agents come first). */
int	 key_load(struct keys *, const void *id, size_t idlen,
	    const void *value, size_t len);
struct key	*key_find(const struct keys *, const char *id, size_t idlen);
struct key	*key_add(struct keys *, const struct key_new *);
size_t	 key_row(const struct key *, uint8_t out[KEY_ROW]);
/* Marks it; 1 if it was revoked already, then nothing changes. */
int	 key_revoke(struct keys *, struct key *, uint64_t wall);
enum key_state key_state(const struct key *, uint64_t wall);
/* When it was revoked: itself, by its agent or by the end of its grace; 0. */
uint64_t key_revoked(const struct key *, uint64_t wall);
/* The earliest grace that still has to end; UINT64_MAX none.  Walks all. */
uint64_t key_ends(const struct keys *);
/* Keys of that agent, NULL = of all; order of creation. */
struct key	*key_next(const struct keys *, size_t *at,
	    const struct agent *);

const char *key_role_name(uint8_t);	/* "admin" ... , "?" */
/* enum key_role of a name; "" a developer; 0 none. */
uint8_t	 key_role_find(const char *);
/* RFC 3339 in UTC, seconds; "" for 0.  20 characters and a NUL. */
void	 key_time(uint64_t wall, char out[24]);

#endif
