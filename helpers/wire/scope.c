#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/root.h"
#include "wire/job.h"

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

static unsigned long newest_library(int root, const char *directory)
{
	struct fault ignored = FAULT_INIT;
	FS_AUTO int fd = -1;
	unsigned long newest = 0;

	if (fs_dir_open(root, directory, FS_FOLLOW_TRUSTED, &fd, &ignored) < 0)
		return 0;
	DIR *listing = fdopendir(fd);
	if (listing == NULL)
		return 0;
	fd = -1;
	for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
		const unsigned long major = library_major(entry->d_name);
		if (major > newest)
			newest = major;
	}
	(void)closedir(listing);
	return newest;
}

enum wire_scope wire_scope_find(int root, const struct settings *settings)
{
	struct fault ignored = FAULT_INIT;
	FS_AUTO int generic = -1;

	if (fs_dir_open(root, SETTINGS_GENERIC, FS_FOLLOW_TRUSTED, &generic, &ignored) < 0)
		return WIRE_SCOPE_NO_INTERFACE;

	TEXT_AUTO lib = TEXT_INIT;
	text_add_format(&lib, "%s/lib", settings->client_dir);
	const unsigned long own = newest_library(root, text_string(&lib));
	const unsigned long major = own != 0 ? own : newest_library(root, "/usr/lib");
	return major == 5 || major == 6 ? WIRE_SCOPE_CLIENT_V6 : WIRE_SCOPE_GENERIC;
}

const char *wire_scope_text(enum wire_scope scope)
{
	switch (scope) {
	case WIRE_SCOPE_GENERIC:
		return "OKV 21.3 or later: the generic HSM files apply, to Luna clients 7 and later";
	case WIRE_SCOPE_NO_INTERFACE:
		return "no directory " SETTINGS_GENERIC
		       ": OKV 21.2 and earlier have no generic HSM interface; choose the vendor on "
		       "the console's HSM page";
	case WIRE_SCOPE_CLIENT_V6:
		return "the Luna client is a v6.x or older: OKV wants neither the group nor the generic files for it; "
		       "choose the "
		       "vendor on the console's HSM page";
	}
	return "unknown";
}
