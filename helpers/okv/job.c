#include "okv/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "fs/each.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/release.h"

enum { RECORD_MAX = 16 * 1024 * 1024 };

void okv_job_report(const struct okv_job *job, const char *format, ...)
{
	va_list arguments;
	char *words = NULL;

	va_start(arguments, format);
	if (vasprintf(&words, format, arguments) >= 0)
		report_say(job->report, REPORT_RESULT, "%s%s", job->mode == OKV_PLAN ? "would: " : "", words);
	va_end(arguments);
	free(words);
}

int okv_lines_read(int root, const char *path, struct assign *ret_lines, struct fault *f)
{
	TEXT_AUTO file = { 0 };

	if (fs_read_config(root, path, &file, f) < 0)
		return -1;
	return assign_parse(ret_lines, text_string(&file), file.length, f);
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

unsigned okv_version_parse(const char *version)
{
	const size_t major = strspn(version, "0123456789");
	const char *rest = version + major + (version[major] == '.');
	const size_t minor = strspn(rest, "0123456789");
	uint64_t parts[2] = { 0, 0 };

	if (version[major] != '.' || !number_digits(version, major, 10, 9999, &parts[0]) ||
	    !number_digits(rest, minor, 10, 99, &parts[1]))
		return 0;
	return (unsigned)(parts[0] * 100 + parts[1]);
}

/*
 * The version in "libCryptoki2_64.so.7.4.0", or 0.  In "libCryptoki2_64.so.2" it is the interface's version: the
 * client's has two parts or more.
 */
static unsigned library_version(const char *name)
{
	static const char stem[] = "libCryptoki2_64.so.";

	return text_starts(name, stem) ? okv_version_parse(name + sizeof(stem) - 1) : 0;
}

/* Raises *newest to the newest version of a library in the directory. */
static int libraries_look(int root, const char *directory, unsigned *newest, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;

	if (fs_dir_open(root, directory, FS_FOLLOW_TRUSTED, &dir, &cause) < 0)
		return fs_absence(&cause, f);
	int more = fs_each_open(dir, directory, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		const unsigned version = library_version(entry.name);
		if (version > *newest)
			*newest = version;
	}
	return more;
}

/* The record begins with a line like "# full client 10.4.0-417, as okv-luna extract installed it". */
static int record_look(int root, unsigned *version, struct fault *f)
{
	static const char before[] = " client ";
	TEXT_AUTO record = { 0 };
	struct fault cause = { 0 };
	struct text_line line;

	if (fs_read_file(root, SETTINGS_CLIENT_RECORD, FS_FOLLOW_TRUSTED, RECORD_MAX, &record, NULL, &cause) < 0)
		return fs_absence(&cause, f);
	for (size_t at = 0; *version == 0 && text_line_next(record.bytes, record.length, &at, &line);) {
		const char *found = memmem(line.bytes, line.length, before, sizeof(before) - 1);
		if (line.length > 0 && line.bytes[0] == '#' && found != NULL)
			*version = okv_version_parse(found + sizeof(before) - 1);
		else if (line.length == 0 || line.bytes[0] != '#')
			break;
	}
	return 0;
}

int okv_client_version(int root, const struct settings *settings, unsigned *ret_version, struct fault *f)
{
	TEXT_AUTO lib = { 0 };
	unsigned version = 0;

	text_add_format(&lib, "%s/lib", settings->client_dir);
	if (text_check(&lib, f) < 0 || libraries_look(root, text_string(&lib), &version, f) < 0 ||
	    (version == 0 && fs_exists(root, settings->client_dir) &&
	     (libraries_look(root, "/usr/lib", &version, f) < 0 ||
	      (version == 0 && record_look(root, &version, f) < 0))))
		return -1;
	*ret_version = version;
	return 0;
}

/* Is this a release with the generic interface, by OKV_RELEASE or by what OKV itself says? */
static bool has_interface(int root, const struct settings *settings)
{
	TEXT_AUTO os = { 0 };
	TEXT_AUTO okv = { 0 };
	const char *release = settings->okv_release;

	if (release[0] == '\0') {
		okv_release_find(root, &os, &okv);
		release = text_string(&okv) + strcspn(text_string(&okv), "0123456789");
	}
	return okv_version_parse(release) >= OKV_FIRST_GENERIC;
}

int okv_scope_find(int root, const struct settings *settings, enum okv_scope *ret_scope, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int generic = -1;
	unsigned version;

	if (fs_dir_open(root, SETTINGS_GENERIC, FS_FOLLOW_TRUSTED, &generic, &cause) < 0 && fs_absence(&cause, f) < 0)
		return -1;
	if (okv_client_version(root, settings, &version, f) < 0)
		return -1;
	*ret_scope = version >= 500 && version < 700                 ? OKV_SCOPE_CLIENT_V6
		     : generic < 0 && !has_interface(root, settings) ? OKV_SCOPE_NO_INTERFACE
								     : OKV_SCOPE_GENERIC;
	return 0;
}

static const struct {
	const char *word, *text;
} scopes[] = {
	[OKV_SCOPE_GENERIC] = { "generic",
				"OKV 21.3 or later: the generic HSM files apply, to Luna clients 7 and later" },
	[OKV_SCOPE_NO_INTERFACE] = { "no-interface",
				     "OKV 21.2 and earlier have no generic HSM interface, so an OS major upgrade "
				     "preserves nothing of the client; choose the vendor on the console's HSM page" },
	[OKV_SCOPE_CLIENT_V6] = { "client-v6",
				  "the Luna client is v6.x or older: it needs no group, no generic files and no modes "
				  "from okv-luna; choose the vendor on the console's HSM page" },
};

const char *okv_scope_text(enum okv_scope scope)
{
	return scopes[scope].text;
}

const char *okv_scope_word(enum okv_scope scope)
{
	return scopes[scope].word;
}

void okv_outcome_json(const struct okv_outcome *outcome, struct json *j)
{
	json_string(j, "scope", okv_scope_word(outcome->scope));
	json_string(j, "scope_text", okv_scope_text(outcome->scope));
	json_unsigned(j, "files", outcome->files);
	json_unsigned(j, "links", outcome->links);
	json_unsigned(j, "left", outcome->left);
}
