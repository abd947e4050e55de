/*
 * okv/edit: edits one file, atomically.
 *
 * Promise: the file is read, changed in memory, and replaced only if it still has the bytes that were read; if somebody
 * else changed it meanwhile, the edit starts again, up to EDIT_TRIES times, then it is FAULT_INCOMPLETE.  An edit that
 * changes nothing writes nothing.  Leftovers of a killed run beside the file are removed.  Before a file is replaced it
 * is backed up in OKV_BACKUP (0700) as NAME.YYYYMMDDTHHMMSSZ (0600, UTC, synced), unless a backup with the same bytes
 * exists; the oldest and the newest BACKUPS_KEPT are kept.
 */
#ifndef OKV_OKV_EDIT_H
#define OKV_OKV_EDIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"
#include "okv/job.h"

enum { EDIT_TRIES = 8, BACKUPS_KEPT = 20 };

struct okv_edit {
	const char *path; /* below the root; faults of `change` get its name as a prefix */
	/* Adds the new bytes to an empty *ret_text; may be called several times. */
	int (*change)(void *context, const struct text *now, struct text *ret_text, struct fault *f);
	/* NULL, or called between backup and replacement. */
	int (*announce)(void *context, const struct text *now, const struct text *next, struct fault *f);
	void *context;
	mode_t create; /* mode of the new file if there is none (`now` is empty then); 0: that is FAULT_ABSENT */
};

/* With OKV_PLAN nothing is written, and *ret_changed says whether the file would change. */
int okv_edit(const struct okv_job *job, const struct okv_edit *edit, bool *ret_changed, struct fault *f);

#endif
