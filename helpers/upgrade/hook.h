/*
 * upgrade/hook: the three hooks of an upgrade and status, each a constant table of steps, and the steps that they
 * share.
 *
 * Promise: each hook can be run again at any time and after being killed anywhere, finishes what was begun, and
 * changes nothing where nothing is to do.  The caller holds the lock of the product, or says in run->unlocked why it
 * cannot.  The answer is the verdict of the run.  Where it cannot be written down, it is not a good one.
 *
 * Each step is idempotent, reads what it needs from the files under the root, and can be the last thing that ran.
 */
#ifndef OKV_UPGRADE_HOOK_H
#define OKV_UPGRADE_HOOK_H

#include "base/fault.h"
#include "okv/check.h"
#include "upgrade/step.h"
#include "upgrade/snapshot.h"

enum {
	HOOK_PRE_BOUND_MS = 30 * 60 * 1000, /* a big client tree is read whole */
	HOOK_MID_BOUND_MS = 60 * 1000,
	HOOK_POST_BOUND_MS = 180 * 1000, /* the boot waits for it; SLOT_TIMEOUT comes on top */
};

/*
 * Config check, wiring, free space, group and membership, snapshot, owners and modes, slots, rehearsal, autostart.  All
 * is written to the journal, the answer last ("go", or "no" and why).
 */
int hook_pre_upgrade(struct upgrade_run *run, struct fault *f);
/* Everything as it was before the first pre-upgrade since the last upgrade; nothing where none is open. */
int hook_pre_abort(struct upgrade_run *run, struct fault *f);
/*
 * Inside OKV's upgrade, possibly on a new OS: group, membership, files with the old id, wiring, autostart.  A journal
 * that cannot be written does not keep it from its work.
 */
int hook_mid_upgrade(struct upgrade_run *run, struct fault *f);
/* Group, wiring, owners and modes, slots, comparison with the snapshot; then no autostart any more. */
int hook_post_upgrade(struct upgrade_run *run, struct fault *f);
/* Every check of the product, nothing changed. */
int upgrade_status(struct upgrade_run *run, struct fault *f);
/*
 * Is this the other side of the upgrade that the history is about: has one of our hooks run in it, or is the operating
 * system or OKV another one?  Then how that shows: "mid-upgrade has run".
 */
bool upgrade_has_begun(int root, const struct journal_history *history, struct text *ret_how);
/* How post-upgrade ends where it could not compare. */
#define UPGRADE_UNPROVEN "end unproven nothing to compare with"
/* And how what post-upgrade says begins where it has compared, and something is missing. */
#define UPGRADE_COMPARE "comparing: "
/* What brings an upgrade to its end that no post-upgrade has proven. */
const char *hook_unproven_remedy(const struct journal_history *history);
/* As snapshot_read, of SNAPSHOT_DIR: one of another machine is FAULT_ABSENT, too. */
int hook_snapshot_read(const struct upgrade_run *run, enum snapshot_part part, struct snapshot *ret_snapshot,
		       struct fault *f);
/*
 * Keeps the JSON of a run as SETTINGS_VAR/NAME.json, NAME being the hook's, unless it was a dry run or came to nothing.
 * As with hook_note, what cannot be written is a complaint.
 */
void hook_keep(struct upgrade_run *run, const struct text *json);

/* --- steps of more than one hook ---------------------------------------------------------------------------------- */

/*
 * Records can be written below var/; if not, or without the lock of the product, that is the fault, and what to do.
 * First in its hook, so that nobody is told of a journal that a read-only file system has no room for.
 */
int step_records(struct step *step, struct fault *f);
/* 1: group and modes are wanted here; 0: a v6.x client wants neither, and the step is skipped, which is said. */
int step_is_wanted(struct step *step, struct fault *f);
/* The group exists, with the id our files carry where that is free. */
int step_group(struct step *step, struct fault *f);
/* OKV's user is in it. */
int step_member(struct step *step, struct fault *f);
/* What carried the group's old id inside the preserved paths carries the new one. */
int step_reown(struct step *step, struct fault *f);
/* OKV's generic files and our links (okv/wiring.h), then nothing is left that would fail. */
int step_wire(struct step *step, struct fault *f);
/* The post-upgrade unit is enabled; a root without systemd is told, and is no failure. */
int step_autostart(struct step *step, struct fault *f);

/* Everything is as in the snapshot; STEP_PARTIAL: there is none of this machine. */
int step_compare(struct step *step, struct fault *f);
/* Has the file, which has more than one name, all others where others may make some?  Then that decides nothing. */
bool hook_is_linked_by_others(const struct upgrade_run *run, const char *path);
/* Owners and modes to the policy of pre-upgrade, or of post-upgrade for any other hook. */
int step_repair(struct step *step, struct fault *f);
/* Findings of okv_check; those of FINDING_FAIL with that severity, others below it. */
void step_add_okv_findings(struct step *step, const struct finding_list *findings, enum step_severity fail);
struct okv_job step_okv_job(struct step *step);
/* What OKV's files cannot be wired or checked for: the command that fixes it where there is one.  Returns -1. */
int step_set_config_remedy(struct step *step);

/* What OKV would ask its HSM, by the settings. */
int step_question(struct step *step, struct hsm_question *ret_question, struct fault *f);
/* The causes of a no as findings; question->checked is the callee's. */
void step_add_causes(struct step *step, struct hsm_question *question, const struct hsm_answer *answer);
/* Of what a question may be: status has a line for each of the last two, the hooks ask all in one. */
enum step_ask { STEP_ASK_ALL, STEP_ASK_SLOTS, STEP_ASK_KEY, STEP_ASK_GROUPS };
/* Asks the HSM as OKV's user; a no is the fault, its causes are findings.  `ret_answer` may be NULL. */
int step_ask_slots(struct step *step, enum step_ask what, struct hsm_answer *ret_answer, struct fault *f);

/*
 * For the journal, unless this is a dry run.  What cannot be written down (a full or read-only var/) is a complaint of
 * the run, so that it costs neither the work nor the answer.
 */
void hook_note(struct upgrade_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
