#include "fs/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/each.h"
#include "fs/root.h"

struct walker {
	const struct fs_walk *walk;
	struct text path;      /* of the current entry */
	struct text pending;   /* stack of the directories still to be entered: inode, name, NUL */
	unsigned char *states; /* state_size bytes for each level */
	size_t directories;    /* read so far */
};

/* What identifies a mount; -1 if the kernel does not tell the mount id, then the device has to do. */
struct mount_key {
	dev_t device;
	int mount;
};

/* The mount id, or -1 if the kernel does not tell. */
static int mount_id_at(int dir, const char *name)
{
	/* With no room for the handle the call fails with EOVERFLOW, but it still gives the mount id. */
	struct file_handle handle = { .handle_bytes = 0 };
	int id = -1;

	if (name_to_handle_at(dir, name, &handle, &id, 0) < 0 && errno != EOVERFLOW)
		return -1;
	return id;
}

/* A bind mount within one file system has the same device; only its mount id differs. */
static bool other_mount(int dir, const char *name, int holder)
{
	const int mount = holder >= 0 ? mount_id_at(dir, name) : -1;

	return mount >= 0 && mount != holder;
}

static bool mount_point(int dir, const char *name, const struct stat *status, const struct mount_key *holder)
{
	if (status->st_dev != holder->device)
		return true;
	return S_ISDIR(status->st_mode) && other_mount(dir, name, holder->mount);
}

bool fs_walk_mounted(const struct fs_walk_entry *entry)
{
	return entry->mount ||
	       (!S_ISDIR(entry->status->st_mode) && other_mount(entry->dir, entry->name, entry->holder_mount));
}

int fs_mount_point(int dir, const char *name, bool *ret_mounted, struct fault *f)
{
	struct stat status, holder;

	if (fstat(dir, &holder) < 0 || fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		*ret_mounted = false;
		return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot look at '%s'", SHOWN(name));
	}
	const struct mount_key mount_key = { .device = holder.st_dev, .mount = mount_id_at(dir, ".") };
	*ret_mounted = mount_point(dir, name, &status, &mount_key);
	return 0;
}

static int report_miss(struct walker *w, struct fault *trouble, struct fault *f)
{
	if (w->walk->miss == NULL) {
		*f = *trouble;
		return -1;
	}
	w->walk->miss(w->walk->context, text_string(&w->path), trouble);
	return 0;
}

static void *state_of(struct walker *w, size_t level)
{
	return w->walk->state_size > 0 ? w->states + level * w->walk->state_size : NULL;
}

/* Visits one entry, and pushes it on `pending` if it is to be entered. */
static int entry_visit(struct walker *w, int dir, size_t level, const char *name, const struct mount_key *holder,
		       bool in_open, struct fault *f)
{
	struct stat status;

	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		struct fault trouble = { 0 };
		if (errno == ENOENT)
			return 0;
		(void)fault_system(&trouble, errno, "cannot look at '%s'", SHOWN(text_string(&w->path)));
		return report_miss(w, &trouble, f);
	}
	const struct fs_walk_entry entry = {
		.dir = dir,
		.directory = w->directories,
		.name = name,
		.path = w->path.bytes,
		.path_length = w->path.length,
		.status = &status,
		.mount = mount_point(dir, name, &status, holder),
		.holder_mount = holder->mount,
		.in_open = in_open,
	};
	const int next = w->walk->visit(w->walk->context, state_of(w, level), &entry, f);
	if (next < 0)
		return -1;
	if (next == FS_WALK_ENTER && S_ISDIR(status.st_mode) && !entry.mount) {
		/* The inode lets level_walk check that it enters the same directory. */
		text_add(&w->pending, &status.st_ino, sizeof(status.st_ino));
		text_add(&w->pending, name, strlen(name) + 1);
	}
	return text_check(&w->pending, f);
}

static int path_push(struct walker *w, const char *name, struct fault *f)
{
	if (w->path.length == 0 || w->path.bytes[w->path.length - 1] != '/')
		text_add_char(&w->path, '/');
	text_add_string(&w->path, name);
	return text_check(&w->path, f);
}

static int entries_visit(struct walker *w, int dir, size_t level, const struct mount_key *holder, bool in_open,
			 struct fault *f)
{
	const size_t base = w->path.length;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault trouble = { 0 };
	int more = fs_each_open(dir, "", &each, &trouble) < 0 ? -1 : 1;

	w->directories++;
	while (more > 0 && (more = fs_each_next(&each, &entry, &trouble)) > 0) {
		if (w->walk->wants != NULL &&
		    !w->walk->wants(w->walk->context, state_of(w, level), entry.name, entry.type))
			continue;
		const bool failed = path_push(w, entry.name, f) < 0 ||
				    entry_visit(w, dir, level, entry.name, holder, in_open, f) < 0;
		text_cut(&w->path, base);
		if (failed)
			return -1;
	}
	/* The directory may have been removed while we read it. */
	if (more == 0 || trouble.errnum == ENOENT)
		return 0;
	(void)fault_system(&trouble, trouble.errnum, "cannot read directory '%s'", SHOWN(text_string(&w->path)));
	return report_miss(w, &trouble, f);
}

