/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "regress/unit/store/fixture.h"

struct state	st;
struct model	m;
uint8_t		run[LEDGER_RUN];
size_t		runlen;
static char	dir[64];

/* ---- directories ---- */
static int
rm(const char *path, const struct stat *sb, int flag, struct FTW *ftw)
{
	(void)sb;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
fixture_wipe(void)
{
	assert_int_equal(chdir("/"), 0);
	nftw(dir, rm, 16, FTW_DEPTH | FTW_PHYS);
}

void
fixture_fresh(void)
{
	/* thousands of flushes: no device needs to see them */
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/store.XXXXXX" :
	    "/tmp/store.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("ledger", 0700), 0);
	assert_int_equal(mkdir("export", 0700), 0);
}

int
fixture_start(void)
{
	st.exportdir = open("export", O_RDONLY | O_DIRECTORY);
	assert_true(st.exportdir != -1);
	st.why[0] = '\0';
	if (store_open(&st.store, LEDGER_DB) == -1 ||
	    head_load(&st.store, &st.head) == -1) {
		strlcpy(st.why, st.store.why, sizeof(st.why));
		return -1;
	}
	if (bundle_init(&st.bundle, st.exportdir, &st.head) == -1) {
		strlcpy(st.why, st.bundle.why, sizeof(st.why));
		return -1;
	}
	return check_all(&st.store, &st.head, &st.bundle, st.why,
	    sizeof(st.why));
}

void
fixture_stop(void)
{
	store_close(&st.store);
	close(st.exportdir);
}

/* ---- batches ---- */
static void
item(char tag, const void *p, size_t len)
{
	uint8_t	*q;

	q = run + runlen;
	assert_true(runlen + 5 + len <= sizeof(run));
	q[0] = (uint8_t)tag;
	q[1] = (uint8_t)(len >> 24);
	q[2] = (uint8_t)(len >> 16);
	q[3] = (uint8_t)(len >> 8);
	q[4] = (uint8_t)len;
	memcpy(q + 5, p, len);
	runlen += 5 + len;
}

void
fixture_tree(uint64_t size, struct tree *t)
{
	uint8_t		 leaf[32];
	uint64_t	 i;

	tree_init(t);
	for (i = 0; i < size; i++) {
		chain_leaf(m.entry[i].p, m.entry[i].len, leaf);
		tree_append(t, leaf);
	}
}

void
fixture_build(unsigned int k)
{
	uint8_t		 head[40], range[TREE_PACKED], row[16];
	struct tree	 t;
	ssize_t		 len;
	uint64_t	 i;
	int		 b;

	runlen = 0;
	for (i = k == 0 ? 0 : m.commit[k - 1].size; i < m.commit[k].size; i++)
		item('E', m.entry[i].p, m.entry[i].len);
	memcpy(row, "\5\0\1nvalue", 9);
	row[8] = (uint8_t)k;
	item('S', row, 9);
	row[3] = (uint8_t)('A' + k % 8);
	item(k % 16 < 8 ? 'S' : 'D', row, k % 16 < 8 ? 9 : 4);
	fixture_tree(m.commit[k].size, &t);
	len = tree_pack(&t, range, sizeof(range));
	item('R', range, (size_t)len);
	for (b = 0; b < 8; b++)
		head[b] = (uint8_t)(t.size >> (56 - 8 * b));
	tree_root(&t, head + 8);
	item('H', head, sizeof(head));
	item('C', m.note[k], m.notelen[k]);
}

void
fixture_row(char tag, uint8_t kind, const char *id, const void *value,
    size_t len)
{
	static uint8_t	 rest[LEDGER_RUN], p[3 + STATE_ID + STATE_VALUE];
	size_t		 n;

	n = runlen;
	memcpy(rest, run, n);
	p[0] = kind;
	p[1] = 0;
	p[2] = (uint8_t)strlen(id);
	memcpy(p + 3, id, strlen(id));
	if (len > 0)
		memcpy(p + 3 + strlen(id), value, len);
	runlen = 0;
	item(tag, p, 3 + strlen(id) + len);
	assert_true(runlen + n <= sizeof(run));
	memcpy(run + runlen, rest, n);
	runlen += n;
}

void
fixture_apply(unsigned int from, unsigned int to)
{
	for (; from < to; from++) {
		fixture_build(from);
		assert_int_equal(apply_batch(&st.store, &st.head, from + 1,
		    run, runlen), APPLY_OK);
	}
}
