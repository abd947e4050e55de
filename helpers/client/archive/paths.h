/*
 * client/archive/paths: the set of all paths that an archive has named, and of what stands above them.
 *
 * Promise: a path that differs from one in the set only in upper and lower case is refused when it is entered.  What is
 * kept is a hash of each: two paths with one hash are taken for one, which refuses an honest archive once in 10^10
 * times and never lets a second file pass.
 */
#ifndef OKV_CLIENT_ARCHIVE_PATHS_H
#define OKV_CLIENT_ARCHIVE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

enum paths_kind {
	PATHS_IMPLIED, /* a directory that only stands above something */
	PATHS_DIRECTORY,
	PATHS_FILE,
	PATHS_COPY, /* of another file: a hard link */
	PATHS_LINK,
};

struct paths_entry {
	uint64_t folded; /* hash of the path in lower case; 0: free */
	uint64_t size;   /* of a file */
	uint32_t exact;  /* of the path as it is */
	uint8_t kind;    /* enum paths_kind; PATHS_IMPLIED in a new one */
	uint8_t layer;
};

struct paths {
	struct paths_entry *entries; /* owned */
	size_t count, size;
	uint64_t most; /* entries that may be in it */
};

#define PATHS_INIT(most_) \
	{ \
		.entries = NULL, .most = (most_) \
	}

void paths_done(struct paths *paths);
/* The path's entry, made where it is new; valid until the next one is entered. */
int paths_enter(struct paths *paths, const char *path, size_t length, struct paths_entry **ret_entry, bool *ret_new,
		struct fault *f);
/* NULL where it is not in the set. */
struct paths_entry *paths_find(const struct paths *paths, const char *path, size_t length);

#endif
