#include "upgrade/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "fs/walk.h"
#include "hsm/library.h"
#include "upgrade/autostart.h"
#include "okv/job.h"

enum { READ_TRIES = 3, LINES_MAX = 8 * 1024, LONG_FILE = 1 << 20 };

/* --- the paths -------------------------------------------------------------------------------------------------- */

static int path_compare(const void *a, const void *b)
{
	return text_path_compare(*(char *const *)a, *(char *const *)b);
}

/* Adds the path with one slash between names and none at the end. */
static int path_add(struct preserved *paths, const char *path, struct fault *f)
{
	const enum preserved_flaw flaw = preserved_judge(path);
	TEXT_AUTO plain = { 0 };

	/* We can scan a path with unusual bytes, even if OKV may not preserve it. */
	if ((flaw != PRESERVED_FLAW_NONE && flaw != PRESERVED_FLAW_BYTES) || path[0] != '/' || strlen(path) >= PATH_MAX)
		return 0;
	for (const char *at = path; *(at += strspn(at, "/")) != '\0';) {
		const size_t name = strcspn(at, "/");
		text_add_char(&plain, '/');
		text_add(&plain, at, name);
		at += name;
	}
	return text_check(&plain, f) < 0 ? -1 : preserved_add(paths, text_string(&plain), f);
}

int scan_listed(int root, struct preserved *ret_listed, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };

	return hsm_library_lines(root, OKV_CONF, &lines, f) < 0
		       ? -1
		       : preserved_parse(ret_listed, assign_value(&lines, "PRESERVED_FILES"), f);
}

static int paths_of_okv(int root, struct preserved *paths, struct fault *f)
{
	PRESERVED_AUTO listed = { 0 };
	struct fault why = { 0 };

	/* No such file: our own paths remain, and okv_check() reports it. */
	if (scan_listed(root, &listed, &why) < 0)
		return fs_absence(&why, f);
	for (size_t i = 0; i < listed.count; i++)
		if (path_add(paths, listed.paths[i], f) < 0)
			return -1;
	return 0;
}

int scan_paths(int root, const struct settings *settings, struct preserved *ret_paths, struct fault *f)
{
	PRESERVED_AUTO paths = { 0 };
	const char *const own[] = { settings->client_dir, settings->chrystoki_conf, settings->pkcs11_lib,
				    SETTINGS_PREFIX };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (path_add(&paths, own[i], f) < 0)
			return -1;
	if (paths_of_okv(root, &paths, f) < 0)
		return -1;
	preserved_reduce(&paths);
	qsort(paths.paths, paths.count, sizeof(paths.paths[0]), path_compare);
	*ret_paths = paths;
	paths = (struct preserved){ 0 };
	return 0;
}

/* --- the walk --------------------------------------------------------------------------------------------------- */

struct walk {
	const struct scan_request *request;
	struct scan *scan;
	const char *start;    /* the preserved path */
	size_t scratch;       /* number of entries where others may write */
	struct fault trouble; /* the first failure, except where others may write */
};

void scan_done(struct scan *scan)
{
	manifest_done(&scan->manifest);
	text_done(&scan->largest_path);
}

