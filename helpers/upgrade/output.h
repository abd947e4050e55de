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

#include "base/text.h"
#include "upgrade/step.h"

enum output_colour { OUTPUT_PLAIN, OUTPUT_COLOUR };
enum output_detail { OUTPUT_BRIEF, OUTPUT_VERBOSE };

/* Starts as { 0 }. */
struct output_answer {
	const char *word; /* "go", "no", "proven", "failed", "changed", "unchanged", "back", "nothing" */
	struct text sentence;
	struct text advice; /* lines that follow the sentence; may be empty */
	int exit;
};

#define OUTPUT_ANSWER_AUTO __attribute__((cleanup(output_answer_done))) struct output_answer

/* What the run of a hook means.  0, or -1 with the fault that is its exit status and whose text is the sentence. */
int output_answer(const struct upgrade_run *run, struct output_answer *ret_answer, struct fault *f);
void output_answer_done(struct output_answer *answer);
/* The advice and the steps; the sentence is the caller's to print. */
void output_text(const struct upgrade_run *run, const struct output_answer *answer, enum output_colour colour,
		 enum output_detail detail, struct text *out);
void output_json(const struct upgrade_run *run, const struct output_answer *answer, struct text *out);
/* status: every check with its worst finding, the worst first.  FAULT_NEGATIVE where one fails. */
int output_status_verdict(const struct upgrade_run *run, struct fault *f);
void output_status_text(const struct upgrade_run *run, enum output_colour colour, enum output_detail detail,
			struct text *out);
void output_status_json(const struct upgrade_run *run, struct text *out);

#endif
