/* SPDX-License-Identifier: ISC */
/*
 * proxyd's parent: binds, spawns, reloads, stops.  Its first act hands the
 * environment to keybrokerd and replaces itself with a clean one; it sees no
 * client byte and no secret.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/paths.h"
#include "common/proc/priv.h"
#include "common/proc/spawn.h"
#include "proxyd/parent/proxyd.h"

#define EXIT_CONFIG	78
#define STAGE_VAR	"PROXYD_STAGE"

/* One look at the children at once: keybrokerd may have ended before there was
 * a handler. */
static volatile sig_atomic_t	 got_hup, got_term, got_chld = 1;

static void
on_signal(int sig)
{
	if (sig == SIGHUP)
		got_hup = 1;
	else if (sig == SIGCHLD)
		got_chld = 1;
	else
		got_term++;
}

static void
signals(struct pollset *ps)
{
	static const int	 handled[] = { SIGHUP, SIGCHLD, SIGTERM, SIGINT };
	struct sigaction	 sa;
	sigset_t		 set;
	size_t			 i;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	sigemptyset(&set);
	for (i = 0; i < nitems(handled); i++) {
		sigaction(handled[i], &sa, NULL);
		sigaddset(&set, handled[i]);
	}
	poll_signals(ps, &set);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

/*
 * First act, before any configuration is read: keybrokerd gets argv and the
 * environment as they are; then this image is replaced.  Returns on failure.
 */
int
proxyd_stage_one(int argc, char **argv)
{
	char	 path[PATH_MAX], stage[64], *extra[2];
	pid_t	 pid;
	int	 fd[2];

	(void)argc;
	snprintf(path, sizeof(path), "%s/../sbin/keybrokerd", paths_libexec);
	if (access(path, X_OK) == -1 || msg_pair(fd) == -1) {
		fprintf(stderr, "proxyd: %s: %s\n", path, strerror(errno));
		return -1;
	}
	if ((pid = fork()) == -1) {
		fprintf(stderr, "proxyd: fork: %s\n", strerror(errno));
		return -1;
	}
	if (pid == 0) {
		if (fd[1] == 3)
			fcntl(3, F_SETFD, 0);
		else if (dup2(fd[1], 3) == -1)
			_exit(1);
		argv[0] = "keybrokerd";
		execv(path, argv);
		_exit(127);
	}
	close(fd[1]);
	if (fd[0] != 3) {
		if (dup2(fd[0], 3) == -1)
			return -1;
		close(fd[0]);
	}
	fcntl(3, F_SETFD, 0);
	snprintf(stage, sizeof(stage), STAGE_VAR "=%d", (int)pid);
	extra[0] = stage;
	extra[1] = NULL;
	spawn_reexec(argv, extra);
	fprintf(stderr, "proxyd: cannot execute itself: %s\n",
	    strerror(errno));
	return -1;
}

/* sd_notify(3) without its library: one datagram. */
static void
notify(const char *what)
{
	struct sockaddr_un	 sun;
	const char		*path;
	int			 fd;

	path = getenv("NOTIFY_SOCKET");
	if (path == NULL || strlen(path) >= sizeof(sun.sun_path))
		return;
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
		return;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	if (sun.sun_path[0] == '@')
		sun.sun_path[0] = '\0';
	(void)sendto(fd, what, strlen(what), MSG_NOSIGNAL,
	    (struct sockaddr *)&sun, (socklen_t)(offsetof(struct sockaddr_un,
	    sun_path) + strlen(path)));
	close(fd);
}

/*
 * Listeners and workers begin with the first word of the broker; those of
 * another life of it find their links dead.
 */
static void
begin(struct proxyd *p, uint32_t life)
{
	size_t	 i;

	if (!p->begun) {
		p->begun = 1;
		reload_first(p);
	} else if (life != p->life)
		for (i = 0; i < WK_MAX; i++)
			generation_link(p, &p->workers[i]);
	p->life = life;
}

/* The broker waits for its KMS: clients are told so (kms.md 2.2). */
static void
on_waiting(struct proxyd *p, struct msgr *m)
{
	char		 status[REASON_MAX + 64];
	uint32_t	 life;

	life = msg_get_u32(m);
	(void)msg_get_u8(m);		/* READY tells the workers */
	msg_get_str(m, p->waiting, sizeof(p->waiting));
	if (msg_end(m) == -1)
		fatalx("malformed KP_WAITING");
	snprintf(status, sizeof(status), "STATUS=%s%s\n", p->waiting[0] ==
	    '\0' ? "starting" : "waits for the KMS: ", p->waiting);
	notify(status);
	p->patience_at = 0;
	if (!p->stopping)
		begin(p, life);
}

static void
on_ready(struct proxyd *p, struct msgr *m)
{
	uint32_t	 life;

	life = msg_get_u32(m);
	p->first_run = msg_get_u8(m);
	(void)msg_get_u8(m);
	msg_get_str(m, p->policy, sizeof(p->policy));
	msg_get_str(m, p->pin, sizeof(p->pin));
	msg_get_str(m, p->with, sizeof(p->with));
	msg_get_str(m, p->without, sizeof(p->without));
	if (msg_end(m) == -1)
		fatalx("malformed KP_READY");
	if (p->waiting[0] != '\0')
		notify("STATUS=\n");
	p->waiting[0] = '\0';
	p->serving = 1;
	begin(p, life);
}

static int
key_message(void *arg, struct msgr *m, int fd)
{
	struct proxyd	*p;
	char		 text[REASON_MAX];
	uint8_t		 what;

	p = arg;
	if (fd != -1)
		close(fd);
	if (permit_check(m->type, PL_KP, PD_DOWN, 0, m->len, fd != -1) == -1)
		fatalx("keybrokerd sent an unexpected message %u", m->type);
	switch (m->type) {
	case M_KP_READY:
		on_ready(p, m);
		break;
	case M_KP_ASK:
		what = msg_get_u8(m);
		if (what == 3 || what == 4)
			generation_end(p, what == 4, m);
		else if (msg_end(m) == 0 && what == 1 && !p->stopping)
			got_term = 1;
		else if (what == 2)
			got_hup = 1;
		break;
	case M_KP_WAITING:
		on_waiting(p, m);
		break;
	case M_KP_RELOADED:
		what = msg_get_u8(m);
		msg_get_str(m, text, sizeof(text));
		if (!what)
			log_warnx("reload: %s", text);
		break;
	case M_KP_TLSREADY:
		reload_verdict(p, m);
		break;
	case M_KP_STOPPED:
		break;
	}
	return 0;
}

static void
key_readable(void *arg, int fd, short revents)
{
	struct proxyd	*p;

	(void)fd;
	(void)revents;
	p = arg;
	if (msglink_read(&p->key, 16, key_message, p) == -1)
		poll_del(p->poll, p->key.fd);
}

static void
stop(struct proxyd *p, uint64_t now)
{
	if (!p->stopping) {
		p->stopping = 1;
		log_info("stopping: running answers get %u s", p->conf.grace);
		slot_close(p);
		generation_drain(p, now);
		p->stop_until = now + (uint64_t)(p->conf.grace + 3) * NS_S;
	} else if (p->stopping == 1) {
		log_warnx("stopping at once");
		p->stop_until = now + 3 * NS_S;
		generation_hurry(p, now);
	}
}

/* 1 when everything has ended. */
static int
stop_turn(struct proxyd *p, uint64_t now)
{
	if (p->stopping == 1 && (generation_alive(p) == 0 ||
	    now >= p->stop_until)) {
		if (generation_alive(p) != 0)
			generation_kill(p, SIGKILL);
		p->stopping = 2;
		p->stop_until = now + 20 * NS_S;
		(void)msg_sendv(&p->key, M_KP_STOP, NULL, 0, -1);
	}
	if (p->keypid == 0 && generation_alive(p) == 0)
		return 1;
	if (p->stopping == 2 && now >= p->stop_until && p->keypid != 0) {
		log_warnx("keybrokerd does not end: killed");
		kill(p->keypid, SIGKILL);
		p->stop_until = UINT64_MAX;
	}
	return 0;
}

static void
children(struct proxyd *p, uint64_t now)
{
	pid_t	 pid;
	int	 status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != p->keypid) {
			generation_died(p, pid, status, now);
			continue;
		}
		p->keypid = 0;
		if (p->stopping == 2)
			continue;
		/* A parent ended: everything starts afresh by the service
		 * manager; its exit code tells why. */
		p->exitcode = WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
		    WEXITSTATUS(status) : 1;
		if (p->ready)
			log_warnx("keybrokerd ended: this gateway ends too");
		p->stopping = 2;
		slot_close(p);
		generation_kill(p, SIGKILL);
	}
}

