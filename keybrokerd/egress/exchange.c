/* SPDX-License-Identifier: ISC */

/*
 * One released call: request out, answer back.  The credential is read from
 * its secret only into another secret, from which it is sent.  A request is
 * never repeated once its tail may have left; a connection is used again only
 * after a complete request and a complete answer with nothing behind it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/proc/poll.h"
#include "keybrokerd/egress/egress.h"

#define TRIES	3	/* connections that died before a byte was written */
#define PIECE	65536	/* body bytes offered to the socket at once */

struct exchange *
exchange_new(const struct release *r, struct mask_key *key)
{
	struct exchange	*x;

	x = calloc(1, sizeof(*x));
	if (x == NULL)
		fatalx("out of memory");
	x->rel = *r;
	x->rel.cred = NULL;
	x->key = key;
	mask_init(&x->mask, key);
	sha256_init(&x->down);
	answer_init(&x->ans, strcmp(r->method, "HEAD") == 0, r->limit);
	return x;
}

static void
unsend(struct exchange *x)
{
	buf_reset(&x->lead);
	secret_free(&x->head);
	x->headoff = 0;
	x->again = 0;
}

/* ---- ends -------------------------------------------------------------- */

static void
put_error(struct lane *l, int end, unsigned int status, const char *text)
{
	uint8_t		 p[13 + EGRESS_TEXT] UNSET;
	uint64_t	 no;
	size_t		 n;
	int		 i;

	no = l->x->rel.no;
	n = strlen(text);
	if (n > EGRESS_TEXT)
		n = EGRESS_TEXT;
	for (i = 0; i < 8; i++)
		p[i] = (uint8_t)(no >> (56 - 8 * i));
	p[8] = (uint8_t)end;
	p[9] = (uint8_t)(status >> 8);
	p[10] = (uint8_t)status;
	p[11] = (uint8_t)(n >> 8);
	p[12] = (uint8_t)n;
	memcpy(p + 13, text, n);
	lane_frame(l, LF_ERROR, p, 13 + n);
}

/* Body bytes for the worker, as they leave the mask. */
static void
put_body(struct lane *l, const uint8_t *p, size_t n)
{
	size_t	 part;

	sha256_update(&l->x->down, p, n);
	for (; n > 0; n -= part, p += part) {
		part = n > LINK_DATA ? LINK_DATA : n;
		lane_frame(l, LF_DATA, p, part);
	}
}

static void
last_frame(struct lane *l, int end, unsigned int status, const char *text)
{
	uint8_t	 rest[CREDENTIAL_MAX] UNSET, e;

	if (!l->x->matched)
		return;
	if (status != 0) {
		put_error(l, end, status, text);
		return;
	}
	put_body(l, rest, mask_end(&l->x->mask, rest));
	e = (uint8_t)end;
	lane_frame(l, LF_END, &e, 1);
}

void
exchange_end(struct lane *l, int end, int closer, int keep,
    unsigned int status, const char *text)
{
	static const uint8_t	 none[SHA256_LEN];
	struct exchange		*x;
	int			 matched, started;

	x = l->x;
	matched = x->matched;
	started = x->started;
	if (!l->dead)
		last_frame(l, end, status, text);
	x->echoes += x->mask.count;
	egress_done(&x->rel, x, end, closer, x->parked ? x->sent :
	    matched ? l->tail.passed : 0, matched && l->tail.ok ? l->tail.want : none, text);
	if (x->rel.no > l->settled)
		l->settled = x->rel.no;
	l->x = NULL;
	unsend(x);
	answer_wipe(&x->ans);
	egress_unkey(x->key);
	free(x);
	egress_count(-1);
	l->used = poll_now();
	if (started && !keep)
		lane_disconnect(l, end, text);
	else if (l->state == LANE_UP)
		upstream_want(l->up, 1, 0);
	if (matched)
		lane_discard(l);
	if (l->fd == -1) {
		lane_close(l, "its only call is over");
		return;
	}
	lane_flush(l);
	lane_arm(l);
}

