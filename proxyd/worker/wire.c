/* SPDX-License-Identifier: ISC */
/*
 * Messages of the broker, handed to the call that waits for them.  The broker
 * is more trusted: what it sends malformed is fatal.  A number that nobody
 * waits for belonged to a client who has gone.
 */
#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "proxyd/worker/worker.h"

/* Queued until the end of the turn.  -1: the link is lost. */
int
wire_send(struct worker *w, struct msgw *m)
{
	if (w->broker.fd == -1 || w->broker_lost)
		return -1;
	if (msg_send(&w->broker, m, -1) == 0)
		return 0;
	w->broker_lost = 1;
	return -1;
}

/* ALLOW that crossed with our CANCEL: the broker waits for an OUTCOME. */
static void
outcome_of_nobody(struct worker *w, uint64_t no)
{
	static struct msgw m;

	msg_open(&m, M_OUTCOME);
	msg_put_u64(&m, no);
	msg_put_u8(&m, END_CANCELLED);
	msg_put_u16(&m, 0);
	msg_put_u8(&m, GRADE_NONE);
	msg_put_u64(&m, 0);
	msg_put_u64(&m, 0);
	msg_put_u64(&m, 0);
	msg_put_u64(&m, 0);
	wire_send(w, &m);
}

static void
on_ready(struct worker *w, struct msgr *r, int fd)
{
	struct policy	*p;
	uint16_t	 i, n;

	w->gate = msg_get_u8(r);
	w->ledger = msg_get_u8(r);
	w->dial = msg_get_u8(r);
	msg_get_raw(r, w->origin, sizeof(w->origin));
	msg_get_raw(r, w->policyid, sizeof(w->policyid));
	n = msg_get_u16(r);
	if (n > PROVIDERS_MAX)
		fatalx("broker: READY names %u providers", n);
	for (i = 0; i < n; i++) {
		w->provid[i] = msg_get_u16(r);
		w->prov[i] = msg_get_u8(r);
	}
	w->kms = msg_get_u8(r);
	if (msg_end(r) == -1 || w->kms >= KC_MAX)
		fatalx("broker: malformed READY");
	w->nprov = n;
	if (fd != -1) {
		p = policy_map(fd);
		if (p == NULL)
			fatal("broker: policy of READY");
		policy_close(w->policy);
		w->policy = p;
	}
	w->ready = w->policy != NULL;
	w->everready |= w->ready && w->gate;
	if (w->ready && w->gate && w->patient)
		worker_serve(w);
}

/* REDACT has no step behind it yet: a call that gets one is refused. */
static void
on_redact(struct conn *c)
{
	struct problem	 p;

	reply_problem(&p, RC_INTERNAL, "This call would have to be changed "
	    "first, which this gateway cannot do yet.");
	ask_cancel(c);
	stream_cut(c, END_CANCELLED, &p);
}

/* The broker refused a message of ours. */
static void
on_error(struct worker *w, struct msgr *r)
{
	struct problem	 p;
	struct conn	*c;
	uint64_t	 no;
	uint16_t	 type;
	char		 text[257];

	no = msg_get_u64(r);
	type = msg_get_u16(r);
	msg_get_str(r, text, sizeof(text));
	if (msg_end(r) == -1)
		fatalx("broker: malformed ERROR");
	/* CANCEL and OUTCOME cross with what ends a call. */
	if (type == M_CANCEL || type == M_OUTCOME)
		return;
	log_warnx("broker refused %s of call %llu: %s", permit_name(type),
	    (unsigned long long)no, text);
	c = no == 0 ? NULL : worker_waiting(w, no);
	if (c == NULL)
		return;
	reply_problem(&p, RC_INTERNAL, "The gateway could not place this "
	    "call.");
	c->call->live = 0;
	stream_cut(c, END_LOST, &p);
	conn_run(c);
}

/* Messages that begin with the number of a call. */
static void
on_call(struct worker *w, struct msgr *r)
{
	struct conn	*c;
	uint64_t	 no;

	no = msg_get_u64(r);
	c = worker_waiting(w, no);
	if (r->bad || no == 0 || no > w->no)
		fatalx("broker: %s of an unknown call", permit_name(r->type));
	if (c == NULL) {
		if (r->type == M_ALLOW)
			outcome_of_nobody(w, no);
		return;
	}
	switch (r->type) {
	case M_ADMITTED:
		ask_admitted(c);
		break;
	case M_ALLOW:
		ask_allow(c, r);
		break;
	case M_REDACT:
		on_redact(c);
		break;
	case M_CUT:
		ask_cut(c, r);
		break;
	default:
		ask_deny(c, r);
		break;
	}
	conn_run(c);
}

/* One message; fd is owned.  0, or -1: the link is given up. */
int
wire_message(struct worker *w, struct msgr *r, int fd)
{
	if (permit_check(r->type, PL_WB, PD_DOWN, 1, r->len, fd != -1) == -1)
		fatalx("broker: message 0x%04x is not for a worker", r->type);
	switch (r->type) {
	case M_LINKED:
		pool_linked(w, r, fd);
		return 0;
	case M_NOLINK:
		pool_nolink(w, r);
		break;
	case M_READY:
		on_ready(w, r, fd);
		break;
	case M_ERROR:
		on_error(w, r);
		break;
	case M_ANSWER:
		console_answer(w, r);
		break;
	default:
		on_call(w, r);
		break;
	}
	if (fd != -1)
		close(fd);
	return w->broker_lost ? -1 : 0;
}
