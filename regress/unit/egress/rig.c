/* SPDX-License-Identifier: ISC */

/* The surroundings of an egress, see rig.h. */

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log/log.h"
#include "common/policy/policy.h"
#include "common/proc/poll.h"
#include "common/secret/secret.h"
#include "common/text/sha256.h"
#include "keybrokerd/dial/dial.h"
#include "keybrokerd/egress/egress.h"
#include "regress/unit/egress/rig.h"

/*
 * In the place of the filter: a connect() of libcurl on a descriptor that is
 * connected is answered as the filter answers it.
 */
int
connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_storage	 ss;
	socklen_t		 n;

	n = sizeof(ss);
	if (getpeername(fd, (struct sockaddr *)&ss, &n) == 0) {
		errno = EINPROGRESS;
		return -1;
	}
	return (int)syscall(SYS_connect, fd, sa, len);
}

/* ---- starting ---------------------------------------------------------- */

static int
blob(const struct rig *r)
{
	struct policy_provider	 p;
	struct policy_w		*w;
	uint8_t			*b;
	size_t			 len;
	int			 fd;

	w = policy_w_new();
	memset(&p, 0, sizeof(p));
	p.id = RIG_PLAIN;
	p.scheme = SCHEME_HTTP;
	p.auth = AUTH_BEARER;
	p.name = "plain";
	p.host = "127.0.0.1";
	p.base = p.key = p.proxy = "";
	p.port = r->port;
	assert_int_equal(policy_w_provider(w, &p), 0);
	p.id = RIG_TLS;
	p.scheme = SCHEME_HTTPS;
	p.name = "secure";
	p.host = "localhost";
	assert_int_equal(policy_w_provider(w, &p), 0);
	p.id = RIG_PROXIED;
	p.name = "proxied";
	p.host = "provider.test";
	p.proxy = "127.0.0.1";
	p.proxy_port = r->port;
	p.port = 443;
	assert_int_equal(policy_w_provider(w, &p), 0);
	p.id = RIG_NAME;
	p.name = "nowhere";
	p.host = "no-such-host.invalid";
	p.proxy = "";
	p.proxy_port = 0;
	p.port = r->port;
	assert_int_equal(policy_w_provider(w, &p), 0);
	b = policy_w_blob(w, &len);
	assert_non_null(b);
	fd = secret_sealed("blob", b, len);
	free(b);
	policy_w_free(w);
	return fd;
}

int
rig_memfd(const void *p, size_t n)
{
	return secret_sealed("data", p, n);
}

