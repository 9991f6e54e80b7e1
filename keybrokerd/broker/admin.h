/* SPDX-License-Identifier: ISC */
/*
 * Administration inside the broker, between admin.c (who may, dispatch, first
 * run), admin_agent.c and admin_key.c (agents and keys), admin_audit.c (what
 * the log says), admin_fleet.c (how agents and workers fare), admin_status.c
 * and admin_answer.c.  The entry points for the others are in broker.h.
 */
#ifndef KEYBROKERD_BROKER_ADMIN_H
#define KEYBROKERD_BROKER_ADMIN_H

#include "keybrokerd/broker/broker.h"
#include "keybrokerd/broker/role.h"

#define ADMIN_FIELDS	17		/* most strings in a row */
#define ADMIN_FIELD	1024		/* a text of a request, with NUL */
#define ADMIN_REFUSED	16		/* generations in quarantine */
#define ADMIN_LIST	(192 * 1024)	/* bytes of rows in one answer */
#define ADMIN_DEFAULT	"default"	/* the agent of a first run */
#define ADMIN_FIRST_DAYS 30

#define ADMIN_PROBES	4

/* A secret test that is under way (admin_secret.c). */
struct probe {
	uint8_t			 used, staged;
	uint8_t			 id[CALL_ID];	/* of its call */
	struct broker_from	 to;
	uint32_t		 gen, cookie;
	char			 name[CREDENTIAL_NAME];
	char			 actor[64];
};

/* What is asked of the log; "" and 0: all. */
/* What export says of the intent that an entry follows. */
struct audit_intent {
	char		 key[32];	/* public id, "" none */
	const uint8_t	*session;	/* AUDIT_SESSION bytes, or NULL */
};

struct audit_filter {
	char		 agent[ADMIN_FIELD], type[ADMIN_FIELD];
	char		 action[ADMIN_FIELD];
	uint64_t	 since;		/* wall ms */
	uint64_t	 from;		/* the lowest index that is wanted */
	uint8_t		 oldest;	/* first */
	uint8_t		 bysession, session[AUDIT_SESSION];
	uint8_t		 none;		/* a task: no entry fits */
};

#define TRAIL_ASKS	8

/* A look at the log that waits for the role export (trail.c). */
struct trail_ask {
	uint8_t			 used, full;
	uint32_t		 no;		/* of its QUERY or CHECK; 0 */
	struct broker_from	 to;
	uint32_t		 gen, cookie;
	uint16_t		 type;
	enum role_right		 right;
	char			 key[16];	/* who asks; "" no key */
	struct audit_filter	 f;
	uint32_t		 limit, n;	/* rows; 0: all that fit */
	size_t			 bytes;
	uint64_t		 at;		/* see admin_audit.c */
	uint64_t		 first, end;	/* the QUERY's range */
	uint64_t		 scanned, deadline;
};

/* What export found when it verified the exported log last. */
struct trail_verdict {
	uint8_t			 known, fault;
	uint64_t		 size, bad, begun, ended;	/* wall ms */
	uint8_t			 root[32];
	char			 why[256];
};

struct admin {
	struct secret	*fresh;		/* admin key made here, not shown */
	int		 fixed;		/* the environment says the admin key */
	uint64_t	 requests, denied;
	uint64_t	 ends;		/* wall ms: the next grace is over */
	uint64_t	 started;	/* wall ms: counting began */
	uint32_t	 refused[ADMIN_REFUSED];	/* worker generations */
	unsigned int	 nrefused;
	const struct agent *fleet[KEY_AGENTS];	/* for sorting */
	struct probe	 probes[ADMIN_PROBES];
	uint64_t	 probe_no;
	struct trail_ask trail[TRAIL_ASKS];
	uint32_t	 trail_no;
	uint8_t		 check_sent;	/* to this export */
	struct trail_verdict verdict;
	uint64_t	 floor;		/* entries once found in order */
};

/* One request, while it is handled. */
struct admin_ask {
	struct broker		*b;
	const struct broker_from *from;	/* NULL: the gateway itself */
	struct outbox		*o;
	struct msgr		*m;
	uint32_t		 cookie;
	struct authn_who	 who;	/* role: always set */
	enum role_right		 right;
	char			 actor[64];
	char			 source[65];	/* a worker's claim */
};

/* Which rows of a list: as many as limit (0: all that fit) after cursor. */
struct admin_page {
	uint32_t	 limit;
	uint64_t	 cursor;
};

/* One row of a list, and room for what is not a string yet. */
struct admin_line {
	const char	*f[ADMIN_FIELDS];
	size_t		 n;
	char		 t[ADMIN_FIELDS][72];
};

/* The row behind *at, which moves; 0 at the end. */
typedef int (*admin_next)(struct admin_ask *, const void *arg, uint64_t *at,
    struct admin_line *);

/* A change, for its entry; NULL and 0 are left out. */
struct admin_change {
	enum entry_type	 type;		/* ET_KEY_..., or ET_ADMIN and what */
	const char	*what;		/* "agent.create" */
	const char	*kind, *id, *owner, *reason;
	uint8_t		 role;
	uint64_t	 expires;	/* wall ms */
};

