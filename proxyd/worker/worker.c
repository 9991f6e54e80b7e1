/* SPDX-License-Identifier: ISC */
/*
 * The loop around the connections: the parent's channel, the broker's link, the
 * slots' sockets.  One turn = events, then what ended is freed and what was
 * queued is sent, so that all messages of a turn share packets.  The parent is
 * believed; without it the worker ends.
 */
#include <sys/socket.h>

#include <errno.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "proxyd/worker/cjson.h"
#include "proxyd/worker/worker.h"

#define ACCEPTS		32	/* of one slot in a turn */
#define PATIENCE	2	/* s; connections of a reload wait for READY */
#define PARENT_PACKETS	64
#define OTHER_FDS	64	/* channel, log, slots, epoll, spare */
#define BROKER_QUEUE	(4 * 1024 * 1024)

/* Defaults of hardening.md 1.2; connections from what descriptors allow. */
void
worker_limits(struct wlimits *l, uint64_t nofile)
{
	uint64_t	 conns;

	memset(l, 0, sizeof(*l));
	conns = nofile > WORKER_LINKS + OTHER_FDS + 64 ?
	    nofile - WORKER_LINKS - OTHER_FDS : 64;
	l->conns = conns > 8192 ? 8192 : conns;
	l->peraddr = l->conns / 8 > 64 ? l->conns / 8 : 64;
	l->handshake = 5 * NS_S;
	l->head = 10 * NS_S;
	l->idle = 30 * NS_S;
	l->grace = 5 * NS_S;
	l->rate = 1024;
	l->stall = 30 * NS_S;
	l->linger = 2 * NS_S;
	l->lingerbytes = 65536;
	l->ping = 15 * NS_S;
	l->ask = DL_COMMITTING + DL_WAITCRED + 2 * NS_S;
	l->linkidle = 600 * NS_S;
	l->high = 65536;
	l->low = 32768;
	l->budget = BODY_BUDGET;
}

/* ---- who waits for what -------------------------------------------------- */
static struct waiter **
bucket(struct worker *w, uint64_t key)
{
	return &w->wait[(key ^ key >> 63) % WAIT_BUCKETS];
}

void
worker_wait(struct worker *w, struct waiter *e, uint64_t key, struct conn *c)
{
	struct waiter	**b;

	b = bucket(w, key);
	e->key = key;
	e->conn = c;
	e->next = *b;
	*b = e;
}

/* Legal for an entry that waits for nothing. */
void
worker_unwait(struct worker *w, struct waiter *e)
{
	struct waiter	**b;

	if (e->key == 0)
		return;
	for (b = bucket(w, e->key); *b != NULL; b = &(*b)->next)
		if (*b == e) {
			*b = e->next;
			break;
		}
	e->key = 0;
}

struct conn *
worker_waiting(struct worker *w, uint64_t key)
{
	struct waiter	*e;

	for (e = *bucket(w, key); e != NULL; e = e->next)
		if (e->key == key)
			return e->conn;
	return NULL;
}

int
worker_provider(const struct worker *w, uint16_t id)
{
	size_t	 i;

	for (i = 0; i < w->nprov; i++)
		if (w->provid[i] == id)
			return w->prov[i];
	return PROV_NOKEY;
}

/* ---- slots ------------------------------------------------------------------ */
/* The kernel's queue, or a neighbour, takes what comes. */
static void
pause_slot(struct slot *s)
{
	event_del(&s->ev);
	s->paused = 1;
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_storage ss;
	struct slot	*s;
	socklen_t	 len;
	int		 i, client;

	(void)what;
	s = arg;
	for (i = 0; i < ACCEPTS; i++) {
		if (limit_total(s->worker->limit) >= s->worker->lim.conns) {
			pause_slot(s);
			return;
		}
		len = sizeof(ss);
		memset(&ss, 0, sizeof(ss));
		client = accept4(fd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client == -1) {
			/* Out of descriptors or memory: until one ends. */
			if (errno != EAGAIN && errno != EWOULDBLOCK &&
			    errno != ECONNABORTED && errno != EINTR &&
			    !TAILQ_EMPTY(&s->worker->conns))
				pause_slot(s);
			return;
		}
		conn_new(s->worker, s, client, &ss);
	}
}

