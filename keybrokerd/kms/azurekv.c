/* SPDX-License-Identifier: ISC */

/*
 * Azure Key Vault (kms.md 1.3): the key as a secret's value, or wrapped by a
 * key of the vault.  The vault's challenge names tenant and resource; a token
 * goes only to a host that lies below that resource.  RSA-OAEP binds no
 * context, so what is wrapped is the key and the digest of its context.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/secret/secret.h"
#include "common/text/sha256.h"
#include "keybrokerd/kms/kms.h"

#define VERSION		"api-version=7.4"
#define ALGORITHM	"RSA-OAEP-256"

static const struct kms_code	inner[] = {
	{ "SecretDisabled", KC_STATE, 0 },
	{ "KeyDisabled", KC_STATE, 0 },
	{ "ForbiddenByPolicy", KC_DENIED, 0 },
	{ "ForbiddenByRbac", KC_DENIED, 0 },
	{ "ForbiddenByFirewall", KC_DENIED, 0 },
	{ "AccessDenied", KC_DENIED, 0 },
	{ "SecretNotFound", KC_CONFIG, 0 },
	{ "KeyNotFound", KC_CONFIG, 0 },
	{ "VaultNotFound", KC_CONFIG, 0 },
	{ "ObjectIsDeletedButRecoverable", KC_STATE, 0 },
	{ "BadParameter", KC_INVALID, 0 },
	{ "InvalidKeyOperation", KC_INVALID, 0 },
	{ "Throttled", KC_THROTTLED, 0 },
	{ NULL, KC_PROTOCOL, 0 }
};

static const struct {
	int			 from, to;
	enum proto_kms_class	 class;
} statuses[] = {
	{ 300, 399, KC_PROTOCOL }, { 401, 401, KC_AUTH },
	{ 403, 403, KC_DENIED }, { 404, 404, KC_CONFIG },
	{ 408, 408, KC_UNAVAILABLE }, { 409, 409, KC_STATE },
	{ 429, 429, KC_THROTTLED }, { 500, 599, KC_UNAVAILABLE },
};

static enum proto_kms_class
classify(struct kms *k, const struct reply *r, const char *what)
{
	const struct kms_code	*c;
	const char		*s;
	char			 code[64];
	size_t			 i;

	s = text_string(r->json, "error.innererror.code");
	if (s == NULL)
		s = text_string(r->json, "error.code");
	text_name(code, sizeof(code), s);
	k->wait = r->retry;
	if (r->status == 401)
		k->again |= KA_CREDENTIAL;
	c = text_code(inner, code);
	if (c != NULL && r->status < 500)
		return text_say(k, c->class, "%s: %s", what, code);
	for (i = 0; i < nitems(statuses); i++)
		if (r->status >= statuses[i].from &&
		    r->status <= statuses[i].to)
			return text_say(k, statuses[i].class, "%s: status %d "
			    "%s", what, r->status, code);
	return text_say(k, KC_PROTOCOL, "%s: status %d %s", what, r->status,
	    code);
}

/* ---- challenge --------------------------------------------------------------- */

/* name="value" of a WWW-Authenticate field; NULL if it is not there. */
static char *
parameter(const char *field, const char *name)
{
	const char	*p, *end;
	size_t		 n;

	n = strlen(name);
	for (p = field; (p = strstr(p, name)) != NULL; p += n) {
		if ((p != field && p[-1] != ' ' && p[-1] != ',') ||
		    p[n] != '=')
			continue;
		p += n + 1;
		if (*p == '"')
			end = strchr(++p, '"');
		else
			end = p + strcspn(p, ", ");
		return end == NULL ? NULL : arena_dup(p, (size_t)(end - p));
	}
	return NULL;
}

/* A hostile "vault" must not harvest a token for another service. */
static int
below(const char *host, const char *resource)
{
	struct kms_url	 u;
	size_t		 n, m;

	if (kmsurl_parse(&u, resource) == -1 || !u.tls)
		return 0;
	n = strlen(host);
	m = strlen(u.host);
	return n > m + 1 && host[n - m - 1] == '.' &&
	    strcmp(host + n - m, u.host) == 0;
}

static enum proto_kms_class
challenged(struct kms *k, const struct reply *r, const char **token)
{
	char		*authority, *resource, *tenant, *end;
	struct kms_url	 u;

	if (strncasecmp(r->challenge, "Bearer ", 7) != 0)
		return text_say(k, KC_PROTOCOL, "the vault's 401 has no "
		    "Bearer challenge");
	authority = parameter(r->challenge, "authorization");
	if (authority == NULL)
		authority = parameter(r->challenge, "authorization_uri");
	resource = parameter(r->challenge, "resource");
	if (resource == NULL && (resource = parameter(r->challenge,
	    "scope")) != NULL && (end = strstr(resource, "/.default")) != NULL)
		*end = '\0';
	if (authority == NULL || resource == NULL ||
	    kmsurl_parse(&u, authority) == -1)
		return text_say(k, KC_PROTOCOL, "the vault's challenge names "
		    "no authority or no resource");
	if (!below(k->uri.host, resource))
		return text_say(k, KC_PROTOCOL, "the challenge wants a token "
		    "for another service: none is sent");
	tenant = arena_dup(u.path + 1, strcspn(u.path + 1, "/"));
	return azuretoken_get(k, resource, tenant == NULL ? "" : tenant,
	    token);
}

