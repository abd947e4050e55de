/*
 * okv/group: the HSM group, its members, and running processes that do not have it yet.
 *
 * Promise: accounts are read from etc/passwd and etc/group below the root, never through a name service.  They are
 * changed by groupadd(8) and gpasswd(1), which handle shadow files, locks and audit: the tree's own, run inside the
 * tree; if it has none (an incomplete system), ours with their option for another root; FAULT_ABSENT if there are none.
 * A second call finds nothing to do and starts no process.  Nothing is renumbered, and only the two `remove` calls
 * remove anything.
 *
 * If etc/gshadow exists it is kept consistent: a tool that was killed between the two files is run again.
 *
 * Group and user are HSM_GROUP and OKV_USER of job->settings.  Every change is one line of job->report; with OKV_PLAN
 * it says what would be done.  job->tool_ms is the time limit of each tool (FAULT_LATE).
 */
#ifndef OKV_OKV_GROUP_H
#define OKV_OKV_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"
#include "okv/job.h"

#define OKV_GID_ANY ((gid_t)-1)

struct okv_group {
	gid_t gid;    /* OKV_GID_ANY: planned, and groupadd will choose */
	bool changed; /* made now, or with OKV_PLAN to be made */
	bool wanted;  /* it has the wanted id, or any id was fine */
};

/*
 * Makes sure that the group exists.  A new one is a system group (groupadd -r) with id `wanted`, unless that is another
 * group's or a user's primary group's; then groupadd chooses, ret_group->wanted is false, and the caller changes the
 * group of files with the old id (perms_reown).  An existing group keeps its id.
 */
int okv_group_ensure(const struct okv_job *job, gid_t wanted, struct okv_group *ret_group, struct fault *f);
/*
 * Makes sure that the user is a member (listed in the group's line, or has it as primary group).  FAULT_ABSENT if there
 * is no such user or group; with OKV_PLAN the group may still be missing.
 */
int okv_member_ensure(const struct okv_job *job, bool *ret_changed, struct fault *f);

/*
 * The reverse, by groupdel(8) and gpasswd(1): removes the group, or the user from it, in both files, also if a killed
 * tool left it in only one of them.  groupdel refuses a user's primary group (FAULT_SYSTEM).
 */
int okv_group_remove(const struct okv_job *job, bool *ret_changed, struct fault *f);
int okv_member_remove(const struct okv_job *job, bool *ret_changed, struct fault *f);

/*
 * Finds running processes of `user` in this tree (with the same root directory) that lack the group: a process gets its
 * groups at login, so a new one takes effect when it is started again.  Each is a warning, followed by the integration
 * guide's rule, once the slots show: reboot.  *ret_count: how many; 0 if there is no such user or group, and 0 with a
 * warning if /proc is not mounted.
 */
int okv_processes_without_group(const struct okv_job *job, const char *user, size_t *ret_count, struct fault *f);

#endif
