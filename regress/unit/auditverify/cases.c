/* SPDX-License-Identifier: ISC */
/*
 * The tamper cases, by their numbers in the audit reference.  Each changes
 * the model and returns the number of the first bad entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "regress/unit/auditverify/cases.h"

/* Byte of an entry that is part of a value, so that the syntax holds. */
static void
flip(uint64_t i, size_t off)
{
	m.entry[i].p[off] ^= 1;
}

static size_t
prev_at(uint64_t i)
{
	struct entry	 e;

	assert_int_equal(entry_parse(m.entry[i].p, m.entry[i].len, &e, NULL),
	    0);
	return (size_t)(e.prev - m.entry[i].p);
}

static void
remove_plan(uint64_t i, uint64_t n)
{
	memmove(&m.plan[i], &m.plan[i + n],
	    (m.n - i - n) * sizeof(m.plan[0]));
	memmove(&m.entry[i], &m.entry[i + n],
	    (m.n - i - n) * sizeof(m.entry[0]));
	memmove(&m.stored[i], &m.stored[i + n],
	    (m.n - i - n) * sizeof(m.stored[0]));
	m.n -= n;
}

static uint64_t
c1_body(void)
{
	/* the instance, eight bytes behind origin */
	flip(301, prev_at(301) + 32 + 12);
	return 301;
}

static uint64_t
c2_prev(void)
{
	flip(302, prev_at(302));
	return 302;
}

static uint64_t
c3_tile(void)
{
	m.stored[137][5] ^= 4;
	return 137;
}

static uint64_t
c3_tile_level1(void)
{
	m.level1[1][0] ^= 1;
	return 256;
}

static char *
in_note(unsigned int k, int line)
{
	char	*p;

	for (p = m.note[k]; line > 0; line--)
		p = strchr(p, '\n') + 1;
	return p;
}

static uint64_t
first_of(unsigned int k)
{
	return k == 0 ? 0 : m.commit[k - 1].size;
}

static uint64_t
c4_range(void)
{
	m.badrange = 1;
	return m.n;
}

static uint64_t
c5_root(void)
{
	char	*p;

	p = in_note(20, 2) + 4;
	*p = *p == 'A' ? 'B' : 'A';
	return first_of(20);
}

uint64_t
case_size(void)
{
	char	*p;

	/* one more than there is so far: the next entry is not its last */
	p = strchr(in_note(20, 1), '\n') - 1;
	*p = *p == '9' ? '8' : (char)(*p + 1);
	return first_of(20);
}

static uint64_t
c5_origin(void)
{
	m.note[20][2] ^= 1;
	return first_of(20);
}

static uint64_t
c5_signature(void)
{
	char	*p;

	p = strrchr(m.note[20], ' ') + 30;
	*p = *p == 'A' ? 'B' : 'A';
	return first_of(20);
}

static uint64_t
c6_recompute(void)
{
	uint64_t	 i;

	i = model_find(&m, ET_CALL_DENY, 333);
	m.plan[i].remark = "changed";
	model_render(&m, i);
	model_tiles(&m);
	return first_of(model_commit(&m, i));
}

/* The edit begins a commit in epoch 0; who has the key of 2 signs again. */
static uint64_t
c7_past_epoch(void)
{
	unsigned int	 k, from;

	from = model_commit(&m, 100);
	m.plan[first_of(from)].remark = "changed";
	model_render(&m, first_of(from));
	model_tiles(&m);
	for (k = from; k < m.commits; k++) {
		m.commit[k].signer[0] = 2;
		m.commit[k].signer[1] = -1;
	}
	model_sign(&m, from);
	return first_of(from);
}

uint64_t
case_current_epoch(void)
{
	uint64_t	 i;

	i = model_find(&m, ET_CALL_DENY, 500);
	m.plan[i].remark = "changed";
	model_render(&m, i);
	model_tiles(&m);
	model_sign(&m, model_commit(&m, i));
	return i;
}

