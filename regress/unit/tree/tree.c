/* SPDX-License-Identifier: ISC */
/*
 * The tree against the definition of RFC 6962 section 2.1 (written out here
 * as recursion), its proofs for all sizes up to 66, and the public vectors
 * of transparency-dev/merkle where TESTDATA has them.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/audit/tree.h"
#include "common/text/sha256.h"
#include "common/text/text.h"

#define N	66

static uint8_t	leaf[N][32];

/* MTH of RFC 6962 over leaf hashes. */
static void
mth(unsigned int lo, unsigned int hi, uint8_t out[32])
{
	uint8_t		 l[32], r[32];
	unsigned int	 k;

	if (lo == hi) {
		sha256_buf("", 0, out);
		return;
	}
	if (hi - lo == 1) {
		memcpy(out, leaf[lo], 32);
		return;
	}
	for (k = 1; k * 2 < hi - lo; k *= 2)
		continue;
	mth(lo, lo + k, l);
	mth(lo + k, hi, r);
	tree_node(l, r, out);
}

static int
fetch(void *arg, unsigned int level, uint64_t index, uint8_t out[32])
{
	(void)arg;
	mth((unsigned int)(index << level),
	    (unsigned int)((index + 1) << level), out);
	return 0;
}

static const struct tree_source	src = { fetch, NULL };

static int
setup(void **state)
{
	unsigned char	 b;
	int		 i;

	(void)state;
	for (i = 0; i < N; i++) {
		b = (unsigned char)i;
		sha256_buf(&b, 1, leaf[i]);
	}
	return 0;
}

static void
roots(void **state)
{
	struct tree	 t, u;
	uint8_t		 a[32], b[32], pack[TREE_PACKED];
	char		 hex[HEX_SIZE(32)];
	ssize_t		 len;
	unsigned int	 n;

	(void)state;
	tree_init(&t);
	tree_root(&t, a);
	hex_encode(hex, sizeof(hex), a, 32);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	for (n = 0; n <= N; n++) {
		tree_root(&t, a);
		mth(0, n, b);
		assert_memory_equal(a, b, 32);
		len = tree_pack(&t, pack, sizeof(pack));
		assert_true(len >= 8);
		assert_int_equal(tree_unpack(&u, pack, (size_t)len), 0);
		tree_root(&u, b);
		assert_memory_equal(a, b, 32);
		assert_int_equal(tree_unpack(&u, pack, (size_t)len - 1), -1);
		assert_int_equal(tree_pack(&t, pack, (size_t)len - 1), -1);
		if (n < N)
			assert_int_equal(tree_append(&t, leaf[n]), 0);
	}
	memset(pack, 0xff, sizeof(pack));
	assert_int_equal(tree_unpack(&u, pack, sizeof(pack)), -1);
	t.size = INT64_MAX;
	assert_int_equal(tree_append(&t, leaf[0]), -1);
}

/* Each proof is right, and no proof with a bit changed or a hash more. */
static void
inclusion(void **state)
{
	uint8_t		 p[(TREE_PROOF + 1) * 32], root[32];
	uint64_t	 size, i;
	int		 n, k;

	(void)state;
	for (size = 1; size <= N; size++) {
		mth(0, (unsigned int)size, root);
		for (i = 0; i < size; i++) {
			memset(p, 0, sizeof(p));
			n = tree_prove_inclusion(i, size, &src, p, TREE_PROOF);
			assert_true(n >= 0);
			assert_int_equal(tree_check_inclusion(i, size, leaf[i],
			    p, (size_t)n, root), 0);
			assert_int_equal(tree_check_inclusion(i, size, leaf[i],
			    p, (size_t)n + 1, root), -1);
			assert_int_equal(tree_check_inclusion(i + 1, size,
			    leaf[i], p, (size_t)n, root), -1);
			assert_int_equal(tree_check_inclusion(i, size,
			    leaf[(i + 1) % N], p, (size_t)n, root), -1);
			for (k = 0; k < n; k++) {
				p[k * 32] ^= 1;
				assert_int_equal(tree_check_inclusion(i, size,
				    leaf[i], p, (size_t)n, root), -1);
				p[k * 32] ^= 1;
			}
			if (n > 0) {
				assert_int_equal(tree_check_inclusion(i, size,
				    leaf[i], p, (size_t)n - 1, root), -1);
				assert_int_equal(tree_prove_inclusion(i, size,
				    &src, p, (size_t)n - 1), -1);
			}
		}
		assert_int_equal(tree_prove_inclusion(size, size, &src, p,
		    TREE_PROOF), -1);
	}
}

