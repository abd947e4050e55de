/*
 * bundle/input: the file that brought a bundle here, somewhere its caller says, often in /tmp.
 *
 * Promise: the input is a regular file with one name, opened without following a link and without touching
 * anything else (FAULT_REFUSED otherwise); reading uses the open file, so nobody exchanges it meanwhile.
 */
#ifndef OKV_BUNDLE_INPUT_H
#define OKV_BUNDLE_INPUT_H

#include <sys/stat.h>

#include "base/fault.h"
#include "fs/root.h"

struct bundle_input {
	const char *path; /* borrowed */
	int dir, fd;
	char leaf[FS_NAME_SIZE];
	struct stat status;
};

#define BUNDLE_INPUT_INIT \
	{ \
		.dir = -1, .fd = -1 \
	}
#define BUNDLE_INPUT_AUTO __attribute__((cleanup(bundle_input_done))) struct bundle_input

int bundle_input_open(const char *path, struct bundle_input *ret_input, struct fault *f);
void bundle_input_done(struct bundle_input *input);
/* The directory part of a caller's path, opened as the caller means it (links allowed), and the name in it. */
int bundle_path_split(const char *path, int *ret_dir, char ret_leaf[FS_NAME_SIZE], struct fault *f);

#endif
