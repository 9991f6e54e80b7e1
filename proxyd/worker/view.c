/* SPDX-License-Identifier: ISC */
/* Looks of administration, see view.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/compat/compat.h"
#include "proxyd/worker/view.h"
#include "proxyd/worker/worker.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))
#define ORG		"\"default\""

/* ---- queries: places are known to view_query ----------------------------- */
enum { Q_TEXT, Q_LIMIT, Q_CURSOR };
static const struct target_query agents_query[] = {
	[Q_TEXT] = { "q", TARGET_TEXT },
	[Q_LIMIT] = { "limit", TARGET_UINT },
	[Q_CURSOR] = { "cursor", TARGET_UINT },
};
enum { A_AGENT, A_LIMIT, A_CURSOR, A_TYPE, A_ACTION, A_SINCE, A_INTERVAL,
    A_SESSION, A_TASK };
static const struct target_query audit_query[] = {
	[A_AGENT] = { "agent_id", TARGET_TEXT },
	[A_LIMIT] = { "limit", TARGET_UINT },
	[A_CURSOR] = { "cursor", TARGET_UINT },
	[A_TYPE] = { "event_type", TARGET_TEXT },
	[A_ACTION] = { "action", TARGET_TEXT },
	[A_SINCE] = { "since", TARGET_TEXT },
	[A_INTERVAL] = { "interval", TARGET_TEXT },
	[A_SESSION] = { "session_id", TARGET_TEXT },
	[A_TASK] = { "task_id", TARGET_TEXT },
};

/* ---- columns: fields as proto.h numbers them ----------------------------- */
static const struct view_col me[] = {
	{ "id", VA_TEXT, 0, NULL },
	{ "email", VA_TEXT, 1, NULL },
	{ "name", VA_TEXT, 2, NULL },
	{ "role", VA_TEXT, 3, NULL },
	{ "agent_id", VA_NULL, 4, NULL },
	{ "expires_at", VA_NULL, 5, NULL },
	{ "org_id", VA_CONST, 0, ORG },
	{ "org_name", VA_CONST, 0, ORG },
};

static const struct view_col agent_made[] = {
	{ "id", VA_TEXT, 0, NULL },
	{ "slug", VA_TEXT, 0, NULL },
	{ "agent_id", VA_TEXT, 0, NULL },
	{ "agent_uuid", VA_TEXT, 0, NULL },
	{ "org_id", VA_CONST, 0, ORG },
	{ "created", VA_BOOL, 1, NULL },
};

static const struct view_col registered[] = {
	{ "agent_id", VA_TEXT, 0, NULL },
	{ "agent_uuid", VA_TEXT, 0, NULL },
	{ "org_id", VA_CONST, 0, ORG },
	{ "api_key", VA_TEXT, 2, NULL },
	{ "key_id", VA_TEXT, 3, NULL },
	{ "expires_at", VA_TEXT, 4, NULL },
};

static const struct view_col onboarded[] = {
	{ "status", VA_CONST, 0, "\"onboarded\"" },
	{ "id", VA_TEXT, 0, NULL },
	{ "slug", VA_TEXT, 0, NULL },
	{ "agent_uuid", VA_TEXT, 0, NULL },
	{ "agent_id", VA_TEXT, 0, NULL },
	{ "org_id", VA_CONST, 0, ORG },
	{ "spiffe_id", VA_CONST, 0, "null" },
	{ "pipeline_id", VA_CONST, 0, "null" },
	{ "signing_key", VA_CONST, 0, "{}" },
	{ "api_key.api_key", VA_TEXT, 2, NULL },
	{ "api_key.key_id", VA_TEXT, 3, NULL },
	{ "api_key.expires_at", VA_TEXT, 4, NULL },
	{ "base_url", VA_CONST, 0, "null" },
};

static const struct view_col agent[] = {
	{ "id", VA_TEXT, 0, NULL },
	{ "slug", VA_TEXT, 0, NULL },
	{ "agent_id", VA_TEXT, 0, NULL },
	{ "agent_uuid", VA_TEXT, 0, NULL },
	{ "org_id", VA_CONST, 0, ORG },
	{ "description", VA_TEXT, 1, NULL },
	{ "created_at", VA_NULL, 2, NULL },
	{ "registered_at", VA_NULL, 2, NULL },
	{ "developer_keys", VA_NUMBER, 3, NULL },
	{ "owner_email", VA_NULL, 4, NULL },
	{ "framework", VA_TEXT, 5, NULL },
	{ "scope", VA_SCOPE, 6, NULL },
	{ "active", VA_BOOL, 9, NULL },
	{ "suspended_at", VA_NULL, 8, NULL },
};

