/* SPDX-License-Identifier: ISC */
#ifndef KEYBROKERD_EGRESS_UPSTREAM_H
#define KEYBROKERD_EGRESS_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

/*
 * A connection to a provider over a descriptor that dial connected: plain, or
 * TLS with verification of name and chain, maybe through an HTTP proxy.  No
 * type of the library behind it is shown here.
 */
struct upstream;

struct upstream_target {
	const char	*host;		/* name or literal, without brackets */
	uint16_t	 port;
	int		 tls;
	const char	*proxy;		/* host of an HTTP proxy; NULL none */
	uint16_t	 proxy_port;
};

enum upstream_io {
	UPSTREAM_OK,
	UPSTREAM_AGAIN,		/* repeat with the same bytes and length */
	UPSTREAM_EOF,
	UPSTREAM_ERROR
};

/* Outcome of opening: end is END_OK, END_CONNECT, END_TLS or END_TIMEOUT. */
typedef void (*upstream_open_fn)(void *, int end, const char *text);
/* The provider's descriptor is readable, or writable. */
typedef void (*upstream_io_fn)(void *, int writable);

/* context_linux.c: all connections of this process, to one provider with one
 * set of options, share the library's context.  Once, before upstream_init. */
void	 context_share(void);

/*
 * Before sealing: everything that needs a socket, a file or the library's
 * start.  pem: trusted certificates; none of them, and TLS never verifies.
 * 0, or -1 with a sentence in why.
 */
int	 upstream_init(struct event_base *, const void *pem, size_t len,
	    char *why, size_t size);
/*
 * Opens over fd (owned from here, even on failure).  opened is called once,
 * from the loop; NULL without memory.  A handshake has 10 s.
 */
struct upstream *upstream_open(const struct upstream_target *, int fd,
	    upstream_open_fn opened, upstream_io_fn ready, void *arg);
enum upstream_io upstream_send(struct upstream *, const void *, size_t,
	    size_t *sent);
enum upstream_io upstream_recv(struct upstream *, void *, size_t,
	    size_t *got);
/* Input waits that no event will tell of: upstream_recv again. */
int	 upstream_pending(const struct upstream *);
/* A look only: nothing has come, and the end has not.  0: upstream_recv says
 * what it is. */
int	 upstream_quiet(const struct upstream *);
/* Watch for reading and writing; once it is open. */
void	 upstream_want(struct upstream *, int reading, int writing);
/* Call ready again although the descriptor may show nothing. */
void	 upstream_again(struct upstream *);
/* Closes at once: the provider's end sees FIN.  Sets *u to NULL. */
void	 upstream_close(struct upstream **);

#endif
