/* SPDX-License-Identifier: ISC */
/*
 * The worker: talks to clients, asks the broker, relays between client and
 * egress.  It holds prompts and the bearer tokens that were presented to it,
 * never a provider's credential, no file, no way to connect anywhere.  It
 * believes its parent and the broker; clients and egress are checked.
 *
 * Everything hangs on struct worker; one struct conn a client, one struct call
 * a request that is not answered at once, one struct wlink an egress link.
 * Sockets are edge triggered: an event only sets readable or writable, and
 * conn_run() or stream_run() does what the state allows.  What is closed
 * during a turn is freed at its end, so no handler meets a freed object.
 */
#ifndef PROXYD_WORKER_WORKER_H
#define PROXYD_WORKER_WORKER_H

#include <sys/types.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include <stddef.h>
#include <stdint.h>

#include "common/http/http1.h"
#include "common/http/field.h"
#include "common/http/target.h"
#include "common/ipc/link.h"
#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/policy/policy.h"
#include "common/sandbox/sandbox.h"
#include "proxyd/worker/edit.h"
#include "proxyd/worker/fact.h"
#include "proxyd/worker/usage.h"
#include "proxyd/worker/view.h"

#define WORKER_VERSION	"1.0.0"
#define WORKER_SLOTS	16
#define WORKER_READ	65536	/* bytes of one read from a client */
#define WORKER_LENGTH_UNKNOWN	UINT64_MAX	/* of a chunked body */

/* Every time and size that bounds a client (hardening.md 1.2), ns and bytes. */
struct wlimits {
	uint32_t	 conns;		/* connections of this worker */
	uint32_t	 peraddr;	/* of these from one address; not loopback */
	uint64_t	 handshake;	/* TLS, from the connection on */
	uint64_t	 head;		/* a head, from its first byte */
	uint64_t	 idle;		/* between requests */
	uint64_t	 grace;		/* before the body's rate counts */
	uint32_t	 rate;		/* least bytes of body a second */
	uint64_t	 stall;		/* client takes nothing of what waits */
	uint64_t	 linger;	/* after our close, for the client to read */
	uint32_t	 lingerbytes;	/* discarded meanwhile */
	uint64_t	 ping;		/* quiet before a keep-alive comment */
	uint64_t	 ask;		/* broker's answer to ADMIT or CALL */
	uint64_t	 linkidle;	/* an unused egress link is closed */
	uint32_t	 high, low;	/* queue towards the client: stop, go on */
	uint64_t	 budget;	/* all request bodies */
};

/* ---- io.c: plain sockets; tlsio.c: TLS behind the same calls ---------------- */
enum io_want { IO_DONE, IO_READ, IO_WRITE, IO_EOF, IO_FAIL };

struct io;
struct io_ops {
	enum io_want	(*read)(struct io *, void *, size_t, size_t *);
	enum io_want	(*write)(struct io *, const void *, size_t, size_t *);
	void		(*shut)(struct io *);
	void		(*close)(struct io *);
};
struct io {
	int		 fd;
	const struct io_ops *ops;
	void		*state;		/* TLS: its context */
	int		 ready;		/* no handshake is under way */
	int		 dry;		/* all that had come was read */
	int		 ended;		/* the peer sends no more: never dry */
};

void		 io_plain(struct io *, int fd);
enum io_want	 io_read(struct io *, void *, size_t, size_t *);
enum io_want	 io_write(struct io *, const void *, size_t, size_t *);
/* Nothing follows from our side, in order; the rest of the input is read. */
void		 io_shut(struct io *);
/* There may be input again; ended: its end, too, is here or on its way. */
void		 io_wake(struct io *, int ended);
/* What both tables read with: n bytes of at most size came. */
void		 io_came(struct io *, size_t n, size_t size);
void		 io_close(struct io *);

/* ---- wbuf.c: a byte queue; out of memory is sticky ------------------------- */
struct wbuf {
	uint8_t		*p;
	size_t		 off, len, cap;	/* len bytes from p + off */
	int		 bad;
};

