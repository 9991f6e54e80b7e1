/* SPDX-License-Identifier: ISC */
/*
 * The link's side of a call: OPEN, the body in frames, and the frames that come
 * back.  Nothing longer than the egress may hold goes out before ALLOW, and no
 * answer is read before it.  While the client's queue is long the link is not
 * read, so the kernel holds the provider back.  The egress is less trusted: a
 * bad frame costs this call, never the process.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

#define STREAM_FRAMES	17	/* of a write: EGRESS_HOLD and END */
#define STREAM_READS	8	/* a turn, then others have theirs */

/* What one write takes, and where the body stood before each frame of it. */
struct batch {
	struct iovec	 iov[1 + 2 * STREAM_FRAMES];
	uint8_t		 heads[STREAM_FRAMES][LINK_HEAD];
	struct {
		struct edit_iter	 iter;
		struct edit_piece	 piece;
	}		 before[STREAM_FRAMES];
	int		 n, frames;
	size_t		 len;
};

static void
frame(struct wlink *l, enum link_type type, const void *p, size_t n)
{
	uint8_t	 head[LINK_HEAD];

	link_head(head, type, 0, n);
	wbuf_add(&l->out, head, sizeof(head));
	wbuf_add(&l->out, p, n);
}

/* May the body travel now? */
int
stream_maysend(const struct conn *c)
{
	return c->call->allowed || c->call->size <= EGRESS_HOLD;
}

/* OPEN with the fields that pass, and the body's iterator. */
void
stream_open(struct conn *c)
{
	static struct msgw m;
	struct call	*k;
	unsigned int	 i, n;

	k = c->call;
	k->opened = 1;
	k->link->last = k->no;
	msg_open(&m, M_NONE);
	msg_put_u64(&m, k->no);
	msg_put_u64(&m, k->size);
	for (i = n = 0; i < FIELD_NPASS; i++)
		n += k->ask->pass[i] != NULL;
	msg_put_u8(&m, n);
	for (i = 0; i < FIELD_NPASS; i++) {
		if (k->ask->pass[i] == NULL)
			continue;
		msg_put_str(&m, field_pass_name(i));
		msg_put_str(&m, k->ask->pass[i]);
	}
	frame(k->link, LF_OPEN, m.buf, m.len);
	edit_begin(&k->ask->iter, &k->ask->edit, k->body.buf.len);
}

/* Writes what is queued; -1: the link has ended. */
static int
push(struct wlink *l)
{
	ssize_t	 n;

	while (l->writable && l->out.len > 0) {
		n = send(l->fd, wbuf_bytes(&l->out), l->out.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			l->writable = 0;
			break;
		}
		if (n == -1)
			return -1;
		wbuf_drain(&l->out, n);
	}
	return l->out.bad ? -1 : 0;
}

/* A frame whose bytes stay where they are until it is written. */
static void
add(struct batch *b, enum link_type type, const void *p, size_t n)
{
	link_head(b->heads[b->frames], type, 0, n);
	b->iov[b->n].iov_base = b->heads[b->frames];
	b->iov[b->n++].iov_len = LINK_HEAD;
	b->iov[b->n].iov_base = (void *)(uintptr_t)p;
	b->iov[b->n++].iov_len = n;
	b->len += LINK_HEAD + n;
	b->frames++;
}

/*
 * Next frame of the body, or END.  The first one is so long that the other
 * side takes it with what is ahead of it in one read.
 */
static void
body_frame(struct conn *c, struct batch *b)
{
	struct edit_piece *p;
	struct call	*k;
	size_t		 most, n;

	k = c->call;
	p = &k->ask->piece;
	b->before[b->frames].iter = k->ask->iter;
	b->before[b->frames].piece = *p;
	if (p->len == 0 && !edit_next(&k->ask->iter, p)) {
		add(b, LF_END, NULL, 0);
		k->ended = 1;
		return;
	}
	most = b->frames == 0 && b->len < LINK_DATA ? LINK_DATA - b->len :
	    LINK_DATA;
	n = p->len > most ? most : (size_t)p->len;
	if (p->text != NULL) {
		add(b, LF_DATA, p->text, n);
		p->text += n;
	} else {
		add(b, LF_DATA, wbuf_bytes(&k->body.buf) + p->off, n);
		p->off += n;
	}
	p->len -= n;
}

