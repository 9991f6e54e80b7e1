/* SPDX-License-Identifier: ISC */
/*
 * Strict reading of small administrative bodies: one object, each member known,
 * once, and of its type.  A member that we do not know is refused, since an
 * operator who mistypes "expires_days" must not get a key of another life.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "proxyd/worker/cjson.h"

#define DAYS_MAX	365
#define GRACE_MAX	(30 * 86400)
#define ITEMS_MAX	64
#define K(kind)		(1u << CJSON_##kind)
#define MAKES		(K(AGENT) | K(REGISTER) | K(ONBOARD))

enum type { TEXT, COUNT, SCOPE, WORDS, ORG, BOOL };

struct member {
	const char	*name;
	unsigned int	 kinds, needed;		/* bits */
	enum type	 type;
	size_t		 off;
	long		 min, max;		/* bytes of TEXT; of COUNT */
};

#define OFF(m)		offsetof(struct cjson, m)
static const struct member members[] = {
	{ "agent_id", MAKES, MAKES, TEXT, OFF(agent), 1, 128 },
	{ "description", MAKES | K(EDIT), 0, TEXT, OFF(description), 0, CJSON_TEXT },
	{ "owner_email", MAKES | K(EDIT), 0, TEXT, OFF(owner), 0, 254 },
	{ "framework", MAKES, 0, TEXT, OFF(framework), 0, 32 },
	{ "suspended", K(EDIT), 0, BOOL, OFF(suspended), 0, 0 },
	{ "scope", MAKES | K(KEY) | K(EDIT), 0, SCOPE, OFF(scope), 0, 0 },
	/* what the described product sends and nothing here depends on */
	{ "intended_use", K(ONBOARD), 0, TEXT, OFF(ignored), 0, CJSON_TEXT },
	{ "declared_capabilities", K(ONBOARD) | K(REGISTER), 0, WORDS, 0, 0,
	    0 },
	{ "org_id", K(ONBOARD) | K(REGISTER), 0, ORG, 0, 0, 0 },
	{ "developer_email", K(KEY), K(KEY), TEXT, OFF(email), 0, 254 },
	{ "name", K(KEY), 0, TEXT, OFF(name), 0, 128 },
	{ "role", K(KEY), 0, TEXT, OFF(role), 0, 16 },
	{ "expires_days", K(KEY) | K(ROTATE) | K(REGISTER) | K(ONBOARD), K(KEY),
	    COUNT, OFF(days), 1, DAYS_MAX },
	{ "grace_seconds", K(ROTATE), 0, COUNT, OFF(grace), 0, GRACE_MAX },
};

#define NMEMBERS	(sizeof(members) / sizeof(members[0]))

void
cjson_init(void)
{
	json_object_seed(0);
}

static int
take_count(const struct member *m, json_t *v, struct cjson *out, char *why,
    size_t size)
{
	json_int_t	 n;
	long		 value;

	n = json_is_integer(v) ? json_integer_value(v) : -1;
	if (n < m->min || n > m->max) {
		snprintf(why, size, "%s must be a whole number from %ld to "
		    "%ld.", m->name, m->min, m->max);
		return -1;
	}
	value = (long)n;
	memcpy((char *)out + m->off, &value, sizeof(value));
	return 0;
}

/* A string without control characters; NULL: none. */
static const char *
clean(json_t *v, size_t *len)
{
	const char	*s;
	size_t		 i;

	s = json_string_value(v);
	if (s == NULL)
		return NULL;
	*len = json_string_length(v);
	for (i = 0; i < *len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return NULL;
	return s;
}

static int
take_text(const struct member *m, json_t *v, struct cjson *out, char *why,
    size_t size)
{
	const char	*s;
	size_t		 n;

	s = clean(v, &n);
	if (s == NULL || n < (size_t)m->min || n > (size_t)m->max) {
		snprintf(why, size, "%s must be a text of %s%ld bytes without "
		    "control characters.", m->name, m->min > 0 ? "1 to " :
		    "at most ", m->max);
		return -1;
	}
	memcpy((char *)out + m->off, s, n + 1);
	return 0;
}

static int
take_words(json_t *v, char *why, size_t size)
{
	size_t	 i, n;

	for (i = 0; json_is_array(v) && i < json_array_size(v); i++)
		if (clean(json_array_get(v, i), &n) == NULL || n > 64)
			break;
	if (json_is_array(v) && i == json_array_size(v) && i <= ITEMS_MAX)
		return 0;
	snprintf(why, size, "declared_capabilities must be at most %d texts.",
	    ITEMS_MAX);
	return -1;
}

/* There is one organisation. */
static int
take_org(json_t *v, char *why, size_t size)
{
	const char	*s;

	s = json_string_value(v);
	if (s != NULL && (*s == '\0' || strcmp(s, "default") == 0))
		return 0;
	snprintf(why, size, "org_id must be \"default\".");
	return -1;
}

/* One list of a scope behind what out holds already: "p=a,b". */
static int
take_list(char letter, json_t *list, char *out)
{
	const char	*s;
	size_t		 i, n, at;

	at = strlen(out);
	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > ITEMS_MAX || at + 4 > CJSON_SCOPE)
		return -1;
	if (at > 0)
		out[at++] = ' ';
	out[at++] = letter;
	for (i = 0; i < json_array_size(list); i++) {
		s = clean(json_array_get(list, i), &n);
		if (s == NULL || n == 0 || strpbrk(s, ", ") != NULL ||
		    at + n + 1 > CJSON_SCOPE)
			return -1;
		out[at++] = i == 0 ? '=' : ',';
		memcpy(out + at, s, n);
		at += n;
	}
	out[at] = '\0';
	return 0;
}

