/* SPDX-License-Identifier: ISC */

/*
 * The key in KV v2, or wrapped by Transit: encrypt and decrypt with
 * associated_data, which Vault and OpenBao both have (datakey and rewrap do
 * not bind it everywhere, kms.md 1.4).
 */

#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

/* Words of an error that say more than its status. */
static const struct {
	const char		*words;
	enum proto_kms_class	 class;
} phrases[] = {
	{ "message authentication failed", KC_INVALID },
	{ "invalid ciphertext", KC_INVALID },
	{ "disallowed by policy (too old)", KC_INVALID },
	{ "encryption key not found", KC_CONFIG },
	{ "no handler for route", KC_CONFIG },
	{ "Vault is sealed", KC_UNAVAILABLE },
	{ "rate limit quota exceeded", KC_THROTTLED },
	{ "permission denied", KC_DENIED },
};

static const struct {
	int			 from, to;
	enum proto_kms_class	 class;
	const char		*text;
} statuses[] = {
	{ 400, 400, KC_INVALID, "refused" },
	{ 401, 403, KC_DENIED, "permission denied" },
	{ 404, 404, KC_CONFIG, "there is nothing of that name" },
	{ 405, 405, KC_CONFIG, "not such an engine" },
	{ 412, 412, KC_UNAVAILABLE, "not yet consistent" },
	{ 429, 429, KC_THROTTLED, "throttled" },
	{ 503, 503, KC_UNAVAILABLE, "sealed or in maintenance" },
	{ 500, 599, KC_UNAVAILABLE, "server error" },
};

static const char *
phrase(const struct reply *r, enum proto_kms_class *class)
{
	const char	*s;
	json_t		*e;
	size_t		 i, n;

	json_array_foreach(json_object_get(r->json, "errors"), n, e) {
		s = json_string_value(e);
		for (i = 0; s != NULL && i < nitems(phrases); i++)
			if (strstr(s, phrases[i].words) != NULL) {
				*class = phrases[i].class;
				return phrases[i].words;
			}
	}
	return NULL;
}

/* 403 says neither whether the token died: that is asked. */
static enum proto_kms_class
denied(struct kms *k, const char *token, const char *what, int renewable)
{
	struct reply	 r;

	if (vaultlogin_call(k, token, "GET", "auth/token/lookup-self", NULL,
	    &r) == KC_OK && r.status == 403) {
		if (renewable)
			k->again |= KA_CREDENTIAL;
		return text_say(k, KC_AUTH, "%s: the token is not valid (any "
		    "more), or not in this namespace", what);
	}
	return text_say(k, KC_DENIED, "%s: permission denied", what);
}

static enum proto_kms_class
classify(struct kms *k, const struct reply *r, const char *what)
{
	enum proto_kms_class	 class;
	const char		*s;
	size_t			 i;

	s = phrase(r, &class);
	if (s != NULL)
		return text_say(k, class, "%s: %s", what, s);
	for (i = 0; i < nitems(statuses); i++)
		if (r->status >= statuses[i].from &&
		    r->status <= statuses[i].to)
			return text_say(k, statuses[i].class, "%s: %s (%d)",
			    what, statuses[i].text, r->status);
	return text_say(k, KC_PROTOCOL, "%s: status %d", what, r->status);
}

/* KC_OK: status 200 and JSON, or 404, which a caller may understand better. */
static enum proto_kms_class
call(struct kms *k, const char *method, const char *path, json_t *j,
    const char *what, struct reply *r)
{
	enum proto_kms_class	 class;
	const char		*token;
	char			*body;
	int			 renewable;

	class = vaultlogin_get(k, &token, &renewable);
	if (class != KC_OK)
		return class;
	body = j == NULL ? NULL : json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	class = vaultlogin_call(k, token, method, path, body, r);
	if (class != KC_OK)
		return class;
	if (r->status == 403)
		return denied(k, token, what, renewable);
	if (r->status == 404 && r->json != NULL && phrase(r, &class) == NULL)
		return KC_OK;
	if (r->status != 200)
		return classify(k, r, what);
	return r->json != NULL ? KC_OK : text_say(k, KC_PROTOCOL, "%s: an "
	    "answer that is no JSON object", what);
}

/* ---- KV v2 ---------------------------------------------------------------------- */

/* The part of the URI's path below mount and "data/". */
static const char *
below(const char *path, const char *mount)
{
	size_t	 n;

	n = strlen(mount);
	if (strncmp(path, mount, n) == 0 && path[n] == '/')
		path += n + 1;
	if (strncmp(path, "data/", 5) == 0)
		path += 5;
	return path;
}

