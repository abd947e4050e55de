/*
 * perms/journal: the list of changes, on disk before the first of them is made.
 *
 * Promise: a journal is complete or does not count.  It gets its name when it is complete and synced (fs/publish.h),
 * before perms_journal_seal returns, and its last line is the number of its entries.  It is plain text, one line per
 * entry in the order of the walk:
 *
 *     TYPE DEVICE INODE UID GID MODE UID GID MODE MTIME CTIME PATH
 *
 * The old owner, group and mode come first, then the new ones.  MODE is octal, times are seconds with nanoseconds, and
 * control characters and backslashes in the path are written as \xHH.  Each field is checked when a journal is read,
 * because undo acts on it.
 *
 * Journals are SETTINGS_VAR/repair/NUMBER.begun (in progress), NUMBER.done and NUMBER.back (undo in progress).  The
 * newest PERMS_JOURNALS_KEPT that are done are kept.
 */
#ifndef OKV_PERMS_JOURNAL_H
#define OKV_PERMS_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"

enum { PERMS_JOURNALS_KEPT = 16 };

struct perms_owned {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* the 07777 bits */
};

static inline bool perms_same_owner(const struct perms_owned *a, const struct perms_owned *b)
{
	return a->uid == b->uid && a->gid == b->gid;
}

static inline struct perms_owned perms_owned_of(const struct stat *status)
{
	return (struct perms_owned){ .uid = status->st_uid, .gid = status->st_gid, .mode = status->st_mode & 07777 };
}

/* Does the change give a file's content new rights: another owner or group, a set-id or an x bit? */
static inline bool perms_gives(const struct perms_owned *from, const struct perms_owned *to)
{
	return !perms_same_owner(from, to) || (to->mode & ~from->mode & (S_ISUID | S_ISGID | 0111)) != 0;
}

struct perms_record {
	const char *path;
	mode_t type; /* S_IFMT part */
	dev_t device;
	ino_t inode;
	struct perms_owned from, to;
	struct timespec modified, changed;
};

enum perms_journal_state { PERMS_JOURNAL_BEGUN, PERMS_JOURNAL_DONE, PERMS_JOURNAL_BACK };

struct perms_journal {
	int dir; /* SETTINGS_VAR/repair */
	uint64_t number;
	enum perms_journal_state state;
	struct text text; /* the whole journal */
	size_t at;        /* offset of the next line */
	size_t count;     /* records added, or read */
	struct text line; /* the line read last */
};

#define PERMS_JOURNAL_INIT \
	{ \
		.dir = -1 \
	}
#define PERMS_JOURNAL_AUTO __attribute__((cleanup(perms_journal_done))) struct perms_journal

void perms_journal_done(struct perms_journal *j);

/* Adds a record; the first one (j->dir is -1) begins a new journal. */
int perms_journal_add(int root, struct perms_journal *j, const struct perms_record *record, struct fault *f);
/* Completes a new journal and gives it its name on disk. */
int perms_journal_seal(struct perms_journal *j, struct fault *f);
/* Removes the file of a journal that has been undone. */
int perms_journal_drop(struct perms_journal *j, struct fault *f);
/* Renames the file to that of the state; PERMS_JOURNAL_DONE also removes the oldest journals. */
int perms_journal_mark(struct perms_journal *j, enum perms_journal_state state, struct fault *f);

/*
 * Opens the newest complete journal; with `unfinished_only`, the newest .begun or .back.  Incomplete ones, which runs
 * of up to version 0.1.0 left when killed, are skipped: nothing was changed by them.  *ret_found false: there is none.
 */
int perms_journal_open(int root, bool unfinished_only, struct perms_journal *ret_journal, bool *ret_found,
		       struct fault *f);
/* The next record is the first one again. */
int perms_journal_rewind(struct perms_journal *j, struct fault *f);
/* 1 with a record, whose path is valid until the next call; 0 at the end; -1: FAULT_REFUSED, the line is damaged. */
int perms_journal_next(struct perms_journal *j, struct perms_record *ret_record, struct fault *f);

#endif
