/* SPDX-License-Identifier: ISC */

/*
 * Usage of both dialects, JSON and streams: numbers, grade, terminator and
 * what the client gets, each answer cut everywhere.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxyd/worker/usage.h"

static uint8_t out[65536];
static size_t nout;

static void
on_pass(void *arg, const uint8_t *p, size_t n)
{
	(void)arg;
	memcpy(out + nout, p, n);
	nout += n;
}

struct expect {
	enum fact_shape	 shape;
	enum usage_form	 form;
	int		 withhold;
	struct usage_count c;
	int		 clean, error, malformed, withheld;
	const char	*error_type;
	const char	*s;
	const char	*passed;	/* NULL: as s */
};

#define ROLE	"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":" \
		"{\"role\":\"assistant\",\"content\":\"\"}}]," \
		"\"usage\":null}\n\n"
#define DELTA	"data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]," \
		"\"usage\":null}\n\n"
#define STOP	"data: {\"choices\":[{\"delta\":{},\"finish_reason\":" \
		"\"stop\"}],\"usage\":null}\n\n"
#define CHUNK	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9," \
		"\"completion_tokens\":12,\"total_tokens\":21," \
		"\"prompt_tokens_details\":{\"cached_tokens\":4}," \
		"\"completion_tokens_details\":{\"reasoning_tokens\":3}}}\n\n"
#define DONE	"data: [DONE]\n\n"

#define START	"event: message_start\ndata: {\"type\":\"message_start\"," \
		"\"message\":{\"content\":[],\"usage\":{\"input_tokens\":25," \
		"\"cache_creation_input_tokens\":7," \
		"\"cache_read_input_tokens\":100,\"output_tokens\":1}}}\n\n"
#define PING	"event: ping\ndata: {\"type\": \"ping\"}\n\n"
#define TEXT	"event: content_block_delta\ndata: {\"type\":" \
		"\"content_block_delta\",\"index\":0,\"delta\":{\"type\":" \
		"\"text_delta\",\"text\":\"0123456789\"}}\n\n"
