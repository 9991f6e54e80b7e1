/* SPDX-License-Identifier: ISC */

/*
 * Google's credentials in the order of its libraries (kms.md 1.2): the file of
 * GOOGLE_APPLICATION_CREDENTIALS or gcloud's, then the metadata server.  A
 * file that is there and not understood ends the chain.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

#define SCOPE		"https://www.googleapis.com/auth/cloudkms"
#define AUDIENCE	"https://oauth2.googleapis.com/token"
#define LIFE		3600

static const struct kms_code	oauth_codes[] = {
	{ "internal_failure", KC_UNAVAILABLE, 0 },
	{ "server_error", KC_UNAVAILABLE, 0 },
	{ "temporarily_unavailable", KC_UNAVAILABLE, 0 },
	{ "invalid_grant", KC_AUTH, 0 },
	{ "invalid_client", KC_AUTH, 0 },
	{ "unauthorized_client", KC_AUTH, 0 },
	{ "invalid_scope", KC_CONFIG, 0 },
	{ NULL, KC_PROTOCOL, 0 }
};

static enum proto_kms_class
refused(struct kms *k, const char *what, const struct reply *r)
{
	const struct kms_code	*c;
	const char		*s;
	char			 code[64];

	s = text_string(r->json, "error");
	if (s == NULL)
		s = text_string(r->json, "error.status");
	text_name(code, sizeof(code), s);
	c = text_code(oauth_codes, code);
	k->wait = r->retry;
	if (r->status == 429)
		return text_say(k, KC_THROTTLED, "%s: throttled", what);
	if (r->status == 408 || r->status >= 500)
		return text_say(k, KC_UNAVAILABLE, "%s: status %d", what,
		    r->status);
	if (r->status == 403)
		return text_say(k, KC_DENIED, "%s: %s", what, code);
	return text_say(k, c != NULL ? c->class : KC_AUTH, "%s: status %d %s",
	    what, r->status, code);
}

static enum proto_kms_class
token_of(struct kms *k, const char *what, const struct fetch *f,
    const char *member, const char **token)
{
	enum proto_kms_class	 class;
	struct reply		 r;

	class = fetch_do(k, f, &r);
	if (class != KC_OK)
		return class;
	if (r.status != 200)
		return refused(k, what, &r);
	*token = text_string(r.json, member);
	return *token != NULL && **token != '\0' ? KC_OK :
	    text_say(k, KC_PROTOCOL, "%s: an answer without a token", what);
}

static void
form(struct fetch *f, const char *url, const char *body)
{
	memset(f, 0, sizeof(*f));
	f->method = "POST";
	f->url = url;
	f->body = body;
	fetch_header(f, "Content-Type", "application/x-www-form-urlencoded");
}

/* ---- service account: a JWT of ours ------------------------------------------- */

/* RS256 over text; base64url, NULL: not an RSA key, or no memory. */
static char *
rs256(const char *pem, const char *text)
{
	EVP_MD_CTX	*ctx;
	EVP_PKEY	*key;
	BIO		*bio;
	uint8_t		*sig;
	size_t		 n;
	char		*out;

	out = NULL;
	bio = BIO_new_mem_buf(pem, -1);
	key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL,
	    NULL);
	BIO_free(bio);
	ctx = EVP_MD_CTX_new();
	if (key != NULL && ctx != NULL &&
	    EVP_PKEY_base_id(key) == EVP_PKEY_RSA &&
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, NULL, &n, (const uint8_t *)text,
	    strlen(text)) == 1 && (sig = arena_new(n)) != NULL &&
	    EVP_DigestSign(ctx, sig, &n, (const uint8_t *)text,
	    strlen(text)) == 1)
		out = text_b64(sig, n, 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return out;
}

static char *
json_b64(json_t *j)
{
	char	*s;

	s = json_dumps(j, JSON_COMPACT);
	return s == NULL ? NULL : text_b64(s, strlen(s), 1);
}

static char *
jwt(json_t *file)
{
	const char	*kid, *mail, *pem;
	json_t		*head, *claims;
	char		*h, *c, *text, *sig;
	int64_t		 now;

	mail = text_string(file, "client_email");
	pem = text_string(file, "private_key");
	kid = text_string(file, "private_key_id");
	if (mail == NULL || pem == NULL)
		return NULL;
	now = (int64_t)time(NULL) - 10;
	head = json_pack("{s:s,s:s,s:s*}", "alg", "RS256", "typ", "JWT",
	    "kid", kid);
	claims = json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", mail, "scope",
	    SCOPE, "aud", AUDIENCE, "iat", (json_int_t)now, "exp",
	    (json_int_t)(now + LIFE));
	h = head == NULL ? NULL : json_b64(head);
	c = claims == NULL ? NULL : json_b64(claims);
	if (h == NULL || c == NULL)
		return NULL;
	text = arena_printf("%s.%s", h, c);
	sig = text == NULL ? NULL : rs256(pem, text);
	return sig == NULL ? NULL : arena_printf("%s.%s", text, sig);
}

