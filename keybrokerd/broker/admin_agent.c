/* SPDX-License-Identifier: ISC */
/*
 * Who the caller is; agents by administration.  What a developer may not look
 * at is as good as not there: 404 tells nothing.  An agent is never removed:
 * a deleted one keeps its name, so that the log stays readable.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/admin.h"

#define FLAG_NEW	1		/* it must not exist */
#define FLAG_KEY	2		/* with an agent key */

/* ---- whose it is -------------------------------------------------------- */

int
admin_owns(const struct admin_ask *a, const struct agent *ag)
{
	if (a->right == ROLE_ALL)
		return 1;
	return a->who.key != NULL && a->who.key->email[0] != '\0' &&
	    strcmp(ag->owner, a->who.key->email) == 0;
}

int
admin_sees(const struct admin_ask *a, const struct agent *ag)
{
	return admin_owns(a, ag) || ag == a->who.agent;
}

struct agent *
admin_agent_seen(struct admin_ask *a, const char *id)
{
	struct agent	*ag;

	ag = key_agent_find(a->b->keys, id);
	if (ag == NULL || !admin_sees(a, ag)) {
		admin_fail(a, 404, "agent_not_found", "there is no agent of "
		    "this name: %.64s", key_agent_id_ok(id) == 0 ? id : "?");
		return NULL;
	}
	return ag;
}

void
admin_me(struct admin_ask *a)
{
	char		 id[KEY_DKID + 1], t[24];
	const char	*f[6] = { "admin-key", "", "", "", "", "" };
	const struct key *k;

	if (!admin_parsed(a))
		return;
	k = a->who.key;
	f[3] = key_role_name(a->who.role);
	if (a->from->kind == FROM_CONTROL)
		f[0] = a->actor;
	if (k != NULL) {
		snprintf(id, sizeof(id), "dk_%s", k->id);
		key_time(k->expires, t);
		f[0] = id;
		f[1] = k->email;
		f[2] = k->name;
		f[4] = k->agent->id;
		f[5] = t;
	}
	admin_row(a, 200, f, 6);
	admin_end(a, 200);
}

/* ---- making ------------------------------------------------------------- */

int
admin_agent_ok(struct admin_ask *a, const char *id)
{
	if (key_agent_id_ok(id) == 0)
		return 1;
	admin_fail(a, 400, "invalid_agent", "an agent's name is 1 to %d of "
	    "a-z 0-9 . _ - and begins with a letter or digit", KEY_AGENT_ID);
	return 0;
}

int
admin_scope_ok(struct admin_ask *a, const char *scope)
{
	const char	*why;

	if (scope_text(scope, &why) == 0)
		return 1;
	admin_fail(a, 400, "invalid_scope", "%s", why);
	return 0;
}

void
admin_fail_errno(struct admin_ask *a)
{
	if (errno == ENOSPC)
		admin_fail(a, 507, "too_many", "no more agents or keys fit");
	else
		admin_fail(a, 503, "no_memory", "out of memory");
}

/* Row and entry of a new agent; NULL: errno. */
static struct agent *
make(struct admin_ask *a, const struct agent_new *n)
{
	struct admin_change	 c = { .type = ET_ADMIN,
	    .what = "agent.create", .kind = "agent" };
	uint8_t			 row[KEY_ROW];
	struct agent		*ag;
	size_t			 len;

	ag = key_agent_add(a->b->keys, n);
	if (ag == NULL)
		return NULL;
	len = key_agent_row(ag, row);
	batch_state(a->b, ST_AGENT, ag->id, strlen(ag->id), row, len);
	c.id = ag->id;
	admin_entry(a, &c);
	return ag;
}

struct agent *
admin_agent(struct admin_ask *a, const char *id, int *made)
{
	struct agent_new	 n = { .id = id, .created = a->b->wall };
	struct agent		*ag;

	*made = 0;
	ag = key_agent_find(a->b->keys, id);
	if (ag != NULL)
		return ag;
	ag = make(a, &n);
	*made = ag != NULL;
	return ag;
}

/* What AGENT_CREATE says. */
struct wanted {
	char		 id[ADMIN_FIELD], description[ADMIN_FIELD];
	char		 owner[ADMIN_FIELD], framework[ADMIN_FIELD];
	char		 scope[ADMIN_FIELD];
	uint8_t		 flags;
	uint32_t	 days;
};

