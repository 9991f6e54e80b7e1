/* SPDX-License-Identifier: ISC */

/* The exact bytes that a provider gets, and what cannot become a head. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/secret/secret.h"
#include "common/text/sha256.h"
#include "keybrokerd/egress/egress.h"

static struct release
openai(void)
{
	struct release	 r;

	memset(&r, 0, sizeof(r));
	r.scheme = SCHEME_HTTPS;
	r.port = 443;
	r.length = 17;
	r.dialect = DIALECT_OPENAI;
	r.auth = AUTH_BEARER;
	strcpy(r.host, "api.openai.com");
	strcpy(r.method, "POST");
	strcpy(r.path, "/v1/chat/completions");
	strcpy(r.type, "application/json");
	return r;
}

static struct offer	*
offer(const char *name, const char *value)
{
	struct msgw	 w;
	struct offer	*o;

	msg_open(&w, 1);
	msg_put_u64(&w, 1);
	msg_put_u64(&w, 17);
	msg_put_u8(&w, name != NULL);
	if (name != NULL) {
		msg_put_str(&w, name);
		msg_put_str(&w, value);
	}
	o = offer_new(w.buf, w.len);
	return o;
}

static void
check(const struct release *r, struct offer *o, const char *want)
{
	uint8_t	 out[REQUEST_MAX];
	long	 n;

	assert_non_null(o);
	n = request_head(r, o, out, sizeof(out));
	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, (size_t)n);
	/* No room: refused, never cut. */
	assert_int_equal(request_head(r, o, out, (size_t)n - 1), -1);
	free(o);
}

static void
plain_openai(void **state)
{
	struct release	 r;

	(void)state;
	r = openai();
	check(&r, offer(NULL, NULL),
	    "POST /v1/chat/completions HTTP/1.1\r\n"
	    "host: api.openai.com\r\n"
	    "content-type: application/json\r\n"
	    "content-length: 17\r\n"
	    "accept: application/json, text/event-stream\r\n"
	    "accept-encoding: identity\r\n"
	    "user-agent: proxyd/1.0.0\r\n");
}

static void
plain_anthropic(void **state)
{
	struct release	 r;

	(void)state;
	r = openai();
	r.dialect = DIALECT_ANTHROPIC;
	r.scheme = SCHEME_HTTP;
	r.port = 8080;
	strcpy(r.host, "::1");
	strcpy(r.path, "/v1/messages");
	strcpy(r.query, "beta=true");
	check(&r, offer("anthropic-beta", "a-1,b-2"),
	    "POST /v1/messages?beta=true HTTP/1.1\r\n"
	    "host: [::1]:8080\r\n"
	    "content-type: application/json\r\n"
	    "content-length: 17\r\n"
	    "accept: application/json, text/event-stream\r\n"
	    "accept-encoding: identity\r\n"
	    "user-agent: proxyd/1.0.0\r\n"
	    "anthropic-version: 2023-06-01\r\n"
	    "anthropic-beta: a-1,b-2\r\n");
	r.port = 80;
	r.query[0] = '\0';
	check(&r, offer("Anthropic-Version", "2024-10-22"),
	    "POST /v1/messages HTTP/1.1\r\n"
	    "host: [::1]\r\n"
	    "content-type: application/json\r\n"
	    "content-length: 17\r\n"
	    "accept: application/json, text/event-stream\r\n"
	    "accept-encoding: identity\r\n"
	    "user-agent: proxyd/1.0.0\r\n"
	    "anthropic-version: 2024-10-22\r\n");
}

static void
get(void **state)
{
	struct release	 r;

	(void)state;
	r = openai();
	strcpy(r.method, "GET");
	strcpy(r.path, "/v1/models");
	r.type[0] = '\0';
	r.length = 0;
	check(&r, offer(NULL, NULL),
	    "GET /v1/models HTTP/1.1\r\n"
	    "host: api.openai.com\r\n"
	    "accept: application/json, text/event-stream\r\n"
	    "accept-encoding: identity\r\n"
	    "user-agent: proxyd/1.0.0\r\n");
}

static void
unsound(void **state)
{
	static const struct {
		size_t		 off;
		const char	*value;
	} rows[] = {
		{ offsetof(struct release, method), "PO ST" },
		{ offsetof(struct release, method), "" },
		{ offsetof(struct release, path), "v1" },
		{ offsetof(struct release, path), "/v1 HTTP/1.1\r\nx: y" },
		{ offsetof(struct release, path), "/v1?x" },
		{ offsetof(struct release, path), "/v1#x" },
		{ offsetof(struct release, path), "/v\x7f" },
		{ offsetof(struct release, query), "a b" },
		{ offsetof(struct release, query), "a\r\nb" },
		{ offsetof(struct release, host), "" },
		{ offsetof(struct release, host), "a/b" },
		{ offsetof(struct release, host), "u@b" },
		{ offsetof(struct release, type), "x\r\ny: z" },
		{ offsetof(struct release, type), " x" },
	};
	struct release	 r;
	struct offer	*o;
	uint8_t		 out[REQUEST_MAX];
	size_t		 i;

	(void)state;
	o = offer(NULL, NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = openai();
		strcpy((char *)&r + rows[i].off, rows[i].value);
		assert_int_equal(request_head(&r, o, out, sizeof(out)), -1);
	}
	free(o);
}

