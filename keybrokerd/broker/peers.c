/* SPDX-License-Identifier: ISC */
/*
 * Peers and what lies between them: the worker-egress links that the broker
 * makes, the egress of each provider, policies that calls still refer to, and
 * what the loss of a peer means.
 */
#include <stdio.h>
#include <string.h>

#include "keybrokerd/broker/kmslink.h"

#define LINK_BITS	11		/* LINK_ROWS rows */
#define LINK_ROW	((1U << LINK_BITS) - 1)
#define LINK_SEQ	((1U << (32 - LINK_BITS)) - 1)

_Static_assert(LINK_ROWS <= 1 << LINK_BITS, "a link's id ends in its row");

/* ---- links ------------------------------------------------------------- */
struct broker_link *
peers_find(struct broker *b, uint16_t worker, uint32_t id)
{
	struct broker_link	*l;

	if ((id & LINK_ROW) >= LINK_ROWS)
		return NULL;
	l = &b->workers[worker].link[id & LINK_ROW];
	return id != 0 && l->id == id ? l : NULL;
}

/*
 * A free row; -1 none.  A row is never taken over while the egress holds the
 * link: the broker would forget what it can still count and refuse.
 */
static int
free_row(const struct worker *w)
{
	int	 i;

	for (i = 0; i < LINK_ROWS; i++)
		if (w->link[i].id == 0)
			return i;
	return -1;
}

/* An id for that row which no worker's link has. */
static uint32_t
new_id(struct broker *b, int at)
{
	uint32_t	 id;
	int		 i;

	do {
		b->link_seq = b->link_seq >= LINK_SEQ ? 1 : b->link_seq + 1;
		id = b->link_seq << LINK_BITS | (uint32_t)at;
		for (i = 0; i < WORKERS_MAX; i++)
			if (b->workers[i].link[at].id == id)
				break;
	} while (i < WORKERS_MAX);
	return id;
}

static void
no_link(uint16_t worker, uint32_t cookie, uint16_t provider, uint16_t status,
    const char *text, struct outbox *o)
{
	struct msgw	 w;

	msg_open(&w, M_NOLINK);
	msg_put_u32(&w, cookie);
	msg_put_u16(&w, provider);
	msg_put_u16(&w, status);
	msg_put_str(&w, text);
	outbox_send(o, FROM_WORKER, worker, &w);
}

/* The provider's egress, if a link to it can be made; else says why not. */
static struct egress *
linkable(struct broker *b, uint16_t provider, char *text, size_t size)
{
	struct policy_provider	 pr;
	struct egress		*e;

	if (b->policy == -1 || policy_provider_id(b->policies[b->policy],
	    provider, &pr) == -1) {
		strlcpy(text, "The provider is not configured.", size);
		return NULL;
	}
	if (!peers_has_key(b, &pr)) {
		peers_nokey(&pr, text, size);
		return NULL;
	}
	e = peers_egress(b, provider);
	if (e == NULL || !e->p.up) {
		strlcpy(text, "The process that talks to the provider is "
		    "being started; try again.", size);
		return NULL;
	}
	return e;
}

void
peers_link(struct broker *b, uint16_t worker, struct msgr *m,
    struct outbox *o)
{
	struct broker_from	 from;
	struct worker		*w;
	struct egress		*e;
	uint32_t		 cookie;
	uint16_t		 provider;
	char			 text[256];
	int			 at;

	cookie = msg_get_u32(m);
	provider = msg_get_u16(m);
	if (msg_end(m) == -1) {
		memset(&from, 0, sizeof(from));
		from.kind = FROM_WORKER;
		from.index = worker;
		broker_error(b, &from, 0, m->type, "malformed", o);
		return;
	}
	w = &b->workers[worker];
	e = linkable(b, provider, text, sizeof(text));
	at = e == NULL ? -1 : free_row(w);
	if (e != NULL && at == -1)
		strlcpy(text, "This worker has too many links.", sizeof(text));
	if (at == -1) {
		no_link(worker, cookie, provider, 503, text, o);
		return;
	}
	memset(&w->link[at], 0, sizeof(w->link[at]));
	w->link[at].id = new_id(b, at);
	w->link[at].provider = provider;
	outbox_link(o, worker, (uint16_t)(e - b->egress), cookie,
	    w->link[at].id, provider,
	    (uint64_t)w->slot << 32 | w->generation);
}

/* Which worker has it, by the row its id ends in. */
static struct broker_link *
find_any(struct broker *b, uint32_t id)
{
	struct broker_link	*l;
	uint16_t		 i;

	for (i = 0; i < WORKERS_MAX; i++) {
		l = peers_find(b, i, id);
		if (l != NULL)
			return l;
	}
	return NULL;
}

void
peers_upstream(struct broker *b, uint16_t egress, struct msgr *m,
    struct outbox *o)
{
	struct broker_from	 from;
	struct broker_link	*l;
	struct egress		*e;
	const uint8_t		*text;
	size_t			 i, len;
	uint32_t		 id;
	uint8_t			 up;

