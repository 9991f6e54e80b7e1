/* SPDX-License-Identifier: ISC */
/*
 * Order, encode, chain, sign.  Everything that must become durable goes
 * through one queue of records in order of time; a batch is as many whole
 * units from its head as fit.  One batch is outstanding while the next forms.
 * A batch's bytes are kept until the ledger confirms them, so that a new
 * ledger gets the identical ones.
 *
 * What somebody waits for starts a batch at once.  An outcome does not: nobody
 * waits until it is durable, and a batch of its own would only stand before
 * the next intent, which somebody does wait for.  So outcomes go along with
 * the next batch, DL_OUTCOME later at most.  A broker that dies in between
 * leaves open-call rows as it does while a batch is under way, and recovery
 * writes their call.orphan.
 *
 * Record: u8 tag, u32 length, bytes.  'E' 'S' 'D' are items of proto.h and go
 * to the ledger as they stand; 'l' is the leaf hash of the 'E' before; 'c' a
 * call, 'm' and 's' a message that wait for COMMITTED; 'u' ends a unit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/be.h"
#include "common/text/sha256.h"
#include "keybrokerd/broker/broker.h"

#define REC_HEAD	5
#define TRAILER		(8 * 1024)	/* room for R, H and C in a batch */
#define UNIT_ENTRIES	128		/* batch_room splits from here on */
#define UNIT_BYTES	(128 * 1024)
#define SPARE_CALL	1024		/* of memory a call: its outcome */
#define PIECE_HEAD	11
#define PIECE		(MSG_MAX - PIECE_HEAD)

int
batch_init(struct broker *b)
{
	struct batch	*q;

	q = &b->batch;
	q->size = 2 * OUTCOME_MEMORY + (size_t)b->ncalls * SPARE_CALL +
	    1024 * 1024;
	q->mem = calloc(1, q->size);
	q->wire = calloc(1, BATCH_BYTES);
	if (q->mem == NULL || q->wire == NULL)
		return -1;
	chain_init(&q->chain);
	tree_init(&q->tree);
	tree_root(&q->tree, q->committed_root);
	q->due = NEVER;
	return 0;
}

/* Wipes what waits: secret payloads would leak their slots. */
void
batch_free(struct broker *b)
{
	struct batch	*q;
	struct secret	*s;
	size_t		 at;

	q = &b->batch;
	if (q->mem == NULL)	/* and then nothing waits */
		q->head = q->tail = 0;
	for (at = q->head; at < q->tail;
	    at += REC_HEAD + be_get32(q->mem + at + 1)) {
		if (q->mem[at] != 's')
			continue;
		memcpy(&s, q->mem + at + REC_HEAD + 9, sizeof(s));
		secret_free(&s);
	}
	free(q->mem);
	free(q->wire);
}

/* ---- the queue --------------------------------------------------------- */
/* Moves what waits to the front of the memory. */
static void
compact(struct batch *q)
{
	size_t	 by;

	by = q->head;
	q->base += by;
	memmove(q->mem, q->mem + by, q->tail - by);
	q->head = 0;
	q->taken -= by;
	q->tail -= by;
	q->unit -= by;
}

/*
 * A record of len bytes at the tail; its bytes are the caller's to fill.  The
 * gate closes long before the memory is used up (gate.memory), and what live
 * calls still have to write is reckoned into its size.
 */
static uint8_t *
record(struct broker *b, uint8_t tag, size_t len)
{
	struct batch	*q;
	uint64_t	 at;
	uint8_t		*p;

	q = &b->batch;
	if (q->size - q->tail < REC_HEAD + len && !q->walking)
		compact(q);
	if (q->size - q->tail < REC_HEAD + len)
		fatalx("batch: memory for waiting records is used up");
	p = q->mem + q->tail;
	p[0] = tag;
	be_put32(p + 1, (uint32_t)len);
	q->tail += REC_HEAD + len;
	at = b->now + (q->patient ? DL_OUTCOME : 0);
	if (tag != 'c' && tag != 'u' && at < q->due)
		q->due = at;
	return p + REC_HEAD;
}

size_t
batch_waiting(const struct broker *b)
{
	return b->batch.tail - b->batch.head;
}

uint64_t
batch_mark(const struct broker *b)
{
	return b->batch.base + b->batch.tail;
}

int
batch_passed(const struct broker *b, uint64_t mark)
{
	return b->batch.base + b->batch.head >= mark;
}

int
batch_idle(const struct broker *b)
{
	return b->batch.tail == b->batch.head && !b->batch.outstanding;
}

void
batch_unit(struct broker *b)
{
	struct batch	*q;

	q = &b->batch;
	if (q->tail == q->unit)
		return;
	(void)record(b, 'u', 0);
	q->unit = q->tail;
	q->unit_entries = 0;
}

