/* SPDX-License-Identifier: ISC */
/*
 * `broker -i` (decisions K7): started alone, before any other role, to make the
 * vault key file of a first run.  For main.c only.
 */
#ifndef KEYBROKERD_BROKER_INIT_H
#define KEYBROKERD_BROKER_INIT_H

#include "common/sandbox/sandbox.h"

/* Is this that run?  argv[0] "broker -i", or argv[1] "-i". */
int	 init_wanted(int argc, char **argv);
/*
 * The whole life of that run; descriptors as role.h says, 6 is the key file,
 * which the parent opened O_RDWR | O_CREAT | O_EXCL.  Exits 0 when the key is
 * written, synced, read back and proved by a seal and open; else fatal.
 */
void	 init_run(void) __attribute__((noreturn));
/* The work of it, without confinement: 0, or -1 with errno. */
int	 init_write(int fd);

/* syscalls_init_linux.c */
extern const struct sandbox init_sandbox;

#endif
