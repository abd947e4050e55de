#include "upgrade/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/assign.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "fs/walk.h"
#include "okv/job.h"

enum { READ_TRIES = 3 };

/* --- the paths -------------------------------------------------------------------------------------------------- */

static int path_compare(const void *a, const void *b)
{
	return text_path_compare(*(char *const *)a, *(char *const *)b);
}

/* Adds the path in its plain form: one slash between names, none at the end. */
static int path_add(struct preserved *paths, const char *path, struct fault *f)
{
	const enum preserved_flaw flaw = preserved_judge(path);
	TEXT_AUTO plain = { 0 };

	/* Odd bytes are no reason not to look. */
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

static int paths_of_okv(int root, struct preserved *paths, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	ASSIGN_AUTO conf = { 0 };
	PRESERVED_AUTO listed = { 0 };
	struct fault why = { 0 };

	/* Without OKV's file there are our own paths; what is wrong with the file is said by okv_check. */
	if (fs_read_file(root, OKV_CONF, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &file, NULL, &why) < 0)
		return fs_absence(&why, f);
	if (assign_parse(&conf, text_string(&file), file.length, f) < 0)
		return -1;
	const struct assign_line *line = assign_find(&conf, "PRESERVED_FILES");
	if (line != NULL && preserved_parse(&listed, line->bytes + line->value_start, line->value_length, f) < 0)
		return -1;
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
	const char *start; /* the preserved path */
};

void scan_done(struct scan *scan)
{
	manifest_done(&scan->manifest);
}

static bool same_state(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Digest of the file and, in *st, the state in which it was read whole. */
static int file_digest(const struct walk *w, const struct fs_walk_entry *at, struct stat *st,
		       struct manifest_entry *entry, struct fault *f)
{
	struct fault why = { 0 };
	struct stat after;

	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		FS_AUTO int fd = -1;
		if (fs_file_open_at(at->dir, at->name, O_RDONLY, &fd, st, &why) < 0 ||
		    fs_sha256_descriptor(fd, at->path, entry->digest, &why) < 0)
			break;
		if (fstat(fd, &after) == 0 && same_state(st, &after)) {
			entry->has_digest = true;
			return 0;
		}
		(void)fault_incomplete(&why, "'%s' changes while it is read", SHOWN(at->path));
	}
	/* Without any provider of SHA-256 nothing can be proven: that is no matter of one file. */
	if (why.kind == FAULT_ABSENT && faccessat(at->dir, at->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		*f = why;
		return -1;
	}
	report_say(w->request->report, REPORT_WARNING, "no digest of '%s': %s", SHOWN(at->path), why.text);
	return 0;
}

static int entry_add(const struct walk *w, const struct fs_walk_entry *at, struct fault *f)
{
	struct stat st = *at->status;
	char target[PATH_MAX];

	if (S_ISLNK(st.st_mode)) {
		const ssize_t length = readlinkat(at->dir, at->name, target, sizeof(target) - 1);
		if (length < 0)
			return fault_errno(f, errno, "cannot read link '%s'", SHOWN(at->path));
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
	if (entry->type == MANIFEST_FILE && w->request->depth == SCAN_DIGESTS && file_digest(w, at, &st, entry, f) < 0)
		return -1;
	entry->size = entry->type == MANIFEST_FILE ? (uint64_t)st.st_size : 0;
	entry->uid = st.st_uid;
	entry->gid = st.st_gid;
	entry->mode = st.st_mode & 07777;
	return 0;
}

static int entry_visit(void *context, const void *state, const struct fs_walk_entry *at, struct fault *f)
{
	const struct walk *w = context;

	(void)state;
	if (strcmp(at->path, SETTINGS_VAR) == 0)
		return FS_WALK_PASS;
	if (at->mount && S_ISDIR(at->status->st_mode) && strcmp(at->path, w->start) != 0) {
		report_say(w->request->report, REPORT_WARNING, "'%s' is another file system and is not looked into",
			   SHOWN(at->path));
		return FS_WALK_PASS;
	}
	if (w->request->depth != SCAN_COUNT && entry_add(w, at, f) < 0)
		return -1;
	w->scan->entries++;
	if (S_ISREG(at->status->st_mode))
		w->scan->bytes += (uint64_t)at->status->st_size;
	return FS_WALK_ENTER;
}

/* mtree(5) wants every directory on the way down; whose they are is not ours to say. */
static int parents_add(struct manifest *manifest, const char *path, struct fault *f)
{
	TEXT_AUTO parent = { 0 };

	for (const char *at = path;; at++) {
		at = strchr(at, '/');
		if (at == NULL)
			return 0;
		text_reset(&parent);
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
	const struct fs_walk walk = { .context = &w, .visit = entry_visit };
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
	if (fs_walk(dir, leaf, path, NULL, &walk, &why) < 0 && why.kind != FAULT_ABSENT) {
		*f = why;
		return -1;
	}
	return 0;
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
	for (size_t i = 0; i < paths.count; i++)
		if (path_walk(request, paths.paths[i], &scan, f) < 0)
			return -1;
	if (manifest_sort(&scan.manifest, f) < 0)
		return -1;
	*ret_scan = scan;
	scan = (struct scan){ 0 };
	return 0;
}
