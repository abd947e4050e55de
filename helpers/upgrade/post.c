#include <string.h>

#include "base/time.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "okv/group.h"
#include "upgrade/autostart.h"
#include "upgrade/cause.h"
#include "upgrade/hook.h"
#include "upgrade/scan.h"
#include "upgrade/snapshot.h"

/* Reports what mid-upgrade did: nobody could read its output. */
static int step_mid(struct step *step, struct fault *f)
{
	struct journal_history history;

	if (journal_read(step->run->root, &history, f) < 0)
		return -1;
	const struct journal_event *mid = &history.hooks[UPGRADE_MID];
	if (mid->began != 0 && mid->ended == 0)
		step_add_finding(step, STEP_MEDIUM, "what it said: journalctl -t okv-luna", NULL,
				 "OKV's mid-upgrade step began and did not end: it was killed");
	else if (mid->ended != 0 && !mid->good)
		step_add_finding(step, STEP_MEDIUM, "what it said: journalctl -t okv-luna", NULL,
				 "OKV's mid-upgrade step FAILED: %s",
				 mid->end[0] != '\0' ? mid->end : "no reason was written");
	else if (mid->ended != 0)
		step_add_info(step, "OKV's mid-upgrade step ended: %s", mid->end);
	else if (journal_is_open(&history))
		step_add_finding(step, STEP_MEDIUM, "what it said: journalctl -t okv-luna",
				 "Either OKV was not upgraded, or its upgrade could not run our part; post-upgrade "
				 "makes up for it.",
				 "OKV's mid-upgrade step has left no record since pre-upgrade");
	else
		step->skipped = true;
	return 0;
}

/* 0 with *ret_there false: no snapshot of this machine, or none that can be trusted. */
static int snapshot_get(struct step *step, enum snapshot_part part, struct snapshot *ret_snapshot, bool *ret_there,
			struct fault *f)
{
	*ret_there = hook_snapshot_read(step->run, part, ret_snapshot, f) == 0;
	if (*ret_there || f->kind == FAULT_ABSENT || f->kind == FAULT_REFUSED) {
		*f = (struct fault){ 0 };
		return 0;
	}
	return -1;
}

static int step_slots(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO old = { 0 };
	HSM_ANSWER_AUTO now = HSM_ANSWER_INIT;
	bool there;

	if (step_ask_slots(step, STEP_ASK_ALL, &now, f) < 0 || snapshot_get(step, SNAPSHOT_SLOTS, &old, &there, f) < 0)
		return -1;
	if (!there || !old.slots_known)
		return 0;
	const struct hsm_slot *lost = snapshot_slot_lost(&old, &now);
	if (lost == NULL) {
		step_add_info(step, "the same %zu slot%s as before the upgrade", old.slot_count,
			      old.slot_count == 1 ? "" : "s");
	} else if (step->run->accept) {
		step_add_finding(step, STEP_LOW, NULL, NULL, "slot '%s' (serial %s) is gone, as accepted",
				 SHOWN(lost->label), SHOWN(lost->serial));
	} else {
		(void)step_set_remedy(step, "to see what is there: okv-luna slots; if it is meant to be gone: okv-luna "
					    "post-upgrade --accept");
		return fault_negative(f, "slot '%s' with serial number %s was there before the upgrade and is gone",
				      SHOWN(lost->label), SHOWN(lost->serial));
	}
	return 0;
}

/* --- comparison --------------------------------------------------------------------------------------------------- */

static int comparison_report(struct step *step, const struct scan_differences *result, struct fault *f)
{
	const struct scan_list *lost = &result->lost, *others = &result->others;
	struct text_line first;
	size_t at = 0;

	if (result->attributes > 0)
		step_add_info(step, "%zu entries have another owner, group or mode than before: by policy",
			      result->attributes);
	if (others->count > 0)
		step_add_finding(step, others->severity, NULL, text_string(&others->lines),
				 "%zu entr%s differ%s from the snapshot where that is harmless", others->count,
				 others->count == 1 ? "y" : "ies", others->count == 1 ? "s" : "");
	if (!text_line_next(lost->lines.bytes, lost->lines.length, &at, &first)) {
		step_add_info(step, "%zu entries are as they were", result->same);
		return 0;
	}
	/* The fault names the first one. */
	if (lost->count > 1)
		step_add_finding(step, STEP_HIGH, NULL, text_string(&lost->lines), "%zu preserved entries were changed",
				 lost->count);
	(void)step_set_remedy(step,
			      "put them back from the backup, or, if you changed them: okv-luna post-upgrade --accept");
	return lost->count == 1
		       ? fault_negative(f, "%.*s", (int)first.length, first.bytes)
		       : fault_negative(f, "%.*s, and %zu more", (int)first.length, first.bytes, lost->count - 1);
}

