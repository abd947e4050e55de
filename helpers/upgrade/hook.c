#include "upgrade/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "conf/accounts.h"
#include "conf/preserved.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "fs/walk.h"
#include "hsm/diagnosis.h"
#include "hsm/verdict.h"
#include "okv/group.h"
#include "okv/wiring.h"
#include "perms/repair.h"
#include "upgrade/autostart.h"
#include "upgrade/cause.h"
#include "upgrade/scan.h"

enum { ACCOUNT_TOOL_MS = 8000 };

/* False if step_records() failed: what cannot be written is not tried again. */
static bool records_are_writable(const struct upgrade_run *run)
{
	return upgrade_outcome_of(run, step_records) != STEP_FAILED;
}

void hook_note(struct upgrade_run *run, const char *format, ...)
{
	char line[700];
	struct fault why = { 0 };
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (!run->dry_run && records_are_writable(run) && journal_add(run->root, run->kind, &why, "%s", line) < 0)
		text_add_format(&run->complaints, "%s\n", why.text);
}

void hook_report_save(struct upgrade_run *run, const struct text *json)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault why = { 0 };
	char path[128];

	if (run->dry_run || run->result_count == 0 || !records_are_writable(run))
		return;
	(void)snprintf(path, sizeof(path), SETTINGS_VAR "/%s.json", upgrade_hook_name(run->kind));
	if (fs_publish(run->root, path, FS_FOLLOW_TRUSTED, text_string(json), json->length, &how, &why) < 0)
		text_add_format(&run->complaints, "the report cannot be saved: %s\n", why.text);
}

/* --- our records -------------------------------------------------------------------------------------------------- */

/* f_bfree, not f_bavail: root may use the reserved blocks, too. */
static bool is_full(int dir)
{
	struct statvfs now;

	return fstatvfs(dir, &now) == 0 && (now.f_bfree == 0 || (now.f_files > 0 && now.f_ffree == 0));
}

/* Advises a remount if the directory is on a read-only file system; else sets no remedy.  Returns -1. */
static int step_set_remount_remedy(struct step *step, const char *directory)
{
	FS_AUTO int fd = -1;
	struct fault ignored = { 0 };

	if (fs_dir_open(step->run->root, directory, FS_FOLLOW_TRUSTED, &fd, &ignored) < 0 ||
	    faccessat(fd, ".", W_OK, AT_EACCESS) == 0 || errno != EROFS)
		return -1;
	return step_set_remedy(step, "mount -o remount,rw \"$(findmnt -n -o TARGET -T %s)\"", directory);
}

int step_records(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	FS_AUTO int var = -1;
	struct fault why = { 0 };

	const bool there = fs_dir_open(run->root, SETTINGS_VAR, FS_FOLLOW_TRUSTED, &var, &why) == 0;
	if (there && faccessat(var, ".", W_OK, AT_EACCESS) < 0) {
		(void)fault_system(f, 0, "'%s' cannot be written (%s); make it writable", SETTINGS_VAR,
				   fault_errno_text(errno));
		return step_set_remount_remedy(step, SETTINGS_VAR);
	}
	if (there && is_full(var)) {
		(void)step_set_remedy(step, "make room; to see how much is free: df -h %s", SETTINGS_VAR);
		return fault_system(f, 0, "'%s' is on a full disk; make room", SETTINGS_VAR);
	}
	if (run->lock_fault.kind != FAULT_NONE) {
		*f = run->lock_fault;
		return fault_prefix(f, "'%s': ", SETTINGS_VAR);
	}
	/* If var/ does not exist yet, the first writer creates it. */
	return there ? 0 : fs_absence(&why, f);
}

/* --- the group ---------------------------------------------------------------------------------------------------- */

int step_needs_group(struct step *step, struct fault *f)
{
	enum okv_scope scope;

	if (okv_scope_find(step->run->root, step->run->settings, &scope, f) < 0)
		return -1;
	step->skipped = scope == OKV_SCOPE_CLIENT_V6;
	if (step->skipped)
		step_add_info(step, "not needed: %s", okv_scope_text(scope));
	return !step->skipped;
}

