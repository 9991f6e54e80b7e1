/* SPDX-License-Identifier: ISC */
/*
 * Lives of a broker on one ledger: what is written first, what a crash and a
 * good end leave behind, and what a ledger that lies can not do.
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

static struct rig	*r;
static unsigned int	 readies, opened, spawns, servings;

static void
seen(struct rig *rig, const struct out *it, const uint8_t *p)
{
	(void)rig;
	spawns += it->type == M_SPAWN;
	servings += it->type == M_SERVING;
	if (it->type != M_READY)
		return;
	readies++;
	opened = p[0];
}

static void
is_type(uint64_t at, const char *type)
{
	assert_true(at < r->led.size);
	assert_string_equal(r->led.types[at], type);
}

static size_t
rows_of(uint8_t kind)
{
	size_t	 i, n;

	for (i = n = 0; i < r->led.nrows; i++)
		n += r->led.rows[i].kind == kind;
	return n;
}

static struct rig_row *
row_of_len(size_t len)
{
	size_t	 i;

	for (i = 0; i < r->led.nrows; i++)
		if (r->led.rows[i].kind == ST_META &&
		    r->led.rows[i].len == len)
			return &r->led.rows[i];
	fail_msg("no row of %zu bytes", len);
	return NULL;
}

static void
test_first(void **state)
{
	(void)state;
	assert_int_equal(r->b->first_run, 1);
	is_type(0, "genesis");
	is_type(1, "epoch.roll");
	is_type(2, "boot");
	is_type(3, "config.load");
	is_type(4, "policy.load");
	assert_int_equal(r->b->epoch.number, 0);
	assert_true(rows_of(ST_VAULT) >= 5);
	assert_int_equal(rows_of(ST_AGENT), 1);
	/* No row holds the seed or the vault key in clear. */
	assert_memory_equal(r->led.note, r->b->epoch.origin,
	    strlen(r->b->epoch.origin));
}

/* Killed with calls open: the next life rolls, and closes them. */
static void
test_crash(void **state)
{
	struct msgw	 w;
	struct ask	 a;
	uint64_t	 size;
	unsigned int	 i;

	(void)state;
	rig_peers(r);
	for (i = 0; i < 3; i++) {
		rig_make_link(r, RIG_PROVIDER);
		rig_ask(r, &a);
		rig_put_call(&w, M_CALL, &a);
		rig_send(r, FROM_WORKER, r->worker, &w, -1);
	}
	rig_settle(r);
	assert_int_equal(rows_of(ST_OPENCALL), 3);
	size = r->led.size;
	rig_restart(r);
	assert_false(gate_open(r->b));	/* not before it is durable */
	rig_commit(r);
	assert_true(gate_open(r->b));
	is_type(size, "epoch.roll");
	is_type(size + 1, "boot");
	is_type(size + 2, "recovery");
	is_type(size + 3, "call.orphan");
	is_type(size + 4, "call.orphan");
	is_type(size + 5, "call.orphan");
	is_type(size + 6, "config.load");
	is_type(size + 7, "policy.load");
	assert_int_equal(rows_of(ST_OPENCALL), 0);
	assert_int_equal(r->b->epoch.number, 1);
	assert_int_equal(r->b->count.orphans, 3);
	assert_null(r->b->epoch.old_sk);
	assert_int_equal(r->b->first_run, 0);
}

/* Both keys sign the checkpoint over a roll, one key every other. */
static unsigned int
signatures(void)
{
	struct note	 n;

	assert_int_equal(note_parse(&n, r->led.note, r->led.notelen), 0);
	return n.nsig;
}

static void
test_signers(void **state)
{
	(void)state;
	rig_settle(r);
	rig_restart(r);
	rig_commit(r);
	assert_int_equal(signatures(), 2);
	batch_state(r->b, ST_META, "x", 1, "y", 1);
	batch_unit(r->b);
	rig_commit(r);
	assert_int_equal(signatures(), 1);
}

/* A log from before the tops were kept: one ceremony more, then it has them. */
static void
test_tops(void **state)
{
	uint32_t	 epoch;

	(void)state;
	rig_settle(r);
	epoch = r->b->epoch.number;
	*row_of_len(EPOCH_TOPS * EPOCH_HASH) = r->led.rows[--r->led.nrows];
	rig_restart(r);
	rig_commit(r);
	assert_int_equal(r->b->epoch.number, epoch + 1);
	assert_int_equal(r->b->epoch.have_tops, 0);
	rig_restart(r);
	rig_commit(r);
	assert_int_equal(r->b->epoch.number, epoch + 2);
	assert_int_equal(r->b->epoch.have_tops, 1);
}

/* CLOSING: new calls are refused, then shutdown, then no roll. */
static void
test_closing(void **state)
{
	struct msgw	 w;
	struct ask	 a;
	uint32_t	 epoch;
	uint64_t	 size;

	(void)state;
	rig_peers(r);
	rig_ask(r, &a);
	rig_put_call(&w, M_CALL, &a);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
	rig_settle(r);
	assert_int_equal(r->b->live, 1);
	msg_open(&w, M_CLOSING);
	rig_send(r, FROM_PARENT, 0, &w, -1);
	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	rig_put_call(&w, M_CALL, &a);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
	assert_int_equal(r->b->live, 1);
	assert_int_equal(r->b->finished, 0);
	rig_lost(r, FROM_EGRESS, r->egress);
	rig_settle(r);
	assert_int_equal(r->b->live, 0);
	rig_settle(r);
	assert_int_equal(r->b->finished, 1);
	is_type(r->led.size - 1, "shutdown");
	epoch = r->b->epoch.number;
	size = r->led.size;
	rig_restart(r);
	rig_commit(r);
	is_type(size, "boot");
	is_type(size + 1, "config.load");
	assert_int_equal(r->b->epoch.number, epoch);
}

