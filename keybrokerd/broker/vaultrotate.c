/* SPDX-License-Identifier: ISC */
/*
 * Rotation of the vault key: fetch or make a new one, prove it, then write.
 * Up to vault_turn nothing has changed and every failure leaves it so.  From
 * there on what is sealed is sealed under the new key, and all of it stands in
 * the queue behind the rows that make the new key the current one: after a
 * crash the database has the old state, or the new one with "dek/OLD" to open
 * what was not sealed anew yet.  The entry is last, so a rotation whose entry
 * is in the log is complete.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/broker/admin.h"
#include "keybrokerd/broker/vaultkey.h"

#define RAW_NAME	"TAPPASS_VAULT_KEY"
#define REOPEN_WAIT	(10 * NS_S)

/* ---- who asked ----------------------------------------------------------- */

/* Whoever asked, if still there; a->from NULL: nobody. */
static void
asker(struct broker *b, struct admin_ask *a, struct outbox *o)
{
	struct peer	*p;

	memset(a, 0, sizeof(*a));
	a->b = b;
	a->o = o;
	a->cookie = b->vk->cookie;
	a->who.role = ROLE_K_ADMIN;
	strlcpy(a->actor, b->vk->actor[0] == '\0' ? "gateway" : b->vk->actor,
	    sizeof(a->actor));
	p = b->vk->actor[0] == '\0' ? NULL : broker_peer(b, &b->vk->to);
	if (p != NULL && p->up && p->gen == b->vk->gen)
		a->from = &b->vk->to;
}

uint64_t
vaultrotate_entry(struct broker *b, const char *what, const char *old,
    const char *reason)
{
	struct admin_change	 c = { .type = ET_ADMIN, .kind = "vault-key" };
	struct admin_ask	 a;
	char			 text[256];
	const char		*uri;

	asker(b, &a, NULL);
	uri = b->kmsconf.uri;
	snprintf(text, sizeof(text), "%s%s%.120s, source %.*s", reason,
	    old[0] == '\0' ? "" : ", before ", old,
	    uri[0] == '\0' ? 3 : (int)strcspn(uri, ":"),
	    uri[0] == '\0' ? "raw" : uri);
	c.what = what;
	c.id = vault_kid(&b->vault);
	c.reason = text;
	return admin_entry(&a, &c);
}

static void
over(struct broker *b)
{
	secret_free(&b->vk->fresh);
	vaultcheck_plan(b, b->kmsconf.check * NS_S);
}

static void
failed(struct broker *b, uint16_t status, const char *code, const char *text,
    struct outbox *o)
{
	struct admin_ask	 a;
	char			 why[160];

	log_warnx("vault: rotation failed (%s): %s; key %s stays in force",
	    code, text, vault_kid(&b->vault));
	snprintf(why, sizeof(why), "%s: %.100s", code, text);
	vaultrotate_entry(b, "vault.rotate.failed", "", why);
	asker(b, &a, o);
	if (a.from != NULL)
		admin_fail(&a, status, code, "the vault key was not rotated: "
		    "%s", text);
	over(b);
	b->vk->actor[0] = '\0';
}

static void
kms_failed(struct broker *b, const struct kms_answer *ans, struct outbox *o)
{
	static const char *const	 codes[KC_MAX] = {
		[KC_OK] = "kms_protocol", [KC_STATE] = "kms_state",
		[KC_DENIED] = "kms_denied", [KC_AUTH] = "kms_credential",
		[KC_THROTTLED] = "kms_throttled",
		[KC_UNAVAILABLE] = "kms_unavailable",
		[KC_INVALID] = "kms_invalid", [KC_CONFIG] =
		"kms_configuration", [KC_PROTOCOL] = "kms_protocol",
	};

	failed(b, ans->class == KC_UNAVAILABLE ||
	    ans->class == KC_THROTTLED ? 503 : 502, codes[ans->class],
	    ans->class == KC_OK ? "its answer has no key" : ans->text, o);
}

/* The answer of a rotation or of none: at COMMITTED. */
static void
answer(struct broker *b, int changed, const char *old, struct outbox *o)
{
	struct admin_ask	 a;
	const char		*f[5];
	char			 records[24], pending[24];

	asker(b, &a, o);
	b->vk->actor[0] = '\0';
	if (a.from == NULL)
		return;
	snprintf(records, sizeof(records), "%zu", vault_records(&b->vault));
	snprintf(pending, sizeof(pending), "%llu",
	    (unsigned long long)(b->cold.known ? b->cold.total : 0));
	f[0] = changed ? "1" : "0";
	f[1] = vault_kid(&b->vault);
	f[2] = old;
	f[3] = records;
	f[4] = pending;
	admin_then(&a, 200, f, 5, 0);
}