/* The executable with the descriptors of role.h. */
static void
run_real(const char *name, int chan, int policy, int extra, int instance)
{
	char		 path[512], facts[512];
	char		*argv[2];
	const char	*dir;
	int		 fds[5], i, n;

	dir = getenv("EGRESS_LIBEXEC");
	if (dir == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = snprintf(facts, sizeof(facts), "uid=%d\ngid=%d\nroot=\n"
	    "nofile=1024\ninstance=%d\ngeneration=1\npermissive=0\n"
	    "development=1\nmemlock=1048576\n", geteuid() == 0 ? 60805 : 0,
	    geteuid() == 0 ? 60805 : 0, instance);
	fds[0] = chan;
	fds[1] = policy;
	fds[2] = 2;
	fds[3] = extra;
	fds[4] = rig_memfd(facts, (size_t)n);
	for (i = 0; i < 5; i++)
		fds[i] = fcntl(fds[i], F_DUPFD, 100);
	for (i = 0; i < 5; i++)
		dup2(fds[i], 3 + i);
	argv[0] = path;
	argv[1] = NULL;
	execv(path, argv);
	_exit(127);
}

static void
run_egress(int chan, int policy, int extra, int instance, const char *pem)
{
	static struct msglink	 channel;
	struct event_base	*base;
	char			 why[128];

	run_real("egress", chan, policy, extra, instance);
	log_role("egress", 2);
	base = event_base_new();
	if (secret_pool(EGRESS_FEWSLOTS) == -1 ||
	    upstream_init(base, pem, strlen(pem), why, sizeof(why)) == -1 ||
	    egress_configure(policy, (uint32_t)instance) == -1)
		_exit(3);
	egress_init(base);
	msglink_init(&channel, chan, 0);
	exit(egress_loop(&channel));
}

static void
run_dial(int chan, int policy)
{
	static struct msglink	 channel;

	run_real("dial", chan, policy, -1, 0);
	log_role("dial", 2);
	if (dial_configure(policy) == -1)
		_exit(3);
	resolve_init();
	msglink_init(&channel, chan, 0);
	exit(dial_loop(&channel));
}

static void
send_all(struct msglink *l)
{
	int	 r;

	while ((r = msglink_flush(l)) == 1)
		usleep(1000);
	assert_int_equal(r, 0);
}

static void
peer(struct msglink *to, int role, int provider, int fd)
{
	struct msgw	 m;

	msg_open(&m, M_PEER);
	msg_put_u8(&m, (uint8_t)role);
	msg_put_u16(&m, (uint16_t)provider);
	msg_put_u32(&m, 1);
	assert_int_equal(msg_send(to, &m, fd), 0);
	send_all(to);
}

void
rig_listen(struct rig *r)
{
	struct sockaddr_in	 in;
	socklen_t		 len;
	int			 on;

	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	on = 1;
	setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&in, 0, sizeof(in));
	in.sin_family = AF_INET;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(r->port);
	assert_int_equal(bind(r->listener, (struct sockaddr *)&in,
	    sizeof(in)), 0);
	assert_int_equal(listen(r->listener, 1024), 0);
	len = sizeof(in);
	getsockname(r->listener, (struct sockaddr *)&in, &len);
	r->port = ntohs(in.sin_port);
}

void
rig_undial(struct rig *r)
{
	int	 status;

	msglink_close(&r->ctl_d);
	kill(r->dial, SIGKILL);
	waitpid(r->dial, &status, 0);
}

void
rig_dial(struct rig *r)
{
	int	 d[2], ed[2];

	assert_int_equal(msg_pair(d), 0);
	assert_int_equal(msg_pair(ed), 0);
	r->dial = fork();
	if (r->dial == 0) {
		close(d[0]);
		close(ed[0]);
		close(ed[1]);
		close(r->ctl_e.fd);
		close(r->broker.fd);
		close(r->listener);
		run_dial(d[1], r->policy);
	}
	close(d[1]);
	msglink_init(&r->ctl_d, d[0], 0);
	peer(&r->ctl_e, ROLE_DIAL, 0, ed[0]);
	peer(&r->ctl_d, ROLE_EGRESS, (int)r->which, ed[1]);
}

void
rig_start(struct rig *r, enum rig_provider which, const char *pem)
{
	int	 e[2], b[2], extra;

	memset(r, 0, sizeof(*r));
	r->which = which;
	rig_listen(r);
	r->policy = blob(r);
	extra = rig_memfd(pem, strlen(pem));
	assert_int_equal(msg_pair(e), 0);
	assert_int_equal(msg_pair(b), 0);
	r->egress = fork();
	if (r->egress == 0) {
		close(e[0]);
		close(b[0]);
		close(b[1]);
		close(r->listener);
		run_egress(e[1], r->policy, extra, which, pem);
	}
	close(e[1]);
	close(extra);
	msglink_init(&r->ctl_e, e[0], 0);
	msglink_init(&r->broker, b[0], 0);
	rig_dial(r);
	peer(&r->ctl_e, ROLE_BROKER, 0, b[1]);
}

static void
ended(pid_t pid, const char *what)
{
	int	 status, i;

	for (i = 0; i < 500; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
				fail_msg("%s ended with %#x", what, status);
			return;
		}
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	fail_msg("%s does not end", what);
}

void
rig_stop(struct rig *r)
{
	msglink_close(&r->ctl_e);
	msglink_close(&r->ctl_d);
	msglink_close(&r->broker);
	if (r->listener != -1)
		close(r->listener);
	close(r->policy);
	ended(r->egress, "egress");
	ended(r->dial, "dial");
}

