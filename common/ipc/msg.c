/* SPDX-License-Identifier: ISC */
/*
 * Packets over SOCK_SEQPACKET pairs: typed put and get, coalescing, bounded
 * queues, descriptors.  Believes nothing that it receives: every length is
 * checked before a byte is read, and a packet is checked whole before its
 * first message is handed on.  Knows no message.  Must never block, and must
 * never leave a copy of a payload behind, since RELEASE carries a credential.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/msg.h"
#include "common/log/log.h"

#define QUEUE_DEFAULT	(256 * 1024)
#define FDS_MAX		8	/* taken from the kernel so as to close them */
#define RESETS_MAX	2	/* ECONNRESET comes once, before the rest */

/* One packet that waits; cap is what follows the structure. */
struct msgq {
	struct msgq	*next;
	size_t		 len, cap;
	size_t		 count;		/* messages inside */
	int		 fd;
	uint8_t		 buf[];
};

static void
store(uint8_t *p, uint64_t v, size_t n)
{
	while (n-- > 0) {
		p[n] = v & 0xff;
		v >>= 8;
	}
}

static uint64_t
load(const uint8_t *p, size_t n)
{
	uint64_t	 v;

	v = 0;
	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* ---- composing ----------------------------------------------------------- */

/* Starts an empty message. */
void
msg_open(struct msgw *w, uint16_t type)
{
	w->type = type;
	w->bad = 0;
	w->len = 0;
}

/* n more bytes of the message, or NULL once it has overflowed. */
static uint8_t *
take(struct msgw *w, size_t n)
{
	uint8_t	*p;

	if (w->bad || n > sizeof(w->buf) - w->len) {
		w->bad = 1;
		return NULL;
	}
	p = w->buf + w->len;
	w->len += n;
	return p;
}

static void
put_int(struct msgw *w, uint64_t v, size_t n)
{
	uint8_t	*p;

	p = take(w, n);
	if (p != NULL)
		store(p, v, n);
}

/* Integers go out big-endian in exactly their width. */
void
msg_put_u8(struct msgw *w, uint8_t v)
{
	put_int(w, v, 1);
}

void
msg_put_u16(struct msgw *w, uint16_t v)
{
	put_int(w, v, 2);
}

void
msg_put_u32(struct msgw *w, uint32_t v)
{
	put_int(w, v, 4);
}

void
msg_put_u64(struct msgw *w, uint64_t v)
{
	put_int(w, v, 8);
}

/* n bytes whose number both ends know. */
void
msg_put_raw(struct msgw *w, const void *p, size_t n)
{
	uint8_t	*out;

	out = take(w, n);
	if (out != NULL && n > 0)
		memcpy(out, p, n);
}

/* A C string; NULL is sent as the empty string. */
void
msg_put_str(struct msgw *w, const char *s)
{
	msg_put_strn(w, s, s == NULL ? 0 : strlen(s));
}

/* u16 length and n bytes; over 65535 makes the message bad. */
void
msg_put_strn(struct msgw *w, const void *p, size_t n)
{
	if (n > UINT16_MAX)
		w->bad = 1;
	put_int(w, n, 2);
	msg_put_raw(w, p, n);
}

/* u32 length and n bytes. */
void
msg_put_blob(struct msgw *w, const void *p, size_t n)
{
	if (n > UINT32_MAX)
		w->bad = 1;
	put_int(w, n, 4);
	msg_put_raw(w, p, n);
}

/* ---- reading ------------------------------------------------------------- */

/* A reader over len bytes, which stay the caller's. */
void
msg_read(struct msgr *r, uint16_t type, const void *p, size_t len)
{
	r->type = type;
	r->bad = 0;
	r->off = 0;
	r->len = len;
	r->p = p;
}

/* n bytes of the payload, or NULL once something was bad. */
static const uint8_t *
give(struct msgr *r, size_t n)
{
	const uint8_t	*p;

	if (r->bad || n > r->len - r->off) {
		r->bad = 1;
		return NULL;
	}
	if (n == 0)
		return (const uint8_t *)"";
	p = r->p + r->off;
	r->off += n;
	return p;
}

static uint64_t
get_int(struct msgr *r, size_t n)
{
	const uint8_t	*p;

	p = give(r, n);
	return p == NULL ? 0 : load(p, n);
}

/* 0 once the reader is bad, so that a handler may check at the end only. */
uint8_t
msg_get_u8(struct msgr *r)
{
	return get_int(r, 1);
}

uint16_t
msg_get_u16(struct msgr *r)
{
	return get_int(r, 2);
}

uint32_t
msg_get_u32(struct msgr *r)
{
	return get_int(r, 4);
}

uint64_t
msg_get_u64(struct msgr *r)
{
	return get_int(r, 8);
}

/* Exactly n bytes into out; zeros if they are not there. */
void
msg_get_raw(struct msgr *r, void *out, size_t n)
{
	const uint8_t	*p;

	p = give(r, n);
	if (p == NULL)
		memset(out, 0, n);
	else if (n > 0)
		memcpy(out, p, n);
}

static const uint8_t *
view(struct msgr *r, size_t width, size_t max, size_t *len)
{
	const uint8_t	*p;
	size_t		 n;

	*len = 0;
	n = get_int(r, width);
	if (n > max)
		r->bad = 1;
	p = give(r, n);
	if (p != NULL)
		*len = n;
	return p;
}

/* A copy, terminated; out is the empty string if anything is wrong. */
size_t
msg_get_str(struct msgr *r, char *out, size_t size)
{
	const uint8_t	*p;
	size_t		 n;

	out[0] = '\0';
	p = view(r, 2, size - 1, &n);
	if (p == NULL)
		return 0;
	if (memchr(p, '\0', n) != NULL) {
		r->bad = 1;
		return 0;
	}
	memcpy(out, p, n);
	out[n] = '\0';
	return n;
}

/* Views live as long as the payload; not terminated, any byte inside. */
const uint8_t *
msg_get_strv(struct msgr *r, size_t max, size_t *len)
{
	return view(r, 2, max, len);
}

const uint8_t *
msg_get_blob(struct msgr *r, size_t max, size_t *len)
{
	return view(r, 4, max, len);
}

/* Every handler's last read: a byte too many is as wrong as one too few. */
int
msg_end(struct msgr *r)
{
	if (r->bad || r->off != r->len) {
		r->bad = 1;
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

/* ---- a link ---------------------------------------------------------------- */

static void
packet_free(struct msgq *q)
{
	if (q->fd != -1)
		close(q->fd);
	explicit_bzero(q->buf, q->len);
	free(q);
}

/* The peer is gone: nothing that waits can arrive any more. */
static void
die(struct msglink *l)
{
	struct msgq	*q;

	l->dead = 1;
	while ((q = l->head) != NULL) {
		l->head = q->next;
		packet_free(q);
	}
	l->tail = NULL;
	l->queued = l->fds = 0;
}

/*
 * Takes fd.  No fcntl here: every call says MSG_DONTWAIT, so that roles whose
 * filter has no fcntl can take links that arrive later.
 */
void
msglink_init(struct msglink *l, int fd, size_t maxqueue)
{
	memset(l, 0, sizeof(*l));
	l->fd = fd;
	l->maxqueue = maxqueue == 0 ? QUEUE_DEFAULT : maxqueue;
	l->dead = fd == -1;
}

/* Drops what waits and closes; harmless on a closed link. */
void
msglink_close(struct msglink *l)
{
	die(l);
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
}

/* The packet that takes need more bytes, a new one if it must be. */
static struct msgq *
packet_for(struct msglink *l, size_t need, int fd)
{
	struct msgq	*q;
	size_t		 cap;

	q = l->tail;
	if (fd == -1 && q != NULL && q->fd == -1 && need <= q->cap - q->len)
		return q;
	cap = fd == -1 ? MSG_PACKET : need;
	q = malloc(sizeof(*q) + cap);
	if (q == NULL)
		return NULL;
	q->next = NULL;
	q->len = q->count = 0;
	q->cap = cap;
	q->fd = fd;
	if (l->tail == NULL)
		l->head = q;
	else
		l->tail->next = q;
	l->tail = q;
	return q;
}

/* See msg.h; the bytes are copied, fd is taken in every case. */
int
msg_sendv(struct msglink *l, uint16_t type, const void *p, size_t len, int fd)
{
	struct msgq	*q;
	int		 error;

	error = 0;
	q = NULL;
	if (l->dead)
		error = EPIPE;
	else if (len > MSG_MAX)
		error = EMSGSIZE;
	else if (len + MSG_HEAD > l->maxqueue - l->queued)
		error = ENOBUFS;
	else if ((q = packet_for(l, len + MSG_HEAD, fd)) == NULL)
		error = ENOMEM;
	if (error != 0) {
		if (fd != -1)
			close(fd);
		errno = error;
		return -1;
	}
	store(q->buf + q->len, type, 2);
	store(q->buf + q->len + 2, 0, 2);
	store(q->buf + q->len + 4, len, 4);
	if (len > 0)
		memcpy(q->buf + q->len + MSG_HEAD, p, len);
	q->len += len + MSG_HEAD;
	q->count++;
	l->fds += fd != -1;
	l->queued += len + MSG_HEAD;
	return 0;
}

/* See msg.h; w may be sent again, to another link for example. */
int
msg_send(struct msglink *l, struct msgw *w, int fd)
{
	if (w->bad) {
		if (fd != -1)
			close(fd);
		errno = EMSGSIZE;
		return -1;
	}
	return msg_sendv(l, w->type, w->buf, w->len, fd);
}

/* One sendmsg, with the packet's descriptor if it has one. */
static ssize_t
packet_send(int s, struct msgq *q)
{
	union {
		struct cmsghdr	 align;
		uint8_t		 buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr	 mh;
	struct cmsghdr	*cm;
	struct iovec	 iov;
	ssize_t		 n;

	memset(&mh, 0, sizeof(mh));
	memset(&control, 0, sizeof(control));
	iov.iov_base = q->buf;
	iov.iov_len = q->len;
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (q->fd != -1) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &q->fd, sizeof(int));
	}
	do {
		n = sendmsg(s, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	return n;
}

/* Sends what waits, in order, until the kernel has no room. */
int
msglink_flush(struct msglink *l)
{
	struct msgq	*q;

	if (l->dead)
		return -1;
	while ((q = l->head) != NULL) {
		if (packet_send(l->fd, q) == -1) {
			if (errno == EAGAIN || errno == ENOBUFS)
				return 1;
			die(l);
			return -1;
		}
		l->head = q->next;
		if (l->head == NULL)
			l->tail = NULL;
		l->queued -= q->len;
		l->fds -= q->fd != -1;
		l->sent += q->count;
		packet_free(q);
	}
	return 0;
}

/* Number of messages in a packet, or -1: heads and lengths must add up. */
static int
packet_count(const uint8_t *p, size_t len)
{
	size_t	 n;
	int	 count;

	for (count = 0; len > 0; count++) {
		if (len < MSG_HEAD || load(p, 2) == 0 || load(p + 2, 2) != 0)
			return -1;
		n = load(p + 4, 4);
		if (n > len - MSG_HEAD)
			return -1;
		p += MSG_HEAD + n;
		len -= MSG_HEAD + n;
	}
	return count == 0 ? -1 : count;
}

/* See msg.h. */
int
msg_packet(const uint8_t *p, size_t len, int fd, msg_fn fn, void *arg)
{
	struct msgr	 r;
	int		 count, i;

	count = packet_count(p, len);
	if (count == -1 || (fd != -1 && count != 1)) {
		if (fd != -1)
			close(fd);
		errno = EBADMSG;
		return -1;
	}
	for (i = 0; i < count; i++) {
		msg_read(&r, load(p, 2), p + MSG_HEAD, load(p + 4, 4));
		p += MSG_HEAD + r.len;
		if (fn(arg, &r, fd) == -1)
			return -1;
	}
	return count;
}

/* Descriptors of a received packet: how many; all closed unless exactly one. */
static int
packet_fds(struct msghdr *mh, int *fd)
{
	struct cmsghdr	*cm;
	int		 fds[FDS_MAX];
	size_t		 i, n;
	int		 total;

	*fd = -1;
	total = 0;
	for (cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > FDS_MAX)
			n = FDS_MAX;
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
		for (i = 0; i < n; i++) {
			if (total++ == 0)
				*fd = fds[i];
			else
				close(fds[i]);
		}
	}
	if (total > 1) {
		close(*fd);
		*fd = -1;
	}
	return total;
}

/*
 * One recvmsg into buf; -1 with errno (EMFILE: a good packet whose descriptor
 * found no number here), 0 at the end, else the length.
 */
static ssize_t
packet_recv(int s, uint8_t *buf, size_t size, int *fd)
{
	union {
		struct cmsghdr	 align;
		uint8_t		 buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct msghdr	 mh;
	struct iovec	 iov;
	ssize_t		 n;
	int		 total, tries;

	*fd = -1;
	tries = 0;
	do {
		memset(&mh, 0, sizeof(mh));
		iov.iov_base = buf;
		iov.iov_len = size;
		mh.msg_iov = &iov;
		mh.msg_iovlen = 1;
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		n = recvmsg(s, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		/* A reset is told before packets that came ahead of it. */
	} while (n == -1 && (errno == EINTR ||
	    (errno == ECONNRESET && tries++ < RESETS_MAX)));
	if (n == -1)
		return -1;
	total = packet_fds(&mh, fd);
	if (total > 1 ||
	    (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		if (*fd != -1)
			close(*fd);
		errno = total == 0 && (mh.msg_flags & MSG_TRUNC) == 0 ?
		    EMFILE : EBADMSG;
		*fd = -1;
		return -1;
	}
	if (n == 0 && *fd != -1)
		close(*fd);
	return n;
}

/*
 * See msg.h.  fn may send on this link; if it closes it, it returns -1 and
 * leaves the structure itself alone.
 */
int
msglink_read(struct msglink *l, int maxpackets, msg_fn fn, void *arg)
{
	uint8_t	 buf[MSG_PACKET] UNSET;
	ssize_t	 n;
	int	 count, fd, total;

	total = 0;
	while (!l->dead && maxpackets-- > 0) {
		n = packet_recv(l->fd, buf, sizeof(buf), &fd);
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1 && errno == EMFILE && l->tolerant) {
			log_warnx("no descriptors left: a message is lost");
			continue;
		}
		count = n <= 0 ? -1 : msg_packet(buf, n, fd, fn, arg);
		if (n > 0)
			explicit_bzero(buf, n);
		if (count == -1) {
			die(l);
			break;
		}
		l->got += count;
		total += count;
	}
	return l->dead ? -1 : total;
}

/* See msg.h. */
int
msg_pair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, fd);
}
