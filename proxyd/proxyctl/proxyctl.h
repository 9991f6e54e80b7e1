/* SPDX-License-Identifier: ISC */
#ifndef PROXYD_PROXYCTL_PROXYCTL_H
#define PROXYD_PROXYCTL_PROXYCTL_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/msg.h"

#define CTL_FIELDS	16

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

/* cmd_secret.c */
int	 cmd_secret(int fd, int json, int argc, char **argv);

/* command.c */
int	 command_run(int fd, int json, int argc, char **argv);
extern const char	command_usage[];

#endif