/* A clock set back across lives is explained by an entry. */
static void
test_clock(void **state)
{
	uint64_t	 size;

	(void)state;
	size = r->led.size;
	r->wall -= 3600 * 1000;
	rig_restart(r);
	rig_commit(r);
	is_type(size, "clock.step");
	is_type(size + 1, "epoch.roll");
	assert_true(gate_open(r->b));
}

static void
test_ready(void **state)
{
	struct msgw	 w;

	(void)state;
	r->seen = seen;
	readies = 0;
	rig_peers(r);
	assert_int_equal(readies, 1);
	assert_int_equal(opened, 1);
	rig_lost(r, FROM_LEDGER, 0);
	assert_int_equal(opened, 0);
	rig_ledger_again(r);
	assert_int_equal(opened, 1);
	/* A batch that the disk does not take: closed after 10 s. */
	batch_state(r->b, ST_META, "x", 1, "y", 1);
	batch_unit(r->b);
	rig_flush(r);
	assert_true(broker_next(r->b) <= r->now + DL_COMMITTING);
	rig_tick(r, DL_COMMITTING);
	assert_int_equal(opened, 0);
	rig_commit(r);
	assert_int_equal(opened, 1);
	/* Providers that come and go. */
	readies = 0;
	rig_lost(r, FROM_EGRESS, r->egress);
	assert_int_equal(readies, 1);
	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_DIAL);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, 0);
	rig_send(r, FROM_PARENT, 0, &w, -1);
	assert_int_equal(readies, 2);
	r->seen = NULL;
}

/* SPAWN for each provider that has a key or needs none. */
static void
test_spawn(void **state)
{
	(void)state;
	r->seen = seen;
	spawns = servings = 0;
	rig_restart(r);
	assert_int_equal(spawns, 2);
	assert_int_equal(servings, 0);
	rig_commit(r);
	rig_tick(r, 6 * NS_S);
	assert_int_equal(servings, 1);
	r->seen = NULL;
}

/* ---- lies -------------------------------------------------------------- */
static void
again(struct rig *rig)
{
	rig_restart(rig);
}

/* A life on the changed state must end by these words; then it is undone. */
static void
must_end(const char *words)
{
	const char	*got;

	got = rig_fatal(r, again);
	if (strstr(got, words) == NULL)
		fail_msg("\"%s\", not \"%s\"", got, words);
}

static void
test_lies(void **state)
{
	struct rig_ledger	*saved;
	size_t			 i;

	(void)state;
	rig_settle(r);
	saved = malloc(sizeof(*saved));
	assert_non_null(saved);
	*saved = r->led;
	r->led.note[r->led.notelen - 10] ^= 1;
	must_end("checkpoint");
	r->led = *saved;
	r->led.root[3] ^= 1;
	must_end("not of its head");
	r->led = *saved;
	r->led.range[20] ^= 1;
	must_end("compact range has another root");
	r->led = *saved;
	r->led.size--;
	must_end("not of its head");
	r->led = *saved;
	r->led.size = 0;
	must_end("the log is empty, but there are rows");
	r->led = *saved;
	for (i = 0; i < r->led.nrows; i++)
		if (r->led.rows[i].kind == ST_VAULT)
			r->led.rows[i].val[60] ^= 1;
	must_end("vault record");
	r->led = *saved;
	for (i = 0; i < r->led.nrows; i++)
		if (r->led.rows[i].kind == ST_VAULT)
			r->led.rows[i].kind = 77;
	must_end("row-mac is missing");
	r->led = *saved;
	/* Who can write the file raises no role and lengthens no life. */
	for (i = 0; i < r->led.nrows; i++)
		if (r->led.rows[i].kind == ST_AGENT)
			r->led.rows[i].val[1] ^= 1;
	must_end("somebody changed the database");
	r->led = *saved;
	for (i = 0; i < r->led.nrows; i++)
		if (r->led.rows[i].kind == ST_AGENT)
			r->led.rows[i].len -= 16;
	must_end("somebody changed the database");
	r->led = *saved;
	row_of_len(EPOCH_TOPS * EPOCH_HASH)->val[4000] ^= 1;
	must_end("do not belong to its pin");
	r->led = *saved;
	row_of_len(EPOCH_HASH)->val[0] ^= 1;
	must_end("not that of the vault");
	r->led = *saved;
	/* All of it undone: the log goes on. */
	rig_restart(r);
	rig_commit(r);
	assert_true(gate_open(r->b));
	free(saved);
}

/* Messages that no honest ledger sends cost it the link, not us the life. */
static void
test_malformed(void **state)
{
	struct msgw	 w;

	(void)state;
	msg_open(&w, M_HELLO);
	msg_put_u64(&w, 1);
	rig_send(r, FROM_LEDGER, 0, &w, -1);
	assert_int_equal(r->b->ledger.up, 0);
	rig_ledger_again(r);
	assert_int_equal(r->b->ledger.up, 1);
	assert_true(gate_open(r->b));
	msg_open(&w, M_PEN);
	rig_send(r, FROM_LEDGER, 0, &w, -1);
	assert_int_equal(r->b->ledger.errors, 1);
}

static int
setup(void **state)
{
	(void)state;
	r = rig_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_free(r);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_signers),
		cmocka_unit_test(test_tops),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_spawn),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests_name("recover", tests, setup, teardown);
}
