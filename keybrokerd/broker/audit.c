/* SPDX-License-Identifier: ISC */
/*
 * Entries of the log: who writes which fields.  What rests on a worker's word
 * stands in fields of class W and names the worker (claimant); everything else
 * is the broker's own knowledge or the egress's attestation.  Nothing is
 * scanned yet, and each intent says so.  An entry that the verifier would
 * refuse is our bug and fatal, so texts are checked before they get here.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/text/be.h"
#include "common/text/hmac.h"
#include "keybrokerd/broker/broker.h"

static void
text(struct entry_w *w, unsigned int key, const char *s)
{
	entry_put_text(w, key, s, strlen(s));
}

/* Keys 3 to 9, alike in every entry. */
static struct entry_w *
common(struct broker *b)
{
	struct entry_w	*w;

	w = &b->batch.w;
	b->batch.open = 1;
	entry_put_uint(w, EK_WALL, b->wall);
	entry_put_uint(w, EK_BOOTTIME, b->now);
	if (b->booted)
		entry_put_uint(w, EK_BOOTID, b->boot_entry);
	else
		entry_put_bytes(w, EK_BOOTID, b->env.boot_id,
		    sizeof(b->env.boot_id));
	entry_put_uint(w, EK_EPOCH, b->epoch.number);
	entry_put_bytes(w, EK_PREV, b->batch.chain.prev, CHAIN_HASH);
	entry_put_bytes(w, EK_ORIGIN, b->epoch.origin_hash,
	    sizeof(b->epoch.origin_hash));
	entry_put_bytes(w, EK_INSTANCE, b->instance, sizeof(b->instance));
	b->last_wall = b->wall;
	return w;
}

/* A clock that went back is explained before anything else is said. */
void
audit_clock(struct broker *b)
{
	struct entry_w	*w;
	uint64_t	 old;

	if (b->batch.open)
		fatalx("audit: two entries at once");
	if (b->wall >= b->last_wall)
		return;
	old = b->last_wall;
	entry_begin(&b->batch.w, b->batch.entry, sizeof(b->batch.entry),
	    b->batch.chain.next, ET_CLOCK_STEP);
	w = common(b);
	audit_org(w, KEY_ORG);
	entry_map(w, EK_STEP);
	entry_put_uint(w, ES_STEP_OLD, old);
	entry_put_uint(w, ES_STEP_NEW, b->wall);
	entry_close(w);
	audit_end(b);
}

struct entry_w *
audit_begin(struct broker *b, enum entry_type type)
{
	audit_clock(b);
	entry_begin(&b->batch.w, b->batch.entry, sizeof(b->batch.entry),
	    b->batch.chain.next, type);
	return common(b);
}

struct entry_w *
audit_begin_admin(struct broker *b, const char *what)
{
	audit_clock(b);
	entry_begin_admin(&b->batch.w, b->batch.entry,
	    sizeof(b->batch.entry), b->batch.chain.next, what);
	return common(b);
}

static uint64_t
finish(struct broker *b, uint8_t leaf[32])
{
	ssize_t	 len;

	len = entry_end(&b->batch.w);
	if (len == -1)
		fatal("audit: entry %llu",
		    (unsigned long long)b->batch.chain.next);
	b->batch.open = 0;
	ring_push(b->ring, b->batch.chain.next, b->batch.entry, (size_t)len);
	return batch_entry(b, b->batch.entry, (size_t)len, leaf);
}

uint64_t
audit_end(struct broker *b)
{
	uint8_t	 leaf[32];

	return finish(b, leaf);
}

void
audit_org(struct entry_w *w, uint32_t org)
{
	entry_put_uint(w, EK_ORG, org);
}

/* HMAC-SHA256 under the pseudonym key of what, org and s. */
static void
pseudonym(struct broker *b, const char *what, uint32_t org, const char *s,
    uint8_t out[32])
{
	struct hmac	 h;
	uint8_t		 be[4];

	be_put32(be, org);
	hmac_init(&h, secret_bytes(b->pseudonym), secret_len(b->pseudonym));
	hmac_update(&h, what, strlen(what) + 1);
	hmac_update(&h, be, sizeof(be));
	hmac_update(&h, s, strlen(s));
	hmac_final(&h, out);
}

