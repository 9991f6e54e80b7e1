/* SPDX-License-Identifier: ISC */

/*
 * Small readers and writers that the back ends share.  What comes back lies in
 * the arena; a NULL means malformed or no room, and both end the exchange.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "keybrokerd/kms/kms.h"

#define PAIRS	8
#define NAME	128

enum proto_kms_class
text_say(struct kms *k, enum proto_kms_class class, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(k->text, sizeof(k->text), fmt, ap);
	va_end(ap);
	return class;
}

char *
text_escape(const char *s)
{
	static const char	 hex[] = "0123456789ABCDEF";
	char			*out, *p;

	out = arena_new(strlen(s) * 3 + 1);
	if (out == NULL)
		return NULL;
	for (p = out; *s != '\0'; s++) {
		if (isalnum((unsigned char)*s) || strchr("-._~", *s) != NULL) {
			*p++ = *s;
			continue;
		}
		*p++ = '%';
		*p++ = hex[(unsigned char)*s >> 4];
		*p++ = hex[*s & 15];
	}
	*p = '\0';
	return out;
}

char *
text_b64(const void *p, size_t n, int url)
{
	char	*out;

	out = arena_new(B64_SIZE(n));
	if (out == NULL || b64_encode(out, B64_SIZE(n), p, n, url ? B64_URL :
	    B64_STD) == -1)
		return NULL;
	return out;
}

uint8_t *
text_unb64(const char *s, int url, size_t *len)
{
	uint8_t	*out;
	ssize_t	 n;

	out = arena_new(strlen(s) + 1);
	if (out == NULL)
		return NULL;
	n = b64_decode(out, strlen(s) + 1, s, strlen(s), url ? B64_URL :
	    B64_STD);
	if (n == -1)
		return NULL;
	*len = (size_t)n;
	return out;
}

static json_t *
member(json_t *j, const char *path)
{
	const char	*dot;
	char		 name[NAME];
	size_t		 n;

	for (;;) {
		dot = strchr(path, '.');
		n = dot == NULL ? strlen(path) : (size_t)(dot - path);
		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		j = json_object_get(j, name);
		if (dot == NULL || j == NULL)
			return j;
		path = dot + 1;
	}
}

const char *
text_string(json_t *j, const char *path)
{
	return json_string_value(member(j, path));
}

int64_t
text_number(json_t *j, const char *path)
{
	const char	*s, *err;
	json_t		*m;
	int64_t		 n;

	m = member(j, path);
	if (json_is_integer(m))
		return json_integer_value(m) < 0 ? -1 : json_integer_value(m);
	s = json_string_value(m);
	if (s == NULL)
		return -1;
	n = strtonum(s, 0, INT64_MAX, &err);
	return err == NULL ? n : -1;
}

static const struct {
	const char	*name;
	char		 c;
} entities[] = {
	{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
	{ "&quot;", '"' }, { "&apos;", '\'' },
};

/* Decodes in place; -1: an entity that is none of the five. */
static int
unentity(char *s)
{
	char	*to;
	size_t	 i, n;

	for (to = s; *s != '\0'; to++) {
		*to = *s;
		if (*s != '&') {
			s++;
			continue;
		}
		for (i = 0; i < nitems(entities); i++) {
			n = strlen(entities[i].name);
			if (strncmp(s, entities[i].name, n) == 0)
				break;
		}
		if (i == nitems(entities))
			return -1;
		*to = entities[i].c;
		s += n;
	}
	*to = '\0';
	return 0;
}

const char *
text_xml(const char *body, const char *tag)
{
	const char	*p, *end;
	char		 open[NAME], close[NAME], *out;

	snprintf(open, sizeof(open), "<%s>", tag);
	snprintf(close, sizeof(close), "</%s>", tag);
	if (strstr(body, "<!") != NULL)
		return NULL;
	p = strstr(body, open);
	end = p == NULL ? NULL : strstr(p, close);
	if (end == NULL)
		return NULL;
	p += strlen(open);
	out = arena_dup(p, (size_t)(end - p));
	if (out == NULL || strchr(out, '<') != NULL || unentity(out) == -1)
		return NULL;
	return out;
}

static int64_t
when(const char *s, const char *format, const char **rest)
{
	struct tm	 tm;

	memset(&tm, 0, sizeof(tm));
	*rest = strptime(s, format, &tm);
	return *rest == NULL ? -1 : (int64_t)timegm(&tm);
}

int64_t
text_iso(const char *s)
{
	const char	*rest;
	int64_t		 t;

	t = when(s, "%Y-%m-%dT%H:%M:%S", &rest);
	if (t == -1)
		return -1;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return strcmp(rest, "Z") == 0 || strcmp(rest, "+00:00") == 0 ? t : -1;
}

int64_t
text_httpdate(const char *s)
{
	const char	*rest;
	int64_t		 t;

	t = when(s, "%a, %d %b %Y %H:%M:%S GMT", &rest);
	return t != -1 && *rest == '\0' ? t : -1;
}

void
text_name(char *out, size_t size, const char *in)
{
	size_t	 i;

	for (i = 0; in != NULL && i + 1 < size && in[i] != '\0' &&
	    (isalnum((unsigned char)in[i]) || strchr("_.-", in[i]) != NULL);
	    i++)
		out[i] = in[i];
	out[i] = '\0';
}

int
text_key(struct kms *k, const char *value)
{
	uint8_t	*key;
	char	*copy;
	size_t	 n;

	n = strlen(value);
	if (n > 0 && value[n - 1] == '\n')
		n--;
	copy = arena_dup(value, n);
	key = copy == NULL ? NULL : text_unb64(copy, 0, &n);
	if (key == NULL || n != KMS_KEY_LEN)
		return -1;
	k->outkey = key;
	k->outkeylen = n;
	return 0;
}

json_t *
text_context(const uint8_t *p, size_t len)
{
	struct msgr	 r;
	char		 name[NAME], value[NAME * 2];
	json_t		*j;
	size_t		 i;

	j = json_object();
	msg_read(&r, 0, p, len);
	for (i = 0; r.off < r.len && i < PAIRS && j != NULL; i++) {
		msg_get_str(&r, name, sizeof(name));
		msg_get_str(&r, value, sizeof(value));
		if (r.bad || name[0] == '\0' ||
		    json_object_get(j, name) != NULL ||
		    json_object_set_new(j, name, json_string(value)) == -1)
			return NULL;
	}
	return msg_end(&r) == -1 ? NULL : j;
}

/* Castagnoli, reflected; a few hundred bytes, so bit by bit will do. */
uint32_t
text_crc32c(const void *data, size_t n)
{
	const uint8_t	*p;
	uint32_t	 c;
	size_t		 i;
	int		 b;

	p = data;
	c = 0xffffffff;
	for (i = 0; i < n; i++) {
		c ^= p[i];
		for (b = 0; b < 8; b++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
	}
	return ~c;
}

const struct kms_code *
text_code(const struct kms_code *c, const char *code)
{
	for (; c->code != NULL; c++)
		if (strcmp(c->code, code) == 0)
			return c;
	return NULL;
}
