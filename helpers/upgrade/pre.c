/* pre-upgrade, and --abort, which undoes it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/time.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/group.h"
#include "okv/wiring.h"
#include "perms/repair.h"
#include "upgrade/autostart.h"
#include "upgrade/cause.h"
#include "upgrade/hook.h"
#include "upgrade/rehearse.h"
#include "upgrade/scan.h"
#include "upgrade/snapshot.h"

enum { MEBI = 1024 * 1024, SPARE_BYTES = 64 * MEBI, MANIFEST_LINE = 256, NAMES_MAX = 4096 };

/* --- state before the upgrade ------------------------------------------------------------------------------------- */

/* The names of the ids in the manifest: "0=root,54321=oracle". */
static char *names_of(const struct manifest *manifest, bool users, const struct text *accounts)
{
	TEXT_AUTO names = { 0 };
	TEXT_AUTO seen = { 0 };

	for (size_t i = 0; i < manifest->count; i++) {
		const struct manifest_entry *entry = &manifest->entries[i];
		const uint32_t id = users ? entry->uid : entry->gid;
		TEXT_AUTO name = { 0 };
		if (!entry->has_attributes || names.length > NAMES_MAX ||
		    snapshot_name(text_string(&names), id, &seen) ||
		    !(users ? accounts_user_name : accounts_group_name)(accounts, id, &name))
			continue;
		text_add_format(&names, "%s%lu=%s", names.length > 0 ? "," : "", (unsigned long)id, text_string(&name));
	}
	return names.failed ? NULL : snapshot_machine_value(&names);
}

/* Fills all but the slots; the manifest is there already. */
static int system_read(const struct upgrade_run *run, struct snapshot *s, struct fault *f)
{
	const int root = run->root;
	const struct settings *settings = run->settings;
	TEXT_AUTO members = { 0 };
	TEXT_AUTO group = { 0 };
	TEXT_AUTO passwd = { 0 };
	struct accounts_user user;

	if (snapshot_machine_find(root, &s->machine, f) < 0 || fs_read_config(root, "/etc/group", &group, f) < 0 ||
	    fs_read_config(root, "/etc/passwd", &passwd, f) < 0)
		return -1;
	s->group_there = accounts_group_find(&group, settings->hsm_group, &s->group_id);
	if (s->group_there)
		accounts_group_members(&group, settings->hsm_group, &members);
	s->member =
		s->group_there && (accounts_group_lists(&group, settings->hsm_group, settings->okv_user) ||
				   (accounts_user_find(&passwd, settings->okv_user, &user) && user.gid == s->group_id));
	enum okv_wiring wiring;
	if (okv_wiring_find(root, &wiring, f) < 0 || fs_existence(root, AUTOSTART_UNIT_WANTED, &s->armed, f) < 0)
		return -1;
	s->wired = wiring != OKV_WIRING_NONE;
	s->taken = time_now();
	s->members = snapshot_machine_value(&members);
	s->users = names_of(&s->manifest, true, &passwd);
	s->groups = names_of(&s->manifest, false, &group);
	s->group = strdup(settings->hsm_group);
	if (s->members == NULL || s->users == NULL || s->groups == NULL || s->group == NULL)
		return fault_memory(f);
	return 0;
}

/* Fills a snapshot, except for the slots. */
static int state_read(struct step *step, enum scan_depth depth, struct snapshot *state, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	const struct scan_request request = {
		.root = run->root, .settings = run->settings, .depth = depth, .report = &step->report
	};
	SCAN_AUTO scan = { 0 };

	if (scan_preserved(&request, &scan, f) < 0)
		return -1;
	state->manifest = scan.manifest;
	scan.manifest = (struct manifest){ 0 };
	return system_read(run, state, f);
}

