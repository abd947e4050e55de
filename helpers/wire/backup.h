/*
 * wire/backup: the old bytes of an edited file, kept once.
 *
 * Promise: see wire/edit.h.  The directory is 0700, root's.  A backup is synced before it counts.
 */
#ifndef OKV_WIRE_BACKUP_H
#define OKV_WIRE_BACKUP_H

#include "base/fault.h"
#include "base/text.h"

/* `name` is the file's own, without a directory. */
int wire_backup(int root, const char *name, const struct text *bytes, struct fault *f);

#endif