void
audit_session(struct broker *b, uint32_t org, const char *id,
    uint8_t out[AUDIT_SESSION])
{
	pseudonym(b, "session", org, id, out);
}

void
audit_principal(struct broker *b, struct entry_w *w, const char *key,
    uint32_t org)
{
	uint8_t	 p[32];

	pseudonym(b, "key", org, key, p);
	entry_put_bytes(w, EK_PRINCIPAL, p, sizeof(p));
}

/* ---- the broker's own life --------------------------------------------- */
void
audit_genesis(struct broker *b)
{
	struct entry_w	*w;

	w = audit_begin(b, ET_GENESIS);
	audit_org(w, KEY_ORG);
	entry_map(w, EK_ROOT);
	text(w, ES_ROOT_ORIGIN, b->epoch.origin);
	entry_put_bytes(w, ES_ROOT_PIN, b->epoch.pin, sizeof(b->epoch.pin));
	entry_put_uint(w, ES_ROOT_EPOCHS, EPOCH_COUNT);
	entry_close(w);
	audit_end(b);
}

void
audit_roll(struct broker *b, const uint8_t *proof, size_t n)
{
	struct entry_w	*w;
	size_t		 i;

	w = audit_begin(b, ET_EPOCH_ROLL);
	audit_org(w, KEY_ORG);
	entry_map(w, EK_ROLL);
	entry_put_uint(w, ES_ROLL_EPOCH, b->epoch.number);
	entry_put_bytes(w, ES_ROLL_KEY, b->epoch.pk, sizeof(b->epoch.pk));
	entry_list(w, ES_ROLL_PROOF);
	for (i = 0; i < n; i++)
		entry_add_bytes(w, proof + i * EPOCH_HASH, EPOCH_HASH);
	entry_close(w);
	entry_close(w);
	b->epoch.since = audit_end(b);
}

/* The following entries name this one instead of the boot id. */
void
audit_boot(struct broker *b)
{
	struct entry_w	*w;

	w = audit_begin(b, ET_BOOT);
	entry_map(w, EK_BUILD);
	entry_put_bytes(w, ES_BUILD_CONFIG, b->config, sizeof(b->config));
	if (b->env.build_proxyd_len > 0)
		entry_put_bytes(w, ES_BUILD_PROXYD, b->env.build_proxyd,
		    b->env.build_proxyd_len);
	if (b->env.build_keybrokerd_len > 0)
		entry_put_bytes(w, ES_BUILD_KEYBROKERD,
		    b->env.build_keybrokerd, b->env.build_keybrokerd_len);
	text(w, ES_BUILD_VERSION, BROKER_VERSION);
	entry_close(w);
	audit_org(w, KEY_ORG);
	b->boot_entry = audit_end(b);
	b->booted = 1;
}

void
audit_recovery(struct broker *b, uint64_t orphans)
{
	struct entry_w	*w;

	w = audit_begin(b, ET_RECOVERY);
	audit_org(w, KEY_ORG);
	entry_map(w, EK_COUNTS);
	entry_put_uint(w, ES_COUNTS_TOTAL, orphans);
	entry_close(w);
	audit_end(b);
}

void
audit_config(struct broker *b)
{
	struct entry_w	*w;

	w = audit_begin(b, ET_CONFIG_LOAD);
	entry_map(w, EK_BUILD);
	entry_put_bytes(w, ES_BUILD_CONFIG, b->config, sizeof(b->config));
	text(w, ES_BUILD_VERSION, BROKER_VERSION);
	entry_close(w);
	audit_org(w, KEY_ORG);
	audit_end(b);
}

void
audit_policy(struct broker *b, int row)
{
	struct entry_w	*w;

	w = audit_begin(b, ET_POLICY_LOAD);
	entry_map(w, EK_POLICY);
	entry_put_bytes(w, ES_POLICY_HASH, b->policy_ids[row], 32);
	entry_close(w);
	audit_org(w, KEY_ORG);
	b->policy_entry[row] = audit_end(b);
}

