/* SPDX-License-Identifier: ISC */
/*
 * A second attempt with another credential, after the provider answered 401 and
 * its egress attested that (audit.md 7.7).  Which value, and whether, is
 * decided here; it is recorded by another intent before the value leaves.  At
 * most one second attempt a call, at most one reading of the sources a minute
 * and name, and a value that was refused in the last minute is not tried.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/text/text.h"
#include "keybrokerd/broker/broker.h"

/* Remembers; a refusal of the value in use is news. */
static void
remember(struct broker *b, const struct call *c)
{
	char	 hex[HEX_SIZE(8)];

	if (!credential_refused(b->creds, c->credential, c->fprint, b->now))
		return;
	hex_encode(hex, sizeof(hex), c->fprint, 8);
	log_warnx("%s: the provider refused the value in use (401), "
	    "fingerprint %s", c->credential, hex);
}

/* REOPEN to the parent, if it is due: 1; 2: one is under way; 0. */
static int
reread(struct broker *b, const char *name, struct outbox *o)
{
	struct msgw	 w;
	int		 r;

	r = credential_reread(b->creds, name, b->now);
	if (r != 1)
		return r;
	msg_open(&w, M_REOPEN);
	msg_put_str(&w, name);
	outbox_send(o, FROM_PARENT, 0, &w);
	return 1;
}

static int
possible(const struct call *c)
{
	return c->attempt == 1 && c->ask.kind != KIND_PROBE &&
	    c->credential[0] != '\0';
}

int
attempt_refused(struct broker *b, struct call *c, const struct done *d,
    struct outbox *o)
{
	const uint8_t	*p;
	size_t		 len;

	if (!possible(c) || d->status != 401)
		return -1;
	c->done = *d;
	remember(b, c);
	if (reread(b, c->credential, o) != 0)
		return 0;
	return credential_second(b->creds, c->credential, c->fprint, b->now,
	    &p, &len) == 0 ? 1 : -1;
}

void
attempt_note(struct broker *b, struct call *c, const struct done *d,
    struct outbox *o)
{
	if (d->end != END_AUTH || d->status != 401 ||
	    c->ask.kind == KIND_PROBE || c->credential[0] == '\0')
		return;
	remember(b, c);
	(void)reread(b, c->credential, o);
}

int
attempt_again(struct broker *b, struct call *c)
{
	struct decision	 d;
	const uint8_t	*p;
	size_t		 len;

	if (!possible(c) || credential_second(b->creds, c->credential,
	    c->fprint, b->now, &p, &len) == -1)
		return -1;
	memset(&d, 0, sizeof(d));
	if (policy_provider_id(b->policies[c->policy], c->ask.provider,
	    &d.provider) == -1 || policy_route_id(b->policies[c->policy],
	    c->ask.route, &d.route) == -1)
		return -1;
	/* What the egress attested of the first attempt is its outcome. */
	if (c->released != 0)
		c->here |= CH_DONE;
	audit_outcome(b, c);
	c->here = 0;
	memset(&c->done, 0, sizeof(c->done));
	c->released = 0;
	c->attempt = 2;
	audit_intent(b, c, &d);
	batch_then_call(b, c);
	b->count.second++;
	return 0;
}

void
attempt_reopened(struct broker *b, const char *name, struct outbox *o)
{
	struct call_arg	 arg;
	struct call	*c;
	uint32_t	 i;

	credential_reread_done(b->creds, name);
	memset(&arg, 0, sizeof(arg));
	arg.out = o;
	for (i = 0; i < b->high; i++) {
		c = &b->calls[i];
		if (c->state != CS_RELEASED || !c->refused ||
		    (name[0] != '\0' && strcmp(c->credential, name) != 0))
			continue;
		call_event(b, c, CE_REOPENED, &arg);
		batch_room(b);
	}
}
