#include "hsm/library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/elf.h"
#include "conf/finding.h"
#include "fs/read.h"
#include "fs/root.h"

enum { DEPTH_MAX = 64 };

#define KEY "PKCS11_LIB_LOC"

/* --- OKV's files -------------------------------------------------------------------------------------------------- */

int hsm_library_lines(int root, const char *path, struct assign *ret_lines, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	bool there;

	return fs_read_optional(root, path, &file, &there, f) < 0
		       ? -1
		       : assign_parse(ret_lines, text_string(&file), file.length, f);
}

/* The first malformed line that is meant to name the library, so that OKV ignores it; lines->count: none. */
static size_t flawed_find(const struct assign *lines)
{
	size_t i = 0;

	while (i < lines->count && !(lines->lines[i].kind == ASSIGN_FLAWED && assign_mentions(&lines->lines[i], KEY)))
		i++;
	return i;
}

/* Is the name set to different values?  It is not documented which one OKV reads. */
static bool is_contested(const struct assign *lines, const char *name)
{
	const char *last = assign_value(lines, name);

	for (size_t i = 0; i < lines->count; i++) {
		const struct assign_line *line = &lines->lines[i];
		if (line->kind == ASSIGN_VALUE && strcmp(line->name, name) == 0 && strcmp(line->value, last) != 0)
			return true;
	}
	return false;
}

static int okv_choose(int root, char **ret_path, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };
	bool there;

	if (fs_existence(root, HSM_OKV_CONF, &there, f) < 0 || hsm_library_lines(root, HSM_OKV_CONF, &lines, f) < 0)
		return -1;
	const char *path = assign_value(&lines, KEY);
	const size_t flawed = flawed_find(&lines);
	if (is_contested(&lines, KEY))
		return fault_negative(f,
				      "it is not known which library OKV loads: " KEY " is set %zu times in '%s', to "
				      "different values; keep one of the lines",
				      assign_count(&lines, KEY), HSM_OKV_CONF);
	if (path != NULL && path[0] != '\0') {
		*ret_path = strdup(path);
		return 0;
	}
	if (!there)
		return fault_negative(f, "OKV loads no library: there is no file '%s'", HSM_OKV_CONF);
	if (path == NULL && flawed < lines.count)
		return fault_negative(f, "OKV loads no library: %s:%zu does not name one: %s", HSM_OKV_CONF, flawed + 1,
				      assign_flaw_text(lines.lines[flawed].flaw));
	return fault_negative(f, "OKV loads no library: " KEY " is %s in '%s'", path == NULL ? "not set" : "empty",
			      HSM_OKV_CONF);
}

int hsm_library_choose(int root, const struct settings *settings, enum hsm_library_source source, char **ret_path,
		       struct fault *f)
{
	char *path = NULL;

	if (source == HSM_LIBRARY_OKV_CONF && okv_choose(root, &path, f) < 0) {
		free(path);
		return -1;
	}
	if (source == HSM_LIBRARY_SETTINGS)
		path = strdup(settings->pkcs11_lib);
	if (path == NULL)
		return fault_memory(f);
	*ret_path = path;
	return 0;
}

const char *hsm_library_remedy(int root)
{
	ASSIGN_AUTO lines = { 0 };
	struct fault ignored = { 0 };
	char *named = NULL;
	const bool well = okv_choose(root, &named, &ignored) == 0;

	free(named);
	if (!fs_exists(root, HSM_OKV_CONF))
		return FINDING_RESTORE_IT;
	if (well || ignored.kind != FAULT_NEGATIVE || hsm_library_lines(root, HSM_OKV_CONF, &lines, &ignored) < 0)
		return NULL;
	/* A person has to say which of two lines is right. */
	if (assign_count(&lines, KEY) > 1)
		return NULL;
	const size_t flawed = flawed_find(&lines);
	if (flawed == lines.count)
		return "okv-luna config wire";
	return assign_fix_line(&lines, flawed, NULL) > 0 ? "okv-luna config check --fix" : NULL;
}

void hsm_environment_done(struct hsm_environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->items[i]);
	free(environment->items);
	free(environment->conf_path);
	text_done_secret(&environment->conf_bytes);
	chrystoki_done(&environment->conf);
	*environment = (struct hsm_environment){ 0 };
}

#define DIRECTORY "ChrystokiConfigurationPath"

static int variables_read(int root, struct report *report, struct hsm_environment *environment, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };

	if (hsm_library_lines(root, HSM_OKV_ENVIRONMENT, &lines, f) < 0)
		return -1;
	if (is_contested(&lines, DIRECTORY))
		return fault_negative(f,
				      "it is not known which Chrystoki.conf OKV's library reads: " DIRECTORY
				      " is set %zu times in '%s', to different values; keep one of the lines",
				      assign_count(&lines, DIRECTORY), HSM_OKV_ENVIRONMENT);
	environment->items = calloc(lines.count + 1, sizeof(*environment->items));
	if (environment->items == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < lines.count; i++) {
		const struct assign_line *line = &lines.lines[i];
		if (line->kind == ASSIGN_FLAWED)
			report_say(report, REPORT_WARNING, "%s:%zu: line skipped, as OKV does: %s", HSM_OKV_ENVIRONMENT,
				   i + 1, assign_flaw_text(line->flaw));
		if (line->kind != ASSIGN_VALUE)
			continue;
		TEXT_AUTO item = { 0 };
		text_add_format(&item, "%s=%s", line->name, line->value);
		if (text_check(&item, f) < 0)
			return -1;
		environment->items[environment->count++] = text_take(&item);
	}
	return 0;
}

