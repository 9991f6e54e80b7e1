/* SPDX-License-Identifier: ISC */
/*
 * How agents, keys and workers fare.  Counts are of this life of the broker
 * and say since when; tokens are the workers' claims, bounded by what the
 * egress counted.  There are no prices: nothing here is money.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/broker/admin.h"

static void
put_use(struct admin_line *l, size_t i, const struct key_use *u)
{
	admin_set(l, i, "%" PRIu32, u->calls);
	admin_set(l, i + 1, "%" PRIu32, u->denied);
	admin_set(l, i + 2, "%" PRIu32, u->failed);
	admin_set(l, i + 3, "%" PRIu64, u->in);
	admin_set(l, i + 4, "%" PRIu64, u->out);
}

static void
put_time(struct admin_line *l, size_t i, uint64_t wall)
{
	key_time(wall, l->t[i]);
	l->f[i] = l->t[i];
}

/* ---- agents, worst first ------------------------------------------------ */

static int
worse(const void *x, const void *y)
{
	const struct agent	*const *a = x, *const *b = y;
	uint64_t		 p, q;

	p = (uint64_t)(*a)->use.denied + (*a)->use.failed;
	q = (uint64_t)(*b)->use.denied + (*b)->use.failed;
	if (p != q)
		return p > q ? -1 : 1;
	return ((*a)->no > (*b)->no) - ((*a)->no < (*b)->no);
}

static int
fleet_line(struct admin_ask *a, const void *arg, uint64_t *at,
    struct admin_line *l)
{
	const struct agent	*ag;
	const size_t		*n;

	n = arg;
	if (*at >= *n)
		return 0;
	ag = a->b->admin->fleet[(*at)++];
	l->f[0] = ag->id;
	l->f[1] = ag->owner;
	admin_set(l, 2, "%" PRIu32, ag->keys);
	put_use(l, 3, &ag->use);
	put_time(l, 8, ag->used);
	put_time(l, 9, a->b->admin->started);
	l->n = 10;
	return 1;
}

void
admin_overview(struct admin_ask *a)
{
	const struct agent	*ag;
	struct admin_page	 page;
	size_t			 at, n;

	page.limit = msg_get_u32(a->m);
	page.cursor = msg_get_u64(a->m);
	if (!admin_parsed(a))
		return;
	n = 0;
	for (at = 0; (ag = key_agent_next(a->b->keys, &at)) != NULL;)
		if (ag->deleted == 0 && admin_sees(a, ag) && n < KEY_AGENTS)
			a->b->admin->fleet[n++] = ag;
	heapsort(a->b->admin->fleet, n, sizeof(a->b->admin->fleet[0]), worse);
	admin_list(a, &page, fleet_line, &n, n);
}

/* ---- keys: what they used ----------------------------------------------- */

static int
spend_line(struct admin_ask *a, const void *arg, uint64_t *at,
    struct admin_line *l)
{
	const struct key	*k;
	size_t			 i;

	i = *at > SIZE_MAX ? SIZE_MAX : (size_t)*at;
	do
		k = key_next(a->b->keys, &i, arg);
	while (k != NULL && ((k->use.calls == 0 && k->use.denied == 0) ||
	    !admin_sees(a, k->agent)));
	*at = i;
	if (k == NULL)
		return 0;
	l->f[0] = k->agent->id;
	admin_set(l, 1, "dk_%s", k->id);
	l->f[2] = k->email;
	put_use(l, 3, &k->use);
	admin_set(l, 8, "%" PRIu64, k->use.cached);
	put_time(l, 9, a->b->admin->started);
	l->n = 10;
	return 1;
}

void
admin_spend(struct admin_ask *a)
{
	char			 id[ADMIN_FIELD];
	const struct agent	*only;
	struct admin_page	 page;

	msg_get_str(a->m, id, sizeof(id));
	page.limit = msg_get_u32(a->m);
	page.cursor = msg_get_u64(a->m);
	if (!admin_parsed(a))
		return;
	only = NULL;
	if (id[0] != '\0' && (only = admin_agent_seen(a, id)) == NULL)
		return;
	admin_list(a, &page, spend_line, only, SIZE_MAX);
}

void
admin_metrics(struct admin_ask *a)
{
	char		 piece[12000];
	const char	*f[1] = { piece };
	size_t		 i;

	if (!admin_parsed(a))
		return;
	for (i = 0; meter_text(a->b, i, piece, sizeof(piece)) > 0; i++)
		admin_row(a, 200, f, 1);
	admin_end(a, 200);
}

/* ---- quarantine --------------------------------------------------------- */

int
admin_refused(const struct broker *b, uint32_t generation)
{
	size_t	 i;

	for (i = 0; i < ADMIN_REFUSED; i++)
		if (b->admin->refused[i] == generation)
			return generation != 0;
	return 0;
}

/* Its link ends, its calls are cut, its instance gets no other link. */
static void
isolate(struct admin_ask *a, uint16_t row, struct admin_line *l)
{
	struct broker_from	 from;
	struct worker		*w;
	struct admin		*ad;
	struct msgw		 m;

	w = &a->b->workers[row];
	ad = a->b->admin;
	admin_set(l, 0, "%u", w->slot);
	admin_set(l, 1, "%" PRIu32, w->generation);
	admin_set(l, 2, "%" PRIu32, w->ncalls);
	l->n = 3;
	ad->refused[ad->nrefused++ % ADMIN_REFUSED] = w->generation;
	msg_open(&m, M_ASK);
	msg_put_u8(&m, 3);
	msg_put_u16(&m, w->slot);
	msg_put_u32(&m, w->generation);
	outbox_send(a->o, FROM_PARENT, 0, &m);
	memset(&from, 0, sizeof(from));
	from.kind = FROM_WORKER;
	from.index = row;
	from.lost = 1;
	peers_lost(a->b, &from, a->o);
	outbox_act(a->o, OUT_CLOSE, FROM_WORKER, row);
}

void
admin_quarantine(struct admin_ask *a)
{
	struct admin_change	 c = { .type = ET_ADMIN,
	    .what = "worker.quarantine", .kind = "worker" };
	struct admin_line	 l;
	char			 id[64];
	uint16_t		 slot, i, n;

	slot = msg_get_u16(a->m);
	if (!admin_parsed(a))
		return;
	for (i = n = 0; i < WORKERS_MAX; i++) {
		if (!a->b->workers[i].p.up || a->b->workers[i].slot != slot)
			continue;
		if (n++ > 0)
			admin_row(a, 200, l.f, l.n);
		isolate(a, i, &l);
		snprintf(id, sizeof(id), "slot %s generation %s", l.f[0],
		    l.f[1]);
		c.id = id;
		admin_entry(a, &c);
	}
	if (n == 0)
		admin_fail(a, 404, "no_worker", "there is no worker %u: "
		    "proxyctl status lists them", slot);
	else
		admin_then(a, 200, l.f, l.n, 0);
}
