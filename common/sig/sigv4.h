/* SPDX-License-Identifier: ISC */
#ifndef COMMON_SIG_SIGV4_H
#define COMMON_SIG_SIGV4_H

#include <stddef.h>
#include <stdint.h>

/*
 * AWS Signature Version 4 with the signature in the Authorization header.
 * Pure; nothing is allocated or kept, keys that are derived are wiped.  Header
 * names are compared without case; values may have blanks, which are folded as
 * the rules say; a name may stand several times.  The caller adds X-Amz-Date
 * and X-Amz-Security-Token to the headers and never user-agent, connection,
 * expect and the like.
 */
#define SIGV4_HEADERS	24
#define SIGV4_CANON_MAX	16384
#define SIGV4_AUTH_MAX	1024

struct sigv4_header {
	const char	*name, *value;
};

struct sigv4_request {
	const char			*method;
	const char			*path;		/* as sent, no query */
	const char			*query;		/* as sent, or NULL */
	const struct sigv4_header	*headers;
	size_t				 nheaders;
	const void			*body;
	size_t				 bodylen;
	int				 normalize;	/* dots and slashes */
};

struct sigv4_key {
	const char	*id;
	const void	*secret;
	size_t		 secretlen;
	const char	*region, *service;
	const char	*date;		/* "20150830T123600Z" */
};

/*
 * The canonical request with a NUL.  Its length, or -1: too many headers, no
 * room.
 */
long	 sigv4_canonical(const struct sigv4_request *, char *out, size_t size);
/* The string to sign of that canonical request; its length or -1. */
long	 sigv4_string(const struct sigv4_key *, const char *canonical,
	    size_t len, char *out, size_t size);
/* Value of the Authorization header; 0, or -1 as above. */
int	 sigv4_sign(const struct sigv4_request *, const struct sigv4_key *,
	    char *out, size_t size);

/* HMAC-SHA-256, for whoever else needs it. */
void	 sigv4_hmac(const void *key, size_t keylen, const void *data,
	    size_t len, uint8_t out[32]);

#endif
