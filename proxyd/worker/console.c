/* SPDX-License-Identifier: ISC */
/*
 * Administrative routes, on listeners whose class allows them: query and JSON
 * body become one ADMIN_* message, ANSWER rows become JSON.  What the caller
 * may do is the broker's to decide; the worker only shapes (view.h).
 */
#include <time.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "proxyd/worker/cjson.h"
#include "proxyd/worker/worker.h"

#define ROWS_BYTES	(4 * 1024 * 1024)
#define ROW_BYTES	(16 * 1024)	/* strings of one row */
#define EDIT_SUSPENDED	8		/* AGENT_EDIT: only this */
#define FOLLOW_ROWS	500		/* of one question */
#define FOLLOW_LIFE	(300 * NS_S)
#define FOLLOW_EVERY	NS_S
#define ROTATE_WAIT	(90 * NS_S)	/* a KMS is asked, twice */
#define AGENT_NEW	1		/* flags of AGENT_CREATE */
#define AGENT_KEY	2

/* ---- the question ----------------------------------------------------------- */

static void
put_agent(struct msgw *m, const struct cjson *in, uint8_t flags)
{
	msg_put_str(m, in->agent);
	msg_put_str(m, in->description);
	msg_put_str(m, in->owner);
	msg_put_str(m, in->framework);
	msg_put_str(m, in->scope);
	msg_put_u8(m, flags);
	msg_put_u32(m, (uint32_t)in->days);
}

static void
put_key(struct msgw *m, const char *agent, const struct cjson *in)
{
	msg_put_str(m, agent);
	msg_put_str(m, in->email);
	msg_put_str(m, in->name);
	msg_put_u32(m, (uint32_t)in->days);
	msg_put_u64(m, 0);
	msg_put_u8(m, 0);
	msg_put_str(m, in->role);
	msg_put_str(m, in->scope);
}

/* AGENT_EDIT; in is NULL if nothing but suspended is told. */
static void
put_edit(struct msgw *m, const char *agent, unsigned int which,
    const struct cjson *in, int suspended)
{
	msg_put_str(m, agent);
	msg_put_u8(m, (uint8_t)which);
	msg_put_str(m, in == NULL ? "" : in->description);
	msg_put_str(m, in == NULL ? "" : in->owner);
	msg_put_str(m, in == NULL ? "" : in->scope);
	msg_put_u8(m, (uint8_t)suspended);
}

static void
put_page(struct msgw *m, const struct view_args *a)
{
	msg_put_u32(m, (uint32_t)a->limit);
	msg_put_u64(m, a->cursor);
}

static void
put_audit(struct msgw *m, const struct view_args *a, int follow)
{
	msg_put_str(m, a->q);
	msg_put_str(m, a->type);
	msg_put_str(m, a->action);
	msg_put_u64(m, a->since);
	msg_put_u64(m, a->from);
	msg_put_u32(m, follow ? FOLLOW_ROWS : (uint32_t)a->limit);
	msg_put_u64(m, follow ? 0 : a->cursor);
	msg_put_u8(m, (uint8_t)follow);
	msg_put_str(m, a->session);
	msg_put_u8(m, (uint8_t)a->task);
}

/* Which body a look takes; CJSON_NONE: none. */
static enum cjson_kind
body_kind(enum view_no no)
{
	switch (no) {
	case VIEW_AGENT_MAKE:
		return CJSON_AGENT;
	case VIEW_AGENT_REGISTER:
		return CJSON_REGISTER;
	case VIEW_AGENT_ONBOARD:
		return CJSON_ONBOARD;
	case VIEW_KEY_MAKE:
		return CJSON_KEY;
	case VIEW_KEY_ROTATE:
		return CJSON_ROTATE;
	case VIEW_AGENT_EDIT:
		return CJSON_EDIT;
	default:
		return CJSON_NONE;
	}
}

