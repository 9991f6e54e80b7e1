/* SPDX-License-Identifier: ISC */
/*
 * The ledger without its process: batches, what it notices at start, the
 * export, the stream for auditverify.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "regress/unit/store/fixture.h"

/* Another connection, as somebody with a shell would use it. */
static void
tamper(const char *sql)
{
	sqlite3	*db;
	char	*err;

	err = NULL;
	assert_int_equal(sqlite3_open(LEDGER_DB, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &err) != SQLITE_OK)
		fail_msg("%s: %s", sql, err);
	assert_true(sqlite3_changes(db) > 0);
	sqlite3_close(db);
}

static void
flip(const char *path, off_t at)
{
	uint8_t	 c;
	int	 fd;

	fd = open(path, O_RDWR);
	assert_true(fd != -1);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* Another bit in a row of meta, so far from its start or, below 0, its end. */
static void
bend(const char *key, int at)
{
	sqlite3_stmt	*q;
	sqlite3		*db;
	uint8_t		 v[8192];
	int		 len;

	assert_int_equal(sqlite3_open(LEDGER_DB, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT value FROM meta "
	    "WHERE key = ?1", -1, &q, NULL), SQLITE_OK);
	sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	len = sqlite3_column_bytes(q, 0);
	assert_true(len <= (int)sizeof(v));
	memcpy(v, sqlite3_column_blob(q, 0), (size_t)len);
	sqlite3_finalize(q);
	v[at < 0 ? len + at : at] ^= 1;
	assert_int_equal(sqlite3_prepare_v2(db, "UPDATE meta SET value = ?2 "
	    "WHERE key = ?1", -1, &q, NULL), SQLITE_OK);
	sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob(q, 2, v, len, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(q), SQLITE_DONE);
	sqlite3_finalize(q);
	sqlite3_close(db);
}

/* ---- tests ---- */
static void
commits(void **state)
{
	struct store_row	 r;
	unsigned int		 k;

	(void)state;
	fixture_fresh();
	model_init(&m, 1, 200);
	model_build(&m);
	assert_int_equal(fixture_start(), 0);
	assert_int_equal(st.head.batch, 0);
	fixture_apply(0, m.commits - 1);
	fixture_stop();
	assert_int_equal(fixture_start(), 0);
	k = m.commits - 1;
	assert_int_equal(st.head.batch, k);
	assert_int_equal(st.head.tree.size, m.commit[k - 1].size);
	/* sent again: known by its note; another is not */
	fixture_build(k - 1);
	assert_int_equal(apply_same(&st.head, run, runlen), 0);
	fixture_build(k);
	assert_int_equal(apply_same(&st.head, run, runlen), -1);
	/* state: the last value of the row that every batch wrote */
	assert_int_equal(store_each(&st.store, SS_STATES, 0), 0);
	assert_int_equal(store_next(&st.store, SS_STATES, &r), 1);
	while (r.idlen != 1 || r.id[0] != 'n')
		assert_int_equal(store_next(&st.store, SS_STATES, &r), 1);
	assert_int_equal(r.n, 5);
	assert_int_equal(r.data[r.len - 1], (uint8_t)(k - 1));
	store_done(&st.store, SS_STATES);
	fixture_stop();
	fixture_wipe();
}

/* A batch that does not add up leaves nothing behind. */
static void
malformed(void **state)
{
	struct head	 before;
	size_t		 at;

	(void)state;
	fixture_fresh();
	model_init(&m, 2, 60);
	model_build(&m);
	assert_int_equal(fixture_start(), 0);
	fixture_apply(0, 3);
	before = st.head;
	fixture_build(3);
	for (at = 0; at < runlen; at += 7) {
		run[at] ^= 0x10;
		/* a state row may say anything; the note's signature is the
		 * broker's to check */
		if (apply_batch(&st.store, &st.head, 4, run, runlen) ==
		    APPLY_OK)
			break;
		assert_memory_equal(&before, &st.head, sizeof(before));
		run[at] ^= 0x10;
	}
	assert_true(at > m.entry[m.commit[2].size].len);
	fixture_stop();
	assert_int_equal(fixture_start(), 0);
	fixture_stop();
	fixture_wipe();
	fixture_fresh();
	assert_int_equal(fixture_start(), 0);
	fixture_build(0);
	for (at = 0; at < runlen; at += 3)
		assert_int_equal(apply_batch(&st.store, &st.head, 1, run, at),
		    APPLY_MALFORMED);
	assert_int_equal(st.head.tree.size, 0);
	fixture_apply(0, 1);
	fixture_stop();
	fixture_wipe();
}

static void
second_opener(void **state)
{
	struct store	 other;

	(void)state;
	fixture_fresh();
	assert_int_equal(fixture_start(), 0);
	assert_int_equal(store_open(&other, LEDGER_DB), -1);
	assert_non_null(strstr(other.why, "another process"));
	assert_int_equal(store_broken(&other), 0);
	store_close(&other);
	fixture_stop();
	fixture_wipe();
}

/* Every change that a start must notice, on a log with bundles and a rest. */
static void
noticed(void **state)
{
	static const char *const	 sql[] = {
		"UPDATE entry SET leaves = X'a100' WHERE seq = "
		    "(SELECT max(seq) FROM entry WHERE seq <= 530)",
		"UPDATE entry SET leaves = X'' WHERE seq = "
		    "(SELECT max(seq) FROM entry)",
		"UPDATE entry SET leaves = (SELECT leaves FROM entry ORDER BY "
		    "seq LIMIT 1) WHERE seq = (SELECT max(seq) FROM entry)",
		"DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)",
		"DELETE FROM entry WHERE seq = 512",
		"DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry "
		    "WHERE seq < 560)",
		"DELETE FROM entry",
		"INSERT INTO entry SELECT 600, leaves FROM entry "
		    "WHERE seq = 512",
		"INSERT INTO checkpoint VALUES(700, X'00')",
		"INSERT INTO checkpoint SELECT 599, CAST(substr(value, 75, "
		    "200) AS BLOB) FROM meta WHERE key = 'commit'",
		"UPDATE meta SET value = zeroblob(72) WHERE key = 'commit'",
		"UPDATE meta SET value = zeroblob(length(value)) "
		    "WHERE key = 'commit'",
		"UPDATE meta SET value = substr(value, 1, length(value) - 32) "
		    "WHERE key = 'commit'",
		"UPDATE meta SET value = substr(value, 1, length(value) - 32) "
		    "WHERE key = 'export'",
		"UPDATE meta SET value = zeroblob(88) WHERE key = 'export'",
		"DELETE FROM meta WHERE key = 'commit'",
		"DELETE FROM meta WHERE key = 'export'",
	};
	static const char *const	 files[] = {
		"export/tile/entries/001", "export/tile/1/000.p/2",
		"export/checkpoint", NULL, "export/checkpoints"
	};
	/* root, leaf, length of the note, range; leaf, bundle, range */
	static const struct {
		const char	*key;
		int		 at;
	} bits[] = {
		{ "commit", 8 }, { "commit", 40 }, { "commit", 73 },
		{ "commit", -1 }, { "export", 7 }, { "export", 24 },
		{ "export", 56 }, { "export", -1 }
	};
	size_t				 i;

	(void)state;
	model_init(&m, 3, 600);
	model_build(&m);
	for (i = 0; i < nitems(sql) + nitems(files) + nitems(bits); i++) {
		fixture_fresh();
		assert_int_equal(fixture_start(), 0);
		fixture_apply(0, m.commits / 2);
		assert_int_equal(bundle_export(&st.bundle, &st.store,
		    &st.head), 0);
		fixture_apply(m.commits / 2, m.commits);
		assert_int_equal(bundle_export(&st.bundle, &st.store,
		    &st.head), 0);
		fixture_stop();
		assert_int_equal(fixture_start(), 0);
		fixture_stop();
		if (i < nitems(sql))
			tamper(sql[i]);
		else if (i >= nitems(sql) + nitems(files))
			bend(bits[i - nitems(sql) - nitems(files)].key,
			    bits[i - nitems(sql) - nitems(files)].at);
		else if (files[i - nitems(sql)] == NULL)
			assert_int_equal(unlink("export/checkpoint"), 0);
		else if (i + 1 == nitems(sql) + nitems(files))
			assert_int_equal(truncate(files[i - nitems(sql)], 99),
			    0);
		else
			flip(files[i - nitems(sql)], 30);
		if (fixture_start() != -1)
			fail_msg("change %zu was not noticed", i);
		assert_true(st.why[0] != '\0');
		fixture_stop();
		fixture_wipe();
	}
}

/* A restored backup is an older database beside a newer export. */
static void
old_copy(void **state)
{
	(void)state;
	fixture_fresh();
	model_init(&m, 4, 600);
	model_build(&m);
	assert_int_equal(fixture_start(), 0);
	fixture_apply(0, m.commits / 2);
	fixture_stop();
	assert_int_equal(system("cp ledger/ledger.db old.db"), 0);
	assert_int_equal(fixture_start(), 0);
	fixture_apply(m.commits / 2, m.commits);
	assert_int_equal(bundle_export(&st.bundle, &st.store, &st.head), 0);
	fixture_stop();
	assert_int_equal(system("cp old.db ledger/ledger.db"), 0);
	assert_int_equal(fixture_start(), -1);
	assert_non_null(strstr(st.why, "old copy"));
	fixture_stop();
	fixture_wipe();
}

static void
intact(struct source *s, uint64_t entries)
{
	struct remember	 none;
	struct judge	*j;
	struct rec	 r;

	memset(&none, 0, sizeof(none));
	j = judge_new(m.pin, &none);
	do {
		s->next(s->arg, &r);
		if (r.kind == REC_FAIL)
			fail_msg("source: %s", r.why);
	} while (judge_take(j, &r) == 0);
	s->close(s->arg);
	if (j->fault != FAULT_NONE)
		fail_msg("%s at %llu: %s", judge_fault_name(j->fault),
		    (unsigned long long)j->bad, j->why);
	assert_int_equal(j->chain.next, entries);
	assert_int_equal(j->covered, entries);
	judge_free(j);
}

static int64_t
scalar(const char *sql)
{
	sqlite3_stmt	*q;
	sqlite3		*db;
	int64_t		 v;

	assert_int_equal(sqlite3_open(LEDGER_DB, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return v;
}

/* Export and stream of a log that was exported at many sizes. */
static void
exported(void **state)
{
	struct source	 s;
	unsigned int	 k;
	int		 fd;

	(void)state;
	fixture_fresh();
	model_init(&m, 5, 600);
	model_build(&m);
	assert_int_equal(fixture_start(), 0);
	for (k = 0; k < m.commits; k++) {
		fixture_apply(k, k + 1);
		if (k % 5 == 4 && k + 7 < m.commits) {
			assert_int_equal(bundle_export(&st.bundle, &st.store,
			    &st.head), 0);
			assert_int_equal(exportdir_open(&s, "export"), 0);
			intact(&s, st.head.tree.size);
		}
		if (k % 40 == 17) {
			fixture_stop();
			assert_int_equal(fixture_start(), 0);
		}
	}
	fd = open("dump", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (stream_all(&st.store, &st.head, st.exportdir, fd, st.why,
	    sizeof(st.why)) == -1)
		fail_msg("%s", st.why);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(dumppipe_fd(&s, fd), 0);
	intact(&s, 600);
	assert_int_equal(bundle_export(&st.bundle, &st.store, &st.head), 0);
	assert_int_equal(exportdir_open(&s, "export"), 0);
	intact(&s, 600);
	fixture_stop();
	assert_int_equal(scalar("SELECT min(seq) FROM entry"), 512);
	assert_int_equal(scalar("SELECT max(seq) > 512 AND max(seq) < 600 "
	    "FROM entry"), 1);
	assert_int_equal(scalar("SELECT count(*) FROM checkpoint"), 0);
	assert_int_equal(access("export/tile/entries/002.p/88", F_OK), 0);
	assert_int_equal(access("export/tile/entries/001.p", F_OK), -1);
	assert_int_equal(access("export/tile/1/000.p/1", F_OK), -1);
	assert_int_equal(fixture_start(), 0);
	fixture_stop();
	fixture_wipe();
}

/*
 * Exports in steps between commits, without partial tiles, some of which a
 * restart cuts off: whatever is under a checkpoint can be verified at each
 * end, and the log that stands still has all its tiles.
 */
static void
stepped(void **state)
{
	struct source	 s;
	unsigned int	 k, ends, cut;

	(void)state;
	fixture_fresh();
	model_init(&m, 9, 700);
	model_build(&m);
	assert_int_equal(fixture_start(), 0);
	ends = cut = 0;
	for (k = 0; k < m.commits; k++) {
		fixture_apply(k, k + 1);
		if (st.bundle.step == 0 &&
		    st.head.tree.size - st.head.exported < 50)
			continue;
		if (st.bundle.step == 0)
			bundle_begin(&st.bundle, &st.head, 1);
		switch (bundle_step(&st.bundle, &st.store, &st.head)) {
		case -1:
			fail_msg("%s", st.bundle.why);
			break;
		case 0:
			ends++;
			assert_true(bundle_due(&st.bundle, &st.head));
			assert_int_equal(exportdir_open(&s, "export"), 0);
			intact(&s, st.head.exported);
		}
		if (k % 37 != 36)
			continue;
		cut += st.bundle.step != 0;
		fixture_stop();
		if (fixture_start() == -1)
			fail_msg("%s", st.why);
	}
	assert_true(ends > 2);
	assert_true(cut > 2);
	assert_int_equal(access("export/tile/1/000.p/2", F_OK), -1);
	assert_int_equal(bundle_export(&st.bundle, &st.store, &st.head), 0);
	assert_false(bundle_due(&st.bundle, &st.head));
	assert_int_equal(access("export/tile/1/000.p/2", F_OK), 0);
	assert_int_equal(access("export/tile/0/002.p/188", F_OK), 0);
	assert_int_equal(exportdir_open(&s, "export"), 0);
	intact(&s, 700);
	fixture_stop();
	assert_int_equal(scalar("SELECT count(*) FROM checkpoint"), 0);
	assert_int_equal(scalar("SELECT min(seq) FROM entry"), 512);
	fixture_wipe();
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(commits),
		cmocka_unit_test(malformed),
		cmocka_unit_test(second_opener),
		cmocka_unit_test(noticed),
		cmocka_unit_test(old_copy),
		cmocka_unit_test(exported),
		cmocka_unit_test(stepped),
		cmocka_unit_test(live_link),
		cmocka_unit_test(live_numbers),
		cmocka_unit_test(live_pages),
		cmocka_unit_test(live_faults),
		cmocka_unit_test(live_lie),
	};

	if (sodium_init() == -1)
		return 1;
	setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 0);
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
