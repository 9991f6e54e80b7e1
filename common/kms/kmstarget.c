/* SPDX-License-Identifier: ISC */

/*
 * The hosts that one KMS URI may lead to.  The parent makes the list from
 * public facts, dial connects to its rows alone, the kms role finds its hosts
 * on it: a credential file or an answer cannot send anybody elsewhere.
 */

#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/msg.h"
#include "common/kms/kms.h"

struct maker {
	struct kms_targets	*out;
	kms_get			 get;
	void			*arg;
	char			*why;
	size_t			 size;
	struct kms_url		 proxy;		/* host "" none */
};

static const char *
value(struct maker *m, const char *name)
{
	const char	*v;

	v = m->get(m->arg, name);
	return v != NULL && v[0] != '\0' ? v : NULL;
}

static int
is_true(struct maker *m, const char *name)
{
	const char	*v;

	v = value(m, name);
	return v != NULL && strcasecmp(v, "true") == 0;
}

static int
add(struct maker *m, const char *what, int tls, const char *host,
    uint16_t port)
{
	struct kms_target	*t;
	size_t			 i;
	uint8_t			 flags;

	flags = tls ? KT_TLS : kmsurl_metadata(host) ? KT_META : KT_LOOPBACK;
	if (flags == KT_LOOPBACK && !kmsurl_loopback(host)) {
		snprintf(m->why, m->size, "%s: http is for this machine and "
		    "metadata addresses only; %s needs https", what, host);
		return -1;
	}
	if (strchr(host, '*') != NULL)
		flags |= KT_PATTERN;
	for (i = 0; i < m->out->n; i++)
		if (m->out->t[i].flags == flags && m->out->t[i].port == port &&
		    strcmp(m->out->t[i].host, host) == 0)
			return 0;
	if (m->out->n == KMS_TARGETS) {
		snprintf(m->why, m->size, "%s: more than %d hosts", what,
		    KMS_TARGETS);
		return -1;
	}
	t = &m->out->t[m->out->n++];
	memset(t, 0, sizeof(*t));
	t->flags = flags;
	t->port = port;
	strlcpy(t->host, host, sizeof(t->host));
	if ((flags & KT_TLS) && m->proxy.host[0] != '\0' &&
	    !kmsurl_loopback(host)) {
		strlcpy(t->proxy, m->proxy.host, sizeof(t->proxy));
		t->proxy_port = m->proxy.port;
	}
	return 0;
}

static int
add_url(struct maker *m, const char *what, const char *url)
{
	struct kms_url	 u;

	if (kmsurl_parse(&u, url) == -1) {
		snprintf(m->why, m->size, "%s: not an http or https URL",
		    what);
		return -1;
	}
	return add(m, what, u.tls, u.host, u.port);
}

/* The URL of a variable, if it is set: 1 it was, 0 not, -1. */
static int
add_var(struct maker *m, const char *name)
{
	const char	*v;

	v = value(m, name);
	if (v == NULL)
		return 0;
	return add_url(m, name, v) == -1 ? -1 : 1;
}

/* ---- one function a back end ------------------------------------------- */

