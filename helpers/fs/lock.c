#include "fs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/root.h"

enum { POLL_MS = 20 };

enum { HOLDER_SIZE = 40 };

/*
 * Finds the process that holds the lock, in /proc/locks: "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE ...".  Empty if
 * the kernel shows no process: the holder has ended, or is outside our pid namespace.
 */
static void holder_find(const struct stat *file, char ret_holder[HOLDER_SIZE])
{
	char line[256];
	FILE *locks = fopen("/proc/locks", "re");

	ret_holder[0] = '\0';
	while (locks != NULL && fgets(line, sizeof(line), locks) != NULL) {
		unsigned upper, lower;
		unsigned long inode;
		long holder;
		/* A waiter's line has "->" after the number, so it does not match. */
		if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%lu", &holder, &upper, &lower, &inode) == 4 &&
		    holder > 0 && inode == file->st_ino && upper == major(file->st_dev) &&
		    lower == minor(file->st_dev)) {
			(void)snprintf(ret_holder, HOLDER_SIZE, " (process %ld)", holder);
			break;
		}
	}
	if (locks != NULL)
		(void)fclose(locks);
}

int fs_lock_take(int dir, const char *leaf, unsigned patience_ms, int *ret_fd, struct fault *f)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	FS_AUTO int fd = openat(dir, leaf, flags);
	if (fd < 0 && errno == ENOENT)
		fd = openat(dir, leaf, flags | O_CREAT, 0600);
	if (fd < 0)
		return fault_errno(f, errno, "cannot open the lock '%s'", SHOWN(leaf));

	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return fault_refused(f, "the lock '%s' is not a regular file", SHOWN(leaf));

	for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fault_system(f, errno, "cannot take the lock '%s'", SHOWN(leaf));
		if (waited >= patience_ms) {
			char holder[HOLDER_SIZE];
			holder_find(&status, holder);
			return fault_late(f, "another okv-luna command is running%s; wait for it to end", holder);
		}
		const struct timespec pause = { .tv_sec = 0, .tv_nsec = POLL_MS * 1000000L };
		(void)nanosleep(&pause, NULL);
	}
	*ret_fd = fs_take(&fd);
	return 0;
}
