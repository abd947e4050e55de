#include "fs/exchange.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* RENAME_EXCHANGE of linux/fs.h: older headers lack it, and newer ones collide with those of the C library. */
enum { EXCHANGE = 1 << 1 };

enum fs_exchange_result fs_exchange(int one_dir, const char *one, int other_dir, const char *other)
{
	if (syscall(SYS_renameat2, one_dir, one, other_dir, other, EXCHANGE) == 0)
		return FS_EXCHANGED;
	/*
	 * EINVAL: the file system does not know the flag; EOPNOTSUPP: some say it so; EPERM: so does a container's
	 * filter of system calls, and whoever is really not allowed to rename learns it from the next call.
	 */
	switch (errno) {
	case ENOSYS:
	case EINVAL:
	case EOPNOTSUPP:
	case EPERM:
		return FS_EXCHANGE_MISSING;
	default:
		return FS_EXCHANGE_FAILED;
	}
}