/* Says why there is no usable snapshot of this machine. */
static int nothing_to_compare(struct step *step, const struct journal_history *history)
{
	const int root = step->run->root;
	SNAPSHOT_AUTO old = { 0 };
	SNAPSHOT_AUTO whole = { 0 };
	MACHINE_AUTO now = { 0 };
	TEXT_AUTO reason = { 0 };
	TEXT_AUTO other = { 0 };
	struct fault why = { 0 };

	step->partial = true;
	if (snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_HEAD, &old, &why) < 0 && why.kind == FAULT_REFUSED)
		text_add_format(&reason, "the snapshot cannot be trusted (%s)", why.text);
	else if (why.kind == FAULT_NONE && snapshot_machine_find(root, &now, &why) == 0 &&
		 !snapshot_machine_same(&old.machine, &now, &other))
		text_add_format(&reason, "the snapshot is %s", text_string(&other));
	else if (why.kind == FAULT_NONE && snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_WHOLE, &whole, &why) < 0)
		text_add_format(&reason, "the snapshot %s (%s)",
				why.kind == FAULT_REFUSED ? "cannot be trusted" : "is incomplete", why.text);
	else if (history->hooks[UPGRADE_PRE].good)
		text_add_string(&reason, "the snapshot that pre-upgrade took is gone");
	else if (history->hooks[UPGRADE_PRE].began != 0)
		text_add_string(&reason, "pre-upgrade did not say go, and there is no snapshot");
	else
		text_add_string(&reason, "pre-upgrade was never run on this server");
	step_add_finding(step, STEP_MEDIUM, NULL, NULL, "%s, so it is not known what was there before",
			 text_string(&reason));
	return 0;
}

int step_compare(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	SCAN_AUTO scan = { 0 };
	SNAPSHOT_AUTO old = { 0 };
	const struct scan_request request = { .root = run->root,
					      .settings = run->settings,
					      .depth = SCAN_DIGESTS,
					      .known = &old.manifest,
					      .report = &step->report };
	SCAN_DIFFERENCES_AUTO result = { 0 };
	struct journal_history history;
	bool there;

	if (journal_read(run->root, &history, f) < 0)
		return -1;
	const bool open = journal_is_open(&history);
	if (snapshot_get(step, SNAPSHOT_WHOLE, &old, &there, f) < 0)
		return -1;
	if (!there)
		return nothing_to_compare(step, &history);
	if (snapshot_is_stale(&old, run->started) && open) {
		TEXT_AUTO age = { 0 };
		time_add_age(run->started - old.taken, &age);
		step_add_finding(step, STEP_LOW, NULL, NULL,
				 "the snapshot is stale: %s; a change since it was taken may be your own",
				 text_string(&age));
	}
	/* So step_slots() had nothing to compare with. */
	if (!old.slots_known) {
		step->partial = true;
		step_add_finding(step, STEP_MEDIUM, NULL, NULL,
				 "the snapshot has no slots, so it is not known which slots showed before");
	}
	if (scan_preserved(&request, &scan, f) < 0)
		return -1;

	/* Once the upgrade is proven, later changes are the administrator's own. */
	scan_compare(&old.manifest, &scan.manifest, run->settings, run->accept || !open ? STEP_LOW : STEP_HIGH,
		     &result);
	if (text_check(&result.lost.lines, f) < 0)
		return -1;
	return comparison_report(step, &result, f);
}

