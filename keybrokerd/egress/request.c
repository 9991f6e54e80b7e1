/* SPDX-License-Identifier: ISC */

/*
 * The head that a provider gets (RFC 9112 3, decisions M11).  Everything is
 * generated from RELEASE; a worker contributes only values that field.h lets
 * pass.  The broker is believed about what to ask, not about bytes that could
 * end a line.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keybrokerd/egress/egress.h"

#define DEFAULT_VERSION	"2023-06-01"

/* A part of the request line: visible ASCII only. */
static int
visible(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~')
			return 0;
	return 1;
}

static int
sound(const struct release *r)
{
	if (!field_is_token((const uint8_t *)r->method, strlen(r->method)))
		return 0;
	if (r->path[0] != '/' || !visible(r->path) || strpbrk(r->path, "?#"))
		return 0;
	if (!visible(r->query) || strchr(r->query, '#') != NULL)
		return 0;
	if (r->host[0] == '\0' || !visible(r->host) ||
	    strpbrk(r->host, "/?#@[]") != NULL)
		return 0;
	return field_is_value((const uint8_t *)r->type, strlen(r->type));
}

int
request_authority(const struct release *r, char *out, size_t size)
{
	const char	*left, *right;
	char		 port[8];
	int		 n;

	left = strchr(r->host, ':') != NULL ? "[" : "";
	right = *left != '\0' ? "]" : "";
	port[0] = '\0';
	if (r->port != (r->scheme == SCHEME_HTTPS ? 443 : 80))
		snprintf(port, sizeof(port), ":%u", (unsigned int)r->port);
	n = snprintf(out, size, "%s%s%s%s", left, r->host, right, port);
	return n > 0 && (size_t)n < size ? 0 : -1;
}

struct head {
	uint8_t		*p;
	size_t		 len, size;
	int		 full;
};

static void
put(struct head *h, const void *p, size_t n)
{
	if (h->size - h->len < n) {
		h->full = 1;
		return;
	}
	memcpy(h->p + h->len, p, n);
	h->len += n;
}

static void
field(struct head *h, const char *name, const void *value, size_t n)
{
	put(h, name, strlen(name));
	put(h, ": ", 2);
	put(h, value, n);
	put(h, "\r\n", 2);
}

static void
texts(struct head *h, const char *name, const char *value)
{
	field(h, name, value, strlen(value));
}

/* A body, or a method of which a body is expected (RFC 9110 8.6). */
static void
length(struct head *h, const struct release *r)
{
	char	 num[24];

	if (r->type[0] != '\0')
		texts(h, "content-type", r->type);
	if (r->length == 0 && (strcmp(r->method, "GET") == 0 ||
	    strcmp(r->method, "HEAD") == 0))
		return;
	snprintf(num, sizeof(num), "%llu", (unsigned long long)r->length);
	texts(h, "content-length", num);
}

static void
passed(struct head *h, const struct release *r, const struct offer *o)
{
	unsigned int	 i;

	for (i = 0; i < FIELD_NPASS; i++) {
		if (o->pass[i].set)
			field(h, field_pass_name(i), o->pass[i].value,
			    o->pass[i].len);
		else if (i == FIELD_ANTHROPIC_VERSION &&
		    r->dialect == DIALECT_ANTHROPIC)
			texts(h, field_pass_name(i), DEFAULT_VERSION);
	}
}

long
request_head(const struct release *r, const struct offer *o, uint8_t *out,
    size_t size)
{
	char		 host[HOST_MAX + 16] UNSET;
	struct head	 h;

	if (!sound(r) || request_authority(r, host, sizeof(host)) == -1) {
		errno = EINVAL;
		return -1;
	}
	memset(&h, 0, sizeof(h));
	h.p = out;
	h.size = size;
	put(&h, r->method, strlen(r->method));
	put(&h, " ", 1);
	put(&h, r->path, strlen(r->path));
	if (r->query[0] != '\0') {
		put(&h, "?", 1);
		put(&h, r->query, strlen(r->query));
	}
	put(&h, " HTTP/1.1\r\n", 11);
	texts(&h, "host", host);
	length(&h, r);
	texts(&h, "accept", "application/json, text/event-stream");
	texts(&h, "accept-encoding", "identity");
	texts(&h, "user-agent", EGRESS_AGENT);
	passed(&h, r, o);
	if (h.full) {
		errno = ENOSPC;
		return -1;
	}
	return (long)h.len;
}