#define MDELTA	"event: message_delta\ndata: {\"type\":\"message_delta\"," \
		"\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":" \
		"{\"output_tokens\":15}}\n\n"
#define MSTOP	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

#define RCREATE	"event: response.created\ndata: {\"type\":" \
		"\"response.created\",\"response\":{\"usage\":null}}\n\n"
#define RDELTA	"event: response.output_text.delta\ndata: {\"type\":" \
		"\"response.output_text.delta\",\"delta\":\"abcd\"}\n\n"
#define RDONE	"event: response.completed\ndata: {\"type\":" \
		"\"response.completed\",\"response\":{\"error\":null," \
		"\"usage\":{\"input_tokens\":36,\"input_tokens_details\":" \
		"{\"cached_tokens\":2},\"output_tokens\":87," \
		"\"output_tokens_details\":{\"reasoning_tokens\":5}}}}\n\n"

static const struct expect answers[] = {
	/* OpenAI streams */
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_FINAL, 9, 4, 0, 12, 3 },
	    1, 0, 0, 1, "", ROLE DELTA STOP CHUNK DONE,
	    ROLE DELTA STOP DONE },
	{ FACT_CHAT, USAGE_SSE, 0, { USAGE_FINAL, 9, 4, 0, 12, 3 },
	    1, 0, 0, 0, "", ROLE DELTA STOP CHUNK DONE, NULL },
	{ FACT_COMPLETIONS, USAGE_SSE, 1, { USAGE_FINAL, 9, 4, 0, 12, 3 },
	    0, 0, 0, 1, "", STOP CHUNK, STOP },
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_ESTIMATED, 25, 0, 0, 3, 0 },
	    0, 0, 0, 0, "", ROLE DELTA DELTA, NULL },
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_ESTIMATED, 25, 0, 0, 2, 0 },
	    0, 0, 0, 0, "", DELTA "data: {\"choices\":[],\"usage\":{\"pr",
	    NULL },
	/* the usage of a chunk that also has a choice: not ours to hide */
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_FINAL, 5, 0, 0, 6, 0 },
	    1, 0, 0, 0, "", "data: {\"usage\":{\"prompt_tokens\":5,"
	    "\"completion_tokens\":6},\"choices\":[{}]}\n\n" DONE, NULL },
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_PARTIAL, 5, 0, 0, 6, 0 },
	    0, 0, 0, 0, "", "data: {\"usage\":{\"prompt_tokens\":5,"
	    "\"completion_tokens\":6},\"choices\":[{}]}\n\n", NULL },
	/* empty choices without usage: a filter report */
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_ESTIMATED, 25, 0, 0, 0, 0 },
	    1, 0, 0, 0, "", "data: {\"choices\":[],\"x\":{\"usage\":{"
	    "\"prompt_tokens\":1}}}\n\n" DONE, NULL },
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_ESTIMATED, 0, 0, 0, 0, 0 },
	    0, 1, 0, 0, "server_error", "data: {\"error\":{\"message\":\"m\","
	    "\"type\":\"server_error\"}}\n\n", NULL },
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_ESTIMATED, 25, 0, 0, 0, 0 },
	    1, 0, 1, 0, "", "data: {oops\n\ndata: \xff\n\n" DONE, NULL },
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_FINAL, 9, 4, 0, 12, 3 },
	    1, 0, 0, 1, "", ": ping\r\n\r\ndata: {\"choices\":\r\ndata:[],"
	    "\r\ndata: \"usage\":{\"prompt_tokens\":9,\r\ndata:"
	    "\"completion_tokens\":12,\"prompt_tokens_details\":{"
	    "\"cached_tok\\u0065ns\":4},\"completion_tokens_details\":{"
	    "\"reasoning_tokens\":3}}}\r\n\r\ndata: [DONE]\r\n\r\n",
	    ": ping\r\n\r\ndata: [DONE]\r\n\r\n" },
	{ FACT_CHAT, USAGE_SSE, 1, { USAGE_ESTIMATED, 25, 0, 0, 0, 0 },
	    1, 0, 0, 0, "", "data: [DONE]", NULL },
	/* Anthropic streams */
	{ FACT_MESSAGES, USAGE_SSE, 0, { USAGE_FINAL, 132, 100, 7, 15, 0 },
	    1, 0, 0, 0, "", START PING TEXT MDELTA MSTOP, NULL },
	{ FACT_MESSAGES, USAGE_SSE, 1, { USAGE_PARTIAL, 132, 100, 7, 5, 0 },
	    0, 0, 0, 0, "", START TEXT PING TEXT, NULL },
	{ FACT_MESSAGES, USAGE_SSE, 0, { USAGE_PARTIAL, 132, 100, 7, 1, 0 },
	    0, 1, 0, 0, "overloaded_error", START "event: error\ndata: {"
	    "\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}"
	    "\n\n", NULL },
	{ FACT_MESSAGES, USAGE_SSE, 0, { USAGE_ESTIMATED, 25, 0, 0, 0, 0 },
	    0, 0, 0, 0, "", DONE, NULL },
	/* Responses streams */
	{ FACT_RESPONSES, USAGE_SSE, 0, { USAGE_FINAL, 36, 2, 0, 87, 5 },
	    1, 0, 0, 0, "", RCREATE RDELTA RDONE, NULL },
	{ FACT_RESPONSES, USAGE_SSE, 0, { USAGE_ESTIMATED, 25, 0, 0, 2, 0 },
	    0, 0, 0, 0, "", RCREATE RDELTA RDELTA, NULL },
	{ FACT_RESPONSES, USAGE_SSE, 0, { USAGE_ESTIMATED, 0, 0, 0, 0, 0 },
	    1, 1, 0, 0, "", "data: {\"type\":\"response.failed\","
	    "\"response\":{\"error\":{\"code\":\"x\"}}}\n\n", NULL },
	/* JSON answers */
	{ FACT_CHAT, USAGE_JSON, 1, { USAGE_FINAL, 8, 1, 0, 9, 2 },
	    1, 0, 0, 0, "", "{\"choices\":[{\"message\":{\"content\":"
	    "\"x\",\"usage\":{\"prompt_tokens\":99}}}],\"usage\":{"
	    "\"prompt_tokens\":8,\"completion_tokens\":9,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":1},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n",
	    NULL },
	{ FACT_CHAT, USAGE_JSON, 0, { USAGE_PARTIAL, 8, 0, 0, 0, 0 },
	    1, 0, 1, 0, "", "{\"usage\":{\"prompt_tokens\":8,", NULL },
	{ FACT_CHAT, USAGE_JSON, 0, { USAGE_ESTIMATED, 25, 0, 0, 0, 0 },
	    1, 0, 1, 0, "", "<html>502</html>", NULL },
	{ FACT_EMBEDDINGS, USAGE_JSON, 0, { USAGE_FINAL, 8, 0, 0, 0, 0 },
	    1, 0, 0, 0, "", "{\"data\":[{\"embedding\":[0.1,-2e-3]}],"
	    "\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}", NULL },
	{ FACT_RESPONSES, USAGE_JSON, 0, { USAGE_FINAL, 3, 0, 0, 4, 0 },
	    1, 0, 0, 0, "", "{\"error\":null,\"usage\":{\"input_tokens\":3,"
	    "\"output_tokens\":4}}", NULL },
	{ FACT_MESSAGES, USAGE_JSON, 0, { USAGE_FINAL, 16, 5, 1, 4, 0 },
	    1, 0, 0, 0, "", "{\"type\":\"message\",\"content\":[{\"type\":"
	    "\"text\",\"text\":\"hi\"}],\"usage\":{\"input_tokens\":10,"
	    "\"cache_creation_input_tokens\":1,"
	    "\"cache_read_input_tokens\":5,\"output_tokens\":4}}", NULL },
	{ FACT_COUNT, USAGE_JSON, 0, { USAGE_FINAL, 77, 0, 0, 0, 0 },
	    1, 0, 0, 0, "", "{\"input_tokens\":77}", NULL },
	{ FACT_MESSAGES, USAGE_JSON, 0, { USAGE_ESTIMATED, 0, 0, 0, 0, 0 },
	    1, 1, 0, 0, "not_found_error", "{\"type\":\"error\",\"error\":"
	    "{\"type\":\"not_found_error\",\"message\":\"m\"}}", NULL }
};

