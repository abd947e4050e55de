/*
 * perms/apply: carry out a journal, forwards or backwards, entry by entry; and what every part of a run is told and
 * tells: how far it may go, where it reports, what it counts.
 *
 * Promise for all of it: first the directories are narrowed, then the files in them get theirs one by one, and only
 * then do the directories get their owners and modes.  So a file is reached through directories that let in nobody whom
 * not both states let in, and at any moment it grants no more than before or no more than after, whole paths
 * considered.  It also keeps others from exchanging names where they will be allowed to afterwards.
 *
 * Promise for one entry: every state that it passes through grants no more than the old one grants and no more than
 * the wanted one grants: first the mode is narrowed to what both have in common, without the bits of an owner or group
 * that is about to change; then the owner is changed; then the mode is set (systemd's fd_set_perms has the same order).
 * So an owner is final before any bit is given, and a failure half way leaves the entry tighter, never looser.
 *
 * The entry is opened without following a link and must be the recorded inode, in a state that the record explains:
 * the old one, the wanted one, or one of those between.  Otherwise nothing is changed.
 *
 * A regular file must have one name.  Where others can make names, a second name could be taken away just before we
 * count: so after counting, the name it was opened by must still be in its directory (the kernel shows that in
 * /proc/self/fd), which then was the one that was counted.
 */
#ifndef OKV_PERMS_APPLY_H
#define OKV_PERMS_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/report.h"
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

/* Why an entry is not to policy, or may be changed by others behind it, and stays so. */
enum perms_left {
	PERMS_LEFT_REFUSED,   /* second hard link; a link where the policy names a path */
	PERMS_LEFT_FAILED,    /* immutable, read-only, unreadable, too many, a tool that failed */
	PERMS_LEFT_EXCHANGED, /* changed meanwhile (or, for undo, since) by somebody else */
	PERMS_LEFT_PARENT,    /* no line of its own, and others can write it (a directory above), or read a key */
	PERMS_LEFT_ACL,       /* its ACL grants what the policy does not, or withholds what it grants */
	PERMS_LEFT_STRANGER,  /* others' bytes, which shall not get an owner, set-id or x bits from us */
	PERMS_LEFT_KINDS
};

/* How far a run may go, and where it reports to.  Every pointer may be NULL. */
struct perms_output {
	enum perms_act act;
	void *context;
	/*
	 * Called once per entry, as the record of the change: with PERMS_APPLY when it has been changed, otherwise when
	 * it would be.
	 */
	void (*change)(void *context, const struct perms_record *record);
	/* Called once for each that is counted in `left` of the tally; the report gets a sentence about it. */
	void (*left)(void *context, enum perms_left why, const char *path);
	/* Warnings: links in places where others can write, entries left alone. */
	struct report *report;
};

struct perms_tally {
	size_t entries; /* looked at */
	size_t changed; /* changed, or to be changed when nothing may be */
	size_t links;   /* symbolic links left alone */
	size_t others;  /* sockets, FIFOs, devices left alone */
	size_t mounts;  /* mount points not crossed */
	size_t kept;    /* of what was to be put back: changed since by somebody else, and as it is */
	size_t left[PERMS_LEFT_KINDS];
};

/* All that is left. */
size_t perms_tally_left(const struct perms_tally *tally);

/* One run: over which tree, how far, and what came of it so far. */
struct perms_run {
	int root;
	const struct perms_output *output; /* borrowed */
	struct perms_tally tally;
};

/* Counts and tells one that is left alone; the sentence may end in "; fix: COMMAND". */
void perms_leave(struct perms_run *run, enum perms_left why, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Could the entry be on the way from the one state to the other, by our hand? */
bool perms_entry_explained(const struct perms_owned *now, const struct perms_record *record);

enum perms_direction { PERMS_FORTH, PERMS_BACK };

/*
 * Reads the sealed journal from its first record on, and files it as done, or takes it away when it is undone as far as
 * may be.  Adds to the counts of the run.
 *
 * Unless run->output->act is PERMS_APPLY it tells what it would do, and does nothing.
 *
 * May be repeated: entries that are as they should be are passed over, so a run that was killed is finished by the same
 * call.  Each entry that could not be changed is told as a warning and counted; the rest is still done.
 *
 * At last, where SELinux is enabled for the tree, the tree's own restorecon(8) goes over exactly these entries; that it
 * is not there or fails is a warning, and counts as failed.
 */
int perms_apply(struct perms_run *run, struct perms_journal *journal, enum perms_direction direction, struct fault *f);

#endif
