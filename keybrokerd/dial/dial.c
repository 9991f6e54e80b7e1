/* SPDX-License-Identifier: ISC */

/*
 * CONNECT of an egress or the kms role: resolve, judge, connect, pass the descriptor.  The
 * addresses of a name are tried one after the other, the next as soon as one
 * fails or stays silent for 250 ms; the first that connects wins.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/tcp.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/kms/kms.h"
#include "common/log/log.h"
#include "common/policy/policy.h"
#include "common/proc/poll.h"
#include "keybrokerd/dial/dial.h"

#define PACKETS		8
#define QUEUE		(1024 * 1024)
#define CLIENTS		(PROVIDERS_MAX + 1)	/* the kms role as well */
#define FDS		(2 + CLIENTS + DIAL_ACTIVE * DIAL_ADDRS)

struct target {
	uint16_t	 provider, port;
	int		 plain;		/* loopback only */
	int		 meta;		/* a metadata address, and no other */
	int		 proxied;
	int		 suspect;	/* the last connect failed: resolve anew */
	char		 host[HOST_MAX + 1];
	struct resolved	 addrs;
};

struct client {				/* an egress, or kms */
	struct msglink	 link;
	struct target	*target;	/* NULL: free; &any: kms */
	int		 writing;
	unsigned int	 active;	/* attempts */
	unsigned int	 waiting;	/* in the queue */
};

struct attempt {			/* one CONNECT */
	struct client	*client;	/* NULL: free */
	struct target	*target;
	uint32_t	 cookie;
	size_t		 next;		/* address to try */
	size_t		 flying;	/* descriptors that connect */
	int		 fd[DIAL_ADDRS];
	uint64_t	 due, stagger;
	char		 text[DIAL_TEXT];
};

struct waiting {
	struct client	*client;
	struct target	*target;
	uint32_t	 cookie;
};

static struct pollset	*set;
static struct target	 targets[PROVIDERS_MAX];
static size_t		 ntargets;
static struct target	 any;		/* the kms link's: rows of its list */
static struct kms_targets	 kmslist;
static struct target	 kmstargets[KMS_TARGETS];
static struct client	 clients[CLIENTS];
static struct attempt	 attempts[DIAL_ACTIVE];
static struct waiting	 queue[DIAL_WAITING];
static size_t		 qhead, qlen;
static int		 quit;

static void	on_socket(void *, int, short);
static void	on_client(void *, int, short);

int
dial_configure(int blob)
{
	struct policy_provider	 p;
	struct policy		*policy;
	struct target		*t;
	size_t			 i;

	policy = policy_map(blob);
	if (policy == NULL)
		return -1;
	for (i = 0; i < policy_nproviders(policy) && i < PROVIDERS_MAX; i++) {
		policy_provider(policy, i, &p);
		t = &targets[ntargets++];
		t->provider = p.id;
		t->plain = p.scheme == SCHEME_HTTP && !p.insecure;
		t->proxied = p.proxy[0] != '\0';
		t->port = t->proxied ? p.proxy_port : p.port;
		strlcpy(t->host, t->proxied ? p.proxy : p.host,
		    sizeof(t->host));
	}
	policy_close(policy);
	return 0;
}

/* ---- answers ----------------------------------------------------------- */

static void
connected(struct client *c, struct target *t, uint32_t cookie, int fd)
{
	struct msgw	 m;

	msg_open(&m, M_CONNECTED);
	msg_put_u32(&m, cookie);
	msg_put_u8(&m, (uint8_t)t->proxied);
	t->suspect = 0;
	(void)msg_send(&c->link, &m, fd);
}

static void
failed(struct client *c, struct target *t, uint32_t cookie, int end,
    const char *text)
{
	struct msgw	 m;

	msg_open(&m, M_FAILED);
	msg_put_u32(&m, cookie);
	msg_put_u8(&m, (uint8_t)end);
	msg_put_str(&m, text);
	t->suspect = 1;
	(void)msg_send(&c->link, &m, -1);
}

/* ---- one attempt ------------------------------------------------------- */

static void
drop_socket(struct attempt *a, size_t i)
{
	poll_del(set, a->fd[i]);
	close(a->fd[i]);
	a->fd[i] = -1;
	a->flying--;
}

static void
end_attempt(struct attempt *a)
{
	size_t	 i;

	for (i = 0; i < DIAL_ADDRS; i++)
		if (a->fd[i] != -1)
			drop_socket(a, i);
	a->client->active--;
	a->client = NULL;
}

static void
win(struct attempt *a, size_t i)
{
	int	 fd;

	fd = a->fd[i];
	poll_del(set, fd);
	a->fd[i] = -1;
	a->flying--;
	connected(a->client, a->target, a->cookie, fd);
	end_attempt(a);
}

