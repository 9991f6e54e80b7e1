/* SPDX-License-Identifier: ISC */

/*
 * The list of edits and what it makes of a body.  Offsets come from our own
 * tokenizer, yet are checked against each other: edits that overlap would
 * make the digest and the sent bytes depend on an order.
 */

#include <errno.h>
#include <string.h>

#include "proxyd/worker/edit.h"

static const char include_true[] = "\"include_usage\":true";
static const char options_true[] =
    "\"stream_options\":{\"include_usage\":true}";

/* Empty list; nothing to free. */
void
edit_init(struct edit *e)
{
	e->nitems = 0;
	e->used = 0;
}

/*
 * Replaces len original bytes at off (0: inserts) by text[textlen] (0:
 * deletes), which is copied.  -1 with EINVAL if it touches another edit's
 * bytes or inserts where another begins, ENOSPC if the list or its text is
 * full; then nothing has changed.
 */
int
edit_add(struct edit *e, uint64_t off, uint64_t len, const char *text,
    size_t textlen)
{
	const struct edit_item *it;
	struct edit_item *at;
	uint16_t i;

	if (len > UINT64_MAX - off || (len == 0 && textlen == 0)) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < e->nitems && e->item[i].off < off; i++)
		continue;
	it = e->item;
	if ((i > 0 && it[i - 1].off + it[i - 1].len > off) ||
	    (i < e->nitems && (it[i].off == off || off + len > it[i].off))) {
		errno = EINVAL;
		return -1;
	}
	if (e->nitems == EDIT_MAX || textlen > (size_t)(EDIT_TEXT - e->used)) {
		errno = ENOSPC;
		return -1;
	}
	at = &e->item[i];
	memmove(at + 1, at, (size_t)(e->nitems - i) * sizeof(*at));
	at->off = off;
	at->len = len;
	at->text = e->used;
	at->textlen = (uint16_t)textlen;
	if (textlen > 0)
		memcpy(e->text + e->used, text, textlen);
	e->used = (uint16_t)(e->used + textlen);
	e->nitems++;
	return 0;
}

/* Length of the edited body, whose original has total bytes. */
uint64_t
edit_size(const struct edit *e, uint64_t total)
{
	uint16_t i;

	for (i = 0; i < e->nitems; i++)
		total += e->item[i].textlen - e->item[i].len;
	return total;
}

/*
 * Sets it to the start of the edited body of an original of total bytes;
 * every edit must lie within them.  e must not change meanwhile.
 */
void
edit_begin(struct edit_iter *it, const struct edit *e, uint64_t total)
{
	it->edit = e;
	it->total = total;
	it->pos = 0;
	it->next = 0;
}

/* 1 and the next run in *piece, 0 at the end. */
int
edit_next(struct edit_iter *it, struct edit_piece *piece)
{
	const struct edit *e;
	const struct edit_item *at;
	uint64_t until;

	e = it->edit;
	for (;;) {
		at = it->next < e->nitems ? &e->item[it->next] : NULL;
		until = at == NULL ? it->total : at->off;
		if (it->pos < until) {
			piece->text = NULL;
			piece->off = it->pos;
			piece->len = until - it->pos;
			it->pos = until;
			return 1;
		}
		if (at == NULL)
			return 0;
		it->pos = at->off + at->len;
		it->next++;
		if (at->textlen > 0) {
			piece->text = e->text + at->text;
			piece->off = at->off;
			piece->len = at->textlen;
			return 1;
		}
	}
}

/*
 * Takes the first prefix bytes ("openai/" is 7) off the model value.  A
 * value written with escapes is written anew, since its bytes are not the
 * name's.  prefix must be below modellen: EINVAL.  Errors as edit_add.
 */
int
edit_model(struct edit *e, const struct fact *f, size_t prefix)
{
	char buf[2 * FACT_MODEL + 2];
	size_t i, n;

	if (prefix >= f->modellen) {
		errno = EINVAL;
		return -1;
	}
	if (prefix == 0)
		return 0;
	if (!f->model_escaped)
		return edit_add(e, f->model_span.off + 1, prefix, NULL, 0);
	n = 0;
	buf[n++] = '"';
	for (i = prefix; i < f->modellen; i++) {
		if (f->model[i] == '"' || f->model[i] == '\\')
			buf[n++] = '\\';
		buf[n++] = f->model[i];
	}
	buf[n++] = '"';
	return edit_add(e, f->model_span.off, f->model_span.len, buf, n);
}

/* Inserts member as the first of the object that opens at off. */
static int
member_first(struct edit *e, uint64_t off, const char *member, int empty)
{
	char buf[64];
	size_t n;

	n = strlen(member);
	memcpy(buf, member, n);
	if (!empty)
		buf[n++] = ',';
	return edit_add(e, off + 1, 0, buf, n);
}

/*
 * Asks for the usage chunk where the client did not: streams of chat
 * completions and completions only.  Returns 1 if an edit was added (then
 * the chunk must be withheld), 0 if there was nothing to do, -1 as edit_add.
 */
int
edit_usage(struct edit *e, const struct fact *f)
{
	int rv;

	if (!f->stream ||
	    (f->shape != FACT_CHAT && f->shape != FACT_COMPLETIONS) ||
	    f->include_usage == FACT_TRUE)
		return 0;
	if (f->options == FACT_ABSENT)
		rv = member_first(e, f->object.off, options_true, f->empty);
	else if (f->options == FACT_NULL)
		rv = edit_add(e, f->options_span.off, f->options_span.len,
		    "{\"include_usage\":true}", 22);
	else if (f->include_usage == FACT_ABSENT)
		rv = member_first(e, f->options_span.off, include_true,
		    f->options_empty);
	else
		rv = edit_add(e, f->include_span.off, f->include_span.len,
		    "true", 4);
	return rv == -1 ? -1 : 1;
}
