/* SPDX-License-Identifier: ISC */
/*
 * Agents and keys by administration.  A new key is shown once: its token
 * exists in the answer that waits for COMMITTED and nowhere else.  A developer
 * sees and makes keys of its own agent only.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/admin.h"

/* Read whole first, then judged: too long is an answer, not a bad message. */
#define FIELD	1024

/* What KEY_CREATE asks for. */
struct wish {
	char		 agent[FIELD], email[FIELD], name[FIELD];
	uint32_t	 days;
	uint64_t	 at;		/* wall ms */
	uint8_t		 make;
};

/* One row of a list, and room for what is not a string yet. */
struct line {
	const char	*f[ADMIN_FIELDS];
	size_t		 n;
	char		 id[KEY_DKID + 1];
	char		 t[4][24];
};

/* ---- agents ------------------------------------------------------------- */

struct agent *
admin_agent(struct admin_ask *a, const char *id, const char *description,
    int *made)
{
	struct admin_change	 c = { .type = ET_ADMIN,
	    .what = "agent.create", .kind = "agent" };
	uint8_t			 row[KEY_ROW];
	struct agent		*ag;
	size_t			 len;

	*made = 0;
	ag = key_agent_find(a->b->keys, id);
	if (ag != NULL)
		return ag;
	ag = key_agent_add(a->b->keys, id, description, a->b->wall);
	if (ag == NULL)
		return NULL;
	*made = 1;
	len = key_agent_row(ag, row);
	batch_state(a->b, ST_AGENT, ag->id, strlen(ag->id), row, len);
	c.id = ag->id;
	admin_entry(a, &c);
	return ag;
}

/* Why no row could be added. */
static void
fail_errno(struct admin_ask *a)
{
	if (errno == ENOSPC)
		admin_fail(a, 507, "too_many", "no more agents or keys fit");
	else
		admin_fail(a, 503, "no_memory", "out of memory");
}

static int
agent_ok(struct admin_ask *a, const char *id)
{
	if (key_agent_id_ok(id) == 0)
		return 1;
	admin_fail(a, 400, "invalid_agent", "an agent's name is 1 to %d of "
	    "a-z 0-9 . _ - and begins with a letter or digit", KEY_AGENT_ID);
	return 0;
}

void
admin_agent_create(struct admin_ask *a)
{
	char		 id[FIELD], descr[FIELD];
	const char	*f[2];
	struct agent	*ag;
	int		 made;

	msg_get_str(a->m, id, sizeof(id));
	msg_get_str(a->m, descr, sizeof(descr));
	if (!admin_parsed(a) || !agent_ok(a, id))
		return;
	if (key_text_ok(descr, KEY_DESCR) == -1) {
		admin_fail(a, 400, "invalid_description", "a description is "
		    "at most %d printable ASCII characters", KEY_DESCR);
		return;
	}
	ag = admin_agent(a, id, descr, &made);
	if (ag == NULL) {
		fail_errno(a);
		return;
	}
	f[0] = ag->id;
	f[1] = made ? "1" : "0";
	if (made) {
		admin_then(a, 201, f, 2, 0);
		return;
	}
	admin_row(a, 200, f, 2);
	admin_end(a, 200);
}

/* ---- lists -------------------------------------------------------------- */

typedef int (*line_fn)(struct admin_ask *, const struct agent *only,
    size_t *at, struct line *);

static size_t
line_bytes(const struct line *l)
{
	size_t	 i, n;

	n = MSG_HEAD + 9;
	for (i = 0; i < l->n; i++)
		n += 2 + strlen(l->f[i]);
	return n;
}

/*
 * All rows, or as many of the newest as fit into the peer's queue, after a row
 * that says how many are left out.
 */
static void
list(struct admin_ask *a, const struct agent *only, line_fn next)
{
	struct line	 l;
	char		 text[64];
	size_t		 at, total, skipped, n;

	total = skipped = 0;
	for (at = 0; next(a, only, &at, &l);)
		total += line_bytes(&l);
	for (at = 0; next(a, only, &at, &l);) {
		n = line_bytes(&l);
		if (total > ADMIN_LIST) {
			total -= n;
			skipped++;
			if (total > ADMIN_LIST)
				continue;
			snprintf(text, sizeof(text), "(%zu older rows are "
			    "not shown)", skipped);
			for (n = 0; n < l.n; n++)
				l.f[n] = n == 1 ? text : "";
		}
		admin_row(a, 200, l.f, l.n);
	}
	admin_end(a, 200);
}

