/* SPDX-License-Identifier: ISC */

/*
 * The credential chain of kms.md 1.1.1.  The first link that is configured is
 * the one that counts: if it is broken, its name is in the error and no later
 * one is asked.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

#define NOT_MINE	KC_MAX		/* this link is not configured */
#define TTL		"21600"

static enum proto_kms_class	from_keys(struct kms *, const char *profile,
				    struct aws_cred *);

static int
expired(const struct aws_cred *c)
{
	return c->expires != 0 && c->expires <= (int64_t)time(NULL);
}

static enum proto_kms_class
from_env(struct kms *k, struct aws_cred *c)
{
	const char	*when;

	c->id = facts_env("AWS_ACCESS_KEY_ID");
	if (c->id == NULL)
		return NOT_MINE;
	c->source = "environment";
	c->secret = facts_env("AWS_SECRET_ACCESS_KEY");
	if (c->secret == NULL)
		return text_say(k, KC_CONFIG, "AWS_ACCESS_KEY_ID is set and "
		    "AWS_SECRET_ACCESS_KEY is not");
	c->token = facts_env("AWS_SECURITY_TOKEN");
	if (c->token == NULL)
		c->token = facts_env("AWS_SESSION_TOKEN");
	when = facts_env("AWS_CREDENTIAL_EXPIRATION");
	c->expires = when == NULL ? 0 : text_iso(when);
	if (c->expires == -1)
		return text_say(k, KC_CONFIG, "AWS_CREDENTIAL_EXPIRATION is "
		    "no time");
	if (expired(c))
		return text_say(k, KC_AUTH, "the credential of the "
		    "environment ended at %.40s", when);
	return KC_OK;
}

/* ---- STS ------------------------------------------------------------------ */

/* The four values of an answer of STS. */
static enum proto_kms_class
from_xml(struct kms *k, const struct reply *r, struct aws_cred *c)
{
	const char	*when;

	c->id = text_xml(r->body, "AccessKeyId");
	c->secret = text_xml(r->body, "SecretAccessKey");
	c->token = text_xml(r->body, "SessionToken");
	when = text_xml(r->body, "Expiration");
	c->expires = when == NULL ? 0 : text_iso(when);
	if (c->id == NULL || c->secret == NULL || c->token == NULL ||
	    c->expires == -1)
		return text_say(k, KC_PROTOCOL, "STS: an answer without "
		    "credentials");
	return KC_OK;
}

/* form NULL without memory; base: who signs, NULL nobody. */
static enum proto_kms_class
sts(struct kms *k, const char *form, const struct aws_cred *base,
    const char *what, struct aws_cred *c)
{
	enum proto_kms_class	 class;
	struct fetch		 f;
	struct reply		 r;
	char			 region[64];

	memset(&f, 0, sizeof(f));
	if (awskms_region(k, region, sizeof(region)) == -1)
		return KC_CONFIG;
	f.method = "POST";
	f.url = awskms_endpoint(k, "sts", region);
	f.body = form;
	if (f.url == NULL || form == NULL)
		return text_say(k, KC_CONFIG, "no endpoint for STS");
	fetch_header(&f, "Content-Type", "application/x-www-form-urlencoded");
	if (base != NULL && awskms_sign(k, &f, base, region, "sts") == -1)
		return text_say(k, KC_CONFIG, "%s: cannot sign", what);
	class = fetch_do(k, &f, &r);
	if (class != KC_OK)
		return class;
	return r.status == 200 ? from_xml(k, &r, c) :
	    awskms_classify(k, &r, what);
}

static const char *
session_name(void)
{
	const char	*s;

	s = facts_env("AWS_ROLE_SESSION_NAME");
	return s != NULL ? s : "proxyd-kms";
}

