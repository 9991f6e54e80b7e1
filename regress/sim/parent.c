/* SPDX-License-Identifier: ISC */
/*
 * The parents: they start and restart every process, hand over sources,
 * policy and links, pass an administrator on, and are where the faults of a
 * seed come from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text/sha256.h"
#include "regress/sim/sim.h"

#define VAULT		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define CALLS		320

static const struct {
	const char	*name, *host, *base, *key, *path;
	uint16_t	 port, route;
	uint8_t		 dialect, auth, scheme;
} providers[NPROVIDERS] = {
	{ "openai", "api.openai.example", "/v1", "OPENAI_API_KEY",
	    "/v1/chat/completions", 443, ROUTE_CHAT, DIALECT_OPENAI,
	    AUTH_BEARER, SCHEME_HTTPS },
	{ "anthropic", "api.anthropic.example", "", "ANTHROPIC_API_KEY",
	    "/v1/messages", 443, ROUTE_MESSAGES, DIALECT_ANTHROPIC,
	    AUTH_XAPIKEY, SCHEME_HTTPS },
	{ "local", "127.0.0.1", "/v1", "", "/v1/chat/completions", 8000,
	    ROUTE_CHAT, DIALECT_OPENAI, AUTH_NONE, SCHEME_HTTP },
};

static uint8_t	*blob[2];
static size_t	 bloblen[2];
static int	 answers;		/* of the genesis: ANSWER messages */

const char *
parent_credential(uint16_t provider)
{
	return sim->cred[provider - 1];
}

uint16_t
parent_route(uint16_t provider)
{
	return providers[provider - 1].route;
}

const char *
parent_path(uint16_t provider)
{
	return providers[provider - 1].path;
}

/* ---- the broker's environment -------------------------------------------- */
static void
fill(void *arg, void *buf, size_t len)
{
	uint64_t	 z;
	uint8_t		*p;

	(void)arg;
	for (p = buf; len-- > 0; p++) {
		z = sim->fill += 0x9e3779b97f4a7c15ULL;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
		*p = (uint8_t)(z >> 24);
	}
}

static ssize_t
source(void *arg, int fd, int map, uint64_t off, void *buf, size_t len)
{
	const char	*s;
	size_t		 n;

	(void)arg;
	(void)map;
	s = fd == FD_VAULT ? VAULT : sim->cred[fd - FD_CRED];
	n = strlen(s);
	if (off >= n)
		return 0;
	n -= (size_t)off;
	if (n > len)
		n = len;
	memcpy(buf, s + off, n);
	return (ssize_t)n;
}

static struct policy *
policy(void *arg, int fd)
{
	(void)arg;
	return policy_open(blob[fd - FD_POLICY], bloblen[fd - FD_POLICY]);
}

/* A governance step whose verdict the model's name asks for. */
static enum verdict
step(void *arg, const struct ask *a, struct verdict_span *s, size_t *n)
{
	(void)arg;
	if (strcmp(a->model, "m-deny") == 0)
		return VERDICT_DENY;
	if (strcmp(a->model, "m-redact") != 0)
		return VERDICT_PASS;
	s[0].off = 1;
	s[0].len = 2;
	strlcpy(s[0].text, "xx", sizeof(s[0].text));
	*n = 1;
	return VERDICT_REDACT;
}

static const struct step	the_step = { "sim", step, NULL };

