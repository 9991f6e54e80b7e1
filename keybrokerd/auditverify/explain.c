/* SPDX-License-Identifier: ISC */
/*
 * Entries and verdicts as text.  Strings in entries come from clients:
 * everything but printable ASCII is escaped, so that nothing in a log can
 * move a cursor, fake a line or turn text around.
 */
#include <inttypes.h>
#include <string.h>

#include "common/text/text.h"
#include "keybrokerd/auditverify/auditverify.h"

static void
text(FILE *f, const uint8_t *p, uint64_t len)
{
	uint64_t	 i;

	putc('"', f);
	for (i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			fprintf(f, "\\%c", p[i]);
		else if (p[i] >= ' ' && p[i] <= '~')
			putc(p[i], f);
		else
			fprintf(f, "\\x%02x", p[i]);
	}
	putc('"', f);
}

static void
bytes(FILE *f, const uint8_t *p, uint64_t len)
{
	uint64_t	 i;

	for (i = 0; i < len; i++)
		fprintf(f, "%02x", p[i]);
}

/* Any value, nested ones in brackets. */
static void
value(FILE *f, struct cbor_r *r)
{
	struct cbor_item	 it;
	uint64_t		 i;

	if (cbor_next(r, &it) == -1)
		return;
	switch (it.type) {
	case CBOR_UINT:
		fprintf(f, "%" PRIu64, it.val);
		break;
	case CBOR_BYTES:
		bytes(f, it.data, it.val);
		break;
	case CBOR_TEXT:
		text(f, it.data, it.val);
		break;
	case CBOR_ARRAY:
	case CBOR_MAP:
		putc('[', f);
		for (i = 0; i < it.val; i++) {
			if (i > 0)
				putc(' ', f);
			if (it.type == CBOR_MAP) {
				value(f, r);
				putc(':', f);
			}
			value(f, r);
		}
		putc(']', f);
		break;
	}
}

/* Nested fields, one line each, with the name of the outer one before it. */
static void
fields(FILE *f, unsigned int key, const char *outer, struct cbor_r *r,
    uint64_t n)
{
	const struct entry_field	*row;
	struct cbor_item		 it;
	uint64_t			 i;

	for (i = 0; i < n; i++) {
		if (cbor_next(r, &it) == -1)
			return;
		row = it.val < ENTRY_CRITICAL ?
		    entry_field(key, (int)it.val) : NULL;
		if (row == NULL)
			fprintf(f, "  ? %s.unknown field %" PRIu64 "=", outer,
			    it.val);
		else
			fprintf(f, "  %c %s.%s=", row->class, outer,
			    row->name);
		value(f, r);
		putc('\n', f);
	}
}

static void
field(FILE *f, uint64_t key, struct cbor_r *r)
{
	const struct entry_field	*row;
	struct cbor_item		 it;
	struct cbor_r			 in;

	row = key < ENTRY_CRITICAL ? entry_field((unsigned int)key, -1) :
	    NULL;
	if (row == NULL) {
		fprintf(f, "  ? unknown field %" PRIu64 "=", key);
		value(f, r);
		putc('\n', f);
		return;
	}
	in = *r;
	if (cbor_next(&in, &it) == -1)
		return;
	if (it.type == CBOR_MAP) {
		fields(f, (unsigned int)key, row->name, &in, it.val);
		*r = in;
		return;
	}
	fprintf(f, "  %c %s=", row->class, row->name);
	if (it.type == CBOR_UINT &&
	    (row->kind == EF_BYTES_REF || row->kind == EF_MAP_REF))
		fprintf(f, "as in entry ");
	value(f, r);
	putc('\n', f);
}

void
explain_entry(FILE *f, const struct entry *e, const uint8_t leaf[TREE_HASH])
{
	struct cbor_item	 it;
	struct cbor_r		 r;
	uint64_t		 i, n;

	fprintf(f, "entry %" PRIu64 " %.*s leaf=", e->seq, (int)e->namelen,
	    e->name);
	bytes(f, leaf, TREE_HASH);
	putc('\n', f);
	r.buf = e->buf;
	r.len = e->len;
	r.off = 0;
	if (cbor_next(&r, &it) == -1)
		return;
	n = it.val;
	for (i = 0; i < n && cbor_next(&r, &it) == 0; i++)
		field(f, it.val, &r);
}

void
explain_notes(FILE *f, const struct judge *j, int pin_given)
{
	char	 pin[HEX_SIZE(TREE_HASH)];

	if (j->originlen != 0 && !pin_given) {
		hex_encode(pin, sizeof(pin), j->pin, TREE_HASH);
		fprintf(f, "note: pin not given: trusted from the log itself: "
		    "%s\n", pin);
	}
	if (!j->old.known)
		fprintf(f, "note: no remembered checkpoint: a log that was "
		    "cut, rolled back or rewritten under today's key cannot "
		    "be told\n");
	if (j->ignored > 0)
		fprintf(f, "note: %" PRIu64 " fields of a later version were "
		    "not understood\n", j->ignored);
	if (j->others > 0)
		fprintf(f, "note: %" PRIu64 " entries are of types not known "
		    "here\n", j->others);
	if (pairing_count(j->pairing) > 0)
		fprintf(f, "note: %" PRIu64 " intents have no outcome yet, "
		    "the first is %" PRIu64 "\n", pairing_count(j->pairing),
		    pairing_first(j->pairing));
}

void
explain_verdict(FILE *f, const struct judge *j)
{
	fprintf(f, "entries=%" PRIu64 " intents=%" PRIu64 " outcomes=%" PRIu64
	    " orphans=%" PRIu64 " open=%" PRIu64 " checkpoints=%" PRIu64 ": ",
	    j->chain.next, j->intents, j->outcomes, j->orphans,
	    pairing_count(j->pairing), j->checkpoints);
	if (j->fault == FAULT_NONE)
		fprintf(f, "intact\n");
	else
		fprintf(f, "broken at %" PRIu64 ": %s: %s\n", j->bad,
		    judge_fault_name(j->fault), j->why);
}
