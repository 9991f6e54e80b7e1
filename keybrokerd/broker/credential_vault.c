/* SPDX-License-Identifier: ISC */
/*
 * Provider secrets that an administrator gave: records of the vault, named
 * "key/NAME" (serves) and "new/NAME" (staged until it was proved).  A record's
 * plaintext is the time of storing (u64, wall ms) and the value.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/credential.h"

#define HEAD	8

static int
record(char *out, size_t size, const char *which, const char *name)
{
	int	 n;

	n = snprintf(out, size, "%s/%s", which, name);
	return n > 0 && (size_t)n < size ? 0 : -1;
}

const uint8_t *
credential_stored(const struct vault *v, const char *which, const char *name,
    size_t *len, uint64_t *since)
{
	struct secret	*s;
	const uint8_t	*p;
	char		 rec[VAULT_NAME];
	int		 i;

	*len = 0;
	*since = 0;
	if (record(rec, sizeof(rec), which, name) == -1)
		return NULL;
	s = vault_get(v, rec);
	if (s == NULL || secret_len(s) <= HEAD)
		return NULL;
	p = secret_bytes(s);
	for (i = 0; i < HEAD; i++)
		*since = *since << 8 | p[i];
	*len = secret_len(s) - HEAD;
	return p + HEAD;
}

struct secret *
credential_pack(const uint8_t *p, size_t len, uint64_t wall)
{
	struct secret	*s;
	int		 i;

	if (len == 0 || len > CREDENTIAL_MAX) {
		errno = EINVAL;
		return NULL;
	}
	s = secret_new(HEAD + len);
	if (s == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; i < HEAD; i++)
		secret_bytes(s)[i] = (uint8_t)(wall >> (56 - 8 * i));
	memcpy(secret_bytes(s) + HEAD, p, len);
	return s;
}

const uint8_t *
credential_unpack(struct secret *s, size_t *len)
{
	if (secret_len(s) <= HEAD)
		return NULL;
	*len = secret_len(s) - HEAD;
	return secret_bytes(s) + HEAD;
}

int
credential_store(struct vault *v, const struct rng *rng, const char *which,
    const char *name, const uint8_t *p, size_t len, uint64_t wall,
    vault_emit emit, void *arg)
{
	struct secret	*s;
	char		 rec[VAULT_NAME];

	if (record(rec, sizeof(rec), which, name) == -1) {
		errno = EINVAL;
		return -1;
	}
	s = credential_pack(p, len, wall);
	return s == NULL ? -1 : vault_put(v, rng, rec, &s, emit, arg);
}

int
credential_unstore(struct vault *v, const char *which, const char *name)
{
	char	 rec[VAULT_NAME];

	if (record(rec, sizeof(rec), which, name) == -1)
		return 0;
	return vault_drop(v, rec);
}
