/* SPDX-License-Identifier: ISC */
/*
 * auditverify against the tamper cases of the audit reference (section 4):
 * honest logs are intact, each case is found with its class and the number
 * of the first bad entry, from an export and from a dump.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/text/text.h"
#include "regress/unit/auditverify/model.h"

#define N	600	/* two full bundles and a partial one */

static struct model	m, honest;

/* What the auditor brings to a run. */
struct auditor {
	int		 pin;
	struct remember	 old;
};

static void
save(struct remember *r, const struct model *log, unsigned int k)
{
	struct note	 n;

	memset(r, 0, sizeof(*r));
	assert_int_equal(note_parse(&n, log->note[k], log->notelen[k]), 0);
	r->known = 1;
	r->size = n.size;
	memcpy(r->root, n.root, 32);
	memcpy(r->origin, n.origin, n.originlen);
}

static struct judge *
judge(struct source *s, const struct auditor *a)
{
	struct judge	*j;
	struct rec	 r;

	j = judge_new(a->pin ? honest.pin : NULL, &a->old);
	assert_non_null(j);
	do {
		s->next(s->arg, &r);
		if (r.kind == REC_FAIL && j->fault == FAULT_NONE)
			fail_msg("source: %s", r.why);
	} while (judge_take(j, &r) == 0);
	s->close(s->arg);
	return j;
}

static int
rm(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static char	tmp[64];

static const char *
fresh(void)
{
	strcpy(tmp, "/tmp/auditverify.XXXXXX");
	assert_non_null(mkdtemp(tmp));
	return tmp;
}

static void
wipe(void)
{
	nftw(tmp, rm, 16, FTW_DEPTH | FTW_PHYS);
}

static struct judge *
by_export(const struct auditor *a)
{
	struct source	 s;
	struct judge	*j;

	model_export(&m, fresh());
	assert_int_equal(exportdir_open(&s, tmp), 0);
	j = judge(&s, a);
	wipe();
	return j;
}

static struct judge *
by_dump(const struct auditor *a, int tiles)
{
	struct source	 s;
	char		 path[] = "/tmp/auditverify.XXXXXX";
	int		 fd;

	fd = mkstemp(path);
	assert_true(fd != -1);
	unlink(path);
	model_dump(&m, fd, tiles);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(dumppipe_fd(&s, fd), 0);
	return judge(&s, a);
}

/* --- the cases ----------------------------------------------------------- */

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

static uint64_t
c5_size(void)
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

static uint64_t
c8_current_epoch(void)
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

static uint64_t
c27_new_log(void)
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

static uint64_t
two_notes_swapped(void)
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

enum { PIN = 1, OLD = 2, NODUMP = 4, NOEXPORT = 8 };

static const struct {
	const char	*name;
	uint64_t	(*change)(void);
	int		 needs;
	enum fault	 fault;
} cases[] = {
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
	{ "27 new ceremony", c27_new_log, PIN, FAULT_KEY },
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
	{ "last checkpoint gone", uncovered, 0, FAULT_INCOMPLETE },
};

static void
expect(struct judge *j, const char *name, const char *how, enum fault f,
    uint64_t bad)
{
	if (j->fault != f || (f != FAULT_NONE && j->bad != bad))
		fail_msg("%s (%s): %s at %llu (%s), wanted %s at %llu", name,
		    how, judge_fault_name(j->fault),
		    (unsigned long long)j->bad, j->why, judge_fault_name(f),
		    (unsigned long long)bad);
	judge_free(j);
}

static void
tampered(void **state)
{
	struct auditor	 a;
	uint64_t	 bad;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		m = honest;
		memset(&a, 0, sizeof(a));
		a.pin = cases[i].needs & PIN;
		if (cases[i].needs & OLD)
			save(&a.old, &honest, honest.commits - 1);
		bad = cases[i].change();
		if ((cases[i].needs & NOEXPORT) == 0)
			expect(by_export(&a), cases[i].name, "export",
			    cases[i].fault, bad);
		if ((cases[i].needs & NODUMP) != 0)
			continue;
		expect(by_dump(&a, 1), cases[i].name, "dump with tiles",
		    cases[i].fault, bad);
		expect(by_dump(&a, 0), cases[i].name, "dump",
		    cases[i].fault, bad);
	}
}

