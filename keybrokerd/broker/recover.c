/* SPDX-License-Identifier: ISC */
/*
 * From the ledger's rows to a broker that serves.  The ledger cannot forge:
 * its head must carry our signature and its range must have the signed root.
 * Order: vault, rows, head, then what this life writes first: epoch.roll (if
 * the last one did not end well), boot, recovery with an orphan for each open
 * call, config.load, policy.load.  The gate opens when all of it is durable.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/sha256.h"
#include "keybrokerd/broker/vaultkey.h"

#define ROWS_MAX	(256UL * 1024 * 1024)
#define RUNNING		1		/* META "life" */
#define ENDED		0

static void
forget(struct recover *r)
{
	free(r->rows);
	free(r->range);
	free(r->note);
	memset(r, 0, sizeof(*r));
}

void
recover_lost(struct broker *b)
{
	if (b->recover.phase == RC_DONE)
		return;
	forget(&b->recover);
	vaultkey_again(b);
}

void
recover_free(struct broker *b)
{
	forget(&b->recover);
}

/* A message that no honest ledger sends: it is disconnected. */
void
recover_disconnect(struct broker *b, const char *text, struct outbox *o)
{
	struct broker_from	 from;

	log_warnx("ledger: %s", text);
	memset(&from, 0, sizeof(from));
	from.kind = FROM_LEDGER;
	from.lost = 1;
	b->count.errors++;
	peers_lost(b, &from, o);
	outbox_act(o, OUT_CLOSE, FROM_LEDGER, 0);
}

static void *
copy(const void *p, size_t len)
{
	uint8_t	*q;

	q = malloc(len + 1);
	if (q == NULL)
		fatal("recovery");
	if (len > 0)
		memcpy(q, p, len);
	q[len] = 0;
	return q;
}

void
recover_hello(struct broker *b, struct msgr *m, struct outbox *o)
{
	struct recover	*r, got;
	const uint8_t	*range, *note;
	uint8_t		 digest[32], low;
	uint64_t	 last;

	memset(&got, 0, sizeof(got));
	got.head = msg_get_u64(m);
	msg_get_raw(m, got.root, sizeof(got.root));
	msg_get_raw(m, got.leaf, sizeof(got.leaf));
	last = msg_get_u64(m);
	(void)msg_get_u64(m);
	low = msg_get_u8(m);
	range = msg_get_blob(m, TREE_PACKED, &got.rangelen);
	note = msg_get_blob(m, NOTE_LINE, &got.notelen);
	if (msg_end(m) == -1) {
		recover_disconnect(b, "malformed HELLO", o);
		return;
	}
	b->gate.space = !low;
	b->ledger_heard = 1;
	if (b->recover.phase == RC_DONE) {
		sha256_buf(note, got.notelen, digest);
		batch_resume(b, last, got.head, got.root, digest, o);
		return;
	}
	r = &b->recover;
	forget(r);
	*r = got;
	r->range = copy(range, got.rangelen);
	r->note = copy(note, got.notelen);
	r->phase = RC_DELTA;
	b->batch.number = last;
}

void
recover_delta(struct broker *b, struct msgr *m, struct outbox *o)
{
	struct recover	*r;
	uint32_t	 index;
	uint8_t		 last, *p;
	size_t		 n, want;

	r = &b->recover;
	if (r->phase == RC_DONE)
		return;			/* our state is newer than its rows */
	index = msg_get_u32(m);
	last = msg_get_u8(m);
	n = m->len - m->off;
	if (m->bad || r->phase != RC_DELTA || index != r->index ||
	    r->have + n > ROWS_MAX) {
		recover_disconnect(b, "malformed DELTA", o);
		return;
	}
	if (r->have + n > r->size) {
		want = (r->have + n) * 2;
		p = realloc(r->rows, want);
		if (p == NULL)
			fatal("recovery");
		r->rows = p;
		r->size = want;
	}
	if (n > 0)
		memcpy(r->rows + r->have, m->p + m->off, n);
	r->have += n;
	r->index++;
	if (!last)
		return;
	r->phase = RC_READY;
	recover_try(b, o);
}