/* Arguments behind cookie, token and source. */
static void
arguments(struct call *k, const struct cjson *in, struct msgw *m)
{
	switch (k->route->view) {
	case VIEW_AGENT_MAKE:
		put_agent(m, in, 0);
		break;
	case VIEW_AGENT_REGISTER:
	case VIEW_AGENT_ONBOARD:
		put_agent(m, in, AGENT_NEW | AGENT_KEY);
		break;
	case VIEW_AGENTS:
		msg_put_str(m, k->ask->view.q);
		msg_put_u8(m, 0);
		put_page(m, &k->ask->view);
		break;
	case VIEW_AGENT:
		msg_put_str(m, k->ask->arg);
		msg_put_u8(m, 1);
		put_page(m, &k->ask->view);
		break;
	case VIEW_AGENT_DELETE:
		msg_put_str(m, k->ask->arg);
		break;
	case VIEW_AGENT_EDIT:
		put_edit(m, k->ask->arg, in->given, in, in->suspended);
		break;
	case VIEW_AGENT_SUSPEND:
	case VIEW_AGENT_RESUME:
		put_edit(m, k->ask->arg, EDIT_SUSPENDED, NULL,
		    k->route->view == VIEW_AGENT_SUSPEND);
		break;
	case VIEW_KEY_MAKE:
		put_key(m, k->ask->arg, in);
		break;
	case VIEW_KEYS:
		msg_put_str(m, k->ask->arg);
		put_page(m, &k->ask->view);
		break;
	case VIEW_KEY_REVOKE:
	case VIEW_KEY_ROTATE:
		msg_put_str(m, k->ask->arg);
		msg_put_str(m, k->ask->key);
		if (k->route->view == VIEW_KEY_REVOKE)
			break;
		msg_put_u32(m, (uint32_t)in->grace);
		msg_put_u32(m, (uint32_t)in->days);
		break;
	case VIEW_AUDIT:
	case VIEW_AUDIT_TAIL:
		put_audit(m, &k->ask->view, k->route->view == VIEW_AUDIT_TAIL);
		break;
	case VIEW_OVERVIEW:
		put_page(m, &k->ask->view);
		break;
	default:
		break;
	}
}

/* The body, if the route takes one.  -1: refused already. */
static int
read_body(struct conn *c, struct cjson *in)
{
	enum cjson_kind	 kind;
	struct call	*k;

	k = c->call;
	memset(in, 0, sizeof(*in));
	kind = body_kind(k->route->view);
	if (kind == CJSON_NONE)
		return 0;
	/* A rotation needs no body: its members all have a default. */
	if (kind == CJSON_ROTATE && k->body.buf.len == 0) {
		in->grace = CJSON_GRACE;
		return 0;
	}
	if (cjson_read(kind, wbuf_bytes(&k->body.buf), k->body.buf.len, in,
	    k->text, sizeof(k->text)) == 0)
		return 0;
	intake_refuse_case(c, RC_BAD, k->text);
	return -1;
}

/* The body is complete, or the next look at the log is due. */
void
console_start(struct conn *c)
{
	static struct cjson in;
	static struct msgw m;
	struct worker	*w;
	struct call	*k;

	w = c->worker;
	k = c->call;
	if (read_body(c, &in) == -1)
		return;
	if (++w->cookie == 0)
		w->cookie = 1;
	msg_open(&m, k->route->no);
	msg_put_u32(&m, w->cookie);
	msg_put_str(&m, k->ask->token);
	msg_put_str(&m, c->source);
	arguments(k, &in, &m);
	c->state = C_CONSOLE;
	k->deadline = poll_now() + (k->route->view == VIEW_VAULT_ROTATE ?
	    ROTATE_WAIT : w->lim.ask);
	worker_unwait(w, &k->bycookie);
	worker_wait(w, &k->bycookie, WAIT_COOKIE | w->cookie, c);
	if (wire_send(w, &m) == -1)
		ask_lost(c, "The gateway is not ready; try again in a second.");
	explicit_bzero(m.buf, m.len);
}

/* ---- following the log: server-sent events ----------------------------------- */

static void
event(struct conn *c, const char *name, const struct wbuf *data)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };

	wbuf_fmt(&b, "event: %s\ndata: ", name);
	wbuf_add(&b, wbuf_bytes(data), data->len);
	wbuf_str(&b, "\n\n");
	if (c->minor > 0)
		wbuf_fmt(&c->out, "%zx\r\n", b.len);
	wbuf_add(&c->out, wbuf_bytes(&b), b.len);
	if (c->minor > 0)
		wbuf_str(&c->out, "\r\n");
	c->out.bad |= b.bad;
	wbuf_free(&b);
}

static void
follow_begin(struct conn *c)
{
	struct reply_meta m;
	struct call	*k;

	k = c->call;
	if (k->started)
		return;
	if (c->minor == 0)
		c->keep = 0;
	conn_meta(c, &m);
	reply_head(&c->out, &m, 200);
	wbuf_str(&c->out, "content-type: text/event-stream\r\n");
	if (c->minor > 0)
		wbuf_str(&c->out, "transfer-encoding: chunked\r\n");
	wbuf_str(&c->out, "\r\n");
	k->started = 1;
	k->last = poll_now();
}