static int
agent_line(struct admin_ask *a, const struct agent *only, size_t *at,
    struct line *l)
{
	const struct agent	*ag;

	do
		ag = key_agent_next(a->b->keys, at);
	while (ag != NULL && only != NULL && ag != only);
	if (ag == NULL)
		return 0;
	key_time(ag->created, l->t[0]);
	snprintf(l->t[1], sizeof(l->t[1]), "%u", ag->keys);
	l->f[0] = ag->id;
	l->f[1] = ag->description;
	l->f[2] = l->t[0];
	l->f[3] = l->t[1];
	l->n = 4;
	return 1;
}

static int
key_line(struct admin_ask *a, const struct agent *only, size_t *at,
    struct line *l)
{
	const struct key	*k;

	k = key_next(a->b->keys, at, only);
	if (k == NULL)
		return 0;
	snprintf(l->id, sizeof(l->id), "dk_%s", k->id);
	key_time(k->created, l->t[0]);
	key_time(k->expires, l->t[1]);
	key_time(k->revoked, l->t[2]);
	key_time(k->used, l->t[3]);
	l->f[0] = l->id;
	l->f[1] = k->agent->id;
	l->f[2] = k->email;
	l->f[3] = k->name;
	l->f[4] = l->t[0];
	l->f[5] = l->t[1];
	l->f[6] = l->t[2];
	l->f[7] = l->t[3];
	l->n = 8;
	return 1;
}

/* A developer is bound to its own agent; NULL: anyone may be seen. */
static const struct agent *
own(const struct admin_ask *a)
{
	return a->who.role == ROLE_K_DEVELOPER ? a->who.agent : NULL;
}

void
admin_agent_list(struct admin_ask *a)
{
	if (admin_parsed(a))
		list(a, own(a), agent_line);
}

/* Another's agent, for a developer, is as good as none: 404 tells nothing. */
static struct agent *
visible(struct admin_ask *a, const char *id)
{
	struct agent	*ag;

	ag = key_agent_find(a->b->keys, id);
	if (ag == NULL || (own(a) != NULL && ag != own(a))) {
		admin_fail(a, 404, "agent_not_found", "there is no agent of "
		    "this name: %.64s", key_agent_id_ok(id) == 0 ? id : "?");
		return NULL;
	}
	return ag;
}

void
admin_key_list(struct admin_ask *a)
{
	char			 id[FIELD];
	const struct agent	*only;

	msg_get_str(a->m, id, sizeof(id));
	if (!admin_parsed(a))
		return;
	only = own(a);
	if (id[0] != '\0' && (only = visible(a, id)) == NULL)
		return;
	list(a, only, key_line);
}

/* ---- making a key ------------------------------------------------------- */

/* 0 and *expires, or -1: answered. */
static int
expiry(struct admin_ask *a, const struct wish *w, uint64_t *expires)
{
	uint64_t	 now;

	now = a->b->wall;
	if (w->at != 0) {
		if (a->from->kind != FROM_CONTROL || w->at < now + 1000 ||
		    w->at > now + KEY_DAYS_MAX * KEY_DAY_MS) {
			admin_fail(a, 400, "invalid_expiry", "an exact time "
			    "of expiry is for the control socket, at least "
			    "1 s and at most %d days ahead", KEY_DAYS_MAX);
			return -1;
		}
		*expires = w->at;
		return 0;
	}
	if (w->days < 1 || w->days > KEY_DAYS_MAX) {
		admin_fail(a, 400, "invalid_expiry", "expires_days is 1 to "
		    "%d", KEY_DAYS_MAX);
		return -1;
	}
	*expires = now + w->days * KEY_DAY_MS;
	return 0;
}

static int
wish_ok(struct admin_ask *a, const struct wish *w)
{
	if (!agent_ok(a, w->agent))
		return 0;
	if (key_email_ok(w->email) == -1) {
		admin_fail(a, 400, "invalid_email", "developer_email is one "
		    "address of at most %d characters", KEY_EMAIL);
		return 0;
	}
	if (key_text_ok(w->name, KEY_NAME) == -1) {
		admin_fail(a, 400, "invalid_name", "a key's name is at most "
		    "%d printable ASCII characters", KEY_NAME);
		return 0;
	}
	return 1;
}

