/* SPDX-License-Identifier: ISC */
/*
 * Workers: spawned by seat, replaced by generation, drained.  A worker's link
 * to the broker is made here, with the class of its listeners, which no worker
 * can choose.
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/priv.h"
#include "common/proc/spawn.h"
#include "proxyd/parent/proxyd.h"

static struct proxyd	*the;

static const char *const class_name[] = { "none", "data", "admin", "both" };

static struct wk *
seat_worker(struct proxyd *p, uint8_t class, unsigned index,
    enum worker_state a, enum worker_state b)
{
	size_t	 i;

	for (i = 0; i < WK_MAX; i++)
		if ((p->workers[i].state == a || p->workers[i].state == b) &&
		    p->workers[i].class == class &&
		    p->workers[i].index == index)
			return &p->workers[i];
	return NULL;
}

static int
class_used(const struct proxyd *p, uint8_t class)
{
	size_t	 i;

	for (i = 0; i < p->conf.nlisteners; i++)
		if (p->conf.listeners[i].class == class)
			return 1;
	return 0;
}

void
generation_status(struct proxyd *p)
{
	struct msgw	 m;
	struct wk	*w;
	char		 text[7900];
	size_t		 i, used;
	int		 r;

	static const char *const state[] = { "none", "starting", "up",
	    "draining" };

	for (i = used = 0; i < WK_MAX; i++) {
		w = &p->workers[i];
		if (w->state == WK_NONE)
			continue;
		r = snprintf(text + used, sizeof(text) - used,
		    "worker %u class %s pid %d generation %u restarts %u %s%s%s"
		    "\n", w->index, class_name[w->class & 3], (int)w->pid,
		    w->generation, p->seats[w->class][w->index].reap.deaths,
		    state[w->state], *w->missing != '\0' ? " without " : "",
		    w->missing);
		if (r < 0 || (size_t)r >= sizeof(text) - used)
			break;
		used += (size_t)r;
	}
	msg_open(&m, M_KP_STATUS);
	msg_put_blob(&m, text, used);
	(void)msg_send(&p->key, &m, -1);
}

/* A fresh link to the broker: one end to the worker, one by keybrokerd. */
void
generation_link(struct proxyd *p, struct wk *w)
{
	struct msgw	 m;
	int		 fd[2];

	if (w->state != WK_UP && w->state != WK_DRAINING)
		return;
	if (msg_pair(fd) == -1) {
		log_warn("socketpair");
		return;
	}
	msg_open(&m, M_PEER);
	msg_put_u8(&m, ROLE_BROKER);
	msg_put_u16(&m, 0);
	msg_put_u32(&m, w->generation);
	if (msg_send(&w->channel, &m, fd[0]) == -1)
		log_warn("PEER");
	msg_open(&m, M_KP_LINKUP);
	msg_put_u16(&m, (uint16_t)w->index);
	msg_put_u32(&m, w->generation);
	msg_put_u8(&m, w->class);
	msg_put_u64(&m, w->wall);
	msg_put_u32(&m, p->conf.calls);
	if (msg_send(&p->key, &m, fd[1]) == -1)
		log_warn("LINKUP");
}

/* And one to tlskey, where something listens with TLS. */
static void
tlslink(struct proxyd *p, struct wk *w)
{
	struct msgw	 m;
	int		 fd[2];

	if ((w->state != WK_UP && w->state != WK_DRAINING) ||
	    !certificate_used(&p->conf))
		return;
	if (msg_pair(fd) == -1) {
		log_warn("socketpair");
		return;
	}
	msg_open(&m, M_PEER);
	msg_put_u8(&m, ROLE_TLSKEY);
	msg_put_u16(&m, 0);
	msg_put_u32(&m, w->generation);
	if (msg_send(&w->channel, &m, fd[0]) == -1)
		log_warn("PEER");
	msg_open(&m, M_KP_TLSLINK);
	msg_put_u16(&m, (uint16_t)w->index);
	msg_put_u32(&m, w->generation);
	if (msg_send(&p->key, &m, fd[1]) == -1)
		log_warn("TLSLINK");
}

/* Another life of tlskey: the old links are dead. */
void
generation_tlslinks(struct proxyd *p)
{
	size_t	 i;

	for (i = 0; i < WK_MAX; i++)
		tlslink(p, &p->workers[i]);
}

/*
 * Of a stop: running answers get the grace.  Of a replacement, which nobody
 * waits for: a long stream may finish, and what is idle ends in its own time.
 */
