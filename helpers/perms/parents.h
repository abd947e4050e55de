/*
 * perms/parents: directories on the way that others can write.
 *
 * Promise: an entry is no safer than the directories above it: who can write one of them puts another entry in its
 * place.  Each such directory is told once, with what is wrong and the command that mends it.  A sticky directory of
 * root is no danger to root's entries in it.
 */
#ifndef OKV_PERMS_PARENTS_H
#define OKV_PERMS_PARENTS_H

#include <sys/stat.h>

#include "base/report.h"
#include "base/text.h"
#include "perms/repair.h"

struct perms_parents {
	struct text seen; /* paths looked at, each ended by NUL */
};

/* Looks at every directory above `path` up to the root. */
void perms_parents_look(struct perms_parents *parents, int root, const char *path, struct report *report,
			struct perms_tally *tally);
/* Judges one directory. */
void perms_parent_judge(const char *path, const struct stat *status, struct report *report, struct perms_tally *tally);

#endif