/* A token whose public id is new, into token; 0, or -1. */
static int
fresh_token(struct broker *b, char token[TOKEN_SIZE], char id[TOKEN_ID + 1])
{
	uint8_t	 random[TOKEN_RANDOM];
	int	 i, n;

	for (i = 0; i < 8; i++) {
		b->env.rng.fill(b->env.rng.arg, random, sizeof(random));
		n = token_make(random, 1, token);
		secret_wipe(random, sizeof(random));
		if (n == TOKEN_DEV_LEN &&
		    token_public_id(token, (size_t)n, id, NULL) == 0 &&
		    key_find(b->keys, id, TOKEN_ID) == NULL)
			return 0;
	}
	errno = EIO;
	return -1;
}

/* Row and entry of a new key; its token into token.  NULL: errno. */
static struct key *
make_key(struct admin_ask *a, struct agent *ag, const struct wish *w,
    uint64_t expires, char token[TOKEN_SIZE])
{
	struct admin_change	 c = { .type = ET_KEY_ADD, .kind = "key",
	    .role = ROLE_K_DEVELOPER };
	uint8_t			 row[KEY_ROW], digest[KEY_DIGEST];
	char			 id[TOKEN_ID + 1], dk[KEY_DKID + 1];
	struct key_new		 n;
	struct key		*k;
	size_t			 len;

	memset(&n, 0, sizeof(n));
	if (fresh_token(a->b, token, id) == -1 ||
	    authn_digest(&a->b->vault, 0, &n.pepper, token, TOKEN_DEV_LEN,
	    digest) == -1)
		return NULL;
	n.id = id;
	n.digest = digest;
	n.role = ROLE_K_DEVELOPER;
	n.dev = 1;
	n.agent = ag;
	n.created = a->b->wall;
	n.expires = expires;
	n.email = w->email;
	n.name = w->name;
	k = key_add(a->b->keys, &n);
	if (k == NULL)
		return NULL;
	len = key_row(k, row);
	batch_state(a->b, ST_KEY, k->id, TOKEN_ID, row, len);
	snprintf(dk, sizeof(dk), "dk_%s", k->id);
	c.id = dk;
	c.owner = ag->id;
	c.expires = expires;
	admin_entry(a, &c);
	return k;
}

void
admin_key_create(struct admin_ask *a)
{
	char		 token[TOKEN_SIZE], id[KEY_DKID + 1], t[24];
	const char	*f[6];
	struct wish	 w;
	struct agent	*ag;
	struct key	*k;
	uint64_t	 expires;
	int		 made;

	memset(&w, 0, sizeof(w));
	msg_get_str(a->m, w.agent, sizeof(w.agent));
	msg_get_str(a->m, w.email, sizeof(w.email));
	msg_get_str(a->m, w.name, sizeof(w.name));
	w.days = msg_get_u32(a->m);
	w.at = msg_get_u64(a->m);
	w.make = msg_get_u8(a->m);
	if (!admin_parsed(a) || !wish_ok(a, &w) ||
	    expiry(a, &w, &expires) == -1)
		return;
	made = 0;
	if (w.make && a->from->kind == FROM_CONTROL) {
		ag = admin_agent(a, w.agent, "", &made);
		if (ag == NULL)
			fail_errno(a);
	} else
		ag = visible(a, w.agent);
	if (ag == NULL)
		return;
	k = make_key(a, ag, &w, expires, token);
	if (k == NULL) {
		fail_errno(a);
		return;
	}
	snprintf(id, sizeof(id), "dk_%s", k->id);
	key_time(expires, t);
	f[0] = token;
	f[1] = id;
	f[2] = ag->id;
	f[3] = k->email;
	f[4] = t;
	f[5] = made ? "1" : "0";
	if (admin_then(a, 201, f, 6, 1) == -1)
		admin_fail(a, 503, "no_memory", "no room for the answer: key "
		    "%s was made but cannot be shown, revoke it", id);
	secret_wipe(token, sizeof(token));
}

