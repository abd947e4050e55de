#include "repair/apply.h"

#include "base/text.h"
#include "fs/trail.h"
#include "repair/settle.h"

static struct repair_record directed(const struct repair_record *record, enum repair_direction direction)
{
	struct repair_record turned = *record;

	if (direction == REPAIR_BACK) {
		turned.from = record->to;
		turned.to = record->from;
	}
	return turned;
}

static void change_tell(const struct repair_ear *ear, const struct repair_record *record)
{
	if (ear->change == NULL)
		return;
	const struct repair_change change = {
		.path = record->path,
		.old_uid = record->from.uid, .new_uid = record->to.uid,
		.old_gid = record->from.gid, .new_gid = record->to.gid,
		.old_mode = record->from.mode, .new_mode = record->to.mode,
	};
	ear->change(ear->context, &change);
}

static void outcome_tell(const struct repair_ear *ear, const struct repair_record *record, int dir, const char *leaf,
			 enum repair_settled settled, int errnum, struct repair_tally *tally)
{
	switch (settled) {
	case REPAIR_SETTLED:
		tally->changed++;
		change_tell(ear, record);
		return;
	case REPAIR_SETTLED_SO:
		return;
	case REPAIR_GONE:
		report_say(ear->report, REPORT_DETAIL, "'%s' is not there any more", SHOWN(record->path));
		return;
	case REPAIR_EXCHANGED:
		tally->exchanged++;
		report_say(ear->report, REPORT_WARNING, "'%s' was changed meanwhile by somebody else; left alone",
			   SHOWN(record->path));
		return;
	case REPAIR_LINKED:
		tally->refused++;
		report_say(ear->report, REPORT_WARNING, "'%s' has a second name (hard link); left alone, repair it by hand",
			   SHOWN(record->path));
		return;
	case REPAIR_DENIED: {
		TEXT_AUTO why = TEXT_INIT;
		tally->failed++;
		repair_denied_text(dir, leaf, record->path, errnum, &why);
		report_say(ear->report, REPORT_WARNING, "%s", text_string(&why));
		return;
	}
	}
}

/* Must the entry be narrowed before anything else in the tree is widened? */
static bool narrows(const struct repair_record *record)
{
	return record->from.mode != repair_narrowed(&record->from, &record->to, record->type);
}

/* Is narrowing all there is to do? */
static bool only_narrows(const struct repair_record *record)
{
	return record->from.uid == record->to.uid && record->from.gid == record->to.gid &&
	       record->to.mode == repair_narrowed(&record->from, &record->to, record->type);
}

static int record_settle(struct fs_trail *trail, const struct repair_record *record, enum repair_step step,
			 const struct repair_ear *ear, struct repair_tally *tally, struct fault *f)
{
	/* The first pass speaks only of what it brings to an end; the rest has its say in the second. */
	const bool last_word = (step == REPAIR_NARROW) == only_narrows(record);
	struct fault trouble = FAULT_INIT;
	const char *leaf;
	bool open_to_others;
	int dir, errnum = 0;

	if (step == REPAIR_NARROW ? !narrows(record) : only_narrows(record))
		return 0;
	if (fs_trail_parent(trail, record->path, &dir, &leaf, &open_to_others, &trouble) < 0) {
		if (trouble.kind == FAULT_SYSTEM && trouble.errnum == 0) {
			*f = trouble;
			return -1;
		}
		if (last_word && trouble.kind != FAULT_ABSENT) {
			tally->failed++;
			report_say(ear->report, REPORT_WARNING, "%s", trouble.text);
		}
		return 0;
	}
	const enum repair_settled settled = repair_settle(dir, leaf, open_to_others, record, step, &errnum);
	if (last_word)
		outcome_tell(ear, record, dir, leaf, settled, errnum, tally);
	return 0;
}

static int pass(int root, struct repair_journal *journal, enum repair_direction direction, enum repair_step step,
		const struct repair_ear *ear, struct repair_tally *tally, struct fault *f)
{
	FS_TRAIL_AUTO trail = FS_TRAIL_INIT(root);
	struct repair_record record;
	int r;

	if (repair_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = repair_journal_next(journal, &record, f)) > 0) {
		const struct repair_record turned = directed(&record, direction);
		if (record_settle(&trail, &turned, step, ear, tally, f) < 0)
			return -1;
	}
	return r;
}

int repair_apply(int root, struct repair_journal *journal, enum repair_direction direction, const struct repair_ear *ear,
		 struct repair_tally *tally, struct fault *f)
{
	if (pass(root, journal, direction, REPAIR_NARROW, ear, tally, f) < 0)
		return -1;
	return pass(root, journal, direction, REPAIR_FINISH, ear, tally, f);
}

int repair_foresee(int root, struct repair_journal *journal, enum repair_direction direction,
		   const struct repair_ear *ear, struct repair_tally *tally, struct fault *f)
{
	FS_TRAIL_AUTO trail = FS_TRAIL_INIT(root);
	struct repair_record record;
	int r;

	if (repair_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = repair_journal_next(journal, &record, f)) > 0) {
		const struct repair_record turned = directed(&record, direction);
		tally->entries++;
		tally->changed++;
		change_tell(ear, &turned);
	}
	return r;
}
