/*
 * fs/read: read small files whole, write, and copy between descriptors.
 *
 * Promise: a file longer than `limit` bytes is FAULT_REFUSED, never truncated; short reads and EINTR are handled.  What
 * was read is appended to the text, and only on success.
 */
#ifndef OKV_FS_READ_H
#define OKV_FS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"
#include "fs/root.h"

enum { FS_READ_CONFIG_MAX = 1024 * 1024 }; /* ample for any file that a person edits */

/* `name` is for the fault. */
int fs_read(int fd, const char *name, size_t limit, struct text *ret_text, struct fault *f);
/* A regular file below root.  *ret_status is the fstat(2) of the file that was read; ret_status may be NULL. */
int fs_read_file(int root, const char *path, enum fs_follow follow, size_t limit, struct text *ret_text,
		 struct stat *ret_status, struct fault *f);
/* The same for a file that a person edits: FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX. */
int fs_read_config(int root, const char *path, struct text *ret_text, struct fault *f);
/* The same for a file that may be missing: then *ret_there is false and nothing is added. */
int fs_read_optional(int root, const char *path, struct text *ret_text, bool *ret_there, struct fault *f);
/* As fs_read_config, but the last component may be a trusted link too: keys and certificates often are. */
int fs_read_linked(int root, const char *path, struct text *ret_text, struct fault *f);
/* Writes all bytes or fails. */
int fs_write(int fd, const char *name, const void *bytes, size_t length, struct fault *f);
/* Copies from the current offset of `from` to its end. */
int fs_copy(int from, int to, const char *name, struct fault *f);

#endif