static const struct view_col agent_gone[] = {
	{ "agent_id", VA_TEXT, 0, NULL },
	{ "deleted_at", VA_NULL, 1, NULL },
	{ "revoked_keys", VA_NUMBER, 2, NULL },
};

static const struct view_col key_made[] = {
	{ "api_key", VA_TEXT, 0, NULL },
	{ "key_id", VA_TEXT, 1, NULL },
	{ "agent_id", VA_TEXT, 2, NULL },
	{ "developer_email", VA_TEXT, 3, NULL },
	{ "expires_at", VA_TEXT, 4, NULL },
	{ "role", VA_TEXT, 6, NULL },
};

static const struct view_col key_rotated[] = {
	{ "api_key", VA_TEXT, 0, NULL },
	{ "key_id", VA_TEXT, 1, NULL },
	{ "agent_id", VA_TEXT, 2, NULL },
	{ "developer_email", VA_TEXT, 3, NULL },
	{ "expires_at", VA_TEXT, 4, NULL },
	{ "replaces", VA_TEXT, 5, NULL },
	{ "replaced_key_ends_at", VA_TEXT, 6, NULL },
	{ "role", VA_TEXT, 7, NULL },
};

static const struct view_col key[] = {
	{ "key_id", VA_TEXT, 0, NULL },
	{ "agent_id", VA_TEXT, 1, NULL },
	{ "developer_email", VA_TEXT, 2, NULL },
	{ "name", VA_TEXT, 3, NULL },
	{ "created_at", VA_NULL, 4, NULL },
	{ "expires_at", VA_NULL, 5, NULL },
	{ "revoked_at", VA_NULL, 6, NULL },
	{ "last_used_at", VA_NULL, 7, NULL },
	{ "role", VA_TEXT, 8, NULL },
	{ "scope", VA_SCOPE, 9, NULL },
	{ "replaces", VA_NULL, 10, NULL },
	{ "ends_at", VA_NULL, 11, NULL },
};

static const struct view_col key_gone[] = {
	{ "key_id", VA_TEXT, 0, NULL },
	{ "revoked_at", VA_NULL, 1, NULL },
};

static const struct view_col event[] = {
	{ "event_id", VA_TEXT, 0, NULL },
	{ "index", VA_NUMBER, 0, NULL },
	{ "timestamp", VA_TEXT, 1, NULL },
	{ "event_type", VA_TEXT, 2, NULL },
	{ "agent_id", VA_NULL, 3, NULL },
	{ "key_id", VA_NULL, 4, NULL },
	{ "action", VA_TEXT, 5, NULL },
	{ "session_id", VA_NULL, 16, NULL },
	{ "details.request_id", VA_NULL, 6, NULL },
	{ "details.model", VA_NULL, 7, NULL },
	{ "details.provider", VA_NULL, 8, NULL },
	{ "details.status", VA_NUMBER, 9, NULL },
	{ "details.reason", VA_NULL, 10, NULL },
	{ "details.prompt_tokens", VA_NUMBER, 11, NULL },
	{ "details.completion_tokens", VA_NUMBER, 12, NULL },
	{ "details.object", VA_NULL, 13, NULL },
	{ "details.actor", VA_NULL, 14, NULL },
	{ "hash", VA_TEXT, 15, NULL },
};

static const struct view_col verified[] = {
	{ "verified", VA_BOOL, 0, NULL },
	{ "events_checked", VA_NUMBER, 6, NULL },
	{ "chain_intact", VA_BOOL, 2, NULL },
	{ "events_pending", VA_NUMBER, 3, NULL },
	{ "root_hash", VA_TEXT, 4, NULL },
	{ "events", VA_NUMBER, 1, NULL },
	{ "checked_root_hash", VA_NULL, 7, NULL },
	{ "checked_at", VA_NULL, 8, NULL },
	{ "fault", VA_NULL, 9, NULL },
	{ "basis", VA_CONST, 0, "\"The ledger read its database whole at "
	    "start; the broker compared the root of the tree with its own "
	    "signed head then and at every commit since. A process of its own "
	    "reads the exported log whole: its entries, tiles, checkpoints "
	    "and signatures. The proof that trusts nobody here is "
	    "auditverify.\"" },
};

