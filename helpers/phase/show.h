/*
 * phase/show: a run as text for people and as JSON for scripts.
 *
 * Promise: an act is answered in one sentence, which comes first; after it come the steps, one line each, with
 * their times, what they found and the command that mends it.  The JSON has the same, and a flat list "entries" of
 * findings in the manner of a leapp report: severity, title, detail, remediation.  payload/schema describes it.
 */
#ifndef OKV_PHASE_SHOW_H
#define OKV_PHASE_SHOW_H

#include <stdbool.h>

#include "base/json.h"
#include "base/text.h"
#include "phase/run.h"

enum phase_colour { PHASE_PLAIN, PHASE_COLOUR };
enum phase_detail { PHASE_BRIEF, PHASE_VERBOSE };

struct phase_answer {
	const char *word; /* "go", "no", "proven", "failed", "changed", "unchanged", "back", "nothing" */
	struct text sentence;
	struct text advice; /* lines that follow the sentence; may be empty */
	int exit;
};

#define PHASE_ANSWER_INIT { .word = "", .sentence = TEXT_INIT, .advice = TEXT_INIT, .exit = 0 }
#define PHASE_ANSWER_AUTO __attribute__((cleanup(phase_answer_done))) struct phase_answer

void phase_answer_done(struct phase_answer *answer);
/* What the run of an act means.  0, or -1 with the fault that is its exit status and whose text is the sentence. */
int phase_answer_make(const struct phase_run *run, struct phase_answer *ret_answer, struct fault *f);
/* The advice and the steps; the sentence is the caller's to print. */
void phase_show_text(const struct phase_run *run, const struct phase_answer *answer, enum phase_colour colour,
		     enum phase_detail detail, struct text *out);
void phase_show_json(const struct phase_run *run, const struct phase_answer *answer, struct text *out);
/* Keeps the JSON as SETTINGS_VAR/NAME.json, NAME being the act's. */
int phase_show_keep(const struct phase_run *run, const struct text *json, struct fault *f);

/* status: every check with its worst finding, the worst first. */
enum phase_check { PHASE_CHECK_OK, PHASE_CHECK_WARN, PHASE_CHECK_FAIL };
enum { PHASE_STATUS_HANG = 16 }; /* the column where a check's text begins */
enum phase_check phase_show_check(const struct phase_result *result);
void phase_show_status(const struct phase_run *run, enum phase_colour colour, enum phase_detail detail,
		       struct text *out);
void phase_show_status_json(const struct phase_run *run, int exit, struct text *out);

#endif