static void
unchanged(struct broker *b, struct outbox *o)
{
	log_info("vault: rotation: the source still has key %s",
	    vault_kid(&b->vault));
	vaultrotate_entry(b, "vault.rotate.unchanged", "", "the same key");
	answer(b, 0, "", o);
	over(b);
}

/* ---- writing ------------------------------------------------------------- */

static int
is_dek(const char *name)
{
	return strncmp(name, VAULTKEY_DEK, strlen(VAULTKEY_DEK)) == 0;
}

static void
reseal(struct broker *b, int deks)
{
	size_t	 i;

	for (i = 0; i < vault_records(&b->vault); i++) {
		if (is_dek(b->vault.records[i].name) != deks)
			continue;
		if (vault_reseal(&b->vault, &b->env.rng, i, batch_emit,
		    b) == -1)
			fatal("vault record %s", b->vault.records[i].name);
		if (!deks)
			batch_room(b);
	}
}

static void
put_old(struct broker *b, const char *old)
{
	struct vaultkey_row	 row;
	struct secret		*s;
	char			 name[VAULT_NAME];

	s = vault_key_of(&b->vault, old);
	s = secret_dup(secret_bytes(s), secret_len(s));
	snprintf(name, sizeof(name), VAULTKEY_DEK "%s", old);
	if (s == NULL || vault_put(&b->vault, &b->env.rng, name, &s,
	    batch_emit, b) == -1)
		fatal("vault record %s", name);
	row = b->vk->old;
	strlcpy(row.kid, old, sizeof(row.kid));
	row.state = VKS_PREVIOUS;
	if (row.created == 0)
		row.created = b->wall;
	vaultrow_put(b, &row);
}

/* Keys first and in one unit; a record may follow in a later one. */
void
vaultrotate_write(struct broker *b, const char *old)
{
	batch_unit(b);
	if (old != NULL)
		put_old(b, old);
	vaultrow_put(b, &b->vk->row);
	reseal(b, 1);
	reseal(b, 0);
}

void
vaultrotate_retire(struct broker *b, const char *kid)
{
	struct vaultkey_row	 row;
	char			 name[VAULT_NAME], copy[VAULT_KID + 1];

	strlcpy(copy, kid, sizeof(copy));
	if (!vault_forget(&b->vault, copy))
		return;
	snprintf(name, sizeof(name), VAULTKEY_DEK "%s", copy);
	if (vault_drop(&b->vault, name))
		batch_delete(b, ST_VAULT, name, strlen(name));
	memset(&row, 0, sizeof(row));
	row.state = VKS_RETIRED;
	row.created = b->wall;
	strlcpy(row.kid, copy, sizeof(row.kid));
	vaultrow_put(b, &row);
	log_info("vault: nothing is sealed under key %s any more", copy);
}

/* ---- the new key --------------------------------------------------------- */

/* It seals and opens, in a vault of its own.  0, or -1. */
static int
proves(struct broker *b, struct secret *dek)
{
	struct vault	*v;
	struct secret	*s;
	int		 rv;

	rv = -1;
	v = calloc(1, sizeof(*v));
	s = secret_dup(secret_bytes(dek), secret_len(dek));
	if (v != NULL && s != NULL && vault_init(v, &s) == 0) {
		rv = vault_prove(v, &b->env.rng);
		vault_close(v);
	}
	secret_free(&s);
	free(v);
	return rv;
}

/* For "dek/OLD" beside the records. */
static int
has_room(const struct broker *b)
{
	return vault_records(&b->vault) < VAULT_RECORDS;
}

/* vk->fresh is the key, vk->next its row. */
static void
turn(struct broker *b, struct outbox *o)
{
	struct vaultkey	*vk;
	char		 old[VAULT_KID + 1];

	vk = b->vk;
	strlcpy(old, vault_kid(&b->vault), sizeof(old));
	vault_key_kid(vk->fresh, vk->next.kid);
	if (strcmp(vk->next.kid, old) == 0) {
		unchanged(b, o);
		return;
	}
	if (proves(b, vk->fresh) == -1 || !has_room(b)) {
		failed(b, 503, "no_memory", "there is no room for another "
		    "secret", o);
		return;
	}
	if (vault_turn(&b->vault, &vk->fresh) == -1) {
		if (errno == EEXIST)
			failed(b, 502, "old_key", "the source gives a key that "
			    "was in force before", o);
		else
			failed(b, 409, "busy", "values are still being moved "
			    "from three earlier keys", o);
		return;
	}
	vk->old = vk->row;
	vk->next.state = VKS_CURRENT;
	vk->next.created = b->wall;
	vk->row = vk->next;
	vk->rewrap = 0;
	vk->made = 1;
	vaultrotate_write(b, old);
	vk->at = 1 + vaultrotate_entry(b, "vault.rotate", old, "rotated");
	answer(b, 1, old, o);
	over(b);
}

