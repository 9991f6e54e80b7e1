/* SPDX-License-Identifier: ISC */
/*
 * The gateway in one process: the broker as it is, between a ledger with a
 * model disk, egresses, honest and hostile workers and a parent, on a virtual
 * clock.  One seed decides everything, so that a failure replays exactly.
 * After each step the invariants of check.c are looked at.
 */
#ifndef REGRESS_SIM_SIM_H
#define REGRESS_SIM_SIM_H

#include "keybrokerd/auditverify/auditverify.h"
#include "keybrokerd/broker/broker.h"
#include "keybrokerd/egress/egress.h"

#define SIM_NOW		(1000 * NS_S)
#define SIM_WALL	1700000000000ULL
#define NPROVIDERS	3		/* openai, anthropic, local (no key) */
#define NKEYS		6
#define NWORKERS	4		/* the last one is hostile */
#define HOSTILE		(NWORKERS - 1)
#define NEGRESS		24		/* processes, old ones included */
#define NCONNS		512
#define NSLINKS		2048
#define NLANES		64
#define NLINKS		6		/* links that a worker keeps */
#define NCALLS		24		/* calls that a worker remembers */
#define BODY		512		/* bytes of the longest body */
#define NROWS		2048
#define FD_BASE		1000		/* "descriptors": conn, or a source */
#define FD_POLICY	90000
#define FD_VAULT	90010
#define FD_CRED		90020		/* + provider */

/* What goes wrong; each is counted. */
enum fault_kind {
	F_LEDGER_SLOW, F_LEDGER_STALL, F_LEDGER_DIES_BEFORE,
	F_LEDGER_DIES_AFTER, F_LEDGER_DIES_IDLE, F_LEDGER_LOW,
	F_BATCH_AGAIN, F_EGRESS_DIES, F_WORKER_DIES, F_BROKER_KILLED,
	F_KILLED_OUTSTANDING, F_ORPHANS, F_LINK_CUT, F_CANCEL,
	F_ABANDONED, F_SLOW_OUTCOME, F_REVOKE_ADMIN, F_REVOKE_DIRECT,
	F_EXPIRED, F_CRED_GONE, F_CRED_ROTATED, F_POLICY_NEW, F_CLOSING,
	F_CLOCK_BACK, F_STRAY_DONE, F_BAD_ANSWER, F_REFUSED,
	F_STRAY_REFUSED, F_REOPENED, F_MISMATCH,
	F_H_GARBAGE, F_H_REPEAT, F_H_DIGEST, F_H_FOREIGN, F_H_FLOOD,
	F_H_TOKEN, F_H_ADMIN, F_H_POKE, F_H_FRAMES, F_H_SILENT,
	F_H_EXPELLED, F_MAX
};

/* ---- world.c: clock, chance, events, connections ------------------------- */
enum ev_kind {
	EV_UP, EV_UP_LOST,		/* peer -> broker */
	EV_DOWN, EV_DOWN_LOST,		/* broker -> peer */
	EV_WE, EV_WE_LOST,		/* worker -> egress, a frame */
	EV_EW, EV_EW_LOST,		/* egress -> worker */
	EV_TURN, EV_ACTION, EV_COMMIT, EV_LEDGER_SPAWN, EV_LEDGER_PEER,
	EV_EGRESS_SPAWN, EV_EGRESS_PEER, EV_WORKER_SPAWN, EV_LINKUP,
	EV_BROKER_BOOT, EV_ANSWERED, EV_OUTCOME, EV_STARVE,
	EV_REOPEN, EV_MAX
};

struct ev {
	uint64_t	 t, seq;
	enum ev_kind	 kind;
	uint32_t	 a;		/* conn, slink, or a row */
	uint32_t	 b;
	uint64_t	 no;
	uint32_t	 extra;		/* slink that rides with a message */
	uint16_t	 type;
	uint16_t	 len;
	uint8_t		 data[];
};

/* A control link between the broker and a peer. */
struct conn {
	int		 used, bopen, popen;
	enum from_kind	 kind;
	uint16_t	 index;		/* the broker's row */
	uint32_t	 peer;		/* the model's row */
	uint32_t	 life;
	uint64_t	 up, down;	/* latest delivery of each direction */
};

/* A worker-egress link. */
struct slink {
	uint32_t	 id;
	uint16_t	 provider;
	uint32_t	 worker, winst, egress;
	int		 wopen, eopen;
	uint64_t	 we, ew;
};

