/* SPDX-License-Identifier: ISC */
/*
 * The CBOR subset: encodings of RFC 8949 appendix A that belong to it, those
 * that do not, and the writer against the reader.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/audit/cbor.h"
#include "common/text/text.h"

static const char *const good[] = {
	"00", "01", "0a", "17", "1818", "1819", "1864", "1903e8",
	"1a000f4240", "1b000000e8d4a51000", "1bffffffffffffffff", "40",
	"4401020304", "60", "6161", "6449455446", "62225c", "62c3bc",
	"63e6b0b4", "64f0908591", "80", "83010203", "8301820203820405", "a0",
	"a201020304", "a10181a10200", "8181818100", "a100a100a100a10000",
	"6100",
};

static const char *const bad[] = {
	"", "1817", "1800", "190018", "1900ff", "1a0000ffff",
	"1b00000000ffffffff", "18", "19ff", "1b00000000000000", "1c", "1f",
	"20", "3903e7", "f4", "f5", "f6", "f90000", "fb3ff199999999999a",
	"c074323031332d30332d32315432303a30343a30305a", "d74401020304",
	"5f42010243030405ff", "7f657374726561646d696e67ff", "9fff", "bfff",
	"9f018202039f0405ffff", "ff", "5818", "4501020304", "580401020304",
	"6261", "78056161616161", "61ff", "62c080", "63eda080", "64f4908080",
	"62c3", "80 00", "a1", "a101", "a201020104", "a203040102",
	"a1616100", "a1800000", "a120 00", "8181818181", "9900ff", "0000",
	"a201000100", "a100a100a100a100a0", "8181818180", "99010000",
	"5b8000000000000000", "9b8000000000000000", "5bffffffffffffffff00",
};

static size_t
unhex(const char *s, uint8_t *out, size_t size)
{
	char	 clean[128];
	size_t	 n;

	for (n = 0; *s != '\0'; s++)
		if (*s != ' ')
			clean[n++] = *s;
	assert_true(n / 2 <= size);
	assert_int_equal(hex_decode(out, size, clean, n), n / 2);
	return n / 2;
}

static void
subset(void **state)
{
	uint8_t	 buf[64];
	size_t	 i, n;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		n = unhex(good[i], buf, sizeof(buf));
		if (!cbor_valid(buf, n))
			fail_msg("refused: %s", good[i]);
		while (n-- > 0)
			assert_false(cbor_valid(buf, n));
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		n = unhex(bad[i], buf, sizeof(buf));
		if (cbor_valid(buf, n))
			fail_msg("accepted: %s", bad[i]);
	}
}

/* Numbers around each change of length, written and read back. */
static void
numbers(void **state)
{
	static const uint64_t	 edge[] = { 0, 23, 24, 255, 256, 65535, 65536,
	    UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX };
	static const size_t	 want[] = { 1, 1, 2, 2, 3, 3, 5, 5, 9, 9 };
	struct cbor_item	 it;
	struct cbor_w		 w;
	struct cbor_r		 r;
	uint8_t			 buf[16];
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(edge) / sizeof(edge[0]); i++) {
		cbor_init(&w, buf, sizeof(buf));
		assert_int_equal(cbor_uint(&w, edge[i]), 0);
		assert_int_equal(cbor_done(&w), want[i]);
		r = (struct cbor_r){ buf, want[i], 0 };
		assert_int_equal(cbor_next(&r, &it), 0);
		assert_int_equal(it.type, CBOR_UINT);
		assert_true(it.val == edge[i]);
		assert_int_equal(r.off, want[i]);
	}
}

/* Containers of 0 to 255 items, at every size of buffer. */
static void
containers(void **state)
{
	struct cbor_w	 w;
	uint8_t		 buf[1200];
	unsigned int	 n, i;
	size_t		 room;
	ssize_t		 len;

	(void)state;
	for (n = 0; n <= CBOR_ITEMS; n++) {
		cbor_init(&w, buf, sizeof(buf));
		cbor_open(&w, CBOR_MAP);
		for (i = 0; i < n; i++) {
			cbor_key(&w, i);
			cbor_text(&w, "x", 1);
		}
		cbor_close(&w);
		len = cbor_done(&w);
		assert_true(len > 0);
		assert_true(cbor_valid(buf, (size_t)len));
	}
	for (room = 0; room < 80; room++) {
		cbor_init(&w, buf, room);
		cbor_open(&w, CBOR_ARRAY);
		for (i = 0; i < 30; i++)
			cbor_uint(&w, i);
		cbor_close(&w);
		len = cbor_done(&w);
		/* 2 head, 24 short, 6 long */
		assert_int_equal(len, room < 38 ? -1 : 38);
	}
}

static void
misuse(void **state)
{
	struct cbor_w	 w;
	uint8_t		 buf[512];
	int		 i;

	(void)state;
#define TRY(code) do { \
	cbor_init(&w, buf, sizeof(buf)); code; \
	assert_int_equal(cbor_done(&w), -1); } while (0)
	TRY((void)0);
	TRY(cbor_open(&w, CBOR_MAP));
	TRY(cbor_key(&w, 1));
	TRY(cbor_uint(&w, 1); cbor_uint(&w, 2));
	TRY(cbor_open(&w, CBOR_MAP); cbor_uint(&w, 1); cbor_close(&w));
	TRY(cbor_open(&w, CBOR_MAP); cbor_key(&w, 1); cbor_close(&w));
	TRY(cbor_open(&w, CBOR_MAP); cbor_key(&w, 1); cbor_uint(&w, 0);
	    cbor_key(&w, 1); cbor_uint(&w, 0); cbor_close(&w));
	TRY(cbor_open(&w, CBOR_MAP); cbor_key(&w, 2); cbor_uint(&w, 0);
	    cbor_key(&w, 1); cbor_uint(&w, 0); cbor_close(&w));
	TRY(cbor_open(&w, CBOR_ARRAY); cbor_key(&w, 1); cbor_close(&w));
	TRY(cbor_close(&w));
	TRY(cbor_open(&w, CBOR_TEXT));
	TRY(cbor_text(&w, "\xff", 1));
	TRY(cbor_bytes(&w, NULL, 4));
	TRY(for (i = 0; i < 5; i++) cbor_open(&w, CBOR_ARRAY);
	    for (i = 0; i < 5; i++) cbor_close(&w));
	TRY(cbor_open(&w, CBOR_ARRAY); for (i = 0; i < 256; i++)
	    cbor_uint(&w, 0); cbor_close(&w));
#undef TRY
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(subset),
		cmocka_unit_test(numbers),
		cmocka_unit_test(containers),
		cmocka_unit_test(misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
