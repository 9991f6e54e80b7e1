/* SPDX-License-Identifier: ISC */
/*
 * Audit entries, format AE1; audit-chain(5) tells it to outsiders.  An entry
 * is one CBOR map (cbor.h) of at most ENTRY_MAX bytes.  Keys below
 * ENTRY_CRITICAL are all known or the entry is malformed; from there on they
 * are hashed and otherwise ignored.  The same holds inside nested maps.
 */
#ifndef COMMON_AUDIT_ENTRY_H
#define COMMON_AUDIT_ENTRY_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "common/audit/cbor.h"

#define ENTRY_MAX	65535
#define ENTRY_CRITICAL	64
#define ENTRY_VERSION	1
#define ENTRY_TYPE_MAX	32	/* bytes of a type's name */

/*
 * Top-level keys.  "ref": instead of the value, the number of the (earlier)
 * entry that holds it.
 */
enum entry_key {
	EK_VERSION = 0,		/* uint, ENTRY_VERSION */
	EK_SEQ = 1,		/* uint, the leaf's index */
	EK_TYPE = 2,		/* text */
	EK_WALL = 3,		/* uint, ms since 1970 */
	EK_BOOTTIME = 4,	/* uint, ns */
	EK_BOOTID = 5,		/* bytes 16 or ref */
	EK_EPOCH = 6,		/* uint */
	EK_PREV = 7,		/* bytes 32 */
	EK_ORIGIN = 8,		/* bytes 8, SHA-256(origin)[0..8) */
	EK_INSTANCE = 9,	/* bytes 8, random, one for each broker */
	EK_REQUEST_ID = 10,	/* bytes 16 */
	EK_PRINCIPAL = 11,	/* bytes 32, pseudonym */
	EK_CREDENTIAL = 12,	/* map ES_CRED_ */
	EK_DEST = 13,		/* map ES_DEST_ */
	EK_POLICY = 14,		/* map ES_POLICY_ */
	EK_DETECT = 15,		/* map ES_DETECT_ */
	EK_COMMITMENTS = 16,	/* bytes 32, root of field commitments */
	EK_MODEL = 17,		/* text 256 */
	EK_USAGE = 18,		/* map ES_USAGE_ */
	EK_OUTCOME = 19,	/* map ES_OUTCOME_ */
	EK_INTENT = 20,		/* uint, seq of the intent that this closes */
	EK_BUILD = 21,		/* map ES_BUILD_ or ref */
	EK_CLAIMANT = 22,	/* map ES_CLAIMANT_ */
	EK_ORG = 23,		/* uint, u32 */
	EK_REQUEST = 24,	/* map ES_REQUEST_ */
	EK_CLIENT = 25,		/* map ES_CLIENT_ */
	EK_ROLL = 26,		/* map ES_ROLL_: epoch.roll */
	EK_ROOT = 27,		/* map ES_ROOT_: genesis, re-root */
	EK_CHANGE = 28,		/* map ES_CHANGE_: key.*, admin.*, ... */
	EK_COUNTS = 29,		/* map ES_COUNTS_: auth.fail, call.deny */
	EK_REMARK = 30,		/* text 512 */
	EK_STEP = 31,		/* map ES_STEP_: clock.step */
	EK_CALLER = 32,		/* map ES_CALLER_ */
	EK_BUDGET = 33,		/* map ES_BUDGET_ */
	EK_COUNT
};

