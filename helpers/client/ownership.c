#include "client/ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/identity.h"
#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"

/* --- who ---------------------------------------------------------------------------------------------------------- */

/*
 * A user id that nobody has, here or below the root: what the unpacking processes run as.  Not nobody's, whose
 * processes could then look at ours.
 */
static int worker_choose(const struct text *passwd, const struct text *group, uid_t *ret_worker, struct fault *f)
{
	enum { FIRST = 65533, LAST = 60000 };
	TEXT_AUTO own = { 0 };
	FS_AUTO int real = -1;
	bool there;

	if (fs_root_open("/", &real, f) < 0 || fs_read_optional(real, "/etc/passwd", &own, &there, f) < 0)
		return -1;
	for (uid_t id = FIRST; id > LAST; id--) {
		TEXT_AUTO name = { 0 };
		if (!accounts_user_name(passwd, id, &name) && !accounts_user_name(&own, id, &name) &&
		    !accounts_group_name(group, id, &name)) {
			*ret_worker = id;
			return 0;
		}
	}
	return fault_system(f, 0, "no user id from %d to %d is free for the unpacking processes", LAST, FIRST);
}

int client_ownership_find(int root, const struct settings *settings, struct client_ownership *ret_ownership,
			  struct fault *f)
{
	struct client_ownership o = { .strict = strcmp(settings->profile, SETTINGS_PROFILE_STRICT) == 0 };
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO group = { 0 };
	bool there;

	if (fs_read_optional(root, "/etc/passwd", &passwd, &there, f) < 0 ||
	    fs_read_optional(root, "/etc/group", &group, &there, f) < 0 ||
	    worker_choose(&passwd, &group, &o.worker, f) < 0)
		return -1;
	o.has_group = accounts_group_find(&group, settings->hsm_group, &o.group);
	*ret_ownership = o;
	return 0;
}

/* --- owner and mode of a path ------------------------------------------------------------------------------------- */

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Something that is run or loaded, by where it lies and what it is called. */
static bool is_code(const char *path)
{
	const char *leaf = leaf_of(path);

	return text_starts(path, "bin/") || strstr(path, "/bin/") != NULL || text_ends(leaf, ".so") ||
	       strstr(leaf, ".so.") != NULL || text_ends(leaf, ".plugin");
}

static bool is_private(const char *path)
{
	const char *leaf = leaf_of(path);

	return strcmp(leaf, "Chrystoki.conf") == 0 || text_ends(leaf, "Key.pem") || text_ends(leaf, "key.pem") ||
	       text_ends(leaf, ".db") || text_ends(leaf, ".p12");
}

mode_t client_ownership_first_mode(const char *path)
{
	if (is_private(path))
		return 0600;
	return is_code(path) ? 0755 : 0644;
}

struct client_rights client_ownership_conf(const struct client_ownership *o)
{
	struct client_rights rights = { .gid = 0, .mode = 0600 };

	if (o->has_group) {
		rights.gid = o->group;
		rights.mode = o->strict ? 0640 : 0660;
	}
	return rights;
}

struct client_rights client_ownership_file(const struct client_ownership *o, const char *path)
{
	struct client_rights rights = { .gid = 0, .mode = client_ownership_first_mode(path) };

	if (client_is_identity(path) || is_private(path)) {
		rights.mode = o->has_group ? 0640 : 0600;
		rights.gid = o->has_group ? o->group : 0;
	}
	return rights;
}

struct client_rights client_ownership_directory(const struct client_ownership *o, const char *path)
{
	struct client_rights rights = { .gid = 0, .mode = 0755 };

	if (client_is_identity(path)) {
		rights.mode = 0700;
		if (o->has_group) {
			rights.gid = o->group;
			rights.mode = o->strict && !text_equal(path, strcspn(path, "/"), "data") ? 02750 : 02770;
		}
	}
	return rights;
}

/* --- of the unpacked tree ----------------------------------------------------------------------------------------- */

struct taking {
	const struct client_content *content;
	const struct client_ownership *ownership;
	uint64_t files;
};

