/* SPDX-License-Identifier: ISC */

/* Event framing: traces typed from the standard, the same at every cut. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxyd/worker/sse.h"

struct seen {
	char		 trace[4096];	/* name|data; of each event */
	size_t		 ntrace;
	char		 data[1024];
	size_t		 ndata;
	uint8_t		*out;
	size_t		 nout;
	int		 hidden;	/* events withheld */
};

static uint8_t outbuf[4 * 1024 * 1024];

static void
on_data(void *arg, const uint8_t *p, size_t n)
{
	struct seen *t;

	t = arg;
	if (t->ndata + n < sizeof(t->data)) {
		memcpy(t->data + t->ndata, p, n);
		t->ndata += n;
	}
}

/* Withholds events whose data begins with "no". */
static int
on_event(void *arg, const struct sse_event *ev)
{
	struct seen *t;
	int no;

	t = arg;
	if (ev->data < sizeof(t->data))
		assert_int_equal(ev->data, t->ndata);
	no = t->ndata >= 2 && memcmp(t->data, "no", 2) == 0;
	t->ntrace += (size_t)snprintf(t->trace + t->ntrace,
	    sizeof(t->trace) - t->ntrace, "%s|%.*s%s;", ev->name,
	    (int)t->ndata, t->data, ev->cut ? "!" : "");
	t->ndata = 0;
	t->hidden += no;
	return no;
}

static void
on_pass(void *arg, const uint8_t *p, size_t n)
{
	struct seen *t;

	t = arg;
	assert_true(n > 0);
	memcpy(t->out + t->nout, p, n);
	t->nout += n;
}

static const struct sse_ops ops = { on_data, on_event, on_pass };

static void
run(struct seen *t, const char *s, size_t n, size_t a, size_t b, int hold)
{
	struct sse e;

	memset(t, 0, sizeof(*t));
	t->out = outbuf;
	sse_init(&e, &ops, t, hold);
	assert_int_equal(sse_between(&e), 1);
	assert_int_equal(sse_feed(&e, (const uint8_t *)s, a), 0);
	assert_int_equal(sse_feed(&e, (const uint8_t *)s + a, b - a), 0);
	assert_int_equal(sse_feed(&e, (const uint8_t *)s + b, n - b), 0);
	sse_end(&e);
	sse_free(&e);
}

/* s at every two cuts: trace, and what the client gets in both modes. */
static void
check(const char *s, const char *trace, const char *held)
{
	struct seen t;
	size_t a, b, n;

	n = strlen(s);
	for (a = 0; a <= n; a++)
		for (b = a; b <= n; b++) {
			run(&t, s, n, a, b, 0);
			assert_string_equal(t.trace, trace);
			assert_int_equal(t.nout, n);
			assert_memory_equal(t.out, s, n);
			run(&t, s, n, a, b, 1);
			assert_string_equal(t.trace, trace);
			t.out[t.nout] = '\0';
			assert_string_equal((char *)t.out, held);
		}
}

