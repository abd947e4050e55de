#include "okv/needs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/elf.h"
#include "conf/preserved.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"

struct finding_needs {
	const struct okv_job *job;
	struct okv_needs needs;
	struct preserved libraries; /* those already followed */
	/* Of the path being followed. */
	enum okv_need_kind kind;
	size_t line;
	const char *reason;
};

void okv_needs_done(struct okv_needs *needs)
{
	for (size_t i = 0; i < needs->count; i++) {
		free(needs->items[i].path);
		free(needs->items[i].reason);
	}
	free(needs->items);
	*needs = (struct okv_needs){ .items = NULL };
}

/* --- what belongs to the system ----------------------------------------------------------------------------------- */

static bool is_one_of(const char *path, const char *const *paths)
{
	for (; *paths != NULL; paths++)
		if (preserved_same(path, *paths))
			return true;
	return false;
}

static bool is_within_one_of(const char *path, const char *const *paths)
{
	for (; *paths != NULL; paths++)
		if (preserved_within(path, *paths))
			return true;
	return false;
}

/* A directory that every system has, with contents of its own: never listed as a whole. */
static bool is_system_directory(const char *path)
{
	static const char *const directories[] = {
		"/usr/bin",        "/usr/sbin",  "/usr/lib",       "/usr/lib64",         "/usr/libexec",
		"/usr/share",      "/usr/local", "/usr/local/lib", "/usr/local/lib64",   "/usr/local/bin",
		"/etc/pki",        "/etc/ssl",   "/etc/pki/tls",   "/etc/pki/tls/certs", "/etc/pki/tls/private",
		"/etc/systemd",    "/var/lib",   "/var/opt",       "/home/oracle",       "/usr/local/okv",
		"/usr/local/dbfw", NULL
	};

	return strchr(path + strspn(path, "/"), '/') == NULL || is_one_of(path, directories);
}

/* A place that a restart empties, or where every system writes its own files. */
static bool is_passing(const char *path)
{
	static const char *const places[] = { "/dev",     "/proc",    "/sys",     "/run",      "/tmp",
					      "/var/tmp", "/var/log", "/var/run", "/var/lock", NULL };

	return is_within_one_of(path, places);
}

/* A place of files that the next operating system, or OKV, brings. */
static bool is_system_file(const char *path)
{
	static const char *const places[] = { "/bin",      "/sbin",    "/lib",       "/lib64",       "/usr/bin",
					      "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share",
					      "/etc/pki",  "/etc/ssl", NULL };

	return is_within_one_of(path, places);
}

/* A path that must not be in PRESERVED_FILES: it would replace the next system's accounts or OKV, or is invalid. */
static bool is_forbidden(const char *path)
{
	static const char *const places[] = { "/etc/passwd",     "/etc/group", "/etc/shadow",     "/etc/gshadow",
					      "/etc/hosts",      "/etc/fstab", "/etc/ld.so.conf", "/usr/local/okv",
					      "/usr/local/dbfw", NULL };

	return is_within_one_of(path, places) || strchr(path, ':') != NULL ||
	       preserved_judge(path) != PRESERVED_FLAW_NONE;
}

/* Does the entry name a file that is only written? */
static bool is_log(const char *key)
{
	static const char *const keys[] = { "File", "Error", "haLogPath", "LogToFile", NULL };

	return text_is_one_of(key, strlen(key), keys);
}

/* --- following ---------------------------------------------------------------------------------------------------- */

static int need_add(struct finding_needs *n, const char *path, struct fault *f)
{
	const bool lost = (n->kind == OKV_NEED_ENTRY || n->kind == OKV_NEED_LIBRARY) && is_passing(path);

	for (size_t i = 0; i < n->needs.count; i++)
		if (strcmp(n->needs.items[i].path, path) == 0)
			return 0;
	if (!ARRAY_GROW(n->needs.items, n->needs.count))
		return fault_memory(f);
	struct okv_need *need = &n->needs.items[n->needs.count];
	*need = (struct okv_need){ .kind = n->kind,
				   .line = n->line,
				   .path = strdup(path),
				   .reason = strdup(n->reason),
				   .listable = !is_forbidden(path) && !lost };
	n->needs.count++;
	return need->path == NULL || need->reason == NULL ? fault_memory(f) : 0;
}

static void needs_cut(struct finding_needs *n, size_t count)
{
	for (; n->needs.count > count; n->needs.count--) {
		free(n->needs.items[n->needs.count - 1].path);
		free(n->needs.items[n->needs.count - 1].reason);
	}
}

