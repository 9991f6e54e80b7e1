/* SPDX-License-Identifier: ISC */
/*
 * Checkpoints: built, signed twice, parsed, verified; the malformed ones of
 * the audit reference (cases 35 to 40, 68); Wycheproof's Ed25519 vectors as
 * the pin of the one verifier rule.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/audit/note.h"
#include "common/text/text.h"

#define ORIGIN	"log.example/1"
#define ROOT	"q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
#define DASH	"\xe2\x80\x94 "
#define SIG	DASH "x AAAAAAA=\n"

static uint8_t	pk[2][32], sk[2][64];
static char	buf[NOTE_MAX + 100];

static size_t
make(int signers)
{
	uint8_t	 root[32];
	ssize_t	 body, len;
	int	 i;

	memset(root, 0xab, sizeof(root));
	body = note_body(buf, sizeof(buf), ORIGIN, 12345, root);
	assert_true(body > 0);
	len = body;
	for (i = 0; i < signers; i++) {
		len = note_sign(buf, sizeof(buf), (size_t)len, (size_t)body,
		    ORIGIN, sk[i]);
		assert_true(len > 0);
	}
	return (size_t)len;
}

static void
signed_twice(void **state)
{
	struct note	 n;
	size_t		 len, cut;
	char		*p;

	(void)state;
	len = make(2);
	assert_int_equal(note_parse(&n, buf, len), 0);
	assert_true(n.size == 12345 && n.nsig == 2);
	assert_int_equal(n.root[31], 0xab);
	assert_int_equal(note_verify(&n, pk[0]), NOTE_GOOD);
	assert_int_equal(note_verify(&n, pk[1]), NOTE_GOOD);
	len = make(1);
	assert_int_equal(note_parse(&n, buf, len), 0);
	assert_int_equal(note_verify(&n, pk[1]), NOTE_ABSENT);
	/* a bad line of a known key spoils the note, beside a good one too */
	len = make(2);
	p = buf + len - 20;
	*p = *p == 'A' ? 'B' : 'A';
	assert_int_equal(note_parse(&n, buf, len), 0);
	assert_int_equal(note_verify(&n, pk[0]), NOTE_GOOD);
	assert_int_equal(note_verify(&n, pk[1]), NOTE_BAD);
	/* every cut but the one between the signatures */
	len = make(1);
	for (cut = 0; cut < len; cut++)
		assert_int_equal(note_parse(&n, buf, cut), -1);
}

/* The key that a body of this exact text was signed with elsewhere. */
static void
key_id(void **state)
{
	uint8_t	 id[4], h[32];
	char	 text[64];

	(void)state;
	memcpy(text, ORIGIN "\n\x01", 15);
	memcpy(text + 15, pk[0], 32);
	crypto_hash_sha256(h, (uint8_t *)text, 47);
	note_keyid(ORIGIN, strlen(ORIGIN), pk[0], id);
	assert_memory_equal(id, h, 4);
}

static const char *const malformed[] = {
	"",
	ORIGIN "\n1\n" ROOT "\n\n",				/* no signature */
	ORIGIN "\n1\n" ROOT "\n" SIG,				/* no blank line */
	ORIGIN "\n1\n" ROOT "\n\n\n" SIG,
	ORIGIN "\n1\n" ROOT "\nextension\n\n" SIG,
	ORIGIN "\r\n1\r\n" ROOT "\r\n\r\n" SIG,
	ORIGIN "\n1\n" ROOT "\n\n" DASH "x AAAAAAA=",		/* no newline */
	"\n1\n" ROOT "\n\n" SIG,
	"a b\n1\n" ROOT "\n\n" SIG,
	"a+b\n1\n" ROOT "\n\n" SIG,
	"a\x1b[2J\n1\n" ROOT "\n\n" SIG,
	"a\xff\n1\n" ROOT "\n\n" SIG,
	ORIGIN "\n01\n" ROOT "\n\n" SIG,
	ORIGIN "\n+5\n" ROOT "\n\n" SIG,
	ORIGIN "\n-1\n" ROOT "\n\n" SIG,
	ORIGIN "\n\n" ROOT "\n\n" SIG,
	ORIGIN "\n1 \n" ROOT "\n\n" SIG,
	ORIGIN "\n0x1\n" ROOT "\n\n" SIG,
	ORIGIN "\n18446744073709551616\n" ROOT "\n\n" SIG,
	ORIGIN "\n9223372036854775808\n" ROOT "\n\n" SIG,
	ORIGIN "\n0\n" ROOT "\n\n" SIG,				/* not SHA-256("") */
	ORIGIN "\n1\nq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeA==\n\n" SIG,
	ORIGIN "\n1\nq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJB=\n\n" SIG,
	ORIGIN "\n1\nq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA\n\n" SIG,
	ORIGIN "\n1\n_83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\n\n" SIG,
	ORIGIN "\n1\n" ROOT "\n\n- x AAAAAAA=\n",
	ORIGIN "\n1\n" ROOT "\n\n" DASH " AAAAAAA=\n",
	ORIGIN "\n1\n" ROOT "\n\n" DASH "xAAAAAAA=\n",
	ORIGIN "\n1\n" ROOT "\n\n" DASH "x  AAAAAAA=\n",
	ORIGIN "\n1\n" ROOT "\n\n" DASH "x AAAAAA==\n",		/* key id alone */
	ORIGIN "\n1\n" ROOT "\n\n" DASH "x AAAAAAB=\n",
	ORIGIN "\n1\n" ROOT "\n\n" DASH "x+y AAAAAAA=\n",
	ORIGIN "\n1\n" ROOT "\n\n" DASH "x AAAAAAA=\n\n",
	ORIGIN "\n1\n" ROOT "\n\n" DASH "x AAAAAAA=\n" ORIGIN "\n",
};

