/* SPDX-License-Identifier: ISC */
/*
 * One client connection.  conn_run is the only place that moves it: write what
 * is queued, read what the state wants, take one step, until nothing moves.
 * A client that has closed its side, even half of it, while its call is under
 * way counts as gone: nobody measured half-closes, and an upstream that runs on
 * for a dead client costs money.  Requests are served one after the other; at
 * most one read's worth (64 KiB) of what follows waits here, the rest in the
 * kernel.  After an error the answer goes out, the write side is shut, and input
 * is discarded for a short while, so that the answer survives.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

#define CONN_ROUNDS	16	/* of one connection in a turn */

static int
in_call(const struct conn *c)
{
	return c->state >= C_AUTH && c->state <= C_CONSOLE;
}

/*
 * An error without an end of input shows as both directions at once, and only
 * once: it is looked for in every state, since a call may begin behind it.
 */
static void
look_for_error(struct conn *c)
{
	socklen_t	 n;
	int		 error;

	n = sizeof(error);
	if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 &&
	    error == 0)
		return;
	c->hup = 1;
	io_wake(&c->io, 1);	/* no other event tells of the end */
}

static void
on_client(evutil_socket_t fd, short what, void *arg)
{
	struct conn	*c;

	(void)fd;
	c = arg;
	if ((what & (EV_READ | EV_CLOSED)) != 0)
		io_wake(&c->io, (what & EV_CLOSED) != 0);
	if ((what & EV_READ) != 0)
		c->readable = 1;
	if ((what & EV_WRITE) != 0)
		c->writable = 1;
	if ((what & EV_CLOSED) != 0)
		c->hup = c->readable = 1;
	else if ((what & EV_READ) != 0 && (what & EV_WRITE) != 0)
		look_for_error(c);
	conn_run(c);
}

/* IPv4 in its IPv6 form, and as text. */
static void
set_address(struct conn *c, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *six;
	const struct sockaddr_in *four;

	strlcpy(c->source, "?", sizeof(c->source));
	if (ss->ss_family == AF_INET) {
		four = (const struct sockaddr_in *)(const void *)ss;
		c->addr[10] = c->addr[11] = 0xff;
		memcpy(c->addr + 12, &four->sin_addr, 4);
		inet_ntop(AF_INET, &four->sin_addr, c->source,
		    sizeof(c->source));
	} else if (ss->ss_family == AF_INET6) {
		six = (const struct sockaddr_in6 *)(const void *)ss;
		memcpy(c->addr, &six->sin6_addr, 16);
		inet_ntop(AF_INET6, &six->sin6_addr, c->source,
		    sizeof(c->source));
	}
}

/* An accepted, non-blocking socket; owned. */
void
conn_new(struct worker *w, struct slot *s, int fd, const void *sockaddr)
{
	struct conn	*c;
	int		 on;

	on = 1;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(fd);
		return;
	}
	c->worker = w;
	c->class = s->class;
	c->loopback = s->loopback;
	set_address(c, sockaddr);
	if (limit_take(w->limit, c->addr, c->loopback) != LIMIT_OK) {
		close(fd);
		free(c);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (s->tls == 0)
		io_plain(&c->io, fd);
	else if (tlsio_accept(&c->io, fd, w, s->tls) == -1) {
		limit_drop(w->limit, c->addr, c->loopback);
		free(c);
		return;
	}
	c->readable = c->writable = 1;
	c->deadline = poll_now() + (s->tls == 0 ? w->lim.head :
	    w->lim.handshake);
	TAILQ_INSERT_TAIL(&w->conns, c, entry);
	evtimer_assign(&c->timer, w->base, timer_fire, c);
	event_assign(&c->ev, w->base, fd, EV_READ | EV_WRITE | EV_CLOSED |
	    EV_ET | EV_PERSIST, on_client, c);
	if (event_add(&c->ev, NULL) == -1)
		conn_kill(c);
	else
		conn_run(c);
}

/* The form of errors is the dialect's; ids are the call's if it has one. */
void
conn_meta(struct conn *c, struct reply_meta *m)
{
	struct call	*k;

	k = c->call;
	memset(m, 0, sizeof(*m));
	m->form = c->form;
	m->minor = c->minor;
	if ((k != NULL && !k->body.done && !k->ended) || c->worker->draining)
		c->keep = 0;
	m->keep = c->keep;
	m->headonly = c->headonly;
	reply_id(m->id, k != NULL && k->named ? k->id : NULL);
	m->receipt = k != NULL && k->allowed ? &k->receipt : NULL;
}

