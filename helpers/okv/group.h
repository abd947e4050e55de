/*
 * okv/group: the HSM group, who is in it, and which processes do not have it yet.
 *
 * Promise: what is there is read from etc/passwd and etc/group below the root, never from a name service.  What is
 * missing is made by the system's own groupadd(8) and gpasswd(1), so that shadow files, locks and audit come along:
 * those of the tree, run inside it; a tree that has none (no complete system) is served by ours with their options
 * for another root.  Where we have none either that is FAULT_ABSENT.  A second call finds nothing to do and starts
 * no process.  Nothing is ever renumbered, and nothing is removed but by the two calls that say so.
 *
 * Where there is an etc/gshadow it says the same about the group: a tool that was killed between its two files is run
 * again.
 *
 * Group and user are HSM_GROUP and OKV_USER of job->settings.  Every change is told to job->report in one line; with
 * OKV_PLAN the line says what would be done.  job->tool_ms bounds each tool that is started (FAULT_LATE).
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
	bool changed; /* made now (or to be made, with OKV_PLAN) */
	bool wanted;  /* gid is the wanted one, or none was wanted */
};

/*
 * The group exists afterwards.  A new one is a system group (groupadd -r); `wanted` is its id where nobody else has
 * that id, neither as a group nor as a primary group; otherwise groupadd chooses and ret_group->wanted is false:
 * the caller re-owns what carries the old id (perms_reown).  A group that exists keeps its id, wanted or not.
 */
int okv_group_ensure(const struct okv_job *job, gid_t wanted, struct okv_group *ret_group, struct fault *f);
/*
 * The user is a member afterwards (listed in the group's line, or has it as primary group).  FAULT_ABSENT where the
 * user is not there, or the group (except with OKV_PLAN, where the group may be one that is still to be made).
 */
int okv_member_ensure(const struct okv_job *job, bool *ret_changed, struct fault *f);

/*
 * The way back, by groupdel(8) and gpasswd(1): neither file has the group afterwards, or lists the user in it.  What a
 * tool that was killed has left in one of them only goes too.  groupdel refuses a user's primary group (FAULT_SYSTEM).
 */
int okv_group_remove(const struct okv_job *job, bool *ret_changed, struct fault *f);
int okv_member_remove(const struct okv_job *job, bool *ret_changed, struct fault *f);

/*
 * Running processes of `user`, in this tree (their root directory is ours), that do not have the group among their
 * ids: groups are handed out at login, so they keep away until they are started again.  Each is told to the report as
 * a warning, and after the last one the rule: reboot (the integration guide's rule).  *ret_count: how many.  With user
 * or group not there it is 0; where /proc is not mounted it is 0 too, and a warning says that nobody looked.
 */
int okv_processes_without_group(const struct okv_job *job, const char *user, size_t *ret_count, struct fault *f);

#endif
