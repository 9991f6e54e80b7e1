/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/text/sha256.h"
#include "regress/unit/call/rig.h"

#define FD_POLICY	1000
#define FD_VAULT	1001
#define FD_OPENAI	1002
#define FD_LINK		1003
#define FD_PREVIOUS	1004

static struct rig	*current;

/* ---- environment ------------------------------------------------------- */
static void
fill(void *arg, void *buf, size_t len)
{
	struct rig	*r;
	uint8_t		*p;

	r = current;
	(void)arg;
	for (p = buf; len-- > 0; p++) {
		r->seed ^= r->seed << 13;
		r->seed ^= r->seed >> 7;
		r->seed ^= r->seed << 17;
		*p = (uint8_t)(r->seed >> 24);
	}
}

static ssize_t
source(void *arg, int fd, int map, uint64_t off, void *buf, size_t len)
{
	const char	*s;
	size_t		 n;

	(void)arg;
	(void)map;
	s = fd == FD_VAULT ? current->vault : fd == FD_PREVIOUS ?
	    current->previous : current->openai;
	n = strlen(s);
	if (off >= n)
		return 0;
	n -= off;
	if (n > len)
		n = len;
	memcpy(buf, s + off, n);
	return (ssize_t)n;
}

static struct policy *
policy(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	return policy_open(current->blob, current->bloblen);
}

static void
provider(struct policy_w *w, uint16_t id, const char *name, uint8_t dialect,
    uint8_t auth, const char *key)
{
	struct policy_provider	 pr;

	memset(&pr, 0, sizeof(pr));
	pr.id = id;
	pr.name = name;
	pr.dialect = dialect;
	pr.scheme = auth == AUTH_NONE ? SCHEME_HTTP : SCHEME_HTTPS;
	pr.auth = auth;
	pr.host = auth == AUTH_NONE ? "127.0.0.1" : "api.example.com";
	pr.port = 443;
	pr.base = dialect == DIALECT_OPENAI ? "/v1" : "";
	pr.key = key;
	pr.proxy = "";
	assert_int_equal(policy_w_provider(w, &pr), 0);
}

static void
route(struct policy_w *w, uint16_t no, uint8_t dialect, uint8_t kind,
    const char *path)
{
	struct policy_route	 rt;

	memset(&rt, 0, sizeof(rt));
	rt.route = no;
	rt.dialect = dialect;
	rt.kind = kind;
	rt.path = path;
	assert_int_equal(policy_w_route(w, &rt), 0);
}

static void
make_blob(struct rig *r)
{
	struct policy_w	*w;

	w = policy_w_new();
	assert_non_null(w);
	provider(w, RIG_PROVIDER, "openai", DIALECT_OPENAI, AUTH_BEARER,
	    "OPENAI_API_KEY");
	provider(w, RIG_OTHER, "anthropic", DIALECT_ANTHROPIC, AUTH_XAPIKEY,
	    "ANTHROPIC_API_KEY");
	provider(w, RIG_LOCAL, "local", DIALECT_OPENAI, AUTH_NONE, "");
	route(w, ROUTE_CHAT, DIALECT_OPENAI, KIND_GENERATE,
	    "/v1/chat/completions");
	route(w, ROUTE_MESSAGES, DIALECT_ANTHROPIC, KIND_GENERATE,
	    "/v1/messages");
	route(w, ROUTE_MODELS, DIALECT_OPENAI, KIND_LIST, "/v1/models");
	r->blob = policy_w_blob(w, &r->bloblen);
	assert_non_null(r->blob);
	policy_w_free(w);
}

/* ---- the ledger -------------------------------------------------------- */
static void
piece(struct rig *r, const uint8_t *p, size_t len)
{
	struct rig_ledger	*l;
	struct msgr		 m;
	uint64_t		 batch;
	uint8_t			 last;

	l = &r->led;
	msg_read(&m, M_BATCH, p, len);
	batch = msg_get_u64(&m);
	if (msg_get_u16(&m) == 0) {
		l->runlen = 0;
		l->batch = batch;
	}
	assert_int_equal(batch, l->batch);
	last = msg_get_u8(&m);
	assert_int_equal(m.bad, 0);
	assert_true(l->runlen + len - m.off <= sizeof(l->run));
	memcpy(l->run + l->runlen, p + m.off, len - m.off);
	l->runlen += len - m.off;
	l->complete = last;
}

