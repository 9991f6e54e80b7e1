/* SPDX-License-Identifier: ISC */

/*
 * provider -p port [-l logfile] [-P portfile] [-c cert -k key]
 *          [-k1 key] [-k2 key] [-K keyfile] [-t tool] [-a argsfile]
 *
 * -p 0 takes any port, -P writes it down.  With -c and -k it speaks TLS.
 * Without -k1, -k2, -K every credential is right; -K names a file with one
 * accepted key a line, read anew for each request.  -t and -a fix name and
 * JSON arguments of every tool call.  It listens on 127.0.0.1 only.
 */

#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tls.h>
#include <unistd.h>

#include "provider.h"

static struct {
	const char	*port, *log, *portfile, *cert, *key, *k1, *k2, *keys;
} opt;

static const struct {
	const char	 *name;
	const char	**value;
} options[] = {
	{ "-p", &opt.port }, { "-l", &opt.log }, { "-P", &opt.portfile },
	{ "-c", &opt.cert }, { "-k", &opt.key }, { "-k1", &opt.k1 },
	{ "-k2", &opt.k2 }, { "-K", &opt.keys }, { "-t", &tool_name },
	{ "-a", &tool_args }
};

static int logfd = -1;
static struct conn **conns;
static struct pollfd *pfds;
static size_t nconns;

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* One line, one write. */
void
log_line(struct buf *b)
{
	if (logfd == -1)
		return;
	buf_str(b, "\n");
	if (write(logfd, b->p, b->n) == -1)
		warn("log");
}

/* A line of the key file. */
static int
key_in_file(const char *key)
{
	char line[1024];
	FILE *f;
	int hit;

	f = fopen(opt.keys, "r");
	if (f == NULL)
		return 0;
	hit = 0;
	while (!hit && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		hit = line[0] != '\0' && strcmp(line, key) == 0;
	}
	fclose(f);
	return hit;
}

int
key_allowed(const char *key)
{
	if (opt.k1 == NULL && opt.k2 == NULL && opt.keys == NULL)
		return 1;
	return (opt.k1 != NULL && strcmp(key, opt.k1) == 0) ||
	    (opt.k2 != NULL && strcmp(key, opt.k2) == 0) ||
	    (opt.keys != NULL && key_in_file(key));
}

static void
arguments(int argc, char **argv)
{
	size_t k;
	int i;

	for (i = 1; i < argc; i += 2) {
		for (k = 0; k < sizeof(options) / sizeof(options[0]); k++)
			if (strcmp(argv[i], options[k].name) == 0)
				break;
		if (k == sizeof(options) / sizeof(options[0]) ||
		    i + 1 == argc)
			errx(2, "usage: provider -p port [-l logfile] "
			    "[-P portfile] [-c cert -k key] [-k1 key] "
			    "[-k2 key] [-K keyfile] [-t tool] [-a argsfile]");
		*options[k].value = argv[i + 1];
	}
	if (opt.port == NULL)
		errx(2, "-p port is missing");
	if ((opt.cert == NULL) != (opt.key == NULL))
		errx(2, "-c and -k go together");
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in sin;
	FILE *f;
	socklen_t len;
	int fd, on;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		err(1, "socket");
	on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	len = sizeof(sin);
	if (bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(fd, 1024) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "port %u", port);
	if (opt.portfile != NULL) {
		f = fopen(opt.portfile, "w");
		if (f == NULL || fprintf(f, "%u\n",
		    ntohs(sin.sin_port)) < 0 || fclose(f) != 0)
			err(1, "%s", opt.portfile);
	}
	printf("listening on 127.0.0.1:%u\n", ntohs(sin.sin_port));
	fflush(stdout);
	return fd;
}

static struct tls *
tls_listen(void)
{
	struct tls *tls;
	struct tls_config *conf;

	if (opt.cert == NULL)
		return NULL;
	conf = tls_config_new();
	if (conf == NULL)
		errx(1, "tls_config_new");
	if (tls_config_set_keypair_file(conf, opt.cert, opt.key) == -1)
		errx(1, "%s", tls_config_error(conf));
	tls = tls_server();
	if (tls == NULL || tls_configure(tls, conf) == -1)
		errx(1, "tls: %s", tls == NULL ? "no memory" :
		    tls_error(tls));
	tls_config_free(conf);
	return tls;
}

static void
accept_all(int lfd, struct tls *server)
{
	struct tls *tls;
	int fd, on;

	for (;;) {
		fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE)
				usleep(10000);
			return;
		}
		on = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		tls = NULL;
		if (server != NULL &&
		    tls_accept_socket(server, &tls, fd) == -1) {
			close(fd);
			continue;
		}
		conns = reallocarray(conns, nconns + 1, sizeof(*conns));
		pfds = reallocarray(pfds, nconns + 2, sizeof(*pfds));
		if (conns == NULL || pfds == NULL)
			err(1, NULL);
		conns[nconns++] = conn_new(fd, tls);
	}
}

/* Fills pfds and says how long poll may wait. */
static int
prepare(int lfd)
{
	uint64_t due, first, now;
	size_t i;

	pfds[0].fd = lfd;
	pfds[0].events = POLLIN;
	pfds[0].revents = 0;
	first = 0;
	for (i = 0; i < nconns; i++) {
		pfds[i + 1].fd = conn_fd(conns[i]);
		pfds[i + 1].events = conn_want(conns[i]);
		pfds[i + 1].revents = 0;
		due = conn_want(conns[i]) & POLLOUT ? 0 : conn_due(conns[i]);
		if (due != 0 && (first == 0 || due < first))
			first = due;
	}
	if (first == 0)
		return -1;
	now = now_ns();
	return first <= now ? 0 : (int)((first - now) / 1000000) + 1;
}

static void
loop(int lfd, struct tls *server)
{
	uint64_t now;
	size_t i, n;
	int wait;

	pfds = reallocarray(NULL, 1, sizeof(*pfds));
	if (pfds == NULL)
		err(1, NULL);
	for (;;) {
		wait = prepare(lfd);
		if (poll(pfds, (nfds_t)(nconns + 1), wait) == -1 &&
		    errno != EINTR)
			err(1, "poll");
		now = now_ns();
		for (i = n = 0; i < nconns; i++) {
			if (conn_turn(conns[i], pfds[i + 1].revents,
			    now) == -1)
				conn_free(conns[i]);
			else
				conns[n++] = conns[i];
		}
		nconns = n;
		if (pfds[0].revents != 0)
			accept_all(lfd, server);
	}
}

int
main(int argc, char **argv)
{
	struct tls *server;
	const char *e;
	uint16_t port;

	arguments(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	port = (uint16_t)strtonum(opt.port, 0, 65535, &e);
	if (e != NULL)
		errx(2, "-p %s: %s", opt.port, e);
	if (opt.log != NULL) {
		logfd = open(opt.log,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (logfd == -1)
			err(1, "%s", opt.log);
	}
	server = tls_listen();
	loop(listen_on(port), server);
	return 0;
}
