/*
 * fs/root: resolve every path below one open root directory, component by component.
 *
 * Promise: nothing outside the tree of `root` is ever opened, whatever links the tree has: an absolute link starts
 * again at `root`, and ".." stops there.  "/etc/x" and "etc/x" mean the same place below root.  A path with a "." or
 * ".." component is refused.  All descriptors are O_CLOEXEC.
 *
 * Links in the directory part: FS_NOFOLLOW refuses every one (FAULT_REFUSED).  FS_FOLLOW_TRUSTED follows those that
 * only root or the effective user can have made (both the link and its directory are owned by one of them, and the
 * directory is not writable by group or others); at most 8.  Use FS_FOLLOW_TRUSTED for system paths, since /usr/sbin
 * may be a link to bin, and FS_NOFOLLOW in trees that others can write to.
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

/* A descriptor that is closed at the end of the scope: FS_AUTO int fd = -1;  fs_take(&fd) transfers ownership. */
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

/* Are both of one and the same file? */
static inline bool fs_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

enum fs_follow { FS_NOFOLLOW, FS_FOLLOW_TRUSTED };

enum { FS_NAME_SIZE = NAME_MAX + 1 };

/* Opens the root directory itself (links allowed: the caller chose the path).  The caller closes *ret_fd. */
int fs_root_open(const char *path, int *ret_fd, struct fault *f);
/* Opens a directory below root, O_RDONLY | O_DIRECTORY; "" and "/" give root itself. */
int fs_dir_open(int root, const char *path, enum fs_follow follow, int *ret_fd, struct fault *f);
/* Opens the directory that holds the last component, and copies that component's name. */
int fs_parent_open(int root, const char *path, enum fs_follow follow, int *ret_fd, char ret_leaf[FS_NAME_SIZE],
		   struct fault *f);
/*
 * Where a path leads when all trusted links are followed, also the last component: library names are usually links.
 * The leaf itself is not a link; it need not exist.
 */
struct fs_place {
	int dir; /* the directory that holds the leaf */
	char leaf[FS_NAME_SIZE];
	char path[PATH_MAX + FS_NAME_SIZE + 1]; /* below root, free of links */
	char *links;                            /* owned; "/a/b -> c, /a/c -> d", or NULL if no link was followed */
};
#define FS_PLACE_INIT \
	{ \
		.dir = -1, .links = NULL \
	}
#define FS_PLACE_AUTO __attribute__((cleanup(fs_place_done))) struct fs_place
int fs_place_find(int root, const char *path, struct fs_place *ret_place, struct fault *f);
void fs_place_done(struct fs_place *place);

/*
 * Opens a regular file with `flags` (O_RDONLY, O_RDWR ...; never O_CREAT).  A link as the last component is not
 * followed.  Anything but a regular file is FAULT_REFUSED and, unless it is swapped in meanwhile, not even opened:
 * opening a device can have side effects.  A FIFO never blocks us.  ret_status may be NULL.
 */
int fs_file_open(int root, const char *path, enum fs_follow follow, int flags, int *ret_fd, struct stat *ret_status,
		 struct fault *f);
/* A file by its directory and its name in it; `path` is what a fault calls it. */
struct fs_name {
	int dir;
	const char *leaf, *path;
};
#define FS_NAME(dir, leaf, path) (&(const struct fs_name){ dir, leaf, path })
#define FS_PLACE_NAME(place)     FS_NAME((place)->dir, (place)->leaf, (place)->path)
/* As fs_file_open. */
int fs_name_open(const struct fs_name *name, int flags, int *ret_fd, struct stat *ret_status, struct fault *f);
/*
 * Unlinks the name if it is still the file of that status, and syncs the directory.  A missing name is success; any
 * other failure is FAULT_INCOMPLETE.
 */
int fs_name_remove(const struct fs_name *name, const struct stat *expected, struct fault *f);
/* lstat(2) below root; FAULT_ABSENT if it does not exist. */
int fs_status(int root, const char *path, enum fs_follow follow, struct stat *ret_status, struct fault *f);
/* Whether the path exists; any fault counts as "no". */
bool fs_exists(int root, const char *path);
/*
 * For callers that can do without the file: 0 if `cause` means that it is not there (absent, or behind a link that may
 * not be followed), else -1 with *f = *cause.
 */
int fs_absence(const struct fault *cause, struct fault *f);
/*
 * As fs_exists, for callers that would skip work on a wrong "no": -1 with FAULT_SYSTEM if the system could not tell.
 * What is behind a link that may not be followed (FAULT_REFUSED) does not exist.
 */
int fs_existence(int root, const char *path, bool *ret_there, struct fault *f);
/* The first of the paths that exists, or NULL. */
int fs_first(int root, const char *const *paths, size_t count, const char **ret_path, struct fault *f);
/* Creates the missing directories of the path with `mode`, owned by the effective user; existing ones do not change. */
int fs_dirs_make(int root, const char *path, mode_t mode, enum fs_follow follow, struct fault *f);

#endif
