/* SPDX-License-Identifier: ISC */
/*
 * Administration against stand-ins for batch, audit and calls: what is
 * recorded, what is answered when, who may do what.  The stand-in for audit
 * writes real entries, so that what is said here would be signed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keybrokerd/broker/admin.h"

#define NOW	1700000000000ULL
#define ADMIN	"tp_admin_correct-horse-battery"
#define CTL	0		/* control row of an administrator */
#define CTL_OTHER 1		/* of somebody else */
#define W_ADMIN	2		/* worker rows */
#define W_DATA	3

/* ---- stand-ins ---------------------------------------------------------- */

static struct {
	int		 open, fail_gate;
	unsigned int	 errors;
	size_t		 nentries, nrows, nwaiting, waiting;
	char		 types[64][40];
	uint8_t		 entry[64][2048];
	size_t		 entrylen[64];
	uint8_t		 rowkind[64], row[64][KEY_ROW];
	char		 rowid[64][80];
	size_t		 rowlen[64];
	struct secret	*secret[64];
	uint8_t		*plain[64];
	size_t		 plainlen[64];
	char		 revoked[64];
	struct entry_w	 w;
} rec;

static struct entry_w *
begin(struct broker *b)
{
	static const uint8_t	 z[32];
	struct entry_w		*w;

	(void)b;
	w = &rec.w;
	entry_put_uint(w, EK_WALL, NOW);
	entry_put_uint(w, EK_BOOTTIME, 1);
	entry_put_bytes(w, EK_BOOTID, z, 16);
	entry_put_uint(w, EK_EPOCH, 0);
	entry_put_bytes(w, EK_PREV, z, 32);
	entry_put_bytes(w, EK_ORIGIN, z, 8);
	entry_put_bytes(w, EK_INSTANCE, z, 8);
	return w;
}

struct entry_w *
audit_begin(struct broker *b, enum entry_type type)
{
	assert_false(rec.open++);
	assert_true(rec.nentries < 64);
	entry_begin(&rec.w, rec.entry[rec.nentries], sizeof(rec.entry[0]),
	    rec.nentries, type);
	return begin(b);
}

struct entry_w *
audit_begin_admin(struct broker *b, const char *what)
{
	assert_false(rec.open++);
	assert_true(rec.nentries < 64);
	entry_begin_admin(&rec.w, rec.entry[rec.nentries],
	    sizeof(rec.entry[0]), rec.nentries, what);
	return begin(b);
}

void
audit_org(struct entry_w *w, uint32_t org)
{
	entry_put_uint(w, EK_ORG, org);
}

uint64_t
audit_end(struct broker *b)
{
	struct entry	 e;
	const char	*why;
	ssize_t		 len;

	(void)b;
	len = entry_end(&rec.w);
	assert_int_not_equal(len, -1);
	assert_int_equal(entry_parse(rec.entry[rec.nentries], (size_t)len, &e,
	    &why), 0);
	snprintf(rec.types[rec.nentries], sizeof(rec.types[0]), "%.*s",
	    (int)e.namelen, e.name);
	rec.entrylen[rec.nentries] = (size_t)len;
	rec.open = 0;
	return rec.nentries++;
}

void
batch_state(struct broker *b, uint8_t kind, const void *id, size_t idlen,
    const void *val, size_t len)
{
	(void)b;
	assert_true(rec.nrows < 64 && idlen < 80 && len <= KEY_ROW);
	rec.rowkind[rec.nrows] = kind;
	memcpy(rec.rowid[rec.nrows], id, idlen);
	rec.rowid[rec.nrows][idlen] = '\0';
	memcpy(rec.row[rec.nrows], val, len);
	rec.rowlen[rec.nrows++] = len;
}

int
batch_emit(void *arg, uint8_t kind, const void *id, size_t idlen,
    const void *val, size_t len)
{
	batch_state(arg, kind, id, idlen, val, len);
	return 0;
}

void
batch_then(struct broker *b, const struct broker_from *to, uint16_t type,
    const void *p, size_t len)
{
	(void)b;
	(void)to;
	assert_int_equal(type, M_ANSWER);
	rec.plain[rec.nwaiting] = malloc(len);
	memcpy(rec.plain[rec.nwaiting], p, len);
	rec.plainlen[rec.nwaiting++] = len;
}

void
batch_then_secret(struct broker *b, const struct broker_from *to,
    uint16_t type, struct secret *s)
{
	(void)b;
	(void)to;
	assert_int_equal(type, M_ANSWER);
	rec.secret[rec.nwaiting++] = s;
}

size_t
batch_waiting(const struct broker *b)
{
	(void)b;
	return rec.waiting;
}

size_t
call_revoke(struct broker *b, enum call_match m, const char *what,
    enum proto_cut cut, struct outbox *o)
{
	(void)b;
	(void)o;
	assert_true(m == MATCH_KEY || m == MATCH_AGENT);
	assert_int_equal(cut, CUT_REVOKED);
	/* Before the entry: whatever the disk does. */
	strlcpy(rec.revoked, what, sizeof(rec.revoked));
	return 0;
}

