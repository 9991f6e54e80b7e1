/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "keybrokerd/broker/key.h"

static const uint8_t	digest[KEY_DIGEST] = { 1, 2, 3 };

static struct key_new
template(struct agent *a, const char *id)
{
	struct key_new	 n = {
		.id = id, .digest = digest, .role = ROLE_K_DEVELOPER,
		.dev = 1, .pepper = 1, .agent = a, .created = 1000,
		.expires = 1000 + KEY_DAY_MS, .email = "a@b", .name = "laptop"
	};

	return n;
}

static void
test_grammar(void **state)
{
	char	 id[TOKEN_ID + 1], s[300];

	(void)state;
	assert_int_equal(key_agent_id_ok("research-bot"), 0);
	assert_int_equal(key_agent_id_ok("0.a_b-c"), 0);
	assert_int_equal(key_agent_id_ok("a"), 0);
	assert_int_equal(key_agent_id_ok(""), -1);
	assert_int_equal(key_agent_id_ok("-a"), -1);
	assert_int_equal(key_agent_id_ok(".."), -1);
	assert_int_equal(key_agent_id_ok("A"), -1);
	assert_int_equal(key_agent_id_ok("a/b"), -1);
	assert_int_equal(key_agent_id_ok("a\n"), -1);
	memset(s, 'a', sizeof(s));
	s[64] = '\0';
	assert_int_equal(key_agent_id_ok(s), 0);
	s[64] = 'a';
	s[65] = '\0';
	assert_int_equal(key_agent_id_ok(s), -1);
	assert_int_equal(key_email_ok("a@b"), 0);
	assert_int_equal(key_email_ok("@b"), -1);
	assert_int_equal(key_email_ok("a@"), -1);
	assert_int_equal(key_email_ok("a@b@c"), -1);
	assert_int_equal(key_email_ok("ab"), -1);
	assert_int_equal(key_email_ok("a b@c"), -1);
	assert_int_equal(key_email_ok("a@b\r"), -1);
	memset(s, 'a', sizeof(s));
	s[1] = '@';
	s[254] = '\0';
	assert_int_equal(key_email_ok(s), 0);
	s[254] = 'a';
	s[255] = '\0';
	assert_int_equal(key_email_ok(s), -1);
	assert_int_equal(key_text_ok("", KEY_NAME), 0);
	assert_int_equal(key_text_ok("my laptop (2)", KEY_NAME), 0);
	assert_int_equal(key_text_ok("a\x1b[0m", KEY_NAME), -1);
	assert_int_equal(key_id_parse("dk_0123456789AB", id), 0);
	assert_string_equal(id, "0123456789AB");
	assert_int_equal(key_id_parse("0123456789AB", id), 0);
	assert_int_equal(key_id_parse("dk_0123456789A", id), -1);
	assert_int_equal(key_id_parse("dk_0123456789ABC", id), -1);
	assert_int_equal(key_id_parse("", id), -1);
}

