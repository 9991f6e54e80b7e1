/* SPDX-License-Identifier: ISC */
/*
 * The vault key at the start, see vaultkey.h.  The rows of the database say
 * which key its records are sealed under; the configuration says where a key
 * comes from; this file brings both together or says who has to do what.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/kms/kms.h"
#include "common/log/log.h"
#include "keybrokerd/broker/vaultkey.h"

#define RETRY_BASE	(500 * NS_MS)
#define RETRY_CAP	(30 * NS_S)
#define LATE		(60 * NS_S)	/* credentials that come up late */

static void	answered(struct broker *, struct kms_answer *,
		    struct outbox *);

struct vaultkey *
vaultkey_new(void)
{
	return calloc(1, sizeof(struct vaultkey));
}

void
vaultkey_free(struct vaultkey *vk)
{
	if (vk == NULL)
		return;
	secret_free(&vk->dek);
	secret_free(&vk->fresh);
	free(vk);
}

void
vaultkey_refuse(int code, const char *fmt, ...)
{
	char	 text[900];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_exit(code);
	fatalx("%s", text);
}

/* ---- what the rows say --------------------------------------------------- */

static void
scan_meta(struct broker *b, const struct recover_row *r)
{
	struct vaultkey_row	 row;
	char			 kid[VAULT_KID + 1];

	if (r->idlen != strlen(VAULTKEY_ROW) + VAULT_KID ||
	    memcmp(r->id, VAULTKEY_ROW, strlen(VAULTKEY_ROW)) != 0)
		return;
	memcpy(kid, r->id + strlen(VAULTKEY_ROW), VAULT_KID);
	kid[VAULT_KID] = '\0';
	if (vaultrow_parse(&row, kid, r->val, r->len) == -1)
		fatalx("ledger: the row of vault key %s is malformed", kid);
	if (row.state == VKS_CURRENT)
		b->vk->row = row;
}

static void
scan(struct broker *b)
{
	struct recover_row	 r;
	struct vaultkey		*vk;
	size_t			 at;

	vk = b->vk;
	at = 0;
	while (recover_next(b, &at, &r)) {
		if (r.kind == ST_META)
			scan_meta(b, &r);
		else if (r.kind == ST_VAULT && vk->dbkid[0] == '\0')
			(void)vault_text_kid((const char *)r.val, r.len,
			    vk->dbkid);
	}
	if (vk->row.state == VKS_CURRENT)
		strlcpy(vk->dbkid, vk->row.kid, sizeof(vk->dbkid));
	vk->old = vk->row;
}

/* Was this ever a key of this database? */
static int
known(struct broker *b, const char *kid)
{
	struct recover_row	 r;
	size_t			 at;

	at = 0;
	while (recover_next(b, &at, &r))
		if (r.kind == ST_META && r.idlen == strlen(VAULTKEY_ROW) +
		    VAULT_KID && memcmp(r.id, VAULTKEY_ROW,
		    strlen(VAULTKEY_ROW)) == 0 && memcmp(r.id +
		    strlen(VAULTKEY_ROW), kid, VAULT_KID) == 0)
			return 1;
	return 0;
}

/* ---- which way ----------------------------------------------------------- */

static int
raw(struct broker *b)
{
	struct vaultkey	*vk;
	char		 err[CREDENTIAL_ERR];
	int		 rc;

	vk = b->vk;
	rc = credential_special(b->creds, CRED_VAULTKEY, &vk->dek, err,
	    sizeof(err));
	if (rc == 0 && vk->row.uri[0] != '\0')
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "there is no vault key, "
		    "and key %s of this database is kept by %s: set "
		    "TAPPASS_VAULT_KEY_KMS to it", vk->row.kid, vk->row.uri);
	if (rc == 0)
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "there is no vault key: "
		    "set TAPPASS_VAULT_KEY or run keybrokerd init");
	if (rc == -1)
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "vault key: %s", err);
	memset(&vk->row, 0, sizeof(vk->row));
	return 1;
}

static int
has_previous(const struct broker *b)
{
	struct secret	*s;
	char		 err[CREDENTIAL_ERR];
	int		 rc;

	rc = credential_special(b->creds, CRED_VAULTPREVIOUS, &s, err,
	    sizeof(err));
	secret_free(&s);
	return rc == 1;
}