void
broker_error(struct broker *b, const struct broker_from *from, uint64_t no,
    uint16_t type, const char *text, struct outbox *o)
{
	(void)b;
	(void)from;
	(void)no;
	(void)type;
	(void)text;
	(void)o;
	rec.errors++;
}

int
gate_open(const struct broker *b)
{
	(void)b;
	return !rec.fail_gate;
}

const char *
gate_reason(const struct broker *b)
{
	(void)b;
	return rec.fail_gate ? "ledger" : NULL;
}

struct egress *
peers_egress(struct broker *b, uint16_t provider)
{
	(void)b;
	(void)provider;
	return NULL;
}

/* ---- fixture ------------------------------------------------------------ */

struct answer {
	uint32_t	 cookie;
	uint16_t	 status;
	int		 more;
	size_t		 n;
	char		 f[16][8200];
};

static struct broker	*b;
static struct outbox	*o;
static struct answer	 ans;
static size_t		 next_out, next_then;

static void
fill(void *arg, void *buf, size_t len)
{
	static uint64_t	 s = 7;
	uint8_t		*p = buf;

	(void)arg;
	while (len-- > 0) {
		s = s * 6364136223846793005ULL + 1442695040888963407ULL;
		*p++ = (uint8_t)(s >> 33);
	}
}

static void
forget(void)
{
	size_t	 i;

	for (i = 0; i < rec.nwaiting; i++) {
		secret_free(&rec.secret[i]);
		free(rec.plain[i]);
		rec.plain[i] = NULL;
	}
	rec.nentries = rec.nrows = rec.nwaiting = next_out = next_then = 0;
	rec.revoked[0] = '\0';
	outbox_clear(o);
}

static int
setup(void **state)
{
	struct secret	*dek, *s;
	char		 err[256];

	(void)state;
	memset(&rec, 0, sizeof(rec));
	b = calloc(1, sizeof(*b));
	o = outbox_new();
	b->workers = calloc(4, sizeof(*b->workers));
	b->workers[W_ADMIN].class = CLASS_ADMIN;
	b->workers[W_ADMIN].slot = 5;
	b->workers[W_DATA].class = CLASS_DATA;
	b->control[CTL].admin = 1;
	b->control[CTL].uid = 0;
	b->control[CTL_OTHER].uid = 1000;
	b->env.rng.fill = fill;
	b->wall = NOW;
	b->policy = -1;
	b->gate.recovered = 1;
	b->keys = key_store_new();
	b->creds = credential_new();
	b->admin = admin_new();
	dek = secret_new(VAULT_KEY);
	fill(NULL, secret_bytes(dek), VAULT_KEY);
	vault_init(&b->vault, &dek);
	s = secret_dup(ADMIN, strlen(ADMIN));
	credential_set(b->creds, SRC_ADMIN_ENV, "TAPPASS_ADMIN_API_KEY", &s,
	    err, sizeof(err));
	admin_start(b, o);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	forget();
	admin_free(b->admin);
	key_store_free(b->keys);
	credential_free(b->creds);
	vault_close(&b->vault);
	free(b->workers);
	free(b);
	outbox_free(o);
	return secret_in_use() == 0 ? 0 : -1;
}

static void
decode(const void *p, size_t len)
{
	struct msgr	 r;
	size_t		 i;

	memset(&ans, 0, sizeof(ans));
	msg_read(&r, M_ANSWER, p, len);
	ans.cookie = msg_get_u32(&r);
	ans.status = msg_get_u16(&r);
	ans.more = msg_get_u8(&r);
	ans.n = msg_get_u16(&r);
	for (i = 0; i < ans.n && i < 16; i++)
		msg_get_str(&r, ans.f[i], sizeof(ans.f[i]));
	assert_int_equal(msg_end(&r), 0);
	assert_int_equal(ans.cookie, 77);
}

/* The next answer that goes out now: 1, or 0 there is none. */
static int
now(void)
{
	const struct out	*it;

	while (next_out < o->n) {
		it = &o->item[next_out++];
		if (it->act != OUT_SEND || it->type != M_ANSWER)
			continue;
		decode(o->data + it->off, it->len);
		return 1;
	}
	return 0;
}

/* The next one that waits for COMMITTED. */
static int
then(void)
{
	if (next_then == rec.nwaiting)
		return 0;
	if (rec.secret[next_then] != NULL)
		decode(secret_bytes(rec.secret[next_then]),
		    secret_len(rec.secret[next_then]));
	else
		decode(rec.plain[next_then], rec.plainlen[next_then]);
	next_then++;
	return 1;
}

#define SOURCE	"192.0.2.7"

