/*
 * okv/check: what is wrong with OKV's generic files and Chrystoki.conf, and what of it needs no person.
 *
 * Promise: okv_check reads, never writes, and finds all there is in one run, in the order of the files, then of lines.
 * It fails (-1) only where it could not look.
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

/* Where another vendor's library is in use, which wiring does not take away. */
#define OKV_REPLACE_IT \
	"OKV uses another vendor's library; okv-luna config wire --replace-vendor puts Luna's in its place"
/* Is nothing there that wiring writes?  1; something is, or cannot be read: 0; -1. */
int okv_is_unwired(int root, struct fault *f);
/* Does wiring fix it? */
bool okv_check_is_of_wiring(const struct finding *finding);

/* job->mode does not matter: nothing is changed. */
int okv_check(const struct okv_job *job, struct finding_list *ret_findings, struct fault *f);

enum okv_handmade { OKV_KEEP_HANDMADE, OKV_DROP_HANDMADE };

/*
 * Fixes every finding that is `safe`; with OKV_DROP_HANDMADE takes the hand-made `groupadd` of the HSM group out of
 * okv_hsm_mid_upgrade too.  *ret_fixed counts files changed.  A file that is not there is passed over; a script that
 * no shell could read afterwards stays as it is.  okv_check afterwards tells what is left.
 */
int okv_fix(const struct okv_job *job, enum okv_handmade handmade, unsigned *ret_fixed, struct fault *f);

/* Between the parts of okv_check. */
struct okv_checking {
	const struct okv_job *job;
	struct finding_list *found;
	struct preserved preserved; /* what okv_hsm.conf lists; empty where that cannot be read */
	bool preserves;             /* PRESERVED_FILES could be read, so what it does not cover can be said */
	size_t preserved_line;
	struct okv_needs needs; /* where it could be read */
	struct preserved told;  /* what of them was said to be uncovered */
};
/* okv_hsm.conf and okv_hsm_env. */
int okv_check_conf(struct okv_checking *c, struct fault *f);
int okv_check_mid(struct okv_checking *c, struct fault *f);
int okv_check_chrystoki(struct okv_checking *c, struct fault *f);
/* What of these kinds PRESERVED_FILES does not cover, each cause once. */
void okv_check_needs(struct okv_checking *c, enum okv_need_kind first, enum okv_need_kind last);
/* One byte for each line of a script: '#' where it is the rest of a wrapped comment and no command, else ' '. */
int okv_prose_find(const struct okv_job *job, const struct text *script, struct text *ret_marks, struct fault *f);
/* Reads the file that findings are about: 1; 0 and a finding where it is not there (`missing`) or no plain file; -1. */
int okv_check_read(struct okv_checking *c, const struct finding_rule *missing, struct text *ret_text,
		   struct stat *ret_status, struct fault *f);

#endif
