/*
 * wire/check: what is wrong with OKV's generic files and Chrystoki.conf, explained.
 *
 * Promise: reads, never writes; finds all there is in one run; every finding says where it is, what is wrong, what OKV
 * or the library will do with it, and the command that mends it.  Findings come in the order of the files, then of
 * lines.  Fails (-1) only where it could not look.
 */
#ifndef OKV_WIRE_CHECK_H
#define OKV_WIRE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "wire/job.h"

enum wire_grade {
	WIRE_NOTE, /* what applies here and why; nothing to mend */
	WIRE_WARN, /* works today, may not tomorrow */
	WIRE_FAIL, /* OKV or the library will not do what is wanted */
};

struct wire_finding {
	enum wire_grade grade;
	const char *rule; /* a stable word for scripts: "preserved-wildcard" */
	char *file;	  /* full path below the root */
	size_t line;	  /* 1-based; 0: the file as a whole */
	char *what;
	char *effect;
	char *remedy; /* a command, or a sentence where no command does it */
	bool safe;    /* `config check --fix` mends it */
};

struct wire_findings {
	struct wire_finding *items; /* owned */
	size_t count;
};

#define WIRE_FINDINGS_INIT                \
	{                                 \
		.items = NULL, .count = 0 \
	}
#define WIRE_FINDINGS_AUTO __attribute__((cleanup(wire_findings_done))) struct wire_findings

void wire_findings_done(struct wire_findings *findings);
size_t wire_findings_count(const struct wire_findings *findings, enum wire_grade grade);
const char *wire_grade_name(enum wire_grade grade);

/* job->mode does not matter: nothing is changed. */
int wire_check(const struct wire_job *job, struct wire_findings *ret_findings, struct fault *f);
enum wire_handmade { WIRE_KEEP_HANDMADE, WIRE_DROP_HANDMADE };

/*
 * Mends every finding that is `safe`; with WIRE_DROP_HANDMADE takes the hand-made `groupadd` of the HSM group out of
 * okv_hsm_mid_upgrade too.  *ret_mended counts files changed.  A file that is not there is passed over; a script that
 * no shell could read afterwards stays as it is.  wire_check afterwards tells what is left.
 */
int wire_fix(const struct wire_job *job, enum wire_handmade handmade, unsigned *ret_mended, struct fault *f);

#endif
