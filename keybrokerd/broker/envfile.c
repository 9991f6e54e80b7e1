/* SPDX-License-Identifier: ISC */
/*
 * Grammar of a line of a .env file (credential.h).  What a shell and docker
 * would read differently is refused instead of guessed.
 */
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/envfile.h"

struct cursor {
	char	*p, *end;
};

static void
blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
		c->p++;
}

static int
name_char(char c, int first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	    (!first && c >= '0' && c <= '9');
}

static size_t
name(struct cursor *c)
{
	char	*start;

	for (start = c->p; c->p < c->end &&
	    name_char(*c->p, c->p == start); c->p++)
		;
	return (size_t)(c->p - start);
}

/* After the closing quote: blanks, a comment, nothing else. */
static const char *
rest(struct cursor *c)
{
	char	*at;

	at = c->p;
	blanks(c);
	if (c->p == c->end || (*c->p == '#' && c->p > at))
		return NULL;
	return "something follows the closing quote";
}

static const char *
quoted(struct cursor *c, struct envfile_line *out)
{
	char	*w, quote;

	quote = *c->p++;
	out->value = w = c->p;
	for (; c->p < c->end && *c->p != quote; c->p++) {
		if (quote == '"' && *c->p == '\\' && c->p + 1 < c->end &&
		    strchr("\\\"$`n", c->p[1]) != NULL) {
			c->p++;
			*w++ = *c->p == 'n' ? '\n' : *c->p;
		} else
			*w++ = *c->p;
	}
	if (c->p == c->end)
		return "the closing quote is missing";
	c->p++;
	out->len = (size_t)(w - out->value);
	return rest(c);
}

static const char *
plain(struct cursor *c, struct envfile_line *out)
{
	char	*last;

	out->value = last = c->p;
	for (; c->p < c->end; c->p++) {
		if (*c->p == '"' || *c->p == '\'')
			return "a quote inside an unquoted value";
		if (*c->p == '#' && (c->p == out->value || c->p[-1] == ' ' ||
		    c->p[-1] == '\t'))
			break;
		if (*c->p != ' ' && *c->p != '\t')
			last = c->p + 1;
	}
	out->len = (size_t)(last - out->value);
	return NULL;
}

const char *
envfile_parse(char *line, size_t len, size_t max, struct envfile_line *out)
{
	struct cursor	 c;

	memset(out, 0, sizeof(*out));
	if (memchr(line, '\0', len) != NULL)
		return "a NUL byte";
	if (len > 0 && line[len - 1] == '\r')
		len--;
	c.p = line;
	c.end = line + len;
	blanks(&c);
	if (c.p == c.end || *c.p == '#')
		return NULL;
	if (c.end - c.p > 7 && memcmp(c.p, "export", 6) == 0 &&
	    (c.p[6] == ' ' || c.p[6] == '\t')) {
		c.p += 6;
		blanks(&c);
	}
	out->name = c.p;
	out->namelen = name(&c);
	if (out->namelen == 0)
		return "no variable name where NAME=value is expected";
	if (out->namelen >= max)
		return "the variable name is too long";
	if (c.p == c.end || *c.p != '=')
		return "no = right after the variable name";
	c.p++;
	blanks(&c);
	if (c.p < c.end && (*c.p == '"' || *c.p == '\''))
		return quoted(&c, out);
	return plain(&c, out);
}
