/*
 * upgrade/output: what a run means, as text for people and as JSON for scripts.
 *
 * Promise: a hook is answered in one sentence, which comes first; after it come the steps, one line each, with
 * their times, what they found and the command that fixes it.  The JSON has the same, and a flat list "entries" of
 * findings in the manner of a leapp report: severity, title, detail, remediation.  payload/schema describes it.
 */
#ifndef OKV_UPGRADE_OUTPUT_H
#define OKV_UPGRADE_OUTPUT_H

#include <stdbool.h>

#include "base/json.h"
#include "base/text.h"
#include "upgrade/step.h"

/* Starts with how it is to look. */
struct output {
	bool coloured, verbose;
	struct text sentence; /* of a hook, without a full stop */
	struct text lines;    /* what follows it, advice and steps; of status, the checks */
};

#define OUTPUT_AUTO __attribute__((cleanup(output_done))) struct output

void output_done(struct output *output);
/*
 * What the run of a hook means.  `j` is the open object of the answer: both add their members to it and end it.  0, or
 * -1 with the fault that is its exit status and whose text is the sentence; the output is there in both cases.
 */
int output_hook(const struct upgrade_run *run, struct output *output, struct json *j, struct fault *f);
/* status: every check with its worst finding, the worst first.  FAULT_NEGATIVE where one fails. */
int output_status(const struct upgrade_run *run, struct output *output, struct json *j, struct fault *f);

#endif
