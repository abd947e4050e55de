#include "client/layout.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/identity.h"
#include "conf/accounts.h"
#include "conf/chrystoki.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"

/* --- who ---------------------------------------------------------------------------------------------------------- */

/*
 * An unused user id, here and below the root, for the process that reads archives.  Not that of nobody: other processes
 * of that user could trace ours.
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

int client_layout_owners(int root, const struct settings *settings, struct client_ownership *ret_ownership,
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
	o.conf.gid = o.has_group ? o.group : 0;
	o.conf.mode = !o.has_group ? 0600 : o.strict ? 0640 : 0660;
	*ret_ownership = o;
	return 0;
}

/* --- owner and mode of a path ------------------------------------------------------------------------------------- */

/* Is it a program or library, by its directory or name? */
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

mode_t client_layout_first_mode(const char *path)
{
	if (is_private(path))
		return 0600;
	return is_code(path) ? 0755 : 0644;
}

/* The cloud service's partition certificates are at the top. */
static bool is_certificate(const char *path)
{
	return text_ends(path, ".pem") && strchr(path, '/') == NULL;
}

struct client_rights client_layout_rights(const struct client_ownership *o, const char *path, enum client_entry entry)
{
	const bool directory = entry == CLIENT_DIRECTORY, identity = client_is_identity(path);
	struct client_rights rights = { .gid = 0, .mode = directory ? 0755 : client_layout_first_mode(path) };

	if (directory ? !identity : entry != CLIENT_SECRET && !is_private(path) && (!identity || is_certificate(path)))
		return rights;
	rights.gid = o->has_group ? o->group : 0;
	if (!directory)
		rights.mode = o->has_group ? 0640 : 0600;
	else if (!o->has_group)
		rights.mode = 0700;
	else
		rights.mode = o->strict && !text_equal(path, strcspn(path, "/"), "data") ? 02750 : 02770;
	return rights;
}

/* --- where everything lies ---------------------------------------------------------------------------------------- */

#define VENDOR_PLUGINS "libs/64/plugins"
const char *const client_layout_directories[] = { "bin",
						  "lib",
						  "plugins",
						  "cert",
						  "cert/client",
						  "cert/server",
						  "configData",
						  "configData/token",
						  "configData/token/001",
						  "data",
						  NULL };
static const char *const library_names[] = { "lib/libCryptoki2_64.so", "lib/libCryptoki2.so" };

static bool starts_below(const char *path, const char *directory, const char **ret_rest)
{
	const size_t length = strlen(directory);

	if (strncmp(path, directory, length) != 0 || path[length] != '/')
		return false;
	*ret_rest = path + length + 1;
	return true;
}

