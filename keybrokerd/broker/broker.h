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

#include "keybrokerd/broker/state.h"

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
/* When broker_tick and batch_flush are due next, boot ns; NEVER. */
uint64_t	 broker_next(const struct broker *);
/* A peer's row, NULL if from names none. */
struct peer	*broker_peer(struct broker *, const struct broker_from *);
/* Protocol error of a less trusted peer: counted, ERROR (workers), 16 close. */
void		 broker_error(struct broker *, const struct broker_from *,
		    uint64_t no, uint16_t type, const char *text,
		    struct outbox *);

/* outbox.c */
struct outbox	*outbox_new(void);
void		 outbox_free(struct outbox *);
void		 outbox_clear(struct outbox *);		/* wipes secrets */
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

/* peers.c, parent.c: peers and links; what the parent says */
void		 parent_message(struct broker *, struct msgr *, int fd,
		    struct outbox *);
/* Sources changed (one by name, or NULL): egresses, calls that wait, entries. */
void		 parent_changed(struct broker *, const char *source,
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
struct egress	*peers_egress_row(struct broker *, uint16_t provider);
/* SPAWN for each provider with a credential; call when one may be new. */
void		 peers_spawn(struct broker *, struct outbox *);
/* Is there a credential (or none needed) for this provider? */
int		 peers_has_key(struct broker *, const struct policy_provider *);
/* The sentence that says which key is missing and what to do (M9). */
void		 peers_nokey(const struct policy_provider *, char *, size_t);
/* A call refers to the policy in force / no longer to that row. */
uint8_t		 peers_ref(struct broker *);
void		 peers_unref(struct broker *, uint8_t row);

/* gate.c: may calls be recorded; READY */
int		 gate_open(const struct broker *);
/* NULL, or why not, for status: "ledger", "recovery", "memory", ... */
const char	*gate_reason(const struct broker *);
/* Works out the gate anew; READY to each worker that has not seen it. */
void		 gate_turn(struct broker *, struct outbox *);
/* Before it, each step: what may close the gate; 1 if something changed. */
int		 gate_weigh(struct broker *);
uint64_t	 gate_next(const struct broker *);

/* tell.c: is the peer of a call still there; DROP, EG_CUT, CUT to it */
int		 tell_worker_there(const struct broker *, const struct call *);
int		 tell_egress_there(const struct broker *, const struct call *);
void		 tell_drop(struct broker *, struct call *, struct outbox *);
void		 tell_cut_egress(struct broker *, struct call *, enum proto_cut,
		    struct outbox *);
void		 tell_cut_worker(struct broker *, struct call *, enum proto_cut,
		    struct outbox *);

/* attempt.c: a second attempt with another credential */
/*
 * The provider refused the credential of this call (struct done of REFUSED).
 * 1: a second attempt is being recorded; 0: the sources are read again first,
 * attempt_reopened goes on; -1: there is none.
 */
int		 attempt_refused(struct broker *, struct call *,
		    const struct done *, struct outbox *);
/* The same where no second attempt is possible: remembered, read again. */
void		 attempt_note(struct broker *, struct call *,
		    const struct done *, struct outbox *);
/*
 * Outcome of the attempt that was, intent of the next with another credential,
 * and CE_COMMITTED for it: 0; -1 there is no other.
 */
int		 attempt_again(struct broker *, struct call *);
/* REOPENED: each call that waited goes on (CE_REOPENED). */
void		 attempt_reopened(struct broker *, const char *name,
		    struct outbox *);

/* call.c: appendix A */
struct call_arg {
	struct ask	*ask;		/* CE_ADMIT, CE_CALL, CE_AMEND */
	const struct durable_token *token;	/* CE_COMMITTED */
	int		 ok;		/* CE_CREDENTIAL: ready, not failed */
	enum proto_cut	 cut;			/* CE_REVOKED */
	const struct done *done;		/* CE_DONE */
	const struct outcome *outcome;		/* CE_OUTCOME */
	struct outbox	*out;
};
enum call_match { MATCH_KEY, MATCH_AGENT, MATCH_WORKER };

/*
 * Runs one cell.  A call in CS_FREE: only ADMIT and CALL do anything.  A call
 * that is CS_FREE afterwards is out of the table.
 */
void		 call_event(struct broker *, struct call *, enum call_event,
		    struct call_arg *);
/* What a lost peer, a new credential, a revocation mean for calls. */
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

/* hear.c: messages of workers and egresses about calls */
void		 hear_worker(struct broker *, uint16_t worker, struct msgr *,
		    struct outbox *);
void		 hear_egress(struct broker *, uint16_t egress, struct msgr *,
		    struct outbox *);

/* table.c: calls by number and link, deadlines */
struct call	*table_new(struct broker *, uint16_t worker, uint64_t no);
void		 table_link(struct broker *, struct call *, uint32_t link);
void		 table_free(struct broker *, struct call *);
void		 table_renumber(struct broker *, struct call *, uint64_t no);
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
	char		 detail[256];		/* for REFUSE_NOKEY, _AUTHN */
	struct authn_who who;		/* known caller, also if refused */
	struct policy_provider provider;
	struct policy_route route;
};
void		 decide_admit(struct broker *, uint16_t worker,
		    const struct ask *, struct decision *);