static void
state_row(struct rig_ledger *l, int put, const uint8_t *p, size_t len)
{
	struct rig_row	*row;
	size_t		 i, idlen;

	idlen = (size_t)p[1] << 8 | p[2];
	for (i = 0; i < l->nrows; i++)
		if (l->rows[i].kind == p[0] && l->rows[i].idlen == idlen &&
		    memcmp(l->rows[i].id, p + 3, idlen) == 0)
			break;
	if (!put) {
		if (i < l->nrows)
			l->rows[i] = l->rows[--l->nrows];
		return;
	}
	assert_true(i < RIG_ROWS && idlen <= 64 && len - 3 - idlen <= RIG_VALUE);
	if (i == l->nrows)
		l->nrows++;
	row = &l->rows[i];
	row->kind = p[0];
	row->idlen = idlen;
	memcpy(row->id, p + 3, idlen);
	row->len = len - 3 - idlen;
	memcpy(row->val, p + 3 + idlen, row->len);
}

static void
entry(struct rig_ledger *l, const uint8_t *p, size_t len)
{
	struct entry	 e;
	const char	*why;

	why = "";
	if (entry_parse(p, len, &e, &why) == -1)
		fail_msg("entry: %s", why);
	assert_int_equal(e.seq, l->size);
	if (l->size > 0)
		assert_memory_equal(e.prev, l->leaf, 32);
	chain_leaf(p, len, l->leaf);
	assert_int_equal(tree_append(&l->tree, l->leaf), 0);
	snprintf(l->types[l->size % 4096], sizeof(l->types[0]), "%.*s",
	    (int)e.namelen, e.name);
	l->size++;
	l->entries++;
}

static void
apply(struct rig_ledger *l)
{
	const uint8_t	*p;
	uint8_t		 root[32];
	size_t		 at, len;

	l->entries = 0;
	for (at = 0; at < l->runlen; at += 5 + len) {
		p = l->run + at;
		len = (size_t)p[1] << 24 | (size_t)p[2] << 16 |
		    (size_t)p[3] << 8 | p[4];
		p += 5;
		switch (l->run[at]) {
		case 'E':
			entry(l, p, len);
			break;
		case 'S':
		case 'D':
			state_row(l, l->run[at] == 'S', p, len);
			break;
		case 'R':
			memcpy(l->range, p, len);
			l->rangelen = len;
			break;
		case 'H':
			tree_root(&l->tree, root);
			assert_memory_equal(p + 8, root, 32);
			memcpy(l->root, root, 32);
			break;
		case 'C':
			assert_true(len <= sizeof(l->note));
			memcpy(l->note, p, len);
			l->notelen = len;
			sha256_buf(p, len, l->note_hash);
			break;
		default:
			fail_msg("item %c", l->run[at]);
		}
	}
	l->last = l->batch;
	l->complete = 0;
}

/* ---- rows that are not in DELTA ----------------------------------------- */
/* The row of the kind with the lowest id behind that one; NULL: the end. */
static const struct rig_row *
row_behind(const struct rig_ledger *l, uint8_t kind, const char *id)
{
	const struct rig_row	*r, *best;
	size_t			 i, n;
	int			 c;

	best = NULL;
	for (i = 0; i < l->nrows; i++) {
		r = &l->rows[i];
		n = r->idlen < strlen(id) ? r->idlen : strlen(id);
		c = memcmp(r->id, id, n);
		if (r->kind != kind || c < 0 ||
		    (c == 0 && r->idlen <= strlen(id)))
			continue;
		n = best == NULL ? 0 : r->idlen < best->idlen ? r->idlen :
		    best->idlen;
		c = best == NULL ? -1 : memcmp(r->id, best->id, n);
		if (c < 0 || (c == 0 && r->idlen < best->idlen))
			best = r;
	}
	return best;
}

/* Copies its id; 1 if the page shall have it. */
static int
wanted(const struct rig_row *r, const char *leave, char id[65])
{
	memcpy(id, r->id, r->idlen);
	id[r->idlen] = '\0';
	return *leave == '\0' || r->len < strlen(leave) ||
	    memcmp(r->val, leave, strlen(leave)) != 0;
}

static void
put_found(struct msgw *w, const struct rig_row *r)
{
	msg_put_u8(w, 'S');
	msg_put_u32(w, (uint32_t)(3 + r->idlen + r->len));
	msg_put_u8(w, r->kind);
	msg_put_u16(w, (uint16_t)r->idlen);
	msg_put_raw(w, r->id, r->idlen);
	msg_put_raw(w, r->val, r->len);
}

