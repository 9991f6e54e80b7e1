/* SPDX-License-Identifier: ISC */
/*
 * The log as administration reads it: the latest entries from memory (ring.c),
 * older ones from the role export, as one list without gap or duplicate; and
 * what export found when it verified the exported log.  export is trusted
 * less: an entry of its is parsed and bounded, shown only to who may see it,
 * and its verdict counts as good only with a checkpoint that this broker's own
 * key signed.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/audit/note.h"
#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/text/text.h"
#include "keybrokerd/broker/admin.h"

#define WAIT_ROWS	(10 * NS_S)	/* for one bundle */
#define WAIT_CHECK	(15 * NS_S)	/* then the last verdict is shown */
#define SCAN		65536		/* entries looked at for one page */
#define TYPE		64		/* longest type of an entry, with NUL */

/* ---- who asked ----------------------------------------------------------- */

static struct trail_ask *
ask_new(struct admin_ask *a)
{
	struct trail_ask	*t;
	struct admin		*ad;
	size_t			 i;

	ad = a->b->admin;
	for (i = 0; i < TRAIL_ASKS && ad->trail[i].used; i++)
		;
	if (i == TRAIL_ASKS) {
		admin_fail(a, 503, "busy", "others are reading the log; try "
		    "again");
		return NULL;
	}
	t = &ad->trail[i];
	memset(t, 0, sizeof(*t));
	t->used = 1;
	t->to = *a->from;
	t->gen = broker_peer(a->b, a->from)->gen;
	t->cookie = a->cookie;
	t->type = a->m->type;
	t->right = a->right;
	if (a->who.key != NULL)
		strlcpy(t->key, a->who.key->id, sizeof(t->key));
	return t;
}

/* The same request again, as far as it is needed; 0: nobody waits any more. */
static int
ask_wake(struct broker *b, struct trail_ask *t, struct outbox *o,
    struct admin_ask *a)
{
	const struct peer	*p;

	memset(a, 0, sizeof(*a));
	a->b = b;
	a->from = &t->to;
	a->o = o;
	a->cookie = t->cookie;
	a->right = t->right;
	p = broker_peer(b, &t->to);
	if (p == NULL || !p->up || p->gen != t->gen) {
		t->used = 0;
		return 0;
	}
	if (t->key[0] == '\0')
		return 1;
	a->who.key = key_find(b->keys, t->key, strlen(t->key));
	if (a->who.key == NULL || key_state(a->who.key, b->wall) != KEY_LIVE) {
		admin_fail(a, 401, "invalid_api_key", "the key has ended");
		t->used = 0;
		return 0;
	}
	a->who.agent = a->who.key->agent;
	return 1;
}

static struct trail_ask *
ask_find(struct broker *b, uint32_t no)
{
	size_t	 i;

	for (i = 0; i < TRAIL_ASKS; i++)
		if (b->admin->trail[i].used && b->admin->trail[i].no == no)
			return &b->admin->trail[i];
	return NULL;
}

static void
refuse(struct admin_ask *a, struct trail_ask *t, const char *why)
{
	if (a->m == NULL)
		meter_admin(a->b, t->type, 503);
	admin_fail(a, 503, "log_unreadable", "older entries cannot be read "
	    "now: %s", why);
	t->used = 0;
}

/* ---- a list -------------------------------------------------------------- */

/* What memory holds: *lo up to and without *hi. */
static void
held(const struct broker *b, uint64_t *lo, uint64_t *hi)
{
	*hi = b->batch.committed;
	*lo = ring_first(b->ring);
	if (ring_end(b->ring) == *lo || *lo > *hi)
		*lo = *hi;
}

static void
over(struct admin_ask *a, struct trail_ask *t, int more)
{
	char	 cursor[24];

	cursor[0] = '\0';
	if (more)
		snprintf(cursor, sizeof(cursor), "%" PRIu64, t->at);
	meter_admin(a->b, t->type, 200);
	admin_page_end(a, cursor, 0);
	t->used = 0;
}

/* An entry in its turn.  0: the page is full, and it is not on it. */
static int
show(struct admin_ask *a, struct trail_ask *t, uint64_t index,
    const uint8_t *p, size_t len, const struct audit_intent *in)
{
	struct admin_line	 l;
	size_t			 bytes;

	if (admin_audit_line(a, &t->f, p, len, in, &l)) {
		bytes = admin_line_bytes(&l);
		if (t->bytes + bytes > ADMIN_LIST ||
		    (t->limit != 0 && t->n == t->limit))
			return 0;
		t->bytes += bytes;
		t->n++;
		admin_row(a, 200, l.f, l.n);
	}
	t->at = t->f.oldest ? index + 1 : index;
	return 1;
}

