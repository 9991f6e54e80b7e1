/* SPDX-License-Identifier: ISC */
/*
 * The checks of audit-chain(5), in one pass and in memory that does not grow
 * with the log.  Stored bytes are hashed as they are, never re-encoded.  The
 * order of the checks is the order in which a fault can be placed exactly:
 * syntax, number, stored tile, chain, meaning; then the commit's signatures
 * and its root.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/audit/epoch.h"
#include "common/audit/judge.h"

static const char *const names[] = {
	[FAULT_NONE] = "OK",
	[FAULT_TAMPER] = "TAMPER",
	[FAULT_MALFORMED] = "MALFORMED",
	[FAULT_INCOMPLETE] = "INCOMPLETE",
	[FAULT_KEY] = "UNTRUSTED-KEY",
	[FAULT_TIME] = "TIME",
	[FAULT_SEMANTIC] = "SEMANTIC",
	[FAULT_ROLLBACK] = "ROLLBACK",
	[FAULT_FORK] = "FORK",
};

const char *
judge_fault_name(enum fault f)
{
	return names[f];
}

struct judge *
judge_new(const uint8_t *pin, const struct remember *old)
{
	struct judge	*j;

	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return NULL;
	j->pairing = pairing_new();
	if (j->pairing == NULL) {
		judge_free(j);
		return NULL;
	}
	chain_init(&j->chain);
	tree_init(&j->tree);
	j->old = *old;
	if (pin != NULL) {
		j->pinned = 1;
		memcpy(j->pin, pin, sizeof(j->pin));
	}
	return j;
}

void
judge_free(struct judge *j)
{
	if (j == NULL)
		return;
	pairing_free(j->pairing);
	free(j->note);
	free(j);
}

static int	broken(struct judge *, enum fault, uint64_t, const char *, ...)
		    __attribute__((__format__(printf, 4, 5)));

/* The first fault stands. */
static int
broken(struct judge *j, enum fault f, uint64_t at, const char *fmt, ...)
{
	va_list	 ap;

	j->fault = f;
	j->bad = at;
	va_start(ap, fmt);
	vsnprintf(j->why, sizeof(j->why), fmt, ap);
	va_end(ap);
	return 1;
}

/* --- entries ---------------------------------------------------------- */

/* Entry 0 names the log: origin, pin, size of the tree under the pin. */
static int
genesis(struct judge *j, const struct entry *e)
{
	const uint8_t	*pin;
	const char	*origin;
	uint64_t	 n;
	size_t		 len, olen;

	if (e->type != ET_GENESIS ||
	    entry_sub_text(e, EK_ROOT, ES_ROOT_ORIGIN, &origin, &olen) == -1 ||
	    entry_sub_bytes(e, EK_ROOT, ES_ROOT_PIN, &pin, &len) == -1 ||
	    entry_sub_uint(e, EK_ROOT, ES_ROOT_EPOCHS, &n) == -1 ||
	    !note_origin_ok(origin, olen))
		return broken(j, FAULT_MALFORMED, 0,
		    "entry 0 is not a genesis entry with origin and pin");
	if (j->pinned && memcmp(pin, j->pin, TREE_HASH) != 0)
		return broken(j, FAULT_KEY, 0,
		    "the log names another root of epoch keys than the pin");
	if (j->old.known && (strlen(j->old.origin) != olen ||
	    memcmp(j->old.origin, origin, olen) != 0))
		return broken(j, FAULT_FORK, 0,
		    "the remembered checkpoint is of another log");
	memcpy(j->pin, pin, TREE_HASH);
	memcpy(j->origin, origin, olen);
	j->originlen = olen;
	j->epochs = (uint32_t)n;
	chain_origin(origin, olen, j->originhash);
	return 0;
}

/* Hashes of a roll's proof, into proof; their number. */
static size_t
roll_proof(const struct entry *e, uint8_t proof[EPOCH_PROOF * EPOCH_HASH])
{
	struct cbor_item	 it;
	struct cbor_r		 r;
	size_t			 n, i;

	if (entry_at(e, EK_ROLL, ES_ROLL_PROOF, &r) == -1 ||
	    cbor_next(&r, &it) == -1)
		return 0;
	n = it.val > EPOCH_PROOF ? 0 : (size_t)it.val;
	for (i = 0; i < n; i++) {
		if (cbor_next(&r, &it) == -1 || it.val != EPOCH_HASH)
			return 0;
		memcpy(proof + i * EPOCH_HASH, it.data, EPOCH_HASH);
	}
	return n;
}

