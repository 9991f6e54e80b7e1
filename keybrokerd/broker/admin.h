/* SPDX-License-Identifier: ISC */
/*
 * Administration inside the broker, between admin.c (who may, dispatch, first
 * run), admin_key.c (agents and keys), admin_status.c and admin_answer.c.  The
 * entry points for the others are in broker.h.
 */
#ifndef KEYBROKERD_BROKER_ADMIN_H
#define KEYBROKERD_BROKER_ADMIN_H

#include "keybrokerd/broker/broker.h"

#define ADMIN_FIELDS	8		/* most strings in a row */
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

struct admin {
	struct secret	*fresh;		/* admin key made here, not shown */
	int		 fixed;		/* the environment says the admin key */
	uint64_t	 deny_after;	/* boot ns: next admin.denied entry */
	uint64_t	 requests, denied;
	struct probe	 probes[ADMIN_PROBES];
	uint64_t	 probe_no;
};

/* One request, while it is handled. */
struct admin_ask {
	struct broker		*b;
	const struct broker_from *from;	/* NULL: the gateway itself */
	struct outbox		*o;
	struct msgr		*m;
	uint32_t		 cookie;
	struct authn_who	 who;	/* role: always set */
	char			 actor[64];
};

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

/* admin_answer.c: ANSWER rows, now or at COMMITTED; f has n strings */
void		 admin_fail(struct admin_ask *, uint16_t status,
		    const char *code, const char *fmt, ...)
		    __attribute__((format(printf, 4, 5)));
void		 admin_row(struct admin_ask *, uint16_t status,
		    const char *const *f, size_t n);
void		 admin_end(struct admin_ask *, uint16_t status);
/* The row and the end; secret: wiped wherever it was.  -1: no slot, nothing
 * was queued. */
int		 admin_then(struct admin_ask *, uint16_t status,
		    const char *const *f, size_t n, int secret);

/* admin_key.c */
void		 admin_agent_create(struct admin_ask *);
void		 admin_agent_list(struct admin_ask *);
void		 admin_key_create(struct admin_ask *);
void		 admin_key_list(struct admin_ask *);
void		 admin_key_revoke(struct admin_ask *);
void		 admin_first(struct admin_ask *);
/* The agent, made if it is not there; NULL: errno. */
struct agent	*admin_agent(struct admin_ask *, const char *id,
		    const char *description, int *made);

/* admin_secret.c */
void		 admin_secret_list(struct admin_ask *);
void		 admin_secret_set(struct admin_ask *);
void		 admin_secret_test(struct admin_ask *);
void		 admin_secret_delete(struct admin_ask *);

/* admin_status.c */
void		 admin_status(struct admin_ask *);

#endif