struct following {
	char here[PATH_MAX];     /* resolved so far, without links */
	char todo[2 * PATH_MAX]; /* the rest of the path */
	size_t target_end;       /* length of `todo` when the last link's target is resolved; SIZE_MAX: no link */
	unsigned links;
};

enum step { STEP_END, STEP_ON };

/* Resolves one more component. */
static int step_take(struct finding_needs *n, struct following *w, enum step *ret_step, struct fault *f)
{
	enum { LINKS_MAX = 16 };
	char target[PATH_MAX], leaf[FS_NAME_SIZE], rest[2 * PATH_MAX];
	struct fault absent = { 0 };
	FS_AUTO int dir = -1;
	const size_t used = strlen(w->here), skip = strspn(w->todo, "/"), length = strcspn(w->todo + skip, "/");
	const char *name = w->todo + skip;

	*ret_step = STEP_END;
	if (length == 2 && memcmp(name, "..", 2) == 0) {
		char *slash = strrchr(w->here, '/');
		*(slash != NULL ? slash : w->here) = '\0';
	} else if (!(length == 1 && name[0] == '.')) {
		if (used + length + 2 > sizeof(w->here))
			return 0;
		w->here[used] = '/';
		memcpy(w->here + used + 1, name, length);
		w->here[used + 1 + length] = '\0';
		/* A missing path is skipped; one that cannot be looked at is a failure. */
		if (fs_parent_open(n->job->root, w->here, FS_NOFOLLOW, &dir, leaf, &absent) < 0)
			return fs_absence(&absent, f);
	}
	memmove(w->todo, name + length, strlen(name + length) + 1);
	const ssize_t size = dir < 0 ? -1 : readlinkat(dir, leaf, target, sizeof(target) - 1);
	if (size < 0) {
		if (dir >= 0 && errno != EINVAL)
			return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot look at '%s'", SHOWN(w->here));
		*ret_step = STEP_ON;
		if (w->target_end == SIZE_MAX || strlen(w->todo) > w->target_end)
			return 0;
		/* The link's target itself, even if the path goes on below it. */
		w->target_end = SIZE_MAX;
		return w->here[0] == '\0' || is_system_directory(w->here) ? 0 : need_add(n, w->here, f);
	}
	target[size] = '\0';
	if (++w->links > LINKS_MAX || (!is_system_directory(w->here) && need_add(n, w->here, f) < 0))
		return w->links > LINKS_MAX ? 0 : -1;
	if (w->target_end == SIZE_MAX)
		w->target_end = strlen(w->todo);
	w->here[target[0] == '/' ? 0 : used] = '\0';
	if (snprintf(rest, sizeof(rest), "%s/%s", target, w->todo + strspn(w->todo, "/")) >= (int)sizeof(rest))
		return 0;
	memcpy(w->todo, rest, sizeof(w->todo));
	*ret_step = STEP_ON;
	return 0;
}

/* Adds every link of the path, the links' targets and the end; nothing, and an empty *ret_end, if it does not exist. */
static int path_follow(struct finding_needs *n, const char *path, char ret_end[PATH_MAX], struct fault *f)
{
	struct following w = { .target_end = SIZE_MAX };
	const size_t before = n->needs.count;
	enum step step = STEP_ON;

	ret_end[0] = '\0';
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return 0;
	memcpy(w.todo, path, strlen(path) + 1);
	while (step == STEP_ON && w.todo[strspn(w.todo, "/")] != '\0')
		if (step_take(n, &w, &step, f) < 0)
			return -1;
	if (step == STEP_END) {
		needs_cut(n, before);
		return 0;
	}
	(void)snprintf(ret_end, PATH_MAX, "%s", w.here);
	return is_system_directory(w.here) ? 0 : need_add(n, w.here, f);
}

/* Does the same for a file of that name in a directory. */
static int name_follow(struct finding_needs *n, const char *directory, size_t length, const char *name, struct fault *f)
{
	char path[PATH_MAX], end[PATH_MAX];

	if (snprintf(path, sizeof(path), "%.*s/%s", (int)length, directory, name) >= (int)sizeof(path))
		return 0;
	return path_follow(n, path, end, f);
}

/* --- what a library loads ----------------------------------------------------------------------------------------- */

