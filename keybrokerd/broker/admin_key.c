/* SPDX-License-Identifier: ISC */
/*
 * Keys by administration.  A new key is shown once: its token exists in the
 * answer that waits for COMMITTED and nowhere else.  A developer makes keys of
 * agents it owns, and ends its own; a key that is limited to a scope makes
 * none, since the new one could do more.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/admin.h"

#define GRACE_MAX	(30 * 86400u)	/* seconds */

/* What KEY_CREATE asks for: read whole first, then judged. */
struct wish {
	char		 agent[ADMIN_FIELD], email[ADMIN_FIELD];
	char		 name[ADMIN_FIELD], role[ADMIN_FIELD];
	char		 scope[ADMIN_FIELD];
	uint32_t	 days;
	uint64_t	 at;		/* wall ms */
	uint8_t		 make;
};

/* ---- whose it is -------------------------------------------------------- */

/* May the caller end and replace it? */
static int
own_key(const struct admin_ask *a, const struct key *k)
{
	if (a->right == ROLE_ALL || k == a->who.key)
		return 1;
	return a->who.key != NULL && a->who.key->email[0] != '\0' &&
	    strcmp(k->email, a->who.key->email) == 0;
}

/* The key that a request names; NULL: answered. */
static struct key *
named(struct admin_ask *a, const char *agent, const char *text)
{
	char		 id[TOKEN_ID + 1];
	struct key	*k;

	k = NULL;
	if (key_id_parse(text, id) == 0)
		k = key_find(a->b->keys, id, TOKEN_ID);
	if (k == NULL || (agent[0] != '\0' &&
	    strcmp(k->agent->id, agent) != 0) ||
	    (!own_key(a, k) && !admin_sees(a, k->agent))) {
		admin_fail(a, 404, "key_not_found", "there is no such key%s: "
		    "key ids look like dk_0123456789AB", agent[0] != '\0' ?
		    " of this agent" : "");
		return NULL;
	}
	if (own_key(a, k))
		return k;
	admin_deny(a, "permission_denied", "a key of role %s may end and "
	    "replace its own keys only", key_role_name(a->who.role));
	return NULL;
}

/* ---- list --------------------------------------------------------------- */

static int
key_line(struct admin_ask *a, const void *arg, uint64_t *at,
    struct admin_line *l)
{
	const struct key	*k;
	size_t			 i;

	i = *at > SIZE_MAX ? SIZE_MAX : (size_t)*at;
	do
		k = key_next(a->b->keys, &i, arg);
	while (k != NULL && !own_key(a, k) && !admin_sees(a, k->agent));
	*at = i;
	if (k == NULL)
		return 0;
	admin_set(l, 0, "dk_%s", k->id);
	l->f[1] = k->agent->id;
	l->f[2] = k->email;
	l->f[3] = k->name;
	for (i = 4; i < 8; i++)
		l->f[i] = l->t[i];
	key_time(k->created, l->t[4]);
	key_time(k->expires, l->t[5]);
	key_time(key_revoked(k, a->b->wall), l->t[6]);
	key_time(k->used, l->t[7]);
	l->f[8] = key_role_name(k->role);
	l->f[9] = k->scope;
	admin_set(l, 10, "%s%s", k->from[0] == '\0' ? "" : "dk_", k->from);
	key_time(k->ends, l->t[11]);
	l->f[11] = l->t[11];
	l->n = 12;
	return 1;
}

