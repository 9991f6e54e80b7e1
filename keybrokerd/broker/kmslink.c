/* SPDX-License-Identifier: ISC */
/* One exchange with the kms role, see kmslink.h. */
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/kmslink.h"

enum state { KL_IDLE, KL_SPAWNED, KL_ASKED };

struct kmslink {
	struct peer	 p;
	enum state	 state;
	uint64_t	 deadline;
	uint32_t	 cookie;
	kmslink_fn	 fn;
	uint8_t		 op;
	char		 uri[KMS_URI_MAX + 1];
	char		 version[KMS_KEYID_MAX];
	char		 deployment[NOTE_ORIGIN + 1];
	uint8_t		 wrapped[KMS_WRAPPED_MAX];
	size_t		 wrappedlen;
	struct secret	*key;
};

struct kmslink *
kmslink_new(void)
{
	return calloc(1, sizeof(struct kmslink));
}

void
kmslink_free(struct kmslink *k)
{
	if (k == NULL)
		return;
	secret_free(&k->key);
	free(k);
}

int
kmslink_busy(const struct kmslink *k)
{
	return k->state != KL_IDLE;
}

struct peer *
kmslink_peer_of(struct kmslink *k)
{
	return &k->p;
}

const char *
kmslink_class(enum proto_kms_class c)
{
	static const char *const	 names[KC_MAX] = {
		[KC_OK] = "ok", [KC_STATE] = "key state",
		[KC_DENIED] = "denied", [KC_AUTH] = "credential",
		[KC_THROTTLED] = "throttled",
		[KC_UNAVAILABLE] = "unavailable", [KC_INVALID] = "invalid",
		[KC_CONFIG] = "configuration", [KC_PROTOCOL] = "protocol",
	};

	return c < KC_MAX ? names[c] : "unknown";
}

int
kmslink_ask(struct broker *b, const struct kms_ask *ask, kmslink_fn fn,
    struct outbox *o)
{
	struct kmslink	*k;
	struct msgw	 w;

	k = b->kms;
	if (k->state != KL_IDLE || ask->wrappedlen > sizeof(k->wrapped))
		return -1;
	secret_free(&k->key);
	if (ask->key != NULL && (k->key = secret_dup(secret_bytes(ask->key),
	    secret_len(ask->key))) == NULL)
		return -1;
	k->op = ask->op;
	k->fn = fn;
	strlcpy(k->uri, ask->uri, sizeof(k->uri));
	strlcpy(k->version, ask->version == NULL ? "" : ask->version,
	    sizeof(k->version));
	strlcpy(k->deployment, ask->deployment == NULL ? "" : ask->deployment,
	    sizeof(k->deployment));
	k->wrappedlen = ask->wrappedlen;
	if (ask->wrappedlen > 0)
		memcpy(k->wrapped, ask->wrapped, ask->wrappedlen);
	k->state = KL_SPAWNED;
	k->deadline = b->now + KMSLINK_SPAWN;
	msg_open(&w, M_SPAWN);
	msg_put_u8(&w, ROLE_KMS);
	msg_put_u16(&w, 0);
	outbox_send(o, FROM_PARENT, 0, &w);
	return 0;
}

/* The exchange is over; another one may be asked from inside fn. */
static void
done(struct broker *b, struct kms_answer *a, struct outbox *o)
{
	struct kmslink	*k;

	k = b->kms;
	if (k->p.up) {
		k->p.up = 0;
		outbox_act(o, OUT_CLOSE, FROM_KMS, 0);
	}
	k->state = KL_IDLE;
	secret_free(&k->key);
	k->fn(b, a, o);
	secret_free(&a->key);
}

static void
fail(struct broker *b, enum proto_kms_class class, const char *text,
    struct outbox *o)
{
	struct kms_answer	 a;

	memset(&a, 0, sizeof(a));
	a.class = class;
	strlcpy(a.text, text, sizeof(a.text));
	done(b, &a, o);
}

/* What is bound to a wrapped key: a run of {name, value}. */
static void
put_context(struct msgw *w, const char *deployment)
{
	struct msgw	 c;

	msg_open(&c, 0);
	msg_put_str(&c, "app");
	msg_put_str(&c, "tappass");
	msg_put_str(&c, "purpose");
	msg_put_str(&c, "vault-dek");
	if (deployment[0] != '\0') {
		msg_put_str(&c, "deployment");
		msg_put_str(&c, deployment);
	}
	msg_put_blob(w, c.buf, c.len);
}