static const struct view_col fleet[] = {
	{ "agent_id", VA_TEXT, 0, NULL },
	{ "owner_email", VA_NULL, 1, NULL },
	{ "score", VA_CONST, 0, "null" },
	{ "grade", VA_CONST, 0, "null" },
	{ "live_keys", VA_NUMBER, 2, NULL },
	{ "calls", VA_NUMBER, 3, NULL },
	{ "denied", VA_NUMBER, 4, NULL },
	{ "failed", VA_NUMBER, 5, NULL },
	{ "prompt_tokens", VA_NUMBER, 6, NULL },
	{ "completion_tokens", VA_NUMBER, 7, NULL },
	{ "last_used_at", VA_NULL, 8, NULL },
	{ "counted_since", VA_TEXT, 9, NULL },
};

/* No part of a key is told; fingerprints are keyed. */
static const struct view_col secret[] = {
	{ "provider", VA_TEXT, 1, NULL },
	{ "name", VA_TEXT, 0, NULL },
	{ "last_four", VA_CONST, 0, "null" },
	{ "source", VA_TEXT, 2, NULL },
	{ "status", VA_TEXT, 3, NULL },
	{ "updated_at", VA_NULL, 4, NULL },
	{ "fingerprint", VA_NULL, 5, NULL },
	{ "last_used_at", VA_NULL, 6, NULL },
	{ "note", VA_NULL, 7, NULL },
};

static const struct view_col vault_rotated[] = {
	{ "changed", VA_BOOL, 0, NULL },
	{ "kid", VA_TEXT, 1, NULL },
	{ "previous_kid", VA_NULL, 2, NULL },
	{ "records", VA_NUMBER, 3, NULL },
	{ "pending", VA_NUMBER, 4, NULL },
};

#define COLS(c)		c, NITEMS(c)
#define QUERY(q)	NULL, q, NITEMS(q)
static const struct view views[VIEW_MAX] = {
	[VIEW_ME] = { VL_ONE, 200, COLS(me), NULL, NULL, 0 },
	[VIEW_CONFIG] = { VL_FIXED, 200, NULL, 0, "{}\n", NULL, 0 },
	[VIEW_PROVIDERS] = { VL_FIXED, 200, NULL, 0, NULL, NULL, 0 },
	[VIEW_MODELS] = { VL_FIXED, 200, NULL, 0, NULL, NULL, 0 },
	[VIEW_AGENT_MAKE] = { VL_ONE, 0, COLS(agent_made), NULL, NULL, 0 },
	[VIEW_AGENT_REGISTER] = { VL_ONE, 0, COLS(registered), NULL, NULL, 0 },
	[VIEW_AGENT_ONBOARD] = { VL_ONE, 200, COLS(onboarded), NULL, NULL, 0 },
	[VIEW_AGENTS] = { VL_PAGE, 200, COLS(agent), QUERY(agents_query) },
	[VIEW_AGENT] = { VL_ONE, 200, COLS(agent), NULL, NULL, 0 },
	[VIEW_AGENT_EDIT] = { VL_ONE, 200, COLS(agent), NULL, NULL, 0 },
	[VIEW_AGENT_SUSPEND] = { VL_ONE, 200, COLS(agent), NULL, NULL, 0 },
	[VIEW_AGENT_RESUME] = { VL_ONE, 200, COLS(agent), NULL, NULL, 0 },
	[VIEW_AGENT_DELETE] = { VL_ONE, 200, COLS(agent_gone), NULL, NULL, 0 },
	[VIEW_KEY_MAKE] = { VL_ONE, 201, COLS(key_made), NULL, NULL, 0 },
	[VIEW_KEYS] = { VL_PAGE, 200, COLS(key), QUERY(agents_query) },
	[VIEW_KEY_REVOKE] = { VL_ONE, 200, COLS(key_gone), NULL, NULL, 0 },
	[VIEW_KEY_ROTATE] = { VL_ONE, 201, COLS(key_rotated), NULL, NULL, 0 },
	[VIEW_AUDIT] = { VL_PAGE, 200, COLS(event), QUERY(audit_query) },
	[VIEW_AUDIT_TAIL] = { VL_TAIL, 200, COLS(event), QUERY(audit_query) },
	[VIEW_AUDIT_VERIFY] = { VL_ONE, 200, COLS(verified), NULL, NULL, 0 },
	[VIEW_OVERVIEW] = { VL_PAGE, 200, COLS(fleet), QUERY(agents_query) },
	[VIEW_LLM_KEYS] = { VL_PROVIDERS, 200, COLS(secret), NULL, NULL, 0 },
	[VIEW_VAULT_ROTATE] = { VL_ONE, 200, COLS(vault_rotated), NULL, NULL,
	    0 },
	[VIEW_METRICS] = { VL_TEXT, 200, NULL, 0, NULL, NULL, 0 },
};

