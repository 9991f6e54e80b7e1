/* SPDX-License-Identifier: ISC */
/*
 * What the broker asks of its parent, what the two parents say to each other.
 * A LINKUP or CONTROL descriptor is passed on, never used here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "keybrokerd/parent/keybrokerd.h"
#include "keybrokerd/parent/watch.h"

void
message_policy(struct keyd *k, int first)
{
	struct kid	*broker;
	struct msgw	 w;
	int		 fd;

	broker = roles_find(k, ROLE_BROKER, 0);
	if (broker == NULL || broker->pid == 0)
		return;
	if ((fd = fcntl(k->blobfd, F_DUPFD_CLOEXEC, 3)) == -1) {
		log_warn("policy");
		return;
	}
	msg_open(&w, M_POLICY);
	msg_put_raw(&w, k->policy, sizeof(k->policy));
	msg_put_u8(&w, (uint8_t)first);
	if (msg_send(&broker->channel, &w, fd) == -1)
		log_warn("POLICY");
}

static void
on_spawn(struct keyd *k, struct msgr *m)
{
	uint16_t	 provider;
	uint8_t		 role;

	role = msg_get_u8(m);
	provider = msg_get_u16(m);
	if (msg_end(m) == 0 && role == ROLE_KMS && provider == 0 &&
	    k->kmsuri[0] != '\0') {
		kmsrole_spawn(k);
		return;
	}
	if (m->bad || role != ROLE_EGRESS || provider == 0 ||
	    provider > k->conf.nproviders) {
		log_warnx("SPAWN of an unknown role or provider");
		return;
	}
	/* An init makes a key and ends: nobody calls. */
	if (!k->init)
		roles_want(k, ROLE_EGRESS, provider);
}

static void
on_ask(struct keyd *k, struct msgr *m)
{
	struct msgw	 w;
	uint32_t	 generation;
	uint16_t	 slot;
	uint8_t		 what;

	what = msg_get_u8(m);
	msg_open(&w, M_KP_ASK);
	msg_put_u8(&w, what);
	if (what == 3 || what == 4) {
		slot = msg_get_u16(m);
		generation = msg_get_u32(m);
		msg_put_u16(&w, slot);
		msg_put_u32(&w, generation);
	}
	if (msg_end(m) == -1)
		return;
	/* proxyd leads: its listeners close first, the workers are its own. */
	if (msg_send(&k->proxyd, &w, -1) == -1)
		keyd_stop(k, 0);
}

/*
 * The broker serves: proxyd may open its listeners, or link its workers anew.
 * Once for each life of a broker; later news reach workers by READY.
 */
static void
on_serving(struct keyd *k, struct msgr *m)
{
	struct msgw	 w;
	char		 text[512];
	int		 i;

	if (k->ready)
		return;
	/* Composed anew: proxyd believes us, we do not believe the broker. */
	msg_open(&w, M_KP_READY);
	msg_put_u32(&w, roles_find(k, ROLE_BROKER, 0)->generation);
	msg_put_u8(&w, msg_get_u8(m));
	msg_put_u8(&w, msg_get_u8(m));
	for (i = 0; i < 4; i++) {
		(void)msg_get_str(m, text, i < 2 ? 80 : sizeof(text));
		msg_put_str(&w, m->bad ? "" : text);
	}
	if (msg_end(m) == -1) {
		log_warnx("malformed SERVING");
		return;
	}
	k->ready = 1;
	k->step = NULL;
	k->step_deadline = 0;
	if (k->init) {
		k->inited = 1;
		keyd_stop(k, 0);
	} else if (msg_send(&k->proxyd, &w, -1) == -1)
		log_warn("KP_READY");
}

/* The start waits for the KMS, or no longer does; proxyd tells systemd, and has
 * its workers say so. */
