/* SPDX-License-Identifier: ISC */
/*
 * The routes: exact paths, no normalisation.  A row is one method of one path;
 * what it needs to be answered stands beside it.  Pure.
 */
#include <string.h>

#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static const struct target_query beta[] = {
	{ "beta", TARGET_TRUE },
};

/* Places are known to models.c: ROUTE_LIMIT... */
static const struct target_query cursor[] = {
	{ "limit", TARGET_UINT },
	{ "after_id", TARGET_ID },
	{ "before_id", TARGET_ID },
};

/* route.key: behind the path stand a key id, and maybe one word more. */
#define KEY_LAST	1
#define KEY_THEN_ROTATE	2

#define OPEN(p, m, n)							\
	{ .path = p, .method = m, .group = RG_OPEN, .no = n, .form = RF_SHARED }
#define CALL(p, n, d, k, s, ...)					\
	{ .path = p, .method = HTTP1_POST, .group = RG_CALL, .no = n,	\
	    .form = d == DIALECT_ANTHROPIC ? RF_ANTHROPIC : RF_OPENAI,	\
	    .dialect = d, .kind = k, .shape = s, __VA_ARGS__ }
#define LIST(p, n, ...)							\
	{ .path = p, .method = HTTP1_GET, .group = RG_LIST, .no = n,	\
	    .form = RF_SHARED, .kind = KIND_LIST, __VA_ARGS__ }
