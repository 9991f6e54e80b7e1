/* SPDX-License-Identifier: ISC */
#ifndef STORE_VFS_FAULT_H
#define STORE_VFS_FAULT_H

/*
 * A VFS in front of SQLite's own that counts what changes storage (writes,
 * truncations, flushes, deletions) and lets one of them and everything after
 * it fail, as a dying disk does.
 */
enum vfs_fault { VFS_EIO, VFS_ENOSPC, VFS_TORN };

/* Registers it as the default; at 0: never fails. */
void	vfs_fault_arm(unsigned long at, enum vfs_fault how);
unsigned long
	vfs_fault_count(void);

#endif
