/* SPDX-License-Identifier: ISC */

/*
 * The six URIs of a vault key that lives in a KMS (kms.md 1).  Pure; what a
 * service would have to interpret (blanks, dots as path segments, percent
 * escapes) is refused, since these names become paths of requests.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/kms/kms.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

typedef int (*parse_fn)(struct kms_uri *, char *rest, char *why, size_t size);

static int	parse_aws(struct kms_uri *, char *, char *, size_t);
static int	parse_gcp(struct kms_uri *, char *, char *, size_t);
static int	parse_azure(struct kms_uri *, char *, char *, size_t);
static int	parse_vault(struct kms_uri *, char *, char *, size_t);
static int	parse_transit(struct kms_uri *, char *, char *, size_t);

static const struct {
	const char	*scheme;
	enum kms_back	 back;
	int		 envelope;
	parse_fn	 parse;
} backs[] = {
	{ "aws_kms://", KB_AWS, 1, parse_aws },
	{ "gcp_kms://", KB_GCP, 1, parse_gcp },
	{ "azure_kv://", KB_AZSECRET, 0, parse_azure },
	{ "azure_kv_wrap://", KB_AZWRAP, 1, parse_azure },
	{ "vault://", KB_VAULT, 0, parse_vault },
	{ "vault_transit://", KB_TRANSIT, 1, parse_transit },
};

/* partitions.json of botocore, kms.md 1.1 */
static const struct {
	const char	*name, *suffix;
} partitions[] = {
	{ "aws", "amazonaws.com" },
	{ "aws-us-gov", "amazonaws.com" },
	{ "aws-cn", "amazonaws.com.cn" },
	{ "aws-eusc", "amazonaws.eu" },
	{ "aws-iso", "c2s.ic.gov" },
	{ "aws-iso-b", "sc2s.sgov.gov" },
	{ "aws-iso-e", "cloud.adc-e.uk" },
	{ "aws-iso-f", "csp.hci.ic.gov" },
};

const char *
kmsuri_suffix(const char *partition)
{
	size_t	 i;

	for (i = 0; i < NITEMS(partitions); i++)
		if (strcmp(partitions[i].name, partition) == 0)
			return partitions[i].suffix;
	return NULL;
}

/* Non-empty, of letters, digits and `more`. */
static int
plain(const char *s, const char *more)
{
	if (*s == '\0')
		return 0;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr(more, *s) == NULL)
			return 0;
	return 1;
}

/* A path: segments of name characters, none empty, "." or "..". */
static int
segments(const char *s)
{
	const char	*end;
	size_t		 n;

	for (;; s = end + 1) {
		end = strchr(s, '/');
		n = end == NULL ? strlen(s) : (size_t)(end - s);
		if (n == 0 || (n == 1 && s[0] == '.') ||
		    (n == 2 && memcmp(s, "..", 2) == 0))
			return 0;
		if (end == NULL)
			return 1;
	}
}

static int
say(char *why, size_t size, const char *text)
{
	strlcpy(why, text, size);
	return -1;
}

/* arn:partition:kms:region:account:key/id or :alias/name */
static int
parse_arn(struct kms_uri *u, char *why, size_t size)
{
	char	 copy[KMS_PART_MAX], *f[6], *p;
	size_t	 i;

	strlcpy(copy, u->key, sizeof(copy));
	p = copy;
	for (i = 0; i < 5; i++) {
		f[i] = p;
		p = strchr(p, ':');
		if (p == NULL)
			return say(why, size, "aws_kms: the ARN has too few "
			    "parts");
		*p++ = '\0';
	}
	f[5] = p;
	if (strcmp(f[2], "kms") != 0 || kmsuri_suffix(f[1]) == NULL ||
	    !plain(f[3], "-") || strlen(f[3]) >= sizeof(u->region) ||
	    strlen(f[1]) >= sizeof(u->partition) || !plain(f[4], ""))
		return say(why, size, "aws_kms: the ARN is not "
		    "arn:PARTITION:kms:REGION:ACCOUNT:key/ID");
	if (strncmp(f[5], "key/", 4) != 0 && strncmp(f[5], "alias/", 6) != 0)
		return say(why, size, "aws_kms: the ARN names neither a key "
		    "nor an alias");
	strlcpy(u->partition, f[1], sizeof(u->partition));
	strlcpy(u->region, f[3], sizeof(u->region));
	return 0;
}

static int
parse_aws(struct kms_uri *u, char *rest, char *why, size_t size)
{
	strlcpy(u->partition, "aws", sizeof(u->partition));
	if (!plain(rest, "-_/:") || !segments(rest))
		return say(why, size, "aws_kms: write aws_kms://KEY-ID, "
		    "aws_kms://alias/NAME or aws_kms://ARN");
	strlcpy(u->key, rest, sizeof(u->key));
	return strncmp(rest, "arn:", 4) == 0 ? parse_arn(u, why, size) : 0;
}

