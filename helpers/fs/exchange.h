/*
 * fs/exchange: two names change places in one step.
 *
 * Promise: at any instant each name leads to one of the two (RENAME_EXCHANGE of renameat2(2), Linux 3.15).  Where
 * kernel, file system or a filter of system calls does not have it, the answer says so and nothing has changed: the
 * caller takes the way that costs an instant, and recovers from what a kill leaves there.
 */
#ifndef OKV_FS_EXCHANGE_H
#define OKV_FS_EXCHANGE_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fs_exchange_result {
	FS_EXCHANGED,
	FS_EXCHANGE_MISSING, /* no such call here */
	FS_EXCHANGE_FAILED,  /* errno says why */
};

static inline enum fs_exchange_result fs_exchange(int one_dir, const char *one, int other_dir, const char *other)
{
	/* RENAME_EXCHANGE of linux/fs.h: older headers lack it, and newer ones collide with those of the C library. */
	enum { EXCHANGE = 1 << 1 };

	if (syscall(SYS_renameat2, one_dir, one, other_dir, other, EXCHANGE) == 0)
		return FS_EXCHANGED;
	/*
	 * EINVAL: the file system does not know the flag; EOPNOTSUPP: some say it so; EPERM: so does a container's
	 * filter of system calls, and whoever is really not allowed to rename learns it from the next call.
	 */
	return errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP || errno == EPERM ? FS_EXCHANGE_MISSING
											   : FS_EXCHANGE_FAILED;
}

#endif
