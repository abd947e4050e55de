/*
 * fs/handle: descriptors that close themselves.
 *
 * Promise: FS_AUTO int fd = -1;  closes at the end of the block, whatever way it is left; fs_take(&fd) hands it over.
 */
#ifndef OKV_FS_HANDLE_H
#define OKV_FS_HANDLE_H

#include <errno.h>
#include <unistd.h>

#define FS_AUTO __attribute__((cleanup(fs_close)))

/* Closes *fd unless negative, sets it to -1, keeps errno. */
static inline void fs_close(int *fd)
{
	const int kept = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = kept;
}

/* Returns *fd and leaves -1 behind. */
static inline int fs_take(int *fd)
{
	const int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
