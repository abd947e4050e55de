#include "hsm/refusal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "fs/root.h"

/* Where a library that a client needs comes from, on Enterprise Linux 7 to 10. */
static const struct {
	const char *library, *package;
} packages[] = {
	{ "libnsl.so.1", "libnsl" },
	{ "libcap.so.2", "libcap" },
	{ "libstdc++.so.6", "libstdc++" },
	{ "libgcc_s.so.1", "libgcc" },
	{ "libz.so.1", "zlib" },
	{ "libuuid.so.1", "libuuid" },
	{ "libcrypt.so.1", "libxcrypt-compat, before release 9 libxcrypt" },
	{ "libcrypto.so.10", "compat-openssl10" },
	{ "libssl.so.10", "compat-openssl10" },
	{ "libcrypto.so.1.1", "compat-openssl11, in release 8 openssl-libs" },
	{ "libssl.so.1.1", "compat-openssl11, in release 8 openssl-libs" },
	{ "libncurses.so.5", "ncurses-compat-libs" },
	{ "libtinfo.so.5", "ncurses-compat-libs" },
	{ "libusb-1.0.so.0", "libusbx" },
};

static const char *const of_client[] = { "libCryptoki", "libcklog", "libshim", "libSoftToken", "libethsm" };

static int missing_explain(const char *name, struct hsm_causes *causes, struct fault *f)
{
	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		if (strcmp(packages[i].library, name) == 0)
			return hsm_causes_add(causes, NULL, f, "on Enterprise Linux '%s' is in package %s: install it",
					      SHOWN(name), packages[i].package);
	for (size_t i = 0; i < sizeof(of_client) / sizeof(of_client[0]); i++)
		if (text_starts(name, of_client[i]))
			return hsm_causes_add(causes, NULL, f, "'%s' is part of the Luna client, which is incomplete",
					      SHOWN(name));
	return hsm_causes_add(causes, NULL, f, "`dnf provides '*/%s'` shows which package has '%s'", SHOWN(name),
			      SHOWN(name));
}

/* The mount's own directory leads so far: the topmost above the file that forbids it, too. */
static size_t mount_length(int root, const char *path)
{
	size_t mount = strlen(path);

	for (size_t at = mount; at > 1; at--) {
		FS_AUTO int dir = -1;
		struct fault ignored = { 0 };
		struct statvfs system;
		if (path[at - 1] != '/')
			continue;
		char *above = strndup(path, at - 1);
		const bool same = above != NULL && fs_dir_open(root, above, FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 &&
				  fstatvfs(dir, &system) == 0 && (system.f_flag & ST_NOEXEC) != 0;
		free(above);
		if (!same)
			break;
		mount = at - 1;
	}
	return mount;
}

static int forbidden_explain(int root, const char *path, bool denied, struct hsm_causes *causes, struct fault *f)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;
	struct fault ignored = { 0 };
	struct statvfs system;
	struct stat status;

	if (fs_place_find(root, path, &place, &ignored) == 0 &&
	    fs_file_open_at(place.dir, place.leaf, O_RDONLY, &fd, &status, &ignored) == 0 &&
	    fstatvfs(fd, &system) == 0 && (system.f_flag & ST_NOEXEC) != 0)
		return hsm_causes_add(
			causes, NULL, f,
			"'%s' is on a file system that is mounted noexec at '%s': mount it exec, in fstab(5)"
			" too",
			SHOWN(path), SHOWN_BYTES(place.path, mount_length(root, place.path)));
	if (path[0] != '/')
		return hsm_causes_add(causes, NULL, f,
				      "'%s', which it needs, is on a file system that is mounted noexec, or a policy "
				      "forbids loading it (`ausearch -m avc,fanotify` shows that)",
				      SHOWN(path));
	if (denied)
		return hsm_causes_add(causes, NULL, f,
				      "a policy forbids loading '%s', as SELinux does with a wrong label or writable "
				      "code: `ausearch -m avc` shows it, `restorecon -Rv` puts labels right",
				      SHOWN(path));
	return hsm_causes_add(
		causes, NULL, f,
		"a policy forbids loading '%s', as fapolicyd does with files that it does not trust:"
		" `ausearch -m fanotify` shows it, and fapolicyd-cli(8) adds the client's directory to its"
		" trust",
		SHOWN(path));
}

/* "FILE: what was done: why it failed" */
int hsm_refusal_explain(int root, const char *loader, struct hsm_causes *causes, struct fault *f)
{
	const char *colon = loader != NULL ? strstr(loader, ": ") : NULL;

	if (colon == NULL)
		return 0;
	const bool denied = strstr(colon, ": Permission denied") != NULL;
	char *name = strndup(loader, (size_t)(colon - loader));
	int r = name == NULL ? fault_memory(f) : 0;
	if (r == 0 && strstr(colon, "cannot open shared object file: No such file or directory") != NULL)
		r = missing_explain(name, causes, f);
	else if (r == 0 && (denied || strstr(colon, ": Operation not permitted") != NULL ||
			    strstr(colon, "failed to map segment") != NULL))
		r = forbidden_explain(root, name, denied, causes, f);
	free(name);
	return r;
}
