/* SPDX-License-Identifier: ISC */
#ifndef COMMON_IPC_PROTO_H
#define COMMON_IPC_PROTO_H

#include <stdint.h>

/*
 * Every message between roles, and the only place that names them.  One row:
 *
 *	X(NAME, number, link, direction, class, max payload, carries fd)
 *
 * The rows generate the enum, the permit table (permit.c), the list of
 * keybroker-protocol(7) and the red worker's list.  Direction DOWN goes to the
 * less trusted end, UP to the more trusted one.  Class: D = allowed on any
 * worker link, A = on links of class admin or both only; - elsewhere.
 * Payloads stand below the table, field by field, in wire order: u8 u16 u32 u64
 * raw[n] str (u16 length) blob (u32 length).
 */
#define PROTO_TABLE(X)							\
/* worker - broker */							\
X(ADMIT,	0x0101, WB, UP,   D, 512,   0)				\
X(CALL,		0x0102, WB, UP,   D, 4096,  0)				\
X(AMEND,	0x0103, WB, UP,   D, 4096,  0)				\
X(CANCEL,	0x0104, WB, UP,   D, 32,    0)				\
X(OUTCOME,	0x0105, WB, UP,   D, 256,   0)				\
X(LINK,		0x0106, WB, UP,   D, 16,    0)				\
X(ADMITTED,	0x0181, WB, DOWN, D, 32,    0)				\
X(ALLOW,	0x0182, WB, DOWN, D, 512,   0)				\
X(REDACT,	0x0183, WB, DOWN, D, 8192,  0)				\
X(DENY,		0x0184, WB, DOWN, D, 1024,  0)				\
X(FAIL,		0x0185, WB, DOWN, D, 1024,  0)				\
X(CUT,		0x0186, WB, DOWN, D, 512,   0)				\
X(LINKED,	0x0187, WB, DOWN, D, 32,    1)				\
X(NOLINK,	0x0188, WB, DOWN, D, 512,   0)				\
X(READY,	0x0189, WB, DOWN, D, 1024,  1)				\
X(ERROR,	0x018a, WB, DOWN, D, 256,   0)				\
X(ANSWER,	0x018b, WB, DOWN, D, 16000, 0)				\
/* administration: worker links of class admin, and the control socket */ \
X(ADMIN_AGENT_CREATE,	0x0201, WB, UP, A, 4096, 0)			\
X(ADMIN_AGENT_LIST,	0x0202, WB, UP, A, 1024, 0)			\
X(ADMIN_KEY_CREATE,	0x0203, WB, UP, A, 4096, 0)			\
X(ADMIN_KEY_LIST,	0x0204, WB, UP, A, 1024, 0)			\
X(ADMIN_KEY_REVOKE,	0x0205, WB, UP, A, 1024, 0)			\
X(ADMIN_STATUS,		0x0206, WB, UP, A, 1024, 0)			\
X(ADMIN_ME,		0x0207, WB, UP, A, 512,  0)			\
X(ADMIN_AGENT_DELETE,	0x0208, WB, UP, A, 1024, 0)			\
X(ADMIN_KEY_ROTATE,	0x0209, WB, UP, A, 1024, 0)			\
X(ADMIN_AUDIT_LIST,	0x020a, WB, UP, A, 1024, 0)			\
X(ADMIN_AUDIT_VERIFY,	0x020b, WB, UP, A, 512,  0)			\
X(ADMIN_OVERVIEW,	0x020c, WB, UP, A, 512,  0)			\
X(ADMIN_METRICS,	0x020d, WB, UP, A, 512,  0)			\
X(ADMIN_SPEND,		0x020e, WB, UP, A, 1024, 0)			\
X(ADMIN_QUARANTINE,	0x020f, WB, UP, A, 512,  0)			\
X(ADMIN_VAULT_ROTATE,	0x0210, WB, UP, A, 512,  0)			\
X(ADMIN_AGENT_EDIT,	0x0211, WB, UP, A, 2048, 0)			\
X(ADMIN_SECRET_LIST,	0x0220, WB, UP, A, 512, 0)			\
/* control socket only: the uid was checked by the parent */		\
X(CTL_HELLO,	0x0301, CTL, UP,   A, 16,   0)				\
X(CTL_STOP,	0x0302, CTL, UP,   A, 16,   0)				\
X(CTL_RELOAD,	0x0303, CTL, UP,   A, 16,   0)				\
X(CTL_FIRST,	0x0304, CTL, UP,   A, 256,  0)				\
X(CTL_ADMINKEY,	0x0305, CTL, UP,   A, 16,   0)				\
/* provider secrets; a value comes by the control socket only (R1) */	\
X(CTL_SECRET_SET, 0x0310, CTL, UP, A, 4096, 0)				\
X(CTL_SECRET_TEST, 0x0311, CTL, UP, A, 256, 0)				\
X(CTL_SECRET_DELETE, 0x0312, CTL, UP, A, 256, 0)				\
X(CTL_VAULT_IMPORT, 0x0318, CTL, UP, A, 8192, 0)			\
/* broker - egress */							\
X(EG_LINKED,	0x0401, BE, DOWN, D, 64,    1)				\
X(RELEASE,	0x0402, BE, DOWN, D, 12288, 0)				\
X(DROP,		0x0403, BE, DOWN, D, 32,    0)				\
X(EG_CUT,	0x0404, BE, DOWN, D, 32,    0)				\
X(DONE,		0x0481, BE, UP,   D, 1024,  0)				\
X(UPSTREAM,	0x0482, BE, UP,   D, 512,   0)				\
X(REFUSED,	0x0483, BE, UP,   D, 1024,  0)				\
/* broker - ledger */							\
X(BATCH,	0x0501, BL, DOWN, D, MSG_MAX, 0)			\
X(PEN,		0x0502, BL, DOWN, D, 16,    0)				\
X(PAGE,		0x0503, BL, DOWN, D, 512,   0)				\
X(HELLO,	0x0581, BL, UP,   D, 12288, 0)				\
X(DELTA,	0x0582, BL, UP,   D, MSG_MAX, 0)			\
X(COMMITTED,	0x0583, BL, UP,   D, 128,   0)				\
X(PAGED,	0x0584, BL, UP,   D, MSG_MAX, 0)			\
/* egress, kms (later svid, export) - dial */				\
X(CONNECT,	0x0601, ED, DOWN, D, 96,    0)				\
X(CONNECTED,	0x0681, ED, UP,   D, 64,    1)				\
X(FAILED,	0x0682, ED, UP,   D, 512,   0)				\
/* any parent - its role */						\
X(PEER,		0x0701, PR, DOWN, D, 64,    1)				\
X(SOURCE,	0x0702, PR, DOWN, D, 512,   1)				\
X(BLOB,		0x0703, PR, DOWN, D, 64,    1)				\
X(EXIT,		0x0704, PR, DOWN, D, 16,    0)				\
X(UP,		0x0781, PR, UP,   D, 256,   0)				\
X(PROBLEM,	0x0782, PR, UP,   D, 1024,  0)				\
/* proxyd parent - worker */						\
X(SLOT,		0x0801, PR, DOWN, D, 128,   1)				\
X(UNSLOT,	0x0802, PR, DOWN, D, 16,    0)				\
X(DRAIN,	0x0803, PR, DOWN, D, 16,    0)				\
X(LIMITS,	0x0804, PR, DOWN, D, 64,    0)				\
/* proxyd parent - worker, keybrokerd parent - tlskey: certificates */	\
X(CERT,		0x0805, PR, DOWN, D, 64,    1)				\
X(TLSKEY,	0x0806, PR, DOWN, D, 64,    1)				\
X(TLSDONE,	0x0807, PR, DOWN, D, 16,    0)				\
X(STOPPED,	0x0881, PR, UP,   D, 16,    0)				\
X(TLSREADY,	0x0882, PR, UP,   D, 512,   0)				\
/* keybrokerd parent - broker, more */					\
X(LINKUP,	0x0901, PR, DOWN, D, 64,    1)				\
X(POLICY,	0x0902, PR, DOWN, D, 64,    1)				\
X(CONTROL,	0x0903, PR, DOWN, D, 64,    1)				\
X(ROLES,	0x0904, PR, DOWN, D, 16000, 0)				\
X(CONFIG,	0x0905, PR, DOWN, D, 12288, 0)				\
X(CLOSING,	0x0906, PR, DOWN, D, 16,    0)				\
X(SOURCE_BAD,	0x0910, PR, DOWN, D, 1024,  0)				\
X(REOPENED,	0x0911, PR, DOWN, D, 512,   0)				\
X(SPAWN,	0x0981, PR, UP,   D, 64,    0)				\
X(ASK,		0x0982, PR, UP,   D, 64,    0)				\
X(REOPEN,	0x0983, PR, UP,   D, 256,   0)				\
X(SERVING,	0x0984, PR, UP,   D, 1024,  0)				\
X(WAITING,	0x0985, PR, UP,   D, 1024,  0)				\
X(KEYMADE,	0x0986, PR, UP,   D, 12288, 0)				\
X(TAKEN,	0x0990, PR, UP,   D, 512,   0)				\
/* keybrokerd parent - proxyd parent */					\
X(KP_LINKUP,	0x0a01, KP, UP,   D, 64,    1)				\
X(KP_RELOAD,	0x0a02, KP, UP,   D, 16,    0)				\
X(KP_STOP,	0x0a03, KP, UP,   D, 16,    0)				\
X(KP_STATUS,	0x0a04, KP, UP,   D, 8000,  0)				\
X(KP_CERT,	0x0a05, KP, UP,   D, 64,    1)				\
X(KP_TLSKEY,	0x0a06, KP, UP,   D, 64,    1)				\
X(KP_TLSDONE,	0x0a07, KP, UP,   D, 16,    0)				\
X(KP_TLSLINK,	0x0a08, KP, UP,   D, 64,    1)				\
X(KP_READY,	0x0a81, KP, DOWN, D, 1280,  0)				\
X(KP_ASK,	0x0a82, KP, DOWN, D, 16,    0)				\
X(KP_RELOADED,	0x0a83, KP, DOWN, D, 512,   0)				\
X(KP_STOPPED,	0x0a84, KP, DOWN, D, 16,    0)				\
X(KP_TLSREADY,	0x0a85, KP, DOWN, D, 512,   0)				\
X(KP_WAITING,	0x0a86, KP, DOWN, D, 1024,  0)				\
/* broker - kms */							\
X(EXCHANGE,	0x0b01, BK, DOWN, D, 12288, 0)				\
X(RESULT,	0x0b81, BK, UP,   D, 12288, 0)				\
/* worker - tlskey */							\
X(SIGN,		0x0c01, WT, UP,   D, 640,   0)				\
X(SIGNED,	0x0c81, WT, DOWN, D, 640,   0)				\
/* broker - export */							\
X(QUERY,	0x0d01, BX, DOWN, D, 128,   0)				\
X(CHECK,	0x0d02, BX, DOWN, D, 64,    0)				\
X(ROW,		0x0d81, BX, UP,   D, MSG_MAX, 0)			\
X(QUERIED,	0x0d82, BX, UP,   D, 512,   0)				\
X(CHECKED,	0x0d83, BX, UP,   D, 10240, 0)

