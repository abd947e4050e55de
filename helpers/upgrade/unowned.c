#include "upgrade/unowned.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/preserved.h"
#include "fs/each.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "okv/needs.h"

static const char *const directories[] = {
	"/etc",
	"/etc/ld.so.conf.d",
	"/etc/systemd/system",
	"/etc/systemd/system/multi-user.target.wants",
	"/etc/systemd/system/timers.target.wants",
	"/usr/bin",
	"/usr/sbin",
	"/usr/lib",
	"/usr/lib64",
	"/usr/lib/x86_64-linux-gnu",
	"/usr/lib/systemd/system",
};

static bool has_luna_name(const char *name)
{
	static const char *const words[] = { "chrystoki", "cryptoki2", "cklog",   "libethsm",
					     "libshim",   "luna",      "safenet", "softtoken" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(name, words[i]) != NULL)
			return true;
	return false;
}

/* Where a link in that directory leads, by its text: "/usr/lib" and "../../opt/x" give "/opt/x". */
static void target_find(const char *directory, const char *target, char ret_path[2 * PATH_MAX])
{
	char joined[2 * PATH_MAX];
	size_t used = 0;

	(void)snprintf(joined, sizeof(joined), "%s/%s", target[0] == '/' ? "" : directory, target);
	ret_path[0] = '\0';
	for (const char *at = joined + strspn(joined, "/"); *at != '\0';) {
		const size_t length = strcspn(at, "/");
		if (length == 2 && memcmp(at, "..", 2) == 0) {
			char *slash = strrchr(ret_path, '/');
			used = slash != NULL ? (size_t)(slash - ret_path) : 0;
		} else if (!(length == 1 && at[0] == '.')) {
			ret_path[used++] = '/';
			memcpy(ret_path + used, at, length);
			used += length;
		}
		ret_path[used] = '\0';
		at += length;
		at += strspn(at, "/");
	}
}

static bool leads_out(const char *path, const struct settings *settings)
{
	static const char *const places[] = { "/home", "/mnt",       "/opt",         "/root",
					      "/srv",  "/usr/local", "/usr/safenet", "/var" };

	if (preserved_within(path, "/usr/local/okv") || preserved_within(path, "/usr/local/dbfw"))
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (preserved_within(path, places[i]))
			return true;
	return preserved_within(path, settings->client_dir);
}

static bool is_hidden(int dir, const char *directory, const struct fs_each_entry *entry,
		      const struct settings *settings)
{
	char target[PATH_MAX], path[2 * PATH_MAX];

	if (has_luna_name(entry->name))
		return true;
	if (entry->type != DT_LNK && entry->type != DT_UNKNOWN)
		return false;
	const ssize_t length = readlinkat(dir, entry->name, target, sizeof(target) - 1);
	if (length <= 0)
		return false;
	target[length] = '\0';
	target_find(directory, target, path);
	return leads_out(path, settings);
}

/* Where it cannot be hidden it stays: a read-only part. */
static int name_remove(int dir, const char *name, struct fault *f)
{
	struct fault why = { 0 };

	if (faccessat(dir, ".", W_OK, AT_EACCESS) < 0 && errno == EROFS)
		return 0;
	if (fs_tree_remove(dir, name, &why) == 0 || why.kind == FAULT_ABSENT)
		return 0;
	*f = why;
	return -1;
}

static int directory_hide(int to, const char *path, const struct settings *settings, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault why = { 0 };

	/* A link of that name is another one's directory. */
	if (fs_dir_open(to, path, FS_NOFOLLOW, &dir, &why) < 0)
		return fs_absence(&why, f);
	int more = fs_each_open(dir, path, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		if (is_hidden(dir, path, &entry, settings) && name_remove(dir, entry.name, f) < 0)
			return -1;
	return more;
}

static int path_hide(int to, const char *path, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	struct fault why = { 0 };

	if (fs_parent_open(to, path, FS_FOLLOW_TRUSTED, &dir, leaf, &why) < 0)
		return fs_absence(&why, f);
	return name_remove(dir, leaf, f);
}

int unowned_hide(int from, int to, const struct settings *settings, struct fault *f)
{
	const struct okv_job job = { .root = from, .settings = settings };
	OKV_NEEDS_AUTO needs = { .items = NULL };

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (directory_hide(to, directories[i], settings, f) < 0)
			return -1;
	if (path_hide(to, "/etc/ld.so.cache", f) < 0 || okv_needs_find(&job, &needs, f) < 0)
		return -1;
	for (size_t i = 0; i < needs.count; i++)
		if (!preserved_within(needs.items[i].path, SETTINGS_OKV_HSM) &&
		    path_hide(to, needs.items[i].path, f) < 0)
			return -1;
	return 0;
}
