/* SPDX-License-Identifier: ISC */
/*
 * A real fork, exec and start of a role: this program is its own role.  It
 * tells what it found over its channel; the parent compares.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/log/log.h"
#include "common/proc/paths.h"
#include "common/proc/priv.h"
#include "common/proc/role.h"
#include "common/proc/spawn.h"
#include "common/secret/secret.h"

enum { MODE_REPORT, MODE_CONFINE, MODE_FATAL, MODE_ABORT, MODE_STAY };

static char		 libexec[PATH_MAX];
static const char	*self;
const char *const	 paths_libexec = libexec;

extern char		**environ;

static const struct sandbox_rule	rules[] = {
	{ SCMP_SYS(brk), SB_ALLOW, 0, "malloc" },
	{ SCMP_SYS(mmap), SB_ALLOW, 0, "malloc" },
	{ SCMP_SYS(munmap), SB_ALLOW, 0, "malloc" },
	{ SCMP_SYS(madvise), SB_ALLOW, 0, "sanitizer" },
	{ SCMP_SYS(sigaltstack), SB_ALLOW, 0, "sanitizer" },
	{ SCMP_SYS(clock_gettime), SB_ALLOW, 0, "clock" },
	{ SCMP_SYS(getrandom), SB_ALLOW, 0, "random" },
	{ SCMP_SYS(sendmsg), SB_ALLOW, 0, "channel" },
	{ SCMP_SYS(write), SB_ALLOW, 0, "log" },
	{ SCMP_SYS(getuid), SB_ALLOW, 0, "test" },
	{ SCMP_SYS(getgid), SB_ALLOW, 0, "test" },
	{ SCMP_SYS(getgroups), SB_ALLOW, 0, "test" },
	{ SCMP_SYS(prlimit64), SB_ALLOW, 0, "test" },
	{ SCMP_SYS(poll), SB_ALLOW, 0, "test" },
	{ 0, SB_ALLOW, 0, NULL }
};

static const struct sandbox	box = { "test", rules, NULL, 0, 0, 0, 1,
	NULL, NULL };

/* ---- the role ---------------------------------------------------------------- */

static void
say(struct msglink *l, const char *text)
{
	struct msgw	 w;

	msg_open(&w, M_PROBLEM);
	msg_put_str(&w, text);
	msg_send(l, &w, -1);
	if (msglink_flush(l) != 0)
		_exit(9);
}

/* Open descriptors, environment, mask, signals, umask, contents. */
static void
report(const struct role_exec *x, char *out, size_t size)
{
	struct sigaction sa;
	sigset_t	 set;
	char		 buf[64], piece[2000];
	ssize_t		 n;
	int		 i;

	strlcpy(out, "fds", size);
	for (i = 0; i < 64; i++) {
		if (fcntl(i, F_GETFD) == -1)
			continue;
		snprintf(piece, sizeof(piece), " %d", i);
		strlcat(out, piece, size);
	}
	for (i = 0; environ[i] != NULL; i++) {
		snprintf(piece, sizeof(piece), "; env %s", environ[i]);
		strlcat(out, piece, size);
	}
	n = pread(ROLE_FD_BLOB, buf, sizeof(buf), 0);
	snprintf(piece, sizeof(piece), "; blob %.*s", n < 0 ? 0 : (int)n, buf);
	strlcat(out, piece, size);
	n = pread(ROLE_FD_EXTRA, buf, sizeof(buf), 0);
	snprintf(piece, sizeof(piece), "; extra %.*s", n < 0 ? 0 : (int)n,
	    buf);
	strlcat(out, piece, size);
	sigprocmask(SIG_SETMASK, NULL, &set);
	snprintf(piece, sizeof(piece), "; usr1 %d; umask %o; gen %u; root %s; "
	    "flags %d%d%d; nofile %d; memlock %d;",
	    sigismember(&set, SIGUSR1), umask(0), x->generation, x->root,
	    x->permissive, x->development, x->verbose, (int)x->nofile,
	    (int)x->memlock);
	strlcat(out, piece, size);
	for (i = 1; i < NSIG; i++) {
		if (sigaction(i, NULL, &sa) == -1 ||
		    sa.sa_handler != SIG_IGN)
			continue;
		snprintf(piece, sizeof(piece), " ign %d", i);
		strlcat(out, piece, size);
	}
}

