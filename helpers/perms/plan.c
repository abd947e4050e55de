#include "perms/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/chrystoki.h"
#include "conf/preserved.h"
#include "fs/dircache.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "okv/chrystoki.h"

/*
 * --- ACLs, without libacl ---
 *
 * An ACL is read and evaluated, never changed, as it will be once the mode is set: with an ACL, chmod(2) sets the mask,
 * which bounds the group and all that the ACL names (acl(5)).  It differs where somebody whom it names may do more than
 * owner, group and mode say, and where the group may do less.  A default ACL, by which new files are made, is evaluated
 * in the same way.  OKV's user may do what the group may.
 */

enum acl_rights {
	ACL_ALL,
	ACL_WRITING, /* only whether somebody may write */
};

/* linux/posix_acl_xattr.h: a version, then entries, all little endian. */
enum {
	ACL_VERSION = 2,
	HEAD_SIZE = 4,
	ENTRY_SIZE = 8,
	TAG_USER = 0x02,
	TAG_GROUP_OWNING = 0x04,
	TAG_GROUP = 0x08,
};

struct entry {
	unsigned tag;
	mode_t allows;
	uint32_t id;
};

static struct entry entry_read(const unsigned char *at)
{
	return (struct entry){ .tag = (unsigned)at[0] | (unsigned)at[1] << 8,
			       .allows = at[2] & 7,
			       .id = (uint32_t)at[4] | (uint32_t)at[5] << 8 | (uint32_t)at[6] << 16 |
				     (uint32_t)at[7] << 24 };
}

/* What owner, group and mode let somebody do whom the ACL names. */
static mode_t allowed(const struct entry *entry, const struct perms_owned *state, uid_t okv_user)
{
	const mode_t owner = state->mode >> 6 & 7, group = state->mode >> 3 & 7, others = state->mode & 7;

	if (entry->tag == TAG_GROUP)
		return entry->id == state->gid ? group | others : others;
	return others | (entry->id == state->uid ? owner : 0) | (entry->id == okv_user ? group : 0);
}

static void rights_add(struct text *out, mode_t rights)
{
	text_add_format(out, "%s%s%s", (rights & 4) != 0 ? " read" : "", (rights & 2) != 0 ? " write" : "",
			(rights & 1) != 0 ? " execute" : "");
}

/* true and in `out` what it does, as what follows "its ACL": "lets user id 5 read". */
static bool acl_differs(const void *bytes, size_t length, const struct perms_owned *state, enum acl_rights rights,
			uid_t okv_user, struct text *out)
{
	const unsigned char *at = bytes;
	const mode_t mask = state->mode >> 3 & 7;

	if (length < HEAD_SIZE || (length - HEAD_SIZE) % ENTRY_SIZE != 0 || at[0] != ACL_VERSION || at[1] != 0 ||
	    at[2] != 0 || at[3] != 0) {
		text_add_string(out, "is not known here");
		return true;
	}
	/* Without a mask there is nothing but owner, group and mode. */
	if (length <= HEAD_SIZE + 3 * ENTRY_SIZE)
		return false;
	for (size_t i = HEAD_SIZE; i < length; i += ENTRY_SIZE) {
		const struct entry entry = entry_read(at + i);
		const bool named = entry.tag == TAG_USER || entry.tag == TAG_GROUP;
		const mode_t excess =
			entry.allows & mask & ~allowed(&entry, state, okv_user) & (rights == ACL_ALL ? 7U : 2U);
		if (named && excess != 0) {
			text_add_format(out, "lets %s id %lu", entry.tag == TAG_USER ? "user" : "group",
					(unsigned long)entry.id);
			rights_add(out, excess);
			return true;
		}
		if (rights == ACL_ALL && entry.tag == TAG_GROUP_OWNING && (mask & ~entry.allows) != 0) {
			text_add_string(out, "does not let its group");
			rights_add(out, mask & ~entry.allows);
			return true;
		}
	}
	return false;
}

/* --- what all plans have in common --- */

