/* SPDX-License-Identifier: ISC */
/* proxyctl audit, spend and worker. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "proxyd/proxyctl/proxyctl.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))

static const struct column event_cols[] = { { "INDEX", "index" },
    { "TIME", "time" }, { "TYPE", "type" }, { "AGENT", "agent" },
    { "KEY_ID", "key_id" }, { "ACTION", "action" },
    { "REQUEST", "request_id" }, { "MODEL", "model" },
    { "PROVIDER", "provider" }, { "STATUS", "status" },
    { "REASON", "reason" }, { "IN", "tokens_in" }, { "OUT", "tokens_out" },
    { "OBJECT", "object" }, { "ACTOR", "actor" }, { "HASH", "hash" },
    { "SESSION", "session_id" } };

/* One page: entries from an index on, or below a cursor. */
struct look {
	const struct opts	*o;
	uint64_t		 from, cursor;
	uint32_t		 limit;
	int			 oldest;	/* first */
};

static void
ask_events(struct msgw *w, const struct look *l)
{
	ctl_open(w, M_ADMIN_AUDIT_LIST);
	msg_put_str(w, l->o->agent);
	msg_put_str(w, "");
	msg_put_str(w, "");
	msg_put_u64(w, 0);
	msg_put_u64(w, l->from);
	msg_put_u32(w, l->limit);
	msg_put_u64(w, l->cursor);
	msg_put_u8(w, (uint8_t)l->oldest);
	msg_put_str(w, l->o->session);
	msg_put_u8(w, 0);
}

static void
print_event(struct answer *a, int json)
{
	struct table	*t;

	if (json) {
		if ((t = print_new(event_cols, N(event_cols), 1)) == NULL)
			return;
		print_row(t, a);
		print_end(t);
		return;
	}
	print_tame(a);
	printf("%s %s %s %s %s %s%s%s %s %s\n", a->f[0], a->f[1], a->f[2],
	    *a->f[3] == '\0' ? "-" : a->f[3], *a->f[4] == '\0' ? "-" :
	    a->f[4], a->f[5], *a->f[7] == '\0' ? "" : " ", a->f[7], a->f[10],
	    a->f[13]);
}

/*
 * The next answer to a look: 1 a row, 0 the end of the page (l->cursor says
 * where the next one begins, 0 nowhere), -1 said on standard error.
 */
static int
event(int fd, struct look *l, struct answer *a)
{
	if (ctl_answer(fd, a) == -1) {
		fprintf(stderr, "proxyctl: the gateway did not answer\n");
		return -1;
	}
	if (a->status >= 400) {
		(void)ctl_complain(a);
		return -1;
	}
	if (a->more)
		return 1;
	l->cursor = a->n > 0 ? strtoull(a->f[0], NULL, 10) : 0;
	return 0;
}

/* The newest events come last; they are held until all are here. */
static int
newest(int fd, int json, const struct opts *o, uint64_t *next)
{
	struct look	 l = { o, 0, 0, 0, 0 };
	struct msgw	 w;
	struct answer	*a;
	size_t		 n;
	int		 r;

	if ((a = calloc(o->lines + 1, sizeof(*a))) == NULL)
		return 1;
	n = 0;
	do {
		l.limit = (uint32_t)(o->lines - n);
		ask_events(&w, &l);
		r = ctl_send(fd, &w);
		while (r != -1 && (r = event(fd, &l, &a[n])) == 1)
			n += n < o->lines;
	} while (r != -1 && l.cursor != 0 && n < o->lines);
	while (r != -1 && n > 0) {
		print_event(&a[--n], json);
		*next = strtoull(a[n].f[0], NULL, 10) + 1;
	}
	free(a);
	return r == -1;
}

