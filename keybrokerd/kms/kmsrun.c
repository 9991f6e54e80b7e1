/* SPDX-License-Identifier: ISC */

/*
 * The exchange: picks the row, runs it, repeats what may pass within the time
 * that the broker gave, and makes RESULT.  Never more than KMS_TRIES; a
 * credential or a clock is renewed once.
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "keybrokerd/kms/kms.h"

static const struct kms_backend *const	backends[] = {
	&awskms_backend, &gcpkms_backend, &azsecret_backend, &azwrap_backend,
	&kvault_backend, &transit_backend,
};

typedef enum proto_kms_class (*run_fn)(struct kms *);

static run_fn
operation(const struct kms_backend *b, int op)
{
	switch (op) {
	case KMS_FETCH:
		return b->fetch;
	case KMS_GENERATE:
		return b->generate;
	case KMS_WRAP:
		return b->wrap;
	case KMS_UNWRAP:
		return b->unwrap;
	default:
		return NULL;
	}
}

/* Which certificates the operator named for this service. */
static enum proto_kms_class
trust(struct kms *k)
{
	static const char *const	 names[] = { "AWS_CA_BUNDLE",
	    "VAULT_CACERT" };
	const char			*pem;
	size_t				 i, len;

	for (i = 0; i < nitems(names); i++) {
		pem = facts_file(names[i], &len);
		if (pem != NULL && https_trust(pem, len) == -1)
			return text_say(k, KC_CONFIG, "%s holds no "
			    "certificate", names[i]);
	}
	return KC_OK;
}

/* What was asked must be whole before anything is sent. */
static enum proto_kms_class
check(struct kms *k)
{
	if (k->op != KMS_FETCH && text_context(k->context,
	    k->contextlen) == NULL)
		return text_say(k, KC_CONFIG, "the context is malformed");
	if ((k->op == KMS_WRAP || (k->op == KMS_GENERATE &&
	    k->uri.back != KB_AWS)) && k->keylen != KMS_KEY_LEN)
		return text_say(k, KC_CONFIG, "no key of 32 bytes to wrap");
	if (k->op == KMS_UNWRAP && k->wrappedlen == 0)
		return text_say(k, KC_INVALID, "there is no wrapped key");
	return trust(k);
}

/* An answer that says OK without what was asked is none. */
static enum proto_kms_class
complete(struct kms *k)
{
	if ((k->op == KMS_GENERATE || k->op == KMS_WRAP) &&
	    (k->outwrappedlen == 0 || k->outwrappedlen > KMS_WRAPPED_MAX))
		return text_say(k, KC_PROTOCOL, "the answer has no wrapped "
		    "key");
	if (k->op != KMS_WRAP && k->outkeylen != KMS_KEY_LEN)
		return text_say(k, KC_INVALID, "the key is not 32 bytes long");
	return KC_OK;
}

/* Half to whole of 100 ms, 200 ms, ... ; 0 when the time does not allow. */
static int
pause_before(const struct kms *k, int try)
{
	uint64_t	 ns;

	ns = 100 * NS_MS << (try - 1);
	if (poll_now() + ns + 100 * NS_MS > k->deadline)
		return 0;
	poll(NULL, 0, (int)(ns / NS_MS));
	return 1;
}

static void
forget(struct kms *k)
{
	k->again = 0;
	k->flags &= KR_SKEW;
	k->wait = 0;
	k->outwrappedlen = k->outkeylen = 0;
	k->keyid[0] = '\0';
}

enum proto_kms_class
kmsrun_exchange(struct kms *k)
{
	const struct kms_backend	*b;
	enum proto_kms_class		 class;
	run_fn				 run;
	size_t				 i;
	int				 try, renewed;

	for (i = 0, b = NULL; i < nitems(backends); i++)
		if (backends[i]->back == k->uri.back)
			b = backends[i];
	run = b == NULL ? NULL : operation(b, k->op);
	if (run == NULL)
		return text_say(k, KC_CONFIG, "%s cannot do that: %s",
		    b == NULL ? "?" : b->name, kmsuri_envelope(&k->uri) ?
		    "it wraps keys" : "it stores the key itself");
	class = check(k);
	renewed = 0;
	for (try = 1; class == KC_OK; try++) {
		forget(k);
		class = run(k);
		if (class == KC_OK)
			class = complete(k);
		if (class == KC_OK)
			return class;
		if ((k->again & ~renewed) != 0 && try < KMS_TRIES) {
			renewed |= k->again;
			class = KC_OK;
		} else if (class == KC_UNAVAILABLE && try < KMS_TRIES &&
		    pause_before(k, try))
			class = KC_OK;
	}
	k->outwrappedlen = k->outkeylen = 0;
	return class;
}

static const char *
permission(const struct kms *k)
{
	size_t	 i;

	for (i = 0; i < nitems(backends); i++)
		if (backends[i]->back == k->uri.back)
			return backends[i]->permission;
	return "";
}

void
kmsrun_result(const struct kms *k, uint32_t cookie,
    enum proto_kms_class class, struct msgw *w)
{
	char	 text[KMS_URI_MAX + KMS_TEXT + 256];
	size_t	 n;

	/* The URI has no query and no secret. */
	text[0] = '\0';
	if (class == KC_DENIED)
		snprintf(text, sizeof(text), "%s: %s (needs %s)",
		    k->uritext, k->text, permission(k));
	else if (class != KC_OK || k->text[0] != '\0')
		snprintf(text, sizeof(text), "%s: %s", k->uritext,
		    k->text);
	msg_open(w, M_RESULT);
	msg_put_u32(w, cookie);
	msg_put_u8(w, (uint8_t)class);
	msg_put_u8(w, k->flags);
	msg_put_u32(w, k->wait);
	msg_put_str(w, k->keyid);
	msg_put_blob(w, k->outwrapped, k->outwrappedlen);
	msg_put_blob(w, k->outkey, k->outkeylen);
	n = strlen(text);
	msg_put_strn(w, text, n < REASON_MAX ? n : REASON_MAX - 1);
}
