/* SPDX-License-Identifier: ISC */
/*
 * Packets as a hostile peer sends them, and as our own ends do: put and get,
 * coalescing, bounds, descriptors.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/ipc/msg.h"

struct seen {
	int		 count, fds, stop_at;
	uint16_t	 type[4096];
	size_t		 len[4096];
	int		 fd;
	struct msglink	*close_it;
};

static int
on_message(void *arg, struct msgr *r, int fd)
{
	struct seen	*s;

	s = arg;
	s->type[s->count % 4096] = r->type;
	s->len[s->count % 4096] = r->len;
	s->count++;
	if (fd != -1) {
		s->fds++;
		s->fd = fd;
	}
	if (s->close_it != NULL) {
		msglink_close(s->close_it);
		return -1;
	}
	return s->count == s->stop_at ? -1 : 0;
}

static int
open_fds(void)
{
	struct stat	 st;
	int		 i, n;

	for (n = i = 0; i < 256; i++)
		if (fstat(i, &st) == 0)
			n++;
	return n;
}

/* Two links of a pair. */
static void
pair(struct msglink *a, struct msglink *b)
{
	int	 fd[2];

	assert_int_equal(msg_pair(fd), 0);
	msglink_init(a, fd[0], 0);
	msglink_init(b, fd[1], 0);
}

