/* SPDX-License-Identifier: ISC */
/*
 * Stored values and the sweep: a broker on the rig's ledger, which answers PAGE
 * from its rows; a ledger that lies about them; changes beside a page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "regress/unit/call/rig.h"

#define VALUES	300

static struct rig	*r;
static unsigned int	 spawns, closed;

static void
seen(struct rig *rig, const struct out *it, const uint8_t *p)
{
	(void)rig;
	(void)p;
	spawns += it->type == M_SPAWN;
	closed += it->act == OUT_CLOSE && it->to.kind == FROM_LEDGER;
}

static int
setup(void **state)
{
	(void)state;
	r = rig_new();
	r->seen = seen;
	spawns = closed = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(r);
	return 0;
}

/* ---- values ------------------------------------------------------------ */
static struct rig_row *
row(const char *name)
{
	size_t	 i;

	for (i = 0; i < r->led.nrows; i++)
		if (r->led.rows[i].kind == ST_VALUE &&
		    r->led.rows[i].idlen == strlen(name) &&
		    memcmp(r->led.rows[i].id, name, strlen(name)) == 0)
			return &r->led.rows[i];
	return NULL;
}

static void
store(const char *name, const char *value)
{
	struct secret	*s;

	s = credential_pack((const uint8_t *)value, strlen(value), r->wall);
	assert_non_null(s);
	assert_int_equal(cold_store(r->b, name, s), 0);
	secret_free(&s);
}

/* What the ledger has under this name. */
static void
is_value(const char *name, const char *value)
{
	struct rig_row	*w;
	struct secret	*s;
	const uint8_t	*p;
	size_t		 n;

	w = row(name);
	assert_non_null(w);
	assert_int_equal(cold_open(r->b, name, w->val, w->len, &s), VAULT_OK);
	p = credential_unpack(s, &n);
	assert_int_equal(n, strlen(value));
	assert_memory_equal(p, value, n);
	secret_free(&s);
}

static void
fill(unsigned int n)
{
	char		 name[32], value[32];
	unsigned int	 i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "key/V%04u", i);
		snprintf(value, sizeof(value), "value-%u", i);
		store(name, value);
		rig_tick(r, NS_MS);
		rig_settle(r);
	}
}

static void
all_there(unsigned int n)
{
	char		 name[32], value[32];
	unsigned int	 i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "key/V%04u", i);
		snprintf(value, sizeof(value), "value-%u", i);
		is_value(name, value);
	}
}

static unsigned int
under(const char *kid)
{
	unsigned int	 n;
	size_t		 i;

	for (i = n = 0; i < r->led.nrows; i++)
		n += r->led.rows[i].kind == ST_VALUE &&
		    memcmp(r->led.rows[i].val + 3, kid, VAULT_KID) == 0;
	return n;
}

/* A new key is in force; the sweep begins. */
static void
turn(uint8_t byte)
{
	struct secret	*dek;

	dek = secret_new(VAULT_KEY);
	memset(secret_bytes(dek), byte, VAULT_KEY);
	assert_int_equal(vault_turn(&r->b->vault, &dek), 0);
	sweep_start(r->b);
}

/* Until it is over, or so many turns. */
static void
run(unsigned int turns)
{
	unsigned int	 i;

	for (i = 0; i < turns && r->b->sweep.phase != SWEEP_OFF; i++) {
		rig_tick(r, NS_MS);
		rig_settle(r);
	}
}

static int
logged(const char *type)
{
	uint64_t	 i;
	int		 n;

	for (i = 0, n = 0; i < r->led.size; i++)
		n += strcmp(r->led.types[i % 4096], type) == 0;
	return n;
}

/* ---- the sweep --------------------------------------------------------- */
static void
test_sweep(void **state)
{
	char	 old[VAULT_KID + 1];

	(void)state;
	fill(VALUES);
	strlcpy(old, vault_kid(&r->b->vault), sizeof(old));
	assert_int_equal(under(old), VALUES);
	turn(7);
	run(2000);
	assert_int_equal(r->b->sweep.phase, SWEEP_OFF);
	assert_int_equal(under(old), 0);
	assert_int_equal(under(vault_kid(&r->b->vault)), VALUES);
	all_there(VALUES);
	assert_int_equal(r->b->sweep.done, VALUES);
	assert_int_equal(r->b->sweep.failed, 0);
	assert_null(vault_kid_at(&r->b->vault, 1));
	assert_int_equal(logged("admin.vault.sweep"), 1);
	/* once more: nothing to do, nothing is written twice */
	turn(8);
	run(2000);
	all_there(VALUES);
	assert_int_equal(r->b->sweep.done, VALUES);
}

