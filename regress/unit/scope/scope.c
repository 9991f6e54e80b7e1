/* SPDX-License-Identifier: ISC */
/* Scopes: what is well formed, and what each part lets through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/broker/scope.h"

static void
test_text(void **state)
{
	static const char *const	 good[] = { "", "p=openai",
	    "p=a,b m=gpt-4o*,o1 k=generate,count,embed n=10.0.0.0/8,::1",
	    "m=*", "n=0.0.0.0/0", "n=2001:db8::/32", "n=192.0.2.1/32", };
	static const char *const	 bad[] = { " ", "p", "p=", "p=,", "p=a,",
	    "p=,a", "p=a,,b", "p=A", "x=a", "m=a p=b", "p=a p=b", "p=a  m=b",
	    "p=a ", "k=list", "k=generates", "n=10.0.0.0/33", "n=::/129",
	    "n=10.0.0/8", "n=1.2.3.4/", "n=1.2.3.4/8x", "n=host", "m=a\"b",
	    "m=a\\", "p=a;m=b", "n=1.2.3.4/0008", };
	const char			*why;
	char				 big[SCOPE_MAX + 8];
	size_t				 i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (scope_text(good[i], &why) != 0)
			fail_msg("\"%s\": %s", good[i], why);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (scope_text(bad[i], &why) != -1)
			fail_msg("\"%s\" is taken", bad[i]);
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	memcpy(big, "m=", 2);
	assert_int_equal(scope_text(big, &why), -1);
}

static const struct {
	const char		*scope;
	struct scope_facts	 f;
	enum scope_verdict	 want;
} cases[] = {
	{ "", { "openai", "gpt-4o", "generate", "10.1.2.3" }, SCOPE_OK },
	{ "p=openai", { "openai", NULL, NULL, NULL }, SCOPE_OK },
	{ "p=openai", { "openai2", NULL, NULL, NULL }, SCOPE_PROVIDER },
	{ "p=a,openai", { "openai", NULL, NULL, NULL }, SCOPE_OK },
	{ "p=openai", { NULL, NULL, NULL, NULL }, SCOPE_OK },
	{ "m=gpt-4o*", { NULL, "gpt-4o-mini", NULL, NULL }, SCOPE_OK },
	{ "m=gpt-4o*", { NULL, "gpt-4", NULL, NULL }, SCOPE_MODEL },
	{ "m=gpt-4o*", { NULL, "", NULL, NULL }, SCOPE_MODEL },
	{ "m=*-mini", { NULL, "gpt-4o-mini", NULL, NULL }, SCOPE_OK },
	{ "m=*-mini", { NULL, "gpt-4o-mini-x", NULL, NULL }, SCOPE_MODEL },
	{ "m=*a*b*c*", { NULL, "xxaxxbxxcxx", NULL, NULL }, SCOPE_OK },
	{ "m=*a*b*c*", { NULL, "xxaxxcxxbxx", NULL, NULL }, SCOPE_MODEL },
	{ "m=o1", { NULL, "o1", NULL, NULL }, SCOPE_OK },
	{ "m=o1", { NULL, "o11", NULL, NULL }, SCOPE_MODEL },
	{ "k=embed", { NULL, NULL, "generate", NULL }, SCOPE_KIND },
	{ "k=embed", { NULL, NULL, "embed", NULL }, SCOPE_OK },
	{ "n=10.0.0.0/8", { NULL, NULL, NULL, "10.255.0.1" }, SCOPE_OK },
	{ "n=10.0.0.0/8", { NULL, NULL, NULL, "11.0.0.1" }, SCOPE_SOURCE },
	{ "n=10.0.0.0/9", { NULL, NULL, NULL, "10.128.0.0" }, SCOPE_SOURCE },
	{ "n=10.0.0.0/9", { NULL, NULL, NULL, "10.127.9.9" }, SCOPE_OK },
	{ "n=10.0.0.0/8", { NULL, NULL, NULL, "::ffff:10.2.3.4" }, SCOPE_OK },
	{ "n=::/0", { NULL, NULL, NULL, "10.2.3.4" }, SCOPE_OK },
	{ "n=0.0.0.0/0", { NULL, NULL, NULL, "::1" }, SCOPE_SOURCE },
	{ "n=2001:db8::/33", { NULL, NULL, NULL, "2001:db8:8000::1" },
	    SCOPE_SOURCE },
	{ "n=192.0.2.1", { NULL, NULL, NULL, "192.0.2.1" }, SCOPE_OK },
	{ "n=192.0.2.1", { NULL, NULL, NULL, "192.0.2.2" }, SCOPE_SOURCE },
	{ "n=192.0.2.1", { NULL, NULL, NULL, "?" }, SCOPE_SOURCE },
	{ "n=192.0.2.1", { NULL, NULL, NULL, "" }, SCOPE_SOURCE },
	{ "p=x m=y", { "x", "z", NULL, NULL }, SCOPE_MODEL },
	{ "p=x m=y n=::1", { "x", "y", NULL, "::2" }, SCOPE_SOURCE },
};

static void
test_judge(void **state)
{
	const char	*why;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(scope_text(cases[i].scope, &why), 0);
		if (scope_judge(cases[i].scope, &cases[i].f) != cases[i].want)
			fail_msg("case %zu: \"%s\"", i, cases[i].scope);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