/* Does the archive have that path, or anything below it? */
static bool archive_uses(const struct client_content *content, const char *path)
{
	char whole[2 * LIMITS_PATH + 2];
	const int length = snprintf(whole, sizeof(whole), "%s%s", content->top, path);
	size_t from = 0, to = content->unpacked.count;

	/* Binary search for the first entry not before the path. */
	while (from < to) {
		const size_t middle = from + (to - from) / 2;
		if (text_path_compare(content->unpacked.entries[middle].path, whole) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	if (from == content->unpacked.count ||
	    strncmp(content->unpacked.entries[from].path, whole, (size_t)length) != 0)
		return false;
	const char next = content->unpacked.entries[from].path[length];
	return next == '\0' || next == '/';
}

static int member_refuse(const struct client_content *content, const char *path, const char *what, struct fault *f)
{
	return fault_refused(f, "member '%s%s': %s", SHOWN(content->top), SHOWN(path), what);
}

static int library_evaluate(const struct client_content *content, struct fault *f)
{
	const struct unpack_entry *library = client_content_entry(content, content->library);

	if (library == NULL || library->machine == EM_NONE)
		return member_refuse(content, content->library, "no 64-bit shared library", f);
#if defined(__x86_64__)
	if (library->machine != EM_X86_64)
		return member_refuse(content, content->library, "a library for another machine", f);
#endif
	return 0;
}

int client_layout_evaluate(const struct client_content *content, struct fault *f)
{
	for (const char *const *path = client_layout_directories; *path != NULL; path++) {
		const struct unpack_entry *e = client_content_entry(content, *path);
		if (e != NULL && e->type != UNPACK_DIRECTORY)
			return member_refuse(content, *path, "the client needs a directory of that name", f);
	}
	for (size_t i = 0; i < content->unpacked.count; i++) {
		const char *below = client_content_path(content, content->unpacked.entries[i].path);
		if (below != NULL && strchr(below, ':') != NULL)
			return member_refuse(
				content, below,
				"a colon in the name, which PRESERVED_FILES cannot list; rename it, and pack it again",
				f);
	}
	for (size_t i = 0; i < 2; i++) {
		const struct unpack_entry *e = client_content_entry(content, library_names[i]);
		if (archive_uses(content, library_names[i]) && (e == NULL || e->type == UNPACK_DIRECTORY))
			return member_refuse(content, library_names[i], "the client needs a library of that name", f);
	}
	return library_evaluate(content, f);
}

/* The vendor's plugins move only if their new name is free. */
static bool plugins_move(const struct client_content *content)
{
	const struct unpack_entry *vendor = client_content_entry(content, VENDOR_PLUGINS);

	return archive_uses(content, VENDOR_PLUGINS) && !archive_uses(content, "plugins") &&
	       (vendor == NULL || vendor->type == UNPACK_DIRECTORY);
}

bool client_layout_path(const struct client_content *content, const char *path, char ret_path[LIMITS_PATH + 1])
{
	const char *below = client_content_path(content, path);
	const char *rest;

	if (below == NULL)
		return false;
	const bool inside = starts_below(below, VENDOR_PLUGINS, &rest);
	if ((inside || strcmp(below, VENDOR_PLUGINS) == 0) && plugins_move(content))
		(void)snprintf(ret_path, LIMITS_PATH + 1, "plugins%s%s", inside ? "/" : "", inside ? rest : "");
	else
		(void)snprintf(ret_path, LIMITS_PATH + 1, "%s", below);
	return true;
}

int client_layout_links(const struct client_content *content,
			int (*each)(void *context, const char *path, const char *target, struct fault *f),
			void *context, struct fault *f)
{
	char path[LIMITS_PATH + 8], target[LIMITS_PATH + 16];

	if (plugins_move(content) && each(context, VENDOR_PLUGINS, "../../plugins", f) < 0)
		return -1;
	(void)snprintf(target, sizeof(target), "../%s", content->library);
	for (size_t i = 0; i < 2; i++)
		if (client_content_entry(content, library_names[i]) == NULL &&
		    each(context, library_names[i], target, f) < 0)
			return -1;
	/* Each program and library directly in bin/64 and libs/64 gets a name in bin and lib. */
	for (size_t i = 0; i < content->unpacked.count; i++) {
		const char *below = client_content_path(content, content->unpacked.entries[i].path);
		const char *leaf;
		if (below == NULL || content->unpacked.entries[i].type == UNPACK_DIRECTORY)
			continue;
		if (starts_below(below, "bin/64", &leaf)) {
			(void)snprintf(path, sizeof(path), "bin/%s", leaf);
			(void)snprintf(target, sizeof(target), "64/%s", leaf);
		} else if (starts_below(below, "libs/64", &leaf)) {
			(void)snprintf(path, sizeof(path), "lib/%s", leaf);
			(void)snprintf(target, sizeof(target), "../libs/64/%s", leaf);
		} else {
			continue;
		}
		if (strchr(leaf, '/') == NULL && !archive_uses(content, path) && strcmp(path, library_names[0]) != 0 &&
		    strcmp(path, library_names[1]) != 0 && each(context, path, target, f) < 0)
			return -1;
	}
	return 0;
}

/* --- Chrystoki.conf from what the archives bring ------------------------------------------------------------------ */

/* The place of a value's file in this layout.  NULL: in the client's directory, under its own file name. */
static const struct known {
	const char *section, *key;
	const char *place; /* if it ends in '/', the value's file name is appended */
	enum { ONLY_IF_THERE, ALWAYS } when;
} known[] = {
	/* Step 9 of the guide's chapter on the cloud client. */
	{ "Chrystoki2", "LibUNIX", "lib/libCryptoki2.so", ALWAYS },
	{ "Chrystoki2", "LibUNIX64", "lib/libCryptoki2_64.so", ALWAYS },
	{ "LunaSA Client", "ClientPrivKeyFile", "cert/client/", ONLY_IF_THERE },
	{ "LunaSA Client", "ClientCertFile", "cert/client/", ONLY_IF_THERE },
	{ "LunaSA Client", "ServerCAFile", "cert/server/", ONLY_IF_THERE },
	{ "Secure Trusted Channel", "ClientTokenLib", "lib/", ONLY_IF_THERE },
	{ "Secure Trusted Channel", "SoftTokenDir", "configData/token", ONLY_IF_THERE },
	{ "CkLog2", "LibUNIX64", "lib/libCryptoki2_64.so", ONLY_IF_THERE },
	{ "Misc", "ToolsDir", "bin", ONLY_IF_THERE },
	/* As setenv does; the certificates are at the top of the service's zip. */
	{ "XTC", "PartitionCAPath", "", ONLY_IF_THERE },
	{ "XTC", "PartitionCertPath00", "", ONLY_IF_THERE },
	{ "REST", "SSLClientSideVerifyFile", "", ONLY_IF_THERE },
};

static int value_set(struct chrystoki *c, const char *section, const char *key, const char *client_dir,
		     const char *place, const char *leaf, struct fault *f)
{
	TEXT_AUTO value = { 0 };

	text_add_format(&value, "%s/%s%s", client_dir, place, leaf);
	if (text_check(&value, f) < 0)
		return -1;
	return chrystoki_set(c, section, key, text_string(&value), f);
}

/*
 * The longest tail of a path that exists in the new tree, except a bare file name: a client that was configured
 * elsewhere still has the paths of that place.  NULL if there is none.
 */
static int tail_find(int client, const char *value, const char **ret_tail, struct fault *f)
{
	*ret_tail = NULL;
	if (strstr(value, "..") != NULL || strstr(value, "://") != NULL)
		return 0;
	for (const char *at = text_starts(value, "./") ? value + 2 : value + strspn(value, "/");
	     strchr(at, '/') != NULL; at = strchr(at, '/') + 1) {
		bool there;
		if (fs_existence(client, at, &there, f) < 0)
			return -1;
		if (there) {
			*ret_tail = at;
			return 0;
		}
	}
	return 0;
}

static int known_set(struct chrystoki *c, int client, const char *client_dir, struct fault *f)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct known *k = &known[i];
		const bool named = k->place[0] == '\0' || text_ends(k->place, "/");
		const char *tail = NULL;
		char *now = NULL;

		if (chrystoki_get(c, k->section, k->key, &now, f) < 0)
			return -1;
		int r = named && now != NULL ? tail_find(client, now, &tail, f) : 0;
		if (r == 0 && tail != NULL)
			r = value_set(c, k->section, k->key, client_dir, "", tail, f);
		else if (r == 0 && (k->when == ALWAYS || (now != NULL && now[0] != '\0')))
			r = value_set(c, k->section, k->key, client_dir, k->place,
				      named && now != NULL ? text_leaf(now) : "", f);
		free(now);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* openssl.cnf is at the top of the minimal client, in etc of the cloud client and in bin of the full one. */
static int openssl_set(struct chrystoki *c, int client, const char *client_dir, struct fault *f)
{
	static const char *const places[] = { "openssl.cnf", "etc/openssl.cnf", "bin/openssl.cnf",
					      "bin/64/openssl.cnf" };
	const char *place;
	ptrdiff_t line;

	if (chrystoki_entries(c, "LunaSA Client", "SSLConfigFile", &line) == 0)
		return 0;
	if (fs_first(client, places, sizeof(places) / sizeof(places[0]), &place, f) < 0)
		return -1;
	return place != NULL ? value_set(c, "LunaSA Client", "SSLConfigFile", client_dir, place, "", f) : 0;
}

/*
 * Corrects every other value that is clearly a relative path ("./x"), or has a tail that exists in the new tree.
 * Addresses contain "://", and a bare word is not a path.
 */
static int others_set(struct chrystoki *c, int client, const char *client_dir, struct fault *f)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE || line->value_length == 0)
			continue;
		const struct chrystoki_line *open = &c->lines[line->section];
		char *value = strndup(line->bytes + line->value_start, line->value_length);
		char *key = strndup(line->bytes + line->name_start, line->name_length);
		char *section = strndup(open->bytes + open->name_start, open->name_length);
		int r = value != NULL && key != NULL && section != NULL ? 0 : fault_memory(f);
		const char *path = NULL;
		if (r == 0)
			r = tail_find(client, value, &path, f);
		if (r == 0 && path == NULL && text_starts(value, "./") && strstr(value, "..") == NULL)
			path = value + 2;
		if (r == 0 && path != NULL)
			r = value_set(c, section, key, client_dir, path, "", f);
		free(value);
		free(key);
		free(section);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* Best first: setenv's base has the cloud's credentials, a file in use has its servers, a template has neither. */
static const char *const names[] = { "Chrystoki-base.conf", "Chrystoki.conf", "Chrystoki-template.conf" };

const char *client_layout_conf_name(const struct client_content *content)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (client_content_entry(content, names[i]) != NULL)
			return names[i];
	return NULL;
}

