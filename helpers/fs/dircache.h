/*
 * fs/dircache: the directories of many paths, one after the other.
 *
 * Promise: as fs_parent_open, for callers that come with a long list in the order of a walk: what two paths in a row
 * have in common is opened once.  Components are opened from the one before, links among them only as
 * FS_FOLLOW_TRUSTED allows.  At most FS_DIRCACHE_MAX components.
 */
#ifndef OKV_FS_DIRCACHE_H
#define OKV_FS_DIRCACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"

enum { FS_DIRCACHE_MAX = 640 };

struct fs_dircache_step {
	int fd;
	size_t end; /* of its component, in the path */
	bool open_to_others;
};

/* Starts as { .root = ... }. */
struct fs_dircache {
	int root;         /* borrowed */
	struct text path; /* of the directory that is open, "" for the root */
	size_t count;
	struct fs_dircache_step steps[FS_DIRCACHE_MAX]; /* the last is the directory at hand */
};

#define FS_DIRCACHE_AUTO __attribute__((cleanup(fs_dircache_done))) struct fs_dircache

void fs_dircache_done(struct fs_dircache *cache);
/*
 * The directory that holds the last component of `path` (absolute), its name there, and whether users other than root
 * may make names in it.  *ret_dir stays the cache's and is good until the next call; *ret_leaf points into `path`.
 */
int fs_dircache_parent(struct fs_dircache *cache, const char *path, int *ret_dir, const char **ret_leaf,
		       bool *ret_open_to_others, struct fault *f);

#endif
