#include "perms/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/root.h"
#include "fs/walk.h"

/* One plan at work. */
struct planner {
	int root;
	const struct perms_plan *plan;
	struct perms_tally *tally;
	struct text parents; /* paths of directories looked at, each ended by NUL */
};

static bool seen_before(struct text *seen, const char *path, size_t length)
{
	for (size_t at = 0; at < seen->length; at += strlen(seen->bytes + at) + 1)
		if (text_equal(path, length, seen->bytes + at))
			return true;
	text_add(seen, path, length);
	text_add_char(seen, '\0');
	return false;
}

/* An entry is no safer than the directories above it: who can write one of them puts another entry in its place. */
static void directory_check(const struct planner *p, const char *path, const struct stat *status)
{
	const mode_t writers = status->st_mode & (S_IWGRP | S_IWOTH);
	const bool group_of_root = status->st_gid == 0 && (writers & S_IWOTH) == 0;

	if (status->st_uid != 0) {
		p->tally->parents++;
		report_say(p->plan->report, REPORT_WARNING,
			   "'%s' belongs to user id %lu, who can exchange what lies below; fix: chown root '%s'",
			   SHOWN(path), (unsigned long)status->st_uid, SHOWN(path));
		return;
	}
	if (writers == 0 || group_of_root || (status->st_mode & S_ISVTX) != 0)
		return;
	p->tally->parents++;
	report_say(p->plan->report, REPORT_WARNING,
		   "'%s' can be written by others (mode %04o), who can exchange what lies below; fix: chmod go-w '%s'",
		   SHOWN(path), (unsigned)(status->st_mode & 07777), SHOWN(path));
}

