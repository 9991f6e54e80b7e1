/* SPDX-License-Identifier: ISC */
/*
 * Batches: only what was signed may be confirmed, a new ledger gets the
 * identical bytes, units are never split, one batch is outstanding.
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
static unsigned int	 answers, allows, closed;

static void
seen(struct rig *rig, const struct out *it, const uint8_t *p)
{
	(void)rig;
	(void)p;
	answers += it->act == OUT_SEND && it->type == M_ANSWER;
	allows += it->act == OUT_SEND && it->type == M_ALLOW;
	closed += it->act == OUT_CLOSE && it->to.kind == FROM_LEDGER;
}

/* A ledger that lies goes; the broker lives on behind a closed gate. */
static void
disbelieved(void)
{
	assert_int_equal(closed, 1);
	assert_int_equal(r->b->ledger.up, 0);
	assert_false(gate_open(r->b));
	r->led.complete = 0;
	r->led.runlen = 0;
}

static struct call *
call(void)
{
	struct msgw	 w;
	struct ask	 a;

	rig_make_link(r, RIG_PROVIDER);
	rig_ask(r, &a);
	rig_put_call(&w, M_CALL, &a);
	rig_send(r, FROM_WORKER, r->worker, &w, -1);
	return table_find(r->b, r->worker, a.no);
}

/* COMMITTED that differs from what was signed in one field. */
static int	 lie;

static void
confirm_lie(struct rig *rig)
{
	struct msgw	 w;

	msg_open(&w, M_COMMITTED);
	msg_put_u64(&w, rig->b->batch.number + (lie == 0));
	msg_put_u64(&w, rig->b->batch.signed_size + (lie == 1));
	if (lie == 2)
		rig->b->batch.signed_root[5] ^= 1;
	msg_put_raw(&w, rig->b->batch.signed_root, 32);
	if (lie == 2)
		rig->b->batch.signed_root[5] ^= 1;
	if (lie == 3)
		rig->b->batch.signed_note[31] ^= 1;
	msg_put_raw(&w, rig->b->batch.signed_note, 32);
	if (lie == 3)
		rig->b->batch.signed_note[31] ^= 1;
	msg_put_u8(&w, 0);
	rig_send(rig, FROM_LEDGER, 0, &w, -1);
}

static void
test_mismatch(void **state)
{
	struct call	*c;

	(void)state;
	c = call();
	assert_non_null(c);
	rig_flush(r);
	assert_int_equal(r->b->batch.outstanding, 1);
	for (lie = 0; lie < 4; lie++) {
		closed = 0;
		confirm_lie(r);
		disbelieved();
		assert_int_equal(r->b->batch.outstanding, 1);
		assert_int_equal(c->state, CS_COMMITTING);
		rig_ledger_again(r);
	}
	rig_settle(r);
	assert_int_equal(c->state, CS_RELEASED);
}

static void
twice(struct rig *rig)
{
	struct msgw	 w;

	rig_committed(rig, &w);
	rig_send(rig, FROM_LEDGER, 0, &w, -1);
}

/* A confirmation that nobody waits for is as wrong. */
static void
test_twice(void **state)
{
	(void)state;
	rig_settle(r);
	closed = 0;
	twice(r);
	disbelieved();
	rig_ledger_again(r);
	rig_settle(r);
	assert_true(gate_open(r->b));
}

static void
test_resend(void **state)
{
	uint8_t		*first;
	size_t		 len;
	struct call	*c, *later;

	(void)state;
	c = call();
	rig_flush(r);
	len = r->led.runlen;
	first = malloc(len);
	assert_non_null(first);
	memcpy(first, r->led.run, len);
	later = call();			/* waits for the next batch */
	rig_lost(r, FROM_LEDGER, 0);
	assert_false(gate_open(r->b));
	r->led.complete = 0;
	r->led.runlen = 0;
	rig_ledger_again(r);
	assert_int_equal(r->led.complete, 1);
	assert_int_equal(r->led.runlen, len);
	assert_memory_equal(r->led.run, first, len);
	free(first);
	rig_commit(r);
	assert_int_equal(c->state, CS_RELEASED);
	assert_int_equal(later->state, CS_COMMITTING);
	rig_settle(r);
	assert_int_equal(later->state, CS_RELEASED);
	assert_true(gate_open(r->b));
}