enum proto {
	M_NONE = 0,
#define X(name, num, link, dir, class, max, fd)	M_##name = num,
	PROTO_TABLE(X)
#undef X
};

enum proto_link { PL_WB, PL_CTL, PL_BE, PL_BL, PL_ED, PL_PR, PL_KP, PL_BK,
	PL_WT, PL_BX };
enum proto_dir { PD_UP, PD_DOWN };
enum proto_class { PC_D, PC_A };

/* ---- bounds: one place, changed on evidence only ------------------------ */
#define ADMIT_ABOVE	(64 * 1024)	/* body bytes a stranger may make us read */
#define EGRESS_HOLD	(256 * 1024)	/* body bytes that travel before COMMITTED */
#define TAIL_HOLD	64		/* last bytes kept back by the egress */
#define BODY_MAX	(32 * 1024 * 1024)
#define BODY_CONTROL	(64 * 1024)
#define BODY_BUDGET	(256 * 1024 * 1024)	/* a worker, all bodies */
#define WORKER_LINKS	1024		/* worker-egress links a worker */
#define WORKER_RELEASED	1024		/* released calls a worker */
#define WORKER_CALLS	4096		/* calls in all states a worker */
#define WORKER_QUEUE	(256 * 1024)	/* broker's queue towards a worker */
#define LINK_ERRORS	16		/* protocol errors that close a link */
#define TURN_MESSAGES	64		/* taken from a link a turn */
#define BATCH_ENTRIES	256
#define BATCH_BYTES	(256 * 1024)
#define PAGE_BYTES	(64 * 1024)	/* rows of one PAGED */
#define PAGE_LOOKED	2048		/* rows that one PAGE may look at */
#define BATCH_EAGER	(64 * 1024)	/* so much waits for no intent */
#define OUTCOME_MEMORY	(16 * 1024 * 1024)	/* waiting outcomes */
#define PROVIDERS_MAX	32
#define WORKERS_MAX	64		/* worker links at a broker */
#define CONTROLS_MAX	16