/* There is ciphertext and nothing that leads to its key. */
static void
refuse_make(struct broker *b)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (vk->old.uri[0] != '\0')
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "vault key %s of this "
		    "database was wrapped by %s, TAPPASS_VAULT_KEY_KMS says "
		    "%s: set it back, or set TAPPASS_VAULT_DEK to the copy of "
		    "this key that the new one wraps", vk->old.kid,
		    vk->old.uri, b->kmsconf.uri);
	vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "the database has ciphertext "
	    "under vault key %s, but no wrapped key, and TAPPASS_VAULT_DEK is "
	    "not set: no key is made in its place; set TAPPASS_VAULT_DEK to "
	    "its wrapped copy, or TAPPASS_VAULT_KEY_PREVIOUS to the raw key it "
	    "had before", vk->dbkid[0] == '\0' ? "unknown" : vk->dbkid);
}

static void
next_row(struct broker *b)
{
	struct vaultkey_row	*n;

	n = &b->vk->next;
	memset(n, 0, sizeof(*n));
	strlcpy(n->uri, b->kmsconf.uri, sizeof(n->uri));
}

/* TAPPASS_VAULT_DEK into next; 1, 0 there is none. */
static int
take_dek(struct broker *b)
{
	next_row(b);
	if (b->kmsconf.deklen == 0)
		return 0;
	if (vaultrow_dek(&b->vk->next, b->kmsconf.dek,
	    b->kmsconf.deklen) == -1)
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "TAPPASS_VAULT_DEK is "
		    "not the text of a wrapped key (standard base64, and what "
		    "was behind it when it was printed)");
	return 1;
}

static enum vaultkey_step
plan_envelope(struct broker *b, int have)
{
	struct vaultkey	*vk;
	int		 dek;

	vk = b->vk;
	dek = take_dek(b);
	if (have) {
		vk->second = dek && (vk->next.wrappedlen !=
		    vk->row.wrappedlen || memcmp(vk->next.wrapped,
		    vk->row.wrapped, vk->row.wrappedlen) != 0);
		return VKT_GET;
	}
	if (dek) {
		vk->row = vk->next;
		return VKT_GET;
	}
	if (b->recover.have != 0 && !has_previous(b))
		refuse_make(b);
	return VKT_MAKE;
}

static enum vaultkey_step
plan(struct broker *b)
{
	struct vaultkey	*vk;
	struct kms_uri	 u;
	char		 why[REASON_MAX];
	int		 have;

	vk = b->vk;
	if (kmsuri_parse(&u, b->kmsconf.uri, why, sizeof(why)) == -1)
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG,
		    "TAPPASS_VAULT_KEY_KMS: %s", why);
	vk->envelope = kmsuri_envelope(&u) != 0;
	have = vk->row.state == VKS_CURRENT &&
	    strcmp(vk->row.uri, b->kmsconf.uri) == 0 &&
	    (vk->envelope ? vk->row.wrappedlen > 0 :
	    vk->row.version[0] != '\0');
	if (vk->envelope)
		return plan_envelope(b, have);
	if (have)
		return VKT_GET;
	next_row(b);
	vk->row = vk->next;
	return VKT_NEWEST;
}

/* ---- asking -------------------------------------------------------------- */

static void
fresh_random(struct broker *b)
{
	struct vaultkey	*vk;

	vk = b->vk;
	secret_free(&vk->fresh);
	vk->fresh = secret_new(VAULT_KEY);
	if (vk->fresh != NULL)
		b->env.rng.fill(b->env.rng.arg, secret_bytes(vk->fresh),
		    VAULT_KEY);
}

static void
unwrap(struct kms_ask *a, const struct vaultkey_row *row)
{
	a->op = KMS_UNWRAP;
	a->wrapped = row->wrapped;
	a->wrappedlen = row->wrappedlen;
	a->deployment = row->deployment;
}