/* A request with the fields s (strings) u4 u8 (numbers) b (u8) v (u16). */
static void
ask(enum from_kind kind, uint16_t index, uint16_t type, const char *token,
    const char *fields, ...)
{
	struct broker_from	 from;
	struct msgw		 w;
	struct msgr		 r;
	va_list			 ap;

	forget();
	memset(&from, 0, sizeof(from));
	from.kind = kind;
	from.index = index;
	msg_open(&w, type);
	msg_put_u32(&w, 77);
	if (token != NULL) {
		msg_put_str(&w, token);
		msg_put_str(&w, kind == FROM_WORKER ? SOURCE : "");
	}
	va_start(ap, fields);
	for (; *fields != '\0'; fields++)
		switch (*fields) {
		case 's': msg_put_str(&w, va_arg(ap, const char *)); break;
		case '4': msg_put_u32(&w, va_arg(ap, uint32_t)); break;
		case '8': msg_put_u64(&w, va_arg(ap, uint64_t)); break;
		case 'b': msg_put_u8(&w, (uint8_t)va_arg(ap, int)); break;
		case 'v': msg_put_u16(&w, (uint16_t)va_arg(ap, int)); break;
		}
	va_end(ap);
	msg_read(&r, type, w.buf, w.len);
	admin_message(b, &from, &r, o);
}

#define CREATE(kind, idx, tok, agent, email, days, at, make)		\
	MAKE(kind, idx, tok, agent, email, days, at, make, "", "")
#define MAKE(kind, idx, tok, agent, email, days, at, make, role, scope)	\
	ask(kind, idx, M_ADMIN_KEY_CREATE, tok, "sss48bss", agent, email, \
	    "laptop", (uint32_t)(days), (uint64_t)(at), make, role, scope)
#define AGENT(kind, idx, tok, agent, descr, owner)			\
	ask(kind, idx, M_ADMIN_AGENT_CREATE, tok, "sssssb4", agent, descr, \
	    owner, "", "", 0, (uint32_t)0)

static enum authn_result
check(const char *token, struct authn_who *who)
{
	return authn_check(b->keys, &b->vault, token, strlen(token), b->wall,
	    who);
}

static void
denied(uint16_t status, const char *code)
{
	assert_true(now());
	assert_int_equal(ans.status, status);
	assert_int_equal(ans.n, 2);
	assert_int_equal(ans.more, 0);
	assert_string_equal(ans.f[0], code);
	assert_false(now());
	assert_int_equal(rec.nwaiting, 0);
	assert_int_equal(rec.nrows, 0);
}

/* Does the change map of entry i hold this text? */
static void
changed(size_t i, const char *type, unsigned int sub, const char *want)
{
	struct entry	 e;
	const char	*p;
	size_t		 len;

	assert_true(i < rec.nentries);
	assert_string_equal(rec.types[i], type);
	assert_int_equal(entry_parse(rec.entry[i], rec.entrylen[i], &e, NULL),
	    0);
	assert_int_equal(entry_sub_text(&e, EK_CHANGE, sub, &p, &len), 0);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(p, want, len);
}

/* ---- cases -------------------------------------------------------------- */

static void
test_start(void **state)
{
	struct authn_who who;

	(void)state;
	assert_int_equal(check(ADMIN, &who), AUTHN_OK);
	assert_int_equal(rec.nentries, 2);
	changed(0, "key.add", ES_CHANGE_ID, "bootstrap");
	changed(0, "key.add", ES_CHANGE_REASON, "from the environment");
	changed(1, "admin.agent.create", ES_CHANGE_ID, "default");
	assert_non_null(key_agent_find(b->keys, "default"));
	/* Another life with the same state changes nothing. */
	rec.nentries = rec.nrows = 0;
	admin_start(b, o);
	assert_int_equal(rec.nentries, 0);
	assert_int_equal(rec.nrows, 0);
}

static void
test_create(void **state)
{
	struct authn_who who;
	struct keys	*other;
	char		 token[128];
	size_t		 i;

	(void)state;
	CREATE(FROM_CONTROL, CTL, "", "research-bot", "a@b", 90, 0, 1);
	/* Nothing is said before it is durable. */
	assert_false(now());
	assert_int_equal(rec.nentries, 2);
	changed(0, "admin.agent.create", ES_CHANGE_ID, "research-bot");
	changed(1, "key.add", ES_CHANGE_OWNER, "research-bot");
	changed(1, "key.add", ES_CHANGE_ACTOR, "uid 0");
	assert_true(then());
	assert_int_equal(ans.status, 201);
	assert_int_equal(ans.more, 1);
	assert_int_equal(ans.n, 7);
	assert_string_equal(ans.f[6], "developer");
	strlcpy(token, ans.f[0], sizeof(token));
	assert_int_equal(token_check(token, strlen(token)), TOKEN_OK);
	assert_memory_equal(token, "tp_dev_", 7);
	assert_memory_equal(ans.f[1], "dk_", 3);
	assert_memory_equal(ans.f[1] + 3, token + 7, TOKEN_ID);
	assert_string_equal(ans.f[2], "research-bot");
	assert_string_equal(ans.f[3], "a@b");
	assert_string_equal(ans.f[4], "2024-02-12T22:13:20Z");
	assert_string_equal(ans.f[5], "1");
	changed(1, "key.add", ES_CHANGE_ID, ans.f[1]);
	assert_true(then());
	assert_int_equal(ans.more, 0);
	assert_false(then());
	assert_int_equal(check(token, &who), AUTHN_OK);
	assert_string_equal(who.agent->id, "research-bot");
	/* Neither token nor address in entries or rows (but the key's row). */
	for (i = 0; i < rec.nentries; i++) {
		assert_null(memmem(rec.entry[i], rec.entrylen[i], token + 20,
		    20));
		assert_null(memmem(rec.entry[i], rec.entrylen[i], "a@b", 3));
	}
	/* The rows alone bring it back. */
	other = key_store_new();
	assert_int_equal(rec.nrows, 2);
	assert_int_equal(rec.rowkind[0], ST_AGENT);
	assert_int_equal(rec.rowkind[1], ST_KEY);
	assert_int_equal(key_agent_load(other, rec.rowid[0],
	    strlen(rec.rowid[0]), rec.row[0], rec.rowlen[0]), 0);
	assert_int_equal(key_load(other, rec.rowid[1], strlen(rec.rowid[1]),
	    rec.row[1], rec.rowlen[1]), 0);
	assert_null(memmem(rec.row[1], rec.rowlen[1], token + 20, 20));
	assert_int_equal(authn_check(other, &b->vault, token, strlen(token),
	    NOW, &who), AUTHN_OK);
	key_store_free(other);
}

