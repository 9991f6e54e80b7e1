/* SPDX-License-Identifier: ISC */
/*
 * Sources of secrets and look-ups in them, see credential.h.  A file's values
 * are packed one after the other into secret slots, since a .env may have more
 * variables than the pool has slots; single values have a slot each.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "common/token/token.h"
#include "keybrokerd/broker/credential.h"
#include "keybrokerd/broker/envfile.h"

#define SINGLES		64		/* variables that come one by one */
#define FILES		8
/* Two slots in a row hold more than one slot's bytes: 2 * 64 KiB / 4064 + 2. */
#define FILE_SLOTS	35
#define PATH_LEN	512

static const char	vault_name[] = "TAPPASS_VAULT_KEY";
static const char	admin_name[] = "TAPPASS_ADMIN_API_KEY";
static const char	admin_second[] = "TAPPASS_ADMIN_KEY";

/* A value in a slot, which may be shared with its neighbours. */
struct value {
	char		 name[CREDENTIAL_NAME];
	struct secret	*slot;		/* NULL: empty or bad */
	uint16_t	 off, len;
	uint8_t		 bad;		/* too long or control characters */
};

struct file {
	char		 path[PATH_LEN];	/* "" free */
	struct secret	*slot[FILE_SLOTS];
	size_t		 nslots, fill;		/* fill: of the last slot */
	struct value	 value[CREDENTIAL_VARS];
	size_t		 n;
};

struct creds {
	struct value	 single[SINGLES];	/* each owns its slot */
	size_t		 nsingle;
	struct secret	*keyfile;		/* vault key file's text */
	struct file	*file[FILES];		/* in order of arrival */
	size_t		 nfiles;
	/* the file that is being read */
	struct file	*stage;
	struct secret	*line;
	size_t		 linelen, bytes;
	unsigned int	 lineno;
	char		 err[CREDENTIAL_ERR];
	uint64_t	 version;
};

static void
file_free(struct file *f)
{
	size_t	 i;

	if (f == NULL)
		return;
	for (i = 0; i < f->nslots; i++)
		secret_free(&f->slot[i]);
	free(f);
}

struct creds *
credential_new(void)
{
	return calloc(1, sizeof(struct creds));
}

void
credential_free(struct creds *c)
{
	size_t	 i;

	if (c == NULL)
		return;
	for (i = 0; i < c->nsingle; i++)
		secret_free(&c->single[i].slot);
	for (i = 0; i < c->nfiles; i++)
		file_free(c->file[i]);
	file_free(c->stage);
	secret_free(&c->keyfile);
	secret_free(&c->line);
	free(c);
}

uint64_t
credential_version(const struct creds *c)
{
	return c->version;
}

/* A value that no header can carry, or that no provider ever gave out. */
static int
bad_value(const uint8_t *p, size_t len)
{
	size_t	 i;

	if (len > CREDENTIAL_MAX)
		return 1;
	for (i = 0; i < len; i++)
		if (p[i] < ' ' || p[i] >= 0x7f)
			return 1;
	return 0;
}

/* ---- single values ------------------------------------------------------ */

static struct value *
single_find(const struct creds *c, const char *name)
{
	size_t	 i;

	for (i = 0; i < c->nsingle; i++)
		if (strcmp(c->single[i].name, name) == 0)
			return (struct value *)(uintptr_t)&c->single[i];
	return NULL;
}

static void
single_store(struct value *v, struct secret **s)
{
	size_t	 len;

	secret_free(&v->slot);
	v->bad = 0;
	v->off = v->len = 0;
	if (*s == NULL)
		return;
	len = secret_len(*s);
	/* The vault key's form is exact: a newline is the file's alone. */
	if (len > 0 && secret_bytes(*s)[len - 1] == '\n' &&
	    strcmp(v->name, vault_name) != 0)
		len--;
	v->bad = (uint8_t)bad_value(secret_bytes(*s), len);
	if (v->bad || len == 0) {
		secret_free(s);
		return;
	}
	v->len = (uint16_t)len;
	v->slot = *s;
	*s = NULL;
}

int
credential_set(struct creds *c, enum proto_source kind, const char *name,
    struct secret **value, char *err, size_t size)
{
	struct value	*v;

