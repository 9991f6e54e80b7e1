/* SPDX-License-Identifier: ISC */
/* The lexer: tokens, macros, includes, bounds, and where errors are said to be. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/conf/conf.h"

enum { T_STRING = 300, T_NUMBER, T_INCLUDE, T_LISTEN, T_ON };

static const struct conf_keyword	keywords[] = {
	{ "include", T_INCLUDE },
	{ "listen", T_LISTEN },
	{ "on", T_ON }
};

static char	dir[] = "/tmp/conf.unit.XXXXXX";
static char	path[256];

/*
 * Tokens as one line of text: S:text N:number K:token, punctuation itself, "/"
 * a newline, "!" an error.  name = string and include "x" do what a grammar
 * does.
 */
static void
lex(struct conf *c, char *out, size_t size)
{
	char	 last[9000], piece[9100], *s;
	int64_t	 num;
	int	 eq, inc, t;

	out[0] = '\0';
	last[0] = '\0';
	eq = inc = 0;
	while ((t = conf_lex(c, keywords, 3, T_STRING, T_NUMBER, &s,
	    &num)) != 0) {
		switch (t) {
		case T_STRING:
			snprintf(piece, sizeof(piece), "S:%s ", s);
			if (inc)
				conf_include(c, s);
			else if (eq)
				conf_macro(c, last, s);
			strlcpy(last, s, sizeof(last));
			free(s);
			break;
		case T_NUMBER:
			snprintf(piece, sizeof(piece), "N:%lld ",
			    (long long)num);
			break;
		case '\n':
			strlcpy(piece, "/ ", sizeof(piece));
			break;
		case CONF_ERROR:
			strlcpy(piece, "! ", sizeof(piece));
			break;
		default:
			if (t < 256)
				snprintf(piece, sizeof(piece), "%c ", t);
			else
				snprintf(piece, sizeof(piece), "K:%d ", t);
		}
		eq = t == '=';
		inc = t == T_INCLUDE;
		strlcat(out, piece, size);
	}
}

static void
expect(const char *text, const char *want, int errors)
{
	struct conf	*c;
	char		 out[20000];

	c = conf_open("t", text);
	assert_non_null(c);
	lex(c, out, sizeof(out));
	assert_string_equal(out, want);
	assert_int_equal(conf_errors(c), errors);
	conf_close(c);
}

/* Runs fn with stderr in buf. */
static void
stderr_of(const char *text, char *buf, size_t size)
{
	struct conf	*c;
	char		 out[20000];
	ssize_t		 n;
	int		 p[2], saved;

	assert_int_equal(pipe(p), 0);
	saved = dup(2);
	dup2(p[1], 2);
	c = text == NULL ? conf_open(path, NULL) : conf_open("t.conf", text);
	lex(c, out, sizeof(out));
	conf_close(c);
	dup2(saved, 2);
	close(saved);
	close(p[1]);
	n = read(p[0], buf, size - 1);
	buf[n < 0 ? 0 : n] = '\0';
	close(p[0]);
}