void
audit_shutdown(struct broker *b)
{
	struct entry_w	*w;

	w = audit_begin(b, ET_SHUTDOWN);
	audit_org(w, KEY_ORG);
	audit_end(b);
}

/* ---- calls ------------------------------------------------------------- */
void
audit_claimant(struct broker *b, struct entry_w *w, const struct call *c)
{
	const struct worker	*wk;

	wk = &b->workers[c->worker];
	entry_map(w, EK_CLAIMANT);
	if (wk->p.gen == c->worker_gen) {
		entry_put_uint(w, ES_CLAIMANT_SLOT, wk->slot);
		entry_put_uint(w, ES_CLAIMANT_GENERATION, wk->generation);
		/* one value for all its entries: an auditor queries by it */
		entry_put_uint(w, ES_CLAIMANT_START, wk->start_ns);
	}
	if (c->ask.link != 0)
		entry_put_uint(w, ES_CLAIMANT_LINK, c->ask.link);
	entry_put_uint(w, ES_CLAIMANT_CALL, c->ask.no);
	entry_close(w);
}

void
audit_request(struct entry_w *w, const struct ask *a, const char *route)
{
	static const char *const	 kinds[KIND_MAX] = {
		[KIND_GENERATE] = "generate", [KIND_COUNT] = "count",
		[KIND_EMBED] = "embed", [KIND_LIST] = "list",
		[KIND_PROBE] = "probe",
	};

	entry_map(w, EK_REQUEST);
	text(w, ES_REQUEST_METHOD, a->method);
	text(w, ES_REQUEST_PATH, a->path);
	if (a->query[0] != '\0')
		text(w, ES_REQUEST_QUERY, a->query);
	if (a->ctype[0] != '\0')
		text(w, ES_REQUEST_CTYPE, a->ctype);
	entry_put_uint(w, ES_REQUEST_LENGTH, a->length);
	if (a->kind != KIND_LIST)
		entry_put_bytes(w, ES_REQUEST_SHA256, a->sha256, 32);
	entry_put_uint(w, ES_REQUEST_EDITS, a->edits);
	if (a->kind < KIND_MAX)
		text(w, ES_REQUEST_KIND, kinds[a->kind]);
	if (route != NULL && strlen(route) <= 64)
		text(w, ES_REQUEST_ROUTE, route);
	entry_put_uint(w, ES_REQUEST_STREAM, a->flags & CF_STREAM ? 1 : 0);
	entry_close(w);
}

static void
client(struct broker *b, struct entry_w *w, const struct call *c)
{
	uint8_t	 session[AUDIT_SESSION];

	entry_map(w, EK_CLIENT);
	text(w, ES_CLIENT_ADDR, c->ask.source);
	entry_put_uint(w, ES_CLIENT_FLAGS, c->ask.flags);
	if (c->ask.session[0] != '\0') {
		audit_session(b, c->org, c->ask.session, session);
		entry_put_bytes(w, ES_CLIENT_SESSION, session,
		    sizeof(session));
	}
	entry_close(w);
}

/*
 * The value for this attempt: the staged one for a probe of it (c->fprint is
 * set), the current one at first, another one at second.
 */
static int
choose(struct broker *b, struct call *c, const char *name, const uint8_t **p,
    size_t *len)
{
	if (c->ask.kind == KIND_PROBE)
		return credential_match(b->creds, name, c->fprint, p, len);
	if (c->attempt > 1)
		return credential_second(b->creds, name, c->fprint, b->now, p,
		    len);
	return credential_pick(b->creds, name, b->now, p, len) == CRED_OK ?
	    0 : -1;
}

