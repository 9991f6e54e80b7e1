/* SPDX-License-Identifier: ISC */
/*
 * What must hold after each step, and which cells of appendix A were reached.
 * The table of next states below is typed from the design, not from call.c.
 * Cells are counted where the broker runs them (the linker hands call_event
 * to us first); those where no message can bring the event to the table are
 * counted as seen when the event happens while a call is in that state, and
 * the call must then be as it was.
 */
#include <string.h>

#include "common/ipc/permit.h"
#include "regress/sim/sim.h"

#define S(x)	(1u << CS_##x)
#define SAME	0x8000u		/* state unchanged */

void	__real_call_event(struct broker *, struct call *, enum call_event,
	    struct call_arg *);
void	__wrap_call_event(struct broker *, struct call *, enum call_event,
	    struct call_arg *);

struct totals	 totals;

/*
 * FREE, ADMITTED, AMENDING, COMMITTING, WAITCRED, RELEASED, SETTLING, CLOSING
 */
static const unsigned int	next[CE_MAX][CS_MAX] = {
	[CE_ADMIT] = { S(ADMITTED) | S(FREE), SAME, SAME, SAME, SAME, SAME,
	    SAME, SAME },
	[CE_CALL] = { S(FREE) | S(AMENDING) | S(COMMITTING),
	    S(FREE) | S(AMENDING) | S(COMMITTING), SAME, SAME, SAME, SAME,
	    SAME, SAME },
	[CE_AMEND] = { 0, SAME, S(FREE) | S(COMMITTING), SAME, SAME, SAME,
	    SAME, SAME },
	[CE_CANCEL] = { 0, S(FREE), S(FREE), SAME, S(CLOSING), SAME, SAME,
	    SAME },
	[CE_COMMITTED] = { 0, SAME, SAME, SAME | S(FREE) | S(CLOSING) |
	    S(WAITCRED) | S(RELEASED), SAME, SAME, SAME, S(FREE) },
	[CE_CREDENTIAL] = { 0, SAME, SAME, SAME, S(RELEASED) | S(CLOSING),
	    SAME, SAME, SAME },
	[CE_DEADLINE] = { 0, S(FREE), S(FREE), SAME, S(CLOSING),
	    S(RELEASED) | S(CLOSING), S(CLOSING), SAME },
	[CE_REVOKED] = { 0, S(FREE), S(FREE), SAME, S(CLOSING), SAME, SAME,
	    SAME },
	[CE_DONE] = { 0, SAME, SAME, SAME, SAME | S(CLOSING),
	    S(SETTLING), S(CLOSING) | SAME, SAME },
	[CE_OUTCOME] = { 0, SAME, SAME, SAME, SAME | S(CLOSING),
	    S(SETTLING), S(CLOSING) | SAME, SAME },
	[CE_WORKER_LOST] = { 0, S(FREE), S(FREE), SAME, S(CLOSING),
	    S(SETTLING), S(CLOSING), SAME },
	[CE_EGRESS_LOST] = { 0, SAME | S(FREE), S(FREE), SAME, S(CLOSING),
	    S(CLOSING), S(CLOSING), SAME },
	[CE_REFUSED] = { 0, SAME, SAME, SAME, SAME, SAME | S(COMMITTING),
	    SAME, SAME },
	[CE_REOPENED] = { 0, SAME, SAME, SAME, SAME, SAME | S(COMMITTING),
	    SAME, SAME },
};

/* A call as it was before the step. */
struct was {
	uint8_t		 state;
	uint8_t		 id[CALL_ID];
	uint64_t	 latest;
};

static struct was	before[1024];
static uint8_t		touched[1024];	/* the table ran for it */
static uint32_t		nbefore;
static enum from_kind	step_kind;
static uint16_t		step_index, step_type;
static int		step_lost;
static uint64_t		step_no, last_tick;

