/* SPDX-License-Identifier: ISC */

/*
 * How a credential is attached to a request: one row a kind.  The bytes come
 * from the broker and go into a secret; nothing here keeps them.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/http/field.h"
#include "common/sig/sigv4.h"
#include "common/text/text.h"
#include "keybrokerd/egress/egress.h"

static const char	*const lines[] = {
	[AUTH_NONE] = "",
	[AUTH_BEARER] = "authorization: Bearer ",
	[AUTH_XAPIKEY] = "x-api-key: ",
	[AUTH_APIKEY] = "api-key: ",
	[AUTH_GOOGKEY] = "x-goog-api-key: ",
};

long
attach_put(int auth, const uint8_t *cred, size_t len, uint8_t *out)
{
	size_t	 n;

	if (auth < AUTH_NONE || auth > AUTH_GOOGKEY) {
		errno = EINVAL;
		return -1;
	}
	n = strlen(lines[auth]);
	if (n > 0) {
		if (len == 0 || !field_is_value(cred, len)) {
			errno = EINVAL;
			return -1;
		}
		memcpy(out, lines[auth], n);
		memcpy(out + n, cred, len);
		n += len;
		memcpy(out + n, "\r\n", 2);
		n += 2;
	}
	memcpy(out + n, "\r\n", 2);
	return (long)(n + 2);
}

/* ---- AWS Signature Version 4 --------------------------------------------- */

/* ID:SECRET[:TOKEN]; the parts lie in the secret s, NUL-terminated. */
static int
split(struct secret *s, const uint8_t *cred, size_t len, char **id,
    char **secret, char **token)
{
	char	*p;

	p = (char *)secret_bytes(s);
	memcpy(p, cred, len);
	p[len] = '\0';
	*id = p;
	*secret = strchr(p, ':');
	if (*secret == NULL || *secret == p || *secret - p > 128)
		return -1;
	*(*secret)++ = '\0';
	*token = strchr(*secret, ':');
	if (*token != NULL)
		*(*token)++ = '\0';
	return **secret == '\0' ? -1 : 0;
}

static long
put_lines(const struct sigv4_header *h, size_t n, const char *sign,
    uint8_t *out, size_t size)
{
	size_t	 i;
	int	 len, r;

	/* host is in the head already. */
	for (i = 1, len = 0; i < n; i++) {
		r = snprintf((char *)out + len, size - (size_t)len,
		    "%s: %s\r\n", h[i].name, h[i].value);
		if (r < 0 || (size_t)r >= size - (size_t)len)
			return -1;
		len += r;
	}
	r = snprintf((char *)out + len, size - (size_t)len,
	    "authorization: %s\r\n\r\n", sign);
	return r < 0 || (size_t)r >= size - (size_t)len ? -1 : len + r;
}

static long
sign(const struct release *r, const char *region, const char *date,
    char *id, const char *secret, const char *token, uint8_t *out,
    size_t size)
{
	struct sigv4_header	 h[4];
	struct sigv4_request	 q;
	struct sigv4_key	 k;
	char			 host[HOST_MAX + 16], hash[HEX_SIZE(32)];
	char			 text[SIGV4_AUTH_MAX];
	size_t			 n;

	if (request_authority(r, host, sizeof(host)) == -1)
		return -1;
	hex_encode(hash, sizeof(hash), r->digest, sizeof(r->digest));
	h[0] = (struct sigv4_header){ "host", host };
	h[1] = (struct sigv4_header){ "x-amz-content-sha256", hash };
	h[2] = (struct sigv4_header){ "x-amz-date", date };
	n = 3;
	if (token != NULL)
		h[n++] = (struct sigv4_header){ "x-amz-security-token", token };
	memset(&q, 0, sizeof(q));
	q.method = r->method;
	q.path = r->path;
	q.query = r->query[0] != '\0' ? r->query : NULL;
	q.headers = h;
	q.nheaders = n;
	k.id = id;
	k.secret = secret;
	k.secretlen = strlen(secret);
	k.region = region;
	k.service = "bedrock";
	k.date = date;
	if (sigv4_sign(&q, &k, text, sizeof(text)) == -1)
		return -1;
	return put_lines(h, n, text, out, size);
}

long
attach_sign(const struct release *r, const char *region, uint64_t wall,
    const uint8_t *cred, size_t len, uint8_t *out)
{
	struct secret	*s;
	struct tm	 tm;
	time_t		 t;
	char		 date[24], *id, *secret, *token;
	long		 n;

	t = (time_t)(wall / 1000);
	s = field_is_value(cred, len) ? secret_new(len + 1) : NULL;
	n = -1;
	if (s != NULL && gmtime_r(&t, &tm) != NULL &&
	    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm) != 0 &&
	    split(s, cred, len, &id, &secret, &token) == 0)
		n = sign(r, region, date, id, secret, token, out,
		    len + ATTACH_MAX);
	secret_free(&s);
	if (n == -1)
		errno = EINVAL;
	return n;
}