/* policy: row under which the call was admitted. */
void		 decide_call(struct broker *, uint16_t worker, int policy,
		    const struct ask *, struct decision *);
const struct refusal_row *decide_row(enum refusal);
/* Are all texts fit for an entry and for a request head? */
int		 decide_text_ok(const struct ask *);
/*
 * DENY or FAIL for a worker: one self-contained sentence with the request id.
 * step (NULL none) is the governance step that objected; detail is said where
 * the row has no message of its own.
 */
void		 decide_compose(struct msgw *, uint16_t type, uint64_t no,
		    const uint8_t id[CALL_ID], uint8_t dialect, enum refusal,
		    const char *step, const char *detail);
/* A call that a revocation ends: was it its key's, or its agent's suspension? */
enum refusal	 decide_revoked(const struct broker *, const struct call *);

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
void		 batch_then_secret(struct broker *,
		    const struct broker_from *to, uint16_t type, struct secret *payload);
/* The call gets CE_COMMITTED. */
void		 batch_then_call(struct broker *, const struct call *);
void		 batch_unit(struct broker *);
/* Ends the unit if it has grown large; between calls, in long loops. */
void		 batch_room(struct broker *);
/* For broker_new: 0, or -1 out of memory. */
int		 batch_init(struct broker *);
void		 batch_free(struct broker *);
/* Entry bytes, from audit.c; the index it got. */
uint64_t	 batch_entry(struct broker *, const void *, size_t,
		    uint8_t leaf[32]);
/* End of a turn: sign and send what is due, if nothing is outstanding. */
void		 batch_flush(struct broker *, struct outbox *);
/* When batch_flush has something to send, boot ns; NEVER. */
uint64_t	 batch_next(const struct broker *);
/* COMMITTED; anything but what was signed is fatal. */
void		 batch_committed(struct broker *, struct msgr *,
		    struct outbox *);
/*
 * HELLO of a ledger in the middle of a life.  Its head is the last committed
 * one (the outstanding batch goes again, byte for byte) or the outstanding
 * batch's (then that is committed); anything else is fatal.
 */
void		 batch_resume(struct broker *, uint64_t last, uint64_t size,
		    const uint8_t root[32], const uint8_t note[32],
		    struct outbox *);
size_t		 batch_waiting(const struct broker *);	/* bytes */
int		 batch_idle(const struct broker *);	/* nothing waits */
/* Where the queue ends; is all durable that was queued before a mark? */
uint64_t	 batch_mark(const struct broker *);
int		 batch_passed(const struct broker *, uint64_t mark);

/* audit.c: entries by kind */
/*
 * Begin an entry: keys 0-9 are written; the caller goes on in ascending key
 * order (EK_REQUEST_ID and up), writes EK_ORG by audit_org, then audit_end.
 */
struct entry_w	*audit_begin(struct broker *, enum entry_type);
/* A clock that went back gets its entry now (audit_begin asks it too). */
void		 audit_clock(struct broker *);
struct entry_w	*audit_begin_admin(struct broker *, const char *what);
/* Appends to the batch; fatal if the entry is not valid: our bug. */
uint64_t	 audit_end(struct broker *);
/* EK_PRINCIPAL: pseudonym of the key's public id in its organisation. */
#define AUDIT_SESSION	32	/* bytes */

