/* SPDX-License-Identifier: ISC */
/*
 * What the parent says: peers, secret sources, policy, configuration.  The
 * parent is trusted more than the broker, so a malformed message of it is
 * fatal; the bytes behind a descriptor that it passes unread are not its
 * word and are judged.
 */
#include <errno.h>
#include <string.h>

#include "common/log/log.h"
#include "common/text/sha256.h"
#include "keybrokerd/broker/vaultkey.h"

#define SOURCE_NAME	400	/* VARIABLE:PATH, with its NUL */

static void
well_formed(struct msgr *m)
{
	if (msg_end(m) == -1)
		fatalx("parent: malformed message %#x", m->type);
}

/* The row has a new link, carried by this step's descriptor. */
static void
adopt(struct peer *p, enum from_kind kind, uint16_t index, struct outbox *o)
{
	p->up = 1;
	p->gen++;
	p->errors = 0;
	outbox_act(o, OUT_ADOPT, kind, index);
}

/* ---- peers ------------------------------------------------------------- */
static void
lose(struct broker *b, enum from_kind kind, uint16_t index, struct outbox *o)
{
	struct broker_from	 from;

	memset(&from, 0, sizeof(from));
	from.kind = kind;
	from.index = index;
	from.lost = 1;
	if (!broker_peer(b, &from)->up)
		return;
	peers_lost(b, &from, o);
	outbox_act(o, OUT_CLOSE, kind, index);
}

static void
on_peer(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	struct egress	*e;
	uint32_t	 generation;
	uint16_t	 provider, index;
	uint8_t		 role;

	role = msg_get_u8(m);
	provider = msg_get_u16(m);
	generation = msg_get_u32(m);
	well_formed(m);
	if (role == ROLE_DIAL) {
		b->gate.dial = generation != 0;
		return;
	}
	if (fd == -1)
		fatalx("parent: PEER without a descriptor");
	if (role == ROLE_LEDGER) {
		lose(b, FROM_LEDGER, 0, o);
		adopt(&b->ledger, FROM_LEDGER, 0, o);
		b->ledger_heard = 0;
		return;
	}
	if (role == ROLE_KMS) {
		lose(b, FROM_KMS, 0, o);
		kmslink_peer(b, o);
		return;
	}
	if (role == ROLE_EXPORT) {
		lose(b, FROM_EXPORT, 0, o);
		adopt(&b->export, FROM_EXPORT, 0, o);
		return;
	}
	if (role != ROLE_EGRESS)
		fatalx("parent: PEER of role %u", role);
	e = peers_egress_row(b, provider);
	if (e == NULL) {
		log_warnx("no room for the egress of provider %u", provider);
		return;
	}
	index = (uint16_t)(e - b->egress);
	lose(b, FROM_EGRESS, index, o);
	e->asked = 1;
	adopt(&e->p, FROM_EGRESS, index, o);
}

static void
on_linkup(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	struct worker	*w;
	uint64_t	 start, age;
	uint32_t	 gen, generation, life;
	uint16_t	 i, slot;
	uint8_t		 class;

	slot = msg_get_u16(m);
	generation = msg_get_u32(m);
	class = msg_get_u8(m);
	start = msg_get_u64(m);
	life = msg_get_u32(m);
	well_formed(m);
	if (fd == -1 || class < CLASS_DATA || class > CLASS_BOTH)
		fatalx("parent: bad LINKUP");
	if (admin_refused(b, generation)) {
		log_warnx("worker %u, generation %u, is in quarantine", slot,
		    generation);
		return;
	}
	for (i = 0; i < WORKERS_MAX && b->workers[i].p.up; i++)
		;
	if (i == WORKERS_MAX) {
		log_warnx("no room for the worker of slot %u", slot);
		return;
	}
	w = &b->workers[i];
	gen = w->p.gen;
	memset(w, 0, sizeof(*w));
	w->p.gen = gen;
	w->slot = slot;
	w->generation = generation;
	w->class = class;
	w->start = start;
	w->life = life;
	age = b->wall > start ? (b->wall - start) * NS_MS : 0;
	w->start_ns = age < b->now ? b->now - age : 0;
	adopt(&w->p, FROM_WORKER, i, o);
}

