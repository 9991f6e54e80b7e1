/* SPDX-License-Identifier: ISC */
/*
 * Administration: one table row a message, rights in role.c; what the first
 * run makes.  On a worker's link a token says who asks; on the control socket
 * the parent has checked the uid.  Each change is an entry and its rows in one
 * unit, and is answered when it is durable.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "keybrokerd/broker/admin.h"
#include "keybrokerd/broker/vaultkey.h"

#define SAFE		4	/* may be asked while the gate is closed */
#define CONTROL		8	/* control socket only */
#define EARLY		16	/* makes sense before recovery, too */

static void	ctl_hello(struct admin_ask *);
static void	ctl_stop(struct admin_ask *);
static void	ctl_reload(struct admin_ask *);
static void	ctl_adminkey(struct admin_ask *);

/* Who may ask for it stands in role.c. */
static const struct row {
	uint16_t	 type;
	unsigned int	 flags;
	void		(*fn)(struct admin_ask *);
} rows[] = {
	{ M_ADMIN_ME,		SAFE,	admin_me },
	{ M_ADMIN_AGENT_CREATE,	0,	admin_agent_create },
	{ M_ADMIN_AGENT_LIST,	SAFE,	admin_agent_list },
	{ M_ADMIN_AGENT_DELETE,	SAFE,	admin_agent_delete },
	/* A suspension works at once, too. */
	{ M_ADMIN_AGENT_EDIT,	SAFE,	admin_agent_edit },
	{ M_ADMIN_KEY_CREATE,	0,	admin_key_create },
	{ M_ADMIN_KEY_LIST,	SAFE,	admin_key_list },
	/* A revocation works at once, whether or not the disk answers. */
	{ M_ADMIN_KEY_REVOKE,	SAFE,	admin_key_revoke },
	{ M_ADMIN_KEY_ROTATE,	0,	admin_key_rotate },
	{ M_ADMIN_AUDIT_LIST,	SAFE,	admin_audit_list },
	{ M_ADMIN_AUDIT_VERIFY,	SAFE,	admin_audit_verify },
	{ M_ADMIN_OVERVIEW,	SAFE,	admin_overview },
	{ M_ADMIN_METRICS,	SAFE,	admin_metrics },
	{ M_ADMIN_SPEND,	SAFE,	admin_spend },
	{ M_ADMIN_STATUS,	SAFE | EARLY, admin_status },
	{ M_ADMIN_QUARANTINE,	SAFE,	admin_quarantine },
	{ M_ADMIN_VAULT_ROTATE,	0,	vaultrotate_asked },
	{ M_ADMIN_SECRET_LIST,	SAFE,	admin_secret_list },
	{ M_CTL_SECRET_SET,	CONTROL, admin_secret_set },
	{ M_CTL_SECRET_TEST,	CONTROL, admin_secret_test },
	{ M_CTL_SECRET_DELETE,	CONTROL, admin_secret_delete },
	{ M_CTL_VAULT_IMPORT,	CONTROL, admin_import },
	{ M_CTL_HELLO,	SAFE | CONTROL | EARLY, ctl_hello },
	{ M_CTL_STOP,	SAFE | CONTROL | EARLY, ctl_stop },
	{ M_CTL_RELOAD,	SAFE | CONTROL | EARLY, ctl_reload },
	{ M_CTL_FIRST,		CONTROL, admin_first },
	{ M_CTL_ADMINKEY,	CONTROL, ctl_adminkey }
};

struct admin *
admin_new(void)
{
	struct admin	*ad;

	ad = calloc(1, sizeof(*ad));
	if (ad != NULL)
		ad->ends = UINT64_MAX;
	return ad;
}

void
admin_free(struct admin *ad)
{
	if (ad == NULL)
		return;
	secret_free(&ad->fresh);
	free(ad);
}

/* ---- entries ------------------------------------------------------------ */

static void
put(struct entry_w *w, unsigned int key, const char *s)
{
	if (s != NULL && s[0] != '\0')
		entry_put_text(w, key, s, strlen(s));
}

