/* SPDX-License-Identifier: ISC */

/*
 * Entra tokens as DefaultAzureCredential finds them in production (kms.md 1.3):
 * client secret, workload identity, managed identity.  The first that is
 * configured counts.
 */

#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

#define NOT_MINE	KC_MAX
#define AUTHORITY	"https://login.microsoftonline.com"

static const struct kms_code	codes[] = {
	{ "temporarily_unavailable", KC_UNAVAILABLE, 0 },
	{ "server_error", KC_UNAVAILABLE, 0 },
	{ "invalid_client", KC_AUTH, 0 },
	{ "invalid_grant", KC_AUTH, 0 },
	{ "unauthorized_client", KC_AUTH, 0 },
	{ "invalid_request", KC_CONFIG, 0 },
	{ "invalid_resource", KC_CONFIG, 0 },
	{ "invalid_scope", KC_CONFIG, 0 },
	{ "identity_not_found", KC_CONFIG, 0 },
	{ NULL, KC_PROTOCOL, 0 }
};

static enum proto_kms_class
ask(struct kms *k, const struct fetch *f, const char *what,
    const char **token)
{
	enum proto_kms_class	 class;
	const struct kms_code	*c;
	struct reply		 r;
	char			 code[64];

	class = fetch_do(k, f, &r);
	if (class != KC_OK)
		return class;
	k->wait = r.retry;
	if (r.status == 200) {
		*token = text_string(r.json, "access_token");
		return *token != NULL ? KC_OK : text_say(k, KC_PROTOCOL,
		    "%s: an answer without a token", what);
	}
	text_name(code, sizeof(code), text_string(r.json, "error"));
	c = text_code(codes, code);
	if (r.status == 429)
		return text_say(k, KC_THROTTLED, "%s: throttled", what);
	/* IMDS: 404 and 410 while it is updated. */
	if (r.status >= 500 || r.status == 408 || r.status == 410 ||
	    (r.status == 404 && (k->flags & KR_LATE)))
		return text_say(k, KC_UNAVAILABLE, "%s: status %d", what,
		    r.status);
	return text_say(k, c != NULL ? c->class : KC_AUTH, "%s: status %d %s",
	    what, r.status, code);
}

/* The tenant that the vault named must be the one that is configured. */
static enum proto_kms_class
login(struct kms *k, const char *resource, const char *tenant,
    const char *proof, const char *what, const char **token)
{
	const char	*base, *mine, *id;
	struct fetch	 f;

	mine = facts_env("AZURE_TENANT_ID");
	id = facts_env("AZURE_CLIENT_ID");
	if (mine == NULL || id == NULL)
		return text_say(k, KC_CONFIG, "%s: AZURE_TENANT_ID or "
		    "AZURE_CLIENT_ID is not set", what);
	if (strcasecmp(mine, tenant) != 0)
		return text_say(k, KC_CONFIG, "the vault belongs to tenant "
		    "%.64s, AZURE_TENANT_ID says %.64s", tenant, mine);
	base = facts_env("AZURE_AUTHORITY_HOST");
	if (base == NULL)
		base = AUTHORITY;
	memset(&f, 0, sizeof(f));
	f.method = "POST";
	f.url = arena_printf("%.*s/%s/oauth2/v2.0/token",
	    (int)(strlen(base) - (base[strlen(base) - 1] == '/')), base,
	    text_escape(mine));
	f.body = arena_printf("client_id=%s&scope=%s&"
	    "grant_type=client_credentials&%s", text_escape(id),
	    text_escape(arena_printf("%s/.default", resource)), proof);
	fetch_header(&f, "Content-Type", "application/x-www-form-urlencoded");
	return ask(k, &f, what, token);
}

static enum proto_kms_class
client_secret(struct kms *k, const char *resource, const char *tenant,
    const char **token)
{
	const char	*secret;

	secret = facts_env("AZURE_CLIENT_SECRET");
	if (secret == NULL && facts_env("AZURE_CLIENT_CERTIFICATE_PATH") !=
	    NULL)
		return text_say(k, KC_CONFIG, "AZURE_CLIENT_CERTIFICATE_PATH "
		    "is not supported here: use AZURE_CLIENT_SECRET or "
		    "workload identity");
	if (secret == NULL && facts_env("AZURE_USERNAME") != NULL)
		return text_say(k, KC_CONFIG, "AZURE_USERNAME is not "
		    "supported here");
	if (secret == NULL)
		return NOT_MINE;
	return login(k, resource, tenant, arena_printf("client_secret=%s",
	    text_escape(secret)), "client secret", token);
}

