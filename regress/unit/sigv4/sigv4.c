/* SPDX-License-Identifier: ISC */
/*
 * SigV4 against the published suite (TESTDATA aws-sigv4, all 38 cases: the
 * canonical request, the string to sign, the signature), and the two cases that
 * matter for a KMS from this file where there is no TESTDATA.
 */
#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/sig/sigv4.h"
#include "common/text/sha256.h"
#include "common/text/text.h"

#define SECRET	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define DATE	"20150830T123600Z"

struct one {
	char			 text[4096], path[512], hash[HEX_SIZE(32)];
	char			 token[1024];
	char			*method, *query, *body;
	struct sigv4_header	 h[SIGV4_HEADERS];
	size_t			 n;
};

static char	suite[PATH_MAX];

static size_t
slurp(const char *name, const char *file, char *out, size_t size)
{
	char	 path[PATH_MAX + 300];
	size_t	 n;
	FILE	*f;

	snprintf(path, sizeof(path), "%s/%s/%s", suite, name, file);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	fclose(f);
	return n;
}

static void
header(struct one *o, const char *name, const char *value)
{
	o->h[o->n].name = name;
	o->h[o->n++].value = value;
}

/* Request line, headers (a line that begins with a blank goes on), body. */
static void
split(struct one *o)
{
	char	*p, *line, *end;

	p = o->text;
	line = strsep(&p, "\n");
	o->method = strsep(&line, " ");
	end = strrchr(line, ' ');
	*end = '\0';
	o->query = line;
	strlcpy(o->path, strsep(&o->query, "?"), sizeof(o->path));
	while (p != NULL && *p != '\0' && *p != '\n') {
		line = p;
		do {
			end = strchr(p, '\n');
			p = end == NULL ? NULL : end + 1;
		} while (p != NULL && (*p == ' ' || *p == '\t'));
		if (p != NULL)
			p[-1] = '\0';
		header(o, line, strchr(line, ':') + 1);
		*strchr(line, ':') = '\0';
	}
	o->body = p == NULL || *p == '\0' ? strchr(o->text, '\0') : p + 1;
}

static void
add_context(struct one *o, json_t *c)
{
	const char	*token;
	uint8_t		 digest[32];
	json_t		*cred;

	cred = json_object_get(c, "credentials");
	token = json_string_value(json_object_get(cred, "token"));
	header(o, "X-Amz-Date", DATE);
	if (token != NULL && !json_is_true(json_object_get(c,
	    "omit_session_token"))) {
		strlcpy(o->token, token, sizeof(o->token));
		header(o, "X-Amz-Security-Token", o->token);
	}
	if (json_is_true(json_object_get(c, "sign_body"))) {
		sha256_buf(o->body, strlen(o->body), digest);
		hex_encode(o->hash, sizeof(o->hash), digest, 32);
		header(o, "x-amz-content-sha256", o->hash);
	}
}

static void
one_case(const char *name)
{
	static struct one	 o;
	struct sigv4_request	 r;
	struct sigv4_key	 k;
	char			 want[8192], got[8192], text[8192], *sig;
	json_t			*c;
	long			 n;

	memset(&o, 0, sizeof(o));
	slurp(name, "context.json", want, sizeof(want));
	c = json_loads(want, 0, NULL);
	assert_non_null(c);
	slurp(name, "request.txt", o.text, sizeof(o.text));
	split(&o);
	add_context(&o, c);
	r = (struct sigv4_request){ o.method, o.path, o.query, o.h, o.n,
	    o.body, strlen(o.body),
	    json_is_true(json_object_get(c, "normalize")) };
	k = (struct sigv4_key){ "AKIDEXAMPLE", SECRET, strlen(SECRET),
	    "us-east-1", "service", DATE };
	n = sigv4_canonical(&r, got, sizeof(got));
	slurp(name, "header-canonical-request.txt", want, sizeof(want));
	if (strcmp(got, want) != 0)
		print_message("%s\n", name);
	assert_string_equal(got, want);
	assert_true(sigv4_string(&k, got, (size_t)n, text, sizeof(text)) > 0);
	slurp(name, "header-string-to-sign.txt", want, sizeof(want));
	assert_string_equal(text, want);
	assert_int_equal(sigv4_sign(&r, &k, got, sizeof(got)), 0);
	slurp(name, "header-signature.txt", want, sizeof(want));
	sig = strstr(got, "Signature=");
	assert_non_null(sig);
	assert_string_equal(sig + 10, want);
	json_decref(c);
}