/* A value that is changed while its page is in hand is not set back. */
static void
test_changed(void **state)
{
	unsigned int	 i;

	(void)state;
	fill(50);
	turn(7);
	for (i = 0; i < 100 && r->b->sweep.phase != SWEEP_SEAL; i++)
		rig_tick(r, NS_MS);
	assert_int_equal(r->b->sweep.phase, SWEEP_SEAL);
	store("key/V0003", "newer");
	cold_forget(r->b, "key/V0004");
	run(2000);
	rig_settle(r);
	is_value("key/V0003", "newer");
	assert_null(row("key/V0004"));
	is_value("key/V0049", "value-49");
	assert_int_equal(under(vault_kid(&r->b->vault)), 49);
}

/* The same with rows that are sealed and wait for a pause. */
static void
test_changed_staged(void **state)
{
	unsigned int	 i;

	(void)state;
	fill(10);
	turn(7);
	r->led.nopage = 0;
	for (i = 0; i < 100 && r->b->sweep.phase != SWEEP_STAGED; i++)
		rig_tick(r, NS_MS);
	assert_int_equal(r->b->sweep.phase, SWEEP_STAGED);
	store("key/V0003", "newer");
	run(2000);
	is_value("key/V0003", "newer");
	assert_int_equal(under(vault_kid(&r->b->vault)), 10);
}

/* A second rotation in the middle: an answer to the first is not believed. */
static void
test_turned_again(void **state)
{
	(void)state;
	fill(100);
	turn(7);
	r->led.nopage = 1;
	rig_tick(r, NS_MS);
	assert_true(r->led.pagelen > 0);
	turn(8);
	rig_tick(r, NS_MS);
	r->led.nopage = 0;
	run(2000);
	all_there(100);
	assert_int_equal(under(vault_kid(&r->b->vault)), 100);
	assert_null(vault_kid_at(&r->b->vault, 1));
}

/* What does not open stays as it is, is named, and keeps its key. */
static void
test_bad(void **state)
{
	struct rig_row	 before, *w;
	char		 text[400];

	(void)state;
	fill(20);
	w = row("key/V0005");
	w->val[w->len - 3] ^= 1;
	before = *w;
	turn(7);
	run(2000);
	assert_int_equal(r->b->sweep.phase, SWEEP_OFF);
	assert_int_equal(r->b->sweep.failed, 1);
	assert_int_equal(r->b->sweep.done, 19);
	w = row("key/V0005");
	assert_int_equal(w->len, before.len);
	assert_memory_equal(w->val, before.val, w->len);
	assert_non_null(vault_kid_at(&r->b->vault, 1));
	sweep_text(r->b, text, sizeof(text));
	assert_non_null(strstr(text, "key/V0005"));
	assert_int_equal(logged("admin.vault.sweep"), 1);
}

/* The ledger goes while it is asked, and while a batch is under way. */
static void
test_ledger_lost(void **state)
{
	unsigned int	 i;

	(void)state;
	fill(VALUES);
	turn(7);
	for (i = 0; i < 40; i++) {
		r->led.nopage = (int)(i & 1);
		rig_tick(r, NS_MS);
		rig_flush(r);
		rig_lost(r, FROM_LEDGER, 0);
		r->led.nopage = 0;
		rig_ledger_again(r);
		rig_settle(r);
	}
	run(2000);
	all_there(VALUES);
	assert_int_equal(under(vault_kid(&r->b->vault)), VALUES);
}

