/*
 * fs/publish: replace a file whole.
 *
 * Promise: at any instant the name leads to the old bytes or the new ones.  The new file is written beside,
 * synced, given owner, mode, ACL and SELinux label of the old one (or those asked for), renamed, and the
 * directory synced.  What stands under the name must be a regular file or nothing.
 *
 * The stage is called ".NAME.RANDOM.okv-luna-new", which nobody can guess and take.  What a killed run left of one is
 * removed by the next: each file or link that is so called (or without RANDOM, as up to 0.1.0).  The owner says
 * nothing, since a stage is given away before it takes its name; but who brings a file of somebody else's to such a
 * name in that directory might as well have removed it there.  Anything else under such a name is passed over.
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
	/*
	 * What the caller had read, or NULL: a file that changed since is FAULT_INCOMPLETE: it has to be read again.
	 * Where the kernel can exchange two names (Linux 3.15), not even an edit in the instant of the rename is lost;
	 * who reads between that exchange and its undoing sees the new bytes.
	 */
	const struct stat *expected;
};

#define FS_PUBLISH_NEW(new_mode) \
	{ \
		.mode = (new_mode), .uid = (uid_t)-1, .gid = (gid_t)-1, .force = false, .expected = NULL \
	}

/*
 * The same in pieces, for content that is not held in memory: begin makes the stage beside `leaf`, 0600 and of the
 * effective user, opened for writing at *ret.fd; the caller writes to it; commit gives owner and mode, syncs and
 * renames; cancel removes the stage.  After begin exactly one of commit and cancel follows; a commit that
 * fails has cancelled.  fs_stage_own gives owner and mode ahead of commit, before the first byte is written.
 */
struct fs_stage {
	int dir; /* its own, so that the stage can go after the caller closed the directory */
	int fd;
	char leaf[FS_NAME_SIZE], name[FS_NAME_SIZE];
	struct fs_publish how;
	struct stat old;
	bool exists, owned;
};

#define FS_STAGE_INIT \
	{ \
		.dir = -1, .fd = -1 \
	}
#define FS_STAGE_AUTO __attribute__((cleanup(fs_stage_cancel))) struct fs_stage

int fs_stage_begin(int dir, const char *leaf, const struct fs_publish *how, struct fs_stage *ret_stage,
		   struct fault *f);
int fs_stage_own(struct fs_stage *stage, struct fault *f);
int fs_stage_commit(struct fs_stage *stage, struct fault *f);
/* Nothing to do after commit, or for a stage that was never begun. */
void fs_stage_cancel(struct fs_stage *stage);
/* Removes what killed runs left of stages for `leaf`; absence is success. */
int fs_stage_sweep(int dir, const char *leaf, struct fault *f);
/* Is that the name of a stage, of `leaf` or, where NULL, of anything? */
bool fs_stage_named(const char *name, const char *leaf);

int fs_publish_at(int dir, const char *leaf, const void *bytes, size_t length, const struct fs_publish *how,
		  struct fault *f);
int fs_publish(int root, const char *path, enum fs_follow follow, const void *bytes, size_t length,
	       const struct fs_publish *how, struct fault *f);

/* A symbolic link at the path with that target, made or replaced in the same way; *ret_changed says which. */
int fs_link_publish(int root, const char *path, enum fs_follow follow, const char *target, bool *ret_changed,
		    struct fault *f);

#endif
