/* SPDX-License-Identifier: ISC */
/*
 * Provider credentials and the other secrets that come by SOURCE messages.
 * main.c reads or maps the descriptor, this file judges the bytes.  One table
 * of sources, in the order in which they win:
 *	1 a variable of the environment		(SRC_ENV, SRC_ADMIN_ENV)
 *	2 a .env file, a later over an earlier	(SRC_ENVFILE)
 *	3 a key file				(SRC_KEYFILE)
 *	4 a file of a directory, later first	(SRC_DIRFILE)
 *	5 a rendered file, a later over an earlier (SRC_EXPORT)
 *	6 the encrypted vault
 * Bad content of a source changes nothing, and neither does a file that does
 * not say any more what it said: the value in use stays, and a warning stays
 * with it until the source is mended.  Messages name a file, a line and a
 * variable, never a value.  Values live in secret slots only.
 *
 * A value that replaces another one is "current", the other "previous": calls
 * recorded under the previous one end with it, and it is what a second attempt
 * uses where a provider refuses the current one.
 */
#ifndef KEYBROKERD_BROKER_CREDENTIAL_H
#define KEYBROKERD_BROKER_CREDENTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/proto.h"
#include "common/secret/secret.h"
#include "keybrokerd/broker/vault.h"

#define CREDENTIAL_NAME		128	/* of a variable, with its NUL */
#define CREDENTIAL_FILE		(64 * 1024)
#define CREDENTIAL_VARS		256	/* variables in one file */
#define CREDENTIAL_FPRINT	32	/* fingerprint bytes; people see 8 */
#define CREDENTIAL_ERR		256

enum credential_state {
	CRED_OK,
	CRED_ABSENT,		/* not set, or empty */
	CRED_TP,		/* a proxyd key (tp_...): as absent, M3 */
	CRED_BAD		/* too long, or control characters */
};

enum credential_what { CRED_VAULTKEY, CRED_VAULTPREVIOUS, CRED_ADMINKEY };

struct creds;

#define CREDENTIAL_KEEP	(60 * NS_S)	/* a refusal is remembered, a source is
					 * read again: at most once in this */

struct creds	*credential_new(void);		/* NULL: ENOMEM */
void		 credential_free(struct creds *);	/* wipes all */

/* ---- sources ------------------------------------------------------------ */
/*
 * A SOURCE that is one value (any kind but SRC_ENVFILE).  *value is taken over
 * and becomes NULL; NULL in it: the source is gone.  One trailing newline is
 * taken off.  0, or -1 (ENOSPC, EINVAL name) with err filled.
 */
int	 credential_set(struct creds *, enum proto_source kind,
	    const char *name, struct secret **value, char *err, size_t size);
/*
 * A file: begin, then feed the bytes as they are read (any pieces, at most
 * CREDENTIAL_FILE), then end, which swaps the whole set in or leaves the old
 * one: 0, or -1 with err "PATH:LINE: text".  Only one file at a time.  Lines:
 *	[export] NAME=value | "value" | 'value'   # comment   (blank lines)
 * \\ \" \$ \` \n are escapes in double quotes (\n is then refused as a control
 * character); nothing is expanded.
 */
int	 credential_file_begin(struct creds *, const char *path);
/* The same for a file of another kind (SRC_EXPORT). */
int	 credential_file_open(struct creds *, enum proto_source kind,
	    const char *path);
void	 credential_file_feed(struct creds *, const void *, size_t);
int	 credential_file_end(struct creds *, char *err, size_t size);
void	 credential_file_gone(struct creds *, const char *path);
/*
 * One value of a file (SRC_KEYFILE, SRC_DIRFILE): name is VARIABLE:PATH.  0, or
 * -1 with err: empty, too long, control characters, a proxyd key; then the old
 * value stays.  *value is taken over; NULL in it: no longer configured.
 */
int	 credential_held(struct creds *, enum proto_source kind,
	    const char *name, struct secret **value, char *err, size_t size);
/* The vault whose records are the last source; the wall clock, for ages. */
void	 credential_vault(struct creds *, struct vault *);
void	 credential_clock(struct creds *, uint64_t wall);
/* Something behind the table changed (a vault record). */
void	 credential_touch(struct creds *);
/* What is wrong with a source; NULL: mended.  1 if that is news. */
int	 credential_trouble(struct creds *, enum proto_source kind,
	    const char *name, const char *text);
size_t	 credential_troubles(const struct creds *, char *out, size_t size);

/* ---- use ---------------------------------------------------------------- */
/*
 * A provider's credential by variable name.  CRED_OK: *p, *len are a view that
 * is good until the next change of a source; else NULL.
 */
enum credential_state credential_find(struct creds *, const char *name,
	    const uint8_t **p, size_t *len);
/*
 * The value for a first attempt: the current one, or the previous one for as
 * long as a refusal of the current one is remembered.
 */