static enum proto_kms_class
workload(struct kms *k, const char *resource, const char *tenant,
    const char **token)
{
	const char	*assertion;
	size_t		 len;

	if (facts_env("AZURE_FEDERATED_TOKEN_FILE") == NULL &&
	    facts_file("AZURE_FEDERATED_TOKEN_FILE", &len) == NULL)
		return NOT_MINE;
	assertion = facts_token("AZURE_FEDERATED_TOKEN_FILE");
	if (assertion == NULL)
		return text_say(k, KC_CONFIG, "AZURE_FEDERATED_TOKEN_FILE: "
		    "no token there");
	k->flags |= KR_LATE;
	return login(k, resource, tenant, arena_printf("client_assertion_type="
	    "urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion-type%%3A"
	    "jwt-bearer&client_assertion=%s", text_escape(assertion)),
	    "workload identity", token);
}

/* App Service's endpoint, else IMDS; both want the resource, no scope. */
static enum proto_kms_class
managed(struct kms *k, const char *resource, const char *tenant,
    const char **token)
{
	enum proto_kms_class	 class;
	const char		*at, *secret, *id, *base, *version;
	struct fetch		 f;

	(void)tenant;
	at = facts_env("IDENTITY_ENDPOINT");
	secret = facts_env("IDENTITY_HEADER");
	id = facts_env("AZURE_CLIENT_ID");
	k->flags |= KR_LATE;
	memset(&f, 0, sizeof(f));
	f.method = "GET";
	if (at != NULL && secret == NULL)
		return text_say(k, KC_CONFIG, "IDENTITY_ENDPOINT is set and "
		    "IDENTITY_HEADER is not");
	base = facts_env("AZURE_POD_IDENTITY_AUTHORITY_HOST");
	if (at != NULL) {
		version = "2019-08-01";
		fetch_header(&f, "X-IDENTITY-HEADER", secret);
	} else {
		version = "2018-02-01";
		at = arena_printf("%s/metadata/identity/oauth2/token",
		    base != NULL ? base : "http://169.254.169.254");
		fetch_header(&f, "Metadata", "true");
		f.ms = 2 * KMS_META_MS;
	}
	f.url = arena_printf("%s%sapi-version=%s&resource=%s%s%s", at,
	    at != NULL && strchr(at, '?') != NULL ? "&" : "?", version,
	    text_escape(resource), id != NULL ? "&client_id=" : "",
	    id != NULL ? text_escape(id) : "");
	class = ask(k, &f, "managed identity", token);
	if (class == KC_UNAVAILABLE && secret == NULL)
		return text_say(k, class, "no credentials: nothing is "
		    "configured and managed identity does not answer");
	return class;
}

/* In order; AZURE_TOKEN_CREDENTIALS may name one of them alone. */
static const struct {
	const char	*name;
	enum proto_kms_class (*get)(struct kms *, const char *, const char *,
	    const char **);
} chain[] = {
	{ "EnvironmentCredential", client_secret },
	{ "WorkloadIdentityCredential", workload },
	{ "ManagedIdentityCredential", managed },
};

enum proto_kms_class
azuretoken_get(struct kms *k, const char *resource, const char *tenant,
    const char **token)
{
	enum proto_kms_class	 class;
	const char		*only;
	size_t			 i;

	only = facts_env("AZURE_TOKEN_CREDENTIALS");
	if (only != NULL && strcasecmp(only, "prod") == 0)
		only = NULL;
	for (i = 0; i < nitems(chain); i++) {
		if (only != NULL && strcasecmp(only, chain[i].name) != 0)
			continue;
		class = chain[i].get(k, resource, tenant, token);
		if (class != NOT_MINE)
			return class;
	}
	return text_say(k, KC_CONFIG, only != NULL ?
	    "AZURE_TOKEN_CREDENTIALS: %.40s is not configured, or not "
	    "supported here" : "no Azure credential", only);
}
