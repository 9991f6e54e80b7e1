/* SPDX-License-Identifier: ISC */
/*
 * May this call go out?  A table of checks, run in its order; the first that
 * objects names a row of the table of refusals.  Facts in, verdict out: it
 * reads the broker's state and changes nothing.  A worker's facts are only
 * ever compared with what the policy and the tables of the broker say.
 */
#include <stdio.h>
#include <string.h>

#include "keybrokerd/broker/broker.h"

static const struct refusal_row refusals[REFUSE_MAX] = {
	[REFUSE_NONE] = { 200, "", "", "", "", 0, 0 },
	[REFUSE_GATE] = { 503, "api_error", "api_error", "not_ready",
	    "The gateway cannot record calls at the moment; try again.", 1, 0 },
	[REFUSE_CLOSING] = { 503, "api_error", "api_error", "shutting_down",
	    "The gateway is shutting down; try again.", 1, 0 },
	[REFUSE_SPACE] = { 503, "api_error", "api_error", "low_space",
	    "The gateway's log is almost out of disk space, so it takes no "
	    "new calls.", 60, 0 },
	[REFUSE_AUTHN] = { 401, "authentication_error",
	    "authentication_error", "invalid_api_key", NULL, 0, 1 },
	[REFUSE_ROLE] = { 403, "permission_error", "permission_error",
	    "wrong_role", "This key administers the gateway and cannot make "
	    "model calls; use a developer key.", 0, 1 },
	[REFUSE_SCOPE] = { 403, "policy_block", "permission_error",
	    "policy_block", NULL, 0, 1 },
	[REFUSE_ROUTE] = { 404, "invalid_request_error", "not_found_error",
	    "unknown_route", "No such route.", 0, 1 },
	[REFUSE_KIND] = { 400, "invalid_request_error",
	    "invalid_request_error", "wrong_kind",
	    "The request does not fit its route.", 0, 1 },
	[REFUSE_PROVIDER] = { 404, "invalid_request_error",
	    "not_found_error", "model_not_found",
	    "The model's provider is not configured.", 0, 1 },
	[REFUSE_DIALECT] = { 404, "invalid_request_error",
	    "not_found_error", "model_not_found",
	    "The model's provider does not speak this route's dialect.", 0, 1 },
	[REFUSE_LINK] = { 503, "api_error", "api_error", "no_link",
	    "The way to the provider is being set up again; try again.", 1, 0 },
	[REFUSE_NOKEY] = { 503, "api_error", "api_error", "no_provider_key",
	    NULL, 0, 1 },
	[REFUSE_METHOD] = { 405, "invalid_request_error",
	    "invalid_request_error", "wrong_method",
	    "Wrong method for this route.", 0, 1 },
	[REFUSE_PATH] = { 400, "invalid_request_error",
	    "invalid_request_error", "wrong_path",
	    "The path is not the one of this route.", 0, 1 },
	[REFUSE_TEXT] = { 400, "invalid_request_error",
	    "invalid_request_error", "bad_text",
	    "A field of the request holds characters that are not allowed.",
	    0, 1 },
	[REFUSE_LENGTH] = { 413, "request_too_large", "request_too_large",
	    "request_too_large", "The request body is larger than 32 MiB.",
	    0, 1 },
	[REFUSE_EMPTY] = { 400, "invalid_request_error",
	    "invalid_request_error", "empty_body", "The request has no body.",
	    0, 1 },
	[REFUSE_DEADLINE] = { 503, "api_error", "api_error", "late",
	    "The call's time was over before it could be recorded.", 1, 0 },
	[REFUSE_KEY_CALLS] = { 429, "rate_limit_error", "rate_limit_error",
	    "too_many_calls", "This key has too many calls open at once.",
	    1, 0 },
	[REFUSE_KEY_BYTES] = { 429, "rate_limit_error", "rate_limit_error",
	    "too_many_bytes", "This key has too many bytes under way at "
	    "once.", 1, 0 },
	[REFUSE_WORKER] = { 503, "api_error", "overloaded_error",
	    "overloaded", "This worker has too many calls open at once.",
	    1, 0 },
	[REFUSE_CALLS] = { 503, "api_error", "overloaded_error",
	    "overloaded", "The gateway has too many calls open at once.",
	    1, 0 },
	[REFUSE_STEP] = { 403, "policy_block", "permission_error",
	    "policy_block", "Blocked by policy.", 0, 1 },
	[REFUSE_TWICE] = { 403, "policy_block", "permission_error",
	    "policy_block", "Blocked by policy: the rewritten request still "
	    "holds what had to be removed.", 0, 1 },
	[REFUSE_LATE] = { 503, "api_error", "api_error", "late",
	    "The call could not be recorded in time; try again.", 1, 0 },
	[REFUSE_CANCELLED] = { 499, "api_error", "api_error", "cancelled",
	    "The call was cancelled.", 0, 1 },
	[REFUSE_CUT_REVOKED] = { 401, "authentication_error",
	    "authentication_error", "invalid_api_key",
	    "This key was revoked.", 0, 1 },
	[REFUSE_CUT_EXPIRED] = { 401, "authentication_error",
	    "authentication_error", "invalid_api_key",
	    "This key has expired.", 0, 1 },
	[REFUSE_EGRESS] = { 502, "upstream_error", "api_error",
	    "egress_lost", "The process that talks to the provider ended; "
	    "try again.", 1, 0 },
	[REFUSE_CREDENTIAL] = { 503, "api_error", "api_error",
	    "no_credential", "The provider's key is not available at the "
	    "moment; try again.", 1, 0 },
	[REFUSE_CUT_SUSPENDED] = { 403, "policy_block", "permission_error",
	    "policy_block", "Blocked by policy: this agent is suspended.", 0,
	    1 },
};