static void
drain(struct proxyd *p, struct wk *w, enum proto_drain how, uint64_t now)
{
	struct msgw	 m;
	uint64_t	 span;

	w->state = WK_DRAINING;
	span = (uint64_t)p->conf.grace * NS_S;
	if (how == DRAIN_REPLACED && span < REPLACED_GRACE)
		span = REPLACED_GRACE;
	w->drain_until = now + span;
	msg_open(&m, M_DRAIN);
	msg_put_u16(&m, (uint16_t)how);
	(void)msg_send(&w->channel, &m, -1);
}

static void
send_limits(struct proxyd *p, struct wk *w)
{
	struct msgw	 m;

	msg_open(&m, M_LIMITS);
	msg_put_u32(&m, p->conf.connections / p->conf.workers);
	msg_put_u32(&m, p->conf.source / p->conf.workers == 0 ? 1 :
	    p->conf.source / p->conf.workers);
	msg_put_u32(&m, p->conf.header);
	msg_put_u32(&m, p->conf.idle);
	(void)msg_send(&w->channel, &m, -1);
}

/* UP: link first, then sockets, so that the first client finds a broker. */
static void
worker_up(struct proxyd *p, struct wk *w, struct msgr *m)
{
	struct seat	*s;
	struct wk	*old;

	w->bits = msg_get_u32(m);
	msg_get_str(m, w->missing, sizeof(w->missing));
	if (msg_end(m) == -1 || w->state != WK_STARTING)
		return;
	old = seat_worker(p, w->class, w->index, WK_UP, WK_UP);
	w->state = WK_UP;
	send_limits(p, w);
	generation_link(p, w);
	tlslink(p, w);
	slot_give(p, w, w->index);
	if (old != NULL)
		drain(p, old, DRAIN_REPLACED, poll_now());
	s = &p->seats[w->class][w->index];
	s->empty_since = 0;
	if (s->lent) {
		s->lent = 0;
		old = seat_worker(p, w->class, w->index == 0 ? 1 : 0, WK_UP,
		    WK_UP);
		if (old != NULL)
			slot_take(p, old, w->index);
	}
	generation_status(p);
}

/* A worker that talks nonsense is killed before its nonsense fills the log. */
static void
refused(struct wk *w)
{
	if (w->refused++ == 0)
		log_warnx("worker %u sent an unexpected message", w->index);
	if (w->refused == WK_REFUSED) {
		log_warnx("worker %u, killed: too many of them", w->index);
		kill(w->pid, SIGKILL);
	}
}

static int
worker_message(void *arg, struct msgr *m, int fd)
{
	struct wk	*w;
	char		 text[REASON_MAX], who[32];
	size_t		 n;

	w = arg;
	if (fd != -1)
		close(fd);
	if (permit_check(m->type, PL_PR, PD_UP, 0, m->len, fd != -1) == -1) {
		refused(w);
		return 0;
	}
	switch (m->type) {
	case M_UP:
		worker_up(the, w, m);
		break;
	case M_PROBLEM:
		text[0] = '2';
		text[1] = ' ';
		n = msg_get_str(m, text + 2, sizeof(text) - 2);
		snprintf(who, sizeof(who), "worker-%u", w->index);
		if (msg_end(m) == 0)
			log_child(who, text, n + 2);	/* which bounds it */
		break;
	case M_STOPPED:
		/* Drained; once. */
		if (w->stopped || w->state != WK_DRAINING)
			break;
		w->stopped = 1;
		w->drain_until = 0;
		break;
	}
	return 0;
}

static void
worker_channel(void *arg, int fd, short revents)
{
	struct wk	*w;

	(void)fd;
	(void)revents;
	w = arg;
	if (msglink_read(&w->channel, 16, worker_message, w) != -1)
		return;
	/* A worker without a channel has no parent: it may not live on. */
	poll_del(the->poll, w->channel.fd);
	kill(w->pid, SIGKILL);
}

static void
worker_log(void *arg, int fd, short revents)
{
	struct wk	*w;
	char		*nl, who[32];
	ssize_t		 n;
	size_t		 len;

	w = arg;
	n = read(fd, w->log + w->loglen, sizeof(w->log) - w->loglen);
	if (n == 0 && revents != 0)
		poll_del(the->poll, fd);	/* or poll would not rest */
	if (n <= 0)
		return;
	w->loglen += (size_t)n;
	snprintf(who, sizeof(who), "worker-%u", w->index);
	while ((nl = memchr(w->log, '\n', w->loglen)) != NULL) {
		len = (size_t)(nl - w->log);
		log_child(who, w->log, len);
		w->loglen -= len + 1;
		memmove(w->log, nl + 1, w->loglen);
	}
	if (w->loglen == sizeof(w->log)) {
		log_child(who, w->log, w->loglen);
		w->loglen = 0;
	}
}