/* True if --abort has a record to work from, even if it cannot be read: its reader then says why. */
static bool is_undoable(int root)
{
	SNAPSHOT_AUTO head = { 0 };
	struct fault why = { 0 };

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
	if (strcmp(history->hooks[UPGRADE_PRE].end, "upgraded") == 0) {
		text_add_string(ret_how, "OKV's upgrade has run");
		return true;
	}
	/* If the new OKV replaced its generic files, mid-upgrade did not run: compare the releases. */
	return snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, &ignored) == 0 &&
	       snapshot_machine_find(root, &now, &ignored) == 0 &&
	       snapshot_machine_upgraded(&before.machine, &now, ret_how);
}

/* Once per upgrade, before the first change: records what --abort restores (owners, modes, group, wiring, unit). */
static int step_before(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	SNAPSHOT_AUTO before = { 0 };
	struct journal_history history;

	if (journal_read(run->root, &history, f) < 0)
		return -1;
	const bool open = journal_is_open(&history);
	if (!run->dry_run && !open && journal_rotate(run->root, f) < 0)
		return -1;
	/* A new snapshot now would hide what the last upgrade may have lost. */
	TEXT_AUTO how = { 0 };
	if (open && upgrade_has_begun(run->root, &history, &how)) {
		(void)step_set_remedy(step, "%s", hook_unproven_remedy(&history));
		return fault_refused(f, "the last upgrade is not proven yet: %s", text_string(&how));
	}
	if (open && is_undoable(run->root)) {
		step->skipped = true;
		return 0;
	}
	step->changed = true;
	if (run->dry_run)
		return 0;
	if (state_read(step, SCAN_ATTRIBUTES, &before, f) < 0 ||
	    snapshot_write(run->root, SNAPSHOT_BEFORE_DIR, &before, f) < 0)
		return -1;
	return journal_add(run->root, UPGRADE_PRE, f, "begin %s", OKV_LUNA_VERSION);
}

/* --- checks, and the snapshot ------------------------------------------------------------------------------------- */

int step_config(struct step *step, struct fault *f)
{
	FINDING_LIST_AUTO findings = { 0 };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct fault ignored = { 0 };
	struct okv_job job = step_okv_job(step);

	if (okv_check(&job, &findings, f) < 0)
		return step_set_remedy(step, "to see why: okv-luna config check");
	job.mode = OKV_PLAN;
	job.report = NULL;
	const bool can_wire = okv_wiring_apply(&job, &outcome, &ignored) == 0;
	/* step_wire() fixes what it can and checks again.  If it cannot wire, the other findings are the cause. */
	const bool will_wire = can_wire && outcome.files > 0;
	if (!can_wire)
		finding_list_drop(&findings, okv_check_is_of_wiring);
	if (will_wire && !step->run->dry_run)
		step_add_info(step, "%u of OKV's generic files are not wired yet", outcome.files);
	else
		step_add_okv_findings(step, &findings, will_wire ? STEP_LOW : STEP_HIGH);
	return 0;
}

