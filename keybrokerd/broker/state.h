/* SPDX-License-Identifier: ISC */
/*
 * The broker's state: one struct, fixed tables sized at start.  Nobody outside
 * this folder includes it, nor files that are not the broker's (vault, keys,
 * authentication know none of it).
 */
#ifndef KEYBROKERD_BROKER_STATE_H
#define KEYBROKERD_BROKER_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/audit/chain.h"
#include "common/audit/entry.h"
#include "common/audit/epoch.h"
#include "common/audit/note.h"
#include "common/audit/tree.h"
#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/policy/policy.h"
#include "common/sandbox/sandbox.h"
#include "common/secret/secret.h"
#include "keybrokerd/broker/authn.h"
#include "keybrokerd/broker/credential.h"
#include "keybrokerd/broker/key.h"
#include "keybrokerd/broker/rng.h"
#include "keybrokerd/broker/vault.h"

struct admin;			/* admin.c */
struct ask;			/* below */
struct broker;
struct kmslink;			/* kmslink.c */
struct vaultkey;		/* vaultkey.h */
struct durable_token;		/* grant.c: nobody else can make one */
struct outbox;
struct ring;

#define BROKER_VERSION		"1.0.0"
#define CALL_ID			16
#define POLICIES_MAX		8	/* policies that calls still refer to */
#define ROLES_SECTIONS		16	/* status texts from the parent */
#define ROLES_TEXT		8192
#define KEY_CALLS		256	/* calls open of one key */
#define KEY_BYTES		(1024ULL * 1024 * 1024)	/* their bodies */
#define RESPONSE_MAX		(256ULL * 1024 * 1024)	/* answer of a call */
#define NEVER			UINT64_MAX
#define PROBE_WORKER		WORKERS_MAX	/* nobody: the broker's own */

/* ---- peers ------------------------------------------------------------- */
enum from_kind {
	FROM_PARENT, FROM_WORKER, FROM_EGRESS, FROM_LEDGER, FROM_CONTROL,
	FROM_KMS, FROM_EXPORT, FROM_MAX
};

/* Who speaks, or who is spoken to. */
struct broker_from {
	enum from_kind	 kind;
	uint16_t	 index;		/* row of workers[] and so on */
	int		 lost;		/* the link closed; no message */
};

/* What all peers have.  gen changes whenever the row gets a new link. */
struct peer {
	int		 up;
	uint32_t	 gen;
	uint32_t	 errors;	/* protocol errors on this link */
};

/*
 * A worker-egress link; its id ends in its row, so that finding is one look.
 * More rows than a worker has links: a row is free once the egress has said
 * that its end is closed, a little after the worker closed its own.
 */
#define LINK_ROWS	(WORKER_LINKS + 256)
struct broker_link {
	uint32_t	 id;		/* 0 free */
	uint32_t	 call;		/* latest call on it, + 1; look again */
	uint16_t	 provider;
};

struct worker {
	struct peer	 p;
	uint16_t	 slot;
	uint32_t	 generation;
	uint8_t		 class;		/* enum proto_listen */
	uint64_t	 start;		/* wall ms */
	uint64_t	 start_ns;	/* the same in boot time, fixed at LINKUP */
	uint64_t	 last_no;	/* highest call number seen */
	uint32_t	 life;		/* numbers till it is replaced; 0 any */
	int		 spent;		/* the parent was asked for that */
	uint32_t	 ncalls;	/* in all states */
	uint32_t	 nreserved;	/* COMMITTING to SETTLING */
	int		 blob_sent;	/* has the present policy */
	uint32_t	 ready_seen;	/* READY sent last, see struct gate */
	struct broker_link link[LINK_ROWS];
};

struct egress {
	struct peer	 p;
	uint16_t	 provider;
	uint8_t		 used;		/* the row belongs to a provider */
	uint8_t		 asked;		/* SPAWN was sent */
	uint64_t	 done;		/* calls answered, for status */
	char		 text[128];	/* last UPSTREAM trouble */
};