void
batch_room(struct broker *b)
{
	if (b->batch.unit_entries >= UNIT_ENTRIES ||
	    b->batch.tail - b->batch.unit >= UNIT_BYTES)
		batch_unit(b);
}

static uint8_t *
row(struct broker *b, uint8_t tag, uint8_t kind, const void *id, size_t idlen,
    size_t more)
{
	uint8_t	*p;

	if (idlen > 255 || more > ENTRY_MAX)
		fatalx("batch: state row of %zu + %zu bytes", idlen, more);
	p = record(b, tag, 3 + idlen + more);
	p[0] = kind;
	p[1] = 0;
	p[2] = (uint8_t)idlen;
	memcpy(p + 3, id, idlen);
	return p + 3 + idlen;
}

void
batch_state(struct broker *b, uint8_t kind, const void *id, size_t idlen,
    const void *val, size_t len)
{
	uint8_t	*p;
	size_t	 tag;

	tag = rowmac_covers(kind) ? ROWMAC : 0;
	p = row(b, 'S', kind, id, idlen, len + tag);
	if (len > 0)
		memcpy(p, val, len);
	if (tag > 0)
		rowmac_tag(b, kind, id, idlen, val, len, p + len);
}

void
batch_delete(struct broker *b, uint8_t kind, const void *id, size_t idlen)
{
	(void)row(b, 'D', kind, id, idlen, 0);
}

int
batch_emit(void *arg, uint8_t kind, const void *id, size_t idlen,
    const void *val, size_t len)
{
	if (idlen > 255 || len > ENTRY_MAX) {
		errno = EINVAL;
		return -1;
	}
	batch_state(arg, kind, id, idlen, val, len);
	return 0;
}

uint64_t
batch_entry(struct broker *b, const void *entry, size_t len, uint8_t leaf[32])
{
	uint64_t	 at;

	memcpy(record(b, 'E', len), entry, len);
	chain_leaf(entry, len, leaf);
	memcpy(record(b, 'l', CHAIN_HASH), leaf, CHAIN_HASH);
	at = b->batch.chain.next;
	chain_push(&b->batch.chain, leaf);
	b->batch.unit_entries++;
	return at;
}

/* Head of a waiting message: kind, index, generation of the row, type. */
static uint8_t *
then(struct broker *b, uint8_t tag, const struct broker_from *to,
    uint16_t type, size_t len)
{
	struct peer	*peer;
	uint8_t		*p;

	peer = broker_peer(b, to);
	p = record(b, tag, 9 + len);
	p[0] = (uint8_t)to->kind;
	p[1] = (uint8_t)(to->index >> 8);
	p[2] = (uint8_t)to->index;
	be_put32(p + 3, peer == NULL ? 0 : peer->gen);
	p[7] = (uint8_t)(type >> 8);
	p[8] = (uint8_t)type;
	return p + 9;
}

void
batch_then(struct broker *b, const struct broker_from *to, uint16_t type,
    const void *payload, size_t len)
{
	uint8_t	*p;

	p = then(b, 'm', to, type, len);
	if (len > 0)
		memcpy(p, payload, len);
}

void
batch_then_secret(struct broker *b, const struct broker_from *to,
    uint16_t type, struct secret *payload)
{
	memcpy(then(b, 's', to, type, sizeof(payload)), &payload,
	    sizeof(payload));
}

void
batch_then_call(struct broker *b, const struct call *c)
{
	uint8_t	*p;

	p = record(b, 'c', 4 + CALL_ID);
	be_put32(p, table_index(b, c));
	memcpy(p + 4, c->id, CALL_ID);
}

/* ---- sign and send ----------------------------------------------------- */
/* End of the last unit that fits into one batch; the first always does. */
static size_t
gather(struct broker *b)
{
	struct batch	*q;
	size_t		 at, end, bytes, len;
	uint32_t	 entries;
	uint8_t		 tag;

	q = &b->batch;
	end = q->head;
	bytes = 0;
	entries = 0;
	for (at = q->head; at < q->unit; at += len) {
		tag = q->mem[at];
		len = REC_HEAD + be_get32(q->mem + at + 1);
		if (tag == 'E')
			entries++;
		if (tag == 'E' || tag == 'S' || tag == 'D')
			bytes += len;
		if (entries > BATCH_ENTRIES || bytes > BATCH_BYTES - TRAILER)
			break;
		if (tag == 'u')
			end = at + len;
	}
	if (end == q->head && q->unit > q->head)
		fatalx("batch: a unit of %u entries, %zu bytes", entries,
		    bytes);
	return end;
}

static void
wire_put(struct batch *q, uint8_t tag, const void *p, size_t len)
{
	if (len + REC_HEAD > BATCH_BYTES - q->wirelen)
		fatalx("batch: no room for its trailer");
	q->wire[q->wirelen] = tag;
	be_put32(q->wire + q->wirelen + 1, (uint32_t)len);
	memcpy(q->wire + q->wirelen + REC_HEAD, p, len);
	q->wirelen += REC_HEAD + len;
}

