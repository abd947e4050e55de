/*
 * phase/run: a table of steps, run one after the other, each in a child with a deadline.
 *
 * Promise: a step that hangs, crashes or is killed costs its bound and fails alone; nothing it does to its memory or
 * its descriptors reaches the next one, so what steps have to tell each other lies in files, and a killed act can be
 * run again.  The whole act has a bound too: a step never gets more than what is left of it, and with nothing left it
 * is not started.  A step's own children die with it (PR_SET_PDEATHSIG in proc/run).
 *
 * What a step has to say comes back as findings: severity, title, detail and the command that mends it.  The faults
 * of steps and HIGH findings decide the answer of the act; nothing is printed here (phase/show.h makes the text).
 */
#ifndef OKV_PHASE_RUN_H
#define OKV_PHASE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "conf/settings.h"
#include "phase/journal.h"

enum phase_severity {
	PHASE_INFO,   /* worth knowing */
	PHASE_LOW,    /* look at it when there is time */
	PHASE_MEDIUM, /* look at it before the next restart */
	PHASE_HIGH,   /* the answer is no */
};

enum phase_outcome {
	PHASE_UNCHANGED, /* all was well already */
	PHASE_CHANGED,   /* it is well now; with dry_run: it would be */
	PHASE_SKIPPED,   /* not run: an earlier step failed, or there was nothing for it to do here */
	PHASE_FAILED,
};

struct phase_finding {
	enum phase_severity severity;
	char *title;  /* owned; one sentence without a full stop */
	char *detail; /* owned; "" where there is none */
	char *remedy; /* owned; a command, or "" */
};

struct phase_act;

enum phase_when {
	PHASE_ALWAYS,
	PHASE_IF_CLEAN, /* only when no step before it failed */
	PHASE_BEGIN,    /* makes what is done after it undoable; not run when another such step failed */
	PHASE_IF_BEGUN, /* only when no PHASE_BEGIN before it failed */
};

struct phase_step {
	const char *name;  /* a stable word for scripts */
	const char *title; /* what it does, for people */
	unsigned bound_ms; /* 0: SLOT_TIMEOUT of the settings and PHASE_SLOTS_GRACE_MS */
	enum phase_when when;
	/* 0, or -1 and the fault; what else it has to say through the functions below. */
	int (*work)(struct phase_act *act, struct fault *f);
};

enum { PHASE_SLOTS_GRACE_MS = 5000 };

struct phase_result {
	const struct phase_step *step;
	enum phase_outcome outcome;
	unsigned elapsed_ms;
	struct fault fault;             /* FAULT_NONE unless it failed, never then */
	char *remedy;                   /* owned; for the fault, or NULL */
	struct phase_finding *findings; /* owned */
	size_t finding_count;
	struct text changes; /* one line per change that the step's rooms told */
	size_t change_count;
};

struct phase_run {
	/* The caller's. */
	enum phase_act_kind kind;
	int root;
	const char *root_path;
	const struct settings *settings;
	const char *profile; /* NULL: PROFILE of the settings */
	bool dry_run;
	bool accept;         /* post-upgrade: differences from the snapshot are meant */
	bool abort;          /* pre-upgrade: the way back */
	struct fault unlocked; /* why the lock of the product is not held; FAULT_NONE: it is, or none is needed */
	unsigned bound_ms;   /* of the whole act */
	struct report *report; /* may be NULL */
	/* Called before each step; may be NULL. */
	void (*progress)(struct phase_run *run, const struct phase_step *step, size_t index, size_t count);
	/* Lines that are worth a complaint, and that come after the answer. */
	struct text complaints;
	/* Filled by phase_run_steps. */
	int64_t started; /* seconds since 1970 */
	unsigned elapsed_ms;
	struct phase_result *results; /* owned */
	size_t result_count;
};

#define PHASE_RUN_AUTO __attribute__((cleanup(phase_run_done))) struct phase_run

/* The context of one step, in its child. */
struct phase_act {
	const struct phase_run *run;
	bool clean;   /* no step before this one failed */
	bool changed; /* set by the step */
	bool skipped; /* set by the step: there was nothing for it to do here */
	struct report report; /* warnings become findings, results become changes */
	int pipe;
};

/* Fails only for lack of memory; what the steps did is in the results. */
int phase_run_steps(struct phase_run *run, const struct phase_step *steps, size_t count, struct fault *f);
void phase_run_done(struct phase_run *run);

/* For a step. */
void phase_act_find(struct phase_act *act, enum phase_severity severity, const char *remedy, const char *detail,
		    const char *title_format, ...) __attribute__((format(printf, 5, 6)));
/* The command that mends what the fault of this step is about. */
void phase_act_remedy(struct phase_act *act, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first result that makes the answer a no, or NULL. */
const struct phase_result *phase_run_failure(const struct phase_run *run);
/* The fault that stands for the whole act: of that first result, or a FAULT_NEGATIVE of its first HIGH finding. */
int phase_run_verdict(const struct phase_run *run, struct fault *f);
/* Did any step change something? */
bool phase_run_changed(const struct phase_run *run);
const char *phase_severity_name(enum phase_severity severity);
const char *phase_outcome_name(enum phase_outcome outcome);

#endif
