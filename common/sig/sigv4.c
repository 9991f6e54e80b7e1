/* SPDX-License-Identifier: ISC */

/*
 * See sigv4.h.  The published suite (kms.md 4.2) is the reference, its corners
 * of path and query too, although a KMS uses POST / alone.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/compat/compat.h"
#include "common/secret/secret.h"
#include "common/sig/sigv4.h"
#include "common/text/hmac.h"
#include "common/text/text.h"

#define PARAMS	64

struct out {
	char	*p;
	size_t	 len, size;
	int	 bad;
};

static void
put(struct out *o, const char *s, size_t n)
{
	if (o->bad || n >= o->size - o->len) {
		o->bad = 1;
		return;
	}
	memcpy(o->p + o->len, s, n);
	o->len += n;
	o->p[o->len] = '\0';
}

static void
puts_(struct out *o, const char *s)
{
	put(o, s, strlen(s));
}

static void
open_(struct out *o, char *p, size_t size)
{
	o->p = p;
	o->size = size;
	o->len = 0;
	o->bad = size == 0;
	if (size > 0)
		p[0] = '\0';
}

void
sigv4_hmac(const void *key, size_t keylen, const void *data, size_t len,
    uint8_t out[32])
{
	struct hmac	 h;

	hmac_init(&h, key, keylen);
	hmac_update(&h, data, len);
	hmac_final(&h, out);
}

static void
put_hash(struct out *o, const void *p, size_t len)
{
	uint8_t	 digest[32];
	char	 text[HEX_SIZE(32)];

	sha256_buf(p, len, digest);
	hex_encode(text, sizeof(text), digest, sizeof(digest));
	puts_(o, text);
}

/* ---- path and query ------------------------------------------------------ */

static void
put_escaped(struct out *o, const char *s, size_t n, const char *keep)
{
	char	 esc[4];
	size_t	 i;

	for (i = 0; i < n; i++) {
		if (s[i] != '\0' && (isalnum((unsigned char)s[i]) ||
		    strchr("-._~", s[i]) != NULL ||
		    strchr(keep, s[i]) != NULL)) {
			put(o, s + i, 1);
			continue;
		}
		snprintf(esc, sizeof(esc), "%%%02X",
		    (unsigned int)(unsigned char)s[i]);
		puts_(o, esc);
	}
}

/* Takes the last segment of what was written since `start` away. */
static void
up(struct out *o, size_t start)
{
	while (o->len > start && o->p[--o->len] != '/')
		;
	o->p[o->len] = '\0';
}

/* RFC 3986 5.2.4 and doubled slashes; every segment is escaped again. */
static void
put_path(struct out *o, const char *path, int normalize)
{
	const char	*end;
	size_t		 n, start;
	int		 slash;

	if (!normalize) {
		put_escaped(o, path, strlen(path), "/");
		return;
	}
	start = o->len;
	slash = 1;
	while (*path != '\0') {
		while (*path == '/')
			path++;
		end = strchr(path, '/');
		n = end == NULL ? strlen(path) : (size_t)(end - path);
		slash = end != NULL || n == 0;
		if (n == 1 && path[0] == '.')
			slash = 1;
		else if (n == 2 && path[0] == '.' && path[1] == '.') {
			up(o, start);
			slash = 1;
		} else if (n > 0) {
			puts_(o, "/");
			put_escaped(o, path, n, "");
			slash = end != NULL;
		}
		path += n;
	}
	if (slash || o->len == start)
		puts_(o, "/");
}

struct param {
	const char	*name, *value;
	size_t		 namelen, valuelen;
};

static int
span_compare(const char *a, size_t an, const char *b, size_t bn)
{
	int	 r;

	r = memcmp(a, b, an < bn ? an : bn);
	return r != 0 ? r : an < bn ? -1 : an > bn;
}

static int
by_name(const void *a, const void *b)
{
	const struct param	*x, *y;
	int			 r;

	x = a;
	y = b;
	r = span_compare(x->name, x->namelen, y->name, y->namelen);
	return r != 0 ? r : span_compare(x->value, x->valuelen, y->value,
	    y->valuelen);
}

/* Escapes that are there stay; everything else is escaped. */
static void
put_query(struct out *o, const char *query)
{
	struct param	 params[PARAMS];
	const char	*end, *eq;
	size_t		 i, n, len;

	for (n = 0; query != NULL && *query != '\0';
	    query += len + (query[len] == '&')) {
		end = strchr(query, '&');
		len = end == NULL ? strlen(query) : (size_t)(end - query);
		if (len == 0)
			continue;
		if (n == PARAMS) {
			o->bad = 1;
			return;
		}
		eq = memchr(query, '=', len);
		params[n].name = query;
		params[n].namelen = eq == NULL ? len : (size_t)(eq - query);
		params[n].value = eq == NULL ? "" : eq + 1;
		params[n].valuelen = eq == NULL ? 0 :
		    len - params[n].namelen - 1;
		n++;
	}
	/* not qsort, which in glibc asks the kernel for the size of memory */
	if (n > 0 && heapsort(params, n, sizeof(params[0]), by_name) == -1) {
		o->bad = 1;
		return;
	}
	for (i = 0; i < n; i++) {
		if (i > 0)
			puts_(o, "&");
		put_escaped(o, params[i].name, params[i].namelen, "%");
		puts_(o, "=");
		put_escaped(o, params[i].value, params[i].valuelen, "%");
	}
}

/* ---- headers --------------------------------------------------------------- */

/* Stable by name: values of one name keep their order. */
static int
by_header(const void *a, const void *b)
{
	const struct sigv4_header *const	*x, *const *y;
	int					 r;

	x = a;
	y = b;
	r = strcasecmp((*x)->name, (*y)->name);
	return r != 0 ? r : *x < *y ? -1 : *x > *y;
}

