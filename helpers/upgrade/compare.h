/*
 * upgrade/compare: what became of a snapshot's files.
 *
 * Promise: a file is the same when its bytes are (size and SHA-256), a link when its target is, whatever its owner,
 * mode and time; those are policy's affair.  The answer depends on the two manifests only.
 */
#ifndef OKV_UPGRADE_COMPARE_H
#define OKV_UPGRADE_COMPARE_H

#include <stddef.h>

#include "base/text.h"
#include "conf/manifest.h"
#include "conf/settings.h"
#include "upgrade/step.h"
#include "upgrade/snapshot.h"

enum upgrade_difference {
	UPGRADE_MISSING,
	UPGRADE_OTHER_TYPE,
	UPGRADE_OTHER_BYTES,
	UPGRADE_OTHER_TARGET,
	UPGRADE_UNPROVEN, /* one of the two could not be read */
	UPGRADE_NEW,
};

struct upgrade_comparison {
	size_t same;
	size_t attributes; /* same, but with another owner, group or mode */
	size_t differences[UPGRADE_NEW + 1];
};

/*
 * Calls `each` for every difference, in order of the paths; `old` is NULL for a new entry, `now` for a missing one.
 * Below a directory that is missing, each entry is missing.
 */
void upgrade_compare(const struct manifest *old, const struct manifest *now,
		     void (*each)(void *context, enum upgrade_difference what, const struct manifest_entry *old_entry,
				  const struct manifest_entry *now_entry),
		     void *context, struct upgrade_comparison *ret_comparison);

/*
 * How much a difference matters: what a client is (library, programs, keys, certificates, configuration) must be as it
 * was; what it keeps while it runs (CLIENT_DIR/data, token.db) may change; our own program may have been updated.
 */
enum step_severity upgrade_difference_severity(const struct settings *settings, enum upgrade_difference what,
					       const char *path);
/* "'/etc/Chrystoki.conf' has other bytes: 512 bytes with SHA-256 0123456789ab..., before 510 with ...": one clause. */
void upgrade_difference_text(enum upgrade_difference what, const struct manifest_entry *old_entry,
			     const struct manifest_entry *now_entry, struct text *out);

/* A slot of the snapshot that is not among those of now (label and serial number), or NULL. */
const struct snapshot_slot *snapshot_slots_lost(const struct snapshot_slots *old, const struct snapshot_slots *now);

#endif
