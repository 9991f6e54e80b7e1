/* SPDX-License-Identifier: ISC */
/*
 * The sweep behind a rotation of the vault key: cold values that are not under
 * the key in force are opened with the ring and sealed anew.  Where it stands
 * is in the rows themselves (whoever is under the current key is done), so that
 * a death costs one page at most, and doing it twice does nothing.
 *
 * Calls come first: a page is sealed in slices between messages, its rows are
 * queued while nothing waits for the disk, and while somebody calls pages leave
 * pauses between them: few large batches disturb calls less than many small
 * ones, since each has its flush and its share of the write-ahead log.  A page
 * is thrown away when anybody changed a cold value since it was asked for: a
 * newer value is never overwritten.
 *
 * A value that does not open is counted, named and left as it is, and keeps
 * the previous keys.  Only a pass without one retires them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/be.h"
#include "keybrokerd/broker/vaultkey.h"

#define OUT_ROOM	(128 * 1024)
#define ROW_HEAD	5		/* u8 length of the name, u32 of the text */
#define SLICE		32		/* values a turn; while somebody calls: */
#define SLICE_CALLS	8
#define PACE		(105 * NS_MS / 1000)	/* a value, while somebody calls */
#define CALLS_FOR	NS_S		/* that long after a call */
#define PATIENCE	(15 * NS_MS)	/* rows wait for a pause of the calls */
#define AGAIN		(20 * NS_MS)	/* after a page that was thrown away */
#define NAMED		10		/* failures that the log names */

int
sweep_init(struct broker *b)
{
	b->sweep.page = calloc(1, COLD_ROOM);
	b->sweep.out = calloc(1, OUT_ROOM);
	return b->sweep.page == NULL || b->sweep.out == NULL ? -1 : 0;
}

void
sweep_free(struct broker *b)
{
	free(b->sweep.page);
	free(b->sweep.out);
}

/* Are there keys before the one in force? */
static int
previous(const struct broker *b)
{
	return vault_kid_at(&b->vault, 1) != NULL;
}

/* Nothing is under them any more. */
static void
retire(struct broker *b)
{
	while (previous(b))
		vaultrotate_retire(b, vault_kid_at(&b->vault, 1));
}

void
sweep_start(struct broker *b)
{
	struct sweep	*s;

	s = &b->sweep;
	s->phase = SWEEP_OFF;
	if (!previous(b))
		return;
	s->phase = SWEEP_NEXT;
	s->after[0] = s->bad[0] = '\0';
	s->began = s->due = b->now;
	s->seen = s->done = s->failed = 0;
	log_info("sweep: stored values go over to vault key %s",
	    vault_kid(&b->vault));
}

/* ---- pages ------------------------------------------------------------- */
/* Is somebody calling, or did so a moment ago? */
static int
calls(struct broker *b)
{
	struct sweep	*s;

	s = &b->sweep;
	if (b->count.calls != s->calls) {
		s->calls = b->count.calls;
		s->called = b->now;
	}
	return b->live > 0 || (s->called != 0 && b->now < s->called +
	    CALLS_FOR);
}

static void
ask(struct broker *b)
{
	struct cold_ask	 a;
	struct sweep	*s;

	s = &b->sweep;
	memset(&a, 0, sizeof(a));
	a.use = COLD_SWEEP;
	a.cookie = ++s->serial;
	a.rows = SWEEP_ROWS;
	strlcpy(a.name, s->after, sizeof(a.name));
	if (cold_ask(b, &a) == -1) {
		s->due = b->now + AGAIN;
		return;
	}
	s->changes = b->cold.changes;
	s->asked = b->now;
	s->phase = SWEEP_ASKED;
}

void
sweep_page(struct broker *b, uint32_t serial)
{
	struct sweep	*s;

	s = &b->sweep;
	if (s->phase != SWEEP_ASKED || serial != s->serial)
		return;
	memcpy(s->page, b->cold.page, b->cold.have);
	s->len = b->cold.have;
	s->looked = b->cold.looked;
	strlcpy(s->next, b->cold.next, sizeof(s->next));
	s->at = s->outlen = 0;
	s->pagefailed = s->pagerows = 0;
	s->phase = SWEEP_SEAL;
}