/* Walks the directory `name`, which had inode `inode` when it was visited. */
static int level_walk(struct walker *w, int parent, const char *name, ino_t inode, const struct mount_key *holder,
		      size_t level, struct fault *f)
{
	struct fault trouble = { 0 };
	struct stat status;

	if (level > FS_WALK_DEPTH_MAX) {
		(void)fault_refused(&trouble, "'%s' is more than %d directories deep", SHOWN(text_string(&w->path)),
				    FS_WALK_DEPTH_MAX);
		return report_miss(w, &trouble, f);
	}
	FS_AUTO int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (dir < 0 || fstat(dir, &status) < 0) {
		if (errno == ENOENT)
			return 0;
		(void)fault_system(&trouble, errno, "cannot open directory '%s'", SHOWN(text_string(&w->path)));
		return report_miss(w, &trouble, f);
	}
	if (status.st_ino != inode || status.st_dev != holder->device) {
		(void)fault_incomplete(&trouble, "'%s' was exchanged meanwhile; run it again",
				       SHOWN(text_string(&w->path)));
		return report_miss(w, &trouble, f);
	}

	const size_t base = w->path.length, first = w->pending.length;
	/* No mount is crossed, so this directory has the same mount key as `holder`. */
	if (entries_visit(w, dir, level, holder, fs_open_to_others(&status), f) < 0)
		return -1;
	for (size_t at = first; at < w->pending.length;) {
		ino_t below;
		char leaf[NAME_MAX + 1];
		memcpy(&below, w->pending.bytes + at, sizeof(below));
		const char *kept = w->pending.bytes + at + sizeof(below);
		const size_t size = strlen(kept) + 1;
		at += sizeof(below) + size;
		if (size > sizeof(leaf))
			continue; /* impossible: longer than NAME_MAX */
		/* Copied, because `pending` may be reallocated by the level below. */
		memcpy(leaf, kept, size);
		if (path_push(w, leaf, f) < 0)
			return -1;
		if (w->walk->enter != NULL)
			w->walk->enter(w->walk->context, state_of(w, level), leaf, state_of(w, level + 1));
		if (level_walk(w, dir, leaf, below, holder, level + 1, f) < 0)
			return -1;
		text_cut(&w->path, base);
	}
	w->pending.length = first;
	return 0;
}

static int start_walk(struct walker *w, int dir, const char *leaf, struct fault *f)
{
	struct stat holder, status;

	if (fstat(dir, &holder) < 0)
		return fault_system(f, errno, "cannot look at the directory of '%s'", SHOWN(text_string(&w->path)));
	if (fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_errno(f, errno, "cannot look at '%s'", SHOWN(text_string(&w->path)));
	/* The start may itself be a mount point, since the caller named it. */
	const struct mount_key start = { .device = status.st_dev, .mount = mount_id_at(dir, leaf) };
	w->directories++;
	if (entry_visit(w, dir, 0, leaf, &start, fs_open_to_others(&holder), f) < 0)
		return -1;
	if (w->pending.length == 0)
		return 0;

	ino_t inode;
	memcpy(&inode, w->pending.bytes, sizeof(inode));
	w->pending.length = 0;
	if (w->walk->enter != NULL)
		w->walk->enter(w->walk->context, state_of(w, 0), leaf, state_of(w, 1));
	return level_walk(w, dir, leaf, inode, &start, 1, f);
}

int fs_walk(int dir, const char *leaf, const char *path, const void *state, const struct fs_walk *walk, struct fault *f)
{
	struct walker w = { .walk = walk, .states = calloc(FS_WALK_DEPTH_MAX + 2, walk->state_size + 1) };

	if (w.states != NULL && walk->state_size > 0)
		memcpy(w.states, state, walk->state_size);
	text_add_string(&w.path, path);
	int r = w.states == NULL ? fault_memory(f) : text_check(&w.path, f);
	if (r == 0)
		r = start_walk(&w, dir, leaf, f);
	text_done(&w.path);
	text_done(&w.pending);
	free(w.states);
	return r;
}

/* --- removal ------------------------------------------------------------------------------------------------------ */

static int remove_below(int dir, const char *leaf, dev_t device, unsigned depth, struct fault *f)
{
	if (unlinkat(dir, leaf, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fault_system(f, errno, "cannot remove '%s'", SHOWN(leaf));
	if (depth >= FS_WALK_DEPTH_MAX)
		return fault_refused(f, "'%s' is more than %d directories deep", SHOWN(leaf), FS_WALK_DEPTH_MAX);

	FS_AUTO int fd = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot remove '%s'", SHOWN(leaf));
	if (status.st_dev != device)
		return fault_refused(f, "'%s' is another file system and is not removed; unmount it", SHOWN(leaf));
	/* Whoever has it open could keep refilling it.  chown first, or the old owner could undo the chmod. */
	if (fs_open_to_others(&status) && fchown(fd, 0, 0) == 0)
		(void)fchmod(fd, 0700);

	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int r = 0, more = fs_each_open(fd, leaf, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		if (remove_below(fd, entry.name, device, depth + 1, f) < 0)
			r = -1;
	if (more < 0)
		return -1;
	if (r == 0 && unlinkat(dir, leaf, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = fault_system(f, errno, "cannot remove directory '%s'", SHOWN(leaf));
	return r;
}

int fs_tree_remove(int dir, const char *leaf, struct fault *f)
{
	struct stat status;

	if (fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at '%s'", SHOWN(leaf));
	return remove_below(dir, leaf, status.st_dev, 0, f);
}