static void
check(const struct expect *x, size_t i, size_t a, size_t b)
{
	static struct usage u;
	struct usage_count c;
	const uint8_t *s;
	const char *passed;
	size_t n;

	s = (const uint8_t *)x->s;
	n = strlen(x->s);
	nout = 0;
	usage_init(&u, x->shape, x->form, x->withhold, on_pass, NULL);
	assert_int_equal(usage_feed(&u, s, a), 0);
	assert_int_equal(usage_feed(&u, s + a, b - a), 0);
	assert_int_equal(usage_feed(&u, s + b, n - b), 0);
	usage_end(&u);
	usage_count(&u, 100, &c);
	passed = x->passed == NULL ? x->s : x->passed;
	if (c.grade != x->c.grade || c.in != x->c.in ||
	    c.in_cached != x->c.in_cached || c.in_stored != x->c.in_stored ||
	    c.out != x->c.out || c.out_hidden != x->c.out_hidden)
		fail_msg("answer %zu cut %zu %zu: %d %llu %llu %llu %llu "
		    "%llu", i, a, b, c.grade, (unsigned long long)c.in,
		    (unsigned long long)c.in_cached,
		    (unsigned long long)c.in_stored,
		    (unsigned long long)c.out,
		    (unsigned long long)c.out_hidden);
	if (usage_clean(&u) != x->clean || u.error != x->error ||
	    u.malformed != x->malformed || (int)u.withheld != x->withheld)
		fail_msg("answer %zu cut %zu %zu: clean %d error %d bad %d "
		    "withheld %u", i, a, b, usage_clean(&u), u.error,
		    u.malformed, u.withheld);
	assert_string_equal(u.error_type, x->error_type);
	if (nout != strlen(passed) || memcmp(out, passed, nout) != 0)
		fail_msg("answer %zu cut %zu %zu passed: %.*s", i, a, b,
		    (int)nout, out);
	usage_free(&u);
}