#define TOKEN_MAX	128
#define MODEL_MAX	256
#define PATH_MAX_	1024		/* upstream path */
#define QUERY_MAX	512
#define HOST_MAX	255
#define SESSION_MAX	128
#define REASON_MAX	400		/* a sentence for a human */
#define CREDENTIAL_MAX	3072
#define CERTS_MAX	8		/* listeners, each may have its own */
#define CERT_BYTES	(64 * 1024)	/* a certificate with its chain, PEM */
#define SIGN_BYTES	512		/* RSA of 4096 bits */

/* Deadlines, nanoseconds of CLOCK_BOOTTIME (decisions K13). */
#define NS_S			1000000000ULL
#define NS_MS			1000000ULL
#define DL_ADMITTED_STEP	(60 * NS_S)	/* since the last 64 KiB */
#define DL_ADMITTED		(600 * NS_S)
#define DL_AMENDING		(5 * NS_S)
#define DL_COMMITTING		(10 * NS_S)
#define DL_OUTCOME		(5 * NS_MS)	/* an outcome waits for an intent */
#define DL_WAITCRED		(10 * NS_S)
#define DL_FIRST_BYTE		(600 * NS_S)
#define DL_BETWEEN		(60 * NS_S)
#define DL_RELEASED		(3600 * NS_S)
#define DL_SIGN			(250 * NS_MS)	/* a worker waits for tlskey */
#define DL_SETTLING		(5 * NS_S)

