/* SPDX-License-Identifier: ISC */
/*
 * The role export on a made-up log: every entry once in both orders, in slices
 * of a bundle; filters; what is not there; a run that finds the log in order,
 * one that a growing log does not disturb, one that finds a flipped bit.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/msg.h"
#include "common/ipc/proto.h"
#include "keybrokerd/export/export.h"
#include "regress/unit/auditverify/model.h"

#define N	700

static struct model	 m;
static char		 dir[64];
static int		 dirfd_;
static struct shelf	 shelf;
static struct walk	 walk;
static struct msglink	 up, down;	/* export's end, the broker's */

/* What the broker heard of one question. */
static struct {
	uint64_t	 index[N];
	size_t		 n;
	uint64_t	 first, end;
	uint8_t		 ok;
	char		 why[256];
	int		 done;
	uint8_t		 fault;
	uint64_t	 size, bad;
	uint8_t		 root[32];
	size_t		 notelen;
} got;

static int
hear(void *arg, struct msgr *r, int fd)
{
	const uint8_t	*p;
	char		 key[32];
	uint64_t	 i;
	size_t		 len;

	(void)arg;
	(void)fd;
	assert_int_equal(msg_get_u32(r), 7);
	switch (r->type) {
	case M_ROW:
		i = msg_get_u64(r);
		msg_get_str(r, key, sizeof(key));
		(void)msg_get_blob(r, 32, &len);
		p = msg_get_blob(r, MSG_MAX, &len);
		assert_int_equal(len, m.entry[i].len);
		assert_memory_equal(p, m.entry[i].p, len);
		got.index[got.n++] = i;
		break;
	case M_QUERIED:
		got.first = msg_get_u64(r);
		got.end = msg_get_u64(r);
		got.ok = msg_get_u8(r);
		msg_get_str(r, got.why, sizeof(got.why));
		got.done = 1;
		break;
	default:
		assert_int_equal(r->type, M_CHECKED);
		got.fault = msg_get_u8(r);
		got.size = msg_get_u64(r);
		msg_get_raw(r, got.root, 32);
		got.bad = msg_get_u64(r);
		(void)msg_get_u64(r);
		(void)msg_get_u64(r);
		msg_get_str(r, got.why, sizeof(got.why));
		(void)msg_get_blob(r, 8192, &got.notelen);
		got.done = 1;
	}
	assert_int_equal(msg_end(r), 0);
	return 0;
}

/* Everything that export has queued. */
static void
drain(void)
{
	int	 r;

	do {
		r = msglink_flush(&up);
		assert_int_not_equal(r, -1);
		while (msglink_read(&down, 64, hear, NULL) > 0)
			;
	} while (r == 1);
}

static int
ask(uint64_t first, uint64_t end, int oldest, uint64_t since,
    const char *type)
{
	struct msgw	 w;
	struct msgr	 r;
	int		 rc;

	msg_open(&w, M_QUERY);
	msg_put_u32(&w, 7);
	msg_put_u64(&w, first);
	msg_put_u64(&w, end);
	msg_put_u8(&w, (uint8_t)oldest);
	msg_put_u64(&w, since);
	msg_put_str(&w, type);
	memset(&r, 0, sizeof(r));
	r.type = M_QUERY;
	r.p = w.buf;
	r.len = w.len;
	got.done = 0;
	rc = query_run(&shelf, &r, &up);
	drain();
	return rc;
}

static void
open_log(uint64_t n)
{
	char	 cmd[128];
	int	 fd[2];

	model_init(&m, 3, n);
	model_build(&m);
	if (dir[0] == '\0') {
		strlcpy(dir, "/tmp/export.XXXXXX", sizeof(dir));
		assert_non_null(mkdtemp(dir));
		assert_int_equal(msg_pair(fd), 0);
		msglink_init(&up, fd[0], EXPORT_QUEUE);
		msglink_init(&down, fd[1], 0);
	} else {
		snprintf(cmd, sizeof(cmd), "rm -rf %s/*", dir);
		assert_int_equal(system(cmd), 0);
		close(dirfd_);
		shelf_free(&shelf);
	}
	model_export(&m, dir);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(dirfd_, -1);
	shelf_init(&shelf, dirfd_);
	walk_init(&walk, dirfd_);
	memset(&got, 0, sizeof(got));
}

static void
test_orders(void **state)
{
	uint64_t	 at, i;
	int		 slices;

	(void)state;
	open_log(N);
	for (at = slices = 0; at < N; at = got.first, slices++) {
		assert_int_equal(ask(at, N, 1, 0, ""), 0);
		assert_true(got.done && got.ok && got.end == N);
	}
	assert_int_equal(slices, 3);
	assert_int_equal(got.n, N);
	for (i = 0; i < N; i++)
		assert_int_equal(got.index[i], i);
	got.n = 0;
	for (at = N, slices = 0; at > 10; at = got.end, slices++) {
		assert_int_equal(ask(10, at, 0, 0, ""), 0);
		assert_true(got.done && got.ok && got.first == 10);
	}
	assert_int_equal(slices, 3);
	assert_int_equal(got.n, N - 10);
	for (i = 0; i < got.n; i++)
		assert_int_equal(got.index[i], N - 1 - i);
}

