/* SPDX-License-Identifier: ISC */
/*
 * keybrokerd's parent: topology, configuration, descriptors of secret sources.
 * It never maps a secret after its first act (source.c), never sees a client's
 * byte, and everything below it ends when it does.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sha2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/priv.h"
#include "common/proc/role.h"
#include "common/secret/secret.h"
#include "keybrokerd/parent/keybrokerd.h"
#include "keybrokerd/parent/watch.h"

#define EXIT_CONFIG	EX_CONFIG
#define STEP_NS		(10 * NS_S)

static volatile sig_atomic_t	 got_hup, got_term, got_chld;

static void
on_signal(int sig)
{
	if (sig == SIGHUP)
		got_hup = 1;
	else if (sig == SIGCHLD)
		got_chld = 1;
	else
		got_term = 1;
}

static void
signals(struct pollset *ps)
{
	static const int	 handled[] = { SIGHUP, SIGCHLD, SIGTERM };
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
	/* Ctrl-C reaches proxyd too, which ends us in its order. */
	sa.sa_handler = SIG_IGN;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
}

/* Compile the policy into a sealed memfd. */
static int
policy_make(struct keyd *k, const struct kconf *c)
{
	SHA2_CTX	 h;
	uint8_t		*blob;
	size_t		 len;
	int		 fd;

	if ((blob = kconf_blob(c, &len)) == NULL) {
		log_warn("the policy cannot be compiled");
		return -1;
	}
	fd = secret_sealed("policy", blob, len);
	SHA256Init(&h);
	SHA256Update(&h, blob, len);
	free(blob);
	if (fd == -1) {
		log_warn("policy");
		return -1;
	}
	if (k->blobfd != -1)
		close(k->blobfd);
	k->blobfd = fd;
	k->bloblen = len;
	SHA256Final(k->policy, &h);
	return 0;
}

/* Paths that depend on both the options and the configuration. */
void
keyd_paths(struct kconf *c, const struct args *a)
{
	if (c->vaultkey[0] == '\0')
		snprintf(c->vaultkey, sizeof(c->vaultkey), "%.4000s/vault.key",
		    a->confdir);
}

/*
 * Providers are numbered by their place.  dial and the egresses read the blob
 * at their start: those whose own row changed start afresh, the others go on
 * with their running calls.
 */
static void
restart_changed(struct keyd *k, const struct kconf *c)
{
	struct kid	*kid;
	size_t		 i;
	int		 any;

	any = 0;
	for (i = 0; i < KEYD_KIDS; i++) {
		kid = &k->kids[i];
		if (!kid->used || kid->role != ROLE_EGRESS ||
		    (kid->provider <= c->nproviders &&
		    memcmp(&c->providers[kid->provider - 1],
		    &k->conf.providers[kid->provider - 1],
		    sizeof(c->providers[0])) == 0))
			continue;
		roles_stop(k, kid);
		kid->gone = kid->provider > c->nproviders;
	}
	for (i = 0; i < PROVIDERS_MAX; i++)
		any |= memcmp(&c->providers[i], &k->conf.providers[i],
		    sizeof(c->providers[0])) != 0;
	if (any)
		roles_stop(k, roles_find(k, ROLE_DIAL, 0));
}

/* A configuration that does not parse changes nothing. */
void
keyd_reload(struct keyd *k)
{
	struct kconf	*c;
	struct msgw	 w;
	uint8_t		 old[32];
	int		 ok;

	if ((c = malloc(sizeof(*c))) == NULL)
		fatal("reload");
	ok = kconf_load(c, &k->args) == 0;
	memcpy(old, k->policy, sizeof(old));
	if (ok) {
		keyd_paths(c, &k->args);
		strlcpy(c->control, k->conf.control, sizeof(c->control));
		ok = policy_make(k, c) == 0;
	}
	if (ok) {
		restart_changed(k, c);
		k->conf = *c;
		source_reopen(k);
		(void)watch_configure(k, 0);
		if (memcmp(old, k->policy, sizeof(old)) != 0)
			message_policy(k, 0);
		log_info("configuration read again%s", memcmp(old, k->policy,
		    sizeof(old)) != 0 ? ", new policy" : "");
	} else
		log_warnx("the configuration was not read again, see above; "
		    "what is running stays");
	free(c);
	msg_open(&w, M_KP_RELOADED);
	msg_put_u8(&w, (uint8_t)ok);
	msg_put_str(&w, ok ? "" : "keybrokerd.conf has errors, see the log");
	(void)msg_send(&k->proxyd, &w, -1);
}