/* Items of head..end into wire, their leaves into the tree. */
static void
take(struct broker *b, size_t end)
{
	struct batch	*q;
	uint8_t		 tag;
	size_t		 at, len;

	q = &b->batch;
	q->wirelen = 0;
	q->first = q->tree.size;
	for (at = q->head; at < end; at += REC_HEAD + len) {
		tag = q->mem[at];
		len = be_get32(q->mem + at + 1);
		if (tag == 'E' || tag == 'S' || tag == 'D')
			wire_put(q, tag, q->mem + at + REC_HEAD, len);
		else if (tag == 'l' &&
		    tree_append(&q->tree, q->mem + at + REC_HEAD) == -1)
			fatal("batch: tree");
	}
	q->taken = end;
	q->due = end < q->tail ? b->now : NEVER;
}

/* The signed checkpoint of the tree as it is; both keys during a roll. */
static size_t
checkpoint(struct broker *b, char *buf, size_t size)
{
	struct epoch_state	*e;
	ssize_t			 body, len;

	e = &b->epoch;
	body = note_body(buf, size, e->origin, b->batch.tree.size,
	    b->batch.signed_root);
	len = body;
	if (len != -1 && e->old_sk != NULL)
		len = note_sign(buf, size, (size_t)len, (size_t)body,
		    e->origin, secret_bytes(e->old_sk));
	if (len != -1)
		len = note_sign(buf, size, (size_t)len, (size_t)body,
		    e->origin, secret_bytes(e->sk));
	if (len == -1)
		fatal("batch: checkpoint");
	return (size_t)len;
}

/* META "wall": the last entry's time, so that a clock set back is seen. */
static void
put_wall(struct broker *b)
{
	uint8_t	 v[3 + 4 + 8];
	int	 i;

	v[0] = ST_META;
	v[1] = 0;
	v[2] = 4;
	memcpy(v + 3, "wall", 4);
	for (i = 0; i < 8; i++)
		v[7 + i] = (uint8_t)(b->last_wall >> (56 - 8 * i));
	wire_put(&b->batch, 'S', v, sizeof(v));
}

static void
put_trailer(struct broker *b)
{
	struct batch	*q;
	uint8_t		 buf[TREE_PACKED], head[8 + TREE_HASH];
	char		 note[NOTE_BODY + 2 * NOTE_SIGNED];
	ssize_t		 len;
	size_t		 n;

	q = &b->batch;
	put_wall(b);
	len = tree_pack(&q->tree, buf, sizeof(buf));
	if (len == -1)
		fatal("batch: range");
	wire_put(q, 'R', buf, (size_t)len);
	tree_root(&q->tree, q->signed_root);
	q->signed_size = q->tree.size;
	be_put64(head, q->tree.size);
	memcpy(head + 8, q->signed_root, TREE_HASH);
	wire_put(q, 'H', head, sizeof(head));
	n = checkpoint(b, note, sizeof(note));
	sha256_buf(note, n, q->signed_note);
	wire_put(q, 'C', note, n);
}

/* The outstanding batch, piece by piece: always the same bytes. */
static void
send_wire(struct broker *b, struct outbox *o)
{
	struct batch	*q;
	struct msgw	 w UNSET;
	size_t		 at, n;
	uint16_t	 index;

	q = &b->batch;
	index = 0;
	for (at = 0; at < q->wirelen; at += n) {
		n = q->wirelen - at < PIECE ? q->wirelen - at : PIECE;
		msg_open(&w, M_BATCH);
		msg_put_u64(&w, q->number);
		msg_put_u16(&w, index++);
		msg_put_u8(&w, at + n == q->wirelen);
		msg_put_raw(&w, q->wire + at, n);
		outbox_send(o, FROM_LEDGER, 0, &w);
	}
	q->sent = b->now;
}

uint64_t
batch_next(const struct broker *b)
{
	const struct batch	*q;

	q = &b->batch;
	/* A new ledger first says where its log ends: until then a batch could
	 * reach it twice. */
	if (q->tail == q->head || q->outstanding || !b->ledger.up ||
	    !b->ledger_heard || b->epoch.sk == NULL ||
	    b->recover.phase < RC_READY)
		return NEVER;
	return b->gate.closing || q->tail - q->head >= BATCH_EAGER ?
	    b->now : q->due;
}

void
batch_flush(struct broker *b, struct outbox *o)
{
	struct batch	*q;
	size_t		 end;

	q = &b->batch;
	if (batch_next(b) > b->now)
		return;
	end = gather(b);
	if (end == q->head)
		return;
	take(b, end);
	put_trailer(b);
	q->number++;
	q->outstanding = 1;
	send_wire(b, o);
}

