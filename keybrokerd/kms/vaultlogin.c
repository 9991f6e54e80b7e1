/* SPDX-License-Identifier: ISC */

/*
 * HashiCorp Vault and OpenBao (kms.md 1.4): one request, with the one redirect
 * that a standby may ask for, and the three ways to a token, the first that is
 * configured counts: token, AppRole, Kubernetes.
 */

#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

static const char *
address(void)
{
	const char	*a;

	a = facts_env("BAO_ADDR");
	if (a == NULL)
		a = facts_env("VAULT_ADDR");
	if (a == NULL)
		return "https://127.0.0.1:8200";
	return a[strlen(a) - 1] == '/' ? arena_dup(a, strlen(a) - 1) : a;
}

/* What Go clients take and this role will not do. */
static enum proto_kms_class
refuse(struct kms *k)
{
	if (facts_true("VAULT_SKIP_VERIFY"))
		return text_say(k, KC_CONFIG, "VAULT_SKIP_VERIFY: certificates "
		    "are always verified; name the CA in VAULT_CACERT");
	if (facts_env("VAULT_CLIENT_CERT") != NULL)
		return text_say(k, KC_CONFIG, "VAULT_CLIENT_CERT is not "
		    "supported here");
	return KC_OK;
}

/*
 * A standby's 307: same scheme, a host of the list, once.  The token goes there
 * because the list says that it is the same service.
 */
static enum proto_kms_class
standby(struct kms *k, struct fetch *f, struct reply *r)
{
	struct kms_url	 from, to;
	char		 label[64];

	if (kmsurl_parse(&from, f->url) == -1 ||
	    kmsurl_parse(&to, r->location) == -1 || from.tls != to.tls ||
	    kmstarget_find(&k->targets, to.tls, to.host, to.port, label) == -1)
		return text_say(k, KC_UNAVAILABLE, "a standby answers, and "
		    "its leader is not in TAPPASS_KMS_HOSTS");
	f->url = r->location;
	return fetch_do(k, f, r);
}

enum proto_kms_class
vaultlogin_call(struct kms *k, const char *token, const char *method,
    const char *path, const char *body, struct reply *r)
{
	enum proto_kms_class	 class;
	struct fetch		 f;
	const char		*ns;

	class = refuse(k);
	if (class != KC_OK)
		return class;
	memset(&f, 0, sizeof(f));
	f.method = method;
	f.url = arena_printf("%s/v1/%s", address(), path);
	f.body = body;
	fetch_header(&f, "X-Vault-Request", "true");
	ns = facts_env("BAO_NAMESPACE");
	if (ns == NULL)
		ns = facts_env("VAULT_NAMESPACE");
	if (ns != NULL)
		fetch_header(&f, "X-Vault-Namespace", ns);
	if (token != NULL)
		fetch_header(&f, "Authorization", arena_printf("Bearer %s",
		    token));
	if (body != NULL)
		fetch_header(&f, "Content-Type", "application/json");
	class = fetch_do(k, &f, r);
	if (class == KC_OK && r->status == 307)
		class = standby(k, &f, r);
	if (class == KC_OK && r->status >= 300 && r->status < 400)
		return text_say(k, KC_PROTOCOL, "a redirect (%d), which is "
		    "not followed", r->status);
	k->wait = class == KC_OK ? r->retry : 0;
	return class;
}

/* A login is asked once: its ids may be good for one use alone. */
static enum proto_kms_class
login(struct kms *k, const char *what, const char *path, json_t *j,
    const char **token)
{
	enum proto_kms_class	 class;
	struct reply		 r;

	class = vaultlogin_call(k, NULL, "POST", path, j == NULL ? NULL :
	    json_dumps(j, JSON_COMPACT), &r);
	if (class != KC_OK)
		return class;
	if (r.status == 429)
		return text_say(k, KC_THROTTLED, "%s login: throttled", what);
	if (r.status == 502 || r.status == 503)
		return text_say(k, KC_UNAVAILABLE, "%s login: status %d%s",
		    what, r.status, r.status == 503 ? ", sealed" : "");
	if (r.status == 404)
		return text_say(k, KC_CONFIG, "%s login: no such mount",
		    what);
	/* Old servers say 500 to a wrong secret id. */
	if (r.status != 200)
		return text_say(k, KC_AUTH, "%s login refused: status %d",
		    what, r.status);
	*token = text_string(r.json, "auth.client_token");
	return *token != NULL ? KC_OK : text_say(k, KC_PROTOCOL, "%s login: "
	    "an answer without a token", what);
}

static const char *
mount(const char *name, const char *deflt)
{
	const char	*m;

	m = facts_env(name);
	return m == NULL ? deflt : m;
}

static enum proto_kms_class
approle(struct kms *k, const char **token)
{
	const char	*role, *secret;
	size_t		 len;

	role = facts_env("VAULT_ROLE_ID");
	secret = facts_env("VAULT_SECRET_ID");
	if (secret == NULL) {
		secret = facts_token("VAULT_SECRET_ID_FILE");
		if (secret == NULL &&
		    (facts_env("VAULT_SECRET_ID_FILE") != NULL ||
		    facts_file("VAULT_SECRET_ID_FILE", &len) != NULL))
			return text_say(k, KC_CONFIG, "VAULT_SECRET_ID_FILE: "
			    "no secret id there");
	}
	if (secret == NULL)
		return text_say(k, KC_CONFIG, "VAULT_ROLE_ID is set and "
		    "VAULT_SECRET_ID is not");
	return login(k, "AppRole", arena_printf("auth/%s/login",
	    mount("VAULT_APPROLE_MOUNT", "approle")), json_pack("{s:s,s:s}",
	    "role_id", role, "secret_id", secret), token);
}

static enum proto_kms_class
kubernetes(struct kms *k, const char **token)
{
	const char	*jwt;

	jwt = facts_token("VAULT_K8S_TOKEN_FILE");
	if (jwt == NULL)
		return text_say(k, KC_CONFIG, "VAULT_K8S_ROLE is set and "
		    "there is no service account token");
	k->flags |= KR_LATE;
	return login(k, "Kubernetes", arena_printf("auth/%s/login",
	    mount("VAULT_K8S_MOUNT", "kubernetes")), json_pack("{s:s,s:s}",
	    "role", facts_env("VAULT_K8S_ROLE"), "jwt", jwt), token);
}

enum proto_kms_class
vaultlogin_get(struct kms *k, const char **token, int *renewable)
{
	*renewable = 0;
	*token = facts_env("BAO_TOKEN");
	if (*token == NULL)
		*token = facts_env("VAULT_TOKEN");
	if (*token != NULL)
		return KC_OK;
	*renewable = 1;
	if (facts_env("VAULT_ROLE_ID") != NULL)
		return approle(k, token);
	if (facts_env("VAULT_K8S_ROLE") != NULL)
		return kubernetes(k, token);
	return text_say(k, KC_CONFIG, "set VAULT_TOKEN, VAULT_ROLE_ID with "
	    "VAULT_SECRET_ID, or VAULT_K8S_ROLE");
}
