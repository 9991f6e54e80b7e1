/* SPDX-License-Identifier: ISC */
/*
 * URIs of a KMS, the list of hosts that each leads to, the blob of that list,
 * and the small readers of the kms role: what an operator or a hostile service
 * may write there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

#define ARN	"arn:aws:kms:eu-west-1:123456789012:key/ab-12"

static void
test_uris(void **state)
{
	static const struct {
		const char	*uri;
		int		 back;	/* 0: refused */
		const char	*key, *more;
	} t[] = {
		{ "aws_kms://" ARN, KB_AWS, ARN, "eu-west-1" },
		{ "aws_kms://alias/x", KB_AWS, "alias/x", "" },
		{ "aws_kms://arn:aws:kms:eu-west-1:123456789:key/key-id",
		    KB_AWS, "arn:aws:kms:eu-west-1:123456789:key/key-id",
		    "eu-west-1" },
		{ "aws_kms://arn:aws:s3:eu-west-1:1:key/x", 0, NULL, NULL },
		{ "aws_kms://arn:aws-x:kms:eu-west-1:1:key/x", 0, NULL, NULL },
		{ "aws_kms://arn:aws:kms:eu.west:1:key/x", 0, NULL, NULL },
		{ "aws_kms://arn:aws:kms:r:1:secret/x", 0, NULL, NULL },
		{ "aws_kms://arn:aws", 0, NULL, NULL },
		{ "aws_kms://", 0, NULL, NULL },
		{ "aws_kms://a b", 0, NULL, NULL },
		{ "aws_kms://a\"b", 0, NULL, NULL },
		{ "gcp_kms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
		    KB_GCP, "projects/p/locations/l/keyRings/r/cryptoKeys/k",
		    "" },
		{ "gcp_kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/"
		    "cryptoKeyVersions/1", 0, NULL, NULL },
		{ "gcp_kms://projects/../locations/l/keyRings/r/cryptoKeys/k",
		    0, NULL, NULL },
		{ "gcp_kms://projects/p/locations/l", 0, NULL, NULL },
		{ "azure_kv://tappass-kv/vault-encryption-key", KB_AZSECRET,
		    "vault-encryption-key", "tappass-kv.vault.azure.net" },
		{ "azure_kv://h.managedhsm.azure.net:8443/s/0a", KB_AZSECRET,
		    "s", "h.managedhsm.azure.net" },
		{ "azure_kv_wrap://tappass-kv/kek", KB_AZWRAP, "kek",
		    "tappass-kv.vault.azure.net" },
		{ "azure_kv://ab/s", 0, NULL, NULL },
		{ "azure_kv://tappass-kv", 0, NULL, NULL },
		{ "azure_kv://tappass-kv/s/v/x", 0, NULL, NULL },
		{ "azure_kv://tappass-kv/s?x", 0, NULL, NULL },
		{ "azure_kv://u@h.evil/s", 0, NULL, NULL },
		{ "vault://secret/data/tappass/vault-key", KB_VAULT,
		    "secret/data/tappass/vault-key", "key" },
		{ "vault://secret/a#f_1", KB_VAULT, "secret/a", "f_1" },
		{ "vault://secret", 0, NULL, NULL },
		{ "vault://secret/../sys/seal", 0, NULL, NULL },
		{ "vault://secret//x", 0, NULL, NULL },
		{ "vault://secret/x?version=1", 0, NULL, NULL },
		{ "vault://secret/x#", 0, NULL, NULL },
		{ "vault_transit://k.1-a", KB_TRANSIT, "k.1-a", "" },
		{ "vault_transit://a/b", 0, NULL, NULL },
		{ "vault_transit://..", 0, NULL, NULL },
		{ "https://x", 0, NULL, NULL },
		{ "", 0, NULL, NULL },
	};
	struct kms_uri	 u;
	char		 why[256];
	size_t		 i;
	int		 r;

	(void)state;
	for (i = 0; i < nitems(t); i++) {
		why[0] = '\0';
		r = kmsuri_parse(&u, t[i].uri, why, sizeof(why));
		if ((r == 0) != (t[i].back != 0))
			print_message("%s: %d %s\n", t[i].uri, r, why);
		assert_int_equal(r, t[i].back != 0 ? 0 : -1);
		if (r == -1) {
			assert_true(why[0] != '\0');
			continue;
		}
		assert_int_equal(u.back, t[i].back);
		assert_string_equal(u.key, t[i].key);
		if (t[i].more[0] != '\0')
			assert_true(strcmp(u.region, t[i].more) == 0 ||
			    strcmp(u.host, t[i].more) == 0 ||
			    strcmp(u.field, t[i].more) == 0);
	}
}

