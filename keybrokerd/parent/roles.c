/* SPDX-License-Identifier: ISC */
/*
 * The roles behind the keybrokerd parent: started, connected, respawned.  The
 * whole topology is connect_kid(): a pair that is not made there cannot exist.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/priv.h"
#include "common/proc/spawn.h"
#include "keybrokerd/parent/keybrokerd.h"
#include "keybrokerd/parent/watch.h"

/*
 * A ledger that ends because its storage fails ends again until somebody
 * makes room.  Service waits for it, so it looks every few seconds.
 */
#define LEDGER_BACKOFF	(3 * NS_S)

static struct keyd	*the;		/* for the poll callbacks */

/* One row a role: what it is started with. */
static const struct role_row {
	enum proto_role	 role;
	const char	*path, *name;
	int		 blob;		/* 0 none, 1 policy, 2 hosts of a KMS */
	int		 extra;		/* 0 none, 1 state directory, 2 CA,
					 * 3 export directory */
	int		 root;		/* 0 none, 1 empty, 2 state directory */
	uint64_t	 nofile;
	size_t		 memlock;
} rows[] = {
	{ ROLE_BROKER, "keybrokerd/broker", "broker", 1, 0, 1,
	    1024, 16 * 1024 * 1024 },
	{ ROLE_LEDGER, "keybrokerd/ledger", "ledger", 0, 1, 2, 64, 0 },
	{ ROLE_EGRESS, "keybrokerd/egress", "egress", 1, 2, 1,
	    2 * WORKER_LINKS + 4096, 8 * 1024 * 1024 },
	{ ROLE_DIAL, "keybrokerd/dial", "dial", 1, 0, 0, 512, 0 },
	/* Reads and judges the exported log; Landlock, not a chroot (K10). */
	{ ROLE_EXPORT, "keybrokerd/export", "export", 0, 3, 0, 64, 0 },
	{ ROLE_TLSKEY, "keybrokerd/tlskey", "tlskey", 0, 0, 1, 256, 256 * 1024 },
	{ ROLE_KMS, "keybrokerd/kms", "kms", 2, 2, 1, 128, 8 * 1024 * 1024 },
};

static const struct role_row *
row_of(enum proto_role role)
{
	size_t	 i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].role == role)
			return &rows[i];
	fatalx("no such role %d", (int)role);
}

static void
kid_name(const struct keyd *k, const struct kid *kid, char *out, size_t size)
{
	const char	*n;

	n = row_of(kid->role)->name;
	if (kid->role == ROLE_EGRESS && kid->provider >= 1 &&
	    kid->provider <= k->conf.nproviders)
		snprintf(out, size, "%s %s", n,
		    k->conf.providers[kid->provider - 1].name);
	else
		strlcpy(out, n, size);
}

void
roles_init(struct keyd *k)
{
	size_t	 i;

	for (i = 0; i < KEYD_KIDS; i++) {
		memset(&k->kids[i], 0, sizeof(k->kids[i]));
		k->kids[i].logfd = -1;
		k->kids[i].channel.fd = -1;
	}
}

struct kid *
roles_find(struct keyd *k, enum proto_role role, uint16_t provider)
{
	size_t	 i;

	for (i = 0; i < KEYD_KIDS; i++)
		if (k->kids[i].used && k->kids[i].role == role &&
		    k->kids[i].provider == provider)
			return &k->kids[i];
	return NULL;
}

/* Keep such a role running from now on. */
void
roles_want(struct keyd *k, enum proto_role role, uint16_t provider)
{
	size_t	 i;

	if (roles_find(k, role, provider) != NULL)
		return;
	for (i = 0; i < KEYD_KIDS; i++) {
		if (k->kids[i].used)
			continue;
		k->kids[i].used = 1;
		k->kids[i].role = role;
		k->kids[i].provider = provider;
		k->kids[i].next_start = 0;
		if (role == ROLE_LEDGER)
			k->kids[i].reap.most = LEDGER_BACKOFF;
		return;
	}
	log_warnx("no room for another role");
}

