/* SPDX-License-Identifier: ISC */
#ifndef COMMON_PROC_PATHS_H
#define COMMON_PROC_PATHS_H

/* The compiled-in directory of the roles; linked twice: build tree, PREFIX. */
extern const char *const paths_libexec;

#endif