static void
worker_start(struct proxyd *p, uint8_t class, unsigned index, uint64_t now)
{
	struct role_exec	 ex;
	struct wk		*w;
	struct seat		*s;
	size_t			 i;
	int			 channel;

	s = &p->seats[class][index];
	for (i = 0; i < WK_MAX && p->workers[i].state != WK_NONE; i++)
		;
	if (i == WK_MAX) {
		s->next_start = now + NS_S;
		return;
	}
	w = &p->workers[i];
	memset(w, 0, sizeof(*w));
	memset(&ex, 0, sizeof(ex));
	if (geteuid() == 0) {
		if (priv_uid(ROLE_WORKER, &ex.uid, &ex.gid) == -1)
			fatal("uid of the workers");
		strlcpy(ex.root, p->root_empty, sizeof(ex.root));
	}
	ex.nofile = p->conf.connections / p->conf.workers + WORKER_LINKS + 64;
	ex.instance = index;
	ex.generation = ++p->generation;
	w->pid = spawn_role("proxyd/worker", "worker", &ex, -1, -1, &channel,
	    &w->logfd);
	if (w->pid == -1) {
		log_warn("worker does not start");
		memset(w, 0, sizeof(*w));
		s->next_start = now + NS_S;
		return;
	}
	w->state = WK_STARTING;
	w->class = class;
	w->index = index;
	w->generation = ex.generation;
	w->started = now;
	w->wall = poll_wall();
	s->next_start = UINT64_MAX;
	reap_started(&s->reap, now);
	msglink_init(&w->channel, channel, 0);
	poll_add(p->poll, channel, POLLIN, worker_channel, w);
	poll_add(p->poll, w->logfd, POLLIN, worker_log, w);
}

/* A new generation: every seat gets a new worker, the old one drains on UP. */
void
generation_reload(struct proxyd *p)
{
	uint8_t		 class;
	unsigned	 i;

	for (class = CLASS_DATA; class <= CLASS_BOTH; class++)
		for (i = 0; i < POOL_MAX; i++)
			p->seats[class][i].next_start = 0;
}

/*
 * The broker refuses this instance: it is ended at once, without a grace, and
 * its seat gets a new worker as after any death.  Or (spent) it has made the
 * calls of a life: it is replaced as after its hour.
 */
void
generation_end(struct proxyd *p, int spent, struct msgr *m)
{
	struct wk	*w;
	uint32_t	 generation;
	uint16_t	 slot;
	size_t		 i;

	slot = msg_get_u16(m);
	generation = msg_get_u32(m);
	if (msg_end(m) == -1)
		return;
	for (i = 0; i < WK_MAX; i++) {
		w = &p->workers[i];
		if (w->state == WK_NONE || w->index != slot ||
		    w->generation != generation)
			continue;
		if (spent) {
			w->spent = 1;
			continue;
		}
		log_warnx("worker %u, generation %u, is put into quarantine",
		    slot, generation);
		kill(w->pid, SIGKILL);
	}
}

/* Sockets without a worker for 200 ms are lent to a neighbour. */
static void
lend(struct proxyd *p, uint8_t class, unsigned index, uint64_t now)
{
	struct seat	*s;
	struct wk	*w;

	s = &p->seats[class][index];
	if (s->lent || s->empty_since == 0 || now < s->empty_since + LEND_AFTER)
		return;
	w = seat_worker(p, class, index == 0 ? 1 : 0, WK_UP, WK_UP);
	if (w == NULL) {
		s->empty_since = now;	/* nobody to lend to: look again */
		return;
	}
	slot_give(p, w, index);
	s->lent = 1;
}

/* Once: a successor that dies is started again by its seat's clock. */
static void
worker_age(struct proxyd *p, struct wk *w, uint64_t now)
{
	if (w->state != WK_UP || w->replaced || (!w->spent &&
	    now <= w->started + WORKER_LIFE))
		return;
	w->replaced = 1;
	p->seats[w->class][w->index].next_start = 0;
}

static void
worker_turn(struct proxyd *p, struct wk *w, uint64_t now)
{
	struct msgw	 m;
	int		 r;

	/* A place or a class that the configuration no longer has. */
	if (w->state == WK_UP && (w->index >= p->conf.workers ||
	    !class_used(p, w->class)))
		drain(p, w, DRAIN_REPLACED, now);
	if (w->state == WK_DRAINING && now >= w->drain_until) {
		/* Its word, or its grace is over: it ends now. */
		if (w->kill_at == 0) {
			w->kill_at = now + 2 * NS_S;
			msg_open(&m, M_EXIT);
			(void)msg_send(&w->channel, &m, -1);
		} else if (now >= w->kill_at)
			kill(w->pid, SIGKILL);
	}
	r = msglink_flush(&w->channel);
	if (!w->channel.dead)
		poll_events(p->poll, w->channel.fd,
		    (short)(POLLIN | (r == 1 ? POLLOUT : 0)));
}

