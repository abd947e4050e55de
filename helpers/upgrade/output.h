/*
 * upgrade/output: a run as text for people and as JSON for scripts.
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

enum output_colour { OUTPUT_PLAIN, OUTPUT_COLOUR };
enum output_detail { OUTPUT_BRIEF, OUTPUT_VERBOSE };

struct upgrade_answer {
	const char *word; /* "go", "no", "proven", "failed", "changed", "unchanged", "back", "nothing" */
	struct text sentence;
	struct text advice; /* lines that follow the sentence; may be empty */
	int exit;
};

#define UPGRADE_ANSWER_INIT \
	{ \
		.word = "", .sentence = { 0 }, .advice = { 0 }, .exit = 0 \
	}
#define UPGRADE_ANSWER_AUTO __attribute__((cleanup(upgrade_answer_done))) struct upgrade_answer

void upgrade_answer_done(struct upgrade_answer *answer);
/* What the run of a hook means.  0, or -1 with the fault that is its exit status and whose text is the sentence. */
int upgrade_answer_make(const struct upgrade_run *run, struct upgrade_answer *ret_answer, struct fault *f);
/* The advice and the steps; the sentence is the caller's to print. */
void output_text(const struct upgrade_run *run, const struct upgrade_answer *answer, enum output_colour colour,
		 enum output_detail detail, struct text *out);
void output_json(const struct upgrade_run *run, const struct upgrade_answer *answer, struct text *out);
/* Keeps the JSON as SETTINGS_VAR/NAME.json, NAME being the hook's. */
int output_keep(const struct upgrade_run *run, const struct text *json, struct fault *f);

/* status: every check with its worst finding, the worst first. */
enum output_state { OUTPUT_OK, OUTPUT_WARN, OUTPUT_FAIL };
enum { STATUS_INDENT = 16 }; /* the column where a check's text begins */
enum output_state output_status_state(const struct step_result *result);
void output_status_text(const struct upgrade_run *run, enum output_colour colour, enum output_detail detail,
			struct text *out);
void output_status_json(const struct upgrade_run *run, int exit, struct text *out);

#endif
