/* SPDX-License-Identifier: ISC */
/*
 * Landlock by its own system calls: glibc has no wrappers and Debian 12's
 * header stops at ABI 2, so the bits of linux/landlock.h stand here.  All
 * rights of the running kernel are handled, since an unlisted one is allowed.
 */
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <stdint.h>

#include "common/compat/compat.h"
#include "common/sandbox/landlock.h"

#define NR_CREATE	444
#define NR_ADD		445
#define NR_RESTRICT	446
#define GET_VERSION	1U
#define PATH_BENEATH	1

#define FS_WRITE_FILE	(1ULL << 1)
#define FS_READ_FILE	(1ULL << 2)
#define FS_READ_DIR	(1ULL << 3)
#define FS_REMOVE_DIR	(1ULL << 4)
#define FS_REMOVE_FILE	(1ULL << 5)
#define FS_MAKE_DIR	(1ULL << 7)
#define FS_MAKE_REG	(1ULL << 8)
#define FS_REFER	(1ULL << 13)
#define FS_TRUNCATE	(1ULL << 14)

/* A rule on a file may hold these only. */
#define FS_OF_FILE	(FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)
#define FS_READ		(FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE	(FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR |	\
			    FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |	\
			    FS_REFER | FS_TRUNCATE)

#define NET_BIND	(1ULL << 0)
#define NET_CONNECT	(1ULL << 1)
#define SCOPE_ALL	3ULL		/* abstract sockets, signals */

struct ruleset_attr {
	uint64_t	 fs;
	uint64_t	 net;		/* since ABI 4 */
	uint64_t	 scoped;	/* since ABI 6 */
};

struct path_attr {
	uint64_t	 allowed;
	int32_t		 fd;
} __attribute__((packed));

/* All file rights of an ABI. */
static uint64_t
fs_rights(long abi)
{
	static const int	 bits[] = { 0, 13, 14, 15, 15, 16 };

	return (1ULL << bits[abi > 5 ? 5 : abi]) - 1;
}

static size_t
attr_size(long abi)
{
	if (abi >= 6)
		return 24;
	return abi >= 4 ? 16 : 8;
}

static int
add_path(int ruleset, const struct sandbox_path *sp, uint64_t known)
{
	struct path_attr	 pa;
	struct stat		 st;

	if (fstat(sp->fd, &st) == -1)
		return -1;
	pa.allowed = (sp->write ? FS_WRITE : FS_READ) & known;
	if (!S_ISDIR(st.st_mode))
		pa.allowed &= FS_OF_FILE;
	pa.fd = sp->fd;
	return syscall(NR_ADD, ruleset, PATH_BENEATH, &pa, 0);
}

/* See landlock.h. */
int
landlock_enter(const struct sandbox_path *paths, size_t n, int bind_ok,
    int connect_ok)
{
	struct ruleset_attr	 ra;
	size_t			 i;
	long			 abi;
	int			 fd, r, saved;

	abi = syscall(NR_CREATE, NULL, 0, GET_VERSION);
	if (abi == -1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	ra.fs = fs_rights(abi);
	ra.net = (bind_ok ? 0 : NET_BIND) | (connect_ok ? 0 : NET_CONNECT);
	ra.scoped = SCOPE_ALL;
	fd = syscall(NR_CREATE, &ra, attr_size(abi), 0);
	if (fd == -1)
		return -1;
	r = 0;
	for (i = 0; r == 0 && i < n; i++)
		r = add_path(fd, &paths[i], ra.fs);
	if (r == 0)
		r = syscall(NR_RESTRICT, fd, 0);
	saved = errno;
	close(fd);
	errno = saved;
	return r == 0 ? 1 : -1;
}
