/*
 * perms/plan: finds what has to be changed, in one walk.
 *
 * Promise: changes nothing.  Each entry that is not as it should be is passed to `found` once, in the order of the
 * walk, as a record for the journal.  What the plan leaves out (links, files with a second name, mount points,
 * unreadable directories) is counted and reported.
 *
 * A file that others wrote gets no rights from us: a regular file that belongs neither to root nor to OKV's user, or
 * that everybody can write and that was written since then, is left alone if it would get another owner, a set-id or an
 * x bit.  In directories where others can create files (settings_is_scratch), SETTINGS_SCRATCH_ENTRIES and
 * SETTINGS_SCRATCH_DEPTH limit the walk.
 */
#ifndef OKV_PERMS_PLAN_H
#define OKV_PERMS_PLAN_H

#include <time.h>

#include "conf/policy.h"
#include "conf/settings.h"
#include "perms/apply.h"

/* Which entries of the old group get the new one; `wanted` NULL: all. */
struct perms_choice {
	void *context;
	bool (*wanted)(void *context, int dir, const char *name, const char *path, const struct stat *status);
};

/* `next` returns 1 with an entry as it was, 0 at the end, or -1.  The path is valid until the next call. */
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
	uid_t okv_user;               /* (uid_t)-1: there is no such user */
	uid_t former_user;            /* trusted like okv_user; 0: none */
	struct timespec opened_since; /* when we opened a directory to everybody; { 0 }: none is open */
	/* By policy.  `limits` has marks (policy_mark) of the paths that may be changed; without marks, all may be. */
	const struct policy *policy;
	const struct policy *limits;
	/* Without a policy: by group.  Entries at or below the paths that have group `from` and that `choice` wants. */
	const char *const *paths;
	size_t path_count;
	gid_t from, to;
	const struct perms_choice *choice;
	/* With `back`: its entries get their old state, if they still have what one of the policies made of it. */
	const struct perms_back *back;
	const struct policy *policies;
	size_t policy_count;
};

int perms_plan(struct perms_run *run, const struct perms_plan *plan, struct fault *f);

#endif