/* What the log holds of a session id that a client claimed. */
void		 audit_session(struct broker *, uint32_t org, const char *id,
		    uint8_t out[AUDIT_SESSION]);
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
/* Sets call.intent and call.leaf; writes the open-call row too. */
void		 audit_intent(struct broker *, struct call *,
		    const struct decision *);
/* Closes the intent: entry, and the row goes. */
void		 audit_outcome(struct broker *, struct call *);
int		 audit_orphan(struct broker *, const uint8_t *id, size_t idlen,
		    const uint8_t *val, size_t len);
/* Parts that deny.c shares. */
void		 audit_caller(struct broker *, struct entry_w *,
		    const struct call *);
void		 audit_claimant(struct broker *, struct entry_w *,
		    const struct call *);
void		 audit_request(struct entry_w *, const struct ask *,
		    const char *route);

/* deny.c: the record of refusals */
/*
 * A denial: counted for the minute's auth.fail (nobody we know), or an entry
 * (at most 10/s a key, then "n more").
 */
void		 deny_call(struct broker *, const struct call *, enum refusal,
		    enum authn_result, const char *step);
/*
 * May a refusal of this caller (at most 15 characters) have an entry of its
 * own?  At most 10/s; else it is counted for the entry that says how many.
 */
int		 deny_may(struct broker *, const char *key, uint32_t org);
uint64_t	 deny_next(const struct broker *);	/* aggregates due */
void		 deny_tick(struct broker *, int all);

/* ring.c: the latest entries of this life, for GET /audit; pure */
#define RING_ENTRIES	8192
#define RING_BYTES	(6 * 1024 * 1024)
struct ring	*ring_new(void);		/* NULL: ENOMEM */
void		 ring_free(struct ring *);
/* An entry; whatever is oldest goes when there is no room. */
void		 ring_push(struct ring *, uint64_t index, const void *, size_t);
/* Its bytes, good until the next push; NULL: not held (any more). */
const uint8_t	*ring_get(const struct ring *, uint64_t index, size_t *len);
uint64_t	 ring_first(const struct ring *);	/* oldest held */
uint64_t	 ring_end(const struct ring *);		/* after the newest */

/* meter.c: counts for GET /metrics */
/* An answer to a call, or to a message of administration. */
void		 meter_call(struct broker *, const struct call *,
		    uint16_t status);
void		 meter_admin(struct broker *, uint16_t type, uint16_t status);
/* The i-th piece of the text into buf; 0 there is none. */
size_t		 meter_text(struct broker *, size_t i, char *, size_t);

/* grant.c: the only way a credential leaves */
struct durable_token *grant_tokens(uint32_t ncalls);	/* for broker_new */
/*
 * The one constructor: compares COMMITTED with what was signed and returns a
 * token for the outstanding batch, valid until grant_end; NULL if they differ:
 * the ledger is not believed, and nothing is released.
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
 * not there (ENOENT) or not the recorded one any more (ESTALE).  A token that
 * does not cover the call's intent is fatal.
 */
int		 grant_release(struct broker *, const struct durable_token *,
		    struct call *, struct outbox *);

/* ALLOW alone: a call that the gateway answers itself (KIND_LIST). */
void		 grant_allow(struct broker *, const struct durable_token *,
		    struct call *, struct outbox *);

/* ---- rowmac.c: rows of keys and agents are authenticated ----------------------- */
#define ROWMAC	16		/* bytes of tag behind a row's value */
int	 rowmac_covers(uint8_t kind);
void	 rowmac_tag(struct broker *, uint8_t kind, const void *id, size_t idlen,
	    const void *val, size_t len, uint8_t out[ROWMAC]);
ssize_t	 rowmac_check(struct broker *, uint8_t kind, const void *id,
	    size_t idlen, const uint8_t *val, size_t len);

/*
 * cold.c: vault values that no provider uses.  They stay in the ledger, which
 * is believed nothing: a value opens under its own name or not at all.  Names
 * of rows are those of vault records, "key/NAME".
 */
int		 cold_init(struct broker *);	/* 0, or -1 out of memory */
void		 cold_free(struct broker *);
/* Queues the row of a value; -1: it cannot be sealed. */
int		 cold_store(struct broker *, const char *name,
		    struct secret *plain);
void		 cold_forget(struct broker *, const char *name);
enum vault_result cold_open(struct broker *, const char *name,
		    const void *text, size_t len, struct secret **);
