/* SPDX-License-Identifier: ISC */
/*
 * The vault key's life against a scripted KMS: each class of answer at the
 * start, at a rotation and at a check; a broker that dies at each step of them
 * and goes on from its rows.  The KMS here wraps by XOR, so that it can tell
 * what it wrapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "keybrokerd/broker/vaultkey.h"
#include "regress/unit/call/rig.h"

#define AWS	"aws_kms://alias/k"
#define KV	"vault://secret/data/k"
#define FD_KMS	1005
#define CTL	0

static struct rig	*r;

/* The KMS, and what left the broker. */
static struct {
	int		 spawned;	/* SPAWN of kms waits */
	int		 asked;		/* EXCHANGE is here */
	uint32_t	 cookie;
	uint8_t		 op;
	char		 version[64];
	uint8_t		 wrapped[256], key[32];
	size_t		 wrappedlen, keylen, contextlen;
	uint8_t		 stored[32];	/* the newest version of the secret */
	char		 newest[16];
	uint8_t		 older[32];
	int		 lies;		/* UNWRAP gives another key */
	unsigned int	 keymade, waiting, reopen;
	uint16_t	 status;	/* of the last ANSWER's end or error */
	char		 f[5][64];	/* its row */
} k;

static void
exchange(const uint8_t *p, size_t len)
{
	struct msgr	 m;
	const uint8_t	*b;
	char		 uri[128];

	msg_read(&m, M_EXCHANGE, p, len);
	k.cookie = msg_get_u32(&m);
	k.op = msg_get_u8(&m);
	msg_get_str(&m, uri, sizeof(uri));
	assert_string_equal(uri, r->uri);
	msg_get_str(&m, k.version, sizeof(k.version));
	b = msg_get_blob(&m, sizeof(k.wrapped), &k.wrappedlen);
	memcpy(k.wrapped, b, k.wrappedlen);
	(void)msg_get_blob(&m, KMS_CONTEXT_MAX, &k.contextlen);
	b = msg_get_blob(&m, sizeof(k.key), &k.keylen);
	memcpy(k.key, b, k.keylen);
	assert_true(msg_get_u32(&m) > 0);
	assert_int_equal(msg_end(&m), 0);
	k.asked = 1;
}

static void
answered(const uint8_t *p, size_t len)
{
	struct msgr	 m;
	char		 text[512];
	uint16_t	 n, i;

	msg_read(&m, M_ANSWER, p, len);
	(void)msg_get_u32(&m);
	k.status = msg_get_u16(&m);
	(void)msg_get_u8(&m);
	n = msg_get_u16(&m);
	for (i = 0; i < n && i < 5; i++) {
		msg_get_str(&m, text, sizeof(text));
		strlcpy(k.f[i], text, sizeof(k.f[i]));
	}
}

static void
seen(struct rig *rig, const struct out *it, const uint8_t *p)
{
	(void)rig;
	if (it->act != OUT_SEND)
		return;
	if (it->type == M_SPAWN && p[0] == ROLE_KMS)
		k.spawned = 1;
	else if (it->type == M_EXCHANGE)
		exchange(p, it->len);
	else if (it->type == M_ANSWER)
		answered(p, it->len);
	k.keymade += it->type == M_KEYMADE;
	k.waiting += it->type == M_WAITING;
	k.reopen += it->type == M_REOPEN;
}

static void
peer(void)
{
	struct msgw	 w;

	assert_int_equal(k.spawned, 1);
	k.spawned = k.asked = 0;
	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_KMS);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, 1);
	rig_send(r, FROM_PARENT, 0, &w, FD_KMS);
	assert_int_equal(k.asked, 1);
}

static void
mix(uint8_t *p, size_t n)
{
	while (n-- > 0)
		*p++ ^= 0x5a;
}