/* The next bundle's worth below lo, from export. */
static void
fetch(struct admin_ask *a, struct trail_ask *t, uint64_t lo)
{
	struct msgw	 w;

	if (!a->b->export.up || t->scanned >= SCAN) {
		if (t->n > 0 || a->b->export.up)
			over(a, t, 1);
		else
			refuse(a, t, "the role export is not up");
		return;
	}
	t->no = ++a->b->admin->trail_no;
	t->first = t->f.oldest ? t->at : t->f.from;
	t->end = t->f.oldest ? lo : t->at;
	t->deadline = a->b->now + WAIT_ROWS;
	msg_open(&w, M_QUERY);
	msg_put_u32(&w, t->no);
	msg_put_u64(&w, t->first);
	msg_put_u64(&w, t->end);
	msg_put_u8(&w, t->f.oldest);
	msg_put_u64(&w, t->f.since);
	msg_put_str(&w, strlen(t->f.type) < TYPE ? t->f.type : "");
	outbox_send(a->o, FROM_EXPORT, 0, &w);
}

/* As far as memory goes; then export is asked. */
static void
walk(struct admin_ask *a, struct trail_ask *t)
{
	const uint8_t	*p;
	uint64_t	 lo, hi, i;
	size_t		 len;

	for (;;) {
		held(a->b, &lo, &hi);
		if (t->f.oldest ? t->at >= hi : t->at <= t->f.from) {
			over(a, t, 0);
			return;
		}
		i = t->f.oldest ? t->at : t->at - 1;
		if (i < lo) {
			fetch(a, t, lo);
			return;
		}
		p = ring_get(a->b->ring, i, &len);
		if (p == NULL || !show(a, t, i, p, len, NULL)) {
			over(a, t, 1);
			return;
		}
	}
}

void
trail_list(struct admin_ask *a, const struct audit_filter *f,
    const struct admin_page *page)
{
	struct trail_ask	*t;
	uint64_t		 lo, hi;

	if ((t = ask_new(a)) == NULL)
		return;
	held(a->b, &lo, &hi);
	t->f = *f;
	t->limit = page->limit;
	t->at = page->cursor;
	if (f->oldest && t->at < f->from)
		t->at = f->from;
	if (!f->oldest && (t->at == 0 || t->at > hi))
		t->at = hi;
	if (f->none)
		over(a, t, 0);
	else
		walk(a, t);
}

/* ---- what export says ---------------------------------------------------- */

static void
bad(struct broker *b, const struct msgr *m, const char *why, struct outbox *o)
{
	struct broker_from	 from;

	memset(&from, 0, sizeof(from));
	from.kind = FROM_EXPORT;
	broker_error(b, &from, 0, m->type, why, o);
}

static void
on_row(struct broker *b, struct msgr *m, struct outbox *o)
{
	struct trail_ask	*t;
	struct admin_ask	 a;
	struct audit_intent	 in;
	struct entry		 e;
	const uint8_t		*p;
	uint64_t		 index;
	uint32_t		 no;
	size_t			 len;

	no = msg_get_u32(m);
	index = msg_get_u64(m);
	msg_get_str(m, in.key, sizeof(in.key));
	in.session = msg_get_blob(m, AUDIT_SESSION, &len);
	if (len != AUDIT_SESSION)
		in.session = NULL;
	p = msg_get_blob(m, MSG_MAX, &len);
	if (p == NULL || msg_end(m) == -1) {
		bad(b, m, "malformed", o);
		return;
	}
	t = ask_find(b, no);
	if (t == NULL || t->full || !ask_wake(b, t, o, &a))
		return;
	if (t->f.oldest ? index < t->at || index >= t->end :
	    index >= t->at || index < t->first) {
		bad(b, m, "an entry that was not asked for", o);
		return;
	}
	if (len == 0)		/* longer than a message: auditverify -l */
		t->at = t->f.oldest ? index + 1 : index;
	else if (entry_parse(p, len, &e, NULL) == -1 || e.seq != index)
		bad(b, m, "no entry of this number", o);
	else if (!show(&a, t, index, p, len, &in))
		t->full = 1;
}

/* Its words reach a terminal. */
static void
printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