/* ---- a provider's name ------------------------------------------------- */
static void
test_claim(void **state)
{
	const uint8_t	*p;
	size_t		 len;

	(void)state;
	/* ANTHROPIC_API_KEY has no value yet */
	store("key/ANTHROPIC_API_KEY", "sk-cold");
	rig_tick(r, NS_MS);
	rig_settle(r);
	assert_non_null(row("key/ANTHROPIC_API_KEY"));
	rig_restart(r);
	spawns = 0;
	rig_settle(r);
	rig_tick(r, NS_S);
	rig_settle(r);
	assert_null(row("key/ANTHROPIC_API_KEY"));
	assert_non_null(vault_get(&r->b->vault, "key/ANTHROPIC_API_KEY"));
	assert_int_equal(credential_find(r->b->creds, "ANTHROPIC_API_KEY",
	    &p, &len), CRED_OK);
	assert_memory_equal(p, "sk-cold", len);
}

/* ---- a ledger that lies ------------------------------------------------ */
static void
paged(uint32_t cookie, uint16_t index, uint8_t last, const void *p,
    size_t len)
{
	struct msgw	 w;

	msg_open(&w, M_PAGED);
	msg_put_u32(&w, cookie);
	msg_put_u16(&w, index);
	msg_put_u8(&w, last);
	msg_put_raw(&w, p, len);
	rig_send(r, FROM_LEDGER, 0, &w, -1);
}

static void
expect_closed(uint32_t wrong, uint16_t index, uint8_t last, const void *p,
    size_t len)
{
	unsigned int	 i;

	for (i = 0; i < 100 && r->led.pagelen == 0; i++) {
		rig_tick(r, NS_MS);
		rig_settle(r);
	}
	assert_true(r->led.pagelen > 0);
	i = closed;
	paged(r->b->cold.cookie + wrong, index, last, p, len);
	assert_int_equal(closed, i + 1);
	assert_int_equal(r->b->ledger.up, 0);
	rig_ledger_again(r);
}

static void
test_lies(void **state)
{
	static const uint8_t	 end[17] = { 'N', 0, 0, 0, 12 };
	static const uint8_t	 two[34] = { 'N', 0, 0, 0, 12, [17] = 'N',
	    [21] = 12 };
	static const uint8_t	 kind[28] = { 'S', 0, 0, 0, 6, 2, 0, 1, 'x',
	    'v', 'v', 'N', 0, 0, 0, 12 };
	static const uint8_t	 over[28] = { 'S', 0, 0, 9, 6, 128, 0, 1, 'x' };
	static const uint8_t	 name[17 + 2] = { 'N', 0, 0, 0, 14, [17] = ' ',
	    'x' };
	static uint8_t		 much[MSG_MAX - 7];
	unsigned int		 i;

	(void)state;
	fill(5);
	turn(9);
	r->led.nopage = 1;
	expect_closed(1, 0, 1, end, sizeof(end));
	expect_closed(0, 1, 1, end, sizeof(end));
	expect_closed(0, 0, 1, end, 16);
	expect_closed(0, 0, 1, two, sizeof(two));
	expect_closed(0, 0, 1, kind, sizeof(kind));
	expect_closed(0, 0, 1, over, sizeof(over));
	expect_closed(0, 0, 1, name, sizeof(name));
	expect_closed(0, 0, 1, NULL, 0);
	/* without an end */
	for (i = 0; i < 100 && r->led.pagelen == 0; i++) {
		rig_tick(r, NS_MS);
		rig_settle(r);
	}
	closed = 0;
	for (i = 0; i < 8 && closed == 0; i++)
		paged(r->b->cold.cookie, (uint16_t)i, 0, much, sizeof(much));
	assert_int_equal(closed, 1);
	assert_int_equal(i, COLD_ROOM / sizeof(much) + 1);
	/* an answer that nobody asked for */
	rig_ledger_again(r);
	r->led.nopage = 0;
	run(2000);
	assert_int_equal(r->b->sweep.phase, SWEEP_OFF);
	closed = 0;
	paged(r->b->cold.cookie, 0, 1, end, sizeof(end));
	assert_int_equal(closed, 1);
	rig_ledger_again(r);
	rig_settle(r);
	all_there(5);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest	 tests[] = {
		T(test_sweep), T(test_changed), T(test_changed_staged),
		T(test_turned_again), T(test_bad), T(test_ledger_lost),
		T(test_claim), T(test_lies),
	};

	setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 0);
	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
