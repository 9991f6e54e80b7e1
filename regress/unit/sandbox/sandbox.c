/* SPDX-License-Identifier: ISC */
/*
 * The filter as a process sees it: a child enters it and does one thing; the
 * parent reads how the child ended.  What a role's own table holds is tested
 * beside the role.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/sandbox/sandbox.h"

#define MEMORY								\
	{ SCMP_SYS(brk), SB_ALLOW, 0, "malloc" },			\
	{ SCMP_SYS(mmap), SB_ALLOW, 0, "malloc" },			\
	{ SCMP_SYS(munmap), SB_ALLOW, 0, "free" },			\
	{ SCMP_SYS(mremap), SB_ALLOW, 0, "realloc" },			\
	{ SCMP_SYS(madvise), SB_ALLOW, 0, "free, sanitizer" },		\
	{ SCMP_SYS(sigaltstack), SB_ALLOW, 0, "sanitizer" },		\
	{ SCMP_SYS(write), SB_ALLOW, 0, "log" }

static const struct sandbox_rule	rules[] = {
	MEMORY,
	{ SCMP_SYS(mprotect), SB_ALLOW, 0, "never executable" },
	{ SCMP_SYS(clock_gettime), SB_ALLOW, 0, "clock" },
	{ SCMP_SYS(getrandom), SB_ALLOW, 0, "random" },
	{ SCMP_SYS(getuid), SB_ALLOW, 0, "test" },
	{ SCMP_SYS(openat), SB_ALLOW, 0, "landlock is what refuses" },
	{ SCMP_SYS(socket), SB_ALLOW, 0, "landlock is what refuses" },
	{ SCMP_SYS(bind), SB_ERRNO, EADDRNOTAVAIL, "test" },
	{ SCMP_SYS(fcntl), SB_ARG1, F_GETFL, "test" },
	{ SCMP_SYS(fcntl), SB_ARG1, F_SETFL, "test" },
	{ SCMP_SYS(setsockopt), SB_ARG2, SO_KEEPALIVE, "test" },
	{ SCMP_SYS(setsockopt), SB_ARG2, SO_RCVBUF, "test" },
	{ SCMP_SYS(setsockopt), SB_ARG2, SO_SNDBUF, "test" },
	{ SCMP_SYS(setsockopt), SB_ERRNO, ENOPROTOOPT, "all others" },
	{ SCMP_SYS(lseek), SB_ERRNO, ESPIPE, "test" },
	{ SCMP_SYS(sendto), SB_CLEAR3, MSG_FASTOPEN, "test" },
	{ SCMP_SYS(sendmsg), SB_CLEAR2, MSG_FASTOPEN, "test" },
	{ SCMP_SYS(shutdown), SB_ARG1, SHUT_WR, "test" },
	{ 0, SB_ALLOW, 0, NULL }
};

static const struct sandbox_rule	forgetful[] = {
	MEMORY,
	{ SCMP_SYS(clock_gettime), SB_ALLOW, 0, "clock" },
	{ 0, SB_ALLOW, 0, NULL }
};

static const struct sandbox	box = { "test", rules, NULL, 0, 0, 0, 0,
	NULL, NULL };

static int	sock = -1;	/* made before the filter */

/* Child status after entering sb and running act. */
static int
run_in(const struct sandbox *sb, int (*act)(void))
{
	uint32_t	 bits;
	char		 why[256];
	pid_t		 pid;
	int		 status;

	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		bits = 0;
		if (sandbox_enter(sb, 0, &bits, why, sizeof(why)) == -1) {
			fprintf(stderr, "%s\n", why);
			_exit(100);
		}
		if (bits != (SBX_NNP | SBX_UNDUMPABLE | SBX_LANDLOCK |
		    SBX_SECCOMP))
			_exit(101);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
dies(int (*act)(void))
{
	int	 status;

	status = run_in(&box, act);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* act returns 0 or the errno it got. */
static void
gives(int (*act)(void), int error)
{
	int	 status;

	status = run_in(&box, act);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), error);
}

#define ACT(name, expr)							\
static int								\
name(void)								\
{									\
	errno = 0;							\
	return (long)(expr) == -1 ? errno : 0;				\
}

