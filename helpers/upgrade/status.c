#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/time.h"
#include "conf/accounts.h"
#include "conf/chrystoki_groups.h"
#include "fs/read.h"
#include "fs/root.h"
#include "hsm/network.h"
#include "hsm/verdict.h"
#include "okv/chrystoki.h"
#include "okv/group.h"
#include "okv/leftovers.h"
#include "okv/wiring.h"
#include "perms/repair.h"
#include "upgrade/autostart.h"
#include "upgrade/cause.h"
#include "upgrade/hook.h"
#include "upgrade/snapshot.h"

enum { LIBRARY_MS = 4000, NETWORK_MS = 4000, NETWORK_BRIEF_MS = 1500 };

/* Each check is a step that changes nothing.  Its worst finding makes OK (info), WARN (low, medium) or FAIL (high). */

static int check_client(struct step *step, struct fault *f)
{
	const struct settings *s = step->run->settings;
	FS_AUTO int client = -1;
	struct stat st;

	if (fs_status(step->run->root, s->client_dir, FS_FOLLOW_TRUSTED, &st, f) < 0) {
		(void)step_set_remedy(step, FINDING_INSTALL_IT);
		return f->kind == FAULT_ABSENT ? fault_absent(f, "there is no Luna client at '%s'", s->client_dir) : -1;
	}
	/* A client may be a link to where it was installed. */
	if (fs_dir_open(step->run->root, s->client_dir, FS_FOLLOW_TRUSTED, &client, f) < 0)
		return -1;
	if (fs_status(step->run->root, s->chrystoki_conf, FS_FOLLOW_TRUSTED, &st, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return step_set_remedy(step, "to see why: okv-luna config check");
		(void)step_set_remedy(step, FINDING_INSTALL_IT);
		return fault_absent(f, "there is no file '%s'", SHOWN(s->chrystoki_conf));
	}
	step_add_info(step, "'%s' with '%s'", s->client_dir, s->chrystoki_conf);
	return 0;
}

/* Then `client` fails, and the checks that need the client are skipped. */
static bool is_without_client(const struct upgrade_run *run)
{
	return !fs_exists(run->root, run->settings->client_dir);
}

/* What is missing for checking the library and its servers, or NULL. */
static const char *missing_prerequisite(const struct upgrade_run *run)
{
	return is_without_client(run)      ? "there is no Luna client"
	       : hook_user_is_missing(run) ? "OKV's user does not exist"
					   : NULL;
}

static int check_library(struct step *step, struct fault *f)
{
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	struct hsm_question question;

	const char *missing = missing_prerequisite(step->run);
	if (missing != NULL)
		return step_not_checked(step, missing);
	if (step_question(step, &question, f) < 0)
		return -1;
	question.timeout_ms = LIBRARY_MS;
	question.load_only = true;
	if (hsm_check(&question, &answer, f) < 0) {
		const char *remedy = answer.module == NULL ? hsm_library_remedy(step->run->root) : NULL;
		struct fault ignored = { 0 };
		/* Then `wiring` fails, and no other check. */
		if (remedy != NULL && okv_is_unwired(step->run->root, &ignored) > 0)
			return step_not_checked(step, "this node is not wired, so OKV loads no library");
		if (remedy != NULL)
			(void)step_set_remedy(step, "%s", remedy);
		if (f->kind == FAULT_LATE) {
			step_add_finding(step, STEP_LOW, NULL, NULL, "it takes more than %d s to load; see slots",
					 LIBRARY_MS / 1000);
			return 0;
		}
		if (answer.module != NULL)
			step_add_causes(step, &question, &answer);
		return -1;
	}
	step_add_info(step, "'%s' can be loaded", answer.module_real);
	return 0;
}

/* True if OKV's files name no library: check_library() has a remedy for that, or was skipped. */
static bool is_without_library(const struct upgrade_run *run)
{
	const struct step_result *library = upgrade_result_of(run, check_library);

	return library != NULL &&
	       (library->outcome == STEP_SKIPPED || (library->fault.kind == FAULT_NEGATIVE && library->remedy != NULL));
}

static int check_config(struct step *step, struct fault *f)
{
	FINDING_LIST_AUTO findings = { 0 };
	struct okv_job job = step_okv_job(step);

	job.mode = OKV_PLAN;
	if (okv_check(&job, &findings, f) < 0)
		return step_set_remedy(step, "to see why: okv-luna config check");
	/* check_wiring() reports those. */
	finding_list_drop(&findings, okv_check_is_of_wiring);
	step_add_okv_findings(step, &findings, STEP_HIGH);
	if (finding_list_count(&findings, FINDING_FAIL) + finding_list_count(&findings, FINDING_WARN) == 0)
		step_add_info(step, "no problems found");
	return 0;
}

/* True if check_config() fails: then other checks need not report what is wrong with the files. */
static bool config_fails(const struct upgrade_run *run)
{
	const struct step_result *config = upgrade_result_of(run, check_config);

	return config != NULL && step_result_is_bad(config);
}

/* True if check_config() names a problem, even one that is no failure while the HSM answers. */
static bool config_has_findings(const struct upgrade_run *run)
{
	const struct step_result *config = upgrade_result_of(run, check_config);
	bool found = false;

	for (size_t i = 0; config != NULL && i < config->finding_count; i++)
		found = found || config->findings[i].severity > STEP_INFO;
	return found;
}

static bool is_of_config(const struct finding *finding)
{
	return !okv_check_is_of_wiring(finding);
}

static bool is_of_library(const struct finding *finding)
{
	return text_starts(finding->what, "PKCS11_LIB_LOC");
}

static int check_wiring(struct step *step, struct fault *f)
{
	FINDING_LIST_AUTO findings = { 0 };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct okv_job job = step_okv_job(step);
	struct fault why = { 0 };

	job.mode = OKV_PLAN;
	job.report = NULL;
	const int wired = okv_wiring_apply(&job, &outcome, &why);
	if (okv_check(&job, &findings, f) < 0)
		return step_set_remedy(step, "to see why: okv-luna config check");
	finding_list_drop(&findings, is_of_config);
	if (is_without_library(step->run))
		finding_list_drop(&findings, is_of_library);
	step_add_okv_findings(step, &findings, STEP_HIGH);
	if (findings.count > 0 && wired == 0)
		return 0;
	if (wired < 0 && config_fails(step->run))
		return step_not_checked(step, "the problems under config prevent wiring");
	if (wired < 0) {
		*f = why;
		return step_set_config_remedy(step);
	}
	if (outcome.scope != OKV_SCOPE_GENERIC)
		step_add_info(step, "%s", okv_scope_text(outcome.scope));
	else if (outcome.files > 0 && is_without_library(step->run))
		return step_not_checked(step, "OKV loads no library");
	else if (outcome.files > 0)
		step_add_finding(step, STEP_HIGH, "okv-luna config wire", NULL,
				 "%u of OKV's generic files do not have our wiring", outcome.files);
	else if (outcome.links > 0)
		step_add_finding(step, STEP_LOW, "okv-luna config wire", NULL, "%u of our links are missing",
				 outcome.links);
	else
		step_add_info(step, "OKV's generic files and our links are wired");
	return 0;
}

static int check_slots(struct step *step, struct fault *f)
{
	const char *missing = missing_prerequisite(step->run);

	if (missing != NULL)
		return step_not_checked(step, missing);
	if (is_without_library(step->run))
		return step_not_checked(step, "OKV loads no library");
	if (upgrade_outcome_of(step->run, check_library) == STEP_FAILED)
		return step_not_checked(step, "the library cannot be loaded");
	return step_ask_slots(step, STEP_ASK_SLOTS, NULL, f);
}

static bool hsm_answers(const struct upgrade_run *run)
{
	return upgrade_outcome_of(run, check_slots) == STEP_UNCHANGED;
}

static int check_key(struct step *step, struct fault *f)
{
	if (step->run->key.label == NULL)
		return step_not_checked(step, "the root key's label and a PIN are needed: --key and --pin-file");
	if (!hsm_answers(step->run))
		return step_not_checked(step, "the slots do not show");
	return step_ask_slots(step, STEP_ASK_KEY, NULL, f);
}

static int check_ha(struct step *step, struct fault *f)
{
	const struct okv_job job = step_okv_job(step);
	CHRYSTOKI_AUTO conf = { 0 };
	struct chrystoki_family groups;
	struct fault ignored = { 0 };

	/* If it cannot be read, check_config() reports that. */
	(void)okv_chrystoki_read(&job, &conf, &ignored);
	chrystoki_family_read(&conf, CHRYSTOKI_GROUPS, &groups);
	if (groups.count == 0) {
		step_add_info(step, "'%s' has no HA group", step->run->settings->chrystoki_conf);
		return 0;
	}
	if (!hsm_answers(step->run))
		return step_not_checked(step, "the slots do not show");
	if (step_ask_slots(step, STEP_ASK_GROUPS, NULL, f) < 0)
		return -1;
	step_add_info(step, "%zu HA group%s as in '%s', with every member that can be seen", groups.count,
		      groups.count == 1 ? "" : "s", step->run->settings->chrystoki_conf);
	return 0;
}

/*
 * The lines of okv-luna network as findings.  While the HSM answers, only an expired certificate is a failure, and if
 * nevertheless no server passes, this check is probably wrong and only says so.
 */
static int network_check(struct step *step, enum hsm_network_part part, struct fault *f)
{
	const bool servers = part == HSM_NETWORK_SERVERS, answering = hsm_answers(step->run);
	HSM_NETWORK_AUTO network = { 0 };
	const struct hsm_network_question question = { .root = step->run->root,
						       .settings = step->run->settings,
						       .timeout_ms = answering ? NETWORK_BRIEF_MS : NETWORK_MS,
						       .days = HSM_NETWORK_DAYS,
						       .parts = part };

	if (!fs_exists(step->run->root, step->run->settings->chrystoki_conf))
		return step_not_checked(step, "there is no Chrystoki.conf");
	const bool reported = config_fails(step->run), explained = !servers && config_has_findings(step->run);
	if (hsm_network_ask(&question, &network, f) < 0)
		return f->kind == FAULT_NEGATIVE || f->kind == FAULT_ABSENT || reported
			       ? step_not_checked(step, f->text)
			       : -1;
	const size_t failed = hsm_network_count(&network, HSM_NETWORK_FAIL);
	/* Also if the HSM answers with another token than the one required. */
	const struct step_result *slots = upgrade_result_of(step->run, check_slots);
	if (servers && slots != NULL && slots->answered && failed == network.line_count) {
		step_add_info(step, "the HSM answers, although none of its servers passes this check");
		return 0;
	}
	for (size_t i = 0; i < network.line_count; i++) {
		const struct hsm_network_line *line = &network.lines[i];
		const bool decides = line->level == HSM_NETWORK_FAIL &&
				     (!answering || (!servers && strcmp(line->word, "expired") == 0));
		if (line->level == HSM_NETWORK_OK)
			step_add_info(step, "%s: %s", text_string(&line->subject), text_string(&line->sentence));
		/* config reports what is wrong with a file of the client, also where the HSM answers. */
		else if (hsm_network_is_of_file(line) && (reported || !answering || explained))
			step_add_finding(step, STEP_LOW, NULL, NULL, "%s: not tried, waits for %s",
					 text_string(&line->subject), reported || explained ? "config" : "slots");
		else
			step_add_finding(step, decides ? STEP_HIGH : STEP_LOW, text_string(&line->remedy), NULL,
					 "%s: %s", text_string(&line->subject), text_string(&line->sentence));
	}
	if (network.line_count == 0)
		step_add_info(step, "Chrystoki.conf names none");
	return 0;
}

static int check_network(struct step *step, struct fault *f)
{
	const char *missing = missing_prerequisite(step->run);

	return missing != NULL ? step_not_checked(step, missing) : network_check(step, HSM_NETWORK_SERVERS, f);
}

static int check_certificates(struct step *step, struct fault *f)
{
	return is_without_client(step->run) ? step_not_checked(step, "there is no Luna client")
					    : network_check(step, HSM_NETWORK_CERTIFICATES, f);
}

static int check_group(struct step *step, struct fault *f)
{
	const struct settings *s = step->run->settings;
	TEXT_AUTO group = { 0 };
	TEXT_AUTO passwd = { 0 };
	struct accounts_user user;
	size_t lacking;
	gid_t gid;
	if (is_without_client(step->run))
		return step_not_checked(step, "there is no Luna client");
	const int wanted = step_needs_group(step, f);
	if (wanted <= 0)
		return wanted;
	if (fs_read_config(step->run->root, "/etc/group", &group, f) < 0 ||
	    fs_read_config(step->run->root, "/etc/passwd", &passwd, f) < 0)
		return -1;
	if (!accounts_group_find(&group, s->hsm_group, &gid)) {
		(void)step_set_remedy(step, "okv-luna repair --phase post-upgrade");
		return fault_absent(f, "there is no group '%s'", s->hsm_group);
	}
	if (!accounts_user_find(&passwd, s->okv_user, &user))
		return step_set_user_remedy(step, f);
	if (user.gid != gid && !accounts_group_lists(&group, s->hsm_group, s->okv_user)) {
		TEXT_AUTO remedy = { 0 };
		accounts_member_remedy(&group, s->hsm_group, s->okv_user, &remedy);
		(void)step_set_remedy(step, "%s", text_string(&remedy));
		return fault_negative(f, "user '%s' is not in group '%s'", s->okv_user, s->hsm_group);
	}
	/* The room's warning would advise a restart: never while the HSM does not answer. */
	struct okv_job job = step_okv_job(step);
	if (!hsm_answers(step->run))
		job.report = NULL;
	if (okv_processes_without_group(&job, s->okv_user, &lacking, f) < 0)
		return -1;
	step_add_info(step, "'%s' is in '%s' (id %lu)", s->okv_user, s->hsm_group, (unsigned long)gid);
	return 0;
}

/*
 * The kernel clears the set-group-id bit of a file that a process without CAP_FSETID writes (capabilities(7)).  The
 * guide's policy sets it on files, too, so every file that the client writes loses it, which is harmless.
 */
struct drift {
	const struct upgrade_run *run;
	int root;
	const struct settings *settings;
	size_t harmless, left;
};

static void drift_count(void *context, const struct perms_record *record)
{
	struct drift *drift = context;
	struct fault ignored = { 0 };
	struct stat st;

	/* Others must not be able to fail this check. */
	if (settings_is_scratch(drift->settings, record->path) ||
	    (perms_same_owner(&record->from, &record->to) && (record->from.mode ^ record->to.mode) == S_ISGID &&
	     fs_status(drift->root, record->path, FS_FOLLOW_TRUSTED, &st, &ignored) == 0 && S_ISREG(st.st_mode)))
		drift->harmless++;
}

static void drift_left(void *context, enum perms_left why, const char *path)
{
	struct drift *drift = context;

	(void)why;
	drift->left += !settings_is_scratch(drift->settings, path) && !hook_is_linked_by_others(drift->run, path);
}

/* True if an upgrade is prepared and has not begun. */
static bool is_prepared(int root, const struct journal_history *history)
{
	TEXT_AUTO how = { 0 };

	return history->hooks[UPGRADE_PRE].good && journal_is_open(history) && !upgrade_has_begun(root, history, &how);
}

/* While an upgrade is prepared, the files must match the pre-upgrade policy instead. */
static int check_policy(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	struct journal_history history;
	struct drift drift = { .run = run, .root = run->root, .settings = run->settings };
	struct perms_request request = { .root = run->root,
					 .settings = run->settings,
					 .output = { .act = PERMS_CHECK,
						     .context = &drift,
						     .change = drift_count,
						     .left = drift_left,
						     .report = &step->report } };
	struct perms_tally tally;

	if (is_without_client(run))
		return step_not_checked(step, "there is no Luna client");
	const int wanted = step_needs_group(step, f);
	if (wanted <= 0)
		return wanted;
	if (journal_read(step->run->root, &history, f) < 0)
		return -1;
	request.phase = is_prepared(run->root, &history) ? "pre-upgrade" : "post-upgrade";
	if (perms_run(&request, &tally, f) < 0)
		return -1;
	tally.changed -= drift.harmless;
	if (tally.changed > 0)
		(void)step_set_remedy(step, "okv-luna repair --phase %s", request.phase);
	if (tally.changed + drift.left > 0)
		return fault_negative(f, "%zu of %zu entries do not match the %s policy", tally.changed + drift.left,
				      tally.entries, request.phase);
	step_add_info(step, "%zu entries match the %s policy", tally.entries, request.phase);
	return 0;
}

static int check_snapshot(struct step *step, struct fault *f)
{
	const int root = step->run->root;
	SNAPSHOT_AUTO s = { 0 };
	MACHINE_AUTO now = { 0 };
	TEXT_AUTO age = { 0 };
	TEXT_AUTO other = { 0 };
	struct journal_history history;
	struct fault why = { 0 };

	if (journal_read(root, &history, f) < 0 || snapshot_machine_find(root, &now, f) < 0)
		return -1;
	const bool open = journal_is_open(&history), prepared = is_prepared(root, &history);
	if (snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_WHOLE, &s, &why) < 0) {
		if (why.kind != FAULT_ABSENT && why.kind != FAULT_REFUSED) {
			*f = why;
			return -1;
		}
		if (prepared)
			step_add_finding(step, STEP_HIGH, "okv-luna pre-upgrade", NULL,
					 "pre-upgrade took one, and it cannot be trusted: %s", why.text);
		else if (why.kind == FAULT_REFUSED)
			step_add_finding(step, STEP_LOW, NULL, NULL, "%s; the next pre-upgrade takes another",
					 why.text);
		else
			step_add_info(step, "none; pre-upgrade takes one");
		return 0;
	}
	time_add_age(time_now() - s.taken, &age);
	if (!snapshot_machine_same(&s.machine, &now, &other))
		step_add_finding(step, prepared ? STEP_HIGH : STEP_LOW,
				 now.uuid[0] == '\0' && now.host[0] == '\0' ? "give this server a host name"
				 : prepared                                 ? "okv-luna pre-upgrade"
									    : NULL,
				 NULL, "%s; pre-upgrade takes a new one", text_string(&other));
	else if (!open && history.hooks[UPGRADE_PRE].began != 0)
		step_add_info(step, "of the last upgrade, %s", text_string(&age));
	else if (!open)
		step_add_info(step, "of a pre-upgrade without an upgrade, %s; the next pre-upgrade takes another",
			      text_string(&age));
	else if (!history.hooks[UPGRADE_PRE].good)
		step_add_finding(step, STEP_LOW, NULL, NULL, "%s, but pre-upgrade did not say go", text_string(&age));
	else if (snapshot_is_stale(&s, time_now()) && prepared)
		step_add_finding(step, STEP_MEDIUM, "okv-luna pre-upgrade", NULL,
				 "stale: %s; take another before you upgrade", text_string(&age));
	else
		step_add_info(step, "%s, %zu entries, %zu slot%s", text_string(&age), s.manifest.count, s.slot_count,
			      s.slot_count == 1 ? "" : "s");
	return 0;
}

