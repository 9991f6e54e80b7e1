/* SPDX-License-Identifier: ISC */
/*
 * What keybrokerd.conf(5) means: defaults, URLs, checks, and the compiled
 * policy.  Runs in the keybrokerd parent, which believes its configuration
 * files and holds no secret.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/policy/policy.h"
#include "keybrokerd/parent/keybrokerd.h"

struct urlparts {
	uint8_t		 scheme;
	uint16_t	 port;
	char		 host[HOST_MAX + 1];
	char		 path[256];
};

static int
loopback_name(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	    (strncmp(host, "127.", 4) == 0 &&
	    strspn(host, "0123456789.") == strlen(host));
}

static const char *
url_scheme(struct urlparts *u, const char *s)
{
	if (strncmp(s, "https://", 8) == 0) {
		u->scheme = SCHEME_HTTPS;
		u->port = 443;
		return s + 8;
	}
	if (strncmp(s, "http://", 7) == 0) {
		u->scheme = SCHEME_HTTP;
		u->port = 80;
		return s + 7;
	}
	return NULL;
}

/* host, or [v6]; then :port.  Returns the rest, NULL if it is not one. */
static const char *
url_authority(struct urlparts *u, const char *s)
{
	const char	*end, *errstr;
	char		 num[6];
	size_t		 n;

	if (*s == '[') {
		end = strchr(++s, ']');
		if (end == NULL)
			return NULL;
		n = (size_t)(end - s);
		end++;
	} else {
		n = strcspn(s, ":/?#@");
		end = s + n;
	}
	if (n == 0 || n > HOST_MAX)
		return NULL;
	memcpy(u->host, s, n);
	u->host[n] = '\0';
	for (n = 0; u->host[n] != '\0'; n++) {
		if (!isalnum((unsigned char)u->host[n]) &&
		    strchr(".-_:", u->host[n]) == NULL)
			return NULL;
		u->host[n] = (char)tolower((unsigned char)u->host[n]);
	}
	if (*end != ':')
		return end;
	n = strspn(++end, "0123456789");
	if (n == 0 || n >= sizeof(num))
		return NULL;
	memcpy(num, end, n);
	num[n] = '\0';
	u->port = (uint16_t)strtonum(num, 1, 65535, &errstr);
	return errstr == NULL ? end + n : NULL;
}

static int
url_parse(struct urlparts *u, const char *s, char *why, size_t size)
{
	size_t	 n;

	memset(u, 0, sizeof(*u));
	if ((s = url_scheme(u, s)) == NULL) {
		snprintf(why, size, "a url begins with https:// or http://");
		return -1;
	}
	if ((s = url_authority(u, s)) == NULL) {
		snprintf(why, size, "the url's host or port is not valid");
		return -1;
	}
	n = strlen(s);
	if (n >= sizeof(u->path) || (*s != '\0' && *s != '/') ||
	    strpbrk(s, "?#%\\ ") != NULL || strstr(s, "..") != NULL ||
	    strstr(s, "//") != NULL) {
		snprintf(why, size, "the url's path is not plain");
		return -1;
	}
	while (n > 0 && s[n - 1] == '/')
		n--;
	memcpy(u->path, s, n);
	return 0;
}

int
kconf_url(struct provider *p, const char *url, char *why, size_t size)
{
	struct urlparts	 u;

	if (url_parse(&u, url, why, size) == -1)
		return -1;
	p->scheme = u.scheme;
	p->port = u.port;
	strlcpy(p->host, u.host, sizeof(p->host));
	strlcpy(p->base, u.path, sizeof(p->base));
	p->url_set = 1;
	return 0;
}

int
kconf_proxy(struct provider *p, const char *url, char *why, size_t size)
{
	struct urlparts	 u;

	if (url_parse(&u, url, why, size) == -1)
		return -1;
	if (u.scheme != SCHEME_HTTP || u.path[0] != '\0') {
		snprintf(why, size, "a proxy is given as \"http://host:port\"");
		return -1;
	}
	strlcpy(p->proxy, u.host, sizeof(p->proxy));
	p->proxy_port = u.port;
	return 0;
}

void
kconf_init(struct kconf *c)
{
	memset(c, 0, sizeof(*c));
	c->kmscheck = 600;
	strlcpy(c->cafile, "/etc/ssl/certs/ca-certificates.crt",
	    sizeof(c->cafile));
}

/* A key that comes from a file alone goes by NAME_API_KEY. */
static void
key_name(struct provider *p)
{
	size_t	 i;

	snprintf(p->key, sizeof(p->key), "%s_API_KEY", p->name);
	for (i = 0; p->key[i] != '\0'; i++)
		p->key[i] = p->key[i] == '-' ? '_' :
		    (char)toupper((unsigned char)p->key[i]);
}

static int
check_provider(struct provider *p, char *why, size_t size)
{
	if (!p->dialect_set || !p->url_set) {
		snprintf(why, size, "provider %s needs a dialect and a url",
		    p->name);
		return -1;
	}
	if (!p->key_set && !p->key_none && p->keyfile[0] == '\0') {
		snprintf(why, size, "provider %s needs \"key env NAME\", "
		    "\"key file PATH\" or \"key none\"", p->name);
		return -1;
	}
	if (!p->key_set && p->keyfile[0] != '\0')
		key_name(p);
	if (p->scheme == SCHEME_HTTP && !p->insecure && !loopback_name(p->host)) {
		snprintf(why, size, "provider %s: http:// to %s would send the "
		    "key in clear; use https:// or write \"insecure\"", p->name,
		    p->host);
		return -1;
	}
	if ((p->auth == AUTH_SIGV4) != (p->region[0] != '\0')) {
		snprintf(why, size, "provider %s: \"auth sigv4\" and \"region\" "
		    "go together", p->name);
		return -1;
	}
	if (p->key_none)
		p->auth = AUTH_NONE;
	else if (!p->auth_set)
		p->auth = p->dialect == DIALECT_ANTHROPIC ? AUTH_XAPIKEY :
		    AUTH_BEARER;
	return 0;
}

