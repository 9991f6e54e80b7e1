/* SPDX-License-Identifier: ISC */
/*
 * Files below the export directory.  A name appears when its bytes are
 * durable: write aside, fsync, rename.  It stays after a power cut once its
 * directory was flushed, which is the caller's to ask for (outfile_sync):
 * many names share one.  Links are not followed; names are made by us.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/compat/compat.h"
#include "keybrokerd/ledger/ledger.h"

#define ASIDE	".new"

/* Directory part of path into out; "." if there is none. */
static void
parent(const char *path, char out[TILE_PATH])
{
	char	*slash;

	strlcpy(out, path, TILE_PATH);
	slash = strrchr(out, '/');
	if (slash == NULL)
		strlcpy(out, ".", TILE_PATH);
	else
		*slash = '\0';
}

static int
sync_dir(int dir, const char *path)
{
	int	 error, fd, r;

	fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd == -1)
		return -1;
	r = fsync(fd);
	error = errno;
	close(fd);
	errno = error;
	return r;
}

/* Every directory above path, each made durable. */
static int
make_dirs(int dir, const char *path)
{
	char		 part[TILE_PATH], above[TILE_PATH];
	const char	*p;

	for (p = path; (p = strchr(p, '/')) != NULL; p++) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		if (mkdirat(dir, part, 0755) == -1) {
			if (errno == EEXIST)
				continue;
			return -1;
		}
		parent(part, above);
		if (sync_dir(dir, above) == -1)
			return -1;
	}
	return 0;
}

static void
aside(const char *path, char out[TILE_PATH + 8])
{
	char	 dir[TILE_PATH];

	parent(path, dir);
	snprintf(out, TILE_PATH + 8, "%s/%s", dir, ASIDE);
}

int
outfile_open(struct outfile *f, int dir, const char *path)
{
	char	 name[TILE_PATH + 8];
	int	 flags;

	f->dir = dir;
	f->have = 0;
	strlcpy(f->path, path, sizeof(f->path));
	aside(path, name);
	flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	f->fd = openat(dir, name, flags, 0644);
	if (f->fd == -1 && errno == ENOENT && make_dirs(dir, path) == 0)
		f->fd = openat(dir, name, flags, 0644);
	return f->fd == -1 ? -1 : 0;
}

static int
write_all(int fd, const uint8_t *p, size_t len)
{
	ssize_t	 n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
outfile_write(struct outfile *f, const void *data, size_t len)
{
	const uint8_t	*p;
	size_t		 n;

	for (p = data; len > 0; p += n, len -= n) {
		if (f->have == sizeof(f->buf)) {
			if (write_all(f->fd, f->buf, f->have) == -1)
				return -1;
			f->have = 0;
		}
		n = sizeof(f->buf) - f->have;
		if (n > len)
			n = len;
		memcpy(f->buf + f->have, p, n);
		f->have += n;
	}
	return 0;
}

/* After a failure the file aside stays and has no meaning. */
int
outfile_close(struct outfile *f)
{
	char	 name[TILE_PATH + 8];

	aside(f->path, name);
	if (write_all(f->fd, f->buf, f->have) == -1 || fsync(f->fd) == -1)
		return -1;
	if (close(f->fd) == -1)
		return -1;
	f->fd = -1;
	return renameat(f->dir, name, f->dir, f->path);
}

int
outfile_put(int dir, const char *path, const void *p, size_t len)
{
	struct outfile	 f UNSET;

	if (outfile_open(&f, dir, path) == -1)
		return -1;
	if (outfile_write(&f, p, len) == -1)
		return -1;
	return outfile_close(&f);
}

int
outfile_sync(int dir, const char *path)
{
	char	 name[TILE_PATH];

	parent(path, name);
	return sync_dir(dir, name);
}

ssize_t
outfile_load(int dir, const char *path, void *buf, size_t size)
{
	char	 more;
	size_t	 have;
	ssize_t	 n;
	int	 fd;

	fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1)
		return -1;
	have = 0;
	while (have < size &&
	    (n = read(fd, (char *)buf + have, size - have)) > 0)
		have += (size_t)n;
	n = have == size ? read(fd, &more, 1) : 0;
	close(fd);
	if (n != 0) {
		errno = EFBIG;
		return -1;
	}
	return (ssize_t)have;
}