static int
roll(struct judge *j, const struct entry *e)
{
	uint8_t		 proof[EPOCH_PROOF * EPOCH_HASH];
	const uint8_t	*pk;
	uint64_t	 n, want;
	size_t		 len;

	want = j->keys == 0 ? 0 : j->epoch + 1;
	if (entry_sub_uint(e, EK_ROLL, ES_ROLL_EPOCH, &n) == -1 ||
	    entry_sub_bytes(e, EK_ROLL, ES_ROLL_KEY, &pk, &len) == -1)
		return broken(j, FAULT_MALFORMED, e->seq,
		    "epoch.roll without epoch and key");
	if (n != want || e->epoch != want)
		return broken(j, FAULT_KEY, e->seq, "epoch.roll to %" PRIu64
		    " where %" PRIu64 " is next", n, want);
	if (j->rolled)
		return broken(j, FAULT_KEY, e->seq,
		    "two rolls under one checkpoint");
	if (!note_key_ok(pk) || epoch_check((uint32_t)n, j->epochs, pk, proof,
	    roll_proof(e, proof), j->pin) == -1)
		return broken(j, FAULT_KEY, e->seq, "the key of epoch %" PRIu64
		    " is not under the pinned root", n);
	memcpy(j->last, j->key, NOTE_PK);
	memcpy(j->key, pk, NOTE_PK);
	j->epoch = n;
	j->keys = j->keys == 0 ? 1 : 2;
	j->rolled = 1;
	return 0;
}

static int
paired(struct judge *j, const struct entry *e)
{
	const uint8_t		*id;
	uint64_t		 n;
	size_t			 len;
	enum pairing_fault	 f;

	if (entry_get_bytes(e, EK_REQUEST_ID, &id, &len) == -1)
		id = NULL;
	if (e->type == ET_CALL_INTENT) {
		j->intents++;
		if (pairing_open(j->pairing, e->seq, id) != PAIRING_OK)
			return broken(j, FAULT_SEMANTIC, e->seq,
			    "more than %d intents are open", PAIRING_MAX);
		return 0;
	}
	if (e->type != ET_CALL_OUTCOME && e->type != ET_CALL_ORPHAN)
		return 0;
	if (e->type == ET_CALL_OUTCOME)
		j->outcomes++;
	else
		j->orphans++;
	if (entry_get_uint(e, EK_INTENT, &n) == -1)
		n = 0;
	f = pairing_close(j->pairing, n, id);
	if (f == PAIRING_OTHER)
		return broken(j, FAULT_SEMANTIC, e->seq, "it closes intent %"
		    PRIu64 ", which is of another request", n);
	if (f != PAIRING_OK)
		return broken(j, FAULT_SEMANTIC, e->seq, "it closes intent %"
		    PRIu64 ", which is not open", n);
	return 0;
}

/* What an entry says, when it stands where it should. */
static int
meaning(struct judge *j, const struct entry *e)
{
	if (e->seq == 0) {
		if (genesis(j, e) != 0)
			return 1;
	} else if (e->type == ET_GENESIS)
		return broken(j, FAULT_MALFORMED, e->seq,
		    "a second genesis entry");
	if (memcmp(e->origin, j->originhash, CHAIN_ORIGIN) != 0)
		return broken(j, FAULT_TAMPER, e->seq,
		    "an entry of another log");
	if (e->type == ET_REROOT)
		return broken(j, FAULT_KEY, e->seq,
		    "a new root of epoch keys: not known to this verifier");
	if (e->seq == 1 && e->type != ET_EPOCH_ROLL)
		return broken(j, FAULT_KEY, 1, "entry 1 is not epoch.roll 0");
	if (e->type == ET_EPOCH_ROLL) {
		if (roll(j, e) != 0)
			return 1;
	} else if (e->epoch != j->epoch)
		return broken(j, FAULT_KEY, e->seq, "entry of epoch %" PRIu64
		    " in epoch %" PRIu64, e->epoch, j->epoch);
	if (e->wall < j->wall && e->type != ET_CLOCK_STEP)
		return broken(j, FAULT_TIME, e->seq,
		    "wall clock goes back by %" PRIu64 " ms without "
		    "clock.step", j->wall - e->wall);
	j->wall = e->wall;
	return paired(j, e);
}

