/* SPDX-License-Identifier: ISC */
/*
 * The vault once its key is here, see vaultkey.h: its ring from the rows, what a
 * start changes, what waits for a rotation to be durable, and time.
 */
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/broker/vaultkey.h"

static int
is_dek(const struct recover_row *r)
{
	return r->kind == ST_VAULT && r->idlen == strlen(VAULTKEY_DEK) +
	    VAULT_KID && memcmp(r->id, VAULTKEY_DEK,
	    strlen(VAULTKEY_DEK)) == 0;
}

/* Is anything still sealed under it? */
static int
needed(struct broker *b, const char *kid)
{
	struct recover_row	 r;
	char			 k[VAULT_KID + 1];
	size_t			 at;

	at = 0;
	while (recover_next(b, &at, &r))
		if (r.kind == ST_VAULT && (vault_text_kid((const char *)r.val,
		    r.len, k) == -1 || strcmp(k, kid) == 0))
			return 1;
	return strcmp(b->vk->dbkid, kid) == 0;
}

static void
open_previous(struct broker *b)
{
	struct secret	*s;
	char		 err[CREDENTIAL_ERR], kid[VAULT_KID + 1];
	int		 rc;

	rc = credential_special(b->creds, CRED_VAULTPREVIOUS, &s, err,
	    sizeof(err));
	if (rc == -1)
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "%s", err);
	if (rc == 0)
		return;
	vault_key_kid(s, kid);
	if (needed(b, kid)) {
		if (vault_previous(&b->vault, &s) == -1)
			fatal("previous vault key");
	} else if (strcmp(kid, vault_kid(&b->vault)) != 0)
		log_info("TAPPASS_VAULT_KEY_PREVIOUS (key %s) is not needed "
		    "any more: take it away", kid);
	secret_free(&s);
}

/* Previous keys that a rotation has left, sealed under the current one. */
static void
open_deks(struct broker *b)
{
	struct recover_row	 r;
	struct secret		*s;
	char			 name[VAULT_NAME];
	size_t			 at;

	at = 0;
	while (recover_next(b, &at, &r)) {
		if (!is_dek(&r) || vault_load(&b->vault, r.id, r.idlen, r.val,
		    r.len) != VAULT_OK)
			continue;
		memcpy(name, r.id, r.idlen);
		name[r.idlen] = '\0';
		s = vault_get(&b->vault, name);
		s = secret_dup(secret_bytes(s), secret_len(s));
		if (vault_previous(&b->vault, &s) == -1)
			fatal("previous vault key");
	}
}

void
vaultkey_open(struct broker *b)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (vault_init(&b->vault, &vk->dek) == -1)
		fatal("vault");
	b->vault_open = 1;
	open_previous(b);
	open_deks(b);
	if (vk->dbkid[0] != '\0' &&
	    vault_key_of(&b->vault, vk->dbkid) == NULL)
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "the vault key is %s, "
		    "but the database was written under %s: give that key "
		    "back, or set TAPPASS_VAULT_KEY_PREVIOUS to it for one "
		    "start, which then rotates to the new one",
		    vault_kid(&b->vault), vk->dbkid);
	credential_vault(b->creds, &b->vault);
}

void
vaultkey_loaded(struct broker *b, const char *text, size_t len)
{
	char	 kid[VAULT_KID + 1];

	if (vault_text_kid(text, len, kid) == -1 ||
	    strcmp(kid, vault_kid(&b->vault)) != 0)
		b->vk->stale = 1;
}

/* Is the row in force the one that is stored? */
static int
row_stored(const struct vaultkey *vk)
{
	const struct vaultkey_row	*a, *c;

	a = &vk->row;
	c = &vk->old;
	return c->state == VKS_CURRENT && strcmp(a->kid, c->kid) == 0 &&
	    strcmp(a->uri, c->uri) == 0 &&
	    strcmp(a->version, c->version) == 0 &&
	    strcmp(a->deployment, c->deployment) == 0 &&
	    a->wrappedlen == c->wrappedlen &&
	    memcmp(a->wrapped, c->wrapped, a->wrappedlen) == 0;
}