	err[0] = '\0';
	if (kind == SRC_VAULTKEY_FILE) {
		secret_free(&c->keyfile);
		c->keyfile = *value;
		*value = NULL;
		c->version++;
		return 0;
	}
	v = single_find(c, name);
	if (v == NULL && (kind == SRC_ENVFILE || name[0] == '\0' ||
	    strlen(name) >= CREDENTIAL_NAME)) {
		snprintf(err, size, "not the name of a variable");
		secret_free(value);
		errno = EINVAL;
		return -1;
	}
	if (v == NULL && c->nsingle == SINGLES) {
		snprintf(err, size, "%s: more than %d variables", name,
		    SINGLES);
		secret_free(value);
		errno = ENOSPC;
		return -1;
	}
	if (v == NULL) {
		v = &c->single[c->nsingle++];
		strlcpy(v->name, name, sizeof(v->name));
	}
	single_store(v, value);
	c->version++;
	return 0;
}

/* ---- files -------------------------------------------------------------- */

int
credential_file_begin(struct creds *c, const char *path)
{
	file_free(c->stage);
	c->err[0] = '\0';
	c->linelen = c->bytes = 0;
	c->lineno = 1;
	c->stage = calloc(1, sizeof(*c->stage));
	if (c->line == NULL)
		c->line = secret_new(SECRET_MAX);
	if (c->stage == NULL || c->line == NULL) {
		file_free(c->stage);
		c->stage = NULL;
		secret_free(&c->line);
		errno = ENOMEM;
		return -1;
	}
	strlcpy(c->stage->path, path, sizeof(c->stage->path));
	return 0;
}

/* The first error of a file is the one that is told. */
static void
file_error(struct creds *c, const char *why)
{
	if (c->err[0] == '\0')
		snprintf(c->err, sizeof(c->err), "%.160s:%u: %s",
		    c->stage->path, c->lineno, why);
}

/* Copies a value behind the others; 0, or -1: no slot. */
static int
file_pack(struct file *f, struct value *v, const char *p, size_t len)
{
	if (f->nslots == 0 || f->fill + len > SECRET_MAX) {
		if (f->nslots == FILE_SLOTS)
			return -1;
		f->slot[f->nslots] = secret_new(SECRET_MAX);
		if (f->slot[f->nslots] == NULL)
			return -1;
		f->nslots++;
		f->fill = 0;
	}
	v->slot = f->slot[f->nslots - 1];
	v->off = (uint16_t)f->fill;
	v->len = (uint16_t)len;
	memcpy(secret_bytes(v->slot) + f->fill, p, len);
	f->fill += len;
	return 0;
}

static struct value *
file_find(const struct file *f, const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < f->n; i++)
		if (strncmp(f->value[i].name, name, len) == 0 &&
		    f->value[i].name[len] == '\0')
			return (struct value *)(uintptr_t)&f->value[i];
	return NULL;
}

/* The line in c->line is complete. */
static void
file_line(struct creds *c)
{
	struct envfile_line	 l;
	struct value		*v;
	const char		*why;

	why = envfile_parse((char *)secret_bytes(c->line), c->linelen,
	    CREDENTIAL_NAME, &l);
	if (why != NULL) {
		file_error(c, why);
		return;
	}
	if (l.name == NULL)
		return;
	v = file_find(c->stage, l.name, l.namelen);
	if (v == NULL) {
		if (c->stage->n == CREDENTIAL_VARS) {
			file_error(c, "more than 256 variables");
			return;
		}
		v = &c->stage->value[c->stage->n++];
		memcpy(v->name, l.name, l.namelen);
	}
	/* A second line for the same name wins, as in a shell. */
	v->slot = NULL;
	v->off = v->len = 0;
	v->bad = (uint8_t)bad_value((const uint8_t *)l.value, l.len);
	if (!v->bad && l.len > 0 &&
	    file_pack(c->stage, v, l.value, l.len) == -1)
		file_error(c, "no room for so many secrets");
}

void
credential_file_feed(struct creds *c, const void *buf, size_t len)
{
	const uint8_t	*p = buf;
	size_t		 i;

	if (c->stage == NULL)
		return;
	for (i = 0; i < len && c->err[0] == '\0'; i++) {
		if (++c->bytes > CREDENTIAL_FILE)
			file_error(c, "the file is longer than 64 KiB");
		else if (p[i] == '\n') {
			file_line(c);
			c->linelen = 0;
			c->lineno++;
		} else if (c->linelen == SECRET_MAX)
			file_error(c, "the line is too long");
		else
			secret_bytes(c->line)[c->linelen++] = p[i];
	}
}