void
conn_fail(struct conn *c, const struct problem *p)
{
	struct reply_meta m;

	if (p->status == 401) {
		switch (guess_fail(c->worker->guess, c->addr, poll_now())) {
		case GUESS_CLOSE:
			conn_kill(c);
			return;
		case GUESS_SLOW:
			c->hold = poll_now() + GUESS_DELAY;
			break;
		case GUESS_OK:
			break;
		}
	}
	conn_meta(c, &m);
	reply_error(&c->out, &m, p);
	conn_next(c);
}

/* The answer is queued whole, or will never be. */
void
conn_next(struct conn *c)
{
	call_release(c);
	if (c->state == C_DEAD)
		return;
	c->served = 1;
	if (c->keep && !c->worker->draining) {
		c->state = C_HEAD;
		c->deadline = poll_now() + (c->in.len > 0 ?
		    c->worker->lim.head : c->worker->lim.idle);
	} else
		c->state = C_FLUSH;
}

void
conn_kill(struct conn *c)
{
	struct linger	 now = { 1, 0 };
	struct worker	*w;

	if (c->state == C_DEAD)
		return;
	w = c->worker;
	call_release(c);
	/* An idle end is a proper one: TLS says so. */
	if (c->state == C_HEAD && c->io.state != NULL && c->io.ready &&
	    !c->reset && c->in.len == 0 && c->out.len == 0)
		io_shut(&c->io);
	c->state = C_DEAD;
	event_del(&c->ev);
	evtimer_del(&c->timer);
	if (c->reset)
		setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	io_close(&c->io);
	limit_drop(w->limit, c->addr, c->loopback);
	TAILQ_REMOVE(&w->conns, c, entry);
	TAILQ_INSERT_TAIL(&w->dead, c, entry);
	worker_freed(w);
}

void
conn_free(struct conn *c)
{
	wbuf_free(&c->in);
	wbuf_free(&c->out);
	free(c->head);
	free(c);
}

/*
 * A stop: idle ones go; the others end with their answer.  A connection that
 * has not been served yet was opened for a request: it gets a second to send it.
 */
void
conn_drain(struct conn *c)
{
	uint64_t	 soon;

	if (c->state != C_HEAD)
		return;
	soon = poll_now() + NS_S;
	if (c->in.len == 0 && c->deadline > soon) {
		c->deadline = soon;
		c->armed = 0;
	}
	io_wake(&c->io, 0);
	c->readable = 1;
	conn_run(c);
}

/* Sends what is queued; the stall clock runs while something waits. */
static void
flush(struct conn *c)
{
	size_t	 n;

	if (c->out.bad) {
		conn_kill(c);
		return;
	}
	if (c->hold != 0 && c->hold > poll_now())
		return;
	c->hold = 0;
	while (c->out.len > 0 && c->writable) {
		switch (io_write(&c->io, wbuf_bytes(&c->out), c->out.len, &n)) {
		case IO_DONE:
			wbuf_drain(&c->out, n);
			c->stall = 0;
			break;
		case IO_WRITE:
			c->writable = 0;
			break;
		case IO_READ:	/* TLS: the next event tries again */
			return;
		default:
			conn_kill(c);
			return;
		}
	}
	if (c->out.len == 0)
		c->stall = 0;
	else if (c->stall == 0)
		c->stall = poll_now() + c->worker->lim.stall;
}

/* Does the state want bytes of the client? */
static int
wants(const struct conn *c)
{
	const struct call *k;

	k = c->call;
	switch (c->state) {
	case C_HEAD:
		return c->out.len == 0 && c->in.len < WORKER_READ;
	case C_BODY:
		return c->in.len == 0 && !k->body.done &&
		    (k->admit != CA_ASKED || k->body.buf.len < ADMIT_ABOVE);
	case C_LINGER:
		return c->discarded < c->worker->lim.lingerbytes;
	default:
		return 0;
	}
}

/* One read; the head's time begins when a handshake has ended. */
static enum io_want
receive(struct conn *c, size_t *n)
{
	enum io_want	 want;
	int		 ready;

	ready = c->io.ready;
	want = io_read(&c->io, c->worker->scratch, sizeof(c->worker->scratch),
	    n);
	if (c->io.ready != ready)
		c->deadline = poll_now() + c->worker->lim.head;
	return want;
}