/* The credential that will be released, by name and fingerprint. */
static void
put_credential(struct broker *b, struct entry_w *w, struct call *c,
    const struct policy_provider *pr)
{
	const uint8_t	*p;
	size_t		 len;

	if (pr->auth == AUTH_NONE)
		return;
	strlcpy(c->credential, pr->key, sizeof(c->credential));
	if (choose(b, c, pr->key, &p, &len) == -1 ||
	    credential_fingerprint(&b->vault, p, len, c->fprint) == -1)
		fatalx("audit: a call without its credential was allowed");
	entry_map(w, EK_CREDENTIAL);
	entry_put_text(w, ES_CRED_ID, pr->key, strnlen(pr->key, 64));
	entry_put_bytes(w, ES_CRED_FPRINT, c->fprint, sizeof(c->fprint));
	entry_put_uint(w, ES_CRED_ATTEMPT, c->attempt);
	entry_close(w);
}

static void
destination(struct entry_w *w, const struct policy_provider *pr)
{
	entry_map(w, EK_DEST);
	entry_put_uint(w, ES_DEST_PROVIDER, pr->id);
	entry_put_text(w, ES_DEST_NAME, pr->name, strnlen(pr->name, 64));
	text(w, ES_DEST_HOST, pr->host);
	entry_put_uint(w, ES_DEST_PORT, pr->port);
	if (pr->scheme == SCHEME_HTTPS)
		text(w, ES_DEST_SNI, pr->host);
	entry_close(w);
}

void
audit_caller(struct broker *b, struct entry_w *w, const struct call *c)
{
	static const char *const	 classes[] = {
		"?", "data", "admin", "both",
	};

	entry_map(w, EK_CALLER);
	text(w, ES_CALLER_KEY, c->key);
	entry_put_uint(w, ES_CALLER_AGENT, c->agent_no);
	text(w, ES_CALLER_ROLE, key_role_name(c->role));
	text(w, ES_CALLER_CLASS, classes[b->workers[c->worker].class & 3]);
	entry_close(w);
}

static void
decision(struct broker *b, struct entry_w *w, uint8_t policy,
    const char *said, const char *reason)
{
	entry_map(w, EK_POLICY);
	entry_put_uint(w, ES_POLICY_HASH, b->policy_entry[policy]);
	text(w, ES_POLICY_DECISION, said);
	if (reason != NULL)
		text(w, ES_POLICY_REASON, reason);
	entry_close(w);
}

/* The row that recovery turns into call.orphan: intent, org, principal. */
static void
open_row(struct broker *b, const struct call *c)
{
	uint8_t	 v[8 + 8 + 32];

	be_put64(v, c->intent);
	be_put64(v + 8, c->org);
	memcpy(v + 16, c->principal, sizeof(c->principal));
	batch_state(b, ST_OPENCALL, c->id, CALL_ID, v, sizeof(v));
}

void
audit_intent(struct broker *b, struct call *c, const struct decision *d)
{
	struct entry_w	*w;

	w = audit_begin(b, ET_CALL_INTENT);
	entry_put_bytes(w, EK_REQUEST_ID, c->id, CALL_ID);
	pseudonym(b, "key", c->org, c->key, c->principal);
	entry_put_bytes(w, EK_PRINCIPAL, c->principal, sizeof(c->principal));
	if (c->ask.kind != KIND_LIST) {
		put_credential(b, w, c, &d->provider);
		destination(w, &d->provider);
	}
	decision(b, w, c->policy, c->redacted ? "redact" : "allow", NULL);
	entry_map(w, EK_DETECT);
	entry_put_uint(w, ES_DETECT_SCANNED, 0);
	entry_put_uint(w, ES_DETECT_UNSCANNED, c->ask.length);
	entry_close(w);
	if (c->ask.model[0] != '\0')
		text(w, EK_MODEL, c->ask.model);
	audit_claimant(b, w, c);
	audit_org(w, c->org);
	audit_request(w, &c->ask, d->route.path);
	client(b, w, c);
	audit_caller(b, w, c);
	if (c->ask.max_tokens != 0) {
		entry_map(w, EK_BUDGET);
		entry_put_uint(w, ES_BUDGET_TOKENS, c->ask.max_tokens);
		entry_close(w);
	}
	c->intent = finish(b, c->leaf);
	if (c->ask.kind != KIND_LIST)
		open_row(b, c);
}

