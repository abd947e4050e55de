#include "hsm/loader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "base/text.h"
#include "conf/elf.h"
#include "conf/finding.h"
#include "conf/preserved.h"
#include "fs/read.h"
#include "fs/root.h"

/* --- a missing library -------------------------------------------------------------------------------------------- */

/* The packages of Enterprise Linux 7 to 10 for libraries that a client needs. */
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

static void explain_missing(struct hsm_causes *causes, const char *name)
{
	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		if (strcmp(packages[i].library, name) == 0) {
			hsm_causes_add(causes, NULL, "on Enterprise Linux '%s' is in package %s: install it",
				       SHOWN(name), packages[i].package);
			return;
		}
	if (elf_is_of_luna(name))
		hsm_causes_add(causes, FINDING_INSTALL_IT, "'%s' is part of the Luna client, which is incomplete",
			       SHOWN(name));
	else
		hsm_causes_add(causes, NULL, "`dnf provides '*/%s'` shows which package has '%s'", SHOWN(name),
			       SHOWN(name));
}

/* --- a library that may not be loaded ----------------------------------------------------------------------------- */

static bool is_noexec(int fd)
{
	struct statvfs system;

	return fstatvfs(fd, &system) == 0 && (system.f_flag & ST_NOEXEC) != 0;
}

/* The length of the mount point in the path: the topmost directory that is noexec, too. */
static size_t mount_length(int root, const char *path)
{
	size_t mount = strlen(path);

	for (size_t at = mount; at > 1; at--) {
		FS_AUTO int dir = -1;
		struct fault ignored = { 0 };
		if (path[at - 1] != '/')
			continue;
		char *above = strndup(path, at - 1);
		const bool same = above != NULL && fs_dir_open(root, above, FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 &&
				  is_noexec(dir);
		free(above);
		if (!same)
			break;
		mount = at - 1;
	}
	return mount;
}

static bool is_enforcing(int root)
{
	TEXT_AUTO enforce = { 0 };
	struct fault ignored = { 0 };

	return fs_read_config(root, "/sys/fs/selinux/enforce", &enforce, &ignored) == 0 &&
	       text_starts(text_string(&enforce), "1");
}

/* SELinux answers EACCES. */
static void explain_denied(int root, const char *shown, int fd, struct hsm_causes *causes)
{
	char label[256];
	const ssize_t length = fd >= 0 ? fgetxattr(fd, "security.selinux", label, sizeof(label) - 1) : -1;

	label[length > 0 ? length : 0] = '\0';
	if (is_enforcing(root) && length > 0)
		hsm_causes_add(causes, NULL,
			       "SELinux is enforcing here and forbids loading '%s', whose label is %s: `restorecon -Rv`"
			       " on the client's directory puts labels right, `ausearch -m avc` shows what it forbade",
			       shown, SHOWN(label));
	else
		hsm_causes_add(causes, NULL,
			       "a policy forbids loading '%s', as SELinux does with a wrong label or writable "
			       "code: `ausearch -m avc` shows it, `restorecon -Rv` puts labels right",
			       shown);
}

/* fapolicyd answers EPERM. */
static void explain_distrust(int root, const struct settings *settings, const char *path, struct hsm_causes *causes)
{
	const char *shown = SHOWN(path);
	const bool of_client = preserved_within(path, settings->client_dir);
	TEXT_AUTO trusted = { 0 };

	text_add_format(&trusted, "%s%s", of_client ? settings->client_dir : path, of_client ? "/" : "");
	if (fs_exists(root, "/run/fapolicyd.pid") || fs_exists(root, "/run/fapolicyd/fapolicyd.fifo"))
		hsm_causes_add(causes, NULL,
			       "fapolicyd runs here and does not trust '%s'; to add it: fapolicyd-cli --file add %s"
			       " && fapolicyd-cli --update",
			       shown, TYPED(text_string(&trusted)));
	else
		hsm_causes_add(causes, NULL,
			       "a policy forbids loading '%s', as fapolicyd does with files that it does not trust:"
			       " `ausearch -m fanotify` shows it, and fapolicyd-cli(8) adds the client's directory to"
			       " its trust",
			       shown);
}

static void explain_forbidden(int root, const struct settings *settings, const char *path, bool denied,
			      struct hsm_causes *causes)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;
	struct fault ignored = { 0 };
	struct stat status;
	const char *shown = SHOWN(path);

	if (path[0] != '/')
		hsm_causes_add(causes, NULL,
			       "'%s', which it needs, is on a file system that is mounted noexec, or a policy "
			       "forbids loading it (`ausearch -m avc,fanotify` shows that)",
			       shown);
	else if (fs_place_find(root, path, &place, &ignored) == 0 &&
		 fs_name_open(FS_PLACE_NAME(&place), O_RDONLY, &fd, &status, &ignored) == 0 && is_noexec(fd))
		hsm_causes_add(causes, NULL,
			       "'%s' is on a file system that is mounted noexec at '%s': mount it exec, in fstab(5)"
			       " too",
			       shown, SHOWN_BYTES(place.path, mount_length(root, place.path)));
	else if (denied)
		explain_denied(root, shown, fd, causes);
	else
		explain_distrust(root, settings, path, causes);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

void hsm_loader_explain(int root, const struct settings *settings, const char *said, struct hsm_causes *causes)
{
	const char *colon = said != NULL ? strstr(said, ": ") : NULL;

	if (said == NULL)
		return;
	const bool denied = colon != NULL && strstr(colon, ": Permission denied") != NULL;
	char *name = strndup(said, colon != NULL ? (size_t)(colon - said) : strlen(said));
	if (name == NULL)
		causes->failed = true;
	else if (colon != NULL && strstr(colon, "cannot open shared object file: No such file or directory") != NULL)
		explain_missing(causes, name);
	else if (colon != NULL && (denied || strstr(colon, ": Operation not permitted") != NULL ||
				   strstr(colon, "failed to map segment") != NULL))
		explain_forbidden(root, settings, name, denied, causes);
	else if (colon != NULL && strstr(colon, ": version `") != NULL)
		hsm_causes_add(causes, NULL,
			       "the client was made for a newer operating system than this one: install the release"
			       " that is for this one");
	else
		hsm_causes_add(causes, FINDING_INSTALL_IT, "the client is damaged, or is not a Luna client");
	free(name);
}