static void
on_control(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	struct control	*c;
	uint32_t	 uid;
	uint16_t	 i;
	uint8_t		 admin;

	uid = msg_get_u32(m);
	admin = msg_get_u8(m);
	well_formed(m);
	if (fd == -1)
		fatalx("parent: CONTROL without a descriptor");
	for (i = 0; i < CONTROLS_MAX && b->control[i].p.up; i++)
		;
	if (i == CONTROLS_MAX) {
		log_warnx("too many control connections");
		return;
	}
	c = &b->control[i];
	c->uid = uid;
	c->admin = admin;
	adopt(&c->p, FROM_CONTROL, i, o);
}

/* ---- secret sources ---------------------------------------------------- */
/* A source that is one value: it goes straight into a secret. */
static int
take_value(struct broker *b, enum proto_source kind, const char *name, int fd,
    int map, uint64_t size, char *err, size_t errsize)
{
	struct secret	*s;
	ssize_t		 n;

	s = NULL;
	if (fd != -1) {
		if (size > SECRET_MAX || (s = secret_new((size_t)size)) ==
		    NULL) {
			strlcpy(err, "it is too long", errsize);
			return -1;
		}
		n = size == 0 ? 0 : b->env.source(b->env.arg, fd, map, 0,
		    secret_bytes(s), (size_t)size);
		if (n == -1 || secret_resize(s, (size_t)n) == -1) {
			secret_free(&s);
			strlcpy(err, "it cannot be read", errsize);
			return -1;
		}
	}
	return credential_set(b->creds, kind, name, &s, err, errsize);
}

/* A file that is one value. */
static int
take_held(struct broker *b, enum proto_source kind, const char *name, int fd,
    int map, uint64_t size, char *err, size_t errsize)
{
	struct secret	*s;
	ssize_t		 n;

	s = NULL;
	if (fd == -1)
		return credential_held(b->creds, kind, name, &s, err, errsize);
	n = -1;
	if (size <= CREDENTIAL_MAX + 1 && (s = secret_new(SECRET_MAX)) != NULL)
		n = b->env.source(b->env.arg, fd, map, 0, secret_bytes(s),
		    SECRET_MAX);
	if (n == -1 || secret_resize(s, (size_t)n) == -1) {
		strlcpy(err, size > CREDENTIAL_MAX + 1 ?
		    "it is longer than 3072 bytes; the value in use stays" :
		    "it cannot be read", errsize);
		secret_free(&s);
		return -1;
	}
	return credential_held(b->creds, kind, name, &s, err, errsize);
}

/* A file of variables, in pieces through one secret slot. */
static int
take_file(struct broker *b, enum proto_source kind, const char *name, int fd,
    int map, char *err, size_t errsize)
{
	struct secret	*s;
	uint64_t	 off;
	ssize_t		 n;

	if (fd == -1) {
		credential_file_gone(b->creds, name);
		return 0;
	}
	s = secret_new(SECRET_MAX);
	if (s == NULL || credential_file_open(b->creds, kind,
	    name) == -1) {
		secret_free(&s);
		strlcpy(err, "no memory", errsize);
		return -1;
	}
	off = 0;
	while (off <= CREDENTIAL_FILE && (n = b->env.source(b->env.arg, fd,
	    map, off, secret_bytes(s), SECRET_MAX)) > 0) {
		credential_file_feed(b->creds, secret_bytes(s), (size_t)n);
		off += (uint64_t)n;
	}
	secret_free(&s);
	return credential_file_end(b->creds, err, errsize);
}

/* A provider's value that is there and cannot serve is named, once a change. */
static void
explain_unusable(const struct broker *b, const char *source)
{
	struct policy_provider	 pr;
	const uint8_t		*p;
	char			 text[REASON_MAX];
	size_t			 i, len;
	enum credential_state	 c;

	for (i = 0; i < policy_nproviders(b->policies[b->policy]); i++) {
		policy_provider(b->policies[b->policy], i, &pr);
		if (pr.auth == AUTH_NONE || (source != NULL &&
		    strcmp(source, pr.key) != 0))
			continue;
		c = credential_find(b->creds, pr.key, &p, &len);
		if (c != CRED_TP && c != CRED_BAD)
			continue;
		credential_explain(b->creds, pr.key, text, sizeof(text));
		log_warnx("%s", text);
	}
}