/* Is this leaf what the stored tile says?  -1 it is another. */
static int
in_tile(struct judge *j, uint64_t i, const uint8_t leaf[TREE_HASH])
{
	if (j->tilewidth == 0 || i / TILE_WIDTH != j->tileindex ||
	    i % TILE_WIDTH >= j->tilewidth)
		return 0;
	return memcmp(j->tile[i % TILE_WIDTH], leaf, TILE_HASH) == 0 ? 1 : -1;
}

/* A full subtree: roots of full tiles are the hashes one level up. */
static void
full(void *arg, unsigned int level, uint64_t index,
    const uint8_t hash[TREE_HASH])
{
	struct judge	*j;

	j = arg;
	if (level % 8 == 0 && level / 8 <= TILE_LEVEL_MAX)
		memcpy(j->full[level / 8][index % TILE_WIDTH], hash,
		    TILE_HASH);
}

/*
 * A fault is found, one more fact places it: after a gap, whether the
 * missing number turns up later (moved) or not (gone); after a broken link,
 * whether the next entry still fits this one (then the one before was
 * changed); after two different entries with one number, which of them the
 * next one follows.
 */
static int
autopsy(struct judge *j, const struct rec *r)
{
	struct entry	 e;

	if (r->kind == REC_ENTRY &&
	    entry_parse(r->data, r->len, &e, NULL) == 0) {
		if (j->after == AFTER_LINK) {
			if (memcmp(e.prev, j->leaf, CHAIN_HASH) == 0)
				return 1;
			return broken(j, FAULT_TAMPER, j->bad + 1,
			    "it does not hold the hash of its predecessor");
		}
		if (j->after == AFTER_TWIN) {
			if (memcmp(e.prev, j->leaf, CHAIN_HASH) == 0)
				j->bad--;
			return 1;
		}
		if (e.seq != j->bad)
			return 0;
		return broken(j, FAULT_TAMPER, j->bad,
		    "entry %" PRIu64 " stands in another place", j->bad);
	}
	if (r->kind == REC_END || r->kind == REC_BAD || r->kind == REC_FAIL ||
	    r->kind == REC_ENTRY)
		return 1;
	return 0;
}

static int
linked(struct judge *j, const struct entry *e, uint64_t i)
{
	enum chain_fault	 f;
	int			 t;

	f = chain_check(&j->chain, e);
	if (f == CHAIN_REPEAT) {
		broken(j, FAULT_TAMPER, i, "number %" PRIu64
		    " a second time", e->seq);
		/* two that differ: the next one tells which is genuine */
		if (e->seq + 1 == i && !j->tiled &&
		    memcmp(e->prev, j->chain.prev, CHAIN_HASH) != 0 &&
		    memcmp(j->leaf, j->chain.prev, CHAIN_HASH) != 0)
			j->after = AFTER_TWIN;
		return 1;
	}
	if (f == CHAIN_GAP) {
		broken(j, FAULT_INCOMPLETE, i, "entry %" PRIu64
		    " is missing, %" PRIu64 " follows", i, e->seq);
		j->after = AFTER_GAP;
		return 1;
	}
	t = in_tile(j, i, j->leaf);
	if (t == -1)
		return broken(j, FAULT_TAMPER, i,
		    "entry and stored tile have different hashes");
	if (f == CHAIN_BROKEN && i > 0 && !j->tiled) {
		broken(j, FAULT_TAMPER, i - 1, "entry %" PRIu64
		    " is not the one that %" PRIu64 " followed", i - 1, i);
		j->after = AFTER_LINK;
		return 1;
	}
	if (f == CHAIN_BROKEN)
		return broken(j, FAULT_TAMPER, i,
		    "it does not hold the hash of its predecessor");
	j->tiled = t == 1;
	return 0;
}

