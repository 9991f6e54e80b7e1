/* SPDX-License-Identifier: ISC */
/*
 * Continuous verification: the exported log from its first entry to the
 * checkpoint that was there when the run began, under the pin, in slices
 * between messages.  A run goes by itself every EXPORT_PERIOD, and whenever
 * the broker asks for one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "keybrokerd/export/export.h"

#define NOTE_TOLD	8192		/* a longer checkpoint is not passed on */

void
walk_init(struct walk *w, int dir)
{
	memset(w, 0, sizeof(*w));
	w->dir = dir;
}

static void
stop(struct walk *w)
{
	if (w->judge == NULL)
		return;
	w->source.close(w->source.arg);
	judge_free(w->judge);
	w->judge = NULL;
}

void
walk_reset(struct walk *w)
{
	stop(w);
	walk_init(w, w->dir);
}

int
walk_check(struct walk *w, struct msgr *m)
{
	uint32_t	 cookie;

	cookie = msg_get_u32(m);
	msg_get_raw(m, w->pin, sizeof(w->pin));
	if (msg_end(m) == -1)
		return -1;
	w->pinned = 1;
	/* a run that is under way began before this was asked */
	if (w->judge != NULL)
		w->next = cookie;
	else {
		w->cookie = cookie;
		w->due = 0;
	}
	return 0;
}

static void
report(const struct walk *w, enum fault f, uint64_t bad, const char *why,
    struct msglink *broker)
{
	const struct judge	*j;
	struct msgw		 m;
	char			 text[240];
	uint8_t			 root[TREE_HASH];

	text[0] = '\0';
	if (f != FAULT_NONE)
		snprintf(text, sizeof(text), "%s: entry %llu: %.180s",
		    judge_fault_name(f), (unsigned long long)bad, why);
	j = w->judge;
	memset(root, 0, sizeof(root));
	if (j != NULL)
		tree_root(&j->tree, root);
	msg_open(&m, M_CHECKED);
	msg_put_u32(&m, w->cookie);
	msg_put_u8(&m, (uint8_t)f);
	msg_put_u64(&m, j == NULL ? 0 : j->covered);
	msg_put_raw(&m, root, TREE_HASH);
	msg_put_u64(&m, bad);
	msg_put_u64(&m, w->begun);
	msg_put_u64(&m, poll_wall());
	msg_put_str(&m, text);
	if (j == NULL || j->notelen > NOTE_TOLD)
		msg_put_blob(&m, "", 0);
	else
		msg_put_blob(&m, j->note, j->notelen);
	if (msg_send(broker, &m, -1) == -1)
		log_warn("CHECKED");
}

/* The run is over; the next one is due at once if somebody waits for it. */
static void
finish(struct walk *w, uint64_t now)
{
	stop(w);
	w->tries = 0;
	w->due = w->next != 0 ? 0 : now + EXPORT_PERIOD * NS_S;
	w->cookie = w->next;
	w->next = 0;
}

/* Files that cannot be read: once more, they may have moved. */
static void
failed(struct walk *w, uint64_t now, const char *why, struct msglink *broker)
{
	uint64_t	 bad;

	bad = w->judge == NULL ? 0 : w->judge->chain.next;
	if (++w->tries < EXPORT_TRIES) {
		stop(w);
		w->due = 0;
		return;
	}
	report(w, FAULT_INCOMPLETE, bad, why, broker);
	finish(w, now);
}

static void
begin(struct walk *w, uint64_t now, struct msglink *broker)
{
	static const struct remember	 nothing;
	char				 why[128];
	int				 error;

	w->begun = poll_wall();
	w->judge = judge_new(w->pin, &nothing);
	if (w->judge == NULL)
		fatal("memory for a run");
	if (exportdir_at(&w->source, w->dir) == 0)
		return;
	error = errno;
	judge_free(w->judge);
	w->judge = NULL;
	if (error != ENOENT) {
		snprintf(why, sizeof(why), "the export directory: %s",
		    strerror(error));
		failed(w, now, why, broker);
		return;
	}
	/* nothing is exported; whether that can be, the broker knows */
	report(w, FAULT_NONE, 0, "", broker);
	finish(w, now);
}

uint64_t
walk_turn(struct walk *w, uint64_t now, struct msglink *broker)
{
	struct judge	*j;
	struct rec	 r;
	int		 i, over;

	if (!w->pinned || broker->fd == -1)
		return UINT64_MAX;
	if (w->judge == NULL) {
		if (w->due > now)
			return w->due;
		begin(w, now, broker);
		return 0;
	}
	j = w->judge;
	for (i = over = 0; i < EXPORT_SLICE && !over; i++) {
		w->source.next(w->source.arg, &r);
		if (r.kind == REC_FAIL && j->fault == FAULT_NONE) {
			failed(w, now, r.why, broker);
			return 0;
		}
		over = judge_take(j, &r);
	}
	if (over) {
		report(w, j->fault, j->bad, j->why, broker);
		finish(w, now);
	}
	return 0;
}
