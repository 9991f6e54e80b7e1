/* SPDX-License-Identifier: ISC */
#ifndef KEYBROKERD_EGRESS_EGRESS_H
#define KEYBROKERD_EGRESS_EGRESS_H

#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "common/http/field.h"
#include "common/http/http1.h"
#include "common/ipc/link.h"
#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "common/sandbox/sandbox.h"
#include "common/secret/secret.h"
#include "common/text/sha256.h"
#include "keybrokerd/egress/upstream.h"

/*
 * The egress of one provider.  Holds that provider's credential while a call
 * needs it.  Believes parents and broker; a worker only for body bytes, which
 * it counts and hashes, and for field values that common/http/field.h passes;
 * the provider only for its own answer.  Must never complete a request that
 * differs from RELEASE, parse a byte of a body, or open a socket.
 */
#define EGRESS_AGENT	"proxyd/1.0.0"
#define EGRESS_SLOTS	64	/* secrets; a credential is shared by its calls */
#define EGRESS_FEWSLOTS	12	/* where only 64 KiB may be locked */
#define EGRESS_READ	16384	/* bytes taken from a provider at once */
#define EGRESS_READS	8	/* ... and how often in one turn */
#define EGRESS_QUEUE	(64 * 1024)	/* towards a worker: then stop reading */
#define EGRESS_HELD	(256ULL * 1024 * 1024)	/* bodies without RELEASE, all */
#define EGRESS_DONES	(4 * 1024 * 1024)	/* queue towards the broker */
#define EGRESS_IDLE	(600 * NS_S)	/* an unused connection retires */
#define EGRESS_LIFE	(3600 * NS_S)	/* ... and an old one */
#define EGRESS_DIAL	(15 * NS_S)	/* dial gives up after 10 s itself */
#define EGRESS_TEXT	256		/* a sentence for a human */
#define EGRESS_LANES	2944		/* links; a connection each, nofile 6144 */
#define HOLD_CAP	(EGRESS_HOLD + LINK_DATA)

/* ---- buf.c: bytes that wait; memory is given back when they are gone --- */
struct buf {
	uint8_t		*p;
	size_t		 off, len, cap;	/* bytes off..len wait */
};

size_t	 buf_left(const struct buf *);
/* Room for n more bytes behind len; fatal without memory. */
uint8_t	*buf_room(struct buf *, size_t n);
void	 buf_add(struct buf *, const void *, size_t);
void	 buf_compact(struct buf *);	/* moves off..len to the front */
void	 buf_reset(struct buf *);	/* empty, memory freed */

/* ---- mask.c ------------------------------------------------------------ */
/* What the matcher knows of a credential; shared by its calls. */
struct mask_key {
	struct secret	*secret;	/* NULL: there is none, nothing matches */
	uint16_t	*border;	/* [len]: KMP borders, wiped with it */
	size_t		 len;
	unsigned int	 refs;		/* calls that use it */
	LIST_ENTRY(mask_key) entry;
};

struct mask {
	const struct mask_key *key;
	size_t		 held;	/* bytes held back = first bytes of the key */
	uint32_t	 count;	/* echoes masked */
};

/*
 * Takes over *secret (NULL: no credential; at most CREDENTIAL_MAX bytes).
 * 0, or -1 (ENOMEM), the secret is the caller's then.
 */
int	 mask_key_set(struct mask_key *, struct secret *);
void	 mask_key_wipe(struct mask_key *);
void	 mask_init(struct mask *, const struct mask_key *);
/*
 * Copies n bytes to out, each whole occurrence of the credential as '*'s of
 * equal length, at whatever place the input was split.  Holds back only what
 * may be the beginning of one.  out has room for n + the credential's length.
 * Returns the bytes written.
 */
size_t	 mask_feed(struct mask *, const uint8_t *, size_t n, uint8_t *out);
/* What is held back, at the end; room for the credential's length. */
size_t	 mask_end(struct mask *, uint8_t *out);

/* ---- tail.c ------------------------------------------------------------ */
/*
 * Which bytes of a body may leave.  The bytes themselves stay in the caller's
 * buffer.  Until the digest of exactly `length` bytes was compared, the last
 * TAIL_HOLD bytes of that length never may (design.md 4).
 */
