/* SPDX-License-Identifier: ISC */
/*
 * Tables of agents and keys, see key.h.  Open addressing over a list in order
 * of creation; the list owns the rows.  A row of the ledger is believed as far
 * as its form goes: version, bounds and grammar are checked here.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/msg.h"
#include "keybrokerd/broker/key.h"

#define ROW_FIRST	1		/* without scope, owner, grace */
#define ROW_VERSION	2
#define TABLE_FIRST	64		/* slots at first; a power of two */

struct item {
	const char	*id;		/* in the row */
	void		*row;
};

/* slot[] holds the item's number + 1, at most half of them are taken. */
struct table {
	struct item	*item;
	uint32_t	*slot;
	size_t		 n, nslots, max;
};

struct keys {
	struct table	 agents, keys;
	uint32_t	 last_no;	/* highest agent number */
};

/* ---- table -------------------------------------------------------------- */

/* FNV-1a; public ids are random, agent names are an administrator's. */
static uint64_t
hash(const char *id, size_t len)
{
	uint64_t	 h;
	size_t		 i;

	h = 0xcbf29ce484222325ULL;
	for (i = 0; i < len; i++)
		h = (h ^ (uint8_t)id[i]) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

/* The slot of this id, or the empty one where it would go. */
static uint32_t *
probe(const struct table *t, const char *id, size_t len)
{
	const char	*have;
	uint64_t	 h;

	for (h = hash(id, len);; h++) {
		h &= t->nslots - 1;
		if (t->slot[h] == 0)
			return &t->slot[h];
		have = t->item[t->slot[h] - 1].id;
		if (strncmp(have, id, len) == 0 && have[len] == '\0')
			return &t->slot[h];
	}
}

static void *
find(const struct table *t, const char *id, size_t len)
{
	uint32_t	 s;

	if (t->nslots == 0)
		return NULL;
	s = *probe(t, id, len);
	return s == 0 ? NULL : t->item[s - 1].row;
}

static void
index_all(struct table *t)
{
	size_t	 i;

	if (t->nslots > 0)
		memset(t->slot, 0, t->nslots * sizeof(*t->slot));
	for (i = 0; i < t->n; i++)
		*probe(t, t->item[i].id, strlen(t->item[i].id)) =
		    (uint32_t)i + 1;
}

static int
grow(struct table *t)
{
	struct item	*item;
	uint32_t	*slot;
	size_t		 n;

	n = t->nslots == 0 ? TABLE_FIRST : t->nslots * 2;
	item = reallocarray(t->item, n / 2, sizeof(*item));
	if (item == NULL)
		return -1;
	t->item = item;
	slot = calloc(n, sizeof(*slot));
	if (slot == NULL)
		return -1;
	free(t->slot);
	t->slot = slot;
	t->nslots = n;
	index_all(t);
	return 0;
}

/* Room for one more: 0, or -1. */
static int
room(struct table *t)
{
	if (t->n >= t->max) {
		errno = ENOSPC;
		return -1;
	}
	if (t->n >= t->nslots / 2)
		return grow(t);
	return 0;
}

/* After room(); the id is new. */
static void
insert(struct table *t, const char *id, void *row)
{
	t->item[t->n].id = id;
	t->item[t->n].row = row;
	*probe(t, id, strlen(id)) = (uint32_t)++t->n;
}

static void
clear(struct table *t)
{
	size_t	 i;

	for (i = 0; i < t->n; i++)
		free(t->item[i].row);
	free(t->item);
	free(t->slot);
}

struct keys *
key_store_new(void)
{
	struct keys	*k;

	k = calloc(1, sizeof(*k));
	if (k != NULL) {
		k->agents.max = KEY_AGENTS;
		k->keys.max = KEY_MAX;
	}
	return k;
}

void
key_store_free(struct keys *k)
{
	size_t	 i;

	if (k == NULL)
		return;
	clear(&k->keys);
	for (i = 0; i < k->agents.n; i++)
		free(((struct agent *)k->agents.item[i].row)->edited);
	clear(&k->agents);
	free(k);
}

static int
older_agent(const void *a, const void *b)
{
	const struct item	*x = a, *y = b;
	const struct agent	*p, *q;

	p = x->row;
	q = y->row;
	return (p->no > q->no) - (p->no < q->no);
}

static int
older_key(const void *a, const void *b)
{
	const struct item	*x = a, *y = b;
	const struct key	*p, *q;

	p = x->row;
	q = y->row;
	if (p->created != q->created)
		return p->created < q->created ? -1 : 1;
	return strcmp(p->id, q->id);
}

/* heapsort(3): glibc's qsort asks the kernel for the size of memory. */
void
key_store_sort(struct keys *k)
{
	if (k->agents.n > 1)
		heapsort(k->agents.item, k->agents.n, sizeof(struct item),
		    older_agent);
	if (k->keys.n > 1)
		heapsort(k->keys.item, k->keys.n, sizeof(struct item),
		    older_key);
	index_all(&k->agents);
	index_all(&k->keys);
}

size_t
key_count(const struct keys *k)
{
	return k->keys.n;
}

size_t
key_live(const struct keys *k, uint64_t wall)
{
	const struct key	*key;
	size_t			 i, n;

	for (i = n = 0; i < k->keys.n; i++) {
		key = k->keys.item[i].row;
		n += key_state(key, wall) == KEY_LIVE;
	}
	return n;
}

size_t
key_agents(const struct keys *k)
{
	return k->agents.n;
}

/* ---- agents ------------------------------------------------------------- */

struct agent *
key_agent_find(const struct keys *k, const char *id)
{
	return find(&k->agents, id, strlen(id));
}

static int
agent_ok(const struct agent_new *n)
{
	const char	*why;

	return key_agent_id_ok(n->id) == 0 &&
	    key_text_ok(n->description, KEY_DESCR) == 0 &&
	    key_text_ok(n->framework, KEY_FRAMEWORK) == 0 &&
	    (n->owner[0] == '\0' || key_email_ok(n->owner) == 0) &&
	    scope_text(n->scope, &why) == 0;
}

/* Copies s to *at and moves it behind the NUL. */
static const char *
keep(char **at, const char *s)
{
	char	*p;
	size_t	 n;

	p = *at;
	n = strlen(s) + 1;
	memcpy(p, s, n);
	*at += n;
	return p;
}

static struct agent *
agent_new(struct keys *k, const struct agent_new *given)
{
	struct agent_new	 n;
	struct agent		*a;
	char			*at;

	n = *given;
	n.description = n.description == NULL ? "" : n.description;
	n.owner = n.owner == NULL ? "" : n.owner;
	n.framework = n.framework == NULL ? "" : n.framework;
	n.scope = n.scope == NULL ? "" : n.scope;
	if (!agent_ok(&n)) {
		errno = EINVAL;
		return NULL;
	}
	if (key_agent_find(k, n.id) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	if (room(&k->agents) == -1)
		return NULL;
	a = calloc(1, sizeof(*a) + strlen(n.description) + strlen(n.owner) +
	    strlen(n.framework) + strlen(n.scope) + 4);
	if (a == NULL)
		return NULL;
	strlcpy(a->id, n.id, sizeof(a->id));
	at = a->text;
	a->description = keep(&at, n.description);
	a->owner = keep(&at, n.owner);
	a->framework = keep(&at, n.framework);
	a->scope = keep(&at, n.scope);
	a->created = n.created;
	a->org = KEY_ORG;
	insert(&k->agents, a->id, a);
	return a;
}

struct agent *
key_agent_add(struct keys *k, const struct agent_new *n)
{
	struct agent	*a;

	a = agent_new(k, n);
	if (a != NULL)
		a->no = ++k->last_no;
	return a;
}

int
key_agent_edit(struct agent *a, const char *description, const char *owner,
    const char *scope)
{
	struct agent_new	 n;
	char			*text, *at;

	n = (struct agent_new){ a->id, description, owner, a->framework, scope,
	    a->created };
	n.description = description == NULL ? a->description : description;
	n.owner = owner == NULL ? a->owner : owner;
	n.scope = scope == NULL ? a->scope : scope;
	if (!agent_ok(&n)) {
		errno = EINVAL;
		return -1;
	}
	text = malloc(strlen(n.description) + strlen(n.owner) +
	    strlen(n.framework) + strlen(n.scope) + 4);
	if (text == NULL)
		return -1;
	at = text;
	a->description = keep(&at, n.description);
	a->owner = keep(&at, n.owner);
	a->framework = keep(&at, n.framework);
	a->scope = keep(&at, n.scope);
	free(a->edited);
	a->edited = text;
	return 0;
}

int
key_agent_delete(struct agent *a, uint64_t wall)
{
	if (a->deleted != 0)
		return 1;
	a->deleted = wall == 0 ? 1 : wall;
	a->keys = 0;
	return 0;
}

/* Copies a finished row out; all rows fit, their fields are bounded. */
static size_t
row_out(const struct msgw *w, uint8_t out[KEY_ROW])
{
	if (w->bad || w->len > KEY_ROW)
		abort();
	memcpy(out, w->buf, w->len);
	return w->len;
}

size_t
key_agent_row(const struct agent *a, uint8_t out[KEY_ROW])
{
	struct msgw	 w;

	msg_open(&w, 0);
	msg_put_u8(&w, ROW_VERSION);
	msg_put_u32(&w, a->no);
	msg_put_u32(&w, a->org);
	msg_put_u64(&w, a->created);
	msg_put_str(&w, a->description);
	msg_put_str(&w, a->owner);
	msg_put_str(&w, a->framework);
	msg_put_str(&w, a->scope);
	msg_put_u64(&w, a->deleted);
	/* a row without it is of one that never was, as all once were */
	if (a->suspended != 0)
		msg_put_u64(&w, a->suspended);
	return row_out(&w, out);
}

int
key_agent_load(struct keys *k, const void *id, size_t idlen,
    const void *value, size_t len)
{
	char			 name[KEY_AGENT_ID + 1], descr[KEY_DESCR + 1];
	char			 owner[KEY_EMAIL + 1];
	char			 framework[KEY_FRAMEWORK + 1];
	char			 scope[SCOPE_MAX + 1];
	struct agent_new	 n = { name, descr, owner, framework, scope,
	    0 };
	struct agent		*a;
	struct msgr		 r;
	uint64_t		 deleted, suspended;
	uint32_t		 no, org;
	uint8_t			 version;

	owner[0] = framework[0] = scope[0] = '\0';
	deleted = suspended = 0;
	msg_read(&r, 0, value, len);
	version = msg_get_u8(&r);
	no = msg_get_u32(&r);
	org = msg_get_u32(&r);
	n.created = msg_get_u64(&r);
	msg_get_str(&r, descr, sizeof(descr));
	if (version == ROW_VERSION) {
		msg_get_str(&r, owner, sizeof(owner));
		msg_get_str(&r, framework, sizeof(framework));
		msg_get_str(&r, scope, sizeof(scope));
		deleted = msg_get_u64(&r);
		if (!r.bad && r.off < r.len)
			suspended = msg_get_u64(&r);
	}
	if (msg_end(&r) == -1 || version < ROW_FIRST ||
	    version > ROW_VERSION || no == 0 || idlen >= sizeof(name) ||
	    memchr(id, '\0', idlen) != NULL) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(name, id, idlen);
	name[idlen] = '\0';
	a = agent_new(k, &n);
	if (a == NULL) {
		if (errno == EINVAL)
			errno = EBADMSG;
		return -1;
	}
	a->no = no;
	a->org = org;
	a->deleted = deleted;
	a->suspended = suspended;
	if (no > k->last_no)
		k->last_no = no;
	return 0;
}

struct agent *
key_agent_next(const struct keys *k, size_t *at)
{
	if (*at >= k->agents.n)
		return NULL;
	return k->agents.item[(*at)++].row;
}

/* ---- keys --------------------------------------------------------------- */

struct key *
key_find(const struct keys *k, const char *id, size_t idlen)
{
	return find(&k->keys, id, idlen);
}

/* Texts that may be absent; 0, or -1. */
static int
new_ok(struct key_new *n, char id[TOKEN_ID + 1], char from[TOKEN_ID + 1])
{
	const char	*why;

	n->email = n->email == NULL ? "" : n->email;
	n->name = n->name == NULL ? "" : n->name;
	n->scope = n->scope == NULL ? "" : n->scope;
	from[0] = '\0';
	if (n->from != NULL && n->from[0] != '\0' &&
	    key_id_parse(n->from, from) == -1)
		return -1;
	return key_id_parse(n->id, id) == -1 || n->agent == NULL ||
	    n->role < ROLE_K_AGENT || n->role > ROLE_K_ADMIN ||
	    n->expires == 0 || key_text_ok(n->name, KEY_NAME) == -1 ||
	    (n->email[0] != '\0' && key_email_ok(n->email) == -1) ||
	    scope_text(n->scope, &why) == -1 ? -1 : 0;
}

struct key *
key_add(struct keys *k, const struct key_new *given)
{
	char		 id[TOKEN_ID + 1], from[TOKEN_ID + 1], *at;
	struct key_new	 n;
	struct key	*key;

	n = *given;
	if (new_ok(&n, id, from) == -1) {
		errno = EINVAL;
		return NULL;
	}
	if (key_find(k, id, TOKEN_ID) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	if (room(&k->keys) == -1)
		return NULL;
	key = calloc(1, sizeof(*key) + strlen(n.email) + strlen(n.name) +
	    strlen(n.scope) + 3);
	if (key == NULL)
		return NULL;
	memcpy(key->id, id, sizeof(key->id));
	memcpy(key->from, from, sizeof(key->from));
	memcpy(key->digest, n.digest, KEY_DIGEST);
	key->role = n.role;
	key->dev = n.dev;
	key->org = n.agent->org;
	key->pepper = n.pepper;
	key->agent = n.agent;
	key->created = n.created;
	key->expires = n.expires;
	key->ends = n.ends;
	key->revoked = n.revoked;
	at = key->text;
	key->email = keep(&at, n.email);
	key->name = keep(&at, n.name);
	key->scope = keep(&at, n.scope);
	insert(&k->keys, key->id, key);
	if (key->revoked == 0 && key->agent->deleted == 0)
		key->agent->keys++;
	return key;
}

size_t
key_row(const struct key *key, uint8_t out[KEY_ROW])
{
	struct msgw	 w;

	msg_open(&w, 0);
	msg_put_u8(&w, ROW_VERSION);
	msg_put_u8(&w, key->role);
	msg_put_u8(&w, key->dev);
	msg_put_u32(&w, key->org);
	msg_put_u32(&w, key->pepper);
	msg_put_raw(&w, key->digest, KEY_DIGEST);
	msg_put_u64(&w, key->created);
	msg_put_u64(&w, key->expires);
	msg_put_u64(&w, key->revoked);
	msg_put_str(&w, key->agent->id);
	msg_put_str(&w, key->email);
	msg_put_str(&w, key->name);
	msg_put_str(&w, key->scope);
	msg_put_str(&w, key->from);
	msg_put_u64(&w, key->ends);
	return row_out(&w, out);
}

/* Texts of a row, in the order of key_row. */
struct row_text {
	char	 agent[KEY_AGENT_ID + 1];
	char	 email[KEY_EMAIL + 1];
	char	 name[KEY_NAME + 1];
	char	 scope[SCOPE_MAX + 1];
	char	 from[TOKEN_ID + 1];
	uint8_t	 digest[KEY_DIGEST];
};

static int
row_read(struct msgr *r, struct key_new *n, struct row_text *t, uint32_t *org)
{
	uint8_t	 version;

	version = msg_get_u8(r);
	n->role = msg_get_u8(r);
	n->dev = msg_get_u8(r);
	*org = msg_get_u32(r);
	n->pepper = msg_get_u32(r);
	msg_get_raw(r, t->digest, sizeof(t->digest));
	n->created = msg_get_u64(r);
	n->expires = msg_get_u64(r);
	n->revoked = msg_get_u64(r);
	msg_get_str(r, t->agent, sizeof(t->agent));
	msg_get_str(r, t->email, sizeof(t->email));
	msg_get_str(r, t->name, sizeof(t->name));
	if (version == ROW_VERSION) {
		msg_get_str(r, t->scope, sizeof(t->scope));
		msg_get_str(r, t->from, sizeof(t->from));
		n->ends = msg_get_u64(r);
	}
	return msg_end(r) == -1 || version < ROW_FIRST ||
	    version > ROW_VERSION || n->pepper == 0 ? -1 : 0;
}

int
key_load(struct keys *k, const void *id, size_t idlen, const void *value,
    size_t len)
{
	char		 name[TOKEN_ID + 1];
	struct row_text	 t;
	struct key_new	 n;
	struct key	*key;
	struct msgr	 r;
	uint32_t	 org;

	memset(&n, 0, sizeof(n));
	memset(&t, 0, sizeof(t));
	msg_read(&r, 0, value, len);
	if (row_read(&r, &n, &t, &org) == -1 || idlen != TOKEN_ID) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(name, id, TOKEN_ID);
	name[TOKEN_ID] = '\0';
	n.id = name;
	n.from = t.from;
	n.digest = t.digest;
	n.email = t.email;
	n.name = t.name;
	n.scope = t.scope;
	n.agent = key_agent_find(k, t.agent);
	if (n.agent == NULL) {
		errno = ENOENT;
		return -1;
	}
	key = key_add(k, &n);
	if (key == NULL) {
		if (errno == EINVAL)
			errno = EBADMSG;
		return -1;
	}
	key->org = org;
	return 0;
}

int
key_revoke(struct keys *k, struct key *key, uint64_t wall)
{
	(void)k;
	if (key->revoked != 0)
		return 1;
	key->revoked = wall == 0 ? 1 : wall;
	if (key->agent->keys > 0)
		key->agent->keys--;
	return 0;
}

uint64_t
key_revoked(const struct key *key, uint64_t wall)
{
	if (key->revoked != 0)
		return key->revoked;
	if (key->agent->deleted != 0)
		return key->agent->deleted;
	return key->ends != 0 && key->ends <= wall ? key->ends : 0;
}

enum key_state
key_state(const struct key *key, uint64_t wall)
{
	if (key_revoked(key, wall) != 0)
		return KEY_REVOKED;
	return key->expires <= wall ? KEY_EXPIRED : KEY_LIVE;
}

uint64_t
key_ends(const struct keys *k)
{
	const struct key	*key;
	uint64_t		 t;
	size_t			 i;

	t = UINT64_MAX;
	for (i = 0; i < k->keys.n; i++) {
		key = k->keys.item[i].row;
		if (key->ends != 0 && key->revoked == 0 && key->ends < t)
			t = key->ends;
	}
	return t;
}

struct key *
key_next(const struct keys *k, size_t *at, const struct agent *agent)
{
	struct key	*key;

	while (*at < k->keys.n) {
		key = k->keys.item[(*at)++].row;
		if (agent == NULL || key->agent == agent)
			return key;
	}
	return NULL;
}