static int
wanted_ok(struct admin_ask *a, const struct wanted *w)
{
	if (!admin_agent_ok(a, w->id) || !admin_scope_ok(a, w->scope))
		return 0;
	if (key_text_ok(w->description, KEY_DESCR) == -1)
		admin_fail(a, 400, "invalid_description", "a description is "
		    "at most %d printable ASCII characters", KEY_DESCR);
	else if (w->owner[0] != '\0' && key_email_ok(w->owner) == -1)
		admin_fail(a, 400, "invalid_email", "owner_email is one "
		    "address of at most %d characters", KEY_EMAIL);
	else if (key_text_ok(w->framework, KEY_FRAMEWORK) == -1)
		admin_fail(a, 400, "invalid_framework", "a framework's name "
		    "is at most %d printable ASCII characters", KEY_FRAMEWORK);
	else if ((w->flags & FLAG_KEY) && (w->days < 1 ||
	    w->days > KEY_DAYS_MAX))
		admin_fail(a, 400, "invalid_expiry", "expires_days is 1 to "
		    "%d", KEY_DAYS_MAX);
	else
		return 1;
	return 0;
}

/* It is made, or was here: the row, with a key if one is wanted. */
static void
created(struct admin_ask *a, struct agent *ag, const struct wanted *w,
    int made)
{
	struct admin_wish	 wish;
	struct key		*k;
	char			 token[TOKEN_SIZE], id[KEY_DKID + 1], t[24];
	const char		*f[5] = { ag->id, made ? "1" : "0", token, id,
	    t };

	token[0] = id[0] = t[0] = '\0';
	if (w->flags & FLAG_KEY) {
		memset(&wish, 0, sizeof(wish));
		wish.agent = ag;
		wish.email = ag->owner;
		wish.role = ROLE_K_AGENT;
		wish.expires = a->b->wall + w->days * KEY_DAY_MS;
		k = admin_key_make(a, &wish, token);
		if (k == NULL) {
			admin_fail_errno(a);
			return;
		}
		snprintf(id, sizeof(id), "dk_%s", k->id);
		key_time(k->expires, t);
	}
	if (!made && token[0] == '\0') {
		admin_row(a, 200, f, 5);
		admin_end(a, 200);
	} else if (admin_then(a, 201, f, 5, token[0] != '\0') == -1)
		admin_fail(a, 503, "no_memory", "no room for the answer: key "
		    "%s was made but cannot be shown, revoke it", id);
	secret_wipe(token, sizeof(token));
}

void
admin_agent_create(struct admin_ask *a)
{
	struct agent_new	 n;
	struct wanted		 w;
	struct agent		*ag;
	int			 made;

	memset(&w, 0, sizeof(w));
	msg_get_str(a->m, w.id, sizeof(w.id));
	msg_get_str(a->m, w.description, sizeof(w.description));
	msg_get_str(a->m, w.owner, sizeof(w.owner));
	msg_get_str(a->m, w.framework, sizeof(w.framework));
	msg_get_str(a->m, w.scope, sizeof(w.scope));
	w.flags = msg_get_u8(a->m);
	w.days = msg_get_u32(a->m);
	if (!admin_parsed(a) || !wanted_ok(a, &w))
		return;
	ag = key_agent_find(a->b->keys, w.id);
	if (ag != NULL && (ag->deleted != 0 || (w.flags & FLAG_NEW))) {
		admin_fail(a, 409, "agent_exists", "there is an agent of this "
		    "name%s", ag->deleted == 0 ? "" : ", deleted: a name is "
		    "not used again");
		return;
	}
	made = ag == NULL;
	if (made) {
		n = (struct agent_new){ w.id, w.description, w.owner,
		    w.framework, w.scope, a->b->wall };
		ag = make(a, &n);
	}
	if (ag == NULL)
		admin_fail_errno(a);
	else
		created(a, ag, &w, made);
}

/* ---- list --------------------------------------------------------------- */

struct filter {
	char		 q[ADMIN_FIELD];
	uint8_t		 exact;
};

static int
fits(const struct admin_ask *a, const struct filter *f,
    const struct agent *ag)
{
	if (!admin_sees(a, ag))
		return 0;
	if (f->exact)
		return strcmp(ag->id, f->q) == 0;
	return ag->deleted == 0 && (f->q[0] == '\0' ||
	    strstr(ag->id, f->q) != NULL ||
	    strstr(ag->description, f->q) != NULL);
}

