/* SPDX-License-Identifier: ISC */
/*
 * auditverify: says whether a log is what its signers signed.  Everything
 * that a source hands over is the work of somebody who may have changed it;
 * the pin and the remembered checkpoint are the auditor's own.
 */
#ifndef AUDITVERIFY_H
#define AUDITVERIFY_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/audit/judge.h"

/*
 * dumppipe.c: runs program on dir and reads its stream.  -1 with errno.
 * dumppipe_fd reads a stream from a descriptor, which it then owns.
 */
int	dumppipe_open(struct source *, const char *program, const char *dir);
int	dumppipe_fd(struct source *, int fd);

/* remember.c: that checkpoint in a file */
/* 0 (known = 0 if there is no file), or -1 with errno. */
int	remember_load(struct remember *, const char *path);
/* Replaces the file in one step; 0 or -1 with errno. */
int	remember_save(const char *path, const void *note, size_t len);

/* explain.c: entries as text; nothing of theirs reaches a terminal raw. */
void	explain_entry(FILE *, const struct entry *,
	    const uint8_t leaf[TREE_HASH]);
void	explain_verdict(FILE *, const struct judge *);
void	explain_notes(FILE *, const struct judge *, int pin_given);

#endif
