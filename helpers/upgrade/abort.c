#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/accounts.h"
#include "fs/read.h"
#include "okv/group.h"
#include "okv/wiring.h"
#include "perms/repair.h"
#include "upgrade/autostart.h"
#include "upgrade/hook.h"
#include "upgrade/snapshot.h"

bool upgrade_is_undoable(int root)
{
	SNAPSHOT_AUTO head = { 0 };
	struct fault why = { 0 };

	/* One that cannot be read is there nevertheless: whoever needs it shall hear why. */
	return snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &head, &why) == 0 || why.kind != FAULT_ABSENT;
}

bool upgrade_has_begun(int root, const struct journal_history *history, struct text *ret_how)
{
	SNAPSHOT_AUTO before = { 0 };
	MACHINE_AUTO now = { 0 };
	struct fault ignored = { 0 };

	if (history->hooks[UPGRADE_MID].began != 0 || history->hooks[UPGRADE_POST].began != 0) {
		text_add_format(
			ret_how, "%s has run",
			upgrade_hook_name(history->hooks[UPGRADE_POST].began != 0 ? UPGRADE_POST : UPGRADE_MID));
		return true;
	}
	/* OKV may bring its own generic files, and then nothing of ours runs inside the upgrade. */
	return snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, &ignored) == 0 &&
	       machine_find(root, &now, &ignored) == 0 && machine_upgraded(&before.machine, &now, ret_how);
}

static int step_undo_arming(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	const struct okv_job job = step_okv_job(step);

	if (snapshot_read(step->run->root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, f) < 0)
		return -1;
	step->skipped = before.armed;
	return before.armed ? 0 : autostart_disable(&job, &step->changed, f);
}

/* The manifest of the state before, as perms asks for it, with the ids that its names have today. */
struct reader {
	const struct snapshot *before;
	struct text passwd, groups;
	size_t next;
	char path[PATH_MAX];
	struct text unknown; /* the first name that nobody has today */
};

static void reader_done(struct reader *reader)
{
	text_done(&reader->passwd);
	text_done(&reader->groups);
	text_done(&reader->unknown);
}

/* An id that had no name is what it was. */
static bool id_today(struct reader *reader, bool user, uint32_t *id)
{
	TEXT_AUTO name = { 0 };
	struct accounts_user found;
	gid_t gid;

	if (!snapshot_name(user ? reader->before->users : reader->before->groups, *id, &name))
		return true;
	if (user && accounts_user_find(&reader->passwd, text_string(&name), &found)) {
		*id = found.uid;
		return true;
	}
	if (!user && accounts_group_find(&reader->groups, text_string(&name), &gid)) {
		*id = gid;
		return true;
	}
	if (reader->unknown.length == 0)
		text_add_string(&reader->unknown, text_string(&name));
	return false;
}

static int entry_next(void *context, struct perms_back_entry *ret_entry, struct fault *f)
{
	struct reader *reader = context;
	const struct manifest *manifest = &reader->before->manifest;

	(void)f;
	while (reader->next < manifest->count) {
		const struct manifest_entry *entry = &manifest->entries[reader->next++];
		uint32_t uid = entry->uid, gid = entry->gid;
		if (!entry->has_attributes || (entry->type != MANIFEST_FILE && entry->type != MANIFEST_DIR) ||
		    strlen(entry->path) + 2 > PATH_MAX || !id_today(reader, true, &uid) ||
		    !id_today(reader, false, &gid))
			continue;
		(void)snprintf(reader->path, sizeof(reader->path), "/%s", entry->path);
		*ret_entry = (struct perms_back_entry){ .path = reader->path,
							.type = entry->type == MANIFEST_FILE ? S_IFREG : S_IFDIR,
							.was = { .uid = uid, .gid = gid, .mode = entry->mode } };
		return 1;
	}
	return 0;
}

/*
 * Every entry that is still what it was (type and path) and has what pre-upgrade gave it gets its owner, group and mode
 * back, by name: ids may be somebody else's by now.
 */
