/* SPDX-License-Identifier: ISC */

/*
 * Google Cloud KMS (kms.md 1.2): the broker's key is wrapped by encrypt, with
 * the context as additional authenticated data.  CRC32C of everything goes both
 * ways; an answer whose sums are not right is no answer.
 */

#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

static const struct kms_code	codes[] = {
	{ "UNAVAILABLE", KC_UNAVAILABLE, 0 },
	{ "DEADLINE_EXCEEDED", KC_UNAVAILABLE, 0 },
	{ "INTERNAL", KC_UNAVAILABLE, 0 },
	{ "ABORTED", KC_UNAVAILABLE, 0 },
	{ "RESOURCE_EXHAUSTED", KC_THROTTLED, 0 },
	{ "UNAUTHENTICATED", KC_AUTH, KA_CREDENTIAL },
	{ "PERMISSION_DENIED", KC_DENIED, 0 },
	{ "NOT_FOUND", KC_CONFIG, 0 },
	{ "FAILED_PRECONDITION", KC_STATE, 0 },
	{ "INVALID_ARGUMENT", KC_INVALID, 0 },
	{ NULL, KC_PROTOCOL, 0 }
};

static enum proto_kms_class
classify(struct kms *k, const struct reply *r, const char *what)
{
	const struct kms_code	*c;
	char			 code[64];

	text_name(code, sizeof(code), text_string(r->json, "error.status"));
	c = text_code(codes, code);
	k->wait = r->retry;
	if (c != NULL) {
		k->again |= c->again;
		return text_say(k, c->class, "%s: %s", what, code);
	}
	if (r->status == 429)
		return text_say(k, KC_THROTTLED, "%s: status 429", what);
	return text_say(k, r->status >= 500 ? KC_UNAVAILABLE : KC_PROTOCOL,
	    r->status >= 300 && r->status < 400 ? "%s: status %d, a redirect "
	    "is not followed" : "%s: status %d", what, r->status);
}

static void
put_data(json_t *j, const char *name, const char *crc, const void *p, size_t n)
{
	char	 sum[16];

	snprintf(sum, sizeof(sum), "%lu", (unsigned long)text_crc32c(p, n));
	json_object_set_new(j, name, json_string(text_b64(p, n, 0)));
	json_object_set_new(j, crc, json_string(sum));
}

static enum proto_kms_class
call(struct kms *k, const char *verb, json_t *j, struct reply *r)
{
	enum proto_kms_class	 class;
	const char		*token, *quota, *base;
	struct fetch		 f;

	memset(r, 0, sizeof(*r));
	token = NULL;
	class = gcptoken_get(k, &token, &quota);
	if (class != KC_OK)
		return class;
	base = facts_env("TAPPASS_GCP_KMS_ENDPOINT");
	memset(&f, 0, sizeof(f));
	f.method = "POST";
	f.url = arena_printf("%s/v1/%s:%s", base != NULL ? base :
	    "https://cloudkms.googleapis.com", k->uri.key, verb);
	put_data(j, "additionalAuthenticatedData",
	    "additionalAuthenticatedDataCrc32c", k->context, k->contextlen);
	f.body = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	if (f.body == NULL)
		return text_say(k, KC_PROTOCOL, "out of memory");
	fetch_header(&f, "Authorization", arena_printf("Bearer %s", token));
	fetch_header(&f, "Content-Type", "application/json");
	if (quota != NULL)
		fetch_header(&f, "X-Goog-User-Project", quota);
	class = fetch_do(k, &f, r);
	if (class != KC_OK)
		return class;
	if (r->status != 200)
		return classify(k, r, verb);
	return r->json != NULL ? KC_OK : text_say(k, KC_PROTOCOL, "%s: an "
	    "answer that is no JSON object", verb);
}

/* A base64 member and its sum; NULL if it is absent or does not fit it. */
static uint8_t *
summed(const struct reply *r, const char *name, const char *crc, size_t *len)
{
	const char	*s;
	uint8_t		*p;

	s = text_string(r->json, name);
	p = s == NULL ? NULL : text_unb64(s, 0, len);
	if (p == NULL || text_number(r->json, crc) !=
	    (int64_t)text_crc32c(p, *len))
		return NULL;
	return p;
}

static enum proto_kms_class
wrap(struct kms *k)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	const char		*name;
	json_t			*j;
	size_t			 n;

	j = json_object();
	put_data(j, "plaintext", "plaintextCrc32c", k->key, k->keylen);
	class = call(k, "encrypt", j, &r);
	if (class != KC_OK)
		return class;
	name = text_string(r.json, "name");
	n = strlen(k->uri.key);
	if (name == NULL || strncmp(name, k->uri.key, n) != 0 ||
	    (name[n] != '/' && name[n] != '\0') ||
	    strlcpy(k->keyid, name, sizeof(k->keyid)) >= sizeof(k->keyid))
		return text_say(k, KC_INVALID, "encrypt: the answer is of "
		    "another key");
	/* A sum that is not right is damage on the way: asked again. */
	if (!json_is_true(json_object_get(r.json, "verifiedPlaintextCrc32c"))
	    || !json_is_true(json_object_get(r.json,
	    "verifiedAdditionalAuthenticatedDataCrc32c")))
		return text_say(k, KC_UNAVAILABLE, "encrypt: our checksums "
		    "did not arrive");
	k->outwrapped = summed(&r, "ciphertext", "ciphertextCrc32c",
	    &k->outwrappedlen);
	return k->outwrapped != NULL ? KC_OK : text_say(k, KC_UNAVAILABLE,
	    "encrypt: the ciphertext does not fit its checksum");
}

static enum proto_kms_class
generate(struct kms *k)
{
	enum proto_kms_class	 class;

	class = wrap(k);
	k->outkey = k->key;
	k->outkeylen = class == KC_OK ? k->keylen : 0;
	return class;
}

static enum proto_kms_class
unwrap(struct kms *k)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	json_t			*j;

	j = json_object();
	put_data(j, "ciphertext", "ciphertextCrc32c", k->wrapped,
	    k->wrappedlen);
	class = call(k, "decrypt", j, &r);
	if (class != KC_OK)
		return class;
	strlcpy(k->keyid, k->uri.key, sizeof(k->keyid));
	if (!json_is_true(json_object_get(r.json, "usedPrimary")))
		k->flags |= KR_REWRAP;
	k->outkey = summed(&r, "plaintext", "plaintextCrc32c", &k->outkeylen);
	return k->outkey != NULL ? KC_OK : text_say(k, KC_UNAVAILABLE,
	    "decrypt: the plaintext does not fit its checksum");
}

const struct kms_backend	gcpkms_backend = {
	KB_GCP, "gcp_kms", NULL, generate, wrap, unwrap,
	"roles/cloudkms.cryptoKeyEncrypterDecrypter on this key"
};
