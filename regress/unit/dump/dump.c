/* SPDX-License-Identifier: ISC */
/* Records of the dump: written, read at every cut, bad ones refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/audit/dump.h"

static void
records(void **state)
{
	struct dump_rec	 r;
	uint8_t		 buf[256];
	size_t		 cut;

	(void)state;
	memset(&r, 0, sizeof(r));
	dump_head(buf, DUMP_ENTRY, 3);
	memcpy(buf + DUMP_HEAD, "abc", 3);
	for (cut = 0; cut < 8; cut++)
		assert_int_equal(dump_next(buf, cut, &r), 0);
	assert_int_equal(dump_next(buf, sizeof(buf), &r), 8);
	assert_int_equal(r.kind, DUMP_ENTRY);
	assert_int_equal(r.len, 3);
	assert_memory_equal(r.data, "abc", 3);
	dump_tile(buf, 1, 0x0102030405, 2);
	assert_int_equal(dump_next(buf, DUMP_TILE_HEAD + 63, &r), 0);
	assert_int_equal(dump_next(buf, sizeof(buf), &r),
	    DUMP_TILE_HEAD + 64);
	assert_int_equal(r.level, 1);
	assert_true(r.index == 0x0102030405);
	assert_int_equal(r.width, 2);
	assert_int_equal(r.len, 64);
	assert_ptr_equal(r.data, buf + DUMP_TILE_HEAD);
	dump_end(buf, 10, UINT64_MAX);
	assert_int_equal(dump_next(buf, sizeof(buf), &r), DUMP_END_LEN);
	assert_true(r.entries == 10 && r.checkpoints == UINT64_MAX);
}

static void
refused(void **state)
{
	static const struct {
		unsigned int	 kind;
		uint32_t	 len;
	} bad[] = {
		{ 'E', 0 }, { 'E', 65536 }, { 'C', 0 }, { 'C', NOTE_MAX + 1 },
		{ 'T', 11 }, { 'T', 42 }, { 'T', 8204 }, { 'R', 7 },
		{ 'R', 2033 }, { 'X', 15 }, { 'X', 17 }, { 'Y', 4 },
		{ 0, 0 }, { 'E', UINT32_MAX },
	};
	struct dump_rec	 r;
	uint8_t		 buf[256];
	size_t		 i;

	(void)state;
	memset(&r, 0, sizeof(r));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		dump_head(buf, (enum dump_kind)bad[i].kind, bad[i].len);
		assert_int_equal(dump_next(buf, DUMP_HEAD, &r), -1);
	}
	/* width and length disagree; level above the last */
	dump_tile(buf, 0, 0, 2);
	buf[15] = 3;
	assert_int_equal(dump_next(buf, sizeof(buf), &r), -1);
	dump_tile(buf, 8, 0, 2);
	assert_int_equal(dump_next(buf, sizeof(buf), &r), -1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