/* The first request carries neither body nor token. */
static enum proto_kms_class
call(struct kms *k, const char *method, const char *path, const char *body,
    const char *what, struct reply *r)
{
	enum proto_kms_class	 class;
	const char		*base, *token;
	struct fetch		 f;
	char			*url;

	base = facts_env("TAPPASS_AZURE_KV_ENDPOINT");
	url = base != NULL ? arena_printf("%s%s", base, path) :
	    arena_printf("https://%s:%u%s", k->uri.host,
	    (unsigned int)k->uri.port, path);
	memset(&f, 0, sizeof(f));
	f.method = method;
	f.url = url;
	class = fetch_do(k, &f, r);
	if (class != KC_OK)
		return class;
	if (r->status != 401)
		return r->status == 200 ? text_say(k, KC_PROTOCOL, "%s: the "
		    "vault asks for no token", what) : classify(k, r, what);
	token = NULL;
	class = challenged(k, r, &token);
	if (class != KC_OK)
		return class;
	fetch_header(&f, "Authorization", arena_printf("Bearer %s", token));
	if (body != NULL)
		fetch_header(&f, "Content-Type", "application/json");
	f.body = body;
	class = fetch_do(k, &f, r);
	if (class != KC_OK)
		return class;
	if (r->status != 200)
		return classify(k, r, what);
	return r->json != NULL ? KC_OK : text_say(k, KC_PROTOCOL, "%s: an "
	    "answer that is no JSON object", what);
}

/* ---- the key as a secret ---------------------------------------------------------- */

/* What follows the last slash of an id. */
static const char *
last(const char *id)
{
	const char	*s;

	s = id == NULL ? NULL : strrchr(id, '/');
	return s == NULL || s[1] == '\0' ? NULL : s + 1;
}

/* The service does not enforce these. */
static enum proto_kms_class
in_force(struct kms *k, json_t *attributes)
{
	int64_t	 nbf, exp, now;

	now = (int64_t)time(NULL);
	nbf = text_number(attributes, "nbf");
	exp = text_number(attributes, "exp");
	if (json_is_false(json_object_get(attributes, "enabled")))
		return text_say(k, KC_STATE, "the secret is disabled");
	if (exp != -1 && exp <= now)
		return text_say(k, KC_STATE, "the secret has expired");
	if (nbf != -1 && nbf > now)
		return text_say(k, KC_STATE, "the secret is not valid yet");
	return KC_OK;
}

/* The second newest version that is enabled; one page of versions. */
static enum proto_kms_class
previous(struct kms *k, const char **version)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	const char		*newest, *id;
	json_t			*v;
	size_t			 i;
	int64_t			 when, best, second;

	class = call(k, "GET", arena_printf("/secrets/%s/versions?" VERSION,
	    k->uri.key), NULL, "versions of the secret", &r);
	if (class != KC_OK)
		return class;
	best = second = -1;
	newest = *version = NULL;
	json_array_foreach(json_object_get(r.json, "value"), i, v) {
		id = last(text_string(v, "id"));
		when = text_number(v, "attributes.created");
		if (id == NULL || when == -1 || json_is_false(json_object_get(
		    json_object_get(v, "attributes"), "enabled")))
			continue;
		if (when > best) {
			second = best;
			*version = newest;
			best = when;
			newest = id;
		} else if (when > second) {
			second = when;
			*version = id;
		}
	}
	return *version != NULL ? KC_OK : text_say(k, KC_CONFIG,
	    "the secret has no version before the newest");
}

static enum proto_kms_class
fetch(struct kms *k)
{
	enum proto_kms_class	 class;
	const char		*version, *value;
	struct reply		 r;

	version = k->version[0] != '\0' ? k->version : k->uri.version;
	if (strcmp(version, "previous") == 0) {
		class = previous(k, &version);
		if (class != KC_OK)
			return class;
	}
	class = call(k, "GET", arena_printf("/secrets/%s/%s?" VERSION,
	    k->uri.key, text_escape(version)), NULL, "secret", &r);
	if (class == KC_OK)
		class = in_force(k, json_object_get(r.json, "attributes"));
	if (class != KC_OK)
		return class;
	value = text_string(r.json, "value");
	version = last(text_string(r.json, "id"));
	if (value == NULL || version == NULL ||
	    strlcpy(k->keyid, version, sizeof(k->keyid)) >= sizeof(k->keyid))
		return text_say(k, KC_PROTOCOL, "secret: an answer without "
		    "value or id");
	return text_key(k, value) == 0 ? KC_OK : text_say(k, KC_INVALID,
	    "the secret is not base64 of 32 bytes");
}

/* ---- wrapped by a key ------------------------------------------------------------------ */