/* One plan at work. */
struct planner {
	struct perms_run *run;
	const struct perms_plan *plan;
	size_t standing;       /* the walk's number of the working directory; 0: none of it */
	struct text parents;   /* paths of directories looked at, each ended by NUL */
	struct text outsiders; /* and of files outside the client */
	struct policy scratch; /* marks of where others may write; without a policy not used */
	size_t scratch_seen;   /* entries there */
	bool has_setfacl;
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

/*
 * The attribute's bytes, or -1 with errno.  By the working directory, which nobody else uses: no link is followed, and
 * no path below /proc is walked.  It is changed once for all entries of a directory, and the size is asked first, since
 * hardly any entry has an ACL and the kernel clears as much memory as it is offered.
 */
static ssize_t attribute_read(struct planner *p, const struct fs_walk_entry *entry, const char *name,
			      struct text *ret_bytes)
{
	if (entry->directory == 0 || entry->directory != p->standing) {
		p->standing = 0;
		if (fchdir(entry->dir) < 0)
			return -1;
		p->standing = entry->directory;
	}
	const ssize_t size = lgetxattr(entry->name, name, NULL, 0);
	if (size <= 0)
		return size;
	if (!text_reserve(ret_bytes, (size_t)size)) {
		errno = ENOMEM;
		return -1;
	}
	return lgetxattr(entry->name, name, ret_bytes->bytes, (size_t)size);
}

/* Tells where the ACL of a regular file, or one of a directory's two, makes a difference; true where it does. */
static bool acl_check(struct planner *p, const struct fs_walk_entry *entry, const struct perms_owned *state,
		      enum acl_rights rights)
{
	static const char *const attributes[] = { "system.posix_acl_access", "system.posix_acl_default" };
	/* OKV's user is served by what lies below; the way there is root's alone. */
	const uid_t served = rights == ACL_ALL ? p->plan->okv_user : (uid_t)-1;