int
rig_link(struct rig *r, uint32_t *id)
{
	struct msgw	 m;
	int		 sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv), 0);
	*id = ++r->links;
	msg_open(&m, M_EG_LINKED);
	msg_put_u32(&m, *id);
	msg_put_u64(&m, 77);
	assert_int_equal(msg_send(&r->broker, &m, sv[1]), 0);
	send_all(&r->broker);
	return sv[0];
}

static int
wait_for(int fd, short events, int ms)
{
	struct pollfd	 p;

	p.fd = fd;
	p.events = events;
	return poll(&p, 1, ms) == 1;
}

int
rig_accept(struct rig *r)
{
	int	 fd;

	if (!wait_for(r->listener, POLLIN, RIG_WAIT))
		fail_msg("no connection came: %s", r->down_text);
	fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd != -1);
	return fd;
}

int
rig_quiet(struct rig *r, int ms)
{
	return !wait_for(r->listener, POLLIN, ms);
}

/* ---- worker ------------------------------------------------------------ */

static void
put_all(int fd, const void *p, size_t n)
{
	const uint8_t	*b;
	ssize_t		 w;

	for (b = p; n > 0; b += w, n -= (size_t)w) {
		w = send(fd, b, n, MSG_NOSIGNAL);
		if (w == -1)
			fail_msg("write: %s", strerror(errno));
	}
}

void
worker_frame(int fd, enum link_type type, const void *p, size_t n)
{
	uint8_t	 h[LINK_HEAD];

	link_head(h, type, 0, n);
	put_all(fd, h, sizeof(h));
	put_all(fd, p, n);
}

void
worker_open(int fd, uint64_t no, uint64_t length)
{
	struct msgw	 w;

	msg_open(&w, 1);
	msg_put_u64(&w, no);
	msg_put_u64(&w, length);
	msg_put_u8(&w, 0);
	worker_frame(fd, LF_OPEN, w.buf, w.len);
}

void
worker_body(int fd, const void *body, size_t n)
{
	const uint8_t	*p;
	size_t		 part;

	for (p = body; n > 0; p += part, n -= part) {
		part = n > LINK_DATA ? LINK_DATA : n;
		worker_frame(fd, LF_DATA, p, part);
	}
	worker_frame(fd, LF_END, NULL, 0);
}

static void
see_head(struct seen *s, const struct link_frame *f)
{
	struct msgr	 r;
	char		 name[128], value[2200];
	int		 n;

	msg_read(&r, 1, f->data, f->len);
	s->head = 1;
	s->no = msg_get_u64(&r);
	s->status = msg_get_u16(&r);
	s->flags = msg_get_u8(&r);
	(void)msg_get_u64(&r);
	for (n = msg_get_u8(&r); n > 0; n--) {
		msg_get_str(&r, name, sizeof(name));
		msg_get_str(&r, value, sizeof(value));
		strlcat(s->fields, name, sizeof(s->fields));
		strlcat(s->fields, "=", sizeof(s->fields));
		strlcat(s->fields, value, sizeof(s->fields));
		strlcat(s->fields, ";", sizeof(s->fields));
	}
	assert_int_equal(msg_end(&r), 0);
}

static void
see_error(struct seen *s, const struct link_frame *f)
{
	struct msgr	 r;

	msg_read(&r, 1, f->data, f->len);
	s->no = msg_get_u64(&r);
	s->error = msg_get_u8(&r) + 1;
	s->status = msg_get_u16(&r);
	msg_get_str(&r, s->text, sizeof(s->text));
	assert_int_equal(msg_end(&r), 0);
}

static void
see(struct seen *s, const struct link_frame *f)
{
	switch (f->type) {
	case LF_HEAD:
		see_head(s, f);
		break;
	case LF_DATA:
		s->body = realloc(s->body, s->len + f->len + 1);
		assert_non_null(s->body);
		memcpy(s->body + s->len, f->data, f->len);
		s->len += f->len;
		s->body[s->len] = '\0';
		break;
	case LF_END:
		assert_int_equal(f->len, 1);
		s->end = f->data[0] + 1;
		break;
	case LF_ERROR:
		see_error(s, f);
		break;
	default:
		fail_msg("frame %d from the egress", f->type);
	}
}