static int conf_read(int root, struct hsm_environment *environment, struct fault *f)
{
	static const char name[] = DIRECTORY "=";
	const char *directory = "/etc";
	TEXT_AUTO path = { 0 };
	struct fault ignored = { 0 };

	for (size_t i = 0; i < environment->count; i++)
		if (text_starts(environment->items[i], name))
			directory = environment->items[i] + strlen(name);
	text_add_string(&path, directory);
	while (path.length > 0 && path.bytes[path.length - 1] == '/')
		text_cut(&path, path.length - 1);
	text_add_string(&path, "/Chrystoki.conf");
	if (text_check(&path, f) < 0)
		return -1;
	environment->conf_path = text_take(&path);
	(void)fs_read_config(root, environment->conf_path, &environment->conf_bytes, &environment->conf_fault);
	if (chrystoki_parse(&environment->conf, text_string(&environment->conf_bytes), environment->conf_bytes.length,
			    f) < 0)
		return -1;
	(void)chrystoki_split_partition(&environment->conf, &ignored);
	return 0;
}

int hsm_environment_read(int root, struct report *report, struct hsm_environment *ret_environment, struct fault *f)
{
	HSM_ENVIRONMENT_AUTO environment = { 0 };

	if (variables_read(root, report, &environment, f) < 0 || conf_read(root, &environment, f) < 0)
		return -1;
	*ret_environment = environment;
	environment = (struct hsm_environment){ 0 };
	return 0;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* Group 0 is root's own, so its write permission gives nobody else access. */
static bool only_root_writes(const struct stat *status)
{
	return status->st_uid == 0 && (status->st_mode & 002) == 0 &&
	       ((status->st_mode & 020) == 0 || status->st_gid == 0);
}

static int refuse_writable(const struct stat *status, const char *what, const char *path, size_t length,
			   struct fault *f)
{
	TEXT_AUTO name = { 0 };

	text_add(&name, path, length);
	const char *shown = SHOWN(text_string(&name)), *typed = TYPED(text_string(&name));
	if (status->st_uid != 0)
		return fault_refused(f,
				     "%s '%s' belongs to user id %lu, not to root, so that user decides what is loaded"
				     "; fix: chown root %s",
				     what, shown, (unsigned long)status->st_uid, typed);
	return fault_refused(
		f,
		"%s '%s' (mode %04o) can be written by users other than root, who could replace the library; fix: "
		"chmod go-w %s",
		what, shown, (unsigned)(status->st_mode & 07777), typed);
}

/* Checks the directories from the file's own up to the root, through "..". */
static int parents_check(int root, const struct fs_place *place, struct fault *f)
{
	FS_AUTO int dir = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat top, here;
	size_t length = strlen(place->path);

	if (dir < 0 || fstat(root, &top) < 0)
		return fault_system(f, errno, "cannot look above '%s'", SHOWN(place->path));
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		while (length > 0 && place->path[length - 1] != '/')
			length--;
		if (fstat(dir, &here) < 0)
			return fault_system(f, errno, "cannot look above '%s'", SHOWN(place->path));
		if (!only_root_writes(&here))
			return refuse_writable(&here, "directory", place->path, length > 1 ? length - 1 : 1, f);
		if (fs_same_file(&here, &top))
			return 0;
		length = length > 0 ? length - 1 : 0;
		const int above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (above < 0)
			return fault_system(f, errno, "cannot look above '%s'", SHOWN(place->path));
		fs_close(&dir);
		dir = above;
	}
	return fault_refused(f, "'%s' has too many levels of directories", SHOWN(place->path));
}

#define INSTALL_IT "; " FINDING_INSTALL_IT
static int header_check(int fd, const char *path, struct fault *f)
{
	TEXT_AUTO flaw = { 0 };
	char bytes[ELF_HEADERS_SIZE];
	struct stat status;
	const ssize_t got = pread(fd, bytes, sizeof(bytes), 0);

	if (got < 0 || fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot read '%s'", SHOWN(path));
	elf_flaw_add(bytes, (size_t)got, (uint64_t)status.st_size, &flaw);
	return flaw.length == 0 ? 0 : fault_refused(f, "'%s' %s" INSTALL_IT, SHOWN(path), text_string(&flaw));
}

int hsm_library_find(int root, const char *path, struct fs_place *ret_place, struct fault *f)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;
	struct fault why = { 0 };
	struct stat status;

	if (path[0] != '/')
		return fault_refused(f, "the library '%s' is not a full path", SHOWN(path));
	if (fs_place_find(root, path, &place, &why) < 0) {
		*f = why;
		return why.kind == FAULT_ABSENT    ? fault_absent(f, "there is no file '%s'" INSTALL_IT, SHOWN(path))
		       : why.kind == FAULT_REFUSED ? fault_refused(f, "%s; put the file in the link's place", why.text)
						   : -1;
	}
	if (parents_check(root, &place, f) < 0)
		return -1;
	if (fs_name_open(FS_PLACE_NAME(&place), O_RDONLY, &fd, &status, f) < 0) {
		if (f->kind == FAULT_REFUSED)
			return fault_refused(f, "'%s' is not a regular file, so it is not a library" INSTALL_IT,
					     SHOWN(path));
		if (f->kind != FAULT_ABSENT)
			return -1;
		if (place.links == NULL)
			return fault_absent(f, "there is no file '%s'" INSTALL_IT, SHOWN(path));
		return fault_absent(f, "'%s' leads to '%s', which is not there (%s)" INSTALL_IT, SHOWN(path),
				    SHOWN(place.path), SHOWN(place.links));
	}
	if (!only_root_writes(&status))
		return refuse_writable(&status, "library", place.path, strlen(place.path), f);
	if (header_check(fd, path, f) < 0)
		return -1;
	*ret_place = place;
	place = (struct fs_place)FS_PLACE_INIT;
	return 0;
}
