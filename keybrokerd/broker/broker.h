/* SPDX-License-Identifier: ISC */
/*
 * The key broker: decides on each call, orders and signs the record of it,
 * and hands a provider's credential to that provider's egress once the record
 * is durable.  It believes its parent; it checks what the ledger and the
 * egresses say; it believes a worker nothing but what the worker claims about
 * itself.  A less trusted peer is answered, counted, disconnected: never fatal.
 *
 * broker_step is a pure function of state, time and message.  No file but
 * main.c reads a clock, a file, a descriptor or random bytes: those come by
 * struct broker_env.  Tests and the simulation link everything but main.c.
 */
#ifndef KEYBROKERD_BROKER_BROKER_H
#define KEYBROKERD_BROKER_BROKER_H

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
#include "common/secret/secret.h"
#include "keybrokerd/broker/authn.h"
#include "keybrokerd/broker/credential.h"
#include "keybrokerd/broker/key.h"
#include "keybrokerd/broker/rng.h"
#include "keybrokerd/broker/vault.h"

struct admin;			/* admin.c */
struct ask;			/* below */
struct broker;
struct durable_token;		/* grant.c: nobody else can make one */
struct outbox;

#define BROKER_VERSION		"1.0.0"
#define CALL_ID			16
#define POLICIES_MAX		8	/* policies that calls still refer to */
#define ROLES_SECTIONS		16	/* status texts from the parent */
#define ROLES_TEXT		2048
#define KEY_CALLS		256	/* calls open of one key */
#define KEY_BYTES		(1024ULL * 1024 * 1024)	/* their bodies */
#define RESPONSE_MAX		(256ULL * 1024 * 1024)	/* answer of a call */
#define NEVER			UINT64_MAX

/* ---- peers --------------------------------------------------------------- */
enum from_kind {
	FROM_PARENT, FROM_WORKER, FROM_EGRESS, FROM_LEDGER, FROM_CONTROL,
	FROM_MAX
};

/* Who speaks, or who is spoken to. */
struct broker_from {
	enum from_kind	 kind;
	uint16_t	 index;		/* row of workers[], egress[], control[] */
	int		 lost;		/* the link closed; no message */
};

/* What all peers have.  gen changes whenever the row gets a new link. */
struct peer {
	int		 up;
	uint32_t	 gen;
	uint32_t	 errors;	/* protocol errors on this link */
};

/* A worker-egress link; its id ends in its row, so that finding is one look. */
struct broker_link {
	uint32_t	 id;		/* 0 free */
	uint16_t	 provider;
	uint64_t	 used;		/* last use, for reuse of idle rows */
};

