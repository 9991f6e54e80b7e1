/* SPDX-License-Identifier: ISC */
#ifndef COMMON_SECRET_MEMFD_H
#define COMMON_SECRET_MEMFD_H

#include <sys/types.h>

#include <stddef.h>

/* 1 in the leak sweep's control build: secrets in ordinary, dumpable pages. */
#ifdef SECRET_ORDINARY
#define MEMFD_ORDINARY	1
#else
#define MEMFD_ORDINARY	0
#endif

/* What secret.c and policy.c need from the system; memfd_<system>.c. */

/*
 * A close-on-exec descriptor of size bytes that can only be mapped and that no
 * other process, nor the kernel's dumper, can look into.  -1: ENOSYS here.
 */
int	 memfd_hidden(size_t size);
/* Never in a core, never in a child.  locked pages also stay out of swap. */
int	 memfd_conceal(void *, size_t, int lock);
/* Size of what a descriptor holds, -1: errno.  One call: fstat. */
off_t	 memfd_size(int fd);

#endif
