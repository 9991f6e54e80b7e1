/* SPDX-License-Identifier: ISC */
/*
 * fork and exec of roles by the two parents, and of a parent by itself.  The
 * child gets descriptors by number, a clean environment and nothing else.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/paths.h"
#include "common/proc/spawn.h"
#include "common/secret/secret.h"

#define FD_STATUS	ROLE_FD_FIRST	/* close-on-exec: errno of the exec */
#define FD_HIGH		32		/* above every number that is set */

extern char	**environ;

/* Everything the child needs, made before the fork. */
struct plan {
	char	 path[1024];
	char	 instance[16];
	char	 lang[128], tz[128];
	char	*argv[3];
	char	*envp[4];
	int	 fd[ROLE_FD_FIRST];	/* by number in the child, -1 closed */
	int	 status[2], log[2], channel[2], facts;
};

static void
close_if(int fd)
{
	if (fd != -1)
		close(fd);
}

/* The facts of role.h as a sealed descriptor. */
static int
facts_fd(const struct role_exec *x)
{
	char	 buf[2048];
	int	 n;

	if (strchr(x->root, '\n') != NULL) {
		errno = EINVAL;
		return -1;
	}
	n = snprintf(buf, sizeof(buf), "uid=%u\ngid=%u\nroot=%s\nnofile=%llu\n"
	    "instance=%u\ngeneration=%u\npermissive=%d\ndevelopment=%d\n"
	    "verbose=%d\nmemlock=%llu\n", x->uid, x->gid, x->root,
	    (unsigned long long)x->nofile, x->instance, x->generation,
	    x->permissive != 0, x->development != 0, x->verbose != 0,
	    (unsigned long long)x->memlock);
	if (n < 0 || (size_t)n >= sizeof(buf)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return secret_sealed("exec", buf, n);
}

/* "NAME=value" of our own environment, if it is there and fits. */
static char *
inherit(char *buf, size_t size, const char *name)
{
	const char	*value;
	int		 n;

	value = getenv(name);
	if (value == NULL)
		return NULL;
	n = snprintf(buf, size, "%s=%s", name, value);
	return n > 0 && (size_t)n < size ? buf : NULL;
}

static int
plan_words(struct plan *p, const char *path, char *name, uint32_t instance)
{
	static char	 path_env[] = "PATH=/usr/bin:/bin";
	char		*s;
	int		 n;

	n = snprintf(p->path, sizeof(p->path), "%s/%s", paths_libexec, path);
	if (n < 0 || (size_t)n >= sizeof(p->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(p->instance, sizeof(p->instance), "%u", instance);
	p->argv[0] = name;
	p->argv[1] = p->instance;
	n = 0;
	p->envp[n++] = path_env;
	s = inherit(p->lang, sizeof(p->lang), "LANG");
	if (s != NULL)
		p->envp[n++] = s;
	s = inherit(p->tz, sizeof(p->tz), "TZ");
	if (s != NULL)
		p->envp[n++] = s;
	return 0;
}

static void
plan_close(struct plan *p)
{
	int	 saved;

	saved = errno;
	close_if(p->status[0]);
	close_if(p->status[1]);
	close_if(p->log[0]);
	close_if(p->log[1]);
	close_if(p->channel[0]);
	close_if(p->channel[1]);
	close_if(p->facts);
	errno = saved;
}

static int
plan_open(struct plan *p, const struct role_exec *x, int blob, int extra)
{
	p->status[0] = p->status[1] = p->log[0] = p->log[1] = -1;
	p->channel[0] = p->channel[1] = -1;
	p->facts = facts_fd(x);
	if (p->facts == -1 || pipe2(p->status, O_CLOEXEC) == -1 ||
	    pipe2(p->log, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    msg_pair(p->channel) == -1) {
		plan_close(p);
		return -1;
	}
	p->fd[ROLE_FD_CHANNEL] = p->channel[1];
	p->fd[ROLE_FD_BLOB] = blob;
	p->fd[ROLE_FD_LOG] = p->log[1];
	p->fd[ROLE_FD_EXTRA] = extra;
	p->fd[ROLE_FD_EXEC] = p->facts;
	return 0;
}

/*
 * Any source may have the number that another one shall get: first all move
 * out of the way, then each goes to its place.  The copies close at exec.
 */
static int
place_fds(struct plan *p)
{
	int	 i, high[ROLE_FD_FIRST], status;

	status = fcntl(p->status[1], F_DUPFD_CLOEXEC, FD_HIGH);
	if (status == -1)
		return -1;
	for (i = 0; i < ROLE_FD_FIRST; i++) {
		high[i] = -1;
		if (p->fd[i] == -1)
			continue;
		high[i] = fcntl(p->fd[i], F_DUPFD_CLOEXEC, FD_HIGH);
		if (high[i] == -1)
			return -1;
	}
	for (i = 0; i < ROLE_FD_FIRST; i++) {
		if (high[i] == -1)
			close(i);
		else if (dup2(high[i], i) == -1)
			return -1;
	}
	if (dup3(status, FD_STATUS, O_CLOEXEC) == -1)
		return -1;
	closefrom(FD_STATUS + 1);
	return 0;
}

/* In the child; the way out of an error is its number in the status pipe. */
static void
child(struct plan *p)
{
	sigset_t	 none;
	int		 error, i, null, status;

	status = p->status[1];
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1)
		goto fail;
	p->fd[0] = p->fd[1] = null;
	p->fd[2] = p->log[1];
	if (place_fds(p) == -1)
		goto fail;
	status = FD_STATUS;
	for (i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
		goto fail;
	execve(p->path, p->argv, p->envp);
fail:
	error = errno;
	if (write(status, &error, sizeof(error)) == -1)
		_exit(126);
	_exit(127);
}

/* Waits for the exec; 0, or -1 with the child's errno and the child reaped. */
static int
child_status(struct plan *p, pid_t pid)
{
	int	 error;
	ssize_t	 n;

	close(p->status[1]);
	p->status[1] = -1;
	do {
		n = read(p->status[0], &error, sizeof(error));
	} while (n == -1 && errno == EINTR);
	if (n == 0)
		return 0;
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	errno = n == sizeof(error) ? error : EIO;
	return -1;
}

/* See spawn.h. */
pid_t
spawn_role(const char *path, const char *name, const struct role_exec *x,
    int blob, int extra, int *channel, int *logfd)
{
	struct plan	 p;
	char		 argv0[32];
	pid_t		 pid;

	memset(&p, 0, sizeof(p));
	strlcpy(argv0, name, sizeof(argv0));
	if (plan_words(&p, path, argv0, x->instance) == -1 ||
	    plan_open(&p, x, blob, extra) == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		child(&p);
	if (pid == -1 || child_status(&p, pid) == -1) {
		plan_close(&p);
		return -1;
	}
	*channel = p.channel[0];
	*logfd = p.log[0];
	p.channel[0] = p.log[0] = -1;
	plan_close(&p);
	return pid;
}

/* See spawn.h; name ends at NUL or "=". */
int
spawn_env_kept(const char *name)
{
	static const char *const	 kept[] = { "PATH", "HOME", "USER",
		"LANG", "TZ", "TERM", "NOTIFY_SOCKET",
		"CREDENTIALS_DIRECTORY" };
	size_t				 i, n;

	n = strcspn(name, "=");
	if (strncmp(name, "LC_", 3) == 0 || strncmp(name, "XDG_", 4) == 0)
		return 1;
	for (i = 0; i < nitems(kept); i++)
		if (strlen(kept[i]) == n && memcmp(kept[i], name, n) == 0)
			return 1;
	return 0;
}

/* See spawn.h. */
int
spawn_reexec(char *const argv[], char *const extra[])
{
	const char	 *self;
	char		**envp;
	size_t		  i, n;

	self = spawn_self();
	if (self == NULL) {
		errno = ENOENT;
		return -1;
	}
	for (n = 1, i = 0; environ != NULL && environ[i] != NULL; i++)
		n++;
	for (i = 0; extra != NULL && extra[i] != NULL; i++)
		n++;
	envp = calloc(n, sizeof(*envp));
	if (envp == NULL)
		return -1;
	for (n = 0, i = 0; environ != NULL && environ[i] != NULL; i++)
		if (spawn_env_kept(environ[i]))
			envp[n++] = environ[i];
	for (i = 0; extra != NULL && extra[i] != NULL; i++)
		envp[n++] = extra[i];
	execve(self, argv, envp);
	free(envp);
	return -1;
}
