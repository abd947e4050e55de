#include "client/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/identity.h"
#include "client/layout.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "fs/walk.h"

enum { PIECE_SIZE = 64 * 1024 };

/* What is being recorded. */
struct recording {
	struct manifest *record;
	const struct client_content *content;
	const struct client_ownership *ownership;
	const char *prefix; /* the client's directory without its first slash */
};

static const char *prefix_of(const char *client_dir)
{
	return client_dir + strspn(client_dir, "/");
}

/* The directories above: whose they are is not our affair. */
static int above_add(struct manifest *record, const char *prefix, struct fault *f)
{
	char above[PATH_MAX];

	for (const char *slash = strchr(prefix, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(above, sizeof(above), "%.*s", (int)(slash - prefix), prefix);
		struct manifest_entry *e = manifest_add(record, above, NULL, f);
		if (e == NULL)
			return -1;
		e->type = MANIFEST_DIR;
	}
	return 0;
}

/* `path` is below the client's directory, "" itself. */
static struct manifest_entry *entry_add(const struct recording *r, const char *path, const char *target,
					enum manifest_type type, struct fault *f)
{
	char whole[PATH_MAX];

	(void)snprintf(whole, sizeof(whole), "%s%s%s", r->prefix, path[0] != '\0' ? "/" : "", path);
	struct manifest_entry *e = manifest_add(r->record, whole, target, f);
	if (e != NULL) {
		e->type = type;
		e->has_attributes = true;
	}
	return e;
}

/* --- of the archives ---------------------------------------------------------------------------------------------- */

static int directory_add(const struct recording *r, const char *path, struct fault *f)
{
	const struct client_rights rights = client_layout_rights(r->ownership, path, CLIENT_DIRECTORY);
	struct manifest_entry *e = entry_add(r, path, NULL, MANIFEST_DIR, f);

	if (e == NULL)
		return -1;
	e->gid = rights.gid;
	e->mode = rights.mode;
	return 0;
}

/* Those on the way to the path, unless the way to `before` has them already. */
static int parents_add(const struct recording *r, const char *before, const char *path, struct fault *f)
{
	char parent[LIMITS_PATH + 1];

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		const size_t length = (size_t)(slash - path);
		if (strncmp(before, path, length) == 0 && (before[length] == '/' || before[length] == '\0'))
			continue;
		memcpy(parent, path, length);
		parent[length] = '\0';
		if (directory_add(r, parent, f) < 0)
			return -1;
	}
	return 0;
}

static int link_add(void *context, const char *path, const char *target, struct fault *f)
{
	const struct recording *r = context;

	return parents_add(r, "", path, f) < 0 || entry_add(r, path, target, MANIFEST_LINK, f) == NULL ? -1 : 0;
}

static int file_add(const struct recording *r, const char *path, const struct unpack_entry *file, struct fault *f)
{
	const struct client_rights rights =
		client_layout_rights(r->ownership, path, file->secret ? CLIENT_SECRET : CLIENT_PLAIN);
	struct manifest_entry *e = entry_add(r, path, NULL, MANIFEST_FILE, f);

	if (e == NULL)
		return -1;
	e->gid = rights.gid;
	e->mode = rights.mode;
	e->size = file->size;
	e->has_digest = true;
	memcpy(e->digest, file->sha256, sizeof(e->digest));
	return 0;
}

static int unpacked_add(const struct recording *r, const struct unpack_entry *e, const char *path, struct fault *f)
{
	switch (e->type) {
	case UNPACK_DIRECTORY:
		return directory_add(r, path, f);
	case UNPACK_LINK:
		return entry_add(r, path, e->target, MANIFEST_LINK, f) == NULL ? -1 : 0;
	case UNPACK_HARD_LINK:
	case UNPACK_FILE:
		break;
	}
	return file_add(r, path, e, f);
}

static int all_unpacked_add(const struct recording *r, struct fault *f)
{
	char before[LIMITS_PATH + 1] = "", path[LIMITS_PATH + 1];

	for (size_t i = 0; i < r->content->unpacked.count; i++) {
		const struct unpack_entry *e = &r->content->unpacked.entries[i];
		if (!client_layout_path(r->content, e->path, path) || client_is_identity(path))
			continue;
		if (parents_add(r, before, path, f) < 0 || unpacked_add(r, e, path, f) < 0)
			return -1;
		memcpy(before, path, sizeof(before));
	}
	return 0;
}

static int entry_order(const void *a, const void *b)
{
	const struct manifest_entry *left = a, *right = b;

	return text_path_compare(left->path, right->path);
}