static enum proto_kms_class
from_web(struct kms *k, struct aws_cred *c)
{
	const char	*role, *token;
	size_t		 len;
	char		*form;

	if (facts_file("AWS_WEB_IDENTITY_TOKEN_FILE", &len) == NULL &&
	    facts_env("AWS_WEB_IDENTITY_TOKEN_FILE") == NULL) {
		if (awsprofile_get("web_identity_token_file") == NULL)
			return NOT_MINE;
		return text_say(k, KC_CONFIG, "web_identity_token_file of the "
		    "profile: name it in AWS_WEB_IDENTITY_TOKEN_FILE, with "
		    "AWS_ROLE_ARN");
	}
	c->source = "web identity";
	role = facts_env("AWS_ROLE_ARN");
	if (role == NULL)
		role = awsprofile_get("role_arn");
	if (role == NULL)
		return text_say(k, KC_CONFIG, "AWS_WEB_IDENTITY_TOKEN_FILE is "
		    "set and AWS_ROLE_ARN is not");
	token = facts_token("AWS_WEB_IDENTITY_TOKEN_FILE");
	if (token == NULL)
		return text_say(k, KC_CONFIG, "AWS_WEB_IDENTITY_TOKEN_FILE: "
		    "no token there");
	k->flags |= KR_LATE;
	form = arena_printf("Action=AssumeRoleWithWebIdentity&"
	    "Version=2011-06-15&RoleArn=%s&RoleSessionName=%s&"
	    "WebIdentityToken=%s", text_escape(role),
	    text_escape(session_name()), text_escape(token));
	return sts(k, form, NULL, "web identity", c);
}

/* ---- documents of containers and IMDS --------------------------------------- */

static enum proto_kms_class
from_json(struct kms *k, const struct reply *r, const char *what,
    struct aws_cred *c)
{
	const char	*code, *when;
	char		 name[64];

	code = text_string(r->json, "Code");
	c->id = text_string(r->json, "AccessKeyId");
	c->secret = text_string(r->json, "SecretAccessKey");
	c->token = text_string(r->json, "Token");
	when = text_string(r->json, "Expiration");
	c->expires = when == NULL ? 0 : text_iso(when);
	if (code != NULL && strcmp(code, "Success") != 0) {
		text_name(name, sizeof(name), code);
		return text_say(k, KC_AUTH, "%s says %s", what, name);
	}
	if (c->id == NULL || c->secret == NULL || c->expires == -1)
		return text_say(k, KC_PROTOCOL, "%s: an answer without "
		    "credentials", what);
	return KC_OK;
}

static enum proto_kms_class
meta_status(struct kms *k, const char *what, const struct reply *r)
{
	if (r->status == 429)
		return text_say(k, KC_THROTTLED, "%s: too many requests",
		    what);
	if (r->status >= 500)
		return text_say(k, KC_UNAVAILABLE, "%s: status %d", what,
		    r->status);
	return text_say(k, KC_AUTH, "%s: status %d", what, r->status);
}

/* http is for this machine and the two fixed addresses (the list says so). */
static enum proto_kms_class
from_container(struct kms *k, struct aws_cred *c)
{
	enum proto_kms_class	 class;
	struct fetch		 f;
	struct reply		 r;
	const char		*rel, *full, *auth;
	size_t			 len;

	rel = facts_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	full = facts_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (rel == NULL && full == NULL)
		return NOT_MINE;
	c->source = "container";
	k->flags |= KR_LATE;
	memset(&f, 0, sizeof(f));
	f.method = "GET";
	f.ms = 2 * KMS_META_MS;
	if (rel != NULL && rel[0] != '/')
		return text_say(k, KC_CONFIG, "AWS_CONTAINER_CREDENTIALS_"
		    "RELATIVE_URI does not begin with /");
	f.url = rel != NULL ? arena_printf("http://169.254.170.2%s", rel) :
	    full;
	fetch_header(&f, "Accept", "application/json");
	if (facts_file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &len) != NULL
	    || facts_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") != NULL) {
		auth = facts_token("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
		if (auth == NULL)
			return text_say(k, KC_CONFIG, "AWS_CONTAINER_"
			    "AUTHORIZATION_TOKEN_FILE: no token there");
	} else
		auth = facts_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	if (auth != NULL)
		fetch_header(&f, "Authorization", auth);
	class = fetch_do(k, &f, &r);
	if (class != KC_OK)
		return class;
	if (r.status != 200)
		return meta_status(k, "container credentials", &r);
	class = from_json(k, &r, "container credentials", c);
	if (class == KC_OK && expired(c))
		return text_say(k, KC_AUTH, "container credentials are "
		    "expired");
	return class;
}