ACT(act_getuid, syscall(SYS_getuid) == 0 && getuid() != 0 ? -1 : 0)
ACT(act_execve, execl("/bin/true", "true", (char *)NULL))
ACT(act_ptrace, syscall(SYS_ptrace, 0, 0, 0, 0))
ACT(act_unshare, syscall(SYS_unshare, 0))
ACT(act_iouring, syscall(SYS_io_uring_setup, 1, NULL))
ACT(act_kill, kill(1, 0))
ACT(act_tgkill_other, syscall(SYS_tgkill, 1, 1, 0))
ACT(act_tgkill_self, syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0))
ACT(act_prctl, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
ACT(act_connect, syscall(SYS_connect, sock, NULL, 0))
ACT(act_i386, ({ long r; __asm__ volatile ("int $0x80" : "=a"(r) :
    "a"(20) : "memory"); r; }))
ACT(act_x32, syscall(0x40000000 | SYS_getuid))
ACT(act_stat, syscall(SYS_newfstatat, AT_FDCWD, "/", NULL, 0))
ACT(act_open, syscall(SYS_open, "/etc/passwd", O_RDONLY))
ACT(act_ioctl, syscall(SYS_ioctl, 2, 0x5401, NULL))
ACT(act_clone3, syscall(SYS_clone3, NULL, 0))
ACT(act_newer, syscall(454, NULL, 0, 0, 0))
ACT(act_memfd, syscall(SYS_memfd_create, "x", 0))
ACT(act_landlock, syscall(444, NULL, 0, 1))
ACT(act_openat, syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY))
ACT(act_bind, syscall(SYS_bind, sock, NULL, 0))
ACT(act_getfl, fcntl(sock, F_GETFL))
ACT(act_setfl, fcntl(sock, F_SETFL, O_NONBLOCK))
ACT(act_dupfd, fcntl(sock, F_DUPFD, 0))
ACT(act_getfl_high, syscall(SYS_fcntl, sock, 0x100000000UL | F_GETFL, 0))
ACT(act_lseek, lseek(sock, 0, SEEK_SET))
ACT(act_send, syscall(SYS_sendto, sock, "x", 1, MSG_NOSIGNAL, NULL, 0))
ACT(act_send_connect, syscall(SYS_sendto, sock, "x", 1,
    MSG_NOSIGNAL | MSG_FASTOPEN, NULL, 0))
ACT(act_send_high, syscall(SYS_sendto, sock, "x", 1,
    0x100000000UL | MSG_FASTOPEN, NULL, 0))
ACT(act_sendmsg, syscall(SYS_sendmsg, sock, NULL, MSG_NOSIGNAL))
ACT(act_sendmsg_connect, syscall(SYS_sendmsg, sock, NULL, MSG_FASTOPEN))
ACT(act_shut_write, shutdown(sock, SHUT_WR))
ACT(act_shut_read, shutdown(sock, SHUT_RD))
ACT(act_shut_both, shutdown(sock, SHUT_RDWR))
ACT(act_mmap, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0))
ACT(act_mmap_exec, mmap(NULL, 4096, PROT_READ | PROT_EXEC,
    MAP_PRIVATE | MAP_ANON, -1, 0))

static int
act_mprotect_exec(void)
{
	void	*p;

	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) == -1 ? errno : 0;
}

static int
sockopt(int opt)
{
	int	 on;

	on = 4096;
	return setsockopt(sock, SOL_SOCKET, opt, &on, sizeof(on)) == -1 ?
	    errno : 0;
}

/* Every value around the three allowed ones. */
static int
act_sockopts(void)
{
	int	 o, want;

	for (o = 0; o < 64; o++) {
		want = o == SO_KEEPALIVE || o == SO_RCVBUF || o == SO_SNDBUF ?
		    0 : ENOPROTOOPT;
		if (sockopt(o) != want)
			return o + 1;
	}
	return sockopt(INT_MAX) == ENOPROTOOPT ? 0 : 99;
}

static int
act_probe(void)
{
	return sandbox_probe(&box) == -1 ? errno : 0;
}

static int
act_abort(void)
{
	abort();
}

static void
test_kills(void **state)
{
	(void)state;
	dies(act_execve);
	dies(act_ptrace);
	dies(act_unshare);
	dies(act_iouring);
	dies(act_kill);
	dies(act_tgkill_other);
	dies(act_prctl);
	dies(act_connect);
	dies(act_mmap_exec);
	dies(act_mprotect_exec);
}

static void
test_other_architectures(void **state)
{
	(void)state;
	dies(act_i386);
	dies(act_x32);
}

static void
test_soft(void **state)
{
	(void)state;
	gives(act_stat, EACCES);
	gives(act_open, EACCES);
	gives(act_ioctl, ENOTTY);
	gives(act_clone3, ENOSYS);
	gives(act_newer, ENOSYS);
	gives(act_memfd, ENOSYS);
	gives(act_landlock, ENOSYS);
}

static void
test_allowed(void **state)
{
	(void)state;
	gives(act_getuid, 0);
	gives(act_mmap, 0);
	gives(act_tgkill_self, 0);
}

static void
test_arguments(void **state)
{
	(void)state;
	gives(act_getfl, 0);
	gives(act_setfl, 0);
	dies(act_dupfd);
	dies(act_getfl_high);
	gives(act_lseek, ESPIPE);
	gives(act_bind, EADDRNOTAVAIL);
	gives(act_sockopts, 0);
}

/* A send never connects; a listener is not taken out of its state. */
static void
test_masks(void **state)
{
	(void)state;
	gives(act_send, EPIPE);
	dies(act_send_connect);
	dies(act_send_high);
	gives(act_sendmsg, EFAULT);
	dies(act_sendmsg_connect);
	gives(act_shut_write, ENOTCONN);
	dies(act_shut_read);
	dies(act_shut_both);
}

/* The table's openat wins over the soft denial; Landlock still says no. */
static void
test_landlock(void **state)
{
	(void)state;
	gives(act_openat, EACCES);
}

