/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/token/token.h"

/*
 * Pinned, computed once with python3: random = bytes 0..127, checksum by
 * zlib.crc32, digits 0-9A-Za-z.
 */
#define PINNED_DEV \
	"tp_dev_0123456789AB_CDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs3J3gOD"
#define PINNED	\
	"tp_0123456789AB_CDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs2x8zge"

static void
sequence(uint8_t r[TOKEN_RANDOM])
{
	int	 i;

	for (i = 0; i < TOKEN_RANDOM; i++)
		r[i] = (uint8_t)i;
}

static void
test_pinned(void **state)
{
	uint8_t	 r[TOKEN_RANDOM];
	char	 t[TOKEN_SIZE], id[TOKEN_ID + 1];
	int	 n, dev;

	(void)state;
	sequence(r);
	n = token_make(r, 1, t);
	assert_int_equal(n, TOKEN_DEV_LEN);
	assert_string_equal(t, PINNED_DEV);
	assert_int_equal(token_public_id(t, (size_t)n, id, &dev), 0);
	assert_string_equal(id, "0123456789AB");
	assert_int_equal(dev, 1);
	n = token_make(r, 0, t);
	assert_int_equal(n, TOKEN_LEN);
	assert_string_equal(t, PINNED);
	assert_int_equal(token_public_id(t, (size_t)n, id, &dev), 0);
	assert_int_equal(dev, 0);
}

/* Every single changed character is found, and never taken for unshaped. */
static void
test_every_change(void **state)
{
	const char	*abc;
	char		 t[TOKEN_SIZE];
	size_t		 i, k, len;

	(void)state;
	abc = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	len = strlen(PINNED_DEV);
	for (i = 7; i < len; i++)
		for (k = 0; k < 62; k++) {
			strcpy(t, PINNED_DEV);
			if (t[i] == abc[k] || t[i] == '_')
				continue;
			t[i] = abc[k];
			assert_int_equal(token_check(t, len), TOKEN_BADSUM);
		}
	/* A missing or doubled end is another length: not our form. */
	assert_int_equal(token_check(PINNED_DEV, len - 1), TOKEN_UNSHAPED);
	assert_int_equal(token_check(PINNED_DEV "x", len + 1), TOKEN_UNSHAPED);
	/* The prefix is under the checksum as well. */
	strcpy(t, "tp_");
	strcat(t, &PINNED_DEV[7]);
	assert_int_equal(token_check(t, strlen(t)), TOKEN_BADSUM);
}

struct shape {
	const char	*text;
	enum token_shape want;
};

static const struct shape	shapes[] = {
	{ PINNED_DEV, TOKEN_OK },
	{ PINNED, TOKEN_OK },
	{ "", TOKEN_FOREIGN },
	{ "tp", TOKEN_FOREIGN },
	{ "sk-proj-abcdefghijklmnopqrstuvwxyz", TOKEN_FOREIGN },
	{ "TP_dev_0123456789AB", TOKEN_FOREIGN },
	{ "tp_", TOKEN_MALFORMED },
	{ "tp_3456789012345678", TOKEN_MALFORMED },		/* 19 */
	{ "tp_34567890123456789", TOKEN_UNSHAPED },		/* 20 */
	{ "tp_admin_-._~+/=abcdefghijklmn", TOKEN_UNSHAPED },
	{ "tp_admin abcdefghijklmnopqrst", TOKEN_MALFORMED },
	{ "tp_admin_\tbcdefghijklmnopqrst", TOKEN_MALFORMED },
	{ "tp_admin_\"bcdefghijklmnopqrst", TOKEN_MALFORMED },
	{ "tp_admin_\xc3\xa4" "cdefghijklmnopqrst", TOKEN_MALFORMED }
};

static void
test_shapes(void **state)
{
	char	 long_[130];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		assert_int_equal(token_check(shapes[i].text,
		    strlen(shapes[i].text)), shapes[i].want);
	memset(long_, 'a', sizeof(long_));
	memcpy(long_, "tp_", 3);
	assert_int_equal(token_check(long_, 128), TOKEN_UNSHAPED);
	assert_int_equal(token_check(long_, 129), TOKEN_MALFORMED);
	/* A NUL inside the length is a byte like any other: refused. */
	long_[30] = '\0';
	assert_int_equal(token_check(long_, 60), TOKEN_MALFORMED);
}

/* Rejection: bytes from 248 up are skipped, so that no digit is favoured. */
static void
test_unbiased(void **state)
{
	uint8_t		 all[256];
	unsigned int	 count[256];
	char		 out[249];
	int		 i;

	(void)state;
	for (i = 0; i < 256; i++)
		all[i] = (uint8_t)(255 - i);
	assert_int_equal(token_base62(all, 256, out, 248), 0);
	memset(count, 0, sizeof(count));
	for (i = 0; i < 248; i++)
		count[(uint8_t)out[i]]++;
	for (i = '0'; i <= '9'; i++)
		assert_int_equal(count[i], 4);
	for (i = 'A'; i <= 'Z'; i++)
		assert_int_equal(count[i], 4);
	for (i = 'a'; i <= 'z'; i++)
		assert_int_equal(count[i], 4);
	memset(all, 255, sizeof(all));
	assert_int_equal(token_base62(all, 256, out, 1), -1);
	assert_int_equal(token_make(all, 1, out), -1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_every_change),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_unbiased)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