static int step_undo_modes(struct step *step, struct fault *f)
{
	const int root = step->run->root;
	SNAPSHOT_AUTO before = { 0 };
	__attribute__((cleanup(reader_done))) struct reader reader = { .before = &before };
	const struct perms_put_back request = { .root = root,
						.settings = step->run->settings,
						.back = { .context = &reader, .next = entry_next },
						.output = { .act = step->run->dry_run ? PERMS_PLAN : PERMS_APPLY,
							    .report = &step->report } };
	struct perms_tally tally;

	if (snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_WHOLE, &before, f) < 0 ||
	    fs_read_config(root, "/etc/passwd", &reader.passwd, f) < 0 ||
	    fs_read_config(root, "/etc/group", &reader.groups, f) < 0 || perms_put_back(&request, &tally, f) < 0)
		return -1;
	if (tally.changed > 0)
		report_say(&step->report, REPORT_RESULT,
			   "%zu entries get the owner and mode they had before pre-upgrade", tally.changed);
	if (tally.kept > 0)
		step_add_info(step, "%zu entries were changed since pre-upgrade and stay as they are", tally.kept);
	if (reader.unknown.length > 0)
		step_add_finding(step, STEP_MEDIUM, "okv-luna repair", NULL,
				 "'%s' is not there any more; the files that belonged to it stay as they are",
				 SHOWN(text_string(&reader.unknown)));
	step->changed = tally.changed > 0;
	return perms_verdict(&tally, request.output.act, f);
}

static int step_undo_wiring(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	const struct okv_job job = step_okv_job(step);

	if (snapshot_read(step->run->root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, f) < 0)
		return -1;
	step->skipped = before.wired;
	if (before.wired)
		return 0;
	if (okv_wiring_remove(&job, &outcome, f) < 0)
		return -1;
	step->changed = outcome.files + outcome.links > 0;
	return 0;
}

/* A membership or group that was not there before goes, by the tree's own gpasswd(1) and groupdel(8). */
static int step_undo_group(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	const struct okv_job job = step_okv_job(step);

	if (snapshot_read(step->run->root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, f) < 0)
		return -1;
	if (!before.group_there)
		return okv_group_remove(&job, &step->changed, f);
	return before.member ? 0 : okv_member_remove(&job, &step->changed, f);
}

/* The record is the last thing to go, so as long as it is there something is left to put back. */
static int step_undone(struct step *step, struct fault *f)
{
	if (step->run->dry_run)
		return 0;
	if (journal_add(step->run->root, UPGRADE_PRE, f, "aborted") < 0)
		return -1;
	return snapshot_remove(step->run->root, SNAPSHOT_BEFORE_DIR, f);
}

static const struct step_row undo_steps[] = {
	{ "records", "our records can be written", 5000, STEP_BEGIN, step_records },
	{ "arming", "post-upgrade does not run at the next boot", 20000, STEP_IF_BEGUN, step_undo_arming },
	{ "modes", "owners and modes as they were", 300000, STEP_IF_BEGUN, step_undo_modes },
	{ "wiring", "OKV's generic files as they were", 30000, STEP_IF_BEGUN, step_undo_wiring },
	{ "group", "the HSM group as it was", 30000, STEP_IF_BEGUN, step_undo_group },
	{ "undone", "write down that no upgrade is prepared", 10000, STEP_IF_CLEAN, step_undone },
};

int hook_pre_abort(struct upgrade_run *run, struct fault *f)
{
	struct journal_history history;
	TEXT_AUTO how = { 0 };

	run->kind = UPGRADE_PRE;
	if (!upgrade_is_undoable(run->root)) {
		struct fault ignored = { 0 };
		/* What a killed run left of a record that has served is in nobody's way. */
		if (!run->dry_run)
			(void)snapshot_remove(run->root, SNAPSHOT_BEFORE_DIR, &ignored);
		return 0;
	}
	if (journal_read(run->root, &history, f) < 0)
		return -1;
	/* On the other side of an upgrade the old owners and modes are nobody's any more. */
	if (upgrade_has_begun(run->root, &history, &how))
		return fault_refused(f,
				     "the upgrade has happened; okv-luna post-upgrade brings everything to the "
				     "everyday policy (%s)",
				     text_string(&how));
	return upgrade_run_steps(run, undo_steps, sizeof(undo_steps) / sizeof(undo_steps[0]), f);
}