static int
entry(struct judge *j, const struct rec *r)
{
	const char	*why;
	uint64_t	 i;
	uint8_t		 root[TREE_HASH];

	i = j->chain.next;
	chain_leaf(r->data, r->len, j->leaf);
	if (entry_parse(r->data, r->len, &j->entry, &why) == -1) {
		/* a flipped bit that breaks the syntax is still a change */
		if (in_tile(j, i, j->leaf) == -1)
			return broken(j, FAULT_TAMPER, i,
			    "entry and stored tile have different hashes, "
			    "and it is no entry: %s", why);
		return broken(j, FAULT_MALFORMED, i, "%s", why);
	}
	if (linked(j, &j->entry, i) != 0)
		return j->after == AFTER_NONE;
	if (meaning(j, &j->entry) != 0)
		return 1;
	j->ignored += j->entry.ignored;
	j->others += j->entry.type == ET_OTHER;
	if (tree_append_each(&j->tree, j->leaf, full, j) == -1)
		return broken(j, FAULT_MALFORMED, i, "too many entries");
	chain_push(&j->chain, j->leaf);
	if (j->old.known && j->chain.next == j->old.size) {
		tree_root(&j->tree, root);
		if (memcmp(root, j->old.root, TREE_HASH) != 0)
			return broken(j, FAULT_FORK, i, "the first %" PRIu64
			    " entries are not those that were remembered",
			    j->old.size);
	}
	return 0;
}

/* --- checkpoints -------------------------------------------------------- */

/* The signatures that a checkpoint over these entries must and may have. */
static int
signers(struct judge *j, const struct note *n)
{
	enum note_verdict	 now, before;
	int			 both;

	if (j->keys == 0)
		return broken(j, FAULT_KEY, j->covered,
		    "checkpoint of size %" PRIu64 " before the first epoch "
		    "key", n->size);
	now = note_verify(n, j->key);
	before = j->keys == 2 ? note_verify(n, j->last) : NOTE_ABSENT;
	both = j->rolled && j->keys == 2;
	if (now == NOTE_BAD || before == NOTE_BAD)
		return broken(j, FAULT_TAMPER, j->covered,
		    "checkpoint of size %" PRIu64 ": wrong signature",
		    n->size);
	if (now == NOTE_ABSENT || (both && before == NOTE_ABSENT))
		return broken(j, FAULT_KEY, j->covered,
		    "checkpoint of size %" PRIu64 " is not signed by epoch %"
		    PRIu64, n->size, now == NOTE_ABSENT ? j->epoch :
		    j->epoch - 1);
	if (!both && before == NOTE_GOOD && n->size != j->rollsize)
		return broken(j, FAULT_KEY, j->covered,
		    "checkpoint of size %" PRIu64 " is signed by epoch %"
		    PRIu64 " after its end: key not destroyed", n->size,
		    j->epoch - 1);
	return 0;
}

/* The last good checkpoint, for the auditor's state file. */
static int
keep(struct judge *j, const struct rec *r)
{
	char	*p;

	if (r->len > j->noteroom) {
		p = realloc(j->note, r->len);
		if (p == NULL)
			return broken(j, FAULT_MALFORMED, j->covered,
			    "no memory for a checkpoint of %zu bytes",
			    r->len);
		j->note = p;
		j->noteroom = r->len;
	}
	memcpy(j->note, r->data, r->len);
	j->notelen = r->len;
	return 0;
}

static int
checkpoint(struct judge *j, const struct rec *r)
{
	struct note	 n;
	uint8_t		 root[TREE_HASH];

	if (note_parse(&n, (const char *)r->data, r->len) == -1)
		return broken(j, FAULT_MALFORMED, j->covered,
		    "a checkpoint is not a signed note");
	if (n.size > j->chain.next)
		return broken(j, FAULT_INCOMPLETE, j->chain.next,
		    "checkpoint of size %" PRIu64 ", but entry %" PRIu64
		    " is missing", n.size, j->chain.next);
	if (n.originlen != j->originlen ||
	    memcmp(n.origin, j->origin, n.originlen) != 0)
		return broken(j, FAULT_TAMPER, j->covered,
		    "checkpoint of size %" PRIu64 " has another origin",
		    n.size);
	/* the last one again: end() will say what it does not cover */
	if (n.size < j->chain.next && n.size == j->covered &&
	    j->notelen >= n.bodylen &&
	    memcmp(j->note, n.body, n.bodylen) == 0)
		return 0;
	if (n.size < j->chain.next)
		return broken(j, FAULT_TAMPER, j->covered,
		    "checkpoint of size %" PRIu64 " out of order", n.size);
	if (signers(j, &n) != 0)
		return 1;
	tree_root(&j->tree, root);
	if (memcmp(root, n.root, TREE_HASH) != 0)
		return broken(j, FAULT_TAMPER, j->covered,
		    "the entries do not have the root that checkpoint %"
		    PRIu64 " signs", n.size);
	if (j->rolled)
		j->rollsize = n.size;
	j->rolled = 0;
	if (n.size > j->covered || j->checkpoints == 0)
		j->checkpoints++;
	j->covered = n.size;
	return keep(j, r);
}

