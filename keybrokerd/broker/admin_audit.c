/* SPDX-License-Identifier: ISC */
/*
 * What administration may read of the log: an entry as a line, and who may see
 * it.  Where entries come from is trail.c's.
 *
 * Newest first, the cursor is one more than the index of what was shown last
 * and moves down; oldest first it is the next index, and moves up.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "common/text/text.h"
#include "keybrokerd/broker/admin.h"

/* What an entry says about whom; strings end in NUL, "" is nothing. */
struct view {
	struct entry	 e;
	const uint8_t	*buf;
	size_t		 len;
	const struct audit_intent *intent;	/* NULL: look */
	const uint8_t	*session;	/* of the call; NULL none */
	char		 type[48];
	char		 key[KEY_DKID + 1];
	const struct agent *agent;
	char		 agentid[KEY_AGENT_ID + 1];
	char		 action[32];
};

static int
take(struct admin_ask *a, uint64_t index, struct entry *e,
    const uint8_t **buf, size_t *len)
{
	const char	*why;

	*buf = ring_get(a->b->ring, index, len);
	return *buf == NULL || entry_parse(*buf, *len, e, &why) == -1 ? -1 : 0;
}

static void
text(char *out, size_t size, const char *p, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(out, p, len);
	out[len] = '\0';
}

/* A nested text, or "". */
static void
sub(const struct entry *e, unsigned int key, unsigned int s, char *out,
    size_t size)
{
	const char	*p;
	size_t		 len;

	out[0] = '\0';
	if (entry_sub_text(e, key, s, &p, &len) == 0)
		text(out, size, p, len);
}

static const uint8_t *
session(const struct entry *e)
{
	const uint8_t	*p;
	size_t		 len;

	return entry_sub_bytes(e, EK_CLIENT, ES_CLIENT_SESSION, &p, &len) == 0 &&
	    len == AUDIT_SESSION ? p : NULL;
}

/*
 * Key and agent of the caller, and the session; those of the intent for what
 * follows one.
 */
static void
who(struct admin_ask *a, struct view *v)
{
	struct entry	 intent;
	const struct entry *e;
	const struct key *k;
	const uint8_t	*buf;
	char		 id[KEY_AGENT_ID + 1];
	uint64_t	 index;
	size_t		 len;

	e = &v->e;
	if (v->intent == NULL &&
	    entry_get_uint(e, EK_INTENT, &index) == 0 &&
	    take(a, index, &intent, &buf, &len) == 0)
		e = &intent;
	v->session = session(e);
	sub(e, EK_CHANGE, ES_CHANGE_OWNER, v->agentid, sizeof(v->agentid));
	sub(e, EK_CHANGE, ES_CHANGE_KIND, id, sizeof(id));
	if (strcmp(id, "agent") == 0)
		sub(e, EK_CHANGE, ES_CHANGE_ID, v->agentid,
		    sizeof(v->agentid));
	if (v->agentid[0] != '\0') {
		v->agent = key_agent_find(a->b->keys, v->agentid);
		return;
	}
	sub(e, EK_CALLER, ES_CALLER_KEY, id, sizeof(id));
	if (v->intent != NULL && entry_get_uint(&v->e, EK_INTENT,
	    &index) == 0) {
		strlcpy(id, v->intent->key, sizeof(id));
		v->session = v->intent->session;
	}
	k = key_find(a->b->keys, id, strlen(id));
	if (k == NULL)
		return;
	snprintf(v->key, sizeof(v->key), "dk_%s", k->id);
	v->agent = k->agent;
	strlcpy(v->agentid, k->agent->id, sizeof(v->agentid));
}

/* What was done or decided, in one word. */
static void
action(struct view *v)
{
	const char	*dot;

	sub(&v->e, EK_POLICY, ES_POLICY_DECISION, v->action,
	    sizeof(v->action));
	if (v->action[0] != '\0')
		return;
	dot = strrchr(v->type, '.');
	strlcpy(v->action, dot == NULL ? v->type : dot + 1,
	    sizeof(v->action));
}

/* Does it fit, and may the caller see it? */
static int
fits(struct admin_ask *a, const struct audit_filter *f, struct view *v)
{
	if (v->e.wall < f->since)
		return 0;
	text(v->type, sizeof(v->type), v->e.name, v->e.namelen);
	if (f->type[0] != '\0' && strcmp(f->type, v->type) != 0)
		return 0;
	v->agent = NULL;
	v->session = NULL;
	v->key[0] = v->agentid[0] = '\0';
	who(a, v);
	action(v);
	if (f->agent[0] != '\0' && strcmp(f->agent, v->agentid) != 0)
		return 0;
	if (f->action[0] != '\0' && strcmp(f->action, v->action) != 0)
		return 0;
	if (f->bysession && (v->session == NULL ||
	    memcmp(v->session, f->session, AUDIT_SESSION) != 0))
		return 0;
	return a->right == ROLE_ALL || (v->agent != NULL &&
	    admin_sees(a, v->agent));
}

static void
number(struct admin_line *l, size_t i, const struct entry *e,
    unsigned int key, unsigned int s)
{
	uint64_t	 v;

	l->f[i] = "";
	if (entry_sub_uint(e, key, s, &v) == 0)
		admin_set(l, i, "%" PRIu64, v);
}