struct control {
	struct peer	 p;
	uint32_t	 uid;
	uint8_t		 admin;
};

/* ---- calls (appendix A) ------------------------------------------------ */
enum call_state {
	CS_FREE, CS_ADMITTED, CS_AMENDING, CS_COMMITTING, CS_WAITCRED,
	CS_RELEASED, CS_SETTLING, CS_CLOSING, CS_MAX
};

enum call_event {
	CE_ADMIT, CE_CALL, CE_AMEND, CE_CANCEL, CE_COMMITTED, CE_CREDENTIAL,
	CE_DEADLINE, CE_REVOKED, CE_DONE, CE_OUTCOME, CE_WORKER_LOST,
	CE_EGRESS_LOST,
	/* beyond the appendix: a second attempt, see call.c */
	CE_REFUSED, CE_REOPENED, CE_MAX
};

/* call.marks: remembered in COMMITTING, acted on at COMMITTED. */
#define CM_CANCELLED	0x01
#define CM_LATE		0x02
#define CM_REVOKED	0x04
#define CM_EXPIRED	0x08
#define CM_EGRESS_LOST	0x10
#define CM_WORKER_LOST	0x20
#define CM_ANSWERED	0x40	/* the worker has had its DENY or FAIL */
#define CM_CUT		0x80	/* EG_CUT was sent */

/* call.here, call.owed */
#define CH_DONE		0x01
#define CH_OUTCOME	0x02

/* What CALL, AMEND and (in part) ADMIT say: bounded, not believed. */
struct ask {
	uint64_t	 no;
	uint32_t	 link;
	uint32_t	 flags;
	uint8_t		 kind, dialect;
	uint16_t	 route, provider, edits;
	uint64_t	 length, max_tokens, deadline;
	uint8_t		 sha256[32];
	char		 model[MODEL_MAX + 1];
	char		 method[17];
	char		 path[PATH_MAX_ + 1];
	char		 query[QUERY_MAX + 1];
	char		 ctype[129];
	char		 session[SESSION_MAX + 1];
	char		 source[65];
	const uint8_t	*token;		/* in the message, never kept */
	size_t		 tokenlen;
};

/* DONE, as the egress attests it. */
struct done {
	uint8_t		 end, closer, echoes;
	uint16_t	 status;
	uint64_t	 up, down, first, ended;
	uint8_t		 sha_up[32], sha_down[32];
};

/* OUTCOME, as the worker claims it. */
struct outcome {
	uint8_t		 end, grade;
	uint16_t	 status;
	uint64_t	 in, out, cached, bytes;
};

struct call {
	uint8_t		 state;		/* enum call_state */
	uint8_t		 marks, here, owed;
	uint8_t		 cut;		/* enum proto_cut */
	uint8_t		 redacted;	/* one REDACT was sent */
	uint8_t		 reserved;	/* holds a reservation (budget.c) */
	uint8_t		 policy;	/* row of policies[] */
	uint8_t		 attempt;	/* 1, 2: of its credential */
	uint8_t		 refused;	/* 401: waits for REOPENED */
	uint8_t		 allowed;	/* the worker has its ALLOW */
	uint16_t	 worker;	/* row; see worker_gen */
	uint16_t	 egress;	/* row, egress_gen likewise */
	uint32_t	 worker_gen, egress_gen;
	uint32_t	 next_no, next_link, next_free;	/* hash chains, + 1 */
	uint32_t	 heap;		/* place among deadlines, + 1 */
	uint32_t	 org;
	uint64_t	 deadline;	/* of the state, or NEVER */
	uint64_t	 latest;	/* of the call: claim, caps */
	uint64_t	 expires;	/* of the key, boot ns; or NEVER */
	uint64_t	 began, released;
	uint64_t	 intent;	/* index in the log */
	uint8_t		 leaf[32];	/* of the intent */
	uint8_t		 id[CALL_ID];
	uint8_t		 token[32];	/* digest of the token under ADMIT */
	char		 key[16];	/* public id */
	uint8_t		 principal[32];	/* pseudonym of key, of its intent */
	char		 agent[65];
	uint32_t	 agent_no;
	uint8_t		 role;
	char		 credential[80];	/* source name, as recorded */
	uint8_t		 fprint[32];
	struct ask	 ask;		/* ask.token is NULL here */
	struct done	 done;
	struct outcome	 outcome;
};

