/*
 * fs/each: list a directory.
 *
 * Promise: a read error is a fault and never taken for the end; "." and ".." are left out; the order is the file
 * system's.  Listing opens its own descriptor, so the offset of the caller's does not move.
 *
 *	FS_EACH_AUTO each = { 0 };
 *	struct fs_each_entry entry;
 *	int more = fs_each_open(dir, path, &each, f) < 0 ? -1 : 1;
 *	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
 *		...
 */
#ifndef OKV_FS_EACH_H
#define OKV_FS_EACH_H

#include <dirent.h>

#include "base/fault.h"

struct fs_each {
	DIR *stream;
	const char *path; /* borrowed; for faults */
};

#define FS_EACH_AUTO __attribute__((cleanup(fs_each_close))) struct fs_each

struct fs_each_entry {
	const char *name;   /* valid until the next call */
	unsigned char type; /* DT_DIR, DT_REG ..., or DT_UNKNOWN if the file system does not tell */
};

/* `dir` is the open directory (O_PATH will do), `path` its name in faults. */
int fs_each_open(int dir, const char *path, struct fs_each *ret_each, struct fault *f);
/* 1 and the next entry; 0 at the end; -1 with the fault. */
int fs_each_next(struct fs_each *each, struct fs_each_entry *ret_entry, struct fault *f);
/* Does nothing if it was never opened. */
void fs_each_close(struct fs_each *each);

#endif