void
vaultkey_ask(struct broker *b, enum vaultkey_step step, struct outbox *o)
{
	struct vaultkey	*vk;
	struct kms_ask	 a;

	vk = b->vk;
	vk->step = step;
	memset(&a, 0, sizeof(a));
	a.uri = b->kmsconf.uri;
	a.op = KMS_FETCH;
	if (step == VKT_GET && vk->envelope)
		unwrap(&a, &vk->row);
	else if (step == VKT_GET)
		a.version = vk->row.version;
	else if (step == VKT_MAKE) {
		a.op = KMS_GENERATE;
		a.deployment = vk->next.deployment;
		fresh_random(b);
		a.key = vk->fresh;
	} else if (step == VKT_REWRAP) {
		a.op = KMS_WRAP;
		a.deployment = vk->row.deployment;
		a.key = b->vault.key[0].dek;
	} else if (step != VKT_NEWEST)
		unwrap(&a, &vk->next);
	/* No slot for a secret: as if the KMS were away, it is asked again. */
	vk->due = NEVER;
	if (kmslink_ask(b, &a, answered, o) == -1)
		vk->due = b->now + NS_S;
}

int
vaultkey_start(struct broker *b, struct outbox *o)
{
	struct vaultkey	*vk;
	enum vaultkey_step step;

	vk = b->vk;
	if (vk->dek != NULL)
		return 1;
	if (vk->scanned)
		return 0;
	vk->scanned = 1;
	vk->begun = b->now;
	scan(b);
	if (b->kmsconf.uri[0] == '\0')
		return raw(b);
	step = plan(b);
	if (step == VKT_MAKE) {
		seed_origin(b);
		strlcpy(vk->next.deployment, b->epoch.origin,
		    sizeof(vk->next.deployment));
	}
	vk->what = VKF_START;
	vaultkey_ask(b, step, o);
	return 0;
}

/* The ledger went away before it was over: its rows come again. */
void
vaultkey_again(struct broker *b)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (vk->what != VKF_START)
		return;
	vk->scanned = 0;
	vk->what = VKF_NONE;
	vk->ignore = kmslink_busy(b->kms) != 0;
}

/* ---- trouble at the start ------------------------------------------------ */

static void
waiting(struct broker *b, enum proto_kms_class class, const char *text,
    struct outbox *o)
{
	struct vaultkey	*vk;
	struct msgw	 w;

	vk = b->vk;
	if (vk->trouble == class && strcmp(vk->text, text) == 0)
		return;
	vk->trouble = class;
	strlcpy(vk->text, text, sizeof(vk->text));
	if (class != KC_OK)
		log_warnx("vault key: waiting for the KMS: %s (%s)", text,
		    kmslink_class(class));
	else
		log_info("vault key: the KMS has answered");
	msg_open(&w, M_WAITING);
	msg_put_u8(&w, (uint8_t)class);
	msg_put_str(&w, text);
	outbox_send(o, FROM_PARENT, 0, &w);
}

/* Is it worth while to ask again, at the start? */
static int
may_pass(const struct broker *b, const struct kms_answer *a)
{
	static const uint8_t	 passes[KC_MAX] = {
		[KC_STATE] = 1, [KC_THROTTLED] = 1, [KC_UNAVAILABLE] = 1,
		[KC_PROTOCOL] = 1,
	};

	if ((a->flags & KR_LATE) && (a->class == KC_AUTH ||
	    a->class == KC_CONFIG))
		return b->now - b->vk->begun < LATE;
	return passes[a->class];
}

static void
start_failed(struct broker *b, const struct kms_answer *a, struct outbox *o)
{
	struct vaultkey	*vk;
	uint64_t	 wait;

	vk = b->vk;
	if (!may_pass(b, a))
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "vault key: %s (%s)",
		    a->text, kmslink_class(a->class));
	waiting(b, a->class, a->text, o);
	wait = vaultcheck_delay(b, RETRY_BASE, vk->tries++, RETRY_CAP);
	if (a->class == KC_THROTTLED && a->wait * NS_MS > wait)
		wait = a->wait * NS_MS;
	vk->due = b->now + wait;
}

/* ---- answers at the start ------------------------------------------------ */

static void
protocol(struct broker *b, struct outbox *o)
{
	static const struct kms_answer	 a = { .class = KC_PROTOCOL,
	    .text = "its answer has no key" };