/* Numbers of a worker's link that were answered for good, or allowed. */
struct said {
	uint32_t	 worker_gen;
	uint16_t	 worker;
	uint8_t		 allow, refuse;
	uint64_t	 no;
};

#define NSAID	8192

static struct said	said[NSAID];

static const char	*const states[] = { "FREE", "ADMITTED", "AMENDING",
	"COMMITTING", "WAITCRED", "RELEASED", "SETTLING", "CLOSING" };
static const char	*const events[] = { "ADMIT", "CALL", "AMEND",
	"CANCEL", "COMMITTED", "CREDENTIAL", "DEADLINE", "REVOKED", "DONE",
	"OUTCOME", "WORKER_LOST", "EGRESS_LOST", "REFUSED", "REOPENED" };
static const char	*const faults[F_MAX] = {
	[F_LEDGER_SLOW] = "commit takes seconds",
	[F_LEDGER_STALL] = "commit takes 8 to 22 seconds",
	[F_LEDGER_DIES_BEFORE] = "ledger dies before a commit is durable",
	[F_LEDGER_DIES_AFTER] = "ledger dies after it, before COMMITTED",
	[F_LEDGER_DIES_IDLE] = "ledger dies at any time",
	[F_LEDGER_LOW] = "disk space is low",
	[F_BATCH_AGAIN] = "identical batch sent again",
	[F_EGRESS_DIES] = "egress dies",
	[F_WORKER_DIES] = "worker dies",
	[F_BROKER_KILLED] = "broker killed",
	[F_KILLED_OUTSTANDING] = "broker killed with a batch outstanding",
	[F_ORPHANS] = "intent closed by call.orphan",
	[F_LINK_CUT] = "worker-egress link breaks",
	[F_CANCEL] = "client goes away",
	[F_ABANDONED] = "worker abandons a link",
	[F_SLOW_OUTCOME] = "OUTCOME comes after 4 to 8 s",
	[F_REVOKE_ADMIN] = "key revoked by the administrator",
	[F_REVOKE_DIRECT] = "worker, agent or key cut off",
	[F_EXPIRED] = "call meets the end of its key",
	[F_CRED_GONE] = "credential taken away",
	[F_CRED_ROTATED] = "credential rotated",
	[F_POLICY_NEW] = "policy replaced",
	[F_CLOSING] = "CLOSING in the middle",
	[F_CLOCK_BACK] = "wall clock set back",
	[F_STRAY_DONE] = "egress sends DONE in a wrong state",
	[F_BAD_ANSWER] = "provider's answer is broken",
	[F_REFUSED] = "provider refuses the credential (401)",
	[F_STRAY_REFUSED] = "egress sends REFUSED in a wrong state",
	[F_REOPENED] = "sources read again after a refusal",
	[F_MISMATCH] = "body differs from its record",
	[F_H_GARBAGE] = "hostile: malformed and foreign messages",
	[F_H_REPEAT] = "hostile: repeated number",
	[F_H_DIGEST] = "hostile: other body than recorded",
	[F_H_FOREIGN] = "hostile: link or provider of another",
	[F_H_FLOOD] = "hostile: flood",
	[F_H_TOKEN] = "hostile: guessed token",
	[F_H_ADMIN] = "hostile: administers",
	[F_H_POKE] = "hostile: wrong message for a call's state",
	[F_H_FRAMES] = "hostile: frames out of order",
	[F_H_SILENT] = "hostile: call without body and end",
	[F_H_EXPELLED] = "hostile: disconnected",
};

const char *
fault_name(enum fault_kind f)
{
	return faults[f];
}

const char *
state_name(unsigned int s)
{
	return states[s];
}

const char *
event_name(unsigned int e)
{
	return events[e];
}

/* ---- cells --------------------------------------------------------------- */
static void
judge_cell(unsigned int ev, unsigned int from, unsigned int to)
{
	unsigned int	 may;

	may = next[ev][from];
	if ((may & SAME && from == to) || may & 1u << to)
		return;
	finding("%s in %s leads to %s", events[ev], states[from], states[to]);
}