static void
test_create_refused(void **state)
{
	char	 big[600];

	(void)state;
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	CREATE(FROM_CONTROL, CTL, "", "no way", "a@b", 90, 0, 1);
	denied(400, "invalid_agent");
	CREATE(FROM_CONTROL, CTL, "", big, "a@b", 90, 0, 1);
	denied(400, "invalid_agent");
	CREATE(FROM_CONTROL, CTL, "", "default", "ab", 90, 0, 1);
	denied(400, "invalid_email");
	CREATE(FROM_CONTROL, CTL, "", "default", big, 90, 0, 1);
	denied(400, "invalid_email");
	CREATE(FROM_CONTROL, CTL, "", "default", "a@b", 0, 0, 1);
	denied(400, "invalid_expiry");
	CREATE(FROM_CONTROL, CTL, "", "default", "a@b", 366, 0, 1);
	denied(400, "invalid_expiry");
	CREATE(FROM_CONTROL, CTL, "", "default", "a@b", 1, NOW + 999, 1);
	denied(400, "invalid_expiry");
	/* An exact time is for the control socket. */
	CREATE(FROM_WORKER, W_ADMIN, ADMIN, "default", "a@b", 1, NOW + 5000,
	    0);
	denied(400, "invalid_expiry");
	/* POST to an unknown agent never makes it. */
	CREATE(FROM_WORKER, W_ADMIN, ADMIN, "nobody", "a@b", 90, 0, 1);
	denied(404, "agent_not_found");
	CREATE(FROM_CONTROL, CTL, "", "nobody", "a@b", 90, 0, 0);
	denied(404, "agent_not_found");
	rec.fail_gate = 1;
	CREATE(FROM_CONTROL, CTL, "", "default", "a@b", 90, 0, 0);
	denied(503, "not_ready");
	rec.fail_gate = 0;
	assert_int_equal(rec.errors, 0);
	/* Cut or longer messages are the peer's error. */
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_CREATE, "", "sss48b", "default",
	    "a@b", "", (uint32_t)1, (uint64_t)0, 0);
	assert_int_equal(rec.errors, 1);
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_LIST, "", "ss", "", "");
	assert_int_equal(rec.errors, 2);
	assert_false(now());
	assert_int_equal(key_count(b->keys), 0);
}

static void
test_expires_at(void **state)
{
	struct authn_who who;
	char		 token[128];

	(void)state;
	CREATE(FROM_CONTROL, CTL, "", "default", "a@b", 0, NOW + 1000, 0);
	assert_true(then());
	assert_int_equal(ans.status, 201);
	strlcpy(token, ans.f[0], sizeof(token));
	assert_int_equal(check(token, &who), AUTHN_OK);
	b->wall += 1000;
	assert_int_equal(check(token, &who), AUTHN_EXPIRED);
}

static void
test_revoke(void **state)
{
	struct authn_who who;
	char		 token[128], id[32], when[32];

	(void)state;
	CREATE(FROM_CONTROL, CTL, "", "default", "a@b", 90, 0, 0);
	assert_true(then());
	strlcpy(token, ans.f[0], sizeof(token));
	strlcpy(id, ans.f[1], sizeof(id));
	/* Works with the ledger away; answered when durable. */
	rec.fail_gate = 1;
	b->batch.committed = 0;
	b->wall += 5000;
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_REVOKE, "", "ss", "", id);
	assert_string_equal(rec.revoked, id + 3);
	assert_int_equal(check(token, &who), AUTHN_REVOKED);
	changed(0, "key.revoke", ES_CHANGE_ID, id);
	assert_int_equal(rec.nrows, 1);
	assert_false(now());
	assert_true(then());
	assert_int_equal(ans.status, 200);
	assert_string_equal(ans.f[0], id);
	strlcpy(when, ans.f[1], sizeof(when));
	assert_string_equal(when, "2023-11-14T22:13:25Z");
	/* Again, before and after it is durable. */
	b->wall += 5000;
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_REVOKE, "", "ss", "", id);
	denied(503, "not_durable_yet");
	assert_int_equal(rec.nentries, 0);
	b->batch.committed = 1;
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_REVOKE, "", "ss", "default", id);
	assert_true(now());
	assert_int_equal(ans.status, 200);
	assert_string_equal(ans.f[1], when);
	assert_int_equal(rec.nentries, 0);
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_REVOKE, "", "ss", "other", id);
	denied(404, "key_not_found");
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_REVOKE, "", "ss", "",
	    "dk_000000000000");
	denied(404, "key_not_found");
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_REVOKE, "", "ss", "", "../x");
	denied(404, "key_not_found");
}