static void
on_signals(struct proxyd *p, uint64_t now)
{
	if (got_chld) {
		got_chld = 0;
		children(p, now);
	}
	if (got_term) {
		got_term = 0;
		stop(p, now);
	}
	if (got_hup) {
		got_hup = 0;
		if (p->ready && !p->stopping)
			reload_start(p);
	}
}

static int
any_up(const struct proxyd *p)
{
	size_t	 i;

	for (i = 0; i < WK_MAX; i++)
		if (p->workers[i].state == WK_UP)
			return 1;
	return 0;
}

/* A KMS is waited for as long as it takes; systemd's patience has an end. */
static void
patience(struct proxyd *p, uint64_t now)
{
	if (p->waiting[0] == '\0' || now < p->patience_at)
		return;
	p->patience_at = now + 20 * NS_S;
	notify("EXTEND_TIMEOUT_USEC=60000000\n");
}

static int
loop(struct proxyd *p)
{
	uint64_t	 now, until;
	int		 r;

	for (;;) {
		now = poll_now();
		on_signals(p, now);
		reload_late(p, now);
		if (p->exitcode != 0 && !p->stopping)
			stop(p, now);
		generation_turn(p, now);
		if (p->stopping && stop_turn(p, now))
			return p->exitcode;
		if (!p->announced && p->serving && any_up(p)) {
			first_announce(p);
			notify("READY=1\n");
		}
		patience(p, now);
		r = msglink_flush(&p->key);
		if (!p->key.dead)
			poll_events(p->poll, p->key.fd,
			    (short)(POLLIN | (r == 1 ? POLLOUT : 0)));
		until = generation_deadline(p);
		if (p->waiting[0] != '\0' && p->patience_at < until)
			until = p->patience_at;
		if (p->stopping && p->stop_until < until)
			until = p->stop_until;
		if (p->judge_until != 0 && p->judge_until < until)
			until = p->judge_until;
		if (poll_turn(p->poll, until) == -1)
			fatal("poll");
	}
}

int
proxyd_run(int argc, char **argv)
{
	static struct proxyd	 p;
	struct stat		 st;
	const char		*errstr;

	p.keypid = (pid_t)strtonum(getenv(STAGE_VAR), 2, INT_MAX, &errstr);
	if (errstr != NULL || fstat(3, &st) == -1 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "proxyd: " STAGE_VAR " is not for operators\n");
		return EXIT_CONFIG;
	}
	unsetenv(STAGE_VAR);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	umask(077);
	p.poll = poll_new(WK_MAX * 2 + 8);
	signals(p.poll);
	if (args_parse(&p.args, "proxyd", argc, argv) == -1)
		return EXIT_CONFIG;
	log_parent("proxyd", p.args.debug);
	log_verbose(p.args.verbose);
	if (pconf_load(&p.conf, &p.args) == -1)
		return EXIT_CONFIG;
	snprintf(p.root_empty, sizeof(p.root_empty), "%s/empty",
	    p.args.statedir);
	if (geteuid() == 0)
		priv_parent();
	msglink_init(&p.key, 3, 1024 * 1024);
	poll_add(p.poll, 3, POLLIN, key_readable, &p);
	return loop(&p);
}
