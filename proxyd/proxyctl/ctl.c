/* SPDX-License-Identifier: ISC */
/*
 * The control socket's client side: find it, ask, read ANSWER rows.  Believes
 * what the socket's owner says, since that is root or the gateway's own user.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "proxyd/proxyctl/proxyctl.h"

#define ANSWER_MS	90000	/* a rotation asks a KMS, twice */

static uint32_t	 cookie = 1;

static int
usable(const char *path)
{
	struct stat	 st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* -S, $PROXYD_CONTROL, ./run if it is ours, the user's, the system's (M15). */
int
ctl_find(char *path, size_t size, const char *given)
{
	struct stat	 st;
	const char	*v;

	if (given == NULL)
		given = getenv("PROXYD_CONTROL");
	if (given != NULL && *given != '\0') {
		strlcpy(path, given, size);
		return 0;
	}
	strlcpy(path, "run/ctl.sock", size);
	if (stat("run", &st) == 0 && st.st_uid == geteuid() && usable(path))
		return 0;
	if ((v = getenv("XDG_RUNTIME_DIR")) != NULL && *v == '/') {
		snprintf(path, size, "%s/proxyd/ctl.sock", v);
		if (usable(path))
			return 0;
	}
	if ((v = getenv("HOME")) != NULL && geteuid() != 0) {
		snprintf(path, size, "%s/.local/state/proxyd/ctl.sock", v);
		if (usable(path))
			return 0;
	}
	strlcpy(path, "/run/proxyd/ctl.sock", size);
	return usable(path) ? 0 : -1;
}

int
ctl_connect(const char *path)
{
	struct sockaddr_un	 sun;
	int			 fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

void
ctl_open(struct msgw *w, uint16_t type)
{
	msg_open(w, type);
	msg_put_u32(w, cookie++);
	if (type >> 8 == M_ADMIN_STATUS >> 8) {
		msg_put_str(w, "");	/* token: the uid speaks */
		msg_put_str(w, "");	/* source */
	}
}

int
ctl_send(int fd, struct msgw *w)
{
	uint8_t	 packet[MSG_PACKET];
	ssize_t	 n;

	if (w->bad)
		return -1;
	packet[0] = (uint8_t)(w->type >> 8);
	packet[1] = (uint8_t)w->type;
	packet[2] = packet[3] = 0;
	packet[4] = (uint8_t)(w->len >> 24);
	packet[5] = (uint8_t)(w->len >> 16);
	packet[6] = (uint8_t)(w->len >> 8);
	packet[7] = (uint8_t)w->len;
	memcpy(packet + MSG_HEAD, w->buf, w->len);
	n = send(fd, packet, MSG_HEAD + w->len, MSG_NOSIGNAL);
	explicit_bzero(packet, sizeof(packet));
	return n == -1 ? -1 : 0;
}

static int
parse_answer(struct msgr *m, struct answer *a)
{
	const uint8_t	*p;
	size_t		 i, len, used;

	(void)msg_get_u32(m);
	a->status = msg_get_u16(m);
	a->more = msg_get_u8(m);
	a->n = msg_get_u16(m);
	if (a->n > CTL_FIELDS)
		return -1;
	for (i = used = 0; i < a->n; i++) {
		p = msg_get_strv(m, sizeof(a->buf), &len);
		if (p == NULL || len + 1 > sizeof(a->buf) - used)
			return -1;
		memcpy(a->buf + used, p, len);
		a->f[i] = a->buf + used;
		used += len;
		a->buf[used++] = '\0';
	}
	return msg_end(m);
}

/* Packets may hold several answers: they are taken one by one. */
int
ctl_answer(int fd, struct answer *a)
{
	static uint8_t	 packet[MSG_PACKET];
	static size_t	 have, off;
	struct msgr	 m;
	struct pollfd	 pfd;
	ssize_t		 n;
	uint32_t	 len;

	if (off == have) {
		pfd.fd = fd;
		pfd.events = POLLIN;
		if (poll(&pfd, 1, ANSWER_MS) <= 0)
			return -1;
		n = recv(fd, packet, sizeof(packet), 0);
		if (n <= 0)
			return -1;
		have = (size_t)n;
		off = 0;
	}
	if (have - off < MSG_HEAD)
		return -1;
	len = (uint32_t)packet[off + 4] << 24 | (uint32_t)packet[off + 5] << 16 |
	    (uint32_t)packet[off + 6] << 8 | packet[off + 7];
	if (len > have - off - MSG_HEAD || (packet[off] << 8 |
	    packet[off + 1]) != M_ANSWER)
		return -1;
	msg_read(&m, M_ANSWER, packet + off + MSG_HEAD, len);
	off += MSG_HEAD + len;
	return parse_answer(&m, a);
}