/* A new ledger first says where its log ends: nothing goes to it before. */
static void
test_unheard(void **state)
{
	struct msgw	 w;

	(void)state;
	rig_settle(r);
	rig_lost(r, FROM_LEDGER, 0);
	batch_state(r->b, ST_META, "x", 1, "y", 1);
	batch_unit(r->b);
	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_LEDGER);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, 2);
	rig_send(r, FROM_PARENT, 0, &w, 5);
	rig_flush(r);
	assert_int_equal(r->led.complete, 0);
	rig_hello(r);
	assert_int_equal(rig_commit(r), 1);
	assert_true(gate_open(r->b));
}

/* The ledger died between its commit and COMMITTED. */
static void
test_done_by_hello(void **state)
{
	struct call	*c;

	(void)state;
	c = call();
	rig_flush(r);
	rig_apply(r);
	rig_lost(r, FROM_LEDGER, 0);
	rig_ledger_again(r);
	assert_int_equal(c->state, CS_RELEASED);
	assert_int_equal(r->b->batch.outstanding, 0);
	assert_int_equal(r->led.complete, 0);
}

static void
other_head(struct rig *rig)
{
	rig->led.root[0] ^= 1;
	rig_ledger_again(rig);
}

static void
older_head(struct rig *rig)
{
	rig->led.size--;
	rig_ledger_again(rig);
}

static void
test_other_head(void **state)
{
	(void)state;
	(void)call();
	rig_flush(r);
	rig_lost(r, FROM_LEDGER, 0);
	closed = 0;
	other_head(r);
	disbelieved();
	r->led.root[0] ^= 1;
	closed = 0;
	older_head(r);
	disbelieved();
	r->led.size++;
	rig_ledger_again(r);
	rig_settle(r);
	assert_true(gate_open(r->b));
}

static void
egress_back(void)
{
	struct msgw	 w;

	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_EGRESS);
	msg_put_u16(&w, RIG_PROVIDER);
	msg_put_u32(&w, 2);
	rig_send(r, FROM_PARENT, 0, &w, 5);
}

/* So many released calls end together. */
static void
end_calls(unsigned int n)
{
	while (n-- > 0)
		assert_non_null(call());
	rig_settle(r);
	rig_lost(r, FROM_EGRESS, r->egress);
}

/* The end of a turn of the loop, no time passes; was a batch sent? */
static int
turn_sends(void)
{
	batch_flush(r->b, r->o);
	rig_take(r);
	return r->led.complete;
}

/* An outcome starts no batch of its own before its time. */
static void
test_patience(void **state)
{
	static uint8_t	 val[2000];
	unsigned int	 i;

	(void)state;
	end_calls(1);
	rig_settle(r);
	egress_back();
	end_calls(1);
	assert_false(turn_sends());
	assert_true(batch_next(r->b) == r->now + DL_OUTCOME);
	rig_tick(r, DL_OUTCOME - 1);
	assert_false(turn_sends());
	rig_tick(r, 1);
	assert_true(broker_next(r->b) <= r->now);
	assert_true(turn_sends());
	rig_commit(r);
	assert_int_equal(r->led.entries, 1);
	assert_true(batch_next(r->b) == NEVER);
	egress_back();
	/* It goes along with what cannot wait. */
	end_calls(1);
	assert_false(turn_sends());
	egress_back();
	assert_non_null(call());
	assert_true(turn_sends());
	rig_commit(r);
	assert_int_equal(r->led.entries, 2);
	/* Nor does a shutdown wait for it. */
	end_calls(1);
	assert_false(turn_sends());
	r->b->gate.closing = 1;
	assert_true(turn_sends());
	r->b->gate.closing = 0;
	rig_settle(r);
	egress_back();
	/* Many of them wait for nothing. */
	r->b->batch.patient = 1;
	for (i = 0; batch_waiting(r->b) < BATCH_EAGER; i++) {
		assert_true(batch_next(r->b) > r->now);
		batch_state(r->b, ST_META, "x", 1, val, sizeof(val));
		batch_unit(r->b);
	}
	r->b->batch.patient = 0;
	assert_true(turn_sends());
	rig_settle(r);
}

