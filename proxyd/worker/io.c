/* SPDX-License-Identifier: ISC */
/*
 * Bytes from and to a client behind one small table, so that TLS is a second
 * table and conn.c never knows.  A call that cannot go on says what it waits
 * for.  Holds nothing; believes nobody.
 */
#include <sys/socket.h>

#include <errno.h>

#include "common/compat/compat.h"
#include "proxyd/worker/worker.h"

static enum io_want
plain_read(struct io *io, void *buf, size_t size, size_t *n)
{
	ssize_t	 r;

	if (io->dry)
		return IO_READ;
	do {
		r = recv(io->fd, buf, size, MSG_DONTWAIT);
	} while (r == -1 && errno == EINTR);
	if (r > 0) {
		io_came(io, r, size);
		*n = r;
		return IO_DONE;
	}
	if (r == 0)
		return IO_EOF;
	return errno == EAGAIN || errno == EWOULDBLOCK ? IO_READ : IO_FAIL;
}

static enum io_want
plain_write(struct io *io, const void *buf, size_t size, size_t *n)
{
	ssize_t	 r;

	do {
		r = send(io->fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (r == -1 && errno == EINTR);
	if (r >= 0) {
		*n = r;
		return IO_DONE;
	}
	return errno == EAGAIN || errno == EWOULDBLOCK ? IO_WRITE : IO_FAIL;
}

static void
plain_shut(struct io *io)
{
	shutdown(io->fd, SHUT_WR);
}

static void
plain_close(struct io *io)
{
	close(io->fd);
}

static const struct io_ops plain = { plain_read, plain_write, plain_shut,
	plain_close };

/* A connected, non-blocking socket; owned from here. */
void
io_plain(struct io *io, int fd)
{
	io->fd = fd;
	io->ops = &plain;
	io->state = NULL;
	io->ready = 1;
	io->dry = io->ended = 0;
}

/*
 * A read that was not filled took all there was: the next one waits for an
 * event instead of asking the kernel.  What arrives later makes an event of its
 * own, but an end may have come in the same one as the last bytes.
 */
void
io_came(struct io *io, size_t n, size_t size)
{
	io->dry = n < size && !io->ended;
}

void
io_wake(struct io *io, int ended)
{
	io->dry = 0;
	io->ended |= ended;
}

/* Up to size bytes; *n is set with IO_DONE only, and is not 0. */
enum io_want
io_read(struct io *io, void *buf, size_t size, size_t *n)
{
	*n = 0;
	return io->ops->read(io, buf, size, n);
}

/* Up to size bytes; a retry may offer more, never less (TLS). */
enum io_want
io_write(struct io *io, const void *buf, size_t size, size_t *n)
{
	*n = 0;
	return io->ops->write(io, buf, size, n);
}

void
io_shut(struct io *io)
{
	io->ops->shut(io);
}

/* Idempotent. */
void
io_close(struct io *io)
{
	if (io->fd == -1)
		return;
	io->ops->close(io);
	io->fd = -1;
}
