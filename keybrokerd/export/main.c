/* SPDX-License-Identifier: ISC */
/* export: lifecycle and loop; see export.h for what it believes. */
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "common/proc/role.h"
#include "keybrokerd/export/export.h"

static struct msglink	 channel, broker;
static struct pollset	*polls;
static struct shelf	 shelf;
static struct walk	 walk;
static int		 stopping;

static int
from_broker(void *arg, struct msgr *m, int fd)
{
	int	 r;

	(void)arg;
	if (permit_check(m->type, PL_BX, PD_DOWN, 0, m->len, fd != -1) == -1)
		fatalx("%s from the broker", permit_name(m->type));
	r = m->type == M_QUERY ? query_run(&shelf, m, &broker) :
	    walk_check(&walk, m);
	if (r == -1)
		fatalx("malformed %s", permit_name(m->type));
	return broker.dead ? -1 : 0;
}

/* It is the broker's: without it there is nobody to answer. */
static void
on_broker(void *arg, int fd, short revents)
{
	(void)arg;
	(void)revents;
	if (msglink_read(&broker, 4, from_broker, NULL) != -1)
		return;
	poll_del(polls, fd);
	msglink_close(&broker);
	broker.fd = -1;
	walk_reset(&walk);
}

static void
peer(struct msgr *m, int fd)
{
	uint8_t	 role;

	role = msg_get_u8(m);
	(void)msg_get_u16(m);
	(void)msg_get_u32(m);
	if (msg_end(m) == -1 || role != ROLE_BROKER || fd == -1)
		fatalx("malformed PEER");
	if (broker.fd != -1) {
		poll_del(polls, broker.fd);
		msglink_close(&broker);
		walk_reset(&walk);
	}
	msglink_init(&broker, fd, EXPORT_QUEUE);
	if (poll_add(polls, fd, POLLIN, on_broker, NULL) == -1)
		fatal("poll");
}

static int
from_parent(void *arg, struct msgr *m, int fd)
{
	(void)arg;
	if (permit_check(m->type, PL_PR, PD_DOWN, 0, m->len, fd != -1) == -1)
		fatalx("%s from the parent", permit_name(m->type));
	switch (m->type) {
	case M_PEER:
		peer(m, fd);
		break;
	case M_EXIT:
		stopping = 1;
		break;
	default:
		fatalx("%s is not for export", permit_name(m->type));
	}
	return 0;
}

static void
on_channel(void *arg, int fd, short revents)
{
	(void)arg;
	(void)fd;
	(void)revents;
	if (msglink_read(&channel, 4, from_parent, NULL) == -1)
		stopping = 1;
}

/* What waits for the broker, and whether more does. */
static void
push(void)
{
	int	 r;

	if (broker.fd == -1 || broker.dead)
		return;
	r = msglink_flush(&broker);
	poll_events(polls, broker.fd, (short)(POLLIN |
	    (r == 1 ? POLLOUT : 0)));
}

int
main(void)
{
	struct role_exec	 ex;
	struct sandbox		 sb;
	struct sandbox_path	 path;
	char			 missing[256];
	uint32_t		 bits;
	uint64_t		 wake;

	role_load("export", &ex);
	if (sodium_init() == -1)
		fatalx("libsodium");
	broker.fd = -1;
	polls = poll_new(4);
	shelf_init(&shelf, ROLE_FD_EXTRA);
	walk_init(&walk, ROLE_FD_EXTRA);
	export_sandbox(&sb, &path, ROLE_FD_EXTRA);
	role_confine(&ex, &sb, missing, sizeof(missing), &bits);
	role_ready(&channel, bits, missing);
	if (poll_add(polls, channel.fd, POLLIN, on_channel, NULL) == -1)
		fatal("poll");
	wake = UINT64_MAX;
	while (!stopping) {
		if (poll_turn(polls, wake) == -1)
			fatal("poll");
		wake = walk_turn(&walk, poll_now(), &broker);
		push();
	}
	return 0;
}
