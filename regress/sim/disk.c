/* SPDX-License-Identifier: ISC */
/*
 * The ledger and what is durable.  A batch becomes durable as a whole or not
 * at all; the process may die before or after.  Each batch that becomes
 * durable goes through the judge of auditverify at once, so that a log that
 * does not verify is found in the step that wrote it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/text/sha256.h"
#include "regress/sim/sim.h"

#define NENTRIES	16384
#define NNOTES		4096
#define RUN		(512 * 1024)
#define STREAM		(1024 * 1024)	/* all state rows */
#define PIECE		(MSG_MAX - 5)

struct row {
	uint8_t		 kind;
	size_t		 idlen, len;
	uint8_t		*mem;		/* id, value */
};

struct bytes {
	uint64_t	 at;		/* notes: size of the log */
	size_t		 len;
	uint8_t		*p;
};

static struct {
	uint64_t	 batch;
	struct tree	 tree;
	uint8_t		 root[32], leaf[32], note_hash[32];
	uint8_t		 range[TREE_PACKED], note[4096];
	size_t		 rangelen, notelen;
	struct row	 rows[NROWS];
	size_t		 nrows;
	struct bytes	 entry[NENTRIES], notes[NNOTES];
	size_t		 nentries, nnotes;
	struct intent	*intents;
	size_t		 nintents, roomintents;
	struct judge	*judge;
	/* the start of each seed */
	size_t		 gentries, gnotes, gbatch;
	struct row	 growths[NROWS];
	size_t		 gnrows;
} disk;

static struct {
	int		 alive;
	uint32_t	 inst, conn;
	uint8_t		 run[RUN];
	size_t		 runlen;
	uint64_t	 runbatch;
	uint16_t	 index;
	int		 pending;	/* a whole batch, being committed */
	int		 fate;		/* 0 fine, 1 dies before, 2 after */
	int		 mute;		/* nobody to tell */
	/* the last batch that a broker sent: again means the same bytes */
	uint64_t	 sent;
	uint32_t	 sentlife;
	uint8_t		 senthash[32];
} led;

/* ---- the disk ------------------------------------------------------------ */
static uint32_t
rd32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static void *
keep(const void *p, size_t len)
{
	void	*q;

	q = malloc(len + 1);
	if (q == NULL)
		finding("out of memory");
	memcpy(q, p, len);
	return q;
}

static void
judge(enum rec_kind kind, const void *p, size_t len)
{
	struct rec	 r;
	int		 over;

	memset(&r, 0, sizeof(r));
	r.kind = kind;
	r.data = p;
	r.len = len;
	if (kind == REC_END) {
		r.counted = 1;
		r.entries = disk.nentries;
		r.checkpoints = disk.nnotes;
	}
	over = judge_take(disk.judge, &r);
	if (disk.judge->fault != FAULT_NONE)
		finding("the log does not verify: %s at %llu: %s",
		    judge_fault_name(disk.judge->fault),
		    (unsigned long long)disk.judge->bad, disk.judge->why);
	if (over && kind != REC_END)
		finding("the verifier ended early");
}

static void
sub_text(const struct entry *e, unsigned int key, unsigned int sub, char *out,
    size_t size)
{
	const char	*p;
	size_t		 len;

	out[0] = '\0';
	if (entry_sub_text(e, key, sub, &p, &len) == 0 && len < size) {
		memcpy(out, p, len);
		out[len] = '\0';
	}
}

static uint64_t
sub_uint(const struct entry *e, unsigned int key, unsigned int sub)
{
	uint64_t	 v;

	return entry_sub_uint(e, key, sub, &v) == -1 ? 0 : v;
}