static const char *const	ends[END_MAX] = {
	[END_OK] = "ok", [END_TRUNCATED] = "truncated",
	[END_CANCELLED] = "cancelled", [END_CUT] = "cut",
	[END_MISMATCH] = "digest-mismatch", [END_CONNECT] = "connect",
	[END_TLS] = "tls", [END_TIMEOUT] = "timeout",
	[END_FRAMING] = "framing", [END_AUTH] = "provider-auth",
	[END_ABORTED] = "aborted", [END_TOOLARGE] = "too-large",
	[END_LOST] = "lost",
};

/* Why it ended, most specific first. */
static const char *
reason(const struct call *c)
{
	if (c->ask.kind == KIND_LIST)
		return "ok";
	if ((c->here & CH_DONE) && c->done.end == END_MISMATCH)
		return ends[END_MISMATCH];
	if (c->marks & CM_REVOKED)
		return "revoked";
	if (c->marks & CM_EXPIRED)
		return "expired";
	if (c->marks & CM_LATE)
		return c->released != 0 ? "deadline" : "late";
	if (c->here & CH_DONE)
		return ends[c->done.end];
	if (c->marks & CM_EGRESS_LOST)
		return "egress-lost";
	if (c->marks & CM_WORKER_LOST)
		return "worker-lost";
	if (c->marks & CM_CANCELLED)
		return "cancelled";
	return c->released != 0 ? "no-report" : "no-credential";
}

/* A claim that the egress's byte counts cannot bear. */
static int
far_outside(const struct call *c)
{
	return (c->here & CH_DONE) != 0 && (c->here & CH_OUTCOME) != 0 &&
	    (c->outcome.out > 64 * c->done.down + 200000 ||
	    c->outcome.in > 64 * c->done.up + 2000000);
}

static void
usage(struct broker *b, struct entry_w *w, const struct call *c)
{
	static const char *const	 grades[] = {
		[GRADE_NONE] = "estimated", [GRADE_FINAL] = "final",
		[GRADE_PARTIAL] = "partial", [GRADE_DRAINED] = "drained",
		[GRADE_ESTIMATED] = "estimated",
	};
	int				 reserved;

	reserved = far_outside(c) || (c->released != 0 &&
	    (c->marks & CM_EGRESS_LOST) != 0);
	if (far_outside(c))
		b->count.settled_at_reservation++;
	entry_map(w, EK_USAGE);
	if (c->here & CH_DONE) {
		entry_put_uint(w, ES_USAGE_UP, c->done.up);
		entry_put_uint(w, ES_USAGE_DOWN, c->done.down);
	}
	if (c->here & CH_OUTCOME) {
		entry_put_uint(w, ES_USAGE_IN, c->outcome.in);
		entry_put_uint(w, ES_USAGE_OUT, c->outcome.out);
	}
	text(w, ES_USAGE_GRADE, grades[c->here & CH_OUTCOME ?
	    c->outcome.grade : GRADE_NONE]);
	entry_put_uint(w, ES_USAGE_RESERVED, reserved ? 1 : 0);
	if (c->here & CH_OUTCOME)
		entry_put_uint(w, ES_USAGE_CACHED, c->outcome.cached);
	entry_close(w);
}

static const char *
canceller(const struct call *c)
{
	if (c->marks & (CM_REVOKED | CM_EXPIRED | CM_LATE))
		return "broker";
	if (c->marks & CM_WORKER_LOST)
		return "worker lost";
	return c->marks & CM_CANCELLED ? "client" : NULL;
}

