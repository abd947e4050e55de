/*
 * upgrade/cause: runs the steps of a hook or of status, and reports one cause once.
 *
 * Promise: after the steps have run (upgrade/step.h), a failure or finding with the same remedy as an earlier failed
 * step is replaced by a finding "waits for STEP: ...", at most one for each earlier step.  Its step is then skipped,
 * neither failed nor passed.  run->verdict stays as it was.
 */
#ifndef OKV_UPGRADE_CAUSE_H
#define OKV_UPGRADE_CAUSE_H

#include "upgrade/step.h"

/* As upgrade_run_steps(): fails only without memory. */
int upgrade_run_merged(struct upgrade_run *run, const struct step_row *rows, size_t count, struct fault *f);

#endif