void
admin_key_list(struct admin_ask *a)
{
	char			 id[ADMIN_FIELD];
	const struct agent	*only;
	const struct key	*k;
	struct admin_page	 page;
	size_t			 at, total;

	msg_get_str(a->m, id, sizeof(id));
	page.limit = msg_get_u32(a->m);
	page.cursor = msg_get_u64(a->m);
	if (!admin_parsed(a))
		return;
	only = NULL;
	if (id[0] != '\0' && (only = admin_agent_seen(a, id)) == NULL)
		return;
	total = 0;
	for (at = 0; (k = key_next(a->b->keys, &at, only)) != NULL;)
		total += own_key(a, k) || admin_sees(a, k->agent);
	admin_list(a, &page, key_line, only, total);
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

/* The role that is wished for, if the caller may give it; 0: answered. */
static uint8_t
role_of(struct admin_ask *a, const struct wish *w)
{
	uint8_t	 role;

	role = key_role_find(w->role);
	if (role == 0) {
		admin_fail(a, 400, "invalid_role", "role is developer, agent, "
		    "auditor or admin");
		return 0;
	}
	if (a->right == ROLE_ALL || role == ROLE_K_DEVELOPER ||
	    role == ROLE_K_AGENT)
		return role;
	admin_deny(a, "permission_denied", "a key of role %s makes no keys of "
	    "role %s", key_role_name(a->who.role), key_role_name(role));
	return 0;
}

static int
wish_ok(struct admin_ask *a, const struct wish *w)
{
	if (!admin_agent_ok(a, w->agent) || !admin_scope_ok(a, w->scope))
		return 0;
	if (key_email_ok(w->email) == -1 && (w->email[0] != '\0' ||
	    key_role_find(w->role) != ROLE_K_AGENT)) {
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
fresh_token(struct broker *b, int dev, char token[TOKEN_SIZE],
    char id[TOKEN_ID + 1])
{
	uint8_t	 random[TOKEN_RANDOM];
	int	 i, n;

	for (i = 0; i < 8; i++) {
		b->env.rng.fill(b->env.rng.arg, random, sizeof(random));
		n = token_make(random, dev, token);
		secret_wipe(random, sizeof(random));
		if (n > 0 &&
		    token_public_id(token, (size_t)n, id, NULL) == 0 &&
		    key_find(b->keys, id, TOKEN_ID) == NULL)
			return 0;
	}
	errno = EIO;
	return -1;
}

/* Its entry: one, whether it is new or replaces another. */
static void
made_entry(struct admin_ask *a, const struct key *k)
{
	struct admin_change	 c = { .type = ET_KEY_ADD, .kind = "key" };
	char			 dk[KEY_DKID + 1], old[64];

	snprintf(dk, sizeof(dk), "dk_%s", k->id);
	c.id = dk;
	c.owner = k->agent->id;
	c.role = k->role;
	c.expires = k->expires;
	if (k->from[0] != '\0') {
		c.type = ET_KEY_ROTATE;
		snprintf(old, sizeof(old), "replaces dk_%s", k->from);
		c.reason = old;
	}
	admin_entry(a, &c);
}

struct key *
admin_key_make(struct admin_ask *a, const struct admin_wish *w,
    char token[TOKEN_SIZE])
{
	uint8_t		 row[KEY_ROW], digest[KEY_DIGEST];
	char		 id[TOKEN_ID + 1];
	struct key_new	 n;
	struct key	*k;

	memset(&n, 0, sizeof(n));
	n.dev = w->role != ROLE_K_AGENT;
	if (fresh_token(a->b, n.dev, token, id) == -1 ||
	    authn_digest(&a->b->vault, 0, &n.pepper, token, strlen(token),
	    digest) == -1)
		return NULL;
	n.id = id;
	n.from = w->from;
	n.digest = digest;
	n.role = w->role;
	n.agent = w->agent;
	n.created = a->b->wall;
	n.expires = w->expires;
	n.email = w->email;
	n.name = w->name;
	n.scope = w->scope;
	k = key_add(a->b->keys, &n);
	if (k == NULL)
		return NULL;
	batch_state(a->b, ST_KEY, k->id, TOKEN_ID, row, key_row(k, row));
	made_entry(a, k);
	return k;
}

/* The agent of a new key: one that the caller may give keys; NULL: answered. */
static struct agent *
agent_for(struct admin_ask *a, const struct wish *w, int *made)
{
	struct agent	*ag;

	*made = 0;
	if (w->make && a->from->kind == FROM_CONTROL) {
		ag = admin_agent(a, w->agent, made);
		if (ag == NULL)
			admin_fail_errno(a);
	} else
		ag = admin_agent_seen(a, w->agent);
	if (ag == NULL)
		return NULL;
	if (ag->deleted != 0) {
		admin_fail(a, 404, "agent_not_found", "agent %s was deleted",
		    ag->id);
		return NULL;
	}
	if (!admin_owns(a, ag)) {
		admin_deny(a, "permission_denied", "keys of agent %s are made "
		    "by its owner and by admins", ag->id);
		return NULL;
	}
	if (a->right == ROLE_ALL || (a->who.key->scope[0] == '\0' &&
	    a->who.agent->scope[0] == '\0'))
		return ag;
	admin_deny(a, "scoped_key", "a key with a scope makes no other keys");
	return NULL;
}

/* The new key's row, secret until it is sent. */
static void
show(struct admin_ask *a, const struct key *k, const char *token,
    const char *f5, const char *f6)
{
	char		 id[KEY_DKID + 1], t[24];
	const char	*f[8] = { token, id, k->agent->id, k->email, t, f5, f6,
	    key_role_name(k->role) };
	size_t		 n;

	snprintf(id, sizeof(id), "dk_%s", k->id);
	key_time(k->expires, t);
	n = 8;
	if (f6 == NULL) {
		f[6] = f[7];
		n = 7;
	}
	if (admin_then(a, 201, f, n, 1) == -1)
		admin_fail(a, 503, "no_memory", "no room for the answer: key "
		    "%s was made but cannot be shown, revoke it", id);
}

void
admin_key_create(struct admin_ask *a)
{
	struct admin_wish	 n;
	char			 token[TOKEN_SIZE];
	struct wish		 w;
	struct key		*k;
	int			 made;

	memset(&w, 0, sizeof(w));
	memset(&n, 0, sizeof(n));
	msg_get_str(a->m, w.agent, sizeof(w.agent));
	msg_get_str(a->m, w.email, sizeof(w.email));
	msg_get_str(a->m, w.name, sizeof(w.name));
	w.days = msg_get_u32(a->m);
	w.at = msg_get_u64(a->m);
	w.make = msg_get_u8(a->m);
	msg_get_str(a->m, w.role, sizeof(w.role));
	msg_get_str(a->m, w.scope, sizeof(w.scope));
	if (!admin_parsed(a) || !wish_ok(a, &w) ||
	    expiry(a, &w, &n.expires) == -1 || (n.role = role_of(a, &w)) == 0)
		return;
	n.agent = agent_for(a, &w, &made);
	if (n.agent == NULL)
		return;
	n.email = w.email;
	n.name = w.name;
	n.scope = w.scope;
	k = admin_key_make(a, &n, token);
	if (k == NULL)
		admin_fail_errno(a);
	else
		show(a, k, token, made ? "1" : "0", NULL);
	secret_wipe(token, sizeof(token));
}

/* CTL_FIRST: a fresh key of the default agent, and the admin key, once. */
void
admin_first(struct admin_ask *a)
{
	char		 token[TOKEN_SIZE], id[KEY_DKID + 1], t[24];
	char		 key[TOKEN_MAX + 1];
	const char	*f[5];
	struct admin_wish w;
	struct agent	*ag;
	struct secret	*s;
	struct key	*k;
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
	w.name = "first";
	w.role = ROLE_K_DEVELOPER;
	w.expires = a->b->wall + ADMIN_FIRST_DAYS * KEY_DAY_MS;
	ag = admin_agent(a, ADMIN_DEFAULT, &made);
	w.agent = ag;
	k = ag == NULL ? NULL : admin_key_make(a, &w, token);
	if (k == NULL) {
		admin_fail_errno(a);
		return;
	}
	snprintf(id, sizeof(id), "dk_%s", k->id);
	key_time(k->expires, t);
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

/* It ends now, for good: calls first, whatever the disk does. */
static void
end_key(struct admin_ask *a, struct key *k, const char *reason)
{
	struct admin_change	 c = { .type = ET_KEY_REVOKE, .kind = "key" };
	char			 dk[KEY_DKID + 1];
	uint8_t			 row[KEY_ROW];

	key_revoke(a->b->keys, k, a->b->wall);
	call_revoke(a->b, MATCH_KEY, k->id, CUT_REVOKED, a->o);
	batch_state(a->b, ST_KEY, k->id, TOKEN_ID, row, key_row(k, row));
	snprintf(dk, sizeof(dk), "dk_%s", k->id);
	c.id = dk;
	c.owner = k->agent->id;
	c.role = k->role;
	c.reason = reason;
	k->entry = admin_entry(a, &c) + 1;
}

/* Is there room for one more record while the ledger stands still? */
static int
room(struct admin_ask *a)
{
	if (batch_waiting(a->b) <= OUTCOME_MEMORY)
		return 1;
	if (a->m != NULL)
		admin_fail(a, 503, "not_ready", "too much waits for the "
		    "ledger: nothing was revoked, ask again");
	return 0;
}

void
admin_key_revoke(struct admin_ask *a)
{
	char		 agent[ADMIN_FIELD], text[ADMIN_FIELD];
	char		 dk[KEY_DKID + 1], t[24];
	const char	*f[2] = { dk, t };
	struct key	*k;
	int		 again;

	msg_get_str(a->m, agent, sizeof(agent));
	msg_get_str(a->m, text, sizeof(text));
	if (!admin_parsed(a) || (k = named(a, agent, text)) == NULL)
		return;
	again = k->revoked != 0 || k->agent->deleted != 0;
	if (!again && !room(a))
		return;
	if (!again)
		end_key(a, k, NULL);
	snprintf(dk, sizeof(dk), "dk_%s", k->id);
	key_time(key_revoked(k, a->b->wall), t);
	if (again)
		revoked_again(a, k, f);
	else
		admin_then(a, 200, f, 2, 0);
}

/* ---- rotation ----------------------------------------------------------- */

/* May it be replaced?  Else answered. */
static int
replaceable(struct admin_ask *a, const struct key *k, uint32_t grace,
    uint32_t days)
{
	if (key_state(k, a->b->wall) != KEY_LIVE)
		admin_fail(a, 409, "key_ended", "this key has ended: make a "
		    "new one");
	else if (k->ends != 0)
		admin_fail(a, 409, "key_replaced", "this key is being "
		    "replaced already");
	else if (grace > GRACE_MAX)
		admin_fail(a, 400, "invalid_grace", "grace_seconds is 0 to "
		    "%u", GRACE_MAX);
	else if (days > KEY_DAYS_MAX)
		admin_fail(a, 400, "invalid_expiry", "expires_days is 1 to "
		    "%d", KEY_DAYS_MAX);
	else
		return 1;
	return 0;
}

/* The old one lives on for the grace: its row says until when. */
static void
begin_grace(struct admin_ask *a, struct key *k, uint32_t grace)
{
	uint8_t	 row[KEY_ROW];

	if (grace == 0) {
		end_key(a, k, "replaced");
		return;
	}
	k->ends = a->b->wall + grace * 1000ULL;
	batch_state(a->b, ST_KEY, k->id, TOKEN_ID, row, key_row(k, row));
	if (k->ends < a->b->admin->ends)
		a->b->admin->ends = k->ends;
}

void
admin_key_rotate(struct admin_ask *a)
{
	char			 agent[ADMIN_FIELD], text[ADMIN_FIELD];
	char			 token[TOKEN_SIZE], old[KEY_DKID + 1], t[24];
	struct admin_wish	 w;
	struct key		*k, *fresh;
	uint32_t		 grace, days;

	msg_get_str(a->m, agent, sizeof(agent));
	msg_get_str(a->m, text, sizeof(text));
	grace = msg_get_u32(a->m);
	days = msg_get_u32(a->m);
	if (!admin_parsed(a) || (k = named(a, agent, text)) == NULL ||
	    !replaceable(a, k, grace, days))
		return;
	w = (struct admin_wish){ k->agent, k->email, k->name, k->scope, k->id,
	    k->role, a->b->wall + (days != 0 ? days * KEY_DAY_MS :
	    k->expires - k->created) };
	fresh = admin_key_make(a, &w, token);
	if (fresh == NULL) {
		admin_fail_errno(a);
		return;
	}
	begin_grace(a, k, grace);
	snprintf(old, sizeof(old), "dk_%s", k->id);
	key_time(k->ends != 0 ? k->ends : k->revoked, t);
	show(a, fresh, token, old, t);
	secret_wipe(token, sizeof(token));
}

/* ---- graces that are over ----------------------------------------------- */

void
admin_tick(struct broker *b, struct outbox *o)
{
	struct admin_ask	 a;
	struct key		*k;
	size_t			 at;

	if (b->admin->ends > b->wall || !b->gate.recovered)
		return;
	memset(&a, 0, sizeof(a));
	a.b = b;
	a.o = o;
	a.who.role = ROLE_K_ADMIN;
	a.right = ROLE_ALL;
	strlcpy(a.actor, "gateway", sizeof(a.actor));
	for (at = 0; (k = key_next(b->keys, &at, NULL)) != NULL;) {
		if (k->ends == 0 || k->revoked != 0 || k->ends > b->wall)
			continue;
		/* No memory: it is refused all the same, its entry waits. */
		if (!room(&a))
			break;
		end_key(&a, k, "replaced, its grace is over");
		batch_room(b);
	}
	b->admin->ends = key_ends(b->keys);
}

uint64_t
admin_due(const struct broker *b)
{
	uint64_t	 ends;

	ends = b->admin->ends;
	if (ends == UINT64_MAX || !b->gate.recovered)
		return NEVER;
	if (ends <= b->wall)
		return b->now + NS_S;
	return b->now + (ends - b->wall) * NS_MS;
}