static void
note_intent(const struct entry *e)
{
	struct intent	*in;
	const uint8_t	*p;
	size_t		 len;
	char		 kind[16];

	if (disk.nintents == disk.roomintents) {
		disk.roomintents = 2 * disk.roomintents + 256;
		disk.intents = realloc(disk.intents,
		    disk.roomintents * sizeof(disk.intents[0]));
		if (disk.intents == NULL)
			finding("out of memory");
	}
	in = &disk.intents[disk.nintents++];
	memset(in, 0, sizeof(*in));
	in->seq = e->seq;
	if (entry_get_bytes(e, EK_REQUEST_ID, &p, &len) == 0 &&
	    len == CALL_ID)
		memcpy(in->id, p, len);
	if (entry_sub_bytes(e, EK_REQUEST, ES_REQUEST_SHA256, &p, &len) == 0)
		memcpy(in->sha, p, 32);
	if (entry_sub_bytes(e, EK_CREDENTIAL, ES_CRED_FPRINT, &p, &len) == 0)
		memcpy(in->fprint, p, 32);
	in->length = sub_uint(e, EK_REQUEST, ES_REQUEST_LENGTH);
	in->provider = sub_uint(e, EK_DEST, ES_DEST_PROVIDER);
	in->port = sub_uint(e, EK_DEST, ES_DEST_PORT);
	in->link = sub_uint(e, EK_CLAIMANT, ES_CLAIMANT_LINK);
	in->no = sub_uint(e, EK_CLAIMANT, ES_CLAIMANT_CALL);
	in->slot = sub_uint(e, EK_CLAIMANT, ES_CLAIMANT_SLOT);
	in->generation = sub_uint(e, EK_CLAIMANT, ES_CLAIMANT_GENERATION);
	sub_text(e, EK_DEST, ES_DEST_HOST, in->host, sizeof(in->host));
	sub_text(e, EK_REQUEST, ES_REQUEST_METHOD, in->method,
	    sizeof(in->method));
	sub_text(e, EK_REQUEST, ES_REQUEST_PATH, in->path, sizeof(in->path));
	sub_text(e, EK_REQUEST, ES_REQUEST_QUERY, in->query,
	    sizeof(in->query));
	sub_text(e, EK_REQUEST, ES_REQUEST_KIND, kind, sizeof(kind));
	in->list = strcmp(kind, "list") == 0;
}

/* Exactly one outcome or orphan, of an intent that is open. */
static void
note_closed(const struct entry *e)
{
	uint64_t	 seq;
	size_t		 i;

	if (entry_get_uint(e, EK_INTENT, &seq) == -1)
		finding("an outcome that names no intent");
	for (i = disk.nintents; i-- > 0;)
		if (disk.intents[i].seq == seq)
			break;
	if (i == (size_t)-1 || disk.intents[i].closed++)
		finding("intent %llu gets a second outcome, or is none",
		    (unsigned long long)seq);
	if (e->type == ET_CALL_OUTCOME)
		totals.outcomes++;
	else {
		totals.orphans++;
		fault(F_ORPHANS);
	}
}

static void
add_entry(const uint8_t *p, size_t len)
{
	const struct entry	*e;

	if (disk.nentries == NENTRIES)
		finding("the model disk is full");
	disk.entry[disk.nentries].len = len;
	disk.entry[disk.nentries].p = keep(p, len);
	p = disk.entry[disk.nentries++].p;
	chain_leaf(p, len, disk.leaf);
	if (tree_append(&disk.tree, disk.leaf) == -1)
		finding("tree");
	judge(REC_ENTRY, p, len);
	e = &disk.judge->entry;
	totals.entries++;
	if (e->type == ET_CALL_INTENT)
		note_intent(e);
	else if (e->type == ET_CALL_OUTCOME || e->type == ET_CALL_ORPHAN)
		note_closed(e);
	else if (e->type == ET_EPOCH_ROLL)
		totals.rolls++;
}

static void
free_row(size_t i)
{
	free(disk.rows[i].mem);
	disk.rows[i] = disk.rows[--disk.nrows];
}

static void
state_row(int put, const uint8_t *p, size_t len)
{
	struct row	*r;
	size_t		 i, idlen;

	idlen = (size_t)p[1] << 8 | p[2];
	for (i = 0; i < disk.nrows; i++) {
		r = &disk.rows[i];
		if (r->kind == p[0] && r->idlen == idlen &&
		    memcmp(r->mem, p + 3, idlen) == 0)
			break;
	}
	if (i < disk.nrows)
		free_row(i);
	if (!put)
		return;
	if (disk.nrows == NROWS)
		finding("the model disk is full");
	r = &disk.rows[disk.nrows++];
	r->kind = p[0];
	r->idlen = idlen;
	r->len = len - 3 - idlen;
	r->mem = keep(p + 3, len - 3);
}

static void
add_note(const uint8_t *p, size_t len)
{
	if (disk.nnotes == NNOTES || len > sizeof(disk.note))
		finding("the model disk is full");
	/* the first checkpoint of a size is kept */
	if (disk.nnotes == 0 ||
	    disk.notes[disk.nnotes - 1].at != disk.tree.size) {
		disk.notes[disk.nnotes].at = disk.tree.size;
		disk.notes[disk.nnotes].len = len;
		disk.notes[disk.nnotes++].p = keep(p, len);
		judge(REC_CHECKPOINT, p, len);
	}
	memcpy(disk.note, p, len);
	disk.notelen = len;
	sha256_buf(p, len, disk.note_hash);
}

