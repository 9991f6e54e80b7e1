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
    { "OBJECT", "object" }, { "ACTOR", "actor" }, { "HASH", "hash" } };

/* Entries from an index on, oldest first, or the newest ones. */
static void
ask_events(struct msgw *w, const struct opts *o, uint64_t from, int oldest)
{
	ctl_open(w, M_ADMIN_AUDIT_LIST);
	msg_put_str(w, o->agent);
	msg_put_str(w, "");
	msg_put_str(w, "");
	msg_put_u64(w, 0);
	msg_put_u64(w, from);
	msg_put_u32(w, oldest ? 1000 : o->lines);
	msg_put_u64(w, 0);
	msg_put_u8(w, (uint8_t)oldest);
}

static void
print_event(const struct answer *a, int json)
{
	struct table	*t;

	if (json) {
		if ((t = print_new(event_cols, N(event_cols), 1)) == NULL)
			return;
		print_row(t, a);
		print_end(t);
	} else
		printf("%s %s %s %s %s %s%s%s %s %s\n", a->f[0], a->f[1],
		    a->f[2], *a->f[3] == '\0' ? "-" : a->f[3],
		    *a->f[4] == '\0' ? "-" : a->f[4], a->f[5],
		    *a->f[7] == '\0' ? "" : " ", a->f[7], a->f[10], a->f[13]);
}

/* The newest events come last; they are held until all are here. */
static int
newest(int fd, int json, const struct opts *o, uint64_t *next)
{
	struct msgw	 w;
	struct answer	*a, last;
	size_t		 i, n;
	int		 r;

	if ((a = calloc(o->lines, sizeof(*a))) == NULL)
		return 1;
	ask_events(&w, o, 0, 0);
	r = ctl_send(fd, &w) == -1;
	for (n = 0; r == 0;) {
		if (ctl_answer(fd, n < o->lines ? &a[n] : &last) == -1)
			r = 1;
		else if (n < o->lines && a[n].status >= 400)
			r = ctl_complain(&a[n]);
		else if (n >= o->lines || !a[n].more)
			break;
		else
			n++;
	}
	for (i = n; r == 0 && i > 0; i--) {
		print_event(&a[i - 1], json);
		*next = strtoull(a[i - 1].f[0], NULL, 10) + 1;
	}
	free(a);
	return r;
}

static int
follow(int fd, int json, const struct opts *o, uint64_t next)
{
	struct msgw	 w;
	struct answer	 a;

	for (;; sleep(1)) {
		fflush(stdout);
		ask_events(&w, o, next, 1);
		if (ctl_send(fd, &w) == -1)
			return 1;
		do {
			if (ctl_answer(fd, &a) == -1) {
				fprintf(stderr, "proxyctl: the gateway did "
				    "not answer\n");
				return 1;
			}
			if (a.status >= 400)
				return ctl_complain(&a);
			if (!a.more)
				break;
			print_event(&a, json);
			next = strtoull(a.f[0], NULL, 10) + 1;
		} while (1);
	}
}

int
cmd_audit(int fd, int json, int argc, char **argv)
{
	static const struct column	 cols[] = { { "VERIFIED", "verified" },
	    { "EVENTS", "events_checked" }, { "INTACT", "chain_intact" },
	    { "PENDING", "events_pending" }, { "ROOT", "root_hash" },
	    { "HELD FROM", "held_from" } };
	struct opts			 o;
	struct msgw			 w;
	uint64_t			 next;
	int				 r;

	if (argc == 2 && strcmp(argv[1], "verify") == 0) {
		ctl_open(&w, M_ADMIN_AUDIT_VERIFY);
		return ctl_rows(fd, &w, cols, N(cols), json);
	}
	if (argc < 2 || strcmp(argv[1], "tail") != 0 ||
	    opts_parse(&o, argc - 1, argv + 1) == -1)
		return 2;
	next = 0;
	r = newest(fd, json, &o, &next);
	return r != 0 || !o.follow ? r : follow(fd, json, &o, next);
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
