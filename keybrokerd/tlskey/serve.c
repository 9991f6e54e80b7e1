/* SPDX-License-Identifier: ISC */
/*
 * The loop around the keys: pairs from the parent, requests from workers, one
 * answer each.  A worker that sends rubbish is answered or disconnected; a
 * handful of requests of a link a turn, so that no worker starves another.
 */
#include <sys/mman.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "common/secret/memfd.h"
#include "common/secret/secret.h"
#include "keybrokerd/tlskey/tlskey.h"

#define LINKS		128	/* workers of two generations, and more */
#define PACKET_SIGNS	4	/* a worker waits for each answer anyway */
#define QUEUE		(64 * 1024)

struct worklink {
	int		 used;
	struct msglink	 link;
	unsigned int	 signs;		/* in this turn */
	struct serve	*serve;
};

struct serve {
	struct tlskey	*keys;
	struct msglink	 parent;
	struct worklink	 links[LINKS];
	struct pollset	*poll;
	int		 certfd[CERTS_MAX + 1];	/* by number, -1 none */
	char		 why[200];	/* first fault of the arriving round */
	int		 done;
};

/* ---- workers --------------------------------------------------------------- */
static int
on_sign(struct worklink *l, struct msgr *m)
{
	static struct msgw	 w;
	uint8_t			 name[TLSKEY_NAME], out[SIGN_BYTES], what;
	const uint8_t		*data;
	enum proto_signerror	 error;
	size_t			 len, n;
	uint32_t		 cookie;

	cookie = msg_get_u32(m);
	msg_get_raw(m, name, sizeof(name));
	what = msg_get_u8(m);
	data = msg_get_blob(m, SIGN_BYTES, &len);
	n = 0;
	error = SIGNERR_FORM;
	if (msg_end(m) == 0 && l->signs++ < PACKET_SIGNS)
		error = tlskey_sign(l->serve->keys, name, what, data, len, out,
		    &n);
	msg_open(&w, M_SIGNED);
	msg_put_u32(&w, cookie);
	msg_put_u8(&w, (uint8_t)error);
	msg_put_blob(&w, out, n);
	return msg_send(&l->link, &w, -1);
}

static int
worker_message(void *arg, struct msgr *m, int fd)
{
	if (fd != -1)
		close(fd);
	if (permit_check(m->type, PL_WT, PD_UP, 0, m->len, fd != -1) == -1)
		return -1;
	return on_sign(arg, m);
}

static void
worker_close(struct worklink *l)
{
	poll_del(l->serve->poll, l->link.fd);
	msglink_close(&l->link);
	l->used = 0;
}

static void
worker_readable(void *arg, int fd, short revents)
{
	struct worklink	*l;
	int		 r;

	(void)fd;
	(void)revents;
	l = arg;
	l->signs = 0;
	if (msglink_read(&l->link, 1, worker_message, l) == -1 ||
	    (r = msglink_flush(&l->link)) == -1) {
		worker_close(l);
		return;
	}
	poll_events(l->serve->poll, l->link.fd,
	    (short)(POLLIN | (r == 1 ? POLLOUT : 0)));
}

static void
on_peer(struct serve *s, struct msgr *m, int fd)
{
	struct worklink	*l;
	size_t		 i;
	uint8_t		 role;

	role = msg_get_u8(m);
	(void)msg_get_u16(m);
	(void)msg_get_u32(m);
	if (msg_end(m) == -1 || role != ROLE_WORKER || fd == -1)
		fatalx("parent: malformed PEER");
	for (i = 0; i < LINKS && s->links[i].used; i++)
		continue;
	if (i == LINKS) {
		log_warnx("more than %d workers", LINKS);
		close(fd);
		return;
	}
	l = &s->links[i];
	l->used = 1;
	l->serve = s;
	msglink_init(&l->link, fd, QUEUE);
	poll_add(s->poll, fd, POLLIN, worker_readable, l);
}

/* ---- parent ------------------------------------------------------------------ */
static void
forget_certs(struct serve *s)
{
	size_t	 i;

	for (i = 0; i <= CERTS_MAX; i++)
		if (s->certfd[i] != -1) {
			close(s->certfd[i]);
			s->certfd[i] = -1;
		}
}

static void
on_cert(struct serve *s, struct msgr *m, int fd)
{
	uint8_t	 number;

	(void)msg_get_u32(m);
	number = msg_get_u8(m);
	if (msg_end(m) == -1 || fd == -1 || number == 0 || number > CERTS_MAX)
		fatalx("parent: malformed CERT");
	if (s->certfd[number] != -1)
		close(s->certfd[number]);
	s->certfd[number] = fd;
}

