/*
 * perms/plan: what would have to be changed, found by one walk.
 *
 * Promise: changes nothing.  Each entry that is not as it should be is given to `found` once, in the order of the
 * walk, as a record that is fit for the journal.  What the plan leaves out (links, second names, mount points,
 * unreadable places) is counted and told.
 */
#ifndef OKV_PERMS_PLAN_H
#define OKV_PERMS_PLAN_H

#include "conf/policy.h"
#include "perms/output.h"

struct perms_plan {
	void *context;
	int (*found)(void *context, const struct perms_record *record, struct fault *f);
	struct report *report;
	/* By policy.  `limits`: marks (policy_mark) of the places that may be touched; without any, all are. */
	const struct policy *policy;
	const struct policy *limits;
	/* Without a policy by group id: everything at or below the paths that has group `from`. */
	const char *const *paths;
	size_t path_count;
	gid_t from, to;
};

int perms_plan(int root, const struct perms_plan *plan, struct perms_tally *tally, struct fault *f);

#endif
