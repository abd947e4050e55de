/*
 * upgrade/steps: what more than one act does, as steps.
 *
 * Each is idempotent, reads what it needs from the files under the root, and can be the last thing that ran.
 */
#ifndef OKV_UPGRADE_STEPS_H
#define OKV_UPGRADE_STEPS_H

#include "upgrade/run.h"
#include "upgrade/snapshot.h"
#include "hsm/probe.h"
#include "okv/check.h"

/*
 * Records can be written below var/; if not, or without the lock of the product, that is the fault, and what to do.
 * First in its act, so that nobody is told of a journal that a read-only file system has no room for.
 */
int upgrade_step_records(struct upgrade_act *act, struct fault *f);
/* Unless that step has failed. */
bool upgrade_steps_recorded(const struct upgrade_run *run);
/* The group exists, with the id our files carry where that is free. */
int upgrade_step_group(struct upgrade_act *act, struct fault *f);
/* OKV's user is in it. */
int upgrade_step_member(struct upgrade_act *act, struct fault *f);
/* What carried the group's old id inside the preserved paths carries the new one. */
int upgrade_step_reown(struct upgrade_act *act, struct fault *f);
/* OKV's generic files and our links (okv/wiring.h), then nothing is left that would fail. */
int upgrade_step_wire(struct upgrade_act *act, struct fault *f);
/* The post-upgrade unit is enabled; a root without systemd is told, and is no failure. */
int upgrade_step_arm(struct upgrade_act *act, struct fault *f);
/* Processes of OKV's user without the group. */
int upgrade_step_processes(struct upgrade_act *act, struct fault *f);

/* Owners and modes to the policy of "pre-upgrade" or "post-upgrade". */
int upgrade_step_repair(struct upgrade_act *act, const char *phase, struct fault *f);
/* Findings of okv_check; those of OKV_FAIL with that severity, others below it. */
void upgrade_steps_findings(struct upgrade_act *act, const struct okv_findings *findings, enum upgrade_severity fail);
int upgrade_steps_job(const struct upgrade_act *act, struct okv_job *ret_job);

/* Asks the HSM as OKV's user; a no is the fault, its causes are findings.  *ret_slots holds the usable slots. */
int upgrade_steps_slots(struct upgrade_act *act, struct upgrade_slots *ret_slots, struct fault *f);

/* Where in the journal a finding comes from, or the history is what is asked. */
int upgrade_steps_history(const struct upgrade_act *act, struct upgrade_history *ret_history, struct fault *f);
/*
 * For the journal, unless this is a dry run.  What cannot be written down (a full or read-only var/) is a complaint of
 * the run, so that it costs neither the work nor the answer.
 */
void upgrade_steps_note(struct upgrade_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
