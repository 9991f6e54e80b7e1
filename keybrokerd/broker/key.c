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

#define ROW_VERSION	1
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
	if (k == NULL)
		return;
	clear(&k->keys);
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

void
key_store_sort(struct keys *k)
{
	if (k->agents.n > 1)
		qsort(k->agents.item, k->agents.n, sizeof(struct item),
		    older_agent);
	if (k->keys.n > 1)
		qsort(k->keys.item, k->keys.n, sizeof(struct item),
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
		n += key->revoked == 0 && key->expires > wall;
	}
	return n;
}

size_t
key_agents(const struct keys *k)
{
	return k->agents.n;
}

/* ---- grammar ------------------------------------------------------------ */

int
key_agent_id_ok(const char *p)
{
	size_t	 i;
	int	 alnum;

	for (i = 0; p[i] != '\0'; i++) {
		alnum = (p[i] >= 'a' && p[i] <= 'z') ||
		    (p[i] >= '0' && p[i] <= '9');
		if (i == KEY_AGENT_ID || (!alnum && (i == 0 ||
		    strchr("._-", p[i]) == NULL)))
			return -1;
	}
	return i == 0 ? -1 : 0;
}

int
key_email_ok(const char *p)
{
	const char	*at;
	size_t		 i;

	at = strchr(p, '@');
	if (at == NULL || at == p || at[1] == '\0' ||
	    strchr(at + 1, '@') != NULL)
		return -1;
	for (i = 0; p[i] != '\0'; i++)
		if (i == KEY_EMAIL || p[i] <= ' ' || p[i] > '~')
			return -1;
	return 0;
}

int
key_text_ok(const char *p, size_t max)
{
	size_t	 i;

	for (i = 0; p[i] != '\0'; i++)
		if (i == max || p[i] < ' ' || p[i] > '~')
			return -1;
	return 0;
}

int
key_id_parse(const char *p, char out[TOKEN_ID + 1])
{
	size_t	 i;

	if (strncmp(p, "dk_", 3) == 0)
		p += 3;
	for (i = 0; i < TOKEN_ID; i++)
		if (!((p[i] >= '0' && p[i] <= '9') ||
		    (p[i] >= 'A' && p[i] <= 'Z') ||
		    (p[i] >= 'a' && p[i] <= 'z')))
			return -1;
	if (p[i] != '\0')
		return -1;
	memcpy(out, p, TOKEN_ID);
	out[TOKEN_ID] = '\0';
	return 0;
}

/* ---- agents ------------------------------------------------------------- */

struct agent *
key_agent_find(const struct keys *k, const char *id)
{
	return find(&k->agents, id, strlen(id));
}

