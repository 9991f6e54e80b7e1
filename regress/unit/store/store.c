/* SPDX-License-Identifier: ISC */
/*
 * The ledger without its process: batches, what it notices at start, the
 * export, the stream for auditverify, the broker's link, and every point at
 * which storage can begin to fail.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/text/sha256.h"
#include "keybrokerd/ledger/ledger.h"
#include "regress/unit/auditverify/model.h"
#include "regress/unit/store/vfs_fault.h"

#define FAULT_BATCHES	50

static struct model	m;
static char		dir[64];
static uint8_t		run[LEDGER_RUN];
static size_t		runlen;

/* A state directory that is open. */
struct state {
	struct store	 store;
	struct head	 head;
	struct bundle	 bundle;
	int		 exportdir;
	char		 why[300];
};

static struct state	st;

/* ---- directories --------------------------------------------------------------- */
static int
rm(const char *path, const struct stat *sb, int flag, struct FTW *ftw)
{
	(void)sb;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void
wipe(void)
{
	assert_int_equal(chdir("/"), 0);
	nftw(dir, rm, 16, FTW_DEPTH | FTW_PHYS);
}

static void
fresh(void)
{
	/* thousands of flushes: no device needs to see them */
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/store.XXXXXX" :
	    "/tmp/store.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("ledger", 0700), 0);
	assert_int_equal(mkdir("export", 0700), 0);
}

/* 0, or -1 with st.why: as the role does it at start. */
static int
start(void)
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

static void
stop(void)
{
	store_close(&st.store);
	close(st.exportdir);
}

/* ---- batches -------------------------------------------------------------------- */
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

static void
tree_at(uint64_t size, struct tree *t)
{
	uint8_t		 leaf[32];
	uint64_t	 i;

	tree_init(t);
	for (i = 0; i < size; i++) {
		chain_leaf(m.entry[i].p, m.entry[i].len, leaf);
		tree_append(t, leaf);
	}
}

/* The run of commit k, with a state row that counts and one that goes. */
static void
build(unsigned int k)
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
	tree_at(m.commit[k].size, &t);
	len = tree_pack(&t, range, sizeof(range));
	item('R', range, (size_t)len);
	for (b = 0; b < 8; b++)
		head[b] = (uint8_t)(t.size >> (56 - 8 * b));
	tree_root(&t, head + 8);
	item('H', head, sizeof(head));
	item('C', m.note[k], m.notelen[k]);
}

static void
apply(unsigned int from, unsigned int to)
{
	for (; from < to; from++) {
		build(from);
		assert_int_equal(apply_batch(&st.store, &st.head, from + 1,
		    run, runlen), APPLY_OK);
	}
}

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

/* ---- tests ------------------------------------------------------------------------ */
static void
commits(void **state)
{
	struct store_row	 r;
	unsigned int		 k;

	(void)state;
	fresh();
	model_init(&m, 1, 200);
	model_build(&m);
	assert_int_equal(start(), 0);
	assert_int_equal(st.head.batch, 0);
	apply(0, m.commits - 1);
	stop();
	assert_int_equal(start(), 0);
	k = m.commits - 1;
	assert_int_equal(st.head.batch, k);
	assert_int_equal(st.head.tree.size, m.commit[k - 1].size);
	/* sent again: known by its note; another is not */
	build(k - 1);
	assert_int_equal(apply_same(&st.head, run, runlen), 0);
	build(k);
	assert_int_equal(apply_same(&st.head, run, runlen), -1);
	/* state: the last value of the row that every batch wrote */
	assert_int_equal(store_each(&st.store, SS_STATES, 0), 0);
	assert_int_equal(store_next(&st.store, SS_STATES, &r), 1);
	while (r.idlen != 1 || r.id[0] != 'n')
		assert_int_equal(store_next(&st.store, SS_STATES, &r), 1);
	assert_int_equal(r.n, 5);
	assert_int_equal(r.data[r.len - 1], (uint8_t)(k - 1));
	store_done(&st.store, SS_STATES);
	stop();
	wipe();
}

/* A batch that does not add up leaves nothing behind. */
static void
malformed(void **state)
{
	struct head	 before;
	size_t		 at;

	(void)state;
	fresh();
	model_init(&m, 2, 60);
	model_build(&m);
	assert_int_equal(start(), 0);
	apply(0, 3);
	before = st.head;
	build(3);
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
	stop();
	assert_int_equal(start(), 0);
	stop();
	wipe();
	fresh();
	assert_int_equal(start(), 0);
	build(0);
	for (at = 0; at < runlen; at += 3)
		assert_int_equal(apply_batch(&st.store, &st.head, 1, run, at),
		    APPLY_MALFORMED);
	assert_int_equal(st.head.tree.size, 0);
	apply(0, 1);
	stop();
	wipe();
}

