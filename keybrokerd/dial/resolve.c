/* SPDX-License-Identifier: ISC */

/*
 * Names to addresses, with a memory of 30 s.  getaddrinfo blocks: while a name
 * server is silent, no other egress is dialled for.  That is bounded by
 * DIAL_OPTIONS (about 4 s a server), and literal addresses never wait.
 */

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "keybrokerd/dial/dial.h"

void
resolve_init(void)
{
	struct addrinfo	 hints, *res;

	(void)setenv("RES_OPTIONS", DIAL_OPTIONS, 0);
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	res = NULL;
	if (getaddrinfo("localhost", NULL, &hints, &res) == 0)
		freeaddrinfo(res);
}

static void
set_port(struct sockaddr_storage *ss, uint16_t port)
{
	struct sockaddr_in	 in;
	struct sockaddr_in6	 in6;

	if (ss->ss_family == AF_INET) {
		memcpy(&in, ss, sizeof(in));
		in.sin_port = htons(port);
		memcpy(ss, &in, sizeof(in));
	} else {
		memcpy(&in6, ss, sizeof(in6));
		in6.sin6_port = htons(port);
		memcpy(ss, &in6, sizeof(in6));
	}
}

static void
keep(struct resolved *r, const struct addrinfo *ai, uint16_t port)
{
	r->n = 0;
	for (; ai != NULL && r->n < DIAL_ADDRS; ai = ai->ai_next) {
		if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) ||
		    ai->ai_addrlen > sizeof(r->addr[0]))
			continue;
		memset(&r->addr[r->n], 0, sizeof(r->addr[0]));
		memcpy(&r->addr[r->n], ai->ai_addr, ai->ai_addrlen);
		set_port(&r->addr[r->n], port);
		r->len[r->n++] = ai->ai_addrlen;
	}
}

static int
look_up(const char *host, int flags, struct addrinfo **res)
{
	struct addrinfo	 hints;

	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = flags;
	return getaddrinfo(host, NULL, &hints, res);
}

int
resolve_get(struct resolved *r, const char *host, uint16_t port, int suspect)
{
	struct addrinfo	*res;
	uint64_t	 now;
	int		 e;

	now = poll_now();
	if (r->n > 0 && now - r->at < (suspect ? DIAL_STALE : DIAL_FRESH))
		return 0;
	if (now < r->failed)
		return -1;
	res = NULL;
	e = look_up(host, AI_NUMERICHOST, &res);
	if (e != 0)
		e = look_up(host, AI_ADDRCONFIG, &res);
	r->at = poll_now();
	r->n = 0;
	if (e == 0) {
		keep(r, res, port);
		freeaddrinfo(res);
	}
	if (r->n > 0)
		return 0;
	snprintf(r->why, sizeof(r->why), "%.150s cannot be resolved: %s", host,
	    e != 0 ? gai_strerror(e) : "no address");
	r->failed = r->at + DIAL_FAILED;
	return -1;
}
