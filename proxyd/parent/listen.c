/* SPDX-License-Identifier: ISC */
/*
 * What proxyd.conf(5) means: listeners and their class, limits.
 */
#include <sys/stat.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "proxyd/parent/proxyd.h"

void
pconf_init(struct pconf *c)
{
	size_t	 i, j;

	memset(c, 0, sizeof(*c));
	c->workers = 2;
	c->connections = 4096;
	c->source = 1024;
	c->header = 10;
	c->idle = 30;
	c->calls = 100000;
	c->grace = 30;
	c->first = 1;
	for (i = 0; i < LISTENERS_MAX; i++) {
		c->listeners[i].certfd = c->listeners[i].keyfd = -1;
		for (j = 0; j < POOL_MAX; j++)
			c->listeners[i].fd[j] = -1;
	}
}

static int
is_loopback(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in	*in;
	const struct sockaddr_in6	*in6;

	if (ss->ss_family == AF_INET) {
		in = (const struct sockaddr_in *)ss;
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	in6 = (const struct sockaddr_in6 *)ss;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* Absolute, since this process changes its directory at will. */
static int
set_files(struct listener *l, const char *cert, const char *key)
{
	if (*cert != '/' || *key != '/' ||
	    strlcpy(l->certfile, cert, sizeof(l->certfile)) >=
	    sizeof(l->certfile) || strlcpy(l->keyfile, key,
	    sizeof(l->keyfile)) >= sizeof(l->keyfile))
		return -1;
	l->tls = 1;
	return 0;
}

/*
 * Addresses are literal (or localhost): a name that resolves elsewhere
 * tomorrow has no place here.  Loopback carries both classes unless it says
 * otherwise; anything else is data, and without TLS needs "insecure".
 */
int
pconf_listener(struct pconf *c, const char *addr, int64_t port, int class,
    int insecure, const char *cert, const char *key, char *why, size_t size)
{
	struct addrinfo	 hints, *res;
	struct listener	*l;
	char		 num[8];

	if (cert != NULL && insecure) {
		snprintf(why, size, "a listener has tls or is insecure, not "
		    "both");
		return -1;
	}
	if (c->nlisteners == LISTENERS_MAX) {
		snprintf(why, size, "more than %d listeners", LISTENERS_MAX);
		return -1;
	}
	if (port < 1 || port > 65535) {
		snprintf(why, size, "port is not 1-65535");
		return -1;
	}
	if (strcmp(addr, "localhost") == 0)
		addr = "127.0.0.1";
	l = &c->listeners[c->nlisteners];
	snprintf(num, sizeof(num), "%d", (int)port);
	memset(&hints, 0, sizeof(hints));
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(strcmp(addr, "*") == 0 ? "::" : addr, num, &hints,
	    &res) != 0) {
		snprintf(why, size, "\"%.60s\" is no IP address", addr);
		return -1;
	}
	memcpy(&l->ss, res->ai_addr, res->ai_addrlen);
	l->sslen = res->ai_addrlen;
	freeaddrinfo(res);
	l->loopback = is_loopback(&l->ss);
	l->insecure = insecure;
	l->class = (uint8_t)(class != 0 ? class :
	    l->loopback ? CLASS_BOTH : CLASS_DATA);
	if (l->class == CLASS_BOTH && !l->loopback) {
		snprintf(why, size, "class both is for loopback only");
		return -1;
	}
	if (cert != NULL && set_files(l, cert, key) == -1) {
		snprintf(why, size, "tls: a path is too long, or not absolute");
		return -1;
	}
	if (!l->loopback && !insecure && !l->tls) {
		snprintf(why, size, "%.60s is no loopback address: plain HTTP "
		    "there would show keys and prompts; use tls, or write "
		    "\"insecure\" if something in front of it does TLS", addr);
		return -1;
	}
	snprintf(l->name, sizeof(l->name), strchr(addr, ':') != NULL ?
	    "[%.60s]:%d" : "%.60s:%d", addr, (int)port);
	c->nlisteners++;
	return 0;
}

int
pconf_load(struct pconf *c, const struct args *a)
{
	struct stat	 st;
	char		 path[PATH_MAX + 32];
	int		 r;

	pconf_init(c);
	if (args_conf(a, "proxyd.conf", path, sizeof(path)) == -1)
		return -1;
	if (stat(path, &st) == 0)
		r = pconf_parse(c, path, NULL);
	else if (errno != ENOENT || a->conf_given) {
		fprintf(stderr, "proxyd: %s: %s\n", path, strerror(errno));
		return -1;
	} else
		r = pconf_parse(c, "(built-in proxyd.conf)", pconf_default);
	if (r == 0 && c->nlisteners == 0) {
		fprintf(stderr, "proxyd: %s: no \"listen on\" line\n", path);
		return -1;
	}
	if (r == 0 && certificate_load(c) == -1)
		return -1;
	return r;
}
