/* SPDX-License-Identifier: ISC */
/*
 * Life of the vault key (DEK): where it comes from at the start, its rotation,
 * the checks that it may still be used (decisions K6, K15, K17).
 *
 * Sources: TAPPASS_VAULT_KEY or a key file (raw), or TAPPASS_VAULT_KEY_KMS: an
 * envelope (a wrapped key is kept here) or a secret store (the key is one
 * version of a secret).  The ring of struct vault holds the current key and up
 * to three before it; what is sealed is sealed under the current one.
 *
 * Rows in the database, beside the data:
 *	META "vault-key/KID"	what is public about a key: struct vaultkey_row
 *	VAULT "dek/KID"		a previous key, sealed under the current one, for
 *				as long as something is sealed under it
 *
 * A rotation fetches, proves, then writes; until its rows are queued nothing
 * has changed, and the queue is in order of time, so that what is sealed under
 * the new key can only become durable behind the key itself.
 *
 * Believes: the parent; the kms role about nothing it can prove.  Must never:
 * make a key when ciphertext exists (unless TAPPASS_VAULT_KEY_PREVIOUS opens
 * it), log or answer a byte of a key, stop traffic because a KMS is away.
 *
 * A start that an operator must mend ends with exit 78, one that waited longer
 * than key-start-deadline with 75; the parent ends with the same code.
 */
#ifndef KEYBROKERD_BROKER_VAULTKEY_H
#define KEYBROKERD_BROKER_VAULTKEY_H

#include "keybrokerd/broker/broker.h"
#include "keybrokerd/broker/kmslink.h"

#define VAULTKEY_ROW	"vault-key/"	/* META, then the kid */
#define VAULTKEY_DEK	"dek/"		/* vault record, then the kid */
#define VAULTKEY_EXIT_CONFIG	78	/* sysexits: EX_CONFIG */
#define VAULTKEY_EXIT_WAITED	75	/* EX_TEMPFAIL */

enum vaultkey_state { VKS_NONE, VKS_CURRENT, VKS_PREVIOUS, VKS_RETIRED };

struct vaultkey_row {
	uint8_t		 state;		/* enum vaultkey_state */
	char		 kid[VAULT_KID + 1];
	uint64_t	 created;	/* wall ms, of the row */
	char		 uri[KMS_URI_MAX + 1];	/* "": a raw key */
	char		 version[KMS_KEYID_MAX];	/* KEK, or of the secret */
	char		 deployment[NOTE_ORIGIN + 1];	/* bound, "" none */
	uint8_t		 wrapped[KMS_WRAPPED_MAX];
	size_t		 wrappedlen;
};

/* What is under way. */
enum vaultkey_for { VKF_NONE, VKF_START, VKF_ROTATE, VKF_CHECK };
enum vaultkey_step {
	VKT_GET,		/* unwrap or fetch the key in force */
	VKT_SECOND,		/* unwrap TAPPASS_VAULT_DEK beside the row */
	VKT_MAKE, VKT_PROVE,	/* a new wrapped key; its round trip */
	VKT_NEWEST,		/* a new version of the secret */
	VKT_REOPEN,		/* the key file is read again */
	VKT_REWRAP, VKT_REPROVE	/* a new copy of the key in force */
};

struct vaultkey {
	enum vaultkey_for	 what;
	enum vaultkey_step	 step;
	uint8_t		 scanned;	/* rows were looked at */
	uint8_t		 envelope;	/* of the URI in force */
	uint8_t		 made;		/* this life made or rotated a key */
	uint8_t		 closed;	/* the gate is closed for it */
	uint8_t		 rotate_next;	/* behind the check under way */
	uint8_t		 second;	/* TAPPASS_VAULT_DEK is in next, too */
	uint8_t		 rewrap;	/* wrapped by an old version of the KEK */
	uint8_t		 ignore;	/* the answer that comes is not wanted */
	uint8_t		 stale;		/* a record is under a previous key */
	struct vaultkey_row row;	/* in force, or going to be */
	struct vaultkey_row next;	/* of a new key or copy */
	struct vaultkey_row old;	/* stored, or of the key before */
	struct secret	*dek;		/* start: got, for vaultkey_open */
	struct secret	*fresh;		/* got, not proved yet */
	/* what the rows say, at the start */
	char		 dbkid[VAULT_KID + 1];	/* "" none */
	/* waiting and checking; boot ns */
	uint64_t	 begun, due, last_ok;
	uint32_t	 tries, revoked;	/* in a row */
	enum proto_kms_class trouble;	/* KC_OK none */
	char		 text[REASON_MAX];	/* its sentence */
	uint64_t	 warned;
	/* who asked for a rotation, answered at COMMITTED */
	struct broker_from to;
	uint32_t	 gen, cookie;
	char		 actor[64];
	uint64_t	 at;		/* index of its entry; 0 none waits */
};

