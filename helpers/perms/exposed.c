#include "perms/exposed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "conf/chrystoki.h"
#include "conf/preserved.h"
#include "fs/read.h"
#include "fs/root.h"

void perms_exposed_done(struct perms_exposed *e)
{
	text_done(&e->parents);
	text_done(&e->outside);
}

/*
 * --- ACLs, without libacl ---
 *
 * An ACL is never changed.  It is evaluated as if the mode were set already: chmod(2) sets the mask of an ACL, which
 * limits the group and every user and group that the ACL names (acl(5)).  It differs if one of those may do more than
 * owner, group and mode allow, or if the group may do less.  A default ACL, which new files inherit, is evaluated in
 * the same way.  OKV's user may do what the group may.
 */

enum acl_rights {
	ACL_ALL,
	ACL_WRITING, /* only write access */
};

/* linux/posix_acl_xattr.h: a version, then the entries, all little endian. */
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

/* What owner, group and mode allow the user or group that the ACL entry names. */
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

/* If the ACL differs, `out` says how, to follow "its ACL": "lets user id 5 read". */
static bool acl_differs(const void *bytes, size_t length, const struct perms_owned *state, enum acl_rights rights,
			uid_t okv_user, struct text *out)
{
	const unsigned char *at = bytes;
	const mode_t mask = state->mode >> 3 & 7;

	if (length < HEAD_SIZE || (length - HEAD_SIZE) % ENTRY_SIZE != 0 || at[0] != ACL_VERSION || at[1] != 0 ||
	    at[2] != 0 || at[3] != 0) {
		text_add_string(out, "has an unknown format");
		return true;
	}
	/* An ACL without a mask has only the entries of owner, group and others. */
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
			text_add_string(out, ", which the policy does not allow");
			return true;
		}
		if (rights == ACL_ALL && entry.tag == TAG_GROUP_OWNING && (mask & ~entry.allows) != 0) {
			text_add_string(out, "does not let its group");
			rights_add(out, mask & ~entry.allows);
			text_add_string(out, ", which the policy allows");
			return true;
		}
	}
	return false;
}

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
 * Returns the attribute's size, or -1 with errno.  It is read relative to the working directory, which nothing else
 * uses: this follows no link and needs no path through /proc.  For speed, the working directory is changed once for all
 * entries of a directory, and the size is asked for first: hardly any entry has an ACL, and the kernel clears as much
 * memory as it is offered.
 */