	start_failed(b, &a, o);
}

static void
got(struct broker *b, struct outbox *o)
{
	struct vaultkey	*vk;

	vk = b->vk;
	vk->dek = vk->fresh;
	vk->fresh = NULL;
	vk->what = VKF_NONE;
	vk->tries = 0;
	vk->last_ok = b->now;
	waiting(b, KC_OK, "", o);
	recover_try(b, o);
}

/* TAPPASS_VAULT_DEK beside a row: the same key, or one that it had. */
static void
second(struct broker *b, struct kms_answer *a, struct outbox *o)
{
	char	 kid[VAULT_KID + 1], other[VAULT_KID + 1];

	vault_key_kid(b->vk->fresh, kid);
	vault_key_kid(a->key, other);
	if (strcmp(kid, other) != 0 && !known(b, other))
		vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "TAPPASS_VAULT_DEK is "
		    "vault key %s, the database has key %s: it is of another "
		    "deployment; take it away", other, kid);
	if (strcmp(kid, other) != 0)
		log_warnx("TAPPASS_VAULT_DEK is the earlier vault key %s, the "
		    "one in force is %s: store what \"proxyctl vault status\" "
		    "says", other, kid);
	got(b, o);
}

static void
take(struct broker *b, struct kms_answer *a)
{
	secret_free(&b->vk->fresh);
	b->vk->fresh = a->key;
	a->key = NULL;
}

/* What was made comes back from the KMS as it was? */
int
vaultkey_proved(struct broker *b, const struct kms_answer *a)
{
	struct secret	*s;

	s = b->vk->fresh;
	return s != NULL && secret_len(s) == VAULT_KEY &&
	    secret_equal(secret_bytes(s), secret_bytes(a->key), VAULT_KEY);
}

int
vaultkey_made(struct broker *b, struct kms_answer *a)
{
	struct vaultkey_row	*n;

	n = &b->vk->next;
	if (a->wrappedlen == 0 || a->key == NULL)
		return -1;
	take(b, a);
	memcpy(n->wrapped, a->wrapped, a->wrappedlen);
	n->wrappedlen = a->wrappedlen;
	strlcpy(n->version, a->keyid, sizeof(n->version));
	return 0;
}

static void
start_answer(struct broker *b, struct kms_answer *a, struct outbox *o)
{
	struct vaultkey	*vk;

	vk = b->vk;
	if (a->class != KC_OK) {
		start_failed(b, a, o);
		return;
	}
	if (a->key == NULL) {
		protocol(b, o);
		return;
	}
	if (vk->step == VKT_MAKE) {
		if (vaultkey_made(b, a) == -1)
			protocol(b, o);
		else
			vaultkey_ask(b, VKT_PROVE, o);
	} else if (vk->step == VKT_PROVE) {
		if (!vaultkey_proved(b, a))
			vaultkey_refuse(VAULTKEY_EXIT_CONFIG, "vault key: %s "
			    "does not unwrap what it wrapped: nothing is "
			    "stored", b->kmsconf.uri);
		vk->row = vk->next;
		vk->made = 1;
		got(b, o);
	} else if (vk->step == VKT_SECOND)
		second(b, a, o);
	else {
		take(b, a);
		if (!vk->envelope || vk->row.version[0] == '\0')
			strlcpy(vk->row.version, a->keyid,
			    sizeof(vk->row.version));
		vk->rewrap = (a->flags & KR_REWRAP) != 0;
		if (vk->second)
			vaultkey_ask(b, VKT_SECOND, o);
		else
			got(b, o);
	}
}

static void
answered(struct broker *b, struct kms_answer *a, struct outbox *o)
{
	if (b->vk->ignore) {
		/* the answer to what the rows of before made us ask */
		b->vk->ignore = 0;
		b->vk->due = b->now;
		return;
	}
	switch (b->vk->what) {
	case VKF_START:
		start_answer(b, a, o);
		break;
	case VKF_ROTATE:
		vaultrotate_answer(b, a, o);
		break;
	case VKF_CHECK:
		vaultcheck_answer(b, a, o);
		break;
	case VKF_NONE:
		/* the ledger went, and the question with it */
		break;
	}
}
