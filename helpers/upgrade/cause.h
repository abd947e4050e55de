/*
 * upgrade/cause: one cause is reported once.
 *
 * Promise: runs the steps (upgrade/step.h); then a failure or finding whose remedy an earlier failed step already gives
 * is replaced by "waits for STEP: ...", once per step, and the later step counts as skipped.  The verdict of the run
 * stays what the first of them made it.
 */
#ifndef OKV_UPGRADE_CAUSE_H
#define OKV_UPGRADE_CAUSE_H

#include "upgrade/step.h"

/* Fails only for lack of memory. */
int upgrade_run_merged(struct upgrade_run *run, const struct step_row *rows, size_t count, struct fault *f);

#endif