/* The next item of a list separated by ':'; false at its end.  The caller calls text_check for the item. */
static bool item_next(const char **list, struct text *item)
{
	const size_t length = strcspn(*list, ":");

	if (**list == '\0')
		return false;
	text_cut(item, 0);
	text_add(item, *list, length);
	*list += length + ((*list)[length] == ':');
	return true;
}

struct loading {
	struct finding_needs *n;
	const char *environment; /* LD_LIBRARY_PATH; NULL: none */
	struct text places;      /* search path from the library's RPATH or RUNPATH and the environment */
	const char *origin;
	size_t origin_length;
};

static int library_follow(struct finding_needs *n, const char *path, const char *environment, struct fault *f);

/* Adds the directories, with $ORIGIN replaced. */
static void places_add(const char *places, const char *origin, size_t origin_length, struct text *out)
{
	for (size_t n; *places != '\0'; places += n + (places[n] == ':')) {
		const size_t skip = text_starts(places, "$ORIGIN")     ? strlen("$ORIGIN")
				    : text_starts(places, "${ORIGIN}") ? strlen("${ORIGIN}")
								       : 0;
		n = strcspn(places, ":");
		if (skip > 0)
			text_add(out, origin, origin_length);
		text_add(out, places + skip, n - skip);
		text_add_char(out, ':');
	}
}

enum place_kind { PLACE_OF_ANY, PLACE_OF_LUNA };

/*
 * If the directory has a library of that name, follows it and what it loads in turn.  The next system brings its own
 * libraries, so a system directory counts only for a library with a Luna name.
 */
static int place_follow(struct loading *l, const struct text *place, const char *name, enum place_kind kind,
			bool *ret_found, struct fault *f)
{
	char path[PATH_MAX];

	if (text_check(place, f) < 0)
		return -1;
	if (place->length == 0 || (kind == PLACE_OF_ANY && is_system_file(text_string(place))) ||
	    snprintf(path, sizeof(path), "%s/%s", text_string(place), name) >= (int)sizeof(path) ||
	    !fs_exists(l->n->job->root, path))
		return 0;
	*ret_found = true;
	return library_follow(l->n, path, l->environment, f);
}

/* Looks in the directories of a file of ld.so.conf(5); if one has the library, that file is needed, too. */
static int conf_follow(struct loading *l, const char *conf, const char *name, bool *ret_found, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };
	struct text_line line;
	char end[PATH_MAX];

	if (fs_read_config(l->n->job->root, conf, &file, &ignored) < 0)
		return 0;
	for (size_t at = 0; text_line_next(text_string(&file), file.length, &at, &line);) {
		TEXT_AUTO place = { 0 };
		bool found = false;
		const char *word = line.bytes + strspn(line.bytes, " \t");
		text_add(&place, word, strcspn(word, " \t#,:=\r\n"));
		if (text_string(&place)[0] != '/')
			continue;
		if (place_follow(l, &place, name, PLACE_OF_ANY, &found, f) < 0 ||
		    (found && path_follow(l->n, conf, end, f) < 0))
			return -1;
		*ret_found = *ret_found || found;
	}
	return 0;
}

static int confs_follow(struct loading *l, const char *name, struct fault *f)
{
	static const char directory[] = "/etc/ld.so.conf.d";
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault absent = { 0 };
	bool found = false;

	if (conf_follow(l, "/etc/ld.so.conf", name, &found, f) < 0)
		return -1;
	if (fs_dir_open(l->n->job->root, directory, FS_FOLLOW_TRUSTED, &dir, &absent) < 0)
		return fs_absence(&absent, f);
	int more = fs_each_open(dir, directory, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		TEXT_AUTO path = { 0 };
		text_add_format(&path, "%s/%s", directory, entry.name);
		if (text_check(&path, f) < 0 ||
		    (text_ends(entry.name, ".conf") && conf_follow(l, text_string(&path), name, &found, f) < 0))
			return -1;
	}
	return more;
}

static int name_load(struct loading *l, const char *name, struct fault *f)
{
	const char *defaults = "/usr/lib64:/lib64:/usr/lib:/lib", *places = text_string(&l->places);
	const enum place_kind kind = elf_is_of_luna(name) ? PLACE_OF_LUNA : PLACE_OF_ANY;
	TEXT_AUTO place = { 0 };
	bool found = false;

	if (strchr(name, '/') != NULL)
		return name[0] != '/' || is_system_file(name) ? 0 : library_follow(l->n, name, l->environment, f);
	while (item_next(&places, &place))
		if (place_follow(l, &place, name, kind, &found, f) < 0)
			return -1;
	if (!found && confs_follow(l, name, f) < 0)
		return -1;
	/* A library beside it may be opened by dlopen(3), so it is needed whatever the search path. */
	text_cut(&place, 0);
	text_add(&place, l->origin, l->origin_length);
	if (place_follow(l, &place, name, kind, &found, f) < 0)
		return -1;
	while (kind == PLACE_OF_LUNA && item_next(&defaults, &place))
		if (text_check(&place, f) < 0 || name_follow(l->n, text_string(&place), place.length, name, f) < 0)
			return -1;
	return 0;
}

