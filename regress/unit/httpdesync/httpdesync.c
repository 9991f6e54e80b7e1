/* SPDX-License-Identifier: ISC */

/*
 * The public http-desync-guardian cases: every Severe and Ambiguous one is
 * refused, every Compliant one is accepted but those that the design refuses,
 * which are named here with the reason.  Acceptable ones may go either way.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "regress/unit/http1/judge.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define DIR		"http-desync-guardian/tests/"

static const char *const	 files[] = {
	"acceptable", "ambiguous", "bad-header-characters", "edge-cases",
	"more-compliant-tests", "real-life-test-cases", "rfc-compliant",
	"severe", "single-case", "uri-specific-test-cases",
};

static const char *const	 refused[][2] = {
	{ "Different Transfer-Encoding headers",
	    "only one coding, chunked" },
	{ "Different Transfer-Encoding headers combined",
	    "only one coding, chunked" },
	{ "Transfer-Encoding with a param: chunked;custom_param",
	    "chunked takes no parameter" },
	{ "Correct TE OK", "only one coding, chunked" },
	{ "Transfer-Encoding: identity and chunked OK",
	    "only one coding, chunked" },
	{ "Multiple transfer encoding headers in a single request OK",
	    "only one coding, chunked" },
	{ "TE with custom parameters OK",
	    "only one coding, chunked" },
	{ "Compliant URL", "fragment in the target" },
	{ "International in URI", "non-ASCII in the target" },
	{ "Empty URI", "the target begins with a slash" },
};
static bool			 used[NITEMS(refused)];

struct suite {
	char		 name[256];
	char		 method[64], uri[1024];
	size_t		 urilen;	/* it may contain NUL */
	struct judge	 fields;	/* field lines of the case */
	char		 tier[32];
	unsigned int	 severe, ambiguous, acceptable, compliant, listed;
};
static struct suite		 s;
static struct judge		 j;

/* One escape of a double-quoted scalar; returns the bytes it took. */
static size_t
unescape(const char *p, char *out)
{
	static const char	 from[] = "tnr0\"\\", to[] = "\t\n\r\0\"\\";
	const char		*k;
	unsigned int		 x;

	if (p[1] == 'x' && sscanf(p + 2, "%2x", &x) == 1) {
		*out = (char)x;
		return 4;
	}
	k = strchr(from, p[1]);
	if (k == NULL || p[1] == '\0')
		fail_msg("unknown escape %s", p);
	*out = to[k - from];
	return 2;
}

/* A scalar up to the end of the line: plain, 'single' or "double". */
static size_t
scalar(const char *p, const char *end, char *out, size_t size)
{
	size_t	 n;
	char	 quote;

	while (p < end && *p == ' ')
		p++;
	quote = p < end && (*p == '"' || *p == '\'') ? *p++ : '\0';
	for (n = 0; p < end && (quote == '\0' || *p != quote); n++) {
		assert_true(n < size - 1);
		if (quote == '"' && *p == '\\')
			p += unescape(p, out + n);
		else
			out[n] = *p++;
	}
	assert_true(quote == '\0' || p + 1 == end);
	out[n] = '\0';
	return n;
}

static bool
is_listed(void)
{
	size_t	 i;

	for (i = 0; i < NITEMS(refused); i++) {
		if (strcmp(refused[i][0], s.name) == 0) {
			used[i] = true;
			return true;
		}
	}
	return false;
}

/* Judges the case that was read. */
static void
finish(void)
{
	enum judge_verdict	 v;

	if (s.name[0] == '\0')
		return;
	judge_add(&j, "\r\n", 2);
	judge_add(&j, s.fields.b, s.fields.len);
	judge_add(&j, "\r\n", 2);
	v = judge(&j);
	if (strcmp(s.tier, "Severe") == 0)
		s.severe++;
	else if (strcmp(s.tier, "Ambiguous") == 0)
		s.ambiguous++;
	else if (strcmp(s.tier, "Acceptable") == 0)
		s.acceptable++;
	else if (strcmp(s.tier, "Compliant") != 0)
		fail_msg("%s: tier %s", s.name, s.tier);
	else if (is_listed()) {
		s.listed++;
		if (v != JUDGE_BAD)
			fail_msg("%s: listed, but accepted", s.name);
	} else {
		s.compliant++;
		if (v == JUDGE_BAD)
			fail_msg("%s: refused: %s", s.name, j.reason);
	}
	if ((s.tier[0] == 'S' || strcmp(s.tier, "Ambiguous") == 0) &&
	    v != JUDGE_BAD)
		fail_msg("%s (%s) accepted", s.name, s.tier);
}

/* The request line, once its three parts have been read. */
static void
start(const char *version, size_t n)
{
	judge_add(&j, s.method, strlen(s.method));
	judge_add(&j, " ", 1);
	judge_add(&j, s.uri, s.urilen);
	if (n > 0) {
		judge_add(&j, " ", 1);
		judge_add(&j, version, n);
	}
}

static bool
key(const char *line, const char *k)
{
	return strncmp(line, k, strlen(k)) == 0;
}

static void
take(const char *p, const char *end)
{
	static char	 b[4096];
	size_t		 n;

	if (key(p, "- name:")) {
		finish();
		memset(&s.name, 0, sizeof(s.name));
		j.len = s.fields.len = 0;
		(void)scalar(p + 7, end, s.name, sizeof(s.name));
	} else if (key(p, "  uri:"))
		s.urilen = scalar(p + 6, end, s.uri, sizeof(s.uri));
	else if (key(p, "  method:"))
		(void)scalar(p + 9, end, s.method, sizeof(s.method));
	else if (key(p, "  version:")) {
		n = scalar(p + 10, end, b, sizeof(b));
		start(b, n);
	} else if (key(p, "    - name:")) {
		n = scalar(p + 11, end, b, sizeof(b));
		judge_add(&s.fields, b, n);
		judge_add(&s.fields, ":", 1);
	} else if (key(p, "      value:")) {
		n = scalar(p + 12, end, b, sizeof(b));
		judge_add(&s.fields, " ", 1);
		judge_add(&s.fields, b, n);
		judge_add(&s.fields, "\r\n", 2);
	} else if (key(p, "    tier:"))
		(void)scalar(p + 9, end, s.tier, sizeof(s.tier));
}

static void
test_cases(void **state)
{
	char		 path[128], *text, *p, *end;
	size_t		 i;

	(void)state;
	for (i = 0; i < NITEMS(files); i++) {
		snprintf(path, sizeof(path), DIR "%s.yaml", files[i]);
		text = judge_file(path);
		assert_non_null(text);
		s.name[0] = '\0';
		for (p = text; *p != '\0'; p = *end == '\0' ? end : end + 1) {
			end = p + strcspn(p, "\n");
			take(p, end);
		}
		finish();
		free(text);
	}
	printf("# severe %u ambiguous %u refused, compliant %u accepted, "
	    "%u refused by design; %u acceptable\n", s.severe, s.ambiguous,
	    s.compliant, s.listed, s.acceptable);
	assert_int_equal(s.severe, 58);
	assert_int_equal(s.ambiguous, 58);
	assert_int_equal(s.compliant, 18);
	assert_int_equal(s.listed, NITEMS(refused));
	assert_int_equal(s.acceptable, 15);
	for (i = 0; i < NITEMS(refused); i++)
		if (!used[i])
			fail_msg("%s: no such case", refused[i][0]);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_cases),
	};
	char			*probe;

	probe = judge_file(DIR "severe.yaml");
	if (probe == NULL) {
		printf("1..0 # SKIP no http-desync-guardian in TESTDATA\n");
		return 0;
	}
	free(probe);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
