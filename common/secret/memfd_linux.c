/* SPDX-License-Identifier: ISC */
/*
 * Memory descriptors on Linux: memfd_secret (since 5.14, on by default since
 * 6.5) and sealed memfds.  The filled mapping is gone before the caller may
 * fork, since such a mapping would be inherited.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>

#include "common/compat/compat.h"
#include "common/secret/memfd.h"
#include "common/secret/secret.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret	447
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL		0x0008U
#endif

#define SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int
close_keep(int fd)
{
	int	 saved;

	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* See memfd.h. */
int
memfd_hidden(size_t size)
{
	int	 fd;

	fd = syscall(SYS_memfd_secret, O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (ftruncate(fd, size) == -1)
		return close_keep(fd);
	return fd;
}

/* By the system call itself: sanitizers make mlock do nothing. */
int
memfd_conceal(void *p, size_t len, int lock)
{
	if (lock && (syscall(SYS_mlock, p, len) == -1 ||
	    madvise(p, len, MADV_DONTDUMP) == -1))
		return -1;
	return madvise(p, len, MADV_DONTFORK);
}

/* By the system call itself: glibc's fstat is newfstatat, which is denied. */
off_t
memfd_size(int fd)
{
	struct stat	 st;

	if (syscall(SYS_fstat, fd, &st) == -1)
		return -1;
	return st.st_size;
}

/* Writes everything and seals; -1 with errno. */
static int
fill(int fd, const void *p, size_t len)
{
	const char	*at;
	ssize_t		 n;

	for (at = p; len > 0; at += n, len -= n) {
		n = write(fd, at, len);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return -1;
	}
	if (lseek(fd, 0, SEEK_SET) == -1)
		return -1;
	return fcntl(fd, F_ADD_SEALS, SEALS);
}

/* See secret.h. */
int
secret_sealed(const char *name, const void *p, size_t len)
{
	int	 fd;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING |
	    MFD_NOEXEC_SEAL);
	if (fd == -1 && errno == EINVAL)	/* before 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (fill(fd, p, len) == -1)
		return close_keep(fd);
	return fd;
}

/* See secret.h. */
int
secret_memfd(const void *p, size_t len, int *map)
{
	void	*to;
	int	 fd;

	*map = 0;
	fd = len == 0 ? -1 : memfd_hidden(len);
	if (fd != -1) {
		to = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (to != MAP_FAILED) {
			memcpy(to, p, len);
			munmap(to, len);
			*map = 1;
			return fd;
		}
		close(fd);	/* RLIMIT_MEMLOCK: the sealed kind will do */
	}
	return secret_sealed("source", p, len);
}