static enum proto_kms_class
read_secret(struct kms *k, const char *version, struct reply *r)
{
	enum proto_kms_class	 class;
	const char		*mount, *path;

	/* VAULT_KV_MOUNT wins; else what stands before "/data/" in the URI. */
	mount = facts_env("VAULT_KV_MOUNT");
	if (mount == NULL && (path = strstr(k->uri.key, "/data/")) != NULL)
		mount = arena_dup(k->uri.key, (size_t)(path - k->uri.key));
	if (mount == NULL)
		mount = "secret";
	path = below(k->uri.key, mount);
	class = call(k, "GET", arena_printf("%s/data/%s%s%s", mount, path,
	    version[0] != '\0' ? "?version=" : "", text_escape(version)),
	    NULL, "KV", r);
	if (class != KC_OK || r->status == 200)
		return class;
	if (json_is_object(json_object_get(json_object_get(r->json, "data"),
	    "metadata")))
		return text_say(k, KC_STATE, "KV: this version of the secret "
		    "was deleted or destroyed: undelete it, or write a new "
		    "one");
	if (json_array_size(json_object_get(r->json, "warnings")) > 0)
		return text_say(k, KC_CONFIG, "KV: the path is not one of a "
		    "KV v2 mount");
	return text_say(k, KC_CONFIG, "KV: there is no such secret or "
	    "version");
}

static enum proto_kms_class
fetch(struct kms *k)
{
	enum proto_kms_class	 class;
	const char		*value;
	struct reply		 r;
	int64_t			 n;
	json_t			*data;
	int			 back;

	back = strcmp(k->version, "previous") == 0;
	class = read_secret(k, back ? "" : k->version, &r);
	if (class != KC_OK)
		return class;
	n = text_number(r.json, "data.metadata.version");
	if (n < 1)
		return text_say(k, KC_PROTOCOL, "KV: an answer without a "
		    "version");
	if (back && n == 1)
		return text_say(k, KC_CONFIG, "KV: the secret has no version "
		    "before the newest");
	if (back) {
		class = read_secret(k, arena_printf("%lld",
		    (long long)(n - 1)), &r);
		if (class != KC_OK)
			return class;
		n = text_number(r.json, "data.metadata.version");
	}
	data = json_object_get(json_object_get(r.json, "data"), "data");
	value = json_string_value(json_object_get(data, k->uri.field));
	if (value == NULL)
		return text_say(k, KC_CONFIG, "KV: the secret has no text in "
		    "the field %s", k->uri.field);
	snprintf(k->keyid, sizeof(k->keyid), "%lld", (long long)n);
	return text_key(k, value) == 0 ? KC_OK : text_say(k, KC_INVALID,
	    "KV: the field %s is not base64 of 32 bytes", k->uri.field);
}

/* ---- Transit ----------------------------------------------------------------------- */

static enum proto_kms_class
transit(struct kms *k, const char *verb, json_t *j, struct reply *r)
{
	enum proto_kms_class	 class;
	const char		*mount;

	mount = facts_env("VAULT_TRANSIT_MOUNT");
	json_object_set_new(j, "associated_data", json_string(text_b64(
	    k->context, k->contextlen, 0)));
	class = call(k, "POST", arena_printf("%s/%s/%s", mount != NULL ? mount
	    : "transit", verb, k->uri.key), j, verb, r);
	if (class == KC_OK && r->status != 200)
		return classify(k, r, verb);
	return class;
}

static enum proto_kms_class
wrap(struct kms *k)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	const char		*s;
	json_t			*j;

	j = json_object();
	json_object_set_new(j, "plaintext", json_string(text_b64(k->key,
	    k->keylen, 0)));
	class = transit(k, "encrypt", j, &r);
	if (class != KC_OK)
		return class;
	s = text_string(r.json, "data.ciphertext");
	if (s == NULL)
		return text_say(k, KC_PROTOCOL, "encrypt: an answer without "
		    "ciphertext");
	k->outwrapped = (const uint8_t *)s;
	k->outwrappedlen = strlen(s);
	snprintf(k->keyid, sizeof(k->keyid), "%.400s:%lld", k->uri.key,
	    (long long)text_number(r.json, "data.key_version"));
	return KC_OK;
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
	const char		*s;
	json_t			*j, *text;

	j = json_object();
	text = json_stringn((const char *)k->wrapped, k->wrappedlen);
	if (text == NULL)
		return text_say(k, KC_INVALID, "the wrapped key is not of "
		    "this back end");
	json_object_set_new(j, "ciphertext", text);
	class = transit(k, "decrypt", j, &r);
	if (class != KC_OK)
		return class;
	s = text_string(r.json, "data.plaintext");
	strlcpy(k->keyid, k->uri.key, sizeof(k->keyid));
	k->outkey = s == NULL ? NULL : text_unb64(s, 0, &k->outkeylen);
	return k->outkey != NULL ? KC_OK : text_say(k, KC_PROTOCOL,
	    "decrypt: an answer without plaintext");
}

const struct kms_backend	kvault_backend = {
	KB_VAULT, "vault", fetch, NULL, NULL, NULL,
	"read on this path of the KV v2 mount"
};

const struct kms_backend	transit_backend = {
	KB_TRANSIT, "vault_transit", NULL, generate, wrap, unwrap,
	"update on transit/encrypt and transit/decrypt of this key"
};