static void
make_blob(int which)
{
	struct policy_provider	 pr;
	struct policy_route	 rt;
	struct policy_model	 md;
	struct policy_w		*w;
	int			 i;

	w = policy_w_new();
	for (i = 0; w != NULL && i < NPROVIDERS; i++) {
		memset(&pr, 0, sizeof(pr));
		pr.id = (uint16_t)(i + 1);
		pr.name = providers[i].name;
		pr.dialect = providers[i].dialect;
		pr.scheme = providers[i].scheme;
		pr.auth = providers[i].auth;
		pr.host = providers[i].host;
		pr.port = providers[i].port;
		pr.base = providers[i].base;
		pr.key = providers[i].key;
		pr.proxy = "";
		policy_w_provider(w, &pr);
		memset(&rt, 0, sizeof(rt));
		rt.route = providers[i].route;
		rt.dialect = providers[i].dialect;
		rt.kind = KIND_GENERATE;
		rt.path = providers[i].path;
		if (i < 2)
			policy_w_route(w, &rt);
	}
	memset(&rt, 0, sizeof(rt));
	rt.route = ROUTE_MODELS;
	rt.kind = KIND_LIST;
	rt.path = "/v1/models";
	policy_w_route(w, &rt);
	memset(&md, 0, sizeof(md));
	md.pattern = which == 0 ? "m-*" : "m-new-*";
	md.provider = 1;
	policy_w_model(w, &md);
	blob[which] = policy_w_blob(w, &bloblen[which]);
	if (blob[which] == NULL)
		finding("policy");
	policy_w_free(w);
}

/* ---- starting a broker --------------------------------------------------- */
static void
send_source(const char *name, int fd, size_t len)
{
	struct msgw	 w;

	msg_open(&w, M_SOURCE);
	msg_put_u8(&w, SRC_ENV);
	msg_put_u8(&w, SRC_READ);
	msg_put_u64(&w, len);
	msg_put_str(&w, name);
	world_parent(&w, fd);
}

static void
send_policy(int which, int first)
{
	struct msgw	 w;
	uint8_t		 id[32];

	sha256_buf(blob[which], bloblen[which], id);
	msg_open(&w, M_POLICY);
	msg_put_raw(&w, id, sizeof(id));
	msg_put_u8(&w, (uint8_t)first);
	world_parent(&w, FD_POLICY + which);
}

static void
send_credential(int i)
{
	if (providers[i].auth != AUTH_NONE)
		send_source(providers[i].key, sim->cred[i][0] == '\0' ? -1 :
		    FD_CRED + i, strlen(sim->cred[i]));
}

static void
new_credential(int i)
{
	snprintf(sim->cred[i], sizeof(sim->cred[i]), "sk-sim-%d-%u-%08x", i,
	    ++sim->credno, chance(0x7fffffff));
}

void
parent_boot(void)
{
	struct broker_env	 env;
	struct msgw		 w;
	uint8_t			 config[32];
	uint32_t		 i;

	if (sim->b != NULL)
		return;
	memset(&env, 0, sizeof(env));
	env.rng.fill = fill;
	env.source = source;
	env.policy = policy;
	sim->life++;
	sim->closing = 0;
	sim->turn = 0;
	sim->b = broker_new(CALLS, &env);
	if (sim->b == NULL)
		finding("out of memory");
	sim->b->steps = &the_step;
	sim->b->nsteps = 1;
	check_begin();
	msg_open(&w, M_CONFIG);
	memset(config, 7, sizeof(config));
	msg_put_raw(&w, config, sizeof(config));
	msg_put_u8(&w, 0);
	msg_put_u8(&w, 0);
	msg_put_str(&w, "sim.example/log");
	msg_put_str(&w, "");
	msg_put_blob(&w, "", 0);
	msg_put_u32(&w, 600);
	msg_put_u32(&w, 0);
	msg_put_u32(&w, 0);
	msg_put_u8(&w, 0);
	world_parent(&w, -1);
	send_source("TAPPASS_VAULT_KEY", FD_VAULT, strlen(VAULT));
	for (i = 0; i < NPROVIDERS; i++)
		send_credential((int)i);
	send_policy(sim->policy, 1);
	if (ledger_alive())
		(void)later(sim->now + pause_ns(), EV_LEDGER_PEER, 0, 0, NULL,
		    0);
	for (i = 0; i < NWORKERS; i++)
		if (sim->wk[i].alive)
			(void)later(sim->now + pause_ns(), EV_LINKUP, i,
			    sim->wk[i].inst, NULL, 0);
}

