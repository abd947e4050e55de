/*
 * hsm/reach: can that user get at those paths?
 *
 * Promise: asked of the kernel by a child that is that user, with its groups and below the root, so access lists,
 * link targets and mount options count as they will count for OKV.  Each path is walked from the top; the first
 * component that fails is named, with its owner and mode.
 */
#ifndef OKV_HSM_REACH_H
#define OKV_HSM_REACH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"
#include "proc/identity.h"

enum hsm_need {
	HSM_NEED_READ,  /* a file to be read, or a directory to be listed and entered */
	HSM_NEED_WRITE, /* written as well; something that is not there yet will be made, so that is no failure */
};

struct hsm_reach {
	const char *path; /* borrowed; full, below the root */
	enum hsm_need need;
	/* The answer. */
	int errnum;           /* 0: within reach */
	size_t failed_length; /* so much of the path leads to the component that fails */
	uid_t uid;            /* of that component, where errnum is EACCES */
	gid_t gid;
	mode_t mode;
};

int hsm_reach_test(int root, const struct proc_identity *identity, struct hsm_reach *items, size_t count,
		   struct fault *f);

#endif