/* ---- governance steps: none yet ---------------------------------------- */
enum verdict { VERDICT_PASS, VERDICT_REDACT, VERDICT_DENY };

struct verdict_span {
	uint32_t	 off, len;
	char		 text[64];
};

struct step {
	const char	*name;
	/* On VERDICT_REDACT the step fills up to 16 spans. */
	enum verdict	 (*fn)(void *arg, const struct ask *,
			    struct verdict_span *, size_t *n);
	void		*arg;
};

/* ---- refusals: one row each, decide.c ---------------------------------- */
enum refusal {
	REFUSE_NONE,
	REFUSE_GATE, REFUSE_CLOSING, REFUSE_SPACE, REFUSE_AUTHN, REFUSE_ROLE,
	REFUSE_SCOPE,
	REFUSE_ROUTE, REFUSE_KIND, REFUSE_PROVIDER, REFUSE_DIALECT,
	REFUSE_LINK, REFUSE_NOKEY, REFUSE_METHOD, REFUSE_PATH, REFUSE_TEXT,
	REFUSE_LENGTH, REFUSE_EMPTY,
	REFUSE_DEADLINE, REFUSE_KEY_CALLS, REFUSE_KEY_BYTES,
	REFUSE_WORKER, REFUSE_CALLS, REFUSE_STEP, REFUSE_TWICE,
	/* not by decide: the call was under way */
	REFUSE_LATE, REFUSE_CANCELLED, REFUSE_CUT_REVOKED, REFUSE_CUT_EXPIRED,
	REFUSE_EGRESS, REFUSE_CREDENTIAL, REFUSE_CUT_SUSPENDED, REFUSE_MAX
};

struct refusal_row {
	uint16_t	 status;
	const char	*openai, *anthropic;	/* type, per dialect */
	const char	*code;
	const char	*message;	/* NULL: decision.detail says it */
	uint32_t	 retry_after;
	uint8_t		 no_retry;
};

/* ---- batches ----------------------------------------------------------- */
#define BATCH_SLACK	(24 * 1024)	/* range, head, note behind the items */

struct batch {
	/*
	 * Records in order: what the ledger gets ('E' 'S' 'D') and what is done
	 * at COMMITTED ('c' 'm').  head..taken is
	 * outstanding, taken..tail waits.
	 */
	uint8_t		*mem;
	size_t		 size, head, taken, tail;
	uint64_t	 base;		/* of all records ever: where mem begins */
	size_t		 unit;		/* start of the unit that forms */
	uint32_t	 unit_entries;	/* entries in it */
	int		 walking;	/* completions run: nothing may move */
	int		 patient;	/* what is appended now may wait a little */
	uint64_t	 due;		/* when what waits wants to go; NEVER */
	int		 outstanding;
	uint64_t	 number;	/* of the outstanding or last batch */
	uint64_t	 sent;		/* when; for the gate */
	uint8_t		*wire;		/* its identical bytes, for resending */
	size_t		 wirelen;
	uint64_t	 signed_size;
	struct chain	 chain;		/* after everything that was appended */
	struct tree	 tree;		/* after what was taken */
	uint64_t	 first;		/* index of the batch's first entry */
	uint64_t	 committed;	/* size that the ledger confirmed */
	uint8_t		 committed_root[32];
	uint8_t		 signed_root[32];	/* of the outstanding batch */
	uint8_t		 signed_note[32];	/* SHA-256 of its note */
	uint64_t	 last_commit;	/* when */
	struct entry_w	 w;
	uint8_t		 entry[ENTRY_MAX];
	int		 open;		/* an entry is being written */
	uint64_t	 batches, entries;	/* committed in this life */
};