int step_group(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	struct journal_history history;
	const struct okv_job job = step_okv_job(step);
	struct okv_group group;
	struct fault why = { 0 };
	const int wanted = step_needs_group(step, f);

	if (wanted <= 0)
		return wanted;
	/* Without the journal we do not know the old id, but the group is needed all the same. */
	if (journal_read(run->root, &history, &why) < 0) {
		step_add_finding(step, STEP_MEDIUM, NULL, why.text, "the old id of group '%s' is not known",
				 run->settings->hsm_group);
		history = (struct journal_history){ .group_known = false };
	}
	const gid_t old = history.group_known ? history.group_id : OKV_GID_ANY;
	if (okv_group_ensure(&job, old, &group, f) < 0)
		return step_set_remedy(step, "to see why: groupadd -r %s", run->settings->hsm_group);
	if (!group.wanted && group.gid != OKV_GID_ANY)
		step_add_info(step, "group '%s' has id %lu; its old id was %lu", run->settings->hsm_group,
			      (unsigned long)group.gid, (unsigned long)old);
	step->changed = group.changed;
	return 0;
}

bool hook_user_is_missing(const struct upgrade_run *run)
{
	TEXT_AUTO passwd = { 0 };
	struct fault ignored = { 0 };
	struct accounts_user user;

	return fs_read_config(run->root, "/etc/passwd", &passwd, &ignored) == 0 &&
	       !accounts_user_find(&passwd, run->settings->okv_user, &user);
}

int step_set_user_remedy(struct step *step, struct fault *f)
{
	(void)step_set_remedy(step, "set OKV_USER in " SETTINGS_FILE " to the user that OKV runs as");
	return fault_absent(f, "there is no user '%s'", SHOWN(step->run->settings->okv_user));
}

/* True if step_group() failed, and so the group is missing. */
static bool is_waiting_for_group(const struct upgrade_run *run)
{
	TEXT_AUTO groups = { 0 };
	struct fault ignored = { 0 };
	gid_t gid;

	return upgrade_outcome_of(run, step_group) == STEP_FAILED &&
	       fs_read_config(run->root, "/etc/group", &groups, &ignored) == 0 &&
	       !accounts_group_find(&groups, run->settings->hsm_group, &gid);
}

int step_member(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	const struct okv_job job = step_okv_job(step);
	const int wanted = step_needs_group(step, f);
	TEXT_AUTO group = { 0 };
	TEXT_AUTO remedy = { 0 };
	struct fault ignored = { 0 };

	if (wanted <= 0)
		return wanted;
	if (okv_member_ensure(&job, &step->changed, f) == 0)
		return 0;
	if (hook_user_is_missing(run))
		return step_set_user_remedy(step, f);
	if (is_waiting_for_group(run))
		return step_not_checked(step, "waits for group");
	if (fs_read_config(run->root, "/etc/group", &group, &ignored) == 0 &&
	    accounts_group_is_malformed(&group, run->settings->hsm_group, &remedy))
		return step_set_remedy(step, "%s", text_string(&remedy));
	return step_set_remedy(step, "to see why: gpasswd --add %s %s", run->settings->okv_user,
			       run->settings->hsm_group);
}

/* Counts the hard links of a file where others may write. */
struct names {
	struct stat file;
	size_t found, seen;
};

static int name_count(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct names *names = context;

	(void)state;
	if (++names->seen > SETTINGS_SCRATCH_ENTRIES)
		return fault_refused(f, "too many entries in '%s'", entry->path);
	names->found += entry->status->st_ino == names->file.st_ino && entry->status->st_dev == names->file.st_dev;
	return S_ISDIR(entry->status->st_mode) && !entry->mount ? FS_WALK_ENTER : FS_WALK_PASS;
}

static void name_miss(void *context, const char *path, const struct fault *trouble)
{
	(void)context;
	(void)path;
	(void)trouble;
}

