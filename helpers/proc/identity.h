/*
 * proc/identity: become another user.
 *
 * Promise: uid and groups come from etc/passwd and etc/group below the root, never from a name service.  The change is
 * permanent (saved ids included) and verified: if a privilege cannot be dropped, that is a fault, and no child runs
 * with more than it should have (setresuid(2), setgroups(2)).
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
	gid_t groups[PROC_GROUPS_MAX]; /* supplementary groups, the primary one first */
	size_t group_count;
};

/* FAULT_ABSENT if the user is not in etc/passwd. */
int proc_identity_read(int root, const char *user, struct proc_identity *ret_identity, struct fault *f);
/* Call it in a child that is still root. */
int proc_identity_become(const struct proc_identity *identity, struct fault *f);

#endif