void
__wrap_call_event(struct broker *b, struct call *c, enum call_event ev,
    struct call_arg *arg)
{
	uint32_t	 at;
	unsigned int	 from, to;
	uint8_t		 id[CALL_ID];

	from = c->state;
	at = table_index(b, c);
	memcpy(id, c->id, sizeof(id));
	if (at < 1024)
		touched[at] = 1;
	if (ev == CE_DEADLINE && from == CS_RELEASED && c->expires <= b->now)
		fault(F_EXPIRED);
	__real_call_event(b, c, ev, arg);
	/* a call that ended is out of the table and wiped */
	to = memcmp(id, c->id, sizeof(id)) == 0 ? c->state : CS_FREE;
	trace("%s in %s: %s", events[ev], states[from], states[to]);
	totals.cell[ev][from]++;
	judge_cell(ev, from, to);
}

/* The event, as far as the message at hand says it, for calls that the table
 * was not asked about; -1 none. */
static int
event_for(const struct call *c, const struct was *w)
{
	if (step_kind == FROM_LEDGER && step_type == M_COMMITTED)
		return CE_COMMITTED;
	if (step_kind == FROM_PARENT && step_type == M_SOURCE)
		return CE_CREDENTIAL;
	if (step_kind == FROM_WORKER && step_type == M_AMEND &&
	    c->worker == step_index && c->ask.no == step_no)
		return CE_AMEND;
	if (step_kind == FROM_EGRESS && step_type == M_DONE &&
	    c->ask.no == step_no)
		return CE_DONE;
	if (step_kind == FROM_EGRESS && step_type == M_REFUSED &&
	    c->ask.no == step_no)
		return CE_REFUSED;
	if (step_kind == FROM_PARENT && step_type == M_REOPENED)
		return CE_REOPENED;
	if (step_kind == FROM_EGRESS && step_lost)
		return CE_EGRESS_LOST;
	if (step_kind == FROM_MAX && w->state == CS_CLOSING &&
	    w->latest > last_tick && w->latest <= sim->now)
		return CE_DEADLINE;
	return -1;
}

static int
unreachable(int ev, unsigned int state)
{
	switch (ev) {
	case CE_COMMITTED:
		return state != CS_COMMITTING && state != CS_CLOSING;
	case CE_CREDENTIAL:
		return state != CS_WAITCRED;
	case CE_REOPENED:
		return state != CS_RELEASED;
	case CE_AMEND:
	case CE_DONE:
	case CE_REFUSED:
	case CE_EGRESS_LOST:
		return state == CS_ADMITTED;
	case CE_DEADLINE:
		return state == CS_CLOSING;
	}
	return 0;
}

static void
count_seen(void)
{
	struct call	*c;
	struct was	*w;
	uint32_t	 i;
	int		 ev;

	for (i = 0; i < nbefore; i++) {
		w = &before[i];
		c = &sim->b->calls[i];
		if (w->state == CS_FREE || touched[i])
			continue;
		/* nobody asked the table: the call is as it was */
		if (c->state != w->state || memcmp(c->id, w->id,
		    sizeof(w->id)) != 0)
			finding("a call changes from %s to %s by itself",
			    states[w->state], states[c->state]);
		ev = event_for(c, w);
		if (ev != -1 && unreachable(ev, w->state))
			totals.seen[ev][w->state]++;
	}
}

void
check_begin(void)
{
	memset(said, 0, sizeof(said));
	nbefore = 0;
}