struct worker {
	struct peer	 p;
	uint16_t	 slot;
	uint32_t	 generation;
	uint8_t		 class;		/* enum proto_listen */
	uint64_t	 start;		/* wall ms */
	uint64_t	 last_no;	/* highest call number seen */
	uint32_t	 ncalls;	/* in all states */
	uint32_t	 nreserved;	/* COMMITTING to SETTLING */
	int		 blob_sent;	/* has the current policy's descriptor */
	uint32_t	 ready_seen;	/* READY sent last, see struct gate */
	struct broker_link link[WORKER_LINKS];
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

/* ---- calls (appendix A) -------------------------------------------------- */
enum call_state {
	CS_FREE, CS_ADMITTED, CS_AMENDING, CS_COMMITTING, CS_WAITCRED,
	CS_RELEASED, CS_SETTLING, CS_CLOSING, CS_MAX
};

enum call_event {
	CE_ADMIT, CE_CALL, CE_AMEND, CE_CANCEL, CE_COMMITTED, CE_CREDENTIAL,
	CE_DEADLINE, CE_REVOKED, CE_DONE, CE_OUTCOME, CE_WORKER_LOST,
	CE_EGRESS_LOST, CE_MAX
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

/* What CALL, AMEND and (in part) ADMIT say: parsed and bounded, not believed. */
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
	uint16_t	 worker;	/* row; with worker_gen, since rows serve again */
	uint16_t	 egress;	/* row, egress_gen likewise */
	uint32_t	 worker_gen, egress_gen;
	uint32_t	 next_no, next_link, next_free;	/* hash chains, + 1 */
	uint32_t	 heap;		/* place in the heap of deadlines, + 1 */
	uint32_t	 org;
	uint64_t	 deadline;	/* of the state, or NEVER */
	uint64_t	 latest;	/* of the call: claim, caps */
	uint64_t	 expires;	/* of the key, boot time ns; NEVER none */
	uint64_t	 began, released;
	uint64_t	 intent;	/* index in the log */
	uint8_t		 leaf[32];	/* of the intent */
	uint8_t		 id[CALL_ID];
	uint8_t		 token[32];	/* digest of the token under ADMIT */
	char		 key[16];	/* public id */
	char		 agent[65];
	uint32_t	 agent_no;
	uint8_t		 role;
	char		 credential[80];	/* source name, as recorded */
	uint8_t		 fprint[32];
	struct ask	 ask;		/* ask.token is NULL here */
	struct done	 done;
	struct outcome	 outcome;
};

/* ---- governance steps: none yet ----------------------------------------- */
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

/* ---- refusals: one row each, decide.c ------------------------------------ */
enum refusal {
	REFUSE_NONE,
	REFUSE_GATE, REFUSE_CLOSING, REFUSE_SPACE, REFUSE_AUTHN, REFUSE_ROLE, REFUSE_ROUTE, REFUSE_KIND, REFUSE_PROVIDER, REFUSE_DIALECT,
	REFUSE_LINK, REFUSE_NOKEY, REFUSE_PATH, REFUSE_TEXT, REFUSE_LENGTH,
	REFUSE_ADMITTED, REFUSE_DEADLINE, REFUSE_KEY_CALLS, REFUSE_KEY_BYTES,
	REFUSE_WORKER, REFUSE_CALLS, REFUSE_POLICY,
	/* not by decide: the call was under way */
	REFUSE_LATE, REFUSE_CANCELLED, REFUSE_CUT_REVOKED, REFUSE_CUT_EXPIRED,
	REFUSE_EGRESS, REFUSE_CREDENTIAL, REFUSE_MAX
};

struct refusal_row {
	uint16_t	 status;
	const char	*openai, *anthropic;	/* type, per dialect */
	const char	*code;
	const char	*message;
	uint32_t	 retry_after;
	uint8_t		 no_retry;
};

/* ---- batches ------------------------------------------------------------- */
#define BATCH_SLACK	(24 * 1024)	/* range, head, note behind the items */

struct batch {
	/*
	 * Records in order: what the ledger gets ('E' 'S' 'D') and what is done
	 * at COMMITTED ('c' 'm').  head..taken is outstanding, taken..tail waits.
	 */
	uint8_t		*mem;
	size_t		 size, head, taken, tail;
	size_t		 unit;		/* start of the unit that forms */
	int		 outstanding;
	uint64_t	 number;	/* of the outstanding or last batch */
	uint64_t	 sent;		/* when; for the gate */
	uint8_t		*wire;		/* its identical bytes, for resending */
	size_t		 wirelen;
	struct chain	 chain;		/* after everything that was appended */
	struct tree	 tree;		/* after what was taken */
	uint64_t	 first;		/* index of the batch's first entry */
	uint64_t	 committed;	/* size that the ledger confirmed */
	uint8_t		 committed_root[32];
	uint8_t		 signed_root[32];	/* result of the outstanding batch */
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
	char		 origin[NOTE_ORIGIN + 1];
	uint8_t		 origin_hash[8];
};

/* ---- gate and READY ------------------------------------------------------ */
struct gate {
	uint8_t		 ledger, recovered, space, memory, prompt, closing;
	uint8_t		 dial;
	uint32_t	 version;	/* grows when READY's content changes */
	uint64_t	 recover_to;	/* size that must be committed first */
	uint8_t		 last[160];	/* content of the last READY */
	size_t		 lastlen;
};

struct roles_section {
	char		 name[32];
	char		 text[ROLES_TEXT];
};

/* ---- environment: the impure part, supplied by main.c or a test ---------- */
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
	uint64_t	 errors, mismatches, orphans, settled_at_reservation;
};

/* ---- aggregates (audit.c) ------------------------------------------------ */
#define DENY_ROWS	256

struct deny_row {
	char		 key[16];
	uint32_t	 org;
	uint64_t	 until;		/* end of this second, boot ns */
	uint64_t	 from_wall;
	uint32_t	 n, more;
};

/* ---- budget (budget.c) --------------------------------------------------- */
struct budget_row {
	char		 key[16];
	uint32_t	 calls;
	uint64_t	 bytes;
};

/* ---- recovery (recover.c) ------------------------------------------------ */
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
};

/* ---- the whole state ----------------------------------------------------- */
struct broker {
	uint64_t	 now;		/* CLOCK_BOOTTIME ns of this step */
	uint64_t	 wall;		/* wall clock ms of this step */
	uint64_t	 last_wall;	/* of the last entry */
	struct broker_env env;