struct tail {
	struct sha256	 sha;
	uint64_t	 seen;		/* hashed */
	uint64_t	 passed;	/* left */
	uint64_t	 length;	/* RELEASE's; UINT64_MAX before it */
	uint8_t		 want[SHA256_LEN];
	int		 ended;		/* the worker said END */
	int		 ok;		/* digest and length fit */
};

void	 tail_init(struct tail *);
/* Every body byte in order, before or after tail_bind. */
void	 tail_add(struct tail *, const void *, size_t);
/* No more bytes come. */
void	 tail_end(struct tail *);
/* What RELEASE says of the body. */
void	 tail_bind(struct tail *, uint64_t length, const uint8_t *digest);
/* -1: the body differs from the record (too long, short, other digest); 1: it
 * is complete and equal; 0: not known yet. */
int	 tail_check(struct tail *);
/* Bytes that may leave now, beyond those that did. */
uint64_t tail_may(const struct tail *);
/* n bytes leave (at most tail_may; more is our bug: fatal). */
void	 tail_pass(struct tail *, uint64_t n);
/* True if the request would be complete, were `passed` + n bytes sent. */
int	 tail_final(const struct tail *, uint64_t n);
/* Nothing left after all: the connection died before the tail was sent. */
void	 tail_rewind(struct tail *);

/* ---- release.c --------------------------------------------------------- */
/* What OPEN of a worker says. */
struct offer {
	uint64_t	 no, length;
	struct {
		int		 set;
		uint16_t	 len;
		const uint8_t	*value;	/* in raw */
	}		 pass[FIELD_NPASS];
	uint8_t		 raw[];
};

/* What RELEASE of the broker says. */
struct release {
	uint32_t	 link;
	uint64_t	 no;
	uint8_t		 id[16];
	uint16_t	 provider, port;
	uint8_t		 scheme, dialect, auth;
	char		 host[HOST_MAX + 1], method[16];
	char		 path[PATH_MAX_ + 1], query[QUERY_MAX + 1], type[257];
	uint64_t	 length;
	uint8_t		 digest[SHA256_LEN];
	uint32_t	 flags;
	uint64_t	 limit, deadline, first, between;
	size_t		 credlen;
	const uint8_t	*cred;		/* in the message, wiped after reading */
};

/* Payload of OPEN; NULL if a field is not one that may pass (EBADMSG). */
struct offer *offer_new(const uint8_t *, size_t);
/* 0, or -1 if malformed. */
int	 release_read(struct msgr *, struct release *);

/* ---- request.c, attach.c ----------------------------------------------- */
#define REQUEST_MAX	8192
/*
 * The head of the request but for credential and last line: everything is
 * generated from RELEASE except the pass-through values of OPEN.  Returns the
 * length, or -1 (EINVAL: a part cannot stand in a head; ENOSPC).
 */
long	 request_head(const struct release *, const struct offer *,
	    uint8_t *out, size_t size);
/* Most that attach_put writes, beside the credential. */
#define ATTACH_MAX	640
/*
 * The credential's line (none for AUTH_NONE) and the empty line that ends the
 * head.  out has room for len + ATTACH_MAX.  Returns the length, or -1
 * (EINVAL: unknown kind, or a credential that cannot stand in a field).
 */
long	 attach_put(int auth, const uint8_t *cred, size_t len, uint8_t *out);
/*
 * The same for AUTH_SIGV4: the request is signed for service bedrock in that
 * region, at wall (ms).  The credential is ID:SECRET or ID:SECRET:TOKEN.
 */
long	 attach_sign(const struct release *, const char *region,
	    uint64_t wall, const uint8_t *cred, size_t len, uint8_t *out);
/* host, with brackets and port where they are needed (RFC 9110 7.2). */
int	 request_authority(const struct release *, char *out, size_t size);

/* ---- answer.c ---------------------------------------------------------- */
enum answer_event {
	ANSWER_MORE,		/* all input used */
	ANSWER_HEAD,		/* the final head is here: answer_head, fields */
	ANSWER_DATA,		/* body bytes */
	ANSWER_END,		/* complete; *used bytes belong to it */
	ANSWER_TRUNCATED,	/* the provider stopped in the middle */
	ANSWER_BAD,		/* framing; text says what */
	ANSWER_LARGE		/* longer than the limit */
};

struct answer {
	struct http1_head head;
	struct buf	 buf;		/* bytes of the head */
	struct chunk	 chunk;
	uint64_t	 left, body, limit;
	uint32_t	 interim;	/* 1xx answers skipped */
	uint8_t		 state;
	int		 head_request;
	const char	*text;		/* why, static; with ANSWER_BAD */
};