static void
test_who(void **state)
{
	struct entry	 e;
	char		 token[128], id[32];
	uint64_t	 slot;

	(void)state;
	ask(FROM_CONTROL, CTL_OTHER, M_ADMIN_STATUS, "", "");
	denied(403, "permission_denied");
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_STATUS, "", "");
	denied(401, "invalid_api_key");
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_STATUS, ADMIN "x", "");
	denied(401, "invalid_api_key");
	assert_int_equal(b->fails.total, 2);
	assert_int_equal(b->fails.reasons[AUTHN_GUESS], 1);
	/* A data worker has no such message, whatever it presents. */
	ask(FROM_WORKER, W_DATA, M_ADMIN_STATUS, ADMIN, "");
	assert_int_equal(rec.errors, 1);
	ask(FROM_WORKER, W_ADMIN, M_CTL_STOP, NULL, "");
	assert_int_equal(rec.errors, 2);
	ask(FROM_EGRESS, 0, M_ADMIN_STATUS, ADMIN, "");
	assert_int_equal(rec.errors, 3);
	assert_false(now());

	/* A developer: keys of agents it owns, its own to end, no status. */
	AGENT(FROM_CONTROL, CTL, "", "mine", "", "a@b");
	AGENT(FROM_CONTROL, CTL, "", "theirs", "", "c@d");
	CREATE(FROM_CONTROL, CTL, "", "mine", "a@b", 90, 0, 0);
	assert_true(then());
	strlcpy(token, ans.f[0], sizeof(token));
	CREATE(FROM_WORKER, W_ADMIN, token, "mine", "c@d", 1, 0, 0);
	assert_true(then());
	assert_int_equal(ans.status, 201);
	strlcpy(id, ans.f[1], sizeof(id));
	assert_int_equal(entry_parse(rec.entry[0], rec.entrylen[0], &e, NULL),
	    0);
	assert_int_equal(entry_sub_uint(&e, EK_CLAIMANT, ES_CLAIMANT_SLOT,
	    &slot), 0);
	assert_int_equal(slot, 5);
	CREATE(FROM_WORKER, W_ADMIN, token, "theirs", "a@b", 1, 0, 0);
	denied(404, "agent_not_found");
	MAKE(FROM_WORKER, W_ADMIN, token, "mine", "a@b", 1, 0, 0, "admin", "");
	changed(0, "admin.denied", ES_CHANGE_ID, "ADMIN_KEY_CREATE");
	denied(403, "permission_denied");
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_KEY_LIST, token, "s48", "theirs",
	    (uint32_t)0, (uint64_t)0);
	denied(404, "agent_not_found");
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_STATUS, token, "");
	changed(0, "admin.denied", ES_CHANGE_ID, "ADMIN_STATUS");
	denied(403, "permission_denied");
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_KEY_REVOKE, token, "ss", "", id);
	denied(403, "permission_denied");
	AGENT(FROM_WORKER, W_ADMIN, token, "x", "", "");
	denied(403, "permission_denied");
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_AGENT_LIST, token, "sb48", "", 0,
	    (uint32_t)0, (uint64_t)0);
	assert_true(now());
	assert_string_equal(ans.f[0], "mine");
	assert_string_equal(ans.f[3], "2");
	assert_true(now());
	assert_int_equal(ans.more, 0);
	assert_string_equal(ans.f[1], "1");
	assert_false(now());
	snprintf(id, sizeof(id), "dk_%.12s", token + 7);
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_KEY_REVOKE, token, "ss", "", id);
	assert_true(then());
	assert_int_equal(ans.status, 200);
	/* A known key that has ended: an entry, not an aggregate. */
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_ME, token, "");
	changed(0, "admin.denied", ES_CHANGE_REASON, "invalid_api_key");
	denied(401, "invalid_api_key");
	assert_int_equal(b->fails.total, 2);
}