/* ---- hosts ------------------------------------------------------------------ */

static const char *
getter(void *arg, const char *name)
{
	const char *const	*env;
	size_t			 n;

	n = strlen(name);
	for (env = arg; *env != NULL; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static void
test_targets(void **state)
{
	static const struct {
		const char	*uri, *env[4];
		const char	*wants[4];	/* "f:host:port", f a flag */
		int		 n;		/* -1 refused, 0 any */
	} t[] = {
		{ "aws_kms://" ARN, { NULL }, { "T:kms.eu-west-1.amazonaws.com"
		    ":443", "T:sts.eu-west-1.amazonaws.com:443",
		    "M:169.254.169.254:80" }, 4 },
		{ "aws_kms://alias/x", { NULL }, { "P:kms.*.amazonaws.com:443" },
		    4 },
		{ "aws_kms://alias/x", { "AWS_REGION=us-east-1",
		    "AWS_USE_FIPS_ENDPOINT=true",
		    "AWS_EC2_METADATA_DISABLED=true" },
		    { "T:kms-fips.us-east-1.amazonaws.com:443" }, 3 },
		{ "aws_kms://alias/x", { "AWS_REGION=Us.east" }, { NULL }, -1 },
		{ "aws_kms://arn:aws-cn:kms:cn-north-1:1:key/k", { NULL },
		    { "T:kms.cn-north-1.amazonaws.com.cn:443" }, 3 },
		{ "aws_kms://alias/x", { "AWS_ENDPOINT_URL=http://10.0.0.1/" },
		    { NULL }, -1 },
		{ "aws_kms://" ARN, {
		    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x" },
		    { "M:169.254.170.2:80" }, 4 },
		{ "aws_kms://" ARN, {
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://evil.example/" },
		    { NULL }, -1 },
		{ "gcp_kms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
		    { NULL }, { "T:cloudkms.googleapis.com:443",
		    "M:169.254.169.254:80" }, 6 },
		{ "azure_kv://tappass-kv/s", { NULL },
		    { "T:tappass-kv.vault.azure.net:443",
		    "T:login.microsoftonline.com:443",
		    "M:169.254.169.254:80" }, 3 },
		{ "vault://secret/x", { "VAULT_ADDR=https://V.example:8200" },
		    { "T:v.example:8200" }, 1 },
		{ "vault://secret/x", { "VAULT_ADDR=http://v.example:8200" },
		    { NULL }, -1 },
		{ "vault://secret/x", { "BAO_ADDR=https://b.example",
		    "VAULT_ADDR=https://v.example",
		    "TAPPASS_KMS_HOSTS=https://w.example:1, http://[::1]:9" },
		    { "T:b.example:443", "T:w.example:1", "L:::1:9" }, 3 },
		{ "vault://secret/x", { "TAPPASS_KMS_HOSTS=ftp://x" },
		    { NULL }, -1 },
		{ "vault://secret/x", { "TAPPASS_KMS_PROXY=https://p:1" },
		    { NULL }, -1 },
	};
	static struct kms_targets	 ts, back;
	static uint8_t			 blob[KMS_BLOB_MAX];
	char				 why[256], text[400];
	size_t				 i, j, w, len;
	int				 r;

	(void)state;
	for (i = 0; i < nitems(t); i++) {
		r = kmstarget_list(&ts, t[i].uri, getter,
		    (void *)(uintptr_t)t[i].env, why, sizeof(why));
		assert_int_equal(r, t[i].n == -1 ? -1 : 0);
		if (r == -1)
			continue;
		if (t[i].n != (int)ts.n)
			print_message("case %zu: %zu hosts\n", i, ts.n);
		assert_int_equal(ts.n, t[i].n);
		for (w = 0; w < 4 && t[i].wants[w] != NULL; w++) {
			for (j = 0; j < ts.n; j++) {
				snprintf(text, sizeof(text), "%c:%s:%u",
				    ts.t[j].flags & KT_PATTERN ? 'P' :
				    ts.t[j].flags & KT_TLS ? 'T' :
				    ts.t[j].flags & KT_META ? 'M' : 'L',
				    ts.t[j].host, ts.t[j].port);
				if (strcmp(text, t[i].wants[w]) == 0)
					break;
			}
			if (j == ts.n)
				print_message("case %zu: no %s\n", i,
				    t[i].wants[w]);
			assert_true(j < ts.n);
		}
		len = kmstarget_encode(&ts, blob, sizeof(blob));
		assert_true(len > 0);
		assert_int_equal(kmstarget_decode(&back, blob, len), 0);
		assert_memory_equal(&back, &ts, sizeof(ts));
		for (j = 0; j < len; j++)
			assert_int_equal(kmstarget_decode(&back, blob, j), -1);
		assert_int_equal(kmstarget_encode(&ts, blob, len - 1), 0);
	}
}

/* A row with "*" takes one label, and only one. */
static void
test_pattern(void **state)
{
	static const char *const	 none[] = { NULL };
	static struct kms_targets	 ts;
	char				 why[256], label[64], host[256];
	int				 row;

	(void)state;
	assert_int_equal(kmstarget_list(&ts, "aws_kms://alias/x", getter,
	    (void *)(uintptr_t)none, why, sizeof(why)), 0);
	row = kmstarget_find(&ts, 1, "kms.eu-west-3.amazonaws.com", 443,
	    label);
	assert_true(row >= 0);
	assert_string_equal(label, "eu-west-3");
	assert_int_equal(kmstarget_host(&ts.t[row], label, host,
	    sizeof(host)), 0);
	assert_string_equal(host, "kms.eu-west-3.amazonaws.com");
	assert_int_equal(kmstarget_find(&ts, 1, "kms.a.b.amazonaws.com", 443,
	    label), -1);
	assert_int_equal(kmstarget_find(&ts, 1, "kms..amazonaws.com", 443,
	    label), -1);
	assert_int_equal(kmstarget_find(&ts, 0, "kms.x.amazonaws.com", 443,
	    label), -1);
	assert_int_equal(kmstarget_find(&ts, 1, "kms.x.amazonaws.com", 80,
	    label), -1);
	assert_int_equal(kmstarget_find(&ts, 1, "kms.x.amazonaws.com.evil",
	    443, label), -1);
	assert_int_equal(kmstarget_host(&ts.t[row], "a.b", host,
	    sizeof(host)), -1);
	assert_int_equal(kmstarget_host(&ts.t[row], "evil.com/", host,
	    sizeof(host)), -1);
	assert_int_equal(kmstarget_host(&ts.t[row], "", host, sizeof(host)),
	    -1);
	assert_int_equal(kmstarget_host(&ts.t[row], "-a", host, sizeof(host)),
	    -1);
}

static void
test_urls(void **state)
{
	static const char *const	 bad[] = { "", "http://", "https:///x",
	    "http://a:0/", "http://a:99999/", "http://a:/", "http://u@h/",
	    "http://a b/", "http://a/#x", "http://[::1", "http://[::1]x/",
	    "http://a?x", "gopher://a/", "http://a\r\nX: y/", "http://a/\n" };
	struct kms_url			 u;
	size_t				 i;

	(void)state;
	for (i = 0; i < nitems(bad); i++)
		assert_int_equal(kmsurl_parse(&u, bad[i]), -1);
	assert_int_equal(kmsurl_parse(&u, "https://[FD00:ec2::254]:8/a?b"), 0);
	assert_string_equal(u.host, "fd00:ec2::254");
	assert_int_equal(u.port, 8);
	assert_string_equal(u.path, "/a?b");
	assert_int_equal(u.tls, 1);
	assert_true(kmsurl_metadata("fd00:ec2::254"));
	assert_false(kmsurl_metadata("169.254.169.253"));
	assert_true(kmsurl_loopback("127.9.9.9"));
	assert_false(kmsurl_loopback("127.0.0.1.evil.example"));
}

/* ---- readers of the role -------------------------------------------------------- */

static void
test_text(void **state)
{
	static const uint8_t	 good[] = { 0, 1, 'a', 0, 1, 'b' };
	static const uint8_t	 twice[] = { 0, 1, 'a', 0, 1, 'b', 0, 1, 'a',
	    0, 1, 'c' };
	json_t			*j;
	char			 name[16];

	(void)state;
	assert_int_equal(text_crc32c("123456789", 9), 0xE3069283);
	assert_int_equal(text_crc32c("", 0), 0);
	assert_int_equal(text_iso("2026-01-31T12:00:00Z"), 1769860800);
	assert_int_equal(text_iso("2026-01-31T12:00:00.123Z"), 1769860800);
	assert_int_equal(text_iso("2026-01-31T12:00:00+02:00"), -1);
	assert_int_equal(text_iso("tomorrow"), -1);
	assert_int_equal(text_httpdate("Sat, 31 Jan 2026 12:00:00 GMT"),
	    1769860800);
	assert_int_equal(text_httpdate("31 Jan 2026"), -1);
	assert_string_equal(text_xml("<a><Code>x&amp;&lt;y</Code></a>",
	    "Code"), "x&<y");
	assert_null(text_xml("<a><Code>x", "Code"));
	assert_null(text_xml("<Code>&#65;</Code>", "Code"));
	assert_null(text_xml("<Code><b>x</b></Code>", "Code"));
	assert_null(text_xml("<!DOCTYPE a><Code>x</Code>", "Code"));
	assert_string_equal(text_escape("a b/&~é"), "a%20b%2F%26~%C3%A9");
	text_name(name, sizeof(name), "Abc.Def-1\r\nX: y");
	assert_string_equal(name, "Abc.Def-1");
	text_name(name, sizeof(name), "a234567890123456789");
	assert_string_equal(name, "a23456789012345");
	j = text_context(good, sizeof(good));
	assert_string_equal(text_string(j, "a"), "b");
	assert_null(text_context(good, sizeof(good) - 1));
	assert_null(text_context(twice, sizeof(twice)));
	assert_non_null(text_context(NULL, 0));
}

/* Golden bytes of a head; bytes that no header may have. */
static void
test_head(void **state)
{
	struct fetch	 f;
	struct kms_url	 u;
	char		 out[512];

	(void)state;
	memset(&f, 0, sizeof(f));
	f.method = "POST";
	f.url = "https://kms.eu-west-1.amazonaws.com/";
	f.body = "{}";
	fetch_header(&f, "Content-Type", "application/x-amz-json-1.1");
	fetch_header(&f, "X-Amz-Target", "TrentService.Decrypt");
	assert_int_equal(kmsurl_parse(&u, f.url), 0);
	assert_true(fetch_head(&f, &u, out, sizeof(out)) > 0);
	assert_string_equal(out, "POST / HTTP/1.1\r\n"
	    "Host: kms.eu-west-1.amazonaws.com\r\n"
	    "Content-Type: application/x-amz-json-1.1\r\n"
	    "X-Amz-Target: TrentService.Decrypt\r\n"
	    "Content-Length: 2\r\n"
	    "User-Agent: proxyd-kms\r\nConnection: close\r\n\r\n");
	memset(&f, 0, sizeof(f));
	f.method = "GET";
	f.host = "metadata.google.internal";
	assert_int_equal(kmsurl_parse(&u, "http://169.254.169.254/x?y=z"), 0);
	fetch_header(&f, "Metadata-Flavor", "Google");
	assert_true(fetch_head(&f, &u, out, sizeof(out)) > 0);
	assert_string_equal(out, "GET /x?y=z HTTP/1.1\r\n"
	    "Host: metadata.google.internal\r\nMetadata-Flavor: Google\r\n"
	    "User-Agent: proxyd-kms\r\nConnection: close\r\n\r\n");
	fetch_header(&f, "X", "a\r\nY: b");
	assert_int_equal(fetch_head(&f, &u, out, sizeof(out)), -1);
	f.values[1] = NULL;
	assert_int_equal(fetch_head(&f, &u, out, sizeof(out)), -1);
	f.n = 1;
	assert_int_equal(fetch_head(&f, &u, out, 40), -1);
}

static void
test_vars(void **state)
{
	const struct kms_var	*v, *w;

	(void)state;
	for (v = kms_vars; v->name != NULL; v++)
		for (w = v + 1; w->name != NULL; w++)
			assert_string_not_equal(v->name, w->name);
	assert_int_equal(kmsvar_find("AWS_SECRET_ACCESS_KEY")->kind,
	    KV_SECRET);
	assert_int_equal(kmsvar_find("VAULT_TOKEN")->kind, KV_SECRET);
	assert_int_equal(kmsvar_find("VAULT_ADDR")->kind, KV_PUBLIC);
	assert_null(kmsvar_find("OPENAI_API_KEY"));
}

static int
start(void **state)
{
	(void)state;
	return arena_init();
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_uris),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_pattern),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_vars),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