#define ANSWER_INTERIM	16

void	 answer_init(struct answer *, int head_request, uint64_t limit);
void	 answer_wipe(struct answer *);
/*
 * Reads on; *used says how many bytes were taken.  With ANSWER_DATA *data
 * points into `in`.  Call again with the rest until ANSWER_MORE or an end.
 */
enum answer_event answer_read(struct answer *, const uint8_t *in, size_t n,
	    size_t *used, const uint8_t **data, size_t *len);
/* The provider closed: ANSWER_END, ANSWER_TRUNCATED or ANSWER_BAD. */
enum answer_event answer_eof(struct answer *);
/* True if nothing of the final answer has arrived. */
int	 answer_untouched(const struct answer *);
/*
 * Payload of the HEAD frame, at most LINK_CTRL bytes in out: fields of the
 * allow-list, values masked.  Returns its length; fields that do not fit are
 * left out.  *echoes grows by what was masked.
 */
size_t	 answer_payload(const struct answer *, uint64_t no,
	    const struct mask_key *, uint8_t *out, uint32_t *echoes);
/* The provider's request id, masked, NUL-terminated; empty if there is none. */
void	 answer_id(const struct answer *, const struct mask_key *, char *out,
	    size_t size);

/* ---- lane.c: one worker link and the connection behind it -------------- */
enum lane_body { BODY_NONE, BODY_OPEN, BODY_END };
enum lane_up { LANE_DOWN, LANE_DIALLING, LANE_OPENING, LANE_UP };

struct exchange;

struct lane {
	LIST_ENTRY(lane) entry;		/* by id, or the dead */
	uint32_t	 id;
	uint64_t	 instance;
	int		 fd, dead;
	struct event	*readable, *writable, *timer;
	struct linkr	*in;		/* while frames are under way */
	struct buf	 out;		/* frames that wait */
	struct buf	 hold;		/* body; bytes before off were sent */
	struct tail	 tail;		/* of the body in hold */
	enum lane_body	 body;
	int		 skip;		/* discard this body */
	int		 paused;	/* hold full: frames wait */
	uint64_t	 no;		/* of the last OPEN */
	uint64_t	 dropped, settled;	/* highest of each */
	struct offer	*offer;		/* of no, until it is settled */
	struct exchange	*x;		/* from RELEASE to DONE */
	enum lane_up	 state;
	struct upstream	*up;
	uint64_t	 born, used;	/* the connection's, or dialling began */
	uint64_t	 armed;		/* when the timer fires */
};

/* A new link; opens a connection ahead of need.  Owns fd. */
void	 lane_new(uint32_t id, uint64_t instance, int fd);
struct lane *lane_find(uint32_t id);
/* Ends link, connection and call (END_ABORTED); freed by lane_reap. */
void	 lane_close(struct lane *, const char *why);
void	 lane_reap(void);
/* The broker is gone: ends every lane without a RELEASE. */
void	 lane_orphans(void);
/* Another dial: whoever waits for a connection asks once more. */
void	 lane_redial(void);
/* A lane without a worker, for the broker's own call of no body. */
struct lane *lane_probe(uint32_t id, uint64_t no);
/* RELEASE, DROP, EG_CUT of this lane. */
void	 lane_release(struct lane *, const struct release *, struct mask_key *);
void	 lane_drop(struct lane *, uint64_t no);
void	 lane_cut(struct lane *, uint64_t no, int cut);
/* dial's answers; fd -1: failed. */
void	 lane_connected(struct lane *, int fd);
void	 lane_failed(struct lane *, int end, const char *text);
/* Connection: ask dial for one if there is none; close the one that is. */
void	 lane_connect(struct lane *);
void	 lane_disconnect(struct lane *, int end, const char *text);
/* Frames to the worker. */
void	 lane_frame(struct lane *, enum link_type, const void *, size_t);
void	 lane_flush(struct lane *);
/* Frames of the worker: its socket is readable; a buffer that is empty goes. */
void	 lane_readable(int, short, void *);
void	 lane_slim(struct lane *);
/* Takes frames that wait, sends what may leave. */
void	 lane_pump(struct lane *);
/* Sets the timer for whatever is due next. */
void	 lane_arm(struct lane *);
/* The body of the current call is of no use any more. */
void	 lane_discard(struct lane *);
/* The body goes again from its first byte, which is still there. */
void	 lane_rewind(struct lane *);

