/*
 * repair/parents: directories on the way that others can write.
 *
 * Promise: an entry is no safer than the directories above it: who can write one of them puts another entry in its
 * place.  Each such directory is told once, with what is wrong and the command that mends it.  A sticky directory of
 * root is no danger to root's entries in it.
 */
#ifndef OKV_REPAIR_PARENTS_H
#define OKV_REPAIR_PARENTS_H

#include <sys/stat.h>

#include "base/report.h"
#include "base/text.h"
#include "repair/repair.h"

struct repair_parents {
	struct text seen; /* paths looked at, each ended by NUL */
};

#define REPAIR_PARENTS_INIT { .seen = TEXT_INIT }

/* Looks at every directory above `path` up to the root. */
void repair_parents_look(struct repair_parents *parents, int root, const char *path, struct report *report,
			 struct repair_tally *tally);
/* Judges one directory. */
void repair_parent_judge(const char *path, const struct stat *status, struct report *report,
			 struct repair_tally *tally);

#endif