static bool same_state(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Also sets *st to the file's status at the time of the digest. */
static int file_digest(const struct walk *w, const struct fs_walk_entry *at, struct stat *st,
		       struct manifest_entry *entry, struct fault *f)
{
	struct fault why = { 0 };
	struct stat after;

	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		FS_AUTO int fd = -1;
		if (fs_name_open(FS_NAME(at->dir, at->name, at->path), O_RDONLY, &fd, st, &why) < 0 ||
		    fs_sha256_descriptor(fd, at->path, entry->digest, &why) < 0)
			break;
		if (fstat(fd, &after) == 0 && same_state(st, &after)) {
			entry->has_digest = true;
			return 0;
		}
		(void)fault_incomplete(&why, "it is being written");
	}
	/* The file exists, so FAULT_ABSENT is about SHA-256: no other file can get a digest either. */
	if (why.kind == FAULT_ABSENT && faccessat(at->dir, at->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		*f = why;
		return -1;
	}
	report_say(w->request->report, REPORT_WARNING, "cannot compute the SHA-256 of '%s': %s", SHOWN(at->path),
		   why.text);
	return 0;
}

static void entry_miss(void *context, const char *path, const struct fault *trouble)
{
	struct walk *w = context;

	if (settings_is_scratch(w->request->settings, path))
		report_say(w->request->report, REPORT_WARNING, "%s", trouble->text);
	else if (w->trouble.kind == FAULT_NONE)
		w->trouble = *trouble;
}

static bool needs_digest(const struct scan_request *request, const struct fs_walk_entry *at)
{
	if (request->depth != SCAN_DIGESTS || settings_is_scratch(request->settings, at->path))
		return false;
	if (request->known == NULL || at->status->st_size <= LONG_FILE)
		return true;
	const struct manifest_entry *known = manifest_find(request->known, at->path + 1);
	return known != NULL && known->type == MANIFEST_FILE && known->size == (uint64_t)at->status->st_size;
}

static int entry_add(struct walk *w, const struct fs_walk_entry *at, struct fault *f)
{
	struct stat st = *at->status;
	char target[PATH_MAX];

	if (S_ISLNK(st.st_mode)) {
		const ssize_t length = readlinkat(at->dir, at->name, target, sizeof(target) - 1);
		if (length < 0) {
			/* Others may have replaced it, where they may write. */
			struct fault trouble = { 0 };
			(void)fault_errno(&trouble, errno, "cannot read link '%s'", SHOWN(at->path));
			entry_miss(w, at->path, &trouble);
			return 0;
		}
		target[length] = '\0';
	}
	struct manifest_entry *entry =
		manifest_add(&w->scan->manifest, at->path + 1, S_ISLNK(st.st_mode) ? target : NULL, f);
	if (entry == NULL)
		return -1;
	entry->type = S_ISREG(st.st_mode)   ? MANIFEST_FILE
		      : S_ISDIR(st.st_mode) ? MANIFEST_DIR
		      : S_ISLNK(st.st_mode) ? MANIFEST_LINK
					    : MANIFEST_OTHER;
	entry->has_attributes = true;
	if (entry->type == MANIFEST_FILE && needs_digest(w->request, at) && file_digest(w, at, &st, entry, f) < 0)
		return -1;
	entry->size = entry->type == MANIFEST_FILE ? (uint64_t)st.st_size : 0;
	entry->uid = st.st_uid;
	entry->gid = st.st_gid;
	entry->mode = st.st_mode & 07777;
	return 0;
}

/* Others could create any number of entries here: list a limited number and say so. */
static enum fs_walk_next scratch_visit(struct walk *w, const struct fs_walk_entry *at)
{
	size_t depth = 0;

	if (w->scratch++ == SETTINGS_SCRATCH_ENTRIES && w->request->depth == SCAN_DIGESTS)
		report_say(w->request->report, REPORT_WARNING, "more than %d entries in '%s'; the rest is not listed",
			   SETTINGS_SCRATCH_ENTRIES, SHOWN(w->start));
	for (const char *slash = at->path; (slash = strchr(slash, '/')) != NULL; slash++)
		depth++;
	return w->scratch > SETTINGS_SCRATCH_ENTRIES || depth > SETTINGS_SCRATCH_DEPTH ? FS_WALK_PASS : FS_WALK_ENTER;
}

static void file_count(struct scan *scan, const struct fs_walk_entry *at)
{
	const uint64_t size = (uint64_t)at->status->st_size;

	scan->bytes += size;
	if (size <= scan->largest)
		return;
	scan->largest = size;
	text_cut(&scan->largest_path, 0);
	text_add_string(&scan->largest_path, at->path);
}

static int entry_visit(void *context, const void *state, const struct fs_walk_entry *at, struct fault *f)
{
	struct walk *w = context;
	const bool scratch = settings_is_scratch(w->request->settings, at->path);

	(void)state;
	if (scratch && scratch_visit(w, at) == FS_WALK_PASS)
		return FS_WALK_PASS;
	if (strcmp(at->path, SETTINGS_VAR) == 0)
		return FS_WALK_PASS;
	if (at->mount && S_ISDIR(at->status->st_mode) && strcmp(at->path, w->start) != 0) {
		report_say(w->request->report, REPORT_WARNING, "'%s' is a mount point and is not entered",
			   SHOWN(at->path));
		return FS_WALK_PASS;
	}
	if (w->request->depth != SCAN_COUNT && entry_add(w, at, f) < 0)
		return -1;
	w->scan->entries++;
	if (S_ISREG(at->status->st_mode) && !scratch)
		file_count(w->scan, at);
	return FS_WALK_ENTER;
}

/* mtree(5) needs all parent directories.  They have no attributes here, because they are not compared. */
static int parents_add(struct manifest *manifest, const char *path, struct fault *f)
{
	TEXT_AUTO parent = { 0 };

	for (const char *at = path;; at++) {
		at = strchr(at, '/');
		if (at == NULL)
			return 0;
		text_cut(&parent, 0);
		text_add(&parent, path, (size_t)(at - path));
		if (text_check(&parent, f) < 0)
			return -1;
		bool there = false;
		for (size_t i = manifest->count; !there && i-- > 0;)
			there = !manifest->entries[i].has_attributes &&
				strcmp(manifest->entries[i].path, text_string(&parent)) == 0;
		if (there)
			continue;
		struct manifest_entry *entry = manifest_add(manifest, text_string(&parent), NULL, f);
		if (entry == NULL)
			return -1;
		entry->type = MANIFEST_DIR;
	}
}

static int path_walk(const struct scan_request *request, const char *path, struct scan *scan, struct fault *f)
{
	struct walk w = { .request = request, .scan = scan, .start = path };
	const struct fs_walk walk = { .context = &w, .visit = entry_visit, .miss = entry_miss };
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	struct fault why = { 0 };

	if (fs_parent_open(request->root, path, FS_FOLLOW_TRUSTED, &dir, leaf, &why) < 0) {
		if (fs_absence(&why, f) < 0)
			return -1;
		if (why.kind != FAULT_ABSENT)
			report_say(request->report, REPORT_WARNING, "%s", why.text);
		return 0;
	}
	if (faccessat(dir, leaf, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	if (request->depth != SCAN_COUNT && parents_add(&scan->manifest, path + 1, f) < 0)
		return -1;
	if (fs_walk(dir, leaf, path, NULL, &walk, &why) == 0)
		why = w.trouble;
	if (why.kind == FAULT_NONE || why.kind == FAULT_ABSENT)
		return 0;
	*f = why;
	return -1;
}

int scan_preserved(const struct scan_request *request, struct scan *ret_scan, struct fault *f)
{
	PRESERVED_AUTO paths = { 0 };
	SCAN_AUTO scan = { 0 };

	if (scan_paths(request->root, request->settings, &paths, f) < 0)
		return -1;
	if (request->depth != SCAN_COUNT) {
		struct manifest_entry *top = manifest_add(&scan.manifest, "", NULL, f);
		if (top == NULL)
			return -1;
		top->type = MANIFEST_DIR;
	}
	/* Not the link that starts post-upgrade: post-upgrade itself removes it. */
	for (size_t i = 0; i < paths.count; i++)
		if (strcmp(paths.paths[i], AUTOSTART_UNIT_WANTED) != 0 &&
		    path_walk(request, paths.paths[i], &scan, f) < 0)
			return -1;
	if (manifest_sort(&scan.manifest, f) < 0 || text_check(&scan.largest_path, f) < 0)
		return -1;
	*ret_scan = scan;
	scan = (struct scan){ 0 };
	return 0;
}

/* --- comparison --------------------------------------------------------------------------------------------------- */

void scan_differences_done(struct scan_differences *differences)
{
	text_done(&differences->lost.lines);
	text_done(&differences->others.lines);
}

static bool attributes_differ(const struct manifest_entry *old, const struct manifest_entry *now)
{
	return old->has_attributes && now->has_attributes && old->type != MANIFEST_LINK &&
	       (old->uid != now->uid || old->gid != now->gid || old->mode != now->mode);
}

static bool is_below(const char *path, const char *directory, const char *more)
{
	/* Settings have a leading slash, manifests have none. */
	const size_t length = strlen(directory + 1);

	if (strncmp(path, directory + 1, length) != 0)
		return false;
	const size_t extra = strlen(more);
	return strncmp(path + length, more, extra) == 0 &&
	       (path[length + extra] == '/' || path[length + extra] == '\0');
}

static enum step_severity severity_of(const struct settings *settings, bool is_new, const char *path)
{
	if (is_new || settings_is_scratch(settings, path) || is_below(path, settings->client_dir, "/data"))
		return STEP_INFO;
	if (text_ends(path, "/token.db"))
		return STEP_LOW;
	if (is_below(path, SETTINGS_PREFIX, ""))
		return is_below(path, SETTINGS_PREFIX, "/etc") ? STEP_MEDIUM : STEP_LOW;
	return STEP_HIGH;
}

static void digest_add(const struct manifest_entry *entry, struct text *out)
{
	text_add_format(out, "%llu bytes", (unsigned long long)entry->size);
	if (!entry->has_digest)
		return;
	text_add_string(out, " with SHA-256 ");
	for (size_t i = 0; i < 6; i++)
		text_add_format(out, "%02x", entry->digest[i]);
	text_add_string(out, "...");
}

/* Adds how the entries differ; false: they do not.  NULL: not in that manifest. */
static bool difference_add(const struct settings *settings, const struct manifest_entry *old,
			   const struct manifest_entry *now, struct text *out)
{
	static const char *const types[] = { "a file", "a directory", "a link", "something else" };

	if (old == NULL || now == NULL) {
		text_add_format(out, now == NULL ? "is missing (%s before)" : "is new (%s)",
				types[(old != NULL ? old : now)->type]);
		return true;
	}
	const bool resized = now->has_attributes && old->size != now->size;
	const bool unread = !old->has_digest || !now->has_digest; /* one of the two could not be read */
	if (old->type != now->type) {
		text_add_format(out, "is %s, and was %s before", types[now->type], types[old->type]);
	} else if (old->type == MANIFEST_LINK && strcmp(old->target, now->target) != 0) {
		text_add_format(out, "leads to '%s', and led to '%s' before", SHOWN(now->target), SHOWN(old->target));
	} else if (old->type != MANIFEST_FILE || !old->has_attributes) {
		return false;
	} else if (resized || (!unread && memcmp(old->digest, now->digest, sizeof(old->digest)) != 0)) {
		text_add_string(out, "has different content: ");
		digest_add(now, out);
		text_add_string(out, ", and before ");
		digest_add(old, out);
	} else if (unread && !settings_is_scratch(settings, old->path)) {
		text_add_format(out, "could not be read %s", old->has_digest ? "now" : "before the upgrade");
	} else {
		return false;
	}
	return true;
}

static void list_add(struct scan_list *list, enum step_severity severity, const char *path, const struct text *what)
{
	TEXT_AUTO line = { 0 };

	text_add_format(&line, "'/%s' %s\n", SHOWN(path), text_string(what));
	list->count++;
	if (severity > list->severity)
		list->severity = severity;
	if (list->lines.length + line.length <= LINES_MAX)
		text_add_string(&list->lines, text_string(&line));
}

void scan_compare(const struct manifest *old, const struct manifest *now, const struct settings *settings,
		  enum step_severity most, struct scan_differences *differences)
{
	size_t i = 0, k = 0;

	while (i < old->count || k < now->count) {
		const struct manifest_entry *left = i < old->count ? &old->entries[i] : NULL;
		const struct manifest_entry *right = k < now->count ? &now->entries[k] : NULL;
		const int order = left == NULL ? 1 : right == NULL ? -1 : text_path_compare(left->path, right->path);
		const char *path = (order <= 0 ? left : right)->path;
		TEXT_AUTO what = { 0 };

		if (difference_add(settings, order <= 0 ? left : NULL, order >= 0 ? right : NULL, &what)) {
			enum step_severity severity = severity_of(settings, order > 0, path);
			if (severity > most)
				severity = most;
			list_add(severity == STEP_HIGH ? &differences->lost : &differences->others, severity, path,
				 &what);
		} else {
			differences->same++;
			differences->attributes += attributes_differ(left, right);
		}
		i += order <= 0;
		k += order >= 0;
	}
}
