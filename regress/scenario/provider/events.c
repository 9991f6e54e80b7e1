/* SPDX-License-Identifier: ISC */

/* Anthropic Messages and OpenAI Responses: JSON and named events. */

#include <string.h>

#include "provider.h"

void
messages_json(struct call *c)
{
	struct buf text, *b;

	memset(&text, 0, sizeof(text));
	b = answer_item(c);
	buf_fmt(b, "{\"id\":\"msg_%u\",\"type\":\"message\",\"role\":"
	    "\"assistant\",", c->number);
	answer_model(c, b);
	if (answer_wants_tool(c)) {
		buf_fmt(b, ",\"content\":[{\"type\":\"tool_use\",\"id\":"
		    "\"toolu_%u\",\"name\":", c->number);
		buf_json(b, answer_tool(c), strlen(answer_tool(c)));
		buf_str(b, ",\"input\":");
		answer_arguments(b);
		buf_str(b, "}],\"stop_reason\":\"tool_use\"");
	} else {
		answer_say(c, &text);
		buf_str(b, ",\"content\":[{\"type\":\"text\",\"text\":");
		buf_json(b, text.p, text.n);
		buf_str(b, "}],\"stop_reason\":\"end_turn\"");
	}
	buf_fmt(b, ",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%zu,"
	    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
	    "\"output_tokens\":%zu}}", answer_tokens_in(c),
	    answer_tokens_out(c));
	buf_free(&text);
}

static struct buf *
anthropic(struct call *c, const char *type)
{
	struct buf *b;

	b = answer_item(c);
	buf_fmt(b, "event: %s\ndata: {\"type\":\"%s\"", type, type);
	return b;
}

static void
messages_text(struct call *c)
{
	struct buf text, *b;
	size_t k, pos;

	memset(&text, 0, sizeof(text));
	answer_say(c, &text);
	b = anthropic(c, "content_block_start");
	buf_str(b, ",\"index\":0,\"content_block\":{\"type\":\"text\","
	    "\"text\":\"\"}}\n\n");
	buf_str(anthropic(c, "ping"), "}\n\n");
	for (pos = 0; pos < text.n; pos += k) {
		k = answer_delta(c, text.p + pos, text.n - pos, text.n);
		b = anthropic(c, "content_block_delta");
		buf_str(b, ",\"index\":0,\"delta\":{\"type\":\"text_delta\","
		    "\"text\":");
		buf_json(b, text.p + pos, k);
		buf_str(b, "}}\n\n");
	}
	buf_free(&text);
}

static void
messages_tool(struct call *c)
{
	struct buf args, *b;

	memset(&args, 0, sizeof(args));
	answer_arguments(&args);
	b = anthropic(c, "content_block_start");
	buf_fmt(b, ",\"index\":0,\"content_block\":{\"type\":\"tool_use\","
	    "\"id\":\"toolu_%u\",\"name\":", c->number);
	buf_json(b, answer_tool(c), strlen(answer_tool(c)));
	buf_str(b, ",\"input\":{}}}\n\n");
	b = anthropic(c, "content_block_delta");
	buf_str(b, ",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
	    "\"partial_json\":\"\"}}\n\n");
	b = anthropic(c, "content_block_delta");
	buf_str(b, ",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
	    "\"partial_json\":");
	buf_json(b, args.p, args.n);
	buf_str(b, "}}\n\n");
	buf_free(&args);
}

void
messages_stream(struct call *c)
{
	struct buf *b;
	int wants;

	wants = answer_wants_tool(c);
	b = anthropic(c, "message_start");
	buf_fmt(b, ",\"message\":{\"id\":\"msg_%u\",\"type\":\"message\","
	    "\"role\":\"assistant\",", c->number);
	answer_model(c, b);
	buf_fmt(b, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":"
	    "null,\"usage\":{\"input_tokens\":%zu,"
	    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
	    "\"output_tokens\":1}}}\n\n", answer_tokens_in(c));
	if (wants)
		messages_tool(c);
	else
		messages_text(c);
	if (c->errevent) {
		b = anthropic(c, "error");
		buf_str(b, ",\"error\":{\"type\":\"overloaded_error\","
		    "\"message\":\"Overloaded\"}}\n\n");
		return;
	}
	buf_str(anthropic(c, "content_block_stop"), ",\"index\":0}\n\n");
	b = anthropic(c, "message_delta");
	buf_fmt(b, ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":"
	    "null},\"usage\":{\"output_tokens\":%zu}}\n\n",
	    wants ? "tool_use" : "end_turn", answer_tokens_out(c));
	buf_str(anthropic(c, "message_stop"), "}\n\n");
}

/* One output item of the Responses API, done or begun. */
static void
output_item(struct call *c, struct buf *b, int done)
{
	struct buf args, text;

	memset(&args, 0, sizeof(args));
	memset(&text, 0, sizeof(text));
	if (answer_wants_tool(c)) {
		answer_arguments(&args);
		buf_fmt(b, "{\"type\":\"function_call\",\"id\":\"fc_%u\","
		    "\"call_id\":\"call_%u\",\"status\":\"%s\",\"name\":",
		    c->number, c->number, done ? "completed" : "in_progress");
		buf_json(b, answer_tool(c), strlen(answer_tool(c)));
		buf_str(b, ",\"arguments\":");
		buf_json(b, args.p, done ? args.n : 0);
		buf_str(b, "}");
	} else {
		buf_fmt(b, "{\"type\":\"message\",\"id\":\"item_%u\","
		    "\"status\":\"%s\",\"role\":\"assistant\",\"content\":[",
		    c->number, done ? "completed" : "in_progress");
		if (done) {
			answer_say(c, &text);
			buf_str(b, "{\"type\":\"output_text\","
			    "\"annotations\":[],\"text\":");
			buf_json(b, text.p, text.n);
			buf_str(b, "}");
		}
		buf_str(b, "]}");
	}
	buf_free(&args);
	buf_free(&text);
}