static void
fail(struct lane *l, int end, int closer, unsigned int status,
    const char *what)
{
	char	 text[EGRESS_TEXT];

	snprintf(text, sizeof(text), "provider %s: %s", egress_conf.name,
	    what);
	exchange_end(l, end, closer, 0, status, text);
}

void
exchange_nocon(struct lane *l, int end, const char *text)
{
	fail(l, end, end == END_CONNECT ? CLOSER_PROVIDER : CLOSER_EGRESS,
	    end == END_TIMEOUT ? 504 : 502, text);
}

/* ---- start ------------------------------------------------------------- */

/* RELEASE must speak of the destination this process was made for. */
static int
is_ours(const struct release *r)
{
	return r->provider == egress_conf.provider &&
	    (r->scheme == SCHEME_HTTPS) == (egress_conf.target.tls != 0) &&
	    r->port == egress_conf.target.port &&
	    strcmp(r->host, egress_conf.host) == 0;
}

void
exchange_match(struct lane *l)
{
	struct exchange	*x;

	x = l->x;
	x->matched = 1;
	tail_bind(&l->tail, x->rel.length, x->rel.digest);
	if (poll_now() >= x->rel.deadline) {
		fail(l, END_TIMEOUT, CLOSER_EGRESS, 504,
		    "the deadline passed before anything was sent");
		return;
	}
	if (!is_ours(&x->rel)) {
		fail(l, END_CONNECT, CLOSER_EGRESS, 502,
		    "the release names another destination");
		return;
	}
	if (l->offer->length != x->rel.length || tail_check(&l->tail) == -1) {
		log_warnx("ALARM: link %u, worker instance %llu, call %llu: "
		    "the body differs from its record", l->id,
		    (unsigned long long)l->instance,
		    (unsigned long long)l->no);
		fail(l, END_MISMATCH, CLOSER_EGRESS, 502,
		    "the request body differs from the recorded one");
		return;
	}
	if (l->state == LANE_UP)
		exchange_start(l);
	else
		lane_connect(l);
}

/*
 * Fills the secret from which the request is sent: the head, if all of it
 * fits, else its last part; then as much of the body as may leave, so that a
 * small call is one write.
 */
static int
build(struct lane *l, struct exchange *x)
{
	uint8_t	*p;
	size_t	 n, len, body;
	long	 r;

	r = request_head(&x->rel, l->offer, buf_room(&x->lead, REQUEST_MAX),
	    REQUEST_MAX);
	if (r == -1)
		return -1;
	x->lead.len = (size_t)r;
	x->head = secret_new(SECRET_MAX);
	if (x->head == NULL)
		return -1;
	p = secret_bytes(x->head);
	len = 0;
	if (x->lead.len + x->key->len + ATTACH_MAX <= SECRET_MAX) {
		len = x->lead.len;
		memcpy(p, x->lead.p, len);
		buf_reset(&x->lead);
	}
	if (x->rel.auth == AUTH_SIGV4)
		r = x->key->secret == NULL ? -1 : attach_sign(&x->rel,
		    egress_conf.region, poll_wall(),
		    secret_bytes(x->key->secret), x->key->len, p + len);
	else
		r = attach_put(x->rel.auth, x->key->secret == NULL ? NULL :
		    secret_bytes(x->key->secret), x->key->len, p + len);
	if (r == -1)
		return -1;
	len += (size_t)r;
	n = SECRET_MAX - len;
	body = (size_t)tail_may(&l->tail);
	if (n > body)
		n = body;
	if (n > 0)
		memcpy(p + len, l->hold.p + l->hold.off, n);
	tail_pass(&l->tail, n);
	l->hold.off += n;
	return secret_resize(x->head, len + n);
}

