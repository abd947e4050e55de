#include "upgrade/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/assign.h"
#include "fs/each.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "okv/job.h"

enum { DEPTH_MAX = 256, READ_TRIES = 3 };

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
	struct text path; /* of the entry at hand, below the root, without a leading slash */
	dev_t device;
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
static int file_digest(struct walk *w, int dir, const char *leaf, struct stat *st, struct manifest_entry *entry,
		       struct fault *f)
{
	const char *path = text_string(&w->path);
	struct fault why = { 0 };
	struct stat after;

	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		FS_AUTO int fd = -1;
		if (fs_file_open_at(dir, leaf, O_RDONLY, &fd, st, &why) < 0 ||
		    fs_sha256_descriptor(fd, path, entry->digest, &why) < 0)
			break;
		if (fstat(fd, &after) == 0 && same_state(st, &after)) {
			entry->has_digest = true;
			entry->size = (uint64_t)st->st_size;
			return 0;
		}
		(void)fault_incomplete(&why, "'/%s' changes while it is read", SHOWN(path));
	}
	/* Without any provider of SHA-256 nothing can be proven: that is no matter of one file. */
	if (why.kind == FAULT_ABSENT && faccessat(dir, leaf, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		*f = why;
		return -1;
	}
	report_say(w->request->report, REPORT_WARNING, "no digest of '/%s': %s", SHOWN(path), why.text);
	return 0;
}

static int entry_add(struct walk *w, int dir, const char *leaf, struct stat *st, struct fault *f)
{
	char target[PATH_MAX];

	if (S_ISLNK(st->st_mode)) {
		const ssize_t length = readlinkat(dir, leaf, target, sizeof(target) - 1);
		if (length < 0)
			return fault_errno(f, errno, "cannot read link '/%s'", SHOWN(text_string(&w->path)));
		target[length] = '\0';
	}
	struct manifest_entry *entry =
		manifest_add(&w->scan->manifest, text_string(&w->path), S_ISLNK(st->st_mode) ? target : NULL, f);
	if (entry == NULL)
		return -1;
	entry->type = S_ISREG(st->st_mode)   ? MANIFEST_FILE
		      : S_ISDIR(st->st_mode) ? MANIFEST_DIR
		      : S_ISLNK(st->st_mode) ? MANIFEST_LINK
					     : MANIFEST_OTHER;
	entry->has_attributes = true;
	entry->size = entry->type == MANIFEST_FILE ? (uint64_t)st->st_size : 0;
	if (entry->type == MANIFEST_FILE && w->request->depth == SCAN_DIGESTS &&
	    file_digest(w, dir, leaf, st, entry, f) < 0)
		return -1;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->mode = st->st_mode & 07777;
	return 0;
}

static int walk_entry(struct walk *w, int dir, const char *leaf, bool top, unsigned depth, struct fault *f);

static int walk_directory(struct walk *w, int dir, const char *leaf, unsigned depth, struct fault *f)
{
	const size_t length = w->path.length;

	if (depth >= DEPTH_MAX)
		return fault_refused(f, "'/%s' lies more than %d directories deep", SHOWN(text_string(&w->path)),
				     DEPTH_MAX);
	FS_AUTO int fd = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		/* Gone meanwhile, or no longer a directory: as if it had been so at the look. */
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
			return 0;
		return fault_errno(f, errno, "cannot open directory '/%s'", SHOWN(text_string(&w->path)));
	}
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int more = fs_each_open(fd, leaf, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		text_add_char(&w->path, '/');
		text_add_string(&w->path, entry.name);
		if (text_check(&w->path, f) < 0 || walk_entry(w, fd, entry.name, false, depth + 1, f) < 0)
			return -1;
		w->path.length = length;
		w->path.bytes[length] = '\0';
	}
	return more < 0 ? fault_prefix(f, "'/%s': ", SHOWN(text_string(&w->path))) : 0;
}

static int walk_entry(struct walk *w, int dir, const char *leaf, bool top, unsigned depth, struct fault *f)
{
	struct stat st;

	if (strcmp(text_string(&w->path), &SETTINGS_VAR[1]) == 0)
		return 0;
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return fault_errno(f, errno, "cannot look at '/%s'", SHOWN(text_string(&w->path)));
	}
	if (top)
		w->device = st.st_dev;
	else if (S_ISDIR(st.st_mode) && st.st_dev != w->device) {
		report_say(w->request->report, REPORT_WARNING, "'/%s' is another file system and is not looked into",
			   SHOWN(text_string(&w->path)));
		return 0;
	}
	if (w->request->depth != SCAN_COUNT && entry_add(w, dir, leaf, &st, f) < 0)
		return -1;
	w->scan->entries++;
	if (S_ISREG(st.st_mode))
		w->scan->bytes += (uint64_t)st.st_size;
	return S_ISDIR(st.st_mode) ? walk_directory(w, dir, leaf, depth, f) : 0;
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

static int paths_walk(struct walk *w, const struct preserved *paths, struct fault *f)
{
	for (size_t i = 0; i < paths->count; i++) {
		FS_AUTO int dir = -1;
		char leaf[FS_NAME_SIZE];
		struct fault why = { 0 };
		struct stat st;

		if (fs_parent_open(w->request->root, paths->paths[i], FS_FOLLOW_TRUSTED, &dir, leaf, &why) < 0) {
			if (fs_absence(&why, f) < 0)
				return -1;
			if (why.kind != FAULT_ABSENT)
				report_say(w->request->report, REPORT_WARNING, "%s", why.text);
			continue;
		}
		if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return fault_errno(f, errno, "cannot look at '%s'", SHOWN(paths->paths[i]));
		}
		if (w->request->depth != SCAN_COUNT && parents_add(&w->scan->manifest, paths->paths[i] + 1, f) < 0)
			return -1;
		text_reset(&w->path);
		text_add_string(&w->path, paths->paths[i] + 1);
		if (text_check(&w->path, f) < 0 || walk_entry(w, dir, leaf, true, 0, f) < 0)
			return -1;
	}
	return 0;
}

int scan_preserved(const struct scan_request *request, struct scan *ret_scan, struct fault *f)
{
	PRESERVED_AUTO paths = { 0 };
	SCAN_AUTO scan = { 0 };
	struct walk w = { .request = request, .scan = &scan };

	if (scan_paths(request->root, request->settings, &paths, f) < 0)
		return -1;
	if (request->depth != SCAN_COUNT) {
		struct manifest_entry *top = manifest_add(&scan.manifest, "", NULL, f);
		if (top == NULL)
			return -1;
		top->type = MANIFEST_DIR;
	}
	const int r = paths_walk(&w, &paths, f);
	text_done(&w.path);
	if (r < 0 || manifest_sort(&scan.manifest, f) < 0)
		return -1;
	*ret_scan = scan;
	scan = (struct scan){ 0 };
	return 0;
}