void
vaultrotate_answer(struct broker *b, struct kms_answer *a, struct outbox *o)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (a->class != KC_OK || a->key == NULL) {
		kms_failed(b, a, o);
		return;
	}
	vk->last_ok = b->now;
	if (vk->step == VKT_MAKE) {
		if (vaultkey_made(b, a) == -1)
			kms_failed(b, a, o);
		else
			vaultkey_ask(b, VKT_PROVE, o);
		return;
	}
	if (vk->step == VKT_PROVE && !vaultkey_proved(b, a)) {
		failed(b, 502, "kms_invalid", "the KMS does not unwrap what it "
		    "wrapped", o);
		return;
	}
	if (vk->step == VKT_NEWEST) {
		secret_free(&vk->fresh);
		vk->fresh = a->key;
		a->key = NULL;
		strlcpy(vk->next.version, a->keyid, sizeof(vk->next.version));
	}
	turn(b, o);
}

void
vaultrotate_begin(struct broker *b, struct outbox *o)
{
	struct vaultkey	*vk;
	struct msgw	 w;

	vk = b->vk;
	vk->what = VKF_ROTATE;
	memset(&vk->next, 0, sizeof(vk->next));
	strlcpy(vk->next.uri, b->kmsconf.uri, sizeof(vk->next.uri));
	if (b->kmsconf.uri[0] != '\0') {
		strlcpy(vk->next.deployment, vk->row.deployment[0] != '\0' ?
		    vk->row.deployment : b->epoch.origin,
		    sizeof(vk->next.deployment));
		vaultkey_ask(b, vk->envelope ? VKT_MAKE : VKT_NEWEST, o);
		return;
	}
	vk->step = VKT_REOPEN;
	vk->due = b->now + REOPEN_WAIT;
	msg_open(&w, M_REOPEN);
	msg_put_str(&w, RAW_NAME);
	outbox_send(o, FROM_PARENT, 0, &w);
}

void
vaultrotate_late(struct broker *b, struct outbox *o)
{
	failed(b, 503, "not_read", "the key file was not read again in time",
	    o);
}

void
vaultrotate_reopened(struct broker *b, const char *name, struct outbox *o)
{
	struct vaultkey	*vk;
	char		 err[CREDENTIAL_ERR], kid[VAULT_KID + 1];
	int		 rc;

	vk = b->vk;
	if (vk->what != VKF_ROTATE || vk->step != VKT_REOPEN ||
	    (name[0] != '\0' && strcmp(name, RAW_NAME) != 0))
		return;
	vk->due = NEVER;
	secret_free(&vk->fresh);
	rc = credential_special(b->creds, CRED_VAULTKEY, &vk->fresh, err,
	    sizeof(err));
	if (rc != 1) {
		failed(b, 502, "bad_key", rc == 0 ? "there is no vault key "
		    "file any more" : err, o);
		return;
	}
	vault_key_kid(vk->fresh, kid);
	if (credential_vault_fixed(b->creds) &&
	    strcmp(kid, vault_kid(&b->vault)) == 0)
		failed(b, 409, "fixed_key", "TAPPASS_VAULT_KEY is in the "
		    "environment, which does not change while the gateway "
		    "runs: keep the key in a file or a KMS, or restart with "
		    "the new key in TAPPASS_VAULT_KEY and the old one in "
		    "TAPPASS_VAULT_KEY_PREVIOUS", o);
	else
		turn(b, o);
}

void
vaultrotate_asked(struct admin_ask *a)
{
	struct vaultkey	*vk;
	struct broker	*b;

	if (!admin_parsed(a))
		return;
	b = a->b;
	vk = b->vk;
	if (vk->what == VKF_ROTATE || vk->rotate_next || vk->at != 0) {
		admin_fail(a, 409, "busy", "the vault key is being rotated "
		    "already");
		return;
	}
	vk->to = *a->from;
	vk->gen = broker_peer(b, a->from)->gen;
	vk->cookie = a->cookie;
	strlcpy(vk->actor, a->actor, sizeof(vk->actor));
	log_info("vault: rotation asked for by %s", vk->actor);
	vaultrotate_entry(b, "vault.rotate.begin", "", "asked for");
	if (kmslink_busy(b->kms))
		vk->rotate_next = 1;
	else
		vaultrotate_begin(b, a->o);
}
