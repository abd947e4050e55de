/*
 * client/archive/sandbox: a child gives up everything but what unpacking needs.
 *
 * Promise: after sandbox_enter the process has user and group ids that own nothing, no groups, no capabilities and
 * no way to new ones (no_new_privs); sees no file system but the tree it was given as its root; cannot start
 * processes, open sockets, or trace others (a seccomp filter that lists what may be called); writes no more than it
 * is allowed to; dies with its parent; has an empty environment.  What cannot be given up is a fault.
 */
#ifndef OKV_CLIENT_ARCHIVE_SANDBOX_H
#define OKV_CLIENT_ARCHIVE_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

enum sandbox_trade {
	SANDBOX_DECODE, /* reads descriptors and writes to pipes; opens nothing */
	SANDBOX_PLACE,  /* makes directories and files too */
};

struct sandbox {
	uid_t uid;
	gid_t gid;
	int tree;            /* descriptor of the directory that becomes the root */
	uint64_t file_bytes; /* no file larger than that */
	enum sandbox_trade trade;
};

/* In a child of fork(2) that still is root.  Closes every descriptor above 2 that is not in `keep` (ends with -1). */
int sandbox_enter(const struct sandbox *sandbox, const int *keep, struct fault *f);

#endif