int client_layout_conf_make(int client, const struct client_content *content, const char *client_dir,
			    struct text *ret_conf, struct fault *f)
{
	const char *name = client_layout_conf_name(content);
	CHRYSTOKI_AUTO c = { 0 };
	struct text bytes = { 0 };

	if (name == NULL)
		return 0;
	int r = fs_read_file(client, name, FS_NOFOLLOW, FS_READ_CONFIG_MAX, &bytes, NULL, f);

	/* From here on they are C strings, which a NUL would truncate to something else. */
	if (r == 0 && bytes.length > 0 && memchr(bytes.bytes, '\0', bytes.length) != NULL)
		r = fault_refused(f, "member '%s': a NUL byte, which no Chrystoki.conf has", SHOWN(name));
	if (r == 0)
		r = chrystoki_parse(&c, text_string(&bytes), bytes.length, f);
	text_done_secret(&bytes);
	if (r < 0)
		return -1;
	if (chrystoki_fix(&c, f) < 0 || known_set(&c, client, client_dir, f) < 0 ||
	    openssl_set(&c, client, client_dir, f) < 0 || others_set(&c, client, client_dir, f) < 0)
		return -1;
	bool plugins;
	if (fs_existence(client, "libs/64/plugins", &plugins, f) < 0)
		return -1;
	if (plugins && value_set(&c, "Misc", "PluginModuleDir", client_dir, "plugins", "", f) < 0)
		return -1;
	if (content->kind == CLIENT_CLOUD &&
	    (chrystoki_set(&c, "CardReader", "LunaG5Slots", "0", f) < 0 || chrystoki_split_partition(&c, f) < 0))
		return -1;
	chrystoki_print(&c, ret_conf);
	return text_check(ret_conf, f);
}

