/* SPDX-License-Identifier: ISC */

/*
 * Body to facts.  The body is the client's and believed in nothing: a
 * member that decides what we do stands there once, spelled exactly, with a
 * value of its type, or the call is refused.  That way provider and gateway
 * cannot read two different requests out of one body.  All other members,
 * repeated ones too, are none of our business (rule R5).
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxyd/worker/fact.h"

#define NAME_MAX_RAW	64	/* decoded, all names below are shorter */
#define USER_ID_MAX	1024	/* decoded metadata.user_id */

enum {
	M_OTHER,
	M_MODEL,
	M_STREAM,
	M_OPTIONS,
	M_MAX,
	M_MAX_COMPLETION,
	M_MAX_OUTPUT,
	M_N,
	M_METADATA,
	M_INCLUDE,		/* inside stream_options */
	M_USER			/* inside metadata */
};

static const struct {
	const char	*name;
	uint8_t		 in;	/* member around it, M_OTHER: top */
	uint8_t		 member;
	const char	*twice;	/* error; NULL: a repetition is harmless */
	const char	*almost; /* error for other spellings */
} names[] = {
	{ "model", M_OTHER, M_MODEL, "\"model\" is given twice",
	    "\"model\" must be spelled in lower case" },
	{ "stream", M_OTHER, M_STREAM, "\"stream\" is given twice",
	    "\"stream\" must be spelled in lower case" },
	{ "stream_options", M_OTHER, M_OPTIONS,
	    "\"stream_options\" is given twice",
	    "\"stream_options\" must be spelled in lower case" },
	{ "max_tokens", M_OTHER, M_MAX, "\"max_tokens\" is given twice",
	    "\"max_tokens\" must be spelled in lower case" },
	{ "max_completion_tokens", M_OTHER, M_MAX_COMPLETION,
	    "\"max_completion_tokens\" is given twice",
	    "\"max_completion_tokens\" must be spelled in lower case" },
	{ "max_output_tokens", M_OTHER, M_MAX_OUTPUT,
	    "\"max_output_tokens\" is given twice",
	    "\"max_output_tokens\" must be spelled in lower case" },
	{ "n", M_OTHER, M_N, "\"n\" is given twice",
	    "\"n\" must be spelled in lower case" },
	{ "metadata", M_OTHER, M_METADATA, NULL, NULL },
	{ "include_usage", M_OPTIONS, M_INCLUDE,
	    "\"include_usage\" is given twice",
	    "\"include_usage\" must be spelled in lower case" },
	{ "user_id", M_METADATA, M_USER, NULL, NULL }
};

static int
refuse(struct fact *f, const char *why)
{
	if (f->error == NULL)
		f->error = why;
	return -1;
}

static int
refuse_json(struct fact *f)
{
	snprintf(f->text, sizeof(f->text),
	    "the body is not valid JSON: %s (byte %llu)",
	    json_error(&f->json), (unsigned long long)json_offset(&f->json));
	return refuse(f, f->text);
}

/*
 * Lower case as the widest parser would fold it: ASCII, and the two letters
 * outside ASCII that fold into it (U+017F to s, U+212A to k).
 */
static size_t
fold(char *s, size_t n)
{
	size_t i, o;

	for (i = o = 0; i < n; o++) {
		if (n - i >= 2 && memcmp(s + i, "\xc5\xbf", 2) == 0) {
			s[o] = 's';
			i += 2;
		} else if (n - i >= 3 &&
		    memcmp(s + i, "\xe2\x84\xaa", 3) == 0) {
			s[o] = 'k';
			i += 3;
		} else {
			s[o] = s[i] >= 'A' && s[i] <= 'Z' ?
			    (char)(s[i] | 0x20) : s[i];
			i++;
		}
	}
	return o;
}