const struct view *
view_row(enum view_no no)
{
	return &views[no < VIEW_MAX ? no : VIEW_NONE];
}

/* ---- reading a query ------------------------------------------------------ */

static int
hexval(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 0x20) - 'a' + 10;
}

/* Escapes resolved; printable ASCII only.  -1: does not fit. */
static int
decode(const uint8_t *t, const struct target_value *v, char *out, size_t size)
{
	uint32_t	 i;
	size_t		 n;
	int		 c;

	out[0] = '\0';
	if (!v->set)
		return 0;
	for (i = 0, n = 0; i < v->len; i++) {
		c = t[v->off + i];
		if (c == '%') {
			c = hexval(t[v->off + i + 1]) << 4 |
			    hexval(t[v->off + i + 2]);
			i += 2;
		} else if (c == '+')
			c = ' ';
		if (c < ' ' || c > '~' || n + 1 >= size)
			return -1;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 0;
}

/* "24h", "30m", "7d": that long before now, wall ms; 0: no such thing. */
static uint64_t
before(const char *s, uint64_t now)
{
	static const struct {
		char		 unit;
		uint64_t	 ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 },
	    { 'd', 86400000 } };
	uint64_t	 n, span;
	size_t		 i, k;

	for (n = 0, i = 0; s[i] >= '0' && s[i] <= '9' && i < 6; i++)
		n = n * 10 + (uint64_t)(s[i] - '0');
	if (i == 0 || s[i] == '\0' || s[i + 1] != '\0')
		return 0;
	for (k = 0; k < NITEMS(units); k++) {
		if (units[k].unit != s[i])
			continue;
		span = n * units[k].ms;
		return span < now ? now - span : 1;
	}
	return 0;
}

/* ISO 8601 with Z or +00:00, to the second; fractions are cut off. */
static uint64_t
iso(const char *s)
{
	struct tm	 tm;
	const char	*p;
	time_t		 t;

	memset(&tm, 0, sizeof(tm));
	p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (p == NULL)
		return 0;
	if (*p == '.')
		p += 1 + strspn(p + 1, "0123456789");
	if (strcmp(p, "Z") != 0 && strcmp(p, "+00:00") != 0 &&
	    strcmp(p, " 00:00") != 0)
		return 0;
	t = timegm(&tm);
	return t < 1 ? 0 : (uint64_t)t * 1000;
}

static int
when(const char *s, uint64_t now, uint64_t *out)
{
	if (s[0] == '\0')
		return 0;
	*out = before(s, now);
	if (*out == 0)
		*out = iso(s);
	return *out == 0 ? -1 : 0;
}

static int
audit_args(const uint8_t *t, const struct target_value *v, uint64_t now,
    struct view_args *a, const char **why)
{
	char	 text[40];

	*why = "since and interval are a duration such as 24h or a time such "
	    "as 2026-01-31T12:00:00Z.";
	if (decode(t, &v[A_INTERVAL], text, sizeof(text)) == -1 ||
	    when(text, now, &a->since) == -1)
		return -1;
	if (decode(t, &v[A_SINCE], text, sizeof(text)) == -1 ||
	    when(text, now, &a->since) == -1)
		return -1;
	*why = "A query parameter is too long or has a control character.";
	a->task = v[A_TASK].set && v[A_TASK].len > 0;
	return decode(t, &v[A_SESSION], a->session, sizeof(a->session)) == -1 ||
	    decode(t, &v[A_TYPE], a->type, sizeof(a->type)) == -1 ||
	    decode(t, &v[A_ACTION], a->action, sizeof(a->action)) == -1 ?
	    -1 : 0;
}

int
view_query(enum view_no no, const uint8_t *t, const struct target_value *v,
    uint64_t now, struct view_args *a, const char **why)
{
	const struct view	*w;

	w = view_row(no);
	memset(a, 0, sizeof(*a));
	if (w->nquery == 0)
		return 0;
	a->limit = v[Q_LIMIT].set ? v[Q_LIMIT].number : VIEW_LIMIT;
	a->cursor = v[Q_CURSOR].set ? v[Q_CURSOR].number : 0;
	if (a->limit < 1 || a->limit > VIEW_LIMIT_MAX) {
		*why = "limit is 1 to 5000.";
		return -1;
	}
	*why = "A query parameter is too long or has a control character.";
	if (decode(t, &v[Q_TEXT], a->q, sizeof(a->q)) == -1)
		return -1;
	if (w->query == audit_query)
		return audit_args(t, v, now, a, why);
	return 0;
}

