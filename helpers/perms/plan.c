#include "perms/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/preserved.h"
#include "fs/dircache.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "perms/exposed.h"

/* --- common to all plans ------------------------------------------------------------------------------------------ */

/* A plan in progress. */
struct planner {
	struct perms_run *run;
	const struct perms_plan *plan;
	struct perms_exposed exposed;
	struct policy scratch; /* marks of the directories that others may write; only used with a policy */
	size_t scratch_seen;   /* entries seen there */
};

/* A directory's place in the policy, in the limits and in the scratch directories. */
struct spot {
	struct policy_place place;
	struct policy_place limit;
	struct policy_place scratch;
};

static void unreadable_report(void *context, const char *path, const struct fault *trouble)
{
	const struct planner *p = context;

	perms_leave(p->run, PERMS_LEFT_FAILED, path, "%s", trouble->text);
}

static void mount_report(const struct planner *p, const struct fs_walk_entry *entry)
{
	p->run->tally.mounts++;
	report_say(p->run->output->report, REPORT_WARNING, "'%s' is a mount point and is not entered",
		   SHOWN(entry->path));
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* Leaves a file alone, and reports it, if others wrote it and the change would give it rights. */
static bool untrusted_leave(const struct planner *p, const struct fs_walk_entry *entry, const struct perms_owned *to)
{
	const struct stat *status = entry->status;
	const struct perms_owned now = perms_owned_of(status);
	const struct timespec *opened = &p->plan->opened_since;

	if (!S_ISREG(status->st_mode) || !perms_gives(&now, to))
		return false;
	if (now.uid != 0 && now.uid != p->plan->okv_user && now.uid != p->plan->former_user) {
		perms_leave(
			p->run, PERMS_LEFT_STRANGER, entry->path,
			"'%s' belongs to user id %lu, neither root nor '%s', so it gets no new owner, set-id or x bit; "
			"remove it, or if it is yours: chown root %s",
			SHOWN(entry->path), (unsigned long)now.uid, SHOWN(p->plan->settings->okv_user),
			TYPED(entry->path));
		return true;
	}
	if ((now.mode & S_IWOTH) == 0 || opened->tv_sec == 0 || !is_later(&status->st_mtim, opened))
		return false;
	perms_leave(
		p->run, PERMS_LEFT_STRANGER, entry->path,
		"'%s' was written while everybody could, so it gets no new owner, set-id or x bit; remove it, or if it "
		"is yours: chmod o-w %s",
		SHOWN(entry->path), TYPED(entry->path));
	return true;
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
		perms_leave(p->run, PERMS_LEFT_REFUSED, entry->path,
			    "'%s' has %lu names (hard links); left alone: remove all but one; to find them: "
			    "find / -samefile %s",
			    SHOWN(entry->path), (unsigned long)status->st_nlink, TYPED(entry->path));
		return 0;
	}
	if (untrusted_leave(p, entry, to))
		return 0;
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

static bool has_limits(const struct planner *p)
{
	return p->plan->limits->count > 0;
}

static void spot_step(const struct planner *p, const struct spot *from, const char *name, struct spot *ret_spot)
{
	policy_step(p->plan->policy, &from->place, name, &ret_spot->place);
	if (has_limits(p))
		policy_step(p->plan->limits, &from->limit, name, &ret_spot->limit);
	policy_step(&p->scratch, &from->scratch, name, &ret_spot->scratch);
}

/* May this entry be changed? */
static bool is_allowed(const struct planner *p, const struct spot *spot)
{
	return !has_limits(p) || policy_set_any(&spot->limit.covers);
}

static bool can_match(const struct planner *p, const struct spot *spot)
{
	return policy_reaches(&spot->place) && (!has_limits(p) || policy_reaches(&spot->limit));
}

static bool entry_wanted(void *context, const void *state, const char *name, unsigned char type)
{
	const struct planner *p = context;
	const struct spot *holder = state;
	struct spot spot;

	(void)type;
	if (p->scratch_seen > SETTINGS_SCRATCH_ENTRIES && policy_set_any(&holder->scratch.covers))
		return false;
	if (policy_set_any(&holder->place.covers) && is_allowed(p, holder))
		return true;
	spot_step(p, holder, name, &spot);
	return can_match(p, &spot);
}

static void directory_enter(void *context, const void *state, const char *name, void *ret_state)
{
	spot_step(context, state, name, ret_state);
}

/* Does a line of the policy name this path, or one below it, without wildcards? */
static bool is_named(const struct planner *p, const struct spot *holder, const struct spot *spot)
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
	p->run->tally.links++;
	if (is_named(p, holder, spot)) {
		perms_leave(p->run, PERMS_LEFT_REFUSED, entry->path,
			    "'%s' is a symbolic link where the policy names a path, and is not followed; "
			    "replace it by the file or directory itself",
			    SHOWN(entry->path));
		return;
	}
	/* Libraries are installed as links that root owns, in root's directories; other links are worth a warning. */
	const bool odd = entry->in_open || entry->status->st_uid != 0;
	report_say(p->run->output->report, odd ? REPORT_WARNING : REPORT_DETAIL, "'%s' is a symbolic link; left alone",
		   SHOWN(entry->path));
}

