/* SPDX-License-Identifier: ISC */

/* See drive.h.  In a plain build the role runs under its own filter. */

#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <seccomp.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "common/secret/secret.h"
#include "keybrokerd/kms/kms.h"
#include "regress/unit/kms/drive.h"

static const struct drive	*now;

static const char *
getter(void *arg, const char *name)
{
	size_t	 i, n;

	(void)arg;
	n = strlen(name);
	for (i = 0; i < DRIVE_FACTS && now->env[i] != NULL; i++)
		if (strncmp(now->env[i], name, n) == 0 &&
		    now->env[i][n] == '=')
			return now->env[i] + n + 1;
	return NULL;
}

const char *
drive_class(int c)
{
	static const char *const	 names[] = { "OK", "STATE", "DENIED",
	    "AUTH", "THROTTLED", "UNAVAILABLE", "INVALID", "CONFIG",
	    "PROTOCOL" };

	return c >= 0 && c < (int)nitems(names) ? names[c] : "?";
}

/*
 * The role's own filter; a sanitizer needs more calls than it has, so that
 * there only what the role relies on is done: the answer to connect().
 */
static int
confine(void)
{
#ifdef FLAVOUR_ASAN
	scmp_filter_ctx	 ctx;

	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (ctx == NULL || seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINPROGRESS),
	    SCMP_SYS(connect), 0) != 0 || seccomp_load(ctx) != 0)
		return -1;
	seccomp_release(ctx);
	return 0;
#else
	char		 why[256];
	uint32_t	 bits;

	if (sandbox_enter(kms_sandbox(), 1, &bits, why, sizeof(why)) == -1)
		return -1;
	return sandbox_probe(kms_sandbox());
#endif
}

static void
role(int fd, const struct kms_targets *targets)
{
	static struct msglink	 channel;
	char			 why[256];

	if (arena_init() == -1 || https_init(now->pem, now->pem == NULL ? 0 :
	    strlen(now->pem), why, sizeof(why)) == -1)
		_exit(3);
	msglink_init(&channel, fd, 0);
	if (confine() == -1)
		_exit(4);
	_exit(kms_loop(&channel, targets));
}

static void
send_source(struct msglink *l, int kind, const char *fact)
{
	struct msgw	 w;
	const char	*eq;
	char		 name[128];
	int		 fd, map;

	eq = strchr(fact, '=');
	snprintf(name, sizeof(name), "%.*s", (int)(eq - fact), fact);
	fd = eq[1] == '\0' ? secret_sealed("x", "", 0) :
	    secret_memfd(eq + 1, strlen(eq + 1), &map);
	if (eq[1] == '\0')
		map = 0;
	msg_open(&w, M_SOURCE);
	msg_put_u8(&w, (uint8_t)kind);
	msg_put_u8(&w, map ? SRC_MAP : SRC_READ);
	msg_put_u64(&w, strlen(eq + 1));
	msg_put_str(&w, name);
	msg_send(l, &w, fd);
}

static void
send_peer(struct msglink *l, int r, int fd)
{
	struct msgw	 w;

	msg_open(&w, M_PEER);
	msg_put_u8(&w, (uint8_t)r);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, 1);
	msg_send(l, &w, fd);
}

static void
send_exchange(struct msglink *l)
{
	static struct msgw	 w;

	msg_open(&w, M_EXCHANGE);
	msg_put_u32(&w, 77);
	msg_put_u8(&w, (uint8_t)now->op);
	msg_put_str(&w, now->uri);
	msg_put_str(&w, now->version);
	msg_put_blob(&w, now->wrapped, now->wrappedlen);
	msg_put_blob(&w, now->context, now->contextlen);
	msg_put_blob(&w, now->key, now->keylen);
	msg_put_u32(&w, now->ms);
	msg_send(l, &w, -1);
}

/* ---- dial, as far as it goes here --------------------------------------------- */

struct dialing {
	struct msglink			 link;
	const struct kms_targets	*targets;
	struct driven			*d;
};

