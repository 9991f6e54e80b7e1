/* SPDX-License-Identifier: ISC */
/*
 * The auditor's own memory: a file that holds the last checkpoint found good.
 * It is the auditor's, so its signature is not checked again; what it says
 * must still be true of every later log.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keybrokerd/auditverify/auditverify.h"

static ssize_t
slurp(const char *path, char *buf, size_t size)
{
	ssize_t	 n;
	size_t	 len;
	int	 fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	len = 0;
	while ((n = read(fd, buf + len, size - len)) > 0)
		len += (size_t)n;
	close(fd);
	return n == -1 ? -1 : (ssize_t)len;
}

int
remember_load(struct remember *m, const char *path)
{
	struct note	 n;
	char		*buf;
	ssize_t		 len;
	int		 ok;

	memset(m, 0, sizeof(*m));
	buf = malloc(NOTE_MAX + 1);
	if (buf == NULL)
		return -1;
	len = slurp(path, buf, NOTE_MAX + 1);
	if (len == -1) {
		free(buf);
		return errno == ENOENT ? 0 : -1;
	}
	ok = note_parse(&n, buf, (size_t)len) == 0;
	if (ok) {
		m->known = 1;
		m->size = n.size;
		memcpy(m->root, n.root, sizeof(m->root));
		memcpy(m->origin, n.origin, n.originlen);
	}
	free(buf);
	if (!ok) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

static int
spill(int fd, const char *p, size_t len)
{
	ssize_t	 n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

int
remember_save(const char *path, const void *note, size_t len)
{
	char	 tmp[PATH_MAX];
	int	 fd, n, error;

	n = snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path);
	if (n < 0 || (size_t)n >= sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkstemp(tmp);
	if (fd == -1)
		return -1;
	error = 0;
	if (spill(fd, note, len) == -1 || fchmod(fd, 0644) == -1)
		error = errno;
	if (close(fd) == -1 && error == 0)
		error = errno;
	if (error == 0 && rename(tmp, path) == 0)
		return 0;
	if (error == 0)
		error = errno;
	unlink(tmp);
	errno = error;
	return -1;
}
