#include "fs/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum { LINKS_MAX = 8 };

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

/* Copies the next component of *path, without slashes.  0: end of the path; -1: longer than a file name can be. */
static int component_next(const char **path, char name[FS_NAME_SIZE])
{
	const char *at = *path + strspn(*path, "/");
	const size_t length = strcspn(at, "/");

	if (length == 0)
		return 0;
	if (length >= FS_NAME_SIZE)
		return -1;
	memcpy(name, at, length);
	name[length] = '\0';
	*path = at + length;
	return 1;
}

static int path_check(const char *path, struct fault *f)
{
	char name[FS_NAME_SIZE];
	int r;

	if (strlen(path) >= PATH_MAX)
		return fault_refused(f, "path '%s' is too long", SHOWN(path));
	for (const char *at = path; (r = component_next(&at, name)) > 0;)
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return fault_refused(f, "path '%s' may not contain '%s'", SHOWN(path), name);
	return r < 0 ? fault_refused(f, "path '%s' has a component that is too long", SHOWN(path)) : 0;
}

static bool trusted_owner(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* True if only root or the effective user can have made the link. */
static bool link_is_trusted(int dir, const char *name)
{
	struct stat there, holder;

	return fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(dir, &holder) == 0 &&
	       trusted_owner(there.st_uid) && trusted_owner(holder.st_uid) && (holder.st_mode & 022) == 0;
}

/* What walk() does with the last component. */
enum leaf {
	LEAF_ENTER,  /* opens it like the others */
	LEAF_KEEP,   /* copies its name without opening it */
	LEAF_FOLLOW, /* follows it while it is a link, then copies the name */
};

/* The state of one path resolution. */
struct walk {
	int root;
	const char *path; /* as the caller gave it; for faults */
	enum fs_follow follow;
	int dir;                 /* the current directory */
	char trail[PATH_MAX];    /* its path, without links and without the leading slash */
	char todo[2 * PATH_MAX]; /* the rest of the path; a link's target is put in front of it */
	const char *at;          /* the position in `todo` */
	char leaf[FS_NAME_SIZE]; /* result: the last component, unless LEAF_ENTER */
	unsigned link_count;     /* links followed so far */
	struct text *links;      /* where to list them as "link -> target"; may be NULL */
	size_t make_limit;       /* a missing component is created if fewer bytes of `todo` than this follow it */
	mode_t mode;             /* of the directories that are created */
};

#define WALK_AUTO __attribute__((cleanup(walk_done))) struct walk

static void walk_done(struct walk *w)
{
	fs_close(&w->dir);
}

/* The separator between the trail and a name after it. */
static const char *trail_slash(const struct walk *w)
{
	return w->trail[0] != '\0' ? "/" : "";
}

/* Opens the trail's directory again, from the root. */
static int trail_open(struct walk *w, struct fault *f)
{
	const char *at = w->trail;
	char name[FS_NAME_SIZE];

	fs_close(&w->dir);
	w->dir = openat(w->root, ".", DIR_FLAGS);
	while (w->dir >= 0 && component_next(&at, name) > 0) {
		const int next = openat(w->dir, name, DIR_FLAGS);
		fs_close(&w->dir);
		w->dir = next;
	}
	return w->dir < 0 ? fault_errno(f, errno, "cannot open '/%s'", SHOWN(w->trail)) : 0;
}

static int walk_up(struct walk *w, struct fault *f)
{
	char *slash = strrchr(w->trail, '/');

	*(slash != NULL ? slash : w->trail) = '\0';
	return trail_open(w, f);
}

/* Enters the open directory `next`, and takes over its descriptor. */
static int walk_down(struct walk *w, const char *name, int next, struct fault *f)
{
	const size_t used = strlen(w->trail), room = sizeof(w->trail) - used;
	const int wrote = snprintf(w->trail + used, room, "%s%s", trail_slash(w), name);

	fs_close(&w->dir);
	w->dir = next;
	if (wrote < 0 || (size_t)wrote >= room)
		return fault_refused(f, "'%s' leads to a path that is too long", SHOWN(w->path));
	return 0;
}

/* Puts the link's target before the rest of the path, and lowers make_limit: nothing is created in a link's target. */
static int link_follow(struct walk *w, const char *name, const char *target, struct fault *f)
{
	char longer[sizeof(w->todo)];

	if (w->follow != FS_FOLLOW_TRUSTED || !link_is_trusted(w->dir, name))
		return fault_refused(f, "'/%s%s%s' is a symbolic link, which is not followed here", SHOWN(w->trail),
				     trail_slash(w), SHOWN(name));
	if (++w->link_count > LINKS_MAX)
		return fault_refused(f, "'%s' passes more than %d symbolic links", SHOWN(w->path), LINKS_MAX);
	if (w->links != NULL)
		text_add_format(w->links, "%s/%s%s%s -> %s", w->links->length > 0 ? ", " : "", w->trail, trail_slash(w),
				name, target);
	const int wrote = snprintf(longer, sizeof(longer), "%s/%s", target, w->at);
	if (wrote < 0 || (size_t)wrote >= sizeof(longer))
		return fault_refused(f, "'%s' leads to a path that is too long", SHOWN(w->path));
	if (strlen(w->at) < w->make_limit)
		w->make_limit = strlen(w->at);
	memcpy(w->todo, longer, (size_t)wrote + 1);
	w->at = w->todo;
	if (target[0] != '/')
		return 0;
	w->trail[0] = '\0';
	return trail_open(w, f);
}

/*
 * Creates a directory and opens it.  The umask is 0, so that it has its mode at once: if we were killed before a later
 * fchmod(2), the next run would keep the wrong mode.  Our programs have one thread, so no other sees the umask.
 */
static int dir_make(int dir, const char *name, mode_t mode)
{
	struct stat status;
	const mode_t mask = umask(0);
	const bool made = mkdirat(dir, name, mode) == 0;
	const int errnum = errno;

	(void)umask(mask);
	if (!made && errnum != EEXIST) {
		errno = errnum;
		return -1;
	}
	FS_AUTO int fd = openat(dir, name, DIR_FLAGS);
	/* The parent may pass on its set-group-id bit or a default ACL. */
	if (made && (fd < 0 || fstat(fd, &status) < 0 || ((status.st_mode & 07777) != mode && fchmod(fd, mode) < 0)))
		return -1;
	return fs_take(&fd);
}

/* Resolves one component that is not the leaf. */
static int walk_step(struct walk *w, const char *name, struct fault *f)
{
	char target[PATH_MAX];
	ssize_t length = -1;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return walk_up(w, f);
	int next = openat(w->dir, name, DIR_FLAGS);
	if (next < 0 && errno == ENOENT && strlen(w->at) < w->make_limit) {
		next = dir_make(w->dir, name, w->mode);
		if (next < 0)
			return fault_errno(f, errno, "cannot make directory '/%s%s%s'", SHOWN(w->trail), trail_slash(w),
					   SHOWN(name));
	}
	if (next >= 0)
		return walk_down(w, name, next, f);
	const int errnum = errno;
	if (errnum == ELOOP || errnum == ENOTDIR)
		length = readlinkat(w->dir, name, target, sizeof(target) - 1);
	if (length < 0)
		return fault_errno(f, errnum, "cannot open directory '/%s%s%s'", SHOWN(w->trail), trail_slash(w),
				   SHOWN(name));
	target[length] = '\0';
	return link_follow(w, name, target, f);
}

static bool is_link(int dir, const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
}

/* Resolves the path: to its end, or to the directory that holds its leaf. */
static int walk(struct walk *w, enum leaf leaf, struct fault *f)
{
	char name[FS_NAME_SIZE];
	int r;

	if (path_check(w->path, f) < 0 || trail_open(w, f) < 0)
		return -1;
	(void)snprintf(w->todo, sizeof(w->todo), "%s", w->path);
	w->at = w->todo;
	while ((r = component_next(&w->at, name)) > 0) {
		/* A link on the way is never the last: the rest of the path follows its target. */
		const bool last = w->at[strspn(w->at, "/")] == '\0';
		if (last && (leaf == LEAF_KEEP || (leaf == LEAF_FOLLOW && !is_link(w->dir, name)))) {
			memcpy(w->leaf, name, FS_NAME_SIZE);
			return 0;
		}
		if (walk_step(w, name, f) < 0)
			return -1;
	}
	if (r < 0)
		return fault_refused(f, "'%s' leads to a name that is too long", SHOWN(w->path));
	return leaf == LEAF_ENTER ? 0 : fault_refused(f, "'%s' names no file", SHOWN(w->path));
}

int fs_root_open(const char *path, int *ret_fd, struct fault *f)
{
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fault_errno(f, errno, "cannot open root '%s'", SHOWN(path));
	*ret_fd = fd;
	return 0;
}

int fs_dir_open(int root, const char *path, enum fs_follow follow, int *ret_fd, struct fault *f)
{
	WALK_AUTO w = { .root = root, .path = path, .follow = follow, .dir = -1 };

	if (walk(&w, LEAF_ENTER, f) < 0)
		return -1;
	*ret_fd = fs_take(&w.dir);
	return 0;
}

int fs_dirs_make(int root, const char *path, mode_t mode, enum fs_follow follow, struct fault *f)
{
	WALK_AUTO w = { .root = root, .path = path, .follow = follow, .dir = -1, .make_limit = SIZE_MAX, .mode = mode };

	return walk(&w, LEAF_ENTER, f);
}

int fs_parent_open(int root, const char *path, enum fs_follow follow, int *ret_fd, char ret_leaf[FS_NAME_SIZE],
		   struct fault *f)
{
	WALK_AUTO w = { .root = root, .path = path, .follow = follow, .dir = -1 };

	if (walk(&w, LEAF_KEEP, f) < 0)
		return -1;
	memcpy(ret_leaf, w.leaf, FS_NAME_SIZE);
	*ret_fd = fs_take(&w.dir);
	return 0;
}

int fs_place_find(int root, const char *path, struct fs_place *ret_place, struct fault *f)
{
	TEXT_AUTO links = { 0 };
	WALK_AUTO w = { .root = root, .path = path, .follow = FS_FOLLOW_TRUSTED, .dir = -1, .links = &links };

	if (walk(&w, LEAF_FOLLOW, f) < 0 || text_check(&links, f) < 0)
		return -1;
	memcpy(ret_place->leaf, w.leaf, FS_NAME_SIZE);
	(void)snprintf(ret_place->path, sizeof(ret_place->path), "/%s%s%s", w.trail, trail_slash(&w), w.leaf);
	ret_place->links = text_take(&links);
	ret_place->dir = fs_take(&w.dir);
	return 0;
}

void fs_place_done(struct fs_place *place)
{
	fs_close(&place->dir);
	free(place->links);
	place->links = NULL;
}

/* 1: the file was replaced between fstatat and openat. */
static int name_open_once(const struct fs_name *name, int flags, int *ret_fd, struct stat *ret_status, struct fault *f)
{
	struct stat before, after;

	/* Check the type first: opening a device or a FIFO can have side effects. */
	if (fstatat(name->dir, name->leaf, &before, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(name->path));
	if (S_ISLNK(before.st_mode))
		return fault_refused(f, "'%s' is a symbolic link, which is not followed here", SHOWN(name->path));
	if (!S_ISREG(before.st_mode))
		return fault_refused(f, "'%s' is not a regular file", SHOWN(name->path));

	FS_AUTO int fd = openat(name->dir, name->leaf, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(name->path));
	if (fstat(fd, &after) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SHOWN(name->path));
	if (!fs_same_file(&before, &after) || !S_ISREG(after.st_mode))
		return 1;
	if (ret_status != NULL)
		*ret_status = after;
	*ret_fd = fs_take(&fd);
	return 0;
}

int fs_name_open(const struct fs_name *name, int flags, int *ret_fd, struct stat *ret_status, struct fault *f)
{
	enum { PATIENCE = 8 };

	/* An editor that saves by rename(2) can beat us once or twice; to lose every time takes an attacker. */
	for (unsigned i = 0; i < PATIENCE; i++) {
		const int r = name_open_once(name, flags, ret_fd, ret_status, f);
		if (r <= 0)
			return r;
	}
	return fault_refused(f, "'%s' was replaced each time it was being opened", SHOWN(name->path));
}

int fs_file_open(int root, const char *path, enum fs_follow follow, int flags, int *ret_fd, struct stat *ret_status,
		 struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	return fs_parent_open(root, path, follow, &dir, leaf, f) < 0
		       ? -1
		       : fs_name_open(FS_NAME(dir, leaf, path), flags, ret_fd, ret_status, f);
}

int fs_name_remove(const struct fs_name *name, const struct stat *expected, struct fault *f)
{
	struct stat now;

	if (fstatat(name->dir, name->leaf, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : fault_incomplete(f, "cannot look at '%s': %s", SHOWN(name->path),
							  fault_errno_text(errno));
	if (!fs_same_file(&now, expected))
		return fault_incomplete(f, "'%s' is another file now and was not removed", SHOWN(name->path));
	if (unlinkat(name->dir, name->leaf, 0) < 0 && errno != ENOENT)
		return fault_incomplete(f, "cannot remove '%s': %s; remove it by hand", SHOWN(name->path),
					fault_errno_text(errno));
	if (fsync(name->dir) < 0 && errno != EINVAL)
		return fault_incomplete(f, "cannot sync the directory of '%s': %s", SHOWN(name->path),
					fault_errno_text(errno));
	return 0;
}

int fs_status(int root, const char *path, enum fs_follow follow, struct stat *ret_status, struct fault *f)
{
	const bool itself = path[0] == '/' && path[strspn(path, "/")] == '\0';
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE] = ".";
	struct stat status;

	if (!itself && fs_parent_open(root, path, follow, &dir, leaf, f) < 0)
		return -1;
	if (fstatat(itself ? root : dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_errno(f, errno, "cannot look at '%s'", SHOWN(path));
	*ret_status = status;
	return 0;
}

bool fs_exists(int root, const char *path)
{
	struct fault ignored = { 0 };
	bool there = false;

	return fs_existence(root, path, &there, &ignored) == 0 && there;
}

int fs_absence(const struct fault *cause, struct fault *f)
{
	if (cause->kind == FAULT_ABSENT || cause->kind == FAULT_REFUSED)
		return 0;
	*f = *cause;
	return -1;
}

int fs_existence(int root, const char *path, bool *ret_there, struct fault *f)
{
	struct fault cause = { 0 };
	struct stat status;

	const int r = fs_status(root, path, FS_FOLLOW_TRUSTED, &status, &cause);
	if (r < 0 && fs_absence(&cause, f) < 0)
		return -1;
	*ret_there = r == 0;
	return 0;
}

int fs_first(int root, const char *const *paths, size_t count, const char **ret_path, struct fault *f)
{
	bool there = false;

	for (size_t i = 0; i < count; i++) {
		if (fs_existence(root, paths[i], &there, f) < 0)
			return -1;
		if (there) {
			*ret_path = paths[i];
			return 0;
		}
	}
	*ret_path = NULL;
	return 0;
}
