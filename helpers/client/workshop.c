#include "client/workshop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/limits.h"
#include "base/text.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/tree.h"

/* linux/fs.h has it only since 3.15, and collides with other headers. */
enum { EXCHANGE = 1 << 1 };

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void client_workshop_done(struct client_workshop *w)
{
	fs_close(&w->parent);
	fs_close(&w->dir);
}

static int names_set(int root, const char *client_dir, struct client_workshop *w, struct fault *f)
{
	if (fs_parent_open(root, client_dir, FS_FOLLOW_TRUSTED, &w->parent, w->leaf, f) < 0)
		return -1;
	if (strlen(w->leaf) > FS_NAME_SIZE - 16)
		return fault_refused(f, "the name '%s' is too long", SHOWN(w->leaf));
	(void)snprintf(w->name, sizeof(w->name), ".%.200s.okv-luna", w->leaf);
	return 0;
}

/* A workshop that somebody else has made, or can enter, is none. */
static int dir_open(struct client_workshop *w, struct fault *f)
{
	struct stat status;

	w->dir = openat(w->parent, w->name, DIR_FLAGS);
	if (w->dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(w->name));
	if (fstat(w->dir, &status) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SHOWN(w->name));
	if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return fault_refused(f, "'%s' beside the client is not root's alone; look at it and move it away",
				     SHOWN(w->name));
	return 0;
}

static int names_exchange(int from_dir, const char *from, int to_dir, const char *to)
{
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, EXCHANGE);
}

/* --- which tree is which: the note in `swap` ---------------------------------------------------------------------- */