/*
 * Stop: the broker writes what is open and ends first, then the others.
 * Called again, or with now set: everything ends at once.
 */
void
keyd_stop(struct keyd *k, int now)
{
	struct kid	*broker;
	struct msgw	 w;

	broker = roles_find(k, ROLE_BROKER, 0);
	if (!k->stopping) {
		k->stopping = 1;
		k->step_deadline = poll_now() + STEP_NS;
		if (broker != NULL && broker->pid != 0) {
			broker->expected = 1;
			msg_open(&w, M_CLOSING);
			(void)msg_send(&broker->channel, &w, -1);
		}
		kmsrole_end(k);
	}
	if (now)
		k->step_deadline = 0;
}

/* The broker is gone: the rest follows.  1 when all are. */
static int
stop_turn(struct keyd *k, uint64_t now)
{
	struct kid	*broker;
	size_t		 i;

	broker = roles_find(k, ROLE_BROKER, 0);
	if (broker != NULL && broker->pid != 0 && now < k->step_deadline)
		return 0;
	if (roles_alive(k) == 0)
		return 1;
	if (k->stopping == 1) {
		k->stopping = 2;
		k->step_deadline = now + 5 * NS_S;
		for (i = 0; i < KEYD_KIDS; i++)
			if (k->kids[i].used)
				roles_stop(k, &k->kids[i]);
	} else if (now >= k->step_deadline)
		roles_kill(k, SIGKILL);
	return 0;
}

static void
proxyd_readable(void *arg, int fd, short revents)
{
	struct keyd	*k;

	(void)fd;
	(void)revents;
	k = arg;
	if (msglink_read(&k->proxyd, 16, message_proxyd, k) != -1)
		return;
	/* A lost parent ends everything (design 3, Death). */
	poll_del(k->poll, k->proxyd.fd);
	keyd_stop(k, 0);
}

static void
on_signals(struct keyd *k, uint64_t now)
{
	struct msgw	 w;

	if (got_chld) {
		got_chld = 0;
		roles_reap(k, now);
	}
	if (!got_hup && !got_term)
		return;
	msg_open(&w, M_KP_ASK);
	msg_put_u8(&w, got_term ? 1 : 2);
	got_hup = got_term = 0;
	if (msg_send(&k->proxyd, &w, -1) == -1)
		keyd_stop(k, 0);
}

static void
watch(struct keyd *k, uint64_t now)
{
	static uint64_t	 stamp;
	uint64_t	 s;

	if (now < k->next_watch)
		return;
	k->next_watch = now + KEYD_CHANGE * NS_S;
	s = state_resolver_stamp();
	if (stamp != 0 && s != stamp) {
		log_info("the resolver's files changed: dial starts afresh");
		roles_stop(k, roles_find(k, ROLE_DIAL, 0));
	}
	stamp = s;
}

static uint64_t
next_deadline(const struct keyd *k)
{
	uint64_t	 t, r;

	t = k->next_watch;
	r = roles_deadline(k);
	if (r < t)
		t = r;
	if (k->step_deadline != 0 && k->step_deadline < t)
		t = k->step_deadline;
	r = watch_deadline();
	return r < t ? r : t;
}

