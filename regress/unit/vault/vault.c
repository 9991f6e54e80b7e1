/* SPDX-License-Identifier: ISC */
/*
 * The vault against fixed vectors of our own (made by an independent Python
 * implementation, pinned here), against wycheproof, and against every single
 * changed bit.  The other direction, Python opening what we sealed, is
 * regress/vectors/vault.py.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/text/text.h"
#include "keybrokerd/broker/vault.h"

/* DEK = bytes 0..31; salt and nonce = bytes 0x40..; plaintext = "pepper". */
#define DEK_TEXT	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define PIN_KID		"lflzyfzimvgwa"
#define PIN_TEXT	\
	"v1:lflzyfzimvgwa:2hWM6zbmmYSUfZlJG6w9g0BBQkNERUZHSElKS0xNTk9" \
	"QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprwbBZgxdKkvR9Over3-7HlAv" \
	"hPoNtIw"
/* The same plaintext, legacy form: no key id, no AAD, nonce 0x40... */
#define PIN_LEGACY	"v1:QEFCQ0RFRkdISUpLktzeU0NORJxfznrPFI5y+SVdAyGWyg=="

static const struct vault_id	ident = { "vault", 1, "pepper/1", "value" };

/* Counts up from 0x40, so that salt and nonce are known. */
static void
count_fill(void *arg, void *buf, size_t len)
{
	uint8_t	*n = arg, *p = buf;

	while (len-- > 0)
		*p++ = (*n)++;
}

static uint8_t		counter;
static const struct rng	rng = { count_fill, &counter };

static struct secret *
text_secret(const char *s)
{
	struct secret	*x;

	x = secret_dup(s, strlen(s));
	assert_non_null(x);
	return x;
}

static struct secret *
key_n(int first)
{
	struct secret	*x;
	int		 i;

	x = secret_new(VAULT_KEY);
	assert_non_null(x);
	for (i = 0; i < VAULT_KEY; i++)
		secret_bytes(x)[i] = (uint8_t)(first + i);
	return x;
}

static void
open_vault(struct vault *v, int first)
{
	struct secret	*k;

	k = key_n(first);
	assert_int_equal(vault_init(v, &k), 0);
	assert_null(k);
	counter = 0x40;
}

static void
expect(struct vault *v, const struct vault_id *id, const char *text,
    size_t len, enum vault_result want)
{
	struct secret	*s;

	assert_int_equal(vault_open(v, id, text, len, &s), want);
	if (want != VAULT_OK)
		assert_null(s);
	secret_free(&s);
}

static void
test_key(void **state)
{
	static const char *const	 bad[] = {
		"", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r",
		" AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-_",
		"000102030405060708090a0b0c0d0e0f101112131415"
	};
	struct secret	*t, *k;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]) - 1; i++) {
		t = text_secret(bad[i]);
		errno = 0;
		assert_null(vault_key_parse(t, 1));
		assert_int_equal(errno, EINVAL);
		secret_free(&t);
	}
	t = text_secret(DEK_TEXT "\n");
	assert_null(vault_key_parse(t, 0));
	k = vault_key_parse(t, 1);
	assert_non_null(k);
	assert_int_equal(secret_len(k), 32);
	assert_int_equal(secret_bytes(k)[31], 31);
	secret_free(&t);
	secret_free(&k);
	/* 44 hex digits are base64 of 33 bytes, not of 32. */
	t = text_secret(bad[i]);
	assert_null(vault_key_parse(t, 0));
	secret_free(&t);
	assert_int_equal(secret_in_use(), 0);
}

static void
test_pinned(void **state)
{
	char		 text[VAULT_TEXT(6)];
	struct vault	 v;
	struct secret	*p, *back;

	(void)state;
	open_vault(&v, 0);
	assert_string_equal(vault_kid(&v), PIN_KID);
	p = text_secret("pepper");
	assert_int_equal(vault_seal(&v, &rng, &ident, p, text, sizeof(text)),
	    strlen(PIN_TEXT));
	assert_string_equal(text, PIN_TEXT);
	assert_int_equal(vault_open(&v, &ident, text, strlen(text), &back),
	    VAULT_OK);
	assert_int_equal(secret_len(back), 6);
	assert_memory_equal(secret_bytes(back), "pepper", 6);
	secret_free(&back);
	assert_int_equal(vault_open(&v, &ident, PIN_LEGACY,
	    strlen(PIN_LEGACY), &back), VAULT_OK);
	assert_int_equal(secret_len(back), 6);
	assert_memory_equal(secret_bytes(back), "pepper", 6);
	secret_free(&back);
	secret_free(&p);
	assert_int_equal(vault_prove(&v, &rng), 0);
	vault_close(&v);
	assert_int_equal(secret_in_use(), 0);
}

