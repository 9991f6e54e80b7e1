/* SPDX-License-Identifier: ISC */
/*
 * AE1 entries: a full intent written and read back; what the reader must
 * refuse (audit reference, cases 46, 47 and 49); the table itself.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/audit/entry.h"

static uint8_t	buf[ENTRY_MAX + 16];
static uint8_t	h32[32];

/* The fields of every entry, from EK_WALL to EK_INSTANCE. */
static void
stem(struct entry_w *w)
{
	entry_put_uint(w, EK_WALL, 1700000000000);
	entry_put_uint(w, EK_BOOTTIME, 12345);
	entry_put_bytes(w, EK_BOOTID, h32, 16);
	entry_put_uint(w, EK_EPOCH, 3);
	entry_put_bytes(w, EK_PREV, h32, 32);
	entry_put_bytes(w, EK_ORIGIN, "originxx", 8);
	entry_put_bytes(w, EK_INSTANCE, "instance", 8);
}

static ssize_t
intent(void)
{
	struct entry_w	 w;

	entry_begin(&w, buf, sizeof(buf), 77, ET_CALL_INTENT);
	stem(&w);
	entry_put_bytes(&w, EK_REQUEST_ID, h32, 16);
	entry_put_bytes(&w, EK_PRINCIPAL, h32, 32);
	entry_map(&w, EK_DEST);
	entry_put_uint(&w, ES_DEST_PROVIDER, 2);
	entry_put_text(&w, ES_DEST_HOST, "api.openai.com", 14);
	entry_put_uint(&w, ES_DEST_PORT, 443);
	entry_put_uint(&w, ES_DEST_SPKI, 12);
	entry_close(&w);
	entry_map(&w, EK_POLICY);
	entry_put_uint(&w, ES_POLICY_HASH, 3);
	entry_put_text(&w, ES_POLICY_DECISION, "allow", 5);
	entry_list(&w, ES_POLICY_RULES);
	entry_add_text(&w, "a", 1);
	entry_add_text(&w, "b", 1);
	entry_close(&w);
	entry_close(&w);
	entry_map(&w, EK_DETECT);
	entry_list(&w, ES_DETECT_HITS);
	entry_add_hit(&w, "email", 5, 4, "redact", 6);
	entry_close(&w);
	entry_close(&w);
	entry_put_text(&w, EK_MODEL, "gpt-5\x1b[2J\0z", 11);
	entry_map(&w, EK_CLAIMANT);
	entry_put_uint(&w, ES_CLAIMANT_SLOT, 1);
	entry_close(&w);
	entry_put_uint(&w, EK_ORG, 1);
	entry_map(&w, EK_REQUEST);
	entry_put_text(&w, ES_REQUEST_METHOD, "POST", 4);
	entry_put_uint(&w, ES_REQUEST_LENGTH, UINT64_MAX);
	entry_put_bytes(&w, ES_REQUEST_SHA256, h32, 32);
	entry_close(&w);
	return entry_end(&w);
}