void
roles_peer(struct kid *to, enum proto_role role, uint16_t instance,
    uint32_t generation, int fd)
{
	struct msgw	 w;

	msg_open(&w, M_PEER);
	msg_put_u8(&w, (uint8_t)role);
	msg_put_u16(&w, instance);
	msg_put_u32(&w, generation);
	if (msg_send(&to->channel, &w, fd) == -1)
		log_warn("PEER");
}

int
roles_up(const struct kid *kid)
{
	return kid != NULL && kid->pid != 0 && kid->up;
}

/* One socketpair, an end to each. */
void
roles_join(struct kid *a, struct kid *b)
{
	int	 fd[2];

	if (msg_pair(fd) == -1) {
		log_warn("socketpair");
		return;
	}
	roles_peer(a, b->role, b->provider, b->generation, fd[0]);
	roles_peer(b, a->role, a->provider, a->generation, fd[1]);
}

/* The broker only needs to know whether there is a dial; no link to it. */
static void
tell_dial(struct keyd *k)
{
	struct kid	*broker, *dial;

	broker = roles_find(k, ROLE_BROKER, 0);
	dial = roles_find(k, ROLE_DIAL, 0);
	if (roles_up(broker))
		roles_peer(broker, ROLE_DIAL, 0, roles_up(dial) ?
		    dial->generation : 0, -1);
}

/* The links of a role that has just come up: the whole list of them. */
static void
connect_kid(struct keyd *k, struct kid *kid)
{
	struct kid	*broker, *ledger, *dial, *export, *eg;
	size_t		 i;

	broker = roles_find(k, ROLE_BROKER, 0);
	ledger = roles_find(k, ROLE_LEDGER, 0);
	dial = roles_find(k, ROLE_DIAL, 0);
	if ((kid == broker || kid == ledger) && roles_up(broker) && roles_up(ledger))
		roles_join(broker, ledger);
	export = roles_find(k, ROLE_EXPORT, 0);
	if ((kid == broker || kid == export) && roles_up(broker) &&
	    roles_up(export))
		roles_join(broker, export);
	for (i = 0; i < KEYD_KIDS; i++) {
		eg = &k->kids[i];
		if (!eg->used || eg->role != ROLE_EGRESS || !roles_up(eg))
			continue;
		/*
		 * One that had an earlier broker ends with it and gets no other;
		 * one that came up between two brokers has had none.
		 */
		if ((kid == eg || kid == broker) && !eg->brokered &&
		    roles_up(broker)) {
			eg->brokered = 1;
			roles_join(broker, eg);
		}
		if ((kid == eg || kid == dial) && roles_up(dial))
			roles_join(dial, eg);
	}
}

static void
send_config(struct keyd *k, struct kid *broker)
{
	struct msgw	 w;

	msg_open(&w, M_CONFIG);
	msg_put_raw(&w, k->conf.hash, sizeof(k->conf.hash));
	msg_put_u8(&w, (uint8_t)(k->conf.development != 0));
	msg_put_u8(&w, (uint8_t)(isatty(STDOUT_FILENO) == 1));
	msg_put_str(&w, k->conf.origin);
	msg_put_str(&w, k->kmsuri);
	msg_put_blob(&w, k->dek, strlen(k->dek));
	msg_put_u32(&w, k->conf.kmscheck);
	msg_put_u32(&w, k->conf.kmsstale);
	msg_put_u32(&w, k->conf.kmsstart);
	msg_put_u8(&w, (uint8_t)(k->init != 0));
	if (msg_send(&broker->channel, &w, -1) == -1)
		log_warn("CONFIG");
}

void
roles_status(struct keyd *k)
{
	struct kid	*broker, *kid;
	struct msgw	 w;
	char		 text[8000], name[64];
	size_t		 i, used;
	int		 r;

	if ((broker = roles_find(k, ROLE_BROKER, 0)) == NULL || !roles_up(broker))
		return;
	for (i = used = 0; i < KEYD_KIDS; i++) {
		kid = &k->kids[i];
		if (!kid->used)
			continue;
		kid_name(k, kid, name, sizeof(name));
		r = snprintf(text + used, sizeof(text) - used,
		    "%s pid %d generation %u restarts %u %s%s%s%s\n", name,
		    (int)kid->pid, kid->generation, kid->reap.deaths,
		    kid->reap.stopped ? "STOPPED (sandbox violations)" :
		    kid->up ? "up" : kid->role == ROLE_KMS ? "not needed now" :
		    "down", *kid->missing != '\0' ?
		    " without " : "", kid->missing, kid->bits == 0 ? "" :
		    " confined");
		if (r < 0 || (size_t)r >= sizeof(text) - used)
			break;
		used += (size_t)r;
	}
	msg_open(&w, M_ROLES);
	msg_put_str(&w, "roles");
	msg_put_blob(&w, text, used);
	(void)msg_send(&broker->channel, &w, -1);
	if (k->proxyd_status[0] == '\0')
		return;
	msg_open(&w, M_ROLES);
	msg_put_str(&w, "workers");
	msg_put_blob(&w, k->proxyd_status, strlen(k->proxyd_status));
	(void)msg_send(&broker->channel, &w, -1);
}

