/* SPDX-License-Identifier: ISC */
/*
 * proxyctl: the operator's hand, over the control socket.  Its rights are those
 * of its uid; it holds a key only while it prints it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/proc/args.h"
#include "proxyd/proxyctl/proxyctl.h"

int
main(int argc, char *argv[])
{
	const char	*given;
	char		 path[256];
	int		 ch, fd, json, r;

	given = NULL;
	json = 0;
	while ((ch = getopt(argc, argv, "+jS:V")) != -1) {
		switch (ch) {
		case 'j':
			json = 1;
			break;
		case 'S':
			given = optarg;
			break;
		case 'V':
			printf("proxyctl %s\n", PROXYD_VERSION);
			return 0;
		default:
			fputs(command_usage, stderr);
			return 2;
		}
	}
	if (optind == argc) {
		fputs(command_usage, stderr);
		return 2;
	}
	if (ctl_find(path, sizeof(path), given) == -1) {
		fprintf(stderr, "proxyctl: no control socket found: is the "
		    "gateway running?  Name it by -S or PROXYD_CONTROL\n");
		return 1;
	}
	if ((fd = ctl_connect(path)) == -1) {
		fprintf(stderr, "proxyctl: %s: %s\n", path, strerror(errno));
		return 1;
	}
	r = command_run(fd, json, argc - optind, argv + optind);
	if (r == 2)
		fputs(command_usage, stderr);
	close(fd);
	return r;
}