static void
on_waiting(struct keyd *k, struct msgr *m)
{
	struct msgw	 w;
	char		 text[REASON_MAX];
	uint8_t		 class;

	class = msg_get_u8(m);
	msg_get_str(m, text, sizeof(text));
	if (msg_end(m) == -1 || class >= KC_MAX) {
		log_warnx("malformed WAITING");
		return;
	}
	if (k->ready || strcmp(text, k->waiting) == 0)
		return;
	if (text[0] != '\0')
		log_warnx("the start waits for the KMS: %s", text);
	strlcpy(k->waiting, text, sizeof(k->waiting));
	if (k->init)
		return;
	msg_open(&w, M_KP_WAITING);
	msg_put_u32(&w, roles_find(k, ROLE_BROKER, 0)->generation);
	msg_put_u8(&w, class);
	msg_put_str(&w, text);
	if (msg_send(&k->proxyd, &w, -1) == -1)
		log_warn("KP_WAITING");
}

/* A wrapped key was made: wrapped, so it may be read and shown. */
static void
on_keymade(struct keyd *k, struct msgr *m)
{
	const uint8_t	*p;
	size_t		 len;

	p = msg_get_blob(m, sizeof(k->dek) - 1, &len);
	if (p == NULL || msg_end(m) == -1 || memchr(p, '\0', len) != NULL) {
		log_warnx("malformed KEYMADE");
		return;
	}
	memcpy(k->dek, p, len);
	k->dek[len] = '\0';
	k->keymade = 1;
	if (k->init) {
		k->inited = 1;
		keyd_stop(k, 0);
	}
}

/* A provider refused the value of this variable: is there another one? */
static void
on_reopen(struct keyd *k, struct msgr *m)
{
	char	 var[128];

	msg_get_str(m, var, sizeof(var));
	if (msg_end(m) == 0)
		watch_reopen(k, var);
}

int
message_broker(struct keyd *k, struct msgr *m)
{
	switch (m->type) {
	case M_SPAWN:
		on_spawn(k, m);
		break;
	case M_ASK:
		on_ask(k, m);
		break;
	case M_SERVING:
		on_serving(k, m);
		break;
	case M_WAITING:
		on_waiting(k, m);
		break;
	case M_KEYMADE:
		on_keymade(k, m);
		break;
	case M_REOPEN:
		on_reopen(k, m);
		break;
	case M_TAKEN:
		watch_taken(m);
		break;
	default:
		log_warnx("the broker may not send %s", permit_name(m->type));
	}
	return 0;
}

/* A worker's link: to the broker with its class, which only proxyd sets. */
static void
on_linkup(struct keyd *k, struct msgr *m, int fd)
{
	struct kid	*broker;

	broker = roles_find(k, ROLE_BROKER, 0);
	if (fd == -1 || broker == NULL || !broker->up) {
		if (fd != -1)
			close(fd);
		return;
	}
	if (msg_sendv(&broker->channel, M_LINKUP, m->p, m->len, fd) == -1)
		log_warn("LINKUP");
}

static void
on_status(struct keyd *k, struct msgr *m)
{
	const uint8_t	*p;
	size_t		 len;

	p = msg_get_blob(m, sizeof(k->proxyd_status) - 1, &len);
	if (p == NULL || msg_end(m) == -1)
		return;
	memcpy(k->proxyd_status, p, len);
	k->proxyd_status[len] = '\0';
	roles_status(k);
}

int
message_proxyd(void *arg, struct msgr *m, int fd)
{
	struct keyd	*k;

	k = arg;
	if (permit_check(m->type, PL_KP, PD_UP, 0, m->len, fd != -1) == -1)
		fatalx("proxyd sent an unexpected message %u", m->type);
	if (tlspair_proxyd(k, m, fd))
		return 0;
	switch (m->type) {
	case M_KP_LINKUP:
		on_linkup(k, m, fd);
		return 0;
	case M_KP_RELOAD:
		keyd_reload(k);
		break;
	case M_KP_STOP:
		keyd_stop(k, 0);
		break;
	case M_KP_STATUS:
		on_status(k, m);
		break;
	}
	if (fd != -1)
		close(fd);
	return 0;
}
