/*
 * fs/publish: replace a file atomically.
 *
 * Promise: at any instant the name leads to the old bytes or to the new ones.  The new file is written in the same
 * directory, given owner, mode, ACL and SELinux label of the old one (or those asked for), synced and renamed, and the
 * directory is synced.  The name must be that of a regular file, or unused.
 *
 * The temporary file (the stage) is called ".NAME.RANDOM.okv-luna-new", so nobody can guess its name.  The next run
 * removes what a killed one left: every regular file or link with such a name (or without RANDOM, as up to 0.1.0).  It
 * does not check the owner, because a stage is chowned before its rename.  An attacker gains nothing by that: whoever
 * can move somebody else's file to such a name could delete it as well.
 */
#ifndef OKV_FS_PUBLISH_H
#define OKV_FS_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "fs/root.h"

struct fs_publish {
	/* For a new file, or if `force` is set; otherwise the old file's are kept. */
	mode_t mode;
	uid_t uid; /* (uid_t)-1 and (gid_t)-1 stand for the effective ids */
	gid_t gid;
	bool force;
	/*
	 * Status of the file that the caller has read, or NULL.  If the file has changed since, the fault is
	 * FAULT_INCOMPLETE and the caller has to read it again.  With RENAME_EXCHANGE (Linux 3.15) not even an edit at
	 * the very moment of the rename is lost; a reader may then see the new bytes until the exchange is undone.
	 */
	const struct stat *expected;
};

#define FS_PUBLISH_NEW(new_mode) \
	{ \
		.mode = (new_mode), .uid = (uid_t)-1, .gid = (gid_t)-1, .force = false, .expected = NULL \
	}

/*
 * The same in steps, for content that is not held in memory: begin creates the stage next to `leaf`, 0600 and owned by
 * the effective user, open for writing at ret_stage->fd; the caller writes to it; commit sets owner and mode, syncs and
 * renames; cancel removes the stage.  After begin, call one of commit and cancel; a failed commit has cancelled.
 * fs_stage_own sets owner and mode before commit, for instance before the first byte is written.
 */
struct fs_stage {
	int dir; /* a duplicate, so that cancel works after the caller has closed its own */
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
/* Does nothing after commit, or if begin was never called. */
void fs_stage_cancel(struct fs_stage *stage);
/* Removes the stages that killed runs left for `leaf`. */
int fs_stage_sweep(int dir, const char *leaf, struct fault *f);
/* Is that a stage's name: of `leaf`, or of any file if `leaf` is NULL? */
bool fs_stage_named(const char *name, const char *leaf);

int fs_publish_at(int dir, const char *leaf, const void *bytes, size_t length, const struct fs_publish *how,
		  struct fault *f);
int fs_publish(int root, const char *path, enum fs_follow follow, const void *bytes, size_t length,
	       const struct fs_publish *how, struct fault *f);

/* Creates a symbolic link, or replaces one, in the same way; *ret_changed is false if it had that target already. */
int fs_link_publish(int root, const char *path, enum fs_follow follow, const char *target, bool *ret_changed,
		    struct fault *f);

#endif