static void
honest_logs(void **state)
{
	struct auditor	 a;
	unsigned int	 seed;
	struct judge	*j;

	(void)state;
	memset(&a, 0, sizeof(a));
	for (seed = 1; seed <= 30; seed++) {
		model_init(&m, seed, 5 + seed * 23 % 690);
		model_build(&m);
		j = seed % 3 == 0 ? by_export(&a) : by_dump(&a, seed % 2);
		if (j->fault != FAULT_NONE)
			fail_msg("seed %u: %s at %llu: %s", seed,
			    judge_fault_name(j->fault),
			    (unsigned long long)j->bad, j->why);
		assert_int_equal(j->checkpoints, m.commits);
		assert_int_equal(j->chain.next, m.n);
		assert_int_equal(j->intents, j->outcomes + j->orphans +
		    pairing_count(j->pairing));
		judge_free(j);
	}
	/* with a pin and every checkpoint that was ever handed out */
	m = honest;
	a.pin = 1;
	for (seed = 0; seed < honest.commits; seed += 10) {
		save(&a.old, &honest, seed);
		expect(by_dump(&a, 1), "remembered", "dump", FAULT_NONE, 0);
	}
}

/* What cannot be seen without outside memory is not claimed either. */
static void
current_epoch(void **state)
{
	struct auditor	 a;
	uint64_t	 i;

	(void)state;
	memset(&a, 0, sizeof(a));
	a.pin = 1;
	m = honest;
	i = c8_current_epoch();
	assert_true(i < N);
	expect(by_export(&a), "8", "without memory", FAULT_NONE, 0);
	save(&a.old, &honest, honest.commits - 1);
	expect(by_export(&a), "8", "with memory", FAULT_FORK, N - 1);
	m = honest;
	c27_new_log();
	expect(by_export(&a), "28", "new log", FAULT_KEY, 0);
	a.pin = 0;
	expect(by_export(&a), "28", "new log, memory", FAULT_FORK, N - 1);
}

/* No bit of an entry can be flipped. */
static void
every_bit(void **state)
{
	struct auditor	 a;
	struct judge	*j;
	size_t		 b;

	(void)state;
	memset(&a, 0, sizeof(a));
	model_init(&honest, 3, 40);
	model_build(&honest);
	for (b = 0; b < honest.entry[20].len * 8; b++) {
		m = honest;
		m.entry[20].p[b / 8] ^= (uint8_t)(1 << b % 8);
		j = by_dump(&a, 1);
		assert_int_equal(j->bad, 20);
		assert_true(j->fault != FAULT_NONE);
		judge_free(j);
	}
	for (b = 0; b < honest.notelen[2] * 8; b++) {
		m = honest;
		m.note[2][b / 8] ^= (char)(1 << b % 8);
		j = by_dump(&a, 1);
		if (j->fault == FAULT_NONE)
			fail_msg("bit %zu of a checkpoint", b);
		judge_free(j);
	}
}

