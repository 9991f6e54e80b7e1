/* SPDX-License-Identifier: ISC */
/*
 * How a role starts: the parent's facts, descriptors by number, confinement,
 * UP.  Believes its parent, who is more trusted: anything odd is fatal.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/compat/compat.h"
#include "common/ipc/proto.h"
#include "common/log/log.h"
#include "common/proc/priv.h"
#include "common/proc/role.h"

#define FACTS_MAX	4096

static uint64_t
number(const char *value)
{
	char		*end;
	unsigned long long	 v;

	errno = 0;
	v = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end != '\0' || errno != 0)
		fatalx("exec facts: \"%s\" is no number", value);
	return v;
}

static void
fact(struct role_exec *x, const char *key, const char *value)
{
	if (strcmp(key, "root") == 0) {
		if (strlcpy(x->root, value, sizeof(x->root)) >=
		    sizeof(x->root))
			fatalx("exec facts: root is too long");
	} else if (strcmp(key, "uid") == 0)
		x->uid = number(value);
	else if (strcmp(key, "gid") == 0)
		x->gid = number(value);
	else if (strcmp(key, "nofile") == 0)
		x->nofile = number(value);
	else if (strcmp(key, "instance") == 0)
		x->instance = number(value);
	else if (strcmp(key, "generation") == 0)
		x->generation = number(value);
	else if (strcmp(key, "permissive") == 0)
		x->permissive = number(value) != 0;
	else if (strcmp(key, "development") == 0)
		x->development = number(value) != 0;
	else if (strcmp(key, "verbose") == 0)
		x->verbose = number(value) != 0;
	else if (strcmp(key, "memlock") == 0)
		x->memlock = number(value);
	else
		fatalx("exec facts: unknown \"%s\"", key);
}

/* Lines "key=value" of fd 7, which is closed. */
static void
read_facts(struct role_exec *x)
{
	char	 buf[FACTS_MAX];
	char	*eq, *line, *next;
	ssize_t	 n;

	n = pread(ROLE_FD_EXEC, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		fatal("exec facts");
	if (n == sizeof(buf) - 1)
		fatalx("exec facts: too long");
	buf[n] = '\0';
	for (line = buf; *line != '\0'; line = next) {
		next = strchr(line, '\n');
		eq = strchr(line, '=');
		if (next == NULL || eq == NULL || eq > next)
			fatalx("exec facts: malformed");
		*next++ = '\0';
		*eq = '\0';
		fact(x, line, eq + 1);
	}
	close(ROLE_FD_EXEC);
}

/* As far as allowed: without root the hard limit is the end. */
static void
raise_memlock(size_t want)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_MEMLOCK, &rl) == -1 || rl.rlim_cur >= want)
		return;
	rl.rlim_cur = want;
	if (rl.rlim_max < want)
		rl.rlim_max = want;
	if (setrlimit(RLIMIT_MEMLOCK, &rl) == 0)
		return;
	if (getrlimit(RLIMIT_MEMLOCK, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_MEMLOCK, &rl);
	}
}

/* See role.h. */
void
role_load(const char *name, struct role_exec *x)
{
	static const int	 ignored[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP,
		SIGXFSZ };
	struct rlimit		 rl;
	struct stat		 st;
	size_t			 i;

	log_role(name, ROLE_FD_LOG);
	if (fstat(ROLE_FD_CHANNEL, &st) == -1 || !S_ISSOCK(st.st_mode))
		fatalx("descriptor 3 is no channel; %s is started by its "
		    "parent only", name);
	memset(x, 0, sizeof(*x));
	read_facts(x);
	log_verbose(x->verbose);
	closefrom(ROLE_FD_FIRST);
	umask(077);
	for (i = 0; i < nitems(ignored); i++)
		if (signal(ignored[i], SIG_IGN) == SIG_ERR)
			fatal("signal");
	rl.rlim_cur = rl.rlim_max = 0;
	if (setrlimit(RLIMIT_CORE, &rl) == -1)
		fatal("RLIMIT_CORE");
	if (x->memlock > 0)
		raise_memlock(x->memlock);
	tzset();
}

/* See role.h. */
void
role_drop(const struct role_exec *x, const struct sandbox *sb,
    char *missing, size_t size, uint32_t *bits)
{
	int	 root;

	root = geteuid() == 0;
	missing[0] = '\0';
	priv_drop(x, sb, missing, size);
	*bits = SBX_RLIMIT;
	if (root && x->uid != 0)
		*bits |= SBX_UID;
	if (root && x->root[0] != '\0')
		*bits |= SBX_CHROOT;
	if (sb->netns && strstr(missing, "netns") == NULL)
		*bits |= SBX_NETNS;
}

/* See role.h. */
void
role_seal(const struct role_exec *x, const struct sandbox *sb,
    char *missing, size_t size, uint32_t *bits)
{
	char	 why[256];

	if (sandbox_enter(sb, x->permissive, bits, why, sizeof(why)) == -1)
		fatalx("sandbox: %s", why);
	if (sandbox_probe(sb) == -1)
		fatal("sandbox: self-test of %s", sb->role);
	sandbox_trim();
	if ((*bits & SBX_LANDLOCK) == 0) {
		if (missing[0] != '\0')
			strlcat(missing, ",", size);
		strlcat(missing, "landlock", size);
	}
}

/* See role.h. */
void
role_confine(const struct role_exec *x, const struct sandbox *sb,
    char *missing, size_t size, uint32_t *bits)
{
	role_drop(x, sb, missing, size, bits);
	role_seal(x, sb, missing, size, bits);
}

/* See role.h. */
void
role_ready(struct msglink *channel, uint32_t bits, const char *missing)
{
	struct msgw	 w;
	struct pollfd	 pfd;
	int		 r;

	msglink_init(channel, ROLE_FD_CHANNEL, 0);
	msg_open(&w, M_UP);
	msg_put_u32(&w, bits);
	msg_put_str(&w, missing);
	if (msg_send(channel, &w, -1) == -1)
		fatal("UP");
	while ((r = msglink_flush(channel)) == 1) {
		pfd.fd = channel->fd;
		pfd.events = POLLOUT;
		(void)poll(&pfd, 1, -1);
	}
	if (r == -1)
		fatalx("parent is gone");
}
