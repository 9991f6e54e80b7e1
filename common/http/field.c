/* SPDX-License-Identifier: ISC */

/*
 * Field names and values.  Holds no state.  Believes nobody: both the worker
 * (client's bytes) and the egress (worker's and provider's bytes) ask here.
 * Must never let a field pass that a list does not name, nor a byte that could
 * end a line.
 */

#include <string.h>

#include "common/http/field.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* tchar as a bit set over ASCII, 32 characters a word. */
static const uint32_t	tchars[4] = {
	0x00000000,		/* controls */
	0x03ff6cfa,		/* ! # $ % & ' * + - . 0-9 */
	0xc7fffffe,		/* A-Z ^ _ */
	0x57ffffff,		/* ` a-z | ~ */
};

static bool	is_date(const uint8_t *, size_t);
static bool	is_features(const uint8_t *, size_t);
static bool	is_tokens(const uint8_t *, size_t);
static bool	is_text(const uint8_t *, size_t);
static bool	is_id(const uint8_t *, size_t);
static bool	is_number(const uint8_t *, size_t);
static bool	is_retry(const uint8_t *, size_t);
static bool	is_retry_ms(const uint8_t *, size_t);
static bool	is_boolean(const uint8_t *, size_t);

/* reference: measured clients; a beta list of 300 bytes and more is normal. */
static const struct pass {
	const char	*name;
	size_t		 max;
	bool		(*check)(const uint8_t *, size_t);
} passes[FIELD_NPASS] = {
	[FIELD_ANTHROPIC_VERSION] = { "anthropic-version", 64, is_date },
	[FIELD_ANTHROPIC_BETA] = { "anthropic-beta", FIELD_VALUE_MAX,
	    is_tokens },
	[FIELD_OPENAI_BETA] = { "openai-beta", 256, is_features },
};

/*
 * What a client gets of a provider's head.  Not here, on purpose: set-cookie
 * and every authentication field (they belong to our account), x-ratelimit-*
 * and anthropic-ratelimit-* (they describe the shared key), openai-organization
 * and openai-project and anthropic-organization-id (they name the account),
 * hop-by-hop fields and content-length (framing is ours), alt-svc and
 * strict-transport-security (they would speak for our host), server, via,
 * location.  The provider's own request id moves to another name, because
 * x-request-id and request-id carry ours.
 */
static const struct answer {
	const char	*name;
	const char	*as;
	size_t		 max;
	bool		(*check)(const uint8_t *, size_t);
} answers[] = {
	{ "content-type", "content-type", 256, is_text },
	{ "openai-model", "openai-model", 128, is_text },
	{ "openai-processing-ms", "openai-processing-ms", 16, is_number },
	{ "openai-version", "openai-version", 64, is_date },
	{ "request-id", "x-upstream-request-id", 128, is_id },
	{ "retry-after", "retry-after", 8, is_retry },
	{ "retry-after-ms", "retry-after-ms", 8, is_retry_ms },
	{ "x-request-id", "x-upstream-request-id", 128, is_id },
	{ "x-should-retry", "x-should-retry", 8, is_boolean },
};

bool
field_tchar(uint8_t c)
{
	return c < 128 && (tchars[c >> 5] >> (c & 31) & 1) != 0;
}