static uint64_t
rows_of_kind(const struct rig_ledger *l, uint8_t kind)
{
	uint64_t	 n;
	size_t		 i;

	for (i = n = 0; i < l->nrows; i++)
		n += l->rows[i].kind == kind;
	return n;
}

static void
put_exact(struct msgw *w, const struct rig_ledger *l, uint8_t kind,
    const char *id)
{
	size_t	 i;

	for (i = 0; i < l->nrows; i++)
		if (l->rows[i].kind == kind &&
		    l->rows[i].idlen == strlen(id) &&
		    memcmp(l->rows[i].id, id, strlen(id)) == 0)
			put_found(w, &l->rows[i]);
}

/* Rows behind id, which moves; "" at the end.  How many were looked at. */
static uint32_t
put_behind(struct msgw *w, const struct rig_ledger *l, uint8_t kind,
    char id[65], const char *leave, uint16_t rows)
{
	const struct rig_row	*row;
	uint32_t		 looked;

	for (looked = 0; rows > 0 && w->len < MSG_MAX - 1024; looked++) {
		row = row_behind(l, kind, id);
		if (row == NULL) {
			id[0] = '\0';
			break;
		}
		if (!wanted(row, leave, id))
			continue;
		put_found(w, row);
		rows--;
	}
	return looked;
}

/* One piece is enough for these rows. */
int
rig_paged(struct rig *r, struct msgw *w)
{
	struct rig_ledger	*l;
	struct msgr		 m;
	char			 id[65], leave[65];
	uint32_t		 cookie, looked;
	uint16_t		 rows;
	uint8_t			 kind, exact;

	l = &r->led;
	if (l->pagelen == 0)
		return 0;
	msg_read(&m, M_PAGE, l->page, l->pagelen);
	cookie = msg_get_u32(&m);
	kind = msg_get_u8(&m);
	exact = msg_get_u8(&m);
	msg_get_str(&m, id, sizeof(id));
	msg_get_str(&m, leave, sizeof(leave));
	rows = msg_get_u16(&m);
	assert_int_equal(msg_get_u32(&m), PAGE_BYTES);
	assert_int_equal(msg_end(&m), 0);
	l->pagelen = 0;
	msg_open(w, M_PAGED);
	msg_put_u32(w, cookie);
	msg_put_u16(w, 0);
	msg_put_u8(w, 1);
	looked = 1;
	if (exact) {
		put_exact(w, l, kind, id);
		id[0] = '\0';
	} else
		looked = put_behind(w, l, kind, id, leave, rows);
	msg_put_u8(w, 'N');
	msg_put_u32(w, (uint32_t)(12 + strlen(id)));
	msg_put_u64(w, rows_of_kind(l, kind));
	msg_put_u32(w, looked);
	msg_put_raw(w, id, strlen(id));
	return 1;
}

static void
take_page(struct rig_ledger *l, const uint8_t *p, size_t len)
{
	assert_int_equal(l->pagelen, 0);
	assert_true(len <= sizeof(l->page));
	memcpy(l->page, p, len);
	l->pagelen = len;
	l->pages++;
}

/* ---- moving ------------------------------------------------------------ */
void
rig_take(struct rig *r)
{
	const struct out	*it;
	struct msgw		 w;
	size_t			 i;

	assert_int_equal(r->o->lost, 0);
	for (i = 0; i < r->o->n; i++) {
		it = &r->o->item[i];
		if (it->act == OUT_SEND && it->to.kind == FROM_LEDGER &&
		    it->type == M_PAGE)
			take_page(&r->led, r->o->data + it->off, it->len);
		else if (it->act == OUT_SEND && it->to.kind == FROM_LEDGER)
			piece(r, r->o->data + it->off, it->len);
		if (it->act == OUT_LINK)
			r->link = it->link;
		if (r->seen != NULL)
			r->seen(r, it, r->o->data + it->off);
	}
	outbox_clear(r->o);
	if (!r->led.nopage && rig_paged(r, &w))
		rig_send(r, FROM_LEDGER, 0, &w, -1);
}