/* Which known member of container in ev names, into *member; -1 refused. */
static int
lookup(struct fact *f, const struct json_event *ev, int in, uint8_t *member)
{
	char buf[NAME_MAX_RAW];
	ssize_t k;
	size_t i, n;

	*member = M_OTHER;
	if (ev->flags & JSON_NUL)
		return refuse(f, "a member name holds a NUL");
	k = json_decode(ev, buf, sizeof(buf));
	if (k < 0)
		return 0;	/* longer than any name we know */
	n = fold(buf, (size_t)k);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].in != in || strlen(names[i].name) != n ||
		    memcmp(names[i].name, buf, n) != 0)
			continue;
		if (!json_equal(ev, names[i].name)) {
			if (names[i].almost == NULL)
				return 0;
			return refuse(f, names[i].almost);
		}
		if (names[i].twice != NULL && (f->seen >> i & 1) != 0)
			return refuse(f, names[i].twice);
		f->seen |= 1U << i;
		*member = names[i].member;
		return 0;
	}
	return 0;
}

static int
model_value(struct fact *f, const struct json_event *ev)
{
	ssize_t i, n;

	if (ev->kind != JSON_STRING)
		return refuse(f, "\"model\" must be a string");
	n = json_decode(ev, f->model, sizeof(f->model));
	if (n == -1)
		return refuse(f, "\"model\" is too long");
	if (n == 0)
		return refuse(f, "\"model\" is empty");
	for (i = 0; i < n; i++)
		if (f->model[i] < 0x20 || f->model[i] > 0x7e)
			return refuse(f, "\"model\" holds a character that "
			    "no model name has");
	f->modellen = (uint16_t)n;
	f->model_escaped = (ev->flags & JSON_ESCAPED) != 0;
	f->model_span.off = ev->off;
	f->model_span.len = ev->len;
	return 0;
}

/* ABSENT means here: of another kind. */
static enum fact_bool
to_bool(enum json_kind kind)
{
	switch (kind) {
	case JSON_TRUE:
		return FACT_TRUE;
	case JSON_FALSE:
		return FACT_FALSE;
	case JSON_NULL:
		return FACT_NULL;
	case JSON_OBJECT:
		return FACT_OBJECT;
	default:
		return FACT_ABSENT;
	}
}

static int
stream_value(struct fact *f, const struct json_event *ev)
{
	enum fact_bool b;

	b = to_bool(ev->kind);
	if (b == FACT_ABSENT || b == FACT_OBJECT)
		return refuse(f, "\"stream\" must be true or false");
	f->stream = b == FACT_TRUE;
	return 0;
}

static int
options_value(struct fact *f, const struct json_event *ev)
{
	f->options = to_bool(ev->kind);
	if (f->options != FACT_OBJECT && f->options != FACT_NULL)
		return refuse(f, "\"stream_options\" must be an object");
	f->options_span.off = ev->off;
	f->options_span.len = ev->len;
	f->options_empty = 1;
	return 0;
}

static int
include_value(struct fact *f, const struct json_event *ev)
{
	f->include_usage = to_bool(ev->kind);
	if (f->include_usage == FACT_ABSENT ||
	    f->include_usage == FACT_OBJECT)
		return refuse(f, "\"include_usage\" must be true or false");
	f->include_span.off = ev->off;
	f->include_span.len = ev->len;
	return 0;
}

/* Limits are the client's claim: what is no count is left to the provider. */
static void
limit_value(const struct json_event *ev, uint64_t *out)
{
	uint64_t v;

	if (json_u64(ev, &v) == 0 && v > *out)
		*out = v;
}

/* Takes a session id if it is short and printable. */
static void
session_take(struct fact *f, const char *s, size_t n)
{
	size_t i;

	if (n == 0 || n > FACT_SESSION)
		return;
	for (i = 0; i < n; i++)
		if (s[i] <= 0x20 || s[i] > 0x7e)
			return;
	memcpy(f->session, s, n);
	f->session[n] = '\0';
}

/*
 * metadata.user_id as Claude Code writes it: a JSON text with session_id,
 * in older versions user_..._session_ID.
 */
static void
user_value(struct fact *f, const struct json_event *ev)
{
	static const char mark[] = "_session_";
	char id[FACT_SESSION + 1], text[USER_ID_MAX + 1];
	struct json_event in;
	struct json j;
	uint8_t room[USER_ID_MAX + 1];
	const char *tail;
	ssize_t n;
	int mine;

	n = json_decode(ev, text, sizeof(text));
	if (n <= 0)
		return;
	if (text[0] != '{') {
		tail = strstr(text, mark);
		if (tail != NULL) {
			tail += sizeof(mark) - 1;
			session_take(f, tail, strlen(tail));
		}
		return;
	}
	json_init(&j, room, sizeof(room));
	json_input(&j, text, (size_t)n);
	for (mine = 0; json_next(&j, &in) > JSON_DONE;) {
		if (in.depth != 1)
			continue;
		if (in.kind == JSON_KEY)
			mine = json_equal(&in, "session_id");
		else if (mine && in.kind == JSON_STRING) {
			n = json_decode(&in, id, sizeof(id));
			if (n > 0)
				session_take(f, id, (size_t)n);
		}
	}
}