static void
put_lower(struct out *o, const char *s)
{
	char	 c;

	for (; *s != '\0'; s++) {
		c = (char)tolower((unsigned char)*s);
		put(o, &c, 1);
	}
}

/* Trimmed, runs of blanks (folded lines too) are one. */
static void
put_folded(struct out *o, const char *s)
{
	int	 gap, any;

	gap = any = 0;
	for (; *s != '\0'; s++) {
		if (strchr(" \t\r\n", *s) != NULL) {
			gap = 1;
			continue;
		}
		if (gap && any)
			puts_(o, " ");
		gap = 0;
		any = 1;
		put(o, s, 1);
	}
}

static int
sorted(const struct sigv4_request *r, const struct sigv4_header **list)
{
	size_t	 i;

	if (r->nheaders > SIGV4_HEADERS)
		return -1;
	for (i = 0; i < r->nheaders; i++)
		list[i] = &r->headers[i];
	if (r->nheaders == 0)
		return 0;
	return heapsort(list, r->nheaders, sizeof(list[0]), by_header);
}

/* "a;b;c", or with their values, a line each. */
static int
put_headers(struct out *o, const struct sigv4_request *r, int values)
{
	const struct sigv4_header	*list[SIGV4_HEADERS];
	size_t				 i;
	int				 same;

	if (sorted(r, list) == -1)
		return -1;
	for (i = 0; i < r->nheaders; i++) {
		same = i > 0 &&
		    strcasecmp(list[i]->name, list[i - 1]->name) == 0;
		if (same) {
			if (values) {
				puts_(o, ",");
				put_folded(o, list[i]->value);
			}
			continue;
		}
		if (i > 0)
			puts_(o, values ? "\n" : ";");
		put_lower(o, list[i]->name);
		if (values) {
			puts_(o, ":");
			put_folded(o, list[i]->value);
		}
	}
	return 0;
}

long
sigv4_canonical(const struct sigv4_request *r, char *out, size_t size)
{
	const char	*hash;
	struct out	 o;
	size_t		 i;

	open_(&o, out, size);
	puts_(&o, r->method);
	puts_(&o, "\n");
	put_path(&o, r->path, r->normalize);
	puts_(&o, "\n");
	put_query(&o, r->query);
	puts_(&o, "\n");
	if (put_headers(&o, r, 1) == -1)
		return -1;
	puts_(&o, "\n\n");
	if (put_headers(&o, r, 0) == -1)
		return -1;
	puts_(&o, "\n");
	for (i = 0, hash = NULL; i < r->nheaders; i++)
		if (strcasecmp(r->headers[i].name,
		    "x-amz-content-sha256") == 0)
			hash = r->headers[i].value;
	if (hash != NULL)
		puts_(&o, hash);
	else
		put_hash(&o, r->body, r->bodylen);
	return o.bad ? -1 : (long)o.len;
}

static void
put_scope(struct out *o, const struct sigv4_key *k)
{
	put(o, k->date, 8);
	puts_(o, "/");
	puts_(o, k->region);
	puts_(o, "/");
	puts_(o, k->service);
	puts_(o, "/aws4_request");
}

long
sigv4_string(const struct sigv4_key *k, const char *canonical, size_t len,
    char *out, size_t size)
{
	struct out	 o;

	if (strlen(k->date) != 16)
		return -1;
	open_(&o, out, size);
	puts_(&o, "AWS4-HMAC-SHA256\n");
	puts_(&o, k->date);
	puts_(&o, "\n");
	put_scope(&o, k);
	puts_(&o, "\n");
	put_hash(&o, canonical, len);
	return o.bad ? -1 : (long)o.len;
}

/* The chain of keys over date, region, service; wiped by the caller. */
static int
derive(const struct sigv4_key *k, uint8_t key[32])
{
	uint8_t	 first[512];

	if (k->secretlen > sizeof(first) - 4)
		return -1;
	memcpy(first, "AWS4", 4);
	memcpy(first + 4, k->secret, k->secretlen);
	sigv4_hmac(first, 4 + k->secretlen, k->date, 8, key);
	secret_wipe(first, sizeof(first));
	sigv4_hmac(key, 32, k->region, strlen(k->region), key);
	sigv4_hmac(key, 32, k->service, strlen(k->service), key);
	sigv4_hmac(key, 32, "aws4_request", 12, key);
	return 0;
}

int
sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *k, char *out,
    size_t size)
{
	static char	 canon[SIGV4_CANON_MAX];
	char		 text[512], sig[HEX_SIZE(32)];
	uint8_t		 key[32], mac[32];
	struct out	 o;
	long		 n;

	n = sigv4_canonical(r, canon, sizeof(canon));
	if (n == -1)
		return -1;
	n = sigv4_string(k, canon, (size_t)n, text, sizeof(text));
	secret_wipe(canon, sizeof(canon));	/* a session token is in it */
	if (n == -1 || derive(k, key) == -1)
		return -1;
	sigv4_hmac(key, sizeof(key), text, (size_t)n, mac);
	secret_wipe(key, sizeof(key));
	hex_encode(sig, sizeof(sig), mac, sizeof(mac));
	open_(&o, out, size);
	puts_(&o, "AWS4-HMAC-SHA256 Credential=");
	puts_(&o, k->id);
	puts_(&o, "/");
	put_scope(&o, k);
	puts_(&o, ", SignedHeaders=");
	if (put_headers(&o, r, 0) == -1)
		return -1;
	puts_(&o, ", Signature=");
	puts_(&o, sig);
	return o.bad ? -1 : 0;
}