/* Was the connection closed while it was idle?  Then there is another soon. */
static int
is_stale(struct lane *l)
{
	uint8_t	 byte;
	size_t	 n;

	if (upstream_quiet(l->up) || upstream_recv(l->up, &byte, sizeof(byte),
	    &n) == UPSTREAM_AGAIN)
		return 0;
	lane_disconnect(l, END_OK, "closed while idle");
	if (++l->x->retried >= TRIES)
		exchange_nocon(l, END_CONNECT,
		    "every connection was closed at once");
	else
		lane_connect(l);
	return 1;
}

void
exchange_start(struct lane *l)
{
	struct exchange	*x;

	x = l->x;
	if (x->parked)
		return;
	/* No secret memory for a call whose body does not come. */
	if (!l->tail.ok && tail_may(&l->tail) == 0)
		return;
	if (is_stale(l))
		return;
	if (build(l, x) == -1) {
		fail(l, END_FRAMING, CLOSER_EGRESS, 502,
		    "the request cannot be written");
		return;
	}
	x->started = 1;
}

void
exchange_look(struct lane *l)
{
	if (!is_stale(l))
		exchange_start(l);
}

/* ---- request ----------------------------------------------------------- */

/* What is to be sent next: head without credential, head with it, body. */
static size_t
piece(struct lane *l, const uint8_t **p)
{
	struct exchange	*x;
	uint64_t	 n;

	x = l->x;
	if (buf_left(&x->lead) > 0) {
		*p = x->lead.p + x->lead.off;
		return buf_left(&x->lead);
	}
	if (x->head != NULL) {
		*p = secret_bytes(x->head) + x->headoff;
		return secret_len(x->head) - x->headoff;
	}
	n = tail_may(&l->tail);
	*p = l->hold.p + l->hold.off;
	if (x->again > 0)
		return x->again;
	return n > PIECE ? PIECE : (size_t)n;
}

static void
advance(struct lane *l, size_t n)
{
	struct exchange	*x;

	x = l->x;
	if (buf_left(&x->lead) > 0) {
		x->lead.off += n;
		if (buf_left(&x->lead) == 0)
			buf_reset(&x->lead);
	} else if (x->head != NULL) {
		x->headoff += n;
		if (x->headoff == secret_len(x->head))
			secret_free(&x->head);
	} else {
		l->hold.off += n;
		tail_pass(&l->tail, n);
	}
}

/* Would this write complete the request?  Then it is never repeated. */
static int
is_final(const struct lane *l, size_t n)
{
	if (buf_left(&l->x->lead) > 0)
		return 0;
	return tail_final(&l->tail, l->x->head != NULL ? 0 : n);
}

void
exchange_send(struct lane *l)
{
	struct exchange	*x;
	const uint8_t	*p;
	size_t		 n, sent;

	x = l->x;
	if (!x->started || x->sendfail)
		return;
	/* Without a body the head alone is a complete request. */
	if (x->rel.length == 0 && !l->tail.ok)
		return;
	while ((n = piece(l, &p)) > 0) {
		if (is_final(l, n))
			x->final = 1;
		switch (upstream_send(l->up, p, n, &sent)) {
		case UPSTREAM_OK:
			x->again = 0;
			advance(l, sent);
			continue;
		case UPSTREAM_AGAIN:
			x->again = n;
			upstream_want(l->up, !x->stalled, 1);
			return;
		default:
			/* It may have answered before it closed. */
			x->sendfail = 1;
			upstream_want(l->up, 1, 0);
			upstream_again(l->up);
			return;
		}
	}
	upstream_want(l->up, !x->stalled, 0);
}

/* ---- answer ------------------------------------------------------------ */

static void
complete(struct lane *l, int keep)
{
	struct exchange	*x;

	x = l->x;
	keep = keep && x->ans.head.keep_alive && !x->sendfail &&
	    l->tail.ok && l->tail.passed == l->tail.length &&
	    x->head == NULL && buf_left(&x->lead) == 0;
	exchange_end(l, END_OK, keep ? CLOSER_NONE : CLOSER_EGRESS, keep, 0,
	    "");
}