static ssize_t attribute_read(struct perms_exposed *e, const struct fs_walk_entry *entry, const char *name,
			      struct text *ret_bytes)
{
	if (entry->directory == 0 || entry->directory != e->cwd) {
		e->cwd = 0;
		if (fchdir(entry->dir) < 0)
			return -1;
		e->cwd = entry->directory;
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

/* Reports an ACL that differs, or that cannot be read; returns true then. */
static bool acl_check(struct perms_exposed *e, const struct fs_walk_entry *entry, const struct perms_owned *state,
		      enum acl_rights rights)
{
	static const char *const attributes[] = { "system.posix_acl_access", "system.posix_acl_default" };
	/* OKV's user may do what the group may with the client's files, but not with the directories above them. */
	const uid_t served = rights == ACL_ALL ? e->okv_user : (uid_t)-1;

	for (size_t i = 0; i < (S_ISDIR(entry->status->st_mode) ? 2 : 1); i++) {
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO what = { 0 };
		const ssize_t got = attribute_read(e, entry, attributes[i], &bytes);
		if (got > 0 && acl_differs(bytes.bytes, (size_t)got, state, rights, served, &what)) {
			perms_leave(e->run, PERMS_LEFT_ACL, entry->path, "'%s': its ACL %s; %ssetfacl -b %s",
				    SHOWN(entry->path), text_string(&what),
				    fs_exists(e->run->root, "/usr/bin/setfacl") ? "fix: "
										: "install the package acl, then: ",
				    TYPED(entry->path));
			return true;
		}
		/* No ACL, a file system without ACLs, or the entry is gone. */
		if (got < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != ENOENT) {
			perms_leave(e->run, PERMS_LEFT_FAILED, entry->path, "'%s': cannot read its ACL (%s): %s",
				    SHOWN(entry->path), attributes[i], fault_errno_text(errno));
			return true;
		}
	}
	return false;
}

void perms_exposed_acl(struct perms_exposed *e, const struct fs_walk_entry *entry, const struct perms_owned *state)
{
	(void)acl_check(e, entry, state, ACL_ALL);
}

/* Whoever can write a directory can put another entry in the place of each one below it. */
void perms_exposed_directory(struct perms_exposed *e, const struct fs_walk_entry *entry)
{
	const char *path = entry->path;
	const struct stat *status = entry->status;
	const struct perms_owned state = perms_owned_of(status);
	const mode_t writers = status->st_mode & (S_IWGRP | S_IWOTH);
	const bool group_of_root = status->st_gid == 0 && (writers & S_IWOTH) == 0;

	if (status->st_uid != 0) {
		perms_leave(e->run, PERMS_LEFT_PARENT, path,
			    "'%s' belongs to user id %lu, who can replace what is below it; fix: chown root %s",
			    SHOWN(path), (unsigned long)status->st_uid, TYPED(path));
		return;
	}
	if ((status->st_mode & S_ISVTX) != 0)
		return;
	/* If there is an ACL, the group bits are its mask: write access may be that of somebody whom it names. */
	if ((writers & S_IWGRP) != 0 && acl_check(e, entry, &state, ACL_WRITING))
		return;
	if (writers == 0 || group_of_root)
		return;
	perms_leave(e->run, PERMS_LEFT_PARENT, path,
		    "'%s' can be written by others (mode %04o), who can replace what is below it; fix: chmod go-w %s",
		    SHOWN(path), (unsigned)(status->st_mode & 07777), TYPED(path));
}

void perms_exposed_parents(struct perms_exposed *e, const char *path)
{
	e->cwd = 0;
	for (const char *slash = strrchr(path, '/'); slash != NULL;) {
		const size_t length = slash > path ? (size_t)(slash - path) : 1;
		if (seen_before(&e->parents, path, length))
			return;

		TEXT_AUTO above = { 0 };
		struct fault ignored = { 0 };
		struct stat status;
		text_add(&above, path, length);
		FS_AUTO int dir = -1;
		if (fs_dir_open(e->run->root, text_string(&above), FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 &&
		    fstat(dir, &status) == 0) {
			const struct fs_walk_entry entry = {
				.dir = dir, .name = ".", .path = text_string(&above), .status = &status
			};
			perms_exposed_directory(e, &entry);
		}
		slash = slash > path ? memrchr(path, '/', length) : NULL;
	}
}

/*
 * --- what Chrystoki.conf names outside the client ---
 *
 * No line of the policy applies to it, and we do not change it.  It is compared with what the policy gives to
 * CLIENT_DIR/cert/client: who can read or write a key, and who can write anything else.
 */

/* A path that is safe only if nobody else can write it: code that OKV's user runs, or the client's identity. */
static bool is_sensitive(const struct chrystoki_line *line)
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

/* After the fix OKV's user can read it, whoever owned it before. */
static void outside_leave(struct perms_exposed *e, const char *path, bool key, const char *what)
{
	const struct settings *s = e->settings;
	TEXT_AUTO owners = { 0 };

	text_add_format(&owners, "root%s%s", key ? ":" : "", key ? s->hsm_group : "");
	perms_leave(e->run, PERMS_LEFT_PARENT, path, "'%s', which '%s' names, %s; fix: chown %s %s && chmod %s %s",
		    SHOWN(path), SHOWN(s->chrystoki_conf), what, SHOWN(text_string(&owners)), TYPED(path),
		    key ? "0640" : "a+r,go-w", TYPED(path));
}

static void outside_evaluate(struct perms_exposed *e, const struct policy *policy, const struct fs_walk_entry *entry,
			     bool key)
{
	const struct perms_owned now = perms_owned_of(entry->status);
	const struct policy_state state = { .uid = now.uid, .gid = now.gid, .mode = S_IFREG | now.mode };
	struct policy_state to;
	TEXT_AUTO inside = { 0 };
	char what[96];

	text_add_format(&inside, "%s/cert/client/%s", e->settings->client_dir, entry->name);
	policy_target_of(policy, text_string(&inside), &state, &to);
	const mode_t excess = now.mode & ~to.mode & (key ? 0066 : now.gid == 0 ? 0002 : 0022);

	if (now.uid != 0)
		(void)snprintf(what, sizeof(what), "belongs to user id %lu, who can replace it",
			       (unsigned long)now.uid);
	else
		(void)snprintf(what, sizeof(what), "can be %s by others (mode %04o)",
			       (excess & 0022) != 0 ? "written" : "read", (unsigned)now.mode);
	if (now.uid != 0 || excess != 0)
		outside_leave(e, entry->path, key, what);
	else
		(void)acl_check(e, entry, &now, key ? ACL_ALL : ACL_WRITING);
}

/* `client` is the client's real directory: CLIENT_DIR may be a link. */
static void outside_check(struct perms_exposed *e, const struct policy *policy, const char *client,
			  const struct chrystoki_line *line)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault ignored = { 0 };
	struct stat status;

	/* okv/check reports a path that does not exist. */
	if (fs_place_find(e->run->root, line->value, &place, &ignored) < 0 || preserved_within(place.path, client) ||
	    fstatat(place.dir, place.leaf, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    seen_before(&e->outside, place.path, strlen(place.path)))
		return;
	const struct fs_walk_entry entry = {
		.dir = place.dir, .name = place.leaf, .path = place.path, .status = &status
	};
	if (S_ISREG(status.st_mode))
		outside_evaluate(e, policy, &entry, is_key(line));
	else if (S_ISDIR(status.st_mode))
		perms_exposed_directory(e, &entry);
	perms_exposed_parents(e, place.path);
}

static int outside_check_all(struct perms_exposed *e, const struct policy *policy, struct fault *f)
{
	FS_PLACE_AUTO client = FS_PLACE_INIT;
	TEXT_SECRET_AUTO bytes = { 0 };
	CHRYSTOKI_AUTO conf = { 0 };
	struct fault why = { 0 }, ignored = { 0 };
	const bool found = fs_place_find(e->run->root, e->settings->client_dir, &client, &ignored) == 0;

	/* If it does not exist, okv/check says so. */
	if (fs_read_config(e->run->root, e->settings->chrystoki_conf, &bytes, &why) < 0)
		return fs_absence(&why, f);
	if (chrystoki_parse(&conf, text_string(&bytes), bytes.length, f) < 0)
		return -1;
	for (size_t i = 0; i < conf.count; i++)
		if (is_sensitive(&conf.lines[i]))
			outside_check(e, policy, found ? client.path : e->settings->client_dir, &conf.lines[i]);
	return 0;
}

/* Only root may write our records and the settings: UPGRADE_COMMAND is run as root. */
static void own_files_check(struct perms_exposed *e)
{
	static const char path[] = SETTINGS_FILE;
	struct fault ignored = { 0 };
	struct stat status;

	perms_exposed_parents(e, SETTINGS_VAR "/journal");
	perms_exposed_parents(e, path);
	if (fs_status(e->run->root, path, FS_FOLLOW_TRUSTED, &status, &ignored) < 0 || !S_ISREG(status.st_mode))
		return;
	if (status.st_uid != 0)
		perms_leave(e->run, PERMS_LEFT_PARENT, path,
			    "'%s' belongs to user id %lu, who decides what runs as root; fix: chown root %s", path,
			    (unsigned long)status.st_uid, TYPED(path));
	else if ((status.st_mode & (status.st_gid == 0 ? S_IWOTH : S_IWGRP | S_IWOTH)) != 0)
		perms_leave(
			e->run, PERMS_LEFT_PARENT, path,
			"'%s' can be written by others (mode %04o), who decide what runs as root; fix: chmod go-w %s",
			path, (unsigned)(status.st_mode & 07777), TYPED(path));
}

int perms_exposed_others(struct perms_exposed *e, const struct policy *policy, struct fault *f)
{
	own_files_check(e);
	return outside_check_all(e, policy, f);
}
