/* SPDX-License-Identifier: ISC */
/*
 * Values of names that no provider uses, as an administrator sees them: set,
 * listed, deleted.  They are in the ledger, so a question about them is
 * answered when its page is here.
 */
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/admin.h"

/* The row's name; -1: it cannot be one (variable names and paths can). */
int
admin_cold_name(char out[VAULT_NAME], const char *name)
{
	size_t	 i;

	for (i = 0; name[i] != '\0'; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return -1;
	if (i == 0 || i + 4 >= VAULT_NAME)
		return -1;
	snprintf(out, VAULT_NAME, "key/%s", name);
	return 0;
}

int
admin_cold_ask(struct admin_ask *a, enum cold_use use, const char *name)
{
	struct cold_ask	 q;

	memset(&q, 0, sizeof(q));
	q.use = (uint8_t)use;
	strlcpy(q.name, name, sizeof(q.name));
	q.to = *a->from;
	q.gen = broker_peer(a->b, a->from)->gen;
	q.cookie = a->cookie;
	strlcpy(q.actor, a->actor, sizeof(q.actor));
	return cold_ask(a->b, &q);
}

/* The request as it was; -1: whoever asked is gone. */
static int
resume(struct broker *b, const struct cold_ask *q, struct admin_ask *a,
    struct outbox *o)
{
	const struct peer	*p;

	memset(a, 0, sizeof(*a));
	a->b = b;
	a->from = &q->to;
	a->o = o;
	a->cookie = q->cookie;
	a->who.role = ROLE_K_ADMIN;
	strlcpy(a->actor, q->actor, sizeof(a->actor));
	p = broker_peer(b, &q->to);
	return p != NULL && p->up && p->gen == q->gen ? 0 : -1;
}

/* ---- set --------------------------------------------------------------- */
void
admin_cold_set(struct admin_ask *a, const char *name, const uint8_t *p,
    size_t len)
{
	const char	*f[4];
	struct secret	*s;
	char		 rec[VAULT_NAME];
	int		 r;

	if (admin_cold_name(rec, name) == -1) {
		admin_fail(a, 400, "bad_name", "a name has 1 to 75 printable "
		    "characters and no blank");
		return;
	}
	s = credential_pack(p, len, a->b->wall);
	/* one that a provider used once is resident, and stays so */
	if (s != NULL && vault_get(&a->b->vault, rec) != NULL)
		r = vault_put(&a->b->vault, &a->b->env.rng, rec, &s,
		    batch_emit, a->b);
	else
		r = s == NULL ? -1 : cold_store(a->b, rec, s);
	secret_free(&s);
	if (r == -1) {
		admin_fail(a, 503, "no_memory", "no room for another secret");
		return;
	}
	f[0] = name;
	f[1] = "";
	f[2] = "stored";
	f[3] = "no provider uses it: it serves once the configuration does";
	admin_secret_entry(a, "secret.set", name, "stored for no provider");
	admin_then(a, 200, f, 4, 0);
}

/* ---- list, delete ------------------------------------------------------ */
void
admin_cold_listed(struct broker *b, const struct cold_ask *q,
    struct outbox *o)
{
	struct admin_ask	 a;
	struct cold_row		 r;
	const struct cold	*c;
	const char		*f[8] = { NULL, "", "vault", "stored", "", "",
				    "", "" };
	char			 note[64];
	uint64_t		 n;
	size_t			 at;

	if (resume(b, q, &a, o) == -1)
		return;
	c = &b->cold;
	n = 0;
	for (at = 0; cold_row(c->page, c->have, &at, &r); n++) {
		f[0] = strncmp(r.name, "key/", 4) == 0 ? r.name + 4 : r.name;
		if (at == c->have && c->total > n + 1) {
			snprintf(note, sizeof(note), "and %llu more",
			    (unsigned long long)(c->total - n - 1));
			f[7] = note;
		}
		admin_row(&a, 200, f, 8);
	}
	admin_end(&a, 200);
}

void
admin_cold_found(struct broker *b, const struct cold_ask *q, struct outbox *o)
{
	struct admin_ask	 a;
	struct cold_row		 r;
	const char		*f[2];
	size_t			 at;

	if (resume(b, q, &a, o) == -1)
		return;
	at = 0;
	if (!cold_row(b->cold.page, b->cold.have, &at, &r) ||
	    strcmp(r.name, q->name) != 0) {
		admin_fail(&a, 404, "unknown_secret", "the vault has no value "
		    "of %.64s, and no file lost one", q->name + 4);
		return;
	}
	cold_forget(b, q->name);
	f[0] = q->name + 4;
	f[1] = "stored for no provider";
	admin_secret_entry(&a, "secret.delete", f[0], f[1]);
	admin_then(&a, 200, f, 2, 0);
}
