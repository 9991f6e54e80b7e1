/* SPDX-License-Identifier: ISC */

/*
 * The messages of an egress: from its parent (peers), from the broker (links,
 * releases, cuts) and from dial (connected descriptors).  Parent and broker are
 * trusted more, so a malformed message of theirs is fatal; dial is trusted
 * less, so its link is closed.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/policy/policy.h"
#include "common/proc/poll.h"
#include "keybrokerd/egress/egress.h"

#define PACKETS	8		/* taken from a link in one turn */

/* A message link under the event loop. */
struct wire {
	const char	*name;
	struct msglink	*link;
	struct msglink	 own;
	struct event	*in, *out;
	enum proto_link	 kind;
	enum proto_dir	 dir;
	int		(*fn)(struct msgr *, int);
	void		(*lost)(void);
};

struct egress_conf	 egress_conf;
uint64_t		 egress_held;

static struct event_base	*base;
static int			 calls, quit, orphaned;
static LIST_HEAD(mask_keys, mask_key)	 keys;

static int	on_parent(struct msgr *, int);
static int	on_broker(struct msgr *, int);
static int	on_dial(struct msgr *, int);
static void	no_parent(void);
static void	no_broker(void);
static void	no_dial(void);

static struct wire	 parent = { .name = "parent", .kind = PL_PR,
	.dir = PD_DOWN, .fn = on_parent, .lost = no_parent };
static struct wire	 broker = { .name = "broker", .kind = PL_BE,
	.dir = PD_DOWN, .fn = on_broker, .lost = no_broker };
static struct wire	 dial = { .name = "dial", .kind = PL_ED,
	.dir = PD_UP, .fn = on_dial, .lost = no_dial };

void
egress_init(struct event_base *b)
{
	base = b;
}

struct event *
egress_event(int fd, short what, event_callback_fn fn, void *arg)
{
	struct event	*e;

	e = event_new(base, fd, what, fn, arg);
	if (e == NULL)
		fatalx("out of memory");
	return e;
}

int
egress_configure(int blob, uint32_t id)
{
	struct policy_provider	 p;
	struct policy		*policy;
	struct egress_conf	*c;
	int			 r;

	policy = policy_map(blob);
	if (policy == NULL)
		return -1;
	c = &egress_conf;
	r = id > UINT16_MAX ? -1 :
	    policy_provider_id(policy, (uint16_t)id, &p);
	if (r == 0) {
		c->provider = p.id;
		strlcpy(c->name, p.name, sizeof(c->name));
		strlcpy(c->host, p.host, sizeof(c->host));
		strlcpy(c->region, p.region, sizeof(c->region));
		strlcpy(c->proxy, p.proxy, sizeof(c->proxy));
		c->target.host = c->host;
		c->target.port = p.port;
		c->target.tls = p.scheme == SCHEME_HTTPS;
		c->target.proxy = c->proxy[0] != '\0' ? c->proxy : NULL;
		c->target.proxy_port = p.proxy_port;
	}
	policy_close(policy);
	return r;
}

/* ---- credentials ------------------------------------------------------- */

struct mask_key *
egress_key(const uint8_t *p, size_t len)
{
	struct mask_key	*k;
	struct secret	*s;

	LIST_FOREACH(k, &keys, entry)
		if (k->len == len && (len == 0 ||
		    secret_equal(secret_bytes(k->secret), p, len))) {
			k->refs++;
			return k;
		}
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		fatalx("out of memory");
	s = len > 0 ? secret_dup(p, len) : NULL;
	if ((len > 0 && s == NULL) || mask_key_set(k, s) == -1) {
		secret_free(&s);
		free(k);
		return NULL;
	}
	k->refs = 1;
	LIST_INSERT_HEAD(&keys, k, entry);
	return k;
}

void
egress_unkey(struct mask_key *k)
{
	if (--k->refs > 0)
		return;
	LIST_REMOVE(k, entry);
	mask_key_wipe(k);
	free(k);
}

/* ---- what is said ------------------------------------------------------ */

static int
say(struct wire *w, struct msgw *m)
{
	if (w->link == NULL || w->link->dead)
		return -1;
	return msg_send(w->link, m, -1);
}

int
egress_dial(uint32_t cookie)
{
	struct msgw	 m UNSET;

	msg_open(&m, M_CONNECT);
	msg_put_u32(&m, cookie);
	msg_put_u16(&m, egress_conf.provider);
	return say(&dial, &m);
}

int
egress_dials(void)
{
	return dial.in != NULL;
}

