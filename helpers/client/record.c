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

/* The manifest being made. */
struct recording {
	struct manifest *record;
	const struct client_content *content;
	const struct client_ownership *ownership;
	const char *prefix; /* client_dir without its leading slash */
};

static const char *prefix_of(const char *client_dir)
{
	return client_dir + strspn(client_dir, "/");
}

/* Directories above the client's: without attributes, because they are not ours. */
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

/* `path` is below the client's directory; "" is that directory. */
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

/* Adds the parents of the path, except those that it shares with `before`. */
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

/* A directory can come from the archive, from a path below it, and from our list: keep one, they are the same. */
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

static enum manifest_type type_of(const struct stat *status)
{
	return S_ISDIR(status->st_mode)   ? MANIFEST_DIR
	       : S_ISLNK(status->st_mode) ? MANIFEST_LINK
	       : S_ISREG(status->st_mode) ? MANIFEST_FILE
					  : MANIFEST_OTHER;
}

static int target_read(const struct fs_walk_entry *entry, char ret_target[PATH_MAX], struct fault *f)
{
	const ssize_t length = readlinkat(entry->dir, entry->name, ret_target, PATH_MAX - 1);

	if (length < 0)
		return fault_system(f, errno, "cannot read link '%s'", SHOWN(entry->path));
	ret_target[length] = '\0';
	return 0;
}

static int digest_read(const struct fs_walk_entry *entry, unsigned char ret_digest[SHA256_SIZE], struct fault *f)
{
	FS_AUTO int fd = -1;

	return fs_name_open(FS_NAME(entry->dir, entry->name, entry->path), O_RDONLY, &fd, NULL, f) < 0
		       ? -1
		       : fs_sha256_descriptor(fd, entry->path, ret_digest, f);
}

static int entry_read(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	const struct recording *r = context;
	const struct stat *status = entry->status;
	const char *path = entry->path + strspn(entry->path, "/");
	const enum manifest_type type = type_of(status);
	char target[PATH_MAX];

	(void)state;
	if (client_is_identity(path))
		return FS_WALK_PASS;
	if (type == MANIFEST_LINK && target_read(entry, target, f) < 0)
		return -1;
	struct manifest_entry *e = entry_add(r, path, type == MANIFEST_LINK ? target : NULL, type, f);
	if (e == NULL)
		return -1;
	e->uid = status->st_uid;
	e->gid = status->st_gid;
	e->mode = status->st_mode & 07777;
	e->has_digest = type == MANIFEST_FILE;
	e->size = e->has_digest ? (uint64_t)status->st_size : 0;
	if (e->has_digest && digest_read(entry, e->digest, f) < 0)
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

struct comparison {
	const struct manifest *record;
	const struct text *carried;
	const char *prefix;
	size_t met; /* entries of the record that were found */
	bool same;
	struct text *extra;
};

static int entry_matches(const struct fs_walk_entry *entry, const struct manifest_entry *e, bool *ret_same,
			 struct fault *f)
{
	const struct stat *status = entry->status;
	unsigned char digest[SHA256_SIZE];
	char target[PATH_MAX];

	*ret_same = type_of(status) == e->type && status->st_uid == e->uid && status->st_gid == e->gid &&
		    (e->type == MANIFEST_LINK || (status->st_mode & 07777) == e->mode) &&
		    (e->type != MANIFEST_FILE || ((uint64_t)status->st_size == e->size && status->st_nlink == 1));
	if (*ret_same && e->type == MANIFEST_FILE) {
		if (digest_read(entry, digest, f) < 0)
			return -1;
		*ret_same = memcmp(digest, e->digest, sizeof(digest)) == 0;
	}
	if (*ret_same && e->type == MANIFEST_LINK) {
		if (target_read(entry, target, f) < 0)
			return -1;
		*ret_same = strcmp(target, e->target) == 0;
	}
	return 0;
}

static bool holds_line(const struct text *lines, const char *wanted)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line);)
		if (text_equal(line.bytes, line.length, wanted))
			return true;
	return false;
}

static int entry_compare(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct comparison *c = context;
	const char *path = entry->path + strspn(entry->path, "/");
	const bool directory = S_ISDIR(entry->status->st_mode);
	char whole[PATH_MAX];

	(void)state;
	if (client_is_identity(path))
		return FS_WALK_PASS;
	(void)snprintf(whole, sizeof(whole), "%s%s%s", c->prefix, path[0] != '\0' ? "/" : "", path);
	const struct manifest_entry *e = manifest_find(c->record, whole);
	c->met += e != NULL;
	/* After the first difference nothing is read any more. */
	if (e != NULL && c->same && entry_matches(entry, e, &c->same, f) < 0)
		return -1;
	if (e == NULL && !directory && !holds_line(c->carried, path))
		text_add_format(c->extra, "%s\n", path);
	return directory ? FS_WALK_ENTER : FS_WALK_PASS;
}

int client_record_compare(int client, const char *client_dir, const struct client_expected *expected, bool *ret_same,
			  struct text *extra, struct fault *f)
{
	struct comparison c = { .record = expected->record,
				.carried = expected->carried,
				.prefix = prefix_of(client_dir),
				.same = true,
				.extra = extra };
	const struct fs_walk walk = { .context = &c, .visit = entry_compare };
	size_t recorded = 0;

	for (size_t i = 0; i < c.record->count; i++)
		recorded += c.record->entries[i].has_attributes;
	if (fs_walk(client, ".", "", NULL, &walk, f) < 0 || text_check(extra, f) < 0)
		return -1;
	*ret_same = c.same && c.met == recorded && extra->length == 0;
	return 0;
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
