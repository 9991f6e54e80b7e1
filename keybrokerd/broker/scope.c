/* SPDX-License-Identifier: ISC */
/*
 * Scopes, see scope.h.  One reader for both uses: it takes the text part by
 * part and item by item.  Nothing is believed of a text but its NUL.
 */
#include <arpa/inet.h>

#include <stdint.h>
#include <string.h>

#include "keybrokerd/broker/scope.h"

#define ITEM_MAX	128		/* characters of one item */

/* One item between commas. */
struct item {
	const char	*p;
	size_t		 len;
};

static int
name_ok(const struct item *it)
{
	size_t	 i;

	for (i = 0; i < it->len; i++)
		if (!((it->p[i] >= 'a' && it->p[i] <= 'z') ||
		    (it->p[i] >= '0' && it->p[i] <= '9') || it->p[i] == '.' ||
		    it->p[i] == '_' || it->p[i] == '-'))
			return 0;
	return 1;
}

static int
pattern_ok(const struct item *it)
{
	size_t	 i;

	for (i = 0; i < it->len; i++)
		if (it->p[i] <= ' ' || it->p[i] > '~' || it->p[i] == '"' ||
		    it->p[i] == '\\')
			return 0;
	return 1;
}

static int
kind_ok(const struct item *it)
{
	static const char *const	 kinds[] = { "generate", "count",
	    "embed" };
	size_t				 i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i]) == it->len &&
		    memcmp(kinds[i], it->p, it->len) == 0)
			return 1;
	return 0;
}

/* An address as 16 bytes, IPv4 in its mapped form; its bits, or 0. */
static unsigned int
address(const char *p, size_t len, uint8_t out[16])
{
	static const uint8_t	 mapped[12] = { [10] = 0xff, [11] = 0xff };
	char			 text[64];

	if (len == 0 || len >= sizeof(text))
		return 0;
	memcpy(text, p, len);
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, out) == 1)
		return 128;
	memcpy(out, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, out + 12) == 1 ? 32 : 0;
}

/* ADDRESS or ADDRESS/BITS, as 16 bytes and the bits that count; -1. */
static int
network(const struct item *it, uint8_t out[16])
{
	const char	*slash;
	unsigned int	 width, bits;
	size_t		 i, len;

	slash = memchr(it->p, '/', it->len);
	len = slash == NULL ? it->len : (size_t)(slash - it->p);
	width = address(it->p, len, out);
	if (width == 0)
		return -1;
	if (slash == NULL)
		return 128;
	if (len + 1 == it->len || it->len - len > 4)
		return -1;
	for (bits = 0, i = len + 1; i < it->len; i++) {
		if (it->p[i] < '0' || it->p[i] > '9')
			return -1;
		bits = bits * 10 + (unsigned int)(it->p[i] - '0');
	}
	return bits > width ? -1 : (int)(bits + 128 - width);
}

static int
network_ok(const struct item *it)
{
	uint8_t	 bytes[16];

	return network(it, bytes) != -1;
}

static int
same(const struct item *it, const char *fact)
{
	return strlen(fact) == it->len && memcmp(fact, it->p, it->len) == 0;
}

/* '*' matches any run; linear by remembering the last star only. */
static int
glob(const struct item *it, const char *s)
{
	const char	*retry;
	size_t		 i, star;

	star = SIZE_MAX;
	retry = NULL;
	for (i = 0; *s != '\0';) {
		if (i < it->len && it->p[i] == '*') {
			star = ++i;
			retry = s;
		} else if (i < it->len && it->p[i] == *s) {
			i++;
			s++;
		} else if (star != SIZE_MAX) {
			i = star;
			s = ++retry;
		} else
			return 0;
	}
	while (i < it->len && it->p[i] == '*')
		i++;
	return i == it->len;
}