/* Epoch key in force.  seed and sk are secrets. */
struct epoch_state {
	uint32_t	 number;
	uint64_t	 since;		/* index of its epoch.roll */
	uint8_t		 pk[32], old_pk[32];
	struct secret	*sk;		/* 64 bytes */
	struct secret	*old_sk;	/* until the roll is committed */
	uint8_t		 pin[32];
	uint8_t		 tops[EPOCH_TOPS * EPOCH_HASH];
	int		 have_tops;	/* a log of before has none */
	char		 origin[NOTE_ORIGIN + 1];
	uint8_t		 origin_hash[8];
};

/* ---- gate and READY ---------------------------------------------------- */
struct gate {
	uint8_t		 recovered, space, memory, prompt, closing, dial;
	uint8_t		 shutdown;	/* its entry is written */
	uint8_t		 kms;		/* proto_kms_class, KC_OK none */
	uint8_t		 damaged;	/* the exported log, as export found */
	uint32_t	 version;	/* grows when READY's content changes */
	uint64_t	 opened;	/* boot ns when it opened first; 0 */
	uint8_t		 serving[1024];	/* the last SERVING */
	size_t		 servinglen;
	uint64_t	 recover_to;	/* size that must be committed first */
	uint8_t		 last[160];	/* content of the last READY */
	size_t		 lastlen;
	uint64_t	 credentials;	/* their version, gate_weigh */
};

struct roles_section {
	char		 name[32];
	char		 text[ROLES_TEXT];
};

/* ---- environment: the impure part, supplied by main.c or a test -------- */
struct broker_env {
	struct rng	 rng;
	void		*arg;
	/*
	 * Up to len bytes of a SOURCE descriptor from off on; 0 at the end, -1
	 * errno.  fd stays the caller's.
	 */
	ssize_t		 (*source)(void *, int fd, int map, uint64_t off,
			    void *, size_t len);
	/* The policy behind a POLICY descriptor, or NULL. */
	struct policy	*(*policy)(void *, int fd);
	uint8_t		 boot_id[16];
	uint8_t		 build_proxyd[32], build_keybrokerd[32];
	size_t		 build_proxyd_len, build_keybrokerd_len;
};

struct counters {
	uint64_t	 calls, allowed, denied, failed, strangers, late;
	uint64_t	 second;	/* attempts with another credential */
	uint64_t	 errors, mismatches, orphans, settled_at_reservation;
};

/* ---- aggregates (audit.c) ---------------------------------------------- */
#define DENY_ROWS	256

struct deny_row {
	char		 key[16];
	uint32_t	 org;
	uint64_t	 until;		/* end of this second, boot ns */
	uint64_t	 from_wall;
	uint32_t	 n, more;
};

/* ---- answers by path and status (meter.c) ------------------------------ */
#define METER_ROWS	512

struct meter_row {
	uint16_t	 what;		/* route, or message type */
	uint16_t	 status;	/* 0: the row is free */
	uint64_t	 n;
};

/* ---- budget (budget.c) ------------------------------------------------- */
struct budget_row {
	char		 key[16];
	uint32_t	 calls;
	uint64_t	 bytes;
};

/* ---- recovery (recover.c) ---------------------------------------------- */
enum recover_phase { RC_WAIT, RC_DELTA, RC_READY, RC_DONE };

struct recover {
	enum recover_phase phase;
	uint8_t		*rows;		/* the DELTA run, until it is loaded */
	size_t		 have, size;
	uint32_t	 index;		/* next DELTA piece */
	uint64_t	 head;		/* HELLO */
	uint8_t		 root[32], leaf[32];
	uint8_t		*range;
	size_t		 rangelen;
	char		*note;
	size_t		 notelen;
	int		 meta;		/* its META rows are loaded */
	int		 life;		/* how the last one ended, by them */
};

