/* SPDX-License-Identifier: ISC */

/*
 * AWS profile files: sections of "key = value" lines.  The configuration file
 * calls them [profile x], the credentials file [x]; [default] is bare in both.
 * Nothing is expanded; what is no such line is passed over, as botocore does.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/kms/kms.h"

#define SECTION	256

struct span {
	const char	*p;
	size_t		 n;
};

static void
trim(struct span *s)
{
	while (s->n > 0 && isspace((unsigned char)*s->p)) {
		s->p++;
		s->n--;
	}
	while (s->n > 0 && isspace((unsigned char)s->p[s->n - 1]))
		s->n--;
}

static int
same(const struct span *s, const char *text)
{
	return s->n == strlen(text) && memcmp(s->p, text, s->n) == 0;
}

/* The next line; 0 at the end. */
static int
line(const char **at, const char *end, struct span *l)
{
	const char	*nl;

	if (*at >= end)
		return 0;
	nl = memchr(*at, '\n', (size_t)(end - *at));
	l->p = *at;
	l->n = (size_t)((nl == NULL ? end : nl) - *at);
	*at = nl == NULL ? end : nl + 1;
	return 1;
}

/* "[profile x]" with any blanks: its words with one blank. */
static int
is_section(const struct span *l, char out[SECTION])
{
	struct span	 s;
	size_t		 i, n;

	s = *l;
	trim(&s);
	if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return 0;
	s.p++;
	s.n -= 2;
	trim(&s);
	for (i = n = 0; i < s.n && n + 1 < SECTION; i++)
		if (!isspace((unsigned char)s.p[i]))
			out[n++] = s.p[i];
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	out[n] = '\0';
	return 1;
}

/* "key = value"; a comment after the value needs a blank before it. */
static int
split(const struct span *l, struct span *key, struct span *value)
{
	const char	*eq;
	size_t		 i;

	eq = memchr(l->p, '=', l->n);
	if (eq == NULL || l->n == 0 || *l->p == '#' || *l->p == ';')
		return 0;
	key->p = l->p;
	key->n = (size_t)(eq - l->p);
	value->p = eq + 1;
	value->n = l->n - key->n - 1;
	trim(key);
	for (i = 1; i < value->n; i++)
		if ((value->p[i] == '#' || value->p[i] == ';') &&
		    isspace((unsigned char)value->p[i - 1]))
			value->n = i;
	trim(value);
	return 1;
}

/* sub: the value lies below "sub =", indented. */
static const char *
lookup(const char *file, const char *section, const char *sub,
    const char *want, int *exists)
{
	struct span	 l, key, value;
	const char	*at, *end;
	char		 name[SECTION];
	size_t		 len;
	int		 inside, below, indented;

	*exists = inside = below = 0;
	at = facts_file(file, &len);
	if (at == NULL)
		return NULL;
	for (end = at + len; line(&at, end, &l);) {
		if (is_section(&l, name)) {
			inside = strcmp(name, section) == 0;
			*exists |= inside;
			below = 0;
			continue;
		}
		if (!inside || !split(&l, &key, &value))
			continue;
		indented = l.n > 0 && isspace((unsigned char)*l.p);
		if (!indented)
			below = sub != NULL && same(&key, sub);
		if ((sub == NULL ? !indented : indented && below) &&
		    want != NULL && same(&key, want) && value.n > 0)
			return arena_dup(value.p, value.n);
	}
	return NULL;
}

static void
section_of(const char *file, const char *profile, char out[SECTION])
{
	int	 bare;

	bare = strcmp(file, "AWS_CONFIG_FILE") != 0 ||
	    strcmp(profile, "default") == 0;
	snprintf(out, SECTION, "%s%s", bare ? "" : "profile ", profile);
}

const char *
awsprofile_of(const char *file, const char *profile, const char *key)
{
	char	 section[SECTION];
	int	 exists;

	section_of(file, profile, section);
	return lookup(file, section, NULL, key, &exists);
}

int
awsprofile_exists(const char *profile)
{
	static const char *const	 files[] = { "AWS_CONFIG_FILE",
	    "AWS_SHARED_CREDENTIALS_FILE" };
	char				 section[SECTION];
	size_t				 i;
	int				 exists;

	for (i = 0; i < nitems(files); i++) {
		section_of(files[i], profile, section);
		(void)lookup(files[i], section, NULL, NULL, &exists);
		if (exists)
			return 1;
	}
	return 0;
}

const char *
awsprofile_name(void)
{
	const char	*p;

	p = facts_env("AWS_DEFAULT_PROFILE");
	if (p == NULL)
		p = facts_env("AWS_PROFILE");
	return p != NULL ? p : "default";
}

const char *
awsprofile_get(const char *key)
{
	const char	*v;

	v = awsprofile_of("AWS_CONFIG_FILE", awsprofile_name(), key);
	return v != NULL ? v : awsprofile_of("AWS_SHARED_CREDENTIALS_FILE",
	    awsprofile_name(), key);
}

const char *
awsprofile_service(const char *service)
{
	const char	*services, *v;
	char		 section[SECTION];
	int		 exists;

	v = NULL;
	services = awsprofile_get("services");
	if (services != NULL) {
		snprintf(section, sizeof(section), "services %s", services);
		v = lookup("AWS_CONFIG_FILE", section, service,
		    "endpoint_url", &exists);
	}
	return v != NULL ? v : awsprofile_get("endpoint_url");
}
