/*
 * fs/walk: every entry of a tree, by descriptors.
 *
 * Promise: from the start downwards nothing is reached by more than one name from an open directory; no link is
 * followed; a directory is entered only if it is still the one that was looked at.  Mount points (another device, or
 * where the kernel tells, another mount of the same one) are shown and not entered.  A directory's own entries come
 * before what lies below its subdirectories.  One descriptor is held for each level; memory is that of the names of
 * the subdirectories still to be entered, and nothing is allocated for a file.
 *
 * What cannot be looked at or read is told and the walk goes on; what vanishes meanwhile is passed over in silence.
 *
 * A tree is removed in the same way: by descriptors, through no link, not across into another file system, and nothing
 * outside of it.
 */
#ifndef OKV_FS_WALK_H
#define OKV_FS_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"

enum { FS_WALK_DEPTH_MAX = 512 };

struct fs_walk_entry {
	int dir;          /* the directory that holds it, open for reading */
	size_t directory; /* that one's number in this walk, from 1 on: its entries come one after the other */
	const char *name;
	const char *path; /* the start's path and what follows, for people and journals */
	size_t path_length;
	const struct stat *status; /* of the entry itself, links are not followed */
	bool mount;                /* a mount point, as far as a directory or another device goes */
	int holder_mount;          /* the mount that `dir` lies on, -1 where the kernel does not tell */
	bool in_open; /* users other than root and the directory's own may make names in the directory that holds it */
};

enum fs_walk_next { FS_WALK_PASS, FS_WALK_ENTER };

struct fs_walk {
	void *context;
	size_t state_size; /* bytes that the visitor keeps for each directory on the way; may be 0 */
	/* Is an entry of that name and type (DT_DIR, ..., DT_UNKNOWN) worth a look?  NULL: every one is. */
	bool (*wants)(void *context, const void *state, const char *name, unsigned char type);
	/*
	 * One entry, with the state of the directory that holds it.  FS_WALK_ENTER matters for directories only.
	 * -1 with *f filled ends the walk.
	 */
	int (*visit)(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f);
	/* The state of a directory from that of the one that holds it; NULL where state_size is 0. */
	void (*enter)(void *context, const void *state, const char *name, void *ret_state);
	/* Something could not be looked at or entered; `trouble` is one sentence.  NULL: it ends the walk. */
	void (*miss)(void *context, const char *path, const struct fault *trouble);
};

/*
 * Walks `leaf` in directory `dir` and all below.  `path` is the path of the start, `state` that of the directory
 * `dir`.  An absent start is FAULT_ABSENT.  The caller keeps `dir`.
 */
int fs_walk(int dir, const char *leaf, const char *path, const void *state, const struct fs_walk *walk,
	    struct fault *f);
/*
 * Is the entry a mount point, asked of the kernel for a file too?  (A file can be one by a bind mount; a walk asks that
 * of directories only, since it is a call more for each entry.)
 */
bool fs_walk_mounted(const struct fs_walk_entry *entry);
/* Is that name of the directory one?  What is not there is none. */
int fs_mount_point(int dir, const char *name, bool *ret_mounted, struct fault *f);

/* May users other than root make and remove names in a directory of that status? */
static inline bool fs_open_to_others(const struct stat *directory)
{
	return directory->st_uid != 0 || (directory->st_mode & 022) != 0;
}

/*
 * Removes `leaf` and all below; absence is success.  What could not be removed is in the fault; the rest is gone.  Each
 * directory that others can write is closed to them first, so that nobody who holds it open can keep it full.
 */
int fs_tree_remove(int dir, const char *leaf, struct fault *f);

#endif
