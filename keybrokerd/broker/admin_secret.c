/* SPDX-License-Identifier: ISC */
/*
 * Provider secrets, as an administrator sees and changes them: list, set, test,
 * delete.  A value comes by the control socket only, from proxyctl, and is
 * never told again: people see 16 hex digits of its fingerprint.  A test is a
 * call of the broker's own: recorded, released by the same gate as any other,
 * sent by the provider's egress; it has no worker and no link.
 */
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/sha256.h"
#include "common/text/text.h"
#include "keybrokerd/broker/admin.h"

#define PROBE_LINK	0x80000000U	/* ids that no worker's link has */
#define PROBE_TIME	(15 * NS_S)

/* ---- names --------------------------------------------------------------- */

/* A variable that a provider uses, or the provider's name; -1 neither. */
static int
find(struct broker *b, const char *name, struct policy_provider *pr)
{
	const struct policy	*p;
	size_t			 i;

	p = b->policy == -1 ? NULL : b->policies[b->policy];
	for (i = 0; p != NULL && i < policy_nproviders(p); i++) {
		policy_provider(p, i, pr);
		if (pr->auth != AUTH_NONE && (strcmp(pr->key, name) == 0 ||
		    strcmp(pr->name, name) == 0))
			return 0;
	}
	return -1;
}

int
admin_secret_claimed(struct broker *b, const char *name)
{
	struct policy_provider	 pr;

	return find(b, name, &pr) == 0 && strcmp(pr.key, name) == 0;
}

static void
hex_of(const uint8_t *fprint, char hex[HEX_SIZE(8)])
{
	hex_encode(hex, HEX_SIZE(8), fprint, 8);
}

void
admin_secret_entry(struct admin_ask *a, const char *what, const char *name,
    const char *reason)
{
	struct admin_change	 c = { .type = ET_ADMIN, .kind = "secret" };

	c.what = what;
	c.id = name;
	c.reason = reason;
	admin_entry(a, &c);
}

/* ---- list ---------------------------------------------------------------- */

static void
list_row(struct admin_ask *a, const char *name, const char *provider,
    const struct credential_row *r)
{
	const char	*f[8];
	char		 since[24], used[24], hex[HEX_SIZE(8)];

	since[0] = used[0] = hex[0] = '\0';
	if (r->since != 0)
		key_time(r->since, since);
	if (r->used != 0)
		key_time(r->used, used);
	if (r->has_fprint)
		hex_of(r->fprint, hex);
	f[0] = name;
	f[1] = provider;
	f[2] = r->source;
	f[3] = r->state;
	f[4] = since;
	f[5] = hex;
	f[6] = used;
	f[7] = r->note;
	admin_row(a, 200, f, 8);
}

static void
list_name(struct admin_ask *a, const char *name, const char *provider)
{
	struct credential_row	 r;
	size_t			 i;

	for (i = 0; credential_row(a->b->creds, name, i, &r) == 0; i++)
		list_row(a, name, provider, &r);
	if (i > 0)
		return;
	memset(&r, 0, sizeof(r));
	r.state = "absent";
	list_row(a, name, provider, &r);
}

/* Records of the vault that no provider uses: they can be deleted. */
static void
list_unclaimed(struct admin_ask *a)
{
	struct policy_provider	 pr;
	const struct vault	*v;
	const char		*rec;
	size_t			 i;

	v = &a->b->vault;
	for (i = 0; i < v->n; i++) {
		rec = v->records[i].name;
		if (strncmp(rec, "key/", 4) != 0 &&
		    strncmp(rec, "new/", 4) != 0)
			continue;
		if (find(a->b, rec + 4, &pr) == -1)
			list_name(a, rec + 4, "");
	}
}

void
admin_secret_list(struct admin_ask *a)
{
	struct policy_provider	 pr, other;
	const struct policy	*p;
	size_t			 i;

	if (!admin_parsed(a))
		return;
	p = a->b->policy == -1 ? NULL : a->b->policies[a->b->policy];
	for (i = 0; p != NULL && i < policy_nproviders(p); i++) {
		policy_provider(p, i, &pr);
		if (pr.auth != AUTH_NONE && find(a->b, pr.key, &other) == 0 &&
		    other.id == pr.id)
			list_name(a, pr.key, pr.name);
	}
	list_unclaimed(a);
	/* the stored ones are in the ledger: they end the answer */
	if (!a->b->ledger.up || admin_cold_ask(a, COLD_LIST, "") == -1)
		admin_end(a, 200);
}

