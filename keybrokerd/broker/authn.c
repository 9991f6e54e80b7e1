/* SPDX-License-Identifier: ISC */
/*
 * Authentication of tokens and the aggregate of strangers' failures, see
 * authn.h.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/text/be.h"
#include "common/token/token.h"
#include "keybrokerd/broker/authn.h"

#define ADMIN_RECORD	(4 + KEY_DIGEST)	/* u32 pepper, digest */
#define ADMIN_PREFIX	"tp_admin_"

static const struct {
	const char	*code;
	const char	*text;
} results[AUTHN_MAX] = {
	[AUTHN_OK] = { "ok", "" },
	[AUTHN_NONE] = { "no-key", "no API key in the request: send "
	    "\"Authorization: Bearer tp_...\" or \"x-api-key: tp_...\"" },
	[AUTHN_MALFORMED] = { "malformed-key", "this is not a proxyd key: "
	    "tp_ or tp_dev_ and 62 characters are expected" },
	[AUTHN_FOREIGN] = { "foreign-key", "this key belongs to a provider, "
	    "not to this gateway: use the tp_ key that you were given" },
	[AUTHN_BADSUM] = { "mistyped-key", "this key is mistyped or cut "
	    "short: its checksum does not fit" },
	[AUTHN_UNKNOWN] = { "unknown-key", "this key is not known here" },
	[AUTHN_GUESS] = { "unknown-key", "this key is not known here" },
	[AUTHN_EXPIRED] = { "expired-key", "this key has expired: make a new "
	    "one with proxyctl key create" },
	[AUTHN_REVOKED] = { "revoked-key", "this key was revoked" }
};

int
authn_digest(const struct vault *v, uint32_t pepper, uint32_t *no,
    const char *token, size_t len, uint8_t out[KEY_DIGEST])
{
	crypto_generichash_state	 st;
	struct secret			*key;

	key = vault_pepper(v, pepper, no);
	if (key == NULL || secret_len(key) < crypto_generichash_KEYBYTES_MIN ||
	    secret_len(key) > crypto_generichash_KEYBYTES_MAX) {
		errno = ENOENT;
		return -1;
	}
	crypto_generichash_init(&st, secret_bytes(key), secret_len(key),
	    KEY_DIGEST);
	crypto_generichash_update(&st, (const uint8_t *)token, len);
	crypto_generichash_final(&st, out, KEY_DIGEST);
	secret_wipe(&st, sizeof(st));
	return 0;
}

/* Our form: the row's digest, or one thrown away, always the same work. */
static enum authn_result
check_key(const struct keys *keys, const struct vault *v, const char *token,
    size_t len, const char *id, uint64_t wall, struct authn_who *who)
{
	static const uint8_t	 nobody[KEY_DIGEST];
	uint8_t			 digest[KEY_DIGEST];
	struct key		*key;
	int			 same;

	key = key_find(keys, id, TOKEN_ID);
	if (authn_digest(v, key == NULL ? 0 : key->pepper, NULL, token, len,
	    digest) == -1) {
		/* A row whose pepper is gone: as good as unknown. */
		memset(digest, 0, sizeof(digest));
		key = NULL;
	}
	same = secret_equal(digest, key == NULL ? nobody : key->digest,
	    KEY_DIGEST);
	secret_wipe(digest, sizeof(digest));
	if (key == NULL || !same)
		return AUTHN_UNKNOWN;
	who->key = key;
	who->agent = key->agent;
	who->role = key->role;
	switch (key_state(key, wall)) {
	case KEY_REVOKED:
		return AUTHN_REVOKED;
	case KEY_EXPIRED:
		return AUTHN_EXPIRED;
	case KEY_LIVE:
		break;
	}
	key->used = key->agent->used = wall;
	return AUTHN_OK;
}

/* Does it have the digest that the admin record holds? */
static int
is_admin(const struct vault *v, const char *token, size_t len)
{
	struct secret	*rec;
	uint8_t		 digest[KEY_DIGEST];
	uint8_t		*p;
	int		 same;

	rec = vault_get(v, VAULT_ADMIN);
	if (rec == NULL || secret_len(rec) != ADMIN_RECORD)
		return 0;
	p = secret_bytes(rec);
	if (authn_digest(v, be_get32(p), NULL, token, len, digest) == -1)
		return 0;
	same = secret_equal(digest, p + 4, KEY_DIGEST);
	secret_wipe(digest, sizeof(digest));
	return same;
}

enum authn_result
authn_check(const struct keys *keys, const struct vault *v, const char *token,
    size_t len, uint64_t wall, struct authn_who *who)
{
	char	 id[TOKEN_ID + 1];

	memset(who, 0, sizeof(*who));
	if (len == 0)
		return AUTHN_NONE;
	switch (token_parse(token, len, id)) {
	case TOKEN_OK:
		return check_key(keys, v, token, len, id, wall, who);
	case TOKEN_BADSUM:
		return AUTHN_BADSUM;
	case TOKEN_FOREIGN:
		return AUTHN_FOREIGN;
	case TOKEN_MALFORMED:
		return AUTHN_MALFORMED;
	case TOKEN_UNSHAPED:
		break;
	}
	if (!is_admin(v, token, len))
		return AUTHN_GUESS;
	who->role = ROLE_K_ADMIN;
	return AUTHN_OK;
}

