/* SPDX-License-Identifier: ISC */
/*
 * The broker's life and loop: the only file of this folder that reads a
 * clock, a descriptor or random bytes.  It moves messages between links and
 * broker_step, and does what the outbox says.
 */
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/poll.h"
#include "common/proc/role.h"
#include "common/text/text.h"
#include "keybrokerd/broker/broker.h"
#include "keybrokerd/broker/init.h"

#define CALLS		32768
#define SLOTS		256
#define RANDOM_BLOCK	4096
#define PORTS		(4 + WORKERS_MAX + PROVIDERS_MAX + CONTROLS_MAX)
#define QUEUE_LEDGER	(2 * 1024 * 1024)
#define QUEUE_EGRESS	(8 * 1024 * 1024)
#define QUEUE_OTHER	(512 * 1024)
#define FDS_WAITING	64		/* link ends unsent to one peer */
#define FDS_LINKS	768		/* of 1024 numbers: the rest adopt peers */

/* A link and whose it is. */
struct port {
	struct msglink		 l;
	struct broker_from	 who;
	int			 open;
	int			 doomed;	/* closed once it is not read */
};

static struct broker	*broker;
static struct outbox	*box;
static struct pollset	*ps;
static struct port	 ports[PORTS];
static struct port	*reading;	/* its message is being handled */
static int		 message_fd = -1;	/* of that message */
static int		 blob_fd = -1;	/* of the policy in force */

/* ---- the impure part --------------------------------------------------- */
static void
from_kernel(uint8_t *p, size_t len)
{
	ssize_t	 n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = getrandom(p, len, 0);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			fatal("getrandom");
	}
}

/*
 * Numbers of calls and links come from a block, which saves a system call for
 * each; what is handed out is wiped there.  Anything longer may become a key
 * and comes from the kernel.  This process never forks.
 */
static void
fill(void *arg, void *buf, size_t len)
{
	static uint8_t	 block[RANDOM_BLOCK];
	static size_t	 left;

	(void)arg;
	if (len > CALL_ID) {
		from_kernel(buf, len);
		return;
	}
	if (left < len) {
		from_kernel(block, sizeof(block));
		left = sizeof(block);
	}
	left -= len;
	memcpy(buf, block + left, len);
	explicit_bzero(block + left, len);
}

/* memfd_secret can only be mapped. */
static ssize_t
source(void *arg, int fd, int map, uint64_t off, void *buf, size_t len)
{
	struct secret	*s;
	ssize_t		 n;
	size_t		 have;

	(void)arg;
	if (!map) {
		do
			n = pread(fd, buf, len, (off_t)off);
		while (n == -1 && errno == EINTR);
		return n;
	}
	s = secret_from_fd(fd, 1, SECRET_MAX);
	if (s == NULL)
		return -1;
	have = secret_len(s) > off ? secret_len(s) - (size_t)off : 0;
	if (have > len)
		have = len;
	memcpy(buf, secret_bytes(s) + off, have);
	secret_free(&s);
	return (ssize_t)have;
}

static struct policy *
policy(void *arg, int fd)
{
	struct policy	*p;
	int		 copy;

	(void)arg;
	copy = dup(fd);
	if (copy == -1)
		return NULL;
	p = policy_map(fd);
	if (p == NULL) {
		close(copy);
		return NULL;
	}
	if (blob_fd != -1)
		close(blob_fd);
	blob_fd = copy;
	return p;
}

static void
boot_id(uint8_t out[16])
{
	char	 text[64], hex[33];
	ssize_t	 n, i;
	size_t	 k;
	int	 fd;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	n = fd == -1 ? 0 : read(fd, text, sizeof(text));
	if (fd != -1)
		close(fd);
	for (i = 0, k = 0; i < n && k < 32; i++)
		if (text[i] != '-')
			hex[k++] = text[i];
	if (k != 32 || hex_decode(out, 16, hex, 32) == -1)
		memset(out, 0, 16);
}

/* The ELF build id of this executable, from its own notes. */
static int
build_id(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct broker_env	*env;
	const ElfW(Nhdr)	*n;
	const uint8_t		*p, *end, *desc;
	int			 i;

	(void)size;
	env = arg;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_NOTE)
			continue;
		p = (const uint8_t *)(uintptr_t)(info->dlpi_addr +
		    info->dlpi_phdr[i].p_vaddr);
		end = p + info->dlpi_phdr[i].p_memsz;
		while ((size_t)(end - p) >= sizeof(*n)) {
			n = (const void *)p;
			desc = p + sizeof(*n) + ((n->n_namesz + 3) & ~3U);
			if (n->n_type == NT_GNU_BUILD_ID &&
			    n->n_descsz <= sizeof(env->build_keybrokerd)) {
				memcpy(env->build_keybrokerd, desc,
				    n->n_descsz);
				env->build_keybrokerd_len = n->n_descsz;
				return 1;
			}
			p = desc + ((n->n_descsz + 3) & ~3U);
		}
	}
	return 1;
}

