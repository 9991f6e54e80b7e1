/* SPDX-License-Identifier: ISC */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "regress/unit/store/vfs_fault.h"

struct faultfile {
	sqlite3_file	 base;
	sqlite3_file	*real;		/* behind us in the same memory */
};

static sqlite3_vfs		 vfs, *under;
static sqlite3_io_methods	 methods;
static unsigned long		 count, fail_at;
static enum vfs_fault		 fault;

/* What was there before a write that no flush has followed. */
struct before {
	struct before	*older;
	sqlite3_file	*real;
	sqlite3_int64	 at, size;	/* of the write, of the file */
	int		 len;
	char		 bytes[];
};

static struct before	*journal;

static sqlite3_file *
real(sqlite3_file *f)
{
	return ((struct faultfile *)f)->real;
}

static void
keep(sqlite3_file *r, sqlite3_int64 at, int len)
{
	struct before	*b;

	b = malloc(sizeof(*b) + (size_t)len);
	if (b == NULL)
		abort();
	b->real = r;
	b->at = at;
	b->len = len;
	(void)r->pMethods->xFileSize(r, &b->size);
	/* a short read fills up with zeros */
	(void)r->pMethods->xRead(r, b->bytes, len, at);
	b->older = journal;
	journal = b;
}

/* A flush of one file, or its end: nothing of it can be undone any more. */
static void
settle(sqlite3_file *r)
{
	struct before	**p, *b;

	for (p = &journal; (b = *p) != NULL;) {
		if (b->real != r) {
			p = &b->older;
			continue;
		}
		*p = b->older;
		free(b);
	}
}

static void
power_cut(void)
{
	const struct before	*b;

	for (b = journal; b != NULL; b = b->older) {
		(void)b->real->pMethods->xWrite(b->real, b->bytes, b->len,
		    b->at);
		(void)b->real->pMethods->xTruncate(b->real, b->size);
	}
	abort();
}

static int
cutting(void)
{
	return fault == VFS_CUT || fault == VFS_LIE;
}

/* Counts; 1: this one fails. */
static int
hit(void)
{
	if (++count < fail_at || fail_at == 0)
		return 0;
	if (cutting())
		power_cut();
	return 1;
}

static int
f_close(sqlite3_file *f)
{
	settle(real(f));
	return real(f)->pMethods->xClose(real(f));
}

static int
f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real(f)->pMethods->xRead(real(f), p, n, at);
}

static int
f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (!hit()) {
		if (cutting())
			keep(real(f), at, n);
		return real(f)->pMethods->xWrite(real(f), p, n, at);
	}
	/* half of the first one arrives, in whole sectors where it has any */
	if (fault == VFS_TORN && count == fail_at)
		(void)real(f)->pMethods->xWrite(real(f), p,
		    n > 1024 ? n / 2 / 512 * 512 : n / 2, at);
	return fault == VFS_ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int
f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return hit() ? SQLITE_IOERR_TRUNCATE :
	    real(f)->pMethods->xTruncate(real(f), size);
}

static int
f_sync(sqlite3_file *f, int flags)
{
	if (hit())
		return SQLITE_IOERR_FSYNC;
	if (fault != VFS_LIE)
		settle(real(f));
	return real(f)->pMethods->xSync(real(f), flags);
}

static int
f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real(f)->pMethods->xFileSize(real(f), size);
}

static int
f_lock(sqlite3_file *f, int how)
{
	return real(f)->pMethods->xLock(real(f), how);
}

static int
f_unlock(sqlite3_file *f, int how)
{
	return real(f)->pMethods->xUnlock(real(f), how);
}

static int
f_reserved(sqlite3_file *f, int *out)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int
f_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int
f_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int
f_traits(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int
v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct faultfile	*ff;
	int			 rc;

	(void)v;
	ff = (struct faultfile *)f;
	ff->real = (sqlite3_file *)(ff + 1);
	rc = under->xOpen(under, name, ff->real, flags, out);
	/* a file without methods is not closed: then nobody may call us */
	ff->base.pMethods = ff->real->pMethods == NULL ? NULL : &methods;
	return rc;
}

static int
v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	(void)v;
	return hit() ? SQLITE_IOERR_DELETE :
	    under->xDelete(under, name, sync);
}

static void
make(void)
{
	under = sqlite3_vfs_find(NULL);
	vfs = *under;
	vfs.zName = "fault";
	vfs.szOsFile = (int)sizeof(struct faultfile) + under->szOsFile;
	vfs.xOpen = v_open;
	vfs.xDelete = v_delete;
	methods.iVersion = 1;		/* no shared memory: EXCLUSIVE only */
	methods.xClose = f_close;
	methods.xRead = f_read;
	methods.xWrite = f_write;
	methods.xTruncate = f_truncate;
	methods.xSync = f_sync;
	methods.xFileSize = f_size;
	methods.xLock = f_lock;
	methods.xUnlock = f_unlock;
	methods.xCheckReservedLock = f_reserved;
	methods.xFileControl = f_control;
	methods.xSectorSize = f_sector;
	methods.xDeviceCharacteristics = f_traits;
	sqlite3_vfs_register(&vfs, 1);
}

void
vfs_fault_arm(unsigned long at, enum vfs_fault how)
{
	if (under == NULL)
		make();
	count = 0;
	fail_at = at;
	fault = how;
}

unsigned long
vfs_fault_count(void)
{
	return count;
}