	id = msg_get_u32(m);
	up = msg_get_u8(m);
	(void)msg_get_u8(m);
	text = msg_get_strv(m, REASON_MAX, &len);
	if (msg_end(m) == -1) {
		memset(&from, 0, sizeof(from));
		from.kind = FROM_EGRESS;
		from.index = egress;
		broker_error(b, &from, 0, m->type, "malformed", o);
		return;
	}
	e = &b->egress[egress];
	if (len >= sizeof(e->text))
		len = sizeof(e->text) - 1;
	for (i = 0; up != 2 && i < len; i++)
		e->text[i] = text[i] >= ' ' && text[i] <= '~' ?
		    (char)text[i] : '?';
	if (up != 2)
		e->text[len] = '\0';
	l = find_any(b, id);
	if (up == 2 && l != NULL && l->provider == e->provider)
		memset(l, 0, sizeof(*l));
}

/* ---- egresses ---------------------------------------------------------- */
struct egress *
peers_egress(struct broker *b, uint16_t provider)
{
	size_t	 i;

	for (i = 0; i < PROVIDERS_MAX; i++)
		if (b->egress[i].used && b->egress[i].provider == provider)
			return &b->egress[i];
	return NULL;
}

/* The same, making a row if there is none; NULL: all are used. */
struct egress *
peers_egress_row(struct broker *b, uint16_t provider)
{
	struct egress	*e;
	size_t		 i;

	e = peers_egress(b, provider);
	for (i = 0; i < PROVIDERS_MAX && e == NULL; i++)
		if (!b->egress[i].used) {
			e = &b->egress[i];
			e->used = 1;
			e->provider = provider;
		}
	return e;
}

int
peers_has_key(struct broker *b, const struct policy_provider *pr)
{
	const uint8_t	*p;
	size_t		 len;

	if (pr->auth == AUTH_NONE)
		return 1;
	return credential_find(b->creds, pr->key, &p, &len) == CRED_OK;
}

void
peers_nokey(const struct policy_provider *pr, char *text, size_t size)
{
	snprintf(text, size, "provider %s has no key: set %s or "
	    "proxyctl secret set %s.", pr->name, pr->key, pr->name);
}

void
peers_spawn(struct broker *b, struct outbox *o)
{
	struct policy_provider	 pr;
	struct egress		*e;
	struct msgw		 w;
	size_t			 i;

	if (b->recover.phase != RC_DONE || b->policy == -1)
		return;
	for (i = 0; i < policy_nproviders(b->policies[b->policy]); i++) {
		policy_provider(b->policies[b->policy], i, &pr);
		if (!peers_has_key(b, &pr))
			continue;
		e = peers_egress_row(b, pr.id);
		if (e == NULL || e->asked)
			continue;
		e->asked = 1;
		msg_open(&w, M_SPAWN);
		msg_put_u8(&w, ROLE_EGRESS);
		msg_put_u16(&w, pr.id);
		outbox_send(o, FROM_PARENT, 0, &w);
	}
}

/* ---- policies ---------------------------------------------------------- */
uint8_t
peers_ref(struct broker *b)
{
	b->policy_refs[b->policy]++;
	return (uint8_t)b->policy;
}

void
peers_unref(struct broker *b, uint8_t row)
{
	b->policy_refs[row]--;
	if (b->policy_refs[row] > 0 || row == b->policy)
		return;
	policy_close(b->policies[row]);
	b->policies[row] = NULL;
}

/* ---- loss -------------------------------------------------------------- */
static void
worker_lost(struct broker *b, uint16_t index, struct outbox *o)
{
	struct worker	*w;

	w = &b->workers[index];
	w->p.up = 0;
	call_worker_lost(b, index, o);
	memset(w->link, 0, sizeof(w->link));
}

static void
egress_lost(struct broker *b, uint16_t index, struct outbox *o)
{
	struct worker	*w;
	size_t		 i, j;

	b->egress[index].p.up = 0;
	call_egress_lost(b, index, o);
	for (i = 0; i < WORKERS_MAX; i++) {
		w = &b->workers[i];
		for (j = 0; w->p.up && j < LINK_ROWS; j++)
			if (w->link[j].provider == b->egress[index].provider)
				memset(&w->link[j], 0, sizeof(w->link[j]));
	}
}

void
peers_lost(struct broker *b, const struct broker_from *from,
    struct outbox *o)
{
	struct peer	*p;

	p = broker_peer(b, from);
	if (p != NULL && !p->up)
		return;
	switch (from->kind) {
	case FROM_PARENT:
		b->finished = 1;
		break;
	case FROM_WORKER:
		worker_lost(b, from->index, o);
		break;
	case FROM_EGRESS:
		egress_lost(b, from->index, o);
		break;
	case FROM_LEDGER:
		b->ledger.up = 0;
		cold_lost(b);
		recover_lost(b);
		break;
	case FROM_KMS:
		kmslink_lost(b, o);
		break;
	case FROM_EXPORT:
		trail_lost(b, o);
		break;
	default:
		if (p != NULL)
			p->up = 0;
		if (from->kind == FROM_CONTROL)
			admin_import_lost(b, from->index);
		break;
	}
}