static void
test_filters(void **state)
{
	size_t	 i, n;

	(void)state;
	open_log(N);
	assert_int_equal(ask(0, 256, 1, 0, "call.intent"), 0);
	for (i = n = 0; i < 256; i++)
		n += m.plan[i].type == ET_CALL_INTENT;
	assert_true(n > 0 && got.n == n);
	got.n = 0;
	assert_int_equal(ask(0, 256, 1, m.plan[200].wall, ""), 0);
	for (i = n = 0; i < 256; i++)
		n += m.plan[i].wall >= m.plan[200].wall;
	assert_int_equal(got.n, n);
	assert_int_equal(ask(5, 5, 1, 0, ""), -1);
}

static void
test_absent(void **state)
{
	char	 path[128];
	int	 fd;

	(void)state;
	open_log(N);
	assert_int_equal(ask(N - 3, N + 5, 1, 0, ""), 0);
	assert_int_equal(got.n, 3);
	assert_true(got.done && !got.ok && got.first == N);
	assert_non_null(strstr(got.why, "entry 700: it is not in"));
	snprintf(path, sizeof(path), "%s/tile/entries/001", dir);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "\xff\xff", 2, 0), 2);
	close(fd);
	shelf_free(&shelf);
	shelf_init(&shelf, dirfd_);
	assert_int_equal(ask(256, 300, 1, 0, ""), 0);
	assert_true(!got.ok && got.first == 256);
	assert_non_null(strstr(got.why, "damaged"));
}

/* A whole run of the walk; each slice in one turn. */
static void
run(const uint8_t *pin)
{
	struct msgw	 w;
	struct msgr	 r;

	msg_open(&w, M_CHECK);
	msg_put_u32(&w, 7);
	msg_put_raw(&w, pin, 32);
	memset(&r, 0, sizeof(r));
	r.type = M_CHECK;
	r.p = w.buf;
	r.len = w.len;
	assert_int_equal(walk_check(&walk, &r), 0);
	got.done = 0;
	while (!got.done) {
		assert_int_equal(walk_turn(&walk, 1, &up), 0);
		drain();
	}
}

static void
test_intact(void **state)
{
	struct tree	 t;
	uint8_t		 root[32], leaf[32];
	size_t		 i;

	(void)state;
	open_log(N);
	run(m.pin);
	assert_string_equal(got.why, "");
	assert_int_equal(got.fault, FAULT_NONE);
	assert_int_equal(got.size, N);
	assert_true(got.notelen > 0);
	tree_init(&t);
	for (i = 0; i < N; i++) {
		chain_leaf(m.entry[i].p, m.entry[i].len, leaf);
		tree_append(&t, leaf);
	}
	tree_root(&t, root);
	assert_memory_equal(root, got.root, 32);
	m.pin[0] ^= 1;
	run(m.pin);
	assert_int_equal(got.fault, FAULT_KEY);
}

/* The log of 700 that still has the checkpoint of one of its commits. */
static void
test_grows(void **state)
{
	char		 path[128];
	unsigned int	 k;
	int		 fd;

	(void)state;
	open_log(N);
	for (k = 0; k < m.commits && m.commit[k].size < 300; k++)
		;
	snprintf(path, sizeof(path), "%s/checkpoint", dir);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, m.note[k], m.notelen[k]), m.notelen[k]);
	close(fd);
	run(m.pin);
	assert_string_equal(got.why, "");
	assert_int_equal(got.size, m.commit[k].size);
}

static void
test_flipped(void **state)
{
	char	 path[128];
	uint8_t	 c;
	off_t	 at;
	size_t	 i;
	int	 fd;

	(void)state;
	open_log(N);
	for (at = 0, i = 256; i < 300; i++)
		at += 2 + (off_t)m.entry[i].len;
	at += 2 + (off_t)m.entry[300].len - 1;
	snprintf(path, sizeof(path), "%s/tile/entries/001", dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
	run(m.pin);
	assert_int_equal(got.fault, FAULT_TAMPER);
	assert_int_equal(got.bad, 300);
	assert_non_null(strstr(got.why, "TAMPER: entry 300: "));
}

static void
test_empty(void **state)
{
	char	 cmd[128];

	(void)state;
	open_log(10);
	snprintf(cmd, sizeof(cmd), "rm -rf %s/*", dir);
	assert_int_equal(system(cmd), 0);
	run(m.pin);
	assert_int_equal(got.fault, FAULT_NONE);
	assert_int_equal(got.size, 0);
	assert_int_equal(got.notelen, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	assert_int_equal(system(cmd), 0);
	shelf_free(&shelf);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_intact),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_empty),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
