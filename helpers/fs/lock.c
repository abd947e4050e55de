#include "fs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"

enum { POLL_MS = 20 };

int fs_lock_take(int dir, const char *leaf, unsigned patience_ms, int *ret_fd, struct fault *f)
{
	FS_AUTO int fd = openat(dir, leaf, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0)
		return fault_errno(f, errno, "cannot open the lock '%s'", SHOWN(leaf));

	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return fault_refused(f, "the lock '%s' is not a regular file", SHOWN(leaf));

	for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fault_system(f, errno, "cannot take the lock '%s'", SHOWN(leaf));
		if (waited >= patience_ms) {
			char holder[24] = "";
			const ssize_t length = pread(fd, holder, sizeof(holder) - 1, 0);
			if (length > 0)
				holder[strcspn(holder, "\n")] = '\0';
			return fault_late(f, "another okv-luna command is at work (process %s); wait for it to end",
					  length > 0 ? SHOWN(holder) : "unknown");
		}
		const struct timespec pause = { .tv_sec = 0, .tv_nsec = POLL_MS * 1000000L };
		(void)nanosleep(&pause, NULL);
	}

	char line[24];
	const int length = snprintf(line, sizeof(line), "%ld\n", (long)getpid());
	/* For people only: a full disk must not keep the command from working. */
	if (ftruncate(fd, 0) < 0 || pwrite(fd, line, (size_t)length, 0) < 0)
		errno = 0;
	*ret_fd = fs_take(&fd);
	return 0;
}