void
rig_send(struct rig *r, enum from_kind kind, uint16_t index,
    const struct msgw *w, int fd)
{
	struct broker_from	 from;
	struct msgr		 m;

	assert_int_equal(w->bad, 0);
	memset(&from, 0, sizeof(from));
	from.kind = kind;
	from.index = index;
	msg_read(&m, w->type, w->buf, w->len);
	broker_step(r->b, r->now, r->wall, &from, &m, fd, r->o);
	rig_take(r);
}

void
rig_lost(struct rig *r, enum from_kind kind, uint16_t index)
{
	struct broker_from	 from;

	memset(&from, 0, sizeof(from));
	from.kind = kind;
	from.index = index;
	from.lost = 1;
	broker_step(r->b, r->now, r->wall, &from, NULL, -1, r->o);
	rig_take(r);
}

void
rig_tick(struct rig *r, uint64_t ns)
{
	r->now += ns;
	r->wall += ns / NS_MS;
	broker_tick(r->b, r->now, r->wall, r->o);
	rig_take(r);
}

void
rig_flush(struct rig *r)
{
	uint64_t	 due;

	due = batch_next(r->b);
	if (due != NEVER && due > r->now)
		rig_tick(r, due - r->now);
	batch_flush(r->b, r->o);
	rig_take(r);
}

void
rig_apply(struct rig *r)
{
	apply(&r->led);
}

void
rig_committed(struct rig *r, struct msgw *w)
{
	msg_open(w, M_COMMITTED);
	msg_put_u64(w, r->led.last);
	msg_put_u64(w, r->led.size);
	msg_put_raw(w, r->led.root, 32);
	msg_put_raw(w, r->led.note_hash, 32);
	msg_put_u8(w, 0);
}

int
rig_commit(struct rig *r)
{
	struct msgw	 w;

	rig_flush(r);
	if (!r->led.complete)
		return 0;
	apply(&r->led);
	rig_committed(r, &w);
	rig_send(r, FROM_LEDGER, 0, &w, -1);
	return 1;
}

void
rig_settle(struct rig *r)
{
	while (rig_commit(r))
		;
}

/* ---- the parent -------------------------------------------------------- */
static void
send_source(struct rig *r, uint8_t kind, const char *name, int fd, size_t len)
{
	struct msgw	 w;

	msg_open(&w, M_SOURCE);
	msg_put_u8(&w, kind);
	msg_put_u8(&w, SRC_READ);
	msg_put_u64(&w, len);
	msg_put_str(&w, name);
	rig_send(r, FROM_PARENT, 0, &w, fd);
}

void
rig_credential(struct rig *r, const char *value)
{
	strlcpy(r->openai, value, sizeof(r->openai));
	send_source(r, SRC_ENV, "OPENAI_API_KEY", *value == '\0' ? -1 :
	    FD_OPENAI, strlen(value));
}

void
rig_hello(struct rig *r)
{
	struct rig_ledger	*l;
	struct msgw		 w;
	size_t			 i;
	uint32_t		 n;

	l = &r->led;
	l->pagelen = 0;
	msg_open(&w, M_HELLO);
	msg_put_u64(&w, l->size);
	msg_put_raw(&w, l->root, 32);
	msg_put_raw(&w, l->leaf, 32);
	msg_put_u64(&w, l->last);
	msg_put_u64(&w, 1ULL << 40);
	msg_put_u8(&w, 0);
	msg_put_blob(&w, l->range, l->rangelen);
	msg_put_blob(&w, l->note, l->notelen);
	rig_send(r, FROM_LEDGER, 0, &w, -1);
	for (i = n = 0; i < l->nrows; i++) {
		if (l->rows[i].kind >= ST_COLD)
			continue;
		msg_open(&w, M_DELTA);
		msg_put_u32(&w, n++);
		msg_put_u8(&w, 0);
		msg_put_u8(&w, 'S');
		msg_put_u32(&w, (uint32_t)(3 + l->rows[i].idlen +
		    l->rows[i].len));
		msg_put_u8(&w, l->rows[i].kind);
		msg_put_u16(&w, (uint16_t)l->rows[i].idlen);
		msg_put_raw(&w, l->rows[i].id, l->rows[i].idlen);
		msg_put_raw(&w, l->rows[i].val, l->rows[i].len);
		rig_send(r, FROM_LEDGER, 0, &w, -1);
	}
	msg_open(&w, M_DELTA);
	msg_put_u32(&w, n);
	msg_put_u8(&w, 1);
	rig_send(r, FROM_LEDGER, 0, &w, -1);
}

