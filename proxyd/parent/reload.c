/* SPDX-License-Identifier: ISC */
/*
 * From one configuration to the next.  A new proxyd.conf counts when it parses,
 * its sockets can be bound, and tlskey has read its keys and found that they fit
 * the certificates; until then, and otherwise, what is running stays.
 */
#include <stdlib.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "proxyd/parent/proxyd.h"

#define EXIT_CONFIG	78
#define JUDGE		(10 * NS_S)

static void
judge(struct proxyd *p, const struct pconf *c)
{
	certificate_send(p, c);
	p->judge_until = poll_now() + JUDGE;
}

/* Start: keybrokerd serves and the keys, if any, are good. */
static void
serve(struct proxyd *p)
{
	p->ready = 1;
	if (!p->bound && slot_bind(p) == -1)
		p->exitcode = 1;
}

void
reload_first(struct proxyd *p)
{
	if (certificate_used(&p->conf))
		judge(p, &p->conf);
	else
		serve(p);
}

static void
refuse(struct proxyd *p)
{
	log_warnx("proxyd.conf was not read again, see above; what is running "
	    "stays");
	if (p->next != NULL)
		certificate_close(p->next);
	free(p->next);
	p->next = NULL;
}

static void
commit(struct proxyd *p)
{
	if (slot_rebind(p, p->next) == -1) {
		refuse(p);
		return;
	}
	certificate_close(&p->conf);
	p->conf = *p->next;
	free(p->next);
	p->next = NULL;
	generation_reload(p);
}

/* SIGHUP.  One that comes while the last is judged takes its place. */
void
reload_start(struct proxyd *p)
{
	if (p->next != NULL)
		certificate_close(p->next);
	free(p->next);
	if ((p->next = malloc(sizeof(*p->next))) == NULL)
		fatal("reload");
	if (pconf_load(p->next, &p->args) == -1)
		refuse(p);
	else if (certificate_used(p->next) || certificate_used(&p->conf))
		judge(p, p->next);
	else
		commit(p);
	(void)msg_sendv(&p->key, M_KP_RELOAD, NULL, 0, -1);
}

static void
bad_start(struct proxyd *p, int code)
{
	p->exitcode = code;
	p->judge_until = 0;
}

/* tlskey has judged a round, or another life of it has the current one. */
void
reload_verdict(struct proxyd *p, struct msgr *m)
{
	uint32_t	 no;
	uint8_t		 ok;
	char		 text[REASON_MAX];

	no = msg_get_u32(m);
	ok = msg_get_u8(m);
	msg_get_str(m, text, sizeof(text));
	if (msg_end(m) == -1)
		fatalx("malformed KP_TLSREADY");
	if (p->judge_until != 0 && no == p->round) {
		p->judge_until = 0;
		if (!ok)
			log_warnx("tls: %s", text);
		if (!p->ready) {
			if (ok)
				serve(p);
			else
				bad_start(p, EXIT_CONFIG);
		} else if (p->next != NULL) {
			if (ok)
				commit(p);
			else
				refuse(p);
		}
	} else if (ok)
		generation_tlslinks(p);
}

/* No verdict: tlskey is not there, or does not come up. */
void
reload_late(struct proxyd *p, uint64_t now)
{
	if (p->judge_until == 0 || now < p->judge_until)
		return;
	p->judge_until = 0;
	log_warnx("tlskey did not take the listeners' keys in 10 s");
	if (!p->ready)
		bad_start(p, 1);
	else
		refuse(p);
}
