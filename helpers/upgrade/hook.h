/*
 * upgrade/hook: the three hooks of an upgrade and status, each a constant table of steps, and their shared steps.
 *
 * Promise: a hook can be killed anywhere and run again: it then finishes its work, and changes nothing if none is left.
 * So each step is idempotent and reads its input from files under the root.  The caller holds the product's lock, or
 * sets run->lock_fault.  The answer is run->verdict; a yes that cannot be written to the journal becomes a no.
 */
#ifndef OKV_UPGRADE_HOOK_H
#define OKV_UPGRADE_HOOK_H

#include "base/fault.h"
#include "okv/check.h"
#include "upgrade/step.h"
#include "upgrade/snapshot.h"

enum {
	HOOK_PRE_BOUND_MS = 30 * 60 * 1000, /* it reads every preserved file, and the client can be large */
	HOOK_MID_BOUND_MS = 60 * 1000,
	HOOK_POST_BOUND_MS = 180 * 1000, /* plus SLOT_TIMEOUT; OKV's services wait for it at boot */
};

/* Prepares an upgrade.  Journals its begin, the group's id and the answer: "go", or "no" and why. */
int hook_pre_upgrade(struct upgrade_run *run, struct fault *f);
/* Restores the state before the first pre-upgrade since the last upgrade; does nothing if there was none. */
int hook_pre_abort(struct upgrade_run *run, struct fault *f);
/*
 * Runs inside OKV's upgrade, possibly on a new OS: group, membership, files with the old id, wiring, autostart.  Does
 * its work even if the journal cannot be written.
 */
int hook_mid_upgrade(struct upgrade_run *run, struct fault *f);
/* Group, wiring, owners and modes, slots, comparison with the snapshot; if all is well, disables the autostart. */
int hook_post_upgrade(struct upgrade_run *run, struct fault *f);
/* Runs every check; changes nothing. */
int upgrade_status(struct upgrade_run *run, struct fault *f);
/*
 * True if the prepared upgrade has begun: mid- or post-upgrade has run since, or the operating system or OKV differs
 * from the snapshot.  *ret_how says which: "mid-upgrade has run".
 */
bool upgrade_has_begun(int root, const struct journal_history *history, struct text *ret_how);
/* The journal's line of a post-upgrade that had no snapshot to compare with. */
#define UPGRADE_UNPROVEN "end unproven nothing to compare with"
/* In the journal, before the fault of a post-upgrade that found differences from the snapshot. */
#define UPGRADE_COMPARE "comparing: "
/* The command that completes an upgrade which post-upgrade has not proven. */
const char *hook_unproven_remedy(const struct journal_history *history);
/* snapshot_read() of SNAPSHOT_DIR.  FAULT_ABSENT, too, if the snapshot is another machine's. */
int hook_snapshot_read(const struct upgrade_run *run, enum snapshot_part part, struct snapshot *ret_snapshot,
		       struct fault *f);
/* Saves the JSON of a run as SETTINGS_VAR/HOOK.json, unless in a dry run or without results.  Fails as hook_note(). */
void hook_report_save(struct upgrade_run *run, const struct text *json);

/* --- steps of more than one hook ---------------------------------------------------------------------------------- */

/*
 * Fails if records cannot be written below var/, or if the product's lock is not held.  First in its hook: its remedy
 * is better than what a failed write to the journal could say.
 */
int step_records(struct step *step, struct fault *f);
/* 1: this client needs the group and the modes; 0: it does not (v6.x), and the step is marked as skipped. */
int step_needs_group(struct step *step, struct fault *f);
/* Ensures that the HSM group exists, with its old id if that is free. */
int step_group(struct step *step, struct fault *f);
bool hook_user_is_missing(const struct upgrade_run *run);
/* Returns -1 with FAULT_ABSENT, "there is no user ...", and sets the remedy. */
int step_set_user_remedy(struct step *step, struct fault *f);
/* Ensures that OKV's user is a member of the HSM group. */
int step_member(struct step *step, struct fault *f);
/* Gives entries of the preserved paths that have the group's old id the new one. */
int step_reown(struct step *step, struct fault *f);
/* pre-upgrade's check of OKV's generic files and Chrystoki.conf, before step_wire. */
int step_config(struct step *step, struct fault *f);
/* Wires OKV's generic files and our links (okv/wiring.h), then reports what is still wrong with them. */
int step_wire(struct step *step, struct fault *f);
/* Enables the post-upgrade unit.  Without systemd: a finding and STEP_SKIPPED. */
int step_autostart(struct step *step, struct fault *f);

/* Compares the preserved files with the snapshot.  STEP_PARTIAL: there is no usable snapshot of this machine. */
int step_compare(struct step *step, struct fault *f);
/* True if all other hard links of the file are where others may write: whoever may make them must decide nothing. */
bool hook_is_linked_by_others(const struct upgrade_run *run, const char *path);
/* Repairs to the policy of pre-upgrade in that hook, in any other to that of post-upgrade. */
int step_repair(struct step *step, struct fault *f);
/* Adds okv_check()'s findings: FINDING_FAIL as `fail` (moot: STEP_UNLESS_ANSWERED), FINDING_WARN as STEP_LOW. */
void step_add_okv_findings(struct step *step, const struct finding_list *findings, enum step_severity fail);
struct okv_job step_okv_job(struct step *step);
/* Skips the step with a finding, so that nobody takes it for passed.  Returns 0. */
int step_not_checked(struct step *step, const char *why);
/* Sets the remedy of the first failure that wiring does not fix, else `config check`.  Returns -1. */
int step_set_config_remedy(struct step *step);

/* What the settings require of the slots, and where the library's name comes from. */
int step_question(struct step *step, struct hsm_question *ret_question, struct fault *f);
/* Adds the likely causes of a failed hsm_check() as findings.  Sets question->checked, valid during the call only. */
void step_add_causes(struct step *step, struct hsm_question *question, const struct hsm_answer *answer);
/* The hooks ask all at once; status has a line for each of the others. */
enum step_ask { STEP_ASK_ALL, STEP_ASK_SLOTS, STEP_ASK_KEY, STEP_ASK_GROUPS };
/* Asks the HSM as OKV's user; on failure the likely causes are findings.  `ret_answer` may be NULL. */
int step_ask_slots(struct step *step, enum step_ask what, struct hsm_answer *ret_answer, struct fault *f);

/* Adds a line to the journal, unless in a dry run.  A failure (var/ full or read-only) goes to run->complaints only. */
void hook_note(struct upgrade_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
