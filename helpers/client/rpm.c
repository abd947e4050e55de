#include "client/rpm.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "client/identity.h"
#include "fs/root.h"
#include "proc/child.h"

static const char *const rpm = "/usr/bin/rpm";

/* The order is the one in which they are listed; rpm orders its transaction itself. */
static const struct known {
	const char *name;
	bool required;
} known[CLIENT_RPM_PACKAGES] = {
	{ "libcryptoki", true }, { "lunacm", true },      { "vtl", true },     { "configurator", true },
	{ "libshim", false },    { "cklog", false },      { "ckdemo", false }, { "lunacmu", false },
	{ "salogin", false },    { "multitoken", false },
};

/* A package of a client takes seconds; a disk that does not answer must not hold us for ever. */
enum { QUERY_MS = 60 * 1000, INSTALL_MS = 15 * 60 * 1000, ARGUMENTS = CLIENT_RPM_PACKAGES + 10 };

static int package_add(struct client_rpm_set *set, size_t which, const struct unpack_entry *entry,
		       const struct text_line *version, struct fault *f)
{
	if (entry->type != UNPACK_FILE)
		return fault_refused(f, "member '%s': a package that is a link", SHOWN(entry->path));
	if (set->packages[which].entry != NULL)
		return fault_refused(f, "member '%s': a second package '%s'", SHOWN(entry->path),
				     set->packages[which].name);
	if (version->length >= sizeof(set->version))
		return fault_refused(f, "member '%s': a version that is too long", SHOWN(entry->path));
	if (set->version[0] == '\0') {
		memcpy(set->version, version->bytes, version->length);
		set->version[version->length] = '\0';
	} else if (!text_equal(version->bytes, version->length, set->version)) {
		return fault_refused(f, "member '%s': not of version %s like the others", SHOWN(entry->path),
				     set->version);
	}
	set->packages[which].entry = entry;
	return 0;
}

int client_rpm_find(const struct client_content *content, struct report *report, struct client_rpm_set *ret_set,
		    struct fault *f)
{
	struct client_rpm_set set = { .version = "" };

	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
		set.packages[p].name = known[p].name;
	for (size_t i = 0; i < content->unpacked.count; i++) {
		const char *path = client_content_path(content, content->unpacked.entries[i].path);
		struct text_line version;
		if (path == NULL || strncmp(path, "64/", 3) != 0 || strchr(path + 3, '/') != NULL)
			continue;
		for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
			if (client_rpm_version(path + 3, known[p].name, &version) &&
			    package_add(&set, p, &content->unpacked.entries[i], &version, f) < 0)
				return -1;
	}
	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++) {
		if (set.packages[p].entry != NULL)
			continue;
		if (known[p].required)
			return fault_refused(f, "the archive has no package '%s-*.x86_64.rpm' in '%s64'", known[p].name,
					     SHOWN(content->top));
		report_say(report, REPORT_DETAIL, "the archive has no package '%s'", known[p].name);
	}
	*ret_set = set;
	return 0;
}

/* The full path of an open directory: rpm wants names. */
static int path_of(int dir, char ret_path[PATH_MAX], struct fault *f)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", dir);
	const ssize_t length = readlink(name, ret_path, PATH_MAX - 1);
	if (length <= 0 || length >= PATH_MAX - 1)
		return fault_system(f, errno, "cannot tell the name of an open directory; is /proc mounted?");
	ret_path[length] = '\0';
	return 0;
}

/* rpm with some options and, behind them, the lines of `names`. */
static int rpm_run(const char *const *options, const struct text *names, unsigned deadline_ms,
		   struct proc_outcome *ret_outcome, struct fault *f)
{
	const char *arguments[ARGUMENTS + 1] = { rpm };
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;
	TEXT_AUTO words = { 0 };
	size_t count = 1;

	text_add_format(&words, "%s\n", text_string(names));
	if (text_check(names, f) < 0 || text_check(&words, f) < 0)
		return -1;
	for (; *options != NULL && count < ARGUMENTS; options++)
		arguments[count++] = *options;
	for (char *word = strtok(words.bytes, "\n"); word != NULL && count < ARGUMENTS; word = strtok(NULL, "\n"))
		arguments[count++] = word;
	run.argv = arguments;
	run.deadline_ms = deadline_ms;
	return proc_child_run(&run, ret_outcome, f);
}

/* As rpm_run, for a question: one that got no answer is a fault, whatever the answer would have been. */
static int rpm_ask(const char *const *options, const struct text *names, unsigned deadline_ms,
		   struct proc_outcome *ret_outcome, struct fault *f)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (rpm_run(options, names, deadline_ms, &outcome, f) < 0)
		return -1;
	if (outcome.late || outcome.status >= 128) {
		const int killed_by = outcome.status - 128;
		proc_outcome_done(&outcome);
		return outcome.late ? fault_late(f, "rpm did not answer within %u seconds; is another rpm running?",
						 deadline_ms / 1000)
				    : fault_system(f, 0, "rpm was killed by signal %d before it answered", killed_by);
	}
	*ret_outcome = outcome;
	return 0;
}