/* ---- rows -------------------------------------------------------------- */
/* 1 a row at *at, 0 the end; anything else is fatal: we cannot go on. */
int
recover_next(const struct broker *b, size_t *at, struct recover_row *row)
{
	const struct recover	*r;
	const uint8_t		*p;
	size_t			 left, len;

	r = &b->recover;
	if (*at == r->have)
		return 0;
	p = r->rows + *at;
	left = r->have - *at;
	len = left < 5 ? 0 : (size_t)p[1] << 24 | (size_t)p[2] << 16 |
	    (size_t)p[3] << 8 | p[4];
	if (left < 5 || p[0] != 'S' || len > left - 5 || len < 3 ||
	    ((size_t)p[6] << 8 | p[7]) > len - 3)
		fatalx("ledger: its state rows are malformed");
	row->kind = p[5];
	row->idlen = (size_t)p[6] << 8 | p[7];
	row->id = p + 8;
	row->val = row->id + row->idlen;
	row->len = len - 3 - row->idlen;
	*at += 5 + len;
	return 1;
}

static int
is(const struct recover_row *row, const char *id)
{
	return row->idlen == strlen(id) &&
	    memcmp(row->id, id, row->idlen) == 0;
}

static void
load_meta(struct broker *b, const struct recover_row *row, int *life)
{
	int	 i;

	if (is(row, "origin") && row->len <= NOTE_ORIGIN) {
		memcpy(b->epoch.origin, row->val, row->len);
		b->epoch.origin[row->len] = '\0';
	} else if (is(row, "pin") && row->len == sizeof(b->epoch.pin))
		memcpy(b->epoch.pin, row->val, row->len);
	else if (is(row, "tops") && row->len == sizeof(b->epoch.tops)) {
		memcpy(b->epoch.tops, row->val, row->len);
		b->epoch.have_tops = 1;
	} else if (is(row, "life") && row->len == 1)
		*life = row->val[0];
	else if (is(row, "import"))
		admin_import_load(b, row->val, row->len);
	else if (is(row, "wall") && row->len == 8)
		for (b->last_wall = 0, i = 0; i < 8; i++)
			b->last_wall = b->last_wall << 8 | row->val[i];
}

static void
load_vault(struct broker *b, const struct recover_row *row)
{
	enum vault_result	 v;

	v = vault_load(&b->vault, row->id, row->idlen, row->val, row->len);
	if (v == VAULT_OTHERKEY)
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "vault record %.*s is "
		    "sealed under key %.*s, which is not here: set "
		    "TAPPASS_VAULT_KEY_PREVIOUS to it",
		    (int)(row->idlen < 40 ? row->idlen : 40),
		    (const char *)row->id, VAULT_KID,
		    (const char *)row->val + 3);
	if (v != VAULT_OK)
		fatalx("vault record %.*s: %s",
		    (int)(row->idlen < 40 ? row->idlen : 40),
		    (const char *)row->id, vault_text(v));
	vaultkey_loaded(b, (const char *)row->val, row->len);
}

/* Rows of one kind; agents come before the keys that name them. */
static void
load_kind(struct broker *b, uint8_t kind, int *life)
{
	struct recover_row	 row;
	ssize_t		 n;
	size_t		 at;
	int		 rc;

	at = 0;
	while (recover_next(b, &at, &row)) {
		if (row.kind != kind)
			continue;
		rc = 0;
		if (rowmac_covers(kind)) {
			n = rowmac_check(b, kind, row.id, row.idlen, row.val,
			    row.len);
			if (n == -1)
				fatalx("ledger: the row of %.*s was not written "
				    "by a broker: somebody changed the "
				    "database", (int)(row.idlen < 64 ?
				    row.idlen : 64), (const char *)row.id);
			row.len = (size_t)n;
		}
		if (kind == ST_META)
			load_meta(b, &row, life);
		else if (kind == ST_VAULT)
			load_vault(b, &row);
		else if (kind == ST_AGENT)
			rc = key_agent_load(b->keys, row.id, row.idlen,
			    row.val, row.len);
		else if (kind == ST_KEY)
			rc = key_load(b->keys, row.id, row.idlen, row.val,
			    row.len);
		if (rc == -1)
			fatal("ledger: a row of kind %u cannot be loaded",
			    kind);
	}
}