enum credential_state credential_pick(struct creds *, const char *name,
	    uint64_t now, const uint8_t **p, size_t *len);
/* The value with this fingerprint: current, previous or staged; -1 none. */
int	 credential_match(struct creds *, const char *name,
	    const uint8_t fprint[CREDENTIAL_FPRINT], const uint8_t **p,
	    size_t *len);
/*
 * The provider refused the value with this fingerprint (attested by its
 * egress).  1 if it was the current one, and that is news.
 */
int	 credential_refused(struct creds *, const char *name,
	    const uint8_t fprint[CREDENTIAL_FPRINT], uint64_t now);
/*
 * A value for a second attempt: current, else previous; not that one, and not
 * one whose refusal is remembered.  0, or -1 there is none.
 */
int	 credential_second(struct creds *, const char *name,
	    const uint8_t fprint[CREDENTIAL_FPRINT], uint64_t now,
	    const uint8_t **p, size_t *len);
/*
 * May the sources of this name be read again now?  1, at most once a minute,
 * until done under way; 2 it is under way; 0 not now.
 */
int	 credential_reread(struct creds *, const char *name, uint64_t now);
void	 credential_reread_done(struct creds *, const char *name);
/* A call was released with it; for lists. */
void	 credential_used(struct creds *, const char *name);
/*
 * Changes of current values since the last time: one name a call, with the new
 * value's fingerprint; 0 none.  For entries of the log.
 */
int	 credential_changed(struct creds *, char name[CREDENTIAL_NAME],
	    char from[256], uint8_t fprint[CREDENTIAL_FPRINT]);
/* What was found at the start is no change. */
void	 credential_settled(struct creds *);
/* Where values of this name come from, winners first; row i, 0 or -1. */
struct credential_row {
	char		 source[256];
	const char	*state;		/* "in use", "previous", "shadowed", ... */
	uint64_t	 since, used;	/* wall ms, 0 unknown */
	uint8_t		 fprint[CREDENTIAL_FPRINT];
	int		 has_fprint;
	char		 note[CREDENTIAL_ERR];
};
int	 credential_row(struct creds *, const char *name, size_t i,
	    struct credential_row *);
/* Values of a name that its files do not hold any more go. */
size_t	 credential_drop_kept(struct creds *, const char *name);

/* ---- the vault's provider secrets (credential_vault.c) ------------------ */
/* which: "key" in use, "new" staged.  A view; NULL: none. */
const uint8_t	*credential_stored(const struct vault *, const char *which,
	    const char *name, size_t *len, uint64_t *since);
/* Stores; 0, or -1.  The value is copied. */
int	 credential_store(struct vault *, const struct rng *, const char *which,
	    const char *name, const uint8_t *, size_t, uint64_t wall,
	    vault_emit, void *arg);
/* A record's plaintext: when (wall ms) and the value.  NULL: errno. */
struct secret	*credential_pack(const uint8_t *, size_t, uint64_t wall);
/* The value in it, a view; NULL: it is no such plaintext. */
const uint8_t	*credential_unpack(struct secret *, size_t *len);
/* Takes a record away from memory: 1 if it was there.  The row is the
 * caller's to delete. */
int	 credential_unstore(struct vault *, const char *which,
	    const char *name);
/* Is this a value that a provider can have?  NULL, or why not. */
const char	*credential_judge(const uint8_t *, size_t);
/*
 * A sentence for the log and for status when the state is not CRED_OK; names
 * the variable and its source.
 */
void	 credential_explain(struct creds *, const char *name, char *out,
	    size_t size);
/*
 * The vault key or TAPPASS_VAULT_KEY_PREVIOUS (32 bytes, decoded; the latter
 * from a variable only) or the admin key (text) as a new secret of
 * the caller: 1; 0 there is none; -1 refused, err says why.  Variable before
 * file; TAPPASS_ADMIN_API_KEY and TAPPASS_ADMIN_KEY both set and different is
 * a refusal.
 */
int	 credential_special(const struct creds *, enum credential_what,
	    struct secret **out, char *err, size_t size);
/* Does the vault key come from a variable of the environment? */
int	 credential_vault_fixed(const struct creds *);
/* HMAC-SHA256 of the bytes under the vault's fingerprint key; -1: no key. */
int	 credential_fingerprint(const struct vault *, const void *, size_t,
	    uint8_t out[CREDENTIAL_FPRINT]);
/*
 * Lines for status: "NAME  source  fingerprint (16 hex digits) or reason" of
 * each name in names[n].  Returns the length, text is NUL-terminated.
 */
size_t	 credential_names(struct creds *, const struct vault *,
	    const char *const *names, size_t n, char *out, size_t size);
/* Goes up with each change that was taken. */
uint64_t credential_version(const struct creds *);

#endif
