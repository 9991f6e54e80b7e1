/* SPDX-License-Identifier: ISC */
/*
 * The gate: new calls are taken only while they can be recorded.  Its state,
 * the providers and the policy are what READY tells each worker, again on
 * every change.
 */
#include <string.h>

#include "keybrokerd/broker/vaultkey.h"

/* Why the gate is closed, in order; NULL it is open. */
const char *
gate_reason(const struct broker *b)
{
	const struct gate	*g;

	g = &b->gate;
	if (g->closing)
		return "closing";
	if (!g->recovered)
		return b->vk->what == VKF_START ? "vault key" : "recovery";
	if (!b->ledger.up)
		return "ledger";
	if (b->policy == -1)
		return "policy";
	if (!g->memory)
		return "memory";
	if (!g->prompt)
		return "disk";
	return vaultkey_closed(b);
}

int
gate_open(const struct broker *b)
{
	return gate_reason(b) == NULL;
}

/* When an outstanding batch becomes too old. */
uint64_t
gate_next(const struct broker *b)
{
	if (!b->batch.outstanding || !b->gate.prompt)
		return NEVER;
	return b->batch.sent + DL_COMMITTING;
}

static uint8_t
provider_state(struct broker *b, const struct policy_provider *pr)
{
	const struct egress	*e;

	if (!peers_has_key(b, pr))
		return PROV_NOKEY;
	e = peers_egress(b, pr->id);
	return e != NULL && e->p.up ? PROV_UP : PROV_DOWN;
}

static void
compose(struct broker *b, struct msgw *w)
{
	static const uint8_t	 none[32];
	struct policy_provider	 pr;
	size_t			 i, n;

	msg_open(w, M_READY);
	msg_put_u8(w, gate_open(b) ? 1 : 0);
	msg_put_u8(w, !b->ledger.up ? 0 : b->gate.damaged ? 2 : 1);
	msg_put_u8(w, b->gate.dial);
	msg_put_raw(w, b->epoch.origin_hash, sizeof(b->epoch.origin_hash));
	msg_put_raw(w, b->policy == -1 ? none : b->policy_ids[b->policy], 32);
	n = b->policy == -1 ? 0 : policy_nproviders(b->policies[b->policy]);
	if (n > PROVIDERS_MAX)
		n = PROVIDERS_MAX;
	msg_put_u16(w, (uint16_t)n);
	for (i = 0; i < n; i++) {
		policy_provider(b->policies[b->policy], i, &pr);
		msg_put_u16(w, pr.id);
		msg_put_u8(w, provider_state(b, &pr));
	}
	msg_put_u8(w, b->gate.kms);
}

int
gate_weigh(struct broker *b)
{
	struct gate	*g;
	uint64_t	 version;
	int		 was;

	g = &b->gate;
	was = gate_open(b);
	g->memory = batch_waiting(b) < OUTCOME_MEMORY;
	g->prompt = !b->batch.outstanding ||
	    b->now < b->batch.sent + DL_COMMITTING;
	g->recovered = b->recover.phase == RC_DONE &&
	    b->batch.committed >= g->recover_to;
	version = credential_version(b->creds);
	if (was == gate_open(b) && version == g->credentials)
		return 0;
	g->credentials = version;
	return 1;
}

void
gate_turn(struct broker *b, struct outbox *o)
{
	struct worker	*wk;
	struct msgw	 w UNSET;
	uint16_t	 i;

	b->gate.kms = (uint8_t)vaultkey_says(b);
	compose(b, &w);
	if (w.len != b->gate.lastlen ||
	    memcmp(w.buf, b->gate.last, w.len) != 0) {
		memcpy(b->gate.last, w.buf, w.len);
		b->gate.lastlen = w.len;
		b->gate.version++;
	}
	for (i = 0; i < WORKERS_MAX; i++) {
		wk = &b->workers[i];
		if (!wk->p.up || (wk->ready_seen == b->gate.version &&
		    (wk->blob_sent || b->policy == -1)))
			continue;
		if (b->policy != -1 && !wk->blob_sent)
			outbox_blob(o, i, &w);
		else
			outbox_send(o, FROM_WORKER, i, &w);
		wk->ready_seen = b->gate.version;
		wk->blob_sent = b->policy != -1;
	}
}