/* Follows the library at `path` and those that it names as needed. */
static int library_follow(struct finding_needs *n, const char *path, const char *environment, struct fault *f)
{
	enum { LIBRARY_MAX = 64 * 1024 * 1024 };
	struct loading l = { .n = n, .environment = environment, .origin = path };
	struct fault cause = { 0 };
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO names = { 0 };
	TEXT_AUTO places = { 0 };
	TEXT_AUTO name = { 0 };
	char end[PATH_MAX];

	if (path_follow(n, path, end, f) < 0)
		return -1;
	if (end[0] == '\0' || preserved_has(&n->libraries, end))
		return 0;
	if (preserved_add(&n->libraries, end, f) < 0)
		return -1;
	if (fs_read_file(n->job->root, end, FS_NOFOLLOW, LIBRARY_MAX, &bytes, NULL, &cause) < 0)
		return fs_absence(&cause, f);
	elf_libraries_read(text_string(&bytes), bytes.length, &names, &places);
	/* For a library behind links $ORIGIN may be either directory. */
	l.origin_length = (size_t)(strrchr(path, '/') - path);
	places_add(text_string(&places), end, (size_t)(strrchr(end, '/') - end), &l.places);
	places_add(text_string(&places), path, l.origin_length, &l.places);
	text_add_string(&l.places, environment != NULL ? environment : "");
	const char *at = text_string(&names);
	int r = text_check(&names, f) < 0 || text_check(&places, f) < 0 || text_check(&l.places, f) < 0 ? -1 : 0;
	while (r == 0 && item_next(&at, &name))
		r = text_check(&name, f) < 0 ? -1 : name_load(&l, text_string(&name), f);
	text_done(&l.places);
	return r;
}

/* --- the files that name paths ------------------------------------------------------------------------------------ */

static void origin_set(struct finding_needs *n, enum okv_need_kind kind, size_t line, const char *reason)
{
	n->kind = kind;
	n->line = line;
	n->reason = reason;
}

/* Follows the full paths, separated by ':', in a value of okv_hsm_env; of Chrystoki.conf's directory only that file. */
static int setting_follow(struct finding_needs *n, const struct assign_line *line, struct fault *f)
{
	const bool directory = strcmp(line->name, "ChrystokiConfigurationPath") == 0;
	TEXT_AUTO path = { 0 };
	char end[PATH_MAX];

	for (const char *list = line->value; item_next(&list, &path);) {
		const char *at = text_string(&path);

		if (text_check(&path, f) < 0)
			return -1;
		if (at[0] != '/' || is_passing(at))
			continue;
		if ((directory            ? name_follow(n, at, path.length, "Chrystoki.conf", f)
		     : is_system_file(at) ? 0
					  : path_follow(n, at, end, f)) < 0)
			return -1;
	}
	return 0;
}

static int generic_follow(struct finding_needs *n, struct fault *f)
{
	ASSIGN_AUTO conf = { 0 };
	ASSIGN_AUTO env = { 0 };
	struct fault why = { 0 };

	if ((okv_lines_read(n->job->root, OKV_CONF, &conf, &why) < 0 && fs_absence(&why, f) < 0) ||
	    (okv_lines_read(n->job->root, OKV_ENV, &env, &why) < 0 && fs_absence(&why, f) < 0))
		return -1;
	const char *library = assign_value(&conf, "PKCS11_LIB_LOC");
	const char *environment = assign_value(&env, "LD_LIBRARY_PATH");
	origin_set(n, OKV_NEED_LIBRARY, assign_line_number(&conf, "PKCS11_LIB_LOC"), "PKCS11_LIB_LOC");
	int r = library != NULL ? library_follow(n, library, environment, f) : 0;
	/* The library that wiring will put there. */
	origin_set(n, OKV_NEED_CLIENT, 0, "PKCS11_LIB");
	if (r == 0 && (library == NULL || strcmp(library, n->job->settings->pkcs11_lib) != 0))
		r = library_follow(n, n->job->settings->pkcs11_lib, environment, f);
	for (size_t i = 0; r == 0 && i < env.count; i++) {
		if (env.lines[i].kind != ASSIGN_VALUE)
			continue;
		origin_set(n, OKV_NEED_SETTING, i + 1, env.lines[i].name);
		r = setting_follow(n, &env.lines[i], f);
	}
	return r;
}