static const struct {
	int		 error;
	const char	*text;
} words[] = {
	{ ECONNREFUSED, "connection refused by" },
	{ ENETUNREACH, "no route to" },
	{ EHOSTUNREACH, "no route to" },
	{ EADDRNOTAVAIL, "no route to" },
	{ EAFNOSUPPORT, "no route to" },
	{ ETIMEDOUT, "no answer from" },
	{ ECONNRESET, "connection reset by" },
	{ EMFILE, "no free descriptor for" },
};

/* The first failure is told: it belongs to the preferred address. */
static void
note(struct attempt *a, size_t i, int error)
{
	const char	*what;
	char		 addr[64];
	size_t		 k;

	if (a->text[0] != '\0')
		return;
	what = "no connection to";
	for (k = 0; k < sizeof(words) / sizeof(words[0]); k++)
		if (words[k].error == error)
			what = words[k].text;
	address_text((struct sockaddr *)&a->target->addrs.addr[i], addr,
	    sizeof(addr));
	snprintf(a->text, sizeof(a->text), "%s %s", what, addr);
}

static void
note_refused(struct attempt *a, const struct sockaddr *sa, const char *why)
{
	char	 addr[64];

	if (a->text[0] != '\0')
		return;
	address_text(sa, addr, sizeof(addr));
	snprintf(a->text, sizeof(a->text), "%s is %s: not connected", addr,
	    why);
}

/* A long silence before the first token must not end the connection. */
static void
keepalive(int fd)
{
	int	 on, idle;

	on = 1;
	idle = 30;
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

/* Begins with address i: 1 it flies or has won, 0 it failed. */
static int
launch(struct attempt *a, size_t i)
{
	const struct resolved	*r;
	const struct sockaddr	*sa;
	const char		*why;
	int			 fd;

	r = &a->target->addrs;
	sa = (const struct sockaddr *)&r->addr[i];
	why = a->target->meta ? address_not_metadata(sa, a->target->host) :
	    address_refused(sa, a->target->plain);
	if (why != NULL) {
		note_refused(a, sa, why);
		return 0;
	}
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1) {
		note(a, i, errno);
		return 0;
	}
	keepalive(fd);
	a->fd[i] = fd;
	a->flying++;
	if (connect(fd, sa, r->len[i]) == 0) {
		win(a, i);
		return 1;
	}
	if (errno != EINPROGRESS ||
	    poll_add(set, fd, POLLOUT, on_socket, a) == -1) {
		note(a, i, errno);
		drop_socket(a, i);
		return 0;
	}
	return 1;
}

/* Tries addresses until one flies; ends the attempt if none is left. */
static void
advance(struct attempt *a, uint64_t now)
{
	size_t	 n;

	n = a->target->addrs.n;
	while (a->next < n)
		if (launch(a, a->next++))
			break;
	if (a->client == NULL)
		return;
	a->stagger = a->next < n ? now + DIAL_STAGGER : UINT64_MAX;
	if (a->flying > 0)
		return;
	failed(a->client, a->target, a->cookie, END_CONNECT, a->text);
	end_attempt(a);
}

static void
on_socket(void *arg, int fd, short revents)
{
	struct attempt	*a;
	socklen_t	 len;
	size_t		 i;
	int		 error;

	(void)revents;
	a = arg;
	for (i = 0; i < DIAL_ADDRS && a->fd[i] != fd; i++)
		;
	if (a->client == NULL || i == DIAL_ADDRS)
		return;
	error = 0;
	len = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	/*
	 * Once more: only a connect that has returned 0 leaves the socket
	 * connected for good, so that nobody else can connect it again.
	 */
	if (error == 0 && connect(fd, (struct sockaddr *)
	    &a->target->addrs.addr[i], a->target->addrs.len[i]) == -1 &&
	    errno != EISCONN && errno != EINPROGRESS)
		error = errno;
	if (error == 0) {
		win(a, i);
		return;
	}
	note(a, i, error);
	drop_socket(a, i);
	advance(a, poll_now());
}

static void
begin(struct attempt *a, struct client *c, struct target *t, uint32_t cookie)
{
	uint64_t	 now;
	size_t		 i;

	memset(a, 0, sizeof(*a));
	for (i = 0; i < DIAL_ADDRS; i++)
		a->fd[i] = -1;
	if (resolve_get(&t->addrs, t->host, t->port, t->suspect) == -1) {
		failed(c, t, cookie, END_CONNECT, t->addrs.why);
		return;
	}
	t->suspect = 0;
	a->client = c;
	c->active++;
	a->target = t;
	a->cookie = cookie;
	now = poll_now();
	a->due = now + DIAL_TOTAL;
	advance(a, now);
}