static void
put_file(const char *name, const char *text, size_t len)
{
	int	 fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void
put_text(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

static void
test_tokens(void **state)
{
	(void)state;
	expect("", "/ ", 0);
	expect("listen on 127.0.0.1:8080\n",
	    "K:303 K:304 S:127.0.0.1:8080 / / ", 0);
	expect("[::1]:80 gpt-* o[0-9]* 10m -5 0 a_b", "S:[::1]:80 S:gpt-* "
	    "S:o[0-9]* S:10m N:-5 N:0 S:a_b / ", 0);
	expect("p { key \"a b\"; }", "S:p { S:key S:a b ; } / ", 0);
	expect("\"listen\" \"12\"", "S:listen S:12 / ", 0);
	expect("a # b { \"\nc", "S:a / S:c / ", 0);
	expect("a \\\n b", "S:a S:b / ", 0);
	expect("\"q\\\"q\" \"b\\\\\" \"c:\\d\" \"\"",
	    "S:q\"q S:b\\ S:c:\\d S: / ", 0);
	expect("a\r\nb\r\n", "S:a / S:b / / ", 0);
	expect("9223372036854775807 -9223372036854775808",
	    "N:9223372036854775807 N:-9223372036854775808 / ", 0);
}

static void
test_macros(void **state)
{
	(void)state;
	expect("a = \"1.2.3.4\"\nlisten on $a\n",
	    "S:a = S:1.2.3.4 / K:303 K:304 S:1.2.3.4 / / ", 0);
	expect("p = \"on 80 {\"\n$p }", "S:p = S:on 80 { / "
	    "K:304 N:80 { } / ", 0);
	expect("a = \"x\"\nb = \"$a y\"\n$b z", "S:a = S:x / S:b = S:$a y / "
	    "S:x S:y S:z / ", 0);
	expect("a = \"1\"\na = \"2\"\n$a", "S:a = S:1 / S:a = S:2 / N:2 / ",
	    0);
	expect("\"$a\"", "S:$a / ", 0);
}

static void
test_macro_errors(void **state)
{
	char	 said[512];

	(void)state;
	stderr_of("x\n\n  $none\n", said, sizeof(said));
	assert_string_equal(said, "t.conf:3: macro \"none\" is not defined\n");
	expect("$ a", "! S:a / ", 1);
	expect("a-b = \"1\"", "S:a-b = S:1 / ", 1);
	/* One that names itself ends. */
	expect("a = \"$a\"\n$a", "S:a = S:$a / ! / ", 1);
}

/* Nine levels of tenfold expansion would be a billion words. */
static void
test_macro_bomb(void **state)
{
	struct conf	*c;
	char		*s, text[4096];
	int64_t		 num;
	int		 errors, i, t;

	(void)state;
	text[0] = '\0';
	for (i = 0; i < 8; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "m%d = \"$m%d $m%d $m%d $m%d $m%d $m%d $m%d $m%d\"\n", i,
		    i + 1, i + 1, i + 1, i + 1, i + 1, i + 1, i + 1, i + 1);
	strlcat(text, "m8 = \"x\"\n$m1\n", sizeof(text));
	c = conf_open("bomb", text);
	errors = 0;
	for (i = 0; (t = conf_lex(c, keywords, 3, T_STRING, T_NUMBER, &s,
	    &num)) != 0; i++) {
		if (t == T_STRING) {
			if (i % 4 == 2 && i < 36) {
				char name[3] = { 'm', '0' + i / 4, 0 };
				assert_int_equal(conf_macro(c, name, s), 0);
			}
			free(s);
		}
		if (t == CONF_ERROR && errors++ == 0)
			break;
	}
	assert_int_equal(errors, 1);
	assert_true(i < 10000);
	conf_close(c);
}

static void
test_places(void **state)
{
	char	 said[512];

	(void)state;
	stderr_of("a\nb \\\n \"c\nd", said, sizeof(said));
	assert_string_equal(said, "t.conf:3: string does not end on its "
	    "line\n");
	stderr_of("99999999999999999999", said, sizeof(said));
	assert_non_null(strstr(said, "t.conf:1: number 9999"));
	stderr_of("a\n\001b", said, sizeof(said));
	assert_string_equal(said, "t.conf:2: control character 0x01\n");
}

static void
test_include(void **state)
{
	struct conf	*c;
	char		 out[20000], said[512];

	(void)state;
	put_text("sub.conf", "c\nm = \"in\"");
	put_text("main.conf", "a\ninclude \"sub.conf\"\n$m");
	c = conf_open(path, NULL);
	assert_non_null(c);
	lex(c, out, sizeof(out));
	assert_string_equal(out, "S:a / K:302 S:sub.conf / S:c / S:m = S:in / "
	    "/ S:in / ");
	assert_int_equal(conf_errors(c), 0);
	conf_close(c);
	/* The error is in the file that has it. */
	put_text("sub.conf", "c\n$x");
	put_text("main.conf", "a\ninclude \"sub.conf\"\n$y");
	stderr_of(NULL, said, sizeof(said));
	assert_non_null(strstr(said, "/sub.conf:2: macro \"x\""));
	assert_non_null(strstr(said, "/main.conf:3: macro \"y\""));
}

static void
test_include_errors(void **state)
{
	char	 said[4096];

	(void)state;
	put_text("main.conf", "\ninclude \"none.conf\"\n");
	stderr_of(NULL, said, sizeof(said));
	assert_non_null(strstr(said, "/main.conf:2: "));
	assert_non_null(strstr(said, "/none.conf: No such file"));
	/* One that includes itself ends at depth 8. */
	put_text("main.conf", "include \"main.conf\"\n");
	stderr_of(NULL, said, sizeof(said));
	assert_non_null(strstr(said, "main.conf: includes are too deep"));
}

static void
test_bounds(void **state)
{
	char	*big;

	(void)state;
	big = malloc(300 * 1024);
	memset(big, 'a', 300 * 1024);
	put_file("big.conf", big, 256 * 1024 + 1);
	assert_null(conf_open(path, NULL));
	assert_int_equal(errno, EFBIG);
	put_file("nul.conf", "a\0b", 3);
	assert_null(conf_open(path, NULL));
	assert_int_equal(errno, EILSEQ);
	assert_null(conf_open(dir, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(conf_open("/nonexistent/x", NULL));
	assert_int_equal(errno, ENOENT);
	big[9000] = '\0';
	expect(big, "! / ", 1);
	big[0] = '"';
	expect(big, "! / ", 1);
	free(big);
}

static void
collect(void *arg, const void *p, size_t n)
{
	strncat(arg, p, n);
}

static void
test_hash(void **state)
{
	struct conf	*c;
	char		 all[512], out[2000];

	(void)state;
	put_text("sub.conf", "sub\n");
	put_text("main.conf", "a\ninclude \"sub.conf\"\n");
	c = conf_open(path, NULL);
	lex(c, out, sizeof(out));
	all[0] = '\0';
	conf_hash(c, collect, all);
	assert_string_equal(all, "a\ninclude \"sub.conf\"\nsub\n");
	conf_close(c);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_macro_errors),
		cmocka_unit_test(test_macro_bomb),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_include_errors),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_hash)
	};
	static const char *const names[] = { "sub.conf", "main.conf",
		"big.conf", "nul.conf" };
	size_t	 i;
	int	 r;

	if (mkdtemp(dir) == NULL)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	for (i = 0; i < nitems(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	return r;
}