/* The table of role.c, typed again by hand from the issue. */
static void
test_roles(void **state)
{
	static const struct {
		uint16_t	 type;
		const char	*right;	/* agent auditor developer admin */
	} want[] = {
		{ M_ADMIN_ME, "AAAA" }, { M_ADMIN_AGENT_CREATE, "---A" },
		{ M_ADMIN_AGENT_LIST, "-AoA" },
		{ M_ADMIN_AGENT_DELETE, "---A" },
		{ M_ADMIN_KEY_CREATE, "--oA" }, { M_ADMIN_KEY_LIST, "-AoA" },
		{ M_ADMIN_KEY_REVOKE, "--oA" }, { M_ADMIN_KEY_ROTATE, "--oA" },
		{ M_ADMIN_AUDIT_LIST, "-AoA" },
		{ M_ADMIN_AUDIT_VERIFY, "-AAA" },
		{ M_ADMIN_OVERVIEW, "-AoA" }, { M_ADMIN_METRICS, "-A-A" },
		{ M_ADMIN_SPEND, "-AoA" }, { M_ADMIN_STATUS, "-A-A" },
		{ M_ADMIN_QUARANTINE, "---A" },
		{ M_ADMIN_VAULT_ROTATE, "---A" },
		{ M_ADMIN_SECRET_LIST, "-A-A" }, { M_CTL_STOP, "---A" },
	};
	size_t	 i, k;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		for (k = 0; k < 4; k++)
			assert_int_equal("-oA"[role_may(want[i].type,
			    (uint8_t)(k + 1))], want[i].right[k]);
	assert_int_equal(role_may(M_ADMIN_ME, 0), ROLE_NO);
	assert_int_equal(role_may(M_ADMIN_ME, 5), ROLE_NO);
}

/* New and old live side by side for the grace, then the old one ends. */
static void
test_rotate(void **state)
{
	struct authn_who who;
	char		 old[128], new[128], id[32];

	(void)state;
	MAKE(FROM_CONTROL, CTL, "", "default", "a@b", 90, 0, 0, "",
	    "p=openai n=192.0.2.0/24");
	assert_true(then());
	strlcpy(old, ans.f[0], sizeof(old));
	strlcpy(id, ans.f[1], sizeof(id));
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_KEY_ROTATE, old, "ss44", "", id,
	    (uint32_t)60, (uint32_t)0);
	assert_int_equal(rec.nentries, 1);
	changed(0, "key.rotate", ES_CHANGE_OWNER, "default");
	assert_true(then());
	assert_int_equal(ans.status, 201);
	assert_string_equal(ans.f[5], id);
	assert_string_equal(ans.f[6], "2023-11-14T22:14:20Z");
	strlcpy(new, ans.f[0], sizeof(new));
	assert_int_equal(check(old, &who), AUTHN_OK);
	assert_int_equal(check(new, &who), AUTHN_OK);
	assert_string_equal(who.key->scope, "p=openai n=192.0.2.0/24");
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_ROTATE, "", "ss44", "", id,
	    (uint32_t)60, (uint32_t)0);
	denied(409, "key_replaced");
	/* At the millisecond it is refused; its one entry comes by the tick. */
	forget();
	b->wall += 60000;
	assert_int_equal(check(old, &who), AUTHN_REVOKED);
	rec.fail_gate = 1;
	admin_tick(b, o);
	assert_string_equal(rec.revoked, id + 3);
	assert_int_equal(rec.nentries, 1);
	changed(0, "key.revoke", ES_CHANGE_ID, id);
	admin_tick(b, o);
	assert_int_equal(rec.nentries, 1);
	assert_int_equal(admin_due(b), NEVER);
	assert_int_equal(check(new, &who), AUTHN_OK);
}

/* Where a key may be used from, and that a scoped one makes no others. */
static void
test_scope(void **state)
{
	char	 token[128];

	(void)state;
	AGENT(FROM_CONTROL, CTL, "", "mine", "", "a@b");
	MAKE(FROM_CONTROL, CTL, "", "mine", "a@b", 90, 0, 0, "",
	    "n=198.51.100.0/24");
	assert_true(then());
	strlcpy(token, ans.f[0], sizeof(token));
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_ME, token, "");
	denied(403, "policy_block");
	MAKE(FROM_CONTROL, CTL, "", "mine", "a@b", 90, 0, 0, "",
	    "n=192.0.2.0/24");
	assert_true(then());
	strlcpy(token, ans.f[0], sizeof(token));
	CREATE(FROM_WORKER, W_ADMIN, token, "mine", "a@b", 1, 0, 0);
	denied(403, "scoped_key");
	MAKE(FROM_CONTROL, CTL, "", "mine", "a@b", 90, 0, 0, "", "x=1");
	denied(400, "invalid_scope");
	MAKE(FROM_CONTROL, CTL, "", "mine", "a@b", 90, 0, 0, "root", "");
	denied(400, "invalid_role");
}

/* A deleted agent: its keys are refused, its name is not used again. */
static void
test_agent_delete(void **state)
{
	struct authn_who who;
	struct keys	*other;
	char		 token[128];

	(void)state;
	CREATE(FROM_CONTROL, CTL, "", "bot", "a@b", 90, 0, 1);
	assert_true(then());
	strlcpy(token, ans.f[0], sizeof(token));
	rec.fail_gate = 1;
	ask(FROM_CONTROL, CTL, M_ADMIN_AGENT_DELETE, "", "s", "bot");
	assert_string_equal(rec.revoked, "bot");
	assert_int_equal(rec.nentries, 1);
	changed(0, "admin.agent.delete", ES_CHANGE_ID, "bot");
	assert_true(then());
	assert_int_equal(ans.status, 200);
	assert_string_equal(ans.f[2], "1");
	assert_int_equal(check(token, &who), AUTHN_REVOKED);
	other = key_store_new();
	assert_int_equal(key_agent_load(other, "bot", 3, rec.row[0],
	    rec.rowlen[0]), 0);
	assert_int_not_equal(key_agent_find(other, "bot")->deleted, 0);
	key_store_free(other);
	b->batch.committed = 100;
	ask(FROM_CONTROL, CTL, M_ADMIN_AGENT_DELETE, "", "s", "bot");
	assert_true(now());
	assert_int_equal(ans.status, 200);
	assert_int_equal(rec.nentries, 0);
	rec.fail_gate = 0;
	AGENT(FROM_CONTROL, CTL, "", "bot", "", "");
	denied(409, "agent_exists");
	CREATE(FROM_CONTROL, CTL, "", "bot", "a@b", 90, 0, 1);
	denied(404, "agent_not_found");
	ask(FROM_CONTROL, CTL, M_ADMIN_AGENT_DELETE, "", "s", "default");
	denied(409, "agent_in_use");
}