/* ---- the vault key from a KMS, as CONFIG says -------------------------- */
struct kms_config {
	char		 uri[KMS_URI_MAX + 1];	/* "": the key is a source */
	size_t		 deklen;
	uint8_t		 dek[KMS_DEK_MAX];	/* text of TAPPASS_VAULT_DEK */
	uint32_t	 check, stale;		/* seconds; stale 0 never */
	uint32_t	 start;			/* seconds, 0 for ever */
	uint8_t		 init;
};

/* ---- vault values that stay in the ledger (cold.c, sweep.c) ------------ */
#define COLD_ASKS	16
#define COLD_ROOM	(PAGE_BYTES + 8 * 1024)	/* one row more than asked for */
#define COLD_LISTED	100		/* names that a list shows */
#define SWEEP_ROWS	256		/* in a batch */

/* What the answer to a PAGE is for; cold.c has a row for each. */
enum cold_use { COLD_COUNT, COLD_SWEEP, COLD_LIST, COLD_DELETE, COLD_CLAIM,
	COLD_USES };

struct cold_ask {
	uint8_t		 use;		/* enum cold_use */
	uint16_t	 rows;		/* 0: as many as the use has */
	char		 name[VAULT_NAME];	/* of the row, or to go on behind */
	uint64_t	 mark;		/* what must be durable before it */
	/* who waits (lists, deletions) */
	struct broker_from to;
	uint32_t	 gen, cookie;
	char		 actor[64];
};

struct cold_row {
	char		 name[VAULT_NAME];
	const uint8_t	*text;
	size_t		 len;
};

struct cold {
	struct cold_ask	 ask[COLD_ASKS];	/* in order; the first may fly */
	size_t		 n;
	uint8_t		 flying, known;	/* known: total was heard once */
	uint32_t	 cookie;
	uint16_t	 index;		/* of the next piece */
	uint8_t		*page;		/* COLD_ROOM */
	size_t		 have;
	uint32_t	 claims;	/* providers to look for, one bit each */
	uint64_t	 total;		/* rows that the ledger has */
	uint32_t	 looked;	/* at for this page */
	char		 next[VAULT_NAME];	/* of this page; "" the end */
	uint64_t	 changes;	/* rows queued, the sweep's left out */
	uint64_t	 mark;		/* end of the last of them in the queue */
	uint64_t	 counted;	/* changes when total was asked for */
	uint64_t	 count_due;
};

/* A run of "vault import"; one at a time. */
struct cold_import {
	uint8_t		 used, stopped;
	uint16_t	 control;	/* row of its connection */
	uint32_t	 gen;
	uint64_t	 stored, legacy;
	char		 actor[64];
};

enum sweep_phase { SWEEP_OFF, SWEEP_NEXT, SWEEP_ASKED, SWEEP_SEAL,
	SWEEP_STAGED };

struct sweep {
	enum sweep_phase phase;
	uint32_t	 serial;	/* of its last question */
	uint8_t		*page, *out;	/* rows to do; rows done, not queued */
	size_t		 len, at, outlen;
	char		 after[VAULT_NAME];	/* done up to here */
	char		 next[VAULT_NAME];	/* of the page in hand; "" the end */
	uint32_t	 looked;	/* at for the page in hand */
	uint32_t	 pagefailed, pagerows;	/* in the page in hand */
	uint64_t	 changes;	/* cold.changes when it was asked for */
	uint64_t	 asked, staged, due;	/* boot ns */
	uint64_t	 began, calls, called;	/* a call came: boot ns */
	uint64_t	 seen, done, failed;
	char		 bad[VAULT_NAME];	/* the first that did not open */
};

/* ---- the whole state --------------------------------------------------- */
struct broker {
	uint64_t	 now;		/* CLOCK_BOOTTIME ns of this step */
	uint64_t	 wall;		/* wall clock ms of this step */
	uint64_t	 last_wall;	/* of the last entry */
	struct broker_env env;