/* ---- small enumerations on the wire (u8 unless said) -------------------- */
enum proto_role { ROLE_PROXYD, ROLE_KEYBROKERD, ROLE_WORKER, ROLE_BROKER,
	ROLE_LEDGER, ROLE_EGRESS, ROLE_DIAL, ROLE_PROXYCTL, ROLE_KMS,
	ROLE_TLSKEY, ROLE_EXPORT, ROLE_MAX };
enum proto_kind { KIND_GENERATE, KIND_COUNT, KIND_EMBED, KIND_LIST,
	KIND_PROBE,		/* the broker's own: secret test */
	KIND_MAX };
enum proto_dialect { DIALECT_OPENAI, DIALECT_ANTHROPIC, DIALECT_MAX };
enum proto_scheme { SCHEME_HTTP, SCHEME_HTTPS };
enum proto_auth { AUTH_NONE, AUTH_BEARER, AUTH_XAPIKEY, AUTH_APIKEY,
	AUTH_GOOGKEY, AUTH_SIGV4 };
enum proto_grade { GRADE_NONE, GRADE_FINAL, GRADE_PARTIAL, GRADE_DRAINED,
	GRADE_ESTIMATED };
/* Listener class; CLASS_BOTH for loopback only. */
enum proto_listen { CLASS_DATA = 1, CLASS_ADMIN = 2, CLASS_BOTH = 3 };

/* How a call ended, as the egress (DONE) or worker (OUTCOME) says it. */
enum proto_end {
	END_OK,			/* complete exchange */
	END_TRUNCATED,		/* provider closed or stopped in the middle */
	END_CANCELLED,		/* client gone, CANCEL */
	END_CUT,		/* EG_CUT: deadline or revocation */
	END_MISMATCH,		/* body differs from the record: alarm */
	END_CONNECT,		/* no connection: refused, reset, unresolved */
	END_TLS,		/* certificate or handshake */
	END_TIMEOUT,
	END_FRAMING,		/* the answer's head or framing was bad */
	END_AUTH,		/* provider answered 401 or 403 */
	END_ABORTED,		/* worker's link ended or ABORT before the end */
	END_TOOLARGE,
	END_LOST,		/* peer process gone */
	END_MAX
};
enum proto_closer { CLOSER_NONE, CLOSER_PROVIDER, CLOSER_CLIENT, CLOSER_EGRESS,
	CLOSER_BROKER };
enum proto_cut { CUT_DEADLINE = 1, CUT_REVOKED, CUT_EXPIRED, CUT_CANCELLED,
	CUT_LOST, CUT_SHUTDOWN };

/* EXCHANGE.op */
enum proto_kms_op {
	KMS_FETCH = 1,		/* the raw key from a secret store */
	KMS_GENERATE,		/* a data key: wrapped and in the clear */
	KMS_WRAP,		/* the given key, wrapped (new copy, re-wrap) */
	KMS_UNWRAP,
	KMS_OP_MAX
};
/* RESULT.class */
enum proto_kms_class {
	KC_OK,
	KC_STATE,		/* key disabled, destroyed, deleted, expired */
	KC_DENIED,		/* policy: we are known and may not */
	KC_AUTH,		/* credential expired or refused */
	KC_THROTTLED,
	KC_UNAVAILABLE,		/* network, 5xx, sealed, time over: try later */
	KC_INVALID,		/* unwrap refused, wrong key or context, 31 bytes */
	KC_CONFIG,		/* URI, variable, trust, no such key: an operator */
	KC_PROTOCOL,		/* an answer that no such service gives */
	KC_MAX
};
#define KR_LATE		0x01	/* credential of a kind that comes up late */
#define KR_REWRAP	0x02	/* wrapped by an old version of the KEK */
#define KR_SKEW		0x04	/* our clock is over 60 s wrong: see the text */

#define KMS_URI_MAX	1024
#define KMS_WRAPPED_MAX	6144	/* AWS: CiphertextBlob */
#define KMS_DEK_MAX	10240	/* text of TAPPASS_VAULT_DEK */
#define KMS_CONTEXT_MAX	512
#define KMS_KEY_LEN	32
#define KMS_KEYID_MAX	512
#define KMS_TARGET	0x8000	/* CONNECT: an index of the kms list */

