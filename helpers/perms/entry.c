#include "perms/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/handle.h"

mode_t perms_entry_narrowed(const struct perms_owned *from, const struct perms_owned *to, mode_t type)
{
	mode_t mode = from->mode & to->mode;
	const mode_t owner = mode >> 6 & 7, group = mode >> 3 & 7;

	/*
	 * Bits of somebody who is about to change would for a while speak of the wrong one.  And whoever is "others"
	 * now may be in the group of the other state, or its owner: others get no more than those would.
	 */
	if (from->gid != to->gid)
		mode &= ~(mode_t)S_IRWXG & (~(mode_t)S_IRWXO | group);
	if (from->uid != to->uid)
		mode &= ~(mode_t)S_IRWXU & (~(mode_t)S_IRWXG | owner << 3) & (~(mode_t)S_IRWXO | owner);
	/* chown(2) takes them from a file anyway. */
	if (type != S_IFDIR && !perms_same_owner(from, to))
		mode &= ~(mode_t)(S_ISUID | S_ISGID);
	/* The sticky bit takes away: where only one of the states has it, nobody may remove names in between. */
	if (type == S_IFDIR && ((from->mode ^ to->mode) & S_ISVTX) != 0)
		mode &= ~(mode_t)(S_IWGRP | S_IWOTH);
	return mode;
}

/* For work where that is harmless, else (links, FIFOs, devices) as a mere handle. */
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

/* Is the name that `fd` was opened by still in its directory? */
static bool still_named(int fd, int dir, const char *leaf, const struct stat *opened)
{
	static const char mark[] = " (deleted)";
	char link[40], target[PATH_MAX];
	const size_t length = strlen(leaf);

	/* A name that looks like a removed one cannot be told from it. */
	if (length >= sizeof(mark) - 1 && strcmp(leaf + length - (sizeof(mark) - 1), mark) == 0)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	const ssize_t got = readlink(link, target, sizeof(target) - 1);
	if (got >= 0) {
		target[got] = '\0';
		const char *slash = strrchr(target, '/');
		return slash != NULL && strcmp(slash + 1, leaf) == 0;
	}
	/* Without /proc the name is looked up again: not proof, but a race to be won twice. */
	struct stat now;
	return errno == ENOENT && fstatat(dir, leaf, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == opened->st_ino &&
	       now.st_dev == opened->st_dev && now.st_nlink == 1;
}

/* Could the entry be on the way from the one state to the other, by our hand? */
static bool explained(const struct perms_owned *now, const struct perms_record *record, mode_t between)
{
	return (perms_same_owner(now, &record->from) && (now->mode == record->from.mode || now->mode == between)) ||
	       (perms_same_owner(now, &record->to) && (now->mode == record->to.mode || now->mode == between));
}

static enum perms_result denied(int errnum, int *ret_errnum)
{
	*ret_errnum = errnum;
	return PERMS_DENIED;
}

static enum perms_result links_set(int fd, const struct perms_owned *now, const struct perms_record *record,
				   enum perms_step step, int *ret_errnum)
{
	/* Neither a link nor a FIFO is given a mode here, only an owner: by the handle, so nothing is followed. */
	if (step == PERMS_NARROW || perms_same_owner(now, &record->to))
		return PERMS_UNCHANGED;
	if (fchownat(fd, "", record->to.uid, record->to.gid, AT_EMPTY_PATH) < 0)
		return denied(errno, ret_errnum);
	return PERMS_CHANGED;
}

enum perms_result perms_entry_set(int dir, const char *leaf, bool open_to_others, const struct perms_record *record,
				  enum perms_step step, int *ret_errnum)
{
	FS_AUTO int fd = entry_open(dir, leaf, record->type);
	struct stat status;

	if (fd < 0) {
		if (errno == ENOENT)
			return PERMS_ABSENT;
		/* What an exchanged entry answers to these flags. */
		if (errno == ELOOP || errno == ENOTDIR || errno == ENXIO)
			return PERMS_REPLACED;
		return denied(errno, ret_errnum);
	}
	if (fstat(fd, &status) < 0)
		return denied(errno, ret_errnum);
	if (status.st_dev != record->device || status.st_ino != record->inode ||
	    (status.st_mode & S_IFMT) != record->type)
		return PERMS_REPLACED;

	const mode_t between = perms_entry_narrowed(&record->from, &record->to, record->type);
	struct perms_owned now = perms_owned_of(&status);
	if (!explained(&now, record, between))
		return PERMS_REPLACED;
	if (perms_same_owner(&now, &record->to) && now.mode == record->to.mode)
		return PERMS_UNCHANGED;
	if (record->type == S_IFREG) {
		/* First count, then see that the name is there: a name once removed never comes back to this handle. */
		if (status.st_nlink != 1)
			return status.st_nlink > 1 ? PERMS_LINKED : PERMS_REPLACED;
		if (open_to_others && !still_named(fd, dir, leaf, &status))
			return PERMS_REPLACED;
	} else if (record->type != S_IFDIR) {
		return links_set(fd, &now, record, step, ret_errnum);
	}

	/* Narrow, change owner, widen: in this order there is no moment of excess. */
	if (now.mode != between) {
		if (fchmod(fd, between) < 0)
			return denied(errno, ret_errnum);
		now.mode = between;
	}
	if (step == PERMS_NARROW)
		return PERMS_CHANGED;
	/* Until now another owner could have changed the mode behind us; from here on it is not his to change. */
	const bool doubtful = now.uid != 0 && now.uid != record->to.uid;
	if (!perms_same_owner(&now, &record->to) && fchown(fd, record->to.uid, record->to.gid) < 0)
		return denied(errno, ret_errnum);
	if ((doubtful || between != record->to.mode) && fchmod(fd, record->to.mode) < 0)
		return denied(errno, ret_errnum);
	return PERMS_CHANGED;
}

void perms_entry_denial(int dir, const char *leaf, const char *path, int errnum, struct text *out)
{
	if (errnum == EROFS) {
		text_add_format(out, "'%s' lies on a read-only file system; mount it read-write first", SHOWN(path));
		return;
	}
	if (errnum == EPERM || errnum == EACCES) {
		int flags = 0;
		FS_AUTO int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
		    (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0) {
			const bool immutable = (flags & FS_IMMUTABLE_FL) != 0;
			text_add_format(out, "'%s' is %s; chattr -%c '%s' and run it again", SHOWN(path),
					immutable ? "immutable" : "append-only", immutable ? 'i' : 'a', SHOWN(path));
			return;
		}
	}
	text_add_format(out, "cannot change '%s': %s", SHOWN(path), fault_errno_text(errnum));
}
