/*
 * repair/plan: what would have to be changed, found by one walk.
 *
 * Promise: changes nothing.  Each entry that is not as it should be is given to `found` once, in the order of the
 * walk, as a record that is fit for the journal.  What the plan leaves out (links, second names, mount points,
 * unreadable places) is counted and told.
 */
#ifndef OKV_REPAIR_PLAN_H
#define OKV_REPAIR_PLAN_H

#include "conf/policy.h"
#include "repair/journal.h"
#include "repair/repair.h"

struct repair_plan {
	int root;
	void *context;
	int (*found)(void *context, const struct repair_record *record, struct fault *f);
	struct report *report;
};

/* By policy.  `limits`: marks (policy_mark) of the places that may be touched; without any, all are. */
int repair_plan_policy(const struct repair_plan *plan, const struct policy *policy, const struct policy *limits,
		       struct repair_tally *tally, struct fault *f);

/* By group id: everything at or below the paths that has group `from`. */
int repair_plan_group(const struct repair_plan *plan, const char *const *paths, size_t path_count, gid_t from, gid_t to,
		      struct repair_tally *tally, struct fault *f);

#endif
