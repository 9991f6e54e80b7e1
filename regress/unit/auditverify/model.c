/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/audit/dump.h"
#include "common/audit/epoch.h"
#include "regress/unit/auditverify/model.h"

static uint64_t
rnd(uint64_t *s)
{
	*s = *s * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return *s >> 33;
}

static void
keys(struct model *m, unsigned int seed)
{
	uint8_t	 s[32];
	int	 e;

	memset(m->seed, (int)seed, sizeof(m->seed));
	epoch_ceremony(m->seed, MODEL_EPOCHS, m->leaves, NULL, NULL, m->pin);
	memcpy(s, m->seed, sizeof(s));
	for (e = 0; e < MODEL_EPOCHS; e++) {
		epoch_key(s, m->pk[e], m->sk[e]);
		epoch_next(s, s);
	}
}

/* A commit that ends here. */
static void
commit(struct model *m, uint64_t size, int epoch, int before)
{
	m->commit[m->commits].size = size;
	m->commit[m->commits].signer[0] = epoch;
	m->commit[m->commits].signer[1] = before;
	m->commits++;
}

void
model_init(struct model *m, unsigned int seed, uint64_t n)
{
	static const enum entry_type	 start[] = { ET_GENESIS,
	    ET_EPOCH_ROLL, ET_BOOT, ET_SHUTDOWN };
	uint64_t			 s, i, open[4], nopen, wall, k;
	uint64_t			 left, epoch;
	struct plan			*p;
	int				 before;

	memset(m, 0, sizeof(*m));
	m->origin = "test.example/audit";
	m->n = n;
	keys(m, seed);
	s = seed;
	nopen = epoch = 0;
	wall = 1700000000000;
	left = 4;
	before = -1;
	for (i = 0; i < n; i++) {
		p = &m->plan[i];
		p->seq = i;
		p->type = i < 4 ? start[i] : ET_CALL_DENY;
		k = rnd(&s) % 8;
		if (i >= 4 && (i == n / 3 || i == 2 * n / 3)) {
			/* a roll starts a commit */
			if (m->commit[m->commits - 1].size != i)
				commit(m, i, (int)epoch, before);
			p->type = ET_EPOCH_ROLL;
			before = (int)epoch++;
			left = 1 + rnd(&s) % 6;
		} else if (i >= 4 && k < 3 && nopen < 4) {
			p->type = ET_CALL_INTENT;
			memset(p->id, (int)(i & 255), 8);
			memset(p->id + 8, (int)(i >> 8), 8);
			open[nopen++] = i;
		} else if (i >= 4 && k < 7 && nopen > 0) {
			p->type = k == 6 ? ET_CALL_ORPHAN : ET_CALL_OUTCOME;
			p->intent = open[0];
			memcpy(p->id, m->plan[open[0]].id, 16);
			memmove(open, open + 1, --nopen * sizeof(open[0]));
		}
		wall += rnd(&s) % 50;
		if (i >= 4 && k == 7 && i % 3 == 0 &&
		    p->type == ET_CALL_DENY) {
			p->type = ET_CLOCK_STEP;
			wall -= 40;
		}
		p->wall = wall;
		p->epoch = epoch;
		if (--left == 0 || i + 1 == n) {
			commit(m, i + 1, (int)epoch, before);
			before = -1;
			left = 1 + rnd(&s) % 6;
		}
	}
}

static void
genesis(struct entry_w *w, const struct model *m)
{
	entry_map(w, EK_ROOT);
	entry_put_text(w, ES_ROOT_ORIGIN, m->origin, strlen(m->origin));
	entry_put_bytes(w, ES_ROOT_PIN, m->pin, 32);
	entry_put_uint(w, ES_ROOT_EPOCHS, MODEL_EPOCHS);
	entry_close(w);
}

static void
roll(struct entry_w *w, const struct model *m, const struct plan *p)
{
	uint8_t	 proof[EPOCH_PROOF * 32];
	int	 n, k;

	n = epoch_prove(m->leaves, MODEL_EPOCHS, (uint32_t)p->epoch, proof);
	proof[0] ^= (uint8_t)p->badproof;
	entry_map(w, EK_ROLL);
	entry_put_uint(w, ES_ROLL_EPOCH, p->epoch);
	entry_put_bytes(w, ES_ROLL_KEY, m->pk[p->epoch], 32);
	entry_list(w, ES_ROLL_PROOF);
	for (k = 0; k < n; k++)
		entry_add_bytes(w, proof + k * 32, 32);
	entry_close(w);
	entry_close(w);
}