/* An orphan for each open call; their number first. */
static void
orphans(struct broker *b, int unclean)
{
	struct recover_row	 row;
	size_t		 at, n;

	at = n = 0;
	while (recover_next(b, &at, &row))
		if (row.kind == ST_OPENCALL)
			n++;
	if (!unclean && n == 0)
		return;
	audit_recovery(b, n);
	at = 0;
	while (recover_next(b, &at, &row)) {
		if (row.kind != ST_OPENCALL)
			continue;
		if (audit_orphan(b, row.id, row.idlen, row.val,
		    row.len) == -1)
			fatalx("ledger: the row of an open call is malformed");
		batch_room(b);
	}
	if (n > 0)
		log_warnx("recovery: %zu calls had no outcome", n);
}

/* ---- head -------------------------------------------------------------- */
/* The head must be ours: signed, and the range must have its root. */
static void
check_head(struct broker *b)
{
	struct recover	*r;
	struct note	 n;
	uint8_t		 root[32];

	r = &b->recover;
	if (note_parse(&n, r->note, r->notelen) == -1 || n.size != r->head ||
	    memcmp(n.root, r->root, sizeof(r->root)) != 0 ||
	    n.originlen != strlen(b->epoch.origin) ||
	    memcmp(n.origin, b->epoch.origin, n.originlen) != 0)
		fatalx("ledger: its checkpoint is not of its head");
	if (note_verify(&n, b->epoch.pk) != NOTE_GOOD)
		fatalx("ledger: its checkpoint is not signed by epoch %u",
		    b->epoch.number);
	if (tree_unpack(&b->batch.tree, r->range, r->rangelen) == -1 ||
	    b->batch.tree.size != r->head)
		fatalx("ledger: its compact range is malformed");
	tree_root(&b->batch.tree, root);
	if (memcmp(root, r->root, sizeof(root)) != 0)
		fatalx("ledger: its compact range has another root");
	b->batch.chain.next = r->head;
	memcpy(b->batch.chain.prev, r->leaf, CHAIN_HASH);
	b->batch.committed = r->head;
	memcpy(b->batch.committed_root, root, sizeof(root));
}

/* The independent random values that the vault key wraps. */
static void
make_records(struct broker *b)
{
	static const char *const	 names[] = {
		VAULT_PEPPER "/1", VAULT_PSEUDONYM, VAULT_COMMITKEY,
		VAULT_FPRINT, VAULT_ROWMAC,
	};
	size_t				 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (vault_get_or_make(&b->vault, &b->env.rng, names[i], 32,
		    batch_emit, b) == NULL)
			fatal("vault record %s", names[i]);
	b->pseudonym = vault_get(&b->vault, VAULT_PSEUDONYM);
}

static void
begin_log(struct broker *b)
{
	if (b->recover.have != 0)
		fatalx("ledger: the log is empty, but there are rows: the "
		    "database is not whole");
	b->first_run = 1;
	make_records(b);
	seed_found(b);
}

void
recover_try(struct broker *b, struct outbox *o)
{
	static const uint8_t	 running = RUNNING;
	int			 life;

	if (b->recover.phase != RC_READY || !b->configured ||
	    b->policy == -1)
		return;
	if (!b->recover.meta) {
		b->recover.life = b->recover.head == 0 ? ENDED : RUNNING;
		load_kind(b, ST_META, &b->recover.life);
		b->recover.meta = 1;
	}
	if (!vaultkey_start(b, o))
		return;
	life = b->recover.life;
	vaultkey_open(b);
	load_kind(b, ST_VAULT, NULL);
	load_kind(b, ST_AGENT, NULL);
	load_kind(b, ST_KEY, NULL);
	if (b->recover.head == 0)
		begin_log(b);
	else {
		seed_load(b);
		check_head(b);
		if (life != ENDED)
			seed_roll(b);
		make_records(b);
	}
	batch_state(b, ST_META, "life", 4, &running, 1);
	audit_boot(b);
	vaultkey_settle(b);
	orphans(b, life != ENDED);
	audit_config(b);
	audit_policy(b, b->policy);
	forget(&b->recover);
	b->recover.phase = RC_DONE;
	admin_start(b, o);
	admin_import_left(b);
	cold_claim(b);
	sweep_start(b);
	b->gate.recover_to = b->batch.chain.next;
	credential_touch(b->creds);
	peers_spawn(b, o);
	credential_settled(b->creds);
}
