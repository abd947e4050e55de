/*
 * client/archive/place: a placer writes what a decoder sends it.
 *
 * Promise: runs in a sandbox whose root is the new tree.  Makes directories and files and never opens what is
 * already there (O_EXCL), so no two members share a file; makes no link at all, so none can be written through.
 * Each file is noted to the keeper with its size, its SHA-256 and what kind of library it is, when all its bytes are
 * written.  With `judge_only` nothing is made, and all else is the same.
 */
#ifndef OKV_CLIENT_ARCHIVE_PLACE_H
#define OKV_CLIENT_ARCHIVE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/archive/pipe.h"
#include "base/fault.h"

struct place {
	int jobs;                  /* pipe from the decoder; its end is the end of the work */
	struct pipe_writer *notes; /* to the keeper */
	bool judge_only;           /* opens nothing */
	const int *archives;       /* for zip members, */
	const char *const *names;  /* and what to call them */
	size_t archive_count;
};

/* Until the end of the jobs; a fault has not been noted yet. */
int place_run(const struct place *place, struct fault *f);

#endif
