/* SPDX-License-Identifier: ISC */
/*
 * Administrative routes, on listeners whose class allows them: a JSON body
 * becomes one ADMIN_* message, ANSWER rows become JSON.  What the caller may do
 * is the broker's to decide; the worker only shapes.
 */
#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "proxyd/worker/cjson.h"
#include "proxyd/worker/worker.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define ROWS_BYTES	(4 * 1024 * 1024)
#define COLUMNS		8

enum column { COL_TEXT, COL_NULL, COL_BOOL, COL_NUMBER, COL_SKIP };

/* One row an operation: how its rows look to a client. */
static const struct shape {
	uint16_t	 type;
	int		 list;		/* {"data":[...]} */
	uint16_t	 status;
	struct {
		const char	*name;
		enum column	 as;
	} cols[COLUMNS];
} shapes[] = {
	{ M_ADMIN_AGENT_CREATE, 0, 201, { { "agent_id", COL_TEXT },
	    { "created", COL_BOOL } } },
	{ M_ADMIN_AGENT_LIST, 1, 200, { { "agent_id", COL_TEXT },
	    { "description", COL_TEXT }, { "created_at", COL_NULL },
	    { "developer_keys", COL_NUMBER } } },
	{ M_ADMIN_KEY_CREATE, 0, 201, { { "api_key", COL_TEXT },
	    { "key_id", COL_TEXT }, { "agent_id", COL_TEXT },
	    { "developer_email", COL_TEXT }, { "expires_at", COL_TEXT },
	    { NULL, COL_SKIP } } },
	{ M_ADMIN_KEY_LIST, 1, 200, { { "key_id", COL_TEXT },
	    { "agent_id", COL_TEXT }, { "developer_email", COL_TEXT },
	    { "name", COL_TEXT }, { "created_at", COL_NULL },
	    { "expires_at", COL_NULL }, { "revoked_at", COL_NULL },
	    { "last_used_at", COL_NULL } } },
	{ M_ADMIN_KEY_REVOKE, 0, 200, { { "key_id", COL_TEXT },
	    { "revoked_at", COL_NULL } } },
};