/* CALL.flags */
#define CF_STREAM	0x0001	/* the client asked for a stream */
#define CF_USAGE	0x0002	/* include_usage was inserted by us */
#define CF_PREFIX	0x0004	/* a routing prefix was removed from model */
#define CF_ADMITTED	0x0008	/* ADMIT went before under the same number */
#define CF_UNSHAPED	0x0010	/* token is not of our shape (K4) */
#define CF_PROBE	0x0020	/* RELEASE only: no worker, no link */

/* SIGN: what is signed, and why it was not (SIGNED.error, 0 = signed). */
enum proto_sign { SIGN_ECDSA = 1, SIGN_RSA_PKCS1, SIGN_RSA_PSS };
enum proto_signerror { SIGNERR_NONE, SIGNERR_NOKEY, SIGNERR_FORM,
	SIGNERR_FAILED };

/* READY.providers[].state */
enum proto_provider { PROV_NOKEY, PROV_DOWN, PROV_UP };

/* What a drained worker does with connections that are idle: close, or wait. */
enum proto_drain { DRAIN_STOP, DRAIN_REPLACED };

/*
 * Payloads.  "no" is the worker instance's one strictly increasing u64 counter
 * over all its links; "id" is the 16-byte random call id (X-Request-ID is its
 * hex); times are CLOCK_BOOTTIME nanoseconds unless "wall ms".
 *
 * ADMIT	u64 no, str token, u32 flags, u16 route (0 and length 0: only "who
 *		is this?", before a 404, 405 or 426), u64 body length,
 *		str source address
 * ADMITTED	u64 no
 * CALL, AMEND	u64 no, u32 link, str token, u32 flags, u8 kind, u8 dialect,
 *		u16 route, u16 provider, str model, str method, str path, str query,
 *		str content type, u64 body length, raw[32] sha256 of the body as it
 *		is sent, u16 edits, str session, str source address,
 *		u64 max tokens claimed, u64 deadline
 *		path is what the provider gets: base path + route path.  The
 *		broker computes it again from its own policy and compares.
 *		KIND_LIST: link 0, lengths 0; answered by ALLOW at COMMITTED.
 * CANCEL	u64 no
 * OUTCOME	u64 no, u8 end, u16 status, u8 grade, u64 tokens in, u64 tokens
 *		out, u64 tokens cached, u64 bytes to the client
 * LINK		u32 cookie, u16 provider
 * ALLOW	u64 no, raw[16] id, u64 index, raw[32] leaf hash, u64 checkpoint
 *		size, raw[32] policy id, u64 response limit bytes, u64 deadline
 * REDACT	u64 no, u16 n, n x {u32 offset, u32 length, str replacement}
 * DENY, FAIL	u64 no, raw[16] id, u16 status, str type (of clients.md 3.1),
 *		str code, str blocked_by, str message, u32 retry after s (0 none),
 *		u8 no retry (x-should-retry: false)
 * CUT		u64 no, u8 cut, str message
 * LINKED+fd	u32 cookie, u32 link, u16 provider
 * NOLINK	u32 cookie, u16 provider, u16 status, str message
 * READY[+fd]	u8 gate open, u8 ledger up (2: and the exported log is
 *		damaged), u8 dial up, raw[8] origin hash,
 *		raw[32] policy id, u16 n, n x {u16 provider, u8 state}, u8 class
 *		(enum proto_kms_class) of the last word of the KMS, KC_OK without
 *		fd: the policy blob, when it is new to this worker
 * ERROR	u64 no (0 none), u16 type of the refused message, str text
 * ANSWER	u32 cookie, u16 status, u8 more, u16 n, n x str
 *		rows come one ANSWER each with more = 1, then one with more = 0.
 *		errors: status >= 400, n = 2: code, text
 *		A list may end with n = 2: cursor of what follows ("" none), total
 *
 * ADMIN_*	u32 cookie, str token and str source address (both empty on the
 *		control socket), then
 *  ME			- -> row {id, email, name, role, agent, expires ISO}
 *  AGENT_CREATE	str agent, str description, str owner's e-mail, str
 *		  framework, str scope (scope.h), u8 flags (1 it must not exist,
 *		  2 with an agent key), u32 expires days of that key -> row {agent,
 *		  created?, api_key or "", key_id, expires ISO}
 *  AGENT_LIST		str text to look for, u8 exact (it is the agent's name),
 *		  u32 limit (0 all that fit), u64 cursor
 *		  -> rows {agent, description, created ISO, keys, owner,
 *		  framework, scope, deleted ISO or "", suspended ISO or "",
 *		  active "1" or "0"}
 *  AGENT_EDIT		str agent, u8 which (1 description, 2 owner, 4 scope, 8
 *		  suspended), str description, str owner's e-mail, str scope,
 *		  u8 suspended -> row as of AGENT_LIST
 *  AGENT_DELETE	str agent -> row {agent, when, keys that end}
 *  KEY_CREATE		str agent, str email, str name, u32 expires days,
 *		  u64 expires wall ms (0 none; control only), u8 make agent,
 *		  str role ("" developer), str scope
 *		  -> row {api_key, key_id, agent, email, expires ISO, created
 *		  agent "1" or "0", role}
 *  KEY_LIST		str agent (empty = all), u32 limit, u64 cursor
 *		  -> rows {key_id, agent, email, name, created, expires,
 *		  revoked or "", last used or "", role, scope, replaces, ends}
 *  KEY_REVOKE		str agent (empty = any), str key_id -> row {key_id, when}
 *  KEY_ROTATE		str agent (empty = any), str key_id, u32 grace seconds,
 *		  u32 expires days (0 as long as the old one had)
 *		  -> row {api_key, key_id, agent, email, expires, old key_id,
 *		  when the old one ends, role}
 *  AUDIT_LIST		str agent, str type, str action, u64 since wall ms, u64
 *		  from (only entries from this index on), u32 limit, u64 cursor
 *		  (0, or only older ones), u8 oldest first, str session (as a
 *		  client said it, or the 64 digits of the log; empty = any), u8
 *		  of a task: no entry names one, so none fits
 *		  -> rows {index, ISO, type, agent, key_id, action, request id,
 *		  model, provider, status, reason, tokens in, tokens out,
 *		  object, actor, hash, session}; end {cursor, oldest index: 0}; a page may
 *		  have less rows than the limit and a cursor all the same
 *  AUDIT_VERIFY	- -> row {verified, events, intact, pending, root hex,
 *		  held in memory since index, exported entries verified, their
 *		  root hex, ISO when, what is wrong}
 *  OVERVIEW		u32 limit, u64 cursor -> rows {agent, owner, live keys,
 *		  calls, denied, failed, tokens in, tokens out, last used, since}
 *  METRICS		- -> rows {lines of Prometheus text}
 *  SPEND		str agent (empty = all), u32 limit, u64 cursor -> rows
 *		  {agent, key_id, email, calls, denied, failed, tokens in, out, cached,
 *		  since}
 *  QUARANTINE		u16 slot -> row {slot, generation, calls cut}
 *  VAULT_ROTATE	- -> row {changed "1" or "0", kid, previous kid or "",
 *		  records sealed anew, values that the sweep has still to do}
 *  STATUS		- -> rows {section, text}
 * CTL_HELLO	u32 cookie, u16 version (1) -> row {"1", version string}
 * CTL_STOP, CTL_RELOAD, CTL_ADMINKEY	u32 cookie
 *		ADMINKEY -> row {admin key}
 * CTL_FIRST	u32 cookie, u8 what (1 fresh developer key), u64 reserved
 *		-> row {api_key, key_id, agent, expires ISO, admin key or ""}
 *		the admin key is there once, in the life that made it
 *  SECRET_LIST		- -> rows {name, provider, source, state, since ISO or
 *			"", fingerprint, last used ISO or "", note}
 * CTL_SECRET_SET	u32 cookie, str name (a variable or a provider), u8 how (0
 *		serves at once only where nothing does, 1 at once), blob value ->
 *		row {name, fingerprint, "in use" or "staged" or "shadowed", note}
 * CTL_SECRET_TEST	u32 cookie, str name -> row {name, fingerprint, "accepted" or
 *		"refused" or "unknown", status, note}
 * CTL_SECRET_DELETE	u32 cookie, str name -> row {name, note}
 * CTL_VAULT_IMPORT	u32 cookie, u32 number of the first line, u8 last, u16 n,
 *		n x {str name, str ciphertext} -> row {values stored by this run};
 *		a line that is refused ends the run: nothing of it or behind it
 *		is stored, what stood before it is
 *
 * EG_LINKED+fd	u32 link, u64 worker instance
 * RELEASE	u32 link, u64 no, raw[16] id, u16 provider, u8 scheme, str host,
 *		u16 port, str method, str path, str query, str content type,
 *		u64 body length, raw[32] sha256, u32 flags, u8 dialect, u8 auth,
 *		blob credential, u64 response limit, u64 deadline, u64 first byte
 *		deadline, u64 between deadline (a duration)
 * DROP		u32 link, u64 no
 * EG_CUT	u32 link, u64 no, u8 cut
 * DONE		u32 link, u64 no, raw[16] id, u8 end, u16 status, u64 bytes up,
 *		u64 bytes down, raw[32] sha256 up, raw[32] sha256 down, u64 first
 *		byte at (0 none), u64 end at, u8 closer, u8 echoes masked,
 *		str provider's request id, str text for a human
 * UPSTREAM	u32 link, u8 up (0 the upstream closed, 1 it is up, 2 the link
 *		itself ended), u8 end class, str text
 * REFUSED	as DONE, but the call is not over: the provider answered 401,
 *		nothing went to the worker, and the egress still holds the whole
 *		body.  RELEASE with the same link, no and id sends it once more;
 *		DROP ends the call as if there had been no question
 *
 * BATCH	u64 batch, u16 index, u8 last, rest: a piece of the item run
 *		items: u8 tag, u32 length, bytes.  tags: 'E' entry, 'S' state row
 *		{u8 kind, u16 idlen, id, value}, 'D' state row deleted {u8 kind,
 *		u16 idlen, id}, 'R' compact range after the batch, 'H' {u64 size,
 *		raw[32] root}, 'C' signed checkpoint note
 * COMMITTED	u64 batch, u64 size, raw[32] root, raw[32] sha256 of the note,
 *		u8 low space (less than 5 % is free)
 * HELLO	u64 size, raw[32] root, raw[32] last leaf hash (zeros if empty),
 *		u64 last batch, u64 free bytes, u8 low space, blob compact range,
 *		blob last checkpoint note; DELTA follow
 * DELTA	u32 index, u8 last, rest: a piece of the item run ('S' items)
 *		DELTA has no row of a kind from ST_COLD on
 * PEN		- (hot upgrade, later)
 * PAGE		u32 cookie, u8 kind (ST_COLD and up), u8 exact, str id, str leave
 *		out, u16 rows, u32 bytes.  Rows of the kind in order of their ids,
 *		from the one behind id on (exact: that one alone), without those
 *		whose value begins with "leave out"; at most so many rows and
 *		PAGE_LOOKED looked at, and once the bytes are reached no more.
 *		One is asked at a time
 * PAGED	u32 cookie, u16 index, u8 last, rest: a piece of the item run: 'S'
 *		items, then 'N' {u64 rows of the kind in all, u32 rows looked at,
 *		id}: go on behind that id; empty: that was the end
 *
 * CONNECT	u32 cookie, u16 provider; of kms: u16 KMS_TARGET | row of its list,
 *		str label that stands for the row's "*" (empty: there is none)
 * CONNECTED+fd	u32 cookie, u8 through a proxy
 * FAILED	u32 cookie, u8 end class, str text
 *
 * PEER+fd	u8 role, u16 provider or slot, u32 generation
 * SOURCE[+fd]	u8 kind, u8 mode, u64 size, str name; no fd = it is gone.
 *		SRC_KEYFILE and SRC_DIRFILE: name is VARIABLE:PATH
 * BLOB+fd	raw[32] sha256
 * EXIT		-
 * UP		u32 confinement bits (sandbox.h), str what is missing
 * PROBLEM	str text
 * SLOT+fd	u16 slot, u8 class, u8 tls (0 none, else the number of a CERT),
 *		u8 loopback, str address
 * CERT+fd, KP_CERT+fd	u32 round, u8 number (1-8); fd: a sealed memfd with
 *		certificate and chain, PEM
 * TLSKEY+fd, KP_TLSKEY+fd	u32 round, u8 number; fd: the key file, unread
 * TLSDONE, KP_TLSDONE	u32 round, u8 how many pairs the round has
 * TLSREADY, KP_TLSREADY	u32 round, u8 ok, str text: what is wrong
 * KP_TLSLINK+fd	u16 slot, u32 generation: a worker's link to tlskey
 * UNSLOT, DRAIN, STOPPED	u16 slot (STOPPED: 0; DRAIN: enum proto_drain)
 * LINKUP+fd, KP_LINKUP+fd	u16 slot, u32 generation, u8 class, u64 start wall ms,
 *		u32 calls after which it is to be replaced, 0 never
 * POLICY+fd	raw[32] policy id (= sha256 of the blob), u8 first
 * CONTROL+fd	u32 uid, u8 admin
 * ROLES	str section, blob text (lines for status)
 * CONFIG	raw[32] sha256 of the configuration, u8 development, u8 terminal,
 *		str audit origin (empty: made at genesis), str kms uri (empty:
 *		the vault key is a SOURCE), blob text of TAPPASS_VAULT_DEK (empty:
 *		none), u32 kms check seconds, u32 kms stale seconds (0 never), u32
 *		start-deadline seconds (0 none: wait for the KMS for ever), u8 init
 *		(1: "keybrokerd init", the only life in which a key may be made
 *		outside a first run)
 * CLOSING	- no new call from here; ends with BROKER exiting when settled
 * SPAWN	u8 role, u16 provider
 * ASK, KP_ASK	u8 what (1 stop, 2 reload; 3 end a worker now, 4 replace it
 *		as its hour does, then u16 slot, u32 generation)
 * REOPEN	str source name
 *		(a variable; empty: all), answered by REOPENED behind its SOURCEs
 * SOURCE_BAD	u8 kind, str name, str text: the source cannot be opened; what was
 *		taken from it stays
 * REOPENED	str source name
 * TAKEN	u8 kind, str source name, u8 ok: a SOURCE was judged
 * SERVING	KP_READY without the life: the broker has recovered and serves; again
 *		when the set of providers with a key changes
 * WAITING	u8 class (enum proto_kms_class), str text: the start waits for the
 *		KMS, for this reason; an empty text: no longer.  Sent at each change
 * KEYMADE	blob text of TAPPASS_VAULT_DEK: a wrapped key was made and proved,
 *		the operator stores it; before SERVING
 * LIMITS	u32 connections of this worker, u32 connections of one source
 *		address, u32 header seconds, u32 idle seconds
 * EXCHANGE	u32 cookie, u8 op, str uri, str version (FETCH: empty the newest,
 *		"previous", or a version's name), blob wrapped (UNWRAP), blob
 *		context (a run of {str name, str value}, at most 8, bound to the
 *		wrapped key; every UNWRAP needs the same bytes), blob key (WRAP,
 *		GENERATE: 32 bytes that are wrapped where the KMS makes no key
 *		itself), u32 ms until the answer is wanted
 * RESULT	u32 cookie, u8 class, u8 KR_* bits, u32 ms to wait (THROTTLED; 0
 *		unknown), str key id (KEK with its version, or version of the
 *		secret: kept beside the data), blob wrapped (GENERATE, WRAP), blob
 *		key (FETCH, GENERATE, UNWRAP: 32 bytes), str text for a human
 *		(back end, URI without query, principal, permission needed)
 * KP_RELOAD, KP_STOP, KP_STOPPED	u8 what
 * KP_STATUS	blob text
 * KP_WAITING	u32 life of the broker, then as WAITING
 * KP_READY	u32 life of the broker, u8 first run, u8 providers with a key, str policy id hex,
 *		str audit pin hex, str names of providers with a key (space
 *		separated), str names of providers without
 * KP_RELOADED	u8 ok, str text
 *
 * SIGN		u32 cookie, raw[32] sha256 of the leaf certificate (DER), u8 what,
 *		blob data: ECDSA a digest of 32, 48 or 64 bytes; RSA_PKCS1 a
 *		DigestInfo of SHA-256, 384 or 512; RSA_PSS the encoded message of
 *		RFC 8017 9.1.1 with one of these, salt as long as the digest
 * SIGNED	u32 cookie, u8 error, blob signature
 *
 * QUERY	u32 cookie, u64 first, u64 end (entries first..end - 1), u8 oldest
 *		first, u64 since wall ms, str type (empty = all)
 *		one bundle at most is looked at: the first or the last of them
 * ROW		u32 cookie, u64 index, str public id of the key that its intent
 *		names ("" none), blob session of that intent (empty none), blob
 *		entry as it was signed (empty: longer than a message)
 * QUERIED	u32 cookie, u64 first, u64 end: what is left of the range; u8 ok,
 *		str why not
 * CHECK	u32 cookie, raw[32] pin: verify the exported log from its start
 * CHECKED	u32 cookie (0: nobody asked), u8 fault (judge.h), u64 entries,
 *		raw[32] root, u64 first bad entry, u64 begun, u64 ended (wall ms),
 *		str what is wrong, blob checkpoint (a signed note) of that size
 */

enum proto_source { SRC_ENV = 1, SRC_ENVFILE, SRC_VAULTKEY_FILE, SRC_ADMIN_ENV,
	/* for kms: the file that a variable names; the SOURCE's name is that
	 * variable's (common/kms/kmsvar.c), not the path */
	SRC_KMS_FILE,
	/* one value a file: "key file", a file of a "secrets directory" */
	SRC_KEYFILE, SRC_DIRFILE,
	SRC_EXPORT };		/* "secrets file": lines export NAME="value" */
enum proto_srcmode { SRC_READ = 1, SRC_MAP };

/* State rows that the ledger keeps for the broker, by kind. */
enum proto_state { ST_META = 1, ST_VAULT, ST_AGENT, ST_KEY, ST_OPENCALL,
	ST_COLD = 128,		/* from here on: not in DELTA, by PAGE only */
	ST_VALUE = ST_COLD };	/* vault values that no provider uses */

#endif
