/* SPDX-License-Identifier: ISC */
/*
 * A broker between stand-ins, for its unit tests: a parent that sends what a
 * parent sends, a ledger in memory that verifies and keeps what a ledger
 * keeps, one worker, one egress.  Seeded randomness, a clock that the test
 * moves.
 */
#ifndef REGRESS_UNIT_CALL_RIG_H
#define REGRESS_UNIT_CALL_RIG_H

#include "keybrokerd/broker/broker.h"

#define RIG_NOW		(1000 * NS_S)
#define RIG_WALL	1700000000000ULL
#define RIG_PROVIDER	1		/* openai, key OPENAI_API_KEY */
#define RIG_OTHER	2		/* anthropic, no key */
#define RIG_LOCAL	3		/* a local server, no authentication */
#define RIG_CANARY	"sk-canary-0123456789abcdef"
#define RIG_ROWS	512
#define RIG_VALUE	4096		/* the tops of the epoch tree */

struct rig_row {
	uint8_t		 kind;
	size_t		 idlen, len;
	uint8_t		 id[64], val[RIG_VALUE];
};

struct rig_ledger {
	uint64_t	 batch;		/* of the run that arrived */
	uint8_t		 run[512 * 1024];
	size_t		 runlen;
	int		 complete;	/* a whole batch waits */
	/* committed */
	uint64_t	 last, size;
	struct tree	 tree;
	uint8_t		 root[32], leaf[32], note_hash[32];
	char		 note[4096];
	size_t		 notelen;
	uint8_t		 range[TREE_PACKED];
	size_t		 rangelen;
	size_t		 nrows;
	struct rig_row	 rows[RIG_ROWS];
	size_t		 entries;	/* in the last batch */
	/* a PAGE that waits for its answer */
	uint8_t		 page[512];
	size_t		 pagelen;
	size_t		 pages;		/* asked for so far */
	int		 nopage;	/* it does not answer them */
	/* types of all entries, in order */
	char		 types[4096][24];
};

struct rig {
	struct broker	*b;
	struct outbox	*o;
	struct rig_ledger led;
	uint64_t	 now, wall, no;
	uint64_t	 seed;
	uint16_t	 worker, egress;
	uint32_t	 link;		/* the last one that was made */
	char		 token[TOKEN_SIZE];
	char		 key[TOKEN_ID + 1];
	char		 openai[64];	/* value of OPENAI_API_KEY, "" none */
	char		 vault[64];	/* of TAPPASS_VAULT_KEY, "" none */
	char		 previous[64];	/* of TAPPASS_VAULT_KEY_PREVIOUS */
	char		 uri[128], dek[512];	/* of the KMS; "" none */
	uint32_t	 check, stale, start;	/* CONFIG's, seconds */
	uint8_t		*blob;
	size_t		 bloblen;
	size_t		 nout;		/* seen items below this */
	void		 (*seen)(struct rig *, const struct out *,
			    const uint8_t *payload);
	void		*arg;
};

/* An empty ledger and no broker yet; rig_broker, rig_hello follow. */
struct rig	*rig_begin(void);
/* A broker that has recovered on an empty log and committed that. */
struct rig	*rig_new(void);
/* The same on the ledger's state of an earlier life, not yet committed. */
void		 rig_restart(struct rig *);
void		 rig_free(struct rig *);
void		 rig_broker(struct rig *);	/* with parent's messages */
void		 rig_hello(struct rig *);	/* HELLO and DELTA */
/* One message into broker_step; its outbox goes to the ledger and to seen. */
void		 rig_send(struct rig *, enum from_kind, uint16_t index,
		    const struct msgw *, int fd);
void		 rig_lost(struct rig *, enum from_kind, uint16_t index);
void		 rig_tick(struct rig *, uint64_t ns);	/* clock on, tick */
void		 rig_flush(struct rig *);
/* The ledger commits what waits and says so; 0 if nothing waited. */
int		 rig_commit(struct rig *);
void		 rig_apply(struct rig *);	/* commits, says nothing */
void		 rig_settle(struct rig *);	/* until nothing waits */
/* The answer to the PAGE that waits, composed; 0: none waits. */
int		 rig_paged(struct rig *, struct msgw *);
void		 rig_committed(struct rig *, struct msgw *);	/* compose */
void		 rig_take(struct rig *);	/* transfer the outbox */
void		 rig_peers(struct rig *);	/* worker, egress, key */
void		 rig_make_link(struct rig *, uint16_t provider);
void		 rig_credential(struct rig *, const char *value);
/* Runs fn; the words of the fatal it ended by, "" if it did not. */
const char	*rig_fatal(struct rig *, void (*fn)(struct rig *));
/* A new ledger link, then HELLO. */
void		 rig_ledger_again(struct rig *);
/* A CALL of the rig's worker that is all right. */
void		 rig_ask(struct rig *, struct ask *);
void		 rig_put_call(struct msgw *, uint16_t type, const struct ask *);

#endif
