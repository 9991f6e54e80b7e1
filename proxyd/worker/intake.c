/* SPDX-License-Identifier: ISC */
/*
 * From a complete head to CALL.  Everything but the open routes is
 * authenticated before it is judged: a refusal waits until the broker has said
 * who the caller is, so that a stranger learns nothing but 401.
 */
#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* First that is present; the body's own comes last (clients.md 3.2). */
static const char *const sessions[] = { "x-tappass-session", "x-session-id",
	"x-claude-code-session-id", "session-id" };

void
intake_forget(struct call *k)
{
	struct asked	*a;
	size_t		 i;

	a = k->ask;
	if (a == NULL)
		return;
	for (i = 0; i < FIELD_NPASS; i++)
		free(a->pass[i]);
	explicit_bzero(a, sizeof(*a));
	free(a);
	k->ask = NULL;
}

static struct call *
call_new(const struct route_hit *hit)
{
	struct asked	*a;
	struct call	*k;

	k = calloc(1, sizeof(*k));
	a = malloc(sizeof(*a));
	if (k == NULL || a == NULL) {
		free(k);
		free(a);
		return NULL;
	}
	memset(a, 0, offsetof(struct asked, fact));
	fact_init(&a->fact, hit->route == NULL ? FACT_CHAT :
	    hit->route->shape);
	a->hit = *hit;
	k->route = hit->route;
	k->ask = a;
	return k;
}

/* Ends the call's state; what the broker and the egress hold is let go. */
void
call_release(struct conn *c)
{
	struct call	*k;

	k = c->call;
	if (k == NULL)
		return;
	if (k->live) {
		ask_cancel(c);
		ask_outcome(c, END_CANCELLED);
	}
	stream_abort(c);
	worker_unwait(c->worker, &k->byno);
	worker_unwait(c->worker, &k->bycookie);
	body_free(c->worker, &k->body);
	if (k->usable)
		usage_free(&k->usage);
	wbuf_free(&k->burst);
	wbuf_free(&k->rows);
	intake_forget(k);
	explicit_bzero(k, sizeof(*k));
	free(k);
	c->call = NULL;
}

/* The refusal is given once the caller is known. */
void
intake_refuse(struct conn *c, const struct problem *p)
{
	struct call	*k;

	k = c->call;
	if (k->admit == CA_OK) {
		ask_cancel(c);
		conn_fail(c, p);
		return;
	}
	k->pending = 1;
	k->problem = *p;
	c->state = C_AUTH;
	if (k->admit == CA_NONE)
		ask_admit(c, 1);
}

void
intake_refuse_case(struct conn *c, enum reply_case rc, const char *text)
{
	struct problem	 p;

	reply_problem(&p, rc, text);
	intake_refuse(c, &p);
}

/* Refused for its form, before anybody is asked. */
static void
refuse_now(struct conn *c, enum reply_case rc, const char *text)
{
	struct problem	 p;

	reply_problem(&p, rc, text);
	conn_fail(c, &p);
}

static enum route_form
shared_form(const struct conn *c)
{
	const uint8_t	*buf;

	buf = wbuf_bytes(&c->in);
	return http1_find(c->head, buf, "anthropic-version") != NULL ||
	    http1_find(c->head, buf, "x-api-key") != NULL ?
	    RF_ANTHROPIC : RF_OPENAI;
}

