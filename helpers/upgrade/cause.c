#include "upgrade/cause.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/preserved.h"
#include "fs/root.h"
#include "okv/needs.h"
#include "upgrade/scan.h"

void cause_done(struct cause *cause)
{
	free(cause->module);
	free(cause->absent);
	free(cause->denied);
	free(cause->told);
	free(cause->post);
}

bool cause_keep(char **where, const char *bytes, size_t length)
{
	if (*where != NULL)
		return true;
	*where = calloc(1, length + 2);
	if (*where == NULL)
		return false;
	memcpy(*where, bytes, length);
	return true;
}

/* --- what was missed ---------------------------------------------------------------------------------------------- */

static bool is_passing(const char *path)
{
	static const char *const places[] = { "/dev", "/proc", "/run", "/sys", "/tmp", "/var/run", "/etc/ld.so.cache" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (preserved_within(path, places[i]))
			return true;
	return false;
}

/* Is it here, behind links that only root could have made?  The path behind them. */
static bool is_here(int root, const char *path, char ret_real[PATH_MAX])
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault ignored = { 0 };
	struct stat status;

	if (fs_place_find(root, path, &place, &ignored) < 0 ||
	    fstatat(place.dir, place.leaf, &status, AT_SYMLINK_NOFOLLOW) < 0 || strlen(place.path) >= PATH_MAX)
		return false;
	memcpy(ret_real, place.path, strlen(place.path) + 1);
	return true;
}

/* What of it was left behind: the file that links lead to, or where that was carried over, the path itself. */
static const char *left_behind(const struct cause *cause, const char *path, const char *real)
{
	return preserved_holder(cause->carried, real) != NULL ? path : real;
}

bool cause_add_missed(struct cause *cause, const char *path, size_t length, int errnum)
{
	char real[PATH_MAX];
	char *copy = strndup(path, length);
	bool kept = copy != NULL;

	if (copy != NULL && !is_passing(copy) && is_here(cause->root, copy, real))
		kept = errnum == ENOENT || errnum == ENOTDIR
			       ? cause_keep(&cause->absent, left_behind(cause, copy, real),
					    strlen(left_behind(cause, copy, real)))
			       : cause_keep(&cause->denied, copy, strlen(copy));
	free(copy);
	return kept;
}

/* --- what fixes it ------------------------------------------------------------------------------------------------ */

/* Would `config wire` list it, or what holds it? */
static int wiring_lists(const struct cause *cause, const char *path, bool *ret_lists, struct fault *f)
{
	const struct okv_job job = { .root = cause->root, .settings = cause->settings };
	OKV_NEEDS_AUTO needs = { .items = NULL };
	bool lists = preserved_within(path, SETTINGS_PREFIX);

	if (okv_needs_find(&job, &needs, f) < 0)
		return -1;
	for (size_t i = 0; i < needs.count; i++)
		lists = lists || (needs.items[i].listable && preserved_within(path, needs.items[i].path));
	*ret_lists = lists;
	return 0;
}

static bool is_plain(const char *path)
{
	return strpbrk(path, ":'\"\\\n$`") == NULL && preserved_judge(path) == PRESERVED_FLAW_NONE;
}

/* The whole list with the path behind it, as `config set` wants it; "" where it cannot be written. */
static int list_command(const struct cause *cause, const char *path, struct text *out, struct fault *f)
{
	static const char name[] = "PRESERVED_FILES";
	ASSIGN_AUTO lines = { 0 };
	char *value = NULL;

	if (scan_lines(cause->root, OKV_CONF, &lines, f) < 0 || assign_get(&lines, name, &value, f) < 0)
		return -1;
	const size_t used = value != NULL ? strlen(value) : 0;
	if (is_plain(path) && (value == NULL || strpbrk(value, "'\n") == NULL) &&
	    used + strlen(path) + sizeof(name) + 4 < ASSIGN_LINE_MAX)
		text_add_format(out, "okv-luna config set okv_hsm.conf %s '%s%s%s'", name, used > 0 ? value : "",
				used > 0 ? ":" : "", path);
	free(value);
	return text_check(out, f);
}

static int path_remedy(const struct cause *cause, const char *path, struct text *out, struct fault *f)
{
	bool lists;

	if (wiring_lists(cause, path, &lists, f) < 0)
		return -1;
	if (lists)
		text_add_string(out, "okv-luna config wire");
	else if (list_command(cause, path, out, f) < 0)
		return -1;
	if (out->length == 0)
		text_add_string(out, "move it into the Luna client's directory, which is preserved, and name it there");
	return text_check(out, f);
}

/* --- the first cause ---------------------------------------------------------------------------------------------- */

