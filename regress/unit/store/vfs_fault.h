/* SPDX-License-Identifier: ISC */
#ifndef STORE_VFS_FAULT_H
#define STORE_VFS_FAULT_H

/*
 * A VFS in front of SQLite's own that counts what changes storage (writes,
 * truncations, flushes, deletions) and lets one of them and everything after
 * it fail, as a dying disk does; or the power goes: what was not flushed is
 * undone and the process aborts.  VFS_LIE: the same on a disk whose flushes
 * do nothing, the control that this test sees lost data at all.
 */
enum vfs_fault { VFS_EIO, VFS_ENOSPC, VFS_TORN, VFS_CUT, VFS_LIE };

/* Registers it as the default; at 0: never fails. */
void	vfs_fault_arm(unsigned long at, enum vfs_fault how);
unsigned long
	vfs_fault_count(void);

#endif
