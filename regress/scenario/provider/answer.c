/* SPDX-License-Identifier: ISC */

/*
 * Honest answers: what each route says, as one JSON text or as the events
 * of a stream in the order of the real provider.
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

const char *tool_name, *tool_args;

struct buf *
answer_item(struct call *c)
{
	struct reply *r;

	r = &c->reply;
	r->item = reallocarray(r->item, r->nitem + 1, sizeof(*r->item));
	if (r->item == NULL)
		err(1, NULL);
	memset(&r->item[r->nitem], 0, sizeof(*r->item));
	return &r->item[r->nitem++];
}

/* What the assistant says. */
void
answer_say(const struct call *c, struct buf *b)
{
	if (c->text != NULL)
		buf_str(b, c->text);
	else {
		buf_str(b, "You said: ");
		buf_add(b, c->ask->text.p, c->ask->text.n);
	}
}

int
answer_wants_tool(const struct call *c)
{
	return c->text == NULL && c->ask->tool[0] != '\0' &&
	    !c->ask->tool_result &&
	    strstr(c->ask->text.p, "use tool") != NULL;
}

const char *
answer_tool(const struct call *c)
{
	return tool_name != NULL ? tool_name : c->ask->tool;
}

/* Arguments of the tool call: the file of -a as it is now, else {}. */
void
answer_arguments(struct buf *b)
{
	char chunk[4096];
	size_t n;
	FILE *f;

	f = tool_args == NULL ? NULL : fopen(tool_args, "r");
	if (f == NULL) {
		buf_str(b, "{}");
		return;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(b, chunk, n);
	fclose(f);
}

size_t
answer_tokens_in(const struct call *c)
{
	return c->bodylen / 4 + 1;
}

size_t
answer_tokens_out(const struct call *c)
{
	return c->ask->text.n / 4 + 3;
}

static void
openai_usage(struct call *c, struct buf *b)
{
	buf_fmt(b, "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":"
	    "%zu,\"total_tokens\":%zu,\"prompt_tokens_details\":"
	    "{\"cached_tokens\":0},\"completion_tokens_details\":"
	    "{\"reasoning_tokens\":0}}", answer_tokens_in(c),
	    answer_tokens_out(c),
	    answer_tokens_in(c) + answer_tokens_out(c));
}

/* Model names go out as JSON strings. */
void
answer_model(struct call *c, struct buf *b)
{
	buf_str(b, "\"model\":");
	buf_json(b, c->ask->model, strlen(c->ask->model));
}

/* The next delta of the n bytes at p: how many bytes it takes. */
size_t
answer_delta(const struct call *c, const char *p, size_t n, size_t total)
{
	size_t k;

	if (c->whole)
		return n;
	k = c->ndeltas > 0 ? (total + c->ndeltas - 1) / c->ndeltas : 12;
	if (k == 0)
		k = 1;
	if (k >= n)
		return n;
	while (k < n && (p[k] & 0xc0) == 0x80)
		k++;
	return k;
}

static void
chat_json(struct call *c)
{
	struct buf args, text, *b;

	memset(&args, 0, sizeof(args));
	memset(&text, 0, sizeof(text));
	b = answer_item(c);
	buf_fmt(b, "{\"id\":\"chatcmpl-%u\",\"object\":\"chat.completion\","
	    "\"created\":1760000000,", c->number);
	answer_model(c, b);
	buf_str(b, ",\"choices\":[{\"index\":0,\"message\":"
	    "{\"role\":\"assistant\",\"content\":");
	if (answer_wants_tool(c)) {
		answer_arguments(&args);
		buf_fmt(b, "null,\"tool_calls\":[{\"id\":\"call_%u\","
		    "\"type\":\"function\",\"function\":{\"name\":",
		    c->number);
		buf_json(b, answer_tool(c), strlen(answer_tool(c)));
		buf_str(b, ",\"arguments\":");
		buf_json(b, args.p, args.n);
		buf_str(b, "}}]},\"finish_reason\":\"tool_calls\"");
	} else {
		answer_say(c, &text);
		buf_json(b, text.p, text.n);
		buf_str(b, ",\"refusal\":null},\"logprobs\":null,"
		    "\"finish_reason\":\"stop\"");
	}
	buf_str(b, "}]");
	if (!c->nousage) {
		buf_str(b, ",");
		openai_usage(c, b);
	}
	buf_str(b, "}");
	buf_free(&args);
	buf_free(&text);
}

/* Opens a chunk up to its choices; chunk_end closes it. */
static struct buf *
chunk(struct call *c)
{
	struct buf *b;
	int chat;

	chat = c->ask->route == R_CHAT;
	b = answer_item(c);
	buf_fmt(b, "data: {\"id\":\"%s-%u\",\"object\":\"%s\","
	    "\"created\":1760000000,", chat ? "chatcmpl" : "cmpl", c->number,
	    chat ? "chat.completion.chunk" : "text_completion");
	answer_model(c, b);
	buf_str(b, ",\"choices\":[");
	return b;
}

static void
chunk_end(struct call *c, struct buf *b)
{
	buf_str(b, c->ask->include_usage ? "],\"usage\":null}\n\n" :
	    "]}\n\n");
}

static void
chat_tool(struct call *c)
{
	struct buf args, *b;

	memset(&args, 0, sizeof(args));
	answer_arguments(&args);
	b = chunk(c);
	buf_fmt(b, "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
	    "\"id\":\"call_%u\",\"type\":\"function\",\"function\":"
	    "{\"name\":", c->number);
	buf_json(b, answer_tool(c), strlen(answer_tool(c)));
	buf_str(b, ",\"arguments\":\"\"}}]},\"finish_reason\":null}");
	chunk_end(c, b);
	b = chunk(c);
	buf_str(b, "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
	    "\"function\":{\"arguments\":");
	buf_json(b, args.p, args.n);
	buf_str(b, "}}]},\"finish_reason\":null}");
	chunk_end(c, b);
	buf_free(&args);
}

static void
openai_deltas(struct call *c)
{
	struct buf text, *b;
	size_t k, pos;

	memset(&text, 0, sizeof(text));
	answer_say(c, &text);
	for (pos = 0; pos < text.n; pos += k) {
		k = answer_delta(c, text.p + pos, text.n - pos, text.n);
		b = chunk(c);
		buf_str(b, c->ask->route == R_CHAT ?
		    "{\"index\":0,\"delta\":{\"content\":" :
		    "{\"index\":0,\"text\":");
		buf_json(b, text.p + pos, k);
		buf_str(b, c->ask->route == R_CHAT ?
		    "},\"finish_reason\":null}" : ",\"finish_reason\":null}");
		chunk_end(c, b);
	}
	buf_free(&text);
}

static void
openai_stream(struct call *c)
{
	struct buf *b;
	int chat, wants;

	chat = c->ask->route == R_CHAT;
	wants = chat && answer_wants_tool(c);
	if (chat) {
		b = chunk(c);
		buf_str(b, "{\"index\":0,\"delta\":{\"role\":\"assistant\","
		    "\"content\":\"\"},\"finish_reason\":null}");
		chunk_end(c, b);
	}
	if (wants)
		chat_tool(c);
	else
		openai_deltas(c);
	if (c->errevent) {
		buf_str(answer_item(c),
		    "data: {\"error\":{\"message\":\"The server "
		    "had an error\",\"type\":\"server_error\",\"param\":null,"
		    "\"code\":null}}\n\n");
		return;
	}
	b = chunk(c);
	buf_fmt(b, "{\"index\":0,%s\"finish_reason\":\"%s\"}",
	    chat ? "\"delta\":{}," : "\"text\":\"\",",
	    wants ? "tool_calls" : "stop");
	chunk_end(c, b);
	if (c->ask->include_usage && !c->nousage) {
		b = chunk(c);
		buf_str(b, "],");
		openai_usage(c, b);
		buf_str(b, "}\n\n");
	}
	buf_str(answer_item(c), "data: [DONE]\n\n");
}

static void
completions_json(struct call *c)
{
	struct buf text, *b;

	memset(&text, 0, sizeof(text));
	answer_say(c, &text);
	b = answer_item(c);
	buf_fmt(b, "{\"id\":\"cmpl-%u\",\"object\":\"text_completion\","
	    "\"created\":1760000000,", c->number);
	answer_model(c, b);
	buf_str(b, ",\"choices\":[{\"index\":0,\"text\":");
	buf_json(b, text.p, text.n);
	buf_str(b, ",\"logprobs\":null,\"finish_reason\":\"stop\"}],");
	openai_usage(c, b);
	buf_str(b, "}");
	buf_free(&text);
}

/* Each vector is 0.5, -0.25, 0.125, 1.0 (base64: the same as floats). */
static void
embeddings_json(struct call *c)
{
	struct buf *b;
	unsigned i, n;

	b = answer_item(c);
	n = c->ask->ninput == 0 ? 1 : c->ask->ninput;
	buf_str(b, "{\"object\":\"list\",\"data\":[");
	for (i = 0; i < n; i++)
		buf_fmt(b, "%s{\"object\":\"embedding\",\"index\":%u,"
		    "\"embedding\":%s}", i > 0 ? "," : "", i,
		    c->ask->base64 ? "\"AAAAPwAAgL4AAAA+AACAPw==\"" :
		    "[0.5,-0.25,0.125,1.0]");
	buf_str(b, "],");
	answer_model(c, b);
	buf_fmt(b, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}",
	    answer_tokens_in(c), answer_tokens_in(c));
}