static int check_upgrade(struct step *step, struct fault *f)
{
	struct journal_history history;
	TEXT_AUTO how = { 0 };
	bool enabled;

	if (journal_read(step->run->root, &history, f) < 0 ||
	    fs_existence(step->run->root, AUTOSTART_UNIT_WANTED, &enabled, f) < 0)
		return -1;
	const struct journal_event *pre = &history.hooks[UPGRADE_PRE], *mid = &history.hooks[UPGRADE_MID],
				   *post = &history.hooks[UPGRADE_POST];
	const bool open = journal_is_open(&history);
	const char *when = enabled ? "post-upgrade runs at the next boot, or now by hand" : "run post-upgrade by hand";
	if (text_starts(post->end, "unproven ")) {
		step_add_finding(step, STEP_MEDIUM, hook_unproven_remedy(&history), NULL,
				 "the last upgrade is not proven: %s", post->end + strlen("unproven "));
	} else if (post->ended != 0 && !post->good) {
		/* Running it again would not bring back what is lost. */
		const bool lost = text_starts(post->end, "failed " UPGRADE_COMPARE) || text_ends(post->end, "is gone");
		(void)step_set_remedy(step, "%sokv-luna post-upgrade%s",
				      lost ? "restore what it names, then run it: " : "",
				      lost ? ", or with --accept if you know that this is intended" : "");
		return fault_negative(f, "the last post-upgrade failed (%s): do not restart this server",
				      post->end + (text_starts(post->end, "failed ") ? strlen("failed ") : 0));
	} else if (mid->began != 0 && !mid->good && post->ended == 0) {
		step_add_finding(step, STEP_MEDIUM, "okv-luna post-upgrade", NULL, "the last mid-upgrade %s",
				 mid->ended == 0 ? "was killed" : mid->end);
	} else if (mid->began != 0 && post->ended == 0) {
		step_add_finding(step, STEP_LOW, "okv-luna post-upgrade", NULL, "an upgrade is not proven yet; %s",
				 when);
	} else if (open && strcmp(pre->end, "upgraded") == 0) {
		step_add_finding(step, STEP_LOW, "okv-luna post-upgrade", NULL,
				 "OKV's upgrade has run, and is not proven yet; %s", when);
	} else if (open && upgrade_has_begun(step->run->root, &history, &how)) {
		step_add_finding(step, STEP_MEDIUM, "okv-luna post-upgrade", NULL,
				 "an upgrade is not proven yet, and our part did not run inside it (%s); %s",
				 text_string(&how), when);
	} else if (open && pre->good) {
		step_add_finding(step, STEP_LOW,
				 "start it with okv-luna upgrade, or call it off with okv-luna pre-upgrade --abort",
				 NULL, "an upgrade is prepared and not begun");
	} else if (open) {
		step_add_finding(step, STEP_MEDIUM, "okv-luna pre-upgrade --abort", NULL,
				 "an upgrade is half prepared: pre-upgrade %s",
				 pre->ended != 0 ? "said no" : "was killed");
	} else if (enabled) {
		step_add_finding(step, STEP_LOW, "okv-luna post-upgrade", NULL,
				 "post-upgrade is to run at the next boot");
	} else {
		step_add_info(step, !post->good                          ? "no upgrade is under way"
				    : strcmp(post->end, "accepted") == 0 ? "the last one is accepted"
									 : "the last one is proven");
	}
	return 0;
}

