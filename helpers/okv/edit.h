/*
 * okv/edit: one edit of one file, whole or not at all.
 *
 * Promise: the file is read, changed in memory, and published in place of exactly the bytes that were read: when
 * somebody else changed it meanwhile it is read and changed again, EDIT_TRIES times before FAULT_INCOMPLETE.  Bytes
 * that stay the same are not written; what a killed run left beside the file goes.  Before the first byte is written,
 * the old file is kept in OKV_BACKUP as NAME.YYYYMMDDTHHMMSSZ (mode 0600, UTC), once for the same bytes; the oldest
 * and the newest BACKUPS_KEPT stay.  The directory is 0700, root's; a backup is synced before it counts.
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
	const char *path; /* below the root; its faults begin with the file's name */
	/* Adds the new bytes to an empty *ret_text; may be called several times. */
	int (*change)(void *context, const struct text *now, struct text *ret_text, struct fault *f);
	/* NULL, or called between the backup and the publishing. */
	int (*announce)(void *context, const struct text *now, const struct text *next, struct fault *f);
	void *context;
	mode_t create; /* of a file that is not there, whose bytes are then none; 0: that is FAULT_ABSENT */
};

/* With OKV_PLAN nothing is written, and *ret_changed says what would be. */
int okv_edit(const struct okv_job *job, const struct okv_edit *edit, bool *ret_changed, struct fault *f);

#endif
