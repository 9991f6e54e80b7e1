/* SPDX-License-Identifier: ISC */

/* URLs that configuration, credential files and challenges name. */

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/kms/kms.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* Host and port up to the end of the authority; brackets are taken off. */
static int
authority(struct kms_url *u, const char *p, size_t len)
{
	const char	*err, *colon;
	char		 port[6];
	size_t		 n, i;

	if (len > 0 && p[0] == '[') {
		for (n = 0; n < len && p[n] != ']'; n++)
			;
		if (n == len || (n + 1 < len && p[n + 1] != ':'))
			return -1;
		colon = n + 1 < len ? p + n + 1 : NULL;
		p++;
		len -= 1;
		n -= 1;
	} else {
		colon = memchr(p, ':', len);
		n = colon == NULL ? len : (size_t)(colon - p);
	}
	if (n == 0 || n > HOST_MAX)
		return -1;
	for (i = 0; i < n; i++) {
		if (!isalnum((unsigned char)p[i]) &&
		    strchr("-._:", p[i]) == NULL)
			return -1;
		u->host[i] = (char)tolower((unsigned char)p[i]);
	}
	u->host[n] = '\0';
	if (colon == NULL)
		return 0;
	len -= (size_t)(colon + 1 - p);
	if (len == 0 || len >= sizeof(port))
		return -1;
	memcpy(port, colon + 1, len);
	port[len] = '\0';
	if (strspn(port, "0123456789") != len)
		return -1;
	u->port = (uint16_t)strtonum(port, 1, 65535, &err);
	return err == NULL ? 0 : -1;
}

int
kmsurl_parse(struct kms_url *u, const char *url)
{
	const char	*p;
	size_t		 n;

	memset(u, 0, sizeof(*u));
	if (strncmp(url, "https://", 8) == 0) {
		u->tls = 1;
		u->port = 443;
		url += 8;
	} else if (strncmp(url, "http://", 7) == 0) {
		u->port = 80;
		url += 7;
	} else
		return -1;
	for (p = url; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 127 ||
		    strchr("@#\\\"<>^`{|}", *p) != NULL)
			return -1;
	n = strcspn(url, "/?");
	if (authority(u, url, n) == -1)
		return -1;
	if (url[n] == '?' || strlcpy(u->path, url[n] == '\0' ? "/" : url + n,
	    sizeof(u->path)) >= sizeof(u->path))
		return -1;
	return 0;
}

int
kmsurl_loopback(const char *host)
{
	struct in_addr	 a;

	if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
		return 1;
	return inet_pton(AF_INET, host, &a) == 1 &&
	    ntohl(a.s_addr) >> 24 == 127;
}

/* EC2, Azure, Google (by address, its name may not be known); ECS; EKS. */
int
kmsurl_metadata(const char *host)
{
	static const char *const	 hosts[] = { "169.254.169.254",
	    "169.254.170.2", "169.254.170.23", "fd00:ec2::254",
	    "fd00:ec2::23", "fd20:ce::254" };
	size_t				 i;

	for (i = 0; i < NITEMS(hosts); i++)
		if (strcmp(hosts[i], host) == 0)
			return 1;
	return 0;
}