/* A worker may only offer fields that pass, each once. */
static void
offers(void **state)
{
	struct msgw	 w;
	struct offer	*o;
	int		 i;

	(void)state;
	assert_null(offer("authorization", "Bearer x"));
	assert_null(offer("x-api-key", "x"));
	assert_null(offer("host", "evil.example"));
	assert_null(offer("content-length", "5"));
	assert_null(offer("anthropic-beta", "a\r\nx-api-key: y"));
	assert_null(offer("anthropic-version", "later"));
	o = offer("openai-beta", "assistants=v2");
	assert_non_null(o);
	free(o);
	msg_open(&w, 1);
	msg_put_u64(&w, 1);
	msg_put_u64(&w, 17);
	msg_put_u8(&w, 2);
	for (i = 0; i < 2; i++) {
		msg_put_str(&w, "openai-beta");
		msg_put_str(&w, "x");
	}
	assert_null(offer_new(w.buf, w.len));
	w.buf[16] = 1;
	assert_null(offer_new(w.buf, w.len));
	assert_null(offer_new(w.buf, 16));
}

static void
attach(void **state)
{
	static const struct {
		int		 auth;
		const char	*key, *want;
	} rows[] = {
		{ AUTH_NONE, "", "\r\n" },
		{ AUTH_BEARER, "sk-1", "authorization: Bearer sk-1\r\n\r\n" },
		{ AUTH_XAPIKEY, "sk-2", "x-api-key: sk-2\r\n\r\n" },
		{ AUTH_APIKEY, "az-3", "api-key: az-3\r\n\r\n" },
		{ AUTH_GOOGKEY, "go-4", "x-goog-api-key: go-4\r\n\r\n" },
		{ AUTH_SIGV4, "a:b", NULL },
		{ AUTH_BEARER, "", NULL },
		{ AUTH_BEARER, "a\r\nb", NULL },
		{ AUTH_XAPIKEY, "a ", NULL },
		{ 77, "a", NULL },
	};
	uint8_t		 out[64 + ATTACH_MAX];
	size_t		 i;
	long		 n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = attach_put(rows[i].auth, (const uint8_t *)rows[i].key,
		    strlen(rows[i].key), out);
		if (rows[i].want == NULL) {
			assert_int_equal(n, -1);
			continue;
		}
		assert_int_equal(n, strlen(rows[i].want));
		assert_memory_equal(out, rows[i].want, (size_t)n);
		assert_true((size_t)n <= strlen(rows[i].key) + ATTACH_MAX);
	}
}

/* Against the same request signed by a few lines of Python (hmac, hashlib). */
#define SIGKEY	"AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY:tok"
#define SIGNED	\
    "x-amz-content-sha256: 44136fa355b3678a1146ad16f7e8649e94fb4fc21f" \
    "e77e8310c060f61caaff8a\r\n" \
    "x-amz-date: 20150830T123600Z\r\n" \
    "x-amz-security-token: tok\r\n" \
    "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/" \
    "us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-content" \
    "-sha256;x-amz-date;x-amz-security-token, Signature=fd93b4852c6ff" \
    "6f055481db417b2dc14be4f2c72c4fff0f014ebf31c3abf814e\r\n" \
    "\r\n"

static void
signs(void **state)
{
	static const char	 want[] = SIGNED;
	static const char *const bad[] = { "AKIDEXAMPLE", ":x", "AKID:",
	    "AKID\n:x", "" };
	struct release		 r;
	uint8_t			 out[1400];
	size_t			 i;
	long			 n;

	(void)state;
	assert_int_equal(secret_pool(4), 0);
	memset(&r, 0, sizeof(r));
	r.scheme = SCHEME_HTTPS;
	r.port = 443;
	strlcpy(r.host, "bedrock-runtime.us-east-1.amazonaws.com",
	    sizeof(r.host));
	strlcpy(r.method, "POST", sizeof(r.method));
	strlcpy(r.path, "/openai/v1/chat/completions", sizeof(r.path));
	sha256_buf("{}", 2, r.digest);
	n = attach_sign(&r, "us-east-1", 1440938160000ULL,
	    (const uint8_t *)SIGKEY, sizeof(SIGKEY) - 1, out);
	assert_int_equal(n, sizeof(want) - 1);
	assert_memory_equal(out, want, (size_t)n);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(attach_sign(&r, "us-east-1", 1, (const
		    uint8_t *)bad[i], strlen(bad[i]), out), -1);
	assert_int_equal(secret_in_use(), 0);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(plain_openai),
		cmocka_unit_test(plain_anthropic),
		cmocka_unit_test(get),
		cmocka_unit_test(unsound),
		cmocka_unit_test(offers),
		cmocka_unit_test(attach),
		cmocka_unit_test(signs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