static void
second_opener(void **state)
{
	struct store	 other;

	(void)state;
	fresh();
	assert_int_equal(start(), 0);
	assert_int_equal(store_open(&other, LEDGER_DB), -1);
	assert_non_null(strstr(other.why, "another process"));
	assert_int_equal(store_broken(&other), 0);
	store_close(&other);
	stop();
	wipe();
}

/* Every change that a start must notice, on a log with bundles and a rest. */
static void
noticed(void **state)
{
	static const char *const	 sql[] = {
		"UPDATE entry SET leaf = X'a100' WHERE seq = 530",
		"UPDATE entry SET leaf = (SELECT leaf FROM entry "
		    "WHERE seq = 540) WHERE seq = 541",
		"DELETE FROM entry WHERE seq = 599",
		"DELETE FROM entry WHERE seq = 512",
		"DELETE FROM entry",
		"INSERT INTO entry SELECT 600, leaf FROM entry "
		    "WHERE seq = 599",
		"INSERT INTO checkpoint VALUES(700, X'00')",
		"INSERT INTO checkpoint SELECT 599, value FROM meta "
		    "WHERE key = 'note'",
		"UPDATE meta SET value = zeroblob(72) WHERE key = 'commit'",
		"UPDATE meta SET value = zeroblob(8) WHERE key = 'range'",
		"UPDATE meta SET value = zeroblob(8) WHERE key = 'base'",
		"UPDATE meta SET value = X'00' WHERE key = 'note'",
		"UPDATE meta SET value = zeroblob(88) WHERE key = 'export'",
		"DELETE FROM meta WHERE key = 'commit'",
		"DELETE FROM meta WHERE key = 'export'",
	};
	static const char *const	 files[] = {
		"export/tile/entries/001", "export/tile/1/000.p/2",
		"export/checkpoint", NULL, "export/checkpoints"
	};
	size_t				 i;

	(void)state;
	model_init(&m, 3, 600);
	model_build(&m);
	for (i = 0; i < nitems(sql) + nitems(files); i++) {
		fresh();
		assert_int_equal(start(), 0);
		apply(0, m.commits / 2);
		assert_int_equal(bundle_export(&st.bundle, &st.store,
		    &st.head), 0);
		apply(m.commits / 2, m.commits);
		assert_int_equal(bundle_export(&st.bundle, &st.store,
		    &st.head), 0);
		stop();
		assert_int_equal(start(), 0);
		stop();
		if (i < nitems(sql))
			tamper(sql[i]);
		else if (files[i - nitems(sql)] == NULL)
			assert_int_equal(unlink("export/checkpoint"), 0);
		else if (i + 1 == nitems(sql) + nitems(files))
			assert_int_equal(truncate(files[i - nitems(sql)], 99),
			    0);
		else
			flip(files[i - nitems(sql)], 30);
		if (start() != -1)
			fail_msg("change %zu was not noticed", i);
		assert_true(st.why[0] != '\0');
		stop();
		wipe();
	}
}

