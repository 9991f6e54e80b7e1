/* SPDX-License-Identifier: ISC */
#ifndef COMMON_SECRET_SECRET_H
#define COMMON_SECRET_SECRET_H

#include <stddef.h>
#include <stdint.h>

/*
 * The only home of a secret in memory.  secret_pool() maps n slots of one page
 * each between inaccessible guard pages, before the sandbox: memfd_secret where
 * the kernel has it, else anonymous + mlock (failure is fatal) + DONTDUMP;
 * always MADV_DONTFORK.  Afterwards no system call is needed.  A slot is wiped
 * when it is freed.  Built with -DSECRET_ORDINARY (regress only) the slots lie
 * in ordinary pages, so that the leak sweep can prove that it finds them.
 */
#define SECRET_MAX	4064		/* bytes in one slot */

struct secret;

int		 secret_pool(size_t slots);	/* -1: errno */
struct secret	*secret_new(size_t len);	/* NULL: pool empty, len > max */
void		 secret_free(struct secret **);	/* wipes; NULL is legal */
uint8_t		*secret_bytes(struct secret *);
size_t		 secret_len(const struct secret *);
int		 secret_resize(struct secret *, size_t len);	/* shrink only */
struct secret	*secret_dup(const void *, size_t);	/* source is not wiped */
/* Constant time; lengths are public. */
int		 secret_equal(const void *, const void *, size_t);
void		 secret_wipe(void *, size_t);
size_t		 secret_in_use(void);
int		 secret_kind(void);		/* 1 memfd_secret, 0 locked pages */

/* ---- descriptors that carry secrets (memfd_linux.c) ------------------------ */
/* A memfd holding the bytes: memfd_secret if there is one (*map = 1: it can only
 * be mapped), else a sealed memfd.  Close-on-exec.  The source is not wiped. */
int		 secret_memfd(const void *, size_t, int *map);
/* Reads (lseek 0) or maps the descriptor's content into a new secret; at most
 * max bytes; fd stays open.  NULL with errno (EFBIG: longer). */
struct secret	*secret_from_fd(int fd, int map, size_t max);
/* A sealed, read-only memfd for public data (blob, exec facts). */
int		 secret_sealed(const char *name, const void *, size_t);

#endif