int
kconf_check(struct kconf *c, char *why, size_t size)
{
	size_t	 i, j;

	if (c->nproviders == 0) {
		snprintf(why, size, "no provider is configured");
		return -1;
	}
	for (i = 0; i < c->nproviders; i++) {
		c->providers[i].id = (uint16_t)(i + 1);
		if (check_provider(&c->providers[i], why, size) == -1)
			return -1;
		for (j = 0; j < i; j++)
			if (strcmp(c->providers[i].name,
			    c->providers[j].name) == 0) {
				snprintf(why, size, "provider %s is there twice",
				    c->providers[i].name);
				return -1;
			}
	}
	for (i = 0; i < c->nmodels; i++) {
		for (j = 0; j < c->nproviders; j++)
			if (strcmp(c->models[i].provider,
			    c->providers[j].name) == 0)
				break;
		if (j == c->nproviders) {
			snprintf(why, size, "model \"%s\": no provider %s",
			    c->models[i].pattern, c->models[i].provider);
			return -1;
		}
	}
	return 0;
}

int
kconf_load(struct kconf *c, const struct args *a)
{
	struct stat	 st;
	char		 path[PATH_MAX + 32], why[REASON_MAX];
	int		 r;

	kconf_init(c);
	if (args_conf(a, "keybrokerd.conf", path, sizeof(path)) == -1)
		return -1;
	if (stat(path, &st) == 0)
		r = kconf_parse(c, path, NULL);
	else if (errno != ENOENT || a->conf_given) {
		fprintf(stderr, "keybrokerd: %s: %s\n", path, strerror(errno));
		return -1;
	} else
		r = kconf_parse(c, "(built-in keybrokerd.conf)",
		    kconf_default);
	if (r == -1)
		return -1;
	if (kconf_check(c, why, sizeof(why)) == -1) {
		fprintf(stderr, "keybrokerd: %s: %s\n", path, why);
		return -1;
	}
	return 0;
}

/* Route numbers and paths that every provider of a dialect serves. */
static const struct policy_route routes[] = {
	{ ROUTE_CHAT,		DIALECT_OPENAI, KIND_GENERATE,
	    "/v1/chat/completions" },
	{ ROUTE_COMPLETIONS,	DIALECT_OPENAI, KIND_GENERATE,
	    "/v1/completions" },
	{ ROUTE_EMBEDDINGS,	DIALECT_OPENAI, KIND_EMBED, "/v1/embeddings" },
	{ ROUTE_RESPONSES,	DIALECT_OPENAI, KIND_GENERATE, "/v1/responses" },
	{ ROUTE_MESSAGES,	DIALECT_ANTHROPIC, KIND_GENERATE,
	    "/v1/messages" },
	{ ROUTE_COUNT_TOKENS,	DIALECT_ANTHROPIC, KIND_COUNT,
	    "/v1/messages/count_tokens" },
	{ ROUTE_MODELS,		DIALECT_OPENAI, KIND_LIST, "/v1/models" },
	{ ROUTE_MODEL,		DIALECT_OPENAI, KIND_LIST, "/v1/models/" },
};

static int
put_provider(struct policy_w *w, const struct provider *p)
{
	struct policy_provider	 out;

	memset(&out, 0, sizeof(out));
	out.id = p->id;
	out.dialect = p->dialect;
	out.scheme = p->scheme;
	out.auth = p->auth;
	out.insecure = p->insecure ? 1 : 0;
	out.port = p->port;
	out.proxy_port = p->proxy_port;
	out.name = p->name;
	out.host = p->host;
	out.base = p->base;
	out.key = p->key;
	out.proxy = p->proxy;
	out.form = p->form;
	out.query = p->query;
	out.region = p->region;
	return policy_w_provider(w, &out);
}

static int
put_model(struct policy_w *w, const struct kconf *c, const struct model *m)
{
	struct policy_model	 out;
	size_t			 i;

	memset(&out, 0, sizeof(out));
	out.pattern = m->pattern;
	out.concrete = strpbrk(m->pattern, "*?[") == NULL;
	out.created = m->created;
	for (i = 0; i < c->nproviders; i++)
		if (strcmp(c->providers[i].name, m->provider) == 0)
			out.provider = c->providers[i].id;
	return policy_w_model(w, &out);
}

uint8_t *
kconf_blob(const struct kconf *c, size_t *len)
{
	struct policy_w	*w;
	uint8_t		*blob;
	size_t		 i;
	int		 r;

	if ((w = policy_w_new()) == NULL)
		return NULL;
	r = 0;
	for (i = 0; i < c->nproviders && r == 0; i++)
		r = put_provider(w, &c->providers[i]);
	for (i = 0; i < c->nmodels && r == 0; i++)
		r = put_model(w, c, &c->models[i]);
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]) && r == 0; i++)
		r = policy_w_route(w, &routes[i]);
	blob = r == 0 ? policy_w_blob(w, len) : NULL;
	policy_w_free(w);
	return blob;
}