void
egress_upstream(uint32_t link, int up, int end, const char *text)
{
	struct msgw	 m UNSET;

	msg_open(&m, M_UPSTREAM);
	msg_put_u32(&m, link);
	msg_put_u8(&m, (uint8_t)up);
	msg_put_u8(&m, (uint8_t)end);
	msg_put_strn(&m, text, strnlen(text, EGRESS_TEXT));
	say(&broker, &m);
}

/* Where there was no exchange, its numbers are zero. */
static void
put_exchange(struct msgw *m, const struct exchange *x, uint64_t up,
    const uint8_t *shaup)
{
	static const uint8_t	 none[SHA256_LEN];
	struct sha256		 copy;
	uint8_t			 down[SHA256_LEN];

	msg_put_u16(m, x == NULL ? 0 : x->status);
	msg_put_u64(m, up);
	msg_put_u64(m, x == NULL ? 0 : x->bytes);
	msg_put_raw(m, shaup, SHA256_LEN);
	if (x == NULL) {
		msg_put_raw(m, none, sizeof(none));
		msg_put_u64(m, 0);
		return;
	}
	copy = x->down;
	sha256_final(&copy, down);
	msg_put_raw(m, down, sizeof(down));
	msg_put_u64(m, x->first_at);
}

static int
report(uint16_t type, const struct release *r, const struct exchange *x,
    int end, int closer, uint64_t up, const uint8_t *shaup, const char *text)
{
	struct msgw	 m UNSET;
	uint32_t	 echoes;

	echoes = x == NULL ? 0 : x->echoes;
	msg_open(&m, type);
	msg_put_u32(&m, r->link);
	msg_put_u64(&m, r->no);
	msg_put_raw(&m, r->id, sizeof(r->id));
	msg_put_u8(&m, (uint8_t)end);
	put_exchange(&m, x, up, shaup);
	msg_put_u64(&m, poll_now());
	msg_put_u8(&m, (uint8_t)closer);
	msg_put_u8(&m, echoes > UINT8_MAX ? UINT8_MAX : (uint8_t)echoes);
	msg_put_str(&m, x == NULL ? "" : x->id);
	msg_put_strn(&m, text, strnlen(text, EGRESS_TEXT));
	return say(&broker, &m);
}

void
egress_done(const struct release *r, const struct exchange *x, int end,
    int closer, uint64_t up, const uint8_t *shaup, const char *text)
{
	if (x != NULL && x->echoes > 0)
		log_warnx("provider %s sent its credential back, masked %u "
		    "times", egress_conf.name, (unsigned int)x->echoes);
	if (report(M_DONE, r, x, end, closer, up, shaup, text) == -1 &&
	    !orphaned && !broker.link->dead)
		fatalx("the broker does not take DONE");
}

void
egress_refused(const struct release *r, const struct exchange *x, uint64_t up,
    const uint8_t *shaup)
{
	(void)report(M_REFUSED, r, x, END_AUTH, CLOSER_EGRESS, up, shaup,
	    "it refused the gateway's credential (status 401)");
}

void
egress_count(int delta)
{
	calls += delta;
}

/* ---- what is heard ----------------------------------------------------- */

static void	 wire_start(struct wire *, struct msglink *);
static void	 lost(struct wire *);

static void
no_parent(void)
{
	quit = 1;
}

static void
no_broker(void)
{
	orphaned = 1;
	lane_orphans();
}

static void
no_dial(void)
{
	log_warnx("dial is gone");
}

static void
peer(int role, int fd)
{
	struct wire	*w;

	if (role != ROLE_BROKER && role != ROLE_DIAL)
		fatalx("parent: peer of role %d", role);
	w = role == ROLE_BROKER ? &broker : &dial;
	lost(w);
	orphaned = 0;
	msglink_init(&w->own, fd, role == ROLE_BROKER ? EGRESS_DONES : 0);
	wire_start(w, &w->own);
	if (w == &dial)
		lane_redial();
}

static int
on_parent(struct msgr *r, int fd)
{
	int	 role;

	if (r->type == M_EXIT) {
		quit = 1;
		return 0;
	}
	if (r->type != M_PEER)
		fatalx("parent: unexpected %s", permit_name(r->type));
	role = msg_get_u8(r);
	(void)msg_get_u16(r);
	(void)msg_get_u32(r);
	if (msg_end(r) == -1 || fd == -1)
		fatalx("parent: malformed PEER");
	peer(role, fd);
	return 0;
}

static void
on_linked(struct msgr *r, int fd)
{
	uint64_t	 instance;
	uint32_t	 id;

	id = msg_get_u32(r);
	instance = msg_get_u64(r);
	if (msg_end(r) == -1 || fd == -1)
		fatalx("broker: malformed LINKED");
	(void)fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	lane_new(id, instance, fd);
}