static void
fill(const struct agent *ag, struct admin_line *l)
{
	l->f[0] = ag->id;
	l->f[1] = ag->description;
	key_time(ag->created, l->t[2]);
	l->f[2] = l->t[2];
	admin_set(l, 3, "%u", ag->keys);
	l->f[4] = ag->owner;
	l->f[5] = ag->framework;
	l->f[6] = ag->scope;
	key_time(ag->deleted, l->t[7]);
	l->f[7] = l->t[7];
	key_time(ag->suspended, l->t[8]);
	l->f[8] = l->t[8];
	l->f[9] = ag->suspended == 0 && ag->deleted == 0 ? "1" : "0";
	l->n = 10;
}

static int
agent_line(struct admin_ask *a, const void *arg, uint64_t *at,
    struct admin_line *l)
{
	const struct agent	*ag;
	size_t			 i;

	i = *at > SIZE_MAX ? SIZE_MAX : (size_t)*at;
	do
		ag = key_agent_next(a->b->keys, &i);
	while (ag != NULL && !fits(a, arg, ag));
	*at = i;
	if (ag == NULL)
		return 0;
	fill(ag, l);
	return 1;
}

void
admin_agent_list(struct admin_ask *a)
{
	const struct agent	*ag;
	struct admin_page	 page;
	struct filter		 f;
	size_t			 at, total;

	msg_get_str(a->m, f.q, sizeof(f.q));
	f.exact = msg_get_u8(a->m);
	page.limit = msg_get_u32(a->m);
	page.cursor = msg_get_u64(a->m);
	if (!admin_parsed(a) || (f.exact && admin_agent_seen(a,
	    f.q) == NULL))
		return;
	total = 0;
	for (at = 0; (ag = key_agent_next(a->b->keys, &at)) != NULL;)
		total += fits(a, &f, ag) != 0;
	admin_list(a, &page, agent_line, &f, total);
}

/* ---- change ------------------------------------------------------------- */

#define EDIT_DESCRIPTION	1
#define EDIT_OWNER		2
#define EDIT_SCOPE		4
#define EDIT_SUSPENDED		8
#define EDIT_ALL		15

/* What AGENT_EDIT says; of which: what differs from what is there. */
struct edit {
	uint8_t		 which, suspended;
	char		 description[ADMIN_FIELD], owner[ADMIN_FIELD];
	char		 scope[ADMIN_FIELD];
};

static int
edit_ok(struct admin_ask *a, const struct edit *e)
{
	if ((e->which & EDIT_SCOPE) && !admin_scope_ok(a, e->scope))
		return 0;
	if ((e->which & EDIT_DESCRIPTION) &&
	    key_text_ok(e->description, KEY_DESCR) == -1)
		admin_fail(a, 400, "invalid_description", "a description is "
		    "at most %d printable ASCII characters", KEY_DESCR);
	else if ((e->which & EDIT_OWNER) && e->owner[0] != '\0' &&
	    key_email_ok(e->owner) == -1)
		admin_fail(a, 400, "invalid_email", "owner_email is one "
		    "address of at most %d characters", KEY_EMAIL);
	else if (batch_waiting(a->b) > OUTCOME_MEMORY)
		admin_fail(a, 503, "not_ready", "too much waits for the "
		    "ledger: nothing was changed, ask again");
	else
		return 1;
	return 0;
}

/* Leaves in which only what is news. */
static void
edit_news(struct edit *e, const struct agent *ag)
{
	if (strcmp(e->description, ag->description) == 0)
		e->which &= (uint8_t)~EDIT_DESCRIPTION;
	if (strcmp(e->owner, ag->owner) == 0)
		e->which &= (uint8_t)~EDIT_OWNER;
	if (strcmp(e->scope, ag->scope) == 0)
		e->which &= (uint8_t)~EDIT_SCOPE;
	if ((e->suspended != 0) == (ag->suspended != 0))
		e->which &= (uint8_t)~EDIT_SUSPENDED;
}

/* The entries, an e-mail address in none of them (audit.md 3.8). */
static void
edit_entries(struct admin_ask *a, const struct agent *ag, const struct edit *e)
{
	struct admin_change	 c = { .type = ET_ADMIN, .what = "agent.edit",
	    .kind = "agent" };
	char			 reason[64];

	c.id = ag->id;
	snprintf(reason, sizeof(reason), "new:%s%s%s",
	    e->which & EDIT_DESCRIPTION ? " description" : "",
	    e->which & EDIT_OWNER ? " owner" : "",
	    e->which & EDIT_SCOPE ? " scope" : "");
	c.reason = reason;
	if (e->which & ~EDIT_SUSPENDED)
		admin_entry(a, &c);
	c.reason = NULL;
	c.what = e->suspended ? "agent.suspend" : "agent.resume";
	if (e->which & EDIT_SUSPENDED)
		admin_entry(a, &c);
}

