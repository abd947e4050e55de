#include "fs/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/text.h"
#include "fs/each.h"
#include "fs/exchange.h"
#include "fs/read.h"

#define STAGE_END ".okv-luna-new"

enum { RANDOM_BYTES = 8, STAGE_TRIES = 16 };

/* The stage is in the directory of its target, since rename(2) works only within one file system. */
static int stage_name(const char *leaf, char ret_name[FS_NAME_SIZE], struct fault *f)
{
	unsigned char random[RANDOM_BYTES];
	char hex[HEX_SIZE(RANDOM_BYTES)];

	if (syscall(SYS_getrandom, random, sizeof(random), 0U) != (long)sizeof(random))
		return fault_system(f, errno, "cannot get random bytes");
	hex_encode(random, sizeof(random), hex);
	const int length = snprintf(ret_name, FS_NAME_SIZE, ".%s.%s" STAGE_END, leaf, hex);
	if (length < 0 || length >= FS_NAME_SIZE)
		return fault_refused(f, "name '%s' is too long to be replaced safely", SHOWN(leaf));
	return 0;
}

bool fs_stage_named(const char *name, const char *leaf)
{
	if (name[0] != '.' || !text_ends(name, STAGE_END))
		return false;
	if (leaf == NULL)
		return true;
	if (!text_starts(&name[1], leaf))
		return false;
	const char *random = &name[1 + strlen(leaf)];
	const size_t digits = random[0] == '.' ? strspn(&random[1], "0123456789abcdef") : 0;
	return strcmp(random, STAGE_END) == 0 ||
	       (digits == 2 * RANDOM_BYTES && strcmp(&random[1 + digits], STAGE_END) == 0);
}

int fs_stage_sweep(int dir, const char *leaf, struct fault *f)
{
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct stat status;
	int more = fs_each_open(dir, leaf, &each, f) < 0 ? -1 : 1;

	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		if (!fs_stage_named(entry.name, leaf) || fstatat(dir, entry.name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)))
			continue;
		/* It may have become a directory since fstatat(2). */
		if (unlinkat(dir, entry.name, 0) < 0 && errno != ENOENT && errno != EISDIR)
			return fault_errno(f, errno, "cannot remove the left-over '%s'", SHOWN(entry.name));
	}
	return more;
}

/* Creates a file (0600, open for writing) or, if `target` is not NULL, a link (*ret_fd is -1), under an unused name. */
static int stage_make(int dir, const char *leaf, const char *target, char ret_name[FS_NAME_SIZE], int *ret_fd,
		      struct fault *f)
{
	if (fs_stage_sweep(dir, leaf, f) < 0)
		return -1;
	for (int tries = 1;; tries++) {
		if (stage_name(leaf, ret_name, f) < 0)
			return -1;
		const int fd = target != NULL ? symlinkat(target, dir, ret_name)
					      : openat(dir, ret_name,
						       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0) {
			*ret_fd = target != NULL ? -1 : fd;
			return 0;
		}
		if (errno != EEXIST || tries == STAGE_TRIES)
			return fault_errno(f, errno, "cannot write beside '%s'", SHOWN(leaf));
	}
}

static void xattr_copy(int from, int to, const char *name)
{
	char value[4096];

	/* Best effort: there may be none, no support by the file system, or an SELinux policy that sets the label. */
	const ssize_t length = fgetxattr(from, name, value, sizeof(value));
	if (length > 0)
		(void)fsetxattr(to, name, value, (size_t)length, 0);
}

static bool changed_since(const struct stat *expected, const struct stat *now)
{
	return !fs_same_file(expected, now) || expected->st_size != now->st_size ||
	       expected->st_mtim.tv_sec != now->st_mtim.tv_sec || expected->st_mtim.tv_nsec != now->st_mtim.tv_nsec ||
	       expected->st_ctim.tv_sec != now->st_ctim.tv_sec || expected->st_ctim.tv_nsec != now->st_ctim.tv_nsec;
}