/* Oldest first: every page there is, then a look each second if wanted. */
static int
oldest(int fd, int json, const struct opts *o, uint64_t next, int forever)
{
	struct look	 l = { o, next, 0, 1000, 1 };
	struct msgw	 w;
	struct answer	 a;
	int		 r;

	for (;;) {
		ask_events(&w, &l);
		if (ctl_send(fd, &w) == -1)
			return 1;
		while ((r = event(fd, &l, &a)) == 1) {
			print_event(&a, json);
			l.from = strtoull(a.f[0], NULL, 10) + 1;
		}
		if (r == -1)
			return 1;
		if (l.cursor != 0)
			continue;
		if (!forever)
			return 0;
		fflush(stdout);
		sleep(1);
	}
}

int
cmd_audit(int fd, int json, int argc, char **argv)
{
	static const struct column	 cols[] = { { "VERIFIED", "verified" },
	    { "EVENTS", "events_checked" }, { "INTACT", "chain_intact" },
	    { "PENDING", "events_pending" }, { "ROOT", "root_hash" },
	    { "HELD FROM", "held_from" },
	    { "EXPORTED", "exported_events" },
	    { "EXPORTED ROOT", "exported_root_hash" },
	    { "CHECKED", "exported_checked_at" }, { "FAULT", "fault" } };
	struct opts			 o;
	struct msgw			 w;
	uint64_t			 next;
	int				 r;

	if (argc == 2 && strcmp(argv[1], "verify") == 0) {
		ctl_open(&w, M_ADMIN_AUDIT_VERIFY);
		return ctl_rows(fd, &w, cols, N(cols), json);
	}
	if (argc < 2 || (strcmp(argv[1], "tail") != 0 &&
	    strcmp(argv[1], "list") != 0) ||
	    opts_parse(&o, argc - 1, argv + 1) == -1)
		return 2;
	if (strcmp(argv[1], "list") == 0)
		return oldest(fd, json, &o, 0, 0);
	next = 0;
	r = newest(fd, json, &o, &next);
	return r != 0 || !o.follow ? r : oldest(fd, json, &o, next, 1);
}

static void
ask_spend(struct msgw *w, const struct opts *o, uint64_t cursor)
{
	ctl_open(w, M_ADMIN_SPEND);
	msg_put_str(w, o->agent);
	msg_put_u32(w, 0);
	msg_put_u64(w, cursor);
}

int
cmd_spend(int fd, int json, int argc, char **argv)
{
	static const struct column	 cols[] = { { "AGENT", "agent" },
	    { "KEY_ID", "key_id" }, { "EMAIL", "email" },
	    { "CALLS", "calls" }, { "DENIED", "denied" },
	    { "FAILED", "failed" }, { "IN", "tokens_in" },
	    { "OUT", "tokens_out" }, { "CACHED", "tokens_cached" },
	    { "SINCE", "since" } };
	struct opts			 o;

	if (opts_parse(&o, argc, argv) == -1 || (argc > 1 && o.agent == NULL))
		return 2;
	if (!json)
		printf("Tokens since the broker started; there are no prices "
		    "here, so this is not money.\n");
	return ctl_pages(fd, ask_spend, &o, cols, N(cols), json);
}

int
cmd_worker(int fd, int json, int argc, char **argv)
{
	static const struct column	 cols[] = { { "SLOT", "slot" },
	    { "GENERATION", "generation" }, { "CALLS CUT", "calls_cut" } };
	struct msgw			 w;
	const char			*errstr;
	uint16_t			 slot;

	if (argc != 3 || strcmp(argv[1], "quarantine") != 0)
		return 2;
	slot = (uint16_t)strtonum(argv[2], 0, WORKERS_MAX - 1, &errstr);
	if (errstr != NULL) {
		fprintf(stderr, "proxyctl: a worker's number is 0 to %d\n",
		    WORKERS_MAX - 1);
		return 2;
	}
	ctl_open(&w, M_ADMIN_QUARANTINE);
	msg_put_u16(&w, slot);
	return ctl_rows(fd, &w, cols, N(cols), json);
}