static int
inside(const struct item *it, const char *fact)
{
	uint8_t	 net[16], have[16];
	int	 bits, i;

	bits = network(it, net);
	if (bits == -1 || address(fact, strlen(fact), have) == 0)
		return 0;
	for (i = 0; bits >= 8; i++, bits -= 8)
		if (net[i] != have[i])
			return 0;
	return bits == 0 ||
	    ((net[i] ^ have[i]) & (0xff << (8 - bits)) & 0xff) == 0;
}

static const struct part {
	char			 letter;
	enum scope_verdict	 verdict;
	int			(*ok)(const struct item *);
	int			(*fits)(const struct item *, const char *);
	const char		*why, *noun;
} parts[] = {
	{ 'p', SCOPE_PROVIDER, name_ok, same, "a provider's name is made of "
	    "a-z 0-9 . _ -", "provider" },
	{ 'm', SCOPE_MODEL, pattern_ok, glob, "a pattern of models is "
	    "printable ASCII without blank, comma, quote", "model" },
	{ 'k', SCOPE_KIND, kind_ok, same, "kinds of call are generate, count "
	    "and embed", "kind of call" },
	{ 'n', SCOPE_SOURCE, network_ok, inside, "a source network is an "
	    "address, or ADDRESS/BITS", "source network" },
};

#define NPARTS	(sizeof(parts) / sizeof(parts[0]))

/* Next item of a part, or 0 at its end; *at moves. */
static int
next(const char **at, struct item *it)
{
	if (**at == '\0' || **at == ' ')
		return 0;
	it->p = *at;
	it->len = strcspn(it->p, ", ");
	*at += it->len;
	if (**at == ',')
		(*at)++;
	return 1;
}

static const struct part *
find(char letter)
{
	size_t	 i;

	for (i = 0; i < NPARTS; i++)
		if (parts[i].letter == letter)
			return &parts[i];
	return NULL;
}

/* The items behind "x=": all well formed, at least one, none empty. */
static int
items_ok(const struct part *p, const char **at, const char **why)
{
	struct item	 it;

	if (**at == '\0' || **at == ' ') {
		*why = "a part of a scope is empty";
		return 0;
	}
	while (next(at, &it)) {
		if (it.len > 0 && it.len <= ITEM_MAX && p->ok(&it) &&
		    !((*at)[-1] == ',' && (**at == '\0' || **at == ' ')))
			continue;
		*why = p->why;
		return 0;
	}
	return 1;
}

int
scope_text(const char *s, const char **why)
{
	const struct part	*p, *before;

	*why = "a scope is p=... m=... k=... n=..., in this order";
	if (*s == '\0')
		return 0;
	if (strlen(s) > SCOPE_MAX) {
		*why = "a scope is at most 512 characters long";
		return -1;
	}
	for (before = NULL;; s++) {
		p = find(*s);
		if (p == NULL || s[1] != '=' || (before != NULL &&
		    p <= before))
			return -1;
		s += 2;
		if (!items_ok(p, &s, why))
			return -1;
		if (*s == '\0')
			return 0;
		before = p;
	}
}

static const char *
fact_of(const struct scope_facts *f, enum scope_verdict v)
{
	switch (v) {
	case SCOPE_PROVIDER:
		return f->provider;
	case SCOPE_MODEL:
		return f->model;
	case SCOPE_KIND:
		return f->kind;
	default:
		return f->source;
	}
}

enum scope_verdict
scope_judge(const char *s, const struct scope_facts *f)
{
	const struct part	*p;
	const char		*fact;
	struct item		 it;
	int			 fits;

	while (*s != '\0') {
		p = find(*s);
		if (p == NULL)
			return SCOPE_SOURCE;	/* not scope_text's: nothing */
		fact = fact_of(f, p->verdict);
		s += 2;
		for (fits = fact == NULL; next(&s, &it);)
			fits = fits || p->fits(&it, fact);
		if (!fits)
			return p->verdict;
		if (*s == ' ')
			s++;
	}
	return SCOPE_OK;
}

const char *
scope_noun(enum scope_verdict v)
{
	size_t	 i;

	for (i = 0; i < NPARTS; i++)
		if (parts[i].verdict == v)
			return parts[i].noun;
	return "call";
}