static void
consistency(void **state)
{
	uint8_t		 p[(TREE_PROOF + 1) * 32], a[32], b[32];
	uint64_t	 old, size;
	int		 n, k;

	(void)state;
	for (size = 1; size <= N; size++) {
		mth(0, (unsigned int)size, b);
		for (old = 1; old <= size; old++) {
			mth(0, (unsigned int)old, a);
			memset(p, 0, sizeof(p));
			n = tree_prove_consistency(old, size, &src, p,
			    TREE_PROOF);
			assert_true(n >= 0);
			assert_int_equal(tree_check_consistency(old, size, a,
			    b, p, (size_t)n), 0);
			assert_int_equal(tree_check_consistency(old, size, a,
			    b, p, (size_t)n + 1), -1);
			if (old < size) {
				assert_int_equal(tree_check_consistency(old,
				    size, b, a, p, (size_t)n), -1);
				assert_int_equal(tree_check_consistency(old,
				    size, a, b, p, (size_t)n - 1), -1);
			}
			for (k = 0; k < n; k++) {
				p[k * 32 + 31] ^= 0x80;
				assert_int_equal(tree_check_consistency(old,
				    size, a, b, p, (size_t)n), -1);
				p[k * 32 + 31] ^= 0x80;
			}
		}
		assert_int_equal(tree_check_consistency(0, size, b, b, p, 0),
		    -1);
		assert_int_equal(tree_check_consistency(size + 1, size, b, b,
		    p, 0), -1);
	}
}

/* --- public vectors ---------------------------------------------------- */

static unsigned int	ran;

static size_t
decode(json_t *v, uint8_t *out, size_t size)
{
	const char	*s;
	ssize_t		 n;

	s = json_string_value(v);
	if (s == NULL)
		return 0;
	n = b64_decode(out, size, s, strlen(s), B64_STD);
	return n == -1 ? 0 : (size_t)n;
}

/* Hashes of the vector; a member of another length refuses it (-1). */
static int
proof(json_t *v, uint8_t *out, size_t max)
{
	size_t	 i, n;

	n = json_array_size(json_object_get(v, "proof"));
	if (n > max)
		return -1;
	for (i = 0; i < n; i++)
		if (decode(json_array_get(json_object_get(v, "proof"), i),
		    out + i * 32, 32) != 32)
			return -1;
	return (int)n;
}

static uint64_t
num(json_t *v, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(v, name));
}

static void
one(const char *path, int incl)
{
	uint8_t	 p[128 * 32], a[32], b[32];
	json_t	*v;
	int	 n, got;

	v = json_load_file(path, 0, NULL);
	n = -1;
	if (v == NULL)	/* numbers above 2^63: no tree of ours */
		v = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);
	else
		n = proof(v, p, 128);
	assert_non_null(v);
	got = -1;
	if (n != -1 && incl) {
		if (decode(json_object_get(v, "leafHash"), a, 32) == 32 &&
		    decode(json_object_get(v, "root"), b, 32) == 32)
			got = tree_check_inclusion(num(v, "leafIdx"),
			    num(v, "treeSize"), a, p, (size_t)n, b);
	} else if (n != -1) {
		/* some roots are a few bytes of text: padded with zeros */
		memset(a, 0, sizeof(a));
		memset(b, 0, sizeof(b));
		if (decode(json_object_get(v, "root1"), a, 32) > 0 &&
		    decode(json_object_get(v, "root2"), b, 32) > 0)
			got = tree_check_consistency(num(v, "size1"),
			    num(v, "size2"), a, b, p, (size_t)n);
	}
	if ((got == -1) != json_is_true(json_object_get(v, "wantErr")))
		fail_msg("%s: %d", path, got);
	json_decref(v);
	ran++;
}

static void
walk(const char *dir, int incl)
{
	char		 path[PATH_MAX];
	struct dirent	*d;
	struct stat	 st;
	DIR		*dp;

	dp = opendir(dir);
	assert_non_null(dp);
	while ((d = readdir(dp)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		assert_int_equal(stat(path, &st), 0);
		if (S_ISDIR(st.st_mode))
			walk(path, incl);
		else
			one(path, incl);
	}
	closedir(dp);
}

static void
vectors(void **state)
{
	char		 dir[PATH_MAX];
	const char	*top;

	(void)state;
	top = getenv("TESTDATA");
	if (top == NULL)
		top = "../shared/testdata";
	snprintf(dir, sizeof(dir), "%s/merkle/testdata/inclusion", top);
	if (access(dir, R_OK) == -1) {
		print_message("# no %s: vectors not run\n", dir);
		return;
	}
	walk(dir, 1);
	snprintf(dir, sizeof(dir), "%s/merkle/testdata/consistency", top);
	walk(dir, 0);
	print_message("# %u vectors\n", ran);
	assert_true(ran >= 196);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(roots),
		cmocka_unit_test(inclusion),
		cmocka_unit_test(consistency),
		cmocka_unit_test(vectors),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
