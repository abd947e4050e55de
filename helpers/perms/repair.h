/*
 * perms/repair: owners, groups and modes of a tree to policy, and back.
 *
 * Promise:
 *  - One walk computes the final state of each entry from all lines of the policy, later lines over earlier ones;
 *    each entry is changed at most once.  An entry that is right already costs one look and no system call that
 *    changes anything.
 *  - Before the first change a journal with the old owner, mode and times of every entry to be touched is written
 *    below SETTINGS_VAR and synced; perms_undo() puts them back.  A run that was killed is finished from its
 *    journal by the next run, which then does its own work.
 *  - Directories are narrowed first and widened last; in between each file is narrowed, gets its owner and after that
 *    its mode.  So at any moment, wherever the process is killed, an entry and the way to it let nobody do what
 *    neither the old nor the new state lets them do.
 *  - Work is done on descriptors reached without following a link from the first path that the policy names.  Links
 *    and special files are left alone and reported.  A regular file that needs a change and has a second name, an
 *    entry that somebody else changes meanwhile, an immutable one and a read-only file system are counted and
 *    reported by name, and the rest is still done.  Mount points are not crossed.
 *
 * The caller holds the lock (cmd_lock) when it asks for PERMS_APPLY.
 *
 * Profiles and phases name the policy file, SETTINGS_POLICY/PROFILE/PHASE.conf below the root; then come the
 * administrator's *.conf of SETTINGS_POLICY_LOCAL in the order of their names, NAME.pre-upgrade.conf and
 * NAME.post-upgrade.conf for that phase only (conf/policy.h has the grammar).  A file that others than root could write
 * is FAULT_REFUSED, as is any flaw, by file and line.
 */
#ifndef OKV_PERMS_REPAIR_H
#define OKV_PERMS_REPAIR_H

#include "perms/plan.h"

struct perms_request {
	int root;
	const struct settings *settings;
	const char *profile; /* one of SETTINGS_PROFILES; NULL: settings->profile */
	const char *phase;   /* "pre-upgrade", "post-upgrade" */
	/* The id that OKV's user had on the last operating system, if nobody has it on this one; 0: the same. */
	uid_t former_user;
	/* Only entries at or below these paths; count 0: all.  One that no line of the policy reaches is refused. */
	const char *const *paths;
	size_t path_count;
	struct perms_output output;
};

/*
 * FAULT_ABSENT: there is no client under settings->client_dir, or no policy file.  FAULT_REFUSED: the policy has a
 * flaw (named by file and line), or names an account that is not there, or can be written by others; nothing was
 * changed.  What is wrong with single entries is in the tally, not in the fault: see perms_verdict.
 */
int perms_run(const struct perms_request *request, struct perms_tally *ret_tally, struct fault *f);

/*
 * The faults that perms_run would return before it looks at an entry, with the HSM group allowed to be missing: to be
 * asked before accounts are made, so that a flaw in a policy or a missing client leaves those alone too.
 */
int perms_ready(const struct perms_request *request, struct fault *f);

/*
 * Every entry at or below the paths (of any type, links too, which are not followed) with group `from` that the caller
 * wants gets group `to`; modes, set-group-id bits too, stay as they are.  A path that is not there is passed over.
 * Same promise, same journal.  This is what an OS-major step needs when the old group id now belongs to somebody else.
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
 * Puts owners and modes back as they were before the pre-upgrade policy of any profile, where an entry still has what
 * that policy makes of it (or is half way); what somebody changed since is counted as kept.  Same promise, same
 * journal.
 */
struct perms_put_back {
	int root;
	const struct settings *settings;
	struct perms_back back;
	struct perms_output output;
};
int perms_put_back(const struct perms_put_back *request, struct perms_tally *ret_tally, struct fault *f);

/*
 * Puts back what the newest journal says, and takes that journal away; the one before is then the newest.  An entry
 * that was changed since by somebody else, or replaced, is left alone and counted as exchanged.  When the system
 * refused something (PERMS_LEFT_FAILED) the journal stays, so that undo can be repeated.  FAULT_ABSENT: there is
 * nothing to undo.
 */
int perms_undo(int root, const struct perms_output *output, struct perms_tally *ret_tally, struct fault *f);

/*
 * What a tally means: 0, or FAULT_NEGATIVE (PERMS_CHECK, and something is not to policy), or FAULT_INCOMPLETE
 * (PERMS_APPLY, PERMS_PLAN: something was refused or failed; the rest is done).
 */
int perms_verdict(const struct perms_tally *tally, enum perms_act act, struct fault *f);

#endif
