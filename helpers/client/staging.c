#include "client/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/archive/limits.h"
#include "client/identity.h"
#include "client/record.h"
#include "fs/exchange.h"
#include "fs/root.h"
#include "fs/read.h"
#include "fs/walk.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int names_set(struct client_staging *s, struct fault *f)
{
	if (fs_parent_open(s->root, s->client_dir, FS_FOLLOW_TRUSTED, &s->parent, s->leaf, f) < 0)
		return -1;
	if (strlen(s->leaf) > FS_NAME_SIZE - 16)
		return fault_refused(f, "the name '%s' is too long", SHOWN(s->leaf));
	(void)snprintf(s->name, sizeof(s->name), ".%.200s.okv-luna", s->leaf);
	return 0;
}

/* Refuses a directory that somebody else has made or can enter. */
static int dir_open(struct client_staging *s, struct fault *f)
{
	FS_AUTO int dir = openat(s->parent, s->name, DIR_FLAGS);
	struct stat status;

	if (dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(s->name));
	if (fstat(dir, &status) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SHOWN(s->name));
	if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return fault_refused(
			f, "'%s' beside the client can be changed by users other than root; check it and move it away",
			SHOWN(s->name));
	s->dir = fs_take(&dir);
	return 0;
}

int client_staging_tree(struct client_staging *s, int *ret_tree, struct fault *f)
{
	FS_AUTO int outer = -1;
	FS_AUTO int tree = -1;

	if (fs_tree_remove(s->dir, "new", f) < 0)
		return -1;
	if (mkdirat(s->dir, "new", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	outer = openat(s->dir, "new", DIR_FLAGS);
	if (outer < 0 || mkdirat(outer, "tree", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	tree = openat(outer, "tree", DIR_FLAGS);
	if (tree < 0)
		return fault_errno(f, errno, "cannot open the new client's directory");
	*ret_tree = fs_take(&tree);
	return 0;
}

int client_staging_present(const struct client_staging *s, int *ret_dir, struct fault *f)
{
	struct stat status;

	if (fstatat(s->parent, s->leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot look at '%s'", SHOWN(s->leaf));
	if (!S_ISDIR(status.st_mode))
		return fault_refused(f, "'%s' exists and is not a directory; move it away", SHOWN(s->leaf));
	const int dir = openat(s->parent, s->leaf, DIR_FLAGS);
	if (dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(s->leaf));
	*ret_dir = dir;
	return 0;
}

/* --- which tree is meant: the notes `swap` and `back` ------------------------------------------------------------- */

/* Notes that `tree` of the staging directory is meant. */
static int note_write(const struct client_staging *s, const char *note, const char *tree, struct fault *f)
{
	struct stat status;
	char line[64];
	FS_AUTO int fd = -1;

	if (fstatat(s->dir, tree, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(f, errno, "cannot look at '%s'", tree);
	fd = openat(s->dir, note, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_system(f, errno, "cannot record which client is exchanged");
	const int length =
		snprintf(line, sizeof(line), "%ju %ju\n", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	if (fs_write(fd, note, line, (size_t)length, f) < 0)
		return -1;
	if (fsync(fd) < 0 || fsync(s->dir) < 0)
		return fault_system(f, errno, "cannot sync the record of which client is exchanged");
	return 0;
}

/*
 * Is the tree of the note in the client's place?  On a "no" `next` is discarded, which after the exchange is the old
 * client.  So "no" is only for a note that is missing or incomplete, which the sync before the exchange rules out.
 */
static int note_look(const struct client_staging *s, const char *note, bool *ret_fulfilled, struct fault *f)
{
	struct fault cause = { 0 };
	TEXT_AUTO line = { 0 };
	FS_AUTO int fd = -1;
	struct stat client;
	uintmax_t device, inode;

	*ret_fulfilled = false;
	if (fs_name_open(FS_NAME(s->dir, note, note), O_RDONLY, &fd, NULL, &cause) < 0)
		return fs_absence(&cause, f);
	if (fs_read(fd, note, 64, &line, f) < 0)
		return -1;
	if (sscanf(text_string(&line), "%ju %ju", &device, &inode) != 2)
		return 0;
	if (fstatat(s->parent, s->leaf, &client, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at '%s'", SHOWN(s->leaf));
	*ret_fulfilled = device == (uintmax_t)client.st_dev && inode == (uintmax_t)client.st_ino;
	return 0;
}

static int note_end(const struct client_staging *s, const char *note, struct fault *f)
{
	if (unlinkat(s->dir, note, 0) < 0 && errno != ENOENT)
		return fault_system(f, errno, "cannot remove the record '%s' of which client is exchanged", note);
	return 0;
}

static int dirs_sync(const struct client_staging *s, struct fault *f)
{
	if (fsync(s->parent) < 0 || fsync(s->dir) < 0)
		return fault_system(f, errno, "cannot sync the directory of '%s'", SHOWN(s->leaf));
	return 0;
}

/* After the exchange: the replaced tree becomes `previous`.  Can be interrupted and repeated at any point. */
static int swap_complete(struct client_staging *s, struct fault *f)
{
	bool outgoing, next;

	if (fs_existence(s->dir, "outgoing", &outgoing, f) < 0 || fs_existence(s->dir, "next", &next, f) < 0)
		return -1;
	if (outgoing && !next) {
		if (renameat(s->dir, "outgoing", s->dir, "next") < 0)
			return fault_system(f, errno, "cannot put the old client aside");
		next = true;
	}
	if (next) {
		if (fs_tree_remove(s->dir, "previous", f) < 0)
			return -1;
		if (renameat(s->dir, "next", s->dir, "previous") < 0)
			return fault_system(f, errno, "cannot keep the old client");
		s->has_previous = true;
	}
	if (fsync(s->dir) < 0)
		return fault_system(f, errno, "cannot sync '%s'", SHOWN(s->name));
	return note_end(s, "swap", f);
}

/* Restores an old client that was between two renames, without RENAME_EXCHANGE. */
static int outgoing_recover(struct client_staging *s, struct fault *f)
{
	bool outgoing, client, swap, previous;

	if (fs_existence(s->dir, "outgoing", &outgoing, f) < 0 || fs_existence(s->parent, s->leaf, &client, f) < 0 ||
	    fs_existence(s->dir, "swap", &swap, f) < 0 || fs_existence(s->dir, "previous", &previous, f) < 0)
		return -1;
	if (!outgoing)
		return 0;
	if (!client) {
		if (renameat(s->dir, "outgoing", s->parent, s->leaf) < 0)
			return fault_system(f, errno, "cannot put the old client back");
		if (dirs_sync(s, f) < 0)
			return -1;
		report_say(s->report, REPORT_WARNING,
			   "an earlier run was cut off; the client it had moved aside is back");
	} else if (!swap && !previous && renameat(s->dir, "outgoing", s->dir, "previous") < 0) {
		return fault_system(f, errno, "cannot keep the old client");
	}
	return 0;
}

/* Cleans up after a killed run; a roll-back that is in place is left to rollback_complete. */
static int recover(struct client_staging *s, struct fault *f)
{
	bool fulfilled, back, new, next;

	if (outgoing_recover(s, f) < 0 || note_look(s, "swap", &fulfilled, f) < 0 || note_look(s, "back", &back, f) < 0)
		return -1;
	/* A roll-back that did not reach the exchange has changed nothing. */
	if (!back && note_end(s, "back", f) < 0)
		return -1;
	if (fulfilled) {
		if (swap_complete(s, f) < 0)
			return -1;
		report_say(s->report, REPORT_WARNING,
			   "an earlier run was cut off after the new client was in place; completed");
		return 0;
	}
	if (fs_existence(s->dir, "new", &new, f) < 0 || fs_existence(s->dir, "next", &next, f) < 0 ||
	    fs_tree_remove(s->dir, "next", f) < 0 || fs_tree_remove(s->dir, "new", f) < 0)
		return -1;
	if (note_end(s, "swap", f) < 0)
		return -1;
	if (new || next)
		report_say(s->report, REPORT_WARNING, "an earlier run was cut off; what it had begun is removed");
	return 0;
}

/* --- the swap ----------------------------------------------------------------------------------------------------- */

/*
 * Exchanges `name` of the staging directory with the client.  Without RENAME_EXCHANGE this takes two renames, and there
 * is no client in between (the next run restores it after a kill).
 */
static int client_exchange(struct client_staging *s, const char *name, struct fault *f)
{
	switch (fs_exchange(s->dir, name, s->parent, s->leaf)) {
	case FS_EXCHANGED:
		return 0;
	case FS_EXCHANGE_FAILED:
		return fault_errno(f, errno, "cannot put '%s' in its place", SHOWN(s->leaf));
	case FS_EXCHANGE_MISSING:
		break;
	}
	report_say(s->report, REPORT_DETAIL,
		   "this system cannot exchange two directories in one step; two renames do it");
	if (renameat(s->parent, s->leaf, s->dir, "outgoing") < 0)
		return fault_errno(f, errno, "cannot move the old client aside");
	if (renameat(s->dir, name, s->parent, s->leaf) < 0) {
		const int errnum = errno;
		(void)renameat(s->dir, "outgoing", s->parent, s->leaf);
		return fault_errno(f, errnum, "cannot put '%s' in its place", SHOWN(s->leaf));
	}
	/* Only this name is left over; the next run handles it. */
	if (renameat(s->dir, "outgoing", s->dir, name) < 0)
		return fault_incomplete(f, "cannot put the old client aside: %s", fault_errno_text(errno));
	return 0;
}

/* Makes `name` of the staging directory the client; an existing client takes its place there. */
static int put_in_place(struct client_staging *s, const char *name, struct fault *f)
{
	bool replaces;

	if (fs_existence(s->parent, s->leaf, &replaces, f) < 0)
		return -1;
	if (replaces)
		return client_exchange(s, name, f);
	return renameat(s->dir, name, s->parent, s->leaf) == 0
		       ? 0
		       : fault_errno(f, errno, "cannot put '%s' in its place", SHOWN(s->leaf));
}

int client_staging_swap(struct client_staging *s, const char *from, struct fault *f)
{
	char path[sizeof("new/tree/") + LIMITS_PATH + 1];

	(void)snprintf(path, sizeof(path), "new/%s", from);
	/* rename(2) accepts the slash of "tree/". */
	if (renameat(s->dir, path, s->dir, "next") < 0)
		return fault_errno(f, errno, "cannot take the new client from '%s'", SHOWN(path));
	if (note_write(s, "swap", "next", f) < 0)
		return -1;
	if (syncfs(s->dir) < 0)
		return fault_system(f, errno, "cannot sync the new client");

	if (put_in_place(s, "next", f) < 0)
		return -1;
	if (dirs_sync(s, f) == 0 && swap_complete(s, f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return fault_prefix(f, "the client is in its place, but: ");
}

/* --- the way back ------------------------------------------------------------------------------------------------- */

/* The previous client comes back with its old identity, so report what has changed since. */
static int changes_tell(const struct client_staging *s, struct fault *f)
{
	TEXT_AUTO paths = { 0 };
	FS_AUTO int now = -1;
	FS_AUTO int previous = -1;
	struct text_line line;

	if (!s->has_previous)
		return fault_absent(f, "no previous client is kept beside '%s'", SHOWN(s->leaf));
	if (fs_dir_open(s->dir, "previous", FS_NOFOLLOW, &previous, f) < 0 || client_staging_present(s, &now, f) < 0 ||
	    (now >= 0 && client_identity_changes(now, previous, &paths, f) < 0))
		return -1;
	for (size_t at = 0; text_line_next(paths.bytes, paths.length, &at, &line);)
		report_say(s->report, REPORT_WARNING,
			   "'%s' has changed since; the previous client comes back with its own copy, and the new copy "
			   "stays with the client that is replaced",
			   SHOWN_BYTES(line.bytes, line.length));
	return 0;
}

/* The note outlives the exchange: a run that finds it fulfilled must not exchange again, which would undo it. */
static int exchange_back(struct client_staging *s, struct fault *f)
{
	struct fault ignored = { 0 };

	if (note_write(s, "back", "previous", f) < 0 || put_in_place(s, "previous", f) < 0) {
		if (f->kind != FAULT_INCOMPLETE)
			(void)note_end(s, "back", &ignored);
		return -1;
	}
	if (dirs_sync(s, f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return -1;
}

/* Completes a roll-back after the exchange.  Any run can repeat it until it is done. */
static int rollback_complete(struct client_staging *s, struct fault *f)
{
	MANIFEST_AUTO record = { 0 };
	FS_AUTO int client = -1;

	if (client_staging_present(s, &client, f) < 0 || client_record_read(client, s->client_dir, &record, f) < 0 ||
	    client_record_write(s->root, &record, "the client that okv-luna extract --rollback has put back", f) < 0 ||
	    note_end(s, "back", f) < 0)
		return -1;
	/* All is done: after a power cut the note may come back, and the next roll-back would take it for its own. */
	if (fsync(s->dir) < 0)
		report_say(s->report, REPORT_WARNING, "cannot sync '%s', but all is done: %s", SHOWN(s->name),
			   fault_errno_text(errno));
	return 0;
}

static void finished_say(const struct client_staging *s)
{
	report_say(s->report, REPORT_WARNING,
		   "an earlier --rollback was cut off after the previous client was back; completed");
}

static int rollback_finish(struct client_staging *s, struct fault *f)
{
	if (rollback_complete(s, f) < 0)
		return fault_prefix(f, "an earlier --rollback cannot be completed: ");
	finished_say(s);
	return 0;
}

int client_staging_rollback(struct client_staging *s, struct fault *f)
{
	if (!s->back && changes_tell(s, f) < 0)
		return -1;
	if (s->use == CLIENT_STAGING_LOOK)
		return 0;
	const int r = s->back ? 0 : exchange_back(s, f);
	if (r < 0 && f->kind != FAULT_INCOMPLETE)
		return -1;
	if (r < 0 || rollback_complete(s, f) < 0) {
		f->kind = FAULT_INCOMPLETE;
		return fault_prefix(f, "the previous client is back, but: ");
	}
	if (s->back)
		finished_say(s);
	return 0;
}

/* --- opened and closed -------------------------------------------------------------------------------------------- */

/* Creates the parent directories of the client's, and remembers the first that was missing. */
static int way_make(struct client_staging *s, struct fault *f)
{
	char path[PATH_MAX];
	bool there;

	for (const char *slash = strchr(s->client_dir + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(path, sizeof(path), "%.*s", (int)(slash - s->client_dir), s->client_dir);
		if (fs_existence(s->root, path, &there, f) < 0 ||
		    (!there && fs_dirs_make(s->root, path, 0755, FS_FOLLOW_TRUSTED, f) < 0))
			return -1;
		if (!there && s->made == 0)
			s->made = (size_t)(slash - s->client_dir);
	}
	return 0;
}

/* Looks, without any change. */
static int look(struct client_staging *s, struct fault *f)
{
	struct fault cause = { 0 };
	bool there, mounted = false;

	if (names_set(s, &cause) < 0) {
		if (cause.kind == FAULT_ABSENT)
			return 0;
		*f = cause;
		return -1;
	}
	if (fs_mount_point(s->parent, s->leaf, &mounted, f) < 0 || fs_existence(s->parent, s->name, &there, f) < 0 ||
	    (there && dir_open(s, f) < 0))
		return -1;
	return mounted ? fault_refused(f, "'%s' is a mount point and cannot be replaced; unmount it, or give --to DIR",
				       SHOWN(s->client_dir))
		       : 0;
}

/* Creates the directory, and cleans up after a killed run. */
static int make_ready(struct client_staging *s, struct fault *f)
{
	if (s->dir < 0 && mkdirat(s->parent, s->name, 0700) < 0)
		return fault_errno(f, errno, "cannot make '%s' beside the client", SHOWN(s->name));
	if (s->dir < 0 && dir_open(s, f) < 0)
		return -1;
	return recover(s, f);
}

int client_staging_open(struct client_staging *s, enum client_staging_use use, struct fault *f)
{
	s->use = use;
	if ((use != CLIENT_STAGING_LOOK && way_make(s, f) < 0) || look(s, f) < 0 ||
	    (use != CLIENT_STAGING_LOOK && make_ready(s, f) < 0))
		return -1;
	if (s->dir >= 0 &&
	    (note_look(s, "back", &s->back, f) < 0 || fs_existence(s->dir, "previous", &s->has_previous, f) < 0))
		return -1;
	return use == CLIENT_STAGING_INSTALL && s->back ? rollback_finish(s, f) : 0;
}

/* rmdir(2) fails at the first directory that is not empty. */
static void tidy_up(const struct client_staging *s)
{
	struct fault ignored = { 0 };
	char path[PATH_MAX], leaf[FS_NAME_SIZE];

	if (fs_tree_remove(s->dir, "new", &ignored) < 0 || unlinkat(s->parent, s->name, AT_REMOVEDIR) < 0)
		return;
	for (size_t length = strlen(s->client_dir); s->made > 0 && length > s->made;) {
		FS_AUTO int dir = -1;
		while (s->client_dir[--length] != '/')
			;
		(void)snprintf(path, sizeof(path), "%.*s", (int)length, s->client_dir);
		if (fs_parent_open(s->root, path, FS_FOLLOW_TRUSTED, &dir, leaf, &ignored) < 0 ||
		    unlinkat(dir, leaf, AT_REMOVEDIR) < 0)
			return;
	}
}

void client_staging_close(struct client_staging *s)
{
	if (s->use != CLIENT_STAGING_LOOK && s->dir >= 0)
		tidy_up(s);
	fs_close(&s->parent);
	fs_close(&s->dir);
}
