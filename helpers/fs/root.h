/*
 * fs/root: every path is walked from one anchored descriptor, component by component.
 *
 * Promise: nothing outside the tree of `root` is ever opened, whatever links lie inside it: an absolute link
 * starts again at `root`, and ".." stops there.  Paths may be written "/etc/x" or "etc/x"; both mean the same
 * place below root.  "." and ".." in a path given by the caller are refused.  All descriptors are O_CLOEXEC.
 *
 * Links in the directory part: FS_NOFOLLOW refuses every one (FAULT_REFUSED).  FS_FOLLOW_TRUSTED follows those
 * that only root (or the caller) could have made: link and containing directory owned by root or the effective
 * user, directory not writable by group or others; at most 8 of them.  A system may have /usr/sbin -> bin, so
 * system paths want FS_FOLLOW_TRUSTED; trees that others can write want FS_NOFOLLOW.
 */
#ifndef OKV_FS_ROOT_H
#define OKV_FS_ROOT_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"

/* A descriptor that closes itself: FS_AUTO int fd = -1;  fs_take(&fd) hands it over. */
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

enum fs_follow { FS_NOFOLLOW, FS_FOLLOW_TRUSTED };

enum { FS_NAME_SIZE = NAME_MAX + 1 };

/* Opens the anchor itself (links allowed: the caller chose the path).  The caller closes *ret_fd. */
int fs_root_open(const char *path, int *ret_fd, struct fault *f);
/* Opens a directory below root, O_RDONLY | O_DIRECTORY; "" and "/" give root itself. */
int fs_dir_open(int root, const char *path, enum fs_follow follow, int *ret_fd, struct fault *f);
/* Opens the directory that holds the last component, and copies that component's name. */
int fs_parent_open(int root, const char *path, enum fs_follow follow, int *ret_fd, char ret_leaf[FS_NAME_SIZE],
		   struct fault *f);
/*
 * What a path leads to when trusted links are followed to the very end, the last component included: for libraries,
 * whose names are links.  The leaf is no link; nothing need stand there.
 */
struct fs_place {
	int dir; /* the directory that holds the leaf */
	char leaf[FS_NAME_SIZE];
	char path[PATH_MAX + FS_NAME_SIZE + 1]; /* below root, free of links */
	char *links;                            /* owned; "/a/b -> c, /a/c -> d", or NULL where there was none */
};
#define FS_PLACE_INIT \
	{ \
		.dir = -1, .links = NULL \
	}
#define FS_PLACE_AUTO __attribute__((cleanup(fs_place_done))) struct fs_place
int fs_place_find(int root, const char *path, struct fs_place *ret_place, struct fault *f);
void fs_place_done(struct fs_place *place);

/*
 * Opens a regular file with `flags` (O_RDONLY, O_RDWR ...; never O_CREAT).  The last component is never followed
 * as a link; anything that is no regular file is FAULT_REFUSED, without opening it for work (no FIFO blocks us,
 * no device wakes up).  ret_status may be NULL.
 */
int fs_file_open(int root, const char *path, enum fs_follow follow, int flags, int *ret_fd, struct stat *ret_status,
		 struct fault *f);
/* Same, from a directory descriptor and one name. */
int fs_file_open_at(int dir, const char *leaf, int flags, int *ret_fd, struct stat *ret_status, struct fault *f);
/*
 * Removes the name where it still leads to the file of that status, and syncs the directory.  Absence is success; all
 * else is FAULT_INCOMPLETE.  `path` is for the fault.
 */
int fs_file_remove_at(int dir, const char *leaf, const struct stat *expected, const char *path, struct fault *f);
/* lstat below root: 0 and *ret_status, or FAULT_ABSENT where it is not there. */
int fs_status(int root, const char *path, enum fs_follow follow, struct stat *ret_status, struct fault *f);
/* Whether anything is there under that name; faults other than absence count as "no". */
bool fs_exists(int root, const char *path);
/*
 * What a failed look means for whoever goes on without the thing: 0 where nothing is there (absent, or a link that may
 * not be followed), else -1 with *f = *cause.
 */
int fs_absence(const struct fault *cause, struct fault *f);
/*
 * Same question for whoever would do less on a "no" and call it done: 0 and the answer, or -1 with FAULT_SYSTEM where
 * the system could not tell.  What may not be followed (FAULT_REFUSED) is not there.
 */
int fs_existence(int root, const char *path, bool *ret_there, struct fault *f);
/* The same of several: the first path that is there, or NULL where none is. */
int fs_first(int root, const char *const *paths, size_t count, const char **ret_path, struct fault *f);
/* Makes missing directories of the path with `mode`, owned by the effective user; existing ones stay as they are. */
int fs_dirs_make(int root, const char *path, mode_t mode, enum fs_follow follow, struct fault *f);

#endif