static void
send_peer(struct rig *r, uint8_t role, uint16_t provider_id)
{
	struct msgw	 w;

	msg_open(&w, M_PEER);
	msg_put_u8(&w, role);
	msg_put_u16(&w, provider_id);
	msg_put_u32(&w, 1);
	rig_send(r, FROM_PARENT, 0, &w, FD_LINK);
}

void
rig_ledger_again(struct rig *r)
{
	send_peer(r, ROLE_LEDGER, 0);
	rig_hello(r);
}

/*
 * Secrets do not survive a fork, so fatal is caught in this process: the
 * linker puts these in its place (file "wrap").
 */
static jmp_buf	 out;
static int	 armed;
static char	 last_words[512];

static void __attribute__((noreturn, format(printf, 1, 0)))
caught(const char *fmt, va_list ap)
{
	(void)vsnprintf(last_words, sizeof(last_words), fmt, ap);
	if (!armed)
		fail_msg("fatal: %s", last_words);
	armed = 0;
	longjmp(out, 1);
}

void	 __wrap_fatal(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));
void	 __wrap_fatalx(const char *, ...)
	    __attribute__((noreturn, format(printf, 1, 2)));

void
__wrap_fatal(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	caught(fmt, ap);
}

void
__wrap_fatalx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	caught(fmt, ap);
}

const char *
rig_fatal(struct rig *r, void (*fn)(struct rig *))
{
	if (setjmp(out) != 0) {
		outbox_clear(r->o);
		return last_words;
	}
	armed = 1;
	fn(r);
	armed = 0;
	return "";
}

void
rig_broker(struct rig *r)
{
	static const char	 vault[] = "TAPPASS_VAULT_KEY";
	struct broker_env	 env;
	struct msgw		 w;
	uint8_t			 id[32];

	current = r;
	memset(&env, 0, sizeof(env));
	env.rng.fill = fill;
	env.source = source;
	env.policy = policy;
	r->b = broker_new(1024, &env);
	assert_non_null(r->b);
	msg_open(&w, M_CONFIG);
	memset(id, 7, sizeof(id));
	msg_put_raw(&w, id, sizeof(id));
	msg_put_u8(&w, 1);
	msg_put_u8(&w, 0);
	msg_put_str(&w, "");
	msg_put_str(&w, r->uri);
	msg_put_blob(&w, r->dek, strlen(r->dek));
	msg_put_u32(&w, r->check);
	msg_put_u32(&w, r->stale);
	msg_put_u32(&w, r->start);
	msg_put_u8(&w, 0);
	rig_send(r, FROM_PARENT, 0, &w, -1);
	if (r->vault[0] != '\0')
		send_source(r, SRC_ENV, vault, FD_VAULT, strlen(r->vault));
	if (r->previous[0] != '\0')
		send_source(r, SRC_ENV, "TAPPASS_VAULT_KEY_PREVIOUS",
		    FD_PREVIOUS, strlen(r->previous));
	if (r->openai[0] != '\0')
		rig_credential(r, r->openai);
	msg_open(&w, M_POLICY);
	sha256_buf(r->blob, r->bloblen, id);
	msg_put_raw(&w, id, sizeof(id));
	msg_put_u8(&w, 1);
	rig_send(r, FROM_PARENT, 0, &w, FD_POLICY);
	send_peer(r, ROLE_LEDGER, 0);
}

struct rig *
rig_begin(void)
{
	static int	 pooled;
	struct rig	*r;

	if (!pooled++)
		assert_int_equal(secret_pool(256), 0);
	r = calloc(1, sizeof(*r));
	assert_non_null(r);
	r->seed = 88172645463325252ULL;
	r->now = RIG_NOW;
	r->wall = RIG_WALL;
	r->o = outbox_new();
	assert_non_null(r->o);
	tree_init(&r->led.tree);
	tree_root(&r->led.tree, r->led.root);
	strlcpy(r->openai, RIG_CANARY, sizeof(r->openai));
	strlcpy(r->vault, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	    sizeof(r->vault));
	r->check = 600;
	make_blob(r);
	return r;
}

struct rig *
rig_new(void)
{
	struct rig	*r;

	r = rig_begin();
	rig_broker(r);
	rig_hello(r);
	rig_settle(r);
	assert_true(gate_open(r->b));
	return r;
}