static size_t
file_slot(const struct creds *c, const char *path)
{
	size_t	 i;

	for (i = 0; i < c->nfiles; i++)
		if (strcmp(c->file[i]->path, path) == 0)
			break;
	return i;
}

int
credential_file_end(struct creds *c, char *err, size_t size)
{
	size_t	 i;

	err[0] = '\0';
	if (c->stage == NULL) {
		snprintf(err, size, "no file is being read");
		errno = EINVAL;
		return -1;
	}
	if (c->err[0] == '\0' && c->linelen > 0)
		file_line(c);
	secret_free(&c->line);
	i = file_slot(c, c->stage->path);
	if (c->err[0] == '\0' && i == FILES)
		file_error(c, "more than 8 files");
	if (c->err[0] != '\0') {
		snprintf(err, size, "%s", c->err);
		file_free(c->stage);
		c->stage = NULL;
		errno = EINVAL;
		return -1;
	}
	if (i == c->nfiles)
		c->nfiles++;
	else
		file_free(c->file[i]);
	c->file[i] = c->stage;
	c->stage = NULL;
	c->version++;
	return 0;
}

void
credential_file_gone(struct creds *c, const char *path)
{
	size_t	 i;

	i = file_slot(c, path);
	if (i == c->nfiles)
		return;
	file_free(c->file[i]);
	c->nfiles--;
	memmove(&c->file[i], &c->file[i + 1],
	    (c->nfiles - i) * sizeof(c->file[0]));
	c->version++;
}

/* ---- use ---------------------------------------------------------------- */

static enum credential_state
value_state(const struct value *v)
{
	if (v->bad)
		return CRED_BAD;
	if (v->slot == NULL)
		return CRED_ABSENT;
	if (v->len >= 3 &&
	    memcmp(secret_bytes(v->slot) + v->off, "tp_", 3) == 0)
		return CRED_TP;
	return CRED_OK;
}

/*
 * The value that counts: the first, in order of precedence, that is there;
 * with skip, one that is not a proxyd key.  *from names its source.
 */
static const struct value *
lookup(const struct creds *c, const char *name, int skip, const char **from)
{
	const struct value	*v, *best;
	enum credential_state	 st;
	size_t			 i;

	best = NULL;
	*from = "environment";
	for (i = 0; i <= c->nfiles; i++) {
		v = i == 0 ? single_find(c, name) :
		    file_find(c->file[c->nfiles - i], name, strlen(name));
		if (v == NULL)
			continue;
		st = value_state(v);
		if (st == CRED_ABSENT)
			continue;
		if (best == NULL || (skip && st != CRED_TP)) {
			best = v;
			*from = i == 0 ? "environment" :
			    c->file[c->nfiles - i]->path;
		}
		if (!skip || st != CRED_TP)
			break;
	}
	return best;
}

enum credential_state
credential_find(const struct creds *c, const char *name, const uint8_t **p,
    size_t *len)
{
	const struct value	*v;
	const char		*from;
	enum credential_state	 st;

	*p = NULL;
	*len = 0;
	v = lookup(c, name, 1, &from);
	st = v == NULL ? CRED_ABSENT : value_state(v);
	if (st == CRED_OK) {
		*p = secret_bytes(v->slot) + v->off;
		*len = v->len;
	}
	return st;
}

void
credential_explain(const struct creds *c, const char *name, char *out,
    size_t size)
{
	const struct value	*v;
	const char		*from;

	v = lookup(c, name, 1, &from);
	out[0] = '\0';
	if (v == NULL)
		snprintf(out, size, "%s is not set", name);
	else if (value_state(v) == CRED_TP)
		snprintf(out, size, "%s (%s) holds a proxyd key (tp_...), "
		    "not a provider's: treated as not set", name, from);
	else if (value_state(v) == CRED_BAD)
		snprintf(out, size, "%s (%s) is longer than %d bytes or has "
		    "control characters: not used", name, from,
		    CREDENTIAL_MAX);
}

