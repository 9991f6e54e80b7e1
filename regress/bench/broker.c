/* SPDX-License-Identifier: ISC */
/*
 * What a call costs the broker, without its peers and without the kernel:
 * CALL, COMMITTED, DONE and OUTCOME of groups of calls through broker_step, a
 * batch a group, as under load.  Prints ns of CPU a call; broker.sh counts
 * instructions, which do not depend on what else the machine does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sodium.h>

#include "regress/unit/call/rig.h"
#include "regress/bench/cpu.h"

#define GROUP_MAX	64

/* The calls of the group: what the broker said about each. */
static struct {
	uint32_t	 link;
	uint64_t	 no;
	uint8_t		 id[CALL_ID];
} group[GROUP_MAX];
static size_t	released;
static double	spent;			/* ns inside the broker */

static void
seen(struct rig *r, const struct out *it, const uint8_t *p)
{
	struct msgr	 m;

	(void)r;
	if (it->act != OUT_SEND || it->type != M_RELEASE)
		return;
	msg_read(&m, it->type, p, it->len);
	group[released].link = msg_get_u32(&m);
	group[released].no = msg_get_u64(&m);
	msg_get_raw(&m, group[released++].id, CALL_ID);
}

/*
 * The two that are measured.  Not inlined: broker.sh names them to callgrind.
 */
void	 measured_step(struct rig *, const struct broker_from *,
	    struct msgr *);
void	 measured_turn(struct rig *);

void __attribute__((noinline))
measured_step(struct rig *r, const struct broker_from *from, struct msgr *m)
{
	double	 t;

	t = cpu_spent();
	broker_step(r->b, r->now, r->wall, from, m, -1, r->o);
	spent += cpu_spent() - t;
}

void __attribute__((noinline))
measured_turn(struct rig *r)
{
	double	 t;

	t = cpu_spent();
	(void)broker_next(r->b);
	broker_tick(r->b, r->now, r->wall, r->o);
	batch_flush(r->b, r->o);
	spent += cpu_spent() - t;
}

static void
step(struct rig *r, enum from_kind kind, uint16_t index, struct msgw *w)
{
	struct broker_from	 from;
	struct msgr		 m;

	memset(&from, 0, sizeof(from));
	from.kind = kind;
	from.index = index;
	msg_read(&m, w->type, w->buf, w->len);
	measured_step(r, &from, &m);
	rig_take(r);
}

static void
turn(struct rig *r)
{
	r->now += 100000;
	r->wall = RIG_WALL + (r->now - RIG_NOW) / NS_MS;
	measured_turn(r);
	rig_take(r);
}

static void
put_done(struct rig *r, struct msgw *w, size_t i)
{
	static const uint8_t	 sha[32];

	msg_open(w, M_DONE);
	msg_put_u32(w, group[i].link);
	msg_put_u64(w, group[i].no);
	msg_put_raw(w, group[i].id, CALL_ID);
	msg_put_u8(w, END_OK);
	msg_put_u16(w, 200);
	msg_put_u64(w, 200);
	msg_put_u64(w, 900);
	msg_put_raw(w, sha, sizeof(sha));
	msg_put_raw(w, sha, sizeof(sha));
	msg_put_u64(w, r->now);
	msg_put_u64(w, r->now);
	msg_put_u8(w, CLOSER_PROVIDER);
	msg_put_u8(w, 0);
	msg_put_str(w, "");
	msg_put_str(w, "");
}

static void
put_outcome(struct msgw *w, size_t i)
{
	msg_open(w, M_OUTCOME);
	msg_put_u64(w, group[i].no);
	msg_put_u8(w, END_OK);
	msg_put_u16(w, 200);
	msg_put_u8(w, GRADE_FINAL);
	msg_put_u64(w, 11);
	msg_put_u64(w, 22);
	msg_put_u64(w, 0);
	msg_put_u64(w, 900);
}

static void
calls(struct rig *r, const uint32_t *links, size_t n)
{
	struct msgw	 w;
	struct ask	 a;
	size_t		 i;

	for (i = 0; i < n; i++) {
		rig_ask(r, &a);
		a.link = links[i];
		rig_put_call(&w, M_CALL, &a);
		step(r, FROM_WORKER, r->worker, &w);
	}
	turn(r);
	released = 0;
	rig_apply(r);
	rig_committed(r, &w);
	step(r, FROM_LEDGER, 0, &w);
	turn(r);
	if (released != n)
		exit(1);
	for (i = 0; i < n; i++) {
		put_done(r, &w, i);
		step(r, FROM_EGRESS, r->egress, &w);
		put_outcome(&w, i);
		step(r, FROM_WORKER, r->worker, &w);
	}
	turn(r);
}

int
main(int argc, char **argv)
{
	struct rig	*r;
	uint32_t	 links[GROUP_MAX];
	size_t		 i, n, rounds;

	n = argc > 1 ? (size_t)atoi(argv[1]) : 9;
	rounds = argc > 2 ? (size_t)atoi(argv[2]) : 20000;
	if (n < 1 || n > GROUP_MAX || sodium_init() == -1)
		return 1;
	r = rig_new();
	rig_peers(r);
	for (i = 0; i < n; i++) {
		rig_make_link(r, RIG_PROVIDER);
		links[i] = r->link;
	}
	r->seen = seen;
	for (i = 0; i < rounds; i++)
		calls(r, links, n);
	printf("broker: %.0f ns of CPU a call, batches of %zu calls\n",
	    spent / ((double)n * (double)rounds), n);
	return 0;
}
