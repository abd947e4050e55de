#include "okv/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/each.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/root.h"

void okv_job_tell(const struct okv_job *job, const char *format, ...)
{
	va_list arguments;
	char *words = NULL;

	va_start(arguments, format);
	if (vasprintf(&words, format, arguments) >= 0)
		report_say(job->report, REPORT_RESULT, "%s%s", job->mode == OKV_PLAN ? "would: " : "", words);
	va_end(arguments);
	free(words);
}

int okv_record_write(int root, const char *path, const struct text *bytes, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);

	if (text_check(bytes, f) < 0 || fs_dirs_make(root, OKV_RECORD, 0700, FS_FOLLOW_TRUSTED, f) < 0)
		return -1;
	return fs_publish(root, path, FS_FOLLOW_TRUSTED, text_string(bytes), bytes->length, &how, f);
}

int okv_record_remove(int root, const char *path, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (fs_parent_open(root, path, FS_FOLLOW_TRUSTED, &dir, leaf, &cause) < 0)
		return fs_absence(&cause, f);
	if (unlinkat(dir, leaf, 0) < 0 && errno != ENOENT)
		return fault_errno(f, errno, "cannot remove '%s'", SHOWN(path));
	return 0;
}

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

/* Raises *newest to the newest major version among the libraries of the directory. */
static int libraries_look(int root, const char *directory, unsigned long *newest, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;

	if (fs_dir_open(root, directory, FS_FOLLOW_TRUSTED, &dir, &cause) < 0)
		return fs_absence(&cause, f);
	int more = fs_each_open(dir, directory, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		const unsigned long major = library_major(entry.name);
		if (major > *newest)
			*newest = major;
	}
	return more;
}

int okv_scope_find(int root, const struct settings *settings, enum okv_scope *ret_scope, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int generic = -1;
	TEXT_AUTO lib = { 0 };
	unsigned long major = 0;

	if (fs_dir_open(root, SETTINGS_GENERIC, FS_FOLLOW_TRUSTED, &generic, &cause) < 0) {
		if (fs_absence(&cause, f) < 0)
			return -1;
		*ret_scope = OKV_SCOPE_NO_INTERFACE;
		return 0;
	}
	text_add_format(&lib, "%s/lib", settings->client_dir);
	if (text_check(&lib, f) < 0 || libraries_look(root, text_string(&lib), &major, f) < 0 ||
	    (major == 0 && libraries_look(root, "/usr/lib", &major, f) < 0))
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
		       ": OKV 21.2 and earlier have no generic HSM interface, so nothing is preserved by it over an OS "
		       "major upgrade; choose the vendor on the console's HSM page";
	case OKV_SCOPE_CLIENT_V6:
		return "the Luna client is a v6.x or older: OKV wants neither the group nor the generic files for it; "
		       "choose the vendor on the console's HSM page";
	}
	return "unknown";
}

const char *okv_scope_word(enum okv_scope scope)
{
	switch (scope) {
	case OKV_SCOPE_GENERIC:
		return "generic";
	case OKV_SCOPE_NO_INTERFACE:
		return "no-interface";
	case OKV_SCOPE_CLIENT_V6:
		return "client-v6";
	}
	return "unknown";
}

void okv_outcome_json(const struct okv_outcome *outcome, struct json *j)
{
	json_string(j, "scope", okv_scope_word(outcome->scope));
	json_string(j, "scope_text", okv_scope_text(outcome->scope));
	json_unsigned(j, "files", outcome->files);
	json_unsigned(j, "links", outcome->links);
	json_unsigned(j, "left", outcome->left);
}
