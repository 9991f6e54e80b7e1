/* SPDX-License-Identifier: ISC */
/*
 * GET /v1/models (decisions M10): concrete names of the policy whose provider
 * has a credential, in one object that has the fields of both dialects.  The
 * broker is asked first (CALL of kind list), so that the look is on record.
 */
#include "common/compat/compat.h"
#include "common/text/sha256.h"
#include "proxyd/worker/worker.h"

#define MODELS_LISTED	1024

static void
item(struct wbuf *b, const char *id, const char *owner, uint64_t created)
{
	char	 text[24];

	reply_time(text, created);
	wbuf_str(b, "{\"id\":\"");
	wbuf_json(b, id);
	wbuf_fmt(b, "\",\"object\":\"model\",\"created\":%llu,\"owned_by\":\"",
	    (unsigned long long)created);
	wbuf_json(b, owner);
	wbuf_str(b, "\",\"type\":\"model\",\"display_name\":\"");
	wbuf_json(b, id);
	wbuf_fmt(b, "\",\"created_at\":\"%s\"}", text);
}

/* Names that are listed, in the policy's order. */
static size_t
collect(const struct worker *w, struct policy_model *out)
{
	size_t	 i, n, total;

	total = policy_nmodels(w->policy);
	for (i = n = 0; i < total && n < MODELS_LISTED; i++) {
		policy_model(w->policy, i, &out[n]);
		if (out[n].concrete &&
		    worker_provider(w, out[n].provider) != PROV_NOKEY)
			n++;
	}
	return n;
}

/* Index of a cursor, -1 if no such name is listed. */
static ssize_t
place(const struct policy_model *m, size_t n, const char *id)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (strcmp(m[i].pattern, id) == 0)
			return i;
	return -1;
}

/* The part [*from, *to) that the cursors leave of n names. */
static int
window(const struct models_query *q, const struct policy_model *m, size_t n,
    size_t *from, size_t *to, int *more)
{
	ssize_t	 at;

	*from = 0;
	*to = n;
	if (q->after[0] != '\0') {
		at = place(m, n, q->after);
		if (at == -1)
			return -1;
		*from = at + 1;
	}
	if (q->before[0] != '\0') {
		at = place(m, n, q->before);
		if (at == -1)
			return -1;
		*to = (size_t)at > *from ? (size_t)at : *from;
	}
	*more = q->limit > 0 && *to - *from > q->limit;
	if (!*more)
		return 0;
	if (q->before[0] != '\0' && q->after[0] == '\0')
		*from = *to - q->limit;
	else
		*to = *from + q->limit;
	return 0;
}

/* A member that is null or a name. */
static void
edge(struct wbuf *b, const char *name, const char *id)
{
	wbuf_fmt(b, ",\"%s\":", name);
	if (id == NULL) {
		wbuf_str(b, "null");
		return;
	}
	wbuf_str(b, "\"");
	wbuf_json(b, id);
	wbuf_str(b, "\"");
}

/* The list into b; -1 with *reason: a cursor names no model. */
int
models_list(const struct worker *w, const struct models_query *q,
    struct wbuf *b, const char **reason)
{
	struct policy_provider pr;
	struct policy_model *m;
	size_t		 from, i, n, to;
	int		 more;

	m = reallocarray(NULL, MODELS_LISTED, sizeof(*m));
	if (m == NULL) {
		b->bad = 1;
		return 0;
	}
	n = collect(w, m);
	if (window(q, m, n, &from, &to, &more) == -1) {
		free(m);
		*reason = "after_id or before_id names no model of this list.";
		return -1;
	}
	wbuf_str(b, "{\"object\":\"list\",\"data\":[");
	for (i = from; i < to; i++) {
		if (i > from)
			wbuf_str(b, ",");
		if (policy_provider_id(w->policy, m[i].provider, &pr) == -1)
			pr.name = "";
		item(b, m[i].pattern, pr.name, m[i].created);
	}
	wbuf_fmt(b, "],\"has_more\":%s", more ? "true" : "false");
	edge(b, "first_id", from < to ? m[from].pattern : NULL);
	edge(b, "last_id", from < to ? m[to - 1].pattern : NULL);
	wbuf_str(b, "}\n");
	free(m);
	return 0;
}

/* One model, any name that a row or a provider's prefix takes; -1 none. */
int
models_one(const struct worker *w, const struct route *r, const char *id,
    struct wbuf *b, char *text, size_t size)
{
	struct policy_provider pr;
	struct policy_model m;
	size_t		 prefix;

	if (model_resolve(w->policy, id, strlen(id), r, &pr, &prefix, text,
	    size) != MV_OK)
		return -1;
	if (policy_model_match(w->policy, id + prefix, strlen(id + prefix),
	    &m) == -1)
		m.created = 0;
	item(b, id, pr.name, m.created);
	wbuf_str(b, "\n");
	return 0;
}

/* The caller is known by the answer to this CALL. */
void
models_start(struct conn *c)
{
	struct call	*k;

	k = c->call;
	k->provider = 0;
	strlcpy(k->ask->model, k->ask->arg, sizeof(k->ask->model));
	if (ask_call(c) == -1)
		return;
	c->state = C_CALL;
}

/* ALLOW came: the record is durable. */
void
models_answer(struct conn *c)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct reply_meta m;
	struct problem	 p;
	struct call	*k;
	const char	*reason;
	int		 ok;

	k = c->call;
	if (k->route->no == ROUTE_MODEL) {
		ok = models_one(c->worker, k->route, k->ask->arg, &b, k->text,
		    sizeof(k->text)) == 0;
		reply_problem(&p, RC_MODEL, k->text);
	} else {
		reason = "";
		ok = models_list(c->worker, &k->ask->list, &b, &reason) == 0;
		reply_problem(&p, RC_BAD, reason);
	}
	if (!ok) {
		conn_fail(c, &p);
	} else if (b.bad) {
		conn_kill(c);
	} else {
		conn_meta(c, &m);
		reply_json(&c->out, &m, 200, wbuf_bytes(&b), b.len);
		conn_next(c);
	}
	wbuf_free(&b);
}