static int
reach(uint16_t port)
{
	struct sockaddr_in	 in;
	int			 fd;

	memset(&in, 0, sizeof(in));
	in.sin_family = AF_INET;
	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
on_connect(void *arg, struct msgr *r, int fd)
{
	const struct kms_target	*t;
	struct dialing		*x;
	struct msgw		 w;
	char			 label[64], host[300];
	uint32_t		 cookie;
	uint16_t		 row;

	(void)fd;
	x = arg;
	cookie = msg_get_u32(r);
	row = msg_get_u16(r) & (uint16_t)~KMS_TARGET;
	msg_get_str(r, label, sizeof(label));
	if (msg_end(r) == -1 || row >= x->targets->n)
		return -1;
	t = &x->targets->t[row];
	x->d->connects++;
	fd = kmstarget_host(t, label, host, sizeof(host)) == -1 ? -1 :
	    reach(t->proxy[0] != '\0' ? t->proxy_port : t->port);
	msg_open(&w, fd == -1 ? M_FAILED : M_CONNECTED);
	msg_put_u32(&w, cookie);
	msg_put_u8(&w, fd == -1 ? END_CONNECT : t->proxy[0] != '\0');
	if (fd == -1)
		msg_put_str(&w, "connection refused");
	msg_send(&x->link, &w, fd);
	msglink_flush(&x->link);
	return 0;
}

static int
on_result(void *arg, struct msgr *r, int fd)
{
	const uint8_t	*p;
	struct driven	*d;

	(void)fd;
	d = arg;
	if (r->type != M_RESULT || msg_get_u32(r) != 77)
		return -1;
	d->class = msg_get_u8(r);
	d->flags = msg_get_u8(r);
	d->wait = msg_get_u32(r);
	msg_get_str(r, d->keyid, sizeof(d->keyid));
	p = msg_get_blob(r, sizeof(d->wrapped), &d->wrappedlen);
	if (p != NULL)
		memcpy(d->wrapped, p, d->wrappedlen);
	p = msg_get_blob(r, sizeof(d->key), &d->keylen);
	if (p != NULL)
		memcpy(d->key, p, d->keylen);
	msg_get_str(r, d->text, sizeof(d->text));
	d->answered = msg_end(r) == 0;
	return 0;
}

static void
attend(struct msglink *parent, struct dialing *x, struct msglink *broker,
    struct driven *d)
{
	struct pollfd	 p[2];
	uint64_t	 start;
	int		 gone;

	start = poll_now();
	gone = 0;
	while (!d->answered && !broker->dead &&
	    poll_now() < start + 70 * NS_S) {
		msglink_flush(parent);
		msglink_flush(broker);
		p[0].fd = broker->fd;
		p[1].fd = gone ? -1 : x->link.fd;
		p[0].events = p[1].events = POLLIN;
		poll(p, 2, 1000);
		if (p[1].revents != 0)
			gone = msglink_read(&x->link, 4, on_connect, x) == -1;
		if (p[0].revents != 0)
			(void)msglink_read(broker, 4, on_result, d);
	}
	d->ms = (poll_now() - start) / NS_MS;
}

int
drive_run(const struct drive *how, struct driven *d)
{
	static struct kms_targets	 targets;
	struct msglink			 parent, broker;
	struct dialing			 x;
	int				 pfd[2], dfd[2], bfd[2];
	size_t				 i;
	pid_t				 pid;

	memset(d, 0, sizeof(*d));
	d->class = -1;
	now = how;
	if (kmstarget_list(&targets, how->uri, getter, NULL, d->text,
	    sizeof(d->text)) == -1)
		return -1;
	if (msg_pair(pfd) == -1 || msg_pair(dfd) == -1 || msg_pair(bfd) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(pfd[0]);
		close(dfd[0]);
		close(bfd[0]);
		role(pfd[1], &targets);
	}
	close(pfd[1]);
	msglink_init(&parent, pfd[0], 0);
	msglink_init(&x.link, dfd[0], 0);
	msglink_init(&broker, bfd[0], 0);
	x.targets = &targets;
	x.d = d;
	for (i = 0; i < DRIVE_FACTS && how->env[i] != NULL; i++)
		send_source(&parent, SRC_ENV, how->env[i]);
	for (i = 0; i < DRIVE_FACTS && how->file[i] != NULL; i++)
		send_source(&parent, SRC_KMS_FILE, how->file[i]);
	if (how->nodial)
		close(dfd[1]);
	else
		send_peer(&parent, ROLE_DIAL, dfd[1]);
	send_peer(&parent, ROLE_BROKER, bfd[1]);
	send_exchange(&broker);
	attend(&parent, &x, &broker, d);
	msglink_close(&parent);
	msglink_close(&x.link);
	msglink_close(&broker);
	waitpid(pid, &d->status, 0);
	return 0;
}