static void
insert(uint64_t i, uint64_t copy)
{
	memmove(&m.entry[i + 1], &m.entry[i],
	    (m.n - i) * sizeof(m.entry[0]));
	memmove(&m.plan[i + 1], &m.plan[i], (m.n - i) * sizeof(m.plan[0]));
	m.entry[i] = m.entry[copy];
	m.n++;
	memmove(&m.stored[N], &m.stored[N - 1], 32);
}

static uint64_t
c9_insert(void)
{
	struct bytes	 keep;
	uint64_t	 i;

	i = 210;
	keep = m.entry[i];
	m.plan[i].type = ET_CALL_DENY;
	m.plan[i].remark = "forged";
	model_render(&m, i);
	m.entry[i + 1] = m.entry[i];
	m = honest;
	m.plan[i].type = ET_CALL_DENY;
	m.plan[i].remark = "forged";
	model_render(&m, i);
	keep = m.entry[i];
	m = honest;
	insert(i, i);
	m.entry[i] = keep;
	return i;
}

static uint64_t
c10_duplicate(void)
{
	insert(211, 210);
	return 211;
}

static uint64_t
c11_foreign(void)
{
	m.plan[555].foreign = 1;
	model_render(&m, 555);
	model_tiles(&m);
	model_sign(&m, model_commit(&m, 555));
	return 555;
}

static void
swap(uint64_t a, uint64_t b)
{
	struct bytes	 t;

	t = m.entry[a];
	m.entry[a] = m.entry[b];
	m.entry[b] = t;
}

static uint64_t
c12_swap(void)
{
	swap(444, 445);
	return 444;
}

static uint64_t
c13_swap_commits(void)
{
	struct bytes	 t[16];
	uint64_t	 a, b, c;
	unsigned int	 k;

	k = 40;
	a = first_of(k);
	b = m.commit[k].size;
	c = m.commit[k + 1].size;
	memcpy(t, &m.entry[a], (b - a) * sizeof(t[0]));
	memmove(&m.entry[a], &m.entry[b], (c - b) * sizeof(t[0]));
	memcpy(&m.entry[a + c - b], t, (b - a) * sizeof(t[0]));
	return a;
}

/* The last entry of epoch 0 becomes one of epoch 1, behind its roll. */
static uint64_t
c14_rotate(void)
{
	struct plan	 t;
	unsigned int	 k;
	uint64_t	 r;

	r = model_find(&m, ET_EPOCH_ROLL, 2);
	k = model_commit(&m, r - 1);
	t = m.plan[r];
	m.plan[r] = m.plan[r - 1];
	m.plan[r - 1] = t;
	m.plan[r].epoch = 1;
	m.plan[r].type = ET_CALL_DENY;
	m.plan[r].seq = r;
	m.plan[r - 1].seq = r - 1;
	m.plan[r].wall = m.plan[r - 1].wall;
	model_render(&m, r - 1);
	model_tiles(&m);
	for (; k < m.commits; k++)
		if (m.commit[k].signer[0] == 0)
			m.commit[k].signer[0] = 1;
		else if (m.commit[k].signer[1] == 0)
			m.commit[k].signer[1] = -1;
	k = model_commit(&m, r - 1);
	model_sign(&m, k);
	return first_of(k);
}

static uint64_t
c15_delete(void)
{
	remove_plan(250, 1);
	return 250;
}

static uint64_t
c16_delete_renumber(void)
{
	unsigned int	 c;
	uint64_t	 i, k;

	c = model_commit(&m, 250);
	while (m.plan[first_of(c)].type != ET_CALL_DENY)
		c++;
	i = first_of(c);
	remove_plan(i, 1);
	for (k = i; k < m.n; k++) {
		m.plan[k].seq = k;
		if (m.plan[k].intent > i)
			m.plan[k].intent--;
	}
	memcpy(m.stored, honest.stored, sizeof(m.stored));
	model_render(&m, i);
	return i;
}

