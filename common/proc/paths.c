/* SPDX-License-Identifier: ISC */
/*
 * The only path that is compiled in.  Built once for the tree, once for PREFIX
 * at make install; never taken from argv, PATH or configuration.
 */
#include "common/proc/paths.h"

const char *const paths_libexec = LIBEXEC;