void
worker_freed(struct worker *w)
{
	size_t	 i;

	if (w->patient)
		return;
	for (i = 0; i < WORKER_SLOTS; i++)
		if (w->slots[i].fd != -1 && w->slots[i].paused) {
			w->slots[i].paused = 0;
			event_add(&w->slots[i].ev, NULL);
		}
}

/* READY came, or has taken too long: clients get what there is. */
void
worker_serve(struct worker *w)
{
	w->patient = 0;
	evtimer_del(&w->patience);
	worker_freed(w);
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	worker_serve(arg);
}

static void
slot_close(struct slot *s)
{
	if (s->fd == -1)
		return;
	if (!s->paused)
		event_del(&s->ev);
	close(s->fd);
	s->fd = -1;
	s->paused = 0;
}

static void
on_slot(struct worker *w, struct msgr *r, int fd)
{
	struct slot	*s;
	size_t		 i;
	uint16_t	 no;
	uint8_t		 class, loopback, tls;
	char		 address[129];

	no = msg_get_u16(r);
	class = msg_get_u8(r);
	tls = msg_get_u8(r);
	loopback = msg_get_u8(r);
	msg_get_str(r, address, sizeof(address));
	if (msg_end(r) == -1 || fd == -1 || tls > CERTS_MAX)
		fatalx("parent: malformed SLOT");
	for (i = 0; i < WORKER_SLOTS && w->slots[i].fd != -1; i++)
		;
	if (i == WORKER_SLOTS)
		fatalx("parent: more than %d slots", WORKER_SLOTS);
	s = &w->slots[i];
	s->fd = fd;
	s->no = no;
	s->class = class;
	s->loopback = loopback;
	s->tls = tls;
	s->worker = w;
	evutil_make_socket_nonblocking(fd);
	event_assign(&s->ev, w->base, fd, EV_READ | EV_PERSIST, on_accept, s);
	s->paused = w->patient;
	if (!s->paused && event_add(&s->ev, NULL) == -1)
		fatalx("event_add of slot %u", no);
}

static void
on_cert(struct worker *w, struct msgr *r, int fd)
{
	uint8_t	 number;

	(void)msg_get_u32(r);
	number = msg_get_u8(r);
	if (msg_end(r) == -1 || fd == -1 || number == 0 || number > CERTS_MAX)
		fatalx("parent: malformed CERT");
	tlsio_cert(w, number, fd);
}

static void
on_unslot(struct worker *w, struct msgr *r)
{
	uint16_t	 no;
	size_t		 i;

	no = msg_get_u16(r);
	if (msg_end(r) == -1)
		fatalx("parent: malformed UNSLOT");
	for (i = 0; i < WORKER_SLOTS; i++)
		if (w->slots[i].no == no)
			slot_close(&w->slots[i]);
}

/* ---- broker link ---------------------------------------------------------------- */
static int
broker_fn(void *arg, struct msgr *r, int fd)
{
	return wire_message(arg, r, fd);
}

static void
on_broker(evutil_socket_t fd, short what, void *arg)
{
	struct worker	*w;

	(void)fd;
	w = arg;
	if ((what & EV_READ) != 0 &&
	    msglink_read(&w->broker, TURN_MESSAGES, broker_fn, w) == -1)
		w->broker_lost = 1;
}

/* Running calls end, links go; the parent sends a new link in time. */
static void
broker_drop(struct worker *w)
{
	struct conn	*c, *next;

	if (w->broker.fd == -1)
		return;
	event_del(&w->broker_in);
	event_del(&w->broker_out);
	msglink_close(&w->broker);
	w->broker.fd = -1;
	w->broker_lost = 0;
	w->ready = 0;
	log_warnx("broker link lost");
	for (c = TAILQ_FIRST(&w->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->call == NULL)
			continue;
		c->call->live = 0;
		if (c->state != C_BODY || c->call->admit != CA_NONE) {
			ask_lost(c, "The gateway lost its broker; try again "
			    "in a second.");
			conn_run(c);
		}
	}
	pool_clear(w);
}