/* ---- set, delete --------------------------------------------------------- */

static void
answer_set(struct admin_ask *a, const char *name, int staged)
{
	const char		*f[4];
	struct credential_row	 r;
	char			 hex[HEX_SIZE(8)], reason[128];
	size_t			 i;

	hex[0] = '\0';
	f[2] = "shadowed";
	f[3] = "another source comes first: see \"proxyctl secret list\"";
	for (i = 0; credential_row(a->b->creds, name, i, &r) == 0; i++) {
		if (strcmp(r.source, "vault") != 0 ||
		    (strcmp(r.state, "staged") == 0) != staged)
			continue;
		hex_of(r.fprint, hex);
		if (strcmp(r.state, "shadowed") != 0) {
			f[2] = staged ? "staged" : "in use";
			f[3] = staged ? "it serves once \"proxyctl secret "
			    "test\" has proved it" : "";
		}
	}
	f[0] = name;
	f[1] = hex;
	snprintf(reason, sizeof(reason), "%s, fingerprint %s", f[2], hex);
	admin_secret_entry(a, "secret.set", name, reason);
	admin_then(a, 200, f, 4, 0);
}

void
admin_secret_set(struct admin_ask *a)
{
	struct policy_provider	 pr;
	const uint8_t		*p, *old;
	const char		*why;
	char			 name[CREDENTIAL_NAME];
	size_t			 len, oldlen;
	uint8_t			 how;
	int			 staged, r;

	msg_get_str(a->m, name, sizeof(name));
	how = msg_get_u8(a->m);
	p = msg_get_blob(a->m, 4000, &len);
	if (p == NULL || !admin_parsed(a))
		return;
	if (len > 0 && p[len - 1] == '\n')
		len--;
	if ((why = credential_judge(p, len)) != NULL) {
		admin_fail(a, 400, "bad_value", "the value is not stored: %s",
		    why);
		return;
	}
	if (find(a->b, name, &pr) == -1) {
		admin_cold_set(a, name, p, len);
		secret_wipe((void *)(uintptr_t)p, len);
		return;
	}
	staged = how == 0 && credential_find(a->b->creds, pr.key, &old,
	    &oldlen) == CRED_OK;
	r = credential_store(&a->b->vault, &a->b->env.rng, staged ? "new" :
	    "key", pr.key, p, len, a->b->wall, batch_emit, a->b);
	secret_wipe((void *)(uintptr_t)p, len);
	if (r == -1) {
		admin_fail(a, 503, "no_memory", "no room for another secret");
		return;
	}
	credential_touch(a->b->creds);
	answer_set(a, pr.key, staged);
	parent_changed(a->b, NULL, a->o);
}

static int
unstore(struct broker *b, const char *which, const char *name)
{
	char	 rec[VAULT_NAME];

	if (!credential_unstore(&b->vault, which, name))
		return 0;
	snprintf(rec, sizeof(rec), "%s/%s", which, name);
	batch_delete(b, ST_VAULT, rec, strlen(rec));
	return 1;
}

void
admin_secret_delete(struct admin_ask *a)
{
	struct policy_provider	 pr;
	const char		*f[2], *key;
	char			 name[CREDENTIAL_NAME], reason[128];
	char			 rec[VAULT_NAME];
	size_t			 stored, kept;

	msg_get_str(a->m, name, sizeof(name));
	if (!admin_parsed(a))
		return;
	key = find(a->b, name, &pr) == 0 ? pr.key : name;
	stored = (size_t)unstore(a->b, "key", key);
	stored += (size_t)unstore(a->b, "new", key);
	kept = credential_drop_kept(a->b->creds, key);
	if (stored + kept == 0) {
		if (admin_cold_name(rec, key) == 0 &&
		    admin_cold_ask(a, COLD_DELETE, rec) == 0)
			return;
		admin_fail(a, 404, "unknown_secret", "the vault has no value "
		    "of %.64s, and no file lost one", name);
		return;
	}
	credential_touch(a->b->creds);
	snprintf(reason, sizeof(reason), "%zu of the vault, %zu that their "
	    "files lost", stored, kept);
	f[0] = key;
	f[1] = reason;
	admin_secret_entry(a, "secret.delete", key, reason);
	admin_then(a, 200, f, 2, 0);
	parent_changed(a->b, NULL, a->o);
}

/* ---- changes of the sources ---------------------------------------------- */