/* Not synced: the sync of the whole file system that follows is for this, too. */
static int swap_note_write(struct client_workshop *w, const struct stat *next, struct fault *f)
{
	char line[64];
	const int length = snprintf(line, sizeof(line), "%ju %ju\n", (uintmax_t)next->st_dev, (uintmax_t)next->st_ino);
	FS_AUTO int fd = openat(w->dir, "swap", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault_system(f, errno, "cannot note which client is the new one");
	return fs_write(fd, "swap", line, (size_t)length, f);
}

/*
 * Is the tree that the note is about in the client's place?  A "no" throws `next` away, which after the exchange is the
 * old client: so only a note that is not there or not whole, which the sync before the exchange excludes, is a "no".
 */
static int swap_note_look(const struct client_workshop *w, bool *ret_fulfilled, struct fault *f)
{
	struct fault cause = FAULT_INIT;
	TEXT_AUTO note = TEXT_INIT;
	FS_AUTO int fd = -1;
	struct stat client;
	uintmax_t device, inode;

	*ret_fulfilled = false;
	if (fs_file_open_at(w->dir, "swap", O_RDONLY, &fd, NULL, &cause) < 0)
		return fs_absence(&cause, f);
	if (fs_read(fd, "swap", 64, &note, f) < 0)
		return -1;
	if (sscanf(text_string(&note), "%ju %ju", &device, &inode) != 2)
		return 0;
	if (fstatat(w->parent, w->leaf, &client, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at '%s'", SHOWN(w->leaf));
	*ret_fulfilled = device == (uintmax_t)client.st_dev && inode == (uintmax_t)client.st_ino;
	return 0;
}

static int dirs_sync(const struct client_workshop *w, struct fault *f)
{
	if (fsync(w->parent) < 0 || fsync(w->dir) < 0)
		return fault_system(f, errno, "cannot sync the directory of '%s'", SHOWN(w->leaf));
	return 0;
}

/* After the new tree is in place: what it replaced becomes `previous`.  Can be broken off and begun again anywhere. */
static int swap_complete(struct client_workshop *w, struct fault *f)
{
	bool outgoing, next;

	if (fs_existence(w->dir, "outgoing", &outgoing, f) < 0 || fs_existence(w->dir, "next", &next, f) < 0)
		return -1;
	if (outgoing && !next) {
		if (renameat(w->dir, "outgoing", w->dir, "next") < 0)
			return fault_system(f, errno, "cannot put the old client aside");
		next = true;
	}
	if (next) {
		if (fs_tree_remove(w->dir, "previous", f) < 0)
			return -1;
		if (renameat(w->dir, "next", w->dir, "previous") < 0)
			return fault_system(f, errno, "cannot keep the old client");
	}
	if (fsync(w->dir) < 0)
		return fault_system(f, errno, "cannot sync '%s'", SHOWN(w->name));
	if (unlinkat(w->dir, "swap", 0) < 0 && errno != ENOENT)
		return fault_system(f, errno, "cannot end the swap");
	return 0;
}

/* An old client that a kernel without the exchange has left between two renames. */
static int outgoing_recover(struct client_workshop *w, struct report *report, struct fault *f)
{
	bool outgoing, client, swap, previous;

	if (fs_existence(w->dir, "outgoing", &outgoing, f) < 0 || fs_existence(w->parent, w->leaf, &client, f) < 0 ||
	    fs_existence(w->dir, "swap", &swap, f) < 0 || fs_existence(w->dir, "previous", &previous, f) < 0)
		return -1;
	if (!outgoing)
		return 0;
	if (!client) {
		if (renameat(w->dir, "outgoing", w->parent, w->leaf) < 0)
			return fault_system(f, errno, "cannot put the old client back");
		if (dirs_sync(w, f) < 0)
			return -1;
		report_say(report, REPORT_WARNING, "an earlier run was cut off; the client it had moved aside is back");
	} else if (!swap && !previous && renameat(w->dir, "outgoing", w->dir, "previous") < 0) {
		return fault_system(f, errno, "cannot keep the old client");
	}
	return 0;
}

/* What a run that was killed has left. */
static int recover(struct client_workshop *w, struct report *report, struct fault *f)
{
	bool fulfilled, new, next;

	if (outgoing_recover(w, report, f) < 0 || swap_note_look(w, &fulfilled, f) < 0)
		return -1;
	if (fulfilled) {
		if (swap_complete(w, f) < 0)
			return -1;
		report_say(report, REPORT_WARNING,
			   "an earlier run was cut off after the new client was in place; completed");
		return 0;
	}
	if (fs_existence(w->dir, "new", &new, f) < 0 || fs_existence(w->dir, "next", &next, f) < 0 ||
	    fs_tree_remove(w->dir, "next", f) < 0 || client_workshop_clear(w, f) < 0)
		return -1;
	if (unlinkat(w->dir, "swap", 0) < 0 && errno != ENOENT)
		return fault_system(f, errno, "cannot tidy up '%s'", SHOWN(w->name));
	if (new || next)
		report_say(report, REPORT_WARNING, "an earlier run was cut off; what it had begun is removed");
	return 0;
}

/* The first directory on the way to the client's that is not there yet. */
static int made_find(int root, const char *client_dir, char made[PATH_MAX], struct fault *f)
{
	bool there;

	for (const char *slash = strchr(client_dir + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(made, PATH_MAX, "%.*s", (int)(slash - client_dir), client_dir);
		if (fs_existence(root, made, &there, f) < 0)
			return -1;
		if (!there)
			return 0;
	}
	made[0] = '\0';
	return 0;
}

static void parent_of(const char *path, char ret_parent[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(ret_parent, PATH_MAX, "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
}

int client_workshop_open(int root, const char *client_dir, struct report *report, struct client_workshop *ret_workshop,
			 struct fault *f)
{
	CLIENT_WORKSHOP_AUTO w = CLIENT_WORKSHOP_INIT;
	char parent[PATH_MAX];

	parent_of(client_dir, parent);
	if (made_find(root, client_dir, w.made, f) < 0 || fs_dirs_make(root, parent, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
	    names_set(root, client_dir, &w, f) < 0)
		return -1;
	if (mkdirat(w.parent, w.name, 0700) < 0 && errno != EEXIST)
		return fault_errno(f, errno, "cannot make '%s' beside the client", SHOWN(w.name));
	if (dir_open(&w, f) < 0 || recover(&w, report, f) < 0)
		return -1;
	*ret_workshop = w;
	w = (struct client_workshop)CLIENT_WORKSHOP_INIT;
	return 0;
}

void client_workshop_close(struct client_workshop *w, int root, const char *client_dir)
{
	struct fault ignored = FAULT_INIT;
	char path[PATH_MAX], parent[PATH_MAX], leaf[FS_NAME_SIZE];

	if (w->parent < 0 || w->dir < 0 || client_workshop_clear(w, &ignored) < 0 ||
	    unlinkat(w->parent, w->name, AT_REMOVEDIR) < 0)
		return;
	/* rmdir(2) stops by itself at the first that holds something. */
	parent_of(client_dir, path);
	while (w->made[0] != '\0' && strlen(path) >= strlen(w->made)) {
		FS_AUTO int dir = -1;
		if (fs_parent_open(root, path, FS_FOLLOW_TRUSTED, &dir, leaf, &ignored) < 0 ||
		    unlinkat(dir, leaf, AT_REMOVEDIR) < 0)
			return;
		parent_of(path, parent);
		memcpy(path, parent, sizeof(path));
	}
}

int client_workshop_look(int root, const char *client_dir, struct client_workshop *ret_workshop, struct fault *f)
{
	CLIENT_WORKSHOP_AUTO w = CLIENT_WORKSHOP_INIT;
	struct fault absent = FAULT_INIT;
	bool there;

	if (names_set(root, client_dir, &w, &absent) < 0) {
		if (absent.kind != FAULT_ABSENT) {
			*f = absent;
			return -1;
		}
	} else if (fs_existence(w.parent, w.name, &there, f) < 0 || (there && dir_open(&w, f) < 0)) {
		return -1;
	}
	*ret_workshop = w;
	w = (struct client_workshop)CLIENT_WORKSHOP_INIT;
	return 0;
}

int client_workshop_present(const struct client_workshop *w, int *ret_dir, struct fault *f)
{
	struct stat status;

	if (fstatat(w->parent, w->leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot look at '%s'", SHOWN(w->leaf));
	if (!S_ISDIR(status.st_mode))
		return fault_refused(f, "'%s' is there and is no directory; move it away", SHOWN(w->leaf));
	const int dir = openat(w->parent, w->leaf, DIR_FLAGS);
	if (dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(w->leaf));
	*ret_dir = dir;
	return 0;
}

/* --- the stage ---------------------------------------------------------------------------------------------------- */

int client_workshop_stage(struct client_workshop *w, uid_t uid, gid_t gid, int *ret_tree, struct fault *f)
{
	FS_AUTO int outer = -1;
	FS_AUTO int tree = -1;

	if (client_workshop_clear(w, f) < 0)
		return -1;
	if (mkdirat(w->dir, "new", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	outer = openat(w->dir, "new", DIR_FLAGS);
	if (outer < 0 || mkdirat(outer, "tree", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	tree = openat(outer, "tree", DIR_FLAGS);
	if (tree < 0 || fchown(tree, uid, gid) < 0)
		return fault_errno(f, errno, "cannot give the new client's directory away");
	*ret_tree = fs_take(&tree);
	return 0;
}

int client_workshop_clear(struct client_workshop *w, struct fault *f)
{
	return fs_tree_remove(w->dir, "new", f);
}

/* --- the swap ----------------------------------------------------------------------------------------------------- */

/*
 * `name` of the workshop and the client change places.  Kernels before 3.15, and some file systems, cannot do that
 * in one step; then two renames do it, between which there is no client for an instant (recover puts it back).
 */
static int client_exchange(struct client_workshop *w, const char *name, struct report *report, struct fault *f)
{
	if (names_exchange(w->dir, name, w->parent, w->leaf) == 0)
		return 0;
	if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
		return fault_errno(f, errno, "cannot put '%s' in its place", SHOWN(w->leaf));
	report_say(report, REPORT_DETAIL, "this system cannot exchange two directories in one step; two renames do it");
	if (renameat(w->parent, w->leaf, w->dir, "outgoing") < 0)
		return fault_errno(f, errno, "cannot move the old client aside");
	if (renameat(w->dir, name, w->parent, w->leaf) < 0) {
		const int errnum = errno;
		(void)renameat(w->dir, "outgoing", w->parent, w->leaf);
		return fault_errno(f, errnum, "cannot put '%s' in its place", SHOWN(w->leaf));
	}
	/* The names are exchanged but for this one; the next run knows what to do with it. */
	if (renameat(w->dir, "outgoing", w->dir, name) < 0)
		return fault_incomplete(f, "cannot put the old client aside: %s", fault_errno_text(errno));
	return 0;
}

int client_workshop_swap(struct client_workshop *w, const char *top, struct report *report, struct fault *f)
{
	char from[sizeof("new/tree/") + LIMITS_PATH + 1];
	struct stat next;
	bool replaces;

	(void)snprintf(from, sizeof(from), "new/tree/%s", top);
	/* "tree/" names the directory itself as well; rename(2) takes the slash. */
	if (renameat(w->dir, from, w->dir, "next") < 0)
		return fault_errno(f, errno, "cannot take the new client from '%s'", SHOWN(from));
	if (fstatat(w->dir, "next", &next, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(f, errno, "cannot look at the new client");
	if (swap_note_write(w, &next, f) < 0)
		return -1;
	if (syncfs(w->dir) < 0)
		return fault_system(f, errno, "cannot sync the new client");

	if (fs_existence(w->parent, w->leaf, &replaces, f) < 0)
		return -1;
	if (replaces) {
		if (client_exchange(w, "next", report, f) < 0)
			return -1;
	} else if (renameat(w->dir, "next", w->parent, w->leaf) < 0) {
		return fault_errno(f, errno, "cannot put '%s' in its place", SHOWN(w->leaf));
	}
	if (dirs_sync(w, f) == 0 && swap_complete(w, f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return fault_prefix(f, "the client is in its place, but: ");
}

int client_workshop_has_previous(const struct client_workshop *w, bool *ret_has, struct fault *f)
{
	struct stat status;
	bool has = false;

	if (w->dir >= 0) {
		has = fstatat(w->dir, "previous", &status, AT_SYMLINK_NOFOLLOW) == 0;
		if (!has && errno != ENOENT)
			return fault_system(f, errno, "cannot look for the previous client");
	}
	*ret_has = has && S_ISDIR(status.st_mode);
	return 0;
}

static int previous_need(const struct client_workshop *w, struct fault *f)
{
	bool has;

	if (client_workshop_has_previous(w, &has, f) < 0)
		return -1;
	return has ? 0 : fault_absent(f, "no previous client is kept beside '%s'", SHOWN(w->leaf));
}

int client_workshop_previous(const struct client_workshop *w, int *ret_dir, struct fault *f)
{
	if (previous_need(w, f) < 0)
		return -1;
	*ret_dir = openat(w->dir, "previous", DIR_FLAGS);
	return *ret_dir < 0 ? fault_errno(f, errno, "cannot open the previous client") : 0;
}

int client_workshop_rollback(struct client_workshop *w, struct report *report, struct fault *f)
{
	bool there;

	if (previous_need(w, f) < 0 || fs_existence(w->parent, w->leaf, &there, f) < 0)
		return -1;
	if (there) {
		if (client_exchange(w, "previous", report, f) < 0)
			return -1;
	} else if (renameat(w->dir, "previous", w->parent, w->leaf) < 0) {
		return fault_errno(f, errno, "cannot put the previous client in its place");
	}
	return dirs_sync(w, f);
}
