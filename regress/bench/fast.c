/* SPDX-License-Identifier: ISC */
/*
 * fast: a provider that is never the bottleneck.  One thread, keep-alive, and
 * a fixed answer by the model that stands at the start of the body:
 *
 *	bench-plain	464 bytes of JSON
 *	bench-first	an SSE event at once, three more 2 ms apart, the end
 *	bench-paced	an SSE event of 200 bytes each 10 ms, 400 of them
 *	bench-hold	an SSE event, then nothing until the client leaves
 *
 * fast [-c cert -k key] -P portfile
 */
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "regress/bench/bench.h"

#define HEAD_MAX	4096
#define PEEK		64	/* bytes of the body that name the model */
#define MS		1000000U

struct conn {
	struct wire		 w;
	char			 head[HEAD_MAX + PEEK + 1];
	size_t			 headlen, body;	/* body: bytes still to come */
	size_t			 start;		/* of the body in head */
	const char		*out;
	size_t			 outlen;
	const struct mode	*mode;		/* running stream, or NULL */
	unsigned		 left;		/* events still to send */
	uint64_t		 due;
	TAILQ_ENTRY(conn)	 entry;
};
TAILQ_HEAD(conns, conn);

struct mode {
	const char	*model;
	unsigned	 events;
	uint64_t	 gap;		/* ns; 0: never another one */
};

static const struct mode	modes[] = {
	{ "bench-first",	3,	2 * MS },
	{ "bench-paced",	399,	10 * MS },
	{ "bench-hold",		0,	0 },
	{ NULL,			0,	0 },
};

static struct conns	 due = TAILQ_HEAD_INITIALIZER(due);
static char		 plain[1024], first[1024], event[512];
static char		 last[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
static int		 ep;

/* The texts: an answer of 464 bytes, an event of 200 with its frame. */
static void
prepare(void)
{
	static const char	 fmt[] = "{\"id\":\"chatcmpl-bench\","
	    "\"object\":\"chat.completion\",\"created\":1764000000,\"model\":"
	    "\"bench-plain\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
	    "\"assistant\",\"content\":\"%*s\"},\"finish_reason\":\"stop\"}],"
	    "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":40,"
	    "\"total_tokens\":49}}";
	static const char	 evfmt[] = "data: {\"id\":\"chatcmpl-bench\","
	    "\"object\":\"chat.completion.chunk\",\"created\":1764000000,"
	    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{"
	    "\"content\":\"%*s\"},\"finish_reason\":null}]}\n\n";
	char			 body[512], ev[256];

	snprintf(body, sizeof(body), fmt, 464 - (int)sizeof(fmt) + 4, "x");
	snprintf(plain, sizeof(plain), "HTTP/1.1 200 OK\r\nContent-Type: "
	    "application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
	    body);
	snprintf(ev, sizeof(ev), evfmt, 200 - (int)sizeof(evfmt) + 4, "x");
	snprintf(event, sizeof(event), "%zx\r\n%s\r\n", strlen(ev), ev);
	snprintf(first, sizeof(first), "HTTP/1.1 200 OK\r\nContent-Type: "
	    "text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n%s", event);
}

static void
conn_free(struct conn *c)
{
	if (c->mode != NULL && c->left > 0)
		TAILQ_REMOVE(&due, c, entry);
	wire_close(&c->w);
	free(c);
}

static int
flush(struct conn *c)
{
	ssize_t	 n;

	while (c->outlen > 0) {
		n = wire_write(&c->w, c->out, c->outlen);
		if (n <= 0)
			return (int)n;
		c->out += n;
		c->outlen -= (size_t)n;
	}
	return 0;
}

static int
send_text(struct conn *c, const char *text)
{
	if (c->outlen > 0)
		return 0;	/* the client does not read: events are lost */
	c->out = text;
	c->outlen = strlen(text);
	return flush(c);
}

static void
plan(struct conn *c, uint64_t at)
{
	c->due = at;
	if (c->left > 0)
		TAILQ_INSERT_TAIL(&due, c, entry);
}

static int
answer(struct conn *c)
{
	const struct mode	*m;
	const char		*body;

	body = c->head + c->start;
	for (m = modes; m->model != NULL; m++)
		if (strstr(body, m->model) != NULL)
			break;
	c->headlen = c->start = 0;
	if (m->model == NULL)
		return send_text(c, plain);
	c->mode = m;
	c->left = m->gap == 0 ? 0 : m->events + 1;
	plan(c, wire_now() + m->gap);
	return send_text(c, first);
}

/* A head is complete: where the body starts and how long it is. */
static int
parse(struct conn *c)
{
	char	*end, *cl;
	size_t	 have;

	c->head[c->headlen] = '\0';
	if ((end = strstr(c->head, "\r\n\r\n")) == NULL)
		return c->headlen < HEAD_MAX ? 0 : -1;
	cl = strcasestr(c->head, "\r\ncontent-length:");
	c->body = cl == NULL || cl > end ? 0 : strtoul(cl + 17, NULL, 10);
	c->start = (size_t)(end + 4 - c->head);
	have = c->headlen - c->start;
	if (have > c->body)
		return -1;
	c->body -= have;
	return 1;
}

static int
input(struct conn *c)
{
	static char	 sink[65536];
	ssize_t		 n;
	size_t		 room;

	for (;;) {
		room = c->start == 0 ? HEAD_MAX - c->headlen :
		    c->headlen - c->start < PEEK ?
		    c->start + PEEK - c->headlen : 0;
		if (room > 0 && c->start != 0 && room > c->body)
			room = c->body;
		if (room > 0)
			n = wire_read(&c->w, c->head + c->headlen, room);
		else
			n = wire_read(&c->w, sink, sizeof(sink));
		if (n <= 0)
			return (int)n;
		if (c->start != 0) {
			if ((size_t)n > c->body)
				return -1;
			c->body -= (size_t)n;
		}
		if (room > 0)
			c->headlen += (size_t)n;
		if (c->start == 0 && parse(c) == -1)
			return -1;
		if (c->start != 0 && c->body == 0) {
			c->head[c->headlen] = '\0';
			if (answer(c) == -1)
				return -1;
		}
	}
}

static void
ready(struct conn *c)
{
	int	 r;

	r = wire_shake(&c->w);
	if (r == 1)
		r = flush(c) == -1 || input(c) == -1 ? -1 : 0;
	if (r == -1)
		conn_free(c);
}

static void
newcomers(int s, SSL_CTX *ctx)
{
	struct epoll_event	 ev;
	struct conn		*c;
	int			 fd;

	while ((fd = accept4(s, NULL, NULL, SOCK_NONBLOCK)) != -1) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			err(1, NULL);
		wire_open(&c->w, fd, ctx, 1);
		ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
		ev.data.ptr = c;
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == -1)
			err(1, "epoll_ctl");
	}
}