/* A role that talks nonsense is killed before its nonsense fills the log. */
static void
refused(struct kid *kid)
{
	if (kid->refused++ == 0)
		log_warnx("%s sent a message that is not for it",
		    row_of(kid->role)->name);
	if (kid->refused == KID_REFUSED) {
		log_warnx("%s, killed: too many of them",
		    row_of(kid->role)->name);
		kill(kid->pid, SIGKILL);
	}
}

/* UP: the role is confined and ready. */
static void
kid_up(struct keyd *k, struct kid *kid, struct msgr *m)
{
	char	 name[64];

	/* Once in a life: each UP makes links, and a role may be hostile. */
	if (kid->up) {
		refused(kid);
		return;
	}
	kid->bits = msg_get_u32(m);
	msg_get_str(m, kid->missing, sizeof(kid->missing));
	if (msg_end(m) == -1) {
		refused(kid);
		return;
	}
	kid->up = 1;
	kid_name(k, kid, name, sizeof(name));
	log_debug("%s is up, pid %d%s%s", name, (int)kid->pid,
	    *kid->missing != '\0' ? ", without " : "", kid->missing);
	if (kid->role == ROLE_BROKER) {
		send_config(k, kid);
		source_send(k, &kid->channel);
		watch_send(k, &kid->channel);
		message_policy(k, 1);
	}
	connect_kid(k, kid);
	kmsrole_up(k, kid);
	/* A KMS is waited for as long as the broker says (decisions K17). */
	if (k->kmsuri[0] != '\0' && !k->stopping &&
	    roles_up(roles_find(k, ROLE_BROKER, 0)) &&
	    roles_up(roles_find(k, ROLE_LEDGER, 0)))
		k->step_deadline = 0;
	/* Its workers' links are made by proxyd, once it has its keys. */
	if (kid->role == ROLE_TLSKEY)
		tlspair_up(k, kid);
	if (kid->role == ROLE_DIAL || kid->role == ROLE_BROKER)
		tell_dial(k);
	roles_status(k);
}

static void
kid_log(void *arg, int fd, short revents)
{
	struct kid	*kid;
	char		*nl;
	ssize_t		 n;
	size_t		 len;
	char		 who[40];

	kid = arg;
	n = read(fd, kid->log + kid->loglen, sizeof(kid->log) - kid->loglen);
	if (n == 0 && revents != 0)
		poll_del(the->poll, fd);	/* or poll would not rest */
	if (n <= 0)
		return;
	kid->loglen += (size_t)n;
	strlcpy(who, row_of(kid->role)->name, sizeof(who));
	if (kid->role == ROLE_EGRESS)
		snprintf(who, sizeof(who), "egress-%u", kid->provider);
	while ((nl = memchr(kid->log, '\n', kid->loglen)) != NULL) {
		len = (size_t)(nl - kid->log);
		log_child(who, kid->log, len);
		kid->loglen -= len + 1;
		memmove(kid->log, nl + 1, kid->loglen);
	}
	if (kid->loglen == sizeof(kid->log)) {
		log_child(who, kid->log, kid->loglen);
		kid->loglen = 0;
	}
}

/* Everything the role said before it went away. */
static void
kid_drain_log(struct keyd *k, struct kid *kid)
{
	int	 i;

	if (kid->logfd == -1)
		return;
	for (i = 0; i < 16; i++)
		kid_log(kid, kid->logfd, 0);
	poll_del(k->poll, kid->logfd);
	close(kid->logfd);
	kid->logfd = -1;
	kid->loglen = 0;
}