static void
on_release(struct msgr *r)
{
	static const uint8_t	 none[SHA256_LEN];
	struct release		 rel;
	struct mask_key		*key;
	struct lane		*l;

	if (release_read(r, &rel) == -1)
		fatalx("broker: malformed RELEASE");
	l = lane_find(rel.link);
	if (l == NULL && (rel.flags & CF_PROBE) && rel.length == 0)
		l = lane_probe(rel.link, rel.no);
	if (l == NULL) {
		egress_done(&rel, NULL, END_LOST, CLOSER_CLIENT, 0, none,
		    "the worker's link is gone");
		return;
	}
	key = egress_key(rel.cred, rel.credlen);
	rel.cred = NULL;
	if (key == NULL) {
		egress_done(&rel, NULL, END_LOST, CLOSER_EGRESS, 0, none,
		    "no room for another secret");
		lane_drop(l, rel.no);
		return;
	}
	lane_release(l, &rel, key);
}

static int
on_broker(struct msgr *r, int fd)
{
	struct lane	*l;
	uint64_t	 no;
	uint32_t	 id;
	int		 cut;

	if (r->type == M_EG_LINKED) {
		on_linked(r, fd);
		return 0;
	}
	if (r->type == M_RELEASE) {
		on_release(r);
		return 0;
	}
	id = msg_get_u32(r);
	no = msg_get_u64(r);
	cut = r->type == M_EG_CUT ? msg_get_u8(r) : 0;
	if (msg_end(r) == -1)
		fatalx("broker: malformed %s", permit_name(r->type));
	l = lane_find(id);
	if (l == NULL)
		return 0;
	if (r->type == M_DROP)
		lane_drop(l, no);
	else
		lane_cut(l, no, cut);
	return 0;
}

static int
on_dial(struct msgr *r, int fd)
{
	struct lane	*l;
	char		 text[EGRESS_TEXT + 1];
	uint32_t	 cookie;
	int		 end;

	text[0] = '\0';
	cookie = msg_get_u32(r);
	end = msg_get_u8(r);
	if (r->type == M_FAILED)
		msg_get_str(r, text, sizeof(text));
	if (msg_end(r) == -1 || (r->type == M_CONNECTED && fd == -1)) {
		log_warnx("dial: malformed %s", permit_name(r->type));
		if (fd != -1)
			close(fd);
		return -1;
	}
	l = lane_find(cookie);
	if (r->type == M_CONNECTED && l != NULL)
		lane_connected(l, fd);
	else if (r->type == M_CONNECTED)
		close(fd);
	else if (l != NULL)
		lane_failed(l, end == END_TIMEOUT ? END_TIMEOUT : END_CONNECT,
		    text);
	return 0;
}

/* ---- links in the loop ------------------------------------------------- */

static int
on_message(void *arg, struct msgr *r, int fd)
{
	struct wire	*w;

	w = arg;
	if (permit_check(r->type, w->kind, w->dir, 0, r->len, fd != -1) == 0)
		return w->fn(r, fd);
	if (w != &dial)
		fatalx("%s: message %s is not for an egress", w->name,
		    permit_name(r->type));
	log_warnx("dial: message %s is not for an egress",
	    permit_name(r->type));
	if (fd != -1)
		close(fd);
	return -1;
}

/* Ends a link once; its events go with it. */
static void
lost(struct wire *w)
{
	if (w->in == NULL)
		return;
	event_free(w->in);
	event_free(w->out);
	w->in = w->out = NULL;
	msglink_close(w->link);
	w->lost();
}

static void
on_wire(int fd, short what, void *arg)
{
	struct wire	*w;

	(void)fd;
	w = arg;
	if ((what & EV_READ) != 0 &&
	    msglink_read(w->link, PACKETS, on_message, w) == -1)
		lost(w);
}

static void
wire_start(struct wire *w, struct msglink *l)
{
	w->link = l;
	w->in = egress_event(l->fd, EV_READ | EV_PERSIST, on_wire, w);
	w->out = egress_event(l->fd, EV_WRITE, on_wire, w);
	event_add(w->in, NULL);
}

static void
flush(struct wire *w)
{
	int	 r;

	if (w->in == NULL)
		return;
	r = msglink_flush(w->link);
	if (r == -1)
		lost(w);
	else if (r == 1)
		event_add(w->out, NULL);
}

int
egress_loop(struct msglink *channel)
{
	wire_start(&parent, channel);
	while (!quit && !(orphaned && calls == 0)) {
		if (event_base_loop(base, EVLOOP_ONCE) == -1)
			fatalx("event loop");
		flush(&dial);
		flush(&broker);
		flush(&parent);
		lane_reap();
	}
	return 0;
}
