/*
 * upgrade/step: a table of steps, run one after the other, each in a child with a deadline.
 *
 * Promise: a step that hangs, crashes or is killed costs its bound and fails alone; nothing it does to its memory or
 * its descriptors reaches the next one, so what steps have to tell each other lies in files, and a killed hook can be
 * run again.  The whole hook has a bound too: a step never gets more than what is left of it, and with nothing left it
 * is not started.  A step's own children die with it (proc/child.h).
 *
 * What a step has to say comes back as findings: severity, title, detail and the command that fixes it.  The faults
 * of steps and HIGH findings decide the answer of the hook; nothing is printed here (upgrade/output.h makes the text).
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
	/* High, unless the HSM answers in this run: then low, and that is said.  A run that has ended has none. */
	STEP_UNLESS_ANSWERED,
};

enum step_outcome {
	STEP_UNCHANGED, /* all was well already */
	STEP_CHANGED,   /* it is well now; with dry_run: it would be */
	STEP_PARTIAL,   /* done as far as it could be; what is missing is a finding, and nobody's failure */
	STEP_SKIPPED,   /* not run: an earlier step failed, or there was nothing for it to do here */
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
	STEP_IF_CLEAN, /* only when no step before it failed */
	STEP_BEGIN,    /* makes what is done after it undoable; not run when another such step failed */
	STEP_IF_BEGUN, /* only when no STEP_BEGIN before it failed */
};

struct step_row {
	const char *name;  /* a stable word for scripts */
	const char *title; /* what it does, for people */
	unsigned bound_ms; /* 0: SLOT_TIMEOUT of the settings and STEP_SLOTS_GRACE_MS */
	enum step_when when;
	/* 0, or -1 and the fault; what else it has to say through the functions below. */
	int (*work)(struct step *step, struct fault *f);
};

enum { STEP_SLOTS_GRACE_MS = 5000 };

struct step_result {
	const struct step_row *row;
	enum step_outcome outcome;
	bool answered; /* the HSM did, and opened a session */
	unsigned elapsed_ms;
	struct fault fault;            /* FAULT_NONE unless it failed, never then */
	char *remedy;                  /* owned; for the fault, or NULL */
	struct step_finding *findings; /* owned */
	size_t finding_count;
	struct text changes; /* one line per change that the step's rooms told */
	size_t change_count;
};

struct upgrade_run {
	/* The caller's. */
	enum upgrade_hook kind;
	int root;
	const char *root_path;
	const struct settings *settings;
	const char *profile; /* NULL: PROFILE of the settings */
	bool dry_run;
	bool accept;                 /* post-upgrade: differences from the snapshot are meant */
	bool abort;                  /* pre-upgrade: the way back */
	bool unrehearsed;            /* pre-upgrade: without the rehearsal */
	bool called;                 /* pre-upgrade: by okv-luna upgrade, which says itself what comes next */
	struct hsm_key_question key; /* the root key to look for with the slots; label NULL: not checked */
	const char *ready_for;       /* status: "upgrade", "restore", "cluster"; NULL: not asked */
	struct fault unlocked;       /* why the lock of the product is not held; FAULT_NONE: it is, or none is needed */
	unsigned bound_ms;           /* of the whole hook */
	struct report *report;       /* may be NULL */
	/* Called before each step; may be NULL. */
	void (*progress)(struct upgrade_run *run, const struct step_row *row, size_t index, size_t count);
	/* Lines that are worth a complaint, and that come after the answer. */
	struct text complaints;
	/* Filled by upgrade_run_steps. */
	int64_t started; /* seconds since 1970 */
	unsigned elapsed_ms;
	struct fault verdict; /* of the first step that failed or found something HIGH; FAULT_NONE: none so far */
	bool changed;         /* a step changed something */
	struct step_result *results; /* owned */
	size_t result_count;
};

#define UPGRADE_RUN_AUTO __attribute__((cleanup(upgrade_run_done))) struct upgrade_run

/* The context of one step, in its child; what steps before it have come to is in the run. */
struct step {
	const struct upgrade_run *run;
	bool changed;         /* set by the step */
	bool skipped;         /* set by the step: there was nothing for it to do here */
	bool partial;         /* set by the step: STEP_PARTIAL */
	bool answered;        /* set by the step: the HSM opened a session for it */
	struct report report; /* warnings become findings, results become changes */
	int pipe;
};

/* What became of the step with that function; NULL, and STEP_SKIPPED, where it has not run. */
const struct step_result *upgrade_result_of(const struct upgrade_run *run, int (*work)(struct step *, struct fault *));
enum step_outcome upgrade_outcome_of(const struct upgrade_run *run, int (*work)(struct step *, struct fault *));
/* Did it fail, or find something HIGH? */
bool step_result_is_bad(const struct step_result *result);
/* Fails only for lack of memory; what the steps did is in the results. */
int upgrade_run_steps(struct upgrade_run *run, const struct step_row *rows, size_t count, struct fault *f);
void upgrade_run_done(struct upgrade_run *run);

/* For a step.  The remedy is a command, or a sentence; NULL: none. */
void step_add_finding(struct step *step, enum step_severity severity, const char *remedy, const char *detail,
		      const char *title_format, ...) __attribute__((format(printf, 5, 6)));
/* What is merely worth knowing. */
void step_add_info(struct step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The command that fixes what the fault of this step is about.  Returns -1, as what fills the fault does. */
int step_set_remedy(struct step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
