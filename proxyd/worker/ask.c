/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of a call: ADMIT, CALL, CANCEL, OUTCOME, and what the
 * broker says to them.  One counter numbers all calls of this worker instance.
 * The broker is believed; a number that is not waited for any more crossed with
 * a CANCEL of ours and is settled on the spot.
 */
#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "common/text/sha256.h"
#include "proxyd/worker/worker.h"

/* A number for this call, once. */
static void
number(struct conn *c)
{
	struct worker	*w;
	struct call	*k;

	w = c->worker;
	k = c->call;
	if (k->no == 0) {
		k->no = ++w->no;
		worker_wait(w, &k->byno, k->no, c);
	}
	k->deadline = poll_now() + w->lim.ask;
}

/* Sends w for c's call; without a broker the client gets 503. */
static int
send_or_fail(struct conn *c, struct msgw *m)
{
	struct problem	 p;

	if (c->worker->ready && wire_send(c->worker, m) == 0) {
		c->call->live = 1;
		return 0;
	}
	reply_problem(&p, RC_NOTREADY, "The gateway is not ready; try again "
	    "in a second.");
	conn_fail(c, &p);
	return -1;
}

/*
 * Asks who the caller is.  question: only that (route 0); else it admits a
 * body that is too long to be read for a stranger.  -1: answered with 503.
 */
int
ask_admit(struct conn *c, int question)
{
	static struct msgw m;
	struct call	*k;

	k = c->call;
	k->question = question;
	k->admitted = question ? 0 : k->body.chunked ? BODY_MAX :
	    k->body.declared;
	number(c);
	msg_open(&m, M_ADMIT);
	msg_put_u64(&m, k->no);
	msg_put_str(&m, k->ask->token);
	msg_put_u32(&m, k->flags & CF_UNSHAPED);
	msg_put_u16(&m, question ? 0 : k->route->no);
	msg_put_u64(&m, k->admitted);
	msg_put_str(&m, c->source);
	k->admit = CA_ASKED;
	return send_or_fail(c, &m);
}

static void
token_digest(const struct conn *c, uint8_t out[SHA256_LEN])
{
	const char	*t;

	t = c->call->ask->token;
	sha256_buf(t, strlen(t), out);
}

/*
 * A body of some length is read for whom the broker has allowed one on this
 * connection: ADMIT would be a round trip for what is known.  Nothing is decided
 * by it, since CALL is judged as ever; after a refusal it is asked again.
 */
int
ask_known(const struct conn *c)
{
	uint8_t	 sha[SHA256_LEN];

	if (!c->caller)
		return 0;
	token_digest(c, sha);
	return memcmp(sha, c->known, sizeof(sha)) == 0;	/* no secrets */
}

/* Digest of the body as it is sent, edits applied. */
static void
digest(struct call *k, uint8_t out[SHA256_LEN])
{
	struct edit_iter it;
	struct edit_piece piece;
	struct sha256	 sha;

	sha256_init(&sha);
	edit_begin(&it, &k->ask->edit, k->body.buf.len);
	while (edit_next(&it, &piece))
		sha256_update(&sha, piece.text != NULL ?
		    (const void *)piece.text :
		    wbuf_bytes(&k->body.buf) + piece.off, piece.len);
	sha256_final(&sha, out);
}

/* What the provider gets as path; of a list, the client's. */
static int
upstream_path(struct conn *c, char *out, size_t size)
{
	struct policy_provider pr;
	struct policy_route r;
	struct call	*k;

	k = c->call;
	if (k->route->group == RG_LIST)
		return strlcpy(out, "/v1/models", size) < size ? 0 : -1;
	if (policy_provider_id(c->worker->policy, k->provider, &pr) == -1 ||
	    policy_route_id(c->worker->policy, k->route->no, &r) == -1)
		return -1;
	return policy_path(&pr, &r, k->ask->model, out, size);
}

/*
 * CALL under ADMIT's number must name ADMIT's length.  Where the body turned
 * out otherwise (chunks, edits) it goes under a number of its own.
 */
static void
renumber(struct conn *c)
{
	struct call	*k;

	k = c->call;
	if (k->admit != CA_OK || k->admitted == k->size)
		return;
	ask_cancel(c);
	worker_unwait(c->worker, &k->byno);
	k->no = 0;
	k->admit = CA_NONE;
}

