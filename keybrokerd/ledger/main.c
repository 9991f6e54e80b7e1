/* SPDX-License-Identifier: ISC */
/*
 * The ledger's life.  The database is opened after privileges are gone: an
 * unnamed uid reaches it only below the chroot (decisions X2), and what a
 * role may open must hold for its first open as well.
 */
#include <sys/stat.h>
#include <sys/types.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/ipc/permit.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "common/proc/role.h"
#include "keybrokerd/ledger/ledger.h"

static struct ledger	 ledger;
static struct pollset	*polls;
static struct msglink	 channel;
static int		 stopping, exportdir;

/* What an export needs, and that the directory is ours, before service. */
static int
probe(void)
{
	if (outfile_put(exportdir, "probe/file", "x", 1) == -1)
		return -1;
	(void)unlinkat(exportdir, "probe/file", 0);
	(void)unlinkat(exportdir, "probe", AT_REMOVEDIR);
	return 0;
}

static int
open_dir(const char *name)
{
	int	 fd;

	fd = openat(ROLE_FD_EXTRA, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd == -1)
		fatal("state directory: %s", name);
	return fd;
}

static void
on_broker(void *arg, int fd, short revents)
{
	(void)arg;
	(void)revents;
	if (ledger_read(&ledger) == 0)
		return;
	poll_del(polls, fd);
	msglink_close(&ledger.broker);
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
	if (ledger.broker.fd != -1)
		poll_del(polls, ledger.broker.fd);
	ledger_peer(&ledger, fd);
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
		fatalx("%s is not for the ledger", permit_name(m->type));
	}
	return 0;
}

static void
on_channel(void *arg, int fd, short revents)
{
	(void)arg;
	(void)fd;
	(void)revents;
	if (msglink_read(&channel, 16, from_parent, NULL) == -1)
		stopping = 1;
}

static void
confine(const struct role_exec *ex, char *missing, size_t size,
    uint32_t *bits)
{
	struct sandbox_path	 paths[2];
	struct sandbox		 sb;

	memset(&sb, 0, sizeof(sb));
	sb.role = "ledger";
	sb.fsize = 1;
	role_drop(ex, &sb, missing, size, bits);
	/* Only the ledger's own uid may open its two directories (X2). */
	ledger.dbdir = open_dir("ledger");
	exportdir = open_dir("export");
	paths[0].fd = ledger.dbdir;
	paths[1].fd = exportdir;
	paths[0].write = paths[1].write = 1;
	sb.paths = paths;
	sb.npaths = nitems(paths);
	sb.probe = probe;
	ledger_sandbox(&sb);
	role_seal(ex, &sb, missing, size, bits);
	/* chroot or not: the database is found relative to its state */
	if (fchdir(ROLE_FD_EXTRA) == -1)
		fatal("state directory");
	close(ROLE_FD_EXTRA);
}

int
main(void)
{
	struct role_exec	 ex;
	char			 missing[256];
	uint32_t		 bits;
	uint64_t		 wake;

	role_load("ledger", &ex);
	/* The role export reads what is exported, by the directory's group. */
	umask(027);
	polls = poll_new(8);
	if (sqlite3_initialize() != SQLITE_OK)
		fatalx("SQLite does not start");
	confine(&ex, missing, sizeof(missing), &bits);
	ledger_open(&ledger, LEDGER_DB, ledger.dbdir, exportdir);
	role_ready(&channel, bits, missing);
	if (poll_add(polls, channel.fd, POLLIN, on_channel, NULL) == -1)
		fatal("poll");
	wake = ledger_idle(&ledger, poll_now());
	while (!stopping) {
		if (poll_turn(polls, wake) == -1)
			fatal("poll");
		wake = ledger_idle(&ledger, poll_now());
	}
	ledger_close(&ledger);
	return 0;
}
