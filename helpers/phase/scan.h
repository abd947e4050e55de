/*
 * phase/scan: what lies at the preserved paths, as a manifest.
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
#ifndef OKV_PHASE_SCAN_H
#define OKV_PHASE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "conf/manifest.h"
#include "conf/settings.h"

/* A list of owned paths. */
struct phase_paths {
	char **items;
	size_t count;
};

#define PHASE_PATHS_INIT { .items = NULL, .count = 0 }
#define PHASE_PATHS_AUTO __attribute__((cleanup(phase_paths_done))) struct phase_paths

void phase_paths_done(struct phase_paths *paths);
/* Adds a copy as it is. */
int phase_paths_add(struct phase_paths *paths, const char *path, struct fault *f);
/* Puts them in the order of text_path_compare. */
void phase_paths_sort(struct phase_paths *paths);
/* Sorted, full, without those inside another one.  What is no plain full path in okv_hsm.conf is passed over. */
int phase_paths_preserved(int root, const struct settings *settings, struct phase_paths *ret_paths, struct fault *f);

enum phase_scan_depth {
	PHASE_SCAN_SEAL, /* the seal alone: no file is opened but those apart, and they alone are in the manifest */
	PHASE_SCAN_ATTRIBUTES, /* manifest without digests */
	PHASE_SCAN_DIGESTS,    /* manifest with digests */
};

enum { PHASE_FRESH_MAX = 64 };

struct phase_scan_how {
	enum phase_scan_depth depth;
	struct report *report;          /* may be NULL */
	const struct phase_paths *apart; /* sorted, below the root without a leading slash; may be NULL */
	int64_t fresh_since;            /* seconds since 1970; 0: nothing is fresh */
};

struct phase_scan {
	struct manifest manifest; /* sorted, with the directories above the paths */
	unsigned char seal[MANIFEST_DIGEST_SIZE];
	int64_t fresh_since;      /* as it was asked for */
	/* Entries with a ctime from fresh_since on, at most PHASE_FRESH_MAX of them named. */
	struct phase_paths fresh;
	size_t fresh_count;
	uint64_t bytes; /* in files */
	size_t entries;
};

#define PHASE_SCAN_INIT { .manifest = MANIFEST_INIT, .fresh = PHASE_PATHS_INIT, .entries = 0 }
#define PHASE_SCAN_AUTO __attribute__((cleanup(phase_scan_done))) struct phase_scan

int phase_scan(int root, const struct phase_paths *paths, const struct phase_scan_how *how, struct phase_scan *ret_scan,
	       struct fault *f);
void phase_scan_done(struct phase_scan *scan);

#endif