/* The regional host of a service, or one for any region. */
static int
aws_service(struct maker *m, const char *service, const char *region,
    const char *suffix, const char *override)
{
	char	 host[HOST_MAX + 1];
	int	 r;

	r = 0;
	if (!is_true(m, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) {
		r = add_var(m, override);
		if (r == 0)
			r = add_var(m, "AWS_ENDPOINT_URL");
	}
	if (r != 0)
		return r == -1 ? -1 : 0;
	if (is_true(m, "AWS_USE_DUALSTACK_ENDPOINT"))
		suffix = strcmp(suffix, "amazonaws.com.cn") == 0 ?
		    "api.amazonwebservices.com.cn" : "api.aws";
	snprintf(host, sizeof(host), "%s%s.%s.%s", service,
	    is_true(m, "AWS_USE_FIPS_ENDPOINT") ? "-fips" : "",
	    region, suffix);
	return add(m, service, 1, host, 443);
}

static int
aws_metadata(struct maker *m)
{
	const char	*v;
	int		 r;

	if (value(m, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL)
		return add(m, "container", 0, "169.254.170.2", 80);
	r = add_var(m, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (r != 0)
		return r == -1 ? -1 : 0;
	if (is_true(m, "AWS_EC2_METADATA_DISABLED"))
		return 0;
	r = add_var(m, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	if (r != 0)
		return r == -1 ? -1 : 0;
	v = value(m, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	return add(m, "metadata", 0, v != NULL && strcasecmp(v, "ipv6") == 0 ?
	    "fd00:ec2::254" : "169.254.169.254", 80);
}

static int
list_aws(struct maker *m, const struct kms_uri *u)
{
	const char	*region, *suffix;

	suffix = kmsuri_suffix(u->partition);
	region = u->region[0] != '\0' ? u->region : value(m, "AWS_REGION");
	if (region == NULL)
		region = value(m, "AWS_DEFAULT_REGION");
	if (region == NULL)
		region = "*";
	else if (strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
	    strlen(region) || strlen(region) > 31) {
		snprintf(m->why, m->size, "AWS_REGION: not a region's name");
		return -1;
	}
	if (aws_service(m, "kms", region, suffix, "AWS_ENDPOINT_URL_KMS") ==
	    -1 || aws_service(m, "sts", region, suffix,
	    "AWS_ENDPOINT_URL_STS") == -1)
		return -1;
	if (strcmp(u->partition, "aws") == 0 &&
	    add(m, "sts", 1, "sts.amazonaws.com", 443) == -1)
		return -1;
	return aws_metadata(m);
}

static int
list_gcp(struct maker *m, const struct kms_uri *u)
{
	static const char *const	 hosts[] = { "oauth2.googleapis.com",
	    "sts.googleapis.com", "iamcredentials.googleapis.com",
	    "accounts.google.com" };
	char				 text[HOST_MAX + 16];
	const char			*v;
	size_t				 i;
	int				 r;

	(void)u;
	r = add_var(m, "TAPPASS_GCP_KMS_ENDPOINT");
	if (r == -1 || (r == 0 &&
	    add(m, "gcp_kms", 1, "cloudkms.googleapis.com", 443) == -1))
		return -1;
	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (add(m, "gcp_kms", 1, hosts[i], 443) == -1)
			return -1;
	if (is_true(m, "NO_GCE_CHECK"))
		return 0;
	/* By address: where there is none, its name would be asked for long. */
	v = value(m, "GCE_METADATA_HOST");
	snprintf(text, sizeof(text), "http://%s", v != NULL &&
	    strcmp(v, "metadata.google.internal") != 0 ? v :
	    "169.254.169.254");
	return add_url(m, "GCE_METADATA_HOST", text);
}

static int
list_azure(struct maker *m, const struct kms_uri *u)
{
	int	 r;

	r = add_var(m, "TAPPASS_AZURE_KV_ENDPOINT");
	if (r == -1 || (r == 0 && add(m, "azure_kv", 1, u->host,
	    u->port) == -1))
		return -1;
	r = add_var(m, "AZURE_AUTHORITY_HOST");
	if (r == -1 || (r == 0 && add(m, "azure_kv", 1,
	    "login.microsoftonline.com", 443) == -1))
		return -1;
	if (add_var(m, "IDENTITY_ENDPOINT") == -1)
		return -1;
	r = add_var(m, "AZURE_POD_IDENTITY_AUTHORITY_HOST");
	if (r == 0)
		r = add(m, "azure_kv", 0, "169.254.169.254", 80);
	return r == -1 ? -1 : 0;
}

static int
list_vault(struct maker *m, const struct kms_uri *u)
{
	int	 r;

	(void)u;
	r = add_var(m, "BAO_ADDR");
	if (r == 0)
		r = add_var(m, "VAULT_ADDR");
	if (r == 0)
		r = add(m, "vault", 1, "127.0.0.1", 8200);
	return r == -1 ? -1 : 0;
}

static int	(*const lists[])(struct maker *, const struct kms_uri *) = {
	[KB_AWS] = list_aws,
	[KB_GCP] = list_gcp,
	[KB_AZSECRET] = list_azure,
	[KB_AZWRAP] = list_azure,
	[KB_VAULT] = list_vault,
	[KB_TRANSIT] = list_vault,
};

/* TAPPASS_KMS_HOSTS: origins, separated by blanks. */
static int
more_hosts(struct maker *m)
{
	char		 copy[2048], *p, *word;
	const char	*v;

	v = value(m, "TAPPASS_KMS_HOSTS");
	if (v == NULL)
		return 0;
	if (strlcpy(copy, v, sizeof(copy)) >= sizeof(copy)) {
		snprintf(m->why, m->size, "TAPPASS_KMS_HOSTS is too long");
		return -1;
	}
	p = copy;
	while ((word = strsep(&p, " \t,\n")) != NULL)
		if (word[0] != '\0' &&
		    add_url(m, "TAPPASS_KMS_HOSTS", word) == -1)
			return -1;
	return 0;
}

int
kmstarget_list(struct kms_targets *out, const char *uri, kms_get get,
    void *arg, char *why, size_t size)
{
	struct kms_uri	 u;
	struct maker	 m;
	const char	*v;

	memset(out, 0, sizeof(*out));
	memset(&m, 0, sizeof(m));
	m.out = out;
	m.get = get;
	m.arg = arg;
	m.why = why;
	m.size = size;
	if (kmsuri_parse(&u, uri, why, size) == -1)
		return -1;
	v = value(&m, "TAPPASS_KMS_PROXY");
	if (v != NULL && (kmsurl_parse(&m.proxy, v) == -1 || m.proxy.tls ||
	    strcmp(m.proxy.path, "/") != 0)) {
		snprintf(why, size, "TAPPASS_KMS_PROXY: write http://HOST:PORT");
		return -1;
	}
	if (lists[u.back](&m, &u) == -1)
		return -1;
	return more_hosts(&m);
}

/* ---- the blob ---------------------------------------------------------- */

size_t
kmstarget_encode(const struct kms_targets *ts, uint8_t *out, size_t size)
{
	static struct msgw	 w;
	const struct kms_target	*t;
	size_t			 i;

	msg_open(&w, 0);
	msg_put_raw(&w, "TPK1", 4);
	msg_put_u16(&w, (uint16_t)ts->n);
	for (i = 0; i < ts->n; i++) {
		t = &ts->t[i];
		msg_put_u8(&w, t->flags);
		msg_put_u16(&w, t->port);
		msg_put_u16(&w, t->proxy_port);
		msg_put_str(&w, t->host);
		msg_put_str(&w, t->proxy);
	}
	if (w.bad || w.len > size)
		return 0;
	memcpy(out, w.buf, w.len);
	return w.len;
}

int
kmstarget_decode(struct kms_targets *ts, const uint8_t *p, size_t len)
{
	struct kms_target	*t;
	struct msgr		 r;
	char			 magic[4];
	size_t			 i, n;

	memset(ts, 0, sizeof(*ts));
	msg_read(&r, 0, p, len);
	msg_get_raw(&r, magic, sizeof(magic));
	n = msg_get_u16(&r);
	if (r.bad || memcmp(magic, "TPK1", 4) != 0 || n > KMS_TARGETS)
		return -1;
	for (i = 0; i < n; i++) {
		t = &ts->t[i];
		t->flags = msg_get_u8(&r);
		t->port = msg_get_u16(&r);
		t->proxy_port = msg_get_u16(&r);
		msg_get_str(&r, t->host, sizeof(t->host));
		msg_get_str(&r, t->proxy, sizeof(t->proxy));
	}
	if (msg_end(&r) == -1)
		return -1;
	ts->n = n;
	return 0;
}

/* ---- finding ----------------------------------------------------------- */

static int
label_ok(const char *s, size_t n)
{
	size_t	 i;

	if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
		return 0;
	for (i = 0; i < n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", s[i]) ==
		    NULL)
			return 0;
	return 1;
}

/* host against a row; label gets what "*" stood for. */
static int
match(const struct kms_target *t, const char *host, char label[64])
{
	const char	*star;
	size_t		 before, after, n;

	label[0] = '\0';
	if ((t->flags & KT_PATTERN) == 0)
		return strcmp(t->host, host) == 0;
	star = strchr(t->host, '*');
	if (star == NULL)
		return 0;
	before = (size_t)(star - t->host);
	after = strlen(star + 1);
	n = strlen(host);
	if (n <= before + after || strncmp(host, t->host, before) != 0 ||
	    strcmp(host + n - after, star + 1) != 0)
		return 0;
	n -= before + after;
	if (!label_ok(host + before, n))
		return 0;
	memcpy(label, host + before, n);
	label[n] = '\0';
	return 1;
}

int
kmstarget_find(const struct kms_targets *ts, int tls, const char *host,
    uint16_t port, char label[64])
{
	size_t	 i;

	for (i = 0; i < ts->n; i++)
		if (((ts->t[i].flags & KT_TLS) != 0) == (tls != 0) &&
		    ts->t[i].port == port && match(&ts->t[i], host, label))
			return (int)i;
	return -1;
}

int
kmstarget_host(const struct kms_target *t, const char *label, char *out,
    size_t size)
{
	const char	*star;

	star = strchr(t->host, '*');
	if ((t->flags & KT_PATTERN) == 0 || star == NULL) {
		if (label[0] != '\0')
			return -1;
		return strlcpy(out, t->host, size) < size ? 0 : -1;
	}
	if (!label_ok(label, strlen(label)))
		return -1;
	return snprintf(out, size, "%.*s%s%s", (int)(star - t->host), t->host,
	    label, star + 1) < (int)size ? 0 : -1;
}