static enum proto_kms_class
service_account(struct kms *k, json_t *file, const char **token)
{
	struct fetch	 f;
	const char	*url;
	char		*assertion;

	url = text_string(file, "token_uri");
	assertion = jwt(file);
	if (assertion == NULL)
		return text_say(k, KC_CONFIG, "GOOGLE_APPLICATION_"
		    "CREDENTIALS: no client_email or no RSA private_key");
	form(&f, url != NULL ? url : AUDIENCE, arena_printf("grant_type="
	    "urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-bearer&"
	    "assertion=%s", assertion));
	return token_of(k, "token of the service account", &f,
	    "access_token", token);
}

static enum proto_kms_class
authorized_user(struct kms *k, json_t *file, const char **token)
{
	const char	*id, *secret, *refresh;
	struct fetch	 f;

	id = text_string(file, "client_id");
	secret = text_string(file, "client_secret");
	refresh = text_string(file, "refresh_token");
	if (id == NULL || secret == NULL || refresh == NULL)
		return text_say(k, KC_CONFIG, "GOOGLE_APPLICATION_"
		    "CREDENTIALS: no client_id, client_secret and "
		    "refresh_token");
	form(&f, AUDIENCE, arena_printf("grant_type=refresh_token&"
	    "client_id=%s&client_secret=%s&refresh_token=%s",
	    text_escape(id), text_escape(secret), text_escape(refresh)));
	return token_of(k, "token of the user", &f, "access_token", token);
}

/* ---- external account (workload identity federation) ------------------------------ */

/* text, or a member of a JSON document. */
static const char *
subject(json_t *source, const char *body)
{
	const char	*type, *name;
	json_t		*j;
	size_t		 n;

	type = text_string(source, "format.type");
	if (type == NULL || strcmp(type, "text") == 0) {
		n = strlen(body);
		while (n > 0 && (body[n - 1] == '\n' || body[n - 1] == '\r'))
			n--;
		return n == 0 ? NULL : arena_dup(body, n);
	}
	name = text_string(source, "format.subject_token_field_name");
	j = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
	return j == NULL || name == NULL ? NULL : text_string(j, name);
}

static enum proto_kms_class
subject_url(struct kms *k, json_t *source, const char **token)
{
	enum proto_kms_class	 class;
	struct fetch		 f;
	struct reply		 r;
	const char		*name;
	json_t			*value;

	memset(&f, 0, sizeof(f));
	f.method = "GET";
	f.url = text_string(source, "url");
	json_object_foreach(json_object_get(source, "headers"), name, value)
		fetch_header(&f, name, json_string_value(value));
	class = fetch_do(k, &f, &r);
	if (class != KC_OK)
		return class;
	if (r.status != 200)
		return refused(k, "subject token", &r);
	*token = subject(source, r.body);
	return *token != NULL ? KC_OK : text_say(k, KC_PROTOCOL,
	    "no subject token in the answer of credential_source.url");
}

static enum proto_kms_class
subject_token(struct kms *k, json_t *source, const char **token)
{
	const char	*body;
	size_t		 len;

	if (text_string(source, "url") != NULL)
		return subject_url(k, source, token);
	if (text_string(source, "file") == NULL)
		return text_say(k, KC_CONFIG, "credential_source: only file "
		    "and url are supported here");
	body = facts_file("TAPPASS_GCP_SUBJECT_TOKEN_FILE", &len);
	*token = body == NULL ? NULL : subject(source, body);
	return *token != NULL ? KC_OK : text_say(k, KC_CONFIG,
	    "credential_source.file: name it in "
	    "TAPPASS_GCP_SUBJECT_TOKEN_FILE; no token there");
}

static enum proto_kms_class
impersonate(struct kms *k, const char *url, const char **token)
{
	struct fetch	 f;

	memset(&f, 0, sizeof(f));
	f.method = "POST";
	f.url = url;
	f.body = "{\"scope\":[\"" SCOPE "\"],\"lifetime\":\"3600s\"}";
	fetch_header(&f, "Content-Type", "application/json");
	fetch_header(&f, "Authorization", arena_printf("Bearer %s", *token));
	return token_of(k, "impersonation", &f, "accessToken", token);
}