static void
result(uint8_t class, uint8_t flags)
{
	struct msgw	 w;
	uint8_t		 key[32], wrapped[32];
	size_t		 nkey, nwrapped;

	nkey = nwrapped = 0;
	if (class == KC_OK && k.op == KMS_FETCH) {
		memcpy(key, k.version[0] == '\0' ||
		    strcmp(k.version, k.newest) == 0 ? k.stored : k.older, 32);
		nkey = 32;
	} else if (class == KC_OK && k.op == KMS_UNWRAP) {
		assert_int_equal(k.wrappedlen, 32);
		memcpy(key, k.wrapped, 32);
		mix(key, 32);
		key[0] ^= (uint8_t)k.lies;
		nkey = 32;
	} else if (class == KC_OK) {
		assert_int_equal(k.keylen, 32);
		memcpy(key, k.key, 32);
		memcpy(wrapped, k.key, 32);
		mix(wrapped, 32);
		nwrapped = 32;
		nkey = k.op == KMS_GENERATE ? 32 : 0;
	}
	msg_open(&w, M_RESULT);
	msg_put_u32(&w, k.cookie);
	msg_put_u8(&w, class);
	msg_put_u8(&w, flags);
	msg_put_u32(&w, 0);
	msg_put_str(&w, k.op == KMS_FETCH ? k.version[0] == '\0' ? k.newest :
	    k.version : "kek:1");
	msg_put_blob(&w, wrapped, nwrapped);
	msg_put_blob(&w, key, nkey);
	msg_put_str(&w, class == KC_OK ? "" : "the reason of the KMS");
	k.asked = 0;
	rig_send(r, FROM_KMS, 0, &w, -1);
}

static void
kms(uint8_t class)
{
	peer();
	result(class, 0);
}

/* ---- lives ---------------------------------------------------------------- */

static void
begin(const char *uri)
{
	memset(&k, 0, sizeof(k));
	r = rig_begin();
	r->seen = seen;
	strlcpy(r->uri, uri, sizeof(r->uri));
	if (uri[0] != '\0')
		r->vault[0] = '\0';
	memset(k.stored, 7, 32);
	strlcpy(k.newest, "1", sizeof(k.newest));
	rig_broker(r);
	rig_hello(r);
}

static void
settle(void)
{
	rig_settle(r);
	rig_tick(r, 0);
	rig_settle(r);
}

/* A running gateway. */
static uint8_t	 pepper[32];
static int	 lives;

static void
running(const char *uri)
{
	struct secret	*s;

	begin(uri);
	if (strcmp(uri, AWS) == 0)
		kms(KC_OK);
	if (uri[0] != '\0')
		kms(KC_OK);
	settle();
	assert_true(gate_open(r->b));
	rig_peers(r);
	lives = 1;
	s = vault_pepper(&r->b->vault, 1, NULL);
	memcpy(pepper, secret_bytes(s), sizeof(pepper));
}

/* Behind a fatal the answer that was being handled keeps its slot. */
static size_t	 leaked;

static void
drop(void)
{
	broker_free(r->b);
	outbox_free(r->o);
	free(r->blob);
	free(r);
	leaked = secret_in_use();
}

static void
end(void)
{
	size_t	 before;

	before = leaked;
	drop();
	assert_int_equal(leaked, before);
}

static void
restart(void)
{
	k.spawned = k.asked = 0;
	lives++;
	rig_restart(r);
}

/*
 * The developer's key still opens the gateway: it does while the pepper is the
 * one that it was made under (the rig's key has no row, so it lives one life).
 */
static void
key_works(void)
{
	struct authn_who	 who;
	struct secret		*s;

	s = vault_pepper(&r->b->vault, 1, NULL);
	assert_non_null(s);
	assert_memory_equal(secret_bytes(s), pepper, sizeof(pepper));
	if (lives > 1)
		return;
	assert_int_equal(authn_check(r->b->keys, &r->b->vault, r->token,
	    strlen(r->token), r->wall, &who), AUTHN_OK);
	assert_string_equal(who.key->id, r->key);
}

