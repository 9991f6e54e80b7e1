/* SPDX-License-Identifier: ISC */
/*
 * The kms role, whole, against fakes of every service (regress/scenario/
 * fakekms): each credential chain, each class of error, each fault of a
 * transport; kms.md 4.6.  A row is one exchange of a process of its own.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/secret/secret.h"
#include "regress/unit/kms/drive.h"

/* A fact a line; "@" a file, in which "|" is a newline; %P port, %T the TLS
 * one, %E the TLS one with an expired certificate, %S one that says nothing,
 * %M the mode. */
#define U	"http://127.0.0.1:%P/m/%M"
#define AWS_AT	"AWS_ENDPOINT_URL=" U "/\nAWS_REGION=us-east-1\n"
#define AWS_ID	"AWS_ACCESS_KEY_ID=AKIDFAKE\n"				\
		"AWS_SECRET_ACCESS_KEY=wJalrFAKE/secret+key\n"
#define NOMETA	"AWS_EC2_METADATA_DISABLED=true\n"
#define IMDS	"AWS_EC2_METADATA_SERVICE_ENDPOINT=" U "/\n"
#define GCP_AT	"TAPPASS_GCP_KMS_ENDPOINT=" U "\n"
#define GCP_ID	"GCE_METADATA_HOST=127.0.0.1:%P/m/%M\n"
#define AZ_AT	"TAPPASS_AZURE_KV_ENDPOINT=" U "\n"			\
		"AZURE_AUTHORITY_HOST=" U "/\n"
#define AZ_ID	"AZURE_TENANT_ID=tenant-1\nAZURE_CLIENT_ID=client-1\n"	\
		"AZURE_CLIENT_SECRET=az-secret\n"
#define HV_AT	"VAULT_ADDR=" U "\n"
#define HV_ID	"VAULT_TOKEN=s.root\n"

#define ARN	"arn:aws:kms:us-east-1:111122223333:key/"		\
		"11111111-2222-3333-4444-555555555555"
#define AWS	"aws_kms://" ARN
#define ANOTHER	"aws_kms://arn:aws:kms:us-east-1:111122223333:key/"	\
		"11111111-2222-3333-4444-555555555556"
#define GCP	"gcp_kms://projects/p/locations/l/keyRings/r/cryptoKeys/k"
#define AZS	"azure_kv://tappass-kv/vault-encryption-key"
#define AZW	"azure_kv_wrap://tappass-kv/kek"
#define KV	"vault://secret/data/tappass/vault-key"
#define TR	"vault_transit://tappass-key"

enum tamper { NONE, TRUNCATED, FLIPPED, CONTEXT, DEPLOYMENT, EMPTY };