	for (size_t i = 0; i < (S_ISDIR(entry->status->st_mode) ? 2 : 1); i++) {
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO what = { 0 };
		const ssize_t got = attribute_read(p, entry, attributes[i], &bytes);
		if (got > 0 && acl_differs(bytes.bytes, (size_t)got, state, rights, served, &what)) {
			perms_leave(p->run, PERMS_LEFT_ACL, entry->path,
				    "'%s': its ACL %s, and not the policy; %ssetfacl -b '%s'", SHOWN(entry->path),
				    text_string(&what),
				    p->has_setfacl ? "fix: " : "install the package acl, then: ", SHOWN(entry->path));
			return true;
		}
		/* None, none on this file system, not there any more. */
		if (got < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != ENOENT) {
			perms_leave(p->run, PERMS_LEFT_FAILED, entry->path, "'%s': cannot read %s: %s",
				    SHOWN(entry->path), attributes[i], fault_errno_text(errno));
			return true;
		}
	}
	return false;
}

/* An entry is no safer than the directories above it: who can write one of them puts another entry in its place. */
static void directory_check(struct planner *p, const struct fs_walk_entry *entry)
{
	const char *path = entry->path;
	const struct stat *status = entry->status;
	const struct perms_owned state = perms_owned_of(status);
	const mode_t writers = status->st_mode & (S_IWGRP | S_IWOTH);
	const bool group_of_root = status->st_gid == 0 && (writers & S_IWOTH) == 0;

	if (status->st_uid != 0) {
		perms_leave(p->run, PERMS_LEFT_PARENT, path,
			    "'%s' belongs to user id %lu, who can replace what is below it; fix: chown root '%s'",
			    SHOWN(path), (unsigned long)status->st_uid, SHOWN(path));
		return;
	}
	if ((status->st_mode & S_ISVTX) != 0)
		return;
	/* What an ACL lets somebody write shows as the group's. */
	if ((writers & S_IWGRP) != 0 && acl_check(p, entry, &state, ACL_WRITING))
		return;
	if (writers == 0 || group_of_root)
		return;
	perms_leave(p->run, PERMS_LEFT_PARENT, path,
		    "'%s' can be written by others (mode %04o), who can replace what is below it; fix: chmod go-w '%s'",
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
		if (fs_dir_open(p->run->root, text_string(&above), FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 &&
		    fstat(dir, &status) == 0) {
			const struct fs_walk_entry entry = {
				.dir = dir, .name = ".", .path = text_string(&above), .status = &status
			};
			directory_check(p, &entry);
		}
		slash = slash > path ? memrchr(path, '/', length) : NULL;
	}
}

/* Where a directory lies, in the policy and in the limits. */
struct spot {
	struct policy_place place;
	struct policy_place limit;
	struct policy_place scratch;
};

static void miss(void *context, const char *path, const struct fault *trouble)
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

/* Would the file's bytes, which are others', get a right from us?  Then it is left, and told. */
static bool gift_leave(const struct planner *p, const struct fs_walk_entry *entry, const struct perms_owned *to)
{
	const struct stat *status = entry->status;
	const struct perms_owned now = perms_owned_of(status);
	const struct timespec *opened = &p->plan->opened_since;

	if (!S_ISREG(status->st_mode) || !perms_gives(&now, to))
		return false;
	if (now.uid != 0 && now.uid != p->plan->okv_user && now.uid != p->plan->former_user) {
		perms_leave(p->run, PERMS_LEFT_STRANGER, entry->path,
			    "'%s' belongs to user id %lu, neither root nor '%s', and gets no owner, set-id or x bit "
			    "from us; "
			    "remove it, or if it is yours: chown root '%s'",
			    SHOWN(entry->path), (unsigned long)now.uid, SHOWN(p->plan->settings->okv_user),
			    SHOWN(entry->path));
		return true;
	}
	if ((now.mode & S_IWOTH) == 0 || opened->tv_sec == 0 || !is_later(&status->st_mtim, opened))
		return false;
	perms_leave(
		p->run, PERMS_LEFT_STRANGER, entry->path,
		"'%s' was written while everybody could, and gets no owner, set-id or x bit from us; remove it, or if "
		"it is yours: chmod o-w '%s'",
		SHOWN(entry->path), SHOWN(entry->path));
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
			    "'%s' has %lu names (hard links); left alone, repair it by hand", SHOWN(entry->path),
			    (unsigned long)status->st_nlink);
		return 0;
	}
	if (gift_leave(p, entry, to))
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

/* What the policy makes of an entry that is so. */
static struct perms_owned target_of(const struct policy *policy, const char *path, mode_t type,
				    const struct perms_owned *was)
{
	const struct policy_state state = { .uid = was->uid, .gid = was->gid, .mode = type | was->mode };
	struct policy_state target = state;
	struct policy_place place, below;
	char name[FS_NAME_SIZE];

	policy_root(policy, &place);
	for (const char *at = path; at[0] == '/' && at[1] != '\0';) {
		const size_t length = strcspn(at + 1, "/");
		if (length >= sizeof(name))
			return *was;
		memcpy(name, at + 1, length);
		name[length] = '\0';
		policy_step(policy, &place, name, &below);
		place = below;
		at += 1 + length;
	}
	(void)policy_target(policy, &place, &state, &target);
	return (struct perms_owned){ .uid = target.uid, .gid = target.gid, .mode = target.mode & 07777 };
}

/*
 * --- what Chrystoki.conf names outside the client ---
 *
 * No line of the policy reaches it, and it is not ours to change.  It is judged as if it lay in CLIENT_DIR/cert/client:
 * a key as a whole, anything else by who can write it.
 */

/* Who else can write it can run code as OKV's user, or be the client. */
static bool is_trusted(const struct chrystoki_line *line)
{
	return line->kind == CHRYSTOKI_ENTRY && line->value[0] == '/' &&
	       (chrystoki_spelling(line) != NULL || chrystoki_is_named(line, "SSLConfigFile") ||
		chrystoki_is_named(line, "ClientTokenLib"));
}

static bool is_key(const struct chrystoki_line *line)
{
	const char *known = chrystoki_spelling(line);

	return known != NULL && (strcmp(known, "ClientPrivKeyFile") == 0 || strcmp(known, "LNHServerClientKey") == 0);
}

/* The remedy lets OKV's user read it, whoever owned it. */
static void outsider_leave(struct planner *p, const char *path, bool key, const char *what)
{
	const struct settings *s = p->plan->settings;
	TEXT_AUTO owners = { 0 };

	text_add_format(&owners, "root%s%s", key ? ":" : "", key ? s->hsm_group : "");
	perms_leave(p->run, PERMS_LEFT_PARENT, path, "'%s', which '%s' names, %s; fix: chown %s '%s' && chmod %s '%s'",
		    SHOWN(path), SHOWN(s->chrystoki_conf), what, SHOWN(text_string(&owners)), SHOWN(path),
		    key ? "0640" : "a+r,go-w", SHOWN(path));
}

static void outsider_judge(struct planner *p, const struct fs_walk_entry *entry, bool key)
{
	const struct perms_owned now = perms_owned_of(entry->status);
	TEXT_AUTO inside = { 0 };
	char what[96];

	text_add_format(&inside, "%s/cert/client/%s", p->plan->settings->client_dir, entry->name);
	const struct perms_owned to = target_of(p->plan->policy, text_string(&inside), S_IFREG, &now);
	const mode_t excess = now.mode & ~to.mode & (key ? 0066 : now.gid == 0 ? 0002 : 0022);

	if (now.uid != 0)
		(void)snprintf(what, sizeof(what), "belongs to user id %lu, who can replace it",
			       (unsigned long)now.uid);
	else
		(void)snprintf(what, sizeof(what), "can be %s by others (mode %04o)",
			       (excess & 0022) != 0 ? "written" : "read", (unsigned)now.mode);
	if (now.uid != 0 || excess != 0)
		outsider_leave(p, entry->path, key, what);
	else
		(void)acl_check(p, entry, &now, key ? ACL_ALL : ACL_WRITING);
}

static void outsider_look(struct planner *p, const struct chrystoki_line *line)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault ignored = { 0 };
	struct stat status;