void
admin_secret_changed(struct broker *b)
{
	struct admin_ask	 a;
	char			 name[CREDENTIAL_NAME], from[256];
	char			 reason[200], hex[HEX_SIZE(8)];
	uint8_t			 fprint[CREDENTIAL_FPRINT];

	while (credential_changed(b->creds, name, from, fprint)) {
		if (b->recover.phase != RC_DONE || !b->booted)
			continue;
		hex_of(fprint, hex);
		if (from[0] == '\0')
			strlcpy(reason, "no value any more", sizeof(reason));
		else
			snprintf(reason, sizeof(reason), "fingerprint %s, "
			    "from %.120s", hex, from);
		log_info("%s: %s", name, reason);
		memset(&a, 0, sizeof(a));
		a.b = b;
		strlcpy(a.actor, "gateway", sizeof(a.actor));
		a.who.role = ROLE_K_ADMIN;
		admin_secret_entry(&a, "secret.change", name, reason);
	}
}

/* ---- test ---------------------------------------------------------------- */

static struct probe *
probe_of(struct broker *b, const uint8_t id[CALL_ID])
{
	size_t	 i;

	for (i = 0; i < ADMIN_PROBES; i++)
		if (b->admin->probes[i].used &&
		    (id == NULL || memcmp(b->admin->probes[i].id, id,
		    CALL_ID) == 0))
			return &b->admin->probes[i];
	return NULL;
}

static struct probe *
probe_free(struct broker *b)
{
	size_t	 i;

	for (i = 0; i < ADMIN_PROBES; i++)
		if (!b->admin->probes[i].used)
			return &b->admin->probes[i];
	return NULL;
}

static void
probe_ask(struct broker *b, struct call *c, const struct policy_provider *pr,
    const struct policy_route *rt)
{
	struct ask	*q;

	q = &c->ask;
	q->kind = KIND_PROBE;
	q->dialect = pr->dialect;
	q->route = rt->route;
	q->provider = pr->id;
	q->deadline = c->latest = b->now + PROBE_TIME;
	sha256_buf("", 0, q->sha256);
	strlcpy(q->method, "GET", sizeof(q->method));
	strlcpy(q->source, "control", sizeof(q->source));
}

/* The call of a test, on its way to the log; NULL: too many calls. */
static struct call *
probe_call(struct broker *b, const struct policy_provider *pr,
    const struct policy_route *rt, const uint8_t fprint[CREDENTIAL_FPRINT])
{
	struct decision	 d;
	struct egress	*e;
	struct call	*c;
	uint64_t	 no;

	e = peers_egress(b, pr->id);
	no = ++b->admin->probe_no;
	c = table_new(b, PROBE_WORKER, no);
	if (c == NULL)
		return NULL;
	c->worker_gen = NEVER & UINT32_MAX;
	probe_ask(b, c, pr, rt);
	if (policy_path(pr, rt, NULL, c->ask.path, sizeof(c->ask.path)) == -1 ||
	    policy_query(pr, c->ask.query, sizeof(c->ask.query)) == -1) {
		table_free(b, c);
		return NULL;
	}
	table_link(b, c, PROBE_LINK | ((uint32_t)no & 0x7fffffff));
	b->env.rng.fill(b->env.rng.arg, c->id, CALL_ID);
	c->egress = (uint16_t)(e - b->egress);
	c->egress_gen = e->p.gen;
	c->policy = peers_ref(b);
	c->org = KEY_ORG;
	c->role = ROLE_K_ADMIN;
	c->attempt = 1;
	strlcpy(c->key, "control", sizeof(c->key));
	memcpy(c->fprint, fprint, sizeof(c->fprint));
	memset(&d, 0, sizeof(d));
	d.provider = *pr;
	d.route = *rt;
	audit_intent(b, c, &d);
	batch_then_call(b, c);
	c->state = CS_COMMITTING;
	fair_deadline(b, c, b->now + DL_COMMITTING);
	return c;
}

/* Which value: the staged one, else the one in use.  -1 none. */
static int
probe_value(struct broker *b, const char *name, int *staged,
    uint8_t fprint[CREDENTIAL_FPRINT])
{
	const uint8_t	*p;
	uint64_t	 since;
	size_t		 len;

	p = credential_stored(&b->vault, "new", name, &len, &since);
	*staged = p != NULL;
	if (p == NULL && credential_find(b->creds, name, &p, &len) != CRED_OK)
		return -1;
	return credential_fingerprint(&b->vault, p, len, fprint);
}