int
authn_admin_known(const struct vault *v)
{
	return vault_get(v, VAULT_ADMIN) != NULL;
}

int
authn_admin_set(struct vault *v, const struct rng *rng, const char *token,
    size_t len, vault_emit emit, void *arg, int *first)
{
	struct secret	*rec;
	uint8_t		*p;
	uint32_t	 no;

	*first = !authn_admin_known(v);
	if (token_check(token, len) != TOKEN_UNSHAPED) {
		errno = EINVAL;
		return -1;
	}
	if (is_admin(v, token, len))
		return 0;
	rec = secret_new(ADMIN_RECORD);
	if (rec == NULL)
		return -1;
	p = secret_bytes(rec);
	if (authn_digest(v, 0, &no, token, len, p + 4) == -1) {
		secret_free(&rec);
		return -1;
	}
	p[0] = (uint8_t)(no >> 24);
	p[1] = (uint8_t)(no >> 16);
	p[2] = (uint8_t)(no >> 8);
	p[3] = (uint8_t)no;
	return vault_put(v, rng, VAULT_ADMIN, &rec, emit, arg) == -1 ? -1 : 1;
}

struct secret *
authn_admin_make(const struct rng *rng)
{
	uint8_t		 random[TOKEN_RANDOM];
	struct secret	*s;
	char		*p;
	size_t		 prefix;
	int		 rv;

	prefix = strlen(ADMIN_PREFIX);
	s = secret_new(prefix + TOKEN_SECRET + 1);
	if (s == NULL)
		return NULL;
	p = (char *)secret_bytes(s);
	memcpy(p, ADMIN_PREFIX, prefix);
	rng->fill(rng->arg, random, sizeof(random));
	rv = token_base62(random, sizeof(random), p + prefix, TOKEN_SECRET);
	secret_wipe(random, sizeof(random));
	if (rv == -1 || secret_resize(s, prefix + TOKEN_SECRET) == -1)
		secret_free(&s);
	return s;
}

const char *
authn_code(enum authn_result r)
{
	return results[r].code;
}

const char *
authn_text(enum authn_result r)
{
	return results[r].text;
}

/* ---- failures of strangers ---------------------------------------------- */

/* One more for this source, by Misra and Gries. */
static void
count_source(struct authn_fails *f, const char *name)
{
	struct authn_source	*s;
	size_t			 i;

	for (i = 0; i < f->nsources; i++)
		if (strcmp(f->sources[i].name, name) == 0) {
			f->sources[i].n++;
			return;
		}
	if (f->nsources < AUTHN_SLOTS) {
		s = &f->sources[f->nsources++];
		strlcpy(s->name, name, sizeof(s->name));
		s->n = 1;
		return;
	}
	/* Full: everyone loses one, those at zero leave. */
	for (i = 0; i < f->nsources;) {
		if (--f->sources[i].n > 0)
			i++;
		else
			f->sources[i] = f->sources[--f->nsources];
	}
}

void
authn_fail(struct authn_fails *f, enum authn_result r, const char *source,
    uint64_t wall)
{
	char	 name[AUTHN_SOURCE];
	size_t	 i;

	for (i = 0; i < sizeof(name) - 1 && source[i] != '\0'; i++)
		name[i] = source[i] > ' ' && source[i] <= '~' ? source[i] :
		    '?';
	name[i] = '\0';
	if (f->total == 0)
		f->from = wall;
	f->to = wall;
	f->total++;
	if (r > AUTHN_OK && r < AUTHN_MAX)
		f->reasons[r]++;
	count_source(f, i == 0 ? "?" : name);
}

uint64_t
authn_due(const struct authn_fails *f)
{
	return f->total == 0 ? UINT64_MAX : f->from + AUTHN_PERIOD;
}

static int
louder(const void *a, const void *b)
{
	const struct authn_source	*x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return strcmp(x->name, y->name);
}

int
authn_drain(struct authn_fails *f, uint64_t wall, int force,
    struct authn_fails *out)
{
	size_t	 i;

	/* A clock that was set back must not keep them for ever. */
	if (f->total == 0 || (!force && wall >= f->from &&
	    wall < authn_due(f)))
		return 0;
	*out = *f;
	memset(f, 0, sizeof(*f));
	heapsort(out->sources, out->nsources, sizeof(out->sources[0]), louder);
	if (out->nsources > AUTHN_TOP)
		out->nsources = AUTHN_TOP;
	out->more = out->total;
	for (i = 0; i < out->nsources; i++)
		out->more -= out->sources[i].n;
	return 1;
}
