/* SPDX-License-Identifier: ISC */
#ifndef KEYBROKERD_PARENT_WATCH_H
#define KEYBROKERD_PARENT_WATCH_H

#include "keybrokerd/parent/keybrokerd.h"

#define WATCHED		192	/* files that hold provider secrets */

/* ---- watch.c --------------------------------------------------------------- */
/*
 * The rows of the configuration in force: new ones are opened, those that are
 * not named any more are forgotten, all are passed on anew (SIGHUP).  At the
 * first time -1 if a file of the command line cannot be had; said.
 */
int	 watch_configure(struct keyd *, int first);
/* Everything there is, to a broker that has just come up. */
void	 watch_send(struct keyd *, struct msglink *);
/* TAKEN of the broker. */
void	 watch_taken(struct msgr *);
/* REOPEN: files that may have this variable ("" all), then REOPENED. */
void	 watch_reopen(struct keyd *, const char *var);
void	 watch_turn(struct keyd *, uint64_t now);
uint64_t watch_deadline(void);

/* ---- notify_linux.c, notify_openbsd.c --------------------------------------- */
/* A descriptor that is readable when a watched directory changed; -1: errno. */
int	 notify_open(void);
/* Watch the directory; again is no error.  0, or -1 with errno. */
int	 notify_add(int fd, const char *dir);
void	 notify_drain(int fd);
/*
 * Opens name beneath directory at, following links that stay beneath it
 * (EXDEV if one does not).  path: for looking only, nothing is opened.
 */
int	 notify_beneath(int at, const char *name, int path);

#endif