bool hook_is_linked_by_others(const struct upgrade_run *run, const char *path)
{
	static const char *const below[] = SETTINGS_SCRATCH;
	const struct fs_walk walk = { .context = &(struct names){ .found = 0 },
				      .visit = name_count,
				      .miss = name_miss };
	struct names *names = walk.context;
	struct fault ignored = { 0 };

	if (fs_status(run->root, path, FS_FOLLOW_TRUSTED, &names->file, &ignored) < 0 ||
	    !S_ISREG(names->file.st_mode) || names->file.st_nlink < 2)
		return false;
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		FS_PLACE_AUTO place = FS_PLACE_INIT;
		TEXT_AUTO scratch = { 0 };
		text_add_format(&scratch, "%s%s", run->settings->client_dir, below[i]);
		struct fault why = { 0 };
		if ((fs_place_find(run->root, text_string(&scratch), &place, &why) < 0 ||
		     fs_walk(place.dir, place.leaf, place.path, NULL, &walk, &why) < 0) &&
		    why.kind != FAULT_ABSENT)
			return false;
	}
	return names->found + 1 == names->file.st_nlink;
}

/* Counts the entries that perms left alone. */
struct left {
	struct step *step;
	size_t failures; /* not to policy; where others may write does not count, or they could fail our hooks */
	size_t strangers;
};

static void left_count(void *context, enum perms_left why, const char *path)
{
	struct left *left = context;
	const struct upgrade_run *run = left->step->run;
	const bool linked = why == PERMS_LEFT_REFUSED && hook_is_linked_by_others(run, path);

	left->strangers += why == PERMS_LEFT_STRANGER || linked;
	left->failures += (why == PERMS_LEFT_REFUSED || why == PERMS_LEFT_FAILED || why == PERMS_LEFT_EXCHANGED) &&
			  !linked && !settings_is_scratch(run->settings, path);
}

static int left_verdict(const struct left *left, const struct perms_tally *tally, struct fault *f)
{
	return left->failures == 0 ? 0
				   : fault_incomplete(f, "%zu of %zu entries were left alone; see below",
						      left->failures, tally->entries);
}

/* Outside the client, step_reown() changes only what the snapshot recorded with the old id and is unchanged since. */
struct recorded {
	const struct upgrade_run *run;
	const struct snapshot *snapshot; /* of this machine, or empty */
	gid_t old;
};

static bool may_reown(void *context, int dir, const char *name, const char *path, const struct stat *status)
{
	const struct recorded *recorded = context;
	const struct settings *s = recorded->run->settings;
	struct fault ignored = { 0 };
	unsigned char digest[SHA256_SIZE];
	FS_AUTO int fd = -1;

	if (preserved_within(path, s->client_dir) || strcmp(path, s->chrystoki_conf) == 0)
		return true;
	const struct manifest_entry *entry = manifest_find(&recorded->snapshot->manifest, path + 1);
	if (entry == NULL || !entry->has_attributes || entry->gid != recorded->old)
		return false;
	if (entry->type == MANIFEST_DIR)
		return S_ISDIR(status->st_mode);
	return entry->type == MANIFEST_FILE && S_ISREG(status->st_mode) && entry->has_digest &&
	       entry->size == (uint64_t)status->st_size &&
	       fs_name_open(FS_NAME(dir, name, path), O_RDONLY | O_NONBLOCK, &fd, NULL, &ignored) == 0 &&
	       fs_sha256_descriptor(fd, path, digest, &ignored) == 0 &&
	       memcmp(digest, entry->digest, sizeof(digest)) == 0;
}

int hook_snapshot_read(const struct upgrade_run *run, enum snapshot_part part, struct snapshot *ret_snapshot,
		       struct fault *f)
{
	SNAPSHOT_AUTO s = { 0 };
	MACHINE_AUTO now = { 0 };
	TEXT_AUTO why = { 0 };

	if (snapshot_read(run->root, SNAPSHOT_DIR, part, &s, f) < 0 || snapshot_machine_find(run->root, &now, f) < 0)
		return -1;
	if (!snapshot_machine_same(&s.machine, &now, &why))
		return fault_absent(f, "the snapshot is %s", text_string(&why));
	*ret_snapshot = s;
	s = (struct snapshot){ 0 };
	return 0;
}

