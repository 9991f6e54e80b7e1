/* SPDX-License-Identifier: ISC */
/*
 * hex, base64 (vectors of RFC 4648 section 10) and SHA-256 (FIPS 180-4
 * examples); every length, every wrong character, every spare bit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/text/sha256.h"
#include "common/text/text.h"

static const struct {
	const char	*plain, *std, *url;
} b64[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xfe", "+//+", "-__-" },
};

static const char *const bad_std[] = {
	"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "Zm9vY", "=",
	"==", "====", "Zg==Zg==", "Z===", " Zg=", "Zg==\n", "Zm9v\n", "Zm-v",
	"Zm_v", "Zm9v Zm9", "Zm=v", "Zm9\x80", "A=BC",
};

static const char *const bad_url[] = {
	"Z", "Zg==", "Zh", "Zm9", "Zm9vY", "Zm+v", "Zm/v", "Zm8=", "Zm9v\n",
	"Z g", "=",
};

static void
vectors(void **state)
{
	char	 out[64];
	size_t	 i, n;

	(void)state;
	for (i = 0; i < sizeof(b64) / sizeof(b64[0]); i++) {
		n = strlen(b64[i].plain);
		assert_int_equal(b64_encode(out, sizeof(out), b64[i].plain, n,
		    B64_STD), strlen(b64[i].std));
		assert_string_equal(out, b64[i].std);
		assert_int_equal(b64_encode(out, sizeof(out), b64[i].plain, n,
		    B64_URL), strlen(b64[i].url));
		assert_string_equal(out, b64[i].url);
		assert_int_equal(b64_decode(out, n, b64[i].std,
		    strlen(b64[i].std), B64_STD), n);
		assert_memory_equal(out, b64[i].plain, n);
		assert_int_equal(b64_decode(out, n, b64[i].url,
		    strlen(b64[i].url), B64_URL), n);
		assert_memory_equal(out, b64[i].plain, n);
	}
}

static void
strict(void **state)
{
	char	 out[64];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(bad_std) / sizeof(bad_std[0]); i++)
		assert_int_equal(b64_decode(out, sizeof(out), bad_std[i],
		    strlen(bad_std[i]), B64_STD), -1);
	for (i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++)
		assert_int_equal(b64_decode(out, sizeof(out), bad_url[i],
		    strlen(bad_url[i]), B64_URL), -1);
	assert_int_equal(b64_decode(out, 2, "Zm9v", 4, B64_STD), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(b64_encode(out, 4, "foo", 3, B64_STD), -1);
	assert_int_equal(errno, ENOSPC);
}

/* Of all texts of two and four characters, each value has exactly one. */
static void
canonical(void **state)
{
	static const char	 std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
	    "klmnopqrstuvwxyz0123456789+/";
	char			 in[4], back[8];
	uint8_t			 raw[4];
	ssize_t			 n;
	int			 a, b, hits;

	(void)state;
	hits = 0;
	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			in[0] = (char)a;
			in[1] = (char)b;
			n = b64_decode(raw, sizeof(raw), in, 2, B64_URL);
			if (n == -1)
				continue;
			hits++;
			assert_int_equal(n, 1);
			assert_int_equal(b64_encode(back, sizeof(back), raw,
			    1, B64_URL), 2);
			assert_memory_equal(back, in, 2);
		}
	}
	assert_int_equal(hits, 256);
	for (a = 0; a < 256; a++) {
		memcpy(in, "AAAA", 4);
		in[3] = (char)a;
		n = b64_decode(raw, sizeof(raw), in, 4, B64_STD);
		if (a == '=')
			assert_int_equal(n, 2);
		else if (a != 0 && strchr(std, a) != NULL)
			assert_int_equal(raw[2], strchr(std, a) - std);
		else
			assert_int_equal(n, -1);
	}
}

