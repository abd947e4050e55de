/*
 * perms/plan: what would have to be changed, found by one walk.
 *
 * Promise: changes nothing.  Each entry that is not as it should be is given to `found` once, in the order of the
 * walk, as a record that is fit for the journal.  What the plan leaves out (links, second names, mount points,
 * unreadable places) is counted and told.
 *
 * Others' bytes get no right by us: a regular file that is neither root's nor OKV's user's, or that everybody may write
 * and somebody wrote since that was so, is left where it would get another owner, set-id or x bits.  Where others may
 * make what they like (settings_is_scratch), SETTINGS_SCRATCH_ENTRIES and SETTINGS_SCRATCH_DEPTH bound the walk.
 */
#ifndef OKV_PERMS_PLAN_H
#define OKV_PERMS_PLAN_H

#include <time.h>

#include "conf/policy.h"
#include "conf/settings.h"
#include "perms/apply.h"

/* What re-owning is about, besides the group: the caller's say on each entry; NULL: all. */
struct perms_choice {
	void *context;
	bool (*wanted)(void *context, int dir, const char *name, const char *path, const struct stat *status);
};

/* Entries as they were, one at each call: 1, or 0 at the end, or -1.  The path lives until the next call. */
struct perms_back_entry {
	const char *path;
	mode_t type; /* S_IFMT part */
	struct perms_owned was;
};
struct perms_back {
	void *context;
	int (*next)(void *context, struct perms_back_entry *ret_entry, struct fault *f);
};

struct perms_plan {
	void *context;
	int (*found)(void *context, const struct perms_record *record, struct fault *f);
	const struct settings *settings;
	uid_t okv_user;               /* (uid_t)-1: there is none */
	uid_t former_user;            /* as good as that; 0: no other */
	struct timespec opened_since; /* to others; { 0 }: never */
	/* By policy.  `limits`: marks (policy_mark) of the places that may be touched; without any, all are. */
	const struct policy *policy;
	const struct policy *limits;
	/* Without a policy by group id: what at or below the paths has group `from`, and `wanted` says yes to. */
	const char *const *paths;
	size_t path_count;
	gid_t from, to;
	const struct perms_choice *choice;
	/* Without either, what `back` names: as it was, if it still is as one of the policies makes of that. */
	const struct perms_back *back;
	const struct policy *policies;
	size_t policy_count;
};

int perms_plan(struct perms_run *run, const struct perms_plan *plan, struct fault *f);

#endif