static void
kid_channel(void *arg, int fd, short revents)
{
	struct kid	*kid;

	(void)fd;
	(void)revents;
	kid = arg;
	if (msglink_read(&kid->channel, 16, message_kid, kid) != -1)
		return;
	/* A role without a channel has no parent: it may not live on. */
	poll_del(the->poll, kid->channel.fd);
	kill(kid->pid, SIGKILL);
}

/* message_kid's first part: what every role may say. */
int
message_kid(void *arg, struct msgr *m, int fd)
{
	struct kid	*kid;
	char		 text[REASON_MAX], name[64];
	size_t		 n;

	kid = arg;
	if (permit_check(m->type, PL_PR, PD_UP, 0, m->len, fd != -1) == -1) {
		if (fd != -1)
			close(fd);
		refused(kid);
		return 0;
	}
	switch (m->type) {
	case M_UP:
		kid_up(the, kid, m);
		break;
	case M_PROBLEM:
		text[0] = '2';
		text[1] = ' ';
		n = msg_get_str(m, text + 2, sizeof(text) - 2);
		kid_name(the, kid, name, sizeof(name));
		if (msg_end(m) == 0)
			log_child(name, text, n + 2);	/* which bounds it */
		break;
	default:
		if (kid->role == ROLE_BROKER)
			return message_broker(the, m);
		if (kid->role == ROLE_TLSKEY && m->type == M_TLSREADY) {
			tlspair_ready(the, m);
			break;
		}
		refused(kid);
	}
	return 0;
}

static void
kid_start(struct keyd *k, struct kid *kid, uint64_t now)
{
	const struct role_row	*row;
	struct role_exec	 ex;
	char			 name[64];
	int			 blob, channel, extra;

	row = row_of(kid->role);
	memset(&ex, 0, sizeof(ex));
	if (geteuid() == 0) {
		if (priv_uid(kid->role, &ex.uid, &ex.gid) == -1)
			fatal("uid of %s", row->name);
		if (row->root != 0)
			strlcpy(ex.root, row->root == 1 ? k->root_empty :
			    k->args.statedir, sizeof(ex.root));
	}
	ex.nofile = row->nofile;
	if (kid->role == ROLE_BROKER)
		ex.nofile += WORKERS_MAX * 2;
	ex.memlock = row->memlock;
	ex.instance = kid->provider;
	ex.generation = ++kid->generation;
	ex.permissive = k->conf.permissive;
	ex.development = k->conf.development;
	extra = row->extra == 1 ? k->statefd : row->extra == 2 ? k->cafd :
	    row->extra == 3 ? k->exportfd : -1;
	blob = row->blob == 1 ? k->blobfd : row->blob == 2 ?
	    kmsrole_list(k) : -1;
	kid_name(k, kid, name, sizeof(name));
	kid->pid = spawn_role(row->path, row->name, &ex, blob, extra,
	    &channel, &kid->logfd);
	if (row->blob == 2 && blob != -1)
		close(blob);
	if (kid->pid == -1) {
		kid->pid = 0;
		kid->logfd = -1;
		log_warn("%s does not start", name);
		kid->next_start = kid->role == ROLE_KMS ?
		    kmsrole_gone(k, kid, now) : now + NS_S;
		return;
	}
	kid->up = 0;
	kid->linked = 0;
	kid->refused = 0;
	kid->brokered = 0;
	kid->expected = 0;
	kid->next_start = UINT64_MAX;
	reap_started(&kid->reap, now);
	msglink_init(&kid->channel, channel, 0);
	poll_add(k->poll, channel, POLLIN, kid_channel, kid);
	poll_add(k->poll, kid->logfd, POLLIN, kid_log, kid);
}