/* One transaction. */
static void
apply(uint64_t batch, const uint8_t *run, size_t runlen)
{
	const uint8_t	*p;
	uint8_t		 root[32];
	size_t		 at, len;

	for (at = 0; at < runlen; at += 5 + len) {
		len = rd32(run + at + 1);
		p = run + at + 5;
		if (len > runlen - at - 5)
			finding("a batch that runs over its end");
		switch (run[at]) {
		case 'E': add_entry(p, len); break;
		case 'S': case 'D': state_row(run[at] == 'S', p, len); break;
		case 'R':
			memcpy(disk.range, p, len);
			disk.rangelen = len;
			break;
		case 'H':
			tree_root(&disk.tree, root);
			if (memcmp(root, p + 8, 32) != 0)
				finding("a batch with another root");
			memcpy(disk.root, root, 32);
			break;
		case 'C': add_note(p, len); break;
		default: finding("item %c in a batch", run[at]);
		}
	}
	disk.batch = batch;
	totals.batches++;
}

static void
copy_rows(struct row *to, size_t *nto, const struct row *from, size_t n)
{
	size_t	 i;

	for (i = 0; i < *nto; i++)
		free(to[i].mem);
	for (i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].mem = keep(from[i].mem, from[i].idlen + from[i].len);
	}
	*nto = n;
}

void
disk_genesis_save(void)
{
	disk.gentries = disk.nentries;
	disk.gnotes = disk.nnotes;
	disk.gbatch = disk.batch;
	copy_rows(disk.growths, &disk.gnrows, disk.rows, disk.nrows);
}

/* Entries and checkpoints of the start once more through the verifier. */
void
disk_reset(void)
{
	struct remember	 none;
	size_t		 i, k;

	memset(&none, 0, sizeof(none));
	judge_free(disk.judge);
	disk.judge = judge_new(NULL, &none);
	if (disk.judge == NULL)
		finding("out of memory");
	for (i = disk.gentries; i < disk.nentries; i++)
		free(disk.entry[i].p);
	for (i = disk.gnotes; i < disk.nnotes; i++)
		free(disk.notes[i].p);
	disk.nentries = disk.gentries;
	disk.nnotes = disk.gnotes;
	disk.nintents = 0;
	disk.batch = disk.gbatch;
	copy_rows(disk.rows, &disk.nrows, disk.growths, disk.gnrows);
	tree_init(&disk.tree);
	tree_root(&disk.tree, disk.root);
	disk.rangelen = disk.notelen = 0;
	memset(disk.leaf, 0, sizeof(disk.leaf));
	for (i = k = 0; i < disk.nentries; i++) {
		chain_leaf(disk.entry[i].p, disk.entry[i].len, disk.leaf);
		tree_append(&disk.tree, disk.leaf);
		judge(REC_ENTRY, disk.entry[i].p, disk.entry[i].len);
		for (; k < disk.nnotes && disk.notes[k].at == i + 1; k++) {
			judge(REC_CHECKPOINT, disk.notes[k].p,
			    disk.notes[k].len);
			memcpy(disk.note, disk.notes[k].p, disk.notes[k].len);
			disk.notelen = disk.notes[k].len;
		}
	}
	tree_root(&disk.tree, disk.root);
	disk.rangelen = (size_t)tree_pack(&disk.tree, disk.range,
	    sizeof(disk.range));
	sha256_buf(disk.note, disk.notelen, disk.note_hash);
	memset(&led, 0, sizeof(led));
}

struct intent *
disk_intent(const uint8_t id[CALL_ID])
{
	size_t	 i;

	for (i = disk.nintents; i-- > 0;)
		if (memcmp(disk.intents[i].id, id, CALL_ID) == 0)
			return &disk.intents[i];
	return NULL;
}

size_t
disk_opencalls(void)
{
	size_t	 i, n;

	for (i = n = 0; i < disk.nrows; i++)
		n += disk.rows[i].kind == ST_OPENCALL;
	return n;
}

uint64_t
disk_size(void)
{
	return disk.tree.size;
}

