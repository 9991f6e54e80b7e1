/* SPDX-License-Identifier: ISC */
/*
 * Many vault values for a test, and whether each can still be read: written
 * from vault-format(5) with libcrypto alone, none of the project's code.
 *
 *	sweepcheck gen KEYFILE N LIST > LINES
 *		N legacy ciphertexts for "proxyctl vault import"; names and
 *		plaintexts go to LIST, which the test keeps
 *	sweepcheck check DATABASE LIST KEYFILE...
 *		opens every value of LIST under one of the keys and compares;
 *		prints "good N bad N" and how many each key has; 0 if none is bad
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sqlite3.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS	4
#define KIND	"128"

struct key {
	uint8_t		 dek[32];
	char		 kid[14];
	unsigned long	 n;
};

static EVP_CIPHER_CTX	*ctx;

static void
die(const char *what)
{
	fprintf(stderr, "sweepcheck: %s\n", what);
	exit(2);
}

static void
hmac(const uint8_t *key, size_t keylen, const void *p, size_t len,
    uint8_t out[32])
{
	unsigned int	 n;

	if (HMAC(EVP_sha256(), key, (int)keylen, p, len, out, &n) == NULL)
		die("HMAC");
}

/* HKDF-Expand, at most 64 bytes. */
static void
expand(const uint8_t prk[32], const uint8_t *info, size_t len, uint8_t *out,
    size_t want)
{
	uint8_t	 in[32 + 64 + 1], t[32];

	memcpy(in, info, len);
	in[len] = 1;
	hmac(prk, 32, in, len + 1, t);
	memcpy(out, t, want < 32 ? want : 32);
	if (want <= 32)
		return;
	memcpy(in, t, 32);
	memcpy(in + 32, info, len);
	in[32 + len] = 2;
	hmac(prk, 32, in, 32 + len + 1, t);
	memcpy(out + 32, t, want - 32);
}

static void
key_load(struct key *k, const char *path)
{
	static const char	 abc[] = "abcdefghijklmnopqrstuvwxyz234567";
	static const uint8_t	 zero[32];
	char			 text[64];
	uint8_t			 raw[48], prk[32], id[8];
	uint64_t		 v;
	FILE			*f;
	int			 i;

	if ((f = fopen(path, "r")) == NULL ||
	    fgets(text, sizeof(text), f) == NULL)
		die(path);
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) != 44 || EVP_DecodeBlock(raw, (uint8_t *)text,
	    44) != 33)
		die("a key is 44 characters of base64");
	memcpy(k->dek, raw, 32);
	hmac(zero, 32, k->dek, 32, prk);
	expand(prk, (const uint8_t *)"tappass kid v1", 14, id, 8);
	for (v = 0, i = 0; i < 8; i++)
		v = v << 8 | id[i];
	for (i = 0; i < 12; i++)
		k->kid[i] = abc[v >> (59 - 5 * i) & 31];
	k->kid[12] = abc[v << 1 & 31];
	k->kid[13] = '\0';
	k->n = 0;
}

/* ---- gen --------------------------------------------------------------- */
static int
gen(const struct key *k, unsigned long n, FILE *list)
{
	uint8_t		 rnd[24], blob[12 + 96 + 16], text[256];
	char		 value[96];
	unsigned long	 i;
	int		 len, m;

	for (i = 0; i < n; i++) {
		if (RAND_bytes(rnd, sizeof(rnd)) != 1)
			die("random bytes");
		len = snprintf(value, sizeof(value), "sv-%lu-%016llx%016llx", i,
		    *(unsigned long long *)(void *)rnd,
		    *(unsigned long long *)(void *)(rnd + 8));
		memcpy(blob, rnd + 12, 12);
		if (EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->dek,
		    blob) != 1 ||
		    EVP_EncryptUpdate(ctx, blob + 12, &m, (uint8_t *)value,
		    len) != 1 ||
		    EVP_EncryptFinal_ex(ctx, blob + 12 + len, &m) != 1 ||
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16,
		    blob + 12 + len) != 1)
			die("encryption");
		EVP_EncodeBlock(text, blob, 12 + len + 16);
		printf("VALUE_%07lu\tv1:%s\n", i, text);
		fprintf(list, "VALUE_%07lu\t%s\n", i, value);
	}
	return 0;
}

/* ---- check ------------------------------------------------------------- */
static size_t
field(uint8_t *p, const void *q, size_t len)
{
	p[0] = p[1] = p[2] = 0;
	p[3] = (uint8_t)len;
	memcpy(p + 4, q, len);
	return 4 + len;
}