/* ---- ports ------------------------------------------------------------- */
static struct port *
port(enum from_kind kind, uint16_t index)
{
	switch (kind) {
	case FROM_PARENT:
		return &ports[0];
	case FROM_LEDGER:
		return &ports[1];
	case FROM_KMS:
		return &ports[2];
	case FROM_EXPORT:
		return &ports[PORTS - 1];
	case FROM_WORKER:
		return &ports[3 + index];
	case FROM_EGRESS:
		return &ports[3 + WORKERS_MAX + index];
	default:
		return &ports[3 + WORKERS_MAX + PROVIDERS_MAX + index];
	}
}

static void	 readable(void *, int, short);

static void
port_open(enum from_kind kind, uint16_t index, int fd)
{
	static const size_t	 queues[FROM_MAX] = {
		[FROM_PARENT] = QUEUE_OTHER, [FROM_WORKER] = WORKER_QUEUE,
		[FROM_EGRESS] = QUEUE_EGRESS, [FROM_LEDGER] = QUEUE_LEDGER,
		[FROM_CONTROL] = QUEUE_OTHER, [FROM_KMS] = QUEUE_OTHER,
		[FROM_EXPORT] = QUEUE_OTHER,
	};
	struct port		*p;

	p = port(kind, index);
	memset(p, 0, sizeof(*p));
	p->who.kind = kind;
	p->who.index = index;
	p->open = 1;
	msglink_init(&p->l, fd, queues[kind]);
	if (poll_add(ps, fd, POLLIN, readable, p) == -1)
		fatal("poll");
}

static void
port_close(struct port *p)
{
	if (!p->open)
		return;
	(void)msglink_flush(&p->l);
	poll_del(ps, p->l.fd);
	if (p == reading) {
		p->doomed = 1;
		return;
	}
	msglink_close(&p->l);
	p->open = 0;
}

/* ---- the outbox -------------------------------------------------------- */
/* The worker is told, and its row is free again. */
static void
no_link(const struct out *it)
{
	struct broker_link	*row;
	struct msgw		 w;

	row = peers_find(broker, it->to.index, it->link);
	if (row != NULL)
		memset(row, 0, sizeof(*row));
	msg_open(&w, M_NOLINK);
	msg_put_u32(&w, it->cookie);
	msg_put_u16(&w, it->provider);
	msg_put_u16(&w, 503);
	msg_put_str(&w, "The gateway has no descriptors left; try again.");
	(void)msg_send(&port(FROM_WORKER, it->to.index)->l, &w, -1);
}

/* Does this peer leave descriptors unread, so that they stay ours? */
static int
is_slow(struct msglink *l)
{
	return l->fds >= FDS_WAITING && msglink_flush(l) != 0 &&
	    l->fds >= FDS_WAITING;
}

/*
 * One end to the worker, one to the egress; neither side made it.  Neither can
 * use up our descriptors by asking and not reading.
 */
static void
make_link(const struct out *it)
{
	struct msglink	*down, *up;
	struct msgw	 w;
	int		 fd[2];

	down = &port(FROM_WORKER, it->to.index)->l;
	up = &port(FROM_EGRESS, it->egress)->l;
	if (is_slow(down) || is_slow(up)) {
		no_link(it);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    fd) == -1) {
		log_warn("socketpair");
		no_link(it);
		return;
	}
	if (fd[0] >= FDS_LINKS || fd[1] >= FDS_LINKS) {
		close(fd[0]);
		close(fd[1]);
		no_link(it);
		return;
	}
	msg_open(&w, M_EG_LINKED);
	msg_put_u32(&w, it->link);
	msg_put_u64(&w, it->instance);
	if (msg_send(up, &w, fd[1]) == -1) {
		close(fd[0]);
		no_link(it);
		return;
	}
	msg_open(&w, M_LINKED);
	msg_put_u32(&w, it->cookie);
	msg_put_u32(&w, it->link);
	msg_put_u16(&w, it->provider);
	(void)msg_send(down, &w, fd[0]);
}