/* A value sealed under the current key; its length, or -1. */
ssize_t		 cold_seal(struct broker *, const char *name, struct secret *,
		    char *out, size_t size);
/*
 * Queues a question, copied; it is sent once all changes of cold rows before
 * it are durable.  0, or -1: too many wait.
 */
int		 cold_ask(struct broker *, const struct cold_ask *);
/* Providers of the policy in force: their values become resident. */
void		 cold_claim(struct broker *);
void		 cold_paged(struct broker *, struct msgr *, struct outbox *);
/* The next row of the page at *at: 1, or 0 at its end. */
int		 cold_row(const uint8_t *page, size_t len, size_t *at,
		    struct cold_row *);
void		 cold_lost(struct broker *);	/* the ledger */
void		 cold_turn(struct broker *, struct outbox *);
uint64_t	 cold_next(const struct broker *);

/*
 * sweep.c: cold values that are not under the current vault key are sealed
 * anew, in small batches between the calls.
 */
int		 sweep_init(struct broker *);	/* 0, or -1 out of memory */
void		 sweep_free(struct broker *);
/* From the beginning: the key has changed, or this life begins. */
void		 sweep_start(struct broker *);
/* The page that was asked for under this number is in cold.page. */
void		 sweep_page(struct broker *, uint32_t serial);
void		 sweep_tick(struct broker *);	/* a slice of work */
uint64_t	 sweep_next(const struct broker *);
/* A line or two for status; "" there is nothing to say. */
void		 sweep_text(const struct broker *, char *, size_t);

/* recover.c, seed.c */
void		 recover_hello(struct broker *, struct msgr *, struct outbox *);
void		 recover_delta(struct broker *, struct msgr *, struct outbox *);
void		 recover_lost(struct broker *);
/* The ledger goes, and the gate with it until the parent has a new one. */
void		 recover_disconnect(struct broker *, const char *why,
		    struct outbox *);
void		 recover_free(struct broker *);
/* A state row while they are kept; *at 0 at first; 0 at the end. */
struct recover_row {
	uint8_t		 kind;
	const uint8_t	*id, *val;
	size_t		 idlen, len;
};
int		 recover_next(const struct broker *, size_t *at,
		    struct recover_row *);
/*
 * Once configuration, sources, policy and state are here; again when the KMS
 * has answered.
 */
void		 recover_try(struct broker *, struct outbox *);

/* A new log: seed, ceremony (0.65 s), origin, pin; the rows of all that. */
void		 seed_found(struct broker *);
/* The origin of a new log, made if there is none yet. */
void		 seed_origin(struct broker *);
/* The key in force from the vault's record; fatal if there is none. */
void		 seed_load(struct broker *);
/* The next epoch: its key, its record, its epoch.roll. */
void		 seed_roll(struct broker *);

/* syscalls_linux.c, promises_openbsd.c */
extern const struct sandbox broker_sandbox;

/* ---- written beside these: admin.c ------------------------------------- */
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
/* Keys whose grace is over are revoked; when the next one is, boot ns. */
void		 admin_tick(struct broker *, struct outbox *);
/* trail.c: the link to export, its loss, deadlines */
void		 trail_message(struct broker *, struct msgr *,
		    struct outbox *);
void		 trail_lost(struct broker *, struct outbox *);
void		 trail_tick(struct broker *, struct outbox *);
uint64_t	 trail_due(const struct broker *);
/* Exported entries that the last verification covered. */
uint64_t	 trail_verified(const struct broker *);
uint64_t	 admin_due(const struct broker *);
/* Is this generation of a worker in quarantine? */
int		 admin_refused(const struct broker *, uint32_t generation);
/* Values of providers that changed: an entry each. */
void		 admin_secret_changed(struct broker *);
/* admin_cold.c: answers of PAGE for people */
void		 admin_cold_listed(struct broker *, const struct cold_ask *,
		    struct outbox *);
void		 admin_cold_found(struct broker *, const struct cold_ask *,
		    struct outbox *);
/* admin_import.c: a control connection ended; a run that a dead broker left */
void		 admin_import_lost(struct broker *, uint16_t control);
void		 admin_import_load(struct broker *, const uint8_t *, size_t);
void		 admin_import_left(struct broker *);
/* A call of KIND_PROBE was settled. */
void		 admin_secret_probed(struct broker *, struct call *);

#endif