static void
test_framing(void **state)
{
	static const char *const same[][2] = {
		{ "data: a\n\ndata:b\r\n\r\ndata:  c\r\r", "|a;|b;| c;" },
		{ "event: x\ndata: 1\ndata: 2\ndata\n\n", "x|1\n2\n;" },
		{ ": comment\n\ndata: a\n\n:\n", "|a;" },
		{ "\n\n\ndata: a\n\n\n\n", "|a;" },
		{ "id: 7\nretry: 5\nfoo: x\n\n", "|;" },
		{ "foo: x\nDATA: y\ndataa: z\ndat: q\n\n", "" },
		{ "data:a:b: c\n\n", "|a:b: c;" },
		{ "event: a\nevent: b\n\n", "b|;" },
		{ "event:123456789012345678901234567890123\ndata: x\n\n",
		    "|x;" },
		{ "\xef\xbb\xbf" "data: a\n\n", "|a;" },
		{ "\xef\xbb" "data: a\n\ndata: b\n\n", "|b;" },
		{ "data: a\n\ndata: b", "|a;|b!;" },
		{ "data: a\n\ndata: b\n", "|a;|b!;" },
		{ "data: a\n\ndata", "|a;|!;" },
		{ "event\ndata: a\n\n", "|a;" }
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		check(same[i][0], same[i][1], same[i][0]);
}

static void
test_withheld(void **state)
{
	(void)state;
	check("data: a\n\ndata: no1\n\ndata: b\n\n", "|a;|no1;|b;",
	    "data: a\n\ndata: b\n\n");
	check("data: a\r\n\r\ndata: no1\r\n\r\n: x\r\n\r\ndata: b\r\n\r\n",
	    "|a;|no1;|b;",
	    "data: a\r\n\r\n: x\r\n\r\ndata: b\r\n\r\n");
	check("data: no\r\rdata: no\r\rdata: b\r\r", "|no;|no;|b;",
	    "data: b\r\r");
	check("data: no", "|no!;", "");
	check("data: no\n\ndata: x", "|no;|x!;", "data: x");
}

static void
test_between(void **state)
{
	static const struct {
		const char	*s;
		int		 open;	/* pass-through mode */
		int		 hold;
	} t[] = {
		{ "", 1, 1 }, { "d", 0, 1 }, { "data: a\n", 0, 1 },
		{ "data: a\n\n", 1, 1 }, { ": x", 0, 1 }, { ": x\n", 1, 1 },
		{ "data: a\r\n\r", 0, 0 }, { "data: a\r\n\r\n", 1, 1 },
		{ "event: x\n", 0, 1 }
	};
	struct seen seen;
	struct sse e;
	size_t i;
	int hold;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (hold = 0; hold < 2; hold++) {
			memset(&seen, 0, sizeof(seen));
			seen.out = outbuf;
			sse_init(&e, &ops, &seen, hold);
			assert_int_equal(sse_feed(&e,
			    (const uint8_t *)t[i].s, strlen(t[i].s)), 0);
			assert_int_equal(sse_between(&e),
			    hold ? t[i].hold : t[i].open);
			sse_free(&e);
		}
}

static void
test_bounds(void **state)
{
	struct seen t;
	struct sse e;
	uint8_t *big;
	size_t n;

	(void)state;
	big = malloc(SSE_LINE + 2);
	assert_non_null(big);
	memset(big, 'x', SSE_LINE + 2);
	memcpy(big, "data:no", 7);
	/* an event over SSE_HOLD passes, judged or not */
	memset(&t, 0, sizeof(t));
	t.out = outbuf;
	sse_init(&e, &ops, &t, 1);
	for (n = 0; n < SSE_HOLD + 4096; n += 4096)
		assert_int_equal(sse_feed(&e, big + n, 4096), 0);
	assert_int_equal(t.nout, n);
	assert_int_equal(sse_between(&e), 0);
	assert_int_equal(sse_feed(&e, (const uint8_t *)"\n\n", 2), 0);
	assert_int_equal(t.nout, n + 2);
	assert_int_equal(sse_between(&e), 1);
	/* the next one is held again */
	assert_int_equal(sse_feed(&e, (const uint8_t *)"data:no\n\n", 9), 0);
	assert_int_equal(t.nout, n + 2);
	sse_free(&e);
	/* a line of SSE_LINE is the last that passes */
	memset(&t, 0, sizeof(t));
	t.out = outbuf;
	sse_init(&e, &ops, &t, 0);
	assert_int_equal(sse_feed(&e, big, SSE_LINE), 0);
	assert_int_equal(sse_feed(&e, big, 1), -1);
	assert_int_equal(errno, EMSGSIZE);
	sse_free(&e);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_withheld),
		cmocka_unit_test(test_between),
		cmocka_unit_test(test_bounds)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