static void
remove_commits(unsigned int k, unsigned int n)
{
	uint64_t	 a;

	a = first_of(k);
	remove_plan(a, m.commit[k + n - 1].size - a);
	memmove(&m.commit[k], &m.commit[k + n],
	    (m.commits - k - n) * sizeof(m.commit[0]));
	memmove(&m.note[k], &m.note[k + n],
	    (m.commits - k - n) * sizeof(m.note[0]));
	memmove(&m.notelen[k], &m.notelen[k + n],
	    (m.commits - k - n) * sizeof(m.notelen[0]));
	m.commits -= n;
}

static uint64_t
c17_delete_commit(void)
{
	uint64_t	 a;

	a = first_of(33);
	remove_commits(33, 1);
	return a;
}

static uint64_t
c18_delete_epoch(void)
{
	uint64_t	 a, b;
	unsigned int	 k;

	a = model_find(&m, ET_EPOCH_ROLL, 2);
	b = model_find(&m, ET_EPOCH_ROLL, a + 1);
	k = model_commit(&m, a);
	remove_commits(k, model_commit(&m, b) - k);
	return a;
}

static uint64_t
c19_delete_denials(void)
{
	uint64_t	 i, first;

	first = model_find(&m, ET_CALL_DENY, 4);
	for (i = first; i < m.n; i++)
		if (m.plan[i].type == ET_CALL_DENY)
			remove_plan(i--, 1);
	return first;
}

static uint64_t
c20_delete_outcome(void)
{
	uint64_t	 i;

	i = model_find(&m, ET_CALL_OUTCOME, 100);
	remove_plan(i, 1);
	return i;
}

static uint64_t
c21_last_entry(void)
{
	m.n--;
	return m.n;
}

static uint64_t
c22_last_commit(void)
{
	m.commits--;
	m.n = m.commit[m.commits - 1].size;
	return m.n;
}

static uint64_t
c23_earlier(void)
{
	m.commits -= 20;
	m.n = m.commit[m.commits - 1].size;
	return m.n;
}

/* Cut, then continued under the current key. */
static uint64_t
c24_continue(void)
{
	uint64_t	 i, cut;

	cut = first_of(m.commits - 5);
	for (i = cut; i < m.n; i++) {
		m.plan[i].type = ET_CALL_DENY;
		m.plan[i].remark = "another";
		m.plan[i].wall = m.plan[cut - 1].wall + i;
	}
	model_render(&m, cut);
	model_tiles(&m);
	model_sign(&m, m.commits - 5);
	return m.n - 1;
}

uint64_t
case_new_log(void)
{
	model_init(&m, 99, N);
	model_build(&m);
	return 0;
}

static uint64_t
c46_long_int(void)
{
	size_t	 len;

	/* version 1 written in two bytes */
	len = m.entry[222].len;
	memmove(m.entry[222].p + 3, m.entry[222].p + 2, len - 2);
	m.entry[222].p[2] = 0x18;
	m.entry[222].p[3] = 1;
	m.entry[222].len = len + 1;
	model_tiles(&m);
	return 222;
}

static uint64_t
c47_trailing(void)
{
	m.entry[222].p[m.entry[222].len++] = 0;
	model_tiles(&m);
	return 222;
}

static uint64_t
c50_skipped(void)
{
	uint64_t	 i;

	for (i = 560; i < m.n; i++)
		m.plan[i].seq++;
	model_render(&m, 560);
	model_tiles(&m);
	model_sign(&m, model_commit(&m, 560));
	return 560;
}

static uint64_t
c50_repeated(void)
{
	uint64_t	 i;

	for (i = 560; i < m.n; i++)
		m.plan[i].seq--;
	model_render(&m, 560);
	model_tiles(&m);
	model_sign(&m, model_commit(&m, 560));
	return 560;
}

