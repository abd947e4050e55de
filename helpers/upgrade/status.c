#include <sys/stat.h>

#include "base/time.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "fs/root.h"
#include "hsm/probe.h"
#include "hsm/verdict.h"
#include "okv/group.h"
#include "okv/leftovers.h"
#include "okv/wiring.h"
#include "perms/repair.h"
#include "upgrade/autostart.h"
#include "upgrade/hook.h"
#include "upgrade/snapshot.h"

enum { LIBRARY_MS = 4000 };

/* Each check is a step that changes nothing; what it finds makes OK (info), WARN (low, medium) or FAIL (high). */

static int check_client(struct step *step, struct fault *f)
{
	const struct settings *s = step->run->settings;
	struct stat st;

	if (fs_status(step->run->root, s->client_dir, FS_FOLLOW_TRUSTED, &st, f) < 0) {
		(void)step_set_remedy(step, "okv-luna extract ARCHIVE");
		return f->kind == FAULT_ABSENT ? fault_absent(f, "there is no Luna client at '%s'", s->client_dir) : -1;
	}
	if (!S_ISDIR(st.st_mode))
		return fault_refused(f, "'%s' is not a directory", s->client_dir);
	if (fs_status(step->run->root, s->chrystoki_conf, FS_FOLLOW_TRUSTED, &st, f) < 0)
		return step_set_remedy(step, "okv-luna config check");
	if (st.st_uid != 0 || (st.st_mode & 022) != 0)
		step_add_info(step, "'%s'; '%s' can be written by others than root", s->client_dir, s->chrystoki_conf);
	else
		step_add_info(step, "'%s' with '%s'", s->client_dir, s->chrystoki_conf);
	return 0;
}

static int check_library(struct step *step, struct fault *f)
{
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	struct hsm_question question;

	if (step_question(step, &question, f) < 0)
		return -1;
	question.timeout_ms = LIBRARY_MS;
	question.load_only = true;
	if (hsm_check(&question, &answer, f) < 0) {
		const char *remedy = answer.module == NULL ? hsm_library_remedy(step->run->root) : NULL;
		if (remedy != NULL)
			(void)step_set_remedy(step, "%s", remedy);
		return -1;
	}
	step_add_info(step, "'%s' can be loaded", answer.module_real);
	return 0;
}

static int check_config(struct step *step, struct fault *f)
{
	OKV_FINDINGS_AUTO findings = { 0 };
	struct okv_job job = step_okv_job(step);

	job.mode = OKV_PLAN;
	if (okv_check(&job, &findings, f) < 0)
		return step_set_remedy(step, "okv-luna config check");
	step_add_okv_findings(step, &findings, STEP_HIGH);
	if (okv_findings_count(&findings, OKV_FAIL) + okv_findings_count(&findings, OKV_WARN) == 0)
		step_add_info(step, "nothing to complain about");
	return 0;
}

