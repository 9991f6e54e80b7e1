/* SPDX-License-Identifier: ISC */

/*
 * Usage of usage.h.  One tokenizer walks each document as it passes: the
 * data of an event, or the one JSON answer.  Nothing but a token that
 * straddles two bursts is kept.  The provider may send any rubbish: what
 * cannot be read is passed all the same and counted as not read.
 */

#include <stddef.h>
#include <string.h>

#include "proxyd/worker/usage.h"

enum {				/* meaning of a key */
	U_OTHER,
	U_USAGE,
	U_AROUND,		/* an object that may hold a usage */
	U_CHOICES,
	U_TYPE,
	U_ERROR,
	U_IN,
	U_OUT,
	U_CACHE_READ,
	U_CACHE_NEW,
	U_IN_DETAILS,
	U_OUT_DETAILS,
	U_CACHED,
	U_HIDDEN,
	U_TEXT
};

static const struct {
	const char	*name;
	uint8_t		 means;
} keys[] = {
	{ "usage", U_USAGE },
	{ "response", U_AROUND },
	{ "message", U_AROUND },
	{ "choices", U_CHOICES },
	{ "type", U_TYPE },
	{ "error", U_ERROR },
	{ "prompt_tokens", U_IN },
	{ "input_tokens", U_IN },
	{ "completion_tokens", U_OUT },
	{ "output_tokens", U_OUT },
	{ "cache_read_input_tokens", U_CACHE_READ },
	{ "cache_creation_input_tokens", U_CACHE_NEW },
	{ "prompt_tokens_details", U_IN_DETAILS },
	{ "input_tokens_details", U_IN_DETAILS },
	{ "completion_tokens_details", U_OUT_DETAILS },
	{ "output_tokens_details", U_OUT_DETAILS },
	{ "cached_tokens", U_CACHED },
	{ "reasoning_tokens", U_HIDDEN },
	{ "content", U_TEXT },
	{ "text", U_TEXT },
	{ "delta", U_TEXT },
	{ "thinking", U_TEXT },
	{ "arguments", U_TEXT },
	{ "partial_json", U_TEXT },
	{ "reasoning_content", U_TEXT }
};

/* Event types that end a stream as it should end, or say its last usage. */
static const struct {
	enum fact_shape	 shape;
	const char	*type;
	uint8_t		 ends;
	uint8_t		 last;
} types[] = {
	{ FACT_MESSAGES, "message_delta", 0, 1 },
	{ FACT_MESSAGES, "message_stop", 1, 0 },
	{ FACT_RESPONSES, "response.completed", 1, 1 },
	{ FACT_RESPONSES, "response.incomplete", 1, 1 },
	{ FACT_RESPONSES, "response.failed", 1, 1 }
};

static const char done_text[] = "[DONE]";

static void
raise_to(uint64_t *to, uint64_t v)
{
	if (v > *to)
		*to = v;
}

static uint8_t
meaning(const struct json_event *ev)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_equal(ev, keys[i].name))
			return keys[i].means;
	return U_OTHER;
}

/* At which depth the usage object around a value stands; 0: none. */
static unsigned
usage_depth(const struct usage *u, unsigned depth)
{
	if (depth >= 1 && u->path[1] == U_USAGE)
		return 1;
	if (depth >= 2 && u->path[1] == U_AROUND && u->path[2] == U_USAGE)
		return 2;
	return 0;
}

/* Where the number with this path is summed up; NULL: not a count. */
static uint64_t *
count_of(struct usage *u, unsigned depth, unsigned base)
{
	if (depth == base + 1) {
		switch (u->path[depth]) {
		case U_IN:
			return &u->in;
		case U_OUT:
			return &u->out;
		case U_CACHE_READ:
			return &u->in_cached;
		case U_CACHE_NEW:
			return &u->in_stored;
		}
	} else if (base > 0 && depth == base + 2) {
		if (u->path[base + 1] == U_IN_DETAILS &&
		    u->path[depth] == U_CACHED)
			return &u->in_cached;
		if (u->path[base + 1] == U_OUT_DETAILS &&
		    u->path[depth] == U_HIDDEN)
			return &u->out_hidden;
	}
	return NULL;
}

/* Counts are cumulative in every dialect: the largest is the last. */
static void
number(struct usage *u, const struct json_event *ev)
{
	uint64_t *to, v;
	unsigned base;

	base = usage_depth(u, ev->depth);
	if (base == 0 && u->shape != FACT_COUNT)
		return;
	to = count_of(u, ev->depth, base);
	if (to == NULL || json_u64(ev, &v) == -1)
		return;
	raise_to(to, v);
	u->seen = 1;
	if (base == 0)
		u->has_usage = 1;
}