/*
 * Is everything still here that a second attempt would send?  Nothing of the
 * refusal has gone to the worker.
 */
static int
may_repeat(const struct lane *l)
{
	return !l->x->second && !l->x->noreplay && l->tail.ok &&
	    l->x->rel.length <= EGRESS_HOLD;
}

/* The broker decides how it goes on; a connection is made ahead of need. */
static void
park(struct lane *l)
{
	struct exchange	*x;

	x = l->x;
	x->parked = 1;
	x->started = x->sendfail = 0;
	x->sent = l->tail.passed;
	egress_refused(&x->rel, x, x->sent, l->tail.want);
	unsend(x);
	lane_rewind(l);
	lane_disconnect(l, END_AUTH, "the credential was refused");
	lane_connect(l);
}

void
exchange_again(struct lane *l, const struct release *r, struct mask_key *key)
{
	struct exchange	*x;

	x = l->x;
	if (!is_ours(r) || r->length != x->rel.length ||
	    memcmp(r->digest, x->rel.digest, sizeof(r->digest)) != 0) {
		egress_unkey(key);
		fail(l, END_MISMATCH, CLOSER_EGRESS, 502,
		    "the second release names another request");
		return;
	}
	egress_unkey(x->key);
	x->key = key;
	x->rel = *r;
	x->rel.cred = NULL;
	mask_init(&x->mask, key);
	sha256_init(&x->down);
	answer_wipe(&x->ans);
	answer_init(&x->ans, strcmp(r->method, "HEAD") == 0, r->limit);
	x->parked = x->final = x->stalled = x->retried = 0;
	x->second = 1;
	x->status = 0;
	x->bytes = x->first_at = x->last_at = 0;
	x->id[0] = '\0';
	if (l->state == LANE_UP)
		exchange_start(l);
	else
		lane_connect(l);
}

static void
refused(struct lane *l)
{
	char	 text[80];

	snprintf(text, sizeof(text), "it refused the gateway's credential "
	    "(status %u)", (unsigned int)l->x->status);
	fail(l, END_AUTH, CLOSER_EGRESS, 502, text);
}

void
exchange_refused(struct lane *l)
{
	refused(l);
}

/* The final head: 1 if the call ended with it, or is parked. */
static int
on_head(struct lane *l)
{
	struct exchange	*x;
	uint8_t		 frame[LINK_CTRL] UNSET;
	size_t		 n;

	x = l->x;
	x->status = x->ans.head.status;
	answer_id(&x->ans, x->key, x->id, sizeof(x->id));
	if (x->status == 401 && may_repeat(l)) {
		park(l);
		return 1;
	}
	if (x->status == 401 || x->status == 403) {
		refused(l);
		return 1;
	}
	n = answer_payload(&x->ans, x->rel.no, x->key, frame, &x->echoes);
	lane_frame(l, LF_HEAD, frame, n);
	x->headed = 1;
	return 0;
}

static void
on_body(struct lane *l, const uint8_t *p, size_t n)
{
	static uint8_t	 out[EGRESS_READ + CREDENTIAL_MAX];
	struct exchange	*x;

	x = l->x;
	x->bytes += n;
	put_body(l, out, mask_feed(&x->mask, p, n, out));
}

/* Bytes of the provider; 1 if the call ended. */
static int
consume(struct lane *l, const uint8_t *p, size_t n)
{
	const uint8_t	*data;
	size_t		 used, len;

	for (;; p += used, n -= used) {
		data = NULL;
		switch (answer_read(&l->x->ans, p, n, &used, &data, &len)) {
		case ANSWER_MORE:
			if (used == n)
				return 0;
			continue;
		case ANSWER_HEAD:
			if (on_head(l))
				return 1;
			continue;
		case ANSWER_DATA:
			on_body(l, data, len);
			continue;
		case ANSWER_END:
			complete(l, n == used);
			return 1;
		case ANSWER_LARGE:
			fail(l, END_TOOLARGE, CLOSER_EGRESS, 502,
			    l->x->ans.text);
			return 1;
		default:
			fail(l, END_FRAMING, CLOSER_EGRESS, 502,
			    l->x->ans.text);
			return 1;
		}
	}
}