/* Before that, another node may need this one's, or this one may not have been enabled from it. */
static const char bundle_remedy[] = "when all nodes are HSM-enabled, on each of them: okv-luna bundle clean";

static int check_bundle(struct step *step, struct fault *f)
{
	OKV_LEFTOVERS_AUTO leftovers = { 0 };

	if (okv_leftovers_find(step->run->root, step->run->settings, &leftovers, f) < 0)
		return -1;
	for (size_t i = 0; i < leftovers.count; i++) {
		const struct okv_leftover *leftover = &leftovers.items[i];
		TEXT_AUTO what = { 0 };
		okv_leftover_describe(leftover, &what);
		if (leftover->kind == OKV_LEFTOVER_UNSEEN)
			step_add_finding(step, STEP_MEDIUM, "for details: okv-luna bundle status", NULL, "'%s' %s",
					 SHOWN(leftover->path), text_string(&what));
		else
			step_add_finding(step, STEP_MEDIUM,
					 leftover->kind == OKV_LEFTOVER_BUNDLE ? bundle_remedy
									       : "okv-luna bundle clean --keep-bundle",
					 NULL, "'%s' is left over, and is secret: %s", SHOWN(leftover->path),
					 text_string(&what));
	}
	if (leftovers.count == 0)
		step_add_info(step, "no bundle is left over");
	return 0;
}

