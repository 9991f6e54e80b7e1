/* SPDX-License-Identifier: ISC */
/*
 * ledgerdump DIR: the log of a stopped or copied state directory as a stream
 * on standard output, for auditverify.  Never writes below DIR: the database
 * is copied into a private directory, whose files are unlinked as soon as
 * they are open.  DIR comes from the one who is audited: only regular files of a
 * bounded length are opened there, and through no link.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compat/compat.h"
#include "keybrokerd/ledger/ledger.h"

#define SQLITE_LOCKS	0x40000000	/* where SQLite locks bytes */
#define FILE_MAX	(1LL << 30)	/* a database is below 64 MiB */

static char	tmp[PATH_MAX];

static int
complain(const char *what, const char *why)
{
	fprintf(stderr, "ledgerdump: %s: %s\n", what, why);
	return -1;
}

static int
in(const char *dir, const char *name, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
		return 0;
	return complain(dir, "name too long");
}

static void
clean(void)
{
	char	 path[PATH_MAX];

	if (tmp[0] == '\0')
		return;
	if (in(tmp, "ledger.db", path) == 0)
		(void)unlink(path);
	if (in(tmp, "ledger.db-wal", path) == 0)
		(void)unlink(path);
	(void)rmdir(tmp);
	tmp[0] = '\0';
}

/* An existing file, for reading; its length.  -1 with errno. */
static int
regular(const char *path, off_t *len)
{
	struct stat	 st;
	int		 fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
	    O_NOCTTY);
	if (fd == -1)
		return -1;
	errno = 0;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > FILE_MAX) {
		if (errno == 0)
			errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		close(fd);
		return -1;
	}
	*len = st.st_size;
	return fd;
}

/* len bytes, or what there is of them. */
static int
copy_fd(int from, int to, off_t len)
{
	char	 buf[65536];
	ssize_t	 n;

	for (n = 0; len > 0; len -= n) {
		n = read(from, buf, len < (off_t)sizeof(buf) ? (size_t)len :
		    sizeof(buf));
		if (n <= 0)
			break;
		if (write(to, buf, (size_t)n) != n)
			return -1;
	}
	return n < 0 ? -1 : 0;
}

/* 0, or -1 with errno; ENOENT: there is no such file. */
static int
copy(const char *from, const char *to)
{
	off_t	 len;
	int	 error, in_fd, out_fd, r;

	in_fd = regular(from, &len);
	if (in_fd == -1)
		return -1;
	out_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = out_fd == -1 ? -1 : copy_fd(in_fd, out_fd, len);
	error = errno;
	close(in_fd);
	if (out_fd != -1)
		close(out_fd);
	errno = error;
	return r;
}

/* Does a gateway run on it?  1 yes. */
static int
locked(const char *db)
{
	struct flock	 fl;
	off_t		 len;
	int		 fd, r;

	fd = regular(db, &len);
	if (fd == -1)
		return 0;
	memset(&fl, 0, sizeof(fl));
	fl.l_type = F_RDLCK;
	fl.l_whence = SEEK_SET;
	fl.l_start = SQLITE_LOCKS;
	fl.l_len = 512;
	r = fcntl(fd, F_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
	close(fd);
	return r;
}

/* A private copy of database and WAL; its path into out. */
static int
private_copy(const char *db, char out[PATH_MAX])
{
	const char	*dir;
	char		 from[PATH_MAX], to[PATH_MAX];

	dir = getenv("TMPDIR");
	if (dir == NULL || *dir == '\0')
		dir = "/tmp";
	if (in(dir, "ledgerdump.XXXXXX", tmp) == -1)
		return -1;
	if (mkdtemp(tmp) == NULL) {
		complain(tmp, strerror(errno));
		tmp[0] = '\0';
		return -1;
	}
	if (in(tmp, "ledger.db", out) == -1)
		return -1;
	if (copy(db, out) == -1)
		return complain(db, strerror(errno));
	if (snprintf(from, sizeof(from), "%s-wal", db) >= PATH_MAX ||
	    snprintf(to, sizeof(to), "%s-wal", out) >= PATH_MAX)
		return complain(db, "name too long");
	if (copy(from, to) == -1 && errno != ENOENT)
		return complain(from, strerror(errno));
	/* SQLite wants a path without links */
	if (realpath(out, from) == NULL)
		return complain(out, strerror(errno));
	strlcpy(out, from, PATH_MAX);
	return 0;
}

/* DIR is a state directory, or the one that holds the database. */
static int
find(const char *dir, char db[PATH_MAX], int *exportdir)
{
	static const char *const	 dbs[] = { LEDGER_DB, "ledger.db" };
	static const char *const	 exports[] = { "export", "../export" };
	char				 path[PATH_MAX];
	size_t				 i;

	for (i = 0; i < nitems(dbs); i++)
		if (in(dir, dbs[i], db) == -1)
			return -1;
		else if (access(db, F_OK) == 0)
			break;
	if (i == nitems(dbs))
		return complain(dir, "holds no ledger.db");
	*exportdir = -1;
	for (i = 0; i < nitems(exports) && *exportdir == -1; i++)
		if (in(dir, exports[i], path) == 0)
			*exportdir = open(path,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int
dump(const char *db, int exportdir)
{
	static struct head	 head;
	struct store		 s;
	char			 path[PATH_MAX], why[300];
	int			 r;

	if (private_copy(db, path) == -1)
		return -1;
	r = store_open(&s, path);
	if (r == 0)
		r = head_load(&s, &head);
	clean();
	if (r == -1)
		complain(db, s.why);
	else if (stream_all(&s, &head, exportdir, STDOUT_FILENO, why,
	    sizeof(why)) == -1)
		r = complain(db, why);
	store_close(&s);
	return r;
}

int
main(int argc, char *argv[])
{
	char	 db[PATH_MAX];
	int	 exportdir, r;

	if (argc != 2) {
		fprintf(stderr, "usage: ledgerdump directory\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (find(argv[1], db, &exportdir) == -1)
		return 2;
	if (locked(db)) {
		complain(db, "a running gateway uses it: copy the state "
		    "directory or stop the gateway; an export can be checked "
		    "live");
		return 2;
	}
	r = dump(db, exportdir);
	clean();
	return r == 0 ? 0 : 1;
}