/* What is queued, and frames of the body behind it. */
static void
gather(struct conn *c, struct batch *b)
{
	struct wlink	*l;

	l = c->call->link;
	b->frames = b->n = 0;
	b->len = l->out.len;
	if (l->out.len > 0) {
		b->iov[0].iov_base = (void *)(uintptr_t)wbuf_bytes(&l->out);
		b->iov[0].iov_len = l->out.len;
		b->n = 1;
	}
	while (!c->call->ended && b->frames < STREAM_FRAMES)
		body_frame(c, b);
}

/* The body goes on with frame i of the batch. */
static void
go_back(struct call *k, const struct batch *b, int i)
{
	if (i == b->frames)
		return;
	k->ask->iter = b->before[i].iter;
	k->ask->piece = b->before[i].piece;
	k->ended = 0;
}

/* n bytes of the batch were written: the rest of a frame is queued. */
static void
settle(struct conn *c, const struct batch *b, size_t n)
{
	const struct iovec *v;
	struct call	*k;
	struct wbuf	*out;
	size_t		 head;
	int		 i;

	k = c->call;
	out = &k->link->out;
	v = b->iov + (out->len > 0);
	if (n < out->len) {
		wbuf_drain(out, n);
		go_back(k, b, 0);
		return;
	}
	n -= out->len;
	if (out->len > 0)
		wbuf_drain(out, out->len);
	for (i = 0; i < b->frames && n >= LINK_HEAD + v[1].iov_len; i++) {
		n -= LINK_HEAD + v[1].iov_len;
		v += 2;
	}
	if (i < b->frames && n > 0) {
		head = n < LINK_HEAD ? n : LINK_HEAD;
		wbuf_add(out, (uint8_t *)v[0].iov_base + head,
		    LINK_HEAD - head);
		wbuf_add(out, (uint8_t *)v[1].iov_base + (n - head),
		    v[1].iov_len - (n - head));
		i++;
	}
	go_back(k, b, i);
}

