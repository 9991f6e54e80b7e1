/* SPDX-License-Identifier: ISC */
/*
 * Provider credentials and the other secrets that come by SOURCE messages.
 * main.c reads or maps the descriptor, this file judges the bytes.  Sources:
 * one variable each (SRC_ENV, SRC_ADMIN_ENV), a vault key file, and .env-like
 * files.  A variable wins over a file, a later file over an earlier one.  Bad
 * content of a source changes nothing.  Messages name a file, a line and a
 * variable, never a value.  Values live in secret slots only.
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

enum credential_what { CRED_VAULTKEY, CRED_ADMINKEY };

struct creds;

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
void	 credential_file_feed(struct creds *, const void *, size_t);
int	 credential_file_end(struct creds *, char *err, size_t size);
void	 credential_file_gone(struct creds *, const char *path);

/* ---- use ---------------------------------------------------------------- */
/*
 * A provider's credential by variable name.  CRED_OK: *p, *len are a view that
 * is good until the next change of a source; else NULL.
 */
enum credential_state credential_find(const struct creds *, const char *name,
	    const uint8_t **p, size_t *len);
/*
 * A sentence for the log and for status when the state is not CRED_OK; names
 * the variable and its source.
 */
void	 credential_explain(const struct creds *, const char *name, char *out,
	    size_t size);
/*
 * The vault key (32 bytes, decoded) or the admin key (text) as a new secret of
 * the caller: 1; 0 there is none; -1 refused, err says why.  Variable before
 * file; TAPPASS_ADMIN_API_KEY and TAPPASS_ADMIN_KEY both set and different is
 * a refusal.
 */
int	 credential_special(const struct creds *, enum credential_what,
	    struct secret **out, char *err, size_t size);
/* HMAC-SHA256 of the bytes under the vault's fingerprint key; -1: no key. */
int	 credential_fingerprint(const struct vault *, const void *, size_t,
	    uint8_t out[CREDENTIAL_FPRINT]);
/*
 * Lines for status: "NAME  source  fingerprint (16 hex digits) or reason" of
 * each name in names[n].  Returns the length, text is NUL-terminated.
 */
size_t	 credential_names(const struct creds *, const struct vault *,
	    const char *const *names, size_t n, char *out, size_t size);
/* Goes up with each change that was taken. */
uint64_t credential_version(const struct creds *);

#endif