/* Calls that wait for a credential, and egresses that can start now. */
void
parent_changed(struct broker *b, const char *source, struct outbox *o)
{
	struct policy_provider	 pr;
	size_t			 i;

	if (b->policy == -1)
		return;
	explain_unusable(b, source);
	peers_spawn(b, o);
	for (i = 0; i < policy_nproviders(b->policies[b->policy]); i++) {
		policy_provider(b->policies[b->policy], i, &pr);
		if (peers_has_key(b, &pr))
			call_credential(b, pr.id, 1, o);
	}
	admin_secret_changed(b);
}

/* Judged: the parent keeps the descriptor for the broker after this one. */
static void
taken(uint8_t kind, const char *name, int ok, struct outbox *o)
{
	struct msgw	 w;

	msg_open(&w, M_TAKEN);
	msg_put_u8(&w, kind);
	msg_put_str(&w, name);
	msg_put_u8(&w, (uint8_t)ok);
	outbox_send(o, FROM_PARENT, 0, &w);
}

/* One warning when something breaks, one line when it is mended. */
static void
judged(struct broker *b, uint8_t kind, const char *name, const char *err)
{
	if (!credential_trouble(b->creds, kind, name, *err == '\0' ? NULL :
	    err))
		return;
	if (*err == '\0')
		log_info("source %s is in order again", name);
	else
		log_warnx("source %s: %s", name, err);
}

static void
on_source(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	char		 name[SOURCE_NAME], err[CREDENTIAL_ERR];
	uint64_t	 size;
	uint8_t		 kind, mode;
	int		 rc, map;

	kind = msg_get_u8(m);
	mode = msg_get_u8(m);
	size = msg_get_u64(m);
	msg_get_str(m, name, sizeof(name));
	well_formed(m);
	map = mode == SRC_MAP;
	err[0] = '\0';
	if (kind == SRC_ENVFILE || kind == SRC_EXPORT)
		rc = take_file(b, kind, name, fd, map, err, sizeof(err));
	else if (kind == SRC_KEYFILE || kind == SRC_DIRFILE)
		rc = take_held(b, kind, name, fd, map, size, err,
		    sizeof(err));
	else {
		rc = take_value(b, kind, name, fd, map, size, err,
		    sizeof(err));
		if (rc == -1)
			log_warnx("source %s: %s", name, err);
		parent_changed(b, name, o);
		return;
	}
	judged(b, kind, name, err);
	if (fd != -1)
		taken(kind, name, rc == 0 && err[0] == '\0', o);
	parent_changed(b, NULL, o);
}

/* The parent could not open it: what was taken from it stays. */
static void
on_source_bad(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	char	 name[SOURCE_NAME], text[CREDENTIAL_ERR];
	uint8_t	 kind;

	(void)fd;
	kind = msg_get_u8(m);
	msg_get_str(m, name, sizeof(name));
	msg_get_str(m, text, sizeof(text));
	well_formed(m);
	judged(b, kind, name, text);
	if (kind == SRC_KMS_FILE)
		kmslink_refused(b, text, o);
}

static void
on_reopened(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	char	 name[CREDENTIAL_NAME];

	(void)fd;
	msg_get_str(m, name, sizeof(name));
	well_formed(m);
	attempt_reopened(b, name, o);
	vaultrotate_reopened(b, name, o);
}

/* ---- policy and the rest ----------------------------------------------- */
static int
policy_row(const struct broker *b)
{
	int	 i;

	for (i = 0; i < POLICIES_MAX; i++)
		if (b->policies[i] == NULL)
			return i;
	return -1;
}

