/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of a signature: a handshake asks, tlskey answers, the loop
 * stands still for at most 250 ms that the machine gave it.  After a time-out
 * handshakes fail at once for a second or until its answer comes, so that a
 * dead tlskey costs running answers little.  Believes tlskey with the signature
 * only, which the client checks anyway.
 */
#include <poll.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

#define MUTE		(1 * NS_S)
#define LOOK		(10 * NS_MS)
#define SIGNER_QUEUE	65536

/* The library's hooks have no argument: who asks, and with which certificate. */
static struct {
	struct worker	*worker;
	const uint8_t	*name;
} use;

/* The one question that is open. */
static struct {
	uint32_t	 cookie;
	int		 open;
	uint8_t		 error;
	uint8_t		 sig[SIGN_BYTES];
	size_t		 len;
} ask;

/* What follows is for this certificate; NULL: for none. */
void
signer_use(struct worker *w, const uint8_t *name)
{
	use.worker = w;
	use.name = name;
}

/* A late answer is dropped, but tlskey is alive: it is asked again. */
static int
signed_fn(void *arg, struct msgr *r, int fd)
{
	struct worker	*w;
	const uint8_t	*p;
	uint32_t	 cookie;
	uint8_t		 error;
	size_t		 len;

	w = arg;
	if (fd != -1)
		close(fd);
	if (permit_check(r->type, PL_WT, PD_DOWN, 0, r->len, fd != -1) == -1)
		return -1;
	cookie = msg_get_u32(r);
	error = msg_get_u8(r);
	p = msg_get_blob(r, SIGN_BYTES, &len);
	if (msg_end(r) == -1)
		return -1;
	w->mute = 0;
	if (!ask.open || cookie != ask.cookie)
		return 0;
	ask.open = 0;
	ask.error = error;
	ask.len = len;
	memcpy(ask.sig, p, len);
	return 0;
}

void
signer_drop(struct worker *w)
{
	if (w->tlskey.fd == -1)
		return;
	event_del(&w->tlskey_in);
	msglink_close(&w->tlskey);
	w->tlskey.fd = -1;
}

static void
on_tlskey(evutil_socket_t fd, short what, void *arg)
{
	struct worker	*w;

	(void)fd;
	(void)what;
	w = arg;
	if (msglink_read(&w->tlskey, 4, signed_fn, w) == -1) {
		log_warnx("tlskey is gone: no new TLS connection until it is "
		    "back");
		signer_drop(w);
	}
}

/* A fresh link takes the place of the old one. */
void
signer_peer(struct worker *w, int fd)
{
	signer_drop(w);
	msglink_init(&w->tlskey, fd, SIGNER_QUEUE);
	w->mute = 0;
	event_assign(&w->tlskey_in, w->base, fd, EV_READ | EV_PERSIST,
	    on_tlskey, w);
	if (event_add(&w->tlskey_in, NULL) == -1)
		fatalx("event_add of tlskey's link");
}

/*
 * Sends, then reads until the answer is there.  -1: link lost; 0 time is up.
 * The time is counted in looks and not by the clock: a look that a busy machine
 * kept from us kept tlskey from its work as well, and is one look.
 */
static int
await(struct worker *w)
{
	struct pollfd	 pfd;
	uint64_t	 left;
	int		 r;

	for (left = DL_SIGN / LOOK; ask.open; left--) {
		if ((r = msglink_flush(&w->tlskey)) == -1)
			return -1;
		if (left == 0)
			return 0;
		pfd.fd = w->tlskey.fd;
		pfd.events = (short)(POLLIN | (r == 1 ? POLLOUT : 0));
		(void)poll(&pfd, 1, (int)(LOOK / NS_MS));
		if (msglink_read(&w->tlskey, 4, signed_fn, w) == -1)
			return -1;
	}
	return 1;
}

/*
 * Signs data (see SIGN in proto.h) for the certificate in use: the length of
 * the signature in out[max], or -1.
 */
int
signer_sign(enum proto_sign what, const void *data, size_t len, uint8_t *out,
    size_t max)
{
	static struct msgw m;
	struct worker	*w;
	int		 r;

	w = use.worker;
	if (w == NULL || use.name == NULL || w->tlskey.fd == -1 ||
	    poll_now() < w->mute)
		return -1;
	ask.cookie++;
	ask.open = 1;
	msg_open(&m, M_SIGN);
	msg_put_u32(&m, ask.cookie);
	msg_put_raw(&m, use.name, TLSIO_NAME);
	msg_put_u8(&m, (uint8_t)what);
	msg_put_blob(&m, data, len);
	r = msg_send(&w->tlskey, &m, -1) == -1 ? -1 : await(w);
	ask.open = 0;
	if (r == -1)
		signer_drop(w);
	if (r == 0) {
		w->mute = poll_now() + MUTE;
		log_warnx("tlskey does not answer: handshakes fail for a second");
	}
	if (r != 1 || ask.error != SIGNERR_NONE || ask.len > max)
		return -1;
	memcpy(out, ask.sig, ask.len);
	return (int)ask.len;
}