int step_reown(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	SNAPSHOT_AUTO snapshot = { 0 };
	struct recorded recorded = { .run = run, .snapshot = &snapshot };
	struct fault why = { 0 };
	PRESERVED_AUTO paths = { 0 };
	TEXT_AUTO groups = { 0 };
	struct journal_history history;
	gid_t now;

	if (journal_read(run->root, &history, f) < 0 || fs_read_config(run->root, "/etc/group", &groups, f) < 0)
		return -1;
	if (!history.group_known || !accounts_group_find(&groups, run->settings->hsm_group, &now) ||
	    now == history.group_id) {
		step->skipped = true;
		return 0;
	}
	if (scan_paths(run->root, run->settings, &paths, f) < 0)
		return -1;
	if (hook_snapshot_read(run, SNAPSHOT_WHOLE, &snapshot, &why) < 0)
		step_add_info(step, "no file outside the client gets the new group id: %s", why.text);
	recorded.old = history.group_id;

	const enum perms_act what = run->dry_run ? PERMS_PLAN : PERMS_APPLY;
	struct left left = { .step = step };
	const struct perms_reown reown = {
		.root = run->root,
		.settings = run->settings,
		.choice = { .context = &recorded, .wanted = may_reown },
		.paths = (const char *const *)(uintptr_t)paths.paths,
		.path_count = paths.count,
		.from = history.group_id,
		.to = now,
		.output = { .act = what, .context = &left, .left = left_count, .report = &step->report }
	};
	struct perms_tally tally;
	if (perms_reown(&reown, &tally, f) < 0)
		return -1;
	step->changed = tally.changed > 0;
	if (tally.changed > 0)
		report_say(&step->report, REPORT_RESULT, "%zu entries with the old group id %lu: now %lu",
			   tally.changed, (unsigned long)history.group_id, (unsigned long)now);
	return left_verdict(&left, &tally, f);
}

/* --- wiring ------------------------------------------------------------------------------------------------------- */

struct okv_job step_okv_job(struct step *step)
{
	return (struct okv_job){ .root = step->run->root,
				 .settings = step->run->settings,
				 .mode = step->run->dry_run ? OKV_PLAN : OKV_APPLY,
				 .report = &step->report,
				 .tool_ms = ACCOUNT_TOOL_MS };
}

/* A finding that is moot if the HSM answers must not say no before the HSM was asked. */
static void okv_finding_add(struct step *step, const struct finding *finding, enum step_severity fail)
{
	const enum step_severity wrong = fail == STEP_HIGH && finding->moot ? STEP_UNLESS_ANSWERED : fail;
	const enum step_severity severity = finding->severity == FINDING_FAIL   ? wrong
					    : finding->severity == FINDING_WARN ? STEP_LOW
										: STEP_INFO;

	if (finding->line > 0)
		step_add_finding(step, severity, finding->remedy, finding->effect, "%s:%zu: %s", finding->file,
				 finding->line, finding->what);
	else
		step_add_finding(step, severity, finding->remedy, finding->effect, "%s: %s", finding->file,
				 finding->what);
}

void step_add_okv_findings(struct step *step, const struct finding_list *findings, enum step_severity fail)
{
	for (size_t i = 0; i < findings->count; i++)
		okv_finding_add(step, &findings->items[i], fail);
}

/*
 * Should step_wire() check what it wired?  Not in mid-upgrade: files that the configuration names may not be back yet.
 * In post-upgrade until a run has proven the upgrade, so that a second run fails by what failed the first; later the
 * check, which starts a shell, would be a waste.
 */
static int wiring_needs_check(const struct step *step, bool *ret_look, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	struct journal_history history = { .group_known = false };
	const bool post = run->kind == UPGRADE_POST && !run->dry_run;

	if (post && !step->changed && journal_read(run->root, &history, f) < 0)
		return -1;
	*ret_look =
		step->changed ? !run->dry_run && run->kind != UPGRADE_MID : post && !history.hooks[UPGRADE_POST].good;
	return 0;
}

