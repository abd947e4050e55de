#include "client/layout.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/root.h"
#include "fs/walk.h"

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

/* Does the archive have anything at that path, or below it? */
static bool archive_uses(const struct client_content *content, const char *path)
{
	char whole[2 * LIMITS_PATH + 2];
	const int length = snprintf(whole, sizeof(whole), "%s%s", content->top, path);
	size_t from = 0, to = content->unpacked.count;

	/* The first entry that is not before the path. */
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

static int machine_evaluate(const struct client_content *content, uint16_t machine, struct fault *f)
{
	if (machine == EM_NONE)
		return member_refuse(content, content->library, "no 64-bit shared library", f);
#if defined(__x86_64__)
	if (machine != EM_X86_64)
		return member_refuse(content, content->library, "a library for another machine", f);
#endif
	return 0;
}

static int library_evaluate(const struct client_content *content, struct fault *f)
{
	const struct unpack_entry *library = client_content_entry(content, content->library);

	return machine_evaluate(content, library != NULL ? library->machine : EM_NONE, f);
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
			return member_refuse(content, below, "a colon in the name, which PRESERVED_FILES cannot list",
					     f);
	}
	for (size_t i = 0; i < 2; i++) {
		const struct unpack_entry *e = client_content_entry(content, library_names[i]);
		if (archive_uses(content, library_names[i]) && (e == NULL || e->type == UNPACK_DIRECTORY))
			return member_refuse(content, library_names[i], "the client needs a library of that name", f);
	}
	return library_evaluate(content, f);
}

static int directory_make(int client, const char *path, const struct client_ownership *ownership, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_AUTO int made = -1;
	char leaf[FS_NAME_SIZE];
	const struct client_rights rights = client_ownership_directory(ownership, path);
	struct stat status;

	if (fs_parent_open(client, path, FS_NOFOLLOW, &dir, leaf, f) < 0)
		return -1;
	if (mkdirat(dir, leaf, 0700) < 0) {
		if (errno != EEXIST)
			return fault_errno(f, errno, "cannot make directory '%s'", SHOWN(path));
		if (fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
			return fault_system(f, errno, "cannot look at '%s'", SHOWN(path));
		if (!S_ISDIR(status.st_mode))
			return fault_refused(f, "member '%s': the client needs a directory of that name", path);
		return 0;
	}
	made = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0 || fchown(made, 0, rights.gid) < 0 || fchmod(made, rights.mode) < 0)
		return fault_errno(f, errno, "cannot set owner and mode of '%s'", SHOWN(path));
	return 0;
}

/* The vendor's plugins move only where their new name is free. */
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
	/* For every program and library directly below bin/64 and libs/64 a name in bin and lib. */
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

int client_layout_apply(int client, const struct client_content *content, const struct client_ownership *ownership,
			struct fault *f)
{
	if (foreign_remove(client, content, f) < 0)
		return -1;
	if (plugins_move(content) && renameat(client, VENDOR_PLUGINS, client, "plugins") < 0)
		return fault_errno(f, errno, "cannot move the plugins to their place");
	for (const char *const *path = client_layout_directories; *path != NULL; path++)
		if (directory_make(client, *path, ownership, f) < 0)
			return -1;
	return client_layout_links(content, link_put, &client, f);
}