/* Name and version of the kid that an answer or our record has. */
static int
kid(struct kms *k, const char *url, char *version, size_t size)
{
	struct kms_url	 u;
	char		 prefix[KMS_PART_MAX];
	size_t		 n;

	n = (size_t)snprintf(prefix, sizeof(prefix), "/keys/%.400s/",
	    k->uri.key);
	if (url == NULL || kmsurl_parse(&u, url) == -1 ||
	    strcmp(u.host, k->uri.host) != 0 ||
	    strncmp(u.path, prefix, n) != 0 || u.path[n] == '\0' ||
	    strchr(u.path + n, '/') != NULL)
		return -1;
	return strlcpy(version, u.path + n, size) < size ? 0 : -1;
}

static enum proto_kms_class
operate(struct kms *k, const char *verb, const char *version, const void *p,
    size_t n, struct reply *r)
{
	json_t	*j;

	memset(r, 0, sizeof(*r));
	j = json_pack("{s:s,s:s}", "alg", ALGORITHM, "value",
	    text_b64(p, n, 1));
	if (j == NULL)
		return text_say(k, KC_PROTOCOL, "out of memory");
	return call(k, "POST", arena_printf("/keys/%s/%s/%s?" VERSION,
	    k->uri.key, text_escape(version), verb), json_dumps(j,
	    JSON_COMPACT), verb, r);
}

/*
 * What we store: u16 length of the version, the version, what the vault made.
 * Unwrapping asks exactly that version; the unversioned path is the newest.
 */
static enum proto_kms_class
wrap(struct kms *k)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	const char		*id, *s;
	uint8_t			 both[2 * KMS_KEY_LEN], *blob, *to;
	char			 version[64];
	size_t			 n, v;

	memcpy(both, k->key, KMS_KEY_LEN);
	sha256_buf(k->context, k->contextlen, both + KMS_KEY_LEN);
	class = operate(k, "wrapkey", k->uri.version, both, sizeof(both), &r);
	secret_wipe(both, sizeof(both));
	if (class != KC_OK)
		return class;
	id = text_string(r.json, "kid");
	s = text_string(r.json, "value");
	if (kid(k, id, version, sizeof(version)) == -1)
		return text_say(k, KC_INVALID, "wrapkey: the answer is of "
		    "another key");
	blob = s == NULL ? NULL : text_unb64(s, 1, &n);
	v = strlen(version);
	to = blob == NULL ? NULL : arena_new(2 + v + n);
	if (to == NULL)
		return text_say(k, KC_PROTOCOL, "wrapkey: value is not "
		    "base64url");
	to[0] = 0;
	to[1] = (uint8_t)v;
	memcpy(to + 2, version, v);
	memcpy(to + 2 + v, blob, n);
	k->outwrapped = to;
	k->outwrappedlen = 2 + v + n;
	strlcpy(k->keyid, id, sizeof(k->keyid));
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
	uint8_t			 digest[SHA256_LEN], *both;
	const char		*s;
	char			 version[64], got[64];
	size_t			 n, v;

	v = k->wrappedlen < 2 || k->wrapped[0] != 0 ? 0 : k->wrapped[1];
	if (v == 0 || v >= sizeof(version) || k->wrappedlen <= 2 + v)
		return text_say(k, KC_INVALID, "the wrapped key is not of "
		    "this back end");
	memcpy(version, k->wrapped + 2, v);
	version[v] = '\0';
	if (strspn(version, "0123456789abcdefABCDEF") != v)
		return text_say(k, KC_INVALID, "the wrapped key names no "
		    "version");
	class = operate(k, "unwrapkey", version, k->wrapped + 2 + v,
	    k->wrappedlen - 2 - v, &r);
	if (class != KC_OK)
		return class;
	s = text_string(r.json, "kid");
	if (kid(k, s, got, sizeof(got)) == -1 || strcmp(got, version) != 0)
		return text_say(k, KC_INVALID, "unwrapkey: the answer is of "
		    "another key");
	strlcpy(k->keyid, s, sizeof(k->keyid));
	s = text_string(r.json, "value");
	both = s == NULL ? NULL : text_unb64(s, 1, &n);
	if (both == NULL || n != 2 * KMS_KEY_LEN)
		return text_say(k, KC_INVALID, "unwrapkey: not a key and its "
		    "context");
	sha256_buf(k->context, k->contextlen, digest);
	if (!secret_equal(digest, both + KMS_KEY_LEN, sizeof(digest)))
		return text_say(k, KC_INVALID, "the key was wrapped for "
		    "another context");
	k->outkey = both;
	k->outkeylen = KMS_KEY_LEN;
	return KC_OK;
}

const struct kms_backend	azsecret_backend = {
	KB_AZSECRET, "azure_kv", fetch, NULL, NULL, NULL,
	"Key Vault Secrets User on this vault, and its firewall"
};

const struct kms_backend	azwrap_backend = {
	KB_AZWRAP, "azure_kv_wrap", NULL, generate, wrap, unwrap,
	"Key Vault Crypto User on this vault, and its firewall"
};
