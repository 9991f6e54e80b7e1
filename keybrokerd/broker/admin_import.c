/* SPDX-License-Identifier: ISC */
/*
 * proxyctl vault import: ciphertexts of another vault under one of our keys
 * become values of ours.  Each is opened, judged, sealed anew under its own
 * name, and stored; a line that is refused ends the run, what stood before it
 * is stored.  One entry a run; META "import" counts a run that is under way,
 * so that a broker that dies leaves one that the next can write.
 */
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/text/be.h"
#include "keybrokerd/broker/admin.h"

#define META		"import"
#define TEXT_MAX	VAULT_TEXT(VAULT_PLAIN)

/* ---- the run ----------------------------------------------------------- */
static void
remember(struct broker *b)
{
	uint8_t	 v[16 + sizeof(b->import.actor)];
	size_t	 n;

	be_put64(v, b->import.stored);
	be_put64(v + 8, b->import.legacy);
	n = strlen(b->import.actor);
	memcpy(v + 16, b->import.actor, n);
	batch_state(b, ST_META, META, strlen(META), v, 16 + n);
}

/* The entry of the run; how it ended, "" well. */
static void
end(struct broker *b, const char *how)
{
	struct admin_change	 c = { .type = ET_ADMIN,
	    .what = "vault.import", .kind = "vault" };
	struct admin_ask	 a;
	char			 reason[200];

	if (b->import.stored > 0) {
		snprintf(reason, sizeof(reason), "%llu values, %llu of them "
		    "without a key id%s%s",
		    (unsigned long long)b->import.stored,
		    (unsigned long long)b->import.legacy,
		    *how == '\0' ? "" : "; ", how);
		memset(&a, 0, sizeof(a));
		a.b = b;
		a.who.role = ROLE_K_ADMIN;
		strlcpy(a.actor, b->import.actor, sizeof(a.actor));
		c.id = vault_kid(&b->vault);
		c.reason = reason;
		admin_entry(&a, &c);
		batch_delete(b, ST_META, META, strlen(META));
		log_info("import: %s", reason);
	}
	b->import.stored = b->import.legacy = 0;
}

void
admin_import_lost(struct broker *b, uint16_t control)
{
	if (!b->import.used || b->import.control != control)
		return;
	end(b, "its connection ended before it did");
	b->import.used = 0;
}

void
admin_import_load(struct broker *b, const uint8_t *p, size_t len)
{
	if (len < 16 || len - 16 >= sizeof(b->import.actor))
		return;
	b->import.stored = be_get64(p);
	b->import.legacy = be_get64(p + 8);
	memcpy(b->import.actor, p + 16, len - 16);
	b->import.actor[len - 16] = '\0';
}

void
admin_import_left(struct broker *b)
{
	if (b->import.stored > 0)
		end(b, "the gateway ended before it did");
}

/* 0, or -1: answered. */
static int
begin(struct admin_ask *a)
{
	struct cold_import	*i;
	uint32_t		 gen;

	i = &a->b->import;
	gen = broker_peer(a->b, a->from)->gen;
	if (i->used && (i->control != a->from->index || i->gen != gen)) {
		admin_fail(a, 409, "import_runs", "another import is under "
		    "way");
		return -1;
	}
	if (i->used && i->stopped) {
		admin_fail(a, 409, "import_stopped", "this import was "
		    "stopped by a line before");
		return -1;
	}
	if (i->used)
		return 0;
	memset(i, 0, sizeof(*i));
	i->used = 1;
	i->control = a->from->index;
	i->gen = gen;
	strlcpy(i->actor, a->actor, sizeof(i->actor));
	return 0;
}

/* ---- lines ------------------------------------------------------------- */
/*
 * The plaintext as our records have it: a legacy ciphertext holds the bare
 * value, one with a key id is a record already.  NULL: why says it.
 */
