/*
 * fs/read: whole small files into memory, and bytes from one file to another.
 *
 * Promise: a file longer than `limit` bytes is FAULT_REFUSED, never cut; a short read is no end; EINTR is no
 * failure.  The text is appended to, and only on success.
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

enum { FS_READ_CONFIG_MAX = 1024 * 1024 }; /* plenty for any file that a person edits */

/* `name` is for the fault. */
int fs_read(int fd, const char *name, size_t limit, struct text *ret_text, struct fault *f);
/* A regular file below root; ret_status may be NULL, else it is the status of what was read. */
int fs_read_file(int root, const char *path, enum fs_follow follow, size_t limit, struct text *ret_text,
		 struct stat *ret_status, struct fault *f);
/* The same for a file that a person edits: FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX. */
int fs_read_config(int root, const char *path, struct text *ret_text, struct fault *f);
/* ... and that need not be there: where there is none, *ret_there is false and nothing is added. */
int fs_read_optional(int root, const char *path, struct text *ret_text, bool *ret_there, struct fault *f);
/* As fs_read_config, with trusted links followed to the very end: the name of a key or certificate may be a link. */
int fs_read_linked(int root, const char *path, struct text *ret_text, struct fault *f);
/* All bytes or a fault; EINTR and short writes are handled. */
int fs_write(int fd, const char *name, const void *bytes, size_t length, struct fault *f);
/* Writes to `to` what can be read of `from`, from its present offset on. */
int fs_copy(int from, int to, const char *name, struct fault *f);

#endif
