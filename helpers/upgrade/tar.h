/*
 * upgrade/tar: a tar archive in memory, file by file (POSIX ustar).
 *
 * Promise: what is added can be unpacked by any tar; names are at most TAR_NAME_MAX bytes; owner is root, mode 0600.
 * It opens nothing.
 */
#ifndef OKV_UPGRADE_TAR_H
#define OKV_UPGRADE_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { UPGRADE_TAR_NAME_MAX = 99 };

void upgrade_tar_add(struct text *archive, const char *name, const void *bytes, size_t length, int64_t modified);
/* The two empty blocks at the end. */
void upgrade_tar_end(struct text *archive);

#endif