/* vaultkey.c: start */
struct vaultkey	*vaultkey_new(void);	/* NULL: ENOMEM */
void	 vaultkey_free(struct vaultkey *);
/*
 * 1: the key is here, vaultkey_open may be called; 0: the KMS is asked,
 * recover_try is called again when it has answered.  META rows are loaded.
 */
int	 vaultkey_start(struct broker *, struct outbox *);
/* vaultkey_live.c */
/* b->vault with its ring, from the rows "dek/..."; exit 78 if it cannot be. */
void	 vaultkey_open(struct broker *);
/* The text of a record that was loaded: is it under a previous key? */
void	 vaultkey_loaded(struct broker *, const char *text, size_t);
/* Records and log are loaded: what this start changes joins its batch. */
void	 vaultkey_settle(struct broker *);
/* The ledger went before recovery was over: its rows come once more. */
void	 vaultkey_again(struct broker *);
/* One exchange for that step; its answer goes to the file that asked. */
void	 vaultkey_ask(struct broker *, enum vaultkey_step, struct outbox *);
/* VKT_MAKE's answer into fresh and next; -1 it is none. */
int	 vaultkey_made(struct broker *, struct kms_answer *);
/* VKT_PROVE's answer: is it what was made? */
int	 vaultkey_proved(struct broker *, const struct kms_answer *);
/* Ends the role with the code after one sentence. */
void	 vaultkey_refuse(int code, const char *, ...)
	    __attribute__((noreturn, format(printf, 2, 3)));
void	 vaultkey_tick(struct broker *, struct outbox *);
void	 vaultkey_turn(struct broker *, struct outbox *);
uint64_t vaultkey_due(const struct broker *);
/* NULL, or why the gate is closed for the vault key. */
const char *vaultkey_closed(const struct broker *);
/* Lines of status; the length. */
size_t	 vaultkey_status(const struct broker *, char *, size_t);
/* What the KMS said last, for READY. */
enum proto_kms_class vaultkey_says(const struct broker *);
/* A word or two for status: "ok", "degraded: unavailable", ... */
void	 vaultkey_word(const struct broker *, char *, size_t);

/* vaultrow.c: what is public about a key */
int	 vaultrow_parse(struct vaultkey_row *, const char *kid,
	    const uint8_t *, size_t);
void	 vaultrow_put(struct broker *, const struct vaultkey_row *);
/* TAPPASS_VAULT_DEK: base64 (or vault:...), "@", deployment.  0, or -1. */
int	 vaultrow_dek(struct vaultkey_row *, const uint8_t *, size_t);
/* Its text; the length, 0: no wrapped key. */
size_t	 vaultrow_text(const struct vaultkey_row *, char *, size_t);

/* vaultrotate.c */
/* ADMIN_VAULT_ROTATE. */
struct admin_ask;
void	 vaultrotate_asked(struct admin_ask *);
void	 vaultrotate_begin(struct broker *, struct outbox *);
void	 vaultrotate_answer(struct broker *, struct kms_answer *,
	    struct outbox *);
void	 vaultrotate_late(struct broker *, struct outbox *);
/* The parent has read the key file again. */
void	 vaultrotate_reopened(struct broker *, const char *name,
	    struct outbox *);
/*
 * b->vault has turned to a new key whose row is vk->row: rows and record of the
 * old one (NULL: they are there), every record sealed anew.
 */
void	 vaultrotate_write(struct broker *, const char *old);
/* An entry about the key in force; its index. */
uint64_t vaultrotate_entry(struct broker *, const char *what, const char *old,
	    const char *reason);
/*
 * Nothing is sealed under this previous key any more: key, record and the
 * wrapped copy go (the caller's unit).
 */
void	 vaultrotate_retire(struct broker *, const char *kid);

/* vaultcheck.c: may the key still be used? */
void	 vaultcheck_begin(struct broker *, struct outbox *);
void	 vaultcheck_answer(struct broker *, struct kms_answer *,
	    struct outbox *);
/* Behind the last exchange: when the next check is. */
void	 vaultcheck_plan(struct broker *, uint64_t in);
/* `kms stale`: closes the gate when it is over; when that is. */
void	 vaultcheck_stale(struct broker *);
uint64_t vaultcheck_ends(const struct broker *);
/* base * 2^tries, at most cap, jittered by up to a half. */
uint64_t vaultcheck_delay(struct broker *, uint64_t base, uint32_t tries,
	    uint64_t cap);

#endif