static void
hex_field(struct admin_line *l, size_t i, const char *prefix,
    const uint8_t *p, size_t len)
{
	size_t	 n;

	n = strlcpy(l->t[i], prefix, sizeof(l->t[i]));
	hex_encode(l->t[i] + n, sizeof(l->t[i]) - n, p, len);
	l->f[i] = l->t[i];
}

/* The object of a change: "key dk_...". */
static void
object(struct admin_line *l, size_t i, const struct entry *e)
{
	char	 kind[32], id[40];

	sub(e, EK_CHANGE, ES_CHANGE_KIND, kind, sizeof(kind));
	sub(e, EK_CHANGE, ES_CHANGE_ID, id, sizeof(id));
	admin_set(l, i, "%s%s%s", kind, kind[0] == '\0' ? "" : " ", id);
}

static void
reason(struct admin_line *l, size_t i, const struct entry *e)
{
	static const struct {
		unsigned int	 key, sub;
	} from[] = {
		{ EK_OUTCOME, ES_OUTCOME_REASON },
		{ EK_POLICY, ES_POLICY_REASON },
		{ EK_CHANGE, ES_CHANGE_REASON },
	};
	size_t	 k;

	l->f[i] = l->t[i];
	l->t[i][0] = '\0';
	for (k = 0; k < sizeof(from) / sizeof(from[0]) &&
	    l->t[i][0] == '\0'; k++)
		sub(e, from[k].key, from[k].sub, l->t[i], sizeof(l->t[i]));
}

static void
line(const struct view *v, struct admin_line *l)
{
	const struct entry	*e;
	const uint8_t		*p;
	const char		*s;
	uint8_t			 leaf[CHAIN_HASH];
	size_t			 n;

	e = &v->e;
	admin_set(l, 0, "%" PRIu64, e->seq);
	key_time(e->wall, l->t[1]);
	l->f[1] = l->t[1];
	l->f[2] = v->type;
	l->f[3] = v->agentid;
	l->f[4] = v->key;
	l->f[5] = v->action;
	l->f[6] = "";
	if (entry_get_bytes(e, EK_REQUEST_ID, &p, &n) == 0 && n == CALL_ID)
		hex_field(l, 6, "req_", p, n);
	l->f[7] = "";
	if (entry_get_text(e, EK_MODEL, &s, &n) == 0)
		admin_set(l, 7, "%.*s", (int)n, s);
	l->f[8] = l->t[8];
	sub(e, EK_DEST, ES_DEST_NAME, l->t[8], sizeof(l->t[8]));
	number(l, 9, e, EK_OUTCOME, ES_OUTCOME_STATUS);
	reason(l, 10, e);
	number(l, 11, e, EK_USAGE, ES_USAGE_IN);
	number(l, 12, e, EK_USAGE, ES_USAGE_OUT);
	object(l, 13, e);
	l->f[14] = l->t[14];
	sub(e, EK_CHANGE, ES_CHANGE_ACTOR, l->t[14], sizeof(l->t[14]));
	chain_leaf(v->buf, v->len, leaf);
	hex_field(l, 15, "", leaf, sizeof(leaf));
	l->f[16] = "";
	if (v->session != NULL)
		hex_field(l, 16, "", v->session, AUDIT_SESSION);
	l->n = 17;
}

int
admin_audit_line(struct admin_ask *a, const struct audit_filter *f,
    const uint8_t *p, size_t len, const struct audit_intent *in,
    struct admin_line *l)
{
	static struct view	 v;

	if (entry_parse(p, len, &v.e, NULL) == -1)
		return 0;
	v.buf = p;
	v.len = len;
	v.intent = in;
	if (!fits(a, f, &v))
		return 0;
	line(&v, l);
	return 1;
}

/* An id as a client said it, or what the log shows for one. */
static void
by_session(struct broker *b, const char *id, struct audit_filter *f)
{
	f->bysession = id[0] != '\0';
	if (strlen(id) != 2 * AUDIT_SESSION || hex_decode(f->session,
	    sizeof(f->session), id, 2 * AUDIT_SESSION) != AUDIT_SESSION)
		audit_session(b, KEY_ORG, id, f->session);
}

void
admin_audit_list(struct admin_ask *a)
{
	struct admin_page	 page;
	struct audit_filter	 f;
	char			 id[ADMIN_FIELD];

	msg_get_str(a->m, f.agent, sizeof(f.agent));
	msg_get_str(a->m, f.type, sizeof(f.type));
	msg_get_str(a->m, f.action, sizeof(f.action));
	f.since = msg_get_u64(a->m);
	f.from = msg_get_u64(a->m);
	page.limit = msg_get_u32(a->m);
	page.cursor = msg_get_u64(a->m);
	f.oldest = msg_get_u8(a->m);
	msg_get_str(a->m, id, sizeof(id));
	f.none = msg_get_u8(a->m);
	if (!admin_parsed(a) || (f.agent[0] != '\0' &&
	    a->right != ROLE_ALL && admin_agent_seen(a, f.agent) == NULL))
		return;
	by_session(a->b, id, &f);
	trail_list(a, &f, &page);
}

void
admin_audit_verify(struct admin_ask *a)
{
	if (admin_parsed(a))
		trail_verify(a);
}