const struct refusal_row *
decide_row(enum refusal r)
{
	return &refusals[r < REFUSE_MAX ? r : REFUSE_GATE];
}

/* ---- the checks -------------------------------------------------------- */
struct facts {
	struct broker		*b;
	uint16_t		 worker;
	const struct policy	*policy;
	const struct ask	*a;
	struct decision		*d;
};

typedef enum refusal (*check_fn)(struct facts *);

static enum refusal
check_closing(struct facts *f)
{
	return f->b->gate.closing ? REFUSE_CLOSING : REFUSE_NONE;
}

static enum refusal
check_gate(struct facts *f)
{
	return gate_open(f->b) ? REFUSE_NONE : REFUSE_GATE;
}

/* The caller; who stays set for one of ours that has expired or is revoked. */
static enum refusal
check_authn(struct facts *f)
{
	char	 token[TOKEN_MAX];

	if (f->a->token == NULL || f->a->tokenlen > sizeof(token))
		f->d->authn = f->a->token == NULL ? AUTHN_NONE :
		    AUTHN_MALFORMED;
	else {
		memcpy(token, f->a->token, f->a->tokenlen);
		f->d->authn = authn_check(f->b->keys, &f->b->vault, token,
		    f->a->tokenlen, f->b->wall, &f->d->who);
		secret_wipe(token, sizeof(token));
	}
	if (f->d->authn == AUTHN_OK)
		return REFUSE_NONE;
	strlcpy(f->d->detail, authn_text(f->d->authn), sizeof(f->d->detail));
	return REFUSE_AUTHN;
}

/* Roles that make calls; the bootstrap admin key has no row and no agent. */
static enum refusal
check_role(struct facts *f)
{
	if (f->d->who.key == NULL || f->d->who.agent == NULL)
		return REFUSE_ROLE;
	switch (f->d->who.role) {
	case ROLE_K_AGENT:
	case ROLE_K_DEVELOPER:
	case ROLE_K_ADMIN:
		return REFUSE_NONE;
	default:
		return REFUSE_ROLE;
	}
}

/* Printable ASCII from lo on. */
static int
printable(const char *s, char lo)
{
	for (; *s != '\0'; s++)
		if (*s < lo || *s > '~')
			return 0;
	return 1;
}

int
decide_text_ok(const struct ask *a)
{
	return printable(a->method, '!') && printable(a->path, '!') &&
	    printable(a->query, '!') && printable(a->ctype, ' ') &&
	    printable(a->session, ' ') && printable(a->source, '!') &&
	    printable(a->model, ' ');
}

static enum refusal
check_text(struct facts *f)
{
	return decide_text_ok(f->a) ? REFUSE_NONE : REFUSE_TEXT;
}

static enum refusal
check_route(struct facts *f)
{
	return policy_route_id(f->policy, f->a->route,
	    &f->d->route) == -1 ? REFUSE_ROUTE : REFUSE_NONE;
}

static enum refusal
check_kind(struct facts *f)
{
	const struct ask	*a;

	a = f->a;
	if (a->kind != f->d->route.kind || a->dialect >= DIALECT_MAX)
		return REFUSE_KIND;
	if (a->kind != KIND_LIST && a->dialect != f->d->route.dialect)
		return REFUSE_KIND;
	if (a->kind == KIND_LIST && (a->link != 0 || a->length != 0))
		return REFUSE_KIND;
	return REFUSE_NONE;
}

static enum refusal
check_method(struct facts *f)
{
	const char	*want;

	want = f->a->kind == KIND_LIST ? "GET" : "POST";
	return strcmp(f->a->method, want) == 0 ? REFUSE_NONE : REFUSE_METHOD;
}

