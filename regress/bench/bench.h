/* SPDX-License-Identifier: ISC */
/*
 * What the load tool and the fixed-answer provider of the bench share: a
 * non-blocking socket that may be TLS.  Bench code: it measures the gateway,
 * it is no part of it, and it trusts its own command line.
 */
#ifndef REGRESS_BENCH_BENCH_H
#define REGRESS_BENCH_BENCH_H

#include <openssl/ssl.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wire {
	int	 fd;
	SSL	*ssl;		/* NULL: plain */
	int	 ready;		/* handshake done, or plain */
};

/* An SSL_CTX of a server (cert and key) or a client (ca); exits on error. */
SSL_CTX	*wire_server(const char *cert, const char *key);
SSL_CTX	*wire_client(const char *ca);
/* Takes fd over; ctx may be NULL.  accepting: the server's side. */
void	 wire_open(struct wire *, int fd, SSL_CTX *ctx, int accepting);
void	 wire_close(struct wire *);
/* 1 done, 0 not yet, -1 failed. */
int	 wire_shake(struct wire *);
/* Bytes moved, 0: would block, -1: end or error. */
ssize_t	 wire_read(struct wire *, void *, size_t);
ssize_t	 wire_write(struct wire *, const void *, size_t);
/* Monotonic nanoseconds. */
uint64_t wire_now(void);
/* As many descriptors as the hard limit allows. */
void	 wire_files(void);

/* CPU of a process tree, in microseconds, from /proc/PID/stat of each. */
uint64_t usage_tree(pid_t root);
/* Microseconds that a core was not idle, steal included, from /proc/stat. */
uint64_t usage_core(int cpu);

#endif
