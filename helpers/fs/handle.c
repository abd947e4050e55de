#include "fs/handle.h"

#include <errno.h>
#include <unistd.h>

void fs_close(int *fd)
{
	if (*fd < 0)
		return;
	const int kept = errno;
	(void)close(*fd);
	errno = kept;
	*fd = -1;
}

int fs_take(int *fd)
{
	const int taken = *fd;
	*fd = -1;
	return taken;
}
