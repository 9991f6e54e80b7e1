/* SPDX-License-Identifier: ISC */
/*
 * Rule R2 as a type: a credential leaves by grant_release only, which takes a
 * durable_token, and grant_committed is the only function that makes one,
 * after COMMITTED was compared with what this broker signed.  There is no
 * other definition of struct durable_token and no other user of RELEASE.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "keybrokerd/broker/broker.h"

/* Entries first..size-1 are durable and covered by a signed checkpoint. */
struct durable_token {
	uint64_t	 first, size;
};

/* One for the batch at hand, then one for each call (WAITCRED). */
struct durable_token *
grant_tokens(uint32_t ncalls)
{
	return calloc((size_t)ncalls + 1, sizeof(struct durable_token));
}

const struct durable_token *
grant_committed(struct broker *b, uint64_t number, uint64_t size,
    const uint8_t root[32], const uint8_t note[32])
{
	const struct batch	*q;

	q = &b->batch;
	if (!q->outstanding || number != q->number ||
	    size != q->signed_size ||
	    memcmp(root, q->signed_root, 32) != 0 ||
	    memcmp(note, q->signed_note, 32) != 0)
		return NULL;
	b->tokens[0].first = q->first;
	b->tokens[0].size = q->signed_size;
	return &b->tokens[0];
}

void
grant_end(struct broker *b)
{
	memset(&b->tokens[0], 0, sizeof(b->tokens[0]));
}

void
grant_hold(struct broker *b, const struct durable_token *t,
    const struct call *c)
{
	b->tokens[table_index(b, c) + 1] = *t;
}

const struct durable_token *
grant_held(struct broker *b, const struct call *c)
{
	return &b->tokens[table_index(b, c) + 1];
}

uint64_t
grant_size(const struct durable_token *t)
{
	return t->size;
}

static void
covered(const struct durable_token *t, const struct call *c)
{
	if (t == NULL || c->intent < t->first || c->intent >= t->size)
		fatalx("grant: the record of a call is not durable");
}

/* The call's own limit, or the cap on a released call. */
static uint64_t
deadline(const struct broker *b, const struct call *c)
{
	uint64_t	 cap;

	cap = b->now + DL_RELEASED;
	return c->latest < cap ? c->latest : cap;
}

void
grant_allow(struct broker *b, const struct durable_token *t, struct call *c,
    struct outbox *o)
{
	struct msgw	 w UNSET;

	covered(t, c);
	msg_open(&w, M_ALLOW);
	msg_put_u64(&w, c->ask.no);
	msg_put_raw(&w, c->id, CALL_ID);
	msg_put_u64(&w, c->intent);
	msg_put_raw(&w, c->leaf, sizeof(c->leaf));
	msg_put_u64(&w, t->size);
	msg_put_raw(&w, b->policy_ids[c->policy], 32);
	msg_put_u64(&w, RESPONSE_MAX);
	msg_put_u64(&w, deadline(b, c));
	outbox_send(o, FROM_WORKER, c->worker, &w);
	b->count.allowed++;
}

/*
 * The credential of the call's provider, by the fingerprint in its record: the
 * current value, or the one that it replaced meanwhile.  *p is a view.  A provider without authentication has the empty one.
 */
static int
credential(struct broker *b, const struct call *c,
    const struct policy_provider *pr, const uint8_t **p, size_t *len)
{
	*p = NULL;
	*len = 0;
	if (pr->auth == AUTH_NONE)
		return 0;
	if (credential_match(b->creds, pr->key, c->fprint, p, len) == 0 &&
	    *len <= CREDENTIAL_MAX)
		return 0;
	errno = credential_find(b->creds, pr->key, p, len) == CRED_OK ?
	    ESTALE : ENOENT;
	*p = NULL;
	*len = 0;
	return -1;
}

static void
compose(struct broker *b, struct msgw *w, const struct call *c,
    const struct policy_provider *pr, const uint8_t *cred, size_t len)
{
	const struct ask	*a;

	a = &c->ask;
	msg_open(w, M_RELEASE);
	msg_put_u32(w, a->link);
	msg_put_u64(w, a->no);
	msg_put_raw(w, c->id, CALL_ID);
	msg_put_u16(w, pr->id);
	msg_put_u8(w, pr->scheme);
	msg_put_str(w, pr->host);
	msg_put_u16(w, pr->port);
	msg_put_str(w, a->method);
	msg_put_str(w, a->path);
	msg_put_str(w, a->query);
	msg_put_str(w, a->ctype);
	msg_put_u64(w, a->length);
	msg_put_raw(w, a->sha256, sizeof(a->sha256));
	msg_put_u32(w, a->kind == KIND_PROBE ? CF_PROBE :
	    a->flags & ~(uint32_t)CF_PROBE);
	msg_put_u8(w, a->dialect);
	msg_put_u8(w, pr->auth);
	msg_put_blob(w, cred, len);
	msg_put_u64(w, RESPONSE_MAX);
	msg_put_u64(w, deadline(b, c));
	msg_put_u64(w, b->now + DL_FIRST_BYTE);
	msg_put_u64(w, DL_BETWEEN);
}

int
grant_release(struct broker *b, const struct durable_token *t, struct call *c,
    struct outbox *o)
{
	struct policy_provider	 pr;
	struct msgw		 w UNSET;
	const uint8_t		*cred;
	size_t			 len;

	covered(t, c);
	if (policy_provider_id(b->policies[c->policy], c->ask.provider,
	    &pr) == -1)
		fatalx("grant: a call's provider is not in its policy");
	if (credential(b, c, &pr, &cred, &len) == -1)
		return -1;
	compose(b, &w, c, &pr, cred, len);
	outbox_secret(o, FROM_EGRESS, c->egress, &w);
	credential_used(b->creds, pr.key);
	/* A worker is allowed once, and a probe has none. */
	if (!c->allowed && c->ask.kind != KIND_PROBE)
		grant_allow(b, t, c, o);
	c->allowed = 1;
	c->released = b->now;
	return 0;
}
