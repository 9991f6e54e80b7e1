/* SPDX-License-Identifier: ISC */
#ifndef PROXYD_PROXYCTL_PROXYCTL_H
#define PROXYD_PROXYCTL_PROXYCTL_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/msg.h"

#define CTL_FIELDS	24

/* One ANSWER: its fields point into buf. */
struct answer {
	uint16_t	 status;
	int		 more;
	size_t		 n;
	char		*f[CTL_FIELDS];
	char		 buf[16384];
};

/* ctl.c */
int	 ctl_find(char *path, size_t, const char *given);
int	 ctl_connect(const char *path);
void	 ctl_open(struct msgw *, uint16_t type);	/* cookie, empty token */
int	 ctl_send(int fd, struct msgw *);
int	 ctl_answer(int fd, struct answer *);	/* 0, -1 lost or malformed */

/* print.c */
struct column {
	const char	*title;
	const char	*json;
};
struct table;
struct table	*print_new(const struct column *, size_t n, int json);
void		 print_row(struct table *, const struct answer *);
void		 print_end(struct table *);
/* For people: what a terminal would obey in any field becomes '?'. */
void		 print_tame(struct answer *);

/* opts.c */
struct opts {
	const char	*agent, *email, *name, *description, *env, *listen;
	const char	*admin, *role, *owner, *session;
	const char	*scope[4];	/* providers, models, kinds, networks */
	uint32_t	 days, grace, lines;
	int		 fixed;		/* --expires was given */
	int		 follow, unscoped;
	uint64_t	 at;		/* wall ms */
};
/* 0, or -1: usage. */
int	 opts_parse(struct opts *, int argc, char **argv);
void	 opts_scope(const struct opts *, char *, size_t);

/* command.c: each returns the exit code */
typedef void (*ctl_ask)(struct msgw *, const struct opts *, uint64_t cursor);
/* Send, then print each row. */
int	 ctl_rows(int fd, struct msgw *, const struct column *, size_t, int json);
/* The same for a list of several pages. */
int	 ctl_pages(int fd, ctl_ask, const struct opts *, const struct column *,
	    size_t, int json);
/* One row wanted. */
int	 ctl_one(int fd, struct msgw *, struct answer *);
int	 ctl_complain(struct answer *);

/* cmd_key.c, cmd_log.c */
int	 cmd_agent(int fd, int json, int argc, char **argv);
int	 cmd_key(int fd, int json, int argc, char **argv);
int	 cmd_audit(int fd, int json, int argc, char **argv);
int	 cmd_spend(int fd, int json, int argc, char **argv);
int	 cmd_worker(int fd, int json, int argc, char **argv);

/* cmd_secret.c */
int	 cmd_secret(int fd, int json, int argc, char **argv);

/* cmd_vault.c */
int	 cmd_vault(int fd, int json, int argc, char **argv);

/* command.c */
/* All sections of status (NULL), or the text of one.  Exit code. */
int	 command_section(int fd, const char *only);
int	 command_run(int fd, int json, int argc, char **argv);
extern const char	command_usage[];

#endif
