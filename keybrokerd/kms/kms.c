/* SPDX-License-Identifier: ISC */

/*
 * Messages of the kms role: what the parent gives, the one EXCHANGE of the
 * broker, CONNECT to dial and its answer.  Blocking on purpose: there is one
 * thing to do, and every wait has an end.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "common/secret/secret.h"
#include "keybrokerd/kms/kms.h"

#define IDLE	(60 * NS_S)	/* for the broker's EXCHANGE */
#define SLACK	(2 * NS_S)	/* for dial's own "no answer" */

static struct msglink	*parent, dial, broker;
static int		 have_dial, have_broker, quit;
static struct kms	 k;
static uint32_t		 cookie;
static int		 asked;

/* ---- parent ---------------------------------------------------------------- */

static void
on_source(struct msgr *r, int fd)
{
	char	 name[256];
	uint8_t	 kind, mode;

	kind = msg_get_u8(r);
	mode = msg_get_u8(r);
	(void)msg_get_u64(r);
	msg_get_str(r, name, sizeof(name));
	if (msg_end(r) == -1 || (kind != SRC_ENV && kind != SRC_KMS_FILE))
		fatalx("parent: unexpected SOURCE");
	/* fd -1: it is gone, and so was never here. */
	if (fd != -1 && facts_add(kind, mode, name, fd) == -1)
		log_warnx("%s is not usable: unknown, or over 64 KiB", name);
}

static void
on_peer(struct msgr *r, int fd)
{
	struct msglink	*l;
	int		*have;
	uint8_t		 role;

	role = msg_get_u8(r);
	(void)msg_get_u16(r);
	(void)msg_get_u32(r);
	if (msg_end(r) == -1 || fd == -1 || (role != ROLE_DIAL &&
	    role != ROLE_BROKER))
		fatalx("parent: unexpected PEER");
	l = role == ROLE_DIAL ? &dial : &broker;
	have = role == ROLE_DIAL ? &have_dial : &have_broker;
	if (*have)
		msglink_close(l);
	msglink_init(l, fd, 0);
	*have = 1;
}

static int
on_parent(void *arg, struct msgr *r, int fd)
{
	(void)arg;
	if (permit_check(r->type, PL_PR, PD_DOWN, 0, r->len, fd != -1) == -1)
		fatalx("parent: message %s is not for kms",
		    permit_name(r->type));
	switch (r->type) {
	case M_SOURCE:
		on_source(r, fd);
		break;
	case M_PEER:
		on_peer(r, fd);
		break;
	case M_EXIT:
		quit = 1;
		break;
	default:
		fatalx("parent: unexpected %s", permit_name(r->type));
	}
	return 0;
}

/* ---- dial ------------------------------------------------------------------ */

struct wanted {
	uint32_t	 cookie;
	int		 fd, done;
	char		*why;
	size_t		 size;
};

static int
on_dial(void *arg, struct msgr *r, int fd)
{
	struct wanted	*w;
	uint32_t	 c;

	w = arg;
	if (permit_check(r->type, PL_ED, PD_UP, 0, r->len, fd != -1) == -1)
		goto bad;
	c = msg_get_u32(r);
	(void)msg_get_u8(r);
	if (r->type == M_FAILED)
		msg_get_str(r, w->why, w->size);
	if (msg_end(r) == -1 || (r->type == M_CONNECTED) != (fd != -1))
		goto bad;
	if (c != w->cookie || w->done) {	/* one that was given up */
		if (fd != -1)
			close(fd);
		return 0;
	}
	w->done = 1;
	w->fd = fd;
	return 0;
bad:
	if (fd != -1)
		close(fd);
	return -1;
}

/* Waits for the link; -1 when it is dead or the time is over. */
static int
turn(struct msglink *l, uint64_t deadline, msg_fn fn, void *arg)
{
	struct pollfd	 p;
	uint64_t	 now;

	now = poll_now();
	p.fd = l->fd;
	p.events = POLLIN;
	if (now >= deadline ||
	    poll(&p, 1, (int)((deadline - now) / NS_MS) + 1) == 0)
		return -1;
	return msglink_read(l, 1, fn, arg) == -1 ? -1 : 0;
}