static void
round_trip(void **state)
{
	struct entry	 e;
	const uint8_t	*p;
	const char	*s, *why;
	uint64_t	 v;
	size_t		 len;
	ssize_t		 n;

	(void)state;
	n = intent();
	assert_true(n > 0 && n < 700);
	assert_int_equal(entry_parse(buf, (size_t)n, &e, &why), 0);
	assert_true(e.seq == 77 && e.epoch == 3 && e.ignored == 0);
	assert_int_equal(e.type, ET_CALL_INTENT);
	assert_int_equal(entry_sub_text(&e, EK_DEST, ES_DEST_HOST, &s, &len),
	    0);
	assert_int_equal(len, 14);
	assert_memory_equal(s, "api.openai.com", 14);
	assert_int_equal(entry_sub_uint(&e, EK_DEST, ES_DEST_SPKI, &v), 0);
	assert_true(v == 12);
	assert_int_equal(entry_sub_bytes(&e, EK_DEST, ES_DEST_SPKI, &p, &len),
	    -1);
	assert_int_equal(entry_sub_uint(&e, EK_REQUEST, ES_REQUEST_LENGTH,
	    &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(entry_get_text(&e, EK_MODEL, &s, &len), 0);
	assert_int_equal(len, 11);
	assert_int_equal(entry_get_uint(&e, EK_INTENT, &v), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(entry_sub_uint(&e, EK_DEST, 40, &v), -1);
	assert_int_equal(entry_get_uint(&e, 40, &v), -1);
	/* no prefix of an entry is one, nor is an entry with more behind */
	buf[n] = 0;
	assert_int_equal(entry_parse(buf, (size_t)n + 1, &e, &why), -1);
	while (n-- > 0)
		assert_int_equal(entry_parse(buf, (size_t)n, &e, &why), -1);
}

static void
admin(void **state)
{
	struct entry_w	 w;
	struct entry	 e;
	ssize_t		 n;

	(void)state;
	entry_begin_admin(&w, buf, sizeof(buf), 5, "agent.create");
	stem(&w);
	entry_put_uint(&w, EK_ORG, 1);
	entry_map(&w, EK_CHANGE);
	entry_put_text(&w, ES_CHANGE_ID, "default", 7);
	entry_close(&w);
	n = entry_end(&w);
	assert_true(n > 0);
	assert_int_equal(entry_parse(buf, (size_t)n, &e, NULL), 0);
	assert_int_equal(e.type, ET_ADMIN);
	assert_int_equal(e.namelen, 18);
	assert_int_equal(entry_begin_admin(&w, buf, sizeof(buf), 5, ""), -1);
	assert_int_equal(entry_begin_admin(&w, buf, sizeof(buf), 5,
	    "a.name.that.is.much.too.long.for.it"), -1);
	assert_int_equal(entry_begin(&w, buf, sizeof(buf), 5, ET_ADMIN), -1);
	assert_int_equal(entry_begin(&w, buf, sizeof(buf), 5, ET_OTHER), -1);
	assert_int_equal(entry_end(&w), -1);
}

/* The stem and more; length, or -1. */
static ssize_t
with(enum entry_type type, void (*more)(struct entry_w *))
{
	struct entry_w	 w;

	entry_begin(&w, buf, sizeof(buf), 9, type);
	stem(&w);
	more(&w);
	return entry_end(&w);
}

#define MORE(name, code) \
static void \
name(struct entry_w *w) \
{ \
	code; \
}

MORE(org, entry_put_uint(w, EK_ORG, 1))
MORE(no_org, (void)w)
MORE(big_org, entry_put_uint(w, EK_ORG, UINT64_C(1) << 32))
MORE(ignorable, entry_put_uint(w, EK_ORG, 1); entry_put_uint(w, 64, 1))
MORE(ignorable_map, entry_put_uint(w, EK_ORG, 1); entry_map(w, 1000);
    entry_put_uint(w, 0, 1); entry_close(w))
MORE(critical, entry_put_uint(w, EK_ORG, 1); entry_put_uint(w, 63, 1))
MORE(critical_next, entry_put_uint(w, EK_ORG, 1);
    entry_put_uint(w, EK_COUNT, 1))
MORE(out_of_order, entry_put_uint(w, EK_ORG, 1);
    entry_put_text(w, EK_MODEL, "x", 1))
MORE(twice, entry_put_uint(w, EK_ORG, 1); entry_put_uint(w, EK_ORG, 1))
MORE(wrong_kind, entry_put_uint(w, EK_MODEL, 1);
    entry_put_uint(w, EK_ORG, 1))
MORE(not_utf8, entry_put_text(w, EK_MODEL, "\xc3", 1);
    entry_put_uint(w, EK_ORG, 1))
MORE(forward_ref, entry_put_uint(w, EK_BUILD, 9);
    entry_put_uint(w, EK_ORG, 1))
MORE(backward_ref, entry_put_uint(w, EK_BUILD, 8);
    entry_put_uint(w, EK_ORG, 1))
MORE(unclosed, entry_map(w, EK_DEST))
MORE(sub_critical, entry_map(w, EK_DEST); entry_put_uint(w, 63, 1);
    entry_close(w); entry_put_uint(w, EK_ORG, 1))
MORE(sub_ignorable, entry_map(w, EK_DEST); entry_put_uint(w, 64, 1);
    entry_close(w); entry_put_uint(w, EK_ORG, 1))
MORE(flag_2, entry_map(w, EK_USAGE);
    entry_put_uint(w, ES_USAGE_RESERVED, 2); entry_close(w);
    entry_put_uint(w, EK_ORG, 1))
MORE(short_list, entry_map(w, EK_POLICY); entry_list(w, ES_POLICY_RULES);
    entry_add_uint(w, 1); entry_close(w); entry_close(w);
    entry_put_uint(w, EK_ORG, 1))

static const struct {
	const char	*name;
	enum entry_type	 type;
	void		(*more)(struct entry_w *);
	int		 good;
} variants[] = {
	{ "plain", ET_BOOT, org, 1 },
	{ "organisation missing", ET_BOOT, no_org, 0 },
	{ "organisation above u32", ET_BOOT, big_org, 0 },
	{ "intent without its fields", ET_CALL_INTENT, org, 0 },
	{ "outcome without intent", ET_CALL_OUTCOME, org, 0 },
	{ "roll without key", ET_EPOCH_ROLL, org, 0 },
	{ "genesis without root", ET_GENESIS, org, 0 },
	{ "unknown 64", ET_BOOT, ignorable, 1 },
	{ "unknown map 1000", ET_BOOT, ignorable_map, 1 },
	{ "unknown 63", ET_BOOT, critical, 0 },
	{ "first unassigned", ET_BOOT, critical_next, 0 },
	{ "out of order", ET_BOOT, out_of_order, 0 },
	{ "twice", ET_BOOT, twice, 0 },
	{ "wrong kind", ET_BOOT, wrong_kind, 0 },
	{ "not UTF-8", ET_BOOT, not_utf8, 0 },
	{ "reference to itself", ET_BOOT, forward_ref, 0 },
	{ "reference back", ET_BOOT, backward_ref, 1 },
	{ "map not closed", ET_BOOT, unclosed, 0 },
	{ "unknown 63 in a map", ET_BOOT, sub_critical, 0 },
	{ "unknown 64 in a map", ET_BOOT, sub_ignorable, 1 },
	{ "flag 2", ET_BOOT, flag_2, 0 },
	{ "number in a list of text", ET_BOOT, short_list, 0 },
};

static void
rules(void **state)
{
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if ((with(variants[i].type, variants[i].more) > 0) !=
		    variants[i].good)
			fail_msg("%s", variants[i].name);
}

/* 65,535 bytes and not one more, by an ignorable field. */
static void
size_limit(void **state)
{
	static uint8_t	 filler[ENTRY_MAX];
	struct entry_w	 w;
	ssize_t		 n, base;
	int		 more;

	(void)state;
	base = with(ET_BOOT, org);
	for (more = -1; more <= 1; more++) {
		entry_begin(&w, buf, sizeof(buf), 9, ET_BOOT);
		stem(&w);
		entry_put_uint(&w, EK_ORG, 1);
		/* key 2, head 3 */
		entry_put_bytes(&w, 64, filler,
		    (size_t)(ENTRY_MAX - base - 5 + more));
		n = entry_end(&w);
		assert_int_equal(n, more == 1 ? -1 : ENTRY_MAX + more);
	}
}

static void
table(void **state)
{
	const struct entry_field	*f;
	unsigned int			 k;
	int				 s;

	(void)state;
	for (k = 0; k < EK_COUNT; k++) {
		f = entry_field(k, -1);
		assert_non_null(f);
		assert_non_null(strchr("BEW", f->class));
		for (s = 0; s < (int)f->nsub; s++)
			assert_non_null(entry_field(k, s));
		assert_null(entry_field(k, (int)f->nsub));
	}
	assert_null(entry_field(EK_COUNT, -1));
	assert_int_equal(entry_type_find("call.intent", 11), ET_CALL_INTENT);
	assert_int_equal(entry_type_find("call.inten", 10), ET_OTHER);
	assert_int_equal(entry_type_find("admin.", 6), ET_OTHER);
	assert_string_equal(entry_type_name(ET_SHUTDOWN), "shutdown");
}

static char	page[65536];

/* The page for outsiders says the same of each field as the table. */
static void
in_page(unsigned int k, int sub, const struct entry_field *f,
    const char *outer)
{
	char	 line[160];

	if (sub < 0)
		snprintf(line, sizeof(line), "\n.It %u Ta %s Ta %c Ta ", k,
		    f->name, f->class);
	else
		snprintf(line, sizeof(line), "\n.It %u.%d Ta %s.%s Ta %c Ta ",
		    k, sub, outer, f->name, f->class);
	if (strstr(page, line) == NULL)
		fail_msg("audit-chain(5) lacks: %s", line + 1);
}

static void
manual(void **state)
{
	const struct entry_field	*f;
	const char			*name;
	unsigned int			 k, rows, want;
	FILE				*in;
	char				*p;
	int				 s;

	(void)state;
	in = fopen("man/audit-chain.5", "r");
	assert_non_null(in);
	page[fread(page, 1, sizeof(page) - 1, in)] = '\0';
	fclose(in);
	want = 0;
	for (k = 0; k < EK_COUNT; k++) {
		f = entry_field(k, -1);
		in_page(k, -1, f, NULL);
		want += 1 + f->nsub;
		for (s = 0; s < (int)f->nsub; s++)
			in_page(k, s, entry_field(k, s), f->name);
	}
	/* and of no others */
	rows = 0;
	for (p = page; (p = strstr(p, "\n.It ")) != NULL; p++)
		rows += strstr(p, " Ta ") != NULL &&
		    strstr(p, " Ta ") < strchr(p + 1, '\n');
	assert_int_equal(rows, want + 1);
	for (k = 0; k < ET_ADMIN; k++) {
		name = entry_type_name((enum entry_type)k);
		assert_non_null(strstr(page, name));
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(admin),
		cmocka_unit_test(rules),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(table),
		cmocka_unit_test(manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