static void
control(void)
{
	struct msgw	 w;

	msg_open(&w, M_CONTROL);
	msg_put_u32(&w, 0);
	msg_put_u8(&w, 1);
	rig_send(r, FROM_PARENT, 0, &w, FD_KMS);
}

static void
rotate(void)
{
	struct msgw	 w;

	if (!r->b->control[CTL].p.up)
		control();
	k.status = 0;
	msg_open(&w, M_ADMIN_VAULT_ROTATE);
	msg_put_u32(&w, 9);
	msg_put_str(&w, "");
	msg_put_str(&w, "");
	rig_send(r, FROM_CONTROL, CTL, &w, -1);
}

static size_t
entries(const char *type)
{
	size_t	 i, n;

	for (i = n = 0; i < r->led.size; i++)
		n += strcmp(r->led.types[i], type) == 0;
	return n;
}

/* Which key are the rows of records under?  All under one. */
static void
rows_under(const char *kid)
{
	char	 have[VAULT_KID + 1];
	size_t	 i;

	for (i = 0; i < r->led.nrows; i++) {
		if (r->led.rows[i].kind != ST_VAULT)
			continue;
		assert_int_equal(vault_text_kid((char *)r->led.rows[i].val,
		    r->led.rows[i].len, have), 0);
		assert_string_equal(have, kid);
	}
}

static void
copy_kid(char kid[VAULT_KID + 1])
{
	strlcpy(kid, vault_kid(&r->b->vault), VAULT_KID + 1);
}

/* ---- start ---------------------------------------------------------------- */

static void
test_first(void **state)
{
	char	 kid[VAULT_KID + 1];

	(void)state;
	begin(AWS);
	assert_false(gate_open(r->b));
	assert_string_equal(gate_reason(r->b), "vault key");
	peer();
	assert_int_equal(k.op, KMS_GENERATE);
	assert_int_equal(k.keylen, 32);
	assert_true(k.contextlen > 40);		/* app, purpose, deployment */
	assert_int_equal(r->led.size, 0);
	result(KC_OK, 0);
	/* not stored before the KMS has given back what it wrapped */
	assert_int_equal(r->b->recover.phase, RC_READY);
	kms(KC_OK);
	assert_int_equal(k.op, KMS_UNWRAP);
	settle();
	assert_true(gate_open(r->b));
	assert_int_equal(k.keymade, 1);
	copy_kid(kid);
	rows_under(kid);
	restart();
	peer();
	assert_int_equal(k.op, KMS_UNWRAP);
	result(KC_OK, 0);
	settle();
	assert_true(gate_open(r->b));
	assert_string_equal(kid, vault_kid(&r->b->vault));
	end();
}

static void
lie(struct rig *rig)
{
	(void)rig;
	k.lies = 1;
	kms(KC_OK);
}

static void
test_first_lie(void **state)
{
	(void)state;
	begin(AWS);
	kms(KC_OK);
	assert_non_null(strstr(rig_fatal(r, lie), "does not unwrap what it"));
	assert_int_equal(r->led.size, 0);
	drop();
}

static uint8_t	 the_class;

static void
one(struct rig *rig)
{
	(void)rig;
	kms(the_class);
}

/* What passes is waited for, what an operator must mend ends the start. */
static void
test_start_classes(void **state)
{
	static const uint8_t	 dies[] = { KC_DENIED, KC_AUTH, KC_INVALID,
	    KC_CONFIG };
	static const uint8_t	 waits[] = { KC_STATE, KC_THROTTLED,
	    KC_UNAVAILABLE, KC_PROTOCOL };
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(dies); i++) {
		begin(KV);
		the_class = dies[i];
		assert_non_null(strstr(rig_fatal(r, one),
		    "the reason of the KMS"));
		drop();
	}
	begin(KV);
	for (i = 0; i < sizeof(waits); i++) {
		kms(waits[i]);
		assert_int_equal(k.waiting, i + 1);
		assert_int_equal(k.spawned, 0);
		/* not at once, and not later than the cap */
		rig_tick(r, 10 * NS_MS);
		assert_int_equal(k.spawned, 0);
		rig_tick(r, 31 * NS_S);
	}
	kms(KC_OK);
	assert_int_equal(k.waiting, i + 1);	/* it is over */
	settle();
	assert_true(gate_open(r->b));
	end();
}

