/* SPDX-License-Identifier: ISC */
/*
 * Which provider serves a model name (decisions M8): a routing prefix, else the
 * first row of the policy that matches, else nobody.  A name of the other
 * dialect is answered with the route to use; bodies are never translated.
 * Pure: policy and route in, verdict and one sentence out.
 */
#include <stdio.h>

#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

/* Names at most this many rows in an error. */
#define ROWS_NAMED	12

/* The patterns of the rows, "gpt-*, claude-*". */
static void
list_rows(const struct policy *p, char *out, size_t size)
{
	struct policy_model m;
	size_t		 i, n, named;

	out[0] = '\0';
	n = policy_nmodels(p);
	for (i = named = 0; i < n && named < ROWS_NAMED; i++) {
		policy_model(p, i, &m);
		if (m.concrete)
			continue;
		if (named++ > 0)
			strlcat(out, ", ", size);
		strlcat(out, m.pattern, size);
	}
}

static enum model_verdict
unknown(const struct policy *p, const char *name, size_t len, char *text,
    size_t size)
{
	char	 rows[240];

	list_rows(p, rows, sizeof(rows));
	snprintf(text, size, "The model %.*s%s is not known here; names that "
	    "are: %s, or PROVIDER/NAME.", len > 64 ? 64 : (int)len, name,
	    len > 64 ? "..." : "", rows);
	return MV_UNKNOWN;
}

/* The route of the other dialect that serves the same purpose. */
static const char *
route_instead(uint8_t dialect, uint8_t kind)
{
	if (dialect == DIALECT_OPENAI)
		return kind == KIND_COUNT ? NULL : "/v1/chat/completions";
	if (kind == KIND_EMBED)
		return NULL;
	return kind == KIND_COUNT ? "/v1/messages/count_tokens" :
	    "/v1/messages";
}

static enum model_verdict
wrong_dialect(const struct policy_provider *pr, const struct route *r,
    char *text, size_t size)
{
	const char	*path;

	path = route_instead(pr->dialect, r->kind);
	if (path == NULL)
		snprintf(text, size, "This model is served by %s, which has "
		    "no such route as %s.", pr->name, r->path);
	else
		snprintf(text, size, "This model is served by %s, which does "
		    "not speak %s: use POST %s.", pr->name, r->path, path);
	return MV_DIALECT;
}

enum model_verdict
model_resolve(const struct policy *p, const char *name, size_t len,
    const struct route *r, struct policy_provider *pr, size_t *prefix,
    char *text, size_t size)
{
	struct policy_model m;
	const char	*slash;

	*prefix = 0;
	slash = memchr(name, '/', len);
	if (slash != NULL && slash > name && slash + 1 < name + len &&
	    policy_provider_name(p, name, slash - name, pr) == 0)
		*prefix = slash + 1 - name;
	else if (policy_model_match(p, name, len, &m) == -1 ||
	    policy_provider_id(p, m.provider, pr) == -1)
		return unknown(p, name, len, text, size);
	if (r->group == RG_CALL && pr->dialect != r->dialect)
		return wrong_dialect(pr, r, text, size);
	return MV_OK;
}