/* The worker on whose word it rests. */
static void
put_claimant(struct entry_w *w, const struct worker *k)
{
	entry_map(w, EK_CLAIMANT);
	entry_put_uint(w, ES_CLAIMANT_SLOT, k->slot);
	entry_put_uint(w, ES_CLAIMANT_GENERATION, k->generation);
	entry_close(w);
}

static void
put_caller(struct entry_w *w, const struct admin_ask *a)
{
	entry_map(w, EK_CALLER);
	if (a->who.key != NULL) {
		put(w, ES_CALLER_KEY, a->who.key->id);
		entry_put_uint(w, ES_CALLER_AGENT, a->who.agent->no);
	}
	put(w, ES_CALLER_ROLE, key_role_name(a->who.role));
	put(w, ES_CALLER_CLASS, a->from == NULL ? "gateway" :
	    a->from->kind == FROM_CONTROL ? "control" : "admin");
	entry_close(w);
}

/*
 * Personal data never enters a leaf (audit.md 3.8): key ids and agents do, an
 * e-mail address and a key's label stay in the key row.
 */
uint64_t
admin_entry(struct admin_ask *a, const struct admin_change *c)
{
	struct entry_w	*w;

	w = c->type == ET_ADMIN ? audit_begin_admin(a->b, c->what) :
	    audit_begin(a->b, c->type);
	if (a->from != NULL && a->from->kind == FROM_WORKER)
		put_claimant(w, &a->b->workers[a->from->index]);
	audit_org(w, KEY_ORG);
	entry_map(w, EK_CHANGE);
	put(w, ES_CHANGE_KIND, c->kind);
	put(w, ES_CHANGE_ID, c->id);
	put(w, ES_CHANGE_OWNER, c->owner);
	if (c->role != 0)
		put(w, ES_CHANGE_ROLE, key_role_name(c->role));
	if (c->expires != 0)
		entry_put_uint(w, ES_CHANGE_EXPIRES, c->expires / 1000);
	put(w, ES_CHANGE_REASON, c->reason);
	put(w, ES_CHANGE_ACTOR, a->actor);
	entry_close(w);
	put_caller(w, a);
	return audit_end(a->b);
}

/* ---- dispatch ----------------------------------------------------------- */

int
admin_parsed(struct admin_ask *a)
{
	if (msg_end(a->m) == 0)
		return 1;
	broker_error(a->b, a->from, 0, a->m->type, "malformed message", a->o);
	return 0;
}

/* Whose refusals are counted together; at most 15 characters. */
static void
caller_name(const struct admin_ask *a, char out[16])
{
	if (a->who.key != NULL)
		strlcpy(out, a->who.key->id, 16);
	else
		snprintf(out, 16, "%.15s", a->actor);
}

void
admin_deny(struct admin_ask *a, const char *code, const char *fmt, ...)
{
	struct admin_change	 c = { .type = ET_ADMIN, .what = "denied",
	    .kind = "request", .reason = code };
	char			 who[16], text[REASON_MAX];
	va_list			 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	a->b->admin->denied++;
	caller_name(a, who);
	if (gate_open(a->b) && deny_may(a->b, who, KEY_ORG)) {
		c.id = permit_name(a->m->type);
		c.role = a->who.role;
		admin_entry(a, &c);
	}
	admin_fail(a, strcmp(code, "invalid_api_key") == 0 ? 401 : 403, code,
	    "%s", text);
}

/* A key that may not be used from there: 0, or -1: answered. */
static int
in_scope(struct admin_ask *a)
{
	struct scope_facts	 f;

	memset(&f, 0, sizeof(f));
	f.source = a->source;
	if (scope_judge(a->who.key->scope, &f) == SCOPE_OK &&
	    scope_judge(a->who.agent->scope, &f) == SCOPE_OK)
		return 0;
	admin_deny(a, "policy_block", "this key may not be used from this "
	    "source network");
	return -1;
}

