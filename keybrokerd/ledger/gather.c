/* SPDX-License-Identifier: ISC */
/*
 * A VFS in front of SQLite's own: writes that follow one another in a file go
 * out as one.  SQLite writes the head and the page of every frame on its own,
 * a commit has a dozen of them.  What is held back goes out before anything
 * else happens to the file, a flush above all, so that nothing durable depends
 * on it; its failure is that operation's.  Not for shared memory, which an
 * exclusive database does not have.
 */
#include <sqlite3.h>
#include <string.h>

#include "keybrokerd/ledger/ledger.h"

#define HELD	(64 * 1024)

struct gather {
	sqlite3_file	 base;
	sqlite3_file	*real;		/* behind us in the same memory */
	uint8_t		*buf;
	sqlite3_int64	 at;		/* of buf in the file */
	int		 have;
};

static sqlite3_vfs	vfs, *under;

static sqlite3_file *
real(sqlite3_file *f)
{
	return ((struct gather *)f)->real;
}

static int
put(sqlite3_file *f)
{
	struct gather	*g;
	int		 n;

	g = (struct gather *)f;
	n = g->have;
	g->have = 0;
	return n == 0 ? SQLITE_OK :
	    g->real->pMethods->xWrite(g->real, g->buf, n, g->at);
}

static int
g_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct gather	*g;
	int		 rc;

	g = (struct gather *)f;
	if (g->have > 0 && (at != g->at + g->have || n > HELD - g->have)) {
		rc = put(f);
		if (rc != SQLITE_OK)
			return rc;
	}
	if (!LEDGER_GATHER || n > HELD)
		return g->real->pMethods->xWrite(g->real, p, n, at);
	if (g->have == 0)
		g->at = at;
	memcpy(g->buf + g->have, p, (size_t)n);
	g->have += n;
	return SQLITE_OK;
}

static int
g_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	int	 rc;

	rc = put(f);
	return rc != SQLITE_OK ? rc :
	    real(f)->pMethods->xRead(real(f), p, n, at);
}

static int
g_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int	 rc;

	rc = put(f);
	return rc != SQLITE_OK ? rc :
	    real(f)->pMethods->xTruncate(real(f), size);
}

static int
g_sync(sqlite3_file *f, int flags)
{
	int	 rc;

	rc = put(f);
	return rc != SQLITE_OK ? rc : real(f)->pMethods->xSync(real(f), flags);
}

static int
g_size(sqlite3_file *f, sqlite3_int64 *size)
{
	int	 rc;

	rc = put(f);
	return rc != SQLITE_OK ? rc :
	    real(f)->pMethods->xFileSize(real(f), size);
}

static int
g_close(sqlite3_file *f)
{
	int	 rc, written;

	written = put(f);
	rc = real(f)->pMethods->xClose(real(f));
	sqlite3_free(((struct gather *)f)->buf);
	return written != SQLITE_OK ? written : rc;
}

static int
g_lock(sqlite3_file *f, int how)
{
	return real(f)->pMethods->xLock(real(f), how);
}

static int
g_unlock(sqlite3_file *f, int how)
{
	int	 rc;

	rc = put(f);
	return rc != SQLITE_OK ? rc : real(f)->pMethods->xUnlock(real(f), how);
}

static int
g_reserved(sqlite3_file *f, int *out)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int
g_control(sqlite3_file *f, int op, void *arg)
{
	int	 rc;

	rc = put(f);
	return rc != SQLITE_OK ? rc :
	    real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int
g_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int
g_traits(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static const sqlite3_io_methods	methods = {
	1, g_close, g_read, g_write, g_truncate, g_sync, g_size, g_lock,
	g_unlock, g_reserved, g_control, g_sector, g_traits,
	NULL, NULL, NULL, NULL, NULL, NULL
};

static int
g_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct gather	*g;
	int		 rc;

	(void)v;
	g = (struct gather *)f;
	memset(g, 0, sizeof(*g));
	g->real = (sqlite3_file *)(void *)(g + 1);
	g->buf = sqlite3_malloc(HELD);
	if (g->buf == NULL)
		return SQLITE_NOMEM;
	rc = under->xOpen(under, name, g->real, flags, out);
	/* a file without methods is not closed: then nobody may call us */
	if (g->real->pMethods != NULL)
		g->base.pMethods = &methods;
	else
		sqlite3_free(g->buf);
	return rc;
}

int
gather_register(void)
{
	if (vfs.zName != NULL)
		sqlite3_vfs_unregister(&vfs);
	under = sqlite3_vfs_find(NULL);
	if (under == NULL)
		return SQLITE_ERROR;
	vfs = *under;
	vfs.zName = GATHER_VFS;
	vfs.szOsFile = (int)sizeof(struct gather) + under->szOsFile;
	vfs.xOpen = g_open;
	return sqlite3_vfs_register(&vfs, 0);
}