static int
parse_gcp(struct kms_uri *u, char *rest, char *why, size_t size)
{
	static const char *const	 names[] = { "projects", "locations",
	    "keyRings", "cryptoKeys" };
	char	 copy[KMS_PART_MAX], *p, *word;
	size_t	 i;

	strlcpy(copy, rest, sizeof(copy));
	p = copy;
	for (i = 0; i < 2 * NITEMS(names); i++) {
		word = strsep(&p, "/");
		if (word == NULL || (i % 2 == 0 &&
		    strcmp(word, names[i / 2]) != 0) || (i % 2 == 1 &&
		    (!plain(word, "-_.:") || !segments(word))))
			break;
	}
	if (i < 2 * NITEMS(names) || p != NULL)
		return say(why, size, "gcp_kms: write gcp_kms://projects/P/"
		    "locations/L/keyRings/R/cryptoKeys/K, without a version");
	strlcpy(u->key, rest, sizeof(u->key));
	return 0;
}

/* "vault" becomes a host of Azure's; "host" and "host:port" stay. */
static int
azure_host(struct kms_uri *u, const char *host)
{
	struct kms_url	 url;
	char		 text[HOST_MAX + 16];

	if (strchr(host, '.') == NULL && strchr(host, ':') == NULL) {
		if (!plain(host, "-") || strlen(host) < 3 || strlen(host) > 24)
			return -1;
		snprintf(u->host, sizeof(u->host), "%s.vault.azure.net", host);
		u->port = 443;
		return 0;
	}
	if (snprintf(text, sizeof(text), "https://%s", host) >=
	    (int)sizeof(text) || kmsurl_parse(&url, text) == -1)
		return -1;
	strlcpy(u->host, url.host, sizeof(u->host));
	u->port = url.port;
	return 0;
}

static int
parse_azure(struct kms_uri *u, char *rest, char *why, size_t size)
{
	char	*host, *name, *version;

	host = strsep(&rest, "/");
	name = strsep(&rest, "/");
	version = strsep(&rest, "/");
	if (name == NULL || rest != NULL || !plain(name, "-") ||
	    (version != NULL && (!plain(version, "") ||
	    strlen(version) >= sizeof(u->version))) ||
	    azure_host(u, host) == -1)
		return say(why, size, "azure_kv: write azure_kv://VAULT/NAME "
		    "or azure_kv://VAULT/NAME/VERSION; a vault's name has 3 to "
		    "24 letters, digits and hyphens");
	strlcpy(u->key, name, sizeof(u->key));
	if (version != NULL)
		strlcpy(u->version, version, sizeof(u->version));
	return 0;
}

static int
parse_vault(struct kms_uri *u, char *rest, char *why, size_t size)
{
	char	*field;

	field = strchr(rest, '#');
	if (field != NULL)
		*field++ = '\0';
	else
		field = strcpy(u->field, "key");
	if (!plain(rest, "-_./") || !segments(rest) ||
	    strchr(rest, '/') == NULL || !plain(field, "-_.") ||
	    strlen(field) >= sizeof(u->field))
		return say(why, size, "vault: write vault://MOUNT/data/PATH "
		    "or vault://MOUNT/data/PATH#FIELD");
	if (field != u->field)
		strlcpy(u->field, field, sizeof(u->field));
	strlcpy(u->key, rest, sizeof(u->key));
	return 0;
}

static int
parse_transit(struct kms_uri *u, char *rest, char *why, size_t size)
{
	if (!plain(rest, "-_.") || !segments(rest))
		return say(why, size, "vault_transit: write "
		    "vault_transit://KEY");
	strlcpy(u->key, rest, sizeof(u->key));
	return 0;
}

int
kmsuri_parse(struct kms_uri *u, const char *uri, char *why, size_t size)
{
	char	 rest[KMS_PART_MAX];
	size_t	 i, n;

	memset(u, 0, sizeof(*u));
	for (i = 0; i < NITEMS(backs); i++) {
		n = strlen(backs[i].scheme);
		if (strncmp(uri, backs[i].scheme, n) != 0)
			continue;
		u->back = backs[i].back;
		if (strlcpy(rest, uri + n, sizeof(rest)) >= sizeof(rest))
			return say(why, size, "the KMS URI is too long");
		return backs[i].parse(u, rest, why, size);
	}
	return say(why, size, "TAPPASS_VAULT_KEY_KMS is none of aws_kms:// "
	    "gcp_kms:// azure_kv:// azure_kv_wrap:// vault:// "
	    "vault_transit://");
}

int
kmsuri_envelope(const struct kms_uri *u)
{
	size_t	 i;

	for (i = 0; i < NITEMS(backs); i++)
		if (backs[i].back == u->back)
			return backs[i].envelope;
	return 0;
}
