/* SPDX-License-Identifier: ISC */
/*
 * PAGE: rows that are too many for DELTA, a few at a time.  What a page costs
 * is bounded by what it looks at, not by what it finds, so that no call waits
 * long behind one.  The broker believes none of it.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/text/be.h"
#include "keybrokerd/ledger/ledger.h"

#define ITEM	5
#define PIECE	(MSG_MAX - 7)

struct page {
	uint32_t	 cookie;
	uint8_t		 kind, exact;
	const uint8_t	*id, *leave;
	size_t		 idlen, leavelen;
	uint16_t	 rows;
	uint32_t	 bytes;
	/* what was found */
	size_t		 len;
	uint32_t	 looked;
	uint8_t		 next[STATE_ID];
	size_t		 nextlen;
};

static void
parse(struct page *p, struct msgr *m)
{
	memset(p, 0, sizeof(*p));
	p->cookie = msg_get_u32(m);
	p->kind = msg_get_u8(m);
	p->exact = msg_get_u8(m);
	p->id = msg_get_strv(m, STATE_ID, &p->idlen);
	p->leave = msg_get_strv(m, STATE_ID, &p->leavelen);
	p->rows = msg_get_u16(m);
	p->bytes = msg_get_u32(m);
	if (msg_end(m) == -1 || p->kind < ST_COLD || p->bytes > PAGE_BYTES)
		fatalx("PAGE: malformed");
}

static void
put_row(struct ledger *l, struct page *p, const struct store_row *r)
{
	uint8_t	*q;
	size_t	 len;

	len = 3 + r->idlen + r->len;
	q = l->page + p->len;
	q[0] = 'S';
	be_put32(q + 1, (uint32_t)len);
	q[5] = (uint8_t)r->n;
	q[6] = 0;
	q[7] = (uint8_t)r->idlen;
	memcpy(q + 8, r->id, r->idlen);
	memcpy(q + 8 + r->idlen, r->data, r->len);
	p->len += ITEM + len;
}

static int
left_out(const struct page *p, const struct store_row *r)
{
	return p->leavelen > 0 && r->len >= p->leavelen &&
	    memcmp(r->data, p->leave, p->leavelen) == 0;
}

static void
gather(struct ledger *l, struct page *p)
{
	struct store_row	 r;
	enum store_stmt		 st;
	uint16_t		 found;
	int			 n;

	st = p->exact ? SS_ROW : SS_PAGE;
	found = 0;
	n = store_page(&l->store, st, p->kind, p->id, p->idlen);
	while (n != -1 && (n = store_next(&l->store, st, &r)) == 1) {
		if (r.idlen > STATE_ID || r.len > STATE_VALUE)
			fatalx("a row of impossible length");
		p->looked++;
		memcpy(p->next, r.id, r.idlen);
		p->nextlen = r.idlen;
		if (!left_out(p, &r)) {
			put_row(l, p, &r);
			found++;
		}
		if (found >= p->rows || p->len >= p->bytes ||
		    p->looked >= PAGE_LOOKED)
			break;
	}
	if (n == -1)
		ledger_storage(l->store.why);
	store_done(&l->store, st);
	if (n == 0 || p->exact)
		p->nextlen = 0;
}

static void
put_end(struct ledger *l, struct page *p)
{
	uint8_t	*q;

	q = l->page + p->len;
	q[0] = 'N';
	be_put32(q + 1, (uint32_t)(12 + p->nextlen));
	be_put64(q + 5, l->store.cold);
	be_put32(q + 13, p->looked);
	memcpy(q + 17, p->next, p->nextlen);
	p->len += ITEM + 12 + p->nextlen;
}

int
page_answer(struct ledger *l, struct msgr *m)
{
	struct page	 p;
	struct msgw	 w;
	size_t		 at, n;
	uint16_t	 index;

	parse(&p, m);
	gather(l, &p);
	put_end(l, &p);
	index = 0;
	for (at = 0; at < p.len; at += n) {
		n = p.len - at < PIECE ? p.len - at : PIECE;
		msg_open(&w, M_PAGED);
		msg_put_u32(&w, p.cookie);
		msg_put_u16(&w, index++);
		msg_put_u8(&w, at + n == p.len);
		msg_put_raw(&w, l->page + at, n);
		if (ledger_send(l, &w) == -1)
			return -1;
	}
	return 0;
}
