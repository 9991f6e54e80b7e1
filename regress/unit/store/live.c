/* SPDX-License-Identifier: ISC */
/*
 * The role's own code on a link, and every point at which storage can begin
 * to fail under it.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/text/sha256.h"
#include "regress/unit/store/fixture.h"
#include "regress/unit/store/vfs_fault.h"

#define FAULT_BATCHES	50
#ifdef FLAVOUR_ASAN
#define FEW	1
#else
#define FEW	0
#endif

/* ---- the role's own code on a link ---- */
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
	fixture_tree(m.commit[k].size, &t);
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

void
live_link(void **state)
{
	struct msglink	 b;
	struct msgr	 r;
	unsigned int	 i;
	int		 fd[2];

	(void)state;
	fixture_fresh();
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
			fixture_build((unsigned int)led.head.batch);
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
	assert_int_equal(fixture_start(), 0);
	assert_int_equal(st.head.exported, st.head.tree.size);
	fixture_stop();
	fixture_wipe();
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
		fixture_build(k);
		send_run(&b, number);
		(void)ledger_read(&led);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

void
live_numbers(void **state)
{
	int	 s;

	(void)state;
	fixture_fresh();
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
	assert_int_equal(fixture_start(), 0);
	assert_int_equal(st.head.batch, 2);
	fixture_stop();
	fixture_wipe();
}

/* ---- rows that DELTA does not have ---- */
#define COLD	600

static uint8_t	pageof[2 * PAGE_BYTES];
static size_t	pagelen;

static int
hear_page(void *arg, struct msgr *r, int fd)
{
	int	*last;

	last = arg;
	assert_int_equal(fd, -1);
	if (r->type != M_PAGED)
		return 0;
	assert_int_equal(msg_get_u32(r), 7);
	(void)msg_get_u16(r);
	*last = msg_get_u8(r);
	assert_true(pagelen + r->len - r->off <= sizeof(pageof));
	memcpy(pageof + pagelen, r->p + r->off, r->len - r->off);
	pagelen += r->len - r->off;
	return 0;
}

/* One page behind id, which moves on; how many rows.  total and looked. */
static unsigned int
page(struct msglink *b, int exact, char id[64], const char *leave,
    uint16_t rows, uint32_t bytes, uint64_t *total, uint32_t *looked)
{
	struct msgw	 w;
	struct msgr	 r;
	unsigned int	 n;
	int		 last;

	msg_open(&w, M_PAGE);
	msg_put_u32(&w, 7);
	msg_put_u8(&w, ST_VALUE);
	msg_put_u8(&w, (uint8_t)exact);
	msg_put_str(&w, id);
	msg_put_str(&w, leave);
	msg_put_u16(&w, rows);
	msg_put_u32(&w, bytes);
	assert_int_equal(msg_send(b, &w, -1), 0);
	assert_int_equal(msglink_flush(b), 0);
	pagelen = 0;
	last = 0;
	while (!last) {
		(void)ledger_read(&led);
		assert_true(msglink_read(b, 16, hear_page, &last) >= 0);
	}
	msg_read(&r, M_PAGED, pageof, pagelen);
	for (n = 0; msg_get_u8(&r) == 'S'; n++)
		r.off += 4 + (size_t)(pageof[r.off] << 24 |
		    pageof[r.off + 1] << 16 | pageof[r.off + 2] << 8 |
		    pageof[r.off + 3]);
	assert_int_equal(pageof[r.off - 1], 'N');
	(void)msg_get_u32(&r);
	*total = msg_get_u64(&r);
	*looked = msg_get_u32(&r);
	memcpy(id, pageof + r.off, pagelen - r.off);
	id[pagelen - r.off] = '\0';
	return n;
}

static void
store_cold(struct msglink *b, unsigned int k, unsigned int from,
    unsigned int to, const char *value)
{
	static char	 text[400];
	char		 id[16];
	unsigned int	 i;

	memset(text, 'x', sizeof(text));
	memcpy(text, value, strlen(value));
	fixture_build(k);
	for (i = from; i < to; i++) {
		snprintf(id, sizeof(id), "key/%04u", i);
		fixture_row(*value == '\0' ? 'D' : 'S', ST_VALUE, id, text,
		    *value == '\0' ? 0 : sizeof(text));
	}
	send_run(b, k + 1);
	heard.n = 0;
	while (heard.n == 0 || heard.type[heard.n - 1] != M_COMMITTED) {
		(void)ledger_read(&led);
		msglink_read(b, 16, hear, &heard);
	}
}

void
live_pages(void **state)
{
	char		 id[64];
	struct msglink	 b;
	uint64_t	 total;
	uint32_t	 looked;
	unsigned int	 n, all, i;
	int		 fd[2];

	(void)state;
	fixture_fresh();
	model_init(&m, 12, 100);
	model_build(&m);
	open_ledger();
	assert_int_equal(msg_pair(fd), 0);
	msglink_init(&b, fd[0], 0);
	ledger_peer(&led, fd[1]);
	for (i = 0; i < 4; i++)
		store_cold(&b, i, i * COLD / 4, (i + 1) * COLD / 4, "v1:old:");
	store_cold(&b, 4, 0, 100, "v1:new:");	/* no new rows */
	strcpy(id, "");
	/* what is left out is looked at, and not told */
	n = page(&b, 0, id, "v1:new:", 10, PAGE_BYTES, &total, &looked);
	assert_int_equal(n, 10);
	assert_int_equal(total, COLD);
	assert_int_equal(looked, 110);
	assert_string_equal(id, "key/0109");
	/* all of it, each row once, in pieces of one packet */
	strcpy(id, "");
	all = 0;
	do
		all += page(&b, 0, id, "", 1000, PAGE_BYTES, &total, &looked);
	while (id[0] != '\0');
	assert_int_equal(all, COLD);
	/* bytes end a page; at least one row is there */
	strcpy(id, "");
	assert_int_equal(page(&b, 0, id, "", 1000, 1, &total, &looked), 1);
	/* one row; one that is not there */
	strcpy(id, "key/0123");
	assert_int_equal(page(&b, 1, id, "", 1, PAGE_BYTES, &total,
	    &looked), 1);
	assert_string_equal(id, "");
	strcpy(id, "key/9999");
	assert_int_equal(page(&b, 1, id, "", 1, PAGE_BYTES, &total,
	    &looked), 0);
	store_cold(&b, 5, 0, 50, "");
	store_cold(&b, 6, 0, 50, "");		/* they are gone already */
	strcpy(id, "");
	page(&b, 0, id, "", 1, PAGE_BYTES, &total, &looked);
	assert_int_equal(total, COLD - 50);
	/* a new broker is not told of them; a new ledger counts them */
	assert_int_equal(msg_pair(fd), 0);
	ledger_peer(&led, fd[1]);
	msglink_close(&b);
	msglink_init(&b, fd[0], 0);
	heard.n = 0;
	while (heard.n < 2)
		assert_true(msglink_read(&b, 16, hear, &heard) >= 0);
	for (i = 1; i < heard.n; i++)
		assert_true(heard.len[i] < 400);
	msglink_close(&b);
	ledger_close(&led);
	open_ledger();
	assert_int_equal(led.store.cold, COLD - 50);
	ledger_close(&led);
	fixture_wipe();
}

/* ---- failing storage ---- */
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
		fixture_build(k);
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
		while (ledger_idle(&led, UINT64_MAX - 1) == 0)
			continue;
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

	fixture_fresh();
	memset(shared, 0, sizeof(*shared));
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0)
		doomed(at, how);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* It aborts; what was acknowledged is there; the log goes on. */