/* A metadata service that comes up late; not for ever. */
static void
late(struct rig *rig)
{
	(void)rig;
	peer();
	result(KC_AUTH, KR_LATE);
}

static void
test_late(void **state)
{
	unsigned int	 i;

	(void)state;
	begin(KV);
	for (i = 0; i < 2; i++) {
		late(r);
		rig_tick(r, 20 * NS_S);
	}
	late(r);
	rig_tick(r, 31 * NS_S);
	assert_non_null(strstr(rig_fatal(r, late), "the reason"));
	drop();
}

static void
a_minute(struct rig *rig)
{
	rig_tick(rig, 60 * NS_S);
}

static void
test_start_deadline(void **state)
{
	(void)state;
	begin(KV);
	kms(KC_UNAVAILABLE);
	rig_tick(r, 40 * NS_S);
	kms(KC_UNAVAILABLE);
	r->b->kmsconf.start = 90;
	assert_non_null(strstr(rig_fatal(r, a_minute), "key-start-deadline"));
	drop();
}

/* A role that dies, one that never comes, one that never answers. */
static void
test_no_answer(void **state)
{
	(void)state;
	begin(KV);
	peer();
	rig_lost(r, FROM_KMS, 0);
	rig_tick(r, 2 * NS_S);
	assert_int_equal(k.spawned, 1);
	rig_tick(r, KMSLINK_SPAWN);
	k.spawned = 0;
	rig_tick(r, 5 * NS_S);
	peer();
	rig_tick(r, KMSLINK_WAIT);
	rig_tick(r, 10 * NS_S);
	kms(KC_OK);
	settle();
	assert_true(gate_open(r->b));
	end();
}

static void
hello(struct rig *rig)
{
	rig_restart(rig);
}

/* The rows about vault keys are gone. */
static void
forget_rows(void)
{
	size_t	 i;

	for (i = 0; i < r->led.nrows;)
		if (r->led.rows[i].kind == ST_META &&
		    memcmp(r->led.rows[i].id, VAULTKEY_ROW, 10) == 0)
			r->led.rows[i] = r->led.rows[--r->led.nrows];
		else
			i++;
}

/* Ciphertext is there: nothing is made, whatever is missing. */
static void
test_never_made(void **state)
{
	(void)state;
	running(AWS);
	forget_rows();
	k.spawned = 0;
	assert_non_null(strstr(rig_fatal(r, hello), "no key is made in its"));
	assert_int_equal(k.spawned, 0);
	drop();
	/* the URI is another one */
	running(AWS);
	strlcpy(r->uri, "aws_kms://alias/other", sizeof(r->uri));
	assert_non_null(strstr(rig_fatal(r, hello), "set it back"));
	drop();
}

/* TAPPASS_VAULT_DEK beside the row: the same key, or refused by both names. */
static void
other_dek(struct rig *rig)
{
	(void)rig;
	kms(KC_OK);
}

static void
test_dek(void **state)
{
	char	 text[512];

	(void)state;
	running(AWS);
	assert_true(vaultrow_text(&r->b->vk->row, text, sizeof(text)) > 0);
	strlcpy(r->dek, text, sizeof(r->dek));
	restart();
	kms(KC_OK);			/* equal bytes: asked once */
	settle();
	assert_true(gate_open(r->b));
	r->dek[0] = r->dek[0] == 'A' ? 'B' : 'A';
	restart();
	kms(KC_OK);
	assert_non_null(strstr(rig_fatal(r, other_dek), "another deployment"));
	drop();
	/* no row, but the text: the records are opened with it */
	running(AWS);
	(void)vaultrow_text(&r->b->vk->row, r->dek, sizeof(r->dek));
	forget_rows();
	restart();
	kms(KC_OK);
	settle();
	assert_true(gate_open(r->b));
	end();
}