static enum refusal
check_provider(struct facts *f)
{
	if (f->a->kind == KIND_LIST)
		return REFUSE_NONE;
	if (policy_provider_id(f->policy, f->a->provider,
	    &f->d->provider) == -1)
		return REFUSE_PROVIDER;
	return f->d->provider.dialect == f->a->dialect ? REFUSE_NONE :
	    REFUSE_DIALECT;
}

/* The path that the provider gets is computed here, not taken. */
static enum refusal
check_path(struct facts *f)
{
	char	 path[PATH_MAX_ + 1];

	if (f->a->kind == KIND_LIST)
		return REFUSE_NONE;
	if (policy_path(&f->d->provider, &f->d->route, f->a->model, path,
	    sizeof(path)) == -1 || strlen(f->a->query) + 1 +
	    strlen(f->d->provider.query) > QUERY_MAX)
		return REFUSE_PATH;
	return strcmp(path, f->a->path) == 0 ? REFUSE_NONE : REFUSE_PATH;
}

static enum refusal
check_nokey(struct facts *f)
{
	if (f->a->kind == KIND_LIST ||
	    peers_has_key(f->b, &f->d->provider))
		return REFUSE_NONE;
	peers_nokey(&f->d->provider, f->d->detail, sizeof(f->d->detail));
	return REFUSE_NOKEY;
}

/* Texts for scopes; NULL: this message does not say it. */
static void
scope_facts(const struct facts *f, struct scope_facts *s)
{
	static const char *const	 kinds[KIND_MAX] = {
		[KIND_GENERATE] = "generate", [KIND_COUNT] = "count",
		[KIND_EMBED] = "embed",
	};

	memset(s, 0, sizeof(*s));
	s->source = f->a->source;
	if (f->d->provider.id == 0 || f->a->kind >= KIND_MAX)
		return;
	s->provider = f->d->provider.name;
	s->model = f->a->model;
	s->kind = kinds[f->a->kind];
}

/*
 * What key and agent are limited to; a list of models is in every scope but a
 * network's.  The source is the worker's word.
 */
static enum refusal
check_scope(struct facts *f)
{
	const char		*whose[2], *text[2], *what;
	struct scope_facts	 s;
	enum scope_verdict	 v;
	size_t			 i;

	if (f->d->who.agent->suspended != 0) {
		f->d->step = "agent_suspended";
		snprintf(f->d->detail, sizeof(f->d->detail), "Blocked by "
		    "policy: agent %s is suspended.", f->d->who.agent->id);
		return REFUSE_SCOPE;
	}
	whose[0] = "key";
	text[0] = f->d->who.key->scope;
	whose[1] = "agent";
	text[1] = f->d->who.agent->scope;
	scope_facts(f, &s);
	for (i = 0; i < 2; i++) {
		v = scope_judge(text[i], &s);
		if (v == SCOPE_OK)
			continue;
		what = v == SCOPE_PROVIDER ? s.provider : v == SCOPE_MODEL ?
		    s.model : v == SCOPE_KIND ? s.kind : s.source;
		f->d->step = i == 0 ? "key_scope" : "agent_scope";
		snprintf(f->d->detail, sizeof(f->d->detail), "Blocked by "
		    "policy: the %s %.100s is outside the scope of this %s.",
		    scope_noun(v), what, whose[i]);
		return REFUSE_SCOPE;
	}
	return REFUSE_NONE;
}

/* Its own link, to this provider, whose egress is there. */
static enum refusal
check_link(struct facts *f)
{
	const struct broker_link	*l;
	const struct egress		*e;

	if (f->a->kind == KIND_LIST)
		return REFUSE_NONE;
	l = peers_find(f->b, f->worker, f->a->link);
	if (l == NULL || l->provider != f->a->provider)
		return REFUSE_LINK;
	e = peers_egress(f->b, f->a->provider);
	return e != NULL && e->p.up ? REFUSE_NONE : REFUSE_LINK;
}

static enum refusal
check_length(struct facts *f)
{
	return f->a->length <= BODY_MAX ? REFUSE_NONE : REFUSE_LENGTH;
}

/* Not at ADMIT: the length of a chunked body is not known there. */
static enum refusal
check_empty(struct facts *f)
{
	return f->a->length != 0 || f->a->kind == KIND_LIST ? REFUSE_NONE :
	    REFUSE_EMPTY;
}

static enum refusal
check_deadline(struct facts *f)
{
	return f->a->deadline != 0 && f->a->deadline <= f->b->now ?
	    REFUSE_DEADLINE : REFUSE_NONE;
}