/* May this client have one more connect under way? */
static int
may_begin(const struct client *c)
{
	return c->active < DIAL_EACH && c->link.fds < DIAL_UNSENT;
}

/*
 * The first of the queue whose client may begin, out of it; 0 none.  Each
 * client's own order stays; one that has its share lets the others pass.
 */
static int
take_waiting(struct waiting *w)
{
	size_t	 i;

	for (i = 0; i < qlen; i++) {
		*w = queue[(qhead + i) % DIAL_WAITING];
		if (may_begin(w->client))
			break;
	}
	if (i == qlen)
		return 0;
	for (; i > 0; i--)
		queue[(qhead + i) % DIAL_WAITING] =
		    queue[(qhead + i - 1) % DIAL_WAITING];
	qhead = (qhead + 1) % DIAL_WAITING;
	qlen--;
	w->client->waiting--;
	return 1;
}

/* Starts what waits, as far as there is room; how many. */
static size_t
start_waiting(void)
{
	struct waiting	 w;
	size_t		 i, n;

	n = 0;
	for (i = 0; i < DIAL_ACTIVE && qlen > 0; i++)
		while (attempts[i].client == NULL) {
			if (!take_waiting(&w))
				return n;
			begin(&attempts[i], w.client, w.target, w.cookie);
			n++;
		}
	return n;
}

/* What is due; returns when something is due next. */
static uint64_t
timers(void)
{
	struct attempt	*a;
	uint64_t	 now, next;
	char		 text[DIAL_TEXT];
	size_t		 i;

	now = poll_now();
	next = UINT64_MAX;
	for (i = 0; i < DIAL_ACTIVE; i++) {
		a = &attempts[i];
		if (a->client != NULL && now >= a->due) {
			snprintf(text, sizeof(text), "no answer from %.200s "
			    "in 10 s", a->target->host);
			failed(a->client, a->target, a->cookie, END_TIMEOUT,
			    text);
			end_attempt(a);
		}
		if (a->client != NULL && now >= a->stagger)
			advance(a, now);
		if (a->client == NULL)
			continue;
		if (a->due < next)
			next = a->due;
		if (a->stagger < next)
			next = a->stagger;
	}
	return next;
}

/* ---- links ------------------------------------------------------------- */

static void
lose(struct client *c)
{
	size_t	 i, k;

	poll_del(set, c->link.fd);
	msglink_close(&c->link);
	for (i = 0; i < DIAL_ACTIVE; i++)
		if (attempts[i].client == c)
			end_attempt(&attempts[i]);
	/* The rest of the queue keeps its order. */
	for (i = k = 0; i < qlen; i++) {
		if (queue[(qhead + i) % DIAL_WAITING].client == c)
			continue;
		queue[(qhead + k++) % DIAL_WAITING] =
		    queue[(qhead + i) % DIAL_WAITING];
	}
	qlen = k;
	c->target = NULL;
}

static void
enqueue(struct client *c, struct target *t, uint32_t cookie)
{
	if (qlen == DIAL_WAITING || c->waiting == DIAL_WAITING / 2) {
		failed(c, t, cookie, END_CONNECT, "too many connects wait");
		return;
	}
	queue[(qhead + qlen) % DIAL_WAITING] = (struct waiting){ c, t, cookie };
	qlen++;
	c->waiting++;
}

/* The target of a row of the kms list; another label is another name. */
static struct target *
kms_target(size_t row, const char *label)
{
	const struct kms_target	*k;
	struct target		*t;
	char			 host[HOST_MAX + 1];

	if (row >= kmslist.n)
		return NULL;
	k = &kmslist.t[row];
	t = &kmstargets[row];
	if (kmstarget_host(k, label, host, sizeof(host)) == -1)
		return NULL;
	t->proxied = k->proxy[0] != '\0';
	t->meta = (k->flags & KT_META) != 0;
	t->plain = (k->flags & KT_LOOPBACK) != 0;
	t->port = t->proxied ? k->proxy_port : k->port;
	if (t->proxied)
		strlcpy(host, k->proxy, sizeof(host));
	if (strcmp(t->host, host) != 0) {
		memset(&t->addrs, 0, sizeof(t->addrs));
		strlcpy(t->host, host, sizeof(t->host));
	}
	return t;
}