int step_set_config_remedy(struct step *step)
{
	FINDING_LIST_AUTO findings = { 0 };
	struct okv_job job = step_okv_job(step);
	struct fault ignored = { 0 };
	const char *remedy = "to see why: okv-luna config check";

	job.report = NULL;
	if (okv_check(&job, &findings, &ignored) == 0)
		finding_list_drop(&findings, okv_check_is_of_wiring);
	for (size_t i = findings.count; i-- > 0;)
		if (findings.items[i].severity == FINDING_FAIL && findings.items[i].remedy != NULL)
			remedy = findings.items[i].remedy;
	return step_set_remedy(step, "%s", remedy);
}

int step_not_checked(struct step *step, const char *why)
{
	step->skipped = true;
	step_add_finding(step, STEP_LOW, NULL, NULL, "not checked: %s", why);
	return 0;
}

int step_wire(struct step *step, struct fault *f)
{
	const struct step_result *config = upgrade_result_of(step->run, step_config);
	const struct okv_job job = step_okv_job(step);
	FINDING_LIST_AUTO findings = { 0 };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	bool look;

	if (okv_wiring_apply(&job, &outcome, f) < 0) {
		/* Often a failed write, which config check does not find. */
		if (f->kind == FAULT_SYSTEM)
			return step_set_remount_remedy(step, SETTINGS_GENERIC);
		if (config == NULL || !step_result_is_bad(config))
			return step_set_config_remedy(step);
		step->skipped = true;
		step_add_finding(step, STEP_LOW, NULL, NULL, "not wired: the problems under config prevent it");
		return 0;
	}
	step->changed = outcome.files + outcome.links > 0;
	if (outcome.scope != OKV_SCOPE_GENERIC)
		step_add_info(step, "%s", okv_scope_text(outcome.scope));
	if (wiring_needs_check(step, &look, f) < 0)
		return -1;
	if (!look)
		return 0;
	if (okv_check(&job, &findings, f) < 0)
		return -1;
	/* In pre-upgrade, step_config() has reported nothing if the files were not wired, so report warnings, too. */
	if (finding_list_count(&findings, FINDING_FAIL) == 0 && step->run->kind != UPGRADE_PRE)
		return 0;
	for (size_t i = 0; i < findings.count; i++) {
		const struct finding *finding = &findings.items[i];
		/* In post-upgrade the slots and the snapshot decide about everything but OKV's own files. */
		const bool judged =
			step->run->kind == UPGRADE_POST && !text_starts(finding->file, SETTINGS_GENERIC "/");
		okv_finding_add(step, finding, judged ? STEP_MEDIUM : STEP_HIGH);
	}
	return 0;
}

int step_autostart(struct step *step, struct fault *f)
{
	const struct okv_job job = step_okv_job(step);

	if (autostart_enable(&job, &step->changed, f) == 0)
		return 0;
	if (f->kind != FAULT_ABSENT)
		return -1;
	step_add_finding(step, STEP_MEDIUM, NULL, f->text,
			 "post-upgrade does not run by itself at the next boot; run it by hand after the upgrade");
	step->skipped = true;
	return 0;
}

/* --- owners and modes --------------------------------------------------------------------------------------------- */

static void change_report(void *context, const struct perms_record *record)
{
	struct step *step = ((struct left *)context)->step;

	report_say(&step->report, REPORT_RESULT, "%s: %lu:%lu %04o -> %lu:%lu %04o", SHOWN(record->path),
		   (unsigned long)record->from.uid, (unsigned long)record->from.gid, (unsigned)record->from.mode,
		   (unsigned long)record->to.uid, (unsigned long)record->to.gid, (unsigned)record->to.mode);
}

/* The id that OKV's user had when the snapshot was taken; 0: not known. */
static uid_t former_user(const struct upgrade_run *run)
{
	SNAPSHOT_AUTO snapshot = { 0 };
	struct fault ignored = { 0 };
	struct accounts_user user = { 0 };

	if (hook_snapshot_read(run, SNAPSHOT_HEAD, &snapshot, &ignored) == 0)
		(void)snapshot_id(snapshot.users, run->settings->okv_user, &user.uid);
	return user.uid;
}