static const char *
imds_base(void)
{
	const char	*e, *mode;

	e = facts_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	if (e != NULL && e[0] != '\0')
		return e[strlen(e) - 1] == '/' ?
		    arena_dup(e, strlen(e) - 1) : e;
	mode = facts_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	return mode != NULL && strcasecmp(mode, "ipv6") == 0 ?
	    "http://[fd00:ec2::254]" : "http://169.254.169.254";
}

static enum proto_kms_class
imds(struct kms *k, const char *method, const char *path, const char *token,
    struct reply *r)
{
	enum proto_kms_class	 class;
	struct fetch		 f;

	memset(&f, 0, sizeof(f));
	f.method = method;
	f.url = arena_printf("%s%s", imds_base(), path);
	f.ms = KMS_META_MS;
	if (token == NULL)
		fetch_header(&f, "X-aws-ec2-metadata-token-ttl-seconds", TTL);
	else
		fetch_header(&f, "X-aws-ec2-metadata-token", token);
	class = fetch_do(k, &f, r);
	if (class == KC_UNAVAILABLE && token == NULL)
		return text_say(k, class, "no credentials: nothing is "
		    "configured and IMDS does not answer (in a container: "
		    "raise HttpPutResponseHopLimit to 2)");
	if (class == KC_OK && r->status != 200)
		return meta_status(k, "IMDS", r);
	return class;
}

/*
 * One line: a token (any visible characters, a slash among them), or the name
 * of a role, which becomes part of a path.
 */
static const char *
word(const struct reply *r, const char *end)
{
	size_t	 n;

	n = strcspn(r->body, end);
	return n == 0 || n > 512 ? NULL : arena_dup(r->body, n);
}

static enum proto_kms_class
from_imds(struct kms *k, struct aws_cred *c)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	const char		*token, *role;

	if (facts_true("AWS_EC2_METADATA_DISABLED"))
		return NOT_MINE;
	c->source = "IMDS";
	k->flags |= KR_LATE;
	class = imds(k, "PUT", "/latest/api/token", NULL, &r);
	token = class == KC_OK ? word(&r, " \t\r\n") : NULL;
	if (class == KC_OK && token == NULL)
		return text_say(k, KC_PROTOCOL, "IMDS: no token");
	if (class == KC_OK)
		class = imds(k, "GET", "/latest/meta-data/iam/"
		    "security-credentials/", token, &r);
	if (class != KC_OK)
		return class;
	role = word(&r, " \t\r\n/?#");
	if (role == NULL)
		return text_say(k, KC_AUTH, "IMDS: this instance has no "
		    "role");
	class = imds(k, "GET", arena_printf("/latest/meta-data/iam/"
	    "security-credentials/%s", role), token, &r);
	/* Expired ones are used all the same: static stability. */
	return class != KC_OK ? class : from_json(k, &r, "IMDS", c);
}

/* ---- profiles ---------------------------------------------------------------- */

static const struct {
	const char	*name;
	enum proto_kms_class (*get)(struct kms *, struct aws_cred *);
} sources[] = {
	{ "Environment", from_env },
	{ "EcsContainer", from_container },
	{ "Ec2InstanceMetadata", from_imds },
};

