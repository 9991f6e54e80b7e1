/* SPDX-License-Identifier: ISC */
/*
 * Words to the two peers of a call that need no decision: is the peer still
 * the one the call was made with; DROP, EG_CUT, CUT.  Nothing is said to a peer
 * that is gone or has another life by now.
 */
#include "keybrokerd/broker/broker.h"

int
tell_worker_there(const struct broker *b, const struct call *c)
{
	const struct worker	*w;

	w = &b->workers[c->worker];
	return w->p.up && w->p.gen == c->worker_gen;
}

int
tell_egress_there(const struct broker *b, const struct call *c)
{
	const struct egress	*e;

	e = &b->egress[c->egress];
	return c->ask.link != 0 && e->p.up && e->p.gen == c->egress_gen;
}

void
tell_drop(struct broker *b, struct call *c, struct outbox *o)
{
	struct msgw	 w UNSET;

	if (!tell_egress_there(b, c))
		return;
	msg_open(&w, M_DROP);
	msg_put_u32(&w, c->ask.link);
	msg_put_u64(&w, c->ask.no);
	outbox_send(o, FROM_EGRESS, c->egress, &w);
}

void
tell_cut_egress(struct broker *b, struct call *c, enum proto_cut why,
    struct outbox *o)
{
	struct msgw	 w UNSET;

	c->cut = why;
	c->marks |= CM_CUT;
	if (!tell_egress_there(b, c))
		return;
	msg_open(&w, M_EG_CUT);
	msg_put_u32(&w, c->ask.link);
	msg_put_u64(&w, c->ask.no);
	msg_put_u8(&w, why);
	outbox_send(o, FROM_EGRESS, c->egress, &w);
}

void
tell_cut_worker(struct broker *b, struct call *c, enum proto_cut why,
    struct outbox *o)
{
	static const char *const	 text[] = {
		[CUT_DEADLINE] = "The call's time is over.",
		[CUT_REVOKED] = "This key was revoked.",
		[CUT_EXPIRED] = "This key has expired.",
		[CUT_CANCELLED] = "The call was cancelled.",
		[CUT_LOST] = "The process that talks to the provider ended.",
		[CUT_SHUTDOWN] = "The gateway is shutting down.",
	};
	struct msgw	 w UNSET;

	if (!tell_worker_there(b, c))
		return;
	msg_open(&w, M_CUT);
	msg_put_u64(&w, c->ask.no);
	msg_put_u8(&w, why);
	msg_put_str(&w, why == CUT_REVOKED && decide_revoked(b, c) ==
	    REFUSE_CUT_SUSPENDED ? "This agent is suspended." : text[why]);
	outbox_send(o, FROM_WORKER, c->worker, &w);
}