enum state {
	RS_PROGRESS,
	RS_DONE,
	RS_FAILED
};

static void
response(struct call *c, struct buf *b, enum state state)
{
	static const char *const names[] = {
		"in_progress", "completed", "failed"
	};
	int done;

	done = state == RS_DONE;
	buf_fmt(b, "{\"id\":\"resp_%u\",\"object\":\"response\","
	    "\"created_at\":1760000000,\"status\":\"%s\",", c->number,
	    names[state]);
	answer_model(c, b);
	buf_fmt(b, ",\"error\":%s,\"incomplete_details\":null,"
	    "\"instructions\":null,\"metadata\":{},\"parallel_tool_calls\":"
	    "true,\"temperature\":1.0,\"tool_choice\":\"auto\",\"tools\":[],"
	    "\"top_p\":1.0,\"output\":[", state == RS_FAILED ?
	    "{\"code\":\"server_error\",\"message\":\"The server failed\"}" :
	    "null");
	if (done)
		output_item(c, b, 1);
	if (!done || c->nousage)
		buf_str(b, "],\"usage\":null}");
	else
		buf_fmt(b, "],\"usage\":{\"input_tokens\":%zu,"
		    "\"input_tokens_details\":{\"cached_tokens\":0},"
		    "\"output_tokens\":%zu,\"output_tokens_details\":"
		    "{\"reasoning_tokens\":0},\"total_tokens\":%zu}}",
		    answer_tokens_in(c), answer_tokens_out(c),
		    answer_tokens_in(c) + answer_tokens_out(c));
}

static struct buf *
sequenced(struct call *c, const char *type)
{
	struct buf *b;
	size_t k;

	k = c->reply.nitem;
	b = anthropic(c, type);
	buf_fmt(b, ",\"sequence_number\":%zu", k);
	return b;
}

static void
responses_whole(struct call *c, const char *type, enum state state)
{
	struct buf *b;

	b = sequenced(c, type);
	buf_str(b, ",\"response\":");
	response(c, b, state);
	buf_str(b, "}\n\n");
}

static void
responses_deltas(struct call *c)
{
	struct buf s, *b;
	const char *what;
	size_t k, pos;
	int wants;

	memset(&s, 0, sizeof(s));
	wants = answer_wants_tool(c);
	what = wants ? "response.function_call_arguments.delta" :
	    "response.output_text.delta";
	if (wants)
		answer_arguments(&s);
	else
		answer_say(c, &s);
	for (pos = 0; pos < s.n; pos += k) {
		k = answer_delta(c, s.p + pos, s.n - pos, s.n);
		b = sequenced(c, what);
		buf_fmt(b, ",\"item_id\":\"%s_%u\",\"output_index\":0,%s"
		    "\"delta\":", wants ? "fc" : "item", c->number,
		    wants ? "" : "\"content_index\":0,\"logprobs\":[],");
		buf_json(b, s.p + pos, k);
		buf_str(b, "}\n\n");
	}
	b = sequenced(c, wants ? "response.function_call_arguments.done" :
	    "response.output_text.done");
	buf_fmt(b, ",\"item_id\":\"%s_%u\",\"output_index\":0,%s",
	    wants ? "fc" : "item", c->number,
	    wants ? "\"arguments\":" :
	    "\"content_index\":0,\"logprobs\":[],\"text\":");
	buf_json(b, s.p, s.n);
	buf_str(b, "}\n\n");
	buf_free(&s);
}

static void
responses_part(struct call *c, const char *type, int done)
{
	struct buf text, *b;

	memset(&text, 0, sizeof(text));
	answer_say(c, &text);
	b = sequenced(c, type);
	buf_fmt(b, ",\"item_id\":\"item_%u\",\"output_index\":0,"
	    "\"content_index\":0,\"part\":{\"type\":\"output_text\","
	    "\"annotations\":[],\"text\":", c->number);
	buf_json(b, text.p, done ? text.n : 0);
	buf_str(b, "}}\n\n");
	buf_free(&text);
}

void
responses_stream(struct call *c)
{
	struct buf *b;
	int wants;

	wants = answer_wants_tool(c);
	responses_whole(c, "response.created", RS_PROGRESS);
	responses_whole(c, "response.in_progress", RS_PROGRESS);
	b = sequenced(c, "response.output_item.added");
	buf_str(b, ",\"output_index\":0,\"item\":");
	output_item(c, b, 0);
	buf_str(b, "}\n\n");
	if (!wants)
		responses_part(c, "response.content_part.added", 0);
	responses_deltas(c);
	if (c->errevent) {
		responses_whole(c, "response.failed", RS_FAILED);
		return;
	}
	if (!wants)
		responses_part(c, "response.content_part.done", 1);
	b = sequenced(c, "response.output_item.done");
	buf_str(b, ",\"output_index\":0,\"item\":");
	output_item(c, b, 1);
	buf_str(b, "}\n\n");
	responses_whole(c, "response.completed", RS_DONE);
}

void
responses_json(struct call *c)
{
	response(c, answer_item(c), RS_DONE);
}