/* CTL_FIRST: a fresh key of the default agent, and the admin key, once. */
void
admin_first(struct admin_ask *a)
{
	char		 token[TOKEN_SIZE], id[KEY_DKID + 1], t[24];
	char		 key[TOKEN_MAX + 1];
	const char	*f[5];
	struct wish	 w;
	struct agent	*ag;
	struct secret	*s;
	struct key	*k;
	uint64_t	 expires;
	uint8_t		 what;
	int		 made;

	what = msg_get_u8(a->m);
	msg_get_u64(a->m);
	if (!admin_parsed(a))
		return;
	if (what != 1) {
		admin_fail(a, 400, "unknown_request", "only 1, a fresh "
		    "developer key, is known");
		return;
	}
	memset(&w, 0, sizeof(w));
	strlcpy(w.name, "first", sizeof(w.name));
	expires = a->b->wall + ADMIN_FIRST_DAYS * KEY_DAY_MS;
	ag = admin_agent(a, ADMIN_DEFAULT, "", &made);
	k = ag == NULL ? NULL : make_key(a, ag, &w, expires, token);
	if (k == NULL) {
		fail_errno(a);
		return;
	}
	snprintf(id, sizeof(id), "dk_%s", k->id);
	key_time(expires, t);
	memset(key, 0, sizeof(key));
	s = a->b->admin->fresh;
	if (s != NULL && secret_len(s) < sizeof(key))
		memcpy(key, secret_bytes(s), secret_len(s));
	f[0] = token;
	f[1] = id;
	f[2] = ag->id;
	f[3] = t;
	f[4] = key;
	if (admin_then(a, 201, f, 5, 1) == -1)
		admin_fail(a, 503, "no_memory", "no room for the answer: key "
		    "%s was made but cannot be shown, revoke it", id);
	else
		secret_free(&a->b->admin->fresh);
	secret_wipe(key, sizeof(key));
	secret_wipe(token, sizeof(token));
}

/* ---- revocation --------------------------------------------------------- */

/* Revoked before: the same answer again, once that is durable. */
static void
revoked_again(struct admin_ask *a, const struct key *k, const char *const *f)
{
	if (k->entry > a->b->batch.committed) {
		admin_fail(a, 503, "not_durable_yet", "%s is being revoked "
		    "and refused already; its record is not durable yet: "
		    "ask again", f[0]);
		return;
	}
	admin_row(a, 200, f, 2);
	admin_end(a, 200);
}

static void
end_key(struct admin_ask *a, struct key *k)
{
	struct admin_change	 c = { .type = ET_KEY_REVOKE, .kind = "key" };
	char			 dk[KEY_DKID + 1], t[24];
	const char		*f[2] = { dk, t };
	uint8_t			 row[KEY_ROW];
	size_t			 len;
	int			 again;

	snprintf(dk, sizeof(dk), "dk_%s", k->id);
	again = key_revoke(a->b->keys, k, a->b->wall);
	key_time(k->revoked, t);
	if (again) {
		revoked_again(a, k, f);
		return;
	}
	/* First of all, and whatever the disk does, its calls end. */
	call_revoke(a->b, MATCH_KEY, k->id, CUT_REVOKED, a->o);
	len = key_row(k, row);
	batch_state(a->b, ST_KEY, k->id, TOKEN_ID, row, len);
	c.id = dk;
	c.owner = k->agent->id;
	c.role = k->role;
	k->entry = admin_entry(a, &c) + 1;
	admin_then(a, 200, f, 2, 0);
}

void
admin_key_revoke(struct admin_ask *a)
{
	char		 agent[FIELD], text[FIELD], id[TOKEN_ID + 1];
	struct key	*k;

	msg_get_str(a->m, agent, sizeof(agent));
	msg_get_str(a->m, text, sizeof(text));
	if (!admin_parsed(a))
		return;
	k = NULL;
	if (key_id_parse(text, id) == 0)
		k = key_find(a->b->keys, id, TOKEN_ID);
	if (k == NULL || (agent[0] != '\0' &&
	    strcmp(k->agent->id, agent) != 0)) {
		admin_fail(a, 404, "key_not_found", "there is no such key%s: "
		    "key ids look like dk_0123456789AB", agent[0] != '\0' ?
		    " of this agent" : "");
		return;
	}
	if (k->revoked == 0 && batch_waiting(a->b) > OUTCOME_MEMORY) {
		admin_fail(a, 503, "not_ready", "too much waits for the "
		    "ledger: nothing was revoked, ask again");
		return;
	}
	end_key(a, k);
}