/* --- tiles, compact range, end ------------------------------------------ */

static int
tile(struct judge *j, const struct rec *r)
{
	unsigned int	 i;
	uint64_t	 at;

	if (r->level > TILE_LEVEL_MAX || r->width == 0 ||
	    r->width > TILE_WIDTH)
		return broken(j, FAULT_MALFORMED, j->chain.next,
		    "a tile of impossible size");
	if (r->level == 0) {
		if (r->index != j->chain.next / TILE_WIDTH ||
		    j->chain.next % TILE_WIDTH != 0)
			return broken(j, FAULT_MALFORMED, j->chain.next,
			    "a tile out of place");
		j->tileindex = r->index;
		j->tilewidth = r->width;
		memcpy(j->tile, r->data, r->width * TILE_HASH);
		return 0;
	}
	if (tile_width(j->chain.next, r->level, r->index) != r->width)
		return broken(j, FAULT_MALFORMED, j->chain.next,
		    "a tile of level %u out of place", r->level);
	for (i = 0; i < r->width; i++) {
		if (memcmp(j->full[r->level][i], r->data + i * TILE_HASH,
		    TILE_HASH) == 0)
			continue;
		at = (r->index * TILE_WIDTH + i) << (8 * r->level);
		return broken(j, FAULT_TAMPER, at,
		    "hash %u of tile %u/%" PRIu64 " is not that of its "
		    "entries", i, r->level, r->index);
	}
	return 0;
}

static int
compact(struct judge *j, const struct rec *r)
{
	struct tree	 t;
	uint8_t		 a[TREE_HASH], b[TREE_HASH];

	if (tree_unpack(&t, r->data, r->len) == -1)
		return broken(j, FAULT_MALFORMED, j->covered,
		    "the stored compact range is none");
	tree_root(&t, a);
	tree_root(&j->tree, b);
	if (t.size != j->tree.size || memcmp(a, b, TREE_HASH) != 0)
		return broken(j, FAULT_TAMPER, j->covered,
		    "the stored compact range is not that of the entries");
	return 0;
}

static int
end(struct judge *j, const struct rec *r)
{
	uint64_t	 n;

	n = j->chain.next;
	if (j->tilewidth != 0 &&
	    j->tileindex * TILE_WIDTH + j->tilewidth > n)
		return broken(j, FAULT_INCOMPLETE, n, "a tile has the hash of "
		    "entry %" PRIu64 ", which is missing", n);
	if (r->counted && r->entries != n)
		return broken(j, FAULT_INCOMPLETE, n, "%" PRIu64
		    " entries were announced", r->entries);
	if (r->counted && r->checkpoints != j->checkpoints)
		return broken(j, FAULT_INCOMPLETE, j->covered, "%" PRIu64
		    " checkpoints were announced", r->checkpoints);
	if (n == 0)
		return broken(j, FAULT_INCOMPLETE, 0, "there is no entry");
	if (j->covered < n)
		return broken(j, FAULT_INCOMPLETE, j->covered, "entries %"
		    PRIu64 " to %" PRIu64 " are not under a signed checkpoint",
		    j->covered, n - 1);
	if (j->old.known && n < j->old.size)
		return broken(j, FAULT_ROLLBACK, n, "%" PRIu64 " entries were "
		    "there when the checkpoint was remembered", j->old.size);
	return 1;
}

int
judge_take(struct judge *j, const struct rec *r)
{
	if (j->after != AFTER_NONE)
		return autopsy(j, r);
	switch (r->kind) {
	case REC_ENTRY:
		return entry(j, r);
	case REC_CHECKPOINT:
		return checkpoint(j, r);
	case REC_TILE:
		return tile(j, r);
	case REC_RANGE:
		return compact(j, r);
	case REC_END:
		return end(j, r);
	case REC_BAD:
		return broken(j, r->fault, j->chain.next, "%s", r->why);
	case REC_FAIL:
		break;
	}
	return 1;
}