/* 1 if something came. */
static int
fill(struct conn *c)
{
	struct worker	*w;
	size_t		 n, used;

	w = c->worker;
	if (!c->readable || c->eof || !wants(c))
		return 0;
	switch (receive(c, &n)) {
	case IO_DONE:
		if (c->state == C_LINGER) {
			c->discarded += n;
			return 1;
		}
		if (c->state == C_HEAD && c->in.len == 0)
			c->deadline = poll_now() + w->lim.head;
		used = c->state == C_BODY && c->in.len == 0 ?
		    intake_take(c, w->scratch, n) : 0;
		if (used < n && c->state != C_DEAD &&
		    wbuf_add(&c->in, w->scratch + used, n - used) == -1)
			conn_kill(c);
		return 1;
	case IO_EOF:
		c->eof = 1;
		c->readable = 0;
		return 1;
	case IO_FAIL:
		conn_kill(c);
		return 1;
	case IO_WRITE:	/* a handshake; the next event tries again */
		return 0;
	default:
		c->readable = 0;
		return 0;
	}
}

static void
refuse_head(struct conn *c)
{
	struct problem	 p;

	reply_problem(&p, RC_BAD, c->head->reject.reason);
	p.status = c->head->reject.status;
	p.noretry = 1;
	if (p.status == 413)
		p.type = p.code = "request_too_large";
	c->keep = 0;
	c->minor = 1;
	c->form = RF_OPENAI;
	conn_fail(c, &p);
}

/*
 * The bytes so far as a head; c->head is valid until its end.  One that has
 * not all arrived keeps what is known of it.
 */
static int
parse_head(struct conn *c)
{
	struct http1_head *kept;
	int		 v;

	kept = c->head;
	if (kept == NULL) {
		c->head = &c->worker->head;
		http1_init(c->head);
	}
	v = http1_request(wbuf_bytes(&c->in), c->in.len,
	    &http1_request_limits, c->head);
	if (v == HTTP1_DONE)
		intake_start(c);
	else if (v == HTTP1_REJECT)
		refuse_head(c);
	else if (kept == NULL && (kept = malloc(sizeof(*kept))) != NULL)
		*kept = *c->head;
	c->head = v == HTTP1_MORE ? kept : NULL;
	if (v != HTTP1_MORE)
		free(kept);
	else if (kept == NULL)
		conn_kill(c);
	return v != HTTP1_MORE;
}

static int
step_head(struct conn *c)
{
	if (c->out.len > 0)
		return 0;
	if (c->in.len > 0 && parse_head(c))
		return 1;
	if (c->state == C_DEAD)
		return 0;
	if (c->eof || (c->worker->closing && c->served && c->in.len == 0))
		conn_kill(c);
	return 0;
}

/* All is sent: shut our side and let the client read it. */
static int
step_flush(struct conn *c)
{
	if (c->out.len > 0)
		return 0;
	if (c->reset || c->eof) {
		conn_kill(c);
		return 0;
	}
	io_shut(&c->io);
	wbuf_drain(&c->in, c->in.len);
	c->state = C_LINGER;
	c->discarded = 0;
	c->deadline = poll_now() + c->worker->lim.linger;
	return 1;
}

/* One move of the state; 1 if there may be another. */
static int
step(struct conn *c)
{
	switch (c->state) {
	case C_HEAD:
		return step_head(c);
	case C_BODY:
		return intake_body(c);
	case C_SENT:
	case C_RELAY:
		/* The client has taken enough: the link may go on. */
		if (c->out.len > c->worker->lim.low ||
		    !stream_waiting(c))
			return 0;
		stream_run(c);
		return 1;
	case C_FLUSH:
		return step_flush(c);
	case C_LINGER:
		if (c->eof)
			conn_kill(c);
		return 0;
	default:
		return 0;
	}
}

void
conn_run(struct conn *c)
{
	int	 moved, n;

	for (n = 0; c->state != C_DEAD; n++) {
		flush(c);
		if (in_call(c) && (c->hup || c->eof))
			conn_kill(c);
		if (c->state == C_DEAD)
			return;
		if (n == CONN_ROUNDS) {
			event_active(&c->ev, EV_READ, 1);
			break;
		}
		moved = fill(c);
		if (c->state != C_DEAD)
			moved |= step(c);
		if (!moved)
			break;
	}
	if (c->state != C_DEAD)
		timer_arm(c);
}