/* Somebody changed a cold value: what we read may be old. */
static int
stale(struct broker *b)
{
	struct sweep	*s;

	s = &b->sweep;
	if (b->cold.changes == s->changes)
		return 0;
	s->phase = SWEEP_NEXT;
	s->due = b->now + AGAIN;
	return 1;
}

/* ---- values ------------------------------------------------------------ */
static void
failed(struct broker *b, const char *name, const char *why)
{
	struct sweep	*s;

	s = &b->sweep;
	s->pagefailed++;
	if (s->failed + s->pagefailed > NAMED)
		return;
	if (s->bad[0] == '\0')
		strlcpy(s->bad, name, sizeof(s->bad));
	log_warnx("sweep: the value of %s stays as it is: %s", name, why);
}

/* 0, or -1: not now (no slot is free), the row stays the next one. */
static int
seal(struct broker *b, const struct cold_row *r)
{
	struct secret		*plain;
	struct sweep		*s;
	enum vault_result	 v;
	uint8_t			*p;
	size_t			 idlen;
	ssize_t			 n;

	s = &b->sweep;
	v = cold_open(b, r->name, r->text, r->len, &plain);
	if (v == VAULT_NOMEM)
		return -1;
	if (v != VAULT_OK) {
		failed(b, r->name, vault_text(v));
		return 0;
	}
	idlen = strlen(r->name);
	p = s->out + s->outlen;
	p[0] = (uint8_t)idlen;
	memcpy(p + ROW_HEAD, r->name, idlen);
	n = cold_seal(b, r->name, plain, (char *)p + ROW_HEAD + idlen,
	    OUT_ROOM - s->outlen - ROW_HEAD - idlen);
	secret_free(&plain);
	if (n == -1)
		fatal("sweep: %s", r->name);
	be_put32(p + 1, (uint32_t)n);
	s->outlen += ROW_HEAD + idlen + (size_t)n;
	s->pagerows++;
	return 0;
}

/* Is there room for one more of the longest rows? */
static int
full(const struct sweep *s)
{
	return OUT_ROOM - s->outlen < ROW_HEAD + VAULT_NAME +
	    VAULT_TEXT(VAULT_PLAIN);
}

static void
slice(struct broker *b)
{
	struct cold_row	 r;
	struct sweep	*s;
	size_t		 at;
	int		 i, n, more;

	s = &b->sweep;
	n = calls(b) ? SLICE_CALLS : SLICE;
	more = 1;
	for (i = 0; i < n && more && !full(s); i++) {
		at = s->at;
		more = cold_row(s->page, s->len, &at, &r);
		if (more && seal(b, &r) == -1)
			return;
		if (more)
			s->at = at;
	}
	if (more && !full(s))
		return;
	s->phase = SWEEP_STAGED;
	s->staged = b->now;
}

/* ---- into the queue ---------------------------------------------------- */
static void
entry(struct broker *b)
{
	struct entry_w	*w;
	struct sweep	*s;
	char		 text[160];

	s = &b->sweep;
	snprintf(text, sizeof(text), "%llu values sealed anew, %llu that do "
	    "not open", (unsigned long long)s->done,
	    (unsigned long long)s->failed);
	w = audit_begin_admin(b, "vault.sweep");
	audit_org(w, KEY_ORG);
	entry_map(w, EK_CHANGE);
	entry_put_text(w, ES_CHANGE_KIND, "vault", 5);
	entry_put_text(w, ES_CHANGE_ID, vault_kid(&b->vault), VAULT_KID);
	entry_put_text(w, ES_CHANGE_REASON, text, strlen(text));
	entry_put_text(w, ES_CHANGE_ACTOR, "gateway", 7);
	entry_put_uint(w, ES_CHANGE_OLD, s->failed);
	entry_put_uint(w, ES_CHANGE_NEW, s->done);
	entry_close(w);
	audit_end(b);
	log_info("sweep: %s", text);
}