/* A short string; what is too long or not plain ASCII becomes "". */
static void
word(const struct json_event *ev, char *out)
{
	ssize_t i, n;

	n = json_decode(ev, out, USAGE_TYPE);
	for (i = 0; i < n; i++)
		if (out[i] <= 0x20 || out[i] > 0x7e)
			n = 0;
	out[n < 0 ? 0 : n] = '\0';
}

/* An error object stands at the top or in a response. */
static void
error_value(struct usage *u, const struct json_event *ev)
{
	unsigned d;

	d = ev->depth;
	if ((d == 1 && u->path[1] == U_ERROR) ||
	    (d == 2 && u->path[1] == U_AROUND && u->path[2] == U_ERROR)) {
		if (ev->kind == JSON_OBJECT || ev->kind == JSON_STRING)
			u->has_error = 1;
	} else if (d == 2 && u->path[1] == U_ERROR && u->path[2] == U_TYPE &&
	    ev->kind == JSON_STRING)
		word(ev, u->error_type);
}

static void
value(struct usage *u, const struct json_event *ev)
{
	unsigned d;

	d = ev->depth;
	if (ev->kind == JSON_STRING && u->text_key)
		u->text += ev->len - 2;
	if (d >= USAGE_PATH)
		return;
	if (ev->kind == JSON_NUMBER)
		number(u, ev);
	if (ev->kind == JSON_OBJECT && d > 0 && usage_depth(u, d) == d)
		u->has_usage = 1;
	if (d == 2 && u->path[1] == U_CHOICES)
		u->choices = 2;
	if (d == 1 && u->path[1] == U_CHOICES && ev->kind == JSON_ARRAY)
		u->choices = 1;
	if (d == 1 && u->path[1] == U_TYPE && ev->kind == JSON_STRING)
		word(ev, u->type);
	error_value(u, ev);
	if ((ev->kind == JSON_OBJECT || ev->kind == JSON_ARRAY) &&
	    d + 1 < USAGE_PATH)
		u->path[d + 1] = U_OTHER;
}

static void
document_begin(struct usage *u)
{
	json_init(&u->json, u->room, sizeof(u->room));
	memset(u->path, U_OTHER, sizeof(u->path));
	u->broken = u->choices = u->has_usage = u->has_error = 0;
	u->text_key = u->done_match = 0;
	u->type[0] = '\0';
}

/* Takes what the tokenizer has. */
static enum json_kind
walk(struct usage *u)
{
	struct json_event ev;
	enum json_kind k;

	while ((k = json_next(&u->json, &ev)) > JSON_DONE) {
		if (k == JSON_KEY) {
			uint8_t m;

			m = meaning(&ev);
			u->text_key = m == U_TEXT;
			if (ev.depth < USAGE_PATH)
				u->path[ev.depth] = m;
		} else if (k != JSON_OBJECT_END && k != JSON_ARRAY_END)
			value(u, &ev);
	}
	if (k == JSON_BAD)
		u->broken = 1;
	return k;
}

static void
document_feed(struct usage *u, const uint8_t *p, size_t n)
{
	if (u->broken)
		return;
	json_input(&u->json, p, n);
	walk(u);
}

/* The document ended; 1 if it was one whole value. */
static int
document_end(struct usage *u)
{
	if (u->broken)
		return 0;
	json_finish(&u->json);
	if (walk(u) != JSON_DONE)
		return 0;
	if (u->has_error)
		u->error = 1;
	return 1;
}

static void
on_data(void *arg, const uint8_t *p, size_t n)
{
	struct usage *u;
	size_t i;

	u = arg;
	for (i = 0; i < n && u->done_match < sizeof(done_text) - 1; i++) {
		if (p[i] != (uint8_t)done_text[u->done_match]) {
			u->done_match = 0xff;
			break;
		}
		u->done_match++;
	}
	document_feed(u, p, n);
}

static int
is_chat(const struct usage *u)
{
	return u->shape == FACT_CHAT || u->shape == FACT_COMPLETIONS;
}

/* What the type of an event says; data and event: may both name it. */
static void
event_type(struct usage *u, const char *type)
{
	size_t i;

	if (u->shape == FACT_MESSAGES && strcmp(type, "message_start") == 0)
		u->started = 1;
	if (!is_chat(u) && strcmp(type, "error") == 0)
		u->error = 1;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].shape != u->shape ||
		    strcmp(types[i].type, type) != 0)
			continue;
		if (types[i].ends)
			u->terminated = 1;
		if (types[i].last && u->has_usage)
			u->final = 1;
	}
}

/* The usage chunk and nothing else: the one that we asked for. */
static int
is_usage_chunk(const struct usage *u)
{
	return is_chat(u) && u->choices == 1 && u->has_usage &&
	    !u->has_error;
}

