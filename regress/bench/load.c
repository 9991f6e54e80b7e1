/* SPDX-License-Identifier: ISC */
/*
 * load: a closed-loop client of one thread.  Each of -c connections sends the
 * same POST, reads the answer to its end, and sends again; the keys go round
 * among the connections, since a gateway may bound what one key has open.  After a warm-up
 * the window of -d seconds is measured: answers, latency, time to the first
 * byte of a body, events, CPU of the tree below -t and what else ran on -u.
 *
 * load [-a ca] -p port -c conns -d secs -k key,key -m model [-b bytes] [-w warm ms]
 *	[-t pid -u cpu] [-h]
 *
 * Prints one line of CSV (see -C); with -h it opens the connections, prints
 * "open" when each has its first event, and holds them until it is ended.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "regress/bench/bench.h"

#define HEAD_MAX	8192
#define KEYS		16
#define STEP		50	/* handshakes at a time of held streams */
#define SAMPLES		4000000U
#define S		1000000000ULL
#define HEADER	"answers,errors,secs,p50_us,p99_us,first_us,events,cpu_us," \
		"others_pct,load_pct"

enum chunk { CH_SIZE, CH_EXT, CH_DATA, CH_CRLF, CH_TRAILER };

struct request {
	char		*p;
	size_t		 len;
};

struct conn {
	struct wire	 w;
	const struct request *req;
	size_t		 sent;
	char		 head[HEAD_MAX + 1];
	size_t		 headlen;
	int		 inbody, chunked, status;
	enum chunk	 state;
	size_t		 left;		/* of the body or the chunk */
	size_t		 line;		/* bytes of the trailer's line */
	uint64_t	 began, first;
};

struct samples {
	uint32_t	*us;
	size_t		 n;
};

static struct samples		 whole, byte1;
static struct sockaddr_in	 server;
static SSL_CTX			*ctx;
static struct request		 requests[KEYS];
static unsigned			 nkeys;
static uint64_t			 events, errors, answers, opened;
static int			 ep, measuring, holding;

static void
sample(struct samples *s, uint64_t ns)
{
	if (measuring && s->n < SAMPLES)
		s->us[s->n++] = (uint32_t)(ns / 1000);
}

static int
order(const void *a, const void *b)
{
	uint32_t	 x, y;

	x = *(const uint32_t *)a;
	y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static unsigned
percentile(struct samples *s, unsigned pct)
{
	if (s->n == 0)
		return 0;
	qsort(s->us, s->n, sizeof(*s->us), order);
	return s->us[(s->n - 1) * pct / 100];
}

/* A body of the wanted size; the model stands first, text fills it. */
static void
compose(struct request *r, const char *model, const char *key, size_t bytes)
{
	static const char	 words[] = "every call is written down first ";
	char			 front[256];
	const char		*tail;
	size_t			 i, fill, len, n;

	tail = "\"}]}";
	snprintf(front, sizeof(front), "{\"model\":\"%s\",%s\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"", model,
	    strcmp(model, "bench-plain") == 0 ? "" : "\"stream\":true,");
	len = strlen(front) + strlen(tail);
	fill = bytes > len ? bytes - len : 0;
	if ((r->p = malloc(1024 + len + fill)) == NULL)
		err(1, NULL);
	n = (size_t)snprintf(r->p, 1024, "POST /v1/chat/completions "
	    "HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    key, len + fill, front);
	for (i = 0; i < fill; i++)
		r->p[n++] = words[i % (sizeof(words) - 1)];
	memcpy(r->p + n, tail, strlen(tail));
	r->len = n + strlen(tail);
}

static void
conn_open(struct conn *c)
{
	const struct request	*req;
	struct epoll_event	 ev;
	int			 fd;

	req = c->req;
	memset(c, 0, sizeof(*c));
	c->req = req;
	if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1)
		err(1, "socket");
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) == -1)
		err(1, "connect");
	wire_open(&c->w, fd, ctx, 0);
	if (ctx != NULL && SSL_set1_host(c->w.ssl, "127.0.0.1") != 1)
		errx(1, "SSL_set1_host");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		err(1, "fcntl");
	ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
	ev.data.ptr = c;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
again(struct conn *c)
{
	c->sent = c->headlen = 0;
	c->inbody = c->chunked = c->status = 0;
	c->state = CH_SIZE;
	c->left = c->line = 0;
	c->began = wire_now();
	c->first = 0;
}

