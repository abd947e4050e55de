#include "client/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/copy.h"
#include "conf/chrystoki.h"
#include "fs/each.h"
#include "fs/root.h"
#include "fs/walk.h"

/*
 * STC keeps its identities below data or config; rbs has a key of its own; lock and stc are what users make beside.
 * Where others may write comes last, so that what they have there takes no room from the rest.
 */
static const char *const tops[] = { "cert", "configData", "config", "rbs", "stc", "Chrystoki.conf", "data", "lock" };
enum { TOPS = sizeof(tops) / sizeof(tops[0]), TOPS_OPEN = 2 };

bool client_is_identity(const char *path)
{
	const size_t top = strcspn(path, "/");

	for (size_t i = 0; i < TOPS; i++)
		if (text_equal(path, top, tops[i]))
			return true;
	/* Partition certificates of the cloud service lie at the top; a directory of such a name goes as a whole. */
	return top >= 4 && strncmp(path + top - 4, ".pem", 4) == 0;
}

/* --- what Chrystoki.conf names ------------------------------------------------------------------------------------ */

/* `path` is below the client's directory; `key` is that of the entry.  -1 ends it. */
typedef int on_named(void *context, const char *path, const char *key, struct fault *f);

/* Each value of `conf` that is a path below the client's directory. */
static int named_each(const char *conf, const char *client_dir, on_named *each, void *context, struct fault *f)
{
	CHRYSTOKI_AUTO parsed = { 0 };
	const size_t length = strlen(client_dir);
	int r = chrystoki_parse(&parsed, conf, strlen(conf), f);

	for (size_t i = 0; r == 0 && i < parsed.count; i++) {
		const struct chrystoki_line *line = &parsed.lines[i];
		const char *value = line->bytes + line->value_start;
		if (line->kind != CHRYSTOKI_ENTRY || line->value_length <= length + 1 ||
		    strncmp(value, client_dir, length) != 0 || value[length] != '/')
			continue;
		char *path = strndup(value + length + 1, line->value_length - length - 1);
		char *key = strndup(line->bytes + line->name_start, line->name_length);
		r = path != NULL && key != NULL ? each(context, path, key, f) : fault_memory(f);
		free(path);
		free(key);
	}
	return r;
}

struct lacking {
	int client;
	struct report *report;
};

static int lacking_say(void *context, const char *path, const char *key, struct fault *f)
{
	const struct lacking *l = context;
	bool there;

	if (fs_existence(l->client, path, &there, f) < 0)
		return -1;
	if (!there)
		report_say(l->report, REPORT_WARNING,
			   "Chrystoki.conf names '%s' (%s), which the new client does not have", SHOWN(path),
			   SHOWN(key));
	return 0;
}

int client_identity_lacking(int client, const char *conf, const char *client_dir, struct report *report,
			    struct fault *f)
{
	struct lacking l = { .client = client, .report = report };

	return named_each(conf, client_dir, lacking_say, &l, f);
}

/* --- carried over ------------------------------------------------------------------------------------------------- */

struct carrying {
	const struct client_carry *how;
	struct client_copy copy;
	struct text paths;
};