/* A directory can be the archive's, implied and ours, and is the same whichever of them it is. */
static void doubles_drop(struct manifest *record)
{
	size_t kept = 0;

	qsort(record->entries, record->count, sizeof(record->entries[0]), entry_order);
	for (size_t i = 0; i < record->count; i++) {
		struct manifest_entry *e = &record->entries[i];
		if (kept == 0 || strcmp(record->entries[kept - 1].path, e->path) != 0) {
			record->entries[kept++] = *e;
			continue;
		}
		free(e->path);
		free(e->target);
	}
	record->count = kept;
}

int client_record_make(const struct client_content *content, const struct client_ownership *ownership,
		       const char *client_dir, struct manifest *ret_record, struct fault *f)
{
	MANIFEST_AUTO record = { 0 };
	struct recording r = {
		.record = &record, .content = content, .ownership = ownership, .prefix = prefix_of(client_dir)
	};

	if (above_add(&record, r.prefix, f) < 0 || directory_add(&r, "", f) < 0 || all_unpacked_add(&r, f) < 0 ||
	    client_layout_links(content, link_add, &r, f) < 0)
		return -1;
	for (const char *const *path = client_layout_directories; *path != NULL; path++)
		if (!client_is_identity(*path) && directory_add(&r, *path, f) < 0)
			return -1;
	doubles_drop(&record);
	*ret_record = record;
	record = (struct manifest){ 0 };
	return 0;
}

/* --- of the disk -------------------------------------------------------------------------------------------------- */

static int file_read(const struct fs_walk_entry *entry, const char *path, struct manifest_entry *e, struct fault *f)
{
	FS_AUTO int fd = -1;

	e->size = (uint64_t)entry->status->st_size;
	e->has_digest = true;
	return fs_file_open_at(entry->dir, entry->name, O_RDONLY, &fd, NULL, f) < 0
		       ? -1
		       : fs_sha256_descriptor(fd, path, e->digest, f);
}

static int entry_read(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	const struct recording *r = context;
	const struct stat *status = entry->status;
	const char *path = entry->path + strspn(entry->path, "/");
	const enum manifest_type type = S_ISDIR(status->st_mode)   ? MANIFEST_DIR
					: S_ISLNK(status->st_mode) ? MANIFEST_LINK
					: S_ISREG(status->st_mode) ? MANIFEST_FILE
								   : MANIFEST_OTHER;
	char target[PATH_MAX];

	(void)state;
	if (client_is_identity(path))
		return FS_WALK_PASS;
	if (type == MANIFEST_LINK) {
		const ssize_t length = readlinkat(entry->dir, entry->name, target, sizeof(target) - 1);
		if (length < 0)
			return fault_system(f, errno, "cannot read link '%s'", SHOWN(path));
		target[length] = '\0';
	}
	struct manifest_entry *e = entry_add(r, path, type == MANIFEST_LINK ? target : NULL, type, f);
	if (e == NULL)
		return -1;
	e->uid = status->st_uid;
	e->gid = status->st_gid;
	e->mode = status->st_mode & 07777;
	if (type == MANIFEST_FILE && file_read(entry, path, e, f) < 0)
		return -1;
	return type == MANIFEST_DIR ? FS_WALK_ENTER : FS_WALK_PASS;
}

int client_record_read(int client, const char *client_dir, struct manifest *ret_record, struct fault *f)
{
	MANIFEST_AUTO record = { 0 };
	struct recording r = { .record = &record, .prefix = prefix_of(client_dir) };
	const struct fs_walk walk = { .context = &r, .visit = entry_read };

	if (above_add(&record, r.prefix, f) < 0 || fs_walk(client, ".", "", NULL, &walk, f) < 0 ||
	    manifest_sort(&record, f) < 0)
		return -1;
	*ret_record = record;
	record = (struct manifest){ 0 };
	return 0;
}

/* --- compared and written ----------------------------------------------------------------------------------------- */

static int content_matches(int dir, const char *leaf, const struct manifest_entry *e, bool *ret_same, struct fault *f)
{
	unsigned char digest[SHA256_SIZE];
	struct fault cause = { 0 };
	FS_AUTO int fd = -1;

	if (fs_file_open_at(dir, leaf, O_RDONLY, &fd, NULL, &cause) < 0)
		return fs_absence(&cause, f);
	if (fs_sha256_descriptor(fd, leaf, digest, f) < 0)
		return -1;
	*ret_same = memcmp(digest, e->digest, sizeof(digest)) == 0;
	return 0;
}