static void
on_queried(struct broker *b, struct msgr *m, struct outbox *o)
{
	struct trail_ask	*t;
	struct admin_ask	 a;
	uint64_t		 first, end, was;
	uint32_t		 no;
	uint8_t			 good;
	char			 why[200];

	no = msg_get_u32(m);
	first = msg_get_u64(m);
	end = msg_get_u64(m);
	good = msg_get_u8(m);
	msg_get_str(m, why, sizeof(why));
	if (msg_end(m) == -1) {
		bad(b, m, "malformed", o);
		return;
	}
	t = ask_find(b, no);
	if (t == NULL || !ask_wake(b, t, o, &a))
		return;
	t->no = 0;
	if (t->full || (!good && t->n > 0)) {
		over(&a, t, 1);
		return;
	}
	printable(why);
	was = t->f.oldest ? t->first : t->end;
	t->at = t->f.oldest ? first : end;
	if (!good || first > end || first < t->first || end > t->end ||
	    t->at == was) {
		refuse(&a, t, good ? "export answers nonsense" : why);
		return;
	}
	t->scanned += was > t->at ? was - t->at : t->at - was;
	walk(&a, t);
}

/* ---- verification -------------------------------------------------------- */

/* Is this checkpoint ours, and of that tree?  NULL, or what is wrong. */
static const char *
foreign(const struct broker *b, const struct trail_verdict *v,
    const uint8_t *note, size_t len)
{
	struct note	 n;

	if (v->size < b->admin->floor || v->size < b->recover.head)
		return "it is shorter than it was";
	if (v->size == 0)
		return NULL;
	if (note_parse(&n, (const char *)note, len) == -1 ||
	    n.size != v->size || memcmp(n.root, v->root, 32) != 0)
		return "the verdict comes without its checkpoint";
	if (note_verify(&n, b->epoch.pk) != NOTE_GOOD &&
	    note_verify(&n, b->epoch.old_pk) != NOTE_GOOD)
		return "its checkpoint is not signed by this broker's key";
	if (v->size == b->batch.committed &&
	    memcmp(v->root, b->batch.committed_root, 32) != 0)
		return "it is another log than this broker's";
	return NULL;
}

static void	verified(struct admin_ask *, struct trail_ask *);

/* Whoever asked before this run began. */
static void
answer_waiting(struct broker *b, uint32_t no, struct outbox *o)
{
	struct trail_ask	*t;
	struct admin_ask	 a;
	size_t			 i;

	for (i = 0; i < TRAIL_ASKS; i++) {
		t = &b->admin->trail[i];
		if (t->used && t->type == M_ADMIN_AUDIT_VERIFY && no != 0 &&
		    (int32_t)(no - t->no) >= 0 && ask_wake(b, t, o, &a))
			verified(&a, t);
	}
}

static void
on_checked(struct broker *b, struct msgr *m, struct outbox *o)
{
	struct trail_verdict	 v, *now;
	const uint8_t		*note;
	const char		*why;
	uint32_t		 no;
	size_t			 len;

	memset(&v, 0, sizeof(v));
	v.known = 1;
	no = msg_get_u32(m);
	v.fault = msg_get_u8(m);
	v.size = msg_get_u64(m);
	msg_get_raw(m, v.root, sizeof(v.root));
	v.bad = msg_get_u64(m);
	v.begun = msg_get_u64(m);
	v.ended = msg_get_u64(m);
	msg_get_str(m, v.why, sizeof(v.why));
	note = msg_get_blob(m, NOTE_LINE, &len);
	if (note == NULL || msg_end(m) == -1) {
		bad(b, m, "malformed", o);
		return;
	}
	printable(v.why);
	why = v.fault != 0 ? NULL : foreign(b, &v, note, len);
	if (why != NULL) {
		v.fault = 1;
		strlcpy(v.why, why, sizeof(v.why));
	}
	now = &b->admin->verdict;
	if (v.fault != 0 && (now->fault == 0 || strcmp(now->why, v.why) != 0))
		log_warnx("ALARM: the exported log is not what was signed: %s",
		    v.why);
	if (v.fault == 0 && now->fault != 0)
		log_warnx("the exported log is in order again");
	if (v.fault == 0)
		b->admin->floor = v.size;
	*now = v;
	b->gate.damaged = v.fault != 0;
	answer_waiting(b, no, o);
}

/*
 * What was checked: at start the ledger read its database whole and the broker
 * compared the tree's root with its own signed head; since then each commit
 * had to be what was signed, else the broker ended.  That the exported bundles
 * still have these bytes is export's verdict.
 */
