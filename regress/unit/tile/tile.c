/* SPDX-License-Identifier: ISC */
/* Names of C2SP tlog-tiles, widths, entry bundles. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/audit/tile.h"

static const struct {
	unsigned int	 level;
	uint64_t	 index;
	unsigned int	 width;
	const char	*path;
} names[] = {
	{ 0, 0, 256, "tile/0/000" },
	{ 0, 999, 256, "tile/0/999" },
	{ 0, 1000, 256, "tile/0/x001/000" },
	{ 3, 1234067, 256, "tile/3/x001/x234/067" },
	{ 0, 1234067, 112, "tile/0/x001/x234/067.p/112" },
	{ 7, 5, 1, "tile/7/005.p/1" },
	{ 0, INT64_MAX, 255,
	    "tile/0/x009/x223/x372/x036/x854/x775/807.p/255" },
};

static void
paths(void **state)
{
	char	 buf[TILE_PATH];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(tile_path(buf, sizeof(buf), names[i].level,
		    names[i].index, names[i].width), strlen(names[i].path));
		assert_string_equal(buf, names[i].path);
	}
	tile_entries_path(buf, sizeof(buf), 1234067, 8);
	assert_string_equal(buf, "tile/entries/x001/x234/067.p/8");
	assert_true(tile_entries_path(buf, sizeof(buf), INT64_MAX, 255) > 0);
	assert_int_equal(tile_path(buf, 10, 0, 0, 256), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(tile_path(buf, sizeof(buf), 8, 0, 256), -1);
	assert_int_equal(tile_path(buf, sizeof(buf), 0, 0, 0), -1);
	assert_int_equal(tile_path(buf, sizeof(buf), 0, 0, 257), -1);
	assert_int_equal(tile_path(buf, sizeof(buf), 0, UINT64_MAX, 1), -1);
}

static void
widths(void **state)
{
	(void)state;
	assert_int_equal(tile_width(0, 0, 0), 0);
	assert_int_equal(tile_width(1, 0, 0), 1);
	assert_int_equal(tile_width(256, 0, 0), 256);
	assert_int_equal(tile_width(256, 0, 1), 0);
	assert_int_equal(tile_width(256, 1, 0), 1);
	assert_int_equal(tile_width(70000, 0, 273), 112);
	assert_int_equal(tile_width(70000, 1, 0), 256);
	assert_int_equal(tile_width(70000, 1, 1), 17);
	assert_int_equal(tile_width(70000, 2, 0), 1);
	assert_int_equal(tile_width(70000, 3, 0), 0);
	assert_int_equal(tile_width(INT64_MAX, 7, 0), 127);
	assert_int_equal(tile_width(INT64_MAX, 8, 0), 0);
	assert_int_equal(tile_width(300, 0, UINT64_MAX), 0);
}

static void
bundles(void **state)
{
	static uint8_t	 buf[200000], big[UINT16_MAX + 1];
	const uint8_t	*p;
	size_t		 off, len, cut;
	ssize_t		 end;

	(void)state;
	end = tile_bundle_put(buf, sizeof(buf), 0, "abc", 3);
	end = tile_bundle_put(buf, sizeof(buf), (size_t)end, big, UINT16_MAX);
	end = tile_bundle_put(buf, sizeof(buf), (size_t)end, "x", 1);
	assert_int_equal(end, 5 + 2 + UINT16_MAX + 3);
	off = 0;
	assert_int_equal(tile_bundle_next(buf, (size_t)end, &off, &p, &len),
	    1);
	assert_int_equal(len, 3);
	assert_memory_equal(p, "abc", 3);
	assert_int_equal(tile_bundle_next(buf, (size_t)end, &off, &p, &len),
	    1);
	assert_int_equal(len, UINT16_MAX);
	assert_int_equal(tile_bundle_next(buf, (size_t)end, &off, &p, &len),
	    1);
	assert_int_equal(tile_bundle_next(buf, (size_t)end, &off, &p, &len),
	    0);
	for (cut = 1; cut < 5; cut++) {
		off = 0;
		assert_int_equal(tile_bundle_next(buf, cut, &off, &p, &len),
		    -1);
	}
	memset(buf, 0, 4);
	off = 0;
	assert_int_equal(tile_bundle_next(buf, 4, &off, &p, &len), -1);
	assert_int_equal(tile_bundle_put(buf, 10, 0, big, 9), -1);
	assert_int_equal(tile_bundle_put(buf, 10, 11, big, 1), -1);
	assert_int_equal(tile_bundle_put(buf, sizeof(buf), 0, big, 0), -1);
	assert_int_equal(tile_bundle_put(buf, sizeof(buf), 0, big,
	    UINT16_MAX + 1), -1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(widths),
		cmocka_unit_test(bundles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
