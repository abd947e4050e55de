/*
 * perms/journal: what is about to be changed, written down first.
 *
 * Promise: a journal is complete or does not count: it takes its name when it is whole and synced (fs/publish.h),
 * before perms_journal_seal returns, and ends with a line that says how many entries it has.  One line per entry, plain
 * text, in the order of the walk:
 *
 *     TYPE DEVICE INODE UID GID MODE UID GID MODE MTIME CTIME PATH
 *
 * with the old owner and mode first and those to be given after them.  MODE is octal, times are seconds with
 * nanoseconds, bytes of the path that are control bytes or a backslash are written \xHH.  What a journal holds is
 * checked field by field when it is read, since undo acts on it.
 *
 * Journals lie in SETTINGS_VAR/repair/ as NUMBER.begun (being carried out), NUMBER.done, NUMBER.back (being undone).
 * The newest PERMS_JOURNALS_KEPT are kept.
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
	mode_t mode; /* permission bits */
};

static inline bool perms_same_owner(const struct perms_owned *a, const struct perms_owned *b)
{
	return a->uid == b->uid && a->gid == b->gid;
}

static inline struct perms_owned perms_owned_of(const struct stat *status)
{
	return (struct perms_owned){ .uid = status->st_uid, .gid = status->st_gid, .mode = status->st_mode & 07777 };
}

/* Does that hand the bytes of a file a right that they do not have: another owner, set-id or x bits? */
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
	struct text text; /* all of it */
	size_t at;        /* so far it was read */
	size_t count;     /* records added, or read */
	struct text line; /* the one read last */
};

#define PERMS_JOURNAL_INIT \
	{ \
		.dir = -1 \
	}
#define PERMS_JOURNAL_AUTO __attribute__((cleanup(perms_journal_done))) struct perms_journal

void perms_journal_done(struct perms_journal *j);

/* Begins a new one with the first record: j->dir is -1 before that. */
int perms_journal_add(int root, struct perms_journal *j, const struct perms_record *record, struct fault *f);
/* Ends it and gives it its name. */
int perms_journal_seal(struct perms_journal *j, struct fault *f);
/* Takes the file of a journal away that is undone. */
int perms_journal_drop(struct perms_journal *j, struct fault *f);
/* Gives it its name for that state; with PERMS_JOURNAL_DONE the oldest ones are removed. */
int perms_journal_mark(struct perms_journal *j, enum perms_journal_state state, struct fault *f);

/*
 * The newest complete journal; `unfinished_only` looks for .begun and .back alone.  Incomplete ones, as killed runs
 * left up to 0.1.0, are passed over: nothing had been changed under them.  *ret_found false: there is none.
 */
int perms_journal_open(int root, bool unfinished_only, struct perms_journal *ret_journal, bool *ret_found,
		       struct fault *f);
/* From the first record again. */
int perms_journal_rewind(struct perms_journal *j, struct fault *f);
/* 1 and the record, whose path lives until the next call; 0 at the end; -1: FAULT_REFUSED, the line is not one. */
int perms_journal_next(struct perms_journal *j, struct perms_record *ret_record, struct fault *f);

#endif