enum entry_sub {
	/* credential that the intent releases */
	ES_CRED_ID = 0,		/* text 64 */
	ES_CRED_FPRINT = 1,	/* bytes 32, keyed digest of the key */
	ES_CRED_ATTEMPT = 2,	/* uint */
	/* destination */
	ES_DEST_PROVIDER = 0,	/* uint, id in the policy blob */
	ES_DEST_NAME = 1,	/* text 64 */
	ES_DEST_HOST = 2,	/* text 255 */
	ES_DEST_PORT = 3,	/* uint */
	ES_DEST_SNI = 4,	/* text 255 */
	ES_DEST_SPKI = 5,	/* bytes 32 or ref */
	ES_DEST_ADDR = 6,	/* text 64, address reached (E) */
	/* policy */
	ES_POLICY_HASH = 0,	/* bytes 32 or ref */
	ES_POLICY_DECISION = 1,	/* text 16: allow, redact, deny */
	ES_POLICY_RULES = 2,	/* array of text 64 */
	ES_POLICY_REASON = 3,	/* text 64, code given to the client */
	/* detectors */
	ES_DETECT_HITS = 0,	/* array of [text class, uint, text action] */
	ES_DETECT_SCANNED = 1,	/* uint, bytes */
	ES_DETECT_UNSCANNED = 2, /* uint, bytes */
	/* usage */
	ES_USAGE_UP = 0,	/* uint, body bytes to the provider (E) */
	ES_USAGE_DOWN = 1,	/* uint, body bytes from the provider (E) */
	ES_USAGE_IN = 2,	/* uint, tokens (W) */
	ES_USAGE_OUT = 3,	/* uint, tokens (W) */
	ES_USAGE_GRADE = 4,	/* text 16: final partial drained estimated */
	ES_USAGE_RESERVED = 5,	/* 0 or 1, settled at the reservation (B) */
	ES_USAGE_CACHED = 6,	/* uint, tokens (W) */
	ES_USAGE_REASONING = 7,	/* uint, tokens (W) */
	/* outcome */
	ES_OUTCOME_STATUS = 0,	/* uint, HTTP status */
	ES_OUTCOME_REASON = 1,	/* text 64 */
	ES_OUTCOME_UP = 2,	/* uint, bytes on the connection */
	ES_OUTCOME_DOWN = 3,	/* uint */
	ES_OUTCOME_TTFB = 4,	/* uint, ms to the first response byte */
	ES_OUTCOME_TRUNCATED = 5, /* 0 or 1 */
	ES_OUTCOME_CANCELLED = 6, /* text 32, by whom */
	ES_OUTCOME_MISMATCH = 7, /* 0 or 1, digest differed, not sent whole */
	ES_OUTCOME_TOTAL = 8,	/* uint, ms */
	ES_OUTCOME_SHA256 = 9,	/* bytes 32, response body */
	ES_OUTCOME_CLOSED = 10,	/* text 32, who closed */
	ES_OUTCOME_BODY = 11,	/* bytes 32, request body as it was sent */
	/* build and configuration */
	ES_BUILD_CONFIG = 0,	/* bytes 32 */
	ES_BUILD_PROXYD = 1,	/* bytes 1-32, ELF build id */
	ES_BUILD_KEYBROKERD = 2, /* bytes 1-32 */
	ES_BUILD_VERSION = 3,	/* text 32 */
	/* claimant: the worker on whose word W fields rest */
	ES_CLAIMANT_SLOT = 0,	/* uint */
	ES_CLAIMANT_GENERATION = 1, /* uint */
	ES_CLAIMANT_START = 2,	/* uint, boot time, ns */
	ES_CLAIMANT_LINK = 3,	/* uint */
	ES_CLAIMANT_CALL = 4,	/* uint, call number */
	/* request */
	ES_REQUEST_METHOD = 0,	/* text 16 */
	ES_REQUEST_PATH = 1,	/* text 2048 */
	ES_REQUEST_QUERY = 2,	/* text 2048 */
	ES_REQUEST_CTYPE = 3,	/* text 256 */
	ES_REQUEST_LENGTH = 4,	/* uint */
	ES_REQUEST_SHA256 = 5,	/* bytes 32 */
	ES_REQUEST_EDITS = 6,	/* uint */
	ES_REQUEST_KIND = 7,	/* text 32: generate, count, embed, ... */
	ES_REQUEST_ROUTE = 8,	/* text 64 */
	ES_REQUEST_STREAM = 9,	/* 0 or 1 (W) */
	/* client (W) */
	ES_CLIENT_ADDR = 0,	/* text 64 */
	ES_CLIENT_FLAGS = 1,	/* uint */
	ES_CLIENT_SESSION = 2,	/* bytes 1-32 */
	ES_CLIENT_PORT = 3,	/* uint */
	/* epoch.roll */
	ES_ROLL_EPOCH = 0,	/* uint */
	ES_ROLL_KEY = 1,	/* bytes 32, Ed25519 public key */
	ES_ROLL_PROOF = 2,	/* array of bytes 32, inclusion in the pin */
	/* genesis, re-root */
	ES_ROOT_ORIGIN = 0,	/* text 255 */
	ES_ROOT_PIN = 1,	/* bytes 32 */
	ES_ROOT_EPOCHS = 2,	/* uint, size of the tree under the pin */
	/* a change of keys, agents, secrets, budgets, files */
	ES_CHANGE_KIND = 0,	/* text 32, what sort of object */
	ES_CHANGE_ID = 1,	/* text 128 */
	ES_CHANGE_NAME = 2,	/* text 128 */
	ES_CHANGE_OWNER = 3,	/* text 128 */
	ES_CHANGE_ROLE = 4,	/* text 32 */
	ES_CHANGE_EXPIRES = 5,	/* uint, s since 1970 */
	ES_CHANGE_REASON = 6,	/* text 256 */
	ES_CHANGE_ACTOR = 7,	/* text 128 */
	ES_CHANGE_BEFORE = 8,	/* bytes 1-64, digest */
	ES_CHANGE_AFTER = 9,	/* bytes 1-64, digest */
	ES_CHANGE_OLD = 10,	/* uint */
	ES_CHANGE_NEW = 11,	/* uint */
	/* aggregates */
	ES_COUNTS_FROM = 0,	/* uint, ms since 1970 */
	ES_COUNTS_TO = 1,	/* uint */
	ES_COUNTS_TOTAL = 2,	/* uint */
	ES_COUNTS_REASONS = 3,	/* array of [text, uint] */
	ES_COUNTS_SOURCES = 4,	/* array of [text, uint] (W) */
	ES_COUNTS_MORE = 5,	/* uint, not listed */
	/* clock.step */
	ES_STEP_OLD = 0,	/* uint, ms since 1970 */
	ES_STEP_NEW = 1,	/* uint */
	/* caller */
	ES_CALLER_KEY = 0,	/* text 64, public id of the key */
	ES_CALLER_AGENT = 1,	/* uint, row id */
	ES_CALLER_ROLE = 2,	/* text 32 */
	ES_CALLER_CLASS = 3,	/* text 16, class of the link */
	/* budget */
	ES_BUDGET_TOKENS = 0,	/* uint, reserved */
	ES_BUDGET_COST = 1,	/* uint, reserved, 10^-6 of the unit */
	ES_BUDGET_USED = 2,	/* uint, settled tokens */
	ES_BUDGET_SPENT = 3	/* uint, settled cost */
};