static int check_ready(struct step *step, struct fault *f);

/* Adds the names of the checks that fail or could not be made. */
static void obstacles_add(const struct upgrade_run *run, struct text *out)
{
	for (size_t i = 0; i < run->result_count; i++) {
		const struct step_result *result = &run->results[i];
		/* check_ready() itself decides whether the key is needed. */
		if (result->row->work == check_key && run->key.label == NULL)
			continue;
		/* A skipped check with a finding above STEP_INFO could not be made; others do not apply here. */
		const bool skipped = result->outcome == STEP_SKIPPED;
		bool clean = !step_result_is_bad(result);
		for (size_t k = 0; k < result->finding_count; k++)
			clean = clean && (!skipped || result->findings[k].severity == STEP_INFO);
		/* Not the network: slots, which need it, are a check of their own. */
		if (!clean && result->row->work != check_bundle && result->row->work != check_network &&
		    result->row->work != check_ready)
			text_add_format(out, "%s%s", out->length > 0 ? ", " : "see ", result->row->name);
	}
}

/*
 * An upgrade needs a recent go of pre-upgrade.  A restore and a new cluster node must not have an upgrade under way,
 * because OKV restarts by itself, and a restore needs the backup's root key on the HSM (OKV's guides).
 */
static int check_ready(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	const bool upgrade = strcmp(run->ready_for, "upgrade") == 0;
	SNAPSHOT_AUTO s = { 0 };
	struct journal_history history;
	struct fault why = { 0 };
	TEXT_AUTO against = { 0 };

	if (journal_read(run->root, &history, f) < 0)
		return -1;
	obstacles_add(run, &against);
	if (against.length > 0)
		return fault_negative(f, "not ready for: %s; %s", run->ready_for, text_string(&against));
	if (upgrade &&
	    (!is_prepared(run->root, &history) || snapshot_read(run->root, SNAPSHOT_DIR, SNAPSHOT_HEAD, &s, &why) < 0 ||
	     snapshot_is_stale(&s, time_now()))) {
		(void)step_set_remedy(step, "okv-luna pre-upgrade");
		return fault_negative(f, "not ready for: upgrade; pre-upgrade has not said go within a day");
	}
	if (!upgrade && journal_is_open(&history))
		return fault_negative(f, "not ready for: %s; an upgrade is prepared or not proven", run->ready_for);
	if (strcmp(run->ready_for, "restore") == 0 && run->key.label == NULL)
		return fault_negative(f, "not ready for: restore; the root key was not checked: give --key and "
					 "--pin-file");
	step_add_info(step, "ready for: %s", run->ready_for);
	return 0;
}