/* Sizes, orders and missing files that no honest exporter makes. */
static void
layout(void **state)
{
	static const char *const gone[] = { "checkpoint", "tile/0/000",
	    "tile/0/001" };
	struct auditor	 a;
	struct source	 s;
	struct judge	*j;
	char		 path[128];
	size_t		 i;

	(void)state;
	memset(&a, 0, sizeof(a));
	model_init(&honest, 7, N);
	model_build(&honest);
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		m = honest;
		model_export(&m, fresh());
		snprintf(path, sizeof(path), "%s/%s", tmp, gone[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(exportdir_open(&s, tmp), 0);
		j = judge(&s, &a);
		assert_int_equal(j->fault, FAULT_INCOMPLETE);
		judge_free(j);
		wipe();
	}
	m = honest;
	(void)two_notes_swapped();
	j = by_export(&a);
	assert_int_equal(j->fault, FAULT_TAMPER);
	judge_free(j);
	m = honest;
	(void)c5_size();
	j = by_export(&a);
	assert_true(j->fault == FAULT_TAMPER || j->fault == FAULT_INCOMPLETE);
	judge_free(j);
	fresh();
	assert_int_equal(exportdir_open(&s, tmp), -1);
	wipe();
}

static void
pairs(void **state)
{
	struct pairing	*p;
	uint8_t		 id[16];
	uint64_t	 i;

	(void)state;
	p = pairing_new();
	assert_non_null(p);
	memset(id, 0, sizeof(id));
	for (i = 1; i <= PAIRING_MAX; i++)
		assert_int_equal(pairing_open(p, i * 7, id), PAIRING_OK);
	assert_int_equal(pairing_open(p, 3, id), PAIRING_FULL);
	assert_true(pairing_first(p) == 7);
	for (i = 1; i <= PAIRING_MAX; i += 2) {
		assert_int_equal(pairing_close(p, i * 7, id), PAIRING_OK);
		assert_int_equal(pairing_close(p, i * 7, id),
		    PAIRING_UNKNOWN);
	}
	assert_true(pairing_first(p) == 14);
	id[0] = 1;
	assert_int_equal(pairing_close(p, 14, id), PAIRING_OTHER);
	for (i = 2; i <= PAIRING_MAX; i += 2)
		assert_int_equal(pairing_close(p, i * 7, NULL), PAIRING_OK);
	assert_true(pairing_count(p) == 0);
	pairing_free(p);
}

/* The state file: absent, written, read, replaced, not a note. */
static void
memory(void **state)
{
	struct remember	 r;
	char		 path[128];
	FILE		*f;

	(void)state;
	snprintf(path, sizeof(path), "%s/state", fresh());
	assert_int_equal(remember_load(&r, path), 0);
	assert_int_equal(r.known, 0);
	assert_int_equal(remember_save(path, honest.note[0],
	    honest.notelen[0]), 0);
	assert_int_equal(remember_save(path, honest.note[3],
	    honest.notelen[3]), 0);
	assert_int_equal(remember_load(&r, path), 0);
	assert_true(r.known == 1 && r.size == honest.commit[3].size);
	assert_string_equal(r.origin, honest.origin);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs("x\n", f);
	fclose(f);
	assert_int_equal(remember_load(&r, path), -1);
	wipe();
}

/* Listing: class letters, and nothing raw from a client. */
static void
listing(void **state)
{
	struct entry	 e;
	char		*out;
	size_t		 len;
	FILE		*f;

	(void)state;
	m = honest;
	m.plan[9].remark = "\x1b[2J\xe2\x80\xae\"x\\\n";
	model_render(&m, 9);
	assert_int_equal(entry_parse(m.entry[9].p, m.entry[9].len, &e, NULL),
	    0);
	f = open_memstream(&out, &len);
	assert_non_null(f);
	explain_entry(f, &e, m.stored[9]);
	fclose(f);
	assert_non_null(strstr(out, "entry 9 "));
	assert_non_null(strstr(out, "\n  B seq=9\n"));
	assert_non_null(strstr(out, "\n  B boot_id=as in entry 2\n"));
	assert_non_null(strstr(out,
	    "\n  B remark=\"\\x1b[2J\\xe2\\x80\\xae\\\"x\\\\\\x0a\"\n"));
	assert_null(strchr(out, 0x1b));
	free(out);
}

static int
setup(void **state)
{
	(void)state;
	if (sodium_init() == -1)
		return -1;
	model_init(&honest, 7, N);
	model_build(&honest);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(honest_logs),
		cmocka_unit_test(tampered),
		cmocka_unit_test(current_epoch),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(layout),
		cmocka_unit_test(pairs),
		cmocka_unit_test(memory),
		cmocka_unit_test(listing),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