static const char *const accepted[] = {
	ORIGIN "\n1\n" ROOT "\n\n" SIG,
	ORIGIN "\n1\n" ROOT "\n\n" SIG SIG,
	ORIGIN "\n9223372036854775807\n" ROOT "\n\n" SIG,
	ORIGIN "\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n" SIG,
	ORIGIN "\n1\n" ROOT "\n\n" DASH "w\xc3\xbcrzig AAAAAAA=\n",
};

static void
strict(void **state)
{
	struct note	 n;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		if (note_parse(&n, malformed[i], strlen(malformed[i])) == 0)
			fail_msg("accepted: %zu %s", i, malformed[i]);
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		if (note_parse(&n, accepted[i], strlen(accepted[i])) == -1)
			fail_msg("refused: %zu %s", i, accepted[i]);
}

/* 32 lines of 5 kB pass, 33 do not, nor do 10,000. */
static void
bounded(void **state)
{
	struct note	 n;
	size_t		 len, k;

	(void)state;
	for (k = 31; k <= 33; k++) {
		len = (size_t)snprintf(buf, sizeof(buf),
		    ORIGIN "\n1\n" ROOT "\n\n");
		while (len < k * 5000 + 100 && k * 5000 > len) {
			len += (size_t)snprintf(buf + len, sizeof(buf) - len,
			    DASH "x ");
			memset(buf + len, 'A', 4992);
			len += 4992;
			buf[len++] = '\n';
		}
		assert_int_equal(note_parse(&n, buf, len),
		    k <= NOTE_SIGS ? 0 : -1);
	}
	len = (size_t)snprintf(buf, sizeof(buf), ORIGIN "\n1\n" ROOT "\n\n");
	for (k = 0; k < 10000; k++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, SIG);
	assert_int_equal(note_parse(&n, buf, len), -1);
	assert_int_equal(note_sign(buf, 100, 99, 99, ORIGIN, sk[0]), -1);
	assert_int_equal(note_body(buf, 20, ORIGIN, 1, pk[0]), -1);
	assert_int_equal(note_body(buf, 200, "a b", 1, pk[0]), -1);
}

static void
spans(void **state)
{
	size_t	 one, len;

	(void)state;
	one = make(2);
	assert_int_equal(note_span(buf, one), 0);
	buf[one] = '\n';
	assert_int_equal(note_span(buf, one + 1), one);
	memcpy(buf + one + 1, ORIGIN "\n", 14);
	for (len = 0; len < one + 15; len++)
		assert_int_equal(note_span(buf, len), len > one ? one : 0);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(note_span(buf, sizeof(buf)), -1);
}

/* Points of small order and non-canonical ones (RFC 8032 section 5.1.7). */
static void
weak_keys(void **state)
{
	static const char *const weak[] = {
		"0100000000000000000000000000000000000000000000000000000000"
		"000000",
		"0000000000000000000000000000000000000000000000000000000000"
		"000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d"
		"53fc05",
	};
	uint8_t	 key[32];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		assert_int_equal(hex_decode(key, 32, weak[i], 64), 32);
		assert_false(note_key_ok(key));
	}
	assert_true(note_key_ok(pk[0]));
}

static size_t
unhex(json_t *v, const char *name, uint8_t *out, size_t size)
{
	const char	*s;

	s = json_string_value(json_object_get(v, name));
	return (size_t)hex_decode(out, size, s, strlen(s));
}

static void
wycheproof(void **state)
{
	uint8_t		 key[32], msg[4096], sig[256];
	char		 path[PATH_MAX];
	const char	*top, *want;
	json_t		*all, *g, *t;
	size_t		 i, k, mlen, slen, ran;
	int		 ok;

	(void)state;
	top = getenv("TESTDATA");
	snprintf(path, sizeof(path), "%s/wycheproof/ed25519_test.json",
	    top == NULL ? "../shared/testdata" : top);
	if (access(path, R_OK) == -1) {
		print_message("# no %s: vectors not run\n", path);
		return;
	}
	all = json_load_file(path, 0, NULL);
	assert_non_null(all);
	ran = 0;
	json_array_foreach(json_object_get(all, "testGroups"), i, g) {
		assert_int_equal(unhex(json_object_get(g, "publicKey"), "pk",
		    key, sizeof(key)), 32);
		json_array_foreach(json_object_get(g, "tests"), k, t) {
			mlen = unhex(t, "msg", msg, sizeof(msg));
			slen = unhex(t, "sig", sig, sizeof(sig));
			want = json_string_value(json_object_get(t,
			    "result"));
			ok = slen == 64 && crypto_sign_verify_detached(sig,
			    msg, mlen, key) == 0;
			assert_int_equal(ok, strcmp(want, "valid") == 0);
			ran++;
		}
	}
	json_decref(all);
	print_message("# %zu vectors\n", ran);
	assert_true(ran >= 151);
}

static int
setup(void **state)
{
	uint8_t	 seed[32];
	int	 i;

	(void)state;
	if (sodium_init() == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		memset(seed, i + 1, sizeof(seed));
		crypto_sign_seed_keypair(pk[i], sk[i], seed);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(signed_twice),
		cmocka_unit_test(key_id),
		cmocka_unit_test(strict),
		cmocka_unit_test(bounded),
		cmocka_unit_test(spans),
		cmocka_unit_test(weak_keys),
		cmocka_unit_test(wycheproof),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