static void
common(struct entry_w *w, const struct model *m, const struct plan *p,
    const uint8_t prev[32])
{
	const char	*origin;
	uint8_t		 h[CHAIN_ORIGIN];

	origin = p->foreign ? "other.example/audit" : m->origin;
	chain_origin(origin, strlen(origin), h);
	entry_put_uint(w, EK_WALL, p->wall);
	entry_put_uint(w, EK_BOOTTIME, p->wall * 1000);
	if (p->seq < 3)
		entry_put_bytes(w, EK_BOOTID, "0123456789abcdef", 16);
	else
		entry_put_uint(w, EK_BOOTID, 2);
	entry_put_uint(w, EK_EPOCH, p->epoch);
	entry_put_bytes(w, EK_PREV, prev, 32);
	entry_put_bytes(w, EK_ORIGIN, h, sizeof(h));
	entry_put_bytes(w, EK_INSTANCE, "instance", 8);
}

static void
render(const struct model *m, uint64_t i, struct bytes *b,
    const uint8_t prev[32])
{
	const struct plan	*p;
	struct entry_w		 w;
	ssize_t			 len;

	p = &m->plan[i];
	entry_begin(&w, b->p, sizeof(b->p), p->seq, p->type);
	common(&w, m, p, prev);
	if (p->type == ET_CALL_INTENT || p->type == ET_CALL_OUTCOME)
		entry_put_bytes(&w, EK_REQUEST_ID, p->id, 16);
	if (p->type == ET_CALL_OUTCOME || p->type == ET_CALL_ORPHAN)
		entry_put_uint(&w, EK_INTENT, p->intent);
	if (p->type == ET_CALL_INTENT) {
		entry_map(&w, EK_CLAIMANT);
		entry_put_uint(&w, ES_CLAIMANT_SLOT, 1);
		entry_close(&w);
	}
	entry_put_uint(&w, EK_ORG, 1);
	if (p->type == ET_CALL_INTENT) {
		entry_map(&w, EK_REQUEST);
		entry_put_text(&w, ES_REQUEST_METHOD, "POST", 4);
		entry_close(&w);
	}
	if (p->type == ET_EPOCH_ROLL)
		roll(&w, m, p);
	if (p->type == ET_GENESIS)
		genesis(&w, m);
	if (p->remark != NULL)
		entry_put_text(&w, EK_REMARK, p->remark, strlen(p->remark));
	if (p->type == ET_CLOCK_STEP) {
		entry_map(&w, EK_STEP);
		entry_put_uint(&w, ES_STEP_NEW, p->wall);
		entry_close(&w);
	}
	len = entry_end(&w);
	assert_true(len > 0);
	b->len = (size_t)len;
}

void
model_render(struct model *m, uint64_t from)
{
	uint8_t	 prev[32];

	memset(prev, 0, sizeof(prev));
	if (from > 0)
		chain_leaf(m->entry[from - 1].p, m->entry[from - 1].len,
		    prev);
	for (; from < m->n; from++) {
		render(m, from, &m->entry[from], prev);
		chain_leaf(m->entry[from].p, m->entry[from].len, prev);
	}
}

void
model_tiles(struct model *m)
{
	struct tree	 t;
	uint64_t	 i;

	tree_init(&t);
	for (i = 0; i < m->n; i++) {
		chain_leaf(m->entry[i].p, m->entry[i].len, m->stored[i]);
		if (i % TILE_WIDTH == 0)
			tree_init(&t);
		tree_append(&t, m->stored[i]);
		if (i % TILE_WIDTH == TILE_WIDTH - 1)
			tree_root(&t, m->level1[i / TILE_WIDTH]);
	}
}

static void
sign(struct model *m, unsigned int k, const uint8_t root[32])
{
	ssize_t	 body, len;
	int	 i;

	body = note_body(m->note[k], sizeof(m->note[k]), m->origin,
	    m->commit[k].size, root);
	assert_true(body > 0);
	len = body;
	for (i = 0; i < 2; i++) {
		if (m->commit[k].signer[i] == -1)
			continue;
		len = note_sign(m->note[k], sizeof(m->note[k]), (size_t)len,
		    (size_t)body, m->origin, m->sk[m->commit[k].signer[i]]);
		assert_true(len > body);
	}
	m->notelen[k] = (size_t)len;
}

void
model_sign(struct model *m, unsigned int from)
{
	struct tree	 t;
	uint8_t		 leaf[32], root[32];
	uint64_t	 i;
	unsigned int	 k;

	tree_init(&t);
	for (i = 0, k = 0; k < m->commits; k++) {
		for (; i < m->commit[k].size && i < m->n; i++) {
			chain_leaf(m->entry[i].p, m->entry[i].len, leaf);
			tree_append(&t, leaf);
		}
		tree_root(&t, root);
		if (k >= from)
			sign(m, k, root);
	}
}

void
model_build(struct model *m)
{
	model_render(m, 0);
	model_tiles(m);
	model_sign(m, 0);
}

uint64_t
model_find(const struct model *m, enum entry_type type, uint64_t from)
{
	while (from < m->n && m->plan[from].type != type)
		from++;
	assert_true(from < m->n);
	return from;
}

