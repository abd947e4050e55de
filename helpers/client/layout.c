#include "client/layout.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/root.h"
#include "fs/tree.h"

#define VENDOR_PLUGINS "libs/64/plugins"

static bool starts_below(const char *path, const char *directory, const char **ret_rest)
{
	const size_t length = strlen(directory);

	if (strncmp(path, directory, length) != 0 || path[length] != '/')
		return false;
	*ret_rest = path + length + 1;
	return true;
}

bool client_layout_path(const struct client_content *content, const char *path, char ret_path[LIMITS_PATH + 1])
{
	const char *below = client_content_path(content, path);
	const char *rest;

	if (below == NULL)
		return false;
	if (starts_below(below, VENDOR_PLUGINS, &rest))
		(void)snprintf(ret_path, LIMITS_PATH + 1, "plugins/%s", rest);
	else
		(void)snprintf(ret_path, LIMITS_PATH + 1, "%s", below);
	return true;
}

int client_layout_check(int client, const struct client_content *content, struct fault *f)
{
	FS_AUTO int fd = -1;
	Elf64_Ehdr head;

	if (fs_file_open(client, content->library, FS_NOFOLLOW, O_RDONLY, &fd, NULL, f) < 0)
		return -1;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_type != ET_DYN)
		return fault_refused(f, "member '%s%s': no 64-bit shared library", SHOWN(content->top),
				     SHOWN(content->library));
#if defined(__x86_64__)
	if (head.e_machine != EM_X86_64)
		return fault_refused(f, "member '%s%s': a library for another machine", SHOWN(content->top),
				     SHOWN(content->library));
#endif
	return 0;
}

static int link_put(int dir, const char *leaf, const char *target, struct fault *f)
{
	if (symlinkat(target, dir, leaf) < 0 && errno != EEXIST)
		return fault_errno(f, errno, "cannot make link '%s'", SHOWN(leaf));
	return 0;
}

static int directory_make(int client, const char *path, const struct client_policy *policy, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_AUTO int made = -1;
	char leaf[FS_NAME_SIZE];
	const struct client_rights rights = client_policy_directory(policy, path);

	if (fs_parent_open(client, path, FS_NOFOLLOW, &dir, leaf, f) < 0)
		return -1;
	if (mkdirat(dir, leaf, 0700) < 0) {
		if (errno != EEXIST)
			return fault_errno(f, errno, "cannot make directory '%s'", SHOWN(path));
		/* From the archive, or by it: it must be a directory. */
		return fs_dir_open(client, path, FS_NOFOLLOW, &made, f);
	}
	made = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0 || fchown(made, 0, rights.gid) < 0 || fchmod(made, rights.mode) < 0)
		return fault_errno(f, errno, "cannot set owner and mode of '%s'", SHOWN(path));
	return 0;
}

static int plugins_move(int client, struct fault *f)
{
	FS_AUTO int vendor = -1;
	struct fault absent = FAULT_INIT;
	struct stat status;

	if (fs_status(client, VENDOR_PLUGINS, FS_NOFOLLOW, &status, &absent) < 0 || !S_ISDIR(status.st_mode) || faccessat(client, "plugins", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (renameat(client, VENDOR_PLUGINS, client, "plugins") < 0)
		return fault_errno(f, errno, "cannot move the plugins to their place");
	if (fs_dir_open(client, "libs/64", FS_NOFOLLOW, &vendor, f) < 0)
		return -1;
	return link_put(vendor, "plugins", "../../plugins", f);
}

/* For every program and library directly below bin/64 and libs/64 a name in bin and lib. */
static int names_link(int client, const struct unpack *entries, const struct client_content *content, struct fault *f)
{
	FS_AUTO int bin = -1;
	FS_AUTO int lib = -1;
	char target[FS_NAME_SIZE + 32], real[LIMITS_PATH + 8];

	if (fs_dir_open(client, "bin", FS_NOFOLLOW, &bin, f) < 0 || fs_dir_open(client, "lib", FS_NOFOLLOW, &lib, f) < 0)
		return -1;
	(void)snprintf(real, sizeof(real), "../%s", content->library);
	if (link_put(lib, "libCryptoki2_64.so", real, f) < 0 || link_put(lib, "libCryptoki2.so", real, f) < 0)
		return -1;
	for (size_t i = 0; i < entries->count; i++) {
		const char *path = client_content_path(content, entries->entries[i].path);
		const char *leaf;
		if (path == NULL || entries->entries[i].type == WIRE_ENTRY_DIRECTORY)
			continue;
		if (starts_below(path, "bin/64", &leaf) && strchr(leaf, '/') == NULL) {
			(void)snprintf(target, sizeof(target), "64/%s", leaf);
			if (link_put(bin, leaf, target, f) < 0)
				return -1;
		} else if (starts_below(path, "libs/64", &leaf) && strchr(leaf, '/') == NULL) {
			(void)snprintf(target, sizeof(target), "../libs/64/%s", leaf);
			if (link_put(lib, leaf, target, f) < 0)
				return -1;
		}
	}
	return 0;
}

static int foreign_remove(int client, const struct unpack *entries, const struct client_content *content, struct fault *f)
{
	const size_t top = strlen(content->top);

	for (size_t i = 0; i < entries->count; i++) {
		const char *path = entries->entries[i].path;
		if (strncmp(path, content->top, top) == 0 && path[top] != '\0' && strchr(path + top, '/') == NULL &&
		    client_content_path(content, path) == NULL && unlinkat(client, path + top, 0) < 0 && errno != ENOENT)
			return fault_system(f, errno, "cannot leave out '%s'", SHOWN(path));
	}
	return 0;
}

int client_layout_apply(int client, const struct unpack *entries, const struct client_content *content,
			const struct client_policy *policy, struct fault *f)
{
	if (client_layout_check(client, content, f) < 0 || foreign_remove(client, entries, content, f) < 0 ||
	    plugins_move(client, f) < 0)
		return -1;
	for (const char *const *path = client_directories; *path != NULL; path++)
		if (directory_make(client, *path, policy, f) < 0)
			return -1;
	return names_link(client, entries, content, f);
}