static void
edit(struct admin_ask *a, struct agent *ag, struct edit *e)
{
	struct admin_line	 l;
	uint8_t			 row[KEY_ROW];

	edit_news(e, ag);
	if ((e->which & ~EDIT_SUSPENDED) && key_agent_edit(ag,
	    e->which & EDIT_DESCRIPTION ? e->description : NULL,
	    e->which & EDIT_OWNER ? e->owner : NULL,
	    e->which & EDIT_SCOPE ? e->scope : NULL) == -1) {
		admin_fail_errno(a);
		return;
	}
	if (e->which & EDIT_SUSPENDED)
		ag->suspended = e->suspended ? a->b->wall : 0;
	/* Its calls are refused from here on; those that run end. */
	if ((e->which & EDIT_SUSPENDED) && e->suspended)
		call_revoke(a->b, MATCH_AGENT, ag->id, CUT_REVOKED, a->o);
	if (e->which != 0) {
		batch_state(a->b, ST_AGENT, ag->id, strlen(ag->id), row,
		    key_agent_row(ag, row));
		edit_entries(a, ag, e);
	}
	/* Also when nothing was news: it may not be durable yet. */
	fill(ag, &l);
	admin_then(a, 200, l.f, l.n, 0);
}

void
admin_agent_edit(struct admin_ask *a)
{
	struct agent	*ag;
	struct edit	 e;
	char		 id[ADMIN_FIELD];

	msg_get_str(a->m, id, sizeof(id));
	e.which = msg_get_u8(a->m);
	msg_get_str(a->m, e.description, sizeof(e.description));
	msg_get_str(a->m, e.owner, sizeof(e.owner));
	msg_get_str(a->m, e.scope, sizeof(e.scope));
	e.suspended = msg_get_u8(a->m);
	if (!admin_parsed(a) || (ag = admin_agent_seen(a, id)) == NULL ||
	    !edit_ok(a, &e))
		return;
	if (ag->deleted != 0)
		admin_fail(a, 409, "agent_deleted", "agent %s is deleted",
		    ag->id);
	else if (e.which == 0 || e.which > EDIT_ALL)
		admin_fail(a, 400, "nothing_to_change", "name at least one "
		    "thing to change");
	else
		edit(a, ag, &e);
}

/* ---- the end of one ----------------------------------------------------- */

static void
deleted(struct admin_ask *a, const struct agent *ag, uint32_t keys, int now)
{
	char		 t[24], n[16];
	const char	*f[3] = { ag->id, t, n };

	key_time(ag->deleted, t);
	snprintf(n, sizeof(n), "%u", keys);
	if (now)
		admin_then(a, 200, f, 3, 0);
	else if (ag->entry > a->b->batch.committed)
		admin_fail(a, 503, "not_durable_yet", "the agent is being "
		    "deleted and its keys are refused already; the record is "
		    "not durable yet: ask again");
	else {
		admin_row(a, 200, f, 3);
		admin_end(a, 200);
	}
}

void
admin_agent_delete(struct admin_ask *a)
{
	struct admin_change	 c = { .type = ET_ADMIN,
	    .what = "agent.delete", .kind = "agent" };
	char			 id[ADMIN_FIELD];
	uint8_t			 row[KEY_ROW];
	struct agent		*ag;
	uint32_t		 keys;

	msg_get_str(a->m, id, sizeof(id));
	if (!admin_parsed(a) || (ag = admin_agent_seen(a, id)) == NULL)
		return;
	if (strcmp(id, ADMIN_DEFAULT) == 0) {
		admin_fail(a, 409, "agent_in_use", "agent %s stays: first "
		    "keys belong to it", ADMIN_DEFAULT);
		return;
	}
	if (ag->deleted == 0 && batch_waiting(a->b) > OUTCOME_MEMORY) {
		admin_fail(a, 503, "not_ready", "too much waits for the "
		    "ledger: nothing was deleted, ask again");
		return;
	}
	keys = ag->keys;
	if (key_agent_delete(ag, a->b->wall) == 1) {
		deleted(a, ag, 0, 0);
		return;
	}
	/* Its keys are refused from here on: their agent is deleted. */
	call_revoke(a->b, MATCH_AGENT, ag->id, CUT_REVOKED, a->o);
	batch_state(a->b, ST_AGENT, ag->id, strlen(ag->id), row,
	    key_agent_row(ag, row));
	c.id = ag->id;
	ag->entry = admin_entry(a, &c) + 1;
	deleted(a, ag, keys, 1);
}
