/* SPDX-License-Identifier: ISC */

/*
 * AWS KMS (kms.md 1.1): signed JSON requests, errors by code and never by
 * status.  The key that was configured is sent with every Decrypt, and the one
 * that the answer names is compared with it.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/sig/sigv4.h"
#include "keybrokerd/kms/kms.h"

#define SKEW_MIN	60		/* seconds that make a clock wrong */

static const struct kms_code	codes[] = {
	{ "ThrottlingException", KC_THROTTLED, 0 },
	{ "Throttling", KC_THROTTLED, 0 },
	{ "ThrottledException", KC_THROTTLED, 0 },
	{ "RequestThrottled", KC_THROTTLED, 0 },
	{ "RequestThrottledException", KC_THROTTLED, 0 },
	{ "TooManyRequestsException", KC_THROTTLED, 0 },
	{ "RequestLimitExceeded", KC_THROTTLED, 0 },
	{ "LimitExceededException", KC_THROTTLED, 0 },
	{ "BandwidthLimitExceeded", KC_THROTTLED, 0 },
	{ "PriorRequestNotComplete", KC_THROTTLED, 0 },
	{ "SlowDown", KC_THROTTLED, 0 },
	{ "KeyUnavailableException", KC_UNAVAILABLE, 0 },
	{ "DependencyTimeoutException", KC_UNAVAILABLE, 0 },
	{ "KMSInternalException", KC_UNAVAILABLE, 0 },
	{ "InternalFailure", KC_UNAVAILABLE, 0 },
	{ "InternalError", KC_UNAVAILABLE, 0 },
	{ "ServiceUnavailable", KC_UNAVAILABLE, 0 },
	{ "RequestTimeout", KC_UNAVAILABLE, 0 },
	{ "RequestTimeoutException", KC_UNAVAILABLE, 0 },
	{ "IDPCommunicationError", KC_UNAVAILABLE, 0 },
	{ "ExpiredTokenException", KC_AUTH, KA_CREDENTIAL },
	{ "ExpiredToken", KC_AUTH, KA_CREDENTIAL },
	{ "UnrecognizedClientException", KC_AUTH, KA_CREDENTIAL },
	{ "InvalidClientTokenId", KC_AUTH, KA_CREDENTIAL },
	{ "InvalidIdentityToken", KC_AUTH, KA_CREDENTIAL },
	{ "InvalidSignatureException", KC_AUTH, KA_CLOCK },
	{ "SignatureDoesNotMatch", KC_AUTH, KA_CLOCK },
	{ "RequestExpired", KC_AUTH, KA_CLOCK },
	{ "RequestTimeTooSkewed", KC_AUTH, KA_CLOCK },
	{ "IncompleteSignature", KC_AUTH, 0 },
	{ "MissingAuthenticationToken", KC_AUTH, 0 },
	{ "MissingAuthenticationTokenException", KC_AUTH, 0 },
	{ "IDPRejectedClaim", KC_AUTH, 0 },
	{ "RegionDisabledException", KC_CONFIG, 0 },
	{ "DisabledException", KC_STATE, 0 },
	{ "KMSInvalidStateException", KC_STATE, 0 },
	{ "AccessDeniedException", KC_DENIED, 0 },
	{ "AccessDenied", KC_DENIED, 0 },
	{ "NotFoundException", KC_CONFIG, 0 },
	{ "InvalidArnException", KC_CONFIG, 0 },
	{ "InvalidKeyUsageException", KC_CONFIG, 0 },
	{ "ValidationException", KC_CONFIG, 0 },
	{ "ValidationError", KC_CONFIG, 0 },
	{ "InvalidCiphertextException", KC_INVALID, 0 },
	{ "IncorrectKeyException", KC_INVALID, 0 },
	{ NULL, KC_PROTOCOL, 0 }
};

/* ---- where ------------------------------------------------------------------ */