static void
one_fault(unsigned long n, enum vfs_fault how)
{
	static const char	*names[] = { "EIO", "ENOSPC", "torn write",
		"power cut" };
	int			 status;

	status = life(n, how);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("%s at %lu: status %x, not aborted", names[how], n,
		    (unsigned int)status);
	if (fixture_start() == -1)
		fail_msg("%s at %lu: %s", names[how], n, st.why);
	/* the one in flight may be there */
	if (st.head.batch < shared->acked ||
	    st.head.batch > shared->acked + 1)
		fail_msg("%s at %lu: %llu acknowledged, %llu there",
		    names[how], n, (unsigned long long)shared->acked,
		    (unsigned long long)st.head.batch);
	if (st.head.batch > 0)
		assert_int_equal(st.head.tree.size,
		    m.commit[st.head.batch - 1].size);
	fixture_apply((unsigned int)st.head.batch,
	    (unsigned int)st.head.batch + 1);
	assert_int_equal(bundle_export(&st.bundle, &st.store, &st.head), 0);
	fixture_stop();
	fixture_wipe();
}

void
live_faults(void **state)
{
	unsigned long	 n, total;
	enum vfs_fault	 how;
	int		 status;

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
	fixture_wipe();
	print_message("# %lu operations change storage in %d batches\n", total,
	    FAULT_BATCHES);
	/* one write and one flush each, and the housekeeping */
	assert_true(total > FAULT_BATCHES * 2);
	/* each kind at each operation; with ASan's slow forks one of them */
	for (n = 1; n <= total; n++)
		for (how = VFS_EIO; how <= VFS_CUT; how++)
			if (!FEW || n % 4 == how)
				one_fault(n, how);
}

/* A disk that lies loses what was acknowledged, and the test sees it. */
void
live_lie(void **state)
{
	unsigned long	 n, lost;
	int		 status;

	(void)state;
	lost = 0;
	for (n = 31; n <= 121; n += 30) {
		status = life(n, VFS_LIE);
		assert_true(WIFSIGNALED(status));
		assert_true(shared->acked > 0);
		lost += fixture_start() == -1 ||
		    st.head.batch < shared->acked;
		fixture_stop();
		fixture_wipe();
	}
	assert_int_equal(lost, 4);
}