static void
attested(struct entry_w *w, const struct call *c)
{
	static const char *const	 closers[] = {
		[CLOSER_NONE] = "nobody", [CLOSER_PROVIDER] = "provider",
		[CLOSER_CLIENT] = "client", [CLOSER_EGRESS] = "egress",
		[CLOSER_BROKER] = "broker",
	};
	const struct done		*d;
	int				 done;

	d = &c->done;
	done = (c->here & CH_DONE) != 0;
	entry_map(w, EK_OUTCOME);
	if (done)
		entry_put_uint(w, ES_OUTCOME_STATUS, d->status);
	else if (c->ask.kind == KIND_LIST)
		entry_put_uint(w, ES_OUTCOME_STATUS, 200);
	text(w, ES_OUTCOME_REASON, reason(c));
	if (done && d->first >= c->released)
		entry_put_uint(w, ES_OUTCOME_TTFB,
		    (d->first - c->released) / NS_MS);
	if (done)
		entry_put_uint(w, ES_OUTCOME_TRUNCATED,
		    d->end == END_TRUNCATED);
	if (canceller(c) != NULL)
		text(w, ES_OUTCOME_CANCELLED, canceller(c));
	if (done)
		entry_put_uint(w, ES_OUTCOME_MISMATCH,
		    d->end == END_MISMATCH);
	if (done && d->ended >= c->released)
		entry_put_uint(w, ES_OUTCOME_TOTAL,
		    (d->ended - c->released) / NS_MS);
	if (done) {
		entry_put_bytes(w, ES_OUTCOME_SHA256, d->sha_down, 32);
		text(w, ES_OUTCOME_CLOSED, closers[d->closer]);
		entry_put_bytes(w, ES_OUTCOME_BODY, d->sha_up, 32);
	}
	entry_close(w);
}

/* What the key has used, by the worker's claim; the answer's status. */
static void
account(struct broker *b, const struct call *c)
{
	struct key_use	*u[2];
	struct key	*k;
	size_t		 i;
	uint16_t	 status;

	status = c->here & CH_OUTCOME ? c->outcome.status :
	    c->here & CH_DONE ? c->done.status : 0;
	if (c->ask.kind == KIND_LIST)
		status = 200;
	meter_call(b, c, status);
	k = key_find(b->keys, c->key, strlen(c->key));
	if (k == NULL)
		return;
	u[0] = &k->use;
	u[1] = &k->agent->use;
	for (i = 0; i < 2; i++) {
		u[i]->calls++;
		if (status < 200 || status >= 400)
			u[i]->failed++;
		if (!(c->here & CH_OUTCOME) || far_outside(c))
			continue;
		u[i]->in += c->outcome.in;
		u[i]->out += c->outcome.out;
		u[i]->cached += c->outcome.cached;
	}
}

void
audit_outcome(struct broker *b, struct call *c)
{
	struct entry_w	*w;

	account(b, c);
	b->batch.patient = 1;
	w = audit_begin(b, ET_CALL_OUTCOME);
	entry_put_bytes(w, EK_REQUEST_ID, c->id, CALL_ID);
	entry_put_bytes(w, EK_PRINCIPAL, c->principal, sizeof(c->principal));
	usage(b, w, c);
	attested(w, c);
	entry_put_uint(w, EK_INTENT, c->intent);
	audit_claimant(b, w, c);
	audit_org(w, c->org);
	audit_end(b);
	if (c->ask.kind != KIND_LIST)
		batch_delete(b, ST_OPENCALL, c->id, CALL_ID);
	b->batch.patient = 0;
}

/* id and val are a row of ours, back from the ledger: any length is refused. */
int
audit_orphan(struct broker *b, const uint8_t *id, size_t idlen,
    const uint8_t *val, size_t len)
{
	struct entry_w	*w;
	uint64_t	 intent, org;
	int		 i;

	if (idlen != CALL_ID || len != 8 + 8 + 32)
		return -1;
	intent = org = 0;
	for (i = 0; i < 8; i++) {
		intent = intent << 8 | val[i];
		org = org << 8 | val[8 + i];
	}
	if (intent >= b->batch.chain.next || org > UINT32_MAX)
		return -1;
	w = audit_begin(b, ET_CALL_ORPHAN);
	entry_put_bytes(w, EK_REQUEST_ID, id, CALL_ID);
	entry_put_bytes(w, EK_PRINCIPAL, val + 16, 32);
	entry_put_uint(w, EK_INTENT, intent);
	audit_org(w, (uint32_t)org);
	audit_end(b);
	batch_delete(b, ST_OPENCALL, id, idlen);
	b->count.orphans++;
	return 0;
}