/* While one is outstanding the next gathers; none is larger than allowed. */
static void
test_groups(void **state)
{
	struct call	*c;
	unsigned int	 i, batches;
	uint64_t	 before;

	(void)state;
	rig_settle(r);
	for (i = 0; i < 200; i++) {
		c = call();
		assert_non_null(c);
		if (i == 0)
			rig_flush(r);
	}
	before = r->b->batch.batches;
	allows = 0;
	rig_commit(r);
	assert_int_equal(r->led.entries, 1);
	rig_commit(r);
	assert_int_equal(r->led.entries, 199);
	assert_int_equal(allows, 200);
	assert_int_equal(r->b->batch.batches - before, 2);
	/* All end at once: an outcome each, in batches that are allowed. */
	rig_lost(r, FROM_EGRESS, r->egress);
	for (batches = 0; rig_commit(r); batches++)
		assert_true(r->led.entries <= BATCH_ENTRIES &&
		    r->led.runlen <= BATCH_BYTES);
	assert_true(batches >= 1);
	egress_back();
}

/* Units larger than half a batch are taken alone; order stays. */
static void
test_units(void **state)
{
	static uint8_t	 val[2000];
	char		 id[16];
	unsigned int	 i, batches;

	(void)state;
	for (i = 0; i < 300; i++) {
		(void)snprintf(id, sizeof(id), "k%u", i % 40);
		batch_state(r->b, ST_META, id, strlen(id), val, sizeof(val));
		batch_room(r->b);
	}
	batch_unit(r->b);
	for (batches = 0; rig_commit(r); batches++)
		assert_true(r->led.runlen <= BATCH_BYTES);
	assert_true(batches >= 3);
}

/* Messages wait for COMMITTED, and only for the peer that asked. */
static void
test_then(void **state)
{
	struct broker_from	 to;
	struct secret		*s;
	size_t			 used;

	(void)state;
	memset(&to, 0, sizeof(to));
	to.kind = FROM_WORKER;
	to.index = r->worker;
	used = secret_in_use();
	answers = 0;
	batch_then(r->b, &to, M_ANSWER, "abc", 3);
	s = secret_dup("tp_dev_x", 8);
	assert_non_null(s);
	batch_then_secret(r->b, &to, M_ANSWER, s);
	batch_state(r->b, ST_META, "x", 1, "y", 1);
	batch_unit(r->b);
	rig_flush(r);
	assert_int_equal(answers, 0);
	rig_commit(r);
	assert_int_equal(answers, 2);
	assert_int_equal(secret_in_use(), used);
	s = secret_dup("tp_dev_x", 8);
	batch_then_secret(r->b, &to, M_ANSWER, s);
	batch_state(r->b, ST_META, "x", 1, "y", 1);
	batch_unit(r->b);
	r->b->workers[r->worker].p.gen++;
	rig_settle(r);
	r->b->workers[r->worker].p.gen--;
	assert_int_equal(answers, 2);
	assert_int_equal(secret_in_use(), used);
}

/* Outcomes wait in bounded memory: then the gate closes, nothing is lost. */
static void
test_memory(void **state)
{
	static uint8_t	 val[2000];
	unsigned int	 i;

	(void)state;
	rig_settle(r);
	rig_lost(r, FROM_LEDGER, 0);
	for (i = 0; batch_waiting(r->b) < OUTCOME_MEMORY; i++) {
		batch_state(r->b, ST_META, "m", 1, val, sizeof(val));
		batch_room(r->b);
	}
	rig_tick(r, 1);
	assert_int_equal(r->b->gate.memory, 0);
	rig_ledger_again(r);
	assert_string_equal(gate_reason(r->b), "memory");
	rig_settle(r);
	rig_tick(r, 1);
	assert_true(gate_open(r->b));
}

static int
setup(void **state)
{
	(void)state;
	r = rig_new();
	rig_peers(r);
	r->seen = seen;
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
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_resend),
		cmocka_unit_test(test_unheard),
		cmocka_unit_test(test_done_by_hello),
		cmocka_unit_test(test_other_head),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_then),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("batch", tests, setup, teardown);
}