void
check_before(enum from_kind kind, uint16_t index, int lost,
    const struct msgr *m)
{
	struct call	*c;
	struct msgr	 r;
	uint32_t	 i;

	step_kind = kind;
	step_index = index;
	step_lost = lost;
	step_type = m == NULL || lost ? 0 : m->type;
	step_no = 0;
	if (m != NULL && !lost) {
		r = *m;
		if (step_type == M_DONE || step_type == M_REFUSED)
			(void)msg_get_u32(&r);
		step_no = msg_get_u64(&r);
	}
	nbefore = sim->b->high;
	for (i = 0; i < nbefore; i++) {
		c = &sim->b->calls[i];
		before[i].state = c->state;
		before[i].latest = c->latest;
		memcpy(before[i].id, c->id, CALL_ID);
		touched[i] = 0;
	}
	memset(touched + nbefore, 0, sizeof(touched) - nbefore);
}

/* ---- what leaves the broker ---------------------------------------------- */
static int
holds(const uint8_t *p, size_t len, const void *s, size_t n)
{
	return len >= n && memmem(p, len, s, n) != NULL;
}

/* No secret to anybody but in RELEASE and to its own egress. */
static void
check_secrets(const struct out *it, const uint8_t *p)
{
	static const char	 vault[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
	static const uint8_t	 key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
				    11, 12, 13, 14, 15 };
	int			 i;

	if (it->type != M_RELEASE && holds(p, it->len, "sk-sim-", 7))
		finding("a credential in message %#x to peer %d", it->type,
		    (int)it->to.kind);
	if (holds(p, it->len, vault, sizeof(vault) - 1) ||
	    holds(p, it->len, key, sizeof(key)))
		finding("the vault key in message %#x", it->type);
	if (sim->b->epoch.sk != NULL && holds(p, it->len,
	    secret_bytes(sim->b->epoch.sk), 16))
		finding("the signing key in message %#x", it->type);
	if (it->to.kind == FROM_CONTROL || it->len < 20)
		return;
	for (i = 0; i < NKEYS; i++)
		if (sim->token[i][0] != '\0' && holds(p, it->len,
		    sim->token[i], 40))
			finding("a token in message %#x", it->type);
}

static int
key_of(const struct call *c)
{
	int	 i;

	for (i = 0; i < NKEYS; i++)
		if (strcmp(c->key, sim->key[i]) == 0)
			return i;
	return -1;
}

/* R2 at the broker: durable, signed, the same, once, and in time. */
static void
check_release(const struct out *it, const uint8_t *p)
{
	struct release	 r;
	struct intent	*in;
	struct msgr	 m;
	struct call	*c;
	uint8_t		 fp[CREDENTIAL_FPRINT];
	int		 key;

	msg_read(&m, it->type, p, it->len);
	if (release_read(&m, &r) == -1)
		finding("RELEASE is malformed");
	totals.releases++;
	in = disk_intent(r.id);
	if (in == NULL)
		finding("RELEASE of call %llu before its record is durable",
		    (unsigned long long)r.no);
	if (in->closed || in->released++)
		finding("RELEASE of call %llu a second time, or after its end",
		    (unsigned long long)r.no);
	if (memcmp(in->sha, r.digest, 32) != 0 || in->length != r.length ||
	    strcmp(in->method, r.method) != 0 ||
	    strcmp(in->path, r.path) != 0 ||
	    strcmp(in->query, r.query) != 0 ||
	    strcmp(in->host, r.host) != 0 || in->port != r.port ||
	    in->provider != r.provider || in->link != r.link ||
	    in->no != r.no)
		finding("RELEASE of call %llu differs from its record",
		    (unsigned long long)r.no);
	if (r.provider < 3 && (r.credlen == 0 ||
	    credential_fingerprint(&sim->b->vault, r.cred, r.credlen, fp) ==
	    -1 || memcmp(fp, in->fprint, sizeof(fp)) != 0))
		finding("RELEASE with another credential than recorded");
	if (r.provider == 3 && r.credlen != 0)
		finding("a credential for a provider that needs none");
	if (r.deadline <= sim->now)
		finding("RELEASE after its deadline");
	c = table_find_link(sim->b, r.link, r.no);
	key = c == NULL ? -1 : key_of(c);
	if (key == -1)
		finding("RELEASE for nobody");
	if (sim->revoked[key] || sim->expires[key] <= sim->wall)
		finding("RELEASE for a key that is revoked or expired");
}