/* role_arn with source_profile or credential_source: a signed AssumeRole. */
static enum proto_kms_class
from_role(struct kms *k, struct aws_cred *c)
{
	enum proto_kms_class	 class;
	struct aws_cred		 base;
	const char		*role, *from, *source, *id;
	size_t			 i;

	role = awsprofile_get("role_arn");
	from = awsprofile_get("source_profile");
	source = awsprofile_get("credential_source");
	if (role == NULL || (from == NULL && source == NULL))
		return NOT_MINE;
	memset(&base, 0, sizeof(base));
	if (from != NULL)
		class = from_keys(k, from, &base);
	else {
		for (i = 0; i < nitems(sources); i++)
			if (strcmp(sources[i].name, source) == 0)
				break;
		class = i == nitems(sources) ? NOT_MINE :
		    sources[i].get(k, &base);
	}
	if (class == NOT_MINE)
		return text_say(k, KC_CONFIG, "profile %.64s: %s gives no "
		    "credential", awsprofile_name(), from != NULL ?
		    "source_profile" : "credential_source");
	if (class != KC_OK)
		return class;
	c->source = "profile's role";
	id = awsprofile_get("external_id");
	return sts(k, arena_printf("Action=AssumeRole&Version=2011-06-15&"
	    "RoleArn=%s&RoleSessionName=%s%s%s", text_escape(role),
	    text_escape(session_name()), id == NULL ? "" : "&ExternalId=",
	    id == NULL ? "" : text_escape(id)), &base, "AssumeRole", c);
}

/* Keys of a profile: credentials file, then configuration. */
static enum proto_kms_class
from_keys(struct kms *k, const char *profile, struct aws_cred *c)
{
	static const char *const	 files[] = {
	    "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE" };
	size_t				 i;

	for (i = 0; i < nitems(files); i++) {
		c->id = awsprofile_of(files[i], profile, "aws_access_key_id");
		if (c->id == NULL)
			continue;
		c->source = "profile";
		c->secret = awsprofile_of(files[i], profile,
		    "aws_secret_access_key");
		c->token = awsprofile_of(files[i], profile,
		    "aws_session_token");
		if (c->secret == NULL)
			return text_say(k, KC_CONFIG, "profile %.64s has no "
			    "aws_secret_access_key", profile);
		return KC_OK;
	}
	return NOT_MINE;
}

/* What other programs would do for us, and no role here can. */
static enum proto_kms_class
unsupported(struct kms *k)
{
	static const char *const	 keys[] = { "sso_session",
	    "sso_start_url", "credential_process", "login_session" };
	size_t				 i;

	for (i = 0; i < nitems(keys); i++)
		if (awsprofile_get(keys[i]) != NULL)
			return text_say(k, KC_CONFIG, "profile %.64s: %s is "
			    "not supported here", awsprofile_name(), keys[i]);
	return NOT_MINE;
}

static enum proto_kms_class
from_profile(struct kms *k, struct aws_cred *c)
{
	enum proto_kms_class	 class;
	const char		*name;

	name = awsprofile_name();
	class = from_keys(k, name, c);
	if (class == NOT_MINE)
		class = unsupported(k);
	if (class == NOT_MINE && strcmp(name, "default") != 0)
		return text_say(k, KC_CONFIG, awsprofile_exists(name) ?
		    "profile %.64s has no credential" :
		    "AWS_PROFILE: there is no profile %.64s", name);
	return class;
}

enum proto_kms_class
awscred_get(struct kms *k, struct aws_cred *c)
{
	static enum proto_kms_class	(*const chain[])(struct kms *,
	    struct aws_cred *) = { from_env, from_role, from_web,
	    from_profile, from_container, from_imds };
	enum proto_kms_class		 class;
	size_t				 i;

	for (i = 0; i < nitems(chain); i++) {
		memset(c, 0, sizeof(*c));
		class = chain[i](k, c);
		if (class != NOT_MINE)
			return class;
	}
	return text_say(k, KC_CONFIG, "no AWS credential is configured, and "
	    "IMDS is disabled");
}
