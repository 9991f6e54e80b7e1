/* SPDX-License-Identifier: ISC */

/* Reads a request of either dialect as far as the answer depends on it. */

#include <stdlib.h>
#include <string.h>

#include "common/json/json.h"
#include "provider.h"

#define DEPTH	8

struct walk {
	struct ask	*ask;
	const char	*body;
	char		 key[DEPTH][32];
	char		 role[16];
	int		 result;	/* this message holds a tool result */
	struct buf	 text;		/* its last text */
};

static const struct {
	const char	*path;
	enum route	 route;
} routes[] = {
	{ "/v1/chat/completions", R_CHAT },
	{ "/v1/completions", R_COMPLETIONS },
	{ "/v1/embeddings", R_EMBEDDINGS },
	{ "/v1/responses", R_RESPONSES },
	{ "/v1/messages", R_MESSAGES },
	{ "/v1/messages/count_tokens", R_COUNT },
	{ "/v1/models", R_MODELS }
};

enum route
ask_route(const char *target)
{
	size_t i, n;

	n = strcspn(target, "?");
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strlen(routes[i].path) == n &&
		    memcmp(routes[i].path, target, n) == 0)
			return routes[i].route;
	return R_OTHER;
}

static int
is(const struct walk *w, unsigned depth, const char *name)
{
	return strcmp(w->key[depth], name) == 0;
}

static void
take(struct buf *b, const struct walk *w, const struct json_event *ev)
{
	ssize_t k;
	char *s;

	s = malloc(ev->len);
	if (s == NULL)
		return;
	k = unescape_string((const uint8_t *)w->body + ev->off + 1,
	    (size_t)ev->len - 2, s, (size_t)ev->len);
	if (k >= 0) {
		b->n = 0;
		buf_add(b, s, (size_t)k);
	}
	free(s);
}

static void
message_string(struct walk *w, const struct json_event *ev)
{
	if (ev->depth == 3 && is(w, 3, "role"))
		json_decode(ev, w->role, sizeof(w->role));
	if (ev->depth == 3 && is(w, 3, "type") &&
	    json_equal(ev, "function_call_output"))
		w->result = 1;
	if (ev->depth == 5 && is(w, 5, "type") && is(w, 3, "content") &&
	    json_equal(ev, "tool_result"))
		w->result = 1;
	if ((ev->depth == 3 && is(w, 3, "content")) ||
	    (ev->depth == 5 && is(w, 3, "content") && is(w, 5, "text")))
		take(&w->text, w, ev);
}

static void
string(struct walk *w, const struct json_event *ev)
{
	struct ask *a;

	a = w->ask;
	if (ev->depth == 1 && is(w, 1, "model"))
		json_decode(ev, a->model, sizeof(a->model));
	if (ev->depth == 1 && is(w, 1, "encoding_format"))
		a->base64 = json_equal(ev, "base64");
	if (is(w, 1, "messages") || is(w, 1, "input"))
		message_string(w, ev);
	if (is(w, 1, "input") || is(w, 1, "prompt")) {
		if (ev->depth == 1 || ev->depth == 2) {
			take(&a->text, w, ev);
			a->ninput++;
		}
	}
	if (is(w, 1, "tools") && a->tool[0] == '\0' &&
	    ((ev->depth == 3 && is(w, 3, "name")) ||
	    (ev->depth == 4 && is(w, 3, "function") && is(w, 4, "name"))))
		json_decode(ev, a->tool, sizeof(a->tool));
}

static void
message_end(struct walk *w)
{
	if (strcmp(w->role, "system") == 0 ||
	    strcmp(w->role, "developer") == 0)
		return;
	if (strcmp(w->role, "tool") == 0)
		w->result = 1;
	w->ask->tool_result = w->result;
	if (strcmp(w->role, "user") == 0 && w->text.n > 0) {
		w->ask->text.n = 0;
		buf_add(&w->ask->text, w->text.p, w->text.n);
	}
}

static void
event(struct walk *w, const struct json_event *ev)
{
	if (ev->kind == JSON_KEY && ev->depth < DEPTH) {
		w->key[ev->depth][0] = '\0';
		json_decode(ev, w->key[ev->depth], sizeof(w->key[0]));
	} else if (ev->kind == JSON_STRING)
		string(w, ev);
	else if (ev->kind == JSON_TRUE && ev->depth == 1 && is(w, 1, "stream"))
		w->ask->stream = 1;
	else if (ev->kind == JSON_TRUE && ev->depth == 2 &&
	    is(w, 1, "stream_options") && is(w, 2, "include_usage"))
		w->ask->include_usage = 1;
	else if (ev->depth == 2 && (is(w, 1, "messages") ||
	    is(w, 1, "input"))) {
		if (ev->kind == JSON_OBJECT) {
			w->role[0] = '\0';
			w->result = 0;
			w->text.n = 0;
		} else if (ev->kind == JSON_OBJECT_END)
			message_end(w);
		else if (ev->kind == JSON_ARRAY)
			w->ask->ninput++;
	}
}

/* Fills *a but for its route, which the caller has set. */
void
ask_read(struct ask *a, const char *body, size_t n)
{
	struct walk w;
	struct json_event ev;
	struct json j;
	static uint8_t room[JSON_TEXT];
	enum json_kind k;
	int pass;

	memset(&w, 0, sizeof(w));
	w.ask = a;
	w.body = body;
	json_init(&j, room, sizeof(room));
	json_input(&j, body, n);
	for (pass = 0; pass < 2; pass++) {
		while ((k = json_next(&j, &ev)) > JSON_DONE)
			event(&w, &ev);
		json_finish(&j);
	}
	a->bad = k != JSON_DONE || n == 0;
	buf_free(&w.text);
	if (a->text.p == NULL)
		buf_str(&a->text, "");
}

void
ask_free(struct ask *a)
{
	buf_free(&a->text);
	memset(a, 0, sizeof(*a));
}
