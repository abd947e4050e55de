/*
 * repair/apply: carry out a journal, forwards or backwards.
 *
 * Promise: first the directories are narrowed, then the files in them are settled one by one, and only then do the
 * directories get their owners and modes.  So a file is reached through directories that let in nobody whom not both
 * states let in, and at any moment it grants no more than before or no more than after, whole paths considered.  It
 * also keeps others from exchanging names where they will be allowed to afterwards.
 *
 * May be repeated: entries that are settled already are passed over, so a run that was killed is finished by the same
 * call.  Each entry that could not be settled is told as a warning and counted; the rest is still done.
 */
#ifndef OKV_REPAIR_APPLY_H
#define OKV_REPAIR_APPLY_H

#include "repair/journal.h"
#include "repair/repair.h"

enum repair_direction { REPAIR_FORTH, REPAIR_BACK };

/* Reads the journal from its first record on.  Adds to the counts of *tally. */
int repair_apply(int root, struct repair_journal *journal, enum repair_direction direction,
		 const struct repair_ear *ear, struct repair_tally *tally, struct fault *f);

/* What repair_apply would do, without doing it: counts and tells the entries that would be changed. */
int repair_foresee(int root, struct repair_journal *journal, enum repair_direction direction,
		   const struct repair_ear *ear, struct repair_tally *tally, struct fault *f);

/* One record as a change. */
void repair_change_tell(const struct repair_ear *ear, const struct repair_record *record);

#endif
