/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "keybrokerd/broker/init.h"
#include "keybrokerd/broker/vault.h"

static int
temp(void)
{
	char	 path[] = "/tmp/init.XXXXXX";
	int	 fd;

	fd = mkstemp(path);
	assert_int_not_equal(fd, -1);
	unlink(path);
	return fd;
}

static void
test_write(void **state)
{
	char		 a[64], b[64];
	struct secret	*s, *k;
	int		 fd, i;

	(void)state;
	memset(b, 0, sizeof(b));
	for (i = 0; i < 2; i++) {
		fd = temp();
		assert_int_equal(init_write(fd), 0);
		assert_int_equal(pread(fd, a, sizeof(a), 0), 45);
		s = secret_dup(a, 45);
		k = vault_key_parse(s, 1);
		assert_non_null(k);
		assert_int_equal(secret_len(k), 32);
		assert_memory_not_equal(a, b, 45);
		memcpy(b, a, 45);
		/* A second run leaves the key alone. */
		assert_int_equal(init_write(fd), -1);
		assert_int_equal(errno, EEXIST);
		assert_int_equal(pread(fd, a, sizeof(a), 0), 45);
		assert_memory_equal(a, b, 45);
		secret_free(&s);
		secret_free(&k);
		close(fd);
	}
	assert_int_equal(secret_in_use(), 0);
}

static void
test_faults(void **state)
{
	int	 fd;

	(void)state;
	/* No space: /dev/full takes the write and refuses it. */
	fd = open("/dev/full", O_RDWR);
	if (fd != -1) {
		assert_int_equal(init_write(fd), -1);
		assert_int_equal(errno, ENOSPC);
		close(fd);
	}
	/* What cannot be read back is no success. */
	fd = open("/dev/null", O_RDWR);
	assert_int_not_equal(fd, -1);
	assert_int_equal(init_write(fd), -1);
	close(fd);
	assert_int_equal(init_write(-1), -1);
	assert_int_equal(secret_in_use(), 0);
}

static void
test_wanted(void **state)
{
	char	 a[] = "broker -i", b[] = "broker", c[] = "-i", d[] = "0";
	char	*one[] = { a, d, NULL }, *two[] = { b, c, NULL };
	char	*no[] = { b, d, NULL };

	(void)state;
	assert_true(init_wanted(2, one));
	assert_true(init_wanted(2, two));
	assert_false(init_wanted(2, no));
	assert_false(init_wanted(0, no + 2));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_wanted)
	};

	if (secret_pool(16) == -1) {
		perror("secret_pool");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