static int rights_give(const struct fs_walk_entry *entry, const struct client_rights *rights, struct fault *f)
{
	const mode_t now = entry->status->st_mode & 07777;

	if (fchownat(entry->dir, entry->name, 0, rights->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(f, errno, "cannot take over '%s'", SHOWN(entry->path));
	/* The processes made it with the mode it is to have, except where the group matters. */
	if (now != rights->mode && fchmodat(entry->dir, entry->name, rights->mode, 0) < 0)
		return fault_system(f, errno, "cannot set the mode of '%s'", SHOWN(entry->path));
	return 0;
}

static int strange(struct fault *f, const char *path, const char *what)
{
	return fault_system(f, 0, "an unpacking process misbehaves: '%s' %s", SHOWN(path), what);
}

/* Below the client's top, or as it is where it lies outside and will be thrown away. */
static const char *client_path(const struct taking *s, const char *path)
{
	const size_t length = strlen(s->content->top);

	if (length > 0 && strncmp(path, s->content->top, length) == 0)
		return path + length;
	return path;
}

static int entry_take(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct taking *s = context;
	const char *path = entry->path + strspn(entry->path, "/");

	(void)state;
	if (entry->status->st_uid != s->ownership->worker)
		return strange(f, path, "is not its own");
	if (S_ISDIR(entry->status->st_mode)) {
		const struct client_rights rights = client_ownership_directory(s->ownership, client_path(s, path));
		return rights_give(entry, &rights, f) < 0 ? -1 : FS_WALK_ENTER;
	}
	if (!S_ISREG(entry->status->st_mode) || entry->status->st_nlink != 1)
		return strange(f, path, "is no plain file");
	const struct unpack_entry *announced = unpack_find(&s->content->unpacked, path);
	if (announced == NULL || announced->type != PIPE_ENTRY_FILE)
		return strange(f, path, "was never announced");
	if ((uint64_t)entry->status->st_size != announced->size)
		return strange(f, path, "has another size than announced");
	s->files++;
	const struct client_rights rights = client_ownership_file(s->ownership, client_path(s, path));
	return rights_give(entry, &rights, f) < 0 ? -1 : FS_WALK_PASS;
}

static int copy_make(int tree, const struct taking *s, const struct unpack_entry *e, int dir, const char *leaf,
		     struct fault *f)
{
	FS_AUTO int from = -1;
	FS_AUTO int to = -1;
	const struct client_rights rights = client_ownership_file(s->ownership, client_path(s, e->path));

	if (fs_file_open(tree, e->target, FS_NOFOLLOW, O_RDONLY, &from, NULL, f) < 0)
		return -1;
	to = openat(dir, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fault_errno(f, errno, "cannot make '%s'", SHOWN(e->path));
	if (fs_copy(from, to, e->path, UINT64_MAX, f) < 0)
		return -1;
	if (fchown(to, 0, rights.gid) < 0 || fchmod(to, rights.mode) < 0)
		return fault_system(f, errno, "cannot set owner and mode of '%s'", SHOWN(e->path));
	return 0;
}

/* Hard links become copies: a file with two names could be changed behind one of them. */
static int links_make(int tree, const struct taking *s, enum pipe_entry type, struct fault *f)
{
	for (size_t i = 0; i < s->content->unpacked.count; i++) {
		const struct unpack_entry *e = &s->content->unpacked.entries[i];
		FS_AUTO int dir = -1;
		char leaf[FS_NAME_SIZE], parent[LIMITS_PATH + 1];

		if (e->type != type)
			continue;
		const char *slash = strrchr(e->path, '/');
		const size_t length = slash != NULL ? (size_t)(slash - e->path) : 0;
		memcpy(parent, e->path, length);
		parent[length] = '\0';
		if (fs_dirs_make(tree, parent, 0755, FS_NOFOLLOW, f) < 0 ||
		    fs_parent_open(tree, e->path, FS_NOFOLLOW, &dir, leaf, f) < 0)
			return -1;
		if (type == PIPE_ENTRY_HARD_LINK && copy_make(tree, s, e, dir, leaf, f) < 0)
			return -1;
		if (type == PIPE_ENTRY_LINK && symlinkat(e->target, dir, leaf) < 0)
			return fault_errno(f, errno, "cannot make link '%s'", SHOWN(e->path));
	}
	return 0;
}

int client_ownership_apply(int tree, const struct client_content *content, const struct client_ownership *ownership,
			   struct fault *f)
{
	struct taking s = { .content = content, .ownership = ownership };
	const struct fs_walk walk = { .context = &s, .visit = entry_take };

	if (fs_walk(tree, ".", "", NULL, &walk, f) < 0)
		return -1;
	if (s.files != content->unpacked.files)
		return fault_system(f, 0, "an unpacking process misbehaves: %ju files are there of %ju",
				    (uintmax_t)s.files, (uintmax_t)content->unpacked.files);
	/* Copies first: none of them may be read through a link. */
	return links_make(tree, &s, PIPE_ENTRY_HARD_LINK, f) < 0 ? -1 : links_make(tree, &s, PIPE_ENTRY_LINK, f);
}