static int
member_value(struct fact *f, const struct json_event *ev)
{
	f->inner = M_OTHER;
	switch (f->member) {
	case M_MODEL:
		return model_value(f, ev);
	case M_STREAM:
		return stream_value(f, ev);
	case M_OPTIONS:
		return options_value(f, ev);
	case M_MAX:
	case M_MAX_COMPLETION:
	case M_MAX_OUTPUT:
		limit_value(ev, &f->max_tokens);
		return 0;
	case M_N:
		limit_value(ev, &f->n);
		return 0;
	case M_METADATA:
		f->session[0] = '\0';	/* the last one counts */
		return 0;
	default:
		return 0;
	}
}

static int
inner_event(struct fact *f, const struct json_event *ev)
{
	if (f->member != M_OPTIONS && f->member != M_METADATA)
		return 0;
	if (ev->kind == JSON_KEY) {
		if (f->member == M_OPTIONS)
			f->options_empty = 0;
		return lookup(f, ev, f->member, &f->inner);
	}
	if (f->inner == M_INCLUDE)
		return include_value(f, ev);
	if (f->inner == M_USER)
		user_value(f, ev);
	return 0;
}

static int
outer_event(struct fact *f, const struct json_event *ev)
{
	if (ev->kind == JSON_KEY) {
		f->empty = 0;
		return lookup(f, ev, M_OTHER, &f->member);
	}
	if (ev->kind == JSON_OBJECT_END) {
		if (f->member == M_OPTIONS)
			f->options_span.len = ev->off + 1 -
			    f->options_span.off;
		return 0;
	}
	if (ev->kind == JSON_ARRAY_END)
		return 0;
	return member_value(f, ev);
}

static int
top_event(struct fact *f, const struct json_event *ev)
{
	if (ev->kind == JSON_OBJECT) {
		f->object.off = ev->off;
		f->empty = 1;
		return 0;
	}
	if (ev->kind == JSON_OBJECT_END) {
		f->object.len = ev->off + 1 - f->object.off;
		return 0;
	}
	return refuse(f, "the body must be a JSON object");
}

static int
run(struct fact *f)
{
	struct json_event ev;
	enum json_kind k;
	int rv;

	while ((k = json_next(&f->json, &ev)) > JSON_DONE) {
		if (ev.flags & JSON_LONE)
			f->lone = 1;
		if (ev.depth == 0)
			rv = top_event(f, &ev);
		else if (ev.depth == 1)
			rv = outer_event(f, &ev);
		else if (ev.depth == 2)
			rv = inner_event(f, &ev);
		else
			rv = 0;
		if (rv == -1)
			return -1;
	}
	return k == JSON_BAD ? refuse_json(f) : 0;
}

/* Nothing to free; about 3.5 KiB. */
void
fact_init(struct fact *f, enum fact_shape shape)
{
	memset(f, 0, offsetof(struct fact, room));
	f->shape = shape;
	json_init(&f->json, f->room, sizeof(f->room));
}

/*
 * The next n bytes of the body, which may go away afterwards.  Returns 0, or
 * -1 with f->error: answer 400 and read no more of it.
 */
int
fact_feed(struct fact *f, const void *p, size_t n)
{
	if (f->error != NULL)
		return -1;
	f->total += n;
	json_input(&f->json, p, n);
	return run(f);
}

/* The body is complete.  0: the results hold; -1: 400 with f->error. */
int
fact_end(struct fact *f)
{
	if (f->error != NULL)
		return -1;
	if (f->total == 0)
		return refuse(f, "the body is empty");
	json_finish(&f->json);
	if (run(f) == -1)
		return -1;
	if (f->modellen == 0)
		return refuse(f, "the body names no \"model\"");
	return 0;
}