static struct secret *
opened(struct broker *b, const char *rec, const uint8_t *text, size_t len,
    int *legacy, const char **why)
{
	struct secret		*s, *bare;
	enum vault_result	 v;
	const uint8_t		*p;
	size_t			 n;

	v = cold_open(b, rec, text, len, &s);
	if (v != VAULT_OK) {
		*why = vault_text(v);
		return NULL;
	}
	*legacy = memchr(text + 3, ':', len - 3) == NULL;
	if (*legacy) {
		bare = s;
		*why = credential_judge(secret_bytes(bare),
		    secret_len(bare));
		s = *why != NULL ? NULL : credential_pack(secret_bytes(bare),
		    secret_len(bare), b->wall);
		if (s == NULL && *why == NULL)
			*why = "no room for another secret";
		secret_free(&bare);
		return s;
	}
	p = credential_unpack(s, &n);
	*why = p == NULL ? "it is not a provider's secret" :
	    credential_judge(p, n);
	if (*why != NULL)
		secret_free(&s);
	return s;
}

/* Resident where a provider uses the name or did, else to the ledger. */
static int
store(struct admin_ask *a, const char *name, const char *rec,
    struct secret **s)
{
	struct broker	*b;
	int		 r;

	b = a->b;
	if (vault_get(&b->vault, rec) == NULL &&
	    !admin_secret_claimed(b, name))
		return cold_store(b, rec, *s);
	r = vault_put(&b->vault, &b->env.rng, rec, s, batch_emit, b);
	credential_touch(b->creds);
	return r;
}

/* NULL, or why the line is refused. */
static const char *
line(struct admin_ask *a)
{
	const uint8_t	*text;
	const char	*why;
	struct secret	*s;
	char		 name[CREDENTIAL_NAME], rec[VAULT_NAME];
	size_t		 len;
	int		 legacy;

	msg_get_str(a->m, name, sizeof(name));
	text = msg_get_strv(a->m, TEXT_MAX, &len);
	if (text == NULL || a->m->bad)
		return "it is too long";
	if (admin_cold_name(rec, name) == -1)
		return "a name has 1 to 75 printable characters and no blank";
	s = opened(a->b, rec, text, len, &legacy, &why);
	if (s == NULL)
		return why;
	why = store(a, name, rec, &s) == -1 ? "no room for another secret" :
	    NULL;
	secret_free(&s);
	if (why == NULL) {
		a->b->import.stored++;
		a->b->import.legacy += (uint64_t)legacy;
	}
	return why;
}

static void
answer(struct admin_ask *a)
{
	const char	*f[1];
	char		 n[24];

	snprintf(n, sizeof(n), "%llu",
	    (unsigned long long)a->b->import.stored);
	f[0] = n;
	admin_then(a, 200, f, 1, 0);
}

void
admin_import(struct admin_ask *a)
{
	const char	*why;
	char		 how[64];
	uint64_t	 before, stored;
	uint32_t	 first;
	uint16_t	 i, n;
	uint8_t		 last;

	first = msg_get_u32(a->m);
	last = msg_get_u8(a->m);
	n = msg_get_u16(a->m);
	if (a->m->bad) {
		broker_error(a->b, a->from, 0, a->m->type,
		    "malformed message", a->o);
		return;
	}
	if (begin(a) == -1)
		return;
	before = credential_version(a->b->creds);
	why = NULL;
	for (i = 0; i < n && why == NULL; i++)
		why = line(a);
	if (why != NULL) {
		snprintf(how, sizeof(how), "stopped at line %u", first + i - 1);
		stored = a->b->import.stored;
		end(a->b, how);
		admin_fail_then(a, 400, "bad_line", "line %u: %s; %llu "
		    "values before it are stored", first + i - 1, why,
		    (unsigned long long)stored);
		a->b->import.stopped = 1;
		return;
	}
	if (msg_end(a->m) == -1)
		log_debug("import: trailing bytes");
	if (n > 0)
		remember(a->b);
	answer(a);
	if (last) {
		end(a->b, "");
		a->b->import.used = 0;
	}
	if (credential_version(a->b->creds) != before)
		parent_changed(a->b, NULL, a->o);
}