/* The facts.  -1: answered already. */
int
ask_call(struct conn *c)
{
	static struct msgw m;
	char		 path[PATH_MAX_ + 1] UNSET;
	uint8_t		 sha[SHA256_LEN];
	struct problem	 p;
	struct call	*k;
	int		 list;

	k = c->call;
	list = k->route->group == RG_LIST;
	if (upstream_path(c, path, sizeof(path)) == -1) {
		reply_problem(&p, RC_BAD, "This provider has no such route, "
		    "or the model's name cannot stand in its path.");
		intake_refuse(c, &p);
		return -1;
	}
	digest(k, sha);
	renumber(c);
	number(c);
	msg_open(&m, M_CALL);
	msg_put_u64(&m, k->no);
	msg_put_u32(&m, k->link == NULL ? 0 : k->link->id);
	msg_put_str(&m, k->ask->token);
	msg_put_u32(&m, k->flags | (k->admit == CA_OK ? CF_ADMITTED : 0));
	msg_put_u8(&m, k->route->kind);
	msg_put_u8(&m, k->route->dialect);
	msg_put_u16(&m, k->route->no);
	msg_put_u16(&m, k->provider);
	msg_put_str(&m, k->ask->model);
	msg_put_str(&m, list ? "GET" : "POST");
	msg_put_str(&m, path);
	msg_put_str(&m, k->ask->query);
	msg_put_str(&m, list ? "" : "application/json");
	msg_put_u64(&m, k->size);
	msg_put_raw(&m, sha, sizeof(sha));
	msg_put_u16(&m, k->ask->edit.nitems);
	msg_put_str(&m, k->ask->session);
	msg_put_str(&m, c->source);
	msg_put_u64(&m, k->ask->fact.max_tokens);
	msg_put_u64(&m, poll_now() + DL_RELEASED);
	return send_or_fail(c, &m);
}

/* The caller is gone, or its question is answered. */
void
ask_cancel(struct conn *c)
{
	static struct msgw m;
	struct call	*k;

	k = c->call;
	if (!k->live)
		return;
	msg_open(&m, M_CANCEL);
	msg_put_u64(&m, k->no);
	wire_send(c->worker, &m);
	if (!k->allowed)
		k->live = 0;
}

static uint8_t
grade(const struct usage_count *n)
{
	switch (n->grade) {
	case USAGE_FINAL:
		return GRADE_FINAL;
	case USAGE_PARTIAL:
		return GRADE_PARTIAL;
	default:
		return GRADE_ESTIMATED;
	}
}

/* How the call ended, as this worker saw it; once, for what got ALLOW. */
void
ask_outcome(struct conn *c, enum proto_end end)
{
	static struct msgw m;
	struct usage_count n;
	struct call	*k;

	k = c->call;
	if (!k->live || !k->allowed)
		return;
	memset(&n, 0, sizeof(n));
	if (k->usable) {
		usage_end(&k->usage);
		usage_count(&k->usage, k->size, &n);
	}
	msg_open(&m, M_OUTCOME);
	msg_put_u64(&m, k->no);
	msg_put_u8(&m, end);
	msg_put_u16(&m, k->status);
	msg_put_u8(&m, k->usable ? grade(&n) : GRADE_NONE);
	msg_put_u64(&m, n.in);
	msg_put_u64(&m, n.out);
	msg_put_u64(&m, n.in_cached);
	msg_put_u64(&m, k->given);
	wire_send(c->worker, &m);
	k->live = 0;
}

/* The caller is known: go on with the body, or give the refusal that waits. */
void
ask_admitted(struct conn *c)
{
	struct call	*k;

	k = c->call;
	if (k->admit != CA_ASKED)
		return;
	k->admit = CA_OK;
	c->began = poll_now();
	if (k->pending) {
		ask_cancel(c);
		conn_fail(c, &k->problem);
		return;
	}
	if (k->route->group == RG_CONSOLE)
		ask_cancel(c);	/* who it is was all; ADMIN_* has its own answer */
	if (k->expect && c->minor > 0 && k->body.buf.len == 0)
		wbuf_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	k->expect = 0;
}