/* A restored backup is an older database beside a newer export. */
static void
old_copy(void **state)
{
	(void)state;
	fresh();
	model_init(&m, 4, 600);
	model_build(&m);
	assert_int_equal(start(), 0);
	apply(0, m.commits / 2);
	stop();
	assert_int_equal(system("cp ledger/ledger.db old.db"), 0);
	assert_int_equal(start(), 0);
	apply(m.commits / 2, m.commits);
	assert_int_equal(bundle_export(&st.bundle, &st.store, &st.head), 0);
	stop();
	assert_int_equal(system("cp old.db ledger/ledger.db"), 0);
	assert_int_equal(start(), -1);
	assert_non_null(strstr(st.why, "old copy"));
	stop();
	wipe();
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
	fresh();
	model_init(&m, 5, 600);
	model_build(&m);
	assert_int_equal(start(), 0);
	for (k = 0; k < m.commits; k++) {
		apply(k, k + 1);
		if (k % 5 == 4 && k + 7 < m.commits) {
			assert_int_equal(bundle_export(&st.bundle, &st.store,
			    &st.head), 0);
			assert_int_equal(exportdir_open(&s, "export"), 0);
			intact(&s, st.head.tree.size);
		}
		if (k % 40 == 17) {
			stop();
			assert_int_equal(start(), 0);
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
	stop();
	assert_int_equal(scalar("SELECT min(seq) FROM entry"), 512);
	assert_int_equal(scalar("SELECT count(*) FROM entry"), 88);
	assert_int_equal(scalar("SELECT count(*) FROM checkpoint"), 0);
	assert_int_equal(access("export/tile/entries/002.p/88", F_OK), 0);
	assert_int_equal(access("export/tile/entries/001.p", F_OK), -1);
	assert_int_equal(access("export/tile/1/000.p/1", F_OK), -1);
	assert_int_equal(start(), 0);
	stop();
	wipe();
}

/* ---- the role's own code on a link -------------------------------------------------- */
struct heard {
	uint16_t	 type[64];
	uint8_t		 p[64][MSG_MAX];
	size_t		 len[64];
	unsigned int	 n;
};

static struct heard	heard;

static int
hear(void *arg, struct msgr *r, int fd)
{
	struct heard	*h;

	h = arg;
	assert_int_equal(fd, -1);
	assert_true(h->n < 64);
	h->type[h->n] = r->type;
	memcpy(h->p[h->n], r->p, r->len);
	h->len[h->n++] = r->len;
	return 0;
}

static void
send_run(struct msglink *b, uint64_t number)
{
	struct msgw	 w;
	size_t		 at, n;
	uint16_t	 index;

	index = 0;
	for (at = 0; at < runlen; at += n) {
		n = runlen - at < 4000 ? runlen - at : 4000;
		msg_open(&w, M_BATCH);
		msg_put_u64(&w, number);
		msg_put_u16(&w, index++);
		msg_put_u8(&w, at + n == runlen);
		msg_put_raw(&w, run + at, n);
		assert_int_equal(msg_send(b, &w, -1), 0);
	}
	assert_int_equal(msglink_flush(b), 0);
}

static void
check_committed(uint64_t number, unsigned int k)
{
	struct msgr	 r;
	struct tree	 t;
	uint8_t		 a[32], b[32];

	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.type[0], M_COMMITTED);
	msg_read(&r, M_COMMITTED, heard.p[0], heard.len[0]);
	assert_int_equal(msg_get_u64(&r), number);
	assert_int_equal(msg_get_u64(&r), m.commit[k].size);
	tree_at(m.commit[k].size, &t);
	tree_root(&t, a);
	msg_get_raw(&r, b, 32);
	assert_memory_equal(a, b, 32);
	sha256_buf(m.note[k], m.notelen[k], a);
	msg_get_raw(&r, b, 32);
	assert_memory_equal(a, b, 32);
	(void)msg_get_u8(&r);
	assert_int_equal(msg_end(&r), 0);
	heard.n = 0;
}

static struct ledger	led;

static void
open_ledger(void)
{
	int	 db, ex;

	db = open("ledger", O_RDONLY | O_DIRECTORY);
	ex = open("export", O_RDONLY | O_DIRECTORY);
	ledger_open(&led, LEDGER_DB, db, ex);
}

static void
linked(void **state)
{
	struct msglink	 b;
	struct msgr	 r;
	unsigned int	 i;
	int		 fd[2];

	(void)state;
	fresh();
	model_init(&m, 6, 100);
	model_build(&m);
	open_ledger();
	for (i = 0; i < 2; i++) {
		assert_int_equal(msg_pair(fd), 0);
		msglink_init(&b, fd[0], 0);
		ledger_peer(&led, fd[1]);
		heard.n = 0;
		while (heard.n < 2)
			assert_true(msglink_read(&b, 16, hear, &heard) >= 0);
		assert_int_equal(heard.type[0], M_HELLO);
		msg_read(&r, M_HELLO, heard.p[0], heard.len[0]);
		assert_int_equal(msg_get_u64(&r), i == 0 ? 0 :
		    m.commit[i * 3 - 1].size);
		assert_int_equal(heard.type[1], M_DELTA);
		assert_int_equal(heard.p[1][4], 1);
		assert_int_equal(heard.len[1] > 5, i > 0);
		heard.n = 0;
		for (; led.head.batch < i * 3 + 3;) {
			build((unsigned int)led.head.batch);
			send_run(&b, led.head.batch + 1);
			while (heard.n == 0) {
				(void)ledger_read(&led);
				msglink_read(&b, 16, hear, &heard);
			}
			check_committed(led.head.batch,
			    (unsigned int)led.head.batch - 1);
		}
		/* the same again: answered, not written */
		send_run(&b, led.head.batch);
		(void)ledger_read(&led);
		msglink_read(&b, 16, hear, &heard);
		check_committed(led.head.batch,
		    (unsigned int)led.head.batch - 1);
		if (i == 1)
			msglink_close(&b);
	}
	assert_int_equal(ledger_read(&led), -1);
	ledger_close(&led);
	assert_int_equal(start(), 0);
	assert_int_equal(st.head.exported, st.head.tree.size);
	stop();
	wipe();
}

/* In a child: a number out of order ends the ledger, a status is returned. */
static int
with_number(uint64_t number, unsigned int k)
{
	struct msglink	 b;
	pid_t		 pid;
	int		 fd[2], status;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stderr);
		open_ledger();
		if (msg_pair(fd) == -1)
			_exit(9);
		msglink_init(&b, fd[0], 0);
		ledger_peer(&led, fd[1]);
		build(k);
		send_run(&b, number);
		(void)ledger_read(&led);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
numbers(void **state)
{
	int	 s;

	(void)state;
	fresh();
	model_init(&m, 7, 60);
	model_build(&m);
	s = with_number(1, 0);
	assert_int_equal(s, 0);
	s = with_number(2, 1);
	assert_int_equal(s, 0);
	s = with_number(2, 1);		/* again */
	assert_int_equal(s, 0);
	s = with_number(2, 2);		/* again, other bytes */
	assert_true(WIFEXITED(s) && WEXITSTATUS(s) == 1);
	s = with_number(4, 2);
	assert_true(WIFEXITED(s) && WEXITSTATUS(s) == 1);
	s = with_number(1, 0);
	assert_true(WIFEXITED(s) && WEXITSTATUS(s) == 1);
	assert_int_equal(start(), 0);
	assert_int_equal(st.head.batch, 2);
	stop();
	wipe();
}

/* ---- failing storage ------------------------------------------------------------------ */
struct shared {
	uint64_t	 acked;
	unsigned long	 count;
};

static struct shared	*shared;

/* The role's loop in a child whose storage dies at operation at. */
static void
doomed(unsigned long at, enum vfs_fault how)
{
	struct msglink	 b;
	unsigned int	 k;
	int		 fd[2];

	(void)!freopen("/dev/null", "w", stderr);
	vfs_fault_arm(at, how);
	open_ledger();
	if (msg_pair(fd) == -1)
		_exit(9);
	msglink_init(&b, fd[0], 0);
	ledger_peer(&led, fd[1]);
	for (k = 0; k < FAULT_BATCHES; k++) {
		build(k);
		send_run(&b, k + 1);
		heard.n = 0;
		do {
			(void)ledger_read(&led);
			(void)msglink_read(&b, 16, hear, &heard);
		} while (heard.n == 0 ||
		    heard.type[heard.n - 1] != M_COMMITTED);
		shared->acked = k + 1;
		if (k % 10 != 9)
			continue;
		/* bundles and the WAL's reset as well */
		led.store.frames = LEDGER_WAL;
		(void)ledger_idle(&led, UINT64_MAX - 1);
	}
	shared->count = vfs_fault_count();
	_exit(0);
}

/* One life that ends at operation at; its wait status. */
static int
life(unsigned long at, enum vfs_fault how)
{
	pid_t	 pid;
	int	 status;

	fresh();
	memset(shared, 0, sizeof(*shared));
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		doomed(at, how);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
faults(void **state)
{
	static const char	*names[] = { "EIO", "ENOSPC", "torn write" };
	unsigned long		 n, total;
	int			 status;

	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	model_init(&m, 8, 700);
	model_build(&m);
	status = life(0, VFS_EIO);
	assert_int_equal(status, 0);
	assert_int_equal(shared->acked, FAULT_BATCHES);
	total = shared->count;
	wipe();
	print_message("# %lu operations change storage in %d batches\n", total,
	    FAULT_BATCHES);
	assert_true(total > FAULT_BATCHES * 4);
	for (n = 1; n <= total; n++) {
		status = life(n, (enum vfs_fault)(n % 3));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg("%s at %lu: status %x, not aborted",
			    names[n % 3], n, (unsigned int)status);
		if (start() == -1)
			fail_msg("%s at %lu: %s", names[n % 3], n, st.why);
		/* acknowledged is there; the one in flight may be */
		if (st.head.batch < shared->acked ||
		    st.head.batch > shared->acked + 1)
			fail_msg("%s at %lu: %llu acknowledged, %llu there",
			    names[n % 3], n,
			    (unsigned long long)shared->acked,
			    (unsigned long long)st.head.batch);
		if (st.head.batch > 0)
			assert_int_equal(st.head.tree.size,
			    m.commit[st.head.batch - 1].size);
		/* and it goes on */
		apply((unsigned int)st.head.batch,
		    (unsigned int)st.head.batch + 1);
		assert_int_equal(bundle_export(&st.bundle, &st.store,
		    &st.head), 0);
		stop();
		wipe();
	}
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
		cmocka_unit_test(linked),
		cmocka_unit_test(numbers),
		cmocka_unit_test(faults),
	};

	if (sodium_init() == -1)
		return 1;
	setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 0);
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