static void
verified(struct admin_ask *a, struct trail_ask *t)
{
	const struct trail_verdict	*v;
	const struct broker		*b;
	const char			*f[10];
	char				 n[24], waits[24], first[24], size[24];
	char				 root[HEX_SIZE(32)], when[24];
	char				 exported[HEX_SIZE(32)];
	uint64_t			 lo, hi;

	b = a->b;
	v = &b->admin->verdict;
	held(b, &lo, &hi);
	snprintf(n, sizeof(n), "%" PRIu64, b->batch.committed);
	snprintf(waits, sizeof(waits), "%" PRIu64,
	    b->batch.chain.next - b->batch.committed);
	snprintf(first, sizeof(first), "%" PRIu64, lo);
	snprintf(size, sizeof(size), "%" PRIu64, v->size);
	hex_encode(root, sizeof(root), b->batch.committed_root, 32);
	hex_encode(exported, sizeof(exported), v->root, 32);
	when[0] = '\0';
	if (v->known)
		key_time(v->ended, when);
	f[0] = b->gate.recovered && b->ledger.up && v->known && !v->fault ?
	    "1" : "0";
	f[1] = n;
	f[2] = b->gate.recovered && !v->fault ? "1" : "0";
	f[3] = waits;
	f[4] = root;
	f[5] = first;
	f[6] = v->known ? size : "0";
	f[7] = v->known ? exported : "";
	f[8] = when;
	f[9] = v->known ? v->why : "the exported log was not read yet";
	if (a->m == NULL)
		meter_admin(a->b, t->type, 200);
	admin_row(a, 200, f, 10);
	admin_end(a, 200);
	t->used = 0;
}

static void
check(struct broker *b, uint32_t no, struct outbox *o)
{
	struct msgw	 w;

	b->admin->check_sent = 1;
	msg_open(&w, M_CHECK);
	msg_put_u32(&w, no);
	msg_put_raw(&w, b->epoch.pin, sizeof(b->epoch.pin));
	outbox_send(o, FROM_EXPORT, 0, &w);
}

void
trail_verify(struct admin_ask *a)
{
	struct trail_ask	*t;

	if ((t = ask_new(a)) == NULL)
		return;
	if (!a->b->export.up || !a->b->gate.recovered) {
		verified(a, t);
		return;
	}
	t->no = ++a->b->admin->trail_no;
	t->deadline = a->b->now + WAIT_CHECK;
	check(a->b, t->no, a->o);
}

/* ---- the link and the clock ---------------------------------------------- */

void
trail_message(struct broker *b, struct msgr *m, struct outbox *o)
{
	if (m->type == M_ROW)
		on_row(b, m, o);
	else if (m->type == M_QUERIED)
		on_queried(b, m, o);
	else
		on_checked(b, m, o);
}

/* Nothing more comes: each gets what there is. */
static void
give_up(struct broker *b, uint64_t before, const char *why, struct outbox *o)
{
	struct trail_ask	*t;
	struct admin_ask	 a;
	size_t			 i;

	for (i = 0; i < TRAIL_ASKS; i++) {
		t = &b->admin->trail[i];
		if (!t->used || t->deadline > before ||
		    !ask_wake(b, t, o, &a))
			continue;
		if (t->type == M_ADMIN_AUDIT_VERIFY)
			verified(&a, t);
		else if (t->n > 0)
			over(&a, t, 1);
		else
			refuse(&a, t, why);
	}
}

void
trail_lost(struct broker *b, struct outbox *o)
{
	b->export.up = 0;
	b->admin->check_sent = 0;
	give_up(b, NEVER, "the role export has ended", o);
}

void
trail_tick(struct broker *b, struct outbox *o)
{
	/* the first run of this broker, without being asked */
	if (b->export.up && b->gate.recovered && !b->admin->check_sent)
		check(b, 0, o);
	give_up(b, b->now, "export does not answer", o);
}

uint64_t
trail_due(const struct broker *b)
{
	const struct trail_ask	*t;
	uint64_t		 next;
	size_t			 i;

	next = b->export.up && b->gate.recovered && !b->admin->check_sent ?
	    b->now : NEVER;
	for (i = 0; i < TRAIL_ASKS; i++) {
		t = &b->admin->trail[i];
		if (t->used && t->deadline < next)
			next = t->deadline;
	}
	return next;
}

uint64_t
trail_verified(const struct broker *b)
{
	return b->admin->verdict.size;
}
