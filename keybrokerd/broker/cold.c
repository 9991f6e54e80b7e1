/* SPDX-License-Identifier: ISC */
/*
 * Vault values that no provider uses stay in the ledger: there may be a million
 * of them.  Here are the questions about them (PAGE, one at a time, in order)
 * and the rows that change them.  The ledger is believed nothing: what a value
 * belongs to is in its AAD, and a malformed answer costs the ledger its link.
 * A count that it tells is for people only.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/be.h"
#include "keybrokerd/broker/broker.h"

#define PREFIX		(3 + VAULT_KID + 1)	/* "v1:" kid ":" */
#define COUNT_EVERY	NS_S

static void	claimed(struct broker *, const struct cold_ask *,
		    struct outbox *);
static void	counted(struct broker *, const struct cold_ask *,
		    struct outbox *);
static void	swept(struct broker *, const struct cold_ask *,
		    struct outbox *);

/* What each question asks for, and who gets the answer. */
static const struct {
	uint8_t		 exact;
	uint8_t		 others;	/* only what is under another key */
	uint16_t	 rows;
	void		(*fn)(struct broker *, const struct cold_ask *,
			    struct outbox *);
} uses[COLD_USES] = {
	[COLD_COUNT] = { 1, 0, 1, counted },
	[COLD_SWEEP] = { 0, 1, SWEEP_ROWS, swept },
	[COLD_LIST] = { 0, 0, COLD_LISTED, admin_cold_listed },
	[COLD_DELETE] = { 1, 0, 1, admin_cold_found },
	[COLD_CLAIM] = { 1, 0, 1, claimed },
};

int
cold_init(struct broker *b)
{
	b->cold.page = calloc(1, COLD_ROOM);
	return b->cold.page == NULL ? -1 : 0;
}

void
cold_free(struct broker *b)
{
	free(b->cold.page);
}

/* ---- values ------------------------------------------------------------ */
static void
identity(struct vault_id *id, const char *name)
{
	id->type = "vault";
	id->org = 1;
	id->id = name;
	id->column = "value";
}

enum vault_result
cold_open(struct broker *b, const char *name, const void *text, size_t len,
    struct secret **out)
{
	struct vault_id	 id;

	identity(&id, name);
	return vault_open(&b->vault, &id, text, len, out);
}

ssize_t
cold_seal(struct broker *b, const char *name, struct secret *plain, char *out,
    size_t size)
{
	struct vault_id	 id;

	identity(&id, name);
	return vault_seal(&b->vault, &b->env.rng, &id, plain, out, size);
}

static void
changed(struct broker *b)
{
	b->cold.changes++;
	b->cold.mark = batch_mark(b);
}

int
cold_store(struct broker *b, const char *name, struct secret *plain)
{
	char	 text[VAULT_TEXT(VAULT_PLAIN)];
	ssize_t	 n;

	n = cold_seal(b, name, plain, text, sizeof(text));
	if (n == -1)
		return -1;
	batch_state(b, ST_VALUE, name, strlen(name), text, (size_t)n);
	changed(b);
	return 0;
}

void
cold_forget(struct broker *b, const char *name)
{
	batch_delete(b, ST_VALUE, name, strlen(name));
	changed(b);
}

/* ---- asking ------------------------------------------------------------ */
int
cold_ask(struct broker *b, const struct cold_ask *ask)
{
	struct cold	*c;

	c = &b->cold;
	if (c->n == COLD_ASKS)
		return -1;
	c->ask[c->n] = *ask;
	c->ask[c->n++].mark = c->mark;
	return 0;
}

void
cold_claim(struct broker *b)
{
	b->cold.claims = UINT32_MAX;
}

/* The next provider whose value might be among the cold ones. */
static void
ask_claim(struct broker *b)
{
	struct policy_provider	 pr;
	struct cold_ask		 a;
	const struct policy	*p;
	size_t			 i;

	p = b->policies[b->policy];
	for (i = 0; i < 32; i++) {
		if ((b->cold.claims & UINT32_C(1) << i) == 0)
			continue;
		b->cold.claims &= ~(UINT32_C(1) << i);
		if (i >= policy_nproviders(p))
			continue;
		policy_provider(p, i, &pr);
		memset(&a, 0, sizeof(a));
		a.use = COLD_CLAIM;
		if (pr.auth == AUTH_NONE || strlen(pr.key) + 5 > VAULT_NAME)
			continue;
		strlcpy(a.name, "key/", sizeof(a.name));
		strlcat(a.name, pr.key, sizeof(a.name));
		(void)cold_ask(b, &a);
		return;
	}
}

static int
ready(const struct broker *b)
{
	return b->ledger.up && b->ledger_heard &&
	    b->recover.phase == RC_DONE && b->policy != -1;
}

/* Questions of our own, when nobody else asks. */
static void
idle(struct broker *b)
{
	struct cold_ask	 a;
	struct cold	*c;

	c = &b->cold;
	if (c->claims != 0)
		ask_claim(b);
	if (c->n > 0 || (c->known && c->counted == c->changes) ||
	    b->now < c->count_due)
		return;
	memset(&a, 0, sizeof(a));
	a.use = COLD_COUNT;
	c->counted = c->changes;
	c->count_due = b->now + COUNT_EVERY;
	(void)cold_ask(b, &a);
}

