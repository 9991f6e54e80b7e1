/* SPDX-License-Identifier: ISC */
/* The rows of proto.h, and that nobody may say what is not his to say. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/ipc/msg.h"
#include "common/ipc/permit.h"

static char	*proto;		/* text of proto.h from "Payloads" on */

static void
test_numbers(void **state)
{
	size_t	 i, j;

	(void)state;
	assert_true(permit_count > 70);
	for (i = 0; i < permit_count; i++) {
		assert_true(permit_rows[i].type != 0);
		assert_true(permit_rows[i].max <= MSG_MAX);
		if (i > 0)
			assert_true(permit_rows[i].type >
			    permit_rows[i - 1].type);
		for (j = 0; j < i; j++)
			assert_string_not_equal(permit_rows[i].name,
			    permit_rows[j].name);
		assert_ptr_equal(permit_find(permit_rows[i].type),
		    &permit_rows[i]);
		assert_string_equal(permit_name(permit_rows[i].type),
		    permit_rows[i].name);
	}
}

/* 1 if word begins or follows ", " or ". " in a line of the payload comment. */
static int
documented(const char *word)
{
	const char	*p;
	size_t		 n;

	n = strlen(word);
	for (p = proto; (p = strstr(p, word)) != NULL; p += n)
		if (strchr(" \t", p[-1]) != NULL &&
		    strchr(" \t,[+\n", p[n]) != NULL)
			return 1;
	return 0;
}

/* Each row has its payload in the comment, field by field. */
static void
test_documented(void **state)
{
	const char	*name;
	size_t		 i;

	(void)state;
	for (i = 0; i < permit_count; i++) {
		name = permit_rows[i].name;
		if (strncmp(name, "ADMIN_", 6) == 0)
			name += 6;
		if (strcmp(name, "CTL_ADMINKEY") == 0)
			name = "ADMINKEY";
		if (!documented(name))
			fail_msg("%s has no payload in proto.h", name);
	}
}

static void
test_unknown(void **state)
{
	uint32_t	 t;
	size_t		 known;
	int		 link;

	(void)state;
	known = 0;
	for (t = 0; t <= 0xffff; t++) {
		if (permit_find(t) != NULL) {
			known++;
			continue;
		}
		assert_string_equal(permit_name(t), "?");
		for (link = PL_WB; link <= PL_BX; link++)
			assert_int_equal(permit_check(t, link, PD_UP, 1, 0, 0),
			    -1);
	}
	assert_int_equal(known, permit_count);
}

/* Exactly the row's link and direction, its length, its descriptor. */
static void
test_exact(void **state)
{
	const struct permit	*p;
	enum proto_dir		 other;
	size_t			 i;
	int			 link, ok;

	(void)state;
	for (i = 0; i < permit_count; i++) {
		p = &permit_rows[i];
		other = p->dir == PD_UP ? PD_DOWN : PD_UP;
		for (link = PL_WB; link <= PL_BX; link++) {
			ok = link == (int)p->link;
			if (link == PL_CTL && p->link == PL_WB)
				ok = p->class == PC_A ||
				    p->type == M_ANSWER || p->type == M_ERROR;
			assert_int_equal(permit_check(p->type, link, p->dir, 1,
			    0, 0), ok ? 0 : -1);
			assert_int_equal(permit_check(p->type, link, other, 1,
			    0, 0), -1);
		}
		assert_int_equal(permit_check(p->type, p->link, p->dir, 1,
		    p->max, 0), 0);
		assert_int_equal(permit_check(p->type, p->link, p->dir, 1,
		    p->max + 1, 0), -1);
		assert_int_equal(permit_check(p->type, p->link, p->dir, 1, 0,
		    1), p->fd ? 0 : -1);
	}
}

static void
test_class(void **state)
{
	(void)state;
	assert_int_equal(permit_check(M_ADMIN_KEY_CREATE, PL_WB, PD_UP, 0, 10,
	    0), -1);
	assert_int_equal(permit_check(M_ADMIN_KEY_CREATE, PL_WB, PD_UP, 1, 10,
	    0), 0);
	assert_int_equal(permit_check(M_ADMIN_KEY_CREATE, PL_CTL, PD_UP, 0, 10,
	    0), 0);
	assert_int_equal(permit_check(M_CALL, PL_WB, PD_UP, 0, 10, 0), 0);
	assert_int_equal(permit_check(M_CALL, PL_CTL, PD_UP, 1, 10, 0), -1);
	assert_int_equal(permit_check(M_CTL_STOP, PL_WB, PD_UP, 1, 4, 0), -1);
	assert_int_equal(permit_check(M_RELEASE, PL_WB, PD_DOWN, 1, 4, 0), -1);
}

static int
load(void)
{
	static char	 buf[65536];
	FILE		*f;
	size_t		 n;

	f = fopen("common/ipc/proto.h", "r");
	if (f == NULL)
		return -1;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = '\0';
	proto = strstr(buf, "* Payloads.");
	return proto == NULL ? -1 : 0;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_documented),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_class)
	};

	if (load() == -1) {
		printf("1..0 # SKIP common/ipc/proto.h is not below this "
		    "directory\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