static void
confined(const struct role_exec *x, struct msglink *l)
{
	struct rlimit	 rl;
	gid_t		 groups[8];
	uint32_t	 bits;
	char		 missing[200], out[300];
	int		 n;

	role_confine(x, &box, missing, sizeof(missing), &bits);
	role_ready(l, bits, missing);
	n = getgroups(8, groups);
	getrlimit(RLIMIT_NPROC, &rl);
	snprintf(out, sizeof(out), "uid %u gid %u groups %d nproc %d", getuid(),
	    getgid(), n, (int)rl.rlim_max);
	say(l, out);
}

static int
role(char *const argv[])
{
	struct role_exec	 x;
	struct msglink		 l;
	static char		 out[8000];
	int			 mode;

	mode = (int)strtonum(argv[1], 0, 10, NULL);
	role_load("unit", &x);
	if ((int)x.instance != mode || argv[2] != NULL)
		return 8;
	if (mode == MODE_FATAL)
		fatalx("told to");
	if (mode == MODE_ABORT)
		abort();
	if (mode == MODE_CONFINE) {
		confined(&x, &l);
		_exit(0);
	}
	report(&x, out, sizeof(out));
	role_ready(&l, 0, "nothing");
	say(&l, out);
	if (mode == MODE_STAY)
		pause();
	log_info("line with \n in it");
	log_debug("debug");
	_exit(0);
}

/* ---- the parent -------------------------------------------------------------- */

struct heard {
	uint32_t	 bits;
	char		 missing[256];
	char		 text[8000];
};

static int
on_message(void *arg, struct msgr *r, int fd)
{
	struct heard	*h;

	h = arg;
	if (fd != -1)
		return -1;
	if (r->type == M_UP) {
		h->bits = msg_get_u32(r);
		msg_get_str(r, h->missing, sizeof(h->missing));
	} else
		msg_get_str(r, h->text, sizeof(h->text));
	return msg_end(r);
}