static const struct shape *
shape_of(uint16_t type)
{
	size_t	 i;

	for (i = 0; i < NITEMS(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

/* Arguments behind cookie and token.  -1: refused already. */
static int
arguments(struct conn *c, struct msgw *m)
{
	static struct cjson in;
	struct call	*k;
	int		 agent;

	k = c->call;
	agent = k->route->no == M_ADMIN_AGENT_CREATE;
	if (agent || k->route->no == M_ADMIN_KEY_CREATE) {
		if (cjson_read(agent ? CJSON_AGENT : CJSON_KEY,
		    wbuf_bytes(&k->body.buf), k->body.buf.len, &in, k->text,
		    sizeof(k->text)) == -1) {
			intake_refuse_case(c, RC_BAD, k->text);
			return -1;
		}
	}
	if (agent) {
		msg_put_str(m, in.agent);
		msg_put_str(m, in.description);
	} else if (k->route->no == M_ADMIN_KEY_CREATE) {
		msg_put_str(m, k->arg);
		msg_put_str(m, in.email);
		msg_put_str(m, in.name);
		msg_put_u32(m, in.days);
		msg_put_u64(m, 0);
		msg_put_u8(m, 0);
	} else if (k->route->no == M_ADMIN_KEY_LIST)
		msg_put_str(m, k->arg);
	else if (k->route->no == M_ADMIN_KEY_REVOKE) {
		msg_put_str(m, k->arg);
		msg_put_str(m, k->key);
	}
	return 0;
}

/* The body is complete. */
void
console_start(struct conn *c)
{
	static struct msgw m;
	struct worker	*w;
	struct call	*k;

	w = c->worker;
	k = c->call;
	if (++w->cookie == 0)
		w->cookie = 1;
	msg_open(&m, k->route->no);
	msg_put_u32(&m, w->cookie);
	msg_put_str(&m, k->token);
	if (arguments(c, &m) == -1)
		return;
	c->state = C_CONSOLE;
	k->deadline = poll_now() + w->lim.ask;
	worker_wait(w, &k->bycookie, WAIT_COOKIE | w->cookie, c);
	if (wire_send(w, &m) == -1)
		ask_lost(c, "The gateway is not ready; try again in a second.");
	explicit_bzero(m.buf, m.len);
}

static void
value(struct wbuf *b, enum column as, const char *text)
{
	switch (as) {
	case COL_BOOL:
		wbuf_str(b, strcmp(text, "1") == 0 ? "true" : "false");
		return;
	case COL_NUMBER:
		if (text[0] != '\0' && strspn(text, "0123456789") ==
		    strlen(text)) {
			wbuf_str(b, text);
			return;
		}
		wbuf_str(b, "0");
		return;
	case COL_NULL:
		if (text[0] == '\0') {
			wbuf_str(b, "null");
			return;
		}
		break;
	default:
		break;
	}
	wbuf_str(b, "\"");
	wbuf_json(b, text);
	wbuf_str(b, "\"");
}

/* One row of n strings as an object. */
static void
row(struct call *k, const struct shape *s, struct msgr *r, unsigned int n)
{
	static char	 text[1024];
	unsigned int	 i;
	int		 first;

	if (k->nrows++ > 0)
		wbuf_str(&k->rows, ",");
	wbuf_str(&k->rows, "{");
	first = 1;
	for (i = 0; i < n; i++) {
		msg_get_str(r, text, sizeof(text));
		if (i >= COLUMNS || s->cols[i].name == NULL)
			continue;
		wbuf_fmt(&k->rows, "%s\"%s\":", first ? "" : ",",
		    s->cols[i].name);
		value(&k->rows, s->cols[i].as, text);
		first = 0;
	}
	wbuf_str(&k->rows, "}");
	explicit_bzero(text, sizeof(text));
}

static void
on_refusal(struct conn *c, uint16_t status, struct msgr *r, unsigned int n)
{
	static char	 code[64];
	struct problem	 p;
	struct call	*k;

	k = c->call;
	code[0] = k->text[0] = '\0';
	if (n > 0)
		msg_get_str(r, code, sizeof(code));
	if (n > 1)
		msg_get_str(r, k->text, sizeof(k->text));
	if (n > 2 || msg_end(r) == -1)
		fatalx("broker: malformed ANSWER");
	reply_problem(&p, status == 401 ? RC_AUTH : status >= 500 ?
	    RC_NOTREADY : RC_BAD, k->text);
	p.status = status;
	if (code[0] != '\0')
		p.code = code;
	conn_fail(c, &p);
}

static void
on_last(struct conn *c, const struct shape *s)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct reply_meta m;
	struct call	*k;

	k = c->call;
	if (s->list)
		wbuf_str(&b, "{\"data\":[");
	wbuf_add(&b, wbuf_bytes(&k->rows), k->rows.len);
	wbuf_str(&b, s->list ? "]}\n" : k->nrows > 0 ? "\n" : "{}\n");
	if (b.bad || k->rows.bad) {
		wbuf_free(&b);
		conn_kill(c);
		return;
	}
	conn_meta(c, &m);
	reply_json(&c->out, &m, s->status, wbuf_bytes(&b), b.len);
	wbuf_free(&b);
	conn_next(c);
}

/* ANSWER: rows, then a last one; or a refusal. */
void
console_answer(struct worker *w, struct msgr *r)
{
	const struct shape *s;
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
	s = shape_of(c->call->route->no);
	if (status >= 400)
		on_refusal(c, status, r, n);
	else {
		if (n > 0)
			row(c->call, s, r, n);
		if (msg_end(r) == -1)
			fatalx("broker: malformed ANSWER");
		if (c->call->rows.len > ROWS_BYTES)
			ask_lost(c, "The answer is too long.");
		else if (!more)
			on_last(c, s);
	}
	conn_run(c);
}