int	 wbuf_add(struct wbuf *, const void *, size_t);
int	 wbuf_str(struct wbuf *, const char *);
int	 wbuf_u64(struct wbuf *, uint64_t);
int	 wbuf_fmt(struct wbuf *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
/* The text as the inside of a JSON string. */
int	 wbuf_json(struct wbuf *, const char *);
const uint8_t *wbuf_bytes(const struct wbuf *);
void	 wbuf_drain(struct wbuf *, size_t);
void	 wbuf_free(struct wbuf *);	/* wipes */

/* ---- limit.c: counting connections, pure ----------------------------------- */
#define LIMIT_ADDR	16

struct limit;
enum limit_verdict { LIMIT_OK, LIMIT_FULL, LIMIT_ADDRESS };

struct limit	*limit_new(uint32_t total, uint32_t peraddr);
void		 limit_free(struct limit *);
void		 limit_bound(struct limit *, uint32_t total, uint32_t peraddr);
/* exempt: the address is not counted (loopback listeners). */
enum limit_verdict limit_take(struct limit *, const uint8_t[LIMIT_ADDR],
		    int exempt);
void		 limit_drop(struct limit *, const uint8_t[LIMIT_ADDR],
		    int exempt);
uint32_t	 limit_total(const struct limit *);

/* ---- guess.c: failed keys by address, pure ----------------------------------- */
#define GUESS_FREE	20	/* 401 at once; two a second come back */
#define GUESS_CLOSES	200	/* beyond: closed without an answer */
#define GUESS_DELAY	NS_S	/* of a slow one */

enum guess_verdict { GUESS_OK, GUESS_SLOW, GUESS_CLOSE };

struct guess;
struct guess	*guess_new(void);
void		 guess_free(struct guess *);
/* One more 401 for this address: how to answer it. */
enum guess_verdict guess_fail(struct guess *, const uint8_t[LIMIT_ADDR],
		    uint64_t now);

/* ---- route.c ----------------------------------------------------------------- */
enum route_group { RG_OPEN, RG_CALL, RG_LIST, RG_CONSOLE };
enum route_open { RO_ROOT, RO_HEALTH, RO_LIVE, RO_READY, RO_STARTUP };
enum route_form { RF_OPENAI, RF_ANTHROPIC, RF_SHARED, RF_CONTROL };
enum route_verdict { RV_HIT, RV_METHOD, RV_NONE };

struct route {
	const char		*path;
	enum http1_method	 method;
	enum route_group	 group;
	uint16_t		 no;	/* policy_routes, route_open or M_ADMIN_* */
	enum route_form		 form;	/* of errors */
	uint8_t			 dialect;	/* RG_CALL */
	uint8_t			 kind;
	enum fact_shape		 shape;
	const struct target_query *query;
	size_t			 nquery;
	int			 key;	/* a last segment that is a key id */
	int			 upgrade;	/* its path answers 426 */
	enum view_no		 view;		/* RG_CONSOLE */
};

struct route_hit {
	const struct route *route;	/* RV_METHOD: some row of that path */
	unsigned int	 allow;		/* bit per http1_method */
	uint32_t	 off, len;	/* {id} */
	uint32_t	 keyoff, keylen;	/* key id */
};

/* class: enum proto_listen of the listener. */
enum route_verdict route_find(enum http1_method, const uint8_t *target,
	    const struct target *, int class, struct route_hit *);
/* "GET, HEAD" */
void	 route_allow(unsigned int, char *, size_t);
/* The client's path of a data route; NULL. */
const char *route_path(uint16_t no);

/* ---- bearer.c: which of several keys is ours ---------------------------------- */
enum bearer {
	BEARER_OK,
	BEARER_UNSHAPED,	/* the broker decides */
	BEARER_NONE,
	BEARER_TWO,		/* two different tp_ values */
	BEARER_PROVIDER,	/* sk-...: a provider's key */
	BEARER_FOREIGN,
	BEARER_BAD		/* tp_ but mistyped */
};

enum bearer bearer_pick(const struct http1_head *, const uint8_t *,
	    char token[TOKEN_MAX + 1]);
const char *bearer_text(enum bearer);

/* ---- reply.c: our own answers --------------------------------------------------- */
struct problem {
	uint16_t	 status;
	const char	*type;		/* OpenAI's name, clients.md 3.1 */
	const char	*code;		/* NULL: none */
	const char	*blocked;	/* NULL or a step: a policy block */
	const char	*message;
	uint32_t	 retry;		/* Retry-After, seconds; 0 none */
	int		 noretry;	/* x-should-retry: false */
	const char	*allow;		/* 405 */
};

/* One row a case of clients.md 3.1. */
enum reply_case { RC_AUTH, RC_BAD, RC_NOTFOUND, RC_MODEL, RC_METHOD,
	RC_UPGRADE, RC_NOTIMPL, RC_TOOLARGE, RC_NOTREADY, RC_NOKEY,
	RC_UPSTREAM, RC_TIMEOUT, RC_INTERNAL, RC_BUSY, RC_MAX };

struct receipt {
	uint8_t		 origin[8];
	uint64_t	 index;
	uint8_t		 leaf[32];
};

struct reply_meta {
	enum route_form	 form;		/* never RF_SHARED */
	int		 minor;		/* HTTP/1.minor */
	int		 keep;		/* the connection stays */
	int		 headonly;	/* HEAD */
	char		 id[40];	/* "req_" + hex */
	const struct receipt *receipt;	/* NULL: not released */
};

/* Fills from the table; message is kept, not copied. */
void	 reply_problem(struct problem *, enum reply_case, const char *message);
void	 reply_error_body(struct wbuf *, const struct reply_meta *,
	    const struct problem *);
void	 reply_error(struct wbuf *, const struct reply_meta *,
	    const struct problem *);
void	 reply_json(struct wbuf *, const struct reply_meta *, uint16_t status,
	    const void *, size_t);
/* The same with another type. */
void	 reply_body(struct wbuf *, const struct reply_meta *, uint16_t status,
	    const char *type, const void *, size_t);
/* Status line and the fields that each answer carries, without the blank line. */
void	 reply_head(struct wbuf *, const struct reply_meta *, uint16_t status);
/* The dialect's error event for a stream of that shape. */
void	 reply_event(struct wbuf *, enum fact_shape, const struct problem *);
/* "req_" + hex of 16 bytes; NULL: random. */
void	 reply_id(char out[40], const uint8_t id[16]);
/* ISO 8601, UTC, seconds. */
void	 reply_time(char out[24], uint64_t unixtime);

/* ---- the objects ------------------------------------------------------------------ */
struct worker;
struct conn;
struct tlscert;

/* Request body; memory is counted against the worker's budget. */
struct body {
	struct wbuf	 buf;
	uint64_t	 declared;	/* or WORKER_LENGTH_UNKNOWN */
	uint64_t	 charged;	/* of the budget */
	struct chunk	 chunk;
	int		 chunked;
	int		 done;
};

/* An egress link. */
struct wlink {
	TAILQ_ENTRY(wlink) entry;	/* idle list or busy list */
	struct worker	*worker;
	struct conn	*owner;		/* NULL: idle */
	struct event	 ev;
	int		 fd;
	uint32_t	 id;
	uint16_t	 provider;
	uint64_t	 last;		/* greatest call number used on it */
	uint64_t	 since;		/* idle since */
	int		 readable, writable, dead;
	short		 watched;	/* what ev waits for */
	struct wbuf	 out;
	struct linkr	*in;		/* NULL: nothing of a frame is here */
};
TAILQ_HEAD(wlinks, wlink);

/* An entry of the table of answers that are waited for. */
struct waiter {
	struct waiter	*next;
	uint64_t	 key;		/* call number, or WAIT_COOKIE | cookie */
	struct conn	*conn;
};
#define WAIT_COOKIE	(1ULL << 63)
#define WAIT_BUCKETS	1024

enum call_admit { CA_NONE, CA_ASKED, CA_OK };

/* Cursors of /v1/models; limit 0: all. */
struct models_query {
	uint64_t	 limit;
	char		 after[TARGET_ID_MAX + 1], before[TARGET_ID_MAX + 1];
};

/*
 * What a request said.  Gone, wiped, once its body is out and ALLOW is here:
 * an answer that streams for an hour does not keep it.
 */
struct asked {
	struct route_hit hit;
	struct models_query list;
	struct view_args view;
	char		 arg[TARGET_ID_MAX + 1];	/* {id} */
	char		 key[TARGET_ID_MAX + 1];	/* key id */
	char		 token[TOKEN_MAX + 1];
	char		 session[SESSION_MAX + 1];
	char		 query[QUERY_MAX + 1];
	char		 model[MODEL_MAX + 1];
	char		 allow[64];
	char		*pass[FIELD_NPASS];	/* values that go on, or NULL */
	struct edit_iter iter;
	struct edit_piece piece;	/* rest of the current piece */
	struct edit	 edit;
	struct fact	 fact;		/* last: its end is not cleared */
};

/* One request from its head to its last byte.  Wiped when freed. */
struct call {
	const struct route *route;
	struct asked	*ask;		/* NULL once it is of no use */
	uint32_t	 flags;		/* CF_* */
	int		 expect;	/* 100-continue is due */
	struct body	 body;
	uint64_t	 size;		/* after the edits */
	uint16_t	 provider;
	/* broker */
	uint64_t	 no;		/* 0: none yet */
	enum call_admit	 admit;
	int		 question;	/* ADMIT only asks who the caller is */
	int		 known;		/* needs no ADMIT for its length */
	uint64_t	 admitted;	/* length that ADMIT named */
	struct waiter	 byno, bycookie;
	int		 live;		/* the broker holds state of this number */
	int		 allowed;	/* ALLOW came */
	int		 denied;	/* DENY came: nothing was released */
	int		 named;		/* id is the broker's */
	uint64_t	 deadline;	/* of what is waited for */
	uint8_t		 id[16];
	struct receipt	 receipt;
	/* a refusal that waits for the caller to be known */
	int		 pending;
	struct problem	 problem;
	char		 text[REASON_MAX + 1];	/* its message, if composed */
	/* egress */
	struct wlink	*link;
	int		 opened, ended;	/* OPEN sent, END queued */
	/* answer */
	int		 started;	/* its head is queued for the client */
	uint16_t	 status;
	int		 chunked, events, lengthed;
	int		 blocked;	/* frames wait for the client */
	int		 spent;		/* the egress has ended the exchange */
	uint64_t	 length;	/* declared, if lengthed */
	uint64_t	 got;		/* body bytes from the egress */
	uint64_t	 given;		/* body bytes queued for the client */
	uint64_t	 last;		/* time of the last byte either way */
	int		 usable;	/* usage is initialised */
	struct usage	 usage;
	struct wbuf	 burst;		/* what usage let pass of one frame */
	struct wbuf	 rows;		/* console: rows so far */
	uint32_t	 nrows;
};

enum conn_state {
	C_HEAD,		/* idle, or a head is arriving */
	C_BODY,		/* body is arriving; ADMIT may be outstanding */
	C_AUTH,		/* who is it?  then the pending refusal */
	C_LINK,		/* waits for an egress link */
	C_CALL,		/* CALL sent */
	C_SENT,		/* ALLOW came, no answer yet */
	C_RELAY,	/* answer is passing */
	C_FOLLOW,	/* the log is followed: next look at the deadline */
	C_CONSOLE,	/* ADMIN_* sent */
	C_FLUSH,	/* last bytes go out, then close */
	C_LINGER,	/* write side shut, input discarded */
	C_DEAD		/* freed at the end of the turn */
};

struct conn {
	TAILQ_ENTRY(conn) entry;
	struct worker	*worker;
	struct io	 io;
	struct event	 ev, timer;
	enum conn_state	 state;
	int		 class, loopback;
	int		 readable, writable, eof, hup;
	int		 keep;		/* after this answer */
	int		 served;	/* one request at least */
	int		 reset;		/* close by reset: an unfinished answer
					 * of a close-delimited body */
	int		 headonly, minor;
	enum route_form	 form;
	uint8_t		 addr[LIMIT_ADDR];
	char		 source[48];	/* text of addr */
	int		 caller;	/* known is set */
	uint8_t		 known[32];	/* SHA-256 of a token, see ask.c */
	uint64_t	 deadline;	/* of the state, if it has no call */
	uint64_t	 stall;		/* when the write side has stalled */
	uint64_t	 hold;		/* nothing is sent before; 0 */
	uint64_t	 began;		/* body: start of the rate */
	uint64_t	 discarded;
	uint64_t	 armed;		/* when the timer fires; 0 not set */
	struct wbuf	 in, out;
	struct http1_head *head;	/* one that is arriving, or NULL */
	struct call	*call;
};
TAILQ_HEAD(conns, conn);

struct slot {
	int		 fd;		/* -1: free */
	uint16_t	 no;
	int		 class, loopback;
	uint8_t		 tls;		/* number of a certificate, 0 none */
	int		 paused;
	struct event	 ev;
	struct worker	*worker;
};

struct worker {
	struct event_base *base;
	struct wlimits	 lim;
	struct limit	*limit;
	struct guess	*guess;
	struct msglink	 parent;
	struct event	 parent_in, parent_out;
	struct msglink	 broker;	/* fd -1: none */
	struct event	 broker_in, broker_out;
	struct msglink	 tlskey;	/* fd -1: none */
	struct event	 tlskey_in;
	uint64_t	 mute;		/* ask tlskey nothing before */
	struct tlscert	*certs[CERTS_MAX + 1];	/* by number */
	int		 broker_lost;	/* handled at the end of the turn */
	int		 ready;		/* READY came on this link */
	int		 everready;
	int		 gate, ledger, dial;
	uint8_t		 kms;		/* proto_kms_class, KC_OK */
	uint8_t		 origin[8];
	uint8_t		 policyid[32];
	uint8_t		 prov[PROVIDERS_MAX];	/* enum proto_provider */
	uint16_t	 provid[PROVIDERS_MAX];
	size_t		 nprov;
	struct policy	*policy;
	uint64_t	 no;		/* last call number */
	uint32_t	 cookie;
	uint64_t	 bodies;	/* bytes of request bodies now */
	struct slot	 slots[WORKER_SLOTS];
	struct conns	 conns, dead;
	struct wlinks	 idle, busy, deadlinks;
	uint32_t	 nlinks;	/* with those asked for */
	struct waiter	*wait[WAIT_BUCKETS];
	struct event	 sweep;		/* idle links, once a minute */
	struct event	 patience;
	int		 patient;	/* accepts nothing before READY */
	int		 draining;	/* no other request on a connection */
	int		 closing;	/* nor is one waited for */
	int		 stopped, done;
	struct http1_head head;		/* most come in one piece */
	struct linkr	 frames;	/* so do the frames of a link */
	uint8_t		 scratch[WORKER_READ];
};

/* ---- worker.c --------------------------------------------------------------------- */
void	 worker_limits(struct wlimits *, uint64_t nofile);
/* Everything that must exist before the sandbox.  Fatal out of memory. */
struct worker *worker_new(const struct wlimits *);
/* The parent's channel is watched from here; fd is owned. */
void	 worker_parent(struct worker *, const struct msglink *);
/* One turn: waits for events (block) or not, then sends what is queued. */
void	 worker_turn(struct worker *, int block);
/* 1: the worker has ended (EXIT or drained after EXIT). */
int	 worker_done(const struct worker *);
void	 worker_free(struct worker *);
/* State of a provider, enum proto_provider. */
int	 worker_provider(const struct worker *, uint16_t);
void	 worker_wait(struct worker *, struct waiter *, uint64_t key,
	    struct conn *);
void	 worker_unwait(struct worker *, struct waiter *);
struct conn *worker_waiting(struct worker *, uint64_t key);
/* A connection ended: accept again. */
void	 worker_freed(struct worker *);
void	 worker_serve(struct worker *);	/* READY: accept from now on */
extern const struct sandbox worker_sandbox;	/* syscalls_linux.c */

/* ---- broker.c side: wire.c, messages of the broker --------------------------------- */
int	 wire_message(struct worker *, struct msgr *, int fd);
/* A message to the broker; a link that cannot take it is lost. */
int	 wire_send(struct worker *, struct msgw *);

/* ---- tlsio.c: TLS by libtls ------------------------------------------------ */
#define TLSIO_NAME	32	/* SHA-256 of a leaf certificate, DER */

void	 tlsio_cert(struct worker *, uint8_t number, int fd);
int	 tlsio_accept(struct io *, int fd, struct worker *, uint8_t number);
void	 tlsio_free(struct worker *);
int	 tlsio_system(void);		/* tlsio_<system>.c */
int	 tlshook_init(void);		/* tlshook.c */

/* ---- signer.c: the link to tlskey ------------------------------------------- */
void	 signer_use(struct worker *, const uint8_t *name);
void	 signer_peer(struct worker *, int fd);
void	 signer_drop(struct worker *);
int	 signer_sign(enum proto_sign, const void *, size_t len, uint8_t *out,
	    size_t max);

/* ---- conn.c -------------------------------------------------------------------------- */
void	 conn_new(struct worker *, struct slot *, int fd, const void *sockaddr);
void	 conn_run(struct conn *);
/* The request is answered: everything of it goes, the next may come. */
void	 conn_next(struct conn *);
/* Ends it now; call, link and outcome are dealt with. */
void	 conn_kill(struct conn *);
void	 conn_free(struct conn *);
/* Answer with a problem, then next request or close. */
void	 conn_fail(struct conn *, const struct problem *);
void	 conn_meta(struct conn *, struct reply_meta *);
/* The worker drains: idle ones close. */
void	 conn_drain(struct conn *);
/* timer.c: what is due, and the timer for what comes next. */
void	 timer_arm(struct conn *);
void	 timer_fire(evutil_socket_t, short, void *);

/* ---- intake.c: from head to CALL ------------------------------------------------------ */
void	 intake_start(struct conn *);
int	 intake_body(struct conn *);
size_t	 intake_take(struct conn *, const uint8_t *, size_t);
/* Body is complete (or there is none). */
void	 intake_ready(struct conn *);
/* After authentication: this refusal. */
void	 intake_refuse(struct conn *, const struct problem *);
void	 intake_refuse_case(struct conn *, enum reply_case, const char *);
void	 intake_linked(struct conn *, struct wlink *);
void	 call_release(struct conn *);
/* The body is out and the broker has said yes: what was asked is let go. */
void	 intake_forget(struct call *);

/* ---- model.c, which provider serves a name ----------------------------- */
enum model_verdict { MV_OK, MV_UNKNOWN, MV_DIALECT };
/*
 * Decisions M8.  *prefix: bytes to cut off the name.  A refusal is written as a
 * sentence into text.
 */
enum model_verdict model_resolve(const struct policy *, const char *name,
	    size_t len, const struct route *, struct policy_provider *,
	    size_t *prefix, char *text, size_t size);

/* ---- body.c ---------------------------------------------------------------------------- */
enum body_verdict { BODY_MORE, BODY_DONE, BODY_BAD,
	BODY_LARGE, BODY_NOROOM };
void	 body_start(struct body *, const struct http1_head *);
enum body_verdict body_take(struct worker *, struct body *, const uint8_t *,
	    size_t n, uint64_t cap, size_t *used, const char **reason);
void	 body_free(struct worker *, struct body *);

/* ---- ask.c: the worker's side of a call ---------------------------------------------------- */
int	 ask_admit(struct conn *, int question);
/* Is its caller the one of this connection's last long call? */
int	 ask_known(const struct conn *);
int	 ask_call(struct conn *);
void	 ask_cancel(struct conn *);
void	 ask_outcome(struct conn *, enum proto_end);
void	 ask_admitted(struct conn *);
void	 ask_allow(struct conn *, struct msgr *);
void	 ask_deny(struct conn *, struct msgr *);
void	 ask_cut(struct conn *, struct msgr *);
void	 ask_lost(struct conn *, const char *);

/* ---- pool.c: egress links ------------------------------------------------------------------- */
/* An idle link that may carry this number, or NULL after LINK was sent.
 * -1 (in *err): no more links. */
struct wlink *pool_take(struct worker *, struct conn *, int *err);
void	 pool_linked(struct worker *, struct msgr *, int fd);
void	 pool_nolink(struct worker *, struct msgr *);
/* The worker's reader for frames, until pool_slim. */
struct linkr *pool_reader(struct wlink *);
/* Before others read: frames that were taken are wiped, a rest is kept.
 * -1: it is lost, out of memory. */
int	 pool_slim(struct wlink *);
void	 pool_idle(struct wlink *);	/* after a complete exchange */
/* Its event waits for what readable and writable do not say already. */
void	 pool_watch(struct wlink *);
void	 pool_kill(struct wlink *);
void	 pool_free(struct wlink *);
void	 pool_sweep(struct worker *, uint64_t now);
void	 pool_clear(struct worker *);	/* broker lost: all go */

/* ---- stream.c: the link's side of a call ------------------------------------------------------ */
void	 stream_open(struct conn *);	/* OPEN, and what may follow */
void	 stream_run(struct conn *);	/* both directions, as far as they go */
/* Something ended it: the client learns it in its dialect, link goes. */
void	 stream_cut(struct conn *, enum proto_end, const struct problem *);
/* Client is gone: ABORT, link closed. */
void	 stream_abort(struct conn *);
void	 stream_done(struct conn *);
void	 stream_ping(struct conn *);
int	 stream_maysend(const struct conn *);
int	 stream_waiting(const struct conn *);

/* ---- relay.c: HEAD DATA END ERROR towards the client ------------------------------------------ */
void	 relay_frame(struct conn *, const struct link_frame *);
void	 relay_bytes(struct conn *, const void *, size_t);

/* ---- models.c ----------------------------------------------------------------------------------- */
void	 models_start(struct conn *);
void	 models_answer(struct conn *);
/* Pure: the list, or one model. */
int	 models_list(const struct worker *, const struct models_query *,
	    struct wbuf *, const char **reason);
int	 models_one(const struct worker *, const struct route *, const char *,
	    struct wbuf *, char *text, size_t size);

/* ---- health.c ------------------------------------------------------------------------------------ */
void	 health_answer(struct conn *, uint16_t which);

/* ---- console.c ------------------------------------------------------------------------------------ */
void	 console_start(struct conn *);
void	 console_answer(struct worker *, struct msgr *);
void	 console_follow(struct conn *);

#endif