/* --- made in the new tree ----------------------------------------------------------------------------------------- */

static int link_put(void *context, const char *path, const char *target, struct fault *f)
{
	const int *client = context;
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (fs_parent_open(*client, path, FS_NOFOLLOW, &dir, leaf, f) < 0)
		return -1;
	return symlinkat(target, dir, leaf) < 0 ? fault_errno(f, errno, "cannot make link '%s'", SHOWN(path)) : 0;
}

static int foreign_remove(int client, const struct client_content *content, struct fault *f)
{
	const size_t top = strlen(content->top);

	for (size_t i = 0; i < content->unpacked.count; i++) {
		const char *path = content->unpacked.entries[i].path;
		if (strncmp(path, content->top, top) == 0 && path[top] != '\0' && strchr(path + top, '/') == NULL &&
		    client_content_path(content, path) == NULL && unlinkat(client, path + top, 0) < 0 &&
		    errno != ENOENT)
			return fault_system(f, errno, "cannot leave out '%s'", SHOWN(path));
	}
	return 0;
}

/* If the name exists it is the archive's directory: client_layout_evaluate has checked that. */
static int directory_make(int client, const char *path, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (fs_parent_open(client, path, FS_NOFOLLOW, &dir, leaf, f) < 0)
		return -1;
	return mkdirat(dir, leaf, 0700) == 0 || errno == EEXIST
		       ? 0
		       : fault_errno(f, errno, "cannot make directory '%s'", SHOWN(path));
}