static void
on_policy(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	struct policy	*p;
	const uint8_t	*bytes;
	uint8_t		 id[32], digest[32], first;
	size_t		 i, len;
	int		 row, old;

	msg_get_raw(m, id, sizeof(id));
	first = msg_get_u8(m);
	well_formed(m);
	row = policy_row(b);
	if (row == -1) {
		log_warnx("policy: calls of %d older ones are still open",
		    POLICIES_MAX);
		return;
	}
	p = fd == -1 ? NULL : b->env.policy(b->env.arg, fd);
	if (p == NULL) {
		if (first)
			fatalx("policy: cannot be loaded");
		log_warnx("policy: cannot be loaded, the old one stays");
		return;
	}
	bytes = policy_bytes(p, &len);
	sha256_buf(bytes, len, digest);
	if (memcmp(digest, id, sizeof(id)) != 0)
		fatalx("policy: its id is not its digest");
	old = b->policy;
	b->policies[row] = p;
	memcpy(b->policy_ids[row], id, sizeof(id));
	b->policy_refs[row] = 0;
	b->policy = row;
	if (b->booted)
		audit_policy(b, row);
	if (old != -1 && b->policy_refs[old] == 0) {
		policy_close(b->policies[old]);
		b->policies[old] = NULL;
	}
	for (i = 0; i < WORKERS_MAX; i++)
		b->workers[i].blob_sent = 0;
	explain_unusable(b, NULL);
	cold_claim(b);
	peers_spawn(b, o);
}

static void
on_roles(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	struct roles_section	*s;
	const uint8_t		*text;
	char			 name[32];
	size_t			 i, len;

	(void)fd;
	(void)o;
	msg_get_str(m, name, sizeof(name));
	text = msg_get_blob(m, 16000, &len);
	well_formed(m);
	for (i = 0; i < b->nsections; i++)
		if (strcmp(b->sections[i].name, name) == 0)
			break;
	if (i == ROLES_SECTIONS)
		return;
	if (i == b->nsections)
		b->nsections++;
	s = &b->sections[i];
	strlcpy(s->name, name, sizeof(s->name));
	if (len >= sizeof(s->text))
		len = sizeof(s->text) - 1;
	memcpy(s->text, text, len);
	s->text[len] = '\0';
}

static void
on_config(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	struct kms_config	*c;
	const uint8_t		*dek;

	(void)fd;
	(void)o;
	c = &b->kmsconf;
	msg_get_raw(m, b->config, sizeof(b->config));
	b->development = msg_get_u8(m);
	b->terminal = msg_get_u8(m);
	msg_get_str(m, b->origin, sizeof(b->origin));
	msg_get_str(m, c->uri, sizeof(c->uri));
	dek = msg_get_blob(m, sizeof(c->dek), &c->deklen);
	c->check = msg_get_u32(m);
	c->stale = msg_get_u32(m);
	c->start = msg_get_u32(m);
	c->init = msg_get_u8(m);
	well_formed(m);
	memcpy(c->dek, dek, c->deklen);
	b->configured = 1;
	if (b->booted)
		audit_config(b);
}

static void
on_closing(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	(void)fd;
	(void)o;
	well_formed(m);
	b->gate.closing = 1;
}

static void
on_exit_(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	(void)fd;
	(void)o;
	well_formed(m);
	b->finished = 1;
}

void
parent_message(struct broker *b, struct msgr *m, int fd, struct outbox *o)
{
	static const struct {
		uint16_t	 type;
		void		 (*fn)(struct broker *, struct msgr *, int,
				    struct outbox *);
	} table[] = {
		{ M_PEER, on_peer }, { M_SOURCE, on_source },
		{ M_SOURCE_BAD, on_source_bad }, { M_REOPENED, on_reopened },
		{ M_LINKUP, on_linkup }, { M_POLICY, on_policy },
		{ M_CONTROL, on_control }, { M_ROLES, on_roles },
		{ M_CONFIG, on_config }, { M_CLOSING, on_closing },
		{ M_EXIT, on_exit_ },
	};
	size_t	 i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].type == m->type) {
			table[i].fn(b, m, fd, o);
			recover_try(b, o);
			return;
		}
	fatalx("parent: message %#x", m->type);
}
