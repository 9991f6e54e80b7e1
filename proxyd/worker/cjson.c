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

static const struct member {
	enum cjson_kind	 kind;
	const char	*name;
	size_t		 off;
	size_t		 max;		/* bytes; 0: the number of days */
	int		 needed;
} members[] = {
	{ CJSON_AGENT, "agent_id", offsetof(struct cjson, agent), 128, 1 },
	{ CJSON_AGENT, "description", offsetof(struct cjson, description),
	    CJSON_TEXT, 0 },
	{ CJSON_KEY, "developer_email", offsetof(struct cjson, email), 254, 1 },
	{ CJSON_KEY, "name", offsetof(struct cjson, name), 128, 0 },
	{ CJSON_KEY, "expires_days", 0, 0, 1 },
};

#define NMEMBERS	(sizeof(members) / sizeof(members[0]))

void
cjson_init(void)
{
	json_object_seed(0);
}

static int
take_days(json_t *v, struct cjson *out, char *why, size_t size)
{
	json_int_t	 n;

	n = json_is_integer(v) ? json_integer_value(v) : 0;
	if (n < 1 || n > DAYS_MAX) {
		snprintf(why, size, "expires_days must be a whole number from "
		    "1 to %d.", DAYS_MAX);
		return -1;
	}
	out->days = n;
	return 0;
}

static int
take_text(const struct member *m, json_t *v, struct cjson *out, char *why,
    size_t size)
{
	const char	*s;
	size_t		 i, n;

	s = json_string_value(v);
	n = s == NULL ? 0 : json_string_length(v);
	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			n = 0;
	if (s == NULL || (n == 0 && m->needed) || n > m->max ||
	    strlen(s) != json_string_length(v)) {
		snprintf(why, size, "%s must be a text of %s%zu bytes without "
		    "control characters.", m->name, m->needed ? "1 to " :
		    "at most ", m->max);
		return -1;
	}
	memcpy((char *)out + m->off, s, n + 1);
	return 0;
}

static const struct member *
find(enum cjson_kind kind, const char *name)
{
	size_t	 i;

	for (i = 0; i < NMEMBERS; i++)
		if (members[i].kind == kind &&
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
		if ((m->max == 0 ? take_days(v, out, why, size) :
		    take_text(m, v, out, why, size)) == -1)
			return -1;
	}
	for (i = 0; i < NMEMBERS; i++) {
		if (members[i].kind != kind || !members[i].needed ||
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
