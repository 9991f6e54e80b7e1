/* SPDX-License-Identifier: ISC */
/*
 * Memory descriptors on OpenBSD: unlinked shared memory objects.  There is no
 * hidden kind and there are no seals; receivers are less trusted only where a
 * descriptor is public data.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>

#include "common/compat/compat.h"
#include "common/secret/memfd.h"
#include "common/secret/secret.h"

/* See memfd.h. */
int
memfd_hidden(size_t size)
{
	(void)size;
	errno = ENOSYS;
	return -1;
}

/* See memfd.h. */
int
memfd_conceal(void *p, size_t len, int lock)
{
	if (lock && mlock(p, len) == -1)
		return -1;
	return minherit(p, len, MAP_INHERIT_NONE);
}

/* See memfd.h. */
off_t
memfd_size(int fd)
{
	struct stat	 st;

	if (fstat(fd, &st) == -1)
		return -1;
	return st.st_size;
}

/* See secret.h. */
int
secret_sealed(const char *name, const void *p, size_t len)
{
	char	 path[] = "/tmp/proxyd.XXXXXXXXXX";
	void	*to;
	int	 fd;

	(void)name;
	fd = shm_mkstemp(path);
	if (fd == -1)
		return -1;
	if (shm_unlink(path) == -1 || ftruncate(fd, len) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
		close(fd);
		return -1;
	}
	if (len == 0)
		return fd;
	to = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (to == MAP_FAILED) {
		close(fd);
		return -1;
	}
	memcpy(to, p, len);
	munmap(to, len);
	return fd;
}

/* See secret.h. */
int
secret_memfd(const void *p, size_t len, int *map)
{
	*map = 0;
	return secret_sealed("source", p, len);
}
