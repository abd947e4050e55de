/*
 * fs/lock: one instance at a time.
 *
 * Promise: the lock is flock(2) on an open file, so the kernel drops it when the process ends, however it ends.  The
 * lock file is empty, created at first use and never removed.
 */
#ifndef OKV_FS_LOCK_H
#define OKV_FS_LOCK_H

#include "base/fault.h"

/*
 * Takes the lock `leaf` in the directory and waits at most `patience_ms` milliseconds for it; then FAULT_LATE, which
 * names the holder if /proc/locks does.  The lock lasts until the caller closes *ret_fd.
 */
int fs_lock_take(int dir, const char *leaf, unsigned patience_ms, int *ret_fd, struct fault *f);

#endif