static int
loop(struct keyd *k)
{
	uint64_t	 now;
	int		 r;

	for (;;) {
		now = poll_now();
		on_signals(k, now);
		watch(k, now);
		watch_turn(k, now);
		roles_turn(k, now);
		if (k->stopping && stop_turn(k, now))
			break;
		if (!k->stopping && k->step_deadline != 0 &&
		    now >= k->step_deadline) {
			log_warnx("start: %s is not ready after 10 s",
			    k->step != NULL ? k->step : "a role");
			k->exitcode = 1;
			keyd_stop(k, 0);
			continue;
		}
		r = k->proxyd.dead ? -1 : msglink_flush(&k->proxyd);
		if (!k->proxyd.dead)
			poll_events(k->poll, k->proxyd.fd,
			    (short)(POLLIN | (r == 1 ? POLLOUT : 0)));
		if (poll_turn(k->poll, next_deadline(k)) == -1)
			fatal("poll");
	}
	if (!k->init) {
		(void)msg_sendv(&k->proxyd, M_KP_STOPPED, NULL, 0, -1);
		(void)msglink_flush(&k->proxyd);
		unlink(k->ctlpath);
	}
	return k->exitcode;
}

static int
prepare(struct keyd *k)
{
	int	 user;

	if (kconf_load(&k->conf, &k->args) == -1)
		return EXIT_CONFIG;
	keyd_paths(&k->conf, &k->args);
	if (keyplace_read(k) == -1)
		return EXIT_CONFIG;
	source_claim(k);
	k->blobfd = -1;
	if (policy_make(k, &k->conf) == -1)
		return EXIT_CONFIG;
	if (k->args.check)
		return 0;
	if (state_open(k) == -1)
		return 1;
	k->first_run = state_first_run(k);
	user = geteuid() != 0 || k->conf.development;
	if (keyplace_choose(k, user) == -1)
		return EXIT_CONFIG;
	if (source_open_files(k) == -1 || watch_configure(k, 1) == -1)
		return EXIT_CONFIG;
	if (state_ca(k) == -1 || control_listen(k) == -1)
		return 1;
	return 0;
}

static void
start(struct keyd *k)
{
	k->step = "the broker (with ledger and dial)";
	k->step_deadline = poll_now() + 3 * STEP_NS;
	roles_want(k, ROLE_LEDGER, 0);
	roles_want(k, ROLE_DIAL, 0);
	roles_want(k, ROLE_BROKER, 0);
	roles_want(k, ROLE_EXPORT, 0);
	if (k->kmsuri[0] != '\0')
		roles_want(k, ROLE_KMS, 0);
}

/* keybrokerd init: no proxyd above, nobody to call, Ctrl-C is ours. */
int
keyd_once(struct keyd *k)
{
	struct sigaction	 sa;
	sigset_t		 set;

	k->poll = poll_new(KEYD_KIDS * 2 + 9);
	signals(k->poll);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigaction(SIGINT, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	poll_signals(k->poll, &set);
	roles_init(k);
	tlspair_init(k);
	k->blobfd = -1;
	if (policy_make(k, &k->conf) == -1)
		return EXIT_CONFIG;
	if (state_ca(k) == -1)
		return 1;
	start(k);
	return loop(k);
}

int
keyd_run(int argc, char **argv)
{
	static struct keyd	 k;
	struct stat		 st;
	int			 r;

	k.kmsfd = -1;
	if (source_inherit(&k.sources) == -1) {
		fprintf(stderr, "keybrokerd: bad descriptors from stage one\n");
		return 1;
	}
	if (args_parse(&k.args, "keybrokerd", argc, argv) == -1)
		return EXIT_CONFIG;
	if (fstat(ROLE_FD_CHANNEL, &st) == -1 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "keybrokerd is started by proxyd; by hand there "
		    "is only \"keybrokerd init\", -n and -V\n");
		return EXIT_CONFIG;
	}
	fcntl(ROLE_FD_CHANNEL, F_SETFD, FD_CLOEXEC);
	log_parent("keybrokerd", k.args.debug);
	log_verbose(k.args.verbose);
	umask(077);
	k.poll = poll_new(KEYD_KIDS * 2 + 9);
	signals(k.poll);
	msglink_init(&k.proxyd, ROLE_FD_CHANNEL, 0);
	roles_init(&k);
	tlspair_init(&k);
	if ((r = prepare(&k)) != 0)
		return r;
	if (geteuid() == 0)
		priv_parent();
	poll_add(k.poll, k.proxyd.fd, POLLIN, proxyd_readable, &k);
	start(&k);
	return loop(&k);
}