static struct secret *
value_dup(const struct value *v)
{
	return secret_dup(secret_bytes(v->slot) + v->off, v->len);
}

static int
special_vault(const struct creds *c, struct secret **out, char *err,
    size_t size)
{
	const struct value	*v;
	const char		*from;
	struct secret		*text;

	v = lookup(c, vault_name, 0, &from);
	if (v == NULL && c->keyfile == NULL)
		return 0;
	if (v == NULL)
		*out = vault_key_parse(c->keyfile, 1);
	else if (value_state(v) != CRED_BAD) {
		text = value_dup(v);
		if (text != NULL)
			*out = vault_key_parse(text, 0);
		secret_free(&text);
	}
	if (*out == NULL) {
		snprintf(err, size, "%s is not the standard base64 of 32 "
		    "bytes (44 characters)",
		    v == NULL ? "the vault key file" : vault_name);
		return -1;
	}
	return 1;
}

static int
special_admin(const struct creds *c, struct secret **out, char *err,
    size_t size)
{
	const struct value	*a, *b;
	const char		*from;

	a = lookup(c, admin_name, 0, &from);
	b = lookup(c, admin_second, 0, &from);
	if (a == NULL && b == NULL)
		return 0;
	if (a != NULL && b != NULL && (a->bad || b->bad || a->len != b->len ||
	    !secret_equal(secret_bytes(a->slot) + a->off,
	    secret_bytes(b->slot) + b->off, a->len))) {
		snprintf(err, size, "%s and %s are both set and differ",
		    admin_name, admin_second);
		return -1;
	}
	if (a == NULL)
		a = b;
	if (a->bad || token_check((const char *)secret_bytes(a->slot) +
	    a->off, a->len) != TOKEN_UNSHAPED) {
		snprintf(err, size, "%s must begin with tp_, have %d-%d "
		    "characters (letters, digits, - . _ ~ + / =) and not the "
		    "form of a key made here", a->name, TOKEN_SHORTEST,
		    TOKEN_MAX);
		return -1;
	}
	*out = value_dup(a);
	if (*out == NULL) {
		snprintf(err, size, "no room for another secret");
		return -1;
	}
	return 1;
}

int
credential_special(const struct creds *c, enum credential_what what,
    struct secret **out, char *err, size_t size)
{
	*out = NULL;
	err[0] = '\0';
	if (what == CRED_VAULTKEY)
		return special_vault(c, out, err, size);
	return special_admin(c, out, err, size);
}

int
credential_fingerprint(const struct vault *v, const void *p, size_t len,
    uint8_t out[CREDENTIAL_FPRINT])
{
	crypto_auth_hmacsha256_state	 st;
	struct secret			*key;

	key = vault_get(v, VAULT_FPRINT);
	if (key == NULL) {
		errno = ENOENT;
		return -1;
	}
	crypto_auth_hmacsha256_init(&st, secret_bytes(key), secret_len(key));
	crypto_auth_hmacsha256_update(&st, p, len);
	crypto_auth_hmacsha256_final(&st, out);
	secret_wipe(&st, sizeof(st));
	return 0;
}

size_t
credential_names(const struct creds *c, const struct vault *v,
    const char *const *names, size_t n, char *out, size_t size)
{
	char		 line[CREDENTIAL_NAME + PATH_LEN + 256], why[768];
	char		 hex[HEX_SIZE(8)];
	const uint8_t	*p;
	const char	*from;
	uint8_t		 fp[CREDENTIAL_FPRINT];
	size_t		 i, len, off;

	out[0] = '\0';
	for (i = off = 0; i < n; i++) {
		if (credential_find(c, names[i], &p, &len) == CRED_OK) {
			lookup(c, names[i], 1, &from);
			if (credential_fingerprint(v, p, len, fp) == -1)
				strlcpy(hex, "-", sizeof(hex));
			else
				hex_encode(hex, sizeof(hex), fp, 8);
			snprintf(line, sizeof(line), "%s  %s  %s\n", names[i],
			    from, hex);
		} else {
			credential_explain(c, names[i], why, sizeof(why));
			snprintf(line, sizeof(line), "%.900s\n", why);
		}
		if (off + strlen(line) >= size)
			break;
		off += strlcpy(out + off, line, size - off);
	}
	return off;
}
