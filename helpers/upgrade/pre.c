#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/time.h"
#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/group.h"
#include "okv/release.h"
#include "okv/wiring.h"
#include "perms/apply.h"
#include "perms/journal.h"
#include "perms/repair.h"
#include "upgrade/autostart.h"
#include "upgrade/hook.h"
#include "upgrade/scan.h"
#include "upgrade/snapshot.h"

enum { MEBI = 1024 * 1024, SPARE_BYTES = 64 * MEBI, MANIFEST_LINE = 256 };

/* --- the state to return to --------------------------------------------------------------------------------------- */

/* A value that assign_set can write. */
static char *value_take(struct text *t)
{
	for (size_t i = 0; i < t->length; i++)
		if (t->bytes[i] == '"' || (unsigned char)t->bytes[i] < ' ' || (unsigned char)t->bytes[i] > '~')
			t->bytes[i] = '?';
	return t->length > 0 ? text_take(t) : strdup("");
}

/* All but manifest and slots-> */
static int system_look(const struct upgrade_run *run, struct snapshot *s, struct fault *f)
{
	const int root = run->root;
	const struct settings *settings = run->settings;
	TEXT_AUTO os = { 0 };
	TEXT_AUTO okv = { 0 };
	TEXT_AUTO members = { 0 };
	TEXT_AUTO group = { 0 };
	TEXT_AUTO passwd = { 0 };
	struct accounts_user user;

	okv_release_find(root, &os, &okv);
	if (fs_read_config(root, "/etc/group", &group, f) < 0 || fs_read_config(root, "/etc/passwd", &passwd, f) < 0)
		return -1;
	s->group_there = accounts_group_find(&group, settings->hsm_group, &s->group_id);
	if (s->group_there)
		accounts_group_members(&group, settings->hsm_group, &members);
	s->member =
		s->group_there && (accounts_group_lists(&group, settings->hsm_group, settings->okv_user) ||
				   (accounts_user_find(&passwd, settings->okv_user, &user) && user.gid == s->group_id));
	enum okv_wiring wiring;
	if (okv_wiring_find(root, &wiring, f) < 0 || autostart_is_enabled(root, &s->armed, f) < 0)
		return -1;
	s->wired = wiring != OKV_WIRING_NONE;
	s->taken = time_now();
	s->os = value_take(&os);
	s->okv = value_take(&okv);
	s->members = value_take(&members);
	s->group = strdup(settings->hsm_group);
	if (s->os == NULL || s->okv == NULL || s->members == NULL || s->group == NULL)
		return fault_memory(f);
	return 0;
}

/* Everything that a snapshot holds but the slots. */
static int state_take(struct step *step, enum scan_depth depth, struct snapshot *state, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	const struct scan_request request = {
		.root = run->root, .settings = run->settings, .depth = depth, .report = &step->report
	};
	SCAN_AUTO scan = { 0 };

	if (scan_preserved(&request, &scan, f) < 0 || system_look(run, state, f) < 0)
		return -1;
	state->manifest = scan.manifest;
	scan.manifest = (struct manifest){ 0 };
	return 0;
}

/* One that cannot be read is there nevertheless: whoever needs it is told why. */
static bool before_exists(int root)
{
	SNAPSHOT_AUTO head = { 0 };
	struct fault why = { 0 };

	return snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &head, &why) == 0 || why.kind != FAULT_ABSENT;
}

static bool upgrade_has_begun(const struct journal_history *history)
{
	return history->hooks[UPGRADE_MID].began != 0 || history->hooks[UPGRADE_POST].began != 0;
}

/*
 * Written down once per upgrade, before anything is touched: owners and modes of every preserved entry, whether the
 * group was there and OKV's user in it, whether OKV's files were wired and the unit enabled.
 */
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
	/* What an upgrade may have cost must not be forgotten by a new snapshot. */
	if (open && upgrade_has_begun(&history)) {
		(void)step_set_remedy(step, "okv-luna post-upgrade");
		return fault_refused(f, "the last upgrade is not proven yet; run okv-luna post-upgrade first");
	}
	if (open && before_exists(run->root)) {
		step->skipped = true;
		return 0;
	}
	step->changed = true;
	if (run->dry_run)
		return 0;
	if (state_take(step, SCAN_ATTRIBUTES, &before, f) < 0 ||
	    snapshot_write(run->root, SNAPSHOT_BEFORE_DIR, &before, f) < 0)
		return -1;
	return journal_add(run->root, UPGRADE_PRE, f, "begin %s", OKV_LUNA_VERSION);
}

/* --- checks, and the snapshot ------------------------------------------------------------------------------------- */