enum entry_type {
	ET_GENESIS,
	ET_BOOT,
	ET_RECOVERY,
	ET_EPOCH_ROLL,
	ET_REROOT,
	ET_CONFIG_LOAD,
	ET_POLICY_LOAD,
	ET_KEY_ADD,
	ET_KEY_ROTATE,
	ET_KEY_REVOKE,
	ET_AUTH_FAIL,
	ET_CALL_DENY,
	ET_CALL_INTENT,
	ET_CALL_OUTCOME,
	ET_CALL_ORPHAN,
	ET_EXPORT,
	ET_RETENTION,
	ET_WITNESS_COSIG,
	ET_ERASURE,
	ET_CLOCK_STEP,
	ET_SHUTDOWN,
	ET_ADMIN,		/* "admin." and what: entry_begin_admin */
	ET_OTHER		/* reader only: a type of a later version */
};

/* What a field may hold. */
enum entry_kind {
	EF_NONE,		/* key not assigned */
	EF_UINT,		/* min..max */
	EF_BYTES,		/* min..max bytes */
	EF_BYTES_REF,		/* bytes, or the number of an entry */
	EF_TEXT,		/* min..max bytes of UTF-8 */
	EF_MAP,			/* nested fields */
	EF_MAP_REF,		/* nested fields, or the number of an entry */
	EF_TEXTS,		/* array of text, each 1..max bytes */
	EF_HASHES,		/* array of bytes 32, at most max */
	EF_PAIRS,		/* array of [text, uint] */
	EF_HITS			/* array of [text, uint, text] */
};

/* One row of the table; class is 'B', 'E' or 'W'. */
struct entry_field {
	const char			*name;
	enum entry_kind			 kind;
	char				 class;
	uint64_t			 min;
	uint64_t			 max;
	const struct entry_field	*sub;
	unsigned int			 nsub;
};

/* An entry under construction. */
struct entry_w {
	struct cbor_w	 c;
};