static int rights_give(int dir, const char *leaf, const char *path, struct client_rights rights, struct fault *f)
{
	return fchownat(dir, leaf, 0, rights.gid, AT_SYMLINK_NOFOLLOW) == 0 && fchmodat(dir, leaf, rights.mode, 0) == 0
		       ? 0
		       : fault_system(f, errno, "cannot set owner and mode of '%s'", SHOWN(path));
}

static bool directory_wants(void *context, const void *state, const char *name, unsigned char type)
{
	(void)context;
	(void)state;
	(void)name;
	return type == DT_DIR || type == DT_UNKNOWN;
}

/* Directories of the archive, their parents, and ours. */
static int directory_give(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	const char *path = entry->path + strspn(entry->path, "/");

	(void)state;
	if (!S_ISDIR(entry->status->st_mode))
		return FS_WALK_PASS;
	const struct client_rights rights = client_layout_rights(context, path, CLIENT_DIRECTORY);
	return rights_give(entry->dir, entry->name, path, rights, f) < 0 ? -1 : FS_WALK_ENTER;
}

/* Files that were created with other rights than those of their place in the client. */
static int files_give(int client, const struct client_content *content, const struct client_ownership *o,
		      struct fault *f)
{
	char path[LIMITS_PATH + 1], leaf[FS_NAME_SIZE];

	for (size_t i = 0; i < content->unpacked.count; i++) {
		const struct unpack_entry *e = &content->unpacked.entries[i];
		FS_AUTO int dir = -1;
		if (e->type == UNPACK_DIRECTORY || e->type == UNPACK_LINK ||
		    !client_layout_path(content, e->path, path))
			continue;
		const struct client_rights rights =
			client_layout_rights(o, path, e->secret ? CLIENT_SECRET : CLIENT_PLAIN);
		if ((rights.gid != 0 || rights.mode != e->mode) &&
		    (fs_parent_open(client, path, FS_NOFOLLOW, &dir, leaf, f) < 0 ||
		     rights_give(dir, leaf, path, rights, f) < 0))
			return -1;
	}
	return 0;
}

/* Writes the cloud client's file, as its setenv would. */
static int conf_put(int client, const struct client_content *content, const struct client_ownership *o,
		    const char *client_dir, struct fault *f)
{
	const struct client_rights rights = client_layout_rights(o, "Chrystoki.conf", CLIENT_SECRET);
	const struct fs_publish how = { .mode = rights.mode, .uid = 0, .gid = rights.gid };
	TEXT_SECRET_AUTO conf = { 0 };

	if (content->kind != CLIENT_CLOUD || client_layout_conf_make(client, content, client_dir, &conf, f) < 0)
		return content->kind != CLIENT_CLOUD ? 0 : -1;
	return conf.length > 0 ? fs_publish_at(client, "Chrystoki.conf", conf.bytes, conf.length, &how, f) : 0;
}

int client_layout_apply(int client, const struct client_content *content, const struct client_ownership *ownership,
			const char *client_dir, struct fault *f)
{
	struct client_ownership o = *ownership;
	const struct fs_walk walk = { .context = &o, .wants = directory_wants, .visit = directory_give };

	if (foreign_remove(client, content, f) < 0)
		return -1;
	if (plugins_move(content) && renameat(client, VENDOR_PLUGINS, client, "plugins") < 0)
		return fault_errno(f, errno, "cannot move the plugins to their place");
	for (const char *const *path = client_layout_directories; *path != NULL; path++)
		if (directory_make(client, *path, f) < 0)
			return -1;
	return client_layout_links(content, link_put, &client, f) < 0 || files_give(client, content, &o, f) < 0 ||
			       fs_walk(client, ".", "", NULL, &walk, f) < 0
		       ? -1
		       : conf_put(client, content, ownership, client_dir, f);
}
