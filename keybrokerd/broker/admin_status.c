/* SPDX-License-Identifier: ISC */
/*
 * ADMIN_STATUS: one row {section, text} a part of the broker, then the parent's
 * sections (ROLES) as they came.  Text for people; no secret, no e-mail, no
 * prompt; credentials by fingerprint.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "keybrokerd/broker/admin.h"
#include "keybrokerd/broker/vaultkey.h"

#define TEXT_SIZE	8192

struct text {
	size_t	 len;
	char	 s[TEXT_SIZE];
};

/* Appends; what does not fit is cut. */
static void
add(struct text *, const char *, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *fmt, ...)
{
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->len, sizeof(t->s) - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
	if (t->len >= sizeof(t->s))
		t->len = sizeof(t->s) - 1;
}

static void
add_hex(struct text *t, const char *label, const void *p, size_t len)
{
	char	 hex[HEX_SIZE(32)];

	hex_encode(hex, sizeof(hex), p, len);
	add(t, "%s %s\n", label, hex);
}

static void
gateway(struct broker *b, struct text *t)
{
	const char	*why;
	char		 line[320];

	why = gate_open(b) ? NULL : gate_reason(b);
	add(t, "version %s\n", BROKER_VERSION);
	if (gate_open(b))
		add(t, "gate open\n");
	else
		add(t, "gate closed: %s\n", why == NULL ? "starting" : why);
	if (b->gate.closing)
		add(t, "stopping\n");
	if (b->development)
		add(t, "development mode\n");
	add_hex(t, "configuration", b->config, 32);
	if (b->policy >= 0)
		add_hex(t, "policy", b->policy_ids[b->policy], 32);
	if (b->vault_open)
		add(t, "vault key %s, %zu records\n", vault_kid(&b->vault),
		    vault_records(&b->vault));
	sweep_text(b, line, sizeof(line));
	add(t, "%s", line);
}

static void
ledger(struct broker *b, struct text *t)
{
	add(t, "%s\n", b->ledger.up ? "up" : "down");
	add(t, "entries %llu\n", (unsigned long long)b->batch.committed);
	add_hex(t, "root", b->batch.committed_root, 32);
	add(t, "origin %s\n", b->epoch.origin);
	add_hex(t, "pin", b->epoch.pin, 32);
	add(t, "epoch %u\n", b->epoch.number);
	add(t, "batches %llu, entries %llu in this life\n",
	    (unsigned long long)b->batch.batches,
	    (unsigned long long)b->batch.entries);
	add(t, "waiting %zu bytes%s\n", batch_waiting(b),
	    b->batch.outstanding ? ", one batch outstanding" : "");
	if (b->batch.outstanding && b->now >= b->batch.sent)
		add(t, "outstanding for %llu ms\n",
		    (unsigned long long)((b->now - b->batch.sent) / NS_MS));
}

static void
calls(struct broker *b, struct text *t)
{
	static const char *const	 name[CS_MAX] = {
		"free", "admitted", "amending", "committing", "waitcred",
		"released", "settling", "closing"
	};
	uint32_t			 n[CS_MAX], i;

	memset(n, 0, sizeof(n));
	for (i = 0; i < b->high && i < b->ncalls; i++)
		if (b->calls[i].state < CS_MAX)
			n[b->calls[i].state]++;
	add(t, "open %u of %u\n", b->live, b->ncalls);
	for (i = CS_ADMITTED; i < CS_MAX; i++)
		add(t, "%s %u\n", name[i], n[i]);
	add(t, "calls %llu, allowed %llu, denied %llu, failed %llu\n",
	    (unsigned long long)b->count.calls,
	    (unsigned long long)b->count.allowed,
	    (unsigned long long)b->count.denied,
	    (unsigned long long)b->count.failed);
	add(t, "strangers %llu, late %llu, mismatches %llu, orphans %llu, "
	    "settled at the reservation %llu\n",
	    (unsigned long long)b->count.strangers,
	    (unsigned long long)b->count.late,
	    (unsigned long long)b->count.mismatches,
	    (unsigned long long)b->count.orphans,
	    (unsigned long long)b->count.settled_at_reservation);
	add(t, "protocol errors of peers %llu\n",
	    (unsigned long long)b->count.errors);
}

