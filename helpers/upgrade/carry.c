#include "upgrade/carry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/root.h"
#include "fs/walk.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

static const char *const scratch[] = SETTINGS_SCRATCH;
enum { SCRATCHES = sizeof(scratch) / sizeof(scratch[0]), EXCHANGED = 0 /* in errno: the entry was replaced */ };

struct copying {
	const struct carry *carry;
	struct stat empty[SCRATCHES]; /* to be copied empty, under any name; st_ino 0: does not exist */
	int dir;                      /* the copy of the directory that the walk is in */
	size_t directory;             /* that directory's number (struct fs_walk_entry) */
	struct fault first;           /* the first failure */
};

/* --- one entry ---------------------------------------------------------------------------------------------------- */

/* ACLs, labels and others, as far as the copy's file system supports them. */
static void attributes_copy(int from, int to)
{
	char names[4096], value[4096];

	/* Drop what the copy inherited from the default ACL of its parent. */
	(void)fremovexattr(to, "system.posix_acl_access");
	(void)fremovexattr(to, "system.posix_acl_default");
	const ssize_t length = flistxattr(from, names, sizeof(names));
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		const ssize_t size = fgetxattr(from, names + at, value, sizeof(value));
		if (size >= 0)
			(void)fsetxattr(to, names + at, value, (size_t)size, 0);
	}
}

static int status_copy(int from, int to, const struct stat *status)
{
	const struct timespec times[2] = { status->st_atim, status->st_mtim };

	if (fchown(to, status->st_uid, status->st_gid) < 0)
		return -1;
	attributes_copy(from, to);
	return fchmod(to, status->st_mode & 07777) < 0 || futimens(to, times) < 0 ? -1 : 0;
}

/* Stops at `size`, which the file had when it was opened: it may still grow. */
static int content_copy(int from, int to, off_t size)
{
	off_t at = 0, end;

	for (; (at = lseek(from, at, SEEK_DATA)) >= 0 && at < size; at = end) {
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		if (lseek(to, at, SEEK_SET) < 0)
			return -1;
		while (at < end) {
			const ssize_t got = sendfile(to, from, &at, (size_t)(end - at));
			if (got < 0 && errno != EINTR)
				return -1;
			if (got == 0)
				end = at = size;
		}
	}
	/* ENXIO: the rest is a hole. */
	return at < 0 && errno != ENXIO ? -1 : ftruncate(to, size);
}