/* *ret_same is false beforehand. */
static int entry_matches(int client, const char *path, const struct manifest_entry *e, bool *ret_same, struct fault *f)
{
	static const mode_t types[] = {
		[MANIFEST_FILE] = S_IFREG, [MANIFEST_DIR] = S_IFDIR, [MANIFEST_LINK] = S_IFLNK
	};
	FS_AUTO int dir = -1;
	struct fault cause = { 0 };
	char leaf[FS_NAME_SIZE], target[PATH_MAX];
	struct stat status;

	if (path[0] == '\0') {
		if (fstat(client, &status) < 0)
			return fault_system(f, errno, "cannot look at the client");
	} else if (fs_parent_open(client, path, FS_NOFOLLOW, &dir, leaf, &cause) < 0) {
		return fs_absence(&cause, f);
	} else if (fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at '%s'", SHOWN(path));
	}
	if ((status.st_mode & S_IFMT) != types[e->type] || status.st_uid != e->uid || status.st_gid != e->gid ||
	    (e->type != MANIFEST_LINK && (status.st_mode & 07777) != e->mode))
		return 0;
	if (e->type == MANIFEST_FILE)
		return (uint64_t)status.st_size != e->size || status.st_nlink != 1
			       ? 0
			       : content_matches(dir, leaf, e, ret_same, f);
	*ret_same = true;
	if (e->type == MANIFEST_LINK) {
		const ssize_t length = readlinkat(dir, leaf, target, sizeof(target));
		if (length < 0)
			return fault_system(f, errno, "cannot read link '%s'", SHOWN(path));
		*ret_same = text_equal(target, (size_t)length, e->target);
	}
	return 0;
}

int client_record_matches(int client, const char *client_dir, const struct manifest *record, bool *ret_same,
			  struct fault *f)
{
	const size_t prefix = strlen(prefix_of(client_dir));
	bool same = true;

	for (size_t i = 0; same && i < record->count; i++) {
		const struct manifest_entry *e = &record->entries[i];
		if (!e->has_attributes)
			continue;
		const char *path = e->path + prefix;
		same = false;
		if (entry_matches(client, path + strspn(path, "/"), e, &same, f) < 0)
			return -1;
	}
	*ret_same = same;
	return 0;
}

/* Is it one of the lines? */
static bool holds_line(const struct text *lines, const char *wanted)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line);)
		if (text_equal(line.bytes, line.length, wanted))
			return true;
	return false;
}

struct extra {
	const struct manifest *record;
	const struct text *carried;
	const char *prefix;
	struct text *paths;
};

static int extra_find(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	const struct extra *x = context;
	const char *path = entry->path + strspn(entry->path, "/");
	char whole[PATH_MAX];

	(void)state;
	(void)f;
	if (client_is_identity(path))
		return FS_WALK_PASS;
	if (S_ISDIR(entry->status->st_mode))
		return FS_WALK_ENTER;
	(void)snprintf(whole, sizeof(whole), "%s/%s", x->prefix, path);
	if (manifest_find(x->record, whole) == NULL && !holds_line(x->carried, path))
		text_add_format(x->paths, "%s\n", path);
	return FS_WALK_PASS;
}

int client_record_extra(int client, const char *client_dir, const struct manifest *record, const struct text *carried,
			struct text *paths, struct fault *f)
{
	struct extra x = { .record = record, .carried = carried, .prefix = prefix_of(client_dir), .paths = paths };
	const struct fs_walk walk = { .context = &x, .visit = extra_find };

	return fs_walk(client, ".", "", NULL, &walk, f) < 0 ? -1 : text_check(paths, f);
}

int client_record_write(int root, const struct manifest *record, const char *comment, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	FS_AUTO int dir = -1;
	TEXT_AUTO text = { 0 };
	char leaf[FS_NAME_SIZE];

	if (fs_dirs_make(root, SETTINGS_PREFIX, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dirs_make(root, SETTINGS_VAR, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_parent_open(root, CLIENT_RECORD, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0 ||
	    fs_stage_begin(dir, leaf, &how, &stage, f) < 0)
		return -1;
	manifest_head_print(comment, &text);
	for (size_t i = 0; i < record->count; i++) {
		manifest_entry_print(&record->entries[i], &text);
		if (text.length < PIECE_SIZE && !text.failed && i + 1 < record->count)
			continue;
		if (text_check(&text, f) < 0 || fs_write(stage.fd, CLIENT_RECORD, text.bytes, text.length, f) < 0)
			return -1;
		text_cut(&text, 0);
	}
	return fs_stage_commit(&stage, f);
}
