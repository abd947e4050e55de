/*
 * okv/check: what is wrong with OKV's generic files and Chrystoki.conf, explained.
 *
 * Promise: reads, never writes; finds all there is in one run; every finding says where it is, what is wrong, what OKV
 * or the library will do with it, and the command that fixes it.  Findings come in the order of the files, then of
 * lines.  Fails (-1) only where it could not look.
 */
#ifndef OKV_OKV_CHECK_H
#define OKV_OKV_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "okv/job.h"

enum okv_severity {
	OKV_NOTE, /* what applies here and why; nothing to fix */
	OKV_WARN, /* works today, may not tomorrow */
	OKV_FAIL, /* OKV or the library will not do what is wanted */
};

struct okv_finding {
	enum okv_severity severity;
	const char *rule; /* a stable word for scripts: "preserved-wildcard" */
	char *file;       /* full path below the root */
	size_t line;      /* 1-based; 0: the file as a whole */
	char *what;
	char *effect;
	char *remedy; /* a command, or a sentence where no command does it */
	bool safe;    /* `config check --fix` fixes it */
};

struct okv_findings {
	struct okv_finding *items; /* owned */
	size_t count;
};

#define OKV_FINDINGS_AUTO __attribute__((cleanup(okv_findings_done))) struct okv_findings

void okv_findings_done(struct okv_findings *findings);
size_t okv_findings_count(const struct okv_findings *findings, enum okv_severity severity);

enum okv_colour { OKV_PLAIN, OKV_COLOURED };

/* Three lines each: where and what, what comes of it, how to fix it; then how many there are.  Printable. */
void okv_findings_format(const struct okv_findings *findings, enum okv_colour colour, struct text *out);
/* Members "fail", "warn" and "findings" of the object that is open. */
void okv_findings_json(const struct okv_findings *findings, struct json *j);

/* job->mode does not matter: nothing is changed. */
int okv_check(const struct okv_job *job, struct okv_findings *ret_findings, struct fault *f);

enum okv_handmade { OKV_KEEP_HANDMADE, OKV_DROP_HANDMADE };

/*
 * Fixes every finding that is `safe`; with OKV_DROP_HANDMADE takes the hand-made `groupadd` of the HSM group out of
 * okv_hsm_mid_upgrade too.  *ret_fixed counts files changed.  A file that is not there is passed over; a script that
 * no shell could read afterwards stays as it is.  okv_check afterwards tells what is left.
 */
int okv_fix(const struct okv_job *job, enum okv_handmade handmade, unsigned *ret_fixed, struct fault *f);

#endif