/* ---- writing JSON --------------------------------------------------------- */

static void
quoted(struct wbuf *b, const char *s)
{
	wbuf_str(b, "\"");
	wbuf_json(b, s);
	wbuf_str(b, "\"");
}

/* "p=a,b n=::1" (scope.h of the broker) as an object of arrays. */
static void
scope(struct wbuf *b, const char *s)
{
	static const struct {
		char		 letter;
		const char	*name;
	} parts[] = { { 'p', "providers" }, { 'm', "models" },
	    { 'k', "kinds" }, { 'n', "source_networks" } };
	char	 item[132];
	size_t	 i, n, k;

	wbuf_str(b, "{");
	for (i = 0; s[0] != '\0' && s[1] == '='; i++) {
		for (k = 0; k + 1 < NITEMS(parts) &&
		    parts[k].letter != s[0]; k++)
			;
		wbuf_fmt(b, "%s\"%s\":[", i == 0 ? "" : ",", parts[k].name);
		for (s++; *s == '=' || *s == ','; s += n) {
			if (*s++ == ',')
				wbuf_str(b, ",");
			n = strcspn(s, ", ");
			strlcpy(item, s, n + 1 < sizeof(item) ? n + 1 :
			    sizeof(item));
			quoted(b, item);
		}
		wbuf_str(b, "]");
		if (*s == ' ')
			s++;
	}
	wbuf_str(b, "}");
}

static void
value(struct wbuf *b, const struct view_col *c, const char *text)
{
	switch (c->as) {
	case VA_CONST:
		wbuf_str(b, c->text);
		return;
	case VA_BOOL:
		wbuf_str(b, strcmp(text, "1") == 0 ? "true" : "false");
		return;
	case VA_NUMBER:
		wbuf_str(b, text[0] != '\0' && strspn(text, "0123456789") ==
		    strlen(text) ? text : "null");
		return;
	case VA_SCOPE:
		scope(b, text);
		return;
	case VA_NULL:
		if (text[0] == '\0') {
			wbuf_str(b, "null");
			return;
		}
		break;
	case VA_TEXT:
		break;
	}
	quoted(b, text);
}

void
view_object(const struct view *v, const char *const *f, size_t n,
    struct wbuf *b)
{
	const struct view_col	*c;
	const char		*dot, *group;
	size_t			 i, len;

	group = NULL;
	len = 0;
	wbuf_str(b, "{");
	for (i = 0; i < v->ncols; i++) {
		c = &v->cols[i];
		dot = strchr(c->name, '.');
		if (group != NULL && (dot == NULL ||
		    strncmp(group, c->name, len + 1) != 0)) {
			wbuf_str(b, "}");
			group = NULL;
		}
		if (i > 0)
			wbuf_str(b, ",");
		if (dot != NULL && group == NULL) {
			group = c->name;
			len = (size_t)(dot - c->name);
			wbuf_fmt(b, "\"%.*s\":{", (int)len, group);
		}
		wbuf_fmt(b, "\"%s\":", dot == NULL ? c->name : dot + 1);
		value(b, c, c->field < n ? f[c->field] : "");
	}
	wbuf_str(b, group == NULL ? "}" : "}}");
}

void
view_open(const struct view *v, struct wbuf *b)
{
	if (v->list == VL_PAGE)
		wbuf_str(b, "{\"data\":[");
	else if (v->list == VL_ARRAY)
		wbuf_str(b, "[");
	else if (v->list == VL_PROVIDERS)
		wbuf_str(b, "{\"providers\":[");
}

void
view_close(const struct view *v, size_t rows, const char *cursor,
    const char *total, struct wbuf *b)
{
	if (v->list == VL_PAGE) {
		wbuf_str(b, "],\"page\":{\"cursor_next\":");
		if (cursor[0] == '\0')
			wbuf_str(b, "null");
		else
			quoted(b, cursor);
		wbuf_fmt(b, ",\"%s\":%s}}\n", v->query == audit_query ?
		    "oldest_index" : "total", total[0] == '\0' ? "null" :
		    total);
	} else if (v->list == VL_ARRAY)
		wbuf_str(b, "]\n");
	else if (v->list == VL_PROVIDERS)
		wbuf_str(b, "],\"supported\":");
	else if (v->list == VL_ONE)
		wbuf_str(b, rows > 0 ? "\n" : "{}\n");
}