static void
follow_end(struct conn *c, const char *why)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };

	wbuf_fmt(&b, "{\"reason\":\"%s\"}", why);
	event(c, "end", &b);
	wbuf_free(&b);
	if (c->minor > 0)
		wbuf_str(&c->out, "0\r\n\r\n");
	conn_next(c);
}

/* A second is over, state C_FOLLOW: look again, or end. */
void
console_follow(struct conn *c)
{
	struct call	*k;

	k = c->call;
	if (poll_now() > k->last + FOLLOW_LIFE || c->worker->draining)
		follow_end(c, "max_lifetime");
	else if (c->out.len > c->worker->lim.high)
		k->deadline = poll_now() + FOLLOW_EVERY;
	else
		console_start(c);
}

/* ---- the answer ---------------------------------------------------------------- */

/* The strings of a row; their number.  They lie in buf until the next row. */
static unsigned int
fields(struct msgr *r, unsigned int n, const char *f[VIEW_FIELDS],
    char buf[ROW_BYTES])
{
	const uint8_t	*p;
	size_t		 len, used;
	unsigned int	 i;

	for (i = 0, used = 0; i < n; i++) {
		p = msg_get_strv(r, ROW_BYTES, &len);
		if (p == NULL || len + 1 > ROW_BYTES - used || i >= VIEW_FIELDS)
			fatalx("broker: malformed ANSWER");
		memcpy(buf + used, p, len);
		f[i] = buf + used;
		used += len;
		buf[used++] = '\0';
	}
	if (msg_end(r) == -1)
		fatalx("broker: malformed ANSWER");
	return n;
}

static void
row(struct conn *c, const struct view *v, const char *const *f,
    unsigned int n)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct call	*k;

	k = c->call;
	k->nrows++;
	switch (v->list) {
	case VL_FIXED:
		return;
	case VL_TEXT:
		if (n > 0)
			wbuf_str(&k->rows, f[0]);
		return;
	case VL_TAIL:
		follow_begin(c);
		view_object(v, f, n, &b);
		event(c, "event", &b);
		wbuf_free(&b);
		k->ask->view.from = strtoull(f[0], NULL, 10) + 1;
		return;
	default:
		if (k->nrows > 1)
			wbuf_str(&k->rows, ",");
		view_object(v, f, n, &k->rows);
	}
}

/* The one client that wants its 409 nested: clients.md 1.10. */
static void
conflict(struct conn *c, const char *code)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct reply_meta m;

	wbuf_str(&b, "{\"detail\":{\"code\":\"");
	wbuf_json(&b, code);
	wbuf_str(&b, "\",\"detail\":\"");
	wbuf_json(&b, c->call->text);
	wbuf_str(&b, "\",\"original\":null,\"suggestion\":null},\"code\":\"");
	wbuf_json(&b, code);
	wbuf_str(&b, "\"}\n");
	conn_meta(c, &m);
	reply_json(&c->out, &m, 409, wbuf_bytes(&b), b.len);
	c->out.bad |= b.bad;
	wbuf_free(&b);
	conn_next(c);
}

static void
on_refusal(struct conn *c, uint16_t status, const char *const *f,
    unsigned int n)
{
	static char	 code[64];
	struct problem	 p;
	struct call	*k;

	k = c->call;
	if (k->started) {
		follow_end(c, "refused");
		return;
	}
	strlcpy(code, n > 0 ? f[0] : "", sizeof(code));
	strlcpy(k->text, n > 1 ? f[1] : "", sizeof(k->text));
	if (status == 409 && k->route->view == VIEW_AGENT_ONBOARD) {
		conflict(c, code);
		return;
	}
	reply_problem(&p, status == 401 ? RC_AUTH : status >= 500 ?
	    RC_NOTREADY : RC_BAD, k->text);
	p.status = status;
	if (code[0] != '\0')
		p.code = code;
	conn_fail(c, &p);
}

/* What the gateway's own configuration says of its providers. */
static void
providers(const struct worker *w, struct wbuf *b)
{
	struct policy_provider pr;
	size_t		 i, n;

	n = w->policy == NULL ? 0 : policy_nproviders(w->policy);
	wbuf_str(b, "[");
	for (i = 0; i < n; i++) {
		policy_provider(w->policy, i, &pr);
		wbuf_fmt(b, "%s{\"name\":\"%s\",\"display_name\":\"%s\","
		    "\"operations\":[],\"data_region\":null,\"eu_compliant\":"
		    "null,\"adapter_loaded\":%s}", i == 0 ? "" : ",", pr.name,
		    pr.name, worker_provider(w, pr.id) == PROV_UP ? "true" :
		    "false");
	}
	wbuf_str(b, "]\n");
}

