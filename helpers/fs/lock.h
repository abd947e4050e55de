/*
 * fs/lock: one instance at a time.
 *
 * Promise: the lock is the kernel's (flock(2)) on an open file, so it ends with the process however it ends.  The file
 * is empty, is made once and stays; taking the lock changes nothing on disk.  Who holds it the kernel knows.
 */
#ifndef OKV_FS_LOCK_H
#define OKV_FS_LOCK_H

#include "base/fault.h"

/*
 * Takes the lock `leaf` in the directory, waiting at most `patience_ms` milliseconds; FAULT_LATE names the
 * holder.  The caller keeps *ret_fd open as long as it wants the lock.
 */
int fs_lock_take(int dir, const char *leaf, unsigned patience_ms, int *ret_fd, struct fault *f);

#endif