static void
workers(struct broker *b, struct text *t)
{
	static const char *const	 class[4] = { "?", "data", "admin",
	    "both" };
	const struct worker		*w;
	char				 when[24];
	unsigned int			 i, k, links;

	for (i = 0; i < WORKERS_MAX; i++) {
		w = &b->workers[i];
		if (!w->p.up)
			continue;
		for (k = links = 0; k < LINK_ROWS; k++)
			links += w->link[k].id != 0;
		key_time(w->start, when);
		add(t, "slot %u generation %u %s since %s: %u calls, "
		    "%u links, %u errors\n", w->slot, w->generation,
		    class[w->class & 3], when, w->ncalls, links,
		    w->p.errors);
	}
	if (t->len == 0)
		add(t, "none\n");
}

static void
providers(struct broker *b, struct text *t)
{
	struct policy_provider	 p;
	const struct policy	*pol;
	const char		*name[1];
	const struct egress	*e;
	char			 line[1024];
	size_t			 i;

	pol = b->policy < 0 ? NULL : b->policies[b->policy];
	for (i = 0; pol != NULL && i < policy_nproviders(pol); i++) {
		policy_provider(pol, i, &p);
		e = peers_egress(b, p.id);
		add(t, "%s %s%s:%u%s: egress %s\n", p.name,
		    p.scheme == SCHEME_HTTPS ? "https://" : "http://",
		    p.host, p.port, p.insecure ? " insecure" : "",
		    e == NULL || !e->p.up ? "down" : "up");
		if (e != NULL)
			add(t, "  calls answered %llu\n",
			    (unsigned long long)e->done);
		if (e != NULL && e->text[0] != '\0')
			add(t, "  last trouble: %s\n", e->text);
		if (p.auth == AUTH_NONE) {
			add(t, "  no key needed\n");
			continue;
		}
		name[0] = p.key;
		credential_names(b->creds, &b->vault, name, 1, line,
		    sizeof(line));
		add(t, "  %s", line);
	}
}

static void
keys(struct broker *b, struct text *t)
{
	add(t, "agents %zu\n", key_agents(b->keys));
	add(t, "keys %zu, live %zu\n", key_count(b->keys),
	    key_live(b->keys, b->wall));
	add(t, "admin key %s\n", b->admin->fixed ? "from the environment" :
	    b->admin->fresh != NULL ? "made, not shown yet" : "set");
	add(t, "requests %llu, denied %llu\n",
	    (unsigned long long)b->admin->requests,
	    (unsigned long long)b->admin->denied);
	add(t, "secret slots in use %zu, %s\n", secret_in_use(),
	    secret_kind() ? "memfd_secret" : "locked pages");
}

/* Warnings that stay until their source is mended. */
static void
secrets(struct broker *b, struct text *t)
{
	char	 line[TEXT_SIZE - 256];

	if (credential_troubles(b->creds, line, sizeof(line)) > 0)
		add(t, "%s", line);
	else
		add(t, "no warnings\n");
	add(t, "second attempts %llu\n", (unsigned long long)b->count.second);
}

static void
vault(struct broker *b, struct text *t)
{
	t->len = vaultkey_status(b, t->s, sizeof(t->s));
}

static const struct {
	const char	*name;
	void		(*fn)(struct broker *, struct text *);
} sections[] = {
	{ "gateway", gateway },
	{ "ledger", ledger },
	{ "calls", calls },
	{ "workers", workers },
	{ "providers", providers },
	{ "keys", keys },
	{ "secrets", secrets },
	{ "vault", vault }
};

void
admin_status(struct admin_ask *a)
{
	const char	*f[2];
	struct text	 t;
	size_t		 i;

	if (!admin_parsed(a))
		return;
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		t.len = 0;
		t.s[0] = '\0';
		sections[i].fn(a->b, &t);
		f[0] = sections[i].name;
		f[1] = t.s;
		admin_row(a, 200, f, 2);
	}
	for (i = 0; i < a->b->nsections; i++) {
		f[0] = a->b->sections[i].name;
		f[1] = a->b->sections[i].text;
		admin_row(a, 200, f, 2);
	}
	admin_end(a, 200);
}
