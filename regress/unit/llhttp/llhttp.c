/* SPDX-License-Identifier: ISC */

/*
 * The public vectors of llhttp in its strict mode, requests and answers: what
 * llhttp refuses we refuse, what it accepts we accept, but for the deviations
 * listed here one by one.  Vectors of lenient modes, and those that test its
 * pausing callbacks, do not apply.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "regress/unit/http1/judge.h"
#include "regress/unit/llhttp/deviations.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static const char *const	 files[] = {
	"request/connection", "request/content-length", "request/finish",
	"request/invalid", "request/method", "request/pausing",
	"request/pipelining", "request/sample", "request/transfer-encoding",
	"request/uri", "response/connection", "response/content-length",
	"response/finish", "response/invalid", "response/pausing",
	"response/pipelining", "response/sample",
	"response/transfer-encoding",
};

static bool		 used[NITEMS(deviations)];
static unsigned int	 same, stricter, laxer, skipped;
static struct judge	 j;

/*
 * The bytes that a block stands for: its line ends are CR LF, a backslash at
 * the end of a line joins lines, and the last line end is not part of it.
 */
static void
expand(const char *p, const char *end)
{
	static const char	 from[] = "rntf", to[] = "\r\n\t\f";
	const char		*k;
	unsigned int		 x;
	char			 c;
	int			 used_up;

	j.len = 0;
	while (p < end) {
		if (*p == '\n') {
			judge_add(&j, "\r\n", p + 1 < end ? 2 : 0);
			p++;
			continue;
		}
		c = *p++;
		if (c == '\\' && p < end) {
			k = strchr(from, *p);
			if (*p == '\n') {
				p++;
				continue;
			}
			if (k != NULL && *k != '\0') {
				c = to[k - from];
				p++;
			} else if (sscanf(p, "x%x%n", &x, &used_up) == 1) {
				c = (char)x;
				p += used_up;
			}
		}
		judge_add(&j, &c, 1);
	}
}

/* True if the log expects an error that is one of syntax. */
static bool
expects_error(const char *p, const char *end)
{
	const char	*e;
	int		 code;

	for (e = p; (e = strstr(e, "error code=")) != NULL && e < end; e++) {
		code = atoi(e + 11);
		/* 21 to 24 are pauses: paused, upgrade, HTTP/2 upgrade. */
		if (code < 21 || code > 24)
			return true;
	}
	return false;
}

static void
compare(const char *file, const char *title, bool error)
{
	enum judge_verdict	 v;
	size_t			 i;
	char			 name[256];

	v = judge(&j);
	if (v == JUDGE_SHORT && error) {
		/* Lines are judged when complete; let this one be. */
		judge_add(&j, "\r\n\r\n", 4);
		v = judge(&j);
	}
	if ((v == JUDGE_BAD) == error) {
		same++;
		return;
	}
	snprintf(name, sizeof(name), "%s: %s", file, title);
	for (i = 0; i < NITEMS(deviations); i++) {
		if (strcmp(deviations[i].name, name) != 0 ||
		    deviations[i].refused != (v == JUDGE_BAD))
			continue;
		used[i] = true;
		if (error)
			laxer++;
		else
			stricter++;
		return;
	}
	if (getenv("LLHTTP_LIST") == NULL)
		fail_msg("%s: %s: %s", name, error ? "accepted" : "refused",
		    error ? "" : j.reason);
	printf("\t{ \"%s\", %s,\n\t    \"%s\" },\n", name,
	    error ? "false" : "true", error ? "?" : j.reason);
}

/* Where the fenced block of this kind begins after `p`; *end is its end. */
static const char *
block(const char *p, const char *kind, const char **end)
{
	const char	*b;

	*end = NULL;
	b = strstr(p, kind);
	if (b == NULL)
		return NULL;
	b += strlen(kind);
	*end = strstr(b, "```");
	return *end == NULL ? NULL : b;
}

static void
run(const char *file, const char *text)
{
	const char	*meta, *p, *end, *lend, *log;
	char		 title[200], mode[200];

	lend = NULL;
	for (meta = strstr(text, "<!-- meta="); meta != NULL;
	    meta = strstr(meta + 1, "<!-- meta=")) {
		for (p = meta; p > text && strncmp(p, "\n#", 2) != 0; p--)
			;
		p += 1 + strspn(p + 1, "# ");
		snprintf(title, sizeof(title), "%.*s", (int)strcspn(p, "\n"),
		    p);
		snprintf(mode, sizeof(mode), "%.*s",
		    (int)strcspn(meta, "\n"), meta);
		p = block(meta, "```http\n", &end);
		log = p == NULL ? NULL : block(end + 3, "```log\n", &lend);
		assert_non_null(log);
		if (strstr(mode, "-lenient") != NULL ||
		    strstr(mode, "pause") != NULL) {
			skipped++;
			continue;
		}
		expand(p, end);
		j.answer = file[2] == 's';
		compare(file, title, expects_error(log, lend));
	}
}

static void
test_vectors(void **state)
{
	char	 path[128], *text;
	size_t	 i;

	(void)state;
	for (i = 0; i < NITEMS(files); i++) {
		snprintf(path, sizeof(path), "llhttp/test/%s.md", files[i]);
		text = judge_file(path);
		assert_non_null(text);
		run(files[i], text);
		free(text);
	}
	printf("# %u as llhttp, %u stricter, %u laxer; %u of other modes\n",
	    same, stricter, laxer, skipped);
	assert_true(same > 100);
	for (i = 0; i < NITEMS(deviations); i++)
		if (!used[i])
			fail_msg("%s: no such deviation", deviations[i].name);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_vectors),
	};
	char			*probe;

	probe = judge_file("llhttp/test/request/invalid.md");
	if (probe == NULL) {
		printf("1..0 # SKIP no llhttp vectors in TESTDATA\n");
		return 0;
	}
	free(probe);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