/* Runs until the role's end; its wait status. */
static int
listen_to(pid_t pid, int channel, struct heard *h)
{
	struct msglink	 l;
	struct pollfd	 p;
	int		 status;

	memset(h, 0, sizeof(*h));
	msglink_init(&l, channel, 0);
	do {
		p.fd = channel;
		p.events = POLLIN;
		poll(&p, 1, 10000);
	} while (msglink_read(&l, 8, on_message, h) != -1);
	msglink_close(&l);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
facts(struct role_exec *x, int mode)
{
	memset(x, 0, sizeof(*x));
	x->instance = mode;
	x->generation = 77;
	x->nofile = 256;
	x->permissive = 1;
	x->verbose = 1;
	x->memlock = 65536;
	if (geteuid() == 0)
		x->uid = x->gid = 60815;
}

static int
open_fds(void)
{
	int	 i, n;

	for (n = i = 0; i < 256; i++)
		n += fcntl(i, F_GETFD) != -1;
	return n;
}

static void
read_log(int fd, char *out, size_t size)
{
	ssize_t	 n;

	n = read(fd, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	close(fd);
}

static void
test_start(void **state)
{
	struct role_exec	 x;
	struct heard		 h;
	char			 log[500];
	sigset_t		 set, old;
	pid_t			 pid;
	int			 before, blob, channel, extra, logfd, status;

	(void)state;
	before = open_fds();
	setenv("SECRET", "sk-planted", 1);
	setenv("TZ", "UTC", 1);
	setenv("LANG", "C", 1);
	setenv("LD_PRELOAD", "", 1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGUSR2, SIG_IGN);
	blob = secret_sealed("b", "BLOB", 4);
	extra = secret_sealed("e", "EXTRA", 5);
	facts(&x, MODE_REPORT);
	pid = spawn_role(self, "unit", &x, blob, extra, &channel, &logfd);
	assert_int_not_equal(pid, -1);
	assert_int_equal(fcntl(channel, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(logfd, F_GETFD), FD_CLOEXEC);
	status = listen_to(pid, channel, &h);
	assert_int_equal(status, 0);
	assert_string_equal(h.missing, "nothing");
	assert_string_equal(h.text, "fds 0 1 2 3 4 5 6; env PATH=/usr/bin:/bin;"
	    " env LANG=C; env TZ=UTC; blob BLOB; extra EXTRA; usr1 0; umask 77;"
	    " gen 77; root ; flags 101; nofile 256; memlock 65536; ign 1 ign 2"
	    " ign 13 ign 15 ign 25");
	read_log(logfd, log, sizeof(log));
	assert_string_equal(log, "1 line with \\x0a in it\n0 debug\n");
	close(blob);
	close(extra);
	unsetenv("SECRET");
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR2, SIG_DFL);
	assert_int_equal(open_fds(), before);
}

/* Sources that have each other's numbers, and none at all. */
static void
test_overlap(void **state)
{
	struct role_exec	 x;
	struct heard		 h;
	pid_t			 pid;
	int			 b, blob, channel, e, extra, logfd;

	(void)state;
	b = secret_sealed("b", "BLOB", 4);
	e = secret_sealed("e", "EXTRA", 5);
	facts(&x, MODE_REPORT);
	for (blob = 3; blob <= 9; blob++) {
		for (extra = 3; extra <= 9; extra++) {
			if (blob == extra || blob == b || blob == e ||
			    extra == b || extra == e)
				continue;
			if (fcntl(blob, F_GETFD) != -1 ||
			    fcntl(extra, F_GETFD) != -1)
				continue;
			dup2(b, blob);
			dup2(e, extra);
			pid = spawn_role(self, "unit", &x, blob, extra,
			    &channel, &logfd);
			assert_int_not_equal(pid, -1);
			assert_int_equal(listen_to(pid, channel, &h), 0);
			assert_non_null(strstr(h.text, "blob BLOB; extra "
			    "EXTRA;"));
			assert_non_null(strstr(h.text, "fds 0 1 2 3 4 5 6;"));
			close(logfd);
			close(blob);
			close(extra);
		}
	}
	close(b);
	close(e);
	pid = spawn_role(self, "unit", &x, -1, -1, &channel, &logfd);
	assert_int_not_equal(pid, -1);
	assert_int_equal(listen_to(pid, channel, &h), 0);
	assert_non_null(strstr(h.text, "fds 0 1 2 3 5;"));
	close(logfd);
}

static void
test_exec_fails(void **state)
{
	struct role_exec	 x;
	int			 before, channel, logfd;

	(void)state;
	before = open_fds();
	facts(&x, MODE_REPORT);
	assert_int_equal(spawn_role("none", "unit", &x, -1, -1, &channel,
	    &logfd), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(spawn_role(".", "unit", &x, -1, -1, &channel, &logfd),
	    -1);
	assert_int_equal(errno, EACCES);
	strlcpy(x.root, "a\nuid=0", sizeof(x.root));
	assert_int_equal(spawn_role(self, "unit", &x, -1, -1, &channel,
	    &logfd), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(open_fds(), before);
}

static void
test_confine(void **state)
{
	struct role_exec	 x;
	struct heard		 h;
	char			 dir[] = "/tmp/spawn.unit.XXXXXX", want[200];
	pid_t			 pid;
	uint32_t		 always;
	int			 channel, logfd, root, status;

	(void)state;
	root = geteuid() == 0;
	assert_non_null(mkdtemp(dir));
	facts(&x, MODE_CONFINE);
	strlcpy(x.root, dir, sizeof(x.root));
	pid = spawn_role(self, "unit", &x, -1, -1, &channel, &logfd);
	assert_int_not_equal(pid, -1);
	status = listen_to(pid, channel, &h);
	if (status != 0) {
		read_log(logfd, want, sizeof(want));
		print_message("# %s\n", want);
	} else
		close(logfd);
	assert_int_equal(status, 0);
	always = SBX_NNP | SBX_SECCOMP | SBX_LANDLOCK | SBX_RLIMIT |
	    SBX_UNDUMPABLE;
	assert_int_equal(h.bits & always, always);
	if (root) {
		assert_int_equal(h.bits & (SBX_UID | SBX_CHROOT),
		    SBX_UID | SBX_CHROOT);
		assert_int_equal((h.bits & SBX_NETNS) == 0,
		    strstr(h.missing, "netns") != NULL);
		strlcpy(want, "uid 60815 gid 60815 groups 1 nproc 0",
		    sizeof(want));
		assert_string_equal(h.text, want);
	} else {
		assert_string_equal(h.missing, "uid,chroot,netns");
		assert_int_equal(h.bits & (SBX_UID | SBX_CHROOT | SBX_NETNS),
		    0);
	}
	rmdir(dir);
}

/* Root that is not told whom to become does not start. */
static void
test_stays_root(void **state)
{
	struct role_exec	 x;
	struct heard		 h;
	char			 log[200];
	pid_t			 pid;
	int			 channel, logfd, status;

	(void)state;
	if (geteuid() != 0)
		return;
	facts(&x, MODE_CONFINE);
	x.uid = 0;
	pid = spawn_role(self, "unit", &x, -1, -1, &channel, &logfd);
	status = listen_to(pid, channel, &h);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	read_log(logfd, log, sizeof(log));
	assert_string_equal(log, "3 test would stay root\n");
	assert_string_equal(h.text, "");
}

static void
test_ends(void **state)
{
	struct role_exec	 x;
	struct heard		 h;
	char			 log[200];
	pid_t			 pid;
	int			 channel, logfd, status;

	(void)state;
	facts(&x, MODE_FATAL);
	pid = spawn_role(self, "unit", &x, -1, -1, &channel, &logfd);
	status = listen_to(pid, channel, &h);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	read_log(logfd, log, sizeof(log));
	assert_string_equal(log, "3 told to\n");
	x.instance = MODE_ABORT;
	pid = spawn_role(self, "unit", &x, -1, -1, &channel, &logfd);
	status = listen_to(pid, channel, &h);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	close(logfd);
}

/* Ctrl-C reaches the whole group; only the parents may care. */
static void
test_signals_ignored(void **state)
{
	struct role_exec	 x;
	struct msglink		 l;
	struct heard		 h;
	struct pollfd		 p;
	pid_t			 pid;
	int			 channel, logfd, status;

	(void)state;
	facts(&x, MODE_STAY);
	memset(&h, 0, sizeof(h));
	pid = spawn_role(self, "unit", &x, -1, -1, &channel, &logfd);
	msglink_init(&l, channel, 0);
	p.fd = channel;
	p.events = POLLIN;
	while (h.text[0] == '\0') {
		poll(&p, 1, 10000);
		assert_int_not_equal(msglink_read(&l, 8, on_message, &h), -1);
	}
	kill(pid, SIGINT);
	kill(pid, SIGTERM);
	kill(pid, SIGHUP);
	kill(pid, SIGPIPE);
	usleep(50000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	msglink_close(&l);
	close(logfd);
}

static void
test_env_kept(void **state)
{
	(void)state;
	assert_true(spawn_env_kept("PATH"));
	assert_true(spawn_env_kept("PATH=/bin"));
	assert_true(spawn_env_kept("LC_ALL"));
	assert_true(spawn_env_kept("XDG_RUNTIME_DIR=/run"));
	assert_true(spawn_env_kept("CREDENTIALS_DIRECTORY"));
	assert_false(spawn_env_kept("PATHS"));
	assert_false(spawn_env_kept("PAT"));
	assert_false(spawn_env_kept("LC"));
	assert_false(spawn_env_kept("OPENAI_API_KEY=sk"));
	assert_false(spawn_env_kept("LD_PRELOAD"));
	assert_false(spawn_env_kept(""));
	assert_false(spawn_env_kept("=PATH"));
}

/* After it the environment is what was named, and argv what was given. */
static void
test_reexec(void **state)
{
	static char	*argv[] = { (char *)(uintptr_t)"reexec",
		(char *)(uintptr_t)"-x", NULL };
	static char	*extra[] = { (char *)(uintptr_t)"KEYFD=9", NULL };
	char		 out[2000];
	ssize_t		 n;
	pid_t		 pid;
	int		 p[2], status;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		clearenv();
		setenv("OPENAI_API_KEY", "sk-planted", 1);
		setenv("HOME", "/home/x", 1);
		setenv("LC_TIME", "C", 1);
		setenv("LD_LIBRARY_PATH", "", 1);
		spawn_reexec(argv, extra);
		_exit(99);
	}
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	n = read(p[0], out, sizeof(out) - 1);
	close(p[0]);
	out[n < 0 ? 0 : n] = '\0';
	assert_string_equal(out, "reexec -x HOME=/home/x LC_TIME=C KEYFD=9 ");
}

static int
reexec_main(char *const argv[])
{
	char	 out[2000];
	int	 i;

	out[0] = '\0';
	for (i = 0; argv[i] != NULL; i++) {
		strlcat(out, argv[i], sizeof(out));
		strlcat(out, " ", sizeof(out));
	}
	for (i = 0; environ[i] != NULL; i++) {
		strlcat(out, environ[i], sizeof(out));
		strlcat(out, " ", sizeof(out));
	}
	return write(1, out, strlen(out)) == -1;
}

static void
test_priv_uid(void **state)
{
	uid_t	 uid;
	gid_t	 gid;

	(void)state;
	assert_int_equal(priv_uid(ROLE_PROXYD, &uid, &gid), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(priv_uid(ROLE_BROKER, &uid, &gid), 0);
	assert_int_not_equal(uid, 0);
	assert_int_not_equal(gid, 0);
	if (getgrnam("_kbroker") == NULL) {
		assert_int_equal(uid, 60800 + ROLE_BROKER);
		assert_int_equal(gid, 60800 + ROLE_BROKER);
	}
}

/* In a child: afterwards only five capabilities are left, bounding set too. */
static void
test_priv_parent(void **state)
{
	char	 line[256];
	FILE	*f;
	unsigned long long bnd, eff;
	pid_t	 pid;
	int	 status;

	(void)state;
	if (geteuid() != 0)
		return;
	pid = fork();
	if (pid == 0) {
		bnd = eff = ~0ULL;
		priv_parent();
		f = fopen("/proc/self/status", "r");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
			(void)sscanf(line, "CapEff: %llx", &eff);
			(void)sscanf(line, "CapBnd: %llx", &bnd);
		}
		/* KILL SETGID SETUID NET_BIND_SERVICE SYS_CHROOT */
		_exit(((bnd | eff) & ~0x404e0ULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_exec_fails),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_confine),
		cmocka_unit_test(test_stays_root),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_signals_ignored),
		cmocka_unit_test(test_env_kept),
		cmocka_unit_test(test_reexec),
		cmocka_unit_test(test_priv_uid),
		cmocka_unit_test(test_priv_parent)
	};
	char	*slash;
	ssize_t	 n;

	if (argc == 2 && strcmp(argv[0], "unit") == 0)
		return role(argv);
	if (argc == 2 && strcmp(argv[0], "reexec") == 0)
		return reexec_main(argv);
	n = readlink("/proc/self/exe", libexec, sizeof(libexec) - 1);
	if (n == -1) {
		printf("1..0 # SKIP no /proc\n");
		return 0;
	}
	libexec[n] = '\0';
	slash = strrchr(libexec, '/');
	*slash = '\0';
	self = slash + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
