/*
 * fs/dircache: open the parent directories of many paths, and share what they have in common.
 *
 * Promise: as fs_parent_open with FS_FOLLOW_TRUSTED, for a long list of paths in the order of a walk: directories that
 * consecutive paths share are opened once.  At most FS_DIRCACHE_MAX components.
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
	size_t end; /* offset in the path where this component ends */
	bool open_to_others;
};

/* Starts as { .root = ... }. */
struct fs_dircache {
	int root;         /* borrowed */
	struct text path; /* of the innermost open directory, "" for the root */
	size_t count;
	struct fs_dircache_step steps[FS_DIRCACHE_MAX]; /* the last one is the innermost */
};

#define FS_DIRCACHE_AUTO __attribute__((cleanup(fs_dircache_done))) struct fs_dircache

void fs_dircache_done(struct fs_dircache *cache);
/*
 * Gives the directory that holds the last component of `path` (absolute), the component's name, and whether users other
 * than root can create names in that directory.  The cache owns *ret_dir, which is valid until the next call; *ret_leaf
 * points into `path`.
 */
int fs_dircache_parent(struct fs_dircache *cache, const char *path, int *ret_dir, const char **ret_leaf,
		       bool *ret_open_to_others, struct fault *f);

#endif
