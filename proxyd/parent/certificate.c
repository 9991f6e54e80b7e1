/* SPDX-License-Identifier: ISC */
/*
 * The listeners' certificates and key files.  A certificate is public: it is
 * read here, and workers and tlskey get a sealed copy.  A key file is opened
 * here, with its owner and mode checked, and never read: the descriptor goes to
 * tlskey as it is.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/secret/secret.h"
#include "proxyd/parent/proxyd.h"

static int
complain(const char *path, const char *what)
{
	fprintf(stderr, "proxyd: %s: %s\n", path, what);
	return -1;
}

/* A regular file of at most CERT_BYTES. */
static int
open_file(const char *path, struct stat *st)
{
	int	 fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return complain(path, strerror(errno));
	if (fstat(fd, st) == -1 || !S_ISREG(st->st_mode) ||
	    st->st_size > CERT_BYTES) {
		close(fd);
		return complain(path, "is no file of at most 64 KiB");
	}
	return fd;
}

static int
load_cert(struct listener *l)
{
	struct stat	 st;
	char		*buf;
	ssize_t		 n;
	int		 fd;

	if ((fd = open_file(l->certfile, &st)) == -1)
		return -1;
	if ((buf = calloc(1, CERT_BYTES + 1)) == NULL)
		fatal("certificate");
	n = read(fd, buf, CERT_BYTES);
	close(fd);
	if (n <= 0 || strstr(buf, "-----BEGIN CERTIFICATE-----") == NULL) {
		explicit_bzero(buf, CERT_BYTES);	/* a key by mistake? */
		free(buf);
		return complain(l->certfile, "holds no certificate in PEM");
	}
	/* A file with both would hand the key to every worker. */
	if (strstr(buf, "PRIVATE KEY-----") != NULL) {
		explicit_bzero(buf, CERT_BYTES);
		free(buf);
		return complain(l->certfile, "holds a private key too: "
		    "certificate and key are two files here");
	}
	l->certfd = secret_sealed("certificate", buf, (size_t)n);
	free(buf);
	return l->certfd == -1 ? complain(l->certfile, strerror(errno)) : 0;
}

static int
load_key(struct listener *l)
{
	struct stat	 st;

	if ((l->keyfd = open_file(l->keyfile, &st)) == -1)
		return -1;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return complain(l->keyfile, "belongs to another user");
	if ((st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return complain(l->keyfile, "can be read by others or written "
		    "by its group: chmod 600");
	return 0;
}

/* Opens what c names; told on stderr, -1, with nothing left open. */
int
certificate_load(struct pconf *c)
{
	size_t	 i;

	for (i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].tls && (load_cert(&c->listeners[i]) == -1 ||
		    load_key(&c->listeners[i]) == -1)) {
			certificate_close(c);
			return -1;
		}
	return 0;
}

void
certificate_close(struct pconf *c)
{
	size_t	 i;

	for (i = 0; i < LISTENERS_MAX; i++) {
		if (c->listeners[i].certfd != -1)
			close(c->listeners[i].certfd);
		if (c->listeners[i].keyfd != -1)
			close(c->listeners[i].keyfd);
		c->listeners[i].certfd = c->listeners[i].keyfd = -1;
	}
}

int
certificate_used(const struct pconf *c)
{
	size_t	 i;

	for (i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].tls)
			return 1;
	return 0;
}

static void
send_file(struct msglink *to, uint16_t type, uint32_t round, uint8_t number,
    int fd)
{
	struct msgw	 m;
	int		 copy;

	if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		log_warn("certificate %u", number);
		return;
	}
	msg_open(&m, type);
	msg_put_u32(&m, round);
	msg_put_u8(&m, number);
	if (msg_send(to, &m, copy) == -1)
		log_warn("certificate %u", number);
}

/* All pairs of c, as a new round that tlskey has to judge. */
void
certificate_send(struct proxyd *p, const struct pconf *c)
{
	const struct listener	*l;
	struct msgw		 m;
	size_t			 i;
	uint8_t			 n;

	p->round++;
	for (i = 0, n = 0; i < c->nlisteners; i++) {
		l = &c->listeners[i];
		if (!l->tls)
			continue;
		n++;
		send_file(&p->key, M_KP_CERT, p->round, (uint8_t)(i + 1),
		    l->certfd);
		send_file(&p->key, M_KP_TLSKEY, p->round, (uint8_t)(i + 1),
		    l->keyfd);
	}
	msg_open(&m, M_KP_TLSDONE);
	msg_put_u32(&m, p->round);
	msg_put_u8(&m, n);
	if (msg_send(&p->key, &m, -1) == -1)
		log_warn("TLSDONE");
}

/* A worker needs it before the slot that uses it. */
void
certificate_give(struct wk *w, const struct listener *l, uint8_t number)
{
	send_file(&w->channel, M_CERT, w->generation, number, l->certfd);
}