static void
on_peer(struct worker *w, struct msgr *r, int fd)
{
	uint8_t	 role;

	role = msg_get_u8(r);
	(void)msg_get_u16(r);
	(void)msg_get_u32(r);
	if (msg_end(r) == -1 || fd == -1 ||
	    (role != ROLE_BROKER && role != ROLE_TLSKEY))
		fatalx("parent: malformed PEER");
	if (role == ROLE_TLSKEY) {
		signer_peer(w, fd);
		return;
	}
	broker_drop(w);
	msglink_init(&w->broker, fd, BROKER_QUEUE);
	event_assign(&w->broker_in, w->base, fd, EV_READ | EV_PERSIST,
	    on_broker, w);
	event_assign(&w->broker_out, w->base, fd, EV_WRITE, on_broker, w);
	if (event_add(&w->broker_in, NULL) == -1)
		fatalx("event_add of the broker's link");
}

/* ---- parent ----------------------------------------------------------------------- */
/*
 * Each connection ends with its next answer.  Where the worker was replaced, an
 * idle one may wait for that: a close could cross the client's next request.
 */
static void
drain(struct worker *w, uint16_t how)
{
	struct conn	*c, *next;
	size_t		 i;

	w->draining = 1;
	for (i = 0; i < WORKER_SLOTS; i++)
		slot_close(&w->slots[i]);
	if (how == DRAIN_REPLACED)
		return;
	w->closing = 1;
	for (c = TAILQ_FIRST(&w->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		conn_drain(c);
	}
}

static void
on_drain(struct worker *w, struct msgr *r)
{
	uint16_t	 how;

	how = msg_get_u16(r);
	if (msg_end(r) == -1 || how > DRAIN_REPLACED)
		fatalx("parent: malformed DRAIN");
	drain(w, how);
}

/* EXIT: what still runs ends now, with its error event and its outcome. */
static void
end_all(struct worker *w)
{
	struct conn	*c, *next;
	struct problem	 p;

	drain(w, DRAIN_STOP);
	reply_problem(&p, RC_NOTREADY, "The gateway is shutting down.");
	for (c = TAILQ_FIRST(&w->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->call != NULL) {
			ask_cancel(c);
			stream_cut(c, END_CUT, &p);
			conn_run(c);
		}
	}
	w->done = 1;
}

/* proxyd.conf's limits, this worker's share; never above what was sized for. */
static void
on_limits(struct worker *w, struct msgr *r)
{
	uint32_t	 conns, source, head, idle;

	conns = msg_get_u32(r);
	source = msg_get_u32(r);
	head = msg_get_u32(r);
	idle = msg_get_u32(r);
	if (msg_end(r) == -1 || conns == 0 || source == 0 || head == 0 ||
	    idle == 0)
		fatalx("parent: malformed LIMITS");
	if (conns < w->lim.conns)
		w->lim.conns = conns;
	w->lim.peraddr = source;
	w->lim.head = head * NS_S;
	w->lim.idle = idle * NS_S;
	limit_bound(w->limit, w->lim.conns, source);
}

static int
parent_fn(void *arg, struct msgr *r, int fd)
{
	struct worker	*w;

	w = arg;
	if (permit_check(r->type, PL_PR, PD_DOWN, 0, r->len, fd != -1) == -1)
		fatalx("parent: message 0x%04x is not for a role", r->type);
	switch (r->type) {
	case M_SLOT:
		on_slot(w, r, fd);
		break;
	case M_UNSLOT:
		on_unslot(w, r);
		break;
	case M_CERT:
		on_cert(w, r, fd);
		break;
	case M_PEER:
		on_peer(w, r, fd);
		break;
	case M_DRAIN:
		on_drain(w, r);
		break;
	case M_LIMITS:
		on_limits(w, r);
		break;
	case M_EXIT:
		end_all(w);
		break;
	default:
		fatalx("parent: %s is not for a worker",
		    permit_name(r->type));
	}
	return 0;
}

static void
on_parent(evutil_socket_t fd, short what, void *arg)
{
	struct worker	*w;

	(void)fd;
	w = arg;
	if ((what & EV_READ) != 0 && msglink_read(&w->parent, PARENT_PACKETS,
	    parent_fn, w) == -1)
		w->done = 1;
}

/* ---- life --------------------------------------------------------------------------- */
static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct worker	*w;

	(void)fd;
	(void)what;
	w = arg;
	pool_sweep(w, poll_now());
}

