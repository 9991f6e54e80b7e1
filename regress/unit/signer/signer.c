/* SPDX-License-Identifier: ISC */
/* The worker's wait for tlskey: how long, and whose time it is. */
#include <sys/socket.h>
#include <sys/wait.h>

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

static const uint8_t	 name[TLSIO_NAME];
static struct worker	 w;

/*
 * A tlskey: hears one question.  Stall: the worker stands still from then on for
 * longer than it may wait, goes on, and is answered a little later.
 */
struct key {
	struct msglink	*l;
	int		 stall;
};

static int
asked(void *arg, struct msgr *r, int fd)
{
	struct msgw	 m;
	struct key	*k;
	uint32_t	 cookie;

	(void)fd;
	k = arg;
	cookie = msg_get_u32(r);
	if (!k->stall)
		return 0;
	kill(getppid(), SIGSTOP);
	usleep(600000);
	kill(getppid(), SIGCONT);
	usleep(20000);
	msg_open(&m, M_SIGNED);
	msg_put_u32(&m, cookie);
	msg_put_u8(&m, SIGNERR_NONE);
	msg_put_blob(&m, "signature", 9);
	return msg_send(k->l, &m, -1) == -1 || msglink_flush(k->l) == -1 ?
	    -1 : 0;
}

static pid_t
tlskey(int stall)
{
	struct msglink	 l;
	struct pollfd	 p;
	struct key	 k;
	pid_t		 pid;
	int		 s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
	    s), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(s[0]);
		msglink_init(&l, s[1], 65536);
		k.l = &l;
		k.stall = stall;
		p.fd = s[1];
		p.events = POLLIN;
		while (poll(&p, 1, -1) == 1 &&
		    msglink_read(&l, 4, asked, &k) != -1)
			continue;
		_exit(0);
	}
	close(s[1]);
	w.tlskey.fd = -1;
	signer_peer(&w, s[0]);
	signer_use(&w, name);
	return pid;
}

static void
gone(pid_t pid)
{
	int	 status;

	signer_use(NULL, NULL);
	signer_drop(&w);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int
sign(void)
{
	uint8_t	 out[SIGN_BYTES];
	int	 n;

	n = signer_sign(SIGN_ECDSA, "01234567890123456789012345678901", 32,
	    out, sizeof(out));
	if (n > 0)
		assert_memory_equal(out, "signature", n);
	return n;
}

/* A machine that stalls takes tlskey's time as well. */
static void
test_stall(void **state)
{
	pid_t	 pid;

	(void)state;
	pid = tlskey(1);
	assert_int_equal(sign(), 9);
	gone(pid);
}

/* One that says nothing costs its time once, then nothing for a while. */
static void
test_silent(void **state)
{
	uint64_t	 t;
	pid_t		 pid;

	(void)state;
	pid = tlskey(0);
	t = poll_now();
	assert_int_equal(sign(), -1);
	assert_true(poll_now() - t >= DL_SIGN);
	assert_true(poll_now() - t < 10 * NS_S);
	assert_true(w.mute > t);
	gone(pid);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_silent),
	};

	w.base = event_base_new();
	if (w.base == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