/* Counts an entry in a directory that others may write; false if a limit is reached and it is to be skipped. */
static bool scratch_count(struct planner *p, const struct spot *spot, const struct fs_walk_entry *entry)
{
	if (!policy_set_any(&spot->scratch.covers))
		return true;
	if (++p->scratch_seen == SETTINGS_SCRATCH_ENTRIES + 1)
		perms_leave(p->run, PERMS_LEFT_FAILED, entry->path,
			    "more than %d entries where others may write; '%s' and the rest are left alone; "
			    "remove what is not the client's",
			    SETTINGS_SCRATCH_ENTRIES, SHOWN(entry->path));
	if (p->scratch_seen > SETTINGS_SCRATCH_ENTRIES)
		return false;
	if (!S_ISDIR(entry->status->st_mode) || spot->place.depth < p->scratch.rules[0].count + SETTINGS_SCRATCH_DEPTH)
		return true;
	perms_leave(p->run, PERMS_LEFT_FAILED, entry->path,
		    "'%s' is more than %d directories deep where others may write; left alone; remove it if it is not "
		    "the client's",
		    SHOWN(entry->path), SETTINGS_SCRATCH_DEPTH);
	return false;
}

static int policy_visit(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct planner *p = context;
	const struct spot *holder = state;
	const struct stat *status = entry->status;
	const bool directory = S_ISDIR(status->st_mode);
	struct spot spot;

	spot_step(p, holder, entry->name, &spot);
	if (!can_match(p, &spot))
		return FS_WALK_PASS;
	if (entry->mount) {
		mount_report(p, entry);
		return FS_WALK_PASS;
	}
	if (S_ISLNK(status->st_mode)) {
		link_report(p, holder, &spot, entry);
		return FS_WALK_PASS;
	}
	if (!scratch_count(p, &spot, entry))
		return FS_WALK_PASS;
	const int next = directory ? FS_WALK_ENTER : FS_WALK_PASS;
	if (!is_allowed(p, &spot) || !policy_set_any(&spot.place.applies))
		return next;
	if (!directory && !S_ISREG(status->st_mode)) {
		p->run->tally.others++;
		report_say(p->run->output->report, REPORT_DETAIL, "'%s' is neither a file nor a directory; left alone",
			   SHOWN(entry->path));
		return FS_WALK_PASS;
	}

	const struct policy_state now = { .uid = status->st_uid, .gid = status->st_gid, .mode = status->st_mode };
	struct policy_state target;
	const bool moded = policy_target(p->plan->policy, &spot.place, &now, &target);
	p->run->tally.entries++;
	if (directory && !moded)
		perms_exposed_directory(&p->exposed, entry);
	const struct perms_owned to = { .uid = target.uid, .gid = target.gid, .mode = target.mode & 07777 };
	perms_exposed_acl(&p->exposed, entry, &to);
	if (target.uid == now.uid && target.gid == now.gid && target.mode == now.mode)
		return next;
	return record_found(p, entry, &to, f) < 0 ? -1 : next;
}