static int step_config(struct step *step, struct fault *f)
{
	OKV_FINDINGS_AUTO findings = { 0 };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct fault ignored = { 0 };
	struct okv_job job = step_okv_job(step);

	if (okv_check(&job, &findings, f) < 0)
		return step_set_remedy(step, "okv-luna config check");
	/* What the wiring is about to fix is not held against it; the step after this one looks again, and says it. */
	job.mode = OKV_PLAN;
	job.report = NULL;
	const bool will_wire = okv_wiring_apply(&job, &outcome, &ignored) == 0 && outcome.files > 0;
	if (will_wire && !step->run->dry_run)
		step_add_info(step, "%u of OKV's generic files are not wired yet", outcome.files);
	else
		step_add_okv_findings(step, &findings, will_wire ? STEP_LOW : STEP_HIGH);
	return 0;
}

/* What the snapshot itself takes, and what the client takes once more while OKV carries it over. */
static int step_space(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	SCAN_AUTO scan = { 0 };
	static const char *const places[] = { SETTINGS_VAR, "/" };
	const struct scan_request request = { .root = run->root, .settings = run->settings, .depth = SCAN_COUNT };

	if (scan_preserved(&request, &scan, f) < 0)
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
			return fault_system(f, errno, "cannot tell how much room '%s' has", places[i]);
		const uint64_t left = (uint64_t)free_now.f_bavail * free_now.f_frsize;
		if (left < wanted[i])
			step_add_finding(step, STEP_HIGH, "df -h", NULL,
					 "'%s' has %llu MiB free, at least %llu are needed", places[i],
					 (unsigned long long)(left / MEBI), (unsigned long long)(wanted[i] / MEBI + 1));
		if (free_now.f_files > 0 && free_now.f_favail < 256)
			step_add_finding(step, STEP_HIGH, "df -i", NULL,
					 "'%s' has %llu inodes free, at least 256 are needed", places[i],
					 (unsigned long long)free_now.f_favail);
	}
	step_add_info(step, "%zu entries with %llu MiB are to be preserved", scan.entries,
		      (unsigned long long)(scan.bytes / MEBI));
	return 0;
}

/* Slots that are proven stay so until the slots are asked again. */
static int slots_carry(int root, struct snapshot *s, struct fault *f)
{
	SNAPSHOT_AUTO old = { 0 };
	struct fault why = { 0 };

	if (snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_SLOTS, &old, &why) < 0)
		return fs_absence(&why, f);
	if (!old.slots_known)
		return 0;
	s->slots = old.slots;
	s->slots_known = true;
	old.slots = (struct snapshot_slots){ .items = NULL };
	return 0;
}

static int step_snapshot(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	SNAPSHOT_AUTO s = { 0 };

	if (state_take(step, SCAN_DIGESTS, &s, f) < 0)
		return -1;
	step->changed = true;
	step_add_info(step, "%zu entries with their SHA-256", s.manifest.count);
	if (run->dry_run)
		return 0;
	if (slots_carry(run->root, &s, f) < 0 || snapshot_write(run->root, SNAPSHOT_DIR, &s, f) < 0)
		return step_set_remedy(step, "df -h %s", SETTINGS_VAR);
	/* From here on mid-upgrade knows the id that the files carry. */
	if (s.group_there)
		return journal_add(run->root, UPGRADE_PRE, f, "group %lu %s", (unsigned long)s.group_id, s.group);
	return 0;
}

static int step_slots(struct step *step, struct fault *f)
{
	struct snapshot_slots slots = { .items = NULL };
	int r = step_ask_slots(step, &slots, f);

	/* A snapshot that was not taken now is none of this upgrade's. */
	if (r == 0 && !step->run->dry_run && step->run->verdict.kind == FAULT_NONE)
		r = snapshot_add_slots(step->run->root, &slots, f);
	snapshot_slots_done(&slots);
	return r;
}

/* The upgrade believes a go only when it is written. */
static int step_go(struct step *step, struct fault *f)
{
	return step->run->dry_run ? 0 : journal_add(step->run->root, UPGRADE_PRE, f, "end go");
}

static const struct step_row steps[] = {
	{ "records", "our records can be written", 5000, STEP_BEGIN, step_records },
	{ "before", "write down the state to return to", 120000, STEP_BEGIN, step_before },
	{ "config", "check OKV's generic files and Chrystoki.conf", 20000, STEP_ALWAYS, step_config },
	{ "wiring", "wire OKV's generic files and our links", 30000, STEP_IF_BEGUN, step_wire },
	{ "space", "free space for snapshot and upgrade", 60000, STEP_ALWAYS, step_space },
	{ "group", "the HSM group exists", 20000, STEP_IF_BEGUN, step_group },
	{ "member", "OKV's user is in the HSM group", 20000, STEP_IF_BEGUN, step_member },
	{ "snapshot", "snapshot of what must be preserved", 600000, STEP_IF_CLEAN, step_snapshot },
	{ "repair", "owners and modes to the pre-upgrade policy", 300000, STEP_IF_CLEAN, step_repair },
	{ "slots", "the HSM as OKV's user sees it", 0, STEP_ALWAYS, step_slots },
	{ "arming", "let post-upgrade run at the next boot", 20000, STEP_IF_CLEAN, step_autostart },
	{ "go", "write down that the upgrade may begin", 5000, STEP_IF_CLEAN, step_go },
};

