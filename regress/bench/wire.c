/* SPDX-License-Identifier: ISC */
/* A non-blocking socket, plain or TLS 1.3, and what /proc tells of CPU. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "regress/bench/bench.h"

uint64_t
wire_now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

void
wire_files(void)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "setrlimit");
}

static SSL_CTX *
context(const SSL_METHOD *method)
{
	SSL_CTX	*ctx;

	ctx = SSL_CTX_new(method);
	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION))
		errx(1, "SSL_CTX_new");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

SSL_CTX *
wire_server(const char *cert, const char *key)
{
	SSL_CTX	*ctx;

	ctx = context(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		errx(1, "%s, %s: no certificate and key", cert, key);
	return ctx;
}

SSL_CTX *
wire_client(const char *ca)
{
	SSL_CTX	*ctx;

	ctx = context(TLS_client_method());
	if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		errx(1, "%s: no authority", ca);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

void
wire_open(struct wire *w, int fd, SSL_CTX *ctx, int accepting)
{
	int	 on;

	on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	w->fd = fd;
	w->ssl = NULL;
	w->ready = ctx == NULL;
	if (ctx == NULL)
		return;
	w->ssl = SSL_new(ctx);
	if (w->ssl == NULL || SSL_set_fd(w->ssl, fd) != 1)
		errx(1, "SSL_new");
	if (accepting)
		SSL_set_accept_state(w->ssl);
	else
		SSL_set_connect_state(w->ssl);
}

void
wire_close(struct wire *w)
{
	if (w->ssl != NULL)
		SSL_free(w->ssl);
	close(w->fd);
	w->fd = -1;
	w->ssl = NULL;
}

static ssize_t
verdict(struct wire *w, int r)
{
	int	 e;

	e = SSL_get_error(w->ssl, r);
	ERR_clear_error();
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int
wire_shake(struct wire *w)
{
	int	 r;

	if (w->ready)
		return 1;
	r = SSL_do_handshake(w->ssl);
	if (r != 1)
		return (int)verdict(w, r);
	w->ready = 1;
	return 1;
}

ssize_t
wire_read(struct wire *w, void *p, size_t len)
{
	ssize_t	 n;

	if (w->ssl != NULL) {
		n = SSL_read(w->ssl, p, (int)len);
		return n > 0 ? n : verdict(w, (int)n);
	}
	n = read(w->fd, p, len);
	if (n == -1 && errno == EAGAIN)
		return 0;
	return n > 0 ? n : -1;
}

ssize_t
wire_write(struct wire *w, const void *p, size_t len)
{
	ssize_t	 n;

	if (w->ssl != NULL) {
		n = SSL_write(w->ssl, p, (int)len);
		return n > 0 ? n : verdict(w, (int)n);
	}
	n = send(w->fd, p, len, MSG_NOSIGNAL);
	if (n == -1 && errno == EAGAIN)
		return 0;
	return n > 0 ? n : -1;
}

static uint64_t
ticks_us(uint64_t ticks)
{
	return ticks * (1000000U / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint64_t
usage_tree(pid_t root)
{
	char		 path[64], line[1024], *p;
	unsigned long	 user, sys;
	uint64_t	 sum;
	FILE		*f;
	int		 child;

	sum = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)root);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) != NULL &&
	    (p = strrchr(line, ')')) != NULL &&
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u"
	    " %lu %lu", &user, &sys) == 2)
		sum = ticks_us(user + sys);
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)root,
	    (int)root);
	if ((f = fopen(path, "r")) == NULL)
		return sum;
	while (fscanf(f, "%d", &child) == 1)
		sum += usage_tree(child);
	fclose(f);
	return sum;
}

uint64_t
usage_core(int cpu)
{
	unsigned long long	 v[8];
	char			 line[512], name[16];
	uint64_t		 busy;
	FILE			*f;

	busy = 0;
	snprintf(name, sizeof(name), "cpu%d ", cpu);
	if ((f = fopen("/proc/stat", "r")) == NULL)
		err(1, "/proc/stat");
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 &&
		    sscanf(line + strlen(name), "%llu %llu %llu %llu %llu"
		    " %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4],
		    &v[5], &v[6], &v[7]) == 8)
			busy = v[0] + v[1] + v[2] + v[5] + v[6] + v[7];
	fclose(f);
	return ticks_us(busy);
}