/* Each directory above `path` up to the root, once in a plan.  A sticky one of root is no danger to root's entries. */
static void parents_check(struct planner *p, const char *path)
{
	for (const char *slash = strrchr(path, '/'); slash != NULL;) {
		const size_t length = slash > path ? (size_t)(slash - path) : 1;
		if (seen_before(&p->parents, path, length))
			return;

		TEXT_AUTO above = { 0 };
		struct fault ignored = { 0 };
		struct stat status;
		text_add(&above, path, length);
		FS_AUTO int dir = -1;
		if (fs_dir_open(p->root, text_string(&above), FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 &&
		    fstat(dir, &status) == 0)
			directory_check(p, text_string(&above), &status);
		slash = slash > path ? memrchr(path, '/', length) : NULL;
	}
}

/* Where a directory lies, in the policy and in the limits. */
struct spot {
	struct policy_place place;
	struct policy_place limit;
};

static void miss(void *context, const char *path, const struct fault *trouble)
{
	const struct planner *p = context;

	(void)path;
	p->tally->failed++;
	report_say(p->plan->report, REPORT_WARNING, "%s", trouble->text);
}

static void mount_report(const struct planner *p, const struct fs_walk_entry *entry)
{
	p->tally->mounts++;
	report_say(p->plan->report, REPORT_WARNING, "'%s' is a mount point and is not entered", SHOWN(entry->path));
}

static int record_found(const struct planner *p, const struct fs_walk_entry *entry, const struct perms_owned *to,
			struct fault *f)
{
	const struct stat *status = entry->status;

	if (fs_walk_mounted(entry)) {
		mount_report(p, entry);
		return 0;
	}
	if (S_ISREG(status->st_mode) && status->st_nlink > 1) {
		p->tally->refused++;
		report_say(p->plan->report, REPORT_WARNING,
			   "'%s' has %lu names (hard links); left alone, repair it by hand", SHOWN(entry->path),
			   (unsigned long)status->st_nlink);
		return 0;
	}
	const struct perms_record record = {
		.path = entry->path,
		.type = status->st_mode & S_IFMT,
		.device = status->st_dev,
		.inode = status->st_ino,
		.from = perms_owned_of(status),
		.to = *to,
		.modified = status->st_mtim,
		.changed = status->st_ctim,
	};
	return p->plan->found(p->plan->context, &record, f);
}

/* --- by policy ---------------------------------------------------------------------------------------------------- */

static bool limited(const struct planner *p)
{
	return p->plan->limits->count > 0;
}

static void spot_step(const struct planner *p, const struct spot *from, const char *name, struct spot *ret_spot)
{
	policy_step(p->plan->policy, &from->place, name, &ret_spot->place);
	if (limited(p))
		policy_step(p->plan->limits, &from->limit, name, &ret_spot->limit);
}

/* May this very place be touched? */
static bool inside(const struct planner *p, const struct spot *spot)
{
	return !limited(p) || policy_set_any(&spot->limit.covers);
}

static bool worth_a_look(const struct planner *p, const struct spot *spot)
{
	return policy_reaches(&spot->place) && (!limited(p) || policy_reaches(&spot->limit));
}

static bool wants(void *context, const void *state, const char *name, unsigned char type)
{
	const struct planner *p = context;
	const struct spot *holder = state;
	struct spot spot;

	(void)type;
	if (policy_set_any(&holder->place.covers) && inside(p, holder))
		return true;
	spot_step(p, holder, name, &spot);
	return worth_a_look(p, &spot);
}

static void enter(void *context, const void *state, const char *name, void *ret_state)
{
	spot_step(context, state, name, ret_state);
}

/* Does a line of the policy write this very path, or one below it, without wildcards? */
static bool named(const struct planner *p, const struct spot *holder, const struct spot *spot)
{
	for (size_t i = 0; i < p->plan->policy->count; i++) {
		const struct policy_rule *rule = &p->plan->policy->rules[i];
		const uint64_t bit = UINT64_C(1) << (i % 64);
		const size_t word = i / 64;
		const bool here = (spot->place.applies.words[word] & ~holder->place.covers.words[word] & bit) != 0;
		const bool below = (spot->place.partial.words[word] & bit) != 0;
		if ((here && rule->plain == rule->count) || (below && rule->plain >= spot->place.depth))
			return true;
	}
	return false;
}

static void link_report(const struct planner *p, const struct spot *holder, const struct spot *spot,
			const struct fs_walk_entry *entry)
{
	p->tally->links++;
	if (named(p, holder, spot)) {
		p->tally->refused++;
		report_say(p->plan->report, REPORT_WARNING,
			   "'%s' is a symbolic link where the policy names a path; not followed, repair it by hand",
			   SHOWN(entry->path));
		return;
	}
	/* A link of root's in root's directory is how libraries are installed; any other one somebody put there. */
	const bool odd = entry->in_open || entry->status->st_uid != 0;
	report_say(p->plan->report, odd ? REPORT_WARNING : REPORT_DETAIL, "'%s' is a symbolic link; left alone",
		   SHOWN(entry->path));
}

static int policy_visit(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct planner *p = context;
	const struct spot *holder = state;
	const struct stat *status = entry->status;
	const bool directory = S_ISDIR(status->st_mode);
	struct spot spot;

	spot_step(p, holder, entry->name, &spot);
	if (!worth_a_look(p, &spot))
		return FS_WALK_PASS;
	if (entry->mount) {
		mount_report(p, entry);
		return FS_WALK_PASS;
	}
	if (S_ISLNK(status->st_mode)) {
		link_report(p, holder, &spot, entry);
		return FS_WALK_PASS;
	}
	const int next = directory ? FS_WALK_ENTER : FS_WALK_PASS;
	if (!inside(p, &spot) || !policy_set_any(&spot.place.applies))
		return next;
	if (!directory && !S_ISREG(status->st_mode)) {
		p->tally->others++;
		report_say(p->plan->report, REPORT_DETAIL, "'%s' is neither a file nor a directory; left alone",
			   SHOWN(entry->path));
		return FS_WALK_PASS;
	}

	const struct policy_state now = { .uid = status->st_uid, .gid = status->st_gid, .mode = status->st_mode };
	struct policy_state target;
	const bool moded = policy_target(p->plan->policy, &spot.place, &now, &target);
	p->tally->entries++;
	if (directory && !moded)
		directory_check(p, entry->path, status);
	if (target.uid == now.uid && target.gid == now.gid && target.mode == now.mode)
		return next;
	const struct perms_owned to = { .uid = target.uid, .gid = target.gid, .mode = target.mode & 07777 };
	return record_found(p, entry, &to, f) < 0 ? -1 : next;
}

/* The longest path above all that one rule speaks of which can be named: "/a/b" for "/a/b" and for "/a/b/x*". */
static char *start_of(const struct policy_rule *rule)
{
	TEXT_AUTO start = { 0 };

	for (size_t i = 0; i < rule->plain; i++) {
		text_add_char(&start, '/');
		text_add_string(&start, rule->components[i]);
	}
	if (rule->plain == 0)
		text_add_char(&start, '/');
	return start.failed ? NULL : text_take(&start);
}

/* Is `path` at or below `above`? */
static bool lies_below(const char *path, const char *above)
{
	const size_t length = strcmp(above, "/") == 0 ? 0 : strlen(above);

	return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Does one of the other paths hold this one?  Of twins the last counts. */
static bool held_by_another(const char *const *paths, size_t count, size_t which)
{
	for (size_t i = 0; i < count; i++)
		if (i != which && lies_below(paths[which], paths[i]) &&
		    (i > which || !lies_below(paths[i], paths[which])))
			return true;
	return false;
}

/* Opens what holds the start; 1, or 0 where the start cannot be there, with what is to be said said. */
static int start_open(const struct planner *p, const char *start, int *ret_dir, char ret_leaf[FS_NAME_SIZE],
		      struct fault *f)
{
	if (strcmp(start, "/") == 0) {
		memcpy(ret_leaf, ".", 2);
		return fs_dir_open(p->root, "/", FS_NOFOLLOW, ret_dir, f) < 0 ? -1 : 1;
	}
	struct fault trouble = { 0 };
	if (fs_parent_open(p->root, start, FS_FOLLOW_TRUSTED, ret_dir, ret_leaf, &trouble) == 0)
		return 1;
	switch (trouble.kind) {
	case FAULT_ABSENT:
		report_say(p->plan->report, REPORT_DETAIL, "'%s' is not there", SHOWN(start));
		return 0;
	case FAULT_REFUSED:
		p->tally->refused++;
		report_say(p->plan->report, REPORT_WARNING, "%s", trouble.text);
		return 0;
	default:
		*f = trouble;
		return -1;
	}
}

static int start_walk(struct planner *p, const char *start, const void *state, const struct fs_walk *walk,
		      struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	struct fault trouble = { 0 };

	parents_check(p, start);
	const int r = start_open(p, start, &dir, leaf, f);
	if (r <= 0)
		return r;
	if (fs_walk(dir, leaf, start, state, walk, &trouble) == 0)
		return 0;
	if (trouble.kind == FAULT_ABSENT) {
		report_say(p->plan->report, REPORT_DETAIL, "'%s' is not there", SHOWN(start));
		return 0;
	}
	*f = trouble;
	return -1;
}

/* The spot of the directory that holds the last component of what start_of gives. */
static void spot_above(const struct planner *p, const struct policy_rule *rule, struct spot *ret_spot)
{
	struct spot below;

	policy_root(p->plan->policy, &ret_spot->place);
	policy_root(p->plan->limits, &ret_spot->limit);
	for (size_t i = 0; i + 1 < rule->plain; i++, *ret_spot = below)
		spot_step(p, ret_spot, rule->components[i], &below);
}

static int policy_plan(struct planner *p, struct fault *f)
{
	const struct policy *policy = p->plan->policy;
	const struct fs_walk walk = {
		.context = p,
		.state_size = sizeof(struct spot),
		.wants = wants,
		.visit = policy_visit,
		.enter = enter,
		.miss = miss,
	};
	char *starts[POLICY_RULES_MAX] = { NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < policy->count; i++) {
		starts[i] = start_of(&policy->rules[i]);
		if (starts[i] == NULL)
			r = fault_memory(f);
	}
	for (size_t i = 0; r == 0 && i < policy->count; i++) {
		struct spot above;
		if (held_by_another((const char *const *)starts, policy->count, i))
			continue;
		spot_above(p, &policy->rules[i], &above);
		r = start_walk(p, starts[i], &above, &walk, f);
	}
	for (size_t i = 0; i < policy->count; i++)
		free(starts[i]);
	return r;
}

/* --- by group ----------------------------------------------------------------------------------------------------- */

static int group_visit(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct planner *p = context;
	const struct stat *status = entry->status;

	(void)state;
	if (entry->mount) {
		mount_report(p, entry);
		return FS_WALK_PASS;
	}
	p->tally->entries++;
	if (status->st_gid == p->plan->from) {
		struct perms_owned to = perms_owned_of(status);
		to.gid = p->plan->to;
		if (record_found(p, entry, &to, f) < 0)
			return -1;
	}
	return FS_WALK_ENTER;
}

static int group_plan(struct planner *p, struct fault *f)
{
	const struct fs_walk walk = { .context = p, .visit = group_visit, .miss = miss };
	const char *const *paths = p->plan->paths;
	const size_t count = p->plan->path_count;

	for (size_t i = 0; i < count; i++)
		if (!held_by_another(paths, count, i) && start_walk(p, paths[i], NULL, &walk, f) < 0)
			return -1;
	return 0;
}

int perms_plan(int root, const struct perms_plan *plan, struct perms_tally *tally, struct fault *f)
{
	struct planner p = { .root = root, .plan = plan, .tally = tally };

	const int r = plan->policy != NULL ? policy_plan(&p, f) : group_plan(&p, f);
	text_done(&p.parents);
	return r;
}