void
worker_read(int fd, struct seen *s)
{
	static struct linkr	 lr;
	struct link_frame	 f;
	uint8_t			*p;
	size_t			 room;
	ssize_t			 n;

	memset(s, 0, sizeof(*s));
	link_reset(&lr);
	while (s->end == 0 && s->error == 0) {
		if (!wait_for(fd, POLLIN, RIG_WAIT))
			fail_msg("the egress says nothing to the worker");
		p = link_room(&lr, &room);
		n = read(fd, p, room);
		if (n <= 0)
			fail_msg("the egress closed the link");
		link_got(&lr, (size_t)n);
		while (link_next(&lr, &f) == 1)
			see(s, &f);
	}
	assert_int_equal(lr.have, lr.used);
}

void
worker_forget(struct seen *s)
{
	free(s->body);
	memset(s, 0, sizeof(*s));
}

/* ---- broker ------------------------------------------------------------ */

void
broker_call(struct rig *r, struct call *c, uint32_t link, uint64_t no,
    const void *body, size_t len)
{
	(void)r;
	memset(c, 0, sizeof(*c));
	c->link = link;
	c->no = no;
	c->length = len;
	c->limit = 64 * 1024 * 1024;
	c->deadline = poll_now() + 60 * NS_S;
	c->first = poll_now() + 30 * NS_S;
	c->between = 30 * NS_S;
	c->provider = RIG_PLAIN;
	c->key = RIG_KEY;
	sha256_buf(body, len, c->digest);
}

void
broker_release(struct rig *r, const struct call *c)
{
	struct msgw	 m;
	uint8_t		 id[16];

	memset(id, (int)c->no, sizeof(id));
	msg_open(&m, M_RELEASE);
	msg_put_u32(&m, c->link);
	msg_put_u64(&m, c->no);
	msg_put_raw(&m, id, sizeof(id));
	msg_put_u16(&m, c->provider);
	msg_put_u8(&m, c->provider == RIG_PLAIN ? SCHEME_HTTP : SCHEME_HTTPS);
	msg_put_str(&m, c->provider == RIG_PLAIN ? "127.0.0.1" :
	    c->provider == RIG_TLS ? "localhost" :
	    c->provider == RIG_PROXIED ? "provider.test" :
	    "no-such-host.invalid");
	msg_put_u16(&m, c->provider == RIG_PROXIED ? 443 : r->port);
	msg_put_str(&m, c->length == 0 ? "GET" : "POST");
	msg_put_str(&m, "/v1/chat/completions");
	msg_put_str(&m, "");
	msg_put_str(&m, c->length == 0 ? "" : "application/json");
	msg_put_u64(&m, c->length);
	msg_put_raw(&m, c->digest, 32);
	msg_put_u32(&m, c->flags);
	msg_put_u8(&m, DIALECT_OPENAI);
	msg_put_u8(&m, AUTH_BEARER);
	msg_put_blob(&m, c->key, strlen(c->key));
	msg_put_u64(&m, c->limit);
	msg_put_u64(&m, c->deadline);
	msg_put_u64(&m, c->first);
	msg_put_u64(&m, c->between);
	assert_int_equal(msg_send(&r->broker, &m, -1), 0);
	send_all(&r->broker);
}

static void
short_message(struct rig *r, uint16_t type, uint32_t link, uint64_t no,
    int cut)
{
	struct msgw	 m;

	msg_open(&m, type);
	msg_put_u32(&m, link);
	msg_put_u64(&m, no);
	if (type == M_EG_CUT)
		msg_put_u8(&m, (uint8_t)cut);
	assert_int_equal(msg_send(&r->broker, &m, -1), 0);
	send_all(&r->broker);
}

void
broker_drop(struct rig *r, uint32_t link, uint64_t no)
{
	short_message(r, M_DROP, link, no, 0);
}

