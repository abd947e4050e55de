/*
 * hsm/file: is this the library that root put there, and can it be loaded?
 *
 * Promise: the path is walked below the root; links are followed only where root alone could have made them, and each
 * is written down.  The file and every directory above it must belong to root and be writable by nobody else: whoever
 * can write there decides what runs with the HSM's credentials.  Nothing of the file has run yet.
 */
#ifndef OKV_HSM_FILE_H
#define OKV_HSM_FILE_H

#include "base/fault.h"
#include "fs/root.h"

struct hsm_file {
	int fd;                /* the library, for reading */
	struct fs_place place; /* its path without links, and the links */
};

#define HSM_FILE_INIT \
	{ \
		.fd = -1, .place = FS_PLACE_INIT \
	}
#define HSM_FILE_AUTO __attribute__((cleanup(hsm_file_done))) struct hsm_file

/*
 * FAULT_ABSENT: not there, or a link that leads nowhere (the chain is named).  FAULT_REFUSED: writable by others, no
 * regular file, a loop of links.
 */
int hsm_file_open(int root, const char *path, struct hsm_file *ret_file, struct fault *f);
void hsm_file_done(struct hsm_file *file);

#endif