static int step_processes(struct step *step, struct fault *f)
{
	struct okv_job job = step_okv_job(step);
	size_t count;

	if (step->run->verdict.kind == FAULT_NONE)
		return okv_processes_without_group(&job, job.settings->okv_user, &count, f);
	/* The room's warning would advise a restart: never while the answer is no. */
	job.report = NULL;
	if (okv_processes_without_group(&job, job.settings->okv_user, &count, f) < 0)
		return -1;
	if (count > 0)
		step_add_finding(step, STEP_LOW, NULL, NULL,
				 "%zu processes of '%s' do not have group '%s' yet, and get it when they are "
				 "restarted; do that only once the slots show",
				 count, job.settings->okv_user, job.settings->hsm_group);
	return 0;
}

/* Journals that the upgrade is over and the group's id that all files have now, then drops the state for --abort. */
static int close_upgrade(const struct upgrade_run *run, const struct journal_history *history, struct fault *f)
{
	const char *group = run->settings->hsm_group;
	TEXT_AUTO groups = { 0 };
	gid_t id;

	if (!run->changed && history->hooks[UPGRADE_POST].good)
		return 0;
	if (fs_read_config(run->root, "/etc/group", &groups, f) < 0)
		return -1;
	if (accounts_group_find(&groups, group, &id) && (!history->group_known || history->group_id != id) &&
	    journal_add(run->root, UPGRADE_POST, f, "group %lu %s", (unsigned long)id, group) < 0)
		return -1;
	if (journal_add(run->root, UPGRADE_POST, f, "end %s",
			upgrade_outcome_of(run, step_compare) == STEP_PARTIAL ? "accepted" : "proven") < 0)
		return -1;
	return snapshot_remove(run->root, SNAPSHOT_BEFORE_DIR, f);
}

const char *hook_unproven_remedy(const struct journal_history *history)
{
	return text_starts(history->hooks[UPGRADE_POST].end, "unproven") ? "okv-luna post-upgrade --accept"
									 : "okv-luna post-upgrade";
}

/* Journals the end before it disables the unit: if killed between them, we run once too often, not once too few. */
static int step_disarm(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	const struct okv_job job = step_okv_job(step);
	struct journal_history history;

	/* Without a comparison only --accept ends the upgrade. */
	if (upgrade_outcome_of(run, step_compare) == STEP_PARTIAL && !run->accept) {
		step->skipped = true;
		return run->dry_run ? 0 : journal_add(run->root, UPGRADE_POST, f, UPGRADE_UNPROVEN);
	}
	if (!run->dry_run && (journal_read(step->run->root, &history, f) < 0 || close_upgrade(run, &history, f) < 0))
		return -1;
	return autostart_disable(&job, &step->changed, f);
}

static const struct step_row steps[] = {
	{ "records", "our records can be written", 5000, STEP_ALWAYS, step_records },
	{ "mid-upgrade", "what OKV's mid-upgrade step left on record", 5000, STEP_ALWAYS, step_mid },
	{ "group", "the HSM group exists", 20000, STEP_ALWAYS, step_group },
	{ "member", "OKV's user is in the HSM group", 20000, STEP_ALWAYS, step_member },
	{ "reown", "files with the old group id get the new one", 60000, STEP_ALWAYS, step_reown },
	{ "wiring", "wire OKV's generic files and our links", 30000, STEP_ALWAYS, step_wire },
	{ "repair", "owners and modes to the post-upgrade policy", 60000, STEP_ALWAYS, step_repair },
	{ "slots", "the HSM as OKV's user sees it, and as before", 0, STEP_ALWAYS, step_slots },
	{ "compare", "preserved files are as they were", 120000, STEP_ALWAYS, step_compare },
	{ "processes", "running processes of OKV's user have the group", 10000, STEP_ALWAYS, step_processes },
	{ "disarming", "post-upgrade does not run at the next boot any more", 10000, STEP_IF_CLEAN, step_disarm },
};

int hook_post_upgrade(struct upgrade_run *run, struct fault *f)
{
	run->kind = UPGRADE_POST;
	if (upgrade_run_merged(run, steps, sizeof(steps) / sizeof(steps[0]), f) < 0)
		return -1;
	if (run->verdict.kind == FAULT_NONE)
		return 0;
	const struct step_result *compare = upgrade_result_of(run, step_compare);
	const bool compared = compare != NULL && strcmp(compare->fault.text, run->verdict.text) == 0;
	hook_note(run, "end failed %s%.300s", compared ? UPGRADE_COMPARE : "", run->verdict.text);
	return 0;
}