static void
complete(struct conn *c)
{
	if (c->status != 200) {
		if (errors++ == 0)
			warnx("first error: %.300s", c->head);
	} else if (measuring) {
		answers++;
		sample(&whole, wire_now() - c->began);
	}
	again(c);
}

static void
payload(struct conn *c, const char *p, size_t len)
{
	const char	*q;

	if (c->first == 0) {
		c->first = wire_now();
		opened += c->status == 200;
		sample(&byte1, c->first - c->began);
	}
	for (; (q = memmem(p, len, "data: ", 6)) != NULL;
	    len -= (size_t)(q + 6 - p), p = q + 6)
		events++;
}

/* One step through chunked framing; returns bytes eaten, 0 when it ended. */
static size_t
chunk(struct conn *c, const char *p, size_t len)
{
	static const char	 digits[] = "0123456789abcdef";
	const char		*hex;
	size_t			 n;

	switch (c->state) {
	case CH_SIZE:
		hex = memchr(digits, *p | 0x20, 16);
		if (hex != NULL)
			c->left = c->left * 16 + (size_t)(hex - digits);
		else
			c->state = CH_EXT;
		return 1;
	case CH_EXT:
		if (*p == '\n')
			c->state = c->left == 0 ? CH_TRAILER : CH_DATA;
		return 1;
	case CH_DATA:
		n = len < c->left ? len : c->left;
		payload(c, p, n);
		if ((c->left -= n) == 0)
			c->state = CH_CRLF;
		return n;
	case CH_CRLF:
		if (*p == '\n')
			c->state = CH_SIZE;
		return 1;
	case CH_TRAILER:
		if (*p == '\n' && c->line == 0)
			return 0;
		c->line = *p == '\n' ? 0 : c->line + (*p != '\r');
		return 1;
	}
	return 1;
}

static void
body(struct conn *c, const char *p, size_t len)
{
	size_t	 n;

	while (len > 0) {
		if (!c->chunked) {
			n = len < c->left ? len : c->left;
			payload(c, p, n);
			if ((c->left -= n) == 0)
				complete(c);
			return;
		}
		n = chunk(c, p, len);
		if (n == 0) {
			complete(c);
			return;
		}
		p += n;
		len -= n;
	}
}

/* 0, or -1: not an answer that this program understands. */
static int
head(struct conn *c, const char *p, size_t len)
{
	const char	*cl;
	char		*end;
	size_t		 n, before;

	n = HEAD_MAX - c->headlen;
	if (n > len)
		n = len;
	before = c->headlen;
	memcpy(c->head + before, p, n);
	c->headlen += n;
	c->head[c->headlen] = '\0';
	if ((end = strstr(c->head, "\r\n\r\n")) == NULL)
		return c->headlen < HEAD_MAX ? 0 : -1;
	c->status = atoi(c->head + 9);
	end[2] = '\0';
	c->chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") !=
	    NULL;
	cl = strcasestr(c->head, "\r\ncontent-length:");
	if (!c->chunked && cl == NULL)
		return -1;
	c->left = c->chunked ? 0 : strtoul(cl + 17, NULL, 10);
	c->inbody = 1;
	n = (size_t)(end + 4 - c->head) - before;
	if (len > n)
		body(c, p + n, len - n);
	else if (!c->chunked && c->left == 0)
		complete(c);
	return 0;
}

static int
converse(struct conn *c)
{
	static char	 buf[65536];
	ssize_t		 n;
	int		 r;

	if ((r = wire_shake(&c->w)) != 1)
		return r;
	if (c->began == 0)
		again(c);
	for (;;) {
		while (c->sent < c->req->len) {
			n = wire_write(&c->w, c->req->p + c->sent,
			    c->req->len - c->sent);
			if (n == -1)
				return -1;
			if (n == 0)
				break;
			c->sent += (size_t)n;
		}
		if ((n = wire_read(&c->w, buf, sizeof(buf))) <= 0)
			return (int)n;
		if (c->inbody)
			body(c, buf, (size_t)n);
		else if (head(c, buf, (size_t)n) == -1)
			return -1;
	}
}

/* Runs until the time, or until so many streams are open. */
static void
run(uint64_t until, uint64_t streams)
{
	struct epoll_event	 ev[256];
	struct conn		*c;
	uint64_t		 now;
	int			 i, n;

	while ((now = wire_now()) < until && opened < streams &&
	    (!holding || errors == 0)) {
		n = (int)((until - now) / 1000000);
		n = epoll_wait(ep, ev, 256, n < 1000 ? n + 1 : 1000);
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			if (converse(c) != -1)
				continue;
			if (errors++ == 0)
				warnx("a connection ended: %.300s", c->head);
			wire_close(&c->w);
			conn_open(c);
		}
	}
}