void
rig_restart(struct rig *r)
{
	broker_free(r->b);
	r->led.complete = 0;
	rig_broker(r);
	rig_hello(r);
}

void
rig_free(struct rig *r)
{
	broker_free(r->b);
	outbox_free(r->o);
	free(r->blob);
	free(r);
	assert_int_equal(secret_in_use(), 0);
}

/* ---- worker, egress, key ----------------------------------------------- */
static void
make_key(struct rig *r)
{
	struct key_new	 kn;
	uint8_t		 random[TOKEN_RANDOM], digest[KEY_DIGEST];
	uint32_t	 pepper;
	int		 len;

	fill(NULL, random, sizeof(random));
	len = token_make(random, 1, r->token);
	assert_true(len > 0);
	assert_int_equal(token_public_id(r->token, (size_t)len, r->key, NULL),
	    0);
	assert_int_equal(authn_digest(&r->b->vault, 0, &pepper, r->token,
	    (size_t)len, digest), 0);
	memset(&kn, 0, sizeof(kn));
	kn.id = r->key;
	kn.digest = digest;
	kn.role = ROLE_K_DEVELOPER;
	kn.dev = 1;
	kn.pepper = pepper;
	kn.agent = key_agent_find(r->b->keys, "default");
	assert_non_null(kn.agent);
	kn.created = r->wall;
	kn.expires = r->wall + 30 * KEY_DAY_MS;
	kn.email = "";
	kn.name = "";
	assert_non_null(key_add(r->b->keys, &kn));
}

void
rig_make_link(struct rig *r, uint16_t provider_id)
{
	struct msgw	 w;

	r->link = 0;
	msg_open(&w, M_LINK);
	msg_put_u32(&w, 1);
	msg_put_u16(&w, provider_id);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
}

void
rig_peers(struct rig *r)
{
	struct msgw	 w;

	send_peer(r, ROLE_EGRESS, RIG_PROVIDER);
	r->egress = (uint16_t)(peers_egress(r->b, RIG_PROVIDER) -
	    r->b->egress);
	msg_open(&w, M_LINKUP);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, 1);
	msg_put_u8(&w, CLASS_BOTH);
	msg_put_u64(&w, r->wall - 1000);
	msg_put_u32(&w, 0);
	rig_send(r, FROM_PARENT, 0, &w, FD_LINK);
	r->worker = 0;
	make_key(r);
	rig_make_link(r, RIG_PROVIDER);
	assert_int_not_equal(r->link, 0);
}

void
rig_ask(struct rig *r, struct ask *a)
{
	memset(a, 0, sizeof(*a));
	a->no = ++r->no;
	a->link = r->link;
	a->kind = KIND_GENERATE;
	a->dialect = DIALECT_OPENAI;
	a->route = ROUTE_CHAT;
	a->provider = RIG_PROVIDER;
	a->length = 1000;
	strlcpy(a->model, "gpt-4o", sizeof(a->model));
	strlcpy(a->method, "POST", sizeof(a->method));
	strlcpy(a->path, "/v1/chat/completions", sizeof(a->path));
	strlcpy(a->ctype, "application/json", sizeof(a->ctype));
	strlcpy(a->session, "ses_1", sizeof(a->session));
	strlcpy(a->source, "127.0.0.1", sizeof(a->source));
	memset(a->sha256, 0xab, sizeof(a->sha256));
	a->token = (const uint8_t *)r->token;
	a->tokenlen = strlen(r->token);
}

void
rig_put_call(struct msgw *w, uint16_t type, const struct ask *a)
{
	msg_open(w, type);
	msg_put_u64(w, a->no);
	msg_put_u32(w, a->link);
	msg_put_strn(w, a->token, a->tokenlen);
	msg_put_u32(w, a->flags);
	msg_put_u8(w, a->kind);
	msg_put_u8(w, a->dialect);
	msg_put_u16(w, a->route);
	msg_put_u16(w, a->provider);
	msg_put_str(w, a->model);
	msg_put_str(w, a->method);
	msg_put_str(w, a->path);
	msg_put_str(w, a->query);
	msg_put_str(w, a->ctype);
	msg_put_u64(w, a->length);
	msg_put_raw(w, a->sha256, sizeof(a->sha256));
	msg_put_u16(w, a->edits);
	msg_put_str(w, a->session);
	msg_put_str(w, a->source);
	msg_put_u64(w, a->max_tokens);
	msg_put_u64(w, a->deadline);
}
