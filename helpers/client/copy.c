#include "client/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

enum { DEPTH_MAX = 64, LEFT_TOLD = 20 };

static int entry_copy(struct client_copy *c, int from, int to, const char *name, const char *path, unsigned depth,
		      struct fault *f);

/* In these two others may write, and what they do there decides nothing. */
static bool is_open(const char *path)
{
	return text_starts(path, "data/") || text_starts(path, "lock/");
}

/* It stays in the previous client; the first few are named. */
static int leave(struct client_copy *c, const char *path, const char *why)
{
	if (++c->left <= LEFT_TOLD)
		report_say(c->report, REPORT_WARNING, "'%s' of the old client is left behind: %s", SHOWN(path), why);
	return 0;
}

void client_copy_end(const struct client_copy *c)
{
	if (c->left > LEFT_TOLD)
		report_say(c->report, REPORT_WARNING, "%ju more files of the old client are left behind",
			   (uintmax_t)(c->left - LEFT_TOLD));
}

/* No stranger can make a system call fail so. */
static bool is_the_machines(int errnum)
{
	return errnum == EIO || errnum == ENOMEM || errnum == EMFILE || errnum == ENFILE || errnum == ENOSPC;
}

/* Not what it was a moment ago, or it cannot be read. */
static int unreadable(struct client_copy *c, const char *path, const struct fault *trouble, struct fault *f)
{
	if (is_open(path) && !is_the_machines(trouble->errnum))
		return leave(c, path, trouble->text);
	*f = *trouble;
	return -1;
}

/* ACLs, labels and what else hangs on the file; a target that cannot hold one is told once, by its file. */
static int attributes_copy(struct client_copy *c, int from, int to, const char *path, struct fault *f)
{
	/* The most that the kernel gives, for the names and for one value. */
	char names[65536], value[65536];
	const ssize_t length = flistxattr(from, names, sizeof(names));

	if (length < 0 && errno != ENOTSUP)
		return fault_system(f, errno, "cannot read the attributes of '%s'", SHOWN(path));
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		const ssize_t size = fgetxattr(from, names + at, value, sizeof(value));
		if (size < 0 && errno != ENODATA && errno != ENOTSUP)
			return fault_system(f, errno, "cannot read attribute %s of '%s'", SHOWN(names + at),
					    SHOWN(path));
		if (size < 0 || strcmp(names + at, "security.capability") == 0)
			continue;
		if (fsetxattr(to, names + at, value, (size_t)size, 0) < 0)
			report_say(c->report, REPORT_WARNING, "'%s': attribute %s could not be carried over: %s",
				   SHOWN(path), SHOWN(names + at), fault_errno_text(errno));
	}
	return 0;
}

/* Owner first, then mode: at no moment does anybody have more than in the end. */
static int status_copy(struct client_copy *c, int from, int to, const struct stat *status, const char *path,
		       struct fault *f)
{
	const struct timespec times[2] = { status->st_atim, status->st_mtim };
	struct stat now;

	if (fchown(to, status->st_uid, status->st_gid) < 0)
		return fault_system(f, errno, "cannot keep the owner of '%s'", SHOWN(path));
	if (attributes_copy(c, from, to, path, f) < 0)
		return -1;
	/* Writing takes set-id bits away: they are not given to bytes that came since. */
	if (fstat(from, &now) < 0 ||
	    fchmod(to, status->st_mode & now.st_mode & 07777 & ~(mode_t)(S_ISREG(now.st_mode) ? S_ISUID : 0)) < 0)
		return fault_system(f, errno, "cannot keep the mode of '%s'", SHOWN(path));
	if (futimens(to, times) < 0)
		return fault_system(f, errno, "cannot keep the times of '%s'", SHOWN(path));
	return 0;
}