static void
test_rows(void **state)
{
	uint8_t		 row[KEY_ROW], arow[KEY_ROW];
	struct key_new	 n;
	struct keys	*k, *l;
	struct agent	*a;
	struct key	*key;
	size_t		 len, alen, i;

	(void)state;
	k = key_store_new();
	l = key_store_new();
	a = key_agent_add(k,
	    &(struct agent_new){ .id = "research-bot", .description = "reads papers",
	    .created = 5000 });
	assert_non_null(a);
	assert_int_equal(a->no, 1);
	assert_null(key_agent_add(k,
	    &(struct agent_new){ .id = "research-bot", .description = "",
	    .created = 1 }));
	assert_int_equal(errno, EEXIST);
	n = template(a, "0123456789AB");
	key = key_add(k, &n);
	assert_non_null(key);
	assert_int_equal(a->keys, 1);
	assert_null(key_add(k, &n));
	assert_int_equal(errno, EEXIST);
	n.id = "0123456789AC";
	n.expires = 0;
	assert_null(key_add(k, &n));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(key_revoke(k, key, 77), 0);
	assert_int_equal(key_revoke(k, key, 99), 1);
	assert_int_equal(key->revoked, 77);
	assert_int_equal(a->keys, 0);

	len = key_row(key, row);
	alen = key_agent_row(a, arow);
	assert_int_equal(key_load(l, key->id, TOKEN_ID, row, len), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(key_agent_load(l, "research-bot", 12, arow, alen), 0);
	assert_int_equal(key_load(l, key->id, TOKEN_ID, row, len), 0);
	key = key_find(l, "0123456789AB", TOKEN_ID);
	assert_non_null(key);
	assert_int_equal(key->revoked, 77);
	assert_int_equal(key->role, ROLE_K_DEVELOPER);
	assert_int_equal(key->org, KEY_ORG);
	assert_int_equal(key->pepper, 1);
	assert_string_equal(key->email, "a@b");
	assert_string_equal(key->name, "laptop");
	assert_string_equal(key->agent->description, "reads papers");
	assert_int_equal(key->agent->created, 5000);
	assert_memory_equal(key->digest, digest, KEY_DIGEST);
	/* Cut, longer, or of another version: refused. */
	for (i = 0; i < len; i++)
		assert_int_equal(key_load(l, "0123456789AZ", TOKEN_ID, row,
		    i), -1);
	row[len] = 0;
	assert_int_equal(key_load(l, "0123456789AZ", TOKEN_ID, row, len + 1),
	    -1);
	row[0] = 3;
	assert_int_equal(key_load(l, "0123456789AZ", TOKEN_ID, row, len), -1);
	assert_int_equal(errno, EBADMSG);
	for (i = 0; i < alen; i++)
		assert_int_equal(key_agent_load(l, "x", 1, arow, i), -1);
	assert_int_equal(key_agent_load(l, "a\0b", 3, arow, alen), -1);
	assert_int_equal(key_agent_load(l, "-", 1, arow, alen), -1);
	/* Numbers go on after the highest one loaded. */
	assert_int_equal(key_agent_add(l,
	    &(struct agent_new){ .id = "next", .description = "",
	    .created = 1 })->no, 2);
	key_store_free(k);
	key_store_free(l);
	key_store_free(NULL);
}

/* Texts change in place, a suspension comes back from its row. */
static void
test_edit(void **state)
{
	struct keys	*k, *l;
	struct agent	*a;
	uint8_t		 row[KEY_ROW];
	size_t		 plain, len, i;

	(void)state;
	k = key_store_new();
	a = key_agent_add(k, &(struct agent_new){ .id = "bot",
	    .description = "one", .framework = "f", .created = 7 });
	assert_non_null(a);
	assert_int_equal(key_agent_edit(a, "two", "x@y", "m=gpt-*"), 0);
	assert_int_equal(key_agent_edit(a, NULL, "nobody", NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(key_agent_edit(a, NULL, NULL, ""), 0);
	assert_string_equal(a->description, "two");
	assert_string_equal(a->owner, "x@y");
	assert_string_equal(a->framework, "f");
	assert_string_equal(a->scope, "");
	plain = key_agent_row(a, row);
	a->suspended = 99;
	len = key_agent_row(a, row);
	assert_int_equal(len, plain + 8);
	l = key_store_new();
	for (i = plain + 1; i < len; i++)
		assert_int_equal(key_agent_load(l, "bot", 3, row, i), -1);
	assert_int_equal(key_agent_load(l, "bot", 3, row, len), 0);
	assert_int_equal(key_agent_find(l, "bot")->suspended, 99);
	assert_string_equal(key_agent_find(l, "bot")->description, "two");
	key_store_free(l);
	l = key_store_new();
	assert_int_equal(key_agent_load(l, "bot", 3, row, plain), 0);
	assert_int_equal(key_agent_find(l, "bot")->suspended, 0);
	key_store_free(l);
	key_store_free(k);
}

static void
test_many(void **state)
{
	char		 id[TOKEN_ID + 1];
	struct key_new	 n;
	struct keys	*k;
	struct agent	*a, *b;
	struct key	*key;
	struct timespec	 t0, t1;
	size_t		 at, c;
	double		 ns;
	int		 i;

	(void)state;
	k = key_store_new();
	a = key_agent_add(k,
	    &(struct agent_new){ .id = "a", .description = "",
	    .created = 1 });
	b = key_agent_add(k,
	    &(struct agent_new){ .id = "b", .description = "",
	    .created = 1 });
	for (i = 0; i < KEY_MAX; i++) {
		snprintf(id, sizeof(id), "%012d", i);
		n = template(i % 1000 == 0 ? b : a, id);
		assert_non_null(key_add(k, &n));
	}
	snprintf(id, sizeof(id), "%012d", i);
	n = template(a, id);
	assert_null(key_add(k, &n));
	assert_int_equal(errno, ENOSPC);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (i = 0; i < KEY_MAX; i++) {
		snprintf(id, sizeof(id), "%012d", i);
		key = key_find(k, id, TOKEN_ID);
		assert_non_null(key);
		assert_string_equal(key->id, id);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	ns = ((double)(t1.tv_sec - t0.tv_sec) * 1e9 +
	    (double)(t1.tv_nsec - t0.tv_nsec)) / KEY_MAX;
	print_message("# %.0f ns a look-up among %d\n", ns, KEY_MAX);
	assert_null(key_find(k, "zzzzzzzzzzzz", TOKEN_ID));
	for (at = c = 0; (key = key_next(k, &at, b)) != NULL; c++)
		assert_ptr_equal(key->agent, b);
	assert_int_equal(c, KEY_MAX / 1000);
	assert_int_equal(key_live(k, 2000), KEY_MAX);
	assert_int_equal(key_live(k, 1000 + KEY_DAY_MS), 0);
	for (i = 2; i < KEY_AGENTS; i++) {
		snprintf(id, sizeof(id), "n%d", i);
		assert_non_null(key_agent_add(k,
	    &(struct agent_new){ .id = id, .description = "",
	    .created = 1 }));
	}
	assert_null(key_agent_add(k,
	    &(struct agent_new){ .id = "onemore", .description = "",
	    .created = 1 }));
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(key_agent_find(k, "n19999")->no, KEY_AGENTS);
	key_store_free(k);
}

/* Loaded in any order, listed and found in order of creation. */
static void
test_sort(void **state)
{
	static const char *const	 ids[] = { "00000000000c",
	    "00000000000a", "00000000000b" };
	struct key_new			 n;
	struct keys			*k;
	struct agent			*a;
	struct key			*key;
	size_t				 at;
	int				 i;

	(void)state;
	k = key_store_new();
	key_store_sort(k);
	a = key_agent_add(k,
	    &(struct agent_new){ .id = "z", .description = "",
	    .created = 1 });
	key_agent_add(k,
	    &(struct agent_new){ .id = "b", .description = "",
	    .created = 1 });
	for (i = 0; i < 3; i++) {
		n = template(a, ids[i]);
		n.created = (uint64_t)(3 - i);
		assert_non_null(key_add(k, &n));
	}
	key_store_sort(k);
	for (at = 0, i = 3; (key = key_next(k, &at, NULL)) != NULL; i--)
		assert_string_equal(key->id, ids[i - 1]);
	for (i = 0; i < 3; i++) {
		key = key_find(k, ids[i], TOKEN_ID);
		assert_non_null(key);
		assert_string_equal(key->id, ids[i]);
	}
	assert_ptr_equal(key_agent_find(k, "z"), a);
	key_store_free(k);
}

/* Our calendar against the C library's, day by day to the year 2200. */
static void
test_time(void **state)
{
	char		 a[24], b[64];
	struct tm	*tm;
	time_t		 t;

	(void)state;
	key_time(0, a);
	assert_string_equal(a, "");
	key_time(UINT64_MAX, a);
	assert_string_equal(a, "");
	for (t = 1; t < 7258118400; t += 86399) {
		tm = gmtime(&t);
		strftime(b, sizeof(b), "%Y-%m-%dT%H:%M:%SZ", tm);
		key_time((uint64_t)t * 1000 + 999, a);
		assert_string_equal(a, b);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_edit),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_time)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