void
generation_turn(struct proxyd *p, uint64_t now)
{
	uint8_t		 class;
	unsigned	 i;

	the = p;
	for (i = 0; i < WK_MAX; i++)
		worker_age(p, &p->workers[i], now);
	for (class = CLASS_DATA; class <= CLASS_BOTH; class++) {
		if (!class_used(p, class) || !p->ready || p->stopping)
			continue;
		for (i = 0; i < p->conf.workers; i++) {
			if (p->seats[class][i].next_start <= now &&
			    seat_worker(p, class, i, WK_STARTING,
			    WK_STARTING) == NULL)
				worker_start(p, class, i, now);
			lend(p, class, i, now);
		}
	}
	for (i = 0; i < WK_MAX; i++)
		if (p->workers[i].state != WK_NONE)
			worker_turn(p, &p->workers[i], now);
}

uint64_t
generation_deadline(const struct proxyd *p)
{
	const struct wk	*w;
	const struct seat *s;
	uint64_t	 t, d, now;
	unsigned	 i, class;

	t = UINT64_MAX;
	now = poll_now();
	for (i = 0; i < WK_MAX; i++) {
		w = &p->workers[i];
		if (w->state == WK_DRAINING) {
			d = w->drain_until;
			if (d <= now)
				d = now + 100 * NS_MS;
			t = d < t ? d : t;
		} else if (w->state == WK_UP && !w->replaced &&
		    w->started + WORKER_LIFE < t)
			t = w->started + WORKER_LIFE + 1;
	}
	if (!p->ready || p->stopping)
		return t;
	for (class = CLASS_DATA; class <= CLASS_BOTH; class++) {
		if (!class_used(p, (uint8_t)class))
			continue;
		for (i = 0; i < p->conf.workers; i++) {
			s = &p->seats[class][i];
			if (s->next_start != 0 && s->next_start < t)
				t = s->next_start;
			/* once: without a neighbour there is no lending */
			if (s->empty_since != 0 && !s->lent &&
			    s->empty_since + LEND_AFTER > now &&
			    s->empty_since + LEND_AFTER < t)
				t = s->empty_since + LEND_AFTER;
		}
	}
	return t;
}

void
generation_died(struct proxyd *p, pid_t pid, int status, uint64_t now)
{
	struct seat	*s;
	struct wk	*w;
	char		 text[200];
	size_t		 i;
	int		 draining, j;

	the = p;
	for (i = 0; i < WK_MAX; i++)
		if (p->workers[i].state != WK_NONE && p->workers[i].pid == pid)
			break;
	if (i == WK_MAX)
		return;
	w = &p->workers[i];
	s = &p->seats[w->class][w->index];
	draining = w->state == WK_DRAINING;
	for (j = 0; j < 16; j++)
		worker_log(w, w->logfd, 0);
	poll_del(p->poll, w->logfd);
	close(w->logfd);
	poll_del(p->poll, w->channel.fd);
	msglink_close(&w->channel);
	if (draining)
		log_debug("worker %u, generation %u, ended", w->index,
		    w->generation);
	else {
		s->next_start = reap_died(&s->reap, status, now, text,
		    sizeof(text));
		s->empty_since = now;
		if (!p->stopping)
			log_warnx("worker %u, ended: %s%s", w->index, text,
			    s->reap.stopped ? "; three sandbox violations in a "
			    "minute: not started again" : "");
	}
	w->state = WK_NONE;
	generation_status(p);
}

void
generation_drain(struct proxyd *p, uint64_t now)
{
	size_t	 i;

	for (i = 0; i < WK_MAX; i++)
		if (p->workers[i].state != WK_NONE &&
		    !p->workers[i].stopped && p->workers[i].kill_at == 0)
			drain(p, &p->workers[i], DRAIN_STOP, now);
}

/* The grace is over now: EXIT, so that each stream gets its error event. */
void
generation_hurry(struct proxyd *p, uint64_t now)
{
	size_t	 i;

	for (i = 0; i < WK_MAX; i++)
		if (p->workers[i].state == WK_DRAINING &&
		    p->workers[i].drain_until > now)
			p->workers[i].drain_until = now;
}

void
generation_kill(struct proxyd *p, int sig)
{
	size_t	 i;

	for (i = 0; i < WK_MAX; i++)
		if (p->workers[i].state != WK_NONE)
			kill(p->workers[i].pid, sig);
}

int
generation_alive(const struct proxyd *p)
{
	size_t	 i;
	int	 n;

	for (i = 0, n = 0; i < WK_MAX; i++)
		n += p->workers[i].state != WK_NONE;
	return n;
}