/* admin.c */
/* The message ended well?  Else ERROR to the peer, and 0. */
int		 admin_parsed(struct admin_ask *);
uint64_t	 admin_entry(struct admin_ask *, const struct admin_change *);
/* The entry of a refusal (at most 10/s of a caller), and the answer. */
void		 admin_deny(struct admin_ask *, const char *code,
		    const char *fmt, ...)
		    __attribute__((format(printf, 3, 4)));

/* admin_answer.c: ANSWER rows, now or at COMMITTED; f has n strings */
void		 admin_fail(struct admin_ask *, uint16_t status,
		    const char *code, const char *fmt, ...)
		    __attribute__((format(printf, 4, 5)));
/* The same at COMMITTED: part of what was asked for is done. */
void		 admin_fail_then(struct admin_ask *, uint16_t status,
		    const char *code, const char *fmt, ...)
		    __attribute__((format(printf, 4, 5)));
void		 admin_row(struct admin_ask *, uint16_t status,
		    const char *const *f, size_t n);
void		 admin_end(struct admin_ask *, uint16_t status);
/* The row and the end; secret: wiped wherever it was.  -1: no slot, nothing
 * was queued. */
int		 admin_then(struct admin_ask *, uint16_t status,
		    const char *const *f, size_t n, int secret);

/* After the rows of a page: its cursor, and total ("" if SIZE_MAX). */
void		 admin_page_end(struct admin_ask *, const char *cursor,
		    size_t total);
/* What a row takes in an answer. */
size_t		 admin_line_bytes(const struct admin_line *);
/* Rows of one page, then cursor and total ("" if SIZE_MAX). */
void		 admin_list(struct admin_ask *, const struct admin_page *,
		    admin_next, const void *arg, size_t total);
/* f[i] of the line is text in its own room. */
void		 admin_set(struct admin_line *, size_t i, const char *fmt, ...)
		    __attribute__((format(printf, 3, 4)));

/* admin_agent.c */
void		 admin_me(struct admin_ask *);
void		 admin_agent_create(struct admin_ask *);
void		 admin_agent_list(struct admin_ask *);
void		 admin_agent_delete(struct admin_ask *);
void		 admin_agent_edit(struct admin_ask *);
/* The agent, made if it is not there; NULL: errno. */
struct agent	*admin_agent(struct admin_ask *, const char *id, int *made);
/* One that the caller may look at; NULL: answered by 404. */
struct agent	*admin_agent_seen(struct admin_ask *, const char *id);
int		 admin_agent_ok(struct admin_ask *, const char *id);
int		 admin_scope_ok(struct admin_ask *, const char *scope);
/* Why no row could be added. */
void		 admin_fail_errno(struct admin_ask *);
int		 admin_sees(const struct admin_ask *, const struct agent *);
int		 admin_owns(const struct admin_ask *, const struct agent *);

/* admin_key.c */
/* What a new key shall be. */
struct admin_wish {
	struct agent	*agent;
	const char	*email, *name, *scope, *from;
	uint8_t		 role;
	uint64_t	 expires;	/* wall ms */
};
/* Row and entry of a new key; its token into token.  NULL: errno. */
struct key	*admin_key_make(struct admin_ask *, const struct admin_wish *,
		    char token[TOKEN_SIZE]);
void		 admin_key_create(struct admin_ask *);
void		 admin_key_list(struct admin_ask *);
void		 admin_key_revoke(struct admin_ask *);
void		 admin_key_rotate(struct admin_ask *);
void		 admin_first(struct admin_ask *);

/* admin_audit.c */
void		 admin_audit_list(struct admin_ask *);
void		 admin_audit_verify(struct admin_ask *);
/*
 * The line of an entry, good until the next call: 1, or 0: it does not fit the
 * filter, or the caller may not see it.  key: of its intent, if known already.
 */
int		 admin_audit_line(struct admin_ask *,
		    const struct audit_filter *, const uint8_t *, size_t,
		    const struct audit_intent *, struct admin_line *);

/* trail.c: answered from memory, or once export has answered */
void		 trail_list(struct admin_ask *, const struct audit_filter *,
		    const struct admin_page *);
void		 trail_verify(struct admin_ask *);

/* admin_fleet.c */
void		 admin_overview(struct admin_ask *);
void		 admin_spend(struct admin_ask *);
void		 admin_metrics(struct admin_ask *);
void		 admin_quarantine(struct admin_ask *);

/* admin_secret.c */
void		 admin_secret_list(struct admin_ask *);
void		 admin_secret_set(struct admin_ask *);
void		 admin_secret_test(struct admin_ask *);
void		 admin_secret_delete(struct admin_ask *);
/* Does a provider of the configuration use this variable? */
int		 admin_secret_claimed(struct broker *, const char *name);
/* The entry of a change of that secret; reason is no value. */
void		 admin_secret_entry(struct admin_ask *, const char *what,
		    const char *name, const char *reason);

/* admin_cold.c: values that no provider uses */
/* The request's own way of answering when the row is here. */
int		 admin_cold_ask(struct admin_ask *, enum cold_use,
		    const char *name);
/* Where a value of a name that no provider uses goes; answered. */
void		 admin_cold_set(struct admin_ask *, const char *name,
		    const uint8_t *, size_t);
int		 admin_cold_name(char out[VAULT_NAME], const char *name);

/* admin_import.c */
void		 admin_import(struct admin_ask *);

/* admin_status.c */
void		 admin_status(struct admin_ask *);

#endif
