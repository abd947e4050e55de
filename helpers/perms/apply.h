/*
 * perms/apply: makes the changes that a journal lists, or undoes them; also what all parts of a run share: how far it
 * may go, where it reports and what it counts.
 *
 * Promise for a whole journal: first all directories are narrowed, then the files get their owners and modes one by
 * one, and the directories get theirs last.  So while a file changes, its directories admit only users whom both the
 * old and the new modes admit, and the whole path never grants more than it did before or will afterwards.  Nobody can
 * exchange a name meanwhile in a directory that is about to be opened to others.
 *
 * Promise for one entry: no state on the way grants more than the old state, or more than the new one.  First the mode
 * is narrowed to the bits that both have, without those of an owner or group about to change; then the owner is
 * changed; then the mode is set (systemd's fd_set_perms uses the same order).  So no bit is given before the owner is
 * final, and a failure half way leaves the entry tighter, never looser.
 *
 * The entry is opened without following links.  It must be the recorded inode, and have the recorded old owner and
 * mode, the new ones, or those of a step between; otherwise it is left alone.
 *
 * A regular file must have one name only.  Where others can create names, a second name could be removed just before
 * the names are counted.  So after counting, the name that was opened must still be in its directory (the kernel shows
 * this in /proc/self/fd): then it was the one that was counted.
 */
#ifndef OKV_PERMS_APPLY_H
#define OKV_PERMS_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/report.h"
#include "perms/journal.h"

/*
 * PERMS_PLAN and PERMS_CHECK change nothing and report the changes that PERMS_APPLY would make.  They differ only in
 * perms_verdict: entries that differ from the policy fail a check, not a plan.
 */
enum perms_act { PERMS_CHECK, PERMS_PLAN, PERMS_APPLY };

/*
 * The id of an HSM group that does not exist yet; no group has it.  Only for PERMS_CHECK and PERMS_PLAN: before
 * PERMS_APPLY the group is created (okv/group.h).
 */
#define PERMS_GID_TO_COME ((gid_t)-2)

/* Why an entry is left as it is, although it does not match the policy or others can change it. */
enum perms_left {
	PERMS_LEFT_REFUSED,   /* a second hard link; a symbolic link where the policy names a path */
	PERMS_LEFT_FAILED,    /* immutable, read-only, unreadable, too many, a tool that failed */
	PERMS_LEFT_EXCHANGED, /* changed by somebody else during the run or, for undo, since the repair */
	PERMS_LEFT_PARENT,    /* outside the policy: others can write it (a directory above, say), or read a key */
	PERMS_LEFT_ACL,       /* its ACL grants more than the policy, or less */
	PERMS_LEFT_STRANGER,  /* written by others: it gets no new owner, set-id or x bit from us */
	PERMS_LEFT_KINDS
};

/* How far a run may go, and where it reports.  Every pointer may be NULL. */
struct perms_output {
	enum perms_act act;
	void *context;
	/* Called once for each entry that was changed, or, unless `act` is PERMS_APPLY, would be changed. */
	void (*change)(void *context, const struct perms_record *record);
	/* Called once for each entry counted in the tally's `left`; the report also gets a sentence about it. */
	void (*left)(void *context, enum perms_left why, const char *path);
	/* Gets the warnings: entries left alone, links in directories that others can write. */
	struct report *report;
};

struct perms_tally {
	size_t entries; /* checked */
	size_t changed; /* changed or, unless PERMS_APPLY, to be changed */
	size_t links;   /* symbolic links left alone */
	size_t others;  /* sockets, FIFOs, devices left alone */
	size_t mounts;  /* mount points not entered */
	size_t kept;    /* perms_put_back: changed by somebody else since, so not put back */
	size_t left[PERMS_LEFT_KINDS];
};

/* The sum of `left`. */
size_t perms_tally_left(const struct perms_tally *tally);

/* One run: the tree, how far it may go, and the counts so far. */
struct perms_run {
	int root;
	const struct perms_output *output; /* borrowed */
	struct perms_tally tally;
};

/* Counts and reports an entry that is left alone; the sentence may end in "; fix: COMMAND". */
void perms_leave(struct perms_run *run, enum perms_left why, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Does the entry have the record's old owner and mode, its new ones, or those of a step between? */
bool perms_entry_explained(const struct perms_owned *now, const struct perms_record *record);

enum perms_direction { PERMS_FORTH, PERMS_BACK };

/*
 * Works through a sealed journal from its first record and marks it as done; with PERMS_BACK it removes the journal,
 * unless the system refused a change.  Adds to the counts of the run.
 *
 * Unless run->output->act is PERMS_APPLY, it reports what it would do and changes nothing.
 *
 * Can be repeated: entries that are right already are skipped, so the same call finishes a run that was killed.  An
 * entry that cannot be changed is reported as a warning and counted; the rest is still done.
 *
 * Finally, if SELinux is enabled for the tree, the tree's own restorecon(8) relabels these entries.  If it is missing
 * or fails, this is reported as a warning and counted as PERMS_LEFT_FAILED.
 */
int perms_apply(struct perms_run *run, struct perms_journal *journal, enum perms_direction direction, struct fault *f);

#endif