static void
test_put_get(void **state)
{
	struct msgw	 w;
	struct msgr	 r;
	const uint8_t	*p;
	uint8_t		 raw[4];
	char		 str[8];
	size_t		 n;

	(void)state;
	msg_open(&w, 7);
	msg_put_u8(&w, 0x12);
	msg_put_u16(&w, 0x3456);
	msg_put_u32(&w, 0x789abcde);
	msg_put_u64(&w, 0x0102030405060708);
	msg_put_raw(&w, "rawr", 4);
	msg_put_str(&w, "string");
	msg_put_str(&w, NULL);
	msg_put_strn(&w, "a\0b", 3);
	msg_put_blob(&w, "blob", 4);
	assert_int_equal(w.bad, 0);
	assert_memory_equal(w.buf, "\x12\x34\x56\x78\x9a\xbc\xde\1\2\3\4\5\6\7"
	    "\10rawr\0\6string\0\0\0\3a\0b\0\0\0\4blob", w.len);
	msg_read(&r, 7, w.buf, w.len);
	assert_int_equal(msg_get_u8(&r), 0x12);
	assert_int_equal(msg_get_u16(&r), 0x3456);
	assert_int_equal(msg_get_u32(&r), 0x789abcde);
	assert_true(msg_get_u64(&r) == 0x0102030405060708);
	msg_get_raw(&r, raw, 4);
	assert_memory_equal(raw, "rawr", 4);
	assert_int_equal(msg_get_str(&r, str, sizeof(str)), 6);
	assert_string_equal(str, "string");
	assert_int_equal(msg_get_str(&r, str, sizeof(str)), 0);
	assert_string_equal(str, "");
	p = msg_get_strv(&r, 3, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(p, "a\0b", 3);
	p = msg_get_blob(&r, 4, &n);
	assert_int_equal(n, 4);
	assert_memory_equal(p, "blob", 4);
	assert_int_equal(msg_end(&r), 0);
}

/* Every shorter payload is bad at its end, and never read beyond. */
static void
test_truncated(void **state)
{
	struct msgw	 w;
	struct msgr	 r;
	uint8_t		*exact, raw[4];
	char		 str[8];
	size_t		 len, n;

	(void)state;
	msg_open(&w, 1);
	msg_put_u64(&w, 1);
	msg_put_str(&w, "string");
	msg_put_blob(&w, "blob", 4);
	msg_put_raw(&w, "rawr", 4);
	for (len = 0; len <= w.len; len++) {
		exact = malloc(len == 0 ? 1 : len);
		memcpy(exact, w.buf, len);
		msg_read(&r, 1, exact, len);
		(void)msg_get_u64(&r);
		(void)msg_get_str(&r, str, sizeof(str));
		(void)msg_get_blob(&r, 100, &n);
		msg_get_raw(&r, raw, 4);
		assert_int_equal(msg_end(&r), len == w.len ? 0 : -1);
		if (len < w.len) {
			assert_int_equal(errno, EBADMSG);
			assert_int_equal(msg_get_u8(&r), 0);
		}
		free(exact);
	}
	/* One byte more is as wrong. */
	msg_put_u8(&w, 0);
	msg_read(&r, 1, w.buf, w.len);
	r.off = w.len - 1;
	assert_int_equal(msg_end(&r), -1);
}

static void
test_string_bounds(void **state)
{
	struct msgw	 w;
	struct msgr	 r;
	char		 str[6];
	size_t		 n;

	(void)state;
	msg_open(&w, 1);
	msg_put_str(&w, "sixsix");
	msg_read(&r, 1, w.buf, w.len);
	assert_int_equal(msg_get_str(&r, str, sizeof(str)), 0);
	assert_string_equal(str, "");
	assert_int_equal(msg_end(&r), -1);
	msg_open(&w, 1);
	msg_put_strn(&w, "a\0b", 3);
	msg_read(&r, 1, w.buf, w.len);
	assert_int_equal(msg_get_str(&r, str, sizeof(str)), 0);
	assert_int_equal(r.bad, 1);
	msg_read(&r, 1, w.buf, w.len);
	assert_null(msg_get_strv(&r, 2, &n));
	assert_int_equal(n, 0);
	msg_read(&r, 1, "\xff\xff\xff\xff" "abc", 7);
	assert_null(msg_get_blob(&r, (size_t)-1, &n));
	assert_int_equal(r.bad, 1);
}

static void
test_overflow(void **state)
{
	static uint8_t	 big[70000];
	struct msgw	 w;
	struct msglink	 a, b;

	(void)state;
	msg_open(&w, 1);
	msg_put_raw(&w, big, MSG_MAX);
	assert_int_equal(w.bad, 0);
	msg_put_u8(&w, 1);
	assert_int_equal(w.bad, 1);
	pair(&a, &b);
	assert_int_equal(msg_send(&a, &w, dup(0)), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(msg_sendv(&a, 1, big, MSG_MAX + 1, -1), -1);
	assert_int_equal(errno, EMSGSIZE);
	msg_open(&w, 1);
	msg_put_strn(&w, big, 65536);
	assert_int_equal(w.bad, 1);
	msglink_close(&a);
	msglink_close(&b);
}

/* Small ones share packets; order and lengths are kept over many packets. */
static void
test_coalesce(void **state)
{
	static struct seen	 s;
	struct msglink		 a, b;
	uint8_t			 buf[200];
	size_t			 i;
	int			 n;

	(void)state;
	memset(&s, 0, sizeof(s));
	memset(buf, 1, sizeof(buf));
	pair(&a, &b);
	for (i = 0; i < 300; i++)
		assert_int_equal(msg_sendv(&a, 1 + i, buf, i % 200, -1), 0);
	assert_int_equal(msglink_flush(&a), 0);
	assert_int_equal(a.queued, 0);
	assert_int_equal(a.sent, 300);
	n = msglink_read(&b, 1, on_message, &s);
	assert_int_equal(n, s.count);
	assert_true(s.count > 100 && s.count < 300);
	assert_true(msglink_read(&b, 64, on_message, &s) > 0);
	assert_int_equal(s.count, 300);
	assert_int_equal(b.got, 300);
	for (i = 0; i < 300; i++) {
		assert_int_equal(s.type[i], 1 + i);
		assert_int_equal(s.len[i], i % 200);
	}
	assert_int_equal(msglink_read(&b, 64, on_message, &s), 0);
	msglink_close(&a);
	assert_int_equal(msglink_read(&b, 64, on_message, &s), -1);
	assert_int_equal(b.dead, 1);
	msglink_close(&b);
}

/* The kernel's buffer, then our queue, then ENOBUFS; nothing is lost. */
static void
test_queue(void **state)
{
	static struct seen	 s;
	static uint8_t		 buf[4096];
	struct msglink		 a, b;
	int			 n, r;

	(void)state;
	memset(&s, 0, sizeof(s));
	pair(&a, &b);
	a.maxqueue = 65536;
	n = 0;
	for (;;) {
		if (msg_sendv(&a, 1, buf, sizeof(buf), -1) == -1)
			break;
		n++;
		if (n % 3 == 0)
			assert_int_not_equal(msglink_flush(&a), -1);
	}
	assert_int_equal(errno, ENOBUFS);
	assert_true(a.queued <= 65536 && a.queued > 65536 - 4104);
	assert_int_equal(msglink_flush(&a), 1);
	do {
		assert_int_not_equal(msglink_read(&b, 4, on_message, &s), -1);
		r = msglink_flush(&a);
	} while (r == 1);
	while (msglink_read(&b, 4, on_message, &s) > 0)
		continue;
	assert_int_equal(s.count, n);
	msglink_close(&a);
	msglink_close(&b);
}

static void
test_descriptor(void **state)
{
	static struct seen	 s;
	struct msglink		 a, b;
	int			 before, fd;

	(void)state;
	memset(&s, 0, sizeof(s));
	before = open_fds();
	pair(&a, &b);
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(msg_sendv(&a, 1, "x", 1, -1), 0);
	assert_int_equal(msg_sendv(&a, 2, "y", 1, fd), 0);
	assert_int_equal(msg_sendv(&a, 3, "z", 1, -1), 0);
	assert_int_equal(msglink_flush(&a), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(msglink_read(&b, 64, on_message, &s), 3);
	assert_int_equal(s.fds, 1);
	assert_int_equal(s.type[1], 2);
	assert_int_equal(fcntl(s.fd, F_GETFD), FD_CLOEXEC);
	close(s.fd);
	/* Those that wait are closed with the link. */
	assert_int_equal(msg_sendv(&a, 2, "y", 1, dup(0)), 0);
	msglink_close(&a);
	msglink_close(&b);
	assert_int_equal(msg_sendv(&a, 2, "y", 1, dup(0)), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(open_fds(), before);
}

/* A raw packet with n descriptors into a fresh link; read's result. */
static int
hostile(const void *p, size_t len, int n)
{
	static struct seen	 s;
	union {
		struct cmsghdr	 align;
		char		 buf[CMSG_SPACE(16 * sizeof(int))];
	} control;
	struct msghdr	 mh;
	struct msglink	 b;
	struct cmsghdr	*cm;
	struct iovec	 iov;
	char		*copy;
	int		 before, fd[2], fds[16], i, r;

	before = open_fds();
	memset(&s, 0, sizeof(s));
	s.fd = -1;
	copy = malloc(len);
	memcpy(copy, p, len);
	assert_int_equal(msg_pair(fd), 0);
	memset(&mh, 0, sizeof(mh));
	memset(&control, 0, sizeof(control));
	iov.iov_base = copy;
	iov.iov_len = len;
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (n > 0) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (i = 0; i < n; i++)
			fds[i] = 0;
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(fd[0], &mh, 0), len);
	free(copy);
	msglink_init(&b, fd[1], 0);
	r = msglink_read(&b, 8, on_message, &s);
	assert_int_equal(b.dead, r == -1);
	if (r == -1)
		assert_int_equal(s.count, 0);
	if (s.fd != -1)
		close(s.fd);
	close(fd[0]);
	msglink_close(&b);
	assert_int_equal(open_fds(), before);
	return r;
}

static void
test_hostile(void **state)
{
	static const char	 two[] = "\0\1\0\0\0\0\0\2ab\0\2\0\0\0\0\0\1c";
	static char		 big[MSG_PACKET + 1];
	size_t			 len;
	int			 want;

	(void)state;
	assert_int_equal(hostile(two, 19, 0), 2);
	for (len = 1; len < 19; len++) {
		want = len == 10 ? 1 : -1;
		assert_int_equal(hostile(two, len, 0), want);
	}
	assert_int_equal(hostile(two, 10, 1), 1);
	assert_int_equal(hostile(two, 19, 1), -1);
	assert_int_equal(hostile(two, 10, 2), -1);
	assert_int_equal(hostile(two, 10, 8), -1);
	assert_int_equal(hostile(two, 10, 16), -1);
	/* type 0, the zero field, a length beyond, one of 4 GiB - 1 */
	assert_int_equal(hostile("\0\0\0\0\0\0\0\0", 8, 0), -1);
	assert_int_equal(hostile("\0\1\0\1\0\0\0\0", 8, 0), -1);
	assert_int_equal(hostile("\0\1\0\0\0\0\0\1", 8, 0), -1);
	assert_int_equal(hostile("\0\1\0\0\xff\xff\xff\xff", 8, 0), -1);
	/* one byte over a packet: MSG_TRUNC */
	big[1] = 1;
	big[6] = 0x3f;
	big[7] = (char)0xf8;
	assert_int_equal(hostile(big, MSG_PACKET, 0), 1);
	big[7] = (char)0xf9;
	assert_int_equal(hostile(big, MSG_PACKET + 1, 0), -1);
}

static void
test_stop(void **state)
{
	static struct seen	 s;
	struct msglink		 a, b;

	(void)state;
	memset(&s, 0, sizeof(s));
	pair(&a, &b);
	msg_sendv(&a, 1, NULL, 0, -1);
	msg_sendv(&a, 2, NULL, 0, -1);
	msglink_flush(&a);
	s.stop_at = 1;
	assert_int_equal(msglink_read(&b, 8, on_message, &s), -1);
	assert_int_equal(s.count, 1);
	assert_int_equal(b.dead, 1);
	assert_int_equal(msglink_flush(&b), -1);
	msglink_close(&a);
	msglink_close(&b);
	/* A handler that closes its own link. */
	memset(&s, 0, sizeof(s));
	pair(&a, &b);
	s.close_it = &b;
	msg_sendv(&a, 1, NULL, 0, -1);
	msg_sendv(&a, 2, NULL, 0, -1);
	msglink_flush(&a);
	assert_int_equal(msglink_read(&b, 8, on_message, &s), -1);
	assert_int_equal(s.count, 1);
	msglink_close(&a);
}

/* What a peer said before it died is heard, although its end is a reset. */
static void
test_last_words(void **state)
{
	static struct seen	 s;
	struct msglink		 a, b;

	(void)state;
	memset(&s, 0, sizeof(s));
	pair(&a, &b);
	msg_sendv(&b, 9, NULL, 0, -1);
	msglink_flush(&b);		/* a never reads it */
	msg_sendv(&a, 1, "done", 4, -1);
	msglink_flush(&a);
	msglink_close(&a);
	assert_int_equal(msglink_read(&b, 8, on_message, &s), -1);
	assert_int_equal(s.count, 1);
	assert_int_equal(msg_sendv(&b, 1, NULL, 0, -1), -1);
	msglink_close(&b);
}

static void
test_peer_gone(void **state)
{
	struct msglink	 a, b;

	(void)state;
	pair(&a, &b);
	msglink_close(&b);
	assert_int_equal(msg_sendv(&a, 1, NULL, 0, -1), 0);
	assert_int_equal(msglink_flush(&a), -1);	/* and no SIGPIPE */
	assert_int_equal(a.dead, 1);
	assert_int_equal(msg_sendv(&a, 1, NULL, 0, -1), -1);
	assert_int_equal(errno, EPIPE);
	msglink_close(&a);
}

/* Without a free number a tolerant link loses a message, another one ends. */
static void
no_number(int tolerant)
{
	struct msglink	 a, b;
	struct rlimit	 rl;
	struct seen	 s;
	rlim_t		 was;
	int		 fd[2], before, n;

	before = open_fds();
	assert_int_equal(msg_pair(fd), 0);
	msglink_init(&a, fd[0], 0);
	msglink_init(&b, fd[1], 0);
	b.tolerant = tolerant;
	assert_int_equal(msg_sendv(&a, 7, "x", 1, dup(0)), 0);
	assert_int_equal(msg_sendv(&a, 8, "y", 1, -1), 0);
	assert_int_equal(a.fds, 1);
	assert_int_equal(msglink_flush(&a), 0);
	assert_int_equal(a.fds, 0);
	n = dup(0);
	close(n);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	was = rl.rlim_cur;
	rl.rlim_cur = (rlim_t)n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	memset(&s, 0, sizeof(s));
	assert_int_equal(msglink_read(&b, 4, on_message, &s),
	    tolerant ? 1 : -1);
	rl.rlim_cur = was;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	assert_int_equal(s.count, tolerant);
	assert_int_equal(s.fds, 0);
	assert_int_equal(b.dead, !tolerant);
	if (tolerant)
		assert_int_equal(s.type[0], 8);
	msglink_close(&a);
	msglink_close(&b);
	assert_int_equal(open_fds(), before);
}

static void
test_no_number(void **state)
{
	(void)state;
	no_number(0);
	no_number(1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_put_get),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_string_bounds),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_coalesce),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_no_number),
		cmocka_unit_test(test_peer_gone)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