int step_repair(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	const char *phase = run->kind == UPGRADE_PRE ? "pre-upgrade" : "post-upgrade";
	struct left left = { .step = step };
	const struct perms_request request = {
		.root = run->root,
		.settings = run->settings,
		.profile = run->profile,
		.phase = phase,
		.former_user = former_user(run),
		.output = { .act = run->dry_run ? PERMS_PLAN : PERMS_APPLY,
			    .context = &left,
			    .change = change_report,
			    .left = left_count,
			    .report = &step->report },
	};
	struct perms_tally tally;
	const int wanted = step_needs_group(step, f);

	if (wanted <= 0)
		return wanted;
	if (perms_run(&request, &tally, f) < 0) {
		if (is_waiting_for_group(run))
			return step_not_checked(step, "waits for group");
		return f->kind == FAULT_ABSENT
			       ? step_set_remedy(step, FINDING_INSTALL_IT)
			       : step_set_remedy(step, "to see why: okv-luna repair --phase %s --check", phase);
	}
	step->changed = tally.changed > 0;
	step_add_info(step, "%zu entries checked, %zu %s", tally.entries, tally.changed,
		      run->dry_run ? "to be changed" : "changed");
	/* Before an upgrade, files of strangers do not matter. */
	step->partial = left.strangers > 0 && run->kind == UPGRADE_POST;
	return left_verdict(&left, &tally, f);
}

/* --- the HSM ------------------------------------------------------------------------------------------------------ */

/* True if step_wire() was to name the library in OKV's files but did not: then take the settings' library. */
static bool is_unwired(const struct upgrade_run *run)
{
	const struct step_result *wire = upgrade_result_of(run, step_wire);

	return wire != NULL && (run->dry_run || wire->outcome == STEP_SKIPPED || wire->outcome == STEP_FAILED);
}

int step_question(struct step *step, struct hsm_question *ret_question, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	enum okv_scope scope;

	if (okv_scope_find(run->root, run->settings, &scope, f) < 0)
		return -1;
	*ret_question = hsm_question_of(run->root, run->settings, &step->report);
	ret_question->source =
		scope == OKV_SCOPE_GENERIC && !is_unwired(run) ? HSM_LIBRARY_OKV_CONF : HSM_LIBRARY_SETTINGS;
	ret_question->unmanaged = scope == OKV_SCOPE_CLIENT_V6;
	return 0;
}

static void slots_info(struct step *step, const struct hsm_question *question, const struct hsm_answer *answer)
{
	const struct hsm_slot *taken = hsm_answer_taken(answer, question->required.label, question->required.serial);
	const size_t usable = hsm_answer_usable(answer);

	step_add_info(step, "%zu usable slot%s seen by '%s' in %llu ms; OKV takes slot %llu, '%s' (%s)", usable,
		      usable == 1 ? "" : "s", step->run->settings->okv_user, (unsigned long long)answer->elapsed_ms,
		      (unsigned long long)taken->id, SHOWN(taken->label), SHOWN(taken->serial));
	if (hsm_slot_pin_warning(taken) != NULL)
		step_add_finding(step, STEP_LOW, NULL, NULL, "slot %llu: %s", (unsigned long long)taken->id,
				 hsm_slot_pin_warning(taken));
}

static void key_info(struct step *step, const struct hsm_question *question, const struct hsm_answer *answer)
{
	if (question->key != NULL)
		step_add_info(step, "the key '%s' is on %zu token%s, and cannot be extracted",
			      SHOWN(question->key->label), answer->key_count, answer->key_count == 1 ? "" : "s");
	else
		step_add_info(step, "the root key was not checked; --key and --pin-file do that");
}

void step_add_causes(struct step *step, struct hsm_question *question, const struct hsm_answer *answer)
{
	const struct upgrade_run *run = step->run;
	const struct okv_job job = { .root = run->root, .settings = run->settings };
	FINDING_LIST_AUTO checked = { 0 };
	HSM_CAUSES_AUTO causes = { 0 };
	struct fault ignored = { 0 };
	size_t without_group;

	question->checked = okv_check(&job, &checked, &ignored) == 0 ? &checked : NULL;
	if (okv_processes_without_group(&job, run->settings->okv_user, &without_group, &ignored) == 0 &&
	    hsm_diagnose(question, answer, without_group, &causes, &ignored) == 0)
		for (size_t i = 0; i < causes.count; i++)
			step_add_finding(step, STEP_MEDIUM, causes.items[i].remedy, NULL, "%s",
					 causes.items[i].sentence);
}