static void
hex(void **state)
{
	uint8_t	 raw[256], back[256];
	char	 out[HEX_SIZE(256)], c[2];
	int	 i, good;

	(void)state;
	for (i = 0; i < 256; i++)
		raw[i] = (uint8_t)i;
	assert_int_equal(hex_encode(out, sizeof(out), raw, 256), 512);
	assert_memory_equal(out, "000102030405060708090a0b0c0d0e0f10", 34);
	assert_string_equal(out + 508, "feff");
	assert_int_equal(hex_decode(back, 256, out, 512), 256);
	assert_memory_equal(raw, back, 256);
	for (i = good = 0; i < 256; i++) {
		c[0] = (char)i;
		c[1] = '0';
		good += hex_decode(back, 1, c, 2) == 1;
		c[1] = (char)i;
		c[0] = '0';
		good += hex_decode(back, 1, c, 2) == 1;
	}
	assert_int_equal(good, 32);
	assert_int_equal(hex_decode(back, 256, "abc", 3), -1);
	assert_int_equal(hex_decode(back, 1, "abcd", 4), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(hex_encode(out, 4, raw, 2), -1);
}

static void
sha(void **state)
{
	struct sha256	 h, fork;
	uint8_t		 d[32], e[32];
	char		 s[HEX_SIZE(32)];
	int		 i;

	(void)state;
	sha256_buf("abc", 3, d);
	hex_encode(s, sizeof(s), d, 32);
	assert_string_equal(s, "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	sha256_init(&h);
	for (i = 0; i < 1000000; i++)
		sha256_update(&h, "a", 1);
	fork = h;
	sha256_final(&h, d);
	hex_encode(s, sizeof(s), d, 32);
	assert_string_equal(s, "cdc76e5c9914fb9281a1c7e284d73e67"
	    "f1809a48a497200e046d39ccc7112cd0");
	sha256_final(&fork, e);
	assert_memory_equal(d, e, 32);
}

/* Shown, or the first byte is escaped. */
static void
shown(void **state)
{
	static const struct {
		const char	*s;
		size_t		 k;
	} rows[] = {
		{ "a", 1 }, { " ", 1 }, { "~", 1 }, { "\xc3\xa4", 2 },
		{ "\xe2\x82\xac", 3 }, { "\xf0\x9f\x98\x80", 4 },
		{ "\xc2\xa0", 2 }, { "\xe2\x80\x90", 3 },
		{ "\xe2\x80\xaf", 3 }, { "\xf4\x8f\xbf\xbf", 4 },
		{ "", 0 }, { "\x01", 0 }, { "\x1b", 0 }, { "\n", 0 },
		{ "\x7f", 0 }, { "\xc2\x80", 0 }, { "\xc2\x9b", 0 },
		{ "\xc2\x9f", 0 }, { "\xc2\xad", 0 }, { "\xd8\x9c", 0 },
		{ "\xe2\x80\x8b", 0 }, { "\xe2\x80\x8f", 0 },
		{ "\xe2\x80\xa8", 0 }, { "\xe2\x80\xae", 0 },
		{ "\xe2\x81\xa6", 0 }, { "\xef\xbb\xbf", 0 },
		{ "\xf3\xa0\x81\xa1", 0 }, { "\x9b", 0 }, { "\xff", 0 },
		{ "\xc3", 0 }, { "\xc3" "a", 0 }, { "\xc0\x80", 0 },
		{ "\xc1\xbf", 0 }, { "\xe0\x80\x80", 0 },
		{ "\xed\xa0\x80", 0 }, { "\xf0\x80\x80\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 },
	};
	char	 s[] = "a\x1b[m\xc2\x9b" "31m\xc3\xa4\n\x9b\xe2\x80\xae.";
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(show_char(rows[i].s, strlen(rows[i].s)),
		    rows[i].k);
	assert_int_equal(show_char("\xe2\x82\xac", 2), 0);
	show_mask(s, '\n');
	assert_string_equal(s, "a?[m??31m\xc3\xa4\n????.");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(strict),
		cmocka_unit_test(canonical),
		cmocka_unit_test(hex),
		cmocka_unit_test(sha),
		cmocka_unit_test(shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
