/* SPDX-License-Identifier: ISC */
/*
 * What one step of the broker wants done, in order: a bounded list beside a
 * bounded heap of payloads.  It does nothing itself.  A payload that holds a
 * secret is wiped with the box.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/broker/broker.h"

struct outbox *
outbox_new(void)
{
	return calloc(1, sizeof(struct outbox));
}

void
outbox_free(struct outbox *o)
{
	if (o == NULL)
		return;
	outbox_clear(o);
	free(o);
}

void
outbox_clear(struct outbox *o)
{
	size_t	 i;

	for (i = 0; i < o->n; i++)
		if (o->item[i].secret)
			secret_wipe(o->data + o->item[i].off, o->item[i].len);
	o->n = 0;
	o->used = 0;
}

/*
 * Room for one item of len payload bytes.  A full box is drained; without a
 * drain what it holds is dropped and marked lost.
 */
static struct out *
item(struct outbox *o, size_t len)
{
	struct out	*it;

	if (len > OUT_DATA)
		fatalx("outbox: payload of %zu bytes", len);
	if (o->n == OUT_ITEMS || len > OUT_DATA - o->used) {
		if (o->drain != NULL)
			o->drain(o, o->arg);
		else
			o->lost = 1;
		outbox_clear(o);
	}
	it = &o->item[o->n++];
	memset(it, 0, sizeof(*it));
	it->off = (uint32_t)o->used;
	it->len = (uint32_t)len;
	o->used += len;
	return it;
}

void
outbox_sendv(struct outbox *o, enum from_kind kind, uint16_t index,
    uint16_t type, const void *p, size_t len)
{
	struct out	*it;

	it = item(o, len);
	it->act = OUT_SEND;
	it->to.kind = kind;
	it->to.index = index;
	it->type = type;
	if (len > 0)
		memcpy(o->data + it->off, p, len);
}

void
outbox_send(struct outbox *o, enum from_kind kind, uint16_t index,
    const struct msgw *w)
{
	if (w->bad)
		fatalx("outbox: message %#x does not fit", w->type);
	outbox_sendv(o, kind, index, w->type, w->buf, w->len);
}

void
outbox_secret(struct outbox *o, enum from_kind kind, uint16_t index,
    struct msgw *w)
{
	outbox_send(o, kind, index, w);
	o->item[o->n - 1].secret = 1;
	secret_wipe(w->buf, w->len);
}

void
outbox_blob(struct outbox *o, uint16_t worker, const struct msgw *w)
{
	outbox_send(o, FROM_WORKER, worker, w);
	o->item[o->n - 1].act = OUT_BLOB;
}

void
outbox_act(struct outbox *o, enum out_act act, enum from_kind kind,
    uint16_t index)
{
	struct out	*it;

	it = item(o, 0);
	it->act = act;
	it->to.kind = kind;
	it->to.index = index;
}

void
outbox_link(struct outbox *o, uint16_t worker, uint16_t egress,
    uint32_t cookie, uint32_t link, uint16_t provider, uint64_t instance)
{
	struct out	*it;

	it = item(o, 0);
	it->act = OUT_LINK;
	it->to.kind = FROM_WORKER;
	it->to.index = worker;
	it->egress = egress;
	it->cookie = cookie;
	it->link = link;
	it->provider = provider;
	it->instance = instance;
}
