/* SPDX-License-Identifier: ISC */

/* Character classes and the two lists of fields that cross the gateway. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/http/field.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static const uint8_t *
u(const char *s)
{
	return (const uint8_t *)s;
}

static void
test_tchar(void **state)
{
	static const char	 others[] = "!#$%&'*+-.^_`|~";
	bool			 want;
	int			 c;

	(void)state;
	for (c = 0; c < 256; c++) {
		want = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') ||
		    (c != 0 && strchr(others, c) != NULL);
		assert_int_equal(field_tchar((uint8_t)c), want);
	}
	assert_false(field_is_token(u(""), 0));
	assert_true(field_is_token(u("x-a"), 3));
	assert_false(field_is_token(u("x a"), 3));
}

static void
test_value(void **state)
{
	uint8_t	 b[3];
	int	 c;

	(void)state;
	for (c = 0; c < 256; c++) {
		b[0] = b[2] = 'a';
		b[1] = (uint8_t)c;
		assert_int_equal(field_is_value(b, 3),
		    c == '\t' || (c >= ' ' && c != 0x7f));
	}
	assert_true(field_is_value(u(""), 0));
	assert_false(field_is_value(u(" a"), 2));
	assert_false(field_is_value(u("a\t"), 2));
}

static void
test_retry(void **state)
{
	static const struct {
		const char	*value;
		int		 rv;
		unsigned int	 seconds;
	} t[] = {
		{ "0", 0, 0 }, { "1", 0, 1 }, { "60", 0, 60 },
		{ "61", -1, 0 }, { "", -1, 0 }, { "-1", -1, 0 },
		{ "1.5", -1, 0 }, { " 1", -1, 0 }, { "000000060", -1, 0 },
		{ "99999999999999999999", -1, 0 },
		{ "Wed, 21 Oct 2026 07:28:00 GMT", -1, 0 },
	};
	unsigned int	 s;
	size_t		 i;

	(void)state;
	for (i = 0; i < NITEMS(t); i++) {
		s = 0;
		assert_int_equal(field_retry_after(u(t[i].value),
		    strlen(t[i].value), &s), t[i].rv);
		assert_int_equal(s, t[i].seconds);
	}
}

static void
test_pass(void **state)
{
	static const struct {
		const char	*name, *value;
		bool		 ok;
	} t[] = {
		{ "anthropic-version", "2023-06-01", true },
		{ "Anthropic-Version", "2026-01-31-preview.1", true },
		{ "anthropic-version", "2023-6-1", false },
		{ "anthropic-version", "latest", false },
		{ "anthropic-version", "", false },
		{ "anthropic-version", "2023-06-01\r\nx: y", false },
		{ "anthropic-version", "2023-06-01 ", false },
		{ "anthropic-version", "2023-06-01, 2024-01-01", false },
		{ "anthropic-beta", "a-2025-01-01", true },
		{ "anthropic-beta", "a-2025-01-01,b-1, c", true },
		{ "anthropic-beta", "a,,b", false },
		{ "anthropic-beta", "a,", false },
		{ "anthropic-beta", "a b", false },
		{ "anthropic-beta", "", false },
		{ "anthropic-beta", "a\xc3\xa4", false },
		{ "openai-beta", "assistants=v2", true },
		{ "openai-beta", "responses=experimental,realtime=v1", true },
		{ "openai-beta", "realtime", true },
		{ "openai-beta", "=v1", false },
		{ "openai-beta", "a=", false },
		{ "openai-beta", "a=b=c", false },
		{ "openai-beta", "a=\"b\"", false },
	};
	static const char *const	 never[] = {
		"authorization", "x-api-key", "api-key", "x-goog-api-key",
		"openai-organization", "openai-project", "cookie", "host",
		"accept-encoding", "x-forwarded-for", "forwarded", "via",
		"x-stainless-lang", "x-tappass-session", "connection",
		"transfer-encoding", "content-length", "anthropic-versio",
		"anthropic-version2", "anthropic_version", "",
	};
	char				 big[FIELD_VALUE_MAX + 1];
	size_t				 i;
	int				 w;

	(void)state;
	for (i = 0; i < NITEMS(t); i++) {
		w = field_pass(u(t[i].name), strlen(t[i].name));
		assert_in_range(w, 0, FIELD_NPASS - 1);
		if (field_pass_ok((unsigned int)w, u(t[i].value),
		    strlen(t[i].value)) != t[i].ok)
			fail_msg("%s: %s", t[i].name, t[i].value);
	}
	for (i = 0; i < NITEMS(never); i++)
		assert_int_equal(field_pass(u(never[i]), strlen(never[i])),
		    -1);
	memset(big, 'a', sizeof(big));
	memcpy(big, "2023-06-01", 10);
	assert_true(field_pass_ok(FIELD_ANTHROPIC_VERSION, u(big), 64));
	assert_false(field_pass_ok(FIELD_ANTHROPIC_VERSION, u(big), 65));
	assert_true(field_pass_ok(FIELD_ANTHROPIC_BETA, u(big), 2048));
	assert_false(field_pass_ok(FIELD_ANTHROPIC_BETA, u(big), 2049));
	assert_true(field_pass_ok(FIELD_OPENAI_BETA, u(big), 256));
	assert_false(field_pass_ok(FIELD_OPENAI_BETA, u(big), 257));
	assert_false(field_pass_ok(FIELD_NPASS, u("a"), 1));
	assert_null(field_pass_name(FIELD_NPASS));
	for (i = 0; i < FIELD_NPASS; i++)
		assert_int_equal(field_pass(u(field_pass_name((unsigned)i)),
		    strlen(field_pass_name((unsigned)i))), i);
}

static void
test_answer(void **state)
{
	static const struct {
		const char	*name, *value, *as;
	} t[] = {
		{ "Content-Type", "text/event-stream; charset=utf-8",
		    "content-type" },
		{ "content-type", "a\x80", NULL },
		{ "content-type", "", NULL },
		{ "retry-after", "60", "retry-after" },
		{ "retry-after", "61", NULL },
		{ "retry-after-ms", "60000", "retry-after-ms" },
		{ "retry-after-ms", "60001", NULL },
		{ "x-request-id", "req_1", "x-upstream-request-id" },
		{ "request-id", "req_1", "x-upstream-request-id" },
		{ "request-id", "a b", NULL },
		{ "x-should-retry", "true", "x-should-retry" },
		{ "x-should-retry", "maybe", NULL },
		{ "openai-processing-ms", "12.5", "openai-processing-ms" },
		{ "openai-processing-ms", ".", NULL },
		{ "openai-version", "2020-10-01", "openai-version" },
		{ "set-cookie", "a=b", NULL },
		{ "set-cookie2", "a=b", NULL },
		{ "authorization", "a", NULL },
		{ "proxy-authorization", "a", NULL },
		{ "www-authenticate", "Bearer", NULL },
		{ "proxy-authenticate", "Basic", NULL },
		{ "authentication-info", "a", NULL },
		{ "x-api-key", "a", NULL },
		{ "x-ratelimit-limit-requests", "1", NULL },
		{ "anthropic-ratelimit-tokens-remaining", "1", NULL },
		{ "anthropic-organization-id", "a", NULL },
		{ "openai-organization", "a", NULL },
		{ "openai-project", "a", NULL },
		{ "connection", "close", NULL },
		{ "keep-alive", "timeout=5", NULL },
		{ "te", "trailers", NULL },
		{ "trailer", "x", NULL },
		{ "transfer-encoding", "chunked", NULL },
		{ "content-length", "5", NULL },
		{ "content-encoding", "gzip", NULL },
		{ "upgrade", "h2c", NULL },
		{ "alt-svc", "h3", NULL },
		{ "strict-transport-security", "max-age=1", NULL },
		{ "location", "/", NULL },
		{ "refresh", "0", NULL },
		{ "server", "a", NULL },
		{ "via", "1.1 a", NULL },
		{ "x-audit", "a", NULL },
		{ "date", "a", NULL },
	};
	const char	*as;
	size_t		 i;

	(void)state;
	for (i = 0; i < NITEMS(t); i++) {
		as = NULL;
		if (field_answer(u(t[i].name), strlen(t[i].name),
		    u(t[i].value), strlen(t[i].value), &as) !=
		    (t[i].as == NULL ? FIELD_DROP : FIELD_KEEP))
			fail_msg("%s: %s", t[i].name, t[i].value);
		if (t[i].as != NULL)
			assert_string_equal(as, t[i].as);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_tchar),
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_pass),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
