/* SPDX-License-Identifier: ISC */
/*
 * Writes the blob of policy.h.  Runs in the keybrokerd parent, which holds no
 * secret; what it writes is opened by policy_open before anybody gets it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/policy/layout.h"
#include "common/policy/policy.h"

struct section {
	uint8_t		*p;
	size_t		 len, cap;
	uint32_t	 rows;
};

struct policy_w {
	struct section	 s[LS_MAX];
};

static void
put(uint8_t *p, uint64_t v, size_t n)
{
	while (n-- > 0) {
		p[n] = v & 0xff;
		v >>= 8;
	}
}

/* n zeroed bytes at the end of a section; NULL: ENOMEM or EFBIG. */
static uint8_t *
grow(struct section *s, size_t n)
{
	uint8_t	*p;
	size_t	 cap;

	if (n > LAYOUT_MAX - s->len) {
		errno = EFBIG;
		return NULL;
	}
	if (n > s->cap - s->len) {
		for (cap = s->cap == 0 ? 1024 : s->cap; cap < s->len + n;)
			cap *= 2;
		p = realloc(s->p, cap);
		if (p == NULL)
			return NULL;
		s->p = p;
		s->cap = cap;
	}
	p = s->p + s->len;
	memset(p, 0, n);
	s->len += n;
	s->rows++;
	return p;
}

/* Offset of a string; equal strings share it.  -1: errno. */
static int
add_string(struct policy_w *w, const char *text, uint32_t *off)
{
	struct section	*s;
	uint8_t		*p;
	size_t		 i, n;

	s = &w->s[LS_STRINGS];
	if (text == NULL)
		text = "";
	for (i = 0; i < s->len; i += strlen((char *)s->p + i) + 1) {
		if (strcmp((char *)s->p + i, text) == 0) {
			*off = i;
			return 0;
		}
	}
	n = strlen(text) + 1;
	p = grow(s, n);
	if (p == NULL)
		return -1;
	memcpy(p, text, n);
	*off = s->len - n;
	return 0;
}

/* An empty policy; NULL: ENOMEM. */
struct policy_w *
policy_w_new(void)
{
	struct policy_w	*w;

	w = calloc(1, sizeof(*w));
	if (w == NULL || grow(&w->s[LS_STRINGS], 1) == NULL) {
		policy_w_free(w);
		return NULL;
	}
	return w;
}

/* NULL is legal. */
void
policy_w_free(struct policy_w *w)
{
	int	 i;

	if (w == NULL)
		return;
	for (i = 0; i < LS_MAX; i++)
		free(w->s[i].p);
	free(w);
}

/* Appends; strings are copied.  -1: errno.  Contents: policy_w_blob. */
int
policy_w_provider(struct policy_w *w, const struct policy_provider *pr)
{
	uint32_t	 off[5], query, region;
	uint8_t		*r;
	int		 i;

	if (add_string(w, pr->name, &off[0]) == -1 ||
	    add_string(w, pr->host, &off[1]) == -1 ||
	    add_string(w, pr->base, &off[2]) == -1 ||
	    add_string(w, pr->key, &off[3]) == -1 ||
	    add_string(w, pr->proxy, &off[4]) == -1 ||
	    add_string(w, pr->query, &query) == -1 ||
	    add_string(w, pr->region, &region) == -1)
		return -1;
	r = grow(&w->s[LS_PROVIDERS], LP_SIZE);
	if (r == NULL)
		return -1;
	put(r + LP_ID, pr->id, 2);
	r[LP_DIALECT] = pr->dialect;
	r[LP_SCHEME] = pr->scheme;
	r[LP_AUTH] = pr->auth;
	r[LP_INSECURE] = pr->insecure;
	put(r + LP_PORT, pr->port, 2);
	put(r + LP_PROXYPORT, pr->proxy_port, 2);
	r[LP_FORM] = pr->form;
	put(r + LP_QUERY, query, 4);
	put(r + LP_REGION, region, 4);
	for (i = 0; i < 5; i++)
		put(r + LP_NAME + 4 * i, off[i], 4);
	return 0;
}

int
policy_w_model(struct policy_w *w, const struct policy_model *m)
{
	uint32_t	 off;
	uint8_t		*r;

	if (add_string(w, m->pattern, &off) == -1)
		return -1;
	r = grow(&w->s[LS_MODELS], LM_SIZE);
	if (r == NULL)
		return -1;
	put(r + LM_PATTERN, off, 4);
	put(r + LM_PROVIDER, m->provider, 2);
	r[LM_CONCRETE] = m->concrete != 0;
	put(r + LM_CREATED, m->created, 8);
	return 0;
}

int
policy_w_route(struct policy_w *w, const struct policy_route *rt)
{
	uint32_t	 off;
	uint8_t		*r;

	if (add_string(w, rt->path, &off) == -1)
		return -1;
	r = grow(&w->s[LS_ROUTES], LR_SIZE);
	if (r == NULL)
		return -1;
	put(r + LR_ROUTE, rt->route, 2);
	r[LR_DIALECT] = rt->dialect;
	r[LR_KIND] = rt->kind;
	put(r + LR_PATH, off, 4);
	return 0;
}

/* See policy.h.  EINVAL: policy_open would not take it; EFBIG: over 1 MiB. */
uint8_t *
policy_w_blob(struct policy_w *w, size_t *len)
{
	struct policy	*p;
	uint8_t		*blob;
	size_t		 at, total;
	int		 i;

	total = LAYOUT_HEAD;
	for (i = 0; i < LS_MAX; i++)
		total += w->s[i].len;
	if (total > LAYOUT_MAX) {
		errno = EFBIG;
		return NULL;
	}
	blob = calloc(1, total);
	if (blob == NULL)
		return NULL;
	memcpy(blob, LAYOUT_MAGIC, 4);
	put(blob + 4, LAYOUT_VERSION, 4);
	put(blob + 8, total, 4);
	at = LAYOUT_HEAD;
	for (i = 0; i < LS_MAX; i++) {
		put(blob + 12 + 8 * i, at, 4);
		put(blob + 16 + 8 * i, i == LS_STRINGS ? w->s[i].len :
		    w->s[i].rows, 4);
		if (w->s[i].len > 0)
			memcpy(blob + at, w->s[i].p, w->s[i].len);
		at += w->s[i].len;
	}
	p = policy_open(blob, total);
	if (p == NULL) {
		free(blob);
		return NULL;
	}
	policy_close(p);
	*len = total;
	return blob;
}