bool
field_is_token(const uint8_t *p, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (!field_tchar(p[i]))
			return false;
	return n > 0;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

bool
field_is_value(const uint8_t *p, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			return false;
	return n == 0 || (!is_blank(p[0]) && !is_blank(p[n - 1]));
}

bool
field_equal(const uint8_t *p, size_t n, const char *name)
{
	size_t	 i;
	uint8_t	 c;

	for (i = 0; i < n; i++) {
		c = p[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (name[i] == '\0' || c != (uint8_t)name[i])
			return false;
	}
	return name[n] == '\0';
}

bool
field_element(const uint8_t *v, size_t n, size_t *pos,
    const uint8_t **element, size_t *len)
{
	size_t	 start, end;

	while (*pos < n) {
		start = *pos;
		while (*pos < n && v[*pos] != ',')
			(*pos)++;
		end = *pos;
		if (*pos < n)
			(*pos)++;
		while (start < end && is_blank(v[start]))
			start++;
		while (end > start && is_blank(v[end - 1]))
			end--;
		if (start == end)
			continue;
		*element = v + start;
		*len = end - start;
		return true;
	}
	return false;
}

/* 1*DIGIT of at most `max` bytes that is at most `top`. */
static int
number(const uint8_t *p, size_t n, size_t max, unsigned int top,
    unsigned int *out)
{
	size_t		 i;
	unsigned int	 v;

	if (n == 0 || n > max || max > 9)
		return -1;
	v = 0;
	for (i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (unsigned int)(p[i] - '0');
	}
	if (v > top)
		return -1;
	*out = v;
	return 0;
}

int
field_retry_after(const uint8_t *p, size_t n, unsigned int *seconds)
{
	return number(p, n, 8, FIELD_RETRY_MAX, seconds);
}

static bool
is_retry(const uint8_t *p, size_t n)
{
	unsigned int	 v;

	return field_retry_after(p, n, &v) == 0;
}

static bool
is_retry_ms(const uint8_t *p, size_t n)
{
	unsigned int	 v;

	return number(p, n, 8, FIELD_RETRY_MAX * 1000, &v) == 0;
}

/* Digits with at most one point: milliseconds as providers write them. */
static bool
is_number(const uint8_t *p, size_t n)
{
	size_t	 i, points;

	points = 0;
	for (i = 0; i < n; i++) {
		if (p[i] == '.')
			points++;
		else if (p[i] < '0' || p[i] > '9')
			return false;
	}
	return n > 0 && points <= 1 && p[0] != '.' && p[n - 1] != '.';
}

static bool
is_boolean(const uint8_t *p, size_t n)
{
	return (n == 4 && memcmp(p, "true", 4) == 0) ||
	    (n == 5 && memcmp(p, "false", 5) == 0);
}

/* Printable ASCII, not empty. */
static bool
is_text(const uint8_t *p, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~')
			return false;
	return n > 0 && field_is_value(p, n);
}

static bool
is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
}

static bool
is_id(const uint8_t *p, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (!is_word(p[i]))
			return false;
	return n > 0;
}

/* yyyy-mm-dd, then anything that looks like the tail of a version. */
static bool
is_date(const uint8_t *p, size_t n)
{
	static const char	 form[] = "dddd-dd-dd";
	size_t			 i;

	if (n < sizeof(form) - 1)
		return false;
	for (i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == '-' ? p[i] != '-' : p[i] < '0' || p[i] > '9')
			return false;
	}
	return is_id(p, n);
}

/* A comma list of which each element is a token, or token=token. */
static bool
is_list(const uint8_t *p, size_t n, bool pairs)
{
	const uint8_t	*e, *eq;
	size_t		 pos, len, count, commas, i;

	commas = 0;
	for (i = 0; i < n; i++)
		if (p[i] == ',')
			commas++;
	pos = count = 0;
	while (field_element(p, n, &pos, &e, &len)) {
		count++;
		eq = pairs ? memchr(e, '=', len) : NULL;
		if (eq != NULL) {
			if (!field_is_token(e, (size_t)(eq - e)))
				return false;
			len -= (size_t)(eq + 1 - e);
			e = eq + 1;
		}
		if (!field_is_token(e, len))
			return false;
	}
	return count == commas + 1;
}

static bool
is_tokens(const uint8_t *p, size_t n)
{
	return is_list(p, n, false);
}

static bool
is_features(const uint8_t *p, size_t n)
{
	return is_list(p, n, true);
}

int
field_pass(const uint8_t *name, size_t len)
{
	int	 i;

	for (i = 0; i < FIELD_NPASS; i++)
		if (field_equal(name, len, passes[i].name))
			return i;
	return -1;
}

const char *
field_pass_name(unsigned int which)
{
	return which < FIELD_NPASS ? passes[which].name : NULL;
}

bool
field_pass_ok(unsigned int which, const uint8_t *value, size_t len)
{
	return which < FIELD_NPASS && len <= passes[which].max &&
	    field_is_value(value, len) && passes[which].check(value, len);
}

enum field_fate
field_answer(const uint8_t *name, size_t namelen, const uint8_t *value,
    size_t len, const char **as)
{
	size_t	 i;

	for (i = 0; i < NITEMS(answers); i++) {
		if (!field_equal(name, namelen, answers[i].name))
			continue;
		if (len > answers[i].max || !answers[i].check(value, len))
			return FIELD_DROP;
		*as = answers[i].as;
		return FIELD_KEEP;
	}
	return FIELD_DROP;
}
