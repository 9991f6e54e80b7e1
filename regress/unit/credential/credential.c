/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/broker/credential.h"

#define DEK_TEXT	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static char	err[CREDENTIAL_ERR];

static int
set(struct creds *c, const char *name, const char *value)
{
	struct secret	*s;

	s = value == NULL ? NULL : secret_dup(value, strlen(value));
	return credential_set(c, SRC_ENV, name, &s, err, sizeof(err));
}

/* Feeds in pieces of n bytes. */
static int
file(struct creds *c, const char *path, const char *text, size_t n)
{
	size_t	 i, len;

	len = strlen(text);
	assert_int_equal(credential_file_begin(c, path), 0);
	for (i = 0; i < len; i += n)
		credential_file_feed(c, text + i, len - i < n ? len - i : n);
	return credential_file_end(c, err, sizeof(err));
}

static void
is(struct creds *c, const char *name, const char *want)
{
	const uint8_t	*p;
	size_t		 len;

	assert_int_equal(credential_find(c, name, &p, &len), CRED_OK);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(p, want, len);
}

static void
not(struct creds *c, const char *name, enum credential_state want)
{
	const uint8_t	*p;
	size_t		 len;

	assert_int_equal(credential_find(c, name, &p, &len), want);
	assert_null(p);
}

static void
test_single(void **state)
{
	struct creds	*c;
	char		 big[CREDENTIAL_MAX + 3], text[512];

	(void)state;
	c = credential_new();
	not(c, "OPENAI_API_KEY", CRED_ABSENT);
	assert_int_equal(set(c, "OPENAI_API_KEY", "sk-one\n"), 0);
	is(c, "OPENAI_API_KEY", "sk-one");
	assert_int_equal(set(c, "OPENAI_API_KEY", "sk-two\n\n"), 0);
	not(c, "OPENAI_API_KEY", CRED_BAD);
	assert_int_equal(set(c, "OPENAI_API_KEY", "sk\x01"), 0);
	not(c, "OPENAI_API_KEY", CRED_BAD);
	assert_int_equal(set(c, "OPENAI_API_KEY", ""), 0);
	not(c, "OPENAI_API_KEY", CRED_ABSENT);
	assert_int_equal(set(c, "OPENAI_API_KEY", "tp_dev_x"), 0);
	not(c, "OPENAI_API_KEY", CRED_TP);
	credential_explain(c, "OPENAI_API_KEY", text, sizeof(text));
	assert_non_null(strstr(text, "OPENAI_API_KEY (environment) holds a "
	    "proxyd key"));
	memset(big, 'k', sizeof(big));
	big[CREDENTIAL_MAX] = '\0';
	assert_int_equal(set(c, "A", big), 0);
	is(c, "A", big);
	big[CREDENTIAL_MAX] = 'k';
	big[CREDENTIAL_MAX + 1] = '\0';
	assert_int_equal(set(c, "A", big), 0);
	not(c, "A", CRED_BAD);
	credential_explain(c, "A", text, sizeof(text));
	assert_null(strstr(text, "kkk"));
	assert_int_equal(set(c, "A", NULL), 0);
	not(c, "A", CRED_ABSENT);
	assert_int_equal(set(c, "", "x"), -1);
	credential_free(c);
	assert_int_equal(secret_in_use(), 0);
}

