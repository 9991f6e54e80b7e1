/* SPDX-License-Identifier: ISC */
/* The pool, its guards and its wiping; descriptors that carry secrets. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/secret/secret.h"

#define SLOTS	16

/* How a child ends that runs act. */
static int
child(void (*act)(void))
{
	struct rlimit	 rl;
	pid_t		 pid;
	int		 status;

	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		rl.rlim_cur = rl.rlim_max = 0;
		setrlimit(RLIMIT_CORE, &rl);
		close(2);
		signal(SIGSEGV, SIG_DFL);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_exhaust(void **state)
{
	struct secret	*s[SLOTS];
	int		 i;

	(void)state;
	for (i = 0; i < SLOTS; i++) {
		s[i] = secret_new(10);
		assert_non_null(s[i]);
		memset(secret_bytes(s[i]), i, 10);
	}
	assert_int_equal(secret_in_use(), SLOTS);
	assert_null(secret_new(1));
	assert_int_equal(errno, ENOMEM);
	for (i = 0; i < SLOTS; i++) {
		assert_int_equal(secret_bytes(s[i])[9], i);
		secret_free(&s[i]);
		assert_null(s[i]);
	}
	assert_int_equal(secret_in_use(), 0);
	assert_int_equal(secret_pool(4), -1);
	assert_int_equal(errno, EEXIST);
}

/* The bytes are gone the moment the slot is freed: the page is still mapped. */
static void
test_wipe(void **state)
{
	struct secret	*s;
	const uint8_t	*p;
	size_t		 i;

	(void)state;
	s = secret_dup("sk-planted", 10);
	assert_non_null(s);
	p = secret_bytes(s);
	assert_memory_equal(p, "sk-planted", 10);
	assert_int_equal(secret_resize(s, 3), 0);
	assert_int_equal(secret_len(s), 3);
	assert_memory_equal(p, "sk-\0\0\0\0\0\0\0", 10);
	assert_int_equal(secret_resize(s, 4), -1);
	secret_free(&s);
	for (i = 0; i < SECRET_MAX; i++)
		assert_int_equal(p[i], 0);
	secret_free(&s);
	secret_free(NULL);
}

static void
test_bounds(void **state)
{
	struct secret	*s;

	(void)state;
	assert_null(secret_new(SECRET_MAX + 1));
	assert_int_equal(errno, EMSGSIZE);
	s = secret_new(SECRET_MAX);
	assert_non_null(s);
	memset(secret_bytes(s), 0xff, SECRET_MAX);
	secret_free(&s);
	s = secret_new(0);
	assert_non_null(s);
	assert_int_equal(secret_len(s), 0);
	secret_free(&s);
}

static void
over_the_end(void)
{
	struct secret	*s;

	/* The pool does not come along into a child: make one here. */
	s = secret_new(SECRET_MAX);
	*(volatile uint8_t *)(secret_bytes(s) + SECRET_MAX) = 1;
}

static void
before_the_slot(void)
{
	struct secret	*s;

	s = secret_new(1);
	*(volatile uint8_t *)(secret_bytes(s) - 33) = 1;
}

static void
twice(void)
{
	struct secret	*s, *t;

	s = t = secret_new(1);
	secret_free(&s);
	secret_free(&t);
}

static void
own_pool(void)
{
	struct secret	*s;

	if (secret_pool(2) == -1)
		_exit(9);
	s = secret_new(1);
	secret_free(&s);
}

static int	do_act;
static void	(*acts[])(void) = { own_pool, over_the_end, before_the_slot,
		    twice };

static void
pool_then_act(void)
{
	if (do_act != 0 && secret_pool(2) == -1)
		_exit(9);
	acts[do_act]();
}

/* These children are started before this process has a pool of its own. */
static void
test_guards(void **state)
{
	int	 status;

	(void)state;
	do_act = 0;
	status = child(pool_then_act);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (do_act = 1; do_act < 3; do_act++) {
		status = child(pool_then_act);
		/* the sanitizer exits instead of dying */
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
		if (WIFSIGNALED(status))
			assert_true(WTERMSIG(status) == SIGSEGV ||
			    WTERMSIG(status) == SIGABRT);
	}
	do_act = 3;
	status = child(pool_then_act);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static struct secret	*inherited;

static void
look(void)
{
	if (secret_bytes(inherited)[0] == 'k')
		_exit(42);
}

/* MADV_DONTFORK: in a child the page is not there at all. */
static void
test_not_inherited(void **state)
{
	int	 status;

	(void)state;
	inherited = secret_dup("key", 3);
	status = child(look);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
	secret_free(&inherited);
}

/* VmLck of this process holds the pool, whichever kind it is. */
static void
test_locked(void **state)
{
	char	 line[256];
	FILE	*f;
	long	 kb;

	(void)state;
	kb = -1;
	f = fopen("/proc/self/status", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	fclose(f);
	assert_true(kb >= SLOTS * 4);
}

static void
test_equal(void **state)
{
	uint8_t	 a[100], b[100];
	int	 bit;

	(void)state;
	memset(a, 0x5a, sizeof(a));
	memcpy(b, a, sizeof(b));
	assert_int_equal(secret_equal(a, b, sizeof(a)), 1);
	assert_int_equal(secret_equal(a, b, 0), 1);
	for (bit = 0; bit < 800; bit++) {
		b[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(secret_equal(a, b, sizeof(a)), 0);
		b[bit / 8] ^= 1 << bit % 8;
	}
}

static void
carry(const char *p, size_t len, size_t max, int error)
{
	struct secret	*s;
	int		 fd, map;

	fd = secret_memfd(p, len, &map);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	s = secret_from_fd(fd, map, max);
	if (error != 0) {
		assert_null(s);
		assert_int_equal(errno, error);
	} else {
		assert_non_null(s);
		assert_int_equal(secret_len(s), len);
		assert_memory_equal(secret_bytes(s), p, len);
		secret_free(&s);
		/* and again: the descriptor is as it was */
		s = secret_from_fd(fd, map, max);
		assert_int_equal(secret_len(s), len);
		secret_free(&s);
	}
	close(fd);
	assert_int_equal(secret_in_use(), 0);
}

static void
test_memfd(void **state)
{
	static char	 big[SECRET_MAX + 1];

	(void)state;
	memset(big, 'x', sizeof(big));
	carry("sk-key", 6, 100, 0);
	carry("sk-key", 6, 6, 0);
	carry("sk-key", 6, 5, EFBIG);
	carry("", 0, 5, 0);
	carry(big, SECRET_MAX, SECRET_MAX, 0);
	carry(big, SECRET_MAX + 1, SECRET_MAX + 1, EFBIG);
}

/* The other kind, by files and by a sealed memfd. */
static void
test_read(void **state)
{
	struct secret	*s;
	char		 path[] = "/tmp/secret.unit.XXXXXX";
	int		 fd;

	(void)state;
	fd = mkstemp(path);
	assert_int_not_equal(fd, -1);
	unlink(path);
	assert_int_equal(write(fd, "line\n", 5), 5);
	s = secret_from_fd(fd, 0, 5);
	assert_non_null(s);
	assert_memory_equal(secret_bytes(s), "line\n", 5);
	secret_free(&s);
	assert_null(secret_from_fd(fd, 0, 4));
	assert_int_equal(errno, EFBIG);
	assert_int_equal(secret_in_use(), 0);
	close(fd);
	assert_null(secret_from_fd(fd, 0, 4));
	assert_int_equal(errno, EBADF);
	assert_null(secret_from_fd(fd, 1, 4));
	assert_int_equal(errno, EBADF);
	assert_int_equal(secret_in_use(), 0);
}

static void
test_sealed(void **state)
{
	char	 buf[16];
	int	 fd;

	(void)state;
	fd = secret_sealed("blob", "content", 7);
	assert_int_not_equal(fd, -1);
	assert_int_equal(read(fd, buf, sizeof(buf)), 7);
	assert_memory_equal(buf, "content", 7);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_ptr_equal(mmap(NULL, 7, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0), MAP_FAILED);
	close(fd);
}

static void
no_memlock(void)
{
	struct rlimit	 rl;

	/* root is exempt from the limit, as long as it is root */
	if (geteuid() == 0 && (setgid(60801) == -1 || setuid(60801) == -1))
		_exit(8);
	rl.rlim_cur = rl.rlim_max = 0;
	if (setrlimit(RLIMIT_MEMLOCK, &rl) == -1)
		_exit(7);
	_exit(secret_pool(SLOTS) == -1 ? 3 : 4);
}

/* Never silently unlocked. */
static void
test_memlock_zero(void **state)
{
	int	 status;

	(void)state;
	status = child(no_memlock);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

static int
make_pool(void **state)
{
	(void)state;
	return secret_pool(SLOTS);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_guards),
		cmocka_unit_test(test_memlock_zero),
		cmocka_unit_test_setup(test_exhaust, make_pool),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_not_inherited),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_sealed)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
