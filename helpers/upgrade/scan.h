/*
 * upgrade/scan: lists the preserved paths as a manifest, and compares two manifests.
 *
 * Promise: every entry at and below the paths is visited once, by descriptors.  No link is followed, except on the way
 * to a path, where only root could have made it.  A mount point below a path is not entered, with a warning.  Files are
 * read whole for their SHA-256.  A file that changes meanwhile is read again, and after a few attempts listed without a
 * digest, with a warning.  A path that does not exist is ignored.
 *
 * The preserved paths are PRESERVED_FILES of okv_hsm.conf and the paths of our own settings, without any that is inside
 * another, and without SETTINGS_VAR, where our own records change all the time.
 *
 * Two files are the same if size and SHA-256 are, two links if their targets are; owner and mode are left to the
 * policy, and the time does not count.  What makes up a client (library, programs, keys, certificates, configuration)
 * must not change.  What it writes while it runs (CLIENT_DIR/data, token.db) and our own program may.
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

/* The preserved paths, sorted.  Entries of okv_hsm.conf that are not plain absolute paths are ignored. */
int scan_paths(int root, const struct settings *settings, struct preserved *ret_paths, struct fault *f);

/* PRESERVED_FILES of okv_hsm.conf, unchanged. */
int scan_listed(int root, struct preserved *ret_listed, struct fault *f);

enum scan_depth {
	SCAN_COUNT,      /* counts only; the manifest stays empty */
	SCAN_ATTRIBUTES, /* manifest without digests */
	SCAN_DIGESTS,    /* manifest with digests */
};

struct scan_request {
	int root;
	const struct settings *settings;
	enum scan_depth depth;
	/* Sorted, or NULL.  A file over 1 MiB that is not in it with the same size is not read: it differs anyway. */
	const struct manifest *known;
	struct report *report; /* may be NULL */
};

struct scan {
	struct manifest manifest; /* sorted, with the parents of the paths */
	uint64_t bytes;           /* in files */
	uint64_t largest;         /* of one file */
	struct text largest_path;
	size_t entries;
};

#define SCAN_AUTO __attribute__((cleanup(scan_done))) struct scan

int scan_preserved(const struct scan_request *request, struct scan *ret_scan, struct fault *f);
void scan_done(struct scan *scan);

/*
 * One line for each difference, in order of the paths: "'/etc/x' has different content: 512 bytes with SHA-256
 * 0123456789ab..., and before 510 bytes with ...".  If a directory is missing, each of its entries has a line, too.
 */
struct scan_list {
	struct text lines;           /* the first ones only, when there are too many to read */
	size_t count;                /* of all */
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
/* Rates no difference higher than `most`. */
void scan_compare(const struct manifest *old, const struct manifest *now, const struct settings *settings,
		  enum step_severity most, struct scan_differences *differences);

#endif
