/*
 * phase/steps: what more than one act does, as steps.
 *
 * Each is idempotent, reads what it needs from the files under the root, and can be the last thing that ran.
 */
#ifndef OKV_PHASE_STEPS_H
#define OKV_PHASE_STEPS_H

#include "phase/run.h"
#include "phase/snapshot.h"
#include "token/probe.h"
#include "wire/check.h"

/*
 * Records can be written below var/; if not, or without the lock of the product, that is the fault, and what to do.
 * First in its act, so that nobody is told of a journal that a read-only file system has no room for.
 */
int phase_step_records(struct phase_act *act, struct fault *f);
/* Unless that step has failed. */
bool phase_steps_recorded(const struct phase_run *run);
/* The group exists, with the id our files carry where that is free. */
int phase_step_group(struct phase_act *act, struct fault *f);
/* OKV's user is in it. */
int phase_step_member(struct phase_act *act, struct fault *f);
/* What carried the group's old id inside the preserved paths carries the new one. */
int phase_step_reown(struct phase_act *act, struct fault *f);
/* OKV's generic files and our links (wire/wire.h), then nothing is left that would fail. */
int phase_step_wire(struct phase_act *act, struct fault *f);
/* The post-upgrade unit is enabled; a root without systemd is told, and is no failure. */
int phase_step_arm(struct phase_act *act, struct fault *f);
/* Processes of OKV's user without the group. */
int phase_step_processes(struct phase_act *act, struct fault *f);

/* Owners and modes to the policy of "pre-upgrade" or "post-upgrade". */
int phase_step_repair(struct phase_act *act, const char *phase, struct fault *f);
/* Findings of wire_check; those of WIRE_FAIL with that severity, others below it. */
void phase_steps_findings(struct phase_act *act, const struct wire_findings *findings, enum phase_severity fail);
int phase_steps_job(const struct phase_act *act, struct wire_job *ret_job);

/* Asks the HSM as OKV's user; a no is the fault, its causes are findings.  *ret_slots holds the usable slots. */
int phase_steps_slots(struct phase_act *act, struct phase_slots *ret_slots, struct fault *f);

/* Where in the journal a finding comes from, or the history is what is asked. */
int phase_steps_history(const struct phase_act *act, struct phase_history *ret_history, struct fault *f);
/*
 * For the journal, unless this is a dry run.  What cannot be written down (a full or read-only var/) is a complaint of
 * the run, so that it costs neither the work nor the answer.
 */
void phase_steps_note(struct phase_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