static enum proto_kms_class
external_account(struct kms *k, json_t *file, const char **token)
{
	enum proto_kms_class	 class;
	const char		*audience, *type, *url, *imp;
	struct fetch		 f;

	audience = text_string(file, "audience");
	type = text_string(file, "subject_token_type");
	url = text_string(file, "token_url");
	imp = text_string(file, "service_account_impersonation_url");
	if (audience == NULL || type == NULL || url == NULL)
		return text_say(k, KC_CONFIG, "GOOGLE_APPLICATION_"
		    "CREDENTIALS: no audience, subject_token_type and "
		    "token_url");
	k->flags |= KR_LATE;
	class = subject_token(k, json_object_get(file, "credential_source"),
	    token);
	if (class != KC_OK)
		return class;
	form(&f, url, arena_printf("grant_type=urn%%3Aietf%%3Aparams%%3A"
	    "oauth%%3Agrant-type%%3Atoken-exchange&audience=%s&scope=%s&"
	    "requested_token_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3A"
	    "token-type%%3Aaccess_token&subject_token=%s&"
	    "subject_token_type=%s", text_escape(audience),
	    text_escape(imp != NULL ?
	    "https://www.googleapis.com/auth/cloud-platform" : SCOPE),
	    text_escape(*token), text_escape(type)));
	class = token_of(k, "token exchange", &f, "access_token", token);
	return class == KC_OK && imp != NULL ? impersonate(k, imp, token) :
	    class;
}

/* ---- metadata ------------------------------------------------------------------------ */

static enum proto_kms_class
metadata(struct kms *k, const char **token)
{
	enum proto_kms_class	 class;
	const char		*host;
	struct fetch		 f;
	struct reply		 r;

	if (facts_true("NO_GCE_CHECK"))
		return text_say(k, KC_CONFIG, "no Google credential is "
		    "configured");
	k->flags |= KR_LATE;
	memset(&f, 0, sizeof(f));
	host = facts_env("GCE_METADATA_HOST");
	f.method = "GET";
	if (host == NULL || strcmp(host, "metadata.google.internal") == 0) {
		host = "169.254.169.254";
		f.host = "metadata.google.internal";
	}
	f.url = arena_printf("http://%s/computeMetadata/v1/instance/"
	    "service-accounts/default/token?scopes=%s", host,
	    text_escape(SCOPE));
	f.ms = 3 * KMS_META_MS;
	fetch_header(&f, "Metadata-Flavor", "Google");
	class = fetch_do(k, &f, &r);
	if (class == KC_UNAVAILABLE)
		return text_say(k, class, "no credentials: no file is "
		    "configured and the metadata server does not answer");
	if (class != KC_OK)
		return class;
	if (strcmp(r.flavor, "Google") != 0)
		return text_say(k, KC_PROTOCOL, "what answers at the "
		    "metadata address is not Google's");
	if (r.status != 200)
		return refused(k, "metadata server", &r);
	*token = text_string(r.json, "access_token");
	return *token != NULL ? KC_OK : text_say(k, KC_PROTOCOL,
	    "metadata server: an answer without a token");
}

static const struct {
	const char	*type;
	enum proto_kms_class (*get)(struct kms *, json_t *, const char **);
} types[] = {
	{ "service_account", service_account },
	{ "external_account", external_account },
	{ "authorized_user", authorized_user },
};

enum proto_kms_class
gcptoken_get(struct kms *k, const char **token, const char **quota)
{
	const char	*text, *type;
	json_t		*file;
	size_t		 len, i;
	char		 name[64];

	*quota = facts_env("GOOGLE_CLOUD_QUOTA_PROJECT");
	text = facts_file("GOOGLE_APPLICATION_CREDENTIALS", &len);
	if (text == NULL && facts_env("GOOGLE_APPLICATION_CREDENTIALS") !=
	    NULL)
		return text_say(k, KC_CONFIG, "GOOGLE_APPLICATION_CREDENTIALS"
		    ": the file cannot be read");
	if (text == NULL)
		return metadata(k, token);
	file = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	type = file == NULL ? NULL : text_string(file, "type");
	if (type == NULL)
		return text_say(k, KC_CONFIG, "GOOGLE_APPLICATION_CREDENTIALS"
		    ": not a credential file");
	if (*quota == NULL)
		*quota = text_string(file, "quota_project_id");
	for (i = 0; i < nitems(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].get(k, file, token);
	text_name(name, sizeof(name), type);
	return text_say(k, KC_CONFIG, "GOOGLE_APPLICATION_CREDENTIALS: type "
	    "%s is not supported here", name);
}