static size_t
aad_of(uint8_t *p, const struct key *k, const char *id)
{
	size_t	 n;

	n = field(p, "tappass-vault", 13);
	n += field(p + n, "v1", 2);
	n += field(p + n, k->kid, 13);
	n += field(p + n, "vault", 5);
	n += field(p + n, "\0\0\0\1", 4);
	n += field(p + n, id, strlen(id));
	n += field(p + n, "value", 5);
	return n;
}

/* base64url without padding; its length, -1. */
static int
unbase64(const char *s, size_t len, uint8_t *out)
{
	char	 std[8192];
	size_t	 i, pad;
	int	 n;

	if (len + 4 > sizeof(std))
		return -1;
	for (i = 0; i < len; i++)
		std[i] = s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];
	for (pad = 0; (len + pad) % 4 != 0; pad++)
		std[len + pad] = '=';
	n = EVP_DecodeBlock(out, (uint8_t *)std, (int)(len + pad));
	return n == -1 ? -1 : n - (int)pad;
}

/* Does the text open under its key to exactly this value? */
static int
opens(struct key *keys, int nkeys, const char *id, const char *text,
    size_t len, const char *value)
{
	uint8_t		 blob[8192], plain[8192], okm[48], info[46], aad[512];
	struct key	*k;
	int		 i, n, m, ct;

	k = NULL;
	for (i = 0; i < nkeys; i++)
		if (len > 17 && memcmp(text, "v1:", 3) == 0 &&
		    memcmp(text + 3, keys[i].kid, 13) == 0 && text[16] == ':')
			k = &keys[i];
	if (k == NULL || (n = unbase64(text + 17, len - 17, blob)) < 77)
		return 0;
	memcpy(info, "tappass rec v1", 14);
	memcpy(info + 14, blob + 16, 32);
	expand(k->dek, info, sizeof(info), okm, sizeof(okm));
	if (memcmp(okm + 32, blob, 16) != 0)
		return 0;
	ct = n - 76;
	if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, okm,
	    blob + 48) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &m, aad, (int)aad_of(aad, k,
	    id)) != 1 ||
	    EVP_DecryptUpdate(ctx, plain, &m, blob + 60, ct) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, 16,
	    blob + n - 16) != 1 ||
	    EVP_DecryptFinal_ex(ctx, plain + m, &m) != 1)
		return 0;
	k->n++;
	/* the first eight bytes say when it was stored */
	return (size_t)ct == 8 + strlen(value) &&
	    memcmp(plain + 8, value, strlen(value)) == 0;
}

static int
check(const char *db, FILE *list, struct key *keys, int nkeys)
{
	char		 line[4096], id[128], *value;
	unsigned long	 good, bad;
	sqlite3_stmt	*st;
	sqlite3		*s;
	int		 i;

	if (sqlite3_open(db, &s) != SQLITE_OK || sqlite3_prepare_v2(s,
	    "SELECT value FROM state WHERE kind = " KIND " AND id = ?1", -1,
	    &st, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(s));
	good = bad = 0;
	while (fgets(line, sizeof(line), list) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if ((value = strchr(line, '\t')) == NULL)
			die("the list has another form");
		*value++ = '\0';
		snprintf(id, sizeof(id), "key/%.100s", line);
		sqlite3_bind_blob(st, 1, id, (int)strlen(id), SQLITE_STATIC);
		if (sqlite3_step(st) == SQLITE_ROW && opens(keys, nkeys, id,
		    sqlite3_column_blob(st, 0),
		    (size_t)sqlite3_column_bytes(st, 0), value))
			good++;
		else if (bad++ < 5)
			fprintf(stderr, "sweepcheck: %s cannot be read\n", id);
		sqlite3_reset(st);
	}
	printf("good %lu bad %lu", good, bad);
	for (i = 0; i < nkeys; i++)
		printf(" %s %lu", keys[i].kid, keys[i].n);
	printf("\n");
	return bad != 0 || good == 0;
}

int
main(int argc, char **argv)
{
	struct key	 keys[KEYS];
	FILE		*list;
	int		 i, n;

	ctx = EVP_CIPHER_CTX_new();
	if (argc == 5 && strcmp(argv[1], "gen") == 0) {
		key_load(&keys[0], argv[2]);
		if ((list = fopen(argv[4], "w")) == NULL)
			die(argv[4]);
		i = gen(&keys[0], strtoul(argv[3], NULL, 10), list);
		return fclose(list) != 0 || fflush(stdout) != 0 ? 2 : i;
	}
	if (argc < 5 || argc - 4 > KEYS || strcmp(argv[1], "check") != 0)
		die("usage: gen KEYFILE N LIST, or check DATABASE LIST "
		    "KEYFILE...");
	n = argc - 4;
	for (i = 0; i < n; i++)
		key_load(&keys[i], argv[4 + i]);
	if ((list = fopen(argv[3], "r")) == NULL)
		die(argv[3]);
	return check(argv[2], list, keys, n);
}
