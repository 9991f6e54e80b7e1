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

#include "common/compat/compat.h"
#include "common/text/hmac.h"
#include "common/text/text.h"
#include "common/token/token.h"
#include "keybrokerd/broker/credential_table.h"

static const char	vault_name[] = "TAPPASS_VAULT_KEY";
static const char	vault_previous_name[] = "TAPPASS_VAULT_KEY_PREVIOUS";
static const char	admin_name[] = "TAPPASS_ADMIN_API_KEY";
static const char	admin_second[] = "TAPPASS_ADMIN_KEY";

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
	for (i = 0; i < c->nheld; i++)
		secret_free(&c->held[i].v.slot);
	for (i = 0; i < c->nfiles; i++)
		credential_file_free(c->file[i]);
	credential_live_free(c);
	credential_file_free(c->stage);
	secret_free(&c->keyfile);
	secret_free(&c->line);
	free(c);
}

uint64_t
credential_version(const struct creds *c)
{
	return c->version;
}

void
credential_touch(struct creds *c)
{
	c->version++;
}

void
credential_vault(struct creds *c, struct vault *v)
{
	c->vault = v;
	c->version++;
}

void
credential_clock(struct creds *c, uint64_t wall)
{
	c->wall = wall;
}

/* A value that no header can carry, or that no provider ever gave out. */
int
credential_bad(const uint8_t *p, size_t len)
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
	v->bad = (uint8_t)credential_bad(secret_bytes(*s), len);
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
	if (v == NULL && (kind == SRC_ENVFILE || kind == SRC_EXPORT || name[0] == '\0' ||
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
	v->since = c->wall;
	c->version++;
	return 0;
}

/* ---- files of one value -------------------------------------------------- */

const char *
credential_judge(const uint8_t *p, size_t len)
{
	if (len == 0)
		return "it is empty";
	if (len > CREDENTIAL_MAX)
		return "it is longer than 3072 bytes";
	if (credential_bad(p, len))
		return "it has control characters or more than one line";
	if (len >= 3 && memcmp(p, "tp_", 3) == 0)
		return "it holds a proxyd key (tp_...), not a provider's";
	return NULL;
}

/* VARIABLE:PATH; 0, or -1 if it is not that. */
static int
held_name(const char *name, char var[CREDENTIAL_NAME], const char **path)
{
	const char	*colon;

	colon = strchr(name, ':');
	if (colon == NULL || colon == name ||
	    (size_t)(colon - name) >= CREDENTIAL_NAME ||
	    strlen(colon + 1) >= PATH_LEN)
		return -1;
	memcpy(var, name, (size_t)(colon - name));
	var[colon - name] = '\0';
	*path = colon + 1;
	return 0;
}

static void
held_remove(struct creds *c, size_t i)
{
	secret_free(&c->held[i].v.slot);
	c->nheld--;
	memmove(&c->held[i], &c->held[i + 1],
	    (c->nheld - i) * sizeof(c->held[0]));
	c->version++;
}

size_t
credential_held_drop(struct creds *c, const char *name)
{
	size_t	 i, n;

	for (i = n = 0; i < c->nheld;) {
		if (strcmp(c->held[i].v.name, name) != 0 ||
		    !c->held[i].v.kept) {
			i++;
			continue;
		}
		held_remove(c, i);
		n++;
	}
	return n;
}

int
credential_held(struct creds *c, enum proto_source kind, const char *name,
    struct secret **value, char *err, size_t size)
{
	struct held	*h;
	const char	*path, *why;
	char		 var[CREDENTIAL_NAME];
	size_t		 i, len;

	err[0] = '\0';
	if (held_name(name, var, &path) == -1) {
		snprintf(err, size, "not the name of a variable and a file");
		secret_free(value);
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < c->nheld; i++)
		if (c->held[i].kind == kind &&
		    strcmp(c->held[i].v.name, var) == 0 &&
		    strcmp(c->held[i].path, path) == 0)
			break;
	if (*value == NULL) {
		if (i < c->nheld)
			held_remove(c, i);
		return 0;
	}
	len = secret_len(*value);
	if (len > 0 && secret_bytes(*value)[len - 1] == '\n')
		len--;
	why = i == HELD ? "there are more than 64 such files" :
	    credential_judge(secret_bytes(*value), len);
	if (why != NULL) {
		snprintf(err, size, "%s%s", why, i < c->nheld ?
		    "; the value in use stays" : "");
		secret_free(value);
		errno = EINVAL;
		return -1;
	}
	h = &c->held[i];
	if (i < c->nheld && h->v.len == len && secret_equal(
	    secret_bytes(h->v.slot), secret_bytes(*value), len)) {
		secret_free(value);
		return 0;
	}
	if (i == c->nheld) {
		c->nheld++;
		memset(h, 0, sizeof(*h));
		h->kind = (uint8_t)kind;
		strlcpy(h->v.name, var, sizeof(h->v.name));
		strlcpy(h->path, path, sizeof(h->path));
	}
	secret_free(&h->v.slot);
	h->v.slot = *value;
	*value = NULL;
	h->v.len = (uint16_t)len;
	h->v.since = c->wall;
	c->version++;
	return 0;
}

/* ---- use ---------------------------------------------------------------- */

enum credential_state
credential_value(const struct value *v)
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

/* The i-th value of that kind with the name; later files first. */
static const struct value *
of_file(const struct creds *c, uint8_t kind, const char *name, size_t *i,
    const char **from)
{
	const struct value	*v;
	size_t			 n;

	for (n = c->nfiles; n-- > 0;) {
		if (c->file[n]->kind != kind)
			continue;
		v = credential_file_value(c->file[n], name, strlen(name));
		if (v == NULL || (*i)-- > 0)
			continue;
		*from = c->file[n]->path;
		return v;
	}
	return NULL;
}

static const struct value *
of_held(const struct creds *c, uint8_t kind, const char *name, size_t *i,
    const char **from)
{
	size_t	 n;

	for (n = c->nheld; n-- > 0;) {
		if (c->held[n].kind != kind ||
		    strcmp(c->held[n].v.name, name) != 0 || (*i)-- > 0)
			continue;
		*from = c->held[n].path;
		return &c->held[n].v;
	}
	return NULL;
}

static const struct value *
of_env(const struct creds *c, uint8_t kind, const char *name, size_t *i,
    const char **from)
{
	const struct value	*v;

	(void)kind;
	v = single_find(c, name);
	if (v == NULL || (*i)-- > 0)
		return NULL;
	*from = "environment";
	return v;
}

/* The order in which sources win; behind them the vault. */
static const struct {
	const struct value	*(*fn)(const struct creds *, uint8_t,
				    const char *, size_t *, const char **);
	uint8_t			 kind;
} order[] = {
	{ of_env, SRC_ENV }, { of_file, SRC_ENVFILE },
	{ of_held, SRC_KEYFILE }, { of_held, SRC_DIRFILE },
	{ of_file, SRC_EXPORT },
};

int
credential_source(const struct creds *c, const char *name, size_t i,
    struct credential_found *out)
{
	const struct value	*v;
	size_t			 k;

	memset(out, 0, sizeof(*out));
	for (k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		v = order[k].fn(c, order[k].kind, name, &i, &out->from);
		if (v == NULL)
			continue;
		out->state = credential_value(v);
		out->since = v->since;
		out->kept = v->kept;
		if (out->state == CRED_OK) {
			out->p = secret_bytes(v->slot) + v->off;
			out->len = v->len;
		}
		return 0;
	}
	if (i > 0 || c->vault == NULL)
		return -1;
	out->p = credential_stored(c->vault, "key", name, &out->len,
	    &out->since);
	out->from = "vault";
	out->state = CRED_OK;
	return out->p == NULL ? -1 : 0;
}

int
credential_lookup(const struct creds *c, const char *name, int skip,
    struct credential_found *out)
{
	struct credential_found	 f;
	size_t			 i;
	int			 have;

	have = 0;
	for (i = 0; credential_source(c, name, i, &f) == 0; i++) {
		if (f.state == CRED_ABSENT)
			continue;
		if (!have || (skip && f.state != CRED_TP))
			*out = f;
		have = 1;
		if (!skip || f.state != CRED_TP)
			break;
	}
	return have ? 0 : -1;
}

void
credential_explain(struct creds *c, const char *name, char *out,
    size_t size)
{
	struct credential_found	 f;

	out[0] = '\0';
	if (credential_lookup(c, name, 1, &f) == -1)
		snprintf(out, size, "%s is not set", name);
	else if (f.state == CRED_TP)
		snprintf(out, size, "%s (%s) holds a proxyd key (tp_...), "
		    "not a provider's: treated as not set", name, f.from);
	else if (f.state == CRED_BAD)
		snprintf(out, size, "%s (%s) is longer than %d bytes or has "
		    "control characters: not used", name, f.from,
		    CREDENTIAL_MAX);
}

/* For what comes by a variable or a .env file only. */
static const struct value *
lookup(const struct creds *c, const char *name)
{
	const struct value	*v;
	const char		*from;
	size_t			 k, i, n;

	for (k = 0; k < 2; k++)
		for (n = 0; i = n, (v = order[k].fn(c, order[k].kind, name, &i,
		    &from)) != NULL; n++)
			if (credential_value(v) != CRED_ABSENT)
				return v;
	return NULL;
}

static struct secret *
value_dup(const struct value *v)
{
	return secret_dup(secret_bytes(v->slot) + v->off, v->len);
}

static int
special_vault(const struct creds *c, const char *name, struct secret *file,
    struct secret **out, char *err, size_t size)
{
	const struct value	*v;
	struct secret		*text;

	v = lookup(c, name);
	if (v == NULL && file == NULL)
		return 0;
	if (v == NULL)
		*out = vault_key_parse(file, 1);
	else if (credential_value(v) != CRED_BAD) {
		text = value_dup(v);
		if (text != NULL)
			*out = vault_key_parse(text, 0);
		secret_free(&text);
	}
	if (*out == NULL) {
		snprintf(err, size, "%s is not the standard base64 of 32 "
		    "bytes (44 characters)",
		    v == NULL ? "the vault key file" : name);
		return -1;
	}
	return 1;
}

int
credential_vault_fixed(const struct creds *c)
{
	const struct value	*v;

	v = single_find(c, vault_name);
	return v != NULL && credential_value(v) != CRED_ABSENT;
}

static int
special_admin(const struct creds *c, struct secret **out, char *err,
    size_t size)
{
	const struct value	*a, *b;

	a = lookup(c, admin_name);
	b = lookup(c, admin_second);
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
		return special_vault(c, vault_name, c->keyfile, out, err,
		    size);
	if (what == CRED_VAULTPREVIOUS)
		return special_vault(c, vault_previous_name, NULL, out, err,
		    size);
	return special_admin(c, out, err, size);
}

int
credential_fingerprint(const struct vault *v, const void *p, size_t len,
    uint8_t out[CREDENTIAL_FPRINT])
{
	struct hmac	 h;
	struct secret	*key;

	key = vault_get(v, VAULT_FPRINT);
	if (key == NULL) {
		errno = ENOENT;
		return -1;
	}
	hmac_init(&h, secret_bytes(key), secret_len(key));
	hmac_update(&h, p, len);
	hmac_final(&h, out);
	return 0;
}
