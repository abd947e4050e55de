/*
 * fs/walk: visit every entry of a tree, by descriptors; and remove a tree.
 *
 * Promise: everything is opened by a single name from an open directory; no link is followed; a directory is entered
 * only if it is still the one that was visited.  Mount points (another device, or another mount of the same device if
 * the kernel tells) are visited but not entered.  A directory's own entries come before those of its subdirectories.
 * One descriptor is open for each level; memory holds the names of the subdirectories still to be entered, and nothing
 * for files.
 *
 * What cannot be read is reported and the walk goes on; what disappears meanwhile is skipped silently.
 */
#ifndef OKV_FS_WALK_H
#define OKV_FS_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"

enum { FS_WALK_DEPTH_MAX = 512 };

struct fs_walk_entry {
	int dir;          /* the directory that holds the entry, open for reading */
	size_t directory; /* number of that directory in this walk, from 1; its entries are visited consecutively */
	const char *name;
	const char *path; /* the start's path and the path below it, for messages and journals */
	size_t path_length;
	const struct stat *status; /* of the entry itself: links are not followed */
	bool mount;                /* is a mount point; for a file, only if it is on another device */
	int holder_mount;          /* mount id of `dir`, -1 if the kernel does not tell */
	bool in_open;              /* fs_open_to_others of the directory that holds the entry */
};

enum fs_walk_next { FS_WALK_PASS, FS_WALK_ENTER };

struct fs_walk {
	void *context;
	size_t state_size; /* bytes of state for each directory; may be 0 */
	/* Should an entry of that name and type (DT_DIR, ..., DT_UNKNOWN) be visited?  NULL: all are. */
	bool (*wants)(void *context, const void *state, const char *name, unsigned char type);
	/*
	 * Visits one entry; `state` is that of the directory that holds it.  FS_WALK_ENTER matters for directories
	 * only.  -1 with *f filled ends the walk.
	 */
	int (*visit)(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f);
	/* Derives a directory's state from its parent's; NULL if state_size is 0. */
	void (*enter)(void *context, const void *state, const char *name, void *ret_state);
	/* An entry could not be read or entered; `trouble` says why.  NULL: it ends the walk. */
	void (*miss)(void *context, const char *path, const struct fault *trouble);
};

/*
 * Walks `leaf` in directory `dir` and everything below.  `path` is the path of `leaf`, `state` the state of `dir`.
 * FAULT_ABSENT if `leaf` does not exist.
 */
int fs_walk(int dir, const char *leaf, const char *path, const void *state, const struct fs_walk *walk,
	    struct fault *f);
/*
 * Is the entry a mount point, also if it is a file?  (A file can be bind-mounted.  The walk itself checks only
 * directories, because the check costs one system call for each entry.)
 */
bool fs_walk_mounted(const struct fs_walk_entry *entry);
/* Is that name in the directory a mount point?  A missing one is not. */
int fs_mount_point(int dir, const char *name, bool *ret_mounted, struct fault *f);

/* Can users other than root create and remove names in a directory with that status? */
static inline bool fs_open_to_others(const struct stat *directory)
{
	return directory->st_uid != 0 || (directory->st_mode & 022) != 0;
}

/*
 * Removes `leaf` and everything below, by descriptors, without following links or crossing into another file system.  A
 * missing leaf is success.  If something cannot be removed, the fault names it, and the rest is gone.  A directory that
 * others can write to is closed to them first, so that nobody who has it open can keep filling it.
 */
int fs_tree_remove(int dir, const char *leaf, struct fault *f);

#endif
