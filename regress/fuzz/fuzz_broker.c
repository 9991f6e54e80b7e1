/* SPDX-License-Identifier: ISC */
/*
 * A hostile worker (and egress, and control client) against a live broker:
 * any messages in any order, valid ones with bytes changed among them.  The
 * broker may answer, count and disconnect; it may never end, and afterwards
 * nothing may be left: no call, no reservation, no secret slot.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regress/unit/call/rig.c"

#include "common/ipc/permit.h"
#include "common/log/log.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* In place of log.c: an end of the broker is a crash here. */
void
fatal(const char *fmt, ...)
{
	fprintf(stderr, "fatal: %s\n", fmt);
	abort();
}

void
fatalx(const char *fmt, ...)
{
	fprintf(stderr, "fatalx: %s\n", fmt);
	abort();
}

void
log_debug(const char *fmt, ...)
{
	(void)fmt;
}

void
log_info(const char *fmt, ...)
{
	(void)fmt;
}

void
log_warnx(const char *fmt, ...)
{
	(void)fmt;
}

void
log_warn(const char *fmt, ...)
{
	(void)fmt;
}

/* Only before fatalx: the code that the parent is told. */
void
log_exit(int code)
{
	(void)code;
}

static struct rig	*r;
static const uint8_t	*in;
static size_t		 left;

static uint8_t
byte(void)
{
	if (left == 0)
		return 0;
	left--;
	return *in++;
}

static void
up(void)
{
	struct msgw	 w;

	if (!r->b->egress[r->egress].p.up)
		send_peer(r, ROLE_EGRESS, RIG_PROVIDER);
	if (r->b->workers[0].p.up)
		return;
	msg_open(&w, M_LINKUP);
	msg_put_u16(&w, 0);
	msg_put_u32(&w, 1);
	msg_put_u8(&w, CLASS_BOTH);
	msg_put_u64(&w, r->wall - 1000);
	msg_put_u32(&w, 0);
	rig_send(r, FROM_PARENT, 0, &w, FD_LINK);
	r->no = 0;
}

static void
say(enum from_kind kind, const struct msgw *w)
{
	rig_send(r, kind, kind == FROM_EGRESS ? r->egress : 0, w, -1);
}

/* Any message at all. */
static void
raw(enum from_kind kind)
{
	struct msgw	 w;
	size_t		 n;

	msg_open(&w, permit_rows[byte() % permit_count].type);
	for (n = byte(); n > 0; n--)
		msg_put_u8(&w, byte());
	say(kind, &w);
}

/* A good CALL, AMEND or ADMIT with a few bytes changed. */
static void
call(uint16_t type)
{
	struct msgw	 w;
	struct ask	 a;
	size_t		 n, at;

	rig_ask(r, &a);
	a.flags = byte() & 0x1f;
	if (type == M_CALL && (a.flags & CF_ADMITTED))
		a.no = --r->no;
	if (byte() & 1)
		a.deadline = r->now + byte() * NS_S;
	if (type == M_ADMIT) {
		msg_open(&w, M_ADMIT);
		msg_put_u64(&w, a.no);
		msg_put_strn(&w, a.token, a.tokenlen);
		msg_put_u32(&w, 0);
		msg_put_u16(&w, a.route);
		msg_put_u64(&w, a.length);
		msg_put_str(&w, a.source);
	} else
		rig_put_call(&w, type, &a);
	for (n = byte() % 4; n > 0; n--) {
		at = ((size_t)byte() << 8 | byte()) % w.len;
		w.buf[at] = byte();
	}
	say(FROM_WORKER, &w);
}

static void
after(uint16_t type)
{
	struct msgw	 w;

	msg_open(&w, type);
	msg_put_u64(&w, r->no - byte() % 4);
	if (type == M_OUTCOME) {
		msg_put_u8(&w, byte());
		msg_put_u16(&w, byte());
		msg_put_u8(&w, byte() % 6);
		msg_put_u64(&w, byte());
		msg_put_u64(&w, (uint64_t)byte() << 56);
		msg_put_u64(&w, 0);
		msg_put_u64(&w, 0);
	}
	say(FROM_WORKER, &w);
}

static void
done(void)
{
	struct msgw	 w;
	struct call	*c;
	uint8_t		 z[64];

	c = table_find(r->b, 0, r->no - byte() % 4);
	if (c == NULL)
		return;
	memset(z, byte(), sizeof(z));
	msg_open(&w, M_DONE);
	msg_put_u32(&w, c->ask.link);
	msg_put_u64(&w, c->ask.no);
	msg_put_raw(&w, c->id, CALL_ID);
	msg_put_u8(&w, byte());
	msg_put_u16(&w, byte());
	msg_put_u64(&w, byte());
	msg_put_u64(&w, byte());
	msg_put_raw(&w, z, 64);
	msg_put_u64(&w, byte());
	msg_put_u64(&w, UINT64_MAX - byte());
	msg_put_u8(&w, byte() % 6);
	msg_put_u8(&w, byte());
	msg_put_str(&w, "x");
	msg_put_str(&w, "y");
	say(FROM_EGRESS, &w);
}

static void
op(uint8_t what)
{
	switch (what % 16) {
	case 0:
		raw(FROM_WORKER);
		break;
	case 1:
		raw(FROM_EGRESS);
		break;
	case 2:
	case 3:
	case 4:
		call(M_CALL);
		break;
	case 5:
		call(M_ADMIT);
		break;
	case 6:
		call(M_AMEND);
		break;
	case 7:
		after(M_CANCEL);
		break;
	case 8:
		after(M_OUTCOME);
		break;
	case 9:
	case 10:
		done();
		break;
	case 11:
		rig_commit(r);
		break;
	case 12:
		rig_tick(r, byte() * 100 * NS_MS);
		break;
	case 13:
		rig_make_link(r, byte() % 4);
		break;
	case 14:
		rig_lost(r, byte() & 1 ? FROM_WORKER : FROM_EGRESS, 0);
		up();
		break;
	case 15:
		call_revoke(r->b, MATCH_KEY, r->key, byte() & 1 ?
		    CUT_REVOKED : CUT_EXPIRED, r->o);
		rig_take(r);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static size_t	 secrets;
	unsigned int	 i;

	if (r == NULL) {
		r = rig_new();
		rig_peers(r);
		secrets = secret_in_use();
	}
	up();
	rig_make_link(r, RIG_PROVIDER);
	in = p;
	left = len;
	while (left > 0)
		op(byte());
	rig_lost(r, FROM_WORKER, 0);
	rig_lost(r, FROM_EGRESS, r->egress);
	for (i = 0; i < 4; i++) {
		rig_settle(r);
		rig_tick(r, DL_ADMITTED);
	}
	rig_settle(r);
	if (r->b->live != 0 || r->b->nheap != 0 ||
	    budget_open(r->b, r->key) != 0 || secret_in_use() != secrets ||
	    r->b->policy_refs[r->b->policy] != 0 || r->b->finished)
		abort();
	key_find(r->b->keys, r->key, TOKEN_ID)->expires =
	    r->wall + 300 * KEY_DAY_MS;
	return 0;
}
