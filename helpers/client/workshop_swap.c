/* One tree for another: the exchange, what it replaces, and the way on from wherever it was cut off. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/archive/limits.h"
#include "base/text.h"
#include "client/workshop.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/walk.h"

/* linux/fs.h has it only since 3.15, and collides with other headers. */
enum { EXCHANGE = 1 << 1 };

static int names_exchange(int from_dir, const char *from, int to_dir, const char *to)
{
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, EXCHANGE);
}

/* --- which tree is meant: the notes `swap` and `back` ------------------------------------------------------------- */

/* Not synced. */
static int note_write(const struct client_workshop *w, const char *note, const struct stat *tree, int *ret_fd,
		      struct fault *f)
{
	char line[64];
	const int length = snprintf(line, sizeof(line), "%ju %ju\n", (uintmax_t)tree->st_dev, (uintmax_t)tree->st_ino);
	FS_AUTO int fd = openat(w->dir, note, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault_system(f, errno, "cannot note which client is meant");
	if (fs_write(fd, note, line, (size_t)length, f) < 0)
		return -1;
	*ret_fd = fs_take(&fd);
	return 0;
}

/*
 * Is the tree that the note is about in the client's place?  A "no" throws `next` away, which after the exchange is the
 * old client: so only a note that is not there or not whole, which the sync before the exchange excludes, is a "no".
 */
static int note_look(const struct client_workshop *w, const char *note, bool *ret_fulfilled, struct fault *f)
{
	struct fault cause = { 0 };
	TEXT_AUTO line = { 0 };
	FS_AUTO int fd = -1;
	struct stat client;
	uintmax_t device, inode;

	*ret_fulfilled = false;
	if (fs_file_open_at(w->dir, note, O_RDONLY, &fd, NULL, &cause) < 0)
		return fs_absence(&cause, f);
	if (fs_read(fd, note, 64, &line, f) < 0)
		return -1;
	if (sscanf(text_string(&line), "%ju %ju", &device, &inode) != 2)
		return 0;
	if (fstatat(w->parent, w->leaf, &client, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at '%s'", SHOWN(w->leaf));
	*ret_fulfilled = device == (uintmax_t)client.st_dev && inode == (uintmax_t)client.st_ino;
	return 0;
}

static int note_end(const struct client_workshop *w, const char *note, struct fault *f)
{
	if (unlinkat(w->dir, note, 0) < 0 && errno != ENOENT)
		return fault_system(f, errno, "cannot remove the note '%s' of which client is meant", note);
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
	return note_end(w, "swap", f);
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
int client_workshop_recover(struct client_workshop *w, struct report *report, struct fault *f)
{
	bool fulfilled, back, new, next;

	if (outgoing_recover(w, report, f) < 0 || note_look(w, "swap", &fulfilled, f) < 0 ||
	    note_look(w, "back", &back, f) < 0)
		return -1;
	/* A roll-back that exchanged nothing has changed nothing. */
	if (!back && note_end(w, "back", f) < 0)
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
	if (note_end(w, "swap", f) < 0)
		return -1;
	if (new || next)
		report_say(report, REPORT_WARNING, "an earlier run was cut off; what it had begun is removed");
	return 0;
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
	FS_AUTO int note = -1;
	struct stat next;
	bool replaces;

	(void)snprintf(from, sizeof(from), "new/tree/%s", top);
	/* "tree/" names the directory itself as well; rename(2) takes the slash. */
	if (renameat(w->dir, from, w->dir, "next") < 0)
		return fault_errno(f, errno, "cannot take the new client from '%s'", SHOWN(from));
	if (fstatat(w->dir, "next", &next, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(f, errno, "cannot look at the new client");
	/* The sync of the whole file system that follows is for this, too. */
	if (note_write(w, "swap", &next, &note, f) < 0)
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

/* --- the way back ------------------------------------------------------------------------------------------------- */

static int back_note(const struct client_workshop *w, int previous, struct fault *f)
{
	FS_AUTO int note = -1;
	struct stat meant;

	if (fstat(previous, &meant) < 0)
		return fault_system(f, errno, "cannot look at the previous client");
	if (note_write(w, "back", &meant, &note, f) < 0)
		return -1;
	if (fsync(note) < 0 || fsync(w->dir) < 0)
		return fault_system(f, errno, "cannot sync the note of which client is meant");
	return 0;
}

static int previous_place(struct client_workshop *w, struct report *report, struct fault *f)
{
	bool there;

	if (fs_existence(w->parent, w->leaf, &there, f) < 0)
		return -1;
	if (there)
		return client_exchange(w, "previous", report, f);
	return renameat(w->dir, "previous", w->parent, w->leaf) == 0
		       ? 0
		       : fault_errno(f, errno, "cannot put the previous client in its place");
}

int client_workshop_rollback(struct client_workshop *w, struct report *report, struct fault *f)
{
	FS_AUTO int previous = -1;
	struct fault ignored = { 0 };

	if (client_workshop_previous(w, &previous, f) < 0)
		return -1;
	if (back_note(w, previous, f) < 0 || previous_place(w, report, f) < 0) {
		if (f->kind != FAULT_INCOMPLETE)
			(void)note_end(w, "back", &ignored);
		return -1;
	}
	if (dirs_sync(w, f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return -1;
}

int client_workshop_is_back(const struct client_workshop *w, bool *ret_back, struct fault *f)
{
	*ret_back = false;
	return w->dir < 0 ? 0 : note_look(w, "back", ret_back, f);
}

int client_workshop_rollback_end(struct client_workshop *w, struct report *report, struct fault *f)
{
	if (note_end(w, "back", f) < 0)
		return -1;
	/* All is done: what a power cut could bring back is a note that the next roll-back takes for its own. */
	if (fsync(w->dir) < 0)
		report_say(report, REPORT_WARNING, "cannot sync '%s', but all is done: %s", SHOWN(w->name),
			   fault_errno_text(errno));
	return 0;
}