static void
test_agents(void **state)
{
	(void)state;
	AGENT(FROM_WORKER, W_ADMIN, ADMIN, "bot", "reads", "");
	assert_false(now());
	changed(0, "admin.agent.create", ES_CHANGE_ACTOR, "admin-key");
	assert_true(then());
	assert_int_equal(ans.status, 201);
	assert_string_equal(ans.f[0], "bot");
	assert_string_equal(ans.f[1], "1");
	AGENT(FROM_WORKER, W_ADMIN, ADMIN, "bot", "again", "");
	assert_true(now());
	assert_int_equal(ans.status, 200);
	assert_string_equal(ans.f[1], "0");
	assert_int_equal(rec.nentries, 0);
	ask(FROM_CONTROL, CTL, M_ADMIN_AGENT_LIST, "", "sb48", "", 0,
	    (uint32_t)0, (uint64_t)0);
	assert_true(now());
	assert_string_equal(ans.f[0], "default");
	assert_true(now());
	assert_string_equal(ans.f[0], "bot");
	assert_string_equal(ans.f[1], "reads");
	assert_string_equal(ans.f[2], "2023-11-14T22:13:20Z");
	assert_string_equal(ans.f[3], "0");
	assert_true(now());
	assert_int_equal(ans.more, 0);
	assert_int_equal(ans.n, 2);
	assert_string_equal(ans.f[0], "");
	assert_string_equal(ans.f[1], "2");
}

/* 100,000 keys and 10,000 agents: pages that fit a peer's queue, and all. */
static void
test_long_list(void **state)
{
	static const uint8_t	 digest[KEY_DIGEST];
	char			 id[TOKEN_ID + 1], last[32], name[16];
	struct agent_new	 an = { .id = name, .created = NOW };
	struct key_new		 n;
	uint64_t		 cursor;
	size_t			 i, rows, pages, bytes;

	(void)state;
	memset(&n, 0, sizeof(n));
	n.id = id;
	n.digest = digest;
	n.role = ROLE_K_DEVELOPER;
	n.pepper = 1;
	n.agent = key_agent_find(b->keys, "default");
	n.created = NOW;
	n.expires = NOW + 1;
	n.email = "someone@example.com";
	n.name = "";
	for (i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "bot-%zu", i);
		assert_non_null(key_agent_add(b->keys, &an));
	}
	for (i = 0; i < 100000; i++) {
		snprintf(id, sizeof(id), "%012zu", i);
		assert_non_null(key_add(b->keys, &n));
	}
	rows = pages = 0;
	cursor = 0;
	do {
		ask(FROM_CONTROL, CTL, M_ADMIN_KEY_LIST, "", "s48", "",
		    (uint32_t)0, cursor);
		for (; now() && ans.more; rows++)
			strlcpy(last, ans.f[0], sizeof(last));
		assert_string_equal(ans.f[1], "100000");
		for (bytes = i = 0; i < o->n; i++)
			bytes += o->item[i].len + MSG_HEAD;
		assert_true(bytes <= ADMIN_LIST + 512);
		assert_int_equal(o->lost, 0);
		cursor = strtoull(ans.f[0], NULL, 10);
		pages++;
	} while (cursor != 0);
	assert_int_equal(rows, 100000);
	assert_string_equal(last, "dk_000000099999");
	assert_true(pages > 50);
	ask(FROM_CONTROL, CTL, M_ADMIN_AGENT_LIST, "", "sb48", "bot-99", 0,
	    (uint32_t)5, (uint64_t)0);
	for (rows = 0; now() && ans.more; rows++)
		;
	assert_int_equal(rows, 5);
	assert_string_equal(ans.f[1], "111");
}

