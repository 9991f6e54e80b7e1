/* SPDX-License-Identifier: ISC */
/*
 * One exchange with the kms role at a time: SPAWN, its link (PEER), EXCHANGE,
 * RESULT.  The role lives for one exchange, so whatever ends it without RESULT
 * is "unavailable", and nothing here ever waits without a deadline.  The role
 * is believed about keys only as far as the caller can prove them; a malformed
 * RESULT is an answer too (KC_PROTOCOL), never fatal.
 */
#ifndef KEYBROKERD_BROKER_KMSLINK_H
#define KEYBROKERD_BROKER_KMSLINK_H

#include "keybrokerd/broker/broker.h"

#define KMSLINK_SPAWN	(15 * NS_S)	/* from SPAWN to its link */
#define KMSLINK_ASK	20000		/* ms that EXCHANGE gives it */
#define KMSLINK_WAIT	(35 * NS_S)	/* from its link to RESULT */

/* What is asked; kmslink_ask copies all of it. */
struct kms_ask {
	uint8_t		 op;		/* enum proto_kms_op */
	const char	*uri, *version;	/* version: FETCH; "" the newest */
	const uint8_t	*wrapped;	/* UNWRAP */
	size_t		 wrappedlen;
	const char	*deployment;	/* bound beside app and purpose; "" none */
	struct secret	*key;		/* WRAP, GENERATE: borrowed, 32 bytes */
};

struct kms_answer {
	enum proto_kms_class class;
	uint8_t		 flags;		/* KR_* */
	uint32_t	 wait;		/* ms, THROTTLED */
	char		 keyid[KMS_KEYID_MAX];
	const uint8_t	*wrapped;	/* a view for the time of the call */
	size_t		 wrappedlen;
	struct secret	*key;		/* 32 bytes or NULL; taken by who NULLs it */
	char		 text[REASON_MAX];	/* printable; never empty unless OK */
};

typedef void (*kmslink_fn)(struct broker *, struct kms_answer *,
    struct outbox *);

struct kmslink *kmslink_new(void);	/* NULL: ENOMEM */
void	 kmslink_free(struct kmslink *);
/* Is an exchange under way? */
int	 kmslink_busy(const struct kmslink *);
/*
 * Asks; fn is called once, never from inside this function.  0, or -1: busy, or
 * no secret slot.
 */
int	 kmslink_ask(struct broker *, const struct kms_ask *, kmslink_fn,
	    struct outbox *);
/* The role's link has come with this step's descriptor. */
void	 kmslink_peer(struct broker *, struct outbox *);
/* The parent says that it could not start the role. */
void	 kmslink_refused(struct broker *, const char *text, struct outbox *);
void	 kmslink_message(struct broker *, struct msgr *, struct outbox *);
void	 kmslink_lost(struct broker *, struct outbox *);
void	 kmslink_tick(struct broker *, struct outbox *);
uint64_t kmslink_due(const struct broker *);
struct peer *kmslink_peer_of(struct kmslink *);
/* "unavailable", for people and entries. */
const char *kmslink_class(enum proto_kms_class);

#endif
