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

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/report.h"
#include "conf/settings.h"
#include "perms/journal.h"

/*
 * PERMS_PLAN and PERMS_CHECK change nothing; they tell the same changes as PERMS_APPLY would make.  (They differ
 * only in what perms_verdict makes of them: drift is the answer "no" to a check, and no failure of a plan.)
 */
enum perms_act { PERMS_CHECK, PERMS_PLAN, PERMS_APPLY };

/*
 * With PERMS_CHECK and PERMS_PLAN the HSM group may be missing as yet and has this id, which is nobody's.  For
 * PERMS_APPLY it is made first (okv/group.h).
 */
#define PERMS_GID_TO_COME ((gid_t)-2)

/* Where a run reports to.  Every member may be NULL. */
struct perms_output {
	void *context;
	/*
	 * Called once per entry, as the record of the change: with PERMS_APPLY when it has been changed, otherwise when
	 * it would be.
	 */
	void (*change)(void *context, const struct perms_record *record);
	/* Warnings: links in places where others can write, refused entries, parents that others can write. */
	struct report *report;
};

struct perms_tally {
	size_t entries;   /* looked at */
	size_t changed;   /* changed, or to be changed when nothing may be */
	size_t links;     /* symbolic links left alone */
	size_t others;    /* sockets, FIFOs, devices left alone */
	size_t mounts;    /* mount points not crossed */
	size_t refused;   /* second hard link; a link where the policy names a path */
	size_t failed;    /* immutable, read-only, unreadable, a tool that failed */
	size_t exchanged; /* changed meanwhile (or, for undo, since) by somebody else */
	size_t parents;   /* directories above, or without a line of their own, that others can write */
};

struct perms_request {
	int root;
	const struct settings *settings;
	const char *profile; /* one of SETTINGS_PROFILES; NULL: settings->profile */
	const char *phase;   /* "pre-upgrade", "post-upgrade" */
	enum perms_act act;
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
 * Every entry at or below the paths (of any type, links too, which are not followed) with group `from` gets group
 * `to`; modes, set-group-id bits too, stay as they are.  A path that is not there is passed over.  Same promise,
 * same journal.  This is what an OS-major step needs when the old group id now belongs to somebody else.
 */
struct perms_reown {
	int root;
	const char *const *paths; /* below the root */
	size_t path_count;
	gid_t from, to;
	enum perms_act act;
	struct perms_output output;
};
int perms_reown(const struct perms_reown *reown, struct perms_tally *ret_tally, struct fault *f);

/*
 * Puts back what the newest journal says, and takes that journal away; the one before is then the newest.  An entry
 * that was changed since by somebody else, or replaced, is left alone and counted as exchanged.  When the system
 * refused something (tally: failed) the journal stays, so that undo can be repeated.  FAULT_ABSENT: there is nothing
 * to undo.
 */
struct perms_undo {
	int root;
	enum perms_act act;
	struct perms_output output;
};
int perms_undo(const struct perms_undo *undo, struct perms_tally *ret_tally, struct fault *f);

/*
 * What a tally means: 0, or FAULT_NEGATIVE (PERMS_CHECK, and something is not to policy), or FAULT_INCOMPLETE
 * (PERMS_APPLY, PERMS_PLAN: something was refused or failed; the rest is done).
 */
int perms_verdict(const struct perms_tally *tally, enum perms_act act, struct fault *f);

#endif