unsigned int
model_commit(const struct model *m, uint64_t i)
{
	unsigned int	 k;

	for (k = 0; m->commit[k].size <= i; k++)
		continue;
	return k;
}

/* --- export -------------------------------------------------------------- */

static void
put(const char *dir, const char *name, const void *p, size_t len, int flags)
{
	char	 path[PATH_MAX], *s;
	int	 fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (s = strchr(path + strlen(dir) + 1, '/'); s != NULL;
	    s = strchr(s + 1, '/')) {
		*s = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*s = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, p, len), len);
	close(fd);
}

static void
bundle(const struct model *m, const char *dir, uint64_t index,
    unsigned int width)
{
	static uint8_t	 buf[TILE_BUNDLE_MAX];
	char		 path[TILE_PATH];
	ssize_t		 off;
	uint64_t	 i;

	off = 0;
	for (i = index * TILE_WIDTH; i < index * TILE_WIDTH + width; i++)
		off = tile_bundle_put(buf, sizeof(buf), (size_t)off,
		    m->entry[i].p, m->entry[i].len);
	tile_entries_path(path, sizeof(path), index, width);
	put(dir, path, buf, (size_t)off, O_TRUNC);
	tile_path(path, sizeof(path), 0, index, width);
	put(dir, path, m->stored[index * TILE_WIDTH], width * 32, O_TRUNC);
}

void
model_export(const struct model *m, const char *dir)
{
	char		 path[TILE_PATH];
	uint64_t	 b;
	unsigned int	 k;

	for (b = 0; tile_width(m->n, 0, b) != 0; b++)
		bundle(m, dir, b, tile_width(m->n, 0, b));
	if (m->n >= TILE_WIDTH) {
		tile_path(path, sizeof(path), 1, 0,
		    (unsigned int)(m->n / TILE_WIDTH));
		put(dir, path, m->level1, m->n / TILE_WIDTH * 32, O_TRUNC);
	}
	for (k = 0; k < m->commits; k++) {
		if (k + 1 == m->noteskip)
			continue;
		put(dir, TILE_CHECKPOINTS, m->note[k], m->notelen[k],
		    O_APPEND);
		put(dir, TILE_CHECKPOINTS, "\n", 1, O_APPEND);
		put(dir, TILE_CHECKPOINT, m->note[k], m->notelen[k], O_TRUNC);
	}
}

/* --- dump ------------------------------------------------------------------ */

static void
out(int fd, const void *p, size_t len)
{
	assert_int_equal(write(fd, p, len), len);
}

static void
dump_note(const struct model *m, int fd, unsigned int k)
{
	uint8_t	 h[DUMP_HEAD];

	dump_head(h, DUMP_CHECKPOINT, (uint32_t)m->notelen[k]);
	out(fd, h, sizeof(h));
	out(fd, m->note[k], m->notelen[k]);
}

static void
dump_tile0(const struct model *m, int fd, uint64_t index)
{
	uint8_t		 h[DUMP_TILE_HEAD];
	unsigned int	 width;

	width = tile_width(m->n, 0, index);
	dump_tile(h, 0, index, width);
	out(fd, h, sizeof(h));
	out(fd, m->stored[index * TILE_WIDTH], width * 32);
}

void
model_dump(const struct model *m, int fd, int tiles)
{
	struct tree	 t;
	uint8_t		 h[DUMP_END_LEN], pack[TREE_PACKED], leaf[32];
	uint64_t	 i;
	unsigned int	 k, notes;
	ssize_t		 n;

	tree_init(&t);
	for (i = 0, k = 0, notes = 0; i <= m->n; i++) {
		for (; k < m->commits && m->commit[k].size <= i; k++) {
			if (k + 1 == m->noteskip)
				continue;
			dump_note(m, fd, k);
			notes++;
		}
		if (i == m->n)
			break;
		if (tiles && i % TILE_WIDTH == 0)
			dump_tile0(m, fd, i / TILE_WIDTH);
		dump_head(h, DUMP_ENTRY, (uint32_t)m->entry[i].len);
		out(fd, h, DUMP_HEAD);
		out(fd, m->entry[i].p, m->entry[i].len);
		chain_leaf(m->entry[i].p, m->entry[i].len, leaf);
		tree_append(&t, leaf);
	}
	n = tree_pack(&t, pack, sizeof(pack));
	dump_head(h, DUMP_RANGE, (uint32_t)n);
	out(fd, h, DUMP_HEAD);
	pack[n - 1] ^= (uint8_t)m->badrange;
	out(fd, pack, (size_t)n);
	for (; k < m->commits; k++, notes++)
		dump_note(m, fd, k);
	dump_end(h, m->n, notes);
	out(fd, h, DUMP_END_LEN);
}