/*
 * What it said, in one line for a fault: its first error, and the line behind it where it is only a heading.  What it
 * says before that is warnings.  Its first line where there is no error.
 */
static const char *said(const struct proc_outcome *outcome, struct text *line)
{
	const char *at = text_string(&outcome->output);
	const char *error = text_starts(at, "error: ") ? at : strstr(at, "\nerror: ");

	if (error != NULL)
		at = error + strspn(error, "\n");
	const size_t length = strcspn(at, "\n");
	text_add(line, at, length);
	if (error != NULL && length > 0 && at[length - 1] == ':' && at[length] == '\n') {
		at += length + 1;
		at += strspn(at, "\t ");
		text_add(line, " ", 1);
		text_add(line, at, strcspn(at, "\n"));
	}
	return text_string(line);
}

static int files_name(int tree, const struct client_rpm_set *set, struct text *names, struct fault *f)
{
	char path[PATH_MAX];

	if (path_of(tree, path, f) < 0)
		return -1;
	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
		if (set->packages[p].entry != NULL)
			text_add_format(names, "%s/%s\n", path, set->packages[p].entry->path);
	return 0;
}

/* rpm's view of the files, against what their names say. */
static int files_check(int tree, const struct client_rpm_set *set, struct fault *f)
{
	static const char *const digests[] = { "-K", "--nosignature", NULL };
	static const char *const query[] = { "-qp", "--nosignature", "--qf", "%{NAME} %{VERSION}-%{RELEASE} %{ARCH}\\n",
					     NULL };
	TEXT_AUTO names = { 0 };
	TEXT_AUTO expected = { 0 };
	TEXT_AUTO line = { 0 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (files_name(tree, set, &names, f) < 0 || rpm_ask(digests, &names, QUERY_MS, &outcome, f) < 0)
		return -1;
	int r = outcome.status == 0
			? 0
			: fault_refused(f, "rpm reports a damaged package: %s", SHOWN(said(&outcome, &line)));
	proc_outcome_done(&outcome);
	if (r < 0 || rpm_ask(query, &names, QUERY_MS, &outcome, f) < 0)
		return -1;
	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
		if (set->packages[p].entry != NULL)
			text_add_format(&expected, "%s %s x86_64\n", set->packages[p].name, set->version);
	if (outcome.status != 0 ||
	    !text_equal(text_string(&outcome.output), outcome.output.length, text_string(&expected)))
		r = fault_refused(f, "a package is not the one that its file name says: %s",
				  SHOWN(said(&outcome, &line)));
	proc_outcome_done(&outcome);
	return r;
}

/*
 * An rpm that cannot read its database says so, and then "is not installed" all the same.  Rebuilding it is left to the
 * administrator: that writes the whole system's package database anew, without what it cannot read; and a full disk, or
 * an rpm that is still at work, would look the same from here.
 */
static int database_blame(const char *root, const struct proc_outcome *outcome, struct fault *f)
{
	TEXT_AUTO line = { 0 };
	const bool whole = strcmp(root, "/") == 0;

	if (!text_starts(text_string(&outcome->output), "error: ") &&
	    strstr(text_string(&outcome->output), "\nerror: ") == NULL)
		return 0;
	return fault_system(f, 0,
			    "rpm cannot tell what is installed: %s; if rpm was interrupted, 'rpm %s%s%s--rebuilddb' "
			    "repairs its database",
			    SHOWN(said(outcome, &line)), whole ? "" : "--root ", whole ? "" : SHOWN(root),
			    whole ? "" : " ");
}

/* Is there one below the root?  The question what is in it would make one. */
static int database_find(int root, bool *ret_there, struct fault *f)
{
	static const char *const place[] = { "--eval", "%{_dbpath}", NULL };
	const struct text none = { 0 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct text_line line = { .bytes = "" };
	size_t at = 0;

	if (rpm_ask(place, &none, QUERY_MS, &outcome, f) < 0)
		return -1;
	(void)text_line_next(outcome.output.bytes, outcome.output.length, &at, &line);
	TEXT_AUTO path = { 0 };
	text_add(&path, line.bytes, line.length);
	proc_outcome_done(&outcome);
	return text_check(&path, f) < 0 ? -1 : fs_existence(root, text_string(&path), ret_there, f);
}

/* "missing     /path" or "S.5......  c /path"; the identity is the node's own, and a changed Chrystoki.conf, too. */
static bool is_as_packed(const struct text *lines, const char *client_dir)
{
	const size_t length = strlen(client_dir);
	struct text_line line;

	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line);) {
		TEXT_AUTO copy = { 0 };
		text_add(&copy, line.bytes, line.length);
		const char *path = strchr(text_string(&copy), '/');
		const bool below = path != NULL && strncmp(path, client_dir, length) == 0 && path[length] == '/';
		if (below ? !client_is_identity(path + length + 1) : text_starts(text_string(&copy), "missing"))
			return false;
	}
	return true;
}