/* ---- confirmed --------------------------------------------------------- */
/* One waiting message whose peer is still the same. */
static void
deliver(struct broker *b, const uint8_t *p, size_t len, int is_secret,
    struct outbox *o)
{
	struct broker_from	 to;
	struct secret		*s;
	struct peer		*peer;
	struct msgw		 w UNSET;

	memset(&to, 0, sizeof(to));
	to.kind = p[0];
	to.index = (uint16_t)(p[1] << 8 | p[2]);
	peer = broker_peer(b, &to);
	s = NULL;
	if (is_secret)
		memcpy(&s, p + 9, sizeof(s));
	if (peer != NULL && peer->up && peer->gen == be_get32(p + 3)) {
		msg_open(&w, (uint16_t)(p[7] << 8 | p[8]));
		msg_put_raw(&w, s == NULL ? p + 9 : secret_bytes(s),
		    s == NULL ? len - 9 : secret_len(s));
		if (s != NULL)
			outbox_secret(o, to.kind, to.index, &w);
		else
			outbox_send(o, to.kind, to.index, &w);
	}
	secret_free(&s);
}

static void
confirm_call(struct broker *b, const uint8_t *p,
    const struct durable_token *token, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;

	c = &b->calls[be_get32(p)];
	if (c->state == CS_FREE || memcmp(c->id, p + 4, CALL_ID) != 0)
		return;
	memset(&arg, 0, sizeof(arg));
	arg.token = token;
	arg.out = o;
	call_event(b, c, CE_COMMITTED, &arg);
	batch_room(b);
}

/* The outstanding batch is durable: do what waited for it. */
static void
confirm(struct broker *b, const struct durable_token *token, struct outbox *o)
{
	struct batch	*q;
	size_t		 at, len;
	uint8_t		*p, tag;

	q = &b->batch;
	q->outstanding = 0;
	q->committed = q->signed_size;
	memcpy(q->committed_root, q->signed_root, sizeof(q->committed_root));
	q->last_commit = b->now;
	q->batches++;
	q->entries += q->signed_size - q->first;
	if (b->epoch.old_sk != NULL && b->epoch.since < q->committed)
		secret_free(&b->epoch.old_sk);
	q->walking = 1;
	for (at = q->head; at < q->taken; at += REC_HEAD + len) {
		tag = q->mem[at];
		len = be_get32(q->mem + at + 1);
		p = q->mem + at + REC_HEAD;
		if (tag == 'c')
			confirm_call(b, p, token, o);
		else if (tag == 'm' || tag == 's')
			deliver(b, p, len, tag == 's', o);
	}
	q->walking = 0;
	grant_end(b);
	q->head = q->taken;
	/* What waits is less than what went: the same warm pages again. */
	if (q->head >= q->tail - q->head || q->head > OUTCOME_MEMORY / 2)
		compact(q);
}

void
batch_committed(struct broker *b, struct msgr *m, struct outbox *o)
{
	const struct durable_token	*token;
	uint64_t			 number, size;
	uint8_t				 low, root[32], note[32];

	number = msg_get_u64(m);
	size = msg_get_u64(m);
	msg_get_raw(m, root, sizeof(root));
	msg_get_raw(m, note, sizeof(note));
	low = msg_get_u8(m);
	if (msg_end(m) == -1) {
		broker_error(b, &(struct broker_from){ .kind = FROM_LEDGER },
		    0, M_COMMITTED, "malformed", o);
		return;
	}
	token = grant_committed(b, number, size, root, note);
	if (token == NULL) {
		recover_disconnect(b, "ALARM: it confirms what was not signed",
		    o);
		return;
	}
	b->gate.space = !low;
	confirm(b, token, o);
}

void
batch_resume(struct broker *b, uint64_t last, uint64_t size,
    const uint8_t root[32], const uint8_t note[32], struct outbox *o)
{
	const struct durable_token	*token;
	struct batch			*q;
	char				 why[96];

	q = &b->batch;
	if (q->outstanding && last == q->number && size == q->signed_size &&
	    memcmp(root, q->signed_root, 32) == 0) {
		token = grant_committed(b, last, size, root, note);
		if (token == NULL)
			recover_disconnect(b, "ALARM: its checkpoint is not "
			    "the one of its head", o);
		else
			confirm(b, token, o);
		return;
	}
	if (size != q->committed || memcmp(root, q->committed_root, 32) != 0) {
		snprintf(why, sizeof(why), "ALARM: its log ends at %llu, ours "
		    "at %llu", (unsigned long long)size,
		    (unsigned long long)q->committed);
		recover_disconnect(b, why, o);
		return;
	}
	if (!q->outstanding)
		return;
	log_info("batch %llu is sent again to the new ledger",
	    (unsigned long long)q->number);
	send_wire(b, o);
}