/* Start what is due and push out what waits. */
void
roles_turn(struct keyd *k, uint64_t now)
{
	struct kid	*kid, *broker;
	size_t		 i;
	int		 r;

	the = k;
	broker = roles_find(k, ROLE_BROKER, 0);
	for (i = 0; i < KEYD_KIDS; i++) {
		kid = &k->kids[i];
		if (!kid->used)
			continue;
		if (kid->pid == 0 && kid->next_start <= now &&
		    !k->stopping &&
		    /* an egress without a broker would end at once */
		    (kid->role != ROLE_EGRESS || roles_up(broker)))
			kid_start(k, kid, now);
		if (kid->pid == 0 || kid->channel.fd == -1)
			continue;
		r = msglink_flush(&kid->channel);
		if (!kid->channel.dead)
			poll_events(k->poll, kid->channel.fd,
			    (short)(POLLIN | (r == 1 ? POLLOUT : 0)));
	}
}

uint64_t
roles_deadline(const struct keyd *k)
{
	uint64_t	 t;
	size_t		 i;

	t = UINT64_MAX;
	for (i = 0; i < KEYD_KIDS; i++)
		if (k->kids[i].used && k->kids[i].pid == 0 &&
		    k->kids[i].role != ROLE_EGRESS &&
		    k->kids[i].next_start < t)
			t = k->kids[i].next_start;
	return t;
}

/*
 * Its exchange ends with it.  One that says before service that no other life
 * could do better (75 try later, 78 configuration) ends the gateway so.
 */
static void
broker_gone(struct keyd *k, int status)
{
	int	 code;

	kmsrole_end(k);
	k->waiting[0] = '\0';
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	if (!k->ready && !k->stopping && (code == EX_TEMPFAIL ||
	    code == EX_CONFIG)) {
		k->exitcode = code;
		keyd_stop(k, 0);
	}
	k->ready = 0;
}

static void
kid_gone(struct keyd *k, struct kid *kid, int status, uint64_t now)
{
	char	 text[200], name[64];
	int	 clean;

	kid_name(k, kid, name, sizeof(name));
	kid_drain_log(k, kid);
	/* What it sent before it died still counts. */
	while (msglink_read(&kid->channel, 16, message_kid, kid) > 0)
		;
	poll_del(k->poll, kid->channel.fd);
	msglink_close(&kid->channel);
	kid->channel.fd = -1;
	kid->pid = 0;
	kid->up = 0;
	clean = kid->expected || k->stopping ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (kid->role == ROLE_EGRESS && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0) {
		/* It went with its broker: no fault, no back-off. */
		strlcpy(text, "its broker is gone", sizeof(text));
		kid->next_start = now;
		reap_excused(&kid->reap);
	} else
		kid->next_start = reap_died(&kid->reap, status, now, text,
		    sizeof(text));
	if (kid->role == ROLE_KMS)
		kid->next_start = kmsrole_gone(k, kid, now);
	else if (kid->expected)
		kid->next_start = now;
	if (clean)
		log_debug("%s, ended: %s", name, text);
	else
		log_warnx("%s, ended: %s%s", name, text, kid->reap.stopped ?
		    "; three sandbox violations in a minute: not started "
		    "again" : "");
	if (kid->role == ROLE_BROKER)
		broker_gone(k, status);
	if (kid->gone)
		kid->used = kid->gone = 0;
	if (kid->role == ROLE_DIAL)
		tell_dial(k);
	roles_status(k);
}

void
roles_reap(struct keyd *k, uint64_t now)
{
	size_t	 i;
	pid_t	 pid;
	int	 status;

	the = k;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < KEYD_KIDS; i++)
			if (k->kids[i].used && k->kids[i].pid == pid)
				kid_gone(k, &k->kids[i], status, now);
}

/* Ask a role to end; its death is then no fault. */
void
roles_stop(struct keyd *k, struct kid *kid)
{
	struct msgw	 w;

	(void)k;
	if (kid == NULL || kid->pid == 0)
		return;
	kid->expected = 1;
	msg_open(&w, M_EXIT);
	(void)msg_send(&kid->channel, &w, -1);
	(void)msglink_flush(&kid->channel);
}

int
roles_alive(const struct keyd *k)
{
	size_t	 i;
	int	 n;

	for (i = 0, n = 0; i < KEYD_KIDS; i++)
		n += k->kids[i].used && k->kids[i].pid != 0;
	return n;
}

void
roles_kill(struct keyd *k, int sig)
{
	size_t	 i;

	for (i = 0; i < KEYD_KIDS; i++)
		if (k->kids[i].used && k->kids[i].pid != 0)
			kill(k->kids[i].pid, sig);
}