static int top_carry(struct carrying *c, const char *name, struct fault *f)
{
	if (faccessat(c->how->from, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the old '%s'", SHOWN(name));
	text_add_format(&c->paths, "%s\n", name);
	return c->how->to < 0 ? 0 : client_copy_entry(&c->copy, c->how->from, c->how->to, name, f);
}

/* Those at the top, under whatever name. */
static int certificates_carry(struct carrying *c, struct fault *f)
{
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int more = fs_each_open(c->how->from, "the old client", &each, f) < 0 ? -1 : 1;

	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		if (text_ends(entry.name, ".pem") && top_carry(c, entry.name, f) < 0)
			return -1;
	return more;
}

static bool is_vendors(const char *path)
{
	static const char *const places[] = { "bin/", "lib/", "libs/", "plugins/", "jsp/" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (text_starts(path, places[i]))
			return true;
	return false;
}

/* A file that Chrystoki.conf names below the client, at a place of the administrator's own choice. */
static int named_carry(void *context, const char *path, const char *key, struct fault *f)
{
	struct carrying *c = context;
	FS_AUTO int old = -1;
	FS_AUTO int new = -1;
	struct fault cause = { 0 };
	struct stat status;
	char leaf[FS_NAME_SIZE], parent[PATH_MAX];

	(void)key;
	if (strlen(path) >= sizeof(parent) || client_is_identity(path) || is_vendors(path))
		return 0;
	if (fs_parent_open(c->how->from, path, FS_NOFOLLOW, &old, leaf, &cause) < 0)
		return fs_absence(&cause, f);
	if (fstatat(old, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the old '%s'", SHOWN(path));
	if (!S_ISREG(status.st_mode))
		return 0;
	if (c->how->to >= 0) {
		if (fs_status(c->how->to, path, FS_NOFOLLOW, &status, &cause) == 0)
			return 0;
		if (fs_absence(&cause, f) < 0)
			return -1;
	}
	text_add_format(&c->paths, "%s\n", path);
	if (c->how->to < 0)
		return 0;
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strlen(path) - strlen(leaf)), path);
	if (fs_dirs_make(c->how->to, parent, 0755, FS_NOFOLLOW, f) < 0 ||
	    fs_parent_open(c->how->to, path, FS_NOFOLLOW, &new, leaf, f) < 0)
		return -1;
	return client_copy_file(&c->copy, old, new, leaf, path, f);
}

int client_identity_carry(const struct client_carry *how, struct client_carried *ret_carried, struct fault *f)
{
	struct carrying c = { .how = how, .copy = { .room = how->room, .report = how->report } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < TOPS - TOPS_OPEN; i++)
		r = top_carry(&c, tops[i], f);
	if (r == 0)
		r = certificates_carry(&c, f);
	if (r == 0 && how->conf != NULL)
		r = named_each(how->conf, how->client_dir, named_carry, &c, f);
	for (size_t i = TOPS - TOPS_OPEN; r == 0 && i < TOPS; i++)
		r = top_carry(&c, tops[i], f);
	client_copy_end(&c.copy);
	if (r == 0)
		r = text_check(&c.paths, f);
	if (r < 0) {
		text_done(&c.paths);
		return -1;
	}
	*ret_carried = (struct client_carried){ .files = c.copy.files, .bytes = c.copy.bytes, .paths = c.paths };
	return 0;
}

/* --- changed since ------------------------------------------------------------------------------------------------ */

struct comparison {
	int before;
	struct text *paths;
};

static bool is_same(const struct stat *now, const struct stat *before)
{
	return (before->st_mode & S_IFMT) == (now->st_mode & S_IFMT) && before->st_size == now->st_size &&
	       (S_ISLNK(now->st_mode) ||
		(before->st_mtim.tv_sec == now->st_mtim.tv_sec && before->st_mtim.tv_nsec == now->st_mtim.tv_nsec));
}

static int entry_compare(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	const struct comparison *c = context;
	const char *path = entry->path + strspn(entry->path, "/");
	const size_t top = strcspn(path, "/");
	struct fault cause = { 0 };
	struct stat before;

	(void)state;
	if (top == 0)
		return FS_WALK_ENTER;
	if (!client_is_identity(path) || text_equal(path, top, "data") || text_equal(path, top, "lock"))
		return FS_WALK_PASS;
	if (S_ISDIR(entry->status->st_mode))
		return FS_WALK_ENTER;
	if (fs_status(c->before, path, FS_NOFOLLOW, &before, &cause) < 0) {
		if (fs_absence(&cause, f) < 0)
			return -1;
	} else if (is_same(entry->status, &before)) {
		return FS_WALK_PASS;
	}
	text_add_format(c->paths, "%s\n", path);
	return FS_WALK_PASS;
}

int client_identity_changes(int now, int before, struct text *paths, struct fault *f)
{
	struct comparison c = { .before = before, .paths = paths };
	const struct fs_walk walk = { .context = &c, .visit = entry_compare };

	return fs_walk(now, ".", "", NULL, &walk, f) < 0 ? -1 : text_check(paths, f);
}