/* 1: *ret_old is the regular file's status; 0: no such file; -1: not a regular file, or changed since it was read. */
static int old_stat(int dir, const char *leaf, const struct fs_publish *how, struct stat *ret_old, struct fault *f)
{
	if (fstatat(dir, leaf, ret_old, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return fault_errno(f, errno, "cannot look at '%s'", SHOWN(leaf));
		if (how->expected != NULL)
			return fault_incomplete(f, "'%s' was removed meanwhile; run it again", SHOWN(leaf));
		return 0;
	}
	if (!S_ISREG(ret_old->st_mode))
		return fault_refused(f, "'%s' is not a regular file and is not replaced", SHOWN(leaf));
	if (how->expected != NULL && changed_since(how->expected, ret_old))
		return fault_incomplete(f, "'%s' was changed meanwhile by somebody else; run it again", SHOWN(leaf));
	return 1;
}

int fs_stage_begin(int dir, const char *leaf, const struct fs_publish *how, struct fs_stage *ret_stage, struct fault *f)
{
	struct fs_stage stage = { .dir = -1, .fd = -1, .how = *how };
	FS_AUTO int duplicate = fcntl(dir, F_DUPFD_CLOEXEC, 3);

	if (duplicate < 0)
		return fault_system(f, errno, "cannot write beside '%s'", SHOWN(leaf));
	(void)snprintf(stage.leaf, sizeof(stage.leaf), "%s", leaf);
	const int exists = old_stat(dir, leaf, how, &stage.old, f);
	if (exists < 0 || stage_make(dir, leaf, NULL, stage.name, &stage.fd, f) < 0)
		return -1;
	stage.exists = exists == 1;
	stage.dir = fs_take(&duplicate);
	*ret_stage = stage;
	return 0;
}

int fs_stage_own(struct fs_stage *stage, struct fault *f)
{
	const struct fs_publish *how = &stage->how;
	const bool keep = stage->exists && !how->force;
	const uid_t uid = keep ? stage->old.st_uid : how->uid;
	const gid_t gid = keep ? stage->old.st_gid : how->gid;
	const mode_t mode = keep ? stage->old.st_mode & 07777 : how->mode;

	/* The ACL before the mode, whose group bits are then only the ACL's mask; alone they would grant more. */
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(stage->fd, uid, gid) < 0)
		return fault_errno(f, errno, "cannot give the new '%s' its owner", SHOWN(stage->leaf));
	if (stage->exists) {
		FS_AUTO int from = openat(stage->dir, stage->leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (from >= 0) {
			xattr_copy(from, stage->fd, "security.selinux");
			if (keep)
				xattr_copy(from, stage->fd, "system.posix_acl_access");
		}
	}
	if (fchmod(stage->fd, mode) < 0)
		return fault_errno(f, errno, "cannot give the new '%s' its mode", SHOWN(stage->leaf));
	stage->owned = true;
	return 0;
}

static enum fs_exchange_result exchange(const struct fs_stage *stage)
{
	return fs_exchange(stage->dir, stage->name, stage->dir, stage->leaf);
}

/* After the exchange, is the file under the stage's name the expected one?  rename(2) changes its ctime. */
static bool displaced_is(const struct fs_stage *stage, const struct stat *expected)
{
	struct stat now;

	return fstatat(stage->dir, stage->name, &now, AT_SYMLINK_NOFOLLOW) == 0 && fs_same_file(&now, expected) &&
	       now.st_size == expected->st_size && now.st_mtim.tv_sec == expected->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == expected->st_mtim.tv_nsec;
}

/*
 * A check before rename(2) would be a race, so the two files are exchanged and then the displaced one is checked.  If
 * it is not the file that the caller has read, somebody else has edited it, and they are exchanged back.
 */
static int exchange_checked(struct fs_stage *stage, struct fault *f)
{
	struct stat ours;

	if (fstat(stage->fd, &ours) < 0)
		return fault_system(f, errno, "cannot look at the new '%s'", SHOWN(stage->leaf));
	const enum fs_exchange_result result = exchange(stage);
	if (result == FS_EXCHANGE_FAILED ||
	    (result == FS_EXCHANGE_MISSING && renameat(stage->dir, stage->name, stage->dir, stage->leaf) < 0))
		return fault_errno(f, errno, "cannot put the new '%s' in its place", SHOWN(stage->leaf));
	if (result == FS_EXCHANGE_MISSING)
		return 0;
	if (displaced_is(stage, stage->how.expected)) {
		if (unlinkat(stage->dir, stage->name, 0) == 0)
			return 0;
		const int errnum = errno;
		(void)fsync(stage->dir);
		return fault_incomplete(f,
					"the new '%s' is in place, but the old one beside it cannot be removed: %s; "
					"run it again",
					SHOWN(stage->leaf), fault_errno_text(errnum));
	}
	/* Put their file back; if they have replaced ours meanwhile, what came out now is newer: put that back. */
	if (exchange(stage) != FS_EXCHANGED || (!displaced_is(stage, &ours) && exchange(stage) != FS_EXCHANGED))
		return fault_system(f, errno, "cannot put '%s' back, which somebody else is changing",
				    SHOWN(stage->leaf));
	return fault_incomplete(f, "'%s' was changed meanwhile by somebody else; run it again", SHOWN(stage->leaf));
}

static int stage_finish(struct fs_stage *stage, struct fault *f)
{
	struct stat now;

	if (!stage->owned && fs_stage_own(stage, f) < 0)
		return -1;
	if (fsync(stage->fd) < 0)
		return fault_system(f, errno, "cannot sync the new '%s'", SHOWN(stage->leaf));
	if (old_stat(stage->dir, stage->leaf, &stage->how, &now, f) < 0)
		return -1;
	if (stage->how.expected != NULL)
		return exchange_checked(stage, f);
	if (renameat(stage->dir, stage->name, stage->dir, stage->leaf) < 0)
		return fault_errno(f, errno, "cannot put the new '%s' in its place", SHOWN(stage->leaf));
	return 0;
}

int fs_stage_commit(struct fs_stage *stage, struct fault *f)
{
	if (stage_finish(stage, f) < 0) {
		fs_stage_cancel(stage);
		return -1;
	}
	fs_close(&stage->fd);
	FS_AUTO int dir = fs_take(&stage->dir);
	if (fsync(dir) < 0)
		return fault_system(f, errno, "cannot sync the directory of '%s'", SHOWN(stage->leaf));
	return 0;
}

void fs_stage_cancel(struct fs_stage *stage)
{
	if (stage->fd < 0)
		return;
	(void)unlinkat(stage->dir, stage->name, 0);
	fs_close(&stage->fd);
	fs_close(&stage->dir);
}

int fs_publish_at(int dir, const char *leaf, const void *bytes, size_t length, const struct fs_publish *how,
		  struct fault *f)
{
	FS_STAGE_AUTO stage = FS_STAGE_INIT;

	if (fs_stage_begin(dir, leaf, how, &stage, f) < 0 || fs_write(stage.fd, leaf, bytes, length, f) < 0)
		return -1;
	return fs_stage_commit(&stage, f);
}

int fs_publish(int root, const char *path, enum fs_follow follow, const void *bytes, size_t length,
	       const struct fs_publish *how, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (fs_parent_open(root, path, follow, &dir, leaf, f) < 0)
		return -1;
	return fs_publish_at(dir, leaf, bytes, length, how, f);
}

int fs_link_publish(int root, const char *path, enum fs_follow follow, const char *target, bool *ret_changed,
		    struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE], stage[FS_NAME_SIZE], now[PATH_MAX];
	int ignored_fd;

	if (fs_parent_open(root, path, follow, &dir, leaf, f) < 0)
		return -1;

	const ssize_t length = readlinkat(dir, leaf, now, sizeof(now));
	if (length >= 0 && text_equal(now, (size_t)length, target)) {
		*ret_changed = false;
		return 0;
	}
	if (length < 0 && errno != ENOENT)
		return errno == EINVAL
			       ? fault_refused(f, "'%s' exists and is not one of our links; move it away", SHOWN(path))
			       : fault_errno(f, errno, "cannot look at '%s'", SHOWN(path));
	if (stage_make(dir, leaf, target, stage, &ignored_fd, f) < 0)
		return -1;
	if (renameat(dir, stage, dir, leaf) < 0) {
		(void)fault_errno(f, errno, "cannot put link '%s' in its place", SHOWN(path));
		(void)unlinkat(dir, stage, 0);
		return -1;
	}
	if (fsync(dir) < 0)
		return fault_system(f, errno, "cannot sync the directory of '%s'", SHOWN(path));
	*ret_changed = true;
	return 0;
}