static int range_copy(int from, int to, off_t at, off_t end, const char *path, struct fault *f)
{
	char block[65536];

	if (lseek(to, at, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
	while (at < end) {
		const size_t wanted = end - at < (off_t)sizeof(block) ? (size_t)(end - at) : sizeof(block);
		const ssize_t got = pread(from, block, wanted, at);
		if (got < 0 && errno != EINTR)
			return fault_system(f, errno, "cannot read '%s' of the old client", SHOWN(path));
		if (got == 0)
			break;
		if (got > 0 && fs_write(to, path, block, (size_t)got, f) < 0)
			return -1;
		at += got > 0 ? got : 0;
	}
	return 0;
}

/* As long as it was when it was looked at.  A hole stays one, and takes neither time nor room. */
static int content_copy(struct client_copy *c, int from, int to, const struct stat *status, const char *path,
			struct fault *f)
{
	const off_t size = status->st_size;
	off_t at = 0;

	for (off_t end; (at = lseek(from, at, SEEK_DATA)) >= 0 && at < size; at = end) {
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		c->bytes += (uint64_t)(end - at);
		if (c->bytes > c->room)
			return fault_refused(f,
					     "the old client's certificates, configuration and data take more than %ju "
					     "bytes; look at '%s'",
					     (uintmax_t)c->room, SHOWN(path));
		if (range_copy(from, to, at, end, path, f) < 0)
			return -1;
	}
	/* ENXIO: nothing but a hole follows. */
	if (at < 0 && errno != ENXIO)
		return fault_system(f, errno, "cannot read '%s' of the old client", SHOWN(path));
	return ftruncate(to, size) == 0 ? 0 : fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
}

static int same_content(int a, int b, bool *ret_same, struct fault *f)
{
	char left[16384], right[16384];

	for (off_t at = 0;; at += (off_t)sizeof(left)) {
		const ssize_t got = pread(a, left, sizeof(left), at), other = pread(b, right, sizeof(right), at);
		if (got < 0 || other < 0)
			return fault_system(f, errno, "cannot compare the old client with the new one");
		if (got != other || memcmp(left, right, (size_t)got) != 0) {
			*ret_same = false;
			return 0;
		}
		if (got < (ssize_t)sizeof(left)) {
			*ret_same = true;
			return 0;
		}
	}
}

/* Is there a file of the new client with the same content?  *ret_fd is it then, open. */
static int newcomer_compare(int old, int to, const char *name, int *ret_fd, bool *ret_same, struct fault *f)
{
	struct stat status;

	if (fstatat(to, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1)
		return 0;
	*ret_fd = openat(to, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0)
		return fault_system(f, errno, "cannot open the new '%s'", SHOWN(name));
	return same_content(old, *ret_fd, ret_same, f);
}

/* What the new client brings under a name of the old one: out of the way, and not lost when it says something. */
static int newcomer_move(struct client_copy *c, int to, const char *name, const char *path, struct fault *f)
{
	struct stat status;
	char aside[FS_NAME_SIZE];

	if (fstatat(to, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the new '%s'", SHOWN(path));
	if (!S_ISREG(status.st_mode) || status.st_size == 0 ||
	    snprintf(aside, sizeof(aside), "%s.okv-luna-new", name) >= (int)sizeof(aside))
		return fs_tree_remove(to, name, f);
	if (renameat(to, name, to, aside) < 0)
		return fault_system(f, errno, "cannot move the new '%s' aside", SHOWN(path));
	report_say(c->report, REPORT_WARNING, "'%s' is kept as it was; the archive's own is beside it as '%s'",
		   SHOWN(path), SHOWN(aside));
	return 0;
}

/* Opens an old file that may be copied; *ret_fd stays -1 where it is left behind or has gone. */
static int old_open(struct client_copy *c, int from, const char *name, const char *path, struct stat *ret_status,
		    int *ret_fd, struct fault *f)
{
	FS_AUTO int fd = -1;
	struct fault trouble = { 0 };

	if (fs_file_open_at(from, name, O_RDONLY, &fd, ret_status, &trouble) < 0) {
		if (trouble.kind == FAULT_ABSENT)
			return 0;
		/* See fcntl(2). */
		if (trouble.errnum != EWOULDBLOCK)
			return unreadable(c, path, &trouble, f);
		if (is_open(path))
			return leave(c, path, "another process has a lease on it");
		return fault_system(f, 0,
				    "another process has a lease on '%s' of the old client; end that process, and run "
				    "this again",
				    SHOWN(path));
	}
	/* It could be somebody's name for a file that is not his to read, and the copy would be the client's own. */
	if (ret_status->st_nlink > 1 && is_open(path))
		return leave(c, path, "it has more than one name (hard links)");
	if (ret_status->st_nlink > 1)
		return fault_refused(f,
				     "'%s' of the old client has %ju names (hard links); remove all but this one, then "
				     "run this again",
				     SHOWN(path), (uintmax_t)ret_status->st_nlink);
	*ret_fd = fs_take(&fd);
	return 0;
}

/* Where there is no room for what others may have written, it is as if it had not been begun. */
static int content_carry(struct client_copy *c, int old, int to, const char *name, const struct stat *status,
			 const char *path, struct fault *f)
{
	FS_AUTO int new = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const uint64_t bytes = c->bytes;
	struct fault trouble = { 0 };

	if (new < 0)
		return fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
	if (content_copy(c, old, new, status, path, &trouble) < 0) {
		if (trouble.kind != FAULT_REFUSED || !is_open(path)) {
			*f = trouble;
			return -1;
		}
		c->bytes = bytes;
		if (unlinkat(to, name, 0) < 0)
			return fault_system(f, errno, "cannot take '%s' back", SHOWN(path));
		return leave(c, path, "there is no room for it");
	}
	c->files++;
	return status_copy(c, old, new, status, path, f);
}

int client_copy_file(struct client_copy *c, int from, int to, const char *name, const char *path, struct fault *f)
{
	FS_AUTO int old = -1;
	FS_AUTO int new = -1;
	struct stat status;

	if (old_open(c, from, name, path, &status, &old, f) < 0)
		return -1;
	if (old < 0)
		return 0;
	/* The same bytes are there already: they stay, and only get the old owner and mode. */
	bool same = false;
	if (newcomer_compare(old, to, name, &new, &same, f) < 0)
		return -1;
	if (same) {
		c->files++;
		return status_copy(c, old, new, &status, path, f);
	}
	fs_close(&new);
	return newcomer_move(c, to, name, path, f) < 0 ? -1 : content_carry(c, old, to, name, &status, path, f);
}

static int link_copy(struct client_copy *c, int from, int to, const char *name, const char *path,
		     const struct stat *status, struct fault *f)
{
	char target[PATH_MAX];
	const ssize_t length = readlinkat(from, name, target, sizeof(target) - 1);
	struct fault trouble = { 0 };

	if (length < 0 && errno == ENOENT)
		return 0;
	if (length < 0) {
		(void)fault_system(&trouble, errno, "cannot read link '%s'", SHOWN(path));
		return unreadable(c, path, &trouble, f);
	}
	target[length] = '\0';
	if (newcomer_move(c, to, name, path, f) < 0)
		return -1;
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(f, errno, "cannot carry over link '%s'", SHOWN(path));
	c->files++;
	return 0;
}

static int directory_copy(struct client_copy *c, int from, int to, const char *name, const char *path, unsigned depth,
			  struct fault *f)
{
	FS_AUTO int old = openat(from, name, DIR_FLAGS);
	FS_AUTO int new = -1;
	struct stat status, there;
	struct fault trouble = { 0 };

	if (old < 0 && errno == ENOENT)
		return 0;
	if (old < 0 || fstat(old, &status) < 0)
		(void)fault_system(&trouble, errno, "cannot open '%s' of the old client", SHOWN(path));
	else if (depth > DEPTH_MAX)
		(void)fault_refused(&trouble, "it is more than %d directories deep", DEPTH_MAX);
	if (trouble.kind != FAULT_NONE)
		return unreadable(c, path, &trouble, f);
	if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(there.st_mode) &&
	    fs_tree_remove(to, name, f) < 0)
		return -1;
	if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
	new = openat(to, name, DIR_FLAGS);
	if (new < 0)
		return fault_system(f, errno, "cannot open the new '%s'", SHOWN(path));

	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int more = fs_each_open(old, path, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		TEXT_AUTO below = { 0 };
		text_add_format(&below, "%s/%s", path, entry.name);
		if (entry_copy(c, old, new, entry.name, text_string(&below), depth + 1, f) < 0)
			return -1;
	}
	/* Its times last: making entries has changed them. */
	return more < 0 ? -1 : status_copy(c, old, new, &status, path, f);
}

static int entry_copy(struct client_copy *c, int from, int to, const char *name, const char *path, unsigned depth,
		      struct fault *f)
{
	struct stat status;

	if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : fault_system(f, errno, "cannot look at '%s' of the old client", SHOWN(path));
	switch (status.st_mode & S_IFMT) {
	case S_IFDIR:
		return directory_copy(c, from, to, name, path, depth, f);
	case S_IFREG:
		return client_copy_file(c, from, to, name, path, f);
	case S_IFLNK:
		return link_copy(c, from, to, name, path, &status, f);
	default:
		return leave(c, path, "it is neither file nor directory");
	}
}

int client_copy_entry(struct client_copy *c, int from, int to, const char *name, struct fault *f)
{
	return entry_copy(c, from, to, name, name, 0, f);
}
