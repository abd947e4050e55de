/*
 * okv/account: the HSM group and who is in it.
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
 * Every change is told to the report in one line; with OKV_ACCOUNT_PLAN the line says what would be done.
 * `deadline_ms` bounds each tool that is started (FAULT_LATE); 0 is no bound.
 */
#ifndef OKV_OKV_GROUP_H
#define OKV_OKV_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/report.h"

enum okv_account_act { OKV_ACCOUNT_PLAN, OKV_ACCOUNT_APPLY };

#define OKV_ACCOUNT_GID_ANY ((gid_t)-1)

struct okv_group {
	gid_t gid;    /* OKV_ACCOUNT_GID_ANY: planned, and groupadd will choose */
	bool changed; /* made now (or to be made, with OKV_ACCOUNT_PLAN) */
	bool wanted;  /* gid is the wanted one, or none was wanted */
};

/*
 * The group exists afterwards.  A new one is a system group (groupadd -r); `wanted` is its id where nobody else has
 * that id, neither as a group nor as a primary group; otherwise groupadd chooses and ret_group->wanted is false:
 * the caller re-owns what carries the old id (perms_reown).  A group that exists keeps its id, wanted or not.
 */
int okv_group_ensure(int root, const char *group, gid_t wanted, enum okv_account_act act, unsigned deadline_ms,
		     struct report *report, struct okv_group *ret_group, struct fault *f);

/*
 * The user is a member afterwards (listed in the group's line, or has it as primary group).  FAULT_ABSENT where the
 * user is not there, or the group (except with OKV_ACCOUNT_PLAN, where the group may be one that is still to be made).
 */
int okv_member_ensure(int root, const char *user, const char *group, enum okv_account_act act, unsigned deadline_ms,
		      struct report *report, bool *ret_changed, struct fault *f);

/*
 * The way back, by groupdel(8) and gpasswd(1): neither file has the group afterwards, or lists the user in it.  What a
 * tool that was killed has left in one of them only goes too.  groupdel refuses a user's primary group (FAULT_SYSTEM).
 */
int okv_group_remove(int root, const char *group, enum okv_account_act act, unsigned deadline_ms, struct report *report,
		     bool *ret_changed, struct fault *f);
int okv_member_remove(int root, const char *user, const char *group, enum okv_account_act act, unsigned deadline_ms,
		      struct report *report, bool *ret_changed, struct fault *f);

/*
 * Running processes of the user, in this tree (their root directory is ours), that do not have the group among
 * their ids: groups are handed out at login, so they keep away until they are started again.  Each is told to the
 * report as a warning, and after the last one the rule: reboot (the integration guide's rule).  *ret_count: how many.
 * Without /proc, or with user or group not there, it is 0.
 */
int okv_lacking(int root, const char *user, const char *group, struct report *report, size_t *ret_count,
		struct fault *f);

#endif