int hook_pre_upgrade(struct upgrade_run *run, struct fault *f)
{
	run->kind = UPGRADE_PRE;
	if (upgrade_run_steps(run, steps, sizeof(steps) / sizeof(steps[0]), f) < 0)
		return -1;
	if (run->verdict.kind != FAULT_NONE)
		hook_note(run, "end no %.300s", run->verdict.text);
	return 0;
}

/* --- and back ----------------------------------------------------------------------------------------------------- */

static int step_undo_arming(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	const struct okv_job job = step_okv_job(step);

	if (snapshot_read(step->run->root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, f) < 0)
		return -1;
	step->skipped = before.armed;
	return before.armed ? 0 : autostart_disable(&job, &step->changed, f);
}

static mode_t type_of(enum manifest_type type)
{
	switch (type) {
	case MANIFEST_FILE:
		return S_IFREG;
	case MANIFEST_DIR:
		return S_IFDIR;
	case MANIFEST_LINK:
	case MANIFEST_OTHER:
		break;
	}
	return 0;
}

/* 1: what has to be done to the entry; 0: nothing has to. */
static int record_make(int root, const struct manifest_entry *entry, char path[PATH_MAX],
		       struct perms_record *ret_record, struct fault *f)
{
	struct stat st;
	struct fault why = { 0 };
	const size_t length = strlen(entry->path);

	if (!entry->has_attributes || type_of(entry->type) == 0 || length + 2 > PATH_MAX)
		return 0;
	path[0] = '/';
	memcpy(path + 1, entry->path, length + 1);
	if (fs_status(root, path, FS_FOLLOW_TRUSTED, &st, &why) < 0)
		return fs_absence(&why, f);
	if ((st.st_mode & S_IFMT) != type_of(entry->type) ||
	    (st.st_uid == entry->uid && st.st_gid == entry->gid && (st.st_mode & 07777) == entry->mode))
		return 0;
	*ret_record = (struct perms_record){
		.path = path,
		.type = st.st_mode & S_IFMT,
		.device = st.st_dev,
		.inode = st.st_ino,
		.from = { .uid = st.st_uid, .gid = st.st_gid, .mode = st.st_mode & 07777 },
		.to = { .uid = entry->uid, .gid = entry->gid, .mode = entry->mode },
		.modified = st.st_mtim,
		.changed = st.st_ctim,
	};
	return 1;
}

/*
 * Gives every entry that is still what it was (type and path) its owner, group and mode back, by a journal of the room
 * perms: narrow, owner, widen, and finished by the next run where it was killed.  New entries stay as they are.
 */
static int step_undo_modes(struct step *step, struct fault *f)
{
	const int root = step->run->root;
	const enum perms_act what = step->run->dry_run ? PERMS_PLAN : PERMS_APPLY;
	SNAPSHOT_AUTO before = { 0 };
	PERMS_JOURNAL_AUTO journal = PERMS_JOURNAL_INIT;
	const struct perms_output output = { .report = &step->report };
	struct perms_tally tally = { .entries = 0 };
	size_t count = 0;

	if (snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_WHOLE, &before, f) < 0)
		return -1;
	for (size_t i = 0; i < before.manifest.count; i++) {
		char path[PATH_MAX];
		struct perms_record record;
		const int r = record_make(root, &before.manifest.entries[i], path, &record, f);
		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		if (what == PERMS_APPLY && ((count == 0 && perms_journal_new(root, &journal, f) < 0) ||
					    perms_journal_add(&journal, &record, f) < 0))
			return -1;
		count++;
	}
	if (count > 0)
		report_say(&step->report, REPORT_RESULT,
			   "%zu entries get the owner and mode they had before pre-upgrade", count);
	if (count > 0 && what == PERMS_APPLY &&
	    (perms_journal_seal(&journal, f) < 0 || perms_journal_rewind(&journal, f) < 0 ||
	     perms_apply(root, &journal, PERMS_FORTH, &output, &tally, f) < 0 ||
	     perms_journal_mark(&journal, PERMS_JOURNAL_DONE, f) < 0))
		return -1;
	step->changed = count > 0;
	return perms_verdict(&tally, what, f);
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

	run->kind = UPGRADE_PRE;
	if (!before_exists(run->root)) {
		struct fault ignored = { 0 };
		/* What a killed run left of a record that has served is in nobody's way. */
		if (!run->dry_run)
			(void)snapshot_remove(run->root, SNAPSHOT_BEFORE_DIR, &ignored);
		return 0;
	}
	if (journal_read(run->root, &history, f) < 0)
		return -1;
	/* On the other side of an upgrade the old owners and modes are nobody's any more. */
	if (upgrade_has_begun(&history))
		return fault_refused(f, "the upgrade has happened; okv-luna post-upgrade brings everything to the "
					"everyday policy");
	return upgrade_run_steps(run, undo_steps, sizeof(undo_steps) / sizeof(undo_steps[0]), f);
}