struct worker *
worker_new(const struct wlimits *lim)
{
	struct timeval	 minute = { 60, 0 }, patience = { PATIENCE, 0 };
	struct worker	*w;
	size_t		 i;

	w = calloc(1, sizeof(*w));
	if (w == NULL)
		fatal("worker");
	w->lim = *lim;
	w->limit = limit_new(lim->conns, lim->peraddr);
	w->guess = guess_new();
	w->base = event_base_new();
	if (w->limit == NULL || w->guess == NULL || w->base == NULL)
		fatalx("worker: out of memory");
	w->broker.fd = w->parent.fd = w->tlskey.fd = -1;
	for (i = 0; i < WORKER_SLOTS; i++)
		w->slots[i].fd = -1;
	TAILQ_INIT(&w->conns);
	TAILQ_INIT(&w->dead);
	TAILQ_INIT(&w->idle);
	TAILQ_INIT(&w->busy);
	TAILQ_INIT(&w->deadlinks);
	event_assign(&w->sweep, w->base, -1, EV_PERSIST, on_sweep, w);
	evtimer_assign(&w->patience, w->base, on_patience, w);
	w->patient = 1;
	if (event_add(&w->sweep, &minute) == -1 ||
	    evtimer_add(&w->patience, &patience) == -1)
		fatalx("worker: out of memory");
	cjson_init();
	return w;
}

/* Takes over the link that role_ready left. */
void
worker_parent(struct worker *w, const struct msglink *channel)
{
	w->parent = *channel;
	event_assign(&w->parent_in, w->base, channel->fd, EV_READ | EV_PERSIST,
	    on_parent, w);
	event_assign(&w->parent_out, w->base, channel->fd, EV_WRITE, on_parent,
	    w);
	if (event_add(&w->parent_in, NULL) == -1)
		fatalx("event_add of the channel");
}

/* Sends; what does not fit waits for the descriptor. */
static int
push(struct msglink *l, struct event *out)
{
	if (l->fd == -1)
		return 0;
	switch (msglink_flush(l)) {
	case 1:
		event_add(out, NULL);
		return 0;
	case -1:
		return -1;
	}
	return 0;
}

static void
bury(struct worker *w)
{
	struct wlink	*l;
	struct conn	*c;

	while ((c = TAILQ_FIRST(&w->dead)) != NULL) {
		TAILQ_REMOVE(&w->dead, c, entry);
		conn_free(c);
	}
	while ((l = TAILQ_FIRST(&w->deadlinks)) != NULL) {
		TAILQ_REMOVE(&w->deadlinks, l, entry);
		pool_free(l);
	}
}

/* STOPPED once, when the last connection of a drained worker has gone. */
static void
say_stopped(struct worker *w)
{
	static struct msgw m;

	if (w->stopped || !w->draining ||
	    (!TAILQ_EMPTY(&w->conns) && !w->done))
		return;
	w->stopped = 1;
	msg_open(&m, M_STOPPED);
	msg_put_u16(&m, 0);
	msg_send(&w->parent, &m, -1);
}

void
worker_turn(struct worker *w, int block)
{
	event_base_loop(w->base, block ? EVLOOP_ONCE :
	    EVLOOP_ONCE | EVLOOP_NONBLOCK);
	if (push(&w->broker, &w->broker_out) == -1)
		w->broker_lost = 1;
	if (w->broker_lost)
		broker_drop(w);
	say_stopped(w);
	if (push(&w->parent, &w->parent_out) == -1)
		w->done = 1;
	bury(w);
}

int
worker_done(const struct worker *w)
{
	return w->done;
}

/* For tests: a role just exits. */
void
worker_free(struct worker *w)
{
	struct conn	*c;
	size_t		 i;

	while ((c = TAILQ_FIRST(&w->conns)) != NULL)
		conn_kill(c);
	pool_clear(w);
	for (i = 0; i < WORKER_SLOTS; i++)
		slot_close(&w->slots[i]);
	if (w->broker.fd != -1) {
		event_del(&w->broker_in);
		event_del(&w->broker_out);
		msglink_close(&w->broker);
	}
	if (w->parent.fd != -1) {
		event_del(&w->parent_in);
		event_del(&w->parent_out);
		msglink_close(&w->parent);
	}
	bury(w);
	signer_drop(w);
	tlsio_free(w);
	event_del(&w->sweep);
	evtimer_del(&w->patience);
	event_base_free(w->base);
	guess_free(w->guess);
	limit_free(w->limit);
	policy_close(w->policy);
	free(w);
}