static struct agent *
agent_new(struct keys *k, const char *id, const char *description,
    uint64_t created)
{
	struct agent	*a;

	if (key_agent_id_ok(id) == -1 ||
	    key_text_ok(description, KEY_DESCR) == -1) {
		errno = EINVAL;
		return NULL;
	}
	if (key_agent_find(k, id) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	if (room(&k->agents) == -1)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	strlcpy(a->id, id, sizeof(a->id));
	strlcpy(a->description, description, sizeof(a->description));
	a->created = created;
	a->org = KEY_ORG;
	insert(&k->agents, a->id, a);
	return a;
}

struct agent *
key_agent_add(struct keys *k, const char *id, const char *description,
    uint64_t created)
{
	struct agent	*a;

	a = agent_new(k, id, description, created);
	if (a != NULL)
		a->no = ++k->last_no;
	return a;
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
	return row_out(&w, out);
}

int
key_agent_load(struct keys *k, const void *id, size_t idlen,
    const void *value, size_t len)
{
	char		 name[KEY_AGENT_ID + 1], descr[KEY_DESCR + 1];
	struct agent	*a;
	struct msgr	 r;
	uint64_t	 created;
	uint32_t	 no, org;
	uint8_t		 version;

	msg_read(&r, 0, value, len);
	version = msg_get_u8(&r);
	no = msg_get_u32(&r);
	org = msg_get_u32(&r);
	created = msg_get_u64(&r);
	msg_get_str(&r, descr, sizeof(descr));
	if (msg_end(&r) == -1 || version != ROW_VERSION || no == 0 ||
	    idlen >= sizeof(name) || memchr(id, '\0', idlen) != NULL) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(name, id, idlen);
	name[idlen] = '\0';
	a = agent_new(k, name, descr, created);
	if (a == NULL) {
		if (errno == EINVAL)
			errno = EBADMSG;
		return -1;
	}
	a->no = no;
	a->org = org;
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

struct key *
key_add(struct keys *k, const struct key_new *n)
{
	char		 id[TOKEN_ID + 1];
	struct key	*key;
	size_t		 elen, nlen;

	if (key_id_parse(n->id, id) == -1 || n->agent == NULL ||
	    n->role < ROLE_K_AGENT || n->role > ROLE_K_ADMIN ||
	    n->expires == 0 || key_text_ok(n->name, KEY_NAME) == -1 ||
	    (n->email[0] != '\0' && key_email_ok(n->email) == -1)) {
		errno = EINVAL;
		return NULL;
	}
	if (key_find(k, id, TOKEN_ID) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	if (room(&k->keys) == -1)
		return NULL;
	elen = strlen(n->email) + 1;
	nlen = strlen(n->name) + 1;
	key = calloc(1, sizeof(*key) + elen + nlen);
	if (key == NULL)
		return NULL;
	memcpy(key->id, id, sizeof(key->id));
	memcpy(key->digest, n->digest, KEY_DIGEST);
	key->role = n->role;
	key->dev = n->dev;
	key->org = n->agent->org;
	key->pepper = n->pepper;
	key->agent = n->agent;
	key->created = n->created;
	key->expires = n->expires;
	key->revoked = n->revoked;
	memcpy(key->text, n->email, elen);
	memcpy(key->text + elen, n->name, nlen);
	key->email = key->text;
	key->name = key->text + elen;
	insert(&k->keys, key->id, key);
	if (key->revoked == 0)
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
	return row_out(&w, out);
}

int
key_load(struct keys *k, const void *id, size_t idlen, const void *value,
    size_t len)
{
	char		 name[TOKEN_ID + 1], agent[KEY_AGENT_ID + 1];
	char		 email[KEY_EMAIL + 1], text[KEY_NAME + 1];
	uint8_t		 digest[KEY_DIGEST], version;
	struct key_new	 n;
	struct key	*key;
	struct msgr	 r;
	uint32_t	 org;

	msg_read(&r, 0, value, len);
	version = msg_get_u8(&r);
	n.role = msg_get_u8(&r);
	n.dev = msg_get_u8(&r);
	org = msg_get_u32(&r);
	n.pepper = msg_get_u32(&r);
	msg_get_raw(&r, digest, sizeof(digest));
	n.created = msg_get_u64(&r);
	n.expires = msg_get_u64(&r);
	n.revoked = msg_get_u64(&r);
	msg_get_str(&r, agent, sizeof(agent));
	msg_get_str(&r, email, sizeof(email));
	msg_get_str(&r, text, sizeof(text));
	if (msg_end(&r) == -1 || version != ROW_VERSION || idlen != TOKEN_ID ||
	    n.pepper == 0) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(name, id, TOKEN_ID);
	name[TOKEN_ID] = '\0';
	n.id = name;
	n.digest = digest;
	n.email = email;
	n.name = text;
	n.agent = key_agent_find(k, agent);
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
	key->agent->keys--;
	return 0;
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

const char *
key_role_name(uint8_t role)
{
	static const char *const	 name[] = {
		[ROLE_K_AGENT] = "agent-key",
		[ROLE_K_AUDITOR] = "auditor",
		[ROLE_K_DEVELOPER] = "developer",
		[ROLE_K_ADMIN] = "admin"
	};

	if (role < ROLE_K_AGENT || role > ROLE_K_ADMIN)
		return "?";
	return name[role];
}

/*
 * Civil date from days since 1970 (proleptic Gregorian; years counted from
 * March, so that the leap day is the last of its year).  gmtime would read
 * files the first time.
 */
void
key_time(uint64_t wall, char out[24])
{
	uint64_t	 s, z, era, doe, yoe, doy, mp, y, m, d;

	out[0] = '\0';
	s = wall / 1000;
	if (wall == 0 || s >= 253402300800ULL)
		return;
	z = s / 86400 + 719468;
	era = z / 146097;
	doe = z % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	d = doy - (153 * mp + 2) / 5 + 1;
	m = mp < 10 ? mp + 3 : mp - 9;
	y = yoe + era * 400 + (m <= 2);
	s %= 86400;
	snprintf(out, 24, "%04u-%02u-%02uT%02u:%02u:%02uZ",
	    (unsigned int)(y % 10000), (unsigned int)(m % 100),
	    (unsigned int)(d % 100), (unsigned int)(s / 3600),
	    (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
}