static void
test_suite(void **state)
{
	struct dirent	*e;
	DIR		*d;
	int		 n;

	(void)state;
	d = opendir(suite);
	if (d == NULL) {
		print_message("no %s: the suite is not run\n", suite);
		return;
	}
	for (n = 0; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.') {
			one_case(e->d_name);
			n++;
		}
	closedir(d);
	assert_int_equal(n, 38);
}

/* post-vanilla and get-vanilla-with-session-token's shape, kept here. */
static void
test_own(void **state)
{
	const struct sigv4_header	 h[] = {
		{ "Host", "example.amazonaws.com" }, { "X-Amz-Date", DATE } };
	struct sigv4_request		 r = { "POST", "/", NULL, h, 2, "", 0,
	    1 };
	struct sigv4_key		 k = { "AKIDEXAMPLE", SECRET,
	    strlen(SECRET), "us-east-1", "service", DATE };
	char				 auth[SIGV4_AUTH_MAX];

	(void)state;
	assert_int_equal(sigv4_sign(&r, &k, auth, sizeof(auth)), 0);
	assert_string_equal(auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"
	    "20150830/us-east-1/service/aws4_request, "
	    "SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc66"
	    "76e4e544621c30862966e37dddb68e92efbe5d6b");
}

/* RFC 4231, test cases 2 and 6 (a key longer than a block). */
static void
test_hmac(void **state)
{
	uint8_t	 mac[32], key[131];
	char	 hex[HEX_SIZE(32)];

	(void)state;
	sigv4_hmac("Jefe", 4, "what do ya want for nothing?", 28, mac);
	hex_encode(hex, sizeof(hex), mac, 32);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d27"
	    "39839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	sigv4_hmac(key, sizeof(key), "Test Using Larger Than Block-Size Key - "
	    "Hash Key First", 54, mac);
	hex_encode(hex, sizeof(hex), mac, 32);
	assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728"
	    "c5140546040f0ee37f54");
}

static void
test_bounds(void **state)
{
	struct sigv4_header	 h[SIGV4_HEADERS + 1];
	struct sigv4_request	 r = { "POST", "/", NULL, h, SIGV4_HEADERS + 1,
	    "", 0, 1 };
	struct sigv4_key	 k = { "A", SECRET, strlen(SECRET), "r", "s",
	    DATE };
	char			 out[SIGV4_AUTH_MAX];
	size_t			 i, len;

	(void)state;
	for (i = 0; i <= SIGV4_HEADERS; i++)
		h[i] = (struct sigv4_header){ "a", "b" };
	assert_int_equal(sigv4_sign(&r, &k, out, sizeof(out)), -1);
	r.nheaders = 2;
	assert_int_equal(sigv4_sign(&r, &k, out, sizeof(out)), 0);
	len = strlen(out);
	for (i = 0; i <= len + 1; i++)
		assert_int_equal(sigv4_sign(&r, &k, out, i), i <= len ? -1 : 0);
	k.date = "2015";
	assert_int_equal(sigv4_sign(&r, &k, out, sizeof(out)), -1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_suite),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_bounds),
	};
	const char		*d;

	d = getenv("TESTDATA");
	snprintf(suite, sizeof(suite), "%s/aws-sigv4/v4", d != NULL ? d :
	    "../shared/testdata");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
