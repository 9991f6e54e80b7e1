/* SPDX-License-Identifier: ISC */
/*
 * What the operator sees when the gateway serves, and, on a terminal, the first
 * developer key: proxyctl gets it from the broker over the control socket, so
 * no key passes through this process.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/log/log.h"
#include "common/proc/paths.h"
#include "common/proc/priv.h"
#include "proxyd/parent/proxyd.h"

static void
run_proxyctl(struct proxyd *p)
{
	char		 path[PATH_MAX], sock[PATH_MAX + 16];
	sigset_t	 none;
	pid_t		 pid;

	snprintf(path, sizeof(path), "%s/../sbin/proxyctl", paths_libexec);
	snprintf(sock, sizeof(sock), "%s/ctl.sock", p->args.rundir);
	if ((pid = fork()) == -1) {
		log_warn("proxyctl first");
		return;
	}
	if (pid == 0) {
		sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		if (access(sock, F_OK) == 0)
			execl(path, "proxyctl", "-S", sock, "first",
			    (char *)NULL);
		else
			execl(path, "proxyctl", "first", (char *)NULL);
		_exit(127);
	}
}

void
first_announce(struct proxyd *p)
{
	size_t	 i;
	uid_t	 uid;
	gid_t	 gid;

	if (p->announced)
		return;
	p->announced = 1;
	for (i = 0; i < p->conf.nlisteners; i++)
		log_info("listening on http%s://%s%s",
		    p->conf.listeners[i].tls ? "s" : "",
		    p->conf.listeners[i].name,
		    p->conf.listeners[i].insecure ? " (insecure, as "
		    "configured)" : "");
	log_info("providers with a key: %s", *p->with != '\0' ? p->with :
	    "none; set OPENAI_API_KEY or ANTHROPIC_API_KEY and start again");
	if (*p->without != '\0')
		log_info("providers without a key: %s", p->without);
	log_info("policy %.16s, audit pin %s", p->policy, p->pin);
	if (geteuid() == 0 && priv_uid(ROLE_WORKER, &uid, &gid) == 0 &&
	    uid >= 60800 && uid <= 60815)
		log_info("the service users do not exist: each role runs under "
		    "an unnamed uid of 60800-60815");
	else if (geteuid() != 0)
		log_info("not root: confined by seccomp, Landlock and limits, "
		    "without chroots and uids of their own");
	if (!p->first_run || !p->conf.first)
		return;
	if (isatty(STDOUT_FILENO))
		run_proxyctl(p);
	else
		log_info("first start: \"proxyctl first\" shows the admin key "
		    "and a first developer key");
}
