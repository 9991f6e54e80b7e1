/* SPDX-License-Identifier: ISC */
/*
 * Answers of our own, each in the client's dialect (clients.md 3.1): one body
 * that every client can show.  Nothing of a request is repeated in them but a
 * model's name.  Composes into a queue; no input or output.
 */
#include <sys/random.h>

#include <stdio.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "proxyd/worker/worker.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* clients.md 3.1, one row a case; retry in seconds. */
static const struct {
	uint16_t	 status;
	const char	*type, *code;
	uint32_t	 retry;
	int		 noretry;
} cases[RC_MAX] = {
	[RC_AUTH] = { 401, "authentication_error", "invalid_api_key", 0, 1 },
	[RC_BAD] = { 400, "invalid_request_error", NULL, 0, 0 },
	[RC_NOTFOUND] = { 404, "invalid_request_error", "not_found", 0, 1 },
	[RC_MODEL] = { 404, "invalid_request_error", "model_not_found", 0, 1 },
	[RC_METHOD] = { 405, "invalid_request_error", "method_not_allowed",
	    0, 0 },
	[RC_UPGRADE] = { 426, "invalid_request_error", "upgrade_required",
	    0, 0 },
	[RC_NOTIMPL] = { 501, "invalid_request_error", "not_implemented",
	    0, 1 },
	[RC_TOOLARGE] = { 413, "request_too_large", "request_too_large",
	    0, 1 },
	[RC_NOTREADY] = { 503, "api_error", "not_ready", 1, 0 },
	[RC_NOKEY] = { 503, "api_error", "no_provider_key", 0, 1 },
	[RC_UPSTREAM] = { 502, "upstream_error", "upstream_error", 0, 0 },
	[RC_TIMEOUT] = { 504, "upstream_error", "upstream_timeout", 0, 0 },
	[RC_INTERNAL] = { 500, "api_error", "internal_error", 0, 0 },
	[RC_BUSY] = { 503, "api_error", "busy", 1, 0 },
};

/* OpenAI's name of a type to Anthropic's; what is not here stays. */
static const struct {
	const char	*openai, *anthropic;
} types[] = {
	{ "policy_block", "permission_error" },
	{ "approval_required", "permission_error" },
	{ "insufficient_quota", "rate_limit_error" },
	{ "upstream_error", "api_error" },
};

