#include "client/ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/identity.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "fs/root.h"

/* --- who ---------------------------------------------------------------------------------------------------------- */

/*
 * A user id that nobody has, here or below the root: whom the process that reads archives becomes.  Not nobody's,
 * whose processes could then look at ours.
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
	return fault_system(f, 0, "no user id from %d to %d is free for the process that reads archives", LAST, FIRST);
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

/* Something that is run or loaded, by where it lies and what it is called. */
static bool is_code(const char *path)
{
	const char *leaf = text_leaf(path);

	return text_starts(path, "bin/") || strstr(path, "/bin/") != NULL || text_ends(leaf, ".so") ||
	       strstr(leaf, ".so.") != NULL || text_ends(leaf, ".plugin");
}

static bool is_private(const char *path)
{
	const char *leaf = text_leaf(path);

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

/* Partition certificates of the cloud service lie at the top. */
static bool is_certificate(const char *path)
{
	return text_ends(path, ".pem") && strchr(path, '/') == NULL;
}

struct client_rights client_ownership_file(const struct client_ownership *o, const char *path,
					   enum client_secrecy secrecy)
{
	struct client_rights rights = { .gid = 0, .mode = client_ownership_first_mode(path) };

	if (secrecy == CLIENT_SECRET || is_private(path) || (client_is_identity(path) && !is_certificate(path))) {
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

static int rights_give(int client, const char *path, const struct client_rights *rights, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (fs_parent_open(client, path, FS_NOFOLLOW, &dir, leaf, f) < 0)
		return -1;
	if (fchownat(dir, leaf, 0, rights->gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(dir, leaf, rights->mode, 0) < 0)
		return fault_system(f, errno, "cannot set owner and mode of '%s'", SHOWN(path));
	return 0;
}

/* Those of the identity above a path, which the archive need not name. */
static int parents_give(int client, const char *path, const struct client_ownership *o, struct fault *f)
{
	char part[LIMITS_PATH + 1];

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		memcpy(part, path, (size_t)(slash - path));
		part[slash - path] = '\0';
		const struct client_rights rights = client_ownership_directory(o, part);
		if (rights_give(client, part, &rights, f) < 0)
			return -1;
	}
	return 0;
}

static int entry_give(int client, const char *path, const struct unpack_entry *e, const struct client_ownership *o,
		      struct fault *f)
{
	struct client_rights rights;

	if (client_is_identity(path) && parents_give(client, path, o, f) < 0)
		return -1;
	if (e->type == UNPACK_DIRECTORY) {
		rights = client_ownership_directory(o, path);
		return client_is_identity(path) ? rights_give(client, path, &rights, f) : 0;
	}
	rights = client_ownership_file(o, path, e->secret ? CLIENT_SECRET : CLIENT_PLAIN);
	return rights.gid != 0 || rights.mode != e->mode ? rights_give(client, path, &rights, f) : 0;
}

int client_ownership_apply(int client, const struct client_content *content, const struct client_ownership *o,
			   struct fault *f)
{
	const struct client_rights top = client_ownership_directory(o, "");

	if (fchmod(client, top.mode) < 0)
		return fault_system(f, errno, "cannot set the mode of the client's directory");
	for (size_t i = 0; i < content->unpacked.count; i++) {
		const struct unpack_entry *e = &content->unpacked.entries[i];
		const char *path = client_content_path(content, e->path);
		if (path != NULL && e->type != UNPACK_LINK && entry_give(client, path, e, o, f) < 0)
			return -1;
	}
	return 0;
}
