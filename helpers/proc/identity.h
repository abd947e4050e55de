/*
 * proc/identity: become another user, as the files under the root know that user.
 *
 * Promise: user and groups come from etc/passwd and etc/group below the root, never from a name service.
 * Becoming is for good: saved ids too, checked afterwards; what cannot be given up ends in a fault, never in a
 * child that runs with more than it should (setresuid(2), setgroups(2)).
 */
#ifndef OKV_PROC_IDENTITY_H
#define OKV_PROC_IDENTITY_H

#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"

enum { PROC_GROUPS_MAX = 64 };

struct proc_identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[PROC_GROUPS_MAX]; /* supplementary ones, the primary first */
	size_t group_count;
};

/* FAULT_ABSENT where the user is not known under the root. */
int proc_identity_read(int root, const char *user, struct proc_identity *ret_identity, struct fault *f);
/* In a child that still is root. */
int proc_identity_become(const struct proc_identity *identity, struct fault *f);

#endif
