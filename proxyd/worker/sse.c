/* SPDX-License-Identifier: ISC */

/*
 * The framing of sse.h.  The provider is the less trusted side: a line that
 * is too long is an error, an event that is too long to hold passes.
 * Nothing here depends on how the bytes were cut into bursts.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxyd/worker/sse.h"

enum {				/* sse.state */
	L_FIELD,		/* in the field's name */
	L_SPACE,		/* after the colon: one space is dropped */
	L_VALUE,
	L_SKIP			/* comment, or not a field we know */
};

enum {				/* sse.kind */
	K_NONE,
	K_DATA,
	K_EVENT,
	K_ID,
	K_RETRY
};

enum {				/* sse.after: the CR ended ... */
	A_LINE,
	A_PASSED,		/* an event that passed */
	A_WITHHELD		/* an event that did not */
};

static const char *const fields[] = { "", "data", "event", "id", "retry" };
static const uint8_t bom[3] = { 0xef, 0xbb, 0xbf };

/*
 * ops and arg are used until sse_free; hold: hold mode from the first event
 * on (see sse.h).
 */
void
sse_init(struct sse *s, const struct sse_ops *ops, void *arg, int hold)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->arg = arg;
	s->hold = hold != 0;
}

/* Drops what is held.  Legal on a zeroed struct. */
void
sse_free(struct sse *s)
{
	free(s->held);
	s->held = NULL;
	s->nheld = 0;
}

static void
field_begin(struct sse *s)
{
	size_t i;

	s->kind = K_NONE;
	for (i = K_DATA; i <= K_RETRY; i++)
		if (strlen(fields[i]) == s->nfield &&
		    memcmp(fields[i], s->field, s->nfield) == 0)
			s->kind = (uint8_t)i;
	if (s->kind == K_NONE)
		return;
	s->fields = 1;
	if (s->kind == K_EVENT)
		s->nname = 0;
	if (s->kind == K_DATA) {
		if (s->ndata) {
			s->ops->data(s->arg, (const uint8_t *)"\n", 1);
			s->data++;
		}
		s->ndata = 1;
	}
}

static void
value_bytes(struct sse *s, const uint8_t *p, size_t n)
{
	if (s->kind == K_DATA) {
		s->ops->data(s->arg, p, n);
		s->data += n;
	} else if (s->kind == K_EVENT) {
		/* SSE_NAME: too long, counts as no name */
		if (n >= (size_t)(SSE_NAME - s->nname))
			s->nname = SSE_NAME;
		else {
			memcpy(s->name + s->nname, p, n);
			s->nname = (uint8_t)(s->nname + n);
		}
	}
}

/* Bytes of a field's name up to its colon; returns how many it took. */
static size_t
name_bytes(struct sse *s, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && p[i] != ':'; i++)
		if (s->nfield < sizeof(s->field))
			s->field[s->nfield++] = (char)p[i];
	if (i == n)
		return n;
	if (s->nfield == 0)
		s->state = L_SKIP;
	else {
		field_begin(s);
		s->state = s->kind == K_NONE ? L_SKIP : L_SPACE;
	}
	return i + 1;
}

/* A byte order mark may open the stream. */
static size_t
bom_bytes(struct sse *s, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && s->bom < sizeof(bom); i++) {
		if (p[i] != bom[s->bom]) {
			if (s->bom > 0)
				s->state = L_SKIP;
			s->bom = sizeof(bom);
			break;
		}
		s->bom++;
	}
	return i;
}

/* n > 0 bytes of one line, without its end. */
static void
line_bytes(struct sse *s, const uint8_t *p, size_t n)
{
	size_t k;

	k = bom_bytes(s, p, n);
	if (s->state == L_FIELD && k < n)
		k += name_bytes(s, p + k, n - k);
	if (s->state == L_SPACE && k < n) {
		k += p[k] == ' ';
		s->state = L_VALUE;
	}
	if (s->state == L_VALUE && k < n)
		value_bytes(s, p + k, n - k);
}

/* Returns 1 if the line was empty: the event ends. */
static int
line_end(struct sse *s)
{
	int empty;

	empty = s->line == 0;
	if (!empty && s->state == L_FIELD)
		field_begin(s);		/* a name without a colon */
	s->bom = sizeof(bom);
	s->line = 0;
	s->nfield = 0;
	s->state = L_FIELD;
	return empty;
}

