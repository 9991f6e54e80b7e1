/* SPDX-License-Identifier: ISC */
/* Error bodies and events, typed from clients.md 3.1 and 3.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

/* glue.c: worker.h and jansson.h share names. */
void	 reply_run(int form, int code, const char *message, const char *step,
	    char *out, size_t size);
void	 reply_stream(int shape, const char *message, char *out, size_t size);

enum { OPENAI, ANTHROPIC, SHARED, CONTROL };

static const struct {
	int		 code;		/* place in the list of glue.c */
	int		 status;
	const char	*openai, *anthropic, *fields;
} rows[] = {
	{ 0, 401, "authentication_error", "authentication_error",
	    "x-should-retry: false\r\n" },
	{ 1, 400, "invalid_request_error", "invalid_request_error", "" },
	{ 2, 405, "invalid_request_error", "invalid_request_error", "" },
	{ 3, 413, "request_too_large", "request_too_large",
	    "x-should-retry: false\r\n" },
	{ 4, 503, "api_error", "api_error", "retry-after: 1\r\n" },
	{ 5, 502, "upstream_error", "api_error", "" },
};

static const char *
text(json_t *o, const char *a, const char *b)
{
	json_t	*v;

	v = json_object_get(o, a);
	if (b != NULL)
		v = json_object_get(v, b);
	return json_is_string(v) ? json_string_value(v) : "";
}

/* The body as JSON, after the head was looked at. */
static json_t *
parse(const char *answer, int status, const char *fields)
{
	char		 line[32];
	const char	*body;
	json_error_t	 error;
	json_t		*o;

	snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
	assert_non_null(strstr(answer, line));
	assert_non_null(strstr(answer, fields));
	assert_non_null(strstr(answer, "x-request-id: req_"));
	assert_non_null(strstr(answer, "\r\nrequest-id: req_"));
	body = strstr(answer, "\r\n\r\n") + 4;
	o = json_loads(body, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(o);
	return o;
}

static void
cases(void **state)
{
	static const char message[] = "Say \"no\" \\ \n caf\xc3\xa9 \x01.";
	char	 out[8192];
	size_t	 i;
	json_t	*o;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply_run(OPENAI, rows[i].code, message, NULL, out,
		    sizeof(out));
		o = parse(out, rows[i].status, rows[i].fields);
		assert_string_equal(text(o, "error", "message"), message);
		assert_string_equal(text(o, "error", "type"), rows[i].openai);
		assert_string_equal(text(o, "message", NULL), message);
		assert_null(json_object_get(o, "decision"));
		json_decref(o);
		reply_run(ANTHROPIC, rows[i].code, message, NULL, out,
		    sizeof(out));
		o = parse(out, rows[i].status, rows[i].fields);
		assert_string_equal(text(o, "type", NULL), "error");
		assert_string_equal(text(o, "error", "type"),
		    rows[i].anthropic);
		assert_string_equal(text(o, "error", "message"), message);
		assert_non_null(strstr(out, text(o, "request_id", NULL)));
		json_decref(o);
		reply_run(CONTROL, rows[i].code, message, NULL, out,
		    sizeof(out));
		o = parse(out, rows[i].status, rows[i].fields);
		assert_string_equal(text(o, "detail", NULL), message);
		assert_true(json_is_string(json_object_get(o, "code")));
		json_decref(o);
	}
}

/* What the TapPass SDK reads stands at the top level in both dialects. */
static void
block(void **state)
{
	char	 out[8192];
	int	 form;
	json_t	*o;

	(void)state;
	for (form = OPENAI; form <= ANTHROPIC; form++) {
		reply_run(form, -1, "SSN found", "detect_pii", out,
		    sizeof(out));
		o = parse(out, 403, "x-should-retry: false\r\n");
		assert_string_equal(text(o, "decision", NULL), "policy_block");
		assert_string_equal(text(o, "blocked_by", NULL), "detect_pii");
		assert_string_equal(text(o, "reason", NULL), "SSN found");
		assert_string_equal(text(o, "message", NULL), "SSN found");
		assert_string_equal(text(o, "error", "blocked_by"),
		    "detect_pii");
		assert_string_equal(text(o, "error", "type"),
		    form == OPENAI ? "policy_block" : "permission_error");
		json_decref(o);
	}
}

static void
events(void **state)
{
	static const struct {
		int		 shape;
		const char	*begin;
		const char	*a, *b, *c;
	} shapes[] = {
		{ 0, "data: {", "error", "message", NULL },
		{ 1, "data: {", "error", "message", NULL },
		{ 3, "event: response.failed\ndata: {", "response", "error",
		    "message" },
		{ 4, "event: error\ndata: {", "error", "message", NULL },
	};
	char	 out[2048];
	size_t	 i;
	json_t	*o, *v;

	(void)state;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		reply_stream(shapes[i].shape, "cut \"here\"", out,
		    sizeof(out));
		assert_memory_equal(out, shapes[i].begin,
		    strlen(shapes[i].begin));
		assert_string_equal(out + strlen(out) - 3, "}\n\n");
		assert_null(strstr(out, "[DONE]"));
		o = json_loads(out + strlen(shapes[i].begin) - 1,
		    JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(o);
		v = json_object_get(json_object_get(o, shapes[i].a),
		    shapes[i].b);
		if (shapes[i].c != NULL)
			v = json_object_get(v, shapes[i].c);
		assert_string_equal(json_string_value(v), "cut \"here\"");
		json_decref(o);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases),
		cmocka_unit_test(block),
		cmocka_unit_test(events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