static enum refusal
check_space(struct facts *f)
{
	return f->b->gate.space || f->a->kind == KIND_LIST ? REFUSE_NONE :
	    REFUSE_SPACE;
}

static enum refusal
check_budget(struct facts *f)
{
	return budget_check(f->b, f->d->who.key->id, f->a->length);
}

static enum refusal
check_worker(struct facts *f)
{
	return f->b->workers[f->worker].nreserved < WORKER_RELEASED ?
	    REFUSE_NONE : REFUSE_WORKER;
}

/* The governance steps: an empty table so far. */
static enum refusal
check_steps(struct facts *f)
{
	const struct step	*s;
	enum verdict		 v;
	size_t			 i;

	for (i = 0; i < f->b->nsteps; i++) {
		s = &f->b->steps[i];
		f->d->nspans = 0;
		v = s->fn(s->arg, f->a, f->d->span, &f->d->nspans);
		if (v == VERDICT_PASS)
			continue;
		f->d->step = s->name;
		if (v == VERDICT_DENY)
			return REFUSE_STEP;
		f->d->redact = 1;
		return REFUSE_NONE;
	}
	return REFUSE_NONE;
}

static const check_fn admit_checks[] = {
	check_closing, check_gate, check_authn, check_role, check_text,
	check_route, check_scope, check_length, check_space, check_budget,
	check_worker,
};

/* ADMIT for route 0, no body: only "who is this?", before a 404, 405 or 426. */
static const check_fn who_checks[] = {
	check_closing, check_gate, check_authn, check_text,
};

static const check_fn call_checks[] = {
	check_closing, check_gate, check_authn, check_role, check_text,
	check_route, check_kind, check_method, check_provider, check_path,
	check_scope, check_nokey, check_link, check_length, check_empty, check_deadline,
	check_space, check_budget, check_worker, check_steps,
};

static void
run(struct broker *b, uint16_t worker, int policy, const struct ask *a,
    struct decision *d, const check_fn *checks, size_t n)
{
	struct facts	 f;
	size_t		 i;

	memset(d, 0, sizeof(*d));
	f.b = b;
	f.worker = worker;
	f.policy = policy == -1 ? NULL : b->policies[policy];
	f.a = a;
	f.d = d;
	for (i = 0; i < n && d->refusal == REFUSE_NONE; i++)
		d->refusal = checks[i](&f);
}

void
decide_admit(struct broker *b, uint16_t worker, const struct ask *a,
    struct decision *d)
{
	if (a->route == 0 && a->length == 0)
		run(b, worker, b->policy, a, d, who_checks,
		    sizeof(who_checks) / sizeof(who_checks[0]));
	else
		run(b, worker, b->policy, a, d, admit_checks,
		    sizeof(admit_checks) / sizeof(admit_checks[0]));
}

void
decide_call(struct broker *b, uint16_t worker, int policy,
    const struct ask *a, struct decision *d)
{
	run(b, worker, policy, a, d, call_checks,
	    sizeof(call_checks) / sizeof(call_checks[0]));
}

/* ---- saying it --------------------------------------------------------- */
void
decide_compose(struct msgw *w, uint16_t type, uint64_t no,
    const uint8_t id[CALL_ID], uint8_t dialect, enum refusal r,
    const char *step, const char *detail)
{
	const struct refusal_row	*row;
	char				 text[REASON_MAX], hex[2 * CALL_ID + 1];
	const char			*said;
	size_t				 i;

	row = decide_row(r);
	for (i = 0; i < CALL_ID; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	said = row->message != NULL ? row->message :
	    detail != NULL && *detail != '\0' ? detail : "Refused.";
	snprintf(text, sizeof(text), "%s%s%s%s Request req_%s.",
	    step == NULL ? "" : "(", step == NULL ? "" : step,
	    step == NULL ? "" : ") ", said, hex);
	msg_open(w, type);
	msg_put_u64(w, no);
	msg_put_raw(w, id, CALL_ID);
	msg_put_u16(w, row->status);
	msg_put_str(w, dialect == DIALECT_ANTHROPIC ? row->anthropic :
	    row->openai);
	msg_put_str(w, row->code);
	msg_put_str(w, step);
	msg_put_str(w, text);
	msg_put_u32(w, row->retry_after);
	msg_put_u8(w, row->no_retry);
}

enum refusal
decide_revoked(const struct broker *b, const struct call *c)
{
	const struct key	*k;

	k = key_find(b->keys, c->key, strlen(c->key));
	return k != NULL && key_state(k, b->wall) == KEY_LIVE &&
	    k->agent->suspended != 0 ? REFUSE_CUT_SUSPENDED :
	    REFUSE_CUT_REVOKED;
}