/* A copy of printable ASCII, or nothing. */
static int
copy_text(char *out, size_t size, const uint8_t *p, size_t n)
{
	size_t	 i;

	if (n == 0 || n >= size)
		return -1;
	for (i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return -1;
	memcpy(out, p, n);
	out[n] = '\0';
	return 0;
}

static void
take_session(struct conn *c)
{
	const struct http1_field *f;
	const uint8_t	*buf;
	size_t		 i;

	buf = wbuf_bytes(&c->in);
	for (i = 0; i < NITEMS(sessions); i++) {
		f = http1_find(c->head, buf, sessions[i]);
		if (f != NULL && copy_text(c->call->ask->session,
		    sizeof(c->call->ask->session), buf + f->value_off,
		    f->value_len) == 0)
			return;
	}
}

/* Fields that reach the provider; several of a name are joined by commas. */
static int
take_fields(struct conn *c)
{
	const struct http1_field *f;
	const uint8_t	*buf;
	struct call	*k;
	struct wbuf	 b;
	unsigned int	 i;

	k = c->call;
	buf = wbuf_bytes(&c->in);
	for (i = 0; i < FIELD_NPASS; i++) {
		memset(&b, 0, sizeof(b));
		f = http1_find(c->head, buf, field_pass_name(i));
		for (; f != NULL; f = http1_find_next(c->head, buf, f,
		    field_pass_name(i))) {
			if (b.len > 0)
				wbuf_add(&b, ", ", 2);
			wbuf_add(&b, buf + f->value_off, f->value_len);
		}
		if (b.len == 0)
			continue;
		if (!field_pass_ok(i, wbuf_bytes(&b), b.len)) {
			wbuf_free(&b);
			return -1;
		}
		k->ask->pass[i] = strndup((const char *)wbuf_bytes(&b), b.len);
		wbuf_free(&b);
		if (k->ask->pass[i] == NULL)
			return -1;
	}
	return 0;
}

/* Typed names of the query; -1 with the sentence. */
static int
take_query(struct conn *c, const uint8_t *t, struct target *g,
    const char **reason)
{
	struct target_value v[TARGET_QUERY_MAX];
	const struct route *r;
	const struct view *w;
	struct call	*k;

	k = c->call;
	r = k->route;
	memset(v, 0, sizeof(v));
	if (r->group == RG_CONSOLE) {
		w = view_row(r->view);
		if (target_read(t, g, w->query, w->nquery, v) == -1) {
			*reason = g->reason;
			return -1;
		}
		return view_query(r->view, t, v, poll_wall(), &k->ask->view,
		    reason);
	}
	if (target_read(t, g, r->query, r->nquery, v) == -1) {
		*reason = g->reason;
		return -1;
	}
	if (r->group == RG_CALL && target_write(r->query, r->nquery, v,
	    k->ask->query, sizeof(k->ask->query)) == -1) {
		*reason = "The query is too long.";
		return -1;
	}
	if (r->no != ROUTE_MODELS || r->group != RG_LIST)
		return 0;
	k->ask->list.limit = v[0].set ? v[0].number : 0;
	if (v[1].set)
		memcpy(k->ask->list.after, t + v[1].off, v[1].len);
	if (v[2].set)
		memcpy(k->ask->list.before, t + v[2].off, v[2].len);
	return 0;
}

/* What of the head is needed later, and its verdict: 1 go on, 0 refused. */
static int
take_head(struct conn *c, enum route_verdict v, const uint8_t *t,
    struct target *g, struct problem *p)
{
	const char	*reason;
	struct call	*k;

	k = c->call;
	if (v == RV_NONE) {
		reply_problem(p, RC_NOTFOUND, "There is no such route.");
		return 0;
	}
	if (c->head->upgrade == HTTP1_UPGRADE_WEBSOCKET) {
		reply_problem(p, RC_UPGRADE, "WebSockets are not spoken here; "
		    "use plain HTTP.");
		return 0;
	}
	if (v == RV_METHOD) {
		reply_problem(p, RC_METHOD, "This route does not take this "
		    "method.");
		route_allow(k->ask->hit.allow, k->ask->allow,
		    sizeof(k->ask->allow));
		p->allow = k->ask->allow;
		return 0;
	}
	if (k->route->view == VIEW_LLM_REFUSED) {
		reply_problem(p, RC_BAD, "A provider's key never passes a "
		    "process that speaks with clients: use proxyctl secret "
		    "set, or name a file.");
		p->status = 403;
		p->code = "not_over_http";
		return 0;
	}
	memcpy(k->ask->arg, t + k->ask->hit.off, k->ask->hit.len);
	memcpy(k->ask->key, t + k->ask->hit.keyoff, k->ask->hit.keylen);
	if (take_query(c, t, g, &reason) == -1) {
		reply_problem(p, RC_BAD, reason);
		return 0;
	}
	if (k->route->group == RG_CALL && take_fields(c) == -1) {
		reply_problem(p, RC_BAD, "A version or beta field of the "
		    "request is malformed.");
		return 0;
	}
	take_session(c);
	return 1;
}

/* A control route asks the broker once; 100 Continue needs an answer before. */
static void
begin_console(struct conn *c)
{
	struct call	*k;

	k = c->call;
	if (k->body.done)
		intake_ready(c);
	else if (!k->body.chunked && k->body.declared > BODY_CONTROL)
		intake_refuse_case(c, RC_TOOLARGE, "The request's body is too "
		    "large for this route.");
	else if (c->head->expect_continue) {
		k->expect = 1;
		ask_admit(c, 1);
	}
}

/* Known form and body: what is read, and whether ADMIT goes ahead of it. */
static void
begin(struct conn *c)
{
	struct call	*k;

	k = c->call;
	if (k->route->group == RG_LIST) {
		if (k->body.done)
			models_start(c);
		else
			intake_refuse_case(c, RC_BAD,
			    "This route takes no body.");
		return;
	}
	c->state = C_BODY;
	c->began = poll_now();
	if (k->route->group == RG_CONSOLE) {
		begin_console(c);
		return;
	}
	if (k->body.done) {
		intake_refuse_case(c, RC_BAD, "The request has no body.");
		return;
	}
	k->expect = c->head->expect_continue;
	if (k->body.chunked || k->body.declared <= ADMIT_ABOVE) {
		if (k->expect)
			ask_admit(c, 0);
		return;
	}
	k->known = !k->expect && k->body.declared <= EGRESS_HOLD &&
	    ask_known(c);
	if (!k->known)
		ask_admit(c, 0);
}

static void
answer_open(struct conn *c, const struct route *r)
{
	c->keep = c->keep && c->head->body == HTTP1_BODY_NONE;
	wbuf_drain(&c->in, c->head->head_len);
	health_answer(c, r->no);
}

/* Bodies of the head's verdict: 401 at once, everything else after it. */
static void
authenticate(struct conn *c, enum route_verdict v, const uint8_t *t,
    struct target *g)
{
	struct problem	 p;
	struct call	*k;
	enum bearer	 b;
	int		 go;

	k = c->call;
	body_start(&k->body, c->head);
	b = bearer_pick(c->head, wbuf_bytes(&c->in), k->ask->token);
	if (b == BEARER_UNSHAPED)
		k->flags |= CF_UNSHAPED;
	go = 0;
	if (b == BEARER_OK || b == BEARER_UNSHAPED)
		go = take_head(c, v, t, g, &p);
	explicit_bzero(c->in.p + c->in.off, c->head->head_len);
	wbuf_drain(&c->in, c->head->head_len);
	if (b != BEARER_OK && b != BEARER_UNSHAPED)
		refuse_now(c, RC_AUTH, bearer_text(b));
	else if (go)
		begin(c);
	else
		intake_refuse(c, &p);
}

/* The head in c->head is complete. */
void
intake_start(struct conn *c)
{
	struct target	 g;
	struct route_hit hit;
	const uint8_t	*t;
	enum route_verdict v;

	t = wbuf_bytes(&c->in) + c->head->target_off;
	c->minor = c->head->minor;
	c->keep = c->head->keep_alive;
	c->headonly = c->head->method == HTTP1_HEAD;
	c->form = shared_form(c);
	if (target_split(t, c->head->target_len, &g) == -1) {
		c->keep = 0;
		refuse_now(c, RC_BAD, g.reason);
		return;
	}
	if (c->head->upgrade == HTTP1_UPGRADE_OTHER) {
		c->keep = 0;
		refuse_now(c, RC_NOTIMPL, "This protocol is not spoken here.");
		return;
	}
	v = route_find(c->head->method, t, &g, c->class, &hit);
	if (v == RV_HIT && hit.route->group == RG_OPEN) {
		answer_open(c, hit.route);
		return;
	}
	if (v != RV_NONE && hit.route->form != RF_SHARED)
		c->form = hit.route->form;
	c->call = call_new(&hit);
	if (c->call == NULL) {
		conn_kill(c);
		return;
	}
	authenticate(c, v, t, &g);
}

/* New bytes of the body to whoever reads them; 0: refused. */
static int
feed(struct conn *c, size_t before)
{
	struct call	*k;
	size_t		 n;

	k = c->call;
	n = k->body.buf.len - before;
	if (k->route->group != RG_CALL || n == 0)
		return 1;
	if (fact_feed(&k->ask->fact, wbuf_bytes(&k->body.buf) + before, n) == 0)
		return 1;
	intake_refuse_case(c, RC_BAD, k->ask->fact.error);
	return 0;
}

/* How many of n bytes may be taken now; 0: not before ADMITTED. */
static size_t
allowance(struct conn *c, size_t n)
{
	struct call	*k;

	k = c->call;
	if (k->route->group != RG_CALL || k->admit == CA_OK || k->known ||
	    (!k->body.chunked && k->body.declared <= ADMIT_ABOVE))
		return n;
	if (n > ADMIT_ABOVE - k->body.buf.len)
		n = ADMIT_ABOVE - k->body.buf.len;
	if (n == 0 && k->admit == CA_NONE)
		ask_admit(c, 0);
	return n;
}

static void
bad_body(struct conn *c, enum body_verdict v, const char *reason)
{
	c->keep = 0;
	if (v == BODY_LARGE)
		intake_refuse_case(c, RC_TOOLARGE, "The request's body is too "
		    "large for this route.");
	else if (v == BODY_NOROOM)
		intake_refuse_case(c, RC_BUSY, "The gateway has no room for "
		    "this body just now.");
	else
		refuse_now(c, RC_BAD, reason);
}

/* Bytes of the client: how many were the body's.  A refusal shows in state. */
size_t
intake_take(struct conn *c, const uint8_t *p, size_t n)
{
	enum body_verdict v;
	struct call	*k;
	const char	*reason;
	size_t		 before, used;

	k = c->call;
	n = allowance(c, n);
	if (n == 0 || c->state != C_BODY)
		return 0;
	before = k->body.buf.len;
	reason = NULL;
	v = body_take(c->worker, &k->body, p, n,
	    k->route->group == RG_CONSOLE ? BODY_CONTROL : BODY_MAX, &used,
	    &reason);
	if (v == BODY_MORE || v == BODY_DONE)
		(void)feed(c, before);
	else
		bad_body(c, v, reason);
	return used;
}

/* Takes what has arrived of the body; 1 if something moved. */
int
intake_body(struct conn *c)
{
	struct call	*k;
	size_t		 used;

	k = c->call;
	if (c->eof && c->in.len == 0 && !k->body.done) {
		conn_kill(c);
		return 0;
	}
	if (!k->body.done) {
		if (c->in.len == 0)
			return 0;
		used = intake_take(c, wbuf_bytes(&c->in), c->in.len);
		wbuf_drain(&c->in, used);
		if (c->state != C_BODY)
			return 1;
		if (!k->body.done)
			return used > 0;
	}
	if (k->admit == CA_ASKED)
		return 0;
	intake_ready(c);
	return 1;
}

/* Whose model it is, what must be edited, the link to its egress. */
static void
place(struct conn *c)
{
	struct policy_provider pr;
	struct call	*k;
	struct wlink	*l;
	size_t		 prefix;
	int		 err, r;

	k = c->call;
	if (model_resolve(c->worker->policy, k->ask->fact.model,
	    k->ask->fact.modellen, k->route, &pr, &prefix, k->text, sizeof(k->text)) != MV_OK) {
		intake_refuse_case(c, RC_MODEL, k->text);
		return;
	}
	edit_init(&k->ask->edit);
	r = edit_model(&k->ask->edit, &k->ask->fact, prefix);
	if (r == 0 && prefix > 0)
		k->flags |= CF_PREFIX;
	if (r == 0 && (r = edit_usage(&k->ask->edit, &k->ask->fact)) == 1)
		k->flags |= CF_USAGE;
	if (r == -1) {
		intake_refuse_case(c, RC_BAD, "The body cannot be edited.");
		return;
	}
	if (k->ask->fact.stream)
		k->flags |= CF_STREAM;
	k->size = edit_size(&k->ask->edit, k->body.buf.len);
	k->provider = pr.id;
	strlcpy(k->ask->model, k->ask->fact.model + prefix,
	    sizeof(k->ask->model));
	if (k->ask->session[0] == '\0')
		strlcpy(k->ask->session, k->ask->fact.session,
		    sizeof(k->ask->session));
	l = pool_take(c->worker, c, &err);
	c->state = C_LINK;
	k->deadline = poll_now() + c->worker->lim.ask;
	if (l != NULL)
		intake_linked(c, l);
	else if (err == 1)
		intake_refuse_case(c, RC_BUSY, "The gateway has too many "
		    "calls under way.");
	else if (err == -1)
		ask_lost(c, "The gateway is not ready; try again in a "
		    "second.");
}

/* The body is here. */
void
intake_ready(struct conn *c)
{
	struct problem	 p;
	struct call	*k;

	k = c->call;
	if (!c->worker->ready) {
		reply_problem(&p, RC_NOTREADY, "The gateway is not ready; try "
		    "again in a second.");
		conn_fail(c, &p);
	} else if (k->route->group == RG_CONSOLE)
		console_start(c);
	else if (fact_end(&k->ask->fact) == -1)
		intake_refuse_case(c, RC_BAD, k->ask->fact.error);
	else if (k->ask->fact.modellen == 0)
		intake_refuse_case(c, RC_BAD, "The body names no model.");
	else
		place(c);
}

/* There is a link: CALL, and the body with it if the egress may hold it. */
void
intake_linked(struct conn *c, struct wlink *l)
{
	(void)l;
	if (ask_call(c) == -1)
		return;
	c->state = C_CALL;
	stream_run(c);
}