static int path_cause(const struct cause *cause, const char *path, const char *why, struct fault *lost,
		      char **ret_remedy, struct fault *f)
{
	TEXT_AUTO remedy = { 0 };

	(void)fault_negative(lost, "'%s' is not carried over, %s", SHOWN(path), why);
	if (path_remedy(cause, path, &remedy, f) < 0)
		return -1;
	*ret_remedy = text_take(&remedy);
	return 0;
}

static int remedy_set(const char *remedy, char **ret_remedy, struct fault *f)
{
	*ret_remedy = strdup(remedy);
	return *ret_remedy != NULL ? 0 : fault_memory(f);
}

/* Our part was there, and these are its words; it is worth more than what the question says after it. */
static void post_add(const struct cause *cause, struct fault *lost)
{
	char before[FAULT_TEXT_MAX];

	if (cause->post == NULL || cause->post[0] == '\0')
		return;
	(void)snprintf(before, sizeof(before), "%s", lost->text);
	(void)fault_negative(lost, "%s (post-upgrade: %s)", before, SHOWN(cause->post));
}

/* A list that OKV does not read: 1, and the cause is said; 0: it reads it. */
static int list_cause(const struct cause *cause, struct fault *lost, char **ret_remedy, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };

	if (cause->carried->count > 0)
		return 0;
	if (scan_lines(cause->root, OKV_CONF, &lines, f) < 0)
		return -1;
	for (size_t i = 0; i < lines.count; i++) {
		const struct assign_line *line = &lines.lines[i];
		if (line->kind != ASSIGN_FLAWED || !assign_mentions(line, "PRESERVED_FILES"))
			continue;
		(void)fault_negative(lost, "nothing is carried over: " OKV_CONF ":%zu: %s", i + 1,
				     assign_flaw_text(line->flaw));
		return remedy_set("to see what to fix: okv-luna config check", ret_remedy, f) < 0 ? -1 : 1;
	}
	return 0;
}

/* A setting of somebody's in the environment, which a new release's file does not have: 1; 0: there is none. */
static int setting_cause(const struct cause *cause, struct fault *lost, char **ret_remedy, struct fault *f)
{
	TEXT_AUTO remedy = { 0 };
	ASSIGN_AUTO lines = { 0 };

	if (cause->way != SCRATCH_STOCK)
		return 0;
	if (scan_lines(cause->root, OKV_ENV, &lines, f) < 0)
		return -1;
	for (size_t i = 0; i < lines.count; i++) {
		const struct assign_line *line = &lines.lines[i];
		if (line->kind != ASSIGN_VALUE ||
		    text_equal(line->bytes, line->name_length, "ChrystokiConfigurationPath"))
			continue;
		const char *name = SHOWN_BYTES(line->bytes, line->name_length);
		(void)fault_negative(lost, "okv_hsm_env sets %s, and that of a new release does not", name);
		text_add_format(&remedy, "after such an upgrade set it again: okv-luna config set okv_hsm_env %s '%s'",
				name, SHOWN_BYTES(line->bytes + line->value_start, line->value_length));
		return text_check(&remedy, f) < 0 || remedy_set(text_string(&remedy), ret_remedy, f) < 0 ? -1 : 1;
	}
	return 0;
}

int cause_find(const struct cause *cause, struct fault *lost, char **ret_remedy, struct fault *f)
{
	char real[PATH_MAX];
	int found;

	if ((found = list_cause(cause, lost, ret_remedy, f)) != 0)
		return found < 0 ? -1 : 0;
	/* The library was not found at all: what of it is here and was not carried over? */
	if (cause->module != NULL && is_here(cause->root, cause->module, real))
		return path_cause(cause, left_behind(cause, cause->module, real), "and it is OKV's PKCS#11 library",
				  lost, ret_remedy, f);
	if (cause->absent != NULL)
		return path_cause(cause, cause->absent, "and the PKCS#11 library asks for it", lost, ret_remedy, f);
	if (cause->post != NULL && cause->post[0] == '\0') {
		(void)fault_negative(lost,
				     SETTINGS_PREFIX " is not carried over, so nothing makes the HSM group and OKV's "
						     "settings again");
		return remedy_set("okv-luna config wire", ret_remedy, f);
	}
	if (cause->denied != NULL) {
		(void)fault_negative(lost, "user '%s' is not allowed to reach '%s' after post-upgrade",
				     cause->settings->okv_user, SHOWN(cause->denied));
		return 0;
	}
	if ((found = setting_cause(cause, lost, ret_remedy, f)) != 0)
		return found < 0 ? -1 : 0;
	if (cause->told != NULL) {
		const char *command = cause->told + strlen(cause->told) + 1;
		(void)fault_negative(lost, "%s", cause->told);
		post_add(cause, lost);
		return command[0] != '\0' ? remedy_set(command, ret_remedy, f) : 0;
	}
	post_add(cause, lost);
	return 0;
}