static struct said *
said_of(uint16_t worker, uint64_t no)
{
	struct said	*s;
	uint32_t	 gen, h, i;

	gen = sim->b->workers[worker].p.gen;
	h = (uint32_t)(no * 2654435761u + worker * 97u + gen * 131u) % NSAID;
	for (i = 0; i < NSAID; i++) {
		s = &said[(h + i) % NSAID];
		if (s->no == no && s->worker == worker &&
		    s->worker_gen == gen)
			return s;
		if (s->no == 0)
			break;
	}
	if (i == NSAID)
		finding("too many answers");
	s->no = no;
	s->worker = worker;
	s->worker_gen = gen;
	return s;
}

/* One ALLOW at most, one refusal at most, no ALLOW after it. */
static void
check_answer(const struct out *it, const uint8_t *p)
{
	struct said	*s;
	struct intent	*in;
	struct msgr	 m;
	uint64_t	 no;
	uint8_t		 id[CALL_ID];

	msg_read(&m, it->type, p, it->len);
	no = msg_get_u64(&m);
	if (no == 0)
		return;
	s = said_of(it->to.index, no);
	if (it->type == M_ALLOW) {
		msg_get_raw(&m, id, sizeof(id));
		in = disk_intent(id);
		if (in == NULL)
			finding("ALLOW of call %llu before its record is "
			    "durable", (unsigned long long)no);
		if (s->allow++ || s->refuse)
			finding("a second answer for call %llu",
			    (unsigned long long)no);
	} else if (s->refuse++ || (s->allow && it->type == M_DENY))
		finding("a second answer for call %llu",
		    (unsigned long long)no);
}

void
check_out(const struct out *it, const uint8_t *payload)
{
	if (it->act != OUT_SEND && it->act != OUT_BLOB)
		return;
	check_secrets(it, payload);
	if (sim->verbose && it->to.kind != FROM_PARENT)
		trace("  to %d/%u %s%s%.*s", (int)it->to.kind, it->to.index,
		    permit_name(it->type), it->type == M_DENY ||
		    it->type == M_FAIL ? " " : "",
		    (it->type == M_DENY || it->type == M_FAIL) &&
		    it->len > 50 ? (int)it->len - 50 : 0,
		    (const char *)payload + 50);
	if (it->type == M_RELEASE) {
		if (it->to.kind != FROM_EGRESS)
			finding("RELEASE to peer %d", (int)it->to.kind);
		check_release(it, payload);
	} else if (it->to.kind == FROM_WORKER && (it->type == M_ALLOW ||
	    it->type == M_DENY || it->type == M_FAIL))
		check_answer(it, payload);
}

/* R2 at the provider: it holds a complete request. */
void
check_provider(const struct mlane *l)
{
	struct intent	*in;
	struct sha256	 sha;
	uint8_t		 have[32];

	sha256_init(&sha);
	sha256_update(&sha, l->got, l->gotlen);
	sha256_final(&sha, have);
	in = disk_intent(l->rel.id);
	if (in == NULL || in->length != l->gotlen ||
	    memcmp(in->sha, have, 32) != 0)
		finding("the provider holds a request that differs from the "
		    "durable record of call %llu",
		    (unsigned long long)l->rel.no);
	if (in->complete++)
		finding("the provider holds two requests for one record");
}

void
check_key_dead(int key)
{
	if (key >= 0 && key < NKEYS)
		sim->revoked[key] = 1;
}