static uint64_t
resigned(uint64_t i)
{
	model_render(&m, i);
	model_tiles(&m);
	model_sign(&m, model_commit(&m, i));
	return i;
}

static uint64_t
c51_no_intent(void)
{
	uint64_t	 i;

	i = model_find(&m, ET_CALL_OUTCOME, 500);
	m.plan[i].intent = 3;
	return resigned(i);
}

static uint64_t
c51_twice(void)
{
	uint64_t	 i, k;

	i = model_find(&m, ET_CALL_OUTCOME, 500);
	k = model_find(&m, ET_CALL_DENY, i);
	m.plan[k].type = ET_CALL_OUTCOME;
	m.plan[k].intent = m.plan[i].intent;
	memcpy(m.plan[k].id, m.plan[i].id, 16);
	return resigned(k);
}

static uint64_t
c51_before(void)
{
	uint64_t	 i;

	i = model_find(&m, ET_CALL_OUTCOME, 500);
	m.plan[i].intent = i + 1;
	return resigned(i);
}

static uint64_t
c51_other_request(void)
{
	uint64_t	 i;

	i = model_find(&m, ET_CALL_OUTCOME, 500);
	m.plan[i].id[0] ^= 1;
	return resigned(i);
}

static uint64_t
c54_clock(void)
{
	uint64_t	 i;

	i = model_find(&m, ET_CALL_DENY, 500);
	m.plan[i].wall -= 3600000;
	return resigned(i);
}

static uint64_t
c58_missing(void)
{
	uint64_t	 r;

	r = model_find(&m, ET_EPOCH_ROLL, 300);
	m.plan[r].type = ET_CALL_DENY;
	return resigned(r);
}

static uint64_t
c58_skipping(void)
{
	uint64_t	 r;

	r = model_find(&m, ET_EPOCH_ROLL, 300);
	m.plan[r].epoch = 3;
	return resigned(r);
}

static uint64_t
c58_proof(void)
{
	uint64_t	 r;

	r = model_find(&m, ET_EPOCH_ROLL, 300);
	m.plan[r].badproof = 1;
	return resigned(r);
}

static uint64_t
c59_before(void)
{
	m.commit[m.commits - 2].signer[0] = 1;
	model_sign(&m, m.commits - 2);
	return first_of(m.commits - 2);
}

static uint64_t
c59_after(void)
{
	m.commit[m.commits - 2].signer[0] = 3;
	model_sign(&m, m.commits - 2);
	return first_of(m.commits - 2);
}

static uint64_t
c59_roll_alone(void)
{
	unsigned int	 k;

	k = model_commit(&m, model_find(&m, ET_EPOCH_ROLL, 300));
	m.commit[k].signer[1] = -1;
	model_sign(&m, k);
	return first_of(k);
}

static uint64_t
c59_roll_gone(void)
{
	unsigned int	 k;

	k = model_commit(&m, model_find(&m, ET_EPOCH_ROLL, 300));
	m.noteskip = k + 1;
	return first_of(k);
}

static uint64_t
c60_not_destroyed(void)
{
	m.commit[m.commits - 2].signer[1] = 1;
	model_sign(&m, m.commits - 2);
	return first_of(m.commits - 2);
}

static uint64_t
uncovered(void)
{
	m.commits--;
	return m.commit[m.commits - 1].size;
}

uint64_t
case_notes_swapped(void)
{
	char	 t[1024];
	size_t	 l;

	memcpy(t, m.note[30], sizeof(t));
	memcpy(m.note[30], m.note[31], sizeof(t));
	memcpy(m.note[31], t, sizeof(t));
	l = m.notelen[30];
	m.notelen[30] = m.notelen[31];
	m.notelen[31] = l;
	return first_of(31);
}

