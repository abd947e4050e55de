/*
 * perms/apply: carry out a journal, forwards or backwards, entry by entry.
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

#include "perms/output.h"

enum perms_step {
	PERMS_LOOK,   /* none: what PERMS_FINISH would come to, as far as a look can tell */
	PERMS_NARROW, /* only the first of the three acts */
	PERMS_FINISH, /* all that is left to do */
};

enum perms_result {
	PERMS_CHANGED,   /* changed now, or would be */
	PERMS_UNCHANGED, /* was so already */
	PERMS_ABSENT,    /* there is nothing under that name */
	PERMS_REPLACED,  /* another inode, or changed meanwhile by somebody else */
	PERMS_LINKED,    /* a regular file with a second name */
	PERMS_WRITTEN,   /* everybody may write it, and somebody did since it was looked at, or is about to */
	PERMS_DENIED,    /* the system refused; *ret_errnum */
};

/* Could the entry be on the way from the one state to the other, by our hand? */
bool perms_entry_explained(const struct perms_owned *now, const struct perms_record *record);
/* The mode between two states. */
mode_t perms_entry_narrowed(const struct perms_owned *from, const struct perms_owned *to, mode_t type);

/* `open_to_others`: users other than root may make names in `dir`. */
enum perms_result perms_entry_set(int dir, const char *leaf, bool open_to_others, const struct perms_record *record,
				  enum perms_step step, int *ret_errnum);

enum perms_direction { PERMS_FORTH, PERMS_BACK };

/*
 * Reads the journal from its first record on.  Adds to the counts of *tally.
 *
 * May be repeated: entries that are as they should be are passed over, so a run that was killed is finished by the same
 * call.  Each entry that could not be changed is told as a warning and counted; the rest is still done.
 *
 * At last, where SELinux is enabled for the tree, the tree's own restorecon(8) goes over exactly these entries; that it
 * is not there or fails is a warning, and counts as failed.
 */
int perms_apply(int root, struct perms_journal *journal, enum perms_direction direction,
		const struct perms_output *output, struct perms_tally *tally, struct fault *f);

/* What perms_apply would do and tell, without doing it. */
int perms_foresee(int root, struct perms_journal *journal, enum perms_direction direction,
		  const struct perms_output *output, struct perms_tally *tally, struct fault *f);

#endif