void
parent_kill_broker(void)
{
	uint32_t	 i;

	if (sim->b == NULL)
		return;
	fault(F_BROKER_KILLED);
	if (sim->b->batch.outstanding)
		fault(F_KILLED_OUTSTANDING);
	broker_free(sim->b);
	sim->b = NULL;
	for (i = 1; i <= sim->nconns; i++) {
		if (!sim->conn[i].used || !sim->conn[i].bopen)
			continue;
		/* what is in the link may get there or not */
		if (sim->conn[i].kind == FROM_LEDGER && often(50)) {
			sim->conn[i].popen = 0;
			ledger_gone();
		}
		conn_drop(i);
	}
	(void)later(sim->now + pause_ns() + NS_MS, EV_BROKER_BOOT, 0, 0, NULL,
	    0);
}

void
parent_down(const struct out *it, const uint8_t *p)
{
	struct msgr	 m;
	uint16_t	 provider;

	if (it->type == M_REOPEN)
		(void)later(sim->now + pause_ns() + (often(80) ? 0 :
		    chance(3000) * NS_MS), EV_REOPEN, sim->life, 0, p,
		    it->len);
	if (it->type != M_SPAWN)
		return;
	msg_read(&m, it->type, p, it->len);
	(void)msg_get_u8(&m);
	provider = msg_get_u16(&m);
	(void)later(sim->now + pause_ns(), EV_EGRESS_SPAWN, provider,
	    sim->life, NULL, 0);
}

/* ---- the administrator --------------------------------------------------- */
static void
control(void)
{
	struct msgw	 w;

	sim->control = conn_new(FROM_CONTROL, 0);
	msg_open(&w, M_CONTROL);
	msg_put_u32(&w, 0);
	msg_put_u8(&w, 1);
	world_parent(&w, (int)(FD_BASE + sim->control));
}

static void
key_create(int i)
{
	static const char	*const agents[] = { "alpha", "beta", "gamma" };
	struct msgw		 w;

	msg_open(&w, M_ADMIN_KEY_CREATE);
	msg_put_u32(&w, (uint32_t)i);
	msg_put_str(&w, "");
	msg_put_str(&w, "");
	msg_put_str(&w, agents[i % 3]);
	msg_put_str(&w, "a@b");
	msg_put_str(&w, "");
	msg_put_u32(&w, 0);
	msg_put_u64(&w, sim->expires[i]);
	msg_put_u8(&w, 1);
	msg_put_str(&w, "");
	msg_put_str(&w, "");
	conn_send(sim->control, &w);
}

void
parent_control_down(struct ev *e)
{
	struct msgr	 m;
	uint32_t	 cookie;
	uint16_t	 status, n;
	uint8_t		 more;
	char		 code[64], text[256];

	msg_read(&m, e->type, e->data, e->len);
	if (e->type != M_ANSWER)
		return;
	cookie = msg_get_u32(&m);
	status = msg_get_u16(&m);
	more = msg_get_u8(&m);
	n = msg_get_u16(&m);
	trace("answer %u: %u", cookie, status);
	if (status >= 400 && n == 2) {
		msg_get_str(&m, code, sizeof(code));
		msg_get_str(&m, text, sizeof(text));
		if (sim->seed == 0)
			finding("genesis: answer %u: %s: %s", status, code,
			    text);
	}
	if (sim->seed == 0 && more && n > 2) {
		msg_get_str(&m, sim->token[cookie], TOKEN_SIZE);
		if (token_public_id(sim->token[cookie],
		    strlen(sim->token[cookie]), sim->key[cookie], NULL) == -1)
			finding("genesis: no key");
		answers++;
	}
	if (cookie >= 100 && more && status < 300)
		check_key_dead((int)cookie - 100);
}

static void
revoke_admin(void)
{
	struct msgw	 w;
	uint32_t	 k;

	if (sim->b == NULL)
		return;
	fault(F_REVOKE_ADMIN);
	if (sim->control == 0)
		control();
	k = chance(NKEYS);
	msg_open(&w, M_ADMIN_KEY_REVOKE);
	msg_put_u32(&w, 100 + k);
	msg_put_str(&w, "");
	msg_put_str(&w, "");
	msg_put_str(&w, "");
	msg_put_str(&w, sim->key[k]);
	conn_send(sim->control, &w);
	if (often(30)) {
		conn_lost(sim->control);
		sim->control = 0;
	}
}