/* Room for the snapshot in var/, and in "/" for the copy of the preserved files that OKV's upgrade makes. */
static int step_space(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	SCAN_AUTO scan = { 0 };
	static const char *const places[] = { SETTINGS_VAR, "/" };
	const struct scan_request request = { .root = run->root, .settings = run->settings, .depth = SCAN_COUNT };

	if (scan_preserved(&request, &scan, f) < 0)
		return -1;
	/* Others may write some of these files: name the largest, in case it is why room is short. */
	TEXT_AUTO largest = { 0 };
	text_add_format(&largest, "the largest file to be preserved: '%s', %llu MiB",
			SHOWN(text_string(&scan.largest_path)), (unsigned long long)(scan.largest / MEBI));
	if (text_check(&largest, f) < 0)
		return -1;
	const uint64_t wanted[] = { 3 * scan.entries * MANIFEST_LINE + SPARE_BYTES / 8, scan.bytes + SPARE_BYTES };

	for (size_t i = 0; i < 2; i++) {
		FS_AUTO int dir = -1;
		struct fault why = { 0 };
		struct statvfs free_now;
		if (fs_dir_open(run->root, places[i], FS_FOLLOW_TRUSTED, &dir, &why) < 0) {
			if (fs_absence(&why, f) < 0)
				return -1;
			continue;
		}
		if (fstatvfs(dir, &free_now) < 0)
			return fault_system(f, errno, "cannot determine the free space of '%s'", places[i]);
		const uint64_t left = (uint64_t)free_now.f_bavail * free_now.f_frsize;
		if (left < wanted[i])
			step_add_finding(step, STEP_HIGH, "make room: df -h", i == 0 ? NULL : text_string(&largest),
					 "'%s' has %llu MiB free, at least %llu are needed", places[i],
					 (unsigned long long)(left / MEBI), (unsigned long long)(wanted[i] / MEBI + 1));
		if (free_now.f_files > 0 && free_now.f_favail < 256)
			step_add_finding(step, STEP_HIGH, "make room: df -i", NULL,
					 "'%s' has %llu inodes free, at least 256 are needed", places[i],
					 (unsigned long long)free_now.f_favail);
	}
	step_add_info(step, "%zu entries with %llu MiB are to be preserved", scan.entries,
		      (unsigned long long)(scan.bytes / MEBI));
	return 0;
}

/* A new snapshot keeps the slots of the old one until step_slots() replaces them. */
static int slots_keep(int root, struct snapshot *s, struct fault *f)
{
	SNAPSHOT_AUTO old = { 0 };
	struct fault why = { 0 };

	if (snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_SLOTS, &old, &why) < 0)
		return fs_absence(&why, f);
	if (!old.slots_known)
		return 0;
	s->slots = old.slots;
	s->slot_count = old.slot_count;
	s->slots_known = true;
	old.slots = NULL;
	return 0;
}

static int step_snapshot(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	SNAPSHOT_AUTO s = { 0 };

	if (state_read(step, SCAN_DIGESTS, &s, f) < 0)
		return -1;
	step->changed = true;
	step_add_info(step, "%zu entries with their SHA-256", s.manifest.count);
	if (run->dry_run)
		return 0;
	if (slots_keep(run->root, &s, f) < 0 || snapshot_write(run->root, SNAPSHOT_DIR, &s, f) < 0)
		return step_set_remedy(step, "make room; to see how much is free: df -h %s", SETTINGS_VAR);
	/* mid-upgrade finds the files to re-own by this id. */
	if (s.group_there)
		return journal_add(run->root, UPGRADE_PRE, f, "group %lu %s", (unsigned long)s.group_id, s.group);
	return 0;
}

static int step_slots(struct step *step, struct fault *f)
{
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;

	if (step_ask_slots(step, STEP_ASK_ALL, &answer, f) < 0)
		return -1;
	/* After a failure step_snapshot() did not run, and the snapshot is an older one. */
	return step->run->dry_run || step->run->verdict.kind != FAULT_NONE
		       ? 0
		       : snapshot_add_slots(step->run->root, &answer, f);
}

/* Runs after the slots: an HSM that does not answer now would fail the rehearsal whatever is preserved. */
static int step_rehearse(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	REHEARSE_RESULT_AUTO result = { .plays = { { .played = false } } };
	const struct rehearse_request request = { .root = run->root,
						  .root_path = run->root_path,
						  .settings = run->settings,
						  .key = run->key,
						  .bound_ms = REHEARSE_BOUND_MS };
	struct fault why = { 0 };

	step->skipped = run->dry_run || run->skip_rehearsal;
	if (step->skipped) {
		step_add_info(step, "not rehearsed: %s",
			      run->dry_run ? "nothing is wired in a dry run" : "as requested");
		return 0;
	}
	if (rehearse_run(&request, &result, &why) == 0) {
		step_add_info(step,
			      "the HSM answered from what is preserved, with OKV's generic files and with new ones");
		return 0;
	}
	if (why.kind != FAULT_NEGATIVE) {
		/* Rehearsing is not possible here: the other checks, which all passed, decide. */
		step->skipped = true;
		step_add_finding(step, STEP_LOW, NULL, NULL, "%s", why.text);
		return 0;
	}
	const struct rehearse_play *lost = rehearse_result_lost(&result);
	if (lost != NULL && lost->remedy != NULL)
		(void)step_set_remedy(step, "%s", lost->remedy);
	*f = why;
	return -1;
}

