/* SPDX-License-Identifier: ISC */
/*
 * Frames of the egress on their way to the client.  Its word on status, fields
 * and length is checked again, since a broken egress must not be able to speak
 * to the client in our name (ids, receipts, framing).  The body passes through
 * usage.c, which reads what it costs and may withhold the one chunk that we
 * asked for.
 */
#include <strings.h>

#include "common/compat/compat.h"
#include "common/proc/poll.h"
#include "proxyd/worker/worker.h"

#define NITEMS(a)	(sizeof(a) / sizeof((a)[0]))

/* Names that an egress sends on (field.c gives them); all else is dropped. */
static const char *const names[] = {
	"content-type", "openai-model", "openai-processing-ms",
	"openai-version", "x-upstream-request-id", "retry-after",
	"retry-after-ms", "x-should-retry",
};

static void
bad_frame(struct conn *c)
{
	struct problem	 p;

	reply_problem(&p, RC_UPSTREAM, "The gateway's sending side spoke "
	    "nonsense; try again.");
	stream_cut(c, END_FRAMING, &p);
}

/* Body bytes for the client, in its coding. */
void
relay_bytes(struct conn *c, const void *p, size_t n)
{
	char		 line[CHUNK_HEAD_MAX];
	struct call	*k;

	if (n == 0)
		return;
	k = c->call;
	if (k->chunked)
		wbuf_add(&c->out, line, chunk_head(line, n));
	wbuf_add(&c->out, p, n);
	if (k->chunked)
		wbuf_str(&c->out, "\r\n");
	k->given += n;
}

static void
pass(void *arg, const uint8_t *p, size_t n)
{
	struct call	*k;

	k = arg;
	wbuf_add(&k->burst, p, n);
}

/* What usage let pass goes out as one burst. */
static void
send_burst(struct conn *c)
{
	struct call	*k;

	k = c->call;
	relay_bytes(c, wbuf_bytes(&k->burst), k->burst.len);
	c->out.bad |= k->burst.bad;
	wbuf_drain(&k->burst, k->burst.len);
}

static int
known(const uint8_t *p, size_t n)
{
	size_t	 i;

	for (i = 0; i < NITEMS(names); i++)
		if (strlen(names[i]) == n && memcmp(names[i], p, n) == 0)
			return 1;
	return 0;
}

/* Fields of HEAD behind ours; -1: not what a head can hold. */
static int
copy_fields(struct conn *c, struct msgr *r)
{
	const uint8_t	*name, *value;
	size_t		 namelen, len;
	unsigned int	 n;

	for (n = msg_get_u8(r); n > 0; n--) {
		name = msg_get_strv(r, 64, &namelen);
		value = msg_get_strv(r, FIELD_VALUE_MAX, &len);
		if (name == NULL || value == NULL)
			return -1;
		if (!known(name, namelen) || !field_is_value(value, len))
			continue;
		wbuf_add(&c->out, name, namelen);
		wbuf_str(&c->out, ": ");
		wbuf_add(&c->out, value, len);
		wbuf_str(&c->out, "\r\n");
	}
	return msg_end(r);
}

/* Whatever its fields say, a client reads no body behind these (RFC 9112 6.3). */
static int
is_bare(const struct call *k)
{
	return k->status == 204 || k->status == 304;
}

/* How the body will end for this client. */
static void
choose_coding(struct conn *c, uint8_t flags, uint64_t length)
{
	struct call	*k;

	k = c->call;
	if (is_bare(k)) {
		flags = 0;
		length = 0;
	}
	k->events = (flags & LF_EVENTS) != 0;
	k->lengthed = !k->events && (flags & LF_UNKNOWN_LENGTH) == 0 &&
	    length != UINT64_MAX;
	k->length = length;
	k->chunked = !k->lengthed && c->minor > 0;
	if (!k->lengthed && !k->chunked)
		c->keep = 0;
}