static void
test_grammar(void **state)
{
	static const char	 text[] =
	    "# comment\n"
	    "\n"
	    "  \t\n"
	    "PLAIN=abc\n"
	    "export EXPORTED=def\n"
	    "export\tTAB=x\n"
	    "EMPTY=\n"
	    "EMPTYQ=\"\"\n"
	    "DOUBLE=\"a b \\\"c\\\" \\$HOME \\\\ #x\"  # note\n"
	    "SINGLE='a $b \\n \"q\"'\n"
	    "COMMENT=abc # not part\n"
	    "HASH=abc#part\n"
	    "SPACE=a b  \n"
	    "DOLLAR=$OTHER\n"
	    "EQUALS=a=b==\n"
	    "CR=value\r\n"
	    "LEAD=  x\n"
	    "exportx=1\n"
	    "export=2\n"
	    "TWICE=1\n"
	    "TWICE=2\n"
	    "GONE=1\n"
	    "GONE=\n"
	    "LAST=end";
	struct creds	*c;
	size_t		 n;

	(void)state;
	for (n = 1; n < sizeof(text); n += n < 20 ? 1 : 97) {
		c = credential_new();
		assert_int_equal(file(c, ".env", text, n), 0);
		is(c, "PLAIN", "abc");
		is(c, "EXPORTED", "def");
		is(c, "TAB", "x");
		not(c, "EMPTY", CRED_ABSENT);
		not(c, "EMPTYQ", CRED_ABSENT);
		is(c, "DOUBLE", "a b \"c\" $HOME \\ #x");
		is(c, "SINGLE", "a $b \\n \"q\"");
		is(c, "COMMENT", "abc");
		is(c, "HASH", "abc#part");
		is(c, "SPACE", "a b");
		is(c, "DOLLAR", "$OTHER");
		is(c, "EQUALS", "a=b==");
		is(c, "CR", "value");
		is(c, "LEAD", "x");
		is(c, "exportx", "1");
		is(c, "export", "2");
		is(c, "TWICE", "2");
		not(c, "GONE", CRED_ABSENT);
		is(c, "LAST", "end");
		credential_free(c);
	}
	assert_int_equal(secret_in_use(), 0);
}

/* Wrong lines name file and line, never a value, and change nothing. */
static void
test_errors(void **state)
{
	static const char *const	 bad[] = {
		"just words SECRETVALUE", "=SECRETVALUE", "1A=SECRETVALUE",
		"A =SECRETVALUE", "A", "A=\"SECRETVALUE", "A='SECRETVALUE",
		"A=\"SECRETVALUE\"x", "A=\"SECRETVALUE\"#x", "A=SECRET\"VALUE",
		"A-B=SECRETVALUE", "export", "A='it''s SECRETVALUE'"
	};
	struct creds	*c;
	char		 text[256];
	char		*big;
	size_t		 i;
	uint64_t	 version;

	(void)state;
	c = credential_new();
	assert_int_equal(file(c, "/x/.env", "K=good\n", 100), 0);
	version = credential_version(c);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "K=new\n\n%s\nL=1\n", bad[i]);
		assert_int_equal(file(c, "/x/.env", text, 100), -1);
		assert_memory_equal(err, "/x/.env:3: ", 11);
		assert_null(strstr(err, "SECRET"));
		assert_null(strstr(err, "VALUE"));
		is(c, "K", "good");
	}
	assert_int_equal(credential_version(c), version);
	/* A NUL, a line too long, a file too long, too many names. */
	assert_int_equal(credential_file_begin(c, "/x/.env"), 0);
	credential_file_feed(c, "A=a\0b\n", 6);
	assert_int_equal(credential_file_end(c, err, sizeof(err)), -1);
	big = malloc(CREDENTIAL_FILE + 2);
	assert_non_null(big);
	memset(big, '#', CREDENTIAL_FILE + 1);
	big[CREDENTIAL_FILE + 1] = '\0';
	assert_int_equal(file(c, "/x/.env", big, 4096), -1);
	assert_string_equal(err, "/x/.env:1: the line is too long");
	for (i = 79; i <= CREDENTIAL_FILE; i += 80)
		big[i] = '\n';
	assert_int_equal(file(c, "/x/.env", big, 4096), -1);
	assert_non_null(strstr(err, "longer than 64 KiB"));
	big[CREDENTIAL_FILE] = '\0';
	assert_int_equal(file(c, "/y/.env", big, 4096), 0);
	big[0] = '\0';
	for (i = 0; i <= CREDENTIAL_VARS; i++)
		snprintf(big + strlen(big), 20, "V%zu=x\n", i);
	assert_int_equal(file(c, "/x/.env", big, 4096), -1);
	assert_string_equal(err, "/x/.env:257: more than 256 variables");
	is(c, "K", "good");
	assert_int_equal(credential_file_end(c, err, sizeof(err)), -1);
	free(big);
	credential_free(c);
	assert_int_equal(secret_in_use(), 0);
}

