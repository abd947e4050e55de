/*
 * okv/backup: the old bytes of an edited file, kept once.
 *
 * Promise: see okv/edit.h.  The directory is 0700, root's.  A backup is synced before it counts.
 */
#ifndef OKV_OKV_BACKUP_H
#define OKV_OKV_BACKUP_H

#include "base/fault.h"
#include "base/text.h"

/* `name` is the file's own, without a directory. */
int okv_backup(int root, const char *name, const struct text *bytes, struct fault *f);

#endif
