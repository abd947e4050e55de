/*
 * upgrade/scan: what lies at the preserved paths, as a manifest.
 *
 * Promise: every entry at and below the paths is looked at once, by descriptors, without following a link (a path
 * itself is reached through links that only root could have made); directories on another file system than the path
 * are not entered, each told as a warning.  Files are read whole for their SHA-256.  What changes while it is read is
 * read again, and after a few times told as a warning and left without a digest.  A path that is not there is passed
 * over.
 *
 * The preserved paths are those that OKV is told to carry over (PRESERVED_FILES of okv_hsm.conf) and those of our own
 * settings, without any that lies inside another; SETTINGS_VAR, where our own records change all the time, is left out.
 *
 * A seal is one SHA-256 over name, device, inode, times (ctime, which nobody can set), size, owner and mode of every
 * entry but those kept apart: the same seal means that the kernel has recorded no change to any of them since.
 */
#ifndef OKV_UPGRADE_SCAN_H
#define OKV_UPGRADE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "conf/manifest.h"
#include "conf/settings.h"

/* A list of owned paths. */
struct upgrade_paths {
	char **items;
	size_t count;
};

#define UPGRADE_PATHS_AUTO __attribute__((cleanup(upgrade_paths_done))) struct upgrade_paths

void upgrade_paths_done(struct upgrade_paths *paths);
/* Adds a copy as it is. */
int upgrade_paths_add(struct upgrade_paths *paths, const char *path, struct fault *f);
/* Puts them in the order of text_path_compare. */
void upgrade_paths_sort(struct upgrade_paths *paths);
/* Sorted, full, without those inside another one.  What is no plain full path in okv_hsm.conf is passed over. */
int upgrade_paths_preserved(int root, const struct settings *settings, struct upgrade_paths *ret_paths,
			    struct fault *f);

enum upgrade_scan_depth {
	UPGRADE_SCAN_SEAL, /* the seal alone: no file is opened but those apart, and they alone are in the manifest */
	UPGRADE_SCAN_ATTRIBUTES, /* manifest without digests */
	UPGRADE_SCAN_DIGESTS,    /* manifest with digests */
};

enum { UPGRADE_FRESH_MAX = 64 };

struct upgrade_scan_how {
	enum upgrade_scan_depth depth;
	struct report *report;             /* may be NULL */
	const struct upgrade_paths *apart; /* sorted, below the root without a leading slash; may be NULL */
	int64_t fresh_since;               /* seconds since 1970; 0: nothing is fresh */
};

struct upgrade_scan {
	struct manifest manifest; /* sorted, with the directories above the paths */
	unsigned char seal[MANIFEST_DIGEST_SIZE];
	int64_t fresh_since; /* as it was asked for */
	/* Entries with a ctime from fresh_since on, at most UPGRADE_FRESH_MAX of them named. */
	struct upgrade_paths fresh;
	size_t fresh_count;
	uint64_t bytes; /* in files */
	size_t entries;
};

#define UPGRADE_SCAN_AUTO __attribute__((cleanup(upgrade_scan_done))) struct upgrade_scan

int upgrade_scan(int root, const struct upgrade_paths *paths, const struct upgrade_scan_how *how,
		 struct upgrade_scan *ret_scan, struct fault *f);
void upgrade_scan_done(struct upgrade_scan *scan);

#endif
