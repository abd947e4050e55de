#include "perms/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/accounts.h"
#include "conf/settings.h"
#include "fs/each.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

/*
 * --- since when everybody can write to a directory of the client ---
 *
 * Between pre-upgrade and post-upgrade the guide lets everybody write to CLIENT_DIR/data.  A file written in that time
 * has somebody else's content, whoever owns it, and must not get set-id or x bits afterwards.  So before we first open
 * a directory to everybody, the time by the file system's clock is written to SETTINGS_VAR/repair/opened and synced; it
 * stays until opened_forget.  A later modification time then tells which files were written; only a file's owner can
 * set its time back.
 */

static const char opened[] = "opened";

/* `dir` is SETTINGS_VAR/repair. */
static int opened_note(int dir, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	static const char clock[] = "clock.new";
	struct stat now;
	char line[64];

	if (faccessat(dir, opened, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* A new file's time: the file system's clock may differ from the system's. */
	FS_AUTO int fd = openat(dir, clock, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(dir, clock, 0) < 0 || write(fd, "", 1) != 1 || fstat(fd, &now) < 0)
		return fault_errno(f, errno, "cannot write '" SETTINGS_VAR "/repair/%s'", clock);
	(void)snprintf(line, sizeof(line), "%" PRIdMAX ".%09ld\n", (intmax_t)now.st_mtim.tv_sec, now.st_mtim.tv_nsec);
	return fs_publish_at(dir, opened, line, strlen(line), &how, f);
}

/* { 0 } if no directory is open to everybody. */
static int opened_since(int root, struct timespec *ret_since, struct fault *f)
{
	TEXT_AUTO line = { 0 };
	struct fault why = { 0 };
	intmax_t seconds;
	long nanoseconds;

	if (fs_read_file(root, SETTINGS_VAR "/repair/opened", FS_FOLLOW_TRUSTED, 64, &line, NULL, &why) < 0) {
		if (fs_absence(&why, f) < 0)
			return -1;
		*ret_since = (struct timespec){ 0 };
		return 0;
	}
	/* If it is damaged, no file that everybody can write is trusted, whenever it was written. */
	const bool damaged = sscanf(text_string(&line), "%" SCNdMAX ".%9ld", &seconds, &nanoseconds) != 2;
	*ret_since = damaged ? (struct timespec){ .tv_sec = 1 }
			     : (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = nanoseconds };
	return 0;
}

static int opened_forget(int root, struct fault *f)
{
	FS_AUTO int dir = -1;
	struct fault why = { 0 };

	if (fs_dir_open(root, SETTINGS_VAR "/repair", FS_FOLLOW_TRUSTED, &dir, &why) < 0)
		return fs_absence(&why, f);
	if (unlinkat(dir, opened, 0) < 0 && errno != ENOENT)
		return fault_errno(f, errno, "cannot remove '" SETTINGS_VAR "/repair/opened'");
	return 0;
}

/* --- the policy --------------------------------------------------------------------------------------------------- */

enum { POLICY_FILE_MAX = 256 * 1024 };

struct reader {
	int root;
	const char *phase;
	const struct policy_names *names;
	struct policy *policy;
};

static int file_add(const struct reader *reader, const char *path, struct fault *f)
{
	TEXT_AUTO bytes = { 0 };
	struct stat status;

	if (fs_read_file(reader->root, path, FS_FOLLOW_TRUSTED, POLICY_FILE_MAX, &bytes, &status, f) < 0)
		return -1;
	/* Whoever can write a policy can make root give away any file of the system. */
	if ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fault_refused(f,
				     "policy '%s' can be written by users other than root; fix: "
				     "chown root:root %s && chmod go-w %s",
				     SHOWN(path), TYPED(path), TYPED(path));
	return policy_parse(reader->policy, path, &bytes, reader->names, f);
}

/* Is this a policy file of the administrator's for the phase? */
static bool is_local_policy(const char *name, const char *phase)
{
	const char *others = strcmp(phase, "pre-upgrade") == 0 ? ".post-upgrade.conf" : ".pre-upgrade.conf";

	return name[0] != '.' && text_ends(name, ".conf") && !text_ends(name, others);
}

/* Replaces `name` by the next one in sorted order and returns 1, or 0 after the last. */
static int local_next(int dir, const char *phase, char name[FS_NAME_SIZE], struct fault *f)
{
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	char next[FS_NAME_SIZE] = "";
	int more = fs_each_open(dir, SETTINGS_POLICY_LOCAL, &each, f) < 0 ? -1 : 1;

	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		if (is_local_policy(entry.name, phase) && strcmp(entry.name, name) > 0 &&
		    (next[0] == '\0' || strcmp(entry.name, next) < 0))
			(void)snprintf(next, sizeof(next), "%s", entry.name);
	memcpy(name, next, sizeof(next));
	return more < 0 ? -1 : next[0] != '\0';
}

static int local_add(const struct reader *reader, struct fault *f)
{
	FS_AUTO int dir = -1;
	struct fault trouble = { 0 };
	char name[FS_NAME_SIZE] = "";
	int r;

	if (fs_dir_open(reader->root, SETTINGS_POLICY_LOCAL, FS_FOLLOW_TRUSTED, &dir, &trouble) < 0)
		return fs_absence(&trouble, f);
	while ((r = local_next(dir, reader->phase, name, f)) > 0) {
		TEXT_AUTO path = { 0 };
		text_add_format(&path, "%s/%s", SETTINGS_POLICY_LOCAL, name);
		if (text_check(&path, f) < 0 || file_add(reader, text_string(&path), f) < 0)
			return -1;
	}
	return r;
}

/*
 * Reads the profile's file for the phase, then the administrator's.  `group_to_come`: the HSM group may be missing and
 * is then PERMS_GID_TO_COME.
 */
static int policy_read(const struct perms_request *request, bool group_to_come, struct policy *policy, struct fault *f)
{
	const struct settings *settings = request->settings;
	const char *profile = request->profile != NULL ? request->profile : settings->profile;
	const struct policy_setting expanded[] = {
		{ "CLIENT_DIR", settings->client_dir }, { "CHRYSTOKI_CONF", settings->chrystoki_conf },
		{ "HSM_GROUP", settings->hsm_group },   { "OKV_USER", settings->okv_user },
		{ "OKV_GROUP", settings->okv_group },   { NULL, NULL },
	};
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO group = { 0 };
	TEXT_AUTO path = { 0 };
	const struct policy_names names = {
		.settings = expanded,
		.passwd = &passwd,
		.group = &group,
		.to_come = group_to_come ? settings->hsm_group : NULL,
		.gid_to_come = PERMS_GID_TO_COME,
	};
	const struct reader reader = { request->root, request->phase, &names, policy };

	text_add_format(&path, "%s/%s/%s.conf", SETTINGS_POLICY, profile, request->phase);
	if (text_check(&path, f) < 0 || fs_read_config(reader.root, "/etc/passwd", &passwd, f) < 0 ||
	    fs_read_config(reader.root, "/etc/group", &group, f) < 0)
		return -1;
	if (file_add(&reader, text_string(&path), f) < 0)
		return f->kind != FAULT_ABSENT || fs_exists(reader.root, text_string(&path))
			       ? -1
			       : fault_absent(f, "there is no policy '%s'; reinstall the package okv-luna-hooks",
					      SHOWN(text_string(&path)));
	return local_add(&reader, f);
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

/* One run.  What its plan finds goes to the journal or, unless PERMS_APPLY, only to the output. */
struct repair {
	struct perms_run run;
	struct perms_journal journal;
	bool opens; /* may open a directory to everybody until post-upgrade */
};

static int plan_found(void *context, const struct perms_record *record, struct fault *f)
{
	struct repair *repair = context;
	const struct perms_output *output = repair->run.output;

	if (output->act == PERMS_APPLY) {
		const bool opens = repair->opens && record->type == S_IFDIR && (record->to.mode & S_IWOTH) != 0;
		if (perms_journal_add(repair->run.root, &repair->journal, record, f) < 0)
			return -1;
		return opens ? opened_note(repair->journal.dir, f) : 0;
	}
	repair->run.tally.changed++;
	if (output->change != NULL)
		output->change(output->context, record);
	return 0;
}

/* Finishes the journal of a run that was killed; without PERMS_APPLY only checks it. */
static int unfinished_finish(int root, const struct perms_output *output, struct fault *f)
{
	PERMS_JOURNAL_AUTO journal = PERMS_JOURNAL_INIT;
	const bool applies = output->act == PERMS_APPLY;
	const struct perms_output quiet = { .act = output->act, .report = applies ? output->report : NULL };
	struct perms_run earlier = { .root = root, .output = &quiet };
	bool found;

	if (perms_journal_open(root, true, &journal, &found, f) < 0)
		return -1;
	if (!found)
		return 0;
	const bool back = journal.state == PERMS_JOURNAL_BACK;
	if (perms_apply(&earlier, &journal, back ? PERMS_BACK : PERMS_FORTH, f) < 0)
		return -1;
	report_say(output->report, applies ? REPORT_RESULT : REPORT_WARNING, "an earlier repair was cut off; %s",
		   applies ? "it is finished now" : "the next one finishes it first");
	/* Undo is not tried again: what could not be undone has been reported, and a new run was asked for. */
	return applies && back ? perms_journal_drop(&journal, f) : 0;
}

/* Finishes an earlier run, makes the plan and applies it. */
static int repair_run(struct repair *repair, struct perms_plan *plan, struct perms_tally *ret_tally, struct fault *f)
{
	struct perms_run *run = &repair->run;
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO name = { 0 };
	struct accounts_user user;
	struct fault why = { 0 };

	repair->journal = (struct perms_journal)PERMS_JOURNAL_INIT;
	if (unfinished_finish(run->root, run->output, f) < 0 ||
	    (fs_read_config(run->root, "/etc/passwd", &passwd, &why) < 0 && fs_absence(&why, f) < 0) ||
	    opened_since(run->root, &plan->opened_since, f) < 0)
		return -1;
	plan->context = repair;
	plan->found = plan_found;
	plan->okv_user = accounts_user_find(&passwd, plan->settings->okv_user, &user) ? user.uid : (uid_t)-1;
	if (accounts_user_name(&passwd, plan->former_user, &name))
		plan->former_user = plan->okv_user;
	int r = perms_plan(run, plan, f);
	if (r == 0 && repair->journal.count > 0)
		r = perms_journal_seal(&repair->journal, f) < 0 ? -1
								: perms_apply(run, &repair->journal, PERMS_FORTH, f);
	perms_journal_done(&repair->journal);
	if (r == 0)
		*ret_tally = run->tally;
	return r;
}

static int client_check(const struct perms_request *request, struct fault *f)
{
	FS_AUTO int dir = -1;
	struct fault trouble = { 0 };
	const char *path = request->settings->client_dir;

	if (fs_dir_open(request->root, path, FS_FOLLOW_TRUSTED, &dir, &trouble) == 0)
		return 0;
	if (trouble.kind == FAULT_ABSENT)
		return fault_absent(f,
				    "there is no Luna client in '%s'; install one with okv-luna extract, or set "
				    "CLIENT_DIR in " SETTINGS_FILE,
				    SHOWN(path));
	*f = trouble;
	return -1;
}

/* A path that no line of the policy applies to is a mistake: it must not pass for one that is right. */
static int limits_read(const struct perms_request *request, const struct policy *policy, struct policy *limits,
		       struct fault *f)
{
	for (size_t i = 0; i < request->path_count; i++) {
		const char *path = request->paths[i];
		if (policy_mark(limits, path, f) < 0)
			return -1;
		const struct policy_rule *mark = &limits->rules[i];
		struct policy_place place, below;
		policy_root(policy, &place);
		for (size_t k = 0; k < mark->count; k++, place = below)
			policy_step(policy, &place, mark->components[k], &below);
		if (!policy_reaches(&place))
			return fault_refused(f, "no line of the policy applies to '%s' or to anything below it",
					     SHOWN(path));
		bool there;
		if (fs_existence(request->root, path, &there, f) < 0)
			return -1;
		if (!there)
			return fault_absent(f, "'%s' is not there", SHOWN(path));
	}
	return 0;
}

/* Everything that can be refused before the first entry is looked at. */
static int prepare(const struct perms_request *request, bool group_to_come, struct policy *policy,
		   struct policy *limits, struct fault *f)
{
	if (client_check(request, f) < 0 || policy_read(request, group_to_come, policy, f) < 0)
		return -1;
	return limits_read(request, policy, limits, f);
}

int perms_ready(const struct perms_request *request, struct fault *f)
{
	POLICY_AUTO policy = { 0 };
	POLICY_AUTO limits = { 0 };

	return prepare(request, true, &policy, &limits, f);
}

/*
 * Everybody can no longer write to the client: forgets since when they could, unless a file that was written meanwhile
 * is still there.
 */
static int opened_end(const struct perms_run *run, const struct perms_plan *plan, struct fault *f)
{
	const bool noted = run->output->act == PERMS_APPLY && plan->opened_since.tv_sec != 0;

	return noted && run->tally.left[PERMS_LEFT_STRANGER] == 0 ? opened_forget(run->root, f) : 0;
}

int perms_put_back(const struct perms_put_back *request, struct perms_tally *ret_tally, struct fault *f)
{
	static const char *const profiles[] = { "guide", SETTINGS_PROFILE_STRICT };
	struct policy policies[] = { { 0 }, { 0 } };
	struct repair repair = { .run = { .root = request->root, .output = &request->output } };
	struct perms_plan plan = { .settings = request->settings, .back = &request->back, .policies = policies };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		const struct perms_request read = { .root = request->root,
						    .settings = request->settings,
						    .profile = profiles[i],
						    .phase = "pre-upgrade" };
		r = policy_read(&read, true, &policies[plan.policy_count++], f);
	}
	if (r == 0)
		r = repair_run(&repair, &plan, ret_tally, f);
	for (size_t i = 0; i < plan.policy_count; i++)
		policy_done(&policies[i]);
	return r < 0 ? -1 : opened_end(&repair.run, &plan, f);
}

int perms_run(const struct perms_request *request, struct perms_tally *ret_tally, struct fault *f)
{
	POLICY_AUTO policy = { 0 };
	POLICY_AUTO limits = { 0 };
	const bool opens = strcmp(request->phase, "pre-upgrade") == 0;
	struct repair repair = { .run = { .root = request->root, .output = &request->output }, .opens = opens };
	struct perms_plan plan = {
		.settings = request->settings, .former_user = request->former_user, .policy = &policy, .limits = &limits
	};

	if (prepare(request, request->output.act != PERMS_APPLY, &policy, &limits, f) < 0 ||
	    repair_run(&repair, &plan, ret_tally, f) < 0)
		return -1;
	return opens || request->path_count > 0 ? 0 : opened_end(&repair.run, &plan, f);
}

int perms_reown(const struct perms_reown *reown, struct perms_tally *ret_tally, struct fault *f)
{
	struct repair repair = { .run = { .root = reown->root, .output = &reown->output } };
	struct perms_plan plan = { .settings = reown->settings,
				   .choice = &reown->choice,
				   .paths = reown->paths,
				   .path_count = reown->path_count,
				   .from = reown->from,
				   .to = reown->to };

	return repair_run(&repair, &plan, ret_tally, f);
}

/* Takes the time if the undo opens a directory to everybody. */
static int undo_opens(struct perms_journal *journal, struct fault *f)
{
	struct perms_record record;
	bool opens = false;
	int r;

	if (perms_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = perms_journal_next(journal, &record, f)) > 0)
		opens = opens || (record.type == S_IFDIR && (record.from.mode & ~record.to.mode & S_IWOTH) != 0);
	return r < 0 || !opens ? r : opened_note(journal->dir, f);
}

int perms_undo(int root, const struct perms_output *output, struct perms_tally *ret_tally, struct fault *f)
{
	PERMS_JOURNAL_AUTO journal = PERMS_JOURNAL_INIT;
	struct perms_run run = { .root = root, .output = output };
	bool found;

	if (perms_journal_open(root, false, &journal, &found, f) < 0)
		return -1;
	if (!found)
		return fault_absent(f, "there is no repair to undo");
	if (output->act == PERMS_APPLY &&
	    (undo_opens(&journal, f) < 0 || perms_journal_mark(&journal, PERMS_JOURNAL_BACK, f) < 0))
		return -1;
	if (perms_apply(&run, &journal, PERMS_BACK, f) < 0)
		return -1;
	run.tally.entries = run.tally.changed + perms_tally_left(&run.tally);
	*ret_tally = run.tally;
	return 0;
}

int perms_verdict(const struct perms_tally *tally, enum perms_act act, struct fault *f)
{
	const size_t left = perms_tally_left(tally);

	if (act == PERMS_CHECK)
		return tally->changed + left == 0 ? 0
						  : fault_negative(f, "%zu of %zu entries do not match the policy",
								   tally->changed + left, tally->entries);
	return left == 0 ? 0
			 : fault_incomplete(f, "%zu of %zu entries were left alone; see above", left, tally->entries);
}
