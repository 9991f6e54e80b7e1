/* SPDX-License-Identifier: ISC */
/*
 * The table of open vault records (vault.h, "records"): few, looked up by
 * name, each backed by a state row of kind ST_VAULT.  A change stands in
 * memory only after its row was queued.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "keybrokerd/broker/vault.h"

static struct vault_record *
find(const struct vault *v, const char *name)
{
	size_t	 i;

	for (i = 0; i < v->n; i++)
		if (strcmp(v->records[i].name, name) == 0)
			return (struct vault_record *)(uintptr_t)
			    &v->records[i];
	return NULL;
}

static void
identity(struct vault_id *id, const char *name)
{
	id->type = "vault";
	id->org = 1;
	id->id = name;
	id->column = "value";
}

/* Takes *value over; 0, or -1 if the table is full. */
static int
keep(struct vault *v, const char *name, struct secret **value)
{
	struct vault_record	*r;

	r = find(v, name);
	if (r == NULL) {
		if (v->n == VAULT_RECORDS) {
			errno = ENOSPC;
			return -1;
		}
		r = &v->records[v->n++];
		strlcpy(r->name, name, sizeof(r->name));
	}
	secret_free(&r->value);
	r->value = *value;
	*value = NULL;
	return 0;
}

static int
name_ok(const char *p, size_t len)
{
	size_t	 i;

	if (len == 0 || len >= VAULT_NAME)
		return 0;
	for (i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return 0;
	return 1;
}

enum vault_result
vault_load(struct vault *v, const void *id, size_t idlen, const void *value,
    size_t len)
{
	char			 name[VAULT_NAME];
	struct secret		*plain;
	struct vault_id		 vid;
	enum vault_result	 r;

	if (!name_ok(id, idlen))
		return VAULT_FORM;
	memcpy(name, id, idlen);
	name[idlen] = '\0';
	identity(&vid, name);
	r = vault_open(v, &vid, value, len, &plain);
	if (r == VAULT_OK && keep(v, name, &plain) == -1)
		r = VAULT_NOMEM;
	secret_free(&plain);
	return r;
}

struct secret *
vault_get(const struct vault *v, const char *name)
{
	struct vault_record	*r;

	r = find(v, name);
	return r == NULL ? NULL : r->value;
}

int
vault_put(struct vault *v, const struct rng *rng, const char *name,
    struct secret **value, vault_emit emit, void *arg)
{
	char		 text[VAULT_TEXT(VAULT_PLAIN)];
	struct vault_id	 vid;
	ssize_t		 n;
	int		 rv;

	rv = -1;
	if (*value == NULL || !name_ok(name, strlen(name)))
		errno = EINVAL;
	else if (find(v, name) == NULL && v->n == VAULT_RECORDS)
		errno = ENOSPC;
	else {
		identity(&vid, name);
		n = vault_seal(v, rng, &vid, *value, text, sizeof(text));
		if (n != -1 && emit(arg, ST_VAULT, name, strlen(name), text,
		    (size_t)n) == 0)
			rv = keep(v, name, value);
	}
	secret_free(value);
	return rv;
}

int
vault_reseal(struct vault *v, const struct rng *rng, size_t i,
    vault_emit emit, void *arg)
{
	char		 text[VAULT_TEXT(VAULT_PLAIN)];
	struct vault_id	 vid;
	const char	*name;
	ssize_t		 n;

	name = v->records[i].name;
	identity(&vid, name);
	n = vault_seal(v, rng, &vid, v->records[i].value, text, sizeof(text));
	if (n == -1)
		return -1;
	return emit(arg, ST_VAULT, name, strlen(name), text, (size_t)n);
}

struct secret *
vault_get_or_make(struct vault *v, const struct rng *rng, const char *name,
    size_t len, vault_emit emit, void *arg)
{
	struct secret	*s;

	s = vault_get(v, name);
	if (s != NULL)
		return s;
	s = secret_new(len);
	if (s == NULL)
		return NULL;
	rng->fill(rng->arg, secret_bytes(s), len);
	if (vault_put(v, rng, name, &s, emit, arg) == -1)
		return NULL;
	return vault_get(v, name);
}

int
vault_drop(struct vault *v, const char *name)
{
	struct vault_record	*r;

	r = find(v, name);
	if (r == NULL)
		return 0;
	secret_free(&r->value);
	*r = v->records[--v->n];
	memset(&v->records[v->n], 0, sizeof(v->records[0]));
	return 1;
}

struct secret *
vault_pepper(const struct vault *v, uint32_t want, uint32_t *no)
{
	struct secret	*s;
	uint32_t	 best, n;
	size_t		 i;
	const char	*err;

	s = NULL;
	best = 0;
	for (i = 0; i < v->n; i++) {
		if (strncmp(v->records[i].name, VAULT_PEPPER "/", 7) != 0)
			continue;
		n = (uint32_t)strtonum(v->records[i].name + 7, 1, UINT32_MAX,
		    &err);
		if (err != NULL || (want == 0 ? n <= best : n != want))
			continue;
		best = n;
		s = v->records[i].value;
	}
	if (no != NULL)
		*no = best;
	return s;
}

size_t
vault_records(const struct vault *v)
{
	return v->n;
}
