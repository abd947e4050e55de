/*
 * upgrade/compare: what became of a snapshot's files and slots.
 *
 * Promise: a file is the same when its bytes are (size and SHA-256), a link when its target is, whatever its owner,
 * mode and time; those are policy's affair.  The answer depends on the arguments only.
 *
 * How much a difference matters: what a client is (library, programs, keys, certificates, configuration) must be as it
 * was; what it keeps while it runs (CLIENT_DIR/data, token.db) may change; our own program may have been updated.
 */
#ifndef OKV_UPGRADE_COMPARE_H
#define OKV_UPGRADE_COMPARE_H

#include <stddef.h>

#include "base/text.h"
#include "conf/manifest.h"
#include "conf/settings.h"
#include "upgrade/snapshot.h"
#include "upgrade/step.h"

/*
 * A line each, in order of the paths: "'/etc/x' has other bytes: 512 bytes with SHA-256 0123456789ab..., before 510
 * with ...".  Below a directory that is missing, each entry is missing.
 */
struct compare_list {
	struct text lines; /* the first of them, as far as people read */
	size_t count;
	enum step_severity severity; /* the highest */
};

/* Starts as { 0 }. */
struct compare_result {
	size_t same;
	size_t attributes;          /* same, but with another owner, group or mode */
	struct compare_list lost;   /* STEP_HIGH */
	struct compare_list others; /* below it */
};

#define COMPARE_RESULT_AUTO __attribute__((cleanup(compare_result_done))) struct compare_result

void compare_result_done(struct compare_result *result);
/* No difference is said to matter more than `most`. */
void compare_manifests(const struct manifest *old, const struct manifest *now, const struct settings *settings,
		       enum step_severity most, struct compare_result *result);

/* A slot of the snapshot that is not among those of now (label and serial number), or NULL. */
const struct snapshot_slot *compare_slots(const struct snapshot_slots *old, const struct snapshot_slots *now);

#endif