struct mlane {
	int		 used;
	uint32_t	 slink, id;
	uint64_t	 no;		/* of the last OPEN */
	uint64_t	 dropped, settled;
	uint64_t	 offered;	/* length that OPEN named */
	int		 offer, body, skip;	/* enum lane_body */
	struct tail	 tail;
	uint8_t		 hold[2 * BODY];
	int		 live, matched, answering;
	int		 parked, second;
	struct release	 rel;
	uint8_t		 got[2 * BODY];	/* what the provider has */
	size_t		 gotlen;
	int		 complete;
};

struct eg {
	int		 alive, orphan;	/* orphan: its broker is gone */
	uint32_t	 inst, conn;
	uint16_t	 provider;
	struct mlane	 lane[NLANES];
};

enum stage { W_NONE, W_ADMITTING, W_SENT, W_ALLOWED, W_OVER };

struct wcall {
	enum stage	 stage;
	uint64_t	 no;
	int		 link;		/* row of links, -1 none */
	uint32_t	 conn;		/* it was sent on */
	struct ask	 ask;
	int		 key, early, amended, answered, cancelled, ended;
	size_t		 len;
	uint8_t		 body[BODY];
};

struct wlink {
	int		 used;		/* 2: asked for */
	uint32_t	 slink, id, cookie;
	uint16_t	 provider;
	int		 call;		/* row of calls, -1 idle */
};

struct wk {
	int		 alive, hostile;
	uint32_t	 inst, conn, cookie;
	uint8_t		 class;
	uint64_t	 no;
	struct wlink	 link[NLINKS];
	struct wcall	 call[NCALLS];
};

struct sim {
	uint64_t	 seed, rng, fill, step, now, wall, seq;
	uint64_t	 back;		/* ms that the wall clock went back */
	struct broker	*b;
	struct outbox	*o;
	uint32_t	 life;		/* of brokers in this seed */
	int		 draining, closing, verbose, turn;
	struct ev	**heap;
	size_t		 nheap, room;
	struct conn	 conn[NCONNS];
	uint32_t	 nconns;
	struct slink	 slink[NSLINKS];
	uint32_t	 nslinks;
	struct eg	 eg[NEGRESS];
	struct wk	 wk[NWORKERS];
	uint32_t	 inst;		/* of processes */
	uint32_t	 control;	/* conn of the administrator, 0 none */
	uint32_t	 actions;	/* left */
	int		 policy;	/* which blob is in force */
	/* sources */
	char		 cred[NPROVIDERS][48];	/* "" gone */
	uint32_t	 credno;
	/* keys of the genesis */
	char		 token[NKEYS][TOKEN_SIZE];
	char		 key[NKEYS][TOKEN_ID + 1];
	uint64_t	 expires[NKEYS];
	int		 revoked[NKEYS];	/* acknowledged by the broker */
};

extern struct sim	*sim;
/* Over all seeds. */
struct totals {
	uint64_t	 seeds, steps, calls, releases, outcomes, orphans,
			 batches, completes, rolls, entries;
	uint64_t	 fault[F_MAX];
	uint64_t	 cell[CE_MAX][CS_MAX];	/* the table's function ran */
	uint64_t	 seen[CE_MAX][CS_MAX];	/* no message brings it there */
};
extern struct totals	 totals;

uint32_t	 chance(uint32_t n);		/* 0..n-1 */
int		 often(uint32_t percent);
uint64_t	 pause_ns(void);		/* a delay on a link */
void		 fault(enum fault_kind);
struct ev	*later(uint64_t at, enum ev_kind, uint32_t a, uint32_t b,
		    const void *, size_t);
void		 world_run(void);
uint32_t	 conn_new(enum from_kind, uint32_t peer);
void		 conn_send(uint32_t conn, const struct msgw *);	/* to broker */
void		 conn_lost(uint32_t conn);	/* the peer's end closes */
void		 conn_drop(uint32_t conn);	/* the broker's end closes */
void		 world_step(enum from_kind, uint16_t index, int lost,
		    struct msgr *, int fd);
void		 world_parent(const struct msgw *, int fd);
void		 world_tick(void);
void		 world_flush(void);
void		 world_clear(void);
/* The model's row of the broker's peer; only if it is there. */
uint32_t	 world_peer(enum from_kind, uint16_t index);
/* A finding: says seed and step, ends the program. */
void		 finding(const char *, ...)
		    __attribute__((noreturn, format(printf, 1, 2)));
