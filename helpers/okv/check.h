/*
 * okv/check: finds what is wrong with OKV's generic files and Chrystoki.conf, and fixes what it safely can.
 *
 * Promise: okv_check only reads, and reports everything in one run, ordered by file and line.  It fails (-1) only if it
 * could not look.
 */
#ifndef OKV_OKV_CHECK_H
#define OKV_OKV_CHECK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/preserved.h"
#include "conf/finding.h"
#include "okv/job.h"
#include "okv/needs.h"

/* The remedy where another vendor's library is in use, which plain wiring does not replace. */
#define OKV_REPLACE_IT \
	"OKV uses another vendor's library; okv-luna config wire --replace-vendor puts Luna's in its place"
/* 1: none of what wiring writes is there; 0: some is, or a file cannot be read; -1: failure. */
int okv_is_unwired(int root, struct fault *f);
/* Is wiring the remedy of this finding? */
bool okv_check_is_of_wiring(const struct finding *finding);

/* Ignores job->mode: nothing is changed. */
int okv_check(const struct okv_job *job, struct finding_list *ret_findings, struct fault *f);

enum okv_handmade { OKV_KEEP_HANDMADE, OKV_DROP_HANDMADE };

/*
 * Fixes all that can be fixed without changing a meaning; with OKV_DROP_HANDMADE it also removes a hand-made `groupadd`
 * of the HSM group from okv_hsm_mid_upgrade.  *ret_fixed counts changed files.  A missing file is skipped; a script
 * that no shell could parse afterwards is left as it is.  Run okv_check again to see what is left.
 */
int okv_fix(const struct okv_job *job, enum okv_handmade handmade, unsigned *ret_fixed, struct fault *f);

/* Shared by the parts of okv_check. */
struct okv_checking {
	const struct okv_job *job;
	struct finding_list *found;
	struct preserved preserved; /* the list in okv_hsm.conf; empty if it cannot be read */
	bool preserves;             /* the list could be read, so what it lacks can be reported */
	size_t preserved_line;
	struct okv_needs needs;    /* set if `preserves` */
	struct preserved reported; /* the needs already reported as not covered */
};
/* Checks okv_hsm.conf and okv_hsm_env. */
int okv_check_conf(struct okv_checking *c, struct fault *f);
int okv_check_mid(struct okv_checking *c, struct fault *f);
int okv_check_chrystoki(struct okv_checking *c, struct fault *f);
/* Reports needs of these kinds that PRESERVED_FILES does not cover, each path once. */
void okv_check_needs(struct okv_checking *c, enum okv_need_kind first, enum okv_need_kind last);
/* Adds one byte per line of the script: '#' if it is the rest of a wrapped comment, not a command; else ' '. */
int okv_prose_find(const struct okv_job *job, const struct text *script, struct text *ret_marks, struct fault *f);
/* Reads c->found->file.  1: done; 0: missing (finding `missing`) or not a plain file (another finding); -1: failure. */
int okv_check_read(struct okv_checking *c, const struct finding_rule *missing, struct text *ret_text,
		   struct stat *ret_status, struct fault *f);

#endif