/* As much of the body as the socket takes at once; -1: the link has ended. */
static int
send_batch(struct conn *c)
{
	static struct batch b;
	struct msghdr	 mh;
	struct wlink	*l;
	ssize_t		 n;

	l = c->call->link;
	gather(c, &b);
	memset(&mh, 0, sizeof(mh));
	mh.msg_iov = b.iov;
	mh.msg_iovlen = b.n;
	do {
		n = sendmsg(l->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	if (n == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return -1;
	settle(c, &b, n == -1 ? 0 : (size_t)n);
	if (n == -1 || (size_t)n < b.len)
		l->writable = 0;
	if (c->call->ended)
		body_free(c->worker, &c->call->body);
	return l->out.bad ? -1 : 0;
}

static void
send_body(struct conn *c)
{
	struct call	*k;
	int		 r;

	k = c->call;
	if (!k->opened)
		stream_open(c);
	r = 0;
	while (r == 0 && !k->ended && k->link->writable)
		r = send_batch(c);
	if (r == 0)
		r = push(k->link);
	/* A dead link shows on the reading side. */
	if (r == -1) {
		wbuf_free(&k->link->out);
		k->ended = 1;
	}
}

/* 1 bytes, 0 nothing now, -1 ended.  A read that was not filled took all. */
static int
pull(struct wlink *l)
{
	uint8_t	*p;
	size_t	 room;
	ssize_t	 n;

	p = link_room(pool_reader(l), &room);
	if (room == 0)
		return 1;
	do {
		n = recv(l->fd, p, room, MSG_DONTWAIT);
	} while (n == -1 && errno == EINTR);
	if (n > 0) {
		link_got(l->in, n);
		l->readable = (size_t)n == room;
		return 1;
	}
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		l->readable = 0;
		return 0;
	}
	return -1;
}

static void
link_failed(struct conn *c, const char *text)
{
	struct problem	 p;

	reply_problem(&p, RC_UPSTREAM, text);
	stream_cut(c, END_LOST, &p);
}

/* Frames that are here; 0 when the call has ended with one of them. */
static int
take_frames(struct conn *c)
{
	struct link_frame f;
	struct wlink	*l;
	struct call	*k;
	int		 r;

	k = c->call;
	l = k->link;
	k->blocked = 0;
	for (;;) {
		if (c->out.len >= c->worker->lim.high) {
			k->blocked = 1;
			return 1;
		}
		r = l->in == NULL ? 0 : link_next(l->in, &f);
		if (r == 0)
			return 1;
		if (r == -1) {
			link_failed(c, "The gateway's sending side spoke "
			    "nonsense; try again.");
			return 0;
		}
		relay_frame(c, &f);
		if (c->call != k || k->link != l)
			return 0;
	}
}

static void
read_frames(struct conn *c, struct wlink *l)
{
	int		 n;

	for (n = 0; n < STREAM_READS; n++) {
		if (!take_frames(c) || c->out.len >= c->worker->lim.high)
			return;
		if (!l->readable)
			return;
		switch (pull(l)) {
		case 0:
			return;
		case -1:
			link_failed(c, "The gateway's connection to the "
			    "provider's side was lost; try again.");
			return;
		}
	}
	/* What is left is told of again, after the others had their turn. */
	if (take_frames(c))
		l->readable = 0;
}

static void
read_answer(struct conn *c)
{
	struct wlink	*l;
	struct call	*k;

	k = c->call;
	l = k->link;
	read_frames(c, l);
	if (pool_slim(l) == -1 && c->call == k && k->link == l)
		link_failed(c, "The gateway is out of memory.");
}

/* Both directions, as far as they go now. */
void
stream_run(struct conn *c)
{
	struct wlink	*l;
	struct call	*k;

	k = c->call;
	if (k == NULL || k->link == NULL)
		return;
	l = k->link;
	if (stream_maysend(c))
		send_body(c);
	if (k->ended && k->allowed)
		intake_forget(k);
	if (c->state == C_SENT || c->state == C_RELAY)
		read_answer(c);
	pool_watch(l);	/* freed not before the end of the turn */
}

/* Gives the link back, or closes it where the egress may be in the middle. */
static void
let_go(struct conn *c)
{
	struct wlink	*l;
	struct call	*k;

	k = c->call;
	l = k->link;
	if (l == NULL)
		return;
	k->link = NULL;
	if (k->opened && l->out.len == 0 && !(k->ended &&
	    (k->spent || k->denied))) {
		frame(l, LF_ABORT, NULL, 0);
		push(l);
	}
	/*
	 * Nothing was released of a call that was denied, so the link is as
	 * good as new once the egress knows the end of its body.  After a
	 * cancelled one RELEASE may be on its way: that link is not used again.
	 */
	if (l->out.len == 0 && (!k->opened || k->denied ||
	    (k->ended && k->spent)))
		pool_idle(l);
	else
		pool_kill(l);
}

/* The answer's body is complete in the client's queue: all is well. */
void
stream_done(struct conn *c)
{
	ask_outcome(c, END_OK);
	let_go(c);
	conn_next(c);
}

/* The error event behind what the client already has. */
static void
say_in_stream(struct conn *c, const struct problem *p)
{
	struct wbuf	 b = { NULL, 0, 0, 0, 0 };
	struct call	*k;

	k = c->call;
	if (!k->events || k->usage.terminated)
		return;
	if (k->given > 0 && !usage_between(&k->usage))
		wbuf_str(&b, "\n\n");
	reply_event(&b, k->route->shape, p);
	if (!b.bad)
		relay_bytes(c, wbuf_bytes(&b), b.len);
	wbuf_free(&b);
}

/*
 * The call ends here without a complete answer.  Before the answer's head the
 * client gets the problem as an answer; afterwards a stream gets the dialect's
 * error event, and no coding is ever completed.
 */
void
stream_cut(struct conn *c, enum proto_end end, const struct problem *p)
{
	struct call	*k;

	k = c->call;
	if (k == NULL || c->state == C_DEAD)
		return;
	if (!k->started) {
		ask_outcome(c, end);
		let_go(c);
		conn_fail(c, p);
		return;
	}
	say_in_stream(c, p);
	ask_outcome(c, end);
	let_go(c);
	c->keep = 0;
	c->reset = !k->chunked && !k->lengthed;
	conn_next(c);
}

/* The client is gone: the egress must close the provider's connection now. */
void
stream_abort(struct conn *c)
{
	let_go(c);
}

/* A comment, or Anthropic's ping, into a quiet stream between two events. */
void
stream_ping(struct conn *c)
{
	static const char comment[] = ": ping\n\n";
	static const char ping[] = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
	struct call	*k;

	k = c->call;
	k->last = poll_now();
	if (!k->events || c->out.len > 0 || !usage_between(&k->usage))
		return;
	if (k->route->shape == FACT_MESSAGES)
		relay_bytes(c, ping, sizeof(ping) - 1);
	else
		relay_bytes(c, comment, sizeof(comment) - 1);
}

/* Is there something of the egress to be taken? */
int
stream_waiting(const struct conn *c)
{
	const struct wlink *l;

	l = c->call->link;
	return l != NULL && (l->readable || c->call->blocked);
}