int
fetch_connect(struct kms *x, int row, const char *label, uint64_t deadline,
    char *why, size_t size)
{
	static uint32_t	 cookies;
	struct wanted	 w;
	struct msgw	 m;

	w.cookie = ++cookies;
	w.fd = -1;
	w.done = 0;
	w.why = why;
	w.size = size;
	snprintf(why, size, "no connection to %s in time",
	    x->targets.t[row].host);
	if (!have_dial) {
		strlcpy(why, "there is no dial", size);
		return -1;
	}
	msg_open(&m, M_CONNECT);
	msg_put_u32(&m, w.cookie);
	msg_put_u16(&m, (uint16_t)(KMS_TARGET | row));
	msg_put_str(&m, label);
	if (msg_send(&dial, &m, -1) == -1 || msglink_flush(&dial) == -1) {
		strlcpy(why, "dial is gone", size);
		return -1;
	}
	while (!w.done)
		if (turn(&dial, deadline, on_dial, &w) == -1)
			break;
	return w.fd;
}

/* ---- broker ----------------------------------------------------------------- */

static const uint8_t *
keep(struct msgr *r, size_t max, size_t *len)
{
	const uint8_t	*p;

	p = msg_get_blob(r, max, len);
	return p == NULL ? NULL : (uint8_t *)arena_dup(p, *len);
}

static int
on_broker(void *arg, struct msgr *r, int fd)
{
	uint32_t	 ms;

	(void)arg;
	if (permit_check(r->type, PL_BK, PD_DOWN, 0, r->len, fd != -1) == -1)
		fatalx("broker: message %s is not for kms",
		    permit_name(r->type));
	cookie = msg_get_u32(r);
	k.op = msg_get_u8(r);
	msg_get_str(r, k.uritext, sizeof(k.uritext));
	msg_get_str(r, k.version, sizeof(k.version));
	k.wrapped = keep(r, KMS_WRAPPED_MAX, &k.wrappedlen);
	k.context = keep(r, KMS_CONTEXT_MAX, &k.contextlen);
	k.key = keep(r, KMS_KEY_LEN, &k.keylen);
	ms = msg_get_u32(r);
	if (msg_end(r) == -1 || k.op == 0 || k.op >= KMS_OP_MAX)
		fatalx("broker: malformed EXCHANGE");
	if (ms == 0 || ms > KMS_EXCHANGE_MS)
		ms = KMS_EXCHANGE_MS;
	k.deadline = poll_now() + ms * NS_MS;
	asked = 1;
	return 0;
}

static void
serve(void)
{
	static struct msgw	 w;
	enum proto_kms_class	 class;
	uint64_t		 until;

	class = kmsuri_parse(&k.uri, k.uritext, k.text, sizeof(k.text)) == -1 ?
	    KC_CONFIG : kmsrun_exchange(&k);
	kmsrun_result(&k, cookie, class, &w);
	(void)msg_send(&broker, &w, -1);
	secret_wipe(&w, sizeof(w));
	arena_wipe();
	until = poll_now() + SLACK;
	while (msglink_flush(&broker) == 1 && poll_now() < until)
		poll(NULL, 0, 1);
	msglink_close(&broker);
}

int
kms_loop(struct msglink *channel, const struct kms_targets *targets)
{
	uint64_t	 until;

	parent = channel;
	k.targets = *targets;
	until = poll_now() + IDLE;
	while (!quit && !have_broker)
		if (turn(parent, until, on_parent, NULL) == -1)
			return 0;
	while (!quit && !asked)
		if (turn(&broker, until, on_broker, NULL) == -1)
			return 0;
	if (!quit)
		serve();
	return 0;
}