static int file_copy(const struct copying *c, const struct fs_walk_entry *entry)
{
	FS_AUTO int from = -1;
	struct fault why = { 0 };
	struct stat status;

	if (fs_name_open(FS_NAME(entry->dir, entry->name, entry->path), O_RDONLY, &from, &status, &why) < 0) {
		errno = why.kind == FAULT_REFUSED ? EXCHANGED : why.errnum;
		return why.kind == FAULT_ABSENT || errno == EWOULDBLOCK ? 0 : -1;
	}
	if (unlinkat(c->dir, entry->name, 0) < 0 && errno != ENOENT)
		return -1;
	FS_AUTO int to = openat(c->dir, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return to < 0 || content_copy(from, to, status.st_size) < 0 ? -1 : status_copy(from, to, &status);
}

static int link_copy(const struct copying *c, const struct fs_walk_entry *entry)
{
	char target[PATH_MAX];
	const ssize_t length = readlinkat(entry->dir, entry->name, target, sizeof(target) - 1);

	if (length < 0) {
		errno = EXCHANGED;
		return -1;
	}
	target[length] = '\0';
	if (unlinkat(c->dir, entry->name, 0) < 0 && errno != ENOENT)
		return -1;
	return symlinkat(target, c->dir, entry->name) < 0 ? -1
							  : fchownat(c->dir, entry->name, entry->status->st_uid,
								     entry->status->st_gid, AT_SYMLINK_NOFOLLOW);
}

/* Creates the directory if necessary and gives it the attributes of `from`. */
static int directory_copy(int from, int dir, const char *name)
{
	struct stat status;

	if (fstat(from, &status) < 0 || (mkdirat(dir, name, 0700) < 0 && errno != EEXIST))
		return -1;
	FS_AUTO int to = openat(dir, name, DIR_FLAGS);
	return to < 0 ? -1 : status_copy(from, to, &status);
}

/* --- the tree ----------------------------------------------------------------------------------------------------- */

static int tree_copy(struct copying *c, int dir, const char *leaf, const char *path, struct fault *f);

static bool is_scratch(const struct copying *c, const struct stat *status)
{
	for (size_t i = 0; i < SCRATCHES; i++)
		if (status->st_ino == c->empty[i].st_ino && status->st_dev == c->empty[i].st_dev)
			return true;
	return false;
}

/* 0 or FS_WALK_ENTER, or -1 with errno. */
static int entry_copy(const struct copying *c, const struct fs_walk_entry *entry)
{
	if (S_ISREG(entry->status->st_mode))
		return file_copy(c, entry);
	if (S_ISLNK(entry->status->st_mode))
		return link_copy(c, entry);
	if (!S_ISDIR(entry->status->st_mode))
		return 0;
	FS_AUTO int from = openat(entry->dir, entry->name, DIR_FLAGS);
	if (from < 0) {
		errno = errno == ELOOP || errno == ENOTDIR ? EXCHANGED : errno;
		return errno == ENOENT ? 0 : -1;
	}
	return directory_copy(from, c->dir, entry->name) < 0 ? -1 : FS_WALK_ENTER;
}

static int visit(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct copying *c = context;
	char leaf[FS_NAME_SIZE];

	(void)state;
	if (entry->path_length >= PATH_MAX)
		return FS_WALK_PASS;
	if (c->directory != entry->directory) {
		fs_close(&c->dir);
		if (fs_parent_open(c->carry->to, entry->path, FS_FOLLOW_TRUSTED, &c->dir, leaf, f) < 0)
			return -1;
		c->directory = entry->directory;
	}
	const int next = entry_copy(c, entry);
	if (next < 0 && c->first.kind == FAULT_NONE)
		(void)fault_system(&c->first, errno,
				   errno == EXCHANGED ? "'%s' was replaced while it was copied" : "cannot copy '%s'",
				   SHOWN(entry->path));
	if (next != FS_WALK_ENTER || is_scratch(c, entry->status))
		return FS_WALK_PASS;
	if (!entry->mount)
		return FS_WALK_ENTER;
	/* fs_walk() does not enter a mount point, but can start there. */
	struct copying below = *c;
	below.dir = -1;
	below.directory = 0;
	const int r = tree_copy(&below, entry->dir, entry->name, entry->path, f);
	c->first = below.first;
	return r < 0 ? -1 : FS_WALK_PASS;
}

static void miss(void *context, const char *path, const struct fault *trouble)
{
	struct copying *c = context;

	(void)path;
	/* FAULT_REFUSED: too deep, so left out. */
	if (trouble->kind != FAULT_REFUSED && c->first.kind == FAULT_NONE)
		c->first = *trouble;
}

static int tree_copy(struct copying *c, int dir, const char *leaf, const char *path, struct fault *f)
{
	const struct fs_walk walk = { .context = c, .visit = visit, .miss = miss };
	const int r = fs_walk(dir, leaf, path, NULL, &walk, f);

	fs_close(&c->dir);
	return r;
}

/* Copies the parent directories that do not exist yet. */
static int parents_copy(const struct carry *carry, const char *path, struct fault *f)
{
	for (const char *end = path + strspn(path, "/"); (end = strchr(end, '/')) != NULL; end += strspn(end, "/")) {
		TEXT_AUTO above = { 0 };
		FS_AUTO int from = -1;
		FS_AUTO int dir = -1;
		char leaf[FS_NAME_SIZE];

		text_add(&above, path, (size_t)(end - path));
		if (text_check(&above, f) < 0)
			return -1;
		if (fs_exists(carry->to, text_string(&above)))
			continue;
		if (fs_dir_open(carry->from, text_string(&above), FS_FOLLOW_TRUSTED, &from, f) < 0 ||
		    fs_parent_open(carry->to, text_string(&above), FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0)
			return -1;
		if (directory_copy(from, dir, leaf) < 0)
			return fault_system(f, errno, "cannot copy '%s'", SHOWN(text_string(&above)));
	}
	return 0;
}

int carry_copy(const struct carry *carry, const char *path, struct fault *f)
{
	struct copying c = { .carry = carry, .dir = -1 };
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	for (size_t i = 0; i < SCRATCHES; i++) {
		TEXT_AUTO place = { 0 };
		FS_AUTO int fd = -1;
		struct fault ignored = { 0 };
		text_add_format(&place, "%s%s", carry->settings->client_dir, scratch[i]);
		if (fs_dir_open(carry->from, text_string(&place), FS_FOLLOW_TRUSTED, &fd, &ignored) == 0)
			(void)fstat(fd, &c.empty[i]);
	}
	if (fs_parent_open(carry->from, path, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0 ||
	    parents_copy(carry, path, f) < 0 || tree_copy(&c, dir, leaf, path, f) < 0)
		return -1;
	*f = c.first;
	return f->kind == FAULT_NONE ? 0 : -1;
}
