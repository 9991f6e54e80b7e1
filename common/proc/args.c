/* SPDX-License-Identifier: ISC */
/*
 * Command line and directories of the two parents.  Reads argv and the kept
 * environment variables (HOME, XDG_*) only; opens nothing.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "common/proc/args.h"

static int
join(char *out, size_t size, const char *a, const char *b)
{
	int	 n;

	n = snprintf(out, size, "%s%s", a, b);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* $var/proxyd, else $HOME + fallback. */
static int
xdg(char *out, size_t size, const char *var, const char *fallback)
{
	const char	*v, *home;

	v = getenv(var);
	if (v != NULL && *v == '/')
		return join(out, size, v, "/proxyd");
	home = getenv("HOME");
	if (home == NULL || *home != '/')
		home = "/nonexistent";
	return join(out, size, home, fallback);
}

static int
defaults(struct args *a)
{
	const char	*v;

	if (geteuid() == 0) {
		strlcpy(a->confdir, "/etc/proxyd", sizeof(a->confdir));
		strlcpy(a->statedir, "/var/lib/proxyd", sizeof(a->statedir));
		strlcpy(a->rundir, "/run/proxyd", sizeof(a->rundir));
		return 0;
	}
	if (xdg(a->confdir, sizeof(a->confdir), "XDG_CONFIG_HOME",
	    "/.config/proxyd") == -1 ||
	    xdg(a->statedir, sizeof(a->statedir), "XDG_STATE_HOME",
	    "/.local/state/proxyd") == -1)
		return -1;
	v = getenv("XDG_RUNTIME_DIR");
	if (v != NULL && *v == '/')
		return join(a->rundir, sizeof(a->rundir), v, "/proxyd");
	return join(a->rundir, sizeof(a->rundir), a->statedir, "");
}

static void
usage(const char *prog)
{
	fprintf(stderr, "usage: %s [-dnvV] [-c confdir] [-s statedir] "
	    "[-e envfile]...\n", prog);
}

/* A relative directory becomes absolute: roles chroot and parents chdir. */
static int
absolute(char *out, size_t size, const char *path)
{
	char	 cwd[PATH_MAX];

	if (*path == '/')
		return strlcpy(out, path, size) >= size ? -1 : 0;
	if (getcwd(cwd, sizeof(cwd)) == NULL || strlcat(cwd, "/",
	    sizeof(cwd)) >= sizeof(cwd))
		return -1;
	return join(out, size, cwd, path);
}

int
args_parse(struct args *a, const char *prog, int argc, char **argv)
{
	int	 ch;

	memset(a, 0, sizeof(*a));
	if (defaults(a) == -1) {
		fprintf(stderr, "%s: a directory name in HOME or XDG_* is too "
		    "long\n", prog);
		return -1;
	}
	optind = 1;
	while ((ch = getopt(argc, argv, "c:de:ns:vV")) != -1) {
		switch (ch) {
		case 'c':
			a->conf_given = 1;
			if (absolute(a->confdir, sizeof(a->confdir),
			    optarg) == -1)
				goto toolong;
			break;
		case 'd':
			a->debug = 1;
			break;
		case 'e':
			if (a->nenv == ARGS_ENVFILES) {
				fprintf(stderr, "%s: more than %d -e files\n",
				    prog, ARGS_ENVFILES);
				return -1;
			}
			a->envfile[a->nenv++] = optarg;
			break;
		case 'n':
			a->check = 1;
			break;
		case 's':
			a->state_given = 1;
			if (absolute(a->statedir, sizeof(a->statedir),
			    optarg) == -1 || strlcpy(a->rundir, a->statedir,
			    sizeof(a->rundir)) >= sizeof(a->rundir))
				goto toolong;
			break;
		case 'v':
			a->verbose = 1;
			break;
		case 'V':
			a->version = 1;
			break;
		default:
			usage(prog);
			return -1;
		}
	}
	if (optind != argc) {
		usage(prog);
		return -1;
	}
	return 0;
toolong:
	fprintf(stderr, "%s: directory name too long: %s\n", prog, optarg);
	return -1;
}

int
args_conf(const struct args *a, const char *file, char *out, size_t size)
{
	int	 n;

	n = snprintf(out, size, "%s/%s", a->confdir, file);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

int
args_mkdirs(const char *path, int mode)
{
	char	 buf[PATH_MAX], *p;

	if (strlcpy(buf, path, sizeof(buf)) >= sizeof(buf)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (p = buf + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(buf, (mode_t)mode) == -1 && errno != EEXIST)
			return -1;
		*p = '/';
	}
	if (mkdir(buf, (mode_t)mode) == -1 && errno != EEXIST)
		return -1;
	return 0;
}