/* The certificate is public and small: mapped, used, unmapped. */
static int
add_pair(struct serve *s, uint32_t round, uint8_t number, struct secret *key)
{
	void	*p;
	off_t	 len;
	int	 r;

	len = memfd_size(s->certfd[number]);
	if (len <= 0 || len > CERT_BYTES)
		return -1;
	p = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, s->certfd[number], 0);
	if (p == MAP_FAILED)
		return -1;
	r = tlskey_add(s->keys, round, number, p, (size_t)len,
	    secret_bytes(key), secret_len(key), s->why, sizeof(s->why));
	munmap(p, (size_t)len);
	return r;
}

/* The key file's descriptor: read here for the first time. */
static void
on_key(struct serve *s, struct msgr *m, int fd)
{
	struct secret	*key;
	uint32_t	 round;
	uint8_t		 number;

	round = msg_get_u32(m);
	number = msg_get_u8(m);
	if (msg_end(m) == -1 || fd == -1 || number == 0 ||
	    number > CERTS_MAX || s->certfd[number] == -1)
		fatalx("parent: malformed TLSKEY");
	key = secret_from_fd(fd, 0, SECRET_MAX);
	if (key == NULL) {
		snprintf(s->why, sizeof(s->why), "certificate %u: the key "
		    "cannot be read: %s", number, strerror(errno));
		tlskey_bad(s->keys, round);
	} else if (add_pair(s, round, number, key) == -1) {
		if (s->why[0] == '\0')
			snprintf(s->why, sizeof(s->why), "certificate %u cannot "
			    "be read", number);
		tlskey_bad(s->keys, round);
	}
	secret_free(&key);
	close(fd);
}

static void
on_done(struct serve *s, struct msgr *m)
{
	struct msgw	 w;
	uint32_t	 round;
	uint8_t		 n;
	int		 ok;

	round = msg_get_u32(m);
	n = msg_get_u8(m);
	if (msg_end(m) == -1)
		fatalx("parent: malformed TLSDONE");
	ok = tlskey_done(s->keys, round, n, s->why, sizeof(s->why)) == 0;
	msg_open(&w, M_TLSREADY);
	msg_put_u32(&w, round);
	msg_put_u8(&w, (uint8_t)ok);
	msg_put_str(&w, s->why);
	if (msg_send(&s->parent, &w, -1) == -1)
		fatalx("TLSREADY");
	s->why[0] = '\0';
	forget_certs(s);
}

static int
parent_message(void *arg, struct msgr *m, int fd)
{
	struct serve	*s;

	s = arg;
	if (permit_check(m->type, PL_PR, PD_DOWN, 0, m->len, fd != -1) == -1)
		fatalx("parent: message 0x%04x is not for a role", m->type);
	switch (m->type) {
	case M_PEER:
		on_peer(s, m, fd);
		break;
	case M_CERT:
		on_cert(s, m, fd);
		break;
	case M_TLSKEY:
		on_key(s, m, fd);
		break;
	case M_TLSDONE:
		on_done(s, m);
		break;
	case M_EXIT:
		s->done = 1;
		break;
	default:
		fatalx("parent: %s is not for tlskey", permit_name(m->type));
	}
	return 0;
}

static void
parent_readable(void *arg, int fd, short revents)
{
	struct serve	*s;

	(void)fd;
	(void)revents;
	s = arg;
	if (msglink_read(&s->parent, 64, parent_message, s) == -1)
		s->done = 1;
}

/* Until the parent says EXIT or is gone; 0. */
int
serve_loop(struct tlskey *keys, const struct msglink *channel)
{
	static struct serve	 s;
	size_t			 i;
	int			 r;

	s.keys = keys;
	s.parent = *channel;
	for (i = 0; i <= CERTS_MAX; i++)
		s.certfd[i] = -1;
	s.poll = poll_new(LINKS + 1);
	poll_add(s.poll, s.parent.fd, POLLIN, parent_readable, &s);
	while (!s.done) {
		if ((r = msglink_flush(&s.parent)) == -1)
			break;
		poll_events(s.poll, s.parent.fd,
		    (short)(POLLIN | (r == 1 ? POLLOUT : 0)));
		if (poll_turn(s.poll, UINT64_MAX) == -1)
			fatal("poll");
	}
	tlskey_free(keys);
	return 0;
}