static const struct {
	uint16_t	 status;
	const char	*phrase;
} phrases[] = {
	{ 100, "Continue" }, { 200, "OK" }, { 201, "Created" },
	{ 400, "Bad Request" }, { 401, "Unauthorized" },
	{ 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 409, "Conflict" },
	{ 413, "Content Too Large" }, { 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" }, { 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" }, { 426, "Upgrade Required" },
	{ 428, "Precondition Required" }, { 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
	{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
	{ 529, "Overloaded" },
};

static const char *
phrase(uint16_t status)
{
	size_t	 i;

	for (i = 0; i < NITEMS(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Answer";
}

void
reply_problem(struct problem *p, enum reply_case c, const char *message)
{
	memset(p, 0, sizeof(*p));
	p->status = cases[c].status;
	p->type = cases[c].type;
	p->code = cases[c].code;
	p->retry = cases[c].retry;
	p->noretry = cases[c].noretry;
	p->message = message;
}

/* Ids of calls come from the broker; answers without a call get a random one. */
void
reply_id(char out[40], const uint8_t id[16])
{
	uint8_t	 fresh[16];

	if (id == NULL) {
		if (getrandom(fresh, sizeof(fresh), GRND_NONBLOCK) !=
		    sizeof(fresh))
			memset(fresh, 0, sizeof(fresh));
		id = fresh;
	}
	memcpy(out, "req_", 4);
	hex_encode(out + 4, 36, id, 16);
}

void
reply_time(char out[24], uint64_t unixtime)
{
	struct tm	 tm;
	time_t		 t;

	t = unixtime;
	memset(&tm, 0, sizeof(tm));
	gmtime_r(&t, &tm);
	strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static const char *
anthropic_type(const struct problem *p)
{
	size_t	 i;

	if (p->status == 404)
		return "not_found_error";
	for (i = 0; i < NITEMS(types); i++)
		if (strcmp(types[i].openai, p->type) == 0)
			return types[i].anthropic;
	return p->type;
}

/* ,"name":"value" */
static void
member(struct wbuf *b, const char *name, const char *value)
{
	wbuf_fmt(b, ",\"%s\":", name);
	if (value == NULL) {
		wbuf_str(b, "null");
		return;
	}
	wbuf_str(b, "\"");
	wbuf_json(b, value);
	wbuf_str(b, "\"");
}

/* {"message":M,"type":T,"param":null,"code":C */
static void
openai_error(struct wbuf *b, const struct problem *p)
{
	wbuf_str(b, "{\"message\":\"");
	wbuf_json(b, p->message);
	wbuf_str(b, "\"");
	member(b, "type", p->type);
	member(b, "param", NULL);
	member(b, "code", p->code);
}

/* {"type":T,"message":M */
static void
anthropic_error(struct wbuf *b, const struct problem *p)
{
	wbuf_fmt(b, "{\"type\":\"%s\"", anthropic_type(p));
	member(b, "message", p->message);
}

/* What a policy block adds, inside the error and at the top. */
static void
blocked(struct wbuf *b, const struct problem *p)
{
	if (p->blocked == NULL)
		return;
	member(b, "blocked_by", p->blocked);
	member(b, "reason", p->message);
}

void
reply_error_body(struct wbuf *b, const struct reply_meta *m,
    const struct problem *p)
{
	if (m->form == RF_CONTROL) {
		wbuf_str(b, "{\"detail\":\"");
		wbuf_json(b, p->message);
		wbuf_str(b, "\"");
		member(b, "code", p->code == NULL ? p->type : p->code);
		wbuf_str(b, ",\"error\":");
		openai_error(b, p);
		wbuf_str(b, "}}\n");
		return;
	}
	if (m->form == RF_ANTHROPIC) {
		wbuf_str(b, "{\"type\":\"error\",\"error\":");
		anthropic_error(b, p);
		blocked(b, p);
		wbuf_str(b, "}");
		member(b, "request_id", m->id);
	} else {
		wbuf_str(b, "{\"error\":");
		openai_error(b, p);
		blocked(b, p);
		wbuf_str(b, "}");
	}
	if (p->blocked != NULL)
		member(b, "decision", "policy_block");
	blocked(b, p);
	member(b, "message", p->message);
	wbuf_str(b, "}\n");
}

/* The date is the same for all answers of a second. */
static void
date_field(struct wbuf *b)
{
	static char	 line[48];
	static time_t	 of;
	struct tm	 tm;
	time_t		 now;

	now = time(NULL);
	if (now != of || line[0] == '\0') {
		memset(&tm, 0, sizeof(tm));
		gmtime_r(&now, &tm);
		strftime(line, sizeof(line),
		    "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		of = now;
	}
	wbuf_str(b, line);
}

/* One of each answer: no format is read for it. */
void
reply_head(struct wbuf *b, const struct reply_meta *m, uint16_t status)
{
	char	 hex[HEX_SIZE(32)];

	wbuf_str(b, "HTTP/1.1 ");
	wbuf_u64(b, status);
	wbuf_str(b, " ");
	wbuf_str(b, phrase(status));
	wbuf_str(b, "\r\n");
	date_field(b);
	wbuf_str(b, "x-request-id: ");
	wbuf_str(b, m->id);
	wbuf_str(b, "\r\nrequest-id: ");
	wbuf_str(b, m->id);
	wbuf_str(b, "\r\ncache-control: no-store\r\n"
	    "x-content-type-options: nosniff\r\n");
	if (m->receipt != NULL) {
		hex_encode(hex, sizeof(hex), m->receipt->origin, 8);
		wbuf_str(b, "x-audit: ");
		wbuf_str(b, hex);
		wbuf_str(b, "/");
		wbuf_u64(b, m->receipt->index);
		hex_encode(hex, sizeof(hex), m->receipt->leaf, 32);
		wbuf_str(b, "/");
		wbuf_str(b, hex);
		wbuf_str(b, "\r\n");
	}
	if (!m->keep)
		wbuf_str(b, "connection: close\r\n");
	else if (m->minor == 0)
		wbuf_str(b, "connection: keep-alive\r\n");
}

static void
finish(struct wbuf *b, const struct reply_meta *m, const char *type,
    const void *body, size_t n)
{
	wbuf_fmt(b, "content-type: %s\r\n"
	    "content-length: %zu\r\n\r\n", type, n);
	if (!m->headonly)
		wbuf_add(b, body, n);
}

void
reply_json(struct wbuf *b, const struct reply_meta *m, uint16_t status,
    const void *body, size_t n)
{
	reply_body(b, m, status, "application/json", body, n);
}

void
reply_body(struct wbuf *b, const struct reply_meta *m, uint16_t status,
    const char *type, const void *body, size_t n)
{
	reply_head(b, m, status);
	finish(b, m, type, body, n);
}

/* A complete answer for the problem. */
void
reply_error(struct wbuf *b, const struct reply_meta *m,
    const struct problem *p)
{
	struct wbuf	 body = { NULL, 0, 0, 0, 0 };

	reply_error_body(&body, m, p);
	reply_head(b, m, p->status);
	if (p->noretry)
		wbuf_str(b, "x-should-retry: false\r\n");
	if (p->retry > 0)
		wbuf_fmt(b, "retry-after: %u\r\n",
		    p->retry > FIELD_RETRY_MAX ? FIELD_RETRY_MAX : p->retry);
	if (p->status == 401)
		wbuf_str(b, "www-authenticate: Bearer realm=\"proxyd\"\r\n");
	if (p->status == 426)
		wbuf_str(b, "upgrade: HTTP/1.1\r\n");
	if (p->allow != NULL)
		wbuf_fmt(b, "allow: %s\r\n", p->allow);
	finish(b, m, "application/json", body.bad ? NULL : wbuf_bytes(&body), body.len);
	b->bad |= body.bad;
	wbuf_free(&body);
}

/* clients.md 3.3; the caller closes without completing the coding. */
void
reply_event(struct wbuf *b, enum fact_shape shape, const struct problem *p)
{
	switch (shape) {
	case FACT_MESSAGES:
	case FACT_COUNT:
		wbuf_str(b, "event: error\ndata: {\"type\":\"error\","
		    "\"error\":");
		anthropic_error(b, p);
		blocked(b, p);
		wbuf_str(b, "}}\n\n");
		break;
	case FACT_RESPONSES:
		wbuf_str(b, "event: response.failed\ndata: "
		    "{\"type\":\"response.failed\",\"response\":"
		    "{\"object\":\"response\",\"status\":\"failed\","
		    "\"output\":[],\"error\":{\"code\":\"");
		wbuf_json(b, p->code == NULL ? p->type : p->code);
		wbuf_str(b, "\"");
		member(b, "message", p->message);
		wbuf_str(b, "}}}\n\n");
		break;
	default:
		wbuf_str(b, "data: {\"error\":");
		openai_error(b, p);
		blocked(b, p);
		wbuf_str(b, "}}\n\n");
		break;
	}
}