void
cold_turn(struct broker *b, struct outbox *o)
{
	const struct cold_ask	*a;
	struct cold		*c;
	struct msgw		 w UNSET;
	char			 leave[PREFIX + 1];

	c = &b->cold;
	if (!ready(b) || c->flying)
		return;
	if (c->n == 0)
		idle(b);
	a = &c->ask[0];
	if (c->n == 0 || !batch_passed(b, a->mark))
		return;
	strlcpy(leave, "v1:", sizeof(leave));
	strlcat(leave, vault_kid(&b->vault), sizeof(leave));
	strlcat(leave, ":", sizeof(leave));
	msg_open(&w, M_PAGE);
	msg_put_u32(&w, ++c->cookie);
	msg_put_u8(&w, ST_VALUE);
	msg_put_u8(&w, uses[a->use].exact);
	msg_put_str(&w, a->name);
	msg_put_str(&w, uses[a->use].others ? leave : "");
	msg_put_u16(&w, a->rows > 0 ? a->rows : uses[a->use].rows);
	msg_put_u32(&w, PAGE_BYTES);
	outbox_send(o, FROM_LEDGER, 0, &w);
	c->flying = 1;
	c->index = 0;
	c->have = 0;
}

/* When the count is due; all else goes on by itself. */
uint64_t
cold_next(const struct broker *b)
{
	const struct cold	*c;

	c = &b->cold;
	if (!ready(b) || c->flying || c->n > 0 ||
	    (c->known && c->counted == c->changes))
		return NEVER;
	return c->count_due;
}

void
cold_lost(struct broker *b)
{
	b->cold.flying = 0;
}

/* ---- answers ----------------------------------------------------------- */
/* A name of a row: printable, and it fits. */
static int
name_of(char out[VAULT_NAME], const uint8_t *p, size_t len)
{
	size_t	 i;

	if (len >= VAULT_NAME)
		return -1;
	for (i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return -1;
	memcpy(out, p, len);
	out[len] = '\0';
	return 0;
}

int
cold_row(const uint8_t *page, size_t len, size_t *at, struct cold_row *r)
{
	const uint8_t	*p;
	size_t		 n, idlen;

	if (len - *at < 8 || page[*at] != 'S')
		return 0;
	p = page + *at + 5;
	n = be_get32(page + *at + 1);
	idlen = (size_t)p[1] << 8 | p[2];
	if (n < 3 || n > len - *at - 5 || idlen > n - 3 || idlen == 0 ||
	    p[0] != ST_VALUE || name_of(r->name, p + 3, idlen) == -1)
		return 0;
	r->text = p + 3 + idlen;
	r->len = n - 3 - idlen;
	*at += 5 + n;
	return 1;
}

/* Rows, then 'N' and nothing behind it. */
static int
parse(struct cold *c)
{
	struct cold_row	 r;
	size_t		 at, len;
	const uint8_t	*p;

	at = 0;
	while (cold_row(c->page, c->have, &at, &r))
		;
	p = c->page + at;
	len = c->have - at;
	if (len < 17 || p[0] != 'N' || be_get32(p + 1) != len - 5 ||
	    name_of(c->next, p + 17, len - 17) == -1)
		return -1;
	c->total = be_get64(p + 5);
	c->looked = be_get32(p + 13);
	c->known = 1;
	c->have = at;
	return 0;
}

void
cold_paged(struct broker *b, struct msgr *m, struct outbox *o)
{
	struct cold_ask	 a;
	struct cold	*c;
	uint32_t	 cookie;
	uint16_t	 index;
	uint8_t		 last;
	size_t		 len;

	c = &b->cold;
	cookie = msg_get_u32(m);
	index = msg_get_u16(m);
	last = msg_get_u8(m);
	len = m->len - m->off;
	if (m->bad || !c->flying || cookie != c->cookie ||
	    index != c->index || len > COLD_ROOM - c->have) {
		recover_disconnect(b, "malformed PAGED", o);
		return;
	}
	msg_get_raw(m, c->page + c->have, len);
	c->have += len;
	c->index++;
	if (!last)
		return;
	if (parse(c) == -1) {
		recover_disconnect(b, "malformed rows in PAGED", o);
		return;
	}
	a = c->ask[0];
	c->flying = 0;
	c->n--;
	memmove(c->ask, c->ask + 1, c->n * sizeof(c->ask[0]));
	uses[a.use].fn(b, &a, o);
}

static void
counted(struct broker *b, const struct cold_ask *a, struct outbox *o)
{
	(void)b, (void)a, (void)o;
}

static void
swept(struct broker *b, const struct cold_ask *a, struct outbox *o)
{
	(void)o;
	sweep_page(b, a->cookie);
}

/*
 * A provider uses this name now: its value moves to the resident ones, in one
 * batch.  A resident one that is there already came later, and stays.
 */
static void
claimed(struct broker *b, const struct cold_ask *a, struct outbox *o)
{
	struct cold_row		 r;
	struct secret		*s;
	enum vault_result	 v;
	size_t			 at;

	at = 0;
	if (!cold_row(b->cold.page, b->cold.have, &at, &r) ||
	    strcmp(r.name, a->name) != 0)
		return;
	s = NULL;
	v = cold_open(b, r.name, r.text, r.len, &s);
	if (v == VAULT_OK && vault_get(&b->vault, r.name) == NULL &&
	    vault_put(&b->vault, &b->env.rng, r.name, &s, batch_emit,
	    b) == -1)
		v = VAULT_NOMEM;
	secret_free(&s);
	if (v != VAULT_OK) {
		log_warnx("the stored value of %s: %s", r.name + 4,
		    vault_text(v));
		return;
	}
	cold_forget(b, r.name);
	log_info("the stored value of %s: a provider uses it now",
	    r.name + 4);
	credential_touch(b->creds);
	parent_changed(b, NULL, o);
}