static const struct row {
	const char	*uri, *facts, *mode;
	int		 op;
	int		 class;
	const char	*text;		/* a part of the sentence, or NULL */
	enum tamper	 tamper;	/* of UNWRAP's input */
} rows[] = {
	/* AWS: what works */
	{ AWS, AWS_AT AWS_ID, "ok", KMS_GENERATE, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_WRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "chunked", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ "aws_kms://alias/vault", AWS_AT AWS_ID, "ok", KMS_GENERATE, KC_OK,
	    NULL, NONE },
	{ "aws_kms://11111111-2222-3333-4444-555555555555", AWS_AT AWS_ID,
	    "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "500x2~a", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "close1~a", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "expired1~a", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "skew7200", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "skew-7200", KMS_UNWRAP, KC_OK, NULL, NONE },
	/* AWS: credentials, each link, and broken ones that stop the chain */
	{ AWS, AWS_AT "AWS_ACCESS_KEY_ID=AKIDFAKE\n", "ok", KMS_UNWRAP,
	    KC_CONFIG, "AWS_SECRET_ACCESS_KEY is not", NONE },
	{ AWS, AWS_AT "AWS_ACCESS_KEY_ID=AKIDFAKE\nAWS_SECRET_ACCESS_KEY=no\n",
	    "ok", KMS_UNWRAP, KC_AUTH, "InvalidSignatureException", NONE },
	{ AWS, AWS_AT "AWS_ACCESS_KEY_ID=ASIAFAKE\n"
	    "AWS_SECRET_ACCESS_KEY=stsSecretFAKE\n"
	    "AWS_SESSION_TOKEN=stsTokenFAKE==\n", "ok", KMS_UNWRAP, KC_OK, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID "AWS_CREDENTIAL_EXPIRATION=2001-01-01T00:00:00Z\n",
	    "ok", KMS_UNWRAP, KC_AUTH, "ended at", NONE },
	{ AWS, AWS_AT "@AWS_SHARED_CREDENTIALS_FILE=# x|[default]|"
	    "aws_access_key_id = AKIDFAKE|"
	    "aws_secret_access_key=wJalrFAKE/secret+key|\n", "ok", KMS_UNWRAP,
	    KC_OK, NULL, NONE },
	{ AWS, AWS_AT "AWS_PROFILE=p\n@AWS_CONFIG_FILE=[profile  p]|"
	    "aws_access_key_id=AKIDFAKE|"
	    "aws_secret_access_key=wJalrFAKE/secret+key ; c|\n", "ok",
	    KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT "AWS_PROFILE=gone\n@AWS_CONFIG_FILE=[default]|a=b|\n",
	    "ok", KMS_UNWRAP, KC_CONFIG, "no profile gone", NONE },
	{ AWS, AWS_AT "@AWS_CONFIG_FILE=[default]|credential_process=/x|\n",
	    "ok", KMS_UNWRAP, KC_CONFIG, "credential_process", NONE },
	{ AWS, AWS_AT "@AWS_CONFIG_FILE=[default]|sso_session=x|\n",
	    "ok", KMS_UNWRAP, KC_CONFIG, "sso_session", NONE },
	{ AWS, AWS_AT "@AWS_SHARED_CREDENTIALS_FILE=[default]|"
	    "aws_access_key_id=A|\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "no aws_secret_access_key", NONE },
	{ AWS, AWS_AT "@AWS_CONFIG_FILE=[default]|role_arn=arn:aws:iam::1:"
	    "role/r|source_profile=s|[profile s]|aws_access_key_id=AKIDFAKE|"
	    "aws_secret_access_key=wJalrFAKE/secret+key|\n", "ok", KMS_UNWRAP,
	    KC_OK, NULL, NONE },
	{ AWS, AWS_AT "@AWS_CONFIG_FILE=[default]|role_arn=arn:aws:iam::1:"
	    "role/r|source_profile=none|\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "source_profile gives no", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token|\n", "ok",
	    KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token|\n",
	    "ok", KMS_UNWRAP, KC_CONFIG, "AWS_ROLE_ARN is not", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web\rx|\n", "ok", KMS_UNWRAP,
	    KC_CONFIG, "no token there", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=other\n", "ok", KMS_UNWRAP, KC_AUTH,
	    "InvalidIdentityToken", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token\n", "sts-denied",
	    KMS_UNWRAP, KC_DENIED, "web identity: AccessDenied", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token\n", "sts-doctype",
	    KMS_UNWRAP, KC_PROTOCOL, "without credentials", NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-token\n", "ok", KMS_UNWRAP,
	    KC_OK, NULL, NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=no\n"
	    "@AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=pod-token|\n", "ok",
	    KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=no\n", "ok", KMS_UNWRAP,
	    KC_AUTH, "container credentials: status 401", NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-token\n", "cred-expired",
	    KMS_UNWRAP, KC_AUTH, "expired", NONE },
	{ AWS, AWS_AT IMDS, "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT IMDS, "imds-static", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT IMDS, "imds-403", KMS_UNWRAP, KC_AUTH,
	    "IMDS: status 403", NONE },
	{ AWS, AWS_AT IMDS, "imds-hang", KMS_UNWRAP, KC_UNAVAILABLE,
	    "HttpPutResponseHopLimit", NONE },
	{ AWS, AWS_AT IMDS, "imds-norole", KMS_UNWRAP, KC_AUTH, "404", NONE },
	{ AWS, AWS_AT IMDS, "imds-code", KMS_UNWRAP, KC_AUTH,
	    "AssumeRoleUnauthorizedAccess", NONE },
	{ AWS, AWS_AT NOMETA, "ok", KMS_UNWRAP, KC_CONFIG,
	    "no AWS credential", NONE },
	/* AWS: which source comes first, and a hang or a flood in each */
	{ AWS, AWS_AT AWS_ID "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=other\n"
	    "@AWS_SHARED_CREDENTIALS_FILE=[default]|aws_access_key_id=A|\n",
	    "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token\n"
	    "@AWS_SHARED_CREDENTIALS_FILE=[default]|aws_access_key_id=A|"
	    "aws_secret_access_key=B|\n", "ok", KMS_UNWRAP, KC_OK, NULL,
	    NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=no\n"
	    "@AWS_SHARED_CREDENTIALS_FILE=[default]|aws_access_key_id=AKIDFAKE|"
	    "aws_secret_access_key=wJalrFAKE/secret+key|\n", "ok", KMS_UNWRAP,
	    KC_OK, NULL, NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=no\n" IMDS, "ok", KMS_UNWRAP,
	    KC_AUTH, "container credentials", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token\n",
	    "cred-hang-head", KMS_UNWRAP, KC_UNAVAILABLE,
	    "no answer in time", NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-token\n", "cred-hang-body",
	    KMS_UNWRAP, KC_UNAVAILABLE, "no answer in time", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token\n",
	    "cred-oversize", KMS_UNWRAP, KC_PROTOCOL, "64 KiB", NONE },
	{ AWS, AWS_AT "AWS_ROLE_ARN=arn:aws:iam::1:role/r\n"
	    "@AWS_WEB_IDENTITY_TOKEN_FILE=web.identity.token\n",
	    "cred-500x2~a", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AWS, AWS_AT "AWS_CONTAINER_CREDENTIALS_FULL_URI=" U "/creds\n"
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=pod-token\n", "cred-redirect",
	    KMS_UNWRAP, KC_AUTH, "302", NONE },
	{ AWS, "AWS_ENDPOINT_URL=https://127.0.0.1:%S/\nAWS_REGION=us-east-1\n"
	    AWS_ID, "hang", KMS_GENERATE, KC_UNAVAILABLE, NULL, NONE },
	/* AWS: region and endpoint */
	{ AWS, "AWS_ENDPOINT_URL=" U "/\nAWS_REGION=eu-west-1\n" AWS_ID, "ok",
	    KMS_GENERATE, KC_CONFIG, "AWS_REGION says", NONE },
	{ "aws_kms://alias/x", "AWS_ENDPOINT_URL=" U "/\n" AWS_ID, "ok",
	    KMS_GENERATE, KC_CONFIG, "which region", NONE },
	{ "aws_kms://alias/x", "AWS_ENDPOINT_URL=" U "/\n" AWS_ID
	    "@AWS_CONFIG_FILE=[default]|region = us-east-1|\n", "ok",
	    KMS_GENERATE, KC_OK, NULL, NONE },
	{ AWS, AWS_AT AWS_ID "AWS_USE_FIPS_ENDPOINT=true\n", "ok",
	    KMS_GENERATE, KC_CONFIG, "FIPS", NONE },
	{ AWS, AWS_ID "TAPPASS_KMS_HOSTS=" U "\n@AWS_CONFIG_FILE=[default]|"
	    "endpoint_url=" U "/|\n", "ok", KMS_GENERATE, KC_OK, NULL, NONE },
	{ AWS, AWS_ID "TAPPASS_KMS_HOSTS=" U "\n@AWS_CONFIG_FILE=[default]|"
	    "services=s|[services s]|kms =|  endpoint_url=" U "/|\n", "ok",
	    KMS_GENERATE, KC_OK, NULL, NONE },
	{ AWS, AWS_ID "@AWS_CONFIG_FILE=[default]|endpoint_url=http://"
	    "127.0.0.1:1/|\n", "ok", KMS_GENERATE, KC_CONFIG,
	    "TAPPASS_KMS_HOSTS", NONE },
	/* AWS: answers */
	{ AWS, AWS_AT AWS_ID, "throttle", KMS_UNWRAP, KC_THROTTLED,
	    "ThrottlingException", NONE },
	{ AWS, AWS_AT AWS_ID, "throttle-ra", KMS_UNWRAP, KC_THROTTLED,
	    "w7000", NONE },
	{ AWS, AWS_AT AWS_ID, "throttle-ms", KMS_UNWRAP, KC_THROTTLED,
	    "w1500", NONE },
	{ AWS, AWS_AT AWS_ID, "throttle-ra0", KMS_UNWRAP, KC_THROTTLED,
	    "w0", NONE },
	{ AWS, AWS_AT AWS_ID, "disabled", KMS_UNWRAP, KC_STATE,
	    "DisabledException", NONE },
	{ AWS, AWS_AT AWS_ID, "pending", KMS_UNWRAP, KC_STATE, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "denied", KMS_UNWRAP, KC_DENIED,
	    "needs kms:GenerateDataKey", NONE },
	{ AWS, AWS_AT AWS_ID, "notfound", KMS_UNWRAP, KC_CONFIG, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "expired", KMS_UNWRAP, KC_AUTH, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "invalid", KMS_UNWRAP, KC_INVALID, NULL, NONE },
	{ AWS, AWS_AT AWS_ID, "incorrect", KMS_UNWRAP, KC_INVALID, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID, "unavailable", KMS_UNWRAP, KC_UNAVAILABLE, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID, "validation", KMS_UNWRAP, KC_CONFIG, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID, "surprise", KMS_UNWRAP, KC_PROTOCOL,
	    "NoSuchThingException", NONE },
	{ AWS, AWS_AT AWS_ID, "xml", KMS_UNWRAP, KC_DENIED, "AccessDenied",
	    NONE },
	{ AWS, AWS_AT AWS_ID, "xml-doctype", KMS_UNWRAP, KC_PROTOCOL, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID, "500", KMS_UNWRAP, KC_UNAVAILABLE, "500", NONE },
	{ AWS, AWS_AT AWS_ID, "wrongkey", KMS_UNWRAP, KC_INVALID,
	    "another key", NONE },
	{ AWS, AWS_AT AWS_ID, "wrongkey", KMS_GENERATE, KC_INVALID,
	    "another key", NONE },
	{ AWS, AWS_AT AWS_ID, "short31", KMS_UNWRAP, KC_INVALID,
	    "not 32 bytes", NONE },
	{ AWS, AWS_AT AWS_ID, "short31", KMS_GENERATE, KC_INVALID,
	    "not 32 bytes", NONE },
	{ AWS, AWS_AT AWS_ID, "noblob", KMS_GENERATE, KC_PROTOCOL, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, TRUNCATED },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, FLIPPED },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, CONTEXT },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL,
	    DEPLOYMENT },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_UNWRAP, KC_INVALID,
	    "no wrapped key", EMPTY },
	{ ANOTHER, AWS_AT AWS_ID, "ok", KMS_UNWRAP, KC_INVALID,
	    "IncorrectKeyException", NONE },
	{ AWS, AWS_AT AWS_ID, "ok", KMS_FETCH, KC_CONFIG, "it wraps", NONE },
	/* transport, through one back end: the code is the same for all */
	{ AWS, AWS_AT AWS_ID, "hang-head", KMS_UNWRAP, KC_UNAVAILABLE,
	    "no answer in time", NONE },
	{ AWS, AWS_AT AWS_ID, "hang-body", KMS_UNWRAP, KC_UNAVAILABLE,
	    "no answer in time", NONE },
	{ AWS, AWS_AT AWS_ID, "slow", KMS_UNWRAP, KC_UNAVAILABLE,
	    "no answer in time", NONE },
	{ AWS, AWS_AT AWS_ID, "oversize", KMS_UNWRAP, KC_PROTOCOL, "64 KiB",
	    NONE },
	{ AWS, AWS_AT AWS_ID, "oversize-length", KMS_UNWRAP, KC_PROTOCOL, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID, "truncated-body", KMS_UNWRAP, KC_UNAVAILABLE,
	    "closed in the middle", NONE },
	{ AWS, AWS_AT AWS_ID, "close", KMS_UNWRAP, KC_UNAVAILABLE, NULL,
	    NONE },
	{ AWS, AWS_AT AWS_ID, "garbage", KMS_UNWRAP, KC_PROTOCOL, "refused",
	    NONE },
	{ AWS, AWS_AT AWS_ID, "dup", KMS_UNWRAP, KC_PROTOCOL, "no JSON",
	    NONE },
	{ AWS, AWS_AT AWS_ID, "html", KMS_UNWRAP, KC_PROTOCOL, "no JSON",
	    NONE },
	{ AWS, AWS_AT AWS_ID, "redirect", KMS_UNWRAP, KC_PROTOCOL,
	    "redirect", NONE },
	{ AWS, "AWS_ENDPOINT_URL=http://127.0.0.1:1/\n" AWS_ID, "ok",
	    KMS_GENERATE, KC_UNAVAILABLE, "connection refused", NONE },
	/* Google */
	{ GCP, GCP_AT GCP_ID, "ok", KMS_GENERATE, KC_OK, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "ok", KMS_WRAP, KC_OK, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "oldversion", KMS_UNWRAP, KC_OK, "rewrap",
	    NONE },
	{ GCP, GCP_AT GCP_ID, "500x2~g", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "meta-noflavor", KMS_UNWRAP, KC_PROTOCOL,
	    "not Google's", NONE },
	{ GCP, GCP_AT GCP_ID, "meta-404", KMS_UNWRAP, KC_AUTH, NULL, NONE },
	{ GCP, GCP_AT "NO_GCE_CHECK=true\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "no Google credential", NONE },
	{ GCP, GCP_AT "NO_GCE_CHECK=true\nTAPPASS_KMS_HOSTS=" U "\n"
	    "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":\"service_account\","
	    "\"client_email\":\"a@b\",\"private_key_id\":\"1\","
	    "\"private_key\":\"%K\",\"token_uri\":\"" U "/gtoken\"}\n", "ok",
	    KMS_UNWRAP, KC_OK, NULL, NONE },
	{ GCP, GCP_AT "TAPPASS_KMS_HOSTS=" U "\n"
	    "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":\"service_account\","
	    "\"client_email\":\"a@b\",\"private_key\":\"%K\","
	    "\"token_uri\":\"" U "/gtoken\"}\n", "token-denied",
	    KMS_UNWRAP, KC_AUTH, "invalid_grant", NONE },
	{ GCP, GCP_AT "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":"
	    "\"service_account\",\"client_email\":\"a@b\","
	    "\"private_key\":\"no\"}\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "no RSA private_key", NONE },
	{ GCP, GCP_AT "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":"
	    "\"service_account\",\"client_email\":\"a@b\",\"private_key\":"
	    "\"%K\",\"token_uri\":\"https://evil.example/t\"}\n", "ok",
	    KMS_UNWRAP, KC_CONFIG, "evil.example", NONE },
	{ GCP, GCP_AT "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":\"a\","
	    "\"type\":\"b\"}\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "not a credential file", NONE },
	{ GCP, GCP_AT "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":"
	    "\"gdch_service_account\"}\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "gdch_service_account is not supported", NONE },
	{ GCP, GCP_AT "TAPPASS_KMS_HOSTS=" U "\n"
	    "@TAPPASS_GCP_SUBJECT_TOKEN_FILE=subject.token|\n"
	    "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":\"external_account\","
	    "\"audience\":\"//iam/x\",\"subject_token_type\":\"urn:x\","
	    "\"token_url\":\"" U "/gtoken\",\"service_account_"
	    "impersonation_url\":\"" U "/gimp\",\"credential_source\":"
	    "{\"file\":\"/x\"}}\n", "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ GCP, GCP_AT "TAPPASS_KMS_HOSTS=" U "\n"
	    "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":\"external_account\","
	    "\"audience\":\"//iam/x\",\"subject_token_type\":\"urn:x\","
	    "\"token_url\":\"" U "/gtoken\",\"credential_source\":"
	    "{\"executable\":{}}}\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "only file and url", NONE },
	{ GCP, GCP_AT GCP_ID, "throttle", KMS_UNWRAP, KC_THROTTLED, NULL,
	    NONE },
	{ GCP, GCP_AT GCP_ID, "throttle-ra", KMS_UNWRAP, KC_THROTTLED,
	    "w7000", NONE },
	{ GCP, GCP_AT GCP_ID, "denied", KMS_UNWRAP, KC_DENIED,
	    "cryptoKeyEncrypterDecrypter", NONE },
	{ GCP, GCP_AT GCP_ID, "notfound", KMS_UNWRAP, KC_CONFIG, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "disabled", KMS_UNWRAP, KC_STATE, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "invalid", KMS_UNWRAP, KC_INVALID, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "unavailable", KMS_UNWRAP, KC_UNAVAILABLE, NULL,
	    NONE },
	{ GCP, GCP_AT GCP_ID, "expired", KMS_UNWRAP, KC_AUTH, NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "surprise", KMS_UNWRAP, KC_PROTOCOL, NULL,
	    NONE },
	{ GCP, GCP_AT GCP_ID, "badsum", KMS_UNWRAP, KC_UNAVAILABLE,
	    "checksum", NONE },
	{ GCP, GCP_AT GCP_ID, "badsum", KMS_GENERATE, KC_UNAVAILABLE,
	    "checksum", NONE },
	{ GCP, GCP_AT GCP_ID, "unverified", KMS_GENERATE, KC_UNAVAILABLE,
	    "checksums", NONE },
	{ GCP, GCP_AT GCP_ID, "wrongkey", KMS_GENERATE, KC_INVALID,
	    "another key", NONE },
	{ GCP, GCP_AT GCP_ID, "short31", KMS_UNWRAP, KC_INVALID,
	    "not 32 bytes", NONE },
	{ GCP, GCP_AT GCP_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, CONTEXT },
	{ GCP, GCP_AT GCP_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, TRUNCATED },
	{ GCP, GCP_AT GCP_ID, "redirect", KMS_UNWRAP, KC_PROTOCOL,
	    "redirect", NONE },
	{ GCP, GCP_AT GCP_ID, "dup", KMS_UNWRAP, KC_PROTOCOL, "no JSON",
	    NONE },
	{ GCP, GCP_AT GCP_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL,
	    DEPLOYMENT },
	{ GCP, GCP_AT GCP_ID, "throttle-ra0", KMS_UNWRAP, KC_THROTTLED, "w0",
	    NONE },
	{ GCP, GCP_AT GCP_ID, "hang-body", KMS_UNWRAP, KC_UNAVAILABLE, NULL,
	    NONE },
	{ GCP, GCP_AT GCP_ID, "oversize", KMS_UNWRAP, KC_PROTOCOL, "64 KiB",
	    NONE },
	{ GCP, GCP_AT GCP_ID, "cred-hang-head", KMS_UNWRAP, KC_UNAVAILABLE,
	    NULL, NONE },
	{ GCP, GCP_AT GCP_ID, "cred-oversize", KMS_UNWRAP, KC_PROTOCOL,
	    "64 KiB", NONE },
	{ GCP, GCP_AT GCP_ID "@GOOGLE_APPLICATION_CREDENTIALS={\"type\":"
	    "\"service_account\",\"client_email\":\"a@b\","
	    "\"private_key\":\"no\"}\n", "ok", KMS_UNWRAP, KC_CONFIG,
	    "no RSA private_key", NONE },
	/* Azure, secret */
	{ AZS, AZ_AT AZ_ID "@AZURE_FEDERATED_TOKEN_FILE=other\n"
	    "IDENTITY_ENDPOINT=" U "/none\nIDENTITY_HEADER=h\n", "ok",
	    KMS_FETCH, KC_OK, NULL, NONE },
	{ AZS, AZ_AT "AZURE_TENANT_ID=tenant-1\nAZURE_CLIENT_ID=c\n"
	    "@AZURE_FEDERATED_TOKEN_FILE=other\n"
	    "IDENTITY_ENDPOINT=" U "/msi\nIDENTITY_HEADER=id-header\n", "ok",
	    KMS_FETCH, KC_AUTH, "invalid_client", NONE },
	{ AZS, AZ_AT AZ_ID, "500x2~z", KMS_FETCH, KC_OK, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "throttle-ra0", KMS_FETCH, KC_THROTTLED, "w0",
	    NONE },
	{ AZS, AZ_AT AZ_ID, "hang-head", KMS_FETCH, KC_UNAVAILABLE, NULL,
	    NONE },
	{ AZS, AZ_AT AZ_ID, "oversize", KMS_FETCH, KC_PROTOCOL, "64 KiB",
	    NONE },
	{ AZS, AZ_AT AZ_ID, "cred-hang-head", KMS_FETCH, KC_UNAVAILABLE, NULL,
	    NONE },
	{ AZS, AZ_AT AZ_ID, "cred-oversize", KMS_FETCH, KC_PROTOCOL, "64 KiB",
	    NONE },
	{ AZS, AZ_AT AZ_ID, "ok", KMS_FETCH, KC_OK, "k=bb", NONE },
	{ AZS "/dd", AZ_AT AZ_ID, "ok", KMS_FETCH, KC_OK, "k=dd", NONE },
	{ AZS, AZ_AT "AZURE_TENANT_ID=tenant-1\nAZURE_CLIENT_ID=c\n"
	    "@AZURE_FEDERATED_TOKEN_FILE=federated.token|\n", "ok", KMS_FETCH,
	    KC_OK, NULL, NONE },
	{ AZS, AZ_AT "AZURE_POD_IDENTITY_AUTHORITY_HOST=" U "\n", "ok",
	    KMS_FETCH, KC_OK, NULL, NONE },
	{ AZS, AZ_AT "AZURE_POD_IDENTITY_AUTHORITY_HOST=" U "\n",
	    "imds-410~a", KMS_FETCH, KC_OK, NULL, NONE },
	{ AZS, AZ_AT "IDENTITY_ENDPOINT=" U "/msi\nIDENTITY_HEADER=id-header\n",
	    "ok", KMS_FETCH, KC_OK, NULL, NONE },
	{ AZS, AZ_AT "IDENTITY_ENDPOINT=" U "/msi\n", "ok", KMS_FETCH,
	    KC_CONFIG, "IDENTITY_HEADER is not", NONE },
	{ AZS, AZ_AT "AZURE_CLIENT_ID=c\nAZURE_CLIENT_SECRET=az-secret\n",
	    "ok", KMS_FETCH, KC_CONFIG, "AZURE_TENANT_ID", NONE },
	{ AZS, AZ_AT "AZURE_CLIENT_CERTIFICATE_PATH=/x\n", "ok", KMS_FETCH,
	    KC_CONFIG, "CERTIFICATE_PATH is not supported", NONE },
	{ AZS, AZ_AT AZ_ID "AZURE_TOKEN_CREDENTIALS=dev\n", "ok", KMS_FETCH,
	    KC_CONFIG, "AZURE_TOKEN_CREDENTIALS", NONE },
	{ AZS, AZ_AT AZ_ID, "token-denied", KMS_FETCH, KC_AUTH,
	    "invalid_client", NONE },
	{ AZS, AZ_AT AZ_ID, "harvest", KMS_FETCH, KC_PROTOCOL,
	    "none is sent", NONE },
	{ AZS, AZ_AT AZ_ID, "tenant", KMS_FETCH, KC_CONFIG, "tenant-2",
	    NONE },
	{ AZS, AZ_AT AZ_ID, "nochallenge", KMS_FETCH, KC_PROTOCOL, NULL,
	    NONE },
	{ AZS, AZ_AT AZ_ID, "expired", KMS_FETCH, KC_AUTH, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "throttle", KMS_FETCH, KC_THROTTLED, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "throttle-ra", KMS_FETCH, KC_THROTTLED, "w7000",
	    NONE },
	{ AZS, AZ_AT AZ_ID, "denied", KMS_FETCH, KC_DENIED,
	    "Key Vault Secrets User", NONE },
	{ AZS, AZ_AT AZ_ID, "disabled", KMS_FETCH, KC_STATE, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "deleted", KMS_FETCH, KC_STATE, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "notfound", KMS_FETCH, KC_CONFIG, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "unavailable", KMS_FETCH, KC_UNAVAILABLE, NULL,
	    NONE },
	{ AZS, AZ_AT AZ_ID, "surprise", KMS_FETCH, KC_PROTOCOL, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "past", KMS_FETCH, KC_STATE, "expired", NONE },
	{ AZS, AZ_AT AZ_ID, "future", KMS_FETCH, KC_STATE, "not valid yet",
	    NONE },
	{ AZS, AZ_AT AZ_ID, "newline", KMS_FETCH, KC_OK, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "newline2", KMS_FETCH, KC_INVALID, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "short31", KMS_FETCH, KC_INVALID,
	    "32 bytes", NONE },
	{ AZS, AZ_AT AZ_ID, "notb64", KMS_FETCH, KC_INVALID, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "urlb64", KMS_FETCH, KC_INVALID, NULL, NONE },
	{ AZS, AZ_AT AZ_ID, "dup", KMS_FETCH, KC_PROTOCOL, NULL, NONE },
	/* Azure, wrapped */
	{ AZW, AZ_AT AZ_ID, "ok", KMS_GENERATE, KC_OK, NULL, NONE },
	{ AZW, AZ_AT AZ_ID, "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AZW "/def456", AZ_AT AZ_ID, "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AZW, AZ_AT AZ_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, TRUNCATED },
	{ AZW, AZ_AT AZ_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, FLIPPED },
	{ AZW, AZ_AT AZ_ID, "ok", KMS_UNWRAP, KC_INVALID, "another context",
	    CONTEXT },
	{ AZW, AZ_AT AZ_ID, "wrongkey", KMS_UNWRAP, KC_INVALID,
	    "another key", NONE },
	{ AZW, AZ_AT AZ_ID, "ok", KMS_UNWRAP, KC_INVALID, "another context",
	    DEPLOYMENT },
	{ AZW, AZ_AT AZ_ID, "throttle-ra", KMS_UNWRAP, KC_THROTTLED, "w7000",
	    NONE },
	{ AZW, AZ_AT AZ_ID, "500x2~w", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ AZW, AZ_AT AZ_ID, "denied", KMS_UNWRAP, KC_DENIED, NULL, NONE },
	{ AZW, AZ_AT AZ_ID, "short31", KMS_UNWRAP, KC_INVALID, NULL, NONE },
	{ AZW, AZ_AT AZ_ID, "disabled", KMS_UNWRAP, KC_STATE, NULL, NONE },
	/* Vault, KV */
	{ KV, HV_AT HV_ID, "ok", KMS_FETCH, KC_OK, "k=2", NONE },
	{ "vault://secret/tappass/vault-key", HV_AT HV_ID, "ok", KMS_FETCH,
	    KC_OK, NULL, NONE },
	{ KV "#nofield", HV_AT HV_ID, "ok", KMS_FETCH, KC_CONFIG, "nofield",
	    NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=secret-1\n", "ok",
	    KMS_FETCH, KC_OK, NULL, NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\n@VAULT_SECRET_ID_FILE=secret-1|\n",
	    "ok", KMS_FETCH, KC_OK, NULL, NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=no\n", "ok",
	    KMS_FETCH, KC_AUTH, "AppRole login refused", NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=no\n", "login-500",
	    KMS_FETCH, KC_AUTH, "n1", NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=no\n", "login-503",
	    KMS_FETCH, KC_UNAVAILABLE, "sealed", NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_K8S_ROLE=tappass\n"
	    "@VAULT_K8S_TOKEN_FILE=k8s.jwt.token\n", "ok", KMS_FETCH,
	    KC_CONFIG, "VAULT_SECRET_ID is not", NONE },
	{ KV, HV_AT "VAULT_K8S_ROLE=tappass\n"
	    "@VAULT_K8S_TOKEN_FILE=k8s.jwt.token|\n", "ok", KMS_FETCH, KC_OK,
	    NULL, NONE },
	{ KV, HV_AT "VAULT_K8S_ROLE=tappass\n", "ok", KMS_FETCH, KC_CONFIG,
	    "service account token", NONE },
	{ KV, HV_AT, "ok", KMS_FETCH, KC_CONFIG, "set VAULT_TOKEN", NONE },
	{ KV, HV_AT HV_ID "VAULT_NAMESPACE=team/a\n", "ns", KMS_FETCH, KC_OK,
	    NULL, NONE },
	{ KV, HV_AT HV_ID "VAULT_SKIP_VERIFY=true\n", "ok", KMS_FETCH,
	    KC_CONFIG, "VAULT_SKIP_VERIFY", NONE },
	{ KV, HV_AT "VAULT_TOKEN=s.dead\n", "ok", KMS_FETCH, KC_AUTH,
	    "token is not valid", NONE },
	{ KV, HV_AT HV_ID, "denied", KMS_FETCH, KC_DENIED,
	    "needs read on this path", NONE },
	{ KV, HV_AT HV_ID, "expired", KMS_FETCH, KC_AUTH, NULL, NONE },
	{ KV, HV_AT HV_ID, "throttle", KMS_FETCH, KC_THROTTLED, "w0", NONE },
	{ KV, HV_AT HV_ID, "throttle-ra", KMS_FETCH, KC_THROTTLED, "w7000",
	    NONE },
	{ KV, HV_AT HV_ID, "sealed", KMS_FETCH, KC_UNAVAILABLE, "sealed",
	    NONE },
	{ KV, HV_AT HV_ID, "deleted", KMS_FETCH, KC_STATE, NULL, NONE },
	{ KV, HV_AT HV_ID, "destroyed", KMS_FETCH, KC_STATE, NULL, NONE },
	{ KV, HV_AT HV_ID, "v1", KMS_FETCH, KC_CONFIG, "KV v2", NONE },
	{ KV, HV_AT HV_ID, "notfound", KMS_FETCH, KC_CONFIG, NULL, NONE },
	{ "vault://secret/data/no", HV_AT HV_ID, "ok", KMS_FETCH, KC_CONFIG,
	    "no such secret", NONE },
	{ KV, HV_AT HV_ID, "newline", KMS_FETCH, KC_OK, NULL, NONE },
	{ KV, HV_AT HV_ID, "crlf", KMS_FETCH, KC_INVALID, NULL, NONE },
	{ KV, HV_AT HV_ID, "short31", KMS_FETCH, KC_INVALID, "32 bytes",
	    NONE },
	{ KV, HV_AT HV_ID, "number", KMS_FETCH, KC_CONFIG, NULL, NONE },
	{ KV, HV_AT HV_ID, "standby", KMS_FETCH, KC_OK, NULL, NONE },
	{ KV, HV_AT HV_ID, "loop", KMS_FETCH, KC_PROTOCOL, "redirect", NONE },
	{ KV, HV_AT HV_ID, "redirect307", KMS_FETCH, KC_UNAVAILABLE,
	    "TAPPASS_KMS_HOSTS", NONE },
	{ KV, HV_AT HV_ID, "redirect", KMS_FETCH, KC_PROTOCOL, "redirect",
	    NONE },
	{ KV, HV_AT HV_ID, "dup", KMS_FETCH, KC_PROTOCOL, "no JSON", NONE },
	{ KV, HV_AT HV_ID, "500x2~v", KMS_FETCH, KC_OK, NULL, NONE },
	{ KV, HV_AT HV_ID, "surprise", KMS_FETCH, KC_PROTOCOL, NULL, NONE },
	{ KV, HV_AT HV_ID "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=no\n", "ok",
	    KMS_FETCH, KC_OK, NULL, NONE },
	{ KV, HV_AT HV_ID, "throttle-ra0", KMS_FETCH, KC_THROTTLED, "w0",
	    NONE },
	{ KV, HV_AT HV_ID, "hang-head", KMS_FETCH, KC_UNAVAILABLE, NULL,
	    NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=secret-1\n",
	    "cred-hang-body", KMS_FETCH, KC_UNAVAILABLE, NULL, NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=secret-1\n",
	    "cred-oversize", KMS_FETCH, KC_PROTOCOL, "64 KiB", NONE },
	{ KV, HV_AT "VAULT_ROLE_ID=role-1\nVAULT_SECRET_ID=secret-1\n",
	    "cred-redirect", KMS_FETCH, KC_PROTOCOL, "redirect", NONE },
	/* Vault, Transit */
	{ TR, HV_AT HV_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, DEPLOYMENT },
	{ TR, HV_AT HV_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, FLIPPED },
	{ TR, HV_AT HV_ID, "throttle", KMS_UNWRAP, KC_THROTTLED, "w0", NONE },
	{ TR, HV_AT HV_ID, "throttle-ra", KMS_UNWRAP, KC_THROTTLED, "w7000",
	    NONE },
	{ TR, HV_AT HV_ID, "500x2~t", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ TR, HV_AT HV_ID, "denied", KMS_UNWRAP, KC_DENIED, NULL, NONE },
	{ TR, HV_AT HV_ID, "expired", KMS_UNWRAP, KC_AUTH, NULL, NONE },
	{ TR, HV_AT HV_ID, "oversize", KMS_UNWRAP, KC_PROTOCOL, "64 KiB",
	    NONE },
	{ TR, HV_AT HV_ID, "ok", KMS_GENERATE, KC_OK, NULL, NONE },
	{ TR, HV_AT HV_ID, "ok", KMS_UNWRAP, KC_OK, NULL, NONE },
	{ TR, HV_AT HV_ID, "ok", KMS_UNWRAP, KC_INVALID,
	    "message authentication failed", CONTEXT },
	{ TR, HV_AT HV_ID, "ok", KMS_UNWRAP, KC_INVALID, NULL, TRUNCATED },
	{ TR, HV_AT HV_ID, "old500", KMS_UNWRAP, KC_INVALID, NULL, CONTEXT },
	{ TR, HV_AT HV_ID, "tooold", KMS_UNWRAP, KC_INVALID, "too old",
	    NONE },
	{ TR, HV_AT HV_ID, "notfound", KMS_UNWRAP, KC_CONFIG,
	    "key not found", NONE },
	{ TR, HV_AT HV_ID, "short31", KMS_UNWRAP, KC_INVALID, NULL, NONE },
	{ TR, HV_AT HV_ID, "sealed", KMS_UNWRAP, KC_UNAVAILABLE, NULL, NONE },
};

static const uint8_t	context[] = { 0, 3, 'a', 'p', 'p', 0, 7, 't', 'a',
    'p', 'p', 'a', 's', 's', 0, 3, 'e', 'n', 'v', 0, 1, 'x' };
static const uint8_t	other[] = { 0, 3, 'a', 'p', 'p', 0, 8, 't', 'a', 'p',
    'p', 'a', 's', 's', '2', 0, 3, 'e', 'n', 'v', 0, 1, 'x' };
static const uint8_t	deployment[] = { 0, 3, 'a', 'p', 'p', 0, 7, 't', 'a',
    'p', 'p', 'a', 's', 's', 0, 3, 'e', 'n', 'v', 0, 1, 'y' };

static char	 port[16], tlsport[16], oldport[16], deadport[16];
static char	 dir[64], keytext[4096];
static char	*pem;
static int	 fakein;
static pid_t	 fake;

/* Facts of a row with its letters filled in; *how gets them. */
static void
facts(struct drive *how, char *out, size_t size, const char *text,
    const char *mode)
{
	const char	*s;
	char		*p, *line;
	size_t		 e, f;
	int		 file;

	for (p = out; *text != '\0'; text++) {
		if (*text != '%') {
			*p++ = *text;
			continue;
		}
		text++;
		s = *text == 'P' ? port : *text == 'T' ? tlsport :
		    *text == 'E' ? oldport : *text == 'S' ? deadport :
		    *text == 'M' ? mode : keytext;
		p += strlcpy(p, s, size - (size_t)(p - out));
	}
	*p = '\0';
	e = f = 0;
	p = out;
	while ((line = strsep(&p, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		file = *line == '@';
		if (file)
			how->file[f++] = ++line;
		else
			how->env[e++] = line;
		for (; file && *line != '\0'; line++)
			if (*line == '|')
				*line = '\n';
	}
}

static void
prepare(struct drive *how, const struct row *r, char *text, size_t size,
    const char *mode)
{
	static uint8_t	 key[32];
	size_t		 i;

	memset(how, 0, sizeof(*how));
	for (i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(100 + i);
	how->uri = r->uri;
	how->op = r->op;
	how->context = context;
	how->contextlen = sizeof(context);
	how->key = key;
	how->keylen = r->op == KMS_GENERATE || r->op == KMS_WRAP ? 32 : 0;
	how->ms = strstr(mode, "hang") != NULL || strcmp(mode, "slow") == 0 ?
	    700 : 15000;
	how->pem = pem;
	facts(how, text, size, r->facts, mode);
}

/* A wrapped key of this row's back end, made while nothing is wrong. */
static void
wrapped(const struct row *r, struct driven *d)
{
	static char	 text[16384];
	struct row	 good;
	struct drive	 how;

	good = *r;
	good.op = KMS_WRAP;
	if (strcmp(r->uri, ANOTHER) == 0)
		good.uri = AWS;
	good.facts = strncmp(r->uri, "aws", 3) == 0 ? AWS_AT AWS_ID :
	    strncmp(r->uri, "gcp", 3) == 0 ? GCP_AT GCP_ID :
	    strncmp(r->uri, "azure", 5) == 0 ? AZ_AT AZ_ID : HV_AT HV_ID;
	prepare(&how, &good, text, sizeof(text), "ok");
	assert_int_equal(drive_run(&how, d), 0);
	assert_int_equal(d->class, KC_OK);
	assert_true(d->wrappedlen > 0);
	assert_int_equal(d->keylen, 0);
}

static void
tamper(struct drive *how, struct driven *w, enum tamper t)
{
	how->wrapped = w->wrapped;
	how->wrappedlen = w->wrappedlen;
	switch (t) {
	case TRUNCATED:
		how->wrappedlen -= 8;
		break;
	case FLIPPED:
		w->wrapped[w->wrappedlen - 3] ^= 1;
		break;
	case CONTEXT:
		how->context = other;
		how->contextlen = sizeof(other);
		break;
	case DEPLOYMENT:
		how->context = deployment;
		how->contextlen = sizeof(deployment);
		break;
	case EMPTY:
		how->wrappedlen = 0;
		break;
	case NONE:
		break;
	}
}

/* "w7000", "k=2", "n1", "rewrap" are fields; all else a part of the text. */
static int
said(const struct driven *d, const char *what)
{
	if (what == NULL)
		return 1;
	if (what[0] == 'w' && what[1] >= '0' && what[1] <= '9')
		return d->wait == (uint32_t)atoi(what + 1);
	if (strncmp(what, "k=", 2) == 0)
		return strcmp(d->keyid, what + 2) == 0;
	if (strcmp(what, "n1") == 0)
		return d->connects == 1;
	if (strcmp(what, "rewrap") == 0)
		return d->flags & KR_REWRAP;
	return strstr(d->text, what) != NULL;
}

/* Nothing of a credential or a key may be in a sentence. */
static int
leaks(const struct driven *d)
{
	static const char *const	 words[] = { "wJalr", "stsSecret",
	    "stsToken", "az-secret", "g-token", "az-token", "s.root",
	    "secret-1", "web.identity", "pod-token", "PRIVATE" };
	size_t				 i;

	for (i = 0; i < nitems(words); i++)
		if (strstr(d->text, words[i]) != NULL ||
		    strstr(d->keyid, words[i]) != NULL)
			return 1;
	return 0;
}

static int
right_key(const struct row *r, const struct driven *d)
{
	size_t	 i;
	int	 dek;

	if (r->op == KMS_WRAP)
		return d->keylen == 0 && d->wrappedlen > 0;
	if (d->keylen != 32)
		return 0;
	if (strncmp(r->uri, "aws", 3) == 0 && r->op == KMS_GENERATE)
		return d->wrappedlen > 0;
	dek = r->op == KMS_FETCH;
	if (dek && strstr(r->uri, "/dd") != NULL)
		return 1;
	for (i = 0; i < 32; i++)
		if (d->key[i] != (dek ? i : 100 + i))
			return 0;
	return 1;
}

static int
one(const struct row *r)
{
	static char	 text[16384];
	struct driven	 d, w;
	struct drive	 how;
	int		 good;

	prepare(&how, r, text, sizeof(text), r->mode);
	if (r->op == KMS_UNWRAP) {
		wrapped(r, &w);
		tamper(&how, &w, r->tamper);
	}
	assert_int_equal(drive_run(&how, &d), 0);
	good = d.answered && d.class == r->class && said(&d, r->text) &&
	    !leaks(&d) && WIFEXITED(d.status) && WEXITSTATUS(d.status) == 0 &&
	    (d.class == KC_OK ? right_key(r, &d) :
	    d.keylen == 0 && d.wrappedlen == 0) && d.connects <= 16 &&
	    d.ms < how.ms + 8000;	/* without it: KMS_TOTAL_MS */
	if (!good)
		print_message("row %zu %s %s op %d: %s (wanted %s) wait %u "
		    "key %s status %x %zu %zu in %llu ms, %u connects: %s\n",
		    (size_t)(r - rows), r->uri, r->mode, r->op,
		    drive_class(d.class), drive_class(r->class), d.wait,
		    d.keyid, (unsigned)d.status, d.keylen, d.wrappedlen,
		    (unsigned long long)d.ms, d.connects, d.text);
	return good;
}

static void
test_matrix(void **state)
{
	size_t	 i, bad;

	(void)state;
	for (i = bad = 0; i < nitems(rows); i++)
		bad += !one(&rows[i]);
	print_message("%zu exchanges\n", nitems(rows));
	assert_int_equal(bad, 0);
}

/* "previous" of the two stores that have versions. */
static void
test_previous(void **state)
{
	static const struct row	 r[] = {
		{ KV, HV_AT HV_ID, "ok", KMS_FETCH, KC_OK, "k=1", NONE },
		{ AZS, AZ_AT AZ_ID, "ok", KMS_FETCH, KC_OK, "k=dd", NONE },
	};
	static char		 text[4096];
	struct driven		 d;
	struct drive		 how;
	size_t			 i;

	(void)state;
	for (i = 0; i < nitems(r); i++) {
		prepare(&how, &r[i], text, sizeof(text), "ok");
		how.version = "previous";
		assert_int_equal(drive_run(&how, &d), 0);
		assert_int_equal(d.class, KC_OK);
		assert_true(said(&d, r[i].text));
	}
}

static void
test_no_dial(void **state)
{
	static char	 text[4096];
	struct driven	 d;
	struct drive	 how;

	(void)state;
	prepare(&how, &(struct row){ KV, HV_AT HV_ID, "ok", KMS_FETCH, 0, NULL,
	    NONE }, text, sizeof(text), "ok");
	how.nodial = 1;
	assert_int_equal(drive_run(&how, &d), 0);
	assert_int_equal(d.class, KC_UNAVAILABLE);
	assert_non_null(strstr(d.text, "dial"));
}

#define PROXY	"TAPPASS_KMS_PROXY=http://127.0.0.1:%P\n"

/* TLS: the certificate is of 127.0.0.1 and vault.test, by our CA. */
static void
test_tls(void **state)
{
	static const struct {
		const char	*facts;
		int		 class, trusted;
	} t[] = {
		{ "VAULT_ADDR=https://127.0.0.1:%T/m/ok\n" HV_ID, KC_OK, 1 },
		{ "VAULT_ADDR=https://vault.test:%T/m/ok\n" HV_ID, KC_OK, 1 },
		{ "VAULT_ADDR=https://other.test:%T/m/ok\n" HV_ID, KC_CONFIG,
		    1 },
		{ "VAULT_ADDR=https://vault.test:%T/m/ok\n" HV_ID, KC_CONFIG,
		    0 },
		{ "VAULT_ADDR=https://vault.test:%P/m/ok\n" HV_ID,
		    KC_UNAVAILABLE, 1 },
		{ "VAULT_ADDR=https://vault.test:%T/m/hang-head\n" HV_ID,
		    KC_UNAVAILABLE, 1 },
		{ "VAULT_ADDR=https://vault.test:%T/m/oversize\n" HV_ID,
		    KC_PROTOCOL, 1 },
		{ "VAULT_ADDR=https://vault.test:%E/m/ok\n" HV_ID, KC_CONFIG,
		    1 },
		{ "VAULT_ADDR=https://vault.test:%S/m/hang\n" HV_ID,
		    KC_UNAVAILABLE, 1 },
		/* A proxy in between: tunnels, interferes, is another one. */
		{ "VAULT_ADDR=https://vault.test:%T/m/ok\n" PROXY HV_ID, KC_OK,
		    1 },
		{ "VAULT_ADDR=https://other.test:%T/m/ok\n" PROXY HV_ID,
		    KC_CONFIG, 1 },
		{ "VAULT_ADDR=https://vault.test:%T/m/ok\n" PROXY HV_ID,
		    KC_CONFIG, 0 },
		{ "VAULT_ADDR=https://denied.test:%T/m/ok\n" PROXY HV_ID,
		    KC_UNAVAILABLE, 1 },
		{ "VAULT_ADDR=https://page.test:%T/m/ok\n" PROXY HV_ID,
		    KC_UNAVAILABLE, 1 },
		{ "VAULT_ADDR=https://hang.test:%T/m/hang\n" PROXY HV_ID,
		    KC_UNAVAILABLE, 1 },
		{ "VAULT_ADDR=https://vault.test:%T/m/ok\n"
		    "TAPPASS_KMS_PROXY=http://127.0.0.1:1\n" HV_ID,
		    KC_UNAVAILABLE, 1 },
	};
	static char		 text[4096];
	struct driven		 d;
	struct drive		 how;
	struct row		 r;
	size_t			 i;

	(void)state;
	for (i = 0; i < nitems(t); i++) {
		r = (struct row){ KV, t[i].facts, "ok", KMS_FETCH, 0, NULL,
		    NONE };
		prepare(&how, &r, text, sizeof(text), strstr(t[i].facts, "/hang") !=
		    NULL ? "hang" : "ok");
		if (!t[i].trusted)
			how.pem = NULL;
		assert_int_equal(drive_run(&how, &d), 0);
		if (d.class != t[i].class)
			print_message("tls %zu: %s %s\n", i,
			    drive_class(d.class), d.text);
		assert_int_equal(d.class, t[i].class);
	}
}

/* ---- the fake ------------------------------------------------------------------ */

static char *
slurp(const char *name)
{
	char	 path[128], *p;
	size_t	 n;
	FILE	*f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	p = calloc(1, 16384);
	n = fread(p, 1, 16383, f);
	p[n] = '\0';
	fclose(f);
	return p;
}

/* The private key as a JSON string has it. */
static void
escape_key(void)
{
	char	*p, *s, *to;

	p = slurp("rsa.pem");
	for (s = p, to = keytext; s != NULL && *s != '\0'; s++) {
		if (*s == '\n') {
			*to++ = '\\';
			*to++ = 'n';
		} else
			*to++ = *s;
	}
	*to = '\0';
	free(p);
}

static int
certificates(void)
{
	char	 cmd[2048];

	snprintf(cmd, sizeof(cmd), "cd %s && exec >log 2>&1 && "
	    "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out "
	    "ca.pem -subj /CN=test-ca -days 2 && "
	    "openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr "
	    "-subj /CN=x && printf 'subjectAltName=DNS:vault.test,"
	    "IP:127.0.0.1' >ext && openssl x509 -req -in tls.csr -CA ca.pem "
	    "-CAkey ca.key -CAcreateserial -out tls.pem -days 2 -extfile ext "
	    "&& openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key "
	    "-out old.pem -days -1 -extfile ext "
	    "&& openssl genpkey -algorithm RSA -out rsa.pem && "
	    "openssl pkey -in rsa.pem -pubout -out rsa.pub", dir);
	if (system(cmd) == 0)
		return 0;
	snprintf(cmd, sizeof(cmd), "tail -n 5 %s/log >&2", dir);
	(void)!system(cmd);
	return -1;
}

static const char *
program(void)
{
	static const char	path[] = "regress/scenario/fakekms/fakekms.py";
	static char		up[128];

	if (access(path, R_OK) == 0)
		return path;
	snprintf(up, sizeof(up), "../../%s", path);
	return up;
}

static int
start(void **state)
{
	char	 line[64], cert[80], key[80], pub[80], old[80];
	int	 in[2], out[2];
	ssize_t	 r;
	size_t	 n;

	(void)state;
	r = 0;
	strlcpy(dir, "/tmp/kmstest.XXXXXX", sizeof(dir));
	if (mkdtemp(dir) == NULL || certificates() == -1 ||
	    pipe(in) == -1 || pipe(out) == -1)
		return -1;
	pem = slurp("ca.pem");
	escape_key();
	snprintf(cert, sizeof(cert), "%s/tls.pem", dir);
	snprintf(key, sizeof(key), "%s/tls.key", dir);
	snprintf(pub, sizeof(pub), "%s/rsa.pub", dir);
	snprintf(old, sizeof(old), "%s/old.pem", dir);
	fake = fork();
	if (fake == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		closefrom(3);
		execlp("python3", "python3", program(), "-c", cert, "-k", key,
		    "-p", pub, "-e", old, (char *)NULL);
		perror("python3");
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	fakein = in[1];
	for (n = 0; n < sizeof(line) - 1; n += (size_t)r)
		if ((r = read(out[0], line + n, sizeof(line) - 1 - n)) <= 0 ||
		    line[n + (size_t)r - 1] == '\n')
			break;
	n += r > 0 ? (size_t)r : 0;
	line[n] = '\0';
	if (sscanf(line, "%15s %15s %15s %15s", port, tlsport, oldport,
	    deadport) == 4 && pem != NULL)
		return 0;
	fprintf(stderr, "fakekms.py said '%s' (%s)\n", line,
	    r == -1 ? strerror(errno) : "then it ended");
	return -1;
}

static int
stop(void **state)
{
	char	 cmd[128];

	(void)state;
	close(fakein);
	waitpid(fake, NULL, 0);
	free(pem);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_previous),
		cmocka_unit_test(test_no_dial),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
