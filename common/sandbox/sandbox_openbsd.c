/* SPDX-License-Identifier: ISC */
/*
 * Confinement on OpenBSD: pledge with the role's promises, no execution, no
 * paths (descriptors were opened before).  The bits keep the names of Linux:
 * seccomp is pledge, landlock is unveil.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/sandbox/sandbox.h"

/* See sandbox.h. */
int
sandbox_enter(const struct sandbox *sb, int permissive, uint32_t *bits,
    char *why, size_t size)
{
	(void)permissive;
	if (sb->paths == NULL && (unveil("/", "") == -1 ||
	    unveil(NULL, NULL) == -1)) {
		snprintf(why, size, "unveil: %s", strerror(errno));
		return -1;
	}
	if (pledge(sb->promises, "") == -1) {
		snprintf(why, size, "pledge: %s", strerror(errno));
		return -1;
	}
	*bits |= SBX_NNP | SBX_SECCOMP | SBX_LANDLOCK | SBX_UNDUMPABLE;
	return 0;
}

/* Promises are groups, so that only the role's own test can find anything. */
int
sandbox_probe(const struct sandbox *sb)
{
	return sb->probe == NULL ? 0 : sb->probe();
}

/* malloc gives pages back by itself. */
void
sandbox_trim(void)
{
}
