/* SPDX-License-Identifier: ISC */

/*
 * Which addresses are connected to.  A table of networks; the more telling
 * names come first.  An IPv4 address inside an IPv6 one is judged as itself,
 * so that no other spelling of it passes.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "keybrokerd/dial/dial.h"

struct net {
	uint8_t		 prefix[16];
	uint8_t		 bits;
	const char	*why;
};

static const struct net	v4[] = {
	{ { 169, 254 }, 16, "a link-local address (cloud metadata)" },
	{ { 100, 100, 100, 200 }, 32, "a cloud metadata address" },
	{ { 168, 63, 129, 16 }, 32, "a cloud metadata address" },
	{ { 192, 0, 0, 192 }, 32, "a cloud metadata address" },
	{ { 0 }, 8, "an unspecified address" },
	{ { 224 }, 4, "a multicast address" },
	{ { 240 }, 4, "a reserved address" },
};

static const struct net	v6[] = {
	{ { 0xfd, 0x00, 0x0e, 0xc2, [15] = 0x54, [14] = 0x02 }, 128,
	    "a cloud metadata address" },
	{ { 0xfd, 0x20, 0, 0xce, [15] = 0x54, [14] = 0x02 }, 128,
	    "a cloud metadata address" },
	{ { 0xfe, 0x80 }, 10, "a link-local address (cloud metadata)" },
	{ { 0 }, 128, "an unspecified address" },
	{ { 0xff }, 8, "a multicast address" },
};

/* IPv4 inside IPv6: mapped, compatible, NAT64, 6to4; at which byte. */
static const struct {
	uint8_t	 prefix[16];
	uint8_t	 bits, at;
} inside[] = {
	{ { [10] = 0xff, [11] = 0xff }, 96, 12 },
	{ { 0, 0x64, 0xff, 0x9b }, 96, 12 },
	{ { 0x20, 0x02 }, 16, 2 },
	{ { 0 }, 96, 12 },
};

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

static int
within(const uint8_t *a, const uint8_t *prefix, unsigned int bits)
{
	unsigned int	 whole, rest;
	uint8_t		 m;

	whole = bits / 8;
	rest = bits % 8;
	if (memcmp(a, prefix, whole) != 0)
		return 0;
	if (rest == 0)
		return 1;
	m = (uint8_t)(0xff << (8 - rest));
	return (a[whole] & m) == (prefix[whole] & m);
}

static const char *
listed(const struct net *nets, size_t n, const uint8_t *a)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (within(a, nets[i].prefix, nets[i].bits))
			return nets[i].why;
	return NULL;
}

static const char	not_loopback[] =
    "not loopback, and plain http needs the word insecure";

static const char *
refused4(const uint8_t *a, int plain)
{
	const char	*why;

	why = listed(v4, NITEMS(v4), a);
	if (why == NULL && plain && a[0] != 127)
		why = not_loopback;
	return why;
}

static const char *
refused6(const uint8_t *a, int plain)
{
	static const uint8_t	 one[16] = { [15] = 1 };
	const char		*why;
	size_t			 i;

	if (memcmp(a, one, sizeof(one)) == 0)
		return NULL;
	why = listed(v6, NITEMS(v6), a);
	if (why != NULL)
		return why;
	for (i = 0; i < NITEMS(inside); i++)
		if (within(a, inside[i].prefix, inside[i].bits))
			return refused4(a + inside[i].at, plain);
	return plain ? not_loopback : NULL;
}

const char *
address_refused(const struct sockaddr *sa, int plain)
{
	struct sockaddr_in	 in;
	struct sockaddr_in6	 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		return refused4((const uint8_t *)&in.sin_addr, plain);
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		return refused6(in6.sin6_addr.s6_addr, plain);
	}
	return "neither IPv4 nor IPv6";
}

const char *
address_not_metadata(const struct sockaddr *sa, const char *host)
{
	struct sockaddr_in	 in;
	struct sockaddr_in6	 in6;
	struct in6_addr		 want6;
	struct in_addr		 want;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		if (inet_pton(AF_INET, host, &want) == 1 && in.sin_addr.s_addr == want.s_addr)
			return NULL;
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		if (inet_pton(AF_INET6, host, &want6) == 1 &&
		    memcmp(&in6.sin6_addr, &want6, sizeof(want6)) == 0)
			return NULL;
	}
	return "not that metadata service's address";
}

void
address_text(const struct sockaddr *sa, char *out, size_t size)
{
	struct sockaddr_in	 in;
	struct sockaddr_in6	 in6;
	char			 text[INET6_ADDRSTRLEN];

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
		snprintf(out, size, "%s:%u", text,
		    (unsigned int)ntohs(in.sin_port));
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
		snprintf(out, size, "[%s]:%u", text,
		    (unsigned int)ntohs(in6.sin6_port));
	} else
		snprintf(out, size, "?");
}