/* ---- what the tables say ------------------------------------------------- */
static void
check_call(struct broker *b, struct call *c)
{
	int	 key, holding;

	holding = c->state >= CS_COMMITTING && c->state <= CS_SETTLING;
	if ((c->reserved != 0) != holding)
		finding("call in %s %s its reservation", states[c->state],
		    holding ? "lacks" : "keeps");
	if (c->deadline == NEVER && c->state != CS_CLOSING &&
	    c->state != CS_COMMITTING)
		finding("call in %s without a deadline", states[c->state]);
	if (c->state == CS_COMMITTING && c->deadline == NEVER &&
	    !(c->marks & CM_LATE))
		finding("call in COMMITTING without a deadline");
	if (b->workers[c->worker].p.gen == c->worker_gen &&
	    table_find(b, c->worker, c->ask.no) != c)
		finding("call %llu is not found by its number",
		    (unsigned long long)c->ask.no);
	if (c->ask.link != 0 && table_find_link(b, c->ask.link,
	    c->ask.no) != c)
		finding("call %llu is not found by its link",
		    (unsigned long long)c->ask.no);
	key = key_of(c);
	if (key != -1 && sim->revoked[key] && (c->state == CS_ADMITTED ||
	    c->state == CS_AMENDING || c->state == CS_WAITCRED ||
	    (c->state == CS_RELEASED && !(c->marks & CM_CUT))))
		finding("call in %s goes on with a revoked key",
		    states[c->state]);
}

/* The sum of reservations is the sum of open calls, key by key. */
static void
check_sums(struct broker *b)
{
	uint64_t	 bytes[NKEYS], have;
	uint32_t	 calls[NKEYS], ncalls[WORKERS_MAX],
			 nreserved[WORKERS_MAX], i, rows, live, held;
	struct call	*c;
	int		 k;

	memset(bytes, 0, sizeof(bytes));
	memset(calls, 0, sizeof(calls));
	memset(ncalls, 0, sizeof(ncalls));
	memset(nreserved, 0, sizeof(nreserved));
	live = held = 0;
	for (i = 0; i < b->high; i++) {
		c = &b->calls[i];
		if (c->state == CS_FREE)
			continue;
		live++;
		check_call(b, c);
		k = key_of(c);
		if (c->reserved && k != -1) {
			calls[k]++;
			bytes[k] += c->ask.length;
		}
		held += c->reserved;
		if (b->workers[c->worker].p.gen == c->worker_gen) {
			ncalls[c->worker]++;
			nreserved[c->worker] += c->reserved;
		}
	}
	if (live != b->live)
		finding("%u calls live, %u counted", live, b->live);
	for (i = 0; i < WORKERS_MAX; i++)
		if (b->workers[i].p.up && (ncalls[i] != b->workers[i].ncalls ||
		    nreserved[i] != b->workers[i].nreserved ||
		    nreserved[i] > WORKER_RELEASED))
			finding("worker %u: %u calls, %u reserved; counted %u, "
			    "%u", i, ncalls[i], nreserved[i],
			    b->workers[i].ncalls, b->workers[i].nreserved);
	for (i = rows = 0; i < b->nbudget; i++)
		rows += b->budget[i].calls;
	if (rows != held)
		finding("reservations of %u calls, %u are open", rows, held);
	for (k = 0; k < NKEYS; k++) {
		if (budget_open(b, sim->key[k]) != calls[k] ||
		    calls[k] > KEY_CALLS)
			finding("key %d: reservations of %u calls, %u are "
			    "open", k, budget_open(b, sim->key[k]), calls[k]);
		for (i = 0, have = 0; i < b->nbudget; i++)
			if (b->budget[i].calls != 0 && strcmp(
			    b->budget[i].key, sim->key[k]) == 0)
				have = b->budget[i].bytes;
		if (have != bytes[k] || (bytes[k] > KEY_BYTES &&
		    calls[k] > 1))
			finding("key %d: %llu bytes reserved, %llu open", k,
			    (unsigned long long)have,
			    (unsigned long long)bytes[k]);
	}
}

void
check_after(void)
{
	if (sim->o->lost)
		finding("the outbox was lost");
	count_seen();
	check_sums(sim->b);
	egress_check();
	if (step_kind == FROM_MAX)
		last_tick = sim->now;
}