/* The whole log, as auditverify sees it at the end of the seed. */
void
disk_verify_end(void)
{
	size_t	 i;

	judge(REC_RANGE, disk.range, disk.rangelen);
	judge(REC_END, NULL, 0);
	if (pairing_count(disk.judge->pairing) != 0)
		finding("%llu intents have no outcome",
		    (unsigned long long)pairing_count(disk.judge->pairing));
	for (i = 0; i < disk.nintents; i++)
		if (disk.intents[i].closed != 1)
			finding("intent %llu has %d outcomes",
			    (unsigned long long)disk.intents[i].seq,
			    disk.intents[i].closed);
	if (disk_opencalls() != 0)
		finding("%zu rows of open calls are left", disk_opencalls());
}

/* ---- the ledger ---------------------------------------------------------- */
int
ledger_alive(void)
{
	return led.alive;
}

uint32_t
ledger_conn(void)
{
	return led.conn;
}

/* The rows as one stream of items, in pieces. */
static size_t
stream(uint8_t *p)
{
	const struct row	*r;
	size_t			 i, n, len;

	for (i = n = 0; i < disk.nrows; i++) {
		r = &disk.rows[i];
		if (r->kind >= ST_COLD)
			continue;
		len = 3 + r->idlen + r->len;
		if (n + len + 5 > STREAM)
			finding("the model disk is full");
		p[n++] = 'S';
		p[n++] = (uint8_t)(len >> 24);
		p[n++] = (uint8_t)(len >> 16);
		p[n++] = (uint8_t)(len >> 8);
		p[n++] = (uint8_t)len;
		p[n++] = r->kind;
		p[n++] = (uint8_t)(r->idlen >> 8);
		p[n++] = (uint8_t)r->idlen;
		memcpy(p + n, r->mem, r->idlen + r->len);
		n += r->idlen + r->len;
	}
	return n;
}

static void
send_hello(void)
{
	static uint8_t	 rows[STREAM];
	struct msgw	 w;
	uint32_t	 index;
	size_t		 at, n, len;

	msg_open(&w, M_HELLO);
	msg_put_u64(&w, disk.tree.size);
	msg_put_raw(&w, disk.root, 32);
	msg_put_raw(&w, disk.leaf, 32);
	msg_put_u64(&w, disk.batch);
	msg_put_u64(&w, 1ULL << 40);
	msg_put_u8(&w, 0);
	msg_put_blob(&w, disk.range, disk.rangelen);
	msg_put_blob(&w, disk.note, disk.notelen);
	conn_send(led.conn, &w);
	len = stream(rows);
	at = 0;
	index = 0;
	do {
		n = len - at < PIECE ? len - at : 1 + chance(PIECE);
		msg_open(&w, M_DELTA);
		msg_put_u32(&w, index++);
		msg_put_u8(&w, at + n == len);
		msg_put_raw(&w, rows + at, n);
		conn_send(led.conn, &w);
		at += n;
	} while (at < len);
}

/* The parent gives both sides a new link. */
void
ledger_connect(void)
{
	struct msgw	 w;

	if (!led.alive || sim->b == NULL)
		return;
	if (led.pending) {
		/* it is in the middle of a commit: that ends first */
		led.mute = 1;
		ledger_commit(led.inst);
		if (!led.alive)
			return;
	}
	if (led.conn != 0)
		conn_lost(led.conn);
	led.conn = conn_new(FROM_LEDGER, 0);
	led.runlen = 0;
	led.index = 0;
	led.mute = 0;
	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_LEDGER);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, led.inst);
	world_parent(&w, (int)(FD_BASE + led.conn));
	send_hello();
}

void
ledger_start(void)
{
	if (led.alive)
		return;
	led.alive = 1;
	led.inst = ++sim->inst;
	led.conn = 0;
	led.pending = 0;
	led.runlen = led.index = 0;
	(void)later(sim->now + pause_ns(), EV_LEDGER_PEER, 0, 0, NULL, 0);
}

void
ledger_kill(void)
{
	if (!led.alive)
		return;
	led.alive = 0;
	if (led.conn != 0)
		conn_lost(led.conn);
	led.conn = 0;
	(void)later(sim->now + pause_ns() + (often(20) ? chance(15000) *
	    NS_MS : 0), EV_LEDGER_SPAWN, 0, 0, NULL, 0);
}

void
ledger_gone(void)
{
	led.conn = 0;
	led.mute = 1;
}

static void
send_committed(void)
{
	struct msgw	 w;
	int		 low;

	if (led.mute || led.conn == 0)
		return;
	low = !sim->draining && often(3);
	if (low)
		fault(F_LEDGER_LOW);
	msg_open(&w, M_COMMITTED);
	msg_put_u64(&w, disk.batch);
	msg_put_u64(&w, disk.tree.size);
	msg_put_raw(&w, disk.root, 32);
	msg_put_raw(&w, disk.note_hash, 32);
	msg_put_u8(&w, (uint8_t)low);
	conn_send(led.conn, &w);
}