	/* What is not there, or no file, is said by okv/check. */
	if (fs_place_find(p->run->root, line->value, &place, &ignored) < 0 ||
	    preserved_within(place.path, p->plan->settings->client_dir) ||
	    fstatat(place.dir, place.leaf, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    seen_before(&p->outsiders, place.path, strlen(place.path)))
		return;
	const struct fs_walk_entry entry = {
		.dir = place.dir, .name = place.leaf, .path = place.path, .status = &status
	};
	if (S_ISREG(status.st_mode))
		outsider_judge(p, &entry, is_key(line));
	else if (S_ISDIR(status.st_mode))
		directory_check(p, &entry);
	parents_check(p, place.path);
}

static int outsiders_check(struct planner *p, struct fault *f)
{
	const struct okv_job job = { .root = p->run->root, .settings = p->plan->settings };
	CHRYSTOKI_AUTO conf = { 0 };
	struct fault why = { 0 };

	/* Where it cannot be read, who reads it says so. */
	if (okv_chrystoki_read(&job, &conf, &why) < 0) {
		if (why.kind == FAULT_ABSENT || why.kind == FAULT_REFUSED)
			return 0;
		*f = why;
		return -1;
	}
	for (size_t i = 0; i < conf.count; i++)
		if (is_trusted(&conf.lines[i]))
			outsider_look(p, &conf.lines[i]);
	return 0;
}

/* Our own records, and the settings, of which a command is run as root: neither is anybody else's to write. */
static void own_check(struct planner *p)
{
	static const char path[] = SETTINGS_FILE;
	struct fault ignored = { 0 };
	struct stat status;

	parents_check(p, SETTINGS_VAR "/journal");
	parents_check(p, path);
	if (fs_status(p->run->root, path, FS_FOLLOW_TRUSTED, &status, &ignored) < 0 || !S_ISREG(status.st_mode))
		return;
	if (status.st_uid != 0)
		perms_leave(p->run, PERMS_LEFT_PARENT, path,
			    "'%s' belongs to user id %lu, who decides what runs as root; fix: chown root '%s'", path,
			    (unsigned long)status.st_uid, path);
	else if ((status.st_mode & (status.st_gid == 0 ? S_IWOTH : S_IWGRP | S_IWOTH)) != 0)
		perms_leave(
			p->run, PERMS_LEFT_PARENT, path,
			"'%s' can be written by others (mode %04o), who decide what runs as root; fix: chmod go-w '%s'",
			path, (unsigned)(status.st_mode & 07777), path);
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
	policy_step(&p->scratch, &from->scratch, name, &ret_spot->scratch);
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
	if (p->scratch_seen > SETTINGS_SCRATCH_ENTRIES && policy_set_any(&holder->scratch.covers))
		return false;
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
	p->run->tally.links++;
	if (named(p, holder, spot)) {
		perms_leave(p->run, PERMS_LEFT_REFUSED, entry->path,
			    "'%s' is a symbolic link where the policy names a path; not followed, repair it by hand",
			    SHOWN(entry->path));
		return;
	}
	/* A link of root's in root's directory is how libraries are installed; any other one somebody put there. */
	const bool odd = entry->in_open || entry->status->st_uid != 0;
	report_say(p->run->output->report, odd ? REPORT_WARNING : REPORT_DETAIL, "'%s' is a symbolic link; left alone",
		   SHOWN(entry->path));
}

/* Where others may make what they like: enough is enough.  False where the entry is passed over. */
static bool scratch_goes_on(struct planner *p, const struct spot *spot, const struct fs_walk_entry *entry)
{
	if (!policy_set_any(&spot->scratch.covers))
		return true;
	if (++p->scratch_seen == SETTINGS_SCRATCH_ENTRIES + 1)
		perms_leave(p->run, PERMS_LEFT_FAILED, entry->path,
			    "more than %d entries where others may write; '%s' and the rest are left alone",
			    SETTINGS_SCRATCH_ENTRIES, SHOWN(entry->path));
	if (p->scratch_seen > SETTINGS_SCRATCH_ENTRIES)
		return false;
	if (!S_ISDIR(entry->status->st_mode) || spot->place.depth < p->scratch.rules[0].count + SETTINGS_SCRATCH_DEPTH)
		return true;
	perms_leave(p->run, PERMS_LEFT_FAILED, entry->path,
		    "'%s' is more than %d directories deep where others may write; left alone", SHOWN(entry->path),
		    SETTINGS_SCRATCH_DEPTH);
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
	if (!scratch_goes_on(p, &spot, entry))
		return FS_WALK_PASS;
	const int next = directory ? FS_WALK_ENTER : FS_WALK_PASS;
	if (!inside(p, &spot) || !policy_set_any(&spot.place.applies))
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
		directory_check(p, entry);
	const struct perms_owned to = { .uid = target.uid, .gid = target.gid, .mode = target.mode & 07777 };
	(void)acl_check(p, entry, &to, ACL_ALL);
	if (target.uid == now.uid && target.gid == now.gid && target.mode == now.mode)
		return next;
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

/* Does one of the other paths hold this one?  Of twins the last counts. */
static bool held_by_another(const char *const *paths, size_t count, size_t which)
{
	for (size_t i = 0; i < count; i++)
		if (i != which && preserved_within(paths[which], paths[i]) &&
		    (i > which || !preserved_within(paths[i], paths[which])))
			return true;
	return false;
}

/* Walks from one start; one that is not there, or not to be reached without a link, is told. */
static int start_walk(struct planner *p, const char *start, const void *state, const struct fs_walk *walk,
		      struct fault *f)
{
	const bool whole = strcmp(start, "/") == 0;
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE] = ".";
	struct fault trouble = { 0 };

	parents_check(p, start);
	p->standing = 0;
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

/* The spot of the directory that holds the last component of what start_of gives. */
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
	if (r == 0 && !limited(p)) {
		own_check(p);
		r = outsiders_check(p, f);
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
	const struct fs_walk walk = { .context = p, .visit = group_visit, .miss = miss };
	const char *const *paths = p->plan->paths;
	const size_t count = p->plan->path_count;

	for (size_t i = 0; i < count; i++)
		if (!held_by_another(paths, count, i) && start_walk(p, paths[i], NULL, &walk, f) < 0)
			return -1;
	return 0;
}

/* --- back --------------------------------------------------------------------------------------------------------- */

/* Is it as one of the policies made it of what it was, or half way between? */
static bool is_ours(const struct planner *p, const char *path, mode_t type, const struct perms_owned *now,
		    const struct perms_owned *was)
{
	for (size_t i = 0; i < p->plan->policy_count; i++) {
		const struct perms_record record = { .type = type,
						     .from = target_of(&p->plan->policies[i], path, type, was),
						     .to = *was };
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
		if (!is_ours(p, entry.path, entry.type, &now, &entry.was)) {
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
	struct planner p = { .run = run, .plan = plan, .has_setfacl = fs_exists(run->root, "/usr/bin/setfacl") };
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
	text_done(&p.parents);
	text_done(&p.outsiders);
	return r;
}