static void
test_control(void **state)
{
	size_t	 i;
	int	 asked;

	(void)state;
	ask(FROM_CONTROL, CTL, M_CTL_HELLO, NULL, "v", 1);
	assert_true(now());
	assert_string_equal(ans.f[0], "1");
	ask(FROM_CONTROL, CTL, M_CTL_HELLO, NULL, "v", 2);
	denied(400, "protocol_version");
	ask(FROM_CONTROL, CTL, M_CTL_STOP, NULL, "");
	for (asked = 0, i = 0; i < o->n; i++)
		if (o->item[i].type == M_ASK) {
			assert_int_equal(o->item[i].to.kind, FROM_PARENT);
			asked = o->data[o->item[i].off];
		}
	assert_int_equal(asked, 1);
	assert_true(now());
	assert_int_equal(ans.status, 202);
	ask(FROM_CONTROL, CTL_OTHER, M_CTL_STOP, NULL, "");
	denied(403, "permission_denied");
	assert_int_equal(o->n, 1);
	/* The environment says the admin key: not replaced behind its back. */
	ask(FROM_CONTROL, CTL, M_CTL_ADMINKEY, NULL, "");
	denied(409, "admin_key_is_set");
	ask(FROM_CONTROL, CTL, M_CTL_FIRST, NULL, "b8", 2, (uint64_t)0);
	denied(400, "unknown_request");
}

/* No admin key in the environment: made, shown once, replaced on demand. */
static void
test_first(void **state)
{
	struct authn_who who;
	char		 err[256], key[160], token[128];
	struct secret	*none;

	(void)state;
	forget();
	none = NULL;
	credential_set(b->creds, SRC_ADMIN_ENV, "TAPPASS_ADMIN_API_KEY",
	    &none, err, sizeof(err));
	vault_close(&b->vault);
	none = secret_new(VAULT_KEY);
	fill(NULL, secret_bytes(none), VAULT_KEY);
	vault_init(&b->vault, &none);
	admin_start(b, o);
	changed(0, "key.add", ES_CHANGE_REASON, "first run");
	assert_int_equal(check(ADMIN, &who), AUTHN_GUESS);
	ask(FROM_CONTROL, CTL, M_CTL_FIRST, NULL, "b8", 1, (uint64_t)0);
	assert_true(then());
	assert_int_equal(ans.n, 5);
	assert_string_equal(ans.f[2], "default");
	assert_string_equal(ans.f[3], "2023-12-14T22:13:20Z");
	strlcpy(token, ans.f[0], sizeof(token));
	strlcpy(key, ans.f[4], sizeof(key));
	assert_int_equal(check(token, &who), AUTHN_OK);
	assert_int_equal(check(key, &who), AUTHN_OK);
	assert_int_equal(who.role, ROLE_K_ADMIN);
	ask(FROM_CONTROL, CTL, M_CTL_FIRST, NULL, "b8", 1, (uint64_t)0);
	assert_true(then());
	assert_string_equal(ans.f[4], "");
	assert_string_not_equal(ans.f[0], token);
	assert_int_equal(check(token, &who), AUTHN_OK);
	ask(FROM_CONTROL, CTL, M_CTL_ADMINKEY, NULL, "");
	changed(0, "key.rotate", ES_CHANGE_ID, "bootstrap");
	assert_true(then());
	assert_int_equal(ans.n, 1);
	assert_int_equal(check(ans.f[0], &who), AUTHN_OK);
	assert_int_equal(check(key, &who), AUTHN_GUESS);
}

static void
test_status(void **state)
{
	static const char *const	 want[] = { "gateway", "ledger",
	    "calls", "workers", "providers", "keys", "secrets", "vault",
	    "dial" };
	size_t				 i;

	(void)state;
	b->nsections = 1;
	strlcpy(b->sections[0].name, "dial", sizeof(b->sections[0].name));
	strlcpy(b->sections[0].text, "pid 7\n", sizeof(b->sections[0].text));
	b->workers[W_ADMIN].p.up = 1;
	b->workers = realloc(b->workers, WORKERS_MAX * sizeof(*b->workers));
	memset(b->workers + 4, 0, (WORKERS_MAX - 4) * sizeof(*b->workers));
	rec.fail_gate = 1;
	ask(FROM_CONTROL, CTL, M_ADMIN_STATUS, "", "");
	/* Before recovery status may be asked, on the control socket only. */
	b->gate.recovered = 0;
	ask(FROM_WORKER, W_ADMIN, M_ADMIN_STATUS, ADMIN, "");
	denied(503, "not_ready");
	ask(FROM_CONTROL, CTL, M_ADMIN_KEY_REVOKE, "", "ss", "", "x");
	denied(503, "not_ready");
	ask(FROM_CONTROL, CTL, M_ADMIN_STATUS, "", "");
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_true(now());
		assert_int_equal(ans.more, 1);
		assert_string_equal(ans.f[0], want[i]);
		if (i == 0)
			assert_non_null(strstr(ans.f[1],
			    "gate closed: ledger\n"));
		if (i == 3)
			assert_non_null(strstr(ans.f[1], "slot 5"));
		if (i == 8)
			assert_string_equal(ans.f[1], "pid 7\n");
	}
	assert_true(now());
	assert_int_equal(ans.more, 0);
	assert_false(now());
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest	 tests[] = {
		T(test_start), T(test_create), T(test_create_refused),
		T(test_expires_at), T(test_revoke), T(test_who),
		T(test_roles), T(test_rotate), T(test_scope),
		T(test_agent_delete), T(test_agents), T(test_long_list), T(test_control),
		T(test_first), T(test_status)
	};

	if (secret_pool(64) == -1) {
		perror("secret_pool");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