/* 0 and a->who filled, or -1: answered. */
static int
identify(struct admin_ask *a)
{
	const uint8_t		*token;
	enum authn_result	 r;
	size_t			 len;

	token = msg_get_strv(a->m, TOKEN_MAX, &len);
	msg_get_str(a->m, a->source, sizeof(a->source));
	if (token == NULL || a->m->bad) {
		broker_error(a->b, a->from, 0, a->m->type,
		    "malformed message", a->o);
		return -1;
	}
	r = authn_check(a->b->keys, &a->b->vault, (const char *)token, len,
	    a->b->wall, &a->who);
	if (a->who.key != NULL)
		snprintf(a->actor, sizeof(a->actor), "dk_%s",
		    a->who.key->id);
	else
		strlcpy(a->actor, "admin-key", sizeof(a->actor));
	if (r != AUTHN_OK && a->who.key != NULL) {
		admin_deny(a, "invalid_api_key", "%s", authn_text(r));
		return -1;
	}
	if (r != AUTHN_OK) {
		a->b->count.strangers++;
		authn_fail(&a->b->fails, r, a->source, a->b->wall);
		admin_fail(a, 401, "invalid_api_key", "%s", authn_text(r));
		return -1;
	}
	return a->who.key == NULL ? 0 : in_scope(a);
}

/* The control socket: its uid is the identity.  0, or -1: answered. */
static int
identify_control(struct admin_ask *a, int hastoken)
{
	const struct control	*c;
	size_t			 len;

	c = &a->b->control[a->from->index];
	if (hastoken) {
		msg_get_strv(a->m, TOKEN_MAX, &len);
		msg_get_strv(a->m, sizeof(a->source) - 1, &len);
	}
	snprintf(a->actor, sizeof(a->actor), "uid %u", c->uid);
	if (!c->admin) {
		admin_deny(a, "permission_denied", "uid %u may not administer "
		    "this gateway", c->uid);
		return -1;
	}
	a->who.role = ROLE_K_ADMIN;
	return 0;
}