#define CONSOLE(p, m, n, v, k)						\
	{ .path = p, .method = HTTP1_##m, .group = RG_CONSOLE,		\
	    .no = M_ADMIN_##n, .form = RF_CONTROL, .key = k,		\
	    .view = VIEW_##v }

static const struct route routes[] = {
	OPEN("/", HTTP1_GET, RO_ROOT),
	OPEN("/health", HTTP1_GET, RO_HEALTH),
	OPEN("/health/live", HTTP1_GET, RO_LIVE),
	OPEN("/health/ready", HTTP1_GET, RO_READY),
	OPEN("/health/startup", HTTP1_GET, RO_STARTUP),
	CALL("/v1/chat/completions", ROUTE_CHAT, DIALECT_OPENAI,
	    KIND_GENERATE, FACT_CHAT, .upgrade = 0),
	CALL("/v1/completions", ROUTE_COMPLETIONS, DIALECT_OPENAI,
	    KIND_GENERATE, FACT_COMPLETIONS, .upgrade = 0),
	CALL("/v1/embeddings", ROUTE_EMBEDDINGS, DIALECT_OPENAI,
	    KIND_EMBED, FACT_EMBEDDINGS, .upgrade = 0),
	CALL("/v1/responses", ROUTE_RESPONSES, DIALECT_OPENAI,
	    KIND_GENERATE, FACT_RESPONSES, .upgrade = 1),
	CALL("/v1/messages", ROUTE_MESSAGES, DIALECT_ANTHROPIC,
	    KIND_GENERATE, FACT_MESSAGES, .query = beta,
	    .nquery = NITEMS(beta)),
	CALL("/v1/messages/count_tokens", ROUTE_COUNT_TOKENS,
	    DIALECT_ANTHROPIC, KIND_COUNT, FACT_COUNT, .query = beta,
	    .nquery = NITEMS(beta)),
	LIST("/v1/models", ROUTE_MODELS, .query = cursor,
	    .nquery = NITEMS(cursor)),
	LIST("/v1/models/{rest}", ROUTE_MODEL, .query = NULL),
	/* fixed names stand before {id} */
	CONSOLE("/agents/register", POST, AGENT_CREATE, AGENT_REGISTER, 0),
	CONSOLE("/agents", POST, AGENT_CREATE, AGENT_MAKE, 0),
	CONSOLE("/agents", GET, AGENT_LIST, AGENTS, 0),
	CONSOLE("/agents/{id}", GET, AGENT_LIST, AGENT, 0),
	CONSOLE("/agents/{id}", DELETE, AGENT_DELETE, AGENT_DELETE, 0),
	CONSOLE("/agents/{id}", PATCH, AGENT_EDIT, AGENT_EDIT, 0),
	CONSOLE("/agents/{id}/suspend", POST, AGENT_EDIT, AGENT_SUSPEND, 0),
	CONSOLE("/agents/{id}/resume", POST, AGENT_EDIT, AGENT_RESUME, 0),
	CONSOLE("/agents/{id}/developer-keys", POST, KEY_CREATE, KEY_MAKE, 0),
	CONSOLE("/agents/{id}/developer-keys", GET, KEY_LIST, KEYS, 0),
	CONSOLE("/agents/{id}/developer-keys", DELETE, KEY_REVOKE, KEY_REVOKE,
	    KEY_LAST),
	CONSOLE("/agents/{id}/developer-keys", POST, KEY_ROTATE, KEY_ROTATE,
	    KEY_THEN_ROTATE),
	CONSOLE("/audit", GET, AUDIT_LIST, AUDIT, 0),
	CONSOLE("/audit/verify", GET, AUDIT_VERIFY, AUDIT_VERIFY, 0),
	CONSOLE("/audit/stream", GET, AUDIT_LIST, AUDIT_TAIL, 0),
	CONSOLE("/health/overview", GET, OVERVIEW, OVERVIEW, 0),
	CONSOLE("/metrics", GET, METRICS, METRICS, 0),
	CONSOLE("/admin/vault/rotate", POST, VAULT_ROTATE, VAULT_ROTATE, 0),
	/* what the described product's own command line asks */
	CONSOLE("/api/me", GET, ME, ME, 0),
	CONSOLE("/api/config", GET, ME, CONFIG, 0),
	CONSOLE("/api/org/subscription", GET, ME, CONFIG, 0),
	CONSOLE("/api/providers", GET, ME, PROVIDERS, 0),
	CONSOLE("/api/v2/models", GET, ME, MODELS, 0),
	CONSOLE("/api/agents/onboard", POST, AGENT_CREATE, AGENT_ONBOARD, 0),
	CONSOLE("/api/agents", GET, AGENT_LIST, AGENTS, 0),
	CONSOLE("/api/agents/{id}", GET, AGENT_LIST, AGENT, 0),
	CONSOLE("/api/agents/{id}", DELETE, AGENT_DELETE, AGENT_DELETE, 0),
	CONSOLE("/api/agents/{id}", PATCH, AGENT_EDIT, AGENT_EDIT, 0),
	CONSOLE("/api/agents/{id}", PUT, AGENT_EDIT, AGENT_EDIT, 0),
	CONSOLE("/api/agents/{id}/suspend", POST, AGENT_EDIT, AGENT_SUSPEND,
	    0),
	CONSOLE("/api/agents/{id}/activate", POST, AGENT_EDIT, AGENT_RESUME,
	    0),
	CONSOLE("/api/agents/{id}/developer-keys", POST, KEY_CREATE, KEY_MAKE,
	    0),
	CONSOLE("/api/agents/{id}/developer-keys", GET, KEY_LIST, KEYS, 0),
	CONSOLE("/api/agents/{id}/developer-keys", DELETE, KEY_REVOKE,
	    KEY_REVOKE, KEY_LAST),
	CONSOLE("/api/agents/{id}/developer-keys", POST, KEY_ROTATE,
	    KEY_ROTATE, KEY_THEN_ROTATE),
	CONSOLE("/api/audit", GET, AUDIT_LIST, AUDIT, 0),
	CONSOLE("/api/audit/stream", GET, AUDIT_LIST, AUDIT_TAIL, 0),
	CONSOLE("/api/admin/llm-keys", GET, SECRET_LIST, LLM_KEYS, 0),
	CONSOLE("/api/admin/llm-keys", POST, ME, LLM_REFUSED, 0),
	CONSOLE("/api/admin/llm-keys", DELETE, ME, LLM_REFUSED, KEY_LAST),
};

/* The listener's class decides which rows exist on it. */
static int
served(const struct route *r, int class)
{
	switch (r->group) {
	case RG_OPEN:
		return 1;
	case RG_CONSOLE:
		return (class & CLASS_ADMIN) != 0;
	default:
		return (class & CLASS_DATA) != 0;
	}
}

/* Takes a last segment of this name off; 0 if it is another. */
static int
split_word(const uint8_t *t, struct target *g, const char *word)
{
	size_t	 n;

	n = strlen(word);
	if (g->path_len <= n || memcmp(t + g->path_len - n, word, n) != 0)
		return 0;
	g->path_len -= (uint32_t)n;
	return 1;
}

/* Takes the last segment off as a key id; 0 if there is none that fits. */
static int
split_key(const uint8_t *t, struct target *g, struct route_hit *hit)
{
	uint32_t	 at;

	for (at = g->path_len; at > 0 && t[at - 1] != '/'; at--)
		;
	if (at < 2 || at == g->path_len || g->path_len - at > TARGET_ID_MAX)
		return 0;
	hit->keyoff = at;
	hit->keylen = g->path_len - at;
	g->path_len = at - 1;
	return 1;
}

/* Does the path of this row stand there? */
static int
matches(const struct route *r, const uint8_t *t, const struct target *g,
    struct route_hit *hit)
{
	struct target	 part;
	struct route_hit try;
	uint32_t	 skip;

	part = *g;
	memset(&try, 0, sizeof(try));
	if (r->key == KEY_THEN_ROTATE && !split_word(t, &part, "/rotate"))
		return 0;
	if (r->key && !split_key(t, &part, &try))
		return 0;
	skip = 0;
	if (r->group == RG_CONSOLE && part.path_len > 3 &&
	    memcmp(t, "/v1/", 4) == 0)
		skip = 3;
	part.path_len -= skip;
	if (!target_match(t + skip, &part, r->path, &try.off, &try.len))
		return 0;
	try.off += skip;
	try.allow = hit->allow;
	*hit = try;
	return 1;
}

/*
 * RV_HIT: hit->route and the places of ids in the target.  RV_METHOD: the path
 * is known, hit->allow says with which methods, hit->route is one of its rows.
 * HEAD stands for GET on open rows only.
 */
enum route_verdict
route_find(enum http1_method m, const uint8_t *t, const struct target *g,
    int class, struct route_hit *hit)
{
	const struct route *r, *seen;
	struct route_hit try;
	unsigned int	 allow;
	size_t		 i;

	seen = NULL;
	allow = 0;
	for (i = 0; i < NITEMS(routes); i++) {
		r = &routes[i];
		memset(&try, 0, sizeof(try));
		if (!served(r, class) || !matches(r, t, g, &try))
			continue;
		seen = r;
		allow |= 1U << r->method;
		if (r->group == RG_OPEN)
			allow |= 1U << HTTP1_HEAD;
		if (m == r->method ||
		    (m == HTTP1_HEAD && r->group == RG_OPEN)) {
			*hit = try;
			hit->route = r;
			return RV_HIT;
		}
	}
	memset(hit, 0, sizeof(*hit));
	hit->route = seen;
	hit->allow = allow;
	return seen == NULL ? RV_NONE : RV_METHOD;
}

/* The value of Allow; 64 bytes hold all of them. */
void
route_allow(unsigned int allow, char *out, size_t size)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT",
	    "PATCH", "DELETE", "OPTIONS" };
	size_t		 i;

	out[0] = '\0';
	for (i = 0; i < NITEMS(names); i++) {
		if ((allow & 1U << i) == 0)
			continue;
		if (out[0] != '\0')
			strlcat(out, ", ", size);
		strlcat(out, names[i], size);
	}
}

const char *
route_path(uint16_t no)
{
	size_t	 i;

	for (i = 0; i < NITEMS(routes); i++)
		if ((routes[i].group == RG_CALL ||
		    routes[i].group == RG_LIST) && routes[i].no == no)
			return routes[i].path;
	return NULL;
}