/* The event ended.  Returns 1 if it is to be withheld. */
static int
event_end(struct sse *s, int cut)
{
	struct sse_event ev;
	int no;

	no = 0;
	if (s->fields) {
		if (s->nname == SSE_NAME)
			s->nname = 0;
		s->name[s->nname] = '\0';
		ev.name = s->name;
		ev.data = s->data;
		ev.cut = cut;
		no = s->ops->event(s->arg, &ev);
	}
	no = no && s->hold && !s->released;
	s->fields = s->ndata = s->nname = s->released = 0;
	s->data = 0;
	return no;
}

static void
pass(struct sse *s, const uint8_t *p, size_t n)
{
	if (n > 0)
		s->ops->pass(s->arg, p, n);
}

static void
held_pass(struct sse *s)
{
	pass(s, s->held, s->nheld);
	sse_free(s);
}

/* Keeps the n bytes of the open event that this burst ends with. */
static int
held_add(struct sse *s, const uint8_t *p, size_t n)
{
	uint8_t *q;

	if (n == 0)
		return 0;
	if (s->released || n > SSE_HOLD - s->nheld) {
		s->released = 1;
		held_pass(s);
		pass(s, p, n);
		return 0;
	}
	q = realloc(s->held, s->nheld + n);
	if (q == NULL)
		return -1;
	memcpy(q + s->nheld, p, n);
	s->held = q;
	s->nheld += n;
	return 0;
}

/*
 * What one burst decided: bytes before from are done, those before mark
 * belong to events that pass.
 */
struct burst {
	const uint8_t	*p;
	size_t		 from;
	size_t		 mark;
};

/* An event ends before byte i: held or not, it passes or goes. */
static void
settle(struct sse *s, struct burst *b, size_t i)
{
	if (event_end(s, 0)) {
		pass(s, b->p + b->from, b->mark - b->from);
		sse_free(s);
		b->from = i;
		s->after = A_WITHHELD;
	} else {
		held_pass(s);
		s->after = A_PASSED;
	}
	b->mark = i;
}

/* The LF of a CRLF belongs to what the CR ended; i: after the LF. */
static void
lone_lf(struct sse *s, struct burst *b, size_t i)
{
	s->cr = 0;
	if (s->after == A_LINE)
		return;
	if (s->after == A_WITHHELD) {
		pass(s, b->p + b->from, b->mark - b->from);
		b->from = i;
	}
	b->mark = i;
}

/*
 * The next n bytes of the stream; ops are called from within.  -1 with
 * EMSGSIZE if a line is longer than SSE_LINE, ENOMEM: the stream cannot go
 * on, and not all of these bytes were passed.
 */
int
sse_feed(struct sse *s, const uint8_t *p, size_t n)
{
	struct burst b;
	size_t i, k;
	int cr;

	b.p = p;
	b.from = b.mark = 0;
	for (i = 0; i < n;) {
		if (p[i] == '\n' && s->cr) {
			lone_lf(s, &b, ++i);
			continue;
		}
		if (p[i] == '\r' || p[i] == '\n') {
			cr = p[i++] == '\r';
			s->after = A_LINE;
			if (line_end(s))
				settle(s, &b, i);
			s->cr = (uint8_t)cr;
			continue;
		}
		s->cr = 0;
		for (k = i; k < n && p[k] != '\r' && p[k] != '\n'; k++)
			continue;
		if (k - i > SSE_LINE - s->line) {
			errno = EMSGSIZE;
			return -1;
		}
		line_bytes(s, p + i, k - i);
		s->line += k - i;
		i = k;
	}
	if (!s->hold) {
		pass(s, p, n);
		return 0;
	}
	pass(s, p + b.from, b.mark - b.from);
	return held_add(s, p + b.mark, n - b.mark);
}

/*
 * No more bytes.  An open event is judged as it stands (cut = 1), then what
 * is held passes or goes.
 */
void
sse_end(struct sse *s)
{
	if (s->line > 0)
		line_end(s);
	if (event_end(s, 1))
		sse_free(s);
	else
		held_pass(s);
	s->cr = 0;
}

/*
 * 1 if an event or comment of our own may be put in here: the client holds
 * no field of an open event and no open line.
 */
int
sse_between(const struct sse *s)
{
	if (s->cr)
		return 0;
	if (s->hold && !s->released)
		return 1;
	return s->line == 0 && !s->fields;
}