/* Nothing of the request can have been acted upon: once more, elsewhere. */
static int
replay(struct lane *l)
{
	struct exchange	*x;

	x = l->x;
	if (x->final || x->noreplay || x->retried > 0)
		return 0;
	x->retried = TRIES - 1;
	unsend(x);
	x->started = x->sendfail = 0;
	lane_rewind(l);
	lane_disconnect(l, END_CONNECT, "closed before the request was sent");
	lane_connect(l);
	return 1;
}

/* The provider closed, cleanly or not. */
static void
gone(struct lane *l, int clean)
{
	struct exchange	*x;

	x = l->x;
	if (answer_untouched(&x->ans)) {
		if (!replay(l))
			fail(l, END_CONNECT, CLOSER_PROVIDER, 502,
			    "it closed the connection without an answer");
		return;
	}
	if (clean && answer_eof(&x->ans) == ANSWER_END)
		complete(l, 0);
	else if (x->headed)
		exchange_end(l, END_TRUNCATED, CLOSER_PROVIDER, 0, 0,
		    "the provider closed in the middle of its answer");
	else
		fail(l, END_TRUNCATED, CLOSER_PROVIDER, 502,
		    "it closed in the middle of its answer");
}

void
exchange_recv(struct lane *l)
{
	static uint8_t		 in[EGRESS_READ];
	struct exchange		*x;
	enum upstream_io	 io;
	size_t			 n;
	int			 i;

	x = l->x;
	x->stalled = 0;
	for (i = 0; i < EGRESS_READS; i++) {
		if (buf_left(&l->out) > EGRESS_QUEUE) {
			lane_flush(l);
			if (l->dead)
				return;
		}
		x->stalled = buf_left(&l->out) > EGRESS_QUEUE;
		if (x->stalled)
			break;
		io = upstream_recv(l->up, in, sizeof(in), &n);
		if (io == UPSTREAM_AGAIN && !x->sendfail)
			break;
		if (io != UPSTREAM_OK) {
			gone(l, io == UPSTREAM_EOF);
			return;
		}
		x->last_at = poll_now();
		if (x->first_at == 0)
			x->first_at = x->last_at;
		if (consume(l, in, n))
			return;
		/* A record fits, so a short read took all of its one. */
		if (n < sizeof(in) && !upstream_pending(l->up))
			break;
	}
	upstream_want(l->up, !x->stalled, x->again > 0 && !x->sendfail);
	if (i == EGRESS_READS)
		upstream_again(l->up);
	lane_flush(l);
}

/* ---- time -------------------------------------------------------------- */

static uint64_t
silence(const struct exchange *x)
{
	if (x->first_at == 0)
		return x->rel.first == 0 ? UINT64_MAX : x->rel.first;
	if (x->stalled || x->rel.between == 0 ||
	    x->rel.between > UINT64_MAX - x->last_at)
		return UINT64_MAX;
	return x->last_at + x->rel.between;
}

uint64_t
exchange_due(const struct lane *l)
{
	uint64_t	 t;

	t = silence(l->x);
	return t < l->x->rel.deadline ? t : l->x->rel.deadline;
}

int
exchange_late(struct lane *l, uint64_t now)
{
	const char	*what;

	if (now < exchange_due(l))
		return 0;
	if (now >= l->x->rel.deadline)
		what = "the call's deadline passed";
	else if (!l->x->matched)
		what = "the worker sent no request";
	else if (l->x->first_at == 0)
		what = "it sent no answer in time";
	else
		what = "it stopped in the middle of its answer";
	fail(l, END_TIMEOUT, CLOSER_EGRESS, 504, what);
	return 1;
}
