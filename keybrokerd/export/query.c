/* SPDX-License-Identifier: ISC */
/*
 * A look at one bundle for the broker: entries of a time and type, newest or
 * oldest first.  Who may see them and what else is asked for, the broker
 * decides; it knows the agents.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/log/log.h"
#include "keybrokerd/export/export.h"

#define TYPE	64
#define KEYID	32
#define SESSION	32
#define ROW_MORE	(4 + 8 + 2 + KEYID + 4 + SESSION + 4)	/* beside its entry */

/* What an entry's intent says of its caller. */
struct caller {
	char		 key[KEYID];	/* "" none */
	uint8_t		 session[SESSION];
	size_t		 len;		/* of it; 0 none */
};

struct query {
	uint32_t	 cookie;
	uint64_t	 first, end, since;
	uint8_t		 oldest;
	char		 type[TYPE];
};

static void
queried(struct msglink *broker, const struct query *q, int ok, const char *why)
{
	struct msgw	 w;

	msg_open(&w, M_QUERIED);
	msg_put_u32(&w, q->cookie);
	msg_put_u64(&w, q->first);
	msg_put_u64(&w, q->end);
	msg_put_u8(&w, (uint8_t)ok);
	msg_put_str(&w, why);
	(void)msg_send(broker, &w, -1);
}

static void
caller(struct shelf *s, const struct entry *e, struct caller *out)
{
	struct entry	 intent;
	const uint8_t	*p;
	const char	*t;
	uint64_t	 index;
	size_t		 len;

	memset(out, 0, sizeof(*out));
	if (entry_get_uint(e, EK_INTENT, &index) == -1 || index >= e->seq ||
	    (p = shelf_get(s, index, &len)) == NULL ||
	    entry_parse(p, len, &intent, NULL) == -1)
		return;
	if (entry_sub_text(&intent, EK_CALLER, ES_CALLER_KEY, &t,
	    &len) == 0 && len < KEYID)
		memcpy(out->key, t, len);
	if (entry_sub_bytes(&intent, EK_CLIENT, ES_CLIENT_SESSION, &p,
	    &len) == 0 && len <= SESSION) {
		memcpy(out->session, p, len);
		out->len = len;
	}
}

static int
wanted(const struct query *q, const struct entry *e)
{
	return e->wall >= q->since && (q->type[0] == '\0' ||
	    (strlen(q->type) == e->namelen &&
	    memcmp(q->type, e->name, e->namelen) == 0));
}

/* 0, or -1 and errno. */
static int
row(struct shelf *s, const struct query *q, uint64_t index,
    struct msglink *broker)
{
	static uint8_t	 copy[ENTRY_MAX];
	struct caller	 from;
	struct entry	 e;
	struct msgw	 w;
	const uint8_t	*p;
	size_t		 len;

	p = shelf_get(s, index, &len);
	if (p == NULL)
		return -1;
	/* the intent may push this bundle out */
	memcpy(copy, p, len);
	if (entry_parse(copy, len, &e, NULL) == -1 || e.seq != index) {
		errno = EINVAL;
		return -1;
	}
	if (!wanted(q, &e))
		return 0;
	caller(s, &e, &from);
	msg_open(&w, M_ROW);
	msg_put_u32(&w, q->cookie);
	msg_put_u64(&w, index);
	msg_put_str(&w, from.key);
	msg_put_blob(&w, from.session, from.len);
	msg_put_blob(&w, copy, len > MSG_MAX - ROW_MORE ? 0 : len);
	return msg_send(broker, &w, -1);
}

/* One bundle's part of the range, cut off it. */
static int
slice(struct shelf *s, struct query *q, struct msglink *broker)
{
	uint64_t	 edge;

	if (q->oldest) {
		edge = (q->first / TILE_WIDTH + 1) * TILE_WIDTH;
		for (; q->first < q->end && q->first < edge; q->first++)
			if (row(s, q, q->first, broker) == -1)
				return -1;
		return 0;
	}
	edge = (q->end - 1) / TILE_WIDTH * TILE_WIDTH;
	for (; q->end > q->first && q->end > edge; q->end--)
		if (row(s, q, q->end - 1, broker) == -1)
			return -1;
	return 0;
}

int
query_run(struct shelf *s, struct msgr *m, struct msglink *broker)
{
	struct query	 q;
	char		 why[128];

	q.cookie = msg_get_u32(m);
	q.first = msg_get_u64(m);
	q.end = msg_get_u64(m);
	q.oldest = msg_get_u8(m);
	q.since = msg_get_u64(m);
	msg_get_str(m, q.type, sizeof(q.type));
	if (msg_end(m) == -1 || q.first >= q.end || q.end > TREE_SIZE_MAX)
		return -1;
	if (slice(s, &q, broker) == 0) {
		queried(broker, &q, 1, "");
		return 0;
	}
	snprintf(why, sizeof(why), "entry %llu: %s",
	    (unsigned long long)(q.oldest ? q.first : q.end - 1),
	    errno == ENOENT ? "it is not in the export directory" :
	    errno == EINVAL ? "its bundle is damaged" : strerror(errno));
	queried(broker, &q, 0, why);
	return 0;
}