/* Sends what is due; returns ms until the next, -1: nothing is planned. */
static int
pace(void)
{
	struct conn	*c;
	uint64_t	 now;

	now = wire_now();
	while ((c = TAILQ_FIRST(&due)) != NULL && c->due <= now) {
		TAILQ_REMOVE(&due, c, entry);
		c->left--;
		if (send_text(c, c->left > 0 ? event : last) == -1) {
			c->left = 0;
			shutdown(c->w.fd, SHUT_RDWR);
			continue;
		}
		plan(c, c->due + c->mode->gap);
		if (c->left == 0)
			c->mode = NULL;
	}
	if (c == NULL)
		return -1;
	return (int)((c->due - now + MS - 1) / MS);
}

static int
listener(const char *portfile)
{
	struct sockaddr_in	 sin;
	socklen_t		 len;
	FILE			*f;
	int			 s;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	len = sizeof(sin);
	s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (s == -1 || bind(s, (struct sockaddr *)&sin, len) == -1 ||
	    listen(s, 4096) == -1 ||
	    getsockname(s, (struct sockaddr *)&sin, &len) == -1)
		err(1, "listen");
	if ((f = fopen(portfile, "w")) == NULL)
		err(1, "%s", portfile);
	fprintf(f, "%d\n", ntohs(sin.sin_port));
	fclose(f);
	return s;
}

int
main(int argc, char **argv)
{
	struct epoll_event	 ev[256];
	const char		*cert, *key, *portfile;
	SSL_CTX			*ctx;
	int			 ch, i, n, s;

	cert = key = portfile = NULL;
	while ((ch = getopt(argc, argv, "c:k:P:")) != -1)
		switch (ch) {
		case 'c': cert = optarg; break;
		case 'k': key = optarg; break;
		case 'P': portfile = optarg; break;
		default: errx(2, "usage: fast [-c cert -k key] -P file");
		}
	if (portfile == NULL)
		errx(2, "usage: fast [-c cert -k key] -P file");
	signal(SIGPIPE, SIG_IGN);
	wire_files();
	prepare();
	ctx = cert == NULL ? NULL : wire_server(cert, key);
	ep = epoll_create1(0);
	s = listener(portfile);
	ev[0].events = EPOLLIN;
	ev[0].data.ptr = NULL;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev[0]) == -1)
		err(1, "epoll_ctl");
	for (;;) {
		n = epoll_wait(ep, ev, 256, pace());
		for (i = 0; i < n; i++)
			if (ev[i].data.ptr == NULL)
				newcomers(s, ctx);
			else
				ready(ev[i].data.ptr);
	}
}