/* ---- exchange.c: one released call ------------------------------------- */
struct exchange {
	struct release	 rel;		/* cred is not valid any more */
	struct mask_key	*key;
	struct mask	 mask;
	struct answer	 ans;
	struct sha256	 down;
	struct buf	 lead;		/* head without credential */
	struct secret	*head;		/* head with credential, first body bytes */
	size_t		 headoff;
	size_t		 again;		/* length of the write to repeat */
	int		 matched;	/* OPEN is here */
	int		 started;	/* bytes may have been written */
	int		 final;		/* the tail may have been written */
	int		 sendfail;	/* provider takes no more */
	int		 retried, noreplay;
	int		 headed;	/* HEAD frame went to the worker */
	int		 stalled;	/* worker slow: provider is not read */
	int		 parked;	/* 401: the broker decides, REFUSED */
	int		 second;	/* it was released once more */
	uint64_t	 sent;		/* body bytes of the parked attempt */
	uint16_t	 status;
	uint64_t	 bytes, first_at, last_at;
	uint32_t	 echoes;
	char		 id[129];	/* the provider's */
};

struct exchange *exchange_new(const struct release *, struct mask_key *);
/* OPEN and RELEASE met: checks, then starts once there is a connection. */
void	 exchange_match(struct lane *);
/* The connection spoke or ended before the request: another, or start. */
void	 exchange_look(struct lane *);
/* The connection is up, or could not be had. */
void	 exchange_start(struct lane *);
void	 exchange_nocon(struct lane *, int end, const char *text);
/* Sends what may leave; provider is readable; the worker took bytes. */
void	 exchange_send(struct lane *);
void	 exchange_recv(struct lane *);
/*
 * A parked call: RELEASE again, with another credential (key is taken over),
 * or DROP: it ends as refused.
 */
void	 exchange_again(struct lane *, const struct release *,
	    struct mask_key *);
void	 exchange_refused(struct lane *);
/* Something is due: 1 if it ended the call. */
int	 exchange_late(struct lane *, uint64_t now);
uint64_t exchange_due(const struct lane *);
/*
 * Ends the call: DONE, END or ERROR frame, the connection kept if keep.
 * status is the client's (0: no ERROR frame, END is enough).
 */
void	 exchange_end(struct lane *, int end, int closer, int keep,
	    unsigned int status, const char *text);

/* ---- egress.c ---------------------------------------------------------- */
struct egress_conf {
	struct upstream_target target;
	uint16_t	 provider;
	char		 name[65];
	char		 host[HOST_MAX + 1], proxy[HOST_MAX + 1];
	char		 region[33];
};

extern struct egress_conf egress_conf;
extern uint64_t egress_held;	/* bytes of all holds */

/* The event base, made before sealing. */
void	 egress_init(struct event_base *);
/* Reads provider `id` of the policy blob; -1 if it is not there. */
int	 egress_configure(int blob, uint32_t id);
/* Runs until the parent or the broker goes; returns the exit code. */
int	 egress_loop(struct msglink *channel);
/* An event, not yet added; fatal without memory. */
struct event *egress_event(int fd, short what, event_callback_fn, void *);
/*
 * The credential as its calls share it: one secret, however many they are,
 * wiped with the last.  NULL if the pool of secrets is empty.
 */
struct mask_key *egress_key(const uint8_t *, size_t);
void	 egress_unkey(struct mask_key *);
/* CONNECT to dial; -1 if there is none: lane_redial comes with the next. */
int	 egress_dial(uint32_t cookie);
int	 egress_dials(void);	/* true if there is a dial */
void	 egress_done(const struct release *, const struct exchange *, int end,
	    int closer, uint64_t up, const uint8_t *shaup, const char *text);
/* The same words as DONE, of a call that is parked. */
void	 egress_refused(const struct release *, const struct exchange *,
	    uint64_t up, const uint8_t *shaup);
void	 egress_upstream(uint32_t link, int up, int end, const char *text);
/* Calls that have a RELEASE and no DONE. */
void	 egress_count(int delta);

/* ---- syscalls_linux.c, promises_openbsd.c ------------------------------ */
const struct sandbox *egress_sandbox(void);

#endif