/* ---- rotation ------------------------------------------------------------- */

static void
test_rotate(void **state)
{
	char	 first[VAULT_KID + 1], second[VAULT_KID + 1];

	(void)state;
	running(AWS);
	copy_kid(first);
	rotate();
	peer();
	assert_int_equal(k.op, KMS_GENERATE);
	result(KC_OK, 0);
	/* the old key serves until the new one is proved */
	assert_string_equal(vault_kid(&r->b->vault), first);
	kms(KC_OK);
	assert_int_equal(k.status, 0);		/* not before it is durable */
	settle();
	assert_int_equal(k.status, 200);
	copy_kid(second);
	assert_string_not_equal(first, second);
	assert_string_equal(k.f[1], second);
	assert_string_equal(k.f[2], first);
	assert_int_equal(entries("admin.vault.rotate"), 1);
	rows_under(second);
	key_works();
	rotate();
	kms(KC_OK);
	kms(KC_OK);
	settle();
	assert_int_equal(k.status, 200);
	key_works();
	assert_int_equal(k.keymade, 3);
	copy_kid(first);
	restart();
	kms(KC_OK);
	settle();
	assert_string_equal(vault_kid(&r->b->vault), first);
	key_works();
	end();
}

/* Every failure leaves everything as it is, and says its class. */
static void
test_rotate_classes(void **state)
{
	uint8_t	 class;
	size_t	 failed;
	char	 kid[VAULT_KID + 1];
	int	 step;

	(void)state;
	running(AWS);
	copy_kid(kid);
	failed = 0;
	for (step = 0; step < 2; step++)
		for (class = KC_STATE; class < KC_MAX; class++) {
			rotate();
			if (step == 1)
				kms(KC_OK);
			kms(class);
			settle();
			assert_int_equal(k.status, class == KC_UNAVAILABLE ||
			    class == KC_THROTTLED ? 503 : 502);
			assert_string_equal(vault_kid(&r->b->vault), kid);
			assert_int_equal(entries("admin.vault.rotate.fail"),
			    ++failed);
			assert_true(gate_open(r->b));
		}
	rotate();
	kms(KC_OK);
	k.lies = 1;
	kms(KC_OK);
	k.lies = 0;
	assert_int_equal(k.status, 502);
	assert_string_equal(vault_kid(&r->b->vault), kid);
	rows_under(kid);
	/* one at a time */
	rotate();
	rotate();
	assert_int_equal(k.status, 409);
	kms(KC_OK);
	kms(KC_OK);
	settle();
	assert_int_equal(k.status, 200);
	end();
}

/* A secret store: the newest version by rotation only. */
static void
test_rotate_secret(void **state)
{
	char	 first[VAULT_KID + 1];

	(void)state;
	running(KV);
	copy_kid(first);
	rotate();
	kms(KC_OK);
	settle();
	assert_int_equal(k.status, 200);
	assert_string_equal(k.f[0], "0");	/* the same key */
	memcpy(k.older, k.stored, 32);
	memset(k.stored, 9, 32);
	strlcpy(k.newest, "2", sizeof(k.newest));
	restart();
	peer();
	assert_string_equal(k.version, "1");
	result(KC_OK, 0);
	settle();
	assert_string_equal(vault_kid(&r->b->vault), first);
	rotate();
	kms(KC_OK);
	settle();
	assert_string_equal(k.f[0], "1");
	assert_string_not_equal(vault_kid(&r->b->vault), first);
	restart();
	peer();
	assert_string_equal(k.version, "2");
	result(KC_OK, 0);
	settle();
	key_works();
	end();
}