static void
test_precedence(void **state)
{
	struct creds	*c;

	(void)state;
	c = credential_new();
	assert_int_equal(file(c, "a.env", "K=a\nONLY=a\nT=sk-a\n", 7), 0);
	assert_int_equal(file(c, "b.env", "K=b\n", 7), 0);
	is(c, "K", "b");
	is(c, "ONLY", "a");
	assert_int_equal(file(c, "a.env", "K=a2\n", 7), 0);
	is(c, "K", "b");
	/* What it does not say any more stays, and is named. */
	is(c, "ONLY", "a");
	assert_non_null(strstr(err, "a.env: it has no value for ONLY"));
	assert_int_equal(file(c, "a.env", "K=a2\nONLY=b\nT=sk-a\n", 7), 0);
	assert_string_equal(err, "");
	is(c, "ONLY", "b");
	assert_int_equal(file(c, "a.env", "K=a2\n", 7), 0);
	assert_int_equal(credential_drop_kept(c, "ONLY"), 1);
	not(c, "ONLY", CRED_ABSENT);
	assert_int_equal(set(c, "K", "env"), 0);
	is(c, "K", "env");
	/* A proxyd key in the environment does not hide the real one. */
	assert_int_equal(set(c, "K", "tp_dev_mine"), 0);
	is(c, "K", "b");
	assert_int_equal(set(c, "K", ""), 0);
	is(c, "K", "b");
	credential_file_gone(c, "b.env");
	is(c, "K", "a2");
	credential_file_gone(c, "b.env");
	credential_file_gone(c, "a.env");
	not(c, "K", CRED_ABSENT);
	credential_free(c);
	assert_int_equal(secret_in_use(), 0);
}

/* The fullest file that fits: slots are bounded. */
static void
test_full_file(void **state)
{
	struct creds	*c;
	char		*text, name[16], want[2100];
	size_t		 i;

	(void)state;
	c = credential_new();
	text = calloc(1, CREDENTIAL_FILE + 1);
	assert_non_null(text);
	memset(want, 'v', sizeof(want));
	want[2040] = '\0';
	for (i = 0; i < 32; i++)
		sprintf(text + strlen(text), "N%zu=%s\n", i, want);
	assert_int_equal(file(c, ".env", text, 4096), 0);
	for (i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "N%zu", i);
		is(c, name, want);
	}
	/* ... and one for each name that was asked for. */
	assert_true(secret_in_use() <= 34 + 32);
	free(text);
	credential_free(c);
}

static int
special(struct creds *c, enum credential_what what, const char *want)
{
	struct secret	*s;
	int		 rv;

	rv = credential_special(c, what, &s, err, sizeof(err));
	if (rv == 1 && want != NULL) {
		assert_int_equal(secret_len(s), strlen(want));
		assert_memory_equal(secret_bytes(s), want, strlen(want));
	} else if (rv != 1)
		assert_null(s);
	secret_free(&s);
	return rv;
}