/* A parsed entry; points into the caller's bytes. */
struct entry {
	const uint8_t	*buf;
	size_t		 len;
	uint64_t	 seq;
	uint64_t	 wall;		/* ms */
	uint64_t	 epoch;
	enum entry_type	 type;
	const char	*name;		/* of the type, no NUL */
	size_t		 namelen;
	const uint8_t	*prev;		/* 32 bytes */
	const uint8_t	*origin;	/* 8 bytes */
	uint16_t	 at[EK_COUNT];	/* offset of the value, 0 = absent */
	unsigned int	 ignored;	/* fields from ENTRY_CRITICAL on */
};

/* entry.c */

/*
 * Writer.  Fields go in ascending key order, also inside a map; the broker
 * writes 3..9 and EK_ORG into every entry.  Errors stick: -1 with errno from
 * the first bad call on, and entry_end says so at the latest.
 *
 *	entry_begin(&w, buf, sizeof(buf), seq, ET_CALL_INTENT);
 *	entry_put_uint(&w, EK_WALL, ms);
 *	...
 *	entry_map(&w, EK_DEST);
 *	entry_put_text(&w, ES_DEST_HOST, host, strlen(host));
 *	entry_close(&w);
 *	entry_map(&w, EK_POLICY);
 *	entry_list(&w, ES_POLICY_RULES);
 *	entry_add_text(&w, rule, strlen(rule));
 *	entry_close(&w);
 *	entry_close(&w);
 *	len = entry_end(&w);
 */
int	entry_begin(struct entry_w *, void *buf, size_t size, uint64_t seq,
	    enum entry_type);
/* Type "admin." + what; what is [a-z.-], e.g. "agent.create". */
int	entry_begin_admin(struct entry_w *, void *buf, size_t size,
	    uint64_t seq, const char *what);
int	entry_put_uint(struct entry_w *, unsigned int key, uint64_t);
int	entry_put_bytes(struct entry_w *, unsigned int key, const void *,
	    size_t);
int	entry_put_text(struct entry_w *, unsigned int key, const void *,
	    size_t);
int	entry_map(struct entry_w *, unsigned int key);
int	entry_list(struct entry_w *, unsigned int key);
int	entry_add_uint(struct entry_w *, uint64_t);
int	entry_add_bytes(struct entry_w *, const void *, size_t);
int	entry_add_text(struct entry_w *, const void *, size_t);
int	entry_add_pair(struct entry_w *, const void *, size_t, uint64_t);
int	entry_add_hit(struct entry_w *, const void *class, size_t, uint64_t,
	    const void *action, size_t);
/* Closes the innermost map or list. */
int	entry_close(struct entry_w *);
/*
 * Closes the entry and reads it back with entry_parse, so that nothing is
 * ever signed that the verifier would refuse.  Returns its length, or -1.
 */
ssize_t	entry_end(struct entry_w *);

/*
 * Reader.  Checks syntax, every field against the table, and the fields that
 * the type demands.  Returns 0, or -1 (EINVAL) with *why a constant text;
 * why may be NULL.  It does not look at other entries.
 */
int	entry_parse(const void *buf, size_t len, struct entry *,
	    const char **why);

/*
 * Getters: 0, or -1 (ENOENT) if the field is absent or of another kind (a
 * reference where bytes are asked for).  Nothing is copied.
 */
int	entry_get_uint(const struct entry *, unsigned int key, uint64_t *);
int	entry_get_bytes(const struct entry *, unsigned int key,
	    const uint8_t **, size_t *);
int	entry_get_text(const struct entry *, unsigned int key, const char **,
	    size_t *);
int	entry_sub_uint(const struct entry *, unsigned int key,
	    unsigned int sub, uint64_t *);
int	entry_sub_bytes(const struct entry *, unsigned int key,
	    unsigned int sub, const uint8_t **, size_t *);
int	entry_sub_text(const struct entry *, unsigned int key,
	    unsigned int sub, const char **, size_t *);
/* Position at the value of key (sub < 0) or of a nested field. */
int	entry_at(const struct entry *, unsigned int key, int sub,
	    struct cbor_r *);

/* entry_table.c */

/* Row of the table, NULL if not assigned; sub < 0: the key itself. */
const struct entry_field *
	entry_field(unsigned int key, int sub);
/* Name of a type; NULL for ET_ADMIN and ET_OTHER. */
const char *
	entry_type_name(enum entry_type);
/* Type of a name; keys that an entry of this type must have, one bit each. */
enum entry_type
	entry_type_find(const char *, size_t);
uint64_t
	entry_type_needs(enum entry_type);

#endif