int step_ask_slots(struct step *step, enum step_ask what, struct hsm_answer *ret_answer, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	struct hsm_question question;

	if (step_question(step, &question, f) < 0)
		return -1;
	struct hsm_key_question key = run->key;
	const bool with_key = key.label != NULL && (what == STEP_ASK_ALL || what == STEP_ASK_KEY);
	question.key = with_key ? &key : NULL;
	question.required.any_groups = what == STEP_ASK_SLOTS || what == STEP_ASK_KEY;
	const int r = hsm_check(&question, &answer, f);
	if (hsm_answer_usable(&answer) > 0)
		step_set_answered(step);
	if (r == 0) {
		if (what == STEP_ASK_ALL || what == STEP_ASK_SLOTS)
			slots_info(step, &question, &answer);
		if (what == STEP_ASK_ALL || what == STEP_ASK_KEY)
			key_info(step, &question, &answer);
		if (ret_answer != NULL) {
			*ret_answer = answer;
			answer = (struct hsm_answer)HSM_ANSWER_INIT;
		}
		return 0;
	}
	if (hook_user_is_missing(run))
		return step_set_user_remedy(step, f);
	step_add_causes(step, &question, &answer);
	return -1;
}

/* --- mid-upgrade -------------------------------------------------------------------------------------------------- */

/* The time limits add up to less than HOOK_MID_BOUND_MS: a step that hangs takes no time from the others. */
static const struct step_row mid_steps[] = {
	{ "group", "the HSM group exists", 12000, STEP_ALWAYS, step_group },
	{ "member", "OKV's user is in the HSM group", 10000, STEP_ALWAYS, step_member },
	{ "reown", "files with the old group id get the new one", 20000, STEP_ALWAYS, step_reown },
	{ "wiring", "wire OKV's generic files and our links", 12000, STEP_ALWAYS, step_wire },
	{ "arming", "let post-upgrade run at the next boot", 5000, STEP_ALWAYS, step_autostart },
};

/* To syslog, as nobody reads our output inside OKV's upgrade.  A dry run is run by a person, who does. */
static void mid_report(const struct upgrade_run *run)
{
	for (size_t i = 0; !run->dry_run && i < run->result_count; i++) {
		const struct step_result *result = &run->results[i];
		const char *name = result->row->name;
		struct text_line line;
		for (size_t at = 0; text_line_next(result->changes.bytes, result->changes.length, &at, &line);)
			report_say(run->report, REPORT_RESULT, "%s: %.*s", name, (int)line.length, line.bytes);
		for (size_t k = 0; k < result->finding_count; k++)
			if (result->findings[k].severity >= STEP_MEDIUM)
				report_say(run->report, REPORT_WARNING, "%s: %s", name, result->findings[k].title);
		if (result->outcome == STEP_FAILED)
			report_say(run->report, REPORT_WARNING, "%s: %s", name, result->fault.text);
	}
}

int hook_mid_upgrade(struct upgrade_run *run, struct fault *f)
{
	run->kind = UPGRADE_MID;
	/* OKV needs the group even if var/ is read-only or full, and nobody else works on this server now. */
	if (run->lock_fault.kind != FAULT_NONE)
		report_say(run->report, REPORT_WARNING, "working without the lock: %s", run->lock_fault.text);
	hook_note(run, "begin " OKV_LUNA_VERSION);
	if (upgrade_run_merged(run, mid_steps, sizeof(mid_steps) / sizeof(mid_steps[0]), f) < 0)
		return -1;
	mid_report(run);
	if (run->verdict.kind != FAULT_NONE)
		hook_note(run, "end failed %s", run->verdict.text);
	else
		hook_note(run, "end %s", run->changed ? "changed" : "unchanged");
	return 0;
}
