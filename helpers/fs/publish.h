/*
 * fs/publish: replace a file whole.
 *
 * Promise: at any instant the name leads to the old bytes or the new ones.  The new file is written beside,
 * synced, given owner, mode, ACL and SELinux label of the old one (or those asked for), renamed, and the
 * directory synced.  A stage left by a killed run (".NAME.okv-luna-new") is removed by the next.
 * What stands under the name must be a regular file or nothing.
 */
#ifndef OKV_FS_PUBLISH_H
#define OKV_FS_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "fs/root.h"

struct fs_publish {
	/* For a file that is new, or for every file when `force` is set; the old file's are kept otherwise. */
	mode_t mode;
	uid_t uid; /* (uid_t)-1, (gid_t)-1: the effective ones */
	gid_t gid;
	bool force;
	/* What the caller had read, or NULL: a file that changed since is FAULT_INCOMPLETE: it has to be read again. */
	const struct stat *expected;
};

#define FS_PUBLISH_NEW(new_mode) \
	{ .mode = (new_mode), .uid = (uid_t)-1, .gid = (gid_t)-1, .force = false, .expected = NULL }

int fs_publish_at(int dir, const char *leaf, const void *bytes, size_t length, const struct fs_publish *how,
		  struct fault *f);
int fs_publish(int root, const char *path, enum fs_follow follow, const void *bytes, size_t length,
	       const struct fs_publish *how, struct fault *f);

/* A symbolic link at the path with that target, made or replaced in the same way; *ret_changed says which. */
int fs_link_publish(int root, const char *path, enum fs_follow follow, const char *target, bool *ret_changed,
		    struct fault *f);

#endif