void
kmslink_peer(struct broker *b, struct outbox *o)
{
	struct kmslink	*k;
	struct msgw	 w;

	k = b->kms;
	k->p.up = 1;
	k->p.gen++;
	k->p.errors = 0;
	outbox_act(o, OUT_ADOPT, FROM_KMS, 0);
	if (k->state != KL_SPAWNED) {
		/* too late, or nobody asked: it goes as it came */
		k->p.up = 0;
		outbox_act(o, OUT_CLOSE, FROM_KMS, 0);
		return;
	}
	k->state = KL_ASKED;
	k->deadline = b->now + KMSLINK_WAIT;
	msg_open(&w, M_EXCHANGE);
	msg_put_u32(&w, ++k->cookie);
	msg_put_u8(&w, k->op);
	msg_put_str(&w, k->uri);
	msg_put_str(&w, k->version);
	msg_put_blob(&w, k->wrapped, k->op == KMS_UNWRAP ? k->wrappedlen : 0);
	put_context(&w, k->deployment);
	if (k->key != NULL)
		msg_put_blob(&w, secret_bytes(k->key), secret_len(k->key));
	else
		msg_put_blob(&w, "", 0);
	msg_put_u32(&w, KMSLINK_ASK);
	outbox_secret(o, FROM_KMS, 0, &w);
	secret_free(&k->key);
}

void
kmslink_refused(struct broker *b, const char *text, struct outbox *o)
{
	if (b->kms->state == KL_SPAWNED)
		fail(b, KC_UNAVAILABLE, text, o);
}

/* A text of the role, fit for a log line. */
static void
take_text(struct kms_answer *a, const uint8_t *p, size_t len)
{
	size_t	 i;

	if (len >= sizeof(a->text))
		len = sizeof(a->text) - 1;
	for (i = 0; i < len; i++)
		a->text[i] = p[i] >= ' ' && p[i] <= '~' ? (char)p[i] : '?';
	a->text[len] = '\0';
	if (len == 0 && a->class != KC_OK)
		strlcpy(a->text, "the KMS gave no reason", sizeof(a->text));
}

/* The key leaves the message at once.  0, or -1: not of 32 bytes, no slot. */
static int
take_key(struct kms_answer *a, const uint8_t *p, size_t len)
{
	if (len == 0)
		return 0;
	if (len == KMS_KEY_LEN)
		a->key = secret_dup(p, len);
	secret_wipe((void *)(uintptr_t)p, len);
	return a->key == NULL ? -1 : 0;
}

void
kmslink_message(struct broker *b, struct msgr *m, struct outbox *o)
{
	struct kms_answer	 a;
	const uint8_t		*key, *text;
	size_t			 keylen, textlen;
	uint32_t		 cookie;
	uint8_t			 class;
	int			 bad;

	memset(&a, 0, sizeof(a));
	cookie = msg_get_u32(m);
	class = msg_get_u8(m);
	a.flags = msg_get_u8(m);
	a.wait = msg_get_u32(m);
	msg_get_str(m, a.keyid, sizeof(a.keyid));
	a.wrapped = msg_get_blob(m, KMS_WRAPPED_MAX, &a.wrappedlen);
	key = msg_get_blob(m, 4096, &keylen);
	text = msg_get_strv(m, 4096, &textlen);
	bad = msg_end(m) == -1 || class >= KC_MAX;
	a.class = bad ? KC_PROTOCOL : (enum proto_kms_class)class;
	if (key != NULL && take_key(&a, key, keylen) == -1)
		bad = 1;
	if (b->kms->state != KL_ASKED || cookie != b->kms->cookie) {
		secret_free(&a.key);
		return;
	}
	if (bad) {
		secret_free(&a.key);
		fail(b, KC_PROTOCOL, "the kms role gave a malformed answer", o);
		return;
	}
	take_text(&a, text, textlen);
	done(b, &a, o);
}

void
kmslink_lost(struct broker *b, struct outbox *o)
{
	b->kms->p.up = 0;
	if (b->kms->state == KL_ASKED)
		fail(b, KC_UNAVAILABLE, "the kms role ended without an answer",
		    o);
}

void
kmslink_tick(struct broker *b, struct outbox *o)
{
	if (b->kms->state == KL_IDLE || b->now < b->kms->deadline)
		return;
	fail(b, KC_UNAVAILABLE, b->kms->state == KL_SPAWNED ?
	    "the kms role did not start in time" :
	    "the kms role gave no answer in time", o);
}

uint64_t
kmslink_due(const struct broker *b)
{
	return b->kms->state == KL_IDLE ? NEVER : b->kms->deadline;
}