static void
revoke(enum call_match how, const char *what)
{
	struct broker	*b;

	b = sim->b;
	check_before(FROM_MAX, 0, 0, NULL);
	b->now = sim->now;
	b->wall = sim->wall;
	(void)call_revoke(b, how, what, often(50) ? CUT_REVOKED :
	    CUT_EXPIRED, sim->o);
	world_tick();
}

/* Quarantine of a worker, an agent, a key: whatever the disk does. */
static void
revoke_direct(void)
{
	static const char	*const agents[] = { "alpha", "beta", "gamma" };
	struct broker		*b;
	char			 no[8];
	uint32_t		 k;

	b = sim->b;
	if (b == NULL || b->recover.phase != RC_DONE)
		return;
	fault(F_REVOKE_DIRECT);
	k = chance(3);
	snprintf(no, sizeof(no), "%u", sim->wk[HOSTILE].conn == 0 ||
	    often(30) ? 0 : sim->conn[sim->wk[HOSTILE].conn].index);
	revoke(k == 0 ? MATCH_WORKER : k == 1 ? MATCH_AGENT : MATCH_KEY,
	    k == 0 ? no : k == 1 ? agents[chance(3)] :
	    sim->key[chance(NKEYS)]);
}

/* ---- a seed -------------------------------------------------------------- */
void
parent_closing(void)
{
	struct msgw	 w;

	if (sim->b == NULL)
		return;
	sim->closing = 1;
	msg_open(&w, M_CLOSING);
	world_parent(&w, -1);
}

/* That source was read again; "" all of them. */
static void
reopened(const char *name)
{
	struct msgw	 w;

	fault(F_REOPENED);
	msg_open(&w, M_REOPENED);
	msg_put_str(&w, name);
	world_parent(&w, -1);
}

/* The broker wants a source read again: it may have changed, or be gone. */
void
parent_reopen(struct ev *e)
{
	struct msgr	 m;
	char		 name[64];
	int		 i;

	if (sim->b == NULL || e->a != sim->life)
		return;
	msg_read(&m, M_REOPEN, e->data, e->len);
	msg_get_str(&m, name, sizeof(name));
	for (i = 0; i < NPROVIDERS; i++) {
		if (strcmp(providers[i].key, name) != 0)
			continue;
		if (often(60))
			new_credential(i);
		send_credential(i);
	}
	reopened(name);
}

/* A provider with a credential; rather one whose record is being written. */
static int
pick_source(void)
{
	const struct call	*c;
	uint32_t		 i;

	for (i = 0; sim->b != NULL && often(70) && i < sim->b->high; i++) {
		c = &sim->b->calls[i];
		if (c->state == CS_COMMITTING && c->ask.provider > 0 &&
		    c->ask.provider < NPROVIDERS && often(50))
			return c->ask.provider - 1;
	}
	return (int)chance(NPROVIDERS - 1);
}

static void
sources_act(void)
{
	int	 i;

	i = pick_source();
	if (sim->cred[i][0] != '\0' && often(50)) {
		fault(F_CRED_GONE);
		sim->cred[i][0] = '\0';
	} else {
		fault(F_CRED_ROTATED);
		new_credential(i);
	}
	if (sim->b != NULL)
		send_credential(i);
}

/* The hostile worker's call in that state, with a provider that needs a key. */
static const struct call *
hostile_in(enum call_state state)
{
	const struct call	*c;
	const struct wk		*w;
	uint32_t		 i;

	w = &sim->wk[HOSTILE];
	if (sim->b == NULL || !w->alive || w->conn == 0)
		return NULL;
	for (i = 0; i < sim->b->high; i++) {
		c = &sim->b->calls[i];
		if (c->state == state && c->ask.provider > 0 &&
		    c->ask.provider < NPROVIDERS &&
		    c->worker == sim->conn[w->conn].index)
			return c;
	}
	return NULL;
}

