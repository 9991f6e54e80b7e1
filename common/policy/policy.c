/* SPDX-License-Identifier: ISC */
/*
 * The compiled policy, read only.  Believes no byte of the blob: policy_open
 * checks every offset, count and enumeration once, and what it accepts has one
 * layout only, so that the accessors cannot fail and two readers cannot differ.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/policy/layout.h"
#include "common/policy/policy.h"
#include "common/secret/memfd.h"

struct policy {
	const uint8_t	*buf;
	size_t		 len;
	void		*mapped;	/* NULL: buf is the caller's */
	uint32_t	 off[LS_MAX], count[LS_MAX];
};

static const uint32_t	row_size[LS_MAX] = LAYOUT_ROWS;

static uint64_t
get(const uint8_t *p, size_t n)
{
	uint64_t	 v;

	v = 0;
	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static const uint8_t *
row(const struct policy *p, enum layout_section s, size_t i)
{
	return p->buf + p->off[s] + i * row_size[s];
}

static const char *
string(const struct policy *p, const uint8_t *at)
{
	return (const char *)p->buf + p->off[LS_STRINGS] + get(at, 4);
}

static int
all_zero(const uint8_t *p, size_t n)
{
	while (n-- > 0)
		if (*p++ != 0)
			return 0;
	return 1;
}

/* A string that exists and has min to max bytes. */
static int
string_ok(const struct policy *p, const uint8_t *at, size_t min, size_t max)
{
	size_t	 n;

	if (get(at, 4) >= p->count[LS_STRINGS])
		return 0;
	n = strlen(string(p, at));
	return n >= min && n <= max;
}

/* Sections in order, without a gap, to the last byte. */
static int
sections_ok(struct policy *p)
{
	const uint8_t	*at;
	uint64_t	 end;
	int		 s;

	if (p->len < LAYOUT_HEAD || p->len > LAYOUT_MAX ||
	    memcmp(p->buf, LAYOUT_MAGIC, 4) != 0 ||
	    get(p->buf + 4, 4) != LAYOUT_VERSION ||
	    get(p->buf + 8, 4) != p->len)
		return 0;
	end = LAYOUT_HEAD;
	for (s = 0; s < LS_MAX; s++) {
		at = p->buf + 12 + s * 8;
		p->off[s] = get(at, 4);
		p->count[s] = get(at + 4, 4);
		if (p->off[s] != end)
			return 0;
		end += (uint64_t)p->count[s] * row_size[s];
		if (end > p->len)
			return 0;
	}
	if (end != p->len || p->count[LS_STEPS] != 0 ||
	    p->count[LS_STRINGS] == 0)
		return 0;
	at = p->buf + p->off[LS_STRINGS];
	return at[0] == '\0' && at[p->count[LS_STRINGS] - 1] == '\0';
}

static int
provider_ok(const struct policy *p, size_t i)
{
	const uint8_t	*r, *o;
	size_t		 j;

	r = row(p, LS_PROVIDERS, i);
	if (r[LP_DIALECT] >= DIALECT_MAX || r[LP_SCHEME] > SCHEME_HTTPS ||
	    r[LP_AUTH] > AUTH_SIGV4 || r[LP_INSECURE] > 1 ||
	    r[LP_FORM] >= FORM_MAX || r[LP_FORM + 1] != 0 ||
	    get(r + LP_PORT, 2) == 0 ||
	    !all_zero(r + LP_ZERO, LP_SIZE - LP_ZERO))
		return 0;
	if (!string_ok(p, r + LP_NAME, 1, 64) ||
	    !string_ok(p, r + LP_HOST, 1, HOST_MAX) ||
	    !string_ok(p, r + LP_BASE, 0, PATH_MAX_) ||
	    !string_ok(p, r + LP_KEY, 0, 255) ||
	    !string_ok(p, r + LP_PROXY, 0, HOST_MAX) ||
	    !string_ok(p, r + LP_QUERY, 0, 128) ||
	    !string_ok(p, r + LP_REGION, 0, 32))
		return 0;
	if ((*string(p, r + LP_PROXY) != '\0') !=
	    (get(r + LP_PROXYPORT, 2) != 0))
		return 0;
	for (j = 0; j < i; j++) {
		o = row(p, LS_PROVIDERS, j);
		if (get(o + LP_ID, 2) == get(r + LP_ID, 2) ||
		    strcmp(string(p, o + LP_NAME), string(p, r + LP_NAME)) == 0)
			return 0;
	}
	return 1;
}

static int
model_ok(const struct policy *p, size_t i)
{
	struct policy_provider	 pr;
	const uint8_t		*r;

	r = row(p, LS_MODELS, i);
	return string_ok(p, r + LM_PATTERN, 1, MODEL_MAX) &&
	    r[LM_CONCRETE] <= 1 && r[LM_ZERO] == 0 &&
	    policy_provider_id(p, get(r + LM_PROVIDER, 2), &pr) == 0;
}

static int
route_ok(const struct policy *p, size_t i)
{
	const uint8_t	*r;
	size_t		 j;

	r = row(p, LS_ROUTES, i);
	if (!string_ok(p, r + LR_PATH, 1, PATH_MAX_) ||
	    *string(p, r + LR_PATH) != '/' || r[LR_DIALECT] >= DIALECT_MAX ||
	    r[LR_KIND] >= KIND_MAX || !all_zero(r + LR_ZERO, LR_SIZE - LR_ZERO))
		return 0;
	for (j = 0; j < i; j++)
		if (get(row(p, LS_ROUTES, j), 2) == get(r, 2))
			return 0;
	return 1;
}

static int
rows_ok(const struct policy *p)
{
	size_t	 i;

	if (p->count[LS_PROVIDERS] > PROVIDERS_MAX ||
	    p->count[LS_ROUTES] > 256)
		return 0;
	for (i = 0; i < p->count[LS_PROVIDERS]; i++)
		if (!provider_ok(p, i))
			return 0;
	for (i = 0; i < p->count[LS_MODELS]; i++)
		if (!model_ok(p, i))
			return 0;
	for (i = 0; i < p->count[LS_ROUTES]; i++)
		if (!route_ok(p, i))
			return 0;
	return 1;
}

/* See policy.h; buf stays the caller's and must not change. */
struct policy *
policy_open(const uint8_t *buf, size_t len)
{
	struct policy	*p;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->buf = buf;
	p->len = len;
	if (!sections_ok(p) || !rows_ok(p)) {
		free(p);
		errno = EINVAL;
		return NULL;
	}
	return p;
}

/* See policy.h; fd stays the caller's.  Calls: fstat mmap. */
struct policy *
policy_map(int fd)
{
	struct policy	*p;
	void		*at;
	off_t		 size;

	size = memfd_size(fd);
	if (size <= 0 || size > LAYOUT_MAX) {
		if (size != -1)
			errno = EINVAL;
		return NULL;
	}
	at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return NULL;
	p = policy_open(at, size);
	if (p == NULL) {
		munmap(at, size);
		errno = EINVAL;
		return NULL;
	}
	p->mapped = at;
	return p;
}

/* Every string that it gave is gone.  NULL is legal. */
void
policy_close(struct policy *p)
{
	if (p == NULL)
		return;
	if (p->mapped != NULL)
		munmap(p->mapped, p->len);
	free(p);
}

/* The blob itself, for hashing and passing on. */
const uint8_t *
policy_bytes(const struct policy *p, size_t *len)
{
	*len = p->len;
	return p->buf;
}

size_t
policy_nproviders(const struct policy *p)
{
	return p->count[LS_PROVIDERS];
}

/* Row i < policy_nproviders; strings live as long as p. */
void
policy_provider(const struct policy *p, size_t i, struct policy_provider *out)
{
	const uint8_t	*r;

	r = row(p, LS_PROVIDERS, i);
	out->id = get(r + LP_ID, 2);
	out->dialect = r[LP_DIALECT];
	out->scheme = r[LP_SCHEME];
	out->auth = r[LP_AUTH];
	out->insecure = r[LP_INSECURE];
	out->port = get(r + LP_PORT, 2);
	out->proxy_port = get(r + LP_PROXYPORT, 2);
	out->name = string(p, r + LP_NAME);
	out->host = string(p, r + LP_HOST);
	out->base = string(p, r + LP_BASE);
	out->key = string(p, r + LP_KEY);
	out->proxy = string(p, r + LP_PROXY);
	out->form = r[LP_FORM];
	out->query = string(p, r + LP_QUERY);
	out->region = string(p, r + LP_REGION);
}

/* By number; 0 or -1, then out is untouched. */
int
policy_provider_id(const struct policy *p, uint16_t id,
    struct policy_provider *out)
{
	size_t	 i;

	for (i = 0; i < p->count[LS_PROVIDERS]; i++) {
		if (get(row(p, LS_PROVIDERS, i) + LP_ID, 2) == id) {
			policy_provider(p, i, out);
			return 0;
		}
	}
	return -1;
}

/* By name, len bytes compared exactly. */
int
policy_provider_name(const struct policy *p, const char *name, size_t len,
    struct policy_provider *out)
{
	const char	*s;
	size_t		 i;

	for (i = 0; i < p->count[LS_PROVIDERS]; i++) {
		s = string(p, row(p, LS_PROVIDERS, i) + LP_NAME);
		if (strlen(s) == len && memcmp(s, name, len) == 0) {
			policy_provider(p, i, out);
			return 0;
		}
	}
	return -1;
}

size_t
policy_nmodels(const struct policy *p)
{
	return p->count[LS_MODELS];
}

/* Row i < policy_nmodels. */
void
policy_model(const struct policy *p, size_t i, struct policy_model *out)
{
	const uint8_t	*r;

	r = row(p, LS_MODELS, i);
	out->pattern = string(p, r + LM_PATTERN);
	out->provider = get(r + LM_PROVIDER, 2);
	out->concrete = r[LM_CONCRETE];
	out->created = get(r + LM_CREATED, 8);
}

/*
 * One pattern element against c: 1 matches, 0 not; *next is behind it.  A '['
 * without its ']' stands for itself.
 */
static int
element(const char *pat, char c, const char **next)
{
	const char	*s;
	int		 hit, inverted;

	*next = pat + 1;
	if (*pat == '?')
		return 1;
	if (*pat != '[')
		return *pat == c;
	s = pat + 1;
	inverted = *s == '!' || *s == '^';
	s += inverted;
	hit = 0;
	do {
		if (*s == '\0')
			return *pat == c;
		if (s[1] == '-' && s[2] != ']' && s[2] != '\0') {
			hit |= (unsigned char)s[0] <= (unsigned char)c &&
			    (unsigned char)c <= (unsigned char)s[2];
			s += 3;
		} else {
			hit |= *s == c;
			s++;
		}
	} while (*s != ']');
	*next = s + 1;
	return hit != inverted;
}

/* Only the last star is ever tried again, so the time is len(pat) x len. */
static int
match(const char *pat, const char *s, size_t len)
{
	const char	*next, *star;
	size_t		 i, from;

	star = NULL;
	from = i = 0;
	while (i < len || *pat != '\0') {
		if (*pat == '*') {
			star = ++pat;
			from = i;
		} else if (i < len && *pat != '\0' && element(pat, s[i], &next)) {
			pat = next;
			i++;
		} else if (star != NULL && from < len) {
			pat = star;
			i = ++from;
		} else
			return 0;
	}
	return 1;
}

/* See policy.h: rows are asked in the order of the configuration. */
int
policy_model_match(const struct policy *p, const char *name, size_t len,
    struct policy_model *out)
{
	struct policy_model	 m;
	size_t			 i;

	for (i = 0; i < p->count[LS_MODELS]; i++) {
		policy_model(p, i, &m);
		if (match(m.pattern, name, len)) {
			*out = m;
			return 0;
		}
	}
	return -1;
}

size_t
policy_nroutes(const struct policy *p)
{
	return p->count[LS_ROUTES];
}

/* Row i < policy_nroutes. */
void
policy_route(const struct policy *p, size_t i, struct policy_route *out)
{
	const uint8_t	*r;

	r = row(p, LS_ROUTES, i);
	out->route = get(r + LR_ROUTE, 2);
	out->dialect = r[LR_DIALECT];
	out->kind = r[LR_KIND];
	out->path = string(p, r + LR_PATH);
}

/* By number; 0 or -1. */
int
policy_route_id(const struct policy *p, uint16_t id, struct policy_route *out)
{
	size_t	 i;

	for (i = 0; i < p->count[LS_ROUTES]; i++) {
		policy_route(p, i, out);
		if (out->route == id)
			return 0;
	}
	return -1;
}

/* See policy.h. */
/* "/deployments/MODEL" if the form wants it; the length, or -1. */
static int
deployment(const struct policy_provider *pr, const char *model, char *out,
    size_t size)
{
	int	 n;

	out[0] = '\0';
	if (pr->form != FORM_DEPLOYMENT || model == NULL || *model == '\0')
		return 0;
	if (strspn(model, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789._-") != strlen(model) || strstr(model, "..") != NULL) {
		errno = EINVAL;
		return -1;
	}
	n = snprintf(out, size, "/deployments/%s", model);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return n;
}

int
policy_path(const struct policy_provider *pr, const struct policy_route *rt,
    const char *model, char *out, size_t size)
{
	const char	*path;
	char		 mid[MODEL_MAX + 16];
	size_t		 base;
	int		 n;

	base = strlen(pr->base);
	while (base > 0 && pr->base[base - 1] == '/')
		base--;
	if (pr->form == FORM_V1 && base >= 3 &&
	    memcmp(pr->base + base - 3, "/v1", 3) == 0)
		base -= 3;
	while (base > 0 && pr->base[base - 1] == '/')
		base--;
	path = rt->path;
	if (pr->form != FORM_V1 && strncmp(path, "/v1/", 4) == 0)
		path += 3;
	if (deployment(pr, model, mid, sizeof(mid)) == -1)
		return -1;
	n = snprintf(out, size, "%.*s%s%s", (int)base, pr->base, mid, path);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

int
policy_query(const struct policy_provider *pr, char *q, size_t size)
{
	size_t	 n, old;

	n = strlen(pr->query);
	old = strlen(q);
	if (n == 0)
		return 0;
	if (n + (old > 0) + old >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memmove(q + n + (old > 0), q, old + 1);
	memcpy(q, pr->query, n);
	if (old > 0)
		q[n] = '&';
	return 0;
}