void
broker_cut(struct rig *r, uint32_t link, uint64_t no, int cut)
{
	short_message(r, M_EG_CUT, link, no, cut);
}

static int
on_message(void *arg, struct msgr *m, int fd)
{
	struct rig	*r;
	struct done	*d;

	r = arg;
	assert_int_equal(fd, -1);
	if (m->type == M_UPSTREAM) {
		(void)msg_get_u32(m);
		r->up = msg_get_u8(m);
		(void)msg_get_u8(m);
		msg_get_str(m, r->down_text, sizeof(r->down_text));
		assert_int_equal(msg_end(m), 0);
		return 0;
	}
	assert_true(m->type == M_DONE || m->type == M_REFUSED);
	d = &r->done;
	d->link = msg_get_u32(m);
	d->no = msg_get_u64(m);
	msg_get_raw(m, d->id, 16);
	d->end = msg_get_u8(m);
	d->status = msg_get_u16(m);
	d->up = msg_get_u64(m);
	d->down = msg_get_u64(m);
	msg_get_raw(m, d->shaup, 32);
	msg_get_raw(m, d->shadown, 32);
	d->first = msg_get_u64(m);
	d->end_at = msg_get_u64(m);
	d->closer = msg_get_u8(m);
	d->echoes = msg_get_u8(m);
	msg_get_str(m, d->reqid, sizeof(d->reqid));
	msg_get_str(m, d->text, sizeof(d->text));
	assert_int_equal(msg_end(m), 0);
	assert_true(m->len <= 1024);
	r->ndone += m->type == M_DONE;
	r->nrefused += m->type == M_REFUSED;
	return 0;
}

void
broker_done_some(struct rig *r)
{
	if (!wait_for(r->broker.fd, POLLIN, RIG_WAIT))
		fail_msg("no DONE comes, last: %s", r->down_text);
	if (msglink_read(&r->broker, 1, on_message, r) == -1)
		fail_msg("the egress is gone");
}

void
broker_done(struct rig *r, int n)
{
	while (r->ndone < n)
		broker_done_some(r);
	assert_int_equal(r->ndone, n);
}

void
broker_refused(struct rig *r, int n)
{
	while (r->nrefused < n)
		broker_done_some(r);
	assert_int_equal(r->nrefused, n);
}

/* ---- provider ---------------------------------------------------------- */

size_t
provider_read(int fd, char *out, size_t size)
{
	size_t	 len;
	ssize_t	 n;

	for (len = 0; len < size - 1; len += (size_t)n) {
		if (!wait_for(fd, POLLIN, RIG_WAIT))
			fail_msg("no end of the connection");
		n = read(fd, out + len, size - 1 - len);
		if (n <= 0)
			break;
	}
	out[len] = '\0';
	return len;
}

size_t
provider_request(int fd, char *out, size_t size, size_t body)
{
	char	*end;
	size_t	 len;
	ssize_t	 n;

	end = NULL;
	for (len = 0; len < size - 1; len += (size_t)n) {
		out[len] = '\0';
		end = strstr(out, "\r\n\r\n");
		if (end != NULL && len == (size_t)(end + 4 - out) + body)
			return (size_t)(end + 4 - out);
		if (!wait_for(fd, POLLIN, RIG_WAIT))
			fail_msg("request incomplete after %zu bytes: %s",
			    len, out);
		n = read(fd, out + len, size - 1 - len);
		if (n <= 0)
			fail_msg("connection closed after %zu bytes", len);
	}
	fail_msg("request too long");
	return 0;
}

void
provider_write(int fd, const void *p, size_t n)
{
	put_all(fd, p, n);
}

int
provider_closed(int fd, int ms)
{
	char		 buf[4096];
	uint64_t	 until;
	ssize_t		 n;

	until = poll_now() + (uint64_t)ms * NS_MS;
	while (poll_now() < until) {
		if (!wait_for(fd, POLLIN, ms))
			return 0;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return 1;
	}
	return 0;
}
