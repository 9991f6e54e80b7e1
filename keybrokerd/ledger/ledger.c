/* SPDX-License-Identifier: ISC */
/*
 * BATCH in, one transaction, COMMITTED out; HELLO and DELTA to a new broker.
 * Housekeeping (WAL, bundles) goes in steps, and only when no batch waits, as
 * long as it is not late.
 */
#include <sys/statvfs.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "common/text/sha256.h"
#include "keybrokerd/ledger/ledger.h"

#define SOON	(100 * NS_MS)	/* quiet for so long: full bundles */
#define QUIET	NS_S		/* ... anything that can wait */
#define PARTIAL	(10 * NS_S)	/* between exports of less than a bundle */
#define LOW	20		/* low space: less than 1/20 is free */
#define COPIES	4		/* of a batch: log, database, bundle, tiles */
#define COMMIT	65536		/* and whole pages, files of less than one */
#define DELTA	(MSG_MAX - 5)	/* bytes of a piece */

/*
 * The storage has failed: what it holds is unknown until it is read again by
 * a new process, so nothing may be tried once more.
 */
void
ledger_storage(const char *why)
{
	log_warnx("%s: nothing is written any more, the ledger ends", why);
	abort();
}

/* ---- start and end ---- */
static void
export(struct ledger *l)
{
	if (bundle_export(&l->bundle, &l->store, &l->head) == -1)
		ledger_storage(l->bundle.why);
	l->exported = poll_now();
}

void
ledger_open(struct ledger *l, const char *db, int dbdir, int exportdir)
{
	char	 why[300];

	memset(l, 0, sizeof(*l));
	l->broker.fd = -1;
	l->dbdir = dbdir;
	l->run = malloc(LEDGER_RUN);
	l->page = malloc(LEDGER_PAGE);
	if (l->run == NULL || l->page == NULL)
		fatal("memory for a batch");
	if (store_open(&l->store, db) == -1 ||
	    head_load(&l->store, &l->head) == -1) {
		if (store_broken(&l->store))
			ledger_storage(l->store.why);
		fatalx("%s", l->store.why);
	}
	if (bundle_init(&l->bundle, exportdir, &l->head) == -1)
		fatalx("%s", l->bundle.why);
	if (check_all(&l->store, &l->head, &l->bundle, why, sizeof(why)) == -1)
		/* damage by a device and by a person look alike */
		fatalx("the log is not what it was: %s", why);
	/* flushes everything anew, so that no stale page is trusted */
	if (store_reset(&l->store, 1) == -1)
		ledger_storage(l->store.why);
	if (fsync(dbdir) == -1)
		ledger_storage("the database's directory cannot be flushed");
	store_release(&l->store, l->head.base.size, l->head.exported);
	export(l);
	l->last = l->exported;
	log_debug("%llu entries, batch %llu",
	    (unsigned long long)l->head.tree.size,
	    (unsigned long long)l->head.batch);
}

void
ledger_close(struct ledger *l)
{
	export(l);
	if (l->broker.fd != -1)
		msglink_close(&l->broker);
	store_close(&l->store);
	free(l->page);
	free(l->run);
}

/* ---- to the broker ---- */
/* All that is queued, however long the broker takes to read; -1 it is gone. */
static int
push(struct ledger *l)
{
	struct pollfd	 pfd;
	int		 r;

	while ((r = msglink_flush(&l->broker)) == 1) {
		pfd.fd = l->broker.fd;
		pfd.events = POLLOUT;
		(void)poll(&pfd, 1, -1);
	}
	return r;
}

int
ledger_send(struct ledger *l, struct msgw *w)
{
	if (msg_send(&l->broker, w, -1) == -1 && !l->broker.dead)
		fatal("%s", permit_name(w->type));
	return push(l);
}

/* Free bytes; and whether they are few, how far off that is. */
static uint64_t
space(struct ledger *l)
{
	struct statvfs	 v;
	fsblkcnt_t	 few;

	if (fstatvfs(l->dbdir, &v) == -1)
		ledger_storage("the file system does not answer");
	few = v.f_blocks / LOW;
	l->low = v.f_bavail < few;
	l->spare = l->low ? 0 : (uint64_t)(v.f_bavail - few) * v.f_frsize / 2;
	l->looked = poll_now();
	return (uint64_t)v.f_bavail * v.f_frsize;
}

/*
 * After a commit of so many bytes.  The file system is asked once a second,
 * and each time that half of what was to spare may be used up.
 */
static void
weigh(struct ledger *l, size_t bytes)
{
	uint64_t	 used;

	used = (uint64_t)bytes * COPIES + COMMIT;
	l->spare = used < l->spare ? l->spare - used : 0;
	if (l->spare == 0 || poll_now() - l->looked >= NS_S)
		(void)space(l);
}