/* {"providers":[..],"models":[..],"kinds":[..],"source_networks":[..]} */
static int
take_scope(json_t *v, struct cjson *out, char *why, size_t size)
{
	static const struct {
		char		 letter;
		const char	*name;
	} lists[] = { { 'p', "providers" }, { 'm', "models" },
	    { 'k', "kinds" }, { 'n', "source_networks" } };
	json_t	*list;
	size_t	 i, seen;

	for (i = seen = 0; json_is_object(v) && i < 4; i++) {
		list = json_object_get(v, lists[i].name);
		if (list == NULL)
			continue;
		if (take_list(lists[i].letter, list, out->scope) == -1)
			break;
		seen++;
	}
	/* an edit takes a limit away with {} */
	if (json_is_object(v) && i == 4 && seen == json_object_size(v))
		return 0;
	snprintf(why, size, "scope must be an object of providers, models, "
	    "kinds and source_networks, each a list of texts, together at "
	    "most %d bytes.", CJSON_SCOPE);
	return -1;
}

/* Which of the four an edit names: proto.h, AGENT_EDIT. */
static unsigned int
given(const char *name)
{
	static const char *const names[] = { "description", "owner_email",
	    "scope", "suspended" };
	unsigned int	 i;

	for (i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
			return 1u << i;
	return 0;
}

static int
take_bool(const struct member *m, json_t *v, struct cjson *out, char *why,
    size_t size)
{
	int	 value;

	if (!json_is_boolean(v)) {
		snprintf(why, size, "%s must be true or false.", m->name);
		return -1;
	}
	value = json_is_true(v);
	memcpy((char *)out + m->off, &value, sizeof(value));
	return 0;
}

static int
take(const struct member *m, json_t *v, struct cjson *out, char *why,
    size_t size)
{
	switch (m->type) {
	case COUNT:
		return take_count(m, v, out, why, size);
	case SCOPE:
		return take_scope(v, out, why, size);
	case WORDS:
		return take_words(v, why, size);
	case ORG:
		return take_org(v, why, size);
	case BOOL:
		return take_bool(m, v, out, why, size);
	default:
		return take_text(m, v, out, why, size);
	}
}

static const struct member *
find(enum cjson_kind kind, const char *name)
{
	size_t	 i;

	for (i = 0; i < NMEMBERS; i++)
		if ((members[i].kinds & 1u << kind) &&
		    strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

static int
take_all(enum cjson_kind kind, json_t *root, struct cjson *out, char *why,
    size_t size)
{
	const struct member *m;
	const char	*name;
	json_t		*v;
	size_t		 i;

	json_object_foreach(root, name, v) {
		m = find(kind, name);
		if (m == NULL) {
			snprintf(why, size, "The body has a member that this "
			    "route does not know.");
			return -1;
		}
		if (take(m, v, out, why, size) == -1)
			return -1;
		out->given |= given(name);
	}
	for (i = 0; i < NMEMBERS; i++) {
		if (!(members[i].needed & 1u << kind) ||
		    json_object_get(root, members[i].name) != NULL)
			continue;
		snprintf(why, size, "%s is missing.", members[i].name);
		return -1;
	}
	return 0;
}

int
cjson_read(enum cjson_kind kind, const void *p, size_t n, struct cjson *out,
    char *why, size_t size)
{
	json_error_t	 error;
	json_t		*root;
	int		 r;

	memset(out, 0, sizeof(*out));
	if (kind == CJSON_ROTATE)
		out->grace = CJSON_GRACE;
	if (kind == CJSON_REGISTER || kind == CJSON_ONBOARD)
		out->days = CJSON_DAYS;
	root = json_loadb(p, n, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL || !json_is_object(root)) {
		snprintf(why, size, "The body is not one JSON object without "
		    "duplicate members.");
		json_decref(root);
		return -1;
	}
	r = take_all(kind, root, out, why, size);
	json_decref(root);
	return r;
}