/* 0, or -1 with k->text. */
int
awskms_region(struct kms *k, char *out, size_t size)
{
	const char	*r;

	r = facts_env("AWS_REGION");
	if (r == NULL)
		r = facts_env("AWS_DEFAULT_REGION");
	if (k->uri.region[0] != '\0') {
		if (r != NULL && strcmp(r, k->uri.region) != 0) {
			text_say(k, KC_CONFIG, "AWS_REGION says %.32s and the "
			    "ARN %s", r, k->uri.region);
			return -1;
		}
		r = k->uri.region;
	}
	if (r == NULL)
		r = awsprofile_get("region");
	if (r == NULL || strspn(r, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
	    strlen(r) || strlcpy(out, r, size) >= size) {
		text_say(k, KC_CONFIG, "which region? Set AWS_REGION, or "
		    "write the key's ARN");
		return -1;
	}
	return 0;
}

/* NULL with k->text. */
const char *
awskms_endpoint(struct kms *k, const char *service, const char *region)
{
	const char	*url, *suffix;
	int		 fips, dual;

	fips = facts_true("AWS_USE_FIPS_ENDPOINT");
	dual = facts_true("AWS_USE_DUALSTACK_ENDPOINT");
	url = NULL;
	if (!facts_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) {
		url = facts_env(strcmp(service, "sts") == 0 ?
		    "AWS_ENDPOINT_URL_STS" : "AWS_ENDPOINT_URL_KMS");
		if (url == NULL)
			url = facts_env("AWS_ENDPOINT_URL");
		if (url == NULL)
			url = awsprofile_service(service);
	}
	if (url != NULL && (fips || dual)) {
		text_say(k, KC_CONFIG, "AWS_USE_FIPS_ENDPOINT or AWS_USE_"
		    "DUALSTACK_ENDPOINT beside an endpoint of your own");
		return NULL;
	}
	if (url != NULL)
		return url;
	if (strcmp(service, "sts") == 0 && strcmp(k->uri.partition, "aws") ==
	    0 && facts_env("AWS_STS_REGIONAL_ENDPOINTS") != NULL &&
	    strcmp(facts_env("AWS_STS_REGIONAL_ENDPOINTS"), "legacy") == 0)
		return "https://sts.amazonaws.com/";
	suffix = kmsuri_suffix(k->uri.partition);
	if (dual)
		suffix = strcmp(suffix, "amazonaws.com.cn") == 0 ?
		    "api.amazonwebservices.com.cn" : "api.aws";
	return arena_printf("https://%s%s.%s.%s/", service, fips ? "-fips" :
	    "", region, suffix);
}

/* ---- signing ---------------------------------------------------------------- */

/* Adds date, token and Authorization; what f has is signed.  0 or -1. */
int
awskms_sign(struct kms *k, struct fetch *f, const struct aws_cred *c,
    const char *region, const char *service)
{
	struct sigv4_header	 h[FETCH_HEADERS + 1];
	struct sigv4_request	 r;
	struct sigv4_key	 key;
	struct kms_url		 u;
	struct tm		 tm;
	time_t			 now;
	char			*date, *auth, *host;
	size_t			 i;

	date = arena_new(32);
	auth = arena_new(SIGV4_AUTH_MAX);
	now = time(NULL) + (time_t)k->skew;
	if (auth == NULL || kmsurl_parse(&u, f->url) == -1 ||
	    gmtime_r(&now, &tm) == NULL)
		return -1;
	strftime(date, 32, "%Y%m%dT%H%M%SZ", &tm);
	fetch_header(f, "X-Amz-Date", date);
	if (c->token != NULL)
		fetch_header(f, "X-Amz-Security-Token", c->token);
	host = u.port == (u.tls ? 443 : 80) ? arena_dup(u.host,
	    strlen(u.host)) : arena_printf(strchr(u.host, ':') != NULL ?
	    "[%s]:%u" : "%s:%u", u.host, (unsigned int)u.port);
	for (i = 0; i < f->n; i++)
		h[i] = (struct sigv4_header){ f->names[i], f->values[i] };
	h[i++] = (struct sigv4_header){ "Host", host };
	r = (struct sigv4_request){ f->method, u.path, NULL, h, i, f->body,
	    strlen(f->body), 1 };
	key = (struct sigv4_key){ c->id, c->secret, strlen(c->secret), region,
	    service, date };
	if (host == NULL || sigv4_sign(&r, &key, auth, SIGV4_AUTH_MAX) == -1)
		return -1;
	fetch_header(f, "Authorization", auth);
	return 0;
}

/* ---- errors ----------------------------------------------------------------- */

/* "ns#Code:uri" of JSON, <Code> of XML. */
static void
error_code(const struct reply *r, char *out, size_t size)
{
	const char	*c, *hash;

	c = text_string(r->json, "__type");
	if (c == NULL)
		c = text_string(r->json, "code");
	if (c == NULL && r->body != NULL && r->json == NULL)
		c = text_xml(r->body, "Code");
	hash = c == NULL ? NULL : strchr(c, '#');
	text_name(out, size, hash != NULL ? hash + 1 : c);
}

static void
clock_of(struct kms *k, const struct reply *r)
{
	int64_t	 d;

	d = r->date == 0 ? 0 : r->date - (int64_t)time(NULL);
	if (d > -SKEW_MIN && d < SKEW_MIN)
		return;			/* not the clock */
	k->skew = d;
	k->again |= KA_CLOCK;
	k->flags |= KR_SKEW;
}

enum proto_kms_class
awskms_classify(struct kms *k, const struct reply *r, const char *what)
{
	const struct kms_code	*c;
	char			 code[64];

	error_code(r, code, sizeof(code));
	c = text_code(codes, code);
	k->wait = r->retry;
	if (c == NULL && (r->status == 500 || (r->status >= 502 &&
	    r->status <= 504)))
		return text_say(k, KC_UNAVAILABLE, "%s: status %d", what,
		    r->status);
	if (c == NULL && r->status == 429)
		return text_say(k, KC_THROTTLED, "%s: status 429", what);
	if (c == NULL && r->status >= 300 && r->status < 400)
		return text_say(k, KC_PROTOCOL, "%s: a redirect, which is not "
		    "followed", what);
	if (c == NULL)
		return text_say(k, KC_PROTOCOL, "%s: status %d %s", what,
		    r->status, code);
	if (c->again == KA_CLOCK)
		clock_of(k, r);
	else
		k->again |= c->again;
	if (c->class == KC_AUTH && (k->flags & KR_SKEW))
		return text_say(k, c->class, "%s: %s; our clock differs by "
		    "%lld s", what, code, (long long)k->skew);
	return text_say(k, c->class, "%s: %s", what, code);
}

/* ---- the three operations ----------------------------------------------------- */

/* Takes j; r is the answer of status 200. */
static enum proto_kms_class
call(struct kms *k, const char *operation, json_t *j, struct reply *r)
{
	enum proto_kms_class	 class;
	struct aws_cred		 c;
	struct fetch		 f;
	char			 region[64], what[128];
	json_t			*context;

	memset(r, 0, sizeof(*r));
	if (awskms_region(k, region, sizeof(region)) == -1)
		return KC_CONFIG;
	class = awscred_get(k, &c);
	if (class != KC_OK)
		return class;
	memset(&f, 0, sizeof(f));
	context = text_context(k->context, k->contextlen);
	if (json_object_size(context) > 0)
		json_object_set(j, "EncryptionContext", context);
	json_object_set_new(j, "KeyId", json_string(k->uri.key));
	f.method = "POST";
	f.url = awskms_endpoint(k, "kms", region);
	f.body = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	if (f.url == NULL)
		return KC_CONFIG;
	fetch_header(&f, "Content-Type", "application/x-amz-json-1.1");
	fetch_header(&f, "X-Amz-Target", arena_printf("TrentService.%s",
	    operation));
	if (f.body == NULL || awskms_sign(k, &f, &c, region, "kms") == -1)
		return text_say(k, KC_CONFIG, "the request cannot be signed");
	class = fetch_do(k, &f, r);
	if (class != KC_OK)
		return class;
	snprintf(what, sizeof(what), "%s with the credential of %s",
	    operation, c.source);
	if (r->status != 200)
		return awskms_classify(k, r, what);
	return r->json != NULL ? KC_OK : text_say(k, KC_PROTOCOL, "%s: an "
	    "answer that is no JSON object", what);
}

/*
 * The key that did it: an ARN that must be ours where we know ours; an alias
 * or a bare id is compared as far as that goes.
 */
static enum proto_kms_class
check_key(struct kms *k, const struct reply *r)
{
	const char	*arn, *id, *want;

	arn = text_string(r->json, "KeyId");
	if (arn == NULL || strlcpy(k->keyid, arn, sizeof(k->keyid)) >=
	    sizeof(k->keyid))
		return text_say(k, KC_PROTOCOL, "the answer names no key");
	want = k->uri.key;
	if (strstr(want, "alias/") != NULL)
		return KC_OK;
	id = strstr(arn, ":key/");
	if (strcmp(arn, want) == 0 || (strncmp(want, "arn:", 4) != 0 &&
	    id != NULL && strcmp(id + 5, want) == 0))
		return KC_OK;
	return text_say(k, KC_INVALID, "the answer is of another key");
}

static enum proto_kms_class
take(struct kms *k, const struct reply *r, int blob, int plain)
{
	enum proto_kms_class	 class;
	const char		*s;

	class = check_key(k, r);
	if (class != KC_OK)
		return class;
	s = text_string(r->json, "CiphertextBlob");
	if (blob && (s == NULL || (k->outwrapped = text_unb64(s, 0,
	    &k->outwrappedlen)) == NULL))
		return text_say(k, KC_PROTOCOL, "CiphertextBlob is not "
		    "base64");
	s = text_string(r->json, "Plaintext");
	if (plain && (s == NULL || (k->outkey = text_unb64(s, 0,
	    &k->outkeylen)) == NULL))
		return text_say(k, KC_PROTOCOL, "Plaintext is not base64");
	return KC_OK;
}

static enum proto_kms_class
generate(struct kms *k)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	json_t			*j;

	j = json_object();
	json_object_set_new(j, "KeySpec", json_string("AES_256"));
	class = call(k, "GenerateDataKey", j, &r);
	return class != KC_OK ? class : take(k, &r, 1, 1);
}

static enum proto_kms_class
wrap(struct kms *k)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	json_t			*j;

	j = json_object();
	json_object_set_new(j, "Plaintext", json_string(text_b64(k->key,
	    k->keylen, 0)));
	class = call(k, "Encrypt", j, &r);
	return class != KC_OK ? class : take(k, &r, 1, 0);
}

static enum proto_kms_class
unwrap(struct kms *k)
{
	enum proto_kms_class	 class;
	struct reply		 r;
	json_t			*j;

	j = json_object();
	json_object_set_new(j, "CiphertextBlob", json_string(text_b64(
	    k->wrapped, k->wrappedlen, 0)));
	class = call(k, "Decrypt", j, &r);
	return class != KC_OK ? class : take(k, &r, 0, 1);
}

const struct kms_backend	awskms_backend = {
	KB_AWS, "aws_kms", NULL, generate, wrap, unwrap,
	"kms:GenerateDataKey, kms:Encrypt and kms:Decrypt on this key"
};
