/* SPDX-License-Identifier: ISC */
/*
 * The record of refusals.  Those of strangers are counted and make one
 * auth.fail entry a minute; those of a known key make an entry each, at most
 * ten a second, then one that says how many more there were.
 */
#include <string.h>

#include "keybrokerd/broker/broker.h"

#define DENY_EACH	10		/* entries a second and key */
#define DENY_PROBE	8		/* rows that a key may have */

static void
text(struct entry_w *w, unsigned int key, const char *s)
{
	entry_put_text(w, key, s, strlen(s));
}

static void
put_more(struct broker *b, struct deny_row *r)
{
	struct entry_w	*w;

	if (r->more == 0)
		return;
	w = audit_begin(b, ET_CALL_DENY);
	audit_principal(b, w, r->key, r->org);
	audit_org(w, r->org);
	entry_map(w, EK_COUNTS);
	entry_put_uint(w, ES_COUNTS_FROM, r->from_wall);
	entry_put_uint(w, ES_COUNTS_TO, b->wall);
	entry_put_uint(w, ES_COUNTS_TOTAL, r->more);
	entry_close(w);
	audit_end(b);
	r->more = 0;
}

/* The key's row, else one whose second is over, else somebody else's. */
static struct deny_row *
row_for(struct broker *b, const char *key)
{
	struct deny_row	*r, *over;
	uint32_t	 h;
	const char	*p;
	int		 i;

	h = 5381;
	for (p = key; *p != '\0'; p++)
		h = h * 33 + (uint8_t)*p;
	over = NULL;
	for (i = 0; i < DENY_PROBE; i++) {
		r = &b->deny_rows[(h + (uint32_t)i) % DENY_ROWS];
		if (strcmp(r->key, key) == 0)
			return r;
		if (over == NULL && b->now >= r->until)
			over = r;
	}
	return over != NULL ? over : &b->deny_rows[h % DENY_ROWS];
}

/*
 * A row is its key's for the whole second: keys that share it and take turns
 * would else be written each time.  Who finds no row is counted, not written.
 */
int
deny_may(struct broker *b, const char *key, uint32_t org)
{
	struct deny_row	*r;

	r = row_for(b, key);
	if (b->now >= r->until) {
		put_more(b, r);
		strlcpy(r->key, key, sizeof(r->key));
		r->org = org;
		r->until = b->now + NS_S;
		r->from_wall = b->wall;
		r->n = 0;
	}
	if (strcmp(r->key, key) == 0 && r->n++ < DENY_EACH)
		return 1;
	r->more++;
	if (r->until < b->deny_due)
		b->deny_due = r->until;
	return 0;
}

static void
account(struct broker *b, const struct call *c, enum refusal r)
{
	struct key	*k;

	if (decide_row(r)->status == 403)
		b->blocks++;
	k = key_find(b->keys, c->key, strlen(c->key));
	if (k != NULL) {
		k->use.denied++;
		k->agent->use.denied++;
	}
}

void
deny_call(struct broker *b, const struct call *c, enum refusal r,
    enum authn_result authn, const char *step)
{
	struct entry_w	*w;
	const char	*code;
	int		 clean;

	if (r == REFUSE_GATE || r == REFUSE_CLOSING || !b->booted)
		return;
	if (c->key[0] == '\0') {
		authn_fail(&b->fails, authn, c->ask.source, b->wall);
		b->count.strangers++;
		return;
	}
	account(b, c, r);
	if (!deny_may(b, c->key, c->org))
		return;
	code = r == REFUSE_AUTHN ? authn_code(authn) : decide_row(r)->code;
	clean = decide_text_ok(&c->ask);
	w = audit_begin(b, ET_CALL_DENY);
	entry_put_bytes(w, EK_REQUEST_ID, c->id, CALL_ID);
	audit_principal(b, w, c->key, c->org);
	entry_map(w, EK_POLICY);
	text(w, ES_POLICY_DECISION, "deny");
	if (step != NULL) {
		entry_list(w, ES_POLICY_RULES);
		entry_add_text(w, step, strlen(step));
		entry_close(w);
	}
	text(w, ES_POLICY_REASON, code);
	entry_close(w);
	if (clean && c->ask.model[0] != '\0')
		text(w, EK_MODEL, c->ask.model);
	audit_claimant(b, w, c);
	audit_org(w, c->org);
	if (clean && c->ask.path[0] != '\0')
		audit_request(w, &c->ask, NULL);
	audit_caller(b, w, c);
	audit_end(b);
}

/* ---- aggregates -------------------------------------------------------- */
static void
put_fails(struct broker *b, const struct authn_fails *f)
{
	struct entry_w	*w;
	const char	*code;
	size_t		 i;

	w = audit_begin(b, ET_AUTH_FAIL);
	audit_org(w, KEY_ORG);
	entry_map(w, EK_COUNTS);
	entry_put_uint(w, ES_COUNTS_FROM, f->from);
	entry_put_uint(w, ES_COUNTS_TO, f->to);
	entry_put_uint(w, ES_COUNTS_TOTAL, f->total);
	entry_list(w, ES_COUNTS_REASONS);
	for (i = 0; i < AUTHN_MAX; i++) {
		code = authn_code((enum authn_result)i);
		if (f->reasons[i] != 0)
			entry_add_pair(w, code, strlen(code), f->reasons[i]);
	}
	entry_close(w);
	entry_list(w, ES_COUNTS_SOURCES);
	for (i = 0; i < f->nsources && i < AUTHN_TOP; i++)
		entry_add_pair(w, f->sources[i].name,
		    strlen(f->sources[i].name), f->sources[i].n);
	entry_close(w);
	entry_put_uint(w, ES_COUNTS_MORE, f->more);
	entry_close(w);
	audit_end(b);
}

/* When an aggregate is due, boot ns. */
uint64_t
deny_next(const struct broker *b)
{
	uint64_t	 due;

	due = authn_due(&b->fails);
	if (due == UINT64_MAX)
		return b->deny_due;
	due = due <= b->wall ? b->now : b->now + (due - b->wall) * NS_MS;
	return due < b->deny_due ? due : b->deny_due;
}

/* Aggregates whose time has come; all of them at the end. */
void
deny_tick(struct broker *b, int all)
{
	struct authn_fails	 f;
	size_t			 i;

	if (!b->booted)
		return;
	if (authn_drain(&b->fails, b->wall, all, &f))
		put_fails(b, &f);
	if (b->deny_due > b->now && !all)
		return;
	b->deny_due = NEVER;
	for (i = 0; i < DENY_ROWS; i++) {
		if (b->deny_rows[i].more == 0)
			continue;
		if (all || b->deny_rows[i].until <= b->now)
			put_more(b, &b->deny_rows[i]);
		else if (b->deny_rows[i].until < b->deny_due)
			b->deny_due = b->deny_rows[i].until;
		batch_room(b);
	}
}