static const struct row *
find_row(uint16_t type)
{
	size_t	 i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

void
admin_message(struct broker *b, const struct broker_from *from,
    struct msgr *m, struct outbox *o)
{
	struct admin_ask	 a;
	const struct row	*row;
	int			 control;

	memset(&a, 0, sizeof(a));
	a.b = b;
	a.from = from;
	a.o = o;
	a.m = m;
	control = from->kind == FROM_CONTROL;
	row = find_row(m->type);
	if (row == NULL || (!control && ((row->flags & CONTROL) ||
	    from->kind != FROM_WORKER ||
	    !(b->workers[from->index].class & CLASS_ADMIN)))) {
		broker_error(b, from, 0, m->type, "not on this link", o);
		return;
	}
	a.cookie = msg_get_u32(m);
	b->admin->requests++;
	/* No keys are loaded yet: nobody can be known, nothing be found. */
	if (!b->gate.recovered && !(control && (row->flags & EARLY))) {
		admin_fail(&a, 503, "not_ready", "the gateway is starting");
		return;
	}
	if ((control ? identify_control(&a, !(row->flags & CONTROL)) :
	    identify(&a)) == -1)
		return;
	a.right = role_may(m->type, a.who.role);
	if (a.right == ROLE_NO) {
		admin_deny(&a, "permission_denied", "a key of role %s may not "
		    "do this", key_role_name(a.who.role));
		return;
	}
	if (!(row->flags & SAFE) && !gate_open(b)) {
		admin_fail(&a, 503, "not_ready", "no change can be recorded "
		    "now: %s", gate_reason(b) == NULL ? "starting" :
		    gate_reason(b));
		return;
	}
	row->fn(&a);
}

/* ---- control socket ----------------------------------------------------- */

static void
ctl_hello(struct admin_ask *a)
{
	const char	*f[2] = { "1", BROKER_VERSION };
	uint16_t	 version;

	version = msg_get_u16(a->m);
	if (!admin_parsed(a))
		return;
	if (version != 1) {
		admin_fail(a, 400, "protocol_version", "this gateway speaks "
		    "version 1 of the control protocol, not %u", version);
		return;
	}
	admin_row(a, 200, f, 2);
	admin_end(a, 200);
}

static void
ask_parent(struct admin_ask *a, uint8_t what)
{
	struct msgw	 w;

	if (!admin_parsed(a))
		return;
	msg_open(&w, M_ASK);
	msg_put_u8(&w, what);
	outbox_send(a->o, FROM_PARENT, 0, &w);
	admin_end(a, 202);
}

static void
ctl_stop(struct admin_ask *a)
{
	ask_parent(a, 1);
}

static void
ctl_reload(struct admin_ask *a)
{
	ask_parent(a, 2);
}

/* A new admin key in force: its digest is a vault record.  NULL: answered. */
static struct secret *
new_admin(struct admin_ask *a, int *first)
{
	struct secret	*s;

	s = authn_admin_make(&a->b->env.rng);
	if (s != NULL && authn_admin_set(&a->b->vault, &a->b->env.rng,
	    (const char *)secret_bytes(s), secret_len(s), batch_emit, a->b,
	    first) == -1)
		secret_free(&s);
	return s;
}

static void
admin_key_entry(struct admin_ask *a, int first, const char *reason)
{
	struct admin_change	 c = { .kind = "admin-key", .id = "bootstrap",
	    .role = ROLE_K_ADMIN };

	c.type = first ? ET_KEY_ADD : ET_KEY_ROTATE;
	c.reason = reason;
	admin_entry(a, &c);
}

static void
ctl_adminkey(struct admin_ask *a)
{
	char		 text[TOKEN_MAX + 1];
	const char	*f[1] = { text };
	struct secret	*s;
	int		 first;

	if (!admin_parsed(a))
		return;
	if (a->b->admin->fixed) {
		admin_fail(a, 409, "admin_key_is_set", "the admin key comes "
		    "from TAPPASS_ADMIN_API_KEY: change it there");
		return;
	}
	s = new_admin(a, &first);
	if (s == NULL) {
		admin_fail(a, 503, "no_memory", "no room for another secret");
		return;
	}
	/* The one that was not shown yet is void now. */
	secret_free(&a->b->admin->fresh);
	memcpy(text, secret_bytes(s), secret_len(s));
	text[secret_len(s)] = '\0';
	secret_free(&s);
	admin_key_entry(a, first, "asked for");
	if (admin_then(a, 200, f, 1, 1) == -1)
		admin_fail(a, 503, "no_memory", "no room for another secret");
	secret_wipe(text, sizeof(text));
}

/* ---- start -------------------------------------------------------------- */

/* The admin key that the environment names, if it does: 1, else 0. */
static int
start_given(struct admin_ask *a)
{
	char		 err[CREDENTIAL_ERR];
	struct secret	*s;
	int		 rv, first;

	rv = credential_special(a->b->creds, CRED_ADMINKEY, &s, err,
	    sizeof(err));
	if (rv == -1)
		fatalx("%s", err);
	if (rv == 0)
		return 0;
	rv = authn_admin_set(&a->b->vault, &a->b->env.rng,
	    (const char *)secret_bytes(s), secret_len(s), batch_emit, a->b,
	    &first);
	secret_free(&s);
	if (rv == -1)
		fatal("admin key");
	if (rv == 1)
		admin_key_entry(a, first, "from the environment");
	return 1;
}

void
admin_start(struct broker *b, struct outbox *o)
{
	struct admin_ask	 a;
	int			 made, first;

	memset(&a, 0, sizeof(a));
	a.b = b;
	a.o = o;
	key_store_sort(b->keys);
	strlcpy(a.actor, "gateway", sizeof(a.actor));
	a.who.role = ROLE_K_ADMIN;
	if (vault_pepper(&b->vault, 0, NULL) == NULL &&
	    vault_get_or_make(&b->vault, &b->env.rng, VAULT_PEPPER "/1", 32,
	    batch_emit, b) == NULL)
		fatal("pepper");
	if (vault_get_or_make(&b->vault, &b->env.rng, VAULT_FPRINT, 32,
	    batch_emit, b) == NULL)
		fatal("fingerprint key");
	b->admin->fixed = start_given(&a);
	if (!authn_admin_known(&b->vault)) {
		b->admin->fresh = new_admin(&a, &first);
		if (b->admin->fresh == NULL)
			fatal("admin key");
		admin_key_entry(&a, first, "first run");
	}
	if (admin_agent(&a, ADMIN_DEFAULT, &made) == NULL)
		fatal("agent %s", ADMIN_DEFAULT);
	b->admin->ends = key_ends(b->keys);
	b->admin->started = b->wall;
}