void		 trace(const char *, ...)
		    __attribute__((format(printf, 1, 2)));

/* ---- disk.c: the ledger and its model disk ------------------------------- */
/* A durable intent, as the disk has it. */
struct intent {
	uint8_t		 id[CALL_ID];
	uint64_t	 seq;
	int		 closed, released, complete;
	uint8_t		 sha[32];
	uint64_t	 length, provider, port, link, no, slot, generation;
	char		 method[17], path[PATH_MAX_ + 1], host[HOST_MAX + 1];
	char		 query[QUERY_MAX + 1];
	uint8_t		 fprint[32];
	int		 list;
};

void		 disk_genesis_save(void);	/* the disk as it is: the start */
void		 disk_reset(void);		/* back to that */
struct intent	*disk_intent(const uint8_t id[CALL_ID]);
size_t		 disk_opencalls(void);
uint64_t	 disk_size(void);
void		 disk_verify_end(void);
int		 ledger_alive(void);
void		 ledger_start(void);		/* a new process */
void		 ledger_connect(void);		/* the parent's PEERs */
void		 ledger_down(struct ev *);	/* message of the broker */
void		 ledger_gone(void);		/* its broker closed the link */
void		 ledger_commit(uint32_t inst);
void		 ledger_kill(void);
uint32_t	 ledger_conn(void);

/* ---- egress.c ------------------------------------------------------------ */
void		 egress_spawned(uint16_t provider);
void		 egress_connect(uint32_t row, uint32_t inst);
void		 egress_down(uint32_t row, struct ev *);
void		 egress_frame(struct ev *);	/* of a worker */
void		 egress_slink_lost(uint32_t slink);
void		 egress_broker_lost(uint32_t row);
void		 egress_answered(struct ev *);
void		 egress_kill(uint32_t row);
void		 egress_stray(void);		/* a DONE nobody waits for */
void		 egress_check(void);

/* ---- worker.c, hostile.c ------------------------------------------------- */
void		 worker_spawned(uint32_t row);
void		 worker_connect(uint32_t row, uint32_t inst);
void		 worker_down(uint32_t row, struct ev *);
void		 worker_broker_lost(uint32_t row);
void		 worker_frame(struct ev *);	/* of an egress */
void		 worker_slink_lost(uint32_t slink);
void		 worker_outcome(struct ev *);
void		 worker_kill(uint32_t row);
void		 worker_act(uint32_t row);
void		 worker_check_end(void);
void		 worker_frame_send(uint32_t slink, enum link_type, uint64_t no,
		    uint64_t length, const void *, size_t);
void		 worker_slink_close(uint32_t slink);
void		 worker_ask(struct wk *, struct ask *, int key,
		    uint16_t provider, uint32_t link, const uint8_t *body,
		    size_t len);
void		 worker_put(struct msgw *, uint16_t type, const struct ask *);
void		 worker_start(struct wk *, uint16_t provider);
void		 worker_link(struct wk *, uint16_t provider);
void		 hostile_act(struct wk *);
void		 hostile_poke(struct wk *);
void		 hostile_silent(struct wk *);

/* ---- kill.c -------------------------------------------------------------- */
void		 kill_process(void);
void		 kill_slink(void);

/* ---- parent.c ------------------------------------------------------------ */
void		 parent_genesis(void);		/* once: keys and the first log */
void		 parent_begin(void);		/* a seed starts */
void		 parent_boot(void);		/* a broker process starts */
void		 parent_down(const struct out *, const uint8_t *);
void		 parent_kill_broker(void);
void		 parent_act(void);
void		 parent_starve(uint32_t left);
void		 parent_reopen(struct ev *);
void		 parent_control_down(struct ev *);
void		 parent_closing(void);
const char	*parent_credential(uint16_t provider);
uint16_t	 parent_route(uint16_t provider);
const char	*parent_path(uint16_t provider);

/* ---- check.c ------------------------------------------------------------- */
void		 check_begin(void);
void		 check_before(enum from_kind, uint16_t, int lost,
		    const struct msgr *);
void		 check_out(const struct out *, const uint8_t *payload);
void		 check_after(void);
void		 check_provider(const struct mlane *);
void		 check_key_dead(int key);
const char	*fault_name(enum fault_kind);
const char	*state_name(unsigned int);
const char	*event_name(unsigned int);

#endif