/* Each bit of each byte behind the key id; and each cut. */
static void
test_every_bit(void **state)
{
	uint8_t		 blob[256];
	char		 text[512];
	struct vault	 v;
	const char	*b64;
	size_t		 i, head, len;
	ssize_t		 n;
	int		 bit;

	(void)state;
	open_vault(&v, 0);
	head = 3 + VAULT_KID + 1;
	b64 = &PIN_TEXT[head];
	n = b64_decode(blob, sizeof(blob), b64, strlen(b64), B64_URL);
	assert_int_equal(n, VAULT_FIXED + 6);
	memcpy(text, PIN_TEXT, head);
	for (i = 0; i < (size_t)n; i++)
		for (bit = 0; bit < 8; bit++) {
			blob[i] ^= (uint8_t)(1 << bit);
			assert_int_not_equal(b64_encode(text + head,
			    sizeof(text) - head, blob, (size_t)n, B64_URL),
			    -1);
			expect(&v, &ident, text, strlen(text), VAULT_CORRUPT);
			blob[i] ^= (uint8_t)(1 << bit);
		}
	/* Changed text: never good, whatever the class. */
	len = strlen(PIN_TEXT);
	for (i = 0; i < len; i++)
		for (bit = 0; bit < 8; bit++) {
			struct secret	*s;

			strcpy(text, PIN_TEXT);
			text[i] ^= (char)(1 << bit);
			assert_int_not_equal(vault_open(&v, &ident, text, len,
			    &s), VAULT_OK);
			assert_null(s);
		}
	for (i = 0; i < len; i++) {
		struct secret	*s;

		assert_int_not_equal(vault_open(&v, &ident, PIN_TEXT, i, &s),
		    VAULT_OK);
		assert_null(s);
	}
	/* One more byte (zero) is another ciphertext; two is no base64. */
	strcpy(text, PIN_TEXT "AAA");
	expect(&v, &ident, text, len + 1, VAULT_CORRUPT);
	expect(&v, &ident, text, len + 3, VAULT_FORM);
	vault_close(&v);
}

static void
test_identity(void **state)
{
	static const struct vault_id	 other[] = {
		{ "vault", 1, "pepper/2", "value" },
		{ "vault", 2, "pepper/1", "value" },
		{ "vaul", 1, "tpepper/1", "value" },
		{ "vault", 1, "pepper/", "1value" },
		{ "vault", 1, "pepper/1", "valu" },
		{ "provider", 1, "pepper/1", "value" }
	};
	struct vault	 v;
	size_t		 i;

	(void)state;
	open_vault(&v, 0);
	expect(&v, &ident, PIN_TEXT, strlen(PIN_TEXT), VAULT_OK);
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		expect(&v, &other[i], PIN_TEXT, strlen(PIN_TEXT),
		    VAULT_CORRUPT);
	vault_close(&v);
}

static void
test_other_key(void **state)
{
	char		 text[256];
	struct vault	 v;
	struct secret	*k;

	(void)state;
	open_vault(&v, 1);
	expect(&v, &ident, PIN_TEXT, strlen(PIN_TEXT), VAULT_OTHERKEY);
	expect(&v, &ident, PIN_LEGACY, strlen(PIN_LEGACY), VAULT_CORRUPT);
	/* Under a forged key id the commitment fails before anything else. */
	snprintf(text, sizeof(text), "v1:%s%s", vault_kid(&v),
	    &PIN_TEXT[3 + VAULT_KID]);
	expect(&v, &ident, text, strlen(text), VAULT_CORRUPT);
	k = key_n(0);
	assert_int_equal(vault_previous(&v, &k), 0);
	expect(&v, &ident, PIN_TEXT, strlen(PIN_TEXT), VAULT_OK);
	expect(&v, &ident, PIN_LEGACY, strlen(PIN_LEGACY), VAULT_OK);
	vault_close(&v);
	assert_int_equal(secret_in_use(), 0);
}

