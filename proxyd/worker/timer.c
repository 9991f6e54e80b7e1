/* SPDX-License-Identifier: ISC */
/*
 * Deadlines of a connection: one timer, set to the earliest of what its state
 * has.  Times are absolute, so that a slow drip of bytes moves none of them.
 */
#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

/* Bytes of the body that must be here by now; both clocks stop at ADMIT. */
static int
too_slow(const struct conn *c, uint64_t now)
{
	const struct worker *w;
	const struct call *k;
	uint64_t	 since;

	w = c->worker;
	k = c->call;
	if (k->admit == CA_ASKED || now <= c->began + w->lim.grace)
		return 0;
	since = now - c->began - w->lim.grace;
	return k->body.buf.len < (unsigned __int128)since * w->lim.rate / NS_S;
}

/* When the state wants to be looked at; UINT64_MAX never. */
static uint64_t
due(const struct conn *c, uint64_t now)
{
	const struct worker *w;
	uint64_t	 ping;

	w = c->worker;
	switch (c->state) {
	case C_HEAD:
		/* Nothing is due while an answer waits: the stall clock runs. */
		return c->out.len > 0 ? UINT64_MAX : c->deadline;
	case C_LINGER:
		return c->deadline;
	case C_BODY:
		if (c->call->admit == CA_ASKED)
			return c->call->deadline;
		return (now < c->began + w->lim.grace ?
		    c->began + w->lim.grace : now) + NS_S / 4;
	case C_RELAY:
		ping = c->call->events ? c->call->last + w->lim.ping :
		    UINT64_MAX;
		return ping < c->call->deadline ? ping : c->call->deadline;
	case C_FLUSH:
	case C_DEAD:
		return UINT64_MAX;
	default:
		return c->call->deadline;
	}
}

/* Sets the timer, if what is due is earlier than what it is set to. */
void
timer_arm(struct conn *c)
{
	struct timeval	 tv;
	uint64_t	 at, now, ns;

	now = poll_now();
	at = due(c, now);
	if (c->out.len > 0 && c->stall > 0 && c->stall < at)
		at = c->stall;
	if (c->hold != 0 && c->hold < at)
		at = c->hold;
	if (at == UINT64_MAX || (c->armed != 0 && c->armed <= at))
		return;
	c->armed = at;
	ns = at > now ? at - now : 0;
	tv.tv_sec = ns / NS_S;
	tv.tv_usec = ns % NS_S / 1000 + 1;
	evtimer_add(&c->timer, &tv);
}

static void
too_late(struct conn *c, enum reply_case rc, const char *text)
{
	struct problem	 p;

	reply_problem(&p, rc, text);
	c->keep = 0;
	if (c->call == NULL) {
		c->form = RF_OPENAI;
		c->minor = 1;
		conn_fail(c, &p);
	} else
		stream_cut(c, END_TIMEOUT, &p);
}

/* The call under way is overdue: the broker is told, the client answered. */
static void
call_late(struct conn *c)
{
	if (c->state == C_FOLLOW)
		console_follow(c);
	else if (c->state == C_CONSOLE && c->call->started)
		conn_kill(c);	/* events stop in the middle */
	else if (c->state == C_SENT || c->state == C_RELAY) {
		ask_cancel(c);
		too_late(c, RC_TIMEOUT, "The call took longer than it may.");
	} else {
		ask_cancel(c);
		too_late(c, RC_NOTREADY, "The gateway did not decide in time; "
		    "try again.");
	}
}

static void
head_late(struct conn *c)
{
	if (c->in.len == 0)
		conn_kill(c);
	else
		too_late(c, RC_BAD, "The head of the request took too long.");
}

static void
body_late(struct conn *c, uint64_t now)
{
	if (c->call->admit == CA_ASKED) {
		if (c->call->deadline <= now)
			call_late(c);
	} else if (too_slow(c, now)) {
		ask_cancel(c);
		too_late(c, RC_BAD, "The body of the request came too slowly.");
	}
}

void
timer_fire(evutil_socket_t fd, short what, void *arg)
{
	struct conn	*c;
	uint64_t	 now;

	(void)fd;
	(void)what;
	c = arg;
	c->armed = 0;
	now = poll_now();
	if (c->out.len > 0 && c->stall != 0 && c->stall <= now) {
		conn_kill(c);
		return;
	}
	switch (c->state) {
	case C_HEAD:
		if (c->deadline <= now && c->out.len == 0)
			head_late(c);
		break;
	case C_BODY:
		body_late(c, now);
		break;
	case C_LINGER:
		if (c->deadline <= now)
			conn_kill(c);
		break;
	case C_FLUSH:
	case C_DEAD:
		break;
	default:
		if (c->call->deadline <= now)
			call_late(c);
		else if (c->state == C_RELAY && c->call->events &&
		    c->call->last + c->worker->lim.ping <= now)
			stream_ping(c);
		break;
	}
	conn_run(c);
}