	/* from the parent */
	uint8_t		 config[32];
	uint8_t		 development, terminal, configured;
	char		 origin[NOTE_ORIGIN + 1];	/* wanted at genesis */
	struct kms_config kmsconf;
	struct policy	*policies[POLICIES_MAX];
	uint8_t		 policy_ids[POLICIES_MAX][32];
	uint32_t	 policy_refs[POLICIES_MAX];
	uint64_t	 policy_entry[POLICIES_MAX];	/* its policy.load */
	int		 policy;	/* row in force, -1 none */
	struct roles_section sections[ROLES_SECTIONS];
	size_t		 nsections;

	/* the other modules of this folder */
	struct vault	 vault;
	int		 vault_open;	/* vault_init was done */
	struct vaultkey	*vk;
	struct kmslink	*kms;
	struct keys	*keys;
	struct creds	*creds;
	struct admin	*admin;

	/* peers */
	struct worker	*workers;	/* WORKERS_MAX, and PROBE_WORKER */
	struct egress	 egress[PROVIDERS_MAX];
	struct peer	 ledger, export;
	int		 ledger_heard;	/* HELLO came on this link */
	struct control	 control[CONTROLS_MAX];
	uint32_t	 link_seq;

	/* calls */
	struct call	*calls;
	uint32_t	 ncalls, live;
	uint32_t	 free;		/* first call of the free list, + 1 */
	uint32_t	 high;		/* calls from here on were never used */
	uint32_t	*by_no, *by_link;	/* hash heads, + 1 */
	uint32_t	 nbuckets;
	uint32_t	*heap;		/* call numbers ordered by deadline */
	uint32_t	 nheap;
	struct durable_token *tokens;	/* grant.c */
	const struct step *steps;	/* none yet */
	size_t		 nsteps;

	struct batch	 batch;
	struct epoch_state epoch;
	struct gate	 gate;
	struct recover	 recover;
	struct cold	 cold;
	struct cold_import import;
	struct sweep	 sweep;
	struct authn_fails fails;
	struct deny_row	 deny_rows[DENY_ROWS];
	uint64_t	 deny_due;
	struct budget_row *budget;	/* open addressing, power of two */
	uint32_t	 nbudget;
	struct secret	*pseudonym;	/* key of EK_PRINCIPAL */
	uint8_t		 instance[8];	/* of this broker, random */
	uint64_t	 boot_entry;	/* index of `boot` (boot id, build) */
	int		 booted;
	int		 first_run;	/* the log was empty */
	int		 finished;	/* shutdown is durable: main.c exits */
	struct counters	 count;
	struct ring	*ring;		/* ring.c */
	struct meter_row meter[METER_ROWS];
	uint64_t	 meter_lost;	/* no row was free */
	uint64_t	 blocks;	/* calls refused by policy */
};

/* ---- outbox ------------------------------------------------------------ */
enum out_act {
	OUT_SEND,	/* payload to the peer */
	OUT_BLOB,	/* the same, with the current policy's descriptor */
	OUT_LINK,	/* a stream pair: LINKED to worker, EG_LINKED to egress */
	OUT_ADOPT,	/* this step's descriptor is the peer's link */
	OUT_CLOSE	/* close the peer's link once its queue is sent */
};

#define OUT_ITEMS	2048
#define OUT_DATA	(512 * 1024)

struct out {
	enum out_act	 act;
	struct broker_from to;
	uint16_t	 type;
	uint8_t		 secret;	/* wiped after transfer */
	uint32_t	 off, len;	/* payload in data[] */
	/* OUT_LINK */
	uint16_t	 egress, provider;
	uint32_t	 cookie, link;
	uint64_t	 instance;
};

/*
 * What one step wants done, in order.  When it is full, drain is called and
 * the box is empty again (main.c moves it to the links; a test without drain
 * gets `lost` set instead).
 */
struct outbox {
	size_t		 n;
	size_t		 used;
	int		 lost;
	void		 (*drain)(struct outbox *, void *);
	void		*arg;
	struct out	 item[OUT_ITEMS];
	uint8_t		 data[OUT_DATA];
};

#endif
