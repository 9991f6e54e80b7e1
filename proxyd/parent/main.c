/* SPDX-License-Identifier: ISC */
/*
 * proxyd: first act is stage one (proxyd.c): keybrokerd gets the environment,
 * this image is replaced by one that never had it.
 */
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/proc/paths.h"
#include "proxyd/parent/proxyd.h"

/* -n: both configurations, each read by its own program. */
static int
check(struct args *a, char **argv)
{
	static struct pconf	 c;
	char			 path[PATH_MAX];
	pid_t			 pid;
	int			 status;

	if (pconf_load(&c, a) == -1)
		return 78;
	if (a->verbose)
		fputs(pconf_default, stdout);
	printf("proxyd.conf ok: %zu listeners, %u workers\n", c.nlisteners,
	    c.workers);
	fflush(stdout);
	snprintf(path, sizeof(path), "%s/../sbin/keybrokerd", paths_libexec);
	if ((pid = fork()) == -1)
		return 1;
	if (pid == 0) {
		argv[0] = "keybrokerd";
		execv(path, argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) == -1 || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

int
main(int argc, char *argv[])
{
	struct args	 a;

	if (getenv("PROXYD_STAGE") != NULL)
		return proxyd_run(argc, argv);
	if (args_parse(&a, "proxyd", argc, argv) == -1)
		return 78;
	if (a.version) {
		printf("proxyd %s\n", PROXYD_VERSION);
		return 0;
	}
	if (a.check)
		return check(&a, argv);
	return proxyd_stage_one(argc, argv) == -1 ? 1 : 0;
}