/* The names that the configuration lists; there are no prices here. */
static void
catalog(const struct worker *w, struct wbuf *b)
{
	struct policy_model m;
	size_t		 i, n;
	int		 first;

	n = w->policy == NULL ? 0 : policy_nmodels(w->policy);
	wbuf_str(b, "{\"models\":[");
	for (first = 1, i = 0; i < n; i++) {
		policy_model(w->policy, i, &m);
		if (!m.concrete)
			continue;
		wbuf_str(b, first ? "{\"name\":\"" : ",{\"name\":\"");
		wbuf_json(b, m.pattern);
		wbuf_fmt(b, "\",\"tier\":\"-\",\"location\":\"-\","
		    "\"is_enabled\":%s,\"cost_per_1k_input\":null,"
		    "\"cost_per_1k_output\":null}", worker_provider(w,
		    m.provider) == PROV_UP ? "true" : "false");
		first = 0;
	}
	wbuf_str(b, "]}\n");
}

/* Names of the providers, the end of an object. */
static void
names(const struct worker *w, struct wbuf *b)
{
	struct policy_provider pr;
	size_t		 i, n;

	n = w->policy == NULL ? 0 : policy_nproviders(w->policy);
	wbuf_str(b, "[");
	for (i = 0; i < n; i++) {
		policy_provider(w->policy, i, &pr);
		wbuf_fmt(b, "%s\"%s\"", i == 0 ? "" : ",", pr.name);
	}
	wbuf_str(b, "]}\n");
}

static void
on_last(struct conn *c, const struct view *v, uint16_t status,
    const char *cursor, const char *total)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct reply_meta m;
	struct call	*k;

	k = c->call;
	if (v->list == VL_TAIL) {
		/* a page that was full, or a long look for few rows */
		if (cursor[0] != '\0')
			k->ask->view.from = strtoull(cursor, NULL, 10);
		follow_begin(c);
		c->state = C_FOLLOW;
		k->deadline = poll_now() + FOLLOW_EVERY;
		c->armed = 0;
		return;
	}
	if (k->route->view == VIEW_PROVIDERS)
		providers(c->worker, &b);
	else if (k->route->view == VIEW_MODELS)
		catalog(c->worker, &b);
	else if (v->list == VL_FIXED)
		wbuf_str(&b, v->fixed);
	view_open(v, &b);
	wbuf_add(&b, wbuf_bytes(&k->rows), k->rows.len);
	view_close(v, k->nrows, cursor, total, &b);
	if (v->list == VL_PROVIDERS)
		names(c->worker, &b);
	if (b.bad || k->rows.bad) {
		wbuf_free(&b);
		conn_kill(c);
		return;
	}
	conn_meta(c, &m);
	reply_body(&c->out, &m, v->status != 0 ? v->status : status,
	    v->list == VL_TEXT ? "text/plain; version=0.0.4" :
	    "application/json", wbuf_bytes(&b), b.len);
	wbuf_free(&b);
	conn_next(c);
}

/* ANSWER: rows, then a last one; or a refusal. */
void
console_answer(struct worker *w, struct msgr *r)
{
	static char	 buf[ROW_BYTES];
	const char	*f[VIEW_FIELDS];
	const struct view *v;
	struct conn	*c;
	uint32_t	 cookie;
	uint16_t	 n, status;
	uint8_t		 more;

	cookie = msg_get_u32(r);
	status = msg_get_u16(r);
	more = msg_get_u8(r);
	n = msg_get_u16(r);
	if (r->bad)
		fatalx("broker: malformed ANSWER");
	c = worker_waiting(w, WAIT_COOKIE | cookie);
	if (c == NULL || c->state != C_CONSOLE)
		return;
	n = (uint16_t)fields(r, n, f, buf);
	v = view_row(c->call->route->view);
	if (status >= 400)
		on_refusal(c, status, f, n);
	else if (more) {
		row(c, v, f, n);
		if (c->call->rows.len > ROWS_BYTES)
			ask_lost(c, "The answer is too long.");
	} else
		on_last(c, v, status, n > 0 ? f[0] : "", n > 1 ? f[1] : "");
	explicit_bzero(buf, sizeof(buf));
	conn_run(c);
}