static int
send_hello(struct ledger *l)
{
	const struct head	*h;
	struct msgw		 w;
	uint8_t			 range[TREE_PACKED];
	uint64_t		 bytes;
	ssize_t			 len;

	h = &l->head;
	bytes = space(l);
	len = tree_pack(&h->tree, range, sizeof(range));
	msg_open(&w, M_HELLO);
	msg_put_u64(&w, h->tree.size);
	msg_put_raw(&w, h->root, TREE_HASH);
	msg_put_raw(&w, h->leaf, TREE_HASH);
	msg_put_u64(&w, h->batch);
	msg_put_u64(&w, bytes);
	msg_put_u8(&w, l->low);
	msg_put_blob(&w, range, (size_t)len);
	msg_put_blob(&w, h->note, h->notelen);
	return ledger_send(l, &w);
}

/* The stream of 'S' items in pieces. */
struct delta {
	struct msgw	 w;
	uint32_t	 index;
};

static int
delta_send(struct ledger *l, struct delta *d, int last)
{
	d->w.buf[4] = (uint8_t)last;
	return ledger_send(l, &d->w);
}

static void
delta_open(struct delta *d)
{
	msg_open(&d->w, M_DELTA);
	msg_put_u32(&d->w, d->index++);
	msg_put_u8(&d->w, 0);
}

static int
delta_put(struct ledger *l, struct delta *d, const uint8_t *p, size_t len)
{
	size_t	 n;

	for (; len > 0; p += n, len -= n) {
		if (d->w.len == MSG_MAX) {
			if (delta_send(l, d, 0) == -1)
				return -1;
			delta_open(d);
		}
		n = MSG_MAX - d->w.len;
		if (n > len)
			n = len;
		msg_put_raw(&d->w, p, n);
	}
	return 0;
}

static int
delta_row(struct ledger *l, struct delta *d, const struct store_row *r)
{
	uint8_t	 head[8];
	size_t	 len;

	len = 3 + r->idlen + r->len;
	head[0] = 'S';
	head[1] = (uint8_t)(len >> 24);
	head[2] = (uint8_t)(len >> 16);
	head[3] = (uint8_t)(len >> 8);
	head[4] = (uint8_t)len;
	head[5] = (uint8_t)r->n;
	head[6] = (uint8_t)(r->idlen >> 8);
	head[7] = (uint8_t)r->idlen;
	if (delta_put(l, d, head, sizeof(head)) == -1 ||
	    delta_put(l, d, r->id, r->idlen) == -1)
		return -1;
	return delta_put(l, d, r->data, r->len);
}

static int
send_delta(struct ledger *l)
{
	struct store_row	 r;
	struct delta		 d;
	int			 n;

	d.index = 0;
	delta_open(&d);
	if (store_each(&l->store, SS_STATES, 0) == -1)
		ledger_storage(l->store.why);
	while ((n = store_next(&l->store, SS_STATES, &r)) == 1)
		if (delta_row(l, &d, &r) == -1)
			break;
	if (n == -1)
		ledger_storage(l->store.why);
	store_done(&l->store, SS_STATES);
	return n == 1 ? -1 : delta_send(l, &d, 1);
}

void
ledger_peer(struct ledger *l, int fd)
{
	if (l->broker.fd != -1)
		msglink_close(&l->broker);
	msglink_init(&l->broker, fd, 0);
	l->runindex = 0;
	l->runlen = 0;
	/* It keeps in memory what comes from now on; this it reads there. */
	if (l->head.tree.size != l->head.exported)
		export(l);
	if (send_hello(l) == -1 || send_delta(l) == -1)
		log_debug("the broker went away while it was told the state");
}

static int
send_committed(struct ledger *l)
{
	struct msgw	 w UNSET;
	uint8_t		 note[SHA256_LEN];

	sha256_buf(l->head.note, l->head.notelen, note);
	msg_open(&w, M_COMMITTED);
	msg_put_u64(&w, l->head.batch);
	msg_put_u64(&w, l->head.tree.size);
	msg_put_raw(&w, l->head.root, TREE_HASH);
	msg_put_raw(&w, note, sizeof(note));
	msg_put_u8(&w, l->low);
	return ledger_send(l, &w);
}

/* ---- from the broker ---- */
static void
commit(struct ledger *l)
{
	enum apply	 r;

	if (l->runbatch == l->head.batch) {
		if (apply_same(&l->head, l->run, l->runlen) == -1)
			fatalx("BATCH: number %llu again, with other bytes",
			    (unsigned long long)l->runbatch);
		(void)send_committed(l);
		return;
	}
	if (l->runbatch != l->head.batch + 1)
		fatalx("BATCH: number %llu after %llu",
		    (unsigned long long)l->runbatch,
		    (unsigned long long)l->head.batch);
	r = apply_batch(&l->store, &l->head, l->runbatch, l->run, l->runlen);
	if (r == APPLY_MALFORMED)
		fatalx("BATCH: %s", l->store.why);
	if (r == APPLY_STORAGE)
		ledger_storage(l->store.why);
	weigh(l, l->runlen);
	(void)send_committed(l);
	l->last = poll_now();
	l->fresh = 1;
}