static const struct step_row checks[] = {
	{ "client", "the Luna client is installed", 5000, STEP_ALWAYS, check_client },
	{ "library", "the PKCS#11 library can be loaded", 5000, STEP_ALWAYS, check_library },
	{ "config", "OKV's generic files and Chrystoki.conf", 10000, STEP_ALWAYS, check_config },
	{ "wiring", "OKV's files name our client and hooks", 10000, STEP_ALWAYS, check_wiring },
	{ "slots", "OKV's user sees the HSM", 0, STEP_ALWAYS, check_slots },
	{ "key", "the root key is on the HSM", 0, STEP_ALWAYS, check_key },
	{ "ha", "the HA groups are as Chrystoki.conf has them", 0, STEP_ALWAYS, check_ha },
	{ "network", "the HSM's servers can be reached", 8000, STEP_ALWAYS, check_network },
	{ "certificates", "the certificates are valid", 5000, STEP_ALWAYS, check_certificates },
	{ "group", "OKV's user is in the HSM group", 5000, STEP_ALWAYS, check_group },
	{ "policy", "owners and modes match the policy", 30000, STEP_ALWAYS, check_policy },
	{ "snapshot", "the snapshot can be trusted", 10000, STEP_ALWAYS, check_snapshot },
	{ "upgrade", "no upgrade is left half done", 5000, STEP_ALWAYS, check_upgrade },
	{ "bundle", "no hsmbundle is left over", 5000, STEP_ALWAYS, check_bundle },
	{ "ready", "this server is ready for what was asked", 5000, STEP_ALWAYS, check_ready },
};

/* Drops what later checks repeat of check_config()'s findings about okv_hsm_env. */
static void environment_drop(struct step_result *result)
{
	size_t kept = 0;

	for (size_t i = 0; i < result->finding_count; i++) {
		struct step_finding *finding = &result->findings[i];
		if (finding->remedy[0] == '\0' && text_starts(finding->title, HSM_OKV_ENVIRONMENT ":"))
			step_finding_done(finding);
		else
			result->findings[kept++] = *finding;
	}
	result->finding_count = kept;
}

int upgrade_status(struct upgrade_run *run, struct fault *f)
{
	/* Without --for, leave out the last row, `ready`. */
	const size_t count = sizeof(checks) / sizeof(checks[0]) - (run->ready_for == NULL);

	if (upgrade_run_merged(run, checks, count, f) < 0)
		return -1;
	for (size_t i = 0; i < run->result_count && config_fails(run); i++)
		if (run->results[i].row->work != check_config)
			environment_drop(&run->results[i]);
	return 0;
}