static void
test_answers(void **state)
{
	size_t a, b, i, n;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		n = strlen(answers[i].s);
		for (a = 0; a <= n; a++) {
			check(&answers[i], i, a, a);
			b = a + 1 + a % 7;
			check(&answers[i], i, a, b > n ? n : b);
		}
	}
}

static void
test_bytes(void **state)
{
	struct usage_count c;
	struct usage u;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		nout = 0;
		usage_init(&u, answers[i].shape, answers[i].form,
		    answers[i].withhold, on_pass, NULL);
		for (k = 0; answers[i].s[k] != '\0'; k++)
			assert_int_equal(usage_feed(&u,
			    (const uint8_t *)answers[i].s + k, 1), 0);
		usage_end(&u);
		usage_count(&u, 100, &c);
		assert_int_equal(c.grade, answers[i].c.grade);
		assert_int_equal(c.in, answers[i].c.in);
		assert_int_equal(c.out, answers[i].c.out);
		assert_int_equal(nout, strlen(answers[i].passed == NULL ?
		    answers[i].s : answers[i].passed));
		usage_free(&u);
	}
}

static void
test_between(void **state)
{
	struct usage u;

	(void)state;
	usage_init(&u, FACT_MESSAGES, USAGE_SSE, 0, NULL, NULL);
	assert_int_equal(usage_between(&u), 0);
	usage_feed(&u, (const uint8_t *)START, strlen(START));
	assert_int_equal(usage_between(&u), 1);
	usage_feed(&u, (const uint8_t *)TEXT, 10);
	assert_int_equal(usage_between(&u), 0);
	usage_feed(&u, (const uint8_t *)TEXT + 10, strlen(TEXT) - 10);
	assert_int_equal(usage_between(&u), 1);
	usage_feed(&u, (const uint8_t *)MSTOP, strlen(MSTOP));
	assert_int_equal(usage_between(&u), 0);
	usage_free(&u);
	usage_init(&u, FACT_CHAT, USAGE_SSE, 1, NULL, NULL);
	assert_int_equal(usage_between(&u), 1);
	usage_feed(&u, (const uint8_t *)DELTA, 10);
	assert_int_equal(usage_between(&u), 1);
	usage_free(&u);
	usage_init(&u, FACT_CHAT, USAGE_JSON, 0, NULL, NULL);
	assert_int_equal(usage_between(&u), 0);
	usage_free(&u);
}

/* An answer of 32 MiB takes no more memory than a small one. */
static void
test_large(void **state)
{
	static const char head[] = "{\"data\":[{\"embedding\":\"";
	static const char tail[] = "\"}],\"usage\":{\"prompt_tokens\":4}}";
	struct usage_count c;
	struct usage u;
	uint8_t block[65536];
	int i;

	(void)state;
	memset(block, 'A', sizeof(block));
	usage_init(&u, FACT_EMBEDDINGS, USAGE_JSON, 0, NULL, NULL);
	usage_feed(&u, (const uint8_t *)head, sizeof(head) - 1);
	for (i = 0; i < 512; i++)
		usage_feed(&u, block, sizeof(block));
	usage_feed(&u, (const uint8_t *)tail, sizeof(tail) - 1);
	usage_end(&u);
	usage_count(&u, 4, &c);
	assert_int_equal(c.grade, USAGE_FINAL);
	assert_int_equal(c.in, 4);
	assert_true(sizeof(u) < 3072);
	usage_free(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_between),
		cmocka_unit_test(test_large)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