/* The answer is "go" only if the journal has it. */
static int step_go(struct step *step, struct fault *f)
{
	return step->run->dry_run ? 0 : journal_add(step->run->root, UPGRADE_PRE, f, "end go");
}

static const struct step_row pre_steps[] = {
	{ "records", "our records can be written", 5000, STEP_RECORD, step_records },
	{ "before", "write down the state to return to", 120000, STEP_RECORD, step_before },
	{ "config", "check OKV's generic files and Chrystoki.conf", 20000, STEP_ALWAYS, step_config },
	{ "wiring", "wire OKV's generic files and our links", 30000, STEP_IF_RECORDED, step_wire },
	{ "space", "free space for snapshot and upgrade", 60000, STEP_ALWAYS, step_space },
	{ "group", "the HSM group exists", 20000, STEP_IF_RECORDED, step_group },
	{ "member", "OKV's user is in the HSM group", 20000, STEP_IF_RECORDED, step_member },
	{ "snapshot", "snapshot of what must be preserved", 600000, STEP_IF_CLEAN, step_snapshot },
	{ "repair", "owners and modes to the pre-upgrade policy", 300000, STEP_IF_CLEAN, step_repair },
	{ "slots", "the HSM as OKV's user sees it", 0, STEP_ALWAYS, step_slots },
	{ "rehearsal", "the upgrade rehearsed in memory", REHEARSE_BOUND_MS + 5000, STEP_IF_CLEAN, step_rehearse },
	{ "arming", "let post-upgrade run at the next boot", 20000, STEP_IF_CLEAN, step_autostart },
	{ "go", "write down that the upgrade may begin", 5000, STEP_IF_CLEAN, step_go },
};

int hook_pre_upgrade(struct upgrade_run *run, struct fault *f)
{
	run->kind = UPGRADE_PRE;
	if (upgrade_run_merged(run, pre_steps, sizeof(pre_steps) / sizeof(pre_steps[0]), f) < 0)
		return -1;
	/* Refused because of the last upgrade, it does not belong into the record of that upgrade. */
	run->unbegun = upgrade_outcome_of(run, step_before) == STEP_FAILED;
	if (run->verdict.kind != FAULT_NONE && !run->unbegun)
		hook_note(run, "end no %.300s", run->verdict.text);
	return 0;
}

/* --- --abort ----------------------------------------------------------------------------------------------------- */

static int step_undo_arming(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	const struct okv_job job = step_okv_job(step);

	if (snapshot_read(step->run->root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, f) < 0)
		return -1;
	step->skipped = before.armed;
	return before.armed ? 0 : autostart_disable(&job, &step->changed, f);
}

/* Gives perms the recorded entries one by one, with owners and groups looked up by name: ids may have changed. */
struct reader {
	const struct snapshot *before;
	struct text passwd, groups;
	size_t next;
	char path[PATH_MAX];
	struct text unknown; /* the first name that no longer exists */
};

static void reader_done(struct reader *reader)
{
	text_done(&reader->passwd);
	text_done(&reader->groups);
	text_done(&reader->unknown);
}

/* Replaces the recorded id by today's id of its name; an id that had no name stays.  False: the name is gone. */
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

/* Restores owner, group and mode of entries that are unchanged since pre-upgrade (perms_put_back). */
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

