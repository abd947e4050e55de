/*
 * upgrade/scan: what lies at the preserved paths, as a manifest, and what became of it since another one.
 *
 * Promise: every entry at and below the paths is looked at once, by descriptors, without following a link (a path
 * itself is reached through links that only root could have made); what another file system is mounted on below
 * it is not entered, and told as a warning.  Files are read whole for their SHA-256.  What changes while it is read is
 * read again, and after a few times told as a warning and left without a digest.  A path that is not there is passed
 * over.
 *
 * The preserved paths are those that OKV is told to carry over (PRESERVED_FILES of okv_hsm.conf) and those of our own
 * settings, without any that lies inside another; SETTINGS_VAR, where our own records change all the time, is left out.
 *
 * Of two manifests a file is the same when its bytes are (size and SHA-256), a link when its target is, whatever its
 * owner, mode and time; those are policy's affair.  How much a difference matters: what a client is (library, programs,
 * keys, certificates, configuration) must be as it was; what it keeps while it runs (CLIENT_DIR/data, token.db) may
 * change; our own program may have been updated.
 */
#ifndef OKV_UPGRADE_SCAN_H
#define OKV_UPGRADE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "conf/manifest.h"
#include "conf/preserved.h"
#include "conf/settings.h"
#include "upgrade/step.h"

/* Sorted, full, without those inside another one.  What is no plain full path in okv_hsm.conf is passed over. */
int scan_paths(int root, const struct settings *settings, struct preserved *ret_paths, struct fault *f);

/* PRESERVED_FILES of okv_hsm.conf as it stands there. */
int scan_listed(int root, struct preserved *ret_listed, struct fault *f);

enum scan_depth {
	SCAN_COUNT,      /* no file is opened, and the manifest stays empty */
	SCAN_ATTRIBUTES, /* manifest without digests */
	SCAN_DIGESTS,    /* manifest with digests */
};

struct scan_request {
	int root;
	const struct settings *settings;
	enum scan_depth depth;
	const struct manifest
		*known;        /* sorted; a file over 1 MiB that it does not have with that size is not read; or NULL */
	struct report *report; /* may be NULL */
};

struct scan {
	struct manifest manifest; /* sorted, with the directories above the paths */
	uint64_t bytes;           /* in files */
	uint64_t largest;         /* of one file */
	struct text largest_path;
	size_t entries;
};

#define SCAN_AUTO __attribute__((cleanup(scan_done))) struct scan

int scan_preserved(const struct scan_request *request, struct scan *ret_scan, struct fault *f);
void scan_done(struct scan *scan);

/*
 * A line each, in order of the paths: "'/etc/x' has different content: 512 bytes with SHA-256 0123456789ab..., before
 * 510 with ...".  Below a directory that is missing, each entry is missing.
 */
struct scan_list {
	struct text lines; /* the first of them, as far as people read */
	size_t count;
	enum step_severity severity; /* the highest */
};

/* Starts as { 0 }. */
struct scan_differences {
	size_t same;
	size_t attributes;       /* same, but with another owner, group or mode */
	struct scan_list lost;   /* STEP_HIGH */
	struct scan_list others; /* below it */
};

#define SCAN_DIFFERENCES_AUTO __attribute__((cleanup(scan_differences_done))) struct scan_differences

void scan_differences_done(struct scan_differences *differences);
/* No difference is said to matter more than `most`. */
void scan_compare(const struct manifest *old, const struct manifest *now, const struct settings *settings,
		  enum step_severity most, struct scan_differences *differences);

#endif