	/* from the parent */
	uint8_t		 config[32];
	uint8_t		 development, terminal, configured;
	struct policy	*policies[POLICIES_MAX];
	uint8_t		 policy_ids[POLICIES_MAX][32];
	uint32_t	 policy_refs[POLICIES_MAX];
	uint64_t	 policy_entry[POLICIES_MAX];	/* index of policy.load */
	int		 policy;	/* row in force, -1 none */
	struct roles_section sections[ROLES_SECTIONS];
	size_t		 nsections;

	/* the other modules of this folder */
	struct vault	 vault;
	int		 vault_open;	/* vault_init was done */
	struct keys	*keys;
	struct creds	*creds;
	struct admin	*admin;

	/* peers */
	struct worker	*workers;	/* WORKERS_MAX */
	struct egress	 egress[PROVIDERS_MAX];
	struct peer	 ledger;
	struct control	 control[CONTROLS_MAX];
	uint32_t	 link_seq;

	/* calls */
	struct call	*calls;
	uint32_t	 ncalls, live;
	uint32_t	 free;		/* first free call, + 1 */
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
};

/* ---- outbox -------------------------------------------------------------- */
enum out_act {
	OUT_SEND,	/* payload to the peer */
	OUT_BLOB,	/* the same, with the current policy's descriptor */
	OUT_LINK,	/* make a stream pair: LINKED to worker, EG_LINKED to egress */
	OUT_ADOPT,	/* the descriptor of this step's message is the peer's link */
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

/* broker.c */
/*
 * State for ncalls calls at once; NULL out of memory.  The tables are
 * calloc'ed: what is never touched costs nothing.  env is copied.
 */
struct broker	*broker_new(uint32_t ncalls, const struct broker_env *);
void		 broker_free(struct broker *);
/*
 * One message (or, from->lost, the end of a link).  The message's type,
 * link, class, length and descriptor are checked here.  fd: descriptor that
 * came with it, or -1; it stays the caller's unless OUT_ADOPT names a peer.
 */
void		 broker_step(struct broker *, uint64_t now, uint64_t wall,
		    const struct broker_from *, struct msgr *, int fd,
		    struct outbox *);
/* Deadlines that have come. */
void		 broker_tick(struct broker *, uint64_t now, uint64_t wall,
		    struct outbox *);
/* When broker_tick is due next, boot ns; NEVER. */
uint64_t	 broker_next(const struct broker *);
/* A peer's row, NULL if from names none. */
struct peer	*broker_peer(struct broker *, const struct broker_from *);
/* Protocol error of a less trusted peer: count, ERROR (workers), close at 16. */
void		 broker_error(struct broker *, const struct broker_from *,
		    uint64_t no, uint16_t type, const char *text,
		    struct outbox *);

/* outbox.c */
struct outbox	*outbox_new(void);
void		 outbox_free(struct outbox *);
void		 outbox_clear(struct outbox *);		/* wipes secret payloads */
/* Queue a composed message; an overflowed one is our bug: fatal. */
void		 outbox_send(struct outbox *, enum from_kind, uint16_t index,
		    const struct msgw *);
void		 outbox_sendv(struct outbox *, enum from_kind, uint16_t index,
		    uint16_t type, const void *, size_t);
/* The payload holds a secret: wiped from the box after transfer, and from w. */
void		 outbox_secret(struct outbox *, enum from_kind, uint16_t index,
		    struct msgw *w);
void		 outbox_blob(struct outbox *, uint16_t worker,
		    const struct msgw *);
void		 outbox_act(struct outbox *, enum out_act, enum from_kind,
		    uint16_t index);
void		 outbox_link(struct outbox *, uint16_t worker, uint16_t egress,
		    uint32_t cookie, uint32_t link, uint16_t provider,
		    uint64_t instance);

/* peers.c: what the parent says, links, READY */
void		 peers_parent(struct broker *, struct msgr *, int fd,
		    struct outbox *);
void		 peers_lost(struct broker *, const struct broker_from *,
		    struct outbox *);
/* LINK of a worker: OUT_LINK or NOLINK. */
void		 peers_link(struct broker *, uint16_t worker, struct msgr *,
		    struct outbox *);
void		 peers_upstream(struct broker *, uint16_t egress, struct msgr *,
		    struct outbox *);
struct broker_link *peers_find(struct broker *, uint16_t worker, uint32_t id);
struct egress	*peers_egress(struct broker *, uint16_t provider);
/* SPAWN for each provider with a credential; call when one may be new. */
void		 peers_spawn(struct broker *, struct outbox *);
/* Is there a credential (or none needed) for this provider? */
int		 peers_has_key(struct broker *, const struct policy_provider *);
/* READY to each worker that has not seen the present state. */
void		 peers_ready(struct broker *, struct outbox *);
int		 gate_open(const struct broker *);
/* 0, or why not, for status: "ledger", "recovery", "space", "memory", ... */
const char	*gate_reason(const struct broker *);

/* call.c: appendix A */
struct call_arg {
	struct ask	*ask;			/* CE_ADMIT, CE_CALL, CE_AMEND */
	const struct durable_token *token;	/* CE_COMMITTED */
	int		 ok;			/* CE_CREDENTIAL: ready, not failed */
	enum proto_cut	 cut;			/* CE_REVOKED */
	const struct done *done;		/* CE_DONE */
	const struct outcome *outcome;		/* CE_OUTCOME */
	struct outbox	*out;
};
enum call_match { MATCH_KEY, MATCH_AGENT, MATCH_WORKER };

/* Run one cell.  A call in CS_FREE: only ADMIT and CALL do anything. */
void		 call_event(struct broker *, struct call *, enum call_event,
		    struct call_arg *);
/* Messages of workers and egresses, parsed here. */
void		 call_worker(struct broker *, uint16_t worker, struct msgr *,
		    struct outbox *);
void		 call_egress(struct broker *, uint16_t egress, struct msgr *,
		    struct outbox *);
void		 call_worker_lost(struct broker *, uint16_t worker,
		    struct outbox *);
void		 call_egress_lost(struct broker *, uint16_t egress,
		    struct outbox *);
void		 call_credential(struct broker *, uint16_t provider, int ok,
		    struct outbox *);
/*
 * Revocation or expiry: every call of the key (public id), agent or worker
 * (number as text) ends in this turn, whether or not the disk answers.
 * Returns how many.
 */
size_t		 call_revoke(struct broker *, enum call_match, const char *what,
		    enum proto_cut, struct outbox *);
const char	*call_state_name(enum call_state);

/* table.c: calls by number and link, deadlines */
struct call	*table_new(struct broker *, uint16_t worker, uint64_t no);
void		 table_link(struct broker *, struct call *, uint32_t link);
void		 table_free(struct broker *, struct call *);
struct call	*table_find(struct broker *, uint16_t worker, uint64_t no);
struct call	*table_find_link(struct broker *, uint32_t link, uint64_t no);
uint32_t	 table_index(const struct broker *, const struct call *);

/* fair.c: deadlines */
void		 fair_deadline(struct broker *, struct call *, uint64_t);
struct call	*fair_due(struct broker *, uint64_t now);	/* or NULL */
uint64_t	 fair_next(const struct broker *);

/* decide.c: pure; the order of its checks is its table */
struct decision {
	enum refusal	 refusal;
	enum authn_result authn;
	int		 redact;		/* spans hold what to rewrite */
	struct verdict_span span[16];
	size_t		 nspans;
	const char	*step;			/* that denied or redacted */
	struct authn_who who;			/* known caller, also if refused */
	struct policy_provider provider;
	struct policy_route route;
};
void		 decide_admit(struct broker *, uint16_t worker,
		    const struct ask *, struct decision *);
void		 decide_call(struct broker *, uint16_t worker,
		    const struct ask *, const struct call *admitted,
		    struct decision *);
const struct refusal_row *decide_row(enum refusal);
/* DENY or FAIL for a worker: one self-contained sentence. */
void		 decide_compose(struct broker *, struct msgw *, uint16_t type,
		    uint64_t no, const uint8_t id[CALL_ID], uint8_t dialect,
		    enum refusal, const char *detail);

/* budget.c: what open calls hold */
enum refusal	 budget_check(const struct broker *, const char *key,
		    uint64_t bytes);
void		 budget_reserve(struct broker *, struct call *);
void		 budget_settle(struct broker *, struct call *);	/* once */
uint32_t	 budget_open(const struct broker *, const char *key);

/* batch.c: order, encode, chain, sign; one batch outstanding */
/*
 * Everything appended during one broker_step is one unit and lands in one
 * batch; batch_unit ends a unit early (recovery).  Copies its arguments.
 */
void		 batch_state(struct broker *, uint8_t kind, const void *id,
		    size_t idlen, const void *val, size_t len);
void		 batch_delete(struct broker *, uint8_t kind, const void *id,
		    size_t idlen);
/* batch_state as vault.h wants it; the argument is the broker. */
int		 batch_emit(void *, uint8_t kind, const void *id, size_t idlen,
		    const void *val, size_t len);
/* A message that goes out at COMMITTED of the batch it is in. */
void		 batch_then(struct broker *, const struct broker_from *to,
		    uint16_t type, const void *payload, size_t len);
/* The same with a secret payload; owned (and wiped) from here. */
void		 batch_then_secret(struct broker *, const struct broker_from *to,
		    uint16_t type, struct secret *payload);
/* The call gets CE_COMMITTED. */
void		 batch_then_call(struct broker *, const struct call *);
void		 batch_unit(struct broker *);
/* Entry bytes, from audit.c; the index it got. */
uint64_t	 batch_entry(struct broker *, const void *, size_t,
		    uint8_t leaf[32]);
/* End of a turn: sign and send what waits, if nothing is outstanding. */
void		 batch_flush(struct broker *, struct outbox *);
/* COMMITTED; anything but what was signed is fatal. */
void		 batch_committed(struct broker *, struct msgr *,
		    struct outbox *);
/* HELLO of a ledger in the middle of a life: again, or done. */
void		 batch_resume(struct broker *, uint64_t size,
		    const uint8_t root[32], struct outbox *);
size_t		 batch_waiting(const struct broker *);	/* bytes */
int		 batch_idle(const struct broker *);	/* nothing waits */

/* audit.c: entries by kind */
/*
 * Begin an entry: keys 0-9 are written; the caller goes on in ascending key
 * order (EK_REQUEST_ID and up), writes EK_ORG by audit_org, then audit_end.
 */
struct entry_w	*audit_begin(struct broker *, enum entry_type);
struct entry_w	*audit_begin_admin(struct broker *, const char *what);
/* Appends to the batch; fatal if the entry is not valid: our bug. */
uint64_t	 audit_end(struct broker *);
/* EK_PRINCIPAL: pseudonym of the key's public id in its organisation. */
void		 audit_principal(struct broker *, struct entry_w *,
		    const char *key, uint32_t org);
void		 audit_org(struct entry_w *, uint32_t org);
void		 audit_genesis(struct broker *);
void		 audit_boot(struct broker *);
void		 audit_recovery(struct broker *, uint64_t orphans);
void		 audit_roll(struct broker *, const uint8_t *proof, size_t n);
void		 audit_config(struct broker *);
void		 audit_policy(struct broker *, int row);
void		 audit_shutdown(struct broker *);
void		 audit_intent(struct broker *, struct call *,
		    const struct decision *);
void		 audit_outcome(struct broker *, struct call *);
void		 audit_orphan(struct broker *, const uint8_t *id, size_t idlen,
		    const uint8_t *val, size_t len);
/* A denial: counted, or an entry (known principal). */
void		 audit_deny(struct broker *, const struct ask *, uint16_t worker,
		    const struct decision *, const uint8_t id[CALL_ID]);
uint64_t	 audit_next(const struct broker *);	/* aggregates due */
void		 audit_tick(struct broker *);

/* grant.c: the only way a credential leaves */
struct durable_token *grant_tokens(uint32_t ncalls);	/* for broker_new */
/*
 * The one constructor: compares COMMITTED with what was signed (fatal), and
 * returns a token for the outstanding batch, valid until grant_end.
 */
const struct durable_token *grant_committed(struct broker *, uint64_t batch,
		    uint64_t size, const uint8_t root[32],
		    const uint8_t note[32]);
void		 grant_end(struct broker *);
/* A call that waits for its credential keeps its proof. */
void		 grant_hold(struct broker *, const struct durable_token *,
		    const struct call *);
const struct durable_token *grant_held(struct broker *, const struct call *);
uint64_t	 grant_size(const struct durable_token *);
/*
 * RELEASE to the egress and ALLOW to the worker.  0, or -1: the credential is
 * not there.  A token that does not cover the call's intent is fatal.
 */
int		 grant_release(struct broker *, const struct durable_token *,
		    struct call *, struct outbox *);

/* recover.c */
void		 recover_hello(struct broker *, struct msgr *, struct outbox *);
void		 recover_delta(struct broker *, struct msgr *, struct outbox *);
/* Once configuration, sources, policy and state are here. */
void		 recover_try(struct broker *, struct outbox *);

/* ---- written beside these: admin.c -------------------------------------- */
/*
 * Entry points that broker.c calls.
 *
 * admin_message: ADMIN_* of an admin-class worker or a control link, CTL_* of a
 * control link; type, class and length were checked.  Answers by ANSWER, or by
 * batch_then at COMMITTED when state changed.
 * admin_start: tables are loaded, before service: what a first run makes
 * (agent default, admin key); its entries and rows join the recovery batch.
 */
struct admin	*admin_new(void);
void		 admin_free(struct admin *);
void		 admin_message(struct broker *, const struct broker_from *,
		    struct msgr *, struct outbox *);
void		 admin_start(struct broker *, struct outbox *);

#endif