const struct tamper cases[] = {
	{ "1 bit in a body", c1_body, 0, FAULT_TAMPER },
	{ "2 bit in prev", c2_prev, 0, FAULT_TAMPER },
	{ "3 bit in a tile", c3_tile, NODUMP, FAULT_TAMPER },
	{ "3 bit in a level 1 tile", c3_tile_level1, NODUMP, FAULT_TAMPER },
	{ "4 bit in the compact range", c4_range, NOEXPORT, FAULT_TAMPER },
	{ "5 checkpoint root", c5_root, 0, FAULT_TAMPER },
	{ "5 checkpoint origin", c5_origin, 0, FAULT_TAMPER },
	{ "5 checkpoint signature", c5_signature, 0, FAULT_TAMPER },
	{ "6 recomputed, old signatures", c6_recompute, 0, FAULT_TAMPER },
	{ "7 past epoch, current key", c7_past_epoch, PIN, FAULT_KEY },
	{ "11 entry of another log", c11_foreign, 0, FAULT_TAMPER },
	{ "9 forged entry inserted", c9_insert, 0, FAULT_TAMPER },
	{ "10 duplicate inserted", c10_duplicate, 0, FAULT_TAMPER },
	{ "12 two entries swapped", c12_swap, 0, FAULT_TAMPER },
	{ "13 two commits swapped", c13_swap_commits, 0, FAULT_TAMPER },
	{ "14 entry over an epoch boundary", c14_rotate, PIN, FAULT_KEY },
	{ "15 entry deleted", c15_delete, 0, FAULT_INCOMPLETE },
	{ "16 deleted and renumbered", c16_delete_renumber, 0, FAULT_TAMPER },
	{ "17 commit deleted", c17_delete_commit, 0, FAULT_INCOMPLETE },
	{ "18 epoch deleted", c18_delete_epoch, PIN, FAULT_INCOMPLETE },
	{ "19 all denials deleted", c19_delete_denials, 0, FAULT_INCOMPLETE },
	{ "20 outcome deleted", c20_delete_outcome, 0, FAULT_INCOMPLETE },
	{ "21 last entry gone", c21_last_entry, 0, FAULT_INCOMPLETE },
	{ "22 last commit gone", c22_last_commit, OLD, FAULT_ROLLBACK },
	{ "23 cut to a signed size", c23_earlier, OLD, FAULT_ROLLBACK },
	{ "24 cut and continued", c24_continue, OLD, FAULT_FORK },
	{ "27 new ceremony", case_new_log, PIN, FAULT_KEY },
	{ "46 long integer", c46_long_int, 0, FAULT_MALFORMED },
	{ "47 trailing byte", c47_trailing, 0, FAULT_MALFORMED },
	{ "50 number skipped", c50_skipped, 0, FAULT_INCOMPLETE },
	{ "50 number repeated", c50_repeated, 0, FAULT_TAMPER },
	{ "51 outcome without intent", c51_no_intent, 0, FAULT_SEMANTIC },
	{ "51 two outcomes", c51_twice, 0, FAULT_SEMANTIC },
	{ "51 outcome before intent", c51_before, 0, FAULT_SEMANTIC },
	{ "51 outcome of another", c51_other_request, 0, FAULT_SEMANTIC },
	{ "54 clock goes back", c54_clock, 0, FAULT_TIME },
	{ "58 roll missing", c58_missing, PIN, FAULT_KEY },
	{ "58 roll skips", c58_skipping, PIN, FAULT_KEY },
	{ "58 wrong proof", c58_proof, PIN, FAULT_KEY },
	{ "59 signed by e-1", c59_before, PIN, FAULT_KEY },
	{ "59 signed by e+1", c59_after, PIN, FAULT_KEY },
	{ "59 roll signed by e alone", c59_roll_alone, PIN, FAULT_KEY },
	{ "60 old key still signs", c60_not_destroyed, PIN, FAULT_KEY },
	{ "59 checkpoint of a roll gone", c59_roll_gone, PIN, FAULT_KEY },
	{ "last checkpoint gone", uncovered, 0, FAULT_INCOMPLETE },
	{ NULL, NULL, 0, FAULT_NONE },
};