static int check_wiring(struct step *step, struct fault *f)
{
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct okv_job job = step_okv_job(step);

	job.mode = OKV_PLAN;
	job.report = NULL;
	if (okv_wiring_apply(&job, &outcome, f) < 0)
		return step_set_remedy(step, "okv-luna config check");
	if (outcome.scope != OKV_SCOPE_GENERIC)
		step_add_info(step, "%s", okv_scope_text(outcome.scope));
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

static int check_group(struct step *step, struct fault *f)
{
	const struct settings *s = step->run->settings;
	TEXT_AUTO group = { 0 };
	TEXT_AUTO passwd = { 0 };
	struct accounts_user user;
	size_t lacking;
	gid_t gid;

	if (fs_read_config(step->run->root, "/etc/group", &group, f) < 0 ||
	    fs_read_config(step->run->root, "/etc/passwd", &passwd, f) < 0)
		return -1;
	if (!accounts_group_find(&group, s->hsm_group, &gid)) {
		(void)step_set_remedy(step, "okv-luna repair");
		return fault_absent(f, "there is no group '%s'", s->hsm_group);
	}
	if (!accounts_user_find(&passwd, s->okv_user, &user))
		return fault_absent(f, "there is no user '%s'", s->okv_user);
	if (user.gid != gid && !accounts_group_lists(&group, s->hsm_group, s->okv_user)) {
		(void)step_set_remedy(step, "gpasswd --add %s %s", s->okv_user, s->hsm_group);
		return fault_negative(f, "user '%s' is not in group '%s'", s->okv_user, s->hsm_group);
	}
	struct okv_job job = step_okv_job(step);
	if (okv_processes_without_group(&job, s->okv_user, &lacking, f) < 0)
		return -1;
	step_add_info(step, "'%s' is in '%s' (id %lu)", s->okv_user, s->hsm_group, (unsigned long)gid);
	return 0;
}

/*
 * The kernel takes the set-group-id bit off a regular file that is written by somebody else than its owner.  The
 * guide's policy sets it on files too, so every file that the client writes drifts at once, and nothing comes of it.
 */
struct drift {
	int root;
	size_t harmless;
};

static void drift_count(void *context, const struct perms_record *record)
{
	struct drift *drift = context;
	struct fault ignored = { 0 };
	struct stat st;

	if (perms_same_owner(&record->from, &record->to) && (record->from.mode ^ record->to.mode) == S_ISGID &&
	    fs_status(drift->root, record->path, FS_FOLLOW_TRUSTED, &st, &ignored) == 0 && S_ISREG(st.st_mode))
		drift->harmless++;
}

/* While an upgrade is prepared the files are to the pre-upgrade policy, and that is as it should be. */
static int check_policy(struct step *step, struct fault *f)
{
	const struct upgrade_run *run = step->run;
	struct journal_history history;
	struct drift drift = { .root = run->root, .harmless = 0 };
	struct perms_request request = { .root = run->root,
					 .settings = run->settings,
					 .act = PERMS_CHECK,
					 .output = {
						 .context = &drift, .change = drift_count, .report = &step->report } };
	struct perms_tally tally;

	if (journal_read(step->run->root, &history, f) < 0)
		return -1;
	const bool prepared = history.hooks[UPGRADE_PRE].good && journal_is_open(&history) &&
			      history.hooks[UPGRADE_MID].began == 0 && history.hooks[UPGRADE_POST].began == 0;
	request.phase = prepared ? "pre-upgrade" : "post-upgrade";
	if (perms_run(&request, &tally, f) < 0)
		return step_set_remedy(step, f->kind == FAULT_ABSENT ? "okv-luna extract ARCHIVE"
								     : "okv-luna repair --check");
	tally.changed -= drift.harmless;
	if (perms_verdict(&tally, PERMS_CHECK, f) < 0)
		return step_set_remedy(step, "okv-luna repair --phase %s", request.phase);
	step_add_info(step, "%zu entries are to the %s policy", tally.entries, request.phase);
	return 0;
}

static int check_slots(struct step *step, struct fault *f)
{
	struct snapshot_slots slots = { .items = NULL };
	const int r = step_ask_slots(step, &slots, f);

	snapshot_slots_done(&slots);
	return r;
}

static int check_snapshot(struct step *step, struct fault *f)
{
	SNAPSHOT_AUTO s = { 0 };
	TEXT_AUTO age = { 0 };
	struct journal_history history;

	if (journal_read(step->run->root, &history, f) < 0)
		return -1;
	if (snapshot_read(step->run->root, SNAPSHOT_DIR, SNAPSHOT_WHOLE, &s, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return step_set_remedy(step, "okv-luna pre-upgrade");
		step_add_info(step, "none; pre-upgrade takes one");
		return 0;
	}
	time_add_age(time_now() - s.taken, &age);
	if (!journal_is_open(&history))
		step_add_info(step, "of the last upgrade, %s old", text_string(&age));
	else if (!history.hooks[UPGRADE_PRE].good)
		step_add_finding(step, STEP_LOW, "okv-luna pre-upgrade", NULL, "%s old, but pre-upgrade did not say go",
				 text_string(&age));
	else if (snapshot_is_stale(&s, time_now()) && history.hooks[UPGRADE_MID].began == 0)
		step_add_finding(step, STEP_MEDIUM, "okv-luna pre-upgrade", NULL,
				 "stale: %s old; take another before you upgrade", text_string(&age));
	else
		step_add_info(step, "%s old, %zu entries, %zu slot%s", text_string(&age), s.manifest.count,
			      s.slots.count, s.slots.count == 1 ? "" : "s");
	return 0;
}

static int check_upgrade(struct step *step, struct fault *f)
{
	struct journal_history history;
	bool enabled;

	if (journal_read(step->run->root, &history, f) < 0 || autostart_is_enabled(step->run->root, &enabled, f) < 0)
		return -1;
	const struct journal_event *pre = &history.hooks[UPGRADE_PRE], *mid = &history.hooks[UPGRADE_MID],
				   *post = &history.hooks[UPGRADE_POST];
	if (post->ended != 0 && !post->good) {
		(void)step_set_remedy(step, "okv-luna post-upgrade");
		return fault_negative(f, "the last post-upgrade failed (%s): do not restart this server", post->end);
	}
	if (mid->began != 0 && !mid->good && post->ended == 0)
		step_add_finding(step, STEP_MEDIUM, "okv-luna post-upgrade", NULL, "the last mid-upgrade %s",
				 mid->ended == 0 ? "was killed" : mid->end);
	else if (mid->began != 0 && post->ended == 0)
		step_add_finding(step, STEP_LOW, "okv-luna post-upgrade", NULL,
				 "an upgrade is not proven yet; post-upgrade runs at the next boot, or now by hand");
	else if (pre->ended != 0 && journal_is_open(&history))
		step_add_finding(step, pre->good ? STEP_LOW : STEP_MEDIUM,
				 pre->good ? "okv-luna upgrade" : "okv-luna pre-upgrade --abort", NULL,
				 "an upgrade is %s",
				 pre->good ? "prepared and not begun; to call it off: okv-luna pre-upgrade --abort"
					   : "half prepared: pre-upgrade said no");
	else if (enabled)
		step_add_finding(step, STEP_LOW, "okv-luna post-upgrade", NULL,
				 "post-upgrade is to run at the next boot");
	else
		step_add_info(step, post->good ? "the last one is proven" : "none is under way");
	return 0;
}

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
			step_add_finding(step, STEP_MEDIUM, "okv-luna bundle status", NULL, "'%s' %s",
					 SHOWN(leftover->path), text_string(&what));
		else
			step_add_finding(step, STEP_MEDIUM,
					 leftover->kind == OKV_LEFTOVER_BUNDLE ? "okv-luna bundle clean"
									       : "okv-luna bundle clean --keep-bundle",
					 NULL, "'%s' is left over and secret: %s", SHOWN(leftover->path),
					 text_string(&what));
	}
	if (leftovers.count == 0)
		step_add_info(step, "no bundle is left over");
	return 0;
}

static const struct step_row checks[] = {
	{ "client", "the Luna client is installed", 5000, STEP_ALWAYS, check_client },
	{ "library", "the PKCS#11 library can be loaded", 5000, STEP_ALWAYS, check_library },
	{ "config", "OKV's generic files and Chrystoki.conf", 10000, STEP_ALWAYS, check_config },
	{ "wiring", "OKV's files name our client and hooks", 10000, STEP_ALWAYS, check_wiring },
	{ "group", "OKV's user is in the HSM group", 5000, STEP_ALWAYS, check_group },
	{ "policy", "owners and modes are to policy", 30000, STEP_ALWAYS, check_policy },
	{ "slots", "OKV's user sees the HSM", 0, STEP_ALWAYS, check_slots },
	{ "snapshot", "the snapshot can be trusted", 10000, STEP_ALWAYS, check_snapshot },
	{ "upgrade", "no upgrade is left half done", 5000, STEP_ALWAYS, check_upgrade },
	{ "bundle", "no hsmbundle is left over", 5000, STEP_ALWAYS, check_bundle },
};

int upgrade_status(struct upgrade_run *run, struct fault *f)
{
	return upgrade_run_steps(run, checks, sizeof(checks) / sizeof(checks[0]), f);
}