static int
on_event(void *arg, const struct sse_event *ev)
{
	struct usage *u;
	int no;

	u = arg;
	no = 0;
	if (ev->data > 0)
		u->events++;
	if (u->done_match == sizeof(done_text) - 1) {
		if (is_chat(u)) {
			u->terminated = 1;
			u->final = u->seen;
		}
	} else if (ev->data > 0 && !document_end(u)) {
		/* an event that was cut says nothing */
		if (!ev->cut)
			u->malformed = 1;
	} else {
		event_type(u, u->type);
		if (strcmp(ev->name, u->type) != 0)
			event_type(u, ev->name);
		if (is_usage_chunk(u)) {
			u->final = 1;
			no = u->withhold;
		}
	}
	u->withheld += (uint32_t)no;
	document_begin(u);
	return no;
}

static void
on_pass(void *arg, const uint8_t *p, size_t n)
{
	struct usage *u;

	u = arg;
	if (u->pass != NULL)
		u->pass(u->arg, p, n);
}

static const struct sse_ops ops = { on_data, on_event, on_pass };

/*
 * shape: of the request; form: of the answer, by its content type; withhold:
 * edit_usage returned 1, so the usage chunk is not for the client.  pass
 * (may be NULL) gets the bytes for the client from within usage_feed and
 * usage_end, with arg.
 */
void
usage_init(struct usage *u, enum fact_shape shape, enum usage_form form,
    int withhold, void (*pass)(void *, const uint8_t *, size_t), void *arg)
{
	memset(u, 0, offsetof(struct usage, json));
	u->shape = shape;
	u->form = form;
	u->withhold = withhold != 0;
	u->pass = pass;
	u->arg = arg;
	u->started = shape != FACT_MESSAGES;
	sse_init(&u->sse, &ops, u,
	    u->withhold && form == USAGE_SSE && is_chat(u));
	document_begin(u);
}

/*
 * The next n bytes of the answer's body.  -1 with EMSGSIZE (a line over
 * SSE_LINE) or ENOMEM: cut the stream.
 */
int
usage_feed(struct usage *u, const uint8_t *p, size_t n)
{
	if (u->form == USAGE_SSE)
		return sse_feed(&u->sse, p, n);
	document_feed(u, p, n);
	on_pass(u, p, n);
	return 0;
}

/* The body ended, well or badly; what was held is passed or withheld. */
void
usage_end(struct usage *u)
{
	if (u->ended)
		return;
	u->ended = 1;
	if (u->form == USAGE_SSE)
		sse_end(&u->sse);
	else if (!document_end(u))
		u->malformed = 1;
	else if (u->has_usage)
		u->final = 1;
}

/* Legal on a zeroed struct and more than once. */
void
usage_free(struct usage *u)
{
	sse_free(&u->sse);
}

/*
 * 1 if the stream said that it was over ([DONE], message_stop,
 * response.completed, .failed or .incomplete).  A JSON answer has no such
 * word, there the framing decides: 1.
 */
int
usage_clean(const struct usage *u)
{
	return u->form == USAGE_JSON || u->terminated;
}

/* 1 if a keep-alive may be sent to the client between the bytes passed. */
int
usage_between(const struct usage *u)
{
	return u->form == USAGE_SSE && u->started && !u->terminated &&
	    !u->ended && sse_between(&u->sse);
}

static uint64_t
add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/*
 * The numbers, at any time.  bodylen: bytes of the request, for estimates
 * (four bytes a token).  An error answer without usage counts as nothing.
 */
void
usage_count(const struct usage *u, uint64_t bodylen, struct usage_count *c)
{
	uint64_t guess;

	memset(c, 0, sizeof(*c));
	guess = u->text / 4 + (u->text % 4 != 0);
	if (!u->seen) {
		c->grade = USAGE_ESTIMATED;
		if (u->error && u->text == 0)
			return;
		c->in = bodylen / 4 + (bodylen % 4 != 0);
		c->out = u->shape == FACT_EMBEDDINGS ||
		    u->shape == FACT_COUNT ? 0 : guess;
		return;
	}
	c->grade = u->final ? USAGE_FINAL : USAGE_PARTIAL;
	c->in = u->in;
	c->in_cached = u->in_cached;
	c->in_stored = u->in_stored;
	c->out = u->out;
	c->out_hidden = u->out_hidden;
	/* Anthropic counts cached input beside, not inside, input_tokens */
	if (u->shape == FACT_MESSAGES)
		c->in = add(c->in, add(c->in_cached, c->in_stored));
	if (!u->final)
		raise_to(&c->out, guess);
}
