/*
 * repair/journal: what is about to be changed, written down first.
 *
 * Promise: a journal is complete or does not count: it ends with a line that says how many entries it has, and is
 * synced, with its directory, before repair_journal_seal returns.  One line per entry, plain text, in the order of
 * the walk:
 *
 *     TYPE DEVICE INODE UID GID MODE UID GID MODE MTIME CTIME PATH
 *
 * with the old owner and mode first and those to be given after them.  MODE is octal, times are seconds with
 * nanoseconds, bytes of the path that are control bytes or a backslash are written \xHH.  What a journal holds is
 * checked field by field when it is read, since undo acts on it.
 *
 * Journals lie in SETTINGS_VAR/repair/ as NUMBER.begun (being carried out), NUMBER.done, NUMBER.back (being undone).
 * The newest REPAIR_JOURNALS_KEPT are kept.
 */
#ifndef OKV_REPAIR_JOURNAL_H
#define OKV_REPAIR_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"

enum { REPAIR_JOURNALS_KEPT = 16, REPAIR_JOURNAL_NAME_MAX = 32 };

struct repair_owned {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* permission bits */
};

static inline bool repair_same_owner(const struct repair_owned *a, const struct repair_owned *b)
{
	return a->uid == b->uid && a->gid == b->gid;
}

static inline struct repair_owned repair_owned_of(const struct stat *status)
{
	return (struct repair_owned){ .uid = status->st_uid, .gid = status->st_gid, .mode = status->st_mode & 07777 };
}

struct repair_record {
	const char *path;
	mode_t type; /* S_IFMT part */
	dev_t device;
	ino_t inode;
	struct repair_owned from, to;
	struct timespec modified, changed;
};

enum repair_journal_state { REPAIR_JOURNAL_BEGUN, REPAIR_JOURNAL_DONE, REPAIR_JOURNAL_BACK };

struct repair_journal {
	int dir; /* SETTINGS_VAR/repair */
	int fd;
	uint64_t number;
	enum repair_journal_state state;
	size_t count;      /* records written */
	struct text block; /* bytes written but not yet handed to the kernel, or read and not yet used */
	size_t at;         /* in block, when reading */
	bool ended;
};

#define REPAIR_JOURNAL_INIT { .dir = -1, .fd = -1, .block = TEXT_INIT }
#define REPAIR_JOURNAL_AUTO __attribute__((cleanup(repair_journal_done))) struct repair_journal

void repair_journal_done(struct repair_journal *j);

/* Begins a new one. */
int repair_journal_new(int root, struct repair_journal *ret_journal, struct fault *f);
int repair_journal_add(struct repair_journal *j, const struct repair_record *record, struct fault *f);
/* Ends and syncs it. */
int repair_journal_seal(struct repair_journal *j, struct fault *f);
/* Takes the file of a journal away that was not sealed, or is undone. */
int repair_journal_drop(struct repair_journal *j, struct fault *f);
/* Gives it its name for that state; with REPAIR_JOURNAL_DONE the oldest ones are removed. */
int repair_journal_mark(struct repair_journal *j, enum repair_journal_state state, struct fault *f);

/*
 * The newest complete journal, opened for reading; `unfinished_only` looks for .begun and .back alone.  Incomplete
 * ones are passed over: nothing had been changed under them.  *ret_found false: there is none.
 */
int repair_journal_open(int root, bool unfinished_only, struct repair_journal *ret_journal, bool *ret_found,
			struct fault *f);
/* From the first record again. */
int repair_journal_rewind(struct repair_journal *j, struct fault *f);
/* 1 and the record, whose path lives until the next call; 0 at the end; -1: FAULT_REFUSED, the line is not one. */
int repair_journal_next(struct repair_journal *j, struct repair_record *ret_record, struct fault *f);

/* One line to a record; `line` is ended by NUL and is changed in place.  For the reader, and for fuzzing it. */
bool repair_record_parse(char *line, struct repair_record *ret_record);
void repair_record_print(const struct repair_record *record, struct text *out);

#endif
