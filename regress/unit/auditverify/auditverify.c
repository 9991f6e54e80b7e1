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
#include "regress/unit/auditverify/cases.h"

struct model	m, honest;

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
	for (i = 0; cases[i].name != NULL; i++) {
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
	i = case_current_epoch();
	assert_true(i < N);
	expect(by_export(&a), "8", "without memory", FAULT_NONE, 0);
	save(&a.old, &honest, honest.commits - 1);
	expect(by_export(&a), "8", "with memory", FAULT_FORK, N - 1);
	m = honest;
	case_new_log();
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
	(void)case_notes_swapped();
	j = by_export(&a);
	assert_int_equal(j->fault, FAULT_TAMPER);
	judge_free(j);
	m = honest;
	(void)case_size();
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
