/* SPDX-License-Identifier: ISC */
/*
 * Certificates and key files of the listeners, on their way from proxyd to
 * tlskey: descriptors, never bytes.  They are kept, so that a tlskey that died
 * gets them again.  A round is one configuration's set; tlskey judges it, and
 * what it refuses is dropped.  The last two good rounds are held, since workers
 * of the earlier one still finish handshakes.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "keybrokerd/parent/keybrokerd.h"

static void
round_clear(struct tlsround *r)
{
	unsigned int	 i;

	for (i = 0; i < CERTS_MAX && r->used; i++) {
		if (r->cert[i] != -1)
			close(r->cert[i]);
		if (r->key[i] != -1)
			close(r->key[i]);
	}
	memset(r, 0, sizeof(*r));
	for (i = 0; i < CERTS_MAX; i++)
		r->cert[i] = r->key[i] = -1;
}

/* The arriving round of that number. */
static struct tlsround *
arriving(struct keyd *k, uint32_t no)
{
	struct tlsround	*r;

	r = &k->tls.next;
	if (!r->used || r->no != no) {
		round_clear(r);
		r->used = 1;
		r->no = no;
	}
	return r;
}

static void
on_file(struct keyd *k, struct msgr *m, int fd)
{
	struct tlsround	*r;
	uint32_t	 no;
	uint8_t		 number;
	int		*at;

	no = msg_get_u32(m);
	number = msg_get_u8(m);
	if (msg_end(m) == -1 || fd == -1 || number == 0 || number > CERTS_MAX)
		fatalx("proxyd sent a malformed certificate");
	r = arriving(k, no);
	at = m->type == M_KP_CERT ? &r->cert[number - 1] : &r->key[number - 1];
	if (*at != -1)
		close(*at);
	*at = fd;
}

static void
send_file(struct kid *kid, uint16_t type, uint32_t no, uint8_t number, int fd)
{
	struct msgw	 w;
	int		 copy;

	if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		log_warn("certificate %u", number);
		return;
	}
	msg_open(&w, type);
	msg_put_u32(&w, no);
	msg_put_u8(&w, number);
	if (msg_send(&kid->channel, &w, copy) == -1)
		log_warn("certificate %u", number);
}

static void
send_round(struct kid *kid, const struct tlsround *r)
{
	struct msgw	 w;
	unsigned int	 i;

	if (!r->used || !r->whole)
		return;
	for (i = 0; i < CERTS_MAX; i++) {
		if (r->cert[i] == -1 || r->key[i] == -1)
			continue;
		send_file(kid, M_CERT, r->no, (uint8_t)(i + 1), r->cert[i]);
		send_file(kid, M_TLSKEY, r->no, (uint8_t)(i + 1), r->key[i]);
	}
	msg_open(&w, M_TLSDONE);
	msg_put_u32(&w, r->no);
	msg_put_u8(&w, r->n);
	if (msg_send(&kid->channel, &w, -1) == -1)
		log_warn("TLSDONE");
}

/* Whole: tlskey judges it, now or when it is up. */
static void
on_done(struct keyd *k, struct msgr *m)
{
	struct tlsround	*r;
	struct kid	*kid;
	uint32_t	 no;
	uint8_t		 n;

	no = msg_get_u32(m);
	n = msg_get_u8(m);
	if (msg_end(m) == -1)
		fatalx("proxyd sent a malformed TLSDONE");
	r = arriving(k, no);
	r->n = n;
	r->whole = 1;
	roles_want(k, ROLE_TLSKEY, 0);
	kid = roles_find(k, ROLE_TLSKEY, 0);
	if (kid != NULL && kid->up)
		send_round(kid, r);
}

/* A worker's link, if there is somebody at its other end. */
static void
on_link(struct keyd *k, struct msgr *m, int fd)
{
	struct kid	*kid;
	struct msgw	 w;
	uint32_t	 generation;
	uint16_t	 slot;

	slot = msg_get_u16(m);
	generation = msg_get_u32(m);
	if (msg_end(m) == -1 || fd == -1)
		fatalx("proxyd sent a malformed TLSLINK");
	kid = roles_find(k, ROLE_TLSKEY, 0);
	if (kid == NULL || !kid->up) {
		close(fd);
		return;
	}
	msg_open(&w, M_PEER);
	msg_put_u8(&w, ROLE_WORKER);
	msg_put_u16(&w, slot);
	msg_put_u32(&w, generation);
	if (msg_send(&kid->channel, &w, fd) == -1)
		log_warn("TLSLINK");
}

/* 1 if the message was one of these; fd is then taken care of. */
int
tlspair_proxyd(struct keyd *k, struct msgr *m, int fd)
{
	switch (m->type) {
	case M_KP_CERT:
	case M_KP_TLSKEY:
		on_file(k, m, fd);
		return 1;
	case M_KP_TLSDONE:
		on_done(k, m);
		return 1;
	case M_KP_TLSLINK:
		on_link(k, m, fd);
		return 1;
	}
	return 0;
}

void
tlspair_init(struct keyd *k)
{
	round_clear(&k->tls.good[0]);
	round_clear(&k->tls.good[1]);
	round_clear(&k->tls.next);
}

/* A tlskey is up: what it has to know, oldest first. */
void
tlspair_up(struct keyd *k, struct kid *kid)
{
	send_round(kid, &k->tls.good[1]);
	send_round(kid, &k->tls.good[0]);
	send_round(kid, &k->tls.next);
}

/*
 * tlskey's verdict.  For the arriving round: it is kept or dropped.  For the
 * current one: a new tlskey has it, workers get links.  proxyd hears of both.
 */
void
tlspair_ready(struct keyd *k, struct msgr *m)
{
	struct tlspair	*t;
	struct msgr	 all;
	uint32_t	 no;
	uint8_t		 ok;
	char		 text[REASON_MAX];

	all = *m;
	t = &k->tls;
	no = msg_get_u32(m);
	ok = msg_get_u8(m);
	msg_get_str(m, text, sizeof(text));
	if (msg_end(m) == -1) {
		log_warnx("tlskey: malformed TLSREADY");
		return;
	}
	if (t->next.used && t->next.no == no) {
		if (ok) {
			round_clear(&t->good[1]);
			t->good[1] = t->good[0];
			t->good[0] = t->next;
			t->next.used = 0;
		}
		round_clear(&t->next);
	} else if (!t->good[0].used || t->good[0].no != no)
		return;
	if (msg_sendv(&k->proxyd, M_KP_TLSREADY, all.p, all.len, -1) == -1)
		log_warn("TLSREADY");
}