/* Killed at each step: what the rows say is whole, old or new. */
static void
test_kills(void **state)
{
	char	 before[VAULT_KID + 1];
	int	 step;

	(void)state;
	for (step = 0; step < 5; step++) {
		running(AWS);
		copy_kid(before);
		rotate();
		if (step > 0)
			kms(KC_OK);		/* made */
		if (step > 1)
			kms(KC_OK);		/* proved, queued */
		if (step > 2) {
			rig_flush(r);
			rig_apply(r);		/* durable, unknown to us */
		}
		if (step > 3)
			settle();
		restart();
		kms(KC_OK);
		/* what was not sealed anew yet can be opened */
		if (step == 3)
			assert_non_null(vault_key_of(&r->b->vault, before));
		settle();
		assert_true(gate_open(r->b));
		if (step < 3)
			assert_string_equal(vault_kid(&r->b->vault), before);
		else
			assert_string_not_equal(vault_kid(&r->b->vault),
			    before);
		rows_under(vault_kid(&r->b->vault));
		key_works();
		end();
	}
}

/* ---- raw keys ------------------------------------------------------------- */

#define RAW2	"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static void
test_raw(void **state)
{
	char	 first[VAULT_KID + 1];

	(void)state;
	running("");
	copy_kid(first);
	strlcpy(r->previous, r->vault, sizeof(r->previous));
	strlcpy(r->vault, RAW2, sizeof(r->vault));
	restart();
	settle();
	assert_true(gate_open(r->b));
	assert_string_not_equal(vault_kid(&r->b->vault), first);
	rows_under(vault_kid(&r->b->vault));
	assert_int_equal(entries("admin.vault.rotate"), 1);
	key_works();
	/* for that start only */
	r->previous[0] = '\0';
	restart();
	settle();
	key_works();
	/* in the environment: a running process cannot see another one */
	rotate();
	assert_int_equal(k.reopen, 1);
	rig_tick(r, 20 * NS_S);
	assert_int_equal(k.status, 503);
	end();
	running("");
	copy_kid(first);
	strlcpy(r->vault, RAW2, sizeof(r->vault));
	assert_non_null(strstr(rig_fatal(r, hello), first));
	drop();
	/* from a raw key to a KMS: the old one is given once more */
	running("");
	strlcpy(r->previous, r->vault, sizeof(r->previous));
	r->vault[0] = '\0';
	strlcpy(r->uri, AWS, sizeof(r->uri));
	restart();
	kms(KC_OK);
	kms(KC_OK);
	settle();
	assert_true(gate_open(r->b));
	key_works();
	end();
}

/* ---- checks --------------------------------------------------------------- */

static void
check(uint8_t class)
{
	rig_tick(r, 601 * NS_S);
	kms(class);
	settle();
}

static void
test_checks(void **state)
{
	uint8_t	 class;
	int	 i;

	(void)state;
	running(AWS);
	check(KC_OK);
	for (class = KC_AUTH; class < KC_MAX; class++)
		for (i = 0; i < 3; i++) {
			check(class);
			assert_true(gate_open(r->b));
			assert_int_equal(r->b->gate.kms, class);
		}
	check(KC_OK);
	assert_int_equal(r->b->gate.kms, KC_OK);
	/* taken away: the first time may be a slip, the second is not */
	for (class = KC_STATE; class <= KC_DENIED; class++) {
		check(class);
		assert_true(gate_open(r->b));
		check(KC_OK);
		check(class);
		check(class);
		assert_false(gate_open(r->b));
		assert_string_equal(gate_reason(r->b), "vault key");
		check(KC_UNAVAILABLE);
		assert_false(gate_open(r->b));
		check(KC_OK);
		assert_true(gate_open(r->b));
	}
	/* another key than ours is no good answer */
	k.lies = 1;
	check(KC_OK);
	assert_int_equal(r->b->gate.kms, KC_INVALID);
	assert_true(gate_open(r->b));
	end();
}