static void
on_head(struct conn *c, const struct link_frame *f)
{
	struct reply_meta m;
	struct msgr	 r;
	struct call	*k;
	uint64_t	 length, no;
	uint8_t		 flags;

	k = c->call;
	msg_read(&r, M_NONE, f->data, f->len);
	no = msg_get_u64(&r);
	k->status = msg_get_u16(&r);
	flags = msg_get_u8(&r);
	length = msg_get_u64(&r);
	if (r.bad || no != k->no || k->started || k->status < 200 ||
	    k->status > 599) {
		bad_frame(c);
		return;
	}
	choose_coding(c, flags, length);
	conn_meta(c, &m);
	reply_head(&c->out, &m, k->status);
	k->started = 1;
	c->state = C_RELAY;
	k->last = poll_now();
	usage_init(&k->usage, k->route->shape, k->events ? USAGE_SSE :
	    USAGE_JSON, (k->flags & CF_USAGE) != 0, pass, k);
	k->usable = 1;
	if (copy_fields(c, &r) == -1) {
		/* Half a head is out of the question: nothing of it leaves. */
		conn_kill(c);
		return;
	}
	if (k->lengthed && !is_bare(k)) {
		wbuf_str(&c->out, "content-length: ");
		wbuf_u64(&c->out, length);
		wbuf_str(&c->out, "\r\n");
	} else if (k->chunked)
		wbuf_str(&c->out, "transfer-encoding: chunked\r\n");
	wbuf_str(&c->out, "\r\n");
}

static void
on_data(struct conn *c, const struct link_frame *f)
{
	struct problem	 p;
	struct call	*k;
	int		 bad;

	k = c->call;
	if (!k->started || (k->lengthed && f->len > k->length - k->got)) {
		bad_frame(c);
		return;
	}
	k->got += f->len;
	k->last = poll_now();
	bad = usage_feed(&k->usage, f->data, f->len) == -1;
	send_burst(c);
	if (!bad)
		return;
	reply_problem(&p, RC_UPSTREAM, "The provider's stream could not be "
	    "read.");
	stream_cut(c, END_FRAMING, &p);
}

static void
on_end(struct conn *c, const struct link_frame *f)
{
	struct problem	 p;
	struct call	*k;
	uint8_t		 end;

	k = c->call;
	end = f->len == 1 ? f->data[0] : END_FRAMING;
	k->spent = 1;
	if (!k->started || end >= END_MAX) {
		bad_frame(c);
		return;
	}
	usage_end(&k->usage);
	send_burst(c);
	if (end == END_OK && ((k->lengthed && k->got != k->length) ||
	    (k->events && k->status < 300 && !usage_clean(&k->usage))))
		end = END_TRUNCATED;
	if (end != END_OK) {
		reply_problem(&p, end == END_TIMEOUT ? RC_TIMEOUT :
		    RC_UPSTREAM, "The provider ended its answer in the "
		    "middle.");
		stream_cut(c, end, &p);
		return;
	}
	if (k->chunked)
		wbuf_str(&c->out, CHUNK_LAST);
	stream_done(c);
}

static void
on_error(struct conn *c, const struct link_frame *f)
{
	struct problem	 p;
	struct msgr	 r;
	struct call	*k;
	uint64_t	 no;
	uint16_t	 status;
	uint8_t		 end;

	k = c->call;
	msg_read(&r, M_NONE, f->data, f->len);
	no = msg_get_u64(&r);
	end = msg_get_u8(&r);
	status = msg_get_u16(&r);
	msg_get_str(&r, k->text, sizeof(k->text));
	if (msg_end(&r) == -1 || no != k->no || end >= END_MAX) {
		bad_frame(c);
		return;
	}
	k->spent = 1;
	/* The broker did it; its CUT, which says why, was sent before. */
	if (end == END_CUT)
		return;
	reply_problem(&p, status == 504 ? RC_TIMEOUT : RC_UPSTREAM,
	    k->text[0] == '\0' ? "The provider could not be reached." :
	    k->text);
	if (status >= 500 && status <= 599)
		p.status = status;
	p.noretry = end == END_AUTH || end == END_MISMATCH;
	if (!k->started)
		k->status = p.status;
	stream_cut(c, end == END_OK ? END_FRAMING : end, &p);
}

/* One frame of the call's link; the call may be gone afterwards. */
void
relay_frame(struct conn *c, const struct link_frame *f)
{
	switch (f->type) {
	case LF_HEAD:
		on_head(c, f);
		break;
	case LF_DATA:
		on_data(c, f);
		break;
	case LF_END:
		on_end(c, f);
		break;
	case LF_ERROR:
		on_error(c, f);
		break;
	default:
		bad_frame(c);
		break;
	}
}