/* Everything was looked at.  The old keys go in the unit that says so. */
static void
finish(struct broker *b)
{
	struct sweep	*s;

	s = &b->sweep;
	batch_unit(b);
	entry(b);
	if (s->failed == 0)
		retire(b);
	batch_unit(b);
	s->phase = SWEEP_OFF;
	if (s->failed > 0)
		log_warnx("sweep: %llu values do not open, %s among them: "
		    "the previous keys stay", (unsigned long long)s->failed,
		    s->bad);
}

static void
queue(struct broker *b)
{
	const uint8_t	*p;
	struct sweep	*s;
	size_t		 at, idlen, len;

	s = &b->sweep;
	batch_unit(b);
	for (at = 0; at < s->outlen; at += ROW_HEAD + idlen + len) {
		p = s->out + at;
		idlen = p[0];
		len = be_get32(p + 1);
		batch_state(b, ST_VALUE, p + ROW_HEAD, idlen,
		    p + ROW_HEAD + idlen, len);
	}
	batch_unit(b);
	s->done += s->pagerows;
	s->failed += s->pagefailed;
	s->outlen = 0;
	s->due = b->now;
	if (calls(b) && s->asked + s->pagerows * PACE > b->now)
		s->due = s->asked + s->pagerows * PACE;
	s->pagefailed = s->pagerows = 0;
	if (s->at < s->len) {
		/* long values: the rest of this page */
		s->phase = SWEEP_SEAL;
		return;
	}
	s->seen += s->looked;
	strlcpy(s->after, s->next, sizeof(s->after));
	s->phase = SWEEP_NEXT;
	if (s->next[0] == '\0')
		finish(b);
}

/* Outcomes may wait for company: nobody waits for them. */
static int
quiet(const struct broker *b)
{
	return !b->batch.outstanding && batch_next(b) > b->now;
}

/* ---- time -------------------------------------------------------------- */
static int
may(const struct broker *b)
{
	return b->gate.recovered && b->ledger.up && b->ledger_heard;
}

void
sweep_tick(struct broker *b)
{
	struct sweep	*s;

	s = &b->sweep;
	if (s->phase == SWEEP_OFF || !may(b))
		return;
	if (s->phase == SWEEP_NEXT && b->now >= s->due)
		ask(b);
	else if (s->phase == SWEEP_SEAL && !stale(b))
		slice(b);
	else if (s->phase == SWEEP_STAGED && !stale(b) && (quiet(b) ||
	    b->now >= s->staged + PATIENCE))
		queue(b);
}

uint64_t
sweep_next(const struct broker *b)
{
	const struct sweep	*s;

	s = &b->sweep;
	if (!may(b))
		return NEVER;
	switch (s->phase) {
	case SWEEP_NEXT:
		return s->due;
	case SWEEP_SEAL:
		return b->now;
	case SWEEP_STAGED:
		return quiet(b) ? b->now : s->staged + PATIENCE;
	default:
		return NEVER;
	}
}

void
sweep_text(const struct broker *b, char *out, size_t size)
{
	const struct sweep	*s;
	uint64_t		 ms;
	size_t			 n;

	s = &b->sweep;
	out[0] = '\0';
	if (b->cold.known && b->cold.total > 0)
		snprintf(out, size, "stored for no provider: %llu\n",
		    (unsigned long long)b->cold.total);
	n = strlen(out);
	ms = b->now > s->began ? (b->now - s->began) / NS_MS : 0;
	if (s->phase != SWEEP_OFF)
		snprintf(out + n, size - n, "sweep %llu of %llu, %llu/s\n",
		    (unsigned long long)s->seen,
		    (unsigned long long)b->cold.total,
		    (unsigned long long)(ms == 0 ? 0 : s->seen * 1000 / ms));
	n = strlen(out);
	if (s->failed > 0)
		snprintf(out + n, size - n, "SWEEP: %llu values do not open "
		    "(%s): the previous keys stay\n",
		    (unsigned long long)s->failed, s->bad);
}
