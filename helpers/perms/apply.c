#include "perms/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/dircache.h"
#include "fs/read.h"
#include "fs/root.h"
#include "proc/child.h"

enum { SENTENCE_SIZE = 3 * TEXT_SHOWN_MAX };

size_t perms_tally_left(const struct perms_tally *tally)
{
	size_t left = 0;

	for (size_t i = 0; i < PERMS_LEFT_KINDS; i++)
		left += tally->left[i];
	return left;
}

void perms_leave(struct perms_run *run, enum perms_left why, const char *path, const char *format, ...)
{
	const struct perms_output *output = run->output;
	char sentence[SENTENCE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	run->tally.left[why]++;
	if (output->left != NULL)
		output->left(output->context, why, path);
	report_say(output->report, REPORT_WARNING, "%s", sentence);
}

/* --- one entry ---------------------------------------------------------------------------------------------------- */

enum step {
	STEP_LOOK,   /* change nothing, predict the result of STEP_FINISH */
	STEP_NARROW, /* only narrow the mode */
	STEP_FINISH, /* narrow, change the owner, set the mode */
};

enum result {
	ENTRY_CHANGED,   /* changed, or would be */
	ENTRY_UNCHANGED, /* right already */
	ENTRY_ABSENT,    /* no longer there */
	ENTRY_REPLACED,  /* another inode, or changed by somebody else since the plan */
	ENTRY_LINKED,    /* a regular file with a second name */
	ENTRY_WRITTEN,   /* everybody can write it, and it was written since the plan or is open for writing */
	ENTRY_DENIED,    /* the system refused; *ret_errnum */
};

/* The mode that an entry has while its owner changes. */
static mode_t entry_narrowed(const struct perms_owned *from, const struct perms_owned *to, mode_t type)
{
	mode_t mode = from->mode & to->mode;
	const mode_t owner = mode >> 6 & 7, group = mode >> 3 & 7;

	/*
	 * The bits of an owner or group that changes would apply to the wrong one for a moment.  And somebody who is
	 * one of the others in one state may be the owner or in the group in the other state: others keep only the
	 * bits that those have too.
	 */
	if (from->gid != to->gid)
		mode &= ~(mode_t)S_IRWXG & (~(mode_t)S_IRWXO | group);
	if (from->uid != to->uid)
		mode &= ~(mode_t)S_IRWXU & (~(mode_t)S_IRWXG | owner << 3) & (~(mode_t)S_IRWXO | owner);
	/* chown(2) clears them on a file anyway. */
	if (type != S_IFDIR && !perms_same_owner(from, to))
		mode &= ~(mode_t)(S_ISUID | S_ISGID);
	/* The sticky bit restricts: if only one of the states has it, nobody may remove names in between. */
	if (type == S_IFDIR && ((from->mode ^ to->mode) & S_ISVTX) != 0)
		mode &= ~(mode_t)(S_IWGRP | S_IWOTH);
	return mode;
}

/* Directories and files are opened for reading; links, FIFOs and devices only as a handle (O_PATH). */
static int entry_open(int dir, const char *leaf, mode_t type)
{
	int flags = O_NOFOLLOW | O_CLOEXEC;

	if (type == S_IFDIR)
		flags |= O_RDONLY | O_DIRECTORY | O_NONBLOCK;
	else if (type == S_IFREG)
		flags |= O_RDONLY | O_NONBLOCK | O_NOCTTY;
	else
		flags |= O_PATH;
	return openat(dir, leaf, flags);
}

/* Is the name under which `fd` was opened still in its directory? */
static bool still_named(int fd, int dir, const char *leaf, const struct stat *opened)
{
	static const char mark[] = " (deleted)";
	char link[40], target[PATH_MAX];
	const size_t length = strlen(leaf);

	/* The kernel marks removed names like this, so such a name proves nothing. */
	if (length >= sizeof(mark) - 1 && strcmp(leaf + length - (sizeof(mark) - 1), mark) == 0)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	const ssize_t got = readlink(link, target, sizeof(target) - 1);
	if (got >= 0) {
		target[got] = '\0';
		const char *slash = strrchr(target, '/');
		return slash != NULL && strcmp(slash + 1, leaf) == 0;
	}
	/* Without /proc, look the name up again: not a proof, but an attacker would have to win two races. */
	struct stat now;
	return errno == ENOENT && fstatat(dir, leaf, &now, AT_SYMLINK_NOFOLLOW) == 0 && fs_same_file(&now, opened) &&
	       now.st_nlink == 1;
}

bool perms_entry_explained(const struct perms_owned *now, const struct perms_record *record)
{
	const mode_t between = entry_narrowed(&record->from, &record->to, record->type);

	return (perms_same_owner(now, &record->from) && (now->mode == record->from.mode || now->mode == between)) ||
	       (perms_same_owner(now, &record->to) && (now->mode == record->to.mode || now->mode == between));
}

static enum result denied(int errnum, int *ret_errnum)
{
	*ret_errnum = errnum;
	return ENTRY_DENIED;
}

static enum result special_set(int fd, const struct perms_owned *now, const struct perms_record *record, enum step step,
			       int *ret_errnum)
{
	/* Links, FIFOs and devices get an owner only, through the handle, so that nothing is followed. */
	if (step == STEP_NARROW || perms_same_owner(now, &record->to))
		return ENTRY_UNCHANGED;
	if (step == STEP_FINISH && fchownat(fd, "", record->to.uid, record->to.gid, AT_EMPTY_PATH) < 0)
		return denied(errno, ret_errnum);
	return ENTRY_CHANGED;
}

/*
 * Was a file that everybody can write written since the plan, or is it open for writing?  Only its owner can set its
 * time back, and a read lease is granted only while nobody has it open for writing (fcntl(2)).
 */
static bool is_written(int fd, const struct stat *status, const struct perms_record *record)
{
	if (status->st_mtim.tv_sec != record->modified.tv_sec || status->st_mtim.tv_nsec != record->modified.tv_nsec)
		return true;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

/* `open_to_others`: users other than root can create names in `dir`. */
static enum result entry_set(int dir, const char *leaf, bool open_to_others, const struct perms_record *record,
			     enum step step, int *ret_errnum)
{
	FS_AUTO int fd = step == STEP_LOOK ? -1 : entry_open(dir, leaf, record->type);
	struct stat status;

	if (step == STEP_LOOK ? fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0
			      : fd < 0 || fstat(fd, &status) < 0) {
		if (errno == ENOENT)
			return ENTRY_ABSENT;
		/* What these flags return for an entry of another type. */
		if (errno == ELOOP || errno == ENOTDIR || errno == ENXIO)
			return ENTRY_REPLACED;
		return denied(errno, ret_errnum);
	}
	if (status.st_dev != record->device || status.st_ino != record->inode ||
	    (status.st_mode & S_IFMT) != record->type)
		return ENTRY_REPLACED;

	const mode_t between = entry_narrowed(&record->from, &record->to, record->type);
	struct perms_owned now = perms_owned_of(&status);
	if (!perms_entry_explained(&now, record))
		return ENTRY_REPLACED;
	if (perms_same_owner(&now, &record->to) && now.mode == record->to.mode)
		return ENTRY_UNCHANGED;
	if (record->type == S_IFREG) {
		/* Count, then look for the name: to this handle, a name once removed never comes back. */
		if (status.st_nlink != 1)
			return status.st_nlink > 1 ? ENTRY_LINKED : ENTRY_REPLACED;
		if (step != STEP_LOOK && open_to_others && !still_named(fd, dir, leaf, &status))
			return ENTRY_REPLACED;
		if ((record->from.mode & S_IWOTH) != 0 && perms_gives(&record->from, &record->to) &&
		    is_written(fd, &status, record))
			return ENTRY_WRITTEN;
	} else if (record->type != S_IFDIR) {
		return special_set(fd, &now, record, step, ret_errnum);
	}
	if (step == STEP_LOOK)
		return ENTRY_CHANGED;

	if (now.mode != between) {
		if (fchmod(fd, between) < 0)
			return denied(errno, ret_errnum);
		now.mode = between;
	}
	if (step == STEP_NARROW)
		return ENTRY_CHANGED;
	/* An owner that is replaced could change the mode up to now, so it is set in any case. */
	const bool doubtful = now.uid != 0 && now.uid != record->to.uid;
	if (!perms_same_owner(&now, &record->to) && fchown(fd, record->to.uid, record->to.gid) < 0)
		return denied(errno, ret_errnum);
	if ((doubtful || between != record->to.mode) && fchmod(fd, record->to.mode) < 0)
		return denied(errno, ret_errnum);
	return ENTRY_CHANGED;
}

/* Reports why the system refused, as far as this can be found out. */
static void denial_report(struct perms_run *run, int dir, const char *leaf, const char *path, int errnum)
{
	const char *shown = SHOWN(path);

	if (errnum == EROFS) {
		perms_leave(run, PERMS_LEFT_FAILED, path,
			    "'%s' is on a read-only file system; mount it read-write first", shown);
		return;
	}
	if (errnum == EPERM || errnum == EACCES) {
		int flags = 0;
		FS_AUTO int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
		    (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0) {
			const bool immutable = (flags & FS_IMMUTABLE_FL) != 0;
			perms_leave(run, PERMS_LEFT_FAILED, path, "'%s' is %s; fix: chattr -%c %s", shown,
				    immutable ? "immutable" : "append-only", immutable ? 'i' : 'a', TYPED(path));
			return;
		}
	}
	perms_leave(run, PERMS_LEFT_FAILED, path, "cannot change '%s': %s", shown, fault_errno_text(errnum));
}

/* --- all of a journal --------------------------------------------------------------------------------------------- */

static struct perms_record in_direction(const struct perms_record *record, enum perms_direction direction)
{
	struct perms_record turned = *record;

	if (direction == PERMS_BACK) {
		turned.from = record->to;
		turned.to = record->from;
	}
	return turned;
}

static void result_report(struct perms_run *run, const struct perms_record *record, enum result result)
{
	const struct perms_output *output = run->output;
	const char *path = record->path;

	switch (result) {
	case ENTRY_CHANGED:
		run->tally.changed++;
		if (output->change != NULL)
			output->change(output->context, record);
		return;
	case ENTRY_ABSENT:
		report_say(output->report, REPORT_DETAIL, "'%s' is not there any more", SHOWN(path));
		return;
	case ENTRY_REPLACED:
		perms_leave(run, PERMS_LEFT_EXCHANGED, path,
			    "'%s' has changed since the repair looked at it, so it is left alone", SHOWN(path));
		return;
	case ENTRY_WRITTEN:
		perms_leave(run, PERMS_LEFT_STRANGER, path,
			    "'%s' is being written by others, so it gets no new owner, set-id or x bit; run this again "
			    "when nobody has it open",
			    SHOWN(path));
		return;
	case ENTRY_LINKED:
		perms_leave(run, PERMS_LEFT_REFUSED, path,
			    "'%s' has more than one name (hard links); left alone: remove all but one; to find them: "
			    "find / -samefile %s",
			    SHOWN(path), TYPED(path));
		return;
	case ENTRY_UNCHANGED:
	case ENTRY_DENIED:
		return;
	}
}

/* The three rounds through a journal, and one that changes nothing. */
enum round { ROUND_NARROW_DIRECTORIES, ROUND_FILES, ROUND_DIRECTORIES, ROUND_LOOK };

static const enum step steps[] = { STEP_NARROW, STEP_FINISH, STEP_FINISH, STEP_LOOK };

/* *ret_any: narrowing changes the mode.  *ret_all: nothing is left to do afterwards. */
static void narrowing(const struct perms_record *record, bool *ret_any, bool *ret_all)
{
	const mode_t between = entry_narrowed(&record->from, &record->to, record->type);

	*ret_any = record->from.mode != between;
	*ret_all = perms_same_owner(&record->from, &record->to) && record->to.mode == between;
}

/* Does the round work on the record?  *ret_last: no later round does. */
static bool is_due(const struct perms_record *record, enum round round, bool *ret_last)
{
	bool any = false, all = false;

	if (record->type == S_IFDIR)
		narrowing(record, &any, &all);
	*ret_last = true;
	switch (round) {
	case ROUND_NARROW_DIRECTORIES:
		*ret_last = all;
		return any;
	case ROUND_FILES:
		return record->type != S_IFDIR;
	case ROUND_DIRECTORIES:
		return record->type == S_IFDIR && !all;
	case ROUND_LOOK:
		break;
	}
	return true;
}

static int record_set(struct perms_run *run, struct fs_dircache *cache, const struct perms_record *record,
		      enum round round, struct fault *f)
{
	struct fault trouble;
	const char *leaf;
	bool open_to_others, last;
	int dir, errnum = 0;

	if (!is_due(record, round, &last))
		return 0;
	if (fs_dircache_parent(cache, record->path, &dir, &leaf, &open_to_others, &trouble) < 0) {
		if (trouble.errnum == ENOMEM) {
			*f = trouble;
			return -1;
		}
		if (last && trouble.kind != FAULT_ABSENT)
			perms_leave(run, PERMS_LEFT_FAILED, record->path, "%s", trouble.text);
		return 0;
	}
	const enum result result = entry_set(dir, leaf, open_to_others, record, steps[round], &errnum);
	if (last && result == ENTRY_DENIED)
		denial_report(run, dir, leaf, record->path, errnum);
	else if (last)
		result_report(run, record, result);
	return 0;
}

static int round_run(struct perms_run *run, struct perms_journal *journal, enum perms_direction direction,
		     enum round round, struct fault *f)
{
	/* A new cache for each round, because the round before may have changed the directories in it. */
	FS_DIRCACHE_AUTO cache = { .root = run->root };
	struct perms_record record;
	int r;

	if (perms_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = perms_journal_next(journal, &record, f)) > 0) {
		const struct perms_record turned = in_direction(&record, direction);
		if (record_set(run, &cache, &turned, round, f) < 0)
			return -1;
	}
	return r;
}

/* Writes the journal's paths, each ended by NUL, to a file without a name. */
static int paths_write(struct perms_journal *journal, int *ret_fd, struct fault *f)
{
	static const char name[] = "labels.new";
	TEXT_AUTO paths = { 0 };
	struct perms_record record;
	int r;

	if (perms_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = perms_journal_next(journal, &record, f)) > 0)
		text_add(&paths, record.path, strlen(record.path) + 1);
	FS_AUTO int fd = openat(journal->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(journal->dir, name, 0) < 0)
		return fault_errno(f, errno, "cannot write the list of files for restorecon");
	if (r < 0 || text_check(&paths, f) < 0 || fs_write(fd, name, text_string(&paths), paths.length, f) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read the list of files for restorecon");
	*ret_fd = fs_take(&fd);
	return 0;
}

/* Runs the tree's own restorecon inside the tree, because ours would use this system's SELinux policy. */
static int restorecon_run(int root, int list, struct fault *f)
{
	enum { PLACE_COUNT = 2, DEADLINE_MS = 120000 };
	static const char *const places[PLACE_COUNT] = { "/usr/sbin/restorecon", "/sbin/restorecon" };
	const char *arguments[] = { NULL, "-i", "-0", "-f", "-", NULL };
	const struct proc_child_options run = {
		.argv = arguments, .root = root, .input = list, .deadline_ms = DEADLINE_MS
	};

	if (fs_first(root, places, PLACE_COUNT, &arguments[0], f) < 0)
		return -1;
	return arguments[0] != NULL ? proc_child_expect(&run, f) : fault_absent(f, "there is no restorecon");
}

/* Relabels the entries of the journal, if SELinux is enabled for the tree: its selinuxfs is mounted. */
static int labels_restore(struct perms_run *run, struct perms_journal *journal, struct fault *f)
{
	FS_AUTO int list = -1;
	struct fault trouble = { 0 };
	bool enabled;

	if (fs_existence(run->root, "/sys/fs/selinux/enforce", &enabled, f) < 0)
		return -1;
	if (!enabled)
		return 0;
	if (paths_write(journal, &list, f) < 0)
		return -1;
	if (restorecon_run(run->root, list, &trouble) < 0)
		perms_leave(run, PERMS_LEFT_FAILED, "/",
			    "SELinux is enabled, but %s, so labels were not restored; restore them with restorecon -R "
			    "on the Luna client and its Chrystoki.conf",
			    trouble.text);
	return 0;
}

int perms_apply(struct perms_run *run, struct perms_journal *journal, enum perms_direction direction, struct fault *f)
{
	if (run->output->act != PERMS_APPLY)
		return round_run(run, journal, direction, ROUND_LOOK, f);
	for (enum round round = ROUND_NARROW_DIRECTORIES; round <= ROUND_DIRECTORIES; round++)
		if (round_run(run, journal, direction, round, f) < 0)
			return -1;
	if (labels_restore(run, journal, f) < 0)
		return -1;
	if (direction == PERMS_FORTH)
		return perms_journal_mark(journal, PERMS_JOURNAL_DONE, f);
	/* A change that the system refused may work next time; an entry that was exchanged will never match. */
	return run->tally.left[PERMS_LEFT_FAILED] > 0 ? 0 : perms_journal_drop(journal, f);
}