/* Rest of ALLOW behind the number. */
void
ask_allow(struct conn *c, struct msgr *r)
{
	struct call	*k;
	uint8_t		 policy[32];

	k = c->call;
	msg_get_raw(r, k->id, sizeof(k->id));
	k->receipt.index = msg_get_u64(r);
	msg_get_raw(r, k->receipt.leaf, sizeof(k->receipt.leaf));
	(void)msg_get_u64(r);
	msg_get_raw(r, policy, sizeof(policy));
	(void)msg_get_u64(r);
	k->deadline = msg_get_u64(r);
	if (msg_end(r) == -1)
		fatalx("broker: malformed ALLOW");
	if (c->state != C_CALL)
		return;
	memcpy(k->receipt.origin, c->worker->origin, 8);
	k->named = 1;
	k->allowed = 1;
	if (k->deadline == 0 || k->deadline > poll_now() + DL_RELEASED)
		k->deadline = poll_now() + DL_RELEASED;
	if (k->route->group == RG_LIST) {
		k->live = 0;
		models_answer(c);
		return;
	}
	if (k->ask != NULL && k->size > ADMIT_ABOVE) {
		token_digest(c, c->known);
		c->caller = 1;
	}
	c->state = C_SENT;
	stream_run(c);
}

/* DENY or FAIL: the broker has let go of the number. */
void
ask_deny(struct conn *c, struct msgr *r)
{
	char		 type[64], code[64], blocked[64];
	struct problem	 p;
	struct call	*k;

	k = c->call;
	memset(&p, 0, sizeof(p));
	msg_get_raw(r, k->id, sizeof(k->id));
	p.status = msg_get_u16(r);
	msg_get_str(r, type, sizeof(type));
	msg_get_str(r, code, sizeof(code));
	msg_get_str(r, blocked, sizeof(blocked));
	msg_get_str(r, k->text, sizeof(k->text));
	p.retry = msg_get_u32(r);
	p.noretry = msg_get_u8(r);
	if (msg_end(r) == -1 || p.status < 400 || p.status > 599)
		fatalx("broker: malformed DENY or FAIL");
	k->live = 0;
	k->named = 1;
	k->denied = r->type == M_DENY;
	c->caller = 0;
	if (k->pending && k->question && p.status != 401 && p.status < 500) {
		/* Known, but not allowed what nobody has asked for. */
		conn_fail(c, &k->problem);
		return;
	}
	p.type = type;
	p.code = code[0] == '\0' ? NULL : code;
	p.blocked = blocked[0] == '\0' ? NULL : blocked;
	p.message = k->text;
	stream_cut(c, END_LOST, &p);
}

static const char *const cuts[] = {
	[CUT_DEADLINE] = "The call took longer than it may.",
	[CUT_REVOKED] = "The key of this call was revoked.",
	[CUT_EXPIRED] = "The key of this call has expired.",
	[CUT_CANCELLED] = "The call was cancelled.",
	[CUT_LOST] = "A part of the gateway was lost; try again.",
	[CUT_SHUTDOWN] = "The gateway is shutting down.",
};

/* CUT: the call ends now, whatever is under way; OUTCOME is still due. */
void
ask_cut(struct conn *c, struct msgr *r)
{
	struct problem	 p;
	struct call	*k;
	uint8_t		 cut;

	k = c->call;
	cut = msg_get_u8(r);
	msg_get_str(r, k->text, sizeof(k->text));
	if (msg_end(r) == -1 || cut < CUT_DEADLINE || cut > CUT_SHUTDOWN)
		fatalx("broker: malformed CUT");
	if (cut == CUT_REVOKED || cut == CUT_EXPIRED)
		reply_problem(&p, RC_AUTH, cuts[cut]);
	else if (cut == CUT_DEADLINE)
		reply_problem(&p, RC_TIMEOUT, cuts[cut]);
	else
		reply_problem(&p, RC_NOTREADY, cuts[cut]);
	if (k->text[0] != '\0')
		p.message = k->text;
	if (!k->allowed)
		k->live = 0;
	stream_cut(c, END_CUT, &p);
}

/* The broker is gone, or did not answer in time. */
void
ask_lost(struct conn *c, const char *text)
{
	struct problem	 p;

	reply_problem(&p, RC_NOTREADY, text);
	stream_cut(c, END_LOST, &p);
}