static void
count_json(struct call *c)
{
	buf_fmt(answer_item(c), "{\"input_tokens\":%zu}", answer_tokens_in(c));
}

static void
models_json(struct call *c)
{
	buf_str(answer_item(c),
	    "{\"object\":\"list\",\"data\":[{\"id\":\"demo\","
	    "\"object\":\"model\",\"created\":1760000000,"
	    "\"owned_by\":\"provider\"}]}");
}

static const struct {
	void	(*json)(struct call *);
	void	(*stream)(struct call *);
} makers[] = {
	[R_CHAT] = { chat_json, openai_stream },
	[R_COMPLETIONS] = { completions_json, openai_stream },
	[R_EMBEDDINGS] = { embeddings_json, NULL },
	[R_RESPONSES] = { responses_json, responses_stream },
	[R_MESSAGES] = { messages_json, messages_stream },
	[R_COUNT] = { count_json, NULL },
	[R_MODELS] = { models_json, NULL }
};

static void
items_free(struct reply *r)
{
	size_t i;

	for (i = 0; i < r->nitem; i++)
		buf_free(&r->item[i]);
	free(r->item);
	r->item = NULL;
	r->nitem = 0;
}

/* Replaces the answer by an error of the dialect. */
void
answer_error(struct call *c, int status, const char *type, const char *msg)
{
	struct buf *b;
	int messages;

	items_free(&c->reply);
	c->reply.status = status;
	c->reply.stream = 0;
	c->reply.type = "application/json";
	messages = c->ask->route == R_MESSAGES || c->ask->route == R_COUNT;
	b = answer_item(c);
	buf_str(b, messages ? "{\"type\":\"error\",\"error\":{\"type\":" :
	    "{\"error\":{\"param\":null,\"code\":null,\"type\":");
	buf_json(b, type, strlen(type));
	buf_str(b, ",\"message\":");
	buf_json(b, msg, strlen(msg));
	buf_str(b, messages ? "},\"request_id\":\"req_1\"}" : "}}");
}

