/*
 * perms/apply: carry out a journal, forwards or backwards.
 *
 * Promise: first the directories are narrowed, then the files in them get theirs one by one, and only then do the
 * directories get their owners and modes.  So a file is reached through directories that let in nobody whom not both
 * states let in, and at any moment it grants no more than before or no more than after, whole paths considered.  It
 * also keeps others from exchanging names where they will be allowed to afterwards.
 *
 * May be repeated: entries that are as they should be are passed over, so a run that was killed is finished by the same
 * call.  Each entry that could not be changed is told as a warning and counted; the rest is still done.
 *
 * At last, where SELinux is enabled for the tree, the tree's own restorecon(8) goes over exactly these entries; that it
 * is not there or fails is a warning, and counts as failed.
 */
#ifndef OKV_PERMS_APPLY_H
#define OKV_PERMS_APPLY_H

#include "perms/output.h"

enum perms_direction { PERMS_FORTH, PERMS_BACK };

/* Reads the journal from its first record on.  Adds to the counts of *tally. */
int perms_apply(int root, struct perms_journal *journal, enum perms_direction direction,
		const struct perms_output *output, struct perms_tally *tally, struct fault *f);

/* What perms_apply would do, without doing it: counts and tells the entries that would be changed. */
int perms_foresee(int root, struct perms_journal *journal, enum perms_direction direction,
		  const struct perms_output *output, struct perms_tally *tally, struct fault *f);

#endif