static void
test_stale(void **state)
{
	(void)state;
	running(AWS);
	r->b->kmsconf.stale = 3600;
	check(KC_UNAVAILABLE);
	assert_true(gate_open(r->b));
	rig_tick(r, 3000 * NS_S);
	assert_false(gate_open(r->b));
	k.spawned = 1;
	kms(KC_OK);
	assert_true(gate_open(r->b));
	end();
}

/* Wrapped by an old version of the KEK: a new copy, proved, stored. */
static void
test_rewrap(void **state)
{
	char	 kid[VAULT_KID + 1];

	(void)state;
	running(AWS);
	copy_kid(kid);
	rig_tick(r, 601 * NS_S);
	peer();
	result(KC_OK, KR_REWRAP);
	rig_tick(r, NS_MS);
	peer();
	assert_int_equal(k.op, KMS_WRAP);
	result(KC_OK, 0);
	peer();
	assert_int_equal(k.op, KMS_UNWRAP);
	result(KC_OK, 0);
	settle();
	assert_int_equal(entries("admin.vault.rewrap"), 1);
	assert_string_equal(vault_kid(&r->b->vault), kid);
	assert_int_equal(r->b->vk->rewrap, 0);
	end();
}

/* A rotation that comes while the KMS is asked goes behind that. */
static void
test_queued(void **state)
{
	(void)state;
	running(AWS);
	rig_tick(r, 601 * NS_S);
	peer();
	assert_int_equal(k.op, KMS_UNWRAP);
	rotate();
	result(KC_UNAVAILABLE, 0);
	peer();
	assert_int_equal(k.op, KMS_GENERATE);
	result(KC_OK, 0);
	kms(KC_OK);
	settle();
	assert_int_equal(k.status, 200);
	end();
}

/* A role that says nonsense costs an exchange, not the broker. */
static void
test_malformed(void **state)
{
	struct msgw	 w;

	(void)state;
	begin(KV);
	peer();
	msg_open(&w, M_RESULT);
	msg_put_u32(&w, k.cookie);
	msg_put_u8(&w, KC_OK);
	rig_send(r, FROM_KMS, 0, &w, -1);
	assert_false(gate_open(r->b));
	rig_tick(r, 2 * NS_S);
	peer();
	msg_open(&w, M_RESULT);
	msg_put_u32(&w, k.cookie);
	msg_put_u8(&w, KC_OK);
	msg_put_u8(&w, 0);
	msg_put_u32(&w, 0);
	msg_put_str(&w, "1");
	msg_put_blob(&w, "", 0);
	msg_put_blob(&w, k.stored, 31);
	msg_put_str(&w, "");
	rig_send(r, FROM_KMS, 0, &w, -1);
	assert_false(gate_open(r->b));
	rig_tick(r, 4 * NS_S);
	kms(KC_OK);
	settle();
	assert_true(gate_open(r->b));
	end();
}

/* The ledger goes while the KMS is asked: its rows come again, so does it. */
static void
test_ledger(void **state)
{
	(void)state;
	begin(KV);
	rig_lost(r, FROM_LEDGER, 0);
	rig_ledger_again(r);
	/* the answer to the first question is not the second one's */
	kms(KC_OK);
	assert_int_equal(r->b->recover.phase, RC_READY);
	rig_tick(r, NS_S);
	kms(KC_OK);
	settle();
	assert_true(gate_open(r->b));
	end();
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_first_lie),
		cmocka_unit_test(test_start_classes),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_start_deadline),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_never_made),
		cmocka_unit_test(test_dek),
		cmocka_unit_test(test_rotate),
		cmocka_unit_test(test_rotate_classes),
		cmocka_unit_test(test_rotate_secret),
		cmocka_unit_test(test_kills),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_checks),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_rewrap),
		cmocka_unit_test(test_queued),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_ledger),
	};

	return cmocka_run_group_tests_name("vaultkey", tests, NULL, NULL);
}