static void	hold(struct conn *, unsigned) __attribute__((noreturn));

static void
hold(struct conn *c, unsigned conns)
{
	unsigned	 i;

	for (i = 0; i < conns; i++) {
		conn_open(&c[i]);
		if ((i + 1) % STEP == 0 || i + 1 == conns)
			run(wire_now() + 60 * S, i + 1);
	}
	if (opened < conns || errors > 0)
		errx(1, "%llu of %u streams, %llu errors",
		    (unsigned long long)opened, conns,
		    (unsigned long long)errors);
	printf("open\n");
	fflush(stdout);
	run(UINT64_MAX, UINT64_MAX);
	errx(1, "a stream ended while it was held");
}

static void
measure(double secs, unsigned warm, pid_t tree, int core)
{
	uint64_t	 t0, t1, cpu, busy, self, e0;
	double		 wall;

	run(wire_now() + warm * (S / 1000), UINT64_MAX);
	events = 0;
	e0 = errors;
	measuring = 1;
	t0 = wire_now();
	cpu = usage_tree(tree);
	busy = usage_core(core);
	self = usage_tree(getpid());
	run(t0 + (uint64_t)(secs * 1e9), UINT64_MAX);
	t1 = wire_now();
	busy = usage_core(core) - busy;
	cpu = usage_tree(tree) - cpu;
	self = usage_tree(getpid()) - self;
	wall = (double)(t1 - t0) / 1e3;
	printf("%llu,%llu,%.3f,%u,%u,%u,%llu,%llu,%.1f,%.1f\n",
	    (unsigned long long)answers, (unsigned long long)(errors - e0),
	    wall / 1e6, percentile(&whole, 50), percentile(&whole, 99),
	    percentile(&byte1, 50), (unsigned long long)events,
	    (unsigned long long)cpu,
	    busy > cpu ? 100.0 * (double)(busy - cpu) / wall : 0.0,
	    100.0 * (double)self / wall);
}

static struct conn *
prepare(unsigned conns, const char *model, char *keys, size_t bytes)
{
	struct conn	*c;
	unsigned	 i;
	char		*key;

	signal(SIGPIPE, SIG_IGN);
	wire_files();
	while (nkeys < KEYS && (key = strsep(&keys, ",")) != NULL)
		compose(&requests[nkeys++], model, key, bytes);
	whole.us = malloc(SAMPLES * sizeof(*whole.us));
	byte1.us = malloc(SAMPLES * sizeof(*byte1.us));
	c = calloc(conns, sizeof(*c));
	if (whole.us == NULL || byte1.us == NULL || c == NULL)
		err(1, NULL);
	ep = epoll_create1(0);
	for (i = 0; i < conns; i++)
		c[i].req = &requests[i % nkeys];
	return c;
}

int
main(int argc, char **argv)
{
	static char	 none[] = "none";
	const char	*model;
	char		*keys;
	struct conn	*c;
	double		 secs;
	unsigned	 conns, i, warm;
	size_t		 bytes;
	int		 ch, core;
	pid_t		 tree;

	keys = none;
	model = "bench-plain";
	secs = 3;
	conns = 1;
	warm = 300;
	bytes = 0;
	core = 0;
	tree = 0;
	server.sin_family = AF_INET;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((ch = getopt(argc, argv, "Ca:b:c:d:hk:m:p:t:u:w:")) != -1)
		switch (ch) {
		case 'C': puts(HEADER); return 0;
		case 'a': ctx = wire_client(optarg); break;
		case 'b': bytes = strtoul(optarg, NULL, 10); break;
		case 'c': conns = (unsigned)atoi(optarg); break;
		case 'd': secs = atof(optarg); break;
		case 'h': holding = 1; break;
		case 'k': keys = optarg; break;
		case 'm': model = optarg; break;
		case 'p': server.sin_port = htons((uint16_t)atoi(optarg)); break;
		case 't': tree = atoi(optarg); break;
		case 'u': core = atoi(optarg); break;
		case 'w': warm = (unsigned)atoi(optarg); break;
		default: errx(2, "unknown option: see the top of load.c");
		}
	if (conns == 0 || server.sin_port == 0)
		errx(2, "load: no connections or no port");
	c = prepare(conns, model, keys, bytes);
	if (holding)
		hold(c, conns);
	for (i = 0; i < conns; i++)
		conn_open(&c[i]);
	measure(secs, warm, tree, core);
	return 0;
}