static void
test_form(void **state)
{
	static const char *const	 bad[] = {
		"", "v1", "v1:", "v1::", "v2:abc:def", "V1:" PIN_KID ":AAAA",
		"v1:ABCDEFGHIJKLM:AAAA", "v1:" PIN_KID ":", "v1:" PIN_KID,
		"v1:" PIN_KID "::", "v1:" PIN_KID ":AAAA", "v1:" PIN_KID "a:AA"
	};
	struct vault	 v;
	size_t		 i;

	(void)state;
	open_vault(&v, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(&v, &ident, bad[i], strlen(bad[i]), VAULT_FORM);
	vault_close(&v);
}

/* ---- records ------------------------------------------------------------ */

struct rows {
	size_t	 n;
	char	 name[8][VAULT_NAME];
	char	 value[8][VAULT_TEXT(64)];
	int	 refuse;
};

static int
emit(void *arg, uint8_t kind, const void *id, size_t idlen,
    const void *value, size_t len)
{
	struct rows	*r = arg;

	assert_int_equal(kind, 2);
	if (r->refuse)
		return -1;
	assert_true(r->n < 8 && len < sizeof(r->value[0]));
	memcpy(r->name[r->n], id, idlen);
	r->name[r->n][idlen] = '\0';
	memcpy(r->value[r->n], value, len);
	r->value[r->n++][len] = '\0';
	return 0;
}

static void
test_records(void **state)
{
	struct rows	 rows;
	struct vault	 v, w;
	struct secret	*a, *b;
	uint32_t	 no;
	size_t		 i;

	(void)state;
	memset(&rows, 0, sizeof(rows));
	open_vault(&v, 0);
	assert_null(vault_get(&v, VAULT_EPOCH));
	assert_null(vault_pepper(&v, 0, &no));
	rows.refuse = 1;
	assert_null(vault_get_or_make(&v, &rng, "pepper/1", 32, emit, &rows));
	assert_int_equal(vault_records(&v), 0);
	rows.refuse = 0;
	a = vault_get_or_make(&v, &rng, "pepper/1", 32, emit, &rows);
	assert_non_null(a);
	assert_ptr_equal(a, vault_get_or_make(&v, &rng, "pepper/1", 32, emit,
	    &rows));
	b = vault_get_or_make(&v, &rng, "pepper/12", 32, emit, &rows);
	assert_ptr_equal(vault_pepper(&v, 0, &no), b);
	assert_int_equal(no, 12);
	assert_ptr_equal(vault_pepper(&v, 1, &no), a);
	assert_null(vault_pepper(&v, 2, &no));
	a = secret_dup("four", 4);
	assert_int_equal(vault_put(&v, &rng, VAULT_EPOCH, &a, emit, &rows), 0);
	assert_null(a);
	a = secret_dup("five", 4);
	rows.refuse = 1;
	assert_int_equal(vault_put(&v, &rng, VAULT_EPOCH, &a, emit, &rows),
	    -1);
	assert_null(a);
	assert_memory_equal(secret_bytes(vault_get(&v, VAULT_EPOCH)), "four",
	    4);
	assert_int_equal(rows.n, 3);
	/* Another life. */
	open_vault(&w, 0);
	for (i = 0; i < rows.n; i++)
		assert_int_equal(vault_load(&w, rows.name[i],
		    strlen(rows.name[i]), rows.value[i],
		    strlen(rows.value[i])), VAULT_OK);
	for (i = 0; i < rows.n; i++) {
		a = vault_get(&v, rows.name[i]);
		b = vault_get(&w, rows.name[i]);
		assert_int_equal(secret_len(a), secret_len(b));
		assert_memory_equal(secret_bytes(a), secret_bytes(b),
		    secret_len(a));
	}
	/* Swapped rows are noticed. */
	assert_int_equal(vault_load(&w, rows.name[0], strlen(rows.name[0]),
	    rows.value[1], strlen(rows.value[1])), VAULT_CORRUPT);
	assert_int_equal(vault_load(&w, "", 0, rows.value[1],
	    strlen(rows.value[1])), VAULT_FORM);
	vault_close(&v);
	vault_close(&w);
	assert_int_equal(secret_in_use(), 0);
}

/* Python opens what we sealed. */
static void
test_python(void **state)
{
	const char		*py = "regress/vectors/vault.py";
	char			 dir[] = "/tmp/vault.XXXXXX", cmd[512];
	char			 line[256], want[256], path[64];
	struct rows		 rows;
	struct vault		 v;
	FILE			*fp;
	size_t			 i;

	(void)state;
	if (access(py, R_OK) == -1)
		py = "../../regress/vectors/vault.py";	/* obj/asan */
	assert_int_equal(access(py, R_OK), 0);
	memset(&rows, 0, sizeof(rows));
	open_vault(&v, 0);
	vault_get_or_make(&v, &rng, "pepper/1", 32, emit, &rows);
	vault_get_or_make(&v, &rng, VAULT_FPRINT, 33, emit, &rows);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	fp = fopen(path, "w");
	assert_non_null(fp);
	fprintf(fp, "%s\n", DEK_TEXT);
	fclose(fp);
	snprintf(path, sizeof(path), "%s/rows", dir);
	fp = fopen(path, "w");
	assert_non_null(fp);
	for (i = 0; i < rows.n; i++)
		fprintf(fp, "%s %s\n", rows.name[i], rows.value[i]);
	fclose(fp);
	snprintf(cmd, sizeof(cmd), "python3 %s %s/key %s/rows", py, dir, dir);
	fp = popen(cmd, "r");
	assert_non_null(fp);
	for (i = 0; i < rows.n; i++) {
		assert_non_null(fgets(line, sizeof(line), fp));
		snprintf(want, sizeof(want), "%s ", rows.name[i]);
		hex_encode(want + strlen(want), sizeof(want) - strlen(want),
		    secret_bytes(vault_get(&v, rows.name[i])),
		    secret_len(vault_get(&v, rows.name[i])));
		strcat(want, "\n");
		assert_string_equal(line, want);
	}
	assert_int_equal(pclose(fp), 0);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
	vault_close(&v);
}

/* ---- wycheproof --------------------------------------------------------- */

static size_t
field(json_t *t, const char *name, uint8_t *out, size_t size)
{
	const char	*s;
	ssize_t		 n;

	s = json_string_value(json_object_get(t, name));
	assert_non_null(s);
	n = hex_decode(out, size, s, strlen(s));
	assert_true(n >= 0);
	return (size_t)n;
}

static void
one_vector(struct vault *v, json_t *t)
{
	uint8_t		 key[32], iv[12], aad[1024], msg[1024], ct[1024];
	uint8_t		 tag[16], out[1024], mytag[16];
	size_t		 aadlen, len;
	int		 valid;

	field(t, "key", key, sizeof(key));
	field(t, "iv", iv, sizeof(iv));
	aadlen = field(t, "aad", aad, sizeof(aad));
	len = field(t, "msg", msg, sizeof(msg));
	assert_int_equal(field(t, "ct", ct, sizeof(ct)), len);
	field(t, "tag", tag, sizeof(tag));
	valid = strcmp(json_string_value(json_object_get(t, "result")),
	    "valid") == 0;
	assert_int_equal(vault_gcm_open(v, key, iv, aad, aadlen, ct, len, tag,
	    out), valid ? 0 : -1);
	if (!valid)
		return;
	assert_memory_equal(out, msg, len);
	assert_int_equal(vault_gcm_seal(v, key, iv, aad, aadlen, msg, len,
	    out, mytag), 0);
	assert_memory_equal(out, ct, len);
	assert_memory_equal(mytag, tag, 16);
}

static void
test_wycheproof(void **state)
{
	char		 path[1024];
	const char	*dir;
	struct vault	 v;
	json_error_t	 err;
	json_t		*root, *groups, *g, *tests;
	size_t		 i, k, n;

	(void)state;
	dir = getenv("TESTDATA");
	snprintf(path, sizeof(path), "%s/wycheproof/aes_gcm_test.json",
	    dir != NULL ? dir : "../shared/testdata");
	root = json_load_file(path, 0, &err);
	if (root == NULL) {
		print_message("# SKIP wycheproof: %s is not there\n", path);
		return;
	}
	open_vault(&v, 0);
	n = 0;
	groups = json_object_get(root, "testGroups");
	for (i = 0; i < json_array_size(groups); i++) {
		g = json_array_get(groups, i);
		if (json_integer_value(json_object_get(g, "ivSize")) != 96 ||
		    json_integer_value(json_object_get(g, "keySize")) != 256 ||
		    json_integer_value(json_object_get(g, "tagSize")) != 128)
			continue;
		tests = json_object_get(g, "tests");
		for (k = 0; k < json_array_size(tests); k++, n++)
			one_vector(&v, json_array_get(tests, k));
	}
	assert_true(n >= 60);
	print_message("# wycheproof: %zu vectors of AES-256-GCM\n", n);
	json_decref(root);
	vault_close(&v);
}

/* ---- NIST --------------------------------------------------------------- */

#define NIST	"/usr/lib/python3/dist-packages/cryptography_vectors/"	\
		"ciphers/AES/GCM/"

struct nist {
	uint8_t	 key[32], iv[128], pt[512], aad[512], ct[512], tag[16];
	size_t	 ivlen, ptlen, aadlen, ctlen, taglen;
};

/* "NAME = HEX": into the vector; 1 if it was NAME. */
static int
nist_field(const char *line, const char *name, uint8_t *out, size_t size,
    size_t *len)
{
	char	 head[16];
	ssize_t	 n;
	size_t	 end;

	snprintf(head, sizeof(head), "%s = ", name);
	if (strncmp(line, head, strlen(head)) != 0)
		return 0;
	line += strlen(head);
	end = strcspn(line, "\r\n");
	n = end == 0 ? 0 : hex_decode(out, size, line, end);
	assert_true(n >= 0);
	*len = (size_t)n;
	return 1;
}

/* Our lengths only: 96 bits of nonce, 128 of tag. */
static size_t
nist_one(struct vault *v, const struct nist *n, int encrypt, int valid)
{
	uint8_t	 out[512], tag[16];

	if (n->ivlen != 12 || n->taglen != 16)
		return 0;
	assert_int_equal(vault_gcm_open(v, n->key, n->iv, n->aad, n->aadlen,
	    n->ct, n->ctlen, n->tag, out), valid ? 0 : -1);
	if (!valid)
		return 1;
	assert_memory_equal(out, n->pt, n->ptlen);
	if (!encrypt)
		return 1;
	assert_int_equal(vault_gcm_seal(v, n->key, n->iv, n->aad, n->aadlen,
	    n->pt, n->ptlen, out, tag), 0);
	assert_memory_equal(out, n->ct, n->ctlen);
	assert_memory_equal(tag, n->tag, 16);
	return 1;
}

/*
 * A vector ends with its tag (encrypt), or with its plaintext or FAIL behind
 * the tag (decrypt).
 */
static size_t
nist_file(struct vault *v, const char *path, int encrypt)
{
	static struct nist	 n;
	char			 line[2048];
	size_t			 len, count;
	FILE			*fp;

	fp = fopen(path, "r");
	if (fp == NULL)
		fail_msg("%s: install python3-cryptography-vectors", path);
	for (count = 0; fgets(line, sizeof(line), fp) != NULL;) {
		nist_field(line, "Key", n.key, sizeof(n.key), &len);
		nist_field(line, "IV", n.iv, sizeof(n.iv), &n.ivlen);
		nist_field(line, "AAD", n.aad, sizeof(n.aad), &n.aadlen);
		nist_field(line, "CT", n.ct, sizeof(n.ct), &n.ctlen);
		if (nist_field(line, "Tag", n.tag, sizeof(n.tag),
		    &n.taglen) && encrypt)
			count += nist_one(v, &n, 1, 1);
		if (nist_field(line, "PT", n.pt, sizeof(n.pt), &n.ptlen) &&
		    !encrypt)
			count += nist_one(v, &n, 0, 1);
		if (strncmp(line, "FAIL", 4) == 0)
			count += nist_one(v, &n, 0, 0);
	}
	fclose(fp);
	return count;
}

static void
test_nist(void **state)
{
	struct vault	 v;
	size_t		 sealed, opened;

	(void)state;
	open_vault(&v, 0);
	sealed = nist_file(&v, NIST "gcmEncryptExtIV256.rsp", 1);
	opened = nist_file(&v, NIST "gcmDecrypt256.rsp", 0);
	print_message("# NIST: %zu sealed and opened, %zu opened or refused\n",
	    sealed, opened);
	assert_true(sealed >= 300 && opened >= 300);
	vault_close(&v);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_nist),
		cmocka_unit_test(test_wycheproof)
	};

	if (secret_pool(32) == -1) {
		perror("secret_pool");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
