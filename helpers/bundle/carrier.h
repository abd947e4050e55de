/*
 * bundle/carrier: the file that brought a bundle here, somewhere its caller says, often in /tmp.
 *
 * Promise: the carrier is a regular file with one name, opened without following a link and without touching
 * anything else (FAULT_REFUSED otherwise); reading uses the open file, so nobody exchanges it meanwhile; what is
 * removed at last is that same file.
 */
#ifndef OKV_BUNDLE_CARRIER_H
#define OKV_BUNDLE_CARRIER_H

#include <sys/stat.h>

#include "base/fault.h"
#include "fs/root.h"

struct bundle_carrier {
	const char *path; /* borrowed */
	int dir, fd;
	char leaf[FS_NAME_SIZE];
	struct stat status;
};

#define BUNDLE_CARRIER_INIT \
	{ \
		.dir = -1, .fd = -1 \
	}
#define BUNDLE_CARRIER_AUTO __attribute__((cleanup(bundle_carrier_done))) struct bundle_carrier

int bundle_carrier_open(const char *path, struct bundle_carrier *ret_carrier, struct fault *f);
/* FAULT_INCOMPLETE where it cannot be removed or another file stands under its name now. */
int bundle_carrier_remove(const struct bundle_carrier *carrier, struct fault *f);
void bundle_carrier_done(struct bundle_carrier *carrier);
/* The directory part of a caller's path, opened as the caller means it (links allowed), and the name in it. */
int bundle_path_split(const char *path, int *ret_dir, char ret_leaf[FS_NAME_SIZE], struct fault *f);

#endif
