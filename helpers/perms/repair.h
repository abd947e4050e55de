/*
 * perms/repair: gives a tree the owners, groups and modes of the policy, and undoes that.
 *
 * Promise:
 *  - One walk computes the final state of each entry from all lines of the policy; later lines override earlier ones.
 *    Each entry is changed at most once.  An entry that is right already is only looked at.
 *  - Before the first change, a journal with the old owner, mode and times of every entry to be changed is written
 *    below SETTINGS_VAR and synced; perms_undo() restores from it.  If a run is killed, the next one first finishes its
 *    journal.
 *  - Directories are narrowed first and widened last; in between, each file is narrowed, then gets its owner, then its
 *    mode.  So wherever the process is killed, an entry and its path allow nobody anything that neither the old nor the
 *    new state allows.
 *  - Entries are reached by descriptors, without following links below the first path that the policy names.  Links and
 *    special files are left alone and reported.  So are, by name, a file to be changed that has a second name, an entry
 *    that somebody else changes during the run, an immutable entry and a read-only file system; they are counted, and
 *    the rest is still done.  Mount points are not entered.
 *
 * For PERMS_APPLY the caller holds the lock (cmd_lock).
 *
 * The policy is SETTINGS_POLICY/PROFILE/PHASE.conf below the root, followed by the administrator's *.conf files in
 * SETTINGS_POLICY_LOCAL, sorted by name; NAME.pre-upgrade.conf and NAME.post-upgrade.conf count for that phase only
 * (conf/policy.h has the grammar).  A file that users other than root can write is FAULT_REFUSED, and so is an error in
 * it, with file and line.
 */
#ifndef OKV_PERMS_REPAIR_H
#define OKV_PERMS_REPAIR_H

#include "perms/plan.h"

struct perms_request {
	int root;
	const struct settings *settings;
	const char *profile; /* one of SETTINGS_PROFILES; NULL: settings->profile */
	const char *phase;   /* "pre-upgrade", "post-upgrade" */
	/* OKV's user's id on the previous operating system; ignored if it is in use on this one.  0: the same id. */
	uid_t former_user;
	/* Only entries at or below these paths; count 0: all.  A path that no line applies to is refused. */
	const char *const *paths;
	size_t path_count;
	struct perms_output output;
};

/*
 * FAULT_ABSENT: there is no client in settings->client_dir, or no policy file.  FAULT_REFUSED: the policy has an error
 * (with file and line), names an account that does not exist, or can be written by others.  Nothing was changed then.
 * Problems with single entries are in the tally, not in the fault: see perms_verdict.
 */
int perms_run(const struct perms_request *request, struct perms_tally *ret_tally, struct fault *f);

/*
 * Returns the fault that perms_run would return before it looks at the first entry, but allows the HSM group to be
 * missing.  Called before accounts are created, so that an error in a policy or a missing client prevents that too.
 */
int perms_ready(const struct perms_request *request, struct fault *f);

/*
 * Gives group `to` to every entry at or below the paths that has group `from` and that `choice` wants, whatever its
 * type; links are changed, not followed.  Modes stay, set-group-id bits too.  A path that does not exist is skipped.
 * Same promise, same journal.  Needed after an upgrade to a new OS major, when the old group id belongs to another
 * group.
 */
struct perms_reown {
	int root;
	const struct settings *settings;
	const char *const *paths; /* below the root */
	size_t path_count;
	gid_t from, to;
	struct perms_choice choice;
	struct perms_output output;
};
int perms_reown(const struct perms_reown *reown, struct perms_tally *ret_tally, struct fault *f);

/*
 * Restores owners and modes from before the pre-upgrade policy was applied, whatever the profile, where an entry still
 * has what that policy gives it (or is half way there).  An entry that somebody changed since is counted in `kept`.
 * Same promise, same journal.
 */
struct perms_put_back {
	int root;
	const struct settings *settings;
	struct perms_back back;
	struct perms_output output;
};
int perms_put_back(const struct perms_put_back *request, struct perms_tally *ret_tally, struct fault *f);

/*
 * Undoes the newest journal and removes it, so that the one before is the newest.  An entry that somebody else has
 * changed or replaced since is left alone and counted as PERMS_LEFT_EXCHANGED.  If the system refused a change
 * (PERMS_LEFT_FAILED), the journal stays, so that undo can be repeated.  FAULT_ABSENT: there is nothing to undo.
 */
int perms_undo(int root, const struct perms_output *output, struct perms_tally *ret_tally, struct fault *f);

/*
 * What a tally means: 0, FAULT_NEGATIVE (PERMS_CHECK: something does not match the policy) or FAULT_INCOMPLETE
 * (PERMS_APPLY, PERMS_PLAN: something was refused or failed; the rest is done).
 */
int perms_verdict(const struct perms_tally *tally, enum perms_act act, struct fault *f);

#endif