/* The rule's path up to its first wildcard: "/a/b" for "/a/b" and for "/a/b/x*". */
static char *start_path(const struct policy_rule *rule)
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

/* Is the path inside another one of the list?  Of two equal paths the first is inside the second. */
static bool is_covered(const char *const *paths, size_t count, size_t which)
{
	for (size_t i = 0; i < count; i++)
		if (i != which && preserved_within(paths[which], paths[i]) &&
		    (i > which || !preserved_within(paths[i], paths[which])))
			return true;
	return false;
}

/* Walks one tree; reports a start that does not exist, or that only a link leads to. */
static int start_walk(struct planner *p, const char *start, const void *state, const struct fs_walk *walk,
		      struct fault *f)
{
	const bool whole = strcmp(start, "/") == 0;
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE] = ".";
	struct fault trouble = { 0 };

	perms_exposed_parents(&p->exposed, start);
	int r = whole ? fs_dir_open(p->run->root, "/", FS_NOFOLLOW, &dir, &trouble)
		      : fs_parent_open(p->run->root, start, FS_FOLLOW_TRUSTED, &dir, leaf, &trouble);
	if (r < 0 && trouble.kind == FAULT_REFUSED) {
		perms_leave(p->run, PERMS_LEFT_REFUSED, start, "%s", trouble.text);
		return 0;
	}
	if (r == 0)
		r = fs_walk(dir, leaf, start, state, walk, &trouble);
	if (r < 0 && trouble.kind == FAULT_ABSENT) {
		report_say(p->run->output->report, REPORT_DETAIL, "'%s' is not there", SHOWN(start));
		return 0;
	}
	if (r < 0)
		*f = trouble;
	return r;
}

/* The spot of the directory above start_path(rule). */
static void spot_above(const struct planner *p, const struct policy_rule *rule, struct spot *ret_spot)
{
	struct spot below;

	policy_root(p->plan->policy, &ret_spot->place);
	policy_root(p->plan->limits, &ret_spot->limit);
	policy_root(&p->scratch, &ret_spot->scratch);
	for (size_t i = 0; i + 1 < rule->plain; i++, *ret_spot = below)
		spot_step(p, ret_spot, rule->components[i], &below);
}

static int policy_plan(struct planner *p, struct fault *f)
{
	const struct policy *policy = p->plan->policy;
	const struct fs_walk walk = {
		.context = p,
		.state_size = sizeof(struct spot),
		.wants = entry_wanted,
		.visit = policy_visit,
		.enter = directory_enter,
		.miss = unreadable_report,
	};
	char *starts[POLICY_RULES_MAX] = { NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < policy->count; i++) {
		starts[i] = start_path(&policy->rules[i]);
		if (starts[i] == NULL)
			r = fault_memory(f);
	}
	for (size_t i = 0; r == 0 && i < policy->count; i++) {
		struct spot above;
		if (is_covered((const char *const *)starts, policy->count, i))
			continue;
		spot_above(p, &policy->rules[i], &above);
		r = start_walk(p, starts[i], &above, &walk, f);
	}
	if (r == 0 && !has_limits(p))
		r = perms_exposed_others(&p->exposed, policy, f);
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
	p->run->tally.entries++;
	if (settings_is_scratch(p->plan->settings, entry->path) && ++p->scratch_seen > SETTINGS_SCRATCH_ENTRIES)
		return FS_WALK_PASS;
	if (status->st_gid == p->plan->from &&
	    (p->plan->choice->wanted == NULL ||
	     p->plan->choice->wanted(p->plan->choice->context, entry->dir, entry->name, entry->path, status))) {
		struct perms_owned to = perms_owned_of(status);
		to.gid = p->plan->to;
		if (record_found(p, entry, &to, f) < 0)
			return -1;
	}
	return FS_WALK_ENTER;
}