void
vaultkey_settle(struct broker *b)
{
	struct vaultkey	*vk;
	const char	*kid;
	int		 turned;

	vk = b->vk;
	kid = vault_kid(&b->vault);
	strlcpy(vk->row.kid, kid, sizeof(vk->row.kid));
	vk->row.state = VKS_CURRENT;
	if (vk->row.created == 0)
		vk->row.created = b->wall;
	turned = vk->dbkid[0] != '\0' && strcmp(vk->dbkid, kid) != 0;
	if (turned || vk->stale) {
		vaultrotate_write(b, turned ? vk->dbkid : NULL);
		vk->at = 1 + vaultrotate_entry(b, "vault.rotate",
		    turned ? vk->dbkid : kid, turned ? "at the start" :
		    "finished at the start");
	} else if (!row_stored(vk))
		vaultrow_put(b, &vk->row);
	vk->old.state = VKS_NONE;
	vaultcheck_plan(b, b->kmsconf.check * NS_S);
}

/* ---- time ---------------------------------------------------------------- */

static void
start_deadline(struct broker *b)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (vk->what != VKF_START || b->kmsconf.start == 0 ||
	    b->now < vk->begun + b->kmsconf.start * NS_S)
		return;
	vaultkey_refuse(VAULTKEY_EXIT_WAITED, "vault key: %s has not given it "
	    "within %u s (key-start-deadline): %s", b->kmsconf.uri,
	    b->kmsconf.start, vk->text[0] == '\0' ? "no answer yet" :
	    vk->text);
}

void
vaultkey_tick(struct broker *b, struct outbox *o)
{
	struct vaultkey	*vk;

	vk = b->vk;
	kmslink_tick(b, o);
	start_deadline(b);
	vaultcheck_stale(b);
	if (b->now < vk->due || kmslink_busy(b->kms))
		return;
	vk->due = NEVER;
	if (vk->what == VKF_NONE)
		vaultcheck_begin(b, o);
	else if (vk->what == VKF_ROTATE && vk->step == VKT_REOPEN)
		vaultrotate_late(b, o);
	else if (vk->what == VKF_START && b->recover.phase == RC_READY)
		vaultkey_ask(b, vk->step, o);
	else if (vk->what != VKF_START)
		vaultkey_ask(b, vk->step, o);
}

uint64_t
vaultkey_due(const struct broker *b)
{
	const struct vaultkey	*vk;
	uint64_t		 t, next;

	vk = b->vk;
	next = kmslink_due(b);
	if (!kmslink_busy(b->kms) && vk->due < next)
		next = vk->due;
	if (vk->what == VKF_START && b->kmsconf.start != 0 &&
	    (t = vk->begun + b->kmsconf.start * NS_S) < next)
		next = t;
	if ((t = vaultcheck_ends(b)) < next)
		next = t;
	return next;
}

/* The parent keeps the text for a broker after this one, and for people. */
static void
tell_made(struct broker *b, struct outbox *o)
{
	struct msgw	 w;
	char		 text[KMS_DEK_MAX];
	size_t		 n;

	n = vaultrow_text(&b->vk->row, text, sizeof(text));
	if (n == 0)
		return;
	msg_open(&w, M_KEYMADE);
	msg_put_blob(&w, text, n);
	outbox_send(o, FROM_PARENT, 0, &w);
	log_info("vault key %s is in force; keep a copy of its wrapped form, "
	    "it is no secret: TAPPASS_VAULT_DEK=%s", b->vk->row.kid, text);
}

/* What waited for a rotation to be durable. */
void
vaultkey_turn(struct broker *b, struct outbox *o)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (b->recover.phase != RC_DONE)
		return;
	if (vk->made && b->batch.committed >= b->gate.recover_to &&
	    (vk->at == 0 || b->batch.committed >= vk->at)) {
		vk->made = 0;
		tell_made(b, o);
		if (b->kmsconf.init)
			b->gate.closing = 1;
	}
	if (vk->at == 0 || b->batch.committed < vk->at ||
	    b->batch.committed < b->gate.recover_to)
		return;
	vk->at = 0;
	log_info("vault: key %s is in force, %zu records are sealed under it",
	    vault_kid(&b->vault), vault_records(&b->vault));
	sweep_start(b);
}