/* Owners and modes are okv-luna repair's. */
static int files_compare(const char *root, const struct text *names, const char *client_dir, bool *ret_same,
			 struct fault *f)
{
	const char *const options[] = { "--root",   root,       "-V",        "--nodeps",  "--noscripts",
					"--nomode", "--nouser", "--nogroup", "--nomtime", NULL };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (rpm_ask(options, names, QUERY_MS, &outcome, f) < 0)
		return -1;
	*ret_same = is_as_packed(&outcome.output, client_dir);
	proc_outcome_done(&outcome);
	return 0;
}

int client_rpm_installed(int root, const struct client_rpm_set *set, const char *client_dir, bool *ret_installed,
			 struct fault *f)
{
	TEXT_AUTO names = { 0 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	char path[PATH_MAX];
	bool there;

	if (database_find(root, &there, f) < 0 || path_of(root, path, f) < 0)
		return -1;
	if (!there)
		return 0;
	const char *const options[] = { "--root", path, "-q", NULL };
	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
		if (set->packages[p].entry != NULL)
			text_add_format(&names, "%s-%s\n", set->packages[p].name, set->version);
	if (rpm_ask(options, &names, QUERY_MS, &outcome, f) < 0)
		return -1;
	const int r = database_blame(path, &outcome, f);
	const bool all_there = outcome.status == 0;
	proc_outcome_done(&outcome);
	return r == 0 && all_there ? files_compare(path, &names, client_dir, ret_installed, f) : r;
}

/* Does rpm's list of their files have one below the client's directory? */
static int places_find(int tree, const struct client_rpm_set *set, const char *client_dir, struct text *ret_places,
		       struct fault *f)
{
	static const char *const list[] = { "-qpl", "--nosignature", NULL };
	TEXT_AUTO names = { 0 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	const size_t length = strlen(client_dir);
	struct text_line line;
	bool below = false;

	if (files_name(tree, set, &names, f) < 0 || rpm_ask(list, &names, QUERY_MS, &outcome, f) < 0)
		return -1;
	for (size_t at = 0; !below && text_line_next(outcome.output.bytes, outcome.output.length, &at, &line);)
		below = line.length > length && strncmp(line.bytes, client_dir, length) == 0 &&
			line.bytes[length] == '/';
	if (below)
		*ret_places = outcome.output;
	else
		proc_outcome_done(&outcome);
	return below ? 0
		     : fault_refused(f, "the packages do not install to '%s', and cannot be moved", SHOWN(client_dir));
}

int client_rpm_check(int tree, const struct client_rpm_set *set, const char *client_dir, struct text *ret_places,
		     struct fault *f)
{
	return files_check(tree, set, f) < 0 ? -1 : places_find(tree, set, client_dir, ret_places, f);
}

int client_rpm_install(int root, int tree, const struct client_rpm_set *set, const char *scratch, struct fault *f)
{
	TEXT_AUTO names = { 0 };
	TEXT_AUTO line = { 0 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	char path[PATH_MAX];
	bool there;

	if (database_find(root, &there, f) < 0 || path_of(root, path, f) < 0 || files_name(tree, set, &names, f) < 0)
		return -1;
	/* A transaction that was cut off has left some of them in place: those are installed once more. */
	const char *const test[] = {
		"--root", path, "-U", "--oldpackage", "--replacepkgs", "--test", there ? NULL : "--dbpath",
		scratch,  NULL
	};
	const char *const install[] = { "--root", path, "-U", "--oldpackage", "--replacepkgs", NULL };
	if (rpm_ask(test, &names, INSTALL_MS, &outcome, f) < 0)
		return -1;
	int r = outcome.status == 0 ? 0 : fault_refused(f, "rpm will not install it: %s", SHOWN(said(&outcome, &line)));
	proc_outcome_done(&outcome);
	if (r < 0 || rpm_run(install, &names, INSTALL_MS, &outcome, f) < 0)
		return -1;
	if (outcome.status >= 128 && !outcome.late)
		r = fault_incomplete(f, "rpm was killed by signal %d; run this again", outcome.status - 128);
	else if (outcome.late || outcome.status != 0)
		r = fault_incomplete(f, "rpm failed%s: %s; check what it left behind, then run this again",
				     outcome.late ? " to end" : "", SHOWN(said(&outcome, &line)));
	proc_outcome_done(&outcome);
	return r;
}