static int group_plan(struct planner *p, struct fault *f)
{
	const struct fs_walk walk = { .context = p, .visit = group_visit, .miss = unreadable_report };
	const char *const *paths = p->plan->paths;
	const size_t count = p->plan->path_count;

	for (size_t i = 0; i < count; i++)
		if (!is_covered(paths, count, i) && start_walk(p, paths[i], NULL, &walk, f) < 0)
			return -1;
	return 0;
}

/* --- back to an earlier state ------------------------------------------------------------------------------------- */

/* Does the entry have what one of the policies gives to one with its old state, or is it half way back? */
static bool is_as_policy_made(const struct planner *p, const char *path, mode_t type, const struct perms_owned *now,
			      const struct perms_owned *was)
{
	for (size_t i = 0; i < p->plan->policy_count; i++) {
		const struct policy_state state = { .uid = was->uid, .gid = was->gid, .mode = type | was->mode };
		struct policy_state made;
		policy_target_of(&p->plan->policies[i], path, &state, &made);
		const struct perms_record record = {
			.type = type,
			.from = { .uid = made.uid, .gid = made.gid, .mode = made.mode & 07777 },
			.to = *was,
		};
		if (perms_entry_explained(now, &record))
			return true;
	}
	return false;
}

static int back_plan(struct planner *p, struct fault *f)
{
	FS_DIRCACHE_AUTO cache = { .root = p->run->root };
	struct perms_back_entry entry;
	int r;

	while ((r = p->plan->back->next(p->plan->back->context, &entry, f)) > 0) {
		struct fault why = { 0 };
		struct stat status;
		const char *leaf;
		bool open_to_others;
		int dir;

		if (fs_dircache_parent(&cache, entry.path, &dir, &leaf, &open_to_others, &why) < 0 ||
		    fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) {
			if (why.kind != FAULT_NONE && fs_absence(&why, f) < 0)
				return -1;
			continue;
		}
		const struct perms_owned now = perms_owned_of(&status);
		if ((status.st_mode & S_IFMT) != entry.type ||
		    (perms_same_owner(&now, &entry.was) && now.mode == entry.was.mode))
			continue;
		p->run->tally.entries++;
		if (!is_as_policy_made(p, entry.path, entry.type, &now, &entry.was)) {
			p->run->tally.kept++;
			continue;
		}
		const struct fs_walk_entry at = { .dir = dir,
						  .name = leaf,
						  .path = entry.path,
						  .path_length = strlen(entry.path),
						  .status = &status,
						  .holder_mount = -1,
						  .in_open = open_to_others };
		if (record_found(p, &at, &entry.was, f) < 0)
			return -1;
	}
	return r;
}

int perms_plan(struct perms_run *run, const struct perms_plan *plan, struct fault *f)
{
	static const char *const below[] = SETTINGS_SCRATCH;
	struct planner p = {
		.run = run,
		.plan = plan,
		.exposed = { .run = run, .settings = plan->settings, .okv_user = plan->okv_user },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(below) / sizeof(below[0]); i++) {
		TEXT_AUTO path = { 0 };
		text_add_format(&path, "%s%s", plan->settings->client_dir, below[i]);
		r = text_check(&path, f) < 0 ? -1 : policy_mark(&p.scratch, text_string(&path), f);
	}
	if (r == 0)
		r = plan->policy != NULL ? policy_plan(&p, f)
		    : plan->back != NULL ? back_plan(&p, f)
					 : group_plan(&p, f);
	policy_done(&p.scratch);
	perms_exposed_done(&p.exposed);
	return r;
}
