/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets by slot.  The parent keeps every socket, so that no worker
 * that ends resets a queued connection; workers get duplicates.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "proxyd/parent/proxyd.h"

#define BACKLOG	1024

static int
bind_one(struct listener *l, int reuseport)
{
	int	 fd, on;

	fd = socket(l->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	on = 1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    (reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
	    sizeof(on)) == -1) ||
	    bind(fd, (struct sockaddr *)&l->ss, l->sslen) == -1)
		goto bad;
	/*
	 * The first socket is bound without SO_REUSEPORT, so that a second
	 * gateway on this address fails instead of taking half the connections;
	 * then it admits our own (decisions X1).
	 */
	if (!reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
	    sizeof(on)) == -1)
		goto bad;
	return fd;
bad:
	on = errno;
	close(fd);
	errno = on;
	return -1;
}

static int
bind_listener(struct pconf *c, struct listener *l)
{
	unsigned	 i;

	for (i = 0; i < c->workers; i++) {
		if (l->fd[i] != -1)
			continue;
		if ((l->fd[i] = bind_one(l, i > 0)) == -1) {
			log_warn("listen on %s", l->name);
			return -1;
		}
	}
	/* Listen only once all are bound: a share for each from the start. */
	for (i = 0; i < c->workers; i++)
		if (listen(l->fd[i], BACKLOG) == -1) {
			log_warn("listen on %s", l->name);
			return -1;
		}
	return 0;
}

int
slot_bind(struct proxyd *p)
{
	size_t	 i;

	for (i = 0; i < p->conf.nlisteners; i++)
		if (bind_listener(&p->conf, &p->conf.listeners[i]) == -1)
			return -1;
	p->bound = 1;
	return 0;
}

static void
listener_close(struct listener *l)
{
	unsigned	 j;

	for (j = 0; j < POOL_MAX; j++)
		if (l->fd[j] != -1) {
			close(l->fd[j]);
			l->fd[j] = -1;
		}
}

/* Sockets of place from on that are not in the other listener. */
static void
close_from(struct listener *l, unsigned from, const struct listener *other)
{
	unsigned	 i;

	for (i = from; i < POOL_MAX; i++)
		if (l->fd[i] != -1 && (other == NULL ||
		    l->fd[i] != other->fd[i])) {
			close(l->fd[i]);
			l->fd[i] = -1;
		}
}

static struct listener *
same_address(struct pconf *c, const struct listener *l)
{
	size_t	 i;

	for (i = 0; i < c->nlisteners; i++)
		if (strcmp(c->listeners[i].name, l->name) == 0)
			return &c->listeners[i];
	return NULL;
}

/*
 * A reload: sockets of listeners that stay are taken over, new ones are bound,
 * and only if all could be are the others closed.  A socket that no worker of
 * the new configuration serves is closed too, or the kernel would go on giving
 * it connections.
 */
int
slot_rebind(struct proxyd *p, struct pconf *c)
{
	struct listener	*l, *other;
	size_t		 i;
	int		 ok;

	for (i = 0; i < c->nlisteners; i++) {
		other = same_address(&p->conf, &c->listeners[i]);
		if (other != NULL)
			memcpy(c->listeners[i].fd, other->fd,
			    sizeof(other->fd));
	}
	ok = 1;
	for (i = 0; i < c->nlisteners && ok; i++)
		ok = bind_listener(c, &c->listeners[i]) == 0;
	if (!ok) {
		for (i = 0; i < c->nlisteners; i++) {
			l = &c->listeners[i];
			close_from(l, 0, same_address(&p->conf, l));
		}
		return -1;
	}
	for (i = 0; i < p->conf.nlisteners; i++) {
		l = &p->conf.listeners[i];
		if (same_address(c, l) == NULL)
			listener_close(l);
	}
	for (i = 0; i < c->nlisteners; i++)
		close_from(&c->listeners[i], c->workers, NULL);
	return 0;
}

void
slot_close(struct proxyd *p)
{
	size_t	 i;

	for (i = 0; i < p->conf.nlisteners; i++)
		listener_close(&p->conf.listeners[i]);
	p->bound = 0;
}

static uint16_t
slot_number(size_t listener, unsigned index)
{
	return (uint16_t)(listener * POOL_MAX + index);
}

/* The sockets of seat index, of every listener of the worker's class set. */
void
slot_give(struct proxyd *p, struct wk *w, unsigned index)
{
	struct listener	*l;
	struct msgw	 m;
	size_t		 i;
	int		 fd;

	for (i = 0; i < p->conf.nlisteners; i++) {
		l = &p->conf.listeners[i];
		if (l->class != w->class || l->fd[index] == -1)
			continue;
		if ((fd = fcntl(l->fd[index], F_DUPFD_CLOEXEC, 3)) == -1) {
			log_warn("slot");
			continue;
		}
		/* Idempotent; the worker may be of an earlier configuration. */
		if (l->tls)
			certificate_give(w, l, (uint8_t)(i + 1));
		msg_open(&m, M_SLOT);
		msg_put_u16(&m, slot_number(i, index));
		msg_put_u8(&m, l->class);
		msg_put_u8(&m, (uint8_t)(l->tls ? i + 1 : 0));
		msg_put_u8(&m, (uint8_t)l->loopback);
		msg_put_str(&m, l->name);
		if (msg_send(&w->channel, &m, fd) == -1)
			log_warn("SLOT");
	}
}

void
slot_take(struct proxyd *p, struct wk *w, unsigned index)
{
	struct msgw	 m;
	size_t		 i;

	for (i = 0; i < p->conf.nlisteners; i++) {
		if (p->conf.listeners[i].class != w->class)
			continue;
		msg_open(&m, M_UNSLOT);
		msg_put_u16(&m, slot_number(i, index));
		(void)msg_send(&w->channel, &m, -1);
	}
}