static int
on_connect(void *arg, struct msgr *r, int fd)
{
	struct client	*c;
	struct target	*t;
	char		 label[64];
	uint32_t	 cookie;
	uint16_t	 which;

	c = arg;
	if (permit_check(r->type, PL_ED, PD_DOWN, 0, r->len, fd != -1) == -1) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	cookie = msg_get_u32(r);
	which = msg_get_u16(r);
	if (c->target == &any)
		msg_get_str(r, label, sizeof(label));
	if (msg_end(r) == -1)
		return -1;
	if (c->target != &any)
		t = which == c->target->provider ? c->target : NULL;
	else
		t = (which & KMS_TARGET) == 0 ? NULL :
		    kms_target(which & ~KMS_TARGET, label);
	if (t == NULL)
		failed(c, c->target, cookie, END_CONNECT, c->target == &any ?
		    "that host is not on the list of this KMS" :
		    "that is not the provider of this egress");
	else
		enqueue(c, t, cookie);
	return 0;
}

static void
on_client(void *arg, int fd, short revents)
{
	struct client	*c;

	(void)fd;
	c = arg;
	if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
	    msglink_read(&c->link, PACKETS, on_connect, c) == -1)
		lose(c);
}

static void
peer(struct target *t, int fd)
{
	struct client	*c;
	size_t		 i;

	for (i = 0; i < CLIENTS; i++)
		if (clients[i].target == t)
			lose(&clients[i]);
	for (i = 0; i < CLIENTS && clients[i].target != NULL; i++)
		;
	if (i == CLIENTS)
		fatalx("more egresses than providers");
	c = &clients[i];
	c->target = t;
	c->writing = 0;
	c->active = c->waiting = 0;
	msglink_init(&c->link, fd, QUEUE);
	if (poll_add(set, fd, POLLIN, on_client, c) == -1)
		fatal("poll");
}

/* The list for the kms role; no exchange may be under way on an older one. */
static void
kms_list(int fd)
{
	static uint8_t	 buf[KMS_BLOB_MAX];
	ssize_t		 n;
	size_t		 i;

	for (i = 0; i < CLIENTS; i++)
		if (clients[i].target == &any)
			lose(&clients[i]);
	n = fd == -1 || lseek(fd, 0, SEEK_SET) == -1 ? -1 :
	    read(fd, buf, sizeof(buf));
	if (n <= 0 || kmstarget_decode(&kmslist, buf, (size_t)n) == -1)
		fatalx("parent: no list of KMS hosts in the blob");
	memset(kmstargets, 0, sizeof(kmstargets));
	close(fd);
}

static void
on_peer(struct msgr *r, int fd)
{
	uint16_t	 provider;
	size_t		 i;
	int		 role;

	role = msg_get_u8(r);
	provider = msg_get_u16(r);
	(void)msg_get_u32(r);
	if ((role != ROLE_EGRESS && role != ROLE_KMS) || msg_end(r) == -1 ||
	    fd == -1)
		fatalx("parent: unexpected %s", permit_name(r->type));
	if (role == ROLE_KMS) {
		peer(&any, fd);
		return;
	}
	for (i = 0; i < ntargets && targets[i].provider != provider; i++)
		;
	if (i == ntargets)
		fatalx("parent: no provider %u in the blob", provider);
	peer(&targets[i], fd);
}

static int
on_message(void *arg, struct msgr *r, int fd)
{
	(void)arg;
	if (permit_check(r->type, PL_PR, PD_DOWN, 0, r->len, fd != -1) == -1)
		fatalx("parent: message %s is not for dial",
		    permit_name(r->type));
	switch (r->type) {
	case M_EXIT:
		quit = 1;
		break;
	case M_BLOB:
		kms_list(fd);
		break;
	case M_PEER:
		on_peer(r, fd);
		break;
	default:
		fatalx("parent: unexpected %s", permit_name(r->type));
	}
	return 0;
}

static void
on_parent(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	if (msglink_read(arg, PACKETS, on_message, NULL) == -1)
		quit = 1;
}

static void
flush(struct client *c)
{
	int	 r;

	if (c->target == NULL)
		return;
	r = msglink_flush(&c->link);
	if (r == -1)
		lose(c);
	else if (r != c->writing) {
		c->writing = r;
		poll_events(set, c->link.fd, r ? POLLIN | POLLOUT : POLLIN);
	}
}

int
dial_loop(struct msglink *channel)
{
	uint64_t	 next;
	size_t		 i;

	set = poll_new(FDS);
	if (poll_add(set, channel->fd, POLLIN, on_parent, channel) == -1)
		fatal("poll");
	while (!quit) {
		/* What was sent or has ended makes room for what waits. */
		do {
			next = timers();
			for (i = 0; i < CLIENTS; i++)
				flush(&clients[i]);
		} while (start_waiting() > 0);
		if (poll_turn(set, next) == -1)
			fatal("poll");
	}
	return 0;
}
