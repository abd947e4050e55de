/*
 * upgrade/step: a table of steps, run one after the other, each in a child with a deadline.
 *
 * Promise: a step that hangs, crashes or is killed fails alone and takes at most its time limit.  Its memory and
 * descriptors die with it, so steps pass data on in files only, which is why a killed hook can be run again.  The hook
 * has a time limit, too: a step gets at most what is left of it, and is not started when nothing is left.  A step's own
 * children die with it (proc/child.h).
 *
 * A step reports findings: severity, title, detail and the command that fixes it.  Failed steps and findings of
 * STEP_HIGH decide the answer of the hook.  Nothing is printed here (upgrade/output.h makes the text).
 */
#ifndef OKV_UPGRADE_STEP_H
#define OKV_UPGRADE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "conf/settings.h"
#include "hsm/probe.h"
#include "upgrade/journal.h"

enum step_severity {
	STEP_INFO,   /* worth knowing */
	STEP_LOW,    /* look at it when there is time */
	STEP_MEDIUM, /* look at it before the next restart */
	STEP_HIGH,   /* the answer is no */
	/* STEP_LOW at the end of the run, as its title says, if the HSM answered a good step; else STEP_HIGH. */
	STEP_UNLESS_ANSWERED,
};

enum step_outcome {
	STEP_UNCHANGED, /* nothing to do */
	STEP_CHANGED,   /* done; with dry_run: would be done */
	STEP_PARTIAL,   /* did what it could, and a finding names the rest; no failure */
	STEP_SKIPPED,   /* not run because of an earlier failure, or does not apply here */
	STEP_FAILED,
};

struct step_finding {
	enum step_severity severity;
	char *title;  /* owned; one sentence without a full stop */
	char *detail; /* owned; "" where there is none */
	char *remedy; /* owned; a command, a sentence, or "" */
};

void step_finding_done(struct step_finding *finding);

struct step;

enum step_when {
	STEP_ALWAYS,
	STEP_IF_CLEAN,    /* only if the answer is not no yet */
	STEP_RECORD,      /* records what undoing the later steps needs; not run if an earlier STEP_RECORD failed */
	STEP_IF_RECORDED, /* changes things, so only if no STEP_RECORD failed */
};

struct step_row {
	const char *name;  /* a stable word for scripts */
	const char *title; /* what it does, for people */
	unsigned bound_ms; /* 0: SLOT_TIMEOUT of the settings and STEP_SLOTS_GRACE_MS */
	enum step_when when;
	/* 0, or -1 and the fault; findings through the functions below. */
	int (*work)(struct step *step, struct fault *f);
};

enum { STEP_SLOTS_GRACE_MS = 5000 };

struct step_result {
	const struct step_row *row;
	enum step_outcome outcome;
	bool answered; /* the HSM opened a session, if perhaps on another token than the one required */
	unsigned elapsed_ms;
	struct fault fault;            /* FAULT_NONE unless STEP_FAILED */
	char *remedy;                  /* owned; for the fault, or NULL */
	struct step_finding *findings; /* owned */
	size_t finding_count;
	struct text changes; /* one line per change; cut off when it gets too long */
	size_t change_count; /* of all changes */
};

struct upgrade_run {
	/* Set by the caller. */
	enum upgrade_hook kind;
	int root;
	const char *root_path;
	const struct settings *settings;
	const char *profile; /* NULL: PROFILE of the settings */
	bool dry_run;
	bool accept;                 /* post-upgrade: accept differences from the snapshot */
	bool abort;                  /* pre-upgrade: --abort */
	bool skip_rehearsal;         /* pre-upgrade: skip the rehearsal */
	bool called;                 /* pre-upgrade: run by okv-luna upgrade, which advises what to do next */
	struct hsm_key_question key; /* the root key to look for; label NULL: not checked */
	const char *ready_for;       /* status: "upgrade", "restore", "cluster"; NULL: not asked */
	struct fault lock_fault;     /* why the product's lock is not held; FAULT_NONE: it is held, or not needed */
	unsigned bound_ms;           /* time limit of the whole hook */
	struct report *report;       /* may be NULL */
	/* Called before each step; may be NULL. */
	void (*progress)(struct upgrade_run *run, const struct step_row *row, size_t index, size_t count);
	/* Lines for the caller to report as warnings after the answer. */
	struct text complaints;
	/* Filled by upgrade_run_steps. */
	int64_t started; /* seconds since 1970 */
	unsigned elapsed_ms;
	struct fault verdict;        /* the first failure or STEP_HIGH finding; FAULT_NONE: none so far */
	bool changed;                /* a step changed something */
	bool unbegun;                /* pre-upgrade: it could not begin, so there is nothing to call off */
	struct step_result *results; /* owned */
	size_t result_count;
};

#define UPGRADE_RUN_AUTO __attribute__((cleanup(upgrade_run_done))) struct upgrade_run

/* One step, in its child.  The results of earlier steps are in the run. */
struct step {
	const struct upgrade_run *run;
	bool changed;         /* set by the step */
	bool skipped;         /* set by the step: it does not apply here */
	bool partial;         /* set by the step: STEP_PARTIAL */
	struct report report; /* warnings become findings of STEP_MEDIUM, results become changes */
	int pipe;
};

/* The result of the step with this function; NULL or STEP_SKIPPED if it did not run. */
const struct step_result *upgrade_result_of(const struct upgrade_run *run, int (*work)(struct step *, struct fault *));
enum step_outcome upgrade_outcome_of(const struct upgrade_run *run, int (*work)(struct step *, struct fault *));
/* True if it failed or has a finding of STEP_HIGH. */
bool step_result_is_bad(const struct step_result *result);
/* Fails only without memory; failures of steps are in run->results and run->verdict. */
int upgrade_run_steps(struct upgrade_run *run, const struct step_row *rows, size_t count, struct fault *f);
void upgrade_run_done(struct upgrade_run *run);

/* The rest is for steps.  `remedy`: a command or a sentence; NULL: none.  `detail` may be NULL. */
void step_add_finding(struct step *step, enum step_severity severity, const char *remedy, const char *detail,
		      const char *title_format, ...) __attribute__((format(printf, 5, 6)));
/* A finding of STEP_INFO. */
void step_add_info(struct step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sets the command or sentence that fixes the fault which this step returns.  Returns -1, as fault_refused() does. */
int step_set_remedy(struct step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sets `answered` in the result, also of a step that fails later. */
void step_set_answered(struct step *step);

#endif
