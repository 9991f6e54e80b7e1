/* SPDX-License-Identifier: ISC */
/*
 * auditverify(1): options, source, loop, exit code.  Links libsodium and
 * libcrypto, opens no socket and no database, writes the auditor's state
 * file and standard output.
 */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proc/paths.h"
#include "common/text/text.h"
#include "keybrokerd/auditverify/auditverify.h"

struct options {
	int		 quiet;
	int		 list;
	int		 pinned;
	uint8_t		 pin[TREE_HASH];
	const char	*state;
	const char	*dir;
};

static void
complain(const char *what, const char *why)
{
	fprintf(stderr, "auditverify: %s: %s\n", what, why);
}

static int
usage(void)
{
	fprintf(stderr,
	    "usage: auditverify [-lq] [-p pin] [-s statefile] directory\n");
	return -1;
}

static int
options(struct options *o, int argc, char *argv[])
{
	int	 c;

	memset(o, 0, sizeof(*o));
	while ((c = getopt(argc, argv, "lp:qs:")) != -1) {
		switch (c) {
		case 'l':
			o->list = 1;
			break;
		case 'p':
			if (hex_decode(o->pin, sizeof(o->pin), optarg,
			    strlen(optarg)) != sizeof(o->pin)) {
				complain(optarg, "not 64 hexadecimal digits");
				return usage();
			}
			o->pinned = 1;
			break;
		case 'q':
			o->quiet = 1;
			break;
		case 's':
			o->state = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind + 1 != argc)
		return usage();
	o->dir = argv[optind];
	return 0;
}

static int
exists(const char *dir, const char *name)
{
	char		 path[PATH_MAX];
	struct stat	 st;
	int		 n;

	n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	return n > 0 && (size_t)n < sizeof(path) && stat(path, &st) == 0;
}

/* A database goes through ledgerdump; all else is read as an export. */
static int
open_source(struct source *s, const char *dir)
{
	char	 program[PATH_MAX];
	int	 n;

	if (!exists(dir, "ledger/ledger.db") && !exists(dir, "ledger.db")) {
		if (exportdir_open(s, dir) == 0)
			return 0;
		complain(dir, errno == ENOENT ?
		    "neither a state directory nor an export" :
		    strerror(errno));
		return -1;
	}
	n = snprintf(program, sizeof(program), "%s/keybrokerd/ledgerdump",
	    paths_libexec);
	if (n > 0 && (size_t)n < sizeof(program) &&
	    dumppipe_open(s, program, dir) == 0)
		return 0;
	complain(program, strerror(errno));
	return -1;
}

/* 0: the verdict stands; -1: the source failed first. */
static int
run(struct judge *j, struct source *s, const struct options *o)
{
	struct rec	 r;
	uint64_t	 before;
	int		 done;

	do {
		s->next(s->arg, &r);
		if (r.kind == REC_FAIL && j->fault == FAULT_NONE) {
			complain(o->dir, r.why);
			return -1;
		}
		before = j->chain.next;
		done = judge_take(j, &r);
		if (o->list && j->chain.next != before)
			explain_entry(stdout, &j->entry, j->leaf);
	} while (!done);
	return 0;
}

static int
verdict(const struct judge *j, const struct options *o)
{
	int	 rc;

	rc = j->fault == FAULT_NONE ? 0 : 1;
	if (!o->quiet)
		explain_notes(stdout, j, o->pinned);
	if (rc == 0 && o->state != NULL &&
	    remember_save(o->state, j->note, j->notelen) == -1) {
		complain(o->state, strerror(errno));
		rc = 2;
	}
	explain_verdict(stdout, j);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		complain("standard output", strerror(errno));
		rc = 2;
	}
	return rc;
}

int
main(int argc, char *argv[])
{
	struct remember	 old;
	struct options	 o;
	struct source	 s;
	struct judge	*j;
	int		 rc;

	if (options(&o, argc, argv) == -1)
		return 2;
	if (sodium_init() == -1) {
		complain("libsodium", "cannot be initialised");
		return 2;
	}
	memset(&old, 0, sizeof(old));
	if (o.state != NULL && remember_load(&old, o.state) == -1) {
		complain(o.state, errno == EINVAL ? "not a checkpoint" :
		    strerror(errno));
		return 2;
	}
	j = judge_new(o.pinned ? o.pin : NULL, &old);
	if (j == NULL) {
		complain(o.dir, strerror(errno));
		return 2;
	}
	if (open_source(&s, o.dir) == -1) {
		judge_free(j);
		return 2;
	}
	rc = run(j, &s, &o) == -1 ? 2 : verdict(j, &o);
	s.close(s.arg);
	judge_free(j);
	return rc;
}