/* True if the group owns what is to be preserved: a client that was installed since, for example. */
static int group_is_used(struct step *step, bool *ret_used, struct fault *f)
{
	SNAPSHOT_AUTO now = { 0 };
	bool used = false;

	if (state_read(step, SCAN_ATTRIBUTES, &now, f) < 0)
		return -1;
	for (size_t i = 0; now.group_there && i < now.manifest.count; i++)
		used = used || (now.manifest.entries[i].has_attributes && now.manifest.entries[i].gid == now.group_id);
	*ret_used = used;
	return 0;
}

/* Removes the group, or OKV's user from it, if pre-upgrade added it and nothing needs it since. */
static int step_undo_group(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	const struct okv_job job = step_okv_job(step);

	if (snapshot_read(step->run->root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, f) < 0)
		return -1;
	bool used = false;
	if (!before.member && group_is_used(step, &used, f) < 0)
		return -1;
	if (used) {
		step_add_info(step, "group '%s' and its member stay: files belong to it now",
			      step->run->settings->hsm_group);
		step->skipped = true;
		return 0;
	}
	if (!before.group_there)
		return okv_group_remove(&job, &step->changed, f);
	return before.member ? 0 : okv_member_remove(&job, &step->changed, f);
}

/* Removes the record last: after a kill, --abort runs again. */
static int step_undone(struct step *step, struct fault *f)
{
	if (step->run->dry_run)
		return 0;
	if (journal_add(step->run->root, UPGRADE_PRE, f, "aborted") < 0)
		return -1;
	return snapshot_remove(step->run->root, SNAPSHOT_BEFORE_DIR, f);
}

static const struct step_row undo_steps[] = {
	{ "records", "our records can be written", 5000, STEP_RECORD, step_records },
	{ "arming", "post-upgrade does not run at the next boot", 20000, STEP_IF_RECORDED, step_undo_arming },
	{ "modes", "owners and modes as they were", 300000, STEP_IF_RECORDED, step_undo_modes },
	{ "wiring", "OKV's generic files as they were", 30000, STEP_IF_RECORDED, step_undo_wiring },
	{ "group", "the HSM group as it was", 30000, STEP_IF_RECORDED, step_undo_group },
	{ "undone", "write down that no upgrade is prepared", 10000, STEP_IF_CLEAN, step_undone },
};

int hook_pre_abort(struct upgrade_run *run, struct fault *f)
{
	struct journal_history history;
	TEXT_AUTO how = { 0 };

	run->kind = UPGRADE_PRE;
	if (!is_undoable(run->root)) {
		struct fault ignored = { 0 };
		/* Remove what a killed --abort left of the record. */
		if (!run->dry_run)
			(void)snapshot_remove(run->root, SNAPSHOT_BEFORE_DIR, &ignored);
		return 0;
	}
	if (journal_read(run->root, &history, f) < 0)
		return -1;
	/* After an upgrade the recorded owners and modes do not apply to the new system. */
	if (upgrade_has_begun(run->root, &history, &how))
		return fault_refused(f,
				     "it is too late to call the upgrade off, since %s; okv-luna post-upgrade brings "
				     "everything to the everyday policy",
				     text_string(&how));
	/* A record that is damaged, or that others can write, could give files to anybody. */
	SNAPSHOT_AUTO before = { 0 };
	struct fault why = { 0 };
	if (snapshot_read(run->root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_WHOLE, &before, &why) < 0 &&
	    (why.kind == FAULT_REFUSED || why.kind == FAULT_ABSENT))
		return fault_refused(f,
				     "what pre-upgrade found, in '" SNAPSHOT_BEFORE_DIR "', cannot be put back: %s; to "
				     "go to the everyday state instead: okv-luna post-upgrade --accept",
				     why.text);
	return upgrade_run_merged(run, undo_steps, sizeof(undo_steps) / sizeof(undo_steps[0]), f);
}