static void
piece(struct ledger *l, struct msgr *m)
{
	uint64_t	 batch;
	uint16_t	 index;
	uint8_t		 last;
	size_t		 len;

	batch = msg_get_u64(m);
	index = msg_get_u16(m);
	last = msg_get_u8(m);
	len = m->len - m->off;
	if (m->bad || last > 1 || index != l->runindex ||
	    (index > 0 && batch != l->runbatch) ||
	    len > LEDGER_RUN - l->runlen)
		fatalx("BATCH: malformed piece %u", index);
	msg_get_raw(m, l->run + l->runlen, len);
	l->runlen += len;
	l->runbatch = batch;
	l->runindex++;
	if (!last)
		return;
	commit(l);
	l->runindex = 0;
	l->runlen = 0;
}

static int
message(void *arg, struct msgr *m, int fd)
{
	struct ledger	*l;

	l = arg;
	if (permit_check(m->type, PL_BL, PD_DOWN, 0, m->len, fd != -1) == -1)
		fatalx("%s from the broker", permit_name(m->type));
	if (m->type == M_BATCH)
		piece(l, m);
	else if (m->type == M_PAGE)
		(void)page_answer(l, m);
	/* PEN belongs to the hot upgrade: nothing to put away yet */
	return l->broker.dead ? -1 : 0;
}

int
ledger_read(struct ledger *l)
{
	int	 n;

	/* behind a whole batch there is nothing: the broker waits for us */
	do
		n = msglink_read(&l->broker, 1, message, l);
	while (n > 0 && l->runindex > 0);
	return n == -1 ? -1 : 0;
}

/* ---- when nothing waits ---- */
/* When an export is due; UINT64_MAX: there is nothing new. */
static uint64_t
export_at(const struct ledger *l)
{
	const struct head	*h;
	uint64_t		 at;

	h = &l->head;
	if (l->bundle.step != 0 || h->tree.size - h->exported >= LEDGER_BUSY)
		return 0;
	if (!bundle_due(&l->bundle, h))
		return UINT64_MAX;
	if (h->tree.size - h->base.size >= TILE_WIDTH)
		return l->last + SOON;
	at = l->exported + PARTIAL;
	return at > l->last + QUIET ? at : l->last + QUIET;
}

/* One step of it.  Between batches: nobody looks at partial tiles now. */
static void
export_step(struct ledger *l, uint64_t now)
{
	int	 r;

	if (l->bundle.step == 0)
		bundle_begin(&l->bundle, &l->head, now < l->last + SOON);
	r = bundle_step(&l->bundle, &l->store, &l->head);
	if (r == -1)
		ledger_storage(l->bundle.why);
	if (r == 0)
		l->exported = now;
}

static uint64_t
reset_at(const struct ledger *l)
{
	if (l->store.frames >= LEDGER_WAL)
		return 0;
	return l->store.frames < LEDGER_IDLE_WAL ? UINT64_MAX :
	    l->last + QUIET;
}

static void
reset_step(struct ledger *l, uint64_t now)
{
	(void)now;
	if (store_reset(&l->store, 0) == -1)
		ledger_storage(l->store.why);
}

/* Under load each batch deletes some. */
static uint64_t
trim_at(const struct ledger *l)
{
	return store_stale(&l->store) ? l->last + SOON : UINT64_MAX;
}

static void
trim_step(struct ledger *l, uint64_t now)
{
	(void)now;
	if (store_begin(&l->store) == -1 ||
	    store_trim(&l->store, LEDGER_TRIM) == -1 ||
	    store_commit(&l->store) == -1)
		ledger_storage(l->store.why);
}

static const struct {
	uint64_t	 (*at)(const struct ledger *);
	void		 (*step)(struct ledger *, uint64_t now);
} chores[] = {
	{ reset_at, reset_step },
	{ export_at, export_step },
	{ trim_at, trim_step }
};

/* So much is left to do that a batch has to wait for a step of it. */
static int
late(const struct ledger *l)
{
	return l->store.frames >= 2 * LEDGER_WAL ||
	    l->head.tree.size - l->head.exported >= LEDGER_LATE;
}

uint64_t
ledger_idle(struct ledger *l, uint64_t now)
{
	uint64_t	 at, soonest;
	size_t		 i;

	soonest = UINT64_MAX;
	for (i = 0; i < nitems(chores); i++) {
		at = chores[i].at(l);
		if (at < soonest)
			soonest = at;
		if (at > now)
			continue;
		/* the broker has just been answered: is it there again? */
		if (!l->fresh || late(l))
			chores[i].step(l, now);
		l->fresh = 0;
		return 0;
	}
	return soonest;
}