static void
test_special(void **state)
{
	struct creds	*c;
	struct secret	*s;

	(void)state;
	c = credential_new();
	assert_int_equal(special(c, CRED_VAULTKEY, NULL), 0);
	assert_int_equal(special(c, CRED_ADMINKEY, NULL), 0);
	s = secret_dup(DEK_TEXT "\n", VAULT_KEY_TEXT + 1);
	assert_int_equal(credential_set(c, SRC_VAULTKEY_FILE, "vault.key", &s,
	    err, sizeof(err)), 0);
	assert_int_equal(special(c, CRED_VAULTKEY, NULL), 1);
	assert_int_equal(set(c, "TAPPASS_VAULT_KEY", DEK_TEXT "\n"), 0);
	assert_int_equal(special(c, CRED_VAULTKEY, NULL), -1);
	assert_non_null(strstr(err, "TAPPASS_VAULT_KEY"));
	assert_int_equal(set(c, "TAPPASS_VAULT_KEY", DEK_TEXT), 0);
	assert_int_equal(special(c, CRED_VAULTKEY, NULL), 1);
	assert_int_equal(set(c, "TAPPASS_VAULT_KEY", "short"), 0);
	assert_int_equal(special(c, CRED_VAULTKEY, NULL), -1);
	assert_null(strstr(err, "short"));

	assert_int_equal(set(c, "TAPPASS_ADMIN_KEY", "tp_admin_0123456789x"),
	    0);
	assert_int_equal(special(c, CRED_ADMINKEY, "tp_admin_0123456789x"),
	    1);
	assert_int_equal(set(c, "TAPPASS_ADMIN_API_KEY",
	    "tp_admin_0123456789x"), 0);
	assert_int_equal(special(c, CRED_ADMINKEY, NULL), 1);
	assert_int_equal(set(c, "TAPPASS_ADMIN_API_KEY",
	    "tp_admin_0123456789y"), 0);
	assert_int_equal(special(c, CRED_ADMINKEY, NULL), -1);
	assert_non_null(strstr(err, "differ"));
	assert_int_equal(set(c, "TAPPASS_ADMIN_KEY", NULL), 0);
	assert_int_equal(special(c, CRED_ADMINKEY, "tp_admin_0123456789y"),
	    1);
	assert_int_equal(set(c, "TAPPASS_ADMIN_API_KEY", "admin"), 0);
	assert_int_equal(special(c, CRED_ADMINKEY, NULL), -1);
	credential_free(c);
	assert_int_equal(secret_in_use(), 0);
}

static void
zeros(void *arg, void *buf, size_t len)
{
	(void)arg;
	memset(buf, 0, len);
}

static int
emit(void *arg, uint8_t kind, const void *id, size_t idlen,
    const void *value, size_t len)
{
	(void)arg;
	(void)kind;
	(void)id;
	(void)idlen;
	(void)value;
	(void)len;
	return 0;
}

static void
test_fingerprint(void **state)
{
	/* HMAC-SHA256, key of 32 zeros, "sk-one"; by python3. */
	static const uint8_t	 want[8] = { 
		0xbd, 0xa4, 0xd7, 0x0a, 0x4a, 0xc8, 0x09, 0xee
	 };
	static const char *const names[] = { "OPENAI_API_KEY", "NONE" };
	const struct rng	 rng = { zeros, NULL };
	uint8_t			 fp[CREDENTIAL_FPRINT];
	char			 text[512];
	struct vault		 v;
	struct secret		*dek;
	struct creds		*c;
	size_t			 len;

	(void)state;
	dek = secret_new(VAULT_KEY);
	memset(secret_bytes(dek), 7, VAULT_KEY);
	assert_int_equal(vault_init(&v, &dek), 0);
	assert_int_equal(credential_fingerprint(&v, "x", 1, fp), -1);
	vault_get_or_make(&v, &rng, VAULT_FPRINT, 32, emit, NULL);
	assert_int_equal(credential_fingerprint(&v, "sk-one", 6, fp), 0);
	assert_memory_equal(fp, want, 8);
	c = credential_new();
	set(c, "OPENAI_API_KEY", "sk-one");
	len = credential_names(c, &v, names, 2, text, sizeof(text));
	assert_int_equal(len, strlen(text));
	assert_null(strstr(text, "sk-one"));
	assert_string_equal(text, "OPENAI_API_KEY  environment  "
	    "bda4d70a4ac809ee\nNONE is not set\n");
	credential_free(c);
	vault_close(&v);
	assert_int_equal(secret_in_use(), 0);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_full_file),
		cmocka_unit_test(test_special),
		cmocka_unit_test(test_fingerprint)
	};

	if (secret_pool(128) == -1) {
		perror("secret_pool");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