/* Follows the full path of an entry, unless it is a log or belongs to the system. */
static int entry_follow(struct finding_needs *n, const struct chrystoki_line *line, struct fault *f)
{
	const char *path = line->value;
	char end[PATH_MAX];

	origin_set(n, OKV_NEED_ENTRY, n->line, line->name);
	if (text_starts(line->name, "LibUNIX"))
		return library_follow(n, path, NULL, f);
	if (chrystoki_spelling(line) == NULL && (is_log(line->name) || is_passing(path) || is_system_file(path)))
		return 0;
	return path_follow(n, path, end, f);
}

static int chrystoki_follow(struct finding_needs *n, struct fault *f)
{
	TEXT_SECRET_AUTO bytes = { 0 };
	CHRYSTOKI_AUTO conf = { 0 };
	bool there;

	if (fs_read_optional(n->job->root, n->job->settings->chrystoki_conf, &bytes, &there, f) < 0)
		return f->kind == FAULT_REFUSED ? 0 : -1;
	if (chrystoki_parse(&conf, text_string(&bytes), bytes.length, f) < 0)
		return -1;
	for (size_t i = 0; i < conf.count; i++) {
		const struct chrystoki_line *line = &conf.lines[i];
		n->line = i + 1;
		if (line->kind == CHRYSTOKI_ENTRY && line->value[0] == '/' && entry_follow(n, line, f) < 0)
			return -1;
	}
	return 0;
}

static int link_visit(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct finding_needs *n = context;
	char end[PATH_MAX];
	const size_t before = n->needs.count;

	(void)state;
	/* Neither files that others can write nor links of other users may decide what is preserved. */
	if (settings_is_scratch(n->job->settings, entry->path))
		return FS_WALK_PASS;
	if (S_ISDIR(entry->status->st_mode))
		return entry->mount ? FS_WALK_PASS : FS_WALK_ENTER;
	if (entry->status->st_uid != 0)
		return FS_WALK_PASS;
	origin_set(n, OKV_NEED_LINK, 0, entry->path);
	if (path_follow(n, entry->path, end, f) < 0)
		return -1;
	/* A link to a file of the system finds the next system's. */
	if (is_system_file(end) && strstr(entry->name, ".so") == NULL)
		needs_cut(n, before);
	return FS_WALK_PASS;
}

static bool link_wants(void *context, const void *state, const char *name, unsigned char type)
{
	(void)context;
	(void)state;
	(void)name;
	return type == DT_LNK || type == DT_DIR || type == DT_UNKNOWN;
}

static int client_follow(struct finding_needs *n, struct fault *f)
{
	const struct fs_walk walk = { .context = n, .wants = link_wants, .visit = link_visit };
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault absent = { 0 };

	if (fs_place_find(n->job->root, n->job->settings->client_dir, &place, &absent) < 0)
		return fs_absence(&absent, f);
	if (fs_walk(place.dir, place.leaf, place.path, NULL, &walk, &absent) < 0 && absent.kind != FAULT_ABSENT) {
		*f = absent;
		return -1;
	}
	return 0;
}

int okv_needs_find(const struct okv_job *job, struct okv_needs *ret_needs, struct fault *f)
{
	const struct settings *s = job->settings;
	const char *const always[] = { s->client_dir, s->chrystoki_conf, SETTINGS_PREFIX };
	struct finding_needs n = { .job = job, .needs = { .items = NULL } };
	char end[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(always) / sizeof(always[0]); i++) {
		origin_set(&n, OKV_NEED_CLIENT, 0, always[i]);
		/* Even if it does not exist: wiring may come before the client. */
		r = need_add(&n, always[i], f) < 0 ? -1 : path_follow(&n, always[i], end, f);
	}
	if (r == 0 && (generic_follow(&n, f) < 0 || chrystoki_follow(&n, f) < 0 || client_follow(&n, f) < 0))
		r = -1;
	preserved_done(&n.libraries);
	if (r < 0)
		okv_needs_done(&n.needs);
	else
		*ret_needs = n.needs;
	return r;
}