/* A call waits for its credential: anything may happen to it now. */
static void
happens(const struct call *c)
{
	char	 no[8];

	switch (chance(17)) {
	case 0:
		fault(F_EGRESS_DIES);
		egress_kill(world_peer(FROM_EGRESS, c->egress));
		break;
	case 1:
		fault(F_WORKER_DIES);
		worker_kill(HOSTILE);
		break;
	case 2:
		fault(F_REVOKE_DIRECT);
		snprintf(no, sizeof(no), "%u", c->worker);
		revoke(MATCH_WORKER, no);
		break;
	case 3:
		if (sim->cred[c->ask.provider - 1][0] == '\0') {
			fault(F_CRED_ROTATED);
			new_credential(c->ask.provider - 1);
			send_credential(c->ask.provider - 1);
		}
		break;
	case 4:
	case 5:
	case 6:
		egress_stray();
		break;
	case 7:
		reopened("");
		break;
	default:
		hostile_poke(&sim->wk[HOSTILE]);
	}
}

/*
 * The credential goes between the record and COMMITTED; what then waits for
 * it gets everything that can happen, a little later each.
 */
void
parent_starve(uint32_t left)
{
	const struct call	*c;

	if (left == 0 || sim->draining || sim->b == NULL)
		return;
	if ((c = hostile_in(CS_WAITCRED)) != NULL)
		happens(c);
	else if ((c = hostile_in(CS_COMMITTING)) != NULL &&
	    sim->cred[c->ask.provider - 1][0] != '\0') {
		fault(F_CRED_GONE);
		sim->cred[c->ask.provider - 1][0] = '\0';
		send_credential(c->ask.provider - 1);
	}
	(void)later(sim->now + (often(80) ? chance(1500) * 1000ULL :
	    chance(200) * NS_MS), EV_STARVE, left - 1, 0, NULL, 0);
}

void
parent_act(void)
{
	uint32_t	 r;

	r = chance(1012);
	if (r < 620)
		worker_act(chance(HOSTILE));
	else if (r < 860)
		worker_act(HOSTILE);
	else if (r < 905)
		kill_process();
	else if (r < 925)
		kill_slink();
	else if (r < 933)
		revoke_admin();
	else if (r < 943)
		revoke_direct();
	else if (r < 973)
		sources_act();
	else if (r < 979) {
		fault(F_POLICY_NEW);
		sim->policy = !sim->policy;
		if (sim->b != NULL)
			send_policy(sim->policy, 0);
	} else if (r < 983) {
		fault(F_CLOCK_BACK);
		sim->back += chance(5000);
	} else if (r < 987 && sim->actions < 40) {
		fault(F_CLOSING);
		parent_closing();
	} else if (r < 991)
		egress_stray();
	else if (sim->wk[HOSTILE].alive && sim->wk[HOSTILE].conn != 0) {
		hostile_silent(&sim->wk[HOSTILE]);
		parent_starve(14);
	}
}

static void
start(void)
{
	uint32_t	 i;

	ledger_start();
	parent_boot();
	for (i = 0; i < NWORKERS; i++)
		(void)later(sim->now, EV_WORKER_SPAWN, i, 0, NULL, 0);
}

void
parent_begin(void)
{
	int	 i;

	for (i = 0; i < NPROVIDERS; i++)
		if (providers[i].auth != AUTH_NONE)
			new_credential(i);
	start();
}

/* The first run: keys with and without a near end; a clean shutdown. */
void
parent_genesis(void)
{
	int	 i;

	make_blob(0);
	make_blob(1);
	disk_reset();
	ledger_start();
	parent_boot();
	sim->draining = 1;
	world_run();
	control();
	for (i = 0; i < NKEYS; i++) {
		sim->expires[i] = SIM_WALL + (i == 3 ? 15000 : i == 4 ?
		    45000 : 30 * KEY_DAY_MS);
		key_create(i);
	}
	world_run();
	if (answers != NKEYS)
		finding("genesis: %d keys", answers);
	parent_closing();
	world_run();
	if (!sim->b->finished)
		finding("genesis: it does not end");
	broker_free(sim->b);
	sim->b = NULL;
	world_clear();
	disk_genesis_save();
}
