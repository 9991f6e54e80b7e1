/* SPDX-License-Identifier: ISC */
#ifndef COMMON_PROC_ARGS_H
#define COMMON_PROC_ARGS_H

#include <limits.h>

/*
 * The command line of both parents, who get the same argv (decisions M1), and
 * the directories that follow from it and from who runs it.
 */
#define ARGS_ENVFILES	8

struct args {
	int	 debug;			/* -d: stay, log to stderr */
	int	 check;			/* -n: parse and exit */
	int	 verbose;		/* -v */
	int	 version;		/* -V */
	int	 conf_given, state_given;
	int	 nenv;
	char	*envfile[ARGS_ENVFILES];
	char	 confdir[PATH_MAX];
	char	 statedir[PATH_MAX];
	char	 rundir[PATH_MAX];	/* control socket's directory */
};

/* Fills defaults for root or user and reads argv.  -1 after printing usage with
 * the program's name; directories are not made here. */
int	 args_parse(struct args *, const char *prog, int argc, char **argv);
/* path of a file in confdir; -1 if too long. */
int	 args_conf(const struct args *, const char *file, char *out, size_t);
/* mkdir -p, each new directory with mode; -1 with errno. */
int	 args_mkdirs(const char *path, int mode);

/* A build that leaves out what makes records durable says so. */
#ifdef NOT_FOR_SERVICE
#define PROXYD_VERSION	"1.0.0 (not for service)"
#else
#define PROXYD_VERSION	"1.0.0"
#endif

#endif
