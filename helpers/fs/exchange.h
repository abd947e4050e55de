/*
 * fs/exchange: swap two names atomically.
 *
 * Promise: at any instant each name leads to one of the two files (RENAME_EXCHANGE of renameat2(2), Linux 3.15).  If
 * the kernel, the file system or a seccomp filter does not have it, the result is FS_EXCHANGE_MISSING and nothing has
 * changed: the caller then renames in two steps, and its recovery handles a kill between them.
 */
#ifndef OKV_FS_EXCHANGE_H
#define OKV_FS_EXCHANGE_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fs_exchange_result {
	FS_EXCHANGED,
	FS_EXCHANGE_MISSING, /* not supported here */
	FS_EXCHANGE_FAILED,  /* errno says why */
};

static inline enum fs_exchange_result fs_exchange(int one_dir, const char *one, int other_dir, const char *other)
{
	/* RENAME_EXCHANGE.  Not from linux/fs.h: old headers lack it, and new ones collide with the C library's. */
	enum { EXCHANGE = 1 << 1 };

	if (syscall(SYS_renameat2, one_dir, one, other_dir, other, EXCHANGE) == 0)
		return FS_EXCHANGED;
	/*
	 * EINVAL, EOPNOTSUPP: the file system does not know the flag.  EPERM: a container's seccomp filter; if the
	 * caller really may not rename, the rename(2) that it falls back to says so.
	 */
	return errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP || errno == EPERM ? FS_EXCHANGE_MISSING
											   : FS_EXCHANGE_FAILED;
}

#endif
