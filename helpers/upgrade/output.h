/*
 * upgrade/output: the result of a run, as text for people and as JSON for scripts.
 *
 * Promise: the answer of a hook is one sentence and comes first; then one line for each step, with its time, its
 * findings and the commands that fix them.  The JSON has the same, and all findings in a flat list "entries", as a
 * leapp report has: severity, title, detail, remediation.  payload/schema describes it.
 */
#ifndef OKV_UPGRADE_OUTPUT_H
#define OKV_UPGRADE_OUTPUT_H

#include <stdbool.h>

#include "base/json.h"
#include "base/text.h"
#include "upgrade/step.h"

struct output {
	bool coloured, verbose; /* set by the caller */
	struct text sentence;   /* of a hook, without a full stop */
	struct text lines;      /* of a hook: advice and steps; of status: the checks */
};

#define OUTPUT_AUTO __attribute__((cleanup(output_done))) struct output

void output_done(struct output *output);
/*
 * Both functions add their members to the object `j`, which is open, and close it.
 *
 * Formats the run of a hook.  0, or -1 and a fault whose kind is the exit status and whose text is the sentence.
 * `output` is filled in both cases.
 */
int output_hook(const struct upgrade_run *run, struct output *output, struct json *j, struct fault *f);
/* Formats the checks of status, failures first.  FAULT_NEGATIVE if a check fails. */
int output_status(const struct upgrade_run *run, struct output *output, struct json *j, struct fault *f);

#endif