/* Makes c->reply for the route; no plan yet. */
void
answer_make(struct call *c)
{
	struct reply *r;

	r = &c->reply;
	r->status = 200;
	r->type = "application/json";
	if (c->ask->route == R_OTHER) {
		answer_error(c, 404, "not_found_error", "no such route");
		return;
	}
	if (c->ask->bad && c->ask->route != R_MODELS) {
		answer_error(c, 400, "invalid_request_error",
		    "the body is not JSON");
		return;
	}
	if (c->ask->stream && makers[c->ask->route].stream != NULL) {
		r->stream = 1;
		r->type = "text/event-stream";
		makers[c->ask->route].stream(c);
	} else
		makers[c->ask->route].json(c);
}

/* Response head; chunked: -1 = neither field, 0 = length, 1 = chunked. */
void
answer_head(struct call *c, struct buf *b, int chunked, size_t length)
{
	struct reply *r;

	r = &c->reply;
	buf_fmt(b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", r->status,
	    r->status == 200 ? "OK" : "Status", r->type);
	if (chunked == 1)
		buf_str(b, "Transfer-Encoding: chunked\r\n");
	else if (chunked == 0)
		buf_fmt(b, "Content-Length: %zu\r\n", length);
	buf_fmt(b, "x-request-id: req_up_%u\r\n"
	    "x-ratelimit-remaining-requests: 99\r\n"
	    "Set-Cookie: __cf=%u; HttpOnly\r\n", c->number, c->number);
	if (r->head.n > 0)
		buf_add(b, r->head.p, r->head.n);
	if (r->close)
		buf_str(b, "Connection: close\r\n");
	buf_str(b, "\r\n");
}

/* The honest plan of c->reply. */
void
answer_plan(struct call *c)
{
	struct reply *r;
	struct step *s;
	size_t i;

	r = &c->reply;
	s = plan_step(c->plan, 0);
	answer_head(c, &s->out, r->stream, r->stream ? 0 : r->item[0].n);
	for (i = 0; i < r->nitem; i++) {
		if (i > 0 && r->interval > 0)
			s = plan_step(c->plan, r->interval);
		if (r->stream)
			buf_fmt(&s->out, "%zx\r\n", r->item[i].n);
		buf_add(&s->out, r->item[i].p, r->item[i].n);
		if (r->stream)
			buf_str(&s->out, "\r\n");
	}
	if (r->stream)
		buf_str(&s->out, "0\r\n\r\n");
	if (r->close)
		s->act = ACT_CLOSE;
}

void
answer_free(struct reply *r)
{
	items_free(r);
	buf_free(&r->head);
}