void
ledger_commit(uint32_t inst)
{
	if (!led.alive || led.inst != inst || !led.pending)
		return;
	led.pending = 0;
	if (led.fate == 1) {
		fault(F_LEDGER_DIES_BEFORE);
		ledger_kill();
		return;
	}
	apply(led.runbatch, led.run, led.runlen);
	led.runlen = 0;
	if (led.fate == 2) {
		fault(F_LEDGER_DIES_AFTER);
		ledger_kill();
		return;
	}
	send_committed();
}

/* Same number, same life: the very same bytes. */
static void
compare(uint32_t life)
{
	uint8_t	 hash[32];

	sha256_buf(led.run, led.runlen, hash);
	if (led.sent == led.runbatch && led.sentlife == life) {
		fault(F_BATCH_AGAIN);
		if (memcmp(hash, led.senthash, 32) != 0)
			finding("batch %llu again, with other bytes",
			    (unsigned long long)led.runbatch);
	}
	led.sent = led.runbatch;
	led.sentlife = life;
	memcpy(led.senthash, hash, 32);
}

static uint64_t
commit_time(void)
{
	uint32_t	 r;

	r = sim->draining ? 0 : chance(1000);
	if (r < 850)
		return chance(3000) * 1000ULL;
	if (r < 950)
		return chance(200) * NS_MS;
	fault(r < 985 ? F_LEDGER_SLOW : F_LEDGER_STALL);
	return r < 985 ? (500 + chance(4000)) * NS_MS :
	    (8000 + chance(14000)) * NS_MS;
}

/* No value is stored here that no provider uses: an empty page. */
static void
page(const struct ev *e)
{
	struct msgr	 m;
	struct msgw	 w;
	uint32_t	 cookie;
	size_t		 n;

	msg_read(&m, e->type, e->data, e->len);
	cookie = msg_get_u32(&m);
	if (msg_get_u8(&m) < ST_COLD)
		finding("PAGE of a kind that DELTA has");
	(void)msg_get_u8(&m);
	(void)msg_get_strv(&m, 255, &n);
	(void)msg_get_strv(&m, 255, &n);
	(void)msg_get_u16(&m);
	(void)msg_get_u32(&m);
	if (msg_end(&m) == -1)
		finding("PAGE is malformed");
	if (led.mute || led.conn == 0)
		return;
	msg_open(&w, M_PAGED);
	msg_put_u32(&w, cookie);
	msg_put_u16(&w, 0);
	msg_put_u8(&w, 1);
	msg_put_u8(&w, 'N');
	msg_put_u32(&w, 12);
	msg_put_u64(&w, 0);
	msg_put_u32(&w, 0);
	conn_send(led.conn, &w);
}

void
ledger_down(struct ev *e)
{
	struct msgr	 m;
	uint64_t	 batch;
	uint16_t	 index;
	uint8_t		 last;
	uint32_t	 r;

	if (!led.alive)
		return;
	if (e->type == M_PAGE) {
		/* what a dead broker asked, nobody wants to know */
		if (e->a == led.conn)
			page(e);
		return;
	}
	msg_read(&m, e->type, e->data, e->len);
	batch = msg_get_u64(&m);
	index = msg_get_u16(&m);
	last = msg_get_u8(&m);
	if (e->type != M_BATCH || m.bad || led.pending ||
	    index != led.index || (index > 0 && batch != led.runbatch) ||
	    led.runlen + m.len - m.off > RUN)
		finding("the ledger gets what it cannot take");
	led.runbatch = batch;
	memcpy(led.run + led.runlen, m.p + m.off, m.len - m.off);
	led.runlen += m.len - m.off;
	led.index++;
	if (!last)
		return;
	led.index = 0;
	/* what a dead broker sent may still arrive */
	compare(sim->conn[e->a].life);
	if (batch == disk.batch) {
		led.runlen = 0;
		send_committed();
		return;
	}
	if (batch != disk.batch + 1)
		finding("batch %llu after %llu", (unsigned long long)batch,
		    (unsigned long long)disk.batch);
	led.pending = 1;
	r = sim->draining ? 100 : chance(100);
	led.fate = r < 2 ? 1 : r < 4 ? 2 : 0;
	(void)later(sim->now + commit_time(), EV_COMMIT, led.inst, 0, NULL,
	    0);
}