/* Resident pages of this process. */
static long
resident(void)
{
	char	 text[128];
	long	 pages;
	ssize_t	 n;
	int	 fd;

	fd = open("/proc/self/statm", O_RDONLY);
	assert_int_not_equal(fd, -1);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(sscanf(text, "%*d %ld", &pages), 1);
	return pages;
}

/* What starting touched goes back, and all of it works afterwards. */
static void
test_trim(void **state)
{
	long	 before;

	(void)state;
	before = resident();
	sandbox_trim();
	assert_true(resident() < before - 64);
	gives(act_probe, 0);
}

/* Reading below a directory is possible, writing and the outside are not. */
static int
act_paths(void)
{
	int	 fd;

	fd = syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
	if (fd == -1)
		return 1;
	close(fd);
	if (syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_WRONLY) != -1 ||
	    errno != EACCES)
		return 2;
	if (syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY) != -1 ||
	    errno != EACCES)
		return 3;
	return 0;
}

static int
act_write_path(void)
{
	int	 fd;

	fd = syscall(SYS_openat, AT_FDCWD, "/tmp/sandbox.unit",
	    O_RDWR | O_CREAT, 0600);
	return fd == -1 ? errno : 0;
}

static void
test_paths(void **state)
{
	static const struct sandbox_rule more[] = {
		MEMORY,
		{ SCMP_SYS(openat), SB_ALLOW, 0, "test" },
		{ SCMP_SYS(close), SB_ALLOW, 0, "test" },
		{ 0, SB_ALLOW, 0, NULL }
	};
	struct sandbox_path	 path;
	struct sandbox		 sb;
	int			 status;

	(void)state;
	sb = box;
	sb.rules = more;
	sb.paths = &path;
	sb.npaths = 1;
	path.write = 0;
	path.fd = open("/etc", O_PATH | O_CLOEXEC);
	status = run_in(&sb, act_paths);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(path.fd);
	path.fd = open("/tmp", O_PATH | O_CLOEXEC);
	status = run_in(&sb, act_write_path);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EACCES);
	path.write = 1;
	status = run_in(&sb, act_write_path);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(path.fd);
	assert_int_equal(unlink("/tmp/sandbox.unit"), 0);
	/* A rule on a file, not on a directory. */
	path.write = 0;
	path.fd = open("/etc/passwd", O_PATH | O_CLOEXEC);
	status = run_in(&sb, act_paths);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(path.fd);
}

/* TCP connect is refused by Landlock too, unless the table has connect. */
static int
act_tcp(void)
{
	struct sockaddr_in	 sin;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(1);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(sock, (struct sockaddr *)&sin, sizeof(sin)) == -1 ?
	    errno : 0;
}

static void
test_connect(void **state)
{
	static const struct sandbox_rule dialer[] = {
		MEMORY,
		{ SCMP_SYS(connect), SB_ALLOW, 0, "test" },
		{ 0, SB_ALLOW, 0, NULL }
	};
	static const struct sandbox_rule curl[] = {
		MEMORY,
		{ SCMP_SYS(connect), SB_ERRNO, EINPROGRESS, "test" },
		{ 0, SB_ALLOW, 0, NULL }
	};
	struct sandbox	 sb;
	int		 status;

	(void)state;
	close(sock);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	sb = box;
	sb.rules = dialer;
	status = run_in(&sb, act_tcp);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ECONNREFUSED);
	sb.rules = curl;
	status = run_in(&sb, act_tcp);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EINPROGRESS);
}

static void
test_probe(void **state)
{
	struct sandbox	 sb;
	int		 status;

	(void)state;
	gives(act_probe, 0);
	sb = box;
	sb.rules = forgetful;	/* no getrandom */
	status = run_in(&sb, act_probe);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void
test_abort(void **state)
{
	int	 status;

	(void)state;
	status = run_in(&box, act_abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* Lines that contradict each other are an error at start, with their reason. */
static void
test_contradiction(void **state)
{
	static const struct sandbox_rule	 bad[] = {
		MEMORY,
		{ SCMP_SYS(fcntl), SB_ARG1, 1, "first" },
		{ SCMP_SYS(fcntl), SB_ARG2, 1, "second" },
		{ SCMP_SYS(fcntl), SB_ERRNO, EINVAL, "third" },
		{ 0, SB_ALLOW, 0, NULL }
	};
	struct sandbox	 sb;
	uint32_t	 bits;
	char		 why[256];
	pid_t		 pid;
	int		 status;

	(void)state;
	sb = box;
	sb.rules = bad;
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		bits = 0;
		if (sandbox_enter(&sb, 0, &bits, why, sizeof(why)) == 0)
			_exit(1);
		_exit(strstr(why, "third") == NULL ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_kills),
		cmocka_unit_test(test_other_architectures),
		cmocka_unit_test(test_soft),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_contradiction)
	};

	if (syscall(444, NULL, 0, 1) == -1) {
		printf("1..0 # SKIP this kernel has no landlock\n");
		return 0;
	}
	sock = socket(AF_INET, SOCK_STREAM, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