/* A queue that is full means a peer that does not read: the link goes. */
static void
send_item(const struct outbox *o, const struct out *it)
{
	struct port	*p;
	int		 fd;

	p = port(it->to.kind, it->to.index);
	if (!p->open || p->doomed)
		return;
	fd = -1;
	if (it->act == OUT_BLOB && blob_fd != -1)
		fd = dup(blob_fd);
	if (msg_sendv(&p->l, it->type, o->data + it->off, it->len, fd) == -1) {
		if (!p->l.dead)
			log_warn("queue of peer %d/%u", (int)it->to.kind,
			    it->to.index);
		p->l.dead = 1;
	}
}

static void
move(struct outbox *o, void *arg)
{
	const struct out	*it;
	size_t			 i;

	(void)arg;
	for (i = 0; i < o->n; i++) {
		it = &o->item[i];
		switch (it->act) {
		case OUT_SEND:
		case OUT_BLOB:
			send_item(o, it);
			break;
		case OUT_LINK:
			make_link(it);
			break;
		case OUT_ADOPT:
			port_open(it->to.kind, it->to.index, message_fd);
			message_fd = -1;
			break;
		case OUT_CLOSE:
			port_close(port(it->to.kind, it->to.index));
			break;
		}
	}
	outbox_clear(o);
}

/* ---- the loop ---------------------------------------------------------- */
static int
handle(void *arg, struct msgr *m, int fd)
{
	struct port	*p;

	p = arg;
	message_fd = fd;
	broker_step(broker, poll_now(), poll_wall(), &p->who, m, fd, box);
	move(box, NULL);
	if (message_fd != -1)
		close(message_fd);
	message_fd = -1;
	return p->doomed ? -1 : 0;
}

/* At most TURN_MESSAGES a link and turn (a packet is handled whole). */
static void
readable(void *arg, int fd, short revents)
{
	struct port	*p;
	int		 n, total;

	(void)fd;
	(void)revents;
	p = arg;
	reading = p;
	for (total = 0; total < TURN_MESSAGES; total += n) {
		n = msglink_read(&p->l, 1, handle, p);
		if (n <= 0)
			break;
	}
	reading = NULL;
	if (p->doomed) {
		msglink_close(&p->l);
		p->open = p->doomed = 0;
	}
}

/* A link that ended is told to the broker; that may end others. */
static int
lost_one(void)
{
	struct port	*p;
	size_t		 i;

	for (i = 0; i < PORTS; i++) {
		p = &ports[i];
		if (!p->open || !p->l.dead)
			continue;
		port_close(p);
		p->who.lost = 1;
		broker_step(broker, poll_now(), poll_wall(), &p->who, NULL,
		    -1, box);
		p->who.lost = 0;
		move(box, NULL);
		return 1;
	}
	return 0;
}

/* Everything queued in this turn goes out together. */
static void
flush_all(void)
{
	size_t	 i;
	int	 rc;

	for (i = 0; i < PORTS; i++) {
		if (!ports[i].open || ports[i].l.dead)
			continue;
		rc = msglink_flush(&ports[i].l);
		poll_events(ps, ports[i].l.fd, rc == 1 ? POLLIN | POLLOUT :
		    POLLIN);
	}
}

static void
loop(void)
{
	while (!broker->finished) {
		if (poll_turn(ps, broker_next(broker)) == -1)
			fatal("poll");
		while (lost_one())
			;
		broker_tick(broker, poll_now(), poll_wall(), box);
		batch_flush(broker, box);
		move(box, NULL);
		flush_all();
	}
	flush_all();
}

/* Libraries load what they need before the filter, not later. */
static void
prepare(struct broker_env *env)
{
	if (sodium_init() == -1)
		fatalx("libsodium");
	if (vault_prepare() == -1)
		fatal("AES-256-GCM");
	if (secret_pool(SLOTS) == -1)
		fatal("memory for secrets (RLIMIT_MEMLOCK?)");
	memset(env, 0, sizeof(*env));
	env->rng.fill = fill;
	env->source = source;
	env->policy = policy;
	boot_id(env->boot_id);
	dl_iterate_phdr(build_id, env);
}

int
main(int argc, char **argv)
{
	struct broker_env	 env;
	struct role_exec	 exec;
	char			 missing[256];
	uint32_t		 bits;

	if (init_wanted(argc, argv))
		init_run();
	role_load("broker", &exec);
	prepare(&env);
	box = outbox_new();
	broker = broker_new(CALLS, &env);
	if (box == NULL || broker == NULL)
		fatal("broker");
	box->drain = move;
	ps = poll_new(PORTS);
	role_confine(&exec, &broker_sandbox, missing, sizeof(missing), &bits);
	port_open(FROM_PARENT, 0, ROLE_FD_CHANNEL);
	role_ready(&ports[0].l, bits, missing);
	ports[0].l.tolerant = 1;
	loop();
	broker_free(broker);
	return 0;
}