void
admin_secret_test(struct admin_ask *a)
{
	struct policy_provider	 pr;
	struct policy_route	 rt;
	struct egress		*e;
	struct probe		*q;
	struct call		*c;
	uint8_t			 fprint[CREDENTIAL_FPRINT];
	char			 name[CREDENTIAL_NAME];
	int			 staged;

	msg_get_str(a->m, name, sizeof(name));
	if (!admin_parsed(a))
		return;
	if (find(a->b, name, &pr) == -1 || policy_route_id(
	    a->b->policies[a->b->policy], ROUTE_MODELS, &rt) == -1) {
		admin_fail(a, 404, "unknown_secret", "no provider uses %.64s",
		    name);
		return;
	}
	if (probe_value(a->b, pr.key, &staged, fprint) == -1) {
		admin_fail(a, 404, "no_value", "%s has no value", pr.key);
		return;
	}
	e = peers_egress(a->b, pr.id);
	q = probe_free(a->b);
	c = e == NULL || !e->p.up || q == NULL ? NULL :
	    probe_call(a->b, &pr, &rt, fprint);
	if (c == NULL) {
		admin_fail(a, 503, "not_ready", "the process that talks to %s "
		    "is not ready; try again", pr.name);
		return;
	}
	memset(q, 0, sizeof(*q));
	q->used = 1;
	q->staged = (uint8_t)staged;
	q->to = *a->from;
	q->gen = broker_peer(a->b, a->from)->gen;
	q->cookie = a->cookie;
	memcpy(q->id, c->id, CALL_ID);
	strlcpy(q->name, pr.key, sizeof(q->name));
	strlcpy(q->actor, a->actor, sizeof(q->actor));
}

/* The proved value serves from now on.  0, or -1: it is not there any more. */
static int
promote(struct broker *b, const struct probe *q, const struct call *c)
{
	const uint8_t	*p;
	uint64_t	 since;
	size_t		 len;
	uint8_t		 fprint[CREDENTIAL_FPRINT];
	int		 r;

	p = credential_stored(&b->vault, "new", q->name, &len, &since);
	if (p == NULL || credential_fingerprint(&b->vault, p, len,
	    fprint) == -1 || memcmp(fprint, c->fprint, sizeof(fprint)) != 0)
		return -1;
	r = credential_store(&b->vault, &b->env.rng, "key", q->name, p, len,
	    b->wall, batch_emit, b);
	if (r == -1)
		return -1;
	unstore(b, "new", q->name);
	credential_touch(b->creds);
	return 0;
}

/* Only a list of models proves a key; a refusal is a refusal. */
static const char *
verdict(const struct call *c)
{
	unsigned int	 status;

	status = c->here & CH_DONE ? c->done.status : 0;
	if (status >= 200 && status < 300 && c->done.end == END_OK)
		return "accepted";
	return status == 401 || status == 403 ? "refused" : "unknown";
}

void
admin_secret_probed(struct broker *b, struct call *c)
{
	struct admin_ask	 a;
	const struct peer	*peer;
	struct probe		*q;
	const char		*f[5];
	char			 hex[HEX_SIZE(8)], status[8], reason[160];

	if ((q = probe_of(b, c->id)) == NULL)
		return;
	q->used = 0;
	memset(&a, 0, sizeof(a));
	a.b = b;
	a.from = &q->to;
	a.cookie = q->cookie;
	a.who.role = ROLE_K_ADMIN;
	strlcpy(a.actor, q->actor, sizeof(a.actor));
	hex_of(c->fprint, hex);
	snprintf(status, sizeof(status), "%u", c->here & CH_DONE ?
	    c->done.status : 0U);
	f[0] = q->name;
	f[1] = hex;
	f[2] = verdict(c);
	f[3] = status;
	f[4] = !q->staged ? "the value in use" : "the staged value; the one "
	    "in use stays";
	if (q->staged && strcmp(f[2], "accepted") == 0 &&
	    promote(b, q, c) == 0)
		f[4] = "the staged value; it is the vault's value now";
	snprintf(reason, sizeof(reason), "%s (status %s), fingerprint %s: %s",
	    f[2], status, hex, f[4]);
	admin_secret_entry(&a, "secret.test", q->name, reason);
	admin_secret_changed(b);
	peer = broker_peer(b, a.from);
	if (peer != NULL && peer->up && peer->gen == q->gen)
		admin_then(&a, 200, f, 5, 0);
}
