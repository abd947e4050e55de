#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/root.h"
#include "okv/job.h"

/*
 * The major version in "libCryptoki2_64.so.7.4.0", or 0.  "libCryptoki2_64.so.2" is the interface's number, not the
 * client's: a version has at least one more part.
 */
static unsigned long library_major(const char *name)
{
	static const char stem[] = "libCryptoki2_64.so.";
	char *end;

	if (!text_starts(name, stem))
		return 0;
	const unsigned long major = strtoul(name + sizeof(stem) - 1, &end, 10);
	return *end == '.' && major < 100 ? major : 0;
}

/* *ret_newest: the newest major version among the libraries of the directory, 0 without any. */
static int newest_library(int root, const char *directory, unsigned long *ret_newest, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int fd = -1;
	unsigned long newest = 0;

	*ret_newest = 0;
	if (fs_dir_open(root, directory, FS_FOLLOW_TRUSTED, &fd, &cause) < 0)
		return fs_absence(&cause, f);
	DIR *listing = fdopendir(fd);
	if (listing == NULL)
		return fault_system(f, errno, "cannot list '%s'", SHOWN(directory));
	fd = -1;
	errno = 0;
	for (const struct dirent *entry; (entry = readdir(listing)) != NULL; errno = 0) {
		const unsigned long major = library_major(entry->d_name);
		if (major > newest)
			newest = major;
	}
	const int errnum = errno;
	(void)closedir(listing);
	if (errnum != 0)
		return fault_system(f, errnum, "cannot list '%s'", SHOWN(directory));
	*ret_newest = newest;
	return 0;
}

int okv_scope_find(int root, const struct settings *settings, enum okv_scope *ret_scope, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int generic = -1;
	TEXT_AUTO lib = { 0 };
	unsigned long major;

	if (fs_dir_open(root, SETTINGS_GENERIC, FS_FOLLOW_TRUSTED, &generic, &cause) < 0) {
		if (fs_absence(&cause, f) < 0)
			return -1;
		*ret_scope = OKV_SCOPE_NO_INTERFACE;
		return 0;
	}
	text_add_format(&lib, "%s/lib", settings->client_dir);
	if (text_check(&lib, f) < 0 || newest_library(root, text_string(&lib), &major, f) < 0 ||
	    (major == 0 && newest_library(root, "/usr/lib", &major, f) < 0))
		return -1;
	*ret_scope = major == 5 || major == 6 ? OKV_SCOPE_CLIENT_V6 : OKV_SCOPE_GENERIC;
	return 0;
}

const char *okv_scope_text(enum okv_scope scope)
{
	switch (scope) {
	case OKV_SCOPE_GENERIC:
		return "OKV 21.3 or later: the generic HSM files apply, to Luna clients 7 and later";
	case OKV_SCOPE_NO_INTERFACE:
		return "no directory " SETTINGS_GENERIC
		       ": OKV 21.2 and earlier have no generic HSM interface; choose the vendor on "
		       "the console's HSM page";
	case OKV_SCOPE_CLIENT_V6:
		return "the Luna client is a v6.x or older: OKV wants neither the group nor the generic files for it; "
		       "choose the "
		       "vendor on the console's HSM page";
	}
	return "unknown";
}
